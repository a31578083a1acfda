/* groups.c: the nearest points of the nearest groups.
 *
 * The nearest points are searched for, as many as groups and hits are wanted, and go to their groups. As long as hits are
 * missing, and there were as many points as were asked for, it is asked again, for so many as are missing, among those
 * that can be of use: not those found before; as long as there are too few groups, those that have a value whose
 * group is not full; then those that have a value whose group has room. A point that is found and goes nowhere
 * comes behind one that filled its group, or the last group there may be: so there are at most two more searches than
 * groups, and after the first, which may walk as any other, under a filter too, all are exact. */
#include <stdlib.h>
#include <string.h>

#include "engine/filtering.h"
#include "engine/read.h"
#include "engine/searching.h"
#include "engine/value_json.h"
#include "os/stop.h"
#include "query/fetch.h"
#include "query/grouping.h"
#include "query/value_rows.h"

#define WALK_FACTOR                                                                                \
    4u /* the first search may walk: then it asks for more, which costs less than to scan */

struct groups_result {
    lode_groups head; /* first: both have one address */
    lode_result *result;
};

struct groups_call {
    const lode_groups_request *request;
    lode_groups **ret_groups;
    struct field_set *known;
    const struct field *field;
    struct grouping grouping;
    struct value *values; /* room for those of all groups */
};

/* --- Searching ---------------------------------------------------------------------------------- */

static lode_status forget_hits(struct search *search, lode_error *error)
{
    lode_status status =
        search->allowed ? LODE_OK : allowed_set_all(search->version, &search->allowed, error);
    for (size_t i = 0; !status && i < search->hit_count; i++) {
        const struct query_hit *hit = &search->hits[i];
        struct allowed *allowed = &search->allowed->views[hit->view - search->version->views];
        bitset_unset(allowed->words, hit->row);
        allowed->count--;
    }
    return status;
}

/* Leave what can be of use, and all of it is looked at. */
static lode_status narrow(struct search *search, struct groups_call *call, lode_error *error)
{
    int others = call->grouping.count < call->grouping.groups_max;
    struct value_rows_request asked = {.version = search->version,
                                       .fields = call->known->fields,
                                       .field = call->field,
                                       .values = call->values,
                                       .others = others,
                                       .allow_damaged = call->request->search.allow_damaged,
                                       .stop = call->request->search.stop};
    lode_status status = forget_hits(search, error);
    search->exact = 1;
    asked.count = grouping_values(&call->grouping, others, call->values);
    return status ? status : value_rows_keep(&asked, search->allowed, error);
}

static size_t first_count(const struct search *search, const struct grouping *grouping)
{
    size_t count = grouping->missing;
    if (search->request->exact)
        return count;
    return count < LODE_K_MAX / WALK_FACTOR ? count * WALK_FACTOR : LODE_K_MAX;
}

static lode_status gather(struct search *search, struct groups_call *call, lode_error *error)
{
    struct grouping *grouping = &call->grouping;
    size_t wanted = first_count(search, grouping);
    for (;;) {
        lode_status status = search_find(search, wanted, error);
        if (!status)
            status = grouping_add(grouping, search->hits, search->hit_count, error);
        if (status || grouping->missing == 0 || search->hit_count < wanted)
            return status ? status : grouping_sort(grouping, error);
        status = narrow(search, call, error);
        if (status)
            return status;
        wanted = grouping->missing;
    }
}

/* --- Results ------------------------------------------------------------------------------------ */

