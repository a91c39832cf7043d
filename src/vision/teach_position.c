/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/teach_position.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vision/calibrate.h"
#include "vision/recipe_position.h"

/* Auto: fewer parts cannot show it; the correlation that nine in ten must reach; how much less even scores by place may be. */
#define FEWEST_PARTS 10
#define LEAST_FIT 0.92
#define MOST_SPREAD 1.6
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

/* The pixels to compare: those of the cells that are inspected. Errors: NOMEM. */
static int find_use(const struct assay__teach *t, struct assay__positioning *p)
{
	const struct assay__scale_space *at = &t->spaces[0]->at[0];
	const int32_t *live = assay__judge_cells(at->judge);
	if (!live)
		return 0;
	uint8_t *cells = assay__calloc(t->allocator, (size_t)(at->geometry.grid_width * at->geometry.grid_height), 1);
	p->use = assay__alloc(t->allocator, luma_bytes(p));
	if (cells && p->use) {
		for (int i = 0; i < at->live; i++)
			cells[live[i]] = 1;
		assay__position_use(cells, &at->geometry, p->width, p->height, p->use);
	}
	assay__free(t->allocator, cells);
	return cells && p->use ? 0 : ASSAY_E_NOMEM;
}

static int make_room(struct assay__teach *t, struct assay_error *error)
{
	struct assay__positioning *p = t->position;
	size_t workers = (size_t)t->workers, n = luma_bytes(p);
	p->lumas = assay__calloc(t->allocator, (size_t)p->sampled, n);
	p->sums = assay__calloc(t->allocator, workers, sizeof(*p->sums));
	p->registrars = assay__calloc(t->allocator, workers, sizeof(*p->registrars));
	p->searches = assay__calloc(t->allocator, workers, sizeof(*p->searches));
	bool whole = p->lumas && p->sums && p->registrars && p->searches && find_use(t, p) == 0;
	for (size_t i = 0; whole && i < workers; i++) {
		p->sums[i] = assay__calloc(t->allocator, n, sizeof(**p->sums));
		whole = p->sums[i] && assay__registrar_open(p->width, p->height, t->allocator, &p->registrars[i], NULL) == 0;
	}
	if (!whole)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to register %d parts", t->count);
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

static int by_fit(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* What nine in ten of the sampled parts reach. Errors: NOMEM. */
static int find_fit(struct assay__teach *t, struct assay_error *error)
{
	struct assay__positioning *p = t->position;
	int *fits = assay__calloc(t->allocator, (size_t)p->sampled, sizeof(*fits));
	if (!fits)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to compare %d parts", p->sampled);
	for (int i = 0; i < p->sampled; i++)
		fits[i] = t->parts[i].fit_q10;
	qsort(fits, (size_t)p->sampled, sizeof(*fits), by_fit);
	t->recipe->report.position.fit = (double)fits[p->sampled / 10] / ASSAY__FIT_ONE_Q10;
	assay__free(t->allocator, fits);
	return 0;
}

/* Parts are free: what was made goes. */
static void give_up(struct assay__teach *t, enum assay_position_why why)
{
	struct assay__scales *scales = &t->recipe->scales;
	t->recipe->report.position.chosen = ASSAY_POSITION_FREE;
	t->recipe->report.position.why = why;
	for (int s = 0; s < scales->count; s++)
		assay__placed_free(&scales->at[s].placed, t->allocator);
	assay__teach_position_close(t);
}

static int start(struct assay__teach *t, struct assay_error *error)
{
	const struct assay__geometry *g = &t->spaces[0]->at[0].geometry;
	struct assay__positioning *p = assay__calloc(t->allocator, 1, sizeof(*p));
	if (!p)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to register %d parts", t->count);
	t->position = p;
	p->halvings = assay__registration_size(g->width_px, g->height_px, &p->width, &p->height);
	p->sampled = t->count < MOST_PARTS ? t->count : MOST_PARTS;
	int rc = make_room(t, error);
	if (rc == 0)
		rc = register_all(t, error);
	return rc ? rc : find_fit(t, error);
}

static int register_rest(struct assay__teach *t, struct assay_error *error)
{
	struct assay__positioning *p = t->position;
	p->first = p->sampled;
	if (p->first == t->count)
		return 0;
	int rc = assay__labour_run(&t->labour, "position", t->count - p->first, register_one, t, error);
	return rc ? rc : assay__teach_failure(t, error);
}

int assay__teach_position_open(struct assay__teach *t, struct assay_error *error)
{
	struct assay_position_info *info = &t->recipe->report.position;
	bool fixed = t->wanted == ASSAY_POSITION_FIXED;
	*info = (struct assay_position_info){.wanted = t->wanted, .chosen = ASSAY_POSITION_FIXED};
	if (t->wanted == ASSAY_POSITION_FREE) {
		give_up(t, ASSAY_POSITION_TOLD);
		return 0;
	}
	if (!same_grids(t)) {
		if (fixed)
			return assay__fail(error, ASSAY_E_MISMATCH, -1,
							   "pictures of parts in a fixture must have equal proportions, and these have not; leave "
							   "fixed out");
		give_up(t, ASSAY_POSITION_SIZES);
		return 0;
	}
	if (!fixed && t->count < FEWEST_PARTS) {
		give_up(t, ASSAY_POSITION_FEW);
		return 0;
	}
	int rc = start(t, error);
	if (rc == ASSAY_E_MISMATCH && !fixed) {
		give_up(t, ASSAY_POSITION_FLAT);
		return 0;
	}
	if (rc == 0 && !fixed && info->fit < LEAST_FIT) {
		give_up(t, ASSAY_POSITION_LOOSE);
		return 0;
	}
	return rc ? rc : register_rest(t, error);
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
	p->counts[cell] =
		(uint8_t)assay__place_choose(t->vectors, p->order + from, (int)(p->start[cell + 1] - from), t->recipe->dim,
									 p->d2 + from, p->kept + (size_t)cell * ASSAY__PLACE_DEPTH);
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

/* What good looks like by place outside the fold; *placed has only what is its own to free. */
static int gather(struct assay__teach *t, int fold, struct assay__placed *placed, struct assay_error *error)
{
	struct assay__positioning *p = t->position;
	size_t dim = (size_t)t->recipe->dim;
	int cells = cells_of(t);
	sort_patches(t, fold);
	int rc = assay__labour_run(&t->labour, t->stage, cells, choose_one, t, error);
	if (rc)
		return rc;
	placed->cells = cells;
	for (int c = 0; c < cells; c++)
		placed->count += p->counts[c];
	placed->counts = assay__alloc(t->allocator, (size_t)cells);
	placed->vectors = assay__alloc(t->allocator, (size_t)placed->count * dim);
	if (!placed->counts || !placed->vectors)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a bank by place of %d vectors", placed->count);
	memcpy(placed->counts, p->counts, (size_t)cells);
	int8_t *to = placed->vectors;
	for (int c = 0; c < cells; c++)
		for (int i = 0; i < p->counts[c]; i++, to += dim)
			memcpy(to, t->vectors + (size_t)p->kept[(size_t)c * ASSAY__PLACE_DEPTH + (size_t)i] * dim, dim);
	return 0;
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
	part->place_q8[t->scale] = assay__workspace_score_place(
		space, t->scale, p->place, p->searches[worker], t->vectors + (size_t)part->first_patch * (size_t)t->recipe->dim,
		space->at[t->scale].map);
}

int assay__teach_position_fold(struct assay__teach *t, struct assay_error *error)
{
	struct assay__positioning *p = t->position;
	int folds = t->recipe->settings.folds;
	if (!p)
		return 0;
	struct assay__placed placed = {0};
	const struct assay__geometry *g = grid_of(t);
	int rc = gather(t, t->fold, &placed, error);
	if (rc == 0)
		rc = assay__place_open(placed.vectors, placed.counts, g->grid_width, g->grid_height, t->recipe->dim,
							   t->recipe->isa, t->allocator, &p->place, error);
	assay__placed_free(&placed, t->allocator);
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
	struct assay__placed *placed = &t->recipe->scales.at[t->scale].placed;
	if (!t->position)
		return 0;
	uint32_t *scores = assay__calloc(t->allocator, (size_t)t->count, sizeof(*scores));
	if (!scores)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the scores of %d parts", t->count);
	for (int i = 0; i < t->count; i++)
		scores[i] = t->parts[i].place_q8[t->scale];
	struct assay__unit unit = assay__unit_of(scores, t->count);
	assay__free(t->allocator, scores);
	int rc = gather(t, -1, placed, error);
	placed->unit = unit;
	leave_scale(t);
	return rc;
}

/* The reference as the recipe keeps it. */
static int keep_reference(struct assay__teach *t, struct assay_error *error)
{
	struct assay__scales *scales = &t->recipe->scales;
	int width, height;
	const uint8_t *luma = assay__registration_picture(t->position->reference, &width, &height);
	int rc = assay_image_create(width, height, 1, 8, t->allocator, &scales->reference, error);
	if (rc)
		return rc;
	for (int y = 0; y < height; y++)
		memcpy(scales->reference.pixels + (size_t)y * scales->reference.stride_bytes, luma + (size_t)y * (size_t)width,
			   (size_t)width);
	scales->registration = t->position->reference;
	t->position->reference = NULL;
	return 0;
}

int assay__teach_position_decide(struct assay__teach *t, struct assay_error *error)
{
	struct assay_position_info *info = &t->recipe->report.position;
	if (!t->position)
		return 0;
	for (int s = 0; s < t->recipe->scales.count; s++) {
		const struct assay__scale *scale = &t->recipe->scales.at[s];
		double spread = (double)scale->placed.unit.sd_q8 / scale->unit.sd_q8;
		spread = spread > ASSAY__SPREAD_MOST ? ASSAY__SPREAD_MOST : spread;
		info->spread = spread > info->spread ? spread : info->spread;
	}
	if (t->wanted == ASSAY_POSITION_AUTO && info->spread > MOST_SPREAD) {
		give_up(t, ASSAY_POSITION_UNEVEN);
		return 0;
	}
	info->why = t->wanted == ASSAY_POSITION_AUTO ? ASSAY_POSITION_EVEN : ASSAY_POSITION_TOLD;
	return keep_reference(t, error);
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
