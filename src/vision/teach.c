/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/teach_position.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vision/calibrate.h"

/* The mask as the recipe keeps it: 8-bit grey, 0 or 255. */
static int keep_mask(struct assay_recipe *recipe, const struct assay_image *mask, struct assay_error *error)
{
	int rc = assay_image_create(mask->width_px, mask->height_px, 1, 8, recipe->allocator, &recipe->mask, error);
	if (rc)
		return rc;
	int pixel_bytes = mask->channels * mask->depth_bits / 8;
	for (int y = 0; y < mask->height_px; y++) {
		const uint8_t *from = mask->pixels + (size_t)y * mask->stride_bytes;
		uint8_t *to = recipe->mask.pixels + (size_t)y * recipe->mask.stride_bytes;
		for (int x = 0; x < mask->width_px; x++)
			for (int i = 0; i < pixel_bytes; i++)
				if (from[(size_t)x * pixel_bytes + i])
					to[x] = 255;
	}
	return 0;
}

static int open_network(struct assay__teach *t, const struct assay_env *env, struct assay_error *error)
{
	struct assay_recipe *recipe = t->recipe;
	if (env && env->network) {
		recipe->network = env->network;
		recipe->network_size_bytes = env->network_size_bytes;
	} else {
		recipe->network = assay__net_builtin(&recipe->network_size_bytes);
	}
	return assay__recipe_open_net(recipe, error);
}

/* The sizes at which the parts will be looked at, now that these are known. */
static void plan_scales(struct assay_recipe *recipe)
{
	const struct assay__settings *s = &recipe->settings;
	const struct assay_rect_px *roi = &s->view.roi;
	int sizes_px[ASSAY__SCALES_MOST];
	recipe->scales.count =
		assay__scales_choose(s->working_px, s->smallest_defect_px, roi->width ? roi->width : recipe->shape.width_px,
							 roi->width ? roi->height : recipe->shape.height_px, sizes_px);
	for (int i = 0; i < recipe->scales.count; i++)
		recipe->scales.at[i].working_px = sizes_px[i];
}

int assay__teach_open_spaces(struct assay__teach *t, struct assay_error *error)
{
	struct assay_recipe *recipe = t->recipe;
	t->spaces = assay__calloc(t->allocator, (size_t)t->workers, sizeof(*t->spaces));
	if (!t->spaces)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for %d workers", t->workers);
	for (int i = 0; i < t->workers; i++) {
		int rc = assay__workspace_open(recipe->net, &recipe->settings.view, &recipe->scales, assay__recipe_mask(recipe),
									   t->allocator, &t->spaces[i], error);
		if (rc)
			return rc;
	}
	/* the others plan when their first task comes: a runner may have more workers than parts */
	return assay__workspace_shape(t->spaces[0], &recipe->shape, error);
}

void assay__teach_close_spaces(struct assay__teach *t)
{
	for (int i = 0; t->spaces && i < t->workers; i++)
		assay__workspace_close(t->spaces[i]);
	assay__free(t->allocator, t->spaces);
	t->spaces = NULL;
}

static int by_score(const void *a, const void *b)
{
	const struct assay__part *p = a, *q = b;
	if (p->score_q8 != q->score_q8)
		return p->score_q8 < q->score_q8 ? -1 : 1;
	return memcmp(p->hash, q->hash, sizeof(p->hash));
}

/* Scores at all scales are known: joins them. */
static void join_scores(struct assay__teach *t)
{
	const struct assay_recipe *recipe = t->recipe;
	for (int i = 0; i < t->count; i++)
		for (int s = 0; s < recipe->scales.count; s++) {
			uint32_t score = assay__unit_apply(&recipe->scales.at[s].unit, t->parts[i].raw_q8[s]);
			if (score > t->parts[i].score_q8)
				t->parts[i].score_q8 = score;
			if (!recipe->scales.at[s].placed.vectors)
				continue;
			score = assay__unit_apply(&recipe->scales.at[s].placed.unit, t->parts[i].place_q8[s]);
			if (score > t->parts[i].score_q8)
				t->parts[i].score_q8 = score;
		}
}

