#include "webhook_fixture.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scripted_server.h"
#include "util/mem.h"

#define PATIENCE_MS 20000
#define STEP_NEVER 1000000

/* The webhook's side, shared with its threads. */
static struct {
    struct scripted_server *server;
    pthread_mutex_t lock;
    struct answer answers[ANSWERS_MAX];
    size_t n_answers;
    json_t *bodies[BODIES_MAX];
    size_t sizes[BODIES_MAX];
    size_t n_bodies;
} hook = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct answer note(struct str request)
{
    ptrdiff_t head = str_find(request, STR_LIT("\r\n\r\n"));
    struct str body = str_sub(request, (size_t)head + 4, request.n);
    json_t *json = json_loadb(body.p, body.n, 0, NULL);
    pthread_mutex_lock(&hook.lock);
    size_t i = hook.n_bodies++;
    if (i >= BODIES_MAX)
        abort();
    hook.bodies[i] = json;
    hook.sizes[i] = body.n;
    /* Behind the script everything is taken that DingTalk would take. */
    struct answer answer = {0, "0"};
    if (i < hook.n_answers)
        answer = hook.answers[i];
    else if (body.n > 20000 || !json)
        answer.errcode = "460101";
    pthread_mutex_unlock(&hook.lock);
    return answer;
}

static void say_answer(struct peer *peer, struct answer answer)
{
    char text[512];
    char body[128];
    int status = answer.http_status ? answer.http_status : 200;
    (void)snprintf(body, sizeof(body), "{\"errcode\":%s,\"errmsg\":\"scripted\"}",
                   answer.errcode ? answer.errcode : "0");
    (void)snprintf(text, sizeof(text),
                   "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nLocation: "
                   "http://127.0.0.1:1/\r\nContent-Length: %zu\r\n\r\n%s",
                   status, answer.errcode ? strlen(body) : 0, answer.errcode ? body : "");
    peer_say(peer, text);
}

static void say_too_much(struct peer *peer)
{
    char blanks[1024];
    memset(blanks, ' ', sizeof(blanks));
    peer_say(peer, "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n");
    for (size_t i = 0; i < 1024; i++)
        peer_say_bytes(peer, blanks, sizeof(blanks));
}

static void serve(struct peer *peer)
{
    while (peer_read_request(peer)) {
        struct answer answer = note(buf_str(&peer->request));
        if (answer.http_status == HANG)
            (void)peer_wait(peer, STEP_NEVER);
        if (answer.http_status == HUGE_ANSWER)
            say_too_much(peer);
        if (answer.http_status < 0)
            return;
        say_answer(peer, answer);
    }
}

static const struct url_host_rule rules[] = {{"127.0.0.1", false}};

struct fixture *fixture_new(const struct answer *answers, size_t n_answers,
                            const struct webhook_settings *settings)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    (void)signal(SIGPIPE, SIG_IGN);
    assert_true(n_answers <= ANSWERS_MAX);
    hook.n_answers = n_answers;
    for (size_t i = 0; i < n_answers; i++)
        hook.answers[i] = answers[i];
    hook.server = scripted_server_new(serve);
    (void)snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d/robot/sendBySession?session=s",
                   scripted_server_port(hook.server));
    assert_int_equal(loop_new(&f->loop), ST_OK);
    assert_int_equal(http_client_new(f->loop, "tests", 8, &f->client), ST_OK);
    struct webhook_settings defaults = WEBHOOK_SETTINGS_DEFAULT;
    defaults.busy_delay_ms = 1;
    defaults.throttle_delay_ms = 1;
    if (settings)
        defaults = *settings;
    defaults.rules = rules;
    defaults.n_rules = 1;
    f->platform = webhook_platform_new(f->loop, f->client, &defaults);
    return f;
}

void fixture_free(struct fixture *f)
{
    if (f->sink)
        f->sink->ops->free(f->sink);
    f->platform->ops->free(f->platform);
    http_client_free(f->client);
    loop_free(f->loop);
    scripted_server_free(hook.server);
    for (size_t i = 0; i < hook.n_bodies; i++)
        json_decref(hook.bodies[i]);
    hook.n_bodies = 0;
    free(f);
}

