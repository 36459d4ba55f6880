/* URLs: where libcurl takes what we take, it finds the same host and port in it. A difference would
 * let a webhook's URL be checked as one host and called as another. */
#include <arpa/inet.h>
#include <assert.h>
#include <curl/curl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "net/url.h"
#include "util/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_same_host(const char *theirs, const struct url *ours)
{
    if (!ours->is_ipv6)
        return str_eq_nocase(str_of(theirs), str_of(ours->host));

    /* Addresses have many spellings, of which libcurl keeps the one it got. */
    struct str inner = str_sub(str_of(theirs), 1, strlen(theirs) - 2);
    DB_CLEANUP(free_charp) char *text = xstrndup(inner.p, inner.n);
    struct in6_addr a;
    struct in6_addr b;
    return theirs[0] == '[' && inet_pton(AF_INET6, text, &a) == 1 &&
           inet_pton(AF_INET6, ours->host, &b) == 1 && memcmp(&a, &b, sizeof(a)) == 0;
}

static void check_with_curl(const char *text, const struct url *url)
{
    CURLU *theirs = curl_url();
    char *host = NULL;
    char *port = NULL;
    assert(theirs);
    if (curl_url_set(theirs, CURLUPART_URL, text, 0) == CURLUE_OK) {
        char want_port[8];
        assert(curl_url_get(theirs, CURLUPART_HOST, &host, 0) == CURLUE_OK);
        assert(curl_url_get(theirs, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK);
        (void)snprintf(want_port, sizeof(want_port), "%d", url->port);
        assert(is_same_host(host, url));
        assert(strcmp(port, want_port) == 0);
    }
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(theirs);
}

static void check_url(const char *text, size_t size)
{
    struct url url;
    struct error err;
    if (url_parse((struct str){text, size}, &url, &err) != ST_OK) {
        assert(err.text[0] != '\0');
        return;
    }
    assert(strlen(text) == size);
    assert(url.host[0] != '\0' && url.port >= 0 && url.port <= 65535);
    assert(strpbrk(url.host, "/?#@\\%[] ") == NULL);
    assert(url.is_ipv6 || strchr(url.host, ':') == NULL);
    assert(url.target.n == 0 || strchr("/?#", url.target.p[0]) != NULL);
    if (strcmp(url.scheme, "http") == 0 || strcmp(url.scheme, "https") == 0)
        check_with_curl(text, &url);

    const struct url_host_rule rules[] = {
        {url.host, false}, {"oapi.dingtalk.com", true}, {"*.dingtalk.com", true}};
    if (url_host_is_allowed(&url, rules + 1, 2)) {
        assert(!url.has_userinfo && url.port == 443 && strcmp(url.scheme, "https") == 0);
        assert(str_ends(str_of(url.host), STR_LIT(".dingtalk.com")));
    }
    (void)url_host_is_allowed(&url, rules, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    DB_CLEANUP(free_charp) char *text = xstrndup((const char *)data, size);
    char shown[128];
    check_url(text, size);
    url_for_log(text, shown, sizeof(shown));
    (void)!url_check_proxy(text, NULL);

    struct url url;
    const struct url_host_rule rule = {text, false};
    enum status status = url_check_host_pattern(text, NULL);
    if (url_parse(STR_LIT("https://a.b.example/"), &url, NULL) == ST_OK &&
        url_host_is_allowed(&url, &rule, 1))
        assert(status == ST_OK);
    return 0;
}
