/* SPDX-License-Identifier: Apache-2.0 */
#include "station/output/output_common.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"

#define LOST_EVENT_EVERY_US 10000000

void assay__backoff_reset(struct assay__backoff *backoff)
{
	backoff->next_ms = backoff->first_ms;
}

int assay__backoff_next_ms(struct assay__backoff *backoff)
{
	int wait_ms = backoff->next_ms > 0 ? backoff->next_ms : backoff->first_ms;
	backoff->next_ms = wait_ms > backoff->last_ms / 2 ? backoff->last_ms : wait_ms * 2;
	if (!backoff->spread)
		backoff->spread = (uint32_t)assay__clock_us() | 1;
	backoff->spread = backoff->spread * 1664525u + 1013904223u;
	return wait_ms - (int)((backoff->spread >> 16) * (uint64_t)(wait_ms / 4) >> 16);
}

int assay__door_open(struct assay__door *door, const char *name, const struct assay__station_port *port, int capacity,
					 int record_wait_ms, struct assay_error *error)
{
	assert(capacity > 0 && name && port && port->station);
	*door = (struct assay__door){.name = name,
								 .port = port,
								 .allocator = port->allocator,
								 .wake_fd = -1,
								 .capacity = capacity,
								 .wait_for_record = record_wait_ms > 0,
								 .record_wait_us = (int64_t)record_wait_ms * 1000,
								 .drain_until_us = -1,
								 .lost_event_us = -LOST_EVENT_EVERY_US};
	door->ring = assay__calloc(door->allocator, (size_t)capacity, sizeof(*door->ring));
	if (!door->ring)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "output %s: out of memory for a queue of %d verdicts", name,
						   capacity);
	door->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (door->wake_fd < 0) {
		int err = errno;
		assay__free(door->allocator, door->ring);
		return assay__fail(error, ASSAY_E_IO, -1, "output %s: no eventfd: %s", name, strerror(err));
	}
	int err = pthread_mutex_init(&door->lock, NULL);
	if (!err) {
		err = assay__cond_init(&door->wake);
		if (err)
			pthread_mutex_destroy(&door->lock);
	}
	if (err) {
		close(door->wake_fd);
		assay__free(door->allocator, door->ring);
		return assay__fail(error, ASSAY_E_IO, -1, "output %s: no lock to be had: %s", name, strerror(err));
	}
	snprintf(door->state, sizeof(door->state), "starting");
	return ASSAY_OK;
}

int assay__door_start(struct assay__door *door, void *(*run)(void *arg), void *arg, struct assay_error *error)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int err = pthread_create(&door->thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		return assay__fail(error, ASSAY_E_IO, -1, "output %s: the system gives no thread: %s", door->name,
						   strerror(err));
	door->running = true;
	return ASSAY_OK;
}

/* Call with the lock held. */
static void wake(struct assay__door *door)
{
	uint64_t one = 1;
	pthread_cond_broadcast(&door->wake);
	/* A full counter wakes as well. */
	if (write(door->wake_fd, &one, sizeof(one)) < 0)
		return;
}

void assay__door_stop(struct assay__door *door, int drain_ms)
{
	pthread_mutex_lock(&door->lock);
	door->stopping = true;
	door->drain_until_us = assay__clock_us() + (int64_t)(drain_ms > 0 ? drain_ms : 0) * 1000;
	wake(door);
	pthread_mutex_unlock(&door->lock);
	if (door->running)
		pthread_join(door->thread, NULL);
	door->running = false;
}

void assay__door_close(struct assay__door *door)
{
	assert(!door->running);
	close(door->wake_fd);
	pthread_cond_destroy(&door->wake);
	pthread_mutex_destroy(&door->lock);
	assay__free(door->allocator, door->ring);
}

void assay__door_post(struct assay__door *door, const struct assay__part *part)
{
	pthread_mutex_lock(&door->lock);
	bool full = door->count == door->capacity;
	door->posted++;
	if (!full) {
		struct assay__verdict *slot = &door->ring[(door->head + door->count) % door->capacity];
		assay__verdict_from_part(part, slot);
		door->count++;
		/* The first in line starts the wait for its record. */
		if (!door->wait_for_record || door->count == 1)
			wake(door);
	}
	pthread_mutex_unlock(&door->lock);
	if (full)
		assay__door_count_lost(door, 1, "its queue is full");
}

void assay__door_recorded(struct assay__door *door, uint64_t sequence, const uint8_t record_hash[ASSAY_HASH_BYTES])
{
	pthread_mutex_lock(&door->lock);
	for (int i = 0; i < door->count; i++) {
		struct assay__verdict *slot = &door->ring[(door->head + i) % door->capacity];
		if (slot->sequence != sequence || slot->recorded)
			continue;
		slot->recorded = true;
		memcpy(slot->record_hash, record_hash, ASSAY_HASH_BYTES);
		if (door->wait_for_record && i == 0)
			wake(door);
		break;
	}
	pthread_mutex_unlock(&door->lock);
}

void assay__door_health(struct assay__door *door, struct assay__output_health *out)
{
	pthread_mutex_lock(&door->lock);
	*out = (struct assay__output_health){.up = door->up,
										 .posted = door->posted,
										 .sent = door->sent,
										 .lost = door->lost,
										 .queue_length = door->count,
										 .queue_capacity = door->capacity};
	memcpy(out->state, door->state, sizeof(out->state));
	pthread_mutex_unlock(&door->lock);
}

