/* filter_shape.c: see filter_shape.h. Both forms are read token by token and not understood: whatever is not known to be a
 * name, a word of the language or a sign is taken for a value. */
#include "server/filter_shape.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

struct shape {
    struct buf text; /* at most FILTER_SHAPE_SIZE_MAX */
    lode_status status;
    size_t values; /* of a list, that are not written yet */
    int has_comma; /* one came behind them: of the list if a value follows */
    int needs_blank;
};

static void put(struct shape *shape, const char *text, size_t size)
{
    if (!shape->status)
        shape->status = buf_append(&shape->text, text, size, NULL);
}

/* --- Values -------------------------------------------------------------------------------------- */

static void add_value(struct shape *shape)
{
    shape->values++;
    shape->has_comma = 0;
}

static void put_values(struct shape *shape)
{
    char text[40];
    if (!shape->values)
        return;
    int size = snprintf(text, sizeof text, shape->values > 1 ? "%s? x%zu" : "%s?",
                        shape->needs_blank ? " " : "", shape->values);
    put(shape, text, (size_t)size);
    if (shape->has_comma)
        put(shape, ",", 1);
    shape->values = 0;
    shape->has_comma = 0;
    shape->needs_blank = 1;
}

/* --- Text ---------------------------------------------------------------------------------------- */

static int is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Behind the quote that ends what begins at text[i] with one; size when none does. */
static size_t quoted_end(const char *text, size_t size, size_t i)
{
    char quote = text[i++];
    while (i < size && text[i] != quote)
        i += text[i] == '\\' && quote != '`' && i + 1 < size ? 2 : 1;
    return i < size ? i + 1 : size;
}

static size_t word_end(const char *text, size_t size, size_t i)
{
    while (i < size &&
           (is_letter(text[i]) || is_digit(text[i]) || text[i] == '-' || text[i] == '.'))
        i++;
    return i;
}

/* TRUE and FALSE may be values: they are not told. */
static int is_boolean(const char *word, size_t size)
{
    return (size == 4 && strncasecmp(word, "true", 4) == 0) ||
           (size == 5 && strncasecmp(word, "false", 5) == 0);
}

static void put_word(struct shape *shape, const char *word, size_t size)
{
    put_values(shape);
    if (shape->needs_blank)
        put(shape, " ", 1);
    put(shape, word, size);
    shape->needs_blank = 1;
}

static void put_sign(struct shape *shape, char sign)
{
    if (sign == ',' && shape->values) {
        shape->has_comma = 1;
        return;
    }
    put_values(shape);
    int is_compare = strchr("=<>!", sign) != NULL;
    if (shape->needs_blank && (is_compare || sign == '('))
        put(shape, " ", 1);
    put(shape, &sign, 1);
    shape->needs_blank = sign == ')' || sign == ',';
}

/* A comparison is one word of up to two signs. */
static size_t compare_size(const char *text, size_t size)
{
    if (size == 0 || !strchr("=<>!", *text))
        return 0;
    return size > 1 && strchr("=<>", text[1]) ? 2 : 1;
}

static size_t text_token(struct shape *shape, const char *text, size_t size, size_t i)
{
    size_t end = i + 1;
    if (text[i] == '"' || text[i] == '\'') {
        add_value(shape);
        return quoted_end(text, size, i);
    }
    if (is_digit(text[i]) || text[i] == '-' || text[i] == '+') {
        add_value(shape);
        while (end < size && (is_digit(text[end]) || is_letter(text[end]) ||
                              (text[end] && strchr(".+-", text[end]))))
            end++;
        return end;
    }
    if (text[i] == '`' || text[i] == '@' || is_letter(text[i])) {
        end = text[i] == '`' ? quoted_end(text, size, i) : word_end(text, size, end);
        if (is_boolean(text + i, end - i))
            add_value(shape);
        else
            put_word(shape, text + i, end - i);
        return end;
    }
    if (compare_size(text + i, size - i)) {
        end = i + compare_size(text + i, size - i);
        put_word(shape, text + i, end - i);
    } else if (text[i] && strchr("(),.", text[i])) {
        put_sign(shape, text[i]);
    } else if ((unsigned char)text[i] > ' ') {
        add_value(shape);
    }
    return end;
}

static void shape_text(struct shape *shape, const char *text, size_t size)
{
    for (size_t i = 0; i < size && !shape->status;)
        i = text_token(shape, text, size, i);
    put_values(shape);
}

/* --- JSON ---------------------------------------------------------------------------------------- */

static void put_json_sign(struct shape *shape, const char *sign, int is_closing)
{
    put_values(shape);
    if (shape->needs_blank && !is_closing)
        put(shape, ", ", 2);
    put(shape, sign, 1);
    shape->needs_blank = is_closing;
}

static void put_json_key(struct shape *shape, const struct json *json)
{
    put_values(shape);
    if (shape->needs_blank)
        put(shape, ", ", 2);
    put(shape, "\"", 1);
    put(shape, json->text, json->text_size);
    put(shape, "\": ", 3);
    shape->needs_blank = 0;
}

static void shape_json(struct shape *shape, const char *text, size_t size)
{
    struct json json;
    json_init(&json, text, size);
    while (!shape->status) {
        enum json_token token = json_next(&json);
        if (token == JSON_ERROR || token == JSON_END)
            break;
        if (token == JSON_OBJECT || token == JSON_ARRAY)
            put_json_sign(shape, token == JSON_OBJECT ? "{" : "[", 0);
        else if (token == JSON_OBJECT_END || token == JSON_ARRAY_END)
            put_json_sign(shape, token == JSON_OBJECT_END ? "}" : "]", 1);
        else if (token == JSON_KEY)
            put_json_key(shape, &json);
        else
            add_value(shape);
    }
    put_values(shape);
}

/* --- Either -------------------------------------------------------------------------------------- */

/* No more than fits, and no half of a character. */
static lode_status append_cut(struct buf *out, const struct shape *shape, lode_error *error)
{
    if (shape->status == LODE_NOMEM)
        return error_nomem(error, "the shape of a filter", FILTER_SHAPE_SIZE_MAX);
    const char *text = (const char *)shape->text.data;
    size_t size = shape->text.size;
    while (shape->status && size > 0 && (unsigned char)text[size - 1] >= 0x80)
        size--;
    lode_status status = buf_append(out, text, size, error);
    return status || !shape->status ? status : buf_append(out, "...", 3, error);
}

lode_status filter_shape(const char *filter, size_t size, struct buf *out, lode_error *error)
{
    struct shape shape = {0};
    size_t blank = 0;
    while (blank < size && strchr(" \t\r\n", filter[blank]) && filter[blank])
        blank++;
    buf_init(&shape.text, FILTER_SHAPE_SIZE_MAX);
    if (blank < size && filter[blank] == '{')
        shape_json(&shape, filter, size);
    else
        shape_text(&shape, filter, size);
    lode_status status = append_cut(out, &shape, error);
    buf_release(&shape.text);
    return status;
}
