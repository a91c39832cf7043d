/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a station's record, for the pages. */
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json_field.h"
#include "station/http/parts_record.h"
#include "station/record/export.h"
#include "station/record/place.h"
#include "station/record/query.h"
#include "station/record/replay.h"

#define PATH_CHARS 4096
#define LINES 100

struct assay__parts_record {
	struct assay__parts_port port;
	const char *state_dir;
	pthread_mutex_t mutex; /**< of the reader, which serves one thread at a time */
	struct assay__reader *reader;
	pthread_mutex_t quality_mutex;
	struct assay__quality_reader *quality;
	pthread_mutex_t replay_mutex;
	struct assay__replay *replay;
};

static void put_time(struct assay__json *json, int64_t wall_us)
{
	char text[ASSAY__TIME_CHARS];

	assay__query_time_text(wall_us, text);
	assay__field_text(json, "time", text);
}

static const char *fault_or_null(enum assay__fault fault)
{
	return fault ? assay__fault_name(fault) : NULL;
}

void assay__parts_line_write(struct assay__json *json, const struct assay__part_line *line)
{
	assay__field_int(json, "sequence", (int64_t)line->sequence);
	put_time(json, line->wall_us);
	assay__field_int(json, "latency_us", line->latency_us);
	assay__field_text(json, "verdict", assay_verdict_name(line->verdict));
	assay__field_text(json, "fault", fault_or_null(line->fault));
	assay__field_double(json, "score", line->score_q8 / 256.0);
	assay__field_double(json, "threshold", line->threshold_q8 / 256.0);
	assay__field_double(json, "p_value", line->p_value);
	assay__field_int(json, "views", line->view_count);
	assay__field_bool(json, "challenge", line->challenge);
	assay__field_text(json, "code", line->code);
	assay__field_text(json, "recipe", line->recipe_name);
	assay__field_text(json, "reason", line->reason);
}

static void put_line(struct assay__json *json, const struct assay__part_line *line)
{
	assay__json_object(json);
	assay__parts_line_write(json, line);
	assay__json_object_end(json);
}

