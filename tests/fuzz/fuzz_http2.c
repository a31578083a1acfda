/* fuzz_http2.c: whatever frames a client sends, its connection keeps to its bounds: heads are what the service may rely on,
 * bodies are as long as their heads say, what is sent are whole frames, in order, and no more than the client's window has
 * room for; and when the client has gone, all that was begun has ended and no memory is held.
 *
 * A loop is turned by hand, with no thread, over a pair of sockets. The first byte of the input says how it is cut, and
 * whether what follows are the bytes that the client sends, or records from which frames are made (compose), so that what the
 * fuzzer changes stays a frame. See tests/fuzz/run.sh. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/random.h"
#include "net/connection.h"
#include "net/http1.h"
#include "net/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE };
enum {
    END_STREAM = 1,
    FRAME_HEAD_SIZE = 9,
    FRAME_SIZE_MAX = 16384,
    WINDOW_AT_FIRST = 65535,
    STREAMS_MAX = 8,
    BODY_MAX = 5000,
    GATHER_MAX = 1 << 20,
    ANSWER_SIZE = 100000,
    HANDLED = 32, /* events, after which a loop delivers mail within a turn */
    TURNS_MAX = 10000,
    IS_BYTES = 0x20, /* of the first byte */
};

/* --- The service -------------------------------------------------------------------------------------- */

static struct net_server server;
static struct loop *loop;
static unsigned begun, ended;

static void check_text(const char *text, size_t size)
{
    INVARIANT(strlen(text) == size);
}

