/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/place.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "vision/bank_kernels.h"

#define HALF_Q16 (1 << 15)

struct assay__place {
	const struct assay_allocator *allocator;
	int width, height;
	uint8_t *counts;
	int blocks; /* of the kernels' lanes, for one cell */
	struct assay__bank_packed packed;
};

struct assay__place_search {
	const struct assay_allocator *allocator;
	int cells;
	int32_t *where; /* cell of the reference for every query */
	int32_t *start; /* of each cell of the reference, in order; one more at the end */
	int32_t *order; /* queries by cell */
	int64_t *pick;
	int32_t *near;
};

static int clamp_to(int64_t i, int count)
{
	return i < 0 ? 0 : i >= count ? count - 1 : (int)i;
}

void assay__place_cells(const struct assay__pose *pose, int reg_width_px, int reg_height_px,
						const struct assay__geometry *geometry, const int32_t *cells, int n, int32_t *where)
{
	const int width = geometry->grid_width, height = geometry->grid_height;
	for (int i = 0; i < n; i++) {
		int cell = cells ? cells[i] : i;
		/* centres, from the middle, in q16 pixels of the registered size */
		int64_t x = ((int64_t)(2 * (cell % width) + 1 - width) * reg_width_px * HALF_Q16) / width;
		int64_t y = ((int64_t)(2 * (cell / width) + 1 - height) * reg_height_px * HALF_Q16) / height;
		int64_t u, v;
		assay__pose_to_reference(pose, x, y, &u, &v);
		u += (int64_t)reg_width_px << 15;
		v += (int64_t)reg_height_px << 15;
		int column = u < 0 ? 0 : clamp_to(u * width / ((int64_t)reg_width_px << 16), width);
		int row = v < 0 ? 0 : clamp_to(v * height / ((int64_t)reg_height_px << 16), height);
		where[i] = row * width + column;
	}
}

static int32_t distance(const int8_t *restrict a, const int8_t *restrict b, int dim)
{
	int32_t sum = 0;
	for (int i = 0; i < dim; i++) {
		int32_t d = a[i] - b[i];
		sum += d * d;
	}
	return sum;
}

/* The one nearest the mean, which is rounded to s8 towards zero. */
static int central(const int8_t *vectors, const int64_t *among, int n, int dim)
{
	int32_t sum[ASSAY__BANK_MAX_DIM] = {0};
	int8_t mean[ASSAY__BANK_MAX_DIM];
	int best = 0;
	int32_t best_d2 = INT32_MAX;
	for (int i = 0; i < n; i++) {
		const int8_t *v = vectors + (size_t)among[i] * (size_t)dim;
		for (int k = 0; k < dim; k++)
			sum[k] += v[k];
	}
	for (int k = 0; k < dim; k++)
		mean[k] = (int8_t)(sum[k] / n);
	for (int i = 0; i < n; i++) {
		int32_t d2 = distance(vectors + (size_t)among[i] * (size_t)dim, mean, dim);
		if (d2 < best_d2) {
			best_d2 = d2;
			best = i;
		}
	}
	return best;
}

int assay__place_choose(const int8_t *vectors, const int64_t *among, int n, int dim, int32_t *d2,
						int64_t kept[ASSAY__PLACE_DEPTH])
{
	if (n == 0)
		return 0;
	int count = 0, next = central(vectors, among, n, dim);
	for (int i = 0; i < n; i++)
		d2[i] = INT32_MAX;
	do {
		const int8_t *taken = vectors + (size_t)among[next] * (size_t)dim;
		kept[count++] = among[next];
		int farthest = 0;
		for (int i = 0; i < n; i++) {
			int32_t d = distance(vectors + (size_t)among[i] * (size_t)dim, taken, dim);
			d2[i] = d < d2[i] ? d : d2[i];
			farthest = d2[i] > d2[farthest] ? i : farthest;
		}
		next = farthest;
	} while (count < ASSAY__PLACE_DEPTH && d2[next] > 0);
	return count;
}

/* Every cell's vectors start on a block of the kernels; what is left over stays empty. */
static void pack(struct assay__place *place, const int8_t *v)
{
	for (int cell = 0; cell < place->width * place->height; cell++) {
		int at = cell * place->blocks * place->packed.kernels->lanes;
		for (int i = 0; i < place->counts[cell]; i++, v += place->packed.dim)
			assay__bank_packed_put(&place->packed, at + i, v);
	}
}

int assay__place_open(const int8_t *vectors, const uint8_t *counts, int grid_width, int grid_height, int dim,
					  enum assay_isa isa, const struct assay_allocator *allocator, struct assay__place **out,
					  struct assay_error *error)
{
	const struct assay__bank_kernels *kernels = assay__bank_kernels_get(isa);
	size_t cells = (size_t)grid_width * (size_t)grid_height;
	struct assay__place *place = assay__calloc(allocator, 1, sizeof(*place));
	if (!place)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a bank by place");
	*place = (struct assay__place){.allocator = allocator, .width = grid_width, .height = grid_height};
	place->blocks = (ASSAY__PLACE_DEPTH + kernels->lanes - 1) / kernels->lanes;
	place->counts = assay__alloc(allocator, cells);
	int rc = place->counts ? assay__bank_packed_open(&place->packed, kernels,
													 (int)cells * place->blocks * kernels->lanes, dim, allocator, error)
						   : assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a bank by place");
	if (rc) {
		assay__place_close(place);
		return rc;
	}
	memcpy(place->counts, counts, cells);
	for (size_t i = 0; i < cells; i++)
		assert(counts[i] <= ASSAY__PLACE_DEPTH);
	pack(place, vectors);
	*out = place;
	return 0;
}

