/* Handlers of points, over a real database: what is written is read back, and what is wrong changes nothing. */
#include "server/api_kit.h"

#include <math.h>

#define UPSERT "vectors.upsert", api_vectors_upsert
#define DELETE "vectors.delete", api_vectors_delete
#define PATCH  "vectors.patch", api_vectors_patch
#define GET    "get", api_vectors_get
#define QUERY  "query", api_query
#define COUNT  "count", api_vectors_count
#define SCROLL "scroll", api_vectors_scroll
#define FACETS "facets", api_vectors_facets
#define SAMPLE "sample", api_vectors_sample

#define UUID "550e8400-e29b-41d4-a716-446655440000"

static int setup(void **state)
{
    (void)state;
    kit_open(2, LODE_METRIC_L2);
    kit_want(
        UPSERT, NULL,
        "{\"vectors\":["
        "{\"id\":1,\"vector\":[0,0],\"metadata\":{\"lang\":\"en\",\"year\":1979}},"
        "{\"id\":2,\"vector\":[1,0],\"metadata\":{\"lang\":\"en\",\"year\":1990},\"text\":\"two\"},"
        "{\"id\":\"a\",\"vector\":[2,0],\"metadata\":{\"lang\":\"fr\",\"year\":1995}},"
        "{\"id\":\"" UUID "\",\"vector\":\"AABAQAAAAAA=\"}]}",
        200,
        "{\"sequence\":1,\"upserted\":4,\"deleted\":0,\"patched\":0,\"missing\":0,"
        "\"repeated\":false}");
    assert_int_equal(got.points, 4);
    assert_int_equal(got.sequence, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    kit_close();
    return 0;
}

static void queries_are_answered(void **state)
{
    (void)state;
    kit_want(QUERY, NULL, "{\"vector\":[0,0],\"k\":2}", 200,
             "{\"hits\":[{\"id\":1,\"score\":0},{\"id\":2,\"score\":1}],\"sequence\":1}");
    kit_want(QUERY, NULL, "{\"vector\":\"AAAAAAAAAAA\",\"k\":1,\"with\":[\"metadata\",\"vector\"]}",
             200,
             "{\"hits\":[{\"id\":1,\"score\":0,\"vector\":[0,0],\"metadata\":{\"lang\":\"en\","
             "\"year\":1979}}],\"sequence\":1}");
    kit_want(QUERY, NULL,
             "{\"id\":1,\"k\":5,\"filter\":{\"year\":{\"gte\":1990}},\"fields\":[\"lang\"]}", 200,
             "{\"hits\":[{\"id\":2,\"score\":1,\"metadata\":{\"lang\":\"en\"}},"
             "{\"id\":\"a\",\"score\":4,\"metadata\":{\"lang\":\"fr\"}}],\"sequence\":1}");
    kit_want(QUERY, NULL, "{\"vector\":[9,9],\"filter\":\"lang = \\\"fr\\\"\",\"exact\":true}", 200,
             "{\"hits\":[{\"id\":\"a\",\"score\":130}],\"sequence\":1}");
    kit_want(QUERY, NULL, "{\"vector\":[3,0],\"k\":1,\"with\":[\"text\",\"version\",\"expires\"]}",
             200, "{\"hits\":[{\"id\":\"" UUID "\",\"score\":0,\"version\":1}],\"sequence\":1}");
    kit_want(QUERY, NULL, "{\"vector\":[0,0],\"one_per\":\"lang\",\"k\":2}", 200,
             "{\"hits\":[{\"id\":1,\"score\":0},{\"id\":\"a\",\"score\":4}],\"sequence\":1}");
    kit_want(QUERY, NULL, "{\"vector\":[0,0],\"namespace\":\"other\"}", 200,
             "{\"hits\":[],\"sequence\":1}");
    kit_want_part(QUERY, NULL, "{\"vector\":[0,0],\"explain\":true,\"filter\":\"year > 1980\"}",
                  200, "\"explain\":{\"filter\":\"year > 1980\",\"allowed_rows\":2,");
}

static void queries_are_answered_compactly(void **state)
{
    (void)state;
    kit_want(
        QUERY, NULL,
        "{\"vector\":[1,0],\"k\":2,\"compact\":true,\"with\":[\"vector\",\"metadata\",\"text\","
        "\"expires\",\"version\"],\"fields\":[\"year\"]}",
        200,
        "{\"ids\":[2,1],\"scores\":[0,1],\"metadata\":[{\"year\":1990},{\"year\":1979}],"
        "\"texts\":[\"two\",null],\"versions\":[1,1],\"expires\":[null,null],"
        "\"vectors\":\"AACAPwAAAAAAAAAAAAAAAA==\",\"sequence\":1}");
    kit_want(QUERY, NULL, "{\"vector\":[1,0],\"k\":1,\"compact\":true}", 200,
             "{\"ids\":[2],\"scores\":[0],\"sequence\":1}");
}

static void groups_are_answered(void **state)
{
    (void)state;
    kit_want(
        QUERY, NULL, "{\"vector\":[0,0],\"k\":3,\"group_by\":\"lang\",\"per_group\":2}", 200,
        "{\"groups\":[{\"value\":\"en\",\"hits\":[{\"id\":1,\"score\":0},{\"id\":2,\"score\":1}]},"
        "{\"value\":\"fr\",\"hits\":[{\"id\":\"a\",\"score\":4}]}],\"sequence\":1}");
}

static void batches_are_answered_in_order(void **state)
{
    (void)state;
    kit_want(QUERY, NULL,
             "{\"queries\":[{\"vector\":[0,0]},{\"id\":2,\"k\":2},{\"vector\":[3,0],\"filter\":{"
             "\"year\":"
             "1979}}],\"k\":1,\"filter\":\"year > 1900\"}",
             200,
             "{\"results\":[{\"hits\":[{\"id\":1,\"score\":0}],\"sequence\":1},"
             "{\"hits\":[{\"id\":1,\"score\":1},{\"id\":\"a\",\"score\":1}],\"sequence\":1},"
             "{\"hits\":[{\"id\":1,\"score\":9}],\"sequence\":1}]}");
    kit_want(
        QUERY, NULL,
        "{\"queries\":[{\"vector\":[0,0],\"k\":1},{\"vector\":[0,0],\"k\":1,\"group_by\":\"lang\"}]"
        "}",
        200,
        "{\"results\":[{\"hits\":[{\"id\":1,\"score\":0}],\"sequence\":1},{\"groups\":[{\"value\":"
        "\"en\",\"hits\":[{\"id\":1,\"score\":0}]}],\"sequence\":1}]}");
    kit_want(QUERY, NULL, "{\"queries\":[]}", 200, "{\"results\":[]}");
    kit_want_part(QUERY, NULL, "{\"queries\":[{\"vector\":[0,0]},{\"id\":77}]}", 404, "queries[1]");
}

static void raw_floats_are_queries(void **state)
{
    (void)state;
    static const float vectors[] = {1, 0, 3, 0};
    kit.binary = (const uint8_t *)vectors;
    kit.binary_size = 8;
    kit_want(QUERY, "k=1", NULL, 200, "{\"hits\":[{\"id\":2,\"score\":0}],\"sequence\":1}");
    kit_want(QUERY, "k=1&filter=lang%20%3D%20%22fr%22&fields=lang,year&exact=true", NULL, 200,
             "{\"hits\":[{\"id\":\"a\",\"score\":1,\"metadata\":{\"lang\":\"fr\",\"year\":1995}}],"
             "\"sequence\":1}");
    kit_want_part(QUERY, "k=1&with=vectr", NULL, 400, "'vectr' is none of vector");
    kit_want_part(QUERY, "k=0", NULL, 400, "\"field\":\"k\"");
    kit_want_part(QUERY, "limit=1", NULL, 400, "no parameter 'limit'");
    kit.binary_size = 16;
    kit_want_part(QUERY, "k=1", NULL, 422, "a body of 16 bytes");
    kit_want(QUERY, "k=1&batch=true&compact=true", NULL, 200,
             "{\"results\":[{\"ids\":[2],\"scores\":[0],\"sequence\":1},{\"ids\":[\"" UUID
             "\"],\"scores\":[0],\"sequence\":1}]}");
    kit.binary_size = 0;
    kit_want(QUERY, "batch=true", NULL, 200, "{\"results\":[]}");
    kit_want_part(QUERY, "", NULL, 422, "a body of 0 bytes");
    kit_want_part(UPSERT, "first_id=1", NULL, 200, "\"upserted\":0");
    kit.binary_size = 15;
    kit_want_part(QUERY, "k=1&batch=true", NULL, 422, "a body of 15 bytes");
    kit.binary = NULL;
}

static void raw_floats_are_points(void **state)
{
    (void)state;
    static const float vectors[] = {5, 5, 6, 6};
    uint8_t records[32] = {0};
    kit.binary = (const uint8_t *)vectors;
    kit.binary_size = sizeof vectors;
    kit_want_part(UPSERT, "first_id=100&ack=applied", NULL, 200, "\"upserted\":2");
    kit_want_part(UPSERT, "", NULL, 400, "ids=u64");
    kit_want_part(UPSERT, "first_id=1&ids=u64", NULL, 400, "ids=u64");
    kit.binary_size = 12;
    kit_want_part(UPSERT, "first_id=100", NULL, 422, "a record has 8");
    const float infinite[] = {5, 5, 6, INFINITY};
    kit.binary = (const uint8_t *)infinite;
    kit.binary_size = sizeof infinite;
    kit_want(UPSERT, "first_id=300", NULL, 400,
             "{\"error\":{\"code\":\"invalid\",\"message\":\"vectors[1] (id 301): component 1 is "
             "infinity: components must be finite\",\"field\":\"vectors[1]\"}}");
    kit.binary = (const uint8_t *)vectors;
    records[0] = 200;
    memcpy(records + 8, vectors, 8);
    records[17] = 1; /* 256 */
    memcpy(records + 24, vectors + 2, 8);
    kit.binary = records;
    kit.binary_size = 32;
    kit_want_part(UPSERT, "ids=u64&namespace=", NULL, 200, "\"upserted\":2");
    kit.binary = NULL;
    kit_want(GET, NULL, "{\"ids\":[100,101,200,256],\"with\":[\"vector\"]}", 200,
             "{\"points\":[{\"id\":100,\"vector\":[5,5]},{\"id\":101,\"vector\":[6,6]},"
             "{\"id\":200,\"vector\":[5,5]},{\"id\":256,\"vector\":[6,6]}],\"missing\":[]}");
}

static void points_are_got(void **state)
{
    (void)state;
    kit_want(
        GET, NULL, "{\"ids\":[\"a\",7,2,\"b\",2],\"fields\":[\"year\"]}", 200,
        "{\"points\":[{\"id\":\"a\",\"metadata\":{\"year\":1995}},{\"id\":2,\"metadata\":{\"year\":"
        "1990}},{\"id\":2,\"metadata\":{\"year\":1990}}],\"missing\":[7,\"b\"]}");
    kit_want_part(GET, NULL, "{}", 400, "\"ids\\\" is missing");
    kit_want(GET, NULL, "{\"ids\":[]}", 200, "{\"points\":[],\"missing\":[]}");
    kit.id = "2";
    kit_want("get", api_vectors_get_one, "with=text,version", NULL, 200,
             "{\"id\":2,\"text\":\"two\",\"version\":1}");
    kit_want_part("get", api_vectors_get_one, "id_kind=string", NULL, 404,
                  "\"code\":\"not_found\"");
    kit.id = UUID;
    kit_want("get", api_vectors_get_one, "with=vector", NULL, 200,
             "{\"id\":\"" UUID "\",\"vector\":[3,0]}");
    kit.id = "99999999999999999999";
    kit_want_part("get", api_vectors_get_one, "", NULL, 400, "\"field\":\"id\"");
    kit_want_part("get", api_vectors_get_one, "wiht=text", NULL, 400, "wiht");
}

static void points_are_deleted(void **state)
{
    (void)state;
    kit_want_part(DELETE, NULL, "{\"ids\":[1,5],\"if\":{\"version\":9}}", 409, "\"conflict\"");
    kit_want_part(DELETE, NULL, "{\"ids\":[1,5]}", 200, "\"deleted\":1");
    kit_want_part(DELETE, NULL, "{\"filter\":{\"lang\":\"en\"}}", 200, "\"deleted\":1");
    kit_want(COUNT, NULL, "", 200, "{\"count\":2}");
    kit_want_part(DELETE, NULL, "{}", 400, "one of \\\"ids\\\" and \\\"filter\\\"");
    kit_want_part(DELETE, NULL, "{\"ids\":[1],\"filter\":\"a=1\"}", 400, "only one");
    kit_want_part(DELETE, NULL, "{\"filter\":\"lang=\\\"fr\\\"\",\"if\":\"present\"}", 400, "if");
    kit.idempotency_key = "k";
    kit_want_part(DELETE, NULL, "{\"filter\":{\"lang\":\"fr\"}}", 400, "Idempotency-Key");
    kit.idempotency_key = NULL;
    kit.id = "a";
    kit_want_part("vectors.delete_one", api_vectors_delete_one, "if_version=5", NULL, 409,
                  "conflict");
    kit_want_part("vectors.delete_one", api_vectors_delete_one, "if_version=1", NULL, 200,
                  "\"deleted\":1");
    kit_want_part("vectors.delete_one", api_vectors_delete_one, "", NULL, 200, "\"deleted\":0");
    kit_want(COUNT, NULL, "", 200, "{\"count\":1}");
}

static void points_are_patched(void **state)
{
    (void)state;
    kit_want_part(PATCH, NULL, "{\"ids\":[1,77],\"metadata\":{\"year\":null,\"seen\":true}}", 200,
                  "\"patched\":1,\"missing\":1");
    kit_want(
        GET, NULL, "{\"ids\":[1]}", 200,
        "{\"points\":[{\"id\":1,\"metadata\":{\"lang\":\"en\",\"seen\":true}}],\"missing\":[]}");
    kit_want_part(PATCH, NULL,
                  "{\"filter\":\"lang = \\\"en\\\"\",\"remove\":[\"seen\",\"year\"],\"text\":null,"
                  "\"expires\":\"2100-01-01T00:00:00Z\"}",
                  200, "\"patched\":2");
    kit_want(GET, NULL, "{\"ids\":[2],\"with\":[\"metadata\",\"text\",\"expires\"]}", 200,
             "{\"points\":[{\"id\":2,\"metadata\":{\"lang\":\"en\"},\"expires\":4102444800000}],"
             "\"missing\":[]}");
    kit_want_part(PATCH, NULL,
                  "{\"patches\":[{\"id\":2,\"expires\":null,\"text\":\"again\"},{\"id\":\"a\","
                  "\"mode\":\"set\",\"metadata\":{\"x\":[1]}}]}",
                  200, "\"patched\":2");
    kit_want(GET, NULL, "{\"ids\":[2,\"a\"],\"with\":[\"metadata\",\"text\",\"expires\"]}", 200,
             "{\"points\":[{\"id\":2,\"metadata\":{\"lang\":\"en\"},\"text\":\"again\"},"
             "{\"id\":\"a\",\"metadata\":{\"x\":[1]}}],\"missing\":[]}");
    kit_want_part(PATCH, NULL, "{\"ids\":[1]}", 400, "changes nothing");
    kit_want_part(PATCH, NULL, "{\"ids\":[1],\"metadata\":{},\"remove\":[]}", 400, "only one of");
    kit_want_part(PATCH, NULL, "{\"ids\":[1],\"text\":\"x\",\"mode\":\"set\"}", 400, "mode");
    kit_want_part(PATCH, NULL, "{\"patches\":[{\"text\":\"x\"}]}", 400, "\"field\":\"patches[0]\"");
    kit_want_part(PATCH, NULL, "{\"patches\":[],\"text\":\"x\"}", 400, "each of");
    kit_want_part(PATCH, NULL,
                  "{\"patches\":[{\"id\":1,\"text\":\"x\"},{\"id\":2,\"text\":\"x\","
                  "\"if\":{\"version\":1}}]}",
                  409, "conflict");
    kit_want(GET, NULL, "{\"ids\":[1],\"with\":[\"text\"]}", 200,
             "{\"points\":[{\"id\":1}],\"missing\":[]}");
}

static void writes_have_conditions(void **state)
{
    (void)state;
    kit_want_part(UPSERT, NULL,
                  "{\"vectors\":[{\"id\":9,\"vector\":[1,1]},{\"id\":1,\"vector\":[1,1]}],"
                  "\"if\":\"absent\"}",
                  409, "conflict");
    kit_want(COUNT, NULL, "{}", 200, "{\"count\":4}");
    kit_want_part(
        UPSERT, NULL,
        "{\"if\":\"absent\",\"vectors\":[{\"id\":9,\"vector\":[1,1]},{\"id\":1,\"vector\":[1,1],"
        "\"if\":\"present\"}]}",
        200, "\"upserted\":2");
    kit_want_part(UPSERT, NULL,
                  "{\"vectors\":[{\"id\":9,\"vector\":[2,2],\"if\":{\"version\":2}}]}", 200,
                  "\"upserted\":1");
    kit_want_part(UPSERT, NULL,
                  "{\"vectors\":[{\"id\":9,\"vector\":[2,2],\"if\":{\"version\":2}}]}", 409,
                  "conflict");
    kit.id = "9";
    kit_want_part("vectors.delete_one", api_vectors_delete_one, "if_version=2", NULL, 409,
                  "\"message\":\"(id 9): expected version 2, found version 3\"");
}

static void keys_make_writes_idempotent(void **state)
{
    (void)state;
    static const char body[] = "{\"vectors\":[{\"id\":9,\"vector\":[1,1]}]}";
    kit.idempotency_key = "once";
    kit_want_part(UPSERT, NULL, body, 200,
                  "{\"sequence\":2,\"upserted\":1,\"deleted\":0,\"patched\":0,"
                  "\"missing\":0,\"repeated\":false}");
    kit_want_part(UPSERT, NULL, body, 200,
                  "{\"sequence\":2,\"upserted\":1,\"deleted\":0,\"patched\":0,"
                  "\"missing\":0,\"repeated\":true}");
    memcpy(kit.who.caller, "else", 5); /* somebody else's key is another one */
    kit_want_part(UPSERT, NULL, body, 200, "{\"sequence\":3,");
    char longest[300];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    kit.idempotency_key = longest;
    kit_want_part(UPSERT, NULL, body, 400, "Idempotency-Key");
    kit.idempotency_key = NULL;
}

static void namespaces_are_apart(void **state)
{
    (void)state;
    kit_want_part(UPSERT, NULL,
                  "{\"namespace\":\"t\\u00e9\",\"vectors\":[{\"id\":1,\"vector\":[8,8]}]}", 200,
                  "\"upserted\":1");
    assert_string_equal(kit.namespace_, "t\xc3\xa9");
    kit_want(COUNT, NULL, "{\"namespace\":\"t\xc3\xa9\"}", 200, "{\"count\":1}");
    kit_want(COUNT, NULL, "{\"namespace\":null}", 200, "{\"count\":4}");
    kit.id = "1";
    kit_want("get", api_vectors_get_one, "namespace=t%C3%A9&with=vector", NULL, 200,
             "{\"id\":1,\"vector\":[8,8]}");
}

static void lists_are_read(void **state)
{
    (void)state;
    kit_want_part(SCROLL, NULL, "{\"by\":\"year\",\"order\":\"desc\",\"limit\":2,\"with\":[]}", 200,
                  "{\"points\":[{\"id\":\"a\"},{\"id\":2}],\"next\":\"");
    char body[LODE_CURSOR_SIZE_MAX + 128];
    char *next = strstr(got.body, "\"next\":") + 7;
    *strchr(next, ',') = '\0';
    snprintf(body, sizeof body,
             "{\"by\":\"year\",\"order\":\"desc\",\"limit\":2,\"with\":[],\"after\":%s}", next);
    kit_want(SCROLL, NULL, body, 200,
             "{\"points\":[{\"id\":1},{\"id\":\"" UUID "\"}],\"next\":null,\"sequence\":1}");
    kit_want(SCROLL, NULL, "{\"filter\":{\"year\":1979},\"compact\":true,\"fields\":[\"year\"]}",
             200, "{\"ids\":[1],\"metadata\":[{\"year\":1979}],\"next\":null,\"sequence\":1}");
    kit_want_part(SCROLL, NULL, "{\"order\":\"down\"}", 400, "\"asc\\\" or");
    kit_want_part(SCROLL, NULL, "{\"after\":\"nonsense\"}", 400, "\"invalid\"");
    kit_want(COUNT, NULL, "{\"filter\":\"year >= 1990\"}", 200, "{\"count\":2}");
    kit_want(
        FACETS, NULL, "{\"field\":\"lang\",\"limit\":1}", 200,
        "{\"values\":[{\"value\":\"en\",\"count\":2}],\"distinct\":2,\"points\":4,\"missing\":1,"
        "\"uncounted\":0}");
    kit_want_part(FACETS, NULL, "{}", 400, "\"field\":\"field\"");
    kit_want_part(SAMPLE, NULL, "{\"count\":3,\"seed\":7,\"with\":[]}", 200,
                  "{\"points\":[{\"id\":");
    char first[256] = "";
    assert_true(strlen(got.body) < sizeof first);
    memcpy(first, got.body, strlen(got.body));
    kit_want(SAMPLE, NULL, "{\"count\":3,\"seed\":7,\"with\":[]}", 200, first);
}

static void snapshots_are_read(void **state)
{
    (void)state;
    lode_error error = {0};
    assert_int_equal(lode_snapshot_create(kit.films, "s", &error), LODE_OK);
    kit_want_part(DELETE, NULL, "{\"ids\":[1,2]}", 200, "\"deleted\":2");
    kit_want(COUNT, NULL, "{\"snapshot\":\"s\"}", 200, "{\"count\":4}");
    kit_want_part(QUERY, NULL, "{\"vector\":[0,0],\"k\":1,\"snapshot\":\"s\"}", 200, "{\"id\":1,");
    kit_want_part(QUERY, NULL, "{\"vector\":[0,0],\"snapshot\":\"none\"}", 404,
                  "\"field\":\"snapshot\"");
    kit_want(COUNT, NULL, "{}", 200, "{\"count\":2}");
}

static void limits_are_kept(void **state)
{
    (void)state;
    kit.who.limits = (struct config_limits){.k = 5, .batch = 2, .points = 2};
    kit_want_part(QUERY, NULL, "{\"vector\":[0,0]}", 400, "k is 10; at most 5");
    kit_want(QUERY, NULL, "{\"vector\":[0,0],\"k\":5}", 200, NULL);
    kit_want_part(QUERY, NULL, "{\"vector\":[0,0],\"k\":3,\"group_by\":\"lang\",\"per_group\":2}",
                  400, "k times per_group is 6; at most 5");
    kit_want_part(QUERY, NULL, "{\"queries\":[{\"id\":1},{\"id\":1},{\"id\":1}],\"k\":1}", 400,
                  "more than 2 queries");
    kit_want_part(SCROLL, NULL, "{\"limit\":6}", 400, "\"field\":\"limit\"");
    kit_want_part(DELETE, NULL, "{\"ids\":[1,2,3]}", 413, "more than 2 ids");
    kit_want_part(UPSERT, NULL,
                  "{\"vectors\":[{\"id\":7,\"vector\":[1,1]},{\"id\":8,\"vector\":[1,1]},{\"id\":9,"
                  "\"vector\":[1,1]}]}",
                  413, "more than 2 points");
    kit_want(COUNT, NULL, "{}", 200, "{\"count\":4}");
}

static void faults_are_told(void **state)
{
    (void)state;
    kit_want(
        QUERY, NULL, "{\"vector\":[0,0],\"kk\":1}", 400,
        "{\"error\":{\"code\":\"invalid\",\"message\":\"kk: a query has no member \\\"kk\\\"; the "
        "nearest is \\\"k\\\"\",\"field\":\"kk\",\"position\":16}}");
    kit_want(QUERY, NULL, "{\"vector\":[0,0],", 400,
             "{\"error\":{\"code\":\"invalid\",\"message\":\"malformed JSON at byte 16: unexpected "
             "end\",\"position\":16}}");
    kit_want_part(QUERY, NULL, "{\"vector\":[0,0,0]}", 422, "\"code\":\"schema\"");
    kit_want_part(QUERY, NULL, "{\"vector\":[0,0],\"k\":\"5\"}", 400,
                  "expected a whole number, found a string");
    kit_want_part(QUERY, NULL, "{\"vector\":[0,0],\"k\":0}", 400, "found 0");
    kit_want_part(QUERY, NULL, "{\"vector\":[0,0],\"k\":16385}", 400, "16384");
    kit_want_part(QUERY, NULL, "{\"vector\":[0,0],\"k\":1,\"k\":2}", 400, "given twice");
    kit_want_part(QUERY, NULL, "{}", 400, "one of \\\"vector\\\"");
    kit_want_part(QUERY, NULL, "", 400, "unexpected end");
    kit_want_part(QUERY, NULL, "{\"vector\":[0,0],\"id\":1}", 400, "only one of");
    kit_want_part(QUERY, NULL, "{\"vector\":[0,0],\"queries\":[]}", 400, "belong into");
    kit_want_part(QUERY, NULL, "{\"queries\":[{\"vector\":[0,0],\"namespace\":\"a\"}]}", 400,
                  "\"field\":\"queries[0].namespace\"");
    kit_want_part(QUERY, NULL, "{\"queries\":[{\"vector\":[0,0]},{\"vector\":[0,0,1]}]}", 422,
                  "\"field\":\"queries[1].vector\"");
    kit_want_part(QUERY, NULL, "{\"vector\":[0,0],\"filter\":\"yaer = 1\"}", 422, "year");
    kit_want_part(QUERY, NULL, "{\"vector\":[0,0],\"filter\":\"year = \\\"x\\\"\"}", 422,
                  "integer");
    kit_want_part(QUERY, NULL, "{\"vector\":[0,0],\"group_by\":\"yaer\"}", 422,
                  "\"code\":\"schema\"");
    kit_want_part(QUERY, NULL, "{\"vector\":[0,0],\"filter\":\"year =\"}", 400,
                  "\"code\":\"invalid\"");
    kit_want_part(QUERY, NULL, "{\"vector\":[0,0],\"filter\":[1]}", 400, "found an array");
    kit_want_part(QUERY, NULL, "{\"vector\":[0,0],\"per_group\":2}", 400, "group_by");
    kit_want_part(QUERY, NULL, "{\"text\":\"x\"}", 404, "model");
    kit_want_part(UPSERT, NULL,
                  "{\"vectors\":[{\"id\":5,\"vector\":[1,1],\"metadata\":{\"year\":\"x\"}}]}", 422,
                  "\"code\":\"schema\"");
    kit_want_part(UPSERT, NULL, "{\"vectors\":[{\"id\":5,\"vector\":[1,1,1]}]}", 422,
                  "2 dimensions");
    kit_want_part(UPSERT, NULL,
                  "{\"vectors\":[{\"id\":5,\"vector\":[1,1],\"metadata\":{\"a\":1,\"a\":2}}]}", 400,
                  "duplicate");
    kit_want_part(UPSERT, NULL, "{\"vectors\":{}}", 400, "expected an array, found an object");
    kit_want_part(UPSERT, NULL, "{}", 400, "\"vectors\\\" is missing");
    kit_want_part(UPSERT, "ack=never", "{\"vectors\":[]}", 400, "\"field\":\"ack\"");
    kit_want_part(UPSERT, "acks=durable", "{\"vectors\":[]}", 400, "acks");
    kit_want_part(UPSERT, "ack=logged&&ack=logged", "{\"vectors\":[]}", 400,
                  "\"message\":\"ack: given twice\",\"field\":\"ack\"");
    kit_want_part(UPSERT, NULL,
                  "{\"vectors\":[{\"id\":5,\"vector\":[1]},{\"id\":6,\"vector\":[1,1]}]}", 422,
                  "those before it have 1");
    kit_want_part(QUERY, NULL, "{\"vector\":[0,0],\"filter\":\"year =\"}", 400,
                  "\"field\":\"filter\"");
    kit_want_part(QUERY, NULL,
                  "{\"queries\":[{\"vector\":[0,0]},{\"vector\":[0,0],\"filter\":\"year =\"}]}",
                  400, "\"field\":\"queries[1].filter\"");
    kit_want_part(
        QUERY, NULL,
        "{\"queries\":[{\"vector\":[0,0],\"group_by\":\"lang\"},{\"vector\":[0,0],\"filter\":"
        "\"year =\"}]}",
        400, "\"field\":\"queries[1].filter\"");
    kit_want(COUNT, NULL, "{}", 200, "{\"count\":4}");
}

static void deadlines_are_set(void **state)
{
    (void)state;
    kit_want(COUNT, NULL, "{\"deadline_ms\":4000000000}", 200, NULL);
    assert_true(kit.exchange.deadline_us == 1 + 4000000000ull * 1000);
    kit_want_part(COUNT, NULL, "{\"deadline_ms\":0}", 400, "deadline_ms");
}

/* Nobody waits for the answer any more, or it would come too late: the engine is not kept busy. */
static void work_is_stopped(void **state)
{
    (void)state;
    atomic_store(&kit.exchange.cancelled, 1);
    kit_want_part(COUNT, NULL, "{\"filter\":\"year > 1\"}", 503, "\"code\":\"cancelled\"");
    kit_want_part(QUERY, NULL, "{\"vector\":[0,0]}", 503, "\"code\":\"cancelled\"");
    kit_want_part(SCROLL, NULL, "{}", 503, "\"code\":\"cancelled\"");
    kit_want_part(SAMPLE, NULL, "{}", 503, "\"code\":\"cancelled\"");
    kit_want_part(FACETS, NULL, "{\"field\":\"year\"}", 503, "\"code\":\"cancelled\"");
    atomic_store(&kit.exchange.cancelled, 0);
    kit_want_part(QUERY, NULL, "{\"vector\":[0,0],\"deadline_ms\":1}", 504,
                  "\"code\":\"deadline\"");
    kit_want_part(QUERY, NULL, "{\"queries\":[{\"vector\":[0,0]},{\"id\":2}],\"deadline_ms\":1}",
                  504, "\"code\":\"deadline\"");
    kit_want_part(COUNT, NULL, "{\"deadline_ms\":1}", 504, "\"code\":\"deadline\"");
    kit_want_part(FACETS, NULL, "{\"field\":\"year\",\"deadline_ms\":1}", 504,
                  "\"code\":\"deadline\"");
}

static void answers_have_bounds(void **state)
{
    (void)state;
    static char body[1 << 16];
    size_t used = (size_t)snprintf(body, sizeof body, "{\"k\":16384,\"queries\":[");
    for (int i = 0; i < 17; i++)
        used += (size_t)snprintf(body + used, sizeof body - used, "%s{\"id\":1}", i ? "," : "");
    snprintf(body + used, sizeof body - used, "]}");
    kit_want_part(QUERY, NULL, body, 400, "an answer of up to 278528 points");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(queries_are_answered),
        TEST(queries_are_answered_compactly),
        TEST(groups_are_answered),
        TEST(batches_are_answered_in_order),
        TEST(raw_floats_are_queries),
        TEST(raw_floats_are_points),
        TEST(points_are_got),
        TEST(points_are_deleted),
        TEST(points_are_patched),
        TEST(writes_have_conditions),
        TEST(keys_make_writes_idempotent),
        TEST(namespaces_are_apart),
        TEST(lists_are_read),
        TEST(snapshots_are_read),
        TEST(limits_are_kept),
        TEST(faults_are_told),
        TEST(deadlines_are_set),
        TEST(work_is_stopped),
        TEST(answers_have_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
