#include "dingtalk/card_call.h"

#include "dingtalk/split.h"
#include "util/buf.h"

#define BODY_BYTES_MAX ((size_t)256 * 1024)
#define FENCE_BYTES_MAX 256
#define TIMEOUT_MS 8000

static const struct {
    const char *method;
    const char *path;
    const char *name;
} calls[] = {
    [CALL_NONE] = {"", "", "none"},
    [CALL_CREATE] = {"POST", "/v1.0/card/instances/createAndDeliver", "card_create"},
    [CALL_BEGIN_FLOW] = {"PUT", "/v1.0/card/instances", "card_flow"},
    [CALL_UPDATE] = {"PUT", "/v1.0/card/streaming", "card_update"},
    [CALL_CLOSE] = {"PUT", "/v1.0/card/streaming", "card_update"},
    [CALL_END_FLOW] = {"PUT", "/v1.0/card/instances", "card_flow"},
};

const char *card_call_name(enum card_call kind)
{
    return calls[kind].name;
}

bool card_call_is_worth_repeating(enum api_result result)
{
    return result == API_THROTTLED || result == API_BUSY || result == API_UNCERTAIN;
}

/* Line ends at the end would make the card flicker; a fence that is open is closed. */
static void put_content(struct str text, struct buf *out)
{
    while (text.n > 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
        text.n--;
    buf_add_str(out, text);
    split_open_fence(text, out, NULL);
    if (out->len == 0) /* DingTalk takes no empty text */
        buf_putc(out, ' ');
}

static enum status put_body(const struct card_template *card, const char *track_id,
                            enum card_call kind, struct str text, struct buf *out)
{
    enum status status;
    if (kind == CALL_CREATE)
        return buf_add_str(out, text);
    if (kind == CALL_BEGIN_FLOW)
        return card_flow_body(card, track_id, CARD_FLOW_INPUTTING, STR_LIT(""), out);
    struct buf content = BUF_INIT(text.n + FENCE_BYTES_MAX);
    put_content(text, &content);
    if (kind == CALL_END_FLOW)
        status = card_flow_body(card, track_id, CARD_FLOW_FINISHED, buf_str(&content), out);
    else
        status = card_stream_body(card, track_id, buf_str(&content), kind == CALL_CLOSE, out);
    buf_done(&content);
    return status;
}

uint64_t card_call_send(struct api *api, int app, const struct card_template *card,
                        const char *track_id, enum card_call kind, struct str text, api_fn fn,
                        void *arg)
{
    struct buf body = BUF_INIT(BODY_BYTES_MAX);
    uint64_t id = 0;
    if (put_body(card, track_id, kind, text, &body) == ST_OK) {
        const struct api_request request = {.app = app,
                                            .method = calls[kind].method,
                                            .path = calls[kind].path,
                                            .body = buf_str(&body),
                                            .kind = calls[kind].name,
                                            .timeout_ms = TIMEOUT_MS};
        id = api_call(api, &request, fn, arg);
    }
    buf_done(&body);
    return id;
}
