/* test_corpus.c: what the text model learns, refuses, writes and reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <cmocka.h>

#include "base/le.h"
#include "embed/made_corpus.h"
#include "embed/typo.h"

enum { DIM = 32 };

static struct made_corpus *made;
static struct embedder *model;

static int set_up(void **state)
{
    (void)state;
    uint64_t used = 0;
    struct corpus_options options = {.dim = DIM, .seed = 9};
    made = made_corpus_new(1);
    if (!made || corpus_train(made->texts, TEXTS, &options, &model, &used, NULL) != LODE_OK)
        return -1;
    return used == TEXTS ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    model->ops->free(model);
    free(made);
    return 0;
}

static int embed(const struct embedder *embedder, const char *text, float *vector)
{
    lode_text one = {text, strlen(text)};
    uint8_t known = 9;
    assert_int_equal(embedder->ops->embed(embedder, &one, 1, vector, &known, NULL), LODE_OK);
    assert_in_range(known, 0, 1);
    return known;
}

static double cosine(const struct embedder *embedder, const char *a, const char *b)
{
    float x[DIM], y[DIM];
    double sum = 0;
    assert_true(embed(embedder, a, x));
    assert_true(embed(embedder, b, y));
    for (size_t i = 0; i < embedder->dim; i++)
        sum += (double)x[i] * y[i];
    return sum;
}

/* As many dimensions as topics: with more, the model also learns to tell synonyms apart. */
static void synonyms_are_near(void **state)
{
    (void)state;
    struct corpus_options options = {.dim = TOPICS};
    struct embedder *small;
    assert_int_equal(corpus_train(made->texts, TEXTS, &options, &small, NULL, NULL), LODE_OK);
    for (unsigned topic = 0; topic < TOPICS; topic++) {
        char first[8], second[8], other[8];
        made_word(topic, 0, first);
        made_word(topic, 1, second);
        made_word((topic + 5) % TOPICS, 1, other);
        assert_true(cosine(small, first, second) > 0.9);
        assert_true(cosine(small, first, other) < 0.2);
        const char *text = made->bytes[topic];
        assert_true(cosine(small, text, made->bytes[topic + TOPICS]) > 0.5);
        assert_true(cosine(small, text, made->bytes[topic + TOPICS + 1]) < 0.2);
    }
    small->ops->free(small);
}

static void vectors_have_unit_length(void **state)
{
    (void)state;
    float vectors[TEXTS * DIM];
    uint8_t known[TEXTS];
    assert_int_equal(model->ops->embed(model, made->texts, TEXTS, vectors, known, NULL), LODE_OK);
    for (size_t i = 0; i < TEXTS; i++) {
        double square = 0;
        for (size_t j = 0; j < DIM; j++)
            square += (double)vectors[i * DIM + j] * vectors[i * DIM + j];
        assert_true(known[i] && fabs(square - 1) < 1e-5);
    }
}

static void unknown_texts_have_no_vector(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "   ", "the of and", "wqzjyw", "1234567", "?!", "東京"};
    float vector[DIM];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        memset(vector, 1, sizeof vector);
        assert_false(embed(model, texts[i], vector));
        for (size_t j = 0; j < DIM; j++)
            assert_true(vector[j] == 0);
    }
    float both[DIM];
    assert_true(embed(model, "wqzjyw bidado", both));
    assert_true(embed(model, "bidado", vector));
    assert_memory_equal(both, vector, sizeof both);
}

static void bad_utf8_is_named(void **state)
{
    (void)state;
    lode_error error = {0};
    float vectors[2 * DIM];
    uint8_t known[2];
    lode_text texts[2] = {{"bidado", 6}, {"bi\xff", 3}};
    assert_int_equal(model->ops->embed(model, texts, 2, vectors, known, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "text 1 "));
    assert_non_null(strstr(error.message, "byte 2"));
    struct embedder *none = NULL;
    struct corpus_options options = {.dim = DIM};
    lode_text kept = made->texts[500];
    made->texts[500] = texts[1];
    assert_int_equal(corpus_train(made->texts, TEXTS, &options, &none, NULL, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "text 500 "));
    assert_null(none);
    made->texts[500] = kept;
}

