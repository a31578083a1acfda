/* Each allocation of the library is refused in turn, once: the call says LODE_NOMEM, or that the collection is
 * to be reopened, or does without; nothing leaks, nothing is lost, and the same call then succeeds.
 * LODE_REFUSAL_STRIDE tries fewer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/backup.h"
#include "engine/verify.h"
#include "support/refusing.h"
#include "support/story.h"

/* --- Calls ------------------------------------------------------------------------------------- */

static lode_error error;

static void check_status(lode_status status, const char *call)
{
    if (status && (error.status != status || strlen(error.message) < 10))
        fail_msg("%s: status %d, but error %d '%s'", call, (int)status, (int)error.status,
                 error.message);
    if (status != LODE_OK && status != LODE_NOMEM)
        fail_msg("%s: allocation %llu refused: status %d, '%s'", call,
                 (unsigned long long)refusing.refuse_at, (int)status, error.message);
}

/* Once refused, then not: the second call must succeed. */
#define TWICE(call)                                                                                \
    do {                                                                                           \
        lode_status status_;                                                                       \
        error = (lode_error){0};                                                                   \
        ARMED(status_ = (call));                                                                   \
        check_status(status_, #call);                                                              \
        if (status_)                                                                               \
            assert_ok(call);                                                                       \
    } while (0)

/* --- The script -------------------------------------------------------------------------------- */

struct run {
    struct vfs *vfs;
    struct executor *executor;
    lode_db *db;
    lode_collection *points, *words;
    struct model model;
};

/* What is refused may be the handle: the collection is there then. */
static void create(struct run *run, const char *name, const lode_schema *schema,
                   lode_collection **ret_collection)
{
    lode_status status;
    error = (lode_error){0};
    ARMED(status = lode_collection_create(run->db, name, schema, ret_collection, &error));
    check_status(status, "lode_collection_create");
    if (status && lode_collection_create(run->db, name, schema, ret_collection, &error))
        assert_ok(lode_collection_open(run->db, name, ret_collection, &error));
}

static void open_all(struct run *run)
{
    struct db_env env = {.vfs = run->vfs, .executor = run->executor};
    lode_db_options options = {.log_keep_bytes = 100000};
    TWICE(db_open("db", &options, &env, &run->db, &error));
    run->db->growing_bytes_max = 4096;
}

static void write_batch(struct run *run, unsigned first, unsigned count)
{
    lode_write_op ops[16] = {{0}};
    struct engine_id ids[16];
    float vectors[16][4];
    char metadata[16][48], texts[16][24];
    assert_in_range(count, 1, 16);
    run->model.sequence++;
    for (unsigned i = 0; i < count; i++) {
        unsigned id = first + i;
        int value = id % 5 == 4 ? ENGINE_NONE : (int)(id * 22 + 2);
        lode_point *point = &ops[i].point;
        ops[i].kind = value == ENGINE_NONE ? LODE_WRITE_DELETE : LODE_WRITE_UPSERT;
        point->id = *engine_id(id % 40, &ids[i]);
        run->model.values[id % 40] = run->model.documents[id % 40] = value;
        run->model.versions[id % 40] = run->model.sequence;
        if (value == ENGINE_NONE)
            continue;
        engine_vector((unsigned)value, 4, vectors[i]);
        point->vector = vectors[i];
        point->metadata = metadata[i];
        point->metadata_size = (size_t)snprintf(metadata[i], sizeof metadata[i],
                                                "{\"v\":%d,\"group\":%d}", value, value % 7);
        point->text = texts[i];
        point->text_size = (size_t)snprintf(texts[i], sizeof texts[i], "text %d", value);
    }
    TWICE(lode_write(run->points, ops, count, NULL, NULL, &error));
}

static void patch_point(struct run *run, unsigned id, int value)
{
    struct engine_id made;
    char metadata[48], text[24];
    lode_write_op op = {.kind = LODE_WRITE_PATCH, .point.id = *engine_id(id, &made)};
    op.point.metadata = metadata;
    op.point.metadata_size =
        (size_t)snprintf(metadata, sizeof metadata, "{\"v\":%d,\"group\":%d}", value, value % 7);
    op.point.text = text;
    op.point.text_size = (size_t)snprintf(text, sizeof text, "text %d", value);
    op.condition = LODE_IF_VERSION;
    op.if_version = run->model.versions[id];
    run->model.documents[id] = value;
    run->model.versions[id] = ++run->model.sequence;
    /* One born dead makes readers look for what is due. */
    float vector[4] = {1, 2, 3, 4};
    lode_write_op ops[] = {op,
                           {.kind = LODE_WRITE_UPSERT,
                            .point = {.id = lode_id_number(999),
                                      .vector = vector,
                                      .expires_at_ms = LODE_EXPIRES_AT_MIN}}};
    lode_write_options options = {.request_id = metadata, .request_id_size = 8};
    TWICE(lode_write(run->points, ops, 2, &options, NULL, &error));
}

static void scroll_all(struct run *run, const lode_snapshot *snapshot)
{
    static const char *const fields[] = {NULL, "v", "group"};
    lode_sample_request sample = {.snapshot = snapshot, .count = 3};
    lode_result *result;
    TWICE(lode_sample(run->points, &sample, &result, &error));
    lode_result_free(result);
    for (size_t i = 0; i < 3; i++) {
        lode_scroll_request request = {
            .snapshot = snapshot, .by = fields[i], .descending = i == 1, .limit = 7, .with = 7};
        lode_page *first, *second;
        TWICE(lode_scroll(run->points, &request, &first, &error));
        request.after = first->next;
        TWICE(lode_scroll(run->points, &request, &second, &error));
        lode_page_free(first);
        lode_page_free(second);
    }
    const float query[4] = {1, 2, 3, 4};
    lode_groups *groups;
    lode_groups_request request = {
        .search = {.snapshot = snapshot, .vector = query, .k = 5, .exact = 1, .with = 7},
        .by = "group",
        .per_group = 2};
    TWICE(lode_search_groups(run->points, &request, &groups, &error));
    lode_groups_free(groups);
}

static void read_all(struct run *run)
{
    const float query[4] = {1, 2, 3, 4};
    const lode_id like = lode_id_number(0);
    lode_search_request requests[3] = {{.vector = query, .with = 7},
                                       {.vector = query, .exact = 1, .one_per = "group"},
                                       {.like = &like, .k = 3}};
    lode_result *result;
    lode_snapshot *snapshot;
    lode_iterator *iterator;
    lode_stats *stats;
    lode_catalog *catalog;
    const lode_hit *hit;
    TWICE(lode_snapshot_open(run->points, &snapshot, &error));
    for (size_t i = 0; i < 3; i++) {
        requests[i].snapshot = snapshot;
        TWICE(lode_search(run->points, &requests[i], &result, &error));
        lode_result_free(result);
    }
    enum { MANY = 9 };
    lode_search_request many[MANY];
    lode_result *results[MANY];
    for (size_t i = 0; i < MANY; i++) {
        many[i] = requests[i % 3];
        many[i].exact = 1; /* six without one_per: enough to be scanned in a panel */
    }
    TWICE(lode_search_batch(run->points, many, MANY, results, &error));
    for (size_t i = 0; i < MANY; i++)
        lode_result_free(results[i]);
    TWICE(lode_get(run->points, snapshot, &like, 1, 7, &result, &error));
    lode_result_free(result);
    TWICE(lode_iterator_open(run->points, snapshot, 7, &iterator, &error));
    do
        TWICE(lode_iterator_next(iterator, &hit, &error));
    while (hit);
    lode_iterator_close(iterator);
    scroll_all(run, snapshot);
    lode_snapshot_close(snapshot);
    TWICE(lode_stats_get(run->points, &stats, &error));
    lode_stats_free(stats);
    TWICE(lode_catalog_list(run->db, &catalog, &error));
    lode_catalog_free(catalog);
    model_check_points(&run->model, run->points, NULL);
}

static void use_named(struct run *run)
{
    lode_snapshot *snapshot;
    lode_snapshot_list *list;
    TWICE(lode_snapshot_open_named(run->points, "one", &snapshot, &error));
    model_check_points(&run->model, run->points, snapshot);
    lode_snapshot_close(snapshot);
    TWICE(lode_snapshot_list_get(run->points, &list, &error));
    assert_int_equal(list->count, 2);
    lode_snapshot_list_free(list);
    TWICE(lode_snapshot_drop(run->points, "two", &error));
}

static void delete_and_sync(struct run *run, unsigned id)
{
    struct engine_id made;
    lode_id given = *engine_id(id, &made);
    run->model.sequence++;
    run->model.values[id] = ENGINE_NONE;
    TWICE(lode_delete(run->points, &given, 1, NULL, &error));
    TWICE(lode_sync(run->points, &error));
    lode_status status;
    ARMED(status = lode_wait_idle(run->points, 0, &error)); /* a job that failed waits a second */
    check_status(status, "lode_wait_idle");
}

/* What fails leaves nothing that counts; a restore leaves a directory that is none, so each has its own. */
static void back_up(struct run *run)
{
    struct db_env env = {.vfs = run->vfs, .executor = run->executor};
    lode_backup_options one_file = {.one_file = 1, .base = "backups"};
    lode_backup_list *list;
    lode_status status;
    TWICE(backup_database(run->db, "backups", NULL, NULL, &error));
    TWICE(backup_database(run->db, "file", &one_file, NULL, &error));
    TWICE(backup_verify(run->vfs, "backups", NULL, &error));
    TWICE(backup_list(run->vfs, "backups", &list, &error));
    lode_backup_list_free(list);
    lode_restore_options options = {.collection = "points", .to_sequence = 2};
    error = (lode_error){0};
    ARMED(status = restore_database("backups", "restored", &options, &env, NULL, &error));
    check_status(status, "restore_database");
    if (status)
        assert_ok(restore_database("backups", "restored again", &options, &env, NULL, &error));
}

static void use_texts(struct run *run)
{
    static const char *const texts[] = {
        "a ship sails on the sea",      "the sea is deep and blue",  "a captain commands the ship",
        "the forest is deep and green", "a deer runs in the forest", "the hunter follows the deer"};
    const lode_schema schema = {.dim = 2, .metric = LODE_METRIC_COSINE};
    lode_text given[6];
    lode_point points[6];
    lode_result *result;
    float vector[2];
    int known;
    for (size_t i = 0; i < 6; i++) {
        given[i] = (lode_text){texts[i], strlen(texts[i])};
        points[i] =
            (lode_point){.id = lode_id_number(i), .text = texts[i], .text_size = strlen(texts[i])};
    }
    lode_search_request request = {.text = texts[0], .text_size = strlen(texts[0])};
    create(run, "words", &schema, &run->words);
    TWICE(lode_text_model_train(run->words, given, 6, NULL, NULL, &error));
    TWICE(lode_text_embed(run->words, texts[0], strlen(texts[0]), vector, &known, &error));
    TWICE(lode_upsert(run->words, points, 6, NULL, &error));
    TWICE(lode_search(run->words, &request, &result, &error));
    assert_int_equal(result->hit_count, 6);
    lode_result_free(result);
}

static void close_all(struct run *run)
{
    ARMED(lode_collection_close(run->points));
    ARMED(lode_collection_close(run->words));
    ARMED(lode_db_close(run->db));
    run->points = run->words = NULL;
}

static void live(struct run *run)
{
    const lode_field fields[] = {{"group", LODE_FIELD_INTEGER}};
    const lode_schema schema = {.dim = 4, .fields = fields, .field_count = 1};
    model_init(&run->model, &schema);
    open_all(run);
    create(run, "points", &schema, &run->points);
    write_batch(run, 0, 16);
    TWICE(lode_flush(run->points, NULL, &error));
    write_batch(run, 8, 16);
    write_batch(run, 30, 16);
    patch_point(run, 1, 222);  /* sealed */
    patch_point(run, 10, 442); /* growing */
    delete_and_sync(run, 2);
    read_all(run);
    TWICE(lode_flush(run->points, NULL, &error));
    write_batch(run, 3, 4);
    TWICE(lode_snapshot_create(run->points, "one", &error));
    TWICE(lode_snapshot_create(run->points, "two", &error));
    TWICE(lode_compact(run->points, NULL, &error));
    use_named(run);
    back_up(run);
    TWICE(lode_alias_set(run->db, "alias", "points", &error));
    use_texts(run);
    write_batch(run, 60, 9);
    close_all(run);
    vfs_memory_kill(run->vfs);
    open_all(run);
    TWICE(lode_collection_open(run->db, "alias", &run->points, &error));
    TWICE(lode_collection_open(run->db, "words", &run->words, &error));
    read_all(run);
    lode_collection_close(run->words);
    run->words = NULL;
    TWICE(lode_collection_drop(run->db, "words", &error));
    close_all(run);
    TWICE(verify_database(run->vfs, "db", NULL, &error));
}

static void each_allocation_is_refused(void **state)
{
    (void)state;
    unsigned stride = story_setting("LODE_REFUSAL_STRIDE", story_fewer(4) == 4 ? 1 : 7);
    refusing.refuse_at = 1;
    for (;; refusing.refuse_at += stride) {
        struct run run = {.vfs = vfs_memory_new()};
        assert_ok(executor_inline_new(&run.executor, &error));
        refusing.asked = 0;
        print_message("allocation %llu\r", (unsigned long long)refusing.refuse_at);
        live(&run);
        executor_free(run.executor);
        engine_verify(run.vfs, "db");
        vfs_memory_free(run.vfs);
        if (refusing.asked < refusing.refuse_at)
            break;
    }
    print_message("%llu allocations, every %u\n", (unsigned long long)refusing.asked, stride);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_allocation_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
