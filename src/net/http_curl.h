/* What http_client asks of one libcurl transfer, and libcurl's results in our words. */
#ifndef DB_NET_HTTP_CURL_H
#define DB_NET_HTTP_CURL_H

#include <curl/curl.h>

#include "net/http_client.h"

/* Sets everything that follows from the request and from our rules; callbacks are the caller's.
 * The headers must be freed after the handle, also on failure. ST_INVAL with a reason for a URL, a
 * proxy, a method or a header that cannot be sent. */
enum status http_curl_prepare(CURL *easy, const struct http_request *request,
                              const char *user_agent, struct curl_slist **headers,
                              struct error *ret_err) DB_MUST_CHECK;

/* Fills the error of a transfer that ended with `code`: without URL queries, user-info or secrets.
 * `detail` is what CURLOPT_ERRORBUFFER holds. ST_OK for CURLE_OK. */
enum status http_curl_result(CURL *easy, CURLcode code, const char *detail, struct error *ret_err);

/* The words for a proxy's 407, which plain HTTP meets as an answer and TLS as a failure. */
enum status http_curl_proxy_denied(struct error *ret_err);

#endif
