/* SPDX-License-Identifier: Apache-2.0 */
#include "station/pipeline.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/parallel.h"
#include "station/log.h"
#include "station/rooms.h"

#define ALIGN 64
#define SHELF_FRAMES 32
#define SLIP_WAIT_US 20000000

int assay__thread_start(pthread_t *thread, void *(*run)(void *), void *arg, const char *name, struct assay_error *error)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		return assay__fail(error, ASSAY_E_IO, -1, "cannot start a thread: %s", strerror(err));
	pthread_setname_np(*thread, name);
	return 0;
}

void assay__pipeline_event(struct assay__pipeline *pipeline, const char *kind, const char *format, ...)
{
	struct assay__event event = {.wall_us = assay__clock_wall_us()};
	char quoted[ASSAY__EVENT_TEXT_MAX + 16];
	va_list args;

	snprintf(event.kind, sizeof(event.kind), "%s", kind);
	va_start(args, format);
	vsnprintf(event.text, sizeof(event.text), format, args);
	va_end(args);
	assay__events_add(pipeline->events, &event);
	assay__log(ASSAY__LOG_NOTICE, kind, "text=%s", assay__log_quote(event.text, quoted, sizeof(quoted)));
}

/* Frames */

static size_t up(size_t bytes)
{
	return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static size_t frame_bytes(const struct assay__pipeline *pipeline)
{
	size_t bytes = up(sizeof(struct assay__frame));

	for (int i = 0; i < pipeline->camera_count; i++)
		bytes += up(pipeline->cameras[i].picture_bytes) + up(pipeline->cameras[i].map_cells * sizeof(uint32_t));
	return bytes;
}

/* What the pool's last user left is gone; where pictures and maps go is told. */
static void lay_out(struct assay__pipeline *pipeline, struct assay__frame *frame, bool slip)
{
	uint8_t *at = (uint8_t *)frame + up(sizeof(*frame));

	frame->slip = slip;
	frame->claimed = frame->posted = frame->is_late = false;
	frame->set = NULL;
	frame->product = NULL;
	frame->users = 0;
	frame->views_left = pipeline->camera_count;
	frame->codes_left = 0;
	frame->unread = false;
	frame->code_came_along = false;
	for (int i = 0; i < pipeline->camera_count; i++) {
		frame->has_picture[i] = false;
		frame->pixels[i] = slip ? NULL : at;
		at += up(pipeline->cameras[i].picture_bytes);
		frame->maps[i] = slip ? NULL : (uint32_t *)(void *)at;
		at += up(pipeline->cameras[i].map_cells * sizeof(uint32_t));
		frame->jobs[i] = (struct assay__view_job){frame, i, false};
		frame->code_jobs[i] = (struct assay__view_job){frame, i, true};
		frame->codes[i].state = ASSAY__CODE_NONE;
		memset(&frame->part.views[i], 0, sizeof(frame->part.views[i]));
	}
}

struct assay__frame *assay__frame_take(struct assay__pipeline *pipeline)
{
	struct assay__frame *frame = assay__pool_get(pipeline->frames);

	if (frame)
		lay_out(pipeline, frame, false);
	return frame;
}

void assay__frame_drop(struct assay__pipeline *pipeline, struct assay__frame *frame)
{
	struct assay__recipe_set *set = NULL;
	bool last;

	pthread_mutex_lock(&pipeline->lock);
	last = --frame->users <= 0;
	if (last) {
		set = frame->set;
		frame->set = NULL;
	}
	pthread_mutex_unlock(&pipeline->lock);
	if (!last)
		return;
	assay__recipe_set_drop(set);
	if (frame->slip) {
		assay__pool_put(pipeline->slips, frame);
		pthread_mutex_lock(&pipeline->lock);
		pthread_cond_signal(&pipeline->slip_cond);
		pthread_mutex_unlock(&pipeline->lock);
	} else {
		assay__pool_put(pipeline->frames, frame);
	}
}

/* The gate's rule */

/* Why a trigger now would not be accepted; NONE: it would. With the lock. */
static enum assay__fault at_gate(struct assay__pipeline *pipeline, int brought, bool injected, char why[160])
{
	if (pipeline->stopping)
		return snprintf(why, 160, "the station is stopping"), ASSAY__FAULT_STOPPING;
	if (!pipeline->started)
		return snprintf(why, 160, "the station is starting"), ASSAY__FAULT_NOT_READY;
	if (!pipeline->archive_ops->ok(pipeline->archive))
		return snprintf(why, 160, "the record cannot be kept"), ASSAY__FAULT_RECORD;
	if (pipeline->product < 0)
		return snprintf(why, 160, "no recipe is selected"), ASSAY__FAULT_NO_RECIPE;
	if (!injected && assay__challenge_blocks(pipeline, why))
		return ASSAY__FAULT_CHALLENGE;
	for (int i = brought; i < pipeline->camera_count; i++) {
		const struct assay__camera *camera = &pipeline->cameras[i];

		if (camera->state == ASSAY__SOURCE_GONE || camera->state == ASSAY__SOURCE_ENDED ||
			(camera->state == ASSAY__SOURCE_STALE && camera->leads))
			return snprintf(why, 160, "camera %s %s", camera->item->name,
							camera->state == ASSAY__SOURCE_ENDED  ? "has no more pictures"
							: camera->state == ASSAY__SOURCE_GONE ? "is gone"
																  : "gives no pictures"),
				   ASSAY__FAULT_CAMERA;
	}
	if (pipeline->in_flight >= pipeline->limit)
		return snprintf(why, 160, "the hall is full: %d parts wait or are being inspected", pipeline->in_flight),
			   ASSAY__FAULT_OVERRUN;
	for (int i = brought; i < pipeline->camera_count; i++)
		if (pipeline->cameras[i].asked)
			return snprintf(why, 160, "camera %s is still taking the picture before", pipeline->cameras[i].item->name),
				   ASSAY__FAULT_NOT_READY;
	return ASSAY__FAULT_NONE;
}

/* Fills all that a part has at its trigger. With the lock. */
static void begin(struct assay__pipeline *pipeline, struct assay__part *part, enum assay__trigger_kind kind,
				  uint64_t trigger_id, const char *code, int64_t trigger_us, bool challenge)
{
	const struct assay__product *product = pipeline->product >= 0 ? &pipeline->set->products[pipeline->product] : NULL;

	part->sequence = pipeline->sequence = pipeline->archive_ops->next(pipeline->archive);
	part->trigger_id = trigger_id;
	part->trigger = kind;
	memcpy(part->operator_name, pipeline->operator_name, sizeof(part->operator_name));
	snprintf(part->recipe_name, sizeof(part->recipe_name), "%s", product ? product->name : "");
	part->trigger_us = trigger_us;
	part->picture_us = part->verdict_us = 0;
	part->wall_us = assay__clock_wall_us();
	assay__naming_begin(pipeline, part, code);
	part->deadline_us = trigger_us + pipeline->deadline_us;
	part->verdict = ASSAY_FAULT;
	part->fault = ASSAY__FAULT_INTERNAL;
	part->reason[0] = '\0';
	part->challenge = challenge;
	part->view_count = pipeline->camera_count;
	for (int i = 0; i < part->view_count; i++) {
		struct assay__part_view *view = &part->views[i];

		snprintf(view->camera, sizeof(view->camera), "%s", pipeline->cameras[i].item->name);
		if (product) {
			const struct assay__recipe_file *file = &pipeline->set->files[product->files[i]];

			memcpy(view->recipe_hash, file->info.content_hash, ASSAY_HASH_BYTES);
			memcpy(view->network_hash, file->info.network_hash, ASSAY_HASH_BYTES);
		}
	}
	pipeline->counts.triggers += !challenge;
	pipeline->counts.challenge += challenge;
	pipeline->stats.by_trigger[kind]++;
}

/* One that is FAULT at the gate has no views to inspect: all say the same. */
static void refuse(struct assay__part *part, enum assay__fault fault, const char *why)
{
	part->verdict = ASSAY_FAULT;
	part->fault = fault;
	snprintf(part->reason, sizeof(part->reason), "%s", why);
	for (int i = 0; i < part->view_count; i++) {
		part->views[i].fault = fault;
		memset(part->views[i].recipe_hash, 0, ASSAY_HASH_BYTES);
		memset(part->views[i].network_hash, 0, ASSAY_HASH_BYTES);
	}
}

static void ledger_add(struct assay__pipeline *pipeline, struct assay__frame *frame)
{
	assert(pipeline->ledger_tail - pipeline->ledger_head < pipeline->ledger_capacity);
	pipeline->ledger[pipeline->ledger_tail++ % pipeline->ledger_capacity] = frame;
}

/* The record fails and no slip is free: the verdict is given, its sequence becomes a gap in the record. */
static void answer_unkept(struct assay__pipeline *pipeline, enum assay__trigger_kind kind, uint64_t trigger_id,
						  const char *code, int64_t trigger_us, enum assay__fault fault, const char *why,
						  uint64_t *sequence)
{
	struct assay__part part = {0};

	begin(pipeline, &part, kind, trigger_id, code, trigger_us, false);
	refuse(&part, fault, why);
	assay__answer_count(pipeline, &part);
	pipeline->lost[pipeline->lost_count++ % ASSAY__LOST_KEPT] = part.sequence;
	pipeline->stats.unrecorded++;
	pthread_mutex_unlock(&pipeline->lock);
	*sequence = part.sequence;
	assay__answer_post(pipeline, &part);
}

/* Waits for a slip, which the shelf gives back; NULL if the record fails, or no slip comes. With the lock. */
static struct assay__frame *wait_slip(struct assay__pipeline *pipeline)
{
	int64_t until_us = assay__clock_us() + SLIP_WAIT_US;
	struct assay__frame *slip;

	while (!(slip = assay__pool_get(pipeline->slips)) && pipeline->archive_ops->ok(pipeline->archive) &&
		   assay__clock_us() < until_us)
		assay__cond_wait(&pipeline->slip_cond, &pipeline->lock, assay__clock_deadline_us(50));
	if (slip)
		lay_out(pipeline, slip, true);
	return slip;
}

/* An accepted part is on its way. With the lock. */
static void send(struct assay__pipeline *pipeline, struct assay__frame *frame)
{
	frame->set = assay__recipe_set_use(pipeline->set);
	frame->product = &pipeline->set->products[pipeline->product];
	frame->users = 2; /* its inspection, and its answer on the way to the shelf */
	ledger_add(pipeline, frame);
	pipeline->in_flight++;
}

enum assay__fault assay__pipeline_inject(struct assay__pipeline *pipeline, struct assay__frame *frame, const char *code,
										 char why[160])
{
	enum assay__fault fault;

	pthread_mutex_lock(&pipeline->lock);
	fault = at_gate(pipeline, pipeline->camera_count, true, why);
	if (!fault) {
		begin(pipeline, &frame->part, ASSAY__TRIGGER_CHALLENGE, 0, code, assay__clock_us(), true);
		send(pipeline, frame);
		pthread_cond_signal(&pipeline->deadline_cond);
	}
	pthread_mutex_unlock(&pipeline->lock);
	for (int i = 0; !fault && i < pipeline->camera_count; i++)
		assay__pipeline_view_taken(pipeline, frame, i);
	return fault;
}

struct assay__frame *assay__pipeline_enter(struct assay__pipeline *pipeline, enum assay__trigger_kind kind,
										   uint64_t trigger_id, const char *code, int64_t trigger_us,
										   struct assay__frame **brought, uint64_t *sequence)
{
	struct assay__frame *frame = NULL, *empty = NULL;
	enum assay__fault fault;
	char why[160];

	pthread_mutex_lock(&pipeline->lock);
	fault = at_gate(pipeline, brought != NULL, false, why);
	if (!fault && pipeline->free_run && !brought) {
		fault = ASSAY__FAULT_NOT_READY;
		snprintf(why, sizeof(why), "the cameras run free: only their pictures are triggers");
	}
	if (!fault && !(empty = assay__frame_take(pipeline))) {
		fault = ASSAY__FAULT_OVERRUN;
		snprintf(why, sizeof(why), "all %d frames are in use: the record is slower than the line",
				 assay__pool_count(pipeline->frames));
	}
	if (fault) {
		frame = wait_slip(pipeline);
		/* Deadlines are kept in order of sequence; whoever waited for a slip was answered meanwhile by nobody. */
		if (!frame) {
			answer_unkept(pipeline, kind, trigger_id, code, trigger_us, fault, why, sequence);
			return NULL;
		}
		begin(pipeline, &frame->part, kind, trigger_id, code, trigger_us, false);
		refuse(&frame->part, fault, why);
		frame->users = 1;
		frame->claimed = true;
		assay__answer_count(pipeline, &frame->part);
		*sequence = frame->part.sequence;
		ledger_add(pipeline, frame);
		pthread_mutex_unlock(&pipeline->lock);
		assay__answer_give(pipeline, frame, &frame->part);
		return NULL;
	}
	frame = brought ? *brought : empty;
	if (brought)
		*brought = empty;
	begin(pipeline, &frame->part, kind, trigger_id, code, trigger_us, assay__challenge_takes(pipeline));
	send(pipeline, frame);
	*sequence = frame->part.sequence;
	for (int i = brought != NULL; i < pipeline->camera_count; i++) {
		pipeline->cameras[i].asked = frame;
		pthread_cond_signal(&pipeline->cameras[i].asked_cond);
	}
	pthread_cond_signal(&pipeline->deadline_cond);
	pthread_mutex_unlock(&pipeline->lock);
	return frame;
}

void assay__pipeline_view_taken(struct assay__pipeline *pipeline, struct assay__frame *frame, int view)
{
	bool fault = frame->part.views[view].fault, last = false, code;

	code = !fault && pipeline->cameras[view].code && frame->part.trigger != ASSAY__TRIGGER_CHALLENGE;
	pthread_mutex_lock(&pipeline->lock);
	frame->has_picture[view] = true;
	if (frame->part.views[view].image.pixels)
		frame->part.picture_us = assay__clock_us();
	if (fault)
		last = --frame->views_left == 0;
	frame->views_left += code;
	frame->codes_left += code;
	pthread_mutex_unlock(&pipeline->lock);
	if (!fault) {
		int rc = assay__queue_push(pipeline->hall, &frame->jobs[view]);

		/* By whoever is free, beside the inspection; it waits behind it, never before. */
		if (!rc && code)
			rc = assay__queue_push(pipeline->hall, &frame->code_jobs[view]);
		assert(!rc); /* the gate lets no more in than there is room for */
		(void)rc;
	} else if (last) {
		assay__answer_conclude(pipeline, frame);
	}
}

int assay__pipeline_trigger(struct assay__pipeline *pipeline, enum assay__trigger_kind kind, uint64_t trigger_id,
							const char *code, uint64_t *sequence)
{
	uint64_t number;
	struct assay__frame *frame =
		assay__pipeline_enter(pipeline, kind, trigger_id, code, assay__clock_us(), NULL, &number);

	if (sequence)
		*sequence = number;
	return frame ? 0 : ASSAY_E_FULL;
}

/* Opening and closing */

static int make_state_dir(const char *path, struct assay_error *error)
{
	char part[4096];

	if (strlen(path) >= sizeof(part))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "state_dir: longer than %zu bytes", sizeof(part) - 1);
	for (size_t i = 1; i <= strlen(path); i++) {
		if (path[i] != '/' && path[i])
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)i, path);
		if (mkdir(part, 0750) && errno != EEXIST)
			return assay__fail(error, ASSAY_E_IO, -1, "state_dir: cannot make %s: %s", part, strerror(errno));
	}
	return 0;
}

