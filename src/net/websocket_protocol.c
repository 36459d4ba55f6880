#include "net/websocket_protocol.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "net/websocket_handshake.h"
#include "util/crypto.h"
#include "util/mem.h"

#define CONTROL_BYTES_MAX 125 /* RFC 6455, section 5.5 */
#define FRAME_HEAD_BYTES_MAX 14
/* Room behind max_queued_bytes: for PONGs, and the rest for a PING and the close frame. */
#define PONG_ROOM_BYTES 8192
#define CONTROL_ROOM_BYTES (2 * PONG_ROOM_BYTES)
#define KEPT_MESSAGE_BYTES ((size_t)64 * 1024) /* memory kept between messages */

struct websocket_protocol {
    enum websocket_phase phase;
    const struct websocket_events *events;
    void *arg;
    struct error error;
    int close_code;

    char key[WEBSOCKET_KEY_SIZE];
    struct buf head; /* of the answer, until it is whole */
    size_t head_bytes;

    wslay_frame_context_ptr frames;
    struct str input; /* what wslay has not read yet of the bytes being taken */
    bool is_in_frame;
    uint64_t frame_bytes; /* of its payload, so far */
    bool is_in_message;
    bool message_is_text;
    struct buf message;
    char control[CONTROL_BYTES_MAX];
    size_t control_bytes;

    struct buf out;
    size_t out_given; /* bytes at the front of `out` that have been given away */
    size_t max_queued_bytes;
    bool owes_pong; /* a PING that found no room for its PONG; a later one replaces it (5.5.3) */
    char pong[CONTROL_BYTES_MAX];
    size_t pong_bytes;
};

/* --- wslay's callbacks ---------------------------------------------------------------------- */

static ssize_t on_wslay_recv(uint8_t *bytes, size_t size, int flags, void *arg)
{
    struct websocket_protocol *protocol = arg;
    struct str part = str_sub(protocol->input, 0, size);
    if (part.n == 0)
        return -1;
    memcpy(bytes, part.p, part.n);
    protocol->input = str_sub(protocol->input, part.n, SIZE_MAX);
    return (ssize_t)part.n;
}

static ssize_t on_wslay_send(const uint8_t *bytes, size_t size, int flags, void *arg)
{
    struct websocket_protocol *protocol = arg;
    return buf_add(&protocol->out, bytes, size) == ST_OK ? (ssize_t)size : -1;
}

static int on_wslay_mask(uint8_t *key, size_t size, void *arg)
{
    crypto_random_bytes(key, size);
    return 0;
}

/* --- life ----------------------------------------------------------------------------------- */

struct websocket_protocol *websocket_protocol_new(struct str request, const char *key,
                                                  size_t max_message_bytes, size_t max_queued_bytes,
                                                  const struct websocket_events *events, void *arg)
{
    static const struct wslay_frame_callbacks callbacks = {
        .send_callback = on_wslay_send,
        .recv_callback = on_wslay_recv,
        .genmask_callback = on_wslay_mask,
    };
    struct websocket_protocol *protocol = xcalloc(1, sizeof(*protocol));
    protocol->events = events;
    protocol->arg = arg;
    protocol->close_code = WEBSOCKET_CLOSE_ABNORMAL;
    protocol->max_queued_bytes = max_queued_bytes;
    assert(strlen(key) < sizeof(protocol->key));
    memcpy(protocol->key, key, strlen(key));
    buf_init(&protocol->head, WEBSOCKET_HEAD_BYTES_MAX);
    buf_init(&protocol->message, max_message_bytes);
    buf_init(&protocol->out, max_queued_bytes + CONTROL_ROOM_BYTES + request.n);
    (void)buf_add_str(&protocol->out, request);
    if (wslay_frame_context_init(&protocol->frames, &callbacks, protocol) != 0)
        abort(); /* out of memory, as in util/mem */
    return protocol;
}

void websocket_protocol_free(struct websocket_protocol *protocol)
{
    if (!protocol)
        return;
    wslay_frame_context_free(protocol->frames);
    buf_done(&protocol->head);
    buf_done(&protocol->message);
    buf_done(&protocol->out);
    free(protocol);
}

enum websocket_phase websocket_protocol_phase(const struct websocket_protocol *protocol)
{
    return protocol->phase;
}

const struct error *websocket_protocol_error(const struct websocket_protocol *protocol)
{
    return &protocol->error;
}

