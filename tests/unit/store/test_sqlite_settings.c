#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "store_fixture.h"
#include "util/buf.h"

struct told {
    bool is_here;
    enum status status;
    struct buf text;
};

static bool is_here(void *arg)
{
    return ((const struct told *)arg)->is_here;
}

static void wait_for(const struct fixture *fixture, struct told *told)
{
    assert_true(loop_run_until(fixture->loop, is_here, told, FIXTURE_WAIT_MS));
}

static void on_done(enum status status, void *arg)
{
    struct told *told = arg;
    told->is_here = true;
    told->status = status;
}

static void on_settings(const struct store_settings_result *result, void *arg)
{
    struct told *told = arg;
    told->is_here = true;
    told->status = result->status;
    for (size_t i = 0; i < result->n_items; i++)
        buf_printf(&told->text, "%s/%s=%s ", result->items[i].list, result->items[i].item,
                   result->items[i].value);
}

static void on_audit(const struct store_audit_result *result, void *arg)
{
    struct told *told = arg;
    told->is_here = true;
    told->status = result->status;
    for (size_t i = 0; i < result->n_items; i++)
        buf_printf(&told->text, "%lld %s %s %s %s;", (long long)result->items[i].at_ms,
                   result->items[i].who, result->items[i].nick, result->items[i].place,
                   result->items[i].what);
}

static void change(const struct fixture *fixture, const struct store_setting *items, size_t n,
                   const char *what)
{
    struct told told = {0};
    const struct store_audit audit = {
        .at_ms = 7, .who = "admin", .nick = "管", .place = "cid", .what = what};
    const struct store_setting_change whole = {
        .items = items, .n_items = n, .audit = what ? &audit : NULL};
    store_change_settings(fixture->store, &whole, on_done, &told);
    assert_false(told.is_here);
    wait_for(fixture, &told);
    assert_int_equal(told.status, ST_OK);
}

static void assert_settings(const struct fixture *fixture, const char *expected)
{
    struct told told = {.text = BUF_INIT(4096)};
    store_read_settings(fixture->store, on_settings, &told);
    wait_for(fixture, &told);
    assert_int_equal(told.status, ST_OK);
    assert_string_equal(buf_cstr(&told.text), expected);
    buf_done(&told.text);
}

static void assert_audit(const struct fixture *fixture, size_t max, const char *expected)
{
    struct told told = {.text = BUF_INIT(4096)};
    store_read_audit(fixture->store, max, on_audit, &told);
    wait_for(fixture, &told);
    assert_int_equal(told.status, ST_OK);
    assert_string_equal(buf_cstr(&told.text), expected);
    buf_done(&told.text);
}

static void settings_are_set_changed_and_dropped_and_outlive_a_restart(void **state)
{
    struct fixture *fixture = *state;
    assert_settings(fixture, "");
    change(fixture,
           (const struct store_setting[]){
               {"vip", "b", "1"}, {"allow", "x", "1"}, {"vip", "a", "1"}, {"vip", "", "1"}},
           4, NULL);
    change(fixture, (const struct store_setting[]){{"vip", "a", "0"}, {"vip", "", NULL}}, 2, NULL);
    change(fixture, (const struct store_setting[]){{"vip", "unknown", NULL}}, 1, NULL);
    fixture_close_store(fixture);
    fixture_open_store(fixture);
    assert_settings(fixture, "allow/x=1 vip/a=0 vip/b=1 ");
}

static void the_record_tells_who_did_what_newest_first(void **state)
{
    struct fixture *fixture = *state;
    change(fixture, NULL, 0, "one");
    change(fixture, (const struct store_setting[]){{"vip", "a", "1"}}, 1, "two");
    change(fixture, NULL, 0, "three");
    assert_audit(fixture, 2, "7 admin 管 cid three;7 admin 管 cid two;");
    assert_audit(fixture, 0, "");
    assert_settings(fixture, "vip/a=1 ");
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(settings_are_set_changed_and_dropped_and_outlive_a_restart),
        WITH_STORE(the_record_tells_who_did_what_newest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
