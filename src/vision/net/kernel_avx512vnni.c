/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AVX-512 VNNI. A tile is 8 (or 4) neighbouring pixels by up to 48 channels, held in up to 24 registers while the whole
 * window runs by, four input bytes a step: one vpbroadcastd for each pixel, one load for each 16 channels, and a
 * vpdpbusd for each pair. The loop is written in assembly because compilers spill the accumulators.
 */
#include <immintrin.h>
#include <string.h>

#include "vision/net/kernel.h"
#include "vision/net/ops.h"
#include "vision/net/vnni.h"

#define INLINE static inline __attribute__((always_inline))

/* Where a tile's results go. */
struct target {
	const struct assay__conv *conv;
	uint8_t *dst;			 /* the group's first channel of the first pixel */
	const uint8_t *residual; /* likewise */
	const float *mult;
	size_t pixel_bytes;
	__mmask64 bytes; /* of a pixel to store */
	int pixels;		 /* to store, at most those of the tile */
	bool plain;		 /* zero point 0, full range, no residual, all pixels */
};

static bool available(void)
{
	/* These look at XCR0 too: the operating system must save the registers. */
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		   __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}

/* How many of the `left` channels the next group takes; 24 uses one whole and one half register. */
static int group_lanes(int left)
{
	return left > 64 ? 48 : left > 48 ? 32 : left > 32 ? 48 : left > 24 ? 32 : left > 16 ? 24 : 16;
}

/* Requantises 16 channels of a pixel to s32 around zero, not yet clamped: net.h keeps them far from overflow. */
INLINE __m512i requantise(__m512i acc, const struct target *to, int pixel, int block, bool plain)
{
	__m512 t = _mm512_mul_ps(_mm512_cvtepi32_ps(acc), _mm512_loadu_ps(to->mult + block * 16));

	if (!plain && to->conv->has_residual) {
		const uint8_t *at = to->residual + (size_t)pixel * to->pixel_bytes + block * 16;
		__m512i r = _mm512_sub_epi32(_mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)at)),
									 _mm512_set1_epi32(to->conv->residual_zero_point));
		t = _mm512_add_ps(t, _mm512_mul_ps(_mm512_cvtepi32_ps(r), _mm512_set1_ps(to->conv->residual_mult)));
	}
	return _mm512_cvtps_epi32(t);
}

/* Three blocks of 16 channels to 48 bytes, by saturating packs, which clamp as net.h does: 0 <= lo and hi <= 255. */
INLINE __m512i narrow(__m512i a, __m512i b, __m512i c, const struct target *to, bool plain)
{
	/* A pack works within 128 bits, so that dword 4 i + j holds channels 16 j + 4 i and on. */
	const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
	__m512i ab = _mm512_packs_epi32(a, b), cc = _mm512_packs_epi32(c, c);

	if (!plain) {
		const __m512i zero_point = _mm512_set1_epi16((short)to->conv->zero_point);
		ab = _mm512_adds_epi16(ab, zero_point);
		cc = _mm512_adds_epi16(cc, zero_point);
	}
	__m512i y = _mm512_packus_epi16(ab, cc);
	if (!plain) {
		y = _mm512_max_epu8(y, _mm512_set1_epi8((char)to->conv->lo));
		y = _mm512_min_epu8(y, _mm512_set1_epi8((char)to->conv->hi));
	}
	return _mm512_permutexvar_epi32(order, y);
}

/* a, b, c: accumulators of the three blocks, each a pixel after the other; b and c NULL where there is none. */
INLINE void finish_as(const struct target *to, const __m512i *a, const __m512i *b, const __m512i *c, int pixels,
					  bool plain)
{
#pragma GCC unroll 8
	for (int p = 0; p < pixels; p++) {
		if (!plain && p >= to->pixels)
			break;
		__m512i va = requantise(a[p], to, p, 0, plain);
		__m512i vb = b ? requantise(b[p], to, p, 1, plain) : va;
		__m512i vc = c ? requantise(c[p], to, p, 2, plain) : vb;
		_mm512_mask_storeu_epi8(to->dst + (size_t)p * to->pixel_bytes, to->bytes, narrow(va, vb, vc, to, plain));
	}
}

