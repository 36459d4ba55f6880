/*
 * The DingTalk side of `serve`: its API with the call meter, the platform that answers (webhook,
 * cards), and in stream mode the connections that messages come by.
 */
#ifndef DB_APP_DINGTALK_H
#define DB_APP_DINGTALK_H

#include "app/bridge.h"
#include "dingtalk/api.h"
#include "dingtalk/stream.h"

struct dingtalk {
    struct bridge *bridge;
    struct api_credential *credentials; /* of the configuration */
    struct api *api;                    /* NULL without credentials */
    struct platform *platform;          /* the bridge's once chat is open */
    bool has_cards;
    struct websocket_client *websockets;
    struct stream *stream; /* NULL where messages come by HTTP */
};

/* After bridge_open_data. */
void dingtalk_open(struct dingtalk *dingtalk, struct bridge *bridge);
/* After bridge_open_chat: connects in stream mode. ST_INTERNAL when there are no sockets to be had.
 */
enum status dingtalk_start(struct dingtalk *dingtalk) DB_MUST_CHECK;
/* No new messages. */
void dingtalk_stop(struct dingtalk *dingtalk);
/* After bridge_close_chat, which frees the platform. */
void dingtalk_close(struct dingtalk *dingtalk);

/* Lines for /metrics. */
void dingtalk_put_metrics(const struct dingtalk *dingtalk, struct buf *out);

#endif
