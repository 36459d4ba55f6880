#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "net/sse.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Events written down as "type|data;" so that whole streams compare as text. */
struct notes {
    struct buf text;
    int stop_at; /* the number of the event that answers ST_CANCELLED; 0: none */
    int n_events;
};

static enum status note_event(const struct sse_event *event, void *arg)
{
    struct notes *notes = arg;
    (void)buf_add_str(&notes->text, event->type);
    (void)buf_putc(&notes->text, '|');
    (void)buf_add_str(&notes->text, event->data);
    (void)buf_putc(&notes->text, ';');
    return ++notes->n_events == notes->stop_at ? ST_CANCELLED : ST_OK;
}

static enum status run(struct str stream, size_t step, size_t max_bytes, struct notes *notes)
{
    struct sse sse;
    sse_init(&sse, max_bytes, note_event, notes);
    enum status status = ST_OK;
    for (size_t at = 0; at < stream.n && status == ST_OK; at += step)
        status = sse_feed(&sse, str_sub(stream, at, step));
    if (status == ST_OK)
        status = sse_finish(&sse);
    sse_done(&sse);
    return status;
}

static void expect_cut_anywhere(struct str stream, struct str want)
{
    for (size_t step = 1; step <= stream.n + 1; step++) {
        struct notes notes = {.text = BUF_INIT(4096)};
        assert_int_equal(run(stream, step, 4096, &notes), ST_OK);
        assert_string_equal(buf_cstr(&notes.text), want.p);
        buf_done(&notes.text);
    }
}

static void finds_the_same_events_however_the_bytes_are_cut(void **state)
{
    static const struct {
        struct str stream;
        struct str want;
    } cases[] = {
        {STR_LIT("data: a\n\n"), STR_LIT("message|a;")},
        {STR_LIT("data: a\r\n\r\ndata: b\r\rdata: c\n\n"),
         STR_LIT("message|a;message|b;message|c;")},
        {STR_LIT("data: a\r\ndata: b\rdata: c\n\r\n"), STR_LIT("message|a\nb\nc;")},
        {STR_LIT("\xEF\xBB\xBF"
                 "data: a\n\n"),
         STR_LIT("message|a;")},
        {STR_LIT("\xEF\xBB"
                 "data: lost\ndata: a\n\n"),
         STR_LIT("message|a;")},
        {STR_LIT("\xEF\xBB\xBF\xEF\xBB\xBF"
                 "data: lost\n\ndata: a\n\n"),
         STR_LIT("message|a;")},
        {STR_LIT("data: a\n\n\xEF\xBB\xBF"
                 "data: lost\n\n"),
         STR_LIT("message|a;")},
        {STR_LIT(": keep-alive\n\n:\n\ndata: a\n:x\ndata: b\n\n"), STR_LIT("message|a\nb;")},
        {STR_LIT("event: ping\ndata: {}\n\ndata: x\n\n"), STR_LIT("ping|{};message|x;")},
        {STR_LIT("event: ping\nevent: pong\ndata\n\n"), STR_LIT("pong|;")},
        {STR_LIT("event: ping\nevent:\ndata: a\n\n"), STR_LIT("message|a;")},
        {STR_LIT("event: lost\n\ndata: a\n\n"), STR_LIT("message|a;")},
        {STR_LIT("data:a\ndata:  b\ndata:\n\n"), STR_LIT("message|a\n b\n;")},
        {STR_LIT("data:\n\n"), STR_LIT("message|;")},
        {STR_LIT("data\ndata\n\n"), STR_LIT("message|\n;")},
        {STR_LIT("data: a:b: c\n\n"), STR_LIT("message|a:b: c;")},
        {STR_LIT("id: 7\nretry: 10\nDATA: x\ndatas: x\n data: x\nnonsense\ndata: a\n\n"),
         STR_LIT("message|a;")},
        {STR_LIT("\n\n\r\n\rdata: a\n\n\n\n"), STR_LIT("message|a;")},
        {STR_LIT("data: 你好\ndata: 😀\n\n"), STR_LIT("message|你好\n😀;")},
        {STR_LIT("data: open line"), STR_LIT("message|open line;")},
        {STR_LIT("data: no blank line\n"), STR_LIT("message|no blank line;")},
        {STR_LIT("data: no blank line\r"), STR_LIT("message|no blank line;")},
        {STR_LIT("data: a\n\ndata: [DONE]"), STR_LIT("message|a;message|[DONE];")},
        {STR_LIT("event: nothing\n: to tell"), STR_LIT("")},
        {STR_LIT("\xEF\xBB"), STR_LIT("")},
        {STR_LIT(""), STR_LIT("")},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_cut_anywhere(cases[i].stream, cases[i].want);
}

static void keeps_nul_bytes_in_data(void **state)
{
    struct notes notes = {.text = BUF_INIT(64)};
    assert_int_equal(run(STR_LIT("data: a\0b\n\n"), 3, 64, &notes), ST_OK);
    assert_true(str_eq(buf_str(&notes.text), STR_LIT("message|a\0b;")));
    buf_done(&notes.text);
}

static void bounds_lines_and_events(void **state)
{
    static const struct {
        struct str stream;
        enum status want;
    } cases[] = {
        {STR_LIT("data: 7890123456\n\n"), ST_OK},
        {STR_LIT("data: 78901234567\n\n"), ST_TOO_LARGE},
        {STR_LIT("data: 78901234567"), ST_TOO_LARGE},
        {STR_LIT(": a comment is a line"), ST_TOO_LARGE},
        {STR_LIT("data: 1234567890\ndata: 2345\n\n"), ST_OK},
        {STR_LIT("data: 1234567890\ndata: 23456\n\n"), ST_OK},
        {STR_LIT("data: 1234567890\ndata: 234567\n\n"), ST_TOO_LARGE},
        {STR_LIT("data: 1234567890\n\ndata: 234567\n\n"), ST_OK},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t step = 1; step <= cases[i].stream.n; step++) {
            struct notes notes = {.text = BUF_INIT(4096)};
            assert_int_equal(run(cases[i].stream, step, 16, &notes), cases[i].want);
            buf_done(&notes.text);
        }
    }
}

static void stops_at_the_event_that_the_receiver_refuses(void **state)
{
    for (size_t step = 1; step <= 30; step++) {
        struct notes notes = {.text = BUF_INIT(4096), .stop_at = 2};
        assert_int_equal(run(STR_LIT("data: a\n\ndata: b\n\ndata: c\n\n"), step, 64, &notes),
                         ST_CANCELLED);
        assert_string_equal(buf_cstr(&notes.text), "message|a;message|b;");
        buf_done(&notes.text);
    }
    struct notes notes = {.text = BUF_INIT(4096), .stop_at = 1};
    assert_int_equal(run(STR_LIT("data: at the end"), 64, 64, &notes), ST_CANCELLED);
    buf_done(&notes.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_same_events_however_the_bytes_are_cut),
        cmocka_unit_test(keeps_nul_bytes_in_data),
        cmocka_unit_test(bounds_lines_and_events),
        cmocka_unit_test(stops_at_the_event_that_the_receiver_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
