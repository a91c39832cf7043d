/* SPDX-License-Identifier: Apache-2.0 */
/* The workshop: collect good parts, teach, learn from reviews, go back; see what changes; activate or discard. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_field.h"
#include "base/text.h"
#include "station/http/handlers.h"

#define FLIPS_PAGE 200
#define LINEAGE_MOST 200
#define QUALITY 85

static struct assay__workshop *workshop_of(struct assay__request *request, enum MHD_Result *answer)
{
	if (!request->http->workshop)
		*answer =
			assay__answer_error(request, 503, "no_record", "this station keeps no record, and so has no workshop");
	return request->http->workshop;
}

static void put_state(struct assay__json *json, const struct assay__workshop_state *state)
{
	assay__json_object(json);
	assay__field_text(json, "phase", assay__workshop_phase_name(state->phase));
	assay__field_text(json, "job", assay__job_name(state->job.kind));
	assay__field_text(json, "recipe", state->job.recipe);
	assay__field_text(json, "author", state->job.author);
	assay__field_text(json, "stage", state->stage);
	assay__field_int(json, "done", state->done);
	assay__field_int(json, "total", state->total);
	assay__field_text(json, "text", state->text);
	if (state->phase == ASSAY__WORKSHOP_READY) {
		assay__field_int(json, "goods", state->goods);
		assay__field_int(json, "defects", state->defects);
		assay__field_int(json, "vectors", state->vectors);
		assay__field_int(json, "suspects", state->suspects);
		assay__field_int(json, "unreadable", state->unreadable);
		assay__field_double(json, "overkill_stated", state->overkill_stated);
		assay__field_int(json, "parts_for_wanted", state->parts_for_wanted);
		assay__field_q8(json, "threshold_before", state->threshold_before_q8);
		assay__field_q8(json, "threshold_after", state->threshold_after_q8);
		assay__field_hex(json, "content_before", state->content_before, ASSAY_HASH_BYTES);
		assay__field_hex(json, "content_after", state->content_after, ASSAY_HASH_BYTES);
		assay__field_int(json, "tried", state->tried);
		assay__field_int(json, "untried", state->untried);
		assay__field_int(json, "to_pass", state->to_pass);
		assay__field_int(json, "to_fail", state->to_fail);
		assay__field_int(json, "labelled_good", state->labelled_good);
		assay__field_int(json, "overkill_before", state->overkill_before);
		assay__field_int(json, "overkill_after", state->overkill_after);
		assay__field_int(json, "labelled_bad", state->labelled_bad);
		assay__field_int(json, "escapes_before", state->escapes_before);
		assay__field_int(json, "escapes_after", state->escapes_after);
	}
	assay__json_object_end(json);
}

static enum MHD_Result answer_state(struct assay__request *request, struct assay__workshop *workshop)
{
	struct assay__workshop_state state;

	assay__workshop_state(workshop, &state);
	put_state(&request->json, &state);
	return assay__answer_json(request, 200);
}

static enum MHD_Result answer_refusal(struct assay__request *request, const struct assay_error *error)
{
	if (error->code == ASSAY_E_FULL || error->code == ASSAY_E_MISMATCH)
		return assay__answer_error(request, 409, "busy", "%s", error->message);
	return assay__answer_failure(request, error);
}

enum MHD_Result assay__http_workshop(struct assay__request *request)
{
	enum MHD_Result answer = MHD_NO;
	struct assay__workshop *workshop = workshop_of(request, &answer);

	return workshop ? answer_state(request, workshop) : answer;
}

/* Recipe and wishes of a job out of the body; the recipe in use if none is named. */
static bool read_job(struct assay__request *request, struct assay__job *job, enum MHD_Result *answer)
{
	const struct assay__json_value *overkill = assay__json_member(request->json_body, "overkill");
	const struct assay__json_value *keep = assay__json_member(request->json_body, "keep_suspects");
	struct assay__station_health health;
	const char *recipe;
	int64_t defect, step;

	if (!assay__body_text(request, "recipe", ASSAY__NAME_CHARS - 1, &recipe, answer) ||
		!assay__body_number(request, "smallest_defect_px", 1, 4096, 0, &defect, answer) ||
		!assay__body_number(request, "step", 0, 1000000, 0, &step, answer))
		return false;
	if (overkill && (overkill->type != ASSAY__JSON_NUMBER || !(overkill->number > 0 && overkill->number <= 0.2))) {
		*answer = assay__answer_error(request, 400, "argument", "overkill: expected a number above 0, at most 0.2");
		return false;
	}
	if (keep && keep->type != ASSAY__JSON_BOOL) {
		*answer = assay__answer_error(request, 400, "argument", "keep_suspects: expected true or false");
		return false;
	}
	assay__station_health(request->http->station, &health);
	snprintf(job->recipe, sizeof(job->recipe), "%s", recipe && *recipe ? recipe : health.recipe);
	snprintf(job->author, sizeof(job->author), "%s", request->who.name);
	job->overkill = overkill ? overkill->number : 0;
	job->keep_suspects = keep && keep->boolean;
	job->smallest_defect_px = (int)defect;
	job->step = (int)step;
	return true;
}

