#include "dingtalk/proactive.h"

#include "util/json.h"

#define PARAM_BYTES_MAX ((size_t)256 * 1024)

static bool is_group(const struct proactive_target *target)
{
    return *target->conversation != '\0';
}

bool proactive_is_possible(const struct proactive_target *target)
{
    return is_group(target) || *target->staff_id;
}

const char *proactive_path(const struct proactive_target *target)
{
    return is_group(target) ? "/v1.0/robot/groupMessages/send"
                            : "/v1.0/robot/oToMessages/batchSend";
}

enum status proactive_body(const struct proactive_target *target, const char *title,
                           struct str markdown, struct buf *out)
{
    struct buf param_text = BUF_INIT(PARAM_BYTES_MAX);
    DB_CLEANUP(json_unref)
    json_t *param = json_pack("{s:s, s:s#}", "title", title, "text", markdown.p, markdown.n);
    enum status status = param ? json_write(param, &param_text) : ST_INVAL;
    if (status == ST_OK) {
        DB_CLEANUP(json_unref)
        json_t *body = json_pack("{s:s, s:s, s:s}", "robotCode", target->robot, "msgKey",
                                 "sampleMarkdown", "msgParam", buf_cstr(&param_text));
        if (body && is_group(target))
            json_object_set_new(body, "openConversationId", json_string(target->conversation));
        else if (body)
            json_object_set_new(body, "userIds", json_pack("[s]", target->staff_id));
        status = body ? json_write(body, out) : ST_INVAL;
    }
    buf_done(&param_text);
    return status;
}

static bool names_anybody(const json_t *value, const char *key)
{
    return json_array_size(json_object_get(value, key)) > 0;
}

enum webhook_answer proactive_answer_read(const struct api_answer *answer, struct error *ret_err)
{
    *ret_err = answer->error;
    switch (answer->result) {
    case API_OK:
        if (names_anybody(answer->value, "flowControlledStaffIdList")) {
            (void)error_set(ret_err, ST_LIMITED, 0, "the person gets too many messages");
            return WEBHOOK_THROTTLED;
        }
        if (names_anybody(answer->value, "invalidStaffIdList")) {
            (void)error_set(ret_err, ST_UPSTREAM, 0, "DingTalk does not know the person");
            return WEBHOOK_FAILED;
        }
        return WEBHOOK_DELIVERED;
    case API_THROTTLED:
        return WEBHOOK_THROTTLED;
    case API_BUSY:
        return WEBHOOK_BUSY;
    case API_UNCERTAIN:
        return WEBHOOK_UNCERTAIN;
    case API_REFUSED:
        if (str_ends(answer->code, STR_LIT(".tooLong")))
            return WEBHOOK_TOO_LONG;
        if (str_eq(answer->code, STR_LIT("contain.unsafe.url")))
            return WEBHOOK_REFUSED;
        return WEBHOOK_FAILED;
    case API_QUOTA:
    case API_UNAUTHORIZED:
        return WEBHOOK_FAILED;
    }
    return WEBHOOK_FAILED;
}
