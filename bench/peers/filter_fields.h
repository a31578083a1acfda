// filter_fields.h: metadata for points, and filters on it that allow a given share of them.
//
//   part   an integer at random: part < 5000 allows that many
//   kind   a keyword, Zipf-distributed over 1,000 values; kind IN (...) of the most frequent ones, or one value
//   tags   one to five of 200 values each, Zipf too: any of them
//   near   the rank of the distance from a centre: near < 5000, asked at the centre (near) or everywhere (mixed);
//          away: near >= 995000, asked at the centre, so that what is allowed lies farthest from the query
#ifndef BENCH_FILTER_FIELDS_H
#define BENCH_FILTER_FIELDS_H

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "vecs.h"

struct Metadata {
    std::vector<uint32_t> part, near, kind;
    std::vector<std::vector<uint8_t>> tags;

    std::string document(size_t i) const
    {
        std::string text = "{\"part\":" + std::to_string(part[i]) +
                           ",\"near\":" + std::to_string(near[i]) + ",\"kind\":\"kind-" +
                           std::to_string(kind[i]) + "\",\"tags\":[";
        for (size_t t = 0; t < tags[i].size(); t++)
            text += std::string(t ? "," : "") + "\"tag-" + std::to_string(tags[i][t]) + "\"";
        return text + "]}";
    }
};

// A filter as text, and which points it allows.
struct Filter {
    std::string text;
    std::vector<bool> allowed;
    size_t count;
    std::string head;  // the text up to the bound, or to the end of the list
    double bound = -1; // -1: it is a list

    // Another text that allows the same points, different for each number, so that nothing is remembered of it.
    std::string anew(size_t number) const
    {
        if (bound < 0)
            return head + ", \"none-" + std::to_string(number) + "\")";
        char at[40];
        snprintf(at, sizeof at, "%.7f", bound - 0.5 + 1e-7 * (double)number);
        return head + at;
    }
};

struct Field {
    std::string name;
    bool is_asked_at_centre;
};

static const Field FILTER_FIELDS[] = {{"integer", false}, {"keyword", false}, {"tags", false},
                                      {"near", true},     {"mixed", false},   {"away", true}};

struct Randomly { // xorshift64
    uint64_t state = 88172645463325252u;
    uint64_t next()
    {
        state ^= state << 13;
        state ^= state >> 7;
        return state ^= state << 17;
    }
    double unit()
    {
        return (double)(next() >> 11) / 9007199254740992.0;
    }
};

struct Zipf {
    std::vector<double> sums;
    explicit Zipf(size_t values) : sums(values)
    {
        double sum = 0;
        for (size_t i = 0; i < values; i++)
            sums[i] = sum += 1 / (double)(i + 1);
    }
    uint32_t draw(Randomly &randomly) const
    {
        double at = randomly.unit() * sums.back();
        return (uint32_t)(std::lower_bound(sums.begin(), sums.end(), at) - sums.begin());
    }
};

static inline std::vector<uint32_t> nearest_first(const Matrix<float> &rows, const float *centre)
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

static inline const float *centre_of(const Matrix<float> &base)
{
    return base.row(base.count / 3);
}

static inline Metadata metadata_of(const Matrix<float> &base)
{
    Metadata all;
    Randomly randomly;
    Zipf kinds(1000), tags(200);
    std::vector<uint32_t> near = nearest_first(base, centre_of(base));
    all.part.resize(base.count);
    all.near.resize(base.count);
    all.kind.resize(base.count);
    all.tags.resize(base.count);
    for (size_t i = 0; i < base.count; i++) {
        all.part[i] = (uint32_t)i;
        all.near[near[i]] = (uint32_t)i;
        all.kind[i] = kinds.draw(randomly);
        for (size_t t = 1 + randomly.next() % 5; t > 0; t--) {
            uint8_t tag = (uint8_t)tags.draw(randomly);
            if (std::find(all.tags[i].begin(), all.tags[i].end(), tag) == all.tags[i].end())
                all.tags[i].push_back(tag);
        }
    }
    for (size_t i = base.count; i-- > 1;)
        std::swap(all.part[i], all.part[randomly.next() % (i + 1)]);
    return all;
}

// The first `values` values of a field whose value of a point `has` tells, until the share is reached; of few points
// the one value that has the count nearest to it.
template <class Has>
static Filter of_values(const char *field, const char *prefix, size_t values, size_t points,
                        size_t wanted, const Has &has)
{
    std::vector<size_t> counts(values);
    for (size_t v = 0; v < values; v++)
        for (size_t i = 0; i < points; i++)
            counts[v] += has(i, v);
    size_t first = 0, last = 0;
    Filter filter{"", std::vector<bool>(points), 0, "", -1};
    if (wanted < counts[0]) {
        for (size_t v = 0; v < values; v++)
            if (std::fabs(std::log((double)counts[v] / (double)wanted)) <
                std::fabs(std::log((double)counts[first] / (double)wanted)))
                first = v;
        last = first + 1;
    } else {
        last = values;
    }
    for (size_t v = first; v < last && filter.count < wanted; v++) {
        filter.text += std::string(filter.text.empty() ? "" : ", ") + "\"" + prefix + "-" +
                       std::to_string(v) + "\"";
        for (size_t i = 0; i < points; i++)
            if (!filter.allowed[i] && has(i, v)) {
                filter.allowed[i] = true;
                filter.count++;
            }
    }
    filter.head = std::string(field) + " IN (" + filter.text;
    filter.text = filter.head + ")";
    return filter;
}

static inline Filter of_ranks(const char *field, const std::vector<uint32_t> &ranks, size_t wanted,
                              bool is_away)
{
    size_t first = is_away ? ranks.size() - wanted : 0;
    std::string head = std::string(field) + (is_away ? " >= " : " < ");
    size_t bound = is_away ? first : wanted;
    Filter filter{head + std::to_string(bound), std::vector<bool>(ranks.size()), wanted, head,
                  (double)bound};
    for (size_t i = 0; i < ranks.size(); i++)
        filter.allowed[i] = ranks[i] >= first && ranks[i] < first + wanted;
    return filter;
}

static inline Filter filter_of(const Field &field, const Metadata &all, double share)
{
    size_t points = all.part.size(), wanted = (size_t)(share * (double)points + 0.5);
    if (field.name == "integer")
        return of_ranks("part", all.part, wanted, false);
    if (field.name == "keyword")
        return of_values("kind", "kind", 1000, points, wanted,
                         [&](size_t i, size_t v) { return all.kind[i] == v; });
    if (field.name == "tags")
        return of_values("tags", "tag", 200, points, wanted, [&](size_t i, size_t v) {
            return std::find(all.tags[i].begin(), all.tags[i].end(), v) != all.tags[i].end();
        });
    return of_ranks("near", all.near, wanted, field.name == "away");
}

#endif
