/* known_fields.c: a pointer under a mutex, and references. */
#include "storage/known_fields.h"

#include <stdlib.h>

#include "os/mapped.h"

#define ROWS_BETWEEN_LOOKS 256u /* at how much memory is mapped */

void field_set_unref(struct field_set *set)
{
    /* Acquire, so that all uses of the set are over when it is freed; release, for whoever frees. */
    if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
        return;
    fields_free(set->fields);
    free(set);
}

void known_fields_init(struct known_fields *known)
{
    mutex_init(&known->mutex);
    known->set = NULL;
}

void known_fields_release(struct known_fields *known)
{
    field_set_unref(known->set);
    known->set = NULL;
    mutex_release(&known->mutex);
}

struct field_set *known_fields_get(struct known_fields *known)
{
    mutex_lock(&known->mutex);
    struct field_set *set = known->set;
    if (set)
        atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    mutex_unlock(&known->mutex);
    return set;
}

lode_status known_fields_copy(struct known_fields *known, struct fields **ret_fields,
                              lode_error *error)
{
    struct field_set *set = known_fields_get(known);
    lode_status status =
        set ? fields_copy(set->fields, ret_fields, error) : fields_new(ret_fields, error);
    field_set_unref(set);
    return status;
}

struct field_set *field_set_new(void)
{
    struct field_set *set = malloc(sizeof *set);
    if (!set)
        return NULL;
    atomic_init(&set->refs, 1);
    set->fields = NULL;
    return set;
}

void known_fields_put(struct known_fields *known, struct field_set *own_set,
                      struct fields *own_fields)
{
    own_set->fields = own_fields;
    mutex_lock(&known->mutex);
    struct field_set *old = known->set;
    known->set = own_set;
    mutex_unlock(&known->mutex);
    field_set_unref(old);
}

/* 1: its columns know all fields. */
static int learn_columns(struct fields *fields, const struct segment_view *view,
                         lode_status *ret_status, lode_error *error)
{
    uint32_t covered;
    struct columns *columns = view->segment->ops->columns(view->segment, &covered);
    int knows = columns && covered >= view->row_count;
    *ret_status = LODE_OK;
    for (uint32_t i = 0; knows && !*ret_status && i < columns->count; i++)
        if (!column_is_of_namespaces(&columns->items[i]))
            *ret_status = fields_merge(fields, &columns->items[i].field, error);
    columns_unref(columns);
    return knows;
}

lode_status fields_learn_view(struct fields *fields, const struct segment_view *view,
                              lode_error *error)
{
    lode_status status;
    if (learn_columns(fields, view, &status, error))
        return status;
    for (uint32_t row = 0; !status && row < view->row_count; row++) {
        struct document document;
        if (row % ROWS_BETWEEN_LOOKS == 0)
            mapped_look();
        status = view->segment->ops->document(view->segment, row, &document, error);
        if (status_is_damage(status))
            status = LODE_OK;
        else if (!status)
            status = fields_learn_any(fields, document.metadata, document.metadata_size, error);
    }
    return status;
}
