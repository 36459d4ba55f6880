#include "llm/root.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "util/buf.h"
#include "util/str.h"

/* Paths that people paste along with the root. */
static const char *const endpoints[] = {
    "/chat/completions", "/images/generations", "/audio/transcriptions",
    "/images/edits",     "/completions",        "/embeddings",
    "/responses",        "/messages",           "/models",
};

/* Hosts whose API does not lie under /v1. A leading or inner '*' stands for any characters. */
static const struct {
    const char *before;
    const char *after;
    const char *path;
} hosts[] = {
    {"ark.", ".volces.com", "/api/v3"},
    {"ark.", ".bytepluses.com", "/api/v3"},
    {"open.bigmodel.cn", "", "/api/paas/v4"},
    {"api.z.ai", "", "/api/paas/v4"},
    {"dashscope", ".aliyuncs.com", "/compatible-mode/v1"},
    {"", ".maas.aliyuncs.com", "/compatible-mode/v1"},
    {"openrouter.ai", "", "/api/v1"},
    {"generativelanguage.googleapis.com", "", "/v1beta/openai"},
    {"api.groq.com", "", "/openai/v1"},
    {"", ".openai.azure.com", "/openai/v1"},
    {"", ".cognitiveservices.azure.com", "/openai/v1"},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* `v1`, `v3`, `v1beta`, `v1beta2`. */
static bool is_version(struct str segment)
{
    size_t i = 1;
    if (segment.n < 2 || segment.p[0] != 'v' || !is_digit(segment.p[1]))
        return false;
    while (i < segment.n && is_digit(segment.p[i]))
        i++;
    while (i < segment.n && is_letter(segment.p[i]))
        i++;
    while (i < segment.n && is_digit(segment.p[i]))
        i++;
    return i == segment.n;
}

static bool has_version(struct str path)
{
    while (path.n > 0) {
        if (is_version(str_cut(&path, '/')))
            return true;
    }
    return false;
}

static const char *path_of_host(struct str host)
{
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        struct str before = str_of(hosts[i].before), after = str_of(hosts[i].after);
        bool fits = after.n == 0 ? str_eq(host, before)
                                 : host.n >= before.n + after.n && str_starts(host, before) &&
                                       str_ends(host, after);
        if (fits)
            return hosts[i].path;
    }
    return NULL;
}

static enum status check_characters(struct str text, struct error *ret_err)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c <= ' ' || c == 0x7F)
            return error_set(ret_err, ST_INVAL, 0, "blanks or control characters inside");
        if (c == '?' || c == '#')
            return error_set(ret_err, ST_INVAL, 0,
                             "'%c' inside: only scheme, host and path are allowed", c);
    }
    return ST_OK;
}

static bool is_local(struct str rest)
{
    return str_starts_nocase(rest, STR_LIT("localhost")) || str_starts(rest, STR_LIT("127.")) ||
           str_starts(rest, STR_LIT("[::1]"));
}

/* Lower-case scheme and "://" to `out`; the rest of the text stays in *rest. */
static enum status take_scheme(struct str *rest, struct buf *out, struct error *ret_err)
{
    ptrdiff_t mark = str_find(*rest, STR_LIT("://"));
    if (mark < 0) {
        buf_puts(out, is_local(*rest) ? "http://" : "https://");
        return ST_OK;
    }
    struct str scheme = str_sub(*rest, 0, (size_t)mark);
    bool is_http = str_eq_nocase(scheme, STR_LIT("http"));
    if (!is_http && !str_eq_nocase(scheme, STR_LIT("https")))
        return error_set(ret_err, ST_INVAL, 0, "the scheme must be http or https");
    buf_puts(out, is_http ? "http://" : "https://");
    *rest = str_sub(*rest, (size_t)mark + 3, rest->n);
    return ST_OK;
}

/* The path without doubled and trailing slashes, and without a pasted endpoint. True when there was
 * one. */
