/* Access: what requests show and who that is; scopes; keys and key sets that change meanwhile; the cache of tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/access_parts.h"
#include "server/test_access_kit.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define NOW_S  ((uint64_t)1700000000)

/* --- A clock, a config, requests ------------------------------------------------------------------ */

static atomic_ullong moved_us;
static const char *peer; /* of the requests that follow */

static uint64_t test_now(void *context)
{
    (void)context;
    return (NOW_S - 1000000000) * 1000000 + atomic_load(&moved_us);
}

static uint64_t test_wall(void *context)
{
    (void)context;
    return NOW_S * 1000000 + atomic_load(&moved_us);
}

static const struct clock test_clock = {test_now, test_wall, NULL};

struct kit {
    char *dir, path[PATH_SIZE_MAX], secret_path[PATH_SIZE_MAX];
    struct config config;
    struct access *access;
    atomic_int reports, faults;
};

static void on_report(void *context, const char *what, const lode_error *error)
{
    struct kit *kit = context;
    atomic_fetch_add(error && what ? &kit->faults : &kit->reports, 1);
}

static void begin(struct kit *kit, void **state)
{
    lode_error error = {.message = ""};
    const struct access_options options = {.clock = &test_clock, .poll_us = 5000};
    kit->dir = *state;
    kit->config.data = kit->dir;
    atomic_store(&moved_us, 0);
    assert_int_equal(api_keys_path(kit->dir, kit->path, NULL), LODE_OK);
    if (access_new_with(&kit->config, &options, &kit->access, &error))
        fail_msg("%s", error.message);
    access_set_report(kit->access, on_report, kit);
}

static void with_tokens(struct kit *kit, void **state)
{
    struct config_jwt *jwt = &kit->config.auth.jwt;
    snprintf(kit->secret_path, sizeof kit->secret_path, "%s/secret", (char *)*state);
    write_file(kit->secret_path, SECRET "\n", strlen(SECRET) + 1);
    assert_int_equal(chmod(kit->secret_path, 0600), 0);
    jwt->is_on = true;
    jwt->secret_file = kit->secret_path;
    static char algorithm[] = "HS256", *algorithms[] = {algorithm};
    jwt->algorithms = (struct config_strings){algorithms, 1};
    static char issuer[] = "me", audience[] = "lode";
    jwt->issuer = issuer;
    jwt->audience = audience;
    begin(kit, state);
}

static void end(struct kit *kit)
{
    access_free(kit->access);
}

static enum access_fault show_two(struct kit *kit, const char *name, const char *value,
                                  const char *other_name, const char *other,
                                  struct principal **ret_who)
{
    lode_error error = {.message = ""};
    const struct net_header headers[] = {
        {"content-type", "application/json", 16},
        {name, value, strlen(value)},
        {other_name, other, other ? strlen(other) : 0},
    };
    const struct net_request request = {.peer = peer,
                                        .headers = headers,
                                        .header_count = other_name ? 3
                                                        : name[0]  ? 2
                                                                   : 1};
    enum access_fault fault = access_check(kit->access, &request, ret_who, &error);
    assert_true((fault == ACCESS_OK) == (*ret_who != NULL));
    assert_true((fault == ACCESS_OK) == (error.message[0] == '\0'));
    /* Nothing of what was shown comes back. */
    if (strlen(value) > 30)
        assert_null(strstr(error.message, value + strlen(value) - 20));
    return fault;
}

static enum access_fault show(struct kit *kit, const char *name, const char *value,
                              struct principal **ret_who)
{
    return show_two(kit, name, value, NULL, NULL, ret_who);
}

/* The fault alone. */
static enum access_fault check(struct kit *kit, const char *name, const char *value)
{
    struct principal *who;
    enum access_fault fault = show(kit, name, value, &who);
    if (who)
        principal_unref(kit->access, who);
    return fault;
}

