/* SPDX-License-Identifier: Apache-2.0 */
#include "station/station.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "station/log.h"
#include "station/rooms.h"

#define WATCH_MS 100

struct assay__station {
	const struct assay__config *config;
	struct assay_env env;
	struct assay__pipeline *pipeline;
	struct assay__station_port port;
	pthread_mutex_t reload_lock;
	pthread_t watcher;
	bool watching;
};

static int port_trigger(void *ctx, enum assay__trigger_kind kind, uint64_t trigger_id, const char *code)
{
	struct assay__station *station = ctx;

	return assay__pipeline_trigger(station->pipeline, kind, trigger_id, code, NULL);
}

static int port_select(void *ctx, const char *name, int number)
{
	struct assay__station *station = ctx;

	return assay__pipeline_select(station->pipeline, name, number, NULL);
}

static bool port_ready(void *ctx)
{
	struct assay__station *station = ctx;
	char why[160];

	return assay__pipeline_ready(station->pipeline, why) == ASSAY__FAULT_NONE;
}

static bool port_busy(void *ctx)
{
	struct assay__station *station = ctx;

	return assay__pipeline_busy(station->pipeline);
}

static void port_counters(void *ctx, struct assay__counters *out)
{
	struct assay__station *station = ctx;
	struct assay__station_stats stats;

	assay__pipeline_stats(station->pipeline, &stats);
	*out = stats.total;
}

static void port_event(void *ctx, const char *kind, const char *text)
{
	assay__station_event(ctx, kind, text);
}

static int port_challenge(void *ctx, int ask, const char *who)
{
	struct assay__station *station = ctx;

	return assay__challenge_ask(station->pipeline, (enum assay__challenge_ask)ask, who, NULL);
}

static bool port_challenge_due(void *ctx)
{
	struct assay__station *station = ctx;

	return assay__challenge_is_due(station->pipeline);
}

static int port_recipe_number(void *ctx)
{
	struct assay__station *station = ctx;
	struct assay__station_health health;

	assay__station_health(station, &health);
	return health.recipe_number;
}

/* What has changed since the watcher looked last becomes an event. */
struct watched {
	bool known, record_ok;
	enum assay__fault fault;
	enum assay__source_state cameras[ASSAY__MAX_VIEWS];
	bool outputs[ASSAY__MAX_OUTPUTS];
};

static const char *state_name(enum assay__source_state state)
{
	static const char *const names[] = {"up", "stale", "gone", "ended"};

	return names[state];
}

static void watch_cameras(struct assay__station *station, struct watched *watched)
{
	for (int i = 0; i < station->pipeline->camera_count; i++) {
		struct assay__station_camera camera;

		assay__station_camera(station, i, &camera);
		if (watched->known && camera.health.state != watched->cameras[i])
			assay__station_event(station, "camera", camera.health.text);
		if (watched->known && camera.health.state != watched->cameras[i])
			assay__log(ASSAY__LOG_WARNING, "camera", "name=%s state=%s", camera.name, state_name(camera.health.state));
		watched->cameras[i] = camera.health.state;
	}
}

static void watch_outputs(struct assay__station *station, struct watched *watched)
{
	for (int i = 0; i < station->pipeline->door_count; i++) {
		struct assay__station_output output;
		char text[200];

		assay__station_output(station, i, &output);
		snprintf(text, sizeof(text), "%s is %s: %.90s", output.name, output.health.up ? "up" : "down",
				 output.health.state);
		if (watched->known && output.health.up != watched->outputs[i])
			assay__station_event(station, "output", text);
		watched->outputs[i] = output.health.up;
	}
}

static void watch_whole(struct assay__station *station, struct watched *watched)
{
	bool record_ok = station->pipeline->archive_ops->ok(station->pipeline->archive);
	enum assay__fault fault;
	char why[160];

	fault = assay__pipeline_ready(station->pipeline, why);
	/* One picture being taken, or a full hall, comes and goes with every part. */
	if (fault == ASSAY__FAULT_NOT_READY || fault == ASSAY__FAULT_OVERRUN)
		fault = ASSAY__FAULT_NONE;
	if (watched->known && fault != watched->fault)
		assay__station_event(station, fault ? "not_ready" : "ready", fault ? why : "the station is ready");
	if (watched->known && record_ok != watched->record_ok)
		assay__pipeline_event(station->pipeline, "record",
							  record_ok ? "the record is kept again" : "the record cannot be kept: parts are FAULT");
	watched->fault = fault;
	watched->record_ok = record_ok;
}

