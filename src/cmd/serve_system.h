/* serve_system.h: what systemd and its like agree on with a service: sockets that are passed on, and datagrams that say
 * how it is. A few lines each, so libsystemd is not needed. */
#ifndef CMD_SERVE_SYSTEM_H
#define CMD_SERVE_SYSTEM_H

#include "base/error.h"

#define SERVE_SOCKETS_MAX 16

/* The listening sockets that this process was given (LISTEN_PID, LISTEN_FDS); the variables are gone afterwards, so that no
 * child believes that they are its own. *ret_count 0: none. LODE_INVALID: what was given does not listen. */
NODISCARD lode_status serve_sockets(int sockets[SERVE_SOCKETS_MAX], size_t *ret_count,
                                    lode_error *error);

/* Tell the manager in NOTIFY_SOCKET, if there is one: "READY=1\nSTATUS=...". A manager that does not listen is none. */
void serve_notify(const char *state);
/* RELOADING=1, with the moment that systemd wants to know. */
void serve_notify_reloading(void);

/* As many open files as this user may have. Returns that number. */
uint64_t serve_raise_files(void);

#endif
