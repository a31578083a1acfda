// filters.cc: searches that may return some of the rows only: Lode's index, an exact scan of those rows, hnswlib,
// faiss, for each share of the rows and each way in which they lie to the queries.
//
// Fields: `random`, rows drawn at random; `near`, the rows nearest to a centre, asked there; `away`, the rows
// furthest from it, asked there as well; `mixed`, the rows nearest to it, asked everywhere.
//
// hnswlib as Debian has it knows no filter functor: rows that are not allowed are marked as deleted, which its
// walk treats as later versions treat what a functor refuses, without the call. Peers are asked with the first
// ef of a ladder that reaches Lode's recall, or the last.
#include <cinttypes>
#include <functional>
#include <memory>

#include "engine.h"
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
const char *const PLANS[] = {"any", "scan", "confined", "sieve"};
const char *const REASONS[] = {"cheapest", "asked", "far", "cost", "short"};

// Rows by their numbers in the base file.
struct Field {
    std::string name;
    std::vector<uint32_t> order; // of rows: the first of them are allowed
    std::vector<size_t> queries;
};

struct Mask {
    std::vector<uint64_t> bits;
    uint32_t count;
    bool operator[](size_t i) const
    {
        return bits[i / 64] >> (i % 64) & 1;
    }
};

Mask mask_of(const std::vector<uint32_t> &order, size_t count, const std::vector<uint32_t> *places)
{
    Mask mask{std::vector<uint64_t>((order.size() + 63) / 64), (uint32_t)count};
    for (size_t i = 0; i < count; i++) {
        size_t at = places ? (*places)[order[i]] : order[i];
        mask.bits[at / 64] |= (uint64_t)1 << (at % 64);
    }
    return mask;
}

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
    void row(const char *engine, const std::string &field, double share, const Figures &figures,
             const std::string &more)
    {
        printf("%-14s %-7s %6.2f%%  recall %.4f  %9.1f/s  %9.1f/CPU s  hits %2zu  %s\n", engine,
               field.c_str(), share * 100, figures.recall, figures.qps, figures.qps_cpu,
               figures.hits, more.c_str());
        fflush(stdout);
        if (!json)
            return;
        fprintf(json,
                "%s\n{\"engine\":\"%s\",\"field\":\"%s\",\"selectivity\":%g,\"recall\":%.4f,"
                "\"qps\":%.1f,\"qps_cpu\":%.1f,\"hits\":%zu}",
                first ? "" : ",", engine, field.c_str(), share, figures.recall, figures.qps,
                figures.qps_cpu, figures.hits);
        first = false;
    }
};

std::vector<uint32_t> nearest_first(const Matrix<float> &rows, const float *centre)
{
    std::vector<std::pair<float, uint32_t>> order(rows.count);
    for (size_t i = 0; i < rows.count; i++) {
        float sum = 0;
        for (size_t j = 0; j < rows.dim; j++)
            sum += (rows.row(i)[j] - centre[j]) * (rows.row(i)[j] - centre[j]);
        order[i] = {sum, (uint32_t)i};
    }
    std::sort(order.begin(), order.end());
    std::vector<uint32_t> numbers(rows.count);
    for (size_t i = 0; i < rows.count; i++)
        numbers[i] = order[i].second;
    return numbers;
}

std::vector<Field> fields_of(const Matrix<float> &base, const Matrix<float> &queries, size_t asked)
{
    const float *centre = base.row(base.count / 3);
    std::vector<uint32_t> near = nearest_first(base, centre), away(near.rbegin(), near.rend());
    std::vector<uint32_t> random(base.count), around = nearest_first(queries, centre);
    std::vector<size_t> everywhere(asked), there(around.begin(), around.begin() + (long)asked);
    uint64_t state = 88172645463325252u;
    for (size_t i = 0; i < base.count; i++)
        random[i] = (uint32_t)i;
    for (size_t i = base.count; i-- > 1;) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        std::swap(random[i], random[state % (i + 1)]);
    }
    for (size_t i = 0; i < asked; i++)
        everywhere[i] = i;
    return {{"random", random, everywhere},
            {"near", near, there},
            {"away", away, there},
            {"mixed", near, everywhere}};
}

struct Tally {
    size_t plans[4] = {0, 0, 0, 0}, reasons[5] = {0, 0, 0, 0, 0};
    uint64_t hops = 0, distances = 0, searches = 0;
    void add(const lode_index_found &found)
    {
        plans[found.plan]++;
        reasons[found.reason]++;
        hops += found.hops;
        distances += found.distances;
        searches++;
    }
    std::string text() const
    {
        char numbers[100];
        std::string text;
        for (int i = 0; i < 4; i++)
            if (plans[i])
                text += std::string(PLANS[i]) + " " + std::to_string(plans[i]) + " ";
        text += "(";
        for (int i = 0; i < 5; i++)
            if (reasons[i])
                text += std::string(text.back() == '(' ? "" : " ") + REASONS[i] + " " +
                        std::to_string(reasons[i]);
        snprintf(numbers, sizeof numbers, ") %.1f hops %.0f distances",
                 (double)hops / (double)searches, (double)distances / (double)searches);
        return text + numbers;
    }
};

