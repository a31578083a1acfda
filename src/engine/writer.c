/* writer.c: group commit. The first of the queue leads: it takes what is queued, appends it to the log
 * with one write, syncs once and publishes one version; meanwhile the next group gathers. Leading
 * passes to the next in the queue, so that nobody leads for others longer than for one group. */
#include "engine/writer.h"

#include <stdlib.h>

#include "base/limits.h"
#include "engine/collection.h"
#include "engine/debt.h"
#include "engine/overlay.h"
#include "engine/pressure.h"
#include "storage/apply.h"

/* Deletes write to the log but take no room in the segment: the log has a bound of its own. */
#define WAL_BYTES_FACTOR 2u

#define OP_BYTES     64u /* of an operation, beside vector, metadata and text; roughly */
#define BATCH_COPIES 2u

/* What a leader carries to the log. */
struct group {
    struct write_request *requests[GROUP_BATCHES_MAX];
    struct apply_batch batches[GROUP_BATCHES_MAX];
    struct wal_batch log[GROUP_BATCHES_MAX];
    size_t count;
    int frees; /* deletes on a full disk: they go where there is a log, whatever it holds already */
};

/* --- The queue --------------------------------------------------------------------------------- */

lode_status write_queue_init(struct write_queue *queue, lode_error *error)
{
    mutex_init(&queue->mutex);
    queue->group = malloc(sizeof *queue->group);
    return queue->group ? LODE_OK : error_nomem(error, "a group of writes", sizeof *queue->group);
}

void write_queue_release(struct write_queue *queue)
{
    free(queue->group);
    mutex_release(&queue->mutex);
}

/* Queue up; returns once the request leads (0) or another has carried it (1). */
static int wait_turn(struct write_queue *queue, struct write_request *request)
{
    mutex_lock(&queue->mutex);
    if (queue->last)
        queue->last->next = request;
    else
        queue->first = request;
    queue->last = request;
    while (!request->done && queue->first != request)
        cond_wait(&request->turn, &queue->mutex);
    int done = request->done;
    mutex_unlock(&queue->mutex);
    return done;
}

/* Take the group off the queue, wake its members and the next leader. Members may be gone, with their
 * requests, as soon as the mutex is free. */
static void finish(struct write_queue *queue, size_t count)
{
    mutex_lock(&queue->mutex);
    for (size_t i = 0; i < count; i++) {
        struct write_request *request = queue->first;
        queue->first = request->next;
        request->done = 1;
        cond_signal(&request->turn);
    }
    if (queue->first)
        cond_signal(&queue->first->turn);
    else
        queue->last = NULL;
    mutex_unlock(&queue->mutex);
}

/* --- Room -------------------------------------------------------------------------------------- */

static uint64_t log_room(const struct collection *collection)
{
    uint64_t size_max = WAL_BYTES_FACTOR * growing_bytes_max(collection->growing);
    uint64_t size = wal_size(collection->wal);
    return size < size_max ? size_max - size : 0;
}

static int fits(const struct collection *collection, size_t rows, size_t bytes)
{
    return growing_fits(collection->growing, rows, bytes) && bytes <= log_room(collection);
}

/* Whether the growing segment has not taken a batch: the first is taken, whatever its size. */
static int is_fresh(const struct collection *collection)
{
    return collection->version->sequence == collection->growing_sequence;
}

/* Deletes are taken from the reserve when the disk is full. */
static int only_deletes(const struct write_request *request)
{
    return request->row_count == 0;
}

static lode_status refuse(const struct collection *collection, lode_error *error)
{
    return error_set(error, LODE_READONLY,
                     "collection '%s' takes no writes until it is reopened: %s", collection->name,
                     collection->broken.message);
}

/* Leave the lane to wait until memory may be had, of the budget or by a flush of this collection. */
static lode_status wait_for_room(struct collection *collection, struct pressure *pressure,
                                 lode_error *error)
{
    lane_leave(&collection->lane);
    const struct frozen_wait wait = {.count_max = FROZEN_MAX - 1, .number = UINT64_MAX};
    lode_status status = pressure ? pressure_wait(collection, pressure, error)
                                  : jobs_wait_frozen(collection, &wait, error);
    lane_enter(&collection->lane);
    return status;
}

