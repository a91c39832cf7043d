/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/recipe_position.h"

#include <string.h>

#include "base/err.h"
#include "vision/recipe_file.h"

void assay__position_use(const uint8_t *cells, const struct assay__geometry *geometry, int width, int height,
						 uint8_t *use)
{
	for (int y = 0; y < height; y++)
		for (int x = 0; x < width; x++)
			use[(size_t)y * (size_t)width + (size_t)x] =
				cells[y * geometry->grid_height / height * geometry->grid_width + x * geometry->grid_width / width];
}

static int open_registration(struct assay_recipe *recipe, struct assay_error *error)
{
	const struct assay__geometry *g = &recipe->geometries[0];
	const struct assay_image *mask = assay__recipe_mask(recipe), *reference = &recipe->scales.reference;
	int width, height;
	assay__registration_size(g->width_px, g->height_px, &width, &height);
	if (reference->width_px != width || reference->height_px != height)
		return assay__fail(error, ASSAY_E_MISMATCH, -1, "the reference picture is %dx%d; %dx%d were expected",
						   reference->width_px, reference->height_px, width, height);
	uint8_t *cells = mask ? assay__alloc(recipe->allocator, (size_t)g->grid_width * (size_t)g->grid_height) : NULL;
	uint8_t *use = mask ? assay__alloc(recipe->allocator, (size_t)width * (size_t)height) : NULL;
	int rc = mask && (!cells || !use) ? assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the mask") : 0;
	if (rc == 0 && mask) {
		assay__prep_mask(mask, g, cells);
		assay__position_use(cells, g, width, height, use);
	}
	if (rc == 0)
		rc = assay__registration_open(reference->pixels, use, width, height, recipe->allocator,
									  &recipe->scales.registration, error);
	assay__free(recipe->allocator, cells);
	assay__free(recipe->allocator, use);
	return rc;
}

int assay__position_ready(struct assay_recipe *recipe, struct assay_error *error)
{
	if (!recipe->scales.reference.pixels)
		return 0;
	int rc = recipe->scales.registration ? 0 : open_registration(recipe, error);
	for (int s = 0; rc == 0 && s < recipe->scales.count; s++) {
		struct assay__scale *scale = &recipe->scales.at[s];
		const struct assay__geometry *g = &recipe->geometries[s];
		if (scale->placed.cells != g->grid_width * g->grid_height)
			rc = assay__fail(error, ASSAY_E_MISMATCH, -1, "a bank by place has %d cells; %dx%d were expected",
							 scale->placed.cells, g->grid_width, g->grid_height);
		else if (!scale->place)
			rc = assay__place_open(scale->placed.vectors, scale->placed.counts, g->grid_width, g->grid_height,
								   recipe->dim, recipe->isa, recipe->allocator, &scale->place, error);
	}
	return rc;
}

static int finish(sqlite3 *db, sqlite3_stmt *row, int rc)
{
	if (rc == SQLITE_OK) {
		rc = sqlite3_step(row);
		rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
	}
	sqlite3_finalize(row);
	(void)db;
	return rc;
}

/* Binds until one fails. */
static int bind_int(int rc, sqlite3_stmt *row, int at, int64_t value)
{
	return rc == SQLITE_OK ? sqlite3_bind_int64(row, at, value) : rc;
}

static int bind_double(int rc, sqlite3_stmt *row, int at, double value)
{
	return rc == SQLITE_OK ? sqlite3_bind_double(row, at, value) : rc;
}

static int bind_blob(int rc, sqlite3_stmt *row, int at, const void *bytes, size_t size)
{
	return rc == SQLITE_OK && bytes ? sqlite3_bind_blob64(row, at, bytes, size, SQLITE_STATIC) : rc;
}

static int write_reasons(sqlite3 *db, const struct assay_recipe *recipe)
{
	const struct assay_position_info *p = &recipe->report.position;
	const struct assay_image *reference = &recipe->scales.reference;
	uint8_t *png = NULL;
	size_t size = 0;
	if (reference->pixels && assay_image_encode_png(reference, recipe->allocator, &png, &size, NULL))
		return SQLITE_NOMEM;
	sqlite3_stmt *row = NULL;
	int rc = sqlite3_prepare_v2(db, "INSERT INTO position VALUES(1, ?, ?, ?, ?, ?, ?)", -1, &row, NULL);
	rc = bind_int(rc, row, 1, p->wanted);
	rc = bind_int(rc, row, 2, p->chosen);
	rc = bind_int(rc, row, 3, p->why);
	rc = bind_double(rc, row, 4, p->fit);
	rc = bind_double(rc, row, 5, p->spread);
	rc = bind_blob(rc, row, 6, png, size);
	rc = finish(db, row, rc);
	assay__free(recipe->allocator, png);
	return rc;
}

