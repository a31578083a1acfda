/* scroll.h: the allowed points of a version in order of id or of a field, and points taken at random. */
#ifndef QUERY_SCROLL_H
#define QUERY_SCROLL_H

#include "filter/fields.h"
#include "query/allowed.h"
#include "query/page.h"

struct scroll {
    const struct version *version;
    const struct allowed_set *allowed; /* of it */
    const struct fields *fields;       /* known: at least as new as the version */
    const struct field *field;         /* of them: to order by; NULL: by id. Not geo, no object */
    const lode_stop *stop;             /* NULL: never */
    /* Set by scroll_by_field; what the page's points borrow from. */
    struct scroll_lane *lanes;
};

/* Fill an empty page, whose order and `after` are set, and sort it. Then scroll_release, when the page is not needed any
 * more, whatever it returns. LODE_NOMEM; LODE_CORRUPT and LODE_IO when a document or an id cannot be read;
 * LODE_CANCELLED, LODE_TIMEOUT. */
NODISCARD lode_status scroll_fill(struct scroll *scroll, struct page *page, lode_error *error);
void scroll_release(struct scroll *scroll);

/* Fill an empty page, of a scroll without a field, with as many points taken at random as it has room for: those of the least hashes of seed and id,
 * so that the same points give the same sample, in whatever segments they are. Errors as above. */
NODISCARD lode_status sample_fill(const struct scroll *scroll, uint64_t seed, struct page *page,
                                  lode_error *error);

#endif
