/* Tokens: those that must pass and, mostly, those that must not. All are made here, with keys made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/pem.h>

#include "server/jwt.h"
#include "server/test_access_kit.h"

#define NOW    1700000000
#define SECRET "0123456789abcdef0123456789abcdef"
#define ALL    (JWT_HS256 | JWT_RS256 | JWT_ES256 | JWT_PS256)

static struct {
    EVP_PKEY *rsa, *other_rsa, *weak_rsa, *ec, *other_ec, *p384;
    struct jwt_keys *keys; /* "rsa", "ec", "rs-only", and the secret */
    char set[16384];
} kit;

static const struct jwt_policy policy = {.algorithms = ALL,
                                         .issuer = "https://issuer",
                                         .audience = "lode",
                                         .leeway_s = 30,
                                         .role_claim = "role",
                                         .collections_claim = "collections",
                                         .namespaces_claim = "https://lode/namespaces",
                                         .filter_claim = "filter"};

static int begin(void **state)
{
    (void)state;
    lode_error error = {.message = ""};
    kit.rsa = rsa_new(2048);
    kit.other_rsa = rsa_new(2048);
    kit.weak_rsa = rsa_new(1024);
    kit.ec = ec_new("P-256");
    kit.other_ec = ec_new("P-256");
    kit.p384 = ec_new("P-384");
    strcpy(kit.set, "{\"keys\":[");
    append_jwk(kit.set, sizeof kit.set, kit.rsa, "rsa", ",\"use\":\"sig\"");
    strcat(kit.set, ",");
    append_jwk(kit.set, sizeof kit.set, kit.ec, "ec",
               ",\"alg\":\"ES256\",\"key_ops\":[\"verify\"]");
    strcat(kit.set, ",");
    append_jwk(kit.set, sizeof kit.set, kit.rsa, "rs-only", ",\"alg\":\"RS256\"");
    strcat(kit.set, ",{\"kty\":\"oct\",\"k\":\"c2VjcmV0\",\"kid\":\"oct\"}");
    strcat(kit.set, ",{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"},");
    append_jwk(kit.set, sizeof kit.set, kit.other_rsa, "enc", ",\"use\":\"enc\"");
    strcat(kit.set, "]}");
    assert_int_equal(jwt_keys_new(&kit.keys, NULL), LODE_OK);
    if (jwt_keys_add_set(kit.keys, kit.set, strlen(kit.set), &error))
        fail_msg("%s", error.message);
    assert_int_equal(kit.keys->count, 3);
    assert_int_equal(jwt_keys_add_secret(kit.keys, SECRET, strlen(SECRET), NULL), LODE_OK);
    return 0;
}

static int end(void **state)
{
    (void)state;
    jwt_keys_unref(kit.keys);
    EVP_PKEY_free(kit.rsa);
    EVP_PKEY_free(kit.other_rsa);
    EVP_PKEY_free(kit.weak_rsa);
    EVP_PKEY_free(kit.ec);
    EVP_PKEY_free(kit.other_ec);
    EVP_PKEY_free(kit.p384);
    return 0;
}

static enum access_fault verify_at(const char *token, size_t size, uint64_t now_us,
                                   struct jwt_claims *claims, int *is_new_kid, lode_error *error)
{
    const struct jwt_request request = {
        .keys = kit.keys, .policy = &policy, .text = token, .size = size, .now_us = now_us};
    return jwt_verify(&request, claims, is_new_kid, error);
}

/* The fault; what a good token grants is released. */
static enum access_fault verify(const char *token, lode_error *error)
{
    struct jwt_claims claims;
    int is_new_kid = 0;
    error->message[0] = '\0';
    enum access_fault fault =
        verify_at(token, strlen(token), (uint64_t)NOW * 1000000, &claims, &is_new_kid, error);
    if (!fault)
        grant_release(&claims.grant);
    return fault;
}

