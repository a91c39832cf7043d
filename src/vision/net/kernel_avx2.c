/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AVX2. Both operands are widened to s16 and multiplied by vpmaddwd, whose sums of two products cannot overflow:
 * vpmaddubsw would be faster, but it saturates. A tile is 4 neighbouring pixels by 16 (or 8) channels.
 *
 * Packed weights: for each group of channels, for each ky, for each two bytes of the window's row of
 * kernel * pixel_bytes: s16 [lanes][2], zero where a channel or an input does not exist.
 * Scratch: the window's rows of the input, widened once for all tiles of an output row.
 */
#include <immintrin.h>
#include <string.h>

#include "vision/net/kernel.h"
#include "vision/net/ops.h"

#define INLINE static inline __attribute__((always_inline))
#define TILE 4

/* Where a tile reads and writes. */
struct tile {
	const struct assay__conv *conv;
	const int16_t *x; /* first value of the first pixel's window */
	const int16_t *w;
	const int32_t *bias;
	const float *mult;
	size_t step, row, steps; /* in values: between pixels, between rows of the window; and pairs in a row of it */
	uint8_t *dst;
	const uint8_t *residual;
	size_t pixel_bytes;
	int pixels, channels; /* to store */
};

static bool available(void)
{
	return __builtin_cpu_supports("avx2"); /* looks at XCR0 too: the operating system must save the registers */
}

static int group_lanes(int left)
{
	return left > 8 ? 16 : 8;
}

/* Values in a row of the window. */
static size_t row_values(const struct assay__conv *conv)
{
	return (size_t)(conv->kernel * assay__pixel_bytes(conv->cin));
}

static size_t packed_bytes(const struct assay__conv *conv)
{
	size_t lanes = ((size_t)conv->cout + 7) / 8 * 8;
	return lanes * (size_t)conv->kernel * row_values(conv) * sizeof(int16_t);
}

static void pack(const struct assay__conv *conv, const int8_t *weights, void *packed)
{
	const int pixel = assay__pixel_bytes(conv->cin), window = conv->kernel * conv->kernel;
	int16_t *out = packed;

	for (int c0 = 0, lanes; c0 < conv->cout; c0 += lanes) {
		lanes = group_lanes(conv->cout - c0);
		for (int tap = 0; tap < window; tap++)
			for (int i0 = 0; i0 < pixel; i0 += 2)
				for (int lane = 0; lane < lanes; lane++)
					for (int i = i0; i < i0 + 2; i++) {
						size_t c = (size_t)(c0 + lane);
						bool there = c0 + lane < conv->cout && i < conv->cin;
						*out++ =
							there ? weights[(c * (size_t)window + (size_t)tap) * (size_t)conv->cin + (size_t)i] : 0;
					}
	}
}

/* Values in a widened row: the pixels under whole tiles, in whole vectors of 16. */
static size_t scratch_row(const struct assay__conv *conv, int width)
{
	const size_t past = conv->kernel > 3 ? (size_t)conv->kernel - 1 : 2;
	size_t pixels = ((size_t)width + TILE - 1) / TILE * TILE * (size_t)conv->stride + past;
	return (pixels * (size_t)assay__pixel_bytes(conv->cin) + 15) & ~(size_t)15;
}

static size_t scratch_bytes(const struct assay__conv *conv, int width)
{
	return (size_t)conv->kernel * scratch_row(conv, width) * sizeof(int16_t);
}

static void widen(const struct assay__conv *conv, const uint8_t *src, size_t row_bytes, int width, int16_t *out)
{
	const size_t values = scratch_row(conv, width);

	for (int ky = 0; ky < conv->kernel; ky++, src += row_bytes)
		for (size_t i = 0; i < values; i += 16, out += 16) {
			__m128i x = _mm_loadu_si128((const void *)(src + i));
			_mm256_store_si256((void *)out, _mm256_cvtepu8_epi16(x));
		}
}

/* Eight channels of a pixel to s32 around zero, not yet clamped: net.h keeps them far from overflow. */
INLINE __m256i requantise(__m256i acc, const struct tile *t, int pixel, int block)
{
	__m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_loadu_ps(t->mult + block * 8));

	if (t->residual) {
		const uint8_t *at = t->residual + (size_t)pixel * t->pixel_bytes + block * 8;
		__m256i r = _mm256_sub_epi32(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)at)),
									 _mm256_set1_epi32(t->conv->residual_zero_point));
		v = _mm256_add_ps(v, _mm256_mul_ps(_mm256_cvtepi32_ps(r), _mm256_set1_ps(t->conv->residual_mult)));
	}
	return _mm256_cvtps_epi32(v);
}

