/* access_keys.c: the keys that are there, by id. */
#include "server/access_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct key_entry *)a)->key.id, ((const struct key_entry *)b)->key.id);
}

static lode_status add(struct key_table *table, struct api_key *own_key,
                       const struct config_limits *defaults, struct quotas *quotas, uint64_t now_us,
                       lode_error *error)
{
    struct key_entry *entry = &table->entries[table->count];
    const struct principal_seed seed = {.kind = PRINCIPAL_KEY,
                                        .expires_us = own_key->expires_us,
                                        .name = own_key->name,
                                        .id = own_key->id,
                                        .hash = own_key->hash,
                                        .grant = &own_key->grant,
                                        .defaults = defaults,
                                        .quotas = quotas,
                                        .now_us = now_us};
    lode_status status = principal_new(&seed, &entry->principal, error);
    if (status)
        return status;
    entry->key = *own_key;
    table->count++;
    return LODE_OK;
}

lode_status key_table_new(struct api_keys *own_keys, const struct config_limits *defaults,
                          struct quotas *quotas, uint64_t now_us, struct key_table **ret_table,
                          lode_error *error)
{
    struct key_table *table = calloc(1, sizeof *table);
    lode_status status = LODE_OK;
    if (table)
        table->entries = calloc(own_keys->count + 1, sizeof *table->entries);
    if (!table || !table->entries)
        status = error_nomem(error, "API keys", own_keys->count * sizeof(struct key_entry));
    for (size_t i = 0; !status && i < own_keys->count; i++)
        status = add(table, &own_keys->items[i], defaults, quotas, now_us, error);
    api_keys_release(own_keys);
    if (status) {
        key_table_free(table, quotas);
        return status;
    }
    qsort(table->entries, table->count, sizeof *table->entries, by_id);
    *ret_table = table;
    return LODE_OK;
}

void key_table_free(struct key_table *table, struct quotas *quotas)
{
    if (!table)
        return;
    for (size_t i = 0; i < table->count; i++)
        principal_give(quotas, table->entries[i].principal);
    free(table->entries);
    free(table);
}

static const struct key_entry *find(const struct key_table *table, const char *id)
{
    struct key_entry wanted = {.principal = NULL};
    snprintf(wanted.key.id, sizeof wanted.key.id, "%s", id);
    return bsearch(&wanted, table->entries, table->count, sizeof wanted, by_id);
}

/* What is wrong with a key is told to who has its secret alone. */
enum access_fault key_table_check(const struct key_table *table, const char *id,
                                  const uint8_t hash[SHA256_SIZE], uint64_t wall_us,
                                  struct principal **ret_principal)
{
    const struct key_entry *entry = find(table, id);
    if (!entry || !api_key_accepts(&entry->key, hash, wall_us))
        return ACCESS_UNKNOWN;
    if (entry->key.revoked_us)
        return ACCESS_REVOKED;
    if (entry->key.expires_us && wall_us >= entry->key.expires_us)
        return ACCESS_EXPIRED;
    *ret_principal = entry->principal;
    return ACCESS_OK;
}
