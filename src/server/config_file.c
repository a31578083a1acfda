/* config_file.c: settings from a YAML file, by libcyaml. Its schema is made from the table of keys: every value is a text
 * or a list of texts, which config_value.c reads, so that a wrong value is refused in the same words as one from a flag.
 *
 * libcyaml tells lines only in the log of a failed load, and of a key that it does not know the line where the section
 * begins. So the file is loaded once more with a schema that has that key but refuses all its values: the log has the
 * line then. The same tells the line of a value that libcyaml took and config_value.c refuses. */
#include "os/private_file.h"
#include "os/vfs.h"
#include "server/config_keys.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_SIZE_MAX 1048576u /* a hand-written file has a hundredth of it */
#define NAME_SIZE_MAX 32
#define DEPTH_MAX     4 /* sections around a key, and one more */
#define REFUSE_ALL    UINT32_MAX

/* What libcyaml loads of one key; by its kind the text or the items. */
struct slot {
    char *text;
    char **items;
    size_t count;
};

struct schema {
    cyaml_schema_value_t root, item, refused_item;
    cyaml_schema_field_t fields[3 * CONFIG_KEYS_MAX];
    size_t field_count;
    char names[CONFIG_KEYS_MAX][NAME_SIZE_MAX]; /* of sections */
    size_t name_count;
    /* What only exists to be refused: */
    size_t refused;      /* a key of the table; SIZE_MAX: none */
    const char *section; /* "http.": where `unknown` is; "": outside of sections */
    const char *unknown; /* a key that the table does not have; NULL: none */
};

/* What libcyaml says while it loads. */
struct account {
    char fault[160];                       /* the first complaint */
    char fields[DEPTH_MAX][NAME_SIZE_MAX]; /* where, the innermost first */
    size_t field_count;
    unsigned line; /* 0: it said none */
};

/* --- The schema -------------------------------------------------------------------------------- */

static cyaml_schema_value_t text_value(const struct schema *schema, size_t key)
{
    return (cyaml_schema_value_t){
        .type = CYAML_STRING,
        .flags = (enum cyaml_flag)(CYAML_FLAG_POINTER_NULL_STR | CYAML_FLAG_OPTIONAL),
        .data_size = sizeof(char),
        .string = {.min = key == schema->refused ? REFUSE_ALL : 0, .max = CYAML_UNLIMITED}};
}

static cyaml_schema_value_t list_value(const struct schema *schema, size_t key)
{
    return (cyaml_schema_value_t){
        .type = CYAML_SEQUENCE,
        .flags = (enum cyaml_flag)(CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL),
        .data_size = sizeof(char *),
        .sequence = {.entry = key == schema->refused ? &schema->refused_item : &schema->item,
                     .min = 0,
                     .max = CONFIG_ITEMS_MAX}};
}

static cyaml_schema_field_t leaf(const struct schema *schema, size_t key, const char *name)
{
    size_t count;
    enum config_kind kind = config_keys(&count)[key].kind;
    size_t offset = key * sizeof(struct slot);
    if (kind != CONFIG_TEXTS && kind != CONFIG_CHOICES)
        return (cyaml_schema_field_t){.key = name,
                                      .data_offset =
                                          (uint32_t)(offset + offsetof(struct slot, text)),
                                      .value = text_value(schema, key)};
    return (cyaml_schema_field_t){.key = name,
                                  .data_offset = (uint32_t)(offset + offsetof(struct slot, items)),
                                  .count_offset = (uint32_t)(offset + offsetof(struct slot, count)),
                                  .count_size = sizeof(size_t),
                                  .value = list_value(schema, key)};
}

/* All slots stand side by side, so that every section is at the beginning of the same struct. The last is that of the
 * unknown key. */
static cyaml_schema_value_t section_value(const cyaml_schema_field_t *fields, int flags)
{
    size_t count;
    (void)config_keys(&count);
    return (cyaml_schema_value_t){.type = CYAML_MAPPING,
                                  .flags = (enum cyaml_flag)flags,
                                  .data_size = (uint32_t)((count + 1) * sizeof(struct slot)),
                                  .mapping = {.fields = fields}};
}

