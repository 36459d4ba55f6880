/*
 * URLs as we meet them: base_url, proxies, session webhooks, image links. The parser is
 * deliberately narrow: what it does not understand it refuses, because a webhook's host decides
 * where answers go.
 */
#ifndef DB_NET_URL_H
#define DB_NET_URL_H

#include <stdbool.h>

#include "util/buf.h"
#include "util/status.h"
#include "util/str.h"

#define URL_SIZE_MAX 4096

struct url {
    char scheme[16]; /* lower case */
    char host[256];  /* lower case; an IPv6 address without brackets and in its shortest spelling */
    bool is_ipv6;    /* host was written in brackets */
    int port; /* explicit port, else the scheme's (http and ws 80, https and wss 443, socks 1080),
                 else 0 */
    bool has_port;
    bool has_userinfo;
    struct str userinfo; /* borrowed from the text; still percent-encoded */
    struct str
        target; /* borrowed: path, query and fragment as written, "" or starting with / ? or # */
};

/* Absolute URLs `scheme://[user[:pw]@]host[:port][/…]` of at most URL_SIZE_MAX bytes. Refused
 * (ST_INVAL): blanks, control bytes, backslashes, non-ASCII, percent signs or empty labels in the
 * host, a second @ in the authority, ports outside 1…65535, bracketed text that is no IPv6 address,
 * hosts that end in a number but are no plain IPv4 address (127.1, 0x7f000001). */
enum status url_parse(struct str text, struct url *ret_url, struct error *ret_err) DB_MUST_CHECK;

/*
 * A list of hosts that may be called. An entry is `host` or `*.suffix` (which does not take the
 * bare suffix), each also with `:port`; IPv6 addresses stand in brackets. Entries the operator
 * listed may be http or https and, without a port, any port; built-in entries are https on port 443
 * only.
 */
struct url_host_rule {
    const char *pattern;
    bool is_builtin;
};
/* True when the URL is http(s) without user-info and a rule takes its host. */
bool url_host_is_allowed(const struct url *url, const struct url_host_rule *rules, size_t n_rules);
/* ST_OK when `pattern` is a usable entry for such a list. */
enum status url_check_host_pattern(const char *pattern, struct error *ret_err) DB_MUST_CHECK;

/* ST_OK for "", http://, https://, socks4://, socks4a://, socks5:// or socks5h:// with host,
 * optional port, optional user:password. */
enum status url_check_proxy(const char *text, struct error *ret_err) DB_MUST_CHECK;
/* Appends the text with everything but letters, digits and -._~ as %XX (RFC 3986, 2.3). */
void url_put_escaped(struct buf *out, struct str text);
/* "scheme://host:port" (the port also where the scheme implies it) for log lines: never the
 * user-info, path or query. "-" for what does not parse. */
void url_for_log(const char *text, char *ret_text, size_t size);

#endif