void assay__place_close(struct assay__place *place)
{
	if (!place)
		return;
	assay__bank_packed_close(&place->packed, place->allocator);
	assay__free(place->allocator, place->counts);
	assay__free(place->allocator, place);
}

bool assay__place_is_of(const struct assay__place *place, int grid_width, int grid_height)
{
	return place->width == grid_width && place->height == grid_height;
}

int assay__place_search_open(int cells, const struct assay_allocator *allocator, struct assay__place_search **out,
							 struct assay_error *error)
{
	struct assay__place_search *s = assay__calloc(allocator, 1, sizeof(*s));
	if (s) {
		size_t n = (size_t)cells;
		*s = (struct assay__place_search){.allocator = allocator, .cells = cells};
		s->where = assay__calloc(allocator, n, sizeof(*s->where));
		s->start = assay__calloc(allocator, n + 1, sizeof(*s->start));
		s->order = assay__calloc(allocator, n, sizeof(*s->order));
		s->pick = assay__calloc(allocator, n, sizeof(*s->pick));
		s->near = assay__calloc(allocator, n, sizeof(*s->near));
	}
	if (!s || !s->where || !s->start || !s->order || !s->pick || !s->near) {
		assay__place_search_close(s);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to search %d cells by place", cells);
	}
	*out = s;
	return 0;
}

void assay__place_search_close(struct assay__place_search *search)
{
	if (!search)
		return;
	assay__free(search->allocator, search->where);
	assay__free(search->allocator, search->start);
	assay__free(search->allocator, search->order);
	assay__free(search->allocator, search->pick);
	assay__free(search->allocator, search->near);
	assay__free(search->allocator, search);
}

size_t assay__place_search_bytes(const struct assay__place_search *search)
{
	size_t each = 4 * sizeof(int32_t) + sizeof(int64_t);
	return sizeof(*search) + (size_t)search->cells * each + sizeof(int32_t);
}

int32_t *assay__place_search_where(struct assay__place_search *search)
{
	return search->where;
}

/* Queries by the cell they lie in: a counting sort. */
static void sort_queries(struct assay__place_search *s, int cells, int n)
{
	memset(s->start, 0, ((size_t)cells + 1) * sizeof(*s->start));
	for (int i = 0; i < n; i++)
		s->start[s->where[i] + 1]++;
	for (int c = 0; c < cells; c++)
		s->start[c + 1] += s->start[c];
	for (int i = n - 1; i >= 0; i--) /* start[c + 1] runs down to start[c] */
		s->order[--s->start[s->where[i] + 1]] = i;
	/* every start[c + 1] is now where c begins: move them into place */
	memmove(s->start, s->start + 1, (size_t)cells * sizeof(*s->start));
	s->start[cells] = n;
}

/* The queries whose place is at most one cell from this one; returns how many. */
static int gather(struct assay__place_search *s, const struct assay__place *place, int x, int y, const int32_t *d2)
{
	int n = 0;
	int left = x > 0 ? x - 1 : x, right = x + 1 < place->width ? x + 1 : x;
	for (int row = y > 0 ? y - 1 : y; row <= y + 1 && row < place->height; row++)
		for (int i = s->start[row * place->width + left]; i < s->start[row * place->width + right + 1]; i++) {
			s->pick[n] = s->order[i];
			s->near[n++] = d2[s->order[i]];
		}
	return n;
}

void assay__place_nearest(const struct assay__place *place, struct assay__place_search *search, const int8_t *queries,
						  int n, int32_t *d2)
{
	const int cells = place->width * place->height;
	assert(n <= search->cells && cells <= search->cells);
	sort_queries(search, cells, n);
	for (int i = 0; i < n; i++)
		d2[i] = ASSAY__BANK_FAR;
	for (int cell = 0; cell < cells; cell++) {
		if (!place->counts[cell])
			continue;
		int some = gather(search, place, cell % place->width, cell / place->width, d2);
		if (!some)
			continue;
		int lanes = place->packed.kernels->lanes, first = cell * place->blocks;
		int end = first + (place->counts[cell] + lanes - 1) / lanes;
		assay__bank_search(&place->packed, first, end, queries, search->pick, some, search->near, NULL);
		for (int i = 0; i < some; i++)
			d2[search->pick[i]] = search->near[i];
	}
	for (int i = 0; i < n; i++)
		if (d2[i] == ASSAY__BANK_FAR)
			d2[i] = 0;
}
