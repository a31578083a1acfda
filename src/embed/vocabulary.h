/* vocabulary.h: texts to the weighted matrix that training decomposes. */
#ifndef EMBED_VOCABULARY_H
#define EMBED_VOCABULARY_H

#include "embed/embed.h"
#include "embed/svd.h"
#include "embed/word_table.h"

#define VOCABULARY_WORDS_MAX 524288u /* words of a model: 130 MiB of vectors at 256 dimensions */

struct vocabulary {
    struct word_table words; /* in the order of their bytes: word i is number i */
    uint32_t *frequencies;   /* texts that hold word i */
    float *weights;          /* idf of word i: ln(1 + (N - df + 0.5) / (df + 0.5)) */
    struct sparse rows;  /* N texts × words: (1 + ln tf) · idf, each row of length 1, or empty */
    uint64_t text_count; /* N: distinct texts with at least one word */
};

void vocabulary_release(struct vocabulary *vocabulary);
/* Read the texts, count their words, keep those in enough texts (at most VOCABULARY_WORDS_MAX, the most
 * frequent first, then by bytes). options->dim and word_exponent are not looked at. */
NODISCARD lode_status vocabulary_build(const lode_text *texts, size_t count,
                                       const struct corpus_options *options,
                                       struct vocabulary *ret_vocabulary, lode_error *error);

#endif
