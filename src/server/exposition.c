/* exposition.c: see exposition.h. */
#include "server/exposition.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"

void exposition_init(struct exposition *text, struct buf *out, lode_error *error)
{
    *text = (struct exposition){.out = out, .error = error};
}

static void put(struct exposition *text, const char *bytes, size_t size)
{
    if (!text->status)
        text->status = buf_append(text->out, bytes, size, text->error);
}

static void put_text(struct exposition *text, const char *bytes)
{
    put(text, bytes, strlen(bytes));
}

void exposition_family(struct exposition *text, const char *name, const char *type,
                       const char *help)
{
    text->family = name;
    text->label_count = 0;
    put_text(text, "# HELP ");
    put_text(text, name);
    put_text(text, " ");
    put_text(text, help);
    put_text(text, "\n# TYPE ");
    put_text(text, name);
    put_text(text, " ");
    put_text(text, type);
    put_text(text, "\n");
}

void exposition_label(struct exposition *text, size_t index, const char *name, const char *value)
{
    INVARIANT(index < EXPOSITION_LABELS_MAX);
    text->labels[index].name = name;
    text->labels[index].value = value;
    text->label_count = index + 1;
}

void exposition_labels_keep(struct exposition *text, size_t count)
{
    INVARIANT(count <= text->label_count);
    text->label_count = count;
}

/* Backslash, quote and line feed are what the format escapes. */
static void put_escaped(struct exposition *text, const char *value)
{
    for (;;) {
        size_t plain = strcspn(value, "\\\"\n");
        put(text, value, plain);
        value += plain;
        if (!*value)
            return;
        put_text(text, *value == '\n' ? "\\n" : *value == '"' ? "\\\"" : "\\\\");
        value++;
    }
}

static void put_head(struct exposition *text, const char *suffix)
{
    put_text(text, text->family);
    put_text(text, suffix);
    for (size_t i = 0; i < text->label_count; i++) {
        put_text(text, i ? "," : "{");
        put_text(text, text->labels[i].name);
        put_text(text, "=\"");
        put_escaped(text, text->labels[i].value);
        put_text(text, "\"");
    }
    put_text(text, text->label_count ? "} " : " ");
}

void exposition_part_u64(struct exposition *text, const char *suffix, uint64_t value)
{
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%" PRIu64 "\n", value);
    put_head(text, suffix);
    put(text, digits, (size_t)size);
}

void exposition_part_f64(struct exposition *text, const char *suffix, double value)
{
    char digits[NUMBER_TEXT_MAX];
    put_head(text, suffix);
    if (isfinite(value))
        put(text, digits, number_format_f64(value, digits));
    else
        put_text(text, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
    put_text(text, "\n");
}

void exposition_u64(struct exposition *text, uint64_t value)
{
    exposition_part_u64(text, "", value);
}

void exposition_f64(struct exposition *text, double value)
{
    exposition_part_f64(text, "", value);
}

void exposition_one_u64(struct exposition *text, const char *name, const char *type,
                        const char *help, uint64_t value)
{
    exposition_family(text, name, type, help);
    exposition_u64(text, value);
}

void exposition_one_f64(struct exposition *text, const char *name, const char *type,
                        const char *help, double value)
{
    exposition_family(text, name, type, help);
    exposition_f64(text, value);
}
