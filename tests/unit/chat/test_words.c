#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "chat/words.h"

static bool is_placeholder(const char *p)
{
    return p[0] == '{' && p[1] >= '0' && p[1] <= '9' && p[2] == '}';
}

/* Bit i: {i} occurs. */
static unsigned placeholders(const char *sentence)
{
    unsigned found = 0;
    for (const char *p = sentence; *p; p++) {
        if (is_placeholder(p))
            found |= 1U << (p[1] - '0');
    }
    return found;
}

static void every_sentence_exists_in_both_languages(void **state)
{
    for (int word = 0; word < WORD_COUNT; word++) {
        const char *zh = words_get(LANGUAGE_ZH, (enum word)word);
        const char *en = words_get(LANGUAGE_EN, (enum word)word);
        if (!zh || !*zh || !en || !*en)
            fail_msg("word %d is missing", word);
        assert_true(utf8_is_valid(str_of(zh)));
        assert_true(utf8_is_valid(str_of(en)));
        /* A reader of English meets Chinese only where it has to be typed or explained. */
        assert_true(strpbrk(en, "abcdefghijklmnopqrstuvwxyz") != NULL);
    }
}

static void both_languages_have_the_same_placeholders(void **state)
{
    for (int word = 0; word < WORD_COUNT; word++) {
        unsigned zh = placeholders(words_get(LANGUAGE_ZH, (enum word)word));
        unsigned en = placeholders(words_get(LANGUAGE_EN, (enum word)word));
        if (zh != en)
            fail_msg("word %d: placeholders %#x and %#x", word, zh, en);
        assert_true(zh < 8);
    }
}

static void placeholders_are_replaced_in_both_languages(void **state)
{
    for (int language = 0; language < 2; language++) {
        for (int word = 0; word < WORD_COUNT; word++) {
            struct buf out = BUF_INIT(4096);
            words_put(&out, (enum language)language, (enum word)word,
                      (const char *const[]){"one", "two", "three", NULL});
            assert_int_equal(buf_status(&out), ST_OK);
            assert_int_equal(placeholders(buf_cstr(&out)), 0);
            buf_done(&out);
        }
    }
}

static void what_is_put_in_is_not_looked_into(void **state)
{
    struct buf out = BUF_INIT(4096);
    words_put(&out, LANGUAGE_EN, WORD_FAILED, (const char *const[]){"{1} {0} {", "ref", NULL});
    const char *at = strstr(buf_cstr(&out), "{1} {0} {");
    assert_non_null(at);
    assert_non_null(strstr(at, "ref"));
    buf_done(&out);
}

static void missing_arguments_leave_the_placeholder_and_read_nothing(void **state)
{
    const char *const *const lists[] = {NULL, (const char *const[]){NULL},
                                        (const char *const[]){"one", NULL}};
    for (size_t i = 0; i < 3; i++) {
        for (int word = 0; word < WORD_COUNT; word++) {
            struct buf out = BUF_INIT(4096);
            words_put(&out, LANGUAGE_ZH, (enum word)word, lists[i]);
            unsigned all = placeholders(words_get(LANGUAGE_ZH, (enum word)word));
            assert_int_equal(placeholders(buf_cstr(&out)), i == 2 ? all & ~1U : all);
            buf_done(&out);
        }
    }
}

static void the_refusal_says_the_word_that_people_look_for(void **state)
{
    assert_non_null(strstr(words_get(LANGUAGE_ZH, WORD_LIMIT), "上限"));
    assert_non_null(strstr(words_get(LANGUAGE_EN, WORD_LIMIT), "上限"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sentence_exists_in_both_languages),
        cmocka_unit_test(both_languages_have_the_same_placeholders),
        cmocka_unit_test(placeholders_are_replaced_in_both_languages),
        cmocka_unit_test(what_is_put_in_is_not_looked_into),
        cmocka_unit_test(missing_arguments_leave_the_placeholder_and_read_nothing),
        cmocka_unit_test(the_refusal_says_the_word_that_people_look_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
