/* Command text: three lines of the input are the robot's nick, an own template's title and what was
 * typed; the first byte chooses group, mention and the set of templates. Whatever it says, it is a
 * command, a template or a question, and what is asked is a trimmed part of what was typed. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "chat/commands.h"
#include "chat/route.h"
#include "chat/templates.h"
#include "util/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct str part, struct str whole)
{
    assert(part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n));
    assert(str_eq(str_trim(part), part));
}

static bool is_command(const struct command *command, struct str typed)
{
    for (const char *const *name = command->names; *name; name++) {
        struct str word = str_of(*name);
        /* The hash may be a full-width one. */
        struct str tail = word.n > 0 && word.p[0] == '#' ? str_sub(word, 1, word.n) : word;
        if (command->takes_text ? str_find(str_sub(typed, 0, word.n + 2), tail) >= 0
                                : str_eq(typed, word))
            return true;
    }
    return false;
}

static void check_route(struct str typed, const struct template *templates, size_t n)
{
    struct route route = route_find(typed, templates, n);
    struct route again = route_find(typed, templates, n);
    assert(route.command == again.command && route.template == again.template);
    assert(!route.command || !route.template);
    check_inside(route.argument, typed);
    if (utf8_is_valid(typed) && (!route.template || utf8_is_valid(str_of(route.template->title))))
        assert(utf8_is_valid(route.argument));

    if (route.command) {
        assert(is_command(route.command, typed));
        assert(route.command->takes_text || route.argument.n == 0);
    } else if (route.template) {
        assert(route.template >= templates && route.template <templates + n);
        struct str name = str_of(route.template->title + 1);
        bool is_there = false;
        for (size_t hash_len = 1; hash_len <= 3; hash_len++)
            is_there |= str_starts_nocase(str_sub(typed, hash_len, typed.n), name);
        assert(is_there);
    } else {
        assert(typed.n > 0);
        assert(str_eq(route.argument, typed));
    }
    if (route_is_charged(&route))
        assert(route.argument.n > 0 || (route.command && route.command->is_asking));
}

static void check_message(const struct message *message, const struct template *own)
{
    struct str whole = str_of(message->text);
    struct str typed = route_typed(message);
    check_inside(typed, whole);
    if (utf8_is_valid(whole) && utf8_is_valid(str_of(message->robot_nick)))
        assert(utf8_is_valid(typed));

    size_t n;
    const struct template *builtin = templates_builtin(&n);
    check_route(typed, builtin, n);
    check_route(typed, own, 1);
    check_route(typed, NULL, 0);
}

static char *next_line(struct str *rest)
{
    struct str line = str_cut(rest, '\n');
    return xstrndup(line.n ? line.p : "", line.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct str rest = {(const char *)data + 1, size - 1};
    DB_CLEANUP(free_charp) char *nick = next_line(&rest);
    DB_CLEANUP(free_charp) char *name = next_line(&rest);
    DB_CLEANUP(free_charp) char *title = xasprintf("#%s", name);
    DB_CLEANUP(free_charp) char *text = xstrndup(rest.n ? rest.p : "", rest.n);
    const struct template own = {title, "prefix", "suffix"};
    const struct message message = {
        .robot_nick = nick,
        .text = text,
        .is_group = data[0] & 1,
        .is_only_robot_mentioned = data[0] & 2,
    };
    check_message(&message, &own);
    return 0;
}