#define CLAIMS_WITH(more)                                                                          \
    "{\"iss\":\"https://issuer\",\"aud\":\"lode\",\"sub\":\"anna\",\"role\":\"write\","            \
    "\"exp\":1700000600" more "}"
#define CLAIMS CLAIMS_WITH("")

/* --- Signatures --------------------------------------------------------------------------------- */

static struct signer signer_of(const char *algorithm)
{
    return (struct signer){
        .algorithm = algorithm,
        .key = algorithm[0] == 'E'                          ? kit.ec
               : algorithm[0] == 'R' || algorithm[0] == 'P' ? kit.rsa
                                                            : NULL,
        .secret = algorithm[0] == 'H' ? SECRET : NULL,
        .secret_size = strlen(SECRET),
    };
}

static const char *const algorithms[] = {"HS256", "RS256", "ES256", "PS256"};

static void good_tokens_pass(void **state)
{
    (void)state;
    lode_error error;
    for (size_t i = 0; i < 4; i++) {
        struct signer signer = signer_of(algorithms[i]);
        const char *kids[] = {NULL, signer.key == kit.ec ? "ec" : signer.key ? "rsa" : "anything"};
        for (size_t j = 0; j < 2; j++) {
            char *token = token_with(&signer, kids[j], CLAIMS);
            if (verify(token, &error))
                fail_msg("%s: %s", algorithms[i], error.message);
            free(token);
        }
    }
}

/* Every bit of a token's text: nothing else is the same token. */
static void each_bit_matters(void **state)
{
    (void)state;
    lode_error error;
    for (size_t i = 0; i < 4; i++) {
        struct signer signer = signer_of(algorithms[i]);
        char *token = token_with(&signer, NULL, CLAIMS);
        for (size_t at = 0; token[at]; at++)
            for (unsigned bit = 0; bit < 8; bit += i == 0 ? 1 : 3) {
                token[at] = (char)(token[at] ^ (1 << bit));
                if (!verify(token, &error))
                    fail_msg("%s passes with bit %u of %zu flipped", algorithms[i], bit, at);
                token[at] = (char)(token[at] ^ (1 << bit));
            }
        assert_int_equal(verify(token, &error), ACCESS_OK);
        free(token);
    }
}

static void no_part_of_a_token_is_one(void **state)
{
    (void)state;
    lode_error error;
    struct signer signer = signer_of("RS256");
    char *token = token_with(&signer, "rsa", CLAIMS), *copy = strdup(token);
    for (size_t size = 0; token[size]; size++) {
        struct jwt_claims claims;
        int is_new_kid;
        assert_int_not_equal(
            verify_at(token, size, (uint64_t)NOW * 1000000, &claims, &is_new_kid, &error),
            ACCESS_OK);
    }
    /* Padding, other alphabets, blanks and more parts are other texts of the same bytes. */
    char longer[4096];
    static const char *const ends[] = {"=", "==", ".", " ", "\n", ".AAAA", "A"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        snprintf(longer, sizeof longer, "%s%s", token, ends[i]);
        assert_int_not_equal(verify(longer, &error), ACCESS_OK);
        snprintf(longer, sizeof longer, "%s%s", ends[i], token);
        assert_int_not_equal(verify(longer, &error), ACCESS_OK);
    }
    int changed = 0;
    for (char *p = copy; *p; p++)
        if (*p == '-' || *p == '_') {
            *p = *p == '-' ? '+' : '/';
            changed = 1;
        }
    assert_true(changed);
    assert_int_not_equal(verify(copy, &error), ACCESS_OK);
    free(copy);
    free(token);
}

static char *public_pem(EVP_PKEY *key, size_t *ret_size)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
    *ret_size = (size_t)BIO_get_mem_data(bio, &data);
    char *copy = malloc(*ret_size);
    memcpy(copy, data, *ret_size);
    BIO_free(bio);
    return copy;
}

struct header_case {
    const char *header, *signed_as;
    enum access_fault fault;
    const char *said;
};

