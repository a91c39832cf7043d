/* SPDX-License-Identifier: Apache-2.0 */
/* What happens to pictures before the network: demosaicing, warping, resampling, of noise and of its extremes. */
#include "same_bits.h"

#include "vision/bayer.h"
#include "vision/light.h"
#include "vision/prep.h"
#include "vision/warp.h"

static struct assay_image make(int width, int height, int channels, int depth_bits)
{
	const size_t stride = (size_t)width * (size_t)channels * (size_t)depth_bits / 8;
	uint8_t *pixels = calloc(stride, (size_t)height);

	if (!pixels)
		give_up("no memory for a picture");
	return (struct assay_image){width, height, channels, depth_bits, stride, pixels};
}

/* Samples of `bits`; every fourth one is the least or the largest. */
static struct assay_image noise(int width, int height, int channels, int bits, uint64_t seed)
{
	const int most = (1 << bits) - 1;
	struct assay_image image = make(width, height, channels, bits == 8 ? 8 : 16);

	for (size_t i = 0; i < (size_t)width * (size_t)height * (size_t)channels; i++) {
		const int value = dice(&seed) % 4 ? dice_range(&seed, 0, most) : dice(&seed) & 1 ? most : 0;
		if (bits == 8)
			image.pixels[i] = (uint8_t)value;
		else
			((uint16_t *)(void *)image.pixels)[i] = (uint16_t)value;
	}
	return image;
}

static void put_picture(struct blake2b *hash, const struct assay_image *image)
{
	for (size_t i = 0; i < image->stride_bytes / ((size_t)image->depth_bits / 8) * (size_t)image->height_px; i++) {
		const int32_t value = image->depth_bits == 8 ? image->pixels[i] : ((uint16_t *)(void *)image->pixels)[i];
		put_i32s(hash, &value, 1);
	}
}

static void demosaic(int width, int bits, struct blake2b *hash)
{
	struct assay_image mosaic = noise(width, 5, 1, bits, (uint64_t)(width * 32 + bits));
	struct assay_image rgb = make(width, 5, 3, mosaic.depth_bits);

	if (assay__bayer_to_rgb(&mosaic, (enum assay__bayer)(width % 4), bits, &rgb, NULL))
		give_up("a mosaic of %d x 5, %d bits, is refused", width, bits);
	put_picture(hash, &rgb);
	free(mosaic.pixels);
	free(rgb.pixels);
}

static void warp(int width, int channels, struct blake2b *hash)
{
	uint64_t seed = (uint64_t)(width * 8 + channels);
	struct assay_image from = noise(width, 19, channels, 8, seed), to = make(width + 3, 17, channels, 8);
	struct assay__warp plan;
	double matrix[6];

	for (int i = 0; i < 6; i++)
		matrix[i] = dice_range(&seed, -1500, 1500) / (i % 3 == 2 ? 100.0 : 1000.0);
	if (assay__warp_plan(matrix, &plan, NULL) ||
		assay__warp_affine(&plan, &from, width % 2 ? ASSAY__WARP_FILL : ASSAY__WARP_NEAREST, 99, &to, NULL))
		give_up("a warp of %d x 19 is refused", width);
	put_picture(hash, &to);
	free(from.pixels);
	free(to.pixels);
}

static void resample(int width, int channels, int bits, bool grey, struct blake2b *hash)
{
	const struct assay__view view = {.grey = grey, .white_level = bits == 8 ? 65535 : 3000};
	struct assay_image image = noise(width, 100, channels, bits, (uint64_t)(width * 8 + channels));
	const struct assay__shape shape = assay__shape_of(&image);
	struct assay__geometry geometry;
	struct assay__prep *prep;

	if (assay__prep_geometry(&view, 64, &shape, 8, &geometry, NULL) ||
		assay__prep_open(&view, &shape, &geometry, NULL, &prep, NULL))
		give_up("a picture of %d x 100 is refused", width);
	struct assay_image to = make(geometry.width_px * 4, geometry.height_px, 1, 8);
	assay__prep_run(prep, &image, to.pixels, to.stride_bytes);
	blake2b_update(hash, to.pixels, to.stride_bytes * (size_t)to.height_px);
	const struct assay__plane plane = {.pixels = to.pixels,
									   .row_bytes = to.stride_bytes,
									   .width_px = geometry.width_px,
									   .height_px = geometry.height_px};
	const int gain = assay__light_gain_q12((uint32_t)(40 * width + 20000), assay__light_mean_q8(&plane));
	put_u64(hash, (uint64_t)gain);
	put_u64(hash, (uint64_t)assay__light_clipped(&plane, gain));
	assay__light_scale(&plane, gain);
	blake2b_update(hash, to.pixels, to.stride_bytes * (size_t)to.height_px);
	assay__prep_close(prep);
	free(image.pixels);
	free(to.pixels);
}

void sweep_pictures(struct blake2b *hash)
{
	for (int width = 1; width <= 130; width++) {
		demosaic(width, (const int[]){8, 10, 12, 14, 16}[width % 5], hash);
		warp(width, (const int[]){1, 3, 4}[width % 3], hash);
	}
	for (int width = 250; width <= 262; width++)
		demosaic(width, width % 2 ? 8 : 12, hash);
	for (int width = 20; width <= 500; width += 37)
		for (int kind = 0; kind < 6; kind++)
			resample(width, kind % 3 ? 3 : 1, kind < 3 ? 8 : 12, kind % 3 == 2, hash);
}
