/* server.h: a database as a service. server_new binds and listens; server_run opens the database on a thread of its own,
 * so that /healthz answers and /readyz says "not ready" while logs are replayed, and serves until server_stop. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "base/error.h"
#include "server/config.h"

struct server;

/* config: as config_check accepts it; borrowed until server_free. sockets: that listen already (socket activation), or
 * NULL; taken. Errors name what is wrong: addresses, certificates, key files. */
NODISCARD lode_status server_new(const struct config *config, const int *sockets,
                                 size_t socket_count, struct server **ret_server,
                                 lode_error *error);
/* Address `i` that it listens at, with its port. */
const char *server_address(const struct server *server, size_t i);
/* LODE_OK after server_stop, once everything is drained, flushed and closed; else why the database could not be opened. */
NODISCARD lode_status server_run(struct server *server, lode_error *error);
/* Drain for config.http.drain_ms at most; called again: at once. Any thread, not from a signal handler. */
void server_stop(struct server *server);
/* Read certificates, keys, JWKS and the log level again, and open the log file again; what fails stays as it was, is logged,
 * and is returned. Any thread. config: read anew; of it only tls, auth and log.level are used, and what else has changed is
 * logged: it waits for a restart. */
NODISCARD lode_status server_reload(struct server *server, const struct config *config,
                                    lode_error *error);
/* There is nothing to reload, since the settings are wrong: it is logged. */
void server_reload_refused(struct server *server, const lode_error *error);
void server_free(struct server *server); /* NULL is allowed */

#endif
