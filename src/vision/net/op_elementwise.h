/* SPDX-License-Identifier: Apache-2.0 */
/* Sum of two tensors and their channels one after the other, for ops.h. */

static void run_add(const struct assay__conv *conv, const struct assay__conv_io *io)
{
	const float lo = (float)(conv->lo - conv->zero_point), hi = (float)(conv->hi - conv->zero_point);
	const float mult = conv->src_mult, residual_mult = conv->residual_mult;
	const int32_t zero_point = conv->zero_point, src_zero = conv->src_zero_point,
				  other_zero = conv->residual_zero_point;
	const size_t bytes = (size_t)io->width * (size_t)assay__pixel_bytes(conv->cout);

	/* Pixels are alike, so that a row is one run of bytes, the last few of a pixel being nobody's. */
	for (int y = 0; y < io->height; y++) {
		const uint8_t *a = io->src + (size_t)y * io->src_row_bytes;
		const uint8_t *b = io->residual + (size_t)y * io->residual_row_bytes;
		uint8_t *dst = io->dst + (size_t)y * io->dst_row_bytes;

		for (size_t at = 0; at < bytes; at += OPS_LANES) {
			uint8_t out[OPS_LANES];
			for (size_t i = 0; i < OPS_LANES; i++) {
				float t = (float)(a[at + i] - src_zero) * mult;
				t = t + (float)(b[at + i] - other_zero) * residual_mult;
				out[i] = ops_finish(t, lo, hi, zero_point);
			}
			ops_store(dst + at, out, bytes - at < OPS_LANES ? (int)(bytes - at) : OPS_LANES);
		}
	}
}

/* Brings one pixel's channels to another scale. */
OPS_INLINE void rescale(const struct assay__conv *conv, const uint8_t *x, int channels, int32_t x_zero, float mult,
						uint8_t *dst)
{
	const float lo = (float)(conv->lo - conv->zero_point), hi = (float)(conv->hi - conv->zero_point);
	const int32_t zero_point = conv->zero_point;

	for (int c = 0; c < channels; c += OPS_LANES) {
		uint8_t out[OPS_LANES];
		for (int i = 0; i < OPS_LANES; i++)
			out[i] = ops_finish((float)(x[c + i] - x_zero) * mult, lo, hi, zero_point);
		ops_store(dst + c, out, channels - c);
	}
}

static void run_concat(const struct assay__conv *conv, const struct assay__conv_io *io)
{
	const int others = conv->cout - conv->cin;
	const size_t pixel = (size_t)assay__pixel_bytes(conv->cin), other_pixel = (size_t)assay__pixel_bytes(others);
	const size_t dst_pixel = (size_t)assay__pixel_bytes(conv->cout);

	for (int y = 0; y < io->height; y++)
		for (int x = 0; x < io->width; x++) {
			const uint8_t *a = io->src + (size_t)y * io->src_row_bytes + (size_t)x * pixel;
			const uint8_t *b = io->residual + (size_t)y * io->residual_row_bytes + (size_t)x * other_pixel;
			uint8_t *dst = io->dst + (size_t)y * io->dst_row_bytes + (size_t)x * dst_pixel;

			rescale(conv, a, conv->cin, conv->src_zero_point, conv->src_mult, dst);
			rescale(conv, b, others, conv->residual_zero_point, conv->residual_mult, dst + conv->cin);
		}
}
