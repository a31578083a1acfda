/* jwt_signature.c: signatures by OpenSSL. ES256 comes as r and s in 32 bytes each, and OpenSSL wants DER. */
#include "server/jwt.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>

#define NUMBER_SIZE   32 /* of P-256 */
#define HMAC_SIZE     32
#define ES256_DER_MAX 80

struct signed_text {
    const char *message;
    size_t message_size;
    const uint8_t *signature;
    size_t signature_size;
};

static int check_hmac(const struct jwt_key *key, const struct signed_text *text)
{
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    const uint8_t *made = HMAC(EVP_sha256(), key->secret, (int)key->secret_size,
                               (const uint8_t *)text->message, text->message_size, mac, &size);
    int same = made && size == HMAC_SIZE && text->signature_size == HMAC_SIZE &&
               CRYPTO_memcmp(mac, text->signature, HMAC_SIZE) == 0;
    OPENSSL_cleanse(mac, sizeof mac);
    return same;
}

static int set_pss(EVP_PKEY_CTX *context)
{
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0;
}

static int check_public(const struct jwt_key *key, unsigned algorithm,
                        const struct signed_text *text)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    EVP_PKEY_CTX *context = NULL;
    int good =
        digest && EVP_DigestVerifyInit(digest, &context, EVP_sha256(), NULL, key->public_key) == 1;
    if (good && algorithm == JWT_PS256)
        good = set_pss(context);
    good = good && EVP_DigestVerify(digest, text->signature, text->signature_size,
                                    (const uint8_t *)text->message, text->message_size) == 1;
    EVP_MD_CTX_free(digest);
    ERR_clear_error();
    return good;
}

/* Of r and s; 0: it could not be made. */
static size_t to_der(const uint8_t *signature, uint8_t der[ES256_DER_MAX])
{
    ECDSA_SIG *numbers = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, NUMBER_SIZE, NULL);
    BIGNUM *s = BN_bin2bn(signature + NUMBER_SIZE, NUMBER_SIZE, NULL);
    int size = 0;
    if (numbers && r && s && ECDSA_SIG_set0(numbers, r, s) == 1) {
        r = s = NULL;
        size = i2d_ECDSA_SIG(numbers, NULL);
        if (size > 0 && size <= ES256_DER_MAX)
            size = i2d_ECDSA_SIG(numbers, &der);
        else
            size = 0;
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(numbers);
    return size > 0 ? (size_t)size : 0;
}

static int check_es256(const struct jwt_key *key, const struct signed_text *text)
{
    uint8_t der[ES256_DER_MAX];
    if (text->signature_size != (size_t)2 * NUMBER_SIZE)
        return 0;
    struct signed_text converted = *text;
    converted.signature = der;
    converted.signature_size = to_der(text->signature, der);
    return converted.signature_size && check_public(key, JWT_ES256, &converted);
}

int jwt_key_verifies(const struct jwt_key *key, unsigned algorithm, const char *message,
                     size_t message_size, const uint8_t *signature, size_t signature_size)
{
    struct signed_text text = {message, message_size, signature, signature_size};
    if (!(key->algorithms & algorithm))
        return 0;
    switch (algorithm) {
    case JWT_HS256: return key->secret && check_hmac(key, &text);
    case JWT_RS256:
    case JWT_PS256: return key->public_key && check_public(key, algorithm, &text);
    case JWT_ES256: return key->public_key && check_es256(key, &text);
    default: return 0;
    }
}
