/* JSON: what is accepted and refused (in the spirit of JSONTestSuite), and the tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

#define TEXT(literal) literal, sizeof literal - 1

struct text {
    const char *data;
    size_t size;
};

static const struct text accepted[] = {
    {TEXT("[]")},
    {TEXT("{}")},
    {TEXT("null")},
    {TEXT("true")},
    {TEXT("false")},
    {TEXT("\"\"")},
    {TEXT("0")},
    {TEXT("-0")},
    {TEXT("-0.0e-0")},
    {TEXT("1E+2")},
    {TEXT(" \t\r\n[ \t\r\n] \t\r\n")},
    {TEXT("[1,2,3]")},
    {TEXT("[1 , 2 , 3]")},
    {TEXT("[[],[[]],{}]")},
    {TEXT("{\"a\":1,\"b\":[true,false,null]}")},
    {TEXT("{ \"a\" : { \"a\" : { \"a\" : 0 } } }")},
    {TEXT("{\"\":0}")},
    {TEXT("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]")},
    {TEXT("[\"\\u0000\\u00e9\\u20AC\\uFFFF\"]")},
    {TEXT("[\"\\ud83d\\ude00\"]")},
    {TEXT("[\"\\uDBFF\\uDFFF\"]")},
    {TEXT("[\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"]")},
    {TEXT("[\"\x7f\"]")},
    {TEXT("[\"/ and 'quotes' // not a comment\"]")},
    {TEXT("[1e400,-1e400,1e-400]")},
    {TEXT("123456789012345678901234567890")},
    {TEXT("[0.1,1.0,-1.5e3,1e5]")},
};

static const struct text refused[] = {
    {TEXT("")},
    {TEXT(" ")},
    {TEXT("[")},
    {TEXT("]")},
    {TEXT("{")},
    {TEXT("}")},
    {TEXT("[}")},
    {TEXT("{]")},
    {TEXT("[1")},
    {TEXT("[1,")},
    {TEXT("[,1]")},
    {TEXT("[1,]")},
    {TEXT("[1,,2]")},
    {TEXT("[1 2]")},
    {TEXT("[1:2]")},
    {TEXT("[]]")},
    {TEXT("[][]")},
    {TEXT("{}{}")},
    {TEXT("1 2")},
    {TEXT("[1]x")},
    {TEXT("{,}")},
    {TEXT("{\"a\"}")},
    {TEXT("{\"a\":}")},
    {TEXT("{\"a\":1,}")},
    {TEXT("{\"a\":1 \"b\":2}")},
    {TEXT("{\"a\",1}")},
    {TEXT("{\"a\"::1}")},
    {TEXT("{:1}")},
    {TEXT("{1:1}")},
    {TEXT("{a:1}")},
    {TEXT("{'a':1}")},
    {TEXT("{null:1}")},
    {TEXT("{[]:1}")},
    {TEXT("[1}")},
    {TEXT("{\"a\":1]")},
    {TEXT("nul")},
    {TEXT("nulL")},
    {TEXT("nullx")},
    {TEXT("True")},
    {TEXT("tru")},
    {TEXT("fals")},
    {TEXT("NaN")},
    {TEXT("Infinity")},
    {TEXT("-Infinity")},
    {TEXT("undefined")},
    {TEXT("+1")},
    {TEXT("01")},
    {TEXT("-01")},
    {TEXT("[012]")},
    {TEXT("1.")},
    {TEXT("[1.]")},
    {TEXT(".1")},
    {TEXT("-.1")},
    {TEXT("1e")},
    {TEXT("1e+")},
    {TEXT("[1e]")},
    {TEXT("0x1F")},
    {TEXT("1_000")},
    {TEXT("1a")},
    {TEXT("--1")},
    {TEXT("-")},
    {TEXT("[-]")},
    {TEXT("\"")},
    {TEXT("\"a")},
    {TEXT("\"\\\"")},
    {TEXT("\"\\")},
    {TEXT("[\"\\")},
    {TEXT("'a'")},
    {TEXT("[\"\\a\"]")},
    {TEXT("[\"\\'\"]")},
    {TEXT("[\"\\x41\"]")},
    {TEXT("[\"\\0\"]")},
    {TEXT("[\"\\U0041\"]")},
    {TEXT("[\"\\u\"]")},
    {TEXT("[\"\\u1\"]")},
    {TEXT("[\"\\u12\"]")},
    {TEXT("[\"\\u123\"]")},
    {TEXT("[\"\\u123g\"]")},
    {TEXT("[\"\\u 123\"]")},
    {TEXT("[\"\\ud800\"]")},
    {TEXT("[\"\\udc00\"]")},
    {TEXT("[\"\\ud800x\"]")},
    {TEXT("[\"\\ud800\\n\"]")},
    {TEXT("[\"\\ud800\\u0041\"]")},
    {TEXT("[\"\\ud800\\ud800\"]")},
    {TEXT("[\"\\ude00\\ud83d\"]")},
    {TEXT("[\"\\ud83d\\ude0\"]")},
    {TEXT("[\"\n\"]")},
    {TEXT("[\"\t\"]")},
    {TEXT("[\"\0\"]")},
    {TEXT("[\"a long enough text \x1f here\"]")},
    {TEXT("[\"\xff\"]")},
    {TEXT("[\"\xc3\"]")},
    {TEXT("[\"\x80\"]")},
    {TEXT("[\"\xc0\xaf\"]")},
    {TEXT("[\"\xed\xa0\x80\"]")},
    {TEXT("[\"\xf4\x90\x80\x80\"]")},
    {TEXT("[\"a rather long text \xe2\x82 and more\"]")},
    {TEXT("{\"\xff\":1}")},
    {TEXT("\xef\xbb\xbf[]")},
    {TEXT("[]\0")},
    {TEXT("\0")},
    {TEXT("[\0]")},
    {TEXT("\xc2\xa0[]")},
    {TEXT("[\f]")},
    {TEXT("[\v1]")},
    {TEXT("// comment\n[]")},
    {TEXT("/* comment */[]")},
    {TEXT("[] # comment")},
    {TEXT("{\"a\":1,\"a\":2}")},
    {TEXT("{\"a\":1,\"\\u0061\":2}")},
    {TEXT("{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}")},
    {TEXT("{\"\\n\":1,\"\\u000A\":2}")},
    {TEXT("{\"\":1,\"\":2}")},
    {TEXT("[{\"b\":{\"a\":1,\"x\":{},\"a\":2}}]")},
};