/* The header is all that a forger is free to choose. */
static const struct header_case header_cases[] = {
    {"{\"alg\":\"none\"}", "none", ACCESS_FORGED, "signature is missing"},
    {"{\"alg\":\"none\"}", "RS256", ACCESS_FORGED, "algorithm"},
    {"{\"alg\":\"None\"}", "HS256", ACCESS_FORGED, "algorithm"},
    {"{\"alg\":\"\"}", "HS256", ACCESS_FORGED, "algorithm"},
    {"{\"alg\":\"hs256\"}", "HS256", ACCESS_FORGED, "algorithm"},
    {"{\"alg\":\"HS512\"}", "HS256", ACCESS_FORGED, "algorithm"},
    {"{\"alg\":null}", "HS256", ACCESS_FORGED, "algorithm"},
    {"{\"alg\":[\"HS256\"]}", "HS256", ACCESS_FORGED, "algorithm"},
    {"{}", "HS256", ACCESS_FORGED, "algorithm"},
    {"{\"alg\":\"HS256\",\"alg\":\"HS256\"}", "HS256", ACCESS_UNKNOWN, "a key twice"},
    {"[\"HS256\"]", "HS256", ACCESS_UNKNOWN, "header"},
    {"HS256", "HS256", ACCESS_UNKNOWN, "header"},
    {"{\"alg\":\"HS256\"}x", "HS256", ACCESS_UNKNOWN, "header"},
    {"{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}", "HS256", ACCESS_FORGED, "crit"},
    {"{\"alg\":\"HS256\",\"crit\":null}", "HS256", ACCESS_FORGED, "crit"},
    /* Right signatures under the wrong name. */
    {"{\"alg\":\"PS256\",\"kid\":\"rsa\"}", "RS256", ACCESS_FORGED, "signature"},
    {"{\"alg\":\"RS256\",\"kid\":\"rsa\"}", "PS256", ACCESS_FORGED, "signature"},
    {"{\"alg\":\"ES256\",\"kid\":\"rsa\"}", "RS256", ACCESS_FORGED, "signature"},
    {"{\"alg\":\"RS256\",\"kid\":\"ec\"}", "ES256", ACCESS_FORGED, "signature"},
    {"{\"alg\":\"RS256\",\"kid\":\"ec\"}", "RS256", ACCESS_FORGED, "signature"},
    {"{\"alg\":\"PS256\",\"kid\":\"rs-only\"}", "PS256", ACCESS_FORGED, "signature"},
    {"{\"alg\":\"RS256\",\"kid\":\"rs-only\"}", "RS256", ACCESS_OK, NULL},
    /* Key ids that are not ours. */
    {"{\"alg\":\"RS256\",\"kid\":\"RSA\"}", "RS256", ACCESS_UNKNOWN, "kid"},
    {"{\"alg\":\"RS256\",\"kid\":\"enc\"}", "RS256", ACCESS_UNKNOWN, "kid"},
    {"{\"alg\":\"RS256\",\"kid\":\"../../../../dev/null\"}", "RS256", ACCESS_UNKNOWN, "kid"},
    {"{\"alg\":\"RS256\",\"kid\":\"' OR 1=1 --\"}", "RS256", ACCESS_UNKNOWN, "kid"},
    {"{\"alg\":\"RS256\",\"kid\":\"\"}", "RS256", ACCESS_FORGED, "kid"},
    {"{\"alg\":\"RS256\",\"kid\":7}", "RS256", ACCESS_FORGED, "kid"},
    {"{\"alg\":\"RS256\",\"kid\":\"rsa\\u0000\"}", "RS256", ACCESS_UNKNOWN, "header"},
    /* Keys that a token brings along mean nothing. */
    {"{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}}", "zero", ACCESS_FORGED,
     "signature"},
    {"{\"alg\":\"RS256\",\"jku\":\"https://evil/keys\"}", "other", ACCESS_FORGED, "signature"},
    {"{\"alg\":\"HS256\",\"kid\":\"oct\"}", "published", ACCESS_FORGED, "signature"},
    {"{\"alg\":\"RS256\",\"kid\":\"rsa\",\"typ\":\"JWT\",\"x\":{\"y\":[1]}}", "RS256", ACCESS_OK,
     NULL},
};

