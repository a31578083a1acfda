/* A collection's text model: training, texts in the place of vectors, reopening, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embed/made_corpus.h"
#include "engine/files.h"
#include "support/engine_kit.h"

static lode_error error;

struct shelf {
    struct vfs *vfs;
    lode_db *db;
    lode_collection *collection;
    struct made_corpus *corpus;
};

static const lode_schema schema = {.dim = 16, .metric = LODE_METRIC_COSINE};

static void open_shelf(struct shelf *shelf)
{
    shelf->db = engine_open(shelf->vfs, "db", NULL, 65536);
    shelf->collection = engine_collection(shelf->db, "texts");
}

static void close_shelf(struct shelf *shelf)
{
    lode_collection_close(shelf->collection);
    engine_close(shelf->db);
    engine_verify(shelf->vfs, "db");
}

static void train(struct shelf *shelf, uint32_t version)
{
    lode_train_info info;
    assert_ok(
        lode_text_model_train(shelf->collection, shelf->corpus->texts, TEXTS, NULL, &info, &error));
    assert_int_equal(info.model_version, version);
    assert_int_equal(info.texts, TEXTS);
    assert_true(info.words > TOPICS * 10);
}

static void begin_shelf(struct shelf *shelf)
{
    shelf->vfs = vfs_memory_new();
    lode_db *db = engine_open(shelf->vfs, "db", NULL, 65536);
    lode_collection_close(engine_create(db, "texts", schema));
    engine_close(db);
    open_shelf(shelf);
    shelf->corpus = made_corpus_new(1);
    train(shelf, 1);
}

static void end_shelf(struct shelf *shelf)
{
    close_shelf(shelf);
    free(shelf->corpus);
    vfs_memory_free(shelf->vfs);
}

/* Where a version of the model is, or would be. */
static void model_path(struct vfs *vfs, unsigned version, char path[PATH_SIZE_MAX])
{
    struct file_names names;
    path[0] = '\0';
    assert_ok(file_names_list(vfs, "db", &names, &error));
    for (size_t i = 0; i < names.count; i++)
        if (strncmp(names.names[i], "c-", 2) == 0)
            snprintf(path, PATH_SIZE_MAX, "db/%s/text-model-%u", names.names[i], version);
    file_names_release(&names);
}

static int has_model(struct vfs *vfs, unsigned version)
{
    char path[PATH_SIZE_MAX];
    model_path(vfs, version, path);
    return kit_exists(vfs, path);
}

static lode_point text_point(const struct shelf *shelf, size_t i)
{
    return (lode_point){.id = lode_id_number(i),
                        .text = shelf->corpus->texts[i].data,
                        .text_size = shelf->corpus->texts[i].size};
}

/* More than one piece of embedding, mixed with points that bring their vector and with deletes. */
static void write_all(struct shelf *shelf)
{
    static lode_write_op ops[TEXTS];
    float vector[16] = {1};
    for (size_t i = 0; i < TEXTS; i++) {
        ops[i] = (lode_write_op){.kind = i % 50 == 49 ? LODE_WRITE_DELETE : LODE_WRITE_UPSERT,
                                 .point = text_point(shelf, i)};
        if (i % 50 == 48)
            ops[i].point.vector = vector;
    }
    assert_ok(lode_write(shelf->collection, ops, TEXTS, NULL, NULL, &error));
}

static void check_topic(struct shelf *shelf, unsigned topic)
{
    char word[8];
    lode_result *result;
    made_word(topic, 3, word);
    lode_search_request request = {
        .text = word, .text_size = strlen(word), .k = 10, .with = LODE_WITH_TEXT};
    assert_ok(lode_search(shelf->collection, &request, &result, &error));
    assert_int_equal(result->hit_count, 10);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(result->hits[i].id.number % TOPICS, topic);
    lode_result_free(result);
}

static void texts_are_found_by_texts(void **state)
{
    (void)state;
    struct shelf shelf;
    begin_shelf(&shelf);
    write_all(&shelf);
    for (unsigned topic = 0; topic < TOPICS; topic++)
        check_topic(&shelf, topic);
    engine_crash(shelf.vfs);
    lode_collection_close(shelf.collection);
    engine_close(shelf.db);
    engine_live(shelf.vfs);
    open_shelf(&shelf);
    for (unsigned topic = 0; topic < TOPICS; topic++)
        check_topic(&shelf, topic);
    lode_stats *stats;
    assert_ok(lode_stats_get(shelf.collection, &stats, &error));
    assert_int_equal(stats->text_model_version, 1);
    lode_stats_free(stats);
    end_shelf(&shelf);
}

