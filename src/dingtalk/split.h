/* A long markdown text in parts that each stay below a limit and render on their own. */
#ifndef DB_DINGTALK_SPLIT_H
#define DB_DINGTALK_SPLIT_H

#include <stddef.h>

#include "util/buf.h"
#include "util/str.h"

#define SPLIT_MAX_SMALLEST 64 /* a smaller `max` is taken as this */

struct split {
    char **parts; /* never empty: an empty text gives one empty part */
    size_t n;
};

/*
 * Cuts at paragraphs, else lines, else characters, so that `cost(part)` ≤ max for every part (cost
 * = bytes the text takes in its message, at least its length, and additive: what two texts cost
 * together is the sum; NULL: its length). A code fence that is cut is closed in one part and
 * reopened with its language in the next. A text that fits is left as it is; else no part begins
 * or ends with white space outside code, and none is blank. The same input gives the same parts.
 */
struct split split_markdown(struct str text, size_t max, size_t (*cost)(struct str part));
void split_done(struct split *split);

/* The code fence that is open at the end of a text: what closes it there is appended to `close`,
 * what opens it again for the text behind to `reopen` (NULL: not wanted). Nothing where none is. */
void split_open_fence(struct str text, struct buf *close, struct buf *reopen);

#endif
