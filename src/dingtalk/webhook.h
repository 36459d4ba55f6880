/*
 * Answers through the message's own session webhook: the sink that sends whole messages. Splits
 * below DingTalk's 20,000 bytes, mentions the asker, reads errcode and acts on it (busy: again; too
 * long: split smaller; throttled: later; expired: by the robot's own API where we hold its
 * application's credentials, else ST_NOT_FOUND).
 */
#ifndef DB_DINGTALK_WEBHOOK_H
#define DB_DINGTALK_WEBHOOK_H

#include "chat/platform.h"
#include "dingtalk/api.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/url.h"
#include "net/work.h"

struct webhook_settings {
    const struct url_host_rule *rules; /* borrowed */
    size_t n_rules;
    const char *proxy;         /* "": none; borrowed */
    struct api *api;           /* borrowed; NULL: no credentials */
    struct work *work;         /* borrowed; needed with api */
    int64_t busy_delay_ms;     /* before repeating after errcode -1, 5xx; default 1000 */
    int64_t throttle_delay_ms; /* after 130101/410100; default 60 s */
    size_t max_message_bytes;  /* default 19,500: below DingTalk's 20,000 */
};
#define WEBHOOK_SETTINGS_DEFAULT                               \
    ((struct webhook_settings){.proxy = "",                    \
                               .busy_delay_ms = 1000,          \
                               .throttle_delay_ms = 60 * 1000, \
                               .max_message_bytes = 19500})

/* Free it after work_free. */
struct platform *webhook_platform_new(struct loop *loop, struct http_client *client,
                                      const struct webhook_settings *settings);

#endif
