/* text.c: training, saving and using the text model of a collection. The file text-model-<v> is one
 * frame with one section, the embedder's own bytes (docs/format/text-model.md). */
#include "engine/text.h"

#include <stdlib.h>
#include <string.h>

#include "engine/change.h"
#include "os/budget.h"
#include "storage/frame.h"
#include "storage/names.h"

#define TRAINING_BYTES ((uint64_t)3000) /* of memory for each text, roughly */
#define SECTION_MODEL  1u
#define MODEL_SIZE_MAX ((size_t)1 << 36)

/* --- Sharing ----------------------------------------------------------------------------------- */

struct text_model *text_model_ref(struct text_model *model)
{
    if (model)
        atomic_fetch_add_explicit(&model->refs, 1, memory_order_relaxed);
    return model;
}

struct text_model *collection_model(struct collection *collection)
{
    mutex_lock(&collection->pin_mutex);
    struct text_model *model = text_model_ref(collection->model);
    mutex_unlock(&collection->pin_mutex);
    return model;
}

void text_model_unref(struct text_model *model)
{
    /* Release and acquire: whoever frees it sees all uses finished. */
    if (!model || atomic_fetch_sub_explicit(&model->refs, 1, memory_order_acq_rel) > 1)
        return;
    if (model->embedder)
        model->embedder->ops->free(model->embedder);
    budget_give(BUDGET_OTHER, model->held);
    free(model);
}

static lode_status model_new(struct embedder *own_embedder, uint32_t version,
                             struct text_model **ret_model, lode_error *error)
{
    struct text_model *model = calloc(1, sizeof *model);
    if (!model) {
        own_embedder->ops->free(own_embedder);
        return error_nomem(error, "a text model", sizeof *model);
    }
    atomic_init(&model->refs, 1);
    model->version = version;
    model->embedder = own_embedder;
    model->held = own_embedder->ops->memory(own_embedder);
    budget_take(BUDGET_OTHER, model->held);
    *ret_model = model;
    return LODE_OK;
}

static lode_status damaged_model_new(uint32_t version, const lode_error *damage,
                                     struct text_model **ret_model, lode_error *error)
{
    struct text_model *model = calloc(1, sizeof *model);
    if (!model)
        return error_nomem(error, "a text model", sizeof *model);
    atomic_init(&model->refs, 1);
    model->version = version;
    model->damage = *damage;
    *ret_model = model;
    return LODE_OK;
}

lode_status text_model_check(const struct text_model *model, lode_error *error)
{
    if (model->damage.status && error)
        *error = model->damage;
    return model->damage.status;
}

static void set_model(struct collection *collection, struct text_model *own_model)
{
    mutex_lock(&collection->pin_mutex);
    struct text_model *old = collection->model;
    collection->model = own_model;
    mutex_unlock(&collection->pin_mutex);
    text_model_unref(old);
}

/* --- The file ---------------------------------------------------------------------------------- */

static lode_status model_path(const struct store *store, uint32_t version, char path[],
                              lode_error *error)
{
    struct name name = {.kind = NAME_TEXT_MODEL, .number = version};
    return name_path(path, store->dir, name, error);
}

static lode_status read_model(const struct frame *frame, struct embedder **ret_embedder,
                              lode_error *error)
{
    lode_status status = frame_check(frame, error);
    if (status)
        return status;
    const struct frame_section_view *section = frame_find(frame, SECTION_MODEL);
    if (!section)
        return error_set(error, LODE_CORRUPT, "it has no section %u", SECTION_MODEL);
    return corpus_open(section->data, (size_t)section->size, ret_embedder, error);
}

static lode_status read_file(const struct store *store, uint32_t version,
                             struct embedder **ret_embedder, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    struct frame frame;
    struct frame_id id = {FRAME_TEXT_MODEL, store->collection_uid, version};
    lode_status status = model_path(store, version, path, error);
    if (!status)
        status = frame_open(store->vfs, path, id, &frame, error);
    if (status == LODE_NOT_FOUND)
        return error_set(error, LODE_CORRUPT, "text-model-%u is missing", version);
    if (status)
        return status;
    status = read_model(&frame, ret_embedder, error);
    frame_close(&frame);
    if (status)
        error_prefix(error, "text-model-%u: ", version);
    return status;
}

lode_status text_model_open(struct collection *collection, uint32_t version,
                            struct text_model **ret_model, lode_error *error)
{
    struct embedder *embedder = NULL;
    lode_error reason = {0};
    lode_status status = read_file(&collection->store, version, &embedder, &reason);
    if (!status && embedder->dim != collection->schema.dim) {
        status = error_set(&reason, LODE_CORRUPT, "text-model-%u has %zu dimensions, not %u",
                           version, embedder->dim, collection->schema.dim);
        embedder->ops->free(embedder);
    }
    if (status_is_damage(status))
        return damaged_model_new(version, &reason, ret_model, error);
    if (status && error)
        *error = reason;
    return status ? status : model_new(embedder, version, ret_model, error);
}

lode_status text_model_load(struct collection *collection, lode_error *error)
{
    uint32_t version = collection->manifest.text_model_version;
    return version ? text_model_open(collection, version, &collection->model, error) : LODE_OK;
}

static lode_status write_model(const struct store *store, uint32_t version, const struct buf *bytes,
                               lode_error *error)
{
    char path[PATH_SIZE_MAX];
    struct frame_writer *writer;
    struct frame_id id = {FRAME_TEXT_MODEL, store->collection_uid, version};
    lode_status status = model_path(store, version, path, error);
    if (!status)
        status = frame_create(store->vfs, path, id, &writer, error);
    return status ? status : frame_finish_with(writer, SECTION_MODEL, bytes, error);
}

