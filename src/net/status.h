/* status.h: the reason phrases of HTTP/1. */
#ifndef NET_STATUS_H
#define NET_STATUS_H

#include <stdbool.h>

const char *status_reason(unsigned status);
/* 1xx, 204, 304: an answer that never has a body. */
bool status_has_no_body(unsigned status);

#endif
