/* datetime.h: RFC 3339 date and time. */
#ifndef BASE_DATETIME_H
#define BASE_DATETIME_H

#include <stddef.h>
#include <stdint.h>

/* The moment that text[0, size) names, an RFC 3339 date-time: "2024-02-29T23:59:60.25+01:00", T and Z in
 * either case, a space for T allowed as the RFC does. Calendar days are checked. Microseconds since
 * 1970-01-01T00:00:00Z; finer digits are dropped, and second 60, a leap second, is the first of the next
 * minute. 1 on success, 0 when it is none. */
int datetime_parse(const char *text, size_t size, int64_t *ret_us);
/* The same of a date alone, "2024-02-29": its first moment, UTC. */
int datetime_parse_date(const char *text, size_t size, int64_t *ret_us);
/* Whether datetime_parse takes it. */
int datetime_valid(const char *text, size_t size);

#endif
