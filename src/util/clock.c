#include "util/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ZONE_DIR "/usr/share/zoneinfo/"
#define CALENDAR_BEGIN_S (-62135510400LL) /* 0001-01-02 UTC */
#define CALENDAR_END_S 253402214400LL     /* 9999-12-31 UTC */

static int64_t read_ms(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

int64_t clock_mono_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

/* A zone file begins with "TZif" (RFC 8536). */
static bool zone_exists(const char *name)
{
    char path[256];
    int n = snprintf(path, sizeof(path), ZONE_DIR "%s", name);
    if (n < 0 || (size_t)n >= sizeof(path) || strstr(name, "..") || name[0] == '/')
        return false;
    FILE *file = fopen(path, "rbe");
    if (!file)
        return false;
    char magic[4];
    bool is_zone =
        fread(magic, 1, sizeof(magic), file) == sizeof(magic) && memcmp(magic, "TZif", 4) == 0;
    (void)fclose(file);
    return is_zone;
}

static bool is_utc(const char *name)
{
    return strcmp(name, "UTC") == 0;
}

bool clock_knows_timezone(const char *name)
{
    return is_utc(name) || zone_exists(name);
}

enum status clock_set_timezone(const char *name)
{
    if (!clock_knows_timezone(name))
        return ST_NOT_FOUND;
    if (setenv("TZ", is_utc(name) ? "UTC0" : name, 1) != 0)
        return ST_INTERNAL;
    tzset();
    return ST_OK;
}

/* Rounded down, so that times before 1970 fall into the right second, and kept inside the years
 * that have a date of ten characters in every zone. */
static time_t calendar_seconds(int64_t wall_ms)
{
    int64_t seconds = wall_ms / 1000 - (wall_ms % 1000 < 0);
    if (seconds < CALENDAR_BEGIN_S)
        return (time_t)CALENDAR_BEGIN_S;
    return (time_t)(seconds > CALENDAR_END_S ? CALENDAR_END_S : seconds);
}

static struct tm local_time(int64_t wall_ms)
{
    time_t seconds = calendar_seconds(wall_ms);
    struct tm local = {0};
    (void)localtime_r(&seconds, &local);
    return local;
}

void clock_local_day(int64_t wall_ms, char ret_day[CLOCK_DAY_SIZE])
{
    struct tm local = local_time(wall_ms);
    if (strftime(ret_day, CLOCK_DAY_SIZE, "%Y-%m-%d", &local) == 0)
        ret_day[0] = '\0';
}

int64_t clock_next_midnight_ms(int64_t wall_ms)
{
    struct tm local = local_time(wall_ms);
    local.tm_mday++;
    local.tm_hour = 0;
    local.tm_min = 0;
    local.tm_sec = 0;
    local.tm_isdst = -1; /* mktime finds out what holds on that day */
    return (int64_t)mktime(&local) * 1000;
}

enum status clock_day_begin_ms(struct str day, int64_t *ret_ms)
{
    int64_t year, month, day_of_month;
    if (day.n != CLOCK_DAY_SIZE - 1 || day.p[4] != '-' || day.p[7] != '-' ||
        parse_i64(str_sub(day, 0, 4), 1, 9999, &year) != ST_OK ||
        parse_i64(str_sub(day, 5, 2), 1, 12, &month) != ST_OK ||
        parse_i64(str_sub(day, 8, 2), 1, 31, &day_of_month) != ST_OK)
        return ST_INVAL;
    struct tm local = {.tm_year = (int)year - 1900,
                       .tm_mon = (int)month - 1,
                       .tm_mday = (int)day_of_month,
                       .tm_isdst = -1};
    int64_t begin_ms = (int64_t)mktime(&local) * 1000;
    /* Days that are not in the month, and signs among the digits, come back as another text. */
    char again[CLOCK_DAY_SIZE];
    clock_local_day(begin_ms, again);
    if (!str_eq(str_of(again), day))
        return ST_INVAL;
    *ret_ms = begin_ms;
    return ST_OK;
}

void clock_stamp(int64_t wall_ms, char ret_stamp[CLOCK_STAMP_SIZE])
{
    struct tm local = local_time(wall_ms);
    char day_time[20];
    if (strftime(day_time, sizeof(day_time), "%Y-%m-%dT%H:%M:%S", &local) == 0)
        day_time[0] = '\0';
    long offset_min = local.tm_gmtoff / 60;
    long distance = labs(offset_min);
    (void)snprintf(ret_stamp, CLOCK_STAMP_SIZE, "%s.%03d%c%02d:%02d", day_time,
                   (int)((wall_ms % 1000 + 1000) % 1000), offset_min < 0 ? '-' : '+',
                   (int)(distance / 60) % 100, (int)(distance % 60));
}

void clock_local_minute(int64_t wall_ms, char ret_text[CLOCK_HM_SIZE])
{
    struct tm local = local_time(wall_ms);
    if (strftime(ret_text, CLOCK_HM_SIZE, "%Y-%m-%d %H:%M", &local) == 0)
        ret_text[0] = '\0';
}
