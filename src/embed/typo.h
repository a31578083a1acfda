/* typo.h: the known word that a misspelt one was meant to be. */
#ifndef EMBED_TYPO_H
#define EMBED_TYPO_H

#include "embed/word_table.h"

#define TYPO_TEXT_WORDS_MAX 12 /* longer texts are documents: their unknown words stay unknown */

struct typo_index {
    const struct word_table *words; /* borrowed, as are the frequencies */
    const uint32_t *frequencies;
    uint32_t *letters; /* which of a to z a word has, a bit each */
};

NODISCARD lode_status typo_index_init(struct typo_index *index, const struct word_table *words,
                                      const uint32_t *frequencies, lode_error *error);
void typo_index_release(struct typo_index *index);

/* The word nearest to an unknown lower-case word, or WORD_NONE: see typo.c for the rule. */
uint32_t typo_find(const struct typo_index *index, struct tokenizer *tokenizer, const char *word,
                   size_t size);

/* Edits (insert, delete, replace, swap neighbours; no letter edited twice) from a to b, in characters;
 * anything above distance_max as distance_max + 1. */
unsigned typo_distance(const char *a, size_t a_size, const char *b, size_t b_size,
                       unsigned distance_max);

#endif
