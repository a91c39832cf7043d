/* SPDX-License-Identifier: Apache-2.0 */
#include "base/parallel.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

typedef void task_fn(void *arg, int index, int worker);

struct worker {
	struct assay__parallel *parallel;
	pthread_t thread;
	int number; /* 1.. */
};

struct assay__parallel {
	const struct assay_allocator *allocator;
	struct assay_runner runner;
	pthread_mutex_t run_mutex; /* held for one run */

	pthread_mutex_t mutex; /* guards what follows, up to the blank line */
	pthread_cond_t wake, idle;
	uint64_t job; /* number of the latest one */
	bool open;	  /* may workers still join it? */
	bool ending;
	int active; /* threads at work on it */
	task_fn *task;
	void *arg;
	int count;

	_Atomic int64_t next; /* index to do next; wide, as every worker overshoots by one */
	int thread_count;
	struct worker workers[];
};

/* The tasks this thread is in the middle of, innermost first: a run from within one of them is done in place. */
struct inside {
	const struct assay__parallel *parallel;
	int worker;
	const struct inside *outer;
};
static _Thread_local const struct inside *innermost;

/* Does indices until none is left. The caller is the only one with this worker number. */
static void work(struct assay__parallel *parallel, task_fn *task, void *arg, int count, int worker)
{
	struct inside here = {parallel, worker, innermost};
	innermost = &here;
	for (;;) {
		int64_t index = atomic_fetch_add_explicit(&parallel->next, 1, memory_order_relaxed);
		if (index >= count)
			break;
		task(arg, (int)index, worker);
	}
	innermost = here.outer;
}

static void *thread_main(void *arg)
{
	struct worker *self = arg;
	struct assay__parallel *parallel = self->parallel;
	uint64_t seen = 0;
	pthread_mutex_lock(&parallel->mutex);
	for (;;) {
		while (!parallel->ending && !(parallel->open && parallel->job != seen))
			pthread_cond_wait(&parallel->wake, &parallel->mutex);
		if (parallel->ending)
			break;
		seen = parallel->job;
		parallel->active++;
		task_fn *task = parallel->task;
		void *task_arg = parallel->arg;
		int count = parallel->count;
		pthread_mutex_unlock(&parallel->mutex);
		work(parallel, task, task_arg, count, self->number);
		pthread_mutex_lock(&parallel->mutex);
		if (--parallel->active == 0)
			pthread_cond_signal(&parallel->idle);
	}
	pthread_mutex_unlock(&parallel->mutex);
	return NULL;
}

static void run(void *ctx, int count, task_fn *task, void *arg)
{
	struct assay__parallel *parallel = ctx;
	if (count <= 0)
		return;
	for (const struct inside *in = innermost; in; in = in->outer) {
		if (in->parallel != parallel)
			continue;
		for (int i = 0; i < count; i++)
			task(arg, i, in->worker);
		return;
	}
	pthread_mutex_lock(&parallel->run_mutex);
	atomic_store_explicit(&parallel->next, 0, memory_order_relaxed);
	bool shared = count > 1 && parallel->thread_count > 0;
	if (shared) {
		pthread_mutex_lock(&parallel->mutex);
		parallel->task = task;
		parallel->arg = arg;
		parallel->count = count;
		parallel->job++;
		parallel->open = true;
		if (count - 1 < parallel->thread_count)
			for (int i = 0; i < count - 1; i++)
				pthread_cond_signal(&parallel->wake);
		else
			pthread_cond_broadcast(&parallel->wake);
		pthread_mutex_unlock(&parallel->mutex);
	}
	work(parallel, task, arg, count, 0);
	if (shared) {
		/* Every index is taken: whoever wakes only now need not be waited for. */
		pthread_mutex_lock(&parallel->mutex);
		parallel->open = false;
		while (parallel->active > 0)
			pthread_cond_wait(&parallel->idle, &parallel->mutex);
		pthread_mutex_unlock(&parallel->mutex);
	}
	pthread_mutex_unlock(&parallel->run_mutex);
}

