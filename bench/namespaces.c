/* namespaces.c: a collection of very many small namespaces.
 *
 *     namespaces --dir DIR [--spaces 100000] [--points 10] [--dim 128] [--queries 20000] [--json FILE]
 *
 * Public interface, default options. Every namespace is opened, gets its points in one batch, acknowledged as applied, and is
 * closed; then one sync, the background work is waited for, and the database is closed. Opened again, the first query in
 * each of `queries` namespaces, spread over all, is timed, with its opening and without, then a second one; then
 * the same through a collection that was never closed and whose last points are in memory. Then all names are listed, and
 * half of the namespaces are dropped, each by a durable write. Resident memory is that of the process. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "common/bench.h"

enum { K = 10, POINTS_MAX = 1000, PAGE = 1000 };

static struct {
    const char *dir, *json;
    uint64_t spaces, points, dim, queries;
} options;

static lode_db *db;
static lode_collection *own;
static lode_error error;
static float *vectors; /* of one namespace */

static void open_db(void)
{
    const lode_schema schema = {.dim = (uint32_t)options.dim};
    bench_must(lode_db_open(options.dir, NULL, &db, &error), &error);
    if (lode_collection_open(db, "tenants", &own, NULL))
        bench_must(lode_collection_create(db, "tenants", &schema, &own, &error), &error);
}

static void close_db(void)
{
    lode_collection_close(own);
    lode_db_close(db);
}

static lode_collection *open_space(uint64_t number)
{
    char name[32];
    lode_collection *space;
    snprintf(name, sizeof name, "tenant-%08" PRIu64, number);
    bench_must(lode_namespace_open(own, name, &space, &error), &error);
    return space;
}

/* The same whenever they are asked for. */
static void fill(uint64_t number, size_t count)
{
    struct rng rng;
    rng_init(&rng, number + 1);
    for (size_t i = 0; i < count * options.dim; i++)
        vectors[i] = (float)(rng_below(&rng, 2001)) / 1000 - 1;
}

/* --- Figures ------------------------------------------------------------------------------------ */

static uint64_t resident_bytes(void)
{
    unsigned long long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%llu %llu", &size, &resident) != 2)
        bench_fail("cannot read /proc/self/statm");
    fclose(file);
    return resident * 4096;
}

static void say(const char *what, double value, const char *unit)
{
    printf("%-34s %12.2f %s\n", what, value, unit);
    fflush(stdout);
    FILE *json = *options.json ? fopen(options.json, "a") : NULL;
    if (!json)
        return;
    fprintf(json,
            "{\"spaces\": %" PRIu64 ", \"what\": \"%s\", \"value\": %.3f, \"unit\": \"%s\"}\n",
            options.spaces, what, value, unit);
    fclose(json);
}

static void say_sizes(uint64_t living)
{
    lode_stats *stats;
    bench_must(lode_stats_get(own, &stats, &error), &error);
    say("disk", (double)stats->disk_bytes / (double)living, "bytes a namespace");
    say("segments", (double)stats->segment_count, "");
    lode_stats_free(stats);
    say("resident", (double)resident_bytes() / (double)living, "bytes a namespace");
}

static void say_times(const char *what, struct bench_series *times)
{
    char label[64];
    snprintf(label, sizeof label, "%s, median", what);
    say(label, bench_median(times->values, times->count), "us");
    snprintf(label, sizeof label, "%s, 99%%", what);
    say(label, bench_percentile(times->values, times->count, 0.99), "us");
    free(times->values);
}

/* --- Parts -------------------------------------------------------------------------------------- */

static void load(void)
{
    const lode_write_options applied = {.ack = LODE_ACK_APPLIED};
    lode_write_op ops[POINTS_MAX];
    double begin = bench_wall();
    for (uint64_t number = 0; number < options.spaces; number++) {
        lode_collection *space = open_space(number);
        fill(number, options.points);
        for (uint64_t i = 0; i < options.points; i++)
            ops[i] = (lode_write_op){
                .kind = LODE_WRITE_UPSERT,
                .point = {.id = lode_id_number(i), .vector = vectors + i * options.dim}};
        bench_must(lode_write(space, ops, options.points, &applied, NULL, &error), &error);
        lode_collection_close(space);
    }
    bench_must(lode_sync(own, &error), &error);
    say("import", (double)(options.spaces * options.points) / (bench_wall() - begin), "points/s");
}

