/* word_vectors.c: latent semantic analysis with folded-in and normalised words.
 *
 *   X        texts × words, (1 + ln tf) · idf, rows of length 1                vocabulary.c
 *   X' = U S Vᵀ   of the core: the words that at least CORE_FREQUENCY texts hold    svd.c
 *   v = X_wᵀ U S⁻¹   for every other word w: folded in where its texts are
 *   e = v·√S, then e / |e|^word_exponent
 *   c = the first uncentred principal component of the training texts' Σ (1 + ln tf) · idf · e
 *   e - (e·c)c, times idf                   what a text adds up
 *
 * Rare words say little about which directions matter, but a search often hangs on one of them: they do
 * not take part in finding the directions, and lie in them all the same (docs/decisions/0020).
 * Plain LSA gives frequent words long vectors; dividing by a power of the length lets words of every
 * frequency speak. Taking out c removes what all texts have in common: since sums are linear, it can be
 * taken out of the words once. */
#include "embed/word_vectors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CORE_FREQUENCY       3
#define CORE_WORDS_MIN       2 /* for each dimension: with fewer core words, rarer ones join them */
#define OVERSAMPLING         20
#define POWER_ITERATIONS     2
#define COMPONENT_ITERATIONS 100

struct learning {
    const struct vocabulary *vocabulary;
    const struct corpus_options *options;
    size_t dim;
    size_t stride;
    uint32_t *core; /* a word's column in the core, or WORD_NONE */
    size_t core_count;
    struct sparse matrix; /* the core's columns of vocabulary->rows */
    struct svd svd;
    float *vectors; /* words × stride */
};

static void learning_release(struct learning *learning)
{
    free(learning->core);
    sparse_release(&learning->matrix);
    svd_release(&learning->svd);
    free(learning->vectors);
}

/* --- The core -------------------------------------------------------------------------------------- */

static size_t number_core(const struct vocabulary *vocabulary, uint32_t frequency_min,
                          uint32_t *core)
{
    uint32_t count = 0;
    for (size_t i = 0; i < vocabulary->words.count; i++)
        core[i] = vocabulary->frequencies[i] >= frequency_min ? count++ : WORD_NONE;
    return count;
}

static lode_status choose_core(struct learning *learning, lode_error *error)
{
    size_t words = learning->vocabulary->words.count;
    size_t wanted = CORE_WORDS_MIN * (learning->dim + OVERSAMPLING);
    learning->core = malloc((words + 1) * sizeof *learning->core);
    if (!learning->core)
        return error_nomem(error, "frequent words", words * sizeof *learning->core);
    for (uint32_t min = CORE_FREQUENCY; min >= 1; min--) {
        learning->core_count = number_core(learning->vocabulary, min, learning->core);
        if (learning->core_count >= wanted)
            break;
    }
    return LODE_OK;
}

static lode_status fill_core(struct learning *learning, lode_error *error)
{
    const struct sparse *rows = &learning->vocabulary->rows;
    size_t count = 0, total = rows->starts[rows->row_count];
    struct sparse *matrix = &learning->matrix;
    matrix->row_count = rows->row_count;
    matrix->column_count = learning->core_count;
    matrix->starts = calloc(rows->row_count + 1, sizeof *matrix->starts);
    matrix->columns = malloc((total + 1) * sizeof *matrix->columns);
    matrix->values = malloc((total + 1) * sizeof *matrix->values);
    if (!matrix->starts || !matrix->columns || !matrix->values)
        return error_nomem(error, "the matrix of frequent words", total * 8);
    for (size_t i = 0; i < rows->row_count; i++) {
        for (size_t e = rows->starts[i]; e < rows->starts[i + 1]; e++) {
            uint32_t column = learning->core[rows->columns[e]];
            if (column == WORD_NONE)
                continue;
            matrix->columns[count] = column;
            matrix->values[count++] = rows->values[e];
        }
        matrix->starts[i + 1] = count;
    }
    return LODE_OK;
}

static lode_status decompose(struct learning *learning, lode_error *error)
{
    const struct corpus_options *options = learning->options;
    struct svd_request request = {
        .matrix = &learning->matrix,
        .rank = learning->dim,
        .oversampling = OVERSAMPLING,
        .iterations = POWER_ITERATIONS,
        .seed = options->seed,
        .executor = options->executor,
        .progress = options->progress,
        .context = options->context,
    };
    return svd_compute(&request, &learning->svd, error);
}

/* --- All words -------------------------------------------------------------------------------------- */

/* texts × stride: U S⁻¹ = X' V S⁻², what rare words are weighted sums of. */
static lode_status place_texts(const struct learning *learning, float **ret_texts,
                               lode_error *error)
{
    size_t rows = learning->matrix.row_count, stride = learning->stride;
    const double *values = learning->svd.values;
    float *texts = dense_new(rows, stride);
    if (!texts)
        return error_nomem(error, "the training texts' vectors", rows * stride * sizeof *texts);
    sparse_multiply(&learning->matrix, learning->svd.vectors, stride, texts,
                    learning->options->executor);
    for (size_t j = 0; j < learning->dim; j++) {
        float scale = values[j] > 0 ? (float)(1 / (values[j] * values[j])) : 0;
        for (size_t i = 0; i < rows; i++)
            texts[i * stride + j] *= scale;
    }
    *ret_texts = texts;
    return LODE_OK;
}