static void *watcher_main(void *arg)
{
	struct assay__station *station = arg;
	struct assay__pipeline *pipeline = station->pipeline;
	struct watched watched = {0};
	bool end = false;

	while (!end) {
		watch_cameras(station, &watched);
		watch_outputs(station, &watched);
		watch_whole(station, &watched);
		assay__naming_watch(pipeline);
		watched.known = true;
		pthread_mutex_lock(&pipeline->lock);
		if (!pipeline->stopping)
			assay__cond_wait(&pipeline->timer_cond, &pipeline->lock, assay__clock_deadline_us(WATCH_MS));
		end = pipeline->stopping;
		pthread_mutex_unlock(&pipeline->lock);
	}
	return NULL;
}

static int open_outputs(struct assay__station *station, struct assay_error *error)
{
	const struct assay__config_list *outputs = &station->config->outputs;
	int rc = 0;

	for (int i = 0; i < outputs->count && !rc; i++) {
		const struct assay__config_item *item = &outputs->items[i];
		struct assay__output *output;

		rc = item->output->open(item->name, item->settings, &station->port, &output, error);
		if (rc)
			assay__fail_prefix(error, "output %s", item->name);
		else
			assay__pipeline_add_output(station->pipeline, item, output);
	}
	return rc;
}

int assay__station_open(const struct assay__config *config, const struct assay_env *env,
						const struct assay__archive_ops *archive, struct assay__station **out,
						struct assay_error *error)
{
	struct assay__station *station = assay__calloc(NULL, 1, sizeof(*station));
	int rc;

	if (!station)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for the station");
	pthread_mutex_init(&station->reload_lock, NULL);
	station->config = config;
	if (env)
		station->env = *env;
	station->port =
		(struct assay__station_port){.ctx = station,
									 .trigger = port_trigger,
									 .select_recipe = port_select,
									 .ready = port_ready,
									 .busy = port_busy,
									 .counters = port_counters,
									 .event = port_event,
									 .recipe_number = port_recipe_number,
									 .challenge = port_challenge,
									 .challenge_due = port_challenge_due,
									 .station = config->station.name,
									 .state_dir = config->station.keep_record ? config->station.state_dir : NULL};
	if (!archive)
		archive = config->station.keep_record ? &assay__archive_record : &assay__archive_null;
	rc = assay__pipeline_open(config, &station->env, archive, &station->pipeline, error);
	if (!rc)
		rc = open_outputs(station, error);
	if (!rc)
		rc = assay__pipeline_start(station->pipeline, error);
	if (!rc) {
		rc = assay__thread_start(&station->watcher, watcher_main, station, "watcher", error);
		station->watching = !rc;
	}
	if (rc) {
		assay__station_close(station);
		return rc;
	}
	assay__pipeline_event(station->pipeline, "started", "%s: %d recipes, %d cameras, %d outputs, %d workers",
						  config->station.name, station->pipeline->set->product_count, config->cameras.count,
						  config->outputs.count, station->pipeline->inspector_count);
	*out = station;
	return 0;
}

void assay__station_drain(struct assay__station *station)
{
	assay__pipeline_drain(station->pipeline);
}

int assay__station_close(struct assay__station *station)
{
	int rc;

	if (!station)
		return 0;
	if (station->pipeline) {
		assay__pipeline_drain(station->pipeline);
		assay__events_wake(station->pipeline->events);
	}
	if (station->watching)
		pthread_join(station->watcher, NULL);
	rc = assay__pipeline_close(station->pipeline);
	pthread_mutex_destroy(&station->reload_lock);
	assay__free(NULL, station);
	return rc;
}

const struct assay__station_port *assay__station_port(struct assay__station *station)
{
	return &station->port;
}

int assay__station_trigger(struct assay__station *station, enum assay__trigger_kind kind, uint64_t trigger_id,
						   const char *code, uint64_t *sequence)
{
	return assay__pipeline_trigger(station->pipeline, kind, trigger_id, code, sequence);
}

static bool is_lost(const struct assay__pipeline *pipeline, uint64_t sequence)
{
	uint64_t kept = pipeline->lost_count < ASSAY__LOST_KEPT ? pipeline->lost_count : ASSAY__LOST_KEPT;

	for (uint64_t i = 0; i < kept; i++)
		if (pipeline->lost[i] == sequence)
			return true;
	return false;
}

bool assay__station_wait_recorded(struct assay__station *station, uint64_t sequence, int timeout_ms)
{
	struct assay__pipeline *pipeline = station->pipeline;
	int64_t until_us = assay__clock_deadline_us(timeout_ms);
	bool lost, done;

	pthread_mutex_lock(&pipeline->lock);
	for (;;) {
		lost = is_lost(pipeline, sequence);
		done = pipeline->recorded_sequence >= sequence;
		if (lost || done || !assay__cond_wait(&pipeline->recorded_cond, &pipeline->lock, until_us))
			break;
	}
	pthread_mutex_unlock(&pipeline->lock);
	return done && !lost;
}

