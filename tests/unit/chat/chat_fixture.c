#include "chat_fixture.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chat/message_record.h"
#include "util/mem.h"

#define SHOWN_BYTES_MAX (16 * 1024 * 1024)

/* ---- the store ---- */

/* One answer of the store on its way. */
struct pending {
    struct list node;
    struct fixture *fixture;
    enum store_call call;
    enum status status;
    int64_t inbox_id;
    int64_t after_id;
    size_t max_items;
    union {
        store_accepted_fn accepted;
        store_session_fn session;
        store_done_fn done;
        store_unfinished_fn unfinished;
        store_last_fn last;
        store_settings_fn settings;
        store_audit_fn audit;
    } fn;
    void *arg;
};

static struct fixture *fixture_of_store(struct store *store)
{
    return (struct fixture *)(void *)((char *)store - offsetof(struct fixture, store));
}

static void answer_unfinished(const struct pending *pending)
{
    const struct fake_store *store = &pending->fixture->store;
    struct store_unfinished *items = xcalloc(pending->max_items, sizeof(*items));
    struct store_unfinished_result result = {.status = pending->status, .items = items};
    for (int64_t id = pending->after_id + 1;
         id <= store->n_unfinished && result.n_items < pending->max_items; id++)
        items[result.n_items++] = (struct store_unfinished){.inbox_id = id,
                                                            .payload = store->unfinished_payload,
                                                            .answer = store->unfinished_answer,
                                                            .parts_sent = store->unfinished_parts};
    pending->fn.unfinished(&result, pending->arg);
    free(items);
}

static void answer(void *arg)
{
    struct pending *pending = arg;
    const struct fake_store *store = &pending->fixture->store;
    list_remove(&pending->node);
    switch (pending->call) {
    case CALL_ACCEPT:
        pending->fn.accepted(&(struct store_accepted){.status = pending->status,
                                                      .inbox_id = pending->inbox_id,
                                                      .is_over_limit = store->is_over_limit,
                                                      .session = store->session},
                             pending->arg);
        break;
    case CALL_READ_SESSION:
        pending->fn.session(
            &(struct store_session_result){.status = pending->status, .session = store->session},
            pending->arg);
        break;
    case CALL_NOTE_PROGRESS:
    case CALL_SETTLE:
    case CALL_CHANGE_SETTINGS:
        pending->fn.done(pending->status, pending->arg);
        break;
    case CALL_LOAD_UNFINISHED:
        answer_unfinished(pending);
        break;
    case CALL_READ_LAST: {
        enum status found = store->last_question ? ST_OK : ST_NOT_FOUND;
        pending->fn.last(
            &(struct store_last){.status = pending->status == ST_OK ? found : pending->status,
                                 .exchange_id = 7,
                                 .question = store->last_question},
            pending->arg);
        break;
    }
    case CALL_READ_SETTINGS:
        pending->fn.settings(&(struct store_settings_result){.status = pending->status,
                                                             .items = store->settings,
                                                             .n_items = store->n_settings},
                             pending->arg);
        break;
    case CALL_READ_AUDIT:
        pending->fn.audit(&(struct store_audit_result){.status = pending->status,
                                                       .items = &store->audit,
                                                       .n_items = store->audit.who != NULL},
                          pending->arg);
        break;
    case CALL_COUNT:
        break;
    }
    free(pending);
}

static struct pending *call(struct store *face, enum store_call which, void *arg)
{
    struct fixture *f = fixture_of_store(face);
    struct pending *pending = xcalloc(1, sizeof(*pending));
    *pending = (struct pending){.fixture = f, .call = which, .arg = arg};
    f->store.calls[which]++;
    if (f->store.failures[which] > 0) {
        f->store.failures[which]--;
        pending->status = ST_STORE;
    }
    list_push_back(&f->store.held, &pending->node);
    if (!f->store.is_held[which])
        loop_defer(f->loop, answer, pending);
    return pending;
}

