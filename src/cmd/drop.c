/* drop.c: `lode drop`. */
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/output.h"
#include "cmd/session.h"

#include <stdio.h>

int drop_run(int argc, char **argv)
{
    const struct arg_spec spec = {
        .command = "drop",
        .usage = "DIR COLLECTION",
        .about = "Removes a collection: its points, its files and its aliases. There is no way "
                 "back but a copy of the directory or an export.",
        .examples = "  lode export films.lode films films.jsonl && lode drop films.lode films\n",
        .operand_names = "DIR COLLECTION",
        .operands_min = 2,
        .operands_max = 2,
    };
    struct args args;
    struct session session;
    lode_error error = {0};
    int code = EXIT_OK;
    if (!args_parse(&spec, argc, argv, &args, &code))
        return code;
    code = session_open(&session, args.operands[0], NULL, LODE_MAINTAIN_ON_REQUEST);
    if (code)
        return code;
    lode_status status = lode_collection_drop(session.db, args.operands[1], &error);
    session_close(&session);
    if (status)
        return output_error(&error, CAUSE_ARGUMENTS);
    if (output_json()) {
        struct document document;
        document_begin(&document);
        document_key_text(&document, "dropped", args.operands[1]);
        return document_end(&document);
    }
    printf("dropped %s\n", args.operands[1]);
    return EXIT_OK;
}