static lode_status save_model(const struct store *store, const struct text_model *model,
                              lode_error *error)
{
    struct buf bytes;
    buf_init(&bytes, MODEL_SIZE_MAX);
    lode_status status = model->embedder->ops->serialize(model->embedder, &bytes, error);
    if (!status)
        status = write_model(store, model->version, &bytes, error);
    buf_release(&bytes);
    return status;
}

static void remove_model(const struct store *store, uint32_t version)
{
    char path[PATH_SIZE_MAX];
    if (pins_retire(store->pins, (struct pin_key){NAME_TEXT_MODEL, version}))
        return;
    lode_status ignored = version ? model_path(store, version, path, NULL) : LODE_NOT_FOUND;
    if (!ignored)
        ignored = vfs_remove(store->vfs, path, NULL);
    (void)ignored; /* what stays is swept away at the next open */
}

/* --- Training ---------------------------------------------------------------------------------- */

static lode_status check_empty(const struct collection *collection, const struct version *version,
                               lode_error *error)
{
    if (version->point_count == 0)
        return LODE_OK;
    return error_set(error, LODE_BUSY,
                     "collection '%s' holds %llu points: a text model can be trained only while it "
                     "holds none",
                     collection->name, (unsigned long long)version->point_count);
}

static lode_status check_trainable(struct collection *collection, lode_error *error)
{
    if (collection->schema.metric != LODE_METRIC_COSINE)
        return error_set(error, LODE_SCHEMA,
                         "a text model needs the metric cosine; collection '%s' has another",
                         collection->name);
    struct version *version;
    lode_status status = collection_pin_now(collection, &version, NULL, error);
    if (status)
        return status;
    status = check_empty(collection, version, error);
    version_unref(version);
    return status;
}

/* Inside the lane, so that no point can come between the check and the change. */
static lode_status switch_model(struct collection *collection, struct text_model *own_model,
                                lode_error *error)
{
    lane_enter(&collection->lane);
    lode_status status = collection_expire(collection, collection_now_ms(collection), error);
    if (!status)
        status = check_empty(collection, collection->version, error);
    if (!status && collection->broken.status)
        status = error_set(error, LODE_READONLY, "collection '%s' takes no writes: %s",
                           collection->name, collection->broken.message);
    if (!status)
        status = change_text_model(collection, own_model->version, error);
    if (!status)
        set_model(collection, own_model);
    lane_leave(&collection->lane);
    if (status)
        text_model_unref(own_model);
    return status;
}

/* Number, save and use a model just trained. */
static lode_status adopt(struct collection *collection, struct embedder *own_embedder,
                         uint32_t *ret_version, lode_error *error)
{
    const struct store *store = &collection->store;
    struct text_model *model = NULL;
    mutex_lock(&collection->change_mutex);
    uint32_t old = collection->manifest.text_model_version;
    *ret_version = old + 1;
    lode_status status = change_check(collection, error);
    if (status)
        own_embedder->ops->free(own_embedder);
    else
        status = model_new(own_embedder, old + 1, &model, error);
    if (!status) {
        status = save_model(store, model, error);
        if (status)
            text_model_unref(model);
        else
            status = switch_model(collection, model, error);
    }
    if (!status)
        remove_model(store, old);
    mutex_unlock(&collection->change_mutex);
    return status;
}

lode_status text_model_train(struct collection *collection, const lode_text *texts,
                             size_t text_count, const lode_train_options *options,
                             lode_train_info *ret_info, lode_error *error)
{
    static const lode_train_options defaults;
    const lode_train_options *given = options ? options : &defaults;
    struct corpus_options corpus = {
        .dim = collection->schema.dim,
        .language = given->language,
        .word_exponent = given->word_exponent,
        .document_frequency_min = given->document_frequency_min,
        .seed = given->seed,
        .executor = collection->db->executor,
        .progress = given->progress,
        .context = given->context,
    };
    lode_train_info info = {0};
    struct embedder *embedder;
    lode_status status = check_trainable(collection, error);
    if (status)
        return status;
    uint64_t memory = text_count * TRAINING_BYTES;
    budget_take(BUDGET_OTHER, memory);
    status = corpus_train(texts, text_count, &corpus, &embedder, &info.texts, error);
    budget_give(BUDGET_OTHER, memory);
    if (status)
        return status;
    info.words = embedder->word_count;
    status = adopt(collection, embedder, &info.model_version, error);
    if (!status && ret_info)
        *ret_info = info;
    return status;
}

/* --- Embedding --------------------------------------------------------------------------------- */

static lode_status embed_one(const struct text_model *model, const lode_text *text, float *vector,
                             int *ret_known, lode_error *error)
{
    size_t size = model->embedder->dim * sizeof *vector;
    float *made = malloc(size);
    uint8_t known = 0;
    if (!made)
        return error_nomem(error, "a vector", size);
    lode_status status = model->embedder->ops->embed(model->embedder, text, 1, made, &known, error);
    if (!status && known)
        memcpy(vector, made, size);
    free(made);
    if (!status)
        *ret_known = known != 0;
    return status;
}

lode_status text_embed(const struct collection *collection, const struct text_model *model,
                       const lode_text *text, float *vector, int *ret_known, lode_error *error)
{
    lode_status status = text_check(text->data, text->size, error);
    if (status)
        return status;
    if (!model)
        return error_set(error, LODE_NOT_FOUND, "collection '%s' has no text model",
                         collection->name);
    status = text_model_check(model, error);
    return status ? status : embed_one(model, text, vector, ret_known, error);
}