static struct signer signer_named(const char *name)
{
    static const char zeros[3];
    if (strcmp(name, "none") == 0)
        return (struct signer){.algorithm = "none"};
    if (strcmp(name, "zero") == 0)
        return (struct signer){.algorithm = "HS256", .secret = zeros, .secret_size = 3};
    if (strcmp(name, "published") == 0)
        return (struct signer){.algorithm = "HS256", .secret = "secret", .secret_size = 6};
    if (strcmp(name, "other") == 0)
        return (struct signer){.algorithm = "RS256", .key = kit.other_rsa};
    return signer_of(name);
}

static void headers_are_not_believed(void **state)
{
    (void)state;
    lode_error error;
    for (size_t i = 0; i < sizeof header_cases / sizeof *header_cases; i++) {
        const struct header_case *it = &header_cases[i];
        struct signer signer = signer_named(it->signed_as);
        char *token = token_of(&signer, it->header, CLAIMS);
        enum access_fault fault = verify(token, &error);
        if (fault != it->fault || (it->said && !strstr(error.message, it->said)))
            fail_msg("%s: fault %d: %s", it->header, (int)fault, error.message);
        free(token);
    }
}

/* The public key is known to everybody: as a secret it must be worth nothing, in whatever form. */
static void a_public_key_is_no_secret(void **state)
{
    (void)state;
    lode_error error;
    size_t size;
    char *pem = public_pem(kit.rsa, &size), *n = number_of(kit.rsa, OSSL_PKEY_PARAM_RSA_N, 0);
    const struct signer signers[] = {
        {.algorithm = "HS256", .secret = pem, .secret_size = size},
        {.algorithm = "HS256", .secret = pem, .secret_size = size - 1},
        {.algorithm = "HS256", .secret = n, .secret_size = strlen(n)},
        {.algorithm = "HS256", .secret = "", .secret_size = 0},
    };
    static const char *const kids[] = {NULL, "rsa", "ec", "rs-only"};
    for (size_t i = 0; i < sizeof signers / sizeof *signers; i++)
        for (size_t j = 0; j < sizeof kids / sizeof *kids; j++) {
            char *token = token_with(&signers[i], kids[j], CLAIMS);
            assert_int_equal(verify(token, &error), ACCESS_FORGED);
            free(token);
        }
    free(pem);
    free(n);
}

static void other_keys_sign_in_vain(void **state)
{
    (void)state;
    lode_error error;
    const struct signer signers[] = {
        {.algorithm = "RS256", .key = kit.other_rsa},
        {.algorithm = "PS256", .key = kit.other_rsa},
        {.algorithm = "ES256", .key = kit.other_ec},
        {.algorithm = "HS256", .secret = "0123456789abcdef0123456789abcdeF", .secret_size = 32},
    };
    for (size_t i = 0; i < sizeof signers / sizeof *signers; i++) {
        char *token = token_with(&signers[i], NULL, CLAIMS);
        assert_int_equal(verify(token, &error), ACCESS_FORGED);
        free(token);
    }
}

/* r and s: zeros, which naive arithmetic accepts for any message; DER instead of numbers; other lengths. */
static void signatures_of_curves_are_strict(void **state)
{
    (void)state;
    lode_error error;
    struct signer signer = signer_of("ES256");
    char *token = token_with(&signer, "ec", CLAIMS), *dot = strrchr(token, '.');
    uint8_t bytes[96];
    static const size_t sizes[] = {1, 63, 64, 65, 70, 72, 96};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int fill = 0; fill < 256; fill += 255) {
            memset(bytes, fill, sizeof bytes);
            char *text = in_base64(bytes, sizes[i]);
            strcpy(dot + 1, text);
            assert_int_equal(verify(token, &error), ACCESS_FORGED);
            free(text);
        }
    free(token);
}

