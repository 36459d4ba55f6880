#include "net/websocket_handshake.h"

#include <stdio.h>
#include <string.h>

#include "util/crypto.h"

/* RFC 6455, section 1.3 */
#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

static const char answer_begin[] = "HTTP/1.1 ";

void websocket_handshake_key(char ret_key[WEBSOCKET_KEY_SIZE])
{
    char bytes[16];
    crypto_random_bytes(bytes, sizeof(bytes));
    struct buf key = BUF_INIT(WEBSOCKET_KEY_SIZE - 1);
    if (base64_encode((struct str){bytes, sizeof(bytes)}, &key) == ST_OK)
        (void)snprintf(ret_key, WEBSOCKET_KEY_SIZE, "%s", buf_cstr(&key));
    buf_done(&key);
}

enum status websocket_handshake_url(const char *text, struct url *ret_url, struct error *ret_err)
{
    struct url url;
    enum status status = url_parse(str_of(text), &url, ret_err);
    if (status != ST_OK)
        return status;
    if (strcmp(url.scheme, "ws") != 0 && strcmp(url.scheme, "wss") != 0)
        return error_set(ret_err, ST_INVAL, 0, "the URL is neither ws:// nor wss://");
    if (url.has_userinfo)
        return error_set(ret_err, ST_INVAL, 0, "a WebSocket's URL has no user and password");
    if (str_find(url.target, STR_LIT("#")) >= 0)
        return error_set(ret_err, ST_INVAL, 0, "a WebSocket's URL has no fragment (#…)");
    *ret_url = url;
    return ST_OK;
}

enum status websocket_handshake_request(const struct url *url, const char *const *headers,
                                        const char *user_agent, const char *key, struct buf *out)
{
    bool has_slash = url->target.n > 0 && url->target.p[0] == '/';
    (void)buf_printf(out, "GET %s%.*s HTTP/1.1\r\nHost: ", has_slash ? "" : "/", (int)url->target.n,
                     url->target.n ? url->target.p : "");
    (void)buf_printf(out, url->is_ipv6 ? "[%s]" : "%s", url->host);
    if (url->has_port)
        (void)buf_printf(out, ":%d", url->port);
    (void)buf_printf(out,
                     "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\nUser-Agent: %s\r\n",
                     key, user_agent);
    for (size_t i = 0; headers && headers[i]; i++)
        (void)buf_printf(out, "%s\r\n", headers[i]);
    (void)buf_puts(out, "\r\n");
    return buf_status(out);
}

bool websocket_handshake_may_begin(struct str bytes)
{
    struct str begin = str_sub(str_of(answer_begin), 0, bytes.n);
    return str_starts(bytes, begin);
}

/* Whether a header's list of tokens holds `token`. */
static bool lists_token(struct str value, const char *token)
{
    while (value.n > 0)
        if (str_eq_nocase(str_trim(str_cut(&value, ',')), str_of(token)))
            return true;
    return false;
}

static bool is_right_accept(struct str value, const char *key)
{
    char text[WEBSOCKET_KEY_SIZE + sizeof(ACCEPT_GUID)];
    uint8_t hash[SHA1_SIZE];
    (void)snprintf(text, sizeof(text), "%s" ACCEPT_GUID, key);
    struct buf wanted = BUF_INIT(64);
    bool is_right =
        crypto_sha1(str_of(text), hash) == ST_OK &&
        base64_encode((struct str){(const char *)hash, sizeof(hash)}, &wanted) == ST_OK &&
        str_eq(value, buf_str(&wanted));
    buf_done(&wanted);
    return is_right;
}

/* The status of "HTTP/1.1 NNN …"; 0 for anything else. */
static int parse_status_line(struct str line)
{
    int64_t http_status;
    struct str digits = str_sub(line, sizeof(answer_begin) - 1, 3);
    struct str behind = str_sub(line, sizeof(answer_begin) - 1 + 3, 1);
    if (!str_starts(line, str_of(answer_begin)) || digits.n != 3 || digits.p[0] < '1' ||
        !(behind.n == 0 || behind.p[0] == ' ') ||
        parse_i64(digits, 100, 999, &http_status) != ST_OK)
        return 0;
    return (int)http_status;
}

static struct str cut_line(struct str *rest)
{
    struct str line = str_cut(rest, '\n');
    if (str_ends(line, STR_LIT("\r")))
        line.n--;
    return line;
}

static enum status check_switch(struct str fields, const char *key, struct error *ret_err)
{
    bool has_upgrade = false, has_connection = false;
    size_t n_accepts = 0;
    while (fields.n > 0) {
        struct str value = cut_line(&fields);
        struct str name = str_cut(&value, ':');
        value = str_trim(value);
        if (str_eq_nocase(name, STR_LIT("Upgrade")))
            has_upgrade = has_upgrade || lists_token(value, "websocket");
        else if (str_eq_nocase(name, STR_LIT("Connection")))
            has_connection = has_connection || lists_token(value, "upgrade");
        else if (str_eq_nocase(name, STR_LIT("Sec-WebSocket-Accept"))) {
            n_accepts++;
            if (!is_right_accept(value, key))
                return error_set(ret_err, ST_PROTOCOL, 0,
                                 "the server's Sec-WebSocket-Accept does not fit our key");
        } else if (str_eq_nocase(name, STR_LIT("Sec-WebSocket-Extensions")) ||
                   str_eq_nocase(name, STR_LIT("Sec-WebSocket-Protocol")))
            return error_set(ret_err, ST_PROTOCOL, 0,
                             "the server chose an extension or sub-protocol that was not offered");
    }
    if (!has_upgrade || !has_connection || n_accepts != 1)
        return error_set(ret_err, ST_PROTOCOL, 0,
                         "the server's 101 lacks Upgrade, Connection or Sec-WebSocket-Accept");
    return ST_OK;
}

enum status websocket_handshake_check(struct str head, const char *key, bool *ret_is_interim,
                                      struct error *ret_err)
{
    int http_status = parse_status_line(cut_line(&head));
    if (http_status == 0)
        return error_set(ret_err, ST_PROTOCOL, 0, "the server's answer is not HTTP/1.1");
    if (http_status == 401 || http_status == 403)
        return error_set(ret_err, ST_DENIED, http_status, "the server refused the upgrade: %d",
                         http_status);
    if (http_status >= 200)
        return error_set(ret_err, ST_UPSTREAM, http_status, "the server did not upgrade: %d",
                         http_status);

    enum status status = http_status == 101 ? check_switch(head, key, ret_err) : ST_OK;
    if (status == ST_OK)
        *ret_is_interim = http_status != 101;
    return status;
}
