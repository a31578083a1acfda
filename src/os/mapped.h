/* mapped.h: mapped files, of which the pages that are in memory count as this process's although the kernel can
 * drop them. Where there is a budget (os/budget.h), they are given back when the process as a whole comes near it.
 *
 * Giving back costs no data and no read of the disk: the page stays in the kernel's cache as long as that has room,
 * and the next touch maps it again. */
#ifndef OS_MAPPED_H
#define OS_MAPPED_H

#include <stddef.h>
#include <stdint.h>

/* A shared mapping of a file begins or, before it is unmapped, ends. */
void mapped_add(const void *data, size_t size);
void mapped_remove(const void *data, size_t size);

/* Whoever reads much of mapped files calls it now and then, every MAPPED_STEP bytes or so: when the process
 * is near its budget, mapped pages are given back. Does nothing where there is no budget. No lock is taken that a
 * caller could hold. */
#define MAPPED_STEP ((size_t)1 << 20)
void mapped_look(void);

/* Whether there is a budget, and with a mapping of that size more is mapped than it. Then a touched page is best
 * brought in alone: what the kernel brings in with it, to read ahead or because both were written at once, takes the
 * place of something that somebody asked for. */
int mapped_is_much(size_t size);

/* Of pages far apart, each of which may bring in others around it, so many make MAPPED_STEP. */
#define MAPPED_TOUCHES 8u

struct mapped_figures {
    uint64_t bytes;   /* mapped, in memory or not */
    uint64_t trims;   /* how often pages were given back */
    uint64_t trimmed; /* bytes of mappings looked through for that */
};
void mapped_figures(struct mapped_figures *ret_figures);

#endif
