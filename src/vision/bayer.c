/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/bayer.h"

#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "vision/prep.h"

#define CHUNK_PX 256 /* even, so that every chunk of a row starts with the same colour */
#define REACH 2		 /* pixels that the filters look to every side */
#define ROWS (2 * REACH + 1)
#define INLINE static inline __attribute__((always_inline))

/* A chunk of five rows with what lies left and right of it, and what the four filters make of it. */
struct chunk {
	uint16_t rows[ROWS][CHUNK_PX + 2 * REACH];
	uint16_t same[CHUNK_PX];   /* the pixel itself */
	uint16_t cross[CHUNK_PX];  /* green at red or blue */
	uint16_t across[CHUNK_PX]; /* at green, the colour of the neighbours left and right */
	uint16_t down[CHUNK_PX];   /* at green, the colour of the neighbours above and below */
	uint16_t corner[CHUNK_PX]; /* red at blue, blue at red */
};

/* Mirrored at the first and the last, so that colours keep their places. */
static int mirror(int i, int count)
{
	if (count == 1)
		return 0;
	while (i < 0 || i >= count)
		i = i < 0 ? -i : 2 * (count - 1) - i;
	return i;
}

/* Places first .. end - 1 of a row of a chunk that starts at pixel x0, beyond the picture's edge. */
static void load_border(uint16_t *to, const uint8_t *row, int depth_bits, int x0, int first, int end, int width)
{
	for (int i = first; i < end; i++) {
		size_t x = (size_t)mirror(x0 + i - REACH, width);
		if (depth_bits == 8)
			to[i] = row[x];
		else
			memcpy(to + i, row + 2 * x, 2);
	}
}

static void load_row(uint16_t *restrict to, const uint8_t *restrict row, int depth_bits, int x0, int n, int width)
{
	int end = n + 2 * REACH, first = x0 < REACH ? REACH - x0 : 0;
	int last = width - x0 + REACH < end ? width - x0 + REACH : end;
	size_t from = (size_t)(x0 + first - REACH);
	if (depth_bits == 8)
		for (int i = 0; i < last - first; i++)
			to[first + i] = row[from + (size_t)i];
	else
		memcpy(to + first, row + 2 * from, 2 * (size_t)(last - first));
	load_border(to, row, depth_bits, x0, 0, first, width);
	load_border(to, row, depth_bits, x0, last, end, width);
}

INLINE uint16_t rounded(int32_t sixteenths, int32_t most)
{
	int32_t value = (sixteenths + 8) >> 4;
	value = value < 0 ? 0 : value;
	return (uint16_t)(value > most ? most : value);
}

/* Every filter at every pixel, though each pixel needs two or three: loops without a stride fill vectors. */
static void filter(struct chunk *restrict c, int n, int32_t most)
{
	const uint16_t *const top = c->rows[0] + REACH, *const above = c->rows[1] + REACH, *const here = c->rows[2] + REACH,
						  *const below = c->rows[3] + REACH, *const bottom = c->rows[4] + REACH;
	int32_t corners[CHUNK_PX], beside[CHUNK_PX], sides[CHUNK_PX], ends[CHUNK_PX];
	for (int i = 0; i < n; i++)
		corners[i] = above[i - 1] + above[i + 1] + below[i - 1] + below[i + 1];
	for (int i = 0; i < n; i++)
		beside[i] = here[i - 1] + here[i + 1];
	for (int i = 0; i < n; i++)
		sides[i] = here[i - 2] + here[i + 2];
	for (int i = 0; i < n; i++)
		ends[i] = top[i] + bottom[i];
	for (int i = 0; i < n; i++)
		c->same[i] = rounded(16 * here[i], most);
	for (int i = 0; i < n; i++)
		c->cross[i] = rounded(8 * here[i] + 4 * (above[i] + below[i] + beside[i]) - 2 * (sides[i] + ends[i]), most);
	for (int i = 0; i < n; i++)
		c->across[i] = rounded(10 * here[i] + 8 * beside[i] - 2 * (sides[i] + corners[i]) + ends[i], most);
	for (int i = 0; i < n; i++)
		c->down[i] = rounded(10 * here[i] + 8 * (above[i] + below[i]) - 2 * (ends[i] + corners[i]) + sides[i], most);
	for (int i = 0; i < n; i++)
		c->corner[i] = rounded(12 * here[i] + 4 * corners[i] - 3 * (sides[i] + ends[i]), most);
}

/* Channels of a pixel by parity of x: what the filters made. */
struct choice {
	const uint16_t *channel[2][3];
};

