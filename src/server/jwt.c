/* jwt.c: a token taken apart, its signature checked, and only then its claims read. See jwt.h. */
#include "server/jwt.h"

#include "base/base64.h"
#include "server/access_json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PART_COUNT    3
#define AUDIENCES_MAX 64

enum part { PART_HEADER, PART_CLAIMS, PART_SIGNATURE };

struct token {
    const struct jwt_request *request;
    struct buf parts[PART_COUNT]; /* decoded */
    size_t signed_size;           /* of the text: header, dot and claims */
    unsigned algorithm;
    unsigned tries;                 /* signatures that were computed */
    char kid[JWT_KID_SIZE_MAX + 1]; /* "": it names none */
};

/* What is said to the client: never anything of the token. */
static enum access_fault refuse(lode_error *error, enum access_fault fault, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum access_fault refuse(lode_error *error, enum access_fault fault, const char *format, ...)
{
    char text[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    (void)error_set(error, LODE_INVALID, "token: %s", text);
    return fault;
}

/* --- Its form ----------------------------------------------------------------------------------- */

/* Where its two dots are; 0 when there are not two. */
static int find_dots(const char *text, size_t size, size_t dots[2])
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '.')
            continue;
        if (count == 2)
            return 0;
        dots[count++] = i;
    }
    return count == 2;
}

int jwt_is_like(const char *text, size_t size)
{
    size_t dots[2];
    return size <= JWT_SIZE_MAX && find_dots(text, size, dots);
}

static int decode(struct buf *out, const char *text, size_t size)
{
    int valid = 0;
    return base64_read(out, text, size, &valid, NULL) == LODE_OK && valid && out->size > 0;
}

static enum access_fault split(struct token *token, lode_error *error)
{
    size_t dots[2], size = token->request->size;
    const char *text = token->request->text;
    if (size > JWT_SIZE_MAX)
        return refuse(error, ACCESS_UNKNOWN, "%zu bytes, at most %d", size, JWT_SIZE_MAX);
    if (!find_dots(text, size, dots))
        return refuse(error, ACCESS_UNKNOWN, "it does not have three parts");
    if (!decode(&token->parts[PART_HEADER], text, dots[0]) ||
        !decode(&token->parts[PART_CLAIMS], text + dots[0] + 1, dots[1] - dots[0] - 1))
        return refuse(error, ACCESS_UNKNOWN, "a part of it is not base64url");
    token->signed_size = dots[1];
    if (!decode(&token->parts[PART_SIGNATURE], text + dots[1] + 1, size - dots[1] - 1))
        return refuse(error, ACCESS_FORGED, "its signature is missing, or not base64url");
    return ACCESS_OK;
}

/* --- Its header --------------------------------------------------------------------------------- */

static enum access_fault read_kid(struct token *token, const json_t *header, lode_error *error)
{
    const json_t *kid = json_object_get(header, "kid");
    if (!kid)
        return ACCESS_OK;
    if (!json_is_string(kid) || json_string_length(kid) == 0 ||
        json_string_length(kid) > JWT_KID_SIZE_MAX)
        return refuse(error, ACCESS_FORGED, "kid is not a string of 1 to %d bytes",
                      JWT_KID_SIZE_MAX);
    memcpy(token->kid, json_string_value(kid), json_string_length(kid) + 1);
    return ACCESS_OK;
}

static enum access_fault use_header(struct token *token, const json_t *header, lode_error *error)
{
    const char *name = json_string_value(json_object_get(header, "alg"));
    token->algorithm = name ? jwt_algorithm_of(name) : 0;
    if (!(token->algorithm & token->request->policy->algorithms))
        return refuse(error, ACCESS_FORGED, "its algorithm is not accepted here");
    if (json_object_get(header, "crit"))
        return refuse(error, ACCESS_FORGED, "it asks for extensions (crit), and there are none");
    return read_kid(token, header, error);
}

static json_t *parse(const struct buf *text)
{
    json_t *object = NULL;
    lode_status status =
        access_json_object((const char *)text->data, text->size, "", &object, NULL);
    return status ? NULL : object;
}

