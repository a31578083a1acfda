/* grpc_descriptors.c: see grpc_descriptors.h. Numbers of fields are those of google/protobuf/descriptor.proto. The bytes are
 * ours, made at build time: a malformed one would be a mistake of the build. */
#include "server/grpc_descriptors.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

extern const unsigned char grpc_descriptors[];
extern const size_t grpc_descriptors_size;

enum { FILE_NAME = 1, FILE_PACKAGE = 2, FILE_MESSAGE = 4, FILE_ENUM = 5, FILE_SERVICE = 6 };
enum { ANY_NAME = 1, MEMBER = 2 /* field of a message, value of an enum, method of a service */ };
enum { MESSAGE_NESTED = 3, MESSAGE_ENUM = 4, MESSAGE_ONEOF = 8 };

struct descriptor descriptors_own(void)
{
    return (struct descriptor){grpc_descriptors, grpc_descriptors_size};
}

static uint64_t varint(struct descriptor *rest)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        INVARIANT(rest->size > 0);
        uint8_t byte = *rest->data++;
        rest->size--;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            break;
    }
    return value;
}

/* The next field that has bytes; others are skipped. 0: there is none. */
static int next(struct descriptor *rest, uint64_t *ret_number, struct descriptor *ret_value)
{
    while (rest->size > 0) {
        uint64_t tag = varint(rest), size = 0;
        switch (tag & 7) {
        case 0: (void)varint(rest); continue;
        case 1: size = 8; break;
        case 5: size = 4; break;
        default: size = varint(rest); break;
        }
        INVARIANT(size <= rest->size);
        *ret_value = (struct descriptor){rest->data, (size_t)size};
        *ret_number = tag >> 3;
        rest->data += size;
        rest->size -= (size_t)size;
        if ((tag & 7) == 2)
            return 1;
    }
    return 0;
}

/* The field of this number, the first one. */
static struct descriptor field(struct descriptor message, uint64_t number)
{
    struct descriptor value;
    uint64_t found;
    while (next(&message, &found, &value))
        if (found == number)
            return value;
    return (struct descriptor){NULL, 0};
}

static int is(struct descriptor text, const char *name)
{
    return text.size == strlen(name) && memcmp(text.data, name, text.size) == 0;
}

struct descriptor descriptors_file(struct descriptor set, const char *name)
{
    struct descriptor file;
    uint64_t number;
    while (next(&set, &number, &file))
        if (is(field(file, FILE_NAME), name))
            return file;
    return (struct descriptor){NULL, 0};
}

/* What is behind `name.` in symbol; symbol's end when it is the name; NULL: it is something else. */
static const char *behind(const char *symbol, struct descriptor name)
{
    if (!name.data)
        return NULL;
    if (strncmp(symbol, (const char *)name.data, name.size) != 0)
        return NULL;
    symbol += name.size;
    if (*symbol == '\0')
        return symbol;
    return symbol[0] == '.' && symbol[1] ? symbol + 1 : NULL;
}

/* Whether the declaration is the symbol, or declares it. */
static int declares(struct descriptor declaration, const char *symbol, int is_message)
{
    struct descriptor value;
    uint64_t number;
    const char *rest = behind(symbol, field(declaration, ANY_NAME));
    if (!rest || *rest == '\0')
        return rest != NULL;
    while (next(&declaration, &number, &value)) {
        if (is_message && number == MESSAGE_NESTED && declares(value, rest, 1))
            return 1;
        if (is_message && number == MESSAGE_ENUM && declares(value, rest, 0))
            return 1;
        if (number == MEMBER || (is_message && number == MESSAGE_ONEOF)) {
            const char *end = behind(rest, field(value, ANY_NAME));
            if (end && *end == '\0')
                return 1;
        }
    }
    return 0;
}

static int file_declares(struct descriptor file, const char *symbol)
{
    struct descriptor value;
    uint64_t number;
    const char *rest = behind(symbol, field(file, FILE_PACKAGE));
    while (rest && *rest && next(&file, &number, &value))
        if ((number == FILE_MESSAGE && declares(value, rest, 1)) ||
            ((number == FILE_ENUM || number == FILE_SERVICE) && declares(value, rest, 0)))
            return 1;
    return 0;
}

struct descriptor descriptors_symbol(struct descriptor set, const char *symbol)
{
    struct descriptor file;
    uint64_t number;
    while (next(&set, &number, &file))
        if (file_declares(file, symbol))
            return file;
    return (struct descriptor){NULL, 0};
}

int descriptors_service(struct descriptor set, size_t i, char *text, size_t text_size)
{
    struct descriptor file, service;
    uint64_t number;
    while (next(&set, &number, &file)) {
        struct descriptor package = field(file, FILE_PACKAGE);
        while (next(&file, &number, &service)) {
            if (number != FILE_SERVICE || i-- > 0)
                continue;
            struct descriptor name = field(service, ANY_NAME);
            int size =
                snprintf(text, text_size, "%.*s.%.*s", (int)package.size,
                         (const char *)package.data, (int)name.size, (const char *)name.data);
            return size > 0 && (size_t)size < text_size;
        }
    }
    return 0;
}
