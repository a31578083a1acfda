/* explanation.c: see explanation.h. */
#include "cmd/explanation.h"

#include <math.h>
#include <stdio.h>

#include "cmd/output.h"

#define PLAN_COUNT (LODE_PLAN_CONFINED + 1)

static const char *const plan_names[PLAN_COUNT] = {"skip", "scan", "walk", "confined"};
static const char *const reason_names[] = {"cheapest", "far", "long", "short"};

/* --- JSON --------------------------------------------------------------------------------------- */

static void write_expected(struct document *document, const lode_explain_segment *segment)
{
    json_write_key(&document->json, "expected_us");
    json_write_object(&document->json);
    for (int plan = LODE_PLAN_SCAN; plan < PLAN_COUNT; plan++)
        if (segment->expected_us[plan] > 0 && isfinite(segment->expected_us[plan]))
            document_key_f64(document, plan_names[plan],
                             round(segment->expected_us[plan] * 10) / 10);
    json_write_object_end(&document->json);
}

static void write_segment(struct document *document, const lode_explain_segment *segment,
                          int is_searched)
{
    json_write_object(&document->json);
    document_key_u64(document, "segment", segment->number);
    document_key_text(document, "plan", plan_names[segment->plan]);
    document_key_text(document, "first", plan_names[segment->first]);
    document_key_text(document, "reason", reason_names[segment->reason]);
    document_key_u64(document, "rows", segment->rows);
    document_key_u64(document, "live_rows", segment->live_rows);
    document_key_u64(document, "allowed_rows", segment->allowed_rows);
    document_key_u64(document, "estimated_rows", segment->estimated_rows);
    document_key_u64(document, "column_rows", segment->column_rows);
    document_key_u64(document, "document_rows", segment->document_rows);
    write_expected(document, segment);
    if (is_searched) {
        document_key_u64(document, "distances", segment->distances);
        document_key_u64(document, "hops", segment->hops);
        document_key_u64(document, "us", segment->us);
    }
    json_write_object_end(&document->json);
}

static int show_json(const lode_explanation *explanation)
{
    struct document document;
    document_init(&document);
    json_write_object(&document.json);
    document_key_u64(&document, "count", explanation->allowed_rows);
    if (explanation->filter) {
        document_key_text(&document, "filter", explanation->filter);
        document_key_u64(&document, "filter_us", explanation->filter_us);
    }
    json_write_key(&document.json, "segments");
    json_write_array(&document.json);
    for (size_t i = 0; i < explanation->segment_count; i++)
        write_segment(&document, &explanation->segments[i], explanation->is_searched);
    json_write_array_end(&document.json);
    json_write_object_end(&document.json);
    return document_finish(&document);
}

/* --- Text --------------------------------------------------------------------------------------- */

static void print_segment(const lode_explain_segment *segment, int is_searched)
{
    printf("%10llu  %-8s %12llu %12llu %12llu %12llu %12llu", (unsigned long long)segment->number,
           plan_names[segment->plan], (unsigned long long)segment->rows,
           (unsigned long long)segment->live_rows, (unsigned long long)segment->allowed_rows,
           (unsigned long long)segment->estimated_rows, (unsigned long long)segment->document_rows);
    if (is_searched)
        printf(" %10llu %8llu %8llu", (unsigned long long)segment->distances,
               (unsigned long long)segment->hops, (unsigned long long)segment->us);
    putchar('\n');
}

/* Why that plan: what the others were expected to cost, or what went otherwise than expected. */
static void print_choice(const lode_explain_segment *segment)
{
    static const char *const texts[] = {
        [LODE_PLAN_CHEAPEST] = "",
        [LODE_PLAN_FAR] = "left: few of the rows near the query are allowed",
        [LODE_PLAN_LONG] = "left: it came to cost more than expected",
        [LODE_PLAN_SHORT] = "left: it found too few, or is damaged",
    };
    const char *before = "            expected:";
    for (int plan = LODE_PLAN_SCAN; plan < PLAN_COUNT; plan++)
        if (segment->expected_us[plan] > 0 && isfinite(segment->expected_us[plan])) {
            printf("%s %s %.0f us", before, plan_names[plan], segment->expected_us[plan]);
            before = ",";
        }
    if (segment->reason != LODE_PLAN_CHEAPEST)
        printf("; %s was %s", plan_names[segment->first], texts[segment->reason]);
    if (*before == ',')
        putchar('\n');
}

static int show_text(const lode_explanation *explanation)
{
    printf("%llu\n", (unsigned long long)explanation->allowed_rows);
    if (explanation->filter)
        printf("filter: %s (%llu us)\n", explanation->filter,
               (unsigned long long)explanation->filter_us);
    printf("%10s  %-8s %12s %12s %12s %12s %12s", "segment", "plan", "rows", "living", "allowed",
           "estimated", "documents");
    printf(explanation->is_searched ? " %10s %8s %8s\n" : "\n", "distances", "hops", "us");
    for (size_t i = 0; i < explanation->segment_count; i++) {
        print_segment(&explanation->segments[i], explanation->is_searched);
        print_choice(&explanation->segments[i]);
    }
    return EXIT_OK;
}

int explanation_run(lode_collection *collection, const lode_search_request *request)
{
    lode_explanation *explanation = NULL;
    lode_error error = {0};
    if (lode_explain(collection, request, &explanation, &error))
        return output_error(&error, CAUSE_ARGUMENTS);
    int code = output_json() ? show_json(explanation) : show_text(explanation);
    lode_explanation_free(explanation);
    return code;
}
