#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include <time.h>

#include "util/clock.h"

#define HOUR_MS (3600 * 1000LL)

/* The last second that a year of four digits can show, in every zone. */
#define YEAR_9999_MS (253402214400LL * 1000)

static void set_zone(const char *name)
{
    assert_int_equal(clock_set_timezone(name), ST_OK);
}

static void time_passes_forward_and_the_wall_clock_is_unix_time(void **state)
{
    int64_t first = clock_mono_ms();
    assert_true(clock_mono_ms() >= first);
    int64_t wall_ms = clock_wall_ms();
    int64_t seconds = (int64_t)time(NULL);
    assert_in_range(wall_ms / 1000, seconds - 2, seconds + 2);
}

static void only_names_of_the_zone_table_are_zones(void **state)
{
    static const char *const good[] = {"UTC", "Asia/Shanghai", "America/St_Johns", "Etc/GMT+12"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        set_zone(good[i]);
    static const char *const bad[] = {
        "",
        "/",
        "Asia",
        "Asia/",
        "Asia/Nowhere",
        "asia/shanghai ",
        "../zoneinfo/Asia/Shanghai",
        "/usr/share/zoneinfo/Asia/Shanghai",
        "zone.tab",
        "CST-8",
        ":Asia/Shanghai",
        "\xff",
        "Asia/Shanghai\n",
    };
    set_zone("Asia/Shanghai");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (clock_set_timezone(bad[i]) != ST_NOT_FOUND)
            fail_msg("\"%s\" was taken", bad[i]);
    }
    char name[4096];
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(clock_set_timezone(name), ST_NOT_FOUND);
    /* A refused name changes nothing. */
    char day[CLOCK_DAY_SIZE];
    clock_local_day(1767196800000, day);
    assert_string_equal(day, "2026-01-01");
}

static void stamps_days_and_minutes_are_local(void **state)
{
    static const struct {
        const char *zone;
        int64_t wall_ms;
        const char *stamp, *day, *minute;
    } rows[] = {
        {"UTC", 0, "1970-01-01T00:00:00.000+00:00", "1970-01-01", "1970-01-01 00:00"},
        {"Asia/Shanghai", 1767196800123, "2026-01-01T00:00:00.123+08:00", "2026-01-01",
         "2026-01-01 00:00"},
        {"Asia/Shanghai", 1767196799999, "2025-12-31T23:59:59.999+08:00", "2025-12-31",
         "2025-12-31 23:59"},
        {"America/St_Johns", 1767196800000, "2025-12-31T12:30:00.000-03:30", "2025-12-31",
         "2025-12-31 12:30"},
        {"Asia/Kathmandu", 1767196800001, "2025-12-31T21:45:00.001+05:45", "2025-12-31",
         "2025-12-31 21:45"},
        /* Before 1970 the milliseconds still count upwards. */
        {"UTC", -1, "1969-12-31T23:59:59.999+00:00", "1969-12-31", "1969-12-31 23:59"},
        {"UTC", -1000, "1969-12-31T23:59:59.000+00:00", "1969-12-31", "1969-12-31 23:59"},
        {"UTC", YEAR_9999_MS, "9999-12-31T00:00:00.000+00:00", "9999-12-31", "9999-12-31 00:00"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char stamp[CLOCK_STAMP_SIZE];
        char day[CLOCK_DAY_SIZE];
        char minute[CLOCK_HM_SIZE];
        set_zone(rows[i].zone);
        clock_stamp(rows[i].wall_ms, stamp);
        clock_local_day(rows[i].wall_ms, day);
        clock_local_minute(rows[i].wall_ms, minute);
        assert_string_equal(stamp, rows[i].stamp);
        assert_string_equal(day, rows[i].day);
        assert_string_equal(minute, rows[i].minute);
    }
}

/* Whatever a peer calls a time: texts end inside their arrays and nothing overflows. */
static void absurd_times_do_no_harm(void **state)
{
    static const int64_t times[] = {INT64_MIN,        INT64_MIN + 1, -62135596800001LL * 1000,
                                    YEAR_9999_MS * 2, INT64_MAX - 1, INT64_MAX};
    static const char *const zones[] = {"UTC", "Asia/Shanghai", "America/New_York"};
    for (size_t z = 0; z < sizeof(zones) / sizeof(zones[0]); z++) {
        set_zone(zones[z]);
        for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
            char stamp[CLOCK_STAMP_SIZE];
            char day[CLOCK_DAY_SIZE];
            char minute[CLOCK_HM_SIZE];
            memset(stamp, 'x', sizeof(stamp));
            memset(day, 'x', sizeof(day));
            memset(minute, 'x', sizeof(minute));
            clock_stamp(times[i], stamp);
            clock_local_day(times[i], day);
            clock_local_minute(times[i], minute);
            assert_non_null(memchr(stamp, '\0', sizeof(stamp)));
            assert_non_null(memchr(day, '\0', sizeof(day)));
            assert_non_null(memchr(minute, '\0', sizeof(minute)));
            int64_t midnight_ms = clock_next_midnight_ms(times[i]);
            assert_true(midnight_ms <= YEAR_9999_MS + 48 * HOUR_MS);
            assert_true(times[i] < 0 || midnight_ms > YEAR_9999_MS);
        }
    }
}

