/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/teach.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vision/calibrate.h"
#include "vision/parts.h"

#define FEATURES_MOST_BYTES ((int64_t)6 << 30)
#define NAME_MOST_BYTES 255

/* Everything in the making. */
struct teach {
	const struct assay_parts *offered;
	const struct assay_allocator *allocator;
	struct assay__labour labour;
	struct assay_recipe *recipe;
	int count;
	struct assay__part *parts; /* by hash */
	int workers;
	struct assay__workspace **spaces; /* one for each worker */
	int8_t *vectors;				  /* of all parts, in order */
	int64_t patches;
	uint8_t *skip; /* patches the bank of this fold must not see */
	int64_t *chosen;
	struct assay__bank *bank; /* of this fold */
	int fold;
	const char *stage;
};

static int whole(const char *name, int value, int fallback, int least, int most, int *out, struct assay_error *error)
{
	*out = value ? value : fallback;
	if (*out < least || *out > most)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "%s is %d; it must be %d to %d", name, value, least, most);
	return 0;
}

int assay__settings_from(const struct assay_teach_options *options, struct assay__settings *out,
						 struct assay_error *error)
{
	struct assay_teach_options none = {0};
	const struct assay_teach_options *o = options ? options : &none;
	struct assay__settings s = {.scale = o->scale, .view = {.grey = o->grey, .roi = o->roi}};
	int rc = whole("the working size", o->working_px, ASSAY__WORKING_DEFAULT_PX, ASSAY__WORKING_LEAST_PX,
				   ASSAY__WORKING_MOST_PX, &s.view.working_px, error);
	if (rc == 0)
		rc = whole("the bank size", o->bank_size, ASSAY__BANK_DEFAULT, ASSAY__BANK_LEAST, ASSAY__BANK_MOST,
				   &s.bank_size, error);
	if (rc == 0)
		rc = whole("the number of folds", o->folds, ASSAY__FOLDS_DEFAULT, ASSAY__FOLDS_LEAST, ASSAY__FOLDS_MOST,
				   &s.folds, error);
	if (rc == 0)
		rc = whole("the white level", o->white_level, ASSAY__WHITE_MOST, ASSAY__WHITE_LEAST, ASSAY__WHITE_MOST,
				   &s.view.white_level, error);
	if (rc)
		return rc;
	s.overkill = o->overkill == 0 ? ASSAY__OVERKILL_DEFAULT : o->overkill;
	if (!(s.overkill > 0 && s.overkill <= ASSAY__OVERKILL_MOST))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "the wanted overkill is %g; it must be above 0 and at most %g (%g %%)", s.overkill,
						   ASSAY__OVERKILL_MOST, ASSAY__OVERKILL_MOST * 100);
	struct assay_rect_px *roi = &s.view.roi;
	if (roi->width == 0)
		*roi = (struct assay_rect_px){0, 0, 0, 0};
	else if (roi->width < 0 || roi->height < 1 || roi->x < 0 || roi->y < 0)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "the region of interest is %dx%d at %d,%d; its sides must be positive and its corner inside "
						   "the picture",
						   roi->width, roi->height, roi->x, roi->y);
	if (o->mask && !assay__image_sane(o->mask))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "the mask is not a picture");
	if (o->mask && o->scale)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "a mask belongs to pictures of one size; it cannot be used together with --scale");
	*out = s;
	return 0;
}

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

static int open_network(struct teach *t, const struct assay_env *env, struct assay_error *error)
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

static int open_spaces(struct teach *t, struct assay_error *error)
{
	t->spaces = assay__calloc(t->allocator, (size_t)t->workers, sizeof(*t->spaces));
	if (!t->spaces)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for %d workers", t->workers);
	for (int i = 0; i < t->workers; i++) {
		int rc = assay__workspace_open(t->recipe->net, &t->recipe->settings.view, assay__recipe_mask(t->recipe),
									   t->allocator, &t->spaces[i], error);
		if (rc)
			return rc;
	}
	/* the others plan when their first task comes: a runner may have more workers than parts */
	return assay__workspace_shape(t->spaces[0], &t->recipe->shape, error);
}

