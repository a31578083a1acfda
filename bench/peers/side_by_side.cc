// side_by_side.cc: Lode and hnswlib in one process, on the same queries, in turns.
//
//     side_by_side --base B.fvecs --query Q.fvecs --truth T.ivecs --dir DIR [--metric l2] [--k 10]
//                  [--targets 0.95,0.99,0.999] [--rounds 7] [--cache FILE] [--name NAME]
//                  [--json FILE] [--queries 0]
//
// Lode is used through its public interface: points are written to the database in DIR with
// maintenance on request, compacted, closed and opened again; a DIR that is there is used as it is.
// For each recall the least ef of each engine is found by bisection. Then the engines take turns, one
// thread each, and medians over the rounds are compared.
#include "hnswlib_engine.h"
#include "lode_engine.h"

#include <functional>
#include <sstream>

typedef std::function<void(const float *query, uint32_t ef, int64_t *ids)> Search;

struct Series {
    const char *name;
    Search search;
    uint32_t ef = 0;
    double recall = 0;
    std::vector<double> wall, cpu; // queries per second, one for each round
};

static void run(const Workload &work, const Search &search, uint32_t ef, std::vector<int64_t> &ids)
{
    for (size_t q = 0; q < work.queries.count; q++)
        search(work.queries.row(q), ef, &ids[q * work.k]);
}

static double recall_at(const Workload &work, const Search &search, uint32_t ef)
{
    std::vector<int64_t> ids(work.queries.count * work.k);
    run(work, search, ef, ids);
    return work.recall(ids);
}

// The least ef that reaches the target; 0 when none up to 8192 does.
static uint32_t least_ef(const Workload &work, const Search &search, double target, double *recall)
{
    uint32_t low = (uint32_t)work.k - 1, high = (uint32_t)work.k;
    while ((*recall = recall_at(work, search, high)) < target) {
        low = high;
        high *= 2;
        if (high > 8192)
            return 0;
    }
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        double reached = recall_at(work, search, middle);
        if (reached >= target) {
            high = middle;
            *recall = reached;
        } else {
            low = middle;
        }
    }
    return high;
}

static void measure(const Workload &work, Series &series)
{
    std::vector<int64_t> ids(work.queries.count * work.k);
    size_t times = 0;
    Stopwatch watch;
    do { // at least a quarter of a second, or the clock's noise shows
        run(work, series.search, series.ef, ids);
        times++;
    } while (watch.wall() < 0.25);
    double queries = (double)(times * work.queries.count);
    series.wall.push_back(queries / watch.wall());
    series.cpu.push_back(queries / watch.cpu());
}

// Medians of a target as a table row and a JSON object.
static std::string report(double target, const Series &lode, const Series &peer)
{
    double wall = median(lode.wall), cpu = median(lode.cpu);
    double peer_wall = median(peer.wall), peer_cpu = median(peer.cpu);
    printf("%8.3f  %5u %8.0f %8.0f  %5u %8.0f %8.0f  %6.2f %6.2f\n", target, lode.ef, wall, cpu,
           peer.ef, peer_wall, peer_cpu, wall / peer_wall, cpu / peer_cpu);
    fflush(stdout);
    char json[1024];
    snprintf(json, sizeof json,
             "{\"recall\": %g, \"ratio_wall\": %.3f, \"ratio_cpu\": %.3f, "
             "\"lode\": {\"ef\": %u, \"recall\": %.5f, \"qps\": %.1f, \"qps_cpu\": %.1f}, "
             "\"hnswlib\": {\"ef\": %u, \"recall\": %.5f, \"qps\": %.1f, \"qps_cpu\": %.1f}}",
             target, wall / peer_wall, cpu / peer_cpu, lode.ef, lode.recall, wall, cpu, peer.ef,
             peer.recall, peer_wall, peer_cpu);
    return json;
}

static std::string compare(const Workload &work, double target, Series lode, Series peer,
                           int rounds)
{
    lode.ef = least_ef(work, lode.search, target, &lode.recall);
    peer.ef = least_ef(work, peer.search, target, &peer.recall);
    if (!lode.ef || !peer.ef) {
        printf("%8.3f  not reached by %s\n", target, lode.ef ? peer.name : lode.name);
        return "";
    }
    for (int round = 0; round < rounds; round++) {
        measure(work, round % 2 ? lode : peer);
        measure(work, round % 2 ? peer : lode);
    }
    return report(target, lode, peer);
}

int main(int argc, char **argv)
{
    Arguments arguments(argc, argv);
    Workload work;
    work.metric = parse_metric(arguments.get("metric", "l2"));
    work.k = std::stoul(arguments.get("k", "10"));
    work.load(arguments.need("base"), arguments.need("query"), arguments.need("truth"),
              std::stoul(arguments.get("queries", "0")));
    HnswlibEngine hnswlib(work, arguments.get("cache", ""));
    LodeEngine lode(work, arguments.need("dir"));
    std::string name = arguments.get("name", arguments.need("base"));
    printf("%s: %zu x %zu, %zu queries, k %zu, kernels %s\n", name.c_str(), work.base.count,
           work.base.dim, work.queries.count, work.k, lode.simd());
    printf("build: lode %.1f s (%.1f CPU), hnswlib %.1f s (%.1f CPU); 0 when it was there\n",
           lode.build_wall, lode.build_cpu, hnswlib.build_wall, hnswlib.build_cpu);
    printf("  recall  ---- lode, q/s ------  --- hnswlib, q/s ----  --- ratio --\n");
    printf("            ef     wall      cpu     ef     wall      cpu    wall    cpu\n");

    Series ours{"lode", [&](const float *query, uint32_t ef, int64_t *ids) {
                    lode.search(query, work.k, ef, ids);
                }};
    Series theirs{"hnswlib", [&](const float *query, uint32_t ef, int64_t *ids) {
                      hnswlib.search(query, work.k, ef, ids);
                  }};
    std::stringstream targets(arguments.get("targets", "0.95,0.99,0.999"));
    std::string target, results;
    while (std::getline(targets, target, ',')) {
        std::string result =
            compare(work, std::stod(target), ours, theirs, std::stoi(arguments.get("rounds", "7")));
        if (!result.empty())
            results += (results.empty() ? "    " : ",\n    ") + result;
    }
    std::string path = arguments.get("json", "");
    FILE *file = path.empty() ? nullptr : fopen(path.c_str(), "w");
    if (file) {
        fprintf(file,
                "{\"set\": \"%s\", \"points\": %zu, \"dim\": %zu, \"queries\": %zu, \"k\": %zu,\n"
                "  \"build\": {\"lode_wall_s\": %.1f, \"lode_cpu_s\": %.1f, \"hnswlib_wall_s\": "
                "%.1f, \"hnswlib_cpu_s\": %.1f},\n  \"results\": [\n%s\n  ]}\n",
                name.c_str(), work.base.count, work.base.dim, work.queries.count, work.k,
                lode.build_wall, lode.build_cpu, hnswlib.build_wall, hnswlib.build_cpu,
                results.c_str());
        fclose(file);
    }
    return 0;
}
