#include "chat/chat.h"

#include <stdlib.h>

#include "chat/turn.h"
#include "net/backoff.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/mem.h"

#define RESUME_PAGE 100
/* De-duplication has to outlive DingTalk's redeliveries by far; a week is far. */
#define KEEP_FINISHED_MS (7LL * 24 * 3600 * 1000)
#define PRUNE_EVERY_MS (6LL * 3600 * 1000)

static const struct backoff resume_retry = {.first_ms = 1000, .cap_ms = 30 * 1000, .jitter = 0.25};

/* A refusal that is told at the end of the loop's turn, like every other receipt. */
struct refusal {
    receipt_fn receipt;
    void *arg;
};

static void tell_refusal(void *arg)
{
    struct refusal *refusal = arg;
    refusal->receipt(RECEIPT_NOT_STORED, refusal->arg);
    free(refusal);
}

static void receive(struct receiver *receiver, const struct message *message, receipt_fn receipt,
                    void *arg)
{
    struct chat *chat = (struct chat *)(void *)receiver;
    chat->stats.received++;
    if (chat->is_draining || chat->is_stopped ||
        chat->stats.turns_open >= chat->settings.max_pending) {
        chat->stats.not_stored++;
        log_event(LOG_WARN, "chat", "not_taken", LOG_S("msg", message->msg_id),
                  LOG_S("reason", chat->is_draining ? "stopping" : "max_pending"),
                  LOG_I("open", chat->stats.turns_open));
        struct refusal *refusal = xmalloc(sizeof(*refusal));
        *refusal = (struct refusal){receipt, arg};
        loop_defer(chat->loop, tell_refusal, refusal);
        return;
    }
    turn_receive(chat, message, receipt, arg);
}

static bool stop_answer(struct receiver *receiver, const char *robot, const char *conversation,
                        const char *sender)
{
    struct store_session_key key = {robot, conversation, sender};
    return chat_cancel_answer((struct chat *)(void *)receiver, &key);
}

static void on_pruned(enum status status, void *arg)
{
    if (status != ST_OK)
        log_event(LOG_WARN, "chat", "not_pruned", LOG_S("reason", status_name(status)));
}

static void on_expired(enum status status, int64_t n_exchanges, void *arg)
{
    if (status != ST_OK && status != ST_CANCELLED)
        log_event(LOG_WARN, "chat", "not_expired", LOG_S("reason", status_name(status)));
    else if (n_exchanges > 0)
        log_event(LOG_INFO, "chat", "expired", LOG_I("exchanges", n_exchanges));
}

static void expire(struct chat *chat)
{
    int64_t days = chat->settings.retention_days;
    const struct store_forget old = {.before_ms = clock_wall_ms() - days * 24 * 3600 * 1000};
    if (days > 0)
        store_forget(chat->store, &old, on_expired, chat);
}

static void prune(void *arg)
{
    struct chat *chat = arg;
    chat->prune_timer = timer_start(chat->loop, PRUNE_EVERY_MS, "chat_prune", prune, chat);
    store_prune(chat->store, clock_wall_ms() - KEEP_FINISHED_MS, on_pruned, chat);
    expire(chat);
}

/* Nobody's turn began before it was known who may ask; messages of the first moment were held. */
static void on_loaded(void *arg)
{
    struct chat *chat = arg;
    LIST_FOREACH(node, next, &chat->turns)
    {
        struct turn *turn = LIST_ENTRY(node, struct turn, node);
        turn_release(turn);
        if (turn->state == TURN_WAITING)
            turn_step(turn);
    }
}

struct chat *chat_new(struct loop *loop, struct store *store, struct llm *llm,
                      struct platform *platform, struct image_store *images, struct tools *tools,
                      const struct chat_settings *settings)
{
    struct chat *chat = xcalloc(1, sizeof(*chat));
    chat->receiver = (struct receiver){.receive = receive, .stop = stop_answer};
    chat->loop = loop;
    chat->store = store;
    chat->llm = llm;
    chat->platform = platform;
    chat->images = images;
    chat->tools = tools;
    chat->kept = settings_new(settings);
    chat->settings = chat->kept->values;
    chat->access = access_new(loop, store, settings, on_loaded, chat);
    chat->lanes = map_new();
    chat->by_inbox = map_new();
    list_init(&chat->turns);
    list_init(&chat->want_place);
    chat->prune_timer = timer_start(loop, PRUNE_EVERY_MS, "chat_prune", prune, chat);
    return chat;
}

