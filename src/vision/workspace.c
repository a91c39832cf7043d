/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/workspace.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "vision/labels.h"

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

int assay__workspace_open(const struct assay__net *net, const struct assay__view *view,
						  const struct assay__scales *scales, const struct assay_image *mask,
						  const struct assay_allocator *allocator, struct assay__workspace **out,
						  struct assay_error *error)
{
	assert(scales->count >= 1 && scales->count <= ASSAY__SCALES_MOST);
	struct assay__workspace *space = assay__calloc(allocator, 1, sizeof(*space));
	if (!space)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a workspace");
	space->allocator = allocator;
	space->net = net;
	space->view = view;
	space->scales = scales;
	space->count = scales->count;
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

const struct assay__scale_space *assay__workspace_finest(const struct assay__workspace *space)
{
	return &space->at[space->count - 1];
}

static size_t cells_of(const struct assay__geometry *g)
{
	return (size_t)g->grid_width * (size_t)g->grid_height;
}

/* Plans that borrow buffers close before the finest one, which lends them. */
static void drop_grids(struct assay__workspace *space)
{
	for (int s = 0; s < space->count; s++) {
		struct assay__scale_space *at = &space->at[s];
		assay__plan_close(at->plan);
		assay__features_close(at->features);
		assay__free(space->allocator, at->d2);
		assay__free(space->allocator, at->map);
		assay__free(space->allocator, at->place_map);
		at->place_map = NULL;
		at->plan = NULL;
		at->features = NULL;
		at->d2 = NULL;
		at->map = NULL;
	}
	assay__free_aligned(space->allocator, space->vectors);
	assay__free(space->allocator, space->map);
	assay__free(space->allocator, space->place);
	space->vectors = NULL;
	space->map = NULL;
	space->place = NULL;
	assay__registrar_close(space->registrar);
	assay__place_search_close(space->search);
	space->registrar = NULL;
	space->search = NULL;
}

static void drop_shape(struct assay__workspace *space)
{
	for (int s = 0; s < space->count; s++) {
		struct assay__scale_space *at = &space->at[s];
		assay__prep_close(at->prep);
		assay__judge_close(at->judge);
		at->prep = NULL;
		at->judge = NULL;
		at->live = 0;
	}
	memset(&space->shape, 0, sizeof(space->shape));
}

void assay__workspace_close(struct assay__workspace *space)
{
	if (!space)
		return;
	drop_grids(space);
	drop_shape(space);
	assay__free(space->allocator, space);
}

size_t assay__workspace_bytes(const struct assay__workspace *space)
{
	size_t bytes = sizeof(*space);
	if (!space->map)
		return bytes;
	for (int s = 0; s < space->count; s++) {
		const struct assay__scale_space *at = &space->at[s];
		bytes += assay__plan_bytes(at->plan) + assay__prep_bytes(at->prep) + assay__features_bytes(at->features) +
				 assay__judge_bytes(at->judge) + cells_of(&at->geometry) * 8;
	}
	if (space->registrar)
		bytes += assay__registrar_bytes(space->registrar) + assay__place_search_bytes(space->search);
	for (int s = 0; s < space->count; s++)
		bytes += space->at[s].place_map ? cells_of(&space->at[s].geometry) * 4 : 0;
	return bytes + cells_of(&assay__workspace_finest(space)->geometry) * ((size_t)space->dim + (space->place ? 8 : 4));
}

static int plan_grid(struct assay__workspace *space, int scale, struct assay_error *error)
{
	struct assay__scale_space *at = &space->at[scale];
	const struct assay__geometry *g = &at->geometry;
	const struct assay__plan *lender = scale == space->count - 1 ? NULL : assay__workspace_finest(space)->plan;
	int rc = assay__plan_open_beside(space->net, g->width_px, g->height_px, lender, space->allocator, &at->plan, error);
	if (rc == 0)
		rc = assay__features_open(&space->info, g->grid_width, g->grid_height, space->allocator, &at->features, error);
	if (rc)
		return rc;
	at->d2 = assay__calloc(space->allocator, cells_of(g), sizeof(*at->d2));
	at->map = assay__calloc(space->allocator, cells_of(g), sizeof(*at->map));
	return at->d2 && at->map ? 0
							 : assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the features of a %dx%d picture",
										   g->width_px, g->height_px);
}