/* The first key behind `key` that is not in the section that its name has at `prefix_size`; the next key, if it has none
 * there. *ret_name_size: of the section's or the key's own name. */
static size_t group_end(size_t key, size_t prefix_size, size_t *ret_name_size)
{
    size_t count, end = key + 1;
    const struct config_key *keys = config_keys(&count);
    const char *path = keys[key].path;
    size_t size = strcspn(path + prefix_size, ".");
    *ret_name_size = size;
    while (path[prefix_size + size] && end < count &&
           strncmp(keys[end].path, path, prefix_size + size + 1) == 0)
        end++;
    return end;
}

/* The fields of keys [begin, end), whose names go on at prefix_size. Fields of one section must stand together, so they
 * are reserved before those of the sections in it. */
static const cyaml_schema_field_t *build(struct schema *schema, size_t begin, size_t end,
                                         size_t prefix_size);

/* The field of keys [begin, end) that all have the name of size name_size at prefix_size. */
static cyaml_schema_field_t child(struct schema *schema, size_t begin, size_t end,
                                  size_t prefix_size, size_t name_size)
{
    size_t count;
    const char *rest = config_keys(&count)[begin].path + prefix_size;
    if (!rest[name_size])
        return leaf(schema, begin, rest);
    char *name = schema->names[schema->name_count++];
    INVARIANT(name_size < NAME_SIZE_MAX);
    memcpy(name, rest, name_size);
    const cyaml_schema_field_t *fields = build(schema, begin, end, prefix_size + name_size + 1);
    return (cyaml_schema_field_t){.key = name, .value = section_value(fields, CYAML_FLAG_OPTIONAL)};
}

static bool has_unknown(const struct schema *schema, const char *path, size_t prefix_size)
{
    return schema->unknown && strlen(schema->section) == prefix_size &&
           strncmp(schema->section, path, prefix_size) == 0;
}

static const cyaml_schema_field_t *build(struct schema *schema, size_t begin, size_t end,
                                         size_t prefix_size)
{
    size_t key_count, name_size, children = 0;
    const char *path = config_keys(&key_count)[begin].path;
    bool is_extra = has_unknown(schema, path, prefix_size);
    for (size_t key = begin; key < end; key = group_end(key, prefix_size, &name_size))
        children++;
    cyaml_schema_field_t *fields = &schema->fields[schema->field_count], *field = fields;
    schema->field_count += children + is_extra + 1; /* the last has no name: their end */
    INVARIANT(schema->field_count <= sizeof schema->fields / sizeof *schema->fields);
    for (size_t key = begin, next; key < end; key = next) {
        next = group_end(key, prefix_size, &name_size);
        *field++ = child(schema, key, next, prefix_size, name_size);
    }
    if (is_extra)
        *field = (cyaml_schema_field_t){.key = schema->unknown,
                                        .data_offset = (uint32_t)(key_count * sizeof(struct slot)),
                                        .value = schema->refused_item};
    return fields;
}

static void schema_init(struct schema *schema, size_t refused, const char *section,
                        const char *unknown)
{
    size_t count;
    (void)config_keys(&count);
    memset(schema, 0, sizeof *schema);
    schema->refused = refused;
    schema->section = section;
    schema->unknown = unknown;
    schema->item =
        (cyaml_schema_value_t){.type = CYAML_STRING,
                               .flags = (enum cyaml_flag)(CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL),
                               .data_size = sizeof(char),
                               .string = {.min = 0, .max = CYAML_UNLIMITED}};
    schema->refused_item = schema->item;
    schema->refused_item.string.min = REFUSE_ALL;
    schema->root = section_value(build(schema, 0, count, 0), CYAML_FLAG_POINTER);
}

/* --- What libcyaml says ------------------------------------------------------------------------- */

