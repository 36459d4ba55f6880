/*
 * jansson with our limits: text from peers is checked (UTF-8, NUL, lone surrogates, depth) before
 * values are looked at, and every getter tolerates absence, null and wrong types by saying so.
 */
#ifndef DB_UTIL_JSON_H
#define DB_UTIL_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/attr.h"
#include "util/buf.h"
#include "util/status.h"
#include "util/str.h"

#define JSON_DEPTH_MAX 32

void json_unref(json_t **j); /* for DB_CLEANUP */

/* Parses one JSON value that fills the whole text. Refuses depth over JSON_DEPTH_MAX
 * (ST_TOO_LARGE), invalid UTF-8, lone surrogates, NULs inside strings (\u0000) and raw NULs
 * (ST_INVAL). Later duplicates of a key win. The caller owns the result. */
enum status json_parse(struct str text, json_t **ret_value, struct error *ret_err) DB_MUST_CHECK;
/* As json_parse, but a NUL or a lone surrogate escape inside a string becomes U+FFFD: for streams
 * of providers, where one odd delta must not end the answer. */
enum status json_parse_lenient(struct str text, json_t **ret_value,
                               struct error *ret_err) DB_MUST_CHECK;

/* As json_parse_lenient, but a lone surrogate escape becomes JSON_HALF of it, so that who joins
 * strings can join what was cut between the two (servers that count in UTF-16 do that). */
enum status json_parse_halves(struct str text, json_t **ret_value,
                              struct error *ret_err) DB_MUST_CHECK;
/* D800…DFFF at the end of the last private plane, where no text of anybody's is. */
#define JSON_HALF(surrogate) (UINT32_C(0x100000) | (surrogate))
#define JSON_HALF_FIRST JSON_HALF(UINT32_C(0xD800))
#define JSON_HALF_LAST JSON_HALF(UINT32_C(0xDFFF))

/* The string member `key` of an object, borrowed; the empty slice when absent, null or not a
 * string. */
struct str json_str(const json_t *object, const char *key);
/* The integer member, also when written as a decimal string; `fallback` when absent or neither. */
int64_t json_i64(const json_t *object, const char *key, int64_t fallback);
/* A number member, also when written as a decimal string. False when absent or neither. */
bool json_number(const json_t *object, const char *key, double *ret_value);
bool json_bool(const json_t *object, const char *key, bool fallback);

/* Compact text of a value, appended to `out`. */
enum status json_write(const json_t *value, struct buf *out) DB_MUST_CHECK;

#endif