struct message fixture_message(const struct fixture *f)
{
    return (struct message){
        .platform = "dingtalk",
        .robot = "ding1",
        .msg_id = "msg1",
        .conversation = "cid1",
        .conversation_title = "Build room",
        .is_group = true,
        .sender = "0258369",
        .sender_staff_id = "0258369",
        .sender_nick = "Li Lei",
        .robot_nick = "",
        .kind = "text",
        .text = "hi",
        .reply_to = f->url,
        .reply_until_ms = 1613635652738, /* long ago, as in the example of issue 2 */
    };
}

static void on_part(struct sink *sink, int parts_sent, void *arg)
{
    struct fixture *f = arg;
    f->n_parts = parts_sent;
    if (!f->is_held)
        sink->ops->go_on(sink);
}

static void on_done(struct sink *sink, const struct sink_outcome *outcome, void *arg)
{
    struct fixture *f = arg;
    assert_ptr_equal(sink, f->sink);
    f->n_done++;
    f->outcome = *outcome;
}

static const struct sink_handlers handlers = {.on_part = on_part, .on_done = on_done};

void fixture_start(struct fixture *f, const struct message *message, const struct reply *reply)
{
    f->sink = f->platform->ops->open_sink(f->platform, message, &handlers, f);
    f->sink->ops->begin(f->sink);
    f->sink->ops->grow(f->sink, str_sub(reply->markdown, 0, 1));
    f->sink->ops->finish(f->sink, reply);
    assert_int_equal(f->n_done, 0);
}

static bool is_done(void *arg)
{
    const struct fixture *f = arg;
    return f->n_done > 0;
}

void fixture_run(struct fixture *f)
{
    if (!loop_run_until(f->loop, is_done, f, PATIENCE_MS))
        fail_msg("the sink did not end");
    fixture_settle(f);
    assert_int_equal(f->n_done, 1);
}

static bool has_bodies(void *arg)
{
    const size_t *n = arg;
    return fixture_n_bodies() >= *n;
}

void fixture_run_to(struct fixture *f, size_t n_bodies)
{
    /* The webhook's threads do not wake this loop. */
    for (int i = 0; i < PATIENCE_MS / 10 && !has_bodies(&n_bodies); i++)
        (void)loop_run_until(f->loop, has_bodies, &n_bodies, 10);
    if (!has_bodies(&n_bodies))
        fail_msg("the webhook did not get %zu messages", n_bodies);
}

static bool is_never(void *arg)
{
    (void)arg;
    return false;
}

void fixture_settle(struct fixture *f)
{
    (void)loop_run_until(f->loop, is_never, NULL, 20);
}

size_t fixture_n_bodies(void)
{
    pthread_mutex_lock(&hook.lock);
    size_t n = hook.n_bodies;
    pthread_mutex_unlock(&hook.lock);
    return n;
}

const json_t *fixture_body(size_t i)
{
    pthread_mutex_lock(&hook.lock);
    const json_t *body = i < hook.n_bodies ? hook.bodies[i] : NULL;
    pthread_mutex_unlock(&hook.lock);
    if (!body)
        fail_msg("there is no message %zu, or it is not JSON", i);
    return body;
}

size_t fixture_body_bytes(size_t i)
{
    (void)fixture_body(i);
    return hook.sizes[i];
}

const char *fixture_text(size_t i)
{
    const char *text =
        json_string_value(json_object_get(json_object_get(fixture_body(i), "markdown"), "text"));
    assert_non_null(text);
    return text;
}

const char *fixture_mentioned(size_t i)
{
    const json_t *ids = json_object_get(json_object_get(fixture_body(i), "at"), "atUserIds");
    assert_true(json_is_array(ids));
    const char *id = json_string_value(json_array_get(ids, 0));
    return id ? id : "";
}
