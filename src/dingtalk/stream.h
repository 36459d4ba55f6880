/*
 * The way in without a public address: DingTalk's stream mode. For each application one connection
 * that we open: ticket → WebSocket → frames. A message is acknowledged once it is stored; one that
 * could not be stored is not, and comes again. Applications do not disturb each other.
 *
 * A connection that DingTalk announces to end is replaced first and drained then; one that broke is
 * opened again after 1 s, doubled up to 60 s, from the start again once it was up for 30 s; refused
 * credentials wait at least 60 s.
 */
#ifndef DB_DINGTALK_STREAM_H
#define DB_DINGTALK_STREAM_H

#include "chat/platform.h"
#include "dingtalk/api.h"
#include "dingtalk/card_action.h"
#include "net/loop.h"
#include "net/websocket.h"

struct stream;

struct stream_settings {
    const struct api_credential *credentials; /* copied */
    size_t n_credentials;
    const char *proxy;           /* "": none; copied */
    bool is_plain_allowed;       /* ws:// endpoints, where the API itself is asked by http:// */
    int64_t ping_interval_ms;    /* silence of two intervals is death; default 20 s */
    int64_t first_rest_ms;       /* default 1 s */
    int64_t refused_rest_ms;     /* default 60 s */
    int64_t healthy_ms;          /* default 30 s */
    int64_t drain_connection_ms; /* how long an announced end is waited for; default 10 s */
    /* Somebody used a card; the answer has gone out by then. `client_id`: whose stream. */
    void (*on_card)(const char *client_id, const struct card_action *action, void *arg);
    void *arg;
};
#define STREAM_SETTINGS_DEFAULT           \
    ((struct stream_settings){            \
        .proxy = "",                      \
        .ping_interval_ms = 20 * 1000,    \
        .first_rest_ms = 1000,            \
        .refused_rest_ms = 60 * 1000,     \
        .healthy_ms = 30 * 1000,          \
        .drain_connection_ms = 10 * 1000, \
    })

/* Opens the connections at once. Borrows loop, api, client and receiver. */
struct stream *stream_new(struct loop *loop, struct api *api, struct websocket_client *client,
                          struct receiver *receiver, const struct stream_settings *settings);
/* The receiver must be silent by now. NULL is fine. */
void stream_free(struct stream *stream);
/* No new messages: closes the connections in order, and opens none again. */
void stream_stop(struct stream *stream);

struct stream_stats {
    size_t wanted; /* one an application */
    size_t up;
    int64_t opened;  /* connections, since the start */
    int64_t dropped; /* frames that could not be used */
};
void stream_get_stats(const struct stream *stream, struct stream_stats *ret_stats);

#endif
