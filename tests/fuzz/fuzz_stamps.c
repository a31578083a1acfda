/* fuzz_stamps.c: any sections, opened as the stamps of a segment: no row that is not is ever touched, and what
 * passes the check is found row by row and range by range. */
#include "fuzz/fuzz_storage.h"

#include "base/bitset.h"
#include "base/le.h"
#include "storage/stamps.h"

enum { ROWS_MAX = 512 };

static void check_range(const struct stamps *stamps, uint64_t from_ms, uint64_t to_ms, int sound)
{
    uint64_t words[ROWS_MAX / 64 + 1];
    memset(words, 0xff, sizeof words);
    struct expiry_range range = {
        .row_count = stamps->row_count, .from_ms = from_ms, .to_ms = to_ms, .words = words};
    uint64_t next = 0, least = EXPIRES_NONE;
    INVARIANT(stamps_expire(stamps, &range, &next, NULL) == LODE_OK);
    for (uint32_t row = 0; row < stamps->row_count; row++) {
        struct stamp stamp;
        INVARIANT(stamps_get(stamps, row, &stamp, NULL) == LODE_OK);
        uint64_t expires = stamp.expires_ms;
        int due = expires >= from_ms && expires <= to_ms;
        INVARIANT(!sound || bitset_test(words, row) == !due);
        if (expires >= from_ms && expires > to_ms && expires < least)
            least = expires;
    }
    INVARIANT(!sound || next == least);
    for (size_t bit = stamps->row_count; bit < sizeof words * 8; bit++)
        INVARIANT(bitset_test(words, bit));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame frame = sections_new(data, size, 3);
    uint32_t rows = (uint32_t)(frame.sections[0].size / 8 % ROWS_MAX);
    struct stamps stamps;
    lode_error error;
    uint64_t offset = 0;
    if (size % 4) {
        section_cut(&frame, 0, rows * (size_t)8);
        section_cut(&frame, 1, rows * (size_t)8);
        section_cut(&frame, 2, frame.sections[2].size % (rows + 1) * 4);
    }
    for (uint32_t i = 0; i < 3; i++)
        frame.sections[i].type = i + 4;
    if (stamps_open(&frame, rows, &stamps, &error) == LODE_OK) {
        int sound = stamps_check(&stamps, &frame, UINT64_MAX, &offset, &error) == LODE_OK;
        check_range(&stamps, 1, 0, sound);
        check_range(&stamps, 1, UINT64_MAX - 1, sound);
        check_range(&stamps, LODE_EXPIRES_AT_MIN, LODE_EXPIRES_AT_MAX / 2, sound);
    }
    sections_free(&frame);
    return 0;
}
