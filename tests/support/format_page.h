/* format_page.h: the worked examples of docs/format/ are what the code writes, byte for byte. */
#ifndef TESTS_FORMAT_PAGE_H
#define TESTS_FORMAT_PAGE_H

#include <stddef.h>
#include <stdint.h>

/* Asserts that the first dump of docs/format/<page>, as hexdump -C prints it, is these bytes. With
 * LODE_EXAMPLES=<directory> they are written to the file `name` there instead. */
void format_page_compare(const char *page, const char *name, const uint8_t *data, size_t size);

#endif
