/* fuzz_metadata.c: any text as a point's metadata, against declared fields of all types; and as the name of a file or
 * of a collection's directory: what parses is written back as it was. */
#include "fuzz/fuzz_storage.h"

#include "base/json.h"
#include "engine/catalog.h"
#include "engine/metadata.h"
#include "storage/names.h"

static const lode_field fields[] = {
    {"k", LODE_FIELD_KEYWORD}, {"t", LODE_FIELD_TEXT},    {"i", LODE_FIELD_INTEGER},
    {"f", LODE_FIELD_FLOAT},   {"b", LODE_FIELD_BOOLEAN}, {"d", LODE_FIELD_DATETIME},
};

static void use_as_names(const char *text)
{
    char again[NAME_TEXT_MAX], dir[CATALOG_DIR_NAME_SIZE];
    uint64_t uid;
    struct name name = name_parse(text);
    if (name.kind != NAME_OTHER && name.kind != NAME_TEMPORARY)
        INVARIANT(strcmp(name_format(name, again), text) == 0);
    if (catalog_parse_dir_name(text, &uid)) {
        catalog_dir_name(uid, dir);
        INVARIANT(strcmp(dir, text) == 0);
    }
}

/* {"d":"<text>"}: dates are hard to come by otherwise. */
static void use_as_date(const lode_schema *schema, const char *text, size_t size)
{
    lode_error error = {0};
    char *made = malloc(size + 8);
    if (!made)
        abort();
    memcpy(made, "{\"d\":\"", 6);
    memcpy(made + 6, text, size);
    memcpy(made + 6 + size, "\"}", 2);
    lode_status status = metadata_check(schema, made, size + 8, &error);
    INVARIANT(status == LODE_OK || strlen(error.message) > 10);
    free(made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const lode_schema schema = {.dim = 1, .fields = fields, .field_count = 6};
    lode_error error = {0};
    char *text = malloc(size + 1);
    if (!text)
        abort();
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    char *exact = memcpy(malloc(size ? size : 1), text, size ? size : 1);
    lode_status status = metadata_check(&schema, exact, size, &error);
    INVARIANT(status == LODE_OK || strlen(error.message) > 10);
    if (status == LODE_OK && size > 0)
        INVARIANT(json_validate(exact, size, JSON_OBJECT, NULL) == LODE_OK);
    use_as_date(&schema, exact, size);
    use_as_names(text);
    free(exact);
    free(text);
    return 0;
}
