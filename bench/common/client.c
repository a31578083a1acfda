/* client.c: see client.h. One thread, one request at a time on each connection, level-triggered epoll. Answers are read no
 * further than it takes to know where they end and whether they are good. */
#include "common/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "os/thread.h"

enum { ANSWER_MAX = 1 << 16, EVENTS_MAX = 256, FRAME_HEAD = 9, SETTLE_S = 2, SETTLE_US = 300000 };
enum { H2_DATA = 0, H2_HEADERS = 1, H2_SETTINGS = 4, H2_PING = 6, H2_GOAWAY = 7 };
enum { H2_END_STREAM = 1, H2_ACK = 1, H2_END_HEADERS = 4 };

/* --- Requests ---------------------------------------------------------------------------------- */

/* Bytes that grow. */
struct text {
    char *bytes;
    size_t size, capacity;
};

static void put(struct text *text, const void *bytes, size_t size)
{
    if (!text->bytes || text->size + size > text->capacity) {
        text->capacity = 2 * (text->size + size) + 64;
        text->bytes = realloc(text->bytes, text->capacity);
        if (!text->bytes)
            bench_fail("no memory for requests");
    }
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
}

static void put_text(struct text *text, const char *words)
{
    put(text, words, strlen(words));
}

/* The fewest digits that give the float back, as clients print floats. */
static void put_number(struct text *text, float number)
{
    char digits[32];
    for (int precision = 6; precision <= 9; precision++) {
        (void)snprintf(digits, sizeof digits, "%.*g", precision, (double)number);
        if (strtof(digits, NULL) == number)
            break;
    }
    put_text(text, digits);
}

static void put_json(struct text *body, const float *vector, size_t dim,
                     const struct client_query *asked)
{
    char end[64];
    put_text(body, "{\"vector\": [");
    for (size_t i = 0; i < dim; i++) {
        put_text(body, i ? ", " : "");
        put_number(body, vector[i]);
    }
    (void)snprintf(end, sizeof end, "], \"k\": %u, \"ef_search\": %u}", asked->k, asked->ef);
    put_text(body, end);
}

static void put_http1(struct text *request, const char *type, const char *query,
                      const struct text *body)
{
    char head[512];
    (void)snprintf(head, sizeof head,
                   "POST /indices/vectors/query%s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: "
                   "bench\r\nAccept: */*\r\nContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
                   query, type, body->size);
    put_text(request, head);
    put(request, body->bytes, body->size);
}

/* A varint of protobuf. */
static void put_varint(struct text *text, uint64_t value)
{
    unsigned char byte;
    for (; value >= 128; value >>= 7) {
        byte = (unsigned char)(value | 128);
        put(text, &byte, 1);
    }
    byte = (unsigned char)value;
    put(text, &byte, 1);
}

static void put_field(struct text *text, unsigned number, const void *bytes, size_t size)
{
    put_varint(text, number << 3 | 2);
    put_varint(text, size);
    put(text, bytes, size);
}

/* QueryRequest of api/lode.proto in a frame of gRPC. */
static void put_grpc(struct text *body, const float *vector, size_t dim,
                     const struct client_query *asked)
{
    struct text query = {0}, message = {0};
    unsigned char prefix[5] = {0};
    put_field(&query, 1, vector, dim * sizeof *vector);
    put_varint(&query, 5 << 3);
    put_varint(&query, asked->k);
    put_varint(&query, 7 << 3);
    put_varint(&query, asked->ef);
    put_field(&message, 1, "vectors", 7);
    put_field(&message, 3, query.bytes, query.size);
    uint32_t size = htonl((uint32_t)message.size);
    memcpy(prefix + 1, &size, sizeof size);
    put(body, prefix, sizeof prefix);
    put(body, message.bytes, message.size);
    free(query.bytes);
    free(message.bytes);
}

static void put_frame(struct text *text, unsigned type, unsigned flags, const struct text *payload)
{
    unsigned char head[FRAME_HEAD] = {
        (unsigned char)(payload->size >> 16), (unsigned char)(payload->size >> 8),
        (unsigned char)payload->size, (unsigned char)type, (unsigned char)flags};
    put(text, head, sizeof head);
    put(text, payload->bytes, payload->size);
}

static void put_hpack(struct text *text, const char *begin, size_t begin_size, const char *value)
{
    char size = (char)strlen(value);
    put(text, begin, begin_size);
    put(text, &size, 1);
    put_text(text, value);
}

