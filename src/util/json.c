#include "util/json.h"

#include <stdlib.h>
#include <string.h>

/* What a byte scan before the real parser finds, so that depth and escapes are judged without
 * recursion. */
struct scan {
    size_t depth;
    size_t deepest;
    bool is_in_string;
};

void json_unref(json_t **j)
{
    json_decref(*j);
    *j = NULL;
}

static size_t deepest_nesting(struct str text)
{
    struct scan scan = {0};
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (scan.is_in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                scan.is_in_string = false;
        } else if (c == '"') {
            scan.is_in_string = true;
        } else if (c == '[' || c == '{') {
            if (++scan.depth > scan.deepest)
                scan.deepest = scan.depth;
        } else if ((c == ']' || c == '}') && scan.depth > 0) {
            scan.depth--;
        }
    }
    return scan.deepest;
}

enum status json_parse(struct str text, json_t **ret_value, struct error *ret_err)
{
    if (deepest_nesting(text) > JSON_DEPTH_MAX)
        return error_set(ret_err, ST_TOO_LARGE, 0, "JSON nested deeper than %d", JSON_DEPTH_MAX);
    if (text.n == 0)
        return error_set(ret_err, ST_INVAL, 0, "not JSON: nothing there");
    if (memchr(text.p, '\0', text.n))
        return error_set(ret_err, ST_INVAL, 0, "JSON holds a NUL byte");
    json_error_t problem;
    /* jansson itself refuses invalid UTF-8, lone surrogates and escaped NULs. Its texts quote the
     * input: only the position is told. */
    json_t *value = json_loadb(text.p, text.n, JSON_DECODE_ANY, &problem);
    if (!value)
        return error_set(ret_err, ST_INVAL, 0, "not JSON: problem at byte %d", problem.position);
    *ret_value = value;
    return ST_OK;
}

/* The four hex digits of a \u escape at `at`, or -1. */
static long escape_value(struct str text, size_t at)
{
    if (at + 6 > text.n || text.p[at] != '\\' || text.p[at + 1] != 'u')
        return -1;
    long value = 0;
    for (size_t i = at + 2; i < at + 6; i++) {
        char c = text.p[i];
        int digit = c >= '0' && c <= '9'                 ? c - '0'
                    : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                         : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static bool is_high(long value)
{
    return value >= 0xD800 && value <= 0xDBFF;
}

static bool is_low(long value)
{
    return value >= 0xDC00 && value <= 0xDFFF;
}

/* Half of a character as JSON_HALF writes it: an escaped pair of the last private plane. */
static void put_half(long value, struct buf *out)
{
    uint32_t offset = JSON_HALF((uint32_t)value) - 0x10000;
    buf_printf(out, "\\u%04x\\u%04x", (unsigned)(0xD800 + (offset >> 10)),
               (unsigned)(0xDC00 + (offset & 0x3FF)));
}

/* Copies the escape at `at`, an unusable one as U+FFFD, and returns how much of the text it was. */
static size_t copy_escape(struct str text, size_t at, bool want_halves, struct buf *out)
{
    long value = escape_value(text, at);
    size_t len = value < 0 ? 2 : 6;
    if (is_high(value) && is_low(escape_value(text, at + 6)))
        len = 12;
    else if (want_halves && (is_high(value) || is_low(value))) {
        put_half(value, out);
        return len;
    } else if (value == 0 || is_high(value) || is_low(value)) {
        buf_puts(out, "\\ufffd");
        return len;
    }
    struct str escape = str_sub(text, at, len);
    buf_add_str(out, escape);
    return escape.n;
}

static void sanitise(struct str text, bool want_halves, struct buf *out)
{
    for (size_t i = 0; i < text.n;) {
        if (text.p[i] == '\\') {
            i += copy_escape(text, i, want_halves, out);
            continue;
        }
        uint32_t cp;
        struct str rest = str_sub(text, i, text.n);
        size_t len = utf8_decode(rest, &cp);
        if (cp == 0 || (cp == 0xFFFD && len == 1))
            buf_puts(out, "\xEF\xBF\xBD");
        else
            buf_add(out, rest.p, len);
        i += len;
    }
}

static enum status parse_tolerant(struct str text, bool want_halves, json_t **ret_value,
                                  struct error *ret_err)
{
    if (json_parse(text, ret_value, ret_err) == ST_OK)
        return ST_OK;
    /* Replacing makes a text at most three times as long (one bad byte → three). */
    struct buf clean = BUF_INIT(text.n * 3 + 16);
    sanitise(text, want_halves, &clean);
    enum status status = json_parse(buf_str(&clean), ret_value, ret_err);
    buf_done(&clean);
    return status;
}

enum status json_parse_lenient(struct str text, json_t **ret_value, struct error *ret_err)
{
    return parse_tolerant(text, false, ret_value, ret_err);
}

enum status json_parse_halves(struct str text, json_t **ret_value, struct error *ret_err)
{
    return parse_tolerant(text, true, ret_value, ret_err);
}

struct str json_str(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value))
        return str_of("");
    return (struct str){json_string_value(value), json_string_length(value)};
}

int64_t json_i64(const json_t *object, const char *key, int64_t fallback)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_integer(value))
        return json_integer_value(value);
    int64_t number;
    return parse_i64(json_str(object, key), INT64_MIN, INT64_MAX, &number) == ST_OK ? number
                                                                                    : fallback;
}

bool json_number(const json_t *object, const char *key, double *ret_value)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_number(value)) {
        *ret_value = json_number_value(value);
        return true;
    }
    return parse_double(json_str(object, key), -1e300, 1e300, ret_value) == ST_OK;
}

bool json_bool(const json_t *object, const char *key, bool fallback)
{
    const json_t *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_boolean_value(value) : fallback;
}

static int add_piece(const char *data, size_t size, void *arg)
{
    return buf_add(arg, data, size) == ST_OK ? 0 : -1;
}

enum status json_write(const json_t *value, struct buf *out)
{
    if (json_dump_callback(value, add_piece, out, JSON_COMPACT | JSON_ENCODE_ANY) == 0)
        return ST_OK;
    return buf_status(out) == ST_OK ? ST_INVAL : ST_TOO_LARGE;
}
