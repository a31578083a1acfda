// filters.cc: searches that may return some of the points only: Lode through its public interface, with a filter as
// text; the same as an exact scan; hnswlib; faiss; for each field (filter_fields.h) and share of the points.
//
// Lode's time includes reading the filter and finding out what it allows; peers are given that. "lode" and "scan" ask
// with a filter that was never asked before each time, "lode-again" with the same one. hnswlib
// as Debian has it knows no filter functor: what is not allowed is marked as deleted, which its walk treats as
// later versions treat what a functor refuses, without the call. Peers are asked with the first ef of a ladder that
// reaches Lode's recall, or the last. --plans yes: also the bare index, by each of its plans.
#include <cinttypes>
#include <functional>
#include <memory>

#include <lode/lode.h>

#include "engine.h"
#include "filter_fields.h"
#include "lode_index.h"

#ifdef BENCH_HNSWLIB
#include "hnswlib_engine.h"
#endif
#ifdef BENCH_FAISS
#include "faiss_engine.h"
#endif

namespace
{

const size_t K = 10;
const size_t BATCH = 1000;
const char *const PLANS[] = {"any", "scan", "confined", "sieve"};

struct Figures {
    double recall = 0, qps = 0, qps_cpu = 0;
    size_t hits = 0; // the fewest of any query
};

typedef std::function<void(const float *, int64_t *)> Search;

struct Case {
    const Matrix<float> *queries;
    const std::vector<size_t> *asked;
    std::vector<int64_t> truth;
    double seconds_max;
};

size_t hits_of(const int64_t *ids)
{
    return (size_t)std::count_if(ids, ids + K, [](int64_t id) { return id >= 0; });
}

double right_of(const int64_t *ids, const int64_t *truth)
{
    size_t right = 0, wanted = hits_of(truth);
    for (size_t i = 0; i < K; i++)
        right += ids[i] >= 0 && std::find(truth, truth + K, ids[i]) != truth + K;
    return wanted ? (double)right / (double)wanted : 1;
}

// Once round, or until time is up.
Figures measure(const Case &all, const Search &search)
{
    Figures figures;
    std::vector<int64_t> ids(K);
    double right = 0, wall = 0, cpu = 0;
    size_t done = 0;
    figures.hits = K;
    for (; done < all.asked->size() && wall < all.seconds_max; done++) {
        const float *query = all.queries->row((*all.asked)[done]);
        Stopwatch watch;
        search(query, ids.data());
        wall += watch.wall();
        cpu += watch.cpu();
        right += right_of(ids.data(), &all.truth[done * K]);
        figures.hits = std::min(figures.hits, hits_of(ids.data()));
    }
    figures.recall = right / (double)done;
    figures.qps = (double)done / wall;
    figures.qps_cpu = (double)done / cpu;
    return figures;
}

struct Report {
    FILE *json;
    bool first = true;
    void row(const std::string &engine, const std::string &field, double share,
             const Figures &figures, const std::string &more)
    {
        printf("%-13s %-8s %7.3f%%  recall %.4f  %9.1f/s  %9.1f/CPU s  hits %2zu  %s\n",
               engine.c_str(), field.c_str(), share * 100, figures.recall, figures.qps,
               figures.qps_cpu, figures.hits, more.c_str());
        fflush(stdout);
        if (!json)
            return;
        fprintf(json,
                "%s\n{\"engine\":\"%s\",\"field\":\"%s\",\"selectivity\":%g,\"recall\":%.4f,"
                "\"qps\":%.1f,\"qps_cpu\":%.1f,\"hits\":%zu}",
                first ? "" : ",", engine.c_str(), field.c_str(), share, figures.recall, figures.qps,
                figures.qps_cpu, figures.hits);
        first = false;
    }
};

struct Lode {
    lode_db *db = nullptr;
    lode_collection *points = nullptr;
    lode_error error{};
    uint32_t ef;
    size_t asked = 0;

