/* encode.c: from what the caller gave to an encoded batch. Two passes: everything is checked before
 * anything is embedded or encoded, so that a refusal is quick and names the first fault. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "base/utf8.h"
#include "engine/metadata.h"
#include "engine/patch.h"
#include "engine/text.h"
#include "storage/id.h"

/* --- The operations, whatever form they were given in ------------------------------------------ */

static const lode_point *point_at(const struct write_input *input, size_t i)
{
    return input->ops ? &input->ops[i].point : &input->points[i];
}

static const lode_id *id_at(const struct write_input *input, size_t i)
{
    return input->ids ? &input->ids[i] : &point_at(input, i)->id;
}

static lode_write_kind kind_of(const struct write_input *input, size_t i)
{
    if (input->ops)
        return input->ops[i].kind;
    return input->points ? LODE_WRITE_UPSERT : LODE_WRITE_DELETE;
}

static int is_upsert(const struct write_input *input, size_t i)
{
    return kind_of(input, i) == LODE_WRITE_UPSERT;
}

static const char *array_name(const struct write_input *input)
{
    return input->ops ? "ops" : input->points ? "points" : "ids";
}

/* --- Checking ---------------------------------------------------------------------------------- */

lode_status text_check(const char *text, size_t size, lode_error *error)
{
    if (!text && size > 0)
        return error_set(error, LODE_INVALID, "text is NULL, text_size is %zu", size);
    if (size > LODE_TEXT_SIZE_MAX)
        return error_set(error, LODE_LIMIT, "text of %zu bytes: at most %d", size,
                         LODE_TEXT_SIZE_MAX);
    size_t valid = text ? utf8_valid_prefix(text, size) : 0;
    if (valid < size)
        return error_set(error, LODE_INVALID, "text is not UTF-8 at byte %zu", valid);
    return LODE_OK;
}

lode_status expiry_check(uint64_t expires_at_ms, lode_error *error)
{
    if (expires_at_ms == 0 || expires_at_ms == LODE_EXPIRES_NEVER ||
        (expires_at_ms >= LODE_EXPIRES_AT_MIN && expires_at_ms <= LODE_EXPIRES_AT_MAX))
        return LODE_OK;
    return error_set(error, LODE_INVALID,
                     "expires_at_ms is %" PRIu64
                     ": it must be milliseconds since 1970, from %" PRIu64 " to %" PRIu64,
                     expires_at_ms, (uint64_t)LODE_EXPIRES_AT_MIN, (uint64_t)LODE_EXPIRES_AT_MAX);
}

static lode_status check_point(const struct collection *collection, const lode_point *point,
                               const struct text_model *model, lode_error *error)
{
    lode_status status = LODE_OK;
    if (point->vector)
        status = space_check(&collection->store.space, point->vector, error);
    else if (!point->text)
        status = error_set(error, LODE_INVALID, "it has neither a vector nor a text");
    else if (!model)
        status = error_set(error, LODE_SCHEMA,
                           "it has no vector, and the collection has no text model to make one");
    else
        status = text_model_check(model, error);
    if (!status)
        status = metadata_check(&collection->schema, point->metadata, point->metadata_size, error);
    if (!status)
        status = text_check(point->text, point->text_size, error);
    return status ? status : expiry_check(point->expires_at_ms, error);
}

/* Say which operation an error is about. */
static void prefix_op(const struct write_input *input, size_t i, int id_is_good, lode_error *error)
{
    char text[64];
    if (id_is_good)
        error_prefix(error, "%s[%zu] (id %s): ", array_name(input), i,
                     id_describe(id_at(input, i), text, sizeof text));
    else
        error_prefix(error, "%s[%zu]: ", array_name(input), i);
}

static lode_status check_kind(const struct write_input *input, size_t i, lode_error *error)
{
    lode_write_kind kind = kind_of(input, i);
    if (kind >= LODE_WRITE_UPSERT && kind <= LODE_WRITE_PATCH)
        return LODE_OK;
    return error_set(error, LODE_INVALID, "unknown kind %d", (int)kind);
}