static enum access_fault check_bearer(struct kit *kit, const char *text)
{
    char value[9000];
    snprintf(value, sizeof value, "Bearer %s", text);
    return check(kit, "authorization", value);
}

static void make_key(const char *dir, const char *name, enum role role, struct api_key *key,
                     char text[API_KEY_TEXT_SIZE])
{
    lode_error error = {.message = ""};
    key->grant.role = role;
    snprintf(key->name, sizeof key->name, "%s", name);
    if (api_keys_create(dir, key, text, &error))
        fail_msg("%s", error.message);
}

static void wait_for(struct kit *kit, const char *text, enum access_fault fault)
{
    for (int i = 0; i < 2000 && check_bearer(kit, text) != fault; i++)
        usleep(5000);
    assert_int_equal(check_bearer(kit, text), fault);
}

/* --- What is shown ------------------------------------------------------------------------------ */

static void keys_are_found_in_heads(void **state)
{
    struct kit kit = {.dir = NULL};
    struct api_key key = {.id = ""};
    struct principal *who;
    char text[API_KEY_TEXT_SIZE], value[256];
    make_key(*state, "search", ROLE_WRITE, &key, text);
    begin(&kit, state);
    snprintf(value, sizeof value, "Bearer %s", text);
    assert_int_equal(show(&kit, "authorization", value, &who), ACCESS_OK);
    assert_string_equal(who->name, "search");
    assert_string_equal(who->id, key.id);
    assert_int_equal(who->role, ROLE_WRITE);
    principal_unref(kit.access, who);
    assert_int_equal(check(&kit, "x-api-key", text), ACCESS_OK);
    snprintf(value, sizeof value, "bEARER   %s", text);
    assert_int_equal(check(&kit, "authorization", value), ACCESS_OK);

    assert_int_equal(check(&kit, "", ""), ACCESS_MISSING);
    assert_int_equal(check(&kit, "x-api-key2", text), ACCESS_MISSING);
    assert_int_equal(check(&kit, "authorization", text), ACCESS_UNKNOWN);
    assert_int_equal(check(&kit, "authorization", "Bearer"), ACCESS_UNKNOWN);
    assert_int_equal(check(&kit, "authorization", "Bearer "), ACCESS_UNKNOWN);
    assert_int_equal(check(&kit, "authorization", "Basic dXNlcjpwYXNz"), ACCESS_UNKNOWN);
    assert_int_equal(check(&kit, "x-api-key", ""), ACCESS_UNKNOWN);
    snprintf(value, sizeof value, "Bearer %s ", text);
    assert_int_equal(check(&kit, "authorization", value), ACCESS_UNKNOWN);
    snprintf(value, sizeof value, "Bearer %s", text);
    assert_int_equal(show_two(&kit, "authorization", value, "x-api-key", text, &who),
                     ACCESS_UNKNOWN);
    assert_int_equal(show_two(&kit, "authorization", value, "authorization", value, &who),
                     ACCESS_UNKNOWN);
    for (size_t i = 0; text[i]; i++) { /* each character matters */
        char changed[API_KEY_TEXT_SIZE];
        memcpy(changed, text, sizeof changed);
        changed[i] = changed[i] == 'b' ? 'c' : 'b';
        assert_int_equal(check(&kit, "x-api-key", changed), ACCESS_UNKNOWN);
    }
    assert_int_equal(check_bearer(&kit, "eyJhbGciOiJub25lIn0.e30."),
                     ACCESS_UNKNOWN); /* no tokens here */
    end(&kit);
}