int websocket_protocol_close_code(const struct websocket_protocol *protocol)
{
    return protocol->close_code;
}

/* --- out ------------------------------------------------------------------------------------ */

static size_t waiting_bytes(const struct websocket_protocol *protocol)
{
    return protocol->out.len - protocol->out_given;
}

static void drop_given(struct websocket_protocol *protocol)
{
    buf_consume(&protocol->out, protocol->out_given);
    protocol->out_given = 0;
}

/* The callers have made sure that it fits. */
static void queue_frame(struct websocket_protocol *protocol, uint8_t opcode, struct str payload)
{
    drop_given(protocol);
    struct wslay_frame_iocb frame = {
        .fin = 1,
        .opcode = opcode,
        .payload_length = payload.n,
        .mask = 1,
        .data = (const uint8_t *)payload.p,
        .data_length = payload.n,
    };
    ssize_t sent = wslay_frame_send(protocol->frames, &frame);
    assert(sent == (ssize_t)payload.n);
}

static void queue_close(struct websocket_protocol *protocol, int code)
{
    const char bytes[2] = {(char)(code >> 8), (char)code};
    queue_frame(protocol, WSLAY_CONNECTION_CLOSE,
                (struct str){bytes, code == WEBSOCKET_CLOSE_NO_CODE ? 0 : sizeof(bytes)});
}

static void queue_pong(struct websocket_protocol *protocol, struct str payload)
{
    if (waiting_bytes(protocol) + payload.n + FRAME_HEAD_BYTES_MAX <=
        protocol->max_queued_bytes + PONG_ROOM_BYTES) {
        queue_frame(protocol, WSLAY_PONG, payload);
        return;
    }
    protocol->owes_pong = true;
    protocol->pong_bytes = payload.n;
    if (payload.n > 0)
        memcpy(protocol->pong, payload.p, payload.n);
}

size_t websocket_protocol_give(struct websocket_protocol *protocol, char *ret_bytes, size_t size)
{
    if (waiting_bytes(protocol) == 0 && protocol->owes_pong) {
        protocol->owes_pong = false;
        if (protocol->phase == WEBSOCKET_OPEN)
            queue_frame(protocol, WSLAY_PONG, (struct str){protocol->pong, protocol->pong_bytes});
    }
    struct str part = str_sub(buf_str(&protocol->out), protocol->out_given, size);
    if (part.n > 0)
        memcpy(ret_bytes, part.p, part.n);
    protocol->out_given += part.n;
    if (waiting_bytes(protocol) == 0)
        drop_given(protocol);
    return part.n;
}

bool websocket_protocol_has_to_give(const struct websocket_protocol *protocol)
{
    return waiting_bytes(protocol) > 0 || protocol->owes_pong;
}

enum status websocket_protocol_send(struct websocket_protocol *protocol, struct str text)
{
    size_t max_bytes = protocol->max_queued_bytes;
    if (protocol->phase != WEBSOCKET_OPEN)
        return ST_CONFLICT;
    if (max_bytes < FRAME_HEAD_BYTES_MAX || text.n > max_bytes - FRAME_HEAD_BYTES_MAX)
        return ST_TOO_LARGE;
    if (!utf8_is_valid(text))
        return ST_INVAL;
    if (waiting_bytes(protocol) + text.n + FRAME_HEAD_BYTES_MAX > max_bytes)
        return ST_LIMITED;
    queue_frame(protocol, WSLAY_TEXT_FRAME, text);
    return ST_OK;
}

void websocket_protocol_ping(struct websocket_protocol *protocol)
{
    /* A server that does not read needs no further one. */
    if (protocol->phase == WEBSOCKET_OPEN && waiting_bytes(protocol) <= protocol->max_queued_bytes)
        queue_frame(protocol, WSLAY_PING, STR_LIT(""));
}

void websocket_protocol_close(struct websocket_protocol *protocol, int code)
{
    if (protocol->phase != WEBSOCKET_OPEN)
        return;
    queue_close(protocol, code);
    protocol->phase = WEBSOCKET_CLOSING;
}

/* --- in: the answer to the upgrade ---------------------------------------------------------- */

