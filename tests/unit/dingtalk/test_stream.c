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

#include "dingtalk/stream.h"
#include "scripted_server.h"
#include "util/json.h"
#include "websocket_frames.h"

#define PATIENCE_MS 20000
#define STEP_NEVER 1000000

/* ---- the gateway ---- */

enum moment { AT_NOTHING, AT_TICKET, AT_UPGRADE, AT_UP, AT_MESSAGE, AT_DRAINING };

static struct {
    struct scripted_server *server;
    pthread_mutex_t lock;
    enum moment hangs_at;
    bool is_secret_wrong;
    _Atomic int n_tickets;
    _Atomic int n_upgrades;
    char seen[512]; /* of the client's frames, in order */
} gateway = {.lock = PTHREAD_MUTEX_INITIALIZER};

#define MESSAGE(id)                                                                              \
    "{\"type\":\"CALLBACK\",\"headers\":{\"topic\":\"/v1.0/im/bot/messages/get\",\"messageId\":" \
    "\"" id "\"},\"data\":\"{\\\"msgId\\\":\\\"" id "\\\",\\\"msgtype\\\":\\\"text\\\","         \
    "\\\"text\\\":{\\\"content\\\":\\\"hi\\\"},\\\"conversationId\\\":\\\"cid\\\","              \
    "\\\"conversationType\\\":\\\"1\\\",\\\"senderId\\\":\\\"$s\\\",\\\"senderStaffId\\\":"      \
    "\\\"u1\\\",\\\"robotCode\\\":\\\"ding1\\\",\\\"sessionWebhook\\\":"                         \
    "\\\"https://oapi.dingtalk.com/robot/sendBySession?session=x\\\"}\"}"
#define DISCONNECT "{\"type\":\"SYSTEM\",\"headers\":{\"topic\":\"disconnect\"},\"data\":\"{}\"}"

static void see(const char *fmt, ...) DB_PRINTF(1, 2);
static void see(const char *fmt, ...)
{
    va_list args;
    pthread_mutex_lock(&gateway.lock);
    size_t n = strlen(gateway.seen);
    va_start(args, fmt);
    (void)vsnprintf(gateway.seen + n, sizeof(gateway.seen) - n, fmt, args);
    va_end(args);
    pthread_mutex_unlock(&gateway.lock);
}

static void say_ticket(struct peer *peer)
{
    char body[256];
    char text[512];
    if (gateway.hangs_at == AT_TICKET)
        (void)peer_wait(peer, STEP_NEVER);
    (void)snprintf(body, sizeof(body),
                   gateway.is_secret_wrong
                       ? "{\"code\":\"authFailed\",\"message\":\"no\"}"
                       : "{\"endpoint\":\"ws://127.0.0.1:%d/connect?a=b\",\"ticket\":\"t+/=\"}",
                   scripted_server_port(peer->server));
    (void)snprintf(text, sizeof(text),
                   "HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: "
                   "%zu\r\n\r\n%s",
                   gateway.is_secret_wrong ? 401 : 200, strlen(body), body);
    gateway.n_tickets++;
    peer_say(peer, text);
}

static void read_frames(struct peer *peer)
{
    struct client_frame frame;
    while (peer_read_frame(peer, &frame)) {
        json_t *ack = json_loadb((const char *)frame.payload.data, frame.payload.len, 0, NULL);
        if (frame.first == (FIN | TEXT))
            see("%s:%lld ",
                json_string_value(json_object_get(json_object_get(ack, "headers"), "messageId")),
                (long long)json_integer_value(json_object_get(ack, "code")));
        else if (frame.first == (FIN | CLOSE))
            see("close:%d ", frame_close_code(&frame));
        bool is_over = frame.first == (FIN | CLOSE);
        json_decref(ack);
        buf_done(&frame.payload);
        if (is_over) {
            peer_say_close(peer, 1000, "");
            return;
        }
    }
}

static void upgrade(struct peer *peer)
{
    struct buf out = BUF_INIT(65536);
    if (gateway.hangs_at == AT_UPGRADE)
        (void)peer_wait(peer, STEP_NEVER);
    bool is_ticket_whole = peer_wants(peer, "/connect?a=b&ticket=t%2B%2F%3D");
    answer_add(&out, request_key(buf_str(&peer->request)));
    if (gateway.hangs_at == AT_MESSAGE || gateway.hangs_at == AT_DRAINING)
        frame_add(&out, FIN | TEXT, STR_LIT(MESSAGE("m1")));
    if (gateway.hangs_at == AT_DRAINING)
        frame_add(&out, FIN | TEXT, STR_LIT(DISCONNECT));
    if (is_ticket_whole)
        peer_say_bytes(peer, out.data, out.len);
    gateway.n_upgrades++;
    buf_done(&out);
    read_frames(peer);
}

static void serve(struct peer *peer)
{
    while (peer_read_request(peer)) {
        if (str_starts(buf_str(&peer->request), STR_LIT("POST /v1.0/gateway/connections/open"))) {
            say_ticket(peer);
        } else {
            upgrade(peer);
            return;
        }
    }
}

/* ---- the program ---- */

static struct {
    struct receiver receiver; /* first */
    struct loop *loop;
    struct http_client *client;
    struct api *api;
    struct websocket_client *websockets;
    struct stream *stream;
    receipt_fn receipt[4];
    void *receipt_arg[4];
    int n_received;
} world;

static void receive(struct receiver *receiver, const struct message *message, receipt_fn receipt,
                    void *arg)
{
    (void)receiver;
    assert_string_equal(message->app, "ding1");
    assert_true(message->is_vouched);
    assert_true(world.n_received < 4);
    world.receipt[world.n_received] = receipt;
    world.receipt_arg[world.n_received++] = arg;
}

