/* sealed.h: a segment on disk: immutable framed files seg-<number>.<part>, mapped.
 *
 *   vectors   rows, stride row_size           ids    id bytes, offsets and a hash table
 *   docs      metadata and texts, offsets     graph  the index's bytes, once built
 *   columns   metadata by field, where there is any; nothing is lost with it
 *   del-<g>   the live set as of generation g, when any row is dead */
#ifndef STORAGE_SEALED_H
#define STORAGE_SEALED_H

#include "os/vfs.h"
#include "storage/known_fields.h"
#include "storage/pins.h"
#include "storage/version.h"

struct store { /* where a collection's files are, and of what kind its points are; constant */
    struct vfs *vfs;
    const char *dir;
    uint64_t collection_uid;
    struct space space;
    struct index_params params;
    lode_index index;
    struct known_fields *fields; /* of the metadata; NULL: what the rows themselves tell */
    struct pins *pins;           /* whose files stay when they are retired; NULL: nobody's */
};

struct sealed_entry { /* a segment as the manifest knows it */
    uint64_t number;
    uint32_t row_count;
    uint32_t live_count;
    uint64_t del_generation; /* 0: every row is alive */
    uint8_t has_graph;
};

/* What a segment is written of. */
struct sealed_source {
    const struct segment_view *views;
    size_t view_count;
    const struct index_work *work; /* may be NULL; its `cancel` and `done` are heeded */
    /* One for each view, written, and freed by the caller with free: views[i].row_count entries, the new
     * row of each, or ROW_NONE. */
    uint32_t **row_maps;
};
/* Write the live rows of the views, in order, as the files of segment `number` (vectors, ids, docs; and the
 * graph, when there is one view whose overlay already covers all its rows and none is dead), synced.
 * *ret_entry is the segment as the manifest is to know it, every row alive; its row_count may be 0: then
 * no file was written. Sealed sources are checked first, every byte, so that damage is not copied under
 * new checksums: LODE_CORRUPT. On any failure no file stays and row_maps holds NULLs. */
NODISCARD lode_status sealed_write(const struct store *store, uint64_t number,
                                   const struct sealed_source *source,
                                   struct sealed_entry *ret_entry, lode_error *error);
/* The same of the live rows of a damaged segment, which have been read one by one (salvage.h): blocks without
 * any of them are not looked at. */
NODISCARD lode_status sealed_write_salvaged(const struct store *store, uint64_t number,
                                            const struct segment_view *view,
                                            struct sealed_entry *ret_entry, lode_error *error);
/* Build and write the graph part of a segment already open, after a check of its vectors; synced. The
 * caller then opens the segment anew with has_graph. */
NODISCARD lode_status sealed_build_graph(const struct store *store, const struct segment *segment,
                                         uint32_t row_count, const struct index_work *work,
                                         lode_error *error);
/* Its two halves. The index is the caller's, to be closed. work->done counts the rows that are built, or written. */
NODISCARD lode_status sealed_make_graph(const struct store *store, const struct segment *segment,
                                        uint32_t row_count, const struct index_work *work,
                                        struct index **ret_index, lode_error *error);
NODISCARD lode_status sealed_write_graph(const struct store *store, uint64_t number,
                                         const struct index *index, const struct index_work *work,
                                         lode_error *error);
/* Write the columns part of a segment already open, in place of the one that there may be; synced, under its name all
 * of it or nothing. The caller then opens the segment anew. cancel may be NULL. */
NODISCARD lode_status sealed_write_columns(const struct store *store, const struct segment *segment,
                                           uint32_t row_count, const struct cancel *cancel,
                                           lode_error *error);
/* Whether an open segment has no columns, and no damaged ones either: it is from before there were any, or from when
 * its collection knew no field. */
int sealed_lacks_columns(const struct segment *segment);
/* Whether all of an open segment's columns are what was written: LODE_CORRUPT. Nothing to check: LODE_OK, and
 * *ret_has is 0. */
NODISCARD lode_status sealed_check_columns(const struct segment *segment, int *ret_has,
                                           lode_error *error);
/* Check every byte of an open segment's graph: LODE_CORRUPT. Nothing to check: LODE_OK. */
NODISCARD lode_status sealed_check_graph(const struct segment *segment, lode_error *error);

/* Map the files. Checks headers, sizes and footers, not every byte. `store` must outlive the segment. */
NODISCARD lode_status sealed_open(const struct store *store, const struct sealed_entry *entry,
                                  struct segment **ret_segment, lode_error *error);
/* The same, but that damage and I/O errors are contained: a part that cannot be opened is left out, and reads that
 * need it fail with the reason (segment_ops.damage). Without its graph a segment is scanned. */
NODISCARD lode_status sealed_open_contained(const struct store *store,
                                            const struct sealed_entry *entry,
                                            struct segment **ret_segment, lode_error *error);
/* Of a segment that nobody has seen yet: let every read of it fail with this reason, since which of its rows
 * live is not known. LODE_NOMEM. */
NODISCARD lode_status sealed_doubt(struct segment *segment, const lode_error *reason,
                                   lode_error *error);
/* The live set as of `generation`, the one of the manifest that will refer to it; synced. */
NODISCARD lode_status sealed_write_live(const struct store *store, uint64_t number,
                                        uint64_t generation, const struct liveset *live,
                                        uint32_t row_count, lode_error *error);
/* *ret_live is NULL when every row is alive. Every byte is checked. */
NODISCARD lode_status sealed_read_live(const struct store *store, const struct sealed_entry *entry,
                                       struct liveset **ret_live, lode_error *error);
/* Read and check every block of an open segment's rows (vectors, ids, docs). The first error. */
NODISCARD lode_status sealed_check(const struct segment *segment, lode_error *error);
/* From now on the last unref of the segment removes its files, or leaves that to the last pin. */
void sealed_retire(struct segment *segment);
/* Whether there is a columns part among the segment's files. */
int sealed_has_columns(const struct store *store, uint64_t number);
/* The bytes of an open segment's graph; of its documents. */
uint64_t sealed_graph_bytes(const struct segment *segment);
uint64_t sealed_docs_bytes(const struct segment *segment);
/* The bytes of a segment's files; what cannot be measured counts nothing. */
uint64_t sealed_bytes(const struct store *store, uint64_t number);

#endif
