/* SPDX-License-Identifier: Apache-2.0 */
/* What makes two recipes the same: one function for each block, in one order. A new block goes to the end of it. */
#include <sodium.h>
#include <string.h>

#include "vision/recipe.h"

static void put_bytes(crypto_generichash_state *state, const void *bytes, size_t size)
{
	uint8_t length[8];
	for (int i = 0; i < 8; i++)
		length[i] = (uint8_t)((uint64_t)size >> (8 * i));
	crypto_generichash_update(state, length, sizeof(length));
	crypto_generichash_update(state, bytes, size);
}

static void put_int(crypto_generichash_state *state, int64_t value)
{
	uint8_t bytes[8];
	for (int i = 0; i < 8; i++)
		bytes[i] = (uint8_t)((uint64_t)value >> (8 * i));
	crypto_generichash_update(state, bytes, sizeof(bytes));
}

static void put_double(crypto_generichash_state *state, double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof(bits));
	put_int(state, (int64_t)bits);
}

static void put_settings(crypto_generichash_state *state, const struct assay_recipe *recipe)
{
	const struct assay__settings *s = &recipe->settings;
	put_int(state, s->working_px);
	put_int(state, s->smallest_defect_px);
	put_int(state, s->view.roi.x);
	put_int(state, s->view.roi.y);
	put_int(state, s->view.roi.width);
	put_int(state, s->view.roi.height);
	put_int(state, s->view.grey);
	put_int(state, s->view.white_level);
	put_int(state, s->exposure);
	put_double(state, s->light_tolerance);
	put_int(state, s->bank_size);
	put_int(state, s->folds);
	put_double(state, s->overkill);
	put_int(state, s->scale);
	put_int(state, recipe->shape.width_px);
	put_int(state, recipe->shape.height_px);
	put_int(state, recipe->shape.channels);
	put_int(state, recipe->shape.depth_bits);
}

static void put_network(crypto_generichash_state *state, const struct assay_recipe *recipe)
{
	put_bytes(state, recipe->network, recipe->network_size_bytes);
}

static void put_mask(crypto_generichash_state *state, const struct assay_recipe *recipe)
{
	uint8_t hash[ASSAY_HASH_BYTES];
	put_int(state, recipe->mask.pixels != NULL);
	if (!recipe->mask.pixels)
		return;
	assay_image_hash(&recipe->mask, hash);
	put_bytes(state, hash, sizeof(hash));
}

static void put_scales(crypto_generichash_state *state, const struct assay_recipe *recipe)
{
	put_int(state, recipe->dim);
	put_int(state, recipe->scales.count);
	for (int i = 0; i < recipe->scales.count; i++) {
		const struct assay__scale *scale = &recipe->scales.at[i];
		put_int(state, scale->working_px);
		put_int(state, scale->light_q8);
		put_int(state, scale->unit.mean_q8);
		put_int(state, scale->unit.sd_q8);
		put_bytes(state, scale->vectors, (size_t)scale->bank_count * (size_t)recipe->dim);
	}
}

static void put_calibration(crypto_generichash_state *state, const struct assay_recipe *recipe)
{
	put_int(state, recipe->threshold_q8);
	put_int(state, recipe->report.patches);
	put_int(state, recipe->report.parts_brightened);
	put_int(state, recipe->part_count);
	for (int i = 0; i < recipe->part_count; i++) {
		put_bytes(state, recipe->parts[i].hash, ASSAY_HASH_BYTES);
		put_int(state, recipe->parts[i].score_q8);
	}
}

static void put_golden(crypto_generichash_state *state, const struct assay_recipe *recipe)
{
	put_int(state, ASSAY__GOLDEN_COUNT);
	for (int i = 0; i < ASSAY__GOLDEN_COUNT; i++) {
		put_bytes(state, recipe->golden[i].hash, ASSAY_HASH_BYTES);
		put_int(state, recipe->golden[i].score_q8);
		put_bytes(state, recipe->golden[i].map_hash, ASSAY_HASH_BYTES);
	}
}

