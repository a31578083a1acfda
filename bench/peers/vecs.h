// vecs.h: what the drivers share: files of vectors, exact recall, clocks.
//
// .fvecs and .ivecs: for each row an int32 width, then that many float32 or int32; .bvecs: uint8.
#ifndef BENCH_VECS_H
#define BENCH_VECS_H

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

[[noreturn]] static inline void fail(const std::string &what)
{
    fprintf(stderr, "%s\n", what.c_str());
    exit(1);
}

template <class T> struct Matrix {
    size_t count = 0, dim = 0;
    std::vector<T> values;
    const T *row(size_t i) const
    {
        return values.data() + i * dim;
    }
};

static inline bool ends_with(const std::string &text, const std::string &end)
{
    return text.size() >= end.size() && !text.compare(text.size() - end.size(), end.size(), end);
}

// A file row by row, converted to T; so that a build needs no memory but its own. Bytes are the elements
// of .bvecs.
template <class T> struct VecsReader {
    std::string path;
    size_t count = 0, dim = 0, element = 4;
    FILE *file;
    std::vector<uint8_t> bytes;

    explicit VecsReader(const std::string &name) : path(name), file(fopen(name.c_str(), "rb"))
    {
        int32_t width;
        if (!file || fread(&width, sizeof width, 1, file) != 1 || width < 1)
            fail(path + ": not there, or not a file of vectors");
        element = ends_with(path, ".bvecs") ? 1 : 4;
        dim = (size_t)width;
        bytes.resize(4 + dim * element);
        fseek(file, 0, SEEK_END);
        count = (size_t)ftell(file) / bytes.size();
        rewind(file);
    }
    VecsReader(const VecsReader &) = delete;
    ~VecsReader()
    {
        fclose(file);
    }

    void next(T *row)
    {
        int32_t width;
        if (fread(bytes.data(), 1, bytes.size(), file) != bytes.size())
            fail(path + " ends too early");
        memcpy(&width, bytes.data(), 4);
        if ((size_t)width != dim)
            fail(path + ": rows differ in width");
        const uint8_t *values = bytes.data() + 4;
        if (element == 4)
            memcpy(row, values, 4 * dim);
        else
            std::copy(values, values + dim, row);
    }
};

template <class T> static inline Matrix<T> read_vecs(const std::string &path)
{
    Matrix<T> matrix;
    VecsReader<T> reader(path);
    matrix.count = reader.count;
    matrix.dim = reader.dim;
    matrix.values.resize(matrix.count * matrix.dim);
    for (size_t i = 0; i < matrix.count; i++)
        reader.next(matrix.values.data() + i * matrix.dim);
    return matrix;
}

enum class Metric { l2, ip, cosine };

static inline Metric parse_metric(const std::string &name)
{
    if (name == "l2")
        return Metric::l2;
    if (name == "ip")
        return Metric::ip;
    if (name == "cosine")
        return Metric::cosine;
    fail("metric is '" + name + "'; it may be l2, ip or cosine");
}

static inline void normalise(float *row, size_t dim)
{
    double sum = 0;
    for (size_t j = 0; j < dim; j++)
        sum += (double)row[j] * row[j];
    for (size_t j = 0; j < dim; j++)
        row[j] = (float)(row[j] / std::sqrt(sum));
}

static inline void normalise(Matrix<float> &matrix)
{
    for (size_t i = 0; i < matrix.count; i++)
        normalise(matrix.values.data() + i * matrix.dim, matrix.dim);
}

// Base, queries and what a hit must reach to count as right: the k-th true neighbour's distance, so
// that rows at equal distance count alike.
struct Workload {
    Metric metric = Metric::l2;
    size_t k = 10;
    Matrix<float> base, queries;
    std::vector<double> bounds;

    double distance(size_t query, size_t row) const
    {
        const float *a = queries.row(query), *b = base.row(row);
        double sum = 0;
        for (size_t j = 0; j < base.dim; j++)
            sum += metric == Metric::l2 ? ((double)a[j] - b[j]) * ((double)a[j] - b[j])
                                        : -(double)a[j] * b[j];
        return sum;
    }

    void load(const std::string &base_path, const std::string &query_path,
              const std::string &truth_path, size_t query_limit)
    {
        base = read_vecs<float>(base_path);
        queries = read_vecs<float>(query_path);
        if (metric == Metric::cosine) {
            normalise(base);
            normalise(queries);
        }
        Matrix<int32_t> truth = read_vecs<int32_t>(truth_path);
        if (truth.dim < k || truth.count < queries.count || base.dim != queries.dim)
            fail("base, query and truth do not belong together");
        if (query_limit && query_limit < queries.count)
            queries.count = query_limit;
        for (size_t q = 0; q < queries.count; q++) {
            double bound = distance(q, (size_t)truth.row(q)[k - 1]);
            bounds.push_back(bound + 1e-6 * std::fabs(bound));
        }
    }

    // The share of the true k nearest among `ids`, k a query, -1 where there was none.
    double recall(const std::vector<int64_t> &ids) const
    {
        size_t right = 0;
        for (size_t q = 0; q < queries.count; q++)
            for (size_t i = 0; i < k; i++) {
                int64_t id = ids[q * k + i];
                right += id >= 0 && distance(q, (size_t)id) <= bounds[q];
            }
        return (double)right / (double)(queries.count * k);
    }
};

static inline double clock_seconds(clockid_t clock)
{
    timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// Wall and CPU seconds of this thread since it was made.
struct Stopwatch {
    double wall_begin = clock_seconds(CLOCK_MONOTONIC);
    double cpu_begin = clock_seconds(CLOCK_THREAD_CPUTIME_ID);
    double wall() const
    {
        return clock_seconds(CLOCK_MONOTONIC) - wall_begin;
    }
    double cpu() const
    {
        return clock_seconds(CLOCK_THREAD_CPUTIME_ID) - cpu_begin;
    }
};

static inline double median(std::vector<double> values)
{
    std::sort(values.begin(), values.end());
    size_t n = values.size();
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

// `--name value` pairs.
struct Arguments {
    std::vector<std::pair<std::string, std::string>> pairs;
    Arguments(int argc, char **argv)
    {
        for (int i = 1; i + 1 < argc; i += 2)
            pairs.emplace_back(argv[i], argv[i + 1]);
        if (argc % 2 == 0)
            fail("options come in pairs: --name value");
    }
    std::string get(const std::string &name, const std::string &otherwise) const
    {
        for (auto &pair : pairs)
            if (pair.first == "--" + name)
                return pair.second;
        return otherwise;
    }
    std::string need(const std::string &name) const
    {
        std::string value = get(name, "");
        if (value.empty())
            fail("--" + name + " is missing");
        return value;
    }
};

#endif