static void archive_event(void *ctx, const char *kind, const char *text)
{
	assay__pipeline_event(ctx, kind, "%s", text);
}

static int open_archive(struct assay__pipeline *pipeline, struct assay_error *error)
{
	const struct assay__config *config = pipeline->config;
	struct assay__archive_need need = {.state_dir = config->station.state_dir,
									   .station = config->station.name,
									   .settings = config->record,
									   .ctx = pipeline,
									   .recorded = assay__shelf_recorded,
									   .event = archive_event};
	int rc = config->station.keep_record ? make_state_dir(need.state_dir, error) : 0;

	if (!rc)
		rc = pipeline->archive_ops->open(&need, &pipeline->archive, error);
	for (int i = 0; !rc && i < pipeline->set->file_count; i++)
		if (pipeline->set->files[i].recipe)
			rc = pipeline->archive_ops->keep_recipe(pipeline->archive, pipeline->set->files[i].recipe, error);
	if (!rc)
		pipeline->archive_ops->totals(pipeline->archive, &pipeline->before);
	return rc;
}

static int open_rooms(struct assay__pipeline *pipeline, struct assay_error *error)
{
	const struct assay__station_settings *station = &pipeline->config->station;
	int frames, rc;

	pipeline->inspector_count = station->workers ? station->workers : assay__parallel_cpus();
	if (pipeline->inspector_count > 64)
		pipeline->inspector_count = 64;
	pipeline->limit = station->hall + pipeline->inspector_count;
	/* Each camera's latest picture stays in its frame, a camera that leads holds an empty one, and vitals one being measured. */
	frames = pipeline->limit + pipeline->camera_count + 3;
	frames = station->frames ? (station->frames > frames ? station->frames : frames) : frames + SHELF_FRAMES;
	pipeline->ledger_capacity = (uint64_t)frames + (uint64_t)station->slips;
	pipeline->inspectors = assay__calloc(NULL, (size_t)pipeline->inspector_count, sizeof(*pipeline->inspectors));
	pipeline->ledger = assay__calloc(NULL, pipeline->ledger_capacity, sizeof(struct assay__frame *));
	if (!pipeline->inspectors || !pipeline->ledger)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for the station");
	rc = assay__queue_open(pipeline->limit * (pipeline->camera_count + pipeline->config->codes.count), NULL,
						   &pipeline->hall, error);
	if (!rc && assay__pool_open(frames, frame_bytes(pipeline), NULL, &pipeline->frames, error))
		rc = assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for %d frames of %zu bytes", frames,
						 frame_bytes(pipeline));
	if (!rc)
		rc = assay__pool_open(station->slips, up(sizeof(struct assay__frame)), NULL, &pipeline->slips, error);
	return rc;
}

