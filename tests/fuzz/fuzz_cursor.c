/* fuzz_cursor.c: any text, read as a cursor of each order: it is refused, or stands for a place that is written as the very
 * same text. The first byte says whether the rest is the text, or the bytes that a right checksum stands behind. */
#include "fuzz/fuzz_storage.h"

#include "base/base64.h"
#include "base/hash.h"
#include "engine/cursor.h"

static const struct field fields[] = {
    {.path = "k", .path_size = 1, .type = FIELD_KEYWORD},
    {.path = "n", .path_size = 1, .type = FIELD_FLOAT},
    {.path = "b", .path_size = 1, .type = FIELD_BOOLEAN},
    {.path = "d", .path_size = 1, .type = FIELD_DATETIME},
    {.path = "u", .path_size = 1, .type = FIELD_UUID},
};

static void read_one(const struct buf *text, const struct cursor_order *order)
{
    struct cursor cursor;
    struct buf again;
    lode_error error = {0};
    lode_status status = cursor_read(&cursor, (const char *)text->data, order, &error);
    INVARIANT(status == LODE_OK || (status == LODE_INVALID && error.message[0]));
    buf_init(&again, SIZE_MAX / 2);
    if (!status) {
        INVARIANT(cursor_write(order, &cursor.place, &again, NULL) == LODE_OK);
        INVARIANT(again.size == strlen((const char *)text->data) &&
                  memcmp(again.data, text->data, again.size) == 0);
    }
    buf_release(&again);
    cursor_release(&cursor);
}

static void make_text(const uint8_t *data, size_t size, struct buf *text)
{
    struct buf bytes;
    buf_init(&bytes, SIZE_MAX / 2);
    lode_status status = buf_append(data[0] & 1 ? &bytes : text, data + 1, size - 1, NULL);
    if (!status && data[0] & 1)
        status = buf_append_u32(&bytes, (uint32_t)checksum64(bytes.data, bytes.size), NULL);
    if (!status && data[0] & 1)
        status = base64_append(text, bytes.data, bytes.size, NULL);
    INVARIANT(!status && !buf_terminate(text, NULL));
    buf_release(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf text;
    if (size == 0)
        return 0;
    buf_init(&text, SIZE_MAX / 2);
    make_text(data, size, &text);
    for (int descending = 0; descending < 2; descending++) {
        struct cursor_order order = {.descending = descending};
        read_one(&text, &order);
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
            order.field = &fields[i];
            read_one(&text, &order);
        }
    }
    buf_release(&text);
    return 0;
}
