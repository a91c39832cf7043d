/* SPDX-License-Identifier: Apache-2.0 */
#include "station/record/record.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "station/record/room.h"

static void wake_writer(void *ctx)
{
	struct assay__record *record = ctx;
	pthread_mutex_lock(&record->lock);
	record->images_ready = true;
	pthread_cond_signal(&record->wake);
	pthread_mutex_unlock(&record->lock);
}

static bool start_writer(struct assay__record *record)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	bool started = pthread_create(&record->writer, NULL, assay__writer_run, record) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return started;
}

static int make_folders(const char *dir, struct assay_error *error)
{
	char path[ASSAY__RECORD_PATH_CHARS];
	struct stat status;
	if (stat(dir, &status) || !S_ISDIR(status.st_mode))
		return assay__fail(error, ASSAY_E_IO, -1, "%s is not a folder; create it first", dir);
	int rc = assay__record_path(dir, "recipes", path, error);
	return rc ? rc : assay__place_folder(path, error);
}

static int allocate(struct assay__record *record, struct assay_error *error)
{
	record->entries = assay__calloc(record->allocator, (size_t)record->settings.queue, sizeof(*record->entries));
	record->batch = assay__calloc(record->allocator, 1, sizeof(*record->batch));
	if (!record->entries || !record->batch)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a queue of %d parts", record->settings.queue);
	for (int i = record->settings.queue - 1; i >= 0; i--) {
		record->entries[i].next = record->unused;
		record->unused = &record->entries[i];
	}
	return 0;
}

/* Frees everything but locks and threads, of a room opened as far as it got. */
static void tear_down(struct assay__record *record)
{
	assay__images_close(record->images);
	if (record->db) {
		assay__rows_close(record);
		sqlite3_close(record->db);
	}
	assay__sequence_close(&record->sequence);
	if (record->lock_fd >= 0)
		close(record->lock_fd);
	sodium_memzero(&record->key, sizeof(record->key));
	assay__free(record->allocator, record->entries);
	assay__free(record->allocator, record->batch);
}

static int build(struct assay__record *record, struct assay_error *error)
{
	bool made;
	int rc = make_folders(record->dir, error);
	if (rc == 0)
		rc = assay__place_lock(record->dir, &record->lock_fd, error);
	if (rc == 0)
		rc = allocate(record, error);
	if (rc == 0)
		rc = assay__key_open(record->dir, &record->key, &made, error);
	if (rc == 0)
		rc = assay__database_open_write(record->dir, ASSAY__RECORD_VERSION, &record->db, error);
	if (rc == 0)
		rc = assay__rows_open(record, error);
	if (rc == 0)
		rc = assay__recover(record, error);
	if (rc == 0)
		rc = assay__images_open(record->dir, &record->settings, record->allocator, wake_writer, record, &record->images,
								error);
	return rc;
}

int assay__record_open(const char *state_dir, const char *station, const struct assay__record_settings *settings,
					   const struct assay__record_hooks *hooks, const struct assay_allocator *allocator,
					   struct assay__record **out, struct assay_error *error)
{
	char probe[ASSAY__RECORD_PATH_CHARS];
	int rc = assay__record_path(state_dir, "record.db", probe, error);
	if (rc)
		return rc;
	if (sodium_init() < 0)
		return assay__fail(error, ASSAY_E_IO, -1, "libsodium cannot start");
	struct assay__record *record = assay__calloc(allocator, 1, sizeof(*record));
	if (!record)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the record");
	record->allocator = allocator;
	record->settings = *settings;
	record->hooks = hooks ? *hooks : (struct assay__record_hooks){0};
	record->lock_fd = record->sequence.fd = -1;
	atomic_init(&record->ok, true);
	snprintf(record->station, sizeof(record->station), "%s", station);
	snprintf(record->dir, sizeof(record->dir), "%s", state_dir);
	record->chain.signed_us = assay__clock_us();
	bool lock = pthread_mutex_init(&record->lock, NULL) == 0;
	bool wake = lock && assay__cond_init(&record->wake) == 0;
	bool durable = wake && assay__cond_init(&record->durable) == 0;
	rc = durable ? build(record, error) : assay__fail(error, ASSAY_E_IO, -1, "the system gives no lock");
	if (rc == 0 && !start_writer(record))
		rc = assay__fail(error, ASSAY_E_IO, -1, "the system gives no thread for the record");
	if (rc == 0) {
		*out = record;
		return 0;
	}
	tear_down(record);
	if (durable)
		pthread_cond_destroy(&record->durable);
	if (wake)
		pthread_cond_destroy(&record->wake);
	if (lock)
		pthread_mutex_destroy(&record->lock);
	assay__free(allocator, record);
	return rc;
}