static lode_status check_condition(const lode_write_op *op, lode_error *error)
{
    if ((unsigned)op->condition > LODE_IF_VERSION)
        return error_set(error, LODE_INVALID, "unknown condition %d", (int)op->condition);
    if (op->condition == LODE_IF_ABSENT && op->kind != LODE_WRITE_UPSERT)
        return error_set(error, LODE_INVALID, "LODE_IF_ABSENT is for upserts alone");
    if ((op->condition == LODE_IF_VERSION) == (op->if_version == 0))
        return error_set(error, LODE_INVALID,
                         op->if_version ? "if_version is for LODE_IF_VERSION alone"
                                        : "if_version is 0: no point has that version");
    return LODE_OK;
}

static lode_status check_op(const struct collection *collection, const struct write_input *input,
                            size_t i, const struct text_model *model, lode_error *error)
{
    int id_is_good = 0;
    lode_status status = check_kind(input, i, error);
    if (!status)
        status = id_check(id_at(input, i), error);
    if (!status) {
        id_is_good = 1;
        if (input->ops)
            status = check_condition(&input->ops[i], error);
    }
    if (!status) {
        if (is_upsert(input, i))
            status = check_point(collection, point_at(input, i), model, error);
        else if (kind_of(input, i) == LODE_WRITE_PATCH)
            status = patch_check(&collection->schema, &input->ops[i], error);
    }
    if (status)
        prefix_op(input, i, id_is_good, error);
    return status;
}

/* --- Embedding --------------------------------------------------------------------------------- */

#define EMBED_TEXTS_MAX 256u

/* The vectors of the next texts that need one, made EMBED_TEXTS_MAX at a time. */
struct embedding {
    const struct write_input *input;
    const struct text_model *model;
    size_t dim;
    size_t next; /* operation from which the next texts are gathered */
    size_t count;
    size_t used;
    float *vectors;
    uint8_t known[EMBED_TEXTS_MAX];
};

static lode_status embed_more(struct embedding *embedding, lode_error *error)
{
    lode_text texts[EMBED_TEXTS_MAX];
    const struct write_input *input = embedding->input;
    INVARIANT(embedding->model); /* check_point has seen to it */
    embedding->count = embedding->used = 0;
    for (; embedding->next < input->count && embedding->count < EMBED_TEXTS_MAX;
         embedding->next++) {
        if (!is_upsert(input, embedding->next) || point_at(input, embedding->next)->vector)
            continue;
        const lode_point *point = point_at(input, embedding->next);
        texts[embedding->count++] = (lode_text){.data = point->text, .size = point->text_size};
    }
    if (!embedding->vectors) {
        size_t size = EMBED_TEXTS_MAX * embedding->dim * sizeof(float);
        embedding->vectors = malloc(size);
        if (!embedding->vectors)
            return error_nomem(error, "vectors of texts", size);
    }
    const struct embedder *embedder = embedding->model->embedder;
    return embedder->ops->embed(embedder, texts, embedding->count, embedding->vectors,
                                embedding->known, error);
}

static lode_status embed_next(struct embedding *embedding, const float **ret_vector,
                              lode_error *error)
{
    lode_status status = LODE_OK;
    if (embedding->used == embedding->count)
        status = embed_more(embedding, error);
    if (status)
        return status;
    size_t i = embedding->used++;
    if (!embedding->known[i])
        return error_set(error, LODE_SCHEMA, "no word of its text is known to the text model");
    *ret_vector = embedding->vectors + i * embedding->dim;
    return LODE_OK;
}

/* --- Encoding ---------------------------------------------------------------------------------- */

static lode_status encode_upsert(const struct collection *collection, const float *vector,
                                 const struct op *op, struct embedding *embedding,
                                 struct write_request *request, lode_error *error)
{
    const struct space *space = &collection->store.space;
    lode_status status = LODE_OK;
    if (!vector) {
        INVARIANT(embedding->model);
        status = embed_next(embedding, &vector, error);
        if (!status)
            status = space_check(space, vector, error);
        request->model_version = embedding->model->version;
    }
    return status ? status : batch_upsert(&request->batch, space, op, vector, error);
}

