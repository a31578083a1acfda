/* config_value.c: what a text says, into the field of a key, and back. */
#include "base/number.h"
#include "server/config_keys.h"
#include "server/config_strings.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_SIZE_MAX 4096u
#define SHOWN         "%.80s" /* of a value, in a message */

struct unit {
    const char *name;
    uint64_t factor;
};
static const struct unit time_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0},
};
static const struct unit size_units[] = {
    {"TiB", 1ull << 40}, {"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}, {NULL, 0},
};

/* --- Numbers ------------------------------------------------------------------------------------ */

/* The digits that a text begins with; what follows them is *ret_rest. */
static int parse_digits(const char *text, uint64_t *ret_number, const char **ret_rest)
{
    size_t digits = strspn(text, "0123456789");
    *ret_rest = text + digits;
    return number_parse_u64(text, digits, ret_number);
}

static int multiply(uint64_t number, uint64_t factor, uint64_t *ret_product)
{
    return factor != 0 && !__builtin_mul_overflow(number, factor, ret_product);
}

int config_parse_ms(const char *text, uint64_t *ret_ms)
{
    uint64_t number;
    const char *rest;
    if (!parse_digits(text, &number, &rest))
        return 0;
    const struct unit *unit = time_units;
    while (unit->name && strcmp(unit->name, rest) != 0)
        unit++;
    /* Zero alone needs no unit. */
    return multiply(number, number == 0 && *rest == '\0' ? 1 : unit->factor, ret_ms);
}

/* K, M, G, T of thousands, with an i of 1024; B may follow. 0: no such unit. */
static uint64_t size_factor(const char *unit)
{
    static const char letters[] = "KMGT";
    const char *letter = *unit ? strchr(letters, toupper((unsigned char)*unit)) : NULL;
    if (!letter)
        return *unit == '\0' || strcmp(unit, "B") == 0;
    int is_binary = unit[1] == 'i';
    const char *rest = unit + 1 + is_binary;
    if (*rest != '\0' && strcmp(rest, "B") != 0)
        return 0;
    uint64_t factor = 1;
    for (const char *c = letters; c <= letter; c++)
        factor *= is_binary ? 1024 : 1000;
    return factor;
}

int config_parse_bytes(const char *text, uint64_t *ret_bytes)
{
    uint64_t number;
    const char *rest;
    return parse_digits(text, &number, &rest) && multiply(number, size_factor(rest), ret_bytes);
}

/* In the largest unit that divides it. */
static void amount_text(uint64_t amount, const struct unit *units, char text[CONFIG_AMOUNT_MAX])
{
    while (units->name && (amount == 0 || amount % units->factor != 0))
        units++;
    uint64_t factor = units->name ? units->factor : 1;
    snprintf(text, CONFIG_AMOUNT_MAX, "%llu%s", (unsigned long long)(amount / factor),
             units->name ? units->name : "");
}

void config_ms_text(uint64_t ms, char text[CONFIG_AMOUNT_MAX])
{
    amount_text(ms, time_units, text);
}

void config_bytes_text(uint64_t bytes, char text[CONFIG_AMOUNT_MAX])
{
    amount_text(bytes, size_units, text);
}

static int parse_share(const char *text, double *ret_share)
{
    size_t size = strlen(text);
    double share;
    if (size == 0 || number_parse_f64(text, size, &share) != size || !(share >= 0 && share <= 1))
        return 0;
    *ret_share = share;
    return 1;
}

static int parse_yes(const char *text, bool *ret_yes)
{
    static const char *const words[] = {"yes", "no", "true", "false", "on", "off"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i]) == 0) {
            *ret_yes = i % 2 == 0;
            return 1;
        }
    return 0;
}

static int is_choice(const struct config_key *key, const char *text)
{
    const char *const *choice = key->choices;
    while (*choice && strcmp(*choice, text) != 0)
        choice++;
    return *choice != NULL;
}

/* --- What would have been right ------------------------------------------------------------------ */

static void number_text(const struct config_key *key, uint64_t number, char text[CONFIG_AMOUNT_MAX])
{
    switch (key->kind) {
    case CONFIG_BYTES: config_bytes_text(number, text); break;
    case CONFIG_MS: config_ms_text(number, text); break;
    case CONFIG_S: config_ms_text(number * 1000, text); break;
    default: snprintf(text, CONFIG_AMOUNT_MAX, "%llu", (unsigned long long)number); break;
    }
}

