#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "api_fixture.h"
#include "dingtalk/token.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* One call's fate. */
struct fate {
    int n_done;
    enum api_result result;
    bool has_value;
    char code[64];
};

static void on_done(uint64_t id, const struct api_answer *answer, void *arg)
{
    struct fate *fate = arg;
    (void)id;
    fate->n_done++;
    fate->result = answer->result;
    fate->has_value = answer->value != NULL;
    assert_true(answer->code.n < sizeof(fate->code));
    memcpy(fate->code, answer->code.p ? answer->code.p : "", answer->code.n);
    assert_null(strstr(answer->error.text, "secret"));
    assert_null(strstr(answer->error.text, "token-"));
}

static bool is_done(void *arg)
{
    const struct fate *fate = arg;
    return fate->n_done > 0;
}

static uint64_t call(struct api_fixture *f, bool is_oapi, struct fate *fate)
{
    const struct api_request request = {.app = 0,
                                        .method = "POST",
                                        .path = "/call?x=1",
                                        .is_oapi = is_oapi,
                                        .body = STR_LIT("{}"),
                                        .kind = "test"};
    *fate = (struct fate){0};
    uint64_t id = api_call(f->api, &request, on_done, fate);
    assert_int_equal(fate->n_done, 0);
    return id;
}

static bool is_token_call(const struct api_heard *heard)
{
    return strcmp(heard->line, API_TOKEN_PATH) == 0;
}

static struct api_said say_ok(size_t n, const struct api_heard *heard)
{
    (void)n;
    return is_token_call(heard) ? api_say_token() : (struct api_said){200, "{\"errcode\":0}"};
}

static void many_calls_share_one_token(void **state)
{
    struct api_fixture f;
    struct fate fates[10];
    api_fixture_begin(&f, say_ok, NULL);
    for (size_t i = 0; i < COUNT(fates); i++)
        (void)call(&f, i % 2 == 0, &fates[i]);
    for (size_t i = 0; i < COUNT(fates); i++) {
        api_run_until(&f, is_done, &fates[i]);
        assert_int_equal(fates[i].result, API_OK);
        assert_int_equal(fates[i].n_done, 1);
    }
    assert_int_equal(api_n_heard_of(API_TOKEN_PATH), 1);
    assert_int_equal(api_n_heard_of("POST /call?x=1&access_token=token-1"), 5);
    for (size_t i = 0; i < api_n_heard(); i++) {
        bool is_new = strcmp(api_heard(i)->line, "POST /call?x=1") == 0;
        assert_int_equal(strstr(api_heard(i)->head, "x-acs-dingtalk-access-token: token-1") != NULL,
                         is_new);
    }
    api_fixture_end(&f);
}

static struct api_said refuse_first_token(size_t n, const struct api_heard *heard)
{
    (void)n;
    if (is_token_call(heard))
        return api_say_token();
    if (strstr(heard->line, "token-1"))
        return (struct api_said){200, "{\"errcode\":42001,\"errmsg\":\"expired\"}"};
    if (strstr(heard->head, "token-1"))
        return (struct api_said){401, "{\"code\":\"InvalidAuthentication\"}"};
    return (struct api_said){200, "{\"errcode\":0}"};
}

static void a_refused_token_is_fetched_anew_once_for_all_who_had_it(void **state)
{
    struct api_fixture f;
    struct fate fates[8];
    api_fixture_begin(&f, refuse_first_token, NULL);
    for (size_t i = 0; i < COUNT(fates); i++)
        (void)call(&f, i % 2 == 0, &fates[i]);
    for (size_t i = 0; i < COUNT(fates); i++) {
        api_run_until(&f, is_done, &fates[i]);
        assert_int_equal(fates[i].result, API_OK);
        assert_true(fates[i].has_value);
    }
    assert_int_equal(api_n_heard_of(API_TOKEN_PATH), 2);
    api_fixture_end(&f);
}

static struct api_said refuse_every_token(size_t n, const struct api_heard *heard)
{
    (void)n;
    return is_token_call(heard) ? api_say_token()
                                : (struct api_said){400, "{\"code\":\"InvalidAuthentication\"}"};
}

static void a_call_is_repeated_only_once(void **state)
{
    struct api_fixture f;
    struct fate fate;
    api_fixture_begin(&f, refuse_every_token, NULL);
    (void)call(&f, false, &fate);
    api_run_until(&f, is_done, &fate);
    assert_int_equal(fate.result, API_UNAUTHORIZED);
    assert_string_equal(fate.code, "InvalidAuthentication");
    assert_int_equal(api_n_heard_of("POST /call"), 2);
    assert_int_equal(api_n_heard_of(API_TOKEN_PATH), 2);
    api_fixture_end(&f);
}

