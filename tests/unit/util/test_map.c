#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "util/map.h"

static void what_was_put_is_found_replaced_and_taken(void **state)
{
    int one = 1;
    int two = 2;
    struct map *m = map_new();
    assert_int_equal(map_count(m), 0);
    assert_null(map_any(m));
    assert_null(map_get(m, STR_LIT("a")));
    assert_null(map_take(m, STR_LIT("a")));
    assert_null(map_put(m, STR_LIT("a"), &one));
    assert_ptr_equal(map_get(m, STR_LIT("a")), &one);
    assert_ptr_equal(map_any(m), &one);
    assert_ptr_equal(map_put(m, STR_LIT("a"), &two), &one);
    assert_int_equal(map_count(m), 1);
    assert_ptr_equal(map_take(m, STR_LIT("a")), &two);
    assert_null(map_get(m, STR_LIT("a")));
    assert_int_equal(map_count(m), 0);
    map_free(m);
    map_free(NULL);
}

static void keys_differ_by_every_byte_and_by_length(void **state)
{
    static const struct str keys[] = {
        {"", 0},           {"\0", 1},        {"\0\0", 2}, {"a", 1},        {"A", 1},
        {"a\0", 2},        {"a\0b", 3},      {"a\0c", 3}, {"\xff\xfe", 2}, {"12345678", 8},
        {"12345678\0", 9}, {"123456789", 9}, {"周报", 6},
    };
    size_t n = sizeof(keys) / sizeof(keys[0]);
    int values[sizeof(keys) / sizeof(keys[0])];
    struct map *m = map_new();
    for (size_t i = 0; i < n; i++)
        assert_null(map_put(m, keys[i], &values[i]));
    assert_int_equal(map_count(m), n);
    for (size_t i = 0; i < n; i++)
        assert_ptr_equal(map_get(m, keys[i]), &values[i]);
    assert_ptr_equal(map_get(m, (struct str){NULL, 0}), &values[0]);
    map_free(m);
}

static void the_map_keeps_its_own_copy_of_a_key(void **state)
{
    int value;
    char key[] = "key";
    struct map *m = map_new();
    (void)map_put(m, str_of(key), &value);
    key[0] = 'x';
    assert_null(map_get(m, str_of(key)));
    assert_ptr_equal(map_take(m, STR_LIT("key")), &value);
    map_free(m);
}

static void ids_of_every_size_are_keys(void **state)
{
    static const uint64_t ids[] = {0, 1, 255, 256, INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX};
    int values[7];
    struct map *m = map_new();
    for (size_t i = 0; i < 7; i++)
        assert_null(map_put_id(m, ids[i], &values[i]));
    for (size_t i = 0; i < 7; i++)
        assert_ptr_equal(map_get_id(m, ids[i]), &values[i]);
    assert_null(map_get_id(m, 2));
    for (size_t i = 0; i < 7; i++) {
        assert_ptr_equal(map_take_id(m, ids[i]), &values[i]);
        assert_null(map_take_id(m, ids[i]));
    }
    map_free(m);
}

static void thousands_of_entries_survive_growing_and_leaving(void **state)
{
    enum { N = 20000 };
    static char values[N];
    struct map *m = map_new();
    for (uint64_t i = 0; i < N; i++)
        assert_null(map_put_id(m, i, &values[i]));
    assert_int_equal(map_count(m), N);
    for (uint64_t i = 0; i < N; i += 2)
        assert_ptr_equal(map_take_id(m, i), &values[i]);
    for (uint64_t i = 0; i < N; i++)
        assert_ptr_equal(map_get_id(m, i), i % 2 ? &values[i] : NULL);
    size_t left = N / 2;
    for (char *value; (value = map_any(m)); left--)
        assert_ptr_equal(map_take_id(m, (uint64_t)(value - values)), value);
    assert_int_equal(left, 0);
    assert_int_equal(map_count(m), 0);
    map_free(m);
}

static void long_keys_with_a_common_beginning_are_told_apart(void **state)
{
    static char key[100000];
    char values[2];
    memset(key, 'k', sizeof(key));
    struct map *m = map_new();
    (void)map_put(m, (struct str){key, sizeof(key)}, &values[0]);
    (void)map_put(m, (struct str){key, sizeof(key) - 1}, &values[1]);
    assert_int_equal(map_count(m), 2);
    assert_ptr_equal(map_get(m, (struct str){key, sizeof(key)}), &values[0]);
    assert_ptr_equal(map_get(m, (struct str){key, sizeof(key) - 1}), &values[1]);
    key[sizeof(key) - 1] = 'x';
    assert_null(map_get(m, (struct str){key, sizeof(key)}));
    map_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_is_found_replaced_and_taken),
        cmocka_unit_test(keys_differ_by_every_byte_and_by_length),
        cmocka_unit_test(the_map_keeps_its_own_copy_of_a_key),
        cmocka_unit_test(ids_of_every_size_are_keys),
        cmocka_unit_test(thousands_of_entries_survive_growing_and_leaving),
        cmocka_unit_test(long_keys_with_a_common_beginning_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
