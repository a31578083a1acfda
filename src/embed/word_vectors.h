/* word_vectors.h: from the matrix of texts and words to a vector for each word. */
#ifndef EMBED_WORD_VECTORS_H
#define EMBED_WORD_VECTORS_H

#include "embed/vocabulary.h"

/* Below this many dimensions the direction all texts share is left in: it would be most of a vector. */
#define CENTRED_DIM_MIN 8

/* word_count × stride floats, dim of a row used: what a text adds up, a row for each occurrence. Free with
 * free(). options->dim is at most the numbers of texts and of words. */
NODISCARD lode_status word_vectors_learn(const struct vocabulary *vocabulary,
                                         const struct corpus_options *options, float **ret_vectors,
                                         lode_error *error);

/* A row as integers from -127 to 127 and what to multiply them with. */
float word_vector_pack(const float *row, size_t dim, int8_t *packed);

#endif
