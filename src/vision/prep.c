/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/prep.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "vision/prep_plan.h"

#define WORKING_MIN_PX 64

struct assay__shape assay__shape_of(const struct assay_image *image)
{
	return (struct assay__shape){image->width_px, image->height_px, image->channels, image->depth_bits};
}

bool assay__shape_equal(const struct assay__shape *a, const struct assay__shape *b)
{
	return a->width_px == b->width_px && a->height_px == b->height_px && a->channels == b->channels &&
		   a->depth_bits == b->depth_bits;
}

const char *assay__shape_text(const struct assay__shape *shape, char text[64])
{
	snprintf(text, 64, "%dx%d %s %d-bit", shape->width_px, shape->height_px, shape->channels == 1 ? "grey" : "RGB",
			 shape->depth_bits);
	return text;
}

bool assay__image_sane(const struct assay_image *image)
{
	if (!image->pixels || image->width_px < 1 || image->height_px < 1 || image->width_px > ASSAY_IMAGE_MAX_SIDE_PX ||
		image->height_px > ASSAY_IMAGE_MAX_SIDE_PX)
		return false;
	if ((image->channels != 1 && image->channels != 3) || (image->depth_bits != 8 && image->depth_bits != 16))
		return false;
	return image->stride_bytes >= (size_t)image->width_px * image->channels * (image->depth_bits / 8);
}

static int to_multiple(int64_t numerator, int64_t denominator, int align)
{
	int64_t step = denominator * align;
	int64_t rounded = (2 * numerator + step) / (2 * step) * align;
	int least = (WORKING_MIN_PX + align - 1) / align * align;
	return rounded < least ? least : (int)rounded;
}

int assay__prep_geometry(const struct assay__view *view, int working_px, const struct assay__shape *shape, int align,
						 struct assay__geometry *out, struct assay_error *error)
{
	struct assay_rect_px area = view->roi;
	if (area.width == 0)
		area = (struct assay_rect_px){0, 0, shape->width_px, shape->height_px};
	if (area.x < 0 || area.y < 0 || area.width < 1 || area.height < 1 || area.width > shape->width_px ||
		area.height > shape->height_px || area.x > shape->width_px - area.width ||
		area.y > shape->height_px - area.height)
		return assay__fail(error, ASSAY_E_MISMATCH, -1,
						   "the region of interest %dx%d at %d,%d does not lie inside a picture of %dx%d", area.width,
						   area.height, area.x, area.y, shape->width_px, shape->height_px);
	int short_px = area.width < area.height ? area.width : area.height;
	int long_px = area.width < area.height ? area.height : area.width;
	if (long_px > ASSAY__ASPECT_MAX * (int64_t)short_px)
		return assay__fail(error, ASSAY_E_MISMATCH, -1,
						   "%dx%d is longer than %d:1; choose a region of interest that is less long", area.width,
						   area.height, ASSAY__ASPECT_MAX);
	struct assay__geometry g = {.area = area};
	g.width_px = to_multiple((int64_t)area.width * working_px, short_px, align);
	g.height_px = to_multiple((int64_t)area.height * working_px, short_px, align);
	if (g.width_px > ASSAY__WORKING_MAX_PX || g.height_px > ASSAY__WORKING_MAX_PX)
		return assay__fail(error, ASSAY_E_MISMATCH, -1,
						   "%dx%d becomes %dx%d at a working size of %d px; the long side may be %d at most: choose a "
						   "smaller working size",
						   area.width, area.height, g.width_px, g.height_px, working_px, ASSAY__WORKING_MAX_PX);
	g.grid_width = g.width_px / ASSAY__CELL_PX;
	g.grid_height = g.height_px / ASSAY__CELL_PX;
	*out = g;
	return 0;
}