/* v of every word. */
static lode_status fold_in(struct learning *learning, lode_error *error)
{
    size_t words = learning->vocabulary->words.count, stride = learning->stride;
    struct sparse by_word = {0};
    float *texts = NULL;
    lode_status status = place_texts(learning, &texts, error);
    if (!status)
        status = sparse_transpose(&learning->vocabulary->rows, &by_word, error);
    if (!status && !(learning->vectors = dense_new(words, stride)))
        status = error_nomem(error, "word vectors", words * stride * sizeof(float));
    for (size_t i = 0; i < words && !status; i++) {
        float *row = learning->vectors + i * stride;
        size_t begin = by_word.starts[i], count = by_word.starts[i + 1] - begin;
        if (learning->core[i] != WORD_NONE)
            memcpy(row, learning->svd.vectors + learning->core[i] * stride, stride * sizeof *row);
        else
            dense()->gather(row, texts, stride, by_word.columns + begin, by_word.values + begin,
                            count);
    }
    sparse_release(&by_word);
    free(texts);
    return status;
}

/* v becomes e. */
static void normalise_words(struct learning *learning)
{
    float asked = learning->options->word_exponent;
    double exponent = asked > 0 ? (double)asked : 0.75;
    for (size_t i = 0; i < learning->vocabulary->words.count; i++) {
        float *row = learning->vectors + i * learning->stride;
        double square = 0;
        for (size_t j = 0; j < learning->dim; j++) {
            row[j] *= (float)sqrt(learning->svd.values[j]);
            square += (double)row[j] * row[j];
        }
        float scale = square > 0 ? (float)pow(square, -exponent / 2) : 0;
        for (size_t j = 0; j < learning->dim; j++)
            row[j] *= scale;
    }
}

/* --- What all texts have in common ------------------------------------------------------------------ */

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

/* The eigenvector of a symmetric matrix's largest eigenvalue, by power iteration: few are needed, since
 * texts of one corpus share a direction or, where they do not, any will do. */
static void first_component(const double *gram, size_t n, double *component, double *next)
{
    for (size_t j = 0; j < n; j++)
        component[j] = gram[j * n + j];
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

static void take_out(struct learning *learning, const double *component)
{
    for (size_t i = 0; i < learning->vocabulary->words.count; i++) {
        float *row = learning->vectors + i * learning->stride;
        double along = 0;
        for (size_t j = 0; j < learning->dim; j++)
            along += row[j] * component[j];
        for (size_t j = 0; j < learning->dim; j++)
            row[j] = (float)(row[j] - along * component[j]);
    }
}

static lode_status centre(struct learning *learning, lode_error *error)
{
    const struct sparse *rows = &learning->vocabulary->rows;
    size_t dim = learning->dim, stride = learning->stride;
    struct executor *executor = learning->options->executor;
    float *texts = dense_new(rows->row_count, stride);
    double *gram = calloc(dim * dim + 2 * dim + 1, sizeof *gram);
    if (!texts || !gram) {
        free(texts);
        free(gram);
        return error_nomem(error, "the training texts' vectors",
                           rows->row_count * stride * sizeof *texts);
    }
    sparse_multiply(rows, learning->vectors, stride, texts, executor);
    normalise_rows(texts, rows->row_count, stride);
    dense_gram(texts, stride, rows->row_count, dim, executor, gram);
    double *component = gram + dim * dim;
    first_component(gram, dim, component, component + dim);
    take_out(learning, component);
    free(texts);
    free(gram);
    return LODE_OK;
}

static void weigh_words(struct learning *learning)
{
    for (size_t i = 0; i < learning->vocabulary->words.count; i++)
        for (size_t j = 0; j < learning->dim; j++)
            learning->vectors[i * learning->stride + j] *= learning->vocabulary->weights[i];
}

lode_status word_vectors_learn(const struct vocabulary *vocabulary,
                               const struct corpus_options *options, float **ret_vectors,
                               lode_error *error)
{
    struct learning learning = {
        .vocabulary = vocabulary,
        .options = options,
        .dim = options->dim,
        .stride = dense_stride(options->dim),
    };
    lode_status status = choose_core(&learning, error);
    if (!status)
        status = fill_core(&learning, error);
    if (!status)
        status = decompose(&learning, error);
    if (!status)
        status = fold_in(&learning, error);
    if (!status) {
        normalise_words(&learning);
        if (options->dim >= CENTRED_DIM_MIN)
            status = centre(&learning, error);
    }
    if (!status) {
        weigh_words(&learning);
        *ret_vectors = learning.vectors;
        learning.vectors = NULL;
    }
    learning_release(&learning);
    return status;
}

float word_vector_pack(const float *row, size_t dim, int8_t *packed)
{
    float largest = 0;
    for (size_t j = 0; j < dim; j++)
        largest = fmaxf(largest, fabsf(row[j]));
    float scale = largest / 127;
    for (size_t j = 0; j < dim; j++)
        packed[j] = scale > 0 ? (int8_t)lrintf(row[j] / scale) : 0;
    return scale;
}
