/* SPDX-License-Identifier: Apache-2.0 */
#include "station/events.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"

struct assay__events {
	const struct assay_allocator *allocator;
	pthread_mutex_t mutex;
	pthread_cond_t added;
	uint64_t next; /* number n lies at n % capacity */
	int capacity;
	bool woken;
	struct assay__event ring[];
};

int assay__events_open(int capacity, const struct assay_allocator *allocator, struct assay__events **out,
					   struct assay_error *error)
{
	struct assay__events *events;
	size_t bytes;
	int err;

	if (capacity < 1)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "a ring for %d events; it must hold at least 1", capacity);
	if (__builtin_mul_overflow((size_t)capacity, sizeof(struct assay__event), &bytes) ||
		__builtin_add_overflow(bytes, sizeof(*events), &bytes) || !(events = assay__calloc(allocator, 1, bytes)))
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for %d events", capacity);
	events->allocator = allocator;
	events->capacity = capacity;
	events->next = 1;
	err = pthread_mutex_init(&events->mutex, NULL);
	if (!err) {
		err = assay__cond_init(&events->added);
		if (err)
			pthread_mutex_destroy(&events->mutex);
	}
	if (err) {
		assay__free(allocator, events);
		return assay__fail(error, ASSAY_E_IO, -1, "cannot make a lock: %s", strerror(err));
	}
	*out = events;
	return 0;
}

void assay__events_close(struct assay__events *events)
{
	if (!events)
		return;
	pthread_cond_destroy(&events->added);
	pthread_mutex_destroy(&events->mutex);
	assay__free(events->allocator, events);
}

void assay__events_add(struct assay__events *events, const struct assay__event *event)
{
	struct assay__event *slot;

	pthread_mutex_lock(&events->mutex);
	slot = &events->ring[events->next % (uint64_t)events->capacity];
	*slot = *event;
	slot->number = events->next++;
	pthread_cond_broadcast(&events->added);
	pthread_mutex_unlock(&events->mutex);
}

uint64_t assay__events_next(struct assay__events *events)
{
	uint64_t next;

	pthread_mutex_lock(&events->mutex);
	next = events->next;
	pthread_mutex_unlock(&events->mutex);
	return next;
}

int assay__events_read(struct assay__events *events, uint64_t *cursor, struct assay__event *out, int most,
					   uint64_t *lost, int timeout_ms)
{
	int64_t deadline_us = timeout_ms ? assay__clock_deadline_us(timeout_ms) : 0;
	uint64_t oldest, gone = 0;
	int count = 0;

	pthread_mutex_lock(&events->mutex);
	while (timeout_ms && *cursor >= events->next && !events->woken)
		if (!assay__cond_wait(&events->added, &events->mutex, deadline_us))
			break;
	oldest = events->next > (uint64_t)events->capacity ? events->next - (uint64_t)events->capacity : 1;
	if (*cursor < oldest) {
		gone = oldest - *cursor;
		*cursor = oldest;
	}
	for (; count < most && *cursor < events->next; count++, ++*cursor)
		out[count] = events->ring[*cursor % (uint64_t)events->capacity];
	pthread_mutex_unlock(&events->mutex);
	if (lost)
		*lost = gone;
	return count;
}

void assay__events_wake(struct assay__events *events)
{
	pthread_mutex_lock(&events->mutex);
	events->woken = true;
	pthread_cond_broadcast(&events->added);
	pthread_mutex_unlock(&events->mutex);
}
