/* The protocol without sockets: what goes in, what comes out, and what is not put up with. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/websocket_handshake.h"
#include "net/websocket_protocol.h"
#include "util/crypto.h"
#include "util/mem.h"
#include "websocket_frames.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define MIB ((size_t)1024 * 1024)
#define BUFFER_MAX (64 * MIB)

struct fixture {
    struct websocket_protocol *protocol;
    struct buf log;  /* "open", "text:5:hello", … one a line; long messages by their length */
    struct buf sent; /* what was given for the server, without the request */
    const char *answer_with;
};

static void on_open(void *arg)
{
    struct fixture *fixture = arg;
    (void)buf_puts(&fixture->log, "open\n");
}

static void on_message(struct str message, bool is_text, void *arg)
{
    struct fixture *fixture = arg;
    (void)buf_printf(&fixture->log, "%s:%zu:", is_text ? "text" : "binary", message.n);
    if (message.n < 100)
        (void)buf_add_str(&fixture->log, message);
    (void)buf_puts(&fixture->log, "\n");
    if (fixture->answer_with)
        assert_int_equal(websocket_protocol_send(fixture->protocol, str_of(fixture->answer_with)),
                         ST_OK);
}

static void drain(struct fixture *fixture)
{
    char part[1000];
    for (size_t n; (n = websocket_protocol_give(fixture->protocol, part, sizeof(part))) > 0;)
        (void)buf_add(&fixture->sent, part, n);
    assert_false(websocket_protocol_has_to_give(fixture->protocol));
}

static void begin_limited(struct fixture *fixture, size_t max_message, size_t max_queued)
{
    static const struct websocket_events events = {on_open, on_message};
    *fixture = (struct fixture){.log = BUF_INIT(BUFFER_MAX), .sent = BUF_INIT(BUFFER_MAX)};
    fixture->protocol = websocket_protocol_new(STR_LIT("GET / HTTP/1.1\r\n\r\n"), KEY, max_message,
                                               max_queued, &events, fixture);
    drain(fixture);
    assert_string_equal(buf_cstr(&fixture->sent), "GET / HTTP/1.1\r\n\r\n");
    buf_clear(&fixture->sent);
}

static void begin(struct fixture *fixture)
{
    begin_limited(fixture, MIB, 4 * MIB);
}

static void take_answer(struct fixture *fixture)
{
    struct buf answer = BUF_INIT(1024);
    answer_add(&answer, STR_LIT(KEY));
    websocket_protocol_take(fixture->protocol, buf_str(&answer));
    buf_done(&answer);
    assert_string_equal(buf_cstr(&fixture->log), "open\n");
    buf_clear(&fixture->log);
}

static void begin_open(struct fixture *fixture)
{
    begin(fixture);
    take_answer(fixture);
}

static void end(struct fixture *fixture)
{
    websocket_protocol_free(fixture->protocol);
    buf_done(&fixture->log);
    buf_done(&fixture->sent);
}

static void take_frame(struct fixture *fixture, int first, struct str payload)
{
    struct buf frame = BUF_INIT(BUFFER_MAX);
    frame_add(&frame, first, payload);
    websocket_protocol_take(fixture->protocol, buf_str(&frame));
    buf_done(&frame);
}

/* Checks the next frame the client has sent; payload NULL: any. */
static void expect_sent(struct fixture *fixture, int first, const char *payload)
{
    struct client_frame frame;
    drain(fixture);
    struct str rest = buf_str(&fixture->sent);
    assert_true(frame_cut(&rest, &frame));
    buf_consume(&fixture->sent, fixture->sent.len - rest.n);
    assert_int_equal(frame.first, first);
    assert_true(frame.is_masked);
    if (payload)
        assert_string_equal(buf_cstr(&frame.payload), payload);
    buf_done(&frame.payload);
}

static void expect_close_sent(struct fixture *fixture, int code)
{
    struct client_frame frame;
    drain(fixture);
    struct str rest = buf_str(&fixture->sent);
    assert_true(frame_cut(&rest, &frame));
    assert_int_equal(frame_close_code(&frame), code);
    assert_int_equal(rest.n, 0);
    buf_clear(&fixture->sent);
    buf_done(&frame.payload);
}

