/* jwt_keys.c: sets of keys, from JWKS documents and secrets. */
#include "base/base64.h"
#include "server/access_json.h"
#include "server/jwt.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdlib.h>
#include <string.h>

#define RSA_BITS_MIN      2048
#define RSA_BITS_MAX      8192 /* a larger one makes each check slow */
#define EXPONENT_BITS_MAX 64   /* so does a long exponent */
#define POINT_SIZE        65   /* of P-256, uncompressed */
#define NUMBER_SIZE_MAX   2048 /* bytes of a number of a key */

unsigned jwt_algorithm_of(const char *name)
{
    static const struct {
        const char *name;
        unsigned algorithm;
    } known[] = {
        {"HS256", JWT_HS256}, {"RS256", JWT_RS256}, {"ES256", JWT_ES256}, {"PS256", JWT_PS256}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0)
            return known[i].algorithm;
    return 0;
}

/* --- Sets --------------------------------------------------------------------------------------- */

lode_status jwt_keys_new(struct jwt_keys **ret_keys, lode_error *error)
{
    struct jwt_keys *keys = calloc(1, sizeof *keys);
    if (!keys)
        return error_nomem(error, "a set of keys", sizeof *keys);
    atomic_init(&keys->references, 1);
    *ret_keys = keys;
    return LODE_OK;
}

/* Relaxed: whoever takes another reference has one, and so sees the set already. */
struct jwt_keys *jwt_keys_ref(struct jwt_keys *keys)
{
    atomic_fetch_add_explicit(&keys->references, 1, memory_order_relaxed);
    return keys;
}

static void release_key(struct jwt_key *key)
{
    EVP_PKEY_free(key->public_key);
    if (key->secret)
        OPENSSL_cleanse(key->secret, key->secret_size);
    free(key->secret);
}

/* Acquire and release: what others did with it comes before it is freed. */
void jwt_keys_unref(struct jwt_keys *keys)
{
    if (!keys || atomic_fetch_sub_explicit(&keys->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < keys->count; i++)
        release_key(&keys->items[i]);
    free(keys);
}

static lode_status add(struct jwt_keys *keys, struct jwt_key *own_key, lode_error *error)
{
    if (keys->count < JWT_KEYS_MAX) {
        keys->items[keys->count++] = *own_key;
        return LODE_OK;
    }
    release_key(own_key);
    return error_set(error, LODE_LIMIT, "more than %d keys for tokens", JWT_KEYS_MAX);
}

lode_status jwt_keys_add_secret(struct jwt_keys *keys, const void *secret, size_t size,
                                lode_error *error)
{
    struct jwt_key key = {.algorithms = JWT_HS256, .secret_size = size};
    if (size < JWT_SECRET_SIZE_MIN || size > JWT_SECRET_SIZE_MAX)
        return error_set(error, LODE_INVALID, "secret of %zu bytes: %d to %d", size,
                         JWT_SECRET_SIZE_MIN, JWT_SECRET_SIZE_MAX);
    key.secret = malloc(size);
    if (!key.secret)
        return error_nomem(error, "a secret", size);
    memcpy(key.secret, secret, size);
    return add(keys, &key, error);
}

/* --- One key of a JWKS -------------------------------------------------------------------------- */

static lode_status read_bytes(const json_t *object, const char *name, struct buf *out,
                              lode_error *error)
{
    const char *text = NULL;
    int valid = 0;
    lode_status status = access_json_text(object, name, &text, error);
    if (!status && !text)
        status = error_set(error, LODE_INVALID, "%s: missing", name);
    if (!status && strlen(text) > NUMBER_SIZE_MAX)
        status = error_set(error, LODE_INVALID, "%s: %zu characters, at most %d", name,
                           strlen(text), NUMBER_SIZE_MAX);
    if (!status)
        status = base64_read(out, text, strlen(text), &valid, error);
    if (!status && (!valid || out->size == 0))
        status = error_set(error, LODE_INVALID, "%s: not base64url", name);
    return status;
}

static lode_status from_parts(const char *type, OSSL_PARAM_BLD *parts, EVP_PKEY **ret_key,
                              lode_error *error)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(parts);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    int made = params && context && EVP_PKEY_fromdata_init(context) == 1 &&
               EVP_PKEY_fromdata(context, ret_key, EVP_PKEY_PUBLIC_KEY, params) == 1;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    ERR_clear_error();
    return made ? LODE_OK : error_set(error, LODE_INVALID, "not an %s key", type);
}

