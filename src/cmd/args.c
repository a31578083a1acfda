/* args.c: parsing by the command's own table. Operands and options may come in any order; "--" ends
 * the options; a lone "-" is an operand (standard input or output). */
#include "cmd/args.h"

#include "cmd/memory.h"

#include "base/nearest.h"
#include "base/number.h"
#include "cmd/keys.h"
#include "cmd/output.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define HELP_WIDTH  90u
#define HELP_INDENT 28u
#define WORD_MAX    64u /* what is shown of an unknown option */

static int json_wanted;
static int quiet_wanted;
static const struct arg_option common_options[] = {
    {.name = "json",
     .kind = ARG_FLAG,
     .flag = &json_wanted,
     .help = "Print exactly one JSON document on stdout, for errors too: {\"error\": {...}}."},
    {.name = "quiet", .kind = ARG_FLAG, .flag = &quiet_wanted, .help = "No progress, no advice."},
    {.name = "key-file",
     .value_name = "FILE",
     .kind = ARG_TEXT,
     .text = &keys_file,
     .help =
         "Of an encrypted database or backup: the file that holds its key. Or LODE_KEY_FILE in the "
         "environment."},
    {.name = "key-command",
     .value_name = "COMMAND",
     .kind = ARG_TEXT,
     .text = &keys_command,
     .help = "Or a command that prints it, run without a shell; or LODE_KEY_COMMAND."},
    {.name = "memory",
     .value_name = "BYTES",
     .kind = ARG_TEXT,
     .text = &memory_given,
     .help = "How much memory to hold at most, as 2GiB; from 64MiB on. Default: LODE_MEMORY in the "
             "environment, or no limit. docs/memory.md tells what happens at the limit."},
};
static const size_t common_count = sizeof common_options / sizeof *common_options;

static const struct arg_option *find_option(const struct arg_spec *spec, const char *name,
                                            size_t name_size)
{
    for (size_t i = 0; i < spec->option_count + common_count; i++) {
        const struct arg_option *option =
            i < spec->option_count ? &spec->options[i] : &common_options[i - spec->option_count];
        if (strlen(option->name) == name_size && memcmp(option->name, name, name_size) == 0)
            return option;
    }
    return NULL;
}

static int unknown_option(const struct arg_spec *spec, const char *argument)
{
    char name[WORD_MAX + 1];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(argument, "="), argument);
    const char *names[ARG_LIST_MAX];
    size_t count = 0;
    for (size_t i = 0; i < spec->option_count; i++)
        names[count++] = spec->options[i].name;
    for (size_t i = 0; i < common_count; i++)
        names[count++] = common_options[i].name;
    names[count++] = "help";
    names[count] = NULL;
    const char *nearest = nearest_word(name + strspn(name, "-"), names);
    if (nearest)
        return output_usage(spec->command, "unknown option '%s'; did you mean --%s?", name,
                            nearest);
    return output_usage(spec->command, "unknown option '%s'", name);
}

static int set_uint(const struct arg_spec *spec, const struct arg_option *option, const char *text)
{
    uint64_t value = 0;
    if (!number_parse_u64(text, strlen(text), &value))
        return output_usage(spec->command, "--%s needs a whole number from %llu to %llu, not '%s'",
                            option->name, (unsigned long long)option->min,
                            (unsigned long long)option->max, text);
    if (value < option->min || value > option->max)
        return output_usage(spec->command, "--%s %llu is out of range: %llu to %llu", option->name,
                            (unsigned long long)value, (unsigned long long)option->min,
                            (unsigned long long)option->max);
    *option->uint = value;
    return 0;
}

static int parse_real(const struct arg_spec *spec, const struct arg_option *option,
                      const char *text, size_t size, double *ret_value)
{
    double value = 0;
    size_t used = number_parse_f64(text, size, &value);
    if (used == 0 || used != size || !isfinite(value))
        return output_usage(spec->command, "--%s needs a number, not '%.*s'", option->name,
                            (int)size, text);
    if (value < option->real_min || value > option->real_max)
        return output_usage(spec->command, "--%s %g is out of range: %g to %g", option->name, value,
                            option->real_min, option->real_max);
    *ret_value = value;
    return 0;
}

static int set_reals(const struct arg_spec *spec, const struct arg_option *option, const char *text)
{
    struct arg_reals list = {.count = 0};
    for (;;) {
        size_t size = strcspn(text, ",");
        if (list.count == ARG_LIST_MAX)
            return output_usage(spec->command, "--%s takes at most %d numbers", option->name,
                                ARG_LIST_MAX);
        int wrong = parse_real(spec, option, text, size, &list.items[list.count++]);
        if (wrong)
            return wrong;
        if (!text[size])
            break;
        text += size + 1;
    }
    *option->reals = list;
    return 0;
}

static int set_choice(const struct arg_spec *spec, const struct arg_option *option,
                      const char *text)
{
    char all[256] = "";
    for (int i = 0; option->choices[i]; i++) {
        if (strcmp(option->choices[i], text) == 0) {
            *option->choice = i;
            return 0;
        }
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", option->choices[i]);
    }
    const char *nearest = nearest_word(text, option->choices);
    if (nearest)
        return output_usage(spec->command, "--%s cannot be '%s'; did you mean '%s'? (one of: %s)",
                            option->name, text, nearest, all);
    return output_usage(spec->command, "--%s cannot be '%s'; one of: %s", option->name, text, all);
}

