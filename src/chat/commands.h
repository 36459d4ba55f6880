/* The command words. A command is a row: its names, whether text follows, its line in the help, and
 * what it does. */
#ifndef DB_CHAT_COMMANDS_H
#define DB_CHAT_COMMANDS_H

#include <stdbool.h>

#include "util/str.h"

struct admin_order;
struct turn;

struct command {
    const char *const
        *names;      /* NULL-terminated; matched exactly, or as the beginning when takes_text */
    bool takes_text; /* anything behind the name */
    bool is_charged; /* with text behind it, counts against the daily limit */
    /* Moves the turn on: turn_say, turn_draw, … exactly one of them. */
    void (*run)(struct turn *turn, struct str argument);
    const char *usage; /* as typed, for the help; NULL: not listed */
    const char *help_zh;
    const char *help_en;
    /* Optional: at once when the message is stored, before its turn in its session comes. */
    void (*arrive)(struct turn *turn);
    bool is_for_admins;              /* others are told so */
    bool is_tool;                    /* for those whom tools_for names */
    bool is_for_all;                 /* answers those too who may not ask */
    const struct admin_order *order; /* of admin_change */
    bool takes_word; /* text behind white space only: names that are words of a language */
    bool is_asking; /* ends in a question to the LLM: counts against the limit, wants the context */
};

const struct command *commands_table(size_t *ret_n);

#endif
