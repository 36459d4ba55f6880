#include "chat/policy.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Where a message comes from, in the order of the tables' columns. */
static const struct place {
    const char *name;
    const char *conversation;
    bool is_group;
    bool is_outgoing;
} places[] = {
    {"private", "private", false, false},
    {"listed group", "G", true, false},
    {"other group", "X", true, false},
    {"listed outgoing group", "O", true, true},
    {"outgoing group that is not listed", "X", true, true},
};

/* One letter a verdict. */
static char letter_of(enum policy_verdict verdict)
{
    static const char letters[] = {
        [POLICY_PASS] = '.',         [POLICY_ONLY_PRIVATE] = 'p',
        [POLICY_ONLY_GROUPS] = 'c',  [POLICY_GROUP_NOT_LISTED] = 'g',
        [POLICY_USER_DENIED] = 'd',  [POLICY_USER_NOT_LISTED] = 'u',
        [POLICY_USER_UNKNOWN] = '?',
    };
    return letters[verdict];
}

static struct message message_of(const char *staff_id, bool is_vouched, const struct place *place)
{
    return (struct message){
        .conversation = place->conversation,
        .is_group = place->is_group,
        .is_outgoing_robot = place->is_outgoing,
        .is_vouched = is_vouched,
        .sender_staff_id = staff_id,
        .sender = *staff_id ? staff_id : "$:opaque",
    };
}

struct row {
    const char *staff_id;
    bool is_unvouched;
    /* A letter a place, for chat_type 0, 1 and 2. */
    const char *expected[3];
};

static void assert_rows(void (*fill)(struct policy *policy), const struct row *rows, size_t n)
{
    for (int type = 0; type < 3; type++) {
        struct policy *policy = policy_new((enum policy_chat_type)type, 0);
        fill(policy);
        for (size_t i = 0; i < n; i++) {
            char got[COUNT(places) + 1] = "";
            for (size_t k = 0; k < COUNT(places); k++) {
                struct message message =
                    message_of(rows[i].staff_id, !rows[i].is_unvouched, &places[k]);
                got[k] = letter_of(policy_judge(policy, &message).verdict);
            }
            if (strcmp(got, rows[i].expected[type]) != 0)
                fail_msg("chat_type %d, \"%s\"%s: %s, not %s", type, rows[i].staff_id,
                         rows[i].is_unvouched ? " unvouched" : "", got, rows[i].expected[type]);
        }
        policy_free(policy);
    }
}

static void add(struct policy *policy, enum policy_list list, const char *item)
{
    policy_add(policy, list, str_of(item));
}

static void fill_nothing(struct policy *policy)
{
    (void)policy;
}

static void where_nothing_is_listed_everybody_may_ask(void **state)
{
    static const struct row rows[] = {
        {"somebody", false, {".....", ".pppp", "c...."}},
        {"somebody", true, {".....", ".pppp", "c...."}},
        {"", false, {".....", ".pppp", "c...."}},
    };
    (void)state;
    assert_rows(fill_nothing, rows, COUNT(rows));
}

static void fill_groups(struct policy *policy)
{
    add(policy, POLICY_GROUPS, "G");
}

static void listed_groups_shut_out_the_others_and_nobody_else(void **state)
{
    static const struct row rows[] = {
        {"somebody", false, {"..g..", ".pppp", "c.g.."}},
        {"", false, {"..g..", ".pppp", "c.g.."}},
    };
    (void)state;
    assert_rows(fill_groups, rows, COUNT(rows));
}

static void fill_outgoing_groups(struct policy *policy)
{
    add(policy, POLICY_OUTGOING_GROUPS, "O");
}

static void listed_outgoing_groups_hold_for_outgoing_robots_alone(void **state)
{
    static const struct row rows[] = {
        {"somebody", false, {"....g", ".pppp", "c...g"}},
        {"", false, {"....g", ".pppp", "c...g"}},
    };
    (void)state;
    assert_rows(fill_outgoing_groups, rows, COUNT(rows));
}

static void fill_allowed(struct policy *policy)
{
    add(policy, POLICY_ALLOWED_USERS, "allowed");
}

