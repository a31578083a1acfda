/* id.c: ids as bytes. The kind byte comes first, so that one memcmp orders kinds and values alike;
 * numbers are big-endian for the same reason. */
#include "storage/id.h"

#include "base/hash.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NUMBER_BYTES (1 + 8)
#define UUID_BYTES   (1 + 16)

static lode_status check_string(const lode_id *id, lode_error *error)
{
    if (!id->string || id->string_size == 0)
        return error_set(error, LODE_INVALID, "a string id is empty; it has 1 to %d bytes",
                         LODE_ID_SIZE_MAX);
    if (id->string_size > LODE_ID_SIZE_MAX)
        return error_set(error, LODE_LIMIT, "a string id of %zu bytes; at most %d", id->string_size,
                         LODE_ID_SIZE_MAX);
    size_t valid = utf8_valid_prefix(id->string, id->string_size);
    if (valid < id->string_size)
        return error_set(error, LODE_INVALID, "a string id is not UTF-8 at its byte %zu", valid);
    if (memchr(id->string, 0, id->string_size))
        return error_set(error, LODE_INVALID, "a string id contains a NUL byte");
    return LODE_OK;
}

lode_status id_check(const lode_id *id, lode_error *error)
{
    switch (id->kind) {
    case LODE_ID_NUMBER:
    case LODE_ID_UUID: return LODE_OK;
    case LODE_ID_STRING: return check_string(id, error);
    }
    return error_set(error, LODE_INVALID, "an id is of kind %d, which there is not", (int)id->kind);
}

static void store_be64(uint8_t *bytes, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (56 - 8 * i));
}

static uint64_t load_be64(const uint8_t *bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | bytes[i];
    return value;
}

/* --- Namespaces -------------------------------------------------------------------------------- */

static int is_control(const uint8_t *text, size_t left)
{
    return text[0] < 0x20 || text[0] == 0x7f ||
           (left > 1 && text[0] == 0xc2 && text[1] >= 0x80 && text[1] < 0xa0);
}

lode_status id_namespace_check(const struct id_namespace *space, lode_error *error)
{
    if (!space->name || space->size == 0)
        return error_set(error, LODE_INVALID, "a namespace's name is empty; it has 1 to %d bytes",
                         LODE_NAMESPACE_SIZE_MAX);
    if (space->size > LODE_NAMESPACE_SIZE_MAX)
        return error_set(error, LODE_LIMIT, "a namespace's name of %zu bytes; at most %d",
                         space->size, LODE_NAMESPACE_SIZE_MAX);
    size_t valid = utf8_valid_prefix(space->name, space->size);
    if (valid < space->size)
        return error_set(error, LODE_INVALID, "a namespace's name is not UTF-8 at its byte %zu",
                         valid);
    for (size_t i = 0; i < space->size; i++)
        if (is_control((const uint8_t *)space->name + i, space->size - i))
            return error_set(error, LODE_INVALID,
                             "a namespace's name has a control character at its byte %zu", i);
    return LODE_OK;
}

size_t id_prefix(const struct id_namespace *space, uint8_t bytes[ID_BYTES_MAX])
{
    if (space->size == 0)
        return 0;
    INVARIANT(space->size <= LODE_NAMESPACE_SIZE_MAX);
    bytes[0] = ID_IN_NAMESPACE;
    bytes[1] = (uint8_t)space->size;
    memcpy(bytes + 2, space->name, space->size);
    return 2 + space->size;
}

size_t id_namespace_of(const uint8_t *bytes, size_t size, struct id_namespace *ret_space)
{
    *ret_space = (struct id_namespace){0};
    if (size < 2 || bytes[0] != ID_IN_NAMESPACE)
        return 0;
    struct id_namespace space = {.name = (const char *)bytes + 2, .size = bytes[1]};
    if (space.size > size - 2 || id_namespace_check(&space, NULL))
        return 0;
    *ret_space = space;
    return 2 + space.size;
}

