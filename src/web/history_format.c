#include "web/history_format.h"

#include <string.h>

#include "util/clock.h"
#include "util/json.h"

static const struct {
    const char *name;
    const char *type;
} formats[] = {
    [HISTORY_MARKDOWN] = {"md", "text/markdown; charset=utf-8"},
    [HISTORY_CSV] = {"csv", "text/csv; charset=utf-8; header=present"},
    [HISTORY_JSONL] = {"jsonl", "application/x-ndjson; charset=utf-8"},
};

bool history_format_find(struct str name, enum history_format *ret_format)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (str_eq(name, str_of(formats[i].name))) {
            *ret_format = (enum history_format)i;
            return true;
        }
    }
    return false;
}

const char *history_format_name(enum history_format format)
{
    return formats[format].name;
}

const char *history_format_type(enum history_format format)
{
    return formats[format].type;
}

struct named {
    const char *name;
    const char *zh;
    const char *en;
};

static const struct named outcomes[] = {
    {"answered", "已回答", "answered"},
    {"failed", "失败", "failed"},
    {"cut", "中断", "cut off"},
    {"undelivered", "未送达", "not delivered"},
};
static const struct named kinds[] = {
    {"question", "提问", "question"},
    {"template", "模板", "template"},
    {"image", "画图", "image"},
};

static const char *in_words(const struct named *table, size_t n, enum language language,
                            const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(table[i].name, name) == 0)
            return language == LANGUAGE_EN ? table[i].en : table[i].zh;
    }
    return name;
}

const char *history_outcome(enum language language, const char *outcome)
{
    return in_words(outcomes, sizeof(outcomes) / sizeof(outcomes[0]), language, outcome);
}

const char *history_kind(enum language language, const char *kind)
{
    return in_words(kinds, sizeof(kinds) / sizeof(kinds[0]), language, kind);
}

/* ---- Markdown ---- */

/* One line of plain text: what Markdown or HTML would read as more is escaped. */
static void put_md_line(struct buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < ' ') {
            buf_putc(out, ' ');
            continue;
        }
        if (strchr("\\`*_{}[]()<>#+-.!|~&", *p))
            buf_putc(out, '\\');
        buf_putc(out, *p);
    }
}

/* A fence that nothing in the text can end. */
static void put_md_fenced(struct buf *out, const char *text)
{
    size_t longest = 2, run = 0;
    for (const char *p = text; *p; p++) {
        run = *p == '`' ? run + 1 : 0;
        if (run > longest)
            longest = run;
    }
    for (size_t i = 0; i <= longest; i++)
        buf_putc(out, '`');
    buf_printf(out, "text\n%s\n", text);
    for (size_t i = 0; i <= longest; i++)
        buf_putc(out, '`');
    buf_puts(out, "\n\n");
}

static void put_md(enum language language, const struct store_said *said, struct buf *out)
{
    bool is_en = language == LANGUAGE_EN;
    char at[CLOCK_STAMP_SIZE];
    clock_stamp(said->started_ms, at);
    buf_printf(out, "## %.10s %.8s ", at, at + 11);
    put_md_line(out, said->nick);
    buf_puts(out, is_en ? " (" : "（");
    put_md_line(out, said->user);
    buf_puts(out, is_en ? ")\n\n" : "）\n\n");
    buf_puts(out, is_en ? "- Place: " : "- 会话：");
    if (*said->conversation_title)
        put_md_line(out, said->conversation_title);
    else
        buf_puts(out, is_en ? "private chat" : "私聊");
    buf_puts(out, is_en ? "\n- Model: " : "\n- 模型：");
    put_md_line(out, said->model);
    buf_printf(out, is_en ? "\n- Outcome: %s, reference " : "\n- 结果：%s，编号 ",
               history_outcome(language, said->outcome));
    put_md_line(out, said->reference);
    buf_puts(out, is_en ? "\n\nQuestion:\n\n" : "\n\n问：\n\n");
    put_md_fenced(out, said->question);
    buf_puts(out, is_en ? "Answer:\n\n" : "答：\n\n");
    put_md_fenced(out, said->answer);
}

/* ---- CSV ---- */

/* What a spreadsheet would calculate begins with one of these, in either width. */
static bool is_formula(const char *text)
{
    static const char *const begins[] = {"=",  "+",  "-",  "@",  "\t", "\r",
                                         "\n", "＝", "＋", "－", "＠"};
    for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
        if (str_starts(str_of(text), str_of(begins[i])))
            return true;
    }
    return false;
}