/* Saturating packs clamp as net.h does: 0 <= lo and hi <= 255. */
INLINE void store(const struct tile *t, __m256i a, __m256i b, int pixel)
{
	const struct assay__conv *conv = t->conv;
	uint8_t *dst = t->dst + (size_t)pixel * t->pixel_bytes;
	/* A pack works within 128 bits, so the middle quarters are swapped back. */
	__m256i wide = _mm256_permute4x64_epi64(_mm256_packs_epi32(a, b), 0xd8);

	wide = _mm256_adds_epi16(wide, _mm256_set1_epi16((short)conv->zero_point));
	__m128i y = _mm_packus_epi16(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
	y = _mm_max_epu8(y, _mm_set1_epi8((char)conv->lo));
	y = _mm_min_epu8(y, _mm_set1_epi8((char)conv->hi));
	if (t->channels == 16) {
		_mm_storeu_si128((void *)dst, y);
	} else {
		uint8_t bytes[16];
		_mm_storeu_si128((void *)bytes, y);
		memcpy(dst, bytes, (size_t)t->channels);
	}
}

INLINE void run_tile(const struct tile *t, int blocks)
{
	__m256i acc[TILE][2];
	const int16_t *w = t->w;

	for (int p = 0; p < TILE; p++)
		for (int b = 0; b < blocks; b++)
			acc[p][b] = _mm256_loadu_si256((const void *)(t->bias + b * 8));
	for (int ky = 0; ky < t->conv->kernel; ky++) {
		const int16_t *x = t->x + (size_t)ky * t->row;
		for (size_t s = 0; s < t->steps; s++, x += 2, w += blocks * 16)
			for (int p = 0; p < TILE; p++) {
				int32_t pair;
				memcpy(&pair, x + (size_t)p * t->step, sizeof(pair));
				for (int b = 0; b < blocks; b++) {
					__m256i products =
						_mm256_madd_epi16(_mm256_set1_epi32(pair), _mm256_loadu_si256((const void *)(w + b * 16)));
					acc[p][b] = _mm256_add_epi32(acc[p][b], products);
				}
			}
	}
	for (int p = 0; p < TILE && p < t->pixels; p++) {
		__m256i a = requantise(acc[p][0], t, p, 0);
		store(t, a, blocks == 2 ? requantise(acc[p][1], t, p, 1) : a, p);
	}
}

static void run_tile_16(const struct tile *t)
{
	run_tile(t, 2);
}

static void run_tile_8(const struct tile *t)
{
	run_tile(t, 1);
}

static void run_row(const struct assay__conv *conv, const struct assay__conv_io *io, int y, struct tile *t)
{
	const int16_t *scratch = io->scratch;

	t->w = conv->packed;
	for (int c0 = 0, lanes; c0 < conv->cout; c0 += lanes) {
		lanes = group_lanes(conv->cout - c0);
		t->channels = conv->cout - c0 < lanes ? conv->cout - c0 : lanes;
		t->bias = conv->bias + c0;
		t->mult = conv->mult + c0;
		for (int x = 0; x < io->width; x += TILE) {
			size_t at = (size_t)x * t->pixel_bytes + (size_t)c0;
			t->x = scratch + (size_t)x * t->step;
			t->dst = io->dst + (size_t)y * io->dst_row_bytes + at;
			t->residual = io->residual ? io->residual + (size_t)y * io->residual_row_bytes + at : NULL;
			t->pixels = io->width - x < TILE ? io->width - x : TILE;
			(lanes == 16 ? run_tile_16 : run_tile_8)(t);
		}
		t->w += (size_t)lanes * (size_t)conv->kernel * row_values(conv);
	}
}

static void run(const struct assay__conv *conv, const struct assay__conv_io *io)
{
	struct tile t = {
		.conv = conv,
		.step = (size_t)(conv->stride * assay__pixel_bytes(conv->cin)),
		.row = scratch_row(conv, io->width),
		.steps = row_values(conv) / 2,
		.pixel_bytes = (size_t)assay__pixel_bytes(conv->cout),
	};

	for (int y = 0; y < io->height; y++) {
		widen(conv, io->src + (size_t)(y * conv->stride) * io->src_row_bytes, io->src_row_bytes, io->width,
			  io->scratch);
		run_row(conv, io, y, &t);
	}
}

const struct assay__kernels assay__kernels_avx2 = {
	.isa = ASSAY_ISA_AVX2,
	.available = available,
	.packed_bytes = packed_bytes,
	.pack = pack,
	.scratch_bytes = scratch_bytes,
	.run = run,
	.run_other = run_other,
};