/* Moves bytes into `head` until it is whole (true). */
static bool fill_head(struct websocket_protocol *protocol, struct str *bytes)
{
    struct buf *head = &protocol->head;
    size_t old_bytes = head->len;
    struct str part = str_sub(*bytes, 0, WEBSOCKET_HEAD_BYTES_MAX - protocol->head_bytes);
    (void)buf_add_str(head, part);
    size_t from = old_bytes > 3 ? old_bytes - 3 : 0;
    ptrdiff_t end = str_find(str_sub(buf_str(head), from, SIZE_MAX), STR_LIT("\r\n\r\n"));
    if (end >= 0) {
        buf_truncate(head, from + (size_t)end + 4);
        part.n = head->len - old_bytes;
    }
    protocol->head_bytes += part.n;
    *bytes = str_sub(*bytes, part.n, SIZE_MAX);
    return end >= 0;
}

static void take_head(struct websocket_protocol *protocol, struct str *bytes)
{
    bool is_interim = true;
    while (is_interim && bytes->n > 0) {
        bool is_whole = fill_head(protocol, bytes);
        struct error *error = &protocol->error;
        enum status status = ST_OK;
        if (!websocket_handshake_may_begin(buf_str(&protocol->head)))
            status = error_set(error, ST_PROTOCOL, 0, "the server's answer is not HTTP/1.1");
        else if (is_whole)
            status = websocket_handshake_check(buf_str(&protocol->head), protocol->key, &is_interim,
                                               error);
        else if (protocol->head_bytes == WEBSOCKET_HEAD_BYTES_MAX)
            status = error_set(error, ST_TOO_LARGE, 0,
                               "the header of the server's answer is longer than %d bytes",
                               WEBSOCKET_HEAD_BYTES_MAX);
        if (status != ST_OK) {
            protocol->phase = WEBSOCKET_ENDED;
            return;
        }
        if (is_whole)
            buf_clear(&protocol->head);
    }
    if (is_interim)
        return;
    buf_done(&protocol->head);
    protocol->phase = WEBSOCKET_OPEN;
    protocol->events->on_open(protocol->arg);
}

/* --- in: frames ------------------------------------------------------------------------------ */

static void fail(struct websocket_protocol *protocol, int code, enum status status, const char *why)
{
    (void)error_set(&protocol->error, status, 0, "%s", why);
    protocol->close_code = code;
    if (protocol->phase == WEBSOCKET_OPEN)
        queue_close(protocol, code);
    protocol->phase = WEBSOCKET_FAILED;
}

static bool is_control(uint8_t opcode)
{
    return wslay_is_ctrl_frame(opcode);
}

/* False when the frame may not be there; the connection has failed then. */
static bool begin_frame(struct websocket_protocol *protocol, const struct wslay_frame_iocb *frame)
{
    const char *why = NULL;
    if (frame->mask || frame->rsv)
        why = "the server masked a frame or set a reserved bit";
    else if (frame->opcode > WSLAY_PONG ||
             (frame->opcode > WSLAY_BINARY_FRAME && !is_control(frame->opcode)))
        why = "the server sent a frame of an unknown kind";
    else if (!is_control(frame->opcode) &&
             protocol->is_in_message != (frame->opcode == WSLAY_CONTINUATION_FRAME))
        why = "the server's fragments do not follow one another";
    if (why) {
        fail(protocol, WEBSOCKET_CLOSE_PROTOCOL, ST_PROTOCOL, why);
        return false;
    }

    protocol->is_in_frame = true;
    protocol->frame_bytes = 0;
    protocol->control_bytes = 0;
    if (is_control(frame->opcode))
        return true;
    if (!protocol->is_in_message) {
        protocol->is_in_message = true;
        protocol->message_is_text = frame->opcode == WSLAY_TEXT_FRAME;
    }
    if (frame->payload_length > protocol->message.max - protocol->message.len) {
        fail(protocol, WEBSOCKET_CLOSE_TOO_BIG, ST_TOO_LARGE, "the server's message is too long");
        return false;
    }
    return true;
}

static void add_part(struct websocket_protocol *protocol, const struct wslay_frame_iocb *frame)
{
    protocol->frame_bytes += frame->data_length;
    if (frame->data_length == 0)
        return;
    if (!is_control(frame->opcode)) {
        (void)buf_add(&protocol->message, frame->data, frame->data_length);
        return;
    }
    assert(protocol->control_bytes + frame->data_length <= CONTROL_BYTES_MAX); /* wslay's rule */
    memcpy(protocol->control + protocol->control_bytes, frame->data, frame->data_length);
    protocol->control_bytes += frame->data_length;
}

