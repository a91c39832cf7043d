/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Greedy k-center, exact and lazy. Each point carries `bound`, its distance^2 to the nearest of the first `seen`
 * centers: an upper bound of what it is now. A round
 *   1. finds a level that few bounds reach, and brings those points up to date against all centers since (many
 *      points against many centers, so memory is streamed once a round and not once a center), lowering the level
 *      until enough of them stay above it;
 *   2. copies these into a pool that fits the cache and chooses greedily in it for as long as the pool's largest
 *      distance reaches the level: everything outside is below it, so each choice is the greedy one.
 * Points that never reach the level are never looked at again.
 */
#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "vision/bank.h"
#include "vision/bank_kernels.h"

#define CHUNK 2048 /* points in one piece of work */
#define BINS 4096
#define POOL_BYTES 655360 /* most of a second-level cache */
#define POOL_MIN 256
#define POOL_MAX 8192
#define NEAR_SEEN 48 /* points this close in `seen` are searched together from the lowest on */

struct scratch {
	int64_t pick[CHUNK], group[CHUNK];
	int32_t d2[CHUNK];
	int64_t bins[BINS];
	int64_t sum[ASSAY__BANK_MAX_DIM];
	int64_t count;
};

struct choice {
	const int8_t *points;
	const uint8_t *skip;
	int64_t n;
	int dim;
	const struct assay_runner *runner;
	const struct assay_allocator *allocator;
	int32_t *bound;
	uint32_t *seen;
	struct assay__bank_packed centers, pool;
	int taken, pool_room;
	int64_t *order;		 /* the centers */
	int64_t *pool_index; /* ascending */
	int32_t *pool_d2;
	struct scratch *scratch; /* one a worker */
	int workers;
	int32_t low, high; /* of the pass under way */
	int shift;
};

static const int8_t *row(const struct choice *c, int64_t i)
{
	return c->points + (size_t)i * (size_t)c->dim;
}

static void run(struct choice *c, void (*task)(void *arg, int index, int worker))
{
	const int chunks = (int)((c->n + CHUNK - 1) / CHUNK);
	if (c->runner) {
		c->runner->run(c->runner->ctx, chunks, task, c);
		return;
	}
	for (int i = 0; i < chunks; i++)
		task(c, i, 0);
}

static int64_t chunk_end(const struct choice *c, int index)
{
	const int64_t end = ((int64_t)index + 1) * CHUNK;
	return end < c->n ? end : c->n;
}

/* Adds up the points of a chunk, by dim. */
static void sum_task(void *arg, int index, int worker)
{
	struct choice *c = arg;
	struct scratch *s = &c->scratch[worker];
	int32_t part[ASSAY__BANK_MAX_DIM] = {0};
	for (int64_t i = (int64_t)index * CHUNK; i < chunk_end(c, index); i++) {
		const int8_t *p = row(c, i);
		if (c->skip && c->skip[i])
			continue;
		s->count++;
		for (int k = 0; k < c->dim; k++)
			part[k] += p[k];
	}
	for (int k = 0; k < c->dim; k++)
		s->sum[k] += part[k];
}

/* The mean of the points not left out, halves away from zero. Returns how many there are. */
static int64_t mean(struct choice *c, int8_t *out)
{
	int64_t count = 0;
	for (int w = 0; w < c->workers; w++) {
		memset(c->scratch[w].sum, 0, sizeof c->scratch[w].sum);
		c->scratch[w].count = 0;
	}
	run(c, sum_task);
	for (int w = 0; w < c->workers; w++)
		count += c->scratch[w].count;
	for (int k = 0; k < c->dim && count; k++) {
		int64_t sum = 0;
		for (int w = 0; w < c->workers; w++)
			sum += c->scratch[w].sum[k];
		out[k] = (int8_t)((2 * sum + (sum < 0 ? -count : count)) / (2 * count));
	}
	return count;
}

/* Brings the points of a chunk whose bound reaches `low` up to date; counts those that still reach it. */
static void refresh_task(void *arg, int index, int worker)
{
	struct choice *c = arg;
	struct scratch *s = &c->scratch[worker];
	const int lanes = c->centers.kernels->lanes, end = (c->taken + lanes - 1) / lanes;
	int stale = 0;
	for (int64_t i = (int64_t)index * CHUNK; i < chunk_end(c, index); i++) {
		if (c->bound[i] < c->low)
			continue;
		if (c->seen[i] == (uint32_t)c->taken)
			s->count++;
		else
			s->pick[stale++] = i;
	}
	while (stale) {
		uint32_t lowest = UINT32_MAX;
		int grouped = 0, left = 0;
		for (int j = 0; j < stale; j++)
			lowest = c->seen[s->pick[j]] < lowest ? c->seen[s->pick[j]] : lowest;
		for (int j = 0; j < stale; j++) {
			const int64_t i = s->pick[j];
			if (c->seen[i] - lowest < NEAR_SEEN) {
				s->d2[grouped] = c->bound[i];
				s->group[grouped++] = i;
			} else {
				s->pick[left++] = i;
			}
		}
		assay__bank_search(&c->centers, (int)lowest / lanes, end, c->points, s->group, grouped, s->d2, NULL);
		for (int j = 0; j < grouped; j++) {
			c->bound[s->group[j]] = s->d2[j];
			c->seen[s->group[j]] = (uint32_t)c->taken;
			s->count += s->d2[j] >= c->low;
		}
		stale = left;
	}
}

