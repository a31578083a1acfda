/* vocabulary.c: reading the training texts.
 *
 *   1. select_distinct: empty texts and byte-for-byte repetitions are left out.
 *   2. read_piece, in parallel: pieces of a fixed number of texts, each with words numbered by itself.
 *   3. merge: the pieces' words become one table; which are frequent enough, in the order of bytes.
 *   4. fill_rows: the pieces' counts become the matrix.
 *
 * Pieces are cut by the number of texts alone and merged in order: threads change nothing. */
#include "embed/vocabulary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/utf8.h"

#define PIECE_TEXTS_MIN 256
#define PIECES_MAX      1024
#define PIECES_AT_ONCE  32 /* between two reports of progress */

/* How often a text holds a word. */
struct count {
    uint32_t word;
    uint32_t times;
};

struct piece {
    struct word_table words;
    uint32_t *frequencies; /* texts of this piece, by the piece's own numbers */
    uint32_t *global;      /* the piece's own number to the vocabulary's, or WORD_NONE */
    struct count *counts;  /* of its texts, one after another */
    size_t count_count;
    size_t count_capacity;
    size_t *ends; /* ends[i]: where text i's counts end */
    lode_status status;
    lode_error error;
};

struct build {
    const lode_text *texts;
    size_t *distinct; /* positions of the texts that count */
    size_t distinct_count;
    const struct corpus_options *options;
    const char *language;
    struct piece *pieces;
    size_t piece_count;
    size_t piece_texts;
    size_t first; /* piece of the group now running */
};

void vocabulary_release(struct vocabulary *vocabulary)
{
    word_table_release(&vocabulary->words);
    free(vocabulary->frequencies);
    free(vocabulary->weights);
    sparse_release(&vocabulary->rows);
    memset(vocabulary, 0, sizeof *vocabulary);
}

static void piece_release(struct piece *piece)
{
    word_table_release(&piece->words);
    free(piece->frequencies);
    free(piece->global);
    free(piece->counts);
    free(piece->ends);
    memset(piece, 0, sizeof *piece);
}

static void build_release(struct build *build)
{
    for (size_t i = 0; build->pieces && i < build->piece_count; i++)
        piece_release(&build->pieces[i]);
    free(build->pieces);
    free(build->distinct);
}

/* --- 1. Which texts count ------------------------------------------------------------------------ */

static int same_text(const lode_text *a, const lode_text *b)
{
    return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
}

/* 1 when the text at `position` is new; remembers it in the open-addressed slots (position + 1). */
static int remember(const lode_text *texts, size_t position, size_t *slots, size_t mask)
{
    const lode_text *text = &texts[position];
    size_t slot = (size_t)hash64(text->data, text->size, 0) & mask;
    for (; slots[slot]; slot = (slot + 1) & mask)
        if (same_text(text, &texts[slots[slot] - 1]))
            return 0;
    slots[slot] = position + 1;
    return 1;
}

static lode_status select_distinct(struct build *build, size_t count, lode_error *error)
{
    size_t slot_count = 64;
    while (slot_count < count * 2)
        slot_count *= 2;
    size_t *slots = calloc(slot_count, sizeof *slots);
    build->distinct = malloc((count + 1) * sizeof *build->distinct);
    if (!slots || !build->distinct) {
        free(slots);
        return error_nomem(error, "a list of texts", slot_count * sizeof *slots);
    }
    for (size_t i = 0; i < count; i++)
        if (build->texts[i].size && remember(build->texts, i, slots, slot_count - 1))
            build->distinct[build->distinct_count++] = i;
    free(slots);
    return LODE_OK;
}

/* --- 2. Reading a piece --------------------------------------------------------------------------- */

/* What reading one piece needs besides the piece. */
struct reading {
    struct piece *piece;
    struct tokenizer *tokenizer;
    struct word_cache *cache;
    size_t *
        last; /* by word: 1 + where in counts this text's count of it is; older: not in this text */
    size_t last_capacity;
};

static lode_status grow_counts(struct reading *reading, lode_error *error)
{
    struct piece *piece = reading->piece;
    if (piece->count_count == piece->count_capacity) {
        size_t capacity = piece->count_capacity * 2 + 4096;
        struct count *counts = realloc(piece->counts, capacity * sizeof *counts);
        if (!counts)
            return error_nomem(error, "word counts", capacity * sizeof *counts);
        piece->counts = counts;
        piece->count_capacity = capacity;
    }
    if (piece->words.count > reading->last_capacity) {
        size_t capacity = piece->words.capacity;
        size_t *last = realloc(reading->last, capacity * sizeof *last);
        if (!last)
            return error_nomem(error, "word counts", capacity * sizeof *last);
        memset(last + reading->last_capacity, 0,
               (capacity - reading->last_capacity) * sizeof *last);
        reading->last = last;
        reading->last_capacity = capacity;
    }
    return LODE_OK;
}