static void wanted_number(const struct config_key *key, char text[CONFIG_WANTED_MAX])
{
    char min[CONFIG_AMOUNT_MAX], max[CONFIG_AMOUNT_MAX];
    const char *what = key->kind == CONFIG_BYTES ? "a size"
                       : key->kind == CONFIG_MS  ? "a time in ms, s, m, h or d"
                       : key->kind == CONFIG_S   ? "a time in s, m, h or d"
                                                 : "a whole number";
    number_text(key, key->min, min);
    number_text(key, key->max, max);
    snprintf(text, CONFIG_WANTED_MAX, "%s from %s to %s", what, min, max);
}

static void wanted_choice(const struct config_key *key, char text[CONFIG_WANTED_MAX])
{
    size_t size = (size_t)snprintf(text, CONFIG_WANTED_MAX, "%s",
                                   key->kind == CONFIG_CHOICE ? "one of " : "some of ");
    for (const char *const *choice = key->choices; *choice && size < CONFIG_WANTED_MAX; choice++)
        size += (size_t)snprintf(text + size, CONFIG_WANTED_MAX - size, "%s%s",
                                 choice == key->choices ? "" : ", ", *choice);
}

void config_wanted(const struct config_key *key, char text[CONFIG_WANTED_MAX])
{
    switch (key->kind) {
    case CONFIG_TEXT: snprintf(text, CONFIG_WANTED_MAX, "a text"); break;
    case CONFIG_TEXTS: snprintf(text, CONFIG_WANTED_MAX, "a list of texts"); break;
    case CONFIG_YES:
    case CONFIG_NO: snprintf(text, CONFIG_WANTED_MAX, "yes or no"); break;
    case CONFIG_SHARE: snprintf(text, CONFIG_WANTED_MAX, "a number from 0 to 1"); break;
    case CONFIG_CHOICE:
    case CONFIG_CHOICES: wanted_choice(key, text); break;
    default: wanted_number(key, text); break;
    }
}

static lode_status refuse(const struct config_key *key, const char *text, lode_error *error)
{
    char wanted[CONFIG_WANTED_MAX];
    config_wanted(key, wanted);
    return error_set(error, LODE_INVALID, "%s is '" SHOWN "', and takes %s", key->path, text,
                     wanted);
}

/* --- Setting -------------------------------------------------------------------------------------- */

static void *field_of(struct config *config, const struct config_key *key)
{
    return (uint8_t *)config + key->offset;
}

static const void *field_in(const struct config *config, const struct config_key *key)
{
    return (const uint8_t *)config + key->offset;
}

/* Texts become paths, headers and lines of logs: no control characters. */
static lode_status check_text(const struct config_key *key, const char *text, lode_error *error)
{
    size_t size = strlen(text);
    if (size > TEXT_SIZE_MAX)
        return error_set(error, LODE_INVALID, "%s has %zu bytes; at most %u", key->path, size,
                         TEXT_SIZE_MAX);
    for (const char *c = text; *c; c++)
        if (iscntrl((unsigned char)*c))
            return error_set(error, LODE_INVALID, "%s has a control character (byte %d)", key->path,
                             (int)(c - text));
    return LODE_OK;
}

static lode_status put_text(char **field, const struct config_key *key, const char *text,
                            lode_error *error)
{
    char *copy = NULL;
    lode_status status = check_text(key, text, error);
    if (status)
        return status;
    if (key->kind == CONFIG_CHOICE && *text && !is_choice(key, text))
        return refuse(key, text, error);
    if (*text && !(copy = strdup(text)))
        return error_nomem(error, key->path, strlen(text));
    free(*field);
    *field = copy;
    return LODE_OK;
}

static lode_status put_texts(struct config_strings *field, const struct config_key *key,
                             const char *const *texts, size_t count, lode_error *error)
{
    struct config_strings strings = {NULL, 0};
    lode_status status = LODE_OK;
    if (count > CONFIG_ITEMS_MAX)
        return error_set(error, LODE_INVALID, "%s has %zu values; at most %u", key->path, count,
                         CONFIG_ITEMS_MAX);
    for (size_t i = 0; !status && i < count; i++) {
        status = check_text(key, texts[i], error);
        if (!status && (!*texts[i] || (key->choices && !is_choice(key, texts[i]))))
            status = refuse(key, texts[i], error);
        if (!status)
            status = config_strings_add(&strings, texts[i], error);
    }
    if (status) {
        config_strings_release(&strings);
        return status;
    }
    config_strings_release(field);
    *field = strings;
    return LODE_OK;
}

static lode_status put_number(void *field, const struct config_key *key, const char *text,
                              lode_error *error)
{
    uint64_t number = 0;
    int is_time = key->kind == CONFIG_MS || key->kind == CONFIG_S;
    int is_read = is_time                     ? config_parse_ms(text, &number)
                  : key->kind == CONFIG_BYTES ? config_parse_bytes(text, &number)
                                              : number_parse_u64(text, strlen(text), &number);
    if (is_read && key->kind == CONFIG_S) {
        is_read = number % 1000 == 0;
        number /= 1000;
    }
    if (!is_read || number < key->min || number > key->max)
        return refuse(key, text, error);
    if (key->kind == CONFIG_UNSIGNED)
        *(unsigned *)field = (unsigned)number;
    else
        *(uint64_t *)field = number;
    return LODE_OK;
}