static void without_access_everybody_is_anonymous(void **state)
{
    struct kit kit = {.config.auth.is_off = true, .config.limits.k = 9};
    struct principal *who;
    begin(&kit, state);
    assert_int_equal(show(&kit, "", "", &who), ACCESS_OK);
    assert_string_equal(who->name, "anonymous");
    assert_int_equal(who->role, ROLE_ADMIN);
    assert_int_equal(who->limits.k, 9);
    assert_int_equal(check(&kit, "authorization", "Basic x"), ACCESS_OK);
    /* Others from now on, as those of keys; what runs has what it had. */
    lode_error error;
    struct principal *after;
    kit.config.limits.k = 11;
    assert_int_equal(access_reconfigure(kit.access, &kit.config, &error), LODE_OK);
    assert_int_equal(show(&kit, "", "", &after), ACCESS_OK);
    assert_int_equal(after->limits.k, 11);
    assert_int_equal(who->limits.k, 9);
    assert_true(access_is_valid(kit.access, who));
    kit.config.auth.is_off = false;
    assert_int_equal(access_reconfigure(kit.access, &kit.config, &error), LODE_OK);
    assert_false(access_is_valid(kit.access, who));
    principal_unref(kit.access, after);
    principal_unref(kit.access, who);
    end(&kit);
}

static void expiry_and_revocation_are_told_to_who_has_the_secret(void **state)
{
    struct kit kit = {.dir = NULL};
    struct api_key key = {.expires_us = (NOW_S + 10) * 1000000}, other = {.id = ""};
    char text[2][API_KEY_TEXT_SIZE], wrong[API_KEY_TEXT_SIZE];
    make_key(*state, "a", ROLE_READ, &key, text[0]);
    make_key(*state, "b", ROLE_READ, &other, text[1]);
    begin(&kit, state);
    memcpy(wrong, text[0], sizeof wrong);
    wrong[30] = wrong[30] == 'A' ? 'B' : 'A';
    assert_int_equal(check_bearer(&kit, text[0]), ACCESS_OK);
    atomic_store(&moved_us, 9999999);
    assert_int_equal(check_bearer(&kit, text[0]), ACCESS_OK);
    atomic_store(&moved_us, 10000000);
    assert_int_equal(check_bearer(&kit, text[0]), ACCESS_EXPIRED);
    assert_int_equal(check_bearer(&kit, wrong), ACCESS_UNKNOWN);
    assert_int_equal(api_keys_revoke(*state, other.id, NULL), LODE_OK);
    assert_int_equal(access_reload(kit.access, NULL), LODE_OK);
    assert_int_equal(check_bearer(&kit, text[1]), ACCESS_REVOKED);
    end(&kit);
}

static int is_valid(struct kit *kit, const struct principal *who)
{
    assert_int_equal(access_reload(kit->access, NULL), LODE_OK);
    return access_is_valid(kit->access, who);
}

/* However often the file was read since it began. */
static void what_runs_ends_with_its_key(void **state)
{
    struct kit kit = {.dir = NULL};
    struct api_key key[3] = {{.id = ""}};
    char text[3][API_KEY_TEXT_SIZE], again[API_KEY_TEXT_SIZE];
    struct principal *who[3];
    begin(&kit, state);
    for (size_t i = 0; i < 3; i++) {
        make_key(*state, (const char *[]){"revoked", "rotated", "overlapping"}[i], ROLE_READ,
                 &key[i], text[i]);
        assert_int_equal(access_reload(kit.access, NULL), LODE_OK);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(show(&kit, "x-api-key", text[i], &who[i]), ACCESS_OK);
        assert_true(is_valid(&kit, who[i]));
    }
    assert_int_equal(api_keys_revoke(*state, key[0].id, NULL), LODE_OK);
    assert_false(is_valid(&kit, who[0]));
    assert_int_equal(api_keys_rotate(*state, key[1].id, 0, again, NULL), LODE_OK);
    assert_false(is_valid(&kit, who[1]));
    assert_int_equal(api_keys_rotate(*state, key[2].id, (uint64_t)3600 * 1000000, again, NULL),
                     LODE_OK);
    assert_true(is_valid(&kit, who[2]));
    uint64_t until_us = clock_wall_us(&clock_system) + (uint64_t)3601 * 1000000;
    atomic_store(&moved_us, until_us - NOW_S * 1000000);
    assert_false(is_valid(&kit, who[2]));
    for (size_t i = 0; i < 3; i++)
        principal_unref(kit.access, who[i]);
    end(&kit);
}