static enum access_fault read_header(struct token *token, lode_error *error)
{
    json_t *header = parse(&token->parts[PART_HEADER]);
    if (!header)
        return refuse(error, ACCESS_UNKNOWN, "its header is not a JSON object, or has a key twice");
    enum access_fault fault = use_header(token, header, error);
    json_decref(header);
    return fault;
}

/* --- Its signature ------------------------------------------------------------------------------ */

/* What cannot have signed it costs nothing. */
static int verifies(struct token *token, const struct jwt_key *key)
{
    const struct buf *signature = &token->parts[PART_SIGNATURE];
    if (!(key->algorithms & token->algorithm) || token->tries == JWT_TRIES_MAX)
        return 0;
    token->tries++;
    return jwt_key_verifies(key, token->algorithm, token->request->text, token->signed_size,
                            signature->data, signature->size);
}

static enum access_fault check_signature(struct token *token, int *ret_is_new_kid,
                                         lode_error *error)
{
    const struct jwt_keys *keys = token->request->keys;
    int is_known = !token->kid[0];
    for (size_t i = 0; i < keys->count; i++) {
        const struct jwt_key *key = &keys->items[i];
        if (token->kid[0] && strcmp(key->kid, token->kid) != 0)
            continue;
        is_known = 1;
        if (verifies(token, key))
            return ACCESS_OK;
    }
    /* A secret has no name of its own: the issuer may call it anything. */
    for (size_t i = 0; token->algorithm == JWT_HS256 && token->kid[0] && i < keys->count; i++)
        if (!keys->items[i].kid[0] && verifies(token, &keys->items[i]))
            return ACCESS_OK;
    *ret_is_new_kid = !is_known && token->algorithm != JWT_HS256;
    if (*ret_is_new_kid)
        return refuse(error, ACCESS_UNKNOWN, "none of the keys here has its kid");
    if (token->tries == JWT_TRIES_MAX && !token->kid[0])
        return refuse(error, ACCESS_FORGED,
                      "its signature is none of the first %d keys'; further ones need its kid",
                      JWT_TRIES_MAX);
    return refuse(error, ACCESS_FORGED, "its signature is not valid");
}

/* --- Its claims --------------------------------------------------------------------------------- */

/* Seconds since 1970, which may have a fraction. 0: there is no such claim; -1: it is none. */
static int read_date(const json_t *claims, const char *name, double *ret_seconds)
{
    const json_t *claim = json_object_get(claims, name);
    if (!claim)
        return 0;
    double value = json_number_value(claim);
    if (!json_is_number(claim) || !isfinite(value) || value < 0)
        return -1;
    *ret_seconds =
        value < 1e12 ? value : 1e12; /* far beyond any clock, and exact as microseconds */
    return 1;
}

static enum access_fault check_times(const struct jwt_request *request, const json_t *claims,
                                     struct jwt_claims *ret_claims, lode_error *error)
{
    double now = (double)request->now_us / 1e6, leeway = (double)request->policy->leeway_s;
    double expires = 0, begins = 0, issued = 0;
    if (read_date(claims, "exp", &expires) != 1)
        return refuse(error, ACCESS_FORGED, "exp is missing, or not a date");
    if (read_date(claims, "nbf", &begins) < 0 || read_date(claims, "iat", &issued) < 0)
        return refuse(error, ACCESS_FORGED, "nbf or iat is not a date");
    if (now >= expires + leeway)
        return refuse(error, ACCESS_EXPIRED, "it has expired");
    if (now + leeway < begins || now + leeway < issued)
        return refuse(error, ACCESS_EXPIRED, "it is not valid yet");
    ret_claims->expires_us = (uint64_t)((expires + leeway) * 1e6);
    return ACCESS_OK;
}

static int is_text(const json_t *value, const char *text)
{
    return json_is_string(value) && json_string_length(value) == strlen(text) &&
           memcmp(json_string_value(value), text, strlen(text)) == 0;
}

