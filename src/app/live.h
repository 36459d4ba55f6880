/* What may change while the program runs: from the configuration to the chat, at the start and
 * again on SIGHUP. */
#ifndef DB_APP_LIVE_H
#define DB_APP_LIVE_H

#include "app/bridge.h"

/* The chat's settings by bridge->live; everything that needs a restart is taken from
 * bridge->config. `use` gets them, borrowed for the call. */
void live_with_settings(const struct bridge *bridge, const struct prompts *prompts,
                        void (*use)(const struct chat_settings *settings, void *arg), void *arg);

/* Reads configuration and prompts again. When anything in them is wrong, nothing changes and the
 * log says why; keys that need a restart are named there. */
void live_reload(struct bridge *bridge);

#endif