struct Lode {
    lode_index_file *file;
    std::vector<uint32_t> places; // of base numbers: rows
    uint32_t ef;

    explicit Lode(const std::string &dir, uint32_t ef_search) : ef(ef_search)
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
    Search searcher(const Mask &mask, int plan, Tally *tally) const
    {
        return [this, &mask, plan, tally](const float *query, int64_t *ids) {
            lode_index_found found = lode_index_search_allowed(file, query, K, ef, mask.bits.data(),
                                                               mask.count, plan, ids);
            if (tally)
                tally->add(found);
        };
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

} // namespace

int main(int argc, char **argv)
{
    Arguments arguments(argc, argv);
    Set set = parse_set(arguments);
    bool is_every_plan = arguments.get("plans", "no") == "yes";
    bool with_peers = arguments.get("peers", "yes") == "yes";
    size_t asked = (size_t)atoi(arguments.get("queries", "100").c_str());
    std::string only = arguments.get("field", "");
    Matrix<float> base = read_vecs<float>(set.base), queries = read_vecs<float>(set.query);
    Lode lode(arguments.need("lode"), (uint32_t)atoi(arguments.get("ef", "64").c_str()));
    std::vector<Field> fields = fields_of(base, queries, std::min(asked, queries.count));
    std::string json = arguments.get("json", "");
    Report report{json.empty() ? nullptr : fopen(json.c_str(), "w")};
    if (report.json)
        fprintf(report.json, "[");
#ifdef BENCH_HNSWLIB
    std::unique_ptr<HnswlibEngine> hnswlib;
    if (with_peers) {
        hnswlib.reset(new HnswlibEngine);
        hnswlib->open(set);
    }
#endif
#ifdef BENCH_FAISS
    std::unique_ptr<FaissEngine> faiss_engine;
    if (with_peers) {
        faiss_engine.reset(new FaissEngine);
        faiss_engine->open(set);
    }
#endif
    std::vector<double> shares;
    double low = atof(arguments.get("low", "0").c_str()),
           high = atof(arguments.get("high", "100").c_str());
    for (double percent : {0.01, 0.1, 0.3, 1., 2., 5., 10., 25., 50., 90., 99.})
        if (percent >= low && percent <= high &&
            ((percent != 0.3 && percent != 2.) || is_every_plan))
            shares.push_back(percent / 100);
    for (const Field &field : fields)
        for (double share : shares) {
            if (!only.empty() && only != field.name)
                continue;
            size_t count = (size_t)(share * (double)base.count + 0.5);
            Mask mask = mask_of(field.order, count, &lode.places);
            Case all{&queries, &field.queries, std::vector<int64_t>(field.queries.size() * K), 20};
            Search scan = lode.searcher(mask, 1, nullptr);
            for (size_t i = 0; i < field.queries.size(); i++)
                scan(queries.row(field.queries[i]), &all.truth[i * K]);
            Figures figures = measure(all, scan);
            report.row("scan", field.name, share, figures, "");
            for (int plan = 0; plan < 4; plan++) {
                if (plan == 1 || (plan && !is_every_plan))
                    continue;
                Tally tally;
                Search search = lode.searcher(mask, plan, &tally);
                measure(all, lode.searcher(mask, plan, nullptr));
                Figures found = measure(all, search);
                if (!plan)
                    figures = found;
                std::string name = plan ? "lode-" + std::string(PLANS[plan]) : std::string("lode");
                report.row(name.c_str(), field.name, share, found, tally.text());
            }
            Case some = all;
            some.seconds_max = 0.5;
#ifdef BENCH_HNSWLIB
            if (hnswlib) {
                Mask numbers = mask_of(field.order, count, nullptr);
                auto &graph = *hnswlib->graph;
                for (size_t i = 0; i < base.count; i++)
                    if (!numbers[i])
                        graph.markDelete(i);
                peer(report, "hnswlib", field, share, some, figures.recall,
                     [&](uint32_t ef, const float *query, int64_t *ids) {
                         hnswlib->search(query, K, ef, ids);
                     });
                for (size_t i = 0; i < base.count; i++)
                    if (!numbers[i])
                        graph.unmarkDelete(i);
            }
#endif
#ifdef BENCH_FAISS
            if (faiss_engine) {
                Mask numbers = mask_of(field.order, count, nullptr);
                faiss::IDSelectorBitmap selector(base.count, (uint8_t *)numbers.bits.data());
                faiss::SearchParametersHNSW params;
                params.sel = &selector;
                peer(report, "faiss-hnsw", field, share, some, figures.recall,
                     [&](uint32_t ef, const float *query, int64_t *ids) {
                         params.efSearch = (int)ef; // 1.7.3 reads it here for one thing,
                         faiss_engine->index->hnsw.efSearch = (int)ef; // there for another
                         faiss_engine->search_with(query, K, &params, ids);
                     });
            }
#endif
        }
    if (report.json) {
        fprintf(report.json, "\n]\n");
        fclose(report.json);
    }
    lode_index_close(lode.file);
}