static int is_audience(const json_t *value, const char *audience)
{
    if (!json_is_array(value) || json_array_size(value) > AUDIENCES_MAX)
        return is_text(value, audience);
    for (size_t i = 0; i < json_array_size(value); i++)
        if (is_text(json_array_get(value, i), audience))
            return 1;
    return 0;
}

static enum access_fault check_parties(const struct jwt_policy *policy, const json_t *claims,
                                       lode_error *error)
{
    if (!is_text(json_object_get(claims, "iss"), policy->issuer))
        return refuse(error, ACCESS_FORGED, "its issuer (iss) is not the one expected");
    if (!is_audience(json_object_get(claims, "aud"), policy->audience))
        return refuse(error, ACCESS_FORGED, "it is not for this audience (aud)");
    return ACCESS_OK;
}

static enum access_fault read_subject(const json_t *claims, struct jwt_claims *ret_claims,
                                      lode_error *error)
{
    const json_t *subject = json_object_get(claims, "sub");
    size_t size = json_string_length(subject);
    if (!json_is_string(subject) || size == 0 || size >= sizeof ret_claims->subject)
        return refuse(error, ACCESS_ROLE, "sub is not a string of 1 to %zu bytes",
                      sizeof ret_claims->subject - 1);
    memcpy(ret_claims->subject, json_string_value(subject), size + 1);
    return ACCESS_OK;
}

static enum access_fault read_grant(const struct jwt_policy *policy, const json_t *claims,
                                    struct grant *grant, lode_error *error)
{
    const char *role = json_string_value(json_object_get(claims, policy->role_claim));
    lode_error why;
    grant->role = role ? role_of(role) : ROLE_NONE;
    if (grant->role == ROLE_NONE)
        return refuse(error, ACCESS_ROLE, "%s is none of read, write, admin", policy->role_claim);
    lode_status status =
        access_json_patterns(claims, policy->collections_claim, &grant->collections, &why);
    if (!status)
        status = access_json_patterns(claims, policy->namespaces_claim, &grant->namespaces, &why);
    if (!status)
        status = access_json_filter(claims, policy->filter_claim, grant, &why);
    return status ? refuse(error, ACCESS_ROLE, "%s", why.message) : ACCESS_OK;
}

static enum access_fault use_claims(const struct token *token, const json_t *claims,
                                    struct jwt_claims *ret_claims, lode_error *error)
{
    const struct jwt_policy *policy = token->request->policy;
    enum access_fault fault = check_parties(policy, claims, error);
    if (!fault)
        fault = check_times(token->request, claims, ret_claims, error);
    if (!fault)
        fault = read_subject(claims, ret_claims, error);
    return fault ? fault : read_grant(policy, claims, &ret_claims->grant, error);
}

static enum access_fault read_claims(const struct token *token, struct jwt_claims *ret_claims,
                                     lode_error *error)
{
    struct jwt_claims found = {.subject = ""};
    json_t *claims = parse(&token->parts[PART_CLAIMS]);
    if (!claims)
        return refuse(error, ACCESS_FORGED,
                      "its claims are not a JSON object, or have a key twice");
    enum access_fault fault = use_claims(token, claims, &found, error);
    json_decref(claims);
    if (fault)
        grant_release(&found.grant);
    else
        *ret_claims = found;
    return fault;
}

enum access_fault jwt_verify(const struct jwt_request *request, struct jwt_claims *ret_claims,
                             int *ret_is_new_kid, lode_error *error)
{
    struct token token = {.request = request};
    *ret_is_new_kid = 0;
    for (size_t i = 0; i < PART_COUNT; i++)
        buf_init(&token.parts[i], JWT_SIZE_MAX);
    enum access_fault fault = split(&token, error);
    if (!fault)
        fault = read_header(&token, error);
    if (!fault)
        fault = check_signature(&token, ret_is_new_kid, error);
    if (!fault)
        fault = read_claims(&token, ret_claims, error);
    if (request->ret_tries)
        *request->ret_tries = token.tries;
    for (size_t i = 0; i < PART_COUNT; i++)
        buf_release(&token.parts[i]);
    return fault;
}
