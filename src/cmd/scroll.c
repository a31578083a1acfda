/* scroll.c: `lode scroll`. */
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/options.h"
#include "cmd/query_show.h"
#include "cmd/session.h"

#include <stdio.h>
#include <string.h>

struct scroll {
    struct args args;
    const char *filter, *snapshot, *space, *by, *after, *show;
    uint64_t limit;
    int descending, with_vector, with_version;
    struct shown shown;
};

static int parse(struct scroll *scroll, int argc, char **argv, int *ret_exit)
{
    const struct arg_option options[] = {
        OPTION_FILTER(&scroll->filter),
        OPTION_TEXT("by", "FIELD", &scroll->by, "Order by this field of the metadata, not by id."),
        OPTION_FLAG("desc", &scroll->descending, "The greatest first."),
        OPTION_UINT("limit", &scroll->limit, 1, LODE_K_MAX,
                    "Points of the page, 1 to 16384; default 10."),
        OPTION_TEXT("after", "CURSOR", &scroll->after,
                    "Where the page before ended, as it was printed there. The order must be the "
                    "same."),
        OPTION_TEXT("show", "FIELD,...", &scroll->show,
                    "Which metadata members to show, and \"text\" for the text; all by default."),
        OPTION_FLAG("with-vector", &scroll->with_vector, "With --json: the vectors too."),
        OPTION_FLAG("with-version", &scroll->with_version, "With --json: the versions too."),
        OPTION_NAMESPACE(&scroll->space),
        OPTION_SNAPSHOT(&scroll->snapshot),
    };
    const struct arg_spec spec = {
        .command = "scroll",
        .usage = "DIR COLLECTION [--filter FILTER] [--by FIELD] [--desc] [--after CURSOR]",
        .about = "Shows points page by page, in order of id or of a field, and the cursor with "
                 "which the next page begins. Points that are not changed in between come once, "
                 "whatever is written. Points without the field come last.",
        .details = "With --json: {\"points\": [...], \"next\": CURSOR or null, \"sequence\"}.\n",
        .examples = "  lode scroll films.lode films --by year --desc --limit 20 --show title,year\n"
                    "  lode scroll films.lode films --filter 'genre = \"drama\"' --json\n",
        .operand_names = "DIR COLLECTION",
        .operands_min = 2,
        .operands_max = 2,
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    return args_parse(&spec, argc, argv, &scroll->args, ret_exit);
}

static int report(const struct scroll *scroll, const lode_page *page, uint32_t dim)
{
    const struct shown *shown = scroll->show ? &scroll->shown : NULL;
    struct hits hits = {page->hits, page->hit_count, 0};
    struct document document;
    if (!output_json()) {
        hits_print(&hits, shown);
        if (page->next)
            printf("--after %s\n", page->next);
        return EXIT_OK;
    }
    document_begin(&document);
    json_write_key(&document.json, "points");
    hits_write_json(&document, &hits, shown, dim);
    json_write_key(&document.json, "next");
    if (page->next)
        json_write_string(&document.json, page->next, strlen(page->next));
    else
        json_write_null(&document.json);
    document_key_u64(&document, "sequence", page->sequence);
    return document_end(&document);
}

static int run_session(struct scroll *scroll, struct session *session)
{
    lode_page *page = NULL;
    lode_error error = {0};
    lode_scroll_request request = {.snapshot = session->snapshot,
                                   .filter = scroll->filter,
                                   .filter_size = scroll->filter ? strlen(scroll->filter) : 0,
                                   .by = scroll->by,
                                   .descending = scroll->descending,
                                   .limit = (size_t)scroll->limit,
                                   .after = scroll->after,
                                   .with = LODE_WITH_METADATA | LODE_WITH_EXPIRY};
    if (!scroll->show || scroll->shown.text)
        request.with |= LODE_WITH_TEXT;
    if (output_json() && scroll->with_vector)
        request.with |= LODE_WITH_VECTOR;
    if (output_json() && scroll->with_version)
        request.with |= LODE_WITH_VERSION;
    if (lode_scroll(session->collection, &request, &page, &error))
        return output_error(&error, CAUSE_ARGUMENTS);
    int code = report(scroll, page, lode_collection_schema(session->collection)->dim);
    lode_page_free(page);
    return code;
}

int scroll_run(int argc, char **argv)
{
    struct scroll scroll = {0};
    struct session session;
    int code = EXIT_OK;
    if (!parse(&scroll, argc, argv, &code))
        return code;
    if (scroll.show && !shown_parse(&scroll.shown, scroll.show))
        return output_usage("scroll", "--show takes at most %d fields", SHOWN_MAX);
    code = session_read_state(&session, &scroll.args, scroll.space, scroll.snapshot);
    if (code)
        return code;
    code = run_session(&scroll, &session);
    session_close(&session);
    return code;
}
