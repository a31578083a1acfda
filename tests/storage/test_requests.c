/* The table of request ids: the newest are found, the oldest forgotten, and bytes that are none refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "base/limits.h"
#include "base/random.h"
#include "storage/requests.h"
#include "support/storage_kit.h"

static lode_error error;

static struct batch_request request_of(uint64_t n, uint8_t id[8])
{
    le_store_u64(id, n);
    return (struct batch_request){
        .id = id, .id_size = 8, .counts = {.upserted = (uint32_t)n, .missing = 7}};
}

static void add(struct requests *requests, uint64_t n)
{
    uint8_t id[8];
    struct batch_request request = request_of(n, id);
    requests_add(requests, &request, n);
}

static void check(const struct requests *requests, uint64_t n, int remembered)
{
    uint8_t id[8];
    le_store_u64(id, n);
    const struct request *found = requests_find(requests, id, 8);
    assert_int_equal(found != NULL, remembered);
    if (!found)
        return;
    assert_int_equal(found->sequence, n);
    assert_int_equal(found->counts.upserted, (uint32_t)n);
    assert_int_equal(found->counts.missing, 7);
    assert_null(requests_find(requests, id, 7));
}

static void check_range(const struct requests *requests, uint64_t first, uint64_t last)
{
    if (first > 1)
        check(requests, first - 1, 0);
    for (uint64_t n = first; n <= last; n++)
        check(requests, n, 1);
    check(requests, last + 1, 0);
}

static void the_newest_are_found(void **state)
{
    (void)state;
    struct requests requests = {0}, decoded = {0};
    struct buf bytes;
    uint64_t last = 2 * REQUEST_IDS_MAX + 100;
    check(&requests, 1, 0);
    assert_ok(requests_reserve(&requests, &error));
    for (uint64_t n = 1; n <= last; n++) {
        add(&requests, n);
        if (n % 5000 == 0)
            check_range(&requests, n > REQUEST_IDS_MAX ? n - REQUEST_IDS_MAX + 1 : 1, n);
    }
    check_range(&requests, last - REQUEST_IDS_MAX + 1, last);
    buf_init(&bytes, 2u << 20);
    assert_ok(requests_encode(&requests, last - 10, &bytes, &error));
    assert_ok(requests_decode(NULL, &bytes, last - 10, &error));
    assert_ok(requests_decode(&decoded, &bytes, last, &error));
    assert_int_equal(decoded.count, REQUEST_IDS_MAX - 10);
    check_range(&decoded, last - REQUEST_IDS_MAX + 1, last - 10);
    for (uint64_t n = last - 9; n <= last + 5; n++)
        add(&decoded, n);
    check_range(&decoded, last - REQUEST_IDS_MAX + 6, last + 5);
    requests_release(&requests);
    requests_release(&decoded);
    buf_release(&bytes);
}

static void ids_of_the_largest_size_fit_a_manifest(void **state)
{
    (void)state;
    struct requests requests = {0};
    struct buf bytes;
    uint8_t id[LODE_REQUEST_ID_SIZE_MAX];
    memset(id, 7, sizeof id);
    assert_ok(requests_reserve(&requests, &error));
    for (uint64_t n = 1; n <= REQUEST_IDS_MAX; n++) {
        le_store_u64(id, n);
        struct batch_request request = {.id = id, .id_size = sizeof id};
        requests_add(&requests, &request, n);
    }
    buf_init(&bytes, 2u << 20);
    assert_ok(requests_encode(&requests, REQUEST_IDS_MAX, &bytes, &error));
    assert_ok(requests_decode(NULL, &bytes, REQUEST_IDS_MAX, &error));
    requests_release(&requests);
    buf_release(&bytes);
}

static void what_makes_no_sense_is_corrupt(void **state)
{
    (void)state;
    struct requests requests = {0};
    struct buf bytes;
    assert_ok(requests_reserve(&requests, &error));
    for (uint64_t n = 1; n <= 3; n++)
        add(&requests, n);
    buf_init(&bytes, 4096);
    assert_ok(requests_encode(&requests, 3, &bytes, &error));
    assert_int_equal(bytes.size, 3 * 33);
    assert_status(requests_decode(NULL, &bytes, 2, &error), LODE_CORRUPT); /* not yet written */
    for (bytes.size = 1; bytes.size < 99; bytes.size++)
        assert_int_equal(requests_decode(NULL, &bytes, 3, &error) == LODE_OK, bytes.size % 33 == 0);
    static const struct {
        size_t at;
        uint8_t byte;
    } damages[] = {{24, 0}, {24, 65}, {33, 1}, {33, 0}, {66, 2}};
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        uint8_t good = bytes.data[damages[i].at];
        bytes.data[damages[i].at] = damages[i].byte;
        assert_status(requests_decode(NULL, &bytes, 3, &error), LODE_CORRUPT);
        bytes.data[damages[i].at] = good;
    }
    assert_ok(requests_decode(NULL, &bytes, 3, &error));
    requests_release(&requests);
    buf_release(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_are_found),
        cmocka_unit_test(ids_of_the_largest_size_fit_a_manifest),
        cmocka_unit_test(what_makes_no_sense_is_corrupt),
    };
    return cmocka_run_group_tests_name("storage/requests", tests, NULL, NULL);
}