static struct api_said refuse_secret(size_t n, const struct api_heard *heard)
{
    (void)n;
    (void)heard;
    return (struct api_said){400, "{\"code\":\"invalidClientIdOrSecret\",\"message\":\"no\"}"};
}

static void a_refusal_is_told_to_all_who_come_soon_after_without_asking_again(void **state)
{
    struct api_fixture f;
    struct fate fates[6];
    api_fixture_begin(&f, refuse_secret, NULL);
    for (size_t i = 0; i < COUNT(fates); i++) {
        (void)call(&f, false, &fates[i]);
        api_run_until(&f, is_done, &fates[i]);
        assert_int_equal(fates[i].result, API_UNAUTHORIZED);
    }
    assert_int_equal(api_n_heard(), 1);
    api_fixture_end(&f);
}

static struct api_said say_half_a_token(size_t n, const struct api_heard *heard)
{
    static const char *const bodies[] = {"{}", "{\"accessToken\":\"\"}", "{\"accessToken\":7}",
                                         "[]", "<html>"};
    (void)heard;
    return (struct api_said){200, bodies[n % COUNT(bodies)]};
}

static void an_answer_without_a_token_is_trouble_and_no_token(void **state)
{
    for (size_t i = 0; i < 5; i++) {
        struct api_fixture f;
        struct fate fate;
        api_fixture_begin(&f, say_half_a_token, NULL);
        (void)call(&f, false, &fate);
        api_run_until(&f, is_done, &fate);
        assert_int_equal(fate.result, API_BUSY);
        assert_int_equal(api_n_heard(), 1);
        api_fixture_end(&f);
    }
}

/* A waiter of the token's own face. */
struct asker {
    struct token_waiter waiter;
    int n_told;
    char text[32];
    enum api_result result;
};

static void on_told(struct token_waiter *waiter, const char *text,
                    const struct api_reading *failure)
{
    struct asker *asker = LIST_ENTRY(waiter, struct asker, waiter);
    asker->n_told++;
    (void)snprintf(asker->text, sizeof(asker->text), "%s", text ? text : "");
    asker->result = text ? API_OK : failure->result;
    if (!text)
        assert_int_not_equal(failure->result, API_OK);
}

static bool is_told(void *arg)
{
    const struct asker *asker = arg;
    return asker->n_told > 0;
}

static struct token *token_of(struct api_fixture *f, char url[128])
{
    (void)snprintf(url, 128, "%s/v1.0/oauth2/accessToken", f->url);
    return token_new(f->loop, f->client,
                     &(struct token_settings){"ding1", "secret-of-ding1", url, ""});
}

static void who_asked_just_before_the_token_was_dropped_gets_the_next_one(void **state)
{
    struct api_fixture f;
    char url[128];
    api_fixture_begin(&f, say_ok, NULL);
    struct token *token = token_of(&f, url);
    struct asker first = {.waiter.fn = on_told}, second = {.waiter.fn = on_told};
    token_get(token, &first.waiter);
    api_run_until(&f, is_told, &first);
    token_get(token, &second.waiter);
    token_drop(token, "another");
    token_drop(token, first.text);
    api_run_until(&f, is_told, &second);
    assert_string_equal(second.text, "token-2");
    token_free(token);
    api_fixture_end(&f);
}

static struct api_said say_short_token(size_t n, const struct api_heard *heard)
{
    (void)heard;
    return (struct api_said){200, n == 0 ? "{\"accessToken\":\"short\",\"expireIn\":120}"
                                         : "{\"accessToken\":\"no\"}"};
}

static void a_token_of_short_life_is_not_fetched_at_every_call(void **state)
{
    struct api_fixture f;
    char url[128];
    api_fixture_begin(&f, say_short_token, NULL);
    struct token *token = token_of(&f, url);
    for (int i = 0; i < 5; i++) {
        struct asker asker = {.waiter.fn = on_told};
        token_get(token, &asker.waiter);
        api_run_until(&f, is_told, &asker);
        assert_string_equal(asker.text, "short");
    }
    api_settle(&f);
    assert_int_equal(api_n_heard(), 1);
    token_free(token);
    api_fixture_end(&f);
}

static void who_has_left_or_whose_token_is_freed_is_told_nothing(void **state)
{
    struct api_fixture f;
    char url[128];
    api_fixture_begin(&f, say_ok, NULL);
    struct token *token = token_of(&f, url);
    struct asker asker = {.waiter.fn = on_told}, other = {.waiter.fn = on_told};
    token_get(token, &asker.waiter);
    token_get(token, &other.waiter);
    token_leave(&asker.waiter);
    api_run_until(&f, is_told, &other);
    assert_int_equal(asker.n_told, 0);
    token_get(token, &asker.waiter);
    token_free(token);
    api_settle(&f);
    assert_int_equal(asker.n_told, 0);
    api_fixture_end(&f);
}

