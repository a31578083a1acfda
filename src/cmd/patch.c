/* patch.c: `lode patch`. */
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/ids.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct patch {
    struct args args;
    int id_rule, no_metadata, no_text, no_expiry;
    uint64_t if_version, expires_at_ms;
    const char *merge, *merge_deep, *set, *text, *filter, *space;
    struct arg_texts remove;
    lode_write_op op; /* what is done to each point */
};

static int parse(struct patch *patch, int argc, char **argv, int *ret_exit)
{
    const struct arg_option options[] = {
        OPTION_TEXT("merge", "JSON", &patch->merge,
                    "Members of this object replace those of their names; null removes one."),
        OPTION_TEXT(
            "merge-deep", "JSON", &patch->merge_deep,
            "The same as JSON Merge Patch (RFC 7386) has it: objects inside are merged too."),
        OPTION_TEXT("set", "JSON", &patch->set, "This object becomes the metadata."),
        OPTION_TEXTS("remove", "FIELD", &patch->remove,
                     "Remove this member of the metadata. May be given several times."),
        OPTION_FLAG("no-metadata", &patch->no_metadata, "Remove all metadata."),
        OPTION_TEXT("text", "TEXT", &patch->text, "This becomes the text. The vector stays."),
        OPTION_FLAG("no-text", &patch->no_text, "Remove the text."),
        OPTION_UINT("expires-at", &patch->expires_at_ms, LODE_EXPIRES_AT_MIN, LODE_EXPIRES_AT_MAX,
                    "From then on there is no such point: milliseconds since 1970."),
        OPTION_FLAG("no-expiry", &patch->no_expiry, "It does not expire any more."),
        OPTION_UINT("if-version", &patch->if_version, 1, UINT64_MAX,
                    "Only if the point has this version (get --with-version); else nothing is "
                    "changed and the exit status is 1."),
        OPTION_FILTER_ALL(&patch->filter),
        OPTION_NAMESPACE(&patch->space),
        OPTION_CHOICE("id-kind", "KIND", &patch->id_rule, id_rule_names,
                      "Force ids to be number, uuid or string; default auto, as below."),
    };
    const struct arg_spec spec = {
        .command = "patch",
        .usage = "DIR COLLECTION ID... | --filter FILTER [options]",
        .about = "Changes metadata, text or expiry of points, by id or by filter, which keep their "
                 "vectors, and says how many points there were. Those of the command line are all "
                 "changed, or none; those that a filter matches, in batches of 10,000. Ids that no "
                 "point has are no error, unless --if-version asks for one.",
        .details = "Ids: digits only are a number, the 36-character form of a UUID is a UUID, "
                   "everything\nelse is a string. After -- an id may begin with a dash.\n",
        .examples = "  lode patch films.lode films 42 --merge '{\"seen\": true, \"draft\": null}'\n"
                    "  lode patch films.lode films 42 43 --remove draft --remove notes\n"
                    "  lode patch films.lode films alien --text 'In space no one can hear you'\n"
                    "  lode patch films.lode films --filter 'year < 1930' --merge '{\"silent\": "
                    "true}'\n",
        .operand_names = "DIR COLLECTION ID...",
        .operands_min = 2,
        .operands_max = 2 + (size_t)LODE_BATCH_MAX,
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    return args_parse(&spec, argc, argv, &patch->args, ret_exit);
}

static void use_metadata(struct patch *patch, lode_patch_mode mode, const char *metadata)
{
    patch->op.patch = mode;
    patch->op.point.metadata = metadata;
    patch->op.point.metadata_size = metadata ? strlen(metadata) : 0;
}

/* From the options to the operation. Returns an exit code. */
static int make_op(struct patch *patch)
{
    int modes = (patch->merge != NULL) + (patch->merge_deep != NULL) + (patch->set != NULL) +
                (patch->remove.count > 0) + patch->no_metadata;
    if (modes > 1)
        return output_usage("patch", "say one of --merge, --merge-deep, --set, --remove and "
                                     "--no-metadata");
    if (patch->text && patch->no_text)
        return output_usage("patch", "say --text or --no-text, not both");
    if (patch->expires_at_ms && patch->no_expiry)
        return output_usage("patch", "say --expires-at or --no-expiry, not both");
    if (modes == 0 && !patch->text && !patch->no_text && !patch->expires_at_ms && !patch->no_expiry)
        return output_usage("patch", "say what to change: --merge, --set, --remove, --text, ...");
    patch->op.kind = LODE_WRITE_PATCH;
    patch->op.condition = patch->if_version ? LODE_IF_VERSION : LODE_IF_ANY;
    patch->op.if_version = patch->if_version;
    patch->op.point.expires_at_ms = patch->no_expiry ? LODE_EXPIRES_NEVER : patch->expires_at_ms;
    if (patch->merge)
        use_metadata(patch, LODE_PATCH_MERGE, patch->merge);
    else if (patch->merge_deep)
        use_metadata(patch, LODE_PATCH_MERGE_DEEP, patch->merge_deep);
    else if (patch->set || patch->no_metadata)
        use_metadata(patch, LODE_PATCH_SET, patch->set);
    if (patch->remove.count > 0) {
        patch->op.patch = LODE_PATCH_REMOVE;
        patch->op.fields = patch->remove.items;
        patch->op.field_count = patch->remove.count;
    }
    patch->op.point.text = patch->no_text ? "" : patch->text;
    patch->op.point.text_size = patch->text ? strlen(patch->text) : 0;
    return EXIT_OK;
}

static int report(size_t asked, const lode_write_info *info)
{
    char patched[AMOUNT_TEXT_MAX], all[AMOUNT_TEXT_MAX];
    if (output_json()) {
        struct document document;
        document_begin(&document);
        document_key_u64(&document, "asked", asked);
        document_key_u64(&document, "patched", info->patched);
        return document_end(&document);
    }
    printf("patched %s of %s\n", amount_count(info->patched, patched), amount_count(asked, all));
    return EXIT_OK;
}

static int write_ops(const struct patch *patch, lode_write_op *ops, size_t count)
{
    struct session session;
    lode_error error = {0};
    lode_write_info info = {0};
    for (size_t i = 0; i < count; i++) {
        const char *text = patch->args.operands[2 + i];
        ops[i] = patch->op;
        if (id_parse(text, strlen(text), (enum id_rule)patch->id_rule, &ops[i].point.id, &error))
            return output_error(&error, CAUSE_ARGUMENTS);
    }
    int code = session_open(&session, patch->args.operands[0], patch->args.operands[1],
                            LODE_MAINTAIN_ON_REQUEST);
    if (!code)
        code = session_namespace(&session, patch->space);
    if (code)
        return code;
    if (lode_write(session.collection, ops, count, NULL, &info, &error))
        code = output_error(&error, CAUSE_ARGUMENTS);
    session_close(&session);
    return code ? code : report(count, &info);
}

static int write_filtered(const struct patch *patch)
{
    struct session session;
    lode_error error = {0};
    lode_write_info info = {0};
    int code = session_open(&session, patch->args.operands[0], patch->args.operands[1],
                            LODE_MAINTAIN_ON_REQUEST);
    if (code == EXIT_OK)
        code = session_namespace(&session, patch->space);
    if (code)
        return code;
    if (lode_patch_filtered(session.collection, lode_filter_text(patch->filter), &patch->op, &info,
                            &error))
        code = output_error(&error, CAUSE_ARGUMENTS);
    session_close(&session);
    return code ? code : report(info.patched, &info);
}

int patch_run(int argc, char **argv)
{
    struct patch patch = {.id_rule = ID_RULE_AUTO};
    lode_error error = {0};
    int code = EXIT_OK;
    if (!parse(&patch, argc, argv, &code))
        return code;
    size_t count = patch.args.operand_count - 2;
    if ((count > 0) == (patch.filter != NULL))
        return output_usage("patch", "say the ids or --filter FILTER%s",
                            patch.filter ? ", not both" : "");
    if (patch.filter && patch.if_version)
        return output_usage("patch", "--if-version is for ids on the command line");
    code = make_op(&patch);
    if (code || patch.filter)
        return code ? code : write_filtered(&patch);
    lode_write_op *ops = calloc(count, sizeof *ops);
    if (!ops) {
        (void)error_nomem(&error, "the operations", count * sizeof *ops);
        return output_error(&error, CAUSE_ARGUMENTS);
    }
    code = write_ops(&patch, ops, count);
    free(ops);
    return code;
}