static enum MHD_Result begin(struct assay__request *request, struct assay__workshop *workshop,
							 const struct assay__job *job)
{
	struct assay_error error;

	if (assay__workshop_begin(workshop, job, &error))
		return answer_refusal(request, &error);
	return answer_state(request, workshop);
}

static enum MHD_Result begin_kind(struct assay__request *request, enum assay__job_kind kind)
{
	enum MHD_Result answer = MHD_NO;
	struct assay__workshop *workshop = workshop_of(request, &answer);
	struct assay__job job = {.kind = kind};

	if (!workshop || !read_job(request, &job, &answer))
		return answer;
	return begin(request, workshop, &job);
}

enum MHD_Result assay__http_workshop_teach(struct assay__request *request)
{
	return begin_kind(request, ASSAY__JOB_TEACH);
}

enum MHD_Result assay__http_workshop_learn(struct assay__request *request)
{
	return begin_kind(request, ASSAY__JOB_LEARN);
}

enum MHD_Result assay__http_workshop_revert(struct assay__request *request)
{
	return begin_kind(request, ASSAY__JOB_REVERT);
}

enum MHD_Result assay__http_tray_collect(struct assay__request *request)
{
	enum MHD_Result answer = MHD_NO;
	struct assay__workshop *workshop = workshop_of(request, &answer);
	struct assay__job job = {.kind = ASSAY__JOB_COLLECT, .camera = -1};
	const char *camera;
	int64_t count;

	if (!workshop || !assay__body_text(request, "camera", ASSAY__NAME_CHARS - 1, &camera, &answer) ||
		!assay__body_number(request, "count", 1, ASSAY__TRAY_MOST, 20, &count, &answer))
		return answer;
	for (int i = 0; i < assay__station_camera_count(request->http->station); i++) {
		struct assay__station_camera one;

		assay__station_camera(request->http->station, i, &one);
		if (job.camera < 0 && (!camera || !*camera || !strcmp(one.name, camera)))
			job.camera = i;
	}
	job.count = (int)count;
	snprintf(job.author, sizeof(job.author), "%s", request->who.name);
	return begin(request, workshop, &job);
}

enum MHD_Result assay__http_workshop_cancel(struct assay__request *request)
{
	enum MHD_Result answer = MHD_NO;
	struct assay__workshop *workshop = workshop_of(request, &answer);

	if (!workshop)
		return answer;
	assay__workshop_cancel(workshop);
	return answer_state(request, workshop);
}

enum MHD_Result assay__http_workshop_activate(struct assay__request *request)
{
	enum MHD_Result answer = MHD_NO;
	struct assay__workshop *workshop = workshop_of(request, &answer);
	struct assay_error error;

	if (!workshop)
		return answer;
	if (assay__workshop_activate(workshop, request->who.name, &error))
		return answer_refusal(request, &error);
	return answer_state(request, workshop);
}

enum MHD_Result assay__http_workshop_discard(struct assay__request *request)
{
	enum MHD_Result answer = MHD_NO;
	struct assay__workshop *workshop = workshop_of(request, &answer);
	struct assay_error error;

	if (!workshop)
		return answer;
	if (assay__workshop_discard(workshop, &error))
		return answer_refusal(request, &error);
	return answer_state(request, workshop);
}