/* The piece's number of a word as written; WORD_NONE for a stop word. */
static lode_status number_word(struct reading *reading, const char *word, size_t size,
                               uint32_t *ret_number, lode_error *error)
{
    struct word_cache_entry *entry = word_cache_at(reading->cache, word, size);
    if (word_cache_has(entry, word, size)) {
        *ret_number = entry->number;
        return LODE_OK;
    }
    *ret_number = WORD_NONE;
    if (!tokenizer_stops(reading->tokenizer, word, size)) {
        size_t stem_size;
        const char *stem = tokenizer_stem(reading->tokenizer, word, size, &stem_size);
        if (!stem)
            return error_nomem(error, "a stem", size);
        lode_status status =
            word_table_add(&reading->piece->words, stem, stem_size, ret_number, error);
        if (status)
            return status;
    }
    word_cache_put(entry, word, size, *ret_number);
    return LODE_OK;
}

static lode_status read_text(struct reading *reading, const lode_text *text, lode_error *error)
{
    struct piece *piece = reading->piece;
    size_t begin = piece->count_count, size;
    tokenizer_begin(reading->tokenizer, text->data, text->size);
    for (const char *word; (word = tokenizer_next(reading->tokenizer, &size));) {
        uint32_t number;
        lode_status status = number_word(reading, word, size, &number, error);
        if (!status)
            status = grow_counts(reading, error);
        if (status)
            return status;
        if (number == WORD_NONE)
            continue;
        if (reading->last[number] > begin) {
            piece->counts[reading->last[number] - 1].times++;
            continue;
        }
        piece->counts[piece->count_count++] = (struct count){number, 1};
        reading->last[number] = piece->count_count;
    }
    return LODE_OK;
}

static lode_status read_texts(struct reading *reading, const struct build *build, size_t begin,
                              size_t end, lode_error *error)
{
    for (size_t i = begin; i < end; i++) {
        const lode_text *text = &build->texts[build->distinct[i]];
        size_t valid = utf8_valid_prefix(text->data, text->size);
        if (valid != text->size)
            return error_set(error, LODE_INVALID, "text %zu is not valid UTF-8 at byte %zu",
                             build->distinct[i], valid);
        lode_status status = read_text(reading, text, error);
        if (status)
            return status;
        reading->piece->ends[i - begin] = reading->piece->count_count;
    }
    return LODE_OK;
}

static lode_status count_frequencies(struct piece *piece, lode_error *error)
{
    piece->frequencies = calloc(piece->words.count + 1, sizeof *piece->frequencies);
    piece->global = malloc((piece->words.count + 1) * sizeof *piece->global);
    if (!piece->frequencies || !piece->global)
        return error_nomem(error, "word counts", piece->words.count * sizeof *piece->frequencies);
    for (size_t i = 0; i < piece->count_count; i++)
        piece->frequencies[piece->counts[i].word]++;
    return LODE_OK;
}

static void read_piece(void *context, size_t i)
{
    struct build *build = context;
    struct piece *piece = &build->pieces[build->first + i];
    size_t begin = (build->first + i) * build->piece_texts, end = begin + build->piece_texts;
    if (end > build->distinct_count)
        end = build->distinct_count;
    struct reading reading = {.piece = piece, .cache = calloc(1, sizeof *reading.cache)};
    piece->ends = malloc((end - begin) * sizeof *piece->ends);
    if (!reading.cache || !piece->ends)
        piece->status = error_nomem(&piece->error, "reading texts", sizeof *reading.cache);
    else
        piece->status = tokenizer_new(build->language, &reading.tokenizer, &piece->error);
    if (!piece->status)
        piece->status = read_texts(&reading, build, begin, end, &piece->error);
    if (!piece->status)
        piece->status = count_frequencies(piece, &piece->error);
    tokenizer_free(reading.tokenizer);
    free(reading.cache);
    free(reading.last);
}

