/* The set of prompt templates, the operator's or the built-in ones, and finding the one a message
 * begins with. */
#ifndef DB_CHAT_TEMPLATES_H
#define DB_CHAT_TEMPLATES_H

#include <stddef.h>

#include "chat/template.h"
#include "util/str.h"

/* The templates the program brings along; in use when there is no prompt.yml. */
const struct template *templates_builtin(size_t *ret_n);

/* The bytes of a '#' that the text begins with, or of its full-width form, which Chinese keyboards
 * give as well; 0 for none. */
size_t templates_hash_length(struct str text);

/*
 * The template whose title `text` begins with: the longest wins, Latin letters match in either
 * case, and either '#' is one. NULL when there is none. What follows the title, trimmed, goes to
 * *ret_rest.
 */
const struct template *templates_find(const struct template *items, size_t n, struct str text,
                                      struct str *ret_rest);

#endif
