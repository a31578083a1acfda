/* filter_kit.c: see filter_kit.h. */
#include "support/filter_kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define PICK(rng, list) ((list)[rng_below((rng), sizeof(list) / sizeof *(list))])

static const char *const genres[] = {"drama", "comedy", "Drama", "film noir", "\xc3\xa9tude", ""};
static const char *const tags[] = {"gore", "cult", "short", "award", "a\"b", "x.y"};
static const char *const words[] = {"The",   "night", "of",          "Solaris", "caf\xc3\xa9",
                                    "ALIEN", "and",   "night-train", "2001"};
static const char *const names[] = {"Ann", "Bob", "Eve"};
static const char *const roles[] = {"lead", "villain", "extra"};
static const char *const dates[] = {"1999-12-31T23:59:59Z", "2000-01-01T00:00:00Z",
                                    "2000-01-01T01:30:00+01:30", "2024-02-29T12:00:00.5Z"};
static const char *const uuids[] = {"00000000-0000-0000-0000-000000000001",
                                    "6ba7b810-9dad-11d1-80b4-00c04fd430c8"};

struct fields *kit_fields(void)
{
    static const struct {
        const char *path;
        enum field_type type;
    } declared[] = {{"title", FIELD_TEXT},
                    {"released", FIELD_DATETIME},
                    {"place", FIELD_GEO},
                    {"uid", FIELD_UUID}};
    static const char learnt[] =
        "{\"genre\":\"x\",\"year\":1,\"rating\":1.5,\"seen\":true,\"tags\":[\"x\"],\"scores\":[1],"
        "\"cast\":[{\"name\":\"x\",\"role\":\"x\",\"age\":1}],\"studio\":{\"name\":\"x\"},"
        "\"note\":\"x\",\"nothing\":null}";
    struct fields *fields;
    lode_error error = {0};
    assert_int_equal(fields_new(&fields, &error), LODE_OK);
    for (size_t i = 0; i < sizeof declared / sizeof *declared; i++)
        if (fields_declare(fields, declared[i].path, strlen(declared[i].path), declared[i].type,
                           &error))
            fail_msg("%s", error.message);
    if (fields_learn(fields, learnt, strlen(learnt), "0", &error))
        fail_msg("%s", error.message);
    return fields;
}

/* --- Documents ---------------------------------------------------------------------------------- */

static void write_number(struct rng *rng, struct json_writer *json)
{
    static const char *const numbers[] = {
        "-1", "0", "1", "1.5", "2", "7.25", "9007199254740993", "9007199254740992.0", "1e3"};
    const char *number = PICK(rng, numbers);
    json_write_raw(json, number, strlen(number));
}

static void write_text(struct rng *rng, struct json_writer *json)
{
    char text[128] = "";
    unsigned count = rng_below(rng, 5);
    for (unsigned i = 0; i < count; i++) {
        strcat(text, PICK(rng, words));
        strcat(text, " ");
    }
    json_write_string(json, text, strlen(text));
}

static double degrees(struct rng *rng, int most)
{
    return (double)rng_below(rng, (uint32_t)(2 * most / 10 + 1)) * 10 - most;
}

static void write_point(struct rng *rng, struct json_writer *json)
{
    double lat = degrees(rng, 90), lon = degrees(rng, 180);
    if (rng_below(rng, 2)) {
        json_write_array(json);
        json_write_f64(json, lon);
        json_write_f64(json, lat);
        json_write_array_end(json);
        return;
    }
    json_write_object(json);
    json_write_key(json, "lat");
    json_write_f64(json, lat);
    json_write_key(json, "lon");
    json_write_f64(json, lon);
    json_write_object_end(json);
}