static enum websocket_phase phase(const struct fixture *fixture)
{
    return websocket_protocol_phase(fixture->protocol);
}

static enum status ending(const struct fixture *fixture)
{
    return websocket_protocol_error(fixture->protocol)->status;
}

static int close_code(const struct fixture *fixture)
{
    return websocket_protocol_close_code(fixture->protocol);
}

/* --- the handshake ---------------------------------------------------------------------------- */

static void the_request_asks_for_the_urls_target_and_host(void **state)
{
    static const struct {
        const char *url, *line, *host;
    } cases[] = {
        {"ws://h/connect?ticket=a%2Fb", "GET /connect?ticket=a%2Fb HTTP/1.1\r\n", "Host: h\r\n"},
        {"wss://H.Example:443/", "GET / HTTP/1.1\r\n", "Host: h.example:443\r\n"},
        {"ws://h", "GET / HTTP/1.1\r\n", "Host: h\r\n"},
        {"ws://h?q", "GET /?q HTTP/1.1\r\n", "Host: h\r\n"},
        {"ws://[::1]:8080/x", "GET /x HTTP/1.1\r\n", "Host: [::1]:8080\r\n"},
    };
    static const char *const headers[] = {"X-One: 1", NULL};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct url url;
        struct buf out = BUF_INIT(4096);
        assert_int_equal(websocket_handshake_url(cases[i].url, &url, NULL), ST_OK);
        assert_int_equal(websocket_handshake_request(&url, headers, "agent/1", KEY, &out), ST_OK);
        const char *text = buf_cstr(&out);
        assert_ptr_equal(strstr(text, cases[i].line), text);
        assert_non_null(strstr(text, cases[i].host));
        assert_non_null(strstr(text, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"));
        assert_non_null(strstr(text, "\r\nSec-WebSocket-Key: " KEY "\r\n"));
        assert_non_null(strstr(text, "\r\nSec-WebSocket-Version: 13\r\n"));
        assert_non_null(strstr(text, "\r\nUser-Agent: agent/1\r\n"));
        assert_non_null(strstr(text, "\r\nX-One: 1\r\n\r\n"));
        buf_done(&out);
    }
}

static void urls_that_are_no_websockets_are_refused(void **state)
{
    static const char *const urls[] = {"http://h/", "wss://u:p@h/", "ws://h/#f",       "ws://", "",
                                       "h",         "ws://h/a b",   "ws://h/a\r\nX: y"};
    for (size_t i = 0; i < COUNT(urls); i++) {
        struct url url;
        struct error error;
        assert_int_equal(websocket_handshake_url(urls[i], &url, &error), ST_INVAL);
        assert_true(error.text[0] != '\0');
    }
}

static void keys_are_random_and_16_bytes_long(void **state)
{
    char a[WEBSOCKET_KEY_SIZE], b[WEBSOCKET_KEY_SIZE];
    struct buf bytes = BUF_INIT(100);
    websocket_handshake_key(a);
    websocket_handshake_key(b);
    assert_string_not_equal(a, b);
    assert_int_equal(base64_decode(str_of(a), &bytes), ST_OK);
    assert_int_equal(bytes.len, 16);
    buf_done(&bytes);
}

#define SWITCH "HTTP/1.1 101 Switching Protocols\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define ACCEPT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" /* RFC 6455, 1.3 */

static void answers_are_taken_and_refused_for_their_reason(void **state)
{
    static const struct {
        const char *answer;
        enum status status;
        int code;
    } cases[] = {
        {SWITCH UPGRADE ACCEPT "\r\n", ST_OK, 0},
        {"HTTP/1.1 101\r\nupgrade: WebSocket\r\nconnection: keep-alive, UPGRADE\r\n"
         "sec-websocket-accept:s3pPLMBiTxaQ9kYGzzhZRbK+xOo=  \r\n\r\n",
         ST_OK, 0},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" SWITCH UPGRADE ACCEPT
         "\r\n",
         ST_OK, 0},
        {SWITCH UPGRADE "\r\n", ST_PROTOCOL, 0},
        {SWITCH "Upgrade: websocket\r\n" ACCEPT "\r\n", ST_PROTOCOL, 0},
        {SWITCH "Connection: Upgrade\r\n" ACCEPT "\r\n", ST_PROTOCOL, 0},
        {SWITCH "Upgrade: h2c\r\nConnection: Upgrade\r\n" ACCEPT "\r\n", ST_PROTOCOL, 0},
        {SWITCH UPGRADE "Sec-WebSocket-Accept: AAAA\r\n\r\n", ST_PROTOCOL, 0},
        {SWITCH UPGRADE ACCEPT ACCEPT "\r\n", ST_PROTOCOL, 0},
        {SWITCH UPGRADE ACCEPT "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", ST_PROTOCOL,
         0},
        {SWITCH UPGRADE ACCEPT "Sec-WebSocket-Protocol: chat\r\n\r\n", ST_PROTOCOL, 0},
        {"HTTP/1.1 401 Unauthorized\r\n\r\n", ST_DENIED, 401},
        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n", ST_DENIED, 403},
        {"HTTP/1.1 400 Bad\r\n\r\n", ST_UPSTREAM, 400},
        {"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", ST_UPSTREAM, 302},
        {"HTTP/1.1 200 OK\r\n\r\n", ST_UPSTREAM, 200},
        {"HTTP/1.1 503 Busy\r\n\r\n", ST_UPSTREAM, 503},
        {"HTTP/1.1 1010 Odd\r\n\r\n", ST_PROTOCOL, 0},
        {"HTTP/1.1 +10 Odd\r\n\r\n", ST_PROTOCOL, 0},
        {"HTTP/1.1 \r\n\r\n", ST_PROTOCOL, 0},
        {"HTTP/1.0 101 Old\r\n", ST_PROTOCOL, 0},
        {"SSH-2.0-server", ST_PROTOCOL, 0},
        {"<html>", ST_PROTOCOL, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fixture fixture;
        begin(&fixture);
        websocket_protocol_take(fixture.protocol, str_of(cases[i].answer));
        assert_int_equal(ending(&fixture), cases[i].status);
        assert_int_equal(websocket_protocol_error(fixture.protocol)->code, cases[i].code);
        bool is_good = cases[i].status == ST_OK;
        assert_int_equal(phase(&fixture), is_good ? WEBSOCKET_OPEN : WEBSOCKET_ENDED);
        assert_string_equal(buf_cstr(&fixture.log), is_good ? "open\n" : "");
        assert_int_equal(close_code(&fixture), WEBSOCKET_CLOSE_ABNORMAL);
        drain(&fixture);
        assert_int_equal(fixture.sent.len, 0);
        end(&fixture);
    }
}

static void an_endless_header_is_cut_off(void **state)
{
    struct fixture fixture;
    begin(&fixture);
    websocket_protocol_take(fixture.protocol, STR_LIT(SWITCH));
    for (int i = 0; i < 10000 && phase(&fixture) == WEBSOCKET_UPGRADING; i++)
        websocket_protocol_take(fixture.protocol, STR_LIT("X-Pad: 0123456789abcdef\r\n"));
    assert_int_equal(phase(&fixture), WEBSOCKET_ENDED);
    assert_int_equal(ending(&fixture), ST_TOO_LARGE);
    end(&fixture);

    begin(&fixture);
    for (int i = 0; i < 10000 && phase(&fixture) == WEBSOCKET_UPGRADING; i++)
        websocket_protocol_take(fixture.protocol, STR_LIT("HTTP/1.1 100 Continue\r\n\r\n"));
    assert_int_equal(ending(&fixture), ST_TOO_LARGE);
    end(&fixture);
}

/* --- a conversation, cut ------------------------------------------------------------------------
 */

static const char conversation_log[] = "open\ntext:5:hello\nbinary:3:\x01\x02\x03\n"
                                       "text:18:在么，一二三\ntext:0:\ntext:300:\n";

static void conversation_add(struct buf *out)
{
    char long_text[300];
    memset(long_text, 'x', sizeof(long_text));
    answer_add(out, STR_LIT(KEY));
    frame_add(out, FIN | TEXT, STR_LIT("hello"));
    frame_add(out, FIN | BINARY, STR_LIT("\x01\x02\x03"));
    frame_add(out, TEXT, STR_LIT("\xe5\x9c\xa8\xe4")); /* cut inside a character */
    frame_add(out, FIN | PING, STR_LIT("inside"));
    frame_add(out, CONTINUED, STR_LIT(""));
    frame_add(out, CONTINUED, STR_LIT("\xb9\x88，一二"));
    frame_add(out, FIN | PONG, STR_LIT("unasked"));
    frame_add(out, FIN | CONTINUED, STR_LIT("三"));
    frame_add(out, FIN | TEXT, STR_LIT(""));
    frame_add(out, FIN | TEXT, (struct str){long_text, sizeof(long_text)});
    frame_add_close(out, 1001, "连接过期");
}

static void expect_conversation(struct fixture *fixture)
{
    assert_string_equal(buf_cstr(&fixture->log), conversation_log);
    assert_int_equal(phase(fixture), WEBSOCKET_ENDED);
    assert_int_equal(ending(fixture), ST_OK);
    assert_int_equal(close_code(fixture), 1001);
    assert_string_equal(websocket_protocol_error(fixture->protocol)->text, "连接过期");
    expect_sent(fixture, FIN | PONG, "inside");
    expect_close_sent(fixture, 1001);
}

static void events_are_the_same_wherever_the_bytes_are_cut(void **state)
{
    struct buf bytes = BUF_INIT(4096);
    conversation_add(&bytes);
    for (size_t cut = 0; cut <= bytes.len; cut++) {
        struct fixture fixture;
        begin(&fixture);
        websocket_protocol_take(fixture.protocol, str_sub(buf_str(&bytes), 0, cut));
        websocket_protocol_take(fixture.protocol, str_sub(buf_str(&bytes), cut, SIZE_MAX));
        expect_conversation(&fixture);
        end(&fixture);
    }
    struct fixture fixture;
    begin(&fixture);
    for (size_t i = 0; i < bytes.len; i++)
        websocket_protocol_take(fixture.protocol, str_sub(buf_str(&bytes), i, 1));
    expect_conversation(&fixture);
    end(&fixture);
    buf_done(&bytes);
}

static void an_end_anywhere_before_the_close_frame_is_an_error(void **state)
{
    struct buf bytes = BUF_INIT(4096);
    conversation_add(&bytes);
    for (size_t cut = 0; cut < bytes.len; cut++) {
        struct fixture fixture;
        begin(&fixture);
        websocket_protocol_take(fixture.protocol, str_sub(buf_str(&bytes), 0, cut));
        websocket_protocol_take_end(fixture.protocol);
        assert_int_equal(phase(&fixture), WEBSOCKET_ENDED);
        assert_int_equal(ending(&fixture), ST_NET);
        assert_int_equal(close_code(&fixture), WEBSOCKET_CLOSE_ABNORMAL);
        assert_memory_equal(buf_cstr(&fixture.log), conversation_log, fixture.log.len);
        end(&fixture);
    }
    buf_done(&bytes);
}

/* --- sizes ------------------------------------------------------------------------------------ */

static void messages_come_whole_up_to_the_limit_and_not_past_it(void **state)
{
    static const size_t sizes[] = {0, 1, 125, 126, 127, 4096, 65535, 65536, MIB, MIB + 1, 2 * MIB};
    char *text = xmalloc(2 * MIB);
    memset(text, 'a', 2 * MIB);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        for (size_t part = 7000; part <= 2 * MIB; part += 2 * MIB - 7000) {
            struct fixture fixture;
            char line[64];
            begin_open(&fixture);
            size_t at = 0;
            do {
                size_t n = sizes[i] - at < part ? sizes[i] - at : part;
                take_frame(&fixture, (at == 0 ? TEXT : CONTINUED) | (at + n == sizes[i] ? FIN : 0),
                           (struct str){text + at, n});
                at += n;
            } while (at < sizes[i]);
            if (sizes[i] <= MIB) {
                assert_int_equal(phase(&fixture), WEBSOCKET_OPEN);
                (void)snprintf(line, sizeof(line), "text:%zu:", sizes[i]);
                assert_memory_equal(buf_cstr(&fixture.log), line, strlen(line));
            } else {
                assert_int_equal(phase(&fixture), WEBSOCKET_FAILED);
                assert_int_equal(ending(&fixture), ST_TOO_LARGE);
                assert_string_equal(buf_cstr(&fixture.log), "");
                expect_close_sent(&fixture, WEBSOCKET_CLOSE_TOO_BIG);
            }
            end(&fixture);
        }
    }
    free(text);
}

