/* percent.h: percent-encoding of URLs (RFC 3986), decoded in place. */
#ifndef SERVER_PERCENT_H
#define SERVER_PERCENT_H

#include <stddef.h>

enum percent_where { PERCENT_PATH, PERCENT_QUERY }; /* in a query + is a blank */

/* text[0, size), with room for a NUL behind: its decoded size, or -1: an escape without two hexadecimal digits, or what
 * comes out is no UTF-8 or holds control characters. */
long percent_decode(char *text, size_t size, enum percent_where where);

#endif
