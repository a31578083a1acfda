/* stamps.c: sequence numbers of all rows; and where some expire, when each row does, and those rows in the
 * order in which they do, so that what is due is found without a look at the others. */
#include "storage/stamps.h"

#include "base/buf.h"
#include "base/le.h"

#include <inttypes.h>
#include <stdlib.h>

enum { SECTION_SEQUENCES = 4, SECTION_EXPIRIES = 5, SECTION_ORDER = 6 };

#define SEQUENCE_SIZE 8
#define EXPIRY_SIZE   8
#define ROW_SIZE      4

/* --- Writing ----------------------------------------------------------------------------------- */

static lode_status write_u64(struct frame_writer *writer, uint64_t value, lode_error *error)
{
    uint8_t bytes[sizeof value];
    le_store_u64(bytes, value);
    return frame_write(writer, bytes, sizeof bytes, error);
}

static lode_status write_sequence(void *context, const struct segment *segment, uint32_t row,
                                  lode_error *error)
{
    struct stamp stamp;
    lode_status status = segment->ops->stamp(segment, row, &stamp, error);
    return status ? status : write_u64(context, stamp.sequence, error);
}

static lode_status write_expiry(void *context, const struct segment *segment, uint32_t row,
                                lode_error *error)
{
    struct stamp stamp;
    lode_status status = segment->ops->stamp(segment, row, &stamp, error);
    return status ? status : write_u64(context, stamp.expires_ms, error);
}

struct expiring {
    uint64_t expires_ms;
    uint32_t row; /* of the new segment */
};

struct gathering {
    struct buf rows; /* struct expiring each */
    uint32_t next;
};

static lode_status gather(void *context, const struct segment *segment, uint32_t row,
                          lode_error *error)
{
    struct gathering *gathering = context;
    struct stamp stamp;
    lode_status status = segment->ops->stamp(segment, row, &stamp, error);
    if (status)
        return status;
    struct expiring one = {.expires_ms = stamp.expires_ms, .row = gathering->next++};
    return one.expires_ms ? buf_append(&gathering->rows, &one, sizeof one, error) : LODE_OK;
}

static int by_expiry(const void *a_void, const void *b_void)
{
    const struct expiring *a = a_void, *b = b_void;
    if (a->expires_ms != b->expires_ms)
        return a->expires_ms < b->expires_ms ? -1 : 1;
    return (a->row > b->row) - (a->row < b->row);
}

static lode_status write_order(struct frame_writer *writer, struct buf *rows, lode_error *error)
{
    struct expiring *items = (struct expiring *)(void *)rows->data;
    size_t count = rows->size / sizeof *items;
    lode_status status = frame_section(writer, SECTION_ORDER, error);
    if (count > 0)
        qsort(items, count, sizeof *items, by_expiry);
    for (size_t i = 0; !status && i < count; i++) {
        uint8_t bytes[ROW_SIZE];
        le_store_u32(bytes, items[i].row);
        status = frame_write(writer, bytes, sizeof bytes, error);
    }
    return status;
}

/* Nothing at all when no row expires. */
static lode_status write_expiries(struct frame_writer *writer, const struct live_rows *rows,
                                  lode_error *error)
{
    struct gathering gathering = {0};
    buf_init(&gathering.rows, SIZE_MAX / 2);
    lode_status status = live_rows_each(rows, gather, &gathering, error);
    if (!status)
        status = frame_section(writer, SECTION_EXPIRIES, error);
    if (!status && gathering.rows.size > 0)
        status = live_rows_each(rows, write_expiry, writer, error);
    if (!status)
        status = write_order(writer, &gathering.rows, error);
    buf_release(&gathering.rows);
    return status;
}

lode_status stamps_write(struct frame_writer *writer, const struct live_rows *rows,
                         lode_error *error)
{
    lode_status status = frame_section(writer, SECTION_SEQUENCES, error);
    if (!status)
        status = live_rows_each(rows, write_sequence, writer, error);
    return status ? status : write_expiries(writer, rows, error);
}

/* --- Reading ----------------------------------------------------------------------------------- */

