/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/judge.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/err.h"

#define RADIUS 2
static const uint32_t binomial[2 * RADIUS + 1] = {1, 4, 6, 4, 1};
#define BINOMIAL_SUM 16

struct assay__judge {
	const struct assay_allocator *allocator;
	int width, height, live;
	int32_t *cells;	   /* NULL: all */
	uint32_t *raw;	   /* unsmoothed scores, 0 where masked */
	uint32_t *down;	   /* smoothed over y */
	uint32_t *weights; /* sum of the weights that count at each cell, 0 where masked; NULL: all BINOMIAL_SUM squared */
	uint8_t *seen;	   /* cells already in a region */
	int32_t *queue;	   /* cells of the region being grown */
};

uint32_t assay__root_q8(int32_t d2)
{
	assert(d2 >= 0);
	uint64_t x = (uint64_t)d2 << 16;
	uint64_t root = (uint64_t)sqrt((double)x);
	while (root * root > x)
		root--;
	while ((root + 1) * (root + 1) <= x)
		root++;
	return (uint32_t)root;
}

static int clamp_to(int i, int count)
{
	return i < 0 ? 0 : i >= count ? count - 1 : i;
}

/* Sums without division; the masked are 0 in `from`. */
static void smooth_sums(int width, int height, const uint32_t *from, uint32_t *down, uint32_t *to)
{
	for (int y = 0; y < height; y++) {
		uint32_t *restrict row = down + (size_t)y * (size_t)width;
		memset(row, 0, sizeof(*row) * (size_t)width);
		for (int k = 0; k < 2 * RADIUS + 1; k++) {
			const uint32_t *restrict in = from + (size_t)clamp_to(y + k - RADIUS, height) * (size_t)width;
			for (int x = 0; x < width; x++)
				row[x] += binomial[k] * in[x];
		}
	}
	for (int y = 0; y < height; y++) {
		const uint32_t *row = down + (size_t)y * (size_t)width;
		uint32_t *out = to + (size_t)y * (size_t)width;
		for (int x = 0; x < width; x++) {
			uint32_t sum = 0;
			for (int k = 0; k < 2 * RADIUS + 1; k++)
				sum += binomial[k] * row[clamp_to(x + k - RADIUS, width)];
			out[x] = sum;
		}
	}
}

static int open_mask(struct assay__judge *j, const uint8_t *cells)
{
	int count = j->width * j->height;
	j->cells = assay__calloc(j->allocator, (size_t)count, sizeof(*j->cells));
	j->weights = assay__calloc(j->allocator, (size_t)count, sizeof(*j->weights));
	if (!j->cells || !j->weights)
		return ASSAY_E_NOMEM;
	j->live = 0;
	for (int i = 0; i < count; i++) {
		j->raw[i] = cells[i] != 0;
		if (cells[i])
			j->cells[j->live++] = i;
	}
	smooth_sums(j->width, j->height, j->raw, j->down, j->weights);
	for (int i = 0; i < count; i++) {
		if (!cells[i])
			j->weights[i] = 0;
		j->raw[i] = 0;
	}
	return 0;
}

int assay__judge_open(int grid_width, int grid_height, const uint8_t *cells, const struct assay_allocator *allocator,
					  struct assay__judge **out, struct assay_error *error)
{
	size_t count = (size_t)grid_width * (size_t)grid_height;
	struct assay__judge *j = assay__calloc(allocator, 1, sizeof(*j));
	if (!j)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the score map");
	*j = (struct assay__judge){.allocator = allocator, .width = grid_width, .height = grid_height, .live = (int)count};
	j->raw = assay__calloc(allocator, count, sizeof(*j->raw));
	j->down = assay__calloc(allocator, count, sizeof(*j->down));
	j->seen = assay__calloc(allocator, count, sizeof(*j->seen));
	j->queue = assay__calloc(allocator, count, sizeof(*j->queue));
	if (!j->raw || !j->down || !j->seen || !j->queue || (cells && open_mask(j, cells))) {
		assay__judge_close(j);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the score map");
	}
	*out = j;
	return 0;
}

void assay__judge_close(struct assay__judge *j)
{
	if (!j)
		return;
	const struct assay_allocator *allocator = j->allocator;
	assay__free(allocator, j->cells);
	assay__free(allocator, j->raw);
	assay__free(allocator, j->down);
	assay__free(allocator, j->weights);
	assay__free(allocator, j->seen);
	assay__free(allocator, j->queue);
	assay__free(allocator, j);
}

size_t assay__judge_bytes(const struct assay__judge *j)
{
	size_t count = (size_t)j->width * (size_t)j->height;
	return sizeof(*j) + count * (j->cells ? 21 : 13);
}

int assay__judge_live(const struct assay__judge *j)
{
	return j->live;
}

const int32_t *assay__judge_cells(const struct assay__judge *j)
{
	return j->live == j->width * j->height ? NULL : j->cells;
}

