// layers.cc: what the upper layers of HNSW are worth: hnswlib's own graph, entered in other ways.
//
//     layers --name NAME --base B --query Q --truth T --out DIR [--metric l2] [--targets 0.95,0.99,0.999]
//            [--k 10] [--rounds 5] [--json FILE]
//
// One graph, DIR/NAME.hnswlib (built as bench/peers/speed builds it, if it is not there), and one
// walk, on layer 0; only the vertex where the walk begins differs:
//
//   hierarchy  down the upper layers, as in the paper
//   fixed      the top layer's entry point, always the same
//   random     another random vertex for each query
//   pivots     min(N/128, 4096) vertices drawn at random, each kept below the nearest of 64 leaders drawn from
//              them; the nearest member of the nearest two leaders' groups. The layers' own vectors, so that
//              both ways read the same memory
//
// For each recall the least ef of each; distances and hops a query, of entry and walk together; then all
// take turns, as in speed.
#include "hnswlib_engine.h"
#include "measure.h"
#include "race.h"

#include <random>
#include <sstream>

typedef hnswlib::HierarchicalNSW<float> Graph;

// Distances computed, when the counting function is in place.
static size_t distances_counted;
static hnswlib::DISTFUNC<float> counted_function;

static float count_distance(const void *a, const void *b, const void *dim)
{
    distances_counted++;
    return counted_function(a, b, dim);
}

struct Entries {
    const Graph &graph;
    std::mt19937 random{1};
    std::vector<hnswlib::tableint> leaders;
    std::vector<std::vector<hnswlib::tableint>> groups; // of each leader

    explicit Entries(const Graph &built) : graph(built)
    {
        size_t count = graph.cur_element_count;
        size_t wanted = std::max<size_t>(64, std::min<size_t>(count / 128, 4096));
        std::vector<hnswlib::tableint> pivots;
        for (size_t i = 0; i < wanted; i++)
            pivots.push_back(any());
        leaders.assign(pivots.begin(), pivots.begin() + 64);
        groups.resize(leaders.size());
        for (hnswlib::tableint pivot : pivots)
            groups[nearest_two(graph.getDataByInternalId(pivot)).first].push_back(pivot);
    }

    float distance(const void *query, hnswlib::tableint vertex) const
    {
        return graph.fstdistfunc_(query, graph.getDataByInternalId(vertex), graph.dist_func_param_);
    }

    hnswlib::tableint any()
    {
        return (hnswlib::tableint)(random() % graph.cur_element_count);
    }

    std::pair<size_t, size_t> nearest_two(const void *query) const
    {
        std::pair<float, size_t> first{INFINITY, 0}, second{INFINITY, 0};
        for (size_t i = 0; i < leaders.size(); i++) {
            std::pair<float, size_t> found{distance(query, leaders[i]), i};
            if (found < first)
                std::swap(found, first);
            if (found < second)
                second = found;
        }
        return {first.second, second.second};
    }

    hnswlib::tableint by_pivots(const void *query) const
    {
        std::pair<size_t, size_t> two = nearest_two(query);
        std::pair<float, hnswlib::tableint> best{INFINITY, leaders[two.first]};
        for (size_t group : {two.first, two.second})
            for (hnswlib::tableint vertex : groups[group])
                best = std::min(best, {distance(query, vertex), vertex});
        return best.second;
    }

    // As in hnswlib's searchKnn.
    hnswlib::tableint by_layers(const void *query) const
    {
        hnswlib::tableint at = graph.enterpoint_node_;
        float nearest = distance(query, at);
        for (int level = graph.maxlevel_; level > 0; level--)
            for (bool changed = true; changed;) {
                changed = false;
                unsigned *list = graph.get_linklist(at, level);
                int size = graph.getListCount(list);
                for (int i = 1; i <= size; i++) {
                    float found = distance(query, list[i]);
                    if (found < nearest) {
                        nearest = found;
                        at = list[i];
                        changed = true;
                    }
                }
            }
        return at;
    }
};

typedef std::function<hnswlib::tableint(const void *query)> Enter;

static void write_ids(std::priority_queue<std::pair<float, hnswlib::tableint>,
                                          std::vector<std::pair<float, hnswlib::tableint>>,
                                          Graph::CompareByFirst> &&found,
                      const Graph &graph, size_t k, int64_t *ids)
{
    while (found.size() > k)
        found.pop();
    std::fill(ids, ids + k, -1);
    for (size_t i = found.size(); i-- > 0; found.pop())
        ids[i] = (int64_t)graph.getExternalLabel(found.top().second);
}

struct Way {
    Series series;
    double distances = 0, hops = 0, entry_distances = 0; // a query
};