/* The vector stored for a text is the one that embedding it gives. */
static void embedding_is_what_is_stored(void **state)
{
    (void)state;
    struct shelf shelf;
    float vector[16];
    int known = 0;
    lode_result *result;
    lode_id id = lode_id_number(7);
    begin_shelf(&shelf);
    write_all(&shelf);
    assert_ok(lode_text_embed(shelf.collection, shelf.corpus->texts[7].data,
                              shelf.corpus->texts[7].size, vector, &known, &error));
    assert_int_equal(known, 1);
    assert_ok(lode_get(shelf.collection, NULL, &id, 1, LODE_WITH_VECTOR, &result, &error));
    for (size_t i = 0; i < 16; i++)
        assert_true(result->hits[0].vector[i] - vector[i] < 1e-6f &&
                    vector[i] - result->hits[0].vector[i] < 1e-6f);
    lode_result_free(result);
    end_shelf(&shelf);
}

static void unknown_words_have_no_vector(void **state)
{
    (void)state;
    struct shelf shelf;
    float vector[16] = {42};
    int known = 1;
    lode_result *result;
    begin_shelf(&shelf);
    write_all(&shelf);
    assert_ok(lode_text_embed(shelf.collection, "zzz", 3, vector, &known, &error));
    assert_int_equal(known, 0);
    assert_true(vector[0] == 42);
    lode_search_request request = {.text = "zzz", .text_size = 3};
    assert_ok(lode_search(shelf.collection, &request, &result, &error));
    assert_int_equal(result->hit_count, 0);
    assert_int_equal(result->info.sequence, 1);
    lode_result_free(result);
    lode_point points[2] = {text_point(&shelf, 0),
                            {.id = lode_id_text("x"), .text = "zzz", .text_size = 3}};
    assert_status(lode_upsert(shelf.collection, points, 2, NULL, &error), LODE_SCHEMA);
    assert_non_null(strstr(error.message, "points[1] (id 'x'): no word of its text is known"));
    end_shelf(&shelf);
}

static void training_needs_an_empty_collection(void **state)
{
    (void)state;
    struct shelf shelf;
    begin_shelf(&shelf);
    train(&shelf, 2);
    lode_point point = text_point(&shelf, 1);
    lode_id id = point.id;
    assert_ok(lode_upsert(shelf.collection, &point, 1, NULL, &error));
    assert_status(
        lode_text_model_train(shelf.collection, shelf.corpus->texts, TEXTS, NULL, NULL, &error),
        LODE_BUSY);
    assert_non_null(strstr(error.message, "holds 1 points"));
    assert_ok(lode_delete(shelf.collection, &id, 1, NULL, &error));
    train(&shelf, 3);
    assert_true(has_model(shelf.vfs, 3));
    assert_false(has_model(shelf.vfs, 2));
    assert_status(
        lode_text_model_train(shelf.collection, shelf.corpus->texts, 3, NULL, NULL, &error),
        LODE_INVALID); /* too few for 16 dimensions */
    close_shelf(&shelf);
    open_shelf(&shelf);
    write_all(&shelf);
    check_topic(&shelf, 5);
    end_shelf(&shelf);
}

/* A snapshot keeps the model of its points: vectors of two models do not compare. */
static void a_snapshot_keeps_its_model(void **state)
{
    (void)state;
    struct shelf shelf;
    lode_snapshot *snapshot;
    lode_result *before, *after;
    static lode_id ids[TEXTS];
    char word[8];
    made_word(4, 3, word);
    begin_shelf(&shelf);
    write_all(&shelf);
    assert_ok(lode_snapshot_open(shelf.collection, &snapshot, &error));
    lode_search_request request = {
        .snapshot = snapshot, .text = word, .text_size = strlen(word), .k = 10, .exact = 1};
    assert_ok(lode_search(shelf.collection, &request, &before, &error));
    for (size_t i = 0; i < TEXTS; i++)
        ids[i] = lode_id_number(i);
    assert_ok(lode_delete(shelf.collection, ids, TEXTS, NULL, &error));
    struct made_corpus *other = made_corpus_new(2);
    assert_ok(lode_text_model_train(shelf.collection, other->texts, TEXTS / 2, NULL, NULL, &error));
    assert_ok(lode_search(shelf.collection, &request, &after, &error));
    assert_int_equal(after->hit_count, 10);
    for (size_t i = 0; i < 10; i++) {
        assert_int_equal(after->hits[i].id.number, before->hits[i].id.number);
        assert_true(after->hits[i].score == before->hits[i].score);
    }
    lode_result_free(before);
    lode_result_free(after);
    lode_snapshot_close(snapshot);
    free(other);
    end_shelf(&shelf);
}

struct stages {
    unsigned calls;
};

static void count_stage(void *context, const char *stage, uint64_t done, uint64_t total)
{
    struct stages *stages = context;
    assert_non_null(stage);
    assert_true(done <= total);
    stages->calls++;
}

