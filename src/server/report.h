/* report.h: what is told of a call that has ended: counted, logged, audited and traced. */
#ifndef SERVER_REPORT_H
#define SERVER_REPORT_H

#include "server/call.h"
#include "server/rates.h"

/* Of lines about denied requests. */
NODISCARD lode_status report_rates(struct rates **ret_rates, lode_error *error);

/* On the call's loop; the call is whole, and nobody else has it any more. */
void report(struct call *call, const struct net_outcome *outcome);

#endif
