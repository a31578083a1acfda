/* text_model.c: how well and how fast the built-in text model does, by exact scan.
 *
 *     text_model [--dim 256] [--word-exponent 0.75] [--threads 1] FOLDER ...
 *
 * A folder in BEIR's form (corpus.jsonl, queries.jsonl, qrels.tsv) gives nDCG@10, gains as graded. A folder
 * that demo/catalogue.py wrote (training.jsonl, packages.jsonl) gives the times alone. Seconds are
 * processor time of this process, all threads together, so that a busy machine does not matter. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "embed/embed.h"

#define DEPTH 10

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "text_model: %s: %s\n", what, why);
    exit(1);
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- Reading ---------------------------------------------------------------------------------------- */

struct item {
    char id[64];
    lode_text text;
};

struct items {
    struct item *items;
    size_t count;
};

static void *grow(void *array, size_t count, size_t size)
{
    if (count & (count - 1) && count)
        return array;
    array = realloc(array, (count ? count * 2 : 1) * size);
    if (!array)
        fail("reading", "out of memory");
    return array;
}

/* Append a string member; title and text are joined by a space, unless the text begins with the title. */
static void append_text(struct buf *text, const struct json *json)
{
    struct buf part;
    buf_init(&part, SIZE_MAX);
    if (json_unescape(json, &part, NULL))
        fail("reading", "out of memory");
    size_t before = text->size;
    if (before && part.size >= before && memcmp(part.data, text->data, before) == 0)
        buf_clear(text);
    else if (before && buf_append_u8(text, ' ', NULL))
        fail("reading", "out of memory");
    if (buf_append(text, part.data, part.size, NULL))
        fail("reading", "out of memory");
    buf_release(&part);
}

static struct item read_item(const char *path, const char *line, size_t size)
{
    struct item item = {0};
    struct json json;
    struct buf text;
    buf_init(&text, SIZE_MAX);
    json_init(&json, line, size);
    if (json_next(&json) != JSON_OBJECT)
        fail(path, "a line is not an object");
    while (json_next(&json) == JSON_KEY) {
        int is_id = json_key_is(&json, "_id") || json_key_is(&json, "id");
        int is_text = json_key_is(&json, "title") || json_key_is(&json, "text");
        enum json_token token = is_id || is_text ? json_next(&json) : json_skip(&json);
        if (is_id && token == JSON_STRING)
            snprintf(item.id, sizeof item.id, "%.*s", (int)json.text_size, json.text);
        else if (is_text && token == JSON_STRING)
            append_text(&text, &json);
    }
    if (json_next(&json) != JSON_END)
        fail(path, json.error ? json.error : "bad JSON");
    item.text = (lode_text){(char *)text.data, text.size};
    return item;
}

static struct items read_items(const char *folder, const char *name)
{
    struct items items = {0};
    char path[4096];
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    if (!file)
        return items;
    while ((size = getline(&line, &capacity, file)) > 0) {
        items.items = grow(items.items, items.count, sizeof *items.items);
        items.items[items.count++] = read_item(path, line, (size_t)size);
    }
    free(line);
    fclose(file);
    return items;
}

static void items_release(struct items *items)
{
    for (size_t i = 0; i < items->count; i++)
        free((char *)items->items[i].text.data);
    free(items->items);
}

static lode_text *texts_of(const struct items *items)
{
    lode_text *texts = malloc((items->count + 1) * sizeof *texts);
    for (size_t i = 0; texts && i < items->count; i++)
        texts[i] = items->items[i].text;
    return texts;
}

/* --- Measuring --------------------------------------------------------------------------------------- */

struct model {
    struct embedder *embedder;
    float *vectors; /* of the documents */
    uint8_t *known;
    double train_s, embed_s;
    size_t bytes;
};

static void measure(struct model *model, const struct items *training,
                    const struct items *documents, const struct corpus_options *options)
{
    lode_text *texts = texts_of(training);
    lode_error error = {0};
    double begin = cpu_seconds();
    if (corpus_train(texts, training->count, options, &model->embedder, NULL, &error))
        fail("training", error.message);
    model->train_s = cpu_seconds() - begin;
    free(texts);
    texts = texts_of(documents);
    model->vectors = malloc(documents->count * options->dim * sizeof *model->vectors);
    model->known = malloc(documents->count);
    if (!texts || !model->vectors || !model->known)
        fail("embedding", "out of memory");
    begin = cpu_seconds();
    if (model->embedder->ops->embed(model->embedder, texts, documents->count, model->vectors,
                                    model->known, &error))
        fail("embedding", error.message);
    model->embed_s = cpu_seconds() - begin;
    free(texts);
    struct buf bytes;
    buf_init(&bytes, SIZE_MAX);
    if (model->embedder->ops->serialize(model->embedder, &bytes, &error))
        fail("saving", error.message);
    model->bytes = bytes.size;
    buf_release(&bytes);
}

