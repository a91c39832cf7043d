/* SPDX-License-Identifier: Apache-2.0 */
/* How parts lie, and the search by place: floats in the one, the bank's kernels on few vectors in the other. */
#include "same_bits.h"

#include <string.h>

#include "vision/place.h"

#define GRID_WIDTH 9
#define GRID_HEIGHT 7
#define CELLS (GRID_WIDTH * GRID_HEIGHT)

/* Blobs on a slope, moved by whole and half pixels and noisy. */
static void draw(uint8_t *luma, int width, int height, int shift_x2, int shift_y2, uint64_t seed)
{
	static const int blobs[][4] = {{30, 40, 9, 120}, {70, 22, 7, -90}, {62, 66, 11, 80}, {20, 80, 6, -70}};
	for (int y = 0; y < height; y++)
		for (int x = 0; x < width; x++) {
			int v = 90 + x / 4;
			for (size_t i = 0; i < sizeof(blobs) / sizeof(blobs[0]); i++) {
				int dx = 2 * x - shift_x2 - 2 * blobs[i][0] * width / 100;
				int dy = 2 * y - shift_y2 - 2 * blobs[i][1] * height / 100, r = 2 * blobs[i][2] * height / 100;
				int off = dx * dx + dy * dy, edge = r * r;
				v += off >= edge ? 0 : blobs[i][3] * (edge - off) / edge;
			}
			v += dice_range(&seed, -6, 6);
			luma[y * width + x] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
		}
}

static void registrations(int width, int height, struct blake2b *hash)
{
	struct assay__registration *reference;
	struct assay__registrar *registrar;
	uint8_t *luma = malloc((size_t)width * (size_t)height);

	if (!luma)
		give_up("no memory for %d x %d", width, height);
	draw(luma, width, height, 0, 0, 1);
	if (assay__registration_open(luma, NULL, width, height, NULL, &reference, NULL) ||
		assay__registrar_open(width, height, NULL, &registrar, NULL))
		give_up("a reference of %d x %d is refused", width, height);
	for (int i = 0; i < 24; i++) {
		struct assay__pose pose;
		draw(assay__registrar_luma(registrar), width, height, i % 7 * 3 - 9, i % 5 * 4 - 8, (uint64_t)i + 2);
		put_u64(hash, (uint64_t)assay__registrar_run(registrar, reference, &pose));
		put_i32s(hash, (const int32_t[]){pose.grow_q24, pose.turn_q24, pose.x_q16, pose.y_q16}, 4);
		blake2b_update(hash, assay__registrar_moved(registrar), (size_t)width * (size_t)height);
	}
	assay__registrar_close(registrar);
	assay__registration_close(reference);
	free(luma);
}

static void places(enum assay_isa isa, int dim, struct blake2b *hash)
{
	const struct assay__geometry geometry = {.grid_width = GRID_WIDTH, .grid_height = GRID_HEIGHT};
	uint64_t seed = (uint64_t)dim;
	uint8_t counts[CELLS];
	int total = 0;
	int32_t d2[CELLS];
	struct assay__place *place;
	struct assay__place_search *search;

	for (int i = 0; i < CELLS; i++)
		total += counts[i] = (uint8_t)dice_range(&seed, 0, ASSAY__PLACE_DEPTH);
	int8_t *vectors = malloc((size_t)(total + CELLS) * (size_t)dim), *queries = vectors + (size_t)total * (size_t)dim;
	if (!vectors)
		give_up("no memory for %d vectors", total);
	for (size_t i = 0; i < (size_t)(total + CELLS) * (size_t)dim; i++)
		vectors[i] = (int8_t)dice_range(&seed, -127, 127);
	if (assay__place_open(vectors, counts, GRID_WIDTH, GRID_HEIGHT, dim, isa, NULL, &place, NULL) ||
		assay__place_search_open(CELLS, NULL, &search, NULL))
		give_up("a bank by place of %d dims is refused", dim);
	for (int i = 0; i < 8; i++) {
		const struct assay__pose pose = {dice_range(&seed, -900000, 900000), dice_range(&seed, -900000, 900000),
										 dice_range(&seed, -900000, 900000), dice_range(&seed, -900000, 900000)};
		assay__place_cells(&pose, 90, 70, &geometry, NULL, CELLS, assay__place_search_where(search));
		put_i32s(hash, assay__place_search_where(search), CELLS);
		assay__place_nearest(place, search, queries, CELLS, d2);
		put_i32s(hash, d2, CELLS);
	}
	int64_t among[CELLS], kept[ASSAY__PLACE_DEPTH];
	for (int i = 0; i < CELLS; i++)
		among[i] = i;
	int count = assay__place_choose(queries, among, CELLS, dim, d2, kept);
	for (int i = 0; i < count; i++)
		put_u64(hash, (uint64_t)kept[i]);
	assay__place_search_close(search);
	assay__place_close(place);
	free(vectors);
}

void sweep_position(enum assay_isa isa, struct blake2b *hash)
{
	registrations(80, 80, hash);
	registrations(133, 71, hash);
	for (int dim = 5; dim <= 300; dim += 59)
		places(isa, dim, hash);
}
