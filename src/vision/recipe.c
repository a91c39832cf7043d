/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/recipe.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "base/err.h"
#include "vision/calibrate.h"
#include "vision/recipe_position.h"

struct assay_recipe *assay__recipe_new(const struct assay_env *env)
{
	const struct assay_allocator *allocator = env ? env->allocator : NULL;
	struct assay_recipe *recipe = assay__calloc(allocator, 1, sizeof(*recipe));
	if (!recipe)
		return NULL;
	recipe->allocator = allocator;
	recipe->isa = env ? env->isa : ASSAY_ISA_BEST;
	return recipe;
}

void assay_recipe_close(struct assay_recipe *recipe)
{
	if (!recipe)
		return;
	const struct assay_allocator *allocator = recipe->allocator;
	assay__scales_free(&recipe->scales, allocator);
	assay__net_close(recipe->net);
	assay__free(allocator, recipe->network_owned);
	assay_image_free(&recipe->mask, allocator);
	assay__free(allocator, recipe->calibration_q8);
	for (int i = 0; recipe->parts && i < recipe->part_count; i++)
		assay__free(allocator, recipe->parts[i].name);
	assay__free(allocator, recipe->parts);
	for (int i = 0; recipe->suspects && i < recipe->report.suspect_count; i++)
		assay__free(allocator, (char *)recipe->suspects[i].name);
	assay__free(allocator, recipe->suspects);
	assay__keep_free(recipe->keep, allocator);
	assay_zones_free(recipe->zones);
	for (int i = 0; recipe->labels.defects && i < recipe->labels.count; i++)
		assay__free(allocator, recipe->labels.defects[i].name);
	assay__free(allocator, recipe->labels.defects);
	assay__free(allocator, recipe->labels.heads);
	assay__free(allocator, recipe->labels.kinds);
	assay__kinds_close(recipe->labels.named);
	for (int i = 0; i < ASSAY__GOLDEN_COUNT; i++)
		assay__free(allocator, recipe->golden[i].png);
	assay__free(allocator, recipe);
}

const struct assay_image *assay__recipe_mask(const struct assay_recipe *recipe)
{
	return recipe->mask.pixels ? &recipe->mask : NULL;
}

int assay__recipe_open_net(struct assay_recipe *recipe, struct assay_error *error)
{
	int rc = assay__net_open(recipe->network, recipe->network_size_bytes, recipe->isa, recipe->allocator, &recipe->net,
							 error);
	if (rc) {
		assay__fail_prefix(error, "network");
		return rc;
	}
	assay__net_get_info(recipe->net, &recipe->net_info);
	recipe->dim = assay__features_dim(&recipe->net_info);
	if (recipe->dim < 1 || recipe->dim > ASSAY__BANK_MAX_DIM)
		return assay__fail(error, ASSAY_E_UNSUPPORTED, -1,
						   "the network's taps must have strides of 4, 8 or 16 and 1 to %d channels together",
						   ASSAY__BANK_MAX_DIM);
	return 0;
}

int assay__recipe_ready(struct assay_recipe *recipe, struct assay_error *error)
{
	assert(recipe->net && recipe->scales.count >= 1 && recipe->part_count >= 2);
	int align = assay__workspace_align(&recipe->net_info);
	recipe->report.bank_size = 0;
	for (int s = 0; s < recipe->scales.count; s++) {
		struct assay__scale *scale = &recipe->scales.at[s];
		int rc = assay__prep_geometry(&recipe->settings.view, scale->working_px, &recipe->shape, align,
									  &recipe->geometries[s], error);
		if (rc == 0 && !scale->bank)
			rc = assay__bank_open(scale->vectors, scale->bank_count, recipe->dim, recipe->isa, recipe->allocator,
								  &scale->bank, error);
		if (rc)
			return rc;
		recipe->report.bank_size += scale->bank_count;
	}
	int placed = assay__position_ready(recipe, error);
	if (placed)
		return placed;
	recipe->calibration_q8 = assay__calloc(recipe->allocator, (size_t)recipe->part_count, sizeof(uint32_t));
	if (!recipe->calibration_q8)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the calibration");
	for (int i = 0; i < recipe->part_count; i++)
		recipe->calibration_q8[i] = recipe->parts[i].score_q8;
	assay__calibration_report(recipe->calibration_q8, recipe->part_count, recipe->settings.overkill,
							  recipe->threshold_q8, &recipe->report);
	recipe->report.folds = recipe->settings.folds;
	return 0;
}

