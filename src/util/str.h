/*
 * Borrowed text: a pointer and a length in bytes, not necessarily NUL-terminated. Text is UTF-8
 * unless a function says otherwise.
 */
#ifndef DB_UTIL_STR_H
#define DB_UTIL_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/attr.h"
#include "util/status.h"

struct str {
    const char *p;
    size_t n;
};

#define STR_LIT(literal) ((struct str){(literal), sizeof(literal) - 1})

struct str str_of(const char *s);                          /* NULL gives the empty slice */
struct str str_sub(struct str s, size_t from, size_t len); /* clamped to the slice */
bool str_eq(struct str a, struct str b);
bool str_eq_nocase(struct str a, struct str b); /* folds ASCII letters only */
bool str_starts(struct str s, struct str prefix);
bool str_starts_nocase(struct str s, struct str prefix); /* folds ASCII letters only */
bool str_ends(struct str s, struct str suffix);
/* Index of the first occurrence of `needle`, or -1. */
ptrdiff_t str_find(struct str s, struct str needle);
/* Without leading and trailing white space: ASCII, U+00A0, U+2000–200B, U+2028/9, U+202F, U+3000,
 * U+FEFF. */
struct str str_trim(struct str s);
/* Cuts the part before the first `sep` off `*rest` and returns it; the whole rest when there is no
 * `sep`. */
struct str str_cut(struct str *rest, char sep);

/* Levenshtein's distance in bytes; SIZE_MAX when a text is longer than STR_DISTANCE_BYTES_MAX. */
#define STR_DISTANCE_BYTES_MAX 128
size_t str_distance(struct str a, struct str b);

/* Decimal integer, optional sign, nothing around it. ST_INVAL, or ST_TOO_LARGE outside min…max. */
enum status parse_i64(struct str s, int64_t min, int64_t max, int64_t *ret_value) DB_MUST_CHECK;
/* Decimal number with '.', independent of the locale. */
enum status parse_double(struct str s, double min, double max, double *ret_value) DB_MUST_CHECK;
/* `600`, `600s`, `10m`, `2h`, `1d` → seconds. Same errors as parse_i64. */
enum status parse_duration_s(struct str s, int64_t min_s, int64_t max_s,
                             int64_t *ret_s) DB_MUST_CHECK;

/* Well-formed UTF-8 (no overlong forms, surrogates or code points past U+10FFFF). NUL is
 * well-formed. */
bool utf8_is_valid(struct str s);
/* Decodes one code point at the start of `s` and returns its length in bytes; a malformed byte
 * gives U+FFFD and length 1; the empty slice gives 0. */
size_t utf8_decode(struct str s, uint32_t *ret_cp);
/* The largest length ≤ max_bytes that does not cut a character of `s`. */
size_t utf8_cut(struct str s, size_t max_bytes);
/* Number of code points. */
size_t utf8_count(struct str s);

#endif
