/* allowed.h: the rows of a version that live and meet a filter: exact sets, and how many they are. */
#ifndef QUERY_ALLOWED_H
#define QUERY_ALLOWED_H

#include "filter/matches.h"
#include "storage/namespace_rows.h"

struct allowed {     /* of one view */
    uint64_t *words; /* a bit for each row of the view: 1, it lives and matches */
    uint32_t count;  /* of 1 bits */
    /* For explanations: */
    uint32_t asked;   /* rows whose documents were evaluated */
    uint32_t covered; /* rows [0, covered) have columns */
    uint32_t
        estimated; /* rows that match, by what was known before; no columns: all. Of requests that are explained */
};

struct allowed_set {
    size_t held; /* bytes */
    size_t view_count;
    struct allowed views[]; /* of the version's views, in their order */
};

struct allowed_request {
    const struct version *version;
    const struct id_namespace *space; /* NULL: all of them, which @id cannot tell apart */
    const struct filter *filter;      /* bound; NULL: all */
    const struct fields *fields;      /* to what it is bound */
    /* Segments that are known to be damaged are not looked at: no row of theirs is in the set, and `count` is
     * that of the living rows, so that whoever asks sees that something is missing. */
    int allow_damaged;
    const lode_stop *stop; /* NULL: never */
    int is_explained;      /* `estimated` is wanted */
};

/* LODE_NOMEM; LODE_CORRUPT and LODE_IO when a document cannot be read; LODE_CANCELLED, LODE_TIMEOUT. */
NODISCARD lode_status allowed_set_new(const struct allowed_request *request,
                                      struct allowed_set **ret_set, lode_error *error);
/* The rows of a version that live: what no filter allows. LODE_NOMEM. */
NODISCARD lode_status allowed_set_all(const struct version *version, struct allowed_set **ret_set,
                                      lode_error *error);
void allowed_set_free(struct allowed_set *set); /* NULL is allowed */
/* Whether one row matches, living or not, by its document. LODE_NOMEM, LODE_CORRUPT, LODE_IO. */
NODISCARD lode_status allowed_row(struct matcher *matcher, const struct segment *segment,
                                  uint32_t row, int *ret_matches, lode_error *error);
/* Rows of all views. */
uint64_t allowed_set_count(const struct allowed_set *set);

#endif
