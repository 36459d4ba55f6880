#include "llm/openai_body.h"

#include <string.h>

#include "llm/endpoint.h"
#include "util/json.h"

/* Old completion models stop after 16 tokens unless told otherwise. */
#define COMPLETION_TOKENS 1024

/* --- chat completions ------------------------------------------------------------------------ */

static void add_message(json_t *messages, const char *role, const char *text)
{
    json_t *message = json_object();
    (void)json_object_set_new(message, "role", json_string(role));
    (void)json_object_set_new(message, "content", json_string(text));
    (void)json_array_append_new(messages, message);
}

static const char *chat_role(enum llm_role role, unsigned repairs)
{
    if (role == LLM_SYSTEM)
        return repairs & REPAIR_SYSTEM_AS_USER ? "user" : "system";
    return role == LLM_USER ? "user" : "assistant";
}

/* Templates without a system role mostly want roles to take turns as well, so that the system
 * prompt becomes the beginning of what the person says first. */
static void add_prefixed_message(json_t *messages, const char *prefix, const char *text)
{
    struct buf both = BUF_INIT(SIZE_MAX / 2);
    (void)buf_printf(&both, "%s\n\n%s", prefix, text);
    add_message(messages, "user", buf_cstr(&both));
    buf_done(&both);
}

static void chat_put_question(json_t *body, const struct endpoint *endpoint, unsigned repairs,
                              const struct llm_message *messages, size_t n_messages)
{
    json_t *list = json_array();
    const char *system = endpoint->system_prompt;
    if (*system && !(repairs & REPAIR_SYSTEM_AS_USER)) {
        add_message(list, "system", system);
        system = "";
    }
    for (size_t i = 0; i < n_messages; i++) {
        if (*system && messages[i].role == LLM_USER) {
            add_prefixed_message(list, system, messages[i].text);
            system = "";
        } else {
            add_message(list, chat_role(messages[i].role, repairs), messages[i].text);
        }
    }
    (void)json_object_set_new(body, "messages", list);

    bool is_new_name = openai_is_reasoning_model(endpoint->model);
    if (repairs & REPAIR_OTHER_TOKEN_LIMIT)
        is_new_name = !is_new_name;
    if (endpoint->max_answer_tokens > 0 && !(repairs & REPAIR_NO_TOKEN_LIMIT))
        (void)json_object_set_new(body, is_new_name ? "max_completion_tokens" : "max_tokens",
                                  json_integer(endpoint->max_answer_tokens));
}

/* --- the old completions --------------------------------------------------------------------- */

#define HUMAN "Human: "
#define MACHINE "AI:"

static void completion_put_question(json_t *body, const struct endpoint *endpoint, unsigned repairs,
                                    const struct llm_message *messages, size_t n_messages)
{
    struct buf prompt = BUF_INIT(SIZE_MAX / 2);
    if (*endpoint->system_prompt)
        (void)buf_printf(&prompt, "%s\n\n", endpoint->system_prompt);
    for (size_t i = 0; i < n_messages; i++) {
        const struct llm_message *message = &messages[i];
        if (message->role == LLM_SYSTEM)
            (void)buf_printf(&prompt, "%s\n\n", message->text);
        else
            (void)buf_printf(&prompt, "%s%s\n", message->role == LLM_USER ? HUMAN : MACHINE " ",
                             message->text);
    }
    (void)buf_puts(&prompt, MACHINE);
    (void)json_object_set_new(body, "prompt", json_string(buf_cstr(&prompt)));
    buf_done(&prompt);

    /* Without it the model goes on and writes the person's next question as well. */
    if (!(repairs & REPAIR_NO_STOP))
        (void)json_object_set_new(body, "stop", json_pack("[s]", "\n" HUMAN));
    if (!(repairs & REPAIR_NO_TOKEN_LIMIT))
        (void)json_object_set_new(body, "max_tokens",
                                  json_integer(endpoint->max_answer_tokens > 0
                                                   ? endpoint->max_answer_tokens
                                                   : COMPLETION_TOKENS));
}

/* --- answers --------------------------------------------------------------------------------- */

static enum answer_finish finish_of(struct str reason)
{
    static const struct {
        const char *word;
        enum answer_finish finish;
    } reasons[] = {
        {"length", ANSWER_FINISH_LENGTH},
        {"max_tokens", ANSWER_FINISH_LENGTH},
        {"content_filter", ANSWER_FINISH_FILTER},
        {"sensitive", ANSWER_FINISH_FILTER},
        {"error", ANSWER_FINISH_ERROR},
        {"network_error", ANSWER_FINISH_ERROR},
        {"insufficient_system_resource", ANSWER_FINISH_ERROR},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (str_eq(reason, str_of(reasons[i].word)))
            return reasons[i].finish;
    }
    return ANSWER_FINISH_STOP;
}