/* What not every recipe has adds to the hash only where it is, so that the others keep theirs. */
static void put_zones(crypto_generichash_state *state, const struct assay_recipe *recipe)
{
	const struct assay_zones *zones = recipe->zones;
	uint8_t hash[ASSAY_HASH_BYTES];
	if (!zones)
		return;
	put_bytes(state, "zones", 5);
	put_int(state, zones->count);
	for (int i = 0; i < zones->count; i++) {
		const struct assay__zone *zone = &zones->list[i];
		put_int(state, zone->number);
		put_bytes(state, zone->name, strlen(zone->name));
		put_int(state, zone->weight_q8);
		put_int(state, zone->least_area_px);
		put_int(state, zone->least_length_px);
	}
	assay_image_hash(&zones->painted, hash);
	put_bytes(state, hash, sizeof(hash));
}

static void put_pixel(crypto_generichash_state *state, const struct assay_recipe *recipe)
{
	if (!(recipe->mm_per_px > 0))
		return;
	put_bytes(state, "pixel", 5);
	put_double(state, recipe->mm_per_px);
}

static void put_labels(crypto_generichash_state *state, const struct assay_recipe *recipe)
{
	const struct assay__label_block *labels = &recipe->labels;
	if (!labels->count)
		return;
	put_bytes(state, "labels", 6);
	put_int(state, labels->count);
	for (int i = 0; i < labels->count; i++) {
		put_bytes(state, labels->defects[i].hash, ASSAY_HASH_BYTES);
		put_bytes(state, labels->defects[i].kind, strlen(labels->defects[i].kind));
	}
	put_bytes(state, labels->heads, labels->heads_size);
	put_bytes(state, labels->kinds, labels->kinds_size);
}

static void put_position(crypto_generichash_state *state, const struct assay_recipe *recipe)
{
	const struct assay_image *reference = &recipe->scales.reference;
	uint8_t hash[ASSAY_HASH_BYTES];
	if (!reference->pixels)
		return;
	put_bytes(state, "position", 8);
	assay_image_hash(reference, hash);
	put_bytes(state, hash, sizeof(hash));
	for (int i = 0; i < recipe->scales.count; i++) {
		const struct assay__placed *placed = &recipe->scales.at[i].placed;
		put_int(state, placed->unit.mean_q8);
		put_int(state, placed->unit.sd_q8);
		put_bytes(state, placed->counts, (size_t)placed->cells);
		put_bytes(state, placed->vectors, (size_t)placed->count * (size_t)recipe->dim);
	}
}

static void put_suspects(crypto_generichash_state *state, const struct assay_recipe *recipe)
{
	if (!recipe->report.suspect_count)
		return;
	put_bytes(state, "suspects", 8);
	put_int(state, recipe->report.suspect_count);
	for (int i = 0; i < recipe->report.suspect_count; i++) {
		put_bytes(state, recipe->suspects[i].hash, ASSAY_HASH_BYTES);
		put_int(state, recipe->suspects[i].score_q8);
		put_int(state, recipe->suspects[i].learnt);
	}
}

void assay__recipe_content_hash(const struct assay_recipe *recipe, uint8_t hash[ASSAY_HASH_BYTES])
{
	static void (*const blocks[])(crypto_generichash_state *, const struct assay_recipe *) = {
		put_settings, put_network, put_mask,	 put_scales,   put_calibration, put_golden,
		put_zones,	  put_pixel,   put_suspects, put_position, put_labels,
	};
	crypto_generichash_state state;
	crypto_generichash_init(&state, NULL, 0, ASSAY_HASH_BYTES);
	put_bytes(&state, "assay recipe 2", 14);
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		blocks[i](&state, recipe);
	crypto_generichash_final(&state, hash, ASSAY_HASH_BYTES);
}
