/* backups.h: what backups there are, shown. */
#ifndef CMD_BACKUPS_H
#define CMD_BACKUPS_H

#include "cmd/output.h"

#include <lode/lode.h>

/* The backups at `path`, or NULL when it is no place of backups or cannot be read as one. */
lode_backup_list *backups_find(const char *path);
/* The list as a JSON document or a table. */
int backups_show(const lode_backup_list *list);
/* As members of a JSON object: "backups": [...]. */
void backups_write_json(struct document *document, const lode_backup_list *list);
/* One line about the newest, for people. */
void backups_print_newest(const lode_backup_list *list);

#endif
