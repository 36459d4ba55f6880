#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask_fixture.h"
#include "util/mem.h"

#define OK(json) HEAD_JSON json
#define NOT_FOUND REFUSAL("404 Not Found", "", "{\"error\":{\"message\":\"no such path\"}}")
#define HTML_200 \
    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>hello</html>"
#define WRONG_KEY \
    REFUSAL("401 No", "", "{\"error\":{\"message\":\"bad key\",\"code\":\"invalid_api_key\"}}")

/* One request for a balance and what came of it. */
struct enquiry {
    uint64_t id;
    bool has_started;
    int n_done;
    struct llm_balance balance; /* `provider` is copied */
    char provider[256];
};

static void on_balance(uint64_t id, const struct llm_balance *balance, void *arg)
{
    struct enquiry *enquiry = arg;
    assert_true(enquiry->has_started);
    assert_int_equal(id, enquiry->id);
    enquiry->n_done++;
    enquiry->balance = *balance;
    (void)snprintf(enquiry->provider, sizeof(enquiry->provider), "%s", balance->provider);
}

static void enquiry_start(struct enquiry *enquiry, struct ask_fixture *fixture)
{
    enquiry->id = llm_balance(fixture->llm, on_balance, enquiry);
    enquiry->has_started = true;
}

static bool is_told(void *arg)
{
    return ((struct enquiry *)arg)->n_done > 0;
}

/* What the server was asked for: "/a /b" in order, dates left out. */
static char *targets(struct ask_fixture *fixture)
{
    DB_CLEANUP(free_charp) char *log = scripted_server_log(fixture->server);
    struct buf list = BUF_INIT(4096);
    struct str rest = str_of(log);
    for (ptrdiff_t at; (at = str_find(rest, STR_LIT("GET "))) >= 0;) {
        rest = str_sub(rest, (size_t)at + 4, rest.n);
        struct str target = str_cut(&rest, ' ');
        struct str path = str_cut(&target, '?');
        assert_int_equal(buf_printf(&list, "%s%.*s", list.len ? " " : "", (int)path.n, path.p),
                         ST_OK);
    }
    return buf_steal(&list);
}

#define NONE NAN
struct expected_line {
    enum llm_money money;
    double total, used, left; /* NONE: not known */
    bool is_unlimited;
    int64_t expires_s;
};

struct balance_case {
    const char *name;
    const char *root; /* NULL: a relay at the server itself; else the server is the proxy to it */
    struct reply replies[6];
    const char *targets;
    enum llm_failure failure;
    struct expected_line lines[3]; /* all three where the second one has a currency */
};

#define SUBSCRIPTION "/v1/dashboard/billing/subscription"
#define USAGE_PATH "/v1/dashboard/billing/usage"
#define GRANTS "/dashboard/billing/credit_grants"
#define TOKEN "/api/usage/token/"
#define ALL_GUESSES SUBSCRIPTION " " GRANTS " " TOKEN