static int open_locks(struct assay__parallel *parallel)
{
	int err = pthread_mutex_init(&parallel->run_mutex, NULL);
	if (err)
		return err;
	err = pthread_mutex_init(&parallel->mutex, NULL);
	if (err)
		goto no_mutex;
	err = pthread_cond_init(&parallel->wake, NULL);
	if (err)
		goto no_wake;
	err = pthread_cond_init(&parallel->idle, NULL);
	if (err)
		goto no_idle;
	return 0;
no_idle:
	pthread_cond_destroy(&parallel->wake);
no_wake:
	pthread_mutex_destroy(&parallel->mutex);
no_mutex:
	pthread_mutex_destroy(&parallel->run_mutex);
	return err;
}

/* Signals are for the caller's own threads; one that lands here would find nobody. */
static int start_threads(struct assay__parallel *parallel, int wanted)
{
	sigset_t all, before;
	sigfillset(&all);
	int err = pthread_sigmask(SIG_SETMASK, &all, &before);
	if (err)
		return err;
	while (parallel->thread_count < wanted) {
		struct worker *worker = &parallel->workers[parallel->thread_count];
		worker->parallel = parallel;
		worker->number = parallel->thread_count + 1;
		err = pthread_create(&worker->thread, NULL, thread_main, worker);
		if (err)
			break;
		parallel->thread_count++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

int assay__parallel_open(int workers, const struct assay_allocator *allocator, struct assay__parallel **out,
						 struct assay_error *error)
{
	if (workers < 1 || workers > ASSAY__PARALLEL_MAX_WORKERS)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "%d threads asked for; allowed are 1 to %d", workers,
						   ASSAY__PARALLEL_MAX_WORKERS);
	struct assay__parallel *parallel =
		assay__calloc(allocator, 1, sizeof(*parallel) + (size_t)(workers - 1) * sizeof(parallel->workers[0]));
	if (!parallel)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");
	parallel->allocator = allocator;
	parallel->runner = (struct assay_runner){.workers = workers, .run = run, .ctx = parallel};
	atomic_init(&parallel->next, 0);
	int err = open_locks(parallel);
	if (err) {
		assay__free(allocator, parallel);
		return assay__fail(error, ASSAY_E_IO, -1, "cannot make a lock: %s", strerror(err));
	}
	err = start_threads(parallel, workers - 1);
	if (err) {
		assay__parallel_close(parallel);
		return assay__fail(error, ASSAY_E_IO, -1, "cannot start %d threads: %s", workers - 1, strerror(err));
	}
	*out = parallel;
	return ASSAY_OK;
}

void assay__parallel_close(struct assay__parallel *parallel)
{
	if (!parallel)
		return;
	pthread_mutex_lock(&parallel->mutex);
	assert(!parallel->open && parallel->active == 0);
	parallel->ending = true;
	pthread_cond_broadcast(&parallel->wake);
	pthread_mutex_unlock(&parallel->mutex);
	for (int i = 0; i < parallel->thread_count; i++)
		pthread_join(parallel->workers[i].thread, NULL);
	pthread_cond_destroy(&parallel->idle);
	pthread_cond_destroy(&parallel->wake);
	pthread_mutex_destroy(&parallel->mutex);
	pthread_mutex_destroy(&parallel->run_mutex);
	assay__free(parallel->allocator, parallel);
}

const struct assay_runner *assay__parallel_runner(const struct assay__parallel *parallel)
{
	return &parallel->runner;
}

int assay__parallel_cpus(void)
{
	cpu_set_t set;
	int count = 0;
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		count = CPU_COUNT(&set);
	else
		count = (int)sysconf(_SC_NPROCESSORS_ONLN);
	if (count < 1)
		return 1;
	return count < ASSAY__PARALLEL_MAX_WORKERS ? count : ASSAY__PARALLEL_MAX_WORKERS;
}
