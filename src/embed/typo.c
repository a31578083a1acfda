/* typo.c: unknown words of a query.
 *
 * The vocabulary holds stems, so a slip can be seen in two ways, and both are tried:
 *   - as a slip within the stem ("spredsheets" -> "spredsheet" -> "spreadsheet"): the stem is compared
 *     with every word of the vocabulary by Damerau-Levenshtein distance (optimal string alignment);
 *   - as a slip in the ending, which hides it from the stemmer ("convertign"): the word with one edit mended,
 *     every letter tried in its last ENDING_SIZE places, is stemmed and looked up.
 *
 * Words of four to seven letters may be one edit away, longer ones two when the first letter is right.
 * The smallest distance wins, then the word that most training texts hold. Words with digits are names and
 * versions: they are left alone.
 *
 * There is no index to keep: an edit changes the set of a word's letters by at most two, so that comparing
 * 32-bit sets and lengths leaves about one word in a hundred to look at. */
#include "embed/typo.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define SIZE_MIN     4
#define SIZE_MIN_TWO 8 /* from here on two edits are allowed */
#define ENDING_SIZE  5 /* letters; longer endings are rare */

static uint32_t letters_of(const char *word, size_t size)
{
    uint32_t letters = 0;
    for (size_t i = 0; i < size; i++)
        if (word[i] >= 'a' && word[i] <= 'z')
            letters |= 1u << (word[i] - 'a');
    return letters;
}

lode_status typo_index_init(struct typo_index *index, const struct word_table *words,
                            const uint32_t *frequencies, lode_error *error)
{
    uint32_t *letters = malloc((words->count + 1) * sizeof *letters);
    if (!letters)
        return error_nomem(error, "an index of letters", words->count * sizeof *letters);
    for (uint32_t i = 0; i < words->count; i++) {
        size_t size;
        const char *word = word_table_word(words, i, &size);
        letters[i] = letters_of(word, size);
    }
    *index = (struct typo_index){words, frequencies, letters};
    return LODE_OK;
}

void typo_index_release(struct typo_index *index)
{
    free(index->letters);
    memset(index, 0, sizeof *index);
}

/* UTF-8 to characters; how many. */
static unsigned characters(const char *word, size_t size, int32_t *out)
{
    unsigned count = 0;
    for (size_t i = 0; i < size;) {
        utf8proc_ssize_t length = utf8proc_iterate((const utf8proc_uint8_t *)word + i,
                                                   (utf8proc_ssize_t)(size - i), &out[count]);
        i += length > 0 ? (size_t)length : 1;
        count += length > 0;
    }
    return count;
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned smaller = a < b ? a : b;
    return smaller < c ? smaller : c;
}

unsigned typo_distance(const char *a, size_t a_size, const char *b, size_t b_size,
                       unsigned distance_max)
{
    int32_t x[WORD_SIZE_MAX], y[WORD_SIZE_MAX];
    unsigned rows[3][WORD_SIZE_MAX + 1];
    unsigned n = characters(a, a_size, x), m = characters(b, b_size, y);
    if ((n > m ? n - m : m - n) > distance_max)
        return distance_max + 1;
    for (unsigned j = 0; j <= m; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= n; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i - 1) % 3], *above2 = rows[(i + 1) % 3];
        unsigned row_least = row[0] = i;
        for (unsigned j = 1; j <= m; j++) {
            unsigned differs = x[i - 1] != y[j - 1];
            row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + differs);
            if (i > 1 && j > 1 && x[i - 1] == y[j - 2] && x[i - 2] == y[j - 1])
                row[j] = least(row[j], above2[j - 2] + 1, row[j]);
            row_least = row[j] < row_least ? row[j] : row_least;
        }
        /* A swap may still cost only one more than the row above, which was checked a turn ago. */
        if (row_least > distance_max + 1)
            return distance_max + 1;
    }
    unsigned distance = rows[n % 3][m];
    return distance <= distance_max ? distance : distance_max + 1;
}

struct best {
    uint32_t number;
    unsigned distance;
};

static void consider(const struct typo_index *index, struct best *best, uint32_t number,
                     unsigned distance)
{
    if (number == WORD_NONE || distance > best->distance)
        return;
    if (distance < best->distance || best->number == WORD_NONE ||
        index->frequencies[number] > index->frequencies[best->number])
        *best = (struct best){number, distance};
}

