#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net/loop.h"
#include "net/work.h"
#include "util/clock.h"

#define PATIENCE_MS 10000

/* What happened, one letter each. */
struct story {
    struct loop *loop;
    char text[64];
    size_t n;
    struct timer *timer;
    struct watch *watch;
    pthread_t main_thread;
    bool was_elsewhere;
};

static void tell(struct story *story, char letter)
{
    if (story->n + 1 < sizeof(story->text))
        story->text[story->n++] = letter;
}

static void tell_a(void *arg)
{
    tell(arg, 'a');
}

static void tell_b(void *arg)
{
    tell(arg, 'b');
}

static bool has_three(void *arg)
{
    return ((const struct story *)arg)->n >= 3;
}

static bool has_one(void *arg)
{
    return ((const struct story *)arg)->n >= 1;
}

static bool never(void *arg)
{
    return false;
}

static struct loop *loop_made(void)
{
    struct loop *loop;
    assert_int_equal(loop_new(&loop), ST_OK);
    return loop;
}

static void defer_again(void *arg)
{
    struct story *story = arg;
    tell(story, 'd');
    loop_defer(story->loop, tell_a, story);
    tell(story, 'e');
}

static void deferred_work_runs_later_and_in_order(void **state)
{
    struct story story = {.loop = loop_made()};
    loop_defer(story.loop, defer_again, &story);
    loop_defer(story.loop, tell_b, &story);
    assert_int_equal(story.n, 0);
    assert_true(loop_run_until(story.loop, has_three, &story, PATIENCE_MS));
    assert_string_equal(story.text, "deba");
    loop_free(story.loop);
}

static void timers_fire_once_in_the_order_of_their_delays(void **state)
{
    struct story story = {.loop = loop_made()};
    int64_t began_ms = clock_mono_ms();
    struct timer *slow = timer_start(story.loop, 60, "slow", tell_b, &story);
    struct timer *fast = timer_start(story.loop, 20, "fast", tell_a, &story);
    struct timer *never_fires = timer_start(story.loop, 30, "never", defer_again, &story);
    assert_true(slow && fast);
    timer_cancel(&never_fires);
    assert_null(never_fires);
    timer_cancel(&never_fires);
    assert_false(loop_run_until(story.loop, never, NULL, 120));
    assert_string_equal(story.text, "ab");
    assert_true(clock_mono_ms() - began_ms >= 110); /* libevent's clock is coarse */
    loop_free(story.loop);
}

static void cancel_own(void *arg)
{
    struct story *story = arg;
    tell(story, 'c');
    story->timer = timer_start(story->loop, 0, "next", tell_a, story);
}

static void a_timer_may_start_another_from_its_callback(void **state)
{
    struct story story = {.loop = loop_made()};
    story.timer = timer_start(story.loop, -5, "first", cancel_own, &story);
    assert_false(loop_run_until(story.loop, never, NULL, 30));
    assert_string_equal(story.text, "ca");
    loop_free(story.loop);
}

static void *post_many(void *arg)
{
    struct story *story = arg;
    for (int i = 0; i < 10; i++)
        loop_post(story->loop, i % 2 ? tell_b : tell_a, story);
    return NULL;
}

static bool has_ten(void *arg)
{
    return ((const struct story *)arg)->n >= 10;
}

static void posts_of_another_thread_wake_the_loop_and_keep_their_order(void **state)
{
    struct story story = {.loop = loop_made()};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, post_many, &story), 0);
    assert_true(loop_run_until(story.loop, has_ten, &story, PATIENCE_MS));
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_string_equal(story.text, "ababababab");
    loop_free(story.loop);
}

static void on_ready(int fd, bool is_readable, bool is_writable, void *arg)
{
    struct story *story = arg;
    char byte;
    tell(story, is_readable ? 'r' : 'w');
    if (is_readable)
        assert_int_equal(read(fd, &byte, 1), 1);
    else
        watch_set(story->watch, true, false);
}

