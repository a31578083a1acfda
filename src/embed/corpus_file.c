/* corpus_file.c: the model's bytes (docs/format/text-model.md). The frame around them has the checksum;
 * here every length, order and number is checked, so that no bytes whatever can do harm. */
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "base/utf8.h"
#include "embed/corpus.h"
#include "embed/vocabulary.h"

#define MODEL_MAGIC      "LODETEXT"
#define MODEL_VERSION    1
#define VECTOR_SCALE_MAX 1e25f /* keeps every sum of a text finite */

static lode_status append_header(const struct corpus *corpus, struct buf *out, lode_error *error)
{
    uint32_t exponent;
    memcpy(&exponent, &corpus->word_exponent, sizeof exponent);
    char language[LANGUAGE_SIZE_MAX] = {0};
    memcpy(language, corpus->language, strlen(corpus->language));
    lode_status status = buf_append(out, MODEL_MAGIC, 8, error);
    if (!status)
        status = buf_append_u32(out, MODEL_VERSION, error);
    if (!status)
        status = buf_append_u32(out, (uint32_t)corpus->embedder.dim, error);
    if (!status)
        status = buf_append_u32(out, corpus->words.count, error);
    if (!status)
        status = buf_append_u32(out, exponent, error);
    if (!status)
        status = buf_append_u64(out, corpus->text_count, error);
    return status ? status : buf_append(out, language, sizeof language, error);
}

static lode_status append_words(const struct corpus *corpus, struct buf *out, lode_error *error)
{
    lode_status status = LODE_OK;
    for (uint32_t i = 0; i < corpus->words.count && !status; i++) {
        size_t size;
        const char *word = word_table_word(&corpus->words, i, &size);
        status = buf_append_u32(out, corpus->frequencies[i], error);
        if (!status)
            status = buf_append_u8(out, (uint8_t)size, error);
        if (!status)
            status = buf_append(out, word, size, error);
    }
    return status;
}

static lode_status append_vectors(const struct corpus *corpus, struct buf *out, lode_error *error)
{
    size_t dim = corpus->embedder.dim;
    lode_status status = buf_reserve(out, corpus->words.count * (dim + 4), error);
    for (uint32_t i = 0; i < corpus->words.count && !status; i++) {
        uint32_t scale;
        memcpy(&scale, &corpus->scales[i], sizeof scale);
        status = buf_append_u32(out, scale, error);
        if (!status)
            status = buf_append(out, corpus->vectors + i * corpus->stride, dim, error);
    }
    return status;
}

lode_status corpus_serialize(const struct embedder *embedder, struct buf *out, lode_error *error)
{
    const struct corpus *corpus = (const struct corpus *)embedder;
    lode_status status = append_header(corpus, out, error);
    if (!status)
        status = append_words(corpus, out, error);
    return status ? status : append_vectors(corpus, out, error);
}

static lode_status corrupt(const struct reader *reader, lode_error *error, const char *problem)
{
    return error_set(error, LODE_CORRUPT, "text model, byte %zu: %s", reader->offset, problem);
}

static lode_status read_header(struct reader *reader, struct corpus *corpus, uint32_t *ret_words,
                               lode_error *error)
{
    const uint8_t *magic = reader_bytes(reader, 8);
    if (!magic || memcmp(magic, MODEL_MAGIC, 8) != 0)
        return corrupt(reader, error, "this is not a text model");
    uint32_t version = reader_u32(reader);
    if (!reader->failed && version != MODEL_VERSION)
        return error_set(error, version > MODEL_VERSION ? LODE_VERSION : LODE_CORRUPT,
                         "a text model of format %u; this build reads format %d", version,
                         MODEL_VERSION);
    corpus->embedder.dim = reader_u32(reader);
    *ret_words = reader_u32(reader);
    corpus->word_exponent = reader_f32(reader);
    corpus->text_count = reader_u64(reader);
    const uint8_t *language = reader_bytes(reader, LANGUAGE_SIZE_MAX);
    if (!language)
        return corrupt(reader, error, "the header is cut short");
    memcpy(corpus->language, language, LANGUAGE_SIZE_MAX);
    if (corpus->embedder.dim < 1 || corpus->embedder.dim > CORPUS_DIM_MAX)
        return corrupt(reader, error, "dimensions out of range");
    if (*ret_words > VOCABULARY_WORDS_MAX ||
        *ret_words > reader_left(reader) / (10 + corpus->embedder.dim))
        return corrupt(reader, error, "more words than bytes");
    if (!(corpus->word_exponent > 0 && corpus->word_exponent <= 1))
        return corrupt(reader, error, "word_exponent out of range");
    size_t end = strnlen(corpus->language, LANGUAGE_SIZE_MAX);
    for (size_t i = end; i < LANGUAGE_SIZE_MAX; i++)
        if (language[i])
            end = 0;
    if (end == 0 || end == LANGUAGE_SIZE_MAX)
        return corrupt(reader, error, "the language's name is not one");
    return LODE_OK;
}

