/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <time.h>

int64_t assay__clock_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t assay__clock_wall_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t assay__clock_deadline_us(int timeout_ms)
{
	return timeout_ms < 0 ? -1 : assay__clock_us() + (int64_t)timeout_ms * 1000;
}

int assay__cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int err = pthread_condattr_init(&attr);
	if (err)
		return err;
	err = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (!err)
		err = pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
	return err;
}

bool assay__cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_us)
{
	if (deadline_us < 0) {
		int err = pthread_cond_wait(cond, mutex);
		assert(err == 0);
		(void)err;
		return true;
	}
	struct timespec until = {.tv_sec = deadline_us / 1000000, .tv_nsec = deadline_us % 1000000 * 1000};
	int err = pthread_cond_timedwait(cond, mutex, &until);
	assert(err == 0 || err == ETIMEDOUT);
	return err != ETIMEDOUT;
}
