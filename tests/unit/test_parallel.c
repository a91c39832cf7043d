/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/parallel.h"
#include "failing.h"

#define MAX_COUNT 2000
#define MAX_WORKERS 8

struct job {
	const struct assay_runner *runner;
	atomic_int calls[MAX_COUNT];
	atomic_int busy[MAX_WORKERS]; /* is a worker number in use? */
	atomic_int clashes, bad_workers;
	int plain[MAX_COUNT]; /* written without atomics: run must publish it */
	int uneven;
};

static void task(void *arg, int index, int worker)
{
	struct job *job = arg;
	if (worker < 0 || worker >= job->runner->workers) {
		atomic_fetch_add(&job->bad_workers, 1);
		return;
	}
	if (atomic_exchange(&job->busy[worker], 1))
		atomic_fetch_add(&job->clashes, 1);
	if (job->uneven && index % 97 == 0)
		usleep(2000);
	atomic_fetch_add(&job->calls[index], 1);
	job->plain[index] = index * 3 + 1;
	atomic_store(&job->busy[worker], 0);
}

static void check_run(const struct assay_runner *runner, int count, int uneven)
{
	static struct job job;
	memset((void *)&job, 0, sizeof(job));
	job.runner = runner;
	job.uneven = uneven;
	runner->run(runner->ctx, count, task, &job);
	for (int i = 0; i < count; i++) {
		assert_int_equal(job.calls[i], 1);
		assert_int_equal(job.plain[i], i * 3 + 1);
	}
	for (int i = count; i < MAX_COUNT; i++)
		assert_int_equal(job.calls[i], 0);
	assert_int_equal(job.clashes, 0);
	assert_int_equal(job.bad_workers, 0);
}

static void every_index_is_done_once(void **state)
{
	(void)state;
	for (int workers = 1; workers <= MAX_WORKERS; workers++) {
		struct assay__parallel *parallel;
		assert_int_equal(assay__parallel_open(workers, NULL, &parallel, NULL), 0);
		const struct assay_runner *runner = assay__parallel_runner(parallel);
		assert_int_equal(runner->workers, workers);
		static const int counts[] = {0, 1, 2, 3, 7, 8, 9, 100, MAX_COUNT};
		for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
			check_run(runner, counts[i], 0);
		check_run(runner, 500, 1);
		assay__parallel_close(parallel);
	}
}

/* Short jobs one after another: late wakers of one job must not disturb the next. */
static void many_small_jobs(void **state)
{
	(void)state;
	struct assay__parallel *parallel;
	assert_int_equal(assay__parallel_open(4, NULL, &parallel, NULL), 0);
	for (int i = 0; i < 3000; i++)
		check_run(assay__parallel_runner(parallel), i % 6, 0);
	assay__parallel_close(parallel);
}

static void close_without_a_run(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct assay__parallel *parallel;
		assert_int_equal(assay__parallel_open(5, NULL, &parallel, NULL), 0);
		assay__parallel_close(parallel);
	}
	assay__parallel_close(NULL);
}

/* Waits until the other worker has come as well: both threads work, the caller as worker 0. */
static void meet(void *arg, int index, int worker)
{
	atomic_int *arrived = arg;
	(void)index;
	arrived[1] |= 1 << worker;
	atomic_fetch_add(&arrived[0], 1);
	while (atomic_load(&arrived[0]) < 2)
		sched_yield();
}

static void work_is_shared(void **state)
{
	(void)state;
	struct assay__parallel *parallel;
	atomic_int arrived[2] = {0, 0};
	assert_int_equal(assay__parallel_open(2, NULL, &parallel, NULL), 0);
	const struct assay_runner *runner = assay__parallel_runner(parallel);
	runner->run(runner->ctx, 2, meet, arrived);
	assert_int_equal(arrived[1], 3);
	assay__parallel_close(parallel);
}

struct nest {
	const struct assay_runner *outer, *other;
	atomic_int total, wrong_worker, out_of_order;
};

struct inner {
	struct nest *nest;
	pthread_t thread;
	int worker, next;
	int sum;
};

static void inner_task(void *arg, int index, int worker)
{
	struct inner *inner = arg;
	if (worker != inner->worker || !pthread_equal(inner->thread, pthread_self()))
		atomic_fetch_add(&inner->nest->wrong_worker, 1);
	if (index != inner->next++)
		atomic_fetch_add(&inner->nest->out_of_order, 1);
	inner->sum += index;
}

