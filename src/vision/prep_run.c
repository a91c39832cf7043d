/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resampling itself: down first, row by row; then across, where many rows lie beside each other so that every lane
 * of a vector does the same.
 */
#include <string.h>

#include "vision/prep_plan.h"

#define LANES ASSAY__PREP_LANES
#define TAPS_TOGETHER 4 /* weighed in registers, without sums in memory */
#define OUT_SHIFT (2 * ASSAY__PREP_WEIGHT_BITS - ASSAY__PREP_MID_SHIFT)
#define OUT_HALF (1u << (OUT_SHIFT - 1))
#define INLINE static inline __attribute__((always_inline))

static const uint8_t *row_in_place(const struct assay__prep *prep, const struct assay_image *image, int y)
{
	size_t pixel_bytes = (size_t)prep->shape.channels * (size_t)prep->shape.depth_bits / 8;
	return image->pixels + (size_t)(prep->geometry.area.y + y) * image->stride_bytes +
		   (size_t)prep->geometry.area.x * pixel_bytes;
}

static uint8_t *kept_row(const struct assay__prep *prep, int y)
{
	return prep->rows + (size_t)(y % prep->kept) * (size_t)prep->geometry.area.width * (size_t)prep->channels;
}

static void to_bytes(uint8_t *restrict to, const uint8_t *restrict from, const uint8_t *restrict narrow, int n)
{
	for (int i = 0; i < n; i++) {
		uint16_t v;
		memcpy(&v, from + 2 * (size_t)i, 2);
		to[i] = narrow[v];
	}
}

static void to_grey(uint8_t *restrict to, const uint8_t *restrict from, int width)
{
	for (int x = 0; x < width; x++)
		to[x] = (uint8_t)((77 * from[3 * x] + 150 * from[3 * x + 1] + 29 * from[3 * x + 2] + 128) >> 8);
}

/* One row of the area as 8-bit samples of the wanted channels, into its kept place. */
static void convert_row(struct assay__prep *prep, const struct assay_image *image, int y)
{
	const uint8_t *from = row_in_place(prep, image, y);
	int width = prep->geometry.area.width;
	if (prep->narrow) {
		uint8_t *bytes = prep->to_grey ? prep->colours : kept_row(prep, y);
		to_bytes(bytes, from, prep->narrow, width * prep->shape.channels);
		from = bytes;
	}
	if (prep->to_grey)
		to_grey(kept_row(prep, y), from, width);
}

/* 16-bit factors, which compilers turn into widening multiplies on any SIMD; `taps` is a constant at every call. */
INLINE int32_t weighed(const uint8_t *const *rows, const int16_t *weights, int taps, int i)
{
	int32_t sum = (int16_t)rows[0][i] * weights[0];
	if (taps > 1)
		sum += (int16_t)rows[1][i] * weights[1];
	if (taps > 2)
		sum += (int16_t)rows[2][i] * weights[2];
	if (taps > 3)
		sum += (int16_t)rows[3][i] * weights[3];
	return sum;
}

INLINE void weigh_rows(uint16_t *restrict line, const uint8_t *const *rows, const int16_t *weights, int taps, int n)
{
	const uint8_t *const r[TAPS_TOGETHER] = {rows[0], rows[1], rows[2], rows[3]};
	const int16_t w[TAPS_TOGETHER] = {weights[0], weights[1], weights[2], weights[3]};
	for (int i = 0; i < n; i++)
		line[i] = (uint16_t)((weighed(r, w, taps, i) + ASSAY__PREP_MID_HALF) >> ASSAY__PREP_MID_SHIFT);
}

static void add_rows(int32_t *restrict sums, const uint8_t *const *rows, const int16_t *weights, int n)
{
	const uint8_t *const r[TAPS_TOGETHER] = {rows[0], rows[1], rows[2], rows[3]};
	const int16_t w[TAPS_TOGETHER] = {weights[0], weights[1], weights[2], weights[3]};
	for (int i = 0; i < n; i++)
		sums[i] += weighed(r, w, TAPS_TOGETHER, i);
}

