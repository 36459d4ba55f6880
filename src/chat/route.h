/* What a text means: a command, a template, an image, or a question. Pure: it looks at nothing but
 * the text and the tables. */
#ifndef DB_CHAT_ROUTE_H
#define DB_CHAT_ROUTE_H

#include <stdbool.h>

#include "chat/platform.h"
#include "chat/template.h"
#include "util/str.h"

struct command;

struct route {
    const struct command *command;   /* NULL: a template or a question */
    const struct template *template; /* NULL: a command or a question */
    struct str argument; /* borrowed from the text: what follows the name, or the whole question */
};

/* What people typed, trimmed and without a leading mention of the robot. Borrowed from the message.
 */
struct str route_typed(const struct message *message);
/* `typed` as from route_typed. */
struct route route_find(struct str typed, const struct template *templates, size_t n_templates);
/* True for what costs an LLM exchange: questions, templates with content, images. */
bool route_is_charged(const struct route *route);

#endif
