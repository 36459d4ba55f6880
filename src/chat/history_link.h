/*
 * What an administrator wants to read of what was said, and the signed links that open it.
 *
 * A link's token carries the whole wish, who asked and when it ends, under an HMAC of a key that
 * never leaves the data directory: it cannot be guessed, changed, or used after its end, and
 * nothing is kept for it.
 */
#ifndef DB_CHAT_HISTORY_LINK_H
#define DB_CHAT_HISTORY_LINK_H

#include <stdint.h>

#include "store/store.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/status.h"
#include "util/str.h"

#define HISTORY_TEXT_SIZE 257 /* of one condition, with NUL */
#define HISTORY_LINK_LIFE_MS (24LL * 3600 * 1000)

/* Every condition counts that is not "". */
struct history_wish {
    char user[HISTORY_TEXT_SIZE];
    char nick[HISTORY_TEXT_SIZE];
    char conversation[HISTORY_TEXT_SIZE];
    char title[HISTORY_TEXT_SIZE]; /* of a group */
    char from_day[CLOCK_DAY_SIZE];
    char to_day[CLOCK_DAY_SIZE]; /* the last day, inclusive */
};

/*
 * As typed: `username:张三 userid:u1 群:产品组 日期:2026-11-01..2026-11-20`, in any order, each at
 * most once, with : or ：. A value may have blanks in it. A day may stand alone; either end of the
 * span may be missing. ST_INVAL; then *ret_bad is the part that was not understood ("" when there
 * was nothing at all).
 */
enum status history_wish_parse(struct str typed, struct history_wish *ret_wish,
                               struct str *ret_bad) DB_MUST_CHECK;
/* The same text again, in one order; behind what is in `out` with a blank. */
void history_wish_write(const struct history_wish *wish, struct buf *out);
/* The days' part. "2026-11-01..2026-11-20", "2026-11-01", "..2026-11-20". */
enum status history_days_parse(struct str days, struct history_wish *wish) DB_MUST_CHECK;
/* The store's query for it, borrowing from the wish; limits are left 0. */
struct store_said_query history_wish_query(const struct history_wish *wish);

struct history_key {
    uint8_t bytes[32];
};
/* Reads the key from a file, or makes one (mode 0600). Blocks: for the start. ST_STORE with a
 * reason. */
enum status history_key_open(const char *path, struct history_key *ret_key,
                             struct error *ret_err) DB_MUST_CHECK;

struct history_grant {
    struct history_wish wish;
    char by[HISTORY_TEXT_SIZE]; /* staff id of who asked */
    int64_t expires_ms;         /* wall clock */
};
#define HISTORY_TOKEN_BYTES_MAX 8192
/* Appends the token, in the characters of a URL's path. */
enum status history_token_write(const struct history_key *key, const struct history_grant *grant,
                                struct buf *out) DB_MUST_CHECK;
/* ST_DENIED: not one of ours. ST_TIMEOUT: it was, and has ended. */
enum status history_token_read(const struct history_key *key, struct str token, int64_t now_ms,
                               struct history_grant *ret_grant) DB_MUST_CHECK;

#endif
