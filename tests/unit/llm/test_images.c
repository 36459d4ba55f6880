#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask_fixture.h"
#include "util/crypto.h"
#include "util/json.h"
#include "util/mem.h"

#define PNG "\x89PNG\r\n\x1a\n....IHDR"
#define B64_ANSWER \
    HEAD_JSON "{\"created\":1,\"data\":[{\"b64_json\":\"iVBORw0KGgouLi4uSUhEUg==\"}]}"
#define FORMAT_REFUSED                                                                     \
    REFUSAL("400 Bad", "",                                                                 \
            "{\"error\":{\"message\":\"Unknown parameter: 'response_format'.\",\"param\":" \
            "\"response_format\",\"code\":\"unknown_parameter\"}}")

/* One drawing and what came of it. */
struct drawing {
    uint64_t id;
    bool has_started;
    int n_done;
    enum llm_failure failure;
    struct error error;
    int tries;
    struct buf bytes;
    char content_type[32], extension[8], request_id[64], model[64];
};

static void on_image(uint64_t id, const struct llm_image *image, void *arg)
{
    struct drawing *drawing = arg;
    assert_true(drawing->has_started);
    assert_int_equal(id, drawing->id);
    drawing->n_done++;
    drawing->failure = image->outcome.failure;
    drawing->error = image->outcome.error;
    drawing->tries = image->outcome.tries;
    assert_int_equal(buf_add_str(&drawing->bytes, image->bytes), ST_OK);
    (void)snprintf(drawing->content_type, sizeof(drawing->content_type), "%s", image->content_type);
    (void)snprintf(drawing->extension, sizeof(drawing->extension), "%s", image->extension);
    (void)snprintf(drawing->request_id, sizeof(drawing->request_id), "%s",
                   image->outcome.peer_request_id);
    (void)snprintf(drawing->model, sizeof(drawing->model), "%s", image->model);
}

static void drawing_start(struct drawing *drawing, struct ask_fixture *fixture, const char *prompt)
{
    drawing->bytes = BUF_INIT(1024 * 1024);
    drawing->id = llm_draw(fixture->llm, prompt, on_image, drawing);
    drawing->has_started = true;
}

static bool is_drawn(void *arg)
{
    return ((struct drawing *)arg)->n_done > 0;
}

/* A whole life: its script, one drawing, the end. */
static void draw(struct drawing *drawing, const struct reply *replies, const char *model)
{
    struct ask_fixture fixture;
    ask_fixture_begin(&fixture, replies);
    fixture.settings.image_model = model;
    ask_fixture_open(&fixture);
    drawing_start(drawing, &fixture, "a red panda");
    run_until(&fixture, is_drawn, drawing);
    run_for_ms(&fixture, 5);
    assert_int_equal(drawing->n_done, 1);
    assert_int_equal(map_count(fixture.endpoint->exchanges), 0);
    ask_fixture_end(&fixture);
}

static void drawing_done(struct drawing *drawing)
{
    buf_done(&drawing->bytes);
    *drawing = (struct drawing){0};
}

static void the_request_names_model_and_prompt(void **state)
{
    static const struct {
        const char *model;
        bool has_format;
    } models[] = {
        {"dall-e-3", true},
        {"gpt-image-2", false},
        {"chatgpt-image-latest", false},
        {"openai/gpt-image-2", false},
        {"seedream-4", true},
    };
    for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        static const struct reply replies[] = {{B64_ANSWER}, {0}};
        struct ask_fixture fixture;
        struct drawing drawing = {0};
        ask_fixture_begin(&fixture, replies);
        fixture.settings.image_model = models[i].model;
        ask_fixture_open(&fixture);
        drawing_start(&drawing, &fixture, "一只\"熊猫\"\n");
        run_until(&fixture, is_drawn, &drawing);
        DB_CLEANUP(free_charp) char *log = scripted_server_log(fixture.server);
        assert_non_null(strstr(log, "POST /v1/images/generations HTTP/1.1\r\n"));
        assert_non_null(strstr(log, "Authorization: Bearer sk-test-0123456789\r\n"));
        DB_CLEANUP(json_unref) json_t *body = ask_fixture_body(&fixture, 1);
        assert_true(str_eq(json_str(body, "model"), str_of(models[i].model)));
        assert_true(str_eq(json_str(body, "prompt"), STR_LIT("一只\"熊猫\"\n")));
        assert_int_equal(json_i64(body, "n", 0), 1);
        assert_int_equal(str_eq(json_str(body, "response_format"), STR_LIT("b64_json")),
                         models[i].has_format);
        assert_int_equal(json_object_size(body), models[i].has_format ? 4 : 3);
        assert_string_equal(drawing.model, models[i].model);
        drawing_done(&drawing);
        ask_fixture_end(&fixture);
    }
}

