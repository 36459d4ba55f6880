#include "util/str.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct str str_of(const char *s)
{
    return (struct str){s ? s : "", s ? strlen(s) : 0};
}

struct str str_sub(struct str s, size_t from, size_t len)
{
    if (from > s.n)
        from = s.n;
    if (len > s.n - from)
        len = s.n - from;
    return (struct str){s.n ? s.p + from : s.p, len};
}

bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static char fold(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
    return a.n == b.n && str_starts_nocase(a, b);
}

bool str_starts(struct str s, struct str prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

bool str_starts_nocase(struct str s, struct str prefix)
{
    if (s.n < prefix.n)
        return false;
    for (size_t i = 0; i < prefix.n; i++) {
        if (fold(s.p[i]) != fold(prefix.p[i]))
            return false;
    }
    return true;
}

bool str_ends(struct str s, struct str suffix)
{
    return s.n >= suffix.n && str_eq(str_sub(s, s.n - suffix.n, suffix.n), suffix);
}

ptrdiff_t str_find(struct str s, struct str needle)
{
    if (needle.n == 0)
        return 0;
    if (s.n < needle.n)
        return -1;
    const char *hit = memmem(s.p, s.n, needle.p, needle.n);
    return hit ? hit - s.p : -1;
}

static bool is_blank_cp(uint32_t cp)
{
    return (cp >= 0x09 && cp <= 0x0D) || cp == ' ' || cp == 0xA0 ||
           (cp >= 0x2000 && cp <= 0x200B) || cp == 0x2028 || cp == 0x2029 || cp == 0x202F ||
           cp == 0x3000 || cp == 0xFEFF;
}

struct str str_trim(struct str s)
{
    for (;;) {
        uint32_t cp;
        size_t len = utf8_decode(s, &cp);
        if (len == 0 || !is_blank_cp(cp))
            break;
        s = str_sub(s, len, s.n);
    }
    while (s.n > 0) {
        /* A character has at most three continuation bytes in front of which it starts. */
        size_t start = s.n - 1;
        while (start > 0 && s.n - start < 4 && ((unsigned char)s.p[start] & 0xC0) == 0x80)
            start--;
        uint32_t cp;
        size_t len = utf8_decode(str_sub(s, start, s.n), &cp);
        if (len != s.n - start || !is_blank_cp(cp))
            break;
        s.n = start;
    }
    return s;
}

struct str str_cut(struct str *rest, char sep)
{
    const char *hit = rest->n ? memchr(rest->p, sep, rest->n) : NULL;
    struct str head = *rest;
    if (hit) {
        head.n = (size_t)(hit - rest->p);
        *rest = str_sub(*rest, head.n + 1, rest->n);
    } else {
        *rest = (struct str){rest->n ? rest->p + rest->n : rest->p, 0};
    }
    return head;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

size_t str_distance(struct str a, struct str b)
{
    size_t row[STR_DISTANCE_BYTES_MAX + 1];
    if (a.n > STR_DISTANCE_BYTES_MAX || b.n > STR_DISTANCE_BYTES_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t above = row[j];
            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a.p[i - 1] != b.p[j - 1]));
            diagonal = above;
        }
    }
    return row[b.n];
}

enum status parse_i64(struct str s, int64_t min, int64_t max, int64_t *ret_value)
{
    bool is_negative = s.n > 0 && s.p[0] == '-';
    size_t i = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+') ? 1 : 0;
    if (i == s.n)
        return ST_INVAL;
    int64_t value = 0;
    bool is_over = false;
    for (; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return ST_INVAL;
        int digit = s.p[i] - '0';
        is_over |= __builtin_mul_overflow(value, 10, &value);
        is_over |= is_negative ? __builtin_sub_overflow(value, digit, &value)
                               : __builtin_add_overflow(value, digit, &value);
    }
    if (is_over || value < min || value > max)
        return ST_TOO_LARGE;
    *ret_value = value;
    return ST_OK;
}

