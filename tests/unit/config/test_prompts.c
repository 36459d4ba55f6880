#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/prompts.h"

struct fixture {
    char file[64];
    struct prompts prompts;
    struct config_problems problems;
};

static enum status load(struct fixture *f, const char *text)
{
    (void)snprintf(f->file, sizeof(f->file), "/tmp/dingbridge-prompts-%d.yml", (int)getpid());
    FILE *stream = fopen(f->file, "wbe");
    assert_non_null(stream);
    assert_int_equal(fwrite(text, 1, strlen(text), stream), strlen(text));
    assert_int_equal(fclose(stream), 0);
    return prompts_load(f->file, &f->prompts, &f->problems);
}

static void unload(struct fixture *f)
{
    (void)unlink(f->file);
    prompts_done(&f->prompts);
    config_problems_done(&f->problems);
}

static void both_forms_are_read_and_the_title_gets_its_hash(void **state)
{
    struct fixture f = {0};
    assert_int_equal(load(&f, "- title: \"#周报\"\n  prefix: \"写周报：\"\n  suffix: |\n    分条\n"
                              "- title: 旧\n  content: \"旧的\\n\"\n- title: 空\n"),
                     ST_OK);
    assert_int_equal(f.prompts.n, 3);
    assert_int_equal(f.problems.n, 0);
    assert_string_equal(f.prompts.items[0].title, "#周报");
    assert_string_equal(f.prompts.items[0].prefix, "写周报：");
    assert_string_equal(f.prompts.items[0].suffix, "分条\n");
    assert_string_equal(f.prompts.items[1].title, "#旧");
    assert_string_equal(f.prompts.items[1].prefix, "旧的\n");
    assert_string_equal(f.prompts.items[1].suffix, "");
    assert_string_equal(f.prompts.items[2].prefix, "");
    unload(&f);
}

static void unusable_entries_are_left_out_with_a_warning(void **state)
{
    struct fixture f = {0};
    assert_int_equal(load(&f, "- title: a\n  prefix: x\n- prefix: no title\n- title: '#A'\n- "
                              "words\n- title: '#'\n- title: {a: b}\n- title: last\n"),
                     ST_OK);
    assert_int_equal(f.prompts.n, 2);
    assert_int_equal(f.problems.n, 5);
    for (size_t i = 0; i < f.problems.n; i++)
        assert_false(f.problems.items[i].is_error);
    assert_non_null(strstr(f.problems.items[0].text, ".yml:3: "));
    assert_string_equal(f.prompts.items[1].title, "#last");
    unload(&f);
}

static void what_is_no_list_is_an_error_and_no_file_is_none(void **state)
{
    struct fixture f = {0};
    assert_int_equal(load(&f, "title: a\n"), ST_INVAL);
    assert_true(f.problems.items[0].is_error);
    unload(&f);
    assert_int_equal(load(&f, "- [\n"), ST_INVAL);
    unload(&f);
    assert_int_equal(load(&f, "# nothing yet\n"), ST_OK);
    assert_int_equal(f.prompts.n, 0);
    unload(&f);
    assert_int_equal(prompts_load("/nowhere.yml", &f.prompts, &f.problems), ST_NOT_FOUND);
    assert_int_equal(prompts_load("", &f.prompts, &f.problems), ST_NOT_FOUND);
    assert_int_equal(f.problems.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms_are_read_and_the_title_gets_its_hash),
        cmocka_unit_test(unusable_entries_are_left_out_with_a_warning),
        cmocka_unit_test(what_is_no_list_is_an_error_and_no_file_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