/* The text at the end of an allocation, where AddressSanitizer sees a look beyond it. */
static lode_status validate(const char *text, size_t size, lode_error *error)
{
    char *copy = calloc(1, size ? size : 1);
    memcpy(copy, text, size);
    lode_status status = json_validate(copy, size, JSON_END, error);
    free(copy);
    return status;
}

static void accepts_and_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++) {
        lode_error error = {0};
        if (validate(accepted[i].data, accepted[i].size, &error) != LODE_OK)
            fail_msg("refused: %s (%s)", accepted[i].data, error.message);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        lode_error error = {0};
        if (validate(refused[i].data, refused[i].size, &error) != LODE_INVALID)
            fail_msg("accepted: %s", refused[i].data);
        assert_int_equal(error.status, LODE_INVALID);
    }
}

/* No document is complete before its last byte, unless it is a number. */
static void every_prefix_is_refused(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\":[1.5e-3,true,null,false,\"\\ud83d\\ude00 \\n\",{}],\"b\":\"\xe2\x82\xac\"}";
    for (size_t size = 0; size < sizeof text - 1; size++)
        assert_int_equal(validate(text, size, NULL), LODE_INVALID);
    assert_int_equal(validate(text, sizeof text - 1, NULL), LODE_OK);
}

static void faults_are_placed(void **state)
{
    (void)state;
    static const struct {
        struct text text;
        const char *message;
    } cases[] = {
        {{TEXT("[1, 2 3]")}, "JSON, at byte 6: expected ',' or ']'"},
        {{TEXT("{\"a\" 1}")}, "JSON, at byte 5: expected ':' after a key"},
        {{TEXT("{\"a\":1 2}")}, "JSON, at byte 7: expected ',' or '}'"},
        {{TEXT("[1,]")}, "JSON, at byte 3: expected a value"},
        {{TEXT("{\"a\":1,}")}, "JSON, at byte 7: expected a key"},
        {{TEXT("[01]")}, "JSON, at byte 1: malformed number"},
        {{TEXT("[\"abc\\q\"]")}, "JSON, at byte 5: invalid escape in a string"},
        {{TEXT("[\"abc\n\"]")}, "JSON, at byte 5: control character in a string"},
        {{TEXT("[\"abc\xff\"]")}, "JSON, at byte 5: invalid UTF-8 in a string"},
        {{TEXT("[\"abc")}, "JSON, at byte 5: string without end"},
        {{TEXT("[1")}, "JSON, at byte 2: unexpected end"},
        {{TEXT("{} x")}, "JSON, at byte 3: bytes after the document's end"},
        {{TEXT("{\"a\":1, \"b\":2, \"a\":3}")}, "JSON, at byte 15: duplicate key \"a\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lode_error error = {0};
        assert_int_equal(validate(cases[i].text.data, cases[i].text.size, &error), LODE_INVALID);
        assert_string_equal(error.message, cases[i].message);
    }
}

static void wanted_kind(void **state)
{
    (void)state;
    lode_error error = {0};
    assert_int_equal(json_validate(TEXT(" {}"), JSON_OBJECT, NULL), LODE_OK);
    assert_int_equal(json_validate(TEXT("[]"), JSON_ARRAY, NULL), LODE_OK);
    assert_int_equal(json_validate(TEXT(" []"), JSON_OBJECT, &error), LODE_INVALID);
    assert_string_equal(error.message, "JSON, at byte 1: expected an object");
    assert_int_equal(json_validate(TEXT(" \"a\""), JSON_ARRAY, &error), LODE_INVALID);
    assert_string_equal(error.message, "JSON, at byte 1: expected an array");
    assert_int_equal(json_validate(TEXT("{"), JSON_OBJECT, &error), LODE_INVALID);
}

static void depth_is_bounded(void **state)
{
    (void)state;
    for (int object = 0; object < 2; object++) {
        struct buf buf;
        buf_init(&buf, 1 << 20);
        for (int i = 0; i < JSON_DEPTH_MAX; i++)
            assert_int_equal(buf_printf(&buf, NULL, object ? "{\"a\":" : "["), LODE_OK);
        size_t opened = buf.size;
        if (object)
            assert_int_equal(buf_append_u8(&buf, '1', NULL), LODE_OK);
        for (int i = 0; i < JSON_DEPTH_MAX; i++)
            assert_int_equal(buf_append_u8(&buf, object ? '}' : ']', NULL), LODE_OK);
        assert_int_equal(validate((char *)buf.data, buf.size, NULL), LODE_OK);
        lode_error error = {0};
        buf.size = opened;
        assert_int_equal(buf_printf(&buf, NULL, "[]"), LODE_OK);
        assert_int_equal(validate((char *)buf.data, buf.size, &error), LODE_INVALID);
        assert_non_null(strstr(error.message, "nested too deeply"));
        buf_release(&buf);
    }
}

/* --- Tokens ------------------------------------------------------------------------------------ */

static void expect(struct json *json, enum json_token token, const char *text)
{
    assert_int_equal(json_next(json), token);
    if (text) {
        assert_int_equal(json->text_size, strlen(text));
        assert_memory_equal(json->text, text, json->text_size);
    }
}

static void tokens_in_order(void **state)
{
    (void)state;
    struct json json;
    json_init(&json,
              TEXT(" {\"k\\n\" : [1.5, \"s\", {}, []], \"t\":true , \"n\" :null,\"f\":false}"));
    expect(&json, JSON_OBJECT, "{");
    assert_int_equal(json.depth, 1);
    expect(&json, JSON_KEY, "k\\n");
    assert_true(json.escaped);
    expect(&json, JSON_ARRAY, "[");
    expect(&json, JSON_NUMBER, "1.5");
    expect(&json, JSON_STRING, "s");
    assert_false(json.escaped);
    expect(&json, JSON_OBJECT, NULL);
    assert_int_equal(json.depth, 3);
    expect(&json, JSON_OBJECT_END, "}");
    expect(&json, JSON_ARRAY, NULL);
    expect(&json, JSON_ARRAY_END, "]");
    expect(&json, JSON_ARRAY_END, NULL);
    expect(&json, JSON_KEY, "t");
    expect(&json, JSON_TRUE, "true");
    expect(&json, JSON_KEY, "n");
    expect(&json, JSON_NULL, "null");
    expect(&json, JSON_KEY, "f");
    expect(&json, JSON_FALSE, "false");
    expect(&json, JSON_OBJECT_END, NULL);
    expect(&json, JSON_END, NULL);
    expect(&json, JSON_END, NULL);
    assert_int_equal(json.depth, 0);
}

static void errors_stick(void **state)
{
    (void)state;
    struct json json;
    json_init(&json, TEXT("[x, 1]"));
    expect(&json, JSON_ARRAY, NULL);
    expect(&json, JSON_ERROR, NULL);
    size_t offset = json.offset;
    assert_int_equal(offset, 1);
    assert_non_null(json.error);
    expect(&json, JSON_ERROR, NULL);
    const char *text;
    size_t size;
    float value;
    assert_int_equal(json_skip(&json), JSON_ERROR);
    assert_int_equal(json_raw(&json, &text, &size), JSON_ERROR);
    assert_int_equal(json_read_f32s(&json, &value, 1), -1);
    assert_int_equal(json.offset, offset);
}

static void skipping(void **state)
{
    (void)state;
    struct json json;
    json_init(&json,
              TEXT("{\"a\":[1,[2,{\"b\":[]}],\"]\"],\"c\":\"x\\\"}\",\"d\":{\"e\":1},\"f\":7}"));
    expect(&json, JSON_OBJECT, NULL);
    static const enum json_token kinds[] = {JSON_ARRAY, JSON_STRING, JSON_OBJECT, JSON_NUMBER};
    for (size_t i = 0; i < 4; i++) {
        expect(&json, JSON_KEY, NULL);
        assert_int_equal(json_skip(&json), kinds[i]);
        assert_int_equal(json.depth, 1);
    }
    assert_int_equal(json_skip(&json), JSON_OBJECT_END);
    expect(&json, JSON_END, NULL);
    json_init(&json, TEXT("[[1,[2,x]],3]"));
    expect(&json, JSON_ARRAY, NULL);
    assert_int_equal(json_skip(&json), JSON_ERROR);
}

static void raw_values(void **state)
{
    (void)state;
    static const struct {
        enum json_token token;
        const char *text;
    } values[] = {
        {JSON_ARRAY, "[1, [2]]"}, {JSON_STRING, "\"a\\n\""}, {JSON_OBJECT, "{ \"b\" : {} }"},
        {JSON_NUMBER, "-1e5"},    {JSON_NULL, "null"},       {JSON_STRING, "\"\""},
    };
    struct json json;
    json_init(&json, TEXT("[ [1, [2]] , \"a\\n\" ,{ \"b\" : {} },-1e5, null,\"\" ]"));
    expect(&json, JSON_ARRAY, NULL);
    const char *text;
    size_t size;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        assert_int_equal(json_raw(&json, &text, &size), values[i].token);
        assert_int_equal(size, strlen(values[i].text));
        assert_memory_equal(text, values[i].text, size);
    }
    assert_int_equal(json_raw(&json, &text, &size), JSON_ARRAY_END);
    assert_int_equal(json_raw(&json, &text, &size), JSON_END);
}

