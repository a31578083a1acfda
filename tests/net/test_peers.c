/* test_peers.c: connections are counted by address; near ones are not, and of IPv6 networks are. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static struct peers peers;

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage address = {0};
    struct sockaddr_in *in = (void *)&address;
    struct sockaddr_in6 *in6 = (void *)&address;
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
        address.ss_family = AF_INET;
    } else {
        assert_int_equal(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
        address.ss_family = AF_INET6;
    }
    return address;
}

static unsigned enter(const char *text, bool is_let_in)
{
    struct sockaddr_storage address = address_of(text);
    unsigned place = 0;
    assert_int_equal(peers_enter(&peers, &address, &place), is_let_in);
    return place;
}

static void counts_by_address(void **state)
{
    (void)state;
    peers_init(&peers, 2);
    unsigned place = enter("198.51.100.1", true);
    assert_int_equal(enter("198.51.100.1", true), place);
    enter("198.51.100.1", false);
    enter("::ffff:198.51.100.1", false); /* the same one */
    enter("198.51.100.1", false);        /* who is refused is not counted */
    peers_leave(&peers, place);
    enter("198.51.100.1", true);
    enter("198.51.100.1", false);
}

static void counts_networks_of_ipv6(void **state)
{
    (void)state;
    peers_init(&peers, 2);
    enter("2001:db8::1", true);
    enter("2001:db8::2", true);
    enter("2001:db8::ffff:3", false);
}

static void leaves_near_ones_alone(void **state)
{
    static const char *const near[] = {
        "127.0.0.1",   "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.9",
        "169.254.1.1", "::1",      "fe80::1",    "fd00::1",        "::ffff:10.0.0.1",
    };
    static const char *const far[] = {"11.0.0.1",    "172.15.0.1", "172.32.0.1",
                                      "192.169.0.1", "128.0.0.1",  "2001:db8::1"};
    (void)state;
    peers_init(&peers, 0);
    for (size_t i = 0; i < sizeof near / sizeof *near; i++)
        assert_int_equal(enter(near[i], true), PEERS_NOT_LISTED);
    for (size_t i = 0; i < sizeof far / sizeof *far; i++)
        enter(far[i], false);
    peers_leave(&peers, PEERS_NOT_LISTED);
}

static void leaves_other_families_alone(void **state)
{
    const struct sockaddr_storage local = {.ss_family = AF_UNIX};
    unsigned place = 0;
    (void)state;
    peers_init(&peers, 0);
    assert_true(peers_enter(&peers, &local, &place));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_by_address),
        cmocka_unit_test(counts_networks_of_ipv6),
        cmocka_unit_test(leaves_near_ones_alone),
        cmocka_unit_test(leaves_other_families_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
