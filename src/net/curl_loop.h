/*
 * A libcurl multi handle that the event loop drives: libcurl's sockets and its timer are watched
 * here, and whoever owns the transfers is told whenever libcurl has been at work.
 */
#ifndef DB_NET_CURL_LOOP_H
#define DB_NET_CURL_LOOP_H

#include <curl/curl.h>
#include <stdbool.h>

#include "net/loop.h"

struct curl_loop;

/* `on_left(arg)` is called on the loop after each time libcurl worked and was left again: the place
 * to read its results and to call it. `name` must live as long. NULL when libcurl cannot. */
struct curl_loop *curl_loop_new(struct loop *loop, const char *name, loop_fn on_left,
                                void *arg) DB_MUST_CHECK;
/* The transfers must have been removed; kept connections are closed. NULL is fine. */
void curl_loop_free(struct curl_loop *curl);
CURLM *curl_loop_multi(struct curl_loop *curl);
/* True within libcurl's callbacks, where most of libcurl may not be called. */
bool curl_loop_is_inside(const struct curl_loop *curl);

#endif