static struct api_said hang_at_call(size_t n, const struct api_heard *heard)
{
    (void)n;
    return is_token_call(heard) ? api_say_token() : (struct api_said){HANG, ""};
}

static bool has_heard(void *arg)
{
    const size_t *n = arg;
    return api_n_heard() >= *n;
}

/* While the token is fetched, while the call is under way, and after its end. */
static void cancelled_calls_are_silent_at_every_moment(void **state)
{
    for (size_t n_heard = 0; n_heard <= 2; n_heard++) {
        for (int is_freed = 0; is_freed < 2; is_freed++) {
            struct api_fixture f;
            struct fate fate;
            api_fixture_begin(&f, hang_at_call, NULL);
            uint64_t id = call(&f, false, &fate);
            api_run_until(&f, has_heard, &n_heard);
            if (is_freed) {
                api_free(f.api);
                f.api = NULL;
            } else {
                api_cancel(f.api, id);
                api_cancel(f.api, id);
            }
            api_settle(&f);
            assert_int_equal(fate.n_done, 0);
            api_fixture_end(&f);
        }
    }
}

struct counting_meter {
    struct call_meter face; /* first */
    int n;
};

static void count(struct call_meter *face, const char *app, const char *kind)
{
    struct counting_meter *meter = (struct counting_meter *)(void *)face;
    assert_string_equal(app, "ding1");
    assert_string_equal(kind, "test");
    meter->n++;
}

static enum call_level level(struct call_meter *face)
{
    (void)face;
    return CALLS_SPARING;
}

static void every_call_that_went_out_is_counted_and_no_token(void **state)
{
    struct counting_meter meter = {.face = {.count = count, .level = level}};
    struct api_fixture f;
    struct fate fate;
    api_fixture_begin(&f, refuse_first_token, &meter.face);
    (void)call(&f, false, &fate);
    api_run_until(&f, is_done, &fate);
    assert_int_equal(meter.n, 2);
    assert_int_equal(api_level(f.api), CALLS_SPARING);
    fate = (struct fate){0};
    (void)api_call_bare(f.api, "/bare", STR_LIT("{}"), on_done, &fate);
    api_run_until(&f, is_done, &fate);
    assert_int_equal(meter.n, 2);
    assert_null(strstr(api_heard(api_n_heard() - 1)->head, "access-token"));
    api_fixture_end(&f);
}

static void finds_who_may_act_for_a_robot(void **state)
{
    static const struct api_credential two[] = {{"ding1", "s"}, {"ding2", "s"}};
    struct api_fixture f;
    api_fixture_begin(&f, say_ok, NULL);
    struct api *api =
        api_new(f.loop, f.client,
                &(struct api_settings){
                    .api_url = f.url, .oapi_url = f.url, .credentials = two, .n_credentials = 2});
    const struct {
        struct message message;
        int of_two, of_one;
    } cases[] = {
        {{.app = "ding2", .robot = "ding1"}, 1, 0},
        {{.app = "", .robot = "ding2"}, 1, 0},
        {{.app = "", .robot = "ding1"}, 0, 0},
        {{.app = "", .robot = "other"}, API_NO_APP, 0},
        {{.app = "other", .robot = "ding2"}, 1, 0},
        {{.app = NULL, .robot = "other"}, API_NO_APP, 0},
        {{.app = "ding1", .robot = "normal", .is_outgoing_robot = true}, API_NO_APP, API_NO_APP},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(api_find_app(api, &cases[i].message), cases[i].of_two);
        assert_int_equal(api_find_app(f.api, &cases[i].message), cases[i].of_one);
    }
    assert_int_equal(api_find_client(api, "ding2"), 1);
    assert_int_equal(api_find_client(api, "ding"), API_NO_APP);
    assert_string_equal(api_client_id(api, 1), "ding2");
    assert_int_equal(api_level(api), CALLS_FREE);
    api_free(api);
    api_free(NULL);
    api_fixture_end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_calls_share_one_token),
        cmocka_unit_test(a_refused_token_is_fetched_anew_once_for_all_who_had_it),
        cmocka_unit_test(a_call_is_repeated_only_once),
        cmocka_unit_test(a_refusal_is_told_to_all_who_come_soon_after_without_asking_again),
        cmocka_unit_test(an_answer_without_a_token_is_trouble_and_no_token),
        cmocka_unit_test(who_asked_just_before_the_token_was_dropped_gets_the_next_one),
        cmocka_unit_test(a_token_of_short_life_is_not_fetched_at_every_call),
        cmocka_unit_test(who_has_left_or_whose_token_is_freed_is_told_nothing),
        cmocka_unit_test(cancelled_calls_are_silent_at_every_moment),
        cmocka_unit_test(every_call_that_went_out_is_counted_and_no_token),
        cmocka_unit_test(finds_who_may_act_for_a_robot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
