#include "dingtalk/api_answer.h"
#include "util/json.h"

#include <stdio.h>
#include <string.h>

struct meaning {
    const char *word; /* a code, or its beginning when it ends in '*' */
    enum api_result result;
    bool is_token_invalid;
};

/* The newer family: dotted words beside an HTTP status (KB-0013, KB-0012). */
static const struct meaning words[] = {
    {"InvalidAuthentication", API_UNAUTHORIZED, true},
    {"invalidParameter.token.invalid", API_UNAUTHORIZED, true},
    {"Forbidden.AccessDenied.QpsLimit*", API_THROTTLED, false},
    {"Forbidden.AccessDenied.QpmLimit*", API_THROTTLED, false},
    {"send.too.fast", API_THROTTLED, false},
    {"send.byToken.tooFast", API_THROTTLED, false},
    {"Throttling*", API_THROTTLED, false},
    {"Forbidden.AccessDenied.ApiCountLimitForOrg", API_QUOTA, false},
    {"Forbidden.AccessDenied*", API_UNAUTHORIZED, false},
    {"invalidClientIdOrSecret", API_UNAUTHORIZED, false},
    {"authFailed", API_UNAUTHORIZED, false},
    {"system.busy", API_BUSY, false},
    {"system.error", API_BUSY, false},
    {"ServiceUnavailable", API_BUSY, false},
};

/* The older family: numbers in a 200 answer (KB-0013). */
static const struct {
    int64_t errcode;
    enum api_result result;
    bool is_token_invalid;
} numbers[] = {
    {-1, API_BUSY, false},
    {15, API_BUSY, false},
    {40014, API_UNAUTHORIZED, true},
    {42001, API_UNAUTHORIZED, true},
    {40001, API_UNAUTHORIZED, true},
    {41001, API_UNAUTHORIZED, false},
    {40089, API_UNAUTHORIZED, false},
    {60011, API_UNAUTHORIZED, false},
    {60020, API_UNAUTHORIZED, false},
    {90018, API_THROTTLED, false},
    {90002, API_THROTTLED, false},
    {410100, API_THROTTLED, false},
    {130101, API_THROTTLED, false},
    {90020, API_QUOTA, false},
};

static bool is_word(struct str code, const char *pattern)
{
    struct str word = str_of(pattern);
    if (word.p[word.n - 1] == '*')
        return str_starts(code, str_sub(word, 0, word.n - 1));
    return str_eq(code, word);
}

static void read_word(struct api_reading *reading)
{
    struct str code = str_of(reading->code);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (!is_word(code, words[i].word))
            continue;
        reading->result = words[i].result;
        reading->is_token_invalid = words[i].is_token_invalid;
        return;
    }
}

static void read_number(struct api_reading *reading, int64_t errcode)
{
    reading->result = API_REFUSED;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (numbers[i].errcode != errcode)
            continue;
        reading->result = numbers[i].result;
        reading->is_token_invalid = numbers[i].is_token_invalid;
    }
}

static void set_code(struct api_reading *reading, struct str code)
{
    size_t len = utf8_cut(code, sizeof(reading->code) - 1);
    if (len > 0)
        memcpy(reading->code, code.p, len);
    reading->code[len] = '\0';
}

/* An errcode of 88 wraps another one in sub_code. INT64_MIN: there is none. */
static int64_t errcode_of(const json_t *value)
{
    int64_t errcode = json_i64(value, "errcode", INT64_MIN);
    if (errcode == 88) {
        int64_t inner = json_i64(value, "sub_code", 0);
        return inner ? inner : 15; /* without one the authentication timed out */
    }
    return errcode;
}

/* DingTalk's own words, which hold nothing of ours; cut, because they go to the log. */
static void explain(struct api_reading *reading, int http_status, const char *message_key)
{
    struct str message = json_str(reading->value, message_key);
    struct str request = json_str(reading->value, "requestid");
    if (request.n == 0)
        request = json_str(reading->value, "request_id");
    (void)error_set(&reading->error, ST_UPSTREAM, http_status, "%s: %.*s%s%.*s", reading->code,
                    (int)utf8_cut(message, 120), message.p ? message.p : "",
                    request.n ? " request=" : "", (int)utf8_cut(request, 64),
                    request.p ? request.p : "");
}

/* CURLcodes of connections that ended when the request was on its way (http_client hands the code
 * over as error.code): got nothing, send error, receive error. */
static bool is_cut(int code)
{
    return code == 52 || code == 55 || code == 56;
}

static void read_failed_transfer(const struct http_response *response, struct api_reading *reading)
{
    bool is_sent = response->error.status == ST_TIMEOUT || response->error.status == ST_PROTOCOL ||
                   response->bytes_received > 0 || is_cut(response->error.code);
    reading->result = is_sent ? API_UNCERTAIN : API_BUSY;
    reading->error = response->error;
}

static void read_status(const struct http_response *response, struct api_reading *reading)
{
    int status = response->http_status;
    if (status == 429)
        reading->result = API_THROTTLED;
    else if (status >= 500)
        reading->result = API_BUSY;
    else if (status == 401 || status == 403)
        reading->result = API_UNAUTHORIZED;
    else
        reading->result = API_REFUSED;
    set_code(reading, json_str(reading->value, "code"));
    if (*reading->code) {
        read_word(reading);
        explain(reading, status, "message");
    } else {
        (void)error_set(&reading->error, ST_UPSTREAM, status, "HTTP %d without a reason", status);
    }
}

static void read_errcode(struct api_reading *reading)
{
    int64_t errcode = errcode_of(reading->value);
    if (errcode == INT64_MIN) {
        reading->result = API_BUSY;
        (void)error_set(&reading->error, ST_PROTOCOL, 0, "an answer without an errcode");
    } else if (errcode != 0) {
        (void)snprintf(reading->code, sizeof(reading->code), "%lld", (long long)errcode);
        read_number(reading, errcode);
        explain(reading, (int)errcode, "errmsg");
    }
}

void api_answer_read(const struct http_response *response, bool is_oapi,
                     struct api_reading *ret_reading)
{
    *ret_reading = (struct api_reading){.result = API_OK};
    if (response->error.status != ST_OK) {
        read_failed_transfer(response, ret_reading);
        return;
    }
    if (json_parse_lenient(response->body, &ret_reading->value, NULL) != ST_OK)
        ret_reading->value = NULL;
    if (response->http_status < 200 || response->http_status > 299) {
        read_status(response, ret_reading);
        return;
    }
    if (!json_is_object(ret_reading->value)) {
        ret_reading->result = API_BUSY;
        (void)error_set(&ret_reading->error, ST_PROTOCOL, response->http_status,
                        "the answer is no JSON object");
        return;
    }
    if (json_object_get(ret_reading->value, "punish")) {
        ret_reading->result = API_THROTTLED;
        (void)error_set(&ret_reading->error, ST_LIMITED, response->http_status,
                        "this address is banned for some minutes");
    } else if (is_oapi) {
        read_errcode(ret_reading);
    } else if (!json_bool(ret_reading->value, "success", true)) {
        ret_reading->result = API_REFUSED;
        set_code(ret_reading, json_str(ret_reading->value, "code"));
        explain(ret_reading, response->http_status, "message");
    }
}

void api_reading_done(struct api_reading *reading)
{
    json_decref(reading->value);
    reading->value = NULL;
}