static void put_cell(struct buf *out, const char *text, char end)
{
    buf_putc(out, '"');
    if (is_formula(text))
        buf_putc(out, '\'');
    for (const char *p = text; *p; p++) {
        if (*p == '"')
            buf_putc(out, '"');
        buf_putc(out, *p);
    }
    buf_putc(out, '"');
    buf_puts(out, end == '\n' ? "\r\n" : ",");
}

static void put_number(struct buf *out, int64_t number)
{
    if (number >= 0)
        buf_printf(out, "%lld", (long long)number);
    buf_putc(out, ',');
}

static void put_csv(enum language language, const struct store_said *said, struct buf *out)
{
    char began[CLOCK_STAMP_SIZE], ended[CLOCK_STAMP_SIZE];
    clock_stamp(said->started_ms, began);
    clock_stamp(said->ended_ms, ended);
    const char *const cells[] = {began,
                                 ended,
                                 said->nick,
                                 said->user,
                                 said->conversation_title,
                                 said->conversation,
                                 said->robot,
                                 history_kind(language, said->kind),
                                 said->question,
                                 said->answer,
                                 said->provider,
                                 said->model,
                                 history_outcome(language, said->outcome)};
    for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
        put_cell(out, cells[i], ',');
    put_number(out, said->prompt_tokens);
    put_number(out, said->completion_tokens);
    put_cell(out, said->reference, '\n');
}

/* ---- JSON Lines ---- */

static void put_json(const struct store_said *said, struct buf *out)
{
    char began[CLOCK_STAMP_SIZE], ended[CLOCK_STAMP_SIZE];
    clock_stamp(said->started_ms, began);
    clock_stamp(said->ended_ms, ended);
    const struct {
        const char *key;
        const char *text;
    } texts[] = {{"started", began},
                 {"ended", ended},
                 {"nick", said->nick},
                 {"userid", said->user},
                 {"group", said->conversation_title},
                 {"conversation", said->conversation},
                 {"robot", said->robot},
                 {"kind", said->kind},
                 {"question", said->question},
                 {"answer", said->answer},
                 {"provider", said->provider},
                 {"model", said->model},
                 {"outcome", said->outcome},
                 {"reference", said->reference}};
    DB_CLEANUP(json_unref) json_t *object = json_object();
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        json_object_set_new(object, texts[i].key, json_string(texts[i].text));
    if (said->prompt_tokens >= 0)
        json_object_set_new(object, "prompt_tokens", json_integer(said->prompt_tokens));
    if (said->completion_tokens >= 0)
        json_object_set_new(object, "completion_tokens", json_integer(said->completion_tokens));
    if (json_write(object, out) == ST_OK) /* the buffer remembers a failure */
        buf_putc(out, '\n');
}

/* ---- all of them ---- */

void history_format_begin(enum history_format format, enum language language, const char *what,
                          struct buf *out)
{
    bool is_en = language == LANGUAGE_EN;
    switch (format) {
    case HISTORY_MARKDOWN:
        buf_puts(out, is_en ? "# What was said: " : "# 对话记录：");
        put_md_line(out, what);
        buf_puts(out, "\n\n");
        return;
    case HISTORY_CSV: /* the mark tells spreadsheets that it is UTF-8 */
        buf_puts(out, "\xEF\xBB\xBF");
        buf_puts(out, is_en ? "started,ended,nick,userid,group,conversation,robot,kind,question,"
                              "answer,provider,model,outcome,prompt tokens,completion tokens,"
                              "reference\r\n"
                            : "时间,结束时间,姓名,userid,群,会话 ID,机器人,类型,问题,回答,服务商,"
                              "模型,结果,输入 token,输出 token,编号\r\n");
        return;
    case HISTORY_JSONL:
        return;
    }
}

void history_format_put(enum history_format format, enum language language,
                        const struct store_said *said, struct buf *out)
{
    switch (format) {
    case HISTORY_MARKDOWN:
        put_md(language, said, out);
        return;
    case HISTORY_CSV:
        put_csv(language, said, out);
        return;
    case HISTORY_JSONL:
        put_json(said, out);
        return;
    }
}

void history_format_end(enum history_format format, enum language language, bool is_whole,
                        struct buf *out)
{
    if (is_whole)
        return;
    const char *note = language == LANGUAGE_EN
                           ? "NOT COMPLETE: too much for one file; choose fewer days"
                           : "未完：内容太多，一个文件放不下，请缩小日期范围";
    switch (format) {
    case HISTORY_MARKDOWN:
        buf_printf(out, "---\n\n**%s**\n", note);
        return;
    case HISTORY_CSV:
        buf_printf(out, "\"%s\"\r\n", note);
        return;
    case HISTORY_JSONL:
        buf_printf(out, "{\"incomplete\":true,\"note\":\"%s\"}\n", note);
        return;
    }
}
