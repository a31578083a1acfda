/* serve.c: what `lode serve` costs, and what it does when too much is asked of it, on loopback.
 *
 *     serve --lode PROGRAM --dir DATABASE --query FILE.fvecs [--name NAME] [--bodies json,binary,grpc]
 *           [--connections 1,16,64,256] [--window-ms 3000] [--overload-s 30] [--json FILE]
 *     serve --small DIR ...: a database of 100 points is made in DIR, so that next to nothing is the engine's
 *
 * DATABASE's one collection is "vectors". First the queries are answered by the library in this process, by one thread
 * and by two, with nothing else running: CPU time a query, the engine's own. Then PROGRAM serves DATABASE to this process, whose one
 * thread holds the connections: each sends its next query when it has the answer to the last (closed loop). The server's
 * CPU time, by user and system, over the queries and less the engine's own, is what a request costs.
 *
 * Overload: an open loop sends at 80% and at 300% of what the closed loop reached, at moments that do not depend on answers;
 * a latency counts from the moment at which the request should have been sent.
 *
 * gRPC is spoken by frames made once: what a client spends is not measured here, and ought to be little. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/bench.h"
#include "common/client.h"
#include "os/thread.h"

enum { K = 10, SMALL_POINTS = 100, LISTS_MAX = 16, LANES = 2 };

struct run {
    const char *body;
    unsigned connections;
    struct client_outcome outcome;
    double p50_ms, p99_ms, p999_ms, qps;
    double cpu_us, engine_us;
};

struct overload {
    double asked_qps, admitted_qps, refused_share, p50_ms, p99_ms;
    double refused_p99_ms, refused_max_ms;
    uint64_t failed, unsent;
    double resident_begin_mib, resident_end_mib;
};

static struct bench_vecs queries;
static double engine_us[LANES]; /* CPU a query, one thread and two */
static double window_s;
static FILE *json;
static int json_count;

/* --- The engine alone -------------------------------------------------------------------------- */

struct engine_reader {
    struct thread thread;
    const struct bench_db *db;
    size_t first, done;
    double cpu_s;
};

static void read_for_a_while(void *context)
{
    struct engine_reader *reader = context;
    lode_error error;
    double cpu = bench_thread_cpu(), end = bench_wall() + window_s;
    while (bench_wall() < end) {
        lode_result *result;
        size_t row = (reader->first + reader->done++) % queries.count;
        lode_search_request request = {.vector = bench_row(&queries, row), .k = K};
        bench_must(lode_search(reader->db->collection, &request, &result, &error), &error);
        lode_result_free(result);
    }
    reader->cpu_s = bench_thread_cpu() - cpu;
}

static double engine_cpu_us(const struct bench_db *db, size_t thread_count)
{
    struct engine_reader readers[LANES];
    double cpu_s = 0, done = 0;
    for (size_t i = 0; i < thread_count; i++) {
        readers[i] = (struct engine_reader){.db = db, .first = i * queries.count / thread_count};
        if (thread_start(&readers[i].thread, "reader", read_for_a_while, &readers[i]))
            bench_fail("no thread");
    }
    for (size_t i = 0; i < thread_count; i++) {
        thread_join(&readers[i].thread);
        cpu_s += readers[i].cpu_s;
        done += (double)readers[i].done;
    }
    return 1e6 * cpu_s / done;
}

/* In a process of its own: the server is alone with the database afterwards. */
static void measure_engine(const char *dir)
{
    int pipes[2];
    if (pipe(pipes))
        bench_fail("no pipe");
    pid_t child = fork();
    if (child == 0) {
        struct bench_db db = bench_db_open(dir, 1);
        (void)engine_cpu_us(&db, 1); /* everything is in memory now */
        for (size_t i = 0; i < LANES; i++)
            engine_us[i] = engine_cpu_us(&db, i + 1);
        bench_db_close(&db);
        _exit(write(pipes[1], engine_us, sizeof engine_us) != sizeof engine_us);
    }
    close(pipes[1]);
    if (child < 0 || read(pipes[0], engine_us, sizeof engine_us) != sizeof engine_us)
        bench_fail("the engine was not measured");
    close(pipes[0]);
    waitpid(child, NULL, 0);
    printf("  the engine alone: %.1f us of CPU a query on one thread, %.1f on each of two\n",
           engine_us[0], engine_us[1]);
    fflush(stdout);
}

/* --- The server -------------------------------------------------------------------------------- */

struct service {
    pid_t pid;
    int output;
    char address[64];
};

static void become(const char *program, const char *dir, int output)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* not longer than this process */
    dup2(output, STDOUT_FILENO);
    execl(program, program, "serve", "--data", dir, "--listen", "127.0.0.1:0", "--auth", "no",
          "--limits.requests-per-second", "1000000000", "--limits.bytes-per-second", "1TiB",
          "--json", (char *)NULL);
    bench_fail("cannot run %s: %s", program, strerror(errno));
}