static int write_place(sqlite3 *db, const struct assay_recipe *recipe, int at)
{
	const struct assay__scale *scale = &recipe->scales.at[at];
	sqlite3_stmt *row = NULL;
	int rc = sqlite3_prepare_v2(db, "INSERT INTO place VALUES(?, ?, ?, ?, ?)", -1, &row, NULL);
	rc = bind_int(rc, row, 1, at + 1);
	rc = bind_int(rc, row, 2, scale->placed.unit.mean_q8);
	rc = bind_int(rc, row, 3, scale->placed.unit.sd_q8);
	rc = bind_blob(rc, row, 4, scale->placed.counts, (size_t)scale->placed.cells);
	rc = bind_blob(rc, row, 5, scale->placed.vectors, (size_t)scale->placed.count * (size_t)recipe->dim);
	return finish(db, row, rc);
}

int assay__position_write(sqlite3 *db, const struct assay_recipe *recipe)
{
	if (recipe->report.position.why == ASSAY_POSITION_UNKNOWN)
		return SQLITE_OK;
	int rc = sqlite3_exec(db, assay__recipe_tables[ASSAY__TABLE_POSITION], NULL, NULL, NULL);
	if (rc == SQLITE_OK)
		rc = write_reasons(db, recipe);
	if (rc != SQLITE_OK || !recipe->scales.reference.pixels)
		return rc;
	rc = sqlite3_exec(db, assay__recipe_tables[ASSAY__TABLE_PLACE], NULL, NULL, NULL);
	for (int s = 0; rc == SQLITE_OK && s < recipe->scales.count; s++)
		rc = write_place(db, recipe, s);
	return rc;
}

struct reading {
	sqlite3 *db;
	sqlite3_stmt *row;
	const char *path;
	struct assay_recipe *recipe;
	struct assay_error *error;
};

static int damaged(const struct reading *r, const char *what)
{
	if ((sqlite3_errcode(r->db) & 0xff) == SQLITE_NOMEM)
		return assay__fail(r->error, ASSAY_E_NOMEM, -1, "%s: no memory while reading %s", r->path, what);
	return assay__fail(r->error, ASSAY_E_FORMAT, -1, "%s: damaged recipe: %s", r->path, what);
}

static bool get_int(const struct reading *r, int column, int64_t least, int64_t most, int64_t *out)
{
	if (sqlite3_column_type(r->row, column) != SQLITE_INTEGER)
		return false;
	*out = sqlite3_column_int64(r->row, column);
	return *out >= least && *out <= most;
}

static bool get_share(const struct reading *r, int column, double most, double *out)
{
	if (sqlite3_column_type(r->row, column) != SQLITE_FLOAT)
		return false;
	*out = sqlite3_column_double(r->row, column);
	return *out >= 0 && *out <= most;
}

static int get_blob(const struct reading *r, int column, int64_t most, const char *what, void **out, size_t *size)
{
	int bytes = sqlite3_column_type(r->row, column) == SQLITE_BLOB ? sqlite3_column_bytes(r->row, column) : 0;
	if (bytes < 1 || bytes > most)
		return damaged(r, what);
	const void *from = sqlite3_column_blob(r->row, column);
	void *to = from ? assay__alloc(r->recipe->allocator, (size_t)bytes) : NULL;
	if (!to)
		return assay__fail(r->error, ASSAY_E_NOMEM, -1, "%s: no memory for %s", r->path, what);
	memcpy(to, from, (size_t)bytes);
	*out = to;
	*size = (size_t)bytes;
	return 0;
}

static int read_reference(const struct reading *r)
{
	struct assay_image *reference = &r->recipe->scales.reference;
	void *png = NULL;
	size_t size = 0;
	int rc = get_blob(r, 5, ASSAY__RECIPE_MOST_BLOB_BYTES, "the reference picture", &png, &size);
	if (rc == 0 && (rc = assay_image_decode(png, size, r->recipe->allocator, reference, r->error)) != 0 &&
		rc != ASSAY_E_NOMEM)
		rc = damaged(r, "the reference picture");
	assay__free(r->recipe->allocator, png);
	if (rc == 0 && (reference->channels != 1 || reference->depth_bits != 8 ||
					reference->stride_bytes != (size_t)reference->width_px))
		rc = damaged(r, "the reference picture");
	return rc;
}

