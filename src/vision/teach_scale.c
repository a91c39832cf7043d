/* SPDX-License-Identifier: Apache-2.0 */
/* The work of teaching that goes over all parts: their light, and one scale after the other. */
#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vision/calibrate.h"
#include "vision/teach_position.h"

#define FEATURES_MOST_BYTES ((int64_t)6 << 30)
/* A part is taught in brighter light too if more than one in this many of its pixels would be cut off. */
#define CLIPPED_ONE_IN 1000

int assay__teach_failure(const struct assay__teach *t, struct assay_error *error)
{
	for (int i = 0; i < t->count; i++) {
		const struct assay_error *e = &t->parts[i].error;
		if (e->code != ASSAY_OK)
			return assay__fail(error, e->code, e->position, "%s", e->message);
	}
	return 0;
}

int assay__teach_take_up(struct assay__teach *t, struct assay__part *part, int worker, struct assay_image *image,
						 bool *owned)
{
	int rc = assay__workspace_shape(t->spaces[worker], &part->shape, &part->error);
	if (rc)
		assay__fail_prefix(&part->error, "%s", t->offered->name(t->offered->ctx, part->index));
	else
		rc = assay__part_picture(t->offered, part, t->allocator, image, owned, &part->error);
	part->error.code = rc;
	return rc;
}

static void measure_one(void *arg, int index, int worker)
{
	struct assay__teach *t = arg;
	struct assay__part *part = &t->parts[index];
	struct assay__workspace *space = t->spaces[worker];
	struct assay_image image;
	bool owned = false;
	if (assay__teach_take_up(t, part, worker, &image, &owned))
		return;
	for (int s = 0; s < space->count; s++) {
		struct assay__plane plane = assay__workspace_plane(space, s, &image);
		part->light_q8[s] = assay__light_mean_q8(&plane);
		if (s == space->count - 1 && t->brighten_q12 != ASSAY__LIGHT_ONE_Q12)
			part->brightened =
				assay__light_clipped(&plane, t->brighten_q12) * CLIPPED_ONE_IN > assay__light_pixels(&plane);
	}
	if (owned)
		assay_image_free(&image, t->allocator);
}

static int by_value(const void *a, const void *b)
{
	uint32_t p = *(const uint32_t *)a, q = *(const uint32_t *)b;
	return p < q ? -1 : p > q;
}

int assay__teach_measure(struct assay__teach *t, struct assay_error *error)
{
	int rc = assay__labour_run(&t->labour, "light", t->count, measure_one, t, error);
	if (rc == 0)
		rc = assay__teach_failure(t, error);
	for (int i = 0; rc == 0 && i < t->count; i++)
		t->recipe->report.parts_brightened += t->parts[i].brightened;
	return rc;
}

int assay__teach_light(struct assay__teach *t, struct assay_error *error)
{
	struct assay_recipe *recipe = t->recipe;
	int rc = assay__teach_measure(t, error);
	if (rc)
		return rc;
	uint32_t *means = assay__calloc(t->allocator, (size_t)t->count, sizeof(*means));
	if (!means)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the light of %d parts", t->count);
	for (int s = 0; s < recipe->scales.count; s++) {
		for (int i = 0; i < t->count; i++)
			means[i] = t->parts[i].light_q8[s];
		qsort(means, (size_t)t->count, sizeof(*means), by_value);
		recipe->scales.at[s].light_q8 = means[(t->count - 1) / 2];
	}
	assay__free(t->allocator, means);
	return 0;
}

/* How many vectors each part has, and the room for them. */
static int lay_out(struct assay__teach *t, struct assay_error *error)
{
	struct assay_recipe *recipe = t->recipe;
	const struct assay__workspace *space = t->spaces[0];
	t->patches = 0;
	for (int i = 0; i < t->count; i++) {
		struct assay__part *part = &t->parts[i];
		part->first_patch = t->patches;
		part->patches = space->at[t->scale].live;
		if (recipe->settings.scale) {
			struct assay__geometry g;
			int rc = assay__prep_geometry(&recipe->settings.view, recipe->scales.at[t->scale].working_px, &part->shape,
										  space->align, &g, error);
			if (rc) {
				assay__fail_prefix(error, "%s", t->offered->name(t->offered->ctx, part->index));
				return rc;
			}
			part->patches = g.grid_width * g.grid_height;
		}
		part->candidates = part->brightened ? 2 * part->patches : part->patches;
		t->patches += part->candidates;
	}
	if (t->patches + recipe->report.patches > INT_MAX || t->patches * recipe->dim > FEATURES_MOST_BYTES)
		return assay__fail(error, ASSAY_E_LIMIT, -1,
						   "the features of %d pictures need %.1f GiB at a working size of %d px, more than %d; give "
						   "fewer pictures or a smaller working size",
						   t->count, (double)t->patches * recipe->dim / (1 << 30),
						   recipe->scales.at[t->scale].working_px, (int)(FEATURES_MOST_BYTES >> 30));
	recipe->report.patches += (int)t->patches;
	t->vectors = assay__alloc_aligned(t->allocator, (size_t)t->patches * (size_t)recipe->dim);
	t->skip = assay__calloc(t->allocator, (size_t)t->patches, 1);
	t->chosen = assay__calloc(t->allocator, (size_t)recipe->settings.bank_size, sizeof(*t->chosen));
	if (!t->vectors || !t->skip || !t->chosen)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for %.1f MiB of features",
						   (double)t->patches * recipe->dim / (1 << 20));
	return 0;
}

void assay__teach_clear(struct assay__teach *t)
{
	assay__free_aligned(t->allocator, t->vectors);
	assay__free(t->allocator, t->skip);
	assay__free(t->allocator, t->chosen);
	t->vectors = NULL;
	t->skip = NULL;
	t->chosen = NULL;
}

