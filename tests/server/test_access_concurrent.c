/* Requests on several threads, while keys come and go, settings are replaced, and tokens push one another out of the cache. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/stat.h>

#include "server/access_parts.h"
#include "server/test_access_kit.h"

#define SECRET  "0123456789abcdef0123456789abcdef"
#define THREADS 4
#define ROUNDS  60
#define TOKENS  40

static struct {
    struct access *access;
    char key[API_KEY_TEXT_SIZE];
    char *tokens[TOKENS];
    atomic_int is_stopped, faults;
    atomic_ullong checks;
} shared;

static void check(const char *text)
{
    struct principal *who = NULL;
    uint64_t retry_ms;
    lode_error error;
    const struct net_header header = {"x-api-key", text, strlen(text)};
    const struct net_request request = {.headers = &header, .header_count = 1};
    if (access_check(shared.access, &request, &who, &error)) {
        fprintf(stderr, "%s\n", error.message);
        atomic_fetch_add(&shared.faults, 1);
        return;
    }
    (void)principal_take(who, 10, clock_now_us(&clock_system), &retry_ms, &error);
    if (principal_may(who, ROLE_READ, "films", "", &error) || who->role != ROLE_READ)
        atomic_fetch_add(&shared.faults, 1);
    principal_unref(shared.access, who);
    atomic_fetch_add(&shared.checks, 1);
}

static void run(void *context)
{
    unsigned i = (unsigned)(uintptr_t)context;
    while (!atomic_load(&shared.is_stopped)) {
        check(shared.key);
        check(shared.tokens[i++ % TOKENS]);
    }
}

static void make_tokens(void)
{
    const struct signer signer = {
        .algorithm = "HS256", .secret = SECRET, .secret_size = strlen(SECRET)};
    char claims[256];
    for (size_t i = 0; i < TOKENS; i++) {
        snprintf(claims, sizeof claims,
                 "{\"iss\":\"me\",\"aud\":\"lode\",\"sub\":\"%zu\",\"role\":\"read\",\"exp\":"
                 "99999999999}",
                 i % 7);
        shared.tokens[i] = token_with(&signer, NULL, claims);
    }
}

static void nothing_is_lost(void **state)
{
    static char me[] = "me", audience[] = "lode";
    char secret_path[PATH_SIZE_MAX], text[API_KEY_TEXT_SIZE];
    struct thread threads[THREADS];
    struct config config = {.data = *state};
    struct api_key key = {.name = "stays", .grant.role = ROLE_READ};
    lode_error error = {.message = ""};
    snprintf(secret_path, sizeof secret_path, "%s/secret", (char *)*state);
    write_file(secret_path, SECRET, strlen(SECRET));
    assert_int_equal(chmod(secret_path, 0600), 0);
    config.auth.jwt = (struct config_jwt){
        .is_on = true, .secret_file = secret_path, .issuer = me, .audience = audience};
    static char algorithm[] = "HS256", *algorithms[] = {algorithm};
    config.auth.jwt.algorithms = (struct config_strings){algorithms, 1};
    config.limits.requests_per_s = 1000;
    assert_int_equal(api_keys_create(*state, &key, shared.key, &error), LODE_OK);
    make_tokens();
    const struct access_options options = {.clock = &clock_system, .poll_us = 1000};
    assert_int_equal(access_new_with(&config, &options, &shared.access, &error), LODE_OK);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(thread_start(&threads[i], "requests", run, (void *)(uintptr_t)i), 0);
    for (int i = 0; i < ROUNDS; i++) {
        struct api_key other = {.grant.role = ROLE_WRITE};
        snprintf(other.name, sizeof other.name, "%d", i);
        assert_int_equal(api_keys_create(*state, &other, text, &error), LODE_OK);
        assert_int_equal(api_keys_revoke(*state, other.id, &error), LODE_OK);
        if (i % 3 == 0)
            assert_int_equal(access_reload(shared.access, &error), LODE_OK);
        if (i % 3 == 1)
            assert_int_equal(access_reconfigure(shared.access, &config, &error), LODE_OK);
    }
    atomic_store(&shared.is_stopped, 1);
    for (size_t i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    access_free(shared.access);
    for (size_t i = 0; i < TOKENS; i++)
        free(shared.tokens[i]);
    assert_int_equal(atomic_load(&shared.faults), 0);
    assert_true(atomic_load(&shared.checks) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_lost, dir_setup, dir_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