static lode_status read_pieces(struct build *build, lode_error *error)
{
    size_t count = build->distinct_count;
    build->piece_texts = count / PIECES_MAX + 1;
    if (build->piece_texts < PIECE_TEXTS_MIN)
        build->piece_texts = PIECE_TEXTS_MIN;
    build->piece_count = (count + build->piece_texts - 1) / build->piece_texts;
    build->pieces = calloc(build->piece_count + 1, sizeof *build->pieces);
    if (!build->pieces)
        return error_nomem(error, "reading texts", build->piece_count * sizeof *build->pieces);
    const struct corpus_options *options = build->options;
    for (; build->first < build->piece_count; build->first += PIECES_AT_ONCE) {
        size_t left = build->piece_count - build->first;
        size_t group = left < PIECES_AT_ONCE ? left : PIECES_AT_ONCE;
        dense_parallel(options->executor, group, read_piece, build);
        for (size_t i = build->first; i < build->first + group; i++)
            if (build->pieces[i].status) {
                if (error)
                    *error = build->pieces[i].error;
                return build->pieces[i].status;
            }
        size_t done = (build->first + group) * build->piece_texts;
        if (options->progress)
            options->progress(options->context, "read", done < count ? done : count, count);
    }
    return LODE_OK;
}

/* --- 3. One vocabulary ---------------------------------------------------------------------------- */

struct candidate {
    const char *word;
    size_t size;
    uint32_t number; /* in the merged table */
    uint32_t frequency;
};

static int by_frequency(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->frequency != y->frequency)
        return x->frequency < y->frequency ? 1 : -1;
    return word_compare(x->word, x->size, y->word, y->size);
}

static int by_bytes(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return word_compare(x->word, x->size, y->word, y->size);
}

/* All words of all pieces in one table; pieces' global[] get its numbers. */
static lode_status merge_words(struct build *build, struct word_table *merged,
                               uint32_t **frequencies, lode_error *error)
{
    size_t count_max = 1;
    for (size_t p = 0; p < build->piece_count; p++)
        count_max += build->pieces[p].words.count;
    uint32_t *counts = *frequencies = calloc(count_max, sizeof *counts);
    if (!counts)
        return error_nomem(error, "word counts", count_max * sizeof *counts);
    for (size_t p = 0; p < build->piece_count; p++) {
        struct piece *piece = &build->pieces[p];
        for (uint32_t i = 0; i < piece->words.count; i++) {
            size_t size;
            const char *word = word_table_word(&piece->words, i, &size);
            lode_status status = word_table_add(merged, word, size, &piece->global[i], error);
            if (status)
                return status;
            counts[piece->global[i]] += piece->frequencies[i];
        }
    }
    return LODE_OK;
}

/* Put the chosen words into the vocabulary; to[merged number] is the new one, or WORD_NONE. */
static lode_status choose_words(struct vocabulary *vocabulary, struct candidate *candidates,
                                size_t count, uint32_t *to, lode_error *error)
{
    if (count > VOCABULARY_WORDS_MAX) {
        qsort(candidates, count, sizeof *candidates, by_frequency);
        count = VOCABULARY_WORDS_MAX;
    }
    qsort(candidates, count, sizeof *candidates, by_bytes);
    vocabulary->frequencies = malloc((count + 1) * sizeof *vocabulary->frequencies);
    vocabulary->weights = malloc((count + 1) * sizeof *vocabulary->weights);
    if (!vocabulary->frequencies || !vocabulary->weights)
        return error_nomem(error, "a vocabulary", count * sizeof *vocabulary->weights);
    for (size_t i = 0; i < count; i++) {
        uint32_t number;
        lode_status status = word_table_add(&vocabulary->words, candidates[i].word,
                                            candidates[i].size, &number, error);
        if (status)
            return status;
        to[candidates[i].number] = number;
        vocabulary->frequencies[i] = candidates[i].frequency;
        double df = candidates[i].frequency, n = (double)vocabulary->text_count;
        vocabulary->weights[i] = (float)log(1 + (n - df + 0.5) / (df + 0.5));
    }
    return LODE_OK;
}

static lode_status select_words(struct vocabulary *vocabulary, const struct word_table *merged,
                                const uint32_t *frequencies, uint32_t frequency_min, uint32_t *to,
                                lode_error *error)
{
    struct candidate *candidates = malloc((merged->count + 1) * sizeof *candidates);
    if (!candidates)
        return error_nomem(error, "a vocabulary", merged->count * sizeof *candidates);
    size_t count = 0;
    for (uint32_t i = 0; i < merged->count; i++) {
        to[i] = WORD_NONE;
        if (frequencies[i] < frequency_min)
            continue;
        struct candidate *candidate = &candidates[count++];
        candidate->word = word_table_word(merged, i, &candidate->size);
        candidate->number = i;
        candidate->frequency = frequencies[i];
    }
    lode_status status = choose_words(vocabulary, candidates, count, to, error);
    free(candidates);
    return status;
}

