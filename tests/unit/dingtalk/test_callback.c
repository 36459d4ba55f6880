#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dingtalk/callback.h"
#include "util/clock.h"
#include "util/crypto.h"
#include "util/json.h"
#include "util/mem.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PATIENCE_MS 10000
#define SECRET "client-secret-for-test"
#define MESSAGE_WITH(members)                                                              \
    "{\"msgId\":\"m1\",\"conversationId\":\"c\",\"conversationType\":\"2\",\"msgtype\":"   \
    "\"text\",\"senderId\":\"s\",\"senderStaffId\":\"7\",\"robotCode\":\"r\",\"text\":{"   \
    "\"content\":\" hi\"},\"sessionWebhook\":\"https://oapi.dingtalk.com/robot/x?session=" \
    "topsecret\"" members "}"

/* A receiver that notes what comes in. */
struct inbox {
    struct receiver receiver; /* first */
    int n_received;
    char text[256];
    char msg_id[64];
    bool is_slow; /* keeps the receipt back */
    enum receipt receipt;
    receipt_fn fn;
    void *arg;
};

struct fixture {
    struct loop *loop;
    struct http_server *server;
    struct callback *callback;
    struct inbox inbox;
    FILE *log;
    int stderr_fd;
    int client; /* the connection of the last request */
    struct buf answer;
};

static void receive(struct receiver *receiver, const struct message *message, receipt_fn fn,
                    void *arg)
{
    struct inbox *inbox = (struct inbox *)(void *)receiver;
    inbox->n_received++;
    (void)snprintf(inbox->text, sizeof(inbox->text), "%s", message->text);
    (void)snprintf(inbox->msg_id, sizeof(inbox->msg_id), "%s", message->msg_id);
    inbox->fn = fn;
    inbox->arg = arg;
    if (!inbox->is_slow)
        fn(inbox->receipt, arg);
}

static const struct url_host_rule rules[] = {{"oapi.dingtalk.com", true}, {"127.0.0.1", false}};

static struct fixture *fixture_new(const char *const *secrets, size_t n_secrets)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    struct http_server_limits limits = HTTP_SERVER_LIMITS_DEFAULT;
    struct error error;
    f->client = -1;
    f->answer = BUF_INIT(1 << 20);
    f->inbox.receiver.receive = receive;
    assert_int_equal(loop_new(&f->loop), ST_OK);
    if (http_server_new(f->loop, "127.0.0.1", 0, &limits, &f->server, &error) != ST_OK)
        fail_msg("%s", error.text);
    struct callback_settings settings = {
        .secrets = secrets, .n_secrets = n_secrets, .rules = rules, .n_rules = COUNT(rules)};
    f->callback = callback_new(f->server, &f->inbox.receiver, &settings);
    f->log = tmpfile();
    f->stderr_fd = dup(STDERR_FILENO);
    (void)fflush(stderr);
    assert_true(dup2(fileno(f->log), STDERR_FILENO) >= 0);
    return f;
}

static void fixture_free(struct fixture *f)
{
    (void)fflush(stderr);
    assert_true(dup2(f->stderr_fd, STDERR_FILENO) >= 0);
    (void)close(f->stderr_fd);
    (void)fclose(f->log);
    if (f->client >= 0)
        (void)close(f->client);
    callback_free(f->callback);
    http_server_free(f->server);
    loop_free(f->loop);
    buf_done(&f->answer);
    free(f);
}

/* The log since the last call. */
static struct buf log_lines(struct fixture *f)
{
    struct buf lines = BUF_INIT(1 << 20);
    char chunk[4096];
    size_t n;
    (void)fflush(stderr);
    rewind(f->log);
    while ((n = fread(chunk, 1, sizeof(chunk), f->log)) > 0)
        buf_add(&lines, chunk, n);
    rewind(f->log);
    assert_int_equal(ftruncate(fileno(f->log), 0), 0);
    return lines;
}

