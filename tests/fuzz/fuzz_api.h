/* fuzz_api.h: what harnesses of the API's readers have in common. */
#ifndef TESTS_FUZZ_FUZZ_API_H
#define TESTS_FUZZ_FUZZ_API_H

#include "server/json_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void fuzz_require(int condition)
{
    if (!condition)
        abort();
}

/* A fault says something, and where: within the body. */
static inline void fuzz_check_fault(const struct json_fault *fault, size_t size)
{
    fuzz_require(fault->error.status != LODE_OK && fault->error.message[0] != '\0');
    fuzz_require(fault->position >= -1 && fault->position <= (long)size);
    fuzz_require(strlen(fault->field) < JSON_FIELD_SIZE);
}

#define FUZZ_SEED_MAIN(seeds)                                                                      \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        for (size_t i = 0; i < sizeof(seeds) / sizeof *(seeds); i++) {                             \
            char path[256];                                                                        \
            snprintf(path, sizeof path, "%s/seed-%zu", argc > 1 ? argv[1] : ".", i);               \
            FILE *file = fopen(path, "we");                                                        \
            if (!file || fputs((seeds)[i], file) < 0 || fclose(file) != 0)                         \
                return 1;                                                                          \
        }                                                                                          \
        return 0;                                                                                  \
    }

#endif
