/* grpc_status.c: see grpc_status.h. */
#include "server/grpc_status.h"

#include <string.h>

/* What HTTP has one status for. */
static enum grpc_status of_conflict(lode_status status)
{
    switch ((unsigned)status) {
    case LODE_EXISTS: return GRPC_ALREADY_EXISTS;
    case LODE_BUSY: return GRPC_FAILED_PRECONDITION;
    default: return GRPC_ABORTED;
    }
}

static enum grpc_status of_unavailable(lode_status status)
{
    switch ((unsigned)status) {
    case LODE_NOMEM: return GRPC_RESOURCE_EXHAUSTED;
    case LODE_CANCELLED: return GRPC_CANCELLED;
    default: return GRPC_UNAVAILABLE;
    }
}

static enum grpc_status of_internal(lode_status status)
{
    switch ((unsigned)status) {
    case LODE_CORRUPT: return GRPC_DATA_LOSS;
    case LODE_VERSION:
    case LODE_KEY: return GRPC_FAILED_PRECONDITION;
    default: return GRPC_INTERNAL;
    }
}

enum grpc_status grpc_status_of(unsigned http_status, lode_status status)
{
    switch (http_status) {
    case 401: return GRPC_UNAUTHENTICATED;
    case 403: return GRPC_PERMISSION_DENIED;
    case 404: return GRPC_NOT_FOUND;
    case 409: return of_conflict(status);
    case 413:
    case 429:
    case 507: return GRPC_RESOURCE_EXHAUSTED;
    case 405:
    case 501: return GRPC_UNIMPLEMENTED;
    case 503: return of_unavailable(status);
    case 504: return GRPC_DEADLINE_EXCEEDED;
    default: return http_status >= 500 ? of_internal(status) : GRPC_INVALID_ARGUMENT;
    }
}

void grpc_percent(const char *text, char *ret_text, size_t size)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t used = 0, whole = 0; /* whole: before the character that `text` is in */
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        int is_plain = c >= ' ' && c <= '~' && c != '%';
        if ((c & 0xc0) != 0x80)
            whole = used;
        if (used + (is_plain ? 1 : 3) >= size) {
            used = whole;
            break;
        }
        if (is_plain) {
            ret_text[used++] = (char)c;
            continue;
        }
        ret_text[used++] = '%';
        ret_text[used++] = digits[c >> 4];
        ret_text[used++] = digits[c & 15];
    }
    ret_text[used] = '\0';
}

int grpc_parse_timeout(const char *text, uint64_t *ret_timeout_us)
{
    static const struct {
        char name;
        uint64_t us, per_us;
    } units[] = {{'H', 3600000000, 1}, {'M', 60000000, 1}, {'S', 1000000, 1},
                 {'m', 1000, 1},       {'u', 1, 1},        {'n', 1, 1000}};
    uint64_t value = 0;
    size_t digits = 0;
    for (; digits < 8 && text[digits] >= '0' && text[digits] <= '9'; digits++)
        value = value * 10 + (uint64_t)(text[digits] - '0');
    if (digits == 0 || text[digits] == '\0' || text[digits + 1] != '\0')
        return 0;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (units[i].name != text[digits])
            continue;
        *ret_timeout_us = (value * units[i].us + units[i].per_us - 1) / units[i].per_us;
        return 1;
    }
    return 0;
}