static void init_locks(struct assay__pipeline *pipeline)
{
	pthread_cond_t *const conds[] = {&pipeline->deadline_cond, &pipeline->shelf_cond, &pipeline->slip_cond,
									 &pipeline->idle_cond,	   &pipeline->timer_cond, &pipeline->recorded_cond};

	pthread_mutex_init(&pipeline->lock, NULL);
	pthread_mutex_init(&pipeline->door_lock, NULL);
	pthread_mutex_init(&pipeline->window_lock, NULL);
	/* With glibc neither can fail. */
	for (size_t i = 0; i < sizeof(conds) / sizeof(conds[0]); i++)
		assay__cond_init(conds[i]);
	for (int i = 0; i < ASSAY__MAX_VIEWS; i++)
		assay__cond_init(&pipeline->cameras[i].asked_cond);
}

int assay__pipeline_open(const struct assay__config *config, const struct assay_env *env,
						 const struct assay__archive_ops *archive, struct assay__pipeline **out,
						 struct assay_error *error)
{
	struct assay__pipeline *pipeline = assay__calloc(NULL, 1, sizeof(*pipeline));
	int rc;

	if (!pipeline)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for the station");
	init_locks(pipeline);
	pipeline->config = config;
	pipeline->archive_ops = archive;
	pipeline->deadline_us = (int64_t)config->station.deadline_ms * 1000;
	pipeline->start_us = assay__clock_us();
	pipeline->product = -1;
	rc = assay__events_open(config->station.events, NULL, &pipeline->events, error);
	if (!rc)
		rc = assay__recipe_set_open(config, env, &pipeline->set, error);
	if (!rc) {
		const char *name = config->station.recipe;

		for (int i = 0; i < pipeline->set->file_count; i++)
			if (!pipeline->set->files[i].recipe)
				assay__pipeline_event(pipeline, "recipe",
									  "%s is not there: still to be taught, until then its parts are FAULT",
									  pipeline->set->files[i].path);

		pipeline->product = assay__recipe_set_find(pipeline->set, name, 1);
		rc = assay__gate_open(pipeline, error);
	}
	if (!rc)
		rc = open_rooms(pipeline, error);
	if (!rc)
		assay__naming_open(pipeline);
	if (!rc)
		rc = open_archive(pipeline, error);
	if (!rc)
		rc = assay__challenge_open(pipeline, error);
	if (!rc)
		rc = assay__vitals_open(pipeline, &pipeline->vitals, error);
	if (rc) {
		assay__pipeline_close(pipeline);
		return rc;
	}
	*out = pipeline;
	return 0;
}