void assay__station_stats(struct assay__station *station, struct assay__station_stats *out)
{
	assay__pipeline_stats(station->pipeline, out);
}

void assay__station_health(struct assay__station *station, struct assay__station_health *out)
{
	struct assay__pipeline *pipeline = station->pipeline;

	*out = (struct assay__station_health){0};
	out->ready = assay__pipeline_ready(pipeline, out->why) == ASSAY__FAULT_NONE;
	out->busy = assay__pipeline_busy(pipeline);
	out->record_failing = !pipeline->archive_ops->ok(pipeline->archive);
	pipeline->archive_ops->state(pipeline->archive, out->record_state);
	pthread_mutex_lock(&pipeline->lock);
	out->stopping = pipeline->stopping;
	if (pipeline->product >= 0) {
		const struct assay__product *product = &pipeline->set->products[pipeline->product];

		snprintf(out->recipe, sizeof(out->recipe), "%s", product->name);
		out->recipe_number = product->number;
	}
	pthread_mutex_unlock(&pipeline->lock);
}

bool assay__station_alive(struct assay__station *station, char why[96])
{
	return assay__pipeline_alive(station->pipeline, why);
}

int assay__station_camera_count(struct assay__station *station)
{
	return station->pipeline->camera_count;
}

void assay__station_camera(struct assay__station *station, int index, struct assay__station_camera *out)
{
	struct assay__camera *camera = &station->pipeline->cameras[index];

	out->name = camera->item->name;
	out->type = camera->item->source->type;
	camera->item->source->health(camera->source, &out->health);
	pthread_mutex_lock(&station->pipeline->lock);
	/* The gate knows more of a camera that should run by itself. */
	if (out->health.state == ASSAY__SOURCE_UP)
		out->health.state = camera->state;
	pthread_mutex_unlock(&station->pipeline->lock);
}

void assay__station_vitals(struct assay__station *station, int index, struct assay__vitals_state *out)
{
	assay__vitals_read(station->pipeline->vitals, index, out);
}

void assay__station_vitals_renew(struct assay__station *station, int index)
{
	assay__vitals_renew(station->pipeline->vitals, index);
}

int assay__station_output_count(struct assay__station *station)
{
	return station->pipeline->door_count;
}

void assay__station_output(struct assay__station *station, int index, struct assay__station_output *out)
{
	struct assay__pipeline *pipeline = station->pipeline;
	const struct assay__doorway *door = &pipeline->doors[index];

	out->name = door->item->name;
	out->type = door->item->output->type;
	out->health = (struct assay__output_health){.state = "closed"};
	pthread_mutex_lock(&pipeline->door_lock);
	if (door->output)
		door->item->output->health(door->output, &out->health);
	pthread_mutex_unlock(&pipeline->door_lock);
}

static void tell_recipe(const struct assay__recipe_set *set, int index, struct assay__station_recipe *out)
{
	const struct assay__product *product = &set->products[index];
	const struct assay__recipe_file *file = &set->files[product->files[0]];
	const struct assay_recipe_info *info = &file->info;

	*out = (struct assay__station_recipe){.number = product->number,
										  .taught = file->recipe != NULL,
										  .width_px = info->image_width_px,
										  .height_px = info->image_height_px,
										  .channels = info->image_channels,
										  .working_width_px = info->working_width_px,
										  .working_height_px = info->working_height_px,
										  .grid_width = info->grid_width,
										  .grid_height = info->grid_height,
										  .threshold_q8 = info->report.threshold_q8,
										  .overkill_stated = info->report.overkill_stated};
	snprintf(out->name, sizeof(out->name), "%s", product->name);
	snprintf(out->file, sizeof(out->file), "%s", file->path);
	memcpy(out->content_hash, info->content_hash, ASSAY_HASH_BYTES);
	memcpy(out->network_hash, info->network_hash, ASSAY_HASH_BYTES);
}

int assay__station_recipes(struct assay__station *station, struct assay__station_recipe *out, int most)
{
	struct assay__pipeline *pipeline = station->pipeline;
	struct assay__recipe_set *set;
	int selected, count;

	pthread_mutex_lock(&pipeline->lock);
	set = assay__recipe_set_use(pipeline->set);
	selected = pipeline->product;
	pthread_mutex_unlock(&pipeline->lock);
	count = set->product_count;
	for (int i = 0; i < count && i < most; i++) {
		tell_recipe(set, i, &out[i]);
		out[i].selected = i == selected;
	}
	assay__recipe_set_drop(set);
	return count;
}

int assay__station_select(struct assay__station *station, const char *name, int number, struct assay_error *error)
{
	return assay__pipeline_select(station->pipeline, name, number, error);
}

