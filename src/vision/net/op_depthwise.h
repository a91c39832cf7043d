/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise 3x3, for ops.h. Packed weights: s16 [9][assay__depthwise_lanes], made in net.c. */

/* One pixel's channels c0 to c0 + OPS_LANES. */
OPS_INLINE void depthwise_lanes(const struct assay__conv *conv, const uint8_t *x, size_t row, const uint8_t *residual,
								int c0, uint8_t *y)
{
	const size_t pixel = (size_t)assay__pixel_bytes(conv->cin), lanes = assay__depthwise_lanes(conv->cout);
	const float lo = (float)(conv->lo - conv->zero_point), hi = (float)(conv->hi - conv->zero_point);
	const int16_t *w0 = (const int16_t *)conv->packed + c0, *w1 = w0 + 3 * lanes, *w2 = w1 + 3 * lanes;
	const uint8_t *x0 = x, *x1 = x + row, *x2 = x1 + row;
	const int32_t *bias = conv->bias + c0, zero_point = conv->zero_point;
	const float *mult = conv->mult + c0;
	float t[OPS_LANES];

#define TAP(x, w, kx) (int16_t)(x)[(kx)*pixel + i] * (w)[(kx)*lanes + i]
#define ROW(x, w) (TAP(x, w, 0) + TAP(x, w, 1) + TAP(x, w, 2))
	for (size_t i = 0; i < OPS_LANES; i++)
		t[i] = (float)(bias[i] + ROW(x0, w0) + ROW(x1, w1) + ROW(x2, w2)) * mult[i];
#undef ROW
#undef TAP
	if (residual)
		for (int i = 0; i < OPS_LANES; i++)
			t[i] = t[i] + (float)(residual[i] - conv->residual_zero_point) * conv->residual_mult;
	for (int i = 0; i < OPS_LANES; i++)
		y[i] = ops_finish(t[i], lo, hi, zero_point);
}

static void run_depthwise(const struct assay__conv *conv, const struct assay__conv_io *io)
{
	const size_t pixel = (size_t)assay__pixel_bytes(conv->cout), step = ops_step(conv);

	for (int y = 0; y < io->height; y++)
		for (int x = 0; x < io->width; x++) {
			const uint8_t *src = io->src + (size_t)(y * conv->stride) * io->src_row_bytes + (size_t)x * step;
			const uint8_t *residual =
				conv->has_residual ? io->residual + (size_t)y * io->residual_row_bytes + (size_t)x * pixel : NULL;
			uint8_t *dst = io->dst + (size_t)y * io->dst_row_bytes + (size_t)x * pixel;

			for (int c = 0; c < conv->cout; c += OPS_LANES) {
				uint8_t out[OPS_LANES];
				depthwise_lanes(conv, src + c, io->src_row_bytes, residual ? residual + c : NULL, c, out);
				ops_store(dst + c, out, conv->cout - c);
			}
		}
}