void assay__pipeline_add_output(struct assay__pipeline *pipeline, const struct assay__config_item *item,
								struct assay__output *output)
{
	pthread_mutex_lock(&pipeline->door_lock);
	pipeline->doors[pipeline->door_count++] = (struct assay__doorway){item, output};
	pthread_mutex_unlock(&pipeline->door_lock);
}

int assay__pipeline_start(struct assay__pipeline *pipeline, struct assay_error *error)
{
	int rc = assay__thread_start(&pipeline->deadline_thread, assay__deadline_main, pipeline, "deadline", error);

	pipeline->deadline_running = !rc;
	if (!rc)
		rc = assay__thread_start(&pipeline->shelf_thread, assay__shelf_main, pipeline, "shelf", error);
	pipeline->shelf_running = pipeline->deadline_running && !rc;
	if (!rc)
		rc = assay__vitals_start(pipeline->vitals, error);
	if (!rc)
		rc = assay__workers_start(pipeline, error);
	pthread_mutex_lock(&pipeline->lock);
	pipeline->started = !rc;
	pthread_mutex_unlock(&pipeline->lock);
	if (!rc)
		rc = assay__gate_start(pipeline, error);
	if (!rc)
		rc = assay__challenge_start(pipeline, error);
	return rc;
}

void assay__pipeline_drain(struct assay__pipeline *pipeline)
{
	int drain_ms = pipeline->config->station.drain_ms;
	uint64_t until;

	pthread_mutex_lock(&pipeline->lock);
	if (pipeline->stopping || !pipeline->started) {
		pipeline->stopping = true;
		pthread_mutex_unlock(&pipeline->lock);
		return;
	}
	pipeline->stopping = true;
	pthread_cond_broadcast(&pipeline->timer_cond);
	pthread_mutex_unlock(&pipeline->lock);
	assay__challenge_stop(pipeline);
	assay__gate_stop(pipeline, false);
	pthread_mutex_lock(&pipeline->lock);
	while (pipeline->in_flight)
		assay__cond_wait(&pipeline->idle_cond, &pipeline->lock, -1);
	/* Those who go on asking are answered too, but not waited for. */
	until = pipeline->ledger_tail;
	while (pipeline->ledger_head < until)
		assay__cond_wait(&pipeline->idle_cond, &pipeline->lock, -1);
	until = pipeline->counts.triggers;
	pthread_mutex_unlock(&pipeline->lock);
	pipeline->archive_ops->flush(pipeline->archive, drain_ms);
	assay__pipeline_event(pipeline, "drained", "all %llu parts are answered", (unsigned long long)until);
}