/* The documents nearest to a vector, best first. */
static size_t scan(const struct model *model, size_t count, const float *query, size_t *best)
{
    float scores[DEPTH];
    size_t found = 0, dim = model->embedder->dim;
    for (size_t i = 0; i < count; i++) {
        float score = 0;
        for (size_t j = 0; j < dim; j++)
            score += query[j] * model->vectors[i * dim + j];
        if (!model->known[i] || (found == DEPTH && score <= scores[DEPTH - 1]))
            continue;
        size_t at = found < DEPTH ? found++ : DEPTH - 1;
        for (; at > 0 && scores[at - 1] < score; at--) {
            scores[at] = scores[at - 1];
            best[at] = best[at - 1];
        }
        scores[at] = score;
        best[at] = i;
    }
    return found;
}

struct judgement {
    char query[64], document[64];
    double grade;
};

static struct judgement *read_judgements(const char *folder, size_t *ret_count)
{
    struct judgement *all = NULL, one;
    char path[4096];
    size_t count = 0;
    snprintf(path, sizeof path, "%s/qrels.tsv", folder);
    FILE *file = fopen(path, "r");
    if (!file || fscanf(file, "%*[^\n]") == EOF)
        fail(path, "cannot be read");
    while (fscanf(file, "%63s %63s %lf", one.query, one.document, &one.grade) == 3) {
        all = grow(all, count, sizeof *all);
        all[count++] = one;
    }
    fclose(file);
    *ret_count = count;
    return all;
}

static int descending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* nDCG@10 of one query, or -1 when nothing is judged relevant. */
static double ndcg(const struct item *query, const struct items *documents, const size_t *best,
                   size_t found, const struct judgement *judgements, size_t count)
{
    double ideal[4096], gain = 0, gain_max = 0;
    size_t relevant = 0;
    for (size_t i = 0; i < count && relevant < 4096; i++) {
        if (strcmp(judgements[i].query, query->id) != 0 || judgements[i].grade <= 0)
            continue;
        ideal[relevant++] = judgements[i].grade;
        for (size_t rank = 0; rank < found; rank++)
            if (strcmp(documents->items[best[rank]].id, judgements[i].document) == 0)
                gain += judgements[i].grade / log2((double)rank + 2);
    }
    qsort(ideal, relevant, sizeof *ideal, descending);
    for (size_t rank = 0; rank < relevant && rank < DEPTH; rank++)
        gain_max += ideal[rank] / log2((double)rank + 2);
    return relevant ? gain / gain_max : -1;
}

static void ask(const char *folder, const struct model *model, const struct items *documents,
                const struct items *queries)
{
    size_t judgement_count, judged = 0;
    struct judgement *judgements = read_judgements(folder, &judgement_count);
    float *vector = malloc(model->embedder->dim * sizeof *vector);
    double sum = 0, seconds = 0;
    for (size_t i = 0; i < queries->count; i++) {
        size_t best[DEPTH], found = 0;
        uint8_t known = 0;
        double begin = cpu_seconds();
        if (model->embedder->ops->embed(model->embedder, &queries->items[i].text, 1, vector, &known,
                                        NULL))
            fail(folder, "a query cannot be embedded");
        seconds += cpu_seconds() - begin;
        if (known)
            found = scan(model, documents->count, vector, best);
        double one = ndcg(&queries->items[i], documents, best, found, judgements, judgement_count);
        if (one >= 0) {
            sum += one;
            judged++;
        }
    }
    printf("  nDCG@10 %.4f over %zu queries, %.1f us to embed one\n", sum / (double)judged, judged,
           seconds / (double)queries->count * 1e6);
    free(vector);
    free(judgements);
}

static void run(const char *folder, const struct corpus_options *options)
{
    struct model model = {0};
    struct items documents = read_items(folder, "corpus.jsonl");
    struct items queries = read_items(folder, "queries.jsonl");
    struct items training = {0};
    if (!documents.count) {
        documents = read_items(folder, "packages.jsonl");
        training = read_items(folder, "training.jsonl");
    }
    if (!documents.count)
        fail(folder, "neither corpus.jsonl nor packages.jsonl");
    measure(&model, training.count ? &training : &documents, &documents, options);
    printf("%s: %zu texts, %llu words, trained in %.2f s, %.0f texts/s, model of %.1f MB\n", folder,
           documents.count, (unsigned long long)model.embedder->word_count, model.train_s,
           (double)documents.count / model.embed_s, (double)model.bytes / 1e6);
    if (queries.count)
        ask(folder, &model, &documents, &queries);
    model.embedder->ops->free(model.embedder);
    free(model.vectors);
    free(model.known);
    items_release(&documents);
    items_release(&queries);
    items_release(&training);
}

int main(int argc, char **argv)
{
    struct corpus_options options = {.dim = 256};
    unsigned threads = 1;
    int i = 1;
    for (; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
        if (strcmp(argv[i], "--dim") == 0)
            options.dim = (size_t)strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--word-exponent") == 0)
            options.word_exponent = strtof(argv[i + 1], NULL);
        else if (strcmp(argv[i], "--threads") == 0)
            threads = (unsigned)strtoul(argv[i + 1], NULL, 10);
        else
            fail(argv[i], "no such option");
    }
    if (i == argc)
        fail("usage", "text_model [--dim N] [--word-exponent X] [--threads N] FOLDER ...");
    if (threads > 1 && executor_threads_new(threads - 1, &options.executor, NULL))
        fail("threads", "cannot be started");
    for (; i < argc; i++)
        run(argv[i], &options);
    executor_free(options.executor);
    return 0;
}