/* How many vectors each part has, and the room for them. */
static int lay_out(struct teach *t, struct assay_error *error)
{
	struct assay_recipe *recipe = t->recipe;
	for (int i = 0; i < t->count; i++) {
		struct assay__part *part = &t->parts[i];
		part->first_patch = t->patches;
		part->patches = t->spaces[0]->live;
		if (recipe->settings.scale) {
			struct assay__geometry g;
			int rc = assay__prep_geometry(&recipe->settings.view, &part->shape, t->spaces[0]->align, &g, error);
			if (rc) {
				assay__fail_prefix(error, "%s", t->offered->name(t->offered->ctx, part->index));
				return rc;
			}
			part->patches = g.grid_width * g.grid_height;
		}
		t->patches += part->patches;
	}
	if (t->patches > INT_MAX || t->patches * recipe->dim > FEATURES_MOST_BYTES)
		return assay__fail(error, ASSAY_E_LIMIT, -1,
						   "the features of %d pictures need %.1f GiB, more than %d; give fewer pictures or a smaller "
						   "working size",
						   t->count, (double)t->patches * recipe->dim / (1 << 30), (int)(FEATURES_MOST_BYTES >> 30));
	recipe->report.patches = (int)t->patches;
	t->vectors = assay__alloc_aligned(t->allocator, (size_t)t->patches * (size_t)recipe->dim);
	t->skip = assay__calloc(t->allocator, (size_t)t->patches, 1);
	t->chosen = assay__calloc(t->allocator, (size_t)recipe->settings.bank_size, sizeof(*t->chosen));
	if (!t->vectors || !t->skip || !t->chosen)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for %.1f MiB of features",
						   (double)t->patches * recipe->dim / (1 << 20));
	return 0;
}

static int8_t *vectors_of(const struct teach *t, const struct assay__part *part)
{
	return t->vectors + (size_t)part->first_patch * (size_t)t->recipe->dim;
}

static void extract_one(void *arg, int index, int worker)
{
	struct teach *t = arg;
	struct assay__part *part = &t->parts[index];
	struct assay_image image;
	bool owned = false;
	int rc = assay__workspace_shape(t->spaces[worker], &part->shape, &part->error);
	if (rc == 0)
		rc = assay__part_picture(t->offered, part, t->allocator, &image, &owned, &part->error);
	part->error.code = rc;
	if (rc)
		return;
	assay__workspace_extract(t->spaces[worker], &image, vectors_of(t, part));
	if (owned)
		assay_image_free(&image, t->allocator);
}

static void score_one(void *arg, int index, int worker)
{
	struct teach *t = arg;
	int at = t->fold + index * t->recipe->settings.folds;
	struct assay__part *part = &t->parts[at];
	assert(assay__fold_of(at, t->recipe->settings.folds) == t->fold);
	part->error.code = assay__workspace_shape(t->spaces[worker], &part->shape, &part->error);
	if (part->error.code == ASSAY_OK)
		part->score_q8 = assay__workspace_score(t->spaces[worker], t->bank, vectors_of(t, part));
}

/* The first part, in the order of hashes, whose work failed. */
static int first_failure(const struct teach *t, struct assay_error *error)
{
	for (int i = 0; i < t->count; i++) {
		const struct assay_error *e = &t->parts[i].error;
		if (e->code != ASSAY_OK)
			return assay__fail(error, e->code, e->position, "%s", e->message);
	}
	return 0;
}

static int report_choice(void *ctx, const char *stage, int done, int total)
{
	const struct teach *t = ctx;
	const struct assay_teach_hooks *hooks = t->labour.hooks;
	(void)stage;
	return hooks->progress.report(hooks->progress.ctx, t->stage, done, total);
}

/* The bank over all patches that are not skipped, gathered into *vectors, which the caller owns. */
static int choose(struct teach *t, const uint8_t *skip, int8_t **vectors, int *count, struct assay_error *error)
{
	struct assay_recipe *recipe = t->recipe;
	size_t dim = (size_t)recipe->dim;
	struct assay_progress progress = {report_choice, t};
	bool heard = t->labour.hooks && t->labour.hooks->progress.report;
	int n = 0;
	int rc = assay__bank_choose(t->vectors, skip, t->patches, recipe->dim, recipe->settings.bank_size, recipe->isa,
								t->labour.runner, heard ? &progress : NULL, t->allocator, t->chosen, &n, error);
	if (rc)
		return rc;
	int8_t *bank = assay__alloc(t->allocator, (size_t)n * dim);
	if (!bank)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a bank of %d vectors", n);
	for (int i = 0; i < n; i++)
		memcpy(bank + (size_t)i * dim, t->vectors + (size_t)t->chosen[i] * dim, dim);
	*vectors = bank;
	*count = n;
	return 0;
}