/* Taps t .. t + 3 of output row o; those that are not weigh nothing. */
static void gather(const struct assay__prep *prep, const struct assay_image *image, int o, int t,
				   const uint8_t *rows[TAPS_TOGETHER], int16_t weights[TAPS_TOGETHER])
{
	const struct assay__span *span = &prep->down.spans[o];
	for (int i = 0; i < TAPS_TOGETHER; i++) {
		bool tap = t + i < span->taps;
		int y = span->first + (tap ? t + i : t);
		rows[i] = prep->rows ? kept_row(prep, y) : row_in_place(prep, image, y);
		weights[i] = tap ? prep->down.weights[(size_t)o * (size_t)prep->down.pitch + (size_t)(t + i)] : 0;
	}
}

/* Output row o of the pass down, as 8.8. */
static void weigh_down(struct assay__prep *prep, const struct assay_image *image, int o, uint16_t *restrict line, int n)
{
	const int taps = prep->down.spans[o].taps;
	const uint8_t *rows[TAPS_TOGETHER];
	int16_t weights[TAPS_TOGETHER];
	int32_t *restrict sums = prep->sums;
	gather(prep, image, o, 0, rows, weights);
	if (taps == 1) {
		weigh_rows(line, rows, weights, 1, n);
	} else if (taps == 2) {
		weigh_rows(line, rows, weights, 2, n);
	} else if (taps == 3) {
		weigh_rows(line, rows, weights, 3, n);
	} else if (taps == 4) {
		weigh_rows(line, rows, weights, 4, n);
	} else {
		for (int i = 0; i < n; i++)
			sums[i] = ASSAY__PREP_MID_HALF;
		for (int t = 0; t < taps; t += TAPS_TOGETHER) {
			gather(prep, image, o, t, rows, weights);
			add_rows(sums, rows, weights, n);
		}
		for (int i = 0; i < n; i++)
			line[i] = (uint16_t)(sums[i] >> ASSAY__PREP_MID_SHIFT);
	}
}

/* Lines beside each other, so that the pass across is the same operation on every lane. */
static void interleave(const struct assay__prep *prep)
{
	uint16_t *restrict mid = prep->mid;
	const uint16_t *lines = prep->lines;
	size_t width = (size_t)prep->geometry.area.width, pitch = prep->line_pitch;
	if (prep->channels == 1) {
		for (size_t x = 0; x < width; x++)
			for (size_t lane = 0; lane < LANES; lane++)
				mid[x * LANES + lane] = lines[lane * pitch + x];
		return;
	}
	for (size_t x = 0; x < width; x++)
		for (size_t row = 0; row < LANES / 4; row++)
			memcpy(mid + x * LANES + 4 * row, lines + row * pitch + 3 * x, 8);
}

INLINE uint32_t weighed_across(const uint16_t *from, const uint16_t *weights, int taps, int lane)
{
	uint32_t sum = (uint32_t)from[lane] * weights[0];
	if (taps > 1)
		sum += (uint32_t)from[LANES + lane] * weights[1];
	if (taps > 2)
		sum += (uint32_t)from[2 * LANES + lane] * weights[2];
	if (taps > 3)
		sum += (uint32_t)from[3 * LANES + lane] * weights[3];
	return sum;
}

INLINE void weigh_lanes(uint8_t *restrict to, const uint16_t *restrict from, const int16_t *weights, int taps)
{
	uint16_t w[TAPS_TOGETHER];
	for (int t = 0; t < taps; t++)
		w[t] = (uint16_t)weights[t];
	for (int lane = 0; lane < LANES; lane++)
		to[lane] = (uint8_t)((weighed_across(from, w, taps, lane) + OUT_HALF) >> OUT_SHIFT);
}

static void weigh_many_lanes(uint8_t *restrict to, const uint16_t *restrict from, const int16_t *weights, int taps)
{
	uint32_t sums[LANES];
	int t = 0;
	for (int lane = 0; lane < LANES; lane++)
		sums[lane] = OUT_HALF;
	for (; t + TAPS_TOGETHER <= taps; t += TAPS_TOGETHER) {
		const uint16_t w[TAPS_TOGETHER] = {(uint16_t)weights[t], (uint16_t)weights[t + 1], (uint16_t)weights[t + 2],
										   (uint16_t)weights[t + 3]};
		for (int lane = 0; lane < LANES; lane++)
			sums[lane] += weighed_across(from + t * LANES, w, TAPS_TOGETHER, lane);
	}
	for (; t < taps; t++) {
		const uint16_t w = (uint16_t)weights[t];
		for (int lane = 0; lane < LANES; lane++)
			sums[lane] += (uint32_t)from[t * LANES + lane] * w;
	}
	for (int lane = 0; lane < LANES; lane++)
		to[lane] = (uint8_t)(sums[lane] >> OUT_SHIFT);
}

