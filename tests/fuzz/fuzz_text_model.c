/* fuzz_text_model.c: any bytes, opened as a text model and, where they are one, used and written again.
 *
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Iinclude -Isrc \
 *         tests/fuzz/fuzz_text_model.c <the sources of src/base, os, simd, embed> -lutf8proc -lstemmer -lm
 *
 * Begin with a real model as seed: the first input that is not a model is grown into one by itself only
 * with luck. Built with -DFUZZ_SEED, the program writes such a seed to standard output instead. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embed/embed.h"

#ifdef FUZZ_SEED
int main(void)
{
    static const lode_text texts[] = {{"encrypt the disk", 16},
                                      {"decrypt a disk", 14},
                                      {"play chess", 10},
                                      {"chess board games", 17}};
    struct corpus_options options = {.dim = 3};
    struct embedder *model;
    struct buf out;
    buf_init(&out, 1u << 20);
    if (corpus_train(texts, 4, &options, &model, NULL, NULL) ||
        model->ops->serialize(model, &out, NULL))
        return 1;
    size_t written = fwrite(out.data, 1, out.size, stdout);
    int failed = written != out.size;
    buf_release(&out);
    model->ops->free(model);
    return failed;
}
#else
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const lode_text texts[] = {
        {"encrypt chess", 13}, {"decyrpt bored \xd0\x96", 16}, {"", 0}};
    struct embedder *model;
    lode_error error;
    if (corpus_open(data, size, &model, &error))
        return 0;
    float *vectors = malloc(3 * model->dim * sizeof *vectors);
    uint8_t known[3];
    if (model->ops->embed(model, texts, 3, vectors, known, &error) != LODE_OK)
        abort();
    for (size_t i = 0; i < 3 * model->dim; i++)
        if (!isfinite(vectors[i]))
            abort();
    struct buf out;
    buf_init(&out, size + 1);
    if (model->ops->serialize(model, &out, &error) || out.size != size ||
        memcmp(out.data, data, size) != 0)
        abort();
    buf_release(&out);
    free(vectors);
    model->ops->free(model);
    return 0;
}
#endif
