/* hex.h: hexadecimal digits, of either case, and UUIDs. */
#ifndef BASE_HEX_H
#define BASE_HEX_H

#include <stddef.h>
#include <stdint.h>

int hex_value(char digit); /* 0 to 15; -1: it is none */
/* 8-4-4-4-12 digits with dashes between. 1 on success; else 0, and ret_uuid may have been written to. */
int hex_parse_uuid(const char *text, size_t size, uint8_t ret_uuid[16]);

#endif
