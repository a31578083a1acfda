/* test_bad_input.c: every public function with every kind of bad argument: docs/errors.md is the table of what each
 * gets, made and checked by this test (LODE_WRITE_ERRORS=1 writes it anew). What filters, orders and groups:
 * test_bad_filters.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/errors_kit.h"

/* --- Databases and collections ------------------------------------------------------------------ */

static void databases(void)
{
    char *path = errors_repeat('p', PATH_SIZE_MAX);
    lode_db_options options = {.thread_count = 257};
    BAD(lode_db_open, "path NULL", NULL, NULL, &out.db, &error);
    BAD(lode_db_open, "path empty", "", NULL, &out.db, &error);
    BAD(lode_db_open, "path of 4,096 bytes", path, NULL, &out.db, &error);
    BAD(lode_db_open, "ret_db NULL", fixture.path, NULL, NULL, &error);
    BAD(lode_db_open, "too many threads", fixture.path, &options, &out.db, &error);
    options = (lode_db_options){.maintenance = (lode_maintenance)7};
    BAD(lode_db_open, "unknown maintenance", fixture.path, &options, &out.db, &error);
    options = (lode_db_options){.growing_bytes_max = 1000};
    BAD(lode_db_open, "growing_bytes_max too small", fixture.path, &options, &out.db, &error);
    options = (lode_db_options){.growing_bytes_max = UINT64_MAX};
    BAD(lode_db_open, "growing_bytes_max too large", fixture.path, &options, &out.db, &error);
    options = (lode_db_options){.must_exist = 1};
    BAD(lode_db_open, "must_exist, and it does not", "/nonexistent/db", &options, &out.db, &error);
    BAD(lode_db_open, "no such parent directory", "/nonexistent/db", NULL, &out.db, &error);
    BAD(lode_db_open, "path is a device", "/dev/null", NULL, &out.db, &error);
    free(path);
}