/* Fields by the static table and as they are, so that each request is the same bytes. */
static void put_fields(struct text *fields)
{
    put(fields, "\x83\x86", 2); /* POST, http */
    put_hpack(fields, "\x04", 1, "/lode.v1.Vectors/Query");
    put_hpack(fields, "\x01", 1, "127.0.0.1");
    put_hpack(fields, "\x0f\x10", 2, "application/grpc");
    put_hpack(fields, "\x00\x02te", 4, "trailers");
}

static void put_http2(struct client_requests *requests, struct text *request,
                      const struct text *body)
{
    struct text fields = {0};
    if (body->size > 16384)
        bench_fail("a vector is too long for one frame of HTTP/2");
    put_fields(&fields);
    requests->stream_at[0] = 5;
    put_frame(request, H2_HEADERS, H2_END_HEADERS, &fields);
    requests->stream_at[1] = request->size + 5;
    put_frame(request, H2_DATA, H2_END_STREAM, body);
    free(fields.bytes);
}

static void put_request(struct client_requests *requests, struct text *request, const char *kind,
                        const float *vector, const struct bench_vecs *vectors,
                        const struct client_query *asked)
{
    struct text body = {0};
    char query[64];
    (void)snprintf(query, sizeof query, "?k=%u&ef_search=%u", asked->k, asked->ef);
    if (strcmp(kind, "json") == 0) {
        put_json(&body, vector, vectors->dim, asked);
        put_http1(request, "application/json", "", &body);
    } else if (strcmp(kind, "binary") == 0) {
        put(&body, vector, vectors->dim * sizeof *vector);
        put_http1(request, "application/vnd.lode.f32", query, &body);
    } else if (strcmp(kind, "grpc") == 0) {
        put_grpc(&body, vector, vectors->dim, asked);
        put_http2(requests, request, &body);
    } else {
        bench_fail("bodies are json, binary and grpc, not '%s'", kind);
    }
    free(body.bytes);
}

void client_requests_init(struct client_requests *requests, const char *body,
                          const struct bench_vecs *vectors, const struct client_query *asked)
{
    *requests = (struct client_requests){.is_http2 = strcmp(body, "grpc") == 0,
                                         .count = vectors->count,
                                         .bytes = calloc(vectors->count, sizeof(char *)),
                                         .sizes = calloc(vectors->count, sizeof(size_t))};
    if (!requests->bytes || !requests->sizes)
        bench_fail("no memory for requests");
    for (size_t i = 0; i < vectors->count; i++) {
        struct text request = {0};
        put_request(requests, &request, body, bench_row(vectors, i), vectors, asked);
        requests->bytes[i] = request.bytes;
        requests->sizes[i] = request.size;
    }
}

void client_requests_release(struct client_requests *requests)
{
    for (size_t i = 0; i < requests->count; i++)
        free(requests->bytes[i]);
    free(requests->bytes);
    free(requests->sizes);
}

/* --- Connections ------------------------------------------------------------------------------- */

struct connection {
    int fd;
    int is_busy, has_data;
    uint32_t stream;
    double begin; /* of the request under way */
    size_t size;
    unsigned char answer[ANSWER_MAX];
};

struct client {
    const struct client_load *load;
    struct client_outcome *outcome;
    struct connection *connections;
    unsigned *idle; /* their numbers, a ring: each has its turn, as if it were another client's */
    unsigned idle_begin, idle_count;
    int epoll;
    size_t next_request;
    uint64_t random;
    double due, end; /* open loop: when the next one is to be sent; when no more are */
};

static void send_all(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size) {
        ssize_t count = send(fd, at, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 1000);
            continue;
        }
        if (count < 0)
            return; /* seen when it is read from */
        at += count;
        size -= (size_t)count;
    }
}

