#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "llm/demo.h"
#include "llm/demo_picture.h"
#include "util/buf.h"

struct trial {
    struct loop *loop;
    struct llm *llm;
    uint64_t id;
    bool has_started;
    bool want_cancel;
    int n_texts, n_done;
    enum llm_failure failure;
    struct buf text;
    size_t n_lines;
};

static void trial_begin(struct trial *trial, bool is_english)
{
    *trial = (struct trial){.text = BUF_INIT(1024 * 1024)};
    assert_int_equal(loop_new(&trial->loop), ST_OK);
    trial->llm = demo_new(trial->loop, is_english, 0);
}

static void trial_end(struct trial *trial)
{
    llm_free(trial->llm);
    loop_free(trial->loop);
    buf_done(&trial->text);
}

static bool is_done(void *arg)
{
    return ((struct trial *)arg)->n_done > 0;
}

static void trial_finish(struct trial *trial)
{
    trial->has_started = true;
    assert_true(loop_run_until(trial->loop, is_done, trial, 20000));
    assert_int_equal(trial->n_done, 1);
    assert_int_equal(trial->failure, LLM_OK);
}

static void on_text(uint64_t id, struct str text, void *arg)
{
    struct trial *trial = arg;
    assert_true(trial->has_started);
    assert_int_equal(id, trial->id);
    assert_true(utf8_is_valid(text));
    trial->n_texts++;
    (void)buf_add_str(&trial->text, text);
    if (trial->want_cancel)
        llm_cancel(trial->llm, id);
}

static void on_done(uint64_t id, const struct llm_answer *answer, void *arg)
{
    struct trial *trial = arg;
    assert_int_equal(id, trial->id);
    assert_string_equal(answer->model, trial->llm->model);
    trial->failure = answer->outcome.failure;
    trial->n_done++;
}

static const struct llm_ask_handlers handlers = {.on_text = on_text, .on_done = on_done};

static void ask(struct trial *trial, size_t n_before, const char *question)
{
    struct llm_message messages[4] = {
        {LLM_USER, "一"}, {LLM_ASSISTANT, "二"}, {LLM_USER, "三"}, {LLM_ASSISTANT, "四"}};
    messages[n_before] = (struct llm_message){LLM_USER, question};
    trial->id = llm_ask(trial->llm, NULL, messages, n_before + 1, &handlers, trial);
}

static void an_answer_says_that_it_is_a_demo_and_echoes_the_question(void **state)
{
    static const char *const marks[] = {"【演示模式】", "[demo mode]"};
    for (int language = 0; language < 2; language++) {
        struct trial trial;
        trial_begin(&trial, language == 1);
        ask(&trial, 0, "first line\n第二行");
        trial_finish(&trial);
        const char *text = buf_cstr(&trial.text);
        assert_non_null(strstr(text, marks[language]));
        assert_non_null(strstr(text, "> first line\n> 第二行\n"));
        assert_non_null(strstr(text, "```yaml\n"));
        assert_non_null(strstr(text, "api_key"));
        assert_non_null(strstr(text, "\n- "));
        assert_true(trial.n_texts > 10);
        trial_end(&trial);
    }
}

static void an_answer_counts_the_earlier_messages(void **state)
{
    struct trial trial;
    trial_begin(&trial, false);
    ask(&trial, 2, "问");
    trial_finish(&trial);
    assert_non_null(strstr(buf_cstr(&trial.text), "**2**"));
    trial_end(&trial);
}

static void a_long_question_is_echoed_in_part(void **state)
{
    struct trial trial;
    struct buf question = BUF_INIT(100000);
    for (int i = 0; i < 10000; i++)
        (void)buf_puts(&question, "长");
    trial_begin(&trial, false);
    ask(&trial, 0, buf_cstr(&question));
    trial_finish(&trial);
    assert_true(trial.text.len < 5000);
    assert_non_null(strstr(buf_cstr(&trial.text), " …\n"));
    buf_done(&question);
    trial_end(&trial);
}