/* 1 when at most 2 (distance 1) or 4 (distance 2) bits are set; a popcount needs a call on old x86-64. */
static inline int few_bits(uint32_t bits, unsigned distance)
{
    bits &= bits - 1;
    bits &= bits - 1;
    if (distance > 1) {
        bits &= bits - 1;
        bits &= bits - 1;
    }
    return bits == 0;
}

/* All words within best->distance, 1 or 2, of the stem. */
static void compare_all(const struct typo_index *index, const char *stem, size_t size,
                        struct best *best)
{
    uint32_t letters = letters_of(stem, size);
    for (uint32_t i = 0; i < index->words->count; i++) {
        if (!few_bits(letters ^ index->letters[i], best->distance))
            continue;
        size_t other_size;
        const char *other = word_table_word(index->words, i, &other_size);
        if (other_size > size + best->distance || size > other_size + best->distance ||
            (best->distance > 1 && other[0] != stem[0]))
            continue;
        unsigned distance = typo_distance(stem, size, other, other_size, best->distance);
        if (distance <= best->distance)
            consider(index, best, i, distance);
    }
}

static void consider_stem(const struct typo_index *index, struct tokenizer *tokenizer,
                          const char *word, size_t size, struct best *best)
{
    size_t stem_size;
    const char *stem = tokenizer_stem(tokenizer, word, size, &stem_size);
    if (stem && stem_size >= SIZE_MIN - 1)
        consider(index, best, word_table_find(index->words, stem, stem_size), 1);
}

/* The word with letter i left out, with i and its neighbour swapped, with another letter in the place of i
 * (try_letters), with one before it. ASCII only: other alphabets' words are left to compare_all. */
static void mend_at(const struct typo_index *index, struct tokenizer *tokenizer, const char *word,
                    size_t size, size_t i, int try_letters, struct best *best)
{
    char other[WORD_SIZE_MAX + 1];
    memcpy(other, word, i);
    if (i < size) {
        memcpy(other + i, word + i + 1, size - i - 1);
        consider_stem(index, tokenizer, other, size - 1, best);
    }
    if (i + 1 < size && word[i] != word[i + 1]) {
        memcpy(other + i, word + i, size - i);
        other[i] = word[i + 1];
        other[i + 1] = word[i];
        consider_stem(index, tokenizer, other, size, best);
    }
    for (char letter = 'a'; try_letters && letter <= 'z'; letter++) {
        other[i] = letter;
        if (i < size) {
            memcpy(other + i + 1, word + i + 1, size - i - 1);
            consider_stem(index, tokenizer, other, size, best);
        }
        memcpy(other + i + 1, word + i, size - i);
        if (size < WORD_SIZE_MAX)
            consider_stem(index, tokenizer, other, size + 1, best);
    }
}

static void mend_ending(const struct typo_index *index, struct tokenizer *tokenizer,
                        const char *word, size_t size, struct best *best)
{
    for (size_t i = 0; i <= size; i++)
        mend_at(index, tokenizer, word, size, i, i + ENDING_SIZE >= size, best);
}

uint32_t typo_find(const struct typo_index *index, struct tokenizer *tokenizer, const char *word,
                   size_t size)
{
    int ascii = 1;
    for (size_t i = 0; i < size; i++) {
        if (word[i] >= '0' && word[i] <= '9')
            return WORD_NONE;
        ascii &= (unsigned char)word[i] < 0x80;
    }
    if (size < SIZE_MIN)
        return WORD_NONE;
    struct best best = {WORD_NONE, 1};
    char stem[WORD_SIZE_MAX];
    size_t stem_size;
    const char *stemmed = tokenizer_stem(tokenizer, word, size, &stem_size);
    if (!stemmed)
        return WORD_NONE;
    memcpy(stem, stemmed, stem_size);
    if (ascii)
        mend_ending(index, tokenizer, word, size, &best);
    compare_all(index, stem, stem_size, &best);
    if (best.number == WORD_NONE && stem_size >= SIZE_MIN_TWO) {
        best.distance = 2;
        compare_all(index, stem, stem_size, &best);
    }
    return best.number;
}