static void listed_users_shut_out_the_others_and_whoever_has_no_id(void **state)
{
    static const struct row rows[] = {
        {"allowed", false, {".....", ".pppp", "c...."}},
        {"allowed", true, {".....", ".pppp", "c...."}},
        {"somebody", false, {"uuuuu", "upppp", "cuuuu"}},
        {"", false, {"?????", "?pppp", "c????"}},
        {"", true, {"?????", "?pppp", "c????"}},
    };
    (void)state;
    assert_rows(fill_allowed, rows, COUNT(rows));
}

static void fill_denied(struct policy *policy)
{
    add(policy, POLICY_DENIED_USERS, "denied");
}

static void denied_users_are_shut_out_and_so_is_whoever_has_no_id(void **state)
{
    static const struct row rows[] = {
        {"denied", false, {"ddddd", "ddddd", "ddddd"}},
        {"denied", true, {"ddddd", "ddddd", "ddddd"}},
        {"somebody", false, {".....", ".pppp", "c...."}},
        {"", false, {"?????", "?pppp", "c????"}},
    };
    (void)state;
    assert_rows(fill_denied, rows, COUNT(rows));
}

static void fill_vips(struct policy *policy)
{
    add(policy, POLICY_VIP_USERS, "vip");
}

static void a_list_of_vips_shuts_nobody_out(void **state)
{
    static const struct row rows[] = {
        {"vip", false, {".....", ".pppp", "c...."}},
        {"somebody", false, {".....", ".pppp", "c...."}},
        {"", false, {".....", ".pppp", "c...."}},
    };
    (void)state;
    assert_rows(fill_vips, rows, COUNT(rows));
}

static void fill_admins(struct policy *policy)
{
    add(policy, POLICY_ADMIN_USERS, "admin");
}

static void a_list_of_admins_shuts_nobody_out_and_lets_them_in_everywhere(void **state)
{
    static const struct row rows[] = {
        {"admin", false, {".....", ".....", "....."}},
        {"admin", true, {".....", ".pppp", "c...."}},
        {"somebody", false, {".....", ".pppp", "c...."}},
        {"", false, {".....", ".pppp", "c...."}},
    };
    (void)state;
    assert_rows(fill_admins, rows, COUNT(rows));
}

static void fill_all(struct policy *policy)
{
    fill_groups(policy);
    fill_outgoing_groups(policy);
    fill_allowed(policy);
    fill_denied(policy);
    fill_vips(policy);
    fill_admins(policy);
    add(policy, POLICY_ALLOWED_USERS, "both");
    add(policy, POLICY_DENIED_USERS, "both");
    add(policy, POLICY_DENIED_USERS, "admin");
    add(policy, POLICY_ALLOWED_USERS, "allowed vip");
    add(policy, POLICY_VIP_USERS, "allowed vip");
}

static void all_lists_together_keep_their_order(void **state)
{
    static const struct row rows[] = {
        {"admin", false, {".....", ".....", "....."}},
        {"admin", true, {"ddddd", "ddddd", "ddddd"}},
        {"allowed", false, {"..g.g", ".pppp", "c.g.g"}},
        {"both", false, {"ddddd", "ddddd", "ddddd"}},
        {"denied", false, {"ddddd", "ddddd", "ddddd"}},
        {"allowed vip", false, {"..g.g", ".pppp", "c.g.g"}},
        {"vip", false, {"uugug", "upppp", "cugug"}},
        {"somebody", false, {"uugug", "upppp", "cugug"}},
        {"", false, {"??g.g", "?pppp", "c?g.g"}},
        {"", true, {"??g.g", "?pppp", "c?g.g"}},
    };
    (void)state;
    assert_rows(fill_all, rows, COUNT(rows));
}

static void a_refusal_names_the_id_that_the_admin_needs(void **state)
{
    (void)state;
    struct policy *policy = policy_new(POLICY_ALL_CHATS, 0);
    fill_all(policy);
    static const struct {
        const char *staff_id;
        size_t place;
        const char *id;
        enum word word;
    } rows[] = {
        {"somebody", 0, "somebody", WORD_USER_NOT_LISTED},
        {"denied", 1, "denied", WORD_USER_DENIED},
        {"allowed", 2, "X", WORD_GROUP_NOT_LISTED},
        {"", 0, "$:opaque", WORD_USER_UNKNOWN},
        {"", 1, "G", WORD_USER_UNKNOWN_IN_GROUP},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct message message = message_of(rows[i].staff_id, true, &places[rows[i].place]);
        struct policy_judgement judgement = policy_judge(policy, &message);
        assert_string_equal(judgement.id, rows[i].id);
        assert_int_equal(judgement.word, rows[i].word);
    }
    policy_free(policy);
}

