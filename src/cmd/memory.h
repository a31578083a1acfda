/* memory.h: --memory and LODE_MEMORY: the budget of lode_memory_budget_set, for every command alike. */
#ifndef CMD_MEMORY_H
#define CMD_MEMORY_H

extern const char *memory_given; /* --memory, as given; set by args_parse; NULL: not */

/* Set the budget: `given` on the command line, or NULL: LODE_MEMORY in the environment, if that is there and not
 * empty. 0, or the exit code after a report. */
int memory_apply(const char *command, const char *given);

#endif
