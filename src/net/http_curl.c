#include "net/http_curl.h"

#include <stdlib.h>
#include <string.h>

#include "net/url.h"
#include "util/log.h"
#include "util/mem.h"

#define CONNECT_TIMEOUT_MS 10000
#define KEEPALIVE_AFTER_S 60L

/* Within a function that has `easy` and `code`: sets an option unless an earlier one failed. */
#define SET(option, value)                                    \
    do {                                                      \
        if (code == CURLE_OK)                                 \
            code = curl_easy_setopt(easy, (option), (value)); \
    } while (0)

static CURLcode set_rules(CURL *easy)
{
    CURLcode code = CURLE_OK;
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    /* HTTP/1.1 for every answer: a stream that breaks then takes no other with it, and libcurl's
     * HTTP/2 of 2023 (Debian 12) is known for stalls under the multi socket interface. */
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, KEEPALIVE_AFTER_S);
    /* Without it, giving up a transfer waits for the thread that still looks up its host: a slow
     * name server would hold the loop. */
    SET(CURLOPT_QUICK_EXIT, 1L);
    return code;
}

/*
 * The certificates that TLS trusts: the file that SSL_CERT_FILE names, as with most programs on
 * OpenSSL, or libcurl's own choice, without its directory of the same ones. With a directory
 * libcurl does not keep the loaded store, and reading it anew for every connection holds the loop
 * for 20 ms.
 */
static CURLcode set_trust(CURL *easy)
{
    CURLcode code = CURLE_OK;
    const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
    const char *file = getenv("SSL_CERT_FILE");
    if (file && *file) {
        SET(CURLOPT_CAINFO, file);
        SET(CURLOPT_PROXY_CAINFO, file);
        SET(CURLOPT_CAPATH, NULL);
        SET(CURLOPT_PROXY_CAPATH, NULL);
    } else if (info->age >= CURLVERSION_SEVENTH && info->cainfo) {
        SET(CURLOPT_CAPATH, NULL);
        SET(CURLOPT_PROXY_CAPATH, NULL);
    }
    return code;
}

static CURLcode set_proxy(CURL *easy, const char *proxy)
{
    CURLcode code = CURLE_OK;
    /* Empty, but not NULL: libcurl would look into the environment. */
    SET(CURLOPT_NOPROXY, "");
    SET(CURLOPT_PROXY, proxy ? proxy : "");
    /* The proxy's CONNECT must not see the API key, nor we its answer as if it were the peer's. */
    SET(CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);

    struct url url;
    if (proxy && url_parse(str_of(proxy), &url, NULL) == ST_OK)
        SET(CURLOPT_PROXYPORT, (long)url.port); /* libcurl's own default is 1080 for all kinds */
    return code;
}

static CURLcode set_body(CURL *easy, const struct http_request *request)
{
    CURLcode code = CURLE_OK;
    if (strcmp(request->method, "GET") == 0) {
        SET(CURLOPT_HTTPGET, 1L);
        return code;
    }
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.n);
    SET(CURLOPT_COPYPOSTFIELDS, request->body.n ? request->body.p : "");
    if (strcmp(request->method, "POST") != 0)
        SET(CURLOPT_CUSTOMREQUEST, request->method);
    return code;
}

static bool add_header(struct curl_slist **headers, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*headers, line);
    if (!longer)
        return false;
    *headers = longer;
    return true;
}

static enum status check_request(const struct http_request *request, struct error *ret_err)
{
    struct url url;
    enum status status = url_parse(str_of(request->url), &url, ret_err);
    if (status != ST_OK)
        return status;
    if (strcmp(url.scheme, "http") != 0 && strcmp(url.scheme, "https") != 0)
        return error_set(ret_err, ST_INVAL, 0, "the URL is neither http:// nor https://");
    if (request->method[0] == '\0' ||
        strspn(request->method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != strlen(request->method))
        return error_set(ret_err, ST_INVAL, 0, "the method is not a word in capitals");

    for (size_t i = 0; request->headers && request->headers[i]; i++) {
        const char *line = request->headers[i];
        if (strpbrk(line, "\r\n"))
            return error_set(ret_err, ST_INVAL, 0, "a request header holds a line break");
        if (!strchr(line, ':'))
            return error_set(ret_err, ST_INVAL, 0, "a request header has no colon");
    }

    struct error reason;
    if (request->proxy && url_check_proxy(request->proxy, &reason) != ST_OK)
        return error_set(ret_err, ST_INVAL, 0, "the proxy's URL cannot be used: %s", reason.text);
    return ST_OK;
}

enum status http_curl_prepare(CURL *easy, const struct http_request *request,
                              const char *user_agent, struct curl_slist **headers,
                              struct error *ret_err)
{
    enum status status = check_request(request, ret_err);
    if (status != ST_OK)
        return status;

