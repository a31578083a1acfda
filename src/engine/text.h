/* text.h: the text model of a collection. */
#ifndef ENGINE_TEXT_H
#define ENGINE_TEXT_H

#include "engine/collection.h"

/* Open the model that the manifest names, if any. */
NODISCARD lode_status text_model_load(struct collection *collection, lode_error *error);

/* Open that version of it. Damage is contained: of a file that is missing or cannot be read there is a model
 * that embeds nothing, and says why. */
NODISCARD lode_status text_model_open(struct collection *collection, uint32_t version,
                                      struct text_model **ret_model, lode_error *error);

/* lode_text_model_train. */
NODISCARD lode_status text_model_train(struct collection *collection, const lode_text *texts,
                                       size_t text_count, const lode_train_options *options,
                                       lode_train_info *ret_info, lode_error *error);
/* The reason why a model that is not NULL cannot be used, if there is one. */
NODISCARD lode_status text_model_check(const struct text_model *model, lode_error *error);

/* lode_text_embed, by a model of the collection; LODE_NOT_FOUND when it is NULL. */
NODISCARD lode_status text_embed(const struct collection *collection,
                                 const struct text_model *model, const lode_text *text,
                                 float *vector, int *ret_known, lode_error *error);

/* Whether text[0, size) can be a text: UTF-8 within LODE_TEXT_SIZE_MAX. */
NODISCARD lode_status text_check(const char *text, size_t size, lode_error *error);

#endif