static void fake_accept(struct store *face, const struct store_arrival *arrival,
                        store_accepted_fn fn, void *arg)
{
    struct pending *pending = call(face, CALL_ACCEPT, arg);
    struct fake_store *store = &pending->fixture->store;
    store->arrival = *arrival;
    pending->fn.accepted = fn;
    if (pending->status == ST_OK && store->is_known)
        pending->status = ST_CONFLICT;
    if (pending->status != ST_OK)
        return;
    pending->inbox_id = ++store->next_inbox_id;
    store->n_inbox++;
}

static void fake_read_session(struct store *face, const struct store_session_key *key,
                              size_t context_max, int64_t context_max_bytes, store_session_fn fn,
                              void *arg)
{
    call(face, CALL_READ_SESSION, arg)->fn.session = fn;
}

static void fake_note_progress(struct store *face, int64_t inbox_id, const char *text,
                               int parts_sent, store_done_fn fn, void *arg)
{
    call(face, CALL_NOTE_PROGRESS, arg)->fn.done = fn;
}

static void fake_settle(struct store *face, const struct store_settlement *settlement,
                        store_done_fn fn, void *arg)
{
    struct pending *pending = call(face, CALL_SETTLE, arg);
    struct fake_store *store = &pending->fixture->store;
    const struct store_exchange_record *record = settlement->exchange;
    pending->fn.done = fn;
    if (pending->status != ST_OK)
        return;
    store->n_inbox--;
    buf_clear(&store->question);
    buf_clear(&store->answer);
    (void)snprintf(store->kind, sizeof(store->kind), "%s", record ? record->kind : "");
    (void)snprintf(store->outcome, sizeof(store->outcome), "%s", record ? record->outcome : "");
    buf_puts(&store->question, record ? record->question : "");
    buf_puts(&store->answer, record ? record->answer : "");
    store->in_context = record && record->in_context;
    store->change = settlement->change;
    store->mode = settlement->mode;
}

static void fake_load_unfinished(struct store *face, int64_t after_id, size_t max_items,
                                 store_unfinished_fn fn, void *arg)
{
    struct pending *pending = call(face, CALL_LOAD_UNFINISHED, arg);
    pending->fn.unfinished = fn;
    pending->after_id = after_id;
    pending->max_items = max_items;
}

static void fake_read_last(struct store *face, const struct store_session_key *key,
                           store_last_fn fn, void *arg)
{
    call(face, CALL_READ_LAST, arg)->fn.last = fn;
}

static void fake_change_settings(struct store *face, const struct store_setting_change *change,
                                 store_done_fn fn, void *arg)
{
    struct pending *pending = call(face, CALL_CHANGE_SETTINGS, arg);
    struct fake_store *store = &pending->fixture->store;
    pending->fn.done = fn;
    buf_clear(&store->changed);
    for (size_t i = 0; i < change->n_items; i++)
        buf_printf(&store->changed, "%s/%s=%s ", change->items[i].list, change->items[i].item,
                   change->items[i].value ? change->items[i].value : "-");
    buf_clear(&store->audited);
    if (change->audit)
        buf_printf(&store->audited, "%s %s: %s", change->audit->who, change->audit->place,
                   change->audit->what);
}

static void fake_read_settings(struct store *face, store_settings_fn fn, void *arg)
{
    call(face, CALL_READ_SETTINGS, arg)->fn.settings = fn;
}

static void fake_read_audit(struct store *face, size_t max_items, store_audit_fn fn, void *arg)
{
    call(face, CALL_READ_AUDIT, arg)->fn.audit = fn;
}

static const struct store_ops store_ops = {
    .name = "fake",
    .accept = fake_accept,
    .read_session = fake_read_session,
    .note_progress = fake_note_progress,
    .settle = fake_settle,
    .load_unfinished = fake_load_unfinished,
    .read_last = fake_read_last,
    .change_settings = fake_change_settings,
    .read_settings = fake_read_settings,
    .read_audit = fake_read_audit,
};

void fixture_release_store(struct fixture *f)
{
    memset(f->store.is_held, 0, sizeof(f->store.is_held));
    struct list batch;
    list_init(&batch);
    for (struct list *node; (node = list_pop_front(&f->store.held));)
        list_push_back(&batch, node);
    for (struct list *node; (node = list_pop_front(&batch));)
        loop_defer(f->loop, answer, LIST_ENTRY(node, struct pending, node));
    fixture_settle(f);
}

