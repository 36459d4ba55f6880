#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "webhook_fixture.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HOUR_MS (60 * 60 * 1000)

static void drop_sink(struct fixture *f)
{
    f->sink->ops->free(f->sink);
    f->sink = NULL;
}

static struct buf long_text(void)
{
    struct buf text = BUF_INIT(1 << 20);
    for (int i = 0; i < 3000; i++)
        buf_puts(&text, "a paragraph of some words\n\n");
    return text;
}

static void calls_no_host_that_is_not_allowed(void **state)
{
    static const char *const urls[] = {
        "http://evil.example/",
        "http://127.0.0.1@evil.example/",
        "http://user@127.0.0.1/",
        "http://127.0.0.1.evil.example/",
        "ftp://127.0.0.1/",
        "http://127.0.0.1\\@evil.example/",
        "http://localhost/",
        "file:///etc/passwd",
        "",
        "not a url",
    };
    for (size_t i = 0; i < COUNT(urls); i++) {
        struct fixture *f = fixture_new(NULL, 0, NULL);
        struct message message = fixture_message(f);
        message.reply_to = urls[i];
        struct reply reply = {.markdown = STR_LIT("hello")};
        fixture_start(f, &message, &reply);
        fixture_run(f);
        assert_int_equal(f->outcome.status, ST_DENIED);
        assert_int_equal(f->outcome.parts_sent, 0);
        assert_int_equal(f->outcome.parts_total, 1);
        assert_int_equal(fixture_n_bodies(), 0);
        fixture_free(f);
    }
}

static void gives_up_when_nobody_listens(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound and not listening: refused */
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(address.sin_port));

    struct fixture *f = fixture_new(NULL, 0, NULL);
    struct message message = fixture_message(f);
    message.reply_to = url;
    struct reply reply = {.markdown = STR_LIT("hello")};
    fixture_start(f, &message, &reply);
    fixture_run(f);
    assert_int_equal(f->outcome.status, ST_NET);
    fixture_free(f);
    (void)close(fd);
}

static void waits_for_go_on_before_the_next_part(void **state)
{
    struct buf text = long_text();
    struct fixture *f = fixture_new(NULL, 0, NULL);
    f->is_held = true;
    struct message message = fixture_message(f);
    struct reply reply = {.markdown = buf_str(&text)};
    fixture_start(f, &message, &reply);
    f->sink->ops->go_on(f->sink); /* nobody asked: changes nothing */
    size_t n = 1;
    while (f->n_done == 0) {
        fixture_run_to(f, n);
        while (f->n_done == 0 && f->n_parts < (int)n)
            fixture_settle(f);
        fixture_settle(f);
        assert_int_equal(fixture_n_bodies(), n);
        if (f->n_done > 0)
            break;
        n++;
        f->sink->ops->go_on(f->sink);
    }
    assert_true(n > 3);
    assert_int_equal(f->outcome.parts_sent, n);
    fixture_free(f);
    buf_done(&text);
}

static void counts_what_was_sent_before_a_failure(void **state)
{
    const struct answer answers[] = {{0, "0"}, {0, "0"}, {0, "300001"}};
    struct buf text = long_text();
    struct fixture *f = fixture_new(answers, COUNT(answers), NULL);
    struct message message = fixture_message(f);
    struct reply reply = {.markdown = buf_str(&text)};
    fixture_start(f, &message, &reply);
    fixture_run(f);
    assert_int_equal(f->outcome.status, ST_NOT_FOUND);
    assert_int_equal(f->outcome.parts_sent, 2);
    assert_true(f->outcome.parts_total > 3);
    fixture_free(f);
    buf_done(&text);
}

static void can_be_freed_before_anything_happened(void **state)
{
    struct fixture *f = fixture_new(NULL, 0, NULL);
    struct message message = fixture_message(f);
    const struct sink_handlers none = {0};
    struct sink *sink = f->platform->ops->open_sink(f->platform, &message, &none, NULL);
    sink->ops->begin(sink);
    sink->ops->free(sink);
    fixture_free(f);
}

