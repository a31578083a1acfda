/* explanation.h: shows what lode_explain says, for `count --explain` and `query --explain`. */
#ifndef CMD_EXPLANATION_H
#define CMD_EXPLANATION_H

#include "lode/lode.h"

/* Print the explanation of a request, or its error; the exit code. */
int explanation_run(lode_collection *collection, const lode_search_request *request);

#endif
