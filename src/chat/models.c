#include "chat/models.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "chat/turn.h"

#define MODELS_MAX 64

static bool may_choose(const struct turn *turn)
{
    switch (turn->chat->settings.model_choice) {
    case CHAT_CHOICE_NOBODY:
        return false;
    case CHAT_CHOICE_ADMINS:
        return policy_is_admin(access_policy(turn->chat->access), &turn->message);
    case CHAT_CHOICE_USERS:
        return true;
    }
    return false;
}

const char *models_wanted(const struct turn *turn)
{
    return may_choose(turn) ? turn->wanted_model : NULL;
}

/* The one of that name, Latin letters in either case; NULL when there is none. */
static const struct llm_choice *find(const struct llm_choice *choices, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq_nocase(str_of(choices[i].name), name))
            return &choices[i];
    }
    return NULL;
}

static void put_rest(struct turn *turn, int64_t rest_ms)
{
    char seconds[24];
    struct buf duration = BUF_INIT(64);
    (void)snprintf(seconds, sizeof(seconds), "%lld", (long long)(rest_ms + 999) / 1000);
    words_put(&duration, turn->chat->settings.language, WORD_DURATION_SECONDS,
              (const char *const[]){seconds, NULL});
    turn_put(turn, WORD_MODEL_RESTS, (const char *const[]){buf_cstr(&duration), NULL});
    buf_done(&duration);
}

/* The model that a question would go to first is marked, and those that are left alone now. */
static void put_list(struct turn *turn, const struct llm_choice *choices, size_t n)
{
    const char *wanted = models_wanted(turn);
    const struct llm_choice *chosen = wanted ? find(choices, n, str_of(wanted)) : NULL;
    turn_put(turn, WORD_MODELS_HEAD, NULL);
    for (size_t i = 0; i < n; i++) {
        buf_printf(&turn->shown, "- **%s**", choices[i].name);
        if (strcmp(choices[i].name, choices[i].model) != 0)
            buf_printf(&turn->shown, " `%s`", choices[i].model);
        if (i == 0)
            turn_put(turn, WORD_MODEL_IS_DEFAULT, NULL);
        if (&choices[i] == (chosen ? chosen : choices))
            turn_put(turn, WORD_MODEL_IS_CHOSEN, NULL);
        if (choices[i].rest_ms > 0)
            put_rest(turn, choices[i].rest_ms);
        buf_puts(&turn->shown, "\n");
    }
    if (may_choose(turn) && n > 1)
        turn_put(turn, WORD_MODELS_TAIL, NULL);
}

static void say_not_allowed(struct turn *turn)
{
    bool is_for_admins = turn->chat->settings.model_choice == CHAT_CHOICE_ADMINS;
    turn_put(turn, is_for_admins ? WORD_MODEL_FOR_ADMINS : WORD_MODEL_FOR_NOBODY, NULL);
    turn_say(turn);
}

static void choose(struct turn *turn, const struct llm_choice *choice, const char *name)
{
    turn->change = STORE_SESSION_SET_MODEL;
    turn->new_model = name;
    turn_put(turn, *name ? WORD_MODEL_CHOSEN : WORD_MODEL_DEFAULT,
             (const char *const[]){choice->name, NULL});
    turn_say(turn);
}

void models_run(struct turn *turn, struct str argument)
{
    struct llm_choice choices[MODELS_MAX];
    size_t n = llm_choices(turn->chat->llm, choices, MODELS_MAX);
    const struct llm_choice *choice = find(choices, n, argument);
    bool is_back = str_eq(argument, STR_LIT("默认")) || str_eq_nocase(argument, STR_LIT("default"));
    if (argument.n == 0) {
        put_list(turn, choices, n);
        turn_say(turn);
    } else if (!may_choose(turn)) {
        say_not_allowed(turn);
    } else if (choice) {
        choose(turn, choice, choice->name);
    } else if (is_back) {
        choose(turn, &choices[0], "");
    } else {
        turn_put(turn, WORD_MODEL_UNKNOWN, NULL);
        put_list(turn, choices, n);
        turn_say(turn);
    }
}