/* --- Files that change -------------------------------------------------------------------------- */

static void the_file_of_keys_is_watched(void **state)
{
    struct kit kit = {.dir = NULL};
    struct api_key key = {.id = ""}, other = {.id = ""};
    char text[3][API_KEY_TEXT_SIZE];
    struct principal *who;
    begin(&kit, state); /* there is no file yet */
    make_key(*state, "a", ROLE_READ, &key, text[0]);
    wait_for(&kit, text[0], ACCESS_OK);
    assert_int_equal(show(&kit, "x-api-key", text[0], &who), ACCESS_OK);
    make_key(*state, "b", ROLE_READ, &other, text[1]);
    wait_for(&kit, text[1], ACCESS_OK);
    assert_int_equal(api_keys_revoke(*state, key.id, NULL), LODE_OK);
    wait_for(&kit, text[0], ACCESS_REVOKED);
    assert_string_equal(who->name, "a"); /* who was there stays as he was until he ends */
    principal_unref(kit.access, who);
    assert_int_equal(api_keys_rotate(*state, other.id, (uint64_t)1 << 50, text[2], NULL), LODE_OK);
    wait_for(&kit, text[2], ACCESS_OK);
    assert_int_equal(check_bearer(&kit, text[1]), ACCESS_OK);
    assert_true(atomic_load(&kit.reports) >= 4);

    /* What cannot be read leaves what was; and is told once. */
    assert_int_equal(atomic_load(&kit.faults), 0);
    char beside[PATH_SIZE_MAX];
    snprintf(beside, sizeof beside, "%s/beside", kit.dir);
    write_file(beside, "{", 1);
    assert_int_equal(chmod(beside, 0600), 0);
    assert_int_equal(rename(beside, kit.path), 0); /* at once: one change */
    for (int i = 0; i < 2000 && !atomic_load(&kit.faults); i++)
        usleep(5000);
    usleep(50000);
    assert_int_equal(atomic_load(&kit.faults), 1);
    assert_int_equal(check_bearer(&kit, text[2]), ACCESS_OK);
    lode_error error;
    assert_int_equal(access_reload(kit.access, &error), LODE_INVALID);
    assert_int_equal(unlink(kit.path), 0);
    assert_int_equal(access_reload(kit.access, &error), LODE_NOT_FOUND);
    assert_int_equal(check_bearer(&kit, text[2]), ACCESS_OK);
    end(&kit);
}

static void bad_files_are_refused_at_the_beginning(void **state)
{
    struct kit kit = {.dir = *state};
    const struct access_options options = {.clock = &test_clock, .poll_us = 5000};
    lode_error error;
    char path[PATH_SIZE_MAX];
    kit.config.data = kit.dir;
    snprintf(path, sizeof path, "%s/named", kit.dir);
    kit.config.auth.keys_file = path; /* named, so it must be there */
    assert_int_equal(access_new_with(&kit.config, &options, &kit.access, &error), LODE_NOT_FOUND);
    write_file(path, "{}", 2);
    assert_int_equal(access_new_with(&kit.config, &options, &kit.access, &error), LODE_INVALID);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(access_new_with(&kit.config, &options, &kit.access, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "format"));
    kit.config.auth.keys_file = NULL;
    kit.config.auth.jwt.is_on = true;
    assert_int_equal(access_new_with(&kit.config, &options, &kit.access, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "needs auth.jwt.issuer"));
    static char text[] = "x", url[] = "http://example.com/keys";
    kit.config.auth.jwt.issuer = kit.config.auth.jwt.audience = text;
    assert_int_equal(access_new_with(&kit.config, &options, &kit.access, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "need auth.jwt.jwks-file"));
    kit.config.auth.jwt.jwks_url = url;
    assert_int_equal(access_new_with(&kit.config, &options, &kit.access, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "https"));
}