static void assert_one_log_line(struct fixture *f, const char *word)
{
    struct buf lines = log_lines(f);
    struct str rest = buf_str(&lines);
    if (!strstr(buf_cstr(&lines), word))
        fail_msg("%s is not in the log: %s", word, buf_cstr(&lines));
    (void)str_cut(&rest, '\n');
    assert_int_equal(rest.n, 0);
    assert_non_null(strstr(buf_cstr(&lines), " warn callback "));
    assert_null(strstr(buf_cstr(&lines), "topsecret"));
    buf_done(&lines);
}

static bool has_answer(void *arg)
{
    struct fixture *f = arg;
    char chunk[4096];
    for (;;) {
        ssize_t n = recv(f->client, chunk, sizeof(chunk), MSG_DONTWAIT);
        if (n == 0)
            return true;
        if (n < 0)
            break;
        buf_add(&f->answer, chunk, (size_t)n);
    }
    struct str text = buf_str(&f->answer);
    ptrdiff_t head = str_find(text, STR_LIT("\r\n\r\n"));
    const char *length = strstr(buf_cstr(&f->answer), "Content-Length: ");
    return head > 0 && length &&
           text.n >= (size_t)head + 4 + strtoul(length + strlen("Content-Length: "), NULL, 10);
}

static void send_request(struct fixture *f, const char *headers, struct str body)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)http_server_port(f->server))};
    if (f->client >= 0)
        (void)close(f->client);
    f->client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(f->client, (struct sockaddr *)&address, sizeof(address)), 0);
    struct buf request = BUF_INIT(4 << 20);
    buf_printf(&request,
               "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%s"
               "Content-Length: %zu\r\n\r\n",
               headers, body.n);
    buf_add_str(&request, body);
    assert_int_equal(send(f->client, request.data, request.len, MSG_NOSIGNAL), request.len);
    buf_done(&request);
    buf_clear(&f->answer);
}

/* The answer's status; 0 when none came. */
static int wait_for_answer(struct fixture *f, int64_t patience_ms)
{
    int64_t until_ms = clock_mono_ms() + patience_ms;
    bool is_there = has_answer(f);
    while (!is_there && clock_mono_ms() < until_ms)
        is_there = loop_run_until(f->loop, has_answer, f, 10);
    struct str line = buf_str(&f->answer);
    (void)str_cut(&line, ' ');
    int64_t status = 0;
    return parse_i64(str_cut(&line, ' '), 100, 599, &status) == ST_OK ? (int)status : 0;
}

static int post(struct fixture *f, const char *headers, struct str body)
{
    send_request(f, headers, body);
    return wait_for_answer(f, PATIENCE_MS);
}

static const char *answer_body(const struct fixture *f)
{
    const char *end = strstr(buf_cstr(&f->answer), "\r\n\r\n");
    return end ? end + 4 : "";
}

static void signed_headers(char *ret_headers, size_t size, int64_t ms, const char *secret,
                           const char *format)
{
    struct buf text = BUF_INIT(1024);
    struct buf sign = BUF_INIT(1024);
    uint8_t mac[SHA256_SIZE];
    buf_printf(&text, "%lld\n%s", (long long)ms, secret);
    assert_int_equal(crypto_hmac_sha256(str_of(secret), buf_str(&text), mac), ST_OK);
    assert_int_equal(base64_encode((struct str){(const char *)mac, sizeof(mac)}, &sign), ST_OK);
    bool is_upper = strcmp(format, "upper") == 0;
    (void)snprintf(ret_headers, size, "%s: %lld\r\n%s: %s\r\n",
                   is_upper ? "Timestamp" : "timestamp", (long long)ms, is_upper ? "SIGN" : "sign",
                   buf_cstr(&sign));
    buf_done(&text);
    buf_done(&sign);
}