static const struct balance_case cases[] = {
    {"a relay's subscription and usage",
     NULL,
     {{OK("{\"object\":\"billing_subscription\",\"hard_limit_usd\":12.5,\"access_until\":"
          "1900000000}")},
      {OK("{\"object\":\"list\",\"total_usage\":337.5}")}},
     SUBSCRIPTION " " USAGE_PATH,
     LLM_OK,
     {{LLM_MONEY_UNKNOWN, 12.5, 3.375, 9.125, false, 1900000000}}},
    {"0 as the expiry is never",
     NULL,
     {{OK("{\"hard_limit_usd\":5,\"access_until\":0}")}, {OK("{\"total_usage\":500}")}},
     SUBSCRIPTION " " USAGE_PATH,
     LLM_OK,
     {{LLM_MONEY_UNKNOWN, 5, 5, 0, false, 0}}},
    {"so is -1",
     NULL,
     {{OK("{\"hard_limit_usd\":5,\"access_until\":-1}")}, {OK("{\"total_usage\":0}")}},
     SUBSCRIPTION " " USAGE_PATH,
     LLM_OK,
     {{LLM_MONEY_UNKNOWN, 5, 0, 5, false, 0}}},
    {"an expiry beyond all calendars is not known",
     NULL,
     {{OK("{\"hard_limit_usd\":5,\"access_until\":9223372036854775807}")},
      {OK("{\"total_usage\":0}")}},
     SUBSCRIPTION " " USAGE_PATH,
     LLM_OK,
     {{LLM_MONEY_UNKNOWN, 5, 0, 5, false, -1}}},
    {"a hundred million is no limit",
     NULL,
     {{OK("{\"hard_limit_usd\":100000000,\"access_until\":0}")}, {OK("{\"total_usage\":250}")}},
     SUBSCRIPTION " " USAGE_PATH,
     LLM_OK,
     {{LLM_MONEY_UNKNOWN, 100000000, 2.5, NONE, true, 0}}},
    {"more than that is an amount",
     NULL,
     {{OK("{\"hard_limit_usd\":250000000}")}, {OK("{\"total_usage\":100}")}},
     SUBSCRIPTION " " USAGE_PATH,
     LLM_OK,
     {{LLM_MONEY_UNKNOWN, 250000000, 1, 249999999, false, -1}}},
    {"a subscription without usage tells the limit alone",
     NULL,
     {{OK("{\"hard_limit_usd\":12.5,\"access_until\":0}")}, {NOT_FOUND}},
     SUBSCRIPTION " " USAGE_PATH,
     LLM_OK,
     {{LLM_MONEY_UNKNOWN, 12.5, NONE, NONE, false, 0}}},
    {"a subscription whose usage fails likewise",
     NULL,
     {{OK("{\"hard_limit_usd\":12.5,\"access_until\":0}")}, {WRONG_KEY}},
     SUBSCRIPTION " " USAGE_PATH,
     LLM_OK,
     {{LLM_MONEY_UNKNOWN, 12.5, NONE, NONE, false, 0}}},
    {"credit grants",
     NULL,
     {{NOT_FOUND},
      {OK("{\"object\":\"credit_summary\",\"total_granted\":18,\"total_used\":3.4,\"total_"
          "available\":14.6}")}},
     SUBSCRIPTION " " GRANTS,
     LLM_OK,
     {{LLM_MONEY_UNKNOWN, 18, 3.4, 14.6, false, -1}}},
    {"credit grants that call it remaining",
     NULL,
     {{NOT_FOUND},
      {OK("{\"total_granted\":\"18\",\"total_used\":\"3\",\"total_remaining\":\"15\"}")}},
     SUBSCRIPTION " " GRANTS,
     LLM_OK,
     {{LLM_MONEY_UNKNOWN, 18, 3, 15, false, -1}}},
    {"new-api's token, in the site's unit",
     NULL,
     {{HTML_200},
      {HTML_200},
      {OK("{\"code\":true,\"message\":\"ok\",\"data\":{\"object\":\"token_usage\",\"total_"
          "granted\":1000000,"
          "\"total_used\":250000,\"total_available\":750000,\"unlimited_quota\":false,\"expires_"
          "at\":0}}")},
      {OK("{\"success\":true,\"data\":{\"quota_per_unit\":250000}}")}},
     ALL_GUESSES " /api/status",
     LLM_OK,
     {{LLM_MONEY_UNKNOWN, 4, 1, 3, false, 0}}},
    {"new-api's token, in the usual unit when the site tells none",
     NULL,
     {{NOT_FOUND},
      {NOT_FOUND},
      {OK("{\"code\":true,\"data\":{\"total_granted\":1000000,\"total_used\":250000,"
          "\"total_available\":750000,\"expires_at\":1900000000}}")},
      {HTML_200}},
     ALL_GUESSES " /api/status",
     LLM_OK,
     {{LLM_MONEY_UNKNOWN, 2, 0.5, 1.5, false, 1900000000}}},
    {"new-api's token without a limit",
     NULL,
     {{NOT_FOUND},
      {NOT_FOUND},
      {OK("{\"code\":true,\"data\":{\"total_granted\":0,\"total_used\":500000,\"total_available\":"
          "0,"
          "\"unlimited_quota\":true,\"expires_at\":0}}")},
      {OK("{\"data\":{\"quota_per_unit\":0}}")}},
     ALL_GUESSES " /api/status",
     LLM_OK,
     {{LLM_MONEY_UNKNOWN, 0, 1, 0, true, 0}}},
    {"a relay that knows none of the paths has nothing to ask for",
     NULL,
     {{NOT_FOUND}, {HTML_200}, {OK("{\"hello\":1}")}},
     ALL_GUESSES,
     LLM_FAIL_UNSUPPORTED,
     {{0}}},
    {"a relay behind redirects has nothing to ask for",
     NULL,
     {{"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"}},
     ALL_GUESSES,
     LLM_FAIL_UNSUPPORTED,
     {{0}}},
    {"an error inside a 200 is told, after the other paths",
     NULL,
     {{OK("{\"error\":{\"message\":\"no quota\",\"type\":\"insufficient_quota\"}}")}, {NOT_FOUND}},
     ALL_GUESSES,
     LLM_FAIL_QUOTA,
     {{0}}},
    {"a wrong key at a relay", NULL, {{WRONG_KEY}}, ALL_GUESSES, LLM_FAIL_AUTH, {{0}}},
    {"a busy relay is asked once more",
     NULL,
     {{REFUSAL("503 Busy", "", "{}")},
      {OK("{\"hard_limit_usd\":5,\"access_until\":0}")},
      {OK("{\"total_usage\":100}")}},
     SUBSCRIPTION " " SUBSCRIPTION " " USAGE_PATH,
     LLM_OK,
     {{LLM_MONEY_UNKNOWN, 5, 1, 4, false, 0}}},
    {"DeepSeek in several currencies, written as texts",
     "http://api.deepseek.com/v1",
     {{OK("{\"is_available\":true,\"balance_infos\":["
          "{\"currency\":\"CNY\",\"total_balance\":\"110.00\",\"granted_balance\":\"10.00\","
          "\"topped_up_balance\":\"100.00\"},"
          "{\"currency\":\"USD\",\"total_balance\":\"1.5\"},{\"currency\":\"XYZ\",\"total_"
          "balance\":2}]}")}},
     "http://api.deepseek.com/user/balance",
     LLM_OK,
     {{LLM_MONEY_CNY, NONE, NONE, 110, false, -1},
      {LLM_MONEY_USD, NONE, NONE, 1.5, false, -1},
      {LLM_MONEY_UNKNOWN, NONE, NONE, 2, false, -1}}},
    {"DeepSeek with a wrong key",
     "http://api.deepseek.com",
     {{WRONG_KEY}},
     "http://api.deepseek.com/user/balance",
     LLM_FAIL_AUTH,
     {{0}}},
    {"DeepSeek with an empty list",
     "http://api.deepseek.com",
     {{OK("{\"is_available\":false,\"balance_infos\":[]}")}},
     "http://api.deepseek.com/user/balance",
     LLM_FAIL_GARBLED,
     {{0}}},
    {"a page where DeepSeek should be",
     "http://api.deepseek.com",
     {{HTML_200}},
     "http://api.deepseek.com/user/balance",
     LLM_FAIL_GARBLED,
     {{0}}},
    {"an endpoint that a provider has taken away",
     "http://api.deepseek.com",
     {{NOT_FOUND}},
     "http://api.deepseek.com/user/balance",
     LLM_FAIL_UNSUPPORTED,
     {{0}}},
    {"Moonshot in China",
     "http://api.moonshot.cn/v1",
     {{OK("{\"code\":0,\"data\":{\"available_balance\":49.5,\"voucher_balance\":46.5,\"cash_"
          "balance\":3.0},"
          "\"scode\":\"0x0\",\"status\":true}")}},
     "http://api.moonshot.cn/v1/users/me/balance",
     LLM_OK,
     {{LLM_MONEY_CNY, NONE, NONE, 49.5, false, -1}}},
    {"Moonshot elsewhere",
     "http://api.moonshot.ai/v1",
     {{OK("{\"code\":0,\"data\":{\"available_balance\":-0.5}}")}},
     "http://api.moonshot.ai/v1/users/me/balance",
     LLM_OK,
     {{LLM_MONEY_USD, NONE, NONE, -0.5, false, -1}}},
    {"SiliconFlow in China",
     "http://api.siliconflow.cn/v1",
     {{OK("{\"code\":20000,\"message\":\"OK\",\"status\":true,\"data\":{\"balance\":\"0.88\","
          "\"chargeBalance\":\"88.00\",\"totalBalance\":\"88.88\"}}")}},
     "http://api.siliconflow.cn/v1/user/info",
     LLM_OK,
     {{LLM_MONEY_CNY, NONE, NONE, 88.88, false, -1}}},
    {"SiliconFlow elsewhere",
     "http://api.siliconflow.com/v1",
     {{OK("{\"code\":20000,\"message\":\"OK\",\"data\":{\"totalBalance\":\"2\"}}")}},
     "http://api.siliconflow.com/v1/user/info",
     LLM_OK,
     {{LLM_MONEY_USD, NONE, NONE, 2, false, -1}}},
    {"SiliconFlow's other codes are errors, with HTTP 200 and with data",
     "http://api.siliconflow.cn/v1",
     {{OK("{\"code\":20015,\"message\":\"no\",\"data\":{\"totalBalance\":\"88.88\"}}")}},
     "http://api.siliconflow.cn/v1/user/info",
     LLM_FAIL_GARBLED,
     {{0}}},
    {"or without",
     "http://api.siliconflow.cn/v1",
     {{OK("{\"code\":\"invalid_api_key\",\"message\":\"no\",\"data\":null}")}},
     "http://api.siliconflow.cn/v1/user/info",
     LLM_FAIL_AUTH,
     {{0}}},
    {"OpenRouter's credits with a management key",
     "http://openrouter.ai/api/v1",
     {{OK("{\"data\":{\"total_credits\":110.5,\"total_usage\":25.75}}")}},
     "http://openrouter.ai/api/v1/credits",
     LLM_OK,
     {{LLM_MONEY_USD, 110.5, 25.75, 84.75, false, -1}}},
    {"OpenRouter's key where credits are refused",
     "http://openrouter.ai/api/v1",
     {{REFUSAL("401 No", "", "{\"error\":{\"message\":\"management key wanted\",\"code\":401}}")},
      {OK("{\"data\":{\"label\":\"k\",\"usage\":25.5,\"limit\":100,\"limit_remaining\":74.5}}")}},
     "http://openrouter.ai/api/v1/credits http://openrouter.ai/api/v1/key",
     LLM_OK,
     {{LLM_MONEY_USD, 100, 25.5, 74.5, false, -1}}},
    {"OpenRouter's key without a limit",
     "http://openrouter.ai/api/v1",
     {{REFUSAL("403 No", "", "{}")},
      {OK("{\"data\":{\"usage\":25.5,\"limit\":null,\"limit_remaining\":null}}")}},
     "http://openrouter.ai/api/v1/credits http://openrouter.ai/api/v1/key",
     LLM_OK,
     {{LLM_MONEY_USD, NONE, 25.5, NONE, true, -1}}},
    {"OpenRouter with a wrong key",
     "http://openrouter.ai/api/v1",
     {{WRONG_KEY}},
     "http://openrouter.ai/api/v1/credits http://openrouter.ai/api/v1/key",
     LLM_FAIL_AUTH,
     {{0}}},
    {"OpenAI refuses API keys there: not asked",
     "http://api.openai.com/v1",
     {{NOT_FOUND}},
     "",
     LLM_FAIL_UNSUPPORTED,
     {{0}}},
    {"Azure: not asked",
     "http://x.openai.azure.com/openai/v1",
     {{NOT_FOUND}},
     "",
     LLM_FAIL_UNSUPPORTED,
     {{0}}},
    {"Anthropic: not asked",
     "http://api.anthropic.com/v1",
     {{NOT_FOUND}},
     "",
     LLM_FAIL_UNSUPPORTED,
     {{0}}},
    {"DashScope: not asked",
     "http://dashscope.aliyuncs.com/compatible-mode/v1",
     {{NOT_FOUND}},
     "",
     LLM_FAIL_UNSUPPORTED,
     {{0}}},
    {"DashScope's workspaces: not asked",
     "http://w.cn-beijing.maas.aliyuncs.com/compatible-mode/v1",
     {{NOT_FOUND}},
     "",
     LLM_FAIL_UNSUPPORTED,
     {{0}}},
    {"Ark: not asked",
     "http://ark.cn-beijing.volces.com/api/v3",
     {{NOT_FOUND}},
     "",
     LLM_FAIL_UNSUPPORTED,
     {{0}}},
    {"Zhipu: not asked",
     "http://open.bigmodel.cn/api/paas/v4",
     {{NOT_FOUND}},
     "",
     LLM_FAIL_UNSUPPORTED,
     {{0}}},
    {"names that only end alike are relays",
     "http://notopenrouter.ai/v1",
     {{NOT_FOUND}},
     "http://notopenrouter.ai" SUBSCRIPTION " http://notopenrouter.ai" GRANTS
     " http://notopenrouter.ai" TOKEN,
     LLM_FAIL_UNSUPPORTED,
     {{0}}},
    {"a relay below a path",
     "http://relay.example/proxy/v1",
     {{NOT_FOUND}},
     "http://relay.example/proxy" SUBSCRIPTION " http://relay.example/proxy" GRANTS
     " http://relay.example/proxy" TOKEN,
     LLM_FAIL_UNSUPPORTED,
     {{0}}},
};

