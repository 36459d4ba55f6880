#include "chat/route.h"

#include "chat/commands.h"
#include "chat/templates.h"

/* A mention ends at ASCII white space or at the four-per-em space that DingTalk's clients put
 * behind it. */
static size_t mention_length(struct str text)
{
    for (size_t at = 1; at < text.n;) {
        uint32_t cp;
        size_t len = utf8_decode(str_sub(text, at, text.n), &cp);
        if (cp == ' ' || cp == '\t' || cp == '\n' || cp == '\r' || cp == 0x2005 || cp == 0x3000)
            return at;
        at += len;
    }
    return text.n;
}

struct str route_typed(const struct message *message)
{
    struct str text = str_trim(str_of(message->text));
    if (text.n == 0 || text.p[0] != '@')
        return text;
    struct str nick = str_of(message->robot_nick);
    if (nick.n > 0 && str_starts(str_sub(text, 1, text.n), nick))
        return str_trim(str_sub(text, 1 + nick.n, text.n));
    if (message->is_group && message->is_only_robot_mentioned)
        return str_trim(str_sub(text, mention_length(text), text.n));
    return text;
}

/* The command that a text names, and how many of its bytes are the name. */
static const struct command *find_command(struct str typed, size_t *ret_len)
{
    size_t n;
    const struct command *table = commands_table(&n);
    const struct command *best = NULL;
    for (size_t i = 0; i < n; i++) {
        for (const char *const *name = table[i].names; *name; name++) {
            struct str word = str_of(*name);
            bool fits = table[i].takes_text ? str_starts(typed, word) : str_eq(typed, word);
            if (fits && (!best || word.n > *ret_len)) {
                best = &table[i];
                *ret_len = word.n;
            }
        }
    }
    return best;
}

struct route route_find(struct str typed, const struct template *templates, size_t n_templates)
{
    struct route route = {.argument = typed};
    size_t command_len = 0;
    const struct command *command = find_command(typed, &command_len);
    struct str rest = {0};
    const struct template *template = templates_find(templates, n_templates, typed, &rest);
    if (command && (!template || command_len >= str_of(template->title).n)) {
        route.command = command;
        route.argument = str_trim(str_sub(typed, command_len, typed.n));
    } else if (template) {
        route.template = template;
        route.argument = rest;
    }
    return route;
}

bool route_is_charged(const struct route *route)
{
    if (route->command)
        return route->command->is_asking || (route->command->is_charged && route->argument.n > 0);
    return route->argument.n > 0;
}
