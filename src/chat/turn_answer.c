/* The part of a turn that gets something from the LLM: an answer, an image, a balance. */
#include "chat/turn.h"

#include <stdio.h>
#include <stdlib.h>

#include "chat/models.h"
#include "chat/turn_tools.h"
#include "llm/tokens.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/mem.h"

static const struct {
    enum llm_failure failure;
    enum word word;
} failure_words[] = {
    {LLM_FAIL_AUTH, WORD_FAIL_AUTH},
    {LLM_FAIL_QUOTA, WORD_FAIL_QUOTA},
    {LLM_FAIL_RATE, WORD_FAIL_RATE},
    {LLM_FAIL_MODEL, WORD_FAIL_MODEL},
    {LLM_FAIL_TOO_LONG, WORD_FAIL_TOO_LONG},
    {LLM_FAIL_REFUSED, WORD_FAIL_REFUSED},
    {LLM_FAIL_REQUEST, WORD_FAIL_REQUEST},
    {LLM_FAIL_BUSY, WORD_FAIL_BUSY},
    {LLM_FAIL_CONNECT, WORD_FAIL_CONNECT},
    {LLM_FAIL_TIMEOUT, WORD_FAIL_TIMEOUT},
    {LLM_FAIL_CUT, WORD_FAIL_CUT},
    {LLM_FAIL_GARBLED, WORD_FAIL_GARBLED},
    {LLM_FAIL_EMPTY, WORD_FAIL_EMPTY},
    {LLM_FAIL_THOUGHT_OUT, WORD_FAIL_THOUGHT_OUT},
    {LLM_FAIL_TOO_LARGE, WORD_FAIL_TOO_LARGE},
    {LLM_FAIL_UNSUPPORTED, WORD_FAIL_UNSUPPORTED},
    {LLM_FAIL_CANCELLED, WORD_FAIL_CANCELLED},
};

static enum word failure_word(enum llm_failure failure)
{
    for (size_t i = 0; i < sizeof(failure_words) / sizeof(failure_words[0]); i++) {
        if (failure_words[i].failure == failure)
            return failure_words[i].word;
    }
    return WORD_FAIL_INTERNAL;
}

static void release_place(struct turn *turn)
{
    if (!turn->has_place)
        return;
    turn->has_place = false;
    chat_release_place(turn->chat);
}

void turn_stop_exchange(struct turn *turn)
{
    if (turn->llm_id)
        llm_cancel(turn->chat->llm, turn->llm_id);
    turn->llm_id = 0;
    turn_stop_lookup(turn);
    list_remove(&turn->place_node);
    release_place(turn);
}

/* The exchange gave no whole answer: the person hears why, after what was said so far. */
static void deliver_failure(struct turn *turn, enum llm_failure failure)
{
    turn->failure = failure;
    turn->is_failure = true;
    bool is_partial = turn->answer.len > 0;
    turn->outcome = is_partial ? "cut" : "failed";
    turn->reply_kind = is_partial ? REPLY_ANSWER : REPLY_NOTICE;
    const char *reason = words_get(turn->chat->settings.language, failure_word(failure));
    const char *const args[] = {reason, turn->reference, NULL};
    buf_clear(&turn->shown);
    buf_add_str(&turn->shown, buf_str(&turn->answer));
    if (failure == LLM_FAIL_CANCELLED)
        turn_put(turn, is_partial ? WORD_STOPPED_NOTE : WORD_STOPPED, NULL);
    else
        turn_put(turn, is_partial ? WORD_CUT_NOTE : WORD_FAILED, args);
    turn_deliver(turn);
}

static void log_failure(const struct turn *turn, const struct llm_outcome *outcome)
{
    log_event(LOG_WARN, "turn", "llm_failed", LOG_S("ref", turn->reference),
              LOG_S("kind", turn->kind ? turn->kind : "command"),
              LOG_S("reason", llm_failure_name(outcome->failure)),
              LOG_I("code", outcome->error.code), LOG_S("detail", outcome->error.text),
              LOG_S("request", outcome->peer_request_id), LOG_I("tries", outcome->tries),
              LOG_I("partial_bytes", turn->answer.len),
              LOG_S("model", turn->model ? turn->model : ""));
}

