/* test_patterns.c: regexes and globs: tables, random expressions against the C library's regexec and fnmatch,
 * and expressions that take exponential time elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fnmatch.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "filter/glob.h"
#include "filter/regex.h"

static int regex_on(const char *expression, const char *text, size_t size)
{
    struct arena arena;
    const struct regex *regex = NULL;
    lode_error error = {0};
    arena_init(&arena);
    if (regex_compile(&arena, expression, strlen(expression), &regex, &error))
        fail_msg("%s: %s", expression, error.message);
    void *scratch = malloc(regex_scratch_size(regex));
    int matches = regex_matches(regex, text, size, scratch);
    free(scratch);
    arena_release(&arena);
    return matches;
}

static void regexes(void **state)
{
    (void)state;
    static const struct {
        const char *expression, *text;
        int matches;
    } rows[] = {
        {"", "", 1},
        {"", "x", 1},
        {"abc", "xabcx", 1},
        {"abc", "xabx", 0},
        {"^abc$", "abc", 1},
        {"^abc$", "xabc", 0},
        {"a|b|", "", 1},
        {"^(a|bc)+$", "abcabc", 1},
        {"^(a|bc)+$", "abcabcb", 0},
        {"^a{2,3}$", "aa", 1},
        {"^a{2,3}$", "aaaa", 0},
        {"^a{2}$", "aaa", 0},
        {"^a{2,}$", "aaaaa", 1},
        {"^a{0}$", "", 1},
        {"^a*?b+?c??$", "aabb", 1},
        {"^.$", "\xc3\xa9", 1},
        {"^..$", "\xc3\xa9", 0},
        {"^.$", "\n", 0},
        {"(?s)^.$", "\n", 1},
        {"^[\xc3\xa9-\xc3\xaa]$", "\xc3\xaa", 1},
        {"^[^a-c]$", "b", 0},
        {"^[^a-c]$", "\xe2\x82\xac", 1},
        {"^[]a]$", "]", 1},
        {"^[a\\]]$", "]", 1},
        {"^[\\d.-]+$", "1.5-2", 1},
        {"^\\w+\\s\\W$", "a_9 !", 1},
        {"^[\\D]$", "5", 0},
        {"^\\S$", " ", 0},
        {"\\bnight\\b", "the night of", 1},
        {"\\bnight\\b", "the nights of", 0},
        {"\\Bight", "night", 1},
        {"\\Bnight", "night", 0},
        {"\\x41\\x{20ac}", "A\xe2\x82\xac", 1},
        {"(?i)stra\xc3\x9f"
         "e",
         "STRA\xc3\x9f"
         "E",
         1},
        {"(?i)^[a-c]+$", "aBC", 1},
        {"(?i)^[^a]$", "A", 0},
        {"(?i)\xc3\x89", "\xc3\xa9", 1},
        {"(?is)a.b", "A\nB", 1},
        {"a\\.b", "axb", 0},
        {"(a*)*", "b", 1},
        {"^(a*)*$", "aab", 0},
        {"^(|a)+$", "aaa", 1},
        {"^((a|^b)c)*$", "bcac", 1},
        {"x$y", "xy", 0},
        {"a^b", "ab", 0},
        {"(^|,)b(,|$)", "a,b,c", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (regex_on(rows[i].expression, rows[i].text, strlen(rows[i].text)) != rows[i].matches)
            fail_msg("%s on %s", rows[i].expression, rows[i].text);
    assert_int_equal(regex_on("^a.b$", "a\0b", 3), 1);
}

static void refused(void **state)
{
    (void)state;
    static const char *const expressions[] = {"(",           ")",           "a)",
                                              "[",           "[a",          "[]",
                                              "*a",          "a|*",         "a{2",
                                              "a{,2}",       "a{3,2}",      "a{1001}",
                                              "\\",          "\\q",         "\\1",
                                              "(?=a)",       "(?!a)",       "(?<n>a)",
                                              "(?P<n>a)",    "[b-a]",       "\\x4",
                                              "\\x{}",       "\\x{110000}", "\\pL",
                                              "[[:alpha:]]", "(?i",         "a{99999999999}",
                                              "\\0"};
    for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++) {
        struct arena arena;
        const struct regex *regex;
        lode_error error = {0};
        arena_init(&arena);
        lode_status status =
            regex_compile(&arena, expressions[i], strlen(expressions[i]), &regex, &error);
        if (status != LODE_INVALID || !strstr(error.message, "at its byte"))
            fail_msg("%s: %d, %s", expressions[i], status, error.message);
        arena_release(&arena);
    }
}

/* What takes others exponential time takes this one steps in proportion: it would not end otherwise. */
static void catastrophes(void **state)
{
    (void)state;
    enum { SIZE = 100000 };
    static const char *const expressions[] = {"^(a+)+$", "^(a|aa)+$", "^(a|a?)+$", "^(.*)*x$",
                                              "^(([a-z])+.)+[A-Z]([a-z])+$"};
    char *text = malloc(SIZE);
    assert_non_null(text);
    memset(text, 'a', SIZE);
    text[SIZE - 1] = '!';
    for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++)
        assert_int_equal(regex_on(expressions[i], text, SIZE), 0);
    free(text);
}

