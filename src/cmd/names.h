/* names.h: how the enumerations of lode.h are written on the command line and in results. Each list
 * ends with NULL and is indexed by the enumeration's values. */
#ifndef CMD_NAMES_H
#define CMD_NAMES_H

#include <lode/lode.h>

extern const char *const metric_names[];
extern const char *const layout_names[];
extern const char *const scalar_names[];
extern const char *const index_names[];
extern const char *const segment_state_names[]; /* [0] is unused */
extern const char *const job_names[];           /* [0] is unused */
extern const char *const job_reason_names[];    /* by lode_job_reason; [0] is unused */
extern const char *const job_wait_names[];      /* by lode_job_wait; likewise */

const char *declared_type_name(lode_field_type type);
/* 0 when there is no such type. */
lode_field_type field_type_of(const char *name);

#endif
