/* stop.h: whether the caller of what is being done wants it to end early. */
#ifndef OS_STOP_H
#define OS_STOP_H

#include "base/error.h"

/* The slow half of stop_look. */
NODISCARD lode_status stop_ask(const lode_stop *stop, lode_error *error);

/* To be called about once in a tenth of a millisecond to a millisecond of work: it may read the clock. LODE_CANCELLED,
 * LODE_TIMEOUT. NULL: never. */
NODISCARD static inline lode_status stop_look(const lode_stop *stop, lode_error *error)
{
    return stop ? stop_ask(stop, error) : LODE_OK;
}

#endif
