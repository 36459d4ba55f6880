/* What the HTTP port serves besides the callback: health, metrics, images. In every run mode. */
#ifndef DB_WEB_WEB_H
#define DB_WEB_WEB_H

#include "chat/chat.h"
#include "net/http_server.h"

struct web;

/* Registers GET /, /metrics and /images/NAME. Borrows everything; free it before the server. */
struct web *web_new(struct http_server *server, struct chat *chat, struct image_store *images);
/* More lines for /metrics, in Prometheus' text format. At most one. */
typedef void (*web_metrics_fn)(struct buf *out, void *arg);
void web_add_metrics(struct web *web, web_metrics_fn fn, void *arg);
void web_free(
    struct web *web); /* NULL is fine; only when no image is being read (after work_free) */

#endif
