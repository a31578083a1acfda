/* ids.c: see ids.h. */
#include "cmd/ids.h"

#include "base/hex.h"
#include "base/number.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

const char *const id_rule_names[] = {"auto", "number", "uuid", "string", NULL};

static int all_digits(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] < '0' || text[i] > '9')
            return 0;
    return size > 0;
}

static lode_status number_id(const char *text, size_t size, lode_id *ret_id, lode_error *error)
{
    uint64_t number = 0;
    if (!number_parse_u64(text, size, &number))
        return error_set(error, LODE_INVALID,
                         "id %.*s is not a number id: whole, 0 to 18446744073709551615, without "
                         "leading zeros (--id-kind string takes it as text)",
                         (int)(size < 64 ? size : 64), text);
    *ret_id = lode_id_number(number);
    return LODE_OK;
}

static lode_status string_id(const char *text, size_t size, lode_id *ret_id, lode_error *error)
{
    if (size == 0)
        return error_set(error, LODE_INVALID, "the id is empty");
    if (size > LODE_ID_SIZE_MAX)
        return error_set(error, LODE_LIMIT, "the id has %zu bytes; at most %d", size,
                         LODE_ID_SIZE_MAX);
    if (utf8_valid_prefix(text, size) != size)
        return error_set(error, LODE_INVALID, "the id is not valid UTF-8");
    if (memchr(text, '\0', size))
        return error_set(error, LODE_INVALID, "the id holds a NUL byte");
    *ret_id = (lode_id){.kind = LODE_ID_STRING, .string = text, .string_size = size};
    return LODE_OK;
}

lode_status id_parse(const char *text, size_t size, enum id_rule rule, lode_id *ret_id,
                     lode_error *error)
{
    uint8_t uuid[16];
    switch (rule) {
    case ID_RULE_NUMBER: return number_id(text, size, ret_id, error);
    case ID_RULE_STRING: return string_id(text, size, ret_id, error);
    case ID_RULE_UUID:
    case ID_RULE_AUTO: break;
    }
    if (hex_parse_uuid(text, size, uuid)) {
        *ret_id = lode_id_uuid(uuid);
        return LODE_OK;
    }
    if (rule == ID_RULE_UUID)
        return error_set(error, LODE_INVALID, "id '%.*s' is not a UUID of 36 characters",
                         (int)(size < 64 ? size : 64), text);
    if (all_digits(text, size))
        return number_id(text, size, ret_id, error);
    return string_id(text, size, ret_id, error);
}

lode_status id_from_json(enum json_token token, const char *text, size_t size, enum id_rule rule,
                         lode_id *ret_id, lode_error *error)
{
    if (rule == ID_RULE_AUTO)
        rule = token == JSON_NUMBER ? ID_RULE_NUMBER : ID_RULE_AUTO;
    /* A JSON string of digits stays a string. */
    if (rule == ID_RULE_AUTO && all_digits(text, size))
        rule = ID_RULE_STRING;
    return id_parse(text, size, rule, ret_id, error);
}

void id_uuid_text(const uint8_t bytes[16], char text[ID_UUID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *text++ = '-';
        *text++ = digits[bytes[i] >> 4];
        *text++ = digits[bytes[i] & 15];
    }
}

size_t id_write_text(const lode_id *id, char text[LODE_ID_SIZE_MAX + 1])
{
    size_t size = 0;
    switch (id->kind) {
    case LODE_ID_NUMBER:
        return (size_t)snprintf(text, LODE_ID_SIZE_MAX + 1, "%llu", (unsigned long long)id->number);
    case LODE_ID_UUID:
        id_uuid_text(id->uuid, text);
        size = ID_UUID_TEXT_SIZE;
        break;
    case LODE_ID_STRING:
        size = id->string_size < LODE_ID_SIZE_MAX ? id->string_size : LODE_ID_SIZE_MAX;
        if (size)
            memcpy(text, id->string, size);
        break;
    }
    text[size] = '\0';
    return size;
}

void id_write_json(struct json_writer *json, const lode_id *id)
{
    char text[LODE_ID_SIZE_MAX + 1];
    if (id->kind == LODE_ID_NUMBER) {
        json_write_u64(json, id->number);
        return;
    }
    size_t size = id_write_text(id, text);
    json_write_string(json, text, size);
}
