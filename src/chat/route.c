#include "chat/route.h"

#include "chat/commands.h"
#include "chat/templates.h"

/* A mention ends at ASCII white space or at the four-per-em space that DingTalk's clients put
 * behind it. */
static size_t mention_length(struct str text, size_t from)
{
    for (size_t at = from; at < text.n;) {
        uint32_t cp;
        size_t len = utf8_decode(str_sub(text, at, text.n), &cp);
        if (cp == ' ' || cp == '\t' || cp == '\n' || cp == '\r' || cp == 0x2005 || cp == 0x3000)
            return at;
        at += len;
    }
    return text.n;
}

static bool takes(const struct command *command, struct str text, struct str name)
{
    if (command->takes_text)
        return str_starts_nocase(text, name);
    if (str_eq_nocase(text, name))
        return true;
    struct str rest = str_sub(text, name.n, text.n);
    return command->takes_word && str_starts_nocase(text, name) && mention_length(rest, 0) == 0;
}

/* The command that a text names, Latin letters in either case, and how many of its bytes are the
 * name. */
static const struct command *find_command(struct str typed, size_t *ret_len)
{
    size_t n;
    const struct command *table = commands_table(&n);
    const struct command *best = NULL;
    size_t hash_len = templates_hash_length(typed);
    struct str named = str_sub(typed, hash_len, typed.n);
    for (size_t i = 0; i < n; i++) {
        for (const char *const *name = table[i].names; *name; name++) {
            struct str word = str_of(*name);
            bool has_hash = **name == '#';
            struct str rest = has_hash ? named : typed;
            if (has_hash)
                word = str_sub(word, 1, word.n);
            bool fits = (!has_hash || hash_len > 0) && takes(&table[i], rest, word);
            size_t len = word.n + (has_hash ? hash_len : 0);
            if (fits && (!best || len > *ret_len)) {
                best = &table[i];
                *ret_len = len;
            }
        }
    }
    return best;
}

/* True when the text begins with the name and the name ends there. */
static bool is_named(struct str text, struct str name)
{
    struct str rest = str_sub(text, name.n, text.n);
    return name.n > 0 && str_starts(text, name) && (rest.n == 0 || mention_length(rest, 0) == 0);
}

/*
 * DingTalk mostly takes the robot's mention away and leaves the blank that stood behind it: what
 * follows such a blank with an @ is the person's own word (`@Override`), unless a command stands
 * behind it.
 */
struct str route_typed(const struct message *message)
{
    struct str text = str_trim(str_of(message->text));
    if (text.n == 0 || text.p[0] != '@')
        return text;
    struct str nick = str_of(message->robot_nick);
    if (is_named(str_sub(text, 1, text.n), nick))
        return str_trim(str_sub(text, 1 + nick.n, text.n));
    if (!message->is_group || !message->is_only_robot_mentioned)
        return text;
    struct str rest = str_trim(str_sub(text, mention_length(text, 1), text.n));
    size_t len;
    bool is_taken_away =
        message->text[0] != '@' && templates_hash_length(rest) == 0 && !find_command(rest, &len);
    return is_taken_away ? text : rest;
}

struct route route_find(struct str typed, const struct template *templates, size_t n_templates)
{
    struct route route = {.argument = typed};
    size_t command_len = 0;
    const struct command *command = find_command(typed, &command_len);
    struct str rest = {0};
    const struct template *template = templates_find(templates, n_templates, typed, &rest);
    size_t template_len =
        template ? str_of(template->title + 1).n + templates_hash_length(typed) : 0;
    if (command && command_len >= template_len) {
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