int assay__record_close(struct assay__record *record, int drain_ms, struct assay_error *error)
{
	void *fine = NULL;
	int rc = 0;
	if (!record)
		return 0;
	const struct assay_allocator *allocator = record->allocator;
	pthread_mutex_lock(&record->lock);
	record->closing = true;
	record->close_deadline_us = assay__clock_us() + (int64_t)(drain_ms > 0 ? drain_ms : 0) * 1000;
	pthread_cond_broadcast(&record->wake);
	pthread_mutex_unlock(&record->lock);
	pthread_join(record->writer, &fine);
	if (!fine)
		rc = assay__fail(error, ASSAY_E_IO, -1, "%d parts or more could not be recorded: %s",
						 record->length + record->batch->part_count, record->trouble);
	/* slots of parts that never became durable belong to nobody else */
	for (int i = 0; !fine && i < record->settings.queue; i++)
		for (int v = 0; v < ASSAY__MAX_VIEWS; v++)
			if (record->entries[i].slots[v])
				assay__images_drop(record->images, record->entries[i].slots[v]);
	assay__images_drop(record->images, record->batch->done);
	assay__images_drop(record->images, record->batch->unheld);
	tear_down(record);
	pthread_cond_destroy(&record->durable);
	pthread_cond_destroy(&record->wake);
	pthread_mutex_destroy(&record->lock);
	assay__free(allocator, record);
	return rc;
}

uint64_t assay__record_next(struct assay__record *record)
{
	return assay__sequence_take(&record->sequence);
}

static void copy_text(char *to, size_t size, const char *from, size_t from_size)
{
	size_t length = strnlen(from, from_size);
	if (length >= size)
		length = size - 1;
	memcpy(to, from, length);
	to[length] = '\0';
}
#define COPY_TEXT(to, from) copy_text(to, sizeof(to), from, sizeof(from))

static bool is_judged(const struct assay_result *result)
{
	return result->map_q8 != NULL || (result->verdict == ASSAY_FAULT && result->fault.code != ASSAY_OK);
}

static void copy_region(const struct assay_region *from, struct assay__stored_region *to)
{
	*to = (struct assay__stored_region){.box = from->box,
										.area_px = from->area_px,
										.length_px = from->length_px,
										.peak_x_px = from->peak_x_px,
										.peak_y_px = from->peak_y_px,
										.peak_q8 = from->peak_q8,
										.mean_q8 = from->mean_q8,
										.counts = from->counts};
	if (from->zone)
		copy_text(to->zone, sizeof(to->zone), from->zone, sizeof(to->zone));
}

static void copy_result(const struct assay_result *result, struct assay__stored_view *to)
{
	to->verdict = result->verdict;
	to->score_q8 = result->score_q8;
	to->threshold_q8 = result->threshold_q8;
	to->p_value = result->p_value >= 0 && result->p_value <= 1 ? result->p_value : 0;
	to->region_count = result->region_count < ASSAY_MAX_REGIONS ? result->region_count : ASSAY_MAX_REGIONS;
	to->regions_total = result->regions_total;
	to->regions_counted = result->regions_counted;
	to->mm_per_px = result->mm_per_px;
	for (int i = 0; i < to->region_count; i++)
		copy_region(&result->regions[i], &to->regions[i]);
	if (result->map_q8) {
		to->grid_width = result->grid_width;
		to->grid_height = result->grid_height;
		assay__map_hash(result->map_q8, (size_t)result->grid_width * (size_t)result->grid_height, to->map_hash);
	}
	if (result->verdict == ASSAY_FAULT)
		copy_text(to->reason, sizeof(to->reason), result->fault.message, sizeof(result->fault.message));
}