static lode_status check_rsa(const BIGNUM *modulus, const BIGNUM *exponent, lode_error *error)
{
    int bits = BN_num_bits(modulus);
    if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
        return error_set(error, LODE_INVALID, "RSA key of %d bits: %d to %d", bits, RSA_BITS_MIN,
                         RSA_BITS_MAX);
    if (!BN_is_odd(modulus) || !BN_is_odd(exponent) || BN_is_one(exponent) ||
        BN_num_bits(exponent) > EXPONENT_BITS_MAX)
        return error_set(error, LODE_INVALID, "n, e: no RSA key has these");
    return LODE_OK;
}

static lode_status make_rsa(const struct buf *n, const struct buf *e, EVP_PKEY **ret_key,
                            lode_error *error)
{
    BIGNUM *modulus = BN_bin2bn(n->data, (int)n->size, NULL);
    BIGNUM *exponent = BN_bin2bn(e->data, (int)e->size, NULL);
    OSSL_PARAM_BLD *parts = OSSL_PARAM_BLD_new();
    lode_status status = modulus && exponent && parts ? check_rsa(modulus, exponent, error)
                                                      : error_nomem(error, "an RSA key", n->size);
    if (!status && (!OSSL_PARAM_BLD_push_BN(parts, OSSL_PKEY_PARAM_RSA_N, modulus) ||
                    !OSSL_PARAM_BLD_push_BN(parts, OSSL_PKEY_PARAM_RSA_E, exponent)))
        status = error_nomem(error, "an RSA key", n->size);
    if (!status)
        status = from_parts("RSA", parts, ret_key, error);
    OSSL_PARAM_BLD_free(parts);
    BN_free(modulus);
    BN_free(exponent);
    return status;
}

static lode_status read_rsa(const json_t *object, struct jwt_key *key, lode_error *error)
{
    struct buf n, e;
    buf_init(&n, NUMBER_SIZE_MAX);
    buf_init(&e, NUMBER_SIZE_MAX);
    lode_status status = read_bytes(object, "n", &n, error);
    if (!status)
        status = read_bytes(object, "e", &e, error);
    if (!status)
        status = make_rsa(&n, &e, &key->public_key, error);
    buf_release(&n);
    buf_release(&e);
    key->algorithms = JWT_RS256 | JWT_PS256;
    return status;
}

/* Whether the point lies on the curve is asked for explicitly. */
static lode_status make_ec(const struct buf *point, EVP_PKEY **ret_key, lode_error *error)
{
    OSSL_PARAM_BLD *parts = OSSL_PARAM_BLD_new();
    lode_status status = LODE_OK;
    if (!parts ||
        !OSSL_PARAM_BLD_push_utf8_string(parts, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) ||
        !OSSL_PARAM_BLD_push_octet_string(parts, OSSL_PKEY_PARAM_PUB_KEY, point->data, point->size))
        status = error_nomem(error, "an EC key", point->size);
    if (!status)
        status = from_parts("EC", parts, ret_key, error);
    OSSL_PARAM_BLD_free(parts);
    if (status)
        return status;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(*ret_key, NULL);
    if (!context || EVP_PKEY_public_check(context) != 1)
        status = error_set(error, LODE_INVALID, "x, y: no point of P-256");
    EVP_PKEY_CTX_free(context);
    ERR_clear_error();
    return status;
}

static lode_status read_ec(const json_t *object, struct jwt_key *key, lode_error *error)
{
    struct buf point;
    buf_init(&point, NUMBER_SIZE_MAX);
    lode_status status = buf_append_u8(&point, 4, error); /* uncompressed: x and y follow */
    if (!status)
        status = read_bytes(object, "x", &point, error);
    if (!status && point.size != 1 + POINT_SIZE / 2)
        status = error_set(error, LODE_INVALID, "x: not 32 bytes");
    if (!status)
        status = read_bytes(object, "y", &point, error);
    if (!status && point.size != POINT_SIZE)
        status = error_set(error, LODE_INVALID, "y: not 32 bytes");
    if (!status)
        status = make_ec(&point, &key->public_key, error);
    buf_release(&point);
    key->algorithms = JWT_ES256;
    return status;
}