void chat_free(struct chat *chat)
{
    if (!chat)
        return;
    chat_stop(chat);
    timer_cancel(&chat->prune_timer);
    timer_cancel(&chat->resume_timer);
    timer_cancel(&chat->drain_timer);
    LIST_FOREACH(node, next, &chat->turns)
    turn_abandon(LIST_ENTRY(node, struct turn, node));
    map_free(chat->lanes);
    map_free(chat->by_inbox);
    access_free(chat->access);
    settings_unref(chat->kept);
    free(chat);
}

void chat_set_reports(struct chat *chat, struct meter *meter, const struct history_key *key)
{
    chat->meter = meter;
    chat->history_key = key;
}

struct receiver *chat_receiver(struct chat *chat)
{
    return &chat->receiver;
}

void chat_apply(struct chat *chat, const struct chat_settings *settings)
{
    struct settings *old = chat->kept;
    chat->kept = settings_new(settings);
    chat->settings = chat->kept->values;
    access_configure(chat->access, settings);
    settings_unref(old);
}

void chat_stop(struct chat *chat)
{
    chat->is_stopped = true;
    LIST_FOREACH(node, next, &chat->turns)
    turn_stop_exchange(LIST_ENTRY(node, struct turn, node));
}

void chat_release_place(struct chat *chat)
{
    chat->stats.asking--;
    if (chat->is_stopped)
        return;
    struct list *node = list_pop_front(&chat->want_place);
    if (node)
        turn_take_place(LIST_ENTRY(node, struct turn, place_node));
}

bool chat_cancel_answer(struct chat *chat, const struct store_session_key *key)
{
    struct list *node = lane_first(chat->lanes, key);
    return node && turn_cancel_answer(LIST_ENTRY(node, struct turn, lane_node));
}

void chat_get_stats(const struct chat *chat, struct chat_stats *ret_stats)
{
    *ret_stats = chat->stats;
    llm_get_stats(chat->llm, &ret_stats->llm);
}

static void load_page(struct chat *chat);

static void on_resume_timer(void *arg)
{
    struct chat *chat = arg;
    chat->resume_timer = NULL;
    if (!chat->is_draining)
        load_page(chat);
}

static void on_page(const struct store_unfinished_result *result, void *arg)
{
    struct chat *chat = arg;
    if (chat->is_stopped || chat->is_draining) /* the next start takes them up */
        return;
    if (result->status != ST_OK) {
        chat->resume_tries++;
        chat->resume_timer = timer_start(chat->loop, backoff_ms(&resume_retry, chat->resume_tries),
                                         "chat_resume", on_resume_timer, chat);
        return;
    }
    for (size_t i = 0; i < result->n_items; i++) {
        const struct store_unfinished *item = &result->items[i];
        chat->resume_after_id = item->inbox_id;
        bool is_open = map_get_id(chat->by_inbox, (uint64_t)item->inbox_id) != NULL;
        if (!is_open && !turn_resume(chat, item))
            log_event(LOG_ERROR, "chat", "record_unreadable", LOG_I("inbox", item->inbox_id));
    }
    if (result->n_items < RESUME_PAGE)
        chat->is_resuming = false;
    else if (chat->stats.turns_open < chat->settings.max_pending / 2)
        load_page(chat);
    else
        chat->is_resume_paused = true;
}

static void load_page(struct chat *chat)
{
    chat->is_resume_paused = false;
    store_load_unfinished(chat->store, chat->resume_after_id, RESUME_PAGE, on_page, chat);
}

void chat_resume(struct chat *chat)
{
    expire(chat);
    chat->is_resuming = true;
    load_page(chat);
}

static void end_drain(void *arg)
{
    struct chat *chat = arg;
    loop_fn drained = chat->drained;
    chat->drained = NULL;
    if (drained)
        drained(chat->drained_arg);
}

static void on_drain_timeout(void *arg)
{
    struct chat *chat = arg;
    chat->drain_timer = NULL;
    log_event(LOG_WARN, "chat", "drain_timeout", LOG_I("left_in_inbox", chat->stats.turns_open));
    end_drain(chat);
}

void chat_drain(struct chat *chat, int64_t timeout_ms, loop_fn done, void *arg)
{
    chat->is_draining = true;
    chat->drained = done;
    chat->drained_arg = arg;
    if (chat->stats.turns_open == 0)
        loop_defer(chat->loop, end_drain, chat);
    else
        chat->drain_timer =
            timer_start(chat->loop, timeout_ms, "chat_drain", on_drain_timeout, chat);
}

void chat_turn_ended(struct chat *chat)
{
    if (chat->is_stopped)
        return;
    if (chat->is_resume_paused && !chat->is_draining &&
        chat->stats.turns_open <= chat->settings.max_pending / 4)
        load_page(chat);
    if (chat->is_draining && chat->stats.turns_open == 0) {
        timer_cancel(&chat->drain_timer);
        end_drain(chat);
    }
}
