/* stop.c: see stop.h. */
#include "os/stop.h"

#include "os/clock.h"

lode_status stop_ask(const lode_stop *stop, lode_error *error)
{
    if (stop->is_wanted && stop->is_wanted(stop->context))
        return error_set(error, LODE_CANCELLED, "stopped by the caller");
    if (stop->deadline_us && clock_us() >= stop->deadline_us)
        return error_set(error, LODE_TIMEOUT, "the deadline has passed");
    return LODE_OK;
}

int cancel_is_wanted(const struct cancel *cancel)
{
    return cancel && (atomic_load_explicit(&cancel->flag, memory_order_relaxed) ||
                      stop_look(cancel->stop, NULL) != LODE_OK);
}
