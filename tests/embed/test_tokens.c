/* test_tokens.c: what becomes of a text's words, and the tables that number them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/random.h"
#include "embed/stop_words.h"
#include "embed/tokens.h"
#include "embed/word_table.h"

/* The words of text[0, size), joined by '|' into words[1024]. */
static void join_words(const char *language, const char *text, size_t size, char *words)
{
    struct tokenizer *tokenizer;
    assert_int_equal(tokenizer_new(language, &tokenizer, NULL), LODE_OK);
    tokenizer_begin(tokenizer, text, size);
    size_t used = 0, word_size;
    for (const char *word; (word = tokenizer_next(tokenizer, &word_size));) {
        assert_in_range(word_size, 1, WORD_SIZE_MAX);
        assert_true(used + word_size + 1 < 1024);
        if (used)
            words[used++] = '|';
        memcpy(words + used, word, word_size);
        used += word_size;
    }
    words[used] = 0;
    tokenizer_free(tokenizer);
}

static void expect(const char *text, const char *wanted)
{
    char words[1024];
    join_words("none", text, strlen(text), words);
    assert_string_equal(words, wanted);
}

static void runs_of_letters_and_digits(void **state)
{
    (void)state;
    expect("", "");
    expect(" \t\n.,;", "");
    expect("GNU Image-Manipulation Program", "gnu|image|manipulation|program");
    expect("libgtk-3-dev (>= 3.24)", "libgtk|3|dev|3|24");
    expect("MP3 x86_64 it's", "mp3|x86|64|it|s");
    expect("a", "a");
}

static void unicode_lower_case(void **state)
{
    (void)state;
    expect("ÄRGER Straße", "ärger|straße");
    expect("ПРИВЕТ, Мир!", "привет|мир");
    expect("ΑΒΓ", "αβγ");
    expect("½ und ٣", "½|und|٣");
    expect("“quoted”—dash…", "quoted|dash");
}

static void marks_belong_to_their_letter(void **state)
{
    (void)state;
    expect("cafe\xcc\x81 caf\xc3\xa9", "café|café"); /* combining acute, and composed */
    expect("\xef\xac\x81nd \xef\xbc\xa1\xef\xbc\xa2", "find|ab"); /* ligature fi, wide A and B */
    expect("soft\xc2\xadhyphen", "softhyphen");
    expect("\xcc\x81 alone", "alone"); /* a mark without a letter is no word */
    expect("हिन्दी", "हिन्दी");
}

static void scripts_without_spaces_give_pairs(void **state)
{
    (void)state;
    expect("東京都", "東京|京都");
    expect("東", "東");
    expect("東 京", "東|京");
    expect("linux東京os", "linux|東京|os");
    expect("カメラ", "カメ|メラ");
    expect("ภาษา", "ภา|าษ|ษา");
}

static void long_words_are_left_out(void **state)
{
    (void)state;
    char text[200], words[1024];
    memset(text, 'x', sizeof text);
    for (size_t size = 60; size < 80; size++) {
        join_words("none", text, size, words);
        assert_int_equal(strlen(words), size <= WORD_SIZE_MAX ? size : 0);
    }
    memcpy(text + 100, " tail", 5);
    join_words("english", text, 105, words);
    assert_string_equal(words, "tail");
    /* Letters of several bytes on the border. */
    char wide[400];
    for (size_t letters = 20; letters < 60; letters++) {
        for (size_t i = 0; i < letters; i++)
            memcpy(wide + 3 * i, "ḁ", 3);
        join_words("none", wide, letters * 3, words);
        assert_int_equal(strlen(words), letters * 3 <= WORD_SIZE_MAX ? letters * 3 : 0);
    }
}

static void bytes_that_are_not_utf8_separate(void **state)
{
    (void)state;
    expect("ab\xff"
           "cd\xc3",
           "ab|cd");
    expect("\xed\xa0\x80x\xf8y", "x|y");
    struct rng rng;
    rng_init(&rng, 7);
    char text[64], words[1024];
    for (int i = 0; i < 20000; i++) {
        size_t size = rng_below(&rng, sizeof text);
        for (size_t j = 0; j < size; j++)
            text[j] = (char)(rng_below(&rng, 2) ? rng_u64(&rng) : 0xc0 + rng_below(&rng, 64));
        join_words(i % 2 ? "english" : "russian", text, size, words);
    }
}

