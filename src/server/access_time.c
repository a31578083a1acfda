/* access_time.c: see access_time.h. */
#include "server/access_time.h"

#include <stdio.h>
#include <time.h>

#define LAST_US 253402300799999999u /* the end of the year 9999 */

const char *access_time_text(uint64_t us, char text[ACCESS_TIME_TEXT_SIZE])
{
    struct tm parts;
    time_t seconds = (time_t)((us < LAST_US ? us : LAST_US) / 1000000);
    gmtime_r(&seconds, &parts);
    size_t size = strftime(text, ACCESS_TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
    if (us % 1000000)
        snprintf(text + size, ACCESS_TIME_TEXT_SIZE - size, ".%06uZ", (unsigned)(us % 1000000));
    else
        snprintf(text + size, ACCESS_TIME_TEXT_SIZE - size, "Z");
    return text;
}
