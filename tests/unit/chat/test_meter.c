#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chat/meter.h"
#include "store/store_ops.h"
#include "util/clock.h"
#include "util/mem.h"

#define ROWS_MAX 16

/* The wall clock. */
static int64_t now_ms;
/* NOLINTBEGIN(bugprone-reserved-identifier): the linker gives the name (--wrap) */
int64_t __wrap_clock_wall_ms(void);
int64_t __wrap_clock_wall_ms(void)
{
    return now_ms;
}
/* NOLINTEND(bugprone-reserved-identifier) */

#define NOV_30_2026 1796011200000LL /* noon in Shanghai */
#define DAY_MS (24LL * 60 * 60 * 1000)

/* ---- a store that answers when it is told to ---- */

struct row {
    char month[8];
    char app[16];
    char kind[16];
    int64_t calls;
};

static struct {
    struct store store;
    struct row rows[ROWS_MAX];
    size_t n_rows;
    int failing_writes; /* so many */
    bool is_read_failing;
    /* The read that waits. */
    char reading[8];
    store_calls_fn read_fn;
    void *read_arg;
} disk;

static struct row *row_of(const char *month, const char *app, const char *kind)
{
    for (size_t i = 0; i < disk.n_rows; i++) {
        struct row *row = &disk.rows[i];
        if (strcmp(row->month, month) == 0 && strcmp(row->app, app) == 0 &&
            strcmp(row->kind, kind) == 0)
            return row;
    }
    assert_true(disk.n_rows < ROWS_MAX);
    struct row *row = &disk.rows[disk.n_rows++];
    (void)snprintf(row->month, sizeof(row->month), "%s", month);
    (void)snprintf(row->app, sizeof(row->app), "%s", app);
    (void)snprintf(row->kind, sizeof(row->kind), "%s", kind);
    row->calls = 0;
    return row;
}

static void count_calls(struct store *store, const char *month, const struct store_calls *calls,
                        store_done_fn fn, void *arg)
{
    (void)store;
    bool is_failing = disk.failing_writes > 0 && disk.failing_writes--;
    if (!is_failing)
        row_of(month, calls->app, calls->kind)->calls += calls->calls;
    fn(is_failing ? ST_STORE : ST_OK, arg);
}

static void read_calls(struct store *store, const char *month, store_calls_fn fn, void *arg)
{
    (void)store;
    assert_null(disk.read_fn);
    (void)snprintf(disk.reading, sizeof(disk.reading), "%s", month);
    disk.read_fn = fn;
    disk.read_arg = arg;
}

static void let_read(void)
{
    struct store_calls items[ROWS_MAX];
    struct store_calls_result result = {.status = disk.is_read_failing ? ST_STORE : ST_OK,
                                        .items = items};
    for (size_t i = 0; i < disk.n_rows && !disk.is_read_failing; i++) {
        const struct row *row = &disk.rows[i];
        if (strcmp(row->month, disk.reading) == 0)
            items[result.n_items++] = (struct store_calls){row->app, row->kind, row->calls};
    }
    store_calls_fn fn = disk.read_fn;
    assert_non_null(fn);
    disk.read_fn = NULL;
    fn(&result, disk.read_arg);
}

/* ---- the meter ---- */

static struct {
    struct loop *loop;
    struct meter *meter;
    struct call_meter *face;
    int n_told;
    int64_t calls;
} world;

static void on_sparing(const char *app, const char *month, int64_t calls, void *arg)
{
    (void)arg;
    assert_string_equal(app, "ding1");
    assert_int_equal(strlen(month), 7);
    world.n_told++;
    world.calls = calls;
}

static void start(int64_t budget)
{
    static const struct store_ops ops = {.count_calls = count_calls, .read_calls = read_calls};
    disk.store.ops = &ops;
    assert_int_equal(loop_new(&world.loop), ST_OK);
    world.meter =
        meter_new(world.loop, &disk.store,
                  &(struct meter_settings){.monthly_budget = budget, .on_sparing = on_sparing});
    world.face = meter_face(world.meter);
}