static void write_value(struct rng *rng, struct json_writer *json, char field)
{
    const char *text = NULL;
    switch (field) {
    case 'g': text = PICK(rng, genres); break;
    case 't': text = PICK(rng, tags); break;
    case 'n': text = PICK(rng, names); break;
    case 'r': text = PICK(rng, roles); break;
    case 'd': text = PICK(rng, dates); break;
    case 'u': text = PICK(rng, uuids); break;
    case 'y': json_write_i64(json, 1995 + rng_below(rng, 10)); break;
    case 's': json_write_i64(json, rng_below(rng, 5)); break;
    case 'b': json_write_bool(json, (int)rng_below(rng, 2)); break;
    case 'f': write_number(rng, json); break;
    case 'w': write_text(rng, json); break;
    case 'p': write_point(rng, json); break;
    default: break;
    }
    if (text)
        json_write_string(json, text, strlen(text));
}

/* A member: missing, null, a value, or several where `many`. */
static void write_member(struct rng *rng, struct json_writer *json, const char *key, char field,
                         int many)
{
    uint32_t shape = rng_below(rng, 10);
    if (shape == 0)
        return;
    json_write_key(json, key);
    if (shape == 1) {
        json_write_null(json);
    } else if (many && shape < 7) {
        json_write_array(json);
        for (uint32_t left = rng_below(rng, 4); left > 0; left--)
            write_value(rng, json, field);
        if (rng_below(rng, 8) == 0)
            json_write_null(json);
        json_write_array_end(json);
    } else {
        write_value(rng, json, field);
    }
}

static void write_person(struct rng *rng, struct json_writer *json)
{
    json_write_object(json);
    write_member(rng, json, "name", 'n', 0);
    write_member(rng, json, "role", 'r', rng_below(rng, 4) == 0);
    write_member(rng, json, "age", 's', 0);
    json_write_object_end(json);
}

static void write_cast(struct rng *rng, struct json_writer *json)
{
    if (rng_below(rng, 6) == 0)
        return;
    json_write_key(json, "cast");
    if (rng_below(rng, 6) == 0) {
        write_person(rng, json);
        return;
    }
    json_write_array(json);
    for (uint32_t left = rng_below(rng, 4); left > 0; left--)
        write_person(rng, json);
    json_write_array_end(json);
}

void kit_document(struct rng *rng, struct buf *out)
{
    struct json_writer json;
    json_writer_init(&json, out, NULL);
    json_write_object(&json);
    write_member(rng, &json, "genre", 'g', 0);
    write_member(rng, &json, "year", 'y', 0);
    write_member(rng, &json, "rating", 'f', rng_below(rng, 4) == 0);
    write_member(rng, &json, "seen", 'b', 0);
    write_member(rng, &json, "tags", 't', 1);
    write_member(rng, &json, "scores", 's', 1);
    write_member(rng, &json, "title", 'w', 0);
    write_member(rng, &json, "released", 'd', 0);
    write_member(rng, &json, "place", 'p', rng_below(rng, 4) == 0);
    write_member(rng, &json, "uid", 'u', 0);
    write_cast(rng, &json);
    if (rng_below(rng, 3)) {
        json_write_key(&json, "studio");
        json_write_object(&json);
        write_member(rng, &json, "name", 'n', 0);
        json_write_object_end(&json);
    }
    json_write_object_end(&json);
    assert_int_equal(json.status, LODE_OK);
}

lode_id kit_point_id(unsigned i, char text[24])
{
    uint8_t uuid[16] = {0};
    if (i % 3 == 0)
        return lode_id_number(i);
    if (i % 3 == 1) {
        snprintf(text, 24, "film %u", i);
        return lode_id_text(text);
    }
    memcpy(uuid, &i, sizeof i);
    return lode_id_uuid(uuid);
}

/* --- Trees -------------------------------------------------------------------------------------- */

struct drawer {
    struct rng *rng;
    struct filter_maker maker;
    int in_cast; /* paths begin at an element of cast */
    size_t last; /* the field drawn last, which is often drawn again: its conditions are to meet */
};

