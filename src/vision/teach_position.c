/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/teach_position.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vision/calibrate.h"

#define MOST_PARTS 200 /* from which the reference and the banks by place are made */
#define ROUNDS 3	   /* of registering all and taking their mean */

struct assay__positioning {
	int width, height, halvings; /* of registered pictures */
	int sampled;				 /* parts 0 .. sampled - 1 make the reference */
	uint8_t *lumas;				 /* of the sampled parts */
	uint8_t *use;				 /* NULL: all */
	uint32_t **sums;			 /* of moved pictures, one for each worker */
	struct assay__registrar **registrars;
	struct assay__registration *reference;
	int first; /* part at which the work at hand starts */

	/* of the scale at hand */
	struct assay__place_search **searches;
	int32_t *where; /* cell of every patch */
	int64_t *order; /* patches by cell, only those that teach */
	int64_t *start; /* of each cell in order, one more at the end */
	int32_t *d2;	/* in the same layout */
	int64_t *kept;	/* PLACE_DEPTH for each cell */
	uint8_t *counts;
	struct assay__place *place; /* of this fold */
};

static size_t luma_bytes(const struct assay__positioning *p)
{
	return (size_t)p->width * (size_t)p->height;
}

static const struct assay__geometry *grid_of(const struct assay__teach *t)
{
	return &t->spaces[0]->at[t->scale].geometry;
}

static int cells_of(const struct assay__teach *t)
{
	return grid_of(t)->grid_width * grid_of(t)->grid_height;
}

/* Pixels of the cells that are inspected. */
static void fill_use(const struct assay__teach *t, struct assay__positioning *p)
{
	const struct assay__scale_space *at = &t->spaces[0]->at[0];
	const int32_t *cells = assay__judge_cells(at->judge);
	for (int i = 0; i < at->live; i++) {
		int column = cells[i] % at->geometry.grid_width, row = cells[i] / at->geometry.grid_width;
		int x0 = column * p->width / at->geometry.grid_width, x1 = (column + 1) * p->width / at->geometry.grid_width;
		int y0 = row * p->height / at->geometry.grid_height, y1 = (row + 1) * p->height / at->geometry.grid_height;
		for (int y = y0; y < y1; y++)
			memset(p->use + (size_t)y * (size_t)p->width + x0, 1, (size_t)(x1 - x0));
	}
}

static int make_room(struct assay__teach *t, struct assay_error *error)
{
	struct assay__positioning *p = t->position;
	size_t workers = (size_t)t->workers, n = luma_bytes(p);
	bool masked = assay__judge_cells(t->spaces[0]->at[0].judge) != NULL;
	p->lumas = assay__calloc(t->allocator, (size_t)p->sampled, n);
	p->use = masked ? assay__calloc(t->allocator, n, 1) : NULL;
	p->sums = assay__calloc(t->allocator, workers, sizeof(*p->sums));
	p->registrars = assay__calloc(t->allocator, workers, sizeof(*p->registrars));
	p->searches = assay__calloc(t->allocator, workers, sizeof(*p->searches));
	bool whole = p->lumas && (p->use || !masked) && p->sums && p->registrars && p->searches;
	for (size_t i = 0; whole && i < workers; i++) {
		p->sums[i] = assay__calloc(t->allocator, n, sizeof(**p->sums));
		whole = p->sums[i] && assay__registrar_open(p->width, p->height, t->allocator, &p->registrars[i], NULL) == 0;
	}
	if (!whole)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to register %d parts", t->count);
	if (p->use)
		fill_use(t, p);
	return 0;
}

/* Luma of a part at the coarsest scale, at the registered size. */
static int take_luma(struct assay__teach *t, struct assay__part *part, int worker, uint8_t *luma)
{
	struct assay_image image;
	bool owned = false;
	int rc = assay__teach_take_up(t, part, worker, &image, &owned);
	if (rc)
		return rc;
	struct assay__plane plane = assay__workspace_plane(t->spaces[worker], 0, &image);
	assay__registration_luma(&plane, t->position->halvings, luma);
	if (owned)
		assay_image_free(&image, t->allocator);
	return 0;
}

static void luma_one(void *arg, int index, int worker)
{
	struct assay__teach *t = arg;
	struct assay__positioning *p = t->position;
	uint8_t *luma = p->lumas + (size_t)index * luma_bytes(p);
	if (take_luma(t, &t->parts[index], worker, luma))
		return;
	for (size_t i = 0; i < luma_bytes(p); i++)
		p->sums[worker][i] += luma[i];
}

