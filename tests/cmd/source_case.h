/* source_case.h: reading points from memory, for the tests of the format readers. */
#ifndef TEST_SOURCE_CASE_H
#define TEST_SOURCE_CASE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "cmd/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Everything read from one text. */
struct read {
    struct batch batch;
    struct source *source; /* NULL when it did not open */
    lode_status status;
    lode_error error;
};

static inline struct read read_bytes(const void *data, size_t size,
                                     const struct source_options *options)
{
    struct read read = {.status = LODE_OK};
    assert_int_equal(batch_init(&read.batch, 1000, NULL), LODE_OK);
    read.status = source_open_memory(data, size, options, &read.source, &read.error);
    if (read.status == LODE_OK)
        read.status = source_fill(read.source, &read.batch, SIZE_MAX, &read.error);
    return read;
}

static inline void read_end(struct read *read)
{
    source_close(read->source);
    batch_release(&read->batch);
}

/* The text must be refused: with this status, at this line or row (0: not checked), and with these
 * words in the message. */
static inline void refused(const void *data, size_t size, const struct source_options *options,
                           lode_status status, uint64_t position, const char *words)
{
    struct read read = read_bytes(data, size, options);
    if (read.status != status || !strstr(read.error.message, words))
        fail_msg("%.60s: status %d, '%s'; wanted %d, '%s'", (const char *)data, (int)read.status,
                 read.error.message, (int)status, words);
    char *number = read.error.message + strcspn(read.error.message, " ");
    if (position && strtoull(number, NULL, 10) != position)
        fail_msg("'%s': wanted at %llu", read.error.message, (unsigned long long)position);
    read_end(&read);
}

#endif
