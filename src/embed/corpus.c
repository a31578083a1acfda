/* corpus.c: the corpus model as an object, and the steps of training it.
 *
 * A text's vector is the sum over its words of (1 + ln tf) times the word's row, brought to length 1. The
 * rows come from word_vectors.c, where the method stands, and are kept as 8-bit integers with a scale
 * each: a quarter of the memory at the same quality to the fourth digit. */
#include "embed/corpus.h"

#include <stdlib.h>
#include <string.h>

#include "embed/word_vectors.h"

static size_t corpus_memory(const struct embedder *embedder)
{
    const struct corpus *corpus = (const struct corpus *)embedder;
    return sizeof *corpus + word_table_memory(&corpus->words) +
           corpus->words.count * (corpus->stride + sizeof(float) + 2 * sizeof(uint32_t));
}

static const struct embedder_ops corpus_ops = {
    .name = "corpus",
    .embed = corpus_embed,
    .serialize = corpus_serialize,
    .memory = corpus_memory,
    .free = corpus_free,
};

struct corpus *corpus_new(lode_error *error)
{
    struct corpus *corpus = calloc(1, sizeof *corpus);
    if (!corpus) {
        (void)error_nomem(error, "a text model", sizeof *corpus);
        return NULL;
    }
    corpus->embedder.ops = &corpus_ops;
    word_table_init(&corpus->words);
    mutex_init(&corpus->lock);
    return corpus;
}

void corpus_free(struct embedder *embedder)
{
    struct corpus *corpus = (struct corpus *)embedder;
    if (!corpus)
        return;
    corpus_readers_free(corpus->idle);
    mutex_release(&corpus->lock);
    typo_index_release(&corpus->typos);
    word_table_release(&corpus->words);
    free(corpus->frequencies);
    free(corpus->vectors);
    free(corpus->scales);
    free(corpus);
}

lode_status corpus_ready(struct corpus *corpus, lode_error *error)
{
    corpus->embedder.word_count = corpus->words.count;
    return typo_index_init(&corpus->typos, &corpus->words, corpus->frequencies, error);
}

/* --- Training ------------------------------------------------------------------------------------- */

static lode_status check_options(const struct corpus_options *options, lode_error *error)
{
    if (options->dim < 1 || options->dim > CORPUS_DIM_MAX)
        return error_set(error, LODE_INVALID, "a text model has 1 to %d dimensions, not %zu",
                         CORPUS_DIM_MAX, options->dim);
    if (!(options->word_exponent >= 0 && options->word_exponent <= 1))
        return error_set(error, LODE_INVALID, "word_exponent is from 0 to 1, not %g",
                         (double)options->word_exponent);
    struct tokenizer *tokenizer;
    lode_status status =
        tokenizer_new(options->language ? options->language : "english", &tokenizer, error);
    if (!status)
        tokenizer_free(tokenizer);
    return status;
}

static lode_status check_size(const struct vocabulary *vocabulary, size_t given, size_t dim,
                              lode_error *error)
{
    if (vocabulary->text_count >= dim && vocabulary->words.count >= dim)
        return LODE_OK;
    return error_set(
        error, LODE_INVALID,
        "%zu dimensions need at least %zu different texts and %zu words that several of "
        "them share; these %zu texts give %llu and %u",
        dim, dim, dim, given, (unsigned long long)vocabulary->text_count, vocabulary->words.count);
}

lode_status corpus_reserve(struct corpus *corpus, lode_error *error)
{
    size_t count = corpus->words.count;
    corpus->stride = dense_stride(corpus->embedder.dim);
    corpus->vectors = calloc(count + 1, corpus->stride);
    corpus->scales = calloc(count + 1, sizeof *corpus->scales);
    if (!corpus->vectors || !corpus->scales)
        return error_nomem(error, "word vectors", count * corpus->stride);
    return LODE_OK;
}

static lode_status pack(struct corpus *corpus, const float *vectors, lode_error *error)
{
    lode_status status = corpus_reserve(corpus, error);
    size_t stride = corpus->stride;
    for (size_t i = 0; i < corpus->words.count && !status; i++)
        corpus->scales[i] = word_vector_pack(vectors + i * stride, corpus->embedder.dim,
                                             corpus->vectors + i * stride);
    return status;
}

/* Takes the words from the vocabulary. */
static lode_status assemble(struct vocabulary *own_vocabulary, const float *vectors,
                            const struct corpus_options *options, struct corpus **ret_corpus,
                            lode_error *error)
{
    struct corpus *corpus = corpus_new(error);
    if (!corpus)
        return LODE_NOMEM;
    corpus->embedder.dim = options->dim;
    corpus->words = own_vocabulary->words;
    word_table_init(&own_vocabulary->words);
    corpus->frequencies = own_vocabulary->frequencies;
    own_vocabulary->frequencies = NULL;
    corpus->text_count = own_vocabulary->text_count;
    corpus->word_exponent = options->word_exponent > 0 ? options->word_exponent : 0.75f;
    const char *language = options->language ? options->language : "english";
    memcpy(corpus->language, language, strlen(language) + 1);
    lode_status status = pack(corpus, vectors, error);
    if (!status)
        status = corpus_ready(corpus, error);
    if (status) {
        corpus_free(&corpus->embedder);
        return status;
    }
    *ret_corpus = corpus;
    return LODE_OK;
}

lode_status corpus_train(const lode_text *texts, size_t count, const struct corpus_options *options,
                         struct embedder **ret_embedder, uint64_t *ret_used, lode_error *error)
{
    struct vocabulary vocabulary = {0};
    float *vectors = NULL;
    struct corpus *corpus = NULL;
    lode_status status = check_options(options, error);
    if (!status)
        status = vocabulary_build(texts, count, options, &vocabulary, error);
    if (!status)
        status = check_size(&vocabulary, count, options->dim, error);
    if (!status)
        status = word_vectors_learn(&vocabulary, options, &vectors, error);
    if (!status)
        status = assemble(&vocabulary, vectors, options, &corpus, error);
    if (!status) {
        *ret_embedder = &corpus->embedder;
        if (ret_used)
            *ret_used = corpus->text_count;
    }
    vocabulary_release(&vocabulary);
    free(vectors);
    return status;
}