static void the_next_midnight_is_the_next_local_one(void **state)
{
    static const struct {
        const char *zone;
        int64_t wall_ms, want_ms;
    } rows[] = {
        {"UTC", 0, 24 * HOUR_MS},
        {"UTC", -1, 0},
        {"UTC", 24 * HOUR_MS - 1, 24 * HOUR_MS},
        {"Asia/Shanghai", 0, 16 * HOUR_MS},
        {"Asia/Shanghai", 16 * HOUR_MS, 40 * HOUR_MS},
        /* A day of 23 and one of 25 hours. */
        {"Europe/Berlin", 1774738800000, 1774738800000 + 23 * HOUR_MS},
        {"Europe/Berlin", 1792879200000, 1792879200000 + 25 * HOUR_MS},
        /* The clocks go from 0:00 to 1:00: the day begins at one. */
        {"America/Sao_Paulo", 1541298600000, 1541298600000 + HOUR_MS / 2},
        /* The year ends. */
        {"Asia/Shanghai", 1767196799999, 1767196800000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        set_zone(rows[i].zone);
        assert_int_equal(clock_next_midnight_ms(rows[i].wall_ms), rows[i].want_ms);
    }
}

static void the_next_midnight_begins_another_day_on_every_hour_of_a_year(void **state)
{
    static const char *const zones[] = {"Asia/Shanghai", "America/New_York", "Asia/Beirut",
                                        "Australia/Lord_Howe", "America/Havana"};
    for (size_t z = 0; z < sizeof(zones) / sizeof(zones[0]); z++) {
        set_zone(zones[z]);
        for (int64_t now_ms = 1609459200000; now_ms < 1640995200000; now_ms += HOUR_MS) {
            char today[CLOCK_DAY_SIZE];
            char last[CLOCK_DAY_SIZE];
            char next[CLOCK_DAY_SIZE];
            int64_t midnight_ms = clock_next_midnight_ms(now_ms);
            assert_true(midnight_ms > now_ms && midnight_ms <= now_ms + 25 * HOUR_MS);
            clock_local_day(now_ms, today);
            clock_local_day(midnight_ms - 1, last);
            clock_local_day(midnight_ms, next);
            assert_string_equal(today, last);
            assert_string_not_equal(today, next);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_passes_forward_and_the_wall_clock_is_unix_time),
        cmocka_unit_test(only_names_of_the_zone_table_are_zones),
        cmocka_unit_test(stamps_days_and_minutes_are_local),
        cmocka_unit_test(absurd_times_do_no_harm),
        cmocka_unit_test(the_next_midnight_is_the_next_local_one),
        cmocka_unit_test(the_next_midnight_begins_another_day_on_every_hour_of_a_year),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
