/*
 * The wiring that every way of running shares: from a configuration to loop, store, LLM and chat.
 * What differs (the platform, the HTTP port) is added by serve.c and terminal.c.
 */
#ifndef DB_APP_BRIDGE_H
#define DB_APP_BRIDGE_H

#include <stdio.h>

#include "chat/chat.h"
#include "chat/history_link.h"
#include "chat/image_store.h"
#include "chat/meter.h"
#include "config/config.h"
#include "config/prompts.h"
#include "llm/llm.h"
#include "net/http_client.h"
#include "net/url.h"
#include "net/work.h"
#include "store/store.h"
#include "tools/tools.h"

struct bridge {
    struct config *config; /* as it was at the start */
    struct config *live;   /* as it was read last; what may change while running counts */
    struct prompts prompts;
    struct loop *loop;
    struct work *work;
    struct http_client *client;
    struct llm *llm;
    struct store *store;
    struct meter *meter;
    struct image_store *images;
    struct tools *tools;
    struct history_key history_key;
    struct platform *platform;
    struct chat *chat;
    struct url_host_rule *webhook_rules;
    size_t n_webhook_rules;
};

/*
 * Finds and reads the configuration (`path` NULL: the default places). With no file and no key in
 * the environment this is demo mode, and said so on standard error. Prints every problem; returns a
 * sysexits code, 0 when the configuration can be used. *ret_warnings counts what was only worth a
 * warning (NULL is fine).
 */
int bridge_load_config(const char *path, struct config **ret_config, int *ret_warnings);

/* The same without a word, and all problems for the caller. ST_NOT_FOUND, ST_INVAL. */
enum status bridge_read_config(const char *path, struct config **ret_config,
                               struct config_problems *ret_problems);

/* loop, worker, HTTP client, LLM; then the prompts. Takes the config over. Returns a sysexits code;
 * on failure the reason has been printed and bridge_close must still be called. */
int bridge_open(struct bridge *bridge, struct config *config);
/* Data directory, store (a file of that name in it), images, the meter of API calls, the key
 * of links to what was said. */
int bridge_open_data(struct bridge *bridge, const char *db_name);
/* Chat on the given platform, which is taken over. */
void bridge_open_chat(struct bridge *bridge, struct platform *platform);
/* Nothing moves any more and no callback of store or worker is left: what they reach into may be
 * freed now. */
void bridge_quiesce(struct bridge *bridge);
/* After bridge_quiesce: chat and platform, before what the platform stands on. */
void bridge_close_chat(struct bridge *bridge);
/* Everything in the right order. What was not opened is skipped. */
void bridge_close(struct bridge *bridge);

#endif
