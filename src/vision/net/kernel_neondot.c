/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NEON with dot product (Armv8.2 FEAT_DotProd): sdot adds four products of s8 to an s32. A tile is 4 neighbouring
 * pixels by 24 (16, 8) channels: 24 accumulators, 16 bytes of each pixel's window, and two pairs of registers of
 * weights. The loop is written in assembly because compilers spill the accumulators.
 */
#include <sys/auxv.h>

#include "vision/net/kernel_neon.h"
#include "vision/net/ops.h"

#define UNIT 4
#define MOST_BLOCKS (MOST_LANES / 4)

#ifndef HWCAP_ASIMDDP
#define HWCAP_ASIMDDP (1 << 20)
#endif

static bool available(void)
{
	return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
}

static int group_lanes(int left)
{
	return left > 32 ? 24 : left > 24 ? 16 : left > 16 ? 24 : left > 8 ? 16 : 8;
}

static size_t packed_bytes(const struct assay__conv *conv)
{
	return neon_packed_bytes(conv, group_lanes);
}

static void pack(const struct assay__conv *conv, const int8_t *weights, void *packed)
{
	neon_pack(conv, weights, packed, UNIT, group_lanes);
}

static size_t scratch_bytes(const struct assay__conv *conv, int width)
{
	return (size_t)conv->kernel * neon_scratch_row(conv, width);
}

/* clang-format off */

/*
 * Registers: x9 pixel 0, x10 step, x11 row, x12 weights, x13 the place in the row, x14 rows, x15 loops; v24..27 four
 * steps of each pixel's window, v28 and v29 a pair of blocks of weights, v30 and v31 the next pair.
 */
#define SDOT(acc, w, x, lane) "sdot %" #acc ".4s, v" #w ".16b, v" #x ".4b[" #lane "]\n\t"
#define BLOCK(w, lane, a, b, c, d) SDOT(a, w, 24, lane) SDOT(b, w, 25, lane) SDOT(c, w, 26, lane) SDOT(d, w, 27, lane)
#define EVEN(at) "ldp q28, q29, [x12, " #at "]\n\t"
#define ODD(at) "ldp q30, q31, [x12, " #at "]\n\t"
#define BLOCKS_01(w0, w1, lane) BLOCK(w0, lane, 0, 1, 2, 3) BLOCK(w1, lane, 4, 5, 6, 7)
#define BLOCKS_23(w0, w1, lane) BLOCK(w0, lane, 8, 9, 10, 11) BLOCK(w1, lane, 12, 13, 14, 15)
#define BLOCKS_45(w0, w1, lane) BLOCK(w0, lane, 16, 17, 18, 19) BLOCK(w1, lane, 20, 21, 22, 23)

#define PROLOGUE \
	"ldp x9, x10, [%[t]]\n\tldp x11, x12, [%[t], 16]\n\tldp x13, x14, [%[t], 32]\n\t"
#define LOAD_X(size) \
	"add x16, x13, x10, lsl 1\n\tldr " size "24, [x13]\n\tldr " size "25, [x13, x10]\n\t" \
	"ldr " size "26, [x16]\n\tldr " size "27, [x16, x10]\n\t"
/* Four steps as long as a row of the window has them, then single ones; `bytes` of weights a step. */
#define LOOP(four, one, four_bytes, bytes) \
	"1:\n\tmov x13, x9\n\tldr x15, [%[t], 48]\n\tlsr x15, x15, 4\n\tcbz x15, 3f\n" \
	"2:\n\t" LOAD_X("q") four \
	"add x13, x13, 16\n\tadd x12, x12, " #four_bytes "\n\tsubs x15, x15, 1\n\tb.ne 2b\n" \
	"3:\n\tldr x15, [%[t], 48]\n\tands x15, x15, 12\n\tb.eq 5f\n" \
	"4:\n\t" LOAD_X("s") one \
	"add x13, x13, 4\n\tadd x12, x12, " #bytes "\n\tsubs x15, x15, 4\n\tb.ne 4b\n" \
	"5:\n\tadd x9, x9, x11\n\tsubs x14, x14, 1\n\tb.ne 1b"
#define CLOBBERS \
	"x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "cc", "memory", "v24", "v25", "v26", "v27", "v28", "v29", \
	"v30", "v31"

