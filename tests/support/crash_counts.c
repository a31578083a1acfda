/* crash_counts.c: see crash_counts.h. */
#include "support/crash_counts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/inode.h"

struct crash_counts crash_counts;

static void put(FILE *file, const char *name, const _Atomic uint64_t *counter)
{
    fprintf(file, "%s %" PRIu64 "\n", name, atomic_load(counter));
}

void crash_counts_report(void)
{
    const char *path = getenv("LODE_CRASH_COUNTS");
    FILE *file = path ? fopen(path, "we") : NULL;
    if (!file)
        return;
    put(file, "powers", &crash_counts.powers);
    put(file, "processes", &crash_counts.processes);
    put(file, "kills", &crash_counts.kills);
    put(file, "opens", &crash_counts.opens);
    put(file, "verifies", &crash_counts.verifies);
    put(file, "damages", &crash_counts.damages);
    put(file, "steps", &crash_counts.steps);
    put(file, "lost", &crash_counts.lost);
    put(file, "partial", &crash_counts.partial);
    put(file, "unopened", &crash_counts.unopened);
    put(file, "kept", &inode_tally.kept);
    put(file, "reordered", &inode_tally.kept_before_lost);
    put(file, "dropped", &inode_tally.writes_lost);
    put(file, "torn_at_sectors", &inode_tally.torn_at_sectors);
    put(file, "torn_at_bytes", &inode_tally.torn_at_bytes);
    put(file, "garbage", &inode_tally.garbage);
    put(file, "names_lost", &inode_tally.names_lost);
    put(file, "renames_halved", &inode_tally.renames_halved);
    fclose(file);
}
