/* alias.c: `lode alias`. */
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/output.h"
#include "cmd/session.h"

#include <stdio.h>

static int report(const char *alias, const char *target)
{
    if (output_json()) {
        struct document document;
        document_begin(&document);
        document_key_text(&document, "alias", alias);
        document_key_text(&document, "collection", target);
        return document_end(&document);
    }
    if (target)
        printf("%s is now another name of %s\n", alias, target);
    else
        printf("removed the alias %s\n", alias);
    return EXIT_OK;
}

int alias_run(int argc, char **argv)
{
    int removed = 0;
    const struct arg_option options[] = {
        OPTION_FLAG("remove", &removed, "Take the alias away."),
    };
    const struct arg_spec spec = {
        .command = "alias",
        .usage = "DIR ALIAS COLLECTION | DIR ALIAS --remove",
        .about = "Gives a collection another name, or moves that name to another collection: at "
                 "once, so that what reads through the alias sees the old one or the new one.",
        .examples = "  # Load the new catalogue aside, then switch:\n"
                    "  lode import shop.lode items-2 items.jsonl && lode alias shop.lode items "
                    "items-2\n"
                    "  lode alias shop.lode items --remove\n",
        .operand_names = "DIR ALIAS COLLECTION",
        .operands_min = 2,
        .operands_max = 3,
        .options = options,
        .option_count = 1,
    };
    struct args args;
    struct session session;
    lode_error error = {0};
    int code = EXIT_OK;
    if (!args_parse(&spec, argc, argv, &args, &code))
        return code;
    if (removed == (args.operand_count == 3))
        return output_usage("alias", "say the collection, or --remove");
    const char *target = removed ? NULL : args.operands[2];
    code = session_open(&session, args.operands[0], NULL, LODE_MAINTAIN_ON_REQUEST);
    if (code)
        return code;
    lode_status status = lode_alias_set(session.db, args.operands[1], target, &error);
    session_close(&session);
    return status ? output_error(&error, CAUSE_ARGUMENTS) : report(args.operands[1], target);
}
