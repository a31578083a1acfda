/* point.c: see point.h. */
#include "cmd/point.h"

#include "cmd/ids.h"

void point_write_head(struct json_writer *json, const lode_hit *hit, uint32_t dim,
                      const float *score)
{
    json_write_key(json, "id");
    id_write_json(json, &hit->id);
    if (score) {
        json_write_key(json, "score");
        json_write_f32(json, *score);
    }
    if (hit->vector) {
        json_write_key(json, "vector");
        json_write_array(json);
        for (uint32_t i = 0; i < dim; i++)
            json_write_f32(json, hit->vector[i]);
        json_write_array_end(json);
    }
}

void point_write_json(struct json_writer *json, const lode_hit *hit, uint32_t dim,
                      const float *score)
{
    json_write_object(json);
    point_write_head(json, hit, dim, score);
    if (hit->metadata) {
        json_write_key(json, "metadata");
        json_write_raw(json, hit->metadata, hit->metadata_size);
    }
    if (hit->text) {
        json_write_key(json, "text");
        json_write_string(json, hit->text, hit->text_size);
    }
    if (hit->expires_at_ms) {
        json_write_key(json, "expires_at");
        json_write_u64(json, hit->expires_at_ms);
    }
    if (hit->version) {
        json_write_key(json, "version");
        json_write_u64(json, hit->version);
    }
    json_write_object_end(json);
}

lode_status point_member(const lode_hit *hit, const char *name, struct buf *out, lode_error *error)
{
    struct json json;
    if (!hit->metadata)
        return LODE_OK;
    json_init(&json, hit->metadata, hit->metadata_size);
    if (json_next(&json) != JSON_OBJECT)
        return LODE_OK;
    while (json_next(&json) == JSON_KEY) {
        const char *raw = NULL;
        size_t size = 0;
        int wanted = json_key_is(&json, name);
        enum json_token token = json_raw(&json, &raw, &size);
        if (!wanted || token == JSON_NULL || token == JSON_ERROR)
            continue;
        if (token == JSON_STRING)
            return json_unescape(&json, out, error);
        return buf_append(out, raw, size, error);
    }
    return LODE_OK;
}
