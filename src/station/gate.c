/* SPDX-License-Identifier: Apache-2.0 */
/* The gate: cameras, one thread each, and timers. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "station/log.h"
#include "station/rooms.h"

#define IDLE_MS 250
/* room for what may be taught while the station runs: finer maps, and pictures where nothing is taught yet */
#define MAP_CELLS_LEAST 65536
#define UNTAUGHT_BYTES (24 << 20)

static int open_camera(struct assay__pipeline *pipeline, int index, struct assay_error *error)
{
	struct assay__camera *camera = &pipeline->cameras[index];
	const struct assay__recipe_set *set = pipeline->set;
	struct assay__source_health health;
	struct assay__source_need need = {.free_run = camera->leads};
	bool untaught = false;
	int rc;

	camera->map_cells = MAP_CELLS_LEAST;
	for (int i = 0; i < set->product_count; i++) {
		const struct assay__recipe_file *file = &set->files[set->products[i].files[index]];

		untaught |= !file->recipe;
		if (!need.width_px) {
			need.width_px = file->info.image_width_px;
			need.height_px = file->info.image_height_px;
			need.channels = file->info.image_channels;
		}
		if (file->picture_bytes > need.picture_bytes)
			need.picture_bytes = file->picture_bytes;
		if (file->map_cells > camera->map_cells)
			camera->map_cells = file->map_cells;
	}
	rc = camera->item->source->open(camera->item->name, camera->item->settings, &need, &camera->source,
									&camera->picture_bytes, error);
	if (rc) {
		assay__fail_prefix(error, "camera %s", camera->item->name);
		return rc;
	}
	if (camera->picture_bytes < need.picture_bytes)
		camera->picture_bytes = need.picture_bytes;
	if (untaught && camera->picture_bytes < UNTAUGHT_BYTES)
		camera->picture_bytes = UNTAUGHT_BYTES;
	/* One that is still being looked for must not pass for ready until its thread has had a look. */
	camera->item->source->health(camera->source, &health);
	camera->state = health.state;
	return 0;
}

int assay__gate_open(struct assay__pipeline *pipeline, struct assay_error *error)
{
	const struct assay__config *config = pipeline->config;
	int rc = 0;

	for (int i = 0; i < config->triggers.count; i++) {
		if (config->triggers.items[i].trigger == ASSAY__TRIGGER_FREE)
			pipeline->free_run = true;
		if (config->triggers.items[i].trigger == ASSAY__TRIGGER_TIMER)
			pipeline->timers[pipeline->timer_count++] =
				(struct assay__timer){.pipeline = pipeline, .settings = config->triggers.items[i].settings};
	}
	for (int i = 0; i < config->cameras.count && !rc; i++) {
		struct assay__camera *camera = &pipeline->cameras[i];

		camera->pipeline = pipeline;
		camera->item = &config->cameras.items[i];
		camera->index = i;
		camera->leads = pipeline->free_run && i == 0;
		rc = open_camera(pipeline, i, error);
		pipeline->camera_count += !rc;
	}
	return rc;
}

/* What happens to a view whose camera gave no good picture. */
static void spoil(struct assay__part_view *view, enum assay__fault fault, const char *format, const char *text)
{
	view->fault = fault;
	view->image = (struct assay_image){0};
	memset(&view->result, 0, sizeof(view->result));
	view->result.verdict = ASSAY_FAULT;
	assay__fail(&view->result.fault, fault == ASSAY__FAULT_BROKEN ? ASSAY_E_FORMAT : ASSAY_E_IO, -1, format, text);
	/* Only what a recipe was asked about can be replayed; here none was. */
	view->result.fault.code = ASSAY_OK;
}

static void fill_view(struct assay__part_view *view, const struct assay__picture *picture)
{
	view->image = picture->image;
	view->camera_frame_id = picture->camera_frame_id;
	view->fault = ASSAY__FAULT_NONE;
}

static void update_state(struct assay__camera *camera)
{
	struct assay__pipeline *pipeline = camera->pipeline;
	struct assay__source_health health;
	int64_t stale_us = (int64_t)pipeline->config->station.stale_ms * 1000, since_us;

	camera->item->source->health(camera->source, &health);
	since_us = health.last_us ? health.last_us : camera->start_us;
	if (camera->leads && stale_us && health.state == ASSAY__SOURCE_UP && assay__clock_us() - since_us > stale_us)
		health.state = ASSAY__SOURCE_STALE;
	atomic_store(&camera->beat_us, assay__clock_us());
	pthread_mutex_lock(&pipeline->lock);
	camera->state = health.state;
	pthread_mutex_unlock(&pipeline->lock);
}