static bool tidy_path(struct str path, struct buf *out)
{
    while (path.n > 0) {
        struct str segment = str_cut(&path, '/');
        if (segment.n > 0) {
            buf_putc(out, '/');
            buf_add_str(out, segment);
        }
    }
    for (size_t i = 0; i < sizeof(endpoints) / sizeof(endpoints[0]); i++) {
        struct str endpoint = str_of(endpoints[i]);
        if (str_ends(buf_str(out), endpoint)) {
            buf_truncate(out, out->len - endpoint.n);
            return true;
        }
    }
    return false;
}

enum status root_resolve(const char *base_url, char ret_root[ROOT_SIZE_MAX], struct error *ret_err)
{
    struct str rest = str_trim(str_of(base_url));
    if (rest.n == 0)
        rest = STR_LIT("https://api.openai.com/v1");
    struct buf root = BUF_INIT(ROOT_SIZE_MAX - 1);
    struct buf path = BUF_INIT(ROOT_SIZE_MAX - 1);
    enum status status = check_characters(rest, ret_err);
    if (status == ST_OK)
        status = take_scheme(&rest, &root, ret_err);
    size_t host_at = root.len;
    struct str authority = str_cut(&rest, '/');
    if (status == ST_OK && (authority.n == 0 || str_find(authority, STR_LIT("@")) >= 0 ||
                            str_find(authority, STR_LIT("\\")) >= 0))
        status = error_set(ret_err, ST_INVAL, 0, "a host is needed, without user name or password");
    for (size_t i = 0; status == ST_OK && i < authority.n; i++) {
        char c = authority.p[i];
        buf_putc(&root, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
    }
    bool is_whole = tidy_path(rest, &path) || has_version(buf_str(&path));
    struct str host = str_sub(buf_str(&root), host_at, root.len);
    struct str name = str_cut(&host, ':');
    const char *known = path_of_host(name);
    if (is_whole)
        buf_add_str(&root, buf_str(&path));
    else if (known)
        buf_puts(&root, known);
    else {
        buf_add_str(&root, buf_str(&path));
        buf_puts(&root, "/v1");
    }
    if (status == ST_OK && (buf_status(&root) != ST_OK || buf_status(&path) != ST_OK))
        status = error_set(ret_err, ST_TOO_LARGE, 0, "longer than %d bytes", ROOT_SIZE_MAX - 1);
    if (status == ST_OK)
        memcpy(ret_root, buf_cstr(&root), root.len + 1);
    buf_done(&root);
    buf_done(&path);
    return status;
}

/* Length of scheme and authority. */
static size_t origin_length(struct str root)
{
    ptrdiff_t mark = str_find(root, STR_LIT("://"));
    size_t at = mark < 0 ? 0 : (size_t)mark + 3;
    while (at < root.n && root.p[at] != '/')
        at++;
    return at;
}

void root_origin(const char *root, char ret_origin[ROOT_SIZE_MAX])
{
    (void)snprintf(ret_origin, ROOT_SIZE_MAX, "%.*s", (int)origin_length(str_of(root)), root);
}

void root_billing_base(const char *root, char ret_base[ROOT_SIZE_MAX])
{
    struct str text = str_of(root);
    const char *slash = strrchr(root, '/');
    size_t at = slash ? (size_t)(slash - root) : text.n;
    if (at >= origin_length(text) && is_version(str_sub(text, at + 1, text.n)))
        text.n = at;
    (void)snprintf(ret_base, ROOT_SIZE_MAX, "%.*s", (int)text.n, text.p);
}

void root_host(const char *root, char *ret_host, size_t size)
{
    struct str text = str_of(root);
    text.n = origin_length(text);
    ptrdiff_t mark = str_find(text, STR_LIT("://"));
    struct str authority = str_sub(text, mark < 0 ? 0 : (size_t)mark + 3, text.n);
    if (!str_starts(authority, STR_LIT("[")))
        authority = str_cut(&authority, ':');
    (void)snprintf(ret_host, size, "%.*s", (int)authority.n, authority.p);
}