/* Begin another segment, unless too many wait to be written out. */
static lode_status begin_segment(struct collection *collection, lode_error *error)
{
    lode_status status = collection_freeze(collection, error);
    if (status)
        return status;
    if (jobs_frozen_count(&collection->jobs) <
        FROZEN_MAX + (unsigned)collection->queue.group->frees)
        return collection_grow(collection, error);
    return wait_for_room(collection, NULL, error);
}

/* See that there is a growing segment with room for this batch, or one that has taken none, and memory for it.
 * Holds the lane, but may leave it for a while. */
static lode_status make_room(struct collection *collection, const struct write_request *request,
                             int fresh, lode_error *error)
{
    struct pressure pressure = {0};
    size_t rows = request->row_count, bytes = request->batch.size;
    int frees = collection->queue.group->frees;
    lode_status status = frees ? LODE_OK : room_admit(collection->db, error);
    while (!status) {
        struct segment *growing = collection->growing;
        if (collection->broken.status)
            status = refuse(collection, error);
        else if (!growing ||
                 !(is_fresh(collection) || frees || (!fresh && fits(collection, rows, bytes))))
            status = begin_segment(collection, error);
        else if (growing_hold(growing, rows, bytes))
            break;
        else
            status = wait_for_room(collection, &pressure, error);
    }
    pressure_end(&pressure);
    return status;
}

/* --- A group ----------------------------------------------------------------------------------- */

static void add_to_group(struct group *group, struct write_request *request)
{
    size_t i = group->count++;
    group->requests[i] = request;
    group->batches[i] = (struct apply_batch){.bytes = &request->batch, .asks = request->asks};
}

/* The leader's batch, and those behind it that still fit. */
static void gather(struct collection *collection, struct write_request *leader)
{
    struct write_queue *queue = &collection->queue;
    size_t rows = leader->row_count, bytes = leader->batch.size;
    queue->group->count = 0;
    add_to_group(queue->group, leader);
    mutex_lock(&queue->mutex);
    struct write_request *request = leader->next;
    while (request && !queue->group->frees && queue->group->count < GROUP_BATCHES_MAX) {
        rows += request->row_count;
        bytes += request->batch.size;
        if (bytes > GROUP_BYTES_MAX || !fits(collection, rows, bytes) ||
            !growing_hold(collection->growing, rows, bytes))
            break;
        add_to_group(queue->group, request);
        request = request->next;
    }
    mutex_unlock(&queue->mutex);
}

/* Texts embedded with one model must not join points of another. */
static lode_status check_model(const struct collection *collection,
                               const struct write_request *request, lode_error *error)
{
    uint32_t version = collection->model ? collection->model->version : 0;
    if (request->model_version == 0 || request->model_version == version)
        return LODE_OK;
    return error_set(error, LODE_BUSY,
                     "the text model of collection '%s' was trained anew meanwhile: write again",
                     collection->name);
}

/* The most that any of the batches asks for, those too that are in the log already. */
static lode_ack strongest(struct write_request *const *requests, const struct apply_group *applied)
{
    lode_ack ack = LODE_ACK_APPLIED;
    for (size_t i = 0; i < applied->count; i++)
        if (!applied->batches[i].status && requests[i]->ack < ack)
            ack = requests[i]->ack;
    return ack;
}

/* Nothing new is to be logged: what was before may still have to become more durable. */
static lode_status log_nothing(struct collection *collection, lode_ack ack, lode_error *error)
{
    if (!collection->unsynced || ack == LODE_ACK_APPLIED)
        return LODE_OK;
    return ack == LODE_ACK_DURABLE ? collection_sync_log(collection, error)
                                   : wal_write(collection->wal, error);
}

