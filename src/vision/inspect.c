/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/inspect.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "vision/calibrate.h"

const char *assay_verdict_name(enum assay_verdict verdict)
{
	static const char *const names[] = {"PASS", "FAIL", "FAULT"};
	return (unsigned)verdict < 3 ? names[verdict] : "FAULT";
}

int assay_worker_open(const struct assay_recipe *recipe, struct assay_worker **out, struct assay_error *error)
{
	struct assay_worker *worker = assay__calloc(recipe->allocator, 1, sizeof(*worker));
	if (!worker)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a worker");
	worker->recipe = recipe;
	int rc = assay__workspace_open(recipe->net, &recipe->settings.view, &recipe->scales, assay__recipe_mask(recipe),
								   recipe->allocator, &worker->space, error);
	if (rc == 0)
		rc = assay__workspace_shape(worker->space, &recipe->shape, error);
	if (rc == 0 && recipe->zones) {
		const struct assay__geometry *g = &assay__workspace_finest(worker->space)->geometry;
		worker->zone_cells = assay__alloc(recipe->allocator, (size_t)g->grid_width * (size_t)g->grid_height);
		if (worker->zone_cells)
			assay__zones_cells(recipe->zones, g, worker->zone_cells);
		else
			rc = assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the zones");
	}
	if (rc) {
		assay_worker_close(worker);
		return rc;
	}
	*out = worker;
	return 0;
}

void assay_worker_close(struct assay_worker *worker)
{
	if (!worker)
		return;
	assay__workspace_close(worker->space);
	assay__free(worker->recipe->allocator, worker->zone_cells);
	assay__free(worker->recipe->allocator, worker);
}

static int refuse(struct assay_result *result, int code, const char *message)
{
	result->verdict = ASSAY_FAULT;
	result->fault.code = code;
	result->fault.position = -1;
	snprintf(result->fault.message, sizeof(result->fault.message), "%s", message);
	return code;
}

/* Whether the picture can be judged at all; if not, why. */
static int admit(struct assay_worker *worker, const struct assay_image *image, struct assay_result *result)
{
	const struct assay_recipe *recipe = worker->recipe;
	struct assay_error why = {ASSAY_OK, -1, ""};
	char expected[64], got[64], message[200];
	if (!image || !assay__image_sane(image))
		return refuse(result, ASSAY_E_ARGUMENT, "there is no picture, or its sides, depth or rows are impossible");
	struct assay__shape shape = assay__shape_of(image);
	if (!recipe->settings.scale && !assay__shape_equal(&shape, &recipe->shape)) {
		snprintf(message, sizeof(message), "expected a picture of %s, got %s",
				 assay__shape_text(&recipe->shape, expected), assay__shape_text(&shape, got));
		return refuse(result, ASSAY_E_MISMATCH, message);
	}
	int rc = assay__workspace_shape(worker->space, &shape, &why);
	return rc ? refuse(result, rc, why.message) : 0;
}

/* Names the kinds of regions by the finest vectors around their worst cells. */
static void name_kinds(struct assay_worker *worker, struct assay_result *result)
{
	const struct assay__kinds *kinds = worker->recipe->labels.named;
	const struct assay__workspace *space = worker->space;
	const struct assay__scale_space *finest = assay__workspace_finest(space);
	const struct assay__geometry *g = &finest->geometry;
	int16_t mean[ASSAY__BANK_MAX_DIM];
	for (int i = 0; kinds && i < result->region_count; i++) {
		struct assay_region *region = &result->regions[i];
		int x = (int)((int64_t)(region->peak_x_px - g->area.x) * g->grid_width / g->area.width),
			y = (int)((int64_t)(region->peak_y_px - g->area.y) * g->grid_height / g->area.height);
		int kind = ASSAY__KIND_UNKNOWN;
		if (assay__kinds_around(space->vectors, assay__judge_cells(finest->judge), finest->live, g->grid_width,
								g->grid_height, y * g->grid_width + x, space->dim, mean))
			kind = assay__kinds_of(kinds, mean);
		region->kind = assay__kinds_name(kinds, kind);
	}
}

/* Without zones a region counts wherever it is, and the score alone is the verdict. */
static void find_regions(struct assay_worker *worker, struct assay_result *result)
{
	const struct assay_recipe *recipe = worker->recipe;
	struct assay__tolerance tolerance = {.cells = worker->zone_cells};
	if (recipe->zones)
		tolerance.zones = recipe->zones->list;
	else if (result->verdict == ASSAY_PASS)
		return;
	result->region_count = assay__judge_regions(
		assay__workspace_finest(worker->space)->judge, worker->space->map, recipe->threshold_q8, &result->map_area,
		recipe->zones ? &tolerance : NULL, result->regions, &result->regions_total, &result->regions_counted);
	name_kinds(worker, result);
	if (recipe->zones)
		result->verdict = result->regions_counted ? ASSAY_FAIL : ASSAY_PASS;
}

int assay_inspect(struct assay_worker *worker, const struct assay_image *image, struct assay_result *result,
				  struct assay_error *error)
{
	const struct assay_recipe *recipe = worker->recipe;
	struct assay__workspace *space = worker->space;
	memset(result, 0, sizeof(*result));
	result->fault.position = -1;
	result->threshold_q8 = recipe->threshold_q8;
	result->mm_per_px = recipe->mm_per_px;
	int rc = admit(worker, image, result);
	if (rc)
		return rc == ASSAY_E_NOMEM ? assay__fail(error, ASSAY_E_NOMEM, -1, "%s", result->fault.message) : 0;
	const struct assay__scale_space *finest = assay__workspace_finest(space);
	result->score_q8 = assay__workspace_judge(space, image);
	result->bank_q8 = space->bank_q8;
	result->head_q8 = space->head_q8;
	result->labelled = recipe->scales.labels != NULL;
	result->verdict = result->score_q8 > recipe->threshold_q8 ? ASSAY_FAIL : ASSAY_PASS;
	result->p_value = assay__conformal_p(recipe->calibration_q8, recipe->part_count, result->score_q8);
	result->map_q8 = assay__workspace_locate(space);
	result->grid_width = finest->geometry.grid_width;
	result->grid_height = finest->geometry.grid_height;
	result->map_area = finest->geometry.area;
	find_regions(worker, result);
	return 0;
}