static lode_status put_yes(bool *field, const struct config_key *key, const char *text,
                           lode_error *error)
{
    bool yes;
    if (!parse_yes(text, &yes))
        return refuse(key, text, error);
    *field = key->kind == CONFIG_NO ? !yes : yes;
    return LODE_OK;
}

static lode_status put(struct config *config, const struct config_key *key, const char *text,
                       lode_error *error)
{
    void *field = field_of(config, key);
    switch (key->kind) {
    case CONFIG_TEXT:
    case CONFIG_CHOICE: return put_text(field, key, text, error);
    case CONFIG_YES:
    case CONFIG_NO: return put_yes(field, key, text, error);
    case CONFIG_SHARE: return parse_share(text, field) ? LODE_OK : refuse(key, text, error);
    default: return put_number(field, key, text, error);
    }
}

static int takes_several(const struct config_key *key)
{
    return key->kind == CONFIG_TEXTS || key->kind == CONFIG_CHOICES;
}

lode_status config_put_all(struct config *config, size_t i, const char *const *texts, size_t count,
                           enum config_origin origin, lode_error *error)
{
    size_t key_count;
    const struct config_key *key = &config_keys(&key_count)[i];
    INVARIANT(i < key_count && (takes_several(key) || count == 1));
    lode_status status = takes_several(key)
                             ? put_texts(field_of(config, key), key, texts, count, error)
                             : put(config, key, texts[0], error);
    if (!status)
        config->origins[i] = (uint8_t)origin;
    return status;
}

lode_status config_put(struct config *config, size_t i, const char *text, enum config_origin origin,
                       lode_error *error)
{
    size_t key_count;
    const struct config_key *key = &config_keys(&key_count)[i];
    struct config_strings cut = {NULL, 0};
    if (!takes_several(key))
        return config_put_all(config, i, &text, 1, origin, error);
    lode_status status = config_strings_cut(&cut, text, error);
    if (!status)
        status =
            config_put_all(config, i, (const char *const *)cut.items, cut.count, origin, error);
    config_strings_release(&cut);
    return status;
}

/* --- Reading back ------------------------------------------------------------------------------ */

static uint64_t number_of(const struct config *config, const struct config_key *key)
{
    const void *field = field_in(config, key);
    return key->kind == CONFIG_UNSIGNED ? *(const unsigned *)field : *(const uint64_t *)field;
}

static int is_number(const struct config_key *key)
{
    return key->kind == CONFIG_UNSIGNED || key->kind == CONFIG_COUNT || key->kind == CONFIG_BYTES ||
           key->kind == CONFIG_MS || key->kind == CONFIG_S;
}

lode_status config_check_range(const struct config *config, size_t i, lode_error *error)
{
    size_t count;
    const struct config_key *key = &config_keys(&count)[i];
    char text[CONFIG_AMOUNT_MAX];
    if (!is_number(key))
        return LODE_OK;
    uint64_t number = number_of(config, key);
    if (number >= key->min && number <= key->max)
        return LODE_OK;
    number_text(key, number, text);
    return refuse(key, text, error);
}

static lode_status format_texts(const struct config_strings *strings, struct buf *out,
                                lode_error *error)
{
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < strings->count; i++)
        status = buf_printf(out, error, "%s%s", i ? "," : "", strings->items[i]);
    return status;
}

lode_status config_format(const struct config *config, size_t i, struct buf *out, lode_error *error)
{
    size_t count;
    const struct config_key *key = &config_keys(&count)[i];
    const void *field = field_in(config, key);
    char text[CONFIG_AMOUNT_MAX];
    switch (key->kind) {
    case CONFIG_TEXT:
    case CONFIG_CHOICE: {
        const char *value = *(char *const *)field;
        return value ? buf_append(out, value, strlen(value), error) : LODE_OK;
    }
    case CONFIG_TEXTS:
    case CONFIG_CHOICES: return format_texts(field, out, error);
    case CONFIG_YES: return buf_printf(out, error, "%s", *(const bool *)field ? "yes" : "no");
    case CONFIG_NO: return buf_printf(out, error, "%s", *(const bool *)field ? "no" : "yes");
    case CONFIG_SHARE:
        return buf_append(out, text, number_format_f64(*(const double *)field, text), error);
    default: break;
    }
    number_text(key, number_of(config, key), text);
    return buf_append(out, text, strlen(text), error);
}