static void copy_view(const struct assay__part_view *from, struct assay__stored_view *to)
{
	memset(to, 0, sizeof(*to));
	COPY_TEXT(to->camera, from->camera);
	to->camera_frame_id = from->camera_frame_id;
	if (from->image.pixels) {
		to->width_px = from->image.width_px;
		to->height_px = from->image.height_px;
		to->channels = from->image.channels;
		to->depth_bits = from->image.depth_bits;
		assay_image_hash(&from->image, to->image_hash);
	}
	to->fault = from->fault;
	to->judged = is_judged(&from->result);
	if (to->judged)
		copy_result(&from->result, to);
	memcpy(to->recipe_hash, from->recipe_hash, ASSAY_HASH_BYTES);
	memcpy(to->network_hash, from->network_hash, ASSAY_HASH_BYTES);
}

/* The judged view that is worst relative to its threshold speaks for the part. */
static void choose_score(struct assay__stored_part *part)
{
	const struct assay__stored_view *worst = NULL;
	for (int i = 0; i < part->view_count; i++) {
		const struct assay__stored_view *view = &part->views[i];
		if (view->judged && view->threshold_q8 &&
			(!worst || (uint64_t)view->score_q8 * worst->threshold_q8 > (uint64_t)worst->score_q8 * view->threshold_q8))
			worst = view;
	}
	part->score_q8 = worst ? worst->score_q8 : 0;
	part->threshold_q8 = worst ? worst->threshold_q8 : 0;
	part->p_value = worst ? worst->p_value : 0;
}

static void copy_part(const struct assay__record *record, const struct assay__part *from, struct assay__stored_part *to)
{
	to->link = 0;
	to->sequence = from->sequence;
	to->trigger_id = from->trigger_id;
	to->trigger = from->trigger;
	COPY_TEXT(to->station, record->station);
	COPY_TEXT(to->code, from->code);
	to->code_generated = from->code_generated;
	to->form = ASSAY__STORED_FORM;
	to->code_state = from->code_state;
	to->code_symbology = from->code_symbology;
	COPY_TEXT(to->operator_name, from->operator_name);
	COPY_TEXT(to->recipe_name, from->recipe_name);
	to->trigger_us = from->trigger_us;
	to->picture_us = from->picture_us;
	to->verdict_us = from->verdict_us;
	to->wall_us = from->wall_us;
	to->deadline_us = from->deadline_us;
	to->verdict = from->verdict;
	to->fault = from->fault;
	COPY_TEXT(to->reason, from->reason);
	to->challenge = from->challenge;
	to->view_count = from->view_count;
	for (int i = 0; i < from->view_count; i++)
		copy_view(&from->views[i], &to->views[i]);
	choose_score(to);
}

static void keep_pictures(struct assay__record *record, const struct assay__part *part, struct assay__entry *entry)
{
	uint64_t number = part->verdict == ASSAY_PASS ? atomic_fetch_add(&record->passes, 1) + 1 : 0;
	bool after_stop = part->trigger_us < atomic_load(&record->keep_until_us);
	enum assay__keep wanted = assay__policy(&record->settings, part, number, after_stop);
	entry->stop =
		record->settings.keep_stop_s > 0 && record->settings.images != ASSAY__IMAGES_NONE && assay__policy_stop(part);
	if (entry->stop)
		atomic_store(&record->keep_until_us, part->trigger_us + (int64_t)record->settings.keep_stop_s * 1000000);
	for (int i = 0; i < part->view_count; i++) {
		const struct assay__part_view *view = &part->views[i];
		entry->slots[i] = NULL;
		if (view->image.pixels && wanted != ASSAY__KEEP_NO)
			entry->part.views[i].keep =
				assay__images_take(record->images, &view->image, entry->part.views[i].image_hash, part->sequence, i,
								   wanted, part->trigger_us, &entry->slots[i]);
	}
}

/* A number without a record: the chain will say so as soon as it can be written. The lock is held. */
static void add_gap(struct assay__record *record, uint64_t sequence)
{
	for (int i = 0; i < record->gap_count; i++)
		if (record->gaps[i].last + 1 == sequence) {
			record->gaps[i].last = sequence;
			return;
		}
	/* more than fit are found and written when the room closes or opens again */
	if (record->gap_count < ASSAY__GAPS_WAITING)
		record->gaps[record->gap_count++] = (struct assay__gap){sequence, sequence};
}

