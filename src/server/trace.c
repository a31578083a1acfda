/* trace.c: see trace.h. Whoever has spans writes them as JSON itself and puts them into the queue, one piece for each
 * request; the sender takes pieces until there are BATCH_SPANS or the first has waited for BATCH_US, and posts them.
 *
 * Bounds: the queue holds QUEUE_BYTES_MAX; a batch that the collector does not take is tried once more after RETRY_US, when
 * trying again may help, and then dropped. So a collector that is away costs a bounded amount of memory, and no request
 * waits for it. */
#include "server/trace.h"

#include <curl/curl.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/random.h"
#include "os/clock.h"
#include "os/entropy.h"
#include "os/thread.h"
#include "server/otlp.h"
#include "server/trace_context.h"

#define QUEUE_BYTES_MAX (8u << 20)
#define PIECE_SIZE_MAX  (256u << 10) /* of one request; larger ones are dropped */
#define BATCH_SPANS     512u
#define BATCH_SIZE_MAX  (1u << 20)
#define BATCH_US        1000000u
#define RETRY_US        500000u
#define FLUSH_US        1000000u
#define CONNECT_MS      2000L
#define SEND_MS         5000L

/* The spans of one request. */
struct piece {
    struct piece *next;
    size_t span_count;
    struct buf json;
};

struct tracer {
    char *url; /* NULL: off */
    double share;
    _Atomic uint64_t dropped, sent; /* relaxed: figures only */
    CURL *curl;                     /* the sender's */
    struct curl_slist *headers;
    struct thread thread;
    bool is_started;
    struct mutex lock; /* guards what follows */
    struct cond wake;
    struct piece *first, **end;
    size_t queued_bytes, queued_spans;
    bool is_stopping;
    uint64_t stop_us; /* then the sender ends; monotonic */
};

/* --- Contexts ------------------------------------------------------------------------------------ */

static void make_id(uint8_t *id, size_t size)
{
    for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
        uint64_t number;
        while (!(number = rng_u64(entropy_rng()))) {
        }
        memcpy(id + i, &number, sizeof number);
    }
}

void trace_new_span_id(struct tracer *tracer, uint8_t span_id[8])
{
    (void)tracer;
    make_id(span_id, 8);
}

void trace_begin(struct tracer *tracer, const char *traceparent, struct trace_context *ret_context)
{
    struct traceparent parent;
    *ret_context = (struct trace_context){0};
    make_id(ret_context->span_id, sizeof ret_context->span_id);
    if (traceparent && traceparent_parse(traceparent, &parent)) {
        memcpy(ret_context->trace_id, parent.trace_id, sizeof parent.trace_id);
        memcpy(ret_context->parent_id, parent.parent_id, sizeof parent.parent_id);
        ret_context->is_sampled = tracer->url && parent.is_sampled;
        return;
    }
    make_id(ret_context->trace_id, sizeof ret_context->trace_id);
    ret_context->is_sampled = tracer->url && rng_unit(entropy_rng()) < tracer->share;
}

bool trace_has_parent(const struct trace_context *context)
{
    static const uint8_t none[8];
    return memcmp(context->parent_id, none, sizeof none) != 0;
}

void trace_id_text(const struct trace_context *context, char text[TRACE_ID_TEXT_SIZE])
{
    trace_hex(context->trace_id, sizeof context->trace_id, text);
}

void trace_parent_text(const struct trace_context *context, char text[TRACEPARENT_SIZE])
{
    memcpy(text, "00-", 3);
    trace_hex(context->trace_id, sizeof context->trace_id, text + 3);
    text[35] = '-';
    trace_hex(context->span_id, sizeof context->span_id, text + 36);
    memcpy(text + 52, context->is_sampled ? "-01" : "-00", 4);
}

/* --- The queue ------------------------------------------------------------------------------------ */

static void piece_free(struct piece *piece)
{
    if (!piece)
        return;
    buf_release(&piece->json);
    free(piece);
}

static struct piece *piece_new(const struct trace_context *context, const struct trace_span *spans,
                               size_t span_count)
{
    struct piece *piece = calloc(1, sizeof *piece);
    if (!piece)
        return NULL;
    piece->span_count = span_count;
    buf_init(&piece->json, PIECE_SIZE_MAX);
    if (!otlp_spans(context, spans, span_count, &piece->json, NULL))
        return piece;
    piece_free(piece);
    return NULL;
}

static size_t piece_bytes(const struct piece *piece)
{
    return piece->json.capacity + sizeof *piece;
}

static void drop(struct tracer *tracer, uint64_t spans)
{
    atomic_fetch_add_explicit(&tracer->dropped, spans, memory_order_relaxed);
}

/* Takes the piece if there is room for it: 1. */
static int enqueue(struct tracer *tracer, struct piece *piece)
{
    mutex_lock(&tracer->lock);
    int fits = !tracer->is_stopping && tracer->queued_bytes + piece_bytes(piece) <= QUEUE_BYTES_MAX;
    if (fits) {
        *tracer->end = piece;
        tracer->end = &piece->next;
        tracer->queued_bytes += piece_bytes(piece);
        int was_empty = tracer->queued_spans == 0;
        tracer->queued_spans += piece->span_count;
        if (was_empty || tracer->queued_spans >= BATCH_SPANS)
            cond_signal(&tracer->wake);
    }
    mutex_unlock(&tracer->lock);
    return fits;
}

