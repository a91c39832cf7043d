/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of teaching and judging share: a small network, generated parts, and a way to teach from them. */
#ifndef ASSAY_TESTS_UNIT_VISION_UTIL_H
#define ASSAY_TESTS_UNIT_VISION_UTIL_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assay/assay.h"
#include "base/err.h"
#include "failing.h"
#include "net_builder.h"

#define PART_WIDTH 96
#define PART_HEIGHT 80
#define PARTS_MOST 64

/* 3 taps of strides 4, 8, 16 with 8 + 8 + 16 channels; free() the bytes. */
static inline uint8_t *small_network(uint64_t seed, size_t *size)
{
	struct net_builder b;
	net_builder_begin(&b, "small", 16, seed);
	int t = net_builder_conv(&b, 0, &(struct net_conv){.cout = 8, .kernel = 3, .stride = 2, .residual = -1, .hi = 255});
	t = net_builder_block(&b, t, 8, 8, 2);
	net_builder_tap(&b, t);
	t = net_builder_block(&b, t, 16, 8, 2);
	net_builder_tap(&b, t);
	t = net_builder_block(&b, t, 16, 16, 2);
	net_builder_tap(&b, t);
	return net_builder_end(&b, size);
}

/* A face with a bright boss and ribs; noise and a little brightness by seed. */
static inline struct assay_image make_part(int width, int height, int channels, int depth, uint64_t seed)
{
	struct assay_image image;
	assert_int_equal(assay_image_create(width, height, channels, depth, NULL, &image, NULL), 0);
	uint64_t state = seed * 77 + 5;
	int light = net_random_range(&state, -6, 6);
	for (int y = 0; y < height; y++)
		for (int x = 0; x < width; x++) {
			int dx = x - width / 2, dy = y - height / 2;
			int v = dx * dx + dy * dy < height * height / 9 ? 170 : x / 8 % 2 ? 90 : 110;
			v += light + net_random_range(&state, -8, 8);
			for (int c = 0; c < channels; c++) {
				size_t at = (size_t)x * (size_t)channels + (size_t)c;
				uint8_t *row = image.pixels + (size_t)y * image.stride_bytes;
				uint16_t wide = (uint16_t)((v + 5 * c) * 257);
				if (depth == 8)
					row[at] = (uint8_t)(v + 5 * c);
				else
					memcpy(row + 2 * at, &wide, 2);
			}
		}
	return image;
}

/* A black and white checked patch, of a kind no good part has. */
static inline void spoil(struct assay_image *image, int x0, int y0, int side)
{
	size_t pixel_bytes = (size_t)(image->channels * image->depth_bits / 8);
	for (int y = y0; y < y0 + side; y++)
		for (int x = x0; x < x0 + side; x++)
			memset(image->pixels + (size_t)y * image->stride_bytes + (size_t)x * pixel_bytes,
				   (x / 2 + y / 2) % 2 ? 255 : 0, pixel_bytes);
}

/* Parts in memory, offered in any order; `broken` ones cannot be read. */
struct shelf {
	struct assay_image images[PARTS_MOST];
	char names[PARTS_MOST][40];
	int order[PARTS_MOST];
	bool broken[PARTS_MOST];
	int count;
};

static inline int shelf_load(void *ctx, int index, const struct assay_allocator *allocator, struct assay_image *image,
							 struct assay_error *error)
{
	const struct shelf *shelf = ctx;
	int at = shelf->order[index];
	const struct assay_image *from = &shelf->images[at];
	if (shelf->broken[at])
		return assay__fail(error, ASSAY_E_FORMAT, 0, "%s: broken on purpose", shelf->names[at]);
	int rc =
		assay_image_create(from->width_px, from->height_px, from->channels, from->depth_bits, allocator, image, error);
	for (int y = 0; rc == 0 && y < from->height_px; y++)
		memcpy(image->pixels + (size_t)y * image->stride_bytes, from->pixels + (size_t)y * from->stride_bytes,
			   (size_t)from->width_px * (size_t)(from->channels * from->depth_bits / 8));
	return rc;
}

static inline const char *shelf_name(void *ctx, int index)
{
	const struct shelf *shelf = ctx;
	return shelf->names[shelf->order[index]];
}

static inline void shelf_put(struct shelf *shelf, struct assay_image image)
{
	int at = shelf->count++;
	assert_true(at < PARTS_MOST);
	shelf->images[at] = image;
	shelf->order[at] = at;
	shelf->broken[at] = false;
	snprintf(shelf->names[at], sizeof(shelf->names[at]), "good/part_%02d.png", at);
}

static inline void shelf_fill(struct shelf *shelf, int count)
{
	memset(shelf, 0, sizeof(*shelf));
	for (int i = 0; i < count; i++)
		shelf_put(shelf, make_part(PART_WIDTH, PART_HEIGHT, 1, 8, (uint64_t)i + 1));
}

static inline void shelf_clear(struct shelf *shelf)
{
	for (int i = 0; i < shelf->count; i++)
		assay_image_free(&shelf->images[i], NULL);
	shelf->count = 0;
}

static inline struct assay_parts shelf_parts(struct shelf *shelf)
{
	return (struct assay_parts){.count = shelf->count, .load = shelf_load, .name = shelf_name, .ctx = shelf};
}

/* Small and quick to teach. */
static inline struct assay_teach_options quick_options(void)
{
	return (struct assay_teach_options){.working_px = 64, .bank_size = 60};
}

static inline struct assay_recipe *must_teach(const struct assay_env *env, const struct assay_teach_options *options,
											  struct shelf *shelf, struct assay_teach_report *report)
{
	struct assay_parts parts = shelf_parts(shelf);
	struct assay_recipe *recipe = NULL;
	struct assay_error error = {0};
	if (assay_teach(env, options, &parts, NULL, NULL, &recipe, report, &error))
		fail_msg("%s", error.message);
	return recipe;
}

#endif