static void expect_refusal(size_t count, const struct corpus_options *options, const char *reason)
{
    struct embedder *none = NULL;
    lode_error error = {0};
    assert_int_equal(corpus_train(made->texts, count, options, &none, NULL, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, reason));
    assert_null(none);
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    expect_refusal(TEXTS, &(struct corpus_options){.dim = 0}, "1 to 4096");
    expect_refusal(TEXTS, &(struct corpus_options){.dim = 4097}, "4097");
    expect_refusal(TEXTS, &(struct corpus_options){.dim = 8, .language = "elvish"}, "elvish");
    expect_refusal(TEXTS, &(struct corpus_options){.dim = 8, .word_exponent = -1}, "word_exponent");
    expect_refusal(TEXTS, &(struct corpus_options){.dim = 8, .word_exponent = 2}, "word_exponent");
    expect_refusal(TEXTS, &(struct corpus_options){.dim = 8, .word_exponent = NAN},
                   "word_exponent");
    expect_refusal(31, &(struct corpus_options){.dim = 32}, "at least 32 different texts");
    expect_refusal(0, &(struct corpus_options){.dim = 1}, "at least 1 different texts");
    expect_refusal(TEXTS, &(struct corpus_options){.dim = 8, .document_frequency_min = 601},
                   "these 600 texts give 600 and 0");
    expect_refusal(TEXTS, &(struct corpus_options){.dim = 600}, "600 different texts");
}

static void repeated_and_empty_texts_do_not_count(void **state)
{
    (void)state;
    lode_text texts[50];
    struct embedder *none = NULL;
    uint64_t used = 0;
    for (size_t i = 0; i < 50; i++)
        texts[i] = made->texts[i % 10];
    texts[20] = (lode_text){"", 0};
    texts[21] = (lode_text){NULL, 0};
    texts[22] = (lode_text){"... the", 7};
    struct corpus_options options = {.dim = 10};
    assert_int_equal(corpus_train(texts, 50, &options, &none, &used, NULL), LODE_OK);
    assert_int_equal(used, 10);
    none->ops->free(none);
}

static void every_dimension_works(void **state)
{
    (void)state;
    static const size_t dims[] = {1, 2, 7, 8, 31, 33, 100};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        struct corpus_options options = {.dim = dims[i], .language = "none"};
        struct embedder *other;
        float vector[100];
        assert_int_equal(corpus_train(made->texts, TEXTS, &options, &other, NULL, NULL), LODE_OK);
        assert_int_equal(other->dim, dims[i]);
        assert_true(embed(other, made->bytes[3], vector));
        double square = 0;
        for (size_t j = 0; j < dims[i]; j++)
            square += (double)vector[j] * vector[j];
        assert_true(fabs(square - 1) < 1e-5);
        other->ops->free(other);
    }
}

/* --- Typos ------------------------------------------------------------------------------------------ */

static unsigned distance(const char *a, const char *b)
{
    unsigned there = typo_distance(a, strlen(a), b, strlen(b), 3);
    assert_int_equal(there, typo_distance(b, strlen(b), a, strlen(a), 3));
    return there;
}

static void distances(void **state)
{
    (void)state;
    assert_int_equal(distance("", ""), 0);
    assert_int_equal(distance("encrypt", "encrypt"), 0);
    assert_int_equal(distance("encyrpt", "encrypt"), 1);
    assert_int_equal(distance("encrpt", "encrypt"), 1);
    assert_int_equal(distance("enncrypt", "encrypt"), 1);
    assert_int_equal(distance("ancrypt", "encrypt"), 1);
    assert_int_equal(distance("ca", "abc"), 3); /* 2 where a letter may be edited twice */
    assert_int_equal(distance("naïve", "naive"), 1);
    assert_int_equal(distance("abcdef", "fedcba"), 4);
    assert_int_equal(distance("", "abc"), 3);
    assert_int_equal(distance("abcd", ""), 4);
    assert_int_equal(distance("ab", "ba"), 1);
    assert_int_equal(distance("xabcy", "xbacy"), 1);
}

