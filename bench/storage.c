/* storage.c: what storage costs: a durable group, applying it, a flush, a lookup of ids.
 *
 *     storage DIRECTORY      (an empty one, on the disk to be measured) */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "os/clock.h"
#include "storage/apply.h"
#include "storage/id.h"
#include "storage/id.h"
#include "storage/sealed.h"
#include "storage/wal.h"

enum { DIM = 128, BATCH = 1000, GROUPS = 200, SEGMENT_ROWS = 200000 };

static lode_error error;

static void need(lode_status status)
{
    if (status == LODE_OK)
        return;
    fprintf(stderr, "storage: %s\n", error.message);
    exit(1);
}

static double now_ms(void)
{
    return (double)clock_now_us(&clock_system) / 1000;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *what, double *ms, size_t count, double per)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += ms[i];
    qsort(ms, count, sizeof *ms, compare);
    printf("%-40s least %7.3f  median %7.3f  p99 %7.3f  mean %7.3f ms  %8.0f /s\n", what, ms[0],
           ms[count / 2], ms[count * 99 / 100], sum / (double)count,
           per * 1000 * (double)count / sum);
}

/* A batch of upserts of ids [first, first + count). */
static struct buf make_batch(const struct space *space, uint64_t first, uint32_t count)
{
    struct rng rng;
    rng_init(&rng, first);
    struct buf batch;
    buf_init(&batch, LODE_BATCH_SIZE_MAX);
    need(batch_begin(&batch, NULL, 0, &error));
    for (uint32_t i = 0; i < count; i++) {
        float vector[DIM];
        for (int d = 0; d < DIM; d++)
            vector[d] = (float)rng_unit(&rng);
        char metadata[64];
        lode_id id = {.kind = LODE_ID_NUMBER, .number = first + i};
        uint8_t id_bytes[ID_BYTES_MAX];
        struct op op = {.kind = LODE_WRITE_UPSERT, .id = id_bytes, .metadata = metadata};
        op.id_size = id_encode(&id, id_bytes);
        op.metadata_size =
            (size_t)snprintf(metadata, sizeof metadata, "{\"n\":%" PRIu64 "}", first + i);
        need(batch_upsert(&batch, space, &op, vector, &error));
    }
    batch_end(&batch, count);
    return batch;
}

/* --- The log ----------------------------------------------------------------------------------- */

static void time_log(const char *dir, const struct space *space, uint32_t batch_rows,
                     uint64_t number)
{
    struct buf batch = make_batch(space, 1, batch_rows);
    struct wal_batch group = {.data = batch.data, .size = batch.size};
    struct wal *wal;
    double append[GROUPS], sync[GROUPS], both[GROUPS];
    need(wal_create((struct wal_file){vfs_posix(), dir, 1, number}, &wal, &error));
    for (uint64_t i = 0; i < GROUPS; i++) {
        double begin = now_ms();
        need(wal_append(wal, i + 1, &group, 1, &error));
        double appended = now_ms();
        need(wal_sync(wal, &error));
        append[i] = appended - begin;
        sync[i] = now_ms() - appended;
        both[i] = append[i] + sync[i];
    }
    char what[64];
    snprintf(what, sizeof what, "log: append a group of %zu kB", batch.size / 1000);
    report(what, append, GROUPS, batch_rows);
    report("     sync", sync, GROUPS, batch_rows);
    report("     both, vectors a second", both, GROUPS, batch_rows);
    wal_close(wal);
    need(wal_remove(vfs_posix(), dir, number, &error));
    buf_release(&batch);
}

/* --- Applying ---------------------------------------------------------------------------------- */

static struct version *new_version(const struct space *space, const struct segment_view *sealed,
                                   size_t sealed_count)
{
    struct growing_options options = {
        .space = space, .number = 1, .bytes_max = (uint64_t)SEGMENT_ROWS * 2 * space->row_size};
    struct version *version = version_new(sealed_count + 1);
    for (size_t i = 0; i < sealed_count; i++) {
        version->views[i] = sealed[i];
        segment_ref(sealed[i].segment);
        version->point_count += sealed[i].live_count;
    }
    need(growing_new(&options, &version->views[sealed_count].segment, &error));
    return version;
}

