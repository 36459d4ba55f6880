/*
 * Access tokens, one an application: fetched once for all who wait for it, kept until they end,
 * fetched anew some minutes ahead of that (DingTalk documentation KB-0033: 7200 s; asking again
 * before the end gives the same token). Tokens are never logged.
 */
#ifndef DB_DINGTALK_TOKEN_H
#define DB_DINGTALK_TOKEN_H

#include <stdint.h>

#include "dingtalk/api_answer.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "util/list.h"

struct token_settings {
    const char *client_id;
    const char *client_secret;
    const char *url; /* …/v1.0/oauth2/accessToken; all borrowed */
    const char *proxy;
};

struct token;

struct token *token_new(struct loop *loop, struct http_client *client,
                        const struct token_settings *settings);
void token_free(struct token *token); /* forgets those who wait; NULL is fine */

/* Somebody who wants the token; embedded in his own struct. */
struct token_waiter {
    struct list node; /* initialised by token_get */
    /* Once, never before token_get returned. `text` is borrowed, NULL when there is none: then the
     * reading tells why. */
    void (*fn)(struct token_waiter *waiter, const char *text, const struct api_reading *failure);
};
void token_get(struct token *token, struct token_waiter *waiter);
void token_leave(struct token_waiter *waiter); /* wants it no more; needs a list_init'ed node */
/* DingTalk does not take that text any more: the next one who asks has a new one fetched. */
void token_drop(struct token *token, const char *text);

#endif
