#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "util/list.h"

struct item {
    int number;
    struct list node;
};

static void fill(struct list *head, struct item *items, int n)
{
    list_init(head);
    for (int i = 0; i < n; i++) {
        items[i].number = i;
        list_push_back(head, &items[i].node);
    }
}

static void assert_numbers(const struct list *head, const int *want, size_t n)
{
    size_t i = 0;
    LIST_FOREACH(node, next, head)
    {
        assert_true(i < n);
        assert_int_equal(LIST_ENTRY(node, struct item, node)->number, want[i]);
        assert_ptr_equal(node->next->prev, node);
        i++;
    }
    assert_int_equal(i, n);
}

static void an_empty_list_has_nothing_to_give(void **state)
{
    struct list head;
    list_init(&head);
    assert_true(list_is_empty(&head));
    assert_null(list_pop_front(&head));
    assert_numbers(&head, NULL, 0);
}

static void elements_come_out_in_the_order_they_went_in(void **state)
{
    struct list head;
    struct item items[3];
    fill(&head, items, 3);
    assert_false(list_is_empty(&head));
    assert_numbers(&head, (const int[]){0, 1, 2}, 3);
    for (int i = 0; i < 3; i++)
        assert_ptr_equal(list_pop_front(&head), &items[i].node);
    assert_true(list_is_empty(&head));
}

static void any_element_can_leave_and_leaving_twice_is_harmless(void **state)
{
    for (int gone = 0; gone < 3; gone++) {
        struct list head;
        struct item items[3];
        fill(&head, items, 3);
        list_remove(&items[gone].node);
        list_remove(&items[gone].node);
        int want[2];
        int n = 0;
        for (int i = 0; i < 3; i++) {
            if (i != gone)
                want[n++] = i;
        }
        assert_numbers(&head, want, 2);
        list_push_back(&head, &items[gone].node);
        assert_ptr_equal(head.prev, &items[gone].node);
    }
}

static void the_current_element_may_leave_while_all_are_visited(void **state)
{
    struct list head;
    struct list other;
    struct item items[4];
    fill(&head, items, 4);
    list_init(&other);
    int visited = 0;
    LIST_FOREACH(node, next, &head)
    {
        visited++;
        list_remove(node);
        list_push_back(&other, node);
    }
    assert_int_equal(visited, 4);
    assert_true(list_is_empty(&head));
    assert_numbers(&other, (const int[]){0, 1, 2, 3}, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_list_has_nothing_to_give),
        cmocka_unit_test(elements_come_out_in_the_order_they_went_in),
        cmocka_unit_test(any_element_can_leave_and_leaving_twice_is_harmless),
        cmocka_unit_test(the_current_element_may_leave_while_all_are_visited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
