/* test_concurrent_embed.c: threads change nothing, in training and in embedding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "embed/made_corpus.h"
#include "os/thread.h"

enum { DIM = 48, THREADS = 4, ROUNDS = 3 };

static struct embedder *train(const struct made_corpus *made, struct executor *executor)
{
    struct corpus_options options = {.dim = DIM, .executor = executor};
    struct embedder *model = NULL;
    assert_int_equal(corpus_train(made->texts, TEXTS, &options, &model, NULL, NULL), LODE_OK);
    return model;
}

static void training_does_not_depend_on_threads(void **state)
{
    (void)state;
    struct made_corpus *made = made_corpus_new(2);
    struct embedder *alone = train(made, NULL);
    struct buf a, b;
    buf_init(&a, 1u << 30);
    assert_int_equal(alone->ops->serialize(alone, &a, NULL), LODE_OK);
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct executor *executor;
        assert_int_equal(executor_threads_new(threads, &executor, NULL), LODE_OK);
        struct embedder *together = train(made, executor);
        buf_init(&b, 1u << 30);
        assert_int_equal(together->ops->serialize(together, &b, NULL), LODE_OK);
        assert_int_equal(a.size, b.size);
        assert_memory_equal(a.data, b.data, a.size);
        buf_release(&b);
        together->ops->free(together);
        executor_free(executor);
    }
    buf_release(&a);
    alone->ops->free(alone);
    free(made);
}

struct job {
    const struct embedder *model;
    const struct made_corpus *made;
    float vectors[TEXTS * DIM];
    uint8_t known[TEXTS];
    lode_status status;
};

static void embed_all(void *context)
{
    struct job *job = context;
    for (int round = 0; round < ROUNDS && !job->status; round++)
        job->status = job->model->ops->embed(job->model, job->made->texts, TEXTS, job->vectors,
                                             job->known, NULL);
}

static void embedding_from_many_threads(void **state)
{
    (void)state;
    struct made_corpus *made = made_corpus_new(2);
    struct embedder *model = train(made, NULL);
    struct job *jobs = calloc(THREADS + 1, sizeof *jobs);
    struct thread threads[THREADS];
    for (int i = 0; i <= THREADS; i++) {
        jobs[i].model = model;
        jobs[i].made = made;
    }
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(thread_start(&threads[i], "embed", embed_all, &jobs[i]), 0);
    for (int i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    embed_all(&jobs[THREADS]);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(jobs[i].status, LODE_OK);
        assert_memory_equal(jobs[i].vectors, jobs[THREADS].vectors, sizeof jobs[i].vectors);
        assert_memory_equal(jobs[i].known, jobs[THREADS].known, sizeof jobs[i].known);
    }
    free(jobs);
    model->ops->free(model);
    free(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_does_not_depend_on_threads),
        cmocka_unit_test(embedding_from_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
