/* inode.c: see inode.h. */
#include "support/inode.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static void *need(void *memory)
{
    INVARIANT(memory != NULL);
    return memory;
}

/* Tests that refuse one allocation mean the library's: here a second attempt succeeds. */
void *memory_sure(size_t size)
{
    void *memory = malloc(size);
    return memory ? memory : need(malloc(size));
}

static char *copy_text(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(memory_sure(size), text, size);
}

static void *resize(void *memory, size_t size)
{
    void *resized = realloc(memory, size);
    return resized ? resized : need(realloc(memory, size));
}

/* --- Inodes ------------------------------------------------------------------------------------ */

struct inode *inode_new(int is_dir)
{
    struct inode *inode = memory_sure(sizeof *inode);
    *inode = (struct inode){.is_dir = is_dir};
    return inode;
}

static void change_free(struct change *change)
{
    if (change->inode)
        inode_unref(change->inode);
    free(change->data);
    free(change->name);
    free(change->from);
    free(change);
}

static void journal_clear(struct journal *journal)
{
    while (journal->first) {
        struct change *change = journal->first;
        journal->first = change->next;
        change_free(change);
    }
    journal->end = NULL;
}

static struct change *journal_add(struct journal *journal)
{
    struct change *change = memory_sure(sizeof *change);
    *change = (struct change){0};
    if (!journal->end)
        journal->end = &journal->first;
    *journal->end = change;
    journal->end = &change->next;
    return change;
}

void entries_clear(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++) {
        free(entries->items[i].name);
        inode_unref(entries->items[i].inode);
    }
    free(entries->items);
    *entries = (struct entries){0};
}

void inode_unref(struct inode *inode)
{
    if (--inode->refs > 0)
        return;
    entries_clear(&inode->names);
    entries_clear(&inode->durable_names);
    journal_clear(&inode->journal);
    free(inode->bytes.data);
    free(inode->durable_bytes.data);
    free(inode);
}

struct entry *entries_find(struct entries *entries, const char *name)
{
    for (size_t i = 0; i < entries->count; i++)
        if (strcmp(entries->items[i].name, name) == 0)
            return &entries->items[i];
    return NULL;
}

static void entries_add(struct entries *entries, const char *name, struct inode *inode)
{
    size_t size = (entries->count + 1) * sizeof *entries->items;
    entries->items = resize(entries->items, size);
    entries->items[entries->count++] = (struct entry){copy_text(name), inode};
    inode->refs++;
}

static void entries_remove(struct entries *entries, struct entry *entry)
{
    free(entry->name);
    inode_unref(entry->inode);
    *entry = entries->items[--entries->count];
}

static void entries_set(struct entries *entries, const char *name, struct inode *inode)
{
    struct entry *entry = entries_find(entries, name);
    if (inode)
        inode->refs++;
    if (entry)
        entries_remove(entries, entry);
    if (inode) {
        entries_add(entries, name, inode);
        inode_unref(inode);
    }
}

/* Change what `name` leads to, and note it. `from`, if any, is the name that it had until now. */
void inode_set_name(struct inode *dir, const char *name, struct inode *inode, const char *from)
{
    struct change *change = journal_add(&dir->journal);
    change->name = copy_text(name);
    change->from = from ? copy_text(from) : NULL;
    change->inode = inode;
    if (inode)
        inode->refs++;
    if (from)
        entries_set(&dir->names, from, NULL);
    entries_set(&dir->names, name, inode);
}

void entries_copy(struct entries *to, const struct entries *from)
{
    struct entries copy = {0};
    for (size_t i = 0; i < from->count; i++)
        entries_add(&copy, from->items[i].name, from->items[i].inode);
    entries_clear(to); /* last: it may hold the only reference to what was just copied */
    *to = copy;
}

/* --- Bytes ------------------------------------------------------------------------------------- */

/* New bytes are zero. */
static void bytes_resize(struct bytes *bytes, uint64_t size)
{
    if (size > bytes->capacity) {
        uint64_t capacity = bytes->capacity * 2 > size ? bytes->capacity * 2 : size;
        bytes->data = resize(bytes->data, capacity);
        bytes->capacity = capacity;
    }
    if (size > bytes->size)
        memset(bytes->data + bytes->size, 0, size - bytes->size);
    bytes->size = size;
}

static void bytes_write(struct bytes *bytes, uint64_t offset, const uint8_t *data, size_t size)
{
    if (size > 0 && offset + size > bytes->size)
        bytes_resize(bytes, offset + size);
    if (size > 0)
        memcpy(bytes->data + offset, data, size);
}

void inode_write(struct inode *inode, uint64_t offset, const void *data, size_t size)
{
    if (size == 0)
        return;
    struct change *change = journal_add(&inode->journal);
    change->offset = offset;
    change->size = size;
    change->data = memcpy(memory_sure(size), data, size);
    bytes_write(&inode->bytes, offset, data, size);
}

void inode_resize(struct inode *inode, uint64_t size)
{
    if (size != inode->bytes.size)
        journal_add(&inode->journal)->offset = size;
    bytes_resize(&inode->bytes, size);
}

/* --- Making durable ---------------------------------------------------------------------------- */

#define SECTOR 512u

static void carry_out_name(struct inode *dir, const struct change *change)
{
    if (change->from)
        entries_set(&dir->durable_names, change->from, NULL);
    entries_set(&dir->durable_names, change->name, change->inode);
}

static void carry_out(struct inode *inode, const struct change *change)
{
    if (inode->is_dir)
        carry_out_name(inode, change);
    else if (change->data)
        bytes_write(&inode->durable_bytes, change->offset, change->data, change->size);
    else
        bytes_resize(&inode->durable_bytes, change->offset);
}

