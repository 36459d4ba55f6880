#include "dingtalk/split.h"

#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/mem.h"

#define FENCE_LEAD_MAX 31
#define FENCE_RUN_MAX 64
#define FENCE_INFO_MAX 32
#define LOOK_BACK_BYTES 240 /* how far from the limit a line is searched for a good place */
#define LOOK_BACK_CHARS 16  /* how far for one that tears no emoji apart */

/* A code fence (CommonMark 4.5) that is open at some place of the text. */
struct fence {
    bool is_open;
    bool is_quoted; /* every line of it begins with > */
    char mark;
    size_t run;                    /* how many marks */
    char lead[FENCE_LEAD_MAX + 1]; /* what stands before the marks, list markers as blanks */
    size_t dedent;   /* columns its lines lose, since it was reopened outside its list */
    struct str info; /* the language; borrowed from the text */
};

/* A place where the part could end. */
struct cut {
    bool is_set;
    size_t rest_bytes; /* what of the rest is used up */
    size_t part_bytes; /* how long the part is then */
    size_t cost;
    struct fence fence;
};

struct splitter {
    struct str rest;
    size_t max;
    size_t (*cost)(struct str part);
    struct fence fence;  /* open where the rest begins */
    bool is_inside_line; /* the rest begins inside a line */
    struct split out;

    /* The part being made. */
    struct buf part;
    size_t part_cost;
    size_t used; /* bytes of the rest in it */
    bool is_after_heading;
    struct cut paragraph; /* the last place of each kind, best kind first */
    struct cut line;
    struct cut code;
    struct cut any;
};

static size_t length_of(struct str part)
{
    return part.n;
}