    explicit Lode(uint32_t ef_search) : ef(ef_search)
    {
    }
    ~Lode()
    {
        lode_collection_close(points);
        lode_db_close(db);
    }
    void must(lode_status status)
    {
        if (status != LODE_OK)
            fail(std::string("lode: ") + lode_status_name(status) + ": " + error.message);
    }
    void open(const std::string &path)
    {
        lode_db_options options{};
        options.maintenance = LODE_MAINTAIN_ON_REQUEST;
        must(lode_db_open(path.c_str(), &options, &db, &error));
    }
    bool is_built()
    {
        return lode_collection_open(db, "points", &points, &error) == LODE_OK;
    }
    void build(const Matrix<float> &base, const Metadata &metadata)
    {
        lode_schema schema{};
        schema.dim = (uint32_t)base.dim;
        schema.metric = LODE_METRIC_L2;
        must(lode_collection_create(db, "points", &schema, &points, &error));
        for (size_t done = 0; done < base.count; done += BATCH) {
            size_t count = std::min(BATCH, base.count - done);
            std::vector<lode_point> batch(count);
            std::vector<std::string> documents(count);
            for (size_t i = 0; i < count; i++) {
                documents[i] = metadata.document(done + i);
                batch[i].id = lode_id_number(done + i);
                batch[i].vector = base.row(done + i);
                batch[i].metadata = documents[i].data();
                batch[i].metadata_size = documents[i].size();
            }
            must(lode_upsert(points, batch.data(), count, nullptr, &error));
        }
        must(lode_compact(points, NULL, &error));
    }
    lode_search_request request_of(const std::string &text, const float *query) const
    {
        lode_search_request request{};
        request.vector = query;
        request.k = K;
        request.ef_search = ef;
        request.filter = text.data();
        request.filter_size = text.size();
        return request;
    }
    // With a filter that was never asked before, or with the same one each time.
    Search searcher(const Filter &filter, bool is_exact, bool is_anew)
    {
        return [this, &filter, is_exact, is_anew](const float *query, int64_t *ids) {
            std::string text = is_anew ? filter.anew(asked++) : filter.text;
            lode_search_request request = request_of(text, query);
            lode_result *result;
            request.exact = is_exact;
            must(lode_search(points, &request, &result, &error));
            for (size_t i = 0; i < K; i++)
                ids[i] = i < result->hit_count ? (int64_t)result->hits[i].id.number : -1;
            lode_result_free(result);
        };
    }
    // What it did, and whether the count of allowed points is right.
    std::string explain(const Filter &filter, const Case &all)
    {
        const char *const names[] = {"skip", "scan", "walk", "confined"};
        size_t plans[4] = {0, 0, 0, 0};
        double hops = 0, distances = 0, filter_us = 0;
        for (size_t query : *all.asked) {
            lode_explanation *said;
            std::string text = filter.anew(asked++);
            lode_search_request request = request_of(text, all.queries->row(query));
            must(lode_explain(points, &request, &said, &error));
            if (said->allowed_rows != filter.count)
                fail(filter.text + ": another number of points is allowed");
            filter_us += (double)said->filter_us;
            for (size_t i = 0; i < said->segment_count; i++) {
                plans[said->segments[i].plan]++;
                hops += (double)said->segments[i].hops;
                distances += (double)said->segments[i].distances;
            }
            lode_explanation_free(said);
        }
        std::string text;
        char numbers[100];
        double asked = (double)all.asked->size();
        for (int i = 0; i < 4; i++)
            if (plans[i])
                text += std::string(names[i]) + " " + std::to_string(plans[i]) + ", ";
        snprintf(numbers, sizeof numbers, "%.1f hops, %.0f distances, filter %.0f us", hops / asked,
                 distances / asked, filter_us / asked);
        return text + numbers;
    }
};

// The bare index of the same points, by one plan.
struct Index {
    lode_index_file *file;
    std::vector<uint32_t> places; // of points: rows

    explicit Index(const std::string &dir)
    {
        char message[300];
        file = lode_index_open(dir.c_str(), message, sizeof message);
        if (!file)
            fail(message);
        uint32_t count;
        const uint64_t *numbers = lode_index_numbers(file, &count);
        places.resize(count);
        for (uint32_t row = 0; row < count; row++)
            places[numbers[row]] = row;
    }
    ~Index()
    {
        lode_index_close(file);
    }
    void measure_plans(Report &report, const Field &field, double share, const Filter &filter,
                       const Case &all, uint32_t ef) const
    {
        std::vector<uint64_t> bits((places.size() + 63) / 64);
        for (size_t i = 0; i < places.size(); i++)
            if (filter.allowed[i])
                bits[places[i] / 64] |= (uint64_t)1 << (places[i] % 64);
        for (int plan = 0; plan < 4; plan++) {
            Search search = [&](const float *query, int64_t *ids) {
                lode_index_search_allowed(file, query, K, ef, bits.data(), (uint32_t)filter.count,
                                          plan, ids);
            };
            measure(all, search);
            report.row(std::string("index-") + PLANS[plan], field.name, share, measure(all, search),
                       "");
        }
    }
};

// From the first ef of a ladder that reaches the recall.
void peer(Report &report, const char *name, const Field &field, double share, const Case &all,
          double recall, const std::function<void(uint32_t, const float *, int64_t *)> &search)
{
    Figures figures;
    uint32_t used = 0;
    for (uint32_t ef : {16, 24, 32, 48, 64, 96, 128, 192, 256, 512}) {
        used = ef;
        figures = measure(all, [&](const float *query, int64_t *ids) { search(ef, query, ids); });
        if (figures.recall >= recall - 0.002)
            break;
    }
    report.row(name, field.name, share, figures, "ef " + std::to_string(used));
}

struct Peers {
#ifdef BENCH_HNSWLIB
    std::unique_ptr<HnswlibEngine> hnswlib;
#endif
#ifdef BENCH_FAISS
    std::unique_ptr<FaissEngine> faiss_engine;
#endif

