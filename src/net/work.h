/*
 * One background thread for the few things that may wait on a disk or take long: jobs run there one
 * after another, their ends arrive on the loop.
 */
#ifndef DB_NET_WORK_H
#define DB_NET_WORK_H

#include "net/loop.h"

struct work;

typedef void (*work_fn)(void *arg);

struct work *work_new(struct loop *loop);
/* Finishes the jobs handed in, runs their `done`, stops the thread. NULL is fine. */
void work_free(struct work *work);
/* job(arg) on the thread, then done(arg) on the loop. `arg` belongs to the job until done has run.
 */
void work_run(struct work *work, work_fn job, work_fn done, void *arg);

#endif
