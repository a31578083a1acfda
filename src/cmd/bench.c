/* bench.c: `lode bench`: its command line and its report. */
#include "cmd/bench.h"

#include "cmd/command.h"
#include "cmd/interrupt.h"
#include "cmd/names.h"
#include "cmd/output.h"
#include "cmd/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char details[] =
    "What is measured:\n"
    "  build_s, build_cpu_s   loading with maintenance on request, then one compaction; by the\n"
    "                         clock, and processor seconds of the whole process\n"
    "  peak_bytes             largest resident size of the process until the build's end\n"
    "  resident_bytes         by how much the process grew from before the second opening until\n"
    "                         after the measurements, pages of mapped files included\n"
    "  open_ms                opening database and collection again\n"
    "  qps, qps_cpu           queries a second by the clock, and by the processor seconds of the\n"
    "                         querying threads (which other load on the machine does not disturb)\n"
    "  distances, hops        a query, mean\n"
    "\n"
    "A hit counts for recall when its id is among the true k nearest, or when it is as near as\n"
    "the last of them (only with --scalar f32: stored values are then the true ones). Without\n"
    "--truth, it is computed by exact search over f32 vectors. For each recall asked for,\n"
    "ef_search is bisected from k up; \"reached\": false comes with the best that was found.\n"
    "\n"
    "--base x.hdf5 alone takes datasets train, test and neighbors, as ann-benchmarks.com has\n"
    "them. With --json: one object with the names above, and \"results\", a row for each recall.\n";

