#include "dingtalk/card_action.h"
#include "util/json.h"

/* A value that may be JSON inside a string. The caller owns the result; NULL when it is neither. */
static json_t *unfold(const json_t *value)
{
    json_t *inner;
    if (json_is_object(value))
        return json_incref((json_t *)(uintptr_t)value);
    if (!json_is_string(value) ||
        json_parse(str_of(json_string_value(value)), &inner, NULL) != ST_OK)
        return NULL;
    return inner;
}

/* Templates name the button as they like; these are the names in use. */
static bool is_stop_word(const json_t *value)
{
    static const char *const words[] = {"stop",   "btn_stop",        "stop_action",
                                        "cancel", "stop_generating", "停止"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (json_is_string(value) &&
            str_eq_nocase(str_of(json_string_value(value)), str_of(words[i])))
            return true;
    }
    return false;
}

static bool is_stop(const json_t *content)
{
    const json_t *private_data = json_object_get(content, "cardPrivateData");
    const json_t *ids = json_object_get(private_data, "actionIds");
    const json_t *params = json_object_get(private_data, "params");
    if (!params)
        params = json_object_get(content, "params");
    size_t i;
    const json_t *id;
    json_array_foreach(ids, i, id)
    {
        if (is_stop_word(id))
            return true;
    }
    return is_stop_word(json_object_get(params, "action")) ||
           is_stop_word(json_object_get(params, "actionId"));
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

enum status card_action_parse(struct str json, struct card_action *ret_action,
                              struct error *ret_err)
{
    struct card_action action = {0};
    enum status status = json_parse(json, &action.root, ret_err);
    if (status != ST_OK)
        return status;
    action.track_id = text_of(action.root, "outTrackId");
    action.user = text_of(action.root, "userId");
    if (!*action.track_id) {
        json_decref(action.root);
        return error_set(ret_err, ST_INVAL, 0, "a card callback without outTrackId");
    }
    const json_t *content = json_object_get(action.root, "content");
    action.content = unfold(content ? content : json_object_get(action.root, "value"));
    action.is_stop = is_stop(action.content ? action.content : action.root);
    *ret_action = action;
    return ST_OK;
}

void card_action_done(struct card_action *action)
{
    json_decref(action->content);
    json_decref(action->root);
    *action = (struct card_action){0};
}
