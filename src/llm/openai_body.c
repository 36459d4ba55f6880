#include "llm/openai_body.h"

#include <string.h>

#include "llm/openai_internal.h"
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
        return repairs & OPENAI_SYSTEM_AS_USER ? "user" : "system";
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

static void chat_put_question(json_t *body, const struct openai *openai, unsigned repairs,
                              const struct llm_message *messages, size_t n_messages)
{
    json_t *list = json_array();
    const char *system = openai->system_prompt;
    if (*system && !(repairs & OPENAI_SYSTEM_AS_USER)) {
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

    bool is_new_name = openai_is_reasoning_model(openai->model);
    if (repairs & OPENAI_OTHER_TOKEN_LIMIT)
        is_new_name = !is_new_name;
    if (openai->max_answer_tokens > 0 && !(repairs & OPENAI_NO_TOKEN_LIMIT))
        (void)json_object_set_new(body, is_new_name ? "max_completion_tokens" : "max_tokens",
                                  json_integer(openai->max_answer_tokens));
}

static void chat_read_choice(const json_t *choice, struct openai_choice *ret_choice)
{
    const json_t *message = json_object_get(choice, "delta");
    if (!json_is_object(message))
        message = json_object_get(choice, "message");
    const json_t *reasoning = json_object_get(message, "reasoning_content");
    if (!json_is_string(reasoning))
        reasoning = json_object_get(message, "reasoning");
    *ret_choice = (struct openai_choice){
        .texts = {json_object_get(message, "content"), json_object_get(message, "refusal")},
        .reasoning = reasoning,
        .finish = json_object_get(choice, "finish_reason"),
    };
}

/* --- the old completions --------------------------------------------------------------------- */

#define HUMAN "Human: "
#define MACHINE "AI:"

static void completion_put_question(json_t *body, const struct openai *openai, unsigned repairs,
                                    const struct llm_message *messages, size_t n_messages)
{
    struct buf prompt = BUF_INIT(SIZE_MAX / 2);
    if (*openai->system_prompt)
        (void)buf_printf(&prompt, "%s\n\n", openai->system_prompt);
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
    if (!(repairs & OPENAI_NO_STOP))
        (void)json_object_set_new(body, "stop", json_pack("[s]", "\n" HUMAN));
    if (!(repairs & OPENAI_NO_TOKEN_LIMIT))
        (void)json_object_set_new(body, "max_tokens",
                                  json_integer(openai->max_answer_tokens > 0
                                                   ? openai->max_answer_tokens
                                                   : COMPLETION_TOKENS));
}

static void completion_read_choice(const json_t *choice, struct openai_choice *ret_choice)
{
    *ret_choice = (struct openai_choice){
        .texts = {json_object_get(choice, "text"), NULL},
        .reasoning = json_object_get(choice, "reasoning_content"),
        .finish = json_object_get(choice, "finish_reason"),
    };
}

/* --- dialects and bodies --------------------------------------------------------------------- */

static const struct openai_dialect chat_dialect = {
    .name = "chat",
    .path = "/chat/completions",
    .put_question = chat_put_question,
    .read_choice = chat_read_choice,
};

static const struct openai_dialect completion_dialect = {
    .name = "completions",
    .path = "/completions",
    .is_guess = true, /* away from OpenAI many a "…-instruct" is a chat model */
    .put_question = completion_put_question,
    .read_choice = completion_read_choice,
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

const struct openai_dialect *openai_dialect_of(const char *model, unsigned repairs)
{
    bool is_other = repairs & OPENAI_OTHER_DIALECT;
    return is_completion_model(model) != is_other ? &completion_dialect : &chat_dialect;
}

enum status openai_body_write(const struct openai *openai, unsigned repairs,
                              const struct llm_message *messages, size_t n_messages,
                              struct buf *out)
{
    bool is_valid =
        utf8_is_valid(str_of(openai->model)) && utf8_is_valid(str_of(openai->system_prompt));
    for (size_t i = 0; i < n_messages && is_valid; i++)
        is_valid = utf8_is_valid(str_of(messages[i].text));
    if (!is_valid)
        return ST_INVAL;
    DB_CLEANUP(json_unref) json_t *body = json_object();
    (void)json_object_set_new(body, "model", json_string(openai->model));
    openai_dialect_of(openai->model, repairs)
        ->put_question(body, openai, repairs, messages, n_messages);
    if (!(repairs & OPENAI_NO_STREAM)) {
        (void)json_object_set_new(body, "stream", json_true());
        if (!(repairs & OPENAI_NO_STREAM_OPTIONS))
            (void)json_object_set_new(body, "stream_options",
                                      json_pack("{s:b}", "include_usage", true));
    }
    if (openai->has_temperature && !(repairs & OPENAI_NO_TEMPERATURE))
        (void)json_object_set_new(body, "temperature", json_real(openai->temperature));
    return json_write(body, out);
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

/* --- repairs --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum openai_repair repair;
} repairs_by_name[] = {
    {"max_tokens", OPENAI_OTHER_TOKEN_LIMIT},
    {"max_completion_tokens", OPENAI_OTHER_TOKEN_LIMIT},
    {"temperature", OPENAI_NO_TEMPERATURE},
    {"stream_options", OPENAI_NO_STREAM_OPTIONS},
    {"include_usage", OPENAI_NO_STREAM_OPTIONS},
    {"stop", OPENAI_NO_STOP},
    {"response_format", OPENAI_NO_RESPONSE_FORMAT},
    {"stream", OPENAI_NO_STREAM},
    {"system", OPENAI_SYSTEM_AS_USER},
};
#define N_REPAIRS (sizeof(repairs_by_name) / sizeof(repairs_by_name[0]))

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* Where `name` stands in `text` as a word of its own, or -1. */
static ptrdiff_t find_name(struct str text, struct str name)
{
    for (size_t i = 0; i + name.n <= text.n; i++) {
        if (str_eq_nocase(str_sub(text, i, name.n), name) &&
            (i == 0 || !is_name_char(text.p[i - 1])) &&
            (i + name.n == text.n || !is_name_char(text.p[i + name.n])))
            return (ptrdiff_t)i;
    }
    return -1;
}

/* The parameter that is named first is the one refused ("'max_tokens' is not supported … Use
 * 'max_completion_tokens' instead"). */
static enum openai_repair named_first(struct str text)
{
    enum openai_repair repair = OPENAI_REPAIR_NONE;
    ptrdiff_t first = PTRDIFF_MAX;
    for (size_t i = 0; i < N_REPAIRS; i++) {
        ptrdiff_t at = find_name(text, str_of(repairs_by_name[i].name));
        /* "system" is a word that many messages have for other reasons. */
        if (repairs_by_name[i].repair == OPENAI_SYSTEM_AS_USER &&
            find_name(text, STR_LIT("role")) < 0)
            continue;
        if (at >= 0 && at < first) {
            first = at;
            repair = repairs_by_name[i].repair;
        }
    }
    return repair;
}

/* OpenAI names the other endpoint when a model is asked at the wrong one; others say 404. */
static enum openai_repair other_endpoint(const struct openai_problem *problem)
{
    struct str message = str_of(problem->message);
    return str_find(message, STR_LIT("v1/completions")) >= 0 ||
                   str_find(message, STR_LIT("chat/completions")) >= 0
               ? OPENAI_OTHER_DIALECT
               : OPENAI_REPAIR_NONE;
}

enum openai_repair openai_repair_for(const struct openai_problem *problem, unsigned done)
{
    enum openai_repair repair = OPENAI_REPAIR_NONE;
    if (problem->failure == LLM_FAIL_MODEL || problem->failure == LLM_FAIL_REQUEST)
        repair = other_endpoint(problem);
    if (repair == OPENAI_REPAIR_NONE && problem->failure == LLM_FAIL_REQUEST) {
        repair = named_first(str_of(problem->param));
        if (repair == OPENAI_REPAIR_NONE)
            repair = named_first(str_of(problem->message));
    }
    /* Neither name is taken, or the number itself is refused. */
    if (repair == OPENAI_OTHER_TOKEN_LIMIT && done & OPENAI_OTHER_TOKEN_LIMIT)
        repair = OPENAI_NO_TOKEN_LIMIT;
    return done & (unsigned)repair ? OPENAI_REPAIR_NONE : repair;
}
