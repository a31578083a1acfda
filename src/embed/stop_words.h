/* stop_words.h: words that say nothing about what a text is about. */
#ifndef EMBED_STOP_WORDS_H
#define EMBED_STOP_WORDS_H

#include <stddef.h>

struct stop_words; /* static; never freed */

/* The list of a language, or NULL when there is none. */
const struct stop_words *stop_words_of(const char *language);
int stop_words_have(const struct stop_words *list, const char *word, size_t size);
/* 1 when the list is in the order that finding needs: for tests. */
int stop_words_in_order(const struct stop_words *list);

#endif
