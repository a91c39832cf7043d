/* SPDX-License-Identifier: Apache-2.0 */
/* Maximum and average of a window, for ops.h. */

OPS_INLINE void max_lanes(const struct assay__conv *conv, const uint8_t *x, size_t row, uint8_t *y)
{
	const size_t pixel = (size_t)assay__pixel_bytes(conv->cin);

	memcpy(y, x, OPS_LANES);
	for (int ky = 0; ky < conv->kernel; ky++)
		for (int kx = 0; kx < conv->kernel; kx++) {
			const uint8_t *in = x + (size_t)ky * row + (size_t)kx * pixel;
			for (int i = 0; i < OPS_LANES; i++)
				y[i] = in[i] > y[i] ? in[i] : y[i];
		}
}

OPS_INLINE void average_lanes(const struct assay__conv *conv, const uint8_t *x, size_t row, uint8_t *y)
{
	const size_t pixel = (size_t)assay__pixel_bytes(conv->cin);
	const int32_t zero_point = conv->zero_point, zero_points = conv->kernel * conv->kernel * zero_point;
	const float lo = (float)-zero_point, hi = (float)(255 - zero_point), mult = conv->src_mult;
	uint16_t sum[OPS_LANES] = {0};

	for (int ky = 0; ky < conv->kernel; ky++)
		for (int kx = 0; kx < conv->kernel; kx++) {
			const uint8_t *in = x + (size_t)ky * row + (size_t)kx * pixel;
			for (int i = 0; i < OPS_LANES; i++)
				sum[i] = (uint16_t)(sum[i] + in[i]);
		}
	for (int i = 0; i < OPS_LANES; i++)
		y[i] = ops_finish((float)(sum[i] - zero_points) * mult, lo, hi, zero_point);
}

OPS_INLINE void run_pool(const struct assay__conv *conv, const struct assay__conv_io *io, bool average)
{
	const size_t pixel = (size_t)assay__pixel_bytes(conv->cout), step = ops_step(conv);

	for (int y = 0; y < io->height; y++)
		for (int x = 0; x < io->width; x++) {
			const uint8_t *src = io->src + (size_t)(y * conv->stride) * io->src_row_bytes + (size_t)x * step;
			uint8_t *dst = io->dst + (size_t)y * io->dst_row_bytes + (size_t)x * pixel;

			for (int c = 0; c < conv->cout; c += OPS_LANES) {
				uint8_t out[OPS_LANES];
				if (average)
					average_lanes(conv, src + c, io->src_row_bytes, out);
				else
					max_lanes(conv, src + c, io->src_row_bytes, out);
				ops_store(dst + c, out, conv->cout - c);
			}
		}
}

static void run_max_pool(const struct assay__conv *conv, const struct assay__conv_io *io)
{
	run_pool(conv, io, false);
}

static void run_average_pool(const struct assay__conv *conv, const struct assay__conv_io *io)
{
	run_pool(conv, io, true);
}
