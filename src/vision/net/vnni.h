/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernels around vpdpbusd share, whatever the width of their registers: the order of packed weights, and the
 * frame of the loop in assembly. Static code: each kernel_*vnni.c includes it and defines group_lanes.
 *
 * Packed weights: for each group of channels (group_lanes), for each ky, for each four bytes of the window's row of
 * kernel * pixel_bytes: s8 [lanes][4], zero where a channel or an input does not exist.
 */
#ifndef ASSAY_SRC_VISION_NET_VNNI_H
#define ASSAY_SRC_VISION_NET_VNNI_H

#include "vision/net/kernel.h"

/* How many of the `left` channels the next group takes. */
static int group_lanes(int left);

/* What the assembly reads; it knows the offsets. */
struct window {
	const uint8_t *x;	 /* 0: first byte of the first pixel's window */
	size_t step;		 /* 8: bytes from one pixel's window to the next */
	size_t row_skip;	 /* 16: from the end of a row of the window to the next row */
	const int8_t *w;	 /* 24: the group's packed weights */
	const int32_t *bias; /* 32 */
	size_t rows;		 /* 40 */
	size_t steps;		 /* 48: of four bytes, in a row */
};

_Static_assert(offsetof(struct window, bias) == 32 && offsetof(struct window, steps) == 48,
			   "the assembly counts on it");

static size_t steps_in_row(const struct assay__conv *conv)
{
	return (size_t)(conv->kernel * assay__pixel_bytes(conv->cin)) / 4;
}

static size_t packed_bytes(const struct assay__conv *conv)
{
	size_t lanes = 0;

	for (int c = 0; c < conv->cout; c += group_lanes(conv->cout - c))
		lanes += (size_t)group_lanes(conv->cout - c);
	return lanes * (size_t)conv->kernel * steps_in_row(conv) * 4;
}

static void pack(const struct assay__conv *conv, const int8_t *weights, void *packed)
{
	const int pixel = assay__pixel_bytes(conv->cin), window = conv->kernel * conv->kernel;
	int8_t *out = packed;

	for (int c0 = 0, lanes; c0 < conv->cout; c0 += lanes) {
		lanes = group_lanes(conv->cout - c0);
		for (int tap = 0; tap < window; tap++)
			for (int i0 = 0; i0 < pixel; i0 += 4)
				for (int lane = 0; lane < lanes; lane++)
					for (int i = i0; i < i0 + 4; i++) {
						size_t c = (size_t)(c0 + lane);
						bool there = c0 + lane < conv->cout && i < conv->cin;
						*out++ =
							there ? weights[(c * (size_t)window + (size_t)tap) * (size_t)conv->cin + (size_t)i] : 0;
					}
	}
}

static size_t scratch_bytes(const struct assay__conv *conv, int width)
{
	(void)conv;
	(void)width;
	return 0;
}

/* clang-format off */

/* Registers: rax and r9 pixels 0 and 4, rcx and r8 one and three steps, rdx row skip, rsi weights, r10, r11 loops. */
#define PROLOGUE \
	"mov 0(%[in]), %%rax\n\tmov 8(%[in]), %%rcx\n\tmov 16(%[in]), %%rdx\n\tmov 24(%[in]), %%rsi\n\t" \
	"mov 32(%[in]), %%rdi\n\tmov 40(%[in]), %%r10\n\t" \
	"lea (%%rcx,%%rcx,2), %%r8\n\tlea (%%rax,%%rcx,4), %%r9\n\t"
#define LOOP(weights, pixels, bytes) \
	"1:\n\tmov 48(%[in]), %%r11\n\t.p2align 4\n2:\n\t" weights pixels \
	"add $4, %%rax\n\tadd $4, %%r9\n\tadd $" bytes ", %%rsi\n\tdec %%r11\n\tjnz 2b\n\t" \
	"add %%rdx, %%rax\n\tadd %%rdx, %%r9\n\tdec %%r10\n\tjnz 1b"
#define X0 "(%%rax)"
#define X1 "(%%rax,%%rcx)"
#define X2 "(%%rax,%%rcx,2)"
#define X3 "(%%rax,%%r8)"
#define X4 "(%%r9)"
#define X5 "(%%r9,%%rcx)"
#define X6 "(%%r9,%%rcx,2)"
#define X7 "(%%r9,%%r8)"

/* clang-format on */

#endif
