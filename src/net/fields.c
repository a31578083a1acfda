/* fields.c: header fields in one piece of memory. */
#include "net/fields.h"

#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 16

void fields_init(struct fields *fields, size_t text_size_max)
{
    *fields = (struct fields){0};
    buf_init(&fields->text, text_size_max);
}

void fields_release(struct fields *fields)
{
    buf_release(&fields->text);
    free(fields->items);
    fields_init(fields, fields->text.size_max);
}

static lode_status grow(struct fields *fields, lode_error *error)
{
    size_t capacity = fields->capacity ? fields->capacity * 2 : CAPACITY_MIN;
    struct field *items = realloc(fields->items, capacity * sizeof *items);
    if (!items)
        return error_nomem(error, "header fields", capacity * sizeof *items);
    fields->items = items;
    fields->capacity = capacity;
    return LODE_OK;
}

lode_status fields_note(struct fields *fields, const struct field *field, lode_error *error)
{
    if (fields->count == fields->capacity) {
        lode_status status = grow(fields, error);
        if (status)
            return status;
    }
    fields->items[fields->count++] = *field;
    return LODE_OK;
}

lode_status fields_text(struct fields *fields, const void *text, size_t size, uint32_t *ret_offset,
                        lode_error *error)
{
    size_t offset = fields->text.size;
    if (size > UINT32_MAX / 2 || offset > UINT32_MAX / 2)
        return error_set(error, LODE_LIMIT, "a header field of %zu bytes is too long", size);
    lode_status status = buf_reserve(&fields->text, size + 1, error);
    if (status)
        return status;
    if (size)
        memcpy(fields->text.data + offset, text, size);
    fields->text.data[offset + size] = '\0';
    fields->text.size += size + 1;
    *ret_offset = (uint32_t)offset;
    return LODE_OK;
}

lode_status fields_add(struct fields *fields, const struct net_header *header, size_t name_size,
                       lode_error *error)
{
    struct field field = {.name_size = (uint32_t)name_size,
                          .value_size = (uint32_t)header->value_size};
    lode_status status = fields_text(fields, header->name, name_size, &field.name, error);
    if (!status)
        status = fields_text(fields, header->value, header->value_size, &field.value, error);
    if (!status)
        status = fields_note(fields, &field, error);
    return status;
}

struct net_header *fields_headers(const struct fields *fields)
{
    struct net_header *headers = malloc((fields->count + 1) * sizeof *headers);
    for (size_t i = 0; headers && i < fields->count; i++) {
        const struct field *field = &fields->items[i];
        headers[i] = (struct net_header){.name = fields_at(fields, field->name),
                                         .value = fields_at(fields, field->value),
                                         .value_size = field->value_size};
    }
    return headers;
}

bool field_is_token_byte(unsigned char byte)
{
    if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
        (byte >= '0' && byte <= '9'))
        return true;
    return byte && strchr("!#$%&'*+-.^_`|~", byte) != NULL;
}

bool field_name_is_valid(const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!field_is_token_byte((unsigned char)name[i]))
            return false;
    return size > 0;
}

bool field_value_is_valid(const char *value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)value[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            return false;
    }
    return true;
}