static void stop(void)
{
    meter_flush(world.meter);
    disk.read_fn = NULL;
    meter_free(world.meter);
    loop_free(world.loop);
}

static int begin(void **state)
{
    (void)state;
    memset(&disk, 0, sizeof(disk));
    memset(&world, 0, sizeof(world));
    now_ms = NOV_30_2026;
    return clock_set_timezone("Asia/Shanghai") == ST_OK ? 0 : -1;
}

static void make_calls(int n)
{
    for (int i = 0; i < n; i++)
        world.face->count(world.face, "ding1", i % 2 ? "card_update" : "card_create");
}

static enum call_level level(void)
{
    return world.face->level(world.face);
}

static bool is_written(void *arg)
{
    const int64_t *calls = arg;
    return row_of("2026-11", "ding1", "card_create")->calls >= *calls;
}

static void counts_by_kind_and_writes_soon(void **state)
{
    start(0);
    let_read();
    make_calls(7);
    assert_int_equal(meter_total(world.meter), 7);
    int64_t wanted = 4;
    assert_true(loop_run_until(world.loop, is_written, &wanted, 10000));
    assert_int_equal(row_of("2026-11", "ding1", "card_update")->calls, 3);
    assert_int_equal(level(), CALLS_FREE);
    assert_int_equal(world.n_told, 0);
    stop();
}

static void a_restart_goes_on_counting_also_what_came_before_the_store_had_answered(void **state)
{
    row_of("2026-11", "ding1", "card_create")->calls = 100;
    row_of("2026-10", "ding1", "card_create")->calls = 4000;
    start(0);
    make_calls(2);
    assert_int_equal(meter_total(world.meter), 2);
    let_read();
    assert_int_equal(meter_total(world.meter), 102);
    make_calls(2);
    stop();
    assert_int_equal(row_of("2026-11", "ding1", "card_create")->calls, 102);
    assert_int_equal(row_of("2026-11", "ding1", "card_update")->calls, 2);
}

static void ends_before_the_store_had_answered_and_loses_nothing(void **state)
{
    row_of("2026-11", "ding1", "card_create")->calls = 100;
    start(0);
    make_calls(3);
    stop();
    assert_int_equal(row_of("2026-11", "ding1", "card_create")->calls, 102);
}

static void tells_once_a_month_at_four_fifths_whatever_restarts_there_are(void **state)
{
    start(10);
    let_read();
    make_calls(7);
    assert_int_equal(level(), CALLS_FREE);
    assert_int_equal(world.n_told, 0);
    make_calls(1);
    assert_int_equal(level(), CALLS_SPARING);
    assert_int_equal(world.n_told, 1);
    assert_int_equal(world.calls, 8);
    make_calls(1);
    stop();
    start(10);
    let_read();
    assert_int_equal(level(), CALLS_SPARING);
    make_calls(1);
    assert_int_equal(level(), CALLS_EXHAUSTED);
    assert_int_equal(world.n_told, 1);
    assert_int_equal(meter_total(world.meter), 10); /* that it was told is no call */
    now_ms += DAY_MS;
    assert_int_equal(level(), CALLS_FREE);
    let_read();
    make_calls(9);
    assert_int_equal(world.n_told, 2);
    stop();
}

static void a_new_month_begins_at_local_midnight_with_nothing_and_the_old_one_is_kept(void **state)
{
    start(0);
    let_read();
    make_calls(4);
    now_ms += DAY_MS / 2 - 1;
    make_calls(1);
    assert_int_equal(meter_total(world.meter), 5);
    now_ms += 1;
    assert_int_equal(meter_total(world.meter), 0);
    make_calls(2);
    let_read();
    stop();
    assert_int_equal(row_of("2026-11", "ding1", "card_create")->calls, 3);
    assert_int_equal(row_of("2026-12", "ding1", "card_create")->calls, 1);
}