static void search(lode_collection *space)
{
    lode_result *found;
    lode_search_request request = {.vector = vectors, .k = K};
    bench_must(lode_search(space, &request, &found, &error), &error);
    if (found->hit_count != (options.points < K ? options.points : K))
        bench_fail("%zu hits", found->hit_count);
    lode_result_free(found);
}

static void query(const char *where)
{
    struct bench_series first = {0}, second = {0};
    char label[64];
    for (uint64_t i = 0; i < options.queries; i++) {
        uint64_t number = i * options.spaces / options.queries;
        fill(number, 1);
        double begin = bench_wall();
        lode_collection *space = open_space(number);
        search(space);
        double middle = bench_wall();
        search(space);
        bench_push(&second, 1e6 * (bench_wall() - middle));
        bench_push(&first, 1e6 * (middle - begin));
        lode_collection_close(space);
    }
    snprintf(label, sizeof label, "open and query, %s", where);
    say_times(label, &first);
    snprintf(label, sizeof label, "query again, %s", where);
    say_times(label, &second);
}

static void list(void)
{
    char after[LODE_NAMESPACE_SIZE_MAX + 1] = "";
    uint64_t count = 0, calls = 0;
    double begin = bench_wall();
    for (size_t got = PAGE; got == PAGE; calls++) {
        lode_namespace_list *page;
        bench_must(lode_namespace_list_get(own, *after ? after : NULL, PAGE, &page, &error),
                   &error);
        got = page->entry_count;
        count += got;
        if (got)
            snprintf(after, sizeof after, "%s", page->entries[got - 1].name);
        lode_namespace_list_free(page);
    }
    if (count != options.spaces)
        bench_fail("%" PRIu64 " namespaces are listed", count);
    say("list a page of 1,000", 1e3 * (bench_wall() - begin) / (double)calls, "ms");
}

static void drop_half(void)
{
    struct bench_series times = {0};
    double begin = bench_wall();
    for (uint64_t number = 0; number < options.spaces; number += 2) {
        char name[32];
        double from = bench_wall();
        snprintf(name, sizeof name, "tenant-%08" PRIu64, number);
        bench_must(lode_namespace_drop(own, name, NULL, &error), &error);
        bench_push(&times, 1e6 * (bench_wall() - from));
    }
    say("drop half", bench_wall() - begin, "s");
    say_times("drop", &times);
    bench_must(lode_wait_idle(own, 0, &error), &error);
    bench_must(lode_compact(own, NULL, &error), &error);
    say("drop half and compact", bench_wall() - begin, "s");
    say_sizes(options.spaces / 2);
}

int main(int argc, char **argv)
{
    options.dir = bench_option(argc, argv, "dir", NULL);
    options.json = bench_option(argc, argv, "json", "");
    options.spaces = bench_number(argc, argv, "spaces", 100000);
    options.points = bench_number(argc, argv, "points", 10);
    options.dim = bench_number(argc, argv, "dim", 128);
    options.queries = bench_number(argc, argv, "queries", 20000);
    if (options.points > POINTS_MAX || options.queries > options.spaces)
        bench_fail("at most %d points a namespace, and no more queries than namespaces",
                   POINTS_MAX);
    vectors = malloc(options.points * options.dim * sizeof *vectors);
    if (!vectors)
        bench_fail("no memory");
    bench_remove(options.dir);
    open_db();
    load();
    query("as imported");
    bench_must(lode_wait_idle(own, 0, &error), &error);
    close_db();
    open_db();
    say_sizes(options.spaces);
    query("opened anew");
    list();
    drop_half();
    close_db();
    free(vectors);
    return 0;
}
