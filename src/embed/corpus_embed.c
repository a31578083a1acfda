/* corpus_embed.c: texts to vectors. A call borrows a reader (tokenizer, word cache, counters) from the
 * model's idle ones, or makes one: as many exist as ever embedded at once. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "embed/corpus.h"

struct corpus_reader {
    struct corpus_reader *next;
    struct tokenizer *tokenizer;
    struct word_cache *cache;
    uint32_t *times; /* by word: how often in this text; all zero between texts */
    uint32_t *seen;  /* its words in the order of their first occurrence */
    float *weights;
    float *sum; /* stride floats */
    uint32_t seen_count;
    uint32_t word_total; /* words of the text, known or not */
    uint32_t unknown_count;
    uint8_t unknown_sizes[TYPO_TEXT_WORDS_MAX];
    char unknown[TYPO_TEXT_WORDS_MAX][WORD_SIZE_MAX];
};

void corpus_readers_free(struct corpus_reader *reader)
{
    while (reader) {
        struct corpus_reader *next = reader->next;
        tokenizer_free(reader->tokenizer);
        free(reader->cache);
        free(reader->times);
        free(reader->seen);
        free(reader->weights);
        free(reader->sum);
        free(reader);
        reader = next;
    }
}

static lode_status reader_new(const struct corpus *corpus, struct corpus_reader **ret_reader,
                              lode_error *error)
{
    struct corpus_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return error_nomem(error, "embedding", sizeof *reader);
    size_t words = corpus->words.count + 1;
    reader->cache = calloc(1, sizeof *reader->cache);
    reader->times = calloc(words, sizeof *reader->times);
    reader->seen = malloc(words * sizeof *reader->seen);
    reader->weights = malloc(words * sizeof *reader->weights);
    reader->sum = dense_new(1, corpus->stride);
    lode_status status = LODE_OK;
    if (!reader->cache || !reader->times || !reader->seen || !reader->weights || !reader->sum)
        status = error_nomem(error, "embedding", words * 12);
    if (!status)
        status = tokenizer_new(corpus->language, &reader->tokenizer, error);
    if (status)
        corpus_readers_free(reader);
    else
        *ret_reader = reader;
    return status;
}

static lode_status borrow(struct corpus *corpus, struct corpus_reader **ret_reader,
                          lode_error *error)
{
    mutex_lock(&corpus->lock);
    struct corpus_reader *reader = corpus->idle;
    if (reader)
        corpus->idle = reader->next;
    mutex_unlock(&corpus->lock);
    if (!reader)
        return reader_new(corpus, ret_reader, error);
    reader->next = NULL;
    *ret_reader = reader;
    return LODE_OK;
}

static void give_back(struct corpus *corpus, struct corpus_reader *reader)
{
    mutex_lock(&corpus->lock);
    reader->next = corpus->idle;
    corpus->idle = reader;
    mutex_unlock(&corpus->lock);
}

static uint32_t number_word(const struct corpus *corpus, struct corpus_reader *reader,
                            const char *word, size_t size)
{
    struct word_cache_entry *entry = word_cache_at(reader->cache, word, size);
    if (word_cache_has(entry, word, size))
        return entry->number;
    uint32_t number = WORD_NONE;
    if (!tokenizer_stops(reader->tokenizer, word, size)) {
        size_t stem_size;
        const char *stem = tokenizer_stem(reader->tokenizer, word, size, &stem_size);
        number = stem ? word_table_find(&corpus->words, stem, stem_size) : WORD_NONE;
    }
    word_cache_put(entry, word, size, number);
    return number;
}

static void count_word(struct corpus_reader *reader, uint32_t number)
{
    if (reader->times[number]++ == 0)
        reader->seen[reader->seen_count++] = number;
}

static void keep_unknown(struct corpus_reader *reader, const char *word, size_t size)
{
    if (reader->unknown_count == TYPO_TEXT_WORDS_MAX)
        return;
    memcpy(reader->unknown[reader->unknown_count], word, size);
    reader->unknown_sizes[reader->unknown_count++] = (uint8_t)size;
}

static void mend_unknown(const struct corpus *corpus, struct corpus_reader *reader)
{
    for (uint32_t i = 0; i < reader->unknown_count; i++) {
        const char *word = reader->unknown[i];
        size_t size = reader->unknown_sizes[i];
        if (tokenizer_stops(reader->tokenizer, word, size))
            continue;
        uint32_t number = typo_find(&corpus->typos, reader->tokenizer, word, size);
        if (number != WORD_NONE)
            count_word(reader, number);
    }
}

static void read_text(const struct corpus *corpus, struct corpus_reader *reader,
                      const lode_text *text)
{
    size_t size;
    reader->seen_count = reader->word_total = reader->unknown_count = 0;
    tokenizer_begin(reader->tokenizer, text->data, text->size);
    for (const char *word; (word = tokenizer_next(reader->tokenizer, &size));) {
        reader->word_total++;
        uint32_t number = number_word(corpus, reader, word, size);
        if (number != WORD_NONE)
            count_word(reader, number);
        else
            keep_unknown(reader, word, size);
    }
    if (reader->word_total <= TYPO_TEXT_WORDS_MAX)
        mend_unknown(corpus, reader);
}

/* The text's vector from its counts, which are cleared; 0 when it has none. */
static int sum_words(const struct corpus *corpus, struct corpus_reader *reader, float *vector)
{
    size_t dim = corpus->embedder.dim;
    double square = 0;
    for (uint32_t i = 0; i < reader->seen_count; i++) {
        uint32_t times = reader->times[reader->seen[i]];
        float scale = corpus->scales[reader->seen[i]];
        reader->weights[i] = times == 1 ? scale : scale * (1 + logf((float)times));
        reader->times[reader->seen[i]] = 0;
    }
    dense()->gather_i8(reader->sum, corpus->vectors, corpus->stride, reader->seen, reader->weights,
                       reader->seen_count);
    for (size_t j = 0; j < dim; j++)
        square += (double)reader->sum[j] * reader->sum[j];
    float scale = square > 0 ? (float)(1 / sqrt(square)) : 0;
    int known = scale > 0 && isfinite(scale);
    for (size_t j = 0; j < dim; j++)
        vector[j] = known ? reader->sum[j] * scale : 0;
    return known;
}

lode_status corpus_embed(const struct embedder *embedder, const lode_text *texts, size_t count,
                         float *vectors, uint8_t *known, lode_error *error)
{
    struct corpus *corpus =
        (struct corpus *)embedder; /* only its idle readers change, under the lock */
    struct corpus_reader *reader = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t valid = utf8_valid_prefix(texts[i].data, texts[i].size);
        if (valid != texts[i].size)
            return error_set(error, LODE_INVALID, "text %zu is not valid UTF-8 at byte %zu", i,
                             valid);
    }
    lode_status status = borrow(corpus, &reader, error);
    if (status)
        return status;
    for (size_t i = 0; i < count; i++) {
        read_text(corpus, reader, &texts[i]);
        known[i] = (uint8_t)sum_words(corpus, reader, vectors + i * embedder->dim);
    }
    give_back(corpus, reader);
    return LODE_OK;
}
