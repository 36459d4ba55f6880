#include "dingtalk/card_body.h"

#include <stdio.h>

#include "util/crypto.h"
#include "util/json.h"

#define GUID_BYTES 16
#define SPACE_SIZE 600
#define TRACK_BYTES 20

const struct card_template card_template_auto = {
    .id = "02fcf2f4-5e02-4a85-b672-46d1f715543e.schema",
    .content_key = "msgContent",
    .has_flow_status = true,
};

void card_track_id(const struct message *message, char ret_id[CARD_TRACK_ID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t hash[SHA256_SIZE] = {0};
    struct buf name = BUF_INIT(4096);
    buf_puts(&name, message->robot);
    buf_putc(&name, '\n');
    buf_puts(&name, message->msg_id);
    (void)!crypto_sha256(buf_str(&name), hash);
    buf_done(&name);
    ret_id[0] = 'd';
    ret_id[1] = 'b';
    for (size_t i = 0; i < TRACK_BYTES; i++) {
        ret_id[2 + 2 * i] = digits[hash[i] >> 4];
        ret_id[3 + 2 * i] = digits[hash[i] & 15];
    }
    ret_id[2 + 2 * TRACK_BYTES] = '\0';
}

bool card_is_possible(const struct message *message)
{
    return !message->is_outgoing_robot && (message->is_group || *message->sender_staff_id);
}

/* Every value of a card's map is a string. */
static json_t *first_values(const struct card_template *card)
{
    json_t *values = json_pack("{s:s}", card->content_key, "");
    if (card->has_flow_status) {
        json_object_set_new(values, "flowStatus", json_string("1"));
        json_object_set_new(values, "staticMsgContent", json_string(""));
        json_object_set_new(values, "config", json_string("{\"autoLayout\":true}"));
        json_object_set_new(values, "sys_full_json_obj",
                            json_sprintf("{\"order\":[\"%s\"]}", card->content_key));
    }
    return values;
}

static void put_group(json_t *body, const struct message *message)
{
    json_t *deliver = json_pack("{s:s, s:{s:s}}", "robotCode", message->robot, "extension",
                                "dynamicSummary", "true");
    if (*message->sender_staff_id)
        json_object_set_new(deliver, "atUserIds",
                            json_pack("{s:s}", message->sender_staff_id, message->sender_nick));
    json_object_set_new(body, "imGroupOpenSpaceModel", json_pack("{s:b}", "supportForward", 1));
    json_object_set_new(body, "imGroupOpenDeliverModel", deliver);
}

static void put_private(json_t *body, const struct message *message)
{
    json_object_set_new(body, "imRobotOpenSpaceModel", json_pack("{s:b}", "supportForward", 1));
    json_object_set_new(body, "imRobotOpenDeliverModel",
                        json_pack("{s:s, s:s, s:{s:s}}", "spaceType", "IM_ROBOT", "robotCode",
                                  message->robot, "extension", "dynamicSummary", "true"));
}

static enum status write_body(json_t *body, struct buf *out)
{
    enum status status = body ? json_write(body, out) : ST_INVAL;
    json_decref(body);
    return status;
}

enum status card_create_body(const struct card_template *card, const struct message *message,
                             const char *track_id, struct buf *out)
{
    char space[SPACE_SIZE];
    (void)snprintf(space, sizeof(space), "dtv1.card//%s.%s",
                   message->is_group ? "IM_GROUP" : "IM_ROBOT",
                   message->is_group ? message->conversation : message->sender_staff_id);
    json_t *body =
        json_pack("{s:s, s:s, s:s, s:{s:o}, s:s, s:i}", "cardTemplateId", card->id, "outTrackId",
                  track_id, "callbackType", "STREAM", "cardData", "cardParamMap",
                  first_values(card), "openSpaceId", space, "userIdType", 1);
    if (body && message->is_group)
        put_group(body, message);
    else if (body)
        put_private(body, message);
    return write_body(body, out);
}

enum status card_stream_body(const struct card_template *card, const char *track_id,
                             struct str content, bool is_last, struct buf *out)
{
    char guid[2 * GUID_BYTES + 1];
    crypto_random_hex(guid, GUID_BYTES);
    return write_body(json_pack("{s:s, s:s, s:s, s:s#, s:b, s:b, s:b}", "outTrackId", track_id,
                                "guid", guid, "key", card->content_key, "content", content.p,
                                content.n, "isFull", 1, "isFinalize", is_last, "isError", 0),
                      out);
}

enum status card_flow_body(const struct card_template *card, const char *track_id,
                           enum card_flow flow, struct str content, struct buf *out)
{
    json_t *values = json_pack("{s:o}", "flowStatus", json_sprintf("%d", (int)flow));
    if (content.n > 0 && values)
        json_object_set_new(values, card->content_key, json_stringn(content.p, content.n));
    if (content.n > 0 && !json_object_get(values, card->content_key)) {
        json_decref(values);
        return ST_INVAL;
    }
    return write_body(json_pack("{s:s, s:{s:o}, s:{s:b}, s:i}", "outTrackId", track_id, "cardData",
                                "cardParamMap", values, "cardUpdateOptions", "updateCardDataByKey",
                                1, "userIdType", 1),
                      out);
}
