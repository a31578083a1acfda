/* made_corpus.h: texts with a known structure, for tests.
 *
 * Topic t has WORDS words of its own. Each topic's first two words are synonyms: they never stand in one
 * text, and stand among the same other words. "qqcommon" is in every text. */
#ifndef TESTS_MADE_CORPUS_H
#define TESTS_MADE_CORPUS_H

#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "embed/embed.h"

enum { TOPICS = 12, TOPIC_WORDS = 14, TEXTS = 600, TEXT_SIZE = 400 };

struct made_corpus {
    lode_text texts[TEXTS];
    char bytes[TEXTS][TEXT_SIZE];
};

/* A word of six letters that no stemmer changes: "tabixo" and its like. */
static inline void made_word(unsigned topic, unsigned word, char out[8])
{
    static const char consonants[] = "bdfgklmnprtvxz";
    static const char vowels[] = "aiou";
    out[0] = consonants[topic];
    out[1] = vowels[word % 4];
    out[2] = consonants[word];
    out[3] = vowels[topic % 4];
    out[4] = consonants[(topic + word) % 14];
    out[5] = 'o';
    out[6] = 0;
}

static inline struct made_corpus *made_corpus_new(uint64_t seed)
{
    struct made_corpus *made = calloc(1, sizeof *made);
    struct rng rng;
    rng_init(&rng, seed);
    for (unsigned i = 0; made && i < TEXTS; i++) {
        unsigned topic = i % TOPICS, synonym = rng_below(&rng, 2);
        char word[8];
        made_word(topic, synonym, word);
        size_t size = (size_t)snprintf(made->bytes[i], TEXT_SIZE, "Qqcommon, %s", word);
        for (unsigned w = 0; w < 12; w++) {
            unsigned stray = rng_below(&rng, 10) == 0; /* some noise from other topics */
            made_word(stray ? rng_below(&rng, TOPICS) : topic, 2 + rng_below(&rng, TOPIC_WORDS - 2),
                      word);
            size += (size_t)snprintf(made->bytes[i] + size, TEXT_SIZE - size, " %s", word);
        }
        made->texts[i] = (lode_text){made->bytes[i], size};
    }
    return made;
}

#endif
