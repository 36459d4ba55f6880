/* WebSocket: a server's bytes give the same events and the same end, however they are cut; what we
 * say to it is made of whole masked frames. The first two bytes choose the limit, whether the
 * upgrade is already answered, and the cut; the rest is what the server sends. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "net/websocket_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEY "dGhlIHNhbXBsZSBub25jZQ==" /* RFC 6455, section 1.3 */
#define ANSWER                                                              \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"            \
    "Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+" \
    "xOo=\r\n\r\n"
#define MAX_QUEUED_BYTES 4096

struct talk {
    struct websocket_protocol *protocol;
    struct buf log;
    size_t max_bytes;
    size_t n_open;
};

static void on_open(void *arg)
{
    struct talk *talk = arg;
    talk->n_open++;
    assert(talk->n_open == 1);
}

static void on_message(struct str message, bool is_text, void *arg)
{
    struct talk *talk = arg;
    assert(talk->n_open == 1);
    assert(message.n <= talk->max_bytes);
    assert(!is_text || utf8_is_valid(message));
    (void)buf_printf(&talk->log, "%d:%zu:", is_text, message.n);
    (void)buf_add_str(&talk->log, message);
    if (message.n == 1)
        (void)!websocket_protocol_send(talk->protocol, message);
    if (message.n == 2)
        websocket_protocol_close(talk->protocol, WEBSOCKET_CLOSE_NORMAL);
}

static void check_frames(struct str bytes)
{
    while (bytes.n > 0) {
        const uint8_t *p = (const uint8_t *)bytes.p;
        assert(bytes.n >= 6 && (p[0] & 0x80) && (p[1] & 0x80));
        size_t payload = p[1] & 0x7f;
        assert(payload <= 125); /* we send nothing longer in here */
        assert(bytes.n >= 6 + payload);
        bytes = str_sub(bytes, 6 + payload, SIZE_MAX);
    }
}

static void drain(struct talk *talk)
{
    char bytes[2 * 16384 + MAX_QUEUED_BYTES];
    size_t n = websocket_protocol_give(talk->protocol, bytes, sizeof(bytes));
    check_frames((struct str){bytes, n});
    n = websocket_protocol_give(talk->protocol, bytes, sizeof(bytes)); /* a PONG that was put off */
    check_frames((struct str){bytes, n});
    assert(!websocket_protocol_has_to_give(talk->protocol));
}

static void hear(struct talk *talk, struct str stream, size_t step, bool is_open)
{
    static const struct websocket_events events = {on_open, on_message};
    talk->protocol =
        websocket_protocol_new(STR_LIT(""), KEY, talk->max_bytes, MAX_QUEUED_BYTES, &events, talk);
    if (is_open)
        websocket_protocol_take(talk->protocol, STR_LIT(ANSWER));
    for (size_t at = 0; at < stream.n; at += step) {
        websocket_protocol_take(talk->protocol, str_sub(stream, at, step));
        drain(talk);
    }
    (void)buf_printf(&talk->log, "|%d:", websocket_protocol_phase(talk->protocol));
    websocket_protocol_take_end(talk->protocol);
    const struct error *error = websocket_protocol_error(talk->protocol);
    assert(websocket_protocol_phase(talk->protocol) == WEBSOCKET_ENDED);
    (void)buf_printf(&talk->log, "%d:%d:%d:%s", error->status, error->code,
                     websocket_protocol_close_code(talk->protocol), error->text);
    websocket_protocol_free(talk->protocol);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t max_bytes = (data[0] >> 1) * 8U + 1;
    size_t step = data[1] % 64U + 1;
    struct str stream = {(const char *)data + 2, size - 2};

    struct talk whole = {.log = BUF_INIT(SIZE_MAX / 2), .max_bytes = max_bytes};
    struct talk cut = {.log = BUF_INIT(SIZE_MAX / 2), .max_bytes = max_bytes};
    hear(&whole, stream, stream.n + 1, data[0] & 1);
    hear(&cut, stream, step, data[0] & 1);
    assert(str_eq(buf_str(&whole.log), buf_str(&cut.log)));
    buf_done(&whole.log);
    buf_done(&cut.log);
    return 0;
}
