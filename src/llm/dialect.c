#include "llm/dialect.h"

#include <stddef.h>

#include "llm/endpoint.h"
#include "llm/problem.h"
#include "util/str.h"

enum status dialect_write_body(const struct dialect *dialect, const struct endpoint *endpoint,
                               unsigned repairs, const struct llm_message *messages,
                               size_t n_messages, struct buf *out)
{
    bool is_valid =
        utf8_is_valid(str_of(endpoint->model)) && utf8_is_valid(str_of(endpoint->system_prompt));
    for (size_t i = 0; i < n_messages && is_valid; i++)
        is_valid = utf8_is_valid(str_of(messages[i].text));
    if (!is_valid)
        return ST_INVAL;
    DB_CLEANUP(json_unref) json_t *body = json_object();
    (void)json_object_set_new(body, "model", json_string(endpoint->model));
    dialect->put_question(body, endpoint, repairs, messages, n_messages);
    if (!(repairs & REPAIR_NO_STREAM)) {
        (void)json_object_set_new(body, "stream", json_true());
        if (dialect->has_stream_options && !(repairs & REPAIR_NO_STREAM_OPTIONS))
            (void)json_object_set_new(body, "stream_options",
                                      json_pack("{s:b}", "include_usage", true));
    }
    if (endpoint->has_temperature && !(repairs & REPAIR_NO_TEMPERATURE))
        (void)json_object_set_new(body, "temperature", json_real(endpoint->temperature));
    return json_write(body, out);
}

/* --- repairs --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum repair repair;
} repairs_by_name[] = {
    {"max_tokens", REPAIR_OTHER_TOKEN_LIMIT},
    {"max_completion_tokens", REPAIR_OTHER_TOKEN_LIMIT},
    {"temperature", REPAIR_NO_TEMPERATURE},
    {"stream_options", REPAIR_NO_STREAM_OPTIONS},
    {"include_usage", REPAIR_NO_STREAM_OPTIONS},
    {"stop", REPAIR_NO_STOP},
    {"response_format", REPAIR_NO_RESPONSE_FORMAT},
    {"stream", REPAIR_NO_STREAM},
    {"system", REPAIR_SYSTEM_AS_USER},
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
static enum repair named_first(struct str text)
{
    enum repair repair = REPAIR_NONE;
    ptrdiff_t first = PTRDIFF_MAX;
    for (size_t i = 0; i < N_REPAIRS; i++) {
        ptrdiff_t at = find_name(text, str_of(repairs_by_name[i].name));
        /* "system" is a word that many messages have for other reasons. */
        if (repairs_by_name[i].repair == REPAIR_SYSTEM_AS_USER &&
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
static enum repair other_endpoint(const struct problem *problem)
{
    struct str message = str_of(problem->message);
    return str_find(message, STR_LIT("v1/completions")) >= 0 ||
                   str_find(message, STR_LIT("chat/completions")) >= 0
               ? REPAIR_OTHER_DIALECT
               : REPAIR_NONE;
}

enum repair repair_for(const struct problem *problem, unsigned done)
{
    enum repair repair = REPAIR_NONE;
    if (problem->failure == LLM_FAIL_MODEL || problem->failure == LLM_FAIL_REQUEST)
        repair = other_endpoint(problem);
    if (repair == REPAIR_NONE && problem->failure == LLM_FAIL_REQUEST) {
        repair = named_first(str_of(problem->param));
        if (repair == REPAIR_NONE)
            repair = named_first(str_of(problem->message));
    }
    /* Neither name is taken, or the number itself is refused. */
    if (repair == REPAIR_OTHER_TOKEN_LIMIT && done & REPAIR_OTHER_TOKEN_LIMIT)
        repair = REPAIR_NO_TOKEN_LIMIT;
    return done & (unsigned)repair ? REPAIR_NONE : repair;
}
