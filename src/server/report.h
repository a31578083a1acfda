/* report.h: what is told of a call that has ended: counted, logged, audited and traced. */
#ifndef SERVER_REPORT_H
#define SERVER_REPORT_H

#include "server/call.h"
#include "server/rates.h"

/* Of lines about denied requests. */
NODISCARD lode_status report_rates(struct rates **ret_rates, lode_error *error);

/* The audit log's line of a change that was carried out, whatever came of it. Before it is answered: who was told of a change
 * finds it there, and no client decides when the line is written. On the thread that ran it. */
void report_change(struct call *call);
/* The line of a change that goes on for long and is seen meanwhile: it may begin. On the same thread. */
void report_begun(const struct call *call);

/* The rest. On the call's loop; the call is whole, and nobody else has it any more. */
void report(struct call *call, const struct net_outcome *outcome);

#endif
