#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "engine/verify.h"
#include "os/executor.h"
#include "support/crash_counts.h"
#include "support/engine_kit.h"

static lode_error error;

/* --- Databases --------------------------------------------------------------------------------- */

lode_db *engine_open(struct vfs *vfs, const char *path, const lode_db_options *options,
                     uint64_t growing_bytes)
{
    return engine_open_at(vfs, path, options, growing_bytes, NULL);
}

lode_db *engine_open_at(struct vfs *vfs, const char *path, const lode_db_options *options,
                        uint64_t growing_bytes, const struct clock *clock)
{
    struct db_env env = {.vfs = vfs, .clock = clock};
    lode_db_options with = options ? *options : (lode_db_options){0};
    lode_db *db;
    if (!with.key)
        with.key = key_kit_default();
    if (vfs)
        assert_ok(executor_inline_new(&env.executor, &error));
    assert_ok(db_open(path, &with, &env, &db, &error));
    if (growing_bytes)
        db->growing_bytes_max = growing_bytes;
    return db;
}

void engine_close(lode_db *db)
{
    struct executor *borrowed = db->owns_executors ? NULL : db->executor;
    lode_db_close(db);
    executor_free(borrowed);
}

static int refuse_all(void *context, const char *operation, const char *path)
{
    (void)context;
    (void)operation;
    (void)path;
    return EIO;
}

void engine_crash(struct vfs *vfs)
{
    vfs_memory_crash(vfs);
    vfs_memory_set_fault(vfs, refuse_all, NULL);
}

void engine_kill(struct vfs *vfs)
{
    vfs_memory_kill(vfs);
    vfs_memory_set_fault(vfs, refuse_all, NULL);
}

void engine_live(struct vfs *vfs)
{
    vfs_memory_set_fault(vfs, NULL, NULL);
}

static void found(void *context, const lode_verify_finding *finding)
{
    (void)context;
    fail_msg("%s at %llu: %s", finding->file, (unsigned long long)finding->offset,
             finding->problem);
}

void engine_verify(struct vfs *vfs, const char *path)
{
    lode_verify_options options = {.report = found, .key = key_kit_default()};
    crash_count(&crash_counts.unopened);
    assert_ok(verify_database(vfs ? vfs : vfs_posix(), path, &options, &error));
    crash_uncount(&crash_counts.unopened);
    crash_count(&crash_counts.verifies);
}

lode_collection *engine_create(lode_db *db, const char *name, lode_schema schema)
{
    lode_collection *collection;
    assert_ok(lode_collection_create(db, name, &schema, &collection, &error));
    return collection;
}

lode_collection *engine_collection(lode_db *db, const char *name)
{
    lode_collection *collection;
    assert_ok(lode_collection_open(db, name, &collection, &error));
    return collection;
}

/* --- Points ------------------------------------------------------------------------------------ */

const lode_id *engine_id(unsigned n, struct engine_id *ret_id)
{
    uint8_t uuid[16] = {0};
    switch (n % 3) {
    case 0: ret_id->id = lode_id_number(n); break;
    case 1:
        snprintf(ret_id->text, sizeof ret_id->text, "point-%u", n);
        ret_id->id = lode_id_text(ret_id->text);
        break;
    default: memcpy(uuid, &n, sizeof n); ret_id->id = lode_id_uuid(uuid);
    }
    return &ret_id->id;
}

void engine_vector(unsigned value, size_t dim, float *vector)
{
    unsigned kind = value % 97; /* duplicates are wanted */
    for (size_t i = 0; i < dim; i++)
        vector[i] = (float)(int)(random_mix(kind * 1000 + i) % 9) - 4.0f;
    vector[0] += vector[0] == 0.0f;
}

struct made_point {
    struct engine_id id;
    float vector[64];
    char metadata[64];
    char text[32];
};

static void make_document(int value, struct made_point *made, lode_point *point)
{
    if (value % 11) {
        point->metadata_size = (size_t)snprintf(made->metadata, sizeof made->metadata,
                                                "{\"v\":%d,\"group\":%d}", value, value % 7);
        point->metadata = made->metadata;
    }
    if (value % 2 == 0) {
        point->text_size = (size_t)snprintf(made->text, sizeof made->text, "text %d", value);
        point->text = made->text;
    }
}

