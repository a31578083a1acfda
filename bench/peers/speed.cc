// speed.cc: graph searches at equal recall: Lode beside the libraries it is measured against, on one set.
//
//     speed --name NAME --base B.fvecs --query Q.fvecs --truth T.ivecs --out DIR [--metric l2] [--k 10]
//           [--queries 1000] [--engines lode,hnswlib,...] [--targets 0.95,0.99,0.999]
//           [--rounds 5] [--curve-rounds 3] [--sources WORD] [--build-only no] [--json FILE]
//
// One thread, one query at a time, the first 1,000 (0: all). What an engine builds stays in DIR with what
// building it took: a second run only searches; Lode's is built anew when `sources` is another word than
// when it was built. For each recall the least ef of each engine is found by bisection; then the engines
// take turns and medians over the rounds are compared. Writes DIR/NAME.<engine>.curve (ef, recall, queries
// a second by the wall and by CPU time) and one JSON object for each engine and target to `json`.
//
//   lode          the public interface: written, compacted, closed, opened
//   lode-compact  the same, with the schema's layout compact
//   lode-index    the bare index over the same files
//   hnswlib, faiss-hnsw    M=16, ef_construction 200
#include "lode_engine.h"
#include "measure.h"
#include "race.h"

#ifdef BENCH_HNSWLIB
#include "hnswlib_engine.h"
#endif
#ifdef BENCH_FAISS
#include "faiss_engine.h"
#endif

#include <sstream>

// Every engine there is, in the order of the table. Ratios are against hnswlib.
static std::vector<EnginePointer> all_engines()
{
    std::vector<EnginePointer> engines;
    engines.emplace_back(new LodeEngine("lode", nullptr));
    engines.emplace_back(new LodeEngine(
        "lode-compact", [](lode_schema &schema) { schema.layout = LODE_LAYOUT_COMPACT; }));
    engines.emplace_back(new LodeIndexEngine("lode-index", "lode", nullptr));
#ifdef BENCH_HNSWLIB
    engines.emplace_back(new HnswlibEngine);
#endif
#ifdef BENCH_FAISS
    engines.emplace_back(new FaissEngine);
#endif
    return engines;
}

struct Racer {
    EnginePointer engine;
    BuildFigures build;
    MemoryFigures memory;
};

static std::vector<std::string> split(const std::string &text)
{
    std::vector<std::string> words;
    std::stringstream stream(text);
    for (std::string word; std::getline(stream, word, ',');)
        words.push_back(word);
    return words;
}

static std::vector<Racer> choose(const std::string &names)
{
    std::vector<Racer> racers;
    std::vector<std::string> wanted = split(names);
    for (EnginePointer &engine : all_engines()) {
        bool chosen = names.empty();
        for (const std::string &name : wanted)
            chosen = chosen || name == engine->name;
        if (chosen)
            racers.push_back({std::move(engine), {}, {}});
    }
    if (racers.empty())
        fail("none of the engines '" + names + "' is built in");
    return racers;
}

static std::vector<Series> series_of(std::vector<Racer> &racers, size_t k)
{
    std::vector<Series> all;
    for (Racer &racer : racers) {
        Engine *engine = racer.engine.get();
        Series series;
        series.name = engine->name;
        series.search = [engine, k](const float *query, uint32_t ef, int64_t *ids) {
            engine->search(query, k, ef, ids);
        };
        all.push_back(series);
    }
    return all;
}

// --- One target ------------------------------------------------------------------------------------

struct Report {
    const Set &set;
    const Workload &work;
    const std::vector<Racer> &racers;
    double target;
    const Series *reference; // hnswlib's, or null
};

static void show(const Report &report, const Series &series)
{
    printf("%8.3f  %-12s", report.target, series.name);
    if (!series.ef) {
        printf(" not reached: %.4f at ef %d\n", series.recall, (int)EF_MAX);
        return;
    }
    printf(" %5u  %.4f %9.0f %9.0f %8.0f %6.0f", series.ef, series.recall, median(series.wall),
           median(series.cpu), median(series.p50), median(series.p99));
    if (report.reference && report.reference->ef)
        printf(" %6.2f %6.2f", median(series.wall) / median(report.reference->wall),
               median(series.cpu) / median(report.reference->cpu));
    printf("\n");
    fflush(stdout);
}

static void write_speed(FILE *file, const Report &report, const Series &series)
{
    if (!series.ef) {
        fprintf(file, "\"qps\": null, \"qps_cpu\": null, ");
        return;
    }
    fprintf(
        file, "\"ef\": %u, \"qps\": %.1f, \"qps_cpu\": %.1f, \"p50_us\": %.1f, \"p99_us\": %.1f, ",
        series.ef, median(series.wall), median(series.cpu), median(series.p50), median(series.p99));
    if (report.reference && report.reference->ef)
        fprintf(file, "\"ratio\": %.3f, \"ratio_cpu\": %.3f, ",
                median(series.wall) / median(report.reference->wall),
                median(series.cpu) / median(report.reference->cpu));
}

