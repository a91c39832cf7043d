/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded: while the file named by CLOCK_BACK is there, the time of day is an hour less. The monotonic clock goes on. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *now);
__attribute__((visibility("default"))) time_t time(time_t *out);
__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict out, void *restrict zone);

int clock_gettime(clockid_t clock, struct timespec *now)
{
	const char *path = getenv("CLOCK_BACK");
	int rc = (int)syscall(SYS_clock_gettime, clock, now);

	if (!rc && clock == CLOCK_REALTIME && path && !access(path, F_OK))
		now->tv_sec -= 3600;
	return rc;
}

time_t time(time_t *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	out->tv_sec = now.tv_sec;
	out->tv_usec = now.tv_nsec / 1000;
	return 0;
}
