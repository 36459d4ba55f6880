#include "net/url.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define LABEL_SIZE_MAX 63

/* `host` or `host:port` as URLs and lists of hosts have it. */
struct authority {
    char host[256];
    bool is_ipv6;
    bool has_port;
    int port;
};

struct host_pattern {
    struct authority authority;
    bool is_suffix; /* `*.suffix` */
};

static const struct {
    const char *scheme;
    int port;
} default_ports[] = {
    {"http", 80},     {"https", 443},    {"ws", 80},       {"wss", 443},
    {"socks4", 1080}, {"socks4a", 1080}, {"socks5", 1080}, {"socks5h", 1080},
};

static int default_port(const char *scheme)
{
    for (size_t i = 0; i < sizeof(default_ports) / sizeof(default_ports[0]); i++)
        if (strcmp(scheme, default_ports[i].scheme) == 0)
            return default_ports[i].port;
    return 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_alpha(char c)
{
    return lower(c) >= 'a' && lower(c) <= 'z';
}

static ptrdiff_t find_char(struct str s, char c)
{
    const char *hit = s.n ? memchr(s.p, c, s.n) : NULL;
    return hit ? hit - s.p : -1;
}

static void copy_lower(struct str from, char *ret_text)
{
    for (size_t i = 0; i < from.n; i++)
        ret_text[i] = lower(from.p[i]);
    ret_text[from.n] = '\0';
}

/* Whether other parsers would take the label for a number: then the whole host is an IPv4 address
 * to them, in one of the many spellings that inet_aton knows. */
static bool is_numeric_label(struct str label)
{
    if (str_starts_nocase(label, STR_LIT("0x")))
        return true;
    for (size_t i = 0; i < label.n; i++)
        if (!is_digit(label.p[i]))
            return false;
    return true;
}

static enum status parse_name(struct str name, char *ret_host, struct error *ret_err)
{
    if (name.n == 0)
        return error_set(ret_err, ST_INVAL, 0, "the host is missing");
    if (name.n > 253)
        return error_set(ret_err, ST_INVAL, 0, "the host is longer than 253 bytes");

    struct str rest = name;
    struct str label;
    do {
        bool is_last = find_char(rest, '.') < 0;
        label = str_cut(&rest, '.');
        if (label.n == 0 || (!is_last && rest.n == 0))
            return error_set(ret_err, ST_INVAL, 0, "the host has an empty part between dots");
        if (label.n > LABEL_SIZE_MAX)
            return error_set(ret_err, ST_INVAL, 0, "the host has a part longer than 63 bytes");
        for (size_t i = 0; i < label.n; i++) {
            char c = label.p[i];
            if (!is_alpha(c) && !is_digit(c) && c != '-' && c != '_')
                return error_set(ret_err, ST_INVAL, 0,
                                 "the host has a character other than a-z, 0-9, '-', '_', '.'");
        }
    } while (rest.n > 0);

    char host[256];
    struct in_addr address;
    copy_lower(name, host);
    if (is_numeric_label(label) && inet_pton(AF_INET, host, &address) != 1)
        return error_set(ret_err, ST_INVAL, 0, "the host looks like an IPv4 address but is none");
    memcpy(ret_host, host, name.n + 1);
    return ST_OK;
}

static enum status parse_ipv6(struct str text, char *ret_host, struct error *ret_err)
{
    char written[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (text.n >= sizeof(written))
        return error_set(ret_err, ST_INVAL, 0, "the text in brackets is no IPv6 address");
    copy_lower(text, written);
    if (strlen(written) != text.n || inet_pton(AF_INET6, written, &address) != 1)
        return error_set(ret_err, ST_INVAL, 0, "the text in brackets is no IPv6 address");
    /* One spelling for each address, so that hosts can be compared as text. */
    (void)inet_ntop(AF_INET6, &address, ret_host, INET6_ADDRSTRLEN);
    return ST_OK;
}

static enum status parse_port(struct str text, int *ret_port, struct error *ret_err)
{
    int64_t port = 0;
    if (text.n == 0 || text.n > 5 || !is_digit(text.p[0]) ||
        parse_i64(text, 1, 65535, &port) != ST_OK)
        return error_set(ret_err, ST_INVAL, 0, "the port is not a number from 1 to 65535");
    *ret_port = (int)port;
    return ST_OK;
}

static enum status parse_authority(struct str text, struct authority *ret_authority,
                                   struct error *ret_err)
{
    struct authority authority = {0};
    ptrdiff_t colon;
    enum status status;
    if (text.n > 0 && text.p[0] == '[') {
        ptrdiff_t end = find_char(text, ']');
        if (end < 0)
            return error_set(ret_err, ST_INVAL, 0, "the bracket of the host is not closed");
        status = parse_ipv6(str_sub(text, 1, (size_t)end - 1), authority.host, ret_err);
        authority.is_ipv6 = true;
        colon = (size_t)end + 1 < text.n ? end + 1 : -1;
        if (status == ST_OK && colon >= 0 && text.p[colon] != ':')
            return error_set(ret_err, ST_INVAL, 0, "there is something after the host's bracket");
    } else {
        colon = find_char(text, ':');
        status =
            parse_name(colon < 0 ? text : str_sub(text, 0, (size_t)colon), authority.host, ret_err);
    }
    if (status == ST_OK && colon >= 0) {
        authority.has_port = true;
        status = parse_port(str_sub(text, (size_t)colon + 1, text.n), &authority.port, ret_err);
    }
    if (status == ST_OK)
        *ret_authority = authority;
    return status;
}

static enum status check_bytes(struct str text, struct error *ret_err)
{
    if (text.n > URL_SIZE_MAX)
        return error_set(ret_err, ST_INVAL, 0, "the URL is longer than %d bytes", URL_SIZE_MAX);
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c <= ' ' || c >= 0x7f)
            return error_set(ret_err, ST_INVAL, 0,
                             "the URL has a blank, a control or a non-ASCII character at byte %zu",
                             i + 1);
        /* Browsers read it as '/', libcurl does not: two opinions about where the host ends. */
        if (c == '\\')
            return error_set(ret_err, ST_INVAL, 0, "the URL has a backslash");
    }
    return ST_OK;
}

