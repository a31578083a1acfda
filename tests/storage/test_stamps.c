/* Stamps: what is written comes out of a segment on disk; what is due is found by range; what cannot be is
 * found by the check, and read safely all the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "base/random.h"
#include "storage/stamps.h"
#include "support/storage_kit.h"
#include "support/vfs_memory.h"

static lode_error error;

enum { ROWS = 300 };
#define BEGIN 1700000000000u

/* Most rows expire, several at one moment. */
static uint64_t expiry_of(unsigned row)
{
    return row % 3 ? BEGIN + random_mix(row) % 40 : 0;
}

static struct version *version_of(const struct space *space, int expires)
{
    struct version *version = kit_version(space, 1, 1u << 20);
    static const float vector[2] = {1, 2};
    for (unsigned i = 0; i < ROWS; i++) {
        uint8_t id[ID_BYTES_MAX];
        struct buf batch;
        struct op op = {.kind = LODE_WRITE_UPSERT,
                        .id = id,
                        .id_size = kit_id(i, id),
                        .expires_ms = expires ? expiry_of(i) : 0};
        buf_init(&batch, 4096);
        assert_ok(batch_begin(&batch, NULL, 0, &error));
        assert_ok(batch_upsert(&batch, space, &op, vector, &error));
        batch_end(&batch, 1);
        kit_apply_group(&version, &batch, 1, NULL);
        buf_release(&batch);
    }
    return version;
}

/* Every range gives the rows in it and the moment of the next, as a scan of all rows has it. */
static void check_ranges(const struct segment *segment)
{
    for (uint64_t from = BEGIN - 1; from < BEGIN + 42; from++)
        for (uint64_t to = from - 1; to < BEGIN + 42; to += 3) {
            uint64_t words[ROWS / 64 + 1], next = EXPIRES_NONE;
            memset(words, 0xff, sizeof words);
            struct expiry_range range = {
                .row_count = ROWS, .from_ms = from, .to_ms = to, .words = words};
            uint64_t found = 0;
            assert_ok(segment->ops->expire(segment, &range, &found, &error));
            for (uint32_t row = 0; row < ROWS; row++) {
                uint64_t expires = expiry_of(row);
                int due = expires >= from && expires <= to;
                assert_int_equal(bitset_test(words, row), !due);
                if (expires >= from && expires > to && expires < next)
                    next = expires;
            }
            assert_int_equal(found, next);
        }
}

static void what_is_written_comes_out(void **state)
{
    (void)state;
    for (int expires = 0; expires < 2; expires++) {
        struct vfs *vfs = vfs_memory_new();
        struct store store = kit_store(vfs, 2);
        struct version *version = version_of(&store.space, expires);
        struct sealed_entry entry;
        struct segment *segment;
        uint32_t *map;
        assert_ok(sealed_write(&store, 5, &(struct sealed_source){version->views, 1, NULL, &map},
                               &entry, &error));
        free(map);
        assert_ok(sealed_open(&store, &entry, &segment, &error));
        for (uint32_t row = 0; row < ROWS; row++) {
            struct stamp stamp;
            assert_ok(segment->ops->stamp(segment, row, &stamp, &error));
            assert_int_equal(stamp.sequence, row + 1);
            assert_int_equal(stamp.expires_ms, expires ? expiry_of(row) : 0);
        }
        if (expires) {
            check_ranges(segment);
            check_ranges(kit_growing(version));
        }
        segment_unref(segment);
        version_unref(version);
        vfs_memory_free(vfs);
    }
}