int id_is_in(const struct id_namespace *space, const uint8_t *bytes, size_t size)
{
    if (space->size == 0)
        return size == 0 || bytes[0] != ID_IN_NAMESPACE;
    return size >= 2 + space->size && bytes[0] == ID_IN_NAMESPACE && bytes[1] == space->size &&
           memcmp(bytes + 2, space->name, space->size) == 0;
}

/* --- Bytes ------------------------------------------------------------------------------------- */

size_t id_encode_in(const struct id_namespace *space, const lode_id *id,
                    uint8_t bytes[ID_BYTES_MAX])
{
    size_t prefix = id_prefix(space, bytes);
    return prefix + id_encode(id, bytes + prefix);
}

size_t id_encode(const lode_id *id, uint8_t bytes[ID_BYTES_MAX])
{
    bytes[0] = (uint8_t)id->kind;
    switch (id->kind) {
    case LODE_ID_NUMBER: store_be64(bytes + 1, id->number); return NUMBER_BYTES;
    case LODE_ID_UUID: memcpy(bytes + 1, id->uuid, sizeof id->uuid); return UUID_BYTES;
    case LODE_ID_STRING: break;
    }
    INVARIANT(id->kind == LODE_ID_STRING && id->string_size <= LODE_ID_SIZE_MAX);
    memcpy(bytes + 1, id->string, id->string_size);
    return 1 + id->string_size;
}

lode_status id_decode(const uint8_t *bytes, size_t size, lode_id *ret_id, lode_error *error)
{
    struct id_namespace space;
    size_t prefix = id_namespace_of(bytes, size, &space);
    bytes += prefix;
    size -= prefix;
    lode_id id = {.kind = size ? (lode_id_kind)bytes[0] : (lode_id_kind)0};
    if (id.kind == LODE_ID_NUMBER && size == NUMBER_BYTES) {
        id.number = load_be64(bytes + 1);
    } else if (id.kind == LODE_ID_UUID && size == UUID_BYTES) {
        memcpy(id.uuid, bytes + 1, sizeof id.uuid);
    } else if (id.kind == LODE_ID_STRING && size > 1) {
        id.string = (const char *)bytes + 1;
        id.string_size = size - 1;
        if (check_string(&id, NULL))
            return error_set(error, LODE_CORRUPT, "a stored string id of %zu bytes is not an id",
                             id.string_size);
    } else {
        return error_set(error, LODE_CORRUPT, "%zu stored bytes of kind %d are not an id", size,
                         (int)id.kind);
    }
    *ret_id = id;
    return LODE_OK;
}

uint64_t id_hash(const uint8_t *bytes, size_t size)
{
    return hash64(bytes, size, 0);
}

int id_order(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return order ? order : (a_size > b_size) - (a_size < b_size);
}

static void describe_uuid(const uint8_t *uuid, char *text, size_t text_size)
{
    char all[37];
    char *end = all;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *end++ = '-';
        end += snprintf(end, 3, "%02x", uuid[i]);
    }
    snprintf(text, text_size, "%s", all);
}

/* Quoted and, when it does not fit, cut between characters and ended with "...'". */
static void describe_string(const lode_id *id, char *text, size_t text_size)
{
    size_t room = text_size > 3 ? text_size - 3 : 0; /* quotes and NUL */
    if (id->string_size <= room) {
        snprintf(text, text_size, "'%.*s'", (int)id->string_size, id->string);
        return;
    }
    size_t kept = utf8_valid_prefix(id->string, room > 3 ? room - 3 : 0);
    snprintf(text, text_size, "'%.*s...'", (int)kept, id->string);
}

const char *id_describe(const lode_id *id, char *text, size_t text_size)
{
    if (id->kind == LODE_ID_NUMBER)
        snprintf(text, text_size, "%" PRIu64, id->number);
    else if (id->kind == LODE_ID_UUID)
        describe_uuid(id->uuid, text, text_size);
    else if (id->kind == LODE_ID_STRING && id->string)
        describe_string(id, text, text_size);
    else
        snprintf(text, text_size, "(of unknown kind)");
    return text;
}
