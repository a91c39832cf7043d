/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for one's moment, unless interrupted: what every camera that is not one needs. */
#ifndef ASSAY_SRC_STATION_PACER_H
#define ASSAY_SRC_STATION_PACER_H

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "station/source/source.h"

struct assay__pacer {
	pthread_mutex_t mutex; /**< also of health */
	pthread_cond_t changed;
	bool interrupted, asked;
	int64_t period_us; /**< 0: no rate, as fast as asked */
	int64_t due_us;	   /**< of the next picture when free */
	struct assay__source_health health;
};

static inline int assay__pacer_open(struct assay__pacer *pacer, double rate_hz, struct assay_error *error)
{
	int err = pthread_mutex_init(&pacer->mutex, NULL);

	if (!err && (err = assay__cond_init(&pacer->changed)))
		pthread_mutex_destroy(&pacer->mutex);
	if (err)
		return assay__fail(error, ASSAY_E_IO, -1, "cannot make a lock: %s", strerror(err));
	pacer->period_us = rate_hz > 0 ? (int64_t)(1e6 / rate_hz + 0.5) : 0;
	return 0;
}

static inline void assay__pacer_close(struct assay__pacer *pacer)
{
	pthread_cond_destroy(&pacer->changed);
	pthread_mutex_destroy(&pacer->mutex);
}

/** Sleeps until the clock says until_us; false if interrupted (which is then forgotten). */
static inline bool assay__pacer_sleep(struct assay__pacer *pacer, int64_t until_us)
{
	bool whole;

	pthread_mutex_lock(&pacer->mutex);
	while (!pacer->interrupted && assay__clock_us() < until_us)
		assay__cond_wait(&pacer->changed, &pacer->mutex, until_us);
	whole = !pacer->interrupted;
	pacer->interrupted = false;
	pthread_mutex_unlock(&pacer->mutex);
	return whole;
}

/** Waits for the moment of the next free-running picture, at most timeout_ms; false: not yet, or interrupted. */
static inline bool assay__pacer_next(struct assay__pacer *pacer, int timeout_ms)
{
	int64_t now_us = assay__clock_us(), end_us = now_us + (int64_t)timeout_ms * 1000;

	/* A line does not wait for its cameras: one that is late catches up, but not for more than a second. */
	if (!pacer->due_us || pacer->due_us + 1000000 < now_us)
		pacer->due_us = now_us;
	if (!assay__pacer_sleep(pacer, pacer->due_us < end_us ? pacer->due_us : end_us) || pacer->due_us > end_us)
		return false;
	pacer->due_us += pacer->period_us;
	return true;
}

static inline void assay__pacer_interrupt(struct assay__pacer *pacer)
{
	pthread_mutex_lock(&pacer->mutex);
	pacer->interrupted = true;
	pthread_cond_broadcast(&pacer->changed);
	pthread_mutex_unlock(&pacer->mutex);
}

static inline void assay__pacer_count(struct assay__pacer *pacer, bool broken)
{
	pthread_mutex_lock(&pacer->mutex);
	pacer->health.pictures++;
	pacer->health.broken += broken;
	pacer->health.last_us = assay__clock_us();
	pthread_mutex_unlock(&pacer->mutex);
}

static inline void assay__pacer_health(struct assay__pacer *pacer, struct assay__source_health *out)
{
	pthread_mutex_lock(&pacer->mutex);
	*out = pacer->health;
	pthread_mutex_unlock(&pacer->mutex);
}

/** A line of health, cut where it is too long. */
ASSAY_PRINTF(3, 4)
static inline void assay__source_say(char *out, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(out, size, format, args);
	va_end(args);
}

#endif