/* When the oldest verdict may be handed on: 0 now, else a moment. Call with the lock held and the queue not empty. */
static int64_t due_us(const struct assay__door *door)
{
	const struct assay__verdict *oldest = &door->ring[door->head];
	if (!door->wait_for_record || oldest->recorded || door->stopping)
		return 0;
	int64_t due = oldest->posted_us + door->record_wait_us;
	return due > assay__clock_us() ? due : 0;
}

bool assay__door_peek(struct assay__door *door, int64_t deadline_us, struct assay__verdict *out)
{
	bool found = false;
	pthread_mutex_lock(&door->lock);
	for (;;) {
		int64_t due = door->count > 0 ? due_us(door) : -1;
		if (due == 0) {
			*out = door->ring[door->head];
			found = true;
			break;
		}
		if (door->stopping || deadline_us == 0 || (deadline_us > 0 && assay__clock_us() >= deadline_us))
			break;
		int64_t until = due > 0 && (deadline_us < 0 || due < deadline_us) ? due : deadline_us;
		assay__cond_wait(&door->wake, &door->lock, until);
	}
	pthread_mutex_unlock(&door->lock);
	return found;
}

void assay__door_take(struct assay__door *door)
{
	pthread_mutex_lock(&door->lock);
	assert(door->count > 0);
	door->head = (door->head + 1) % door->capacity;
	door->count--;
	pthread_mutex_unlock(&door->lock);
}

int assay__door_wait_ms(struct assay__door *door)
{
	int wait_ms = -1;
	pthread_mutex_lock(&door->lock);
	if (door->count > 0) {
		int64_t due = due_us(door);
		int64_t left_us = due ? due - assay__clock_us() : 0;
		wait_ms = left_us > 0 ? (int)(left_us / 1000) + 1 : 0;
	}
	pthread_mutex_unlock(&door->lock);
	return wait_ms;
}

void assay__door_woken(struct assay__door *door)
{
	uint64_t count;
	if (read(door->wake_fd, &count, sizeof(count)) < 0)
		return;
}

bool assay__door_stopping(struct assay__door *door)
{
	pthread_mutex_lock(&door->lock);
	bool stopping = door->stopping;
	pthread_mutex_unlock(&door->lock);
	return stopping;
}

int64_t assay__door_drain_until_us(struct assay__door *door)
{
	pthread_mutex_lock(&door->lock);
	int64_t until = door->stopping ? door->drain_until_us : -1;
	pthread_mutex_unlock(&door->lock);
	return until;
}

void assay__door_sleep(struct assay__door *door, int sleep_ms)
{
	int64_t until = assay__clock_deadline_us(sleep_ms);
	pthread_mutex_lock(&door->lock);
	while (!door->stopping && assay__cond_wait(&door->wake, &door->lock, until))
		;
	pthread_mutex_unlock(&door->lock);
}

void assay__door_event(struct assay__door *door, const char *kind, const char *format, ...)
{
	char text[300];
	va_list args;
	if (!door->port->event)
		return;
	va_start(args, format);
	int used = snprintf(text, sizeof(text), "output %.60s: ", door->name);
	vsnprintf(text + used, sizeof(text) - (size_t)used, format, args);
	va_end(args);
	door->port->event(door->port->ctx, kind, text);
}

void assay__door_state(struct assay__door *door, bool up, const char *format, ...)
{
	char text[sizeof(door->state)];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	pthread_mutex_lock(&door->lock);
	bool changed = door->up != up || (!up && strcmp(door->state, text) != 0);
	door->up = up;
	memcpy(door->state, text, sizeof(text));
	pthread_mutex_unlock(&door->lock);
	if (changed)
		assay__door_event(door, up ? "output_up" : "output_down", "%s", text);
}

void assay__door_count_sent(struct assay__door *door, uint64_t count)
{
	pthread_mutex_lock(&door->lock);
	door->sent += count;
	pthread_mutex_unlock(&door->lock);
}

void assay__door_count_lost(struct assay__door *door, uint64_t count, const char *why)
{
	int64_t now_us = assay__clock_us();
	pthread_mutex_lock(&door->lock);
	door->lost += count;
	uint64_t lost = door->lost;
	bool tell = now_us - door->lost_event_us >= LOST_EVENT_EVERY_US;
	if (tell)
		door->lost_event_us = now_us;
	pthread_mutex_unlock(&door->lock);
	if (tell)
		assay__door_event(door, "output_lost", "%s; %llu verdicts lost so far", why, (unsigned long long)lost);
}

int assay__door_secret(const char *path, char *out, size_t size, struct assay_error *error)
{
	char line[1026];
	FILE *file = fopen(path, "re");
	if (!file)
		return assay__fail(error, ASSAY_E_IO, -1, "%s: cannot be read: %s", path, strerror(errno));
	bool any = fgets(line, sizeof(line), file) != NULL;
	fclose(file);
	size_t length = any ? strcspn(line, "\r\n") : 0;
	if (length == 0)
		return assay__fail(error, ASSAY_E_FORMAT, -1, "%s: the first line is empty; it must hold the secret", path);
	if (length >= size || length >= sizeof(line) - 1)
		return assay__fail(error, ASSAY_E_LIMIT, -1, "%s: the first line is longer than %zu bytes", path, size - 1);
	memcpy(out, line, length);
	out[length] = '\0';
	return ASSAY_OK;
}
