/* SPDX-License-Identifier: Apache-2.0 */
/* The shelf: answered parts go to the record in order of sequence, and to the window, which keeps each camera's latest. */
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "station/log.h"
#include "station/rooms.h"

#define IDLE_MS 500

void assay__shelf_recorded(void *ctx, uint64_t sequence, const uint8_t hash[ASSAY_HASH_BYTES])
{
	struct assay__pipeline *pipeline = ctx;

	pthread_mutex_lock(&pipeline->lock);
	pipeline->counts.recorded++;
	pipeline->recorded_sequence = sequence;
	pthread_cond_broadcast(&pipeline->recorded_cond);
	pthread_mutex_unlock(&pipeline->lock);
	pthread_mutex_lock(&pipeline->door_lock);
	for (int i = 0; i < pipeline->door_count; i++)
		if (pipeline->doors[i].output && pipeline->doors[i].item->output->recorded)
			pipeline->doors[i].item->output->recorded(pipeline->doors[i].output, sequence, hash);
	pthread_mutex_unlock(&pipeline->door_lock);
}

/* A full record is waited for as long as it works: it is faster than the line, or the line hears FAULT overrun. */
static void put(struct assay__pipeline *pipeline, const struct assay__part *part)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	int rc;

	pthread_mutex_lock(&pipeline->lock);
	pipeline->put_count++;
	pthread_mutex_unlock(&pipeline->lock);
	do {
		bool final = !pipeline->archive_ops->ok(pipeline->archive);

		atomic_store(&pipeline->shelf_beat_us, assay__clock_us());
		rc = pipeline->archive_ops->put(pipeline->archive, part, final);
		if (rc != ASSAY_E_FULL || final)
			break;
		nanosleep(&pause, NULL);
	} while (true);
	if (!rc)
		return;
	pthread_mutex_lock(&pipeline->lock);
	pipeline->put_count--;
	pipeline->lost[pipeline->lost_count++ % ASSAY__LOST_KEPT] = part->sequence;
	pipeline->stats.unrecorded++;
	pthread_cond_broadcast(&pipeline->recorded_cond);
	pthread_mutex_unlock(&pipeline->lock);
	assay__log(ASSAY__LOG_ERROR, "unrecorded", "sequence=%llu code=%s", (unsigned long long)part->sequence,
			   assay_err_name(rc));
}

/* The window keeps a hold on the frame itself: nothing is copied until somebody looks. */
static void show(struct assay__pipeline *pipeline, struct assay__frame *frame)
{
	for (int i = 0; i < pipeline->camera_count; i++) {
		struct assay__frame *before;

		if (!frame->part.views[i].image.pixels)
			continue;
		pthread_mutex_lock(&pipeline->lock);
		frame->users++;
		pthread_mutex_unlock(&pipeline->lock);
		pthread_mutex_lock(&pipeline->window_lock);
		before = pipeline->latest[i];
		pipeline->latest[i] = frame;
		pipeline->generation[i]++;
		pthread_mutex_unlock(&pipeline->window_lock);
		if (before)
			assay__frame_drop(pipeline, before);
	}
}

void *assay__shelf_main(void *arg)
{
	struct assay__pipeline *pipeline = arg;

	pthread_mutex_lock(&pipeline->lock);
	for (;;) {
		struct assay__frame *frame = NULL;

		atomic_store(&pipeline->shelf_beat_us, assay__clock_us());
		if (pipeline->ledger_head < pipeline->ledger_tail)
			frame = pipeline->ledger[pipeline->ledger_head % pipeline->ledger_capacity];
		else if (pipeline->shelf_end)
			break;
		if (!frame || !frame->posted) {
			assay__cond_wait(&pipeline->shelf_cond, &pipeline->lock, assay__clock_deadline_us(IDLE_MS));
			continue;
		}
		pthread_mutex_unlock(&pipeline->lock);
		put(pipeline, frame->is_late ? &frame->late : &frame->part);
		if (!frame->slip && !frame->is_late) {
			show(pipeline, frame);
			assay__vitals_offer(pipeline->vitals, frame);
		}
		assay__frame_drop(pipeline, frame);
		pthread_mutex_lock(&pipeline->lock);
		pipeline->ledger_head++;
		if (pipeline->stopping)
			pthread_cond_broadcast(&pipeline->idle_cond);
	}
	pthread_mutex_unlock(&pipeline->lock);
	return NULL;
}
