/*
 * GET /history/TOKEN: what was said, for whoever has a link that chat/history_link signed. A page
 * at a time, or with ?format=md|csv|jsonl as a file. Every opening is in the audit before anything
 * is shown.
 */
#ifndef DB_WEB_HISTORY_H
#define DB_WEB_HISTORY_H

#include "chat/history_link.h"
#include "chat/words.h"
#include "net/http_server.h"
#include "store/store.h"

struct web_history;

/* Registers the route. Borrows server and store. */
struct web_history *web_history_new(struct http_server *server, struct store *store,
                                    const struct history_key *key, enum language language);
void web_history_free(struct web_history *history); /* after store_close; NULL is fine */

#endif