/* For parts in a fixture: their pose, and a second map of each scale that has a bank by place. */
static int plan_position(struct assay__workspace *space, struct assay_error *error)
{
	int width, height;
	assay__registration_picture(space->scales->registration, &width, &height);
	for (int s = 0; s < space->count; s++) {
		struct assay__scale_space *at = &space->at[s];
		if (!space->scales->at[s].place)
			continue;
		at->place_map = assay__calloc(space->allocator, cells_of(&at->geometry), sizeof(*at->place_map));
		if (!at->place_map)
			return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a score map by place");
	}
	int rc = assay__registrar_open(width, height, space->allocator, &space->registrar, error);
	return rc ? rc
			  : assay__place_search_open((int)cells_of(&assay__workspace_finest(space)->geometry), space->allocator,
										 &space->search, error);
}

/* Everything that depends on the working sizes alone. */
static int plan_grids(struct assay__workspace *space, struct assay_error *error)
{
	size_t cells = cells_of(&assay__workspace_finest(space)->geometry);
	int rc = 0;
	for (int s = space->count - 1; rc == 0 && s >= 0; s--)
		rc = plan_grid(space, s, error);
	if (rc == 0 && space->scales->registration)
		rc = plan_position(space, error);
	if (rc)
		return rc;
	space->vectors = assay__alloc_aligned(space->allocator, cells * (size_t)space->dim);
	space->map = assay__calloc(space->allocator, cells, sizeof(*space->map));
	if (space->count > 1)
		space->place = assay__calloc(space->allocator, cells, sizeof(*space->place));
	if (!space->vectors || !space->map || (space->count > 1 && !space->place))
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a score map");
	return 0;
}

static int plan_judge(struct assay__workspace *space, int scale, const struct assay__shape *shape,
					  struct assay_error *error)
{
	struct assay__scale_space *at = &space->at[scale];
	const struct assay__geometry *g = &at->geometry;
	if (!space->mask)
		return assay__judge_open(g->grid_width, g->grid_height, NULL, space->allocator, &at->judge, error);
	if (space->mask->width_px != shape->width_px || space->mask->height_px != shape->height_px)
		return assay__fail(error, ASSAY_E_MISMATCH, -1, "the mask is %dx%d, the picture %dx%d; they must be equal",
						   space->mask->width_px, space->mask->height_px, shape->width_px, shape->height_px);
	uint8_t *cells = assay__calloc(space->allocator, cells_of(g), 1);
	if (!cells)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the mask");
	int rc;
	if (assay__prep_mask(space->mask, g, cells) == 0)
		rc = assay__fail(error, ASSAY_E_MISMATCH, -1,
						 "the mask leaves nothing to inspect: at a working size of %d px no cell of %d working pixels "
						 "is at least half white; give a larger working size",
						 space->scales->at[scale].working_px, ASSAY__CELL_PX);
	else
		rc = assay__judge_open(g->grid_width, g->grid_height, cells, space->allocator, &at->judge, error);
	assay__free(space->allocator, cells);
	return rc;
}

static int plan_shape(struct assay__workspace *space, const struct assay__shape *shape, struct assay_error *error)
{
	int rc = space->map ? 0 : plan_grids(space, error);
	for (int s = 0; rc == 0 && s < space->count; s++) {
		struct assay__scale_space *at = &space->at[s];
		rc = assay__prep_open(space->view, shape, &at->geometry, space->allocator, &at->prep, error);
		if (rc == 0)
			rc = plan_judge(space, s, shape, error);
		if (rc == 0)
			at->live = assay__judge_live(at->judge);
	}
	return rc;
}

