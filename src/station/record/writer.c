/* SPDX-License-Identifier: Apache-2.0 */
/* The one thread that writes: what waits becomes one transaction, and is acknowledged once that is durable. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "station/record/room.h"

#define RETRY_MS 200
#define SECOND_US 1000000
#define CLOCK_SLACK_US (2 * SECOND_US)
#define CALM_US (2 * SECOND_US)

/* Adds one of the room's own events to the transaction, and to what the hook hears of once it is durable. */
static int note(struct assay__record *record, struct assay__chain *chain, const struct assay__stored_event *event)
{
	struct assay__batch *batch = record->batch;
	if (batch->noted_count < (int)(sizeof(batch->noted) / sizeof(batch->noted[0])))
		batch->noted[batch->noted_count++] = *event;
	return assay__rows_event(record, chain, event);
}

/* Order and chain do not depend on the wall clock; a jump of it is noted for those who read times. */
static int note_clock(struct assay__record *record, struct assay__chain *chain, const struct assay__stored_part *part)
{
	int64_t offset = part->wall_us - part->trigger_us;
	int64_t jump = chain->wall_known				? offset - chain->wall_offset_us
				   : chain->wall_us > part->wall_us ? part->wall_us - chain->wall_us
													: 0;
	bool first = !chain->wall_known;
	chain->wall_known = true;
	chain->wall_offset_us = offset;
	chain->wall_us = part->wall_us;
	if (llabs(jump) < CLOCK_SLACK_US)
		return SQLITE_OK;
	struct assay__stored_event event = assay__event_now(ASSAY__EVENT_CLOCK);
	event.first = event.last = part->sequence;
	snprintf(event.text, sizeof(event.text), "the wall clock was set %s by %.1f s %s part %" PRIu64,
			 jump < 0 ? "back" : "forward", (double)llabs(jump) / SECOND_US,
			 first ? "while the station was down, before" : "before", part->sequence);
	return note(record, chain, &event);
}

static int insert_parts(struct assay__record *record, struct assay__chain *chain)
{
	int rc = SQLITE_OK;
	for (struct assay__entry *entry = record->batch->parts; entry && rc == SQLITE_OK; entry = entry->next) {
		rc = note_clock(record, chain, &entry->part);
		entry->refused = false;
		if (rc == SQLITE_OK)
			rc = assay__rows_part(record, chain, entry);
		if (rc == SQLITE_OK && entry->refused) {
			struct assay__stored_event event = assay__event_now("duplicate");
			event.first = event.last = entry->part.sequence;
			snprintf(event.text, sizeof(event.text), "a second part with this number was refused");
			rc = note(record, chain, &event);
		}
	}
	return rc;
}

static int insert_gaps(struct assay__record *record, struct assay__chain *chain)
{
	int rc = SQLITE_OK;
	for (int i = 0; i < record->batch->gap_count && rc == SQLITE_OK; i++) {
		struct assay__stored_event event = assay__event_now(ASSAY__EVENT_GAP);
		event.first = record->batch->gaps[i].first;
		event.last = record->batch->gaps[i].last;
		event.count = event.last - event.first + 1;
		snprintf(event.text, sizeof(event.text),
				 "the record was full or failing: these parts had no place in the queue");
		chain->totals.lost += event.count;
		chain->totals.triggers += event.count;
		rc = note(record, chain, &event);
	}
	return rc;
}

/* What the image thread has done since. */
static int update_images(struct assay__record *record, struct assay__chain *chain)
{
	struct assay__stored_event lost = assay__event_now(ASSAY__EVENT_LOST);
	int rc = SQLITE_OK;
	for (struct assay__image_slot *slot = record->batch->done; slot && rc == SQLITE_OK; slot = slot->next) {
		rc = assay__rows_image_state(record, slot->sequence, slot->view, slot->state, slot->file_bytes);
		chain->image_bytes += (uint64_t)slot->file_bytes;
		if (slot->state != ASSAY__IMAGE_LOST)
			continue;
		if (!lost.count || slot->sequence < lost.first)
			lost.first = slot->sequence;
		if (slot->sequence > lost.last)
			lost.last = slot->sequence;
		lost.count++;
		snprintf(lost.text, sizeof(lost.text), "could not be written: %s", strerror(slot->error_number));
	}
	chain->images_lost += lost.count;
	for (struct assay__image_slot *slot = record->batch->unheld; slot && rc == SQLITE_OK; slot = slot->next)
		rc = assay__rows_image(record, slot);
	return rc == SQLITE_OK && lost.count ? note(record, chain, &lost) : rc;
}

