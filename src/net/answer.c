/* answer.c: answers on their way from whoever gives them to the loop. */
#include "net/exchange.h"

#include <stdlib.h>
#include <string.h>

bool exchange_claim(struct exchange *exchange)
{
    int none = ANSWER_NONE;
    return atomic_compare_exchange_strong_explicit(&exchange->answered, &none, ANSWER_CLAIMED,
                                                   memory_order_acquire, memory_order_relaxed);
}

/* A header that could break out of its line is left out: that is a mistake of the service. */
bool answer_add_headers(struct fields *fields, const struct net_header *headers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t name_size = strlen(headers[i].name);
        if (!field_name_is_valid(headers[i].name, name_size) ||
            !field_value_is_valid(headers[i].value, headers[i].value_size))
            continue;
        if (fields_add(fields, &headers[i], name_size, NULL))
            return false;
    }
    return true;
}

static bool fill(struct answer *answer, const struct net_answer *given)
{
    struct net_header type = {.name = "content-type", .value = given->content_type};
    if (type.value)
        type.value_size = strlen(type.value);
    return answer_add_headers(&answer->headers, &type, type.value ? 1 : 0) &&
           answer_add_headers(&answer->headers, given->headers, given->header_count) &&
           answer_add_headers(&answer->trailers, given->trailers, given->trailer_count);
}

void answer_fill(struct answer *answer, const struct net_answer *given)
{
    answer->status = given->status;
    answer->has_body = given->content_type != NULL;
    fields_init(&answer->headers, SIZE_MAX);
    fields_init(&answer->trailers, SIZE_MAX);
    if (given->body) {
        answer->body = given->body->data;
        answer->body_size = given->body->size;
        *given->body = (struct buf){.size_max = given->body->size_max};
    }
    if (fill(answer, given))
        return;
    answer_release(answer);
    answer->status = 500;
    answer->has_body = false;
}

void answer_release(struct answer *answer)
{
    fields_release(&answer->headers);
    fields_release(&answer->trailers);
    free(answer->body);
    answer->body = NULL;
    answer->body_size = 0;
}

void exchange_answer(struct exchange *exchange, struct net_answer *answer)
{
    if (!exchange_claim(exchange)) {
        if (answer->body)
            buf_release(answer->body);
        return;
    }
    answer_fill(&exchange->answer, answer);
    exchange_hold_answer(exchange);
    atomic_store_explicit(&exchange->answered, ANSWER_READY, memory_order_release);
    /* Who called the service looks itself. */
    if (loop_here() != exchange->loop || !exchange->is_in_service)
        exchange_post(exchange);
}