static void put_view(struct assay__json *json, const struct assay__stored_view *view)
{
	assay__json_object(json);
	assay__field_text(json, "camera", view->camera);
	assay__field_int(json, "camera_frame_id", (int64_t)view->camera_frame_id);
	assay__field_int(json, "width_px", view->width_px);
	assay__field_int(json, "height_px", view->height_px);
	assay__field_int(json, "channels", view->channels);
	assay__field_int(json, "depth_bits", view->depth_bits);
	assay__field_hex(json, "image_hash", view->image_hash, ASSAY_HASH_BYTES);
	assay__field_text(json, "keep", assay__keep_name(view->keep));
	assay__field_text(json, "image", assay__image_state_name(view->image_state));
	assay__field_bool(json, "judged", view->judged);
	assay__field_text(json, "verdict", assay_verdict_name(view->fault ? ASSAY_FAULT : view->verdict));
	assay__field_text(json, "fault", fault_or_null(view->fault));
	assay__field_double(json, "score", view->score_q8 / 256.0);
	assay__field_double(json, "threshold", view->threshold_q8 / 256.0);
	assay__field_double(json, "p_value", view->p_value);
	assay__field_int(json, "grid_width", view->grid_width);
	assay__field_int(json, "grid_height", view->grid_height);
	assay__field_hex(json, "map_hash", view->map_hash, ASSAY_HASH_BYTES);
	assay__field_hex(json, "recipe_hash", view->recipe_hash, ASSAY_HASH_BYTES);
	assay__field_hex(json, "network_hash", view->network_hash, ASSAY_HASH_BYTES);
	assay__field_text(json, "reason", view->reason);
	assay__field_int(json, "regions_total", view->regions_total);
	assay__field_int(json, "regions_counted", view->regions_counted);
	assay__field_double(json, "mm_per_px", view->mm_per_px);
	assay__json_key(json, "regions");
	assay__json_array(json);
	for (int i = 0; i < view->region_count; i++) {
		const struct assay__stored_region *region = &view->regions[i];

		assay__json_object(json);
		assay__field_int(json, "x", region->box.x);
		assay__field_int(json, "y", region->box.y);
		assay__field_int(json, "width", region->box.width);
		assay__field_int(json, "height", region->box.height);
		assay__field_int(json, "area_px", region->area_px);
		assay__field_int(json, "length_px", region->length_px);
		if (view->mm_per_px > 0)
			assay__field_double(json, "length_mm", region->length_px * view->mm_per_px);
		assay__field_text(json, "zone", region->zone[0] ? region->zone : NULL);
		assay__field_text(json, "kind", region->kind[0] ? region->kind : NULL);
		assay__field_bool(json, "counts", region->counts);
		assay__field_int(json, "peak_x", region->peak_x_px);
		assay__field_int(json, "peak_y", region->peak_y_px);
		assay__field_double(json, "peak", region->peak_q8 / 256.0);
		assay__field_double(json, "mean", region->mean_q8 / 256.0);
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
	assay__json_object_end(json);
}

static void put_seal(struct assay__json *json, const struct assay__part_seal *seal)
{
	assay__field_hex(json, "hash", seal->hash, ASSAY_HASH_BYTES);
	assay__field_hex(json, "hash_before", seal->before, ASSAY_HASH_BYTES);
	assay__json_key(json, "signed");
	if (!seal->signed_link) {
		assay__json_null(json);
		return;
	}
	assay__json_object(json);
	assay__field_int(json, "link", (int64_t)seal->signed_link);
	put_time(json, seal->signed_us);
	assay__field_hex(json, "public_key", seal->public_key, sizeof(seal->public_key));
	assay__field_hex(json, "signature", seal->signature, sizeof(seal->signature));
	assay__json_object_end(json);
}

static void put_part(struct assay__json *json, const struct assay__stored_part *part,
					 const struct assay__part_seal *seal)
{
	assay__json_object(json);
	assay__field_int(json, "link", (int64_t)part->link);
	assay__field_int(json, "sequence", (int64_t)part->sequence);
	put_time(json, part->wall_us);
	assay__field_text(json, "station", part->station);
	assay__field_int(json, "trigger_id", (int64_t)part->trigger_id);
	assay__field_text(json, "trigger", assay__trigger_name(part->trigger));
	assay__field_text(json, "code", part->code);
	assay__field_bool(json, "code_generated", part->code_generated);
	assay__field_text(json, "code_state", assay__code_state_name(part->code_state));
	assay__field_text(json, "code_symbology",
					  part->code_symbology ? assay__symbology_name(part->code_symbology) : NULL);
	assay__field_text(json, "operator", part->operator_name[0] ? part->operator_name : NULL);
	assay__field_text(json, "recipe", part->recipe_name);
	assay__field_int(json, "latency_us", part->verdict_us - part->trigger_us);
	assay__field_int(json, "picture_us", part->picture_us ? part->picture_us - part->trigger_us : 0);
	assay__field_int(json, "deadline_us", part->deadline_us - part->trigger_us);
	assay__field_text(json, "verdict", assay_verdict_name(part->verdict));
	assay__field_text(json, "fault", fault_or_null(part->fault));
	assay__field_text(json, "reason", part->reason);
	assay__field_bool(json, "challenge", part->challenge);
	assay__field_double(json, "score", part->score_q8 / 256.0);
	assay__field_double(json, "threshold", part->threshold_q8 / 256.0);
	assay__field_double(json, "p_value", part->p_value);
	put_seal(json, seal);
	assay__json_key(json, "views");
	assay__json_array(json);
	for (int i = 0; i < part->view_count; i++)
		put_view(json, &part->views[i]);
	assay__json_array_end(json);
	assay__json_object_end(json);
}

/* Under the mutex: the record exists only once the station has opened it. */
static int need_reader(struct assay__parts_record *record, struct assay_error *error)
{
	return record->reader ? 0 : assay__reader_open(record->state_dir, &record->reader, error);
}

static struct assay__part_filter filter_of(const struct assay__parts_filter *asked, bool newest_first)
{
	return (struct assay__part_filter){.first = asked->first,
									   .last = asked->last,
									   .from_us = asked->from_us,
									   .to_us = asked->to_us,
									   .verdicts = asked->verdicts,
									   .code = asked->code,
									   .code_begin = asked->code_begin,
									   .recipe = asked->recipe,
									   .score_least_q8 = asked->score_least_q8,
									   .score_most_q8 = asked->score_most_q8,
									   .challenge = asked->challenge,
									   .newest_first = newest_first};
}

static int list(void *ctx, const struct assay__parts_filter *asked, struct assay__json *json, uint64_t *next,
				struct assay_error *error)
{
	struct assay__parts_record *record = ctx;
	struct assay__part_filter filter = filter_of(asked, true);
	struct assay__part_line *lines = calloc(LINES, sizeof(*lines));
	uint64_t cursor = asked->cursor;
	int left = asked->limit, count, rc;

	if (!lines)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");
	do {
		pthread_mutex_lock(&record->mutex);
		rc = need_reader(record, error);
		if (!rc)
			rc = assay__query_page(record->reader, &filter, &cursor, lines, left < LINES ? left : LINES, &count, error);
		pthread_mutex_unlock(&record->mutex);
		for (int i = 0; !rc && i < count; i++)
			put_line(json, &lines[i]);
		left -= rc ? 0 : count;
	} while (!rc && cursor && left > 0);
	free(lines);
	if (!rc)
		*next = cursor;
	return rc;
}

static int load(struct assay__parts_record *record, uint64_t sequence, struct assay__stored_part *part,
				struct assay_error *error)
{
	int rc;

	pthread_mutex_lock(&record->mutex);
	rc = need_reader(record, error);
	if (!rc)
		rc = assay__query_part(record->reader, sequence, part, error);
	pthread_mutex_unlock(&record->mutex);
	return rc;
}

static int get(void *ctx, uint64_t sequence, struct assay__json *json, struct assay_error *error)
{
	struct assay__parts_record *record = ctx;
	struct assay__stored_part *part = calloc(1, sizeof(*part));
	struct assay__part_seal seal;
	int rc = part ? load(record, sequence, part, error) : assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");

	if (!rc) {
		pthread_mutex_lock(&record->mutex);
		rc = assay__query_seal(record->reader, sequence, &seal, error);
		pthread_mutex_unlock(&record->mutex);
	}
	if (!rc)
		put_part(json, part, &seal);
	free(part);
	return rc;
}

/* The map is not kept, only its hash: judging the stored bits again gives it, with the recipe they were judged with. */
static int judge_again(struct assay__parts_record *record, const struct assay__stored_view *view,
					   const struct assay_image *image, struct assay_result *result, struct assay_error *error)
{
	char path[PATH_CHARS], hex[2 * ASSAY_HASH_BYTES + 1];
	struct assay_recipe *recipe;
	struct assay_worker *worker;
	size_t cells;
	uint32_t *map = NULL;
	int rc;

	sodium_bin2hex(hex, sizeof(hex), view->recipe_hash, ASSAY_HASH_BYTES);
	snprintf(path, sizeof(path), "%s/recipes/%s.assay", record->state_dir, hex);
	rc = assay_recipe_open(&(struct assay_env){0}, path, &recipe, error);
	if (rc)
		return rc;
	rc = assay_worker_open(recipe, &worker, error);
	if (!rc) {
		rc = assay_inspect(worker, image, result, error);
		cells = (size_t)result->grid_width * (size_t)result->grid_height;
		if (!rc && result->map_q8 && !(map = malloc(cells * sizeof(*map))))
			rc = assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");
		if (map)
			memcpy(map, result->map_q8, cells * sizeof(*map));
		result->map_q8 = map;
		assay_worker_close(worker);
	}
	assay_recipe_close(recipe);
	return rc;
}

static int picture(void *ctx, uint64_t sequence, int index, struct assay_image *image, struct assay_result *result,
				   struct assay_error *error)
{
	struct assay__parts_record *record = ctx;
	struct assay__stored_part *part = calloc(1, sizeof(*part));
	char place[ASSAY__PLACE_PATH_CHARS], path[PATH_CHARS];
	int rc = part ? load(record, sequence, part, error) : assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");

	if (!rc && (index >= part->view_count || part->views[index].image_state != ASSAY__IMAGE_KEPT))
		rc = assay__fail(error, ASSAY_E_ARGUMENT, -1, "of view %d of part %llu no picture is kept", index,
						 (unsigned long long)sequence);
	if (!rc && result && !part->views[index].judged)
		rc = assay__fail(error, ASSAY_E_ARGUMENT, -1, "view %d of part %llu was not judged", index,
						 (unsigned long long)sequence);
	if (!rc) {
		assay__place_image(sequence, index, place);
		snprintf(path, sizeof(path), "%s/%s", record->state_dir, place);
		rc = assay_image_load(path, NULL, image, error);
	}
	if (!rc && result) {
		pthread_mutex_lock(&record->replay_mutex);
		rc = judge_again(record, &part->views[index], image, result, error);
		pthread_mutex_unlock(&record->replay_mutex);
		if (rc)
			assay_image_free(image, NULL);
	}
	free(part);
	return rc;
}

static int replay(void *ctx, uint64_t sequence, struct assay__json *json, struct assay_error *error)
{
	static const char *const names[] = {"identical", "different", "skipped"};
	struct assay__parts_record *record = ctx;
	struct assay__stored_part *part = calloc(1, sizeof(*part));
	struct assay__replayed replayed;
	int rc = part ? load(record, sequence, part, error) : assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");

	if (!rc) {
		pthread_mutex_lock(&record->replay_mutex);
		if (!record->replay)
			rc = assay__replay_open(record->state_dir, NULL, &record->replay, error);
		if (!rc)
			rc = assay__replay_part(record->replay, part, &replayed, error);
		pthread_mutex_unlock(&record->replay_mutex);
	}
	if (!rc) {
		assay__json_object(json);
		assay__field_int(json, "sequence", (int64_t)sequence);
		assay__field_text(json, "outcome", names[replayed.outcome]);
		assay__field_int(json, "views", replayed.views);
		assay__field_text(json, "text", replayed.text);
		assay__json_object_end(json);
	}
	free(part);
	return rc;
}

static int quality(void *ctx, const struct assay__quality_ask *ask, struct assay__quality *out,
				   struct assay_error *error)
{
	struct assay__parts_record *record = ctx;
	int rc = 0;

	pthread_mutex_lock(&record->quality_mutex);
	if (!record->quality)
		rc = assay__quality_open(record->state_dir, &record->quality, error);
	if (!rc)
		rc = assay__quality_sum(record->quality, ask, out, error);
	pthread_mutex_unlock(&record->quality_mutex);
	return rc;
}

static int read_log(void *ctx, const char *kind, int limit, uint64_t *cursor, struct assay__json *json,
					struct assay_error *error)
{
	struct assay__parts_record *record = ctx;
	struct assay__stored_event *events = calloc((size_t)limit, sizeof(*events));
	int count = 0, rc;

	if (!events)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");
	pthread_mutex_lock(&record->mutex);
	rc = need_reader(record, error);
	if (!rc)
		rc = assay__query_events(record->reader, kind, cursor, events, limit, &count, error);
	pthread_mutex_unlock(&record->mutex);
	for (int i = 0; !rc && i < count; i++) {
		assay__json_object(json);
		assay__field_int(json, "link", (int64_t)events[i].link);
		put_time(json, events[i].wall_us);
		assay__field_text(json, "kind", events[i].kind);
		assay__field_text(json, "text", events[i].text);
		assay__json_object_end(json);
	}
	free(events);
	return rc;
}

/* Parts from *first on, as many as the filter lets through of a page, written as assay export does. */
static int write_csv(struct assay__reader *reader, struct assay__part_filter *filter, uint64_t *cursor, FILE *stream,
					 struct assay__part_line *lines, struct assay_error *error)
{
	uint64_t next = *cursor, written;
	int count, rc = assay__query_page(reader, filter, &next, lines, LINES, &count, error);

	if (rc)
		return rc;
	filter->first = count ? lines[0].sequence : INT64_MAX;
	filter->last = count ? lines[count - 1].sequence : 0;
	*cursor = next;
	return assay__export_csv(reader, filter, stream, &written, error);
}

static int csv(void *ctx, const struct assay__parts_filter *asked, uint64_t *cursor, char **text, size_t *size,
			   struct assay_error *error)
{
	struct assay__parts_record *record = ctx;
	struct assay__part_filter filter = filter_of(asked, false);
	struct assay__part_line *lines = calloc(LINES, sizeof(*lines));
	bool heading = *cursor == 0;
	char *written = NULL, *body;
	FILE *stream = open_memstream(&written, size);
	int rc = lines && stream ? 0 : assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");

	if (!rc) {
		pthread_mutex_lock(&record->mutex);
		rc = need_reader(record, error);
		if (!rc)
			rc = write_csv(record->reader, &filter, cursor, stream, lines, error);
		pthread_mutex_unlock(&record->mutex);
	}
	free(lines);
	if (stream && fclose(stream) && !rc)
		rc = assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");
	if (rc) {
		free(written);
		return rc;
	}
	/* the heading line belongs into the first piece only */
	body = heading ? NULL : strchr(written, '\n');
	if (body) {
		*size -= (size_t)(body + 1 - written);
		memmove(written, body + 1, *size);
	}
	*text = written;
	return 0;
}

int assay__parts_record_open(const char *state_dir, struct assay__parts_record **out, struct assay_error *error)
{
	struct assay__parts_record *record = calloc(1, sizeof(*record));

	if (!record)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");
	record->port = (struct assay__parts_port){.ctx = record,
											  .list = list,
											  .get = get,
											  .picture = picture,
											  .replay = replay,
											  .quality = quality,
											  .log = read_log,
											  .csv = csv};
	record->state_dir = state_dir;
	pthread_mutex_init(&record->mutex, NULL);
	pthread_mutex_init(&record->quality_mutex, NULL);
	pthread_mutex_init(&record->replay_mutex, NULL);
	*out = record;
	return 0;
}

const struct assay__parts_port *assay__parts_record_port(const struct assay__parts_record *record)
{
	return record ? &record->port : NULL;
}

void assay__parts_record_close(struct assay__parts_record *record)
{
	if (!record)
		return;
	assay__reader_close(record->reader);
	assay__replay_close(record->replay);
	assay__quality_close(record->quality);
	pthread_mutex_destroy(&record->mutex);
	pthread_mutex_destroy(&record->quality_mutex);
	pthread_mutex_destroy(&record->replay_mutex);
	free(record);
}
