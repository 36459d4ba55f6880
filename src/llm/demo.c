#include "llm/demo.h"

#include <stdlib.h>
#include <string.h>

#include "llm/demo_picture.h"
#include "util/buf.h"
#include "util/map.h"
#include "util/mem.h"

#define CHUNK_BYTES 12
#define ECHO_BYTES_MAX ((size_t)2000)
#define ANSWER_BYTES_MAX ((size_t)64 * 1024)

struct demo {
    struct llm llm; /* first */
    struct loop *loop;
    struct map *exchanges;
    uint64_t last_id;
    bool is_english;
    int64_t chunk_delay_ms;
};

/* Every kind is a timer that ends it; an answer has one timer after another. */
struct demo_exchange {
    uint64_t id;
    struct demo *demo;
    struct timer *timer;
    void *arg;
    const struct llm_ask_handlers *handlers;
    llm_image_fn on_image;
    llm_balance_fn on_balance;
    llm_check_fn on_check;
    struct buf answer;
    size_t sent_bytes;
    unsigned seed;
};

static const struct llm_outcome success = {.failure = LLM_OK, .peer_request_id = "", .tries = 1};

/* --- the answer's text ------------------------------------------------------------------------ */

struct demo_words {
    const char *before_question, *after_question, *no_context, *before_count, *after_count, *rest;
};

static const struct demo_words words_zh = {
    .before_question = "## 【演示模式】这不是大模型的回答\n\n你问的是：\n\n",
    .after_question = "\n我是内置的演示，只会把问题念回来，好让你试试各种命令：\n\n",
    .no_context = "- 这次没有带上之前的对话（发送 **串聊** 后再问，就会带上）\n",
    .before_count = "- 这次带上了之前的 ",
    .after_count = " 条消息，串聊正在起作用\n",
    .rest = "- 发送 **帮助** 看全部命令，发送 **模板** 看内置模板\n"
            "- 发送 **#图片 一只猫** 试试画图\n\n"
            "接上真正的大模型，只要写一份 `config.yml`，再重新启动：\n\n"
            "```yaml\n"
            "api_key: 你的密钥\n"
            "base_url: https://api.openai.com\n"
            "```\n",
};

static const struct demo_words words_en = {
    .before_question = "## [demo mode] This is not a model's answer\n\nYou asked:\n\n",
    .after_question = "\nI am a built-in stand-in that repeats the question, so that you can try "
                      "the commands:\n\n",
    .no_context = "- No earlier messages came with it (send **串聊** first, and they will)\n",
    .before_count = "- Earlier messages that came with it: ",
    .after_count = " (the conversation is remembered)\n",
    .rest = "- Send **帮助** for all commands, **模板** for the templates\n"
            "- Send **#图片 a cat** to try drawing\n\n"
            "For a real model write a `config.yml` and start again:\n\n"
            "```yaml\n"
            "api_key: your key\n"
            "base_url: https://api.openai.com\n"
            "```\n",
};

static void put_quoted(struct buf *out, struct str question)
{
    bool is_long = question.n > ECHO_BYTES_MAX;
    question.n = utf8_cut(question, ECHO_BYTES_MAX);
    while (question.n > 0) {
        struct str line = str_cut(&question, '\n');
        (void)buf_puts(out, "> ");
        (void)buf_add_str(out, line);
        (void)buf_puts(out, question.n == 0 && is_long ? " …\n" : "\n");
    }
}

static void write_answer(const struct demo *demo, const struct llm_message *messages,
                         size_t n_messages, struct buf *out)
{
    size_t last = n_messages;
    size_t n_before = 0;
    for (size_t i = 0; i < n_messages; i++) {
        if (messages[i].role == LLM_USER)
            last = i;
    }
    for (size_t i = 0; i < last && last < n_messages; i++)
        n_before += messages[i].role != LLM_SYSTEM;

    const struct demo_words *words = demo->is_english ? &words_en : &words_zh;
    (void)buf_puts(out, words->before_question);
    put_quoted(out, str_of(last < n_messages ? messages[last].text : ""));
    (void)buf_puts(out, words->after_question);
    if (n_before == 0)
        (void)buf_puts(out, words->no_context);
    else
        (void)buf_printf(out, "%s**%zu**%s", words->before_count, n_before, words->after_count);
    (void)buf_puts(out, words->rest);
}

/* --- exchanges -------------------------------------------------------------------------------- */

static struct demo_exchange *exchange_new(struct llm *llm, void *arg)
{
    struct demo *demo = (struct demo *)llm;
    struct demo_exchange *exchange = xcalloc(1, sizeof(*exchange));
    *exchange = (struct demo_exchange){
        .id = ++demo->last_id, .demo = demo, .arg = arg, .answer = BUF_INIT(ANSWER_BYTES_MAX)};
    (void)map_put_id(demo->exchanges, exchange->id, exchange);
    return exchange;
}

static void exchange_free(struct demo_exchange *exchange)
{
    (void)map_take_id(exchange->demo->exchanges, exchange->id);
    timer_cancel(&exchange->timer);
    buf_done(&exchange->answer);
    free(exchange);
}

static uint64_t start(struct demo_exchange *exchange, loop_fn fn)
{
    struct demo *demo = exchange->demo;
    exchange->timer = timer_start(demo->loop, demo->chunk_delay_ms, "demo", fn, exchange);
    return exchange->id;
}

