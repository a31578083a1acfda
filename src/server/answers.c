/* answers.c: see answers.h. */
#include "server/answers.h"

#include "server/metrics.h"
#include "server/service.h"

bool answer_fits(struct call *call, uint64_t points, const struct answer_form *form)
{
    uint64_t dim = form->with & LODE_WITH_VECTOR ? form->dim : 0;
    if (points > ANSWER_POINTS_MAX) {
        call_refuse(call, 400, "limit", NULL, "an answer of up to %llu points; at most %u",
                    (unsigned long long)points, ANSWER_POINTS_MAX);
        return false;
    }
    if (points * dim > ANSWER_FLOATS_MAX) {
        call_refuse(call, 400, "limit", NULL,
                    "up to %llu vectors of %llu dimensions in one answer; at most %llu",
                    (unsigned long long)points, (unsigned long long)dim,
                    (unsigned long long)(ANSWER_FLOATS_MAX / dim));
        return false;
    }
    return true;
}

static struct json_hit_options hit_options(const struct answer_form *form)
{
    return (struct json_hit_options){.dim = form->dim,
                                     .has_score = form->has_score,
                                     .fields = form->fields.items,
                                     .field_count = form->fields.count};
}

void answer_point(struct json_writer *json, const lode_hit *hit, const struct answer_form *form)
{
    struct json_hit_options options = hit_options(form);
    json_hit_write(json, hit, &options);
}

static void write_objects(struct json_writer *json, const char *name, const lode_hit *hits,
                          size_t hit_count, const struct answer_form *form)
{
    struct json_hit_options options = hit_options(form);
    json_write_key(json, name);
    json_write_array(json);
    for (size_t i = 0; i < hit_count; i++)
        json_hit_write(json, &hits[i], &options);
    json_write_array_end(json);
}

/* --- Columns ------------------------------------------------------------------------------------- */

static void write_id(struct json_writer *json, const lode_hit *hit,
                     const struct json_hit_options *options)
{
    (void)options;
    json_write_id(json, &hit->id);
}

static void write_score(struct json_writer *json, const lode_hit *hit,
                        const struct json_hit_options *options)
{
    (void)options;
    json_write_f32(json, hit->score);
}

static void write_text(struct json_writer *json, const lode_hit *hit,
                       const struct json_hit_options *options)
{
    (void)options;
    if (hit->text)
        json_write_string(json, hit->text, hit->text_size);
    else
        json_write_null(json);
}

static void write_version(struct json_writer *json, const lode_hit *hit,
                          const struct json_hit_options *options)
{
    (void)options;
    json_write_u64(json, hit->version);
}

static void write_expires(struct json_writer *json, const lode_hit *hit,
                          const struct json_hit_options *options)
{
    (void)options;
    if (hit->expires_at_ms)
        json_write_u64(json, hit->expires_at_ms);
    else
        json_write_null(json);
}

/* All vectors in one base64 string, row by row. */
static void write_vectors(struct json_writer *json, const lode_hit *hits, size_t hit_count,
                          uint32_t dim)
{
    json_write_key(json, "vectors");
    json_write_base64_begin(json);
    struct json_base64 rest = {0};
    for (size_t i = 0; i < hit_count; i++)
        json_write_base64_more(json, &rest, hits[i].vector, hits[i].vector ? dim : 0);
    json_write_base64_end(json, &rest);
}

static void write_columns(struct json_writer *json, const lode_hit *hits, size_t hit_count,
                          const struct answer_form *form)
{
    static const struct {
        const char *name;
        unsigned with;
        void (*write)(struct json_writer *json, const lode_hit *hit,
                      const struct json_hit_options *options);
    } columns[] = {{"ids", 0, write_id},
                   {"scores", 0, write_score},
                   {"metadata", LODE_WITH_METADATA, json_hit_write_metadata},
                   {"texts", LODE_WITH_TEXT, write_text},
                   {"versions", LODE_WITH_VERSION, write_version},
                   {"expires", LODE_WITH_EXPIRY, write_expires}};
    struct json_hit_options options = hit_options(form);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        int is_wanted = columns[i].with ? (form->with & columns[i].with) != 0
                                        : columns[i].write != write_score || form->has_score;
        if (!is_wanted)
            continue;
        json_write_key(json, columns[i].name);
        json_write_array(json);
        for (size_t j = 0; j < hit_count; j++)
            columns[i].write(json, &hits[j], &options);
        json_write_array_end(json);
    }
    if (form->with & LODE_WITH_VECTOR)
        write_vectors(json, hits, hit_count, form->dim);
}

void answer_points(struct json_writer *json, const char *name, const lode_hit *hits,
                   size_t hit_count, const struct answer_form *form)
{
    if (form->is_compact)
        write_columns(json, hits, hit_count, form);
    else
        write_objects(json, name, hits, hit_count, form);
}

/* --- Writes -------------------------------------------------------------------------------------- */

void answer_write_done(struct call *call, const lode_write_info *info)
{
    call->points = info->upserted + info->deleted + info->patched;
    call->sequence = info->sequence;
    if (!info->repeated)
        metrics_points(call->server->metrics, info->upserted + info->patched, info->deleted);
}

void answer_write(struct call *call, const lode_write_info *info)
{
    struct json_writer json;
    answer_write_done(call, info);
    call_json(call, &json);
    json_write_object(&json);
    json_write_key(&json, "sequence");
    json_write_u64(&json, info->sequence);
    json_write_key(&json, "upserted");
    json_write_u64(&json, info->upserted);
    json_write_key(&json, "deleted");
    json_write_u64(&json, info->deleted);
    json_write_key(&json, "patched");
    json_write_u64(&json, info->patched);
    json_write_key(&json, "missing");
    json_write_u64(&json, info->missing);
    json_write_key(&json, "repeated");
    json_write_bool(&json, info->repeated);
    json_write_object_end(&json);
    call_json_end(call, &json);
}
