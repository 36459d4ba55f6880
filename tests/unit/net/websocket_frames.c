#include "websocket_frames.h"

#include <stdlib.h>
#include <string.h>

#include "util/crypto.h"

#define BUFFER_MAX ((size_t)64 * 1024 * 1024)

void frame_add(struct buf *out, int first, struct str payload)
{
    (void)buf_putc(out, (char)first);
    if (payload.n < 126) {
        (void)buf_putc(out, (char)payload.n);
    } else {
        size_t n_bytes = payload.n < 65536 ? 2 : 8;
        (void)buf_putc(out, n_bytes == 2 ? 126 : 127);
        for (size_t i = n_bytes; i-- > 0;)
            (void)buf_putc(out, (char)((uint64_t)payload.n >> 8 * i));
    }
    (void)buf_add_str(out, payload);
}

void frame_add_close(struct buf *out, int code, const char *reason)
{
    struct buf payload = BUF_INIT(125);
    if (code != 0) {
        (void)buf_putc(&payload, (char)(code >> 8));
        (void)buf_putc(&payload, (char)code);
    }
    (void)buf_puts(&payload, reason);
    frame_add(out, FIN | CLOSE, buf_str(&payload));
    buf_done(&payload);
}

void answer_add(struct buf *out, struct str key)
{
    uint8_t hash[SHA1_SIZE];
    struct buf text = BUF_INIT(1024);
    (void)buf_add_str(&text, key);
    (void)buf_puts(&text, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    if (crypto_sha1(buf_str(&text), hash) != ST_OK)
        abort();
    buf_done(&text);
    (void)buf_puts(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Accept: ");
    if (base64_encode((struct str){(const char *)hash, sizeof(hash)}, out) != ST_OK)
        abort();
    (void)buf_puts(out, "\r\n\r\n");
}

struct str request_key(struct str request)
{
    static const char name[] = "\r\nSec-WebSocket-Key: ";
    ptrdiff_t at = str_find(request, str_of(name));
    if (at < 0)
        return STR_LIT("");
    struct str rest = str_sub(request, (size_t)at + sizeof(name) - 1, SIZE_MAX);
    return str_cut(&rest, '\r');
}

bool frame_cut(struct str *bytes, struct client_frame *ret_frame)
{
    const uint8_t *p = (const uint8_t *)bytes->p;
    if (bytes->n < 2)
        return false;
    bool is_masked = p[1] & 0x80;
    uint64_t size = p[1] & 0x7f;
    size_t at = 2;
    size_t n_length = size == 126 ? 2 : size == 127 ? 8 : 0;
    if (bytes->n < at + n_length + (is_masked ? 4 : 0))
        return false;
    if (n_length > 0)
        size = 0;
    for (size_t i = 0; i < n_length; i++)
        size = size << 8 | p[at++];
    struct client_frame frame = {
        .first = p[0], .is_masked = is_masked, .payload = BUF_INIT(BUFFER_MAX)};
    if (is_masked) {
        memcpy(frame.mask, p + at, 4);
        at += 4;
    }
    if (bytes->n - at < size)
        return false;
    (void)buf_add(&frame.payload, p + at, size);
    for (size_t i = 0; i < size && is_masked; i++)
        frame.payload.data[i] = (char)(frame.payload.data[i] ^ frame.mask[i % 4]);
    *bytes = str_sub(*bytes, at + size, SIZE_MAX);
    *ret_frame = frame;
    return true;
}

int frame_close_code(const struct client_frame *frame)
{
    const uint8_t *p = (const uint8_t *)frame->payload.data;
    if (frame->first != (FIN | CLOSE))
        return -1;
    return frame->payload.len < 2 ? 0 : p[0] << 8 | p[1];
}

bool peer_upgrade(struct peer *peer)
{
    struct buf answer = BUF_INIT(1024);
    if (!peer_read_request(peer))
        return false;
    answer_add(&answer, request_key(buf_str(&peer->request)));
    peer_say_bytes(peer, answer.data, answer.len);
    buf_done(&answer);
    return true;
}

bool peer_read_frame(struct peer *peer, struct client_frame *ret_frame)
{
    struct buf bytes = BUF_INIT(BUFFER_MAX);
    bool is_whole = false;
    for (size_t want = 2; !is_whole;) {
        char part[65536];
        size_t n = want < sizeof(part) ? want : sizeof(part);
        if (!peer_read_bytes(peer, part, n))
            break;
        (void)buf_add(&bytes, part, n);
        want -= n;
        struct str all = buf_str(&bytes);
        if (want == 0) {
            is_whole = frame_cut(&all, ret_frame);
            const uint8_t *p = (const uint8_t *)bytes.data;
            size_t small = p[1] & 0x7f, head = small == 126 ? 8 : small == 127 ? 14 : 6;
            if (bytes.len < head)
                want = head - bytes.len;
            else if (!is_whole)
                want = small == 126 ? (size_t)(p[2] << 8 | p[3])
                       : small == 127
                           ? (size_t)p[6] << 24 | (size_t)p[7] << 16 | (size_t)p[8] << 8 | p[9]
                           : small;
        }
    }
    buf_done(&bytes);
    return is_whole;
}

void peer_say_frame(struct peer *peer, int first, struct str payload)
{
    struct buf frame = BUF_INIT(BUFFER_MAX);
    frame_add(&frame, first, payload);
    peer_say_bytes(peer, frame.data, frame.len);
    buf_done(&frame);
}

void peer_say_close(struct peer *peer, int code, const char *reason)
{
    struct buf frame = BUF_INIT(256);
    frame_add_close(&frame, code, reason);
    peer_say_bytes(peer, frame.data, frame.len);
    buf_done(&frame);
}
