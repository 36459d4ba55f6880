/* What was said as a file: Markdown, CSV or JSON Lines. Everything in it was written by others, so
 * that nothing of it may get out of its place. */
#ifndef DB_WEB_HISTORY_FORMAT_H
#define DB_WEB_HISTORY_FORMAT_H

#include <stdbool.h>

#include "chat/words.h"
#include "store/store.h"
#include "util/buf.h"

enum history_format { HISTORY_MARKDOWN, HISTORY_CSV, HISTORY_JSONL };

/* "md", "csv", "jsonl". False for anything else. */
bool history_format_find(struct str name, enum history_format *ret_format);
const char *history_format_name(enum history_format format);
const char *history_format_type(enum history_format format);

/* What comes before the first exchange; `what` says which they are. */
void history_format_begin(enum history_format format, enum language language, const char *what,
                          struct buf *out);
void history_format_put(enum history_format format, enum language language,
                        const struct store_said *said, struct buf *out);
/* After the last one. Not whole: there would be more, which nobody shall overlook. */
void history_format_end(enum history_format format, enum language language, bool is_whole,
                        struct buf *out);

/* "answered" and its like in words; the text itself when it is unknown. Shared with the page. */
const char *history_outcome(enum language language, const char *outcome);
const char *history_kind(enum language language, const char *kind);

#endif
