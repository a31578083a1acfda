/* Levels of acknowledgement: what each survives, that nothing survives what came before it and was lost,
 * and that structural changes do not outrun the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "support/engine_kit.h"

static lode_error error;

static const lode_schema schema = {.dim = 4};

struct world {
    struct vfs *vfs;
    lode_db *db;
    lode_collection *collection;
    struct model model;
    const char *failing; /* operation on logs that fails; NULL: none */
    int failing_errno;
    int is_over;    /* its process has ended: nothing is done any more */
    unsigned syncs; /* of files, so far */
};

static int fails_here(void *context, const char *operation, const char *path)
{
    struct world *world = context;
    if (world->is_over)
        return EIO;
    world->syncs += strcmp(operation, "sync") == 0;
    int fails = world->failing && strcmp(operation, world->failing) == 0 && strstr(path, "wal-");
    return fails ? world->failing_errno : 0;
}

static void open_world(struct world *world)
{
    world->db = engine_open(world->vfs, "db", NULL, 1u << 20);
    world->collection = engine_collection(world->db, "points");
}

static void begin_world(struct world *world)
{
    *world = (struct world){.vfs = vfs_memory_new()};
    vfs_memory_set_fault(world->vfs, fails_here, world);
    world->db = engine_open(world->vfs, "db", NULL, 1u << 20);
    world->collection = engine_create(world->db, "points", schema);
    model_init(&world->model, &schema);
}

static void close_world(struct world *world)
{
    lode_collection_close(world->collection);
    engine_close(world->db);
}

enum ending { CLOSED, KILLED, POWERLESS };

/* End as it is said, and begin again. What is in the memory of the dead is not written any more. */
static void end_life(struct world *world, enum ending ending)
{
    if (ending == KILLED)
        vfs_memory_kill(world->vfs);
    if (ending == POWERLESS)
        vfs_memory_crash(world->vfs);
    world->is_over = ending != CLOSED;
    close_world(world);
    world->is_over = 0;
    engine_verify(world->vfs, "db");
    open_world(world);
}

static void end_world(struct world *world)
{
    close_world(world);
    engine_verify(world->vfs, "db");
    vfs_memory_free(world->vfs);
}

static lode_status try_write(struct world *world, unsigned id, int value, lode_ack ack)
{
    struct model_op op = {.id = id, .value = value};
    return model_write_ack(&world->model, world->collection, &op, 1, ack, &error);
}

static void write_one(struct world *world, unsigned id, lode_ack ack)
{
    assert_ok(try_write(world, id, (int)id + 1, ack));
    model_check_points(&world->model, world->collection, NULL); /* visible at once */
}

static void check_ids(struct world *world, unsigned count)
{
    struct model wanted = world->model;
    for (unsigned id = count; id < ENGINE_IDS; id++)
        wanted.values[id] = ENGINE_NONE;
    model_check_points(&wanted, world->collection, NULL);
}

