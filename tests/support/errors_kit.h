/* errors_kit.h: public functions called with bad arguments, one after another: what each answers becomes a row of a table
 * in docs/errors.md, and nothing has changed by it: no output was written, no batch applied, no collection, alias,
 * snapshot or file made. */
#ifndef TESTS_SUPPORT_ERRORS_KIT_H
#define TESTS_SUPPORT_ERRORS_KIT_H

#include "base/buf.h"
#include "support/engine_kit.h"

enum { ERRORS_DIM = 4 };

extern lode_error error; /* what functions are to fill */
extern struct errors_fixture {
    char path[PATH_SIZE_MAX];
    lode_db *db;
    lode_collection *l2, *cosine, *f16, *int8;
    lode_snapshot *other_snapshot; /* of another collection than l2 */
    struct buf table;
    uint64_t sequence, files;
} fixture;
extern const float errors_good[ERRORS_DIM];

/* Outputs, which no refused call may touch. */
extern struct errors_outputs {
    lode_db *db;
    lode_collection *collection;
    lode_catalog *catalog;
    lode_snapshot *snapshot;
    lode_snapshot_list *snapshots;
    lode_result *result;
    lode_iterator *iterator;
    const lode_hit *hit;
    lode_stats *stats;
    lode_backup_list *backups;
    lode_write_info info;
    lode_train_info trained;
    float vector[ERRORS_DIM];
    int known;
    lode_page *page;
    lode_facets *facets;
    lode_groups *groups;
    lode_explanation *explanation;
    uint64_t count;
} out;

int errors_set_up(void **state);
int errors_tear_down(void **state);

/* Call it: it must fail, and that is the next row. */
#define BAD(function, what, ...) errors_note(#function, what, function(__VA_ARGS__))
void errors_note(const char *function, const char *what, lode_status status);
/* So many times that character; free it. */
char *errors_repeat(char c, size_t size);
/* Compare the rows so far with the table that says it is made by that file, or, with LODE_WRITE_ERRORS=1, write it. */
void errors_compare(const char *program);

#endif