void assay_recipe_get_info(const struct assay_recipe *recipe, struct assay_recipe_info *info)
{
	const struct assay__settings *s = &recipe->settings;
	const struct assay__geometry *finest = &recipe->geometries[recipe->scales.count - 1];
	*info = (struct assay_recipe_info){
		.network_name = recipe->net_info.name,
		.image_width_px = recipe->shape.width_px,
		.image_height_px = recipe->shape.height_px,
		.image_channels = recipe->shape.channels,
		.image_depth_bits = recipe->shape.depth_bits,
		.scale_count = recipe->scales.count,
		.working_width_px = finest->width_px,
		.working_height_px = finest->height_px,
		.grid_width = finest->grid_width,
		.grid_height = finest->grid_height,
		.feature_dim = recipe->dim,
		.smallest_defect_px = s->smallest_defect_px,
		.roi = finest->area,
		.masked = recipe->mask.pixels != NULL,
		.grey = s->view.grey,
		.scale = s->scale,
		.exposure = s->exposure,
		.light_tolerance = s->light_tolerance,
		.white_level = s->view.white_level,
		.folds = s->folds,
		.zone_count = recipe->zones ? recipe->zones->count : 0,
		.mm_per_px = recipe->mm_per_px,
		.calibration_q8 = recipe->calibration_q8,
		.suspects = recipe->suspects,
		.report = recipe->report,
		.workspace_bytes = recipe->workspace_bytes,
	};
	for (int i = 0; i < recipe->scales.count; i++) {
		const struct assay__scale *scale = &recipe->scales.at[i];
		const struct assay__geometry *g = &recipe->geometries[i];
		info->scales[i] =
			(struct assay_scale_info){g->width_px,		 g->height_px,		  g->grid_width,	g->grid_height,
									  scale->bank_count, scale->unit.mean_q8, scale->unit.sd_q8};
		info->macs += assay__net_macs(recipe->net, g->width_px, g->height_px);
	}
	if (recipe->keep) {
		info->step_count = recipe->keep->step_count;
		info->steps = recipe->keep->steps;
		info->kept_bytes = assay__keep_bytes(recipe->keep, &info->kept_goods, &info->kept_defects);
	}
	memcpy(info->network_hash, recipe->net_info.hash, sizeof(info->network_hash));
	memcpy(info->content_hash, recipe->content_hash, sizeof(info->content_hash));
}

int assay__recipe_measure(struct assay__workspace *space, const struct assay_image *image, uint32_t *score_q8,
						  uint8_t map_hash[ASSAY_HASH_BYTES], struct assay_error *error)
{
	struct assay__shape shape = assay__shape_of(image);
	int rc = assay__workspace_shape(space, &shape, error);
	if (rc)
		return rc;
	*score_q8 = assay__workspace_judge(space, image);
	crypto_generichash_state state;
	crypto_generichash_init(&state, NULL, 0, ASSAY_HASH_BYTES);
	const struct assay__geometry *finest = &assay__workspace_finest(space)->geometry;
	for (int i = 0; i < finest->grid_width * finest->grid_height; i++) {
		uint8_t bytes[4] = {(uint8_t)space->map[i], (uint8_t)(space->map[i] >> 8), (uint8_t)(space->map[i] >> 16),
							(uint8_t)(space->map[i] >> 24)};
		crypto_generichash_update(&state, bytes, sizeof(bytes));
	}
	crypto_generichash_final(&state, map_hash, ASSAY_HASH_BYTES);
	return 0;
}

static int check_one(const struct assay_recipe *recipe, struct assay__workspace *space,
					 const struct assay__golden *golden, struct assay_error *error)
{
	struct assay_image image;
	int rc = assay_image_decode(golden->png, golden->png_size, recipe->allocator, &image, error);
	if (rc) {
		assay__fail_prefix(error, "golden picture");
		return rc == ASSAY_E_NOMEM ? rc : ASSAY_E_FORMAT;
	}
	uint8_t hash[ASSAY_HASH_BYTES], map_hash[ASSAY_HASH_BYTES];
	uint32_t score_q8 = 0;
	assay_image_hash(&image, hash);
	struct assay__shape shape = assay__shape_of(&image);
	if (memcmp(hash, golden->hash, sizeof(hash)) != 0 ||
		(!recipe->settings.scale && !assay__shape_equal(&shape, &recipe->shape)))
		rc = assay__fail(error, ASSAY_E_FORMAT, -1, "a golden picture is damaged or was exchanged");
	else
		rc = assay__recipe_measure(space, &image, &score_q8, map_hash, error);
	assay_image_free(&image, recipe->allocator);
	if (rc)
		return rc == ASSAY_E_NOMEM ? rc : ASSAY_E_FORMAT;
	if (score_q8 != golden->score_q8 || memcmp(map_hash, golden->map_hash, sizeof(map_hash)) != 0)
		return assay__fail(error, ASSAY_E_FORMAT, -1,
						   "this machine does not reproduce the recipe's golden vectors (score %u/256 instead of "
						   "%u/256); its verdicts could not be trusted",
						   score_q8, golden->score_q8);
	return 0;
}

int assay__recipe_check_golden(struct assay_recipe *recipe, struct assay_error *error)
{
	struct assay__workspace *space = NULL;
	int rc = assay__workspace_open(recipe->net, &recipe->settings.view, &recipe->scales, assay__recipe_mask(recipe),
								   recipe->allocator, &space, error);
	for (int i = 0; rc == 0 && i < ASSAY__GOLDEN_COUNT; i++)
		rc = check_one(recipe, space, &recipe->golden[i], error);
	if (rc == 0)
		rc = assay__workspace_shape(space, &recipe->shape, error);
	if (rc == 0)
		recipe->workspace_bytes = assay__workspace_bytes(space);
	assay__workspace_close(space);
	return rc;
}
