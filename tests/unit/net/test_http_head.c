#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "net/http_head.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NOW_MS (INT64_C(784111777) * 1000) /* Sun, 06 Nov 1994 08:49:37 GMT, RFC 9110's example */

/* Feeds a whole header with LF line ends. */
static enum status take_all(struct http_head *head, const char *text)
{
    struct str rest = str_of(text);
    http_head_init(head);
    while (rest.n > 0) {
        char line[600];
        struct str part = str_cut(&rest, '\n');
        (void)snprintf(line, sizeof(line), "%.*s\r\n", (int)part.n, part.p);
        enum status status = http_head_take(head, str_of(line), NOW_MS);
        if (status != ST_OK)
            return status;
    }
    return ST_OK;
}

static void reads_the_wait_that_the_peer_asks_for(void **state)
{
    static const struct {
        const char *fields;
        double want_s;
    } cases[] = {
        {"", -1},
        {"Retry-After: 3\n", 3},
        {"retry-after:0\n", 0},
        {"RETRY-AFTER:  2.5 \n", 2.5},
        {"Retry-After-Ms: 250\n", 0.25},
        {"retry-after-ms: 1.5\n", 0.0015},
        {"Retry-After: 7\nretry-after-ms: 250\n", 0.25},
        {"retry-after-ms: 250\nRetry-After: 7\n", 0.25},
        {"retry-after-ms: soon\nRetry-After: 7\n", 7},
        {"Retry-After: Sun, 06 Nov 1994 08:49:47 GMT\n", 10},
        {"Retry-After: Sunday, 06-Nov-94 08:49:47 GMT\n", 10},
        {"Retry-After: Sun Nov  6 08:49:47 1994\n", 10},
        {"Retry-After: Sun, 06 Nov 1994 08:49:27 GMT\n", 0},
        {"Retry-After: -5\n", -1},
        {"Retry-After: soon\n", -1},
        {"Retry-After:\n", -1},
        {"Retry-After: nan\n", -1},
        {"Retry-After: 1e999\n", -1},
        {"X-Retry-After: 3\n", -1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[600];
        struct http_head head;
        (void)snprintf(text, sizeof(text), "HTTP/1.1 429 Slow down\n%s\n", cases[i].fields);
        assert_int_equal(take_all(&head, text), ST_OK);
        assert_true(head.is_complete);
        if (http_head_retry_after_s(&head) != cases[i].want_s)
            fail_msg("%s: %g", cases[i].fields, http_head_retry_after_s(&head));
    }
}

static void reads_type_request_id_and_advice(void **state)
{
    struct http_head head;
    assert_int_equal(take_all(&head, "HTTP/2 200\n"
                                     "content-type: text/event-stream; charset=utf-8\n"
                                     "x-oneapi-request-id: relay\n"
                                     "x-request-id: best\n"
                                     "request-id: middle\n"
                                     "x-should-retry: TRUE\n\n"),
                     ST_OK);
    assert_int_equal(head.http_status, 200);
    assert_string_equal(head.content_type, "text/event-stream; charset=utf-8");
    assert_string_equal(head.request_id, "best");
    assert_int_equal(head.should_retry, 1);

    assert_int_equal(take_all(&head, "HTTP/1.0 500 No\nrequest-id: a\nX-Request-Id:\n"
                                     "x-should-retry: false\n\n"),
                     ST_OK);
    assert_string_equal(head.request_id, "a");
    assert_int_equal(head.should_retry, 0);
    assert_string_equal(head.content_type, "");

    assert_int_equal(take_all(&head, "HTTP/1.1 200 OK\nx-should-retry: maybe\n\n"), ST_OK);
    assert_int_equal(head.should_retry, -1);
}

static void informational_answers_leave_nothing_behind(void **state)
{
    struct http_head head;
    assert_int_equal(take_all(&head, "HTTP/1.1 103 Early\nx-request-id: early\nretry-after: 9\n\n"),
                     ST_OK);
    assert_false(head.is_complete);
    assert_false(http_head_has_begun(&head));

    assert_int_equal(take_all(&head, "HTTP/1.1 100 Continue\n\nHTTP/1.1 103 Early\n"
                                     "x-request-id: early\nretry-after: 9\n\n"
                                     "HTTP/1.1 201 Made\n"),
                     ST_OK);
    assert_true(http_head_has_begun(&head));
    assert_false(head.is_complete);
    assert_int_equal(head.http_status, 201);
    assert_string_equal(head.request_id, "");
    assert_true(http_head_retry_after_s(&head) < 0);
}

static void trailers_change_nothing(void **state)
{
    struct http_head head;
    assert_int_equal(take_all(&head, "HTTP/1.1 200 OK\nx-request-id: a\n\nx-request-id: b\n"
                                     "HTTP/1.1 500 No\n"),
                     ST_OK);
    assert_int_equal(head.http_status, 200);
    assert_string_equal(head.request_id, "a");
}

static void long_values_are_cut_and_long_heads_refused(void **state)
{
    char text[600];
    struct http_head head;
    (void)snprintf(text, sizeof(text), "HTTP/1.1 200 OK\nx-request-id: %0300d\n\n", 7);
    assert_int_equal(take_all(&head, text), ST_OK);
    assert_int_equal(strlen(head.request_id), sizeof(head.request_id) - 1);

    /* New heads start their own values, but the bytes count together. */
    enum status status = ST_OK;
    int n_lines = 0;
    for (; status == ST_OK && n_lines < HTTP_HEAD_BYTES_MAX; n_lines++)
        status = http_head_take(&head, STR_LIT("HTTP/1.1 100 Continue\r\n"), NOW_MS);
    assert_int_equal(status, ST_OK); /* the head is complete: these are trailers */

    http_head_init(&head);
    for (n_lines = 0; status == ST_OK && n_lines < HTTP_HEAD_BYTES_MAX; n_lines++)
        status = http_head_take(&head, STR_LIT("HTTP/1.1 100 Continue\r\n"), NOW_MS);
    assert_int_equal(status, ST_TOO_LARGE);
}

static void odd_lines_are_survived(void **state)
{
    struct http_head head;
    assert_int_equal(take_all(&head, "HTTP/1.1 2x0 Odd\nno colon\n: no name\n\n"), ST_OK);
    assert_int_equal(head.http_status, 0);
    assert_false(head.is_complete);
    assert_int_equal(take_all(&head, "HTTP/1.1\n\n"), ST_OK);
    assert_false(head.is_complete);
    assert_int_equal(http_head_take(&head, (struct str){0}, NOW_MS), ST_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_wait_that_the_peer_asks_for),
        cmocka_unit_test(reads_type_request_id_and_advice),
        cmocka_unit_test(informational_answers_leave_nothing_behind),
        cmocka_unit_test(trailers_change_nothing),
        cmocka_unit_test(long_values_are_cut_and_long_heads_refused),
        cmocka_unit_test(odd_lines_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