/* --- Tokens ------------------------------------------------------------------------------------- */

static char *make_token(const char *subject, const char *role, uint64_t expires_s)
{
    char claims[512];
    const struct signer signer = {
        .algorithm = "HS256", .secret = SECRET, .secret_size = strlen(SECRET)};
    snprintf(claims, sizeof claims,
             "{\"iss\":\"me\",\"aud\":\"lode\",\"sub\":\"%s\",\"role\":\"%s\",\"exp\":%llu,"
             "\"namespaces\":[\"anna\"]}",
             subject, role, (unsigned long long)expires_s);
    return token_with(&signer, NULL, claims);
}

static void tokens_become_principals(void **state)
{
    struct kit kit = {.config.limits.requests_per_s = 3};
    struct principal *who, *again;
    char value[9000];
    uint64_t retry_ms;
    lode_error error;
    with_tokens(&kit, state);
    char *token = make_token("anna", "write", NOW_S + 60),
         *next = make_token("anna", "read", NOW_S + 90);
    snprintf(value, sizeof value, "Bearer %s", token);
    assert_int_equal(show(&kit, "authorization", value, &who), ACCESS_OK);
    assert_int_equal(show(&kit, "authorization", value, &again), ACCESS_OK);
    assert_ptr_equal(who, again); /* by the cache */
    assert_string_equal(who->name, "anna");
    assert_int_equal(strlen(who->id), 16);
    assert_int_equal(who->role, ROLE_WRITE);
    assert_string_equal(who->namespaces.items[0], "anna");
    principal_unref(kit.access, again);
    /* A subject's tokens share its quota: another token is no way around it. */
    snprintf(value, sizeof value, "Bearer %s", next);
    assert_int_equal(show(&kit, "authorization", value, &again), ACCESS_OK);
    assert_int_equal(principal_take(who, 0, test_now(NULL), &retry_ms, &error), ACCESS_OK);
    assert_int_equal(principal_take(again, 0, test_now(NULL), &retry_ms, &error), ACCESS_OK);
    assert_int_equal(principal_take(who, 0, test_now(NULL), &retry_ms, &error), ACCESS_OK);
    assert_int_equal(principal_take(again, 0, test_now(NULL), &retry_ms, &error), ACCESS_RATE);
    assert_int_equal(retry_ms, 334);
    principal_unref(kit.access, who);
    principal_unref(kit.access, again);
    /* What is remembered is not remembered for longer than it is valid. */
    atomic_store(&moved_us, 59999999);
    assert_int_equal(check_bearer(&kit, token), ACCESS_OK);
    atomic_store(&moved_us, 60000000);
    assert_int_equal(check_bearer(&kit, token), ACCESS_EXPIRED);
    assert_int_equal(check_bearer(&kit, next), ACCESS_OK);
    free(token);
    token = make_token("anna", "root", NOW_S + 600);
    assert_int_equal(check_bearer(&kit, token), ACCESS_ROLE);
    assert_int_equal(check_bearer(&kit, "a.b.c"), ACCESS_UNKNOWN);
    free(token);
    free(next);
    end(&kit);
}

/* A secret that was changed ends the tokens that it signed, remembered or not. */
static void a_changed_secret_ends_its_tokens(void **state)
{
    struct kit kit = {.dir = NULL};
    lode_error error;
    with_tokens(&kit, state);
    char *token = make_token("anna", "write", NOW_S + 60);
    assert_int_equal(check_bearer(&kit, token), ACCESS_OK);
    write_file(kit.secret_path, "short", 5);
    assert_int_equal(access_reload(kit.access, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "secret of 5 bytes"));
    assert_null(strstr(error.message, "short"));
    assert_int_equal(check_bearer(&kit, token), ACCESS_OK);
    write_file(kit.secret_path, "fedcba9876543210fedcba9876543210", 32);
    assert_int_equal(access_reload(kit.access, &error), LODE_OK);
    assert_int_equal(check_bearer(&kit, token), ACCESS_FORGED);
    free(token);
    end(&kit);
}

