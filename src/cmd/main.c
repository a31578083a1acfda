/* main.c: `lode <command> ...`. */
#include "base/nearest.h"
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/output.h"

#include <stdio.h>
#include <string.h>

static const struct command commands[] = {
    {"create", "make a collection, and train its text model", create_run},
    {"import", "load points from JSON Lines, CSV, fvecs, npy, HDF5", import_run},
    {"query", "find the nearest points to a text, a vector or another point", query_run},
    {"count", "how many points there are, or a filter matches", count_run},
    {"get", "show points by id", get_run},
    {"scroll", "show points page by page, in order of id or of a field", scroll_run},
    {"sample", "show points taken at random", sample_run},
    {"patch", "change metadata, text or expiry of points, by id or filter", patch_run},
    {"delete", "remove points by id or filter", delete_run},
    {"export", "write points to a file", export_run},
    {"list", "the collections and aliases of a database", list_run},
    {"alias", "give a collection another name, or move that name", alias_run},
    {"stats", "sizes, segments and running work", stats_run},
    {"flush", "write what is in the log out as a segment", flush_run},
    {"compact", "merge segments, drop what was deleted, finish the indexes", compact_run},
    {"drop", "remove a collection", drop_run},
    {"snapshot", "keep a state under a name; list and drop such", snapshot_run},
    {"namespaces", "the namespaces of a collection; drop one", namespaces_run},
    {"backup", "copy all of it, or what is new, to another place", backup_run},
    {"restore", "bring a backup back, and prove it", restore_run},
    {"keep-log", "keep logs, so that backups can restore to any batch", keep_log_run},
    {"verify", "check every checksum and cross-reference", verify_run},
    {"repair", "make a damaged database sound, with what can be read", repair_run},
    {"encryption", "encrypt a database; make, show and change its keys", encryption_run},
    {"serve", "serve a database over HTTP and gRPC", serve_run},
    {"key", "make, list, revoke and rotate API keys of a server", key_run},
    {"audit", "verify a server's audit log", audit_run},
    {"bench", "build, search and measure: recall, speed, memory", bench_command_run},
};
static const size_t command_count = sizeof commands / sizeof *commands;

static void print_help(void)
{
    printf("Lode %s: a vector search engine in a directory.\n\n"
           "Usage: lode COMMAND ... [options]\n\nCommands:\n",
           lode_version());
    for (size_t i = 0; i < command_count; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].summary);
    printf(
        "\n'lode COMMAND --help' explains one, with examples.\n"
        "\nExamples:\n"
        "  lode create films.lode films --dim 384 --metric cosine\n"
        "  lode import films.lode films films.jsonl\n"
        "  lode query films.lode films --like 42 --k 5 --show title,year\n"
        "\nA database is a directory (films.lode), made by the first 'lode create'. One process\n"
        "at a time has it open. --json makes every command print one JSON document.\n"
        "--memory BYTES, or LODE_MEMORY in the environment, bounds the memory of every command.\n"
        "LODE_SIMD=scalar|avx2|avx512|neon in the environment forces an instruction set.\n"
        "\nExit status: %s\n",
        EXIT_CODES_TEXT);
}

static int unknown_command(const char *name, int argc, char **argv)
{
    const char *names[sizeof commands / sizeof *commands + 1];
    for (size_t i = 0; i < command_count; i++)
        names[i] = commands[i].name;
    names[command_count] = NULL;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--json") == 0)
            output_set_json(1);
    const char *nearest = nearest_word(name, names);
    if (nearest)
        return output_usage(NULL, "unknown command '%s'; did you mean '%s'?", name, nearest);
    return output_usage(NULL, "unknown command '%s'", name);
}

static int run(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (argc < 2)
        return output_usage(NULL, "a command is missing");
    if (strcmp(name, "--version") == 0) {
        printf("lode %s (%s)\n", lode_version(), lode_simd_level());
        return EXIT_OK;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        char help[] = "--help";
        char *words[] = {argc > 2 ? argv[2] : NULL, help};
        for (size_t i = 0; argc > 2 && i < command_count; i++)
            if (strcmp(argv[2], commands[i].name) == 0)
                return commands[i].run(2, words);
        if (argc > 2)
            return unknown_command(argv[2], argc, argv);
        print_help();
        return EXIT_OK;
    }
    for (size_t i = 0; i < command_count; i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    return unknown_command(name, argc, argv);
}

int main(int argc, char **argv)
{
    return output_flush(run(argc, argv));
}