static void an_announced_length_is_refused_before_its_bytes_come(void **state)
{
    struct fixture fixture;
    begin_open(&fixture);
    websocket_protocol_take(fixture.protocol,
                            STR_LIT("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff\x01"));
    assert_int_equal(phase(&fixture), WEBSOCKET_FAILED);
    expect_close_sent(&fixture, WEBSOCKET_CLOSE_TOO_BIG);
    end(&fixture);
}

/* --- broken rules -------------------------------------------------------------------------------
 */

static void what_breaks_the_rules_is_answered_with_its_close_code(void **state)
{
    static const struct {
        struct str bytes;
        int code;
    } cases[] = {
        {STR_LIT("\xc1\x01x"), 1002},                 /* a reserved bit */
        {STR_LIT("\x83\x01x"), 1002},                 /* unknown kinds */
        {STR_LIT("\x8b\x00"), 1002},                  /* … of control */
        {STR_LIT("\x81\x81\x00\x00\x00\x00x"), 1002}, /* masked */
        {STR_LIT("\x80\x01x"), 1002},                 /* continues nothing */
        {STR_LIT("\x01\x01x\x81\x01y"), 1002},        /* begins inside another */
        {STR_LIT("\x09\x00"), 1002},                  /* a PING in fragments */
        {STR_LIT("\x89\x7e\x00\x7e"), 1002},          /* a PING of 126 bytes */
        {STR_LIT("\x81\x7e\x00\x01x"), 1002},         /* a length in too many bytes */
        {STR_LIT("\x81\x7f\x80\x00\x00\x00\x00\x00\x00\x00"), 1002},
        {STR_LIT("\x88\x01x"), 1002},        /* half a close code */
        {STR_LIT("\x88\x02\x03\xe7"), 1002}, /* 999 */
        {STR_LIT("\x88\x02\x03\xed"), 1002}, /* 1005 */
        {STR_LIT("\x88\x02\x03\xee"), 1002}, /* 1006 */
        {STR_LIT("\x88\x02\x13\x88"), 1002}, /* 5000 */
        {STR_LIT("\x88\x03\x03\xe8\xff"), 1007},
        {STR_LIT("\x81\x01\xff"), 1007},
        {STR_LIT("\x81\x03\xed\xa0\x80"), 1007},         /* a surrogate */
        {STR_LIT("\x01\x01\xe5\x80\x02\x9c\x41"), 1007}, /* across fragments */
        {STR_LIT("\x81\x02\xe5\x9c"), 1007},             /* ends inside a character */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fixture fixture;
        begin_open(&fixture);
        websocket_protocol_take(fixture.protocol, cases[i].bytes);
        assert_int_equal(phase(&fixture), WEBSOCKET_FAILED);
        assert_int_equal(ending(&fixture), ST_PROTOCOL);
        assert_int_equal(close_code(&fixture), cases[i].code);
        expect_close_sent(&fixture, cases[i].code);

        take_frame(&fixture, FIN | TEXT, STR_LIT("later"));
        assert_string_equal(buf_cstr(&fixture.log), "");
        assert_int_equal(websocket_protocol_send(fixture.protocol, STR_LIT("x")), ST_CONFLICT);
        websocket_protocol_take_end(fixture.protocol);
        assert_int_equal(phase(&fixture), WEBSOCKET_ENDED);
        assert_int_equal(ending(&fixture), ST_PROTOCOL);
        end(&fixture);
    }
}