static const struct {
    const char *path;
    char field;
} fields_all[] = {{"genre", 'g'},    {"year", 'y'},        {"rating", 'f'}, {"seen", 'b'},
                  {"tags", 't'},     {"scores", 's'},      {"title", 'w'},  {"released", 'd'},
                  {"place", 'p'},    {"uid", 'u'},         {"cast", 'o'},   {"cast.name", 'n'},
                  {"cast.age", 's'}, {"studio.name", 'n'}, {"note", 'n'},   {"nothing", 'n'},
                  {"year", 'y'},     {"genre", 'g'}},
  fields_of_cast[] = {{"name", 'n'}, {"role", 'r'}, {"age", 's'}};

/* What was made. By its address: the call that makes it may be another argument. */
static const struct filter *checked(struct drawer *drawer, lode_status status,
                                    const struct filter *const *filter)
{
    if (status)
        fail_msg("%s", drawer->maker.error->message);
    return *filter;
}

/* A value that suits the field, of the raw kinds that both forms have. */
static struct value draw_value(struct drawer *drawer, char field, struct buf *memory)
{
    struct json_writer json;
    struct json reader;
    struct value value = {.kind = VALUE_STRING};
    size_t begin = memory->size;
    json_writer_init(&json, memory, NULL);
    write_value(drawer->rng, &json, field);
    json_init(&reader, (const char *)memory->data + begin, memory->size - begin);
    enum json_token token = json_next(&reader);
    if (token == JSON_NUMBER)
        assert_true(value_parse_number(reader.text, reader.text_size, &value));
    else if (token == JSON_TRUE || token == JSON_FALSE)
        value = value_boolean(token == JSON_TRUE);
    else {
        struct buf text;
        buf_init(&text, 4096);
        assert_int_equal(json_unescape(&reader, &text, NULL), LODE_OK);
        char *copy = arena_copy(drawer->maker.arena, text.data, text.size);
        value = value_string(copy, text.size);
        buf_release(&text);
    }
    return value;
}

static const struct filter *draw_list(struct drawer *drawer, const struct path *path, char field,
                                      enum filter_kind kind)
{
    struct value values[4];
    const struct filter *filter = NULL;
    size_t count = rng_below(drawer->rng, 5);
    struct buf memory;
    buf_init(&memory, 1u << 16);
    for (size_t i = 0; i < count; i++)
        values[i] = draw_value(drawer, field, &memory);
    lode_status status = filter_list(&drawer->maker, kind, path, values, count, &filter);
    buf_release(&memory);
    return checked(drawer, status, &filter);
}

static const struct filter *draw_range(struct drawer *drawer, const struct path *path, char field)
{
    struct buf memory;
    const struct filter *filter = NULL;
    buf_init(&memory, 1u << 16);
    const struct value low = draw_value(drawer, field, &memory);
    const struct value high = draw_value(drawer, field, &memory);
    uint32_t shape = rng_below(drawer->rng, 16);
    struct filter_bounds bounds = {.low = shape % 4 == 0 ? NULL : &low,
                                   .high = shape % 4 == 1 ? NULL : &high,
                                   .low_open = (shape & 4) != 0,
                                   .high_open = (shape & 8) != 0};
    lode_status status = filter_range(&drawer->maker, path, &bounds, &filter);
    buf_release(&memory);
    return checked(drawer, status, &filter);
}

static const struct filter *draw_pattern(struct drawer *drawer, const struct path *path)
{
    static const char *const globs[] = {"*", "d*", "*o*", "?rama", "[a-d]*", "[!d]*", "a\\*", ""};
    static const char *const regexes[] = {"a",          "^d",     "o$",   "(?i)drama",
                                          "[aeiou]{2}", "x|y|e+", "\\bn", "^$"};
    static const char *const matches[] = {"night",      "the NIGHT",   "cafe\xcc\x81",
                                          "solaris of", "night train", "alien 2001"};
    static const char *const prefixes[] = {"", "d", "dr", "The n", "\xc3\xa9", "go"};
    const struct filter *filter = NULL;
    enum filter_kind kind = FILTER_PREFIX + rng_below(drawer->rng, 5);
    const char *text = kind == FILTER_GLOB     ? PICK(drawer->rng, globs)
                       : kind == FILTER_REGEX  ? PICK(drawer->rng, regexes)
                       : kind == FILTER_PREFIX ? PICK(drawer->rng, prefixes)
                                               : PICK(drawer->rng, matches);
    return checked(drawer, filter_pattern(&drawer->maker, kind, path, text, strlen(text), &filter),
                   &filter);
}

