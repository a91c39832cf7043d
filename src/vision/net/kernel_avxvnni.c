/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AVX-VNNI: vpdpbusd on the 16 registers of AVX2. A tile is 4 neighbouring pixels by 24 channels, 6 by 16 or 8 by 8: at
 * most 12 accumulators, 3 registers of weights and one of input. The loop is written in assembly because compilers
 * spill the accumulators, and so that the same source can be run where only AVX-512 encodes the instruction.
 */
#include <cpuid.h>
#include <immintrin.h>
#include <string.h>

#include "vision/net/kernel.h"
#include "vision/net/ops.h"
#include "vision/net/vnni.h"

#define INLINE static inline __attribute__((always_inline))

#ifdef ASSAY__VNNI_EVEX
#define VPDPBUSD "%{evex%} vpdpbusd "
#else
#define VPDPBUSD "%{vex%} vpdpbusd "
#endif

/* Where a tile's results go. */
struct target {
	const struct assay__conv *conv;
	uint8_t *dst;			 /* the group's first channel of the first pixel */
	const uint8_t *residual; /* likewise */
	const float *mult;
	size_t pixel_bytes;
	int pixels, channels; /* to store */
};

static bool available(void)
{
	if (!__builtin_cpu_supports("avx2")) /* looks at XCR0 too: the operating system must save the registers */
		return false;
#ifdef ASSAY__VNNI_EVEX
	return __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
#else
	unsigned a, b, c, d;
	return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
#endif
}

/* How many of the `left` channels the next group takes. */
static int group_lanes(int left)
{
	return left > 32 ? 24 : left > 24 ? 16 : left > 16 ? 24 : left > 8 ? 16 : 8;
}

/* Eight channels of a pixel to s32 around zero, not yet clamped: net.h keeps them far from overflow. */
INLINE __m256i requantise(__m256i acc, const struct target *to, int pixel, int block)
{
	__m256 t = _mm256_mul_ps(_mm256_cvtepi32_ps(acc), _mm256_loadu_ps(to->mult + block * 8));

	if (to->residual) {
		const uint8_t *at = to->residual + (size_t)pixel * to->pixel_bytes + block * 8;
		__m256i r = _mm256_sub_epi32(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)at)),
									 _mm256_set1_epi32(to->conv->residual_zero_point));
		t = _mm256_add_ps(t, _mm256_mul_ps(_mm256_cvtepi32_ps(r), _mm256_set1_ps(to->conv->residual_mult)));
	}
	return _mm256_cvtps_epi32(t);
}

/* Three blocks of 8 channels to 24 bytes, by saturating packs, which clamp as net.h does: 0 <= lo and hi <= 255. */
INLINE __m256i narrow(__m256i a, __m256i b, __m256i c, const struct assay__conv *conv)
{
	/* A pack works within 128 bits, so that dwords 0 and 4 hold the first block, and so on. */
	const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
	const __m256i zero_point = _mm256_set1_epi16((short)conv->zero_point);
	__m256i ab = _mm256_adds_epi16(_mm256_packs_epi32(a, b), zero_point);
	__m256i cc = _mm256_adds_epi16(_mm256_packs_epi32(c, c), zero_point);
	__m256i y = _mm256_packus_epi16(ab, cc);

	y = _mm256_max_epu8(y, _mm256_set1_epi8((char)conv->lo));
	y = _mm256_min_epu8(y, _mm256_set1_epi8((char)conv->hi));
	return _mm256_permutevar8x32_epi32(y, order);
}

INLINE void store(const struct target *to, __m256i y, int pixel, int lanes)
{
	uint8_t *dst = to->dst + (size_t)pixel * to->pixel_bytes;

	if (to->channels == lanes) {
		if (lanes >= 16)
			_mm_storeu_si128((void *)dst, _mm256_castsi256_si128(y));
		else
			_mm_storel_epi64((void *)dst, _mm256_castsi256_si128(y));
		if (lanes == 24)
			_mm_storel_epi64((void *)(dst + 16), _mm256_extracti128_si256(y, 1));
	} else {
		uint8_t bytes[32];
		_mm256_storeu_si256((void *)bytes, y);
		memcpy(dst, bytes, (size_t)to->channels);
	}
}

/* a, b, c: accumulators of the three blocks, each a pixel after the other; b and c NULL where there is none. */
INLINE void finish(const struct target *to, const __m256i *a, const __m256i *b, const __m256i *c, int pixels)
{
#pragma GCC unroll 8
	for (int p = 0; p < pixels; p++) {
		if (p >= to->pixels)
			break;
		__m256i va = requantise(a[p], to, p, 0);
		__m256i vb = b ? requantise(b[p], to, p, 1) : va;
		__m256i vc = c ? requantise(c[p], to, p, 2) : vb;
		store(to, narrow(va, vb, vc, to->conv), p, c ? 24 : b ? 16 : 8);
	}
}

/* clang-format off */

#define CLOBBERS \
	"rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc", "memory", "xmm12", "xmm13", "xmm14", "xmm15"

#define COPY(from, to) "vmovdqa %" from ", %" to "\n\t"
#define LOAD(reg, offset) "vmovdqu " offset "(%%rsi), %%" reg "\n\t"
#define SPREAD(x) "vpbroadcastd " x ", %%ymm15\n\t"
#define DOT(w, acc) VPDPBUSD "%%" w ", %%ymm15, %" acc "\n\t"
#define BIAS(acc, offset) "vmovdqu " offset "(%%rdi), %" acc "\n\t"

#define OUT4(v) "=&x"(v[0]), "=&x"(v[1]), "=&x"(v[2]), "=&x"(v[3])
#define OUT6(v) OUT4(v), "=&x"(v[4]), "=&x"(v[5])
#define OUT8(v) OUT6(v), "=&x"(v[6]), "=&x"(v[7])

