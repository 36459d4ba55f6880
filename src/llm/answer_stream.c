#include "llm/answer_stream.h"

#include <string.h>

#include "util/json.h"

#define EVENT_BYTES_MAX ((size_t)4 * 1024 * 1024)
/* A body in one piece: the text, at worst as \uXXXX, and reasoning beside it. */
#define JSON_BYTES_MAX(max_answer_bytes) ((max_answer_bytes)*6 + EVENT_BYTES_MAX)

static const struct str think_open = STR_LIT("<think>");
static const struct str think_close = STR_LIT("</think>");
static const struct str lone_close = STR_LIT("\n</think>");
#define SEAM_BYTES 16 /* more than a tag */

static enum status on_event(const struct sse_event *event, void *arg);

void answer_stream_init(struct answer_stream *stream, const struct dialect *dialect,
                        size_t max_answer_bytes)
{
    *stream = (struct answer_stream){
        .dialect = dialect,
        .json = BUF_INIT(JSON_BYTES_MAX(max_answer_bytes)),
        .held = BUF_INIT(16), /* less than a tag */
        .seam = BUF_INIT(max_answer_bytes + SEAM_BYTES),
        .text = BUF_INIT(max_answer_bytes),
        .max_answer_bytes = max_answer_bytes,
        .usage = {.prompt_tokens = -1, .completion_tokens = -1},
    };
    sse_init(&stream->sse, EVENT_BYTES_MAX, on_event, stream);
}

void answer_stream_done(struct answer_stream *stream)
{
    sse_done(&stream->sse);
    buf_done(&stream->json);
    buf_done(&stream->held);
    buf_done(&stream->seam);
    buf_done(&stream->text);
}

/* --- text ------------------------------------------------------------------------------------- */

static enum status fail_too_large(struct answer_stream *stream)
{
    problem_set(&stream->problem, LLM_FAIL_TOO_LARGE, false, "the answer is longer than %zu bytes",
                stream->max_answer_bytes);
    return ST_TOO_LARGE;
}

static enum status add_text(struct answer_stream *stream, struct str text)
{
    size_t room = stream->max_answer_bytes - stream->text_bytes;
    struct str taken = str_sub(text, 0, utf8_cut(text, room));
    stream->text_bytes += taken.n;
    /* It cannot fail: the buffer holds a part of what text_bytes counts. */
    (void)buf_add_str(&stream->text, taken);
    return taken.n == text.n ? ST_OK : fail_too_large(stream);
}

static enum status take_characters(struct answer_stream *stream, struct str text);

/* Everything so far was reasoning; `rest` is what stands behind the closing tag. */
static enum status retract(struct answer_stream *stream, struct str rest)
{
    struct buf kept = BUF_INIT(rest.n);
    (void)buf_add_str(&kept, rest);
    buf_clear(&stream->text);
    buf_clear(&stream->seam);
    stream->text_bytes = 0;
    stream->is_retracted = stream->has_reasoning = stream->is_about_tags = true;
    stream->opening = ANSWER_OPENING;
    enum status status = take_characters(stream, buf_str(&kept));
    buf_done(&kept);
    return status;
}

static enum status take_answer(struct answer_stream *stream, struct str text)
{
    struct buf *seam = &stream->seam;
    if (stream->is_about_tags || buf_add_str(seam, text) != ST_OK)
        return add_text(stream, text);
    ptrdiff_t close = str_find(buf_str(seam), lone_close);
    stream->is_about_tags = str_find(buf_str(seam), think_open) >= 0;
    if (close >= 0 && !stream->is_about_tags)
        return retract(stream, str_sub(buf_str(seam), (size_t)close + lone_close.n, seam->len));
    if (seam->len > SEAM_BYTES)
        buf_consume(seam, seam->len - SEAM_BYTES);
    return add_text(stream, text);
}

static struct str without_leading_space(struct str text)
{
    struct str trimmed = str_trim(text);
    return trimmed.n == 0 ? trimmed : str_sub(text, (size_t)(trimmed.p - text.p), text.n);
}

