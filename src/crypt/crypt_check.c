/* crypt_check.c: see crypt_check.h. */
#include "crypt/crypt_check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crypt/crypt_format.h"

lode_status crypt_check_init(struct crypt_check *check, const struct keyring *keyring,
                             uint64_t size, const char *what, lode_error *error)
{
    *check = (struct crypt_check){.keyring = keyring, .size = size, .what = what};
    check->piece = malloc(CRYPT_SEALED_SIZE);
    check->content = malloc(CRYPT_BLOCK_SIZE);
    if (!check->piece || !check->content)
        return error_nomem(error, "a block", CRYPT_SEALED_SIZE);
    return LODE_OK;
}

static lode_status damaged(const struct crypt_check *check, lode_error *error)
{
    return error_set(error, LODE_CORRUPT,
                     "%s is damaged at offset %" PRIu64 ": a block does not authenticate",
                     check->what, check->offset);
}

/* How much stands at this offset as one. */
static size_t wanted(const struct crypt_check *check)
{
    uint64_t left = check->size - check->offset;
    size_t whole = check->offset == 0 ? CRYPT_HEADER_SIZE : CRYPT_SEALED_SIZE;
    return left < whole ? (size_t)left : whole;
}

static lode_status judge_block(struct crypt_check *check, lode_error *error)
{
    uint64_t block = (check->offset - CRYPT_HEADER_SIZE) / CRYPT_SEALED_SIZE;
    int last = check->offset + check->piece_size == check->size;
    if (check->piece_size <= CIPHER_TAG_SIZE)
        return damaged(check, error);
    size_t size = check->piece_size - CIPHER_TAG_SIZE;
    struct cipher_message message = {.from = check->piece, .to = check->content, .size = size};
    cipher_nonce(message.nonce, block, last ? CRYPT_MARK_LAST : CRYPT_MARK_NOT_LAST);
    return cipher_open(&check->cipher, &message, check->piece + size) ? LODE_OK
                                                                      : damaged(check, error);
}

static lode_status judge(struct crypt_check *check, lode_error *error)
{
    lode_status status;
    if (check->offset > 0)
        status = judge_block(check, error);
    else if (check->piece_size < CRYPT_HEADER_SIZE)
        status = damaged(check, error);
    else
        status = crypt_header_open(check->keyring, CRYPT_FILE, check->piece, check->what,
                                   &check->cipher, error);
    check->offset += check->piece_size;
    check->piece_size = 0;
    return status;
}

lode_status crypt_check_update(struct crypt_check *check, const uint8_t *data, size_t size,
                               lode_error *error)
{
    lode_status status = LODE_OK;
    while (!status && size > 0) {
        size_t whole = wanted(check);
        if (whole == 0)
            return damaged(check, error);
        size_t room = whole - check->piece_size, take = size < room ? size : room;
        memcpy(check->piece + check->piece_size, data, take);
        check->piece_size += take;
        data += take;
        size -= take;
        if (check->piece_size == whole)
            status = judge(check, error);
    }
    return status;
}

lode_status crypt_check_end(const struct crypt_check *check, lode_error *error)
{
    if (check->offset == check->size && check->size > CRYPT_HEADER_SIZE)
        return LODE_OK;
    return damaged(check, error);
}

void crypt_check_release(struct crypt_check *check)
{
    cipher_release(&check->cipher);
    if (check->content)
        cipher_wipe(check->content, CRYPT_BLOCK_SIZE);
    free(check->content);
    free(check->piece);
    *check = (struct crypt_check){0};
}
