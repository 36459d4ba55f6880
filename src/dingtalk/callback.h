/* The way in by HTTP: POST / → signature → message → receiver → 200 once it is stored. */
#ifndef DB_DINGTALK_CALLBACK_H
#define DB_DINGTALK_CALLBACK_H

#include "chat/platform.h"
#include "net/http_server.h"
#include "net/url.h"

struct callback;

struct callback_settings {
    const char *const *secrets; /* copied; none: signatures are not asked for */
    const char *const *apps; /* copied: the client_id that each secret belongs to, "" when unknown;
                                NULL: all unknown */
    size_t n_secrets;
    const struct url_host_rule
        *rules; /* borrowed: a message whose webhook is not allowed is refused with 400 */
    size_t n_rules;
};

/* Registers POST / on the server. Borrows server and receiver. */
struct callback *callback_new(struct http_server *server, struct receiver *receiver,
                              const struct callback_settings *settings);
/* Forgets what the receiver has not answered yet: it must be silent by now, and the server must not
 * call any more. NULL is fine. */
void callback_free(struct callback *callback);
/* From now on new messages are answered 503: the process is about to stop. */
void callback_stop(struct callback *callback);

#endif
