/* embed.h: texts to vectors. One interface for the built-in corpus model and, later, HTTP providers. */
#ifndef EMBED_EMBED_H
#define EMBED_EMBED_H

#include "base/buf.h"
#include "os/executor.h"

struct embedder;

struct embedder_ops {
    const char *name; /* "corpus" */
    /* vectors: count × dim floats, row-major, unit length. known[i] = 0 and the vector zero where no
     * word of text i is known. Thread-safe. */
    NODISCARD lode_status (*embed)(const struct embedder *embedder, const lode_text *texts,
                                   size_t count, float *vectors, uint8_t *known, lode_error *error);
    /* The bytes that reopen it (docs/format/text-model.md). */
    NODISCARD lode_status (*serialize)(const struct embedder *embedder, struct buf *out,
                                       lode_error *error);
    size_t (*memory)(const struct embedder *embedder);
    void (*free)(struct embedder *embedder);
};

struct embedder {
    const struct embedder_ops *ops;
    size_t dim;
    uint64_t word_count;
};

struct corpus_options {
    size_t dim;                      /* 1 to 4,096 */
    const char *language;            /* NULL: "english" */
    float word_exponent;             /* 0: 0.75 */
    uint32_t document_frequency_min; /* 0: every word */
    uint64_t seed;
    struct executor *executor; /* NULL: this thread alone. The result does not depend on it. */
    void (*progress)(void *context, const char *stage, uint64_t done, uint64_t total);
    void *context;
};

/* Learn a model from texts (duplicates and empty ones are left out; *ret_used says how many counted).
 * LODE_INVALID: too few texts or words for dim, unknown language, invalid UTF-8 (names the text). */
NODISCARD lode_status corpus_train(const lode_text *texts, size_t count,
                                   const struct corpus_options *options,
                                   struct embedder **ret_embedder, uint64_t *ret_used,
                                   lode_error *error);
/* Read back serialized bytes, every length checked; copies what it needs. LODE_CORRUPT, LODE_VERSION. */
NODISCARD lode_status corpus_open(const uint8_t *data, size_t size, struct embedder **ret_embedder,
                                  lode_error *error);

#endif
