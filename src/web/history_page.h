/* What was said as a page: for reading on a screen, on a phone and on paper. No scripts, nothing
 * from elsewhere. */
#ifndef DB_WEB_HISTORY_PAGE_H
#define DB_WEB_HISTORY_PAGE_H

#include <stdbool.h>

#include "chat/words.h"
#include "store/store.h"
#include "util/buf.h"

struct history_page {
    enum language language;
    const char *what; /* which exchanges */
    int64_t expires_ms;
    const struct store_said *items; /* oldest first */
    size_t n_items;
    bool has_older;
    bool has_newer;
};
/* Days, in them conversations, in them exchanges. */
void history_page_write(const struct history_page *page, struct buf *out);
/* A page of one sentence, for a link that opens nothing. */
void history_page_write_notice(enum language language, const char *title, const char *text,
                               struct buf *out);

/* The Content-Security-Policy that lets these pages have their style and nothing else. */
void history_page_write_policy(struct buf *out);

#endif