void trace_spans(struct tracer *tracer, const struct trace_context *context,
                 const struct trace_span *spans, size_t span_count)
{
    if (!tracer->url || !context->is_sampled || span_count == 0)
        return;
    struct piece *piece = piece_new(context, spans, span_count);
    if (piece && enqueue(tracer, piece))
        return;
    piece_free(piece);
    drop(tracer, span_count);
}

uint64_t tracer_dropped(const struct tracer *tracer)
{
    return atomic_load_explicit(&tracer->dropped, memory_order_relaxed);
}

uint64_t tracer_sent(const struct tracer *tracer)
{
    return atomic_load_explicit(&tracer->sent, memory_order_relaxed);
}

/* --- The sender ----------------------------------------------------------------------------------- */

/* Under the lock: waits until a batch is due, and returns the first piece of the queue; NULL: it is empty, and no more
 * will come. */
static struct piece *wait_for_batch(struct tracer *tracer)
{
    while (!tracer->first && !tracer->is_stopping)
        cond_wait(&tracer->wake, &tracer->lock);
    uint64_t due_us = clock_us() + BATCH_US;
    while (!tracer->is_stopping && tracer->queued_spans < BATCH_SPANS) {
        uint64_t now_us = clock_us();
        if (now_us >= due_us)
            break;
        (void)cond_wait_us(&tracer->wake, &tracer->lock, due_us - now_us);
    }
    return tracer->first;
}

/* Moves pieces from the queue into a batch; returns how many spans. */
static size_t take_batch(struct tracer *tracer, struct buf *batch)
{
    size_t spans = 0;
    mutex_lock(&tracer->lock);
    struct piece *piece = wait_for_batch(tracer);
    int fails = piece && otlp_begin(batch, NULL);
    while (piece && spans < BATCH_SPANS && batch->size + piece->json.size < BATCH_SIZE_MAX) {
        tracer->first = piece->next;
        tracer->queued_bytes -= piece_bytes(piece);
        tracer->queued_spans -= piece->span_count;
        fails = fails || (spans > 0 && buf_append(batch, ",", 1, NULL)) ||
                buf_append(batch, piece->json.data, piece->json.size, NULL);
        spans += piece->span_count;
        piece_free(piece);
        piece = tracer->first;
    }
    if (!tracer->first)
        tracer->end = &tracer->first;
    mutex_unlock(&tracer->lock);
    if (fails || (spans > 0 && otlp_end(batch, NULL)))
        buf_clear(batch); /* memory was refused */
    return spans;
}

/* How long sending may take from now on: less when the tracer is about to end. 0: no time is left. */
static long time_left_ms(struct tracer *tracer)
{
    mutex_lock(&tracer->lock);
    uint64_t now_us = clock_us();
    long left_ms = SEND_MS;
    if (tracer->is_stopping)
        left_ms = now_us < tracer->stop_us ? (long)((tracer->stop_us - now_us) / 1000) : 0;
    mutex_unlock(&tracer->lock);
    return left_ms;
}

enum sending { SENT, SENT_AGAIN_MAY_HELP, SENT_IN_VAIN };

static enum sending post(struct tracer *tracer, const struct buf *batch)
{
    long left_ms = time_left_ms(tracer);
    if (left_ms == 0)
        return SENT_IN_VAIN;
    curl_easy_setopt(tracer->curl, CURLOPT_TIMEOUT_MS, left_ms);
    curl_easy_setopt(tracer->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)batch->size);
    curl_easy_setopt(tracer->curl, CURLOPT_POSTFIELDS, batch->data);
    long code = 0;
    if (curl_easy_perform(tracer->curl) != CURLE_OK)
        return SENT_AGAIN_MAY_HELP;
    curl_easy_getinfo(tracer->curl, CURLINFO_RESPONSE_CODE, &code);
    if (code >= 200 && code < 300)
        return SENT;
    /* Those that OTLP calls retryable. */
    int is_passing = code == 429 || code == 502 || code == 503 || code == 504;
    return is_passing ? SENT_AGAIN_MAY_HELP : SENT_IN_VAIN;
}

static void rest_before_retry(struct tracer *tracer)
{
    mutex_lock(&tracer->lock);
    uint64_t until_us = clock_us() + RETRY_US;
    for (uint64_t now_us; !tracer->is_stopping && (now_us = clock_us()) < until_us;)
        (void)cond_wait_us(&tracer->wake, &tracer->lock, until_us - now_us);
    mutex_unlock(&tracer->lock);
}

static void send_batch(struct tracer *tracer, const struct buf *batch, size_t spans)
{
    enum sending sending = batch->size ? post(tracer, batch) : SENT_IN_VAIN;
    if (sending == SENT_AGAIN_MAY_HELP) {
        rest_before_retry(tracer);
        sending = post(tracer, batch);
    }
    if (sending == SENT)
        atomic_fetch_add_explicit(&tracer->sent, spans, memory_order_relaxed);
    else
        drop(tracer, spans);
}