static void stems_and_languages(void **state)
{
    (void)state;
    struct tokenizer *tokenizer;
    size_t size;
    assert_int_equal(tokenizer_new("english", &tokenizer, NULL), LODE_OK);
    const char *stem = tokenizer_stem(tokenizer, "converting", 10, &size);
    assert_int_equal(size, 7);
    assert_memory_equal(stem, "convert", 7);
    assert_true(tokenizer_stops(tokenizer, "the", 3));
    assert_false(tokenizer_stops(tokenizer, "theory", 6));
    assert_false(tokenizer_stops(tokenizer, "th", 2));
    tokenizer_free(tokenizer);
    assert_int_equal(tokenizer_new("german", &tokenizer, NULL), LODE_OK);
    assert_false(tokenizer_stops(tokenizer, "the", 3));
    tokenizer_free(tokenizer);
    lode_error error = {0};
    assert_int_equal(tokenizer_new("klingon", &tokenizer, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "klingon"));
    assert_non_null(strstr(error.message, "english"));
    char endless[100];
    memset(endless, 'a', sizeof endless - 1);
    endless[99] = 0;
    assert_int_equal(tokenizer_new(endless, &tokenizer, NULL), LODE_INVALID);
}

/* bsearch finds every word only if the list is in order. */
static void stop_words_are_in_order(void **state)
{
    (void)state;
    const struct stop_words *list = stop_words_of("english");
    static const char *const samples[] = {
        "a",      "about",   "and",    "because", "either", "few",    "having", "hers",
        "i",      "isn",     "itself", "own",     "s",      "should", "since",  "t",
        "theirs", "through", "under",  "until",   "won",    "yours"};
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        assert_true(stop_words_have(list, samples[i], strlen(samples[i])));
    assert_true(stop_words_in_order(list));
    assert_null(stop_words_of("german"));
    assert_false(stop_words_have(NULL, "the", 3));
}

static void tables_number_words(void **state)
{
    (void)state;
    struct word_table table;
    char word[32];
    word_table_init(&table);
    assert_int_equal(word_table_find(&table, "x", 1), WORD_NONE);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 5000; i++) {
            uint32_t number;
            size_t size = (size_t)snprintf(word, sizeof word, "w%u", i * 7919);
            assert_int_equal(word_table_add(&table, word, size, &number, NULL), LODE_OK);
            assert_int_equal(number, i);
        }
    }
    size_t size;
    const char *found = word_table_word(&table, 4999, &size);
    assert_int_equal(word_table_find(&table, found, size), 4999);
    assert_int_equal(word_table_find(&table, "w", 1), WORD_NONE);
    assert_int_equal(table.count, 5000);
    word_table_release(&table);
}

static void caches_are_exact(void **state)
{
    (void)state;
    struct word_cache *cache = calloc(1, sizeof *cache);
    char word[64];
    for (uint32_t i = 0; i < 100000; i++) {
        size_t size = (size_t)snprintf(word, sizeof word, "%0*u", 1 + (int)(i % 40), i);
        struct word_cache_entry *entry = word_cache_at(cache, word, size);
        assert_false(word_cache_has(entry, word, size));
        word_cache_put(entry, word, size, i);
        if (size <= WORD_CACHE_WORD_SIZE_MAX) {
            assert_true(word_cache_has(entry, word, size));
            assert_int_equal(entry->number, i);
        } else {
            assert_false(word_cache_has(entry, word, size));
        }
    }
    free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_of_letters_and_digits),
        cmocka_unit_test(unicode_lower_case),
        cmocka_unit_test(marks_belong_to_their_letter),
        cmocka_unit_test(scripts_without_spaces_give_pairs),
        cmocka_unit_test(long_words_are_left_out),
        cmocka_unit_test(bytes_that_are_not_utf8_separate),
        cmocka_unit_test(stems_and_languages),
        cmocka_unit_test(stop_words_are_in_order),
        cmocka_unit_test(tables_number_words),
        cmocka_unit_test(caches_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