static int score_fold(struct teach *t, struct assay_error *error)
{
	struct assay_recipe *recipe = t->recipe;
	int folds = recipe->settings.folds, n = 0;
	char stage[32];
	snprintf(stage, sizeof(stage), "fold %d of %d", t->fold + 1, folds);
	t->stage = stage;
	memset(t->skip, 0, (size_t)t->patches);
	for (int i = t->fold; i < t->count; i += folds)
		memset(t->skip + t->parts[i].first_patch, 1, (size_t)t->parts[i].patches);
	int8_t *vectors = NULL;
	int rc = choose(t, t->skip, &vectors, &n, error);
	if (rc == 0)
		rc = assay__bank_open(vectors, n, recipe->dim, recipe->isa, t->allocator, &t->bank, error);
	if (rc == 0)
		rc = assay__labour_run(&t->labour, stage, (t->count - t->fold + folds - 1) / folds, score_one, t, error);
	if (rc == 0)
		rc = first_failure(t, error);
	assay__bank_close(t->bank);
	t->bank = NULL;
	assay__free(t->allocator, vectors);
	return rc;
}

static char *copy_name(const char *path, const struct assay_allocator *allocator)
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

/* Scores are known: sorts the parts by them and writes the calibration down. */
static int calibrate(struct teach *t, struct assay_error *error)
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
		taught->name = copy_name(t->offered->name(t->offered->ctx, t->parts[i].index), t->allocator);
		if (!taught->name)
			rc = ASSAY_E_NOMEM;
	}
	if (rc == 0)
		recipe->threshold_q8 = assay__conformal_threshold(scores, t->count, recipe->settings.overkill);
	recipe->report.odd_part = t->parts[t->count - 1].index;
	assay__free(t->allocator, scores);
	return rc ? assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the calibration of %d parts", t->count) : 0;
}

static int make_golden(struct teach *t, const struct assay__part *part, struct assay__golden *golden,
					   struct assay_error *error)
{
	struct assay_image image;
	bool owned;
	int rc = assay__part_picture(t->offered, part, t->allocator, &image, &owned, error);
	if (rc)
		return rc;
	memcpy(golden->hash, part->hash, sizeof(golden->hash));
	rc = assay__recipe_measure(t->recipe, t->spaces[0], &image, &golden->score_q8, golden->map_hash, error);
	if (rc == 0)
		rc = assay_image_encode_png(&image, t->allocator, &golden->png, &golden->png_size, error);
	if (owned)
		assay_image_free(&image, t->allocator);
	return rc;
}

static int run(struct teach *t, struct assay_error *error)
{
	struct assay_recipe *recipe = t->recipe;
	int rc = assay__parts_read(t->offered, recipe->settings.scale, &t->labour, t->allocator, &t->parts, &recipe->report,
							   error);
	if (rc)
		return rc;
	t->count = recipe->report.parts_used;
	recipe->shape = t->parts[0].shape;
	if (recipe->settings.folds > t->count)
		recipe->settings.folds = t->count;
	if ((rc = open_spaces(t, error)) || (rc = lay_out(t, error)) ||
		(rc = assay__labour_run(&t->labour, "features", t->count, extract_one, t, error)) ||
		(rc = first_failure(t, error)))
		return rc;
	for (t->fold = 0; t->fold < recipe->settings.folds; t->fold++)
		if ((rc = score_fold(t, error)))
			return rc;
	t->stage = "bank";
	if ((rc = choose(t, NULL, &recipe->vectors, &recipe->bank_count, error)) || (rc = calibrate(t, error)) ||
		(rc = assay__recipe_ready(recipe, error)))
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

static void clean_up(struct teach *t)
{
	assay__parts_free(t->parts, t->count, t->allocator);
	for (int i = 0; t->spaces && i < t->workers; i++)
		assay__workspace_close(t->spaces[i]);
	assay__free(t->allocator, t->spaces);
	assay__free_aligned(t->allocator, t->vectors);
	assay__free(t->allocator, t->skip);
	assay__free(t->allocator, t->chosen);
}

int assay_teach(const struct assay_env *env, const struct assay_teach_options *options, const struct assay_parts *parts,
				const struct assay_runner *runner, const struct assay_teach_hooks *hooks, struct assay_recipe **out,
				struct assay_teach_report *report, struct assay_error *error)
{
	struct assay__settings settings;
	int rc = assay__settings_from(options, &settings, error);
	if (rc)
		return rc;
	struct teach t = {.offered = parts, .allocator = env ? env->allocator : NULL, .labour = {runner, hooks}};
	t.workers = assay__labour_workers(&t.labour);
	t.recipe = assay__recipe_new(env);
	if (!t.recipe)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a recipe");
	t.recipe->settings = settings;
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
