/* tls.c: contexts of OpenSSL. Each reload makes a new one, with new ticket keys, so that a session that was agreed on
 * under old certificates is not taken up again. */
#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CIPHERS_TLS12 "ECDHE+AESGCM:ECDHE+CHACHA20"

/* What OpenSSL has to say, for a file that it could not use. */
static lode_status refused(lode_error *error, const char *what, const char *file)
{
    unsigned long code =
        ERR_peek_error(); /* the first: later ones only say that they failed, too */
    const char *reason = ERR_reason_error_string(code);
    if (ERR_GET_LIB(code) == ERR_LIB_SYS || !reason)
        reason = "it cannot be read";
    else if (ERR_GET_REASON(code) == ERR_R_UNSUPPORTED || /* of a key */
             (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE))
        reason = "it has none in PEM";
    else if (ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_BAD_PASSWORD_READ)
        reason = "it wants a passphrase, and nobody is there to ask";
    else if (ERR_GET_LIB(code) == ERR_LIB_X509 &&
             ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH)
        reason = "it is the key of another certificate";
    lode_status status = error_set(error, LODE_KEY, "%s '%.100s': %s", what, file, reason);
    ERR_clear_error();
    return status;
}

static int choose_protocol(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_size,
                           const unsigned char *offered, unsigned offered_size, void *context)
{
    static const unsigned char ours[] = "\x02h2\x08http/1.1";
    (void)ssl;
    (void)context;
    unsigned char *name = NULL;
    if (SSL_select_next_proto(&name, ret_size, ours, sizeof ours - 1, offered, offered_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret_name = name;
    return SSL_TLSEXT_ERR_OK;
}

/* OpenSSL would ask at the terminal. */
static int no_passphrase(char *text, int size, int is_writing, void *context)
{
    (void)text;
    (void)size;
    (void)is_writing;
    (void)context;
    return -1;
}

/* 0 when nobody can tell. */
static int64_t expiry(const SSL_CTX *context)
{
    struct tm when;
    const X509 *certificate = SSL_CTX_get0_certificate(context);
    if (!certificate || ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &when) != 1)
        return 0;
    return timegm(&when);
}

static lode_status load_pair(SSL_CTX *context, const struct net_tls_options *options,
                             lode_error *error)
{
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(context, options->certificate_file) != 1)
        return refused(error, "certificate", options->certificate_file);
    if (SSL_CTX_use_PrivateKey_file(context, options->key_file, SSL_FILETYPE_PEM) != 1)
        return refused(error, "key", options->key_file);
    if (SSL_CTX_check_private_key(context) != 1)
        return refused(error, "key", options->key_file);
    return LODE_OK;
}

static lode_status demand_clients(SSL_CTX *context, const char *file, lode_error *error)
{
    STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(file);
    if (!names)
        return refused(error, "client CA", file);
    SSL_CTX_set_client_CA_list(context, names);
    if (SSL_CTX_load_verify_locations(context, file, NULL) != 1)
        return refused(error, "client CA", file);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return LODE_OK;
}

static void set_rules(SSL_CTX *context, bool allow_tls12)
{
    static const unsigned char name[] = "lode";
    SSL_CTX_set_min_proto_version(context, allow_tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_id_context(context, name, sizeof name - 1);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
}

lode_status tls_new(const struct net_tls_options *options, struct tls **ret_tls, lode_error *error)
{
    struct tls *tls = calloc(1, sizeof *tls);
    if (tls)
        tls->context = SSL_CTX_new(TLS_server_method());
    if (!tls || !tls->context) {
        tls_free(tls);
        return error_nomem(error, "TLS", sizeof *tls);
    }
    lode_status status = LODE_OK;
    set_rules(tls->context, options->allow_tls12);
    if (SSL_CTX_set_cipher_list(tls->context, CIPHERS_TLS12) != 1)
        status = error_set(error, LODE_KEY, "TLS: the system allows none of %s", CIPHERS_TLS12);
    if (!status)
        status = load_pair(tls->context, options, error);
    if (!status && options->client_ca_file)
        status = demand_clients(tls->context, options->client_ca_file, error);
    tls->expires_s = expiry(tls->context);
    if (status)
        tls_free(tls);
    else
        *ret_tls = tls;
    return status;
}

lode_status net_tls_check(const struct net_tls_options *options, lode_error *error)
{
    struct tls *tls = NULL;
    lode_status status = tls_new(options, &tls, error);
    tls_free(tls);
    return status;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->context); /* connections have references of their own */
    free(tls);
}

SSL *tls_accept(struct tls *tls, int fd)
{
    SSL *ssl = SSL_new(tls->context);
    if (ssl && SSL_set_fd(ssl, fd) != 1) {
        SSL_free(ssl);
        ssl = NULL;
    }
    if (ssl)
        SSL_set_accept_state(ssl);
    return ssl;
}

bool tls_chose(const SSL *ssl, bool *ret_http2)
{
    const unsigned char *name = NULL;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl, &name, &size);
    *ret_http2 = size == 2 && !memcmp(name, "h2", 2);
    return size > 0;
}

/* --- Names in certificates ---------------------------------------------------------------------------------------- */

/* A copy, or NULL: a NUL or a control character inside is no part of a name. */
static char *copy_text(const ASN1_STRING *text)
{
    unsigned char *utf8 = NULL;
    int size = ASN1_STRING_to_UTF8(&utf8, text);
    bool is_sound = size > 0;
    for (int i = 0; i < size; i++)
        if (utf8[i] < 0x20 || utf8[i] == 0x7f)
            is_sound = false;
    char *copy = is_sound ? strndup((const char *)utf8, (size_t)size) : NULL;
    OPENSSL_free(utf8);
    return copy;
}

static char *alternative_name(const X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    char *name = NULL;
    for (int i = 0; !name && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *general = sk_GENERAL_NAME_value(names, i);
        if (general->type == GEN_DNS)
            name = copy_text(general->d.dNSName);
        else if (general->type == GEN_EMAIL)
            name = copy_text(general->d.rfc822Name);
    }
    GENERAL_NAMES_free(names);
    return name;
}

static char *common_name(const X509 *certificate)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (index < 0)
        return NULL;
    return copy_text(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
}

char *tls_peer_name(const SSL *ssl)
{
    const X509 *certificate = SSL_get0_peer_certificate(ssl);
    if (!certificate || SSL_get_verify_result(ssl) != X509_V_OK)
        return NULL;
    char *name = alternative_name(certificate);
    return name ? name : common_name(certificate);
}
