/* The chat's settings as a copy of its own, kept alive by whoever still uses it: turns that began
 * before a change go on with the templates they found. */
#ifndef DB_CHAT_SETTINGS_H
#define DB_CHAT_SETTINGS_H

#include "chat/chat.h"

struct settings {
    struct chat_settings values; /* strings and arrays are its own */
    int refs;
};

/* Everything is copied; the caller holds the first reference. */
struct settings *settings_new(const struct chat_settings *values);
struct settings *settings_ref(struct settings *settings);
void settings_unref(struct settings *settings); /* NULL is fine */

#endif