static void schemas(void)
{
    static const lode_field no_name[] = {{NULL, LODE_FIELD_TEXT}};
    static const lode_field not_text[] = {{"\xff", LODE_FIELD_TEXT}};
    static const lode_field no_type[] = {{"a", (lode_field_type)9}};
    static const lode_field twice[] = {{"a", LODE_FIELD_TEXT}, {"a", LODE_FIELD_FLOAT}};
    const struct {
        const char *what;
        lode_schema schema;
    } bad[] = {
        {"dim 0", {.dim = 0}},
        {"dim above the limit", {.dim = LODE_DIM_MAX + 1}},
        {"unknown metric", {.dim = 4, .metric = (lode_metric)3}},
        {"unknown scalar", {.dim = 4, .scalar = (lode_scalar)4}},
        {"unknown index", {.dim = 4, .index = (lode_index)2}},
        {"unknown layout", {.dim = 4, .layout = (lode_layout)2}},
        {"m 1", {.dim = 4, .m = 1}},
        {"m above the limit", {.dim = 4, .m = LODE_M_MAX + 1}},
        {"ef_construction above the limit", {.dim = 4, .ef_construction = LODE_EF_MAX + 1}},
        {"fields NULL", {.dim = 4, .field_count = 1}},
        {"too many fields", {.dim = 4, .fields = twice, .field_count = LODE_FIELDS_MAX + 1}},
        {"field without a name", {.dim = 4, .fields = no_name, .field_count = 1}},
        {"field's name not UTF-8", {.dim = 4, .fields = not_text, .field_count = 1}},
        {"field of unknown type", {.dim = 4, .fields = no_type, .field_count = 1}},
        {"field declared twice", {.dim = 4, .fields = twice, .field_count = 2}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        BAD(lode_collection_create, bad[i].what, fixture.db, "new", &bad[i].schema, &out.collection,
            &error);
}

static void collections(void)
{
    static const lode_schema schema = {.dim = 4};
    char *name = errors_repeat('n', LODE_NAME_SIZE_MAX + 1);
    BAD(lode_collection_create, "db NULL", NULL, "a", &schema, &out.collection, &error);
    BAD(lode_collection_create, "name NULL", fixture.db, NULL, &schema, &out.collection, &error);
    BAD(lode_collection_create, "schema NULL", fixture.db, "a", NULL, &out.collection, &error);
    BAD(lode_collection_create, "ret_collection NULL", fixture.db, "a", &schema, NULL, &error);
    BAD(lode_collection_create, "name empty", fixture.db, "", &schema, &out.collection, &error);
    BAD(lode_collection_create, "name too long", fixture.db, name, &schema, &out.collection,
        &error);
    BAD(lode_collection_create, "name begins with a dot", fixture.db, ".a", &schema,
        &out.collection, &error);
    BAD(lode_collection_create, "name with a slash", fixture.db, "../a", &schema, &out.collection,
        &error);
    BAD(lode_collection_create, "name with a blank", fixture.db, "a b", &schema, &out.collection,
        &error);
    BAD(lode_collection_create, "name taken", fixture.db, "l2", &schema, &out.collection, &error);
    BAD(lode_collection_create, "name taken by an alias", fixture.db, "alias", &schema,
        &out.collection, &error);
    schemas();
    BAD(lode_collection_open, "db NULL", NULL, "l2", &out.collection, &error);
    BAD(lode_collection_open, "name NULL", fixture.db, NULL, &out.collection, &error);
    BAD(lode_collection_open, "ret_collection NULL", fixture.db, "l2", NULL, &error);
    BAD(lode_collection_open, "name with a slash", fixture.db, "l2/", &out.collection, &error);
    BAD(lode_collection_open, "unknown collection", fixture.db, "none", &out.collection, &error);
    BAD(lode_collection_drop, "db NULL", NULL, "l2", &error);
    BAD(lode_collection_drop, "name NULL", fixture.db, NULL, &error);
    BAD(lode_collection_drop, "unknown collection", fixture.db, "none", &error);
    BAD(lode_collection_drop, "name of an alias", fixture.db, "alias", &error);
    BAD(lode_collection_drop, "it is open", fixture.db, "l2", &error);
    BAD(lode_alias_set, "db NULL", NULL, "a", "l2", &error);
    BAD(lode_alias_set, "alias NULL", fixture.db, NULL, "l2", &error);
    BAD(lode_alias_set, "alias empty", fixture.db, "", "l2", &error);
    BAD(lode_alias_set, "alias of a collection's name", fixture.db, "l2", "cosine", &error);
    BAD(lode_alias_set, "unknown target", fixture.db, "a", "none", &error);
    BAD(lode_alias_set, "target is an alias", fixture.db, "a", "alias", &error);
    BAD(lode_alias_set, "remove an alias that there is not", fixture.db, "a", NULL, &error);
    BAD(lode_catalog_list, "db NULL", NULL, &out.catalog, &error);
    BAD(lode_catalog_list, "ret_catalog NULL", fixture.db, NULL, &error);
    free(name);
}

/* --- Writing ------------------------------------------------------------------------------------ */

static lode_write_op upsert_of(lode_id id, const float *vector)
{
    return (lode_write_op){.kind = LODE_WRITE_UPSERT, .point = {.id = id, .vector = vector}};
}

/* The bad operation stands behind a good one, which must not be applied either. */
static void bad_op(const char *what, lode_collection *collection, lode_write_op op)
{
    lode_write_op ops[] = {upsert_of(lode_id_number(2), errors_good), op};
    errors_note("lode_write", what, lode_write(collection, ops, 2, NULL, &out.info, &error));
}

static void ids(void)
{
    char *id = errors_repeat('i', LODE_ID_SIZE_MAX + 1);
    lode_id bad = lode_id_text(id);
    bad_op("string id of 513 bytes", fixture.l2, upsert_of(bad, errors_good));
    bad_op("string id empty", fixture.l2, upsert_of(lode_id_text(""), errors_good));
    bad_op("string id NULL", fixture.l2, upsert_of(lode_id_text(NULL), errors_good));
    bad_op("string id not UTF-8", fixture.l2, upsert_of(lode_id_text("a\xff"), errors_good));
    bad = (lode_id){.kind = LODE_ID_STRING, .string = "a\0b", .string_size = 3};
    bad_op("string id with NUL", fixture.l2, upsert_of(bad, errors_good));
    bad_op("id zeroed", fixture.l2, upsert_of((lode_id){0}, errors_good));
    bad_op("id of unknown kind", fixture.l2,
           upsert_of((lode_id){.kind = (lode_id_kind)9}, errors_good));
    free(id);
}

static void vectors(void)
{
    static const float nan_at_2[ERRORS_DIM] = {1, 2, NAN, 4},
                       inf_at_0[ERRORS_DIM] = {INFINITY, 2, 3, 4};
    static const float zero[ERRORS_DIM] = {0}, huge[ERRORS_DIM] = {3e38f, 3e38f, 0, 0},
                       big[ERRORS_DIM] = {7e4f};
    lode_id id = lode_id_number(3);
    bad_op("NaN", fixture.l2, upsert_of(id, nan_at_2));
    bad_op("infinity", fixture.l2, upsert_of(id, inf_at_0));
    bad_op("zero vector under cosine", fixture.cosine, upsert_of(id, zero));
    bad_op("vector longer than 2^62 under l2", fixture.l2, upsert_of(id, huge));
    bad_op("component beyond f16", fixture.f16, upsert_of(id, big));
    bad_op("neither vector nor text", fixture.l2, upsert_of(id, NULL));
    lode_write_op text = upsert_of(id, NULL);
    text.point.text = "words";
    text.point.text_size = 5;
    bad_op("text without a text model", fixture.l2, text);
}

static void bad_metadata(const char *what, const char *json)
{
    lode_write_op op = upsert_of(lode_id_number(3), errors_good);
    op.point.metadata = json;
    op.point.metadata_size = strlen(json);
    bad_op(what, fixture.l2, op);
}

static void documents(void)
{
    char *large = errors_repeat('x', LODE_METADATA_SIZE_MAX + 1), *deep = errors_repeat('[', 200);
    memcpy(deep, "{\"a\":", 5);
    bad_metadata("metadata above the limit", large);
    bad_metadata("metadata not JSON", "{\"a\":");
    bad_metadata("metadata not an object", "[1]");
    bad_metadata("metadata with something behind it", "{} x");
    bad_metadata("metadata not UTF-8", "{\"a\":\"\xff\"}");
    bad_metadata("metadata too deep", deep);
    bad_metadata("float field beyond double", "{\"share\":1e999}");
    bad_metadata("member named twice", "{\"a\":1,\"a\":2}");
    bad_metadata("integer field with a string", "{\"count\":\"1\"}");
    bad_metadata("integer field with a fraction", "{\"count\":1.5}");
    bad_metadata("integer field beyond int64", "{\"count\":9223372036854775808}");
    bad_metadata("float field with true", "{\"share\":true}");
    bad_metadata("keyword field with a number", "{\"kind\":1}");
    bad_metadata("boolean field with 0", "{\"done\":0}");
    bad_metadata("datetime field with no moment", "{\"when\":\"yesterday\"}");
    bad_metadata("datetime field with February 30", "{\"when\":\"2024-02-30T00:00:00Z\"}");
    bad_metadata("array field with one bad element", "{\"count\":[1,2,\"3\"]}");
    lode_write_op op = upsert_of(lode_id_number(3), errors_good);
    op.point.metadata_size = 2;
    bad_op("metadata NULL, size 2", fixture.l2, op);
    op = upsert_of(lode_id_number(3), errors_good);
    op.point.text_size = 2;
    bad_op("text NULL, size 2", fixture.l2, op);
    op.point.text = large;
    op.point.text_size = LODE_TEXT_SIZE_MAX + 1;
    bad_op("text above the limit", fixture.l2, op);
    op.point.text = "\xff\xfe";
    op.point.text_size = 2;
    bad_op("text not UTF-8", fixture.l2, op);
    free(large);
    free(deep);
}

static void expiries(void)
{
    lode_write_op op = upsert_of(lode_id_number(3), errors_good);
    op.point.expires_at_ms = 1700000000;
    bad_op("expires_at_ms in seconds", fixture.l2, op);
    op.point.expires_at_ms = LODE_EXPIRES_AT_MAX + 1;
    bad_op("expires_at_ms in microseconds", fixture.l2, op);
}

static void kinds_and_conditions(void)
{
    lode_write_op op = upsert_of(lode_id_number(1), errors_good);
    op.kind = (lode_write_kind)0;
    bad_op("kind zeroed", fixture.l2, op);
    op.kind = (lode_write_kind)4;
    bad_op("unknown kind", fixture.l2, op);
    op = upsert_of(lode_id_number(1), errors_good);
    op.condition = (lode_condition)9;
    bad_op("unknown condition", fixture.l2, op);
    op.condition = LODE_IF_VERSION;
    bad_op("LODE_IF_VERSION without version", fixture.l2, op);
    op.condition = LODE_IF_PRESENT;
    op.if_version = 1;
    bad_op("if_version without LODE_IF_VERSION", fixture.l2, op);
    op = (lode_write_op){.kind = LODE_WRITE_DELETE, .point = {.id = lode_id_number(1)}};
    op.condition = LODE_IF_ABSENT;
    bad_op("delete with LODE_IF_ABSENT", fixture.l2, op);
    op = upsert_of(lode_id_number(1), errors_good);
    op.condition = LODE_IF_ABSENT;
    bad_op("insert only, and it is there", fixture.l2, op);
    op = upsert_of(lode_id_number(9), errors_good);
    op.condition = LODE_IF_PRESENT;
    bad_op("update only, and it is not there", fixture.l2, op);
    op = upsert_of(lode_id_number(1), errors_good);
    op.condition = LODE_IF_VERSION;
    op.if_version = 99;
    bad_op("another version", fixture.l2, op);
}

static void patches(void)
{
    static const char *const null_field[] = {NULL}, *const field[] = {"count"};
    lode_write_op plain = {.kind = LODE_WRITE_PATCH, .point = {.id = lode_id_number(1)}};
    bad_op("patch that changes nothing", fixture.l2, plain);
    lode_write_op op = plain;
    op.point.vector = errors_good;
    bad_op("patch with a vector", fixture.l2, op);
    op = plain;
    op.patch = (lode_patch_mode)7;
    bad_op("patch of unknown mode", fixture.l2, op);
    op = plain;
    op.fields = field;
    op.field_count = 1;
    bad_op("fields without LODE_PATCH_REMOVE", fixture.l2, op);
    op.patch = LODE_PATCH_REMOVE;
    op.point.metadata = "{}";
    op.point.metadata_size = 2;
    bad_op("LODE_PATCH_REMOVE with metadata", fixture.l2, op);
    op = plain;
    op.patch = LODE_PATCH_REMOVE;
    bad_op("LODE_PATCH_REMOVE without fields", fixture.l2, op);
    op.field_count = 1;
    bad_op("fields NULL", fixture.l2, op);
    op.fields = null_field;
    bad_op("a field that is NULL", fixture.l2, op);
    op = plain;
    op.point.metadata = "{\"count\":\"many\"}";
    op.point.metadata_size = strlen(op.point.metadata);
    bad_op("patch of a field's type", fixture.l2, op);
}

static void batches(void)
{
    static lode_write_op many[LODE_BATCH_MAX + 1];
    static lode_point points[LODE_BATCH_MAX + 1];
    static lode_id numbers[LODE_BATCH_MAX + 1];
    static const float nan_at_0[ERRORS_DIM] = {NAN, 2, 3, 4};
    static const char request[LODE_REQUEST_ID_SIZE_MAX + 1];
    lode_write_op op = upsert_of(lode_id_number(3), errors_good);
    lode_write_options options = {.ack = (lode_ack)3};
    BAD(lode_write, "collection NULL", NULL, &op, 1, NULL, &out.info, &error);
    BAD(lode_write, "ops NULL", fixture.l2, NULL, 1, NULL, &out.info, &error);
    BAD(lode_write, "10,001 operations", fixture.l2, many, LODE_BATCH_MAX + 1, NULL, &out.info,
        &error);
    BAD(lode_write, "unknown ack", fixture.l2, &op, 1, &options, &out.info, &error);
    options = (lode_write_options){.request_id_size = 1};
    BAD(lode_write, "request_id NULL", fixture.l2, &op, 1, &options, &out.info, &error);
    options = (lode_write_options){.request_id = request, .request_id_size = sizeof request};
    BAD(lode_write, "request_id of 65 bytes", fixture.l2, &op, 1, &options, &out.info, &error);
    ids();
    vectors();
    documents();
    expiries();
    kinds_and_conditions();
    patches();
    points[0] = (lode_point){.id = lode_id_number(3), .vector = nan_at_0};
    BAD(lode_upsert, "collection NULL", NULL, points, 1, &out.info, &error);
    BAD(lode_upsert, "points NULL", fixture.l2, NULL, 1, &out.info, &error);
    BAD(lode_upsert, "10,001 points", fixture.l2, points, LODE_BATCH_MAX + 1, &out.info, &error);
    BAD(lode_upsert, "NaN", fixture.l2, points, 1, &out.info, &error);
    BAD(lode_delete, "collection NULL", NULL, numbers, 1, &out.info, &error);
    BAD(lode_delete, "ids NULL", fixture.l2, NULL, 1, &out.info, &error);
    BAD(lode_delete, "10,001 ids", fixture.l2, numbers, LODE_BATCH_MAX + 1, &out.info, &error);
    BAD(lode_delete, "id zeroed", fixture.l2, numbers, 1, &out.info, &error);
    BAD(lode_sync, "collection NULL", NULL, &error);
}

/* --- Reading ------------------------------------------------------------------------------------ */

static void bad_search(const char *what, lode_collection *collection, lode_search_request request)
{
    errors_note("lode_search", what, lode_search(collection, &request, &out.result, &error));
}

static void searches(void)
{
    static const float nan_at_1[ERRORS_DIM] = {1, NAN, 3, 4},
                       inf_at_3[ERRORS_DIM] = {1, 2, 3, -INFINITY};
    static const float zero[ERRORS_DIM] = {0}, huge[ERRORS_DIM] = {3e38f, 3e38f, 0, 0};
    static lode_search_request many[LODE_SEARCH_BATCH_MAX + 1];
    lode_search_request request = {.vector = errors_good};
    lode_id unknown = lode_id_number(99), zeroed = {0};
    char *name = errors_repeat('n', LODE_NAME_SIZE_MAX + 1);
    BAD(lode_search, "collection NULL", NULL, &request, &out.result, &error);
    BAD(lode_search, "request NULL", fixture.l2, NULL, &out.result, &error);
    BAD(lode_search, "ret_result NULL", fixture.l2, &request, NULL, &error);
    bad_search("no vector, text or like", fixture.l2, (lode_search_request){.k = 5});
    bad_search("vector and like", fixture.l2,
               (lode_search_request){.vector = errors_good, .like = &unknown});
    bad_search("k above the limit", fixture.l2,
               (lode_search_request){.vector = errors_good, .k = LODE_K_MAX + 1});
    bad_search("ef_search above the limit", fixture.l2,
               (lode_search_request){.vector = errors_good, .ef_search = LODE_EF_MAX + 1});
    bad_search("unknown bits in with", fixture.l2,
               (lode_search_request){.vector = errors_good, .with = 0x100});
    bad_search("one_per empty", fixture.l2,
               (lode_search_request){.vector = errors_good, .one_per = ""});
    bad_search("one_per too long", fixture.l2,
               (lode_search_request){.vector = errors_good, .one_per = name});
    bad_search("NaN", fixture.l2, (lode_search_request){.vector = nan_at_1});
    bad_search("infinity", fixture.l2, (lode_search_request){.vector = inf_at_3});
    bad_search("zero vector under cosine", fixture.cosine, (lode_search_request){.vector = zero});
    bad_search("vector longer than 2^62 under l2", fixture.l2,
               (lode_search_request){.vector = huge});
    bad_search("like of an unknown point", fixture.l2, (lode_search_request){.like = &unknown});
    bad_search("like of an id zeroed", fixture.l2, (lode_search_request){.like = &zeroed});
    bad_search("text without a text model", fixture.l2,
               (lode_search_request){.text = "words", .text_size = 5});
    bad_search("text not UTF-8", fixture.l2, (lode_search_request){.text = "\xff", .text_size = 1});
    bad_search("text_size without text", fixture.l2,
               (lode_search_request){.vector = errors_good, .text_size = 1});
    bad_search("snapshot of another collection", fixture.l2,
               (lode_search_request){.vector = errors_good, .snapshot = fixture.other_snapshot});
    lode_search_request two[2] = {{.vector = errors_good}, {.vector = nan_at_1}};
    BAD(lode_search_batch, "collection NULL", NULL, two, 1, &out.result, &error);
    BAD(lode_search_batch, "requests NULL", fixture.l2, NULL, 1, &out.result, &error);
    BAD(lode_search_batch, "ret_results NULL", fixture.l2, two, 1, NULL, &error);
    BAD(lode_search_batch, "10,001 requests", fixture.l2, many, LODE_SEARCH_BATCH_MAX + 1,
        &out.result, &error);
    BAD(lode_search_batch, "NaN in the second", fixture.l2, two, 2, &out.result, &error);
    two[1] = (lode_search_request){.vector = errors_good, .k = LODE_K_MAX + 1};
    BAD(lode_search_batch, "k above the limit in the second", fixture.l2, two, 2, &out.result,
        &error);
    two[1] = (lode_search_request){.vector = errors_good, .snapshot = fixture.other_snapshot};
    BAD(lode_search_batch, "different snapshots", fixture.l2, two, 2, &out.result, &error);
    two[0] = two[1];
    BAD(lode_search_batch, "snapshots of another collection", fixture.l2, two, 2, &out.result,
        &error);
    free(name);
}

static void gets(void)
{
    lode_id id = lode_id_number(1), zeroed = {0};
    BAD(lode_get, "collection NULL", NULL, NULL, &id, 1, 0, &out.result, &error);
    BAD(lode_get, "ids NULL", fixture.l2, NULL, NULL, 1, 0, &out.result, &error);
    BAD(lode_get, "ret_result NULL", fixture.l2, NULL, &id, 1, 0, NULL, &error);
    BAD(lode_get, "id zeroed", fixture.l2, NULL, &zeroed, 1, 0, &out.result, &error);
    BAD(lode_get, "unknown bits in with", fixture.l2, NULL, &id, 1, 0x80000000, &out.result,
        &error);
    BAD(lode_get, "snapshot of another collection", fixture.l2, fixture.other_snapshot, &id, 1, 0,
        &out.result, &error);
    BAD(lode_iterator_open, "collection NULL", NULL, NULL, 0, &out.iterator, &error);
    BAD(lode_iterator_open, "ret_iterator NULL", fixture.l2, NULL, 0, NULL, &error);
    BAD(lode_iterator_open, "unknown bits in with", fixture.l2, NULL, 0x40, &out.iterator, &error);
    BAD(lode_iterator_open, "snapshot of another collection", fixture.l2, fixture.other_snapshot, 0,
        &out.iterator, &error);
    BAD(lode_iterator_next, "iterator NULL", NULL, &out.hit, &error);
}

static void snapshots(void)
{
    char *name = errors_repeat('n', LODE_NAME_SIZE_MAX + 1);
    BAD(lode_snapshot_open, "collection NULL", NULL, &out.snapshot, &error);
    BAD(lode_snapshot_open, "ret_snapshot NULL", fixture.l2, NULL, &error);
    BAD(lode_snapshot_create, "collection NULL", NULL, "a", &error);
    BAD(lode_snapshot_create, "name NULL", fixture.l2, NULL, &error);
    BAD(lode_snapshot_create, "name empty", fixture.l2, "", &error);
    BAD(lode_snapshot_create, "name too long", fixture.l2, name, &error);
    BAD(lode_snapshot_create, "name with a slash", fixture.l2, "a/b", &error);
    BAD(lode_snapshot_create, "name begins with snapshot-", fixture.l2, "snapshot-1", &error);
    BAD(lode_snapshot_create, "name taken", fixture.l2, "monday", &error);
    BAD(lode_snapshot_open_named, "collection NULL", NULL, "monday", &out.snapshot, &error);
    BAD(lode_snapshot_open_named, "name NULL", fixture.l2, NULL, &out.snapshot, &error);
    BAD(lode_snapshot_open_named, "ret_snapshot NULL", fixture.l2, "monday", NULL, &error);
    BAD(lode_snapshot_open_named, "unknown snapshot", fixture.l2, "sunday", &out.snapshot, &error);
    BAD(lode_snapshot_drop, "collection NULL", NULL, "monday", &error);
    BAD(lode_snapshot_drop, "name NULL", fixture.l2, NULL, &error);
    BAD(lode_snapshot_drop, "unknown snapshot", fixture.l2, "sunday", &error);
    BAD(lode_snapshot_list_get, "collection NULL", NULL, &out.snapshots, &error);
    BAD(lode_snapshot_list_get, "ret_list NULL", fixture.l2, NULL, &error);
    free(name);
}

/* --- Texts, upkeep, backups --------------------------------------------------------------------- */

static void texts(void)
{
    lode_text one[] = {{"words of a text", 15}}, no_data[] = {{NULL, 3}};
    lode_train_options options = {.language = "klingon"};
    lode_collection *empty = fixture.cosine;
    BAD(lode_text_model_train, "collection NULL", NULL, one, 1, NULL, &out.trained, &error);
    BAD(lode_text_model_train, "texts NULL", empty, NULL, 1, NULL, &out.trained, &error);
    BAD(lode_text_model_train, "a text's data NULL", empty, no_data, 1, NULL, &out.trained, &error);
    BAD(lode_text_model_train, "metric l2", fixture.l2, one, 1, NULL, &out.trained, &error);
    BAD(lode_text_model_train, "collection has points", empty, one, 1, NULL, &out.trained, &error);
    options.word_exponent = 2;
    BAD(lode_text_model_train, "word_exponent 2", empty, one, 1, &options, &out.trained, &error);
    options.word_exponent = NAN;
    BAD(lode_text_model_train, "word_exponent NaN", empty, one, 1, &options, &out.trained, &error);
    BAD(lode_text_embed, "collection NULL", NULL, "a", 1, out.vector, &out.known, &error);
    BAD(lode_text_embed, "text NULL", empty, NULL, 1, out.vector, &out.known, &error);
    BAD(lode_text_embed, "vector NULL", empty, "a", 1, NULL, &out.known, &error);
    BAD(lode_text_embed, "ret_known NULL", empty, "a", 1, out.vector, NULL, &error);
    BAD(lode_text_embed, "no text model", empty, "a", 1, out.vector, &out.known, &error);
}

static void upkeep(void)
{
    BAD(lode_flush, "collection NULL", NULL, NULL, &error);
    BAD(lode_compact, "collection NULL", NULL, NULL, &error);
    BAD(lode_wait_idle, "collection NULL", NULL, 0, &error);
    BAD(lode_stats_get, "collection NULL", NULL, &out.stats, &error);
    BAD(lode_stats_get, "ret_stats NULL", fixture.l2, NULL, &error);
    BAD(lode_verify, "path NULL", NULL, NULL, &error);
    BAD(lode_verify, "path empty", "", NULL, &error);
    BAD(lode_verify, "nothing there", "/nonexistent/db", NULL, &error);
}

/* Through a handle of a namespace, and through one that a filter is bound to. */
static void parts_of_a_collection(void)
{
    static const float vector[ERRORS_DIM] = {1};
    lode_text text = {"words of a text", 15};
    lode_point point = {.id = lode_id_number(1), .vector = vector};
    lode_collection *space = NULL, *bound = NULL;
    assert_ok(lode_namespace_open(fixture.l2, "tenant", &space, &error));
    assert_ok(lode_collection_restrict(fixture.l2, lode_filter_text("TRUE"), &bound, &error));
    BAD(lode_flush, "of a namespace", space, NULL, &error);
    BAD(lode_compact, "of a namespace", space, NULL, &error);
    BAD(lode_stats_get, "of a namespace", space, &out.stats, &error);
    BAD(lode_text_model_train, "of a namespace", space, &text, 1, NULL, &out.trained, &error);
    BAD(lode_snapshot_create, "of a namespace", space, "s", &error);
    BAD(lode_snapshot_drop, "of a namespace", space, "s", &error);
    BAD(lode_upsert, "a filter is bound", bound, &point, 1, &out.info, &error);
    BAD(lode_delete, "a filter is bound", bound, &point.id, 1, &out.info, &error);
    BAD(lode_namespace_open, "of a namespace", space, "a", &out.collection, &error);
    BAD(lode_namespace_open, "a filter is bound", bound, "a", &out.collection, &error);
    lode_collection_close(space);
    lode_collection_close(bound);
}

static void scopes(void)
{
    char large[LODE_NAMESPACE_SIZE_MAX + 2];
    lode_namespace_list *list;
    lode_namespace_stats stats;
    lode_filter every = lode_filter_text("TRUE");
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    BAD(lode_namespace_open, "collection NULL", NULL, "a", &out.collection, &error);
    BAD(lode_namespace_open, "name NULL", fixture.l2, NULL, &out.collection, &error);
    BAD(lode_namespace_open, "ret_collection NULL", fixture.l2, "a", NULL, &error);
    BAD(lode_namespace_open, "name empty", fixture.l2, "", &out.collection, &error);
    BAD(lode_namespace_open, "name too long", fixture.l2, large, &out.collection, &error);
    BAD(lode_namespace_open, "name not UTF-8", fixture.l2, "a\xff", &out.collection, &error);
    BAD(lode_namespace_open, "a line end in the name", fixture.l2, "a\n", &out.collection, &error);
    BAD(lode_collection_restrict, "collection NULL", NULL, every, &out.collection, &error);
    BAD(lode_collection_restrict, "filter.text NULL", fixture.l2, (lode_filter){0}, &out.collection,
        &error);
    BAD(lode_collection_restrict, "ret_collection NULL", fixture.l2, every, NULL, &error);
    BAD(lode_collection_restrict, "no such field", fixture.l2, lode_filter_text("none = 1"),
        &out.collection, &error);
    BAD(lode_namespace_list_get, "collection NULL", NULL, NULL, 0, &list, &error);
    BAD(lode_namespace_list_get, "ret_list NULL", fixture.l2, NULL, 0, NULL, &error);
    BAD(lode_namespace_stats_get, "collection NULL", NULL, "a", &stats, &error);
    BAD(lode_namespace_stats_get, "ret_stats NULL", fixture.l2, "a", NULL, &error);
    BAD(lode_namespace_drop, "collection NULL", NULL, "a", &out.info, &error);
    BAD(lode_namespace_drop, "name NULL", fixture.l2, NULL, &out.info, &error);
    BAD(lode_namespace_drop, "it has no points", fixture.l2, "a", &out.info, &error);
    parts_of_a_collection();
}

static void repairs(void)
{
    BAD(lode_repair, "path NULL", NULL, NULL, NULL, &error);
    BAD(lode_repair, "path empty", "", NULL, NULL, &error);
    BAD(lode_repair, "nothing there", "/nonexistent/db", NULL, NULL, &error);
    BAD(lode_repair, "the database is open", fixture.path, NULL, NULL, &error);
}

static void memory(void)
{
    BAD(lode_memory_budget_set, "below the least", 1, &error);
}

static void keys(void)
{
    char id[LODE_KEY_ID_TEXT_SIZE];
    lode_key_source none = {0}, two = {.file = "/nonexistent/key", .command = "true"},
                    missing = {.file = "/nonexistent/key"}, failing = {.command = "false"};
    lode_rotate_options rotate = {.key = &missing};
    lode_encrypt_options encrypt = {.key = &none};
    BAD(lode_key_new, "path NULL", NULL, id, &error);
    BAD(lode_key_new, "no such parent directory", "/nonexistent/a/key", id, &error);
    BAD(lode_key_id, "key NULL", NULL, id, &error);
    BAD(lode_key_id, "ret_id NULL", &missing, NULL, &error);
    BAD(lode_key_id, "no source", &none, id, &error);
    BAD(lode_key_id, "two sources", &two, id, &error);
    BAD(lode_key_id, "no such file", &missing, id, &error);
    BAD(lode_key_id, "a command that fails", &failing, id, &error);
    BAD(lode_key_needed, "path NULL", NULL, id, &error);
    BAD(lode_key_needed, "ret_id NULL", fixture.path, NULL, &error);
    BAD(lode_key_needed, "nothing there", "/nonexistent/db", id, &error);
    BAD(lode_db_rotate_key, "db NULL", NULL, &rotate, &error);
    BAD(lode_db_rotate_key, "options NULL", fixture.db, NULL, &error);
    BAD(lode_db_rotate_key, "not encrypted", fixture.db, &rotate, &error);
    BAD(lode_encrypt, "path NULL", NULL, &encrypt, &error);
    BAD(lode_encrypt, "options NULL", fixture.path, NULL, &error);
    BAD(lode_encrypt, "no key", fixture.path, &(lode_encrypt_options){0}, &error);
    BAD(lode_encrypt, "no source", fixture.path, &encrypt, &error);
    encrypt.key = &missing;
    BAD(lode_encrypt, "no such file", fixture.path, &encrypt, &error);
    BAD(lode_encrypt, "nothing there", "/nonexistent/db", &encrypt, &error);
}

static void backups(void)
{
    static const char *const no_base[] = {NULL};
    lode_backup_options base = {.base = "/nonexistent/base", .one_file = 1};
    lode_restore_options options = {.base_count = 1};
    BAD(lode_backup, "db NULL", NULL, "/tmp/none", NULL, NULL, &error);
    BAD(lode_backup, "target NULL", fixture.db, NULL, NULL, NULL, &error);
    BAD(lode_backup, "target empty", fixture.db, "", NULL, NULL, &error);
    BAD(lode_backup, "no such parent directory", fixture.db, "/nonexistent/a/b", NULL, NULL,
        &error);
    BAD(lode_backup, "target is the database", fixture.db, fixture.path, NULL, NULL, &error);
    BAD(lode_backup, "no such base", fixture.db, "/nonexistent/b", &base, NULL, &error);
    base.base = "";
    BAD(lode_backup, "base empty", fixture.db, "/nonexistent/b", &base, NULL, &error);
    BAD(lode_backup_list_get, "path NULL", NULL, &out.backups, &error);
    BAD(lode_backup_list_get, "ret_list NULL", fixture.path, NULL, &error);
    BAD(lode_backup_list_get, "nothing there", "/nonexistent/b", &out.backups, &error);
    BAD(lode_backup_list_get, "a database", fixture.path, &out.backups, &error);
    BAD(lode_restore, "backup NULL", NULL, "/nonexistent/a", NULL, NULL, &error);
    BAD(lode_restore, "path NULL", "/nonexistent/b", NULL, NULL, NULL, &error);
    BAD(lode_restore, "nothing there", "/nonexistent/b", "/nonexistent/a", NULL, NULL, &error);
    BAD(lode_restore, "bases NULL", "/nonexistent/b", "/nonexistent/a", &options, NULL, &error);
    options.bases = no_base;
    BAD(lode_restore, "a base that is NULL", "/nonexistent/b", "/nonexistent/a", &options, NULL,
        &error);
    options = (lode_restore_options){.sample = LODE_SEARCH_BATCH_MAX + 1};
    BAD(lode_restore, "sample above the limit", "/nonexistent/b", "/nonexistent/a", &options, NULL,
        &error);
}

static void each_has_its_error(void **state)
{
    (void)state;
    databases();
    collections();
    batches();
    searches();
    gets();
    snapshots();
    texts();
    upkeep();
    scopes();
    repairs();
    backups();
    keys();
    memory();
    errors_compare("test_bad_input.c");
}

/* What takes NULL and is no error. */
static void nothing_is_closed_and_freed(void **state)
{
    (void)state;
    lode_db_close(NULL);
    lode_collection_close(NULL);
    lode_catalog_free(NULL);
    lode_snapshot_close(NULL);
    lode_snapshot_list_free(NULL);
    lode_namespace_list_free(NULL);
    lode_result_free(NULL);
    lode_iterator_close(NULL);
    lode_stats_free(NULL);
    lode_backup_list_free(NULL);
    assert_null(lode_collection_schema(NULL));
    assert_int_equal(lode_snapshot_sequence(NULL), 0);
    assert_int_equal(lode_db_log_keep_bytes(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_has_its_error, errors_set_up, errors_tear_down),
        cmocka_unit_test(nothing_is_closed_and_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
