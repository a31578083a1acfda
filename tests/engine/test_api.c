/* Every public function with each argument that can be wrong: the status, and a message that names the
 * argument. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/engine_kit.h"

static lode_error error;

/* The call fails with this status, and its message contains this text. */
#define REFUSED(call, wanted, text)                                                                \
    do {                                                                                           \
        assert_status(call, wanted);                                                               \
        assert_int_equal(error.status, wanted);                                                    \
        if (!strstr(error.message, text))                                                          \
            fail_msg("%s: \"%s\" does not say \"%s\"", #call, error.message, text);                \
    } while (0)

static struct {
    char path[PATH_SIZE_MAX];
    lode_db *db;
    lode_collection *l2, *cosine, *f16;
} fixture;

static const float good[4] = {1, 2, 3, 4};

static int set_up(void **state)
{
    (void)state;
    temp_dir_make(fixture.path);
    fixture.db = engine_open(NULL, fixture.path, NULL, 0);
    static const lode_field fields[] = {{"count", LODE_FIELD_INTEGER}};
    fixture.l2 = engine_create(fixture.db, "l2",
                               (lode_schema){.dim = 4, .fields = fields, .field_count = 1});
    fixture.cosine =
        engine_create(fixture.db, "cosine", (lode_schema){.dim = 4, .metric = LODE_METRIC_COSINE});
    fixture.f16 =
        engine_create(fixture.db, "f16", (lode_schema){.dim = 4, .scalar = LODE_SCALAR_F16});
    lode_point point = {.id = lode_id_number(1), .vector = good};
    assert_ok(lode_upsert(fixture.l2, &point, 1, NULL, &error));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lode_collection_close(fixture.l2);
    lode_collection_close(fixture.cosine);
    lode_collection_close(fixture.f16);
    engine_close(fixture.db);
    temp_dir_remove(fixture.path);
    return 0;
}

static void constants(void **state)
{
    (void)state;
    assert_string_equal(lode_version(), "0.1.0");
    assert_string_equal(lode_status_name(LODE_READONLY), "LODE_READONLY");
    assert_string_equal(lode_status_name(LODE_CONFLICT), "LODE_CONFLICT");
    assert_string_equal(lode_status_name(LODE_TIMEOUT), "LODE_TIMEOUT");
    assert_string_equal(lode_status_name(LODE_SCHEMA), "LODE_SCHEMA");
    assert_string_equal(lode_status_name((lode_status)99), "unknown status");
    assert_non_null(lode_simd_level());
}

static void ids_are_ordered(void **state)
{
    (void)state;
    static const uint8_t low[16] = {1}, high[16] = {2};
    lode_id ordered[] = {lode_id_number(0),  lode_id_number(UINT64_MAX), lode_id_uuid(low),
                         lode_id_uuid(high), lode_id_text("a"),          lode_id_text("aa"),
                         lode_id_text("b"),  lode_id_text("\xc3\xa4")};
    size_t count = sizeof ordered / sizeof ordered[0];
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            int order = lode_id_compare(&ordered[i], &ordered[j]);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    assert_int_equal(lode_id_compare(NULL, NULL), 0);
    assert_true(lode_id_compare(NULL, &ordered[0]) < 0);
}

static void null_is_closed_quietly(void **state)
{
    (void)state;
    lode_db_close(NULL);
    lode_collection_close(NULL);
    lode_catalog_free(NULL);
    lode_snapshot_close(NULL);
    lode_result_free(NULL);
    lode_iterator_close(NULL);
    lode_stats_free(NULL);
    lode_snapshot_list_free(NULL);
    lode_backup_list_free(NULL);
    assert_int_equal(lode_db_log_keep_bytes(NULL), 0);
    assert_null(lode_collection_schema(NULL));
    assert_int_equal(lode_snapshot_sequence(NULL), 0);
    assert_int_equal(lode_snapshot_point_count(NULL), 0);
}

static void db_open_refuses(void **state)
{
    (void)state;
    lode_db *db;
    char long_path[5000];
    memset(long_path, 'x', sizeof long_path);
    long_path[sizeof long_path - 1] = '\0';
    REFUSED(lode_db_open(NULL, NULL, &db, &error), LODE_INVALID, "path is NULL");
    REFUSED(lode_db_open("", NULL, &db, &error), LODE_INVALID, "path is empty");
    REFUSED(lode_db_open(long_path, NULL, &db, &error), LODE_LIMIT, "path of 4999 bytes");
    REFUSED(lode_db_open("x", NULL, NULL, &error), LODE_INVALID, "ret_db is NULL");
    REFUSED(lode_db_open("x", &(lode_db_options){.thread_count = 1000}, &db, &error), LODE_LIMIT,
            "thread_count is 1000: at most 256");
    REFUSED(lode_db_open("x", &(lode_db_options){.maintenance = (lode_maintenance)7}, &db, &error),
            LODE_INVALID, "maintenance is 7");
    REFUSED(lode_db_open("x", &(lode_db_options){.growing_bytes_max = 5}, &db, &error), LODE_LIMIT,
            "growing_bytes_max is 5");
    REFUSED(lode_db_open("/nowhere/at/all", &(lode_db_options){.must_exist = 1}, &db, &error),
            LODE_NOT_FOUND, "/nowhere/at/all");
}

static lode_status create(const char *name, lode_schema schema)
{
    lode_collection *collection;
    return lode_collection_create(fixture.db, name, &schema, &collection, &error);
}

static void create_refuses_names(void **state)
{
    (void)state;
    lode_collection *c;
    lode_schema schema = {.dim = 4};
    char long_name[200];
    memset(long_name, 'x', sizeof long_name);
    long_name[129] = '\0';
    REFUSED(lode_collection_create(NULL, "x", &schema, &c, &error), LODE_INVALID, "db is NULL");
    REFUSED(lode_collection_create(fixture.db, NULL, &schema, &c, &error), LODE_INVALID,
            "name is NULL");
    REFUSED(lode_collection_create(fixture.db, "x", NULL, &c, &error), LODE_INVALID,
            "schema is NULL");
    REFUSED(lode_collection_create(fixture.db, "x", &schema, NULL, &error), LODE_INVALID,
            "ret_collection is NULL");
    REFUSED(create("", schema), LODE_INVALID, "name is empty");
    REFUSED(create(".x", schema), LODE_INVALID, "begins with '.'");
    REFUSED(create("a/b", schema), LODE_INVALID, "byte 1 is 0x2f");
    REFUSED(create(long_name, schema), LODE_LIMIT, "name of 129 bytes: at most 128");
    REFUSED(create("l2", schema), LODE_EXISTS, "'l2'");
}

static void create_refuses_schemas(void **state)
{
    (void)state;
    static lode_field many[LODE_FIELDS_MAX + 1];
    char long_name[200];
    memset(long_name, 'x', sizeof long_name);
    long_name[129] = '\0';
    lode_field unnamed = {NULL, LODE_FIELD_TEXT}, oversize = {long_name, LODE_FIELD_TEXT};
    lode_field odd = {"a", (lode_field_type)9}, bytes = {"\xff", LODE_FIELD_TEXT};
    lode_field twice[] = {{"a", LODE_FIELD_TEXT}, {"a", LODE_FIELD_FLOAT}};
    REFUSED(create("x", (lode_schema){.dim = 0}), LODE_INVALID, "schema.dim is 0");
    REFUSED(create("x", (lode_schema){.dim = 65537}), LODE_LIMIT,
            "schema.dim is 65537: it must be from 1 to 65536");
    REFUSED(create("x", (lode_schema){.dim = 4, .metric = (lode_metric)3}), LODE_INVALID,
            "schema.metric is 3");
    REFUSED(create("x", (lode_schema){.dim = 4, .scalar = (lode_scalar)4}), LODE_INVALID,
            "schema.scalar is 4");
    REFUSED(create("x", (lode_schema){.dim = 4, .index = (lode_index)2}), LODE_INVALID,
            "schema.index is 2");
    REFUSED(create("x", (lode_schema){.dim = 4, .layout = (lode_layout)2}), LODE_INVALID,
            "schema.layout is 2");
    REFUSED(create("x", (lode_schema){.dim = 4, .m = 1}), LODE_INVALID, "schema.m is 1");
    REFUSED(create("x", (lode_schema){.dim = 4, .m = 257}), LODE_LIMIT, "schema.m is 257");
    REFUSED(create("x", (lode_schema){.dim = 4, .ef_construction = 65537}), LODE_LIMIT,
            "schema.ef_construction is 65537");
    REFUSED(create("x", (lode_schema){.dim = 4, .field_count = 1}), LODE_INVALID,
            "schema.fields is NULL");
    REFUSED(create("x", (lode_schema){.dim = 4, .fields = many, .field_count = 257}), LODE_LIMIT,
            "field_count is 257: at most 256");
    REFUSED(create("x", (lode_schema){.dim = 4, .fields = &unnamed, .field_count = 1}),
            LODE_INVALID, "fields[0] has no name");
    REFUSED(create("x", (lode_schema){.dim = 4, .fields = &oversize, .field_count = 1}), LODE_LIMIT,
            "name of 129 bytes");
    REFUSED(create("x", (lode_schema){.dim = 4, .fields = &bytes, .field_count = 1}), LODE_INVALID,
            "not UTF-8");
    REFUSED(create("x", (lode_schema){.dim = 4, .fields = &odd, .field_count = 1}), LODE_INVALID,
            "fields[0] ('a'): unknown type 9");
    REFUSED(create("x", (lode_schema){.dim = 4, .fields = twice, .field_count = 2}), LODE_INVALID,
            "'a' is declared twice");
}

static void the_catalog_refuses(void **state)
{
    (void)state;
    lode_collection *c;
    lode_catalog *catalog;
    REFUSED(lode_collection_open(NULL, "l2", &c, &error), LODE_INVALID, "db is NULL");
    REFUSED(lode_collection_open(fixture.db, NULL, &c, &error), LODE_INVALID, "name is NULL");
    REFUSED(lode_collection_open(fixture.db, "l2", NULL, &error), LODE_INVALID,
            "ret_collection is NULL");
    REFUSED(lode_collection_open(fixture.db, "a b", &c, &error), LODE_INVALID, "0x20");
    REFUSED(lode_collection_open(fixture.db, "none", &c, &error), LODE_NOT_FOUND, "'none'");
    REFUSED(lode_collection_drop(NULL, "l2", &error), LODE_INVALID, "db is NULL");
    REFUSED(lode_collection_drop(fixture.db, NULL, &error), LODE_INVALID, "name is NULL");
    REFUSED(lode_collection_drop(fixture.db, "none", &error), LODE_NOT_FOUND, "'none'");
    REFUSED(lode_collection_drop(fixture.db, "l2", &error), LODE_BUSY, "'l2' is open");
    REFUSED(lode_alias_set(NULL, "a", "l2", &error), LODE_INVALID, "db is NULL");
    REFUSED(lode_alias_set(fixture.db, NULL, "l2", &error), LODE_INVALID, "alias is NULL");
    REFUSED(lode_alias_set(fixture.db, "a*", "l2", &error), LODE_INVALID, "0x2a");
    REFUSED(lode_alias_set(fixture.db, "a", "none", &error), LODE_NOT_FOUND, "'none'");
    REFUSED(lode_alias_set(fixture.db, "l2", "cosine", &error), LODE_EXISTS, "'l2'");
    REFUSED(lode_alias_set(fixture.db, "a", NULL, &error), LODE_NOT_FOUND, "alias 'a'");
    REFUSED(lode_catalog_list(NULL, &catalog, &error), LODE_INVALID, "db is NULL");
    REFUSED(lode_catalog_list(fixture.db, NULL, &error), LODE_INVALID, "ret_catalog is NULL");
}

static lode_status upsert(lode_collection *collection, lode_point point)
{
    return lode_upsert(collection, &point, 1, NULL, &error);
}

static void writes_refuse_calls(void **state)
{
    (void)state;
    lode_write_op op = {.kind = (lode_write_kind)4};
    lode_id id = lode_id_number(1);
    REFUSED(lode_write(NULL, &op, 1, NULL, NULL, &error), LODE_INVALID, "collection is NULL");
    REFUSED(lode_write(fixture.l2, NULL, 1, NULL, NULL, &error), LODE_INVALID, "ops is NULL");
    REFUSED(lode_write(fixture.l2, &op, 10001, NULL, NULL, &error), LODE_LIMIT,
            "op_count is 10001: at most 10000");
    REFUSED(lode_write(fixture.l2, &op, 1, NULL, NULL, &error), LODE_INVALID,
            "ops[0]: unknown kind 4");
    REFUSED(lode_upsert(NULL, NULL, 0, NULL, &error), LODE_INVALID, "collection is NULL");
    REFUSED(lode_upsert(fixture.l2, NULL, 1, NULL, &error), LODE_INVALID, "points is NULL");
    REFUSED(lode_upsert(fixture.l2, &op.point, 10001, NULL, &error), LODE_LIMIT, "point_count");
    REFUSED(lode_delete(NULL, &id, 1, NULL, &error), LODE_INVALID, "collection is NULL");
    REFUSED(lode_delete(fixture.l2, NULL, 1, NULL, &error), LODE_INVALID, "ids is NULL");
    REFUSED(lode_delete(fixture.l2, &id, 10001, NULL, &error), LODE_LIMIT, "id_count");
    id.kind = (lode_id_kind)0;
    REFUSED(lode_delete(fixture.l2, &id, 1, NULL, &error), LODE_INVALID, "ids[0]: ");
    lode_write_info info;
    assert_ok(lode_upsert(fixture.l2, NULL, 0, &info, &error));
    assert_int_equal(info.upserted, 0);
}

static void writes_refuse_ids(void **state)
{
    (void)state;
    char long_id[LODE_ID_SIZE_MAX + 2];
    memset(long_id, 'x', sizeof long_id);
    long_id[LODE_ID_SIZE_MAX + 1] = '\0';
    lode_id nul = {.kind = LODE_ID_STRING, .string = "a\0b", .string_size = 3};
    REFUSED(upsert(fixture.l2, (lode_point){.vector = good}), LODE_INVALID, "points[0]: ");
    REFUSED(upsert(fixture.l2, (lode_point){.id = lode_id_text(""), .vector = good}), LODE_INVALID,
            "points[0]: ");
    REFUSED(upsert(fixture.l2, (lode_point){.id = lode_id_text(NULL), .vector = good}),
            LODE_INVALID, "points[0]: ");
    REFUSED(upsert(fixture.l2, (lode_point){.id = lode_id_text(long_id), .vector = good}),
            LODE_LIMIT, "513");
    REFUSED(upsert(fixture.l2, (lode_point){.id = lode_id_text("\xff"), .vector = good}),
            LODE_INVALID, "UTF-8");
    REFUSED(upsert(fixture.l2, (lode_point){.id = nul, .vector = good}), LODE_INVALID,
            "points[0]: ");
    REFUSED(upsert(fixture.l2, (lode_point){.id = lode_id_uuid(NULL), .vector = good}),
            LODE_INVALID, "points[0]: ");
}

static void writes_refuse_vectors(void **state)
{
    (void)state;
    lode_id id = lode_id_number(7);
    float nan[4] = {1, NAN, 3, 4}, infinite[4] = {1, 2, INFINITY, 4}, zero[4] = {0};
    float large[4] = {1, 2, 3, 70000};
    REFUSED(upsert(fixture.l2, (lode_point){.id = id}), LODE_INVALID,
            "points[0] (id 7): it has neither a vector nor a text");
    REFUSED(upsert(fixture.l2, (lode_point){.id = id, .text = "x", .text_size = 1}), LODE_SCHEMA,
            "no text model");
    REFUSED(upsert(fixture.l2, (lode_point){.id = id, .vector = nan}), LODE_INVALID,
            "points[0] (id 7): ");
    REFUSED(upsert(fixture.l2, (lode_point){.id = id, .vector = infinite}), LODE_INVALID, "2");
    REFUSED(upsert(fixture.cosine, (lode_point){.id = id, .vector = zero}), LODE_SCHEMA, "zero");
    REFUSED(upsert(fixture.f16, (lode_point){.id = id, .vector = large}), LODE_SCHEMA, "70000");
}

static void writes_refuse_documents(void **state)
{
    (void)state;
    lode_point point = {.id = lode_id_number(7), .vector = good};
    char *large = malloc(LODE_METADATA_SIZE_MAX + 2);
    memset(large, ' ', LODE_METADATA_SIZE_MAX + 2);
    point.metadata_size = 3;
    REFUSED(upsert(fixture.l2, point), LODE_INVALID, "metadata is NULL, metadata_size is 3");
    point.metadata = large;
    point.metadata_size = LODE_METADATA_SIZE_MAX + 1;
    REFUSED(upsert(fixture.l2, point), LODE_LIMIT, "metadata of 1048577 bytes: at most 1048576");
    point.metadata = "[1]";
    point.metadata_size = 3;
    REFUSED(upsert(fixture.l2, point), LODE_INVALID, "metadata: ");
    point.metadata = "{\"count\":\"many\"}";
    point.metadata_size = strlen(point.metadata);
    REFUSED(upsert(fixture.l2, point), LODE_SCHEMA, "metadata field 'count' must be an integer");
    point.metadata = NULL;
    point.metadata_size = 0;
    point.text_size = 2;
    REFUSED(upsert(fixture.l2, point), LODE_INVALID, "text is NULL, text_size is 2");
    point.text = large;
    point.text_size = LODE_TEXT_SIZE_MAX + 1;
    REFUSED(upsert(fixture.l2, point), LODE_LIMIT, "text of 1048577 bytes: at most 1048576");
    point.text = "a\xff";
    point.text_size = 2;
    REFUSED(upsert(fixture.l2, point), LODE_INVALID, "text is not UTF-8 at byte 1");
    free(large);
}

/* The first bad operation refuses the batch, and nothing of it is there afterwards. */
static void a_bad_point_refuses_its_batch(void **state)
{
    (void)state;
    float nan[4] = {NAN, 0, 0, 0};
    lode_point points[] = {{.id = lode_id_number(100), .vector = good},
                           {.id = lode_id_text("bad"), .vector = nan},
                           {.id = lode_id_number(102)}};
    lode_result *result;
    lode_id id = lode_id_number(100);
    REFUSED(lode_upsert(fixture.l2, points, 3, NULL, &error), LODE_INVALID,
            "points[1] (id 'bad'): ");
    assert_ok(lode_get(fixture.l2, NULL, &id, 1, 0, &result, &error));
    assert_int_equal(result->hit_count, 0);
    lode_result_free(result);
}

static lode_status search(lode_collection *collection, lode_search_request request)
{
    lode_result *result = NULL;
    lode_status status = lode_search(collection, &request, &result, &error);
    lode_result_free(result);
    return status;
}

static void named_snapshots_refuse(void **state)
{
    (void)state;
    lode_snapshot *snapshot;
    lode_snapshot_list *list;
    REFUSED(lode_snapshot_create(NULL, "a", &error), LODE_INVALID, "collection is NULL");
    REFUSED(lode_snapshot_create(fixture.l2, NULL, &error), LODE_INVALID, "name is NULL");
    REFUSED(lode_snapshot_create(fixture.l2, "a b", &error), LODE_INVALID, "name");
    REFUSED(lode_snapshot_create(fixture.l2, "snapshot-1", &error), LODE_INVALID, "snapshot-");
    REFUSED(lode_snapshot_open_named(NULL, "a", &snapshot, &error), LODE_INVALID,
            "collection is NULL");
    REFUSED(lode_snapshot_open_named(fixture.l2, NULL, &snapshot, &error), LODE_INVALID,
            "name is NULL");
    REFUSED(lode_snapshot_open_named(fixture.l2, "a", NULL, &error), LODE_INVALID,
            "ret_snapshot is NULL");
    REFUSED(lode_snapshot_open_named(fixture.l2, "a", &snapshot, &error), LODE_NOT_FOUND, "'a'");
    REFUSED(lode_snapshot_drop(NULL, "a", &error), LODE_INVALID, "collection is NULL");
    REFUSED(lode_snapshot_drop(fixture.l2, NULL, &error), LODE_INVALID, "name is NULL");
    REFUSED(lode_snapshot_drop(fixture.l2, "a", &error), LODE_NOT_FOUND, "'a'");
    REFUSED(lode_snapshot_list_get(NULL, &list, &error), LODE_INVALID, "collection is NULL");
    REFUSED(lode_snapshot_list_get(fixture.l2, NULL, &error), LODE_INVALID, "ret_list is NULL");
}

static void backups_refuse(void **state)
{
    (void)state;
    static const char *const no_base[] = {NULL};
    lode_backup_list *list;
    lode_backup_options based = {.base = ""}, unfit = {.base = "x"};
    lode_restore_options options = {.base_count = 1};
    REFUSED(lode_backup(NULL, "x", NULL, NULL, &error), LODE_INVALID, "db is NULL");
    REFUSED(lode_backup(fixture.db, NULL, NULL, NULL, &error), LODE_INVALID, "target is NULL");
    REFUSED(lode_backup(fixture.db, "", NULL, NULL, &error), LODE_INVALID, "target is empty");
    REFUSED(lode_backup(fixture.db, "x", &based, NULL, &error), LODE_INVALID,
            "options.base is empty");
    REFUSED(lode_backup(fixture.db, "x", &unfit, NULL, &error), LODE_INVALID, "options.base");
    REFUSED(lode_backup_list_get(NULL, &list, &error), LODE_INVALID, "path is NULL");
    REFUSED(lode_backup_list_get("x", NULL, &error), LODE_INVALID, "ret_list is NULL");
    REFUSED(lode_backup_list_get("/nonexistent/x", &list, &error), LODE_NOT_FOUND, "x");
    REFUSED(lode_restore(NULL, "x", NULL, NULL, &error), LODE_INVALID, "backup is NULL");
    REFUSED(lode_restore("x", NULL, NULL, NULL, &error), LODE_INVALID, "path is NULL");
    REFUSED(lode_restore("x", "y", &options, NULL, &error), LODE_INVALID, "options.bases is NULL");
    options.bases = no_base;
    REFUSED(lode_restore("x", "y", &options, NULL, &error), LODE_INVALID, "options.bases is NULL");
    options = (lode_restore_options){.sample = 10001};
    REFUSED(lode_restore("x", "y", &options, NULL, &error), LODE_LIMIT, "options.sample");
    REFUSED(lode_restore("/nonexistent/x", "y", NULL, NULL, &error), LODE_NOT_FOUND, "x");
}

static void searches_refuse(void **state)
{
    (void)state;
    lode_result *result;
    lode_search_request request = {.vector = good};
    lode_snapshot *other;
    float nan[4] = {NAN}, zero[4] = {0};
    lode_id none = lode_id_number(999), bad = {0};
    char long_name[200];
    memset(long_name, 'x', sizeof long_name);
    long_name[129] = '\0';
    assert_ok(lode_snapshot_open(fixture.cosine, &other, &error));
    REFUSED(lode_search(NULL, &request, &result, &error), LODE_INVALID, "collection is NULL");
    REFUSED(lode_search(fixture.l2, NULL, &result, &error), LODE_INVALID, "request is NULL");
    REFUSED(lode_search(fixture.l2, &request, NULL, &error), LODE_INVALID, "ret_result is NULL");
    REFUSED(search(fixture.l2, (lode_search_request){.k = 1}), LODE_INVALID, "exactly one of");
    REFUSED(search(fixture.l2, (lode_search_request){.vector = good, .like = &none}), LODE_INVALID,
            "exactly one of vector, text and like must be given, not 2");
    REFUSED(search(fixture.l2, (lode_search_request){.vector = good, .text_size = 4}), LODE_INVALID,
            "text is NULL, text_size is 4");
    REFUSED(search(fixture.l2, (lode_search_request){.vector = good, .k = 16385}), LODE_LIMIT,
            "k is 16385: at most 16384");
    REFUSED(search(fixture.l2, (lode_search_request){.vector = good, .ef_search = 65537}),
            LODE_LIMIT, "ef_search is 65537: at most 65536");
    REFUSED(search(fixture.l2, (lode_search_request){.vector = good, .one_per = ""}), LODE_INVALID,
            "one_per is empty");
    REFUSED(search(fixture.l2, (lode_search_request){.vector = good, .one_per = long_name}),
            LODE_LIMIT, "one_per of 129 bytes");
    REFUSED(search(fixture.l2, (lode_search_request){.vector = good, .with = 64}), LODE_INVALID,
            "unknown bits 0x40");
    REFUSED(search(fixture.l2, (lode_search_request){.vector = good, .snapshot = other}),
            LODE_INVALID, "snapshot is of collection 'cosine'");
    REFUSED(search(fixture.l2, (lode_search_request){.vector = nan}), LODE_INVALID, "vector: ");
    REFUSED(search(fixture.cosine, (lode_search_request){.vector = zero}), LODE_SCHEMA, "zero");
    REFUSED(search(fixture.l2, (lode_search_request){.like = &none}), LODE_NOT_FOUND, "999");
    REFUSED(search(fixture.l2, (lode_search_request){.like = &bad}), LODE_INVALID, "like: ");
    REFUSED(search(fixture.l2, (lode_search_request){.text = "x", .text_size = 1}), LODE_NOT_FOUND,
            "no text model");
    lode_snapshot_close(other);
}

static void batches_refuse(void **state)
{
    (void)state;
    lode_result *results[3];
    lode_snapshot *other;
    lode_search_request requests[3] = {{.vector = good}, {.vector = good, .k = 16385}, {0}};
    REFUSED(lode_search_batch(NULL, requests, 1, results, &error), LODE_INVALID,
            "collection is NULL");
    REFUSED(lode_search_batch(fixture.l2, NULL, 1, results, &error), LODE_INVALID,
            "requests is NULL");
    REFUSED(lode_search_batch(fixture.l2, requests, 1, NULL, &error), LODE_INVALID,
            "ret_results is NULL");
    REFUSED(lode_search_batch(fixture.l2, requests, 10001, results, &error), LODE_LIMIT,
            "request_count is 10001: at most 10000");
    REFUSED(lode_search_batch(fixture.l2, requests, 2, results, &error), LODE_LIMIT,
            "requests[1]: k is 16385");
    requests[1].k = 0;
    REFUSED(lode_search_batch(fixture.l2, requests, 3, results, &error), LODE_INVALID,
            "requests[2]: exactly one of");
    assert_ok(lode_snapshot_open(fixture.cosine, &other, &error));
    requests[0].snapshot = requests[1].snapshot = other;
    REFUSED(lode_search_batch(fixture.l2, requests, 2, results, &error), LODE_INVALID,
            "requests[0]: snapshot is of collection 'cosine'");
    requests[0].snapshot = NULL;
    REFUSED(lode_search_batch(fixture.l2, requests, 2, results, &error), LODE_INVALID,
            "requests[1].snapshot is not that of requests[0]");
    lode_snapshot_close(other);
    assert_ok(lode_search_batch(fixture.l2, NULL, 0, NULL, &error));
}

static void reads_refuse(void **state)
{
    (void)state;
    lode_result *result;
    lode_snapshot *snapshot;
    lode_iterator *iterator;
    const lode_hit *hit;
    lode_id id = lode_id_number(1), bad = {0};
    REFUSED(lode_snapshot_open(NULL, &snapshot, &error), LODE_INVALID, "collection is NULL");
    REFUSED(lode_snapshot_open(fixture.l2, NULL, &error), LODE_INVALID, "ret_snapshot is NULL");
    REFUSED(lode_get(NULL, NULL, &id, 1, 0, &result, &error), LODE_INVALID, "collection is NULL");
    REFUSED(lode_get(fixture.l2, NULL, NULL, 1, 0, &result, &error), LODE_INVALID, "ids is NULL");
    REFUSED(lode_get(fixture.l2, NULL, &id, 1, 0, NULL, &error), LODE_INVALID,
            "ret_result is NULL");
    REFUSED(lode_get(fixture.l2, NULL, &id, 1, 64, &result, &error), LODE_INVALID, "with is 0x40");
    REFUSED(lode_get(fixture.l2, NULL, &bad, 1, 0, &result, &error), LODE_INVALID, "ids[0]: ");
    REFUSED(lode_iterator_open(NULL, NULL, 0, &iterator, &error), LODE_INVALID,
            "collection is NULL");
    REFUSED(lode_iterator_open(fixture.l2, NULL, 0, NULL, &error), LODE_INVALID,
            "ret_iterator is NULL");
    REFUSED(lode_iterator_open(fixture.l2, NULL, 64, &iterator, &error), LODE_INVALID, "with");
    REFUSED(lode_iterator_next(NULL, &hit, &error), LODE_INVALID, "iterator is NULL");
    assert_ok(lode_iterator_open(fixture.l2, NULL, 0, &iterator, &error));
    REFUSED(lode_iterator_next(iterator, NULL, &error), LODE_INVALID, "ret_hit is NULL");
    lode_iterator_close(iterator);
}

static void texts_refuse(void **state)
{
    (void)state;
    lode_text text = {"word", 4}, bad = {NULL, 4};
    lode_train_options options = {.word_exponent = NAN};
    float vector[4];
    int known;
    REFUSED(lode_text_model_train(NULL, &text, 1, NULL, NULL, &error), LODE_INVALID,
            "collection is NULL");
    REFUSED(lode_text_model_train(fixture.cosine, NULL, 1, NULL, NULL, &error), LODE_INVALID,
            "texts is NULL");
    REFUSED(lode_text_model_train(fixture.cosine, &bad, 1, NULL, NULL, &error), LODE_INVALID,
            "texts[0].data is NULL");
    REFUSED(lode_text_model_train(fixture.cosine, &text, 1, &options, NULL, &error), LODE_INVALID,
            "word_exponent");
    REFUSED(lode_text_model_train(fixture.l2, &text, 1, NULL, NULL, &error), LODE_SCHEMA,
            "metric cosine");
    REFUSED(lode_text_model_train(fixture.cosine, &text, 1, NULL, NULL, &error), LODE_INVALID, "");
    REFUSED(lode_text_embed(NULL, "x", 1, vector, &known, &error), LODE_INVALID,
            "collection is NULL");
    REFUSED(lode_text_embed(fixture.cosine, NULL, 1, vector, &known, &error), LODE_INVALID,
            "text is NULL");
    REFUSED(lode_text_embed(fixture.cosine, "x", 1, NULL, &known, &error), LODE_INVALID,
            "vector is NULL");
    REFUSED(lode_text_embed(fixture.cosine, "x", 1, vector, NULL, &error), LODE_INVALID,
            "ret_known is NULL");
    REFUSED(lode_text_embed(fixture.cosine, "\xff", 1, vector, &known, &error), LODE_INVALID,
            "UTF-8");
    REFUSED(lode_text_embed(fixture.cosine, "x", 1, vector, &known, &error), LODE_NOT_FOUND,
            "no text model");
}

static void upkeep_refuses(void **state)
{
    (void)state;
    lode_stats *stats;
    REFUSED(lode_flush(NULL, NULL, &error), LODE_INVALID, "collection is NULL");
    REFUSED(lode_compact(NULL, NULL, &error), LODE_INVALID, "collection is NULL");
    REFUSED(lode_wait_idle(NULL, 0, &error), LODE_INVALID, "collection is NULL");
    REFUSED(lode_stats_get(NULL, &stats, &error), LODE_INVALID, "collection is NULL");
    REFUSED(lode_stats_get(fixture.l2, NULL, &error), LODE_INVALID, "ret_stats is NULL");
    REFUSED(lode_verify(NULL, NULL, &error), LODE_INVALID, "path is NULL");
}

/* error may be NULL everywhere. */
static void nobody_needs_the_message(void **state)
{
    (void)state;
    lode_collection *c;
    lode_point point = {.id = lode_id_number(1)};
    assert_int_equal(lode_collection_open(fixture.db, "none", &c, NULL), LODE_NOT_FOUND);
    assert_int_equal(lode_upsert(fixture.l2, &point, 1, NULL, NULL), LODE_INVALID);
    assert_int_equal(lode_verify(NULL, NULL, NULL), LODE_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants),
        cmocka_unit_test(ids_are_ordered),
        cmocka_unit_test(null_is_closed_quietly),
        cmocka_unit_test(db_open_refuses),
        cmocka_unit_test(create_refuses_names),
        cmocka_unit_test(create_refuses_schemas),
        cmocka_unit_test(the_catalog_refuses),
        cmocka_unit_test(writes_refuse_calls),
        cmocka_unit_test(writes_refuse_ids),
        cmocka_unit_test(writes_refuse_vectors),
        cmocka_unit_test(writes_refuse_documents),
        cmocka_unit_test(a_bad_point_refuses_its_batch),
        cmocka_unit_test(named_snapshots_refuse),
        cmocka_unit_test(backups_refuse),
        cmocka_unit_test(searches_refuse),
        cmocka_unit_test(batches_refuse),
        cmocka_unit_test(reads_refuse),
        cmocka_unit_test(texts_refuse),
        cmocka_unit_test(upkeep_refuses),
        cmocka_unit_test(nobody_needs_the_message),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