static void acknowledges_what_is_stored_or_known(void **state)
{
    static const enum receipt receipts[] = {RECEIPT_STORED, RECEIPT_KNOWN};
    for (size_t i = 0; i < COUNT(receipts); i++) {
        struct fixture *f = fixture_new(NULL, 0);
        f->inbox.receipt = receipts[i];
        assert_int_equal(post(f, "", STR_LIT(MESSAGE_WITH(""))), 200);
        assert_string_equal(answer_body(f), "{\"msgtype\":\"empty\"}");
        assert_int_equal(f->inbox.n_received, 1);
        assert_string_equal(f->inbox.text, " hi");
        fixture_free(f);
    }
}

static void asks_for_another_try_when_nothing_was_stored(void **state)
{
    struct fixture *f = fixture_new(NULL, 0);
    f->inbox.receipt = RECEIPT_NOT_STORED;
    assert_int_equal(post(f, "", STR_LIT(MESSAGE_WITH(""))), 503);
    assert_non_null(strstr(answer_body(f), "\"error\":\"not_stored\""));
    fixture_free(f);
}

static void answers_only_when_the_receipt_is_there(void **state)
{
    struct fixture *f = fixture_new(NULL, 0);
    f->inbox.is_slow = true;
    send_request(f, "", STR_LIT(MESSAGE_WITH("")));
    while (f->inbox.n_received == 0)
        (void)wait_for_answer(f, 20);
    assert_int_equal(wait_for_answer(f, 50), 0);
    f->inbox.fn(RECEIPT_STORED, f->inbox.arg);
    assert_int_equal(wait_for_answer(f, PATIENCE_MS), 200);
    fixture_free(f);
}

static void survives_a_peer_that_has_left(void **state)
{
    struct fixture *f = fixture_new(NULL, 0);
    f->inbox.is_slow = true;
    send_request(f, "", STR_LIT(MESSAGE_WITH("")));
    while (f->inbox.n_received == 0)
        (void)wait_for_answer(f, 20);
    (void)close(f->client);
    f->client = -1;
    f->inbox.fn(RECEIPT_STORED, f->inbox.arg);
    f->inbox.is_slow = false;
    assert_int_equal(post(f, "", STR_LIT(MESSAGE_WITH(""))), 200);
    fixture_free(f);
}

static void can_be_freed_while_a_receipt_is_out(void **state)
{
    struct fixture *f = fixture_new(NULL, 0);
    f->inbox.is_slow = true;
    send_request(f, "", STR_LIT(MESSAGE_WITH("")));
    while (f->inbox.n_received == 0)
        (void)wait_for_answer(f, 20);
    fixture_free(f);
    callback_free(NULL);
}

static void takes_signed_messages_only(void **state)
{
    static const char *const secrets[] = {"another secret", SECRET};
    int64_t now_ms = clock_wall_ms();
    static const struct {
        int64_t offset_ms;
        const char *secret;
        const char *format;
        int status;
    } cases[] = {
        {0, SECRET, "", 200},        {0, "another secret", "", 200}, {0, SECRET, "upper", 200},
        {-3500000, SECRET, "", 200}, {3500000, SECRET, "", 200},     {-3700000, SECRET, "", 403},
        {3700000, SECRET, "", 403},  {0, "wrong", "", 403},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fixture *f = fixture_new(secrets, COUNT(secrets));
        char headers[256];
        signed_headers(headers, sizeof(headers), now_ms + cases[i].offset_ms, cases[i].secret,
                       cases[i].format);
        assert_int_equal(post(f, headers, STR_LIT(MESSAGE_WITH(""))), cases[i].status);
        assert_int_equal(f->inbox.n_received, cases[i].status == 200);
        if (cases[i].status != 200)
            assert_one_log_line(f, "code=signature");
        fixture_free(f);
    }
    static const char *const headers[] = {"", "timestamp: 1\r\n", "sign: x\r\n",
                                          "timestamp: x\r\nsign: x\r\n"};
    for (size_t i = 0; i < COUNT(headers); i++) {
        struct fixture *f = fixture_new(secrets, COUNT(secrets));
        /* The signature comes first: a stranger's body is not even read. */
        assert_int_equal(post(f, headers[i], STR_LIT("not json")), 403);
        assert_non_null(strstr(answer_body(f), "\"error\":\"signature\""));
        assert_one_log_line(f, "code=signature");
        fixture_free(f);
    }
}

