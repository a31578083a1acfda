/* corpus.h: the inside of the corpus model, shared by corpus*.c. */
#ifndef EMBED_CORPUS_H
#define EMBED_CORPUS_H

#include "linalg/dense.h"
#include "embed/embed.h"
#include "embed/typo.h"
#include "embed/word_table.h"
#include "os/thread.h"

#define CORPUS_DIM_MAX 4096

struct corpus_reader; /* what one thread embeds with: corpus_embed.c */

struct corpus {
    struct embedder embedder;
    struct word_table words; /* in the order of their bytes */
    uint32_t *frequencies;   /* training texts that hold word i */
    int8_t *vectors; /* word_count × stride: word i's row, to be multiplied with scales[i] */
    float *scales;
    size_t stride;
    uint64_t text_count; /* trained on */
    float word_exponent;
    char language[LANGUAGE_SIZE_MAX];
    struct typo_index typos;
    struct mutex lock;          /* guards idle */
    struct corpus_reader *idle; /* readers that no call is using */
};

/* Everything zero but the operations; release with corpus_free. */
struct corpus *corpus_new(lode_error *error);
/* Room for the vectors of corpus->words, all zero. */
NODISCARD lode_status corpus_reserve(struct corpus *corpus, lode_error *error);
/* Ready to embed: words, vectors and language are set. */
NODISCARD lode_status corpus_ready(struct corpus *corpus, lode_error *error);
void corpus_free(struct embedder *embedder);

NODISCARD lode_status corpus_embed(const struct embedder *embedder, const lode_text *texts,
                                   size_t count, float *vectors, uint8_t *known, lode_error *error);
NODISCARD lode_status corpus_serialize(const struct embedder *embedder, struct buf *out,
                                       lode_error *error);
void corpus_readers_free(struct corpus_reader *reader); /* and all after it; NULL is allowed */

#endif