static void settings_can_be_others(void **state)
{
    struct kit kit = {.dir = NULL};
    lode_error error;
    with_tokens(&kit, state);
    char *token = make_token("anna", "write", NOW_S + 60);
    assert_int_equal(check_bearer(&kit, token), ACCESS_OK);
    static char other[] = "other", me[] = "me";
    kit.config.auth.jwt.issuer = other;
    assert_int_equal(access_reconfigure(kit.access, &kit.config, &error), LODE_OK);
    assert_int_equal(check_bearer(&kit, token), ACCESS_FORGED);
    kit.config.auth.jwt.issuer = me;
    assert_int_equal(access_reconfigure(kit.access, &kit.config, &error), LODE_OK);
    assert_int_equal(check_bearer(&kit, token), ACCESS_OK);
    kit.config.auth.jwt.audience = NULL;
    assert_int_equal(access_reconfigure(kit.access, &kit.config, &error), LODE_INVALID);
    assert_int_equal(check_bearer(&kit, token), ACCESS_OK); /* what was stays */
    kit.config.auth.is_off = true;
    kit.config.auth.jwt.is_on = false;
    assert_int_equal(access_reconfigure(kit.access, &kit.config, &error), LODE_OK);
    assert_int_equal(check(&kit, "", ""), ACCESS_OK);
    free(token);
    end(&kit);
}

/* Until it is told that there were too many: how many tokens that are none an address may show at once. */
static unsigned show_bad(struct kit *kit, const char *from)
{
    char bad[256];
    unsigned count = 0;
    enum access_fault fault;
    char *token = make_token("anna", "write", NOW_S + 60);
    snprintf(bad, sizeof bad, "%s", token);
    free(token);
    bad[strlen(bad) - 3] ^= 1;
    peer = from;
    while ((fault = check_bearer(kit, bad)) != ACCESS_RATE && count < 5000) {
        assert_int_equal(fault, ACCESS_FORGED);
        count++;
    }
    return count;
}

/* Who has many addresses is bounded too, and hinders none from which a good token came before. Zeros that a text of an address
 * leaves out make no more addresses of one network. */
static void bad_tokens_of_all_addresses_are_bounded(void **state)
{
    struct kit kit = {.path = ""};
    char address[64];
    unsigned all = 0;
    with_tokens(&kit, state);
    char *known = make_token("anna", "write", NOW_S + 600),
         *fresh = make_token("anna", "read", NOW_S + 600),
         *other = make_token("bert", "read", NOW_S + 600);
    peer = "192.0.2.7:1000";
    assert_int_equal(check_bearer(&kit, known), ACCESS_OK);
    assert_int_equal(show_bad(&kit, "[2001:db8::1]:1"), TOKEN_TRIES_BURST);
    assert_int_equal(show_bad(&kit, "[2001:db8::2:0:0:1]:1"), 0);
    assert_int_equal(show_bad(&kit, "[::ffff:198.51.100.1]:1"),
                     TOKEN_TRIES_ALL_BURST - TOKEN_TRIES_BURST);
    for (int i = 0; i < 250; i++) {
        snprintf(address, sizeof address, "203.0.113.%d:1", i);
        all += show_bad(&kit, address);
    }
    assert_int_equal(all, 0);
    peer = "192.0.2.7:1001";
    assert_int_equal(check_bearer(&kit, fresh), ACCESS_OK);
    peer = "192.0.2.9:1001";
    assert_int_equal(check_bearer(&kit, other), ACCESS_RATE);
    assert_int_equal(check_bearer(&kit, known), ACCESS_OK);
    atomic_fetch_add(&moved_us, 1000000);
    for (int i = 0; i < 250; i++) {
        snprintf(address, sizeof address, "203.0.113.%d:1", i);
        all += show_bad(&kit, address);
    }
    assert_int_equal(all, TOKEN_TRIES_ALL_PER_S);
    peer = NULL;
    free(known);
    free(fresh);
    free(other);
    end(&kit);
}