/* The rounding remainder goes to the largest tap, so that the weights of every output sum to exactly one. */
static void fill_span(struct assay__span *span, int16_t *weights, double *exact, int o, int in, double ratio,
					  double stretch)
{
	double centre = (o + 0.5) * ratio;
	int lo = (int)(centre - stretch + 0.5), hi = (int)(centre + stretch + 0.5);
	if (lo < 0)
		lo = 0;
	if (hi > in)
		hi = in;
	double total = 0;
	for (int i = lo; i < hi; i++) {
		double w = 1.0 - fabs((i + 0.5 - centre) / stretch);
		exact[i - lo] = w > 0 ? w : 0;
		total += exact[i - lo];
	}
	int sum = 0, largest = 0, first = hi - lo, last = -1;
	for (int i = 0; i < hi - lo; i++) {
		int w = (int)(exact[i] / total * ASSAY__PREP_WEIGHT_ONE + 0.5);
		weights[i] = (int16_t)w;
		sum += w;
		if (w > weights[largest])
			largest = i;
		if (w > 0 && first > i)
			first = i;
		if (w > 0)
			last = i;
	}
	weights[largest] = (int16_t)(weights[largest] + ASSAY__PREP_WEIGHT_ONE - sum);
	assert(last >= first && weights[largest] > 0);
	memmove(weights, weights + first, sizeof(*weights) * (size_t)(last - first + 1));
	*span = (struct assay__span){lo + first, last - first + 1};
}

static int axis_open(struct assay__axis *axis, int in, int out, const struct assay_allocator *allocator, size_t *bytes)
{
	double ratio = (double)in / out, stretch = ratio > 1 ? ratio : 1;
	int pitch = 2 * (int)ceil(stretch) + 2;
	double *exact = assay__calloc(allocator, (size_t)pitch, sizeof(*exact));
	axis->spans = assay__calloc(allocator, (size_t)out, sizeof(*axis->spans));
	axis->weights = assay__calloc(allocator, (size_t)out * (size_t)pitch, sizeof(*axis->weights));
	if (exact && axis->spans && axis->weights) {
		axis->out = out;
		axis->pitch = pitch;
		for (int o = 0; o < out; o++)
			fill_span(&axis->spans[o], axis->weights + (size_t)o * pitch, exact, o, in, ratio, stretch);
	}
	*bytes += (size_t)out * (sizeof(*axis->spans) + (size_t)pitch * sizeof(*axis->weights));
	assay__free(allocator, exact);
	return axis->out ? 0 : ASSAY_E_NOMEM;
}

static void fill_narrow(uint8_t *narrow, int white)
{
	for (int v = 0; v < 65536; v++) {
		int to = (v * 255 + white / 2) / white;
		narrow[v] = (uint8_t)(to > 255 ? 255 : to);
	}
}

/* How many rows must be kept so that none is converted twice. */
static int rows_alive(const struct assay__axis *axis)
{
	int most = 1, end = 0;
	for (int o = 0; o < axis->out; o++) {
		const struct assay__span *span = &axis->spans[o];
		if (span->first + span->taps > end)
			end = span->first + span->taps;
		if (end - span->first > most)
			most = end - span->first;
	}
	return most;
}

static void *take(struct assay__prep *prep, size_t count, size_t size_bytes)
{
	prep->bytes += count * size_bytes;
	return assay__calloc(prep->allocator, count, size_bytes);
}

static int reserve(struct assay__prep *prep, const struct assay__view *view)
{
	const struct assay__geometry *g = &prep->geometry;
	const struct assay_allocator *allocator = prep->allocator;
	size_t width = (size_t)g->area.width, samples = width * (size_t)prep->channels;
	bool wide = prep->shape.depth_bits == 16;

	prep->kept = 1;
	if (!prep->same_size) {
		if (axis_open(&prep->across, g->area.width, g->width_px, allocator, &prep->bytes) ||
			axis_open(&prep->down, g->area.height, g->height_px, allocator, &prep->bytes))
			return ASSAY_E_NOMEM;
		prep->kept = rows_alive(&prep->down);
		prep->line_pitch = samples + 1; /* three samples are copied as four */
		if (!(prep->sums = take(prep, samples, sizeof(*prep->sums))) ||
			!(prep->lines = take(prep, prep->line_pitch * ASSAY__PREP_LANES, sizeof(*prep->lines))) ||
			!(prep->mid = take(prep, width * ASSAY__PREP_LANES, sizeof(*prep->mid))))
			return ASSAY_E_NOMEM;
	}
	if (wide) {
		if (!(prep->narrow = take(prep, 65536, 1)))
			return ASSAY_E_NOMEM;
		fill_narrow(prep->narrow, view->white_level);
	}
	if (wide && prep->to_grey && !(prep->colours = take(prep, width, 3)))
		return ASSAY_E_NOMEM;
	if ((wide || prep->to_grey) && !(prep->rows = take(prep, samples, (size_t)prep->kept)))
		return ASSAY_E_NOMEM;
	return 0;
}

