/* What the readers of .fvecs, .bvecs, .ivecs and .npy take, and what they refuse. */
#include "cmd/source_case.h"

#include "base/le.h"

#include <math.h>

static const struct source_options fvecs = {.format = FORMAT_FVECS};
static const struct source_options npy = {.format = FORMAT_NPY};

/* Rows of `dim` floats counting up from 0, as .fvecs. */
static void make_fvecs(struct buf *out, uint32_t rows, uint32_t dim)
{
    buf_init(out, (size_t)64 << 20);
    for (uint32_t i = 0; i < rows; i++) {
        assert_int_equal(buf_append_u32(out, dim, NULL), LODE_OK);
        for (uint32_t j = 0; j < dim; j++) {
            float value = (float)(i * dim + j);
            assert_int_equal(buf_append(out, &value, sizeof value, NULL), LODE_OK);
        }
    }
}

static void test_fvecs(void **state)
{
    (void)state;
    struct buf data;
    make_fvecs(&data, 900, 100); /* more than the input buffer */
    struct source_options options = fvecs;
    options.id_start = 5;
    struct read read = read_bytes(data.data, data.size, &options);
    assert_string_equal(read.error.message, "");
    assert_int_equal(read.batch.count, 900);
    assert_int_equal(read.source->count, 900);
    for (size_t i = 0; i < 900; i++) {
        assert_int_equal(read.batch.points[i].id.number, 5 + i);
        assert_true(read.batch.points[i].vector[99] == (float)(i * 100 + 99));
    }
    read_end(&read);
    buf_release(&data);
}

static void test_fvecs_skip(void **state)
{
    (void)state;
    struct buf data;
    struct source *source = NULL;
    struct batch batch;
    make_fvecs(&data, 9, 3);
    assert_int_equal(batch_init(&batch, 10, NULL), LODE_OK);
    assert_int_equal(source_open_memory(data.data, data.size, &fvecs, &source, NULL), LODE_OK);
    assert_int_equal(source_skip(source, 7, NULL), LODE_OK);
    assert_int_equal(source_fill(source, &batch, 1, NULL), LODE_OK);
    assert_int_equal(batch.points[0].id.number, 7);
    assert_true(batch.points[0].vector[0] == 21.0f);
    assert_int_equal(source_skip(source, UINT64_MAX, NULL), LODE_OK);
    assert_int_equal(source->index, 9);
    source_close(source);
    batch_release(&batch);
    buf_release(&data);
}

static void test_fvecs_refusals(void **state)
{
    (void)state;
    struct buf data;
    make_fvecs(&data, 3, 4);
    refused(data.data, data.size - 1, &fvecs, LODE_INVALID, 3,
            "begins at byte 40 and has 19 of its 20 bytes");
    refused(data.data, 3, &fvecs, LODE_INVALID, 1, "within the row's first 4 bytes");
    struct source_options five = fvecs;
    five.dim = 5;
    refused(data.data, data.size, &five, LODE_INVALID, 1, "has 4 dimensions, not 5");
    le_store_u32(data.data + 20, 3);
    refused(data.data, data.size, &fvecs, LODE_INVALID, 2, "byte 20: the vector has 3 dimensions");
    le_store_u32(data.data + 20, 4);
    le_store_f32(data.data + 20 + 8, NAN);
    refused(data.data, data.size, &fvecs, LODE_INVALID, 2, "component 1 of the vector is NaN");
    le_store_f32(data.data + 20 + 8, -INFINITY);
    refused(data.data, data.size, &fvecs, LODE_INVALID, 2, "component 1 of the vector is infinite");
    le_store_u32(data.data, 0xffffffff);
    refused(data.data, data.size, &fvecs, LODE_INVALID, 1, "says that it has -1 dimensions");
    le_store_u32(data.data, LODE_DIM_MAX + 1);
    refused(data.data, data.size, &fvecs, LODE_INVALID, 1, "65537 dimensions; 1 to 65536");
    le_store_u32(data.data, 0);
    refused(data.data, data.size, &fvecs, LODE_INVALID, 1, "0 dimensions");
    struct read read = read_bytes("", 0, &fvecs);
    assert_int_equal(read.status, LODE_OK);
    assert_int_equal(read.batch.count, 0);
    read_end(&read);
    buf_release(&data);
}

static void test_bvecs_and_ivecs(void **state)
{
    (void)state;
    const uint8_t bytes[] = {3, 0, 0, 0, 0, 128, 255, 3, 0, 0, 0, 1, 2, 3};
    struct read read =
        read_bytes(bytes, sizeof bytes, &(struct source_options){.format = FORMAT_BVECS});
    assert_string_equal(read.error.message, "");
    assert_int_equal(read.batch.count, 2);
    assert_true(read.batch.points[0].vector[2] == 255.0f);
    read_end(&read);
    uint8_t ints[] = {1, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff};
    const struct source_options ivecs = {.format = FORMAT_IVECS};
    read = read_bytes(ints, sizeof ints, &ivecs);
    assert_string_equal(read.error.message, "");
    assert_true(read.batch.points[0].vector[0] == -2.0f);
    read_end(&read);
    le_store_u32(ints + 4, 16777217);
    refused(ints, sizeof ints, &ivecs, LODE_INVALID, 1, "16777217: beyond");
}

/* --- .npy ----------------------------------------------------------------------------------------- */

static size_t make_npy(uint8_t *out, int version, const char *header, const void *data, size_t size)
{
    size_t header_size = strlen(header), at = version == 1 ? 10 : 12;
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (uint8_t)version;
    out[7] = 0;
    le_store_u32(out + 8, (uint32_t)header_size);
    memcpy(out + at, header, header_size);
    if (size)
        memcpy(out + at + header_size, data, size);
    return at + header_size + size;
}

