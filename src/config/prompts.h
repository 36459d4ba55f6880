/* prompt.yml: the operator's own templates, in the newer form (title, prefix, suffix) and the older
 * one (title, content). */
#ifndef DB_CONFIG_PROMPTS_H
#define DB_CONFIG_PROMPTS_H

#include <stddef.h>

#include "config/config.h"
#include "util/status.h"

struct prompt {
    char *title; /* always with its leading '#' */
    char *prefix;
    char *suffix;
};

struct prompts {
    struct prompt *items;
    size_t n;
    bool is_there; /* the file exists, even if it holds none */
};

/* ST_NOT_FOUND when there is no such file (no problem is added); ST_INVAL with the problems when it
 * cannot be used. Entries that are unusable on their own (no title, twice the same) are warnings
 * and left out. */
enum status prompts_load(const char *file, struct prompts *ret_prompts,
                         struct config_problems *problems) DB_MUST_CHECK;
void prompts_done(struct prompts *prompts);

#endif