static void can_be_freed_while_sending(void **state)
{
    const struct answer answer = {HANG, NULL};
    for (int has_run = 0; has_run < 2; has_run++) {
        struct fixture *f = fixture_new(&answer, 1, NULL);
        struct message message = fixture_message(f);
        struct reply reply = {.markdown = STR_LIT("hello")};
        fixture_start(f, &message, &reply);
        if (has_run)
            fixture_run_to(f, 1);
        drop_sink(f);
        fixture_settle(f);
        assert_int_equal(f->n_done, 0);
        fixture_free(f);
    }
}

static void can_be_freed_while_waiting_for_a_repeat(void **state)
{
    static const struct answer answers[] = {{0, "-1"}, {0, "130101"}, {CUT, NULL}};
    for (size_t i = 0; i < COUNT(answers); i++) {
        struct webhook_settings settings = WEBHOOK_SETTINGS_DEFAULT;
        settings.busy_delay_ms = settings.throttle_delay_ms = HOUR_MS;
        struct fixture *f = fixture_new(&answers[i], 1, &settings);
        struct message message = fixture_message(f);
        struct reply reply = {.markdown = STR_LIT("hello")};
        fixture_start(f, &message, &reply);
        fixture_run_to(f, 1);
        fixture_settle(f);
        drop_sink(f);
        fixture_settle(f);
        assert_int_equal(f->n_done, 0);
        assert_int_equal(fixture_n_bodies(), 1);
        fixture_free(f);
    }
}

static void can_be_freed_between_parts_and_pieces(void **state)
{
    static const struct answer answers[][2] = {{{0, "0"}, {HANG, NULL}},
                                               {{0, "460101"}, {HANG, NULL}}};
    struct buf text = long_text();
    for (size_t i = 0; i < COUNT(answers); i++) {
        struct fixture *f = fixture_new(answers[i], 2, NULL);
        f->is_held = true;
        struct message message = fixture_message(f);
        struct reply reply = {.markdown = buf_str(&text)};
        fixture_start(f, &message, &reply);
        fixture_run_to(f, i + 1);
        fixture_settle(f);
        drop_sink(f);
        fixture_settle(f);
        assert_int_equal(f->n_done, 0);
        fixture_free(f);
    }
    buf_done(&text);
}

static void can_be_freed_before_its_end_is_told(void **state)
{
    struct fixture *f = fixture_new(NULL, 0, NULL);
    struct message message = fixture_message(f);
    message.reply_to = "http://evil.example/";
    struct reply reply = {.markdown = STR_LIT("hello")};
    fixture_start(f, &message, &reply);
    drop_sink(f);
    fixture_settle(f);
    assert_int_equal(f->n_done, 0);
    fixture_free(f);
}

static void drop_in_on_done(struct sink *sink, const struct sink_outcome *outcome, void *arg)
{
    struct fixture *f = arg;
    f->n_done++;
    f->outcome = *outcome;
    sink->ops->free(sink);
}

static void can_be_freed_from_its_own_end(void **state)
{
    static const struct sink_handlers handlers = {.on_done = drop_in_on_done};
    struct fixture *f = fixture_new(NULL, 0, NULL);
    struct message message = fixture_message(f);
    struct reply reply = {.markdown = STR_LIT("hello")};
    struct sink *sink = f->platform->ops->open_sink(f->platform, &message, &handlers, f);
    (sink->ops->fail)(sink, &reply); /* cmocka has a macro of this name */
    fixture_run(f);
    assert_int_equal(f->outcome.status, ST_OK);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_no_host_that_is_not_allowed),
        cmocka_unit_test(gives_up_when_nobody_listens),
        cmocka_unit_test(waits_for_go_on_before_the_next_part),
        cmocka_unit_test(counts_what_was_sent_before_a_failure),
        cmocka_unit_test(can_be_freed_before_anything_happened),
        cmocka_unit_test(can_be_freed_while_sending),
        cmocka_unit_test(can_be_freed_while_waiting_for_a_repeat),
        cmocka_unit_test(can_be_freed_between_parts_and_pieces),
        cmocka_unit_test(can_be_freed_before_its_end_is_told),
        cmocka_unit_test(can_be_freed_from_its_own_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
