#include "chat/admit.h"

#include <stdio.h>

#include "chat/commands.h"
#include "chat/turn.h"
#include "chat/turn_tools.h"
#include "llm/tokens.h"
#include "util/clock.h"
#include "util/log.h"

static const char *const admission_names[] = {
    [TURN_ADMITTED] = "admitted", [TURN_NOT_ALLOWED] = "not_allowed",
    [TURN_NO_TOOLS] = "no_tools", [TURN_NOT_ADMIN] = "not_admin",
    [TURN_TOO_LONG] = "too_long", [TURN_SENSITIVE] = "sensitive_word",
};

static bool is_text(const struct turn *turn)
{
    return str_eq(str_of(turn->message.kind), STR_LIT("text"));
}

static enum admission judge(struct turn *turn)
{
    const struct policy *policy = access_policy(turn->chat->access);
    const struct command *command = is_text(turn) ? turn->route.command : NULL;
    if (command && command->is_for_all)
        return TURN_ADMITTED;
    turn->judgement = policy_judge(policy, &turn->message);
    if (turn->judgement.verdict != POLICY_PASS)
        return TURN_NOT_ALLOWED;
    if (command && command->is_for_admins && !policy_is_admin(policy, &turn->message))
        return TURN_NOT_ADMIN;
    if (command && command->is_tool && !turn_tools_are_open(turn))
        return turn->chat->settings.tools_for == CHAT_TOOLS_FOR_NOBODY ? TURN_NO_TOOLS
                                                                       : TURN_NOT_ADMIN;
    int64_t limit = turn->chat->settings.max_question_tokens;
    if (limit > 0 && route_is_charged(&turn->route) && turn->route.argument.n > 0) {
        turn->question_tokens = tokens_estimate(turn->route.argument);
        if (turn->question_tokens > limit)
            return TURN_TOO_LONG;
    }
    if (route_is_charged(&turn->route) &&
        filter_finds(access_filter(turn->chat->access), turn->route.argument))
        return TURN_SENSITIVE;
    return TURN_ADMITTED;
}

void admit_judge(struct turn *turn)
{
    /* Before it is known who may ask, nobody is refused: the turn waits, and is judged again. */
    if (turn->admission == TURN_ADMITTED && access_is_loaded(turn->chat->access))
        turn->admission = judge(turn);
}

static void say_not_admin(struct turn *turn)
{
    const struct message *message = &turn->message;
    bool is_known = message->is_vouched && *message->sender_staff_id;
    const char *id = *message->sender_staff_id ? message->sender_staff_id : message->sender;
    turn_put(turn, is_known ? WORD_NOT_ADMIN : WORD_NOT_ADMIN_UNKNOWN,
             (const char *const[]){id, NULL});
}

static void say_too_long(struct turn *turn)
{
    char size[24], limit[24];
    (void)snprintf(size, sizeof(size), "%lld", (long long)turn->question_tokens);
    (void)snprintf(limit, sizeof(limit), "%lld",
                   (long long)turn->chat->settings.max_question_tokens);
    turn_put(turn, WORD_QUESTION_TOO_LONG, (const char *const[]){size, limit, NULL});
}

/* What was asked is kept: those who answer for the words want to know. */
static void say_sensitive(struct turn *turn)
{
    turn->kind = turn->route.template ? "template" : turn->route.command ? "image" : "question";
    buf_add_str(&turn->question, turn->route.argument);
    turn_put(turn, WORD_SENSITIVE, NULL);
}

bool admit_refuse(struct turn *turn)
{
    admit_judge(turn);
    if (turn->admission == TURN_ADMITTED)
        return false;
    const struct policy_judgement *judgement = &turn->judgement;
    bool is_told =
        turn->admission != TURN_NOT_ALLOWED ||
        access_may_tell(turn->chat->access, &turn->message, judgement->verdict, clock_mono_ms());
    turn->outcome = "refused";
    turn->chat->stats.refused++;
    log_event(is_told ? LOG_INFO : LOG_DEBUG, "turn", "refused", LOG_S("ref", turn->reference),
              LOG_S("reason", admission_names[turn->admission]),
              LOG_S("id", judgement->id ? judgement->id : ""));
    if (!is_told) {
        turn_end_silently(turn);
        return true;
    }
    if (turn->admission == TURN_NOT_ADMIN)
        say_not_admin(turn);
    else if (turn->admission == TURN_NO_TOOLS)
        turn_put(turn, WORD_TOOLS_OFF, NULL);
    else if (turn->admission == TURN_TOO_LONG)
        say_too_long(turn);
    else if (turn->admission == TURN_SENSITIVE)
        say_sensitive(turn);
    else
        turn_put(turn, judgement->word, (const char *const[]){judgement->id, NULL});
    turn_say(turn);
    return true;
}
