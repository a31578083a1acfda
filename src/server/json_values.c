/* json_values.c: see json_values.h. */
#include "server/json_values.h"

#include "base/base64.h"
#include "base/datetime.h"
#include "base/hex.h"
#include "base/number.h"

#include <string.h>

/* --- Ids ----------------------------------------------------------------------------------------- */

static lode_status string_id(const char *text, size_t size, lode_id *ret_id, lode_error *error)
{
    uint8_t uuid[16];
    if (hex_parse_uuid(text, size, uuid)) {
        *ret_id = lode_id_uuid(uuid);
        return LODE_OK;
    }
    if (size == 0)
        return error_set(error, LODE_INVALID, "the id is empty");
    if (size > LODE_ID_SIZE_MAX)
        return error_set(error, LODE_LIMIT, "an id of %zu bytes; at most %d", size,
                         LODE_ID_SIZE_MAX);
    if (memchr(text, '\0', size))
        return error_set(error, LODE_INVALID, "the id holds a NUL character");
    *ret_id = (lode_id){.kind = LODE_ID_STRING, .string = text, .string_size = size};
    return LODE_OK;
}

static lode_status number_id(const char *text, size_t size, lode_id *ret_id, lode_error *error)
{
    uint64_t number;
    if (!number_parse_u64(text, size, &number))
        return error_set(error, LODE_INVALID,
                         "%.*s is not an id: a whole number from 0 to 18446744073709551615",
                         (int)(size < 48 ? size : 48), text);
    *ret_id = lode_id_number(number);
    return LODE_OK;
}

lode_status json_id_of_text(const char *text, size_t size, lode_id *ret_id, lode_error *error)
{
    size_t digits = 0;
    while (digits < size && text[digits] >= '0' && text[digits] <= '9')
        digits++;
    if (size > 0 && digits == size)
        return number_id(text, size, ret_id, error);
    return string_id(text, size, ret_id, error);
}

lode_status json_input_id(struct json_input *input, lode_id *ret_id)
{
    enum json_token token = json_next(&input->json);
    if (token != JSON_NUMBER && token != JSON_STRING)
        return json_input_wrong(input, token, "a whole number or a string");
    lode_error error = {0};
    lode_status status;
    if (token == JSON_NUMBER) {
        status = number_id(input->json.text, input->json.text_size, ret_id, &error);
    } else {
        const char *text = NULL;
        size_t size = 0;
        status = json_input_unescaped(input, &text, &size);
        if (status)
            return status;
        status = string_id(text, size, ret_id, &error);
    }
    return status ? json_input_fail(input, status, "%s", error.message) : LODE_OK;
}

static size_t number_text(uint64_t number, char text[JSON_ID_TEXT_MAX])
{
    char reversed[24];
    size_t count = 0;
    do
        reversed[count++] = (char)('0' + number % 10);
    while (number /= 10);
    for (size_t i = 0; i < count; i++)
        text[i] = reversed[count - 1 - i];
    return count;
}

static size_t uuid_text(const uint8_t uuid[16], char text[JSON_ID_TEXT_MAX])
{
    static const char digits[] = "0123456789abcdef";
    char *p = text;
    *p++ = '"';
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = digits[uuid[i] >> 4];
        *p++ = digits[uuid[i] & 15];
    }
    *p++ = '"';
    return (size_t)(p - text);
}

size_t json_id_plain(const lode_id *id, char text[JSON_ID_TEXT_MAX])
{
    switch (id->kind) {
    case LODE_ID_NUMBER: return number_text(id->number, text);
    case LODE_ID_UUID: return uuid_text(id->uuid, text);
    case LODE_ID_STRING: break;
    }
    return 0;
}

void json_write_id(struct json_writer *json, const lode_id *id)
{
    char text[JSON_ID_TEXT_MAX];
    size_t size = json_id_plain(id, text);
    if (size)
        json_write_raw(json, text, size);
    else
        json_write_string(json, id->string, id->string_size);
}

/* --- Vectors ------------------------------------------------------------------------------------- */

size_t json_find_infinite(const float *values, size_t count)
{
    const uint32_t exponent = 0x7f800000;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        if ((bits & exponent) == exponent)
            return i;
    }
    return count;
}

/* dim: of the vectors before, with which it does not agree; 0: it is none of any index. */
static lode_status wrong_count(struct json_input *input, size_t count, const char *more,
                               uint32_t dim)
{
    if (dim)
        return json_input_fail(input, LODE_SCHEMA,
                               "a vector of %s%zu numbers; those before it have %u", more, count,
                               dim);
    return json_input_fail(input, LODE_INVALID, "a vector of %s%zu numbers; expected %u", more,
                           count, count ? LODE_DIM_MAX : 1);
}

