#include "dingtalk/webhook_body.h"

#include <string.h>

#include "util/json.h"

#define TITLE_FALLBACK "回复"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "1. " and "1) " */
static size_t number_length(struct str s)
{
    size_t n = 0;
    while (n < s.n && n < 9 && is_digit(s.p[n]))
        n++;
    return n > 0 && n + 1 < s.n && (s.p[n] == '.' || s.p[n] == ')') && s.p[n + 1] == ' ' ? n + 2
                                                                                         : 0;
}

/* Without the signs of headings, quotes, lists and rules at its beginning. */
static struct str without_block_signs(struct str line)
{
    for (;;) {
        line = str_trim(line);
        size_t number = number_length(line);
        if (number == 0 && (line.n == 0 || !strchr("#>-+*=|", line.p[0])))
            return line;
        line = str_sub(line, number > 0 ? number : 1, line.n);
    }
}

/* The end of "](url)" that begins at the slice, or 0. */
static size_t link_tail_length(struct str s)
{
    if (!str_starts(s, STR_LIT("](")))
        return 0;
    ptrdiff_t end = str_find(s, STR_LIT(")"));
    return end < 0 ? 0 : (size_t)end + 1;
}

/* One line's words: emphasis, code marks and the addresses of links are left out. */
static void add_plain(struct str line, struct buf *out)
{
    size_t n_chars = 0;
    while (line.n > 0 && n_chars < TITLE_CHARS_MAX) {
        size_t tail = link_tail_length(line);
        bool is_link = line.p[0] == '[' && str_find(line, STR_LIT("](")) > 0;
        bool is_image = str_starts(line, STR_LIT("![")) && str_find(line, STR_LIT("](")) > 0;
        if (tail > 0 || is_image || is_link || strchr("*`", line.p[0])) {
            line = str_sub(line, tail > 0 ? tail : is_image ? 2 : 1, line.n);
            continue;
        }
        uint32_t cp;
        size_t len = utf8_decode(line, &cp);
        bool is_blank = cp < 0x20 || cp == ' ';
        if (!is_blank)
            buf_add(out, line.p, len);
        else if (out->len > 0)
            buf_putc(out, ' ');
        n_chars++;
        line = str_sub(line, len, line.n);
    }
    while (out->len > 0 && out->data[out->len - 1] == ' ')
        buf_truncate(out, out->len - 1);
}

void webhook_title(struct str markdown, struct buf *out)
{
    struct buf title = BUF_INIT(TITLE_CHARS_MAX * 4);
    while (markdown.n > 0 && title.len == 0) {
        struct str line = str_trim(str_cut(&markdown, '\n'));
        if (!str_starts(line, STR_LIT("```")) && !str_starts(line, STR_LIT("~~~")))
            add_plain(without_block_signs(line), &title);
    }
    buf_puts(out, title.len > 0 ? buf_cstr(&title) : TITLE_FALLBACK);
    buf_done(&title);
}

/* An id is a word of visible characters; anything else is not put into a text. */
static bool is_plain_id(const char *id)
{
    for (const char *p = id; *p; p++) {
        if ((unsigned char)*p <= ' ' || *p == 0x7F)
            return false;
    }
    return *id != '\0';
}

/* A name is its owner's choice: it must neither break the line nor act as markdown. */
static void add_nick(const char *nick, struct buf *out)
{
    struct str rest = str_trim(str_of(nick));
    while (rest.n > 0) {
        uint32_t cp;
        size_t len = utf8_decode(rest, &cp);
        if (cp < 0x20 || cp == 0x7F || cp == 0x85 || cp == 0x2028 || cp == 0x2029) {
            buf_putc(out, ' ');
        } else {
            if (cp < 0x80 && strchr("\\`*_{}[]()<>#+-!|~&", (int)cp))
                buf_putc(out, '\\');
            buf_add(out, rest.p, len);
        }
        rest = str_sub(rest, len, rest.n);
    }
}

bool webhook_mention(const struct message *message, struct buf *out)
{
    if (!message->is_group)
        return false;
    bool has_id = is_plain_id(message->sender_staff_id);
    bool has_nick = str_trim(str_of(message->sender_nick)).n > 0;
    if (!has_id && !(message->is_outgoing_robot && has_nick))
        return false;
    buf_putc(out, '@');
    if (has_id)
        buf_puts(out, message->sender_staff_id);
    else
        add_nick(message->sender_nick, out);
    buf_puts(out, "\n\n");
    return has_id;
}

void webhook_clean(struct str text, struct buf *out)
{
    while (text.n > 0) {
        uint32_t cp;
        size_t len = utf8_decode(text, &cp);
        if (cp == 0 || cp == 0xFFFD)
            buf_puts(out, "\xEF\xBF\xBD");
        else
            buf_add(out, text.p, len);
        text = str_sub(text, len, text.n);
    }
}

enum status webhook_body(const char *title, struct str text, const char *staff_id, struct buf *out)
{
    json_t *ids = json_array();
    if (staff_id)
        json_array_append_new(ids, json_string(staff_id));
    json_t *body = json_pack("{s:s, s:{s:s, s:o*}, s:{s:o, s:b}}", "msgtype", "markdown",
                             "markdown", "title", title, "text", json_stringn(text.p, text.n), "at",
                             "atUserIds", ids, "isAtAll", 0);
    bool is_text_whole = json_object_get(json_object_get(body, "markdown"), "text") != NULL;
    enum status status = is_text_whole ? json_write(body, out) : ST_INVAL;
    json_decref(body);
    return status;
}

size_t webhook_text_cost(struct str text)
{
    size_t cost = text.n;
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c == '"' || c == '\\' || (c != 0 && strchr("\b\f\n\r\t", c)))
            cost += 1;
        else if (c < 0x20)
            cost += 5;
    }
    return cost;
}