int assay__station_challenge_ask(struct assay__station *station, enum assay__challenge_ask ask, const char *who,
								 struct assay_error *error)
{
	return assay__challenge_ask(station->pipeline, ask, who, error);
}

void assay__station_challenge(struct assay__station *station, struct assay__challenge_status *out)
{
	assay__challenge_tell(station->pipeline, out);
}

int assay__station_reload(struct assay__station *station, struct assay_error *error)
{
	struct assay_error own;
	int rc;

	pthread_mutex_lock(&station->reload_lock);
	rc = assay__pipeline_reload(station->pipeline, &station->env, &own);
	pthread_mutex_unlock(&station->reload_lock);
	if (rc) {
		assay__pipeline_event(station->pipeline, "recipe", "recipes stay as they were: %s", own.message);
		if (error)
			*error = own;
	}
	return rc;
}

void assay__station_set_operator(struct assay__station *station, const char *name)
{
	pthread_mutex_lock(&station->pipeline->lock);
	snprintf(station->pipeline->operator_name, sizeof(station->pipeline->operator_name), "%s", name ? name : "");
	pthread_mutex_unlock(&station->pipeline->lock);
}

uint64_t assay__station_generation(struct assay__station *station, int camera)
{
	struct assay__pipeline *pipeline = station->pipeline;
	uint64_t generation;

	if (camera < 0 || camera >= pipeline->camera_count)
		return 0;
	pthread_mutex_lock(&pipeline->window_lock);
	generation = pipeline->generation[camera];
	pthread_mutex_unlock(&pipeline->window_lock);
	return generation;
}

static void copy_view(const struct assay__part *part, int camera, struct assay__latest *latest)
{
	const struct assay__part_view *view = &part->views[camera];
	size_t cells = view->result.map_q8 ? (size_t)view->result.grid_width * (size_t)view->result.grid_height : 0;
	size_t row = (size_t)view->image.width_px * (size_t)view->image.channels * (size_t)(view->image.depth_bits / 8);

	latest->part = *part;
	for (int i = 0; i < part->view_count; i++) {
		latest->part.views[i].image.pixels = NULL;
		latest->part.views[i].result.map_q8 = NULL;
		/* names that go with the recipe */
		for (int k = 0; k < ASSAY_MAX_REGIONS; k++)
			latest->part.views[i].result.regions[k].zone = NULL;
	}
	latest->view = latest->part.views[camera];
	latest->pixel_bytes = row * (size_t)view->image.height_px;
	latest->map_cells = cells;
	if (latest->pixels && latest->pixel_bytes <= latest->pixel_capacity_bytes) {
		for (int y = 0; y < view->image.height_px; y++)
			memcpy(latest->pixels + (size_t)y * row, view->image.pixels + (size_t)y * view->image.stride_bytes, row);
		latest->view.image.pixels = latest->pixels;
		latest->view.image.stride_bytes = row;
	}
	if (latest->map && cells && cells <= latest->map_capacity) {
		memcpy(latest->map, view->result.map_q8, cells * sizeof(uint32_t));
		latest->view.result.map_q8 = latest->map;
	}
}

int assay__station_latest(struct assay__station *station, int camera, struct assay__latest *latest)
{
	struct assay__pipeline *pipeline = station->pipeline;
	struct assay__frame *frame = NULL;
	uint64_t generation = 0;

	if (camera < 0 || camera >= pipeline->camera_count)
		return ASSAY_E_ARGUMENT;
	/* Held, not copied, under the lock: a reader of a large picture delays nobody. */
	pthread_mutex_lock(&pipeline->window_lock);
	if (pipeline->latest[camera] && pipeline->generation[camera] > latest->generation) {
		frame = pipeline->latest[camera];
		generation = pipeline->generation[camera];
		pthread_mutex_lock(&pipeline->lock);
		frame->users++;
		pthread_mutex_unlock(&pipeline->lock);
	}
	pthread_mutex_unlock(&pipeline->window_lock);
	if (!frame)
		return 0;
	copy_view(&frame->part, camera, latest);
	latest->generation = generation;
	assay__frame_drop(pipeline, frame);
	return 1;
}

uint64_t assay__station_event_next(struct assay__station *station)
{
	return assay__events_next(station->pipeline->events);
}

int assay__station_events(struct assay__station *station, uint64_t *cursor, struct assay__event *out, int most,
						  uint64_t *lost, int timeout_ms)
{
	return assay__events_read(station->pipeline->events, cursor, out, most, lost, timeout_ms);
}

void assay__station_event(struct assay__station *station, const char *kind, const char *text)
{
	station->pipeline->archive_ops->event(station->pipeline->archive, kind, text);
	assay__pipeline_event(station->pipeline, kind, "%s", text);
}
