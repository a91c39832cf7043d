/* SPDX-License-Identifier: Apache-2.0 */
/* GET /cameras and the newest picture of one, as taken or with its score map. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_field.h"
#include "station/http/handlers.h"

#define QUALITY 85
#define PICTURE_MOST_BYTES ((size_t)1 << 30)

static const char *state_name(enum assay__source_state state)
{
	static const char *const names[] = {"up", "stale", "gone", "ended"};

	return names[state];
}

enum MHD_Result assay__http_cameras(struct assay__request *request)
{
	struct assay__station *station = request->http->station;
	int count = assay__station_camera_count(station);
	struct assay__json *json = &request->json;

	assay__json_object(json);
	assay__json_key(json, "cameras");
	assay__json_array(json);
	for (int i = 0; i < count; i++) {
		struct assay__station_camera camera;

		assay__station_camera(station, i, &camera);
		assay__json_object(json);
		assay__json_key(json, "name");
		assay__json_string(json, camera.name);
		assay__json_key(json, "type");
		assay__json_string(json, camera.type);
		assay__json_key(json, "state");
		assay__json_string(json, state_name(camera.health.state));
		assay__json_key(json, "text");
		assay__json_string(json, camera.health.text);
		assay__json_key(json, "pictures");
		assay__json_uint(json, camera.health.pictures);
		assay__json_key(json, "broken");
		assay__json_uint(json, camera.health.broken);
		assay__json_key(json, "missed");
		assay__json_uint(json, camera.health.missed);
		assay__json_key(json, "generation");
		assay__json_uint(json, assay__station_generation(station, i));
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
	assay__json_object_end(json);
	return assay__answer_json(request, 200);
}

/* Copies the newest picture and map of a camera into fresh memory. Returns 0, or an HTTP status. */
static unsigned copy_latest(struct assay__http *http, int camera, struct assay__latest *latest)
{
	/* Sizes first; a picture that came meanwhile may be larger, so again. */
	for (int attempt = 0; attempt < 3; attempt++) {
		struct assay__latest asked = {.pixels = latest->pixels,
									  .pixel_capacity_bytes = latest->pixel_capacity_bytes,
									  .map = latest->map,
									  .map_capacity = latest->map_capacity};

		if (assay__station_latest(http->station, camera, &asked) != 1)
			return 404;
		*latest = asked;
		if (latest->pixel_bytes <= latest->pixel_capacity_bytes && latest->map_cells <= latest->map_capacity)
			return latest->view.image.pixels ? 0 : 404;
		if (latest->pixel_bytes > PICTURE_MOST_BYTES || latest->map_cells > PICTURE_MOST_BYTES / sizeof(*latest->map))
			return 500;
		free(latest->pixels);
		free(latest->map);
		latest->pixel_capacity_bytes = latest->pixel_bytes;
		latest->map_capacity = latest->map_cells;
		latest->pixels = malloc(latest->pixel_bytes ? latest->pixel_bytes : 1);
		latest->map = malloc(latest->map_cells ? latest->map_cells * sizeof(*latest->map) : 1);
		if (!latest->pixels || !latest->map)
			return 500;
	}
	return 503;
}

static int encode(const struct assay__part_view *view, enum assay__picture_kind kind, uint8_t **bytes, size_t *size,
				  struct assay_error *error)
{
	struct assay_image map;
	int rc;

	if (kind == ASSAY__KIND_PNG)
		return assay_image_encode_png(&view->image, NULL, bytes, size, error);
	if (kind == ASSAY__KIND_JPEG)
		return assay_image_encode_jpeg(&view->image, QUALITY, NULL, bytes, size, error);
	rc = assay_heatmap(&view->image, &view->result, NULL, &map, error);
	if (rc)
		return rc;
	rc = assay_image_encode_jpeg(&map, QUALITY, NULL, bytes, size, error);
	assay_image_free(&map, NULL);
	return rc;
}

/* Under picture_mutex: makes http->encoded[camera][kind] new if there is a newer picture. Returns 0, or an HTTP status. */
static unsigned renew(struct assay__http *http, int camera, enum assay__picture_kind kind)
{
	struct assay__encoded *kept = &http->encoded[camera][kind];
	uint64_t newest = assay__station_generation(http->station, camera);
	struct assay__latest *latest;
	uint8_t *bytes;
	size_t size;
	unsigned status;

	if (kept->bytes && kept->generation == newest)
		return 0;
	latest = calloc(1, sizeof(*latest));
	status = latest ? copy_latest(http, camera, latest) : 500;
	if (!status && kind == ASSAY__KIND_MAP && !latest->view.result.map_q8)
		status = 404;
	if (!status && kind == ASSAY__KIND_JPEG && latest->view.image.depth_bits != 8)
		status = 415;
	if (!status && encode(&latest->view, kind, &bytes, &size, NULL))
		status = 500;
	if (!status) {
		free(kept->bytes);
		*kept = (struct assay__encoded){.generation = latest->generation, .bytes = bytes, .size = size};
	}
	if (latest) {
		free(latest->pixels);
		free(latest->map);
	}
	free(latest);
	return status;
}

