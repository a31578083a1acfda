/* filtering.c: reading filters, and knowing fields. */
#include "engine/filtering.h"

#include <string.h>

#include "filter/bind.h"
#include "filter/syntax.h"
#include "os/stop.h"

/* --- Reading ------------------------------------------------------------------------------------ */

/* No filter's text begins with a brace. */
static int is_json(const char *text, size_t size)
{
    size_t i = 0;
    while (i < size && (text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r'))
        i++;
    return i < size && text[i] == '{';
}

static lode_status read_bound(const struct fields *fields, const struct filter_source *source,
                              struct arena *arena, const struct filter **ret_filter,
                              lode_error *error)
{
    const char *text = source->text;
    size_t size = source->size;
    const struct filter *read, *bound;
    lode_status status = is_json(text, size) ? filter_parse_json(arena, text, size, &read, error)
                                             : filter_parse_text(arena, text, size, &read, error);
    if (!status)
        status = filter_bind(read, fields, source, arena, &bound, error);
    return status ? status : filter_normalise(bound, arena, ret_filter, error);
}

/* Both must hold; a NULL: there is none yet. */
static lode_status join(struct arena *arena, const struct filter *a, const struct filter *b,
                        const struct filter **ret_filter, lode_error *error)
{
    const struct filter *both[] = {a, b}, *joined;
    struct filter_maker maker = {.arena = arena, .offset = FILTER_NO_OFFSET, .error = error};
    *ret_filter = b;
    if (!a)
        return LODE_OK;
    lode_status status = filter_group(&maker, FILTER_AND, both, 2, &joined);
    return status ? status : filter_normalise(joined, arena, ret_filter, error);
}

/* Those bound to the handle, then the caller's. */
static lode_status read_all(const lode_collection *handle, const lode_filter *own,
                            struct filtering *filtering, lode_error *error)
{
    const struct scope *scope = &handle->scope;
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < scope->bound_count + (own->text != NULL); i++) {
        const lode_filter *given = i < scope->bound_count ? &scope->bounds[i] : own;
        /* Whoever binds the first filter to the collection's own handle sees all fields; nobody else does. */
        struct filter_source source = {.text = given->text,
                                       .size = given->size,
                                       .hides_fields = scope->space.size > 0 || i > 0};
        const struct filter *filter;
        status = read_bound(filtering->known->fields, &source, &filtering->arena, &filter, error);
        if (!status && given == own)
            filtering->own = filter;
        if (!status)
            status = join(&filtering->arena, filtering->filter, filter, &filtering->filter, error);
    }
    return status;
}

lode_status filtering_read(const lode_collection *handle, const char *text, size_t size,
                           struct filtering *ret_filtering, lode_error *error)
{
    const lode_filter own = {.text = text, .size = size};
    arena_init(&ret_filtering->arena);
    ret_filtering->filter = ret_filtering->own = NULL;
    ret_filtering->known = known_fields_get(&handle->shared->fields);
    INVARIANT(ret_filtering->known); /* recover_fields has seen to it */
    lode_status status = read_all(handle, &own, ret_filtering, error);
    if (status)
        filtering_release(ret_filtering);
    return status;
}

void filtering_release(struct filtering *filtering)
{
    arena_release(&filtering->arena);
    field_set_unref(filtering->known);
    filtering->filter = filtering->own = NULL;
    filtering->known = NULL;
}

lode_status filtering_set(const lode_collection *handle, const struct filtering *filtering,
                          const struct allowed_request *request, struct allowed_set **ret_set,
                          lode_error *error)
{
    struct allowed_request asked = *request;
    asked.space = scope_space(&handle->scope, request->version);
    asked.filter = filtering->filter;
    asked.fields = filtering->known->fields;
    *ret_set = NULL;
    return asked.space || asked.filter ? allowed_set_new(&asked, ret_set, error) : LODE_OK;
}

lode_status filtering_allow(const lode_collection *handle, const char *text, size_t size,
                            const struct allowed_request *request, struct allowed_set **ret_set,
                            lode_error *error)
{
    struct filtering filtering;
    *ret_set = NULL;
    lode_status status = stop_look(request->stop, error);
    if (status)
        return status;
    if (!text && !handle->scope.bound_count && !scope_space(&handle->scope, request->version))
        return LODE_OK;
    status = filtering_read(handle, text, size, &filtering, error);
    if (status)
        return status;
    status = filtering_set(handle, &filtering, request, ret_set, error);
    filtering_release(&filtering);
    return status;
}

/* --- Fields ------------------------------------------------------------------------------------- */

lode_status filtering_find_field(const struct fields *fields, const char *name,
                                 const struct field **ret_field, lode_error *error)
{
    struct arena arena;
    const struct path *path;
    arena_init(&arena);
    lode_status status = path_parse(&arena, name, strlen(name), &path, error);
    if (!status)
        *ret_field = fields_find(fields, path->text, path->size);
    if (!status && !*ret_field)
        status = error_set(error, LODE_SCHEMA, "there is no field '%.80s'", name);
    arena_release(&arena);
    return status;
}

/* A declared field is a member of the document itself, whatever its name is made of. */
static lode_status declare(struct fields *fields, const lode_field *field, lode_error *error)
{
    struct buf path;
    buf_init(&path, FIELD_PATH_SIZE_MAX);
    lode_status status = path_append_part(&path, field->name, strlen(field->name), 0, error);
    if (!status)
        status = fields_declare(fields, (const char *)path.data, path.size,
                                (enum field_type)field->type, error);
    buf_release(&path);
    return status;
}

lode_status filtering_declare(struct fields *fields, const lode_schema *schema, lode_error *error)
{
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < schema->field_count; i++)
        status = declare(fields, &schema->fields[i], error);
    return status;
}

/* What the views that `current` does not have say. */
static lode_status learn_views(struct fields *fields, const struct version *current,
                               const struct version *version, lode_error *error)
{
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < version->view_count; i++)
        if (!version_view(current, version->views[i].segment->number))
            status = fields_learn_view(fields, &version->views[i], error);
    return status;
}

/* The lane is held. Takes the set, whatever it returns. */
static lode_status put_joint(struct collection *collection, struct field_set *own_set,
                             const struct fields *learnt, lode_error *error)
{
    struct fields *joint = NULL;
    lode_status status = known_fields_copy(&collection->fields, &joint, error);
    for (size_t i = 0; !status && i < fields_count(learnt); i++)
        status = fields_merge(joint, fields_at(learnt, i), error);
    if (!status) {
        known_fields_put(&collection->fields, own_set, joint);
        return LODE_OK;
    }
    fields_free(joint);
    field_set_unref(own_set);
    return status;
}

lode_status filtering_learn(struct collection *collection, const struct version *version,
                            lode_error *error)
{
    struct version *current = collection_pin(collection);
    struct fields *learnt = NULL;
    struct field_set *set = NULL;
    lode_status status = fields_new(&learnt, error);
    if (!status)
        status = learn_views(learnt, current, version, error);
    version_unref(current);
    if (!status && fields_count(learnt) > 0 && !(set = field_set_new()))
        status = error_nomem(error, "fields", sizeof *set);
    if (set) {
        lane_enter(&collection->lane);
        status = put_joint(collection, set, learnt, error);
        lane_leave(&collection->lane);
    }
    fields_free(learnt);
    return status;
}