/* `text` is all that came and was not decided on. Returns what has to be held back. */
static struct str pass_opening(struct answer_stream *stream, struct str text,
                               enum status *ret_status)
{
    const struct str nothing = {"", 0};
    *ret_status = ST_OK;
    if (stream->opening == ANSWER_OPENING) {
        text = without_leading_space(text);
        if (text.n < think_open.n && str_starts(think_open, text))
            return text; /* also when it is empty */
        stream->opening = str_starts(text, think_open) ? ANSWER_THINKING : ANSWER_ANSWERING;
    }
    if (stream->opening == ANSWER_THINKING) {
        stream->has_reasoning = true;
        ptrdiff_t end = str_find(text, think_close);
        if (end < 0) {
            /* Only a tail that may be the beginning of the closing tag has to be kept. */
            size_t tail = think_close.n - 1;
            return text.n > tail ? str_sub(text, text.n - tail, tail) : text;
        }
        text = without_leading_space(str_sub(text, (size_t)end + think_close.n, text.n));
        if (text.n == 0) {
            stream->opening = ANSWER_OPENING; /* white space, or more thoughts, may follow */
            return nothing;
        }
        stream->opening = ANSWER_ANSWERING;
    }
    *ret_status = take_answer(stream, text);
    return nothing;
}

static enum status take_characters(struct answer_stream *stream, struct str text)
{
    if (stream->opening == ANSWER_ANSWERING)
        return take_answer(stream, text);

    struct buf all = BUF_INIT(stream->held.len + text.n);
    (void)buf_add_str(&all, buf_str(&stream->held));
    (void)buf_add_str(&all, text);
    buf_clear(&stream->held);
    enum status status;
    (void)buf_add_str(&stream->held, pass_opening(stream, buf_str(&all), &status));
    buf_done(&all);
    return status;
}

static void put_character(struct buf *out, uint32_t cp)
{
    const char bytes[4] = {(char)(0xF0 | cp >> 18), (char)(0x80 | (cp >> 12 & 0x3F)),
                           (char)(0x80 | (cp >> 6 & 0x3F)), (char)(0x80 | (cp & 0x3F))};
    (void)buf_add(out, bytes, sizeof(bytes));
}

/* Joins the halves of characters that were cut between two deltas, or shows that one is missing. */
static void join_halves(struct answer_stream *stream, struct str text, struct buf *out)
{
    const struct str broken = STR_LIT("\xEF\xBF\xBD");
    while (text.n > 0) {
        uint32_t cp;
        size_t n = utf8_decode(text, &cp);
        bool is_half = cp >= JSON_HALF_FIRST && cp <= JSON_HALF_LAST;
        bool is_second = is_half && (cp & 0xFC00) == 0xDC00;
        if (stream->half && is_second)
            put_character(out, 0x10000 + ((stream->half & 0x3FF) << 10 | (cp & 0x3FF)));
        else if (stream->half || is_second)
            (void)buf_add_str(out, broken);
        stream->half = is_half && !is_second ? cp : 0;
        if (!is_half)
            (void)buf_add(out, text.p, n);
        text = str_sub(text, n, text.n);
    }
}

static enum status take_text(struct answer_stream *stream, struct str text)
{
    if (text.n == 0)
        return ST_OK;
    stream->n_pieces++;
    /* What begins with these bytes may be a half. */
    if (!stream->half && str_find(text, STR_LIT("\xF4\x8D")) < 0)
        return take_characters(stream, text);
    struct buf joined = BUF_INIT(text.n + 8);
    join_halves(stream, text, &joined);
    enum status status = joined.len > 0 ? take_characters(stream, buf_str(&joined)) : ST_OK;
    buf_done(&joined);
    return status;
}

