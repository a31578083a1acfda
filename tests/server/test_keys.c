/* API keys: their form, their file damaged in every way, and the changes that commands make of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/clock.h"
#include "server/keys.h"
#include "server/test_access_kit.h"

#define HASH  "f1a9987cf635d5312fcfa0a5cdb6895dfb121c61def8c7f09b10e083ac9319fe"
#define BEGIN "{\"format\":1,\"keys\":["
#define KEY_WITH(id, name, role, more)                                                             \
    "{\"id\":\"" id "\",\"name\":\"" name "\",\"role\":\"" role                                    \
    "\",\"created\":\"2026-02-28T12:00:00Z\",\"hash\":\"" HASH "\"" more "}"
#define KEY(more) KEY_WITH("0123456789ab", "a", "read", more)

/* --- Reading ------------------------------------------------------------------------------------ */

static const struct {
    const char *text, *said; /* a part of the message; NULL: it is good */
} documents[] = {
    {BEGIN "]}", NULL},
    {BEGIN KEY("") "]}", NULL},
    {BEGIN KEY(",\"collections\":[\"a\",\"b*\"],\"namespaces\":[\"n\"],\"filter\":\"x = 1\"") "]}",
     NULL},
    {BEGIN KEY(",\"filter\":{\"lang\":\"en\"},\"limits\":{\"k\":7,\"points\":10000}") "]}", NULL},
    {BEGIN KEY(",\"expires\":\"2027-01-01T00:00:00Z\",\"revoked\":\"2026-03-01T00:00:00.5Z\"") "]}",
     NULL},
    {BEGIN KEY(",\"previous\":{\"hash\":\"" HASH "\",\"until\":\"2027-01-01T00:00:00Z\"}") "]}",
     NULL},
    {"", "not JSON"},
    {"[]", "not an object"},
    {"{}", "format: missing"},
    {"{\"format\":\"1\",\"keys\":[]}", "format: not a whole number"},
    {"{\"format\":2,\"keys\":[]}", "format 2: this Lode reads 1"},
    {"{\"format\":1}", "keys: not an array"},
    {"{\"format\":1,\"keys\":{}}", "keys: not an array"},
    {"{\"format\":1,\"keys\":[],\"more\":1}", "unknown member 'more'"},
    {"{\"format\":1,\"keys\":[],\"keys\":[]}", "a key twice"},
    {BEGIN "]} ", NULL},
    {BEGIN "]}x", "not JSON"},
    {BEGIN "1]}", "keys[0]: not an object"},
    {BEGIN "{}]}", "keys[0]: id: 12 hexadecimal"},
    {BEGIN KEY_WITH("0123456789aB", "a", "read", "") "]}", "id: 12 hexadecimal"},
    {BEGIN KEY_WITH("0123456789a", "a", "read", "") "]}", "id: 12 hexadecimal"},
    {BEGIN KEY_WITH("0123456789ab", "", "read", "") "]}", "name of 0 bytes"},
    {BEGIN KEY_WITH("0123456789ab", "a\\n", "read", "") "]}", "control character"},
    {BEGIN KEY_WITH("0123456789ab", "a\\u0000b", "read", "") "]}", "not JSON"},
    {BEGIN KEY_WITH("0123456789ab", "a", "root", "") "]}",
     "keys[0] (id 0123456789ab): role 'root': one of read, write, admin"},
    {BEGIN KEY_WITH("0123456789ab", "a", "none", "") "]}", "role 'none'"},
    {BEGIN KEY_WITH("0123456789ab", "a", "", "") "]}", "role ''"},
    {BEGIN KEY("") "," KEY("") "]}", "keys[1] (id 0123456789ab): a key before it has that id"},
    {BEGIN KEY(",\"secret\":\"s\"") "]}", "unknown member 'secret'"},
    {BEGIN KEY(",\"name\":\"b\"") "]}", "a key twice"},
    {BEGIN KEY(",\"collections\":[]") "]}", "collections: not an array of at least one"},
    {BEGIN KEY(",\"collections\":[1]") "]}", "collections: not an array of strings"},
    {BEGIN KEY(",\"collections\":[\"\"]") "]}", "collections[0] '': it has 1 to 128 bytes"},
    {BEGIN KEY(",\"collections\":[\"a*b\"]") "]}", "* stands at its end only"},
    {BEGIN KEY(",\"namespaces\":null") "]}", "namespaces: not an array"},
    {BEGIN KEY(",\"namespaces\":[\"a,b\"]") "]}", "no commas"},
    {BEGIN KEY(",\"filter\":\"\"") "]}", "filter of 0 bytes"},
    {BEGIN KEY(",\"filter\":7") "]}", "filter: neither"},
    {BEGIN KEY(",\"limits\":[]") "]}", "limits: not an object"},
    {BEGIN KEY(",\"limits\":{\"k\":0}") "]}", "limits: k: not a whole number from 1 to 16384"},
    {BEGIN KEY(",\"limits\":{\"k\":-1}") "]}", "limits: k"},
    {BEGIN KEY(",\"limits\":{\"k\":1.5}") "]}", "limits: k"},
    {BEGIN KEY(",\"limits\":{\"k\":16385}") "]}", "limits: k"},
    {BEGIN KEY(",\"limits\":{\"rate\":1}") "]}", "limits: unknown member 'rate'"},
    {BEGIN KEY(",\"expires\":\"2027-01-01\"") "]}", "expires '2027-01-01': not a date and time"},
    {BEGIN KEY(",\"expires\":\"1969-01-01T00:00:00Z\"") "]}", "expires"},
    {BEGIN KEY(",\"revoked\":true") "]}", "revoked: not a string"},
    {BEGIN KEY(",\"previous\":{}") "]}", "previous: hash: 64"},
    {BEGIN KEY(",\"previous\":{\"hash\":\"" HASH "\"}") "]}", "previous: until: missing"},
    {BEGIN "{\"id\":\"0123456789ab\",\"name\":\"a\",\"role\":\"read\",\"hash\":\"" HASH "\"}]}",
     "created: missing"},
    {BEGIN "{\"id\":\"0123456789ab\",\"name\":\"a\",\"role\":\"read\",\"created\":"
           "\"2026-02-28T12:00:00Z\"}]}",
     "hash: 64"},
    {BEGIN "{\"id\":\"0123456789ab\",\"name\":\"a\",\"role\":\"read\",\"created\":"
           "\"2026-02-28T12:00:00Z\",\"hash\":\"g1a9987cf635d5312fcfa0a5cdb6895dfb121c61def8c7f09b1"
           "0e083ac9319fe\"}]}",
     "hash: not 64 hexadecimal"},
};