static void close_doors(struct assay__pipeline *pipeline)
{
	for (int i = 0; i < pipeline->door_count; i++) {
		struct assay__doorway *door = &pipeline->doors[i];
		struct assay__output *output;

		pthread_mutex_lock(&pipeline->door_lock);
		output = door->output;
		door->output = NULL;
		pthread_mutex_unlock(&pipeline->door_lock);
		if (output)
			door->item->output->close(output, pipeline->config->station.drain_ms);
	}
}

static void end_threads(struct assay__pipeline *pipeline)
{
	assay__gate_stop(pipeline, true);
	if (pipeline->hall)
		assay__queue_close(pipeline->hall);
	assay__workers_stop(pipeline);
	pthread_mutex_lock(&pipeline->lock);
	pipeline->deadline_end = pipeline->shelf_end = true;
	pthread_cond_broadcast(&pipeline->deadline_cond);
	pthread_cond_broadcast(&pipeline->shelf_cond);
	pthread_mutex_unlock(&pipeline->lock);
	if (pipeline->deadline_running)
		pthread_join(pipeline->deadline_thread, NULL);
	if (pipeline->shelf_running)
		pthread_join(pipeline->shelf_thread, NULL);
	assay__vitals_close(pipeline->vitals);
}

int assay__pipeline_close(struct assay__pipeline *pipeline)
{
	struct assay_error error;
	int rc = 0;

	if (!pipeline)
		return 0;
	assay__pipeline_drain(pipeline);
	/* Outputs may still trigger until they are closed: those parts are answered FAULT stopping and recorded too. */
	close_doors(pipeline);
	end_threads(pipeline);
	if (pipeline->archive)
		rc = pipeline->archive_ops->close(pipeline->archive, pipeline->config->station.drain_ms, &error);
	if (rc)
		assay__log(ASSAY__LOG_ERROR, "record", "text=\"%s\"", error.message);
	for (int i = 0; i < pipeline->camera_count; i++)
		if (pipeline->latest[i])
			assay__frame_drop(pipeline, pipeline->latest[i]);
	assay__challenge_close(pipeline);
	assay__gate_close(pipeline);
	assay__queue_free(pipeline->hall);
	assay__pool_close(pipeline->frames);
	assay__pool_close(pipeline->slips);
	assay__recipe_set_drop(pipeline->set);
	assay__events_close(pipeline->events);
	assay__free(NULL, pipeline->inspectors);
	assay__free(NULL, pipeline->ledger);
	assay__free(NULL, pipeline);
	return rc ? ASSAY_E_IO : 0;
}

/* Asking */

enum assay__fault assay__pipeline_ready(struct assay__pipeline *pipeline, char why[160])
{
	enum assay__fault fault;

	why[0] = '\0';
	pthread_mutex_lock(&pipeline->lock);
	fault = at_gate(pipeline, pipeline->free_run, false, why);
	if (!fault && pipeline->free_run && pipeline->cameras[0].state != ASSAY__SOURCE_UP) {
		fault = ASSAY__FAULT_CAMERA;
		snprintf(why, 160, "camera %s gives no pictures", pipeline->cameras[0].item->name);
	}
	if (!fault && assay__pool_in_use(pipeline->frames) == assay__pool_count(pipeline->frames)) {
		fault = ASSAY__FAULT_OVERRUN;
		snprintf(why, 160, "all frames are in use");
	}
	pthread_mutex_unlock(&pipeline->lock);
	return fault;
}
