/*
 * Clocks and the operator's calendar. Days begin at local midnight of the configured time zone,
 * which is set once at start, before any thread exists.
 */
#ifndef DB_UTIL_CLOCK_H
#define DB_UTIL_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "util/attr.h"
#include "util/status.h"
#include "util/str.h"

int64_t clock_wall_ms(void); /* Unix time in milliseconds */
int64_t clock_mono_ms(void); /* monotonic; only differences have a meaning */

/* IANA name ("Asia/Shanghai") or "UTC". ST_NOT_FOUND when the system's zone table does not know it.
 */
enum status clock_set_timezone(const char *name) DB_MUST_CHECK;

/* Whether clock_set_timezone would take it; sets nothing. */
bool clock_knows_timezone(const char *name);

#define CLOCK_DAY_SIZE 11   /* "2026-11-23" and NUL */
#define CLOCK_STAMP_SIZE 40 /* "2026-11-23T21:00:00.123+08:00" and NUL */
#define CLOCK_HM_SIZE 18    /* "11-23 21:00" or "2026-11-23 21:00" and NUL */

/* Times outside the years 1 to 9999, which only a confused peer sends, are taken as the nearest day
 * inside. */
void clock_local_day(int64_t wall_ms, char ret_day[CLOCK_DAY_SIZE]);
int64_t clock_next_midnight_ms(int64_t wall_ms); /* the first local midnight after wall_ms */
/* The beginning of a day written "2026-11-23". ST_INVAL for anything that is no day. */
enum status clock_day_begin_ms(struct str day, int64_t *ret_ms) DB_MUST_CHECK;
void clock_stamp(int64_t wall_ms, char ret_stamp[CLOCK_STAMP_SIZE]);
void clock_local_minute(int64_t wall_ms, char ret_text[CLOCK_HM_SIZE]); /* "2026-11-23 21:00" */

#endif