lode_status stamps_open(const struct frame *frame, uint32_t row_count, struct stamps *ret_stamps,
                        lode_error *error)
{
    const struct frame_section_view *sequences = frame_find(frame, SECTION_SEQUENCES),
                                    *expiries = frame_find(frame, SECTION_EXPIRIES),
                                    *order = frame_find(frame, SECTION_ORDER);
    if (!sequences || sequences->size != (uint64_t)row_count * SEQUENCE_SIZE)
        return error_set(error, LODE_CORRUPT, "it has no sequence number for each of %u rows",
                         row_count);
    if (!expiries || !order || order->size % ROW_SIZE ||
        order->size > (uint64_t)row_count * ROW_SIZE ||
        expiries->size != (order->size ? (uint64_t)row_count * EXPIRY_SIZE : 0))
        return error_set(error, LODE_CORRUPT, "its sections of expiries do not fit together");
    *ret_stamps = (struct stamps){.sequences = sequences->data,
                                  .expiries = expiries->size ? expiries->data : NULL,
                                  .order = order->data,
                                  .row_count = row_count,
                                  .order_count = (uint32_t)(order->size / ROW_SIZE),
                                  .guard = frame->guard};
    return LODE_OK;
}

static const uint8_t *sequence_at(const struct stamps *stamps, uint32_t row)
{
    return stamps->sequences + (size_t)row * SEQUENCE_SIZE;
}

static const uint8_t *expiry_at(const struct stamps *stamps, uint32_t row)
{
    return stamps->expiries + (size_t)row * EXPIRY_SIZE;
}

lode_status stamps_get(const struct stamps *stamps, uint32_t row, struct stamp *ret_stamp,
                       lode_error *error)
{
    INVARIANT(row < stamps->row_count);
    uint64_t expires = 0;
    lode_status status = guard_touch(stamps->guard, sequence_at(stamps, row), SEQUENCE_SIZE, error);
    if (!status && stamps->expiries) {
        status = guard_touch(stamps->guard, expiry_at(stamps, row), EXPIRY_SIZE, error);
        if (!status)
            expires = le_load_u64(expiry_at(stamps, row));
    }
    if (!status)
        *ret_stamp = (struct stamp){.sequence = le_load_u64(sequence_at(stamps, row)),
                                    .expires_ms = expires};
    return status;
}

/* The i-th in order; expires_ms EXPIRES_NONE beyond the last, and where it is no row. */
static lode_status in_order(const struct stamps *stamps, uint32_t i, struct expiring *ret_one,
                            lode_error *error)
{
    *ret_one = (struct expiring){.expires_ms = EXPIRES_NONE, .row = stamps->row_count};
    if (i >= stamps->order_count)
        return LODE_OK;
    const uint8_t *at = stamps->order + (size_t)i * ROW_SIZE;
    lode_status status = guard_touch(stamps->guard, at, ROW_SIZE, error);
    if (!status)
        ret_one->row = le_load_u32(at);
    if (status || ret_one->row >= stamps->row_count)
        return status;
    at = expiry_at(stamps, ret_one->row);
    status = guard_touch(stamps->guard, at, EXPIRY_SIZE, error);
    if (!status)
        ret_one->expires_ms = le_load_u64(at);
    return status;
}

/* The first in order that does not expire before from_ms. */
static lode_status first_from(const struct stamps *stamps, uint64_t from_ms, uint32_t *ret_first,
                              lode_error *error)
{
    uint32_t low = 0, high = stamps->order_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        struct expiring one;
        lode_status status = in_order(stamps, middle, &one, error);
        if (status)
            return status;
        if (one.expires_ms < from_ms)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_first = low;
    return LODE_OK;
}

/* Without the order, which only spares a look at every row. */
static lode_status expire_all(const struct stamps *stamps, const struct expiry_range *range,
                              uint64_t *ret_next, lode_error *error)
{
    uint64_t next = EXPIRES_NONE;
    for (uint32_t row = 0; row < stamps->row_count; row++) {
        const uint8_t *at = expiry_at(stamps, row);
        lode_status status = guard_touch(stamps->guard, at, EXPIRY_SIZE, error);
        if (status)
            return status;
        uint64_t expires = le_load_u64(at);
        if (expires < range->from_ms)
            continue;
        if (expires > range->to_ms)
            next = expires < next ? expires : next;
        else if (row < range->row_count)
            range->words[row / 64] &= ~((uint64_t)1 << row % 64);
    }
    *ret_next = next;
    return LODE_OK;
}

