#include "chat/turn.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "chat/admit.h"
#include "chat/commands.h"
#include "llm/tokens.h"
#include "net/backoff.h"
#include "util/clock.h"
#include "util/crypto.h"
#include "util/log.h"
#include "util/mem.h"

/* The record is at most a callback's body with its strings escaped once more. */
#define RECORD_BYTES_MAX (8 * 1024 * 1024)
#define CONTEXT_EXCHANGES_MAX 200
/* No vocabulary needs more bytes than that for a token on average; what does not fit the window is
 * left out later. */
#define BYTES_PER_TOKEN 8

static const struct backoff store_retry = {.first_ms = 1000, .cap_ms = 30 * 1000, .jitter = 0.25};

static const char *const state_names[] = {
    [TURN_ACCEPTING] = "accepting",   [TURN_WAITING] = "waiting",   [TURN_READING] = "reading",
    [TURN_QUEUED] = "queued",         [TURN_ASKING] = "asking",     [TURN_DRAWING] = "drawing",
    [TURN_LOOKING] = "looking",       [TURN_MANAGING] = "managing", [TURN_RECALLING] = "recalling",
    [TURN_DELIVERING] = "delivering", [TURN_SETTLING] = "settling", [TURN_FINISHED] = "finished",
};

void turn_set_state(struct turn *turn, enum turn_state state)
{
    if (log_is_on(LOG_DEBUG))
        log_event(LOG_DEBUG, "turn", "state", LOG_S("ref", turn->reference),
                  LOG_S("from", state_names[turn->state]), LOG_S("to", state_names[state]));
    turn->state = state;
}

struct store_session_key turn_session_key(const struct turn *turn)
{
    return (struct store_session_key){turn->message.robot, turn->message.conversation,
                                      turn->message.sender};
}

/* Whether what was said before goes to the model with it, in a chained session. */
static bool wants_context(const struct turn *turn)
{
    return !turn->route.command || turn->route.command->is_asking;
}

static int64_t timeout_ms(const struct turn *turn)
{
    return turn->chat->settings.session_timeout_s * 1000;
}

/* Takes the record over. */
static struct turn *turn_new(struct chat *chat, json_t *record)
{
    struct turn *turn = xcalloc(1, sizeof(*turn));
    turn->chat = chat;
    turn->kept = settings_ref(chat->kept);
    turn->record = record;
    message_record_view(record, &turn->message);
    turn->route = route_find(route_typed(&turn->message), chat->settings.templates,
                             chat->settings.n_templates);
    turn->started_ms = clock_wall_ms();
    turn->arrived_ms = json_i64(record, "arrived_ms", turn->started_ms);
    json_object_set_new(record, "arrived_ms", json_integer(turn->arrived_ms));
    turn->usage = (struct llm_usage){-1, -1};
    crypto_random_hex(turn->reference, (TURN_REFERENCE_SIZE - 1) / 2);
    buf_init(&turn->question, RECORD_BYTES_MAX);
    size_t answer_max = chat->settings.max_answer_bytes * FILTER_GROWTH_MAX;
    buf_init(&turn->answer, answer_max);
    buf_init(&turn->shown, answer_max + RECORD_BYTES_MAX);
    buf_init(&turn->picture, chat->settings.max_image_bytes);
    list_init(&turn->place_node);
    list_push_back(&chat->turns, &turn->node);
    list_init(&turn->lane_node);
    chat->stats.turns_open++;
    return turn;
}

/* In the order of the inbox: what an earlier run left comes before what is new, and a message that
 * is known already never gets in. */
static void enter_lane(struct turn *turn)
{
    struct store_session_key key = turn_session_key(turn);
    turn->lane = lane_enter(turn->chat->lanes, &key, &turn->lane_node);
    turn_set_state(turn, TURN_WAITING);
}

static void turn_free(struct turn *turn)
{
    turn_stop_exchange(turn);
    timer_cancel(&turn->retry_timer);
    if (turn->sink)
        turn->sink->ops->free(turn->sink);
    if (turn->inbox_id)
        (void)map_take_id(turn->chat->by_inbox, (uint64_t)turn->inbox_id);
    list_remove(&turn->node);
    list_remove(&turn->place_node);
    turn->chat->stats.turns_open--;
    context_done(&turn->context);
    buf_done(&turn->question);
    buf_done(&turn->answer);
    buf_done(&turn->shown);
    free(turn->wanted_model);
    masker_free(turn->masker);
    buf_done(&turn->picture);
    free(turn->picture_name);
    settings_unref(turn->kept);
    json_decref(turn->record);
    free(turn);
}

