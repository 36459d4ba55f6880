#include "llm/problem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/json.h"
#include "util/log.h"
#include "util/mem.h"

#define REASON_BYTES_MAX 200
#define PROXY_DENIED 407
#define ERROR_BYTES_MAX ((size_t)64 * 1024) /* more is no error message, and long to parse */

/* What peers write into `code` and `type`, whatever the HTTP status beside it. */
static const struct {
    const char *word;
    enum llm_failure failure;
} words[] = {
    {"insufficient_quota", LLM_FAIL_QUOTA},
    {"insufficient_user_quota", LLM_FAIL_QUOTA},
    {"insufficient_balance", LLM_FAIL_QUOTA},
    {"exceeded_current_quota_error", LLM_FAIL_QUOTA},
    {"credit_balance_exhausted", LLM_FAIL_QUOTA},
    {"organization_spend_limit_exceeded", LLM_FAIL_QUOTA},
    {"project_spend_limit_exceeded", LLM_FAIL_QUOTA},
    {"organization_usage_limit_exceeded", LLM_FAIL_QUOTA},
    {"enforced_spend_limit_reached", LLM_FAIL_QUOTA},
    {"contract_spend_limit_reached", LLM_FAIL_QUOTA},
    {"billing_hard_limit_reached", LLM_FAIL_QUOTA},
    {"billing_not_active", LLM_FAIL_QUOTA},
    {"billing_error", LLM_FAIL_QUOTA},
    {"Arrearage", LLM_FAIL_QUOTA},
    {"1113", LLM_FAIL_QUOTA}, /* Zhipu */
    {"invalid_api_key", LLM_FAIL_AUTH},
    {"InvalidApiKey", LLM_FAIL_AUTH},
    {"authentication_error", LLM_FAIL_AUTH},
    {"invalid_authentication_error", LLM_FAIL_AUTH},
    {"permission_error", LLM_FAIL_AUTH},
    {"account_deactivated", LLM_FAIL_AUTH},
    {"context_length_exceeded", LLM_FAIL_TOO_LONG},
    {"request_too_large", LLM_FAIL_TOO_LONG},
    {"string_above_max_length", LLM_FAIL_TOO_LONG},
    {"exceed_context_size_error", LLM_FAIL_TOO_LONG},
    {"content_filter", LLM_FAIL_REFUSED},
    {"contentFilter", LLM_FAIL_REFUSED}, /* Azure, for images */
    {"ResponsibleAIPolicyViolation", LLM_FAIL_REFUSED},
    {"content_policy_violation", LLM_FAIL_REFUSED},
    {"moderation_blocked", LLM_FAIL_REFUSED},
    {"data_inspection_failed", LLM_FAIL_REFUSED},
    {"DataInspectionFailed", LLM_FAIL_REFUSED},
    {"model_not_found", LLM_FAIL_MODEL},
    {"DeploymentNotFound", LLM_FAIL_MODEL},
    {"ModelNotFound", LLM_FAIL_MODEL},
    {"model_not_supported", LLM_FAIL_MODEL},
    {"InvalidEndpointOrModel.NotFound", LLM_FAIL_MODEL},
    {"resource_not_found_error", LLM_FAIL_MODEL},
    {"not_found_error", LLM_FAIL_MODEL},
    {"rate_limit_exceeded", LLM_FAIL_RATE},
    {"rate_limit_error", LLM_FAIL_RATE},
    {"rate_limit_reached_error", LLM_FAIL_RATE},
    {"slow_down", LLM_FAIL_RATE},
    {"server_is_overloaded", LLM_FAIL_BUSY},
    {"overloaded_error", LLM_FAIL_BUSY},
    {"engine_overloaded_error", LLM_FAIL_BUSY},
    {"service_unavailable_error", LLM_FAIL_BUSY},
    {"server_error", LLM_FAIL_BUSY},
    {"unsupported_parameter", LLM_FAIL_REQUEST},
    {"unsupported_value", LLM_FAIL_REQUEST},
    {"invalid_value", LLM_FAIL_REQUEST},
    {"invalid_request_error", LLM_FAIL_REQUEST},
};

/* Looked for in messages of refusals, because not everybody has codes. */
static const struct {
    const char *phrase;
    enum llm_failure failure;
} phrases[] = {
    {"maximum context length", LLM_FAIL_TOO_LONG},
    {"context window", LLM_FAIL_TOO_LONG},
    {"prompt is too long", LLM_FAIL_TOO_LONG},
    {"exceeds the available context size", LLM_FAIL_TOO_LONG},
    {"Range of input length", LLM_FAIL_TOO_LONG},
    {"api key not valid", LLM_FAIL_AUTH},
    {"credit balance is too low", LLM_FAIL_QUOTA},
    {"API usage limits", LLM_FAIL_QUOTA},
    {"content management policy", LLM_FAIL_REFUSED},
};