static void close_frames_of_all_kinds_are_understood(void **state)
{
    static const struct {
        int code, seen;
        const char *reason;
    } cases[] = {
        {0, 1005, ""},        {1000, 1000, ""}, {1000, 1000, "bye"},         {1012, 1012, ""},
        {1013, 1013, "busy"}, {3000, 3000, ""}, {4999, 4999, "很久没有消息"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fixture fixture;
        struct buf bytes = BUF_INIT(256);
        begin_open(&fixture);
        frame_add_close(&bytes, cases[i].code, cases[i].reason);
        for (size_t at = 0; at < bytes.len; at++)
            websocket_protocol_take(fixture.protocol, str_sub(buf_str(&bytes), at, 1));
        assert_int_equal(phase(&fixture), WEBSOCKET_ENDED);
        assert_int_equal(ending(&fixture), ST_OK);
        assert_int_equal(close_code(&fixture), cases[i].seen);
        assert_string_equal(websocket_protocol_error(fixture.protocol)->text, cases[i].reason);
        expect_close_sent(&fixture, cases[i].code);
        buf_done(&bytes);
        end(&fixture);
    }
}

/* --- what we send -------------------------------------------------------------------------------
 */

static void texts_are_sent_masked_with_a_fresh_key_each(void **state)
{
    struct fixture fixture;
    uint8_t masks[4][4];
    begin_open(&fixture);
    for (size_t i = 0; i < COUNT(masks); i++)
        assert_int_equal(websocket_protocol_send(fixture.protocol, STR_LIT("同样的话")), ST_OK);
    drain(&fixture);
    struct str rest = buf_str(&fixture.sent);
    for (size_t i = 0; i < COUNT(masks); i++) {
        struct client_frame frame;
        assert_true(frame_cut(&rest, &frame));
        assert_int_equal(frame.first, FIN | TEXT);
        assert_true(frame.is_masked);
        assert_string_equal(buf_cstr(&frame.payload), "同样的话");
        memcpy(masks[i], frame.mask, 4);
        buf_done(&frame.payload);
    }
    assert_int_equal(rest.n, 0);
    assert_memory_not_equal(masks[0], masks[1], 4);
    assert_memory_not_equal(masks[1], masks[2], 4);
    assert_memory_not_equal(masks[2], masks[3], 4);
    end(&fixture);
}

static void texts_of_every_length_class_arrive(void **state)
{
    static const size_t sizes[] = {0, 125, 126, 4096, 65535, 65536, MIB};
    char *text = xmalloc(MIB);
    memset(text, 'b', MIB);
    struct fixture fixture;
    begin_open(&fixture);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct client_frame frame;
        assert_int_equal(websocket_protocol_send(fixture.protocol, (struct str){text, sizes[i]}),
                         ST_OK);
        drain(&fixture);
        struct str rest = buf_str(&fixture.sent);
        assert_true(frame_cut(&rest, &frame));
        assert_int_equal(rest.n, 0);
        assert_int_equal(frame.payload.len, sizes[i]);
        if (sizes[i] > 0)
            assert_memory_equal(frame.payload.data, text, sizes[i]);
        buf_done(&frame.payload);
        buf_clear(&fixture.sent);
    }
    free(text);
    end(&fixture);
}

