/* http2_head.c: heads of requests. nghttp2 has seen to it that names are lower-case tokens, that values hold no control
 * characters, that pseudo-headers come once, first and all, and that content-length is the body's. */
#include "net/http2.h"

#include "net/fields.h"

#include <stdlib.h>
#include <string.h>

#define FIELD_OVERHEAD 32 /* RFC 9113, section 6.5.2 */

void http2_head_begin(struct http2 *http2)
{
    http2->head = (struct http2_head){.content_size = NET_SIZE_UNKNOWN};
}

static bool is_named(const struct net_header *header, size_t size, const char *name)
{
    return size == strlen(name) && !memcmp(header->name, name, size);
}

static bool note(struct exchange *exchange, const struct net_header *header, uint32_t *offset,
                 bool *has)
{
    *has = true;
    return !fields_text(&exchange->fields, header->value, header->value_size, offset, NULL);
}

static bool add_pseudo(struct http2_head *head, struct exchange *exchange,
                       const struct net_header *header, size_t name_size)
{
    if (is_named(header, name_size, ":method"))
        return note(exchange, header, &head->method, &head->has_method);
    if (is_named(header, name_size, ":path"))
        return note(exchange, header, &head->path, &head->has_path);
    if (is_named(header, name_size, ":authority"))
        return note(exchange, header, &head->authority, &head->has_authority);
    return true;
}

bool http2_head_add(struct http2 *http2, struct exchange *exchange, const struct net_header *header,
                    size_t name_size)
{
    struct http2_head *head = &http2->head;
    head->size += name_size + header->value_size + FIELD_OVERHEAD;
    if (head->size > HEAD_SIZE_MAX || exchange->fields.count == FIELDS_MAX)
        head->is_too_large = true;
    if (head->is_too_large)
        return true;
    if (name_size && header->name[0] == ':')
        return add_pseudo(head, exchange, header, name_size);
    if (is_named(header, name_size, "content-length"))
        head->content_size = strtoull(header->value, NULL, 10); /* nghttp2 ends values with NUL */
    return !fields_add(&exchange->fields, header, name_size, NULL);
}

/* Who the request is for: :authority, or host; if both are there, they are the same. */
static struct fault find_authority(const struct http2_head *head, struct exchange *exchange)
{
    struct net_request *request = &exchange->request;
    const char *host = net_request_header(
        &(struct net_request){.headers = exchange->headers, .header_count = exchange->fields.count},
        "host");
    request->authority = head->has_authority ? fields_at(&exchange->fields, head->authority) : host;
    if (!request->authority)
        return (struct fault){400, "neither :authority nor host"};
    if (host && strcmp(host, request->authority) != 0)
        return (struct fault){400, ":authority and host differ"};
    if (!host_is_valid(request->authority, strlen(request->authority)))
        return (struct fault){400, ":authority is malformed"};
    return (struct fault){0};
}

static struct fault check_parts(const struct http2_head *head, const struct exchange *exchange)
{
    if (head->is_too_large)
        return (struct fault){431, "the head is too long, or has too many headers"};
    if (!exchange->headers)
        return (struct fault){503, "no memory"};
    if (!head->has_method || !head->has_path)
        return (struct fault){501, "CONNECT: this is no proxy"};
    if (strlen(fields_at(&exchange->fields, head->method)) > METHOD_SIZE_MAX)
        return (struct fault){501, "the method is too long"};
    if (strlen(fields_at(&exchange->fields, head->path)) > TARGET_SIZE_MAX)
        return (struct fault){414, "the target is too long"};
    return (struct fault){0};
}

struct fault http2_head_finish(struct http2 *http2, struct exchange *exchange, bool has_ended)
{
    const struct http2_head *head = &http2->head;
    struct net_request *request = &exchange->request;
    struct target target = {0};
    request->is_http2 = true;
    request->content_size = has_ended ? 0 : head->content_size;
    request->method = request->path = "";
    exchange->headers = fields_headers(&exchange->fields);
    struct fault fault = check_parts(head, exchange);
    if (fault.status)
        return fault;
    request->method = fields_at(&exchange->fields, head->method);
    fault = target_split(fields_at(&exchange->fields, head->path), request->method, &target);
    if (!fault.status && target.authority)
        fault = (struct fault){400, ":path is no path"};
    if (fault.status)
        return fault;
    request->path = target.path;
    request->query = target.query;
    return find_authority(head, exchange);
}
