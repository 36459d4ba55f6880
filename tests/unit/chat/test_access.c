#include "chat/access.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "chat_fixture.h"

/* What was told of a change. */
struct told {
    int n;
    enum status status;
    size_t n_changed;
};

static void on_changed(enum status status, size_t n_changed, void *arg)
{
    struct told *told = arg;
    told->n++;
    told->status = status;
    told->n_changed = n_changed;
}

static int n_loaded;

static void on_loaded(void *arg)
{
    n_loaded++;
}

static const struct message by = {.robot = "robot",
                                  .conversation = "cid",
                                  .sender = "boss",
                                  .sender_staff_id = "boss",
                                  .sender_nick = "老板"};

static struct access *new_access(struct fixture *f, const char *const *denied, size_t n)
{
    f->settings.lists[POLICY_DENIED_USERS] = (struct chat_list){denied, n};
    n_loaded = 0;
    return access_new(f->loop, &f->store.store, &f->settings, on_loaded, NULL);
}

static struct told change(struct fixture *f, struct access *access, enum access_list list,
                          const char *item, const char *value)
{
    struct told told = {0};
    const struct access_change order = {
        .list = list, .items = &item, .n_items = 1, .value = value, .by = &by, .what = "what"};
    access_change(access, &order, on_changed, &told);
    assert_int_equal(told.n, 0);
    fixture_settle(f);
    assert_int_equal(told.n, 1);
    return told;
}

static bool is_denied(const struct access *access, const char *user)
{
    struct message message = by;
    message.sender = message.sender_staff_id = user;
    return policy_judge(access_policy(access), &message).verdict == POLICY_USER_DENIED;
}

static void what_an_earlier_run_changed_counts_as_soon_as_it_is_read(void **state)
{
    struct fixture *f = *state;
    static const char *const denied[] = {"file", "kept"};
    static const struct store_setting settings[] = {{"deny_users", "chat", "1"},
                                                    {"deny_users", "file", "0"},
                                                    {"quota", "kept", "7"},
                                                    {"quota", "odd", "viel"},
                                                    {"of another version", "x", "1"}};
    f->store.settings = settings;
    f->store.n_settings = sizeof(settings) / sizeof(settings[0]);
    struct access *access = new_access(f, denied, 2);
    assert_false(access_is_loaded(access));
    assert_true(is_denied(access, "file"));
    fixture_settle(f);
    assert_true(access_is_loaded(access));
    assert_int_equal(n_loaded, 1);
    assert_false(is_denied(access, "file"));
    assert_true(is_denied(access, "chat") && is_denied(access, "kept"));
    assert_int_equal(access_count(access, ACCESS_DENIED_USERS), 2);
    struct message message = by;
    message.sender_staff_id = "kept";
    assert_int_equal(policy_daily_limit(access_policy(access), &message), 7);
    access_free(access);
}

static bool is_loaded(void *arg)
{
    return n_loaded > 1; /* called for the first failure as well */
}

static void what_cannot_be_read_is_read_again(void **state)
{
    struct fixture *f = *state;
    f->store.failures[CALL_READ_SETTINGS] = 2;
    struct access *access = new_access(f, NULL, 0);
    fixture_settle(f);
    assert_false(access_is_loaded(access));
    fixture_wait(f, is_loaded);
    assert_int_equal(f->store.calls[CALL_READ_SETTINGS], 3);
    access_free(access);
}

static void nothing_is_stored_or_begun_before_it_is_known_who_may_ask(void **state)
{
    struct fixture *f = *state;
    static const struct store_setting settings[] = {{"deny_users", "staff", "1"}};
    f->store.settings = settings;
    f->store.n_settings = 1;
    f->store.is_held[CALL_READ_SETTINGS] = true;
    fixture_start(f);
    fixture_type(f, "staff", "你好");
    fixture_type(f, "other", "你好");
    fixture_settle(f);
    assert_int_equal(f->n_stored, 0);
    assert_int_equal(f->llm.asked + f->platform.finished, 0);
    fixture_release_store(f);
    assert_int_equal(f->n_stored, 2);
    assert_int_equal(f->llm.asked, 1);
    assert_int_equal(f->platform.finished, 1);
    assert_non_null(strstr(buf_cstr(&f->platform.shown), "`staff`"));
}

