/* SPDX-License-Identifier: Apache-2.0 */
/* The reference: net.h's arithmetic, one channel at a time. The other kernels are tested against this one. */
#include <math.h>
#include <string.h>

#include "vision/net/kernel.h"
#include "vision/net/ops.h"

static bool available(void)
{
	return true;
}

static size_t packed_bytes(const struct assay__conv *conv)
{
	return (size_t)conv->cout * (size_t)(conv->kernel * conv->kernel) * (size_t)conv->cin;
}

static void pack(const struct assay__conv *conv, const int8_t *weights, void *packed)
{
	memcpy(packed, weights, packed_bytes(conv));
}

static size_t scratch_bytes(const struct assay__conv *conv, int width)
{
	(void)conv;
	(void)width;
	return 0;
}

/* Sum over the window whose first pixel is x; w is one output channel's [ky][kx][cin]. */
static int32_t window_sum(const struct assay__conv *conv, const uint8_t *x, size_t row_bytes, const int8_t *w)
{
	const size_t pixel = (size_t)assay__pixel_bytes(conv->cin);
	int32_t sum = 0;

	for (int ky = 0; ky < conv->kernel; ky++)
		for (int kx = 0; kx < conv->kernel; kx++, w += conv->cin) {
			const uint8_t *in = x + (size_t)ky * row_bytes + (size_t)kx * pixel;
			for (int i = 0; i < conv->cin; i++)
				sum += in[i] * w[i];
		}
	return sum;
}

static uint8_t requantise(const struct assay__conv *conv, int32_t acc, float mult, const uint8_t *residual)
{
	const float lo = (float)(conv->lo - conv->zero_point), hi = (float)(conv->hi - conv->zero_point);
	float t = (float)acc * mult;

	if (residual)
		t = t + (float)(*residual - conv->residual_zero_point) * conv->residual_mult;
	t = t < lo ? lo : t > hi ? hi : t;
	return (uint8_t)(lrintf(t) + conv->zero_point);
}

static void run(const struct assay__conv *conv, const struct assay__conv_io *io)
{
	const size_t src_pixel = (size_t)assay__pixel_bytes(conv->cin);
	const size_t dst_pixel = (size_t)assay__pixel_bytes(conv->cout);
	const size_t window = (size_t)(conv->kernel * conv->kernel) * (size_t)conv->cin;
	const int8_t *weights = conv->packed;

	for (int y = 0; y < io->height; y++)
		for (int x = 0; x < io->width; x++) {
			const uint8_t *in =
				io->src + (size_t)(y * conv->stride) * io->src_row_bytes + (size_t)(x * conv->stride) * src_pixel;
			uint8_t *out = io->dst + (size_t)y * io->dst_row_bytes + (size_t)x * dst_pixel;
			const uint8_t *res = NULL;

			if (conv->has_residual)
				res = io->residual + (size_t)y * io->residual_row_bytes + (size_t)x * dst_pixel;
			for (int c = 0; c < conv->cout; c++) {
				int32_t acc = conv->bias[c] + window_sum(conv, in, io->src_row_bytes, weights + (size_t)c * window);
				out[c] = requantise(conv, acc, conv->mult[c], res ? res + c : NULL);
			}
		}
}

const struct assay__kernels assay__kernels_scalar = {
	.isa = ASSAY_ISA_SCALAR,
	.available = available,
	.packed_bytes = packed_bytes,
	.pack = pack,
	.scratch_bytes = scratch_bytes,
	.run = run,
	.run_other = run_other,
};
