/* value_json.c: see value_json.h. */
#include "engine/value_json.h"

#include <stdio.h>
#include <string.h>

/* The days since 1970 as a date: Howard Hinnant, chrono-compatible low-level date algorithms. */
static void write_moment(int64_t us, char text[40])
{
    int64_t seconds = us / 1000000, micros = us % 1000000;
    if (micros < 0) {
        micros += 1000000;
        seconds--;
    }
    int64_t days = seconds / 86400, rest = seconds % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097, doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int month = (int)(mp < 10 ? mp + 3 : mp - 9);
    int year = (int)(yoe + era * 400 + (month <= 2));
    int size = snprintf(text, 40, "%04d-%02d-%02dT%02d:%02d:%02d", year, month,
                        (int)(doy - (153 * mp + 2) / 5 + 1), (int)(rest / 3600),
                        (int)(rest / 60 % 60), (int)(rest % 60));
    if (micros)
        size += snprintf(text + size, 40 - (size_t)size, ".%06d", (int)micros);
    snprintf(text + size, 40 - (size_t)size, "Z");
}

static void write_uuid(const uint8_t uuid[16], char text[40])
{
    size_t size = 0;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text[size++] = '-';
        size += (size_t)snprintf(text + size, 40 - size, "%02x", uuid[i]);
    }
}

void value_json_write(struct json_writer *json, const struct value *value)
{
    char text[40];
    switch (value->kind) {
    case VALUE_STRING: json_write_string(json, value->text, value->size); return;
    case VALUE_INTEGER: json_write_i64(json, value->integer); return;
    case VALUE_FLOAT: json_write_f64(json, value->number); return;
    case VALUE_BOOLEAN: json_write_bool(json, value->integer != 0); return;
    case VALUE_DATETIME: write_moment(value->integer, text); break;
    case VALUE_UUID: write_uuid(value->uuid, text); break;
    }
    json_write_string(json, text, strlen(text));
}
