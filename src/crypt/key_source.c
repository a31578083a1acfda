/* key_source.c: see key_source.h. No error holds any of what was read. */
#include "crypt/key_source.h"

#include "base/base64.h"
#include "base/hex.h"

#include <stdio.h>
#include <string.h>

#include "os/private_file.h"
#include "os/program.h"

#define KEY_ID_INFO "lode key id"
#define COMMAND_MS  60000u

/* --- Ids --------------------------------------------------------------------------------------- */

void key_id_text(const uint8_t id[8], char text[LODE_KEY_ID_TEXT_SIZE])
{
    for (size_t i = 0; i < 8; i++)
        snprintf(text + 2 * i, 3, "%02x", id[i]);
}

lode_status key_id_of(const uint8_t key[CIPHER_KEY_SIZE], char text[LODE_KEY_ID_TEXT_SIZE],
                      lode_error *error)
{
    uint8_t id[8];
    struct derivation from = {
        .secret = key, .salt = "", .info = KEY_ID_INFO, .info_size = strlen(KEY_ID_INFO)};
    lode_status status = cipher_derive(&from, id, sizeof id, error);
    if (!status)
        key_id_text(id, text);
    return status;
}

/* --- Forms ------------------------------------------------------------------------------------- */

static int parse_hex(const char *text, uint8_t key[CIPHER_KEY_SIZE])
{
    for (size_t i = 0; i < CIPHER_KEY_SIZE; i++) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return 0;
        key[i] = (uint8_t)(high << 4 | low);
    }
    return 1;
}

/* 43 digits and "=": 258 bits, of which the last two are 0. */
static int parse_base64(const char *text, uint8_t key[CIPHER_KEY_SIZE])
{
    uint32_t bits = 0;
    unsigned count = 0;
    size_t at = 0;
    for (size_t i = 0; i < 43; i++) {
        int value = base64_value(text[i]);
        if (value < 0)
            return 0;
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            key[at++] = (uint8_t)(bits >> count);
        }
    }
    return text[43] == '=' && (bits & 3) == 0;
}

static int is_printable(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] < ' ' || text[i] > '~')
            return 0;
    return 1;
}

/* What nobody drew at random. */
static int is_uniform(const uint8_t key[CIPHER_KEY_SIZE])
{
    for (size_t i = 1; i < CIPHER_KEY_SIZE; i++)
        if (key[i] != key[0])
            return 0;
    return 1;
}

static size_t without_line_end(const char *text, size_t size)
{
    if (size > 0 && text[size - 1] == '\n')
        size--;
    if (size > 0 && text[size - 1] == '\r')
        size--;
    return size;
}

lode_status key_parse(const char *text, size_t size, uint8_t key[CIPHER_KEY_SIZE],
                      lode_error *error)
{
    size_t line = without_line_end(text, size);
    int parsed = 0;
    if (size == CIPHER_KEY_SIZE && is_printable(text, size))
        return error_set(error, LODE_INVALID,
                         "32 printable characters are no key, but a password: a key is 32 random "
                         "bytes ('lode encryption new' makes one)");
    if (size == CIPHER_KEY_SIZE) {
        memcpy(key, text, size);
        parsed = 1;
    } else if (line == (size_t)2 * CIPHER_KEY_SIZE) {
        parsed = parse_hex(text, key);
    } else if (line == 44) {
        parsed = parse_base64(text, key);
    }
    if (!parsed)
        return error_set(error, LODE_INVALID,
                         "%zu bytes that are no key: it is 32 bytes, 64 hexadecimal digits or 44 "
                         "characters of base64",
                         size);
    if (is_uniform(key))
        return error_set(error, LODE_INVALID, "a key whose bytes are all alike is none");
    return LODE_OK;
}

/* --- Sources ----------------------------------------------------------------------------------- */

static lode_status from_file(const char *path, uint8_t key[CIPHER_KEY_SIZE], lode_error *error)
{
    char text[KEY_TEXT_MAX];
    size_t size = 0;
    lode_status status = private_file_read(path, text, sizeof text, &size, error);
    if (!status)
        status = key_parse(text, size, key, error);
    cipher_wipe(text, sizeof text);
    if (status)
        error_prefix(error, "key file %.100s: ", path);
    return status;
}

static lode_status from_command(const char *command, uint8_t key[CIPHER_KEY_SIZE],
                                lode_error *error)
{
    char text[KEY_TEXT_MAX];
    size_t size = 0;
    lode_status status = program_output(command, COMMAND_MS, text, sizeof text, &size, error);
    if (!status)
        status = key_parse(text, size, key, error);
    cipher_wipe(text, sizeof text);
    if (status)
        error_prefix(error, "key command: ");
    return status;
}

/* The caller's function may return what it likes, and leave the error as it was. */
static lode_status from_function(const lode_key_source *source, const char *key_id,
                                 uint8_t key[CIPHER_KEY_SIZE], lode_error *error)
{
    lode_error reason = {0};
    lode_status status = source->fetch(source->context, key_id, key, &reason);
    if (status && !reason.status)
        return error_set(error, status, "the function that fetches keys failed");
    if (status && error) {
        *error = reason;
        error->status = status;
    }
    if (!status && is_uniform(key))
        return error_set(error, LODE_INVALID, "a key whose bytes are all alike is none");
    return status;
}

lode_status key_fetch(const lode_key_source *source, const char *key_id,
                      uint8_t key[CIPHER_KEY_SIZE], lode_error *error)
{
    int places = (source->file != NULL) + (source->command != NULL) + (source->fetch != NULL);
    if (places != 1)
        return error_set(error, LODE_INVALID,
                         "a key comes from one of file, command and fetch: %d are given", places);
    lode_status status = source->file      ? from_file(source->file, key, error)
                         : source->command ? from_command(source->command, key, error)
                                           : from_function(source, key_id, key, error);
    if (status)
        cipher_wipe(key, CIPHER_KEY_SIZE);
    return status;
}
