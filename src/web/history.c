#include "web/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"
#include "util/log.h"
#include "util/mem.h"
#include "web/history_format.h"
#include "web/history_page.h"

/* What one page shows, and what one reading for a file takes. */
#define PAGE_ITEMS 50
#define PAGE_BYTES (512 * 1024)
#define READ_ITEMS 200
#define READ_BYTES (1024 * 1024)
/* A file is closed when it is as large as that; the buffer is for one exchange beyond it, at its
 * worst. */
#define FILE_BYTES (16 * 1024 * 1024)
#define FILE_BYTES_MAX (160 * 1024 * 1024)
#define PAGE_BYTES_MAX (32 * 1024 * 1024)
/* Being made at once; further requests are told to come again. */
#define PAGES_MAX 16
#define FILES_MAX 2

#define HEADER_BYTES_MAX 1024

struct web_history {
    struct http_server *server;
    struct store *store;
    struct history_key key;
    enum language language;
    int n_pages;
    int n_files;
};

/* One request on its way through the store. */
struct opening {
    struct web_history *history;
    uint64_t id;
    struct history_grant grant;
    struct store_said_query query; /* borrows from the grant */
    bool is_file;
    enum history_format format;
    struct buf out;
};

static void opening_free(struct opening *opening)
{
    struct web_history *history = opening->history;
    if (opening->is_file)
        history->n_files--;
    else
        history->n_pages--;
    buf_done(&opening->out);
    free(opening);
}

/* ---- answers ---- */

/* `disposition` NULL: shown in the browser. */
static void reply(const struct web_history *history, uint64_t id, int http_status,
                  const char *content_type, const char *disposition, struct str body)
{
    struct buf policy = BUF_INIT(HEADER_BYTES_MAX);
    buf_puts(&policy, "Content-Security-Policy: ");
    history_page_write_policy(&policy);
    const char *const headers[] = {buf_cstr(&policy),
                                   "Cache-Control: private, no-store",
                                   "X-Content-Type-Options: nosniff",
                                   "X-Robots-Tag: noindex",
                                   "Referrer-Policy: no-referrer",
                                   disposition,
                                   NULL};
    const struct http_reply whole = {
        .http_status = http_status, .content_type = content_type, .headers = headers, .body = body};
    http_server_reply(history->server, id, &whole);
    buf_done(&policy);
}

static void reply_notice(const struct web_history *history, uint64_t id, int http_status,
                         const char *zh_title, const char *zh, const char *en_title, const char *en)
{
    bool is_en = history->language == LANGUAGE_EN;
    struct buf page = BUF_INIT(64 * 1024);
    history_page_write_notice(history->language, is_en ? en_title : zh_title, is_en ? en : zh,
                              &page);
    reply(history, id, http_status, "text/html; charset=utf-8", NULL, buf_str(&page));
    buf_done(&page);
}

static void refuse(const struct web_history *history, uint64_t id, enum status status)
{
    if (status == ST_TIMEOUT)
        reply_notice(history, id, 410, "链接已过期", "请管理员再发一次 #查对话，得到新的链接。",
                     "This link has ended",
                     "An administrator can get a new one by sending #查对话 again.");
    else if (status == ST_LIMITED)
        reply_notice(history, id, 503, "请稍后再试", "同时打开的人太多。", "Please try again",
                     "Too many are reading at once.");
    else if (status == ST_DENIED)
        reply_notice(history, id, 404, "没有这个链接", "链接不完整，或者不是本服务发出的。",
                     "There is no such link", "It is incomplete, or not one of ours.");
    else
        reply_notice(history, id, 503, "暂时打不开", "对话记录暂时读不出来，请稍后再试。",
                     "Not available", "What was said cannot be read now; please try later.");
}

static void end_badly(struct opening *opening, enum status status)
{
    log_event(LOG_ERROR, "history", "not_shown", LOG_S("reason", status_name(status)));
    refuse(opening->history, opening->id, ST_STORE);
    opening_free(opening);
}

