/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"

#define FRAME_ALIGN_BYTES 64

struct assay__pool {
	const struct assay_allocator *allocator;
	pthread_mutex_t mutex;
	pthread_cond_t came_back;
	unsigned char *frames;
	size_t frame_bytes, pitch_bytes;
	int count, free_count, peak;
	int *free_frames; /* a stack: the frame used last is the one still in the cache */
	bool *out;
};

static void free_memory(struct assay__pool *pool)
{
	assay__free_aligned(pool->allocator, pool->frames);
	assay__free(pool->allocator, pool->free_frames);
	assay__free(pool->allocator, pool->out);
	assay__free(pool->allocator, pool);
}

static int open_lock(struct assay__pool *pool, struct assay_error *error)
{
	int err = pthread_mutex_init(&pool->mutex, NULL);
	if (err)
		return assay__fail(error, ASSAY_E_IO, -1, "cannot make a lock: %s", strerror(err));
	err = assay__cond_init(&pool->came_back);
	if (err) {
		pthread_mutex_destroy(&pool->mutex);
		return assay__fail(error, ASSAY_E_IO, -1, "cannot make a condition: %s", strerror(err));
	}
	return ASSAY_OK;
}

int assay__pool_open(int count, size_t frame_bytes, const struct assay_allocator *allocator, struct assay__pool **out,
					 struct assay_error *error)
{
	if (count < 1 || frame_bytes < 1)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "a pool of %d frames of %zu bytes; both must be at least 1",
						   count, frame_bytes);
	size_t pitch, total;
	if (__builtin_add_overflow(frame_bytes, FRAME_ALIGN_BYTES - 1, &pitch) ||
		__builtin_mul_overflow(pitch &= ~(size_t)(FRAME_ALIGN_BYTES - 1), (size_t)count, &total))
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for %d frames of %zu bytes", count, frame_bytes);
	struct assay__pool *pool = assay__calloc(allocator, 1, sizeof(*pool));
	if (!pool)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");
	pool->allocator = allocator;
	pool->count = pool->free_count = count;
	pool->frame_bytes = frame_bytes;
	pool->pitch_bytes = pitch;
	pool->free_frames = assay__calloc(allocator, (size_t)count, sizeof(*pool->free_frames));
	pool->out = assay__calloc(allocator, (size_t)count, sizeof(*pool->out));
	pool->frames = assay__alloc_aligned(allocator, total);
	if (!pool->free_frames || !pool->out || !pool->frames) {
		free_memory(pool);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for %d frames of %zu bytes", count, frame_bytes);
	}
	memset(pool->frames, 0, total);
	for (int i = 0; i < count; i++)
		pool->free_frames[i] = count - 1 - i;
	int err = open_lock(pool, error);
	if (err) {
		free_memory(pool);
		return err;
	}
	*out = pool;
	return ASSAY_OK;
}

void assay__pool_close(struct assay__pool *pool)
{
	if (!pool)
		return;
	assert(pool->free_count == pool->count);
	pthread_cond_destroy(&pool->came_back);
	pthread_mutex_destroy(&pool->mutex);
	free_memory(pool);
}

void *assay__pool_wait(struct assay__pool *pool, int timeout_ms)
{
	/* The clock is read only by those who must wait. */
	int64_t deadline_us = 0;
	bool waiting = false;
	void *frame = NULL;
	pthread_mutex_lock(&pool->mutex);
	while (pool->free_count == 0 && timeout_ms != 0) {
		if (!waiting)
			deadline_us = assay__clock_deadline_us(timeout_ms);
		waiting = true;
		if (!assay__cond_wait(&pool->came_back, &pool->mutex, deadline_us))
			break;
	}
	if (pool->free_count > 0) {
		int index = pool->free_frames[--pool->free_count];
		assert(!pool->out[index]);
		pool->out[index] = true;
		if (pool->count - pool->free_count > pool->peak)
			pool->peak = pool->count - pool->free_count;
		frame = pool->frames + (size_t)index * pool->pitch_bytes;
	}
	pthread_mutex_unlock(&pool->mutex);
	return frame;
}

void *assay__pool_get(struct assay__pool *pool)
{
	return assay__pool_wait(pool, 0);
}

void assay__pool_put(struct assay__pool *pool, void *frame)
{
	if (!frame)
		return;
	uintptr_t offset = (uintptr_t)frame - (uintptr_t)pool->frames;
	assert(offset % pool->pitch_bytes == 0 && offset / pool->pitch_bytes < (size_t)pool->count);
	int index = (int)(offset / pool->pitch_bytes);
	pthread_mutex_lock(&pool->mutex);
	assert(pool->out[index]);
	pool->out[index] = false;
	pool->free_frames[pool->free_count++] = index;
	pthread_cond_signal(&pool->came_back);
	pthread_mutex_unlock(&pool->mutex);
}

int assay__pool_in_use(struct assay__pool *pool)
{
	pthread_mutex_lock(&pool->mutex);
	int in_use = pool->count - pool->free_count;
	pthread_mutex_unlock(&pool->mutex);
	return in_use;
}

int assay__pool_peak(struct assay__pool *pool)
{
	pthread_mutex_lock(&pool->mutex);
	int peak = pool->peak;
	pthread_mutex_unlock(&pool->mutex);
	return peak;
}

int assay__pool_count(const struct assay__pool *pool)
{
	return pool->count;
}

size_t assay__pool_frame_bytes(const struct assay__pool *pool)
{
	return pool->frame_bytes;
}