static bool is_reading(void *arg)
{
    (void)arg;
    return disk.read_fn != NULL;
}

static void a_month_that_ends_while_it_is_read_is_neither_lost_nor_mixed_up(void **state)
{
    row_of("2026-11", "ding1", "card_create")->calls = 100;
    start(0);
    make_calls(2);
    now_ms += DAY_MS;
    make_calls(2);
    let_read(); /* of November */
    assert_int_equal(meter_total(world.meter), 2);
    assert_true(loop_run_until(world.loop, is_reading, NULL, 10000));
    assert_string_equal(disk.reading, "2026-12");
    let_read();
    assert_int_equal(meter_total(world.meter), 2);
    stop();
    assert_int_equal(row_of("2026-11", "ding1", "card_create")->calls, 101);
    assert_int_equal(row_of("2026-11", "ding1", "card_update")->calls, 1);
    assert_int_equal(row_of("2026-12", "ding1", "card_create")->calls, 1);
}

static void what_the_store_did_not_take_is_written_later_and_not_twice(void **state)
{
    start(0);
    let_read();
    make_calls(5);
    disk.failing_writes = 1;
    meter_flush(world.meter);
    assert_int_equal(meter_total(world.meter), 5);
    stop();
    assert_int_equal(row_of("2026-11", "ding1", "card_create")->calls, 3);
    assert_int_equal(row_of("2026-11", "ding1", "card_update")->calls, 2);
}

static void a_store_that_cannot_be_read_is_read_again_and_spares_nobody_meanwhile(void **state)
{
    row_of("2026-11", "ding1", "card_create")->calls = 100;
    start(10);
    disk.is_read_failing = true;
    let_read();
    assert_int_equal(level(), CALLS_FREE);
    disk.is_read_failing = false;
    assert_true(loop_run_until(world.loop, is_reading, NULL, 20000));
    let_read();
    assert_int_equal(level(), CALLS_EXHAUSTED);
    stop();
}

struct sum {
    int n;
    int64_t calls;
};

static void add(const struct store_calls *calls, void *arg)
{
    struct sum *sum = arg;
    sum->n++;
    sum->calls += calls->calls;
}

static void shows_every_counter_and_keeps_their_number_bounded(void **state)
{
    struct sum sum = {0};
    start(1);
    let_read();
    for (int i = 0; i < 3000; i++) {
        char kind[16];
        (void)snprintf(kind, sizeof(kind), "kind%d", i);
        world.face->count(world.face, "ding1", kind);
    }
    meter_each(world.meter, add, &sum);
    assert_in_range(sum.n, 1000, 1024);
    assert_int_equal(sum.calls, meter_total(world.meter));
    assert_int_equal(meter_budget(world.meter), 1);
    disk.failing_writes = 5000; /* there are no rows for so many */
    stop();
    meter_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(counts_by_kind_and_writes_soon, begin),
        cmocka_unit_test_setup(
            a_restart_goes_on_counting_also_what_came_before_the_store_had_answered, begin),
        cmocka_unit_test_setup(ends_before_the_store_had_answered_and_loses_nothing, begin),
        cmocka_unit_test_setup(tells_once_a_month_at_four_fifths_whatever_restarts_there_are,
                               begin),
        cmocka_unit_test_setup(
            a_new_month_begins_at_local_midnight_with_nothing_and_the_old_one_is_kept, begin),
        cmocka_unit_test_setup(a_month_that_ends_while_it_is_read_is_neither_lost_nor_mixed_up,
                               begin),
        cmocka_unit_test_setup(what_the_store_did_not_take_is_written_later_and_not_twice, begin),
        cmocka_unit_test_setup(
            a_store_that_cannot_be_read_is_read_again_and_spares_nobody_meanwhile, begin),
        cmocka_unit_test_setup(shows_every_counter_and_keeps_their_number_bounded, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