uint32_t assay__judge_map(struct assay__judge *j, const int32_t *d2, uint32_t *map)
{
	const int32_t *cells = assay__judge_cells(j);
	int count = j->width * j->height;
	for (int i = 0; i < j->live; i++)
		j->raw[cells ? cells[i] : i] = assay__root_q8(d2[i]);
	smooth_sums(j->width, j->height, j->raw, j->down, map);
	uint32_t largest = 0;
	for (int i = 0; i < count; i++) {
		const uint32_t all = BINOMIAL_SUM * BINOMIAL_SUM;
		if (!cells)
			map[i] = (map[i] + all / 2) / all;
		else
			map[i] = j->weights[i] ? (map[i] + j->weights[i] / 2) / j->weights[i] : 0;
		if (map[i] > largest)
			largest = map[i];
	}
	return largest;
}

struct growth {
	int x0, y0, x1, y1, cells, peak_at;
	uint64_t sum;
};

static struct growth grow(struct assay__judge *j, const uint32_t *map, uint32_t threshold, int start)
{
	int head = 0, tail = 0;
	struct growth g = {j->width, j->height, -1, -1, 0, start, 0};
	j->queue[tail++] = start;
	j->seen[start] = 1;
	while (head < tail) {
		int at = j->queue[head++], x = at % j->width, y = at / j->width;
		g.x0 = x < g.x0 ? x : g.x0;
		g.x1 = x > g.x1 ? x : g.x1;
		g.y0 = y < g.y0 ? y : g.y0;
		g.y1 = y > g.y1 ? y : g.y1;
		g.cells++;
		g.sum += map[at];
		if (map[at] > map[g.peak_at] || (map[at] == map[g.peak_at] && at < g.peak_at))
			g.peak_at = at;
		for (int ny = clamp_to(y - 1, j->height); ny <= clamp_to(y + 1, j->height); ny++)
			for (int nx = clamp_to(x - 1, j->width); nx <= clamp_to(x + 1, j->width); nx++) {
				int next = ny * j->width + nx;
				if (!j->seen[next] && map[next] > threshold) {
					j->seen[next] = 1;
					j->queue[tail++] = next;
				}
			}
	}
	return g;
}

static int scale_down(int64_t cell, int px, int cells)
{
	return (int)(cell * px / cells);
}

static struct assay_region describe(const struct assay__judge *j, const struct growth *g, const uint32_t *map,
									const struct assay_rect_px *area)
{
	struct assay_region r;
	int64_t grid = (int64_t)j->width * j->height;
	r.box.x = area->x + scale_down(g->x0, area->width, j->width);
	r.box.y = area->y + scale_down(g->y0, area->height, j->height);
	r.box.width = area->x + (int)(((int64_t)(g->x1 + 1) * area->width + j->width - 1) / j->width) - r.box.x;
	r.box.height = area->y + (int)(((int64_t)(g->y1 + 1) * area->height + j->height - 1) / j->height) - r.box.y;
	r.area_px = (int)(((int64_t)g->cells * area->width * area->height + grid / 2) / grid);
	r.peak_x_px = area->x + scale_down(2 * (int64_t)(g->peak_at % j->width) + 1, area->width, 2 * j->width);
	r.peak_y_px = area->y + scale_down(2 * (int64_t)(g->peak_at / j->width) + 1, area->height, 2 * j->height);
	r.peak_q8 = map[g->peak_at];
	r.mean_q8 = (uint32_t)((g->sum + (uint64_t)g->cells / 2) / (uint64_t)g->cells);
	return r;
}

int assay__judge_regions(struct assay__judge *j, const uint32_t *map, uint32_t threshold,
						 const struct assay_rect_px *area, struct assay_region regions[ASSAY_MAX_REGIONS], int *total)
{
	int kept = 0, peaks[ASSAY_MAX_REGIONS];
	*total = 0;
	memset(j->seen, 0, (size_t)j->width * (size_t)j->height);
	for (int i = 0; i < j->width * j->height; i++) {
		if (j->seen[i] || map[i] <= threshold)
			continue;
		struct growth g = grow(j, map, threshold, i);
		(*total)++;
		int at = kept;
		while (at > 0 && (regions[at - 1].peak_q8 < map[g.peak_at] ||
						  (regions[at - 1].peak_q8 == map[g.peak_at] && peaks[at - 1] > g.peak_at)))
			at--;
		if (at == ASSAY_MAX_REGIONS)
			continue;
		if (kept < ASSAY_MAX_REGIONS)
			kept++;
		memmove(&regions[at + 1], &regions[at], sizeof(*regions) * (size_t)(kept - at - 1));
		memmove(&peaks[at + 1], &peaks[at], sizeof(*peaks) * (size_t)(kept - at - 1));
		regions[at] = describe(j, &g, map, area);
		peaks[at] = g.peak_at;
	}
	return kept;
}