/* Sorts the parts by their scores and writes the calibration down. */
static int calibrate(struct assay__teach *t, struct assay_error *error)
{
	struct assay_recipe *recipe = t->recipe;
	qsort(t->parts, (size_t)t->count, sizeof(*t->parts), by_score);
	recipe->parts = assay__calloc(t->allocator, (size_t)t->count, sizeof(*recipe->parts));
	uint32_t *scores = assay__calloc(t->allocator, (size_t)t->count, sizeof(*scores));
	int rc = recipe->parts && scores ? 0 : ASSAY_E_NOMEM;
	if (recipe->parts)
		recipe->part_count = t->count;
	for (int i = 0; rc == 0 && i < t->count; i++) {
		struct assay__taught *taught = &recipe->parts[i];
		memcpy(taught->hash, t->parts[i].hash, sizeof(taught->hash));
		scores[i] = taught->score_q8 = t->parts[i].score_q8;
		taught->name = assay__part_name(t->offered->name(t->offered->ctx, t->parts[i].index), t->allocator);
		if (!taught->name)
			rc = ASSAY_E_NOMEM;
	}
	if (rc == 0 && !recipe->scales.labels)
		recipe->threshold_q8 = assay__conformal_threshold(scores, t->count, recipe->settings.overkill);
	recipe->report.odd_part = t->parts[t->count - 1].index;
	assay__free(t->allocator, scores);
	return rc ? assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the calibration of %d parts", t->count) : 0;
}

static int make_golden(struct assay__teach *t, const struct assay__part *part, struct assay__golden *golden,
					   struct assay_error *error)
{
	struct assay_image image;
	bool owned;
	int rc = assay__part_picture(t->offered, part, t->allocator, &image, &owned, error);
	if (rc)
		return rc;
	memcpy(golden->hash, part->hash, sizeof(golden->hash));
	rc = assay__recipe_measure(t->spaces[0], &image, &golden->score_q8, golden->map_hash, error);
	if (rc == 0)
		rc = assay_image_encode_png(&image, t->allocator, &golden->png, &golden->png_size, error);
	if (owned)
		assay_image_free(&image, t->allocator);
	return rc;
}

static int by_suspicion(const void *a, const void *b)
{
	const struct assay__part *p = a, *q = b;
	return p->suspect != q->suspect ? p->suspect - q->suspect : memcmp(p->hash, q->hash, sizeof(p->hash));
}

/* Suspects go behind the others, where they are not learnt from, unless the person said so. */
static int set_suspects_aside(struct assay__teach *t, struct assay_error *error)
{
	int suspects = 0, rc = assay__teach_suspects(t, error);
	if (rc)
		return rc;
	for (int i = 0; i < t->count; i++)
		suspects += t->parts[i].suspect;
	t->suspects = suspects;
	if (suspects == 0 || t->keep_suspects)
		return 0;
	qsort(t->parts, (size_t)t->count, sizeof(*t->parts), by_suspicion);
	t->count -= suspects;
	t->set_aside = suspects;
	t->recipe->shape = t->parts[0].shape;
	return 0;
}

static int by_suspect_score(const void *a, const void *b)
{
	const struct assay_suspect *p = a, *q = b;
	if (p->score_q8 != q->score_q8)
		return p->score_q8 > q->score_q8 ? -1 : 1;
	return memcmp(p->hash, q->hash, sizeof(p->hash));
}

static int write_suspects(struct assay__teach *t, struct assay_error *error)
{
	struct assay_recipe *recipe = t->recipe;
	int at = 0;
	if (t->suspects == 0)
		return 0;
	recipe->suspects = assay__calloc(t->allocator, (size_t)t->suspects, sizeof(*recipe->suspects));
	recipe->report.suspect_count = recipe->suspects ? t->suspects : 0;
	for (int i = 0; recipe->suspects && i < t->count + t->set_aside; i++) {
		const struct assay__part *part = &t->parts[i];
		if (!part->suspect)
			continue;
		struct assay_suspect *suspect = &recipe->suspects[at++];
		memcpy(suspect->hash, part->hash, sizeof(suspect->hash));
		suspect->score_q8 = part->suspicion_q8;
		suspect->index = part->index;
		suspect->learnt = t->keep_suspects;
		suspect->name = assay__part_name(t->offered->name(t->offered->ctx, part->index), t->allocator);
		if (!suspect->name)
			at = INT_MIN;
	}
	if (at != t->suspects)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for %d suspects", t->suspects);
	qsort(recipe->suspects, (size_t)t->suspects, sizeof(*recipe->suspects), by_suspect_score);
	return 0;
}