static void register_one(void *arg, int index, int worker)
{
	struct assay__teach *t = arg;
	struct assay__positioning *p = t->position;
	struct assay__part *part = &t->parts[p->first + index];
	struct assay__registrar *registrar = p->registrars[worker];
	uint8_t *luma = assay__registrar_luma(registrar);
	if (p->first == 0)
		memcpy(luma, p->lumas + (size_t)index * luma_bytes(p), luma_bytes(p));
	else if (take_luma(t, part, worker, luma))
		return;
	part->fit_q10 = assay__registrar_run(registrar, p->reference, &part->pose);
	const uint8_t *moved = assay__registrar_moved(registrar);
	for (size_t i = 0; i < luma_bytes(p); i++)
		p->sums[worker][i] += moved[i];
}

/* The reference anew, from the sums of all workers over the sampled parts. Errors: NOMEM, MISMATCH. */
static int take_mean(struct assay__teach *t, struct assay_error *error)
{
	struct assay__positioning *p = t->position;
	uint8_t *mean = assay__alloc(t->allocator, luma_bytes(p));
	if (!mean)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a reference picture");
	uint32_t n = (uint32_t)p->sampled;
	for (size_t i = 0; i < luma_bytes(p); i++) {
		uint32_t sum = 0;
		for (int w = 0; w < t->workers; w++) {
			sum += p->sums[w][i];
			p->sums[w][i] = 0;
		}
		mean[i] = (uint8_t)((sum + n / 2) / n);
	}
	assay__registration_close(p->reference);
	p->reference = NULL;
	int rc = assay__registration_open(mean, p->use, p->width, p->height, t->allocator, &p->reference, error);
	assay__free(t->allocator, mean);
	return rc;
}

static int register_all(struct assay__teach *t, struct assay_error *error)
{
	struct assay__positioning *p = t->position;
	int rc = assay__labour_run(&t->labour, "position", p->sampled, luma_one, t, error);
	if (rc == 0)
		rc = assay__teach_failure(t, error);
	for (int i = 0; rc == 0 && i < ROUNDS; i++) {
		rc = take_mean(t, error);
		if (rc == 0)
			rc = assay__labour_run(&t->labour, "position", p->sampled, register_one, t, error);
	}
	return rc;
}

/* Whether all parts come to the same working sizes, whatever their own. */
static bool same_grids(const struct assay__teach *t)
{
	const struct assay_recipe *recipe = t->recipe;
	for (int i = 0; i < t->count; i++)
		for (int s = 0; s < recipe->scales.count; s++) {
			const struct assay__geometry *usual = &t->spaces[0]->at[s].geometry;
			struct assay__geometry g;
			if (assay__prep_geometry(&recipe->settings.view, recipe->scales.at[s].working_px, &t->parts[i].shape,
									 t->spaces[0]->align, &g, NULL) ||
				g.width_px != usual->width_px || g.height_px != usual->height_px)
				return false;
		}
	return true;
}

int assay__teach_position_open(struct assay__teach *t, struct assay_error *error)
{
	const struct assay__geometry *g = &t->spaces[0]->at[0].geometry;
	if (t->wanted == ASSAY_POSITION_FREE || !same_grids(t))
		return 0;
	struct assay__positioning *p = assay__calloc(t->allocator, 1, sizeof(*p));
	if (!p)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to register %d parts", t->count);
	t->position = p;
	p->halvings = assay__registration_size(g->width_px, g->height_px, &p->width, &p->height);
	p->sampled = t->count < MOST_PARTS ? t->count : MOST_PARTS;
	int rc = make_room(t, error);
	if (rc == 0)
		rc = register_all(t, error);
	if (rc == 0 && p->sampled < t->count) {
		p->first = p->sampled;
		rc = assay__labour_run(&t->labour, "position", t->count - p->first, register_one, t, error);
		if (rc == 0)
			rc = assay__teach_failure(t, error);
	}
	if (getenv("POSDEBUG")) {
		int fits[4096];
		for (int i = 0; i < p->sampled; i++) {
			int j = i;
			for (; j > 0 && fits[j - 1] > t->parts[i].fit_q10; j--)
				fits[j] = fits[j - 1];
			fits[j] = t->parts[i].fit_q10;
		}
		fprintf(stderr, "fits min %d p10 %d median %d max %d\n", fits[0], fits[p->sampled / 10], fits[p->sampled / 2],
				fits[p->sampled - 1]);
		for (int i = 0; i < p->sampled && i < 8; i++)
			fprintf(stderr, "  pose grow %.4f turn %.2f deg  %.2f %.2f px  fit %d\n",
					t->parts[i].pose.grow_q24 / 16777216., t->parts[i].pose.turn_q24 / 16777216. * 57.3,
					t->parts[i].pose.x_q16 / 65536., t->parts[i].pose.y_q16 / 65536., t->parts[i].fit_q10);
	}
	return rc;
}

