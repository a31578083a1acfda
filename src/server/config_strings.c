/* config_strings.c: see config_strings.h. */
#include "server/config_strings.h"

#include <stdlib.h>
#include <string.h>

static lode_status add(struct config_strings *strings, const char *text, size_t size,
                       lode_error *error)
{
    char **items = realloc(strings->items, (strings->count + 1) * sizeof *items);
    if (!items)
        return error_nomem(error, "settings", (strings->count + 1) * sizeof *items);
    strings->items = items;
    items[strings->count] = strndup(text, size);
    if (!items[strings->count])
        return error_nomem(error, "settings", size);
    strings->count++;
    return LODE_OK;
}

lode_status config_strings_add(struct config_strings *strings, const char *text, lode_error *error)
{
    return add(strings, text, strlen(text), error);
}

lode_status config_strings_cut(struct config_strings *strings, const char *text, lode_error *error)
{
    lode_status status = LODE_OK;
    while (!status && *text) {
        size_t whole = strcspn(text, ","), begin = strspn(text, " "), end = whole;
        begin = begin < whole ? begin : whole;
        while (end > begin && text[end - 1] == ' ')
            end--;
        status = add(strings, text + begin, end - begin, error);
        text += whole + (text[whole] == ',');
    }
    return status;
}

void config_strings_release(struct config_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        free(strings->items[i]);
    free(strings->items);
    *strings = (struct config_strings){NULL, 0};
}
