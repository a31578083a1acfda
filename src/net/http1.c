/* http1.c: heads of HTTP/1 requests. A head is gathered in one buffer, byte by byte checked for what no head may hold;
 * each line is taken apart in place as soon as it has ended. Bodies: http1_body.c. */
#include "net/http1.h"

#include "net/http1_body.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void http1_init(struct http1 *http1)
{
    *http1 = (struct http1){.state = HTTP1_STATE_BETWEEN};
    fields_init(&http1->head.fields, HEAD_SIZE_MAX);
}

void http1_release(struct http1 *http1)
{
    fields_release(&http1->head.fields);
}

static void begin_again(struct http1 *http1)
{
    http1_release(http1);
    http1_init(http1);
}

bool http1_is_between(const struct http1 *http1)
{
    return http1->state == HTTP1_STATE_BETWEEN && !http1->has_blank;
}

bool http1_is_complete(const struct http1 *http1)
{
    return http1->state == HTTP1_STATE_END;
}

enum http1_event http1_fail(struct http1 *http1, unsigned status, const char *why)
{
    http1->state = HTTP1_STATE_ERROR;
    http1->fault = (struct fault){status, why};
    return HTTP1_ERROR;
}

/* --- The request line ----------------------------------------------------------------------------- */

static bool is_version(const char *text, size_t size, char digit)
{
    return size == 8 && !memcmp(text, "HTTP/1.", 7) && text[7] == digit;
}

static bool is_any_version(const char *text, size_t size)
{
    return size == 8 && !memcmp(text, "HTTP/", 5) && text[5] >= '0' && text[5] <= '9' &&
           text[6] == '.' && text[7] >= '0' && text[7] <= '9';
}

static struct fault check_version(struct http1 *http1, const char *text, size_t size)
{
    http1->head.is_http10 = is_version(text, size, '0');
    if (http1->head.is_http10 || is_version(text, size, '1'))
        return (struct fault){0};
    if (is_any_version(text, size))
        return (struct fault){505, "a version that is not served here"};
    return (struct fault){400, "the request line does not end with a version"};
}

/* "GET /path HTTP/1.1": exactly two spaces. */
static struct fault parse_request_line(struct http1 *http1, size_t begin, size_t size)
{
    char *line = fields_at(&http1->head.fields, (uint32_t)begin);
    char *first = memchr(line, ' ', size);
    if (!first || first == line)
        return (struct fault){400, "the request line has no method and target"};
    size_t method_size = (size_t)(first - line);
    if (!field_name_is_valid(line, method_size))
        return (struct fault){400, "the method is no token"};
    if (method_size > METHOD_SIZE_MAX)
        return (struct fault){501, "the method is too long"};
    char *target = first + 1;
    char *second = memchr(target, ' ', size - method_size - 1);
    if (!second || second == target)
        return (struct fault){400, "the request line has no target or no version"};
    if (second - target > (long)TARGET_SIZE_MAX)
        return (struct fault){414, "the target is too long"};
    *first = *second = '\0';
    http1->method = (uint32_t)begin;
    http1->target = (uint32_t)(begin + method_size + 1);
    char *version = second + 1;
    return check_version(http1, version, size - (size_t)(version - line));
}

/* --- Fields that say how the request is to be read ------------------------------------------------ */

static struct fault take_length(struct http1 *http1, const char *value, size_t size)
{
    if (http1->has_length)
        return (struct fault){400, "two Content-Length"};
    http1->has_length = true;
    uint64_t length = 0;
    if (size == 0 || size > 18)
        return (struct fault){size ? 413 : 400, "Content-Length is no number, or too large"};
    for (size_t i = 0; i < size; i++) {
        if (value[i] < '0' || value[i] > '9')
            return (struct fault){400, "Content-Length is no number"};
        length = length * 10 + (uint64_t)(value[i] - '0');
    }
    http1->head.content_size = length;
    return (struct fault){0};
}

static struct fault take_coding(struct http1 *http1, const char *value, size_t size)
{
    if (http1->has_coding)
        return (struct fault){400, "two Transfer-Encoding"};
    http1->has_coding = true;
    if (size != 7 || strncasecmp(value, "chunked", 7) != 0)
        return (struct fault){501, "Transfer-Encoding is not exactly chunked"};
    return (struct fault){0};
}

static struct fault take_host(struct http1 *http1, const struct field *field)
{
    if (http1->has_host)
        return (struct fault){400, "two Host"};
    http1->has_host = true;
    http1->host = field->value;
    if (!host_is_valid(fields_at(&http1->head.fields, field->value), field->value_size))
        return (struct fault){400, "Host is malformed"};
    return (struct fault){0};
}

/* Whether a list of tokens, "keep-alive, Close", holds this one. */
static bool list_holds(const char *list, const char *token)
{
    size_t size = strlen(token);
    while (*list) {
        list += strspn(list, ", \t");
        size_t item = strcspn(list, ", \t");
        if (item == size && !strncasecmp(list, token, size))
            return true;
        list += item;
    }
    return false;
}