void turn_abandon(struct turn *turn)
{
    if (turn->lane)
        (void)lane_leave(turn->chat->lanes, turn->lane, &turn->lane_node);
    turn_free(turn);
}

static void free_finished(void *arg)
{
    struct turn *turn = arg;
    struct chat *chat = turn->chat;
    turn_free(turn);
    chat_turn_ended(chat);
}

/* Put off to the end of the loop's turn, because callbacks of this turn's children may still be on
 * the stack. */
static void finish(struct turn *turn)
{
    turn_set_state(turn, TURN_FINISHED);
    struct list *next =
        turn->lane ? lane_leave(turn->chat->lanes, turn->lane, &turn->lane_node) : NULL;
    turn->lane = NULL;
    if (next)
        turn_step(LIST_ENTRY(next, struct turn, lane_node));
    loop_defer(turn->chat->loop, free_finished, turn);
}

/* Keeps what this turn needs of its session: the mode, and for a chained question the context. */
static void take_session(struct turn *turn, const struct store_session *session)
{
    const struct chat_settings *settings = &turn->chat->settings;
    enum store_mode fallback = settings->is_chain_default ? STORE_MODE_CHAIN : STORE_MODE_SINGLE;
    enum store_mode mode = context_mode(session, fallback, turn->started_ms, timeout_ms(turn));
    turn->is_session_known = true;
    turn->had_mode = session->mode != STORE_MODE_DEFAULT;
    turn->stored_mode =
        context_mode(session, STORE_MODE_DEFAULT, turn->started_ms, timeout_ms(turn));
    turn->mode = mode;
    free(turn->wanted_model);
    turn->wanted_model = session->model && *session->model ? xstrdup(session->model) : NULL;
    if (mode != STORE_MODE_CHAIN || !wants_context(turn))
        return;
    const struct template *template = turn->route.template;
    int64_t answer_share =
        settings->answer_tokens ? settings->answer_tokens : settings->max_text_tokens / 4;
    int64_t prompt_tokens = template ? tokens_estimate(str_of(template->prefix)) +
                                           tokens_estimate(str_of(template->suffix))
                                     : 0;
    struct context_limits limits = {
        .now_ms = turn->started_ms,
        .timeout_ms = timeout_ms(turn),
        .budget_tokens = settings->max_text_tokens - answer_share - prompt_tokens,
        .token_ratio = turn->chat->llm->token_ratio,
    };
    context_select(session, &limits, settings->system_prompt, turn->route.argument, &turn->context);
}

static int64_t daily_limit(const struct turn *turn)
{
    return policy_daily_limit(access_policy(turn->chat->access), &turn->message);
}

static void on_accepted(const struct store_accepted *accepted, void *arg)
{
    struct turn *turn = arg;
    struct chat *chat = turn->chat;
    if (chat->is_stopped)
        return;
    if (accepted->status != ST_OK) {
        bool is_known = accepted->status == ST_CONFLICT;
        if (is_known)
            chat->stats.duplicates++;
        else
            chat->stats.not_stored++;
        log_event(is_known ? LOG_INFO : LOG_ERROR, "turn",
                  is_known ? "known_already" : "not_stored", LOG_S("ref", turn->reference),
                  LOG_S("msg", turn->message.msg_id));
        turn->receipt(is_known ? RECEIPT_KNOWN : RECEIPT_NOT_STORED, turn->receipt_arg);
        finish(turn);
        return;
    }
    turn->inbox_id = accepted->inbox_id;
    (void)map_put_id(chat->by_inbox, (uint64_t)turn->inbox_id, turn);
    turn->is_over_limit = accepted->is_over_limit;
    turn->receipt(RECEIPT_STORED, turn->receipt_arg);
    if (turn->route.command && turn->route.command->arrive)
        turn->route.command->arrive(turn);
    enter_lane(turn);
    if (lane_is_first(turn->lane, &turn->lane_node))
        take_session(turn, &accepted->session);
    turn_step(turn);
}

static void refuse_too_large(void *arg)
{
    const struct store_accepted refused = {.status = ST_TOO_LARGE};
    on_accepted(&refused, arg);
}