static void images_are_recognised_by_their_content(void **state)
{
    static const struct {
        struct str bytes;
        const char *content_type; /* NULL: none of them */
        const char *extension;
    } kinds[] = {
        {STR_LIT(PNG), "image/png", "png"},
        {STR_LIT("\xff\xd8\xff\xe0\0\x10JFIF"), "image/jpeg", "jpg"},
        {STR_LIT("GIF87a\1\0"), "image/gif", "gif"},
        {STR_LIT("GIF89a\1\0"), "image/gif", "gif"},
        {STR_LIT("RIFF\x24\0\0\0WEBPVP8 "), "image/webp", "webp"},
        {STR_LIT("RIFF\x24\0\0\0WAVEfmt "), NULL, NULL},
        {STR_LIT("RIFF\x24\0\0\0"), NULL, NULL},
        {STR_LIT("\x89PNG\r\n"), NULL, NULL},
        {STR_LIT("<svg xmlns='http://www.w3.org/2000/svg'/>"), NULL, NULL},
        {STR_LIT("x"), NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct buf answer = BUF_INIT(4096);
        (void)buf_puts(&answer, HEAD_JSON "{\"data\":[{\"b64_json\":\"");
        assert_int_equal(base64_encode(kinds[i].bytes, &answer), ST_OK);
        assert_int_equal(buf_puts(&answer, "\",\"url\":null}]}"), ST_OK);
        const struct reply replies[] = {{buf_cstr(&answer)}, {0}};
        struct drawing drawing = {0};
        draw(&drawing, replies, "m");
        assert_int_equal(drawing.failure, kinds[i].content_type ? LLM_OK : LLM_FAIL_GARBLED);
        assert_string_equal(drawing.content_type,
                            kinds[i].content_type ? kinds[i].content_type : "");
        assert_string_equal(drawing.extension, kinds[i].extension ? kinds[i].extension : "");
        if (kinds[i].content_type)
            assert_true(str_eq(buf_str(&drawing.bytes), kinds[i].bytes));
        assert_int_equal(drawing.tries, 1);
        drawing_done(&drawing);
        buf_done(&answer);
    }
}

/* The answer's JSON, what follows, and what comes of it. */
static void every_form_of_an_answer_is_read(void **state)
{
    static const struct {
        const char *json;
        enum llm_failure failure;
    } forms[] = {
        {"{\"data\":[{\"b64_json\":\"iVBORw0KGgouLi4u\\nSUhEUg\"}]}", LLM_OK},
        {"{\"data\":[{\"url\":\"data:image/png;base64,iVBORw0KGgouLi4uSUhEUg==\"}]}", LLM_OK},
        {"{\"data\":[{\"b64_json\":\"data:image/png;base64,iVBORw0KGgouLi4uSUhEUg==\"}]}", LLM_OK},
        {"{\"images\":[{\"url\":\"DATA:image/png;base64,iVBORw0KGgouLi4uSUhEUg==\"}],\"seed\":7}",
         LLM_OK},
        {"{\"data\":[],\"images\":[{\"b64_json\":\"iVBORw0KGgouLi4uSUhEUg==\"}]}", LLM_OK},
        {"{\"data\":[{\"b64_json\":\"iVBORw0KGgouLi4uSUhEUg==\"},{\"b64_json\":\"%%\"}]}", LLM_OK},
        {"{\"data\":[{\"b64_json\":\"%%%\"}]}", LLM_FAIL_GARBLED},
        {"{\"data\":[{\"url\":\"data:image/png;base64\"}]}", LLM_FAIL_GARBLED},
        {"{\"data\":[{\"url\":\"file:///etc/passwd\"}]}", LLM_FAIL_GARBLED},
        {"{\"data\":[{\"url\":\"ftp://127.0.0.1/x\"}]}", LLM_FAIL_GARBLED},
        {"{\"data\":[{\"url\":\"/files/x.png\"}]}", LLM_FAIL_GARBLED},
        {"{\"data\":[{}]}", LLM_FAIL_EMPTY},
        {"{\"data\":[]}", LLM_FAIL_EMPTY},
        {"{\"data\":{\"b64_json\":7}}", LLM_FAIL_EMPTY},
        {"{\"created\":1}", LLM_FAIL_EMPTY},
        {"[]", LLM_FAIL_EMPTY},
        {"{\"error\":{\"message\":\"no\",\"code\":\"content_policy_violation\"}}",
         LLM_FAIL_REFUSED},
        {"{\"error\":{\"message\":\"no\",\"code\":\"insufficient_quota\"}}", LLM_FAIL_QUOTA},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        DB_CLEANUP(free_charp) char *text = xasprintf("%s%s", HEAD_JSON, forms[i].json);
        const struct reply replies[] = {{text}, {0}};
        struct drawing drawing = {0};
        print_message("%s\n", forms[i].json);
        draw(&drawing, replies, "m");
        assert_int_equal(drawing.failure, forms[i].failure);
        if (forms[i].failure == LLM_OK)
            assert_true(str_eq(buf_str(&drawing.bytes), STR_LIT(PNG)));
        else
            assert_int_equal(drawing.bytes.len, 0);
        assert_int_equal(drawing.tries, 1);
        drawing_done(&drawing);
    }
}

/* The first answer links to the server itself; `download` is what the link gives. */
static void draw_from_link(struct drawing *drawing, const struct reply *downloads, size_t n,
                           char **ret_log)
{
    struct ask_fixture fixture;
    struct reply replies[5] = {{0}};
    ask_fixture_begin(&fixture, replies);
    DB_CLEANUP(free_charp)
    char *answer =
        xasprintf("%s{\"data\":[{\"url\":\"http://127.0.0.1:%d/files/x?sig=secret-sig\"}]}",
                  HEAD_JSON, scripted_server_port(fixture.server));
    replies[0].text = answer;
    memcpy(&replies[1], downloads, n * sizeof(*downloads));
    fixture.settings.image_model = "m";
    ask_fixture_open(&fixture);
    drawing_start(drawing, &fixture, "x");
    run_until(&fixture, is_drawn, drawing);
    *ret_log = scripted_server_log(fixture.server);
    ask_fixture_end(&fixture);
}

#define HEAD_FILE "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"

static void a_link_is_followed_without_the_key(void **state)
{
    static const struct reply downloads[] = {{HEAD_FILE PNG}};
    struct drawing drawing = {0};
    DB_CLEANUP(free_charp) char *log = NULL;
    draw_from_link(&drawing, downloads, 1, &log);
    assert_int_equal(drawing.failure, LLM_OK);
    assert_string_equal(drawing.content_type, "image/png");
    assert_true(str_eq(buf_str(&drawing.bytes), STR_LIT(PNG)));
    const char *download = strstr(log, "GET /files/x?sig=secret-sig HTTP/1.1\r\n");
    assert_non_null(download);
    assert_null(strstr(download, "Authorization"));
    drawing_done(&drawing);
}

static void a_link_that_fails_is_not_blamed_on_the_key_or_the_model(void **state)
{
    static const struct {
        struct reply downloads[4];
        size_t n;
        enum llm_failure failure;
        int n_downloads;
    } links[] = {
        {{{REFUSAL("401 No", "", "")}}, 1, LLM_FAIL_GARBLED, 1},
        {{{REFUSAL("403 Expired", "", "<Error>sk-abcdefghijklmnop</Error>")}},
         1,
         LLM_FAIL_GARBLED,
         1},
        {{{REFUSAL("404 Gone", "", "")}}, 1, LLM_FAIL_GARBLED, 1},
        {{{REFUSAL("302 Found", "Location: /y\r\n", "")}}, 1, LLM_FAIL_GARBLED, 1},
        {{{HEAD_FILE "<html>"}}, 1, LLM_FAIL_GARBLED, 1},
        {{{REFUSAL("503 Busy", "", "")}}, 1, LLM_FAIL_BUSY, 3},
        {{{REFUSAL("503 Busy", "", "")}, {HEAD_FILE PNG}}, 2, LLM_OK, 2},
        {{{"", 0, REPLY_RESET}, {HEAD_FILE PNG}}, 2, LLM_OK, 2},
        {{{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n\x89PNG"}, {HEAD_FILE PNG}},
         2,
         LLM_OK,
         2},
    };
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        struct drawing drawing = {0};
        DB_CLEANUP(free_charp) char *log = NULL;
        draw_from_link(&drawing, links[i].downloads, links[i].n, &log);
        print_message("%d: %s\n", (int)i, drawing.error.text);
        assert_int_equal(drawing.failure, links[i].failure);
        assert_null(strstr(drawing.error.text, "sk-"));
        assert_null(strstr(drawing.error.text, "secret-sig"));
        assert_int_equal(ask_fixture_requests(), 1 + links[i].n_downloads);
        drawing_done(&drawing);
    }
}

static void too_large_is_told_however_it_comes(void **state)
{
    struct buf file = BUF_INIT(64 * 1024), answer = BUF_INIT(64 * 1024);
    (void)buf_puts(&file, HEAD_FILE PNG);
    while (file.len < 2000)
        (void)buf_putc(&file, 'x');
    const struct reply downloads[] = {{buf_cstr(&file), file.len, REPLY_CLOSE}};
    struct drawing drawing = {0};
    DB_CLEANUP(free_charp) char *log = NULL;
    draw_from_link(&drawing, downloads, 1, &log);
    assert_int_equal(drawing.failure, LLM_FAIL_TOO_LARGE);
    assert_int_equal(drawing.bytes.len, 0);
    drawing_done(&drawing);

    (void)buf_puts(&answer, HEAD_JSON "{\"data\":[{\"b64_json\":\"");
    assert_int_equal(base64_encode(buf_str(&file), &answer), ST_OK);
    assert_int_equal(buf_puts(&answer, "\"}]}"), ST_OK);
    const struct reply replies[] = {{buf_cstr(&answer), answer.len, REPLY_CLOSE}, {0}};
    draw(&drawing, replies, "m");
    assert_int_equal(drawing.failure, LLM_FAIL_TOO_LARGE);
    assert_int_equal(drawing.tries, 1);
    drawing_done(&drawing);
    buf_done(&file);
    buf_done(&answer);
}

static void a_document_without_end_is_cut_off(void **state)
{
    struct buf answer = BUF_INIT((size_t)8 * 1024 * 1024);
    (void)buf_puts(&answer, HEAD_JSON "{\"data\":[");
    while (answer.len < (size_t)2 * 1024 * 1024)
        (void)buf_puts(&answer, "0,0,0,0,0,0,0,0,");
    const struct reply replies[] = {{buf_cstr(&answer), answer.len, REPLY_CLOSE}, {0}};
    struct drawing drawing = {0};
    draw(&drawing, replies, "m");
    assert_int_equal(drawing.failure, LLM_FAIL_TOO_LARGE);
    drawing_done(&drawing);
    buf_done(&answer);
}

static void refused_response_format_is_left_out_and_stays_out(void **state)
{
    static const struct reply replies[] = {{FORMAT_REFUSED}, {B64_ANSWER}, {0}};
    struct ask_fixture fixture;
    ask_fixture_begin(&fixture, replies);
    fixture.settings.image_model = "m";
    ask_fixture_open(&fixture);
    for (int i = 0; i < 2; i++) {
        struct drawing drawing = {0};
        drawing_start(&drawing, &fixture, "x");
        run_until(&fixture, is_drawn, &drawing);
        assert_int_equal(drawing.failure, LLM_OK);
        assert_int_equal(drawing.tries, i == 0 ? 2 : 1);
        drawing_done(&drawing);
    }
    for (int i = 1; i <= 3; i++) {
        DB_CLEANUP(json_unref) json_t *body = ask_fixture_body(&fixture, i);
        assert_int_equal(json_object_get(body, "response_format") != NULL, i == 1);
    }
    ask_fixture_end(&fixture);
}

static void a_refusal_that_stays_is_told_after_one_repair(void **state)
{
    static const struct reply replies[] = {{FORMAT_REFUSED}, {0}};
    struct drawing drawing = {0};
    draw(&drawing, replies, "m");
    assert_int_equal(drawing.failure, LLM_FAIL_REQUEST);
    assert_int_equal(drawing.tries, 2);
    drawing_done(&drawing);
    draw(&drawing, replies, "gpt-image-2"); /* did not send it in the first place */
    assert_int_equal(drawing.failure, LLM_FAIL_REQUEST);
    assert_int_equal(drawing.tries, 1);
    drawing_done(&drawing);
}

static void what_may_pass_is_tried_again_and_what_will_not_is_told(void **state)
{
    static const struct {
        struct reply replies[3];
        enum llm_failure failure;
        int tries;
    } answers[] = {
        {{{REFUSAL("429 Slow", "", "{}")}, {B64_ANSWER}}, LLM_OK, 2},
        {{{REFUSAL("500 Oops", "", "{}")}, {"", 0, REPLY_RESET}, {B64_ANSWER}}, LLM_OK, 3},
        {{{HEAD_JSON "<html>"}, {B64_ANSWER}}, LLM_OK, 2},
        {{{HEAD_JSON "{\"error\":{\"message\":\"busy\",\"code\":503}}"}, {B64_ANSWER}}, LLM_OK, 2},
        {{{HEAD_JSON "<html>"}}, LLM_FAIL_GARBLED, 3},
        {{{REFUSAL("502 Oops", "", "{}")}}, LLM_FAIL_BUSY, 3},
        {{{REFUSAL("429 Slow", "Retry-After: 3600\r\n", "{}")}}, LLM_FAIL_RATE, 1},
        {{{REFUSAL("429 No", "", "{\"error\":{\"code\":\"insufficient_quota\"}}")}},
         LLM_FAIL_QUOTA,
         1},
        {{{REFUSAL("401 No", "", "{}")}}, LLM_FAIL_AUTH, 1},
        {{{REFUSAL("404 No", "", "{}")}}, LLM_FAIL_MODEL, 1},
        {{{REFUSAL("400 No", "", "{\"error\":{\"code\":\"moderation_blocked\"}}")}},
         LLM_FAIL_REFUSED,
         1},
    };
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct drawing drawing = {0};
        const struct reply replies[] = {
            answers[i].replies[0], answers[i].replies[1], answers[i].replies[2], {0}};
        draw(&drawing, replies, "m");
        print_message("%d: %s\n", (int)i, drawing.error.text);
        assert_int_equal(drawing.failure, answers[i].failure);
        assert_int_equal(drawing.tries, answers[i].tries);
        drawing_done(&drawing);
    }
}

static void the_peers_request_id_is_told(void **state)
{
    static const struct reply replies[] = {
        {REFUSAL("400 No", "x-request-id: req_7\r\n", "{\"error\":{\"message\":\"no\"}}")}, {0}};
    struct drawing drawing = {0};
    draw(&drawing, replies, "m");
    assert_string_equal(drawing.request_id, "req_7");
    drawing_done(&drawing);
}

static void descriptions_that_cannot_be_sent_are_refused(void **state)
{
    static const struct reply replies[] = {{B64_ANSWER}, {0}};
    struct buf large = BUF_INIT(1024 * 1024);
    while (large.len < (size_t)300 * 1024)
        (void)buf_puts(&large, "panda ");
    const struct {
        const char *prompt;
        enum llm_failure failure;
    } prompts[] = {{"\xff", LLM_FAIL_REQUEST}, {buf_cstr(&large), LLM_FAIL_TOO_LONG}};
    for (size_t i = 0; i < 2; i++) {
        struct ask_fixture fixture;
        struct drawing drawing = {0};
        ask_fixture_begin(&fixture, replies);
        ask_fixture_open(&fixture);
        drawing_start(&drawing, &fixture, prompts[i].prompt);
        run_until(&fixture, is_drawn, &drawing);
        assert_int_equal(drawing.failure, prompts[i].failure);
        assert_int_equal(ask_fixture_requests(), 0);
        drawing_done(&drawing);
        ask_fixture_end(&fixture);
    }
    buf_done(&large);
}

/* Asking that hangs, that drips, and a download that hangs. */
static void one_deadline_stands_over_all_of_it(void **state)
{
    for (int i = 0; i < 4; i++) {
        struct reply replies[3] = {{0}};
        struct ask_fixture fixture;
        struct drawing drawing = {0};
        ask_fixture_begin(&fixture, replies);
        DB_CLEANUP(free_charp)
        char *link = xasprintf("%s{\"data\":[{\"url\":\"http://127.0.0.1:%d/x\"}]}", HEAD_JSON,
                               scripted_server_port(fixture.server));
        replies[0] = (struct reply[]){{"", 0, REPLY_HANG},
                                      {HEAD_JSON, 0, REPLY_DRIP},
                                      {link},
                                      {REFUSAL("503 Busy", "Retry-After: 1\r\n", "{}")}}[i];
        replies[1] = (struct reply){HEAD_FILE, 0, REPLY_DRIP};
        fixture.settings.image_model = "m";
        fixture.settings.image_timeout_ms = 300;
        ask_fixture_open(&fixture);
        int64_t began_ms = loop_now_ms(fixture.loop);
        drawing_start(&drawing, &fixture, "x");
        run_until(&fixture, is_drawn, &drawing);
        int64_t took_ms = loop_now_ms(fixture.loop) - began_ms;
        assert_int_equal(drawing.failure, i == 3 ? LLM_FAIL_BUSY : LLM_FAIL_TIMEOUT);
        assert_true(took_ms < 5000 && (i == 3 || took_ms >= 290));
        assert_int_equal(drawing.tries, 1);
        drawing_done(&drawing);
        ask_fixture_end(&fixture);
    }
}

/* ---- cancelling ---- */

static void expect_silence(struct ask_fixture *fixture, struct drawing *drawing)
{
    int n_requests = ask_fixture_requests();
    llm_cancel(fixture->llm, drawing->id);
    llm_cancel(fixture->llm, drawing->id);
    run_for_ms(fixture, 30);
    assert_int_equal(drawing->n_done, 0);
    assert_int_equal(ask_fixture_requests(), n_requests);
    assert_int_equal(map_count(fixture->endpoint->exchanges), 0);
}

static void cancelling_is_silent_at_once_and_while_asking(void **state)
{
    static const struct reply replies[] = {{"", 0, REPLY_HANG}, {0}};
    for (int n = 0; n < 2; n++) {
        struct ask_fixture fixture;
        struct drawing drawing = {0};
        ask_fixture_begin(&fixture, replies);
        ask_fixture_open(&fixture);
        drawing_start(&drawing, &fixture, "x");
        if (n > 0)
            run_until_requests(&fixture, n);
        llm_cancel(fixture.llm, drawing.id);
        run_for_ms(&fixture, 20);
        assert_int_equal(drawing.n_done, 0);
        assert_int_equal(map_count(fixture.endpoint->exchanges), 0);
        drawing_done(&drawing);
        ask_fixture_end(&fixture);
    }
}

static void cancelling_is_silent_while_fetching(void **state)
{
    struct reply replies[3] = {{0}};
    struct ask_fixture fixture;
    struct drawing drawing = {0};
    ask_fixture_begin(&fixture, replies);
    DB_CLEANUP(free_charp)
    char *link = xasprintf("%s{\"data\":[{\"url\":\"http://127.0.0.1:%d/x\"}]}", HEAD_JSON,
                           scripted_server_port(fixture.server));
    replies[0] = (struct reply){link};
    replies[1] = (struct reply){HEAD_FILE "\x89PNG", 0, REPLY_HANG};
    ask_fixture_open(&fixture);
    drawing_start(&drawing, &fixture, "x");
    run_until_requests(&fixture, 2);
    expect_silence(&fixture, &drawing);
    drawing_done(&drawing);
    ask_fixture_end(&fixture);
}

static void cancelling_is_silent_while_waiting_for_the_next_try(void **state)
{
    static const struct reply replies[] = {{REFUSAL("503 Busy", "Retry-After: 5\r\n", "{}")}, {0}};
    struct ask_fixture fixture;
    struct drawing drawing = {0};
    ask_fixture_begin(&fixture, replies);
    ask_fixture_open(&fixture);
    drawing_start(&drawing, &fixture, "x");
    run_until_requests(&fixture, 1);
    run_for_ms(&fixture, 30);
    expect_silence(&fixture, &drawing);
    drawing_done(&drawing);
    ask_fixture_end(&fixture);
}

static void cancelling_is_silent_when_the_end_is_due(void **state)
{
    static const struct reply replies[] = {{B64_ANSWER}, {0}};
    struct ask_fixture fixture;
    struct drawing drawing = {0};
    ask_fixture_begin(&fixture, replies);
    ask_fixture_open(&fixture);
    drawing_start(&drawing, &fixture, "\xff"); /* refused before anything is sent */
    expect_silence(&fixture, &drawing);
    drawing_done(&drawing);
    ask_fixture_end(&fixture);
}

/* A job that keeps the worker busy until the test lets it go on. */
static void block(void *arg)
{
    pthread_mutex_t *lock = arg;
    pthread_mutex_lock(lock);
    pthread_mutex_unlock(lock);
}

static void unblocked(void *arg)
{
}

static void cancelling_is_silent_while_the_answer_is_read(void **state)
{
    static const struct reply replies[] = {{B64_ANSWER}, {0}};
    for (int is_freed = 0; is_freed < 2; is_freed++) {
        pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
        struct ask_fixture fixture;
        struct drawing drawing = {0};
        ask_fixture_begin(&fixture, replies);
        ask_fixture_open(&fixture);
        pthread_mutex_lock(&lock);
        work_run(fixture.work, block, unblocked, &lock);
        drawing_start(&drawing, &fixture, "x");
        run_until_requests(&fixture, 1);
        run_for_ms(&fixture, 100);
        assert_int_equal(drawing.n_done, 0);
        if (is_freed) {
            llm_free(fixture.llm);
            fixture.llm = NULL;
        } else {
            expect_silence(&fixture, &drawing);
        }
        pthread_mutex_unlock(&lock);
        run_for_ms(&fixture, 30);
        assert_int_equal(drawing.n_done, 0);
        drawing_done(&drawing);
        ask_fixture_end(&fixture);
        pthread_mutex_destroy(&lock);
    }
}

static void the_deadline_stands_over_reading_too(void **state)
{
    static const struct reply replies[] = {{B64_ANSWER}, {0}};
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    struct ask_fixture fixture;
    struct drawing drawing = {0};
    ask_fixture_begin(&fixture, replies);
    fixture.settings.image_timeout_ms = 500;
    ask_fixture_open(&fixture);
    pthread_mutex_lock(&lock);
    work_run(fixture.work, block, unblocked, &lock);
    drawing_start(&drawing, &fixture, "x");
    run_until(&fixture, is_drawn, &drawing);
    pthread_mutex_unlock(&lock);
    assert_int_equal(drawing.failure, LLM_FAIL_TIMEOUT);
    run_for_ms(&fixture, 30);
    assert_int_equal(drawing.n_done, 1);
    drawing_done(&drawing);
    ask_fixture_end(&fixture);
    pthread_mutex_destroy(&lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_names_model_and_prompt),
        cmocka_unit_test(images_are_recognised_by_their_content),
        cmocka_unit_test(every_form_of_an_answer_is_read),
        cmocka_unit_test(a_link_is_followed_without_the_key),
        cmocka_unit_test(a_link_that_fails_is_not_blamed_on_the_key_or_the_model),
        cmocka_unit_test(too_large_is_told_however_it_comes),
        cmocka_unit_test(a_document_without_end_is_cut_off),
        cmocka_unit_test(refused_response_format_is_left_out_and_stays_out),
        cmocka_unit_test(a_refusal_that_stays_is_told_after_one_repair),
        cmocka_unit_test(what_may_pass_is_tried_again_and_what_will_not_is_told),
        cmocka_unit_test(the_peers_request_id_is_told),
        cmocka_unit_test(descriptions_that_cannot_be_sent_are_refused),
        cmocka_unit_test(one_deadline_stands_over_all_of_it),
        cmocka_unit_test(the_deadline_stands_over_reading_too),
        cmocka_unit_test(cancelling_is_silent_at_once_and_while_asking),
        cmocka_unit_test(cancelling_is_silent_while_the_answer_is_read),
        cmocka_unit_test(cancelling_is_silent_while_fetching),
        cmocka_unit_test(cancelling_is_silent_while_waiting_for_the_next_try),
        cmocka_unit_test(cancelling_is_silent_when_the_end_is_due),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
