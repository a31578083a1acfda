/* nearest.c: see nearest.h. */
#include "base/nearest.h"

#include <string.h>

#define WORD_MAX 64u /* longer words are like nothing */

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Edits that turn a into b; a swap of neighbours is one (optimal string alignment). */
static size_t edit_distance(const char *a, const char *b)
{
    size_t a_size = strlen(a), b_size = strlen(b);
    if (a_size > WORD_MAX || b_size > WORD_MAX)
        return WORD_MAX;
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_size; j++)
        above[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            size_t replaced = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = smallest(above[j] + 1, row[j - 1] + 1, replaced);
            int swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[b_size];
}

const char *nearest_word(const char *word, const char *const *candidates)
{
    size_t best = strlen(word) / 3 + 2; /* at most that many edits, less one */
    const char *nearest = NULL;
    if (strlen(word) > WORD_MAX)
        return NULL;
    for (; *candidates; candidates++) {
        size_t distance = edit_distance(word, *candidates);
        int begins = strlen(word) >= 2 && strncmp(word, *candidates, strlen(word)) == 0;
        if (begins && distance >= best)
            distance = best - 1;
        if (distance < best) {
            best = distance;
            nearest = *candidates;
        }
    }
    return nearest;
}
