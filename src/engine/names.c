/* names.c: the library's constant texts. */
#include <lode/lode.h>

#define TEXT(x)   #x
#define NUMBER(x) TEXT(x)
#define VERSION(s)                                                                                 \
    NUMBER(LODE_VERSION_MAJOR) s NUMBER(LODE_VERSION_MINOR)                                        \
    s NUMBER(LODE_VERSION_PATCH)

const char *lode_version(void)
{
    return VERSION(".");
}

const char *lode_status_name(lode_status status)
{
    switch (status) {
    case LODE_OK: return "LODE_OK";
    case LODE_INVALID: return "LODE_INVALID";
    case LODE_NOT_FOUND: return "LODE_NOT_FOUND";
    case LODE_EXISTS: return "LODE_EXISTS";
    case LODE_BUSY: return "LODE_BUSY";
    case LODE_LIMIT: return "LODE_LIMIT";
    case LODE_NOMEM: return "LODE_NOMEM";
    case LODE_IO: return "LODE_IO";
    case LODE_FULL: return "LODE_FULL";
    case LODE_CORRUPT: return "LODE_CORRUPT";
    case LODE_VERSION: return "LODE_VERSION";
    case LODE_PARTIAL: return "LODE_PARTIAL";
    case LODE_CANCELLED: return "LODE_CANCELLED";
    case LODE_UNSUPPORTED: return "LODE_UNSUPPORTED";
    case LODE_READONLY: return "LODE_READONLY";
    case LODE_CONFLICT: return "LODE_CONFLICT";
    case LODE_KEY: return "LODE_KEY";
    case LODE_TIMEOUT: return "LODE_TIMEOUT";
    case LODE_SCHEMA: return "LODE_SCHEMA";
    }
    return "unknown status";
}