static void on_image(uint64_t id, const struct llm_image *image, void *arg)
{
    struct trial *trial = arg;
    assert_string_equal(image->content_type, "image/png");
    assert_string_equal(image->extension, "png");
    (void)buf_add_str(&trial->text, image->bytes);
    trial->failure = image->outcome.failure;
    trial->n_done++;
}

static uint32_t u32_at(struct str bytes, size_t at)
{
    const unsigned char *p = (const unsigned char *)bytes.p + at;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void a_picture_is_a_png(void **state)
{
    struct trial trial;
    trial_begin(&trial, false);
    trial.id = llm_draw(trial.llm, "a cat", on_image, &trial);
    trial_finish(&trial);
    struct str png = buf_str(&trial.text);
    assert_true(str_starts(png, (struct str){"\x89PNG\r\n\x1a\n", 8}));
    assert_true(png.n <= DEMO_PICTURE_BYTES_MAX);

    static const struct {
        const char *type;
        uint32_t size;
    } chunks[] = {{"IHDR", 13}, {"IDAT", 64 * 193 + 11}, {"IEND", 0}};
    size_t at = 8;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(u32_at(png, at), chunks[i].size);
        assert_memory_equal(png.p + at + 4, chunks[i].type, 4);
        at += 12 + chunks[i].size;
    }
    assert_int_equal(at, png.n);
    assert_int_equal(u32_at(png, 16), 64);
    assert_int_equal(u32_at(png, png.n - 4), 0xAE426082); /* of every IEND */
    trial_end(&trial);
}

static void on_balance(uint64_t id, const struct llm_balance *balance, void *arg)
{
    struct trial *trial = arg;
    assert_int_equal(balance->n_lines, 1);
    (void)buf_puts(&trial->text, balance->provider);
    trial->failure = balance->outcome.failure;
    trial->n_done++;
}

static void a_balance_is_marked(void **state)
{
    struct trial trial;
    trial_begin(&trial, false);
    trial.id = llm_balance(trial.llm, on_balance, &trial);
    trial_finish(&trial);
    assert_non_null(strstr(buf_cstr(&trial.text), "演示"));
    trial_end(&trial);
}

static void on_check(uint64_t id, const struct llm_check *check, void *arg)
{
    struct trial *trial = arg;
    assert_true(check->has_model_list && check->is_model_known);
    trial->failure = check->outcome.failure;
    trial->n_done++;
}

static void a_check_finds_the_model(void **state)
{
    struct trial trial;
    trial_begin(&trial, false);
    trial.id = llm_check(trial.llm, on_check, &trial);
    trial_finish(&trial);
    trial_end(&trial);
}

static void cancelling_is_silent(void **state)
{
    struct trial trial;
    trial_begin(&trial, false);
    ask(&trial, 0, "at once");
    llm_cancel(trial.llm, trial.id);
    trial.id = llm_draw(trial.llm, "x", on_image, &trial);
    llm_cancel(trial.llm, trial.id);
    trial.want_cancel = true;
    trial.has_started = true;
    ask(&trial, 0, "from inside the text");
    assert_false(loop_run_until(trial.loop, is_done, &trial, 30));
    assert_int_equal(trial.n_texts, 1);
    ask(&trial, 0, "by freeing");
    trial_end(&trial);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_says_that_it_is_a_demo_and_echoes_the_question),
        cmocka_unit_test(an_answer_counts_the_earlier_messages),
        cmocka_unit_test(a_long_question_is_echoed_in_part),
        cmocka_unit_test(a_picture_is_a_png),
        cmocka_unit_test(a_balance_is_marked),
        cmocka_unit_test(a_check_finds_the_model),
        cmocka_unit_test(cancelling_is_silent),
    };
    return cmocka_run_group_tests_name("demo", tests, NULL, NULL);
}