INLINE void finish(const struct target *to, const __m512i *a, const __m512i *b, const __m512i *c, int pixels)
{
	if (to->plain)
		finish_as(to, a, b, c, pixels, true);
	else
		finish_as(to, a, b, c, pixels, false);
}

/* clang-format off */

#define CLOBBERS \
	"rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31"

#define COPY(from, to) "vmovdqa64 %" from ", %" to "\n\t"
#define LOAD(reg, offset) "vmovdqu32 " offset "(%%rsi), %%" reg "\n\t"
#define SPREAD(x) "vpbroadcastd " x ", %%zmm30\n\t"
#define DOT(w, acc) "vpdpbusd %%" w ", %%zmm30, %" acc "\n\t"
#define DOT_HALF(w, acc) "vpdpbusd %%" w ", %%ymm30, %" acc "\n\t"
#define BIAS(acc, offset) "vmovdqu32 " offset "(%%rdi), %" acc "\n\t"

#define OUT4(v) "=&v"(v[0]), "=&v"(v[1]), "=&v"(v[2]), "=&v"(v[3])
#define OUT8(v) OUT4(v), "=&v"(v[4]), "=&v"(v[5]), "=&v"(v[6]), "=&v"(v[7])

/* Operands: a block's accumulators are numbered one after the other, 8 pixels each. */
#define COPY7(a, b, c, d, e, f, g, h) COPY(a, b) COPY(a, c) COPY(a, d) COPY(a, e) COPY(a, f) COPY(a, g) COPY(a, h)
#define COPY3(a, b, c, d) COPY(a, b) COPY(a, c) COPY(a, d)
#define DOT3(x, a, b, c) SPREAD(x) DOT("zmm27", a) DOT("zmm28", b) DOT("zmm29", c)
#define DOT2(x, a, b) SPREAD(x) DOT("zmm27", a) DOT("zmm28", b)
#define DOT1H(x, a, b) SPREAD(x) DOT("zmm27", a) DOT_HALF("ymm28", b)
#define DOT1(x, a) SPREAD(x) DOT("zmm27", a)

static void tile_48x8(const struct window *in, const struct target *to)
{
	__m512i a[8], b[8], c[8];

	__asm__ volatile(PROLOGUE BIAS("0", "0") BIAS("8", "64") BIAS("16", "128")
	        COPY7("0", "1", "2", "3", "4", "5", "6", "7") COPY7("8", "9", "10", "11", "12", "13", "14", "15")
	        COPY7("16", "17", "18", "19", "20", "21", "22", "23")
	        LOOP(LOAD("zmm27", "0") LOAD("zmm28", "64") LOAD("zmm29", "128"),
	             DOT3(X0, "0", "8", "16") DOT3(X1, "1", "9", "17") DOT3(X2, "2", "10", "18")
	             DOT3(X3, "3", "11", "19") DOT3(X4, "4", "12", "20") DOT3(X5, "5", "13", "21")
	             DOT3(X6, "6", "14", "22") DOT3(X7, "7", "15", "23"),
	             "192")
	        : OUT8(a), OUT8(b), OUT8(c) : [in] "r"(in) : CLOBBERS, "memory");
	finish(to, a, b, c, 8);
}

static void tile_32x8(const struct window *in, const struct target *to)
{
	__m512i a[8], b[8];

	__asm__ volatile(PROLOGUE BIAS("0", "0") BIAS("8", "64")
	        COPY7("0", "1", "2", "3", "4", "5", "6", "7") COPY7("8", "9", "10", "11", "12", "13", "14", "15")
	        LOOP(LOAD("zmm27", "0") LOAD("zmm28", "64"),
	             DOT2(X0, "0", "8") DOT2(X1, "1", "9") DOT2(X2, "2", "10") DOT2(X3, "3", "11")
	             DOT2(X4, "4", "12") DOT2(X5, "5", "13") DOT2(X6, "6", "14") DOT2(X7, "7", "15"), "128")
	        : OUT8(a), OUT8(b) : [in] "r"(in) : CLOBBERS, "memory");
	finish(to, a, b, NULL, 8);
}