static bool is_blank_byte(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct str skip_blanks(struct str s)
{
    size_t n = 0;
    while (n < s.n && is_blank_byte(s.p[n]))
        n++;
    return str_sub(s, n, s.n);
}

/* The first line with its line feed. */
static struct str first_line(struct str text)
{
    const char *end = text.n ? memchr(text.p, '\n', text.n) : NULL;
    return end ? str_sub(text, 0, (size_t)(end - text.p) + 1) : text;
}

static size_t run_length(struct str s, char mark)
{
    size_t n = 0;
    while (n < s.n && s.p[n] == mark)
        n++;
    return n;
}

static bool is_heading(struct str line)
{
    struct str text = skip_blanks(line);
    size_t level = run_length(text, '#');
    return level >= 1 && level <= 6 && level < text.n && is_blank_byte(text.p[level]);
}

/* Length of a list marker with one blank behind it ("- ", "12. "), else 0. */
static size_t marker_length(struct str s)
{
    size_t n = 0;
    if (s.n > 0 && (s.p[0] == '-' || s.p[0] == '*' || s.p[0] == '+')) {
        n = 1;
    } else {
        while (n < s.n && n < 9 && s.p[n] >= '0' && s.p[n] <= '9')
            n++;
        if (n == 0 || n == s.n || (s.p[n] != '.' && s.p[n] != ')'))
            return 0;
        n++;
    }
    return n < s.n && (s.p[n] == ' ' || s.p[n] == '\t') ? n + 1 : 0;
}

/* Bytes in front of what a line is about: blanks, quote signs, list markers. */
static size_t lead_length(struct str line, bool *ret_is_quoted)
{
    *ret_is_quoted = false;
    size_t n = 0;
    while (n < line.n) {
        size_t marker = marker_length(str_sub(line, n, line.n));
        if (line.p[n] == '>')
            *ret_is_quoted = true;
        if (marker > 0)
            n += marker;
        else if (line.p[n] == '>' || line.p[n] == ' ' || line.p[n] == '\t')
            n++;
        else
            break;
    }
    return n;
}

static bool fence_opens(struct str line, struct fence *ret_fence)
{
    struct fence fence = {.is_open = true};
    size_t lead = lead_length(line, &fence.is_quoted);
    struct str text = str_sub(line, lead, line.n);
    if (lead > FENCE_LEAD_MAX || text.n == 0 || (text.p[0] != '`' && text.p[0] != '~'))
        return false;
    fence.mark = text.p[0];
    fence.run = run_length(text, fence.mark);
    struct str info = str_trim(str_sub(text, fence.run, text.n));
    if (fence.run < 3 || fence.run > FENCE_RUN_MAX)
        return false;
    if (fence.mark == '`' && info.n > 0 && memchr(info.p, '`', info.n))
        return false; /* code inside a line */
    for (size_t i = 0; i < lead; i++)
        fence.lead[i] = line.p[i] == '>' || line.p[i] == '\t' ? line.p[i] : ' ';
    fence.info = str_cut(&info, ' ');
    if (fence.info.n > FENCE_INFO_MAX)
        fence.info = STR_LIT("");
    *ret_fence = fence;
    return true;
}

static bool fence_closes(const struct fence *fence, struct str line)
{
    size_t n = 0;
    while (n < line.n &&
           (line.p[n] == ' ' || line.p[n] == '\t' || (fence->is_quoted && line.p[n] == '>')))
        n++;
    if (!fence->is_quoted && n > strlen(fence->lead) + fence->dedent + 3)
        return false;
    struct str text = str_sub(line, n, line.n);
    size_t run = run_length(text, fence->mark);
    return run >= fence->run && skip_blanks(str_sub(text, run, text.n)).n == 0;
}

/* The fence that is open behind a line, given the one before it. */
static struct fence fence_after(const struct fence *fence, struct str line)
{
    struct fence next = {0};
    if (fence->is_open) {
        struct str text = skip_blanks(line);
        bool has_left_quote = fence->is_quoted && (text.n == 0 || text.p[0] != '>');
        if (!has_left_quote)
            return fence_closes(fence, line) ? next : *fence;
    }
    (void)fence_opens(line, &next);
    return next;
}

static void put_marks(struct buf *out, const struct fence *fence)
{
    buf_puts(out, fence->lead);
    for (size_t i = 0; i < fence->run; i++)
        buf_putc(out, fence->mark);
}

static size_t close_cost(const struct splitter *s, const struct fence *fence)
{
    if (!fence->is_open)
        return 0;
    char marks[FENCE_RUN_MAX];
    memset(marks, fence->mark, fence->run);
    return s->cost(STR_LIT("\n")) + s->cost(str_of(fence->lead)) +
           s->cost((struct str){marks, fence->run});
}

static void add(struct splitter *s, struct str text)
{
    buf_add_str(&s->part, text);
    s->part_cost += s->cost(text);
}

/* A fence of a list would be indented code without its list: it is reopened at the margin, and its
 * lines move there with it. False when there is no room for such luxury. */
static bool reopen_fence(struct splitter *s)
{
    struct fence *fence = &s->fence;
    if (!fence->is_quoted) {
        fence->dedent += strlen(fence->lead);
        fence->lead[0] = '\0';
    }
    put_marks(&s->part, fence);
    buf_add_str(&s->part, fence->info);
    buf_putc(&s->part, '\n');
    s->part_cost = s->cost(buf_str(&s->part));
    if (s->part_cost + close_cost(s, fence) <= s->max / 2)
        return true;
    buf_clear(&s->part);
    s->part_cost = 0;
    *fence = (struct fence){0};
    return false;
}

static struct str dedented(struct str line, const struct fence *fence)
{
    size_t n = 0;
    while (n < fence->dedent && n < line.n && (line.p[n] == ' ' || line.p[n] == '\t'))
        n++;
    return str_sub(line, n, line.n);
}

static struct cut cut_here(const struct splitter *s, const struct fence *fence)
{
    return (struct cut){true, s->used, s->part.len, s->part_cost, *fence};
}

/* Notes what kind of place the end of the line just taken is. */
static void note_place(struct splitter *s, struct str line, const struct fence *before,
                       const struct fence *after)
{
    bool is_blank = skip_blanks(line).n == 0;
    if (!after->is_open && !is_blank)
        s->is_after_heading = !before->is_open && is_heading(line);
    s->any = cut_here(s, after);
    if (after->is_open && before->is_open)
        s->code = s->any;
    else if (!after->is_open && !s->is_after_heading && is_blank)
        s->paragraph = s->any;
    else if (!after->is_open && !s->is_after_heading)
        s->line = s->any;
}

/* Takes whole lines as long as they fit; true when nothing is left. */
static bool take_lines(struct splitter *s, struct fence *fence)
{
    while (s->used < s->rest.n) {
        struct str line = first_line(str_sub(s->rest, s->used, s->rest.n));
        struct fence after = fence_after(fence, line);
        struct str shown = s->is_inside_line && s->used == 0 ? line : dedented(line, fence);
        if (shown.n > s->max || s->part_cost + s->cost(shown) + close_cost(s, &after) > s->max)
            return false;
        add(s, shown);
        s->used += line.n;
        note_place(s, line, fence, &after);
        *fence = after;
    }
    return true;
}

/* Places are worth taking when they leave a part of some size, or when the line behind them would
 * else be torn without need. */
static const struct cut *best_place(const struct splitter *s, bool is_next_line_short)
{
    const struct cut *const places[] = {&s->paragraph, &s->line, &s->code};
    for (size_t i = 0; i < 3; i++) {
        if (places[i]->is_set && places[i]->cost >= s->max / 4)
            return places[i];
    }
    for (size_t i = 0; i < 3 && is_next_line_short; i++) {
        if (places[i]->is_set)
            return places[i];
    }
    return NULL;
}

/* True when a cut between the two characters would change what is seen. */
static bool is_joined(uint32_t before, uint32_t after)
{
    bool is_extender = (after >= 0x300 && after <= 0x36F) || after == 0x200D || after == 0x20E3 ||
                       (after >= 0xFE00 && after <= 0xFE0F) ||
                       (after >= 0x1F3FB && after <= 0x1F3FF) ||
                       (after >= 0xE0020 && after <= 0xE007F);
    bool is_flag = before >= 0x1F1E6 && before <= 0x1F1FF && after >= 0x1F1E6 && after <= 0x1F1FF;
    return is_extender || is_flag || before == 0x200D || before == '\\' || after == '`' ||
           after == '~' || after == '*';
}

static bool is_good_end(uint32_t cp)
{
    return cp == ' ' || cp == '\t' || cp == 0x3000 || cp == 0x3001 || cp == 0x3002 ||
           cp == 0xFF0C || cp == 0xFF01 || cp == 0xFF1F || cp == 0xFF1B;
}

/* Start of the character that ends at `end`. */
static size_t previous_start(struct str s, size_t end)
{
    return utf8_cut(str_sub(s, 0, end), end - 1);
}

static uint32_t char_at(struct str s, size_t at)
{
    uint32_t cp;
    (void)utf8_decode(str_sub(s, at, s.n), &cp);
    return cp;
}

/* Moves a cut inside a line back to a better place near by. */
static size_t better_end(struct str line, size_t end)
{
    for (size_t at = end; at > 0 && end - at < LOOK_BACK_BYTES && at > end / 2;) {
        size_t start = previous_start(line, at);
        if (is_good_end(char_at(line, start)))
            return at;
        at = start;
    }
    size_t at = end;
    for (size_t i = 0; i < LOOK_BACK_CHARS && at > 0 && at < line.n; i++) {
        size_t start = previous_start(line, at);
        if (!is_joined(char_at(line, start), char_at(line, at)))
            return at;
        at = start;
    }
    return end;
}

/* How much of the line costs at most `room`. */
static size_t fitting_end(const struct splitter *s, struct str line, size_t room)
{
    size_t end = 0;
    while (end < line.n) {
        uint32_t cp;
        size_t len = utf8_decode(str_sub(line, end, line.n), &cp);
        size_t char_cost = s->cost(str_sub(line, end, len));
        if (char_cost > room)
            break;
        room -= char_cost;
        end += len;
    }
    return end;
}

/* Fills the part with the beginning of a line that is too long. */
static void cut_inside_line(struct splitter *s, struct fence *fence)
{
    struct str line = first_line(str_sub(s->rest, s->used, s->rest.n));
    struct str shown = s->is_inside_line && s->used == 0 ? line : dedented(line, fence);
    size_t taken = s->part_cost + close_cost(s, fence);
    bool is_opener = !fence->is_open && fence_after(fence, line).is_open;
    size_t end =
        taken < s->max && !(is_opener && s->any.is_set) ? fitting_end(s, shown, s->max - taken) : 0;
    if (end > 0)
        end = better_end(shown, end);
    s->is_inside_line = true;
    if (end == 0) {
        if (s->any.is_set) { /* full of lines that nobody likes to end with */
            s->is_inside_line = false;
            return;
        }
        uint32_t cp;
        end = utf8_decode(shown, &cp);
    }
    add(s, str_sub(shown, 0, end));
    s->used += line.n - shown.n + end;
    if (end == shown.n)
        s->is_inside_line = false;
}

static void push_part(struct splitter *s)
{
    struct split *out = &s->out;
    out->parts = xreallocarray(out->parts, out->n + 1, sizeof(*out->parts));
    out->parts[out->n++] = buf_steal(&s->part);
}

static void trim_end(struct buf *part)
{
    size_t len = part->len;
    while (len > 0 && is_blank_byte(part->data[len - 1]))
        len--;
    buf_truncate(part, len);
}

/* Ends the part: a fence that is open is closed, unless the next line does so anyway. */
static void end_part(struct splitter *s, const struct fence *fence)
{
    s->rest = str_sub(s->rest, s->used, s->rest.n);
    s->fence = *fence;
    if (fence->is_open) {
        if (s->part.len > 0 && s->part.data[s->part.len - 1] != '\n')
            buf_putc(&s->part, '\n');
        put_marks(&s->part, fence);
        struct str line = first_line(s->rest);
        if (!s->is_inside_line && fence_closes(fence, line)) {
            s->rest = str_sub(s->rest, line.n, s->rest.n);
            s->fence = (struct fence){0};
        }
    } else {
        trim_end(&s->part);
    }
    push_part(s);
}

/* White space at the beginning of a part goes, a nested item's indentation too: without its list
 * it would read as code. A fence that stands indented there is moved to the margin like a cut one.
 */
static void skip_to_text(struct splitter *s)
{
    struct str text = str_trim(s->rest);
    size_t start = (size_t)(text.p - s->rest.p);
    size_t indent = 0;
    while (indent < start && s->rest.p[start - indent - 1] != '\n')
        indent++;
    struct str line = first_line(str_sub(s->rest, start - indent, s->rest.n));
    s->rest = str_sub(s->rest, start, s->rest.n);
    struct fence fence;
    if (indent > 0 && !s->is_inside_line && fence_opens(line, &fence) &&
        strlen(fence.lead) == indent) {
        s->fence = fence;
        s->rest = str_sub(s->rest, line.n - indent, s->rest.n);
    }
}

/* False when nothing but white space is left. */
static bool begin_part(struct splitter *s)
{
    s->part_cost = 0;
    s->used = 0;
    s->is_after_heading = false;
    s->paragraph = s->line = s->code = s->any = (struct cut){0};
    while (str_trim(s->rest).n > 0) {
        if (!s->fence.is_open)
            skip_to_text(s);
        if (!s->fence.is_open || reopen_fence(s))
            return true;
    }
    return false;
}

static void make_part(struct splitter *s)
{
    struct fence fence = s->fence;
    if (!take_lines(s, &fence)) {
        struct str next = first_line(str_sub(s->rest, s->used, s->rest.n));
        bool is_short = next.n <= s->max && s->cost(next) <= s->max;
        const struct cut *place = best_place(s, is_short);
        if (place) {
            s->used = place->rest_bytes;
            buf_truncate(&s->part, place->part_bytes);
            fence = place->fence;
            s->is_inside_line = false;
        } else {
            cut_inside_line(s, &fence);
        }
    }
    end_part(s, &fence);
}

struct split split_markdown(struct str text, size_t max, size_t (*cost)(struct str part))
{
    struct splitter s = {
        .rest = text,
        .max = max < SPLIT_MAX_SMALLEST ? SPLIT_MAX_SMALLEST : max,
        .cost = cost ? cost : length_of,
    };
    /* A part is at most as long as its cost; the one that takes a character by force may be longer
     * by as much. */
    buf_init(&s.part, s.max > text.n ? s.max + 16 : text.n + s.max);
    if (text.n <= s.max && s.cost(text) <= s.max) {
        buf_add_str(&s.part, text);
        push_part(&s);
        return s.out;
    }
    while (begin_part(&s))
        make_part(&s);
    if (s.out.n == 0)
        push_part(&s);
    buf_done(&s.part);
    return s.out;
}

void split_open_fence(struct str text, struct buf *close, struct buf *reopen)
{
    struct fence fence = {0};
    for (struct str rest = text; rest.n > 0;) {
        struct str line = first_line(rest);
        fence = fence_after(&fence, line);
        rest = str_sub(rest, line.n, rest.n);
    }
    if (!fence.is_open)
        return;
    if (text.p[text.n - 1] != '\n')
        buf_putc(close, '\n');
    put_marks(close, &fence);
    if (!reopen)
        return;
    put_marks(reopen, &fence);
    buf_add_str(reopen, fence.info);
    buf_putc(reopen, '\n');
}

void split_done(struct split *split)
{
    for (size_t i = 0; i < split->n; i++)
        free(split->parts[i]);
    free(split->parts);
    *split = (struct split){0};
}
