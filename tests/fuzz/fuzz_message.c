/* Robot messages: whatever comes in, what is handed on is valid UTF-8 within its limits, and what
 * is refused has a reason. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "dingtalk/message.h"
#include "net/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text, size_t max_bytes)
{
    assert(text && strlen(text) <= max_bytes);
    assert(utf8_is_valid(str_of(text)));
}

static void check_view(const struct message *view, size_t size, bool is_quota_frame)
{
    check_text(view->robot, 513);
    check_text(view->msg_id, 256);
    check_text(view->conversation, 256);
    check_text(view->conversation_title, 512);
    check_text(view->sender, 256);
    check_text(view->sender_staff_id, 256);
    check_text(view->sender_nick, 512);
    check_text(view->robot_nick, 0);
    check_text(view->kind, is_quota_frame ? size : 64);
    check_text(view->text, size);
    check_text(view->reply_to, URL_SIZE_MAX);
    assert(view->created_ms >= 0 && view->reply_until_ms >= 0);
    if (!is_quota_frame)
        assert(*view->robot && *view->msg_id && *view->conversation && *view->sender &&
               *view->kind && *view->reply_to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dingtalk_message *message;
    struct error error = {0};
    enum status status =
        dingtalk_message_parse((struct str){(const char *)data, size}, &message, &error);
    if (status != ST_OK) {
        assert(error.status == status && error.text[0]);
        assert(status == ST_INVAL || status == ST_TOO_LARGE);
        return 0;
    }
    check_view(dingtalk_message_view(message), size, dingtalk_message_error_code(message) != 0);
    check_text(dingtalk_message_error_text(message), 256);
    dingtalk_message_free(message);
    return 0;
}
