/* SPDX-License-Identifier: Apache-2.0 */
/* Teaching, learning and going back, from what the station has on file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "station/record/place.h"
#include "station/workshop/room.h"

#define NAME_CHARS 64
/* to catch defects that people named, as many good parts may be rejected as the recipe states, but at least so many */
#define CATCH_LEAST 0.01
#define COLLECT_WAIT_MS 50
#define COLLECT_STALE_S 60

/* Pictures by path, as parts to teach from. */
struct pictures {
	int count, room;
	struct {
		char path[ASSAY__WORKSHOP_PATH_CHARS];
		char name[NAME_CHARS];
	} * list;
};

static int add_picture(struct pictures *pictures, struct assay_error *error)
{
	if (pictures->count == pictures->room) {
		void *more = realloc(pictures->list, (size_t)(pictures->room += 64) * sizeof(*pictures->list));

		if (!more)
			return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");
		pictures->list = more;
	}
	pictures->count++;
	return 0;
}

static int load_picture(void *ctx, int index, const struct assay_allocator *allocator, struct assay_image *image,
						struct assay_error *error)
{
	const struct pictures *pictures = ctx;

	return assay_image_load(pictures->list[index].path, allocator, image, error);
}

static const char *name_picture(void *ctx, int index)
{
	const struct pictures *pictures = ctx;

	return pictures->list[index].name;
}

static struct assay_parts parts_of(struct pictures *pictures)
{
	return (struct assay_parts){.count = pictures->count, .load = load_picture, .name = name_picture, .ctx = pictures};
}

static int report_stage(void *ctx, const char *stage, int done, int total)
{
	return assay__workshop_tell(ctx, stage, done, total);
}

static int save(struct assay__workshop *workshop, struct assay_recipe *recipe, struct assay_error *error)
{
	int rc = assay_recipe_save(recipe, workshop->candidate, error);

	assay_recipe_close(recipe);
	return rc;
}

static int from_tray(struct assay__workshop *workshop, struct pictures *goods, struct assay_error *error)
{
	struct assay__tray_item *items = malloc(ASSAY__TRAY_MOST * sizeof(*items));
	int count = items ? assay__tray_list(workshop, items, ASSAY__TRAY_MOST) : 0;
	int rc = items ? 0 : assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");

	for (int i = 0; !rc && i < count; i++) {
		rc = add_picture(goods, error);
		if (rc)
			break;
		assay__tray_path(workshop, items[i].number, goods->list[goods->count - 1].path);
		snprintf(goods->list[goods->count - 1].name, NAME_CHARS, "picture %d", items[i].number);
	}
	free(items);
	return rc;
}

static int teach(struct assay__workshop *workshop, struct assay__workshop_state *state, struct assay_error *error)
{
	const struct assay__job *job = &state->job;
	const struct assay_teach_options options = {.overkill = job->overkill,
												.smallest_defect_px = job->smallest_defect_px,
												.keep_suspects = job->keep_suspects,
												.keep_bytes = ASSAY_LEARN_KEEP_BYTES};
	const struct assay_teach_hooks hooks = {.progress = {.report = report_stage, .ctx = workshop}};
	struct assay_teach_report report;
	struct assay_recipe *recipe = NULL;
	struct pictures goods = {0};
	int rc = from_tray(workshop, &goods, error);

	if (!rc) {
		struct assay_parts parts = parts_of(&goods);

		rc = assay_teach(&(struct assay_env){0}, &options, &parts, NULL, &hooks, &recipe, &report, error);
	}
	free(goods.list);
	if (rc)
		return rc;
	state->goods = report.parts_used;
	state->vectors = report.bank_size;
	state->suspects = report.suspect_count;
	state->unreadable = report.parts_unreadable;
	state->overkill_stated = report.overkill_stated;
	state->parts_for_wanted = report.parts_for_wanted;
	return save(workshop, recipe, error);
}

/* Pictures of the recipe's parts that people judged, into goods and defects. */
static int from_reviews(struct assay__workshop *workshop, const struct assay__job *job, struct pictures sets[2],
						struct assay_error *error)
{
	struct assay__stored_part *part = malloc(sizeof(*part));
	struct assay__word *words = NULL;
	struct assay__reader *reader = NULL;
	char place[ASSAY__PLACE_PATH_CHARS];
	int count = 0, rc = part ? 0 : assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");

	if (!rc)
		rc = assay__trial_words(workshop, &words, &count, error);
	if (!rc)
		rc = assay__reader_open(workshop->state_dir, &reader, error);
	for (int i = 0; !rc && i < count; i++) {
		struct pictures *set = &sets[words[i].judgement == ASSAY__JUDGED_BAD];

		if (words[i].judgement == ASSAY__JUDGED_UNSURE || assay__query_part(reader, words[i].sequence, part, NULL) ||
			strcmp(part->recipe_name, job->recipe) != 0 || part->view_count < 1 ||
			part->views[0].image_state != ASSAY__IMAGE_KEPT)
			continue;
		rc = add_picture(set, error);
		if (rc)
			break;
		assay__place_image(words[i].sequence, 0, place);
		snprintf(set->list[set->count - 1].path, ASSAY__WORKSHOP_PATH_CHARS, "%s/%s", workshop->state_dir, place);
		snprintf(set->list[set->count - 1].name, NAME_CHARS, "part %llu", (unsigned long long)words[i].sequence);
	}
	assay__reader_close(reader);
	free(words);
	free(part);
	return rc;
}

