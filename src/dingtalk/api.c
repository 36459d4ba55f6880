/*
 * One call:
 *
 *     TOKEN ─→ CALLING ─→ (token refused, first time) ─→ TOKEN
 *                  └────→ fn, freed
 */
#include "dingtalk/api.h"

#include <stdlib.h>
#include <string.h>

#include "dingtalk/api_answer.h"
#include "dingtalk/token.h"
#include "net/url.h"
#include "util/buf.h"
#include "util/map.h"
#include "util/mem.h"

#define ANSWER_BYTES_MAX (256 * 1024)
#define BODY_BYTES_MAX ((size_t)512 * 1024 * 1024)
#define TIMEOUT_MS 15000
#define URL_BYTES_MAX 8192

struct app {
    char *client_id;
    char *client_secret;
    struct token *token;
};

struct api {
    struct loop *loop;
    struct http_client *client;
    char *api_url;
    char *oapi_url;
    char *proxy;
    char *token_url;
    struct app *apps;
    size_t n_apps;
    struct call_meter *meter;
    struct map *calls; /* id → struct call */
    uint64_t last_id;
};

struct call {
    struct api *api;
    uint64_t id;
    struct token_waiter waiter; /* in use in state TOKEN */
    int app;                    /* API_NO_APP: a bare one */
    char *method;
    char *path;
    bool is_oapi;
    char *content_type;
    struct buf body;
    char *kind;
    int64_t timeout_ms;
    char *token; /* the one in use */
    bool is_repeated;
    uint64_t request;
    api_fn fn;
    void *arg;
};

static char *copy(const char *text)
{
    return xstrdup(text ? text : "");
}

struct api *api_new(struct loop *loop, struct http_client *client,
                    const struct api_settings *settings)
{
    struct api *api = xcalloc(1, sizeof(*api));
    api->loop = loop;
    api->client = client;
    api->api_url = copy(settings->api_url);
    api->oapi_url = copy(settings->oapi_url);
    api->proxy = copy(settings->proxy);
    api->token_url = xasprintf("%s/v1.0/oauth2/accessToken", api->api_url);
    api->meter = settings->meter;
    api->calls = map_new();
    api->n_apps = settings->n_credentials;
    api->apps = xcalloc(api->n_apps + 1, sizeof(*api->apps));
    for (size_t i = 0; i < api->n_apps; i++) {
        struct app *app = &api->apps[i];
        app->client_id = copy(settings->credentials[i].client_id);
        app->client_secret = copy(settings->credentials[i].client_secret);
        app->token = token_new(loop, client,
                               &(struct token_settings){.client_id = app->client_id,
                                                        .client_secret = app->client_secret,
                                                        .url = api->token_url,
                                                        .proxy = api->proxy});
    }
    return api;
}

static void call_free(struct call *call)
{
    http_client_cancel(call->api->client, call->request);
    token_leave(&call->waiter);
    free(call->method);
    free(call->path);
    free(call->content_type);
    buf_done(&call->body);
    free(call->kind);
    free(call->token);
    free(call);
}

void api_free(struct api *api)
{
    if (!api)
        return;
    for (struct call *call; (call = map_any(api->calls));)
        api_cancel(api, call->id);
    map_free(api->calls);
    for (size_t i = 0; i < api->n_apps; i++) {
        token_free(api->apps[i].token);
        free(api->apps[i].client_id);
        free(api->apps[i].client_secret);
    }
    free(api->apps);
    free(api->api_url);
    free(api->oapi_url);
    free(api->proxy);
    free(api->token_url);
    free(api);
}

int api_find_client(const struct api *api, const char *client_id)
{
    for (size_t i = 0; i < api->n_apps; i++) {
        if (strcmp(api->apps[i].client_id, client_id) == 0)
            return (int)i;
    }
    return API_NO_APP;
}

int api_find_app(const struct api *api, const struct message *message)
{
    if (message->is_outgoing_robot)
        return API_NO_APP;
    int app = API_NO_APP;
    if (message->app && *message->app)
        app = api_find_client(api, message->app);
    if (app == API_NO_APP)
        app = api_find_client(api, message->robot);
    return app == API_NO_APP && api->n_apps == 1 ? 0 : app;
}

const char *api_client_id(const struct api *api, int app)
{
    return api->apps[app].client_id;
}

enum call_level api_level(const struct api *api)
{
    return api->meter ? api->meter->level(api->meter) : CALLS_FREE;
}

const char *api_result_name(enum api_result result)
{
    static const char *const names[] = {
        [API_OK] = "ok",           [API_THROTTLED] = "throttled",
        [API_BUSY] = "busy",       [API_UNCERTAIN] = "uncertain",
        [API_QUOTA] = "quota",     [API_UNAUTHORIZED] = "unauthorized",
        [API_REFUSED] = "refused",
    };
    return names[result];
}