static void on_text(uint64_t id, struct str text, void *arg)
{
    struct turn *turn = arg;
    size_t before = turn->answer.len;
    if (turn->masker)
        masker_add(turn->masker, text, &turn->answer);
    else
        (void)buf_add_str(&turn->answer, text); /* the provider keeps the limit */
    if (turn->answer.len > before)
        turn->sink->ops->grow(turn->sink, buf_str(&turn->answer));
}

/* It was no part of the answer: the person sees the answer begin anew. */
static void on_retract(uint64_t id, void *arg)
{
    struct turn *turn = arg;
    buf_clear(&turn->answer);
    turn->sink->ops->grow(turn->sink, STR_LIT(""));
}

/* No more text comes: what was held back is no word. */
static void end_text(struct turn *turn)
{
    if (turn->masker)
        masker_end(turn->masker, &turn->answer);
    masker_free(turn->masker);
    turn->masker = NULL;
}

static void start_ask(struct turn *turn);

static void on_answer(uint64_t id, const struct llm_answer *answer, void *arg)
{
    struct turn *turn = arg;
    turn->llm_id = 0;
    turn->model = answer->model;
    turn->provider = answer->provider;
    turn->usage = answer->usage;
    end_text(turn);
    enum llm_failure failure = answer->outcome.failure;
    if (failure == LLM_FAIL_TOO_LONG && turn->answer.len == 0 && turn->context.n > 0) {
        /* First half of what was said before, then all of it: the question alone may still fit. */
        if (turn->n_cuts++ == 0)
            context_halve(&turn->context);
        else
            context_done(&turn->context);
        start_ask(turn);
        return;
    }
    release_place(turn);
    if (failure != LLM_OK) {
        turn->chat->stats.failed++;
        log_failure(turn, &answer->outcome);
        deliver_failure(turn, failure);
        return;
    }
    turn->reply_kind = REPLY_ANSWER;
    buf_add_str(&turn->shown, buf_str(&turn->answer));
    if (answer->is_length_cut)
        turn_put(turn, WORD_LENGTH_NOTE, NULL);
    turn_deliver(turn);
}

static const struct llm_ask_handlers ask_handlers = {
    .on_text = on_text, .on_retract = on_retract, .on_done = on_answer};

static void start_ask(struct turn *turn)
{
    turn_set_state(turn, TURN_ASKING);
    struct filter *filter = access_filter(turn->chat->access);
    if (filter_count(filter) > 0)
        turn->masker = masker_new(filter);
    size_t n = turn->context.n + 1;
    struct llm_message *messages = xcalloc(n, sizeof(*messages));
    for (size_t i = 0; i < turn->context.n; i++)
        messages[i] = turn->context.messages[i];
    messages[n - 1] = (struct llm_message){LLM_USER, buf_cstr(&turn->question)};
    turn->llm_id = llm_ask(turn->chat->llm, models_wanted(turn), messages, n, &ask_handlers, turn);
    free(messages);
}

/* The picture's address for a markdown image: the platform's own, else ours. */
static void show_picture(struct turn *turn, const char *address)
{
    struct str base = str_of(turn->chat->settings.service_url);
    while (base.n > 0 && base.p[base.n - 1] == '/')
        base.n--;
    DB_CLEANUP(free_charp) char *url = NULL;
    if (!address && turn->picture_name && base.n > 0) {
        url = xasprintf("%.*s/images/%s", (int)base.n, base.p, turn->picture_name);
        address = url;
    }
    turn->reply_kind = REPLY_ANSWER;
    if (address) {
        turn_put(turn, WORD_IMAGE_ANSWER,
                 (const char *const[]){address, buf_cstr(&turn->question), NULL});
    } else if (turn->picture_name) {
        log_event(LOG_WARN, "turn", "image_has_no_address", LOG_S("ref", turn->reference),
                  LOG_S("key", "service_url"));
        turn_put(turn, WORD_IMAGE_NO_URL, NULL);
    } else {
        turn->outcome = "failed";
        turn_put(turn, WORD_IMAGE_NOT_SAVED, (const char *const[]){turn->reference, NULL});
    }
    buf_add_str(&turn->answer, buf_str(&turn->shown));
    turn_deliver(turn);
}

