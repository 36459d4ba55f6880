#include "api_fixture.h"

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

#define PATIENCE_MS 20000
#define STEP_NEVER 1000000
#define TOKENS_MAX 16

static struct {
    struct scripted_server *server;
    pthread_mutex_t lock;
    api_answer_fn answer;
    struct api_heard heard[API_CALLS_MAX];
    size_t n_heard;
    char tokens[TOKENS_MAX][96];
    size_t n_tokens;
} world = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct api_said api_say_token(void)
{
    size_t n = world.n_tokens++ % TOKENS_MAX;
    (void)snprintf(world.tokens[n], sizeof(world.tokens[n]),
                   "{\"accessToken\":\"token-%zu\",\"expireIn\":7200}", n + 1);
    return (struct api_said){200, world.tokens[n]};
}

static void copy_line(char *out, size_t size, struct str text)
{
    size_t n = text.n < size - 1 ? text.n : size - 1;
    memcpy(out, text.p, n);
    out[n] = '\0';
}

static struct api_said hear(struct str request)
{
    ptrdiff_t head = str_find(request, STR_LIT("\r\n\r\n"));
    struct str body = str_sub(request, (size_t)head + 4, request.n);
    ptrdiff_t line = str_find(request, STR_LIT(" HTTP/"));
    pthread_mutex_lock(&world.lock);
    size_t n = world.n_heard++;
    if (n >= API_CALLS_MAX)
        abort();
    struct api_heard *heard = &world.heard[n];
    copy_line(heard->line, sizeof(heard->line), str_sub(request, 0, (size_t)line));
    copy_line(heard->head, sizeof(heard->head), str_sub(request, 0, (size_t)head));
    heard->body = json_loadb(body.p, body.n, 0, NULL);
    struct api_said said = world.answer(n, heard);
    pthread_mutex_unlock(&world.lock);
    return said;
}

static void serve(struct peer *peer)
{
    while (peer_read_request(peer)) {
        struct api_said said = hear(buf_str(&peer->request));
        if (said.http_status == HANG)
            (void)peer_wait(peer, STEP_NEVER);
        if (said.http_status < 0)
            return;
        char text[1024];
        (void)snprintf(text, sizeof(text),
                       "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: "
                       "%zu\r\n\r\n%s",
                       said.http_status, strlen(said.body), said.body);
        peer_say(peer, text);
    }
}

void api_fixture_begin(struct api_fixture *f, api_answer_fn answer, struct call_meter *meter)
{
    static const struct api_credential credential = {"ding1", "secret-of-ding1"};
    (void)signal(SIGPIPE, SIG_IGN);
    world.answer = answer;
    world.server = scripted_server_new(serve);
    (void)snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%d",
                   scripted_server_port(world.server));
    assert_int_equal(loop_new(&f->loop), ST_OK);
    assert_int_equal(http_client_new(f->loop, "tests", 8, &f->client), ST_OK);
    f->api = api_new(f->loop, f->client,
                     &(struct api_settings){.api_url = f->url,
                                            .oapi_url = f->url,
                                            .proxy = "",
                                            .credentials = &credential,
                                            .n_credentials = 1,
                                            .meter = meter});
}

void api_fixture_end(struct api_fixture *f)
{
    api_free(f->api);
    http_client_free(f->client);
    loop_free(f->loop);
    scripted_server_free(world.server);
    for (size_t i = 0; i < world.n_heard; i++)
        json_decref(world.heard[i].body);
    world.n_heard = world.n_tokens = 0;
}

size_t api_n_heard(void)
{
    pthread_mutex_lock(&world.lock);
    size_t n = world.n_heard;
    pthread_mutex_unlock(&world.lock);
    return n;
}

const struct api_heard *api_heard(size_t i)
{
    assert_true(i < api_n_heard());
    return &world.heard[i];
}

size_t api_n_heard_of(const char *line)
{
    size_t n = 0;
    for (size_t i = 0; i < api_n_heard(); i++)
        n += strncmp(world.heard[i].line, line, strlen(line)) == 0;
    return n;
}

void api_run_until(struct api_fixture *f, bool (*is_there)(void *arg), void *arg)
{
    /* The server's threads do not wake this loop. */
    for (int i = 0; i < PATIENCE_MS / 10 && !is_there(arg); i++)
        (void)loop_run_until(f->loop, is_there, arg, 10);
    if (!is_there(arg))
        fail_msg("waited in vain");
}

static bool is_never(void *arg)
{
    (void)arg;
    return false;
}

void api_settle(struct api_fixture *f)
{
    (void)loop_run_until(f->loop, is_never, NULL, 20);
}