static struct fault take_expect(struct http1 *http1, const char *value)
{
    if (strcasecmp(value, "100-continue") != 0)
        return (struct fault){417, "Expect is not 100-continue"};
    http1->head.expects_continue = true;
    return (struct fault){0};
}

static struct fault take_field(struct http1 *http1, const struct field *field)
{
    const char *name = fields_at(&http1->head.fields, field->name);
    const char *value = fields_at(&http1->head.fields, field->value);
    switch (field->name_size) {
    case 4: return strcmp(name, "host") ? (struct fault){0} : take_host(http1, field);
    case 6: return strcmp(name, "expect") ? (struct fault){0} : take_expect(http1, value);
    case 10:
        if (!strcmp(name, "connection") && list_holds(value, "close"))
            http1->head.closes = true;
        return (struct fault){0};
    case 14:
        if (strcmp(name, "content-length") != 0)
            return (struct fault){0};
        return take_length(http1, value, field->value_size);
    case 17:
        if (strcmp(name, "transfer-encoding") != 0)
            return (struct fault){0};
        return take_coding(http1, value, field->value_size);
    default: return (struct fault){0};
    }
}

/* --- Field lines ------------------------------------------------------------------------------------ */

struct fault http1_split_field(char *line, size_t size, struct http1_field *ret_field)
{
    if (line[0] == ' ' || line[0] == '\t')
        return (struct fault){400, "a folded header line"};
    char *colon = memchr(line, ':', size);
    if (!colon)
        return (struct fault){400, "a header line without a colon"};
    ret_field->name_size = (size_t)(colon - line);
    if (!field_name_is_valid(line, ret_field->name_size))
        return (struct fault){400, "a header's name is no token"};
    char *value = colon + 1, *end = line + size;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    ret_field->value = value;
    ret_field->value_size = (size_t)(end - value);
    return (struct fault){0};
}

static void lower_case(char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] >= 'A' && text[i] <= 'Z')
            text[i] = (char)(text[i] - 'A' + 'a');
}

static struct fault parse_field(struct http1 *http1, size_t begin, size_t size)
{
    struct fields *fields = &http1->head.fields;
    char *line = fields_at(fields, (uint32_t)begin);
    struct http1_field parts;
    struct fault fault = http1_split_field(line, size, &parts);
    if (fault.status)
        return fault;
    if (fields->count == FIELDS_MAX)
        return (struct fault){431, "too many headers"};
    lower_case(line, parts.name_size);
    line[parts.name_size] = '\0';
    parts.value[parts.value_size] = '\0'; /* over the CR, or a space */
    struct field field = {.name = (uint32_t)begin,
                          .name_size = (uint32_t)parts.name_size,
                          .value = (uint32_t)(parts.value - (char *)fields->text.data),
                          .value_size = (uint32_t)parts.value_size};
    if (fields_note(fields, &field, NULL))
        return (struct fault){503, "no memory"};
    return take_field(http1, &field);
}

/* --- The head as a whole ---------------------------------------------------------------------------- */

static struct fault check_framing(struct http1 *http1)
{
    struct http1_head *head = &http1->head;
    if (http1->has_coding && http1->has_length)
        return (struct fault){400, "both Content-Length and Transfer-Encoding"};
    if (http1->has_coding && head->is_http10)
        return (struct fault){400, "Transfer-Encoding in HTTP/1.0"};
    if (!http1->has_host && !head->is_http10)
        return (struct fault){400, "no Host"};
    if (http1->has_coding)
        head->content_size = NET_SIZE_UNKNOWN;
    if (head->is_http10) {
        head->closes = true;
        head->expects_continue = false;
    }
    if (head->content_size == 0)
        head->expects_continue = false;
    return (struct fault){0};
}

/* The text does not move any more: offsets become pointers. */
static struct fault finish_head(struct http1 *http1)
{
    struct http1_head *head = &http1->head;
    struct fault fault = check_framing(http1);
    if (fault.status)
        return fault;
    head->method = fields_at(&head->fields, http1->method);
    fault = target_split(fields_at(&head->fields, http1->target), head->method, &head->target);
    if (fault.status)
        return fault;
    head->authority = http1->has_host ? fields_at(&head->fields, http1->host) : "";
    if (head->target.authority)
        head->authority = head->target.authority;
    return (struct fault){0};
}

static enum http1_event begin_body(struct http1 *http1)
{
    http1->left = http1->head.content_size;
    if (http1->has_coding)
        http1->state = HTTP1_STATE_CHUNK_SIZE;
    else
        http1->state = http1->left ? HTTP1_STATE_BODY : HTTP1_STATE_END;
    http1->digits = 0;
    return HTTP1_HEAD;
}