static void expect_same(const char *misspelt, const char *word, int same)
{
    float a[DIM], b[DIM];
    assert_true(embed(model, word, b));
    int known = embed(model, misspelt, a);
    assert_int_equal(known && memcmp(a, b, sizeof a) == 0, same);
}

static void typos_of_queries_are_mended(void **state)
{
    (void)state;
    char word[8];
    made_word(3, 5, word);
    assert_string_equal(word, "gilupo");
    expect_same("giulpo", "gilupo", 1);
    expect_same("gilpo", "gilupo", 1);
    expect_same("giluppo", "gilupo", 1);
    expect_same("qqcomon", "qqcommon", 1);
    expect_same("qqcomonns", "qqcommon", 1); /* two edits in a long word */
    expect_same("gilu", "gilupo", 0);        /* two edits in a short one */
    expect_same("gilup0", "gilupo", 0);      /* digits: a name */
    expect_same("qqwommno", "qqcommon", 1);
    expect_same("wqcommno", "qqcommon", 0); /* two edits, one of them the first letter */
}

static void documents_are_not_mended(void **state)
{
    (void)state;
    expect_same("gilpo the the the the the the the the the the the", "gilupo", 1);
    expect_same("gilpo the the the the the the the the the the the the", "gilupo", 0);
}

/* --- The format ------------------------------------------------------------------------------------- */

static void save(const struct embedder *embedder, struct buf *out)
{
    buf_init(out, 1u << 30);
    assert_int_equal(embedder->ops->serialize(embedder, out, NULL), LODE_OK);
}

static void saved_models_embed_the_same(void **state)
{
    (void)state;
    struct buf saved, again;
    struct embedder *copy;
    float a[DIM], b[DIM];
    save(model, &saved);
    assert_int_equal(corpus_open(saved.data, saved.size, &copy, NULL), LODE_OK);
    assert_int_equal(copy->dim, DIM);
    assert_int_equal(copy->word_count, model->word_count);
    assert_true(copy->ops->memory(copy) > copy->word_count * DIM);
    for (size_t i = 0; i < TEXTS; i += 7) {
        assert_true(embed(model, made->bytes[i], a));
        assert_true(embed(copy, made->bytes[i], b));
        assert_memory_equal(a, b, sizeof a);
    }
    assert_true(embed(copy, "giulpo", b));
    save(copy, &again);
    assert_int_equal(saved.size, again.size);
    assert_memory_equal(saved.data, again.data, saved.size);
    copy->ops->free(copy);
    buf_release(&saved);
    buf_release(&again);
}

/* Open exactly sized copies, so that a sanitizer sees each byte read too far. */
static lode_status open_copy(const uint8_t *data, size_t size, lode_error *error)
{
    struct embedder *opened = NULL;
    uint8_t *copy = malloc(size + 1);
    memcpy(copy, data, size);
    lode_status status = corpus_open(copy, size, &opened, error);
    free(copy);
    if (status == LODE_OK) {
        float vector[4096];
        lode_text text = {"gilupo qqcomon", 14};
        uint8_t known;
        assert_int_equal(opened->ops->embed(opened, &text, 1, vector, &known, NULL), LODE_OK);
        for (size_t i = 0; i < opened->dim; i++)
            assert_true(isfinite(vector[i]));
        opened->ops->free(opened);
    } else {
        assert_null(opened);
    }
    return status;
}

static void cut_models_are_refused(void **state)
{
    (void)state;
    struct buf saved;
    save(model, &saved);
    for (size_t size = 0; size < saved.size; size += size < 200 ? 1 : 97)
        assert_int_equal(open_copy(saved.data, size, NULL), LODE_CORRUPT);
    assert_int_equal(buf_append_u8(&saved, 0, NULL), LODE_OK);
    assert_int_equal(open_copy(saved.data, saved.size, NULL), LODE_CORRUPT);
    buf_release(&saved);
}

static void expect_status(const struct buf *saved, size_t offset, uint32_t value,
                          lode_status status)
{
    uint8_t *bytes = malloc(saved->size);
    memcpy(bytes, saved->data, saved->size);
    le_store_u32(bytes + offset, value);
    lode_error error = {0};
    assert_int_equal(open_copy(bytes, saved->size, &error), status);
    assert_true(strlen(error.message) > 10);
    free(bytes);
}