static void outer_task(void *arg, int index, int worker)
{
	struct nest *nest = arg;
	struct inner inner = {.nest = nest, .thread = pthread_self(), .worker = worker};
	(void)index;
	nest->outer->run(nest->outer->ctx, 10, inner_task, &inner);
	atomic_fetch_add(&nest->total, inner.sum);
}

static void nested_runs_are_done_in_place(void **state)
{
	(void)state;
	struct assay__parallel *parallel;
	struct nest nest = {0};
	assert_int_equal(assay__parallel_open(3, NULL, &parallel, NULL), 0);
	nest.outer = assay__parallel_runner(parallel);
	nest.outer->run(nest.outer->ctx, 50, outer_task, &nest);
	assert_int_equal(nest.total, 50 * 45);
	assert_int_equal(nest.wrong_worker, 0);
	assert_int_equal(nest.out_of_order, 0);
	check_run(nest.outer, 100, 0);
	assay__parallel_close(parallel);
}

static void count_task(void *arg, int index, int worker)
{
	(void)index;
	(void)worker;
	atomic_fetch_add((atomic_int *)arg, 1);
}

static void cross_task(void *arg, int index, int worker)
{
	struct nest *nest = arg;
	(void)index;
	(void)worker;
	nest->other->run(nest->other->ctx, 4, count_task, &nest->total);
}

static void *run_from_a_thread(void *arg)
{
	struct nest *nest = arg;
	for (int i = 0; i < 50; i++)
		nest->outer->run(nest->outer->ctx, 6, cross_task, nest);
	return NULL;
}

/* Two threads run on one set while its tasks run on another. */
static void runs_wait_for_each_other(void **state)
{
	(void)state;
	struct assay__parallel *one, *two;
	pthread_t thread;
	struct nest nest = {0};
	assert_int_equal(assay__parallel_open(3, NULL, &one, NULL), 0);
	assert_int_equal(assay__parallel_open(2, NULL, &two, NULL), 0);
	nest.outer = assay__parallel_runner(one);
	nest.other = assay__parallel_runner(two);
	assert_int_equal(pthread_create(&thread, NULL, run_from_a_thread, &nest), 0);
	run_from_a_thread(&nest);
	pthread_join(thread, NULL);
	assert_int_equal(nest.total, 2 * 50 * 6 * 4);
	assay__parallel_close(one);
	assay__parallel_close(two);
}

static void signals_are_blocked_task(void *arg, int index, int worker)
{
	atomic_int *open = arg;
	sigset_t set;
	(void)index;
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	if (worker > 0 && !sigismember(&set, SIGINT))
		atomic_fetch_add(open, 1);
	usleep(1000);
}

static void threads_take_no_signals(void **state)
{
	(void)state;
	struct assay__parallel *parallel;
	atomic_int open = 0;
	sigset_t set;
	assert_int_equal(assay__parallel_open(3, NULL, &parallel, NULL), 0);
	assay__parallel_runner(parallel)->run(parallel, 20, signals_are_blocked_task, &open);
	assert_int_equal(open, 0);
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	assert_false(sigismember(&set, SIGINT));
	assay__parallel_close(parallel);
}

static void bad_arguments_and_no_memory(void **state)
{
	(void)state;
	struct assay__parallel *parallel = NULL;
	struct assay_error error;
	assert_int_equal(assay__parallel_open(0, NULL, &parallel, &error), ASSAY_E_ARGUMENT);
	assert_string_equal(error.message, "0 threads asked for; allowed are 1 to 256");
	assert_int_equal(assay__parallel_open(257, NULL, &parallel, NULL), ASSAY_E_ARGUMENT);
	struct failing failing;
	failing_open(&failing, 1);
	assert_int_equal(assay__parallel_open(3, &failing.allocator, &parallel, &error), ASSAY_E_NOMEM);
	assert_null(parallel);
	assert_int_equal(assay__parallel_open(3, &failing.allocator, &parallel, &error), 0);
	assay__parallel_close(parallel);
	assert_int_equal(failing.alive, 0);
	assert_true(assay__parallel_cpus() >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_index_is_done_once),		 cmocka_unit_test(many_small_jobs),
		cmocka_unit_test(close_without_a_run),			 cmocka_unit_test(work_is_shared),
		cmocka_unit_test(nested_runs_are_done_in_place), cmocka_unit_test(runs_wait_for_each_other),
		cmocka_unit_test(threads_take_no_signals),		 cmocka_unit_test(bad_arguments_and_no_memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
