/* stream.h: bodies and answers of any size, as the handlers of imports and exports read and write them: at the rate that the
 * caller's quota allows, and not slower than others can bear.
 *
 * A stream holds a thread of the slow lane. net.h gives up clients of whom next to nothing moves; one who stays just above
 * that could still hold a thread for hours. So whoever has been waited for STREAM_LOOK_US, and moved fewer than
 * STREAM_BYTES_MIN meanwhile, is ended if somebody else waits for a thread or was refused one since. */
#ifndef SERVER_STREAM_H
#define SERVER_STREAM_H

#include "server/call.h"

#define STREAM_LOOK_US   ((uint64_t)10000000)
#define STREAM_BYTES_MIN ((uint64_t)160 << 10) /* 16 KiB a second */

/* Before the handler of what is streamed is called. */
void stream_begin(struct call *call);
/* As exchange_read; LODE_CANCELLED also when the client is too slow for others, or
 * its key or token is no longer valid. Then waits until the quota allows what came. */
NODISCARD lode_status stream_read(struct call *call, void *data, size_t size, size_t *ret_size,
                                  lode_error *error);
/* Send what is in call->out, and empty it. */
NODISCARD lode_status stream_write(struct call *call, lode_error *error);

#endif