static enum MHD_Result answer_picture(struct assay__request *request, enum assay__picture_kind kind)
{
	const char *seen = assay__request_header(request, "If-None-Match");
	struct assay__http *http = request->http;
	enum MHD_Result answer = MHD_NO;
	int camera = assay__request_camera(request, &answer);
	struct assay__encoded *kept;
	uint8_t *copy = NULL;
	char tag[48];
	unsigned status;
	size_t size = 0;
	bool same = false;

	if (camera < 0)
		return answer;
	kept = &http->encoded[camera][kind];
	pthread_mutex_lock(&http->picture_mutex);
	status = renew(http, camera, kind);
	if (!status) {
		snprintf(tag, sizeof(tag), "\"%d-%llu\"", (int)kind, (unsigned long long)kept->generation);
		same = seen && !strcmp(seen, tag);
		size = kept->size;
		copy = same ? NULL : malloc(size);
		if (copy)
			memcpy(copy, kept->bytes, size);
	}
	pthread_mutex_unlock(&http->picture_mutex);
	if (status == 404)
		return assay__answer_error(request, 404, "not_found", "this camera has no such picture yet");
	if (status == 415)
		return assay__answer_error(request, 415, "media_type", "a picture of 16 bits is no JPEG; ask with ?format=png");
	if (status || (!same && !copy))
		return assay__answer_error(request, status ? status : 500, "internal", "the picture cannot be made");
	assay__answer_header(request, "ETag", "%s", tag);
	if (same)
		return assay__answer_empty(request, 304);
	return assay__answer_bytes(request, 200, kind == ASSAY__KIND_PNG ? "image/png" : "image/jpeg", copy, size);
}

enum MHD_Result assay__http_frame(struct assay__request *request)
{
	const char *format = assay__request_query(request, "format");

	if (format && strcmp(format, "jpeg") && strcmp(format, "png"))
		return assay__answer_error(request, 400, "argument", "format: expected jpeg or png");
	return answer_picture(request, format && !strcmp(format, "png") ? ASSAY__KIND_PNG : ASSAY__KIND_JPEG);
}

enum MHD_Result assay__http_heatmap(struct assay__request *request)
{
	return answer_picture(request, ASSAY__KIND_MAP);
}

static void put_result(struct assay__json *json, const struct assay__latest *latest)
{
	const struct assay__part_view *view = &latest->view;
	const struct assay_result *result = &view->result;
	char time[40];

	assay__json_object(json);
	assay__field_uint(json, "generation", latest->generation);
	assay__field_uint(json, "sequence", latest->part.sequence);
	assay__field_text(json, "time", assay__time_text(latest->part.wall_us, time));
	assay__field_text(json, "code", latest->part.code);
	assay__field_text(json, "verdict", assay_verdict_name(view->fault ? ASSAY_FAULT : result->verdict));
	assay__field_text(json, "fault", view->fault ? assay__fault_name(view->fault) : NULL);
	assay__field_q8(json, "score", result->score_q8);
	assay__field_q8(json, "threshold", result->threshold_q8);
	assay__field_int(json, "width_px", view->image.width_px);
	assay__field_int(json, "height_px", view->image.height_px);
	assay__json_key(json, "regions");
	assay__json_array(json);
	for (int i = 0; i < result->region_count; i++) {
		const struct assay_region *region = &result->regions[i];

		assay__json_object(json);
		assay__field_int(json, "x", region->box.x);
		assay__field_int(json, "y", region->box.y);
		assay__field_int(json, "width", region->box.width);
		assay__field_int(json, "height", region->box.height);
		assay__field_q8(json, "peak", region->peak_q8);
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
	assay__json_object_end(json);
}

enum MHD_Result assay__http_result(struct assay__request *request)
{
	enum MHD_Result answer = MHD_NO;
	int camera = assay__request_camera(request, &answer);
	struct assay__latest *latest;
	bool found;

	if (camera < 0)
		return answer;
	latest = calloc(1, sizeof(*latest));
	if (!latest)
		return assay__answer_error(request, 500, "no_memory", "out of memory");
	/* without buffers: no pixel is copied */
	found = assay__station_latest(request->http->station, camera, latest) == 1;
	if (found)
		put_result(&request->json, latest);
	free(latest);
	return found ? assay__answer_json(request, 200)
				 : assay__answer_error(request, 404, "not_found", "this camera has no picture yet");
}