static void on_published(const char *address, void *arg)
{
    struct turn *turn = arg;
    if (!turn->chat->is_stopped)
        show_picture(turn, address);
}

/* The image is on disk, or could not be put there. */
static void on_saved(enum status status, const char *name, void *arg)
{
    struct turn *turn = arg;
    struct chat *chat = turn->chat;
    const struct platform_ops *ops = chat->platform->ops;
    if (chat->is_stopped)
        return;
    if (status == ST_OK)
        turn->picture_name = xstrdup(name);
    else
        log_event(LOG_ERROR, "turn", "image_not_saved", LOG_S("ref", turn->reference));
    bool is_on_the_way =
        ops->publish_picture &&
        ops->publish_picture(chat->platform, &turn->message, buf_str(&turn->picture),
                             turn->picture_type, on_published, turn);
    if (!is_on_the_way)
        show_picture(turn, NULL);
}

static void on_image(uint64_t id, const struct llm_image *image, void *arg)
{
    struct turn *turn = arg;
    turn->llm_id = 0;
    turn->model = image->model;
    turn->provider = image->provider;
    release_place(turn);
    if (image->outcome.failure != LLM_OK) {
        turn->chat->stats.failed++;
        log_failure(turn, &image->outcome);
        deliver_failure(turn, image->outcome.failure);
        return;
    }
    (void)buf_add_str(&turn->picture, image->bytes); /* the provider keeps the same limit */
    turn->picture_type = image->content_type;
    image_store_save(turn->chat->images, image->bytes, image->extension, on_saved, turn);
}

void turn_take_place(struct turn *turn)
{
    turn->has_place = true;
    turn->chat->stats.asking++;
    turn->sink->ops->begin(turn->sink);
    if (str_eq(str_of(turn->kind), STR_LIT("image"))) {
        turn_set_state(turn, TURN_DRAWING);
        turn->llm_id = llm_draw(turn->chat->llm, buf_cstr(&turn->question), on_image, turn);
    } else {
        start_ask(turn);
    }
}

static void want_place(struct turn *turn)
{
    struct chat *chat = turn->chat;
    turn_set_state(turn, TURN_QUEUED);
    if (chat->stats.asking < chat->settings.llm_parallel)
        turn_take_place(turn);
    else
        list_push_back(&chat->want_place, &turn->place_node);
}

void turn_ask(struct turn *turn, const char *kind)
{
    turn->kind = kind;
    want_place(turn);
}

/* The word came onto the list after the question. */
static void refuse_last(struct turn *turn)
{
    turn->kind = "question";
    turn->outcome = "refused";
    turn->chat->stats.refused++;
    turn_put(turn, WORD_SENSITIVE_LAST, NULL);
    turn_say(turn);
}