/* Brings all points whose bound reaches low up to date. Returns how many still reach it. */
static int64_t refresh(struct choice *c, int32_t low)
{
	int64_t count = 0;
	c->low = low;
	for (int w = 0; w < c->workers; w++)
		c->scratch[w].count = 0;
	run(c, refresh_task);
	for (int w = 0; w < c->workers; w++)
		count += c->scratch[w].count;
	return count;
}

static void bins_task(void *arg, int index, int worker)
{
	struct choice *c = arg;
	struct scratch *s = &c->scratch[worker];
	const uint32_t span = (uint32_t)(c->high - c->low);
	for (int64_t i = (int64_t)index * CHUNK; i < chunk_end(c, index); i++) {
		const uint32_t above = (uint32_t)c->bound[i] - (uint32_t)c->low;
		if (above <= span)
			s->bins[above >> c->shift]++;
	}
}

/*
 * A level >= 1 that at most `room` bounds reach, and at least half as many where the values allow it; the largest
 * bound if more than `room` equal it; 0 if all bounds are 0. No bound is above high.
 */
static int32_t level(struct choice *c, int64_t room, int32_t high)
{
	int64_t above = 0;
	c->low = 1;
	c->high = high;
	for (;;) {
		int64_t bins[BINS] = {0};
		for (c->shift = 0; (c->high - c->low) >> c->shift >= BINS;)
			c->shift++;
		for (int w = 0; w < c->workers; w++)
			memset(c->scratch[w].bins, 0, sizeof c->scratch[w].bins);
		run(c, bins_task);
		for (int w = 0; w < c->workers; w++)
			for (int b = 0; b < BINS; b++)
				bins[b] += c->scratch[w].bins[b];
		int b = (c->high - c->low) >> c->shift;
		for (; b >= 0 && above + bins[b] <= room; b--)
			above += bins[b];
		if (b < 0)
			return above ? 1 : 0;
		const int32_t from = c->low + (int32_t)((uint32_t)b << c->shift);
		const int32_t to = from + ((1 << c->shift) - 1);
		if (above > 0 && (above >= room / 2 || c->shift == 0))
			return to + 1;
		if (c->shift == 0)
			return from;
		c->low = from;
		c->high = to < c->high ? to : c->high;
	}
}

/* The points that reach low, lowest index first, at most as many as the pool holds. Returns how many. */
static int fill_pool(struct choice *c, int32_t low)
{
	const int lanes = c->pool.kernels->lanes;
	int size = 0;
	for (int64_t i = 0; i < c->n && size < c->pool_room; i++) {
		if (c->bound[i] < low)
			continue;
		c->pool_index[size] = i;
		c->pool_d2[size] = c->bound[i];
		assay__bank_packed_put(&c->pool, size, row(c, i));
		size++;
	}
	/* What an earlier round left in the last block stays at 0, which no distance lowers and no choice takes. */
	for (int v = size; v % lanes; v++)
		c->pool_d2[v] = 0;
	return size;
}

static void take(struct choice *c, int64_t i)
{
	c->order[c->taken] = i;
	assay__bank_packed_put(&c->centers, c->taken, row(c, i));
	c->taken++;
}

/* Chooses in the pool for as long as its largest distance reaches low. Returns the last one that did, squared. */
static int32_t choose_in_pool(struct choice *c, int want, int32_t low)
{
	const struct assay__bank_kernels *k = c->pool.kernels;
	_Alignas(64) uint8_t panel[16 * ASSAY__BANK_MAX_DIM];
	_Alignas(64) int32_t norm[16];
	const int size = fill_pool(c, low), end = (size + k->lanes - 1) / k->lanes;
	int32_t top = 0, radius2 = low;
	for (int v = 0; v < size; v++)
		top = c->pool_d2[v] > top ? c->pool_d2[v] : top;
	while (c->taken < want && top >= low) {
		int at = 0;
		while (c->pool_d2[at] != top)
			at++;
		radius2 = top;
		const int8_t *center = row(c, c->pool_index[at]);
		take(c, c->pool_index[at]);
		k->prepare(&center, 1, c->dim, panel, norm);
		top = k->relax(&c->pool, end, panel, norm[0], c->pool_d2);
	}
	for (int v = 0; v < size; v++) {
		c->bound[c->pool_index[v]] = c->pool_d2[v];
		c->seen[c->pool_index[v]] = (uint32_t)c->taken;
	}
	return radius2;
}

static void forget(struct choice *c)
{
	for (int64_t i = 0; i < c->n; i++) {
		c->bound[i] = c->skip && c->skip[i] ? 0 : ASSAY__BANK_FAR;
		c->seen[i] = 0;
	}
}