static int ms_until(int64_t until_us)
{
	int64_t left_us = until_us - assay__clock_us();

	return left_us <= 0 ? 0 : left_us > (int64_t)INT_MAX * 1000 ? INT_MAX : (int)((left_us + 999) / 1000);
}

/* Asks the camera for the picture of a part and waits for it until the part's deadline. */
static void take_picture(struct assay__camera *camera, struct assay__frame *frame)
{
	const struct assay__source_ops *ops = camera->item->source;
	struct assay__part_view *view = &frame->part.views[camera->index];
	struct assay__picture picture = {.pixels = frame->pixels[camera->index], .capacity_bytes = camera->picture_bytes};
	struct assay_error error = {.message = ""};
	int rc = ops->trigger ? ops->trigger(camera->source, &error) : 0;

	if (rc) {
		spoil(view, ASSAY__FAULT_CAMERA, "%s", error.message);
		return;
	}
	do {
		error.message[0] = '\0';
		rc = ops->wait(camera->source, ms_until(frame->part.deadline_us), &picture, &error);
		atomic_store(&camera->beat_us, assay__clock_us());
	} while (rc == ASSAY_E_CANCELLED && assay__clock_us() < frame->part.deadline_us);
	if (rc == ASSAY_E_CANCELLED)
		spoil(view, ASSAY__FAULT_NO_IMAGE, "%s", "no picture came in time");
	else if (rc == ASSAY_E_CLOSED)
		spoil(view, ASSAY__FAULT_CAMERA, "%s",
			  *error.message ? error.message : "the camera is gone, or has no more pictures");
	else if (rc)
		spoil(view, ASSAY__FAULT_BROKEN, "%s", error.message);
	else
		fill_view(view, &picture);
	if (rc != ASSAY_E_CANCELLED && rc != ASSAY_E_CLOSED)
		assay__naming_came(camera->pipeline, frame, picture.code, picture.named);
}

static void *asked_main(void *arg)
{
	struct assay__camera *camera = arg;
	struct assay__pipeline *pipeline = camera->pipeline;

	for (;;) {
		struct assay__frame *frame;

		update_state(camera);
		pthread_mutex_lock(&pipeline->lock);
		if (!camera->asked && !pipeline->cameras_end)
			assay__cond_wait(&camera->asked_cond, &pipeline->lock, assay__clock_deadline_us(IDLE_MS));
		frame = camera->asked;
		if (!frame && pipeline->cameras_end) {
			pthread_mutex_unlock(&pipeline->lock);
			return NULL;
		}
		pthread_mutex_unlock(&pipeline->lock);
		if (!frame)
			continue;
		take_picture(camera, frame);
		/* Ready for the next before this one's verdict can be heard. */
		pthread_mutex_lock(&pipeline->lock);
		camera->asked = NULL;
		pthread_mutex_unlock(&pipeline->lock);
		assay__pipeline_view_taken(pipeline, frame, camera->index);
	}
}

/* A picture of the camera that leads is a trigger; *frame holds it and becomes an empty one if the part is accepted. */
static void arrive(struct assay__camera *camera, struct assay__frame **frame, const struct assay__picture *picture,
				   int rc, const struct assay_error *error)
{
	struct assay__part_view *view = &(*frame)->part.views[0];
	struct assay__frame *accepted;
	uint64_t sequence;

	if (rc)
		spoil(view, ASSAY__FAULT_BROKEN, "%s", error->message);
	else
		fill_view(view, picture);
	view->camera_frame_id = picture->camera_frame_id;
	accepted = assay__pipeline_enter(camera->pipeline, picture->trigger_id ? ASSAY__TRIGGER_LINE : ASSAY__TRIGGER_FREE,
									 picture->trigger_id, NULL, picture->taken_us, frame, &sequence);
	if (!accepted)
		return;
	assay__naming_came(camera->pipeline, accepted, picture->code, picture->named);
	assay__pipeline_view_taken(camera->pipeline, accepted, 0);
}