static void write_row(FILE *file, const Report &report, const Series &series, const Racer &racer)
{
    const BuildFigures &build = racer.build;
    const MemoryFigures &memory = racer.memory;
    double points = (double)report.work.base.count;
    fprintf(file, "{\"set\": \"%s\", \"engine\": \"%s\", \"recall_target\": %g, \"recall\": %.5f, ",
            report.set.name.c_str(), series.name, report.target, series.recall);
    write_speed(file, report, series);
    fprintf(file,
            "\"build_cpu_s\": %.2f, \"build_wall_s\": %.2f, \"peak_bytes\": %llu, "
            "\"resident_bytes\": %llu, \"rss_growth_bytes\": %llu, ",
            build.cpu, build.wall, (unsigned long long)build.peak,
            (unsigned long long)memory.resident(), (unsigned long long)memory.growth);
    if (memory.graph_disk)
        fprintf(file, "\"graph_bytes_a_point\": %.1f, \"vectors_bytes_a_point\": %.1f, ",
                (double)memory.graph_disk / points, (double)memory.vectors_disk / points);
    fprintf(file, "\"points\": %zu, \"dim\": %zu, \"k\": %zu, \"simd\": \"%s\"}\n",
            report.work.base.count, report.work.base.dim, report.work.k, lode_simd_level());
}

static void compare(const Set &set, const Workload &work, std::vector<Racer> &racers, double target,
                    int rounds, FILE *json)
{
    std::vector<Series> all = series_of(racers, work.k);
    for (Series &series : all)
        series.ef = least_ef(work, series.search, target, &series.recall);
    race(work, all, rounds, 0.25);
    Report report{set, work, racers, target, nullptr};
    for (Series &series : all)
        if (!strcmp(series.name, "hnswlib"))
            report.reference = &series;
    for (size_t i = 0; i < all.size(); i++) {
        show(report, all[i]);
        if (json)
            write_row(json, report, all[i], racers[i]);
    }
}

// --- Curves ----------------------------------------------------------------------------------------

static const uint32_t curve_efs[] = {10,  14,  20,  28,  40,  56,   80,   112, 160,
                                     224, 320, 448, 640, 896, 1280, 1792, 2560};

// A curve ends where next to nothing is missing.
static const double curve_end = 0.9995;

static void draw_curves(const Set &set, const Workload &work, std::vector<Racer> &racers,
                        int rounds)
{
    std::vector<Series> all = series_of(racers, work.k);
    std::vector<FILE *> out;
    for (Series &series : all) {
        out.push_back(
            fopen((set.out + "/" + set.name + "." + series.name + ".curve").c_str(), "w"));
        if (!out.back())
            fail("cannot write to " + set.out);
        fprintf(out.back(), "# ef  recall  queries a second  and a CPU second\n");
    }
    for (uint32_t ef : curve_efs) {
        for (Series &series : all) {
            bool done = series.recall >= curve_end;
            series.ef = done ? 0 : ef;
            series.recall = done ? series.recall : recall_at(work, series.search, ef);
            series.wall.clear();
            series.cpu.clear();
        }
        race(work, all, rounds, 0.1);
        for (size_t i = 0; i < all.size(); i++)
            if (all[i].ef)
                fprintf(out[i], "%u %.5f %.1f %.1f\n", ef, all[i].recall, median(all[i].wall),
                        median(all[i].cpu));
    }
    for (FILE *file : out)
        fclose(file);
}

// --- All of it -------------------------------------------------------------------------------------

static void show_costs(const std::vector<Racer> &racers, double points)
{
    printf(
        "  engine        build s   CPU s  peak MB | at rest MB, bytes a point; its files: graph, "
        "vectors\n");
    for (const Racer &racer : racers) {
        const MemoryFigures &memory = racer.memory;
        printf("  %-12s %8.1f %7.1f %8.0f | %10.0f %6.0f", racer.engine->name, racer.build.wall,
               racer.build.cpu, (double)racer.build.peak / 1e6, (double)memory.resident() / 1e6,
               (double)memory.resident() / points);
        if (memory.graph_disk)
            printf("       %6.0f %6.0f", (double)memory.graph_disk / points,
                   (double)memory.vectors_disk / points);
        printf("\n");
    }
}

int main(int argc, char **argv)
{
    Arguments arguments(argc, argv);
    Set set = parse_set(arguments);
    Workload work;
    work.metric = set.metric;
    work.k = std::stoul(arguments.get("k", "10"));
    std::vector<Racer> racers = choose(arguments.get("engines", ""));
    for (Racer &racer : racers) // before this process grows, which its children would inherit
        racer.build = build_once(*racer.engine, set, arguments.get("sources", "-"));
    if (arguments.get("build-only", "no") == "yes")
        return 0;
    for (Racer &racer : racers)
        racer.memory = memory_at_rest(*racer.engine, set, work.k, 200);
    work.load(set.base, set.query, set.truth, std::stoul(arguments.get("queries", "1000")));
    for (Racer &racer : racers)
        racer.engine->open(set);
    printf("%s: %zu x %zu, %zu queries, k %zu, kernels %s\n", set.name.c_str(), work.base.count,
           work.base.dim, work.queries.count, work.k, lode_simd_level());
    show_costs(racers, (double)work.base.count);
    printf("  recall  engine          ef  reached       q/s   q/CPU s   p50 us p99 us   times "
           "hnswlib\n");
    std::string path = arguments.get("json", "");
    FILE *json = path.empty() ? nullptr : fopen(path.c_str(), "w");
    for (const std::string &target : split(arguments.get("targets", "0.95,0.99,0.999")))
        compare(set, work, racers, std::stod(target), std::stoi(arguments.get("rounds", "5")),
                json);
    if (json)
        fclose(json);
    int curve_rounds = std::stoi(arguments.get("curve-rounds", "3"));
    if (curve_rounds > 0)
        draw_curves(set, work, racers, curve_rounds);
    return 0;
}