/* Takes the point nearest the mean. */
static int take_first(struct choice *c, struct assay_error *error)
{
	int8_t middle[ASSAY__BANK_MAX_DIM];
	if (!mean(c, middle))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "all %lld points are left out; none can be chosen",
						   (long long)c->n);
	forget(c);
	assay__bank_packed_put(&c->centers, 0, middle);
	c->taken = 1;
	refresh(c, 1);
	int64_t first = -1;
	for (int64_t i = 0; i < c->n; i++)
		if (!(c->skip && c->skip[i]) && (first < 0 || c->bound[i] < c->bound[first]))
			first = i;
	c->taken = 0;
	take(c, first);
	forget(c);
	return 0;
}

static int choose(struct choice *c, int want, const struct assay_progress *progress, struct assay_error *error)
{
	int32_t radius2 = ASSAY__BANK_FAR;
	int err = take_first(c, error);
	if (err)
		return err;
	refresh(c, 1);
	for (;;) {
		if (progress && progress->report && progress->report(progress->ctx, "choose", c->taken, want))
			return assay__fail(error, ASSAY_E_CANCELLED, -1, "cancelled after %d of %d choices", c->taken, want);
		if (c->taken == want)
			return 0;
		const int64_t left = want - c->taken, enough = 4 * left < c->pool_room / 4 ? 4 * left : c->pool_room / 4;
		int64_t room = c->pool_room, reached;
		int32_t low;
		for (;; room *= 2) {
			low = level(c, room, radius2);
			if (!low)
				return 0;
			reached = refresh(c, low);
			if (reached >= enough || low == 1)
				break;
		}
		if (reached > c->pool_room)
			low = level(c, c->pool_room, radius2);
		else if (!reached)
			continue;
		radius2 = choose_in_pool(c, want, low);
	}
}

static void release(struct choice *c)
{
	assay__free(c->allocator, c->bound);
	assay__free(c->allocator, c->seen);
	assay__free(c->allocator, c->order);
	assay__free(c->allocator, c->pool_index);
	assay__free_aligned(c->allocator, c->pool_d2);
	assay__free(c->allocator, c->scratch);
	assay__bank_packed_close(&c->centers, c->allocator);
	assay__bank_packed_close(&c->pool, c->allocator);
}

static int open(struct choice *c, int want, enum assay_isa isa, struct assay_error *error)
{
	const struct assay__bank_kernels *k = assay__bank_kernels_get(isa);
	const int padded = (c->dim + 3) / 4 * 4;
	int64_t room = POOL_BYTES / (padded * k->element_bytes);
	room = room < POOL_MIN ? POOL_MIN : room > POOL_MAX ? POOL_MAX : room;
	c->pool_room = (int)((room < c->n ? room : c->n) + k->lanes - 1) / k->lanes * k->lanes;
	c->workers = c->runner ? c->runner->workers : 1;
	assert(c->workers >= 1);

	c->bound = assay__calloc(c->allocator, (size_t)c->n, sizeof *c->bound);
	c->seen = assay__calloc(c->allocator, (size_t)c->n, sizeof *c->seen);
	c->order = assay__calloc(c->allocator, (size_t)want, sizeof *c->order);
	c->pool_index = assay__calloc(c->allocator, (size_t)c->pool_room, sizeof *c->pool_index);
	c->pool_d2 = assay__alloc_aligned(c->allocator, (size_t)c->pool_room * sizeof *c->pool_d2);
	c->scratch = assay__calloc(c->allocator, (size_t)c->workers, sizeof *c->scratch);
	if (!c->bound || !c->seen || !c->order || !c->pool_index || !c->pool_d2 || !c->scratch)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to choose %d of %lld points", want, (long long)c->n);
	int err = assay__bank_packed_open(&c->centers, k, want, c->dim, c->allocator, error);
	return err ? err : assay__bank_packed_open(&c->pool, k, c->pool_room, c->dim, c->allocator, error);
}

int assay__bank_choose(const int8_t *points, const uint8_t *skip, int64_t n, int dim, int want, enum assay_isa isa,
					   const struct assay_runner *runner, const struct assay_progress *progress,
					   const struct assay_allocator *allocator, int64_t *chosen, int *count, struct assay_error *error)
{
	if (n < 1 || n > (int64_t)INT32_MAX * CHUNK || want < 1)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "cannot choose %d of %lld points", want, (long long)n);
	if (dim < 1 || dim > ASSAY__BANK_MAX_DIM)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "points of %d values; 1 to %d are possible", dim,
						   ASSAY__BANK_MAX_DIM);
	struct choice c = {.points = points, .skip = skip, .n = n, .dim = dim, .runner = runner, .allocator = allocator};
	if (want > n)
		want = (int)n;
	int err = open(&c, want, isa, error);
	if (!err)
		err = choose(&c, want, progress, error);
	if (!err) {
		memcpy(chosen, c.order, (size_t)c.taken * sizeof *chosen);
		*count = c.taken;
	}
	release(&c);
	return err;
}
