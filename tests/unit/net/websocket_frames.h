/* The server's side of WebSockets for tests: frames made and read by hand, rules broken at will. */
#ifndef DB_TESTS_WEBSOCKET_FRAMES_H
#define DB_TESTS_WEBSOCKET_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "scripted_server.h"
#include "util/buf.h"

#define FIN 0x80
#define CONTINUED 0x0
#define TEXT 0x1
#define BINARY 0x2
#define CLOSE 0x8
#define PING 0x9
#define PONG 0xa

/* Appends a frame as a server sends it; `first` is its first byte. */
void frame_add(struct buf *out, int first, struct str payload);
/* A close frame; code 0: without any. */
void frame_add_close(struct buf *out, int code, const char *reason);
/* Appends the right 101 for a request with this key. */
void answer_add(struct buf *out, struct str key);
/* The value of Sec-WebSocket-Key in a request. */
struct str request_key(struct str request);

/* A frame of the client. */
struct client_frame {
    int first;
    bool is_masked;
    uint8_t mask[4];
    struct buf payload; /* unmasked */
};
/* Cuts one frame off `bytes`; false when it is not whole. The payload must be freed. */
bool frame_cut(struct str *bytes, struct client_frame *ret_frame);
/* The code of a close frame; 0 without one, -1 when it is no close frame. */
int frame_close_code(const struct client_frame *frame);

/* For scripts: reads the request and answers 101; false when the client is gone. */
bool peer_upgrade(struct peer *peer);
bool peer_read_frame(struct peer *peer, struct client_frame *ret_frame);
void peer_say_frame(struct peer *peer, int first, struct str payload);
void peer_say_close(struct peer *peer, int code, const char *reason);

#endif
