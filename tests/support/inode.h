/* inode.h: the files and directories of vfs_memory: each with a durable twin and a journal of what was done
 * since. A sync carries the journal out on the twin; a crash carries out what it chooses of it. The
 * caller locks. */
#ifndef TESTS_SUPPORT_INODE_H
#define TESTS_SUPPORT_INODE_H

#include "base/random.h"

#include <stdatomic.h>
#include <stddef.h>

struct inode;

struct entry {
    char *name;
    struct inode *inode;
};

struct entries {
    struct entry *items;
    size_t count;
};

struct bytes {
    uint8_t *data;
    uint64_t size;
    uint64_t capacity;
};

/* What was done to a file or a directory and not synced yet. */
struct change {
    struct change *next;
    uint64_t offset; /* of a write; the new size, of a truncation */
    size_t size;
    uint8_t *data; /* of a write, else NULL */
    /* In a directory: `name` leads to `inode` from now on, or to nothing; and `from`, if there is one,
     * to nothing. */
    struct inode *inode;
    char *name;
    char *from;
};

struct journal {
    struct change *first;
    struct change **end; /* NULL: empty */
};

/* A file or a directory. It lives as long as an entry, live or durable, a change that is not synced or an
 * open file needs it. */
struct inode {
    unsigned refs;
    int is_dir;
    int locked;
    struct entries names, durable_names; /* of a directory */
    struct bytes bytes, durable_bytes;   /* of a file */
    struct journal journal;              /* from the durable state to the visible one */
};

struct inode *inode_new(int is_dir);
void inode_unref(struct inode *inode);

/* Change what `name` leads to, NULL: to nothing. `from`, if any, is the name that it had until now. */
void inode_set_name(struct inode *dir, const char *name, struct inode *inode, const char *from);
void inode_write(struct inode *inode, uint64_t offset, const void *data, size_t size);
void inode_resize(struct inode *inode, uint64_t size); /* new bytes are zero */
void inode_sync(struct inode *inode);
/* What was not synced will never be, though it can be seen. */
void inode_forget(struct inode *inode);
/* Visible state := durable state, below it too. rng NULL: what was not synced is all lost. */
void inode_crash(struct inode *inode, struct rng *rng);
void inode_unlock(struct inode *inode); /* and all below it */
/* One bit is another from now on, on the disk too. */
void inode_flip(struct inode *inode, uint64_t offset, unsigned bit);

/* What crashes with rng have done to changes that were not synced, since the program began. */
struct inode_tally {
    _Atomic uint64_t kept;
    _Atomic uint64_t kept_before_lost; /* reordered: an earlier change of the same file was lost */
    _Atomic uint64_t writes_lost;
    _Atomic uint64_t torn_at_sectors;
    _Atomic uint64_t torn_at_bytes;
    _Atomic uint64_t garbage; /* of those torn: foreign bytes where something is missing */
    _Atomic uint64_t names_lost;
    _Atomic uint64_t renames_halved; /* both names are there */
};
extern struct inode_tally inode_tally;

struct entry *entries_find(struct entries *entries, const char *name);
void entries_copy(struct entries *to, const struct entries *from);
void entries_clear(struct entries *entries);

/* malloc, tried twice: tests that refuse one allocation mean the library's. Aborts when refused again. */
void *memory_sure(size_t size);

#endif
