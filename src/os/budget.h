/* budget.h: memory that this process holds, counted by what it is for, and how much it may hold: one budget for
 * all databases of the process (docs/memory.md, docs/decisions/0091).
 *
 * Parts have shares of their own, so that no part can starve another: rows in memory always leave room for what
 * writes them out. What is counted is memory that only its owner can give back; mapped files are the kernel's,
 * and os/mapped.h gives their pages back.
 *
 * Any thread, at any time. Counting is one atomic addition and a comparison, done for pieces of memory and not for
 * single rows. */
#ifndef OS_BUDGET_H
#define OS_BUDGET_H

#include <stdint.h>

enum budget_part {
    BUDGET_GROWING,   /* rows not written out yet, and their graphs */
    BUDGET_BUILD,     /* what flushes, merges and graphs are made in */
    BUDGET_WRITE,     /* batches on their way into the log */
    BUDGET_SCRATCH,   /* what queries work in */
    BUDGET_DECRYPTED, /* blocks of encrypted files, until these are closed */
    BUDGET_OTHER,     /* text models, request ids, copies of backups */
    BUDGET_PARTS,
};

/* Bytes; 0: no limit, as in the beginning. What is held stays held. */
void budget_set(uint64_t bytes);
uint64_t budget_bytes(void); /* 0: no limit */
/* What the part may hold; UINT64_MAX: no limit. Scratch, decrypted and other have none: reads are not refused. */
uint64_t budget_share(enum budget_part part);

/* Count `bytes` if the part then is within its share: 1, or 0. */
int budget_try(enum budget_part part, uint64_t bytes);
/* Count them whatever there is. */
void budget_take(enum budget_part part, uint64_t bytes);
void budget_give(enum budget_part part, uint64_t bytes);
uint64_t budget_used(enum budget_part part);

/* How often memory was given back. Read it, try, and when that fails wait for the next time. */
uint64_t budget_returns(void);
/* Until budget_returns() is not `seen` any more, at most timeout_us. 1: it is another. */
int budget_wait(uint64_t seen, uint64_t timeout_us);

/* For the figures: somebody waited; somebody was refused. */
void budget_waited(uint64_t us);
void budget_refused(void);

struct budget_figures {
    uint64_t bytes;
    uint64_t used[BUDGET_PARTS];
    uint64_t used_sum, peak; /* of all parts together */
    uint64_t waits, waited_us, refusals;
};
void budget_figures(struct budget_figures *ret_figures);

#endif