static void documents_are_checked(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        struct api_keys keys = {.items = NULL};
        lode_error error = {.status = LODE_OK};
        lode_status status =
            api_keys_decode(documents[i].text, strlen(documents[i].text), &keys, &error);
        if (!documents[i].said && status)
            fail_msg("%s: %s", documents[i].text, error.message);
        if (documents[i].said && (!status || !strstr(error.message, documents[i].said)))
            fail_msg("%s: '%s', not '%s'", documents[i].text, error.message, documents[i].said);
        api_keys_release(&keys);
    }
}

/* Whatever is cut off or changed: no crash, and what is taken is whole. */
static void damage_is_survived(void **state)
{
    (void)state;
    static const char good[] =
        BEGIN KEY(",\"collections\":[\"a\",\"b*\"],\"limits\":{\"k\":7}") "]}";
    for (size_t i = 0; i < sizeof good - 1; i++) {
        struct api_keys keys = {.items = NULL};
        lode_error error;
        assert_int_not_equal(api_keys_decode(good, i, &keys, &error), LODE_OK);
        for (unsigned bit = 0; bit < 8; bit++) {
            char changed[sizeof good];
            memcpy(changed, good, sizeof good);
            changed[i] = (char)(changed[i] ^ (1 << bit));
            if (api_keys_decode(changed, sizeof good - 1, &keys, &error) == LODE_OK) {
                assert_int_equal(keys.count, 1);
                assert_int_not_equal(keys.items[0].grant.role, ROLE_NONE);
                assert_int_equal(keys.items[0].grant.collections.count, 2);
            }
            api_keys_release(&keys);
        }
    }
}

/* --- Form --------------------------------------------------------------------------------------- */

#define SECRET "IWT39p9E2eRVSXa63_D3sCvzdOLfieWfw9hTsHu4leA"