/* The array's bracket has been read. */
static lode_status read_numbers(struct json_input *input, uint32_t *dim, const float **ret_vector)
{
    /* Each number but the last takes two bytes at least. */
    size_t most = (input->json.size - input->json.offset) / 2 + 1;
    size_t room = *dim ? *dim : most < LODE_DIM_MAX ? most : LODE_DIM_MAX;
    float *values = arena_alloc(input->arena, room * sizeof(float));
    if (!values)
        return json_input_nomem(input, "a vector", room * sizeof(float));
    long count = json_read_f32s(&input->json, values, room);
    if (count < 0 && strcmp(input->json.error, "too many numbers") == 0)
        return wrong_count(input, room, "more than ", *dim);
    if (count < 0)
        return json_input_malformed(input);
    if (count == 0 || (*dim && (size_t)count != *dim))
        return wrong_count(input, (size_t)count, "", *dim);
    *dim = (uint32_t)count;
    *ret_vector = values;
    return LODE_OK;
}

/* Decode size bytes of base64 without padding; out has room for size / 4 * 3 + 2. Returns where it is none, or `size`. */
static size_t decode(const char *text, size_t size, uint8_t *out)
{
    uint32_t bits = 0, count = 0;
    for (size_t i = 0; i < size; i++) {
        int value = base64_value(text[i]);
        if (value < 0)
            return i;
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        *out++ = (uint8_t)(bits >> count);
    }
    return bits & ((1u << count) - 1) ? size - 1 : size;
}

static size_t without_padding(const char *text, size_t size)
{
    if (size % 4 == 0)
        for (int i = 0; i < 2 && size > 0 && text[size - 1] == '='; i++)
            size--;
    return size;
}

/* The string has been read. */
static lode_status read_base64(struct json_input *input, uint32_t *dim, const float **ret_vector)
{
    const char *text = NULL;
    size_t size = 0;
    lode_status status = json_input_unescaped(input, &text, &size);
    if (status)
        return status;
    size = without_padding(text, size);
    size_t bytes = size / 4 * 3 + (size % 4 ? size % 4 - 1 : 0), count = bytes / sizeof(float);
    if (size % 4 == 1 || bytes % sizeof(float) != 0)
        return json_input_fail(input, LODE_INVALID,
                               "a base64 string of %zu characters is no vector of floats", size);
    if (count == 0 || (*dim ? count != *dim : count > LODE_DIM_MAX))
        return wrong_count(input, count, "", *dim);
    uint8_t *values = arena_alloc(input->arena, size / 4 * 3 + 4);
    if (!values)
        return json_input_nomem(input, "a vector", bytes);
    size_t decoded = decode(text, size, values);
    if (decoded < size)
        return json_input_fail(input, LODE_INVALID,
                               "character %zu of the string is not base64 as it should be",
                               decoded);
    size_t at = json_find_infinite((const float *)values, count);
    if (at < count)
        return json_input_fail(input, LODE_INVALID, "component %zu is not a finite number", at);
    *dim = (uint32_t)count;
    *ret_vector = (const float *)values;
    return LODE_OK;
}

lode_status json_input_vector(struct json_input *input, uint32_t *dim, const float **ret_vector)
{
    enum json_token token = json_next(&input->json);
    if (token == JSON_ARRAY)
        return read_numbers(input, dim, ret_vector);
    if (token == JSON_STRING)
        return read_base64(input, dim, ret_vector);
    return json_input_wrong(input, token, "an array of numbers or a base64 string");
}

/* --- Conditions and moments ---------------------------------------------------------------------- */

static lode_status read_version(struct json_input *input, void *target)
{
    lode_write_op *op = target;
    op->condition = LODE_IF_VERSION;
    return json_input_u64(input, 1, UINT64_MAX, &op->if_version);
}

lode_status json_input_condition(struct json_input *input, lode_write_op *op)
{
    static const struct json_member items[] = {{"version", read_version, false}};
    static const struct json_members members = {items, 1, "\"if\""};
    static const char wanted[] = "\"absent\", \"present\" or {\"version\": number}";
    const char *text = NULL;
    size_t size = 0;
    enum json_token token = json_next(&input->json);
    if (token == JSON_OBJECT) {
        uint64_t given;
        lode_status status = json_input_members(input, &members, op, &given);
        return status || given ? status
                               : json_input_fail(input, LODE_INVALID, "expected %s", wanted);
    }
    if (token != JSON_STRING)
        return json_input_wrong(input, token, wanted);
    lode_status status = json_input_unescaped(input, &text, &size);
    if (status)
        return status;
    if (size == 6 && memcmp(text, "absent", 6) == 0)
        op->condition = LODE_IF_ABSENT;
    else if (size == 7 && memcmp(text, "present", 7) == 0)
        op->condition = LODE_IF_PRESENT;
    else
        return json_input_fail(input, LODE_INVALID, "expected %s, found \"%.*s\"", wanted,
                               (int)(size < 48 ? size : 48), text);
    return LODE_OK;
}