static void the_queue_has_a_limit_that_giving_away_makes_room_under(void **state)
{
    struct fixture fixture;
    char text[500], part[600];
    memset(text, 'c', sizeof(text));
    begin_limited(&fixture, MIB, 1200);
    assert_int_equal(websocket_protocol_send(fixture.protocol, STR_LIT("x")), ST_CONFLICT);
    take_answer(&fixture);
    struct str half = {text, sizeof(text)};
    assert_int_equal(websocket_protocol_send(fixture.protocol, STR_LIT("\xff")), ST_INVAL);
    assert_int_equal(websocket_protocol_send(fixture.protocol, (struct str){text, 1187}),
                     ST_TOO_LARGE);
    assert_int_equal(websocket_protocol_send(fixture.protocol, half), ST_OK);
    assert_int_equal(websocket_protocol_send(fixture.protocol, half), ST_OK);
    assert_int_equal(websocket_protocol_send(fixture.protocol, half), ST_LIMITED);
    assert_int_equal(websocket_protocol_give(fixture.protocol, part, sizeof(part)), sizeof(part));
    (void)buf_add(&fixture.sent, part, sizeof(part));
    assert_int_equal(websocket_protocol_send(fixture.protocol, half), ST_OK);
    for (int i = 0; i < 3; i++)
        expect_sent(&fixture, FIN | TEXT, NULL);
    assert_int_equal(fixture.sent.len, 0);
    end(&fixture);
}