static void run_sender(void *context)
{
    struct tracer *tracer = context;
    struct buf batch;
    buf_init(&batch, BATCH_SIZE_MAX + 1024);
    for (size_t spans; (spans = take_batch(tracer, &batch)) > 0; buf_clear(&batch))
        send_batch(tracer, &batch, spans);
    buf_release(&batch);
}

/* --- Life ----------------------------------------------------------------------------------------- */

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* An answer is of no use; an endless one is cut off by its time. */
static size_t ignore_answer(char *data, size_t size, size_t count, void *context)
{
    (void)data, (void)context;
    return size * count;
}

/* curl asks about once a second: not 0 ends what it is at. */
static int look_at_time(void *context, curl_off_t down_total, curl_off_t down_now,
                        curl_off_t up_total, curl_off_t up_now)
{
    (void)down_total, (void)down_now, (void)up_total, (void)up_now;
    return time_left_ms(context) == 0;
}

static lode_status set_up_curl(struct tracer *tracer, lode_error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_curl);
    tracer->curl = curl_easy_init();
    tracer->headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (!tracer->curl || !tracer->headers)
        return error_nomem(error, "traces", 0);
    CURLcode code = curl_easy_setopt(tracer->curl, CURLOPT_URL, tracer->url);
    if (!code)
        code = curl_easy_setopt(tracer->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    if (code)
        return error_set(error, LODE_INVALID, "traces.endpoint %.100s: %s", tracer->url,
                         curl_easy_strerror(code));
    curl_easy_setopt(tracer->curl, CURLOPT_HTTPHEADER, tracer->headers);
    curl_easy_setopt(tracer->curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(tracer->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(tracer->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(tracer->curl, CURLOPT_XFERINFOFUNCTION, look_at_time);
    curl_easy_setopt(tracer->curl, CURLOPT_XFERINFODATA, tracer);
    curl_easy_setopt(tracer->curl, CURLOPT_USERAGENT, "lode");
    curl_easy_setopt(tracer->curl, CURLOPT_WRITEFUNCTION, ignore_answer);
    return LODE_OK;
}

static lode_status make_url(struct tracer *tracer, const char *endpoint, lode_error *error)
{
    static const char path[] = "/v1/traces";
    size_t size = strlen(endpoint);
    if (strncmp(endpoint, "http://", 7) != 0 && strncmp(endpoint, "https://", 8) != 0)
        return error_set(error, LODE_INVALID,
                         "traces.endpoint: '%.100s' does not begin with http:// or https://",
                         endpoint);
    while (size > 0 && endpoint[size - 1] == '/')
        size--;
    int is_whole = size >= sizeof path - 1 &&
                   memcmp(endpoint + size - (sizeof path - 1), path, sizeof path - 1) == 0;
    tracer->url = calloc(1, size + sizeof path);
    if (!tracer->url)
        return error_nomem(error, "traces.endpoint", size);
    memcpy(tracer->url, endpoint, size);
    if (!is_whole)
        memcpy(tracer->url + size, path, sizeof path);
    return LODE_OK;
}

static lode_status start(struct tracer *tracer, const struct config *config, lode_error *error)
{
    if (!(config->traces.share >= 0 && config->traces.share <= 1))
        return error_set(error, LODE_INVALID, "traces.share: %g is not within 0 to 1",
                         config->traces.share);
    lode_status status = make_url(tracer, config->traces.endpoint, error);
    if (!status)
        status = set_up_curl(tracer, error);
    if (status)
        return status;
    int failed = thread_start(&tracer->thread, "traces", run_sender, tracer);
    if (failed)
        return error_os(error, failed, "cannot start the thread that sends traces");
    tracer->is_started = true;
    return LODE_OK;
}

lode_status tracer_new(const struct config *config, struct tracer **ret_tracer, lode_error *error)
{
    struct tracer *tracer = calloc(1, sizeof *tracer);
    if (!tracer)
        return error_nomem(error, "traces", sizeof *tracer);
    mutex_init(&tracer->lock);
    cond_init(&tracer->wake);
    tracer->end = &tracer->first;
    tracer->share = config->traces.share;
    lode_status status = config->traces.endpoint ? start(tracer, config, error) : LODE_OK;
    if (status) {
        tracer_free(tracer);
        return status;
    }
    *ret_tracer = tracer;
    return LODE_OK;
}

static void stop(struct tracer *tracer)
{
    mutex_lock(&tracer->lock);
    tracer->is_stopping = true;
    tracer->stop_us = clock_us() + FLUSH_US;
    cond_signal(&tracer->wake);
    mutex_unlock(&tracer->lock);
    thread_join(&tracer->thread);
}

void tracer_free(struct tracer *tracer)
{
    if (!tracer)
        return;
    if (tracer->is_started)
        stop(tracer);
    if (tracer->curl)
        curl_easy_cleanup(tracer->curl);
    curl_slist_free_all(tracer->headers);
    cond_release(&tracer->wake);
    mutex_release(&tracer->lock);
    free(tracer->url);
    free(tracer);
}