static int note_refusals(struct assay__record *record, struct assay__chain *chain, bool closing)
{
	int waiting;
	uint64_t refused;
	int64_t last_us;
	bool disk_low;
	assay__images_count(record->images, &waiting, &refused, &last_us, &disk_low);
	if (refused != chain->refused_seen && !chain->refusing) {
		struct assay__stored_event event = assay__event_now(ASSAY__EVENT_REFUSED);
		snprintf(event.text, sizeof(event.text), "pictures are not kept: %s",
				 disk_low ? "the disk is nearly full; make room or lower image-quota"
						  : "the disk is too slow or failing; image-memory is used up");
		chain->refusing = true;
		chain->refused_before = chain->refused_seen;
		chain->refused_seen = refused;
		return note(record, chain, &event);
	}
	chain->refused_seen = refused;
	if (!chain->refusing || (!closing && assay__clock_us() - last_us < CALM_US))
		return SQLITE_OK;
	struct assay__stored_event event = assay__event_now(ASSAY__EVENT_ACCEPTED);
	event.count = refused - chain->refused_before;
	snprintf(event.text, sizeof(event.text), "%" PRIu64 " pictures were not kept", event.count);
	chain->refusing = false;
	return note(record, chain, &event);
}

/* Marks the oldest pictures beyond the quota; their files go once that is durable. */
static int prune(struct assay__record *record, struct assay__chain *chain)
{
	struct assay__batch *batch = record->batch;
	uint64_t quota = (uint64_t)record->settings.image_quota_mb << 20;
	sqlite3_stmt *statement = record->sql.oldest;
	struct assay__stored_event event = assay__event_now(ASSAY__EVENT_PRUNED);
	struct {
		uint64_t sequence;
		int view;
	} chosen[ASSAY__PRUNE_AT_ONCE];
	int rc;
	batch->pruned_count = 0;
	if (quota == 0 || chain->image_bytes <= quota)
		return SQLITE_OK;
	sqlite3_bind_int(statement, 1, ASSAY__PRUNE_AT_ONCE);
	while ((rc = sqlite3_step(statement)) == SQLITE_ROW && chain->image_bytes > quota) {
		uint64_t bytes = (uint64_t)sqlite3_column_int64(statement, 3);
		int i = batch->pruned_count++;
		chosen[i].sequence = (uint64_t)sqlite3_column_int64(statement, 0);
		chosen[i].view = sqlite3_column_int(statement, 1);
		assay__place_image(chosen[i].sequence, chosen[i].view, batch->pruned[i]);
		chain->image_bytes -= bytes < chain->image_bytes ? bytes : chain->image_bytes;
	}
	sqlite3_reset(statement);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return rc;
	if (!batch->pruned_count) {
		chain->image_bytes = 0; /* nothing is kept: the count was wrong */
		return SQLITE_OK;
	}
	for (int i = 0; i < batch->pruned_count; i++) {
		rc = assay__rows_image_state(record, chosen[i].sequence, chosen[i].view, ASSAY__IMAGE_PRUNED, 0);
		if (rc)
			return rc;
	}
	event.first = chosen[0].sequence;
	event.last = chosen[batch->pruned_count - 1].sequence;
	event.count = (uint64_t)batch->pruned_count;
	snprintf(event.text, sizeof(event.text), "the oldest pictures, beyond the quota of %d MiB",
			 record->settings.image_quota_mb);
	return assay__rows_event(record, chain, &event);
}

static bool sign_due(const struct assay__record *record, const struct assay__chain *chain)
{
	return chain->link > chain->signed_link &&
		   (chain->unsigned_parts >= (uint64_t)record->settings.sign_every ||
			assay__clock_us() - chain->signed_us >= (int64_t)record->settings.sign_seconds * SECOND_US);
}

static int close_chain(struct assay__record *record, struct assay__chain *chain, uint64_t next)
{
	int rc = assay__recover_gaps(record, chain, next, "triggered, but never given to the record");
	if (rc)
		return rc;
	struct assay__stored_event event = assay__event_now(ASSAY__EVENT_CLOSED);
	event.last = next - 1;
	chain->accounted = next - 1;
	return assay__rows_event(record, chain, &event);
}

