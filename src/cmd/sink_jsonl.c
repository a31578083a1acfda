/* sink_jsonl.c: JSON Lines, as source_jsonl.c reads them. Nothing is lost on the way there and back,
 * but for ids of strings that look like a UUID. */
#include "cmd/sink.h"

static lode_status jsonl_write(struct sink *sink, const lode_hit *hit, lode_error *error)
{
    struct json_writer json;
    json_writer_init(&json, &sink->line, error);
    json_write_object(&json);
    json_write_key(&json, "id");
    id_write_json(&json, &hit->id);
    if (sink->options.with_vector && hit->vector) {
        json_write_key(&json, "vector");
        json_write_array(&json);
        for (uint32_t i = 0; i < sink->options.dim; i++)
            json_write_f32(&json, hit->vector[i]);
        json_write_array_end(&json);
    }
    if (sink->options.with_metadata && hit->metadata) {
        json_write_key(&json, "metadata");
        json_write_raw(&json, hit->metadata, hit->metadata_size);
    }
    if (sink->options.with_text && hit->text) {
        json_write_key(&json, "text");
        json_write_string(&json, hit->text, hit->text_size);
    }
    if (hit->expires_at_ms) {
        json_write_key(&json, "expires_at");
        json_write_u64(&json, hit->expires_at_ms);
    }
    if (hit->version) {
        json_write_key(&json, "version");
        json_write_u64(&json, hit->version);
    }
    json_write_object_end(&json);
    lode_status status = json.status;
    if (status == LODE_OK)
        status = buf_append_u8(&sink->line, '\n', error);
    return status ? status : sink_put_line(sink, error);
}

const struct sink_ops sink_jsonl = {.write = jsonl_write};