int8_t *assay__teach_vectors(const struct assay__teach *t, const struct assay__part *part)
{
	return t->vectors + (size_t)part->first_patch * (size_t)t->recipe->dim;
}

static void extract_one(void *arg, int index, int worker)
{
	struct assay__teach *t = arg;
	struct assay__part *part = &t->parts[index];
	struct assay_image image;
	bool owned = false;
	if (assay__teach_take_up(t, part, worker, &image, &owned))
		return;
	int8_t *vectors = assay__teach_vectors(t, part);
	assay__workspace_extract(t->spaces[worker], t->scale, &image, ASSAY__LIGHT_ONE_Q12, vectors);
	if (part->brightened)
		assay__workspace_extract(t->spaces[worker], t->scale, &image, t->brighten_q12,
								 vectors + (size_t)part->patches * (size_t)t->recipe->dim);
	if (owned)
		assay_image_free(&image, t->allocator);
}

int assay__teach_extract(struct assay__teach *t, int scale, struct assay_error *error)
{
	char stage[64];
	t->scale = scale;
	snprintf(stage, sizeof(stage), "features at %d px", t->recipe->scales.at[scale].working_px);
	int rc = lay_out(t, error);
	if (rc == 0)
		rc = assay__labour_run(&t->labour, stage, t->count, extract_one, t, error);
	return rc ? rc : assay__teach_failure(t, error);
}

static void score_one(void *arg, int index, int worker)
{
	struct assay__teach *t = arg;
	int at = t->fold + index * t->recipe->settings.folds;
	struct assay__part *part = &t->parts[at];
	assert(assay__fold_of(at, t->recipe->settings.folds) == t->fold);
	part->error.code = assay__workspace_shape(t->spaces[worker], &part->shape, &part->error);
	if (part->error.code == ASSAY_OK)
		part->raw_q8[t->scale] =
			assay__workspace_score(t->spaces[worker], t->scale, t->bank, assay__teach_vectors(t, part));
}

static int report_choice(void *ctx, const char *stage, int done, int total)
{
	const struct assay__teach *t = ctx;
	const struct assay_teach_hooks *hooks = t->labour.hooks;
	(void)stage;
	return hooks->progress.report(hooks->progress.ctx, t->stage, done, total);
}

int assay__teach_choose(struct assay__teach *t, const uint8_t *skip, int8_t **vectors, int *count,
						struct assay_error *error)
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

static int score_fold(struct assay__teach *t, struct assay_error *error)
{
	struct assay_recipe *recipe = t->recipe;
	int folds = recipe->settings.folds, n = 0;
	char stage[64];
	snprintf(stage, sizeof(stage), "fold %d of %d at %d px", t->fold + 1, folds,
			 recipe->scales.at[t->scale].working_px);
	t->stage = stage;
	memset(t->skip, 0, (size_t)t->patches);
	for (int i = t->fold; i < t->count; i += folds)
		memset(t->skip + t->parts[i].first_patch, 1, (size_t)t->parts[i].candidates);
	int8_t *vectors = NULL;
	int rc = assay__teach_choose(t, t->skip, &vectors, &n, error);
	if (rc == 0)
		rc = assay__bank_open(vectors, n, recipe->dim, recipe->isa, t->allocator, &t->bank, error);
	if (rc == 0)
		rc = assay__labour_run(&t->labour, stage, (t->count - t->fold + folds - 1) / folds, score_one, t, error);
	if (rc == 0)
		rc = assay__teach_failure(t, error);
	if (rc == 0)
		rc = assay__teach_position_fold(t, error);
	assay__bank_close(t->bank);
	t->bank = NULL;
	assay__free(t->allocator, vectors);
	return rc;
}

/* How the scores of the parts lie at this scale. */
static int find_unit(struct assay__teach *t, struct assay_error *error)
{
	uint32_t *scores = assay__calloc(t->allocator, (size_t)t->count, sizeof(*scores));
	if (!scores)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the scores of %d parts", t->count);
	for (int i = 0; i < t->count; i++)
		scores[i] = t->parts[i].raw_q8[t->scale];
	t->recipe->scales.at[t->scale].unit = assay__unit_of(scores, t->count);
	assay__free(t->allocator, scores);
	return 0;
}

static int learn(struct assay__teach *t, struct assay_error *error)
{
	struct assay_recipe *recipe = t->recipe;
	struct assay__scale *scale = &recipe->scales.at[t->scale];
	char stage[64];
	int rc = assay__teach_extract(t, t->scale, error);
	if (rc == 0)
		rc = assay__teach_position_scale(t, error);
	for (t->fold = 0; rc == 0 && t->fold < recipe->settings.folds; t->fold++)
		rc = score_fold(t, error);
	snprintf(stage, sizeof(stage), "bank at %d px", scale->working_px);
	t->stage = stage;
	if (rc == 0)
		rc = assay__teach_choose(t, NULL, &scale->vectors, &scale->bank_count, error);
	if (rc == 0)
		rc = assay__teach_position_learn(t, error);
	return rc ? rc : find_unit(t, error);
}

int assay__teach_scale(struct assay__teach *t, int scale, struct assay_error *error)
{
	t->scale = scale;
	int rc = learn(t, error);
	if (rc == 0 && t->defects) {
		for (int i = 0; i < t->count; i++) {
			t->parts[i].kept_at[scale] = t->parts[i].first_patch;
			t->parts[i].kept_cells[scale] = t->parts[i].patches;
		}
		t->kept[scale] = t->vectors;
		t->vectors = NULL;
	}
	assay__teach_clear(t);
	return rc;
}