bool assay__record_has_room(struct assay__record *record)
{
	pthread_mutex_lock(&record->lock);
	bool room = record->unused != NULL;
	pthread_mutex_unlock(&record->lock);
	return room;
}

int assay__record_put(struct assay__record *record, const struct assay__part *part)
{
	assert(part->sequence > 0 && part->view_count >= 0 && part->view_count <= ASSAY__MAX_VIEWS);
	pthread_mutex_lock(&record->lock);
	struct assay__entry *entry = record->closing ? NULL : record->unused;
	bool closing = record->closing;
	if (entry)
		record->unused = entry->next;
	else if (!closing)
		add_gap(record, part->sequence);
	pthread_mutex_unlock(&record->lock);
	if (!entry)
		return closing ? ASSAY_E_CLOSED : ASSAY_E_FULL;
	copy_part(record, part, &entry->part);
	keep_pictures(record, part, entry);
	entry->next = NULL;
	pthread_mutex_lock(&record->lock);
	if (record->last)
		record->last->next = entry;
	else
		record->first = entry;
	record->last = entry;
	record->length++;
	record->put_count++;
	pthread_cond_signal(&record->wake);
	pthread_mutex_unlock(&record->lock);
	return 0;
}

void assay__record_event(struct assay__record *record, const char *kind, const char *text)
{
	struct assay__stored_event event = assay__event_now(kind);
	snprintf(event.text, sizeof(event.text), "%s", text);
	pthread_mutex_lock(&record->lock);
	if (record->event_count < ASSAY__EVENTS_WAITING) {
		record->events[record->event_count++] = event;
		pthread_cond_signal(&record->wake);
	} else {
		record->events_dropped++;
	}
	pthread_mutex_unlock(&record->lock);
}

bool assay__record_ok(struct assay__record *record)
{
	return atomic_load_explicit(&record->ok, memory_order_relaxed);
}

void assay__record_get_health(struct assay__record *record, struct assay__record_health *out)
{
	struct assay__record_health health = {.ok = assay__record_ok(record), .queue_capacity = record->settings.queue};
	int64_t last_us;
	bool disk_low;
	assay__images_count(record->images, &health.images_waiting, &health.images_refused, &last_us, &disk_low);
	pthread_mutex_lock(&record->lock);
	health.images_ok = !record->chain.refusing;
	health.queue_length = record->length;
	health.image_bytes = record->chain.image_bytes;
	health.images_lost = record->chain.images_lost;
	health.commits = record->commits;
	health.recorded = record->recorded;
	health.events_dropped = record->events_dropped;
	memcpy(health.state, record->trouble, sizeof(health.state));
	pthread_mutex_unlock(&record->lock);
	if (!health.state[0] && !health.images_ok)
		snprintf(health.state, sizeof(health.state), "pictures are not kept: %s",
				 disk_low ? "the disk is nearly full" : "the disk is too slow or failing");
	*out = health;
}

void assay__record_get_totals(struct assay__record *record, struct assay__record_totals *out)
{
	pthread_mutex_lock(&record->lock);
	*out = record->chain.totals;
	pthread_mutex_unlock(&record->lock);
}

bool assay__record_flush(struct assay__record *record, int timeout_ms)
{
	int64_t deadline = assay__clock_deadline_us(timeout_ms);
	bool in_time = true;
	pthread_mutex_lock(&record->lock);
	uint64_t want = record->put_count;
	while (record->durable_count < want && in_time)
		in_time = assay__cond_wait(&record->durable, &record->lock, deadline);
	bool done = record->durable_count >= want;
	pthread_mutex_unlock(&record->lock);
	return done;
}

int assay__record_keep_recipe(struct assay__record *record, const struct assay_recipe *recipe,
							  struct assay_error *error)
{
	struct assay_recipe_info info;
	char name[ASSAY__PLACE_PATH_CHARS + 32], hash[2 * ASSAY_HASH_BYTES + 1], path[ASSAY__RECORD_PATH_CHARS];
	assay_recipe_get_info(recipe, &info);
	sodium_bin2hex(hash, sizeof(hash), info.content_hash, ASSAY_HASH_BYTES);
	snprintf(name, sizeof(name), "recipes/%s.assay", hash);
	int rc = assay__record_path(record->dir, name, path, error);
	if (rc || access(path, F_OK) == 0)
		return rc;
	return assay_recipe_save(recipe, path, error);
}
