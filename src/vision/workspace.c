/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/workspace.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"

int assay__workspace_align(const struct assay__net_info *info)
{
	int need = ASSAY__CELL_PX, align = info->align;
	for (int i = 0; i < info->tap_count; i++)
		if (info->taps[i].stride > need)
			need = info->taps[i].stride;
	while (align % need != 0)
		align += info->align;
	return align;
}

int assay__workspace_open(const struct assay__net *net, const struct assay__view *view, const struct assay_image *mask,
						  const struct assay_allocator *allocator, struct assay__workspace **out,
						  struct assay_error *error)
{
	struct assay__workspace *space = assay__calloc(allocator, 1, sizeof(*space));
	if (!space)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a workspace");
	space->allocator = allocator;
	space->net = net;
	space->view = view;
	space->mask = mask;
	assay__net_get_info(net, &space->info);
	space->dim = assay__features_dim(&space->info);
	if (space->dim < 1 || space->dim > ASSAY__BANK_MAX_DIM) {
		assay__free(allocator, space);
		return assay__fail(error, ASSAY_E_UNSUPPORTED, -1,
						   "the network's taps must have strides of 4, 8 or 16 and 1 to %d channels together",
						   ASSAY__BANK_MAX_DIM);
	}
	space->align = assay__workspace_align(&space->info);
	*out = space;
	return 0;
}

static void drop_grid(struct assay__workspace *space)
{
	assay__plan_close(space->plan);
	assay__features_close(space->features);
	assay__free_aligned(space->allocator, space->vectors);
	assay__free(space->allocator, space->d2);
	assay__free(space->allocator, space->map);
	space->plan = NULL;
	space->features = NULL;
	space->vectors = NULL;
	space->d2 = NULL;
	space->map = NULL;
}

static void drop_shape(struct assay__workspace *space)
{
	assay__prep_close(space->prep);
	assay__judge_close(space->judge);
	space->prep = NULL;
	space->judge = NULL;
	space->live = 0;
	memset(&space->shape, 0, sizeof(space->shape));
}

void assay__workspace_close(struct assay__workspace *space)
{
	if (!space)
		return;
	drop_grid(space);
	drop_shape(space);
	assay__free(space->allocator, space);
}

size_t assay__workspace_bytes(const struct assay__workspace *space)
{
	size_t cells = (size_t)space->geometry.grid_width * (size_t)space->geometry.grid_height;
	if (!space->plan)
		return sizeof(*space);
	return sizeof(*space) + assay__plan_bytes(space->plan) + assay__prep_bytes(space->prep) +
		   assay__features_bytes(space->features) + assay__judge_bytes(space->judge) + cells * ((size_t)space->dim + 8);
}

/* Everything that depends on the working size alone. */
static int plan_grid(struct assay__workspace *space, const struct assay__geometry *g, struct assay_error *error)
{
	size_t cells = (size_t)g->grid_width * (size_t)g->grid_height;
	int rc = assay__plan_open(space->net, g->width_px, g->height_px, space->allocator, &space->plan, error);
	if (rc == 0)
		rc = assay__features_open(&space->info, g->grid_width, g->grid_height, space->allocator, &space->features,
								  error);
	if (rc)
		return rc;
	space->vectors = assay__alloc_aligned(space->allocator, cells * (size_t)space->dim);
	space->d2 = assay__calloc(space->allocator, cells, sizeof(*space->d2));
	space->map = assay__calloc(space->allocator, cells, sizeof(*space->map));
	if (!space->vectors || !space->d2 || !space->map)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the features of a %dx%d picture", g->width_px,
						   g->height_px);
	return 0;
}

static int plan_judge(struct assay__workspace *space, const struct assay__shape *shape, struct assay_error *error)
{
	const struct assay__geometry *g = &space->geometry;
	if (!space->mask)
		return assay__judge_open(g->grid_width, g->grid_height, NULL, space->allocator, &space->judge, error);
	if (space->mask->width_px != shape->width_px || space->mask->height_px != shape->height_px)
		return assay__fail(error, ASSAY_E_MISMATCH, -1, "the mask is %dx%d, the picture %dx%d; they must be equal",
						   space->mask->width_px, space->mask->height_px, shape->width_px, shape->height_px);
	uint8_t *cells = assay__calloc(space->allocator, (size_t)g->grid_width * (size_t)g->grid_height, 1);
	if (!cells)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the mask");
	int rc;
	if (assay__prep_mask(space->mask, g, cells) == 0)
		rc = assay__fail(error, ASSAY_E_MISMATCH, -1,
						 "the mask leaves nothing to inspect: no cell of %d working pixels is at least half white",
						 ASSAY__CELL_PX);
	else
		rc = assay__judge_open(g->grid_width, g->grid_height, cells, space->allocator, &space->judge, error);
	assay__free(space->allocator, cells);
	return rc;
}

int assay__workspace_shape(struct assay__workspace *space, const struct assay__shape *shape, struct assay_error *error)
{
	if (assay__shape_equal(&space->shape, shape))
		return 0;
	struct assay__geometry g;
	int rc = assay__prep_geometry(space->view, shape, space->align, &g, error);
	if (rc)
		return rc;
	drop_shape(space);
	if (space->plan && (g.width_px != space->geometry.width_px || g.height_px != space->geometry.height_px))
		drop_grid(space);
	space->geometry = g;
	rc = space->plan ? 0 : plan_grid(space, &g, error);
	if (rc == 0)
		rc = assay__prep_open(space->view, shape, &g, space->allocator, &space->prep, error);
	if (rc == 0)
		rc = plan_judge(space, shape, error);
	if (rc) {
		drop_grid(space);
		drop_shape(space);
		return rc;
	}
	space->live = assay__judge_live(space->judge);
	space->shape = *shape;
	return 0;
}

void assay__workspace_vectors(struct assay__workspace *space, const struct assay__map maps[ASSAY__MAX_TAPS],
							  int8_t *vectors)
{
	const int32_t *cells = assay__judge_cells(space->judge);
	size_t dim = (size_t)space->dim;

	if (!cells) {
		assay__features_run(space->features, maps, vectors);
		return;
	}
	assay__features_run(space->features, maps, space->vectors);
	for (int i = 0; i < space->live; i++)
		memmove(vectors + (size_t)i * dim, space->vectors + (size_t)cells[i] * dim, dim);
}

void assay__workspace_extract(struct assay__workspace *space, const struct assay_image *image, int8_t *vectors)
{
	size_t row_bytes;
	struct assay__map maps[ASSAY__MAX_TAPS];
	uint8_t *input = assay__plan_input(space->plan, &row_bytes);
	assert(image->width_px == space->shape.width_px && image->height_px == space->shape.height_px);
	assay__prep_run(space->prep, image, input, row_bytes);
	assay__plan_run(space->plan, maps);
	assay__workspace_vectors(space, maps, vectors);
}

uint32_t assay__workspace_score(struct assay__workspace *space, const struct assay__bank *bank, const int8_t *vectors)
{
	assay__bank_nearest(bank, vectors, space->live, space->d2, NULL);
	return assay__judge_map(space->judge, space->d2, space->map);
}