static const struct {
    int from, to;
    enum llm_failure failure;
} by_status[] = {
    {300, 399, LLM_FAIL_MODEL}, /* base_url points to something that has moved */
    {401, 401, LLM_FAIL_AUTH},  {402, 402, LLM_FAIL_QUOTA},    {403, 403, LLM_FAIL_AUTH},
    {404, 405, LLM_FAIL_MODEL}, {408, 408, LLM_FAIL_TIMEOUT},  {409, 409, LLM_FAIL_BUSY},
    {410, 410, LLM_FAIL_MODEL}, {413, 413, LLM_FAIL_TOO_LONG}, {425, 425, LLM_FAIL_BUSY},
    {429, 429, LLM_FAIL_RATE},  {400, 499, LLM_FAIL_REQUEST},  {500, 599, LLM_FAIL_BUSY},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* An error as peers write it, borrowed from the JSON. */
struct peer_error {
    struct str code, type, param, message, detail_code;
    int number; /* a numeric code that can be an HTTP status; 0: none */
};

static enum status status_for(enum llm_failure failure)
{
    switch (failure) {
    case LLM_OK:
        return ST_OK;
    case LLM_FAIL_AUTH:
        return ST_DENIED;
    case LLM_FAIL_QUOTA:
    case LLM_FAIL_RATE:
        return ST_LIMITED;
    case LLM_FAIL_MODEL:
        return ST_NOT_FOUND;
    case LLM_FAIL_TOO_LONG:
    case LLM_FAIL_TOO_LARGE:
        return ST_TOO_LARGE;
    case LLM_FAIL_TIMEOUT:
        return ST_TIMEOUT;
    case LLM_FAIL_CONNECT:
        return ST_NET;
    case LLM_FAIL_CUT:
    case LLM_FAIL_GARBLED:
    case LLM_FAIL_EMPTY:
    case LLM_FAIL_THOUGHT_OUT:
        return ST_PROTOCOL;
    case LLM_FAIL_CANCELLED:
        return ST_CANCELLED;
    case LLM_FAIL_INTERNAL:
        return ST_INTERNAL;
    case LLM_FAIL_REFUSED:
    case LLM_FAIL_REQUEST:
    case LLM_FAIL_BUSY:
    case LLM_FAIL_UNSUPPORTED:
        return ST_UPSTREAM;
    }
    return ST_INTERNAL;
}

static enum llm_failure failure_by_word(struct str word)
{
    for (size_t i = 0; i < COUNT(words) && word.n > 0; i++) {
        if (str_eq_nocase(word, str_of(words[i].word)))
            return words[i].failure;
    }
    return LLM_OK;
}

static enum llm_failure failure_by_phrase(struct str message)
{
    for (size_t i = 0; i < COUNT(phrases); i++) {
        struct str phrase = str_of(phrases[i].phrase);
        for (size_t at = 0; at + phrase.n <= message.n; at++) {
            if (str_eq_nocase(str_sub(message, at, phrase.n), phrase))
                return phrases[i].failure;
        }
    }
    return LLM_OK;
}

static enum llm_failure failure_by_status(int http_status)
{
    for (size_t i = 0; i < COUNT(by_status); i++) {
        if (http_status >= by_status[i].from && http_status <= by_status[i].to)
            return by_status[i].failure;
    }
    return LLM_FAIL_GARBLED;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* The first of several members that is a text with something in it. */
static struct str first_text(const json_t *object, const char *const *keys)
{
    struct str text = {"", 0};
    for (; *keys && text.n == 0; keys++)
        text = json_str(object, *keys);
    return text;
}

/* FastAPI: {"detail":[{"loc":["body","temperature"],"msg":"…","input":…}]}. Never the input: it is
 * what a person wrote. */
static void read_details(const json_t *details, struct peer_error *peer)
{
    const json_t *first = json_array_get(details, 0);
    const json_t *where = json_object_get(first, "loc");
    const json_t *name = json_array_get(where, json_array_size(where) - 1);
    if (json_is_string(name))
        peer->param = str_of(json_string_value(name));
    peer->message = json_str(first, "msg");
}

static void read_error_object(const json_t *error, struct peer_error *peer)
{
    static const char *const message_keys[] = {"message", "detail", "msg", NULL};
    const json_t *detail = json_object_get(error, "detail");
    const json_t *metadata = json_object_get(error, "metadata");
    int64_t number = json_i64(error, "code", 0);
    *peer = (struct peer_error){
        .code = json_str(error, "code"),
        .type = json_str(error, "type"),
        .param = json_str(error, "param"),
        .message = first_text(error, message_keys),
        .detail_code = json_str(json_object_get(error, "details"), "error_code"),
        .number = number >= 400 && number <= 599 ? (int)number : 0,
    };
    if (peer->detail_code.n == 0) /* Azure */
        peer->detail_code = json_str(json_object_get(error, "innererror"), "code");
    if (json_is_array(detail))
        read_details(detail, peer);
    /* OpenRouter wraps what its provider said. */
    struct str raw = json_str(metadata, "raw");
    if (raw.n > 0 && str_eq(peer->message, STR_LIT("Provider returned error")))
        peer->message = raw;
}

static bool has(const json_t *object, const char *key)
{
    const json_t *member = json_object_get(object, key);
    return member && !json_is_null(member);
}

/* Gateways that answer 200 to everything and tell in the body: {"code":40001,"msg":"…"}. */
static bool is_gateway_error(const json_t *value)
{
    static const char *const message_keys[] = {"message", "msg", NULL};
    const json_t *code = json_object_get(value, "code");
    int64_t number = json_i64(value, "code", -1);
    return (json_is_string(code) || json_is_integer(code)) && number != 0 && number != 200 &&
           first_text(value, message_keys).n > 0 && !has(value, "choices") && !has(value, "data");
}

/* False when the value holds no error. `is_error`: it is known to be one. */
static bool read_peer_error(const json_t *value, bool is_error, struct peer_error *ret_peer)
{
    *ret_peer = (struct peer_error){0};
    if (json_is_array(value)) /* Gemini's compatible endpoint wraps errors into a list */
        value = json_array_get(value, 0);
    const json_t *error = json_object_get(value, "error");
    if (json_string_length(error) > 0) {
        ret_peer->message = json_str(value, "error");
        return true;
    }
    if (json_is_object(error)) {
        read_error_object(error, ret_peer);
        return true;
    }
    bool is_old_vllm = str_eq(json_str(value, "object"), STR_LIT("error"));
    if (!is_error && !is_old_vllm && !is_gateway_error(value))
        return false;
    read_error_object(value, ret_peer);
    return true;
}

/* --- judging ---------------------------------------------------------------------------------- */

/* One line of printable text: what a peer sends must not shape the log. */
static void put_clean(struct buf *out, struct str text, size_t max_bytes)
{
    size_t n = utf8_cut(text, max_bytes);
    assert(n <= text.n);
    for (size_t i = 0; i < n; i++)
        (void)buf_putc(out, (unsigned char)text.p[i] < ' ' ? ' ' : text.p[i]);
}

static void set_reason(struct problem *problem, struct str reason)
{
    DB_CLEANUP(free_charp) char *masked = log_masked(reason);
    struct str cut = str_of(masked);
    cut.n = utf8_cut(cut, REASON_BYTES_MAX);
    (void)error_set(&problem->error, status_for(problem->failure), problem->http_status, "%.*s",
                    (int)cut.n, cut.p);
}

static void copy_cut(char *ret_text, size_t size, struct str text)
{
    size_t n = utf8_cut(text, size - 1);
    (void)snprintf(ret_text, size, "%.*s", (int)n, text.n ? text.p : "");
}

static enum llm_failure judge(const struct peer_error *peer, int http_status)
{
    enum llm_failure failure = failure_by_word(peer->detail_code);
    if (failure == LLM_OK)
        failure = failure_by_word(peer->code);
    bool is_refusal = http_status == 400 || http_status == 413 || http_status == 422;
    bool is_vague = failure == LLM_OK || failure == LLM_FAIL_REQUEST;
    if (is_vague && (is_refusal || http_status == 200)) {
        enum llm_failure told = failure_by_phrase(peer->message);
        failure = told != LLM_OK ? told : failure;
    }
    if (failure == LLM_OK)
        failure = failure_by_word(peer->type);
    /* "invalid_request_error" is what OpenAI calls most things; the status knows better. */
    if ((failure == LLM_OK || failure == LLM_FAIL_REQUEST) && http_status != 200)
        failure = failure_by_status(http_status);
    if (failure == LLM_OK && peer->number)
        failure = failure_by_status(peer->number);
    return failure == LLM_OK ? LLM_FAIL_BUSY : failure;
}

static void judge_peer_error(const struct peer_error *peer, int http_status,
                             struct problem *ret_problem)
{
    struct problem problem = {.failure = judge(peer, http_status), .http_status = http_status};
    int status = http_status == 200 && peer->number ? peer->number : http_status;
    bool is_barred = status == 401 || status == 402 || status == 403;
    problem.is_final =
        is_barred || problem.failure == LLM_FAIL_AUTH || problem.failure == LLM_FAIL_QUOTA;
    problem.is_retryable =
        !is_barred && (problem.failure == LLM_FAIL_RATE || problem.failure == LLM_FAIL_BUSY ||
                       problem.failure == LLM_FAIL_TIMEOUT);
    copy_cut(problem.param, sizeof(problem.param), peer->param);
    copy_cut(problem.message, sizeof(problem.message), peer->message);

    struct buf reason = BUF_INIT(1024);
    (void)buf_printf(&reason, "HTTP %d", http_status);
    struct str word = peer->code.n > 0 ? peer->code : peer->type;
    if (word.n > 0)
        (void)buf_putc(&reason, ' ');
    put_clean(&reason, word, 64);
    /* Filters like to quote what they object to. */
    bool is_told = peer->message.n > 0 && problem.failure != LLM_FAIL_REFUSED;
    if (is_told)
        (void)buf_puts(&reason, ": ");
    put_clean(&reason, is_told ? peer->message : STR_LIT(""), 400);
    set_reason(&problem, buf_str(&reason));
    buf_done(&reason);
    *ret_problem = problem;
}

void problem_set(struct problem *problem, enum llm_failure failure, bool is_retryable,
                 const char *fmt, ...)
{
    char reason[REASON_BYTES_MAX + 1];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(reason, sizeof(reason), fmt, args);
    va_end(args);
    *problem = (struct problem){.failure = failure, .is_retryable = is_retryable};
    set_reason(problem, str_of(reason));
}

/* The transfer itself failed. */
static void judge_transfer(const struct http_response *response, struct problem *ret_problem)
{
    enum llm_failure failure = LLM_FAIL_INTERNAL;
    bool is_retryable = false;
    bool has_begun = response->http_status != 0 && response->http_status != PROXY_DENIED;
    switch (response->error.status) {
    case ST_TIMEOUT:
        failure = LLM_FAIL_TIMEOUT;
        is_retryable = true;
        break;
    case ST_NET:
    case ST_TLS:
        failure = has_begun ? LLM_FAIL_CUT : LLM_FAIL_CONNECT;
        is_retryable = response->error.code != PROXY_DENIED; /* the proxy wants another password */
        break;
    case ST_PROTOCOL:
        failure = has_begun ? LLM_FAIL_CUT : LLM_FAIL_GARBLED;
        is_retryable = has_begun;
        break;
    case ST_TOO_LARGE:
        failure = LLM_FAIL_TOO_LARGE;
        break;
    case ST_INVAL:
        failure = LLM_FAIL_REQUEST;
        break;
    case ST_OK:
    case ST_NOT_FOUND:
    case ST_CONFLICT:
    case ST_DENIED:
    case ST_LIMITED:
    case ST_CANCELLED:
    case ST_UPSTREAM:
    case ST_STORE:
    case ST_INTERNAL:
        break;
    }
    problem_set(ret_problem, failure, is_retryable, "%s", response->error.text);
    ret_problem->http_status = response->http_status;
    ret_problem->error.status = response->error.status;
    ret_problem->error.code = response->error.code;
}

void problem_classify(const struct http_response *response, struct str body,
                      struct problem *ret_problem)
{
    int http_status = response->http_status;
    /* A refusal whose body was cut is a refusal all the same, unless it is the proxy's. */
    if ((http_status < 300 || http_status == PROXY_DENIED) && response->error.status != ST_OK) {
        judge_transfer(response, ret_problem);
        return;
    }
    *ret_problem = (struct problem){.http_status = http_status};
    if (http_status >= 200 && http_status < 300)
        return;
    DB_CLEANUP(json_unref) json_t *value = NULL;
    struct peer_error peer = {0};
    if (body.n <= ERROR_BYTES_MAX && json_parse_lenient(body, &value, NULL) == ST_OK)
        (void)read_peer_error(value, true, &peer);
    else if (http_status >= 300 && http_status < 400)
        peer.message = STR_LIT("redirected, which base_url must not be");
    judge_peer_error(&peer, http_status, ret_problem);
}

static void classify_value(const json_t *value, bool is_error, struct problem *ret_problem)
{
    struct peer_error peer;
    if (read_peer_error(value, is_error, &peer))
        judge_peer_error(&peer, 200, ret_problem);
    else
        *ret_problem = (struct problem){.http_status = 200};
}

void problem_classify_json(const json_t *value, struct problem *ret_problem)
{
    classify_value(value, false, ret_problem);
}

void problem_classify_error(const json_t *value, struct problem *ret_problem)
{
    classify_value(value, true, ret_problem);
}