static const struct filter *draw_polygon(struct drawer *drawer, const struct path *path)
{
    double west = degrees(drawer->rng, 180), south = degrees(drawer->rng, 60);
    double east = west + 40 > 180 ? west + 40 - 360 : west + 40;
    const struct geo_point points[] = {
        {south, west}, {south, east}, {south + 25, east}, {south + 15, west}};
    const struct geo_point hole[] = {{south + 5, west}, {south + 5, east}, {south + 10, east}};
    struct geo_ring rings[2];
    const struct filter *filter = NULL;
    assert_int_equal(geo_ring_make(drawer->maker.arena, points, 4, &rings[0], NULL), LODE_OK);
    assert_int_equal(geo_ring_make(drawer->maker.arena, hole, 3, &rings[1], NULL), LODE_OK);
    return checked(
        drawer, filter_polygon(&drawer->maker, path, rings, 1 + rng_below(drawer->rng, 2), &filter),
        &filter);
}

static const struct filter *draw_geo(struct drawer *drawer, const struct path *path)
{
    const struct filter *filter = NULL;
    struct geo_circle circle = {{degrees(drawer->rng, 90), degrees(drawer->rng, 180)},
                                rng_unit(drawer->rng) * 8e6};
    double south = degrees(drawer->rng, 50);
    struct geo_box box = {south, degrees(drawer->rng, 180), south + 30, degrees(drawer->rng, 180)};
    switch (rng_below(drawer->rng, 3)) {
    case 0: return checked(drawer, filter_circle(&drawer->maker, path, &circle, &filter), &filter);
    case 1: return checked(drawer, filter_box(&drawer->maker, path, &box, &filter), &filter);
    default: return draw_polygon(drawer, path);
    }
}

static const struct filter *draw_ids(struct drawer *drawer)
{
    char texts[4][24];
    lode_id ids[4];
    const struct filter *filter = NULL;
    size_t count = rng_below(drawer->rng, 5);
    for (size_t i = 0; i < count; i++)
        ids[i] = kit_point_id(rng_below(drawer->rng, 40), texts[i]);
    if (count && rng_below(drawer->rng, 8) == 0)
        ids[0] = lode_id_text(uuids[0]); /* a string that looks like a UUID */
    return checked(drawer, filter_id(&drawer->maker, ids, count, &filter), &filter);
}

static const struct filter *draw(struct drawer *drawer, unsigned depth);

static const struct filter *draw_nested(struct drawer *drawer, const struct path *path,
                                        unsigned depth)
{
    const struct filter *filter = NULL;
    drawer->in_cast++;
    const struct filter *item = draw(drawer, depth > 1 ? depth - 1 : 1);
    drawer->in_cast--;
    return checked(drawer, filter_nested(&drawer->maker, path, item, &filter), &filter);
}

static const struct filter *draw_presence(struct drawer *drawer, const struct path *path)
{
    const struct filter *filter = NULL;
    enum filter_kind kind = rng_below(drawer->rng, 2) ? FILTER_EXISTS : FILTER_NULL;
    return checked(drawer, filter_presence(&drawer->maker, kind, path, &filter), &filter);
}