/* ---- the LLM ---- */

static struct fake_llm *llm_of(struct llm *llm)
{
    return (struct fake_llm *)(void *)llm;
}

static uint64_t begin_exchange(struct fake_llm *llm, void *arg)
{
    llm->arg = arg;
    llm->running++;
    if (llm->running > llm->most_running)
        llm->most_running = llm->running;
    return llm->id = ++llm->next_id;
}

static void *end_exchange(struct fake_llm *llm)
{
    assert_true(llm->id != 0);
    llm->id = 0;
    llm->running--;
    return llm->arg;
}

static uint64_t fake_ask(struct llm *face, const char *model, const struct llm_message *messages,
                         size_t n_messages, const struct llm_ask_handlers *handlers, void *arg)
{
    struct fake_llm *llm = llm_of(face);
    llm->asked++;
    llm->handlers = handlers;
    llm->n_messages = n_messages;
    buf_clear(&llm->question);
    buf_puts(&llm->question, messages[n_messages - 1].text);
    return begin_exchange(llm, arg);
}

static uint64_t fake_draw(struct llm *face, const char *prompt, llm_image_fn fn, void *arg)
{
    struct fake_llm *llm = llm_of(face);
    llm->drawn++;
    llm->image = fn;
    buf_clear(&llm->question);
    buf_puts(&llm->question, prompt);
    return begin_exchange(llm, arg);
}

static uint64_t fake_balance(struct llm *face, llm_balance_fn fn, void *arg)
{
    struct fake_llm *llm = llm_of(face);
    llm->looked++;
    llm->balance = fn;
    return begin_exchange(llm, arg);
}

static void fake_cancel(struct llm *face, uint64_t id)
{
    struct fake_llm *llm = llm_of(face);
    llm->cancelled++;
    llm->running--;
    if (llm->id == id)
        llm->id = 0;
}

static const struct llm_ops llm_ops = {
    .ask = fake_ask,
    .draw = fake_draw,
    .balance = fake_balance,
    .cancel = fake_cancel,
};

void fixture_say(struct fixture *f, const char *text)
{
    assert_true(f->llm.id != 0);
    f->llm.handlers->on_text(f->llm.id, str_of(text), f->llm.arg);
}

void fixture_end_answer(struct fixture *f, enum llm_failure failure)
{
    const struct llm_answer answer = {
        .outcome = {.failure = failure, .peer_request_id = "", .tries = 1},
        .usage = {10, 5},
        .model = "model",
    };
    uint64_t id = f->llm.id;
    void *arg = end_exchange(&f->llm);
    f->llm.handlers->on_done(id, &answer, arg);
    fixture_settle(f);
}

void fixture_end_image(struct fixture *f, enum llm_failure failure)
{
    const struct llm_image image = {
        .outcome = {.failure = failure, .peer_request_id = "", .tries = 1},
        .bytes = STR_LIT("GIF89a"),
        .content_type = "image/gif",
        .extension = "gif",
        .model = "model",
    };
    uint64_t id = f->llm.id;
    void *arg = end_exchange(&f->llm);
    f->llm.image(id, &image, arg);
}

void fixture_end_balance(struct fixture *f, const struct llm_balance *balance)
{
    uint64_t id = f->llm.id;
    void *arg = end_exchange(&f->llm);
    f->llm.balance(id, balance, arg);
    fixture_settle(f);
}

/* ---- the platform ---- */

struct fake_sink {
    struct sink sink; /* first */
    struct fixture *fixture;
    int parts_sent;
    bool is_ending;
};

static struct fixture *fixture_of_sink(struct sink *sink)
{
    return ((struct fake_sink *)(void *)sink)->fixture;
}

static int parts_of(const struct fixture *f)
{
    return f->platform.n_parts > 0 ? f->platform.n_parts : 1;
}