static void leave_scale(struct assay__teach *t)
{
	struct assay__positioning *p = t->position;
	for (int i = 0; p->searches && i < t->workers; i++) {
		assay__place_search_close(p->searches[i]);
		p->searches[i] = NULL;
	}
	assay__place_close(p->place);
	p->place = NULL;
	assay__free(t->allocator, p->where);
	assay__free(t->allocator, p->order);
	assay__free(t->allocator, p->start);
	assay__free(t->allocator, p->d2);
	assay__free(t->allocator, p->kept);
	assay__free(t->allocator, p->counts);
	p->where = NULL;
	p->order = NULL;
	p->start = NULL;
	p->d2 = NULL;
	p->kept = NULL;
	p->counts = NULL;
}

int assay__teach_position_scale(struct assay__teach *t, struct assay_error *error)
{
	struct assay__positioning *p = t->position;
	if (!p)
		return 0;
	leave_scale(t);
	size_t cells = (size_t)cells_of(t), patches = (size_t)t->patches;
	p->where = assay__calloc(t->allocator, patches, sizeof(*p->where));
	p->order = assay__calloc(t->allocator, patches, sizeof(*p->order));
	p->start = assay__calloc(t->allocator, cells + 1, sizeof(*p->start));
	p->d2 = assay__calloc(t->allocator, patches, sizeof(*p->d2));
	p->kept = assay__calloc(t->allocator, cells * ASSAY__PLACE_DEPTH, sizeof(*p->kept));
	p->counts = assay__calloc(t->allocator, cells, 1);
	int rc = p->where && p->order && p->start && p->d2 && p->kept && p->counts ? 0 : ASSAY_E_NOMEM;
	for (int i = 0; rc == 0 && i < t->workers; i++)
		rc = assay__place_search_open((int)cells, t->allocator, &p->searches[i], NULL);
	if (rc)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to sort the features of %d parts by place", t->count);
	const int32_t *live = assay__judge_cells(t->spaces[0]->at[t->scale].judge);
	for (int i = 0; i < t->count; i++) {
		const struct assay__part *part = &t->parts[i];
		int32_t *where = p->where + part->first_patch;
		assay__place_cells(&part->pose, p->width, p->height, grid_of(t), live, part->patches, where);
		if (part->brightened)
			memcpy(where + part->patches, where, (size_t)part->patches * sizeof(*where));
	}
	return 0;
}

static void choose_one(void *arg, int cell, int worker)
{
	struct assay__teach *t = arg;
	struct assay__positioning *p = t->position;
	int64_t from = p->start[cell];
	(void)worker;
	p->counts[cell] = (uint8_t)assay__place_choose(t->vectors, p->order + from, (int)(p->start[cell + 1] - from),
												   t->recipe->dim, p->d2 + from,
												   p->kept + (size_t)cell * ASSAY__PLACE_DEPTH);
}

/* Patches that teach, by cell: of the sampled parts outside the fold (below 0: none is outside). */
static void sort_patches(struct assay__teach *t, int fold)
{
	struct assay__positioning *p = t->position;
	int cells = cells_of(t), folds = t->recipe->settings.folds;
	memset(p->start, 0, ((size_t)cells + 1) * sizeof(*p->start));
	for (int pass = 0; pass < 2; pass++) {
		for (int i = p->sampled - 1; i >= 0; i--) {
			const struct assay__part *part = &t->parts[i];
			if (assay__fold_of(i, folds) == fold)
				continue;
			for (int64_t k = part->first_patch + part->candidates - 1; k >= part->first_patch; k--) {
				if (pass == 0)
					p->start[p->where[k] + 1]++;
				else
					p->order[--p->start[p->where[k] + 1]] = k;
			}
		}
		if (pass == 0)
			for (int c = 0; c < cells; c++)
				p->start[c + 1] += p->start[c];
	}
	/* every start[c + 1] ran down to where c begins */
	int64_t all = 0;
	for (int i = 0; i < p->sampled; i++)
		all += assay__fold_of(i, folds) == fold ? 0 : t->parts[i].candidates;
	memmove(p->start, p->start + 1, (size_t)cells * sizeof(*p->start));
	p->start[cells] = all;
}