static int keep_parts(struct assay__teach *t, struct assay_error *error)
{
	struct assay_recipe *recipe = t->recipe;
	int64_t room = t->keep_bytes;
	int left_out = 0, rc = 0;
	if (room == 0)
		return 0;
	recipe->keep = assay__keep_new(t->allocator);
	if (!recipe->keep)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to store pictures");
	qsort(t->parts, (size_t)t->count, sizeof(*t->parts), by_suspicion);
	for (int i = 0; rc == 0 && i < t->count; i++)
		rc = assay__part_keep(recipe->keep, t->offered, &t->parts[i], false, &room, &left_out, t->allocator, error);
	assay__keep_sort(recipe->keep);
	return rc;
}

static int run(struct assay__teach *t, struct assay_error *error)
{
	struct assay_recipe *recipe = t->recipe;
	int rc = assay__parts_read(t->offered, recipe->settings.scale, &t->labour, t->allocator, &t->parts, &recipe->report,
							   error);
	if (rc)
		return rc;
	t->count = recipe->report.parts_used;
	recipe->shape = t->parts[0].shape;
	if (t->zones && (rc = assay__zones_paint(t->zones, recipe->shape.width_px, recipe->shape.height_px, t->allocator,
											 &recipe->zones, error)))
		return rc;
	if ((rc = set_suspects_aside(t, error)))
		return rc;
	if (recipe->settings.folds > t->count)
		recipe->settings.folds = t->count;
	plan_scales(recipe);
	if ((rc = assay__teach_open_spaces(t, error)))
		return rc;
	if (recipe->settings.exposure && (rc = assay__teach_light(t, error)))
		return rc;
	if ((rc = assay__teach_position_open(t, error)))
		return rc;
	for (int s = 0; s < recipe->scales.count; s++)
		if ((rc = assay__teach_scale(t, s, error)))
			return rc;
	if ((rc = assay__teach_position_decide(t, error)))
		return rc;
	join_scores(t);
	if (t->defects && (rc = assay__teach_labels(t, error)))
		return rc;
	if ((rc = calibrate(t, error)) || (rc = write_suspects(t, error)) || (rc = assay__recipe_ready(recipe, error)))
		return rc;
	/* an ordinary part and the oddest one */
	const struct assay__part *pick[ASSAY__GOLDEN_COUNT] = {&t->parts[(t->count - 1) / 2], &t->parts[t->count - 1]};
	for (int i = 0; i < ASSAY__GOLDEN_COUNT; i++)
		if ((rc = make_golden(t, pick[i], &recipe->golden[i], error)))
			return rc;
	if ((rc = assay__workspace_shape(t->spaces[0], &recipe->shape, error)))
		return rc;
	recipe->workspace_bytes = assay__workspace_bytes(t->spaces[0]);
	assay__recipe_content_hash(recipe, recipe->content_hash);
	return keep_parts(t, error);
}

static void clean_up(struct assay__teach *t)
{
	for (int s = 0; s < ASSAY__SCALES_MOST; s++)
		assay__free_aligned(t->allocator, t->kept[s]);
	assay__teach_position_close(t);
	assay__parts_free(t->parts, t->count + t->set_aside, t->allocator);
	assay__teach_close_spaces(t);
}

int assay_teach(const struct assay_env *env, const struct assay_teach_options *options, const struct assay_parts *parts,
				const struct assay_runner *runner, const struct assay_teach_hooks *hooks, struct assay_recipe **out,
				struct assay_teach_report *report, struct assay_error *error)
{
	struct assay__settings settings;
	int rc = assay__settings_from(options, &settings, error);
	if (rc)
		return rc;
	struct assay__teach t = {.offered = parts, .allocator = env ? env->allocator : NULL, .labour = {runner, hooks}};
	t.brighten_q12 = (int)((1 + settings.light_tolerance) * ASSAY__LIGHT_ONE_Q12 + 0.5);
	t.keep_suspects = options && options->keep_suspects;
	t.keep_bytes = options ? options->keep_bytes : 0;
	t.workers = assay__labour_workers(&t.labour);
	t.recipe = assay__recipe_new(env);
	if (!t.recipe)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a recipe");
	t.recipe->settings = settings;
	t.recipe->mm_per_px = options ? options->mm_per_px : 0;
	t.defects = options ? options->defects : NULL;
	t.wanted = options ? options->position : ASSAY_POSITION_AUTO;
	t.zones = options ? options->zones : NULL;
	if (options && options->mask)
		rc = keep_mask(t.recipe, options->mask, error);
	if (rc == 0)
		rc = open_network(&t, env, error);
	if (rc == 0)
		rc = run(&t, error);
	clean_up(&t);
	if (rc) {
		assay_recipe_close(t.recipe);
		return rc;
	}
	if (report)
		*report = t.recipe->report;
	*out = t.recipe;
	return 0;
}