static lode_status read_words(struct reader *reader, struct corpus *corpus, uint32_t count,
                              lode_error *error)
{
    const char *before = "";
    size_t before_size = 0;
    corpus->frequencies = malloc((count + (size_t)1) * sizeof *corpus->frequencies);
    if (!corpus->frequencies)
        return error_nomem(error, "a vocabulary", count * sizeof *corpus->frequencies);
    for (uint32_t i = 0; i < count; i++) {
        corpus->frequencies[i] = reader_u32(reader);
        size_t size = reader_u8(reader);
        const char *word = (const char *)reader_bytes(reader, size);
        if (!word || size == 0 || size > WORD_SIZE_MAX || utf8_valid_prefix(word, size) != size)
            return corrupt(reader, error, "a word is not one");
        if (corpus->frequencies[i] == 0)
            return corrupt(reader, error, "a word of no text");
        if (word_compare(before, before_size, word, size) >= 0)
            return corrupt(reader, error, "words out of order");
        uint32_t number;
        lode_status status = word_table_add(&corpus->words, word, size, &number, error);
        if (status)
            return status;
        before = word;
        before_size = size;
    }
    return LODE_OK;
}

static lode_status read_vectors(struct reader *reader, struct corpus *corpus, lode_error *error)
{
    size_t dim = corpus->embedder.dim, count = corpus->words.count;
    if (reader_left(reader) != count * (dim + 4))
        return corrupt(reader, error, "as many vectors as words should follow, and nothing else");
    lode_status status = corpus_reserve(corpus, error);
    if (status)
        return status;
    for (size_t i = 0; i < count; i++) {
        float scale = reader_f32(reader);
        if (!(scale >= 0 && scale <= VECTOR_SCALE_MAX))
            return corrupt(reader, error, "a vector's scale is out of range");
        corpus->scales[i] = scale;
        memcpy(corpus->vectors + i * corpus->stride, reader_bytes(reader, dim), dim);
    }
    return LODE_OK;
}

static lode_status check_language(const struct corpus *corpus, lode_error *error)
{
    struct tokenizer *tokenizer;
    lode_status status = tokenizer_new(corpus->language, &tokenizer, error);
    if (!status)
        tokenizer_free(tokenizer);
    return status == LODE_INVALID
               ? error_set(error, LODE_UNSUPPORTED,
                           "a text model of language '%.31s', which this build has no stemmer for",
                           corpus->language)
               : status;
}

lode_status corpus_open(const uint8_t *data, size_t size, struct embedder **ret_embedder,
                        lode_error *error)
{
    struct reader reader;
    uint32_t word_count = 0;
    struct corpus *corpus = corpus_new(error);
    if (!corpus)
        return LODE_NOMEM;
    reader_init(&reader, data, size);
    lode_status status = read_header(&reader, corpus, &word_count, error);
    if (!status)
        status = check_language(corpus, error);
    if (!status)
        status = read_words(&reader, corpus, word_count, error);
    if (!status)
        status = read_vectors(&reader, corpus, error);
    if (!status)
        status = corpus_ready(corpus, error);
    if (status)
        corpus_free(&corpus->embedder);
    else
        *ret_embedder = &corpus->embedder;
    return status;
}
