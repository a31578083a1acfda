/* fetch.c: everything is copied, so that a result outlives the version it was read from. */
#include "query/fetch.h"

#include <stdlib.h>

#include "os/stop.h"
#include "storage/id.h"

struct result {
    lode_result head; /* what the caller sees: first, so that both have one address */
    lode_hit *hits;
    struct arena arena;
};

lode_status result_new(size_t hits_max, lode_result **ret_result, lode_error *error)
{
    struct result *result = calloc(1, sizeof *result);
    if (!result)
        return error_nomem(error, "a result", sizeof *result);
    arena_init(&result->arena);
    result->hits = arena_alloc_zero(&result->arena, hits_max * sizeof *result->hits);
    if (!result->hits) {
        free(result);
        return error_nomem(error, "a result", hits_max * sizeof *result->hits);
    }
    result->head.hits = result->hits;
    *ret_result = &result->head;
    return LODE_OK;
}

lode_hit *result_hits(lode_result *result)
{
    return ((struct result *)result)->hits;
}

struct arena *result_arena(lode_result *result)
{
    return &((struct result *)result)->arena;
}

void result_free(lode_result *result)
{
    if (!result)
        return;
    arena_release(result_arena(result));
    free(result);
}

static lode_status fetch_id(const struct segment_view *view, uint32_t row, struct arena *arena,
                            lode_id *ret_id, lode_error *error)
{
    const struct segment *segment = view->segment;
    size_t size;
    const uint8_t *bytes;
    lode_id id;
    lode_status status = segment->ops->id(segment, row, &bytes, &size, error);
    if (!status)
        status = id_decode(bytes, size, &id, error);
    if (status)
        return status;
    if (id.kind == LODE_ID_STRING) {
        id.string = arena_copy(arena, id.string, id.string_size);
        if (!id.string)
            return error_nomem(error, "an id", id.string_size);
    }
    *ret_id = id;
    return LODE_OK;
}

static lode_status fetch_vector(const struct segment_view *view, uint32_t row, struct arena *arena,
                                const float **ret_vector, lode_error *error)
{
    const struct rows *rows = &view->segment->rows;
    float *vector = arena_alloc(arena, rows->space->dim * sizeof *vector);
    if (!vector)
        return error_nomem(error, "a vector", rows->space->dim * sizeof *vector);
    lode_status status = rows_touch(rows, row, 1, error);
    if (status)
        return status;
    space_decode(rows->space, rows_at(rows, row), vector);
    *ret_vector = vector;
    return LODE_OK;
}

static lode_status fetch_text(const char *text, size_t size, struct arena *arena,
                              const char **ret_text, size_t *ret_size, lode_error *error)
{
    if (!text)
        return LODE_OK;
    *ret_text = arena_copy(arena, text, size);
    *ret_size = size;
    return *ret_text ? LODE_OK : error_nomem(error, "a document", size);
}

static lode_status fetch_document(const struct segment_view *view, uint32_t row, unsigned with,
                                  struct arena *arena, lode_hit *hit, lode_error *error)
{
    struct document document;
    lode_status status = view->segment->ops->document(view->segment, row, &document, error);
    if (!status && with & LODE_WITH_METADATA)
        status = fetch_text(document.metadata, document.metadata_size, arena, &hit->metadata,
                            &hit->metadata_size, error);
    if (!status && with & LODE_WITH_TEXT)
        status = fetch_text(document.text, document.text_size, arena, &hit->text, &hit->text_size,
                            error);
    return status;
}

lode_status fetch_hit(const struct segment_view *view, uint32_t row, unsigned with,
                      struct arena *arena, lode_hit *ret_hit, lode_error *error)
{
    lode_hit hit = {0};
    lode_status status = fetch_id(view, row, arena, &hit.id, error);
    if (!status && with & LODE_WITH_VECTOR)
        status = fetch_vector(view, row, arena, &hit.vector, error);
    if (!status && with & (LODE_WITH_METADATA | LODE_WITH_TEXT))
        status = fetch_document(view, row, with, arena, &hit, error);
    if (!status && with & (LODE_WITH_VERSION | LODE_WITH_EXPIRY)) {
        struct stamp stamp = {0};
        status = view->segment->ops->stamp(view->segment, row, &stamp, error);
        hit.version = with & LODE_WITH_VERSION ? stamp.sequence : 0;
        hit.expires_at_ms = with & LODE_WITH_EXPIRY ? stamp.expires_ms : 0;
    }
    if (!status)
        *ret_hit = hit;
    return status;
}

lode_status fetch_result(const struct query_hit *hits, size_t hit_count, unsigned with,
                         const lode_stop *stop, lode_result **ret_result, lode_error *error)
{
    lode_result *result = NULL;
    lode_status status = result_new(hit_count, &result, error);
    if (status)
        return status;
    lode_hit *fetched = result_hits(result);
    for (size_t i = 0; i < hit_count; i++) {
        if (i % FETCHES_BETWEEN_LOOKS == FETCHES_BETWEEN_LOOKS - 1)
            status = stop_look(stop, error);
        if (!status)
            status = fetch_hit(hits[i].view, hits[i].row, with, result_arena(result), &fetched[i],
                               error);
        if (status) {
            result_free(result);
            return status;
        }
        fetched[i].score = space_score(hits[i].view->segment->rows.space, hits[i].distance);
    }
    result->hit_count = hit_count;
    *ret_result = result;
    return LODE_OK;
}