static void tile_24x8(const struct window *in, const struct target *to)
{
	__m512i a[8], b[8];
	__m256i h[8];

	__asm__ volatile(PROLOGUE BIAS("0", "0") BIAS("8", "64")
	        COPY7("0", "1", "2", "3", "4", "5", "6", "7") COPY7("8", "9", "10", "11", "12", "13", "14", "15")
	        LOOP(LOAD("zmm27", "0") LOAD("ymm28", "64"),
	             DOT1H(X0, "0", "8") DOT1H(X1, "1", "9") DOT1H(X2, "2", "10") DOT1H(X3, "3", "11")
	             DOT1H(X4, "4", "12") DOT1H(X5, "5", "13") DOT1H(X6, "6", "14") DOT1H(X7, "7", "15"), "96")
	        : OUT8(a), OUT8(h) : [in] "r"(in) : CLOBBERS, "memory");
	for (int p = 0; p < 8; p++)
		b[p] = _mm512_castsi256_si512(h[p]);
	finish(to, a, b, NULL, 8);
}

static void tile_16x8(const struct window *in, const struct target *to)
{
	__m512i a[8];

	__asm__ volatile(PROLOGUE BIAS("0", "0") COPY7("0", "1", "2", "3", "4", "5", "6", "7")
	        LOOP(LOAD("zmm27", "0"),
	             DOT1(X0, "0") DOT1(X1, "1") DOT1(X2, "2") DOT1(X3, "3")
	             DOT1(X4, "4") DOT1(X5, "5") DOT1(X6, "6") DOT1(X7, "7"), "64")
	        : OUT8(a) : [in] "r"(in) : CLOBBERS, "memory");
	finish(to, a, NULL, NULL, 8);
}

static void tile_48x4(const struct window *in, const struct target *to)
{
	__m512i a[4], b[4], c[4];

	__asm__ volatile(PROLOGUE BIAS("0", "0") BIAS("4", "64") BIAS("8", "128")
	        COPY3("0", "1", "2", "3") COPY3("4", "5", "6", "7") COPY3("8", "9", "10", "11")
	        LOOP(LOAD("zmm27", "0") LOAD("zmm28", "64") LOAD("zmm29", "128"),
	             DOT3(X0, "0", "4", "8") DOT3(X1, "1", "5", "9") DOT3(X2, "2", "6", "10")
	             DOT3(X3, "3", "7", "11"), "192")
	        : OUT4(a), OUT4(b), OUT4(c) : [in] "r"(in) : CLOBBERS, "memory");
	finish(to, a, b, c, 4);
}

static void tile_32x4(const struct window *in, const struct target *to)
{
	__m512i a[4], b[4];

	__asm__ volatile(PROLOGUE BIAS("0", "0") BIAS("4", "64") COPY3("0", "1", "2", "3") COPY3("4", "5", "6", "7")
	        LOOP(LOAD("zmm27", "0") LOAD("zmm28", "64"),
	             DOT2(X0, "0", "4") DOT2(X1, "1", "5") DOT2(X2, "2", "6") DOT2(X3, "3", "7"), "128")
	        : OUT4(a), OUT4(b) : [in] "r"(in) : CLOBBERS, "memory");
	finish(to, a, b, NULL, 4);
}

