/* allowed.c: columns say which rows match for sure and which may; of the latter, and of rows that have no columns,
 * every document is asked. */
#include "query/allowed.h"

#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "filter/matches.h"
#include "filter/syntax.h"
#include "os/spare.h"
#include "column/evaluate.h"
#include "column/row_walk.h"
#include "query/view_columns.h"
#include "storage/id.h"

#define IDS_BETWEEN_LOOKS 256u /* at the caller's wish: each is looked up in a table */

/* Of so many rows of a view to one that its namespace leaves, documents take less time than sets of all rows. */
#define ROWS_TO_ONE 512u

#define KEY_TEXT_MAX                                                                               \
    ((size_t)256 << 10) /* bytes of a filter as text: of a longer one nothing is remembered */

/* What evaluating one view takes. */
struct evaluation {
    const struct allowed_request *request;
    const struct segment_view *view;
    struct matcher *matcher;
    const struct filter_key *key; /* of the filter; NULL: it is not remembered */
    struct allowed *allowed;      /* what it comes to */
};

/* Rows whose documents are asked. */
struct asking {
    const struct evaluation *evaluation;
    uint64_t *words; /* those that may be in */
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

static lode_status ask_row(void *context, uint32_t row, lode_error *error)
{
    const struct asking *asking = context;
    const struct evaluation *evaluation = asking->evaluation;
    int matches = 0;
    evaluation->allowed->asked++;
    lode_status status =
        allowed_row(evaluation->matcher, evaluation->view->segment, row, &matches, error);
    if (!matches)
        bitset_unset(asking->words, row);
    return status;
}

/* words: of rows [begin, end) those that may be in; on return those that are. */
static lode_status filter_words(const struct evaluation *evaluation, uint32_t begin, uint32_t end,
                                uint64_t *words, lode_error *error)
{
    struct asking asking = {evaluation, words};
    struct row_walk walk = {
        .words = words, .begin = begin, .end = end, .stop = evaluation->request->stop};
    return row_walk(&walk, ask_row, &asking, error);
}

/* --- Columns ------------------------------------------------------------------------------------ */

struct id_lookup {
    struct segment_view view;
    const struct id_namespace *space;
    const lode_stop *stop;
};

static lode_status rows_of_ids(void *context, const struct filter *filter, uint64_t *words,
                               lode_error *error)
{
    static const struct id_namespace none;
    const struct id_lookup *lookup = context;
    const struct segment_view *view = &lookup->view;
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < filter->id.count; i++) {
        uint8_t bytes[ID_BYTES_MAX];
        uint32_t row = ROW_NONE;
        if (i % IDS_BETWEEN_LOOKS == 0)
            status = stop_look(lookup->stop, error);
        if (status)
            break;
        size_t size =
            id_encode_in(lookup->space ? lookup->space : &none, &filter->id.ids[i], bytes);
        struct id_key key = {.bytes = bytes, .size = size, .hash = id_hash(bytes, size)};
        status = view->segment->ops->find(view, &key, &row, error);
        if (!status && row < view->row_count)
            bitset_set(words, row);
    }
    return status;
}

/* Rows [0, columns->row_count): `words` holds those that live, and gets those that are allowed. spare: room for two
 * such sets. */
static lode_status by_columns(const struct evaluation *evaluation, struct columns *columns,
                              uint64_t *words, uint64_t *spare, lode_error *error)
{
    size_t count = bitset_words(columns->row_count);
    const struct allowed_request *request = evaluation->request;
    struct id_lookup covered = {*evaluation->view, request->space, request->stop};
    uint64_t *must = spare, *may = spare + count;
    if (covered.view.row_count > columns->row_count)
        covered.view.row_count = columns->row_count;
    struct column_query query = {.columns = columns,
                                 .filter = request->filter,
                                 .matcher = evaluation->matcher,
                                 .stop = request->stop,
                                 .rows_of_ids = rows_of_ids,
                                 .context = &covered};
    lode_status status = request->is_explained
                             ? columns_estimate(&query, &evaluation->allowed->estimated, error)
                             : LODE_OK;
    if (!status)
        status = columns_evaluate(&query, must, may, error);
    uint64_t open = 0;
    if (!status && evaluation->key && remembered_wants(&columns->remembered, evaluation->key) &&
        memcmp(must, may, count * sizeof *must) == 0)
        remembered_keep(&columns->remembered, evaluation->key, must, columns->row_count);
    for (size_t w = 0; !status && w < count; w++) {
        must[w] &= words[w];
        may[w] &= words[w] & ~must[w];
        open |= may[w];
    }
    if (!status && open)
        status = filter_words(evaluation, 0, covered.view.row_count, may, error);
    for (size_t w = 0; !status && w < count; w++)
        words[w] = must[w] | may[w];
    return status;
}