static void settings_narrow_algorithms(void **state)
{
    (void)state;
    lode_error error;
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++) {
            struct jwt_policy narrow = policy;
            struct jwt_claims claims;
            int is_new_kid;
            narrow.algorithms = jwt_algorithm_of(algorithms[j]);
            struct signer signer = signer_of(algorithms[i]);
            char *token = token_with(&signer, NULL, CLAIMS);
            const struct jwt_request request = {.keys = kit.keys,
                                                .policy = &narrow,
                                                .text = token,
                                                .size = strlen(token),
                                                .now_us = (uint64_t)NOW * 1000000};
            assert_int_equal(jwt_verify(&request, &claims, &is_new_kid, &error),
                             i == j ? ACCESS_OK : ACCESS_FORGED);
            free(token);
        }
}

/* --- Claims ------------------------------------------------------------------------------------- */

#define START "{\"iss\":\"https://issuer\",\"aud\":\"lode\",\"sub\":\"anna\",\"role\":\"read\""
#define LATER ",\"exp\":1700000600"

static const struct {
    const char *claims;
    enum access_fault fault;
} claim_cases[] = {
    {START LATER "}", ACCESS_OK},
    /* Times: now is 1700000000, and 30 seconds are forgiven. */
    {START "}", ACCESS_FORGED},
    {START ",\"exp\":\"1700000600\"}", ACCESS_FORGED},
    {START ",\"exp\":null}", ACCESS_FORGED},
    {START ",\"exp\":-1}", ACCESS_FORGED},
    {START ",\"exp\":1e999}", ACCESS_FORGED},
    {START ",\"exp\":99999999999999999999999}", ACCESS_FORGED},
    {START ",\"exp\":9e300}", ACCESS_OK},
    {START ",\"exp\":0}", ACCESS_EXPIRED},
    {START ",\"exp\":1699999970}", ACCESS_EXPIRED},
    {START ",\"exp\":1699999971}", ACCESS_OK},
    {START ",\"exp\":1699999970.5}", ACCESS_OK},
    {START LATER ",\"nbf\":1700000030}", ACCESS_OK},
    {START LATER ",\"nbf\":1700000031}", ACCESS_EXPIRED},
    {START LATER ",\"nbf\":\"0\"}", ACCESS_FORGED},
    {START LATER ",\"iat\":1700000031}", ACCESS_EXPIRED},
    {START LATER ",\"iat\":1600000000}", ACCESS_OK},
    {START LATER ",\"iat\":[]}", ACCESS_FORGED},
    {START LATER ",\"exp\":1700000700}", ACCESS_FORGED}, /* twice */
    /* Parties. */
    {"{\"aud\":\"lode\",\"sub\":\"a\",\"role\":\"read\"" LATER "}", ACCESS_FORGED},
    {"{\"iss\":\"https://issuer/\",\"aud\":\"lode\",\"sub\":\"a\",\"role\":\"read\"" LATER "}",
     ACCESS_FORGED},
    {"{\"iss\":[\"https://issuer\"],\"aud\":\"lode\",\"sub\":\"a\",\"role\":\"read\"" LATER "}",
     ACCESS_FORGED},
    {"{\"iss\":\"https://issuer\",\"sub\":\"a\",\"role\":\"read\"" LATER "}", ACCESS_FORGED},
    {"{\"iss\":\"https://issuer\",\"aud\":\"lod\",\"sub\":\"a\",\"role\":\"read\"" LATER "}",
     ACCESS_FORGED},
    {"{\"iss\":\"https://"
     "issuer\",\"aud\":[\"other\",\"lode\"],\"sub\":\"a\",\"role\":\"read\"" LATER "}",
     ACCESS_OK},
    {"{\"iss\":\"https://issuer\",\"aud\":[\"other\",7],\"sub\":\"a\",\"role\":\"read\"" LATER "}",
     ACCESS_FORGED},
    {"{\"iss\":\"https://issuer\",\"aud\":[],\"sub\":\"a\",\"role\":\"read\"" LATER "}",
     ACCESS_FORGED},
    {"{\"iss\":\"https://issuer\",\"aud\":{\"lode\":1},\"sub\":\"a\",\"role\":\"read\"" LATER "}",
     ACCESS_FORGED},
    {"{\"iss\":\"https://issuer\",\"aud\":\"lode\",\"role\":\"read\"" LATER "}", ACCESS_ROLE},
    {"{\"iss\":\"https://issuer\",\"aud\":\"lode\",\"sub\":\"\",\"role\":\"read\"" LATER "}",
     ACCESS_ROLE},
    /* What is granted: what cannot be understood grants nothing. */
    {"{\"iss\":\"https://issuer\",\"aud\":\"lode\",\"sub\":\"a\"" LATER "}", ACCESS_ROLE},
    {"{\"iss\":\"https://issuer\",\"aud\":\"lode\",\"sub\":\"a\",\"role\":\"root\"" LATER "}",
     ACCESS_ROLE},
    {"{\"iss\":\"https://issuer\",\"aud\":\"lode\",\"sub\":\"a\",\"role\":\"none\"" LATER "}",
     ACCESS_ROLE},
    {"{\"iss\":\"https://issuer\",\"aud\":\"lode\",\"sub\":\"a\",\"role\":\"Admin\"" LATER "}",
     ACCESS_ROLE},
    {"{\"iss\":\"https://issuer\",\"aud\":\"lode\",\"sub\":\"a\",\"role\":[\"admin\"]" LATER "}",
     ACCESS_ROLE},
    {START LATER ",\"collections\":[]}", ACCESS_ROLE},
    {START LATER ",\"collections\":null}", ACCESS_ROLE},
    {START LATER ",\"collections\":[\"a\",\"\"]}", ACCESS_ROLE},
    {START LATER ",\"https://lode/namespaces\":{}}", ACCESS_ROLE},
    {START LATER ",\"https://lode/namespaces\":\"n\"}", ACCESS_OK},
    {START LATER ",\"filter\":7}", ACCESS_ROLE},
    {START LATER ",\"filter\":\"\"}", ACCESS_ROLE},
    {START LATER ",\"filter\":null}", ACCESS_ROLE},
    {START LATER ",\"filter\":{\"lang\":\"en\"}}", ACCESS_OK},
    /* Form. */
    {"[]", ACCESS_FORGED},
    {"x", ACCESS_FORGED},
    {START LATER "}}", ACCESS_FORGED},
    {START LATER ",\"role\":\"admin\"}", ACCESS_FORGED}, /* twice */
};