/* The daily limit of each role, beside a common one of 10. */
static void
roles_and_own_limits_change_the_daily_limit_where_the_sender_is_vouched_for(void **state)
{
    (void)state;
    static const struct {
        const char *staff_id;
        int64_t own; /* -1: none */
        int64_t vouched, unvouched;
    } rows[] = {
        {"somebody", -1, 10, 10}, {"vip", -1, 0, 10},       {"admin", -1, 0, 10},
        {"", -1, 10, 10},         {"somebody", 50, 50, 10}, {"somebody", 3, 3, 3},
        {"somebody", 0, 0, 10},   {"vip", 5, 5, 5},         {"admin", 50, 50, 10},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct policy *policy = policy_new(POLICY_ALL_CHATS, 10);
        fill_vips(policy);
        fill_admins(policy);
        if (rows[i].own >= 0)
            policy_set_quota(policy, str_of(rows[i].staff_id), rows[i].own);
        struct message message = message_of(rows[i].staff_id, true, &places[0]);
        assert_int_equal(policy_daily_limit(policy, &message), rows[i].vouched);
        message.is_vouched = false;
        assert_int_equal(policy_daily_limit(policy, &message), rows[i].unvouched);
        assert_false(policy_is_admin(policy, &message) || policy_is_vip(policy, &message));
        policy_free(policy);
    }
}

static void an_own_limit_holds_where_there_is_no_common_one(void **state)
{
    (void)state;
    struct policy *policy = policy_new(POLICY_ALL_CHATS, 0);
    policy_set_quota(policy, STR_LIT("somebody"), 7);
    policy_set_quota(policy, STR_LIT("somebody"), 3);
    struct message message = message_of("somebody", false, &places[0]);
    assert_int_equal(policy_daily_limit(policy, &message), 3);
    policy_free(policy);
}

static void blank_items_are_none_and_lists_can_shrink(void **state)
{
    (void)state;
    struct policy *policy = policy_new(POLICY_ALL_CHATS, 0);
    add(policy, POLICY_ALLOWED_USERS, "");
    add(policy, POLICY_ALLOWED_USERS, " \t　");
    assert_int_equal(policy_count(policy, POLICY_ALLOWED_USERS), 0);
    add(policy, POLICY_ALLOWED_USERS, " a ");
    add(policy, POLICY_ALLOWED_USERS, "a");
    assert_int_equal(policy_count(policy, POLICY_ALLOWED_USERS), 1);
    assert_true(policy_has(policy, POLICY_ALLOWED_USERS, STR_LIT("a")));
    assert_false(policy_has(policy, POLICY_ALLOWED_USERS, STR_LIT("A")));
    policy_remove(policy, POLICY_ALLOWED_USERS, STR_LIT("a"));
    policy_remove(policy, POLICY_ALLOWED_USERS, STR_LIT("a"));
    assert_int_equal(policy_count(policy, POLICY_ALLOWED_USERS), 0);
    policy_free(policy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_nothing_is_listed_everybody_may_ask),
        cmocka_unit_test(listed_groups_shut_out_the_others_and_nobody_else),
        cmocka_unit_test(listed_outgoing_groups_hold_for_outgoing_robots_alone),
        cmocka_unit_test(listed_users_shut_out_the_others_and_whoever_has_no_id),
        cmocka_unit_test(denied_users_are_shut_out_and_so_is_whoever_has_no_id),
        cmocka_unit_test(a_list_of_vips_shuts_nobody_out),
        cmocka_unit_test(a_list_of_admins_shuts_nobody_out_and_lets_them_in_everywhere),
        cmocka_unit_test(all_lists_together_keep_their_order),
        cmocka_unit_test(a_refusal_names_the_id_that_the_admin_needs),
        cmocka_unit_test(
            roles_and_own_limits_change_the_daily_limit_where_the_sender_is_vouched_for),
        cmocka_unit_test(an_own_limit_holds_where_there_is_no_common_one),
        cmocka_unit_test(blank_items_are_none_and_lists_can_shrink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