static void tile_24(const struct tile *t)
{
	int32x4_t acc[TILE][MOST_BLOCKS];

	/* Each pair is loaded while the one before it is used. */
	__asm__ volatile(PROLOGUE
	        BIAS(0, 0, 1, 2, 3) BIAS(16, 4, 5, 6, 7) BIAS(32, 8, 9, 10, 11)
	        BIAS(48, 12, 13, 14, 15) BIAS(64, 16, 17, 18, 19) BIAS(80, 20, 21, 22, 23)
	        LOOP(EVEN(0)
	             ODD(32) BLOCKS_01(28, 29, 0) EVEN(64) BLOCKS_23(30, 31, 0) ODD(96) BLOCKS_45(28, 29, 0)
	             EVEN(128) BLOCKS_01(30, 31, 1) ODD(160) BLOCKS_23(28, 29, 1) EVEN(192) BLOCKS_45(30, 31, 1)
	             ODD(224) BLOCKS_01(28, 29, 2) EVEN(256) BLOCKS_23(30, 31, 2) ODD(288) BLOCKS_45(28, 29, 2)
	             EVEN(320) BLOCKS_01(30, 31, 3) ODD(352) BLOCKS_23(28, 29, 3) BLOCKS_45(30, 31, 3),
	             EVEN(0) ODD(32) BLOCKS_01(28, 29, 0) EVEN(64) BLOCKS_23(30, 31, 0) BLOCKS_45(28, 29, 0), 384, 96)
	        : OUT(0), OUT(1), OUT(2), OUT(3), OUT(4), OUT(5) : [t] "r"(t) : CLOBBERS);
	neon_store_tile(acc, t, 24);
}

static void tile_16(const struct tile *t)
{
	int32x4_t acc[TILE][MOST_BLOCKS];

	__asm__ volatile(PROLOGUE
	        BIAS(0, 0, 1, 2, 3) BIAS(16, 4, 5, 6, 7) BIAS(32, 8, 9, 10, 11) BIAS(48, 12, 13, 14, 15)
	        LOOP(EVEN(0)
	             ODD(32) BLOCKS_01(28, 29, 0) EVEN(64) BLOCKS_23(30, 31, 0)
	             ODD(96) BLOCKS_01(28, 29, 1) EVEN(128) BLOCKS_23(30, 31, 1)
	             ODD(160) BLOCKS_01(28, 29, 2) EVEN(192) BLOCKS_23(30, 31, 2)
	             ODD(224) BLOCKS_01(28, 29, 3) BLOCKS_23(30, 31, 3),
	             EVEN(0) ODD(32) BLOCKS_01(28, 29, 0) BLOCKS_23(30, 31, 0), 256, 64)
	        : OUT(0), OUT(1), OUT(2), OUT(3) : [t] "r"(t) : CLOBBERS);
	neon_store_tile(acc, t, 16);
}

static void tile_8(const struct tile *t)
{
	int32x4_t acc[TILE][MOST_BLOCKS];

	__asm__ volatile(PROLOGUE
	        BIAS(0, 0, 1, 2, 3) BIAS(16, 4, 5, 6, 7)
	        LOOP(EVEN(0) ODD(32) BLOCKS_01(28, 29, 0) EVEN(64) BLOCKS_01(30, 31, 1)
	             ODD(96) BLOCKS_01(28, 29, 2) BLOCKS_01(30, 31, 3),
	             EVEN(0) BLOCKS_01(28, 29, 0), 128, 32)
	        : OUT(0), OUT(1) : [t] "r"(t) : CLOBBERS);
	neon_store_tile(acc, t, 8);
}

/* clang-format on */

static void run_tile(const struct tile *t, int lanes)
{
	(lanes == 24 ? tile_24 : lanes == 16 ? tile_16 : tile_8)(t);
}

static void run(const struct assay__conv *conv, const struct assay__conv_io *io)
{
	neon_run(conv, io, group_lanes, run_tile);
}

const struct assay__kernels assay__kernels_neondot = {
	.isa = ASSAY_ISA_NEONDOT,
	.available = available,
	.packed_bytes = packed_bytes,
	.pack = pack,
	.scratch_bytes = scratch_bytes,
	.run = run,
	.run_other = run_other,
};