/* Takes it out of the map, so that a cancel from the callback that follows finds nothing. */
static void end(struct demo_exchange *exchange)
{
    exchange->timer = NULL;
    (void)map_take_id(exchange->demo->exchanges, exchange->id);
}

static void on_answer_end(void *arg)
{
    struct demo_exchange *exchange = arg;
    end(exchange);
    const struct llm_answer answer = {.outcome = success,
                                      .usage = {.prompt_tokens = -1, .completion_tokens = -1},
                                      .model = exchange->demo->llm.model,
                                      .provider = exchange->demo->llm.provider};
    exchange->handlers->on_done(exchange->id, &answer, exchange->arg);
    exchange_free(exchange);
}

static void on_chunk(void *arg)
{
    struct demo_exchange *exchange = arg;
    struct str rest = str_sub(buf_str(&exchange->answer), exchange->sent_bytes, SIZE_MAX);
    struct str chunk = str_sub(rest, 0, utf8_cut(rest, CHUNK_BYTES));
    exchange->sent_bytes += chunk.n;
    (void)start(exchange, chunk.n == rest.n ? on_answer_end : on_chunk);
    /* The receiver may cancel, so this comes last, with bytes of its own. */
    char bytes[CHUNK_BYTES];
    memcpy(bytes, chunk.p, chunk.n);
    if (exchange->handlers->on_text)
        exchange->handlers->on_text(exchange->id, (struct str){bytes, chunk.n}, exchange->arg);
}

static uint64_t ask(struct llm *llm, const char *model, const struct llm_message *messages,
                    size_t n_messages, const struct llm_ask_handlers *handlers, void *arg)
{
    struct demo_exchange *exchange = exchange_new(llm, arg);
    exchange->handlers = handlers;
    write_answer(exchange->demo, messages, n_messages, &exchange->answer);
    return start(exchange, on_chunk);
}

static void on_drawn(void *arg)
{
    struct demo_exchange *exchange = arg;
    end(exchange);
    struct buf picture = BUF_INIT(DEMO_PICTURE_BYTES_MAX);
    demo_picture_draw(exchange->seed, &picture);
    const struct llm_image image = {.outcome = success,
                                    .bytes = buf_str(&picture),
                                    .content_type = "image/png",
                                    .extension = "png",
                                    .model = exchange->demo->llm.model,
                                    .provider = exchange->demo->llm.provider};
    exchange->on_image(exchange->id, &image, exchange->arg);
    buf_done(&picture);
    exchange_free(exchange);
}

static uint64_t draw(struct llm *llm, const char *prompt, llm_image_fn fn, void *arg)
{
    struct demo_exchange *exchange = exchange_new(llm, arg);
    exchange->on_image = fn;
    for (const char *p = prompt; *p; p++)
        exchange->seed = exchange->seed * 31 + (unsigned char)*p;
    return start(exchange, on_drawn);
}

static void on_counted(void *arg)
{
    struct demo_exchange *exchange = arg;
    end(exchange);
    const struct llm_balance balance = {.outcome = success,
                                        .provider = exchange->demo->is_english ? "[demo mode]"
                                                                               : "【演示模式】",
                                        .lines = {{.money = LLM_MONEY_CNY,
                                                   .has_total = true,
                                                   .has_used = true,
                                                   .has_left = true,
                                                   .total = 100,
                                                   .used = 12.34,
                                                   .left = 87.66}},
                                        .n_lines = 1};
    exchange->on_balance(exchange->id, &balance, exchange->arg);
    exchange_free(exchange);
}

static uint64_t balance(struct llm *llm, llm_balance_fn fn, void *arg)
{
    struct demo_exchange *exchange = exchange_new(llm, arg);
    exchange->on_balance = fn;
    return start(exchange, on_counted);
}

static void on_checked(void *arg)
{
    struct demo_exchange *exchange = arg;
    end(exchange);
    const struct llm_check check = {
        .outcome = success, .is_model_known = true, .has_model_list = true};
    exchange->on_check(exchange->id, &check, exchange->arg);
    exchange_free(exchange);
}

static uint64_t check(struct llm *llm, llm_check_fn fn, void *arg)
{
    struct demo_exchange *exchange = exchange_new(llm, arg);
    exchange->on_check = fn;
    return start(exchange, on_checked);
}

static void cancel(struct llm *llm, uint64_t id)
{
    struct demo_exchange *exchange = map_get_id(((struct demo *)llm)->exchanges, id);
    if (exchange)
        exchange_free(exchange);
}

static void demo_free(struct llm *llm)
{
    struct demo *demo = (struct demo *)llm;
    for (struct demo_exchange *exchange; (exchange = map_any(demo->exchanges));)
        exchange_free(exchange);
    map_free(demo->exchanges);
    free(demo);
}

static const struct llm_ops demo_ops = {
    .ask = ask,
    .draw = draw,
    .balance = balance,
    .check = check,
    .cancel = cancel,
    .free = demo_free,
};

struct llm *demo_new(struct loop *loop, bool is_english, int64_t chunk_delay_ms)
{
    struct demo *demo = xcalloc(1, sizeof(*demo));
    *demo = (struct demo){
        .llm = {.ops = &demo_ops, .provider = "demo", .model = "demo", .token_ratio = 1},
        .loop = loop,
        .exchanges = map_new(),
        .is_english = is_english,
        .chunk_delay_ms = chunk_delay_ms,
    };
    return &demo->llm;
}
