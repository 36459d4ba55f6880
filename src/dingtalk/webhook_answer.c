#include "dingtalk/webhook_answer.h"

#include "util/json.h"

#define ERRMSG_BYTES_MAX 120

/* CURLcodes of connections that ended when the message was on its way (http_client hands the code
 * over as error.code): it may have arrived. */
#define CURL_GOT_NOTHING 52
#define CURL_SEND_ERROR 55
#define CURL_RECV_ERROR 56

static const struct {
    int64_t errcode;
    enum webhook_answer answer;
    enum status status;
} codes[] = {
    {-1, WEBHOOK_BUSY, ST_UPSTREAM},         {101002, WEBHOOK_TOO_LONG, ST_UPSTREAM},
    {460101, WEBHOOK_TOO_LONG, ST_UPSTREAM}, {130101, WEBHOOK_THROTTLED, ST_LIMITED},
    {410100, WEBHOOK_THROTTLED, ST_LIMITED}, {300001, WEBHOOK_EXPIRED, ST_NOT_FOUND},
    {300005, WEBHOOK_EXPIRED, ST_NOT_FOUND}, {430101, WEBHOOK_REFUSED, ST_UPSTREAM},
    {430102, WEBHOOK_REFUSED, ST_UPSTREAM},  {430103, WEBHOOK_REFUSED, ST_UPSTREAM},
    {430104, WEBHOOK_REFUSED, ST_UPSTREAM},
};

static enum webhook_answer read_errcode(int64_t errcode, struct str errmsg, struct error *ret_err)
{
    enum webhook_answer answer = WEBHOOK_FAILED;
    enum status status = ST_UPSTREAM;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].errcode == errcode) {
            answer = codes[i].answer;
            status = codes[i].status;
        }
    }
    int shown = answer == WEBHOOK_REFUSED /* may quote the text */
                    ? 0
                    : (int)utf8_cut(errmsg, ERRMSG_BYTES_MAX);
    int code = errcode > INT32_MAX || errcode < INT32_MIN ? 0 : (int)errcode;
    (void)error_set(ret_err, status, code, "errcode %lld: %.*s", (long long)errcode, shown,
                    errmsg.p);
    return answer;
}

/* The codes in words of the newer interfaces ("session.expired"). */
static enum webhook_answer read_word(struct str word, struct error *ret_err)
{
    bool is_expired = str_eq_nocase(word, STR_LIT("session.expired")) ||
                      str_eq_nocase(word, STR_LIT("session.notExisted"));
    (void)error_set(ret_err, is_expired ? ST_NOT_FOUND : ST_UPSTREAM, 0, "code %.*s",
                    (int)utf8_cut(word, ERRMSG_BYTES_MAX), word.p);
    return is_expired ? WEBHOOK_EXPIRED : WEBHOOK_FAILED;
}

static enum webhook_answer read_transfer(const struct error *error, struct error *ret_err)
{
    bool is_cut = error->code == CURL_GOT_NOTHING || error->code == CURL_SEND_ERROR ||
                  error->code == CURL_RECV_ERROR;
    *ret_err = *error;
    switch (error->status) {
    case ST_NET:
        return is_cut ? WEBHOOK_UNCERTAIN : WEBHOOK_BUSY;
    case ST_TLS:
        return WEBHOOK_BUSY;
    case ST_TIMEOUT:
    case ST_PROTOCOL:
        return WEBHOOK_UNCERTAIN;
    case ST_OK:
    case ST_INVAL:
    case ST_TOO_LARGE:
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
    return WEBHOOK_FAILED;
}

static enum webhook_answer read_http_status(int http_status, bool is_json, struct error *ret_err)
{
    if (http_status == 429) {
        (void)error_set(ret_err, ST_LIMITED, http_status, "HTTP %d", http_status);
        return WEBHOOK_THROTTLED;
    }
    if (http_status >= 200 && http_status < 300) {
        if (is_json)
            return WEBHOOK_DELIVERED;
        (void)error_set(ret_err, ST_PROTOCOL, http_status, "HTTP %d without JSON", http_status);
        return WEBHOOK_FAILED;
    }
    (void)error_set(ret_err, ST_UPSTREAM, http_status, "HTTP %d", http_status);
    return http_status >= 500 || http_status == 408 ? WEBHOOK_BUSY : WEBHOOK_FAILED;
}

/* The code that the body names; false when it names none. */
static bool read_body(const json_t *body, enum webhook_answer *ret_answer, struct error *ret_err)
{
    const json_t *errcode = json_object_get(body, "errcode");
    struct str word = json_str(body, "code");
    int64_t number = json_i64(body, "errcode", INT64_MIN);
    if (number == INT64_MIN && json_is_string(errcode)) {
        word = json_str(body, "errcode");
    } else if (number != INT64_MIN && number != 0) {
        *ret_answer = read_errcode(number, json_str(body, "errmsg"), ret_err);
        return true;
    }
    if (number == 0 || word.n == 0)
        return false;
    *ret_answer = read_word(word, ret_err);
    return true;
}

enum webhook_answer webhook_answer_read(const struct http_response *response, struct error *ret_err)
{
    if (response->error.status != ST_OK)
        return read_transfer(&response->error, ret_err);
    DB_CLEANUP(json_unref) json_t *body = NULL;
    bool is_json = response->body.n > 0 && json_parse(response->body, &body, NULL) == ST_OK &&
                   json_is_object(body);
    enum webhook_answer answer;
    /* A code that we do not know counts less than a status that we do: gateways answer in JSON too.
     */
    bool is_status_telling = response->http_status >= 500 || response->http_status == 429;
    if (is_json && read_body(body, &answer, ret_err) &&
        !(answer == WEBHOOK_FAILED && is_status_telling))
        return answer;
    /* Nothing at all is as good as "ok": only the status is left to judge by. */
    return read_http_status(response->http_status, is_json || response->body.n == 0, ret_err);
}
