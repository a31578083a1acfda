/* jwks_fetch.c: one GET by libcurl. The answer decides whom the server trusts: so https only, with the system's
 * authorities, and http for what runs on this machine. */
#include "base/buf.h"
#include "server/jwks.h"

#include <curl/curl.h>
#include <string.h>

#define CONNECT_TIMEOUT_MS 3000L

static int is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == strlen(host));
}

static lode_status check_parts(CURLU *parts, const char *url, lode_error *error)
{
    char *scheme = NULL, *host = NULL, *user = NULL;
    lode_status status = LODE_OK;
    if (curl_url_set(parts, CURLUPART_URL, url, 0) ||
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) ||
        curl_url_get(parts, CURLUPART_HOST, &host, 0))
        status = error_set(error, LODE_INVALID, "'%.100s' is no URL", url);
    else if (curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_OK)
        status = error_set(error, LODE_INVALID, "a URL of keys has no user and password");
    else if (strcmp(scheme, "https") != 0 && (strcmp(scheme, "http") != 0 || !is_loopback(host)))
        status =
            error_set(error, LODE_INVALID,
                      "'%.100s': keys are fetched by https, or by http from this machine", url);
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    return status;
}

lode_status jwks_check_url(const char *url, lode_error *error)
{
    CURLU *parts = curl_url();
    if (!parts)
        return error_nomem(error, "a URL", strlen(url));
    lode_status status = check_parts(parts, url, error);
    curl_url_cleanup(parts);
    return status;
}

static size_t on_data(char *data, size_t one, size_t size, void *context)
{
    (void)one; /* 1, says libcurl */
    return buf_append(context, data, size, NULL) ? 0 : size;
}

static int on_progress(void *context, curl_off_t download_size, curl_off_t downloaded,
                       curl_off_t upload_size, curl_off_t uploaded)
{
    (void)download_size;
    (void)downloaded;
    (void)upload_size;
    (void)uploaded;
    return atomic_load_explicit((const atomic_int *)context, memory_order_relaxed);
}

static CURLcode set_options(CURL *curl, const char *url, const atomic_int *is_stopped,
                            struct buf *out)
{
    int is_plain = strncmp(url, "http:", 5) == 0;
    CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, url);
    code |= curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, is_plain ? "http" : "https");
    code |= curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    code |= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    code |= curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    code |= curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)JWKS_TIMEOUT_MS);
    code |= curl_easy_setopt(curl, CURLOPT_MAXFILESIZE, (long)JWKS_SIZE_MAX);
    code |= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
    code |= curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
    code |= curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    code |= curl_easy_setopt(curl, CURLOPT_XFERINFODATA, is_stopped);
    code |= curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    if (is_plain) /* from this machine: through nobody */
        code |= curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    return code;
}

static lode_status get(CURL *curl, const char *url, lode_error *error)
{
    long answer = 0;
    CURLcode code = curl_easy_perform(curl);
    if (code)
        return error_set(
            error, code == CURLE_ABORTED_BY_CALLBACK ? LODE_CANCELLED : LODE_IO, "%.100s: %s", url,
            code == CURLE_WRITE_ERROR ? "more than 256 KiB" : curl_easy_strerror(code));
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer);
    if (answer != 200)
        return error_set(error, LODE_IO, "%.100s: answered %ld, not 200", url, answer);
    return LODE_OK;
}

lode_status jwks_fetch(const char *url, const atomic_int *is_stopped, struct buf *out,
                       lode_error *error)
{
    lode_status status = jwks_check_url(url, error);
    if (status)
        return status;
    CURL *curl = curl_easy_init();
    if (!curl || set_options(curl, url, is_stopped, out))
        status = error_nomem(error, "an HTTP client", 0);
    if (!status)
        status = get(curl, url, error);
    curl_easy_cleanup(curl);
    return status;
}
