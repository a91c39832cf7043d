/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New good parts in a fixture: what they show at a place and nobody has seen there joins that place's vectors, where the
 * most spread ones stay. Each part is held against the old places, so that their order does not matter.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vision/learn.h"
#include "vision/novel.h"
#include "vision/place.h"

/* Vectors that are new at their place, in the order of parts and cells. */
struct finds {
	int count, room;
	int32_t *where; /* cell of the reference */
	int8_t *vectors;
};

struct places {
	struct assay__learn *l;
	int32_t reach_d2[ASSAY__SCALES_MOST];
	struct finds finds[ASSAY__SCALES_MOST];
};

static int note(struct places *p, int scale, int32_t where, const int8_t *vector, size_t dim, struct assay_error *error)
{
	const struct assay_allocator *allocator = p->l->allocator;
	struct finds *f = &p->finds[scale];
	if (f->count == f->room) {
		int room = f->room ? 2 * f->room : 256;
		int32_t *cells = assay__calloc(allocator, (size_t)room, sizeof(*cells));
		int8_t *vectors = assay__alloc(allocator, (size_t)room * dim);
		if (!cells || !vectors) {
			assay__free(allocator, cells);
			assay__free(allocator, vectors);
			return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for what is new by place");
		}
		if (f->count) {
			memcpy(cells, f->where, (size_t)f->count * sizeof(*cells));
			memcpy(vectors, f->vectors, (size_t)f->count * dim);
		}
		assay__free(allocator, f->where);
		assay__free(allocator, f->vectors);
		*f = (struct finds){f->count, room, cells, vectors};
	}
	f->where[f->count] = where;
	memcpy(f->vectors + (size_t)f->count++ * dim, vector, dim);
	return 0;
}

/* The workspace has just judged the scale by place: its vectors, where they lie and how far they are are still there. */
static int take_scale(struct places *p, struct assay__workspace *space, int scale, struct assay_error *error)
{
	const struct assay__scale_space *at = &space->at[scale];
	const int32_t *where = assay__place_search_where(space->search);
	size_t dim = (size_t)space->dim;
	int rc = 0;
	for (int i = 0; rc == 0 && i < at->live; i++)
		if (at->d2[i] > p->reach_d2[scale])
			rc = note(p, scale, where[i], space->vectors + (size_t)i * dim, dim, error);
	return rc;
}

static int take_part(struct places *p, struct assay__part *part, struct assay_error *error)
{
	struct assay__teach *t = &p->l->t;
	struct assay__workspace *space = t->spaces[0];
	struct assay_image image;
	bool owned = false;
	int rc = assay__teach_take_up(t, part, 0, &image, &owned);
	if (rc)
		return assay__teach_failure(t, error);
	for (int s = 0; rc == 0 && s < space->count; s++) {
		assay__workspace_judge_place_scale(space, s, &image);
		rc = take_scale(p, space, s, error);
	}
	if (owned)
		assay_image_free(&image, t->allocator);
	return rc;
}

/* The cell's old vectors and its new ones; *to is behind those that stay. */
static int join_cell(const struct assay__placed *old, const int8_t *old_vectors, const struct finds *finds,
					 const int32_t *mine, int count, int cell, size_t dim, int8_t *both, int8_t *to)
{
	int64_t among[512], kept[ASSAY__PLACE_DEPTH];
	int32_t d2[512];
	int n = old->counts[cell];
	memcpy(both, old_vectors, (size_t)n * dim);
	for (int i = 0; i < count && n < 512; i++)
		memcpy(both + (size_t)n++ * dim, finds->vectors + (size_t)mine[i] * dim, dim);
	if (n <= ASSAY__PLACE_DEPTH) {
		memcpy(to, both, (size_t)n * dim);
		return n;
	}
	for (int i = 0; i < n; i++)
		among[i] = i;
	n = assay__place_choose(both, among, n, (int)dim, d2, kept);
	for (int i = 0; i < n; i++)
		memcpy(to + (size_t)i * dim, both + (size_t)kept[i] * dim, dim);
	return n;
}

