/* tokens.h: texts to words (base/words.h), with the stems and stop words of a language. */
#ifndef EMBED_TOKENS_H
#define EMBED_TOKENS_H

#include "base/error.h"
#include "base/words.h"

#define LANGUAGE_SIZE_MAX                                                                          \
    32 /* bytes of a language's name, its NUL included                        */

/* One per thread at a time: a stemmer keeps state. */
struct tokenizer;

/* language: a name of libstemmer's ("english", "german", ...; Porter's first is "porter"), or "none"
 * for words as they stand. English alone brings stop words. LODE_INVALID lists what there is. */
NODISCARD lode_status tokenizer_new(const char *language, struct tokenizer **ret_tokenizer,
                                    lode_error *error);
void tokenizer_free(struct tokenizer *tokenizer); /* NULL is allowed */

/* Begin with a text, which must outlive the walk. Bytes that are not UTF-8 separate words. */
void tokenizer_begin(struct tokenizer *tokenizer, const char *text, size_t size);

/* The next word in lower case, 1 to WORD_SIZE_MAX bytes, valid until the next call; NULL at the end. */
const char *tokenizer_next(struct tokenizer *tokenizer, size_t *ret_size);

/* The stem of a lower-case word, 1 to WORD_SIZE_MAX bytes, valid until the next call. The word itself
 * where the language has no stemmer; NULL when memory is out. */
const char *tokenizer_stem(struct tokenizer *tokenizer, const char *word, size_t size,
                           size_t *ret_size);

/* 1 when the language's list holds this lower-case word: too frequent to mean anything. */
int tokenizer_stops(const struct tokenizer *tokenizer, const char *word, size_t size);

#endif
