/* storage_kit.h: what tests of storage need again and again: failures that say why, whole files read and
 * changed, points and batches made from few words. */
#ifndef TESTS_SUPPORT_STORAGE_KIT_H
#define TESTS_SUPPORT_STORAGE_KIT_H

#include "storage/apply.h"
#include "storage/id.h"
#include "storage/sealed.h"

/* Fail the test unless the call returns what is wanted; the message is printed. The error is `error`. */
#define assert_status(call, wanted)                                                                \
    do {                                                                                           \
        error = (lode_error){0};                                                                   \
        kit_status((call), (wanted), &error, #call, __FILE__, __LINE__);                           \
    } while (0)
#define assert_ok(call) assert_status(call, LODE_OK)

void kit_status(lode_status status, lode_status wanted, const lode_error *error, const char *call,
                const char *file, int line);

/* Whole files. Free the bytes with free. */
uint8_t *kit_read(struct vfs *vfs, const char *path, size_t *ret_size);
void kit_write(struct vfs *vfs, const char *path, const void *data, size_t size); /* and sync */
void kit_flip(struct vfs *vfs, const char *path, uint64_t bit);
int kit_exists(struct vfs *vfs, const char *path);

/* "upsert 7 with value 3": an id below 1000 is a number, from 1000 on the text "id-<n>", from 2000 on a
 * UUID. The vector is value, value + 1, ...; odd values come with metadata {"v":value}, every third with
 * the text "text <value>". value KIT_DELETE: a delete. */
#define KIT_DELETE (-1)
struct kit_op {
    unsigned id;
    int value;
};
struct buf kit_batch(const struct space *space, const struct kit_op *ops, size_t count);
size_t kit_id(unsigned id, uint8_t bytes[ID_BYTES_MAX]);

/* A version over one empty growing segment. */
struct version *kit_version(const struct space *space, uint64_t number, uint64_t bytes_max);
struct segment *kit_growing(const struct version *version); /* its last view's segment */
/* apply_prepare of one batch, which must fit the segment. */
lode_status kit_prepare(struct version *from, const struct buf *batch, struct apply **ret_apply,
                        lode_error *error);
/* Apply batches of ops as one group and replace *version by the next. counts may be NULL. */
void kit_apply_group(struct version **version, const struct buf *batches, size_t count,
                     struct batch_counts *counts);
void kit_apply(struct version **version, const struct kit_op *ops, size_t count);
/* The value of an id in a version, checked against its document; KIT_DELETE when it has none. */
int kit_value(const struct version *version, unsigned id);
int kit_view_value(const struct segment_view *view, unsigned id);

/* Make a directory "c" in the file system and a store in it: hnsw, l2, f32, uid 77. */
struct store kit_store(struct vfs *vfs, size_t dim);

#endif