static lode_status log_group(struct collection *collection, struct group *group, lode_ack ack,
                             const struct apply_group *applied, lode_error *error)
{
    uint64_t sequence = collection->version->sequence + 1;
    struct wal *wal = collection->wal;
    size_t count = 0;
    for (size_t i = 0; i < applied->count; i++)
        if (applied->batches[i].logged)
            group->log[count++] =
                (struct wal_batch){applied->batches[i].logged, applied->batches[i].logged_size};
    lode_status status = ack == LODE_ACK_APPLIED
                             ? wal_keep(wal, sequence, group->log, count, error)
                             : wal_append(wal, sequence, group->log, count, error);
    if (!status && ack == LODE_ACK_DURABLE)
        status = collection_sync_log(collection, error);
    return status;
}

static void give_result(struct write_request *request, const struct apply_batch *batch)
{
    request->status = batch->status;
    request->error = batch->error;
    request->info = (lode_write_info){
        .sequence = batch->sequence,
        .repeated = batch->repeats,
        .upserted = batch->counts.upserted,
        .deleted = batch->counts.deleted,
        .patched = batch->counts.patched,
        .missing = batch->counts.missing,
    };
}

/* After a reserve. */
static void remember_requests(struct collection *collection, const struct apply_group *applied)
{
    for (size_t i = 0; i < applied->count; i++) {
        const struct apply_batch *batch = &applied->batches[i];
        if (batch->logged && batch->request.id_size)
            requests_add(&collection->requests, &batch->request, batch->sequence);
    }
}

static lode_status reserve_requests(struct collection *collection,
                                    const struct apply_group *applied, lode_error *error)
{
    for (size_t i = 0; i < applied->count; i++)
        if (applied->batches[i].request.id_size)
            return requests_reserve(&collection->requests, error);
    return LODE_OK;
}

/* What is prepared becomes as durable as it is to be, then visible. */
static lode_status carry_out(struct collection *collection, struct group *group, lode_ack ack,
                             const struct apply_group *applied, struct apply *own_apply,
                             lode_error *error)
{
    struct field_set *set = NULL;
    lode_status status = reserve_requests(collection, applied, error);
    if (!status && applied->learnt && !(set = field_set_new()))
        status = error_nomem(error, "fields", sizeof *set);
    if (!status)
        status = applied->applied > 0 ? log_group(collection, group, ack, applied, error)
                                      : log_nothing(collection, ack, error);
    if (status || applied->applied == 0) {
        field_set_unref(set);
        fields_free(applied->learnt);
        apply_abort(own_apply);
        return status;
    }
    remember_requests(collection, applied);
    if (set)
        known_fields_put(&collection->fields, set, applied->learnt);
    collection_publish(collection, apply_commit(own_apply));
    growing_hold_all(collection->growing); /* patches may have become more than was asked for */
    collection->unsynced |= ack != LODE_ACK_DURABLE;
    atomic_store_explicit(&collection->wal_bytes, wal_size(collection->wal), memory_order_relaxed);
    return LODE_OK;
}

/* Those of `count` batches from `first` on that fit the growing segment: *ret_taken. Each of them then has
 * its result. */
static lode_status commit(struct collection *collection, struct group *group, size_t first,
                          size_t count, size_t *ret_taken, lode_error *error)
{
    uint64_t now_ms = collection_now_ms(collection);
    lode_status status = collection_expire(collection, now_ms, error);
    if (status)
        return status;
    struct version *from = collection->version;
    struct field_set *known = known_fields_get(&collection->fields);
    struct apply_group applied = {
        .fields = known ? known->fields : NULL,
        .batches = group->batches + first,
        .count = count,
        .bytes_max = growing_room(collection->growing, log_room(collection)),
        .first_fits = is_fresh(collection) || group->frees,
        .requests = &collection->requests,
        .now_ms = now_ms,
    };
    struct apply *apply;
    for (size_t i = first; !status && i < first + count; i++)
        status = check_model(collection, group->requests[i], error);
    if (!status)
        status = apply_prepare(from, collection->growing, &applied, &apply, error);
    if (!status) {
        for (size_t i = 0; i < applied.count; i++)
            give_result(group->requests[first + i], &applied.batches[i]);
        *ret_taken = applied.count;
        lode_ack ack = strongest(group->requests + first, &applied);
        status = carry_out(collection, group, ack, &applied, apply, error);
    }
    field_set_unref(known);
    return status;
}

