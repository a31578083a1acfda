/* path.c: see path.h. */
#include "filter/path.h"

#include <string.h>

static int must_be_quoted(const char *text, size_t size)
{
    return size == 0 || memchr(text, '.', size) || memchr(text, '`', size);
}

lode_status path_append_part(struct buf *out, const char *text, size_t size, int quoted,
                             lode_error *error)
{
    if (!quoted && !must_be_quoted(text, size))
        return buf_append(out, text, size, error);
    lode_status status = buf_append_u8(out, '`', error);
    for (size_t i = 0; !status && i < size; i++) {
        if (text[i] == '`')
            status = buf_append_u8(out, '`', error);
        if (!status)
            status = buf_append_u8(out, (uint8_t)text[i], error);
    }
    return status ? status : buf_append_u8(out, '`', error);
}

static lode_status append_all(struct buf *out, const struct path_part *parts, size_t count,
                              lode_error *error)
{
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < count; i++) {
        if (i > 0)
            status = buf_append_u8(out, '.', error);
        if (!status)
            status = path_append_part(out, parts[i].text, parts[i].size, 0, error);
    }
    if (status == LODE_LIMIT)
        return error_set(error, LODE_LIMIT, "a field's path of more than %d bytes",
                         FIELD_PATH_SIZE_MAX);
    return status;
}

static lode_status copy_parts(struct arena *arena, const struct path_part *parts, size_t count,
                              struct path *path, lode_error *error)
{
    struct path_part *copies = arena_alloc(arena, count * sizeof *copies);
    if (!copies)
        return error_nomem(error, "a path", count * sizeof *copies);
    for (size_t i = 0; i < count; i++) {
        char *text = arena_copy(arena, parts[i].text, parts[i].size);
        if (!text)
            return error_nomem(error, "a path", parts[i].size);
        copies[i] = (struct path_part){.text = text, .size = parts[i].size};
    }
    path->parts = copies;
    path->part_count = count;
    return LODE_OK;
}

lode_status path_make(struct arena *arena, const struct path_part *parts, size_t count,
                      const struct path **ret_path, lode_error *error)
{
    if (count == 0)
        return error_set(error, LODE_INVALID, "a field's path has no name");
    if (count > PATH_PARTS_MAX)
        return error_set(error, LODE_LIMIT, "a field's path of %zu names: at most %d", count,
                         PATH_PARTS_MAX);
    for (size_t i = 0; i < count; i++)
        if (parts[i].size && memchr(parts[i].text, 0, parts[i].size))
            return error_set(error, LODE_INVALID, "a field's path with a NUL byte");
    struct path *path = arena_alloc_zero(arena, sizeof *path);
    if (!path)
        return error_nomem(error, "a path", sizeof *path);
    struct buf text;
    buf_init(&text, FIELD_PATH_SIZE_MAX);
    lode_status status = append_all(&text, parts, count, error);
    if (!status) {
        path->text = arena_copy(arena, text.data, text.size);
        path->size = text.size;
        status = path->text ? copy_parts(arena, parts, count, path, error)
                            : error_nomem(error, "a path", text.size);
    }
    buf_release(&text);
    if (!status)
        *ret_path = path;
    return status;
}

/* The quoted name that begins behind the backtick at *at, without doubling; moves *at behind it. NULL: it
 * has no end, or memory is out. */
static char *read_quoted(struct arena *arena, const char *text, size_t size, size_t *at,
                         size_t *ret_size)
{
    char *name = arena_copy(arena, text + *at, size - *at);
    size_t used = 0;
    for (size_t i = *at + 1; name && i < size; i++) {
        if (text[i] == '`' && (i + 1 == size || text[i + 1] != '`')) {
            *at = i + 1;
            *ret_size = used;
            return name;
        }
        i += text[i] == '`';
        name[used++] = text[i];
    }
    return NULL;
}

static lode_status read_part(struct arena *arena, const char *text, size_t size, size_t *at,
                             struct path_part *ret_part, lode_error *error)
{
    if (*at < size && text[*at] == '`') {
        ret_part->text = read_quoted(arena, text, size, at, &ret_part->size);
        if (!ret_part->text)
            return error_set(error, LODE_INVALID, "path '%.*s': a backtick without its end",
                             (int)size, text);
        return LODE_OK;
    }
    size_t begin = *at;
    while (*at < size && text[*at] != '.' && text[*at] != '`')
        ++*at;
    if (*at == begin)
        return error_set(error, LODE_INVALID,
                         "path '%.*s': a name is missing at byte %zu (an empty one is ``)",
                         (int)size, text, begin);
    *ret_part = (struct path_part){.text = text + begin, .size = *at - begin};
    return LODE_OK;
}

lode_status path_parse(struct arena *arena, const char *text, size_t size,
                       const struct path **ret_path, lode_error *error)
{
    struct path_part parts[PATH_PARTS_MAX];
    size_t count = 0, at = 0;
    if (size > FIELD_PATH_SIZE_MAX)
        return error_set(error, LODE_LIMIT, "a field's path of %zu bytes: at most %d", size,
                         FIELD_PATH_SIZE_MAX);
    for (;;) {
        if (count == PATH_PARTS_MAX)
            return error_set(error, LODE_LIMIT, "path '%.40s...' has more than %d names", text,
                             PATH_PARTS_MAX);
        lode_status status = read_part(arena, text, size, &at, &parts[count], error);
        if (status)
            return status;
        count++;
        if (at == size)
            return path_make(arena, parts, count, ret_path, error);
        if (text[at] != '.')
            return error_set(error, LODE_INVALID, "path '%.*s': expected '.' at byte %zu",
                             (int)size, text, at);
        at++;
    }
}

lode_status path_join(struct arena *arena, const struct path *outer, const struct path *inner,
                      const struct path **ret_path, lode_error *error)
{
    struct path_part parts[2 * PATH_PARTS_MAX];
    memcpy(parts, outer->parts, outer->part_count * sizeof *parts);
    memcpy(parts + outer->part_count, inner->parts, inner->part_count * sizeof *parts);
    return path_make(arena, parts, outer->part_count + inner->part_count, ret_path, error);
}
