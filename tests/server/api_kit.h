/* api_kit.h: handlers of points over a real database, without a network: a call filled by hand, and the few functions of
 * net and of the service that they use. Included once by a test. */
#ifndef TESTS_SERVER_API_KIT_H
#define TESTS_SERVER_API_KIT_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "server/api.h"
#include "server/metrics.h"
#include "server/quota.h"
#include "server/service.h"
#include "support/temp_dir.h"

struct exchange {
    struct net_request request;
    atomic_int cancelled;
    uint64_t deadline_us;
};

/* What a call of the test says beside operation, query and body. */
static struct {
    char path[PATH_SIZE_MAX];
    lode_db *db;
    lode_collection *films;
    struct handle handle;
    struct principal who;
    struct quotas *quotas;
    struct server server;
    const char *idempotency_key, *id;
    const uint8_t *binary;
    size_t binary_size;
    struct exchange exchange;
    unsigned taken; /* handles not given back */
    char namespace_[LODE_NAMESPACE_SIZE_MAX + 1];
} kit;

const struct net_request *exchange_request(const struct exchange *exchange)
{
    return &exchange->request;
}

const atomic_int *exchange_cancelled(const struct exchange *exchange)
{
    return &exchange->cancelled;
}

uint64_t exchange_started_us(const struct exchange *exchange)
{
    return exchange->request.arrived_us;
}

void exchange_set_deadline(struct exchange *exchange, uint64_t deadline_us)
{
    exchange->deadline_us = deadline_us;
}

const char *net_request_header(const struct net_request *request, const char *name)
{
    (void)request;
    return strcmp(name, "idempotency-key") == 0 ? kit.idempotency_key : NULL;
}

const struct handle *api_take(struct call *call, const char *namespace_)
{
    lode_error error = {0};
    kit.namespace_[0] = '\0';
    if (namespace_ && *namespace_) {
        snprintf(kit.namespace_, sizeof kit.namespace_, "%s", namespace_);
        if (lode_namespace_open(kit.films, namespace_, &kit.handle.collection, &error)) {
            call_fail(call, &error, "namespace", -1);
            return NULL;
        }
    } else {
        kit.handle.collection = kit.films;
    }
    kit.handle.schema = lode_collection_schema(kit.films);
    kit.taken++;
    return &kit.handle;
}

void api_give(struct call *call, const struct handle *handle)
{
    (void)call;
    if (handle->collection != kit.films)
        lode_collection_close(handle->collection);
    kit.taken--;
}

static void kit_open(uint32_t dim, lode_metric metric)
{
    lode_error error = {0};
    memset(&kit, 0, sizeof kit);
    static const char *const operations[] = {"query"};
    static const struct config config;
    kit.server.config = &config;
    assert_int_equal(metrics_new(operations, 1, &kit.server.metrics, &error), LODE_OK);
    assert_int_equal(quotas_new(&kit.quotas, &error), LODE_OK);
    assert_int_equal(
        quotas_take(kit.quotas, "", (struct quota_rates){0}, 0, &kit.who.quota, &error), LODE_OK);
    temp_dir_make(kit.path);
    assert_int_equal(lode_db_open(kit.path, NULL, &kit.db, &error), LODE_OK);
    const lode_schema schema = {.dim = dim, .metric = metric};
    assert_int_equal(lode_collection_create(kit.db, "films", &schema, &kit.films, &error), LODE_OK);
}

static void kit_close(void)
{
    assert_int_equal(kit.taken, 0);
    lode_collection_close(kit.films);
    lode_db_close(kit.db);
    metrics_free(kit.server.metrics);
    quota_give(kit.quotas, kit.who.quota);
    quotas_free(kit.quotas);
    temp_dir_remove(kit.path);
}

/* The answer of the last call: its body ends with NUL. */
static struct {
    unsigned status;
    char body[1 << 16];
    uint64_t points, sequence;
} got;

static void kit_call(const char *operation, void (*run)(struct call *call), const char *query,
                     const void *body, size_t body_size)
{
    static const struct route route_read = {.lane = NET_LANE_READ, .bodies = BODY_JSON};
    struct route route = route_read;
    struct call call = {
        .server = &kit.server, .exchange = &kit.exchange, .who = &kit.who, .status = 200};
    route.operation = operation;
    route.is_mutation = strncmp(operation, "vectors.", 8) == 0;
    route.lane = strncmp(operation, "vectors.", 8) == 0 ? NET_LANE_WRITE : NET_LANE_READ;
    call.route = &route;
    call.body_kind = kit.binary ? BODY_BINARY : BODY_JSON;
    call.parameters[0] = (char *)(uintptr_t) "films";
    call.parameters[1] = (char *)(uintptr_t)kit.id;
    kit.exchange.request = (struct net_request){.query = query ? query : "", .arrived_us = 1};
    kit.exchange.deadline_us = 0;
    /* A copy that ends where the body does, for AddressSanitizer. */
    call.body = body_size ? malloc(body_size) : NULL;
    if (body_size)
        memcpy(call.body, body, body_size);
    call.body_size = body_size;
    buf_init(&call.out, sizeof got.body - 1);
    arena_init(&call.memory);
    run(&call);
    memcpy(got.body, call.out.data ? call.out.data : (const uint8_t *)"", call.out.size);
    got.body[call.out.size] = '\0';
    got.status = call.status;
    got.points = call.points;
    got.sequence = call.sequence;
    buf_release(&call.out);
    arena_release(&call.memory);
    free(call.body);
    assert_int_equal(kit.taken, 0);
}

/* Run, and want this status and, unless NULL, this body. */
static void kit_want(const char *operation, void (*run)(struct call *call), const char *query,
                     const char *body, unsigned status, const char *answer)
{
    if (kit.binary)
        kit_call(operation, run, query, kit.binary, kit.binary_size);
    else
        kit_call(operation, run, query, body, body ? strlen(body) : 0);
    if (got.status != status || (answer && strcmp(got.body, answer) != 0))
        fail_msg("%s %s: status %u, not %u\n got: %s\nwant: %s", operation, body ? body : "",
                 got.status, status, got.body, answer ? answer : "");
    if (got.status == 200)
        assert_int_equal(json_validate(got.body, strlen(got.body), JSON_OBJECT, NULL), LODE_OK);
}

static void kit_want_part(const char *operation, void (*run)(struct call *call), const char *query,
                          const char *body, unsigned status, const char *part)
{
    kit_want(operation, run, query, body, status, NULL);
    if (!strstr(got.body, part))
        fail_msg("%s %s\n got: %s\nwant: %s", operation, body ? body : "", got.body, part);
}

#endif