/* The words of columns may end amid one: the rows behind are left as they are. */
static lode_status filter_covered(const struct evaluation *evaluation, struct columns *columns,
                                  uint64_t *words, lode_error *error)
{
    size_t count = bitset_words(columns->row_count);
    uint64_t *sets = spare_take((count * 3 + 1) * sizeof *sets);
    if (!sets)
        return error_nomem(error, "the rows that a filter allows", count * 3 * sizeof *sets);
    size_t view_words = bitset_words(evaluation->view->row_count), rest = columns->row_count % 64;
    size_t shared = count < view_words ? count : view_words;
    memset(sets, 0, count * sizeof *sets);
    memcpy(sets, words, shared * sizeof *sets);
    if (rest)
        sets[count - 1] &= ((uint64_t)1 << rest) - 1;
    lode_status status = by_columns(evaluation, columns, sets, sets + count, error);
    for (size_t w = 0; !status && w < shared; w++) {
        uint64_t behind = rest && w == count - 1 ? ~(uint64_t)0 << rest : 0;
        words[w] = sets[w] | (words[w] & behind);
    }
    spare_give(sets, (count * 3 + 1) * sizeof *sets);
    return status;
}

/* Of the rows that columns cover those that the filter matched when it was asked before. 0: that is not known. */
static int recall(const struct evaluation *evaluation, struct columns *columns, uint64_t *words)
{
    struct remembered_set *set =
        evaluation->key ? remembered_find(&columns->remembered, evaluation->key) : NULL;
    if (!set)
        return 0;
    uint32_t rows = columns->row_count, view_rows = evaluation->view->row_count;
    size_t shared = rows < view_rows ? rows / 64 : bitset_words(view_rows);
    for (size_t w = 0; w < shared; w++)
        words[w] &= set->words[w];
    if (rows < view_rows && rows % 64)
        words[shared] &= set->words[shared] | ~(uint64_t)0 << rows % 64;
    evaluation->allowed->estimated = set->count;
    remembered_unref(set);
    return 1;
}

/* Columns only spare documents: when they are damaged, these answer. */
static lode_status filter_rows(const struct evaluation *evaluation, struct columns *columns,
                               uint32_t covered, uint64_t *words, lode_error *error)
{
    lode_status status = LODE_OK;
    if (columns && !recall(evaluation, columns, words)) {
        status = filter_covered(evaluation, columns, words, error);
        if (status_is_damage(status)) {
            covered = 0;
            status = LODE_OK;
        }
    }
    evaluation->allowed->covered = covered;
    if (!status && covered < evaluation->view->row_count)
        status = filter_words(evaluation, covered, evaluation->view->row_count, words, error);
    return status;
}

/* --- Views -------------------------------------------------------------------------------------- */

/* The living rows of a view. */
static void fill_live(const struct segment_view *view, uint64_t *words)
{
    size_t count = bitset_words(view->row_count), size = count * sizeof *words;
    if (view->live)
        memcpy(words, view->live->words, size);
    else
        memset(words, 0xff, size);
    if (count > 0)
        words[count - 1] = view_live_word(view, count - 1);
}

/* The rows of the namespace that live, counted. */
static lode_status choose_rows(const struct evaluation *evaluation, lode_error *error)
{
    const struct segment_view *view = evaluation->view;
    const struct id_namespace *space = evaluation->request->space;
    struct allowed *allowed = evaluation->allowed;
    struct namespace_columns known = {.stop = evaluation->request->stop};
    struct columns *columns = NULL;
    lode_status status = LODE_OK;
    if (space && namespace_asks_columns(view->segment, space))
        known.columns = columns =
            view_columns(evaluation->view, evaluation->request->fields, &known.covered);
    if (space)
        status = namespace_rows(view, space, &known, allowed->words, &allowed->count, error);
    else
        fill_live(view, allowed->words);
    columns_unref(columns);
    allowed->covered = known.covered;
    if (!space)
        allowed->count = view->live_count;
    allowed->estimated = space ? allowed->count : view->row_count;
    return status;
}

/* Of the chosen rows those that match: where they are few, documents are to tell. */
static lode_status filter_chosen(const struct evaluation *evaluation, lode_error *error)
{
    const struct segment_view *view = evaluation->view;
    struct allowed *allowed = evaluation->allowed;
    struct columns *columns = NULL;
    uint32_t covered = 0;
    if (!evaluation->request->space || allowed->count > view->row_count / ROWS_TO_ONE)
        columns = view_columns(evaluation->view, evaluation->request->fields, &covered);
    lode_status status = filter_rows(evaluation, columns, covered, allowed->words, error);
    columns_unref(columns);
    allowed->count = (uint32_t)bitset_count(allowed->words, view->row_count);
    return status;
}