/* A string, or parts of which the ones of type "text" are the answer. */
static enum status take_content(struct answer_stream *stream, const json_t *content)
{
    enum status status = ST_OK;
    if (json_is_string(content))
        return take_text(stream,
                         (struct str){json_string_value(content), json_string_length(content)});
    for (size_t i = 0; i < json_array_size(content) && status == ST_OK; i++)
        status = take_text(stream, json_str(json_array_get(content, i), "text"));
    return status;
}

/* --- JSON values ------------------------------------------------------------------------------ */

static void take_usage(struct answer_stream *stream, const struct llm_usage *usage)
{
    if (usage->prompt_tokens >= 0)
        stream->usage.prompt_tokens = usage->prompt_tokens;
    if (usage->completion_tokens >= 0)
        stream->usage.completion_tokens = usage->completion_tokens;
}

/* One event, or the whole answer. */
static enum status take_value(struct answer_stream *stream, const json_t *value)
{
    stream->has_value = true;
    problem_classify_json(value, &stream->problem);
    if (stream->problem.failure != LLM_OK)
        return ST_UPSTREAM;
    struct answer_piece piece;
    stream->dialect->read_value(value, &piece);
    stream->has_answer |= piece.is_answer;
    take_usage(stream, &piece.usage);
    if (json_string_length(piece.reasoning) > 0) {
        stream->has_reasoning = true;
        stream->n_pieces++;
    }
    enum status status = take_content(stream, piece.texts[0]);
    if (status == ST_OK)
        status = take_content(stream, piece.texts[1]);
    if (piece.finish != ANSWER_FINISH_NONE)
        stream->finish = piece.finish;
    stream->is_done |= piece.is_end;
    return status;
}

static enum status on_event(const struct sse_event *event, void *arg)
{
    struct answer_stream *stream = arg;
    struct str data = str_trim(event->data);
    if (stream->is_done || data.n == 0)
        return ST_OK;
    if (str_eq(data, STR_LIT("[DONE]"))) {
        stream->is_done = true;
        return ST_OK;
    }
    DB_CLEANUP(json_unref) json_t *value = NULL;
    if (json_parse_halves(data, &value, NULL) == ST_OK) {
        if (str_eq(event->type, STR_LIT("error")))
            problem_classify_error(value, &stream->problem);
        return stream->problem.failure == LLM_OK ? take_value(stream, value) : ST_UPSTREAM;
    }
    if (stream->is_ending)
        return ST_OK; /* cut in its middle, which is judged as that */
    problem_set(&stream->problem, LLM_FAIL_GARBLED, false, "an event of %zu bytes is not JSON",
                data.n);
    return ST_PROTOCOL;
}

/* --- the body --------------------------------------------------------------------------------- */

static enum answer_format format_of(char first)
{
    if (first == '{' || first == '[')
        return ANSWER_FORMAT_JSON;
    return first == '<' ? ANSWER_FORMAT_NONE : ANSWER_FORMAT_EVENTS;
}

/* Looks for the first byte that is neither white space nor of a byte order mark, and returns where
 * it is. */
static size_t find_format(struct answer_stream *stream, struct str bytes)
{
    size_t i = 0;
    while (i < bytes.n && memchr(" \t\r\n\xEF\xBB\xBF", bytes.p[i], 7))
        i++;
    if (i < bytes.n)
        stream->format = format_of(bytes.p[i]);
    return i;
}

bool answer_stream_feed(struct answer_stream *stream, struct str bytes)
{
    if (stream->problem.failure != LLM_OK)
        return false;
    /* What is skipped goes to the event parser as well, which wants a mark that is cut in two to
     * stay whole. */
    size_t start = stream->format == ANSWER_FORMAT_OPEN ? find_format(stream, bytes) : 0;
    enum status status = ST_OK;
    switch (stream->format) {
    case ANSWER_FORMAT_OPEN:
    case ANSWER_FORMAT_EVENTS:
        status = sse_feed(&stream->sse, bytes);
        break;
    case ANSWER_FORMAT_JSON:
        status = buf_add_str(&stream->json, str_sub(bytes, start, bytes.n));
        break;
    case ANSWER_FORMAT_NONE:
        problem_set(&stream->problem, LLM_FAIL_GARBLED, false,
                    "the answer is a web page: base_url leads to a site, not to an API");
        break;
    }
    if (status == ST_TOO_LARGE && stream->problem.failure == LLM_OK)
        (void)fail_too_large(stream);
    return stream->problem.failure == LLM_OK;
}