static void a_flood_of_pings_takes_no_memory_and_the_newest_is_answered(void **state)
{
    struct fixture fixture;
    char payload[125] = {0};
    size_t n_pongs = 0;
    begin_limited(&fixture, MIB, 1000);
    take_answer(&fixture);
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(payload, sizeof(payload), "ping %d", i);
        take_frame(&fixture, FIN | PING, (struct str){payload, sizeof(payload)});
    }
    websocket_protocol_ping(fixture.protocol);
    drain(&fixture);
    assert_true(fixture.sent.len < 16384);
    struct str rest = buf_str(&fixture.sent);
    for (struct client_frame frame; frame_cut(&rest, &frame); n_pongs++) {
        assert_int_equal(frame.first, FIN | PONG);
        (void)snprintf(payload, sizeof(payload), "%s", buf_cstr(&frame.payload));
        buf_done(&frame.payload);
    }
    assert_int_equal(rest.n, 0);
    assert_true(n_pongs > 10);
    assert_string_equal(payload, "ping 9999");
    assert_int_equal(phase(&fixture), WEBSOCKET_OPEN);
    end(&fixture);
}

static void closing_sends_what_is_queued_and_still_takes_messages(void **state)
{
    struct fixture fixture;
    begin_open(&fixture);
    assert_int_equal(websocket_protocol_send(fixture.protocol, STR_LIT("last")), ST_OK);
    websocket_protocol_close(fixture.protocol, 1000);
    websocket_protocol_close(fixture.protocol, 1001);
    websocket_protocol_ping(fixture.protocol);
    assert_int_equal(phase(&fixture), WEBSOCKET_CLOSING);
    assert_int_equal(websocket_protocol_send(fixture.protocol, STR_LIT("x")), ST_CONFLICT);
    take_frame(&fixture, FIN | PING, STR_LIT("late"));
    take_frame(&fixture, FIN | TEXT, STR_LIT("late"));
    assert_string_equal(buf_cstr(&fixture.log), "text:4:late\n");
    expect_sent(&fixture, FIN | TEXT, "last");
    expect_close_sent(&fixture, 1000);
    take_frame(&fixture, FIN | CLOSE, STR_LIT("\x03\xe8"));
    assert_int_equal(phase(&fixture), WEBSOCKET_ENDED);
    assert_int_equal(ending(&fixture), ST_OK);
    assert_int_equal(close_code(&fixture), 1000);
    drain(&fixture);
    assert_int_equal(fixture.sent.len, 0);
    end(&fixture);
}

