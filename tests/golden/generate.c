/* generate.c: the golden files, and what is to be found in them: tests/golden/regenerate.sh.
 *
 *     generate DIRECTORY       makes db, backups, backup.file, secret and what is in db and secret as JSON;
 *                              it must be empty */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/engine_kit.h"
#include "support/sample_database.h"

static lode_error error;

/* --- JSON -------------------------------------------------------------------------------------- */

static void put_text(FILE *out, const char *text, size_t size)
{
    fputc('"', out);
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == '"' || byte == '\\' || byte < 0x20)
            fprintf(out, "\\u%04x", byte);
        else
            fputc(byte, out);
    }
    fputc('"', out);
}

static void put_id(FILE *out, const lode_id *id)
{
    switch (id->kind) {
    case LODE_ID_NUMBER: fprintf(out, "\"number %llu\"", (unsigned long long)id->number); break;
    case LODE_ID_STRING: fprintf(out, "\"string %.*s\"", (int)id->string_size, id->string); break;
    default:
        fputs("\"uuid ", out);
        for (size_t i = 0; i < 16; i++)
            fprintf(out, "%02x", id->uuid[i]);
        fputc('"', out);
    }
}

static void put_optional(FILE *out, const char *name, const char *text, size_t size)
{
    fprintf(out, ",\"%s\":", name);
    if (text)
        put_text(out, text, size);
    else
        fputs("null", out);
}

static void put_point(FILE *out, const lode_hit *hit, uint32_t dim)
{
    fputs("{\"id\":", out);
    put_id(out, &hit->id);
    fputs(",\"vector\":[", out);
    for (uint32_t i = 0; i < dim; i++)
        fprintf(out, "%s%.9g", i ? "," : "", (double)hit->vector[i]);
    fputs("]", out);
    put_optional(out, "metadata", hit->metadata, hit->metadata_size);
    put_optional(out, "text", hit->text, hit->text_size);
    fprintf(out, ",\"version\":%llu,\"expires_at_ms\":%llu}", (unsigned long long)hit->version,
            (unsigned long long)hit->expires_at_ms);
}

static void put_points(FILE *out, lode_collection *collection, const lode_snapshot *snapshot)
{
    lode_iterator *iterator;
    const lode_hit *hit;
    uint32_t dim = lode_collection_schema(collection)->dim;
    const char *before = "\n";
    assert_ok(lode_iterator_open(collection, snapshot, 31, &iterator, &error));
    fputs("\"points\":[", out);
    for (;; before = ",\n") {
        assert_ok(lode_iterator_next(iterator, &hit, &error));
        if (!hit)
            break;
        fputs(before, out);
        put_point(out, hit, dim);
    }
    fputs("]", out);
    lode_iterator_close(iterator);
}

static void put_snapshots(FILE *out, lode_collection *collection)
{
    lode_snapshot_list *list;
    assert_ok(lode_snapshot_list_get(collection, &list, &error));
    fputs(",\"snapshots\":{", out);
    for (size_t i = 0; i < list->count; i++) {
        lode_snapshot *snapshot;
        const char *name = list->snapshots[i].name;
        assert_ok(lode_snapshot_open_named(collection, name, &snapshot, &error));
        fprintf(out, "%s\"%s\":{\"sequence\":%llu,", i ? "," : "", name,
                (unsigned long long)list->snapshots[i].sequence);
        put_points(out, collection, snapshot);
        fputs("}", out);
        lode_snapshot_close(snapshot);
    }
    fputs("}", out);
    lode_snapshot_list_free(list);
}

static void put_schema(FILE *out, const lode_schema *schema)
{
    fprintf(out,
            "\"schema\":{\"dim\":%u,\"metric\":%d,\"scalar\":%d,\"index\":%d,\"layout\":%d,"
            "\"m\":%u,\"ef_construction\":%u,\"seed\":%llu,\"fields\":[",
            schema->dim, (int)schema->metric, (int)schema->scalar, (int)schema->index,
            (int)schema->layout, schema->m, schema->ef_construction,
            (unsigned long long)schema->seed);
    for (size_t i = 0; i < schema->field_count; i++)
        fprintf(out, "%s[\"%s\",%d]", i ? "," : "", schema->fields[i].name,
                (int)schema->fields[i].type);
    fputs("]},", out);
}

static void put_collection(FILE *out, lode_db *db, const char *name)
{
    lode_stats *stats;
    lode_collection *collection = engine_collection(db, name);
    assert_ok(lode_stats_get(collection, &stats, &error));
    fprintf(out, "\"%s\":{\"sequence\":%llu,\"text_model\":%u,", name,
            (unsigned long long)stats->sequence, stats->text_model_version);
    put_schema(out, lode_collection_schema(collection));
    put_points(out, collection, NULL);
    put_snapshots(out, collection);
    fputs("}", out);
    lode_stats_free(stats);
    lode_collection_close(collection);
}

static void describe(void *context, lode_db *db)
{
    FILE *out = fopen(context, "we");
    assert_non_null(out);
    fputs("{\"collections\":{\n", out);
    for (size_t i = 0; sample_collections[i]; i++) {
        fputs(i ? ",\n" : "", out);
        put_collection(out, db, sample_collections[i]);
    }
    fprintf(out,
            "},\n\"aliases\":{\"movies\":\"films\"},\"log_keep_bytes\":%llu,"
            "\"requests\":[\"first\",\"second\"]}\n",
            (unsigned long long)lode_db_log_keep_bytes(db));
    assert_int_equal(fclose(out), 0);
}

static void describe_secret(void *context, lode_db *db)
{
    FILE *out = fopen(context, "we");
    assert_non_null(out);
    fputs("{\"collections\":{\n", out);
    put_collection(out, db, "links");
    fputs("},\n\"aliases\":{},\"log_keep_bytes\":0,\"requests\":[\"first\",\"second\"]}\n", out);
    assert_int_equal(fclose(out), 0);
}

/* --- Files ------------------------------------------------------------------------------------- */

static const char *directory;

static void make(void **state)
{
    char path[6][PATH_SIZE_MAX];
    static const char *const names[] = {"db",     "backups",    "backup.file", "expected.json",
                                        "secret", "secret.json"};
    (void)state;
    for (size_t i = 0; i < 6; i++)
        assert_ok(vfs_join(path[i], directory, names[i], &error));
    sample_database_make(vfs_posix(), path[0], path[1], path[2], describe, path[3]);
    sample_secret_make(vfs_posix(), path[4], describe_secret, path[5]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(make)};
    if (argc != 2) {
        fputs("usage: generate DIRECTORY\n", stderr);
        return 2;
    }
    directory = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