enum MHD_Result assay__http_workshop_flips(struct assay__request *request)
{
	enum MHD_Result answer = MHD_NO;
	struct assay__workshop *workshop = workshop_of(request, &answer);
	struct assay__json *json = &request->json;
	struct assay__flip *flips;
	int64_t from, limit;
	int count;

	if (!workshop || !assay__request_number(request, "cursor", 0, ASSAY__FLIPS_MOST, 0, &from, &answer) ||
		!assay__request_number(request, "limit", 1, FLIPS_PAGE, 50, &limit, &answer))
		return answer;
	flips = malloc((size_t)limit * sizeof(*flips));
	if (!flips)
		return assay__answer_error(request, 500, "no_memory", "out of memory");
	count = assay__workshop_flips(workshop, (int)from, flips, (int)limit);
	assay__json_object(json);
	assay__field_int(json, "count", count);
	assay__json_key(json, "flips");
	assay__json_array(json);
	for (int i = 0; from + i < count && i < limit; i++) {
		assay__json_object(json);
		assay__field_uint(json, "sequence", flips[i].sequence);
		assay__field_text(json, "before", assay_verdict_name(flips[i].before));
		assay__field_text(json, "after", assay_verdict_name(flips[i].after));
		assay__field_q8(json, "score_before", flips[i].before_q8);
		assay__field_q8(json, "score_after", flips[i].after_q8);
		assay__field_q8(json, "threshold", flips[i].threshold_q8);
		assay__field_text(json, "judgement",
						  flips[i].label < 0 ? NULL : assay__judgement_name((enum assay__judgement)flips[i].label));
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
	assay__json_object_end(json);
	free(flips);
	return assay__answer_json(request, 200);
}

static enum MHD_Result answer_tray(struct assay__request *request, struct assay__workshop *workshop)
{
	struct assay__tray_item *items = malloc(ASSAY__TRAY_MOST * sizeof(*items));
	struct assay__json *json = &request->json;
	int count, novel = 0, from;

	if (!items)
		return assay__answer_error(request, 500, "no_memory", "out of memory");
	count = assay__tray_list(workshop, items, ASSAY__TRAY_MOST);
	from = count > 10 ? count - 10 : 0;
	for (int i = from; i < count; i++)
		novel += !items[i].measured || items[i].novel;
	assay__json_object(json);
	assay__field_int(json, "count", count);
	assay__field_int(json, "capacity", ASSAY__TRAY_MOST);
	assay__field_int(json, "novel_in_last_ten", novel);
	assay__json_key(json, "pictures");
	assay__json_array(json);
	for (int i = 0; i < count; i++) {
		assay__json_object(json);
		assay__field_int(json, "number", items[i].number);
		assay__field_bool(json, "measured", items[i].measured);
		assay__field_bool(json, "novel", items[i].novel);
		assay__field_q8(json, "score", items[i].score_q8);
		assay__field_q8(json, "threshold", items[i].threshold_q8);
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
	assay__json_object_end(json);
	free(items);
	return assay__answer_json(request, 200);
}

enum MHD_Result assay__http_tray(struct assay__request *request)
{
	enum MHD_Result answer = MHD_NO;
	struct assay__workshop *workshop = workshop_of(request, &answer);

	return workshop ? answer_tray(request, workshop) : answer;
}

enum MHD_Result assay__http_tray_add(struct assay__request *request)
{
	enum MHD_Result answer = MHD_NO;
	struct assay__workshop *workshop = workshop_of(request, &answer);
	struct assay_image image;
	struct assay_error error;
	int number, rc;

	if (!workshop)
		return answer;
	if (assay_image_decode(request->body, request->body_size, NULL, &image, &error))
		return assay__answer_failure(request, &error);
	rc = assay__tray_add(workshop, &image, &number, &error);
	assay_image_free(&image, NULL);
	return rc ? answer_refusal(request, &error) : answer_tray(request, workshop);
}

/* The number in the path; false after answering 404. */
static bool path_number(struct assay__request *request, int *out, enum MHD_Result *answer)
{
	int64_t number;

	if (assay__text_to_int64(request->arguments[0], &number) && number > 0 && number <= 999999) {
		*out = (int)number;
		return true;
	}
	*answer = assay__answer_error(request, 404, "not_found", "there is no such picture in the tray");
	return false;
}

static enum MHD_Result remove_some(struct assay__request *request, struct assay__workshop *workshop, int number)
{
	struct assay_error error;

