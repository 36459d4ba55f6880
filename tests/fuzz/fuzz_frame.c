/* Stream frames and card callbacks: whatever a connection brings is refused with a reason, or is
 * text that can go back in an answer. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "dingtalk/card_action.h"
#include "dingtalk/frame.h"
#include "util/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An answer is JSON that holds the frame's id and the data as they were. */
static void check_ack(const struct frame *frame)
{
    struct buf out = BUF_INIT((size_t)8 * 1024 * 1024);
    json_t *ack = NULL;
    assert(frame_ack(frame_message_id(frame), 200, "OK", frame_data(frame), &out) == ST_OK);
    assert(json_parse(buf_str(&out), &ack, NULL) == ST_OK);
    assert(str_eq(json_str(ack, "data"), frame_data(frame)));
    assert(str_eq(json_str(json_object_get(ack, "headers"), "messageId"),
                  str_of(frame_message_id(frame))));
    json_decref(ack);
    buf_done(&out);
}

static void check_action(struct str text)
{
    struct card_action action;
    struct error error = {0};
    if (card_action_parse(text, &action, &error) != ST_OK) {
        assert(error.text[0]);
        return;
    }
    assert(*action.track_id && action.user && utf8_is_valid(str_of(action.track_id)));
    card_action_done(&action);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct frame *frame;
    struct error error = {0};
    check_action(text);
    enum status status = frame_parse(text, &frame, &error);
    if (status != ST_OK) {
        assert(error.text[0] && (status == ST_INVAL || status == ST_TOO_LARGE));
        return 0;
    }
    assert(frame_topic(frame) && strlen(frame_message_id(frame)) <= 256);
    check_ack(frame);
    check_action(frame_data(frame));
    frame_free(frame);
    return 0;
}