static int learn_from(struct assay__workshop *workshop, struct assay__workshop_state *state, struct pictures sets[2],
					  struct assay_error *error)
{
	const struct assay_learn_options options = {
		.author = state->job.author,
		.time_s = (int64_t)time(NULL),
		.overkill = state->job.overkill,
		.catch_overkill = state->job.overkill_now > CATCH_LEAST ? state->job.overkill_now : CATCH_LEAST};
	const struct assay_teach_hooks hooks = {.progress = {.report = report_stage, .ctx = workshop}};
	struct assay_parts goods = parts_of(&sets[0]), defects = parts_of(&sets[1]);
	struct assay_learn_report report = {0};
	struct assay_recipe *recipe = NULL;
	int rc = assay_learn(&(struct assay_env){0}, workshop->file, &goods, &defects, &options, NULL, &hooks, &recipe,
						 &report, error);

	if (rc)
		return rc;
	state->goods = report.goods;
	state->defects = report.defects;
	state->unreadable = report.unreadable;
	for (int i = 0; i < report.scale_count; i++)
		state->vectors += report.vectors[i];
	assay_learn_report_free(&report, NULL);
	if (!recipe)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "the recipe knows all parts that were judged; review some more and learn again");
	return save(workshop, recipe, error);
}

static int learn(struct assay__workshop *workshop, struct assay__workshop_state *state, struct assay_error *error)
{
	struct pictures sets[2] = {{0}, {0}};
	int rc = from_reviews(workshop, &state->job, sets, error);

	if (!rc && sets[0].count + sets[1].count == 0)
		rc = assay__fail(error, ASSAY_E_ARGUMENT, -1,
						 "nobody has judged a part of %s whose picture is kept; review some parts first",
						 state->job.recipe);
	if (!rc)
		rc = learn_from(workshop, state, sets, error);
	free(sets[0].list);
	free(sets[1].list);
	return rc;
}

static int revert(struct assay__workshop *workshop, struct assay__workshop_state *state, struct assay_error *error)
{
	const struct assay_learn_options options = {.author = state->job.author, .time_s = (int64_t)time(NULL)};
	struct assay_recipe *recipe = NULL;
	int rc = assay_revert(&(struct assay_env){0}, workshop->file, state->job.step, &options, &recipe, error);

	return rc ? rc : save(workshop, recipe, error);
}

/* Every newer picture of a camera until there are enough; without one for long it ends with what there is. */
static int collect(struct assay__workshop *workshop, struct assay__workshop_state *state, struct assay_error *error)
{
	const struct timespec tick = {.tv_nsec = COLLECT_WAIT_MS * 1000000};
	struct assay__latest *latest = calloc(1, sizeof(*latest));
	int idle = 0, got = 0, number, rc = latest ? 0 : assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");

	while (!rc && got < state->job.count && idle < COLLECT_STALE_S * 1000 / COLLECT_WAIT_MS) {
		if (assay__workshop_tell(workshop, "collecting pictures", got, state->job.count)) {
			rc = assay__fail(error, ASSAY_E_CANCELLED, -1, "cancelled");
			break;
		}
		rc = assay__station_latest(workshop->station, state->job.camera, latest);
		if (rc < 0) {
			rc = assay__fail(error, rc, -1, "there is no such camera");
		} else if (rc == 0) {
			idle++;
			nanosleep(&tick, NULL);
		} else if (latest->pixel_bytes > latest->pixel_capacity_bytes) {
			free(latest->pixels);
			*latest = (struct assay__latest){.pixels = malloc(latest->pixel_bytes),
											 .pixel_capacity_bytes = latest->pixel_bytes};
			rc = latest->pixels ? 0 : assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");
		} else {
			struct assay_error why;
			int put = latest->view.image.pixels ? assay__tray_put(workshop, &latest->view.image, &number, &why)
												: ASSAY_E_ARGUMENT;

			rc = put && put != ASSAY_E_ARGUMENT ? assay__fail(error, put, -1, "%s", why.message) : 0;
			got += !put;
			idle = 0;
		}
	}
	if (!rc && got < state->job.count)
		rc = assay__fail(error, ASSAY_E_CLOSED, -1,
						 "%d of %d pictures came, then none for a minute; is the camera triggered?", got,
						 state->job.count);
	state->goods = got;
	if (latest)
		free(latest->pixels);
	free(latest);
	return rc;
}

int assay__job_run(struct assay__workshop *workshop, struct assay__workshop_state *state, struct assay_error *error)
{
	static int (*const run[ASSAY__JOBS])(struct assay__workshop *, struct assay__workshop_state *,
										 struct assay_error *) = {[ASSAY__JOB_TEACH] = teach,
																  [ASSAY__JOB_LEARN] = learn,
																  [ASSAY__JOB_REVERT] = revert,
																  [ASSAY__JOB_COLLECT] = collect};
	int rc = run[state->job.kind](workshop, state, error);

	if (!rc && state->job.kind != ASSAY__JOB_COLLECT)
		rc = assay__trial_run(workshop, state, error);
	return rc;
}
