/* tokens.c: the walk over a text's words. ASCII goes through a table; everything else through
 * utf8proc's categories. */
#include "embed/tokens.h"

#include <libstemmer.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "embed/stop_words.h"

struct tokenizer {
    struct sb_stemmer *stemmer; /* NULL: none */
    const struct stop_words *stops;
    const char *text;
    size_t size;
    size_t offset;
    int paired;       /* the character at offset ended the pair before */
    int compose;      /* the word needs composing: it has marks, ligatures or wide forms */
    size_t word_size; /* may exceed WORD_SIZE_MAX while reading: such a word is left out */
    char word[WORD_SIZE_MAX + 8];
};

enum kind { KIND_SEPARATOR, KIND_WORD, KIND_MARK, KIND_IGNORED, KIND_UNSPACED };

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
    tokenizer->text = text;
    tokenizer->size = size;
    tokenizer->offset = 0;
    tokenizer->paired = 0;
}

/* Scripts without spaces between words. */
static int is_unspaced(utf8proc_int32_t c)
{
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || /* Han */
           (c >= 0x20000 && c <= 0x323af) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0x3041 && c <= 0x30ff) ||                               /* kana */
           (c >= 0x0e01 && c <= 0x0eff) ||                               /* Thai, Lao */
           (c >= 0x1000 && c <= 0x109f) || (c >= 0x1780 && c <= 0x17d3); /* Burmese, Khmer */
}

static enum kind kind_of(utf8proc_int32_t c)
{
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO: return is_unspaced(c) ? KIND_UNSPACED : KIND_WORD;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO: return KIND_WORD;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME: return is_unspaced(c) ? KIND_UNSPACED : KIND_MARK;
    case UTF8PROC_CATEGORY_CF: return KIND_IGNORED;
    default: return KIND_SEPARATOR;
    }
}

/* The character at offset, which is left of size; its length. Not UTF-8: one separator byte. */
static size_t decode(const struct tokenizer *tokenizer, size_t offset, utf8proc_int32_t *ret_c,
                     enum kind *ret_kind)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)tokenizer->text + offset;
    size_t left = tokenizer->size - offset;
    utf8proc_ssize_t length = utf8proc_iterate(at, left < 4 ? (utf8proc_ssize_t)left : 4, ret_c);
    if (length <= 0) {
        *ret_kind = KIND_SEPARATOR;
        return 1;
    }
    *ret_kind = kind_of(*ret_c);
    return (size_t)length;
}

static void append(struct tokenizer *tokenizer, utf8proc_int32_t c)
{
    utf8proc_uint8_t bytes[4];
    size_t length = (size_t)utf8proc_encode_char(utf8proc_tolower(c), bytes);
    if (tokenizer->word_size <= WORD_SIZE_MAX)
        memcpy(tokenizer->word + tokenizer->word_size, bytes, length);
    tokenizer->word_size += length;
}

/* ASCII letters and digits, in lower case; 0 for everything else. */
static inline char ascii_letter(unsigned char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
        return (char)c;
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : 0;
}

static void skip_separators(struct tokenizer *tokenizer)
{
    while (tokenizer->offset < tokenizer->size) {
        unsigned char byte = (unsigned char)tokenizer->text[tokenizer->offset];
        if (byte < 0x80) {
            if (ascii_letter(byte))
                return;
            tokenizer->offset++;
            tokenizer->paired = 0;
            continue;
        }
        utf8proc_int32_t c;
        enum kind kind;
        size_t length = decode(tokenizer, tokenizer->offset, &c, &kind);
        if (kind == KIND_WORD || kind == KIND_UNSPACED)
            return;
        tokenizer->offset += length;
        tokenizer->paired = 0;
    }
}

static void read_run(struct tokenizer *tokenizer)
{
    while (tokenizer->offset < tokenizer->size) {
        unsigned char byte = (unsigned char)tokenizer->text[tokenizer->offset];
        if (byte < 0x80) {
            char letter = ascii_letter(byte);
            if (!letter)
                return;
            if (tokenizer->word_size <= WORD_SIZE_MAX)
                tokenizer->word[tokenizer->word_size] = letter;
            tokenizer->word_size++;
            tokenizer->offset++;
            continue;
        }
        utf8proc_int32_t c;
        enum kind kind;
        size_t length = decode(tokenizer, tokenizer->offset, &c, &kind);
        if (kind == KIND_SEPARATOR || kind == KIND_UNSPACED)
            return;
        tokenizer->offset += length;
        tokenizer->compose |= kind == KIND_MARK || (c >= 0xfb00 && c <= 0xffef);
        if (kind != KIND_IGNORED)
            append(tokenizer, c);
    }
}

/* An unspaced character and the one after it; alone only when neither neighbour pairs with it. */
static void read_pair(struct tokenizer *tokenizer)
{
    utf8proc_int32_t c;
    enum kind kind;
    tokenizer->offset += decode(tokenizer, tokenizer->offset, &c, &kind);
    append(tokenizer, c);
    int paired = 0;
    if (tokenizer->offset < tokenizer->size) {
        (void)decode(tokenizer, tokenizer->offset, &c, &kind);
        paired = kind == KIND_UNSPACED;
    }
    if (paired)
        append(tokenizer, c);
    else if (tokenizer->paired)
        tokenizer->word_size = 0;
    tokenizer->paired = paired;
}

/* Canonical and compatible composition (NFKC), so that "e" + "´" is "é" and the ligature "ﬁ" is "fi". */
static void compose_word(struct tokenizer *tokenizer)
{
    utf8proc_uint8_t *composed = NULL;
    utf8proc_ssize_t size = utf8proc_map(
        (const utf8proc_uint8_t *)tokenizer->word, (utf8proc_ssize_t)tokenizer->word_size,
        &composed, (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT));
    if (size > 0 && size <= WORD_SIZE_MAX) {
        memcpy(tokenizer->word, composed, (size_t)size);
        tokenizer->word_size = (size_t)size;
    }
    free(composed);
}

static int at_unspaced(const struct tokenizer *tokenizer)
{
    utf8proc_int32_t c;
    enum kind kind;
    if ((unsigned char)tokenizer->text[tokenizer->offset] < 0x80)
        return 0;
    (void)decode(tokenizer, tokenizer->offset, &c, &kind);
    return kind == KIND_UNSPACED;
}

const char *tokenizer_next(struct tokenizer *tokenizer, size_t *ret_size)
{
    for (;;) {
        skip_separators(tokenizer);
        if (tokenizer->offset >= tokenizer->size)
            return NULL;
        tokenizer->word_size = 0;
        tokenizer->compose = 0;
        if (at_unspaced(tokenizer)) {
            read_pair(tokenizer);
        } else {
            tokenizer->paired = 0;
            read_run(tokenizer);
        }
        if (tokenizer->word_size == 0 || tokenizer->word_size > WORD_SIZE_MAX)
            continue;
        if (tokenizer->compose)
            compose_word(tokenizer);
        *ret_size = tokenizer->word_size;
        return tokenizer->word;
    }
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