	if (assay__tray_remove(workshop, number, &error) == 0)
		return answer_tray(request, workshop);
	if (error.code == ASSAY_E_ARGUMENT)
		return assay__answer_missing(request, &error);
	return answer_refusal(request, &error);
}

enum MHD_Result assay__http_tray_remove(struct assay__request *request)
{
	enum MHD_Result answer = MHD_NO;
	struct assay__workshop *workshop = workshop_of(request, &answer);
	int number;

	if (!workshop || !path_number(request, &number, &answer))
		return answer;
	return remove_some(request, workshop, number);
}

enum MHD_Result assay__http_tray_empty(struct assay__request *request)
{
	enum MHD_Result answer = MHD_NO;
	struct assay__workshop *workshop = workshop_of(request, &answer);

	return workshop ? remove_some(request, workshop, 0) : answer;
}

enum MHD_Result assay__http_tray_picture(struct assay__request *request)
{
	enum MHD_Result answer = MHD_NO;
	struct assay__workshop *workshop = workshop_of(request, &answer);
	struct assay_image image;
	struct assay_error error;
	uint8_t *bytes = NULL;
	size_t size = 0;
	int number, rc;

	if (!workshop || !path_number(request, &number, &answer))
		return answer;
	if (assay__tray_picture(workshop, number, &image, &error))
		return assay__answer_missing(request, &error);
	bool jpeg = image.depth_bits == 8;
	rc = jpeg ? assay_image_encode_jpeg(&image, QUALITY, NULL, &bytes, &size, &error)
			  : assay_image_encode_png(&image, NULL, &bytes, &size, &error);
	assay_image_free(&image, NULL);
	if (rc)
		return assay__answer_failure(request, &error);
	return assay__answer_bytes(request, 200, jpeg ? "image/jpeg" : "image/png", bytes, size);
}

static void put_step(struct assay__json *json, const struct assay_lineage_step *step)
{
	char time[40];

	assay__json_object(json);
	assay__field_int(json, "number", step->number);
	assay__field_text(json, "kind", step->kind);
	assay__field_text(json, "time", assay__time_text(step->time_s * 1000000, time));
	assay__field_text(json, "author", step->author);
	assay__field_hex(json, "parent", step->parent, ASSAY_HASH_BYTES);
	assay__field_hex(json, "content", step->content, ASSAY_HASH_BYTES);
	assay__field_int(json, "goods", step->goods);
	assay__field_int(json, "defects", step->defects);
	assay__field_int(json, "vectors", step->vectors);
	assay__field_bool(json, "kept", step->kept);
	assay__json_object_end(json);
}

enum MHD_Result assay__http_recipe_lineage(struct assay__request *request)
{
	enum MHD_Result answer = MHD_NO;
	struct assay__workshop *workshop = workshop_of(request, &answer);
	struct assay__json *json = &request->json;
	uint8_t content[ASSAY_HASH_BYTES];
	struct assay_recipe_info info;
	struct assay_recipe *recipe;
	struct assay_error error;
	char file[256];

	if (!workshop)
		return answer;
	if (!assay__workshop_recipe(workshop, request->arguments[0], file, content, NULL))
		return assay__answer_error(request, 404, "not_found", "there is no recipe of that name");
	if (access(file, F_OK))
		return assay__answer_error(request, 422, "untaught", "this recipe is not taught yet");
	if (assay_recipe_open(&(struct assay_env){0}, file, &recipe, &error))
		return assay__answer_failure(request, &error);
	assay_recipe_get_info(recipe, &info);
	assay__json_object(json);
	assay__field_hex(json, "content", info.content_hash, ASSAY_HASH_BYTES);
	assay__field_int(json, "kept_goods", info.kept_goods);
	assay__field_int(json, "kept_defects", info.kept_defects);
	assay__json_key(json, "steps");
	assay__json_array(json);
	for (int i = info.step_count > LINEAGE_MOST ? info.step_count - LINEAGE_MOST : 0; i < info.step_count; i++)
		put_step(json, &info.steps[i]);
	assay__json_array_end(json);
	assay__json_object_end(json);
	assay_recipe_close(recipe);
	return assay__answer_json(request, 200);
}
