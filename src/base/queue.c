/* SPDX-License-Identifier: Apache-2.0 */
#include "base/queue.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"

struct assay__queue {
	const struct assay_allocator *allocator;
	pthread_mutex_t mutex;
	pthread_cond_t not_empty; /* or closed */
	int capacity, length, head;
	bool closed;
	void *items[]; /* a ring from head on */
};

int assay__queue_open(int capacity, const struct assay_allocator *allocator, struct assay__queue **out,
					  struct assay_error *error)
{
	if (capacity < 1)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "a queue for %d items; it must hold at least 1", capacity);
	size_t bytes;
	if (__builtin_mul_overflow((size_t)capacity, sizeof(void *), &bytes) ||
		__builtin_add_overflow(bytes, sizeof(struct assay__queue), &bytes))
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for a queue of %d items", capacity);
	struct assay__queue *queue = assay__calloc(allocator, 1, bytes);
	if (!queue)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for a queue of %d items", capacity);
	queue->allocator = allocator;
	queue->capacity = capacity;
	int err = pthread_mutex_init(&queue->mutex, NULL);
	if (!err) {
		err = assay__cond_init(&queue->not_empty);
		if (err)
			pthread_mutex_destroy(&queue->mutex);
	}
	if (err) {
		assay__free(allocator, queue);
		return assay__fail(error, ASSAY_E_IO, -1, "cannot make a lock: %s", strerror(err));
	}
	*out = queue;
	return ASSAY_OK;
}

void assay__queue_free(struct assay__queue *queue)
{
	if (!queue)
		return;
	pthread_cond_destroy(&queue->not_empty);
	pthread_mutex_destroy(&queue->mutex);
	assay__free(queue->allocator, queue);
}

int assay__queue_push(struct assay__queue *queue, void *item)
{
	assert(item);
	int err = ASSAY_OK;
	pthread_mutex_lock(&queue->mutex);
	if (queue->closed) {
		err = ASSAY_E_CLOSED;
	} else if (queue->length == queue->capacity) {
		err = ASSAY_E_FULL;
	} else {
		int room = queue->capacity - queue->head;
		int tail = queue->length < room ? queue->head + queue->length : queue->length - room;
		queue->items[tail] = item;
		queue->length++;
		pthread_cond_signal(&queue->not_empty);
	}
	pthread_mutex_unlock(&queue->mutex);
	return err;
}

int assay__queue_pop(struct assay__queue *queue, int timeout_ms, void **item)
{
	/* The clock is read only by those who must wait. */
	int64_t deadline_us = 0;
	bool waiting = false;
	int err = ASSAY_OK;
	pthread_mutex_lock(&queue->mutex);
	while (queue->length == 0 && !queue->closed && timeout_ms != 0) {
		if (!waiting)
			deadline_us = assay__clock_deadline_us(timeout_ms);
		waiting = true;
		if (!assay__cond_wait(&queue->not_empty, &queue->mutex, deadline_us))
			break;
	}
	if (queue->length > 0) {
		*item = queue->items[queue->head];
		queue->head = queue->head + 1 == queue->capacity ? 0 : queue->head + 1;
		queue->length--;
	} else if (queue->closed) {
		err = ASSAY_E_CLOSED;
	} else {
		*item = NULL;
	}
	pthread_mutex_unlock(&queue->mutex);
	return err;
}

void assay__queue_close(struct assay__queue *queue)
{
	pthread_mutex_lock(&queue->mutex);
	queue->closed = true;
	pthread_cond_broadcast(&queue->not_empty);
	pthread_mutex_unlock(&queue->mutex);
}

int assay__queue_length(struct assay__queue *queue)
{
	pthread_mutex_lock(&queue->mutex);
	int length = queue->length;
	pthread_mutex_unlock(&queue->mutex);
	return length;
}

int assay__queue_capacity(const struct assay__queue *queue)
{
	return queue->capacity;
}
