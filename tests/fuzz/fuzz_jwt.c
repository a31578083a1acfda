/* fuzz_jwt.c: any bytes as a token, as a key set, as a file of API keys, and as claims and header that are signed rightly: nothing
 * unsigned passes, and what passes says what it grants. */
#include "fuzz/fuzz_storage.h"

#include "base/base64.h"
#include "server/jwt.h"
#include "server/keys.h"

#include <openssl/hmac.h>

static const char secret[] = "0123456789abcdef0123456789abcdef";

static const struct jwt_policy policy = {.algorithms =
                                             JWT_HS256 | JWT_RS256 | JWT_ES256 | JWT_PS256,
                                         .issuer = "i",
                                         .audience = "a",
                                         .leeway_s = 30,
                                         .role_claim = "role",
                                         .collections_claim = "collections",
                                         .namespaces_claim = "namespaces",
                                         .filter_claim = "filter"};

static enum access_fault verify(struct jwt_keys *keys, const char *text, size_t size)
{
    struct jwt_claims claims;
    int is_new_kid = 0;
    const struct jwt_request request = {.keys = keys,
                                        .policy = &policy,
                                        .text = text,
                                        .size = size,
                                        .now_us = (uint64_t)1700000000 * 1000000};
    lode_error error = {.message = ""};
    enum access_fault fault = jwt_verify(&request, &claims, &is_new_kid, &error);
    INVARIANT((fault == ACCESS_OK) == (error.message[0] == '\0'));
    if (fault)
        return fault;
    INVARIANT(size <= JWT_SIZE_MAX && claims.grant.role >= ROLE_READ &&
              claims.grant.role <= ROLE_ADMIN && claims.subject[0] &&
              claims.expires_us > request.now_us);
    grant_release(&claims.grant);
    return fault;
}

/* header.claims of the two halves of the input, with the right signature. */
static void use_signed(struct jwt_keys *keys, const uint8_t *data, size_t size)
{
    static const char header[] = "{\"alg\":\"HS256\"}";
    struct buf token;
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned mac_size = 0;
    size_t cut = size > 0 ? data[0] % size : 0;
    int plain = size > 0 && data[0] & 1; /* claims alone: so that these are reached */
    buf_init(&token, SIZE_MAX);
    INVARIANT(
        !base64_append(&token, plain ? (const uint8_t *)header : data, plain ? strlen(header) : cut,
                       NULL) &&
        !buf_append_u8(&token, '.', NULL) &&
        !base64_append(&token, plain ? data + 1 : data + cut, plain ? size - 1 : size - cut, NULL));
    INVARIANT(
        HMAC(EVP_sha256(), secret, (int)strlen(secret), token.data, token.size, mac, &mac_size));
    INVARIANT(!buf_append_u8(&token, '.', NULL) && !base64_append(&token, mac, mac_size, NULL));
    (void)verify(keys, (const char *)token.data, token.size);
    buf_release(&token);
}

static void use_as_set(const uint8_t *data, size_t size)
{
    struct jwt_keys *keys;
    INVARIANT(!jwt_keys_new(&keys, NULL));
    lode_status status = jwt_keys_add_set(keys, (const char *)data, size, NULL);
    INVARIANT(status || keys->count > 0);
    jwt_keys_unref(keys);
}

static void use_as_keys(const uint8_t *data, size_t size)
{
    struct api_keys keys = {.items = NULL};
    char id[API_KEY_ID_SIZE + 1];
    uint8_t hash[SHA256_SIZE];
    if (!api_keys_decode((const char *)data, size, &keys, NULL))
        for (size_t i = 0; i < keys.count; i++)
            INVARIANT(keys.items[i].grant.role != ROLE_NONE && keys.items[i].name[0]);
    api_keys_release(&keys);
    (void)api_key_read((const char *)data, size, id, hash);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct jwt_keys *keys;
    INVARIANT(!jwt_keys_new(&keys, NULL) &&
              !jwt_keys_add_secret(keys, secret, strlen(secret), NULL));
    (void)verify(keys, (const char *)data, size);
    use_signed(keys, data, size);
    use_as_set(data, size);
    use_as_keys(data, size);
    jwt_keys_unref(keys);
    return 0;
}
