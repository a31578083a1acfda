/* allowed.c: every living row's document is asked. */
#include "query/allowed.h"

#include <stdlib.h>
#include <string.h>

#include "filter/matches.h"
#include "os/budget.h"
#include "os/mapped.h"
#include "storage/id.h"

#define WORDS_BETWEEN_LOOKS 16u /* at how much memory is mapped */

/* What evaluating one view takes. */
struct evaluation {
    const struct segment_view *view;
    struct matcher *matcher;
};

lode_status allowed_row(struct matcher *matcher, const struct segment *segment, uint32_t row,
                        int *ret_matches, lode_error *error)
{
    struct document document;
    const uint8_t *bytes;
    size_t size;
    lode_id id = {0};
    lode_status status = segment->ops->document(segment, row, &document, error);
    if (!status && matcher_asks_ids(matcher)) {
        status = segment->ops->id(segment, row, &bytes, &size, error);
        if (!status)
            status = id_decode(bytes, size, &id, error);
    }
    return status ? status
                  : matcher_matches(matcher, document.metadata, document.metadata_size, &id,
                                    ret_matches, error);
}

/* Of the rows of one word those that match. */
static lode_status filter_word(const struct evaluation *evaluation, uint32_t base, uint64_t *word,
                               lode_error *error)
{
    for (uint64_t left = *word; left; left &= left - 1) {
        uint32_t bit = (uint32_t)__builtin_ctzll(left);
        int matches = 0;
        lode_status status = allowed_row(evaluation->matcher, evaluation->view->segment, base + bit,
                                         &matches, error);
        if (status)
            return status;
        if (!matches)
            *word &= ~((uint64_t)1 << bit);
    }
    return LODE_OK;
}

/* words: those of rows that may be in; on return of those that are. */
static lode_status filter_words(const struct evaluation *evaluation, uint64_t *words,
                                lode_error *error)
{
    size_t count = bitset_words(evaluation->view->row_count);
    lode_status status = LODE_OK;
    for (size_t w = 0; !status && w < count; w++) {
        if (w % WORDS_BETWEEN_LOOKS == 0)
            mapped_look();
        if (words[w])
            status = filter_word(evaluation, (uint32_t)w * 64, &words[w], error);
    }
    return status;
}

/* The living rows of a view. */
static void fill_live(const struct segment_view *view, uint64_t *words)
{
    size_t count = bitset_words(view->row_count), rest = view->row_count % 64;
    if (view->live)
        memcpy(words, view->live->words, count * sizeof *words);
    else
        memset(words, 0xff, count * sizeof *words);
    if (rest)
        words[count - 1] &= ((uint64_t)1 << rest) - 1;
}

static lode_status filter_view(struct evaluation *evaluation, const struct allowed_request *request,
                               struct allowed *allowed, lode_error *error)
{
    const struct segment_view *view = evaluation->view;
    if (view->live_count == 0)
        return LODE_OK;
    if (request->allow_damaged && segment_is_damaged(view->segment, DAMAGE_OF_ROWS, NULL)) {
        allowed->count = view->live_count;
        return LODE_OK;
    }
    fill_live(view, allowed->words);
    lode_status status = filter_words(evaluation, allowed->words, error);
    if (!status)
        allowed->count = (uint32_t)bitset_count(allowed->words, view->row_count);
    return status;
}

static lode_status filter_views(const struct allowed_request *request, struct allowed_set *set,
                                lode_error *error)
{
    struct evaluation evaluation = {0};
    lode_status status = matcher_new(request->filter, &evaluation.matcher, error);
    for (size_t i = 0; !status && i < set->view_count; i++) {
        evaluation.view = &request->version->views[i];
        status = filter_view(&evaluation, request, &set->views[i], error);
    }
    matcher_free(evaluation.matcher);
    return status;
}

/* The set and its words in one piece. */
static struct allowed_set *make_set(const struct version *version)
{
    size_t head = sizeof(struct allowed_set) + version->view_count * sizeof(struct allowed);
    size_t words = 0;
    for (size_t i = 0; i < version->view_count; i++)
        words += bitset_words(version->views[i].row_count);
    struct allowed_set *set = calloc(1, head + words * sizeof(uint64_t));
    if (!set)
        return NULL;
    set->held = head + words * sizeof(uint64_t);
    set->view_count = version->view_count;
    uint64_t *next = (uint64_t *)(void *)((char *)set + head);
    for (size_t i = 0; i < version->view_count; i++) {
        set->views[i].words = next;
        next += bitset_words(version->views[i].row_count);
    }
    budget_take(BUDGET_SCRATCH, set->held); /* reads are not refused */
    return set;
}

lode_status allowed_set_new(const struct allowed_request *request, struct allowed_set **ret_set,
                            lode_error *error)
{
    struct allowed_set *set = make_set(request->version);
    if (!set)
        return error_nomem(error, "the rows that a filter allows", request->version->point_count);
    lode_status status = filter_views(request, set, error);
    if (status)
        allowed_set_free(set);
    else
        *ret_set = set;
    return status;
}

void allowed_set_free(struct allowed_set *set)
{
    if (!set)
        return;
    budget_give(BUDGET_SCRATCH, set->held);
    free(set);
}

uint64_t allowed_set_count(const struct allowed_set *set)
{
    uint64_t count = 0;
    for (size_t i = 0; i < set->view_count; i++)
        count += set->views[i].count;
    return count;
}