    void open(const Set &set)
    {
#ifdef BENCH_HNSWLIB
        hnswlib.reset(new HnswlibEngine);
        hnswlib->open(set);
#endif
#ifdef BENCH_FAISS
        faiss_engine.reset(new FaissEngine);
        faiss_engine->open(set);
#endif
        (void)set;
    }
    void measure_hnswlib(Report &report, const Field &field, double share, const Filter &filter,
                         const Case &all, double recall)
    {
#ifdef BENCH_HNSWLIB
        if (!hnswlib)
            return;
        auto &graph = *hnswlib->graph;
        for (size_t i = 0; i < filter.allowed.size(); i++)
            if (!filter.allowed[i])
                graph.markDelete(i);
        peer(report, "hnswlib", field, share, all, recall,
             [&](uint32_t ef, const float *query, int64_t *ids) {
                 hnswlib->search(query, K, ef, ids);
             });
        for (size_t i = 0; i < filter.allowed.size(); i++)
            if (!filter.allowed[i])
                graph.unmarkDelete(i);
#endif
    }
    void measure_faiss(Report &report, const Field &field, double share, const Filter &filter,
                       const Case &all, double recall)
    {
#ifdef BENCH_FAISS
        if (!faiss_engine)
            return;
        std::vector<uint8_t> bits((filter.allowed.size() + 7) / 8);
        for (size_t i = 0; i < filter.allowed.size(); i++)
            if (filter.allowed[i])
                bits[i / 8] |= (uint8_t)(1 << (i % 8));
        faiss::IDSelectorBitmap selector(filter.allowed.size(), bits.data());
        faiss::SearchParametersHNSW params;
        params.sel = &selector;
        peer(report, "faiss-hnsw", field, share, all, recall,
             [&](uint32_t ef, const float *query, int64_t *ids) {
                 params.efSearch = (int)ef;                    // 1.7.3 reads it here for one thing,
                 faiss_engine->index->hnsw.efSearch = (int)ef; // there for another
                 faiss_engine->search_with(query, K, &params, ids);
             });
#endif
    }
};

std::vector<size_t> asked_of(const Field &field, const Matrix<float> &base,
                             const Matrix<float> &queries, size_t count)
{
    std::vector<size_t> asked(count);
    for (size_t i = 0; i < count; i++)
        asked[i] = i;
    if (!field.is_asked_at_centre)
        return asked;
    std::vector<uint32_t> around = nearest_first(queries, centre_of(base));
    return std::vector<size_t>(around.begin(), around.begin() + (long)count);
}

std::vector<double> shares_of(const Arguments &arguments)
{
    std::vector<double> shares;
    double low = atof(arguments.get("low", "0").c_str()),
           high = atof(arguments.get("high", "100").c_str());
    for (double percent : {0.01, 0.1, 1., 5., 10., 25., 50., 90., 99.})
        if (percent >= low && percent <= high)
            shares.push_back(percent / 100);
    return shares;
}

} // namespace

int main(int argc, char **argv)
{
    Arguments arguments(argc, argv);
    Set set = parse_set(arguments);
    std::string only = arguments.get("field", ""), json = arguments.get("json", "");
    std::string path = set.out + "/" + set.name + ".filters";
    Matrix<float> base = read_vecs<float>(set.base), queries = read_vecs<float>(set.query);
    size_t asked = std::min((size_t)atoi(arguments.get("queries", "100").c_str()), queries.count);
    Metadata metadata = metadata_of(base);
    Lode lode((uint32_t)atoi(arguments.get("ef", "0").c_str()));
    std::unique_ptr<Index> index;
    Peers peers;
    lode.open(path);
    if (!lode.is_built())
        lode.build(base, metadata);
    if (arguments.get("peers", "yes") == "yes")
        peers.open(set);
    if (arguments.get("plans", "no") == "yes")
        index.reset(new Index(path));
    Report report{json.empty() ? nullptr : fopen(json.c_str(), "w")};
    if (report.json)
        fprintf(report.json, "[");
    for (const Field &field : FILTER_FIELDS) {
        if (!only.empty() && only != field.name)
            continue;
        std::vector<size_t> places = asked_of(field, base, queries, asked);
        for (double share : shares_of(arguments)) {
            Filter filter = filter_of(field, metadata, share);
            double real = (double)filter.count / (double)base.count;
            Case all{&queries, &places, std::vector<int64_t>(places.size() * K), 20};
            Search scan = lode.searcher(filter, true, true),
                   search = lode.searcher(filter, false, true),
                   again = lode.searcher(filter, false, false);
            for (size_t i = 0; i < places.size(); i++)
                scan(queries.row(places[i]), &all.truth[i * K]);
            report.row("scan", field.name, real, measure(all, scan), "");
            measure(all, search);
            Figures figures = measure(all, search);
            report.row("lode", field.name, real, figures, lode.explain(filter, all));
            measure(all, again);
            report.row("lode-again", field.name, real, measure(all, again), "");
            if (index)
                index->measure_plans(report, field, real, filter, all, lode.ef ? lode.ef : 64);
            all.seconds_max = 0.5;
            peers.measure_hnswlib(report, field, real, filter, all, figures.recall);
            peers.measure_faiss(report, field, real, filter, all, figures.recall);
        }
    }
    if (report.json) {
        fprintf(report.json, "\n]\n");
        fclose(report.json);
    }
}