static void expect_number(bool is_known, double value, double expected)
{
    assert_int_equal(is_known, !isnan(expected));
    if (is_known)
        assert_true(fabs(value - expected) < 1e-6);
}

static void expect_lines(const struct llm_balance *balance, const struct balance_case *want)
{
    bool has_several = want->failure == LLM_OK && want->lines[1].money != LLM_MONEY_UNKNOWN;
    size_t n = has_several ? 3 : want->failure == LLM_OK;
    assert_int_equal(balance->n_lines, n);
    for (size_t i = 0; i < n; i++) {
        const struct llm_balance_line *line = &balance->lines[i];
        const struct expected_line *expected = &want->lines[i];
        assert_int_equal(line->money, expected->money);
        expect_number(line->has_total, line->total, expected->total);
        expect_number(line->has_used, line->used, expected->used);
        expect_number(line->has_left, line->left, expected->left);
        assert_int_equal(line->is_unlimited, expected->is_unlimited);
        assert_int_equal(line->expires_s, expected->expires_s);
    }
}

static void run_case(const struct balance_case *want)
{
    struct ask_fixture fixture;
    struct enquiry enquiry = {0};
    DB_CLEANUP(free_charp) char *proxy = NULL;
    ask_fixture_begin(&fixture, want->replies);
    if (want->root) {
        proxy = xasprintf("http://127.0.0.1:%d", scripted_server_port(fixture.server));
        fixture.settings.root = want->root;
        fixture.settings.proxy = proxy;
    }
    ask_fixture_open(&fixture);
    enquiry_start(&enquiry, &fixture);
    run_until(&fixture, is_told, &enquiry);
    DB_CLEANUP(free_charp) char *asked = targets(&fixture);
    assert_string_equal(asked, want->targets);
    assert_int_equal(enquiry.n_done, 1);
    assert_int_equal(enquiry.balance.outcome.failure, want->failure);
    assert_int_equal(enquiry.balance.outcome.tries, ask_fixture_requests());
    expect_lines(&enquiry.balance, want);
    assert_int_equal(map_count(fixture.endpoint->exchanges), 0);
    ask_fixture_end(&fixture);
}

