/* names.c: see names.h. */
#include "cmd/names.h"

#include <string.h>

const char *const metric_names[] = {"l2", "ip", "cosine", NULL};
const char *const layout_names[] = {"fast", "compact", NULL};
const char *const scalar_names[] = {"f32", "f16", "bf16", "int8", NULL};
const char *const index_names[] = {"hnsw", "flat", NULL};
const char *const segment_state_names[] = {"",        "growing", "flushing", "sealed",
                                           "indexed", "damaged", NULL};
const char *const job_names[] = {"", "flush", "index", "merge", NULL};
const char *const job_reason_names[] = {"",          "full",         "no graph",    "size tier",
                                        "dead rows", "expired rows", "hasty graph", "asked for",
                                        NULL};
const char *const job_wait_names[] = {"", "searches", "memory", NULL};

static const char *const field_types[] = {"",        "keyword",  "text", "integer", "float",
                                          "boolean", "datetime", "geo",  "uuid",    NULL};

const char *declared_type_name(lode_field_type type)
{
    return field_types[type];
}

lode_field_type field_type_of(const char *name)
{
    for (int i = 1; field_types[i]; i++)
        if (strcmp(field_types[i], name) == 0)
            return (lode_field_type)i;
    return (lode_field_type)0;
}