lode_status json_input_moment(struct json_input *input, uint64_t *ret_ms)
{
    static const char wanted[] = "milliseconds since 1970, an RFC 3339 date and time, or null";
    enum json_token token = json_next(&input->json);
    const char *text = input->json.text;
    size_t size = input->json.text_size;
    uint64_t ms = 0;
    int64_t us;
    if (token == JSON_NULL) {
        *ret_ms = LODE_EXPIRES_NEVER;
        return LODE_OK;
    }
    if (token != JSON_NUMBER && token != JSON_STRING)
        return json_input_wrong(input, token, wanted);
    if (token == JSON_STRING && !input->json.escaped && datetime_parse(text, size, &us) && us > 0)
        ms = (uint64_t)us / 1000;
    else if (token == JSON_NUMBER && !number_parse_u64(text, size, &ms))
        ms = 0;
    if (ms < (uint64_t)LODE_EXPIRES_AT_MIN || ms > (uint64_t)LODE_EXPIRES_AT_MAX)
        return json_input_fail(input, LODE_INVALID,
                               "expected %s, between 1973 and the year 9999; found %.*s", wanted,
                               (int)(size < 48 ? size : 48), text);
    *ret_ms = ms;
    return LODE_OK;
}

/* --- What to return ------------------------------------------------------------------------------ */

const char *const json_with_names = "vector, metadata, text, version, expires";

unsigned json_with_of(const char *text, size_t size)
{
    static const struct {
        const char *name;
        unsigned with;
    } names[] = {{"vector", LODE_WITH_VECTOR},
                 {"metadata", LODE_WITH_METADATA},
                 {"text", LODE_WITH_TEXT},
                 {"version", LODE_WITH_VERSION},
                 {"expires", LODE_WITH_EXPIRY}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i].name) == size && memcmp(names[i].name, text, size) == 0)
            return names[i].with;
    return 0;
}

static lode_status read_with(struct json_input *input, void *target)
{
    unsigned *with = target;
    const char *text = NULL;
    size_t size = 0;
    lode_status status = json_input_string(input, 64, &text, &size);
    unsigned one = status ? 0 : json_with_of(text, size);
    *with |= one;
    if (status || one)
        return status;
    return json_input_fail(input, LODE_INVALID, "\"%.*s\" is none of %s", (int)size, text,
                           json_with_names);
}

lode_status json_input_with(struct json_input *input, unsigned *ret_with)
{
    *ret_with = 0;
    return json_input_array(input, 16, "names", read_with, ret_with);
}

/* --- Names and filters --------------------------------------------------------------------------- */

struct names {
    const char **items;
    size_t count, capacity;
};

static lode_status read_name(struct json_input *input, void *target)
{
    struct names *names = target;
    if (names->count == names->capacity) {
        size_t capacity = names->capacity ? names->capacity * 2 : 8;
        const char **items = arena_alloc(input->arena, capacity * sizeof *items);
        if (!items)
            return json_input_nomem(input, "names", capacity * sizeof *items);
        if (names->count)
            memcpy(items, names->items, names->count * sizeof *items);
        names->items = items;
        names->capacity = capacity;
    }
    return json_input_name(input, LODE_METADATA_SIZE_MAX, &names->items[names->count++]);
}

lode_status json_input_names(struct json_input *input, size_t count_max, const char *what,
                             struct json_names *ret_names)
{
    static const char *const none = NULL;
    struct names names = {0};
    lode_status status = json_input_array(input, count_max, what, read_name, &names);
    *ret_names = (struct json_names){names.items ? names.items : &none, names.count};
    return status;
}

lode_status json_input_filter(struct json_input *input, const char **ret_text, size_t *ret_size)
{
    enum json_token token = json_raw(&input->json, ret_text, ret_size);
    if (token == JSON_OBJECT)
        return LODE_OK;
    if (token != JSON_ERROR)
        input->json.text = *ret_text;
    if (token != JSON_STRING)
        return json_input_wrong(input, token, "a filter: a string or an object");
    input->json.text = *ret_text + 1; /* as json_next leaves it */
    return json_input_unescaped(input, ret_text, ret_size);
}