static void claims_are_checked(void **state)
{
    (void)state;
    lode_error error;
    struct signer signer = signer_of("HS256");
    for (size_t i = 0; i < sizeof claim_cases / sizeof *claim_cases; i++) {
        char *token = token_with(&signer, NULL, claim_cases[i].claims);
        enum access_fault fault = verify(token, &error);
        if (fault != claim_cases[i].fault)
            fail_msg("%s: fault %d: %s", claim_cases[i].claims, (int)fault, error.message);
        free(token);
    }
}

static void claims_become_a_grant(void **state)
{
    (void)state;
    lode_error error;
    struct jwt_claims claims;
    int is_new_kid;
    struct signer signer = signer_of("ES256");
    char *token = token_with(&signer, "ec",
                             CLAIMS_WITH(",\"collections\":[\"films\",\"b*\"],\"https://lode/"
                                         "namespaces\":\"anna\",\"filter\":{\"lang\":\"en\"}"));
    assert_int_equal(
        verify_at(token, strlen(token), (uint64_t)NOW * 1000000, &claims, &is_new_kid, &error),
        ACCESS_OK);
    assert_string_equal(claims.subject, "anna");
    assert_int_equal(claims.grant.role, ROLE_WRITE);
    assert_int_equal(claims.grant.collections.count, 2);
    assert_string_equal(claims.grant.collections.items[1], "b*");
    assert_string_equal(claims.grant.namespaces.items[0], "anna");
    assert_string_equal(claims.grant.filter, "{\"lang\":\"en\"}");
    assert_true(claims.expires_us == (uint64_t)1700000630 * 1000000);
    grant_release(&claims.grant);
    free(token);
}

