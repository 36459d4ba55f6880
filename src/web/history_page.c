#include "web/history_page.h"

#include <string.h>

#include "util/clock.h"
#include "util/crypto.h"
#include "web/history_format.h"

/* Of one question or answer; what is longer is in the files. */
#define SHOWN_BYTES_MAX (64 * 1024)

static const char style[] =
    ":root{--ink:#1d2129;--soft:#6b7480;--line:#e3e6eb;--paper:#fff;--back:#f3f5f8;--mine:#e7f0ff;"
    "--mineline:#c9dcfb;--accent:#1668dc;--warn:#b25e09}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e4e7ec;--soft:#98a2b0;--line:#2f3640;"
    "--paper:#1c2128;--back:#12161b;--mine:#1b2f4d;--mineline:#2b4a78;--accent:#6ea8fe;"
    "--warn:#f0a24a}}"
    "*{box-sizing:border-box}"
    "body{margin:0;background:var(--back);color:var(--ink);font:16px/1.65 -apple-system,"
    "BlinkMacSystemFont,\"Segoe UI\",\"PingFang SC\",\"Microsoft YaHei\",\"Noto Sans CJK SC\","
    "sans-serif}"
    "header,main,footer{max-width:52rem;margin:0 auto;padding:0 1rem}"
    "header{padding-top:2rem}"
    "h1{font-size:1.5rem;line-height:1.3;margin:0 0 .35rem}"
    ".what{margin:0;color:var(--soft);overflow-wrap:anywhere}"
    "nav{display:flex;flex-wrap:wrap;gap:.5rem;margin:1rem 0}"
    "nav a{display:inline-block;padding:.3rem .8rem;border:1px solid var(--line);"
    "border-radius:999px;background:var(--paper);color:var(--accent);text-decoration:none;"
    "font-size:.9rem}"
    "nav a:hover{border-color:var(--accent)}"
    "h2{position:sticky;top:0;margin:2rem 0 0;padding:.5rem 0;background:var(--back);"
    "font-size:1.1rem;border-bottom:1px solid var(--line)}"
    "h3{margin:1.25rem 0 .5rem;font-size:.95rem;font-weight:600;overflow-wrap:anywhere}"
    "h3 small,.meta{color:var(--soft);font-weight:400}"
    "article{margin:0 0 .9rem;padding:.85rem 1rem;background:var(--paper);"
    "border:1px solid var(--line);border-radius:12px}"
    ".meta{margin:0;font-size:.82rem;overflow-wrap:anywhere}"
    ".meta b{color:var(--ink);font-size:.92rem}"
    "time{font-variant-numeric:tabular-nums}"
    ".q,.a{margin:.55rem 0 0;white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate}"
    ".q{padding:.5rem .75rem;background:var(--mine);border:1px solid var(--mineline);"
    "border-radius:10px}"
    ".a{padding:0 .1rem}"
    "pre{margin:.4rem 0;padding:.6rem .8rem;background:var(--back);border:1px solid var(--line);"
    "border-radius:8px;white-space:pre-wrap;overflow-wrap:anywhere;"
    "font:.86em/1.55 ui-monospace,SFMono-Regular,Menlo,Consolas,\"Noto Sans Mono CJK SC\","
    "monospace}"
    ".end{margin-top:.55rem}"
    ".bad{color:var(--warn)}"
    ".none{padding:3rem 0;text-align:center;color:var(--soft)}"
    "footer{padding-bottom:3rem;color:var(--soft);font-size:.82rem}"
    "@media(max-width:30rem){body{font-size:15px}header{padding-top:1.2rem}article{padding:.7rem "
    ".8rem}}"
    "@media print{:root{--ink:#000;--soft:#444;--line:#bbb;--paper:#fff;--back:#fff;--mine:#f4f4f4;"
    "--mineline:#bbb}nav{display:none}body{font-size:10.5pt}header,main,footer{max-width:none;"
    "padding:0}h2{position:static}h2,h3,.meta{break-after:avoid}article{break-inside:auto;"
    "border-radius:0}}";

/* The page's own sentences. */
struct label {
    const char *zh;
    const char *en;
};
static const struct label title_label = {"对话记录", "What was said"};
static const struct label older_label = {"← 更早", "← Older"};
static const struct label newer_label = {"更晚 →", "Newer →"};
static const struct label newest_label = {"最新", "Newest"};
static const struct label download_label = {"下载 ", "Download "};
static const struct label none_label = {"这里没有对话。", "Nothing was said here."};
static const struct label private_label = {"私聊", "Private chat"};
static const struct label no_answer_label = {"（没有回答）", "(no answer)"};
static const struct label cut_label = {"\n……（太长，完整内容在下载的文件里）",
                                       "\n… (too long; the files have all of it)"};