static void a_watch_tells_what_was_wanted_and_nothing_else(void **state)
{
    struct story story = {.loop = loop_made()};
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    story.watch = watch_new(story.loop, fds[0], "pipe", on_ready, &story);
    assert_int_equal(write(fds[1], "xy", 2), 2);
    assert_false(loop_run_until(story.loop, has_one, &story, 30));
    watch_set(story.watch, true, false);
    assert_false(loop_run_until(story.loop, never, NULL, 30));
    assert_string_equal(story.text, "rr");
    watch_set(story.watch, false, false);
    assert_int_equal(write(fds[1], "z", 1), 1);
    assert_false(loop_run_until(story.loop, never, NULL, 30));
    assert_string_equal(story.text, "rr");
    watch_free(story.watch);
    (void)close(fds[0]);
    (void)close(fds[1]);
    loop_free(story.loop);
}

static void signals_arrive_on_the_loop(void **state)
{
    struct story story = {.loop = loop_made()};
    loop_on_signal(story.loop, SIGUSR1, tell_a, &story);
    for (size_t i = 1; i <= 2; i++) {
        assert_int_equal(raise(SIGUSR1), 0);
        assert_false(loop_run_until(story.loop, never, NULL, 30));
        assert_int_equal(story.n, i);
    }
    loop_free(story.loop);
}

static void be_slow(void *arg)
{
    const struct timespec nap = {.tv_nsec = 80 * 1000 * 1000};
    (void)nanosleep(&nap, NULL);
    tell(arg, 's');
}

static void a_callback_that_takes_long_is_named_in_the_log(void **state)
{
    struct story story = {.loop = loop_made()};
    FILE *log = tmpfile();
    int saved = dup(STDERR_FILENO);
    assert_true(dup2(fileno(log), STDERR_FILENO) >= 0);
    struct timer *timer = timer_start(story.loop, 0, "sleepy", be_slow, &story);
    assert_non_null(timer);
    assert_true(loop_run_until(story.loop, has_one, &story, PATIENCE_MS));
    (void)fflush(stderr);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    (void)close(saved);
    char text[512] = "";
    rewind(log);
    assert_true(fread(text, 1, sizeof(text) - 1, log) > 0);
    (void)fclose(log);
    assert_non_null(strstr(text, "slow_callback"));
    assert_non_null(strstr(text, "sleepy"));
    loop_free(story.loop);
}

static void what_is_left_is_freed_with_the_loop(void **state)
{
    struct story story = {.loop = loop_made()};
    loop_defer(story.loop, tell_a, &story);
    loop_post(story.loop, tell_a, &story);
    struct timer *timer = timer_start(story.loop, 1000, "left", tell_a, &story);
    assert_non_null(timer);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    watch_set(watch_new(story.loop, fds[0], "left", on_ready, &story), true, false);
    loop_free(story.loop);
    (void)close(fds[0]);
    (void)close(fds[1]);
    assert_int_equal(story.n, 0);
    loop_free(NULL);
}

static void job(void *arg)
{
    struct story *story = arg;
    story->was_elsewhere = !pthread_equal(pthread_self(), story->main_thread);
}

static void job_done(void *arg)
{
    struct story *story = arg;
    tell(story,
         story->was_elsewhere && pthread_equal(pthread_self(), story->main_thread) ? 'j' : '!');
}

static void jobs_run_on_the_thread_and_end_on_the_loop(void **state)
{
    struct story story = {.loop = loop_made(), .main_thread = pthread_self()};
    struct work *work = work_new(story.loop);
    for (int i = 0; i < 3; i++)
        work_run(work, job, job_done, &story);
    assert_true(loop_run_until(story.loop, has_three, &story, PATIENCE_MS));
    work_run(work, job, job_done, &story);
    work_free(work);
    assert_string_equal(story.text, "jjjj");
    work_free(NULL);
    loop_free(story.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deferred_work_runs_later_and_in_order),
        cmocka_unit_test(timers_fire_once_in_the_order_of_their_delays),
        cmocka_unit_test(a_timer_may_start_another_from_its_callback),
        cmocka_unit_test(posts_of_another_thread_wake_the_loop_and_keep_their_order),
        cmocka_unit_test(a_watch_tells_what_was_wanted_and_nothing_else),
        cmocka_unit_test(signals_arrive_on_the_loop),
        cmocka_unit_test(a_callback_that_takes_long_is_named_in_the_log),
        cmocka_unit_test(what_is_left_is_freed_with_the_loop),
        cmocka_unit_test(jobs_run_on_the_thread_and_end_on_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
