/* words.h: texts to words. A word is a run of letters and digits in Unicode lower case; combining
 * marks belong to the letter before them and invisible format characters (soft hyphens, joiners) are
 * dropped. Scripts written without spaces (Han, kana, Thai and their like) give overlapping pairs of
 * characters instead of runs. Words over WORD_SIZE_MAX bytes are left out: they are keys and hashes. */
#ifndef BASE_WORDS_H
#define BASE_WORDS_H

#include <stddef.h>

#define WORD_SIZE_MAX 64 /* bytes of a word or stem: bounds buffers and one length byte on disk */

/* One walk over a text, which it borrows. The fields are its own. */
struct words {
    const char *text;
    size_t size;
    size_t offset;
    int paired;       /* the character at offset ended the pair before */
    int compose;      /* the word needs composing: it has marks, ligatures or wide forms */
    size_t word_size; /* may exceed WORD_SIZE_MAX while reading: such a word is left out */
    char word[WORD_SIZE_MAX + 8];
};

/* Begin with a text, which must outlive the walk. Bytes that are not UTF-8 separate words. */
void words_begin(struct words *words, const char *text, size_t size);

/* The next word in lower case, 1 to WORD_SIZE_MAX bytes, valid until the next call; NULL at the end. */
const char *words_next(struct words *words, size_t *ret_size);

#endif