/* --- Against the C library ---------------------------------------------------------------------- */

/* ^ and $ only at the ends: inside repeated groups the C library errs (test_counts.py has them there). */
static void draw_expression(struct rng *rng, char *out, unsigned depth)
{
    static const char *const atoms[] = {"a", "b", ".", "[ab]", "[^a]", "c"};
    static const char *const repeats[] = {"", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,1}"};
    for (unsigned left = 1 + rng_below(rng, 3); left > 0; left--) {
        if (depth > 0 && rng_below(rng, 3) == 0) {
            strcat(out, "(");
            draw_expression(rng, out, depth - 1);
            strcat(out, "|");
            draw_expression(rng, out, depth - 1);
            strcat(out, ")");
        } else {
            strcat(out, atoms[rng_below(rng, 6)]);
        }
        strcat(out, repeats[rng_below(rng, 9)]);
    }
}

static void random_regexes(void **state)
{
    (void)state;
    struct rng rng;
    int counts[2] = {0, 0};
    rng_init(&rng, 5);
    for (int i = 0; i < 3000; i++) {
        char expression[1024] = "";
        regex_t posix;
        if (rng_below(&rng, 2))
            strcat(expression, "^");
        draw_expression(&rng, expression, 2);
        if (rng_below(&rng, 2))
            strcat(expression, "$");
        assert_int_equal(regcomp(&posix, expression, REG_EXTENDED | REG_NOSUB), 0);
        for (int j = 0; j < 20; j++) {
            char text[12] = "";
            for (unsigned size = rng_below(&rng, 9); size > 0; size--)
                text[size - 1] = (char)('a' + rng_below(&rng, 3));
            text[strspn(text, "abc")] = 0;
            int wanted = regexec(&posix, text, 0, NULL, 0) == 0;
            counts[wanted]++;
            if (regex_on(expression, text, strlen(text)) != wanted)
                fail_msg("%s on '%s' is not %d", expression, text, wanted);
        }
        regfree(&posix);
    }
    assert_in_range(counts[0], 5000, 55000);
}

static void random_globs(void **state)
{
    (void)state;
    static const char *const pieces[] = {"*", "?", "a", "b", "[ab]", "[!a]", "[a-c]", "**", "\\a"};
    struct rng rng;
    int counts[2] = {0, 0};
    rng_init(&rng, 6);
    for (int i = 0; i < 60000; i++) {
        char pattern[64] = "", text[12] = "";
        for (unsigned left = rng_below(&rng, 6); left > 0; left--)
            strcat(pattern, pieces[rng_below(&rng, 9)]);
        unsigned size = rng_below(&rng, 7);
        for (unsigned j = 0; j < size; j++)
            text[j] = (char)('a' + rng_below(&rng, 4));
        int wanted = fnmatch(pattern, text, 0) == 0;
        counts[wanted]++;
        assert_int_equal(glob_check(pattern, strlen(pattern), NULL), LODE_OK);
        if (glob_matches(pattern, strlen(pattern), text, size) != wanted)
            fail_msg("%s on '%s' is not %d", pattern, text, wanted);
    }
    assert_true(counts[0] > 5000 && counts[1] > 5000);
}

static int glob_on(const char *pattern, const char *text)
{
    return glob_matches(pattern, strlen(pattern), text, strlen(text));
}

static void globs(void **state)
{
    (void)state;
    assert_true(glob_on("caf?", "caf\xc3\xa9"));
    assert_false(glob_on("caf??", "caf\xc3\xa9"));
    assert_true(glob_on("[\xc3\xa8-\xc3\xaa]*", "\xc3\xa9tude"));
    assert_true(glob_on("a\\*", "a*"));
    assert_false(glob_on("a\\*", "ab"));
    assert_true(glob_on("[]a]", "]"));
    assert_true(glob_on("[^a]", "b"));
    assert_true(glob_on("[a-]", "-"));
    assert_true(glob_on("", ""));
    assert_false(glob_on("", "a"));
    assert_false(glob_on("*a*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    assert_int_equal(glob_check("[", 1, NULL), LODE_INVALID);
    assert_int_equal(glob_check("[]", 2, NULL), LODE_INVALID);
    assert_int_equal(glob_check("a\\", 2, NULL), LODE_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regexes),      cmocka_unit_test(refused),
        cmocka_unit_test(catastrophes), cmocka_unit_test(random_regexes),
        cmocka_unit_test(random_globs), cmocka_unit_test(globs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
