/* errors.c: see errors.h. */
#include "server/errors.h"

#include "base/json.h"

#include <string.h>

struct fault fault_of_status(lode_status status, bool is_write)
{
    switch (status) {
    case LODE_OK: return (struct fault){200, "ok", 0};
    case LODE_INVALID: return (struct fault){400, "invalid", 0};
    case LODE_SCHEMA: return (struct fault){422, "schema", 0};
    case LODE_NOT_FOUND: return (struct fault){404, "not_found", 0};
    case LODE_EXISTS: return (struct fault){409, "exists", 0};
    case LODE_CONFLICT: return (struct fault){409, "conflict", 0};
    case LODE_BUSY: return (struct fault){409, "busy", 1};
    case LODE_LIMIT:
        return is_write ? (struct fault){413, "too_large", 0} : (struct fault){400, "limit", 0};
    case LODE_NOMEM: return (struct fault){503, "no_memory", 1};
    case LODE_FULL: return (struct fault){507, "disk_full", 0};
    case LODE_READONLY: return (struct fault){503, "read_only", 0};
    case LODE_PARTIAL:
    case LODE_TIMEOUT: return (struct fault){504, "deadline", 0};
    case LODE_CANCELLED: return (struct fault){503, "cancelled", 1};
    case LODE_UNSUPPORTED: return (struct fault){403, "unsupported", 0};
    case LODE_CORRUPT: return (struct fault){500, "corrupt", 0};
    case LODE_IO: return (struct fault){500, "io", 0};
    case LODE_VERSION:
    case LODE_KEY: break;
    }
    return (struct fault){500, "internal", 0};
}

struct fault fault_of_access(enum access_fault why)
{
    switch (why) {
    case ACCESS_OK: return (struct fault){200, "ok", 0};
    case ACCESS_MISSING: return (struct fault){401, "unauthenticated", 0};
    case ACCESS_UNKNOWN: return (struct fault){401, "unknown_credential", 0};
    case ACCESS_REVOKED: return (struct fault){401, "revoked", 0};
    case ACCESS_EXPIRED: return (struct fault){401, "expired", 0};
    case ACCESS_FORGED: return (struct fault){401, "forged", 0};
    case ACCESS_ROLE: return (struct fault){403, "role", 0};
    case ACCESS_COLLECTION: return (struct fault){403, "collection", 0};
    case ACCESS_NAMESPACE: return (struct fault){403, "namespace", 0};
    case ACCESS_RATE: return (struct fault){429, "rate", 1};
    }
    return (struct fault){401, "unauthenticated", 0};
}

struct fault fault_of_refusal(enum net_refusal why)
{
    switch (why) {
    case NET_REFUSED_SIZE: return (struct fault){413, "too_large", 0};
    case NET_REFUSED_QUEUE: return (struct fault){429, "overloaded", 1};
    case NET_REFUSED_DEADLINE: return (struct fault){504, "deadline", 0};
    case NET_REFUSED_MEMORY: return (struct fault){503, "no_memory", 1};
    case NET_REFUSED_DRAINING: return (struct fault){503, "stopping", 1};
    }
    return (struct fault){503, "stopping", 1};
}

const char *fault_code_of_http(unsigned status)
{
    switch (status) {
    case 400: return "malformed";
    case 401: return "unauthenticated";
    case 403: return "forbidden";
    case 404: return "not_found";
    case 405: return "method";
    case 409: return "conflict";
    case 413: return "too_large";
    case 415: return "content_type";
    case 422: return "schema";
    case 429: return "overloaded";
    case 503: return "unavailable";
    case 504: return "deadline";
    case 507: return "disk_full";
    default: return status < 500 ? "malformed" : "internal";
    }
}

lode_status fault_write(struct buf *out, const struct fault_text *text, lode_error *error)
{
    struct json_writer json;
    json_writer_init(&json, out, error);
    json_write_object(&json);
    json_write_key(&json, "error");
    json_write_object(&json);
    json_write_key(&json, "code");
    json_write_string(&json, text->code, strlen(text->code));
    json_write_key(&json, "message");
    json_write_string(&json, text->message, strlen(text->message));
    if (text->field) {
        json_write_key(&json, "field");
        json_write_string(&json, text->field, strlen(text->field));
    }
    if (text->position >= 0) {
        json_write_key(&json, "position");
        json_write_i64(&json, text->position);
    }
    if (text->line) {
        json_write_key(&json, "line");
        json_write_u64(&json, text->line);
        json_write_key(&json, "applied_lines");
        json_write_u64(&json, text->applied_lines);
        json_write_key(&json, "applied_points");
        json_write_u64(&json, text->applied_points);
    }
    json_write_object_end(&json);
    json_write_object_end(&json);
    return json.status;
}