void inode_forget(struct inode *inode)
{
    journal_clear(&inode->journal);
}

void inode_sync(struct inode *inode)
{
    for (const struct change *change = inode->journal.first; change; change = change->next)
        carry_out(inode, change);
    journal_clear(&inode->journal);
}

struct inode_tally inode_tally;

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* What of a write that is torn is there afterwards. */
struct tearing {
    uint32_t grain;   /* bytes that are kept or lost together: a sector of 512, or less */
    uint32_t percent; /* of the pieces that are kept */
    int prefix;       /* the first ones, else any */
    /* Where a piece is lost that the file was growing by: bytes of somebody else's; else zeros. What is written over
     * is there as it was or as it was to be: disks change a sector whole (docs/guarantees.md). */
    int garbage;
};

static struct tearing choose_tearing(struct rng *rng)
{
    struct tearing how = {.grain = SECTOR, .percent = rng_below(rng, 101)};
    if (rng_below(rng, 2))
        how.grain = rng_below(rng, 2) ? 1 : 1 + rng_below(rng, 64);
    how.prefix = rng_below(rng, 2) == 0;
    how.garbage = rng_below(rng, 3) == 0;
    count(how.grain == SECTOR ? &inode_tally.torn_at_sectors : &inode_tally.torn_at_bytes);
    if (how.garbage)
        count(&inode_tally.garbage);
    return how;
}

/* From `end` on, where the file ended before. */
static void write_garbage(struct inode *inode, uint64_t offset, size_t size, uint64_t end,
                          struct rng *rng)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)rng_u64(rng);
        if (offset + i >= end)
            bytes_write(&inode->durable_bytes, offset + i, &byte, 1);
    }
}

/* Some pieces of a write. The size may have grown all the same. */
static void tear(struct inode *inode, const struct change *change, struct rng *rng)
{
    struct tearing how = choose_tearing(rng);
    uint64_t before = inode->durable_bytes.size;
    size_t done = 0;
    while (done < change->size) {
        size_t size = how.grain - (size_t)((change->offset + done) % how.grain);
        if (size > change->size - done)
            size = change->size - done;
        int keep = how.prefix ? done * 100 < change->size * how.percent
                              : rng_below(rng, 100) < how.percent;
        if (keep)
            bytes_write(&inode->durable_bytes, change->offset + done, change->data + done, size);
        else if (how.garbage)
            write_garbage(inode, change->offset + done, size, before, rng);
        done += size;
    }
    uint64_t end = change->offset + change->size;
    if (rng_below(rng, 2) && end > inode->durable_bytes.size)
        bytes_resize(&inode->durable_bytes, end);
}

/* Both names of what was renamed are there. */
static void keep_both_names(struct inode *dir, const struct change *change)
{
    entries_set(&dir->durable_names, change->name, change->inode);
    count(&inode_tally.renames_halved);
}

static void lose(struct inode *inode, const struct change *change, struct rng *rng, int *reordered)
{
    *reordered = 1;
    if (change->data && rng_below(rng, 2))
        tear(inode, change, rng);
    else if (change->from && change->inode && rng_below(rng, 4) == 0)
        keep_both_names(inode, change);
    else
        count(inode->is_dir ? &inode_tally.names_lost : &inode_tally.writes_lost);
}

/* Which of the changes that were not synced are kept. */
enum order {
    ORDER_ANY,    /* each by itself */
    ORDER_BEFORE, /* the first ones, as a journaling file system loses names */
    ORDER_AFTER,  /* the last ones */
};

static size_t journal_count(const struct journal *journal)
{
    size_t n = 0;
    for (const struct change *change = journal->first; change; change = change->next)
        n++;
    return n;
}

static void sync_at_random(struct inode *inode, struct rng *rng)
{
    uint32_t percent = rng_below(rng, 101);
    enum order order = (enum order)rng_below(rng, 3);
    size_t bound = rng_below(rng, (uint32_t)journal_count(&inode->journal) + 1), i = 0;
    int lost = 0;
    for (const struct change *change = inode->journal.first; change; change = change->next, i++) {
        int keep = order == ORDER_ANY ? rng_below(rng, 100) < percent
                                      : (order == ORDER_BEFORE) == (i < bound);
        if (!keep) {
            lose(inode, change, rng, &lost);
            continue;
        }
        carry_out(inode, change);
        count(lost ? &inode_tally.kept_before_lost : &inode_tally.kept);
    }
    journal_clear(&inode->journal);
}

/* Visible state := durable state, below `inode` too. rng NULL: what was not synced is all lost. */
void inode_crash(struct inode *inode, struct rng *rng)
{
    inode->locked = 0;
    if (rng)
        sync_at_random(inode, rng);
    journal_clear(&inode->journal);
    bytes_resize(&inode->bytes, 0);
    bytes_write(&inode->bytes, 0, inode->durable_bytes.data, inode->durable_bytes.size);
    entries_copy(&inode->names, &inode->durable_names);
    for (size_t i = 0; i < inode->names.count; i++)
        inode_crash(inode->names.items[i].inode, rng);
}

void inode_flip(struct inode *inode, uint64_t offset, unsigned bit)
{
    INVARIANT(offset < inode->bytes.size && bit < 8);
    inode->bytes.data[offset] ^= (uint8_t)(1u << bit);
    if (offset < inode->durable_bytes.size)
        inode->durable_bytes.data[offset] ^= (uint8_t)(1u << bit);
}

void inode_unlock(struct inode *inode)
{
    inode->locked = 0;
    for (size_t i = 0; i < inode->names.count; i++)
        inode_unlock(inode->names.items[i].inode);
}
