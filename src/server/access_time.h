/* access_time.h: moments as RFC 3339 text. */
#ifndef SERVER_ACCESS_TIME_H
#define SERVER_ACCESS_TIME_H

#include <stdint.h>

#define ACCESS_TIME_TEXT_SIZE 32

/* Of microseconds since 1970: "2026-02-28T12:00:00.250000Z", without the fraction where it is 0. Returns text. */
const char *access_time_text(uint64_t us, char text[ACCESS_TIME_TEXT_SIZE]);

#endif
