/* filter_rows.c: how fast columns turn a filter into a set of rows: one segment's columns in memory, one thread.
 *
 *     filter_rows [ROWS [ROUNDS]]        1,000,000 rows and 200 rounds by default
 *
 * Rows have a number that is different in each, one of 1,000, a keyword (Zipf over 1,000), tags (three of 100) and a
 * boolean. Prints for each filter the rows that match, microseconds (median), and million rows a second. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitset.h"
#include "base/random.h"
#include "column/builder.h"
#include "column/evaluate.h"
#include "filter/bind.h"
#include "filter/syntax.h"
#include "os/clock.h"

static lode_error error;

static void check(lode_status status)
{
    if (status) {
        fprintf(stderr, "filter_rows: %s\n", error.message);
        exit(1);
    }
}

static lode_status write_bytes(void *context, const void *data, size_t size, lode_error *ret_error)
{
    return buf_append(context, data, size, ret_error);
}

/* 1/k of keywords beyond the k-th or so. */
static unsigned zipf(struct rng *rng)
{
    double x = (double)rng_below(rng, 1u << 30) / (1u << 30);
    unsigned k = (unsigned)(1 / (x + 0.001));
    return k < 1000 ? k : 999;
}

static size_t document(struct rng *rng, unsigned row, char *text, size_t size)
{
    return (size_t)snprintf(
        text, size,
        "{\"n\":%u,\"class\":%u,\"lang\":\"l%u\",\"tags\":[\"t%u\",\"t%u\",\"t%u\"],\"seen\":%s,"
        "\"time\":%u}",
        row * 2654435761u % 1000000007u, rng_below(rng, 1000), zipf(rng), rng_below(rng, 100),
        rng_below(rng, 100), rng_below(rng, 100), rng_below(rng, 2) ? "true" : "false", row);
}

static struct columns *build(unsigned rows, struct fields *fields)
{
    struct column_builder *builder;
    struct buf bytes, directory;
    struct column_sink sink = {.write = write_bytes, .context = &bytes};
    struct columns *columns;
    char text[256];
    buf_init(&bytes, SIZE_MAX / 2);
    buf_init(&directory, SIZE_MAX / 2);
    for (int pass = 0; pass < 2; pass++) { /* learn, gather */
        struct rng rng;
        rng_init(&rng, 1);
        if (pass == 1)
            check(column_builder_new(fields, 0, &builder, &error));
        for (unsigned row = 0; row < (pass ? rows : 1000); row++) {
            size_t size = document(&rng, row, text, sizeof text);
            check(pass ? column_builder_add(builder, row, text, size, &error)
                       : fields_learn(fields, text, size, "x", &error));
        }
    }
    check(column_builder_put(builder, rows, &sink, &error));
    if (column_builder_again(builder)) {
        fprintf(stderr, "filter_rows: more than one pass\n");
        exit(1);
    }
    check(column_builder_directory(builder, rows, &directory, &error));
    column_builder_free(builder);
    struct column_bytes given = {bytes.data, bytes.size, NULL, directory.data, directory.size};
    check(columns_open(&given, rows, &columns, &error));
    printf("%u rows, %.1f bytes a row in columns\n", rows, (double)bytes.size / rows);
    return columns;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const struct columns *columns, const struct fields *fields, const char *text,
                    unsigned rounds)
{
    struct arena arena;
    const struct filter *filter;
    struct matcher *matcher;
    size_t words = bitset_words(columns->row_count);
    uint64_t *must = malloc(words * 2 * sizeof *must);
    double *times = malloc(rounds * sizeof *times);
    arena_init(&arena);
    check(filter_parse_text(&arena, text, strlen(text), &filter, &error));
    check(filter_bind(filter, fields, NULL, &arena, &filter, &error));
    check(filter_normalise(filter, &arena, &filter, &error));
    check(matcher_new(filter, &matcher, &error));
    struct column_query query = {.columns = columns, .filter = filter, .matcher = matcher};
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t begin = clock_now_us(&clock_system);
        check(columns_evaluate(&query, must, must + words, &error));
        times[i] = (double)(clock_now_us(&clock_system) - begin);
    }
    qsort(times, rounds, sizeof *times, by_value);
    double us = times[rounds / 2] > 0 ? times[rounds / 2] : 0.5;
    printf("%9zu rows %9.0f us %9.0f million rows/s   %s\n", bitset_count(must, columns->row_count),
           us, columns->row_count / us, text);
    matcher_free(matcher);
    arena_release(&arena);
    free(must);
    free(times);
}

static const char *const filters[] = {
    "lang = \"l1\"",
    "lang = \"l7\"",
    "lang = \"l700\"",
    "tags = \"t5\"",
    "seen = true",
    "class < 10",
    "class < 100",
    "class < 500",
    "class < 900",
    "n < 1000000",
    "n < 10000000",
    "n < 100000000",
    "n < 500000000",
    "n < 900000000",
    "100000 <= time < 600000",
    "lang IN (\"l1\", \"l2\", \"l3\", \"l4\", \"l5\", \"l6\", \"l7\", \"l8\")",
    "lang GLOB \"*9*\"",
    "NOT tags IN (\"t1\", \"t2\")",
    "lang = \"l1\" AND class < 500 AND seen = true AND tags = \"t5\"",
    "lang = \"l2\" AND n < 500000000 AND seen = true AND tags IN (\"t1\", \"t2\", \"t3\")",
    "class < 500 AND n < 500000000 AND seen = true AND time < 500000",
    "class < 900 AND n < 900000000 AND seen = true AND NOT lang = \"l1\"",
};

int main(int argc, char **argv)
{
    unsigned rows = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1000000;
    unsigned rounds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 200;
    struct fields *fields;
    check(fields_new(&fields, &error));
    struct columns *columns = build(rows, fields);
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        measure(columns, fields, filters[i], rounds);
    columns_unref(columns);
    fields_free(fields);
    return 0;
}
