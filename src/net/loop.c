#include "net/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/list.h"
#include "util/log.h"
#include "util/mem.h"

#define SLOW_CALLBACK_MS 50

/* Work put off: to the end of the turn, or from another thread. */
struct deferred {
    struct list node;
    loop_fn fn;
    void *arg;
};

struct loop {
    struct event_base *base;
    struct list timers;
    struct list watches;
    struct list signals;
    struct list deferred;
    int64_t now_ms;
    bool is_stopping;

    int wake_fd;
    struct event *wake_event;
    pthread_mutex_t posted_lock;
    struct list posted;
};

struct timer {
    struct list node;
    struct loop *loop;
    struct event *event;
    const char *name;
    loop_fn fn;
    void *arg;
};

struct watch {
    struct list node;
    struct loop *loop;
    struct event *event; /* NULL while nothing is wanted */
    int fd;
    const char *name;
    watch_fn fn;
    void *arg;
};

struct signal_watch {
    struct list node;
    struct event *event;
    loop_fn fn;
    void *arg;
};

static void tell_if_slow(const char *name, int64_t began_ms)
{
    int64_t took_ms = clock_mono_ms() - began_ms;
    if (took_ms > SLOW_CALLBACK_MS)
        log_event(LOG_WARN, "loop", "slow_callback", LOG_S("name", name),
                  LOG_I("took_ms", took_ms));
}

static void push_deferred(struct list *queue, loop_fn fn, void *arg)
{
    struct deferred *deferred = xcalloc(1, sizeof(*deferred));
    deferred->fn = fn;
    deferred->arg = arg;
    list_push_back(queue, &deferred->node);
}

/* What was posted by other threads goes behind what the loop itself put off. */
static void take_posted(struct loop *loop)
{
    pthread_mutex_lock(&loop->posted_lock);
    for (struct list *node; (node = list_pop_front(&loop->posted));)
        list_push_back(&loop->deferred, node);
    pthread_mutex_unlock(&loop->posted_lock);
}

static void on_wake(evutil_socket_t fd, short events, void *arg)
{
    uint64_t count;
    if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        log_event(LOG_ERROR, "loop", "wake_failed", LOG_I("errno", errno));
    take_posted(arg);
}

enum status loop_new(struct loop **ret_loop)
{
    struct loop *loop = xcalloc(1, sizeof(*loop));
    list_init(&loop->timers);
    list_init(&loop->watches);
    list_init(&loop->signals);
    list_init(&loop->deferred);
    list_init(&loop->posted);
    pthread_mutex_init(&loop->posted_lock, NULL);
    loop->now_ms = clock_mono_ms();
    loop->base = event_base_new();
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->base && loop->wake_fd >= 0)
        loop->wake_event =
            event_new(loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
    if (!loop->wake_event || event_add(loop->wake_event, NULL) != 0) {
        loop_free(loop);
        return ST_INTERNAL;
    }
    *ret_loop = loop;
    return ST_OK;
}

static void timer_free(struct timer *timer)
{
    list_remove(&timer->node);
    event_free(timer->event);
    free(timer);
}

static void free_deferred(struct list *queue)
{
    for (struct list *node; (node = list_pop_front(queue));)
        free(LIST_ENTRY(node, struct deferred, node));
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    LIST_FOREACH(node, next, &loop->timers)
    timer_free(LIST_ENTRY(node, struct timer, node));
    LIST_FOREACH(node, next, &loop->watches)
    watch_free(LIST_ENTRY(node, struct watch, node));
    LIST_FOREACH(node, next, &loop->signals)
    {
        struct signal_watch *watch = LIST_ENTRY(node, struct signal_watch, node);
        event_free(watch->event);
        free(watch);
    }
    free_deferred(&loop->deferred);
    free_deferred(&loop->posted);
    if (loop->wake_event)
        event_free(loop->wake_event);
    if (loop->wake_fd >= 0)
        (void)close(loop->wake_fd);
    if (loop->base)
        event_base_free(loop->base);
    pthread_mutex_destroy(&loop->posted_lock);
    free(loop);
}

/* Runs what was put off before this call; what these put off in turn waits for the next one, so
 * that sockets get their share. */
static void run_deferred(struct loop *loop)
{
    struct list batch;
    list_init(&batch);
    for (struct list *node; (node = list_pop_front(&loop->deferred));)
        list_push_back(&batch, node);
    for (struct list *node; (node = list_pop_front(&batch));) {
        struct deferred deferred = *LIST_ENTRY(node, struct deferred, node);
        free(LIST_ENTRY(node, struct deferred, node));
        int64_t began_ms = clock_mono_ms();
        deferred.fn(deferred.arg);
        tell_if_slow("deferred", began_ms);
    }
}

static void run_turn(struct loop *loop)
{
    int flags = EVLOOP_ONCE | (list_is_empty(&loop->deferred) ? 0 : EVLOOP_NONBLOCK);
    (void)event_base_loop(loop->base, flags);
    loop->now_ms = clock_mono_ms();
    run_deferred(loop);
}

void loop_run(struct loop *loop)
{
    loop->is_stopping = false;
    while (!loop->is_stopping)
        run_turn(loop);
}