static void on_last(const struct store_last *last, void *arg)
{
    struct turn *turn = arg;
    if (turn->chat->is_stopped)
        return;
    bool is_answered = turn->shown.len > 0; /* in an earlier run: the rest is delivered */
    if (last->status == ST_NOT_FOUND && !is_answered) {
        turn_put(turn, WORD_NOTHING_TO_REPEAT, NULL);
        turn_say(turn);
    } else if (last->status != ST_OK && last->status != ST_NOT_FOUND) {
        turn_set_state(turn, TURN_WAITING);
        turn_retry_later(turn);
    } else if (is_answered) {
        buf_puts(&turn->question, last->question ? last->question : turn->message.text);
        turn->replaces_id = last->exchange_id;
        turn->kind = "question";
        turn_deliver(turn);
    } else {
        buf_puts(&turn->question, last->question);
        if (filter_finds(access_filter(turn->chat->access), buf_str(&turn->question))) {
            refuse_last(turn);
            return;
        }
        turn->replaces_id = last->exchange_id;
        if (turn->context.newest_id == last->exchange_id)
            context_drop_newest(&turn->context);
        context_make_room(&turn->context, tokens_estimate(buf_str(&turn->question)));
        turn_ask(turn, "question");
    }
}

void turn_ask_again(struct turn *turn)
{
    turn_set_state(turn, TURN_RECALLING);
    struct store_session_key key = turn_session_key(turn);
    store_read_last(turn->chat->store, &key, on_last, turn);
}

void turn_draw(struct turn *turn, struct str prompt)
{
    turn->kind = "image";
    buf_add_str(&turn->question, prompt);
    want_place(turn);
}

bool turn_cancel_answer(struct turn *turn)
{
    /* An image that is being saved asks nobody any more. */
    if (turn->state != TURN_QUEUED && turn->llm_id == 0)
        return false;
    turn_stop_exchange(turn);
    end_text(turn);
    deliver_failure(turn, LLM_FAIL_CANCELLED);
    return true;
}

/* The end of the year 9999: what a provider puts behind it means that there is no end. */
#define EXPIRES_MAX_S 253402300799

static void put_amount(struct turn *turn, enum word word, double amount, enum llm_money money)
{
    static const char *const signs[] = {
        [LLM_MONEY_UNKNOWN] = "", [LLM_MONEY_CNY] = "¥", [LLM_MONEY_USD] = "$"};
    char text[48];
    (void)snprintf(text, sizeof(text), "%s%.2f", signs[money], amount);
    turn_put(turn, word, (const char *const[]){text, NULL});
}

static void put_balance_line(struct turn *turn, const struct llm_balance_line *line)
{
    if (line->has_total && !line->is_unlimited)
        put_amount(turn, WORD_BALANCE_TOTAL, line->total, line->money);
    if (line->has_used)
        put_amount(turn, WORD_BALANCE_USED, line->used, line->money);
    if (line->is_unlimited)
        turn_put(turn, WORD_BALANCE_UNLIMITED, NULL);
    else if (line->has_left)
        put_amount(turn, WORD_BALANCE_LEFT, line->left, line->money);
    if (line->expires_s > EXPIRES_MAX_S || line->expires_s == 0) {
        turn_put(turn, WORD_BALANCE_NEVER, NULL);
    } else if (line->expires_s > 0) {
        char until[CLOCK_HM_SIZE];
        clock_local_minute(line->expires_s * 1000, until);
        turn_put(turn, WORD_BALANCE_EXPIRES, (const char *const[]){until, NULL});
    }
}

static void on_balance(uint64_t id, const struct llm_balance *balance, void *arg)
{
    struct turn *turn = arg;
    turn->llm_id = 0;
    const char *const provider[] = {balance->provider, NULL};
    if (balance->outcome.failure == LLM_FAIL_UNSUPPORTED) {
        turn_put(turn, WORD_BALANCE_NONE, provider);
    } else if (balance->outcome.failure != LLM_OK) {
        log_failure(turn, &balance->outcome);
        deliver_failure(turn, balance->outcome.failure);
        return;
    } else {
        turn_put(turn, WORD_BALANCE_HEAD, provider);
        for (size_t i = 0; i < balance->n_lines; i++)
            put_balance_line(turn, &balance->lines[i]);
    }
    turn_say(turn);
}

void turn_look_up_balance(struct turn *turn)
{
    turn_set_state(turn, TURN_LOOKING);
    turn->llm_id = llm_balance(turn->chat->llm, on_balance, turn);
}