static void training_reports_its_progress(void **state)
{
    (void)state;
    struct shelf shelf;
    struct stages stages = {0};
    begin_shelf(&shelf);
    lode_train_options options = {.progress = count_stage, .context = &stages, .seed = 3};
    assert_ok(lode_text_model_train(shelf.collection, shelf.corpus->texts, TEXTS, &options, NULL,
                                    &error));
    assert_true(stages.calls > 0);
    options.language = "klingon";
    assert_status(
        lode_text_model_train(shelf.collection, shelf.corpus->texts, TEXTS, &options, NULL, &error),
        LODE_INVALID);
    assert_non_null(strstr(error.message, "klingon"));
    end_shelf(&shelf);
}

/* --- A damaged model --------------------------------------------------------------------------- */

static void assert_refused_by_name(lode_status status)
{
    if (status != LODE_CORRUPT || !strstr(error.message, "text-model-1"))
        fail_msg("status %d: %s", (int)status, error.message);
}

/* All that needs the model is refused. */
static void check_refusals(struct shelf *shelf)
{
    float vector[16];
    int known = 77;
    lode_result *result = NULL;
    lode_point point = text_point(shelf, 3);
    lode_search_request request = {.text = "x", .text_size = 1, .k = 10};
    assert_refused_by_name(lode_upsert(shelf->collection, &point, 1, NULL, &error));
    assert_refused_by_name(lode_search(shelf->collection, &request, &result, &error));
    assert_refused_by_name(lode_text_embed(shelf->collection, "x", 1, vector, &known, &error));
    assert_refused_by_name(lode_backup(shelf->db, "backups", NULL, NULL, &error));
    assert_null(result);
    assert_int_equal(known, 77);
}

/* All that does not works, after opening again too. */
static void check_the_rest(struct shelf *shelf)
{
    float vector[16] = {1, 2};
    lode_id id = lode_id_number(5000);
    lode_result *result;
    lode_point point = {.id = id, .vector = vector, .text = "a text", .text_size = 6};
    lode_search_request request = {.vector = vector, .k = 1};
    assert_ok(lode_upsert(shelf->collection, &point, 1, NULL, &error));
    assert_ok(lode_search(shelf->collection, &request, &result, &error));
    assert_int_equal(result->hits[0].id.number, 5000);
    lode_result_free(result);
    assert_ok(lode_compact(shelf->collection, NULL, &error));
    lode_collection_close(shelf->collection);
    engine_close(shelf->db);
    open_shelf(shelf);
    assert_ok(lode_search(shelf->collection, &request, &result, &error));
    assert_int_equal(result->hits[0].id.number, 5000);
    lode_result_free(result);
    lode_stats *stats;
    assert_ok(lode_stats_get(shelf->collection, &stats, &error));
    assert_int_equal(stats->text_model_version, 1);
    lode_stats_free(stats);
}

static void check_damage(struct shelf *shelf, const uint8_t *bytes, size_t size)
{
    char path[PATH_SIZE_MAX];
    lode_collection_close(shelf->collection);
    engine_close(shelf->db);
    model_path(shelf->vfs, 1, path);
    if (kit_exists(shelf->vfs, path))
        assert_ok(vfs_remove(shelf->vfs, path, &error));
    if (bytes)
        kit_write(shelf->vfs, path, bytes, size);
    open_shelf(shelf);
    check_refusals(shelf);
    check_the_rest(shelf);
    check_refusals(shelf);
}

static void a_damaged_model_costs_only_what_needs_it(void **state)
{
    (void)state;
    struct shelf shelf;
    char path[PATH_SIZE_MAX];
    uint8_t *bytes;
    size_t size;
    begin_shelf(&shelf);
    write_all(&shelf);
    model_path(shelf.vfs, 1, path);
    bytes = kit_read(shelf.vfs, path, &size);
    for (size_t at = 0; at < size; at += size / 9) {
        bytes[at] ^= 4;
        check_damage(&shelf, bytes, size);
        bytes[at] ^= 4;
    }
    check_damage(&shelf, bytes, size / 2);
    check_damage(&shelf, NULL, 0);
    check_damage(&shelf, bytes, 0);
    lode_collection_close(shelf.collection);
    engine_close(shelf.db);
    kit_write(shelf.vfs, path, bytes, size);
    open_shelf(&shelf);
    check_topic(&shelf, 0);
    free(bytes);
    end_shelf(&shelf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_found_by_texts),
        cmocka_unit_test(a_damaged_model_costs_only_what_needs_it),
        cmocka_unit_test(embedding_is_what_is_stored),
        cmocka_unit_test(unknown_words_have_no_vector),
        cmocka_unit_test(training_needs_an_empty_collection),
        cmocka_unit_test(a_snapshot_keeps_its_model),
        cmocka_unit_test(training_reports_its_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
