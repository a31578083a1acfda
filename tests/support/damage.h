/* damage.h: a small database with a file of every kind, images of it with something wrong, and what reading such a
 * database may give: the right answer, or an error that names the file. */
#ifndef TESTS_SUPPORT_DAMAGE_H
#define TESTS_SUPPORT_DAMAGE_H

#include "support/engine_kit.h"

enum {
    DAMAGE_IDS = 6000, /* ids from 0 on; the first are in the large segment, which has a graph */
    DAMAGE_DIM = 16,
    DAMAGE_FILES_MAX = 64,
};

struct damage_file {
    char path[96];
    uint8_t *bytes;
    size_t size;
};

/* A database as files, and what it holds. */
struct damage_image {
    struct damage_file files[DAMAGE_FILES_MAX];
    size_t file_count;
    int rounds[DAMAGE_IDS]; /* how often the point was written; 0: it is not there */
};

void damage_image_make(struct damage_image *image);
void damage_image_release(struct damage_image *image);
/* A step of a loop over damages: larger where a sanitizer makes each many times as slow, and for encrypted copies of
 * tests, which come on top. */
size_t damage_step(size_t step);
/* The image as a file system of its own. */
struct vfs *damage_vfs(const struct damage_image *image);

/* Read a database all over: what is answered must be right, and what fails must name `file` (the end of a path).
 * Returns how many reads failed. wrote: a point was written. */
unsigned damage_use(const struct damage_image *image, struct vfs *vfs, const char *file);
/* Everything must be there and right. */
void damage_check_whole(const struct damage_image *image, struct vfs *vfs);
/* Which ids are there, one byte each; what is there and is to be must be right. `name`: of the collection. */
void damage_collect(const struct damage_image *image, struct vfs *vfs, const char *name,
                    uint8_t *ret_present);
/* Verify; how many findings name `file`. */
unsigned damage_verify(struct vfs *vfs, const char *file);

#endif
