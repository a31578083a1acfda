/* fields.h: header fields in one piece of memory, of requests that are being read and of answers that wait to be written.
 * Names and values are texts that end with NUL; fields speak of them by offsets, since the memory grows. */
#ifndef NET_FIELDS_H
#define NET_FIELDS_H

#include "base/buf.h"
#include "net/net.h"

struct field {
    uint32_t name, value; /* offsets of texts in fields.text */
    uint32_t name_size, value_size;
};

struct fields {
    struct buf text;
    struct field *items;
    size_t count, capacity;
};

void fields_init(struct fields *fields, size_t text_size_max);
void fields_release(struct fields *fields);
/* One whose texts are in fields->text already. */
NODISCARD lode_status fields_note(struct fields *fields, const struct field *field,
                                  lode_error *error);
/* Copy a text to the end, with its NUL; *ret_offset is where it begins. */
NODISCARD lode_status fields_text(struct fields *fields, const void *text, size_t size,
                                  uint32_t *ret_offset, lode_error *error);
NODISCARD lode_status fields_add(struct fields *fields, const struct net_header *header,
                                 size_t name_size, lode_error *error);
/* The same as pointers, valid until the text grows; to be freed. NULL: no memory. */
struct net_header *fields_headers(const struct fields *fields);

static inline char *fields_at(const struct fields *fields, uint32_t offset)
{
    return (char *)fields->text.data + offset;
}

/* RFC 9110: what a name, and what a value, may be made of. */
bool field_name_is_valid(const char *name, size_t size);
bool field_value_is_valid(const char *value, size_t size);
bool field_is_token_byte(unsigned char byte);

#endif
