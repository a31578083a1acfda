/* datetime.h: RFC 3339 date and time. */
#ifndef ENGINE_DATETIME_H
#define ENGINE_DATETIME_H

#include <stddef.h>

/* Whether text[0, size) is an RFC 3339 date-time: "2024-02-29T23:59:60.25+01:00", T and Z in either
 * case, a space for T allowed as the RFC does. Calendar days are checked; second 60 is a leap second. */
int datetime_valid(const char *text, size_t size);

#endif
