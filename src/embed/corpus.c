/* corpus.c: training. Latent semantic analysis with normalised words.
 *
 *   X        texts × words, (1 + ln tf) · idf, rows of length 1               vocabulary.c
 *   X ≈ U S Vᵀ                                                                svd.c
 *   e = v·√S, then e / |e|^word_exponent     a word's vector
 *   t = Σ (1 + ln tf) · idf · e, length 1    a text's vector
 *   c = the first uncentred principal component of the training texts' t
 *   t - (t·c)c, length 1                     what a text gets
 *
 * Plain LSA lets frequent words have long vectors; dividing by a power of the length is what makes words of
 * every frequency speak (docs/text-model.md has the measurements). Taking out c removes what all texts
 * of a corpus have in common. Both sums are linear, so that idf and the removal of c are worked into the
 * words' vectors once: a text is then a weighted sum of rows, and c needs no place in the model. */
#include "embed/corpus.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "embed/vocabulary.h"

#define OVERSAMPLING         20
#define POWER_ITERATIONS     2
#define COMPONENT_ITERATIONS 100

static size_t corpus_memory(const struct embedder *embedder)
{
    const struct corpus *corpus = (const struct corpus *)embedder;
    return sizeof *corpus + word_table_memory(&corpus->words) +
           corpus->words.count * (corpus->stride * sizeof(float) + 2 * sizeof(uint32_t));
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

/* v becomes e. */
static void normalise_words(struct svd *svd, size_t word_count, size_t dim, double exponent)
{
    for (size_t i = 0; i < word_count; i++) {
        float *row = svd->vectors + i * svd->stride;
        double square = 0;
        for (size_t j = 0; j < dim; j++) {
            row[j] *= (float)sqrt(svd->values[j]);
            square += (double)row[j] * row[j];
        }
        float scale = square > 0 ? (float)pow(square, -exponent / 2) : 0;
        for (size_t j = 0; j < dim; j++)
            row[j] *= scale;
    }
}

static void normalise_rows(float *rows, size_t row_count, size_t stride)
{
    for (size_t i = 0; i < row_count; i++) {
        float *row = rows + i * stride;
        double square = 0;
        for (size_t j = 0; j < stride; j++)
            square += (double)row[j] * row[j];
        float scale = square > 0 ? (float)(1 / sqrt(square)) : 0;
        for (size_t j = 0; j < stride; j++)
            row[j] *= scale;
    }
}

/* The eigenvector of a symmetric matrix's largest eigenvalue, which is far from the second here. */
static void first_component(const double *gram, size_t n, double *component, double *next)
{
    for (size_t j = 0; j < n; j++)
        component[j] = gram[j * n + j] + 1e-30;
    for (int step = 0; step < COMPONENT_ITERATIONS; step++) {
        double square = 0;
        for (size_t i = 0; i < n; i++) {
            next[i] = 0;
            for (size_t j = 0; j < n; j++)
                next[i] += gram[i * n + j] * component[j];
            square += next[i] * next[i];
        }
        double scale = square > 0 ? 1 / sqrt(square) : 0;
        for (size_t i = 0; i < n; i++)
            component[i] = next[i] * scale;
    }
}

static void take_out(float *vectors, size_t row_count, size_t stride, size_t dim,
                     const double *component)
{
    for (size_t i = 0; i < row_count; i++) {
        float *row = vectors + i * stride;
        double along = 0;
        for (size_t j = 0; j < dim; j++)
            along += row[j] * component[j];
        for (size_t j = 0; j < dim; j++)
            row[j] = (float)(row[j] - along * component[j]);
    }
}

/* Remove from the words what the texts have in common. */
static lode_status centre(struct svd *svd, const struct vocabulary *vocabulary, size_t dim,
                          struct executor *executor, lode_error *error)
{
    const struct sparse *rows = &vocabulary->rows;
    float *texts = dense_new(rows->row_count, svd->stride);
    double *gram = calloc(dim * dim + 2 * dim, sizeof *gram);
    if (!texts || !gram) {
        free(texts);
        free(gram);
        return error_nomem(error, "the training texts' vectors",
                           rows->row_count * svd->stride * sizeof *texts);
    }
    sparse_multiply(rows, svd->vectors, svd->stride, texts, executor);
    normalise_rows(texts, rows->row_count, svd->stride);
    dense_gram(texts, svd->stride, rows->row_count, dim, executor, gram);
    double *component = gram + dim * dim;
    first_component(gram, dim, component, component + dim);
    take_out(svd->vectors, vocabulary->words.count, svd->stride, dim, component);
    free(texts);
    free(gram);
    return LODE_OK;
}

/* From the decomposition to the words' final vectors, in svd->vectors. */
static lode_status finish_words(struct svd *svd, const struct vocabulary *vocabulary,
                                const struct corpus_options *options, lode_error *error)
{
    double exponent = options->word_exponent > 0 ? (double)options->word_exponent : 0.75;
    normalise_words(svd, vocabulary->words.count, options->dim, exponent);
    if (options->dim >= CORPUS_CENTRED_DIM_MIN) {
        lode_status status = centre(svd, vocabulary, options->dim, options->executor, error);
        if (status)
            return status;
    }
    for (size_t i = 0; i < vocabulary->words.count; i++)
        for (size_t j = 0; j < options->dim; j++)
            svd->vectors[i * svd->stride + j] *= vocabulary->weights[i];
    return LODE_OK;
}

/* Takes the words from the vocabulary and the vectors from the decomposition. */
static lode_status assemble(struct vocabulary *own_vocabulary, struct svd *own_svd,
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
    corpus->vectors = own_svd->vectors;
    own_svd->vectors = NULL;
    corpus->stride = own_svd->stride;
    corpus->text_count = own_vocabulary->text_count;
    corpus->word_exponent = options->word_exponent > 0 ? options->word_exponent : 0.75f;
    const char *language = options->language ? options->language : "english";
    memcpy(corpus->language, language, strlen(language) + 1);
    lode_status status = corpus_ready(corpus, error);
    if (status) {
        corpus_free(&corpus->embedder);
        return status;
    }
    *ret_corpus = corpus;
    return LODE_OK;
}

static lode_status decompose(const struct vocabulary *vocabulary,
                             const struct corpus_options *options, struct svd *ret_svd,
                             lode_error *error)
{
    struct svd_request request = {
        .matrix = &vocabulary->rows,
        .rank = options->dim,
        .oversampling = OVERSAMPLING,
        .iterations = POWER_ITERATIONS,
        .seed = options->seed,
        .executor = options->executor,
        .progress = options->progress,
        .context = options->context,
    };
    return svd_compute(&request, ret_svd, error);
}

lode_status corpus_train(const lode_text *texts, size_t count, const struct corpus_options *options,
                         struct embedder **ret_embedder, uint64_t *ret_used, lode_error *error)
{
    struct vocabulary vocabulary = {0};
    struct svd svd = {0};
    struct corpus *corpus = NULL;
    lode_status status = check_options(options, error);
    if (!status)
        status = vocabulary_build(texts, count, options, &vocabulary, error);
    if (!status)
        status = check_size(&vocabulary, count, options->dim, error);
    if (!status)
        status = decompose(&vocabulary, options, &svd, error);
    if (!status)
        status = finish_words(&svd, &vocabulary, options, error);
    if (!status)
        status = assemble(&vocabulary, &svd, options, &corpus, error);
    if (!status) {
        *ret_embedder = &corpus->embedder;
        if (ret_used)
            *ret_used = corpus->text_count;
    }
    vocabulary_release(&vocabulary);
    svd_release(&svd);
    return status;
}