static int add_text(const struct arg_spec *spec, const struct arg_option *option, const char *text)
{
    if (option->texts->count == ARG_LIST_MAX)
        return output_usage(spec->command, "--%s was given more than %d times", option->name,
                            ARG_LIST_MAX);
    option->texts->items[option->texts->count++] = text;
    return 0;
}

/* value is NULL for flags only. */
static int set_option(const struct arg_spec *spec, const struct arg_option *option,
                      const char *value)
{
    if (option->given)
        *option->given = 1;
    switch (option->kind) {
    case ARG_FLAG: *option->flag = 1; return 0;
    case ARG_TEXT: *option->text = value; return 0;
    case ARG_UINT: return set_uint(spec, option, value);
    case ARG_REAL: return parse_real(spec, option, value, strlen(value), option->real);
    case ARG_REALS: return set_reals(spec, option, value);
    case ARG_CHOICE: return set_choice(spec, option, value);
    case ARG_TEXTS: return add_text(spec, option, value);
    }
    return 0;
}

/* The option at argv[*at], and its value there or in the next word. */
static int take_option(const struct arg_spec *spec, int argc, char **argv, int *at)
{
    const char *name = argv[*at] + 2;
    size_t name_size = strcspn(name, "=");
    const struct arg_option *option = find_option(spec, name, name_size);
    if (!option)
        return unknown_option(spec, argv[*at]);
    const char *value = name[name_size] == '=' ? name + name_size + 1 : NULL;
    if (option->kind == ARG_FLAG && value)
        return output_usage(spec->command, "--%s takes no value", option->name);
    if (option->kind != ARG_FLAG && !value) {
        if (*at + 1 >= argc)
            return output_usage(spec->command, "--%s needs a value: --%s %s", option->name,
                                option->name, option->value_name);
        value = argv[++*at];
    }
    return set_option(spec, option, value);
}

void args_print_wrapped(const char *text, size_t indent)
{
    size_t column = indent;
    while (*text) {
        size_t size = strcspn(text, " \n");
        if (column > indent && column + 1 + size > HELP_WIDTH) {
            printf("\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            column++;
        }
        fwrite(text, 1, size, stdout);
        column += size;
        text += size;
        if (*text == '\n') {
            printf("\n%*s", (int)indent, "");
            column = indent;
        }
        text += *text != '\0';
    }
    putchar('\n');
}

static void print_option(const struct arg_option *option)
{
    char head[128];
    int size =
        snprintf(head, sizeof head, "  --%s%s%s", option->name, option->value_name ? " " : "",
                 option->value_name ? option->value_name : "");
    fputs(head, stdout);
    if (size >= (int)HELP_INDENT - 1)
        printf("\n%*s", (int)HELP_INDENT, "");
    else
        printf("%*s", (int)HELP_INDENT - size, "");
    args_print_wrapped(option->help, HELP_INDENT);
}

static void print_help(const struct arg_spec *spec)
{
    printf("Usage: lode %s %s\n\n", spec->command, spec->usage);
    args_print_wrapped(spec->about, 0);
    printf("\nOptions:\n");
    for (size_t i = 0; i < spec->option_count; i++)
        print_option(&spec->options[i]);
    for (size_t i = 0; i < common_count; i++)
        print_option(&common_options[i]);
    printf("  --help%*sThis page.\n", (int)HELP_INDENT - 8, "");
    if (spec->details)
        printf("\n%s", spec->details);
    printf("\nExamples:\n%s", spec->examples);
    printf("\nExit status: %s\n", EXIT_CODES_TEXT);
}

static int is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* Before anything can be wrong: --json decides how it is said. */
static void read_common(int argc, char **argv)
{
    json_wanted = quiet_wanted = 0;
    keys_file = keys_command = NULL;
    memory_given = NULL;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        json_wanted |= strcmp(argv[i], "--json") == 0;
    output_set_json(json_wanted);
}

static int check_operands(const struct arg_spec *spec, const struct args *args)
{
    if (args->operand_count >= spec->operands_min && args->operand_count <= spec->operands_max)
        return 0;
    if (args->operand_count > spec->operands_max)
        return output_usage(spec->command, "one argument too many: '%s'; it takes %s",
                            args->operands[spec->operands_max], spec->operand_names);
    /* The name of the first that is missing. */
    const char *name = spec->operand_names;
    for (size_t i = 0; i < args->operand_count && *name; i++) {
        name += strcspn(name, " ");
        name += strspn(name, " ");
    }
    return output_usage(spec->command, "%.*s is missing; it takes %s", (int)strcspn(name, " "),
                        name, spec->operand_names);
}

int args_parse(const struct arg_spec *spec, int argc, char **argv, struct args *ret_args,
               int *ret_exit)
{
    read_common(argc, argv);
    struct args args = {.operands = argv + 1};
    int options_end = 0;
    *ret_exit = 0;
    for (int i = 1; i < argc && *ret_exit == 0; i++) {
        if (options_end || argv[i][0] != '-' || argv[i][1] == '\0') {
            args.operands[args.operand_count++] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            options_end = 1;
        } else if (is_help(argv[i])) {
            print_help(spec);
            return 0;
        } else if (argv[i][1] != '-') {
            *ret_exit = unknown_option(spec, argv[i]);
        } else {
            *ret_exit = take_option(spec, argc, argv, &i);
        }
    }
    if (*ret_exit == 0)
        *ret_exit = check_operands(spec, &args);
    if (*ret_exit == 0)
        *ret_exit = keys_check(spec->command);
    output_set_quiet(quiet_wanted);
    if (*ret_exit == 0)
        *ret_exit = memory_apply(spec->command, memory_given);
    if (*ret_exit)
        return 0;
    *ret_args = args;
    return 1;
}
