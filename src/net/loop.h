/*
 * The event loop: timers, file descriptors, signals, work handed over from other threads, and work
 * put off to the end of the current turn of the loop. libevent stays behind this face (and inside
 * net/).
 *
 * Everything here is for the loop's own thread, except loop_post. No callback may wait for
 * anything; a callback that ran longer than 50 ms is logged with its name.
 */
#ifndef DB_NET_LOOP_H
#define DB_NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "util/status.h"

struct loop;
struct timer;
struct watch;
struct event_base;

typedef void (*loop_fn)(void *arg);

enum status loop_new(struct loop **ret_loop) DB_MUST_CHECK;
void loop_free(struct loop *loop);
void loop_run(struct loop *loop);  /* until loop_stop */
void loop_stop(struct loop *loop); /* after the current callbacks */
/* Runs until nothing deferred or posted is left and `is_done(arg)` holds, or timeout_ms passed
 * (false). For tests and for shutting down. */
bool loop_run_until(struct loop *loop, bool (*is_done)(void *arg), void *arg, int64_t timeout_ms);

/* Monotonic milliseconds, read once a turn of the loop. */
int64_t loop_now_ms(const struct loop *loop);

/* Runs fn(arg) at the end of this turn of the loop, in order; never before loop_defer returns. */
void loop_defer(struct loop *loop, loop_fn fn, void *arg);
/* The same from any thread: wakes the loop. Order of one thread's posts is kept. */
void loop_post(struct loop *loop, loop_fn fn, void *arg);

/* One-shot timer. It is freed by its firing (before fn runs) or by timer_cancel, whichever is
 * first; timer_cancel sets the pointer to NULL and takes NULL. Holders must clear their pointer in
 * fn. */
struct timer *timer_start(struct loop *loop, int64_t delay_ms, const char *name, loop_fn fn,
                          void *arg) DB_MUST_CHECK;
void timer_cancel(struct timer **timer);

/* fd readiness; the fd stays the caller's. Watching nothing (both false) is allowed and silent. */
typedef void (*watch_fn)(int fd, bool is_readable, bool is_writable, void *arg);
struct watch *watch_new(struct loop *loop, int fd, const char *name, watch_fn fn,
                        void *arg) DB_MUST_CHECK;
void watch_set(struct watch *watch, bool want_read, bool want_write);
void watch_free(struct watch *watch); /* NULL is fine */

/* fn(arg) on the loop for each arrival of the signal; for the life of the loop. */
void loop_on_signal(struct loop *loop, int signal_number, loop_fn fn, void *arg);

/* For net/ only: evhttp needs the base. */
struct event_base *loop_event_base(struct loop *loop);

#endif