static void versions_expire(void **state)
{
    (void)state;
    struct space space;
    space_init(&space, LODE_METRIC_L2, LODE_SCALAR_F32, 2);
    struct version *version = version_of(&space, 1), *later, *same;
    version_settle(version);
    assert_int_equal(version->point_count, ROWS);
    for (uint64_t now = BEGIN - 1; now < BEGIN + 42; now++) {
        uint64_t alive = 0;
        for (unsigned row = 0; row < ROWS; row++)
            alive += expiry_of(row) == 0 || expiry_of(row) > now;
        assert_ok(version_expire(version, now, &later, &error));
        assert_int_equal(later->point_count, alive);
        assert_int_equal(later->sequence, version->sequence);
        assert_true(later->expires_next_ms > now);
        assert_ok(version_expire(later, now, &same, &error));
        assert_int_equal(same->point_count, alive);
        assert_ptr_equal(same->views[0].live, later->views[0].live);
        version_unref(same);
        if (now % 2) {
            version_unref(version);
            version = later; /* from one to the next, and in leaps */
        } else {
            version_unref(later);
        }
    }
    assert_int_equal(version->expires_next_ms, EXPIRES_NONE);
    version_unref(version);
}

/* --- Damage ------------------------------------------------------------------------------------ */

/* Three rows: the first stays, the third expires before the second. */
struct sections {
    uint8_t sequences[24];
    uint8_t expiries[24];
    uint8_t order[8];
    struct frame frame;
};

static void make_sections(struct sections *sections)
{
    memset(sections, 0, sizeof *sections);
    for (unsigned row = 0; row < 3; row++)
        le_store_u64(sections->sequences + 8 * (size_t)row, row + 5);
    le_store_u64(sections->expiries + 8, BEGIN + 2);
    le_store_u64(sections->expiries + 16, BEGIN + 1);
    le_store_u32(sections->order, 2);
    le_store_u32(sections->order + 4, 1);
    struct frame_section_view views[] = {
        {4, sections->sequences, 24}, {5, sections->expiries, 24}, {6, sections->order, 8}};
    sections->frame.data = (const uint8_t *)sections;
    sections->frame.section_count = 3;
    memcpy(sections->frame.sections, views, sizeof views);
}

static lode_status check(struct sections *sections, uint64_t sequence_max)
{
    struct stamps stamps;
    uint64_t offset = 0, words[1] = {~(uint64_t)0};
    lode_status status = stamps_open(&sections->frame, 3, &stamps, &error);
    if (status)
        return status;
    struct expiry_range range = {
        .row_count = 3, .from_ms = 1, .to_ms = UINT64_MAX - 1, .words = words};
    uint64_t next;
    assert_ok(stamps_expire(&stamps, &range, &next, &error));
    assert_int_equal(words[0] >> 3, ~(uint64_t)0 >> 3); /* no row that is not */
    status = stamps_check(&stamps, &sections->frame, sequence_max, &offset, &error);
    assert_true(offset <= sizeof *sections);
    return status;
}

static void damage_is_found(void **state)
{
    (void)state;
    struct sections sections;
    make_sections(&sections);
    assert_ok(check(&sections, 7));
    assert_status(check(&sections, 6), LODE_CORRUPT); /* from the future */
    le_store_u64(sections.sequences, 0);
    assert_status(check(&sections, 7), LODE_CORRUPT);
    for (int damage = 0; damage < 8; damage++) {
        make_sections(&sections);
        switch (damage) {
        case 0: le_store_u32(sections.order, 1); break;        /* twice */
        case 1: le_store_u32(sections.order, 0); break;        /* it stays */
        case 2: le_store_u32(sections.order + 4, 3); break;    /* there is no such row */
        case 3: le_store_u64(sections.expiries, BEGIN); break; /* not in order */
        case 4: le_store_u64(sections.expiries + 8, 1); break; /* seconds after 1970 */
        case 5: sections.frame.sections[2].size = 4; break;    /* one too few */
        case 6: sections.frame.sections[1].size = 16; break;
        default: sections.frame.sections[0].size = 16;
        }
        assert_status(check(&sections, 7), LODE_CORRUPT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_comes_out),
        cmocka_unit_test(versions_expire),
        cmocka_unit_test(damage_is_found),
    };
    return cmocka_run_group_tests_name("storage/stamps", tests, NULL, NULL);
}