enum status parse_double(struct str s, double min, double max, double *ret_value)
{
    char text[64];
    if (s.n == 0 || s.n >= sizeof(text))
        return ST_INVAL;
    for (size_t i = 0; i < s.n; i++) {
        if (!s.p[i] || !strchr("0123456789+-.eE", s.p[i]))
            return ST_INVAL;
    }
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    char *end;
    errno = 0;
    double value = strtod(text, &end); /* the program never leaves the C locale for numbers */
    if (*end || end == text)
        return ST_INVAL;
    if (errno == ERANGE || !isfinite(value) || value < min || value > max)
        return ST_TOO_LARGE;
    *ret_value = value;
    return ST_OK;
}

enum status parse_duration_s(struct str s, int64_t min_s, int64_t max_s, int64_t *ret_s)
{
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    int64_t unit_s = 1;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (s.n > 0 && fold(s.p[s.n - 1]) == units[i].letter) {
            unit_s = units[i].seconds;
            s.n--;
            break;
        }
    }
    int64_t count, seconds;
    enum status status = parse_i64(s, INT64_MIN, INT64_MAX, &count);
    if (status != ST_OK)
        return status;
    if (__builtin_mul_overflow(count, unit_s, &seconds) || seconds < min_s || seconds > max_s)
        return ST_TOO_LARGE;
    *ret_s = seconds;
    return ST_OK;
}

/* Length that the lead byte announces, its payload bits and the smallest code point that needs this
 * length. */
static size_t lead_info(unsigned char lead, uint32_t *ret_bits, uint32_t *ret_min)
{
    if (lead >= 0xC2 && lead <= 0xDF) {
        *ret_bits = lead & 0x1F;
        *ret_min = 0x80;
        return 2;
    }
    if (lead >= 0xE0 && lead <= 0xEF) {
        *ret_bits = lead & 0x0F;
        *ret_min = 0x800;
        return 3;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        *ret_bits = lead & 0x07;
        *ret_min = 0x10000;
        return 4;
    }
    return 0;
}

/* As utf8_decode; false for a malformed byte. */
static bool decode(struct str s, uint32_t *ret_cp, size_t *ret_len)
{
    const unsigned char *p = (const unsigned char *)s.p;
    *ret_cp = 0xFFFD;
    *ret_len = 1;
    if (p[0] < 0x80) {
        *ret_cp = p[0];
        return true;
    }
    uint32_t cp, min;
    size_t len = lead_info(p[0], &cp, &min);
    if (len == 0 || s.n < len)
        return false;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return false;
        cp = cp << 6 | (p[i] & 0x3F);
    }
    if (cp < min || cp > 0x10FFFF || (cp >= 0xD800 && cp <= 0xDFFF))
        return false;
    *ret_cp = cp;
    *ret_len = len;
    return true;
}

size_t utf8_decode(struct str s, uint32_t *ret_cp)
{
    if (s.n == 0) {
        *ret_cp = 0;
        return 0;
    }
    size_t len;
    (void)decode(s, ret_cp, &len);
    return len;
}

bool utf8_is_valid(struct str s)
{
    while (s.n > 0) {
        uint32_t cp;
        size_t len;
        if (!decode(s, &cp, &len))
            return false;
        s = str_sub(s, len, s.n);
    }
    return true;
}

size_t utf8_cut(struct str s, size_t max_bytes)
{
    if (s.n <= max_bytes)
        return s.n;
    size_t start = max_bytes;
    while (start > 0 && max_bytes - start < 3 && ((unsigned char)s.p[start] & 0xC0) == 0x80)
        start--;
    /* What is found there may be broken, and then no character goes over the cut. */
    uint32_t cp;
    size_t len = utf8_decode(str_sub(s, start, s.n), &cp);
    return start + len > max_bytes ? start : max_bytes;
}

size_t utf8_count(struct str s)
{
    size_t count = 0;
    while (s.n > 0) {
        uint32_t cp;
        size_t len = utf8_decode(s, &cp);
        s = str_sub(s, len, s.n);
        count++;
    }
    return count;
}