int assay__workspace_shape(struct assay__workspace *space, const struct assay__shape *shape, struct assay_error *error)
{
	/* a workspace of teaching has been planned before its scales learn whether parts lie in a fixture */
	bool same = (space->scales->registration != NULL) == (space->registrar != NULL);
	for (int i = 0; i < space->count; i++)
		same &= (space->scales->at[i].place != NULL) == (space->at[i].place_map != NULL);
	if (same && assay__shape_equal(&space->shape, shape))
		return 0;
	struct assay__geometry planned[ASSAY__SCALES_MOST];
	bool other = space->map && !same;
	for (int s = 0; s < space->count; s++) {
		int rc =
			assay__prep_geometry(space->view, space->scales->at[s].working_px, shape, space->align, &planned[s], error);
		if (rc)
			return rc;
		if (space->scales->at[s].place &&
			!assay__place_is_of(space->scales->at[s].place, planned[s].grid_width, planned[s].grid_height))
			return assay__fail(error, ASSAY_E_MISMATCH, -1,
							   "the parts taught lie in a fixture, and a picture of %dx%d shows another section: its "
							   "proportions differ",
							   shape->width_px, shape->height_px);
		other |= planned[s].width_px != space->at[s].geometry.width_px ||
				 planned[s].height_px != space->at[s].geometry.height_px;
	}
	drop_shape(space);
	if (other)
		drop_grids(space);
	for (int s = 0; s < space->count; s++)
		space->at[s].geometry = planned[s];
	int rc = plan_shape(space, shape, error);
	if (rc) {
		drop_grids(space);
		drop_shape(space);
		return rc;
	}
	space->shape = *shape;
	return 0;
}

struct assay__plane assay__workspace_plane(struct assay__workspace *space, int scale, const struct assay_image *image)
{
	struct assay__scale_space *at = &space->at[scale];
	struct assay__plane plane = {.width_px = at->geometry.width_px,
								 .height_px = at->geometry.height_px,
								 .cells = assay__judge_cells(at->judge),
								 .live = at->live};
	assert(image->width_px == space->shape.width_px && image->height_px == space->shape.height_px);
	plane.pixels = assay__plan_input(at->plan, &plane.row_bytes);
	assay__prep_run(at->prep, image, plane.pixels, plane.row_bytes);
	return plane;
}

void assay__workspace_draw(struct assay__workspace *space, int scale, const struct assay_image *image, int brighten_q12)
{
	uint32_t light_q8 = space->scales->at[scale].light_q8;
	struct assay__plane plane = assay__workspace_plane(space, scale, image);
	if (scale == 0 && space->registrar) {
		int width, height;
		int halvings = assay__registration_size(plane.width_px, plane.height_px, &width, &height);
		assay__registration_luma(&plane, halvings, assay__registrar_luma(space->registrar));
	}
	assay__light_scale(&plane, brighten_q12);
	if (light_q8)
		assay__light_scale(&plane, assay__light_gain_q12(light_q8, assay__light_mean_q8(&plane)));
}

void assay__workspace_vectors(struct assay__workspace *space, int scale, const struct assay__map maps[ASSAY__MAX_TAPS],
							  int8_t *vectors)
{
	struct assay__scale_space *at = &space->at[scale];
	const int32_t *cells = assay__judge_cells(at->judge);
	size_t dim = (size_t)space->dim;

	if (!cells) {
		assay__features_run(at->features, maps, vectors);
		return;
	}
	assay__features_run(at->features, maps, space->vectors);
	for (int i = 0; i < at->live; i++)
		memmove(vectors + (size_t)i * dim, space->vectors + (size_t)cells[i] * dim, dim);
}

void assay__workspace_extract(struct assay__workspace *space, int scale, const struct assay_image *image,
							  int brighten_q12, int8_t *vectors)
{
	struct assay__map maps[ASSAY__MAX_TAPS];
	assay__workspace_draw(space, scale, image, brighten_q12);
	assay__plan_run(space->at[scale].plan, maps);
	assay__workspace_vectors(space, scale, maps, vectors);
}

