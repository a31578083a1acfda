/* backups.c: see backups.h. */
#include "cmd/backups.h"

#include "cmd/keys.h"
#include "cmd/table.h"

#include <stdio.h>
#include <string.h>

lode_backup_list *backups_find(const char *path)
{
    lode_backup_list *list = NULL;
    return lode_backup_list_get_with_key(path, keys_given(), &list, NULL) == LODE_OK ? list : NULL;
}

static void write_collection(struct document *document, const lode_backup_collection *collection)
{
    json_write_object(&document->json);
    document_key_text(document, "name", collection->name);
    document_key_u64(document, "points", collection->points);
    document_key_u64(document, "sequence", collection->sequence);
    if (collection->oldest_sequence)
        document_key_u64(document, "oldest_sequence", collection->oldest_sequence);
    json_write_object_end(&document->json);
}

static void write_entry(struct document *document, const lode_backup_entry *entry)
{
    char text[AMOUNT_TEXT_MAX];
    json_write_object(&document->json);
    document_key_u64(document, "number", entry->number);
    document_key_bool(document, "damaged", entry->damaged);
    if (!entry->damaged) {
        document_key_text(document, "made", amount_time(entry->made_us, text));
        document_key_text(document, "root", entry->root);
        if (*entry->key_id)
            document_key_text(document, "key", entry->key_id);
        if (*entry->base)
            document_key_text(document, "base", entry->base);
        document_key_u64(document, "files", entry->files);
        document_key_u64(document, "held_files", entry->held_files);
        document_key_u64(document, "bytes", entry->bytes);
        json_write_key(&document->json, "collections");
        json_write_array(&document->json);
        for (size_t i = 0; i < entry->collection_count; i++)
            write_collection(document, &entry->collections[i]);
        json_write_array_end(&document->json);
    }
    json_write_object_end(&document->json);
}

void backups_write_json(struct document *document, const lode_backup_list *list)
{
    json_write_key(&document->json, "backups");
    json_write_array(&document->json);
    for (size_t i = 0; i < list->count; i++)
        write_entry(document, &list->backups[i]);
    json_write_array_end(&document->json);
}

/* "films 1,000 points (batches 12 to 40)", of each collection. */
static void add_collections(struct table *table, const lode_backup_entry *entry)
{
    char line[512] = "", points[AMOUNT_TEXT_MAX];
    for (size_t i = 0; i < entry->collection_count; i++) {
        const lode_backup_collection *one = &entry->collections[i];
        size_t used = strlen(line);
        int size =
            snprintf(line + used, sizeof line - used, "%s%s %s points", i ? ", " : "",
                     *one->name ? one->name : "(encrypted)", amount_count(one->points, points));
        if (size < 0 || (size_t)size >= sizeof line - used)
            break;
        used = strlen(line);
        if (one->oldest_sequence)
            snprintf(line + used, sizeof line - used, " (batches %llu to %llu)",
                     (unsigned long long)one->oldest_sequence, (unsigned long long)one->sequence);
        else
            snprintf(line + used, sizeof line - used, " (batch %llu)",
                     (unsigned long long)one->sequence);
    }
    table_text(table, line, strlen(line));
}

static int show_table(const lode_backup_list *list)
{
    struct table table;
    char text[AMOUNT_TEXT_MAX];
    table_init(&table);
    table.last_cell_max = 512;
    table_column(&table, "backup", 1);
    table_column(&table, "made", 0);
    table_column(&table, "files", 1);
    table_column(&table, "size", 1);
    table_column(&table, "root", 0);
    table_column(&table, "collections", 0);
    for (size_t i = 0; i < list->count; i++) {
        const lode_backup_entry *entry = &list->backups[i];
        table_count(&table, entry->number);
        table_printf(&table, "%s", entry->damaged ? "damaged" : amount_time(entry->made_us, text));
        table_count(&table, entry->files);
        table_bytes(&table, entry->bytes);
        table_printf(&table, "%.12s", entry->root);
        add_collections(&table, entry);
    }
    table_print(&table);
    return EXIT_OK;
}

int backups_show(const lode_backup_list *list)
{
    if (!output_json())
        return show_table(list);
    struct document document;
    document_begin(&document);
    backups_write_json(&document, list);
    return document_end(&document);
}

void backups_print_newest(const lode_backup_list *list)
{
    char size[AMOUNT_TEXT_MAX];
    if (list->count == 0 || list->backups[list->count - 1].damaged)
        return;
    const lode_backup_entry *newest = &list->backups[list->count - 1];
    printf("%zu backup%s; the newest: %llu files, %s, root hash %s\n", list->count,
           list->count == 1 ? "" : "s", (unsigned long long)newest->files,
           amount_bytes(newest->bytes, size), newest->root);
    if (newest->held_files < newest->files)
        printf("%llu of its files are in its base, which was not checked: root hash %s\n",
               (unsigned long long)(newest->files - newest->held_files), newest->base);
}
