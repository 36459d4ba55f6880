#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "chat/lane.h"

static const struct store_session_key key = {"robot", "conversation", "sender"};

static void turns_of_a_session_come_in_their_order(void **state)
{
    struct map *lanes = map_new();
    struct list nodes[3];
    struct lane *lane = NULL;
    for (size_t i = 0; i < 3; i++) {
        struct lane *entered = lane_enter(lanes, &key, &nodes[i]);
        assert_true(!lane || entered == lane);
        lane = entered;
        assert_int_equal(lane_is_first(lane, &nodes[i]), i == 0);
    }
    assert_int_equal(map_count(lanes), 1);
    assert_ptr_equal(lane_first(lanes, &key), &nodes[0]);
    assert_ptr_equal(lane_leave(lanes, lane, &nodes[0]), &nodes[1]);
    assert_true(lane_is_first(lane, &nodes[1]));
    assert_ptr_equal(lane_leave(lanes, lane, &nodes[1]), &nodes[2]);
    assert_null(lane_leave(lanes, lane, &nodes[2]));
    assert_null(lane_first(lanes, &key));
    assert_int_equal(map_count(lanes), 0);
    map_free(lanes);
}

static void one_that_leaves_from_behind_moves_nobody_on(void **state)
{
    for (size_t gone = 1; gone < 3; gone++) {
        struct map *lanes = map_new();
        struct list nodes[3];
        struct lane *lane = NULL;
        for (size_t i = 0; i < 3; i++)
            lane = lane_enter(lanes, &key, &nodes[i]);
        assert_null(lane_leave(lanes, lane, &nodes[gone]));
        assert_ptr_equal(lane_first(lanes, &key), &nodes[0]);
        struct list *left = &nodes[3 - gone];
        assert_ptr_equal(lane_leave(lanes, lane, &nodes[0]), left);
        assert_null(lane_leave(lanes, lane, left));
        map_free(lanes);
    }
}

static void a_session_that_comes_back_gets_a_new_lane(void **state)
{
    struct map *lanes = map_new();
    struct list node;
    for (int i = 0; i < 3; i++) {
        struct lane *lane = lane_enter(lanes, &key, &node);
        assert_true(lane_is_first(lane, &node));
        assert_null(lane_leave(lanes, lane, &node));
    }
    map_free(lanes);
}

static void no_two_sessions_share_a_lane(void **state)
{
    static char a_long_id[513];
    static char another_long_id[513];
    memset(a_long_id, 'x', sizeof(a_long_id) - 1);
    memset(another_long_id, 'x', sizeof(another_long_id) - 2);
    another_long_id[511] = 'y';
    const struct store_session_key keys[] = {
        {"a", "b", "c"},
        {"a", "c", "b"},
        {"b", "a", "c"},
        {"ab", "", "c"},
        {"", "ab", "c"},
        {"a", "b1:c", ""},
        {"a", "b", ""},
        {"", "", ""},
        {"1:a1:b", "", ""},
        {"1:a", "b", ""},
        {"a", "b", "C"},
        {"a", "b", "c "},
        {"张三", "b", "c"},
        {"a", "b", "张三"},
        {a_long_id, a_long_id, a_long_id},
        {a_long_id, a_long_id, another_long_id},
    };
    enum { N = sizeof(keys) / sizeof(keys[0]) };
    struct map *lanes = map_new();
    struct list nodes[N];
    struct lane *entered[N];
    for (size_t i = 0; i < N; i++) {
        entered[i] = lane_enter(lanes, &keys[i], &nodes[i]);
        assert_true(lane_is_first(entered[i], &nodes[i]));
        assert_ptr_equal(lane_first(lanes, &keys[i]), &nodes[i]);
    }
    assert_int_equal(map_count(lanes), N);
    for (size_t i = 0; i < N; i++)
        assert_null(lane_leave(lanes, entered[i], &nodes[i]));
    assert_int_equal(map_count(lanes), 0);
    map_free(lanes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_of_a_session_come_in_their_order),
        cmocka_unit_test(one_that_leaves_from_behind_moves_nobody_on),
        cmocka_unit_test(a_session_that_comes_back_gets_a_new_lane),
        cmocka_unit_test(no_two_sessions_share_a_lane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
