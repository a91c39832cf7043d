/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pool.h"
#include "failing.h"

#define FRAMES 5
#define THREADS 4

static void frames_are_apart_zero_and_aligned(void **state)
{
	(void)state;
	struct assay__pool *pool;
	unsigned char *frames[FRAMES];
	assert_int_equal(assay__pool_open(FRAMES, 100, NULL, &pool, NULL), 0);
	assert_int_equal(assay__pool_count(pool), FRAMES);
	assert_int_equal(assay__pool_frame_bytes(pool), 100);
	for (int i = 0; i < FRAMES; i++) {
		assert_int_equal(assay__pool_in_use(pool), i);
		frames[i] = assay__pool_get(pool);
		assert_non_null(frames[i]);
		assert_int_equal((uintptr_t)frames[i] % 64, 0);
		for (int j = 0; j < 100; j++)
			assert_int_equal(frames[i][j], 0);
		memset(frames[i], i + 1, 100);
	}
	for (int i = 0; i < FRAMES; i++)
		for (int j = 0; j < 100; j++)
			assert_int_equal(frames[i][j], i + 1);
	assert_null(assay__pool_get(pool));
	assert_int_equal(assay__pool_in_use(pool), FRAMES);
	assay__pool_put(pool, frames[3]);
	assay__pool_put(pool, NULL);
	assert_int_equal(assay__pool_in_use(pool), FRAMES - 1);
	assert_ptr_equal(assay__pool_wait(pool, 1000), frames[3]);
	for (int i = 0; i < FRAMES; i++)
		assay__pool_put(pool, frames[i]);
	assert_int_equal(assay__pool_in_use(pool), 0);
	assert_int_equal(assay__pool_peak(pool), FRAMES);
	assay__pool_close(pool);
	assay__pool_close(NULL);
}

static void waiting_ends_at_the_timeout(void **state)
{
	(void)state;
	struct assay__pool *pool;
	assert_int_equal(assay__pool_open(1, 1, NULL, &pool, NULL), 0);
	void *frame = assay__pool_get(pool);
	int64_t start_us = assay__clock_us();
	assert_null(assay__pool_wait(pool, 30));
	assert_true(assay__clock_us() - start_us >= 30000);
	assay__pool_put(pool, frame);
	assay__pool_close(pool);
}

static void *put_later(void *arg)
{
	void **pool_and_frame = arg;
	usleep(20000);
	assay__pool_put(pool_and_frame[0], pool_and_frame[1]);
	return NULL;
}

static void waiting_ends_when_a_frame_is_back(void **state)
{
	(void)state;
	for (int timeout_ms = -1; timeout_ms <= 60000; timeout_ms += 60001) {
		struct assay__pool *pool;
		pthread_t thread;
		assert_int_equal(assay__pool_open(1, 1, NULL, &pool, NULL), 0);
		void *frame = assay__pool_get(pool);
		void *args[] = {pool, frame};
		assert_int_equal(pthread_create(&thread, NULL, put_later, args), 0);
		assert_ptr_equal(assay__pool_wait(pool, timeout_ms), frame);
		pthread_join(thread, NULL);
		assay__pool_put(pool, frame);
		assay__pool_close(pool);
	}
}

struct shared {
	struct assay__pool *pool;
	atomic_int clashes;
};

/* No two threads hold one frame: what one wrote is there still when it looks again. */
static void *use_frames(void *arg)
{
	struct shared *shared = arg;
	for (int i = 0; i < 3000; i++) {
		uintptr_t *frame = i % 2 ? assay__pool_wait(shared->pool, -1) : assay__pool_get(shared->pool);
		if (!frame)
			continue;
		*frame = (uintptr_t)&frame;
		if (i % 64 == 0)
			usleep(1);
		if (*frame != (uintptr_t)&frame)
			atomic_fetch_add(&shared->clashes, 1);
		assay__pool_put(shared->pool, frame);
	}
	return NULL;
}

static void threads_never_share_a_frame(void **state)
{
	(void)state;
	struct shared shared = {0};
	pthread_t threads[THREADS];
	assert_int_equal(assay__pool_open(2, sizeof(uintptr_t), NULL, &shared.pool, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_frames, &shared), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(shared.clashes, 0);
	assert_int_equal(assay__pool_in_use(shared.pool), 0);
	assert_true(assay__pool_peak(shared.pool) <= 2);
	assay__pool_close(shared.pool);
}

static void bad_sizes_are_refused(void **state)
{
	(void)state;
	struct assay__pool *pool = NULL;
	struct assay_error error;
	assert_int_equal(assay__pool_open(0, 8, NULL, &pool, &error), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__pool_open(3, 0, NULL, &pool, NULL), ASSAY_E_ARGUMENT);
	assert_int_equal(assay__pool_open(2, SIZE_MAX, NULL, &pool, NULL), ASSAY_E_NOMEM);
	assert_int_equal(assay__pool_open(1000, SIZE_MAX / 100, NULL, &pool, NULL), ASSAY_E_NOMEM);
	assert_null(pool);
}

static void failing_allocations_leak_nothing(void **state)
{
	(void)state;
	int err = ASSAY_E_NOMEM;
	for (int k = 1; err; k++) {
		struct failing failing;
		struct assay__pool *pool = NULL;
		struct assay_error error = {0};
		failing_open(&failing, k);
		err = assay__pool_open(FRAMES, 64, &failing.allocator, &pool, &error);
		assert_true(err == 0 || (err == ASSAY_E_NOMEM && error.code == ASSAY_E_NOMEM && !pool));
		int requests = failing.requests;
		if (!err)
			assay__pool_put(pool, assay__pool_get(pool));
		assert_int_equal(failing.requests, requests);
		assay__pool_close(pool);
		assert_int_equal(failing.alive, 0);
		assert_true(k < 100);
	}
}

#ifndef NDEBUG
/* Runs one misuse in a child, which is to abort. */
static void expect_abort(int which)
{
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		struct assay__pool *pool;
		static char other[64];
		signal(SIGABRT, SIG_DFL);
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		if (!freopen("/dev/null", "w", stderr) || assay__pool_open(2, 64, NULL, &pool, NULL))
			_exit(0);
		char *frame = assay__pool_get(pool);
		if (which == 0) {
			assay__pool_put(pool, frame);
			assay__pool_put(pool, frame);
		} else if (which == 1) {
			assay__pool_put(pool, other);
		} else if (which == 2) {
			assay__pool_put(pool, frame + 1);
		} else {
			assay__pool_close(pool);
		}
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void misuse_is_caught(void **state)
{
	(void)state;
	for (int which = 0; which < 4; which++)
		expect_abort(which);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_apart_zero_and_aligned),
		cmocka_unit_test(waiting_ends_at_the_timeout),
		cmocka_unit_test(waiting_ends_when_a_frame_is_back),
		cmocka_unit_test(threads_never_share_a_frame),
		cmocka_unit_test(bad_sizes_are_refused),
		cmocka_unit_test(failing_allocations_leak_nothing),
#ifndef NDEBUG
		cmocka_unit_test(misuse_is_caught),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