/* Judged first: whoever is refused is not charged. */
static void accept(struct turn *turn)
{
    struct chat *chat = turn->chat;
    struct buf payload = BUF_INIT(RECORD_BYTES_MAX);
    if (json_write(turn->record, &payload) != ST_OK) {
        buf_done(&payload);
        loop_defer(chat->loop, refuse_too_large, turn);
        return;
    }
    admit_judge(turn);
    char day[CLOCK_DAY_SIZE];
    clock_local_day(turn->arrived_ms, day);
    struct store_arrival arrival = {
        .key = turn_session_key(turn),
        .msg_id = turn->message.msg_id,
        .payload = buf_cstr(&payload),
        .now_ms = turn->arrived_ms,
        .is_charged = turn->admission == TURN_ADMITTED && route_is_charged(&turn->route),
        .user = turn->message.sender,
        .day = day,
        .daily_limit = daily_limit(turn),
        .context_max = wants_context(turn) ? CONTEXT_EXCHANGES_MAX : 0,
        .context_max_bytes = chat->settings.max_text_tokens * BYTES_PER_TOKEN,
    };
    store_accept(chat->store, &arrival, on_accepted, turn);
    buf_done(&payload);
}

void turn_receive(struct chat *chat, const struct message *message, receipt_fn receipt,
                  void *receipt_arg)
{
    struct turn *turn = turn_new(chat, message_record_new(message));
    turn->receipt = receipt;
    turn->receipt_arg = receipt_arg;
    turn->is_held = !access_is_tried(chat->access);
    if (!turn->is_held)
        accept(turn);
}

void turn_release(struct turn *turn)
{
    if (!turn->is_held)
        return;
    turn->is_held = false;
    accept(turn);
}

bool turn_resume(struct chat *chat, const struct store_unfinished *unfinished)
{
    json_t *record = NULL;
    if (json_parse(str_of(unfinished->payload), &record, NULL) != ST_OK)
        return false;
    struct turn *turn = turn_new(chat, record);
    turn->inbox_id = unfinished->inbox_id;
    (void)map_put_id(chat->by_inbox, (uint64_t)turn->inbox_id, turn);
    turn->is_over_limit = unfinished->is_over_limit;
    if (unfinished->answer) { /* parts of a text that is gone count for nothing */
        buf_puts(&turn->shown, unfinished->answer);
        turn->parts_done = unfinished->parts_sent;
        turn->is_answer_kept = true;
    }
    enter_lane(turn);
    log_event(LOG_INFO, "turn", "resumed", LOG_S("ref", turn->reference),
              LOG_S("msg", turn->message.msg_id), LOG_I("parts_sent", turn->parts_done));
    turn_step(turn);
    return true;
}

static void on_retry(void *arg)
{
    struct turn *turn = arg;
    turn->retry_timer = NULL;
    turn_step(turn);
}

void turn_retry_later(struct turn *turn)
{
    turn->retries++;
    turn->retry_timer = timer_start(turn->chat->loop, backoff_ms(&store_retry, turn->retries),
                                    "turn_store_retry", on_retry, turn);
}

static void on_session(const struct store_session_result *result, void *arg)
{
    struct turn *turn = arg;
    if (turn->chat->is_stopped)
        return;
    turn_set_state(turn, TURN_WAITING);
    if (result->status != ST_OK) {
        turn_retry_later(turn);
        return;
    }
    turn->retries = 0;
    take_session(turn, &result->session);
    turn_step(turn);
}

static void read_session(struct turn *turn)
{
    turn_set_state(turn, TURN_READING);
    /* Time has passed in the lane: mode and context are judged from when the turn's work begins. */
    turn->started_ms = clock_wall_ms();
    struct store_session_key key = turn_session_key(turn);
    store_read_session(turn->chat->store, &key, wants_context(turn) ? CONTEXT_EXCHANGES_MAX : 0,
                       turn->chat->settings.max_text_tokens * BYTES_PER_TOKEN, on_session, turn);
}

static void refuse_over_limit(struct turn *turn)
{
    char limit[24], until[CLOCK_HM_SIZE];
    (void)snprintf(limit, sizeof(limit), "%lld", (long long)daily_limit(turn));
    clock_local_minute(clock_next_midnight_ms(turn->arrived_ms), until);
    turn_put(turn, WORD_LIMIT, (const char *const[]){limit, until, NULL});
    turn->outcome = "over_limit";
    turn->chat->stats.refused_by_limit++;
    turn_say(turn);
}