/* ---- one call ---- */

static void finish(struct call *call, const struct api_reading *reading)
{
    const struct api_answer answer = {
        .result = reading->result,
        .value = reading->value,
        .code = str_of(reading->code),
        .error = reading->error,
    };
    (void)map_take_id(call->api->calls, call->id);
    call->fn(call->id, &answer, call->arg);
    call_free(call);
}

static void on_answer(uint64_t id, const struct http_response *response, void *arg)
{
    struct call *call = arg;
    struct api_reading reading;
    call->request = 0;
    api_answer_read(response, call->is_oapi, &reading);
    if (reading.is_token_invalid && call->app != API_NO_APP && !call->is_repeated) {
        struct token *token = call->api->apps[call->app].token;
        call->is_repeated = true;
        token_drop(token, call->token);
        token_get(token, &call->waiter);
    } else {
        finish(call, &reading);
    }
    api_reading_done(&reading);
}

static void put_url(const struct call *call, struct buf *out)
{
    buf_puts(out, call->is_oapi ? call->api->oapi_url : call->api->api_url);
    buf_puts(out, call->path);
    if (!call->is_oapi || !call->token)
        return;
    buf_puts(out, strchr(call->path, '?') ? "&access_token=" : "?access_token=");
    url_put_escaped(out, str_of(call->token));
}

static void send_request(struct call *call)
{
    static const struct http_handlers handlers = {.on_done = on_answer};
    struct api *api = call->api;
    const char *headers[4] = {"Accept: application/json"};
    size_t n = 1;
    DB_CLEANUP(free_charp)
    char *type = xasprintf("Content-Type: %s", call->content_type);
    headers[n++] = type;
    DB_CLEANUP(free_charp) char *token = NULL;
    if (call->token && !call->is_oapi) {
        token = xasprintf("x-acs-dingtalk-access-token: %s", call->token);
        headers[n++] = token;
    }
    headers[n] = NULL;
    struct buf url = BUF_INIT(URL_BYTES_MAX);
    put_url(call, &url);
    const struct http_request request = {
        .method = call->method,
        .url = buf_cstr(&url),
        .headers = headers,
        .body = buf_str(&call->body),
        .proxy = api->proxy,
        .max_body_bytes = ANSWER_BYTES_MAX,
        .connect_timeout_ms = call->timeout_ms,
        .first_byte_timeout_ms = call->timeout_ms,
        .idle_timeout_ms = call->timeout_ms,
        .total_timeout_ms = call->timeout_ms,
    };
    if (api->meter && call->kind)
        api->meter->count(api->meter, api_client_id(api, call->app), call->kind);
    call->request = http_client_start(api->client, &request, &handlers, call);
    buf_done(&url);
}

static void on_token(struct token_waiter *waiter, const char *text,
                     const struct api_reading *failure)
{
    struct call *call = LIST_ENTRY(waiter, struct call, waiter);
    if (!text) {
        finish(call, failure);
        return;
    }
    free(call->token);
    call->token = xstrdup(text);
    send_request(call);
}

static struct call *call_new(struct api *api, const struct api_request *request, api_fn fn,
                             void *arg)
{
    struct call *call = xcalloc(1, sizeof(*call));
    call->api = api;
    call->id = ++api->last_id;
    call->waiter.fn = on_token;
    list_init(&call->waiter.node);
    call->app = request->app;
    call->method = xstrdup(request->method);
    call->path = xstrdup(request->path);
    call->is_oapi = request->is_oapi;
    call->content_type =
        xstrdup(request->content_type ? request->content_type : "application/json; charset=utf-8");
    buf_init(&call->body, BODY_BYTES_MAX);
    buf_add_str(&call->body, request->body);
    call->kind = xstrdup(request->kind);
    call->timeout_ms = request->timeout_ms ? request->timeout_ms : TIMEOUT_MS;
    call->fn = fn;
    call->arg = arg;
    (void)map_put_id(api->calls, call->id, call);
    return call;
}

uint64_t api_call(struct api *api, const struct api_request *request, api_fn fn, void *arg)
{
    struct call *call = call_new(api, request, fn, arg);
    token_get(api->apps[request->app].token, &call->waiter);
    return call->id;
}

uint64_t api_call_bare(struct api *api, const char *path, struct str body, api_fn fn, void *arg)
{
    struct api_request request = {
        .app = API_NO_APP, .method = "POST", .path = path, .body = body, .timeout_ms = 10000};
    struct call *call = call_new(api, &request, fn, arg);
    send_request(call);
    return call->id;
}

void api_cancel(struct api *api, uint64_t id)
{
    struct call *call = map_take_id(api->calls, id);
    if (call)
        call_free(call);
}