static int read_reasons(const struct reading *r, bool placed)
{
	struct assay_position_info *p = &r->recipe->report.position;
	int64_t wanted = 0, chosen = 0, why = 0;
	if (!get_int(r, 0, ASSAY_POSITION_AUTO, ASSAY_POSITION_FIXED, &wanted) ||
		!get_int(r, 1, ASSAY_POSITION_FREE, ASSAY_POSITION_FIXED, &chosen) ||
		!get_int(r, 2, ASSAY_POSITION_UNKNOWN + 1, ASSAY_POSITION_EVEN, &why) || !get_share(r, 3, 1, &p->fit) ||
		!get_share(r, 4, ASSAY__SPREAD_MOST, &p->spread) || placed != (chosen == ASSAY_POSITION_FIXED))
		return damaged(r, "how parts lie");
	p->wanted = (enum assay_position)wanted;
	p->chosen = (enum assay_position)chosen;
	p->why = (enum assay_position_why)why;
	if (placed)
		return read_reference(r);
	return sqlite3_column_type(r->row, 5) == SQLITE_NULL ? 0 : damaged(r, "how parts lie");
}

static int read_place(const struct reading *r, int at)
{
	struct assay_recipe *recipe = r->recipe;
	int64_t id = 0, mean = 0, sd = 0;
	if (at >= recipe->scales.count || !get_int(r, 0, at + 1, at + 1, &id) || !get_int(r, 1, 0, UINT32_MAX, &mean) ||
		!get_int(r, 2, 1, UINT32_MAX, &sd))
		return damaged(r, "a bank by place");
	struct assay__placed *placed = &recipe->scales.at[at].placed;
	void *counts = NULL, *vectors = NULL;
	size_t cells = 0, size = 0, dim = (size_t)recipe->dim;
	int rc = get_blob(r, 3, ASSAY__PLACE_MOST_CELLS, "the cells of a bank by place", &counts, &cells);
	placed->counts = counts;
	if (rc == 0)
		rc = get_blob(r, 4, ASSAY__RECIPE_MOST_BLOB_BYTES, "the vectors of a bank by place", &vectors, &size);
	placed->vectors = vectors;
	if (rc)
		return rc;
	placed->cells = (int)cells;
	placed->unit = (struct assay__unit){(uint32_t)mean, (uint32_t)sd};
	size_t total = 0;
	for (size_t i = 0; i < cells; i++) {
		if (placed->counts[i] > ASSAY__PLACE_DEPTH)
			return damaged(r, "the cells of a bank by place");
		total += placed->counts[i];
	}
	if (size != total * dim || !assay__unit_sane(&placed->unit))
		return damaged(r, "a bank by place");
	placed->count = (int)total;
	for (size_t i = 0; i < size; i++)
		if (placed->vectors[i] == -128)
			return damaged(r, "a vector of a bank by place");
	return 0;
}

static int read_places(struct reading *r)
{
	int rc = 0, at = 0, step = SQLITE_DONE;
	if (sqlite3_prepare_v2(r->db, "SELECT id, mean_q8, sd_q8, counts, vectors FROM place ORDER BY id", -1, &r->row,
						   NULL) != SQLITE_OK)
		return damaged(r, "the banks by place");
	while (rc == 0 && (step = sqlite3_step(r->row)) == SQLITE_ROW)
		rc = read_place(r, at++);
	if (rc == 0 && (step != SQLITE_DONE || at != r->recipe->scales.count))
		rc = damaged(r, "the banks by place");
	sqlite3_finalize(r->row);
	return rc;
}

int assay__position_read(sqlite3 *db, bool placed, const char *path, struct assay_recipe *recipe,
						 struct assay_error *error)
{
	struct reading r = {.db = db, .path = path, .recipe = recipe, .error = error};
	int rc = 0;
	if (sqlite3_prepare_v2(db, "SELECT wanted, chosen, why, fit, spread, reference FROM position WHERE id = 1", -1,
						   &r.row, NULL) != SQLITE_OK ||
		sqlite3_step(r.row) != SQLITE_ROW)
		rc = damaged(&r, "how parts lie");
	if (rc == 0)
		rc = read_reasons(&r, placed);
	sqlite3_finalize(r.row);
	if (rc == 0 && placed)
		rc = read_places(&r);
	return rc;
}