static int verifies_by_operations(const json_t *operations)
{
    if (!operations)
        return 1;
    for (size_t i = 0; i < json_array_size(operations); i++) {
        const char *name = json_string_value(json_array_get(operations, i));
        if (name && strcmp(name, "verify") == 0)
            return 1;
    }
    return 0;
}

/* Whether it is for signatures of ours: then what of "alg" it is bound to (all, if it says nothing). */
static int is_for_us(const json_t *object, unsigned *ret_algorithms)
{
    const json_t *use = json_object_get(object, "use"), *alg = json_object_get(object, "alg");
    const char *use_name = json_string_value(use), *alg_name = json_string_value(alg);
    *ret_algorithms = alg ? jwt_algorithm_of(alg_name ? alg_name : "") : ~0u;
    return *ret_algorithms && (!use || (use_name && strcmp(use_name, "sig") == 0)) &&
           verifies_by_operations(json_object_get(object, "key_ops"));
}

static lode_status read_kid(const json_t *object, struct jwt_key *key, lode_error *error)
{
    const char *kid = NULL;
    lode_status status = access_json_text(object, "kid", &kid, error);
    if (status || !kid)
        return status;
    if (strlen(kid) > JWT_KID_SIZE_MAX)
        return error_set(error, LODE_INVALID, "kid of %zu bytes: at most %d", strlen(kid),
                         JWT_KID_SIZE_MAX);
    memcpy(key->kid, kid, strlen(kid) + 1);
    return LODE_OK;
}

/* Secrets are not taken from sets: these are published. */
static lode_status add_of_set(struct jwt_keys *keys, const json_t *object, lode_error *error)
{
    struct jwt_key key = {.kid = ""};
    unsigned algorithms = 0;
    const char *type = json_string_value(json_object_get(object, "kty"));
    const char *curve = json_string_value(json_object_get(object, "crv"));
    int is_rsa = type && strcmp(type, "RSA") == 0;
    int is_ec = type && strcmp(type, "EC") == 0 && curve && strcmp(curve, "P-256") == 0;
    if (!type)
        return error_set(error, LODE_INVALID, "kty: missing, or not a string");
    if ((!is_rsa && !is_ec) || !is_for_us(object, &algorithms))
        return LODE_OK;
    lode_status status = read_kid(object, &key, error);
    if (!status)
        status = is_rsa ? read_rsa(object, &key, error) : read_ec(object, &key, error);
    key.algorithms &= algorithms;
    if (!status && key.algorithms)
        return add(keys, &key, error);
    release_key(&key);
    return status;
}

static lode_status add_all(struct jwt_keys *keys, const json_t *document, lode_error *error)
{
    const json_t *list = json_object_get(document, "keys");
    size_t before = keys->count;
    if (!json_is_array(list))
        return error_set(error, LODE_INVALID, "keys: not an array");
    for (size_t i = 0; i < json_array_size(list); i++) {
        lode_status status = add_of_set(keys, json_array_get(list, i), error);
        if (status) {
            error_prefix(error, "keys[%zu]: ", i);
            return status;
        }
    }
    if (keys->count == before)
        return error_set(error, LODE_INVALID,
                         "keys: none of %zu is an RSA or P-256 key that signs by RS256, PS256 or "
                         "ES256",
                         json_array_size(list));
    return LODE_OK;
}

lode_status jwt_keys_add_set(struct jwt_keys *keys, const char *text, size_t size,
                             lode_error *error)
{
    json_t *document = NULL;
    if (size > JWKS_SIZE_MAX)
        return error_set(error, LODE_LIMIT, "key set of %zu bytes: at most %d", size,
                         JWKS_SIZE_MAX);
    lode_status status = access_json_object(text, size, "key set", &document, error);
    if (!status)
        status = add_all(keys, document, error);
    json_decref(document);
    return status;
}