static void begin(enum moment hangs_at)
{
    static const struct api_credential credential = {"ding1", "secret-of-ding1"};
    char url[64];
    (void)signal(SIGPIPE, SIG_IGN);
    memset(&world, 0, sizeof(world));
    gateway.hangs_at = hangs_at;
    gateway.n_tickets = gateway.n_upgrades = 0;
    gateway.is_secret_wrong = false;
    gateway.seen[0] = '\0';
    gateway.server = scripted_server_new(serve);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d", scripted_server_port(gateway.server));
    world.receiver.receive = receive;
    assert_int_equal(loop_new(&world.loop), ST_OK);
    assert_int_equal(http_client_new(world.loop, "tests", 8, &world.client), ST_OK);
    assert_int_equal(websocket_client_new(world.loop, "tests", &world.websockets), ST_OK);
    world.api = api_new(
        world.loop, world.client,
        &(struct api_settings){
            .api_url = url, .oapi_url = url, .credentials = &credential, .n_credentials = 1});
    struct stream_settings settings = STREAM_SETTINGS_DEFAULT;
    settings.credentials = &credential;
    settings.n_credentials = 1;
    settings.is_plain_allowed = true;
    settings.first_rest_ms = 1;
    settings.refused_rest_ms = 60000;
    world.stream = stream_new(world.loop, world.api, world.websockets, &world.receiver, &settings);
}

static void end(void)
{
    stream_free(world.stream);
    websocket_client_free(world.websockets);
    api_free(world.api);
    http_client_free(world.client);
    loop_free(world.loop);
    scripted_server_free(gateway.server);
}

static void run_until(bool (*is_there)(void *arg), void *arg)
{
    for (int i = 0; i < PATIENCE_MS / 10 && !is_there(arg); i++)
        (void)loop_run_until(world.loop, is_there, arg, 10);
    if (!is_there(arg))
        fail_msg("waited in vain; seen: %s", gateway.seen);
}

static bool is_never(void *arg)
{
    (void)arg;
    return false;
}

static void settle(void)
{
    (void)loop_run_until(world.loop, is_never, NULL, 50);
}

static bool has_received(void *arg)
{
    return world.n_received >= *(const int *)arg;
}

static bool has_seen(void *arg)
{
    pthread_mutex_lock(&gateway.lock);
    bool is_there = strstr(gateway.seen, (const char *)arg) != NULL;
    pthread_mutex_unlock(&gateway.lock);
    return is_there;
}

static bool is_up(void *arg)
{
    struct stream_stats stats;
    (void)arg;
    stream_get_stats(world.stream, &stats);
    return stats.up == 1;
}

static void
what_is_being_stored_at_the_end_is_acknowledged_before_the_connection_is_closed(void **state)
{
    static const struct {
        enum receipt receipt;
        const char *seen;
    } cases[] = {
        {RECEIPT_STORED, "m1:200 close:1001 "},
        {RECEIPT_KNOWN, "m1:200 close:1001 "},
        {RECEIPT_NOT_STORED, "close:1001 "},
    };
    for (size_t i = 0; i < 3; i++) {
        int one = 1;
        begin(AT_MESSAGE);
        run_until(has_received, &one);
        stream_stop(world.stream);
        settle();
        assert_string_equal(gateway.seen, "");
        world.receipt[0](cases[i].receipt, world.receipt_arg[0]);
        run_until(has_seen, (void *)(uintptr_t) "close");
        assert_string_equal(gateway.seen, cases[i].seen);
        settle();
        assert_int_equal(gateway.n_tickets, 1);
        end();
    }
}

static void without_anything_to_wait_for_it_is_closed_at_once(void **state)
{
    begin(AT_UP);
    run_until(is_up, NULL);
    stream_stop(world.stream);
    run_until(has_seen, (void *)(uintptr_t) "close:1001");
    settle();
    assert_int_equal(gateway.n_tickets, 1);
    end();
}

static bool has_come_to(void *arg)
{
    switch (*(const enum moment *)arg) {
    case AT_NOTHING:
    case AT_TICKET:
    case AT_UPGRADE:
        return scripted_server_connections(gateway.server) >= (int)*(const enum moment *)arg;
    case AT_UP:
        return is_up(NULL);
    case AT_MESSAGE:
    case AT_DRAINING:
        return world.n_received > 0;
    }
    return true;
}

static void it_is_freed_or_stopped_and_freed_at_any_moment(void **state)
{
    for (enum moment moment = AT_NOTHING; moment <= AT_DRAINING; moment++) {
        for (int is_stopped = 0; is_stopped < 2; is_stopped++) {
            begin(moment);
            run_until(has_come_to, &moment);
            if (is_stopped) {
                stream_stop(world.stream);
                settle();
            }
            end();
        }
    }
    stream_free(NULL);
}

static bool has_been_refused(void *arg)
{
    (void)arg;
    return gateway.n_tickets > 0;
}

static void refused_credentials_are_not_tried_again_soon(void **state)
{
    begin(AT_NOTHING);
    gateway.is_secret_wrong = true;
    run_until(has_been_refused, NULL);
    (void)loop_run_until(world.loop, is_never, NULL, 300);
    assert_int_equal(gateway.n_tickets, 1);
    assert_int_equal(gateway.n_upgrades, 0);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            what_is_being_stored_at_the_end_is_acknowledged_before_the_connection_is_closed),
        cmocka_unit_test(without_anything_to_wait_for_it_is_closed_at_once),
        cmocka_unit_test(it_is_freed_or_stopped_and_freed_at_any_moment),
        cmocka_unit_test(refused_credentials_are_not_tried_again_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