static void sizes_are_bounded(void **state)
{
    (void)state;
    lode_error error;
    struct signer signer = signer_of("HS256");
    char *claims = malloc(20000), *token;
    for (size_t size = 5000; size <= 7000; size += 500) {
        int used = snprintf(claims, 20000, "%s", CLAIMS_WITH(",\"filler\":\""));
        claims[used - 1] = '\0';
        memset(claims + used - 1, 'x', size);
        strcpy(claims + used - 1 + size, "\"}");
        token = token_with(&signer, NULL, claims);
        assert_int_equal(verify(token, &error),
                         strlen(token) <= JWT_SIZE_MAX ? ACCESS_OK : ACCESS_UNKNOWN);
        assert_int_equal(jwt_is_like(token, strlen(token)), strlen(token) <= JWT_SIZE_MAX);
        free(token);
    }
    /* Nesting as deep as it fits. */
    memset(claims, '[', 5900);
    claims[5900] = '\0';
    token = token_with(&signer, NULL, claims);
    assert_int_equal(verify(token, &error), ACCESS_FORGED);
    free(token);
    free(claims);
}

static void new_kids_are_told(void **state)
{
    (void)state;
    lode_error error;
    struct jwt_claims claims;
    static const char *const kids[] = {"new", "rsa"};
    for (size_t i = 0; i < 2; i++) {
        int is_new_kid = -1;
        const struct signer signer = {.algorithm = "RS256", .key = kit.other_rsa};
        char *token = token_with(&signer, kids[i], CLAIMS);
        assert_int_not_equal(
            verify_at(token, strlen(token), (uint64_t)NOW * 1000000, &claims, &is_new_kid, &error),
            ACCESS_OK);
        assert_int_equal(is_new_kid, i == 0);
        free(token);
    }
}

/* A set of 64 keys, and a token that says none of them: few signatures are computed, and none where the algorithm is of no
 * key at all. What names its key is found wherever it stands. */
static void tries_are_few(void **state)
{
    (void)state;
    static char set[64 * 512];
    char kid[8];
    struct jwt_keys *keys;
    struct jwt_claims claims;
    int is_new_kid;
    unsigned tries = 99;
    const struct signer signer = {.algorithm = "ES256", .key = kit.other_ec};
    strcpy(set, "{\"keys\":[");
    for (int i = 0; i < JWT_KEYS_MAX; i++) {
        snprintf(kid, sizeof kid, "k%d", i);
        append_jwk(set, sizeof set, i == JWT_KEYS_MAX - 1 ? kit.other_ec : kit.ec, kid, NULL);
        strcat(set, i == JWT_KEYS_MAX - 1 ? "]}" : ",");
    }
    assert_int_equal(jwt_keys_new(&keys, NULL), LODE_OK);
    assert_int_equal(jwt_keys_add_set(keys, set, strlen(set), NULL), LODE_OK);
    const char *const kids[] = {NULL, "k63", "k62", "k64"};
    const unsigned wanted[] = {JWT_TRIES_MAX, 1, 1, 0};
    for (size_t i = 0; i < 4; i++) {
        char *token = token_with(&signer, kids[i], CLAIMS);
        struct jwt_request request = {.keys = keys,
                                      .policy = &policy,
                                      .text = token,
                                      .size = strlen(token),
                                      .now_us = (uint64_t)NOW * 1000000,
                                      .ret_tries = &tries};
        assert_int_equal(jwt_verify(&request, &claims, &is_new_kid, NULL) == ACCESS_OK, i == 1);
        assert_int_equal(tries, wanted[i]);
        if (i == 1)
            grant_release(&claims.grant);
        request.ret_tries = NULL;
        request.keys = kit.keys; /* one key that could have signed it */
        assert_int_not_equal(jwt_verify(&request, &claims, &is_new_kid, NULL), ACCESS_OK);
        free(token);
    }
    jwt_keys_unref(keys);
}