static int open_socket(const char *address)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    char host[64];
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const char *colon = strrchr(address, ':');
    (void)snprintf(host, sizeof host, "%.*s", (int)(colon - address), address);
    to.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1 || fd < 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to))
        bench_fail("cannot connect to %s: %s", address, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* Windows so large that they need not be thought of, and no table of fields. */
static void greet_http2(int fd)
{
    static const char words[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
                                "\0\0\x0c\x04\0\0\0\0\0"
                                "\0\x01\0\0\0\0"
                                "\0\x04\x7f\xff\xff\xff"
                                "\0\0\x04\x08\0\0\0\0\0\x7f\xfe\0\0";
    send_all(fd, words, sizeof words - 1);
}

static void connection_open(struct client *client, unsigned number)
{
    struct connection *connection = &client->connections[number];
    *connection = (struct connection){.fd = open_socket(client->load->address), .stream = 1};
    if (client->load->requests->is_http2)
        greet_http2(connection->fd);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
    if (epoll_ctl(client->epoll, EPOLL_CTL_ADD, connection->fd, &event))
        bench_fail("epoll: %s", strerror(errno));
}

static void send_http2(struct connection *connection, const struct client_requests *requests,
                       size_t row)
{
    char bytes[1 << 15];
    uint32_t stream = htonl(connection->stream);
    memcpy(bytes, requests->bytes[row], requests->sizes[row]);
    for (int i = 0; i < 2; i++)
        memcpy(bytes + requests->stream_at[i], &stream, sizeof stream);
    connection->stream += 2;
    connection->has_data = 0;
    send_all(connection->fd, bytes, requests->sizes[row]);
}

static void put_idle(struct client *client, unsigned number)
{
    client->idle[(client->idle_begin + client->idle_count++) % client->load->connections] = number;
}

static unsigned take_idle(struct client *client)
{
    unsigned number = client->idle[client->idle_begin];
    client->idle_begin = (client->idle_begin + 1) % client->load->connections;
    client->idle_count--;
    return number;
}

static void send_next(struct client *client, double begin)
{
    const struct client_requests *requests = client->load->requests;
    struct connection *connection = &client->connections[take_idle(client)];
    size_t row = client->next_request++ % requests->count;
    connection->is_busy = 1;
    connection->begin = begin;
    if (requests->is_http2)
        send_http2(connection, requests, row);
    else
        send_all(connection->fd, requests->bytes[row], requests->sizes[row]);
}

/* --- Answers ----------------------------------------------------------------------------------- */

enum answer { NOT_YET, ANSWERED, REFUSED, FAILED };

static void take_bytes(struct connection *connection, size_t size)
{
    connection->size -= size;
    memmove(connection->answer, connection->answer + size, connection->size);
}

static enum answer read_http1(struct connection *connection)
{
    char *bytes = (char *)connection->answer;
    bytes[connection->size] = '\0';
    char *body = strstr(bytes, "\r\n\r\n");
    if (!body)
        return NOT_YET;
    *body = '\0';
    char *length = strcasestr(bytes, "content-length:");
    *body = '\r';
    if (!length)
        return FAILED;
    size_t size = (size_t)(body + 4 - bytes) + strtoul(length + 15, NULL, 10);
    if (connection->size < size)
        return NOT_YET;
    unsigned long status = strtoul(bytes + 9, NULL, 10);
    take_bytes(connection, size);
    return status == 200 ? ANSWERED : status == 429 ? REFUSED : FAILED;
}

static void answer_frame(struct connection *connection, unsigned type, const unsigned char *frame,
                         size_t size)
{
    unsigned char reply[FRAME_HEAD + 8];
    if ((type != H2_SETTINGS && type != H2_PING) || frame[4] & H2_ACK)
        return;
    size_t reply_size = type == H2_PING && size == sizeof reply ? sizeof reply : FRAME_HEAD;
    memcpy(reply, frame, reply_size);
    reply[2] = (unsigned char)(reply_size - FRAME_HEAD);
    reply[4] = H2_ACK;
    send_all(connection->fd, reply, reply_size);
}

/* A call that has failed has no message before its status. */
static enum answer read_frame(struct connection *connection, const unsigned char *frame,
                              size_t size)
{
    unsigned type = frame[3];
    answer_frame(connection, type, frame, size);
    if (type == H2_GOAWAY)
        return FAILED;
    if (type == H2_DATA && size > FRAME_HEAD)
        connection->has_data = 1;
    if ((type == H2_DATA || type == H2_HEADERS) && frame[4] & H2_END_STREAM)
        return connection->has_data ? ANSWERED : FAILED;
    return NOT_YET;
}

static enum answer read_http2(struct connection *connection)
{
    enum answer answer = NOT_YET;
    size_t at = 0;
    while (answer == NOT_YET && connection->size - at >= FRAME_HEAD) {
        const unsigned char *frame = connection->answer + at;
        size_t size = FRAME_HEAD + ((size_t)frame[0] << 16 | (size_t)frame[1] << 8 | frame[2]);
        if (connection->size - at < size)
            break;
        answer = read_frame(connection, frame, size);
        at += size;
    }
    take_bytes(connection, at);
    return answer;
}

static enum answer receive(struct connection *connection, int is_http2)
{
    ssize_t count = recv(connection->fd, connection->answer + connection->size,
                         ANSWER_MAX - 1 - connection->size, MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN)
        return NOT_YET;
    if (count <= 0)
        return FAILED;
    connection->size += (size_t)count;
    return is_http2 ? read_http2(connection) : read_http1(connection);
}

static void count_answer(struct client *client, enum answer answer, double ms)
{
    if (answer == ANSWERED)
        bench_push(&client->outcome->answered_ms, ms);
    else if (answer == REFUSED)
        bench_push(&client->outcome->refused_ms, ms);
    else
        client->outcome->failed++;
}

static void on_readable(struct client *client, unsigned number)
{
    struct connection *connection = &client->connections[number];
    enum answer answer = receive(connection, client->load->requests->is_http2);
    if (answer == NOT_YET)
        return;
    if (connection->is_busy) {
        count_answer(client, answer, 1e3 * (bench_wall() - connection->begin));
        put_idle(client, number);
    }
    connection->is_busy = 0;
    if (answer == FAILED) { /* an idle one, too, that the server has closed after a while */
        close(connection->fd);
        connection_open(client, number);
    }
}

/* --- Loops ------------------------------------------------------------------------------------- */

/* Of Poisson arrivals: the time to the next one, in seconds. */
static double gap(struct client *client)
{
    client->random = client->random * 6364136223846793005u + 1442695040888963407u;
    double uniform = ((double)(client->random >> 11) + 1) / 9007199254740993.0;
    return -log(uniform) / client->load->rate;
}

static void send_what_is_due(struct client *client)
{
    double now = bench_wall();
    if (client->load->rate <= 0) {
        while (client->idle_count && now < client->end)
            send_next(client, bench_wall());
        return;
    }
    while (client->idle_count && client->due <= now && client->due < client->end) {
        send_next(client, client->due);
        client->due += gap(client);
    }
}

/* Until something comes, or the next one is due. */
static int await(struct client *client, struct epoll_event *events, double until)
{
    double now = bench_wall(), next = until;
    if (client->load->rate > 0 && client->idle_count && client->due < next)
        next = client->due;
    double left = next > now ? next - now : 0;
    struct timespec timeout = {.tv_sec = (time_t)left,
                               .tv_nsec = (long)(1e9 * (left - (double)(time_t)left))};
    return epoll_pwait2(client->epoll, events, EVENTS_MAX, &timeout, NULL);
}

static void turn(struct client *client)
{
    struct epoll_event events[EVENTS_MAX];
    double give_up = client->end + SETTLE_S;
    for (;;) {
        send_what_is_due(client);
        double now = bench_wall();
        int is_over = now >= client->end;
        if (now >= give_up || (is_over && client->idle_count == client->load->connections))
            return;
        int count = await(client, events, is_over ? give_up : client->end);
        for (int i = 0; i < count; i++)
            on_readable(client, events[i].data.u32);
    }
}

static void count_rest(struct client *client)
{
    for (unsigned i = 0; i < client->load->connections; i++) {
        client->outcome->failed += client->connections[i].is_busy ? 1 : 0;
        close(client->connections[i].fd);
    }
    for (; client->load->rate > 0 && client->due < client->end; client->due += gap(client))
        client->outcome->unsent++;
}

static void allow_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void client_run(const struct client_load *load, struct client_outcome *outcome)
{
    *outcome = (struct client_outcome){0};
    struct client client = {.load = load, .outcome = outcome, .random = 7};
    allow_files();
    client.epoll = epoll_create1(EPOLL_CLOEXEC);
    client.connections = calloc(load->connections, sizeof *client.connections);
    client.idle = calloc(load->connections, sizeof *client.idle);
    if (!client.connections || !client.idle || client.epoll < 0)
        bench_fail("no memory for %u connections", load->connections);
    for (unsigned i = 0; i < load->connections; i++) {
        connection_open(&client, i);
        put_idle(&client, i);
    }
    thread_sleep_us(SETTLE_US); /* the server has accepted them */
    double begin = bench_wall();
    client.due = begin;
    client.end = begin + load->seconds;
    turn(&client);
    outcome->seconds = bench_wall() - begin;
    count_rest(&client);
    close(client.epoll);
    free(client.idle);
    free(client.connections);
}

void client_outcome_release(struct client_outcome *outcome)
{
    free(outcome->answered_ms.values);
    free(outcome->refused_ms.values);
}

static int is_ready(const char *address)
{
    static const char request[] = "GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    char answer[64] = {0};
    int fd = open_socket(address);
    send_all(fd, request, sizeof request - 1);
    ssize_t count = recv(fd, answer, sizeof answer - 1, 0);
    close(fd);
    return count > 12 && memcmp(answer + 9, "200", 3) == 0;
}

void client_wait_ready(const char *address)
{
    const struct timespec pause = {.tv_nsec = 50000000L};
    for (int i = 0; !is_ready(address); i++) {
        if (i == 2400)
            bench_fail("the server at %s does not become ready", address);
        nanosleep(&pause, NULL);
    }
}
