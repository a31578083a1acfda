/* crypt_format.h: what crypt_file.c and crypt_check.c share of docs/format/encrypted.md: the mark in a block's nonce,
 * beside its number. */
#ifndef CRYPT_CRYPT_FORMAT_H
#define CRYPT_CRYPT_FORMAT_H

#define CRYPT_MARK_NOT_LAST 0u
#define CRYPT_MARK_LAST     1u

#endif