static void tile_24x4(const struct window *in, const struct target *to)
{
	__m512i a[4], b[4];
	__m256i h[4];

	__asm__ volatile(PROLOGUE BIAS("0", "0") BIAS("4", "64") COPY3("0", "1", "2", "3") COPY3("4", "5", "6", "7")
	        LOOP(LOAD("zmm27", "0") LOAD("ymm28", "64"),
	             DOT1H(X0, "0", "4") DOT1H(X1, "1", "5") DOT1H(X2, "2", "6") DOT1H(X3, "3", "7"), "96")
	        : OUT4(a), OUT4(h) : [in] "r"(in) : CLOBBERS, "memory");
	for (int p = 0; p < 4; p++)
		b[p] = _mm512_castsi256_si512(h[p]);
	finish(to, a, b, NULL, 4);
}

static void tile_16x4(const struct window *in, const struct target *to)
{
	__m512i a[4];

	__asm__ volatile(PROLOGUE BIAS("0", "0") COPY3("0", "1", "2", "3")
	        LOOP(LOAD("zmm27", "0"), DOT1(X0, "0") DOT1(X1, "1") DOT1(X2, "2") DOT1(X3, "3"), "64")
	        : OUT4(a) : [in] "r"(in) : CLOBBERS, "memory");
	finish(to, a, NULL, NULL, 4);
}

/* clang-format on */

typedef void tile_function(const struct window *in, const struct target *to);

static tile_function *choose_tile(int lanes, bool four)
{
	switch (lanes) {
	case 48:
		return four ? tile_48x4 : tile_48x8;
	case 32:
		return four ? tile_32x4 : tile_32x8;
	case 24:
		return four ? tile_24x4 : tile_24x8;
	default:
		return four ? tile_16x4 : tile_16x8;
	}
}

static void run_group(const struct assay__conv *conv, const struct assay__conv_io *io, struct window *in,
					  struct target *to, int c0, int lanes)
{
	const size_t src_step = (size_t)conv->stride * (size_t)assay__pixel_bytes(conv->cin);
	const bool relu = conv->zero_point == 0 && conv->lo == 0 && conv->hi == 255 && !conv->has_residual;

	for (int y = 0; y < io->height; y++)
		for (int x = 0, tile; x < io->width; x += tile) {
			int left = io->width - x;
			tile = left > 4 ? 8 : 4;
			size_t at = (size_t)x * to->pixel_bytes + (size_t)c0;
			in->x = io->src + (size_t)(y * conv->stride) * io->src_row_bytes + (size_t)x * src_step;
			to->dst = io->dst + (size_t)y * io->dst_row_bytes + at;
			to->residual = io->residual ? io->residual + (size_t)y * io->residual_row_bytes + at : NULL;
			to->pixels = left < tile ? left : tile;
			to->plain = relu && to->pixels == tile;
			choose_tile(lanes, tile == 4)(in, to);
		}
}

static void run(const struct assay__conv *conv, const struct assay__conv_io *io)
{
	const size_t row = steps_in_row(conv) * 4;
	struct window in = {
		.step = (size_t)(conv->stride * assay__pixel_bytes(conv->cin)),
		.row_skip = io->src_row_bytes - row,
		.w = conv->packed,
		.rows = (size_t)conv->kernel,
		.steps = row / 4,
	};
	struct target to = {.conv = conv, .pixel_bytes = (size_t)assay__pixel_bytes(conv->cout)};

	for (int c0 = 0, lanes; c0 < conv->cout; c0 += lanes) {
		lanes = group_lanes(conv->cout - c0);
		int stored = conv->cout - c0 < lanes ? conv->cout - c0 : lanes;
		in.bias = conv->bias + c0;
		to.mult = conv->mult + c0;
		to.bytes = ((__mmask64)1 << stored) - 1;
		run_group(conv, io, &in, &to, c0, lanes);
		in.w += (size_t)lanes * (size_t)conv->kernel * row;
	}
}

const struct assay__kernels assay__kernels_avx512vnni = {
	.isa = ASSAY_ISA_AVX512VNNI,
	.available = available,
	.packed_bytes = packed_bytes,
	.pack = pack,
	.scratch_bytes = scratch_bytes,
	.run = run,
	.run_other = run_other,
};