static void forms_are_checked(void **state)
{
    (void)state;
    char id[API_KEY_ID_SIZE + 1];
    uint8_t hash[SHA256_SIZE], wanted[SHA256_SIZE];
    static const char *const bad[] = {
        "",
        "lode_",
        "lode_0123456789ab_",
        "lode_0123456789ab_" SECRET "A",
        "lode_0123456789ab_IWT39p9E2eRVSXa63_D3sCvzdOLfieWfw9hTsHu4le",
        "lode_0123456789aB_" SECRET,
        "lode_0123456789a__" SECRET,
        "lode-0123456789ab_" SECRET,
        "lode_0123456789ab-" SECRET,
        "lode_../../../etc_" SECRET,
    };
    static const char good[] = "lode_0123456789ab_" SECRET;
    assert_int_equal(api_key_read(good, strlen(good), id, hash), 1);
    assert_string_equal(id, "0123456789ab");
    assert_int_equal(sha256_of(SECRET, strlen(SECRET), wanted, NULL), LODE_OK);
    assert_memory_equal(hash, wanted, SHA256_SIZE);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(api_key_read(bad[i], strlen(bad[i]), id, hash), 0);
}

/* --- Changes ------------------------------------------------------------------------------------ */

static struct api_key key_named(const char *name, enum role role)
{
    struct api_key key = {.grant.role = role};
    snprintf(key.name, sizeof key.name, "%s", name);
    return key;
}

static void read_keys(const char *dir, struct api_keys *keys)
{
    char path[4096];
    lode_error error = {.message = ""};
    assert_int_equal(api_keys_path(dir, path, &error), LODE_OK);
    if (api_keys_read(path, keys, &error))
        fail_msg("%s", error.message);
}

static int accepts(const struct api_keys *keys, const char *text, uint64_t now_us)
{
    char id[API_KEY_ID_SIZE + 1];
    uint8_t hash[SHA256_SIZE];
    assert_int_equal(api_key_read(text, strlen(text), id, hash), 1);
    const struct api_key *key = api_keys_find(keys, id);
    return key && api_key_accepts(key, hash, now_us);
}

static void changes_are_kept(void **state)
{
    const char *dir = *state;
    char text[3][API_KEY_TEXT_SIZE];
    lode_error error;
    struct api_keys keys;
    struct stat info;
    char path[4096];
    struct api_key key = key_named("search", ROLE_READ);
    assert_int_equal(grant_add_pattern(&key.grant.collections, "collections", "films*", 6, NULL),
                     LODE_OK);
    assert_int_equal(grant_set_filter(&key.grant, "year > 1990", 11, NULL), LODE_OK);
    key.grant.limits.k = 5;
    key.expires_us = (uint64_t)2000000000 * 1000000;
    assert_int_equal(api_keys_create(dir, &key, text[0], &error), LODE_OK);
    struct api_key again = key_named("search", ROLE_READ);
    assert_int_equal(api_keys_create(dir, &again, text[1], &error), LODE_EXISTS);
    struct api_key other = key_named("other", ROLE_ADMIN);
    assert_int_equal(api_keys_create(dir, &other, text[1], &error), LODE_OK);
    assert_string_not_equal(text[0], text[1]);

    read_keys(dir, &keys);
    assert_int_equal(keys.count, 2);
    const struct api_key *found = api_keys_find(&keys, key.id);
    assert_string_equal(found->name, "search");
    assert_int_equal(found->grant.role, ROLE_READ);
    assert_string_equal(found->grant.collections.items[0], "films*");
    assert_string_equal(found->grant.filter, "year > 1990");
    assert_int_equal(found->grant.limits.k, 5);
    assert_true(found->expires_us == key.expires_us && found->created_us > 0);
    assert_true(accepts(&keys, text[0], 0) && accepts(&keys, text[1], 0));
    text[1][API_KEY_TEXT_SIZE - 2] ^= 1;
    assert_false(accepts(&keys, text[1], 0));
    api_keys_release(&keys);

    assert_int_equal(api_keys_path(dir, path, &error), LODE_OK);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    FILE *file = fopen(path, "r");
    char all[4096];
    all[fread(all, 1, sizeof all - 1, file)] = 0;
    fclose(file);
    assert_null(strstr(all, text[0] + 18)); /* the secret */

    uint64_t now = clock_wall_us(&clock_system);
    assert_int_equal(api_keys_rotate(dir, key.id, 3600000000u, text[2], &error), LODE_OK);
    read_keys(dir, &keys);
    assert_true(accepts(&keys, text[2], now) && accepts(&keys, text[0], now + 3599000000u));
    assert_false(accepts(&keys, text[0], now + 3700000000u));
    api_keys_release(&keys);
    assert_int_equal(api_keys_rotate(dir, key.id, 0, text[1], &error), LODE_OK);
    read_keys(dir, &keys);
    assert_false(accepts(&keys, text[2], now) || accepts(&keys, text[0], now));
    assert_true(accepts(&keys, text[1], now));
    api_keys_release(&keys);

    assert_int_equal(api_keys_revoke(dir, key.id, &error), LODE_OK);
    assert_int_equal(api_keys_revoke(dir, "0123456789ab", &error), LODE_NOT_FOUND);
    assert_int_equal(api_keys_rotate(dir, key.id, 0, text[0], &error), LODE_INVALID);
    read_keys(dir, &keys);
    uint64_t revoked_us = api_keys_find(&keys, key.id)->revoked_us;
    assert_true(revoked_us >= now - 1000000);
    api_keys_release(&keys);
    /* Its name is free again. */
    struct api_key next = key_named("search", ROLE_READ);
    assert_int_equal(api_keys_create(dir, &next, text[0], &error), LODE_OK);
}

