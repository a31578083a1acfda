/* words.c: the walk over a text's words. ASCII goes through a table; everything else through
 * utf8proc's categories. */
#include "base/words.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum kind { KIND_SEPARATOR, KIND_WORD, KIND_MARK, KIND_IGNORED, KIND_UNSPACED };

void words_begin(struct words *words, const char *text, size_t size)
{
    words->text = text;
    words->size = size;
    words->offset = 0;
    words->paired = 0;
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
static size_t decode(const struct words *words, size_t offset, utf8proc_int32_t *ret_c,
                     enum kind *ret_kind)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)words->text + offset;
    size_t left = words->size - offset;
    utf8proc_ssize_t length = utf8proc_iterate(at, left < 4 ? (utf8proc_ssize_t)left : 4, ret_c);
    if (length <= 0) {
        *ret_kind = KIND_SEPARATOR;
        return 1;
    }
    *ret_kind = kind_of(*ret_c);
    return (size_t)length;
}

static void append(struct words *words, utf8proc_int32_t c)
{
    utf8proc_uint8_t bytes[4];
    size_t length = (size_t)utf8proc_encode_char(utf8proc_tolower(c), bytes);
    if (words->word_size <= WORD_SIZE_MAX)
        memcpy(words->word + words->word_size, bytes, length);
    words->word_size += length;
}

/* ASCII letters and digits, in lower case; 0 for everything else. */
static inline char ascii_letter(unsigned char c)
{
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
        return (char)c;
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : 0;
}

static void skip_separators(struct words *words)
{
    while (words->offset < words->size) {
        unsigned char byte = (unsigned char)words->text[words->offset];
        if (byte < 0x80) {
            if (ascii_letter(byte))
                return;
            words->offset++;
            words->paired = 0;
            continue;
        }
        utf8proc_int32_t c;
        enum kind kind;
        size_t length = decode(words, words->offset, &c, &kind);
        if (kind == KIND_WORD || kind == KIND_UNSPACED)
            return;
        words->offset += length;
        words->paired = 0;
    }
}

static void read_run(struct words *words)
{
    while (words->offset < words->size) {
        unsigned char byte = (unsigned char)words->text[words->offset];
        if (byte < 0x80) {
            char letter = ascii_letter(byte);
            if (!letter)
                return;
            if (words->word_size <= WORD_SIZE_MAX)
                words->word[words->word_size] = letter;
            words->word_size++;
            words->offset++;
            continue;
        }
        utf8proc_int32_t c;
        enum kind kind;
        size_t length = decode(words, words->offset, &c, &kind);
        if (kind == KIND_SEPARATOR || kind == KIND_UNSPACED)
            return;
        words->offset += length;
        words->compose |= kind == KIND_MARK || (c >= 0xfb00 && c <= 0xffef);
        if (kind != KIND_IGNORED)
            append(words, c);
    }
}

/* An unspaced character and the one after it; alone only when neither neighbour pairs with it. */
static void read_pair(struct words *words)
{
    utf8proc_int32_t c;
    enum kind kind;
    words->offset += decode(words, words->offset, &c, &kind);
    append(words, c);
    int paired = 0;
    if (words->offset < words->size) {
        (void)decode(words, words->offset, &c, &kind);
        paired = kind == KIND_UNSPACED;
    }
    if (paired)
        append(words, c);
    else if (words->paired)
        words->word_size = 0;
    words->paired = paired;
}

/* Canonical and compatible composition (NFKC), so that "e" + "´" is "é" and the ligature "ﬁ" is "fi". */
static void compose_word(struct words *words)
{
    utf8proc_uint8_t *composed = NULL;
    utf8proc_ssize_t size = utf8proc_map(
        (const utf8proc_uint8_t *)words->word, (utf8proc_ssize_t)words->word_size, &composed,
        (utf8proc_option_t)(UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT));
    if (size > 0 && size <= WORD_SIZE_MAX) {
        memcpy(words->word, composed, (size_t)size);
        words->word_size = (size_t)size;
    }
    free(composed);
}

static int at_unspaced(const struct words *words)
{
    utf8proc_int32_t c;
    enum kind kind;
    if ((unsigned char)words->text[words->offset] < 0x80)
        return 0;
    (void)decode(words, words->offset, &c, &kind);
    return kind == KIND_UNSPACED;
}

const char *words_next(struct words *words, size_t *ret_size)
{
    for (;;) {
        skip_separators(words);
        if (words->offset >= words->size)
            return NULL;
        words->word_size = 0;
        words->compose = 0;
        if (at_unspaced(words)) {
            read_pair(words);
        } else {
            words->paired = 0;
            read_run(words);
        }
        if (words->word_size == 0 || words->word_size > WORD_SIZE_MAX)
            continue;
        if (words->compose)
            compose_word(words);
        *ret_size = words->word_size;
        return words->word;
    }
}
