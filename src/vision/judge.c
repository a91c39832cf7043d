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
	int32_t *ends;	   /* of each row of that region: first and last column */
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
	j->ends = assay__calloc(allocator, 2 * (size_t)grid_height, sizeof(*j->ends));
	if (!j->raw || !j->down || !j->seen || !j->queue || !j->ends || (cells && open_mask(j, cells))) {
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
	assay__free(allocator, j->ends);
	assay__free(allocator, j);
}

size_t assay__judge_bytes(const struct assay__judge *j)
{
	size_t count = (size_t)j->width * (size_t)j->height;
	return sizeof(*j) + count * (j->cells ? 21 : 13) + 8 * (size_t)j->height;
}

int assay__judge_live(const struct assay__judge *j)
{
	return j->live;
}

const int32_t *assay__judge_cells(const struct assay__judge *j)
{
	return j->live == j->width * j->height ? NULL : j->cells;
}

bool assay__judge_inspects(const struct assay__judge *j, int cell)
{
	return !j->weights || j->weights[cell];
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
	int worst_at; /* largest score over threshold */
	uint64_t sum;
};

uint32_t assay__zone_threshold(const struct assay__zone *zone, uint32_t threshold)
{
	uint64_t t = (uint64_t)threshold * zone->weight_q8 >> 8;
	return t > UINT32_MAX ? UINT32_MAX : (uint32_t)t;
}

static uint32_t threshold_at(const struct assay__tolerance *tolerance, uint32_t threshold, int at)
{
	return tolerance ? assay__zone_threshold(&tolerance->zones[tolerance->cells[at]], threshold) : threshold;
}

static uint32_t weight_at(const struct assay__tolerance *tolerance, int at)
{
	return tolerance ? tolerance->zones[tolerance->cells[at]].weight_q8 : 256;
}

/* Whether the score at a is larger in its zone than that at b; the earlier cell if they are equal. */
static bool worse(const uint32_t *map, const struct assay__tolerance *tolerance, int a, int b)
{
	uint64_t x = (uint64_t)map[a] * weight_at(tolerance, b), y = (uint64_t)map[b] * weight_at(tolerance, a);
	return x > y || (x == y && a < b);
}

