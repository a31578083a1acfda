/* stop_words.c: the lists, each in the order of its bytes.
 *
 * A list is a help, not a need: the weight of a word falls with the number of texts that hold it
 * (vocabulary.c), and the direction that all texts share is taken out of every vector (corpus.c).
 * Another language's list is one more array here and one more line in `lists`. Leaving words out of,
 * or adding them to, a list never changes a model already trained: what such a model knows is its
 * vocabulary; the list only keeps stop words of a query from being taken for misspelt words. */
#include "embed/stop_words.h"

#include <stdlib.h>
#include <string.h>

struct stop_words {
    const char *language;
    const char *const *words;
    size_t count;
};

/* Function words; and what an apostrophe leaves behind ("isn't" is read as "isn" and "t"). */
static const char *const english[] = {
    "a",      "about",  "above", "after",   "again",  "all",     "also",    "am",      "an",
    "and",    "any",    "are",   "aren",    "as",     "at",      "be",      "because", "been",
    "before", "being",  "below", "between", "both",   "but",     "by",      "can",     "cannot",
    "could",  "did",    "didn",  "do",      "does",   "doesn",   "doing",   "don",     "during",
    "each",   "either", "etc",   "every",   "few",    "for",     "from",    "further", "had",
    "has",    "hasn",   "have",  "haven",   "having", "he",      "her",     "here",    "hers",
    "him",    "his",    "how",   "however", "i",      "if",      "in",      "into",    "is",
    "isn",    "it",     "its",   "itself",  "just",   "may",     "me",      "might",   "more",
    "most",   "must",   "my",    "neither", "no",     "nor",     "not",     "of",      "often",
    "on",     "once",   "only",  "or",      "other",  "our",     "ours",    "out",     "over",
    "own",    "rather", "s",     "same",    "shall",  "she",     "should",  "since",   "so",
    "some",   "such",   "t",     "than",    "that",   "the",     "their",   "theirs",  "them",
    "then",   "there",  "these", "they",    "this",   "those",   "through", "thus",    "to",
    "too",    "under",  "until", "up",      "upon",   "us",      "very",    "was",     "wasn",
    "we",     "were",   "what",  "when",    "where",  "whether", "which",   "while",   "who",
    "whom",   "whose",  "why",   "will",    "with",   "within",  "without", "won",     "would",
    "you",    "your",   "yours",
};

static const struct stop_words lists[] = {
    {"english", english, sizeof english / sizeof *english},
};

struct span {
    const char *word;
    size_t size;
};

static int compare(const void *key, const void *element)
{
    const struct span *span = key;
    const char *other = *(const char *const *)element;
    size_t other_size = strlen(other);
    int order = memcmp(span->word, other, span->size < other_size ? span->size : other_size);
    return order ? order : (span->size > other_size) - (span->size < other_size);
}

const struct stop_words *stop_words_of(const char *language)
{
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (strcmp(lists[i].language, language) == 0)
            return &lists[i];
    return NULL;
}

int stop_words_have(const struct stop_words *list, const char *word, size_t size)
{
    struct span key = {word, size};
    return list && bsearch(&key, list->words, list->count, sizeof *list->words, compare) != NULL;
}

int stop_words_in_order(const struct stop_words *list)
{
    for (size_t i = 1; i < list->count; i++)
        if (strcmp(list->words[i - 1], list->words[i]) >= 0)
            return 0;
    return 1;
}
