#include "net/http_head.h"

#include <curl/curl.h>
#include <string.h>
#include <time.h>

/* A wait longer than this says no more than this does. */
#define RETRY_AFTER_MAX 1e9

void http_head_init(struct http_head *head)
{
    *head = (struct http_head){.retry_after_ms = -1, .retry_after_s = -1, .should_retry = -1};
}

/* A further status line: the fields of the 1xx before it are not the answer's. */
static void begin_anew(struct http_head *head, int http_status)
{
    size_t len_bytes = head->len_bytes;
    http_head_init(head);
    head->len_bytes = len_bytes;
    head->http_status = http_status;
}

static void copy_cut(struct str from, char *ret_text, size_t size)
{
    size_t n = utf8_cut(from, size - 1);
    memcpy(ret_text, from.p, n);
    ret_text[n] = '\0';
}

static double parse_number(struct str value)
{
    double number;
    return parse_double(value, 0, RETRY_AFTER_MAX, &number) == ST_OK ? number : -1;
}

/* Seconds, also with a fraction, or an HTTP date (RFC 9110, 10.2.3). */
static double parse_retry_after(struct str value, int64_t wall_ms)
{
    double seconds = parse_number(value);
    if (seconds >= 0 || value.n == 0)
        return seconds;
    char text[64];
    copy_cut(value, text, sizeof(text));
    time_t when = curl_getdate(text, NULL);
    if (when == (time_t)-1)
        return -1;
    double wait_s = (double)when - (double)wall_ms / 1000.0;
    return wait_s < 0 ? 0 : wait_s;
}

static void take_request_id(struct http_head *head, struct str name, struct str value)
{
    /* The lower in this list, the more it is worth. */
    static const struct str names[] = {STR_LIT("x-oneapi-request-id"), STR_LIT("request-id"),
                                       STR_LIT("x-request-id")};
    for (int i = 0; i < (int)(sizeof(names) / sizeof(names[0])); i++) {
        if (str_eq_nocase(name, names[i]) && i + 1 > head->request_id_rank && value.n > 0) {
            head->request_id_rank = i + 1;
            copy_cut(value, head->request_id, sizeof(head->request_id));
        }
    }
}

static void take_field(struct http_head *head, struct str line, int64_t wall_ms)
{
    struct str rest = line;
    struct str name = str_trim(str_cut(&rest, ':'));
    struct str value = str_trim(rest);
    if (str_eq_nocase(name, STR_LIT("content-type")))
        copy_cut(value, head->content_type, sizeof(head->content_type));
    else if (str_eq_nocase(name, STR_LIT("retry-after-ms")))
        head->retry_after_ms = parse_number(value);
    else if (str_eq_nocase(name, STR_LIT("retry-after")))
        head->retry_after_s = parse_retry_after(value, wall_ms);
    else if (str_eq_nocase(name, STR_LIT("x-should-retry")))
        head->should_retry = str_eq_nocase(value, STR_LIT("true"))    ? 1
                             : str_eq_nocase(value, STR_LIT("false")) ? 0
                                                                      : -1;
    else
        take_request_id(head, name, value);
}

static int parse_status(struct str line)
{
    int64_t number;
    struct str rest = line;
    (void)str_cut(&rest, ' ');
    return parse_i64(str_trim(str_sub(rest, 0, 3)), 100, 999, &number) == ST_OK ? (int)number : 0;
}

enum status http_head_take(struct http_head *head, struct str line, int64_t wall_ms)
{
    if (head->is_complete)
        return ST_OK;
    head->len_bytes += line.n;
    if (head->len_bytes > HTTP_HEAD_BYTES_MAX)
        return ST_TOO_LARGE;

    if (str_starts_nocase(line, STR_LIT("HTTP/"))) {
        begin_anew(head, parse_status(line));
    } else if (str_trim(line).n == 0) {
        head->is_complete = http_head_has_begun(head);
    } else {
        take_field(head, line, wall_ms);
    }
    return ST_OK;
}

bool http_head_has_begun(const struct http_head *head)
{
    return head->http_status >= 200;
}

double http_head_retry_after_s(const struct http_head *head)
{
    return head->retry_after_ms >= 0 ? head->retry_after_ms / 1000.0 : head->retry_after_s;
}