static const struct filter *draw_condition(struct drawer *drawer, unsigned depth)
{
    const char *text;
    char field;
    const struct path *path;
    size_t all = sizeof fields_all / sizeof *fields_all;
    size_t at = rng_below(drawer->rng, drawer->in_cast ? 3 : (uint32_t)all);
    if (!drawer->in_cast && rng_below(drawer->rng, 2))
        at = drawer->last;
    if (!drawer->in_cast)
        drawer->last = at;
    text = drawer->in_cast ? fields_of_cast[at].path : fields_all[at].path;
    field = drawer->in_cast ? fields_of_cast[at].field : fields_all[at].field;
    assert_int_equal(path_parse(drawer->maker.arena, text, strlen(text), &path, NULL), LODE_OK);
    if (rng_below(drawer->rng, 8) == 0)
        return draw_presence(drawer, path);
    if (field == 'o')
        return draw_nested(drawer, path, depth);
    if (field == 'p')
        return draw_geo(drawer, path);
    if (strchr("gtwn", field) && rng_below(drawer->rng, 3) == 0)
        return draw_pattern(drawer, path);
    if (field == 'b' || rng_below(drawer->rng, 2))
        return draw_list(drawer, path, field, rng_below(drawer->rng, 4) ? FILTER_IN : FILTER_ALL);
    return draw_range(drawer, path, field);
}

static const struct filter *draw_group(struct drawer *drawer, unsigned depth)
{
    const struct filter *items[4], *filter = NULL;
    size_t count = 1 + rng_below(drawer->rng, 4);
    for (size_t i = 0; i < count; i++)
        items[i] = draw(drawer, depth - 1);
    lode_status status = LODE_OK;
    switch (rng_below(drawer->rng, 6)) {
    case 0:
    case 1: status = filter_group(&drawer->maker, FILTER_AND, items, count, &filter); break;
    case 2:
    case 3: status = filter_group(&drawer->maker, FILTER_OR, items, count, &filter); break;
    case 4: status = filter_not(&drawer->maker, items[0], &filter); break;
    default:
        status = filter_at_least(&drawer->maker, 1 + rng_below(drawer->rng, (uint32_t)count), items,
                                 count, &filter);
        break;
    }
    return checked(drawer, status, &filter);
}

static const struct filter *draw(struct drawer *drawer, unsigned depth)
{
    const struct filter *filter = NULL;
    if (depth > 1 && rng_below(drawer->rng, 3))
        return draw_group(drawer, depth);
    uint32_t what = rng_below(drawer->rng, 24);
    if (what == 0)
        return checked(drawer,
                       filter_constant(&drawer->maker, (int)rng_below(drawer->rng, 2), &filter),
                       &filter);
    if (what == 1)
        return draw_ids(drawer);
    return draw_condition(drawer, depth);
}

const struct filter *kit_tree(struct rng *rng, struct arena *arena, unsigned depth)
{
    lode_error error = {0};
    struct drawer drawer = {.rng = rng,
                            .maker = {.arena = arena, .offset = FILTER_NO_OFFSET, .error = &error}};
    return draw(&drawer, depth);
}

/* --- Reading ------------------------------------------------------------------------------------ */

const struct filter *kit_parse(struct arena *arena, const char *text)
{
    const struct filter *filter = NULL;
    lode_error error = {0};
    lode_status status = text[0] == '{'
                             ? filter_parse_json(arena, text, strlen(text), &filter, &error)
                             : filter_parse_text(arena, text, strlen(text), &filter, &error);
    if (status)
        fail_msg("%s: %s", text, error.message);
    return filter;
}

const struct filter *kit_bind(struct arena *arena, const struct fields *fields,
                              const struct filter *filter)
{
    const struct filter *bound = NULL;
    lode_error error = {0};
    if (filter_bind(filter, fields, NULL, arena, &bound, &error))
        fail_msg("%s", error.message);
    return bound;
}

int kit_matches(const struct filter *bound, const char *metadata, size_t size, const lode_id *id)
{
    struct matcher *matcher;
    int matches = -1;
    assert_int_equal(matcher_new(bound, &matcher, NULL), LODE_OK);
    assert_int_equal(matcher_matches(matcher, metadata, size, id, &matches, NULL), LODE_OK);
    matcher_free(matcher);
    return matches;
}