/* "Load: ..." is the complaint; then follow, the innermost first, "  in mapping field 'x' (line: 3, column: 5)". */
static void listen_to(cyaml_log_t level, void *context, const char *format, va_list args)
{
    struct account *account = context;
    char text[512];
    unsigned line;
    (void)level;
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    if (strncmp(text, "Load: Backtrace", 15) == 0)
        return;
    if (strncmp(text, "  in ", 5) != 0) {
        const char *fault = strncmp(text, "Load: ", 6) == 0 ? text + 6 : text;
        if (!*account->fault)
            snprintf(account->fault, sizeof account->fault, "%.150s", fault);
        return;
    }
    const char *place = strstr(text, "(line: ");
    if (account->line == 0 && place && sscanf(place, "(line: %u", &line) == 1)
        account->line = line;
    const char *name = strstr(text, "mapping field '");
    if (!name || account->field_count == DEPTH_MAX)
        return;
    name += strlen("mapping field '");
    snprintf(account->fields[account->field_count++], NAME_SIZE_MAX, "%.*s",
             (int)strcspn(name, "'"), name);
}

/* The key that the complaint is about: "http.read-threads". */
static void name_key(const struct account *account, const char *more, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = account->field_count; i > 0 && used < size; i--)
        used += (size_t)snprintf(text + used, size - used, "%s%s", used ? "." : "",
                                 account->fields[i - 1]);
    if (*more && used < size)
        snprintf(text + used, size - used, "%s%.60s", used ? "." : "", more);
}

static const char *after(const char *text, const char *prefix)
{
    size_t size = strlen(prefix);
    return strncmp(text, prefix, size) == 0 ? text + size : NULL;
}

static lode_status refuse(const struct account *account, cyaml_err_t fault, lode_error *error)
{
    char key[160], hint[CONFIG_HINT_MAX];
    const char *said = account->fault, *more;
    name_key(account, "", key, sizeof key);
    if ((more = after(said, "Unexpected key: "))) {
        name_key(account, more, key, sizeof key);
        config_hint(key, false, hint);
        return error_set(error, LODE_INVALID, "there is no setting '%s'%s", key, hint);
    }
    if (after(said, "Mapping field already seen: "))
        return error_set(error, LODE_INVALID, "'%s' is given once more after this line", key);
    if (after(said, "Expecting MAPPING"))
        return *key ? error_set(error, LODE_INVALID,
                                "'%s' is a section: keys belong below it, indented, or its line "
                                "is left out",
                                key)
                    : error_set(error, LODE_INVALID, "settings are wanted, as 'data: DIRECTORY'");
    if (after(said, "Expecting SEQUENCE"))
        return error_set(error, LODE_INVALID, "'%s' takes a list, as [one, two]", key);
    if (after(said, "Expecting STRING"))
        return error_set(error, LODE_INVALID, "'%s' takes one value, no list and no section", key);
    if (after(said, "Excessive entries"))
        return error_set(error, LODE_INVALID, "'%s' has too many values; at most %u", key,
                         CONFIG_ITEMS_MAX);
    if ((more = after(said, "libyaml: ")))
        return error_set(error, LODE_INVALID, "behind this line, no YAML: %s", more);
    return error_set(error, LODE_INVALID, "%s%s%s", *said ? said : cyaml_strerror(fault),
                     *key ? ", at " : "", key);
}

/* --- Loading ------------------------------------------------------------------------------------ */

static void *allocate(void *context, void *data, size_t size)
{
    (void)context;
    if (size)
        return realloc(data, size);
    free(data);
    return NULL;
}

static cyaml_config_t options(struct account *account)
{
    memset(account, 0, sizeof *account);
    return (cyaml_config_t){.log_fn = listen_to,
                            .log_ctx = account,
                            .mem_fn = allocate,
                            .log_level = CYAML_LOG_WARNING,
                            .flags = CYAML_CFG_NO_ALIAS};
}

static cyaml_err_t load(const struct buf *text, const struct schema *schema,
                        struct account *account, struct slot **ret_slots)
{
    cyaml_config_t with = options(account);
    return cyaml_load_data(text->data, text->size, &with, &schema->root, (cyaml_data_t **)ret_slots,
                           NULL);
}

static void unload(const struct schema *schema, struct slot *slots)
{
    struct account account;
    cyaml_config_t with = options(&account);
    if (slots)
        (void)cyaml_free(&with, &schema->root, slots, 0);
}