/* The line at line_begin is complete. HTTP1_MORE: it was not the last. */
static enum http1_event take_line(struct http1 *http1)
{
    struct buf *text = &http1->head.fields.text;
    size_t begin = http1->line_begin, size = text->size - begin - 2;
    struct fault fault;
    http1->line_begin = text->size;
    if (begin == 0)
        fault = parse_request_line(http1, begin, size);
    else if (size)
        fault = parse_field(http1, begin, size);
    else
        fault = finish_head(http1);
    if (fault.status)
        return http1_fail(http1, fault.status, fault.why);
    return begin && !size ? begin_body(http1) : HTTP1_MORE;
}

/* Whether this byte may follow the one before it, in a head or a trailer. NULL: it may. */
const char *http1_check_byte(unsigned char before, unsigned char byte)
{
    if (before == '\r' && byte != '\n')
        return "a CR without LF";
    if (byte == '\n' && before != '\r')
        return "a LF without CR";
    if ((byte < 0x20 && byte != '\t' && byte != '\r' && byte != '\n') || byte == 0x7f)
        return "a control character";
    return NULL;
}

/* How many bytes of data[0, size) belong to the line: all, or up to its LF. */
static enum http1_event scan_line(struct http1 *http1, const uint8_t *data, size_t size,
                                  size_t *ret_size)
{
    const struct buf *text = &http1->head.fields.text;
    unsigned char before = text->size > http1->line_begin ? text->data[text->size - 1] : 0;
    for (size_t i = 0; i < size; i++) {
        if (data[i] < 0x20 || data[i] == 0x7f || before == '\r') {
            const char *why = http1_check_byte(before, data[i]);
            if (why)
                return http1_fail(http1, 400, why);
            if (data[i] == '\n') {
                *ret_size = i + 1;
                return HTTP1_MORE;
            }
        }
        before = data[i];
    }
    *ret_size = size;
    return HTTP1_MORE;
}

/* Take at most one line of the head. */
static enum http1_event take_head_bytes(struct http1 *http1, const uint8_t *data, size_t size,
                                        size_t *ret_used)
{
    struct buf *text = &http1->head.fields.text;
    size_t room = HEAD_SIZE_MAX - text->size, count = 0;
    if (room == 0 && http1->line_begin == 0)
        return http1_fail(http1, 414, "the target is too long");
    if (room == 0)
        return http1_fail(http1, 431, "the head is too long");
    if (scan_line(http1, data, size < room ? size : room, &count) == HTTP1_ERROR)
        return HTTP1_ERROR;
    if (buf_append(text, data, count, NULL))
        return http1_fail(http1, 503, "no memory");
    *ret_used = count;
    return data[count - 1] == '\n' ? take_line(http1) : HTTP1_MORE;
}

/* One empty line before a request line is let pass (RFC 9112, section 2.2): its CR is waited for, then its LF. */
static enum http1_event take_between(struct http1 *http1, const uint8_t *data, size_t *ret_used)
{
    if (data[0] == '\r' && !http1->has_blank) {
        http1->has_blank = true;
        http1->state = HTTP1_STATE_BLANK_LF;
        *ret_used = 1;
        return HTTP1_MORE;
    }
    if (!field_is_token_byte(data[0]))
        return http1_fail(http1, 400, "a request does not begin with a method");
    http1->state = HTTP1_STATE_HEAD;
    return HTTP1_MORE;
}

static enum http1_event take_blank_lf(struct http1 *http1, const uint8_t *data, size_t *ret_used)
{
    if (data[0] != '\n')
        return http1_fail(http1, 400, "a CR without LF");
    http1->state = HTTP1_STATE_BETWEEN;
    *ret_used = 1;
    return HTTP1_MORE;
}

static enum http1_event step(struct http1 *http1, const uint8_t *data, size_t size,
                             size_t *ret_used, struct http1_piece *ret_piece)
{
    switch (http1->state) {
    case HTTP1_STATE_BETWEEN: return take_between(http1, data, ret_used);
    case HTTP1_STATE_BLANK_LF: return take_blank_lf(http1, data, ret_used);
    case HTTP1_STATE_HEAD: return take_head_bytes(http1, data, size, ret_used);
    default: return http1_body_step(http1, data, size, ret_used, ret_piece);
    }
}

enum http1_event http1_next(struct http1 *http1, const uint8_t *data, size_t size, size_t *ret_used,
                            struct http1_piece *ret_piece)
{
    *ret_used = 0;
    for (;;) {
        if (http1->state == HTTP1_STATE_ERROR)
            return HTTP1_ERROR;
        if (http1->state == HTTP1_STATE_END) {
            begin_again(http1);
            return HTTP1_END;
        }
        if (*ret_used == size)
            return HTTP1_MORE;
        size_t used = 0;
        enum http1_event event = step(http1, data + *ret_used, size - *ret_used, &used, ret_piece);
        *ret_used += used;
        if (event != HTTP1_MORE)
            return event;
    }
}

void http1_take_head(struct http1 *http1, struct http1_head *ret_head)
{
    *ret_head = http1->head;
    fields_init(&http1->head.fields, HEAD_SIZE_MAX);
}