static void read_usage(const json_t *usage, struct llm_usage *usage_)
{
    if (!json_is_object(usage))
        return;
    usage_->prompt_tokens = json_i64(usage, "prompt_tokens", usage_->prompt_tokens);
    usage_->completion_tokens = json_i64(usage, "completion_tokens", usage_->completion_tokens);
}

/* The choice that counts, or NULL: Azure, and the event with the usage, have an empty list. */
static const json_t *read_frame(const json_t *value, struct answer_piece *ret_piece)
{
    const json_t *choices = json_object_get(value, "choices");
    const json_t *choice = NULL;
    for (size_t i = 0; i < json_array_size(choices) && !choice; i++) {
        if (json_i64(json_array_get(choices, i), "index", 0) == 0)
            choice = json_array_get(choices, i);
    }
    *ret_piece = (struct answer_piece){.is_answer = json_array_size(choices) > 0,
                                       .usage = {.prompt_tokens = -1, .completion_tokens = -1}};
    read_usage(json_object_get(value, "usage"), &ret_piece->usage);
    read_usage(json_object_get(choice, "usage"), &ret_piece->usage); /* Kimi */
    /* Some relays send an empty reason with every piece. */
    struct str finish = json_str(choice, "finish_reason");
    if (finish.n > 0)
        ret_piece->finish = finish_of(finish);
    return choice;
}

static void chat_read_value(const json_t *value, struct answer_piece *ret_piece)
{
    const json_t *choice = read_frame(value, ret_piece);
    const json_t *message = json_object_get(choice, "delta");
    if (!json_is_object(message))
        message = json_object_get(choice, "message");
    ret_piece->texts[0] = json_object_get(message, "content");
    ret_piece->texts[1] = json_object_get(message, "refusal");
    ret_piece->reasoning = json_object_get(message, "reasoning_content");
    if (!json_is_string(ret_piece->reasoning))
        ret_piece->reasoning = json_object_get(message, "reasoning");
}

static void completion_read_value(const json_t *value, struct answer_piece *ret_piece)
{
    const json_t *choice = read_frame(value, ret_piece);
    ret_piece->texts[0] = json_object_get(choice, "text");
    ret_piece->reasoning = json_object_get(choice, "reasoning_content");
}

/* --- dialects ----------- --------------------------------------------------------------------- */

static const struct dialect chat_dialect = {
    .name = "chat",
    .path = "/chat/completions",
    .put_question = chat_put_question,
    .has_stream_options = true,
    .read_value = chat_read_value,
};

static const struct dialect completion_dialect = {
    .name = "completions",
    .path = "/completions",
    .is_guess = true, /* away from OpenAI many a "…-instruct" is a chat model */
    .put_question = completion_put_question,
    .has_stream_options = true,
    .read_value = completion_read_value,
};

static bool is_completion_model(const char *model)
{
    static const char *const prefixes[] = {"text-davinci-", "davinci", "curie", "babbage", "ada"};
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (strncmp(model, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    }
    return strstr(model, "-instruct") != NULL;
}

const struct dialect *openai_dialect_of(const char *model, unsigned repairs)
{
    bool is_other = repairs & REPAIR_OTHER_DIALECT;
    return is_completion_model(model) != is_other ? &completion_dialect : &chat_dialect;
}

/* --- models ---------------------------------------------------------------------------------- */

/* Cuts the decimal number off the front; -1 when there is none. */
static int64_t cut_number(struct str *text)
{
    size_t n = 0;
    while (n < text->n && text->p[n] >= '0' && text->p[n] <= '9')
        n++;
    int64_t value = -1;
    if (parse_i64(str_sub(*text, 0, n), 0, 1000000, &value) != ST_OK)
        return -1;
    *text = str_sub(*text, n, text->n);
    return value;
}

/* What is left after a family's name is nothing, or a variant. */
static bool is_end(struct str rest)
{
    return rest.n == 0 || rest.p[0] == '-';
}

bool openai_is_reasoning_model(const char *model)
{
    const char *slash = strrchr(model, '/'); /* relays write "openai/gpt-5.4" */
    struct str rest = str_of(slash ? slash + 1 : model);
    if (str_starts(rest, STR_LIT("o"))) {
        rest = str_sub(rest, 1, rest.n);
        return cut_number(&rest) >= 0 && is_end(rest);
    }
    if (!str_starts(rest, STR_LIT("gpt-")))
        return false;
    rest = str_sub(rest, 4, rest.n);
    if (cut_number(&rest) < 5)
        return false;
    bool has_minor = str_starts(rest, STR_LIT("."));
    if (has_minor) {
        rest = str_sub(rest, 1, rest.n);
        if (cut_number(&rest) < 0)
            return false;
    }
    return is_end(rest) && (has_minor || !str_starts(rest, STR_LIT("-chat")));
}