static void move_sink(void *arg)
{
    struct fake_sink *sink = arg;
    struct fixture *f = sink->fixture;
    sink->parts_sent++;
    if (sink->parts_sent < parts_of(f) && f->platform.status == ST_OK) {
        sink->sink.handlers->on_part(&sink->sink, sink->parts_sent, sink->sink.arg);
        return;
    }
    const struct sink_outcome outcome = {
        .status = f->platform.status, .parts_sent = sink->parts_sent, .parts_total = parts_of(f)};
    sink->sink.handlers->on_done(&sink->sink, &outcome, sink->sink.arg);
}

static void end_sink(struct sink *face, const struct reply *reply)
{
    struct fake_sink *sink = (struct fake_sink *)(void *)face;
    struct fake_platform *platform = &sink->fixture->platform;
    assert_false(sink->is_ending);
    assert_true(utf8_is_valid(reply->markdown));
    assert_true(reply->markdown.n > 0);
    sink->is_ending = true;
    sink->parts_sent = reply->parts_done;
    platform->parts_skipped = reply->parts_done;
    platform->reply_kind = reply->kind;
    buf_clear(&platform->shown);
    buf_add_str(&platform->shown, reply->markdown);
    if (!platform->is_held)
        loop_defer(sink->fixture->loop, move_sink, sink);
}

static void sink_begin(struct sink *sink)
{
    fixture_of_sink(sink)->platform.begun++;
}

static void sink_grow(struct sink *sink, struct str text_so_far)
{
    struct fake_platform *platform = &fixture_of_sink(sink)->platform;
    buf_clear(&platform->grown);
    buf_add_str(&platform->grown, text_so_far);
}

static void sink_finish(struct sink *sink, const struct reply *reply)
{
    fixture_of_sink(sink)->platform.finished++;
    end_sink(sink, reply);
}

static void sink_fail(struct sink *sink, const struct reply *reply)
{
    fixture_of_sink(sink)->platform.failed++;
    end_sink(sink, reply);
}

static void sink_go_on(struct sink *sink)
{
    loop_defer(fixture_of_sink(sink)->loop, move_sink, sink);
}

static void sink_free(struct sink *sink)
{
    struct fake_platform *platform = &fixture_of_sink(sink)->platform;
    platform->freed++;
    if (platform->sink == sink)
        platform->sink = NULL;
    free(sink);
}

static const struct sink_ops sink_ops = {
    .begin = sink_begin,
    .grow = sink_grow,
    .finish = sink_finish,
    .fail = sink_fail,
    .go_on = sink_go_on,
    .free = sink_free,
};

static struct sink *open_sink(struct platform *face, const struct message *message,
                              const struct sink_handlers *handlers, void *arg)
{
    struct fixture *f =
        (struct fixture *)(void *)((char *)face - offsetof(struct fixture, platform));
    struct fake_sink *sink = xcalloc(1, sizeof(*sink));
    sink->sink = (struct sink){&sink_ops, handlers, arg};
    sink->fixture = f;
    f->platform.opened++;
    f->platform.sink = &sink->sink;
    return &sink->sink;
}

static const struct platform_ops platform_ops = {.name = "fake", .open_sink = open_sink};

void fixture_release_sink(struct fixture *f)
{
    f->platform.is_held = false;
    assert_non_null(f->platform.sink);
    loop_defer(f->loop, move_sink, f->platform.sink);
    fixture_settle(f);
}

/* ---- the chat between them ---- */

static const struct template templates[] = {{"#周报", "写周报：", "（分点）"}};

int fixture_setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/dingbridge-chat-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(loop_new(&f->loop), ST_OK);
    f->work = work_new(f->loop);
    f->images = image_store_new(f->work, f->dir, 1 << 20);
    f->store.store.ops = &store_ops;
    list_init(&f->store.held);
    buf_init(&f->store.question, SHOWN_BYTES_MAX);
    buf_init(&f->store.answer, SHOWN_BYTES_MAX);
    buf_init(&f->store.changed, SHOWN_BYTES_MAX);
    buf_init(&f->store.audited, SHOWN_BYTES_MAX);
    f->llm.llm = (struct llm){.ops = &llm_ops, .model = "model", .token_ratio = 1};
    buf_init(&f->llm.question, SHOWN_BYTES_MAX);
    f->platform.platform.ops = &platform_ops;
    buf_init(&f->platform.shown, SHOWN_BYTES_MAX);
    buf_init(&f->platform.grown, SHOWN_BYTES_MAX);
    f->settings = (struct chat_settings){
        .session_timeout_s = 600,
        .max_text_tokens = 4096,
        .max_answer_bytes = 1 << 20,
        .max_image_bytes = 1 << 20,
        .max_pending = 100,
        .llm_parallel = 8,
        .system_prompt = "",
        .help = "",
        .service_url = "https://bridge.example",
        .templates = templates,
        .n_templates = 1,
    };
    *state = f;
    return 0;
}