static void each_level_survives_what_it_says(void **state)
{
    (void)state;
    static const struct {
        lode_ack ack;
        enum ending ending;
        unsigned kept;
    } cases[] = {
        {LODE_ACK_DURABLE, CLOSED, 2},    {LODE_ACK_DURABLE, KILLED, 2},
        {LODE_ACK_DURABLE, POWERLESS, 2}, {LODE_ACK_LOGGED, CLOSED, 2},
        {LODE_ACK_LOGGED, KILLED, 2},     {LODE_ACK_LOGGED, POWERLESS, 1},
        {LODE_ACK_APPLIED, CLOSED, 2},    {LODE_ACK_APPLIED, KILLED, 1},
        {LODE_ACK_APPLIED, POWERLESS, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct world world;
        begin_world(&world);
        write_one(&world, 0, LODE_ACK_DURABLE);
        unsigned syncs = world.syncs;
        write_one(&world, 1, cases[i].ack);
        assert_int_equal(world.syncs - syncs, cases[i].ack == LODE_ACK_DURABLE);
        end_life(&world, cases[i].ending);
        check_ids(&world, cases[i].kept);
        end_world(&world);
    }
}

/* A write of a level takes those before it along. */
static void later_writes_take_earlier_ones_along(void **state)
{
    (void)state;
    for (int how = 0; how < 5; how++) {
        struct world world;
        begin_world(&world);
        write_one(&world, 0, LODE_ACK_APPLIED);
        write_one(&world, 1, LODE_ACK_LOGGED);
        write_one(&world, 2, LODE_ACK_APPLIED);
        switch (how) {
        case 0: write_one(&world, 3, LODE_ACK_LOGGED); break;
        case 1: write_one(&world, 3, LODE_ACK_DURABLE); break;
        case 2: assert_ok(lode_sync(world.collection, &error)); break;
        case 3: assert_ok(lode_flush(world.collection, NULL, &error)); break;
        default: break;
        }
        end_life(&world, how == 0 || how == 4 ? KILLED : POWERLESS);
        check_ids(&world, how < 2 ? 4 : how < 4 ? 3 : 2);
        end_world(&world);
    }
}

static void memory_keeps_no_more_than_a_megabyte(void **state)
{
    (void)state;
    enum { POINTS = 60 };
    struct world world;
    float vector[4] = {1, 2, 3, 4};
    char *text = malloc(50001);
    memset(text, 'x', 50000);
    text[50000] = '\0';
    begin_world(&world);
    world.db->growing_bytes_max = 64u << 20;
    for (uint64_t id = 0; id < POINTS; id++) {
        lode_write_op op = {.kind = LODE_WRITE_UPSERT};
        op.point = (lode_point){
            .id = lode_id_number(id), .vector = vector, .text = text, .text_size = 50000};
        assert_ok(lode_write(world.collection, &op, 1,
                             &(lode_write_options){.ack = LODE_ACK_APPLIED}, NULL, &error));
    }
    end_life(&world, KILLED);
    lode_stats *stats;
    assert_ok(lode_stats_get(world.collection, &stats, &error));
    assert_in_range(stats->points, POINTS - (1 << 20) / 50000 - 1, POINTS - 1);
    assert_int_equal(stats->sequence, stats->points);
    lode_stats_free(stats);
    free(text);
    end_world(&world);
}

/* A merge, or an index, commits deaths of rows whose successors only the log has. */
static void changes_wait_for_the_log(void **state)
{
    (void)state;
    for (int ack = LODE_ACK_LOGGED; ack <= LODE_ACK_APPLIED; ack++) {
        struct world world;
        begin_world(&world);
        for (unsigned id = 0; id < 8; id++) {
            write_one(&world, id, LODE_ACK_DURABLE);
            if (id % 2)
                assert_ok(lode_flush(world.collection, NULL, &error));
        }
        for (unsigned id = 0; id < 8; id += 3) /* a third is dead: a merge is due */
            assert_ok(try_write(&world, id, 100 + (int)id, (lode_ack)ack));
        assert_ok(lode_wait_idle(world.collection, 0, &error));
        lode_stats *stats;
        assert_ok(lode_stats_get(world.collection, &stats, &error));
        assert_in_range(stats->segment_count, 2, 4); /* some were merged, one grows */
        lode_stats_free(stats);
        end_life(&world, POWERLESS);
        model_check_points(&world.model, world.collection, NULL);
        end_world(&world);
    }
}

/* Deletes that a crash may bring back must not do so under another text model. */
static void training_waits_for_the_log(void **state)
{
    (void)state;
    static const lode_schema words = {.dim = 4, .metric = LODE_METRIC_COSINE};
    static const char *const texts[] = {"a ship sails on the sea",   "the sea is deep and blue",
                                        "a captain sails the ship",  "the forest is deep and green",
                                        "a deer runs in the forest", "the hunter follows the deer",
                                        "a captain follows the sea", "the deer is in the green"};
    enum { TEXTS = 8 };
    lode_text given[TEXTS];
    struct world world;
    begin_world(&world);
    lode_collection *collection = engine_create(world.db, "words", words);
    for (size_t i = 0; i < TEXTS; i++)
        given[i] = (lode_text){texts[i], strlen(texts[i])};
    assert_ok(lode_text_model_train(collection, given, TEXTS, NULL, NULL, &error));
    lode_point point = {.id = lode_id_number(1), .text = texts[0], .text_size = strlen(texts[0])};
    assert_ok(lode_upsert(collection, &point, 1, NULL, &error));
    lode_write_op removal = {.kind = LODE_WRITE_DELETE, .point.id = point.id};
    assert_ok(lode_write(collection, &removal, 1, &(lode_write_options){.ack = LODE_ACK_APPLIED},
                         NULL, &error));
    assert_ok(lode_text_model_train(collection, given, TEXTS, NULL, NULL, &error));
    vfs_memory_crash(world.vfs);
    world.is_over = 1;
    lode_collection_close(collection);
    end_life(&world, POWERLESS);
    collection = engine_collection(world.db, "words");
    lode_stats *stats;
    assert_ok(lode_stats_get(collection, &stats, &error));
    assert_int_equal(stats->points, 0);
    assert_int_equal(stats->text_model_version, 2);
    lode_stats_free(stats);
    lode_collection_close(collection);
    end_world(&world);
}

static void a_full_disk_keeps_what_was_applied(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    write_one(&world, 0, LODE_ACK_APPLIED);
    write_one(&world, 1, LODE_ACK_APPLIED);
    world.failing = "write";
    world.failing_errno = ENOSPC;
    assert_status(try_write(&world, 2, 3, LODE_ACK_DURABLE), LODE_FULL);
    assert_status(try_write(&world, 2, 3, LODE_ACK_LOGGED), LODE_FULL);
    assert_status(lode_sync(world.collection, &error), LODE_FULL);
    write_one(&world, 2, LODE_ACK_APPLIED); /* memory has room */
    world.failing = NULL;
    write_one(&world, 3, LODE_ACK_LOGGED);
    end_life(&world, KILLED);
    check_ids(&world, 4);
    end_world(&world);
}

/* What was not durable is visible until the collection is reopened, and then gone; nothing that depends on
 * it is written. */
static void a_failed_sync_takes_what_was_not_durable(void **state)
{
    (void)state;
    for (int ack = LODE_ACK_LOGGED; ack <= LODE_ACK_APPLIED; ack++) {
        struct world world;
        begin_world(&world);
        world.db->maintenance = LODE_MAINTAIN_ON_REQUEST; /* no merge syncs the log first */
        for (unsigned id = 0; id < 4; id++) {
            write_one(&world, id, LODE_ACK_DURABLE);
            if (id % 2)
                assert_ok(lode_flush(world.collection, NULL, &error));
        }
        struct model durable = world.model;
        assert_ok(try_write(&world, 0, 50, (lode_ack)ack));
        world.failing = "sync";
        world.failing_errno = EIO;
        assert_status(lode_sync(world.collection, &error), LODE_IO);
        world.failing = NULL;
        assert_status(try_write(&world, 5, 5, LODE_ACK_APPLIED), LODE_READONLY);
        assert_status(lode_sync(world.collection, &error), LODE_READONLY);
        assert_status(lode_compact(world.collection, NULL, &error), LODE_READONLY);
        model_check_points(&world.model, world.collection, NULL);
        end_life(&world, CLOSED);
        model_check_points(&durable, world.collection, NULL);
        world.model = durable;
        write_one(&world, 5, LODE_ACK_DURABLE);
        end_world(&world);
    }
}

static void other_levels_are_refused(void **state)
{
    (void)state;
    struct world world;
    lode_write_op op = {.kind = LODE_WRITE_DELETE, .point.id = lode_id_number(1)};
    lode_write_options options = {.ack = (lode_ack)3};
    begin_world(&world);
    assert_status(lode_write(world.collection, &op, 1, &options, NULL, &error), LODE_INVALID);
    assert_string_equal(error.message, "options.ack is 3: no such level");
    assert_status(lode_sync(NULL, &error), LODE_INVALID);
    assert_ok(lode_sync(world.collection, &error)); /* nothing is to be done */
    end_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_level_survives_what_it_says),
        cmocka_unit_test(later_writes_take_earlier_ones_along),
        cmocka_unit_test(memory_keeps_no_more_than_a_megabyte),
        cmocka_unit_test(changes_wait_for_the_log),
        cmocka_unit_test(training_waits_for_the_log),
        cmocka_unit_test(a_full_disk_keeps_what_was_applied),
        cmocka_unit_test(a_failed_sync_takes_what_was_not_durable),
        cmocka_unit_test(other_levels_are_refused),
    };
    return cmocka_run_group_tests_name("engine/ack", tests, NULL, NULL);
}
