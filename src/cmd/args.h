/* args.h: the command line of a subcommand, described once: parsed, checked and shown as --help. */
#ifndef CMD_ARGS_H
#define CMD_ARGS_H

#include <stddef.h>
#include <stdint.h>

enum arg_kind {
    ARG_FLAG,   /* no value; sets *flag to 1                                   */
    ARG_TEXT,   /* any text                                                    */
    ARG_UINT,   /* a whole number within [min, max]                            */
    ARG_REAL,   /* a number within [real_min, real_max]                        */
    ARG_REALS,  /* the same, several, separated by commas                      */
    ARG_CHOICE, /* one of `choices`; its place there                           */
    ARG_TEXTS,  /* may be given several times                                  */
};

#define ARG_LIST_MAX 256 /* times that a repeatable option may be given */

struct arg_texts {
    const char *items[ARG_LIST_MAX];
    size_t count;
};

struct arg_reals {
    double items[ARG_LIST_MAX];
    size_t count;
};

struct arg_option {
    const char *name; /* without the dashes */
    const char *value_name;
    const char *help;
    enum arg_kind kind;
    union { /* where the value goes; holds its default before */
        int *flag;
        const char **text;
        uint64_t *uint;
        double *real;
        struct arg_reals *reals;
        int *choice;
        struct arg_texts *texts;
    };
    uint64_t min, max;
    double real_min, real_max;
    const char *const *choices; /* ends with NULL */
    int *given;                 /* if not NULL: set to 1 when the option was there */
};

/* The rows of an option table. The help text may be followed by `.given = &variable`. */
#define OPTION_FLAG(name_, flag_, ...)                                                             \
    {                                                                                              \
        .name = name_, .kind = ARG_FLAG, .flag = flag_, .help = __VA_ARGS__                        \
    }
#define OPTION_TEXT(name_, value_name_, text_, ...)                                                \
    {                                                                                              \
        .name = name_, .value_name = value_name_, .kind = ARG_TEXT, .text = text_,                 \
        .help = __VA_ARGS__                                                                        \
    }
#define OPTION_TEXTS(name_, value_name_, texts_, ...)                                              \
    {                                                                                              \
        .name = name_, .value_name = value_name_, .kind = ARG_TEXTS, .texts = texts_,              \
        .help = __VA_ARGS__                                                                        \
    }
#define OPTION_UINT(name_, uint_, min_, max_, ...)                                                 \
    {                                                                                              \
        .name = name_, .value_name = "N", .kind = ARG_UINT, .uint = uint_, .min = min_,            \
        .max = max_, .help = __VA_ARGS__                                                           \
    }
#define OPTION_REAL(name_, real_, min_, max_, ...)                                                 \
    {                                                                                              \
        .name = name_, .value_name = "X", .kind = ARG_REAL, .real = real_, .real_min = min_,       \
        .real_max = max_, .help = __VA_ARGS__                                                      \
    }
#define OPTION_REALS(name_, reals_, min_, max_, ...)                                               \
    {                                                                                              \
        .name = name_, .value_name = "X,...", .kind = ARG_REALS, .reals = reals_,                  \
        .real_min = min_, .real_max = max_, .help = __VA_ARGS__                                    \
    }
#define OPTION_CHOICE(name_, value_name_, choice_, choices_, ...)                                  \
    {                                                                                              \
        .name = name_, .value_name = value_name_, .kind = ARG_CHOICE, .choice = choice_,           \
        .choices = choices_, .help = __VA_ARGS__                                                   \
    }

struct arg_spec {
    const char *command;       /* "create" */
    const char *usage;         /* what follows the command's name */
    const char *about;         /* paragraphs */
    const char *details;       /* sections after the options, as they are printed; may be NULL */
    const char *examples;      /* lines, as they are printed */
    const char *operand_names; /* "DIR COLLECTION": for the message when one is missing */
    size_t operands_min, operands_max;
    const struct arg_option *options;
    size_t option_count;
};

struct args {
    char **operands; /* points into argv, which is reordered */
    size_t operand_count;
};

/* Parse argv[1, argc). Every command also takes --json, --quiet and --help (see output.h).
 * Returns 1 to go on; else what was to be printed has been printed and *ret_exit is the exit code. */
int args_parse(const struct arg_spec *spec, int argc, char **argv, struct args *ret_args,
               int *ret_exit);

/* Write `text` wrapped to the width of the help page, each line after the first indented. */
void args_print_wrapped(const char *text, size_t indent);

#endif