static lode_point make_point(unsigned id, int value, int document, size_t dim,
                             struct made_point *made)
{
    lode_point point = {.id = *engine_id(id, &made->id)};
    if (value == ENGINE_NONE)
        return point;
    engine_vector((unsigned)value, dim, made->vector);
    point.vector = made->vector;
    make_document(document, made, &point);
    return point;
}

/* Whichever mode is taken, the document is that of the value. */
static void make_patch(const struct model_op *op, struct made_point *made, lode_write_op *write)
{
    write->point.id = *engine_id(op->id, &made->id);
    make_document(op->value, made, &write->point);
    if (!write->point.text)
        write->point.text = ""; /* takes it away */
    write->patch = write->point.metadata ? (lode_patch_mode)(op->value % 3) : LODE_PATCH_SET;
}

/* A condition that holds, or one that does not, when `model` is what operations before it left. */
static void set_condition(const struct model *model, const struct model_op *op,
                          lode_write_op *write)
{
    uint64_t version = model->values[op->id] == ENGINE_NONE ? 0 : model->versions[op->id];
    int holds = op->condition == 1, by_version = (op->id + (unsigned)op->value) % 2;
    if (op->condition == 0)
        return;
    if (by_version && (version || !holds)) {
        write->condition = LODE_IF_VERSION;
        write->if_version = holds ? version : version + 1;
    } else if ((version != 0) == holds) {
        write->condition = LODE_IF_PRESENT;
    } else if (write->kind == LODE_WRITE_UPSERT) {
        write->condition = LODE_IF_ABSENT;
    } else if (!holds) {
        write->condition = LODE_IF_VERSION;
        write->if_version = version + 1;
    }
}

static lode_write_op make_write(const struct model *model, const struct model_op *op,
                                struct made_point *made)
{
    lode_write_op write = {.kind = LODE_WRITE_UPSERT};
    if (op->patch)
        write.kind = LODE_WRITE_PATCH;
    else if (op->value == ENGINE_NONE)
        write.kind = LODE_WRITE_DELETE;
    if (op->patch)
        make_patch(op, made, &write);
    else
        write.point = make_point(op->id, op->value, op->value, model->dim, made);
    write.point.expires_at_ms = op->expires_at_ms;
    return write;
}

/* --- The model --------------------------------------------------------------------------------- */

void model_init(struct model *model, const lode_schema *schema)
{
    *model = (struct model){.metric = schema->metric, .dim = schema->dim};
    for (size_t i = 0; i < ENGINE_IDS; i++)
        model->values[i] = ENGINE_NONE;
}

size_t model_count(const struct model *model)
{
    size_t count = 0;
    for (size_t i = 0; i < ENGINE_IDS; i++)
        count += model->values[i] != ENGINE_NONE;
    return count;
}

static void apply_op(struct model *model, const struct model_op *op)
{
    if (!op->patch)
        model->values[op->id] = op->value;
    if (model->values[op->id] == ENGINE_NONE)
        return;
    if (!op->patch || op->expires_at_ms)
        model->expiries[op->id] = op->expires_at_ms == LODE_EXPIRES_NEVER ? 0 : op->expires_at_ms;
    model->documents[op->id] = op->value;
    model->versions[op->id] = model->sequence;
}

void model_expire(struct model *model, uint64_t now_ms)
{
    for (size_t i = 0; i < ENGINE_IDS; i++)
        if (model->values[i] != ENGINE_NONE && model->expiries[i] && model->expiries[i] <= now_ms)
            model->values[i] = ENGINE_NONE;
}

void model_apply(struct model *model, const struct model_op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ops[i].condition == 2)
            return;
    model->sequence++;
    for (size_t i = 0; i < count; i++)
        apply_op(model, &ops[i]);
}

/* What a batch of these operations is to report. */
static lode_write_info foretell(const struct model *model, const struct model_op *ops, size_t count)
{
    struct model next = *model;
    lode_write_info info = {0};
    for (size_t i = 0; i < count; i++) {
        int exists = next.values[ops[i].id] != ENGINE_NONE;
        if (ops[i].patch) {
            info.patched += (size_t)exists;
            info.missing += (size_t)!exists;
        } else if (ops[i].value == ENGINE_NONE) {
            info.deleted += (size_t)exists;
        } else {
            info.upserted++;
        }
        apply_op(&next, &ops[i]);
    }
    return info;
}

static void check_info(const lode_write_info *info, const lode_write_info *wanted)
{
    assert_int_equal(info->upserted, wanted->upserted);
    assert_int_equal(info->deleted, wanted->deleted);
    assert_int_equal(info->patched, wanted->patched);
    assert_int_equal(info->missing, wanted->missing);
}