static void every_provider_is_asked_its_own_way(void **state)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        print_message("%s\n", cases[i].name);
        run_case(&cases[i]);
    }
}

static void the_key_goes_along_and_the_host_is_told(void **state)
{
    static const struct reply replies[] = {{NOT_FOUND}, {0}};
    struct ask_fixture fixture;
    struct enquiry enquiry = {0};
    ask_fixture_begin(&fixture, replies);
    ask_fixture_open(&fixture);
    enquiry_start(&enquiry, &fixture);
    run_until(&fixture, is_told, &enquiry);
    DB_CLEANUP(free_charp) char *log = scripted_server_log(fixture.server);
    assert_non_null(strstr(log, "Authorization: Bearer sk-test-0123456789\r\n"));
    assert_string_equal(enquiry.provider, "127.0.0.1");
    ask_fixture_end(&fixture);
}

static void usage_is_asked_for_ninety_nine_days(void **state)
{
    static const struct reply replies[] = {
        {OK("{\"hard_limit_usd\":5}")}, {OK("{\"total_usage\":1}")}, {0}};
    struct ask_fixture fixture;
    struct enquiry enquiry = {0};
    ask_fixture_begin(&fixture, replies);
    ask_fixture_open(&fixture);
    enquiry_start(&enquiry, &fixture);
    run_until(&fixture, is_told, &enquiry);
    DB_CLEANUP(free_charp) char *log = scripted_server_log(fixture.server);
    const char *dates = strstr(log, "/usage?start_date=");
    assert_non_null(dates);
    assert_int_equal(strcspn(dates, " "),
                     strlen("/usage?start_date=2026-08-15&end_date=2026-11-23"));
    assert_non_null(strstr(dates, "&end_date=20"));
    ask_fixture_end(&fixture);
}