static void keys_compare_unescaped(void **state)
{
    (void)state;
    static const struct {
        struct text object;
        const char *key;
        int is;
    } cases[] = {
        {{TEXT("{\"vector\":1}")}, "vector", 1},
        {{TEXT("{\"vector\":1}")}, "vectors", 0},
        {{TEXT("{\"vector\":1}")}, "vecto", 0},
        {{TEXT("{\"\":1}")}, "", 1},
        {{TEXT("{\"v\\u0065ctor\":1}")}, "vector", 1},
        {{TEXT("{\"v\\u0065ctor\":1}")}, "vectors", 0},
        {{TEXT("{\"v\\u0065ctor\":1}")}, "vecto", 0},
        {{TEXT("{\"\\u20ac\\ud83d\\ude00\\t\":1}")}, "\xe2\x82\xac\xf0\x9f\x98\x80\t", 1},
        {{TEXT("{\"\\u20ac\":1}")}, "\xe2\x82", 0},
        {{TEXT("{\"a\\u0000b\":1}")}, "a", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json json;
        json_init(&json, cases[i].object.data, cases[i].object.size);
        expect(&json, JSON_OBJECT, NULL);
        expect(&json, JSON_KEY, NULL);
        assert_int_equal(json_key_is(&json, cases[i].key), cases[i].is);
    }
}

static void unescaping(void **state)
{
    (void)state;
    struct json json;
    struct buf buf;
    buf_init(&buf, 1000);
    json_init(
        &json,
        TEXT("[\"plain\",\"\\\"\\\\\\/\\b\\f\\n\\r\\t|\\u0000\\u0041\\u00e9\\u20AC\\uD83D\\uDE00"
             "\\uffff\xc3\xa9\"]"));
    expect(&json, JSON_ARRAY, NULL);
    expect(&json, JSON_STRING, NULL);
    assert_int_equal(json_unescape(&json, &buf, NULL), LODE_OK);
    assert_int_equal(buf.size, 5);
    expect(&json, JSON_STRING, NULL);
    assert_int_equal(json_unescape(&json, &buf, NULL), LODE_OK); /* appends */
    static const char expected[] = "plain\"\\/\b\f\n\r\t|\0A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"
                                   "\xef\xbf\xbf\xc3\xa9";
    assert_int_equal(buf.size, sizeof expected - 1);
    assert_memory_equal(buf.data, expected, buf.size);
    buf_release(&buf);
    buf_init(&buf, 3);
    json_init(&json, TEXT("\"abcd\""));
    expect(&json, JSON_STRING, NULL);
    assert_int_equal(json_unescape(&json, &buf, NULL), LODE_LIMIT);
    buf_release(&buf);
}

/* --- Arrays of numbers ------------------------------------------------------------------------- */

static void reads_vectors(void **state)
{
    (void)state;
    struct json json;
    float values[4];
    json_init(&json, TEXT("[[ 1 , -2.5,3e2 ],[],[4],5]"));
    expect(&json, JSON_ARRAY, NULL);
    expect(&json, JSON_ARRAY, NULL);
    assert_int_equal(json_read_f32s(&json, values, 3), 3);
    assert_true(values[0] == 1 && values[1] == -2.5f && values[2] == 300);
    expect(&json, JSON_ARRAY, NULL);
    assert_int_equal(json_read_f32s(&json, NULL, 0), 0);
    expect(&json, JSON_ARRAY, NULL);
    assert_int_equal(json_read_f32s(&json, values, 4), 1);
    expect(&json, JSON_NUMBER, "5");
    expect(&json, JSON_ARRAY_END, NULL);
    expect(&json, JSON_END, NULL);
}

static void refuses_vectors(void **state)
{
    (void)state;
    static const struct {
        struct text text;
        size_t offset;
    } cases[] = {
        {{TEXT("[1,2,3]")}, 5}, /* one too many */
        {{TEXT("[1,\"2\"]")}, 3}, {{TEXT("[1,null]")}, 3}, {{TEXT("[[1]]")}, 1},
        {{TEXT("[1,]")}, 3},      {{TEXT("[,1]")}, 1},     {{TEXT("[1 2]")}, 3},
        {{TEXT("[1")}, 2},        {{TEXT("[1,")}, 3},      {{TEXT("[")}, 1},
        {{TEXT("[1e39]")}, 1},    {{TEXT("[-1e39]")}, 1},  {{TEXT("[1}")}, 2},
        {{TEXT("[NaN]")}, 1},     {{TEXT("[01]")}, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *copy = malloc(cases[i].text.size);
        memcpy(copy, cases[i].text.data, cases[i].text.size);
        struct json json;
        float values[2];
        json_init(&json, copy, cases[i].text.size);
        expect(&json, JSON_ARRAY, NULL);
        if (json_read_f32s(&json, values, 2) != -1 || json.offset != cases[i].offset)
            fail_msg("%s: at %zu", cases[i].text.data, json.offset);
        assert_non_null(json.error);
        expect(&json, JSON_ERROR, NULL);
        free(copy);
    }
    struct json json;
    float value;
    json_init(&json, TEXT("{\"a\":1}"));
    expect(&json, JSON_OBJECT, NULL);
    assert_int_equal(json_read_f32s(&json, &value, 1), -1); /* not in an array */
}

/* --- Duplicate keys ---------------------------------------------------------------------------- */

/* `count` keys, of which the last is the one at `again`; -1: none. Some are escaped. */
static lode_status validate_keys(int count, int again, lode_error *error)
{
    struct buf buf;
    buf_init(&buf, SIZE_MAX);
    assert_int_equal(buf_printf(&buf, NULL, "{"), LODE_OK);
    for (int i = 0; i < count; i++) {
        int key = i == count - 1 && again >= 0 ? again : i;
        const char *name = i % 3 == 0 ? "k\\u0065y" : "key", *comma = i ? "," : "";
        lode_status status = buf_printf(&buf, NULL, "%s\"%s%d\":{\"key1\":1}", comma, name, key);
        assert_int_equal(status, LODE_OK);
    }
    assert_int_equal(buf_printf(&buf, NULL, "}"), LODE_OK);
    lode_status status = json_validate((char *)buf.data, buf.size, JSON_OBJECT, error);
    buf_release(&buf);
    return status;
}

static void duplicates_among_many(void **state)
{
    (void)state;
    for (int count = 1; count < 200; count++) {
        assert_int_equal(validate_keys(count, -1, NULL), LODE_OK);
        for (int again = 0; again < count - 1; again += 1 + count / 10)
            assert_int_equal(validate_keys(count, again, NULL), LODE_INVALID);
    }
}

/* Comparing every pair of these would take minutes. */
static void large_objects_are_not_quadratic(void **state)
{
    (void)state;
    lode_error error = {0};
    assert_int_equal(validate_keys(200000, -1, &error), LODE_OK);
    assert_int_equal(validate_keys(200000, 77777, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "y77777\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_and_refuses),
        cmocka_unit_test(every_prefix_is_refused),
        cmocka_unit_test(faults_are_placed),
        cmocka_unit_test(wanted_kind),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(tokens_in_order),
        cmocka_unit_test(errors_stick),
        cmocka_unit_test(skipping),
        cmocka_unit_test(raw_values),
        cmocka_unit_test(keys_compare_unescaped),
        cmocka_unit_test(unescaping),
        cmocka_unit_test(reads_vectors),
        cmocka_unit_test(refuses_vectors),
        cmocka_unit_test(duplicates_among_many),
        cmocka_unit_test(large_objects_are_not_quadratic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