static void npy_gives(const char *descr, const void *data, size_t size, const float *wanted)
{
    uint8_t file[512];
    char header[128];
    snprintf(header, sizeof header,
             "{'descr': '%s', 'fortran_order': False, 'shape': (2, 2), }          \n", descr);
    for (int version = 1; version <= 3; version++) {
        size_t file_size = make_npy(file, version, header, data, size);
        struct read read = read_bytes(file, file_size, &npy);
        assert_string_equal(read.error.message, "");
        assert_int_equal(read.batch.count, 2);
        assert_int_equal(read.source->dim, 2);
        assert_memory_equal(read.batch.points[0].vector, wanted, 8);
        assert_memory_equal(read.batch.points[1].vector, wanted + 2, 8);
        read_end(&read);
    }
}

static void test_npy_types(void **state)
{
    (void)state;
    const float f4[] = {1, -2.5f, 0, 1e30f};
    npy_gives("<f4", f4, sizeof f4, f4);
    const double f8[] = {1, -2.5, 0, 1e-3};
    npy_gives("<f8", f8, sizeof f8, (const float[]){1, -2.5f, 0, 1e-3f});
    const uint16_t f2[] = {0x3c00, 0xc100, 0x0001, 0x7bff};
    npy_gives("<f2", f2, sizeof f2, (const float[]){1, -2.5f, 0x1p-24f, 65504});
    const int8_t i1[] = {-128, 0, 1, 127};
    npy_gives("|i1", i1, sizeof i1, (const float[]){-128, 0, 1, 127});
    const uint8_t u1[] = {0, 1, 128, 255};
    npy_gives("|u1", u1, sizeof u1, (const float[]){0, 1, 128, 255});
    const int16_t i2[] = {-32768, 0, 1, 2};
    npy_gives("<i2", i2, sizeof i2, (const float[]){-32768, 0, 1, 2});
    const int64_t i8[] = {-3, 0, 1, 1ll << 40};
    npy_gives("<i8", i8, sizeof i8, (const float[]){-3, 0, 1, 0x1p40f});
}

static void refuse_header(const char *header, const char *words)
{
    uint8_t file[512];
    const float data[4] = {0};
    size_t size = make_npy(file, 1, header, data, sizeof data);
    refused(file, size, &npy, LODE_INVALID, 0, words);
}

static void test_npy_headers(void **state)
{
    (void)state;
    refuse_header("{'descr': '>f4', 'fortran_order': False, 'shape': (2, 2), }", "type is '>f4'");
    refuse_header("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2), }", "Fortran order");
    refuse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", "has 1 dimensions");
    refuse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2, 2)}", "3 dimensions");
    refuse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 0)}", "0 dimensions");
    refuse_header("{'descr': '<f4', 'fortran_order': False}", "lacks one of");
    refuse_header("{'descr': [('a', '<f4')], 'fortran_order': False}", "structured");
    refuse_header("{'descr': '<f4', 'descr': '<f4'}", "'descr' twice");
    refuse_header("{'x': '<f4'}", "unknown key 'x'");
    refuse_header("{'descr': '<f4', 'fortran_order': 0}", "no sense at byte");
    refuse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2)} x", "no sense");
    refuse_header("{'descr: <f4", "no sense at byte 1");
    refuse_header("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }",
                  "promises 3 rows of 8 bytes");
    refuse_header("{'descr': '<f4', 'fortran_order': False, "
                  "'shape': (9223372036854775807, 65536), }",
                  "promises 9223372036854775807 rows");
    refuse_header("{'descr': '<f4', 'fortran_order': False, "
                  "'shape': (99999999999999999999, 2), }",
                  "no sense");
    refused("\x93NUMPX\x01\x00\x01\x00{", 11, &npy, LODE_INVALID, 0, "not a .npy file");
    refused("\x93NUMPY\x01\x00\xff\x00{", 11, &npy, LODE_INVALID, 0, "ends within its header");
    refused("\x93NUMPY\x02\x00\xff\xff\xff\xff{", 13, &npy, LODE_INVALID, 0, "4294967295 bytes");
    refused("\x93NUMPY\x04\x00\x01\x00{", 11, &npy, LODE_UNSUPPORTED, 0, "version 4.0");
    refused("", 0, &npy, LODE_INVALID, 0, "not a .npy file");
}

static void test_npy_not_finite(void **state)
{
    (void)state;
    uint8_t file[512];
    const uint16_t half[] = {0x3c00, 0x3c00, 0x3c00, 0x7c00};
    size_t size =
        make_npy(file, 1, "{'descr':'<f2','fortran_order':False,'shape':(2,2)}", half, sizeof half);
    refused(file, size, &npy, LODE_INVALID, 2, "component 1 of the vector is infinite");
    const double wide[] = {1, 1, 1e300, 1};
    size =
        make_npy(file, 1, "{'descr':'<f8','fortran_order':False,'shape':(2,2)}", wide, sizeof wide);
    refused(file, size, &npy, LODE_INVALID, 2, "component 0 of the vector is infinite");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fvecs),          cmocka_unit_test(test_fvecs_skip),
        cmocka_unit_test(test_fvecs_refusals), cmocka_unit_test(test_bvecs_and_ivecs),
        cmocka_unit_test(test_npy_types),      cmocka_unit_test(test_npy_headers),
        cmocka_unit_test(test_npy_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
