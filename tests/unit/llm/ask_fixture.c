#include "ask_fixture.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/json.h"
#include "util/mem.h"

#define PATIENCE_MS 20000

/* Scripts take no argument; one fixture is open at a time. */
static const struct reply *script;
static atomic_int n_requests;

static bool peer_has_gone(struct peer *peer, int wait_ms)
{
    struct pollfd fd = {.fd = peer->fd, .events = POLLIN};
    char byte;
    return poll(&fd, 1, wait_ms) > 0 && !peer_read_bytes(peer, &byte, 1);
}

static void answer(struct peer *peer)
{
    while (peer_read_request(peer)) {
        int number = atomic_fetch_add(&n_requests, 1);
        const struct reply *reply = script;
        for (int i = 0; i < number && reply[1].text; i++)
            reply++;
        peer_say_bytes(peer, reply->text, reply->n ? reply->n : strlen(reply->text));
        if (reply->end == REPLY_RESET)
            peer_reset(peer);
        if (reply->end == REPLY_HANG)
            peer_read_to_end(peer);
        while (reply->end == REPLY_DRIP && !peer_has_gone(peer, 10))
            peer_say(peer, ": still here\n");
        while (reply->end == REPLY_THINK && !peer_has_gone(peer, 10))
            peer_say(peer, THOUGHT("hm"));
        if (reply->end != REPLY_KEEP)
            return;
    }
}

void ask_fixture_begin(struct ask_fixture *fixture, const struct reply *replies)
{
    *fixture = (struct ask_fixture){.settings = {.api_key = "sk-test-0123456789",
                                                 .model = "test-model",
                                                 .image_model = "test-image",
                                                 .system_prompt = "",
                                                 .proxy = "",
                                                 .timeout_ms = 10000,
                                                 .image_timeout_ms = 10000,
                                                 .max_answer_bytes = 1000,
                                                 .max_image_bytes = 1000}};
    script = replies;
    atomic_store(&n_requests, 0);
    assert_int_equal(loop_new(&fixture->loop), ST_OK);
    assert_int_equal(http_client_new(fixture->loop, "dingbridge/test", 20, &fixture->client),
                     ST_OK);
    fixture->work = work_new(fixture->loop);
    fixture->server = scripted_server_new(answer);
}

void ask_fixture_open(struct ask_fixture *fixture)
{
    DB_CLEANUP(free_charp)
    char *root = xasprintf("http://127.0.0.1:%d/v1", scripted_server_port(fixture->server));
    if (!fixture->settings.root)
        fixture->settings.root = root;
    fixture->llm =
        endpoint_new(fixture->loop, fixture->client, fixture->work,
                     fixture->provider ? fixture->provider : &openai_provider, &fixture->settings);
    fixture->settings.root = NULL;
    fixture->endpoint = (struct endpoint *)fixture->llm;
    fixture->endpoint->retry.backoff = (struct backoff){.first_ms = 1, .cap_ms = 4, .jitter = 0.25};
}

void ask_fixture_end(struct ask_fixture *fixture)
{
    llm_free(fixture->llm);
    work_free(fixture->work);
    http_client_free(fixture->client);
    loop_free(fixture->loop);
    scripted_server_free(fixture->server);
}

int ask_fixture_requests(void)
{
    return atomic_load(&n_requests);
}

json_t *ask_fixture_body(struct ask_fixture *fixture, int number)
{
    DB_CLEANUP(free_charp) char *log = scripted_server_log(fixture->server);
    struct str rest = str_of(log);
    json_t *body = NULL;
    for (int i = 0; i < number; i++) {
        ptrdiff_t at = str_find(rest, STR_LIT("\r\n\r\n"));
        assert_true(at >= 0);
        rest = str_sub(rest, (size_t)at + 4, rest.n);
    }
    ptrdiff_t next = str_find(rest, STR_LIT("POST /"));
    if (next >= 0)
        rest.n = (size_t)next;
    assert_int_equal(json_parse(rest, &body, NULL), ST_OK);
    return body;
}

static void on_text(uint64_t id, struct str text, void *arg)
{
    struct question *question = arg;
    assert_true(question->has_started);
    assert_int_equal(id, question->id);
    assert_int_equal(question->n_done, 0);
    assert_true(text.n > 0 && utf8_is_valid(text));
    question->n_texts++;
    (void)buf_add_str(&question->text, text);
    if (question->on_text)
        question->on_text(question);
}

static void on_done(uint64_t id, const struct llm_answer *answer_, void *arg)
{
    struct question *question = arg;
    assert_true(question->has_started);
    assert_int_equal(id, question->id);
    question->n_done++;
    question->failure = answer_->outcome.failure;
    question->error = answer_->outcome.error;
    question->tries = answer_->outcome.tries;
    question->is_partial = answer_->is_partial;
    question->is_length_cut = answer_->is_length_cut;
    question->usage = answer_->usage;
    (void)snprintf(question->request_id, sizeof(question->request_id), "%s",
                   answer_->outcome.peer_request_id);
    (void)snprintf(question->model, sizeof(question->model), "%s", answer_->model);
    assert_int_equal(question->is_partial, question->failure != LLM_OK && question->text.len > 0);
}

void question_start(struct question *question, struct ask_fixture *fixture)
{
    static const struct llm_ask_handlers handlers = {.on_text = on_text, .on_done = on_done};
    static const struct llm_message hello = {LLM_USER, "hello"};
    question->fixture = fixture;
    question->text = BUF_INIT(1024 * 1024);
    question->id = llm_ask(fixture->llm, NULL, &hello, 1, &handlers, question);
    question->has_started = true;
}

static bool is_answered(void *arg)
{
    return ((struct question *)arg)->n_done > 0;
}

void question_finish(struct question *question)
{
    run_until(question->fixture, is_answered, question);
    assert_int_equal(question->n_done, 1);
}

void question_run(struct question *question, struct ask_fixture *fixture)
{
    question_start(question, fixture);
    question_finish(question);
}

void question_done(struct question *question)
{
    buf_done(&question->text);
}

void run_until(struct ask_fixture *fixture, bool (*is_true)(void *arg), void *arg)
{
    assert_true(loop_run_until(fixture->loop, is_true, arg, PATIENCE_MS));
}

static bool has_requests(void *arg)
{
    return ask_fixture_requests() >= *(const int *)arg;
}

static void tick(void *arg)
{
    struct timer **timer = arg;
    *timer = NULL;
}

/* The server's threads do not wake the loop, so that it is woken now and then to look. */
void run_until_requests(struct ask_fixture *fixture, int n)
{
    struct timer *timer = NULL;
    for (int i = 0; i < PATIENCE_MS && !has_requests(&n); i++) {
        timer = timer_start(fixture->loop, 1, "test", tick, &timer);
        (void)loop_run_until(fixture->loop, has_requests, &n, 2);
        timer_cancel(&timer);
    }
    assert_true(has_requests(&n));
}

static bool never(void *arg)
{
    return false;
}

void run_for_ms(struct ask_fixture *fixture, int64_t ms)
{
    (void)loop_run_until(fixture->loop, never, NULL, ms);
}
