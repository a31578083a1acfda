/* command.h: the subcommands of `lode`, one file each. */
#ifndef CMD_COMMAND_H
#define CMD_COMMAND_H

struct command {
    const char *name;
    const char *summary;
    /* argv[0] is the command's name. Returns the exit code. */
    int (*run)(int argc, char **argv);
};

int alias_run(int argc, char **argv);
int audit_run(int argc, char **argv);
int backup_run(int argc, char **argv);
int bench_command_run(int argc, char **argv);
int compact_run(int argc, char **argv);
int count_run(int argc, char **argv);
int create_run(int argc, char **argv);
int delete_run(int argc, char **argv);
int drop_run(int argc, char **argv);
int encryption_run(int argc, char **argv);
int export_run(int argc, char **argv);
int flush_run(int argc, char **argv);
int get_run(int argc, char **argv);
int import_run(int argc, char **argv);
int key_run(int argc, char **argv);
int keep_log_run(int argc, char **argv);
int list_run(int argc, char **argv);
int namespaces_run(int argc, char **argv);
int patch_run(int argc, char **argv);
int query_run(int argc, char **argv);
int repair_run(int argc, char **argv);
int restore_run(int argc, char **argv);
int sample_run(int argc, char **argv);
int scroll_run(int argc, char **argv);
int serve_run(int argc, char **argv);
int snapshot_run(int argc, char **argv);
int stats_run(int argc, char **argv);
int verify_run(int argc, char **argv);

#endif