/* --- Key sets ----------------------------------------------------------------------------------- */

static lode_status add_set(const char *text, lode_error *error)
{
    struct jwt_keys *keys;
    assert_int_equal(jwt_keys_new(&keys, NULL), LODE_OK);
    lode_status status = jwt_keys_add_set(keys, text, strlen(text), error);
    jwt_keys_unref(keys);
    return status;
}

static const struct {
    const char *text, *said;
} sets[] = {
    {"", "not JSON"},
    {"[]", "not an object"},
    {"{}", "keys: not an array"},
    {"{\"keys\":[]}", "none of 0"},
    {"{\"keys\":[1]}", "keys[0]: kty: missing"},
    {"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"}]}", "none of 1"},
    {"{\"keys\":[{\"kty\":\"RSA\"}]}", "keys[0]: n: missing"},
    {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}", "RSA key of 17 bits"},
    {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"A+AB\",\"e\":\"AQAB\"}]}", "n: not base64url"},
    {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"AQAB\"}]}", "n: not base64url"},
    {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\"}]}", "none of 1"},
    {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}]}",
     "x: not 32 bytes"},
    {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
     "AAA\",\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}]}",
     "keys[0]: "},
};

static void sets_are_checked(void **state)
{
    (void)state;
    lode_error error;
    char text[4096] = "{\"keys\":[";
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        error.message[0] = '\0';
        if (!add_set(sets[i].text, &error) || !strstr(error.message, sets[i].said))
            fail_msg("%s: %s", sets[i].text, error.message);
    }
    append_jwk(text, sizeof text, kit.weak_rsa, "weak", NULL);
    strcat(text, "]}");
    assert_int_equal(add_set(text, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "RSA key of 1024 bits: 2048"));
    strcpy(text, "{\"keys\":[");
    append_jwk(text, sizeof text, kit.rsa, "a", ",\"alg\":\"RS512\"");
    strcat(text, "]}");
    assert_int_equal(add_set(text, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "none of 1"));
    assert_int_equal(jwt_keys_add_secret(kit.keys, SECRET, 31, &error), LODE_INVALID);
}

static void sets_are_bounded(void **state)
{
    (void)state;
    lode_error error;
    char *text = calloc(1, 200000);
    strcpy(text, "{\"keys\":[");
    for (int i = 0; i < JWT_KEYS_MAX + 1; i++) {
        append_jwk(text, 200000, kit.ec, NULL, NULL);
        strcat(text, i < JWT_KEYS_MAX ? "," : "]}");
    }
    assert_int_equal(add_set(text, &error), LODE_LIMIT);
    free(text);
    text = malloc(JWKS_SIZE_MAX + 2);
    memset(text, ' ', JWKS_SIZE_MAX + 1);
    text[JWKS_SIZE_MAX + 1] = '\0';
    assert_int_equal(add_set(text, &error), LODE_LIMIT);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_tokens_pass),
        cmocka_unit_test(each_bit_matters),
        cmocka_unit_test(no_part_of_a_token_is_one),
        cmocka_unit_test(headers_are_not_believed),
        cmocka_unit_test(a_public_key_is_no_secret),
        cmocka_unit_test(other_keys_sign_in_vain),
        cmocka_unit_test(signatures_of_curves_are_strict),
        cmocka_unit_test(settings_narrow_algorithms),
        cmocka_unit_test(claims_are_checked),
        cmocka_unit_test(claims_become_a_grant),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(new_kids_are_told),
        cmocka_unit_test(tries_are_few),
        cmocka_unit_test(sets_are_checked),
        cmocka_unit_test(sets_are_bounded),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
