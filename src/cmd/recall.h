/* recall.h: how much of the truth a result found. A hit counts when its id is among the truth's, or
 * when its score is as good as the worst of them: which of equally near points is returned is no
 * fault. */
#ifndef CMD_RECALL_H
#define CMD_RECALL_H

#include <lode/lode.h>

/* Whether score a is better than or equal to b, up to float rounding. */
int recall_as_good(lode_metric metric, float a, float b);

/* Hits of `found` that count, of truth->hit_count. */
size_t recall_hits(lode_metric metric, const lode_result *found, const lode_result *truth);

#endif
