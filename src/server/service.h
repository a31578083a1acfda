/* service.h: the parts of a server, and how a request goes through them; for the files of the server itself. */
#ifndef SERVER_SERVICE_H
#define SERVER_SERVICE_H

#include "os/thread.h"
#include "server/access.h"
#include "server/audit.h"
#include "server/call.h"
#include "server/collector.h"
#include "server/config.h"
#include "server/grpc_health.h"
#include "server/handles.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/rates.h"
#include "server/recall_sample.h"
#include "server/server.h"
#include "server/trace.h"

#include <stdatomic.h>

enum server_state {
    SERVER_OPENING, /* the database is being opened, logs are replayed */
    SERVER_READY,
    SERVER_FAILED, /* it could not be opened: see server.opening_error */
    SERVER_STOPPING,
};

struct server {
    const struct config *config;
    /* Made by server_new and the same until server_free; each is thread-safe. */
    struct net_service service;
    struct net_server *net;
    struct access *access;
    struct audit *audit;   /* NULL: nothing is audited */
    struct rates *denials; /* that are logged and audited one by one: see report.c */
    struct log *log;
    struct metrics *metrics;
    struct tracer *tracer;
    /* Written by the opening thread before it stores SERVER_READY with release; whoever loads that with acquire may read
     * them. */
    lode_db *db;
    struct handles *handles;
    struct collector *collector;
    struct recall_sampler *recall;
    struct health *health;
    _Atomic enum server_state state;
    _Atomic unsigned stops;   /* how often server_stop was called */
    _Atomic unsigned percent; /* of the indices: opened so far; relaxed, to be told */
    lode_error opening_error; /* the opening thread's, read once it has been joined */
    struct thread opening;
};

/* What net_service has: context is the server. */
void service_begin(void *context, struct exchange *exchange);
void service_refused(void *context, struct exchange *exchange, enum net_refusal why,
                     unsigned retry_s);
void service_end(void *context, struct exchange *exchange, const struct net_outcome *outcome);
void service_malformed(void *context, const char *peer, unsigned status, const char *why);

/* Whether the call's principal may do this to the collection and namespace_ (NULL: see principal_may); false, and the call
 * has failed. */
bool service_may(struct call *call, enum role needed, const char *collection,
                 const char *namespace_);

#endif