/* Signatures that are checked in vain are counted: of an address no more than that, whatever its port; others, and what was
 * verified before, are not touched by it; and it fills again. */
static void bad_tokens_of_an_address_are_bounded(void **state)
{
    struct kit kit = {.path = ""};
    uint64_t hits, misses;
    with_tokens(&kit, state);
    char *known = make_token("anna", "write", NOW_S + 600),
         *fresh = make_token("anna", "read", NOW_S + 600);
    peer = "192.0.2.7:1000";
    assert_int_equal(check_bearer(&kit, known), ACCESS_OK);
    assert_int_equal(show_bad(&kit, "192.0.2.7:1000"), TOKEN_TRIES_BURST);
    assert_int_equal(show_bad(&kit, "192.0.2.7:1001"), 0);
    assert_int_equal(check_bearer(&kit, known), ACCESS_OK);
    assert_int_equal(check_bearer(&kit, fresh), ACCESS_RATE);
    assert_int_equal(show_bad(&kit, "[2001:db8:1:2:3:4:5:6]:443"), TOKEN_TRIES_BURST);
    assert_int_equal(show_bad(&kit, "[2001:db8:1:2:ffff:1:2:3]:443"), 0);
    assert_true(show_bad(&kit, "[2001:db8:1:3:3:4:5:6]:443") > 0);
    atomic_fetch_add(&moved_us, 1000000);
    assert_int_equal(show_bad(&kit, "192.0.2.7:1002"), TOKEN_TRIES_PER_S);
    peer = "192.0.2.8:1";
    assert_int_equal(check_bearer(&kit, fresh), ACCESS_OK);
    access_token_counts(kit.access, &hits, &misses);
    assert_int_equal(hits, 1);
    assert_true(misses > TOKEN_TRIES_BURST);
    peer = NULL;
    free(known);
    free(fresh);
    end(&kit);
}

/* More tokens than the cache holds, and the oldest again. */
static void the_cache_is_bounded(void **state)
{
    struct kit kit = {.dir = NULL};
    char subject[32];
    with_tokens(&kit, state);
    for (unsigned i = 0; i < 2 * TOKEN_CACHE_MAX; i++) {
        snprintf(subject, sizeof subject, "%u", i);
        char *token = make_token(subject, "read", NOW_S + 60 + i);
        assert_int_equal(check_bearer(&kit, token), ACCESS_OK);
        free(token);
    }
    char *token = make_token("0", "read", NOW_S + 60);
    assert_int_equal(check_bearer(&kit, token), ACCESS_OK);
    free(token);
    end(&kit);
}

/* --- Scopes ------------------------------------------------------------------------------------- */

static char *some_collections[] = {(char *)"films", (char *)"book*"};
static char *every_name[] = {(char *)"*"};
static char *some_namespaces[] = {(char *)"anna", (char *)"b*"};

#define COLLECTIONS                                                                                \
    {                                                                                              \
        some_collections, 2                                                                        \
    }
#define NAMESPACES                                                                                 \
    {                                                                                              \
        some_namespaces, 2                                                                         \
    }

static const struct principal whos[] = {
    {.name = "reader", .role = ROLE_READ},
    {.name = "writer", .role = ROLE_WRITE},
    {.name = "admin", .role = ROLE_ADMIN},
    {.name = "some", .role = ROLE_ADMIN, .collections = COLLECTIONS},
    {.name = "tenant", .role = ROLE_ADMIN, .namespaces = NAMESPACES},
    {.name = "filtered", .role = ROLE_ADMIN, .filter = (char *)"a = 1"},
    {.name = "named", .role = ROLE_WRITE, .namespaces = {every_name, 1}},
    {.name = "both", .role = ROLE_WRITE, .collections = COLLECTIONS, .namespaces = NAMESPACES},
};