static enum status parse_scheme(struct str text, char *ret_scheme, struct error *ret_err)
{
    bool is_good = text.n > 0 && text.n < sizeof(((struct url *)0)->scheme) && is_alpha(text.p[0]);
    for (size_t i = 0; is_good && i < text.n; i++) {
        char c = text.p[i];
        is_good = is_alpha(c) || is_digit(c) || c == '+' || c == '-' || c == '.';
    }
    if (!is_good)
        return error_set(ret_err, ST_INVAL, 0, "the URL does not begin with a scheme and ://");
    copy_lower(text, ret_scheme);
    return ST_OK;
}

enum status url_parse(struct str text, struct url *ret_url, struct error *ret_err)
{
    struct url url = {0};
    enum status status = check_bytes(text, ret_err);
    if (status != ST_OK)
        return status;

    ptrdiff_t mark = str_find(text, STR_LIT("://"));
    status = parse_scheme(str_sub(text, 0, mark < 0 ? 0 : (size_t)mark), url.scheme, ret_err);
    if (status != ST_OK)
        return status;

    struct str rest = str_sub(text, (size_t)mark + 3, text.n);
    size_t end = 0;
    while (end < rest.n && rest.p[end] != '/' && rest.p[end] != '?' && rest.p[end] != '#')
        end++;
    struct str where = str_sub(rest, 0, end);
    url.target = str_sub(rest, end, rest.n);

    ptrdiff_t at = find_char(where, '@');
    if (at >= 0) {
        url.has_userinfo = true;
        url.userinfo = str_sub(where, 0, (size_t)at);
        where = str_sub(where, (size_t)at + 1, where.n);
        if (find_char(where, '@') >= 0)
            return error_set(ret_err, ST_INVAL, 0,
                             "the URL has more than one @ before its path (in a password, write "
                             "%%40)");
    }

