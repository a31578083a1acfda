/* fuzz_import.c: any bytes, as a file of each import format.
 *
 *     tests/fuzz/run.sh 120 import
 *
 * The first byte chooses the format and the second one options. Whatever is read must be a point that
 * may be written: finite numbers, valid UTF-8, bounded sizes; and skipping instead of reading must
 * pass over as many points. Built with -DFUZZ_SEED, the program writes seeds into a folder. */
#include "cmd/source.h"

#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef FUZZ_SEED
static const struct {
    const char *data;
    size_t size;
} seeds[] = {
#define SEED(text)                                                                                 \
    {                                                                                              \
        text, sizeof text - 1                                                                      \
    }
    SEED("\x00\x00{\"id\":7,\"vector\":[1,-2.5e-1],\"metadata\":{\"a\":[1,{}]},\"text\":"
         "\"caf\\u00e9\"}\n"
         "{\"id\":\"x\",\"vector\":[3,4]}\n"),
    SEED("\x00\x03{\"id\":\"550e8400-e29b-41d4-a716-446655440000\",\"text\":\"t\",\"more\":{\"b\":"
         "1}}\n"),
    SEED("\x01\x00id,vector,text,year\r\n1,\"[1, 2]\",\"He said "
         "\"\"no\"\"\",1979\r\nb,\"[3,4]\",,\n"),
    SEED("\x01\x00id,vector,expires_at,n\n1,\"[1,2]\",4000000000000,5\n2,\"[3,4]\",,6\n"
         "3,\"[5,6]\",1000,7\n"),
    SEED("\x01\x04v1,v0,s\n1,2,true\n-1,2e3,\"x,y\"\n"),
    SEED("\x02\x00\x02\x00\x00\x00\x00\x00\x80\x3f\x00\x00\x00\x40"),
    SEED("\x03\x00\x02\x00\x00\x00\x01\x02\x02\x00\x00\x00\x03\x04"),
    SEED("\x04\x00\x02\x00\x00\x00\x01\x00\x00\x00\xff\xff\xff\xff"),
    SEED(
        "\x05\x00\x93NUMPY\x01\x00\x3a\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2)}"
        "\n\x00\x00\x80\x3f\x00\x00\x00\x40"),
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/seed-%zu", argc > 1 ? argv[1] : ".", i);
        FILE *file = fopen(path, "we");
        if (!file || fwrite(seeds[i].data, 1, seeds[i].size, file) != seeds[i].size ||
            fclose(file) != 0)
            return 1;
    }
    return 0;
}
#else

static void require(int condition)
{
    if (!condition)
        abort();
}

static void check_point(const struct source *source, const lode_point *point)
{
    require(point->vector || point->text);
    for (uint32_t i = 0; point->vector && i < source->dim; i++)
        require(isfinite(point->vector[i]));
    if (point->id.kind == LODE_ID_STRING) {
        require(point->id.string_size > 0 && point->id.string_size <= LODE_ID_SIZE_MAX);
        require(utf8_valid_prefix(point->id.string, point->id.string_size) ==
                point->id.string_size);
        require(!memchr(point->id.string, '\0', point->id.string_size));
    }
    if (point->metadata) {
        require(point->metadata_size <= LODE_METADATA_SIZE_MAX);
        require(json_validate(point->metadata, point->metadata_size, JSON_OBJECT, NULL) == LODE_OK);
    }
    if (point->text) {
        require(point->text_size <= LODE_TEXT_SIZE_MAX);
        require(utf8_valid_prefix(point->text, point->text_size) == point->text_size);
    }
}

/* Returns the points that were read; sets *ret_whole when the file was read to its end. */
static uint64_t read_all(const uint8_t *data, size_t size, const struct source_options *options,
                         int *ret_whole)
{
    struct source *source = NULL;
    struct batch batch;
    lode_error error = {0};
    uint64_t count = 0;
    lode_status status = source_open_memory(data, size, options, &source, &error);
    *ret_whole = 0;
    if (status) {
        require(error.message[0] != '\0');
        return 0;
    }
    require(batch_init(&batch, 7, NULL) == LODE_OK);
    do {
        batch_clear(&batch);
        status = source_fill(source, &batch, SIZE_MAX, &error);
        for (size_t i = 0; i < batch.count; i++)
            check_point(source, &batch.points[i]);
        count += batch.count;
    } while (status == LODE_OK && batch.count > 0);
    require(status == LODE_OK || error.message[0] != '\0');
    *ret_whole = status == LODE_OK;
    batch_release(&batch);
    source_close(source);
    return count;
}

static void skip_all(const uint8_t *data, size_t size, const struct source_options *options,
                     uint64_t count)
{
    struct source *source = NULL;
    require(source_open_memory(data, size, options, &source, NULL) == LODE_OK);
    if (source_skip(source, UINT64_MAX, NULL) == LODE_OK)
        require(source->index == count);
    source_close(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const lode_field fields[] = {{"year", LODE_FIELD_INTEGER}, {"s", LODE_FIELD_KEYWORD}};
    if (size < 2)
        return 0;
    const struct source_options options = {
        .format = (enum format)(FORMAT_JSONL + data[0] % 6),
        .dim = data[1] & 8 ? 0 : 2,
        .id_rule = (enum id_rule)(data[1] >> 4 & 3),
        .id_start_given = (data[1] & 4) != 0,
        .metadata_rest = (data[1] & 1) != 0,
        .fields = fields,
        .field_count = data[1] & 2 ? 2 : 0,
    };
    int whole = 0;
    uint64_t count = read_all(data + 2, size - 2, &options, &whole);
    if (whole)
        skip_all(data + 2, size - 2, &options, count);
    return 0;
}
#endif