/* Whatever else a header is repeated with: only the first counts, and it has to be right. */
static void a_second_signature_header_changes_nothing(void **state)
{
    static const char *const secrets[] = {SECRET};
    char good[256], both[600];
    signed_headers(good, sizeof(good), clock_wall_ms(), SECRET, "");
    static const struct {
        const char *before;
        const char *behind;
        int status;
    } cases[] = {{"", "sign: x\r\ntimestamp: 1\r\n", 200},
                 {"sign: x\r\n", "", 403},
                 {"timestamp: 1\r\n", "", 403}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fixture *f = fixture_new(secrets, COUNT(secrets));
        (void)snprintf(both, sizeof(both), "%s%s%s", cases[i].before, good, cases[i].behind);
        assert_int_equal(post(f, both, STR_LIT(MESSAGE_WITH(""))), cases[i].status);
        fixture_free(f);
    }
}

static void an_empty_secret_lets_nobody_in(void **state)
{
    static const char *const secrets[] = {""};
    struct fixture *f = fixture_new(secrets, 1);
    char headers[256];
    signed_headers(headers, sizeof(headers), clock_wall_ms(), "", "");
    assert_int_equal(post(f, headers, STR_LIT(MESSAGE_WITH(""))), 403);
    fixture_free(f);
}

static void refuses_bad_bodies_with_a_line_and_goes_on(void **state)
{
    static const struct {
        struct str body;
        int status;
        const char *code;
    } cases[] = {
        {STR_LIT(""), 400, "bad_message"},
        {STR_LIT("{}"), 400, "bad_message"},
        {STR_LIT("hello"), 400, "bad_message"},
        {STR_LIT("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["), 413, "too_large"},
        {STR_LIT("{\"msgId\":\"\xFF\"}"), 400, "bad_message"},
        {STR_LIT("{\"msgId\":\"\\ud800\"}"), 400, "bad_message"},
        {STR_LIT("{\"msgId\":\"\\u0000\"}"), 400, "bad_message"},
        {STR_LIT("{\"msgId\":\"a\0b\"}"), 400, "bad_message"},
        {STR_LIT(MESSAGE_WITH(",\"conversationId\":7")), 400, "bad_message"},
        {STR_LIT(MESSAGE_WITH(",\"text\":[]")), 400, "bad_message"},
        {STR_LIT(MESSAGE_WITH(",\"sessionWebhook\":null")), 400, "bad_message"},
        {STR_LIT(MESSAGE_WITH(",\"sessionWebhook\":\"https://evil.example/?topsecret\"")), 400,
         "webhook_host_not_allowed"},
        {STR_LIT(MESSAGE_WITH(
             ",\"sessionWebhook\":\"https://oapi.dingtalk.com@evil.example/topsecret\"")),
         400, "webhook_host_not_allowed"},
        {STR_LIT(MESSAGE_WITH(",\"sessionWebhook\":\"http://oapi.dingtalk.com/topsecret\"")), 400,
         "webhook_host_not_allowed"},
        {STR_LIT(MESSAGE_WITH(",\"sessionWebhook\":\"https://oapi.dingtalk.com:444/topsecret\"")),
         400, "webhook_host_not_allowed"},
        {STR_LIT(MESSAGE_WITH(
             ",\"sessionWebhook\":\"https://oapi.dingtalk.com.evil.example/topsecret\"")),
         400, "webhook_host_not_allowed"},
        {STR_LIT(MESSAGE_WITH(",\"sessionWebhook\":\"topsecret\"")), 400,
         "webhook_host_not_allowed"},
    };
    struct fixture *f = fixture_new(NULL, 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (post(f, "", cases[i].body) != cases[i].status)
            fail_msg("%s: %s", cases[i].body.p, buf_cstr(&f->answer));
        assert_non_null(strstr(answer_body(f), cases[i].code));
        assert_null(strstr(answer_body(f), "topsecret"));
        DB_CLEANUP(json_unref) json_t *json = NULL;
        assert_int_equal(json_parse(str_of(answer_body(f)), &json, NULL), ST_OK);
        assert_one_log_line(f, cases[i].code);
    }
    assert_int_equal(f->inbox.n_received, 0);
    assert_int_equal(post(f, "", STR_LIT(MESSAGE_WITH(""))), 200);
    assert_int_equal(
        post(f, "", STR_LIT(MESSAGE_WITH(",\"sessionWebhook\":\"http://127.0.0.1:8/x\""))), 200);
    assert_int_equal(f->inbox.n_received, 2);
    fixture_free(f);
}

