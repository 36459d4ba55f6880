#include "llm/anthropic.h"

#include "util/buf.h"
#include "util/str.h"

/* A limit must be named. Every current model takes this one; those that do not say so, and get the
 * lower one. */
#define ANSWER_TOKENS 8192
#define ANSWER_TOKENS_LOWER 4096

/* ---- the question ---- */

static void add_paragraph(struct buf *out, const char *text)
{
    if (str_trim(str_of(text)).n == 0)
        return;
    (void)buf_puts(out, out->len > 0 ? "\n\n" : "");
    (void)buf_puts(out, text);
}

/* Where system prompts go: beside the messages. */
static void put_system(json_t *body, const char *prompt, const struct llm_message *messages,
                       size_t n_messages)
{
    struct buf system = BUF_INIT(SIZE_MAX / 2);
    add_paragraph(&system, prompt);
    for (size_t i = 0; i < n_messages; i++) {
        if (messages[i].role == LLM_SYSTEM)
            add_paragraph(&system, messages[i].text);
    }
    if (system.len > 0)
        (void)json_object_set_new(body, "system", json_string(buf_cstr(&system)));
    buf_done(&system);
}

static void add_message(json_t *list, enum llm_role role, struct buf *text)
{
    if (text->len == 0)
        return;
    (void)json_array_append_new(list, json_pack("{s:s, s:s#}", "role",
                                                role == LLM_USER ? "user" : "assistant", "content",
                                                buf_cstr(text), (int)text->len));
    buf_clear(text);
}

/* Roles take turns and the person begins; what is blank is refused. */
static void put_question(json_t *body, const struct endpoint *endpoint, unsigned repairs,
                         const struct llm_message *messages, size_t n_messages)
{
    put_system(body, endpoint->system_prompt, messages, n_messages);
    json_t *list = json_array();
    struct buf text = BUF_INIT(SIZE_MAX / 2);
    enum llm_role role = LLM_ASSISTANT;
    for (size_t i = 0; i < n_messages; i++) {
        const struct llm_message *message = &messages[i];
        bool is_begun = json_array_size(list) > 0 || text.len > 0;
        if (message->role == LLM_SYSTEM || (message->role == LLM_ASSISTANT && !is_begun) ||
            str_trim(str_of(message->text)).n == 0)
            continue;
        if (message->role != role)
            add_message(list, role, &text);
        role = message->role;
        add_paragraph(&text, message->text);
    }
    add_message(list, role, &text);
    buf_done(&text);
    (void)json_object_set_new(body, "messages", list);
    int64_t limit = endpoint->max_answer_tokens > 0 ? endpoint->max_answer_tokens : ANSWER_TOKENS;
    if (repairs & REPAIR_OTHER_TOKEN_LIMIT && limit > ANSWER_TOKENS_LOWER)
        limit = ANSWER_TOKENS_LOWER;
    (void)json_object_set_new(body, "max_tokens", json_integer(limit));
}

/* ---- the answer ---- */

static enum answer_finish finish_of(struct str reason)
{
    static const struct {
        const char *word;
        enum answer_finish finish;
    } reasons[] = {
        {"max_tokens", ANSWER_FINISH_LENGTH},
        {"model_context_window_exceeded", ANSWER_FINISH_FULL},
        {"refusal", ANSWER_FINISH_FILTER},
    };
    if (reason.n == 0)
        return ANSWER_FINISH_NONE;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (str_eq(reason, str_of(reasons[i].word)))
            return reasons[i].finish;
    }
    return ANSWER_FINISH_STOP;
}

/* The output's count is told again and again, and the input's only at the beginning. */
static void read_usage(const json_t *usage, struct llm_usage *ret_usage)
{
    int64_t input = json_i64(usage, "input_tokens", -1);
    if (input >= 0)
        ret_usage->prompt_tokens = input + json_i64(usage, "cache_creation_input_tokens", 0) +
                                   json_i64(usage, "cache_read_input_tokens", 0);
    ret_usage->completion_tokens = json_i64(usage, "output_tokens", ret_usage->completion_tokens);
}

/* A whole message: an answer that was not streamed, or how a stream begins. */
static void read_message(const json_t *message, struct answer_piece *ret_piece)
{
    ret_piece->is_answer = json_is_array(json_object_get(message, "content"));
    ret_piece->texts[0] = json_object_get(message, "content");
    ret_piece->finish = finish_of(json_str(message, "stop_reason"));
    read_usage(json_object_get(message, "usage"), &ret_piece->usage);
}

static void read_value(const json_t *value, struct answer_piece *ret_piece)
{
    struct str type = json_str(value, "type");
    const json_t *delta = json_object_get(value, "delta");
    *ret_piece = (struct answer_piece){.usage = {.prompt_tokens = -1, .completion_tokens = -1}};
    if (str_eq(type, STR_LIT("message"))) {
        read_message(value, ret_piece);
    } else if (str_eq(type, STR_LIT("message_start"))) {
        read_message(json_object_get(value, "message"), ret_piece);
    } else if (str_eq(type, STR_LIT("content_block_start"))) {
        ret_piece->texts[0] = json_object_get(json_object_get(value, "content_block"), "text");
    } else if (str_eq(type, STR_LIT("content_block_delta"))) {
        ret_piece->texts[0] = json_object_get(delta, "text");
        ret_piece->reasoning = json_object_get(delta, "thinking");
    } else if (str_eq(type, STR_LIT("message_delta"))) {
        ret_piece->finish = finish_of(json_str(delta, "stop_reason"));
        read_usage(json_object_get(value, "usage"), &ret_piece->usage);
    } else if (str_eq(type, STR_LIT("message_stop"))) {
        ret_piece->is_end = true;
    }
}

/* ---- the provider ---- */

static const struct dialect messages_dialect = {
    .name = "messages",
    .path = "/messages",
    .put_question = put_question,
    .read_value = read_value,
};

static const struct dialect *dialect_of(const char *model, unsigned repairs)
{
    return &messages_dialect;
}

const struct provider anthropic_provider = {
    .name = "anthropic",
    .key_header = "x-api-key: ",
    .header = "anthropic-version: 2023-06-01",
    .models_path = "/models?limit=1000",
    .lists_models = true,
    .has_images = false,
    .has_balance = false,
    .dialect_of = dialect_of,
};