uint32_t assay__workspace_score(struct assay__workspace *space, int scale, const struct assay__bank *bank,
								const int8_t *vectors)
{
	struct assay__scale_space *at = &space->at[scale];
	assay__bank_nearest(bank, vectors, at->live, at->d2, NULL);
	return assay__judge_map(at->judge, at->d2, at->map);
}

uint32_t assay__workspace_score_place(struct assay__workspace *space, int scale, const struct assay__place *place,
									  struct assay__place_search *search, const int8_t *vectors, uint32_t *map)
{
	struct assay__scale_space *at = &space->at[scale];
	assay__place_nearest(place, search, vectors, at->live, at->d2);
	return assay__judge_map(at->judge, at->d2, map);
}

/* The picture has been drawn at scale 0, where its pose is found. */
static uint32_t judge_place(struct assay__workspace *space, int scale)
{
	struct assay__scale_space *at = &space->at[scale];
	const struct assay__registration *registration = space->scales->registration;
	int width, height;
	assay__registration_picture(registration, &width, &height);
	if (scale == 0)
		assay__registrar_run(space->registrar, registration, &space->pose);
	if (!at->place_map)
		return 0;
	assay__place_cells(&space->pose, width, height, &at->geometry, assay__judge_cells(at->judge), at->live,
					   assay__place_search_where(space->search));
	return assay__workspace_score_place(space, scale, space->scales->at[scale].place, space->search, space->vectors,
										at->place_map);
}

uint32_t assay__workspace_judge_place_scale(struct assay__workspace *space, int scale, const struct assay_image *image)
{
	assay__workspace_extract(space, scale, image, ASSAY__LIGHT_ONE_Q12, space->vectors);
	return judge_place(space, scale);
}

void assay__workspace_judge_place(struct assay__workspace *space, const struct assay_image *image, uint32_t *raw_q8)
{
	for (int s = 0; s < space->count; s++)
		raw_q8[s] = assay__workspace_judge_place_scale(space, s, image);
}

uint32_t assay__workspace_join(struct assay__workspace *space)
{
	const struct assay__geometry *fine = &assay__workspace_finest(space)->geometry;
	size_t cells = cells_of(fine);
	uint32_t largest = 0;
	memset(space->map, 0, cells * sizeof(*space->map));
	for (int s = 0; s < space->count; s++) {
		struct assay__scale_space *at = &space->at[s];
		assay__unit_join(&space->scales->at[s].unit, at->map, at->geometry.grid_width, at->geometry.grid_height,
						 space->map, fine->grid_width, fine->grid_height);
		if (at->place_map)
			assay__unit_join(&space->scales->at[s].placed.unit, at->place_map, at->geometry.grid_width,
							 at->geometry.grid_height, space->map, fine->grid_width, fine->grid_height);
	}
	for (size_t i = 0; i < cells; i++)
		largest = space->map[i] > largest ? space->map[i] : largest;
	return largest;
}

/* What bank and heads of one scale make of its vectors. Logits lie in d2 until the scales are joined. */
static int32_t weigh_scale(struct assay__workspace *space, int scale, const int8_t *vectors, bool placed)
{
	const struct assay__labels *labels = space->scales->labels;
	struct assay__scale_space *at = &space->at[scale];
	assay__workspace_score(space, scale, space->scales->at[scale].bank, vectors);
	if (placed)
		judge_place(space, scale);
	return labels ? assay__labels_run(labels, scale, vectors, at->live, at->d2) : 0;
}

/* Spreads the logits of a scale over its map, which is not needed any more: ranked, 0 where nothing is inspected. */
static void spread_logits(struct assay__scale_space *at)
{
	const int32_t *cells = assay__judge_cells(at->judge);
	memset(at->map, 0, cells_of(&at->geometry) * sizeof(*at->map));
	for (int i = 0; i < at->live; i++)
		at->map[cells ? cells[i] : i] = assay__logit_rank(at->d2[i]);
}

