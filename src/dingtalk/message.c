#include "dingtalk/message.h"

#include <stdlib.h>
#include <string.h>

#include "net/url.h"
#include "util/json.h"
#include "util/mem.h"

#define ID_BYTES_MAX 256
#define KIND_BYTES_MAX 64
#define NAME_BYTES_MAX 512
#define ERROR_TEXT_BYTES_MAX 256

struct dingtalk_message {
    json_t *root; /* most strings of the view are borrowed from it */
    struct message view;
    char robot[2 * ID_BYTES_MAX + 2];
    char nick[NAME_BYTES_MAX + 1];
    char title[NAME_BYTES_MAX + 1];
    int64_t error_code;
    char error_text[ERROR_TEXT_BYTES_MAX + 1];
};

/* Every string member that is looked at. Names are cut rather than refused: nothing hangs on them.
 */
static const struct {
    const char *key;
    size_t max_bytes; /* 0: cut where it is used */
    bool is_required;
} strings[] = {
    {"msgId", ID_BYTES_MAX, true},          {"conversationId", ID_BYTES_MAX, true},
    {"msgtype", KIND_BYTES_MAX, true},      {"sessionWebhook", URL_SIZE_MAX, true},
    {"senderId", ID_BYTES_MAX, false},      {"senderStaffId", ID_BYTES_MAX, false},
    {"robotCode", ID_BYTES_MAX, false},     {"chatbotCorpId", ID_BYTES_MAX, false},
    {"chatbotUserId", ID_BYTES_MAX, false}, {"conversationType", KIND_BYTES_MAX, false},
    {"conversationTitle", 0, false},        {"senderNick", 0, false},
};

static bool is_absent(const json_t *value)
{
    return !value || json_is_null(value);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void cut_into(struct str text, char *ret_text, size_t max_bytes)
{
    size_t len = utf8_cut(text, max_bytes);
    if (len > 0)
        memcpy(ret_text, text.p, len);
    ret_text[len] = '\0';
}

static enum status check_strings(const json_t *root, struct error *ret_err)
{
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        const char *key = strings[i].key;
        const json_t *value = json_object_get(root, key);
        if (!is_absent(value) && !json_is_string(value))
            return error_set(ret_err, ST_INVAL, 0, "%s is not a string", key);
        struct str text = json_str(root, key);
        if (strings[i].is_required && text.n == 0)
            return error_set(ret_err, ST_INVAL, 0, "%s is missing", key);
        if (strings[i].max_bytes > 0 && text.n > strings[i].max_bytes)
            return error_set(ret_err, ST_TOO_LARGE, 0, "%s is over %zu bytes", key,
                             strings[i].max_bytes);
    }
    if (json_str(root, "senderId").n == 0 && json_str(root, "senderStaffId").n == 0)
        return error_set(ret_err, ST_INVAL, 0, "senderId is missing");
    return ST_OK;
}

/* text.content, else content, which one page of the documentation has at the top. `*ret_text` is
 * NULL when there is neither. */
static enum status find_text(const json_t *root, const char **ret_text, struct error *ret_err)
{
    const json_t *text = json_object_get(root, "text");
    if (!is_absent(text) && !json_is_object(text))
        return error_set(ret_err, ST_INVAL, 0, "text is not an object");
    const json_t *content = json_object_get(text, "content");
    if (is_absent(content))
        content = json_object_get(root, "content");
    if (json_is_object(content))
        content = json_object_get(content, "content");
    if (!is_absent(content) && !json_is_string(content))
        return error_set(ret_err, ST_INVAL, 0, "the text's content is not a string");
    *ret_text = json_string_value(content);
    return ST_OK;
}

static const json_t *first_of(const json_t *root, const char *key, const char *other_key)
{
    const json_t *value = json_object_get(root, key);
    return is_absent(value) ? json_object_get(root, other_key) : value;
}

/* A time in milliseconds, as a number or as decimal text; 0 for text that is no number, since
 * nothing hangs on it. */
static enum status read_time(const json_t *root, const char *key, const char *other_key,
                             int64_t *ret_ms, struct error *ret_err)
{
    const json_t *value = first_of(root, key, other_key);
    if (!is_absent(value) && !json_is_number(value) && !json_is_string(value))
        return error_set(ret_err, ST_INVAL, 0, "%s is not a time", key);
    int64_t time_ms = 0;
    if (json_is_integer(value))
        time_ms = json_integer_value(value);
    else if (json_is_real(value) && json_real_value(value) > 0 && json_real_value(value) < 1e15)
        time_ms = (int64_t)json_real_value(value);
    else if (json_is_string(value) &&
             parse_i64(str_of(json_string_value(value)), 0, INT64_MAX, &time_ms) != ST_OK)
        time_ms = 0;
    *ret_ms = time_ms > 0 ? time_ms : 0;
    return ST_OK;
}

/*
 * In a group the robot is always among the mentioned, by its chatbotUserId. One mention is
 * therefore the robot's, also where the ids do not match.
 */
static enum status read_mentions(const json_t *root, bool *ret_is_only_robot, struct error *ret_err)
{
    const json_t *list = json_object_get(root, "atUsers");
    if (!is_absent(list) && !json_is_array(list))
        return error_set(ret_err, ST_INVAL, 0, "atUsers is not an array");
    struct str robot = json_str(root, "chatbotUserId");
    size_t n_others = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *user = json_array_get(list, i);
        const json_t *id = json_object_get(user, "dingtalkId");
        if (!json_is_object(user) || (!is_absent(id) && !json_is_string(id)))
            return error_set(ret_err, ST_INVAL, 0, "atUsers holds something else than users");
        if (!str_eq(json_str(user, "dingtalkId"), robot))
            n_others++;
    }
    *ret_is_only_robot = n_others == 0 || json_array_size(list) == 1;
    return ST_OK;
}