static void *free_main(void *arg)
{
	struct assay__camera *camera = arg;
	struct assay__pipeline *pipeline = camera->pipeline;
	struct assay__frame *frame = assay__frame_take(pipeline);
	bool end = false;

	while (frame && !end) {
		struct assay__picture picture = {.pixels = frame->pixels[0], .capacity_bytes = camera->picture_bytes};
		struct assay_error error;
		int rc = camera->item->source->wait(camera->source, IDLE_MS, &picture, &error);

		update_state(camera);
		pthread_mutex_lock(&pipeline->lock);
		end = pipeline->stopping;
		if (!end && rc == ASSAY_E_CLOSED)
			assay__cond_wait(&pipeline->timer_cond, &pipeline->lock, assay__clock_deadline_us(IDLE_MS));
		pthread_mutex_unlock(&pipeline->lock);
		/* One that came with the end is a trigger too: it is answered FAULT stopping. */
		if (rc != ASSAY_E_CANCELLED && rc != ASSAY_E_CLOSED)
			arrive(camera, &frame, &picture, rc, &error);
	}
	if (frame) {
		frame->users = 1;
		assay__frame_drop(pipeline, frame);
	}
	return NULL;
}

static void *timer_main(void *arg)
{
	struct assay__timer *timer = arg;
	struct assay__pipeline *pipeline = timer->pipeline;
	const double period_us = 1e6 / timer->settings->rate_hz;
	int64_t start_us = assay__clock_us() + (int64_t)timer->settings->delay_ms * 1000;
	uint64_t sequence;

	/* By the count, so that no moment is lost when one trigger had to wait. */
	for (uint64_t count = 0;; count++) {
		int64_t due_us = start_us + (int64_t)((double)count * period_us);
		bool end;

		pthread_mutex_lock(&pipeline->lock);
		while (!pipeline->stopping && assay__clock_us() < due_us)
			assay__cond_wait(&pipeline->timer_cond, &pipeline->lock, due_us);
		end = pipeline->stopping;
		pthread_mutex_unlock(&pipeline->lock);
		if (end)
			return NULL;
		assay__pipeline_trigger(pipeline, ASSAY__TRIGGER_TIMER, 0, NULL, &sequence);
	}
}

int assay__gate_start(struct assay__pipeline *pipeline, struct assay_error *error)
{
	int rc = 0;

	for (int i = pipeline->camera_count - 1; i >= 0 && !rc; i--) {
		struct assay__camera *camera = &pipeline->cameras[i];

		camera->start_us = assay__clock_us();
		atomic_init(&camera->beat_us, camera->start_us);
		rc = camera->item->source->start(camera->source, error);
		if (!rc)
			rc = assay__thread_start(&camera->thread, camera->leads ? free_main : asked_main, camera, "camera", error);
		camera->running = !rc;
	}
	for (int i = 0; i < pipeline->timer_count && !rc; i++) {
		rc = assay__thread_start(&pipeline->timers[i].thread, timer_main, &pipeline->timers[i], "timer", error);
		pipeline->timers[i].running = !rc;
	}
	return rc;
}

static void join_camera(struct assay__camera *camera)
{
	if (!camera->running)
		return;
	camera->item->source->interrupt(camera->source);
	pthread_join(camera->thread, NULL);
	camera->running = false;
}

void assay__gate_stop(struct assay__pipeline *pipeline, bool all)
{
	pthread_mutex_lock(&pipeline->lock);
	pthread_cond_broadcast(&pipeline->timer_cond);
	pthread_mutex_unlock(&pipeline->lock);
	for (int i = 0; i < pipeline->timer_count; i++) {
		if (pipeline->timers[i].running)
			pthread_join(pipeline->timers[i].thread, NULL);
		pipeline->timers[i].running = false;
	}
	/* A camera that leads ends with the triggers; one that is asked serves those accepted. */
	if (pipeline->camera_count && pipeline->cameras[0].leads)
		join_camera(&pipeline->cameras[0]);
	if (!all)
		return;
	pthread_mutex_lock(&pipeline->lock);
	pipeline->cameras_end = true;
	for (int i = 0; i < pipeline->camera_count; i++)
		pthread_cond_broadcast(&pipeline->cameras[i].asked_cond);
	pthread_mutex_unlock(&pipeline->lock);
	for (int i = 0; i < pipeline->camera_count; i++)
		join_camera(&pipeline->cameras[i]);
}

void assay__gate_close(struct assay__pipeline *pipeline)
{
	for (int i = 0; i < pipeline->camera_count; i++)
		pipeline->cameras[i].item->source->close(pipeline->cameras[i].source);
}
