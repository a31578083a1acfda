/* tokens.c: words (base/words.h), their stems and stop words. */
#include "embed/tokens.h"

#include <libstemmer.h>
#include <stdlib.h>
#include <string.h>

#include "embed/stop_words.h"

struct tokenizer {
    struct sb_stemmer *stemmer; /* NULL: none */
    const struct stop_words *stops;
    struct words words;
};

static lode_status unknown_language(const char *language, lode_error *error)
{
    char names[160] = "none";
    size_t used = strlen(names);
    for (const char **name = sb_stemmer_list(); *name; name++) {
        size_t size = strlen(*name);
        if (used + size + 2 < sizeof names) {
            names[used] = ' ';
            memcpy(names + used + 1, *name, size + 1);
            used += size + 1;
        }
    }
    return error_set(error, LODE_INVALID, "no language '%.31s'; there are %s", language, names);
}

lode_status tokenizer_new(const char *language, struct tokenizer **ret_tokenizer, lode_error *error)
{
    int plain = strcmp(language, "none") == 0;
    if (strlen(language) >= LANGUAGE_SIZE_MAX)
        return unknown_language(language, error);
    struct tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    if (!tokenizer)
        return error_nomem(error, "a tokenizer", sizeof *tokenizer);
    tokenizer->stops = stop_words_of(language);
    tokenizer->stemmer = plain ? NULL : sb_stemmer_new(language, NULL);
    if (!plain && !tokenizer->stemmer) {
        tokenizer_free(tokenizer);
        return unknown_language(language, error);
    }
    *ret_tokenizer = tokenizer;
    return LODE_OK;
}

void tokenizer_free(struct tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    if (tokenizer->stemmer)
        sb_stemmer_delete(tokenizer->stemmer);
    free(tokenizer);
}

void tokenizer_begin(struct tokenizer *tokenizer, const char *text, size_t size)
{
    words_begin(&tokenizer->words, text, size);
}

const char *tokenizer_next(struct tokenizer *tokenizer, size_t *ret_size)
{
    return words_next(&tokenizer->words, ret_size);
}

const char *tokenizer_stem(struct tokenizer *tokenizer, const char *word, size_t size,
                           size_t *ret_size)
{
    *ret_size = size;
    if (!tokenizer->stemmer)
        return word;
    const sb_symbol *stem = sb_stemmer_stem(tokenizer->stemmer, (const sb_symbol *)word, (int)size);
    if (!stem)
        return NULL;
    int length = sb_stemmer_length(tokenizer->stemmer);
    if (length <= 0 || length > WORD_SIZE_MAX)
        return word;
    *ret_size = (size_t)length;
    return (const char *)stem;
}

int tokenizer_stops(const struct tokenizer *tokenizer, const char *word, size_t size)
{
    return stop_words_have(tokenizer->stops, word, size);
}