static void end_message(struct websocket_protocol *protocol)
{
    struct buf *message = &protocol->message;
    protocol->is_in_message = false;
    if (protocol->message_is_text && !utf8_is_valid(buf_str(message))) {
        fail(protocol, WEBSOCKET_CLOSE_BAD_TEXT, ST_PROTOCOL, "the server's text is not UTF-8");
        return;
    }
    protocol->events->on_message(buf_str(message), protocol->message_is_text, protocol->arg);
    if (message->cap > KEPT_MESSAGE_BYTES)
        buf_done(message);
    buf_clear(message);
}

/* RFC 6455, section 7.4, and the codes registered since. */
static bool is_close_code(int code)
{
    bool is_reserved = code == 1004 || code == 1005 || code == 1006;
    return (code >= 1000 && code <= 1014 && !is_reserved) || (code >= 3000 && code <= 4999);
}

static void take_close(struct websocket_protocol *protocol)
{
    const unsigned char *bytes = (const unsigned char *)protocol->control;
    size_t n = protocol->control_bytes;
    int code = n >= 2 ? bytes[0] << 8 | bytes[1] : WEBSOCKET_CLOSE_NO_CODE;
    struct str reason = str_sub((struct str){protocol->control, n}, 2, SIZE_MAX);
    if (n == 1 || (n >= 2 && !is_close_code(code))) {
        fail(protocol, WEBSOCKET_CLOSE_PROTOCOL, ST_PROTOCOL, "the server's close code is not one");
        return;
    }
    if (!utf8_is_valid(reason)) {
        fail(protocol, WEBSOCKET_CLOSE_BAD_TEXT, ST_PROTOCOL, "the server's reason is not UTF-8");
        return;
    }
    if (protocol->phase == WEBSOCKET_OPEN)
        queue_close(protocol, code);
    protocol->close_code = code;
    (void)error_set(&protocol->error, ST_OK, 0, "%.*s", (int)reason.n, reason.n ? reason.p : "");
    protocol->phase = WEBSOCKET_ENDED;
}

static void end_frame(struct websocket_protocol *protocol, const struct wslay_frame_iocb *frame)
{
    protocol->is_in_frame = false;
    if (frame->opcode == WSLAY_CONNECTION_CLOSE)
        take_close(protocol);
    else if (frame->opcode == WSLAY_PING && protocol->phase == WEBSOCKET_OPEN)
        queue_pong(protocol, (struct str){protocol->control, protocol->control_bytes});
    else if (!is_control(frame->opcode) && frame->fin)
        end_message(protocol);
}

static bool wants_frames(const struct websocket_protocol *protocol)
{
    return protocol->phase == WEBSOCKET_OPEN || protocol->phase == WEBSOCKET_CLOSING;
}

void websocket_protocol_take(struct websocket_protocol *protocol, struct str bytes)
{
    if (protocol->phase == WEBSOCKET_UPGRADING)
        take_head(protocol, &bytes);
    protocol->input = bytes;
    while (wants_frames(protocol)) {
        struct wslay_frame_iocb frame = {0};
        ssize_t n = wslay_frame_recv(protocol->frames, &frame);
        if (n == WSLAY_ERR_WANT_READ) {
            if (protocol->input.n == 0)
                break;
            continue;
        }
        if (n < 0) {
            fail(protocol, WEBSOCKET_CLOSE_PROTOCOL, ST_PROTOCOL,
                 "the server's frame is malformed");
            break;
        }
        if (!protocol->is_in_frame && !begin_frame(protocol, &frame))
            break;
        add_part(protocol, &frame);
        if (protocol->frame_bytes == frame.payload_length)
            end_frame(protocol, &frame);
    }
    protocol->input = STR_LIT("");
}

void websocket_protocol_take_end(struct websocket_protocol *protocol)
{
    if (protocol->phase == WEBSOCKET_UPGRADING)
        (void)error_set(&protocol->error, ST_NET, 0,
                        "the server ended the connection within its answer");
    else if (wants_frames(protocol))
        (void)error_set(&protocol->error, ST_NET, 0,
                        "the server ended the connection without a close frame");
    protocol->phase = WEBSOCKET_ENDED;
}