/* Columns: reader writer admin some tenant filtered named both.
 * . may; R its role is not enough; C collection; N namespace. */
static const struct {
    enum role needed;
    const char *collection, *namespace_, *wanted;
} scopes[] = {
    {ROLE_NONE, NULL, NULL, "........"},       {ROLE_NONE, "films", "x", "........"},
    {ROLE_READ, NULL, NULL, "........"}, /* the list of collections */
    {ROLE_WRITE, NULL, NULL, "R..CNNNC"},      {ROLE_ADMIN, NULL, NULL, "RR.CNNRR"},
    {ROLE_READ, "films", NULL, "....NNNN"}, /* schema and statistics */
    {ROLE_ADMIN, "films", NULL, "RR..NNRR"},   {ROLE_ADMIN, "other", NULL, "RR.CNNRR"},
    {ROLE_READ, "films", "", "....N.NN"},      {ROLE_READ, "film", "", "...CN.NC"},
    {ROLE_READ, "films2", "", "...CN.NC"},     {ROLE_READ, "book", "", "....N.NN"},
    {ROLE_READ, "books", "anna", "........"},  {ROLE_READ, "boo", "anna", "...C...C"},
    {ROLE_READ, "books", "ann", "....N..N"},   {ROLE_READ, "books", "annab", "....N..N"},
    {ROLE_READ, "books", "b", "........"},     {ROLE_READ, "books", "bob", "........"},
    {ROLE_READ, "books", "B", "....N..N"},     {ROLE_READ, "books", "*", "....N..N"},
    {ROLE_WRITE, "books", "anna", "R......."}, {ROLE_WRITE, "books", "carl", "R...N..N"},
    {ROLE_ADMIN, "books", "anna", "RR...NRR"}, /* dropping a namespace */
};

static void scopes_are_kept(void **state)
{
    (void)state;
    static const enum access_fault faults[] = {ACCESS_OK, ACCESS_ROLE, ACCESS_COLLECTION,
                                               ACCESS_NAMESPACE};
    for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++)
        for (size_t j = 0; j < sizeof whos / sizeof *whos; j++) {
            lode_error error = {.message = ""};
            enum access_fault wanted = faults[strchr(".RCN", scopes[i].wanted[j]) - ".RCN"];
            enum access_fault fault = principal_may(
                &whos[j], scopes[i].needed, scopes[i].collection, scopes[i].namespace_, &error);
            if (fault != wanted)
                fail_msg("row %zu, %s: %d, not %d: %s", i, whos[j].name, (int)fault, (int)wanted,
                         error.message);
            assert_true((fault == ACCESS_OK) == (error.message[0] == '\0'));
        }
    assert_true(principal_sees(&whos[3], "bookshop") && !principal_sees(&whos[3], "other"));
    assert_true(principal_sees(&whos[0], "other"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_are_found_in_heads, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(without_access_everybody_is_anonymous, dir_setup,
                                        dir_teardown),
        cmocka_unit_test_setup_teardown(expiry_and_revocation_are_told_to_who_has_the_secret,
                                        dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(what_runs_ends_with_its_key, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(the_file_of_keys_is_watched, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(bad_files_are_refused_at_the_beginning, dir_setup,
                                        dir_teardown),
        cmocka_unit_test_setup_teardown(tokens_become_principals, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(a_changed_secret_ends_its_tokens, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(settings_can_be_others, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(the_cache_is_bounded, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(bad_tokens_of_all_addresses_are_bounded, dir_setup,
                                        dir_teardown),
        cmocka_unit_test_setup_teardown(bad_tokens_of_an_address_are_bounded, dir_setup,
                                        dir_teardown),
        cmocka_unit_test(scopes_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