static void wrong_fields_are_refused(void **state)
{
    (void)state;
    struct buf saved;
    save(model, &saved);
    expect_status(&saved, 0, 7, LODE_CORRUPT); /* magic */
    expect_status(&saved, 8, 2, LODE_VERSION); /* version */
    expect_status(&saved, 8, 0, LODE_CORRUPT);
    expect_status(&saved, 12, 0, LODE_CORRUPT); /* dim */
    expect_status(&saved, 12, 4097, LODE_CORRUPT);
    expect_status(&saved, 12, DIM + 1, LODE_CORRUPT);
    expect_status(&saved, 16, 0xffffffff, LODE_CORRUPT); /* words */
    expect_status(&saved, 16, 1u << 18, LODE_CORRUPT);
    expect_status(&saved, 16, 0, LODE_CORRUPT);
    expect_status(&saved, 32, 0x6b6c696b, LODE_UNSUPPORTED); /* language */
    size_t scale = saved.size - DIM - 4;                     /* of the last word */
    expect_status(&saved, scale, 0x7f800000, LODE_CORRUPT);  /* an infinity */
    expect_status(&saved, scale, 0x7fc00000, LODE_CORRUPT);  /* NaN */
    expect_status(&saved, scale, 0x7f000000, LODE_CORRUPT);  /* too large */
    expect_status(&saved, scale, 0xbf800000, LODE_CORRUPT);  /* negative */
    expect_status(&saved, 20, 0, LODE_CORRUPT);              /* word_exponent */
    expect_status(&saved, 64, 0, LODE_CORRUPT);              /* a word of no text */
    expect_status(&saved, 60, 1, LODE_CORRUPT);              /* bytes after the language */
    expect_status(&saved, 68, 0xffffff06, LODE_CORRUPT);     /* a word that is not UTF-8 */
    expect_status(&saved, 68, 0x7a7a7a06, LODE_CORRUPT);     /* the first word after the second */
    memset(saved.data + 32, 'a', 32);
    assert_int_equal(open_copy(saved.data, saved.size, NULL), LODE_CORRUPT);
    buf_release(&saved);
}

static void flipped_bits_do_no_harm(void **state)
{
    (void)state;
    struct buf saved;
    struct rng rng;
    save(model, &saved);
    rng_init(&rng, 4);
    for (int i = 0; i < 3000; i++) {
        size_t at = rng_below(&rng, i % 3 ? 1500 : (uint32_t)saved.size);
        uint8_t kept = saved.data[at];
        saved.data[at] = (uint8_t)(kept ^ 1u << rng_below(&rng, 8));
        (void)open_copy(saved.data, saved.size, NULL);
        saved.data[at] = kept;
    }
    buf_release(&saved);
}

static void the_same_texts_give_the_same_model(void **state)
{
    (void)state;
    struct corpus_options options = {.dim = DIM, .seed = 9};
    struct embedder *other;
    struct buf a, b;
    assert_int_equal(corpus_train(made->texts, TEXTS, &options, &other, NULL, NULL), LODE_OK);
    save(model, &a);
    save(other, &b);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    other->ops->free(other);
    buf_release(&a);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(synonyms_are_near),
        cmocka_unit_test(vectors_have_unit_length),
        cmocka_unit_test(unknown_texts_have_no_vector),
        cmocka_unit_test(bad_utf8_is_named),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test(repeated_and_empty_texts_do_not_count),
        cmocka_unit_test(every_dimension_works),
        cmocka_unit_test(distances),
        cmocka_unit_test(typos_of_queries_are_mended),
        cmocka_unit_test(documents_are_not_mended),
        cmocka_unit_test(saved_models_embed_the_same),
        cmocka_unit_test(cut_models_are_refused),
        cmocka_unit_test(wrong_fields_are_refused),
        cmocka_unit_test(flipped_bits_do_no_harm),
        cmocka_unit_test(the_same_texts_give_the_same_model),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