static lode_status merge(struct build *build, struct vocabulary *vocabulary, lode_error *error)
{
    struct word_table merged;
    uint32_t *frequencies = NULL, *to = NULL;
    uint32_t frequency_min = build->options->document_frequency_min;
    word_table_init(&merged);
    lode_status status = merge_words(build, &merged, &frequencies, error);
    if (!status && !(to = malloc((merged.count + 1) * sizeof *to)))
        status = error_nomem(error, "a vocabulary", merged.count * sizeof *to);
    if (!status)
        status = select_words(vocabulary, &merged, frequencies, frequency_min, to, error);
    for (size_t p = 0; !status && p < build->piece_count; p++)
        for (uint32_t i = 0; i < build->pieces[p].words.count; i++)
            build->pieces[p].global[i] = to[build->pieces[p].global[i]];
    word_table_release(&merged);
    free(frequencies);
    free(to);
    return status;
}

/* --- 4. The matrix -------------------------------------------------------------------------------- */

/* Renumber one text's counts and drop rare words; how many are left. */
static size_t keep_counts(const struct piece *piece, struct count *counts, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t word = piece->global[counts[i].word];
        if (word != WORD_NONE)
            counts[kept++] = (struct count){word, counts[i].times};
    }
    return kept;
}

static void append_row(struct vocabulary *vocabulary, const struct count *counts, size_t count)
{
    struct sparse *rows = &vocabulary->rows;
    size_t begin = rows->starts[rows->row_count];
    double square = 0;
    for (size_t i = 0; i < count; i++) {
        float weight = (1 + logf((float)counts[i].times)) * vocabulary->weights[counts[i].word];
        rows->columns[begin + i] = counts[i].word;
        rows->values[begin + i] = weight;
        square += (double)weight * weight;
    }
    float scale = square > 0 ? (float)(1 / sqrt(square)) : 0;
    for (size_t i = 0; i < count; i++)
        rows->values[begin + i] *= scale;
    rows->starts[++rows->row_count] = begin + count;
}

static lode_status fill_rows(struct build *build, struct vocabulary *vocabulary, lode_error *error)
{
    size_t total = 0;
    for (size_t p = 0; p < build->piece_count; p++)
        total += build->pieces[p].count_count;
    struct sparse *rows = &vocabulary->rows;
    rows->column_count = vocabulary->words.count;
    rows->starts = calloc(vocabulary->text_count + 1, sizeof *rows->starts);
    rows->columns = malloc((total + 1) * sizeof *rows->columns);
    rows->values = malloc((total + 1) * sizeof *rows->values);
    if (!rows->starts || !rows->columns || !rows->values)
        return error_nomem(error, "the matrix of texts and words", total * 8);
    for (size_t p = 0; p < build->piece_count; p++) {
        struct piece *piece = &build->pieces[p];
        size_t left = build->distinct_count - p * build->piece_texts, begin = 0;
        for (size_t i = 0; i < build->piece_texts && i < left; i++) {
            size_t count = piece->ends[i] - begin;
            if (count)
                append_row(vocabulary, piece->counts + begin,
                           keep_counts(piece, piece->counts + begin, count));
            begin = piece->ends[i];
        }
        piece_release(piece);
    }
    return LODE_OK;
}

/* Texts with at least one word, whether it is kept or not. */
static uint64_t count_texts(const struct build *build)
{
    uint64_t texts = 0;
    for (size_t p = 0; p < build->piece_count; p++) {
        INVARIANT(build->pieces[p].ends);
        size_t left = build->distinct_count - p * build->piece_texts, begin = 0;
        for (size_t i = 0; i < build->piece_texts && i < left; i++) {
            texts += build->pieces[p].ends[i] > begin;
            begin = build->pieces[p].ends[i];
        }
    }
    return texts;
}

lode_status vocabulary_build(const lode_text *texts, size_t count,
                             const struct corpus_options *options,
                             struct vocabulary *ret_vocabulary, lode_error *error)
{
    struct build build = {.texts = texts, .options = options};
    struct vocabulary vocabulary = {0};
    build.language = options->language ? options->language : "english";
    lode_status status = select_distinct(&build, count, error);
    if (!status)
        status = read_pieces(&build, error);
    if (!status) {
        vocabulary.text_count = count_texts(&build);
        status = merge(&build, &vocabulary, error);
    }
    if (!status)
        status = fill_rows(&build, &vocabulary, error);
    build_release(&build);
    if (status)
        vocabulary_release(&vocabulary);
    else
        *ret_vocabulary = vocabulary;
    return status;
}
