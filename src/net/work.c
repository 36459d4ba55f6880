#include "net/work.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "util/list.h"
#include "util/log.h"
#include "util/mem.h"

struct task {
    struct list node;
    struct work *work;
    work_fn job;
    work_fn done;
    void *arg;
};

struct work {
    struct loop *loop;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct list waiting;
    size_t n_open; /* handed in and not yet done; the loop's thread only */
    bool is_stopping;
};

static void task_end(void *arg)
{
    struct task *task = arg;
    task->work->n_open--;
    task->done(task->arg);
    free(task);
}

static struct task *next_task(struct work *work)
{
    pthread_mutex_lock(&work->lock);
    while (list_is_empty(&work->waiting) && !work->is_stopping)
        pthread_cond_wait(&work->wake, &work->lock);
    struct list *node = list_pop_front(&work->waiting);
    pthread_mutex_unlock(&work->lock);
    return node ? LIST_ENTRY(node, struct task, node) : NULL;
}

static void *thread_main(void *arg)
{
    struct work *work = arg;
    for (struct task *task = next_task(work); task; task = next_task(work)) {
        task->job(task->arg);
        loop_post(work->loop, task_end, task);
    }
    return NULL;
}

struct work *work_new(struct loop *loop)
{
    struct work *work = xcalloc(1, sizeof(*work));
    work->loop = loop;
    list_init(&work->waiting);
    pthread_mutex_init(&work->lock, NULL);
    pthread_cond_init(&work->wake, NULL);
    if (pthread_create(&work->thread, NULL, thread_main, work) != 0) {
        log_event(LOG_ERROR, "work", "no_thread", LOG_I("open", 0));
        abort();
    }
    return work;
}

static bool is_idle(void *arg)
{
    const struct work *work = arg;
    return work->n_open == 0;
}

void work_free(struct work *work)
{
    if (!work)
        return;
    pthread_mutex_lock(&work->lock);
    work->is_stopping = true;
    pthread_cond_signal(&work->wake);
    pthread_mutex_unlock(&work->lock);
    pthread_join(work->thread, NULL);
    (void)loop_run_until(work->loop, is_idle, work, 5000);
    pthread_cond_destroy(&work->wake);
    pthread_mutex_destroy(&work->lock);
    free(work);
}

void work_run(struct work *work, work_fn job, work_fn done, void *arg)
{
    struct task *task = xcalloc(1, sizeof(*task));
    *task = (struct task){.work = work, .job = job, .done = done, .arg = arg};
    work->n_open++;
    pthread_mutex_lock(&work->lock);
    list_push_back(&work->waiting, &task->node);
    pthread_cond_signal(&work->wake);
    pthread_mutex_unlock(&work->lock);
}