static int parse(struct bench *bench, int argc, char **argv, int *ret_exit)
{
    const struct arg_option options[] = {
        OPTION_TEXT("base", "FILE", &bench->base,
                    "Vectors to store: fvecs, bvecs, ivecs, npy, hdf5. Required."),
        OPTION_TEXT("query", "FILE", &bench->query,
                    "Vectors to search for. Required but for HDF5."),
        OPTION_TEXT("truth", "FILE", &bench->truth_path,
                    "The rows nearest to each query, best first: ivecs or hdf5."),
        OPTION_CHOICE("metric", "l2|ip|cosine", &bench->metric, metric_names, "Required.",
                      .given = &bench->has_metric),
        OPTION_CHOICE("index", "hnsw|flat", &bench->index, index_names, "Default hnsw."),
        OPTION_CHOICE("scalar", "TYPE", &bench->scalar, scalar_names,
                      "f32 (default), f16, bf16 or int8."),
        OPTION_UINT("m", &bench->m, 2, LODE_M_MAX, "hnsw: default 16."),
        OPTION_UINT("ef-construction", &bench->ef_construction, 1, LODE_EF_MAX,
                    "hnsw: default 200."),
        OPTION_CHOICE("layout", "fast|compact", &bench->layout, layout_names,
                      "hnsw: speed or memory; default fast."),
        OPTION_UINT("k", &bench->k, 1, LODE_K_MAX, "Neighbours a query; default 10."),
        OPTION_REALS("recall", &bench->recalls, 0, 1, "Default 0.9,0.95,0.99,0.999."),
        OPTION_UINT("threads", &bench->threads, 1, BENCH_THREADS_MAX,
                    "Threads that search; default 1."),
        OPTION_UINT("build-threads", &bench->build_threads, 1, 256,
                    "Threads that build; default one per core."),
        OPTION_UINT("limit-queries", &bench->limit_queries, 1, UINT64_MAX, "Only the first N."),
        OPTION_UINT("limit-base", &bench->limit_base, 1, UINT64_MAX,
                    "Only the first N; the truth is then computed."),
        OPTION_TEXT("dir", "DIR", &bench->dir,
                    "Make the database there and keep it; by default in TMPDIR, and removed."),
        OPTION_UINT("seed", &bench->seed, 0, UINT64_MAX, "Of the index."),
    };
    const struct arg_spec spec = {
        .command = "bench",
        .usage = "--base FILE --query FILE --metric l2|ip|cosine [options]",
        .about = "Measures the engine on your own vectors: builds a collection, closes and opens "
                 "it, and finds for each recall how fast it can be had.",
        .details = details,
        .examples =
            "  lode bench --base sift_base.fvecs --query sift_query.fvecs \\\n"
            "      --truth sift_groundtruth.ivecs --metric l2\n"
            "  lode bench --base glove-100-angular.hdf5 --metric cosine --scalar int8 --json\n"
            "  lode bench --base a.npy --query q.npy --metric ip --index flat --threads 8\n",
        .operand_names = "no arguments, options only",
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    return args_parse(&spec, argc, argv, &bench->args, ret_exit);
}

static int compare_doubles(const void *a_void, const void *b_void)
{
    double a = *(const double *)a_void, b = *(const double *)b_void;
    return (a > b) - (a < b);
}

static int check(struct bench *bench)
{
    static const double usual[] = {0.9, 0.95, 0.99, 0.999};
    if (!bench->base)
        return output_usage("bench", "--base is missing: the vectors to store");
    if (!bench->has_metric)
        return output_usage("bench", "--metric is missing: l2, ip or cosine");
    enum format format = format_of(bench->base);
    if (format == FORMAT_AUTO || format == FORMAT_JSONL || format == FORMAT_CSV)
        return output_usage("bench", "--base must be named .fvecs, .bvecs, .ivecs, .npy or .hdf5");
    if (!bench->query && format != FORMAT_HDF5)
        return output_usage("bench", "--query is missing: the vectors to search for");
    if (bench->truth_path && bench->limit_base != UINT64_MAX)
        return output_usage("bench", "--truth speaks of the whole base: leave it or --limit-base "
                                     "out");
    if (bench->recalls.count == 0) {
        memcpy(bench->recalls.items, usual, sizeof usual);
        bench->recalls.count = sizeof usual / sizeof *usual;
    }
    qsort(bench->recalls.items, bench->recalls.count, sizeof(double), compare_doubles);
    return EXIT_OK;
}

/* --- Report --------------------------------------------------------------------------------------- */

static void write_row(struct document *document, const struct bench *bench,
                      const struct bench_row *row)
{
    json_write_object(&document->json);
    document_key_f64(document, "recall_target", row->target);
    document_key_f64(document, "recall", row->best.recall);
    if (!row->reached)
        document_key_bool(document, "reached", 0);
    document_key_u64(document, "ef_search", row->best.ef_search);
    document_key_u64(document, "threads", bench->threads);
    document_key_f64(document, "qps", row->result.qps);
    document_key_f64(document, "qps_cpu", row->result.qps_cpu);
    document_key_f64(document, "p50_us", row->result.p50_us);
    document_key_f64(document, "p99_us", row->result.p99_us);
    document_key_f64(document, "distances", row->result.distances);
    document_key_f64(document, "hops", row->result.hops);
    json_write_object_end(&document->json);
}

static int report_json(const struct bench *bench)
{
    struct document document;
    document_begin(&document);
    document_key_u64(&document, "points", bench->points);
    document_key_u64(&document, "dim", bench->dim);
    document_key_text(&document, "metric", metric_names[bench->metric]);
    document_key_text(&document, "index", index_names[bench->index]);
    document_key_f64(&document, "build_s", bench->build_s);
    document_key_f64(&document, "build_cpu_s", bench->build_cpu_s);
    document_key_u64(&document, "peak_bytes", bench->peak_bytes);
    document_key_u64(&document, "resident_bytes", bench->resident_bytes);
    document_key_u64(&document, "disk_bytes", bench->disk_bytes);
    document_key_f64(&document, "open_ms", bench->open_ms);
    json_write_key(&document.json, "results");
    json_write_array(&document.json);
    for (size_t i = 0; i < bench->row_count; i++)
        write_row(&document, bench, &bench->rows[i]);
    json_write_array_end(&document.json);
    return document_end(&document);
}

static void add_row(struct table *table, const struct bench_row *row)
{
    table_printf(table, "%g", row->target);
    table_printf(table, "%.4f%s", row->best.recall, row->reached ? "" : " (not reached)");
    table_printf(table, "%lu", (unsigned long)row->best.ef_search);
    table_count(table, (uint64_t)row->result.qps);
    table_count(table, (uint64_t)row->result.qps_cpu);
    table_printf(table, "%.0f", row->result.p50_us);
    table_printf(table, "%.0f", row->result.p99_us);
    table_count(table, (uint64_t)row->result.distances);
    table_count(table, (uint64_t)row->result.hops);
}

static int report_text(const struct bench *bench)
{
    static const char *const titles[] = {"recall", "found",  "ef_search", "qps", "qps (cpu)",
                                         "p50 us", "p99 us", "distances", "hops"};
    char points[AMOUNT_TEXT_MAX], build[AMOUNT_TEXT_MAX], cpu[AMOUNT_TEXT_MAX];
    char peak[AMOUNT_TEXT_MAX], resident[AMOUNT_TEXT_MAX], disk[AMOUNT_TEXT_MAX];
    struct table table;
    printf("%s points × %lu, %s, %s, %s\n", amount_count(bench->points, points),
           (unsigned long)bench->dim, metric_names[bench->metric], scalar_names[bench->scalar],
           index_names[bench->index]);
    printf("built in %s (%s of processor time), %s at its peak\n",
           amount_seconds(bench->build_s, build), amount_seconds(bench->build_cpu_s, cpu),
           amount_bytes(bench->peak_bytes, peak));
    printf("%s on disk, opened in %.1f ms, %s resident after searching\n\n",
           amount_bytes(bench->disk_bytes, disk), bench->open_ms,
           amount_bytes(bench->resident_bytes, resident));
    printf("%zu queries, %llu nearest, %llu thread%s\n", bench->queries.count,
           (unsigned long long)bench->k, (unsigned long long)bench->threads,
           bench->threads == 1 ? "" : "s");
    table_init(&table);
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        table_column(&table, titles[i], 1);
    for (size_t i = 0; i < bench->row_count; i++)
        add_row(&table, &bench->rows[i]);
    table_print(&table);
    return EXIT_OK;
}

int bench_command_run(int argc, char **argv)
{
    struct bench bench = {
        .k = 10, .threads = 1, .limit_queries = UINT64_MAX, .limit_base = UINT64_MAX};
    lode_error error = {0};
    int code = EXIT_OK;
    if (!parse(&bench, argc, argv, &code))
        return code;
    code = check(&bench);
    if (code)
        return code;
    interrupt_catch();
    progress_begin(&bench.progress, "reading", "queries");
    lode_status status = bench_run(&bench, &error);
    progress_end(&bench.progress);
    if (status)
        code = output_error(&error, CAUSE_DATA);
    else
        code = output_json() ? report_json(&bench) : report_text(&bench);
    bench_release(&bench);
    return code;
}
