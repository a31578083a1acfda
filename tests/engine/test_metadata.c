/* Metadata against declared fields, and RFC 3339. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/datetime.h"
#include "engine/metadata.h"
#include "support/storage_kit.h"

static lode_error error;

static const lode_field fields[] = {
    {"k", LODE_FIELD_KEYWORD}, {"t", LODE_FIELD_TEXT},    {"i", LODE_FIELD_INTEGER},
    {"f", LODE_FIELD_FLOAT},   {"b", LODE_FIELD_BOOLEAN}, {"d", LODE_FIELD_DATETIME},
};
static const lode_schema schema = {.dim = 1, .fields = fields, .field_count = 6};

static lode_status check(const char *json)
{
    error = (lode_error){0};
    return metadata_check(&schema, json, strlen(json), &error);
}

static void good_metadata_passes(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{}",
        " { \"anything\" : [1, {\"k\":7}, null] } ",
        "{\"k\":\"x\",\"t\":\"\",\"i\":-9223372036854775808,\"f\":1e300,\"b\":false}",
        "{\"i\":9223372036854775807,\"f\":3,\"d\":\"2024-02-29T23:59:60Z\"}",
        "{\"k\":null,\"t\":null,\"i\":null,\"f\":null,\"b\":null,\"d\":null}",
        "{\"k\":[\"a\",\"b\",null],\"i\":[],\"i2\":[[1]],\"b\":[true]}",
        "{\"d\":[\"2024-01-01t00:00:00+01:00\"],\"\\u0069\":7}",
        "{\"d\":\"2024-01-01T00:00:00\\u005a\"}",
        "{\"nested\":{\"i\":\"free here\"}}",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (check(good[i]))
            fail_msg("%s: %s", good[i], error.message);
    assert_ok(metadata_check(&schema, NULL, 0, &error));
}

static void bad_metadata_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json, *message;
    } bad[] = {
        {"", "metadata: "},
        {"[]", "metadata: "},
        {"\"x\"", "metadata: "},
        {"{\"a\":1,\"a\":2}", "metadata: "},
        {"{\"a\":1}x", "metadata: "},
        {"{\"a\":\"\xff\"}", "metadata: "},
        {"{\"k\":7}", "metadata field 'k' must be a string, found 7"},
        {"{\"t\":{}}", "metadata field 't' must be a string, found {}"},
        {"{\"i\":1.0}", "metadata field 'i' must be an integer"},
        {"{\"i\":1e3}", "found 1e3"},
        {"{\"i\":9223372036854775808}", "found 9223372036854775808"},
        {"{\"\\u0069\":\"x\"}", "metadata field 'i' must be an integer"},
        {"{\"f\":1e999}", "found 1e999"},
        {"{\"f\":\"1\"}", "found \"1\""},
        {"{\"b\":1}", "must be true or false, found 1"},
        {"{\"d\":\"2024-02-30T00:00:00Z\"}", "must be an RFC 3339 date and time"},
        {"{\"d\":1700000000}", "must be an RFC 3339 date and time, found 1700000000"},
        {"{\"i\":[1,\"x\"]}", "metadata field 'i' must be an integer"},
        {"{\"i\":[[1]]}", "found [[1]]"},
        {"{\"k\":[{}]}", "must be a string"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int is_json = strncmp(bad[i].message, "metadata: ", 10) != 0;
        assert_int_equal(check(bad[i].json), is_json ? LODE_SCHEMA : LODE_INVALID);
        if (!strstr(error.message, bad[i].message))
            fail_msg("%s: \"%s\" does not say \"%s\"", bad[i].json, error.message, bad[i].message);
    }
}

static void long_values_are_cut_in_messages(void **state)
{
    (void)state;
    char json[600] = "{\"i\":\"";
    memset(json + 6, 'x', 500);
    strcpy(json + 506, "\"}");
    assert_int_equal(check(json), LODE_SCHEMA);
    assert_non_null(strstr(error.message, "xxx..."));
    assert_true(strlen(error.message) < 200);
}

static void datetimes(void **state)
{
    (void)state;
    static const char *const good[] = {
        "2024-02-29T00:00:00Z",      "2000-02-29T00:00:00z", "1999-12-31 23:59:59.999999999Z",
        "0000-01-01T00:00:00+00:00", "2024-06-30T23:59:60Z", "2024-06-30T12:00:00-23:59",
    };
    static const char *const bad[] = {
        "",
        "2024",
        "2024-02-30T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-00-01T00:00:00Z",
        "2024-01-00T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z",
        "2024-01-01T00:00:61Z",
        "2024-01-01T00:00:00",
        "2024-01-01T00:00:00.Z",
        "2024-01-01T00:00:00+1:00",
        "2024-01-01T00:00:00+01:00x",
        "2024-01-01T00:00:00+24:00",
        "2024-1-01T00:00:00Z",
        "2024/01/01T00:00:00Z",
        " 2024-01-01T00:00:00Z",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!datetime_valid(good[i], strlen(good[i])))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (datetime_valid(bad[i], strlen(bad[i])))
            fail_msg("accepted: %s", bad[i]);
    for (size_t cut = 0; cut < strlen(good[2]); cut++)
        assert_int_equal(datetime_valid(good[2], cut), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_metadata_passes),
        cmocka_unit_test(bad_metadata_is_refused),
        cmocka_unit_test(long_values_are_cut_in_messages),
        cmocka_unit_test(datetimes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