lode_status model_write(struct model *model, lode_collection *collection,
                        const struct model_op *ops, size_t count, lode_error *ret_error)
{
    return model_write_ack(model, collection, ops, count, LODE_ACK_DURABLE, ret_error);
}

void model_write_range(struct model *model, lode_collection *collection, unsigned first,
                       unsigned count, int value)
{
    for (unsigned id = first; id < first + count; id++) {
        struct model_op op = {.id = id, .value = value == ENGINE_NONE ? value : value + (int)id};
        assert_ok(model_write(model, collection, &op, 1, &error));
    }
}

lode_status model_write_ack(struct model *model, lode_collection *collection,
                            const struct model_op *ops, size_t count, lode_ack ack,
                            lode_error *ret_error)
{
    lode_write_options options = {.ack = ack};
    return model_write_with(model, collection, ops, count, &options, ret_error);
}

lode_status model_write_with(struct model *model, lode_collection *collection,
                             const struct model_op *ops, size_t count,
                             const lode_write_options *options, lode_error *ret_error)
{
    lode_write_op *writes = calloc(count, sizeof *writes);
    struct made_point *made = calloc(count, sizeof *made);
    struct model next = *model;
    int conflicts = 0;
    next.sequence++;
    for (size_t i = 0; i < count; i++) {
        writes[i] = make_write(model, &ops[i], &made[i]);
        set_condition(&next, &ops[i], &writes[i]);
        apply_op(&next, &ops[i]);
        conflicts |= ops[i].condition == 2;
    }
    lode_write_info info, wanted = foretell(model, ops, count);
    lode_status status = lode_write(collection, writes, count, options, &info, ret_error);
    if (conflicts) {
        assert_int_not_equal(status, LODE_OK);
        status = status == LODE_CONFLICT ? LODE_OK : status;
    } else if (!status) {
        check_info(&info, &wanted);
        model_apply(model, ops, count);
    }
    free(writes);
    free(made);
    return status;
}

/* --- Comparing --------------------------------------------------------------------------------- */

static void check_text(const char *text, size_t size, const char *wanted, size_t wanted_size)
{
    if (!wanted) {
        assert_null(text);
        return;
    }
    assert_non_null(text);
    assert_int_equal(size, wanted_size);
    assert_memory_equal(text, wanted, size + 1);
}

static void check_vector(const struct model *model, const float *vector, const float *wanted)
{
    double norm = 0;
    for (size_t i = 0; i < model->dim; i++)
        norm += (double)wanted[i] * (double)wanted[i];
    norm = model->metric == LODE_METRIC_COSINE ? sqrt(norm) : 1;
    for (size_t i = 0; i < model->dim; i++)
        if (fabs((double)vector[i] - (double)wanted[i] / norm) > 0.01)
            fail_msg("component %zu is %g, not %g", i, (double)vector[i], (double)wanted[i] / norm);
}

static void check_hit(const struct model *model, unsigned id, const lode_hit *hit)
{
    struct made_point made;
    lode_point wanted = make_point(id, model->values[id], model->documents[id], model->dim, &made);
    assert_int_equal(lode_id_compare(&hit->id, &wanted.id), 0);
    check_vector(model, hit->vector, wanted.vector);
    check_text(hit->metadata, hit->metadata_size, wanted.metadata, wanted.metadata_size);
    check_text(hit->text, hit->text_size, wanted.text, wanted.text_size);
    assert_int_equal(hit->expires_at_ms, model->expiries[id]);
    if (!model->any_version)
        assert_int_equal(hit->version, model->versions[id]);
}

static void check_get(const struct model *model, lode_collection *collection,
                      const lode_snapshot *snapshot)
{
    static struct engine_id ids[ENGINE_IDS];
    static lode_id given[ENGINE_IDS];
    lode_result *result;
    for (unsigned i = 0; i < ENGINE_IDS; i++)
        given[i] = *engine_id(i, &ids[i]);
    assert_ok(lode_get(collection, snapshot, given, ENGINE_IDS, 31, &result, &error));
    size_t next = 0;
    for (unsigned i = 0; i < ENGINE_IDS; i++)
        if (model->values[i] != ENGINE_NONE) {
            if (next == result->hit_count)
                fail_msg("point %u of value %d is missing", i, model->values[i]);
            check_hit(model, i, &result->hits[next++]);
        }
    assert_int_equal(next, result->hit_count);
    lode_result_free(result);
}