/* Organisation's and robot's ids where the message has no code of its own: custom robots of a group
 * send none, or the literal "normal". */
static void name_robot(struct dingtalk_message *message)
{
    const char *code = text_of(message->root, "robotCode");
    bool is_normal = strcmp(code, "normal") == 0;
    message->view.robot = code;
    message->view.is_outgoing_robot =
        is_normal || (!*code && json_str(message->root, "senderStaffId").n == 0);
    if (*code && !is_normal)
        return;
    struct buf key = BUF_INIT(sizeof(message->robot) - 1);
    buf_add_str(&key, json_str(message->root, "chatbotCorpId"));
    buf_putc(&key, '/');
    buf_add_str(&key, json_str(message->root, "chatbotUserId"));
    cut_into(buf_str(&key), message->robot, sizeof(message->robot) - 1);
    buf_done(&key);
    message->view.robot = message->robot;
}

static void name_conversation(struct dingtalk_message *message)
{
    struct str type = json_str(message->root, "conversationType");
    cut_into(json_str(message->root, "conversationTitle"), message->title, NAME_BYTES_MAX);
    cut_into(json_str(message->root, "senderNick"), message->nick, NAME_BYTES_MAX);
    message->view.conversation = text_of(message->root, "conversationId");
    message->view.conversation_title = message->title;
    message->view.is_group =
        str_eq(type, STR_LIT("2")) || (!str_eq(type, STR_LIT("1")) && *message->title);
}

static void name_sender(struct dingtalk_message *message)
{
    const char *staff_id = text_of(message->root, "senderStaffId");
    message->view.sender_staff_id = staff_id;
    message->view.sender = *staff_id ? staff_id : text_of(message->root, "senderId");
    message->view.sender_nick = message->nick;
}

/* errorCode and errorMessage of a message whose body DingTalk has kept back (quota used up); event
 * pages spell them errCode and errMsg. */
static bool read_quota_error(struct dingtalk_message *message, bool has_body)
{
    const json_t *code = first_of(message->root, "errorCode", "errCode");
    if (has_body || is_absent(code))
        return false;
    const char *key = json_object_get(message->root, "errorCode") == code ? "errorCode" : "errCode";
    /* A code in words is an error all the same. */
    message->error_code = json_i64(message->root, key, -1);
    if (message->error_code == 0)
        return false;
    const json_t *text = first_of(message->root, "errorMessage", "errMsg");
    cut_into(str_of(json_string_value(text)), message->error_text, ERROR_TEXT_BYTES_MAX);
    return true;
}

static enum status read_message(struct dingtalk_message *message, struct error *ret_err)
{
    const json_t *root = message->root;
    struct message *view = &message->view;
    view->kind = text_of(root, "msgtype");
    bool is_text = !*view->kind || strcmp(view->kind, "text") == 0;
    const char *text = NULL;
    enum status status = is_text ? find_text(root, &text, ret_err) : ST_OK;
    if (status != ST_OK)
        return status;
    view->is_text_missing = is_text && !text;
    view->text = text ? text : "";
    if (read_quota_error(message,
                         text || (!is_text && !is_absent(json_object_get(root, "content")))))
        return ST_OK;
    if ((status = check_strings(root, ret_err)) != ST_OK ||
        (status = read_time(root, "createAt", "createA", &view->created_ms, ret_err)) != ST_OK ||
        (status = read_time(root, "sessionWebhookExpiredTime", "", &view->reply_until_ms,
                            ret_err)) != ST_OK ||
        (status = read_mentions(root, &view->is_only_robot_mentioned, ret_err)) != ST_OK)
        return status;
    view->msg_id = text_of(root, "msgId");
    view->reply_to = text_of(root, "sessionWebhook");
    name_robot(message);
    name_conversation(message);
    name_sender(message);
    return ST_OK;
}

enum status dingtalk_message_parse(struct str json, struct dingtalk_message **ret_message,
                                   struct error *ret_err)
{
    if (json.n == 0)
        return error_set(ret_err, ST_INVAL, 0, "the body is empty");
    json_t *root;
    enum status status = json_parse(json, &root, ret_err);
    if (status != ST_OK)
        return status;
    struct dingtalk_message *message = xcalloc(1, sizeof(*message));
    message->root = root;
    message->view = (struct message){
        .platform = "dingtalk",
        .robot = "",
        .app = "",
        .msg_id = "",
        .conversation = "",
        .conversation_title = "",
        .sender = "",
        .sender_staff_id = "",
        .sender_nick = "",
        .robot_nick = "",
        .kind = "",
        .text = "",
        .reply_to = "",
    };
    status = json_is_object(root) ? read_message(message, ret_err)
                                  : error_set(ret_err, ST_INVAL, 0, "the body is not an object");
    if (status != ST_OK) {
        dingtalk_message_free(message);
        return status;
    }
    *ret_message = message;
    return ST_OK;
}

void dingtalk_message_free(struct dingtalk_message *message)
{
    if (!message)
        return;
    json_decref(message->root);
    free(message);
}

const struct message *dingtalk_message_view(const struct dingtalk_message *message)
{
    return &message->view;
}

int64_t dingtalk_message_error_code(const struct dingtalk_message *message)
{
    return message->error_code;
}

const char *dingtalk_message_error_text(const struct dingtalk_message *message)
{
    return message->error_text;
}
