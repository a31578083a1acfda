/* json_points.c: see json_points.h. */
#include "server/json_points.h"

#include "base/array.h"
#include "server/json_values.h"

#include <stdlib.h>
#include <string.h>

/* One point being read. */
struct point {
    struct json_points *points;
    lode_write_op op;
};

void json_points_init(struct json_points *points, enum json_points_mode mode, uint32_t dim,
                      struct arena *arena)
{
    *points = (struct json_points){.mode = mode, .dim = dim, .arena = arena};
}

void json_points_release(struct json_points *points)
{
    free(points->ops);
    points->ops = NULL;
    points->count = points->capacity = 0;
}

void json_points_clear(struct json_points *points)
{
    points->count = 0;
}

lode_write_op *json_points_add(struct json_points *points, struct json_input *input)
{
    size_t count_max = points->count_max ? points->count_max : LODE_BATCH_MAX;
    lode_error error = {0};
    if (points->count == count_max) {
        (void)json_input_fail(input, LODE_LIMIT, "more than %zu points", count_max);
        return NULL;
    }
    if (points->count == points->capacity) {
        lode_write_op *ops = array_grow(points->ops, points->count, &points->capacity, sizeof *ops,
                                        "points", &error);
        if (!ops) {
            (void)json_input_fail(input, LODE_NOMEM, "%s", error.message);
            return NULL;
        }
        points->ops = ops;
    }
    lode_write_op *op = &points->ops[points->count++];
    *op = (lode_write_op){.kind = LODE_WRITE_UPSERT};
    return op;
}

/* text[0, size) as long as the points stay. */
static lode_status keep(const struct point *point, struct json_input *input, const char *text,
                        size_t size, const char **ret_text)
{
    *ret_text = text;
    if (point->points->mode == JSON_POINTS_OF_BODY)
        return LODE_OK;
    *ret_text = arena_copy(point->points->arena, text, size);
    return *ret_text ? LODE_OK : json_input_nomem(input, "a point", size);
}

static lode_status read_id(struct json_input *input, void *target)
{
    struct point *point = target;
    lode_id *id = &point->op.point.id;
    lode_status status = json_input_id(input, id);
    if (status || id->kind != LODE_ID_STRING)
        return status;
    return keep(point, input, id->string, id->string_size, &id->string);
}

static lode_status read_vector(struct json_input *input, void *target)
{
    struct point *point = target;
    return json_input_vector(input, &point->points->dim, &point->op.point.vector);
}

static lode_status read_metadata(struct json_input *input, void *target)
{
    struct point *point = target;
    lode_point *to = &point->op.point;
    lode_status status =
        json_input_raw_object(input, LODE_METADATA_SIZE_MAX, &to->metadata, &to->metadata_size);
    return status ? status : keep(point, input, to->metadata, to->metadata_size, &to->metadata);
}

static lode_status read_text(struct json_input *input, void *target)
{
    struct point *point = target;
    lode_point *to = &point->op.point;
    lode_status status = json_input_string(input, LODE_TEXT_SIZE_MAX, &to->text, &to->text_size);
    return status ? status : keep(point, input, to->text, to->text_size, &to->text);
}

static lode_status read_expires(struct json_input *input, void *target)
{
    struct point *point = target;
    return json_input_moment(input, &point->op.point.expires_at_ms);
}

static lode_status read_if(struct json_input *input, void *target)
{
    struct point *point = target;
    return json_input_condition(input, &point->op);
}

static lode_status pass_over(struct json_input *input, void *target)
{
    (void)target;
    return json_skip(&input->json) == JSON_ERROR ? json_input_malformed(input) : LODE_OK;
}

enum { GIVEN_ID = 1, GIVEN_EXPIRES = 1 << 5, GIVEN_EXPIRES_AT = 1 << 6 };

/* The first six are those of bodies. */
static const struct json_member point_members[] = {
    {"id", read_id, false},
    {"vector", read_vector, false},
    {"metadata", read_metadata, false},
    {"text", read_text, false},
    {"if", read_if, false},
    {"expires", read_expires, false},
    {"expires_at", read_expires, false},
    {"version", pass_over, true},
    {"score", pass_over, true},
};
static const struct json_members of_body = {point_members, 6, "a point"};
static const struct json_members of_lines = {point_members, 9, "a point"};

static lode_status check_point(struct json_input *input, const struct point *point, uint64_t given)
{
    if (!(given & GIVEN_ID))
        return json_input_fail(input, LODE_INVALID, "the point has no \"id\"");
    if (!point->op.point.vector && !point->op.point.text)
        return json_input_fail(input, LODE_INVALID,
                               "the point has neither \"vector\" nor a \"text\" to make one from");
    if ((given & GIVEN_EXPIRES) && (given & GIVEN_EXPIRES_AT))
        return json_input_fail(input, LODE_INVALID, "\"expires\" and \"expires_at\" are the same");
    return LODE_OK;
}

lode_status json_points_read_next(struct json_input *input, void *target)
{
    struct point point = {.points = target};
    uint64_t given = 0;
    const struct json_members *members =
        point.points->mode == JSON_POINTS_OF_BODY ? &of_body : &of_lines;
    lode_status status = json_input_object(input, members, &point, &given);
    if (!status)
        status = check_point(input, &point, given);
    if (status)
        return status;
    lode_write_op *op = json_points_add(point.points, input);
    if (!op)
        return input->fault.error.status;
    *op = point.op;
    op->kind = LODE_WRITE_UPSERT;
    return LODE_OK;
}

lode_status json_point_read(struct json_points *points, const char *text, size_t size,
                            struct json_fault *ret_fault)
{
    struct json_input input;
    size_t count = points->count;
    json_input_init(&input, text, size, points->arena);
    lode_status status = json_points_read_next(&input, points);
    if (!status)
        status = json_input_end(&input);
    if (!status)
        return LODE_OK;
    points->count = count;
    *ret_fault = input.fault;
    return status;
}
