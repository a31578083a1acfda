/* mixed_kit.c: see mixed_kit.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/mixed_kit.h"

static lode_error error;

const char *const mixed_fields[] = {"genre",  "year",     "rating",   "seen",        "tags",
                                    "scores", "title",    "released", "uid",         "cast.name",
                                    "note",   "cast.age", "n",        "studio.name", "exact",
                                    "long",   "escaped",  "nothing",  NULL};

static const lode_field declared[] = {{"title", LODE_FIELD_TEXT},
                                      {"released", LODE_FIELD_DATETIME},
                                      {"place", LODE_FIELD_GEO},
                                      {"uid", LODE_FIELD_UUID},
                                      {"exact", LODE_FIELD_FLOAT}};

/* --- Documents ---------------------------------------------------------------------------------- */

static void append(struct buf *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void append(struct buf *out, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    assert_in_range(size, 0, (int)sizeof text - 1);
    assert_ok(buf_append(out, text, (size_t)size, &error));
}

static void append_long(struct rng *rng, struct buf *out)
{
    append(out, ",\"long\":\"");
    for (unsigned i = 0; i < 1020 + rng_below(rng, 3) * 3; i++)
        append(out, "x");
    append(out, "%c%c\"", 'a' + (char)rng_below(rng, 3), 'a' + (char)rng_below(rng, 3));
}

/* What kit_document lacks, before its closing brace. */
static void append_more(struct rng *rng, struct buf *out)
{
    static const char *const exact[] = {"9007199254740993",
                                        "9007199254740992",
                                        "9007199254740992.0",
                                        "9007199254740994",
                                        "-1e300",
                                        "9223372036854775807",
                                        "9223372036854775808",
                                        "-9223372036854775808",
                                        "0",
                                        "-0.0",
                                        "0.5",
                                        "1"};
    static const char *const escaped[] = {"\\u0061", "a", "b\\nc", "\\ud83d\\ude00", "", "\\u007a"};
    out->size--;
    const char *comma = out->data[out->size - 1] == '{' ? "" : ",";
    append(out, "%s\"n\":%u", comma, rng_below(rng, 100000));
    if (rng_below(rng, 4))
        append(out, ",\"exact\":%s", exact[rng_below(rng, 12)]);
    if (rng_below(rng, 3) == 0)
        append_long(rng, out);
    else if (rng_below(rng, 2))
        append(out, ",\"long\":\"%c\"", 'w' + (char)rng_below(rng, 3));
    if (rng_below(rng, 3))
        append(out, ",\"escaped\":[\"%s\",\"%s\",null]", escaped[rng_below(rng, 6)],
               escaped[rng_below(rng, 6)]);
    append(out, "}");
}

void mixed_put(struct mixed *mixed, unsigned i, const char *document, size_t size, int value)
{
    free(mixed->documents[i]);
    mixed->documents[i] = NULL;
    if (!document)
        return;
    mixed->documents[i] = malloc(size + 1);
    assert_non_null(mixed->documents[i]);
    memcpy(mixed->documents[i], document, size);
    mixed->documents[i][size] = '\0';
    mixed->sizes[i] = size;
    mixed->values[i] = value;
}

/* --- Writing ------------------------------------------------------------------------------------ */

static void upsert(struct mixed *mixed, unsigned i, const char *document, size_t size)
{
    float vector[MIXED_DIM];
    char text[24];
    int value = (int)rng_below(&mixed->rng, 200);
    engine_vector((unsigned)value, MIXED_DIM, vector);
    lode_point point = {.id = kit_point_id(i, text),
                        .vector = vector,
                        .metadata = size ? document : NULL,
                        .metadata_size = size};
    assert_ok(lode_upsert(mixed->collection, &point, 1, NULL, &error));
    mixed_put(mixed, i, size ? document : "{}", size ? size : 2, value);
}

static unsigned draw_id(struct mixed *mixed)
{
    unsigned step = mixed->step ? mixed->step : 1;
    return rng_below(&mixed->rng, MIXED_IDS / step) * step;
}

void mixed_upsert(struct mixed *mixed, unsigned count)
{
    struct buf document;
    buf_init(&document, 1u << 16);
    while (count-- > 0) {
        buf_clear(&document);
        if (rng_below(&mixed->rng, 20)) {
            kit_document(&mixed->rng, &document);
            append_more(&mixed->rng, &document);
        }
        upsert(mixed, draw_id(mixed), (const char *)document.data, document.size);
    }
    buf_release(&document);
}

void mixed_delete(struct mixed *mixed, unsigned count)
{
    char text[24];
    while (count-- > 0) {
        unsigned i = draw_id(mixed);
        lode_id id = kit_point_id(i, text);
        assert_ok(lode_delete(mixed->collection, &id, 1, NULL, &error));
        mixed_put(mixed, i, NULL, 0, 0);
    }
}

/* --- Life --------------------------------------------------------------------------------------- */

/* A point that has all fields: one that no point has is known until the database is closed, perhaps longer. */
static void put_all_fields(struct mixed *mixed)
{
    static const char all[] =
        "{\"genre\":\"x\",\"year\":1,\"rating\":1.5,\"seen\":true,\"tags\":[\"x\"],\"scores\":[1],"
        "\"cast\":[{\"name\":\"x\",\"role\":\"x\",\"age\":1}],\"studio\":{\"name\":\"x\"},"
        "\"note\":\"x\",\"nothing\":null,\"n\":1,\"long\":\"x\",\"escaped\":\"x\"}";
    upsert(mixed, 0, all, sizeof all - 1);
}

void mixed_open(struct mixed *mixed)
{
    mixed->db = engine_open(mixed->vfs, "db", NULL, 4096);
    if (lode_collection_open(mixed->db, "points", &mixed->collection, &error) != LODE_OK)
        mixed->collection =
            engine_create(mixed->db, "points",
                          (lode_schema){.dim = MIXED_DIM,
                                        .fields = declared,
                                        .field_count = sizeof declared / sizeof *declared});
}

static void open_db(struct mixed *mixed)
{
    mixed_open(mixed);
    put_all_fields(mixed);
}

void mixed_close(struct mixed *mixed)
{
    lode_collection_close(mixed->collection);
    engine_close(mixed->db);
}

void mixed_begin(struct mixed *mixed, uint64_t seed)
{
    *mixed = (struct mixed){.vfs = vfs_memory_new()};
    rng_init(&mixed->rng, seed);
    open_db(mixed);
}

void mixed_end(struct mixed *mixed)
{
    mixed_close(mixed);
    vfs_memory_free(mixed->vfs);
    for (unsigned i = 0; i < MIXED_IDS; i++)
        mixed_put(mixed, i, NULL, 0, 0);
}

void mixed_reopen(struct mixed *mixed)
{
    mixed_close(mixed);
    open_db(mixed);
}

void mixed_crash(struct mixed *mixed)
{
    vfs_memory_crash_random(mixed->vfs, rng_below(&mixed->rng, 1000));
    mixed_close(mixed);
    vfs_memory_crash_random(mixed->vfs, rng_below(&mixed->rng, 1000));
    open_db(mixed);
}

void mixed_step(struct mixed *mixed)
{
    switch (rng_below(&mixed->rng, 8)) {
    case 0: mixed_delete(mixed, 20); break;
    case 1: assert_ok(lode_flush(mixed->collection, NULL, &error)); break;
    case 2: assert_ok(lode_compact(mixed->collection, NULL, &error)); break;
    case 3: mixed_reopen(mixed); break;
    case 4: mixed_crash(mixed); break;
    default: mixed_upsert(mixed, 60); break;
    }
}

static unsigned flip_columns(struct mixed *mixed, const char *dir, uint64_t seed)
{
    struct rng rng;
    unsigned flipped = 0;
    rng_init(&rng, seed);
    for (unsigned number = 1; number < 300; number++) {
        char path[128];
        size_t size;
        snprintf(path, sizeof path, "%s/seg-%u.columns", dir, number);
        if (!kit_exists(mixed->vfs, path))
            continue;
        uint8_t *bytes = kit_read(mixed->vfs, path, &size);
        bytes[rng_below(&rng, (uint32_t)size)] ^= 1;
        kit_write(mixed->vfs, path, bytes, size);
        free(bytes);
        flipped++;
    }
    return flipped;
}

void mixed_damage_columns(struct mixed *mixed, uint64_t seed)
{
    char dir[64];
    assert_ok(lode_flush(mixed->collection, NULL, &error));
    snprintf(dir, sizeof dir, "%s", mixed->collection->shared->dir);
    mixed_close(mixed);
    assert_true(flip_columns(mixed, dir, seed) > 0);
    open_db(mixed);
}

/* --- Many --------------------------------------------------------------------------------------- */

static void write_many(lode_collection *collection, unsigned first, unsigned count)
{
    static lode_point points[1000];
    static char texts[1000][128];
    static const float vectors[2][2] = {{1, 2}, {2, 1}};
    for (unsigned i = 0; i < count; i++) {
        unsigned n = (first + i) * 7 % MIXED_MANY; /* each once: 7 does not divide it */
        snprintf(texts[i], sizeof texts[i], "{\"name\":\"name %05u%050u\",\"few\":%u}", n, n,
                 n % 7);
        points[i] = (lode_point){.id = lode_id_number(n),
                                 .vector = vectors[n % 2],
                                 .metadata = texts[i],
                                 .metadata_size = strlen(texts[i])};
    }
    assert_ok(lode_upsert(collection, points, count, NULL, &error));
}

lode_collection *mixed_many(struct vfs *vfs, lode_db **ret_db)
{
    *ret_db = engine_open(vfs, "db", NULL, 0);
    lode_collection *collection = engine_create(*ret_db, "many", (lode_schema){.dim = 2});
    for (unsigned done = 0; done < MIXED_MANY; done += 1000) {
        write_many(collection, done, 1000);
        if (done % 3000 == 2000)
            assert_ok(lode_flush(collection, NULL, &error));
    }
    return collection;
}

int mixed_many_damage(struct vfs *vfs, const char *dir, unsigned block)
{
    char path[128];
    size_t size;
    unsigned number = 1;
    do
        snprintf(path, sizeof path, "%s/seg-%u.columns", dir, number);
    while (!kit_exists(vfs, path) && number++ < 100);
    uint8_t *bytes = kit_read(vfs, path, &size);
    size_t at = (size_t)block << 16;
    int exists = at + (1u << 16) < size;
    if (exists) {
        bytes[at + 40000] ^= 1;
        kit_write(vfs, path, bytes, size);
    }
    free(bytes);
    return exists;
}

/* --- What there should be ----------------------------------------------------------------------- */

unsigned mixed_number(const lode_id *id)
{
    for (unsigned i = 0; i < MIXED_IDS; i++) {
        char text[24];
        lode_id other = kit_point_id(i, text);
        if (lode_id_compare(id, &other) == 0)
            return i;
    }
    fail_msg("an id that was never written");
    return 0;
}

const struct filter *mixed_filter(const struct mixed *mixed, struct arena *arena, const char *text)
{
    if (!text)
        return NULL;
    struct field_set *set = known_fields_get(&mixed->collection->shared->fields);
    const struct filter *bound = kit_bind(arena, set->fields, kit_parse(arena, text));
    field_set_unref(set);
    return bound;
}

int mixed_matches(const struct mixed *mixed, const struct filter *bound, unsigned i)
{
    char text[24];
    lode_id id = kit_point_id(i, text);
    return mixed->documents[i] &&
           (!bound || kit_matches(bound, mixed->documents[i], mixed->sizes[i], &id));
}

struct gathering {
    enum field_type type;
    struct arena *arena;
    struct value *values;
    size_t count;
};

static void add_scalar(struct gathering *gathering, const char *text, size_t size)
{
    struct json json;
    struct buf scratch;
    struct value value;
    int fits = 0;
    buf_init(&scratch, 1u << 20);
    json_init(&json, text, size);
    enum json_token token = json_next(&json);
    assert_ok(value_of_json(&json, token, gathering->type, &scratch, &value, &fits, &error));
    if (fits) {
        assert_true(gathering->count < MIXED_VALUES_MAX);
        if (value.kind == VALUE_STRING)
            value.text = arena_copy(gathering->arena, value.size ? value.text : "", value.size);
        gathering->values[gathering->count++] = value;
    }
    buf_release(&scratch);
}

static void gather(struct gathering *gathering, const char *path, const char *text, size_t size)
{
    struct json json;
    char name[64];
    json_init(&json, text, size);
    enum json_token token = json_next(&json);
    if (token == JSON_ARRAY) {
        while ((token = json_raw(&json, &text, &size)) != JSON_ARRAY_END)
            gather(gathering, path, text, size);
        return;
    }
    if (!path) {
        add_scalar(gathering, text, size);
        return;
    }
    const char *dot = strchr(path, '.');
    snprintf(name, sizeof name, "%.*s", dot ? (int)(dot - path) : 60, path);
    while (token == JSON_OBJECT && json_next(&json) == JSON_KEY) {
        int wanted = json_key_is(&json, name);
        json_raw(&json, &text, &size);
        if (wanted)
            gather(gathering, dot ? dot + 1 : NULL, text, size);
    }
}

size_t mixed_values(const struct mixed *mixed, unsigned i, const char *field, struct arena *arena,
                    struct value values[MIXED_VALUES_MAX])
{
    struct field_set *set = known_fields_get(&mixed->collection->shared->fields);
    const struct field *known = fields_find(set->fields, field, strlen(field));
    assert_non_null(known);
    struct gathering gathering = {.type = known->type, .arena = arena, .values = values};
    gather(&gathering, field, mixed->documents[i], mixed->sizes[i]);
    field_set_unref(set);
    return gathering.count;
}