static void check_request(const struct exchange *exchange)
{
    const struct net_request *request = exchange_request(exchange);
    size_t size = 0;
    INVARIANT(request->is_http2 && request->header_count <= FIELDS_MAX);
    INVARIANT(strlen(request->method) <= METHOD_SIZE_MAX && request->path[0] == '/');
    INVARIANT(strlen(request->path) + strlen(request->query) <= TARGET_SIZE_MAX);
    INVARIANT(host_is_valid(request->authority, strlen(request->authority)));
    for (size_t i = 0; i < request->header_count; i++) {
        const struct net_header *header = &request->headers[i];
        INVARIANT(field_name_is_valid(header->name, strlen(header->name)));
        INVARIANT(field_value_is_valid(header->value, header->value_size));
        INVARIANT(strspn(header->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 0);
        INVARIANT(strcmp(header->name, "transfer-encoding") && strcmp(header->name, "connection"));
        check_text(header->value, header->value_size);
        size += strlen(header->name) + header->value_size;
    }
    INVARIANT(size <= HEAD_SIZE_MAX);
}

/* Of those that are begun and not answered, so many at most. */
static void check_streams(const struct connection *connection)
{
    unsigned count = 0;
    for (const struct exchange *exchange = connection->exchanges; exchange;
         exchange = exchange->next)
        count += !exchange->is_parted;
    INVARIANT(count <= STREAMS_MAX);
}

static void answer(struct exchange *exchange, unsigned status, size_t size)
{
    static const struct net_header trailers[] = {{"grpc-status", "0", 1}};
    struct buf body;
    buf_init(&body, SIZE_MAX);
    INVARIANT(buf_reserve(&body, size, NULL) == LODE_OK);
    memset(body.data, 'x', size);
    body.size = size;
    exchange_answer(exchange, &(struct net_answer){.status = status,
                                                   .content_type = "text/plain",
                                                   .body = &body,
                                                   .trailers = trailers,
                                                   .trailer_count = size % 2});
}

static void check_body(struct exchange *exchange)
{
    uint64_t said = exchange_request(exchange)->content_size;
    size_t size = 0;
    (void)exchange_body(exchange, &size);
    INVARIANT(size <= BODY_MAX && (said == NET_SIZE_UNKNOWN || said == size));
}

static void run_small(void *context, struct exchange *exchange)
{
    (void)context;
    check_body(exchange);
    answer(exchange, 200, 7);
}

static void run_large(void *context, struct exchange *exchange)
{
    (void)context;
    check_body(exchange);
    answer(exchange, 200, ANSWER_SIZE);
}

/* In parts, to the end or not, or kept for others who never come. */
static void run_parts(void *context, struct exchange *exchange)
{
    static const uint8_t data[ANSWER_SIZE / 4];
    const char *path = exchange_request(exchange)->path;
    (void)context;
    check_body(exchange);
    if (exchange_begin(exchange, &(struct net_answer){.status = 200}, NULL))
        return;
    for (int i = 0; i < 4; i++)
        if (exchange_write(exchange, data, sizeof data, NULL))
            return;
    if (path[1] == 'p')
        exchange_finish(exchange, NULL, 0);
    else if (path[1] == 'k')
        exchange_keep(exchange);
}

/* What has come of the body: there is nobody who could wait for the rest. */
static void run_upload(void *context, struct exchange *exchange)
{
    uint8_t data[1000];
    size_t size = 1;
    (void)context;
    while (size && (exchange->in.size || exchange->in_ended))
        if (exchange_read(exchange, data, sizeof data, &size, NULL))
            return;
    answer(exchange, size ? 400 : 200, 20);
}

static void begin(void *context, struct exchange *exchange)
{
    (void)context;
    begun++;
    check_request(exchange);
    check_streams(exchange->connection);
    switch (exchange_request(exchange)->path[1]) {
    case 's': exchange_gather(exchange, NET_LANE_READ, BODY_MAX, run_small); break;
    case 'l': exchange_gather(exchange, NET_LANE_READ, BODY_MAX, run_large); break;
    case 'p':
    case 'b':
    case 'k': exchange_gather(exchange, NET_LANE_SLOW, BODY_MAX, run_parts); break;
    case 'd':
        exchange_set_deadline(exchange, 1); /* long ago */
        exchange_gather(exchange, NET_LANE_READ, BODY_MAX, run_small);
        break;
    case 'u': exchange_stream(exchange, NET_LANE_SLOW, run_upload); break;
    default: answer(exchange, 404, 10);
    }
}

static void refused(void *context, struct exchange *exchange, enum net_refusal why,
                    unsigned retry_s)
{
    (void)context;
    INVARIANT(why >= NET_REFUSED_SIZE && why <= NET_REFUSED_MEMORY && retry_s > 0);
    exchange_answer(exchange, &(struct net_answer){.status = 400 + why});
}

static void end(void *context, struct exchange *exchange, const struct net_outcome *outcome)
{
    (void)context;
    (void)exchange;
    INVARIANT(!outcome->is_complete || outcome->status);
    ended++;
}

static void malformed(void *context, const char *peer, unsigned status, const char *why)
{
    (void)context;
    INVARIANT(peer && why && status >= 400 && status < 600);
}

/* --- The loop ----------------------------------------------------------------------------------------- */

static uint64_t no_time(void *context)
{
    (void)context;
    return 1;
}

static const struct clock still = {no_time, no_time, NULL};

static void open_server(void)
{
    static const struct net_lane_options options = {
        .threads = 1, .wait_ms_max = 1000, .queue_max = 6};
    const unsigned hour_us = 3600u * 1000000;
    if (loop)
        return;
    server = (struct net_server){
        .settings = {.connection_streams_max = STREAMS_MAX,
                     .gather_bytes_max = GATHER_MAX,
                     .idle_us_max = hour_us,
                     .head_us_max = hour_us,
                     .stall_us_max = hour_us,
                     .check_us = hour_us,
                     .resets_per_s_max = 2},
        .service = {NULL, begin, refused, end, malformed},
        .loops = &loop,
        .loop_count = 1,
    };
    mutex_init(&server.tls_mutex);
    for (size_t i = 0; i < NET_LANE_COUNT; i++)
        INVARIANT(!lane_new(&options, &exchange_lane_work, &still, &server.lanes[i], NULL));
    INVARIANT(!loop_new(&server, hour_us, &loop, NULL));
}

static void turn(void)
{
    event_base_loop(loop->base, EVLOOP_NONBLOCK);
    for (int i = 0; i < HANDLED; i++)
        loop_handled(loop);
}

static void run_lanes(void)
{
    for (size_t i = 0; i < NET_LANE_COUNT; i++)
        while (lane_help(server.lanes[i], UINT64_MAX))
            ;
}

/* --- What comes back ---------------------------------------------------------------------------------- */

struct stream {
    uint32_t id;
    unsigned heads;
    bool has_ended, is_reset;
};

struct client {
    int fd;
    struct buf in; /* not taken apart yet */
    struct stream *streams;
    size_t stream_count, stream_capacity;
    uint64_t granted, data; /* bytes of the connection's window, and of DATA */
    bool has_settings;
};

static uint32_t number(const uint8_t *data, size_t size)
{
    uint32_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | data[i];
    return value;
}

static struct stream *stream_of(struct client *client, uint32_t id)
{
    for (size_t i = 0; i < client->stream_count; i++)
        if (client->streams[i].id == id)
            return &client->streams[i];
    if (client->stream_count == client->stream_capacity) {
        client->stream_capacity = client->stream_capacity * 2 + 16;
        client->streams =
            realloc(client->streams, client->stream_capacity * sizeof *client->streams);
        INVARIANT(client->streams);
    }
    client->streams[client->stream_count] = (struct stream){.id = id};
    return &client->streams[client->stream_count++];
}

static void check_stream_frame(struct client *client, const uint8_t *head, uint32_t size)
{
    uint32_t id = number(head + 5, 4);
    INVARIANT(id % 2 == 1);
    struct stream *stream = stream_of(client, id);
    if (head[3] == RST_STREAM) {
        stream->is_reset = true;
        return;
    }
    INVARIANT(!stream->is_reset && !stream->has_ended);
    stream->heads += head[3] == HEADERS;
    client->data += head[3] == DATA ? size : 0;
    INVARIANT(stream->heads == 1 || (stream->heads == 2 && head[3] == HEADERS));
    INVARIANT(client->data <= client->granted);
    stream->has_ended = head[4] & END_STREAM;
}

static void check_frame(struct client *client, const uint8_t *head, uint32_t size)
{
    INVARIANT(client->has_settings || head[3] == SETTINGS);
    client->has_settings = true;
    switch (head[3]) {
    case DATA:
    case HEADERS:
    case RST_STREAM: check_stream_frame(client, head, size); break;
    case SETTINGS:
    case PING:
    case GOAWAY: INVARIANT(number(head + 5, 4) == 0); break;
    case WINDOW_UPDATE: INVARIANT(size == 4 && number(head + FRAME_HEAD_SIZE, 4) > 0); break;
    default: INVARIANT(head[3] == DATA); /* no server sends others */
    }
}

/* The frames that are whole. */
static void take_apart(struct client *client)
{
    size_t at = 0;
    while (client->in.size - at >= FRAME_HEAD_SIZE) {
        uint32_t size = number(client->in.data + at, 3);
        INVARIANT(size <= FRAME_SIZE_MAX);
        if (client->in.size - at < FRAME_HEAD_SIZE + size)
            break;
        check_frame(client, client->in.data + at, size);
        at += FRAME_HEAD_SIZE + size;
    }
    memmove(client->in.data, client->in.data + at, client->in.size - at);
    client->in.size -= at;
}

static bool read_some(struct client *client)
{
    static uint8_t data[1 << 16];
    ssize_t count = recv(client->fd, data, sizeof data, MSG_DONTWAIT);
    if (count <= 0)
        return false;
    INVARIANT(buf_append(&client->in, data, (size_t)count, NULL) == LODE_OK);
    take_apart(client);
    return true;
}

/* Until nothing moves any more. */
static void settle(struct client *client)
{
    int turns = 0;
    for (int quiet = 0; quiet < 2; quiet++) {
        INVARIANT(turns++ < TURNS_MAX);
        turn();
        while (read_some(client))
            quiet = 0;
    }
    INVARIANT(atomic_load(&server.gathered_bytes) <=
              GATHER_MAX + (uint64_t)STREAMS_MAX * ANSWER_SIZE);
}

/* --- What is sent --------------------------------------------------------------------------------------- */

static void put(struct buf *out, const void *data, size_t size)
{
    INVARIANT(buf_append(out, data, size, NULL) == LODE_OK);
}

/* Records: type, flags, stream, size, and so many bytes; a size of 240 and more counts thousands. */
static void compose(struct buf *out, const uint8_t *data, size_t size)
{
    static const uint8_t types[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0x10, 0xfa};
    while (size >= 4) {
        size_t count = data[3] < 240 ? data[3] : (size_t)(data[3] - 239) * 1000;
        count = count < size - 4 ? count : size - 4;
        const uint8_t head[FRAME_HEAD_SIZE] = {0,
                                               (uint8_t)(count >> 8),
                                               (uint8_t)count,
                                               types[data[0] % sizeof types],
                                               data[1],
                                               0,
                                               0,
                                               0,
                                               data[2]};
        put(out, head, sizeof head);
        put(out, data + 4, count);
        data += 4 + count;
        size -= 4 + count;
    }
}

/* How much DATA the frames of the client grant its connection, all together, whether they are taken or not. */
static uint64_t granted_by(const uint8_t *data, size_t size)
{
    uint64_t granted = WINDOW_AT_FIRST;
    while (size >= FRAME_HEAD_SIZE) {
        size_t whole = FRAME_HEAD_SIZE + number(data, 3);
        if (whole > size)
            break;
        if (data[3] == WINDOW_UPDATE && whole == FRAME_HEAD_SIZE + 4)
            granted += number(data + FRAME_HEAD_SIZE, 4) & 0x7fffffff;
        data += whole;
        size -= whole;
    }
    return granted;
}

/* largest: of the pieces; 0: all at once. */
static void send_all(struct client *client, const struct buf *out, uint32_t largest, uint64_t seed)
{
    struct rng rng;
    rng_init(&rng, seed);
    for (size_t offset = 0, count; offset < out->size; offset += count) {
        count = largest ? 1 + rng_below(&rng, largest * largest) : out->size;
        if (count > out->size - offset)
            count = out->size - offset;
        if (send(client->fd, out->data + offset, count, MSG_DONTWAIT | MSG_NOSIGNAL) !=
            (ssize_t)count)
            return;
        settle(client);
        if (rng_below(&rng, 2))
            run_lanes();
    }
    run_lanes();
    settle(client);
}

static void connect_client(struct client *client)
{
    int fds[2];
    INVARIANT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    *client = (struct client){.fd = fds[0]};
    buf_init(&client->in, SIZE_MAX);
    atomic_fetch_add(&server.connections, 1);
    connection_open(loop,
                    &(struct accepted){.fd = fds[1], .place = PEERS_NOT_LISTED, .peer = "fuzz"});
}

static void disconnect(struct client *client)
{
    close(client->fd);
    for (int i = 0; loop->connections || loop->exchange_count; i++) {
        INVARIANT(i < TURNS_MAX);
        turn();
    }
    INVARIANT(begun == ended && atomic_load(&server.connections) == 0);
    INVARIANT(atomic_load(&server.gathered_bytes) == 0);
    buf_release(&client->in);
    free(client->streams);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
    struct client client;
    struct buf out;
    if (size == 0)
        return 0;
    open_server();
    buf_init(&out, SIZE_MAX);
    put(&out, preface, sizeof preface); /* with its NUL: an empty SETTINGS */
    if (data[0] & IS_BYTES)
        put(&out, data + 1, size - 1);
    else
        compose(&out, data + 1, size - 1);
    connect_client(&client);
    client.granted = granted_by(out.data + 24, out.size - 24);
    send_all(&client, &out, data[0] % 32, data[0]);
    disconnect(&client);
    buf_release(&out);
    return 0;
}
