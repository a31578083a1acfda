/* test_access_kit.h: what tests of access share: a directory of their own, signing keys, tokens, key sets. Include cmocka first. */
#ifndef TESTS_SERVER_TEST_ACCESS_KIT_H
#define TESTS_SERVER_TEST_ACCESS_KIT_H

#include "base/base64.h"
#include "support/temp_dir.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIT_UNUSED __attribute__((unused)) static

KIT_UNUSED int dir_setup(void **state)
{
    *state = malloc(PATH_SIZE_MAX);
    temp_dir_make(*state);
    return 0;
}

KIT_UNUSED int dir_teardown(void **state)
{
    temp_dir_remove(*state);
    free(*state);
    return 0;
}

KIT_UNUSED void write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* All of a file and a NUL; the caller frees. */
KIT_UNUSED char *read_file(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *data = malloc(1 << 20);
    *ret_size = fread(data, 1, (1 << 20) - 1, file);
    data[*ret_size] = '\0';
    fclose(file);
    return data;
}

/* --- Text --------------------------------------------------------------------------------------- */

/* In base64url; the caller frees. */
KIT_UNUSED char *in_base64(const void *data, size_t size)
{
    struct buf out;
    buf_init(&out, SIZE_MAX);
    assert_int_equal(base64_append(&out, data, size, NULL), LODE_OK);
    assert_int_equal(buf_terminate(&out, NULL), LODE_OK);
    return (char *)out.data;
}

/* --- Keys that sign ----------------------------------------------------------------------------- */

KIT_UNUSED EVP_PKEY *rsa_new(size_t bits)
{
    EVP_PKEY *key = EVP_RSA_gen(bits);
    assert_non_null(key);
    return key;
}

KIT_UNUSED EVP_PKEY *ec_new(const char *curve)
{
    EVP_PKEY *key = EVP_EC_gen(curve);
    assert_non_null(key);
    return key;
}

KIT_UNUSED char *number_of(EVP_PKEY *key, const char *name, int size)
{
    BIGNUM *number = NULL;
    uint8_t bytes[1024];
    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &number), 1);
    if (!size)
        size = BN_num_bytes(number);
    assert_int_equal(BN_bn2binpad(number, bytes, size), size);
    BN_free(number);
    return in_base64(bytes, (size_t)size);
}

/* Its public part as a JWK: more: further members, ",\"alg\":\"RS256\"". */
KIT_UNUSED void append_jwk(char *text, size_t size, EVP_PKEY *key, const char *kid,
                           const char *more)
{
    int is_rsa = EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
    char *a =
        number_of(key, is_rsa ? OSSL_PKEY_PARAM_RSA_N : OSSL_PKEY_PARAM_EC_PUB_X, is_rsa ? 0 : 32);
    char *b =
        number_of(key, is_rsa ? OSSL_PKEY_PARAM_RSA_E : OSSL_PKEY_PARAM_EC_PUB_Y, is_rsa ? 0 : 32);
    size_t used = strlen(text);
    snprintf(text + used, size - used,
             is_rsa ? "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"%s%s%s%s}"
                    : "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"%s%s%s%s}",
             a, b, kid ? ",\"kid\":\"" : "", kid ? kid : "", kid ? "\"" : "", more ? more : "");
    free(a);
    free(b);
}

/* --- Signatures --------------------------------------------------------------------------------- */

struct signer {
    const char *algorithm;
    EVP_PKEY *key; /* or */
    const void *secret;
    size_t secret_size;
};

KIT_UNUSED size_t raw_of_der(const uint8_t *der, size_t size, uint8_t *raw)
{
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)size);
    assert_non_null(pair);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, 32), 32);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + 32, 32), 32);
    ECDSA_SIG_free(pair);
    return 64;
}

KIT_UNUSED size_t sign(const struct signer *signer, const char *text, uint8_t *signature)
{
    if (!signer->key && !signer->secret)
        return 0;
    if (!signer->key) {
        unsigned size = 0;
        assert_non_null(HMAC(EVP_sha256(), signer->secret, (int)signer->secret_size,
                             (const uint8_t *)text, strlen(text), signature, &size));
        return size;
    }
    uint8_t made[1024];
    size_t size = sizeof made;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    EVP_PKEY_CTX *context = NULL;
    assert_int_equal(EVP_DigestSignInit(digest, &context, EVP_sha256(), NULL, signer->key), 1);
    if (signer->algorithm[0] == 'P') {
        assert_true(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0);
        assert_true(EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0);
    }
    assert_int_equal(EVP_DigestSign(digest, made, &size, (const uint8_t *)text, strlen(text)), 1);
    EVP_MD_CTX_free(digest);
    if (EVP_PKEY_get_base_id(signer->key) == EVP_PKEY_EC)
        return raw_of_der(made, size, signature);
    memcpy(signature, made, size);
    return size;
}

/* header and claims as they are given, signed; the caller frees. */
KIT_UNUSED char *token_of(const struct signer *signer, const char *header, const char *claims)
{
    uint8_t signature[1024];
    char *a = in_base64(header, strlen(header)), *b = in_base64(claims, strlen(claims));
    size_t size = strlen(a) + strlen(b) + 2048;
    char *text = malloc(size);
    snprintf(text, size, "%s.%s", a, b);
    size_t signature_size = sign(signer, text, signature);
    char *c = signature_size ? in_base64(signature, signature_size) : strdup("");
    strcat(text, ".");
    strcat(text, c);
    free(a);
    free(b);
    free(c);
    return text;
}

/* The same, with a header of the signer's algorithm and this key id. */
KIT_UNUSED char *token_with(const struct signer *signer, const char *kid, const char *claims)
{
    char header[512];
    snprintf(header, sizeof header, "{\"alg\":\"%s\"%s%s%s}", signer->algorithm,
             kid ? ",\"kid\":\"" : "", kid ? kid : "", kid ? "\"" : "");
    return token_of(signer, header, claims);
}

#endif