/* The mean logit of the scales that inspect the place of this cell of the finest grid. */
static int32_t logit_at(const struct assay__workspace *space, int x, int y)
{
	const struct assay__geometry *fine = &assay__workspace_finest(space)->geometry;
	int32_t logits[ASSAY__SCALES_MOST];
	int n = 0;
	for (int s = 0; s < space->count; s++) {
		const struct assay__geometry *g = &space->at[s].geometry;
		int row = (2 * y + 1) * g->grid_height / (2 * fine->grid_height),
			column = (2 * x + 1) * g->grid_width / (2 * fine->grid_width);
		uint32_t rank = space->at[s].map[(size_t)row * (size_t)g->grid_width + (size_t)column];
		if (rank)
			logits[n++] = assay__logit_unrank(rank);
	}
	return assay__labels_mean(logits, n);
}

/*
 * Raises the map where the heads see something, nowhere above what they say of the picture; that stands at least in
 * the cell they mind most, so that the picture's score is the largest of the map.
 */
static uint32_t join_labels(struct assay__workspace *space, uint32_t bank_q8, int32_t logit_q12)
{
	const struct assay__join *join = &space->scales->labels->join;
	const struct assay__scale_space *finest = assay__workspace_finest(space);
	const int32_t *cells = assay__judge_cells(finest->judge);
	int width = finest->geometry.grid_width, worst = 0;
	int32_t most = INT32_MIN;
	uint32_t head_q8 = assay__join_logit(join, logit_q12), score = bank_q8 > head_q8 ? bank_q8 : head_q8;
	for (int s = 0; s < space->count; s++)
		spread_logits(&space->at[s]);
	for (int i = 0; i < finest->live; i++) {
		int at = cells ? cells[i] : i;
		int32_t logit = logit_at(space, at % width, at / width);
		uint32_t here = assay__join_logit(join, logit);
		here = here < head_q8 ? here : head_q8;
		space->map[at] = space->map[at] > here ? space->map[at] : here;
		if (logit > most) {
			most = logit;
			worst = at;
		}
	}
	space->map[worst] = space->map[worst] > head_q8 ? space->map[worst] : head_q8;
	space->head_q8 = head_q8;
	return score;
}

static uint32_t weigh(struct assay__workspace *space, const int32_t logits_q12[ASSAY__SCALES_MOST])
{
	space->bank_q8 = assay__workspace_join(space);
	space->head_q8 = 0;
	if (!space->scales->labels)
		return space->bank_q8;
	return join_labels(space, space->bank_q8, assay__labels_mean(logits_q12, space->count));
}

uint32_t assay__workspace_weigh(struct assay__workspace *space, const int8_t *const vectors[ASSAY__SCALES_MOST])
{
	int32_t logits[ASSAY__SCALES_MOST] = {0};
	for (int s = 0; s < space->count; s++)
		logits[s] = weigh_scale(space, s, vectors[s], false);
	return weigh(space, logits);
}

const uint32_t *assay__workspace_locate(struct assay__workspace *space)
{
	struct assay__layer layers[ASSAY__SCALES_MOST];
	if (space->count == 1 || space->scales->labels)
		return space->map;
	for (int s = 0; s < space->count; s++) {
		const struct assay__scale_space *at = &space->at[s];
		layers[s] = (struct assay__layer){at->map, at->judge, at->geometry.grid_width, at->geometry.grid_height,
										  space->scales->at[s].working_px};
	}
	assay__scales_locate(layers, space->count, space->place);
	return space->place;
}

uint32_t assay__workspace_judge(struct assay__workspace *space, const struct assay_image *image)
{
	int32_t logits[ASSAY__SCALES_MOST] = {0};
	for (int s = 0; s < space->count; s++) {
		assay__workspace_extract(space, s, image, ASSAY__LIGHT_ONE_Q12, space->vectors);
		logits[s] = weigh_scale(space, s, space->vectors, space->registrar != NULL);
	}
	return weigh(space, logits);
}