static void fail(struct write_request *request, lode_status status, const lode_error *error)
{
    request->status = status;
    request->error = *error;
}

/* Most of the reserve goes to the log at once: a flush must not take what the deletes after this one need.
 * The rest is for the manifests by which segments go. */
static void give_to_log(struct collection *collection, uint64_t bytes)
{
    if (bytes > 0 && collection->growing)
        wal_reserve(collection->wal, bytes / 4 * 3);
}

static int spend_reserve(struct collection *collection)
{
    uint64_t bytes = room_spend(collection->db);
    give_to_log(collection, bytes);
    return bytes > 0;
}

static int all_delete(const struct group *group, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++)
        if (!only_deletes(group->requests[i]))
            return 0;
    return 1;
}

/* The same; on a full disk deletes are tried again with the space that is kept for them. */
static lode_status commit_or_spend(struct collection *collection, struct group *group, size_t first,
                                   size_t count, size_t *ret_taken, lode_error *error)
{
    lode_status status = commit(collection, group, first, count, ret_taken, error);
    if (status == LODE_FULL && all_delete(group, first, count) && spend_reserve(collection))
        status = commit(collection, group, first, count, ret_taken, error);
    return status;
}

/* Each alone, so that one bad batch does not take others with it. */
static size_t commit_each(struct collection *collection, struct group *group)
{
    for (size_t i = 0; i < group->count; i++) {
        lode_error error = {0};
        size_t taken = 1;
        lode_status status = commit_or_spend(collection, group, i, 1, &taken, &error);
        if (status)
            fail(group->requests[i], status, &error);
        else if (taken == 0)
            return i;
    }
    return group->count;
}

/* All at once; when that fails, each alone. A failed sync fails them all: what became of any is unknown.
 * Returns how many of them have their result; the others find no room in this segment. */
static size_t commit_group(struct collection *collection, struct group *group)
{
    lode_error error = {0};
    size_t taken = 0;
    lode_status status = commit_or_spend(collection, group, 0, group->count, &taken, &error);
    if (!status)
        return taken;
    if (group->count > 1 && !collection->broken.status)
        return commit_each(collection, group);
    for (size_t i = 0; i < group->count; i++)
        fail(group->requests[i], status, &error);
    return group->count;
}

/* Whether something may have become due. */
static int wants_poke(struct collection *collection, int froze)
{
    return froze || (collection->growing && collection->store.index == LODE_INDEX_HNSW &&
                     collection->db->maintenance == LODE_MAINTAIN_AUTO &&
                     growing_row_count(collection->growing) >= collection->db->overlay_rows_min &&
                     !atomic_load_explicit(&collection->jobs.overlaid, memory_order_relaxed));
}

static uint64_t growing_number(const struct collection *collection)
{
    return collection->growing ? collection->growing->number : 0;
}

/* make_room; on a full disk deletes are tried again with the space that is kept for them. */
static lode_status make_room_or_spend(struct collection *collection,
                                      const struct write_request *leader, int fresh,
                                      lode_error *error)
{
    struct group *group = collection->queue.group;
    uint64_t spent;
    group->frees = only_deletes(leader) && room_is_short(collection->db);
    lode_status status = make_room(collection, leader, fresh, error);
    if (status != LODE_FULL || !only_deletes(leader) || (spent = room_spend(collection->db)) == 0)
        return status;
    group->frees = 1;
    status = make_room(collection, leader, fresh, error);
    give_to_log(collection, spent);
    return status;
}