void fixture_start(struct fixture *f)
{
    f->chat = chat_new(f->loop, &f->store.store, &f->llm.llm, &f->platform.platform, f->images,
                       NULL, &f->settings);
}

static void remove_dir(const char *path)
{
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        DB_CLEANUP(free_charp) char *file = xasprintf("%s/%s", path, entry->d_name);
        (void)unlink(file);
    }
    if (dir)
        (void)closedir(dir);
    (void)rmdir(path);
}

void fixture_stop(struct fixture *f)
{
    if (f->chat)
        chat_stop(f->chat);
    fixture_release_store(f); /* as store_close runs what is still due */
    work_free(f->work);
    f->work = NULL;
    chat_free(f->chat);
    f->chat = NULL;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    if (f->work)
        fixture_stop(f);
    assert_int_equal(f->platform.opened, f->platform.freed);
    assert_int_equal(f->llm.running, 0);
    image_store_free(f->images);
    loop_free(f->loop);
    buf_done(&f->store.question);
    buf_done(&f->store.answer);
    buf_done(&f->store.changed);
    buf_done(&f->store.audited);
    free(f->store.unfinished_payload);
    free(f->store.unfinished_answer);
    buf_done(&f->llm.question);
    buf_done(&f->platform.shown);
    buf_done(&f->platform.grown);
    remove_dir(f->dir);
    free(f);
    return 0;
}

static void on_receipt(enum receipt receipt, void *arg)
{
    struct fixture *f = arg;
    f->n_stored += receipt == RECEIPT_STORED;
    f->n_known += receipt == RECEIPT_KNOWN;
    f->n_not_stored += receipt == RECEIPT_NOT_STORED;
}

void fixture_type(struct fixture *f, const char *sender, const char *text)
{
    char msg_id[16];
    (void)snprintf(msg_id, sizeof(msg_id), "m%d", ++f->next_msg);
    const struct message message = {
        .platform = "fake",
        .robot = "robot",
        .app = "",
        .msg_id = msg_id,
        .conversation = "conversation",
        .conversation_title = "",
        .sender = sender,
        .sender_staff_id = sender,
        .sender_nick = sender,
        .robot_nick = "",
        .kind = "text",
        .text = text,
        .reply_to = "",
    };
    if (!f->store.unfinished_payload) {
        struct buf payload = BUF_INIT(SHOWN_BYTES_MAX);
        DB_CLEANUP(json_unref) json_t *record = message_record_new(&message);
        assert_int_equal(json_write(record, &payload), ST_OK);
        f->store.unfinished_payload = buf_steal(&payload);
    }
    int receipts = f->n_stored + f->n_known + f->n_not_stored;
    struct receiver *receiver = chat_receiver(f->chat);
    receiver->receive(receiver, &message, on_receipt, f);
    assert_int_equal(f->n_stored + f->n_known + f->n_not_stored, receipts);
}

static bool is_true(void *arg)
{
    (void)arg;
    return true;
}

void fixture_settle(struct fixture *f)
{
    assert_true(loop_run_until(f->loop, is_true, NULL, FIXTURE_WAIT_MS));
}

void fixture_wait(struct fixture *f, bool (*is_done)(void *arg))
{
    assert_true(loop_run_until(f->loop, is_done, f, FIXTURE_WAIT_MS));
}

bool fixture_has_no_turn(void *arg)
{
    const struct fixture *f = arg;
    struct chat_stats stats;
    chat_get_stats(f->chat, &stats);
    return stats.turns_open == 0;
}