static void take_whole_json(struct answer_stream *stream)
{
    struct str body = str_trim(buf_str(&stream->json));
    DB_CLEANUP(json_unref) json_t *value = NULL;
    if (json_parse_lenient(body, &value, NULL) != ST_OK)
        return;
    if (take_value(stream, value) != ST_OK)
        return;
    if (!stream->has_answer)
        problem_set(&stream->problem, LLM_FAIL_GARBLED, false, "the answer is JSON, and no answer");
    else if (stream->finish == ANSWER_FINISH_NONE)
        stream->finish = ANSWER_FINISH_STOP;
}

void answer_stream_finish(struct answer_stream *stream)
{
    if (stream->problem.failure != LLM_OK)
        return;
    stream->is_ending = true;
    if (stream->format == ANSWER_FORMAT_EVENTS)
        (void)!sse_finish(&stream->sse);
    else if (stream->format == ANSWER_FORMAT_JSON)
        take_whole_json(stream);
    /* An answer that ends with "<thi" meant it. */
    if (stream->opening == ANSWER_OPENING && stream->held.len > 0 &&
        stream->problem.failure == LLM_OK) {
        stream->opening = ANSWER_ANSWERING;
        (void)add_text(stream, buf_str(&stream->held));
        buf_clear(&stream->held);
    }
}

bool answer_stream_is_whole(const struct answer_stream *stream)
{
    return stream->is_done || stream->finish != ANSWER_FINISH_NONE;
}

static void judge_whole(const struct answer_stream *stream, struct problem *ret_problem)
{
    bool has_text = stream->text_bytes > 0;
    if (stream->finish == ANSWER_FINISH_ERROR)
        problem_set(ret_problem, has_text ? LLM_FAIL_CUT : LLM_FAIL_BUSY, true,
                    "the model gave up in the middle");
    else if (stream->finish == ANSWER_FINISH_FILTER)
        problem_set(ret_problem, LLM_FAIL_REFUSED, false, "the content filter ended it");
    else if (has_text)
        *ret_problem = (struct problem){.http_status = 200};
    else if (stream->finish == ANSWER_FINISH_FULL)
        problem_set(ret_problem, LLM_FAIL_TOO_LONG, false, "the question fills the context");
    else if (stream->finish == ANSWER_FINISH_LENGTH)
        problem_set(ret_problem, LLM_FAIL_THOUGHT_OUT, false,
                    "the answer's budget was used up before its text began");
    else
        problem_set(ret_problem, LLM_FAIL_EMPTY, false, "the answer has no text");
}

void answer_stream_judge(const struct answer_stream *stream, const struct problem *transfer,
                         struct problem *ret_problem)
{
    if (stream->problem.failure != LLM_OK)
        *ret_problem = stream->problem;
    else if (answer_stream_is_whole(stream))
        judge_whole(stream, ret_problem);
    else if (transfer->failure != LLM_OK)
        *ret_problem = *transfer;
    else if (stream->format == ANSWER_FORMAT_JSON)
        problem_set(ret_problem, LLM_FAIL_GARBLED, false, "the answer is broken JSON");
    else if (!stream->has_value && stream->format != ANSWER_FORMAT_OPEN)
        problem_set(ret_problem, LLM_FAIL_GARBLED, false, "the answer holds no event");
    else
        problem_set(ret_problem, LLM_FAIL_CUT, true,
                    stream->has_value ? "the stream ended in the middle"
                                      : "the answer's body was empty");
}