static void what_could_not_be_read_is_not_written(void **state)
{
    const char *dir = *state;
    char text[API_KEY_TEXT_SIZE];
    struct api_keys keys;
    lode_error error;
    struct api_key good = key_named("good", ROLE_READ), bad = key_named("a\nb", ROLE_READ);
    assert_int_equal(api_keys_create(dir, &good, text, &error), LODE_OK);
    assert_int_equal(api_keys_create(dir, &bad, text, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "control character"));
    read_keys(dir, &keys);
    assert_int_equal(keys.count, 1);
    api_keys_release(&keys);
}

static void modes_are_checked(void **state)
{
    const char *dir = *state;
    char text[API_KEY_TEXT_SIZE], path[4096];
    struct api_keys keys;
    lode_error error;
    struct api_key key = key_named("a", ROLE_READ);
    assert_int_equal(api_keys_path(dir, path, &error), LODE_OK);
    assert_int_equal(api_keys_read(path, &keys, &error), LODE_NOT_FOUND);
    assert_int_equal(api_keys_create(dir, &key, text, &error), LODE_OK);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(api_keys_read(path, &keys, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "chmod 600"));
    assert_int_equal(api_keys_revoke(dir, key.id, &error),
                     LODE_INVALID); /* nothing is lost by it */
    assert_int_equal(chmod(path, 0600), 0);
    read_keys(dir, &keys);
    assert_int_equal(keys.count, 1);
    assert_true(keys.items[0].revoked_us == 0);
    api_keys_release(&keys);
}

/* What root makes belongs to who owns the directory. */
static void root_gives_away(void **state)
{
    const char *dir = *state;
    static const char *const names[] = {"server", "server/keys", "server/keys.lock"};
    char text[API_KEY_TEXT_SIZE], path[4096];
    struct stat info;
    lode_error error;
    struct api_key key = key_named("a", ROLE_READ);
    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(dir, 12345, 54321), 0);
    assert_int_equal(api_keys_create(dir, &key, text, &error), LODE_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_uid, 12345);
        assert_int_equal(info.st_gid, 54321);
    }
    /* And root goes on with it. */
    struct api_key other = key_named("b", ROLE_READ);
    assert_int_equal(api_keys_create(dir, &other, text, &error), LODE_OK);
    assert_int_equal(api_keys_revoke(dir, key.id, &error), LODE_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_are_checked),
        cmocka_unit_test(damage_is_survived),
        cmocka_unit_test(forms_are_checked),
        cmocka_unit_test_setup_teardown(changes_are_kept, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(what_could_not_be_read_is_not_written, dir_setup,
                                        dir_teardown),
        cmocka_unit_test_setup_teardown(modes_are_checked, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(root_gives_away, dir_setup, dir_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