static struct choice choose(const struct chunk *c, enum assay__bayer order, int y)
{
	bool red_row = (order == ASSAY__BAYER_RGGB || order == ASSAY__BAYER_GRBG) == (y % 2 == 0);
	bool green_first = (order == ASSAY__BAYER_GRBG || order == ASSAY__BAYER_GBRG) == (y % 2 == 0);
	int colour = green_first ? 1 : 0; /* parity of the pixels that are not green */
	struct choice choice;
	choice.channel[colour][1] = c->cross;
	choice.channel[colour][red_row ? 0 : 2] = c->same;
	choice.channel[colour][red_row ? 2 : 0] = c->corner;
	choice.channel[!colour][1] = c->same;
	choice.channel[!colour][red_row ? 0 : 2] = c->across;
	choice.channel[!colour][red_row ? 2 : 0] = c->down;
	return choice;
}

INLINE void store_row(uint8_t *restrict to, const struct choice *choice, int depth_bits, int n)
{
	const struct choice c = *choice;
	for (int i = 0; i < n; i++)
		for (int channel = 0; channel < 3; channel++) {
			uint16_t value = c.channel[i & 1][channel][i];
			if (depth_bits == 8)
				to[3 * i + channel] = (uint8_t)value;
			else
				memcpy(to + 2 * (size_t)(3 * i + channel), &value, 2);
		}
}

int assay__bayer_to_rgb(const struct assay_image *mosaic, enum assay__bayer order, int bits, struct assay_image *rgb,
						struct assay_error *error)
{
	if (!assay__image_sane(mosaic) || mosaic->channels != 1 || (int)order < 0 || order > ASSAY__BAYER_BGGR)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "a mosaic has one channel and one of four orders of colours");
	if (!assay__image_sane(rgb) || rgb->channels != 3 || rgb->width_px != mosaic->width_px ||
		rgb->height_px != mosaic->height_px || rgb->depth_bits != mosaic->depth_bits || rgb->pixels == mosaic->pixels)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "a mosaic of %dx%d, %d-bit, needs an RGB picture of the same size and depth to go to",
						   mosaic->width_px, mosaic->height_px, mosaic->depth_bits);
	if (mosaic->depth_bits == 8 ? bits != 8 : bits < 9 || bits > 16)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "%d significant bits in %d-bit samples", bits,
						   mosaic->depth_bits);
	const int width = mosaic->width_px, height = mosaic->height_px;
	struct chunk chunk;
	for (int y = 0; y < height; y++) {
		const struct choice choice = choose(&chunk, order, y);
		uint8_t *to = rgb->pixels + (size_t)y * rgb->stride_bytes;
		for (int x = 0; x < width; x += CHUNK_PX) {
			int n = width - x < CHUNK_PX ? width - x : CHUNK_PX;
			for (int r = 0; r < ROWS; r++)
				load_row(chunk.rows[r], mosaic->pixels + (size_t)mirror(y + r - REACH, height) * mosaic->stride_bytes,
						 mosaic->depth_bits, x, n, width);
			filter(&chunk, n, (1 << bits) - 1);
			if (mosaic->depth_bits == 8)
				store_row(to + 3 * (size_t)x, &choice, 8, n);
			else
				store_row(to + 6 * (size_t)x, &choice, 16, n);
		}
	}
	return 0;
}

int assay__unpack_samples(const uint8_t *packed, size_t size_bytes, size_t row_bytes, int bits, struct assay_image *out,
						  struct assay_error *error)
{
	if ((bits != 10 && bits != 12) || !packed || !assay__image_sane(out) || out->channels != 1 || out->depth_bits != 16)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "samples of 10 or 12 bits go to a 16-bit grey picture");
	const size_t width = (size_t)out->width_px, need = (width * (size_t)bits + 7) / 8;
	const size_t height = (size_t)out->height_px;
	if (row_bytes < need || (height > 1 && row_bytes > (SIZE_MAX - need) / (height - 1)))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "rows of %zu bytes for %d samples of %d bits, which take %zu",
						   row_bytes, out->width_px, bits, need);
	if (size_bytes < (height - 1) * row_bytes + need)
		return assay__fail(error, ASSAY_E_FORMAT, (int64_t)size_bytes,
						   "%zu bytes of packed samples; %dx%d at %d bits needs %zu", size_bytes, out->width_px,
						   out->height_px, bits, (height - 1) * row_bytes + need);
	for (size_t y = 0; y < height; y++) {
		const uint8_t *from = packed + y * row_bytes;
		uint8_t *to = out->pixels + y * out->stride_bytes;
		for (size_t x = 0; x < width; x++) {
			/* no sample of 10 or 12 bits touches more than two bytes */
			size_t bit = x * (size_t)bits;
			uint32_t pair = from[bit / 8] | (uint32_t)from[bit / 8 + 1] << 8;
			uint16_t value = (uint16_t)(pair >> bit % 8 & ((1u << bits) - 1));
			memcpy(to + 2 * x, &value, 2);
		}
	}
	return 0;
}
