/* base64.h: bytes as text that needs no quoting in shells and URLs: RFC 4648, section 5, without padding. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"

/* 0 to 63: of the alphabet of this section or of section 4; -1: it is no digit of either. */
int base64_value(char digit);
NODISCARD lode_status base64_append(struct buf *out, const uint8_t *data, size_t size,
                                    lode_error *error);
/* Append the bytes that text[0, size) stands for. *ret_valid 0: it is none, and out is as it was. Each sequence of bytes
 * has one text: bits behind the last byte must be 0. LODE_NOMEM, LODE_LIMIT. */
NODISCARD lode_status base64_read(struct buf *out, const char *text, size_t size, int *ret_valid,
                                  lode_error *error);

#endif