/* One column of outputs, in every lane. */
static void weigh_across(const struct assay__prep *prep, int o, uint8_t values[LANES])
{
	const int16_t *weights = prep->across.weights + (size_t)o * (size_t)prep->across.pitch;
	const uint16_t *from = prep->mid + (size_t)prep->across.spans[o].first * LANES;
	const int taps = prep->across.spans[o].taps;
	if (taps == 1)
		weigh_lanes(values, from, weights, 1);
	else if (taps == 2)
		weigh_lanes(values, from, weights, 2);
	else if (taps == 3)
		weigh_lanes(values, from, weights, 3);
	else if (taps == 4)
		weigh_lanes(values, from, weights, 4);
	else
		weigh_many_lanes(values, from, weights, taps);
}

static void shrink_across(const struct assay__prep *prep, uint8_t *pixels, size_t row_bytes, int rows)
{
	static const uint8_t spread_bytes[4] = {1, 1, 1, 0}, keep_bytes[4] = {255, 255, 255, 0};
	uint32_t spread, keep, pixel;
	uint8_t values[LANES];
	memcpy(&spread, spread_bytes, 4);
	memcpy(&keep, keep_bytes, 4);
	for (int o = 0; o < prep->across.out; o++) {
		uint8_t *to = pixels + 4 * (size_t)o;
		weigh_across(prep, o, values);
		for (int r = 0; r < rows; r++, to += row_bytes) {
			if (prep->channels == 1) {
				pixel = values[r] * spread;
			} else {
				memcpy(&pixel, values + 4 * r, 4);
				pixel &= keep;
			}
			memcpy(to, &pixel, 4);
		}
	}
}

static void copy_row(uint8_t *restrict to, const uint8_t *restrict from, int width, int channels)
{
	for (int x = 0; x < width; x++) {
		to[4 * x] = from[channels * x];
		to[4 * x + 1] = from[channels == 1 ? x : 3 * x + 1];
		to[4 * x + 2] = from[channels == 1 ? x : 3 * x + 2];
		to[4 * x + 3] = 0;
	}
}

static void copy(struct assay__prep *prep, const struct assay_image *image, uint8_t *pixels, size_t row_bytes)
{
	for (int y = 0; y < prep->geometry.height_px; y++) {
		if (prep->rows)
			convert_row(prep, image, y);
		const uint8_t *from = prep->rows ? kept_row(prep, y) : row_in_place(prep, image, y);
		if (prep->channels == 1)
			copy_row(pixels + (size_t)y * row_bytes, from, prep->geometry.width_px, 1);
		else
			copy_row(pixels + (size_t)y * row_bytes, from, prep->geometry.width_px, 3);
	}
}

void assay__prep_run(struct assay__prep *prep, const struct assay_image *image, uint8_t *pixels, size_t row_bytes)
{
	int n = prep->geometry.area.width * prep->channels, batch = prep->channels == 1 ? LANES : LANES / 4;
	int converted = 0;
	if (prep->same_size) {
		copy(prep, image, pixels, row_bytes);
		return;
	}
	for (int top = 0; top < prep->down.out; top += batch) {
		int rows = prep->down.out - top < batch ? prep->down.out - top : batch;
		for (int r = 0; r < rows; r++) {
			const struct assay__span *span = &prep->down.spans[top + r];
			for (; prep->rows && converted < span->first + span->taps; converted++)
				convert_row(prep, image, converted);
			weigh_down(prep, image, top + r, prep->lines + (size_t)r * prep->line_pitch, n);
		}
		interleave(prep);
		shrink_across(prep, pixels + (size_t)top * row_bytes, row_bytes, rows);
	}
}
