/* fuzz_http1.c: whatever bytes a client sends, the parser of HTTP/1 gives the same however they are cut, stays within its
 * bounds, and gives bodies of the size that their heads say.
 *
 * The first byte of the input seeds where it is cut; the rest is what the client sends. See tests/fuzz/run.sh. */
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "net/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the parser said, in an order that does not depend on the cuts. */
struct story {
    struct buf log;
    uint64_t body_left; /* of the request that is coming; NET_SIZE_UNKNOWN: chunked */
};

static void tell(struct story *story, const void *data, size_t size)
{
    INVARIANT(buf_append(&story->log, data, size, NULL) == LODE_OK);
}

static void tell_text(struct story *story, const char *text)
{
    tell(story, text, strlen(text) + 1);
}

static void tell_head(struct story *story, const struct http1_head *head)
{
    INVARIANT(head->fields.count <= FIELDS_MAX && head->fields.text.size <= HEAD_SIZE_MAX);
    INVARIANT(strlen(head->method) <= METHOD_SIZE_MAX && head->target.path[0] == '/');
    INVARIANT(host_is_valid(head->authority, strlen(head->authority)));
    tell_text(story, head->method);
    tell_text(story, head->target.path);
    tell_text(story, head->target.query);
    tell_text(story, head->authority);
    tell(story, &head->content_size, sizeof head->content_size);
    for (size_t i = 0; i < head->fields.count; i++) {
        const struct field *field = &head->fields.items[i];
        const char *name = fields_at(&head->fields, field->name);
        const char *value = fields_at(&head->fields, field->value);
        INVARIANT(field_name_is_valid(name, field->name_size) && !name[field->name_size]);
        INVARIANT(field_value_is_valid(value, field->value_size) && !value[field->value_size]);
        tell_text(story, name);
        tell_text(story, value);
    }
    story->body_left = head->content_size;
}

static void tell_event(struct story *story, struct http1 *http1, enum http1_event event,
                       const struct http1_piece *piece)
{
    struct http1_head head;
    if (event == HTTP1_HEAD) {
        http1_take_head(http1, &head);
        tell_head(story, &head);
        fields_release(&head.fields);
    } else if (event == HTTP1_BODY) {
        tell(story, piece->data, piece->size);
        if (story->body_left != NET_SIZE_UNKNOWN) {
            INVARIANT(piece->size <= story->body_left);
            story->body_left -= piece->size;
        }
    } else if (event == HTTP1_END) {
        INVARIANT(story->body_left == 0 || story->body_left == NET_SIZE_UNKNOWN);
        tell_text(story, "end");
    } else if (event == HTTP1_ERROR) {
        INVARIANT(http1->fault.status >= 400 && http1->fault.status <= 505);
        tell_text(story, http1->fault.why);
    }
}

/* Feed a piece, from memory of its own size; 0 when it failed. */
static int feed(struct story *story, struct http1 *http1, const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    size_t offset = 0;
    enum http1_event event;
    INVARIANT(copy);
    memcpy(copy, data, size);
    do {
        struct http1_piece piece = {0};
        size_t used = 0;
        event = http1_next(http1, copy + offset, size - offset, &used, &piece);
        offset += used;
        INVARIANT(offset <= size);
        tell_event(story, http1, event, &piece);
    } while (event != HTTP1_MORE && event != HTTP1_ERROR);
    INVARIANT(event == HTTP1_ERROR || offset == size);
    free(copy);
    return event == HTTP1_MORE;
}

/* largest: of the pieces; 0: all at once. */
static void parse(struct story *story, const uint8_t *data, size_t size, uint32_t largest,
                  uint64_t seed)
{
    struct http1 http1;
    struct rng rng;
    rng_init(&rng, seed);
    http1_init(&http1);
    *story = (struct story){0};
    buf_init(&story->log, SIZE_MAX);
    for (size_t offset = 0, count; offset < size; offset += count) {
        count = largest ? 1 + rng_below(&rng, largest) : size;
        if (count > size - offset)
            count = size - offset;
        if (!feed(story, &http1, data + offset, count))
            break;
    }
    tell_text(story, http1_is_between(&http1) ? "between" : "within");
    http1_release(&http1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct story whole, cut;
    if (size == 0)
        return 0;
    parse(&whole, data + 1, size - 1, 0, 0);
    parse(&cut, data + 1, size - 1, 1 + data[0] % 32, data[0]);
    INVARIANT(whole.log.size == cut.log.size);
    INVARIANT(!memcmp(whole.log.data, cut.log.data, whole.log.size));
    buf_release(&whole.log);
    buf_release(&cut.log);
    return 0;
}
