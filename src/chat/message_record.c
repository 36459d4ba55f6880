#include "chat/message_record.h"

#include <stddef.h>

/* Every string member of struct message under the key the inbox knows it by. */
static const struct {
    const char *key;
    size_t offset;
} strings[] = {
    {"platform", offsetof(struct message, platform)},
    {"robot", offsetof(struct message, robot)},
    {"app", offsetof(struct message, app)},
    {"msg_id", offsetof(struct message, msg_id)},
    {"conversation", offsetof(struct message, conversation)},
    {"conversation_title", offsetof(struct message, conversation_title)},
    {"sender", offsetof(struct message, sender)},
    {"sender_staff_id", offsetof(struct message, sender_staff_id)},
    {"sender_nick", offsetof(struct message, sender_nick)},
    {"robot_nick", offsetof(struct message, robot_nick)},
    {"kind", offsetof(struct message, kind)},
    {"text", offsetof(struct message, text)},
    {"reply_to", offsetof(struct message, reply_to)},
};

static const struct {
    const char *key;
    size_t offset;
} flags[] = {
    {"is_group", offsetof(struct message, is_group)},
    {"is_only_robot_mentioned", offsetof(struct message, is_only_robot_mentioned)},
    {"is_outgoing_robot", offsetof(struct message, is_outgoing_robot)},
    {"is_vouched", offsetof(struct message, is_vouched)},
    {"is_text_missing", offsetof(struct message, is_text_missing)},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

json_t *message_record_new(const struct message *message)
{
    json_t *record = json_object();
    const char *base = (const char *)message;
    for (size_t i = 0; i < COUNT(strings); i++) {
        const char *const *field = (const void *)(base + strings[i].offset);
        json_object_set_new(record, strings[i].key, json_string(*field));
    }
    for (size_t i = 0; i < COUNT(flags); i++) {
        const bool *field = (const void *)(base + flags[i].offset);
        json_object_set_new(record, flags[i].key, json_boolean(*field));
    }
    json_object_set_new(record, "reply_until_ms", json_integer(message->reply_until_ms));
    json_object_set_new(record, "created_ms", json_integer(message->created_ms));
    return record;
}

void message_record_view(const json_t *record, struct message *ret_message)
{
    *ret_message = (struct message){0};
    char *base = (char *)ret_message;
    for (size_t i = 0; i < COUNT(strings); i++) {
        const char **field = (void *)(base + strings[i].offset);
        const char *text = json_string_value(json_object_get(record, strings[i].key));
        *field = text ? text : "";
    }
    for (size_t i = 0; i < COUNT(flags); i++) {
        bool *field = (void *)(base + flags[i].offset);
        *field = json_bool(record, flags[i].key, false);
    }
    ret_message->reply_until_ms = json_i64(record, "reply_until_ms", 0);
    ret_message->created_ms = json_i64(record, "created_ms", 0);
}
