#include "dingtalk/frame.h"

#include <stdlib.h>
#include <string.h>

#include "util/json.h"
#include "util/mem.h"

#define DATA_BYTES_MAX (1024 * 1024)
#define ID_BYTES_MAX 256

struct frame {
    json_t *root;
    const json_t *headers;
    enum frame_kind kind;
    struct buf data; /* when it came as an object and not as text */
    struct str text; /* of the data, wherever it is */
};

static const struct {
    const char *type;
    const char *topic; /* NULL: any */
    enum frame_kind kind;
} kinds[] = {
    {"SYSTEM", "ping", FRAME_PING},
    {"SYSTEM", "disconnect", FRAME_DISCONNECT},
    {"SYSTEM", NULL, FRAME_SILENT},
    {"CALLBACK", FRAME_TOPIC_MESSAGE, FRAME_MESSAGE},
    {"CALLBACK", FRAME_TOPIC_CARD, FRAME_CARD},
    {"EVENT", NULL, FRAME_EVENT},
};

static const char *header(const struct frame *frame, const char *name)
{
    const char *text = json_string_value(json_object_get(frame->headers, name));
    return text ? text : "";
}

static enum frame_kind find_kind(struct str type, struct str topic)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (str_eq(type, str_of(kinds[i].type)) &&
            (!kinds[i].topic || str_eq(topic, str_of(kinds[i].topic))))
            return kinds[i].kind;
    }
    return FRAME_UNKNOWN;
}

static enum status read_data(struct frame *frame, struct error *ret_err)
{
    const json_t *data = json_object_get(frame->root, "data");
    if (!data || json_is_null(data)) {
        frame->text = STR_LIT("");
    } else if (json_is_string(data)) {
        frame->text = (struct str){json_string_value(data), json_string_length(data)};
    } else {
        enum status status = json_write(data, &frame->data);
        if (status != ST_OK)
            return error_set(ret_err, status, 0, "the frame's data is too large");
        frame->text = buf_str(&frame->data);
    }
    return ST_OK;
}

static enum status read_frame(struct frame *frame, struct error *ret_err)
{
    if (!json_is_object(frame->root))
        return error_set(ret_err, ST_INVAL, 0, "the frame is no object");
    frame->headers = json_object_get(frame->root, "headers");
    if (!frame->headers) /* as one page of the documentation spells it */
        frame->headers = json_object_get(frame->root, "header");
    if (strlen(header(frame, "messageId")) > ID_BYTES_MAX)
        return error_set(ret_err, ST_INVAL, 0, "the frame's messageId is too long");
    frame->kind = find_kind(json_str(frame->root, "type"), str_of(header(frame, "topic")));
    return read_data(frame, ret_err);
}

enum status frame_parse(struct str text, struct frame **ret_frame, struct error *ret_err)
{
    json_t *root;
    enum status status = json_parse(text, &root, ret_err);
    if (status != ST_OK)
        return status;
    struct frame *frame = xcalloc(1, sizeof(*frame));
    frame->root = root;
    buf_init(&frame->data, DATA_BYTES_MAX);
    status = read_frame(frame, ret_err);
    if (status != ST_OK) {
        frame_free(frame);
        return status;
    }
    *ret_frame = frame;
    return ST_OK;
}

void frame_free(struct frame *frame)
{
    if (!frame)
        return;
    buf_done(&frame->data);
    json_decref(frame->root);
    free(frame);
}

enum frame_kind frame_kind_of(const struct frame *frame)
{
    return frame->kind;
}

const char *frame_topic(const struct frame *frame)
{
    return header(frame, "topic");
}

const char *frame_message_id(const struct frame *frame)
{
    return header(frame, "messageId");
}

struct str frame_data(const struct frame *frame)
{
    return frame->text;
}

enum status frame_ack(const char *message_id, int code, const char *message, struct str data,
                      struct buf *out)
{
    DB_CLEANUP(json_unref)
    json_t *ack = json_pack("{s:i, s:{s:s, s:s}, s:s, s:s#}", "code", code, "headers",
                            "contentType", "application/json", "messageId", message_id, "message",
                            message, "data", data.n ? data.p : "", data.n);
    return ack ? json_write(ack, out) : ST_INVAL;
}