/* Where in the file the schema, which refuses something, finds that; 0: nobody knows. */
static unsigned find_line(const struct buf *text, const struct schema *schema)
{
    struct account account;
    struct slot *slots = NULL;
    (void)load(text, schema, &account, &slots);
    unload(schema, slots);
    return account.line;
}

static unsigned line_of_key(const struct buf *text, struct schema *schema, size_t key)
{
    schema_init(schema, key, "", NULL);
    return find_line(text, schema);
}

/* The line of what libcyaml complained about. */
static unsigned line_of_fault(const struct buf *text, struct schema *schema,
                              const struct account *account)
{
    char key[160], section[sizeof key + 1];
    const char *unknown = after(account->fault, "Unexpected key: ");
    if (!unknown)
        return account->line;
    name_key(account, "", key, sizeof key);
    snprintf(section, sizeof section, "%s%s", key, *key ? "." : "");
    schema_init(schema, SIZE_MAX, section, unknown);
    unsigned line = find_line(text, schema);
    return line ? line : account->line;
}

static lode_status take(struct config *config, const struct slot *slots, size_t *ret_key,
                        lode_error *error)
{
    size_t count;
    (void)config_keys(&count);
    for (size_t key = 0; key < count; key++) {
        const struct slot *slot = &slots[key];
        lode_status status = LODE_OK;
        *ret_key = key;
        if (slot->text)
            status = config_put(config, key, slot->text, CONFIG_FILE, error);
        else if (slot->items)
            status = config_put_all(config, key, (const char *const *)slot->items, slot->count,
                                    CONFIG_FILE, error);
        if (status)
            return status;
    }
    return LODE_OK;
}

static void say_where(lode_error *error, const char *path, unsigned line)
{
    if (line)
        error_prefix(error, "%s:%u: ", vfs_path_tail(path), line);
    else
        error_prefix(error, "%s: ", vfs_path_tail(path));
}

static lode_status parse(struct config *config, struct schema *schema, const char *path,
                         const struct buf *text, lode_error *error)
{
    struct account account;
    struct slot *slots = NULL;
    size_t key = 0;
    schema_init(schema, SIZE_MAX, "", NULL);
    cyaml_err_t fault = load(text, schema, &account, &slots);
    if (fault ||
        *account.fault) { /* warnings too: of several documents only the first would count */
        unload(schema, slots);
        lode_status status = refuse(&account, fault, error);
        say_where(error, path, line_of_fault(text, schema, &account));
        return status;
    }
    if (!slots) /* nothing but comments */
        return LODE_OK;
    lode_status status = take(config, slots, &key, error);
    unload(schema, slots);
    if (status)
        say_where(error, path, line_of_key(text, schema, key));
    return status;
}

/* --- The file ------------------------------------------------------------------------------------ */

static lode_status read_file(int fd, const char *path, struct buf *text, lode_error *error)
{
    uint8_t bytes[4096];
    for (;;) {
        ssize_t got = read(fd, bytes, sizeof bytes);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return vfs_fail(error, errno, "read", path);
        if (got == 0)
            break;
        if (text->size + (size_t)got > FILE_SIZE_MAX)
            return error_set(error, LODE_INVALID, "%s is longer than %u bytes", vfs_path_tail(path),
                             FILE_SIZE_MAX);
        lode_status status = buf_append(text, bytes, (size_t)got, error);
        if (status)
            return status;
    }
    if (text->size && memchr(text->data, '\0', text->size))
        return error_set(error, LODE_INVALID, "%s is no text", vfs_path_tail(path));
    return LODE_OK;
}

lode_status config_read(struct config *config, const char *path, lode_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return vfs_fail(error, errno, "open", path);
    struct buf text;
    buf_init(&text, FILE_SIZE_MAX);
    struct schema *schema = malloc(sizeof *schema);
    lode_status status = schema ? LODE_OK : error_nomem(error, "a schema", sizeof *schema);
    if (!status)
        status = private_file_check(fd, path, PRIVATE_TO_WRITERS, error);
    if (!status)
        status = read_file(fd, path, &text, error);
    if (!status && text.size > 0)
        status = parse(config, schema, path, &text, error);
    free(schema);
    buf_release(&text);
    close(fd);
    return status;
}