static void who_does_not_answer_is_not_asked_the_next_question(void **state)
{
    static const struct reply replies[] = {{"", 0, REPLY_HANG}, {0}};
    struct ask_fixture fixture;
    struct enquiry enquiry = {0};
    ask_fixture_begin(&fixture, replies);
    ask_fixture_open(&fixture);
    fixture.endpoint->get_timeout_ms = 100;
    enquiry_start(&enquiry, &fixture);
    run_until(&fixture, is_told, &enquiry);
    DB_CLEANUP(free_charp) char *asked = targets(&fixture);
    assert_string_equal(asked, SUBSCRIPTION " " SUBSCRIPTION);
    assert_int_equal(enquiry.balance.outcome.failure, LLM_FAIL_TIMEOUT);
    ask_fixture_end(&fixture);
}

static void nobody_listening_is_told(void **state)
{
    static const struct reply replies[] = {{0}};
    struct ask_fixture fixture;
    struct enquiry enquiry = {0};
    ask_fixture_begin(&fixture, replies);
    fixture.settings.root = "http://127.0.0.1:1/v1";
    ask_fixture_open(&fixture);
    enquiry_start(&enquiry, &fixture);
    run_until(&fixture, is_told, &enquiry);
    assert_int_equal(enquiry.balance.outcome.failure, LLM_FAIL_CONNECT);
    assert_int_equal(enquiry.balance.outcome.tries, 2);
    ask_fixture_end(&fixture);
}