static lode_status fetch_group(const struct group *group, const lode_search_request *request,
                               lode_result *result, lode_group *ret_group, lode_error *error)
{
    lode_hit *hits = result_hits(result) + result->hit_count;
    struct json_writer json;
    struct buf out;
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < group->count; i++) {
        const struct query_hit *hit = &group->hits[i];
        if ((result->hit_count + i) % FETCHES_BETWEEN_LOOKS == FETCHES_BETWEEN_LOOKS - 1)
            status = stop_look(request->stop, error);
        if (status)
            break;
        status =
            fetch_hit(hit->view, hit->row, request->with, result_arena(result), &hits[i], error);
        hits[i].score = space_score(hit->view->segment->rows.space, hit->distance);
    }
    if (status)
        return status;
    result->hit_count += group->count;
    buf_init(&out, SIZE_MAX / 2);
    json_writer_init(&json, &out, error);
    value_json_write(&json, &group->value);
    status = json.status;
    *ret_group = (lode_group){.hits = hits, .hit_count = group->count, .value_size = out.size};
    if (!status) {
        ret_group->value = arena_copy(result_arena(result), out.data, out.size);
        if (!ret_group->value)
            status = error_nomem(error, "groups", out.size);
    }
    buf_release(&out);
    return status;
}

static lode_status make_result(const struct search *search, const struct groups_call *call,
                               lode_error *error)
{
    const struct grouping *grouping = &call->grouping;
    struct groups_result *made = calloc(1, sizeof *made);
    if (!made)
        return error_nomem(error, "groups", sizeof *made);
    lode_group *groups = NULL;
    lode_status status = result_new(grouping->groups_max * grouping->per_group - grouping->missing,
                                    &made->result, error);
    if (!status) {
        groups =
            arena_alloc_zero(result_arena(made->result), (grouping->count + 1) * sizeof *groups);
        status = groups ? LODE_OK : error_nomem(error, "groups", grouping->count * sizeof *groups);
    }
    for (size_t i = 0; !status && i < grouping->count; i++)
        status = fetch_group(&grouping->groups[i], &call->request->search, made->result, &groups[i],
                             error);
    if (status) {
        groups_free(&made->head);
        return status;
    }
    made->head =
        (lode_groups){.groups = groups, .group_count = grouping->count, .info = search->info};
    made->head.info.sequence = search->version->sequence;
    *call->ret_groups = &made->head;
    return LODE_OK;
}

/* --- The call ----------------------------------------------------------------------------------- */

static lode_status find_field(const struct groups_call *call, const struct field **ret_field,
                              lode_error *error)
{
    const struct field *field;
    lode_status status =
        filtering_find_field(call->known->fields, call->request->by, &field, error);
    if (!status && (field->type == FIELD_GEO || field->type == FIELD_OBJECT))
        return error_set(error, LODE_SCHEMA, "field '%.80s' is %s: it makes no groups", field->path,
                         field_type_name(field->type));
    if (!status)
        *ret_field = field;
    return status;
}

static lode_status run(struct search *search, void *context, lode_error *error)
{
    struct groups_call *call = context;
    size_t per_group = call->request->per_group ? call->request->per_group : 1;
    call->known = known_fields_get(&search->collection->fields);
    INVARIANT(call->known); /* recover_fields has seen to it */
    lode_status status = find_field(call, &call->field, error);
    if (!status)
        status = grouping_init(&call->grouping, call->field, search->k, per_group, error);
    call->grouping.stop = call->request->search.stop;
    if (!status && !(call->values = malloc(search->k * sizeof *call->values)))
        status = error_nomem(error, "groups", search->k * sizeof *call->values);
    if (!status)
        status = search_begin(search, error);
    if (!status && search->row)
        status = gather(search, call, error);
    if (!status)
        status = make_result(search, call, error);
    grouping_release(&call->grouping);
    call->grouping = (struct grouping){0};
    free(call->values);
    call->values = NULL;
    field_set_unref(call->known);
    return status;
}

lode_status groups_get(const lode_collection *handle, const lode_groups_request *request,
                       lode_groups **ret_groups, lode_error *error)
{
    struct groups_call call = {.request = request, .ret_groups = ret_groups};
    return search_run(handle, &request->search, run, &call, error);
}

void groups_free(lode_groups *groups)
{
    struct groups_result *made = (struct groups_result *)groups;
    if (!groups)
        return;
    result_free(made->result);
    free(made);
}