static void show_template(struct turn *turn)
{
    const struct template *template = turn->route.template;
    struct buf text = BUF_INIT(RECORD_BYTES_MAX);
    buf_printf(&text, "````\n%s……%s\n````", template->prefix, template->suffix);
    turn_put(turn, WORD_TEMPLATE_SHOW,
             (const char *const[]){template->title, buf_cstr(&text), NULL});
    buf_done(&text);
    turn_say(turn);
}

static void write_question(struct turn *turn)
{
    const struct template *template = turn->route.template;
    if (template)
        buf_puts(&turn->question, template->prefix);
    buf_add_str(&turn->question, turn->route.argument);
    if (template)
        buf_puts(&turn->question, template->suffix);
}

/* An earlier run had begun to deliver this answer: the rest goes out, nobody is asked again. */
static void deliver_rest(struct turn *turn)
{
    if (!route_is_charged(&turn->route)) {
        turn_say(turn);
        return;
    }
    turn->reply_kind = REPLY_ANSWER;
    buf_clear(&turn->answer); /* here for the second time when the store was in trouble */
    buf_add_str(&turn->answer, buf_str(&turn->shown));
    if (turn->route.command && wants_context(turn)) {
        turn_ask_again(turn); /* finds the question, and asks nobody */
        return;
    }
    turn->kind = !wants_context(turn) ? "image" : turn->route.template ? "template" : "question";
    write_question(turn);
    turn_deliver(turn);
}

/* What the message asks for, now that its turn has come. */
static void begin(struct turn *turn)
{
    const struct route *route = &turn->route;
    if (!turn->sink)
        turn->sink = turn->chat->platform->ops->open_sink(turn->chat->platform, &turn->message,
                                                          &turn_sink_handlers, turn);
    if (turn->shown.len > 0) {
        deliver_rest(turn);
    } else if (admit_refuse(turn)) {
        return;
    } else if (!str_eq(str_of(turn->message.kind), STR_LIT("text"))) {
        turn_put(turn, WORD_NOT_TEXT, NULL);
        turn_say(turn);
    } else if (turn->is_over_limit && daily_limit(turn) > 0) {
        refuse_over_limit(turn);
    } else if (route->command) {
        route->command->run(turn, route->argument);
    } else if (route->template && route->argument.n == 0) {
        show_template(turn);
    } else {
        write_question(turn);
        turn_ask(turn, route->template ? "template" : "question");
    }
}

void turn_put(struct turn *turn, enum word word, const char *const *args)
{
    words_put(&turn->shown, turn->chat->settings.language, word, args);
}

void turn_say(struct turn *turn)
{
    turn->reply_kind = REPLY_NOTICE;
    turn_deliver(turn);
}

void turn_end_silently(struct turn *turn)
{
    turn_set_state(turn, TURN_SETTLING);
    turn_step(turn);
}

void turn_deliver(struct turn *turn)
{
    assert(turn->state != TURN_DELIVERING && turn->state != TURN_FINISHED);
    turn_set_state(turn, TURN_DELIVERING);
    struct reply reply = {
        .kind = turn->reply_kind,
        .markdown = buf_str(&turn->shown),
        .parts_done = turn->parts_done,
    };
    if (turn->is_failure)
        turn->sink->ops->fail(turn->sink, &reply);
    else
        turn->sink->ops->finish(turn->sink, &reply);
}

static void on_progress(enum status status, void *arg)
{
    struct turn *turn = arg;
    if (turn->chat->is_stopped)
        return;
    if (status != ST_OK) /* the rest is sent all the same: a repeat after a crash is better than
                            half an answer now */
        log_event(LOG_WARN, "turn", "progress_not_stored", LOG_S("ref", turn->reference));
    else
        turn->is_answer_kept = true;
    turn->sink->ops->go_on(turn->sink);
}

static void on_part(struct sink *sink, int parts_sent, void *arg)
{
    struct turn *turn = arg;
    if (turn->chat->is_stopped)
        return;
    store_note_progress(turn->chat->store, turn->inbox_id,
                        turn->is_answer_kept ? NULL : buf_cstr(&turn->shown), parts_sent,
                        on_progress, turn);
    turn->parts_done = parts_sent;
}

