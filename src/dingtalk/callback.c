#include "dingtalk/callback.h"

#include <stdlib.h>

#include "dingtalk/message.h"
#include "dingtalk/signature.h"
#include "util/clock.h"
#include "util/list.h"
#include "util/log.h"
#include "util/mem.h"

struct callback {
    struct http_server *server;
    struct receiver *receiver;
    char **secrets;
    char **apps;
    size_t n_secrets;
    const struct url_host_rule *rules;
    size_t n_rules;
    struct list pending;
    bool is_stopped;
};

/* A message that the receiver has not said anything about yet. */
struct pending {
    struct list node;
    struct callback *callback;
    uint64_t request;
};

static void refuse(struct callback *callback, const struct http_server_request *request,
                   int http_status, const char *code, const char *reason)
{
    log_event(LOG_WARN, "callback", "refused", LOG_S("code", code), LOG_S("reason", reason),
              LOG_I("status", http_status), LOG_STR("peer", request->peer));
    http_server_reply_error(callback->server, request->id, http_status, code, reason);
}

/* The answer that says nothing into the conversation: replies go through the session webhook. */
static void acknowledge(struct callback *callback, uint64_t request)
{
    const struct http_reply reply = {.http_status = 200,
                                     .body = STR_LIT("{\"msgtype\":\"empty\"}")};
    http_server_reply(callback->server, request, &reply);
}

static void on_receipt(enum receipt receipt, void *arg)
{
    struct pending *pending = arg;
    if (receipt == RECEIPT_NOT_STORED)
        http_server_reply_error(pending->callback->server, pending->request, 503, "not_stored",
                                "the message could not be stored; send it again");
    else
        acknowledge(pending->callback, pending->request);
    list_remove(&pending->node);
    free(pending);
}

/* *ret_app: the application whose secret vouches for the message; NULL where nobody does. */
static bool check_signature(struct callback *callback, const struct http_server_request *request,
                            const char **ret_app)
{
    struct error error;
    size_t which;
    *ret_app = NULL;
    if (callback->n_secrets == 0)
        return true;
    if (signature_check(http_server_header(request, "timestamp"),
                        http_server_header(request, "sign"), clock_wall_ms(),
                        (const char *const *)callback->secrets, callback->n_secrets, &which,
                        &error) == ST_OK) {
        *ret_app = callback->apps[which];
        return true;
    }
    refuse(callback, request, 403, "signature", error.text);
    return false;
}

static bool check_webhook(struct callback *callback, const struct http_server_request *request,
                          const struct message *message)
{
    struct url url;
    bool is_url = url_parse(str_of(message->reply_to), &url, NULL) == ST_OK;
    if (is_url && url_host_is_allowed(&url, callback->rules, callback->n_rules))
        return true;
    struct error reason;
    if (is_url)
        (void)error_set(&reason, ST_DENIED, 0,
                        "sessionWebhook at %s://%s is not allowed by webhook_hosts", url.scheme,
                        url.host);
    else
        (void)error_set(&reason, ST_DENIED, 0, "sessionWebhook is no usable URL");
    refuse(callback, request, 400, "webhook_host_not_allowed", reason.text);
    return false;
}

static void hand_over(struct callback *callback, const struct http_server_request *request,
                      const struct message *message)
{
    if (message->is_text_missing)
        log_event(LOG_WARN, "callback", "text_missing", LOG_S("msg", message->msg_id),
                  LOG_S("robot", message->robot));
    struct pending *pending = xcalloc(1, sizeof(*pending));
    pending->callback = callback;
    pending->request = request->id;
    list_push_back(&callback->pending, &pending->node);
    callback->receiver->receive(callback->receiver, message, on_receipt, pending);
}

static void on_message(struct callback *callback, const struct http_server_request *request,
                       const struct dingtalk_message *message, const char *app)
{
    struct message view = *dingtalk_message_view(message);
    view.is_vouched = app != NULL;
    view.app = app ? app : "";
    int64_t error_code = dingtalk_message_error_code(message);
    if (error_code != 0) {
        log_event(LOG_WARN, "callback", "quota_frame", LOG_I("code", error_code),
                  LOG_S("text", dingtalk_message_error_text(message)),
                  LOG_STR("peer", request->peer));
        acknowledge(callback, request->id);
    } else if (check_webhook(callback, request, &view)) {
        hand_over(callback, request, &view);
    }
}

static void on_request(const struct http_server_request *request, void *arg)
{
    struct callback *callback = arg;
    if (callback->is_stopped) {
        refuse(callback, request, 503, "stopping", "this instance is about to stop");
        return;
    }
    const char *app;
    if (!check_signature(callback, request, &app))
        return;
    struct dingtalk_message *message;
    struct error error;
    enum status status = dingtalk_message_parse(request->body, &message, &error);
    if (status == ST_TOO_LARGE) {
        refuse(callback, request, 413, "too_large", error.text);
    } else if (status != ST_OK) {
        refuse(callback, request, 400, "bad_message", error.text);
    } else {
        on_message(callback, request, message, app);
        dingtalk_message_free(message);
    }
}

struct callback *callback_new(struct http_server *server, struct receiver *receiver,
                              const struct callback_settings *settings)
{
    struct callback *callback = xcalloc(1, sizeof(*callback));
    callback->server = server;
    callback->receiver = receiver;
    callback->secrets = xcalloc(settings->n_secrets + 1, sizeof(*callback->secrets));
    callback->apps = xcalloc(settings->n_secrets + 1, sizeof(*callback->apps));
    callback->n_secrets = settings->n_secrets;
    for (size_t i = 0; i < settings->n_secrets; i++) {
        callback->secrets[i] = xstrdup(settings->secrets[i]);
        callback->apps[i] = xstrdup(settings->apps ? settings->apps[i] : "");
    }
    callback->rules = settings->rules;
    callback->n_rules = settings->n_rules;
    list_init(&callback->pending);
    http_server_route(server, "/", 1U << HTTP_POST, on_request, callback);
    return callback;
}

void callback_free(struct callback *callback)
{
    if (!callback)
        return;
    LIST_FOREACH(node, next, &callback->pending)
    free(LIST_ENTRY(node, struct pending, node));
    for (size_t i = 0; i < callback->n_secrets; i++) {
        free(callback->secrets[i]);
        free(callback->apps[i]);
    }
    free(callback->secrets);
    free(callback->apps);
    free(callback);
}

void callback_stop(struct callback *callback)
{
    callback->is_stopped = true;
}