int assay__prep_open(const struct assay__view *view, const struct assay__shape *shape,
					 const struct assay__geometry *geometry, const struct assay_allocator *allocator,
					 struct assay__prep **out, struct assay_error *error)
{
	struct assay__prep *prep = assay__calloc(allocator, 1, sizeof(*prep));
	if (!prep)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to plan the resampling");
	prep->allocator = allocator;
	prep->shape = *shape;
	prep->geometry = *geometry;
	prep->to_grey = view->grey && shape->channels == 3;
	prep->same_size = geometry->width_px == geometry->area.width && geometry->height_px == geometry->area.height;
	prep->channels = prep->to_grey ? 1 : shape->channels;
	prep->bytes = sizeof(*prep);
	if (reserve(prep, view)) {
		assay__prep_close(prep);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory to plan the resampling of %dx%d", shape->width_px,
						   shape->height_px);
	}
	*out = prep;
	return 0;
}

static void axis_close(struct assay__axis *axis, const struct assay_allocator *allocator)
{
	assay__free(allocator, axis->spans);
	assay__free(allocator, axis->weights);
}

void assay__prep_close(struct assay__prep *prep)
{
	if (!prep)
		return;
	const struct assay_allocator *allocator = prep->allocator;
	axis_close(&prep->across, allocator);
	axis_close(&prep->down, allocator);
	assay__free(allocator, prep->narrow);
	assay__free(allocator, prep->colours);
	assay__free(allocator, prep->rows);
	assay__free(allocator, prep->sums);
	assay__free(allocator, prep->lines);
	assay__free(allocator, prep->mid);
	assay__free(allocator, prep);
}

size_t assay__prep_bytes(const struct assay__prep *prep)
{
	return prep->bytes;
}

/* Length of the part of cell c (of `cells` over `px` pixels) that pixel x covers, in units of 1 / cells of a pixel. */
static int64_t overlap(int c, int x, int px, int cells)
{
	int64_t lo = (int64_t)c * px, hi = lo + px, from = (int64_t)x * cells, to = from + cells;
	return (hi < to ? hi : to) - (lo > from ? lo : from);
}

static bool pixel_set(const struct assay_image *mask, int x, int y)
{
	size_t pixel_bytes = (size_t)mask->channels * (size_t)mask->depth_bits / 8;
	const uint8_t *at = mask->pixels + (size_t)y * mask->stride_bytes + (size_t)x * pixel_bytes;
	uint8_t any = 0;
	for (size_t i = 0; i < pixel_bytes; i++)
		any |= at[i];
	return any != 0;
}

int assay__prep_mask(const struct assay_image *mask, const struct assay__geometry *geometry, uint8_t *cells)
{
	const struct assay_rect_px *area = &geometry->area;
	int gw = geometry->grid_width, gh = geometry->grid_height, inspected = 0;
	for (int cy = 0; cy < gh; cy++) {
		int y0 = (int)((int64_t)cy * area->height / gh), y1 = (int)(((int64_t)(cy + 1) * area->height + gh - 1) / gh);
		for (int cx = 0; cx < gw; cx++) {
			int x0 = (int)((int64_t)cx * area->width / gw), x1 = (int)(((int64_t)(cx + 1) * area->width + gw - 1) / gw);
			int64_t set = 0;
			for (int y = y0; y < y1; y++)
				for (int x = x0; x < x1; x++)
					if (pixel_set(mask, area->x + x, area->y + y))
						set += overlap(cx, x, area->width, gw) * overlap(cy, y, area->height, gh);
			cells[(size_t)cy * gw + cx] = 2 * set >= (int64_t)area->width * area->height;
			inspected += cells[(size_t)cy * gw + cx];
		}
	}
	return inspected;
}