static int fill_transaction(struct assay__record *record, struct assay__chain *chain)
{
	struct assay__batch *batch = record->batch;
	uint64_t next = assay__sequence_peek(&record->sequence);
	batch->noted_count = 0;
	int rc = SQLITE_OK;
	if (!atomic_load(&record->ok)) {
		struct assay__stored_event event = assay__event_now(ASSAY__EVENT_TROUBLE);
		snprintf(event.text, sizeof(event.text), "until now: %s", record->trouble);
		rc = note(record, chain, &event);
	}
	if (rc == SQLITE_OK)
		rc = insert_gaps(record, chain);
	for (int i = 0; i < batch->event_count && rc == SQLITE_OK; i++)
		rc = assay__rows_event(record, chain, &batch->events[i]);
	if (rc == SQLITE_OK)
		rc = insert_parts(record, chain);
	if (rc == SQLITE_OK)
		rc = update_images(record, chain);
	if (rc == SQLITE_OK)
		rc = note_refusals(record, chain, batch->closing);
	if (rc == SQLITE_OK)
		rc = prune(record, chain);
	if (rc == SQLITE_OK && batch->closing)
		rc = close_chain(record, chain, next);
	if (rc == SQLITE_OK && (batch->closing || sign_due(record, chain)))
		rc = assay__rows_sign(record, chain);
	/* numbers are set aside ahead, so that a power cut cannot make one come twice */
	if (chain->reserved < next + (uint64_t)record->settings.queue + 512)
		chain->reserved = next + 2 * (uint64_t)record->settings.queue + 1024;
	return rc ? rc : assay__rows_counters(record, chain, batch->closing ? next : chain->reserved, batch->closing);
}

static int commit(struct assay__record *record, struct assay__chain *chain)
{
	int rc = assay__rows_step(record->sql.begin);
	if (rc == SQLITE_OK)
		rc = fill_transaction(record, chain);
	if (rc == SQLITE_OK)
		rc = assay__rows_step(record->sql.commit);
	if (rc == SQLITE_OK)
		return 0;
	struct assay_error error;
	assay__database_fail(record->db, rc, "record.db", &error);
	if (!sqlite3_get_autocommit(record->db))
		assay__rows_step(record->sql.rollback);
	bool news = atomic_exchange(&record->ok, false);
	pthread_mutex_lock(&record->lock);
	snprintf(record->trouble, sizeof(record->trouble), "%.159s", error.message);
	pthread_mutex_unlock(&record->lock);
	if (news && record->hooks.event)
		record->hooks.event(record->hooks.ctx, ASSAY__EVENT_TROUBLE, error.message);
	return rc;
}

static void remove_pruned(struct assay__record *record)
{
	char path[ASSAY__RECORD_PATH_CHARS];
	for (int i = 0; i < record->batch->pruned_count; i++) {
		if (assay__record_path(record->dir, record->batch->pruned[i], path, NULL))
			continue;
		unlink(path);
		*strrchr(path, '/') = '\0';
		rmdir(path); /* goes when its last picture has gone */
	}
	record->batch->pruned_count = 0;
}

/* Pictures follow their parts: to the disk, or into memory in case of a stop. Returns the earliest time to be unheld, 0: none. */
static int64_t release_pictures(struct assay__record *record)
{
	int64_t since_us = 0;
	for (struct assay__entry *entry = record->batch->parts; entry; entry = entry->next) {
		for (int i = 0; i < entry->part.view_count; i++) {
			if (!entry->slots[i])
				continue;
			if (entry->refused)
				assay__images_drop(record->images, entry->slots[i]);
			else
				assay__images_commit(record->images, entry->slots[i]);
			entry->slots[i] = NULL;
		}
		if (entry->stop && since_us == 0)
			since_us = entry->part.trigger_us - (int64_t)record->settings.keep_stop_s * SECOND_US;
	}
	return since_us;
}

static void settle(struct assay__record *record, const struct assay__chain *chain)
{
	struct assay__batch *batch = record->batch;
	struct assay__image_slot *unheld = batch->unheld;
	remove_pruned(record);
	assay__images_drop(record->images, batch->done);
	batch->done = NULL;
	while (unheld) {
		struct assay__image_slot *next = unheld->next;
		assay__images_commit(record->images, unheld);
		unheld = next;
	}
	int64_t since_us = release_pictures(record);
	batch->unheld = since_us ? assay__images_unhold(record->images, since_us) : NULL;
	/* the count first: whoever is told of a part finds it counted */
	pthread_mutex_lock(&record->lock);
	record->chain = *chain;
	record->commits++;
	record->recorded += (uint64_t)batch->part_count;
	record->trouble[0] = '\0';
	pthread_mutex_unlock(&record->lock);
	atomic_store(&record->ok, true);
	for (struct assay__entry *entry = batch->parts; entry && record->hooks.recorded; entry = entry->next)
		if (!entry->refused)
			record->hooks.recorded(record->hooks.ctx, entry->part.sequence, entry->hash);
	for (int i = 0; i < batch->noted_count && record->hooks.event; i++)
		record->hooks.event(record->hooks.ctx, batch->noted[i].kind, batch->noted[i].text);
}

/* The entries go back; with them the promise that what was put before is done. */
static void clear_batch(struct assay__record *record)
{
	struct assay__batch *batch = record->batch;
	pthread_mutex_lock(&record->lock);
	for (struct assay__entry *entry = batch->parts; entry;) {
		struct assay__entry *next = entry->next;
		entry->next = record->unused;
		record->unused = entry;
		entry = next;
	}
	record->durable_count += (uint64_t)batch->part_count;
	pthread_cond_broadcast(&record->durable);
	pthread_mutex_unlock(&record->lock);
	batch->parts = NULL;
	batch->part_count = batch->event_count = batch->gap_count = batch->noted_count = 0;
}