static const struct label until_label = {"链接有效至 ", "This link ends at "};
static const struct label care_label = {
    "。内容是别人的对话，请勿转发；每次打开都有审计记录。",
    ". These are other people's words: do not pass them on. Each opening is in the audit log."};

static const char *say(enum language language, struct label label)
{
    return language == LANGUAGE_EN ? label.en : label.zh;
}

/* Text as it was written, whatever is in it. */
static void put_text(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '&')
            buf_puts(out, "&amp;");
        else if (c == '<')
            buf_puts(out, "&lt;");
        else if (c == '>')
            buf_puts(out, "&gt;");
        else if (c == '"')
            buf_puts(out, "&quot;");
        else if (c == '\'')
            buf_puts(out, "&#39;");
        else if (((unsigned char)c < ' ' && c != '\n' && c != '\t') || c == 0x7f)
            buf_puts(out, "\xEF\xBF\xBD");
        else
            buf_putc(out, c);
    }
}

/* Models write code between fences of backquotes, and that is all of their Markdown that a reader
 * misses: it is set as code, without the fences. */
static void put_with_code(struct buf *out, struct str text)
{
    bool is_code = false;
    while (text.n > 0) {
        bool is_last = str_find(text, STR_LIT("\n")) < 0;
        struct str line = str_cut(&text, '\n');
        if (str_starts(line, STR_LIT("```"))) {
            is_code = !is_code;
            buf_puts(out, is_code ? "<pre>" : "</pre>");
            continue;
        }
        put_text(out, line);
        if (!is_last)
            buf_putc(out, '\n');
    }
    if (is_code)
        buf_puts(out, "</pre>");
}

static void put_cut(enum language language, struct buf *out, const char *text)
{
    struct str whole = str_of(text);
    size_t len = utf8_cut(whole, SHOWN_BYTES_MAX);
    put_with_code(out, str_sub(whole, 0, len));
    if (len < whole.n)
        buf_puts(out, say(language, cut_label));
}

static void put_head(enum language language, const char *title, struct buf *out)
{
    buf_printf(out,
               "<!DOCTYPE html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n"
               "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
               "<meta name=\"robots\" content=\"noindex\">\n<title>",
               language == LANGUAGE_EN ? "en" : "zh-CN");
    put_text(out, str_of(title));
    buf_printf(out, "</title>\n<style>%s</style>\n</head>\n<body>\n", style);
}

void history_page_write_policy(struct buf *out)
{
    uint8_t hash[SHA256_SIZE];
    struct buf text = BUF_INIT(64);
    if (crypto_sha256(STR_LIT(style), hash) != ST_OK ||
        base64_encode((struct str){(const char *)hash, sizeof(hash)}, &text) != ST_OK)
        buf_clear(&text); /* the page comes without its style then */
    buf_printf(out, "default-src 'none'; style-src 'sha256-%s", buf_cstr(&text));
    buf_done(&text);
    buf_puts(out, "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
}

static void put_tokens(const struct store_said *said, struct buf *out)
{
    if (said->prompt_tokens >= 0 && said->completion_tokens >= 0)
        buf_printf(out, " · %lld + %lld token", (long long)said->prompt_tokens,
                   (long long)said->completion_tokens);
}

static void put_exchange(enum language language, const struct store_said *said, struct buf *out)
{
    char at[CLOCK_STAMP_SIZE];
    clock_stamp(said->started_ms, at);
    buf_puts(out, "<article>\n<p class=\"meta\"><b><bdi>");
    put_text(out, str_of(said->nick));
    buf_puts(out, "</bdi></b> <bdi>");
    put_text(out, str_of(said->user));
    buf_printf(out, "</bdi> · <time datetime=\"%s\">%.8s</time> · %s</p>\n<div class=\"q\">", at,
               at + 11, history_kind(language, said->kind));
    put_cut(language, out, said->question);
    buf_puts(out, "</div>\n<div class=\"a\">");
    if (*said->answer)
        put_cut(language, out, said->answer);
    else
        buf_printf(out, "<span class=\"meta\">%s</span>", say(language, no_answer_label));
    bool is_good = strcmp(said->outcome, "answered") == 0;
    buf_printf(out, "</div>\n<p class=\"meta end\"><span%s>", is_good ? "" : " class=\"bad\"");
    put_text(out, str_of(history_outcome(language, said->outcome)));
    buf_puts(out, "</span> · ");
    put_text(out, str_of(said->model));
    put_tokens(said, out);
    buf_puts(out, " · ");
    put_text(out, str_of(said->reference));
    buf_puts(out, "</p>\n</article>\n");
}

static void put_place(enum language language, const struct store_said *said, struct buf *out)
{
    buf_puts(out, "<h3><bdi>");
    if (*said->conversation_title) {
        put_text(out, str_of(said->conversation_title));
        buf_puts(out, "</bdi> <small>");
        put_text(out, str_of(said->conversation));
        buf_puts(out, "</small></h3>\n");
        return;
    }
    buf_printf(out, "%s</bdi> <small><bdi>", say(language, private_label));
    put_text(out, str_of(said->nick));
    buf_puts(out, "</bdi> ");
    put_text(out, str_of(said->user));
    buf_puts(out, "</small></h3>\n");
}

static bool is_same_place(const struct store_said *a, const struct store_said *b)
{
    return strcmp(a->conversation, b->conversation) == 0 && strcmp(a->robot, b->robot) == 0;
}

/* Of the exchanges of one day, those of each conversation together, in the order of its first. */
static void put_day(enum language language, const struct store_said *items, size_t n,
                    struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        bool is_shown = false;
        for (size_t k = 0; k < i && !is_shown; k++)
            is_shown = is_same_place(&items[k], &items[i]);
        if (is_shown)
            continue;
        put_place(language, &items[i], out);
        for (size_t k = i; k < n; k++) {
            if (is_same_place(&items[k], &items[i]))
                put_exchange(language, &items[k], out);
        }
    }
}