/* ---- a page ---- */

/* The store gave them newest first. */
static struct store_said *turned_round(const struct store_said *items, size_t n)
{
    struct store_said *copy = xcalloc(n + 1, sizeof(*copy));
    for (size_t i = 0; i < n; i++)
        copy[i] = items[n - 1 - i];
    return copy;
}

static void on_page(const struct store_said_result *result, void *arg)
{
    struct opening *opening = arg;
    const struct web_history *history = opening->history;
    if (result->status != ST_OK) {
        end_badly(opening, result->status);
        return;
    }
    bool is_newest_first = opening->query.is_newest_first;
    bool is_inside = opening->query.after_id != 0; /* there is something on the side we came from */
    struct store_said *copy = is_newest_first ? turned_round(result->items, result->n_items) : NULL;
    struct buf what = BUF_INIT(HISTORY_TOKEN_BYTES_MAX);
    history_wish_write(&opening->grant.wish, &what);
    const struct history_page page = {
        .language = history->language,
        .what = buf_cstr(&what),
        .expires_ms = opening->grant.expires_ms,
        .items = copy ? copy : result->items,
        .n_items = result->n_items,
        .has_older = is_newest_first ? result->has_more : is_inside,
        .has_newer = is_newest_first ? is_inside : result->has_more,
    };
    history_page_write(&page, &opening->out);
    buf_done(&what);
    free(copy);
    if (buf_status(&opening->out) != ST_OK) {
        end_badly(opening, ST_TOO_LARGE);
        return;
    }
    reply(history, opening->id, 200, "text/html; charset=utf-8", NULL, buf_str(&opening->out));
    opening_free(opening);
}

/* ---- a file ---- */

static void end_file(struct opening *opening, bool is_whole)
{
    const struct web_history *history = opening->history;
    history_format_end(opening->format, history->language, is_whole, &opening->out);
    if (buf_status(&opening->out) != ST_OK) {
        end_badly(opening, ST_TOO_LARGE);
        return;
    }
    char day[CLOCK_DAY_SIZE], disposition[HEADER_BYTES_MAX];
    clock_local_day(clock_wall_ms(), day);
    (void)snprintf(disposition, sizeof(disposition),
                   "Content-Disposition: attachment; filename=\"dingbridge-history-%s.%s\"", day,
                   history_format_name(opening->format));
    reply(history, opening->id, 200, history_format_type(opening->format), disposition,
          buf_str(&opening->out));
    opening_free(opening);
}

static void on_part(const struct store_said_result *result, void *arg)
{
    struct opening *opening = arg;
    struct web_history *history = opening->history;
    if (result->status != ST_OK) {
        end_badly(opening, result->status);
        return;
    }
    for (size_t i = 0; i < result->n_items; i++) {
        if (opening->out.len > FILE_BYTES) {
            end_file(opening, false);
            return;
        }
        history_format_put(opening->format, history->language, &result->items[i], &opening->out);
        opening->query.after_ms = result->items[i].started_ms;
        opening->query.after_id = result->items[i].id;
    }
    if (result->has_more)
        store_read_said(history->store, &opening->query, on_part, opening);
    else
        end_file(opening, true);
}

static void start_file(struct opening *opening)
{
    struct web_history *history = opening->history;
    struct buf what = BUF_INIT(HISTORY_TOKEN_BYTES_MAX);
    history_wish_write(&opening->grant.wish, &what);
    history_format_begin(opening->format, history->language, buf_cstr(&what), &opening->out);
    buf_done(&what);
    opening->query.is_newest_first = false;
    opening->query.after_id = 0;
    opening->query.max_items = READ_ITEMS;
    opening->query.max_bytes = READ_BYTES;
    store_read_said(history->store, &opening->query, on_part, opening);
}

/* ---- a request ---- */

/* What nobody can answer for later is not shown. */
static void on_noted(enum status status, void *arg)
{
    struct opening *opening = arg;
    if (status != ST_OK)
        end_badly(opening, status);
    else if (opening->is_file)
        start_file(opening);
    else
        store_read_said(opening->history->store, &opening->query, on_page, opening);
}

