#include "util/log.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/clock.h"
#include "util/mem.h"

#define VALUE_BYTES_MAX 512
#define MASKED_BYTES_MAX (64 * 1024) /* what lies behind that is not looked at */
#define LINE_BYTES_MAX (16 * 1024)
#define MASK "***"
#define SECRET_LEN_MIN 6
#define SECRETS_MAX 256

static _Atomic int current_level = LOG_INFO;
/* Filled at start, before there are threads; read only afterwards. */
static char *secrets[SECRETS_MAX];
static size_t n_secrets;

void log_set_level(enum log_level level)
{
    atomic_store(&current_level, (int)level);
}

bool log_is_on(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

void log_add_secret(const char *secret)
{
    if (!secret || strlen(secret) < SECRET_LEN_MIN || n_secrets == SECRETS_MAX)
        return;
    for (size_t i = 0; i < n_secrets; i++) {
        if (strcmp(secrets[i], secret) == 0)
            return;
    }
    secrets[n_secrets++] = xstrdup(secret);
}

static bool is_key_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.';
}

/* RFC 6750: base64 and its like. */
static bool is_bearer_char(char c)
{
    return is_key_char(c) || c == '~' || c == '+' || c == '/' || c == '=';
}

static const struct {
    struct str prefix;
    bool (*is_part)(char c);
} keys[] = {
    {{"sk-", 3}, is_key_char},
    {{"Bearer ", 7}, is_bearer_char},
};

/* Length of the registered secret that `text` begins with; 0 for none. */
static size_t secret_length(struct str text)
{
    size_t longest = 0;
    for (size_t i = 0; i < n_secrets; i++) {
        struct str secret = str_of(secrets[i]);
        if (secret.n > longest && str_starts(text, secret))
            longest = secret.n;
    }
    return longest;
}

/* Length of the key that `text` begins with, its prefix included; 0 for none. */
static size_t key_length(struct str text)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (!str_starts_nocase(text, keys[i].prefix))
            continue;
        size_t len = keys[i].prefix.n;
        while (len < text.n && keys[i].is_part(text.p[len]))
            len++;
        if (len - keys[i].prefix.n >= SECRET_LEN_MIN)
            return len;
    }
    return 0;
}

static bool ends_url(char c)
{
    return c == ' ' || c == '"' || c == '\'' || c == '<' || c == '>' || c == '\n' || c == '\t' ||
           c == '\r' || c == ')';
}

/* Copies the URL at the start of `text` (whose authority begins at scheme_len) without user-info
 * and query; returns its length. */
static size_t mask_url(struct str text, size_t scheme_len, struct buf *out)
{
    size_t end = scheme_len;
    while (end < text.n && !ends_url(text.p[end]))
        end++;
    struct str url = str_sub(text, 0, end);
    size_t authority_end = scheme_len;
    size_t at = 0;
    while (authority_end < url.n &&
           !(url.p[authority_end] && strchr("/?#", url.p[authority_end]))) {
        if (url.p[authority_end] == '@')
            at = authority_end + 1;
        authority_end++;
    }
    buf_add_str(out, str_sub(url, 0, scheme_len));
    if (at > 0)
        buf_puts(out, MASK "@");
    struct str rest = str_sub(url, at > 0 ? at : scheme_len, url.n);
    struct str shown = str_cut(&rest, '?');
    buf_add_str(out, shown);
    if (shown.n + (at > 0 ? at : scheme_len) < url.n)
        buf_puts(out, "?" MASK);
    return end;
}

static size_t scheme_length(struct str text)
{
    static const char *const schemes[] = {"https://",  "http://",    "socks5h://",
                                          "socks5://", "socks4a://", "socks4://"};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (str_starts_nocase(text, str_of(schemes[i])))
            return strlen(schemes[i]);
    }
    return 0;
}

static void mask_secrets(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.n;) {
        size_t len = secret_length(str_sub(text, i, text.n));
        if (len > 0)
            buf_puts(out, MASK);
        else
            buf_putc(out, text.p[i]);
        i += len > 0 ? len : 1;
    }
}

static void mask_urls(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.n;) {
        struct str rest = str_sub(text, i, text.n);
        size_t scheme_len = scheme_length(rest);
        if (scheme_len > 0) {
            i += mask_url(rest, scheme_len, out);
        } else {
            buf_putc(out, rest.p[0]);
            i++;
        }
    }
}