static void put_days(const struct history_page *page, struct buf *out)
{
    for (size_t from = 0, to; from < page->n_items; from = to) {
        char day[CLOCK_DAY_SIZE], other[CLOCK_DAY_SIZE];
        clock_local_day(page->items[from].started_ms, day);
        for (to = from + 1; to < page->n_items; to++) {
            clock_local_day(page->items[to].started_ms, other);
            if (strcmp(day, other) != 0)
                break;
        }
        buf_printf(out, "<section>\n<h2>%s</h2>\n", day);
        put_day(page->language, &page->items[from], to - from, out);
        buf_puts(out, "</section>\n");
    }
}

static void put_link(struct buf *out, const char *direction, const struct store_said *said,
                     const char *text)
{
    buf_printf(out, "<a href=\"?%s=%lld.%lld\">%s</a>\n", direction, (long long)said->started_ms,
               (long long)said->id, text);
}

static void put_pages(const struct history_page *page, struct buf *out)
{
    bool has_items = page->n_items > 0;
    if (has_items && !page->has_older && !page->has_newer)
        return;
    buf_puts(out, "<nav>\n");
    if (has_items && page->has_older)
        put_link(out, "before", &page->items[0], say(page->language, older_label));
    if (has_items && page->has_newer)
        put_link(out, "after", &page->items[page->n_items - 1], say(page->language, newer_label));
    if (!has_items || page->has_newer)
        buf_printf(out, "<a href=\"?\">%s</a>\n", say(page->language, newest_label));
    buf_puts(out, "</nav>\n");
}

void history_page_write(const struct history_page *page, struct buf *out)
{
    enum language language = page->language;
    put_head(language, say(language, title_label), out);
    buf_printf(out, "<header>\n<h1>%s</h1>\n<p class=\"what\"><bdi>", say(language, title_label));
    put_text(out, str_of(page->what));
    buf_puts(out, "</bdi></p>\n<nav>\n");
    static const char *const files[] = {"md", "csv", "jsonl"};
    static const char *const names[] = {"Markdown", "CSV", "JSON Lines"};
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        buf_printf(out, "<a href=\"?format=%s\">%s%s</a>\n", files[i],
                   say(language, download_label), names[i]);
    buf_puts(out, "</nav>\n</header>\n<main>\n");
    put_pages(page, out);
    put_days(page, out);
    if (page->n_items == 0)
        buf_printf(out, "<p class=\"none\">%s</p>\n", say(language, none_label));
    else
        put_pages(page, out);
    char until[CLOCK_HM_SIZE];
    clock_local_minute(page->expires_ms, until);
    buf_printf(out, "</main>\n<footer>\n<p>%s%s%s</p>\n</footer>\n</body>\n</html>\n",
               say(language, until_label), until, say(language, care_label));
}

void history_page_write_notice(enum language language, const char *title, const char *text,
                               struct buf *out)
{
    put_head(language, title, out);
    buf_puts(out, "<header>\n<h1>");
    put_text(out, str_of(title));
    buf_puts(out, "</h1>\n<p class=\"what\">");
    put_text(out, str_of(text));
    buf_puts(out, "</p>\n</header>\n</body>\n</html>\n");
}