static void messages_may_be_answered_where_they_arrive(void **state)
{
    struct fixture fixture;
    begin_open(&fixture);
    fixture.answer_with = "ack";
    struct buf bytes = BUF_INIT(1024);
    frame_add(&bytes, FIN | TEXT, STR_LIT("one"));
    frame_add(&bytes, FIN | TEXT, STR_LIT("two"));
    websocket_protocol_take(fixture.protocol, buf_str(&bytes));
    buf_done(&bytes);
    assert_string_equal(buf_cstr(&fixture.log), "text:3:one\ntext:3:two\n");
    expect_sent(&fixture, FIN | TEXT, "ack");
    expect_sent(&fixture, FIN | TEXT, "ack");
    end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_asks_for_the_urls_target_and_host),
        cmocka_unit_test(urls_that_are_no_websockets_are_refused),
        cmocka_unit_test(keys_are_random_and_16_bytes_long),
        cmocka_unit_test(answers_are_taken_and_refused_for_their_reason),
        cmocka_unit_test(an_endless_header_is_cut_off),
        cmocka_unit_test(events_are_the_same_wherever_the_bytes_are_cut),
        cmocka_unit_test(an_end_anywhere_before_the_close_frame_is_an_error),
        cmocka_unit_test(messages_come_whole_up_to_the_limit_and_not_past_it),
        cmocka_unit_test(an_announced_length_is_refused_before_its_bytes_come),
        cmocka_unit_test(what_breaks_the_rules_is_answered_with_its_close_code),
        cmocka_unit_test(close_frames_of_all_kinds_are_understood),
        cmocka_unit_test(texts_are_sent_masked_with_a_fresh_key_each),
        cmocka_unit_test(texts_of_every_length_class_arrive),
        cmocka_unit_test(the_queue_has_a_limit_that_giving_away_makes_room_under),
        cmocka_unit_test(a_flood_of_pings_takes_no_memory_and_the_newest_is_answered),
        cmocka_unit_test(closing_sends_what_is_queued_and_still_takes_messages),
        cmocka_unit_test(messages_may_be_answered_where_they_arrive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