static void an_endless_document_is_cut_off(void **state)
{
    struct buf big = BUF_INIT((size_t)4 * 1024 * 1024);
    assert_int_equal(buf_puts(&big, HEAD_JSON "{\"hard_limit_usd\":5,\"x\":\""), ST_OK);
    while (big.len < (size_t)1024 * 1024)
        (void)buf_puts(&big, "0123456789abcdef");
    const struct reply replies[] = {{buf_cstr(&big), big.len, REPLY_CLOSE}, {NOT_FOUND}, {0}};
    struct ask_fixture fixture;
    struct enquiry enquiry = {0};
    ask_fixture_begin(&fixture, replies);
    ask_fixture_open(&fixture);
    enquiry_start(&enquiry, &fixture);
    run_until(&fixture, is_told, &enquiry);
    assert_int_equal(enquiry.balance.outcome.failure, LLM_FAIL_UNSUPPORTED);
    ask_fixture_end(&fixture);
    buf_done(&big);
}

/* Cancelled before anything is sent, while a question runs, between its tries, and in the second
 * one. */
static void cancelling_is_silent_in_every_state(void **state)
{
    static const struct {
        const char *root;
        struct reply replies[3];
        int n_requests;
    } states[] = {
        {NULL, {{"", 0, REPLY_HANG}}, 0},
        {NULL, {{"", 0, REPLY_HANG}}, 1},
        {NULL, {{REFUSAL("503 Busy", "Retry-After: 5\r\n", "{}")}}, 1},
        {NULL, {{NOT_FOUND}, {"", 0, REPLY_HANG}}, 2},
        {"http://api.openai.com/v1", {{NOT_FOUND}}, 0},
    };
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        struct ask_fixture fixture;
        struct enquiry enquiry = {0};
        ask_fixture_begin(&fixture, states[i].replies);
        fixture.settings.root = states[i].root;
        ask_fixture_open(&fixture);
        enquiry_start(&enquiry, &fixture);
        if (states[i].n_requests > 0) {
            run_until_requests(&fixture, states[i].n_requests);
            run_for_ms(&fixture, 20);
        }
        llm_cancel(fixture.llm, enquiry.id);
        llm_cancel(fixture.llm, enquiry.id);
        run_for_ms(&fixture, 30);
        assert_int_equal(enquiry.n_done, 0);
        assert_int_equal(map_count(fixture.endpoint->exchanges), 0);
        ask_fixture_end(&fixture);
    }
}

static void freeing_the_provider_ends_it(void **state)
{
    static const struct reply replies[] = {{"", 0, REPLY_HANG}, {0}};
    struct ask_fixture fixture;
    struct enquiry enquiry = {0};
    ask_fixture_begin(&fixture, replies);
    ask_fixture_open(&fixture);
    enquiry_start(&enquiry, &fixture);
    run_until_requests(&fixture, 1);
    llm_free(fixture.llm);
    fixture.llm = NULL;
    run_for_ms(&fixture, 20);
    assert_int_equal(enquiry.n_done, 0);
    ask_fixture_end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_provider_is_asked_its_own_way),
        cmocka_unit_test(the_key_goes_along_and_the_host_is_told),
        cmocka_unit_test(usage_is_asked_for_ninety_nine_days),
        cmocka_unit_test(who_does_not_answer_is_not_asked_the_next_question),
        cmocka_unit_test(nobody_listening_is_told),
        cmocka_unit_test(an_endless_document_is_cut_off),
        cmocka_unit_test(cancelling_is_silent_in_every_state),
        cmocka_unit_test(freeing_the_provider_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
