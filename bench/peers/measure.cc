#include "measure.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace files = std::filesystem;

// Runs in a child, forked while this process is small; returns what the child used.
static rusage in_child(const std::string &what, const std::function<void()> &run)
{
    fflush(nullptr);
    pid_t child = fork();
    if (child == 0) {
        run();
        fflush(nullptr);
        _exit(0);
    }
    int status = 0;
    rusage usage{};
    if (child < 0 || wait4(child, &status, 0, &usage) < 0 || status)
        fail(what + " has failed");
    return usage;
}

// --- Builds ----------------------------------------------------------------------------------------

static bool read_figures(const std::string &path, const std::string &sources, BuildFigures &figures)
{
    std::string built_from;
    std::ifstream file(path);
    return (file >> figures.wall >> figures.cpu >> figures.peak >> built_from) &&
           (sources == "-" || built_from == sources);
}

static double seconds(const timeval &time)
{
    return (double)time.tv_sec + 1e-6 * (double)time.tv_usec;
}

// What is built goes by another name until it is whole, so that an interrupted run begins it anew: the
// figures, written last, say that it is.
BuildFigures build_once(Engine &engine, const Set &set, const std::string &sources)
{
    std::string path = engine.path(set), beside = path + ".build";
    BuildFigures figures;
    if (files::exists(path) && read_figures(beside, engine.ours() ? sources : "-", figures))
        return figures;
    files::remove(beside);
    files::remove_all(path);
    printf("%s: building %s ...\n", set.name.c_str(), path.c_str());
    double begin = clock_seconds(CLOCK_MONOTONIC);
    rusage usage = in_child("the build of " + path, [&] { engine.build(set); });
    figures.wall = clock_seconds(CLOCK_MONOTONIC) - begin;
    figures.cpu = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    figures.peak = (uint64_t)usage.ru_maxrss << 10;
    std::ofstream(beside) << figures.wall << " " << figures.cpu << " " << figures.peak << " "
                          << (engine.ours() ? sources : "-") << "\n";
    printf("%s: %.1f s, %.1f CPU s, peak %.0f MB\n", set.name.c_str(), figures.wall, figures.cpu,
           (double)figures.peak / 1e6);
    return figures;
}

// --- Memory ----------------------------------------------------------------------------------------

static uint64_t resident_now()
{
    uint64_t pages = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> pages >> resident;
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

// Mapped files below `dir`: which of their pages this process has.
static void add_mapped(const std::string &dir, MemoryFigures &figures)
{
    std::ifstream smaps("/proc/self/smaps");
    uint64_t *at = nullptr;
    for (std::string line; std::getline(smaps, line);) {
        unsigned long kilobytes;
        if (line.find(dir) != std::string::npos)
            at = ends_with(line, ".graph")     ? &figures.graph
                 : ends_with(line, ".vectors") ? &figures.vectors
                                               : &figures.other_files;
        else if (line.find(':') == std::string::npos || line[0] < 'A' || line[0] > 'Z')
            at = nullptr;
        else if (at && sscanf(line.c_str(), "Rss: %lu", &kilobytes) == 1)
            *at += kilobytes << 10;
    }
}

static void add_files(const std::string &path, MemoryFigures &figures)
{
    if (!files::is_directory(path))
        return;
    for (auto &entry : files::recursive_directory_iterator(path)) {
        std::string name = entry.path();
        if (ends_with(name, ".graph"))
            figures.graph_disk += entry.file_size();
        if (ends_with(name, ".vectors"))
            figures.vectors_disk += entry.file_size();
    }
}

static void open_and_search(Engine &engine, const Set &set, size_t k, uint32_t ef,
                            MemoryFigures &figures)
{
    Matrix<float> queries = read_vecs<float>(set.query);
    if (set.metric == Metric::cosine)
        normalise(queries);
    std::vector<int64_t> ids(k);
    uint64_t before = resident_now();
    engine.open(set);
    for (size_t q = 0; q < std::min<size_t>(queries.count, 1000); q++)
        engine.search(queries.row(q), k, ef, ids.data());
    figures.growth = resident_now() - before;
    figures.own = engine.memory();
    add_mapped(files::canonical(engine.path(set)), figures);
    add_files(engine.path(set), figures);
}

MemoryFigures memory_at_rest(Engine &engine, const Set &set, size_t k, uint32_t ef)
{
    int ends[2];
    MemoryFigures figures;
    if (pipe(ends))
        fail("no pipe");
    in_child("opening " + engine.path(set), [&] {
        open_and_search(engine, set, k, ef, figures);
        if (write(ends[1], &figures, sizeof figures) != sizeof figures)
            fail("no answer");
    });
    if (read(ends[0], &figures, sizeof figures) != sizeof figures)
        fail("no answer");
    close(ends[0]);
    close(ends[1]);
    return figures;
}
