/* stop.h: whether what is being done is to end early: as its caller wants, or as somebody else does. */
#ifndef OS_STOP_H
#define OS_STOP_H

#include "base/error.h"

#include <stdatomic.h>

/* The slow half of stop_look. */
NODISCARD lode_status stop_ask(const lode_stop *stop, lode_error *error);

/* To be called about once in a tenth of a millisecond to a millisecond of work: it may read the clock. LODE_CANCELLED,
 * LODE_TIMEOUT. NULL: never. */
NODISCARD static inline lode_status stop_look(const lode_stop *stop, lode_error *error)
{
    return stop ? stop_ask(stop, error) : LODE_OK;
}

/* What long work of several threads looks at. */
struct cancel {
    _Atomic int flag; /* not 0: end. Relaxed: only a hint to end early */
    const lode_stop *
        stop; /* of who waits for the work; changed only while there is none. NULL: nobody may stop it */
};

/* NULL: never. */
NODISCARD int cancel_is_wanted(const struct cancel *cancel);

#endif