/* Leaves the first and last columns of the region's rows in j->ends. */
static struct growth grow(struct assay__judge *j, const uint32_t *map, uint32_t threshold,
						  const struct assay__tolerance *tolerance, int start)
{
	int head = 0, tail = 0;
	struct growth g = {j->width, j->height, -1, -1, 0, start, start, 0};
	j->queue[tail++] = start;
	j->seen[start] = 1;
	for (int y = 0; y < j->height; y++) {
		j->ends[2 * y] = j->width;
		j->ends[2 * y + 1] = -1;
	}
	while (head < tail) {
		int at = j->queue[head++], x = at % j->width, y = at / j->width;
		g.x0 = x < g.x0 ? x : g.x0;
		g.x1 = x > g.x1 ? x : g.x1;
		g.y0 = y < g.y0 ? y : g.y0;
		g.y1 = y > g.y1 ? y : g.y1;
		j->ends[2 * y] = x < j->ends[2 * y] ? x : j->ends[2 * y];
		j->ends[2 * y + 1] = x > j->ends[2 * y + 1] ? x : j->ends[2 * y + 1];
		g.cells++;
		g.sum += map[at];
		if (map[at] > map[g.peak_at] || (map[at] == map[g.peak_at] && at < g.peak_at))
			g.peak_at = at;
		if (worse(map, tolerance, at, g.worst_at))
			g.worst_at = at;
		for (int ny = clamp_to(y - 1, j->height); ny <= clamp_to(y + 1, j->height); ny++)
			for (int nx = clamp_to(x - 1, j->width); nx <= clamp_to(x + 1, j->width); nx++) {
				int next = ny * j->width + nx;
				if (!j->seen[next] && map[next] > threshold_at(tolerance, threshold, next)) {
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

/* The farthest two corners of cells are ends of rows; distances in 1/16 px. */
static int length_px(const struct assay__judge *j, const struct growth *g, const struct assay_rect_px *area)
{
	int64_t longest = 0;
	for (int a = g->y0; a <= g->y1; a++)
		for (int b = a; b <= g->y1; b++) {
			int64_t right = (int64_t)j->ends[2 * b + 1] + 1 - j->ends[2 * a];
			int64_t left = (int64_t)j->ends[2 * a + 1] + 1 - j->ends[2 * b];
			int64_t dx = (right > left ? right : left) * area->width * 16 / j->width;
			int64_t dy = (int64_t)(b - a + 1) * area->height * 16 / j->height;
			if (dx * dx + dy * dy > longest)
				longest = dx * dx + dy * dy;
		}
	int64_t root = (int64_t)sqrt((double)longest);
	while (root * root > longest)
		root--;
	while ((root + 1) * (root + 1) <= longest)
		root++;
	return (int)((root + 8) / 16);
}

static struct assay_region describe(const struct assay__judge *j, const struct growth *g, const uint32_t *map,
									const struct assay_rect_px *area, const struct assay__tolerance *tolerance)
{
	struct assay_region r = {.counts = true};
	int64_t grid = (int64_t)j->width * j->height;
	r.box.x = area->x + scale_down(g->x0, area->width, j->width);
	r.box.y = area->y + scale_down(g->y0, area->height, j->height);
	r.box.width = area->x + (int)(((int64_t)(g->x1 + 1) * area->width + j->width - 1) / j->width) - r.box.x;
	r.box.height = area->y + (int)(((int64_t)(g->y1 + 1) * area->height + j->height - 1) / j->height) - r.box.y;
	r.area_px = (int)(((int64_t)g->cells * area->width * area->height + grid / 2) / grid);
	r.length_px = length_px(j, g, area);
	r.peak_x_px = area->x + scale_down(2 * (int64_t)(g->peak_at % j->width) + 1, area->width, 2 * j->width);
	r.peak_y_px = area->y + scale_down(2 * (int64_t)(g->peak_at / j->width) + 1, area->height, 2 * j->height);
	r.peak_q8 = map[g->peak_at];
	r.mean_q8 = (uint32_t)((g->sum + (uint64_t)g->cells / 2) / (uint64_t)g->cells);
	if (tolerance) {
		const struct assay__zone *zone = &tolerance->zones[tolerance->cells[g->worst_at]];
		r.zone = zone->name;
		r.counts = r.area_px >= zone->least_area_px && r.length_px >= zone->least_length_px;
	}
	return r;
}

/* Whether region a comes before region b. */
static bool before(const struct assay_region *a, int peak_a, const struct assay_region *b, int peak_b)
{
	if (a->counts != b->counts)
		return a->counts;
	return a->peak_q8 > b->peak_q8 || (a->peak_q8 == b->peak_q8 && peak_a < peak_b);
}

int assay__judge_regions(struct assay__judge *j, const uint32_t *map, uint32_t threshold,
						 const struct assay_rect_px *area, const struct assay__tolerance *tolerance,
						 struct assay_region regions[ASSAY_MAX_REGIONS], int *total, int *counted)
{
	int kept = 0, peaks[ASSAY_MAX_REGIONS];
	*total = *counted = 0;
	memset(j->seen, 0, (size_t)j->width * (size_t)j->height);
	for (int i = 0; i < j->width * j->height; i++) {
		if (j->seen[i] || map[i] <= threshold_at(tolerance, threshold, i))
			continue;
		struct growth g = grow(j, map, threshold, tolerance, i);
		struct assay_region region = describe(j, &g, map, area, tolerance);
		(*total)++;
		*counted += region.counts;
		int at = kept;
		while (at > 0 && before(&region, g.peak_at, &regions[at - 1], peaks[at - 1]))
			at--;
		if (at == ASSAY_MAX_REGIONS)
			continue;
		if (kept < ASSAY_MAX_REGIONS)
			kept++;
		memmove(&regions[at + 1], &regions[at], sizeof(*regions) * (size_t)(kept - at - 1));
		memmove(&peaks[at + 1], &peaks[at], sizeof(*peaks) * (size_t)(kept - at - 1));
		regions[at] = region;
		peaks[at] = g.peak_at;
	}
	return kept;
}