    struct authority authority = {0};
    status = parse_authority(where, &authority, ret_err);
    if (status != ST_OK)
        return status;
    memcpy(url.host, authority.host, sizeof(url.host));
    url.is_ipv6 = authority.is_ipv6;
    url.has_port = authority.has_port;
    url.port = authority.has_port ? authority.port : default_port(url.scheme);
    *ret_url = url;
    return ST_OK;
}

static enum status parse_pattern(const char *text, struct host_pattern *ret_pattern,
                                 struct error *ret_err)
{
    struct host_pattern pattern = {0};
    struct str rest = str_of(text);
    if (str_find(rest, STR_LIT("://")) >= 0)
        return error_set(ret_err, ST_INVAL, 0, "a host is wanted here, without http:// and a path");
    if (str_starts(rest, STR_LIT("*."))) {
        pattern.is_suffix = true;
        rest = str_sub(rest, 2, rest.n);
    }
    enum status status = parse_authority(rest, &pattern.authority, ret_err);
    if (status != ST_OK)
        return status;
    if (pattern.is_suffix && pattern.authority.is_ipv6)
        return error_set(ret_err, ST_INVAL, 0, "*. goes with a name, not with an address");
    *ret_pattern = pattern;
    return ST_OK;
}

static bool pattern_takes_host(const struct host_pattern *pattern, const struct url *url)
{
    if (pattern->authority.is_ipv6 != url->is_ipv6)
        return false;
    if (!pattern->is_suffix)
        return strcmp(pattern->authority.host, url->host) == 0;

    struct str host = str_of(url->host);
    struct str suffix = str_of(pattern->authority.host);
    return host.n > suffix.n + 1 && str_ends(host, suffix) && host.p[host.n - suffix.n - 1] == '.';
}

bool url_host_is_allowed(const struct url *url, const struct url_host_rule *rules, size_t n_rules)
{
    bool is_https = strcmp(url->scheme, "https") == 0;
    if ((!is_https && strcmp(url->scheme, "http") != 0) || url->has_userinfo)
        return false;

    for (size_t i = 0; i < n_rules; i++) {
        struct host_pattern pattern = {0};
        if (parse_pattern(rules[i].pattern, &pattern, NULL) != ST_OK)
            continue;
        if (rules[i].is_builtin && (!is_https || url->port != 443))
            continue;
        if (pattern.authority.has_port && pattern.authority.port != url->port)
            continue;
        if (pattern_takes_host(&pattern, url))
            return true;
    }
    return false;
}

enum status url_check_host_pattern(const char *pattern, struct error *ret_err)
{
    struct host_pattern parsed = {0};
    return parse_pattern(pattern, &parsed, ret_err);
}

enum status url_check_proxy(const char *text, struct error *ret_err)
{
    static const char *const schemes[] = {"http",    "https",  "socks4",
                                          "socks4a", "socks5", "socks5h"};
    if (text[0] == '\0')
        return ST_OK;

    struct url url = {0};
    enum status status = url_parse(str_of(text), &url, ret_err);
    if (status != ST_OK)
        return status;
    if (url.target.n > 0 && !str_eq(url.target, STR_LIT("/")))
        return error_set(ret_err, ST_INVAL, 0, "a proxy has no path");
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (strcmp(url.scheme, schemes[i]) == 0)
            return ST_OK;
    return error_set(ret_err, ST_INVAL, 0,
                     "a proxy begins with http://, https://, socks4://, socks4a://, socks5:// or "
                     "socks5h://");
}

void url_put_escaped(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                        (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_' || c == '~';
        if (is_plain)
            buf_putc(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

void url_for_log(const char *text, char *ret_text, size_t size)
{
    struct url url = {0};
    if (url_parse(str_of(text), &url, NULL) != ST_OK) {
        (void)snprintf(ret_text, size, "-");
        return;
    }
    const char *open = url.is_ipv6 ? "[" : "";
    const char *close = url.is_ipv6 ? "]" : "";
    if (url.port == 0)
        (void)snprintf(ret_text, size, "%s://%s%s%s", url.scheme, open, url.host, close);
    else
        (void)snprintf(ret_text, size, "%s://%s%s%s:%d", url.scheme, open, url.host, close,
                       url.port);
}
