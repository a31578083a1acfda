/* openapi.h: api/openapi.yaml, which describes the JSON API, as it was when the server was built. */
#ifndef SERVER_OPENAPI_H
#define SERVER_OPENAPI_H

#include <stddef.h>

extern const char openapi_text[];
extern const char openapi_end[];

static inline size_t openapi_size(void)
{
    return (size_t)(openapi_end - openapi_text);
}

#endif