static void logs_quota_frames_and_hands_nothing_over(void **state)
{
    static const char *const bodies[] = {
        "{\"errorCode\":20001,\"errorMessage\":\"quota is used up\"}",
        "{\"errCode\":\"20001\",\"errMsg\":\"quota is used up\",\"msgtype\":\"text\"}",
        MESSAGE_WITH(",\"text\":null,\"errorCode\":20001,\"errorMessage\":\"quota is used up\""),
    };
    struct fixture *f = fixture_new(NULL, 0);
    for (size_t i = 0; i < COUNT(bodies); i++) {
        assert_int_equal(post(f, "", str_of(bodies[i])), 200);
        assert_string_equal(answer_body(f), "{\"msgtype\":\"empty\"}");
        assert_one_log_line(f, "quota_frame code=20001");
    }
    assert_int_equal(f->inbox.n_received, 0);
    fixture_free(f);
}

static void a_text_without_a_body_is_logged_and_answered(void **state)
{
    struct fixture *f = fixture_new(NULL, 0);
    assert_int_equal(post(f, "", STR_LIT(MESSAGE_WITH(",\"text\":null"))), 200);
    assert_one_log_line(f, "text_missing");
    assert_int_equal(f->inbox.n_received, 1);
    fixture_free(f);
}

static void takes_nothing_once_it_stops(void **state)
{
    struct fixture *f = fixture_new(NULL, 0);
    f->inbox.is_slow = true;
    send_request(f, "", STR_LIT(MESSAGE_WITH("")));
    while (f->inbox.n_received == 0)
        (void)wait_for_answer(f, 20);
    callback_stop(f->callback);
    f->inbox.fn(RECEIPT_STORED, f->inbox.arg); /* what it had taken is still acknowledged */
    assert_int_equal(wait_for_answer(f, PATIENCE_MS), 200);
    assert_int_equal(post(f, "", STR_LIT(MESSAGE_WITH(""))), 503);
    assert_int_equal(f->inbox.n_received, 1);
    assert_one_log_line(f, "code=stopping");
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acknowledges_what_is_stored_or_known),
        cmocka_unit_test(asks_for_another_try_when_nothing_was_stored),
        cmocka_unit_test(answers_only_when_the_receipt_is_there),
        cmocka_unit_test(survives_a_peer_that_has_left),
        cmocka_unit_test(can_be_freed_while_a_receipt_is_out),
        cmocka_unit_test(takes_signed_messages_only),
        cmocka_unit_test(a_second_signature_header_changes_nothing),
        cmocka_unit_test(an_empty_secret_lets_nobody_in),
        cmocka_unit_test(refuses_bad_bodies_with_a_line_and_goes_on),
        cmocka_unit_test(logs_quota_frames_and_hands_nothing_over),
        cmocka_unit_test(a_text_without_a_body_is_logged_and_answered),
        cmocka_unit_test(takes_nothing_once_it_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
