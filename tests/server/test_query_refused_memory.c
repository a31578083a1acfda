/* test_query_refused_memory.c: a parameter that there is no memory for is not one that was left out: a namespace, a filter or a
 * condition that is lost makes another operation of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "server/call.h"
#include "support/refusing.h"

enum { FILTER_SIZE = 6000 }; /* no block of the call's memory has room for two */

struct exchange {
    struct net_request request;
    atomic_int cancelled;
};

const struct net_request *exchange_request(const struct exchange *exchange)
{
    return &exchange->request;
}

const atomic_int *exchange_cancelled(const struct exchange *exchange)
{
    return &exchange->cancelled;
}

/* What a handler finds. */
struct found {
    const char *filter, *namespace_;
    uint64_t version;
};

static bool ask(struct call *call, struct found *found)
{
    static const char *const names[] = {"filter", "namespace", "if_version", NULL};
    if (!call_query_only(call, names))
        return false;
    found->filter = call_query(call, "filter");
    found->namespace_ = call_query(call, "namespace");
    return call_query_u64(call, "if_version", 1, 9, 0, &found->version);
}

/* Whether the allocation of this number was asked for; it is refused. */
static bool ask_refused(struct exchange *exchange, uint64_t refuse_at)
{
    struct call call = {.exchange = exchange, .status = 200};
    struct found found = {.filter = NULL};
    bool is_good;
    arena_init(&call.memory);
    buf_init(&call.out, 4096);
    refusing = (struct refusing){.refuse_at = refuse_at};
    ARMED(is_good = ask(&call, &found));
    if (call_has_failed(&call)) {
        assert_int_equal(call.status, 503);
    } else {
        assert_true(is_good && found.filter && found.namespace_);
        assert_int_equal(strlen(found.filter), FILTER_SIZE);
        assert_string_equal(found.namespace_, "anna");
        assert_int_equal(found.version, 7);
    }
    arena_release(&call.memory);
    buf_release(&call.out);
    return refusing.asked >= refuse_at;
}

static void no_parameter_is_lost(void **state)
{
    char query[FILTER_SIZE + 100];
    struct exchange exchange = {.request.query = query};
    uint64_t refused = 0;
    (void)state;
    (void)snprintf(query, sizeof query, "filter=%0*d&namespace=anna&if_version=7", FILTER_SIZE, 0);
    while (ask_refused(&exchange, refused + 1))
        refused++;
    assert_true(refused >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(no_parameter_is_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