/* What it says once it listens: {..., "listening": ["127.0.0.1:PORT"], ...}, of which no more is read. */
static void read_address(struct service *service)
{
    char text[4096];
    size_t size = 0;
    const char *at = NULL;
    while (!at || !strchr(at, ']')) {
        ssize_t count = read(service->output, text + size, sizeof text - 1 - size);
        if (count <= 0)
            bench_fail("the server did not say where it listens");
        size += (size_t)count;
        text[size] = '\0';
        at = strstr(text, "\"listening\"");
    }
    if (sscanf(at, "\"listening\" : [ \"%63[^\"]", service->address) != 1)
        bench_fail("the server did not say where it listens");
}

static void service_start(struct service *service, const char *program, const char *dir)
{
    int pipes[2];
    if (pipe(pipes))
        bench_fail("no pipe");
    service->pid = fork();
    if (service->pid == 0) {
        close(pipes[0]);
        become(program, dir, pipes[1]);
    }
    if (service->pid < 0)
        bench_fail("no process");
    close(pipes[1]);
    service->output = pipes[0];
    read_address(service);
    client_wait_ready(service->address);
}

static void service_stop(struct service *service)
{
    kill(service->pid, SIGTERM);
    waitpid(service->pid, NULL, 0);
    close(service->output);
}

/* By user and system, in seconds. */
static double service_cpu(const struct service *service)
{
    char path[64], text[1024];
    unsigned long user = 0, system = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)service->pid);
    FILE *file = fopen(path, "r");
    if (!file || !fgets(text, sizeof text, file) || !strrchr(text, ')') ||
        sscanf(strrchr(text, ')') + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
               &user, &system) != 2)
        bench_fail("cannot read %s", path);
    fclose(file);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* Memory that no file holds, in MiB. */
static double service_memory(const struct service *service)
{
    char path[64], line[256];
    unsigned long kib = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)service->pid);
    FILE *file = fopen(path, "r");
    if (!file)
        bench_fail("cannot read %s", path);
    while (fgets(line, sizeof line, file))
        if (sscanf(line, "RssAnon: %lu", &kib) == 1)
            break;
    fclose(file);
    return (double)kib / 1024;
}

/* --- Closed loop ------------------------------------------------------------------------------- */

static void measure_run(const struct service *service, const struct client_requests *requests,
                        struct run *run)
{
    struct client_load load = {
        .address = service->address, .requests = requests, .connections = run->connections};
    load.seconds = .3;
    client_run(&load, &run->outcome);
    client_outcome_release(&run->outcome);
    load.seconds = window_s;
    double cpu = service_cpu(service);
    client_run(&load, &run->outcome);
    cpu = service_cpu(service) - cpu;
    struct bench_series *ms = &run->outcome.answered_ms;
    if (run->outcome.failed || run->outcome.refused_ms.count || !ms->count)
        bench_fail("%s: %zu were answered, %zu refused, %" PRIu64 " failed", run->body, ms->count,
                   run->outcome.refused_ms.count, run->outcome.failed);
    run->p50_ms = bench_percentile(ms->values, ms->count, .5);
    run->p99_ms = bench_percentile(ms->values, ms->count, .99);
    run->p999_ms = bench_percentile(ms->values, ms->count, .999);
    run->qps = (double)ms->count / run->outcome.seconds;
    run->cpu_us = 1e6 * cpu / (double)ms->count;
    run->engine_us = engine_us[run->connections > 1];
    client_outcome_release(&run->outcome);
}

static void show_run(const char *set, const struct run *run)
{
    printf("  %-6s %4u connections %8.0f q/s  p50 %7.3f ms  p99 %7.3f  p99.9 %7.3f  "
           "CPU %6.1f us, beyond the engine %6.1f\n",
           run->body, run->connections, run->qps, run->p50_ms, run->p99_ms, run->p999_ms,
           run->cpu_us, run->cpu_us - run->engine_us);
    fflush(stdout);
    if (json)
        fprintf(json,
                "%s{\"set\": \"%s\", \"body\": \"%s\", \"connections\": %u, \"qps\": %.1f, "
                "\"p50_ms\": %.4f, \"p99_ms\": %.4f, \"p999_ms\": %.4f, \"cpu_us\": %.2f, "
                "\"engine_us\": %.2f}",
                json_count++ ? ",\n " : "", set, run->body, run->connections, run->qps, run->p50_ms,
                run->p99_ms, run->p999_ms, run->cpu_us, run->engine_us);
}

/* --- Overload ---------------------------------------------------------------------------------- */

static void measure_overload(const struct service *service, const struct client_requests *requests,
                             double seconds, struct overload *overload)
{
    struct client_outcome outcome;
    struct client_load load = {.address = service->address,
                               .requests = requests,
                               .connections = 1024,
                               .rate = overload->asked_qps,
                               .seconds = 2};
    client_run(&load, &outcome);
    client_outcome_release(&outcome);
    load.seconds = seconds;
    overload->resident_begin_mib = service_memory(service);
    client_run(&load, &outcome);
    overload->resident_end_mib = service_memory(service);
    struct bench_series *ms = &outcome.answered_ms, *refused = &outcome.refused_ms;
    overload->admitted_qps = (double)ms->count / outcome.seconds;
    overload->refused_share = (double)refused->count / (double)(refused->count + ms->count);
    overload->p50_ms = bench_percentile(ms->values, ms->count, .5);
    overload->p99_ms = bench_percentile(ms->values, ms->count, .99);
    overload->refused_p99_ms =
        refused->count ? bench_percentile(refused->values, refused->count, .99) : 0;
    overload->refused_max_ms = refused->count ? refused->values[refused->count - 1] : 0;
    overload->failed = outcome.failed;
    overload->unsent = outcome.unsent;
    client_outcome_release(&outcome);
}