static lode_status expire_in_order(const struct stamps *stamps, const struct expiry_range *range,
                                   uint64_t *ret_next, lode_error *error)
{
    uint32_t i = 0;
    struct expiring one = {0};
    lode_status status = first_from(stamps, range->from_ms, &i, error);
    if (!status)
        status = in_order(stamps, i, &one, error);
    while (!status && one.expires_ms <= range->to_ms) {
        if (one.row < range->row_count)
            range->words[one.row / 64] &= ~((uint64_t)1 << one.row % 64);
        status = in_order(stamps, ++i, &one, error);
    }
    if (!status)
        *ret_next = one.expires_ms;
    return status;
}

lode_status stamps_expire(const struct stamps *stamps, const struct expiry_range *range,
                          uint64_t *ret_next, lode_error *error)
{
    lode_status status = expire_in_order(stamps, range, ret_next, error);
    if (status_is_damage(status) && stamps->expiries)
        status = expire_all(stamps, range, ret_next, error);
    return status;
}

/* --- Checking ---------------------------------------------------------------------------------- */

static lode_status check_sequences(const struct stamps *stamps, const struct frame *frame,
                                   uint64_t sequence_max, uint64_t *ret_offset, lode_error *error)
{
    for (uint32_t row = 0; row < stamps->row_count; row++) {
        struct stamp stamp;
        *ret_offset = (uint64_t)(sequence_at(stamps, row) - frame->data);
        lode_status status = stamps_get(stamps, row, &stamp, error);
        if (status)
            return status;
        uint64_t sequence = stamp.sequence;
        if (sequence >= 1 && sequence <= sequence_max)
            continue;
        return error_set(error, LODE_CORRUPT,
                         "row %u is of batch %" PRIu64 ", and only batches 1 to %" PRIu64
                         " are in segments",
                         row, sequence, sequence_max);
    }
    return LODE_OK;
}

/* *ret_count: how many rows expire. */
static lode_status check_expiries(const struct stamps *stamps, const struct frame *frame,
                                  uint32_t *ret_count, uint64_t *ret_offset, lode_error *error)
{
    *ret_count = 0;
    for (uint32_t row = 0; stamps->expiries && row < stamps->row_count; row++) {
        struct stamp stamp;
        *ret_offset = (uint64_t)(expiry_at(stamps, row) - frame->data);
        lode_status status = stamps_get(stamps, row, &stamp, error);
        if (status)
            return status;
        uint64_t expires = stamp.expires_ms;
        *ret_count += expires != 0;
        if (expires == 0 || (expires >= LODE_EXPIRES_AT_MIN && expires <= LODE_EXPIRES_AT_MAX))
            continue;
        return error_set(error, LODE_CORRUPT, "row %u expires at an impossible time, %" PRIu64, row,
                         expires);
    }
    return LODE_OK;
}

/* Strictly ascending, and as many as there are: then it is each of them once. */
static lode_status check_order(const struct stamps *stamps, const struct frame *frame,
                               uint32_t count, uint64_t *ret_offset, lode_error *error)
{
    struct expiring last = {0};
    for (uint32_t i = 0; i < stamps->order_count; i++) {
        struct expiring one;
        *ret_offset = (uint64_t)(stamps->order + (size_t)i * ROW_SIZE - frame->data);
        lode_status status = in_order(stamps, i, &one, error);
        if (status)
            return status;
        if (one.expires_ms == EXPIRES_NONE || one.expires_ms == 0 ||
            (i > 0 && by_expiry(&last, &one) >= 0))
            return error_set(error, LODE_CORRUPT, "the rows that expire are not in their order");
        last = one;
    }
    if (stamps->order_count != count)
        return error_set(error, LODE_CORRUPT, "%u rows expire, and %u are in their order", count,
                         stamps->order_count);
    return LODE_OK;
}

lode_status stamps_check(const struct stamps *stamps, const struct frame *frame,
                         uint64_t sequence_max, uint64_t *ret_offset, lode_error *error)
{
    uint32_t count = 0;
    lode_status status = check_sequences(stamps, frame, sequence_max, ret_offset, error);
    if (!status)
        status = check_expiries(stamps, frame, &count, ret_offset, error);
    return status ? status : check_order(stamps, frame, count, ret_offset, error);
}