static int build(struct assay__teach *t, int fold, struct assay__place **out, struct assay_error *error)
{
	struct assay__positioning *p = t->position;
	const struct assay__geometry *g = grid_of(t);
	size_t dim = (size_t)t->recipe->dim, total = 0;
	int cells = cells_of(t);
	sort_patches(t, fold);
	int rc = assay__labour_run(&t->labour, t->stage, cells, choose_one, t, error);
	if (rc)
		return rc;
	for (int c = 0; c < cells; c++)
		total += p->counts[c];
	int8_t *vectors = assay__alloc(t->allocator, total * dim);
	if (!vectors)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a bank by place of %zu vectors", total);
	int8_t *to = vectors;
	for (int c = 0; c < cells; c++)
		for (int i = 0; i < p->counts[c]; i++, to += dim)
			memcpy(to, t->vectors + (size_t)p->kept[(size_t)c * ASSAY__PLACE_DEPTH + (size_t)i] * dim, dim);
	rc = assay__place_open(vectors, p->counts, g->grid_width, g->grid_height, t->recipe->dim, t->recipe->isa,
						   t->allocator, out, error);
	if (rc)
		assay__free(t->allocator, vectors);
	return rc;
}

static void score_one(void *arg, int index, int worker)
{
	struct assay__teach *t = arg;
	struct assay__positioning *p = t->position;
	struct assay__part *part = &t->parts[t->fold + index * t->recipe->settings.folds];
	struct assay__workspace *space = t->spaces[worker];
	part->error.code = assay__workspace_shape(space, &part->shape, &part->error);
	if (part->error.code != ASSAY_OK)
		return;
	memcpy(assay__place_search_where(p->searches[worker]), p->where + part->first_patch,
		   (size_t)part->patches * sizeof(*p->where));
	part->place_q8[t->scale] =
		assay__workspace_score_place(space, t->scale, p->place, p->searches[worker],
									 t->vectors + (size_t)part->first_patch * (size_t)t->recipe->dim,
									 space->at[t->scale].map);
}

int assay__teach_position_fold(struct assay__teach *t, struct assay_error *error)
{
	struct assay__positioning *p = t->position;
	int folds = t->recipe->settings.folds;
	if (!p)
		return 0;
	int rc = build(t, t->fold, &p->place, error);
	if (rc == 0)
		rc = assay__labour_run(&t->labour, t->stage, (t->count - t->fold + folds - 1) / folds, score_one, t, error);
	if (rc == 0)
		rc = assay__teach_failure(t, error);
	assay__place_close(p->place);
	p->place = NULL;
	return rc;
}

int assay__teach_position_learn(struct assay__teach *t, struct assay_error *error)
{
	struct assay__scale *scale = &t->recipe->scales.at[t->scale];
	if (!t->position)
		return 0;
	uint32_t *scores = assay__calloc(t->allocator, (size_t)t->count, sizeof(*scores));
	if (!scores)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the scores of %d parts", t->count);
	for (int i = 0; i < t->count; i++)
		scores[i] = t->parts[i].place_q8[t->scale];
	scale->place_unit = assay__unit_of(scores, t->count);
	assay__free(t->allocator, scores);
	int rc = build(t, -1, &scale->place, error);
	leave_scale(t);
	return rc;
}

void assay__teach_position_decide(struct assay__teach *t)
{
	struct assay__positioning *p = t->position;
	if (!p)
		return;
	struct assay__scales *scales = &t->recipe->scales;
	for (int s = 0; s < scales->count; s++)
		if (getenv("POSDEBUG"))
			fprintf(stderr, "scale %d: free %.2f +- %.2f  place %.2f +- %.2f\n", s, scales->at[s].unit.mean_q8 / 256.,
					scales->at[s].unit.sd_q8 / 256., scales->at[s].place_unit.mean_q8 / 256.,
					scales->at[s].place_unit.sd_q8 / 256.);
	const char *only = getenv("POSSCALES");
	for (int s = 0; s < scales->count; s++)
		if (only && !strchr(only, '0' + s)) {
			assay__place_close(scales->at[s].place);
			scales->at[s].place = NULL;
		}
	scales->registration = p->reference;
	p->reference = NULL;
}

void assay__teach_position_close(struct assay__teach *t)
{
	struct assay__positioning *p = t->position;
	if (!p)
		return;
	leave_scale(t);
	for (int i = 0; i < t->workers; i++) {
		if (p->sums)
			assay__free(t->allocator, p->sums[i]);
		if (p->registrars)
			assay__registrar_close(p->registrars[i]);
	}
	assay__free(t->allocator, p->sums);
	assay__free(t->allocator, p->registrars);
	assay__free(t->allocator, p->searches);
	assay__free(t->allocator, p->lumas);
	assay__free(t->allocator, p->use);
	assay__registration_close(p->reference);
	assay__free(t->allocator, p);
	t->position = NULL;
}