static void on_delivered(struct sink *sink, const struct sink_outcome *outcome, void *arg)
{
    struct turn *turn = arg;
    if (turn->chat->is_stopped)
        return;
    int64_t age_ms = clock_wall_ms() - turn->started_ms;
    if (outcome->status == ST_OK) {
        turn->chat->stats.answered++;
        log_event(LOG_INFO, "turn", "answered", LOG_S("ref", turn->reference),
                  LOG_S("kind", turn->kind ? turn->kind : "command"),
                  LOG_S("outcome", turn->outcome ? turn->outcome : "answered"),
                  LOG_I("parts", outcome->parts_total), LOG_I("age_ms", age_ms));
    } else {
        turn->chat->stats.undelivered++;
        turn->outcome = "undelivered";
        log_event(LOG_ERROR, "turn", "undelivered", LOG_S("ref", turn->reference),
                  LOG_S("reason", status_name(outcome->status)), LOG_I("code", outcome->error.code),
                  LOG_S("detail", outcome->error.text), LOG_I("parts_sent", outcome->parts_sent),
                  LOG_I("parts", outcome->parts_total), LOG_I("age_ms", age_ms));
    }
    turn_set_state(turn, TURN_SETTLING);
    turn_step(turn);
}

const struct sink_handlers turn_sink_handlers = {.on_part = on_part, .on_done = on_delivered};

static void on_settled(enum status status, void *arg)
{
    struct turn *turn = arg;
    if (turn->chat->is_stopped)
        return;
    if (status == ST_STORE) {
        log_event(LOG_ERROR, "turn", "not_settled", LOG_S("ref", turn->reference),
                  LOG_I("tries", turn->retries + 1));
        turn_retry_later(turn);
        return;
    }
    finish(turn);
}

/* A chosen mode lives on with every question asked in it; one that has expired is cleared away. */
static void change_session(struct turn *turn)
{
    if (turn->change != STORE_SESSION_KEEP || !turn->kind || !turn->had_mode)
        return;
    if (turn->stored_mode != STORE_MODE_DEFAULT) {
        turn->change = STORE_SESSION_TOUCH;
    } else {
        turn->change = STORE_SESSION_SET_MODE;
        turn->new_mode = STORE_MODE_DEFAULT;
    }
}

static void settle(struct turn *turn)
{
    change_session(turn);
    char day[CLOCK_DAY_SIZE];
    clock_local_day(turn->arrived_ms, day);
    const char *outcome = turn->outcome ? turn->outcome : "answered";
    bool is_said =
        str_eq(str_of(outcome), STR_LIT("answered")) || str_eq(str_of(outcome), STR_LIT("cut"));
    struct store_exchange_record record = {
        .kind = turn->kind,
        .user = turn->message.sender,
        .nick = turn->message.sender_nick,
        .conversation_title = turn->message.conversation_title,
        .question = buf_cstr(&turn->question),
        .answer = buf_cstr(&turn->answer),
        .provider = turn->provider ? turn->provider : turn->chat->llm->provider,
        .model = turn->model ? turn->model : "",
        .outcome = outcome,
        .reference = turn->reference,
        .in_context = turn->mode == STORE_MODE_CHAIN && wants_context(turn) && is_said &&
                      turn->answer.len > 0,
        .prompt_tokens = turn->usage.prompt_tokens,
        .completion_tokens = turn->usage.completion_tokens,
        .started_ms = turn->started_ms,
        .ended_ms = clock_wall_ms(),
    };
    struct store_settlement settlement = {
        .inbox_id = turn->inbox_id,
        .key = turn_session_key(turn),
        .now_ms = record.ended_ms,
        .exchange = turn->kind ? &record : NULL,
        .replaces_id = is_said ? turn->replaces_id : 0,
        .change = turn->change,
        .mode = turn->new_mode,
        .model = turn->new_model,
        .day = day,
    };
    store_settle(turn->chat->store, &settlement, on_settled, turn);
}

void turn_step(struct turn *turn)
{
    if (turn->chat->is_stopped)
        return;
    switch (turn->state) {
    case TURN_WAITING:
        if (!lane_is_first(turn->lane, &turn->lane_node) || turn->retry_timer ||
            !access_is_loaded(turn->chat->access))
            return;
        if (turn->is_session_known)
            begin(turn);
        else
            read_session(turn);
        return;
    case TURN_SETTLING:
        settle(turn);
        return;
    case TURN_ACCEPTING: /* these wait for an answer of their own */
    case TURN_READING:
    case TURN_QUEUED:
    case TURN_ASKING:
    case TURN_DRAWING:
    case TURN_LOOKING:
    case TURN_MANAGING:
    case TURN_RECALLING:
    case TURN_DELIVERING:
    case TURN_FINISHED:
        return;
    }
}
