/* stamps.c: the section of sequence numbers. */
#include "storage/stamps.h"

#include "base/le.h"

#include <inttypes.h>

enum { SECTION_SEQUENCES = 4 };

#define SEQUENCE_SIZE 8

static lode_status write_sequence(void *context, const struct segment *segment, uint32_t row,
                                  lode_error *error)
{
    uint8_t bytes[SEQUENCE_SIZE];
    le_store_u64(bytes, segment->ops->stamp(segment, row).sequence);
    return frame_write(context, bytes, sizeof bytes, error);
}

lode_status stamps_write(struct frame_writer *writer, const struct live_rows *rows,
                         lode_error *error)
{
    lode_status status = frame_section(writer, SECTION_SEQUENCES, error);
    return status ? status : live_rows_each(rows, write_sequence, writer, error);
}

lode_status stamps_open(const struct frame *frame, uint32_t row_count, struct stamps *ret_stamps,
                        lode_error *error)
{
    const struct frame_section_view *sequences = frame_find(frame, SECTION_SEQUENCES);
    if (!sequences || sequences->size != (uint64_t)row_count * SEQUENCE_SIZE)
        return error_set(error, LODE_CORRUPT, "it has no sequence number for each of %u rows",
                         row_count);
    *ret_stamps = (struct stamps){.sequences = sequences->data, .row_count = row_count};
    return LODE_OK;
}

static const uint8_t *sequence_at(const struct stamps *stamps, uint32_t row)
{
    return stamps->sequences + (size_t)row * SEQUENCE_SIZE;
}

struct stamp stamps_get(const struct stamps *stamps, uint32_t row)
{
    INVARIANT(row < stamps->row_count);
    return (struct stamp){.sequence = le_load_u64(sequence_at(stamps, row))};
}

lode_status stamps_check_row(const struct stamps *stamps, const struct frame *frame, uint32_t row,
                             lode_error *error)
{
    return frame_check_range(frame, sequence_at(stamps, row), SEQUENCE_SIZE, error);
}

lode_status stamps_check(const struct stamps *stamps, const struct frame *frame,
                         uint64_t sequence_max, uint64_t *ret_offset, lode_error *error)
{
    for (uint32_t row = 0; row < stamps->row_count; row++) {
        uint64_t sequence = stamps_get(stamps, row).sequence;
        if (sequence >= 1 && sequence <= sequence_max)
            continue;
        *ret_offset = (uint64_t)(sequence_at(stamps, row) - frame->data);
        return error_set(error, LODE_CORRUPT,
                         "row %u is of batch %" PRIu64 ", and only batches 1 to %" PRIu64
                         " are in segments",
                         row, sequence, sequence_max);
    }
    return LODE_OK;
}
