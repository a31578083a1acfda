/* What is written field by field is what protobuf-c reads; and what is found in the descriptors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include <proto/lode.pb-c.h>

#include "base/le.h"
#include "server/grpc_descriptors.h"
#include "server/grpc_put.h"

static struct buf out;
static struct put put;
static lode_error error;

static int setup(void **state)
{
    (void)state;
    buf_init(&out, 1 << 20);
    put_init(&put, &out, &error);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_release(&out);
    return 0;
}

static void put_hit(unsigned number, uint64_t id, const char *text)
{
    static const float vector[2] = {1, 2};
    size_t hit = put_begin(&put);
    size_t begin = put_begin(&put);
    put_choice_u64(&put, 1, id);
    put_end(&put, 1, begin);
    put_f32(&put, 2, 0);
    put_bytes(&put, 3, vector, sizeof vector);
    put_bytes(&put, 4, vector, sizeof vector);
    put_bytes(&put, 6, text, strlen(text));
    put_u64(&put, 7, UINT64_MAX);
    put_u64(&put, 8, 0);
    put_end(&put, number, hit);
}

static void what_is_put_is_read(void **state)
{
    char text[300];
    Lode__V1__QueryResponse rest = LODE__V1__QUERY_RESPONSE__INIT;
    Lode__V1__QueryInfo info = LODE__V1__QUERY_INFO__INIT;
    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    put_hit(1, 0, "");
    put_hit(1, 300, text);
    info.sequence = 9;
    rest.info = &info;
    put_fields(&put, &rest.base);
    assert_int_equal(put.status, LODE_OK);
    Lode__V1__QueryResponse *got = lode__v1__query_response__unpack(NULL, out.size, out.data);
    assert_non_null(got);
    assert_int_equal(got->n_hits, 2);
    assert_int_equal(got->hits[0]->id->kind_case, LODE__V1__ID__KIND_NUMBER);
    assert_int_equal(got->hits[0]->id->number, 0);
    assert_int_equal(got->hits[1]->id->number, 300);
    assert_string_equal(got->hits[1]->text, text);
    assert_int_equal(got->hits[1]->vector.len, 8);
    assert_true(le_load_f32(got->hits[1]->vector.data + 4) == 2);
    assert_int_equal(got->hits[1]->n_values, 2);
    assert_true(got->hits[1]->values[1] == 2);
    assert_true(got->hits[1]->version == UINT64_MAX);
    assert_int_equal(got->hits[1]->base.n_unknown_fields, 0);
    assert_int_equal(got->info->sequence, 9);
    /* As many bytes as protobuf-c would write, but for two scores of 0 (5 bytes each), written all the same. */
    assert_int_equal(lode__v1__query_response__get_packed_size(got) + 10, out.size);
    lode__v1__query_response__free_unpacked(got, NULL);
}

static void messages_of_any_size(void **state)
{
    static const size_t sizes[] = {0, 1, 125, 126, 127, 128, 129, 16382, 16383, 16384, 70000};
    static char text[70001];
    (void)state;
    memset(text, 'y', sizeof text - 1);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        buf_clear(&out);
        size_t begin = put_begin(&put);
        put_bytes(&put, 1, text, sizes[i]);
        put_end(&put, 1, begin);
        Lode__V1__ListAliasesResponse *got =
            lode__v1__list_aliases_response__unpack(NULL, out.size, out.data);
        assert_non_null(got);
        assert_int_equal(got->n_aliases, 1);
        assert_int_equal(strlen(got->aliases[0]->name), sizes[i]);
        assert_int_equal(lode__v1__list_aliases_response__get_packed_size(got), out.size);
        lode__v1__list_aliases_response__free_unpacked(got, NULL);
    }
}

static void what_does_not_fit_fails(void **state)
{
    static const char bytes[64];
    (void)state;
    out.size_max = 100;
    put_bytes(&put, 1, bytes, sizeof bytes);
    assert_int_equal(put.status, LODE_OK);
    size_t size = out.size;
    put_bytes(&put, 1, bytes, sizeof bytes);
    assert_int_equal(put.status, LODE_LIMIT);
    put_u64(&put, 2, 1); /* later ones do nothing */
    put_end(&put, 1, 0);
    assert_int_equal(out.size, size);
}

static int file_is(struct descriptor file, const char *name)
{
    /* FileDescriptorProto begins with its name: field 1. */
    return file.data && file.size > 2 + strlen(name) && file.data[0] == 0x0a &&
           file.data[1] == strlen(name) && memcmp(file.data + 2, name, strlen(name)) == 0;
}

static void descriptors(void **state)
{
    static const char *const ours[] = {
        "lode.v1.Vectors", "lode.v1.Vectors.Query", "lode.v1.Query",     "lode.v1.Query.k",
        "lode.v1.Metric",  "lode.v1.Id.kind",       "lode.v1.Id.number", "lode.v1.ExportRequest"};
    static const char *const nobodys[] = {"",
                                          "lode",
                                          "lode.v1",
                                          "lode.v1.",
                                          "lode.v1.Vec",
                                          "lode.v1.Vectors.",
                                          "lode.v1.Vectors.Query.x",
                                          "lode.v1.Vectorsx",
                                          ".lode.v1.Vectors",
                                          "Vectors"};
    const struct descriptor set = descriptors_own();
    char name[80];
    (void)state;
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        assert_true(file_is(descriptors_symbol(set, ours[i]), "lode.proto"));
    for (size_t i = 0; i < sizeof nobodys / sizeof nobodys[0]; i++)
        assert_null(descriptors_symbol(set, nobodys[i]).data);
    assert_true(file_is(descriptors_symbol(set, "grpc.health.v1.HealthCheckResponse.ServingStatus"),
                        "grpc/health/v1/health.proto"));
    assert_true(file_is(descriptors_file(set, "lode.proto"), "lode.proto"));
    assert_null(descriptors_file(set, "lode.prot").data);
    size_t count = 0;
    while (descriptors_service(set, count, name, sizeof name))
        count++;
    assert_int_equal(count, 7);
    assert_int_equal(descriptors_service(set, 0, name, 10), 0); /* no room */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_put_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(messages_of_any_size, setup, teardown),
        cmocka_unit_test_setup_teardown(what_does_not_fit_fails, setup, teardown),
        cmocka_unit_test(descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