static unsigned number_of(const lode_id *id)
{
    struct engine_id candidate;
    for (unsigned i = 0; i < ENGINE_IDS; i++)
        if (lode_id_compare(id, engine_id(i, &candidate)) == 0)
            return i;
    fail_msg("an id that was never written");
    return 0;
}

static void check_iterator(const struct model *model, lode_collection *collection,
                           const lode_snapshot *snapshot)
{
    uint8_t seen[ENGINE_IDS] = {0};
    size_t count = 0;
    lode_iterator *iterator;
    const lode_hit *hit;
    assert_ok(lode_iterator_open(collection, snapshot, 31, &iterator, &error));
    for (;; count++) {
        assert_ok(lode_iterator_next(iterator, &hit, &error));
        if (!hit)
            break;
        unsigned id = number_of(&hit->id);
        assert_false(seen[id]);
        seen[id] = 1;
        assert_int_not_equal(model->values[id], ENGINE_NONE);
        check_hit(model, id, hit);
    }
    assert_int_equal(count, model_count(model));
    lode_iterator_close(iterator);
}

void model_check_points(const struct model *model, lode_collection *collection,
                        const lode_snapshot *snapshot)
{
    check_get(model, collection, snapshot);
    check_iterator(model, collection, snapshot);
    if (snapshot)
        assert_int_equal(lode_snapshot_point_count(snapshot), model_count(model));
}

/* --- Searching --------------------------------------------------------------------------------- */

struct scored {
    double distance;
    unsigned id;
};

static int scored_order(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;
    struct engine_id x_id, y_id;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return lode_id_compare(engine_id(x->id, &x_id), engine_id(y->id, &y_id));
}

static double distance_of(const struct model *model, const float *a, const float *b)
{
    double l2 = 0, ip = 0, aa = 0, bb = 0;
    for (size_t i = 0; i < model->dim; i++) {
        double x = (double)a[i], y = (double)b[i];
        l2 += (x - y) * (x - y);
        ip += x * y;
        aa += x * x;
        bb += y * y;
    }
    switch (model->metric) {
    case LODE_METRIC_L2: return l2;
    case LODE_METRIC_IP: return -ip;
    case LODE_METRIC_COSINE: break;
    }
    return -ip / sqrt(aa * bb);
}

static size_t naive_search(const struct model *model, const float *query, struct scored *found)
{
    size_t count = 0;
    float vector[64];
    for (unsigned i = 0; i < ENGINE_IDS; i++)
        if (model->values[i] != ENGINE_NONE) {
            engine_vector((unsigned)model->values[i], model->dim, vector);
            found[count++] = (struct scored){distance_of(model, query, vector), i};
        }
    qsort(found, count, sizeof *found, scored_order);
    return count;
}

static void check_found(const struct model *model, const lode_result *result,
                        const struct scored *wanted, int strict)
{
    for (size_t i = 0; i < result->hit_count; i++) {
        const lode_hit *hit = &result->hits[i];
        double score = model->metric == LODE_METRIC_L2 ? (double)hit->score : -(double)hit->score;
        struct engine_id id;
        if (strict && (score != wanted[i].distance ||
                       lode_id_compare(&hit->id, engine_id(wanted[i].id, &id)) != 0))
            fail_msg("hit %zu is point %u at %g; point %u at %g is due", i, number_of(&hit->id),
                     score, wanted[i].id, wanted[i].distance);
        if (fabs(score - wanted[i].distance) > 0.02)
            fail_msg("hit %zu is at %g, not at %g", i, score, wanted[i].distance);
        if (i > 0 && hit[-1].score == hit->score)
            assert_true(lode_id_compare(&hit[-1].id, &hit->id) < 0);
    }
}

void model_check_search(const struct model *model, lode_collection *collection,
                        const lode_snapshot *snapshot, unsigned value, size_t k, int strict)
{
    static struct scored wanted[ENGINE_IDS];
    float query[64];
    engine_vector(value, model->dim, query);
    size_t count = naive_search(model, query, wanted);
    lode_search_request request = {.snapshot = snapshot, .vector = query, .k = k, .exact = 1};
    lode_result *result;
    assert_ok(lode_search(collection, &request, &result, &error));
    assert_int_equal(result->hit_count, count < k ? count : k);
    check_found(model, result, wanted, strict);
    lode_result_free(result);
}