/* `step` between the first ids of batches: 0 replaces the same ids again and again. */
static struct version *time_apply(const char *what, struct version *version,
                                  const struct space *space, uint64_t first, uint64_t step)
{
    double prepare[GROUPS], commit[GROUPS];
    struct segment *growing = version->views[version->view_count - 1].segment;
    for (uint64_t i = 0; i < GROUPS; i++) {
        struct buf batch = make_batch(space, first + i * step, BATCH);
        struct apply_batch one = {.bytes = &batch};
        struct apply_group group = {.batches = &one, .count = 1, .bytes_max = UINT64_MAX};
        struct apply *apply;
        double begin = now_ms();
        need(apply_prepare(version, growing, &group, &apply, &error));
        double prepared = now_ms();
        struct version *next = apply_commit(apply);
        version_unref(version);
        version = next;
        prepare[i] = prepared - begin;
        commit[i] = now_ms() - prepared;
        buf_release(&batch);
    }
    char text[64];
    snprintf(text, sizeof text, "apply 1000: %s: prepare", what);
    report(text, prepare, GROUPS, BATCH);
    report("            commit", commit, GROUPS, BATCH);
    return version;
}

/* --- Sealed segments --------------------------------------------------------------------------- */

static struct segment_view flush(const struct store *store, const struct version *version,
                                 uint64_t number)
{
    struct sealed_entry entry;
    uint32_t *map;
    double begin = now_ms();
    need(sealed_write(
        store, number,
        &(struct sealed_source){&version->views[version->view_count - 1], 1, NULL, &map}, &entry,
        &error));
    double ms = now_ms() - begin;
    printf("flush of %u rows: %.0f ms, %.0f MB/s\n", entry.row_count, ms,
           (double)entry.row_count * (double)store->space.row_size / 1000 / ms);
    free(map);
    struct segment_view view = {.row_count = entry.row_count, .live_count = entry.live_count};
    need(sealed_open(store, &entry, &view.segment, &error));
    sealed_retire(view.segment);
    return view;
}

static void time_finds(const char *what, const struct segment_view *view, uint64_t first)
{
    enum { FINDS = 200000 };
    struct rng rng;
    rng_init(&rng, 1);
    uint64_t found = 0;
    double begin = now_ms();
    for (int i = 0; i < FINDS; i++) {
        uint8_t bytes[ID_BYTES_MAX];
        lode_id id = {.kind = LODE_ID_NUMBER, .number = first + rng_below(&rng, SEGMENT_ROWS)};
        size_t size = id_encode(&id, bytes);
        struct id_key key = {.bytes = bytes, .size = size, .hash = id_hash(bytes, size)};
        uint32_t row = ROW_NONE;
        if (view->segment->ops->find(view, &key, &row, NULL) == LODE_OK)
            found += row != ROW_NONE;
    }
    double ms = now_ms() - begin;
    printf("find %s: %.0f ns an id (%.0f%% found)\n", what, ms * 1e6 / FINDS,
           100.0 * (double)found / FINDS);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: storage DIRECTORY\n");
        return 2;
    }
    struct store store = {.vfs = vfs_posix(), .dir = argv[1], .collection_uid = 1};
    space_init(&store.space, LODE_METRIC_L2, LODE_SCALAR_F32, DIM);
    time_log(argv[1], &store.space, 1, 1);
    time_log(argv[1], &store.space, BATCH, 1);
    time_log(argv[1], &store.space, LODE_BATCH_MAX, 1);

    struct version *fresh = new_version(&store.space, NULL, 0);
    fresh = time_apply("new ids", fresh, &store.space, 1, BATCH);
    enum { SEALED = 8 };
    struct segment_view sealed[SEALED];
    for (uint64_t i = 0; i < SEALED; i++)
        sealed[i] = flush(&store, fresh, 10 + i);
    time_finds("of a sealed segment", &sealed[0], 1);
    time_finds("missing in a sealed segment", &sealed[0], 1000000);
    time_finds("of the growing segment", &fresh->views[0], 1);
    version_unref(fresh);

    struct version *deep = new_version(&store.space, sealed, SEALED);
    deep = time_apply("new ids, 8 sealed", deep, &store.space, 10000000, BATCH);
    version_unref(deep);
    deep = new_version(&store.space, sealed, 1);
    deep = time_apply("replacing sealed ones", deep, &store.space, 1, BATCH);
    version_unref(deep);
    fresh = new_version(&store.space, NULL, 0);
    fresh = time_apply("replacing the same", fresh, &store.space, 1, 0);
    version_unref(fresh);
    for (size_t i = 0; i < SEALED; i++)
        segment_unref(sealed[i].segment);
    return 0;
}