void loop_stop(struct loop *loop)
{
    loop->is_stopping = true;
}

static void on_timeout(void *arg)
{
    *(bool *)arg = true;
}

static bool is_idle(struct loop *loop)
{
    pthread_mutex_lock(&loop->posted_lock);
    bool is_empty = list_is_empty(&loop->posted);
    pthread_mutex_unlock(&loop->posted_lock);
    return is_empty && list_is_empty(&loop->deferred);
}

bool loop_run_until(struct loop *loop, bool (*is_done)(void *arg), void *arg, int64_t timeout_ms)
{
    bool is_late = false;
    struct timer *timer = timer_start(loop, timeout_ms, "run_until", on_timeout, &is_late);
    while (!is_late && !(is_idle(loop) && is_done(arg)))
        run_turn(loop);
    if (!is_late)
        timer_cancel(&timer);
    return !is_late;
}

int64_t loop_now_ms(const struct loop *loop)
{
    return loop->now_ms;
}

void loop_defer(struct loop *loop, loop_fn fn, void *arg)
{
    push_deferred(&loop->deferred, fn, arg);
}

void loop_post(struct loop *loop, loop_fn fn, void *arg)
{
    pthread_mutex_lock(&loop->posted_lock);
    push_deferred(&loop->posted, fn, arg);
    pthread_mutex_unlock(&loop->posted_lock);
    uint64_t one = 1;
    /* It can only fail because the counter is full, and then the loop is awake anyway. */
    if (write(loop->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
        log_event(LOG_ERROR, "loop", "post_failed", LOG_I("errno", errno));
}

static void on_timer(evutil_socket_t fd, short events, void *arg)
{
    struct timer *timer = arg;
    const struct timer copy = *timer;
    copy.loop->now_ms = clock_mono_ms();
    timer_free(timer);
    copy.fn(copy.arg);
    tell_if_slow(copy.name, copy.loop->now_ms);
}

struct timer *timer_start(struct loop *loop, int64_t delay_ms, const char *name, loop_fn fn,
                          void *arg)
{
    struct timer *timer = xcalloc(1, sizeof(*timer));
    if (delay_ms < 0)
        delay_ms = 0;
    *timer = (struct timer){.loop = loop, .name = name, .fn = fn, .arg = arg};
    timer->event = evtimer_new(loop->base, on_timer, timer);
    const struct timeval delay = {.tv_sec = (time_t)(delay_ms / 1000),
                                  .tv_usec = (suseconds_t)(delay_ms % 1000 * 1000)};
    if (!timer->event || event_add(timer->event, &delay) != 0)
        abort(); /* a wait without its deadline would be worse */
    list_push_back(&loop->timers, &timer->node);
    return timer;
}

void timer_cancel(struct timer **timer)
{
    if (!*timer)
        return;
    timer_free(*timer);
    *timer = NULL;
}

static void on_ready(evutil_socket_t fd, short events, void *arg)
{
    struct watch *watch = arg;
    const char *name = watch->name; /* the watch may be freed in there */
    watch->loop->now_ms = clock_mono_ms();
    int64_t began_ms = watch->loop->now_ms;
    watch->fn(watch->fd, events & EV_READ, events & EV_WRITE, watch->arg);
    tell_if_slow(name, began_ms);
}

struct watch *watch_new(struct loop *loop, int fd, const char *name, watch_fn fn, void *arg)
{
    struct watch *watch = xcalloc(1, sizeof(*watch));
    *watch = (struct watch){.loop = loop, .fd = fd, .name = name, .fn = fn, .arg = arg};
    list_push_back(&loop->watches, &watch->node);
    return watch;
}

void watch_set(struct watch *watch, bool want_read, bool want_write)
{
    if (watch->event)
        event_free(watch->event);
    watch->event = NULL;
    if (!want_read && !want_write)
        return;
    short events = (short)(EV_PERSIST | (want_read ? EV_READ : 0) | (want_write ? EV_WRITE : 0));
    watch->event = event_new(watch->loop->base, watch->fd, events, on_ready, watch);
    if (!watch->event || event_add(watch->event, NULL) != 0)
        log_event(LOG_ERROR, "loop", "watch_failed", LOG_S("name", watch->name),
                  LOG_I("fd", watch->fd));
}

void watch_free(struct watch *watch)
{
    if (!watch)
        return;
    list_remove(&watch->node);
    if (watch->event)
        event_free(watch->event);
    free(watch);
}

static void on_signal(evutil_socket_t signal_number, short events, void *arg)
{
    const struct signal_watch *watch = arg;
    watch->fn(watch->arg);
}

void loop_on_signal(struct loop *loop, int signal_number, loop_fn fn, void *arg)
{
    struct signal_watch *watch = xcalloc(1, sizeof(*watch));
    watch->fn = fn;
    watch->arg = arg;
    watch->event = evsignal_new(loop->base, signal_number, on_signal, watch);
    if (!watch->event || event_add(watch->event, NULL) != 0)
        abort(); /* a daemon that cannot be stopped must not start */
    list_push_back(&loop->signals, &watch->node);
}

struct event_base *loop_event_base(struct loop *loop)
{
    return loop->base;
}