/* Fills counts and vectors, which have room for all that is old and new; returns how many vectors there are. */
static int join_cells(const struct assay__placed *old, const struct finds *finds, size_t dim, const int32_t *start,
					  const int32_t *order, int8_t *both, uint8_t *counts, int8_t *vectors)
{
	const int8_t *from = old->vectors;
	int8_t *to = vectors;
	for (int c = 0; c < old->cells; c++) {
		int n = join_cell(old, from, finds, order + start[c], start[c + 1] - start[c], c, dim, both, to);
		counts[c] = (uint8_t)n;
		from += (size_t)old->counts[c] * dim;
		to += (size_t)n * dim;
	}
	return (int)((size_t)(to - vectors) / dim);
}

static int grow_scale(struct places *p, int scale, struct assay_error *error)
{
	struct assay_recipe *next = p->l->next;
	const struct assay_allocator *allocator = p->l->allocator;
	struct assay__placed *placed = &next->scales.at[scale].placed;
	const struct finds *f = &p->finds[scale];
	const struct assay__geometry *g = &p->l->t.spaces[0]->at[scale].geometry;
	size_t dim = (size_t)next->dim, cells = (size_t)placed->cells;
	int32_t *start = assay__calloc(allocator, cells + 1, sizeof(*start));
	int32_t *order = assay__calloc(allocator, (size_t)f->count, sizeof(*order));
	int8_t *both = assay__alloc(allocator, 512 * dim);
	uint8_t *counts = assay__alloc(allocator, cells);
	int8_t *vectors = assay__alloc(allocator, ((size_t)placed->count + (size_t)f->count) * dim);
	int rc = start && order && both && counts && vectors
				 ? 0
				 : assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for what is new by place");
	if (rc == 0) {
		/* counting sort by cell, stable */
		for (int i = 0; i < f->count; i++)
			start[f->where[i] + 1]++;
		for (size_t c = 0; c < cells; c++)
			start[c + 1] += start[c];
		for (int i = f->count - 1; i >= 0; i--)
			order[--start[f->where[i] + 1]] = i;
		memmove(start, start + 1, cells * sizeof(*start));
		start[cells] = f->count;
		placed->count = join_cells(placed, f, dim, start, order, both, counts, vectors);
		assay__free(allocator, placed->counts);
		assay__free(allocator, placed->vectors);
		placed->counts = counts;
		placed->vectors = vectors;
		counts = NULL;
		vectors = NULL;
		assay__place_close(next->scales.at[scale].place);
		next->scales.at[scale].place = NULL;
		rc = assay__place_open(placed->vectors, placed->counts, g->grid_width, g->grid_height, next->dim, next->isa,
							   allocator, &next->scales.at[scale].place, error);
	}
	assay__free(allocator, start);
	assay__free(allocator, order);
	assay__free(allocator, both);
	assay__free(allocator, counts);
	assay__free(allocator, vectors);
	return rc;
}

int assay__learn_places(struct assay__learn *l, struct assay_error *error)
{
	struct assay_recipe *next = l->next;
	struct places *p;
	int rc = 0;
	if (!next->scales.registration || l->t.count == 0)
		return 0;
	p = assay__calloc(l->allocator, 1, sizeof(*p));
	if (!p)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for what is new by place");
	p->l = l;
	for (int s = 0; s < next->scales.count; s++)
		p->reach_d2[s] = assay__novel_reach(next->scales.at[s].vectors, next->scales.at[s].bank_count, next->dim);
	for (int i = 0; rc == 0 && i < l->t.count; i++)
		rc = take_part(p, &l->t.parts[i], error);
	for (int s = 0; s < next->scales.count; s++) {
		if (rc == 0 && p->finds[s].count && next->scales.at[s].place)
			rc = grow_scale(p, s, error);
		assay__free(l->allocator, p->finds[s].where);
		assay__free(l->allocator, p->finds[s].vectors);
	}
	assay__free(l->allocator, p);
	return rc;
}
