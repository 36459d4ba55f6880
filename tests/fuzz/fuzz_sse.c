/* SSE: the same bytes give the same events and the same end, however they are cut. The first two
 * bytes choose the limit and the cut, the rest is the stream. */
#include <assert.h>
#include <stdint.h>

#include "net/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    struct buf text;
    size_t max_bytes;
};

static enum status on_event(const struct sse_event *event, void *arg)
{
    struct seen *seen = arg;
    assert(event->type.n > 0 && event->type.n <= seen->max_bytes + sizeof("message"));
    assert(event->data.n <= seen->max_bytes);
    (void)buf_printf(&seen->text, "%zu:%zu:", event->type.n, event->data.n);
    (void)buf_add_str(&seen->text, event->type);
    (void)buf_add_str(&seen->text, event->data);
    return event->data.n == 13 ? ST_CANCELLED : ST_OK;
}

static enum status parse(struct str stream, size_t step, struct seen *seen)
{
    struct sse sse;
    sse_init(&sse, seen->max_bytes, on_event, seen);
    enum status status = ST_OK;
    for (size_t at = 0; at < stream.n && status == ST_OK; at += step)
        status = sse_feed(&sse, str_sub(stream, at, step));
    if (status == ST_OK)
        status = sse_finish(&sse);
    sse_done(&sse);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t max_bytes = data[0] * 4U + 1;
    size_t step = data[1] % 64U + 1;
    struct str stream = {(const char *)data + 2, size - 2};

    struct seen whole = {.text = BUF_INIT(SIZE_MAX / 2), .max_bytes = max_bytes};
    struct seen cut = {.text = BUF_INIT(SIZE_MAX / 2), .max_bytes = max_bytes};
    enum status whole_end = parse(stream, stream.n + 1, &whole);
    enum status cut_end = parse(stream, step, &cut);
    assert(whole_end == cut_end);
    assert(str_eq(buf_str(&whole.text), buf_str(&cut.text)));
    buf_done(&whole.text);
    buf_done(&cut.text);
    return 0;
}