static void show_overload(const char *set, const struct overload *overload, const char *what)
{
    printf("  %-5s %8.0f asked/s  %8.0f admitted/s  %5.1f%% refused  p50 %7.2f ms  p99 %7.2f; "
           "refused in p99 %6.2f, at most %6.2f ms; memory %.1f -> %.1f MiB; %" PRIu64
           " failed, %" PRIu64 " not sent\n",
           what, overload->asked_qps, overload->admitted_qps, 100 * overload->refused_share,
           overload->p50_ms, overload->p99_ms, overload->refused_p99_ms, overload->refused_max_ms,
           overload->resident_begin_mib, overload->resident_end_mib, overload->failed,
           overload->unsent);
    fflush(stdout);
    if (json)
        fprintf(
            json,
            "%s{\"set\": \"%s\", \"load\": \"%s\", \"asked_qps\": %.1f, \"admitted_qps\": %.1f, "
            "\"refused_share\": %.4f, \"p50_ms\": %.4f, \"p99_ms\": %.4f, "
            "\"refused_p99_ms\": %.4f, \"refused_max_ms\": %.4f, \"memory_begin_mib\": %.1f, "
            "\"memory_end_mib\": %.1f, \"failed\": %" PRIu64 ", \"unsent\": %" PRIu64 "}",
            json_count++ ? ",\n " : "", set, what, overload->asked_qps, overload->admitted_qps,
            overload->refused_share, overload->p50_ms, overload->p99_ms, overload->refused_p99_ms,
            overload->refused_max_ms, overload->resident_begin_mib, overload->resident_end_mib,
            overload->failed, overload->unsent);
}

static void overload(const char *set, const struct service *service,
                     const struct client_requests *requests, double capacity, double seconds)
{
    struct overload most = {.asked_qps = .8 * capacity}, over = {.asked_qps = 3 * capacity};
    measure_overload(service, requests, seconds < 10 ? seconds : 10, &most);
    show_overload(set, &most, "80%");
    measure_overload(service, requests, seconds, &over);
    show_overload(set, &over, "300%");
    printf("  p99 of what is admitted: %.2f times that at 80%%\n", over.p99_ms / most.p99_ms);
}

/* --- All of it --------------------------------------------------------------------------------- */

static void measure_body(const char *set, const struct service *service, const char *body,
                         const char *connections, double overload_s)
{
    struct client_requests requests;
    double capacity = 0;
    client_requests_init(&requests, body, &queries, K);
    while (*connections) {
        char *end;
        struct run run = {.body = body, .connections = (unsigned)strtoul(connections, &end, 10)};
        if (end == connections || !run.connections)
            bench_fail("--connections is not a list of numbers");
        connections = *end ? end + 1 : end;
        measure_run(service, &requests, &run);
        show_run(set, &run);
        capacity = run.qps > capacity ? run.qps : capacity;
    }
    if (overload_s > 0 && strcmp(body, "binary") == 0)
        overload(set, service, &requests, capacity, overload_s);
    client_requests_release(&requests);
}

static const char *database(int argc, char **argv)
{
    const char *small = bench_option(argc, argv, "small", "");
    if (!*small)
        return bench_option(argc, argv, "dir", NULL);
    size_t points = queries.count < SMALL_POINTS ? queries.count : SMALL_POINTS;
    bench_db_build(small, &queries, points, 1);
    return small;
}

int main(int argc, char **argv)
{
    struct service service;
    char *bodies = strdup(bench_option(argc, argv, "bodies", "json,binary,grpc")), *rest = NULL;
    const char *set = bench_option(argc, argv, "name", "set");
    const char *path = bench_option(argc, argv, "json", "");
    window_s = (double)bench_number(argc, argv, "window-ms", 3000) / 1e3;
    queries = bench_read(bench_option(argc, argv, "query", NULL), 2000);
    json = *path ? fopen(path, "w") : NULL;
    if (*path && !json)
        bench_fail("cannot write %s", path);
    const char *dir = database(argc, argv);
    printf("%s: %zu queries of %zu numbers, one after the other\n", set, queries.count,
           queries.dim);
    measure_engine(dir);
    service_start(&service, bench_option(argc, argv, "lode", NULL), dir);
    if (json)
        fputs("[", json);
    for (char *body = strtok_r(bodies, ",", &rest); body; body = strtok_r(NULL, ",", &rest))
        measure_body(set, &service, body, bench_option(argc, argv, "connections", "1,16,64,256"),
                     (double)bench_number(argc, argv, "overload-s", 0));
    if (json) {
        fputs("]\n", json);
        fclose(json);
    }
    service_stop(&service);
    free(queries.values);
    free(bodies);
    return 0;
}