/* Operands: a block's accumulators are numbered one after the other, a pixel each. */
#define COPY3(a, b, c, d) COPY(a, b) COPY(a, c) COPY(a, d)
#define COPY5(a, b, c, d, e, f) COPY3(a, b, c, d) COPY(a, e) COPY(a, f)
#define DOT3(x, a, b, c) SPREAD(x) DOT("ymm12", a) DOT("ymm13", b) DOT("ymm14", c)
#define DOT2(x, a, b) SPREAD(x) DOT("ymm12", a) DOT("ymm13", b)
#define DOT1(x, a) SPREAD(x) DOT("ymm12", a)

static void tile_24x4(const struct window *in, const struct target *to)
{
	__m256i a[4], b[4], c[4];

	__asm__ volatile(PROLOGUE BIAS("0", "0") BIAS("4", "32") BIAS("8", "64")
	        COPY3("0", "1", "2", "3") COPY3("4", "5", "6", "7") COPY3("8", "9", "10", "11")
	        LOOP(LOAD("ymm12", "0") LOAD("ymm13", "32") LOAD("ymm14", "64"),
	             DOT3(X0, "0", "4", "8") DOT3(X1, "1", "5", "9") DOT3(X2, "2", "6", "10")
	             DOT3(X3, "3", "7", "11"), "96")
	        : OUT4(a), OUT4(b), OUT4(c) : [in] "r"(in) : CLOBBERS);
	finish(to, a, b, c, 4);
}

static void tile_16x6(const struct window *in, const struct target *to)
{
	__m256i a[6], b[6];

	__asm__ volatile(PROLOGUE BIAS("0", "0") BIAS("6", "32")
	        COPY5("0", "1", "2", "3", "4", "5") COPY5("6", "7", "8", "9", "10", "11")
	        LOOP(LOAD("ymm12", "0") LOAD("ymm13", "32"),
	             DOT2(X0, "0", "6") DOT2(X1, "1", "7") DOT2(X2, "2", "8")
	             DOT2(X3, "3", "9") DOT2(X4, "4", "10") DOT2(X5, "5", "11"), "64")
	        : OUT6(a), OUT6(b) : [in] "r"(in) : CLOBBERS);
	finish(to, a, b, NULL, 6);
}

static void tile_16x4(const struct window *in, const struct target *to)
{
	__m256i a[4], b[4];

	__asm__ volatile(PROLOGUE BIAS("0", "0") BIAS("4", "32") COPY3("0", "1", "2", "3") COPY3("4", "5", "6", "7")
	        LOOP(LOAD("ymm12", "0") LOAD("ymm13", "32"),
	             DOT2(X0, "0", "4") DOT2(X1, "1", "5") DOT2(X2, "2", "6") DOT2(X3, "3", "7"), "64")
	        : OUT4(a), OUT4(b) : [in] "r"(in) : CLOBBERS);
	finish(to, a, b, NULL, 4);
}

static void tile_8x8(const struct window *in, const struct target *to)
{
	__m256i a[8];

	__asm__ volatile(PROLOGUE BIAS("0", "0") COPY5("0", "1", "2", "3", "4", "5") COPY("0", "6") COPY("0", "7")
	        LOOP(LOAD("ymm12", "0"),
	             DOT1(X0, "0") DOT1(X1, "1") DOT1(X2, "2") DOT1(X3, "3")
	             DOT1(X4, "4") DOT1(X5, "5") DOT1(X6, "6") DOT1(X7, "7"), "32")
	        : OUT8(a) : [in] "r"(in) : CLOBBERS);
	finish(to, a, NULL, NULL, 8);
}

/* clang-format on */

/* The pixels of the next tile; a tile of 6 takes about as long for each pixel as one of 4 takes for 3. */
static int tile_pixels(int lanes, int left)
{
	if (lanes == 24)
		return 4;
	if (lanes == 8)
		return 8;
	return left > 8 || left == 5 || left == 6 ? 6 : 4;
}

static void run_group(const struct assay__conv *conv, const struct assay__conv_io *io, struct window *in,
					  struct target *to, int c0, int lanes)
{
	const size_t src_step = (size_t)conv->stride * (size_t)assay__pixel_bytes(conv->cin);

	for (int y = 0; y < io->height; y++)
		for (int x = 0, tile; x < io->width; x += tile) {
			int left = io->width - x;
			tile = tile_pixels(lanes, left);
			size_t at = (size_t)x * to->pixel_bytes + (size_t)c0;
			in->x = io->src + (size_t)(y * conv->stride) * io->src_row_bytes + (size_t)x * src_step;
			to->dst = io->dst + (size_t)y * io->dst_row_bytes + at;
			to->residual = io->residual ? io->residual + (size_t)y * io->residual_row_bytes + at : NULL;
			to->pixels = left < tile ? left : tile;
			if (lanes == 24)
				tile_24x4(in, to);
			else if (lanes == 8)
				tile_8x8(in, to);
			else
				(tile == 6 ? tile_16x6 : tile_16x4)(in, to);
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
		to.channels = conv->cout - c0 < lanes ? conv->cout - c0 : lanes;
		in.bias = conv->bias + c0;
		to.mult = conv->mult + c0;
		run_group(conv, io, &in, &to, c0, lanes);
		in.w += (size_t)lanes * (size_t)conv->kernel * row;
	}
}

const struct assay__kernels assay__kernels_avxvnni = {
	.isa = ASSAY_ISA_AVXVNNI,
	.available = available,
	.packed_bytes = packed_bytes,
	.pack = pack,
	.scratch_bytes = scratch_bytes,
	.run = run,
	.run_other = run_other,
};