/* What all kinds have; id: room for ID_BYTES_MAX. */
static struct op begin_op(const struct write_input *input, size_t i, uint8_t *id)
{
    struct op op = {.kind = kind_of(input, i),
                    .id = id,
                    .id_size = id_encode_in(&input->space, id_at(input, i), id)};
    if (input->ops) {
        op.condition = (uint8_t)input->ops[i].condition;
        op.if_version = input->ops[i].if_version;
    }
    if (op.kind == LODE_WRITE_DELETE)
        return op;
    const lode_point *point = point_at(input, i);
    op.metadata = point->metadata;
    op.metadata_size = point->metadata ? point->metadata_size : 0;
    op.text = point->text;
    op.text_size = point->text ? point->text_size : 0;
    op.expires_ms = point->expires_at_ms == LODE_EXPIRES_NEVER ? 0 : point->expires_at_ms;
    op.expiry_given = point->expires_at_ms != 0;
    return op;
}

static lode_status encode_op(const struct collection *collection, const struct write_input *input,
                             size_t i, struct embedding *embedding, struct write_request *request,
                             lode_error *error)
{
    uint8_t id[ID_BYTES_MAX];
    struct op op = begin_op(input, i, id);
    request->asks |= op.kind == LODE_WRITE_PATCH || op.condition != LODE_IF_ANY;
    request->row_count += op.kind != LODE_WRITE_DELETE;
    if (op.kind == LODE_WRITE_DELETE)
        return batch_op(&request->batch, &op, 0, error);
    if (op.kind == LODE_WRITE_PATCH)
        return patch_encode(&input->ops[i], &op, &request->batch, error);
    return encode_upsert(collection, point_at(input, i)->vector, &op, embedding, request, error);
}

/* Of namespaces each has its own: no writer in one must hit upon the request of another. */
static lode_status own_request_id(const struct write_input *input, uint8_t *id, size_t *ret_size,
                                  lode_error *error)
{
    *ret_size = input->request_id_size;
    if (input->request_id_size && !input->space.size)
        memcpy(id, input->request_id, input->request_id_size);
    if (!input->request_id_size || !input->space.size)
        return LODE_OK;
    *ret_size = REQUEST_ID_SIZE_MAX;
    id[0] = ID_IN_NAMESPACE;
    lode_status status = sha256_of(input->space.name, input->space.size, id + 1, error);
    return status
               ? status
               : sha256_of(input->request_id, input->request_id_size, id + 1 + SHA256_SIZE, error);
}

static lode_status encode_ops(const struct collection *collection, const struct write_input *input,
                              struct embedding *embedding, struct write_request *request,
                              lode_error *error)
{
    uint8_t request_id[REQUEST_ID_SIZE_MAX];
    size_t request_id_size = 0;
    lode_status status = own_request_id(input, request_id, &request_id_size, error);
    if (!status)
        status = batch_begin(&request->batch, request_id, request_id_size, error);
    request->asks |= input->request_id_size > 0;
    for (size_t i = 0; !status && i < input->count; i++) {
        status = encode_op(collection, input, i, embedding, request, error);
        if (status)
            prefix_op(input, i, 1, error);
    }
    if (!status)
        batch_end(&request->batch, (uint32_t)input->count);
    return status;
}

lode_status encode_batch(struct collection *collection, const struct write_input *input,
                         struct write_request *request, lode_error *error)
{
    struct text_model *model = collection_model(collection);
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < input->count; i++)
        status = check_op(collection, input, i, model, error);
    struct embedding embedding = {.input = input, .model = model, .dim = collection->schema.dim};
    if (!status)
        status = encode_ops(collection, input, &embedding, request, error);
    free(embedding.vectors);
    text_model_unref(model);
    return status;
}
