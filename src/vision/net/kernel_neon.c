/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NEON without dot product: smull multiplies eight s8 to s16, sadalp adds neighbouring ones to s32. Adding a second
 * product before it is widened could overflow for weights of -128, and the multiplier is the narrow pipe anyway.
 * A tile is 4 neighbouring pixels by 16 (or 8) channels. The loop is written in assembly because compilers spill.
 */
#include <sys/auxv.h>

#include "vision/net/kernel_neon.h"
#include "vision/net/ops.h"

#define UNIT 2

#ifndef HWCAP_ASIMD
#define HWCAP_ASIMD (1 << 1)
#endif

static bool available(void)
{
	return getauxval(AT_HWCAP) & HWCAP_ASIMD;
}

static int group_lanes(int left)
{
	return left > 8 ? 16 : 8;
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
 * Registers: x10 step, x11 row, x12 weights, x9 and x13..15 the places in the row of the four pixels, x16 rows,
 * x17 loops; v16 and v17 weights, v18..21 two bytes of each pixel's window again and again, v22..29 products.
 */
#define SMULL(to, w, x) "smull v" #to ".8h, v" #w ".8b, v" #x ".8b\n\t"
#define SMULL2(to, w, x) "smull2 v" #to ".8h, v" #w ".16b, v" #x ".16b\n\t"
#define SADALP(acc, from) "sadalp %" #acc ".4s, v" #from ".8h\n\t"

#define PROLOGUE \
	"ldp x9, x10, [%[t]]\n\tldp x11, x12, [%[t], 16]\n\tldp x13, x16, [%[t], 32]\n\t"
#define LOOP(body) \
	"1:\n\tadd x13, x9, x10\n\tadd x14, x13, x10\n\tadd x15, x14, x10\n\tldr x17, [%[t], 48]\n" \
	"2:\n\tld1r {v18.8h}, [x9], 2\n\tld1r {v19.8h}, [x13], 2\n\tld1r {v20.8h}, [x14], 2\n\tld1r {v21.8h}, [x15], 2\n\t" \
	body \
	"subs x17, x17, 2\n\tb.ne 2b\n\t" \
	"ldr x17, [%[t], 48]\n\tadd x9, x9, x11\n\tsub x9, x9, x17\n\tsubs x16, x16, 1\n\tb.ne 1b"
#define CLOBBERS \
	"x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "cc", "memory", "v16", "v17", "v18", "v19", "v20", \
	"v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29"

static void tile_16(const struct tile *t)
{
	int32x4_t acc[TILE][MOST_LANES / 4];

	/* A pixel's products are added up while the next one's are made. */
	__asm__ volatile(PROLOGUE
	        BIAS(0, 0, 1, 2, 3) BIAS(16, 4, 5, 6, 7) BIAS(32, 8, 9, 10, 11) BIAS(48, 12, 13, 14, 15)
	        LOOP("ldp q16, q17, [x12], 32\n\t"
	             SMULL(22, 16, 18) SMULL2(23, 16, 18) SMULL(24, 17, 18) SMULL2(25, 17, 18)
	             SMULL(26, 16, 19) SADALP(0, 22) SMULL2(27, 16, 19) SADALP(4, 23)
	             SMULL(28, 17, 19) SADALP(8, 24) SMULL2(29, 17, 19) SADALP(12, 25)
	             SMULL(22, 16, 20) SADALP(1, 26) SMULL2(23, 16, 20) SADALP(5, 27)
	             SMULL(24, 17, 20) SADALP(9, 28) SMULL2(25, 17, 20) SADALP(13, 29)
	             SMULL(26, 16, 21) SADALP(2, 22) SMULL2(27, 16, 21) SADALP(6, 23)
	             SMULL(28, 17, 21) SADALP(10, 24) SMULL2(29, 17, 21) SADALP(14, 25)
	             SADALP(3, 26) SADALP(7, 27) SADALP(11, 28) SADALP(15, 29))
	        : OUT(0), OUT(1), OUT(2), OUT(3) : [t] "r"(t) : CLOBBERS);
	neon_store_tile(acc, t, 16);
}

static void tile_8(const struct tile *t)
{
	int32x4_t acc[TILE][MOST_LANES / 4];

	__asm__ volatile(PROLOGUE BIAS(0, 0, 1, 2, 3) BIAS(16, 4, 5, 6, 7)
	        LOOP("ldr q16, [x12], 16\n\t"
	             SMULL(22, 16, 18) SMULL2(23, 16, 18) SMULL(24, 16, 19) SMULL2(25, 16, 19)
	             SMULL(26, 16, 20) SADALP(0, 22) SMULL2(27, 16, 20) SADALP(4, 23)
	             SMULL(28, 16, 21) SADALP(1, 24) SMULL2(29, 16, 21) SADALP(5, 25)
	             SADALP(2, 26) SADALP(6, 27) SADALP(3, 28) SADALP(7, 29))
	        : OUT(0), OUT(1) : [t] "r"(t) : CLOBBERS);
	neon_store_tile(acc, t, 8);
}

/* clang-format on */

static void run_tile(const struct tile *t, int lanes)
{
	(lanes == 16 ? tile_16 : tile_8)(t);
}

static void run(const struct assay__conv *conv, const struct assay__conv_io *io)
{
	neon_run(conv, io, group_lanes, run_tile);
}

const struct assay__kernels assay__kernels_neon = {
	.isa = ASSAY_ISA_NEON,
	.available = available,
	.packed_bytes = packed_bytes,
	.pack = pack,
	.scratch_bytes = scratch_bytes,
	.run = run,
	.run_other = run_other,
};
