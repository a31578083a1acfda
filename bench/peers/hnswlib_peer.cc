// hnswlib_peer.cc: recall and speed of hnswlib over a sweep of ef, as JSON on standard output.
//
//     hnswlib_peer --base B.fvecs --query Q.fvecs --truth T.ivecs [--metric l2] [--k 10]
//                  [--cache FILE] [--queries 0]
#include "hnswlib_engine.h"

int main(int argc, char **argv)
{
    Arguments arguments(argc, argv);
    Workload work;
    work.metric = parse_metric(arguments.get("metric", "l2"));
    work.k = std::stoul(arguments.get("k", "10"));
    work.load(arguments.need("base"), arguments.need("query"), arguments.need("truth"),
              std::stoul(arguments.get("queries", "0")));
    HnswlibEngine engine(work, arguments.get("cache", ""));
    printf("{\"engine\": \"hnswlib\", \"m\": 16, \"ef_construction\": 200, \"points\": %zu, "
           "\"dim\": %zu, \"build_wall_s\": %.2f, \"build_cpu_s\": %.2f, \"sweep\": [",
           work.base.count, work.base.dim, engine.build_wall, engine.build_cpu);
    std::vector<int64_t> ids(work.queries.count * work.k);
    const char *comma = "\n";
    for (uint32_t ef :
         {10u, 16u, 24u, 32u, 48u, 64u, 96u, 128u, 192u, 256u, 384u, 512u, 768u, 1024u}) {
        Stopwatch watch;
        for (size_t q = 0; q < work.queries.count; q++)
            engine.search(work.queries.row(q), work.k, ef, &ids[q * work.k]);
        double wall = watch.wall(), cpu = watch.cpu();
        printf("%s  {\"ef\": %u, \"recall\": %.5f, \"qps\": %.1f, \"qps_cpu\": %.1f}", comma, ef,
               work.recall(ids), (double)work.queries.count / wall,
               (double)work.queries.count / cpu);
        comma = ",\n";
    }
    printf("\n]}\n");
    return 0;
}