    /* "Expect: 100-continue" would cost a round trip, or a second where the peer ignores it. */
    bool is_good = add_header(headers, "Expect:");
    for (size_t i = 0; is_good && request->headers && request->headers[i]; i++)
        is_good = add_header(headers, request->headers[i]);

    CURLcode code = is_good ? set_rules(easy) : CURLE_OUT_OF_MEMORY;
    if (code == CURLE_OK)
        code = set_trust(easy);
    if (code == CURLE_OK)
        code = set_proxy(easy, request->proxy);
    if (code == CURLE_OK)
        code = set_body(easy, request);
    int64_t connect_ms = request->connect_timeout_ms;
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(connect_ms > 0 ? connect_ms : CONNECT_TIMEOUT_MS));
    SET(CURLOPT_USERAGENT, user_agent);
    SET(CURLOPT_HTTPHEADER, *headers);
    SET(CURLOPT_URL, request->url);
    if (code != CURLE_OK)
        return error_set(ret_err, ST_INTERNAL, (int)code, "libcurl: %s", curl_easy_strerror(code));
    return ST_OK;
}

static const struct {
    CURLcode code;
    enum status status;
} code_status[] = {
    {CURLE_URL_MALFORMAT, ST_INVAL},
    {CURLE_OPERATION_TIMEDOUT, ST_TIMEOUT},
    {CURLE_PARTIAL_FILE, ST_PROTOCOL},
    {CURLE_WEIRD_SERVER_REPLY, ST_PROTOCOL},
    {CURLE_BAD_CONTENT_ENCODING, ST_PROTOCOL},
    /* http and https are the only ones we let through, so this is an HTTP/0.9 answer. */
    {CURLE_UNSUPPORTED_PROTOCOL, ST_PROTOCOL},
    {CURLE_SSL_CONNECT_ERROR, ST_TLS},
    {CURLE_PEER_FAILED_VERIFICATION, ST_TLS},
    {CURLE_SSL_CERTPROBLEM, ST_TLS},
    {CURLE_SSL_CIPHER, ST_TLS},
    {CURLE_SSL_ENGINE_NOTFOUND, ST_TLS},
    {CURLE_SSL_ENGINE_SETFAILED, ST_TLS},
    {CURLE_SSL_ENGINE_INITFAILED, ST_TLS},
    {CURLE_SSL_CACERT_BADFILE, ST_TLS},
    {CURLE_SSL_CRL_BADFILE, ST_TLS},
    {CURLE_SSL_ISSUER_ERROR, ST_TLS},
    {CURLE_SSL_PINNEDPUBKEYNOTMATCH, ST_TLS},
    {CURLE_SSL_INVALIDCERTSTATUS, ST_TLS},
    {CURLE_SSL_CLIENTCERT, ST_TLS},
    {CURLE_OUT_OF_MEMORY, ST_INTERNAL},
    {CURLE_FAILED_INIT, ST_INTERNAL},
    {CURLE_BAD_FUNCTION_ARGUMENT, ST_INTERNAL},
};

static enum status status_of(CURLcode code)
{
    for (size_t i = 0; i < sizeof(code_status) / sizeof(code_status[0]); i++)
        if (code_status[i].code == code)
            return code_status[i].status;
    return ST_NET; /* resolving, connecting, sending, receiving, the proxy: the large rest */
}

enum status http_curl_proxy_denied(struct error *ret_err)
{
    return error_set(ret_err, ST_NET, 407,
                     "the proxy wants a user and a password, or refuses the ones it got (407)");
}

enum status http_curl_result(CURL *easy, CURLcode code, const char *detail, struct error *ret_err)
{
    if (code == CURLE_OK)
        return error_set(ret_err, ST_OK, 0, "%s", "");

    long connect_status = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &connect_status);
    if (connect_status == 407)
        return http_curl_proxy_denied(ret_err);
    if (connect_status >= 300)
        return error_set(ret_err, ST_NET, (int)connect_status, "the proxy answered %ld to CONNECT",
                         connect_status);

    const char *text = detail[0] ? detail : curl_easy_strerror(code);
    DB_CLEANUP(free_charp) char *masked = log_masked(str_of(text));
    return error_set(ret_err, status_of(code), (int)code, "%s", masked);
}