static void mask_keys(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.n;) {
        bool is_word_start = i == 0 || !is_key_char(text.p[i - 1]);
        size_t len = is_word_start ? key_length(str_sub(text, i, text.n)) : 0;
        if (len > 0)
            buf_puts(out, MASK);
        else
            buf_putc(out, text.p[i]);
        i += len > 0 ? len : 1;
    }
}

/* Secrets first: they may hold characters at which a URL or a key seems to end. */
static void mask(struct str text, struct buf *out)
{
    struct buf without_secrets = BUF_INIT(text.n);
    mask_secrets(text, &without_secrets);
    struct buf without_urls = BUF_INIT(without_secrets.len * 4 + 64);
    mask_urls(buf_str(&without_secrets), &without_urls);
    mask_keys(buf_str(&without_urls), out);
    buf_done(&without_secrets);
    buf_done(&without_urls);
}

char *log_masked(struct str text)
{
    struct buf out = BUF_INIT(text.n * 4 + 64);
    mask(text, &out);
    return buf_steal(&out);
}

static bool is_plain(struct str value)
{
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if (c <= ' ' || c == '"' || c == '\\' || c == '=' || c >= 0x7F)
            return false;
    }
    return value.n > 0;
}

/* Characters that could move, hide or recolour text on a terminal. */
static bool is_unprintable(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7F && cp < 0xA0) || (cp >= 0x200B && cp <= 0x200F) ||
           (cp >= 0x2028 && cp <= 0x202E) || (cp >= 0x2060 && cp <= 0x206F) || cp == 0xFEFF;
}

static void put_quoted(struct buf *line, struct str value)
{
    buf_putc(line, '"');
    while (value.n > 0) {
        uint32_t cp;
        size_t len = utf8_decode(value, &cp);
        if (cp == '"' || cp == '\\')
            buf_printf(line, "\\%c", (char)cp);
        else if (cp == '\n')
            buf_puts(line, "\\n");
        else if (cp == 0xFFFD && len == 1)
            buf_printf(line, "\\x%02x", (unsigned char)value.p[0]);
        else if (is_unprintable(cp))
            buf_printf(line, "\\u%04x", (unsigned)cp);
        else
            buf_add(line, value.p, len);
        value = str_sub(value, len, value.n);
    }
    buf_putc(line, '"');
}

/* Masked before it is cut, so that the cut leaves no beginning of a secret. */
static void put_value(struct buf *line, struct str value)
{
    value.n = utf8_cut(value, MASKED_BYTES_MAX);
    struct buf masked = BUF_INIT(value.n * 4 + 64);
    mask(value, &masked);
    struct str text = buf_str(&masked);
    text.n = utf8_cut(text, VALUE_BYTES_MAX);
    if (is_plain(text))
        buf_add_str(line, text);
    else
        put_quoted(line, text);
    buf_done(&masked);
}

/* One write call, so that lines of several threads do not mix. */
static void write_line(const struct buf *line)
{
    struct str rest = buf_str(line);
    while (rest.n > 0) {
        ssize_t n = write(STDERR_FILENO, rest.p, rest.n);
        if (n <= 0)
            return; /* there is nowhere to tell */
        rest = str_sub(rest, (size_t)n, rest.n);
    }
}

void log_write(enum log_level level, const char *module, const char *event,
               const struct log_field *fields, size_t n_fields)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    if (!log_is_on(level))
        return;
    char stamp[CLOCK_STAMP_SIZE];
    clock_stamp(clock_wall_ms(), stamp);
    struct buf line = BUF_INIT(LINE_BYTES_MAX);
    buf_printf(&line, "%s %s %s %s", stamp, names[level], module, event);
    for (size_t i = 0; i < n_fields; i++) {
        buf_printf(&line, " %s=", fields[i].key);
        if (fields[i].is_number)
            buf_printf(&line, "%lld", (long long)fields[i].number);
        else
            put_value(&line, fields[i].text);
    }
    line.is_failed = false; /* a line that was too long is written as far as it goes */
    buf_truncate(&line, LINE_BYTES_MAX - 1);
    buf_putc(&line, '\n');
    write_line(&line);
    buf_done(&line);
}