/* When there is something to do though nobody wakes the writer: a signature, or the end of a spell of refusals. The lock is held. */
static int64_t next_duty_us(const struct assay__record *record)
{
	const struct assay__chain *chain = &record->chain;
	int64_t due = -1;
	if (chain->link > chain->signed_link)
		due = chain->signed_us + (int64_t)record->settings.sign_seconds * SECOND_US;
	if (chain->refusing && (due < 0 || assay__clock_us() + CALM_US < due))
		due = assay__clock_us() + CALM_US;
	return due;
}

/* Moves what waits into the batch; false if nothing does and nothing is due. The lock is held. */
static bool collect(struct assay__record *record)
{
	struct assay__batch *batch = record->batch;
	struct assay__entry **end = &batch->parts;
	while (record->first && batch->part_count < record->settings.batch) {
		*end = record->first;
		record->first = record->first->next;
		record->length--;
		batch->part_count++;
		end = &(*end)->next;
	}
	*end = NULL;
	if (!record->first)
		record->last = NULL;
	memcpy(batch->events, record->events, sizeof(record->events[0]) * (size_t)record->event_count);
	batch->event_count = record->event_count;
	record->event_count = 0;
	memcpy(batch->gaps, record->gaps, sizeof(record->gaps[0]) * (size_t)record->gap_count);
	batch->gap_count = record->gap_count;
	record->gap_count = 0;
	bool images = record->images_ready;
	record->images_ready = false;
	return batch->part_count || batch->event_count || batch->gap_count || images;
}

static bool is_idle(const struct assay__record *record)
{
	return !record->first && !record->event_count && !record->gap_count && !record->images_ready &&
		   !record->batch->unheld && !record->closing;
}

static void wait_for_work(struct assay__record *record)
{
	pthread_mutex_lock(&record->lock);
	while (is_idle(record)) {
		int64_t due = next_duty_us(record);
		if (!assay__cond_wait(&record->wake, &record->lock, due))
			break;
	}
	if (record->settings.batch_wait_ms > 0 && record->first && !record->closing) {
		int64_t deadline = assay__clock_deadline_us(record->settings.batch_wait_ms);
		while (record->length < record->settings.batch && !record->closing)
			if (!assay__cond_wait(&record->wake, &record->lock, deadline))
				break;
	}
	collect(record);
	record->batch->closing = false;
	pthread_mutex_unlock(&record->lock);
	record->batch->done = assay__images_done(record->images);
}

/* Commits the batch, as often as it takes; false once closing has no more time. */
static bool work_off(struct assay__record *record)
{
	for (;;) {
		struct assay__chain chain = record->chain;
		if (commit(record, &chain) == 0) {
			settle(record, &chain);
			clear_batch(record);
			return true;
		}
		pthread_mutex_lock(&record->lock);
		int64_t retry = assay__clock_deadline_us(RETRY_MS);
		while (!record->closing && assay__clock_us() < retry)
			assay__cond_wait(&record->wake, &record->lock, retry);
		bool give_up = record->closing && assay__clock_us() >= record->close_deadline_us;
		pthread_mutex_unlock(&record->lock);
		if (give_up)
			return false;
		if (record->closing)
			usleep(RETRY_MS * 100);
	}
}

/* The last transaction: what is left, the end of the chain and its signature, after the pictures. */
static bool finish(struct assay__record *record)
{
	int64_t left_us = record->close_deadline_us - assay__clock_us();
	assay__images_drain(record->images, left_us > 0 ? (int)(left_us / 1000) : 0);
	record->batch->done = assay__images_done(record->images);
	record->batch->closing = true;
	while (work_off(record)) {
		pthread_mutex_lock(&record->lock);
		uint64_t quota = (uint64_t)record->settings.image_quota_mb << 20;
		bool over = quota && record->chain.image_bytes > quota;
		pthread_mutex_unlock(&record->lock);
		if (!over)
			return true;
	}
	return false;
}

void *assay__writer_run(void *arg)
{
	struct assay__record *record = arg;
	bool fine = true;
	while (fine) {
		wait_for_work(record);
		struct assay__batch *batch = record->batch;
		pthread_mutex_lock(&record->lock);
		bool last = record->closing && !record->first;
		pthread_mutex_unlock(&record->lock);
		if (last && !batch->parts && !batch->unheld && !batch->done && !batch->event_count && !batch->gap_count)
			return finish(record) ? arg : NULL;
		fine = work_off(record);
	}
	return NULL;
}