static Way way(const char *name, const Graph &graph, size_t k, Enter enter)
{
    Way way;
    way.series.name = name;
    way.series.search = [&graph, k, enter](const float *query, uint32_t ef, int64_t *ids) {
        size_t width = std::max<size_t>(ef, k);
        write_ids(graph.searchBaseLayerST<false>(enter(query), query, width), graph, k, ids);
    };
    return way;
}

// Once through all queries with counters on.
static void count(Way &way, const Workload &work, Graph &graph, const Enter &enter)
{
    double queries = (double)work.queries.count;
    counted_function = graph.fstdistfunc_;
    graph.fstdistfunc_ = count_distance;
    distances_counted = 0;
    for (size_t q = 0; q < work.queries.count; q++)
        enter(work.queries.row(q));
    way.entry_distances = (double)distances_counted / queries;
    distances_counted = 0;
    graph.metric_hops = 0;
    for (size_t q = 0; q < work.queries.count; q++) {
        const float *query = work.queries.row(q);
        size_t width = std::max<size_t>(way.series.ef, work.k);
        graph.searchBaseLayerST<false, true>(enter(query), query, width);
    }
    way.distances = (double)distances_counted / queries;
    way.hops = (double)graph.metric_hops / queries;
    graph.fstdistfunc_ = counted_function;
}

static void report(const Set &set, double target, const Way &way, const Way &hierarchy, FILE *json)
{
    const Series &series = way.series;
    if (!series.ef) {
        printf("%8.3f  %-10s not reached\n", target, series.name);
        return;
    }
    double ratio = median(series.cpu) / median(hierarchy.series.cpu);
    printf("%8.3f  %-10s %5u  %.4f %10.0f %7.0f %7.1f %9.0f %9.0f %6.3f\n", target, series.name,
           series.ef, series.recall, way.distances, way.entry_distances, way.hops,
           median(series.wall), median(series.cpu), ratio);
    fflush(stdout);
    if (json)
        fprintf(json,
                "{\"set\": \"%s\", \"entry\": \"%s\", \"recall_target\": %g, \"recall\": %.5f, "
                "\"ef\": %u, \"distances\": %.1f, \"entry_distances\": %.1f, \"hops\": %.2f, "
                "\"qps\": %.1f, \"qps_cpu\": %.1f, \"ratio_cpu\": %.4f}\n",
                set.name.c_str(), series.name, target, series.recall, series.ef, way.distances,
                way.entry_distances, way.hops, median(series.wall), median(series.cpu), ratio);
}

static void compare(const Set &set, const Workload &work, Graph &graph, Entries &entries,
                    double target, int rounds, FILE *json)
{
    const std::vector<std::pair<const char *, Enter>> enters = {
        {"hierarchy", [&](const void *query) { return entries.by_layers(query); }},
        {"fixed", [&](const void *) { return graph.enterpoint_node_; }},
        {"random", [&](const void *) { return entries.any(); }},
        {"pivots", [&](const void *query) { return entries.by_pivots(query); }},
    };
    std::vector<Way> ways;
    std::vector<Series> all;
    for (auto &enter : enters) {
        ways.push_back(way(enter.first, graph, work.k, enter.second));
        Series &series = ways.back().series;
        series.ef = least_ef(work, series.search, target, &series.recall);
        if (series.ef)
            count(ways.back(), work, graph, enter.second);
        all.push_back(series);
    }
    race(work, all, rounds, 0.25);
    for (size_t i = 0; i < ways.size(); i++)
        ways[i].series = all[i];
    for (const Way &each : ways)
        report(set, target, each, ways[0], json);
}

int main(int argc, char **argv)
{
    Arguments arguments(argc, argv);
    Set set = parse_set(arguments);
    Workload work;
    work.metric = set.metric;
    work.k = std::stoul(arguments.get("k", "10"));
    HnswlibEngine engine;
    build_once(engine, set, "-");
    work.load(set.base, set.query, set.truth, 0);
    engine.open(set);
    Graph &graph = *engine.graph;
    Entries entries(graph);
    printf("layers: %s, %zu x %zu, hnswlib's graph of %d layers\n", set.name.c_str(),
           work.base.count, work.base.dim, graph.maxlevel_ + 1);
    printf("  recall  entry         ef  reached  distances entering    hops       q/s   q/CPU s  "
           "ratio\n");
    std::string path = arguments.get("json", "");
    FILE *json = path.empty() ? nullptr : fopen(path.c_str(), "w");
    std::stringstream targets(arguments.get("targets", "0.95,0.99,0.999"));
    for (std::string target; std::getline(targets, target, ',');)
        compare(set, work, graph, entries, std::stod(target),
                std::stoi(arguments.get("rounds", "5")), json);
    if (json)
        fclose(json);
    return 0;
}