/* Carry the leader's batch, and others. Returns how many batches have their result. */
static size_t carry_group(struct collection *collection, struct write_request *leader)
{
    for (int fresh = 0;; fresh = 1) {
        leader->status = make_room_or_spend(collection, leader, fresh, &leader->error);
        if (leader->status)
            return 1;
        gather(collection, leader);
        size_t count = commit_group(collection, collection->queue.group);
        if (count > 0)
            return count;
        INVARIANT(!fresh); /* a fresh segment takes any batch */
    }
}

static void lead(struct collection *collection, struct write_request *leader)
{
    overlay_wait(collection);
    lane_enter(&collection->lane);
    uint64_t before = growing_number(collection);
    size_t count = carry_group(collection, leader);
    int poke = wants_poke(collection, growing_number(collection) != before);
    lane_leave(&collection->lane);
    finish(&collection->queue, count);
    if (poke)
        jobs_poke(collection);
}

static lode_status submit(struct collection *collection, struct write_request *request,
                          lode_error *error)
{
    debt_wait(collection,
              request->row_count); /* each for itself, before others can wait behind it */
    cond_init(&request->turn);
    if (!wait_turn(&collection->queue, request))
        lead(collection, request);
    cond_release(&request->turn);
    if (request->status && error)
        *error = request->error;
    return request->status;
}

/* Nothing to write: the state as it is. */
static void describe_nothing(struct collection *collection, lode_write_info *ret_info)
{
    struct version *version = collection_pin(collection);
    *ret_info = (lode_write_info){.sequence = version->sequence};
    version_unref(version);
}

/* Sizes are checked later, where the message names the operation. */
static uint64_t within(size_t size, size_t max)
{
    return size < max ? size : max;
}

/* What an operation takes in its batch; a patch, what it may leave of its point. */
static uint64_t memory_of_op(const struct collection *collection, lode_write_kind kind,
                             const lode_point *point)
{
    uint64_t row = kind == LODE_WRITE_DELETE ? 0 : collection->store.space.row_size;
    return OP_BYTES + row + within(point->metadata_size, LODE_METADATA_SIZE_MAX) +
           within(point->text_size, LODE_TEXT_SIZE_MAX);
}

/* What a batch takes until it is applied: itself, and its copy in the log's memory. */
static uint64_t memory_of(const struct collection *collection, const struct write_input *input)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < input->count; i++)
        if (input->ids)
            bytes += OP_BYTES;
        else if (input->ops)
            bytes += memory_of_op(collection, input->ops[i].kind, &input->ops[i].point);
        else
            bytes += memory_of_op(collection, LODE_WRITE_UPSERT, &input->points[i]);
    return BATCH_COPIES * bytes;
}

static lode_status write_batch(struct collection *collection, const struct write_input *input,
                               lode_write_info *ret_info, lode_error *error)
{
    struct write_request request = {.ack = input->ack};
    uint64_t memory = memory_of(collection, input);
    lode_status status = pressure_admit_batch(collection, input->count, memory, error);
    if (status)
        return status;
    buf_init(&request.batch, LODE_BATCH_SIZE_MAX);
    status = encode_batch(collection, input, &request, error);
    if (!status)
        status = submit(collection, &request, error);
    buf_release(&request.batch);
    pressure_dismiss_batch(memory);
    *ret_info = request.info;
    return status;
}

lode_status collection_drop_namespace(struct collection *collection,
                                      const struct id_namespace *space, lode_write_info *ret_info,
                                      lode_error *error)
{
    struct write_request request = {.ack = LODE_ACK_DURABLE};
    buf_init(&request.batch, LODE_BATCH_SIZE_MAX);
    lode_status status = batch_drop(&request.batch, space, error);
    if (!status)
        status = submit(collection, &request, error);
    buf_release(&request.batch);
    if (!status && ret_info)
        *ret_info = request.info;
    return status;
}

lode_status collection_write(struct collection *collection, const struct write_input *input,
                             lode_write_info *ret_info, lode_error *error)
{
    lode_write_info info;
    lode_status status = LODE_OK;
    if (input->count == 0) {
        describe_nothing(collection, &info);
    } else {
        status = write_batch(collection, input, &info, error);
    }
    if (!status && ret_info)
        *ret_info = info;
    return status;
}
