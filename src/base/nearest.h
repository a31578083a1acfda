/* nearest.h: the word that was meant, for messages about one that nobody knows. */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

/* The candidate most like `word`, or NULL when none is near; candidates end with NULL. */
const char *nearest_word(const char *word, const char *const *candidates);

#endif