static void a_change_counts_only_when_the_store_has_it(void **state)
{
    struct fixture *f = *state;
    struct access *access = new_access(f, NULL, 0);
    fixture_settle(f);
    f->store.failures[CALL_CHANGE_SETTINGS] = 1;
    assert_int_equal(change(f, access, ACCESS_DENIED_USERS, "u", "1").status, ST_STORE);
    assert_false(is_denied(access, "u"));
    assert_int_equal(change(f, access, ACCESS_DENIED_USERS, "u", "1").n_changed, 1);
    assert_true(is_denied(access, "u"));
    assert_string_equal(buf_cstr(&f->store.changed), "deny_users/u=1 ");
    assert_string_equal(buf_cstr(&f->store.audited), "boss cid: what");
    assert_int_equal(change(f, access, ACCESS_DENIED_USERS, "u", "1").n_changed, 0);
    assert_string_equal(buf_cstr(&f->store.audited), "");
    (void)change(f, access, ACCESS_DENIED_USERS, "u", NULL);
    assert_string_equal(buf_cstr(&f->store.changed), "deny_users/u=- ");
    assert_false(is_denied(access, "u"));
    access_free(access);
}

static void what_the_operator_lists_is_taken_out_and_the_mark_goes_when_he_does_so_too(void **state)
{
    struct fixture *f = *state;
    static const char *const denied[] = {" u ", ""};
    struct access *access = new_access(f, denied, 2);
    fixture_settle(f);
    assert_int_equal(access_count(access, ACCESS_DENIED_USERS), 1);
    (void)change(f, access, ACCESS_DENIED_USERS, "u", NULL);
    assert_string_equal(buf_cstr(&f->store.changed), "deny_users/u=0 ");
    assert_false(is_denied(access, "u"));
    access_configure(access, &f->settings);
    assert_false(is_denied(access, "u"));
    f->settings.lists[POLICY_DENIED_USERS].n = 0;
    access_configure(access, &f->settings);
    fixture_settle(f);
    assert_string_equal(buf_cstr(&f->store.changed), "deny_users/u=- ");
    f->settings.lists[POLICY_DENIED_USERS].n = 2;
    access_configure(access, &f->settings);
    assert_true(is_denied(access, "u"));
    access_free(access);
}

static void a_quota_is_set_changed_and_taken_back(void **state)
{
    struct fixture *f = *state;
    struct access *access = new_access(f, NULL, 0);
    fixture_settle(f);
    assert_int_equal(change(f, access, ACCESS_QUOTAS, "boss", "0").n_changed, 1);
    assert_true(access_has(access, ACCESS_QUOTAS, STR_LIT("boss")));
    assert_int_equal(change(f, access, ACCESS_QUOTAS, "boss", "5").n_changed, 1);
    assert_int_equal(change(f, access, ACCESS_QUOTAS, "boss", "5").n_changed, 0);
    assert_int_equal(policy_daily_limit(access_policy(access), &by), 5);
    assert_int_equal(change(f, access, ACCESS_QUOTAS, "boss", NULL).n_changed, 1);
    assert_int_equal(change(f, access, ACCESS_QUOTAS, "boss", NULL).n_changed, 0);
    assert_int_equal(policy_daily_limit(access_policy(access), &by), 0);
    access_free(access);
}

static void a_refusal_is_told_once_a_minute_and_what_is_remembered_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct access *access = new_access(f, NULL, 0);
    fixture_settle(f);
    assert_true(access_may_tell(access, &by, POLICY_USER_DENIED, 1000));
    assert_false(access_may_tell(access, &by, POLICY_USER_DENIED, 1000 + 59999));
    assert_true(access_may_tell(access, &by, POLICY_ONLY_GROUPS, 2000));
    assert_true(access_may_tell(access, &by, POLICY_USER_DENIED, 1000 + 60000));
    struct message message = by;
    for (int i = 0; i < 10000; i++) {
        char sender[16];
        (void)snprintf(sender, sizeof(sender), "s%d", i);
        message.sender = sender;
        assert_true(access_may_tell(access, &message, POLICY_USER_DENIED, 70000));
        assert_false(access_may_tell(access, &message, POLICY_USER_DENIED, 70000));
    }
    assert_true(access_may_tell(access, &by, POLICY_USER_DENIED, 70001)); /* long forgotten */
    access_free(access);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_an_earlier_run_changed_counts_as_soon_as_it_is_read),
        TEST(what_cannot_be_read_is_read_again),
        TEST(nothing_is_stored_or_begun_before_it_is_known_who_may_ask),
        TEST(a_change_counts_only_when_the_store_has_it),
        TEST(what_the_operator_lists_is_taken_out_and_the_mark_goes_when_he_does_so_too),
        TEST(a_quota_is_set_changed_and_taken_back),
        TEST(a_refusal_is_told_once_a_minute_and_what_is_remembered_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