static void note(struct opening *opening, struct str peer)
{
    struct buf what = BUF_INIT(HISTORY_TOKEN_BYTES_MAX);
    struct buf place = BUF_INIT(HEADER_BYTES_MAX);
    buf_puts(&what, opening->is_file ? "下载对话记录 " : "打开对话记录");
    if (opening->is_file)
        buf_printf(&what, "%s", history_format_name(opening->format));
    history_wish_write(&opening->grant.wish, &what);
    buf_printf(&place, "http %.*s", (int)peer.n, peer.p);
    const struct store_audit audit = {.at_ms = clock_wall_ms(),
                                      .who = opening->grant.by,
                                      .nick = "",
                                      .place = buf_cstr(&place),
                                      .what = buf_cstr(&what)};
    const struct store_setting_change change = {.audit = &audit};
    store_change_settings(opening->history->store, &change, on_noted, opening);
    buf_done(&what);
    buf_done(&place);
}

/* "1795500000123.42" */
static bool read_mark(struct str text, struct store_said_query *query)
{
    struct str at = str_cut(&text, '.');
    int64_t ms, id;
    if (parse_i64(at, 0, INT64_MAX, &ms) != ST_OK || parse_i64(text, 1, INT64_MAX, &id) != ST_OK)
        return false;
    query->after_ms = ms;
    query->after_id = id;
    return true;
}

/* False when the query is none that our pages link to. */
static bool read_query(struct opening *opening, struct str query)
{
    opening->query.is_newest_first = true;
    opening->query.max_items = PAGE_ITEMS;
    opening->query.max_bytes = PAGE_BYTES;
    while (query.n > 0) {
        struct str value = str_cut(&query, '&');
        struct str key = str_cut(&value, '=');
        bool is_after = str_eq(key, STR_LIT("after"));
        if (str_eq(key, STR_LIT("format"))) {
            opening->is_file = true;
            if (!history_format_find(value, &opening->format))
                return false;
        } else if (is_after || str_eq(key, STR_LIT("before"))) {
            opening->query.is_newest_first = !is_after;
            if (!read_mark(value, &opening->query))
                return false;
        } /* messengers add parameters of their own to links */
    }
    return true;
}

static void serve(const struct http_server_request *request, void *arg)
{
    struct web_history *history = arg;
    struct opening *opening = xcalloc(1, sizeof(*opening));
    struct str token = str_sub(request->path, sizeof("/history/") - 1, request->path.n);
    enum status status = history_token_read(&history->key, token, clock_wall_ms(), &opening->grant);
    opening->history = history;
    opening->id = request->id;
    opening->query = history_wish_query(&opening->grant.wish);
    if (status == ST_OK && !read_query(opening, request->query))
        status = ST_DENIED;
    if (status == ST_OK &&
        (opening->is_file ? history->n_files >= FILES_MAX : history->n_pages >= PAGES_MAX))
        status = ST_LIMITED;
    if (status != ST_OK) {
        log_event(LOG_WARN, "history", "refused", LOG_STR("peer", request->peer),
                  LOG_S("reason", status_name(status)));
        refuse(history, request->id, status);
        free(opening);
        return;
    }
    if (opening->is_file)
        history->n_files++;
    else
        history->n_pages++;
    buf_init(&opening->out, opening->is_file ? FILE_BYTES_MAX : PAGE_BYTES_MAX);
    note(opening, request->peer);
}

struct web_history *web_history_new(struct http_server *server, struct store *store,
                                    const struct history_key *key, enum language language)
{
    struct web_history *history = xcalloc(1, sizeof(*history));
    history->server = server;
    history->store = store;
    history->key = *key;
    history->language = language;
    http_server_route(server, "/history/*", 1U << HTTP_GET, serve, history);
    return history;
}

void web_history_free(struct web_history *history)
{
    free(history);
}