static lode_status filter_view(struct evaluation *evaluation, lode_error *error)
{
    const struct allowed_request *request = evaluation->request;
    const struct segment_view *view = evaluation->view;
    struct allowed *allowed = evaluation->allowed;
    if (view->live_count == 0)
        return LODE_OK;
    if (request->allow_damaged && segment_is_damaged(view->segment, DAMAGE_OF_ROWS, NULL)) {
        allowed->count = view->live_count;
        return LODE_OK;
    }
    lode_status status = choose_rows(evaluation, error);
    if (!status && request->filter && allowed->count > 0)
        status = filter_chosen(evaluation, error);
    return status;
}

/* The types that fields have for it: a field may have been of another type before. */
static lode_status append_types(const struct filter *filter, struct buf *out)
{
    lode_status status = buf_append_u8(out, (uint8_t)filter->type, NULL);
    int is_group = filter->kind == FILTER_AND || filter->kind == FILTER_OR ||
                   filter->kind == FILTER_NOT || filter->kind == FILTER_AT_LEAST ||
                   filter->kind == FILTER_NESTED;
    for (uint32_t i = 0; is_group && !status && i < filter->group.count; i++)
        status = append_types(filter->group.items[i], out);
    return status;
}

/* Rows of ids are those that live; a filter that asks for none matches the same rows for ever. Its text and the types of its
 * fields say what it means. Returns ret_key, or NULL: it is not remembered. */
static const struct filter_key *key_of(const struct evaluation *evaluation, struct buf *text,
                                       struct filter_key *ret_key)
{
    const struct filter *filter = evaluation->request->filter;
    if (!filter || matcher_asks_ids(evaluation->matcher) || filter_print_text(filter, text, NULL) ||
        append_types(filter, text) || sha256_of(text->data, text->size, ret_key->digest, NULL))
        return NULL;
    return ret_key;
}

static lode_status filter_views(const struct allowed_request *request, struct allowed_set *set,
                                lode_error *error)
{
    struct evaluation evaluation = {.request = request};
    struct buf text;
    struct filter_key key;
    lode_status status =
        request->filter ? matcher_new(request->filter, &evaluation.matcher, error) : LODE_OK;
    buf_init(&text, KEY_TEXT_MAX);
    if (!status)
        evaluation.key = key_of(&evaluation, &text, &key);
    for (size_t i = 0; !status && i < set->view_count; i++) {
        evaluation.view = &request->version->views[i];
        evaluation.allowed = &set->views[i];
        status = stop_look(request->stop, error);
        if (!status)
            status = filter_view(&evaluation, error);
    }
    matcher_free(evaluation.matcher);
    buf_release(&text);
    return status;
}

/* The set and its words in one piece. */
static struct allowed_set *make_set(const struct version *version)
{
    size_t head = sizeof(struct allowed_set) + version->view_count * sizeof(struct allowed);
    size_t words = 0;
    for (size_t i = 0; i < version->view_count; i++)
        words += bitset_words(version->views[i].row_count);
    struct allowed_set *set = spare_take_zeroed(head + words * sizeof(uint64_t));
    if (!set)
        return NULL;
    set->held = head + words * sizeof(uint64_t);
    set->view_count = version->view_count;
    uint64_t *next = (uint64_t *)(void *)((char *)set + head);
    for (size_t i = 0; i < version->view_count; i++) {
        set->views[i].words = next;
        next += bitset_words(version->views[i].row_count);
    }
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

lode_status allowed_set_all(const struct version *version, struct allowed_set **ret_set,
                            lode_error *error)
{
    struct allowed_set *set = make_set(version);
    if (!set)
        return error_nomem(error, "the rows that live", version->point_count);
    for (size_t i = 0; i < set->view_count; i++) {
        if (version->views[i].row_count > 0)
            fill_live(&version->views[i], set->views[i].words);
        set->views[i].count = version->views[i].live_count;
    }
    *ret_set = set;
    return LODE_OK;
}

void allowed_set_free(struct allowed_set *set)
{
    if (set)
        spare_give(set, set->held);
}

uint64_t allowed_set_count(const struct allowed_set *set)
{
    uint64_t count = 0;
    for (size_t i = 0; i < set->view_count; i++)
        count += set->views[i].count;
    return count;
}
