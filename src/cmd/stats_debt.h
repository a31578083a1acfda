/* stats_debt.h: what `lode stats` says of merges that are behind. */
#ifndef CMD_STATS_DEBT_H
#define CMD_STATS_DEBT_H

#include <lode/lode.h>

#include <stdio.h>

/* A line for segments that wait for a merge and one for batches that were slowed; nothing of what is 0. */
void stats_print_debt(FILE *to, const lode_stats *stats);

#endif
