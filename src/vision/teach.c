/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/teach.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vision/calibrate.h"

#define NAME_MOST_BYTES 255

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

static int open_spaces(struct assay__teach *t, struct assay_error *error)
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

char *assay__teach_name(const char *path, const struct assay_allocator *allocator)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	size_t length = strnlen(base, NAME_MOST_BYTES);
	char *copy = assay__alloc(allocator, length + 1);
	if (copy) {
		memcpy(copy, base, length);
		copy[length] = '\0';
	}
	return copy;
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
		taught->name = assay__teach_name(t->offered->name(t->offered->ctx, t->parts[i].index), t->allocator);
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
	if (recipe->settings.folds > t->count)
		recipe->settings.folds = t->count;
	plan_scales(recipe);
	if ((rc = open_spaces(t, error)))
		return rc;
	if (recipe->settings.exposure && (rc = assay__teach_light(t, error)))
		return rc;
	for (int s = 0; s < recipe->scales.count; s++)
		if ((rc = assay__teach_scale(t, s, error)))
			return rc;
	join_scores(t);
	if (t->defects && (rc = assay__teach_labels(t, error)))
		return rc;
	if ((rc = calibrate(t, error)) || (rc = assay__recipe_ready(recipe, error)))
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
	return 0;
}

static void clean_up(struct assay__teach *t)
{
	for (int s = 0; s < ASSAY__SCALES_MOST; s++)
		assay__free_aligned(t->allocator, t->kept[s]);
	assay__parts_free(t->parts, t->count, t->allocator);
	for (int i = 0; t->spaces && i < t->workers; i++)
		assay__workspace_close(t->spaces[i]);
	assay__free(t->allocator, t->spaces);
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
	t.workers = assay__labour_workers(&t.labour);
	t.recipe = assay__recipe_new(env);
	if (!t.recipe)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a recipe");
	t.recipe->settings = settings;
	t.recipe->mm_per_px = options ? options->mm_per_px : 0;
	t.defects = options ? options->defects : NULL;
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
