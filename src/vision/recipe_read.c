/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a recipe file that may be damaged or hostile. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "vision/recipe_file.h"
#include "vision/recipe_position.h"

#define HEAD_BYTES 100

struct reader {
	const char *path;
	sqlite3 *db;
	struct assay_recipe *recipe;
	unsigned tables; /* bit t: it has table t */
	bool whole;		 /* with all that it keeps */
	uint8_t content_hash[ASSAY_HASH_BYTES], network_hash[ASSAY_HASH_BYTES];
	struct assay_error *error;
};

static int damaged(struct reader *r, const char *what)
{
	return assay__fail(r->error, ASSAY_E_FORMAT, -1, "%s: damaged recipe: %s", r->path, what);
}

/* What SQLite says, as one of our codes. */
static int database_failed(struct reader *r, const char *doing)
{
	int rc = sqlite3_errcode(r->db) & 0xff;
	if (rc == SQLITE_NOMEM)
		return assay__fail(r->error, ASSAY_E_NOMEM, -1, "%s: no memory while reading %s", r->path, doing);
	if (rc == SQLITE_IOERR || rc == SQLITE_CANTOPEN || rc == SQLITE_PERM || rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
		return assay__fail(r->error, ASSAY_E_IO, -1, "%s: cannot read %s: %s", r->path, doing, sqlite3_errmsg(r->db));
	return assay__fail(r->error, ASSAY_E_FORMAT, -1, "%s: damaged recipe: %s: %s", r->path, doing,
					   sqlite3_errmsg(r->db));
}

static uint32_t big_endian(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

/* Looks at the first bytes, before SQLite does: kind, version, and that no write-ahead log is to be looked for. */
static int check_head(struct reader *r, const uint8_t *head, size_t n)
{
	if (n < HEAD_BYTES || memcmp(head, "SQLite format 3", 16) != 0 ||
		big_endian(head + 68) != ASSAY__RECIPE_APPLICATION_ID)
		return assay__fail(r->error, ASSAY_E_FORMAT, -1, "%s: not an assay recipe", r->path);
	uint32_t version = big_endian(head + 60);
	if (version > ASSAY__RECIPE_VERSION)
		return assay__fail(r->error, ASSAY_E_UNSUPPORTED, -1,
						   "%s: recipe of version %u; this assay reads version %d, a newer one is needed", r->path,
						   version, ASSAY__RECIPE_VERSION);
	if (version == 0)
		return damaged(r, "it has no version");
	if (version != ASSAY__RECIPE_VERSION)
		return assay__fail(
			r->error, ASSAY_E_UNSUPPORTED, -1,
			"%s: recipe of version %u, made by an older assay; this one reads version %d: teach it again", r->path,
			version, ASSAY__RECIPE_VERSION);
	if (head[18] != 1 || head[19] != 1)
		return damaged(r, "it was changed by another program (write-ahead log)");
	return 0;
}

static int check_file(struct reader *r, const char *path)
{
	uint8_t head[HEAD_BYTES] = {0};
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return assay__fail(r->error, ASSAY_E_IO, -1, "cannot open %s: %s", r->path, strerror(errno));
	bool regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
	ssize_t n = regular ? pread(fd, head, sizeof(head), 0) : 0;
	close(fd);
	return check_head(r, head, n < 0 ? 0 : (size_t)n);
}

static int prepare(struct reader *r, const char *sql, sqlite3_stmt **row)
{
	return sqlite3_prepare_v2(r->db, sql, -1, row, NULL) == SQLITE_OK ? 0 : database_failed(r, "a table");
}

/* Exactly our tables and nothing else, word for word; so no views, triggers, indexes or computed columns. */
static int check_schema(struct reader *r)
{
	sqlite3_stmt *row = NULL;
	unsigned seen = 0;
	int rc = prepare(r, "SELECT sql FROM sqlite_schema", &row), step = SQLITE_DONE;
	while (rc == 0 && (step = sqlite3_step(row)) == SQLITE_ROW) {
		const char *sql = (const char *)sqlite3_column_text(row, 0);
		int at = 0;
		while (at < ASSAY__RECIPE_TABLES && (!sql || strcmp(sql, assay__recipe_tables[at]) != 0))
			at++;
		if (at == ASSAY__RECIPE_TABLES || seen >> at & 1)
			rc = damaged(r, "its tables are not those of a recipe");
		seen |= 1u << at;
	}
	if (rc == 0 && step != SQLITE_DONE)
		rc = database_failed(r, "the list of tables");
	sqlite3_finalize(row);
	const unsigned always = (1u << ASSAY__RECIPE_TABLES_ALWAYS) - 1;
	r->tables = seen;
	if (rc == 0 && (seen & always) != always)
		rc = damaged(r, "a table is missing");
	return rc;
}

static int quick_check(struct reader *r)
{
	sqlite3_stmt *row = NULL;
	int rc = prepare(r, "PRAGMA quick_check(1)", &row);
	if (rc == 0 && sqlite3_step(row) != SQLITE_ROW)
		rc = database_failed(r, "pages");
	if (rc == 0) {
		const char *said = (const char *)sqlite3_column_text(row, 0);
		/* SQLite puts where it was looking in a line of its own; what is wrong follows */
		const char *line = said ? strrchr(said, '\n') : NULL;
		if (!said || strcmp(said, "ok") != 0)
			rc = damaged(r, line ? line + 1 : said ? said : "pages");
	}
	sqlite3_finalize(row);
	return rc;
}

static bool get_int(sqlite3_stmt *row, int column, int64_t least, int64_t most, int64_t *out)
{
	if (sqlite3_column_type(row, column) != SQLITE_INTEGER)
		return false;
	*out = sqlite3_column_int64(row, column);
	return *out >= least && *out <= most;
}

static bool get_hash(sqlite3_stmt *row, int column, uint8_t hash[ASSAY_HASH_BYTES])
{
	if (sqlite3_column_type(row, column) != SQLITE_BLOB || sqlite3_column_bytes(row, column) != ASSAY_HASH_BYTES)
		return false;
	memcpy(hash, sqlite3_column_blob(row, column), ASSAY_HASH_BYTES);
	return true;
}

/* A blob of 1..most bytes, copied into memory of the recipe's. */
static int get_blob(struct reader *r, sqlite3_stmt *row, int column, int64_t most, const char *what, void **out,
					size_t *size)
{
	if (sqlite3_column_type(row, column) != SQLITE_BLOB || sqlite3_column_bytes(row, column) < 1 ||
		sqlite3_column_bytes(row, column) > most)
		return damaged(r, what);
	const void *from = sqlite3_column_blob(row, column);
	size_t bytes = (size_t)sqlite3_column_bytes(row, column);
	void *to = from ? assay__alloc(r->recipe->allocator, bytes) : NULL;
	if (!to)
		return assay__fail(r->error, ASSAY_E_NOMEM, -1, "%s: no memory for %s", r->path, what);
	memcpy(to, from, bytes);
	*out = to;
	*size = bytes;
	return 0;
}

static bool get_field(struct reader *r, sqlite3_stmt *row, const struct assay__recipe_field *field)
{
	char *at = (char *)r->recipe + field->offset;
	int64_t value = 0;
	if (field->kind == ASSAY__FIELD_DOUBLE) {
		if (sqlite3_column_type(row, 1) != SQLITE_FLOAT)
			return false;
		*(double *)at = sqlite3_column_double(row, 1);
		return true;
	}
	if (!get_int(row, 1, field->least, field->most, &value))
		return false;
	if (field->kind == ASSAY__FIELD_INT)
		*(int *)at = (int)value;
	else if (field->kind == ASSAY__FIELD_BOOL)
		*(bool *)at = value != 0;
	else
		*(uint32_t *)at = (uint32_t)value;
	return true;
}

/* Rows come in the order of the keys, which is the order of the fields. */
static int read_meta(struct reader *r)
{
	sqlite3_stmt *row = NULL;
	char what[64];
	int rc = prepare(r, "SELECT key, value FROM meta ORDER BY key", &row), at = 0, step = SQLITE_DONE;
	bool hashed = false;
	while (rc == 0 && (step = sqlite3_step(row)) == SQLITE_ROW) {
		const char *key = (const char *)sqlite3_column_text(row, 0);
		if (key && !hashed && strcmp(key, ASSAY__RECIPE_HASH_KEY) == 0 && get_hash(row, 1, r->content_hash)) {
			hashed = true;
			continue;
		}
		if (at >= ASSAY__RECIPE_FIELDS || !key || strcmp(key, assay__recipe_fields[at].key) != 0)
			rc = damaged(r, "unexpected or missing settings");
		else if (!get_field(r, row, &assay__recipe_fields[at])) {
			snprintf(what, sizeof(what), "%s is out of range", key);
			rc = damaged(r, what);
		}
		at++;
	}
	if (rc == 0 && step != SQLITE_DONE)
		rc = database_failed(r, "settings");
	sqlite3_finalize(row);
	if (rc == 0 && (at != ASSAY__RECIPE_FIELDS || !hashed))
		rc = damaged(r, "unexpected or missing settings");
	const struct assay__settings *s = &r->recipe->settings;
	if (rc == 0 && !(s->overkill > 0 && s->overkill <= ASSAY__OVERKILL_MOST))
		rc = damaged(r, "overkill_wanted is out of range");
	if (rc == 0 && !(s->light_tolerance >= 0 && s->light_tolerance <= 1 && (s->exposure || s->light_tolerance == 0)))
		rc = damaged(r, "light_tolerance is out of range");
	if (rc == 0 && s->working_px && s->working_px < ASSAY__WORKING_LEAST_PX)
		rc = damaged(r, "working_px is out of range");
	if (rc == 0 && (r->recipe->shape.channels == 2 || r->recipe->shape.depth_bits % 8 != 0))
		rc = damaged(r, "channels or depth of the pictures");
	return rc;
}

/* The single row of a table with one, by id 1. Leaves *row on it. */
static int single_row(struct reader *r, const char *sql, const char *what, sqlite3_stmt **row)
{
	int rc = prepare(r, sql, row);
	if (rc)
		return rc;
	int step = sqlite3_step(*row);
	if (step == SQLITE_ROW)
		return 0;
	return step == SQLITE_DONE ? damaged(r, what) : database_failed(r, what);
}

static int read_network(struct reader *r)
{
	sqlite3_stmt *row = NULL;
	int rc = single_row(r, "SELECT hash, bytes FROM network WHERE id = 1", "the network is missing", &row);
	if (rc == 0 && !get_hash(row, 0, r->network_hash))
		rc = damaged(r, "the hash of the network");
	if (rc == 0)
		rc = get_blob(r, row, 1, ASSAY__RECIPE_MOST_NETWORK_BYTES, "the network", &r->recipe->network_owned,
					  &r->recipe->network_size_bytes);
	r->recipe->network = r->recipe->network_owned;
	sqlite3_finalize(row);
	return rc;
}

/* The bank of the scale with this number, from the row of the join. */
static int read_bank(struct reader *r, sqlite3_stmt *row, struct assay__scale *scale)
{
	struct assay_recipe *recipe = r->recipe;
	int64_t count = 0, dim = 0;
	void *vectors = NULL;
	size_t size = 0;
	if (!get_int(row, 5, 1, recipe->settings.bank_size, &count) || !get_int(row, 6, 1, ASSAY__BANK_MAX_DIM, &dim) ||
		(recipe->dim && dim != recipe->dim))
		return damaged(r, "the size of a bank");
	int rc = get_blob(r, row, 7, count * dim, "the vectors of a bank", &vectors, &size);
	scale->vectors = vectors;
	if (rc == 0 && size != (size_t)(count * dim))
		rc = damaged(r, "the vectors of a bank");
	for (size_t i = 0; rc == 0 && i < size; i++)
		if (scale->vectors[i] == -128)
			rc = damaged(r, "a vector of a bank");
	scale->bank_count = (int)count;
	recipe->dim = (int)dim;
	return rc;
}

static int read_scale(struct reader *r, sqlite3_stmt *row, int at)
{
	struct assay__scales *scales = &r->recipe->scales;
	if (at >= ASSAY__SCALES_MOST)
		return damaged(r, "it has too many scales");
	struct assay__scale *scale = &scales->at[at];
	int64_t id = 0, working = 0, light = 0, mean = 0, sd = 0;
	int64_t least = at ? scales->at[at - 1].working_px + 1 : ASSAY__WORKING_LEAST_PX;
	if (!get_int(row, 0, at + 1, at + 1, &id) || !get_int(row, 1, least, ASSAY__WORKING_MOST_PX, &working) ||
		!get_int(row, 2, 0, 255 * 256, &light) || !get_int(row, 3, 0, UINT32_MAX, &mean) ||
		!get_int(row, 4, 1, UINT32_MAX, &sd))
		return damaged(r, "a scale is out of range");
	scale->working_px = (int)working;
	scale->light_q8 = (uint32_t)light;
	scale->unit = (struct assay__unit){(uint32_t)mean, (uint32_t)sd};
	scales->count = at + 1;
	if (!assay__unit_sane(&scale->unit) || (light && !r->recipe->settings.exposure))
		return damaged(r, "a scale is out of range");
	return read_bank(r, row, scale);
}

static int read_scales(struct reader *r)
{
	const struct assay_recipe *recipe = r->recipe;
	sqlite3_stmt *row = NULL;
	int at = 0, step = SQLITE_DONE;
	int64_t banks = 0;
	int rc = single_row(r, "SELECT count(*) FROM bank", "the banks", &row);
	if (rc == 0 && !get_int(row, 0, 1, ASSAY__SCALES_MOST, &banks))
		rc = damaged(r, "the number of banks");
	sqlite3_finalize(row);
	if (rc)
		return rc;
	row = NULL;
	rc = prepare(r,
				 "SELECT scale.id, working_px, light_q8, mean_q8, sd_q8, count, dim, vectors FROM scale "
				 "LEFT JOIN bank ON bank.id = scale.id ORDER BY scale.id",
				 &row);
	while (rc == 0 && (step = sqlite3_step(row)) == SQLITE_ROW)
		rc = read_scale(r, row, at++);
	if (rc == 0 && step != SQLITE_DONE)
		rc = database_failed(r, "the scales");
	sqlite3_finalize(row);
	if (rc == 0 && (at != banks || (recipe->settings.working_px &&
									(at != 1 || recipe->scales.at[0].working_px != recipe->settings.working_px))))
		rc = damaged(r, "the number of scales");
	return rc;
}

static int count_rows(struct reader *r, int *count)
{
	sqlite3_stmt *row = NULL;
	int64_t n = 0;
	int rc = single_row(r, "SELECT count(*) FROM calibration", "the calibration", &row);
	if (rc == 0 && !get_int(row, 0, 2, ASSAY__RECIPE_MOST_PARTS, &n))
		rc = damaged(r, "the number of parts");
	sqlite3_finalize(row);
	*count = (int)n;
	return rc;
}

static int read_part(struct reader *r, sqlite3_stmt *row, int at)
{
	struct assay_recipe *recipe = r->recipe;
	struct assay__taught *part = &recipe->parts[at];
	int64_t rank = 0, score = 0;
	if (!get_int(row, 0, at + 1, at + 1, &rank) || !get_hash(row, 1, part->hash) ||
		!get_int(row, 2, 0, UINT32_MAX, &score) || (at > 0 && score < part[-1].score_q8))
		return damaged(r, "the calibration");
	part->score_q8 = (uint32_t)score;
	/* the type first: asking for text converts what is there */
	const char *name = sqlite3_column_type(row, 3) == SQLITE_TEXT ? (const char *)sqlite3_column_text(row, 3) : NULL;
	if (!name || sqlite3_column_bytes(row, 3) > ASSAY__RECIPE_MOST_NAME_BYTES)
		return damaged(r, "the name of a part");
	size_t size = strlen(name) + 1;
	part->name = assay__alloc(recipe->allocator, size);
	if (!part->name)
		return assay__fail(r->error, ASSAY_E_NOMEM, -1, "%s: no memory for the names of the parts", r->path);
	memcpy(part->name, name, size);
	return 0;
}

static int read_parts(struct reader *r)
{
	struct assay_recipe *recipe = r->recipe;
	int count = 0, at = 0, step = SQLITE_DONE;
	int rc = count_rows(r, &count);
	if (rc)
		return rc;
	recipe->parts = assay__calloc(recipe->allocator, (size_t)count, sizeof(*recipe->parts));
	if (!recipe->parts)
		return assay__fail(r->error, ASSAY_E_NOMEM, -1, "%s: no memory for %d parts", r->path, count);
	recipe->part_count = count;
	sqlite3_stmt *row = NULL;
	rc = prepare(r,
				 "SELECT rank, part_hash, score_q8, name FROM calibration LEFT JOIN parts ON hash = part_hash "
				 "ORDER BY rank",
				 &row);
	while (rc == 0 && (step = sqlite3_step(row)) == SQLITE_ROW)
		rc = at < count ? read_part(r, row, at++) : damaged(r, "the calibration");
	if (rc == 0 && step != SQLITE_DONE)
		rc = database_failed(r, "the calibration");
	sqlite3_finalize(row);
	if (rc == 0 && (at != count || recipe->settings.folds > count))
		rc = damaged(r, "the calibration");
	return rc;
}

static int read_golden(struct reader *r)
{
	static const char *const sql[ASSAY__GOLDEN_COUNT] = {
		"SELECT hash, score_q8, map_hash, png FROM golden WHERE id = 1",
		"SELECT hash, score_q8, map_hash, png FROM golden WHERE id = 2"};
	int rc = 0;
	for (int i = 0; rc == 0 && i < ASSAY__GOLDEN_COUNT; i++) {
		struct assay__golden *golden = &r->recipe->golden[i];
		sqlite3_stmt *row = NULL;
		int64_t score = 0;
		void *png = NULL;
		rc = single_row(r, sql[i], "a golden picture is missing", &row);
		if (rc == 0 && (!get_hash(row, 0, golden->hash) || !get_int(row, 1, 0, UINT32_MAX, &score) ||
						!get_hash(row, 2, golden->map_hash)))
			rc = damaged(r, "a golden score");
		if (rc == 0)
			rc = get_blob(r, row, 3, ASSAY__RECIPE_MOST_BLOB_BYTES, "a golden picture", &png, &golden->png_size);
		golden->png = png;
		golden->score_q8 = (uint32_t)score;
		sqlite3_finalize(row);
	}
	return rc;
}

/* The mask must be as keep_mask of teach makes it: the picture's size, 8-bit grey, black and white. */
static int check_mask(struct reader *r)
{
	const struct assay_recipe *recipe = r->recipe;
	const struct assay_image *mask = &recipe->mask;
	if (mask->width_px != recipe->shape.width_px || mask->height_px != recipe->shape.height_px || mask->channels != 1 ||
		mask->depth_bits != 8 || recipe->settings.scale)
		return damaged(r, "the mask does not belong to the pictures");
	for (int y = 0; y < mask->height_px; y++)
		for (int x = 0; x < mask->width_px; x++) {
			uint8_t v = mask->pixels[(size_t)y * mask->stride_bytes + (size_t)x];
			if (v != 0 && v != 255)
				return damaged(r, "the mask is not black and white");
		}
	return 0;
}

static int read_mask(struct reader *r)
{
	struct assay_recipe *recipe = r->recipe;
	sqlite3_stmt *row = NULL;
	void *png = NULL;
	size_t size = 0;
	int rc = prepare(r, "SELECT png FROM mask WHERE id = 1", &row);
	int step = rc == 0 ? sqlite3_step(row) : SQLITE_DONE;
	if (rc == 0 && step == SQLITE_ROW)
		rc = get_blob(r, row, 0, ASSAY__RECIPE_MOST_BLOB_BYTES, "the mask", &png, &size);
	else if (rc == 0 && step != SQLITE_DONE)
		rc = database_failed(r, "the mask");
	sqlite3_finalize(row);
	if (rc || !png)
		return rc;
	rc = assay_image_decode(png, size, recipe->allocator, &recipe->mask, r->error);
	assay__free(recipe->allocator, png);
	if (rc) {
		assay__fail_prefix(r->error, "%s: the mask", r->path);
		return rc == ASSAY_E_NOMEM ? rc : assay__fail(r->error, ASSAY_E_FORMAT, -1, "%s: the mask is damaged", r->path);
	}
	return check_mask(r);
}

static bool has_table(const struct reader *r, int table)
{
	return r->tables >> table & 1;
}

static int read_zone(struct reader *r, sqlite3_stmt *row, struct assay_zones *zones, int at)
{
	struct assay__zone *zone = &zones->list[at];
	int64_t number = 0, weight = 0, area = 0, length = 0;
	int least = at ? zone[-1].number + 1 : 0;
	const char *name = sqlite3_column_type(row, 1) == SQLITE_TEXT ? (const char *)sqlite3_column_text(row, 1) : NULL;
	if (!name || sqlite3_column_bytes(row, 1) >= ASSAY__ZONE_NAME_BYTES ||
		!get_int(row, 0, least, at ? ASSAY__ZONE_NUMBER_MOST : 0, &number) ||
		!get_int(row, 2, ASSAY__ZONE_WEIGHT_LEAST_Q8, ASSAY__ZONE_WEIGHT_MOST_Q8, &weight) ||
		!get_int(row, 3, 0, ASSAY__ZONE_SIZE_MOST_PX, &area) || !get_int(row, 4, 0, ASSAY__ZONE_SIZE_MOST_PX, &length))
		return damaged(r, "a zone");
	*zone = (struct assay__zone){(int)number, "", (uint32_t)weight, (int)area, (int)length};
	memcpy(zone->name, name, strlen(name) + 1);
	zones->count = at + 1;
	return 0;
}

/* The painted zones must be as teach makes them: the picture's size, and every grey value a zone. */
static int check_painted(struct reader *r)
{
	const struct assay_recipe *recipe = r->recipe;
	const struct assay_image *painted = &recipe->zones->painted;
	if (painted->width_px != recipe->shape.width_px || painted->height_px != recipe->shape.height_px ||
		painted->channels != 1 || painted->depth_bits != 8 || recipe->settings.scale)
		return damaged(r, "the zones do not belong to the pictures");
	for (int y = 0; y < painted->height_px; y++)
		for (int x = 0; x < painted->width_px; x++)
			if (assay__zones_find(recipe->zones, painted->pixels[(size_t)y * painted->stride_bytes + (size_t)x]) < 0)
				return damaged(r, "a painted zone is not in the list");
	return 0;
}

static int read_zones(struct reader *r)
{
	struct assay_recipe *recipe = r->recipe;
	sqlite3_stmt *row = NULL;
	void *png = NULL;
	size_t size = 0;
	int at = 0, step = SQLITE_DONE;
	if (!has_table(r, ASSAY__TABLE_ZONES) && !has_table(r, ASSAY__TABLE_PAINTED))
		return 0;
	if (!has_table(r, ASSAY__TABLE_ZONES) || !has_table(r, ASSAY__TABLE_PAINTED))
		return damaged(r, "the zones");
	recipe->zones = assay__zones_new(recipe->allocator);
	if (!recipe->zones)
		return assay__fail(r->error, ASSAY_E_NOMEM, -1, "%s: no memory for the zones", r->path);
	int rc =
		prepare(r, "SELECT number, name, weight_q8, least_area_px, least_length_px FROM zones ORDER BY number", &row);
	while (rc == 0 && (step = sqlite3_step(row)) == SQLITE_ROW)
		rc = at < ASSAY__ZONES_MOST ? read_zone(r, row, recipe->zones, at++) : damaged(r, "the number of zones");
	if (rc == 0 && step != SQLITE_DONE)
		rc = database_failed(r, "the zones");
	sqlite3_finalize(row);
	if (rc == 0 && at == 0)
		rc = damaged(r, "the zones");
	row = NULL;
	if (rc == 0)
		rc = single_row(r, "SELECT png FROM painted WHERE id = 1", "the painted zones are missing", &row);
	if (rc == 0)
		rc = get_blob(r, row, 0, ASSAY__RECIPE_MOST_BLOB_BYTES, "the painted zones", &png, &size);
	sqlite3_finalize(row);
	if (rc == 0 && (rc = assay_image_decode(png, size, recipe->allocator, &recipe->zones->painted, r->error)) != 0 &&
		rc != ASSAY_E_NOMEM)
		rc = damaged(r, "the painted zones");
	assay__free(recipe->allocator, png);
	return rc ? rc : check_painted(r);
}

static int read_pixel(struct reader *r)
{
	sqlite3_stmt *row = NULL;
	if (!has_table(r, ASSAY__TABLE_PIXEL))
		return 0;
	int rc = single_row(r, "SELECT mm FROM pixel WHERE id = 1", "the size of a pixel is missing", &row);
	if (rc == 0 && sqlite3_column_type(row, 0) == SQLITE_FLOAT)
		r->recipe->mm_per_px = sqlite3_column_double(row, 0);
	sqlite3_finalize(row);
	if (rc == 0 && !(r->recipe->mm_per_px > 0 && r->recipe->mm_per_px <= ASSAY__MM_PER_PX_MOST))
		rc = damaged(r, "the size of a pixel");
	return rc;
}

static int read_labels(struct reader *r)
{
	if (!has_table(r, ASSAY__TABLE_LABELS) && !has_table(r, ASSAY__TABLE_DEFECTS))
		return 0;
	if (!has_table(r, ASSAY__TABLE_LABELS) || !has_table(r, ASSAY__TABLE_DEFECTS))
		return damaged(r, "the labels");
	return assay__recipe_read_labels(r->recipe, r->db, r->path, r->error);
}

static int read_position(struct reader *r)
{
	bool placed = has_table(r, ASSAY__TABLE_PLACE);
	if (!has_table(r, ASSAY__TABLE_POSITION))
		return placed ? damaged(r, "how parts lie") : 0;
	return assay__position_read(r->db, placed, r->path, r->recipe, r->error);
}

static int read_keep(struct reader *r)
{
	const unsigned any = 1u << ASSAY__TABLE_LINEAGE | 1u << ASSAY__TABLE_KEPT | 1u << ASSAY__TABLE_STATES;
	struct assay_recipe *recipe = r->recipe;
	int rc = assay__suspects_read(r->db, r->path, r->tables, recipe->allocator, &recipe->suspects,
								  &recipe->report.suspect_count, r->error);
	if (rc || !(r->tables & any))
		return rc;
	recipe->keep = assay__keep_new(recipe->allocator);
	if (!recipe->keep)
		return assay__fail(r->error, ASSAY_E_NOMEM, -1, "%s: no memory for what the recipe keeps", r->path);
	return assay__keep_read(r->db, r->path, r->tables, r->whole, recipe->allocator, recipe->keep, r->error);
}

static int read_all(struct reader *r)
{
	static int (*const blocks[])(struct reader *) = {
		check_schema, quick_check, read_meta,  read_network, read_scales,	read_parts,	 read_golden,
		read_mask,	  read_zones,  read_pixel, read_keep,	 read_position, read_labels,
	};
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < sizeof(blocks) / sizeof(blocks[0]); i++)
		rc = blocks[i](r);
	return rc;
}

/* From the file, or from `bytes` if these are not NULL. */
static int read_database(struct reader *r, const char *path, const uint8_t *bytes, size_t size)
{
	int rc;
	if (sqlite3_open_v2(bytes ? ":memory:" : path, &r->db, bytes ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY,
						NULL) != SQLITE_OK)
		rc = r->db ? database_failed(r, "the file")
				   : assay__fail(r->error, ASSAY_E_NOMEM, -1, "%s: no memory to open it", r->path);
	else if (bytes && sqlite3_deserialize(r->db, "main", (unsigned char *)bytes, (sqlite3_int64)size,
										  (sqlite3_int64)size, SQLITE_DESERIALIZE_READONLY) != SQLITE_OK)
		rc = database_failed(r, "its bytes");
	else if (assay__recipe_harden(r->db) != SQLITE_OK)
		rc = assay__fail(r->error, ASSAY_E_UNSUPPORTED, -1, "this SQLite cannot be made safe for foreign files");
	else
		rc = read_all(r);
	sqlite3_close(r->db);
	return rc;
}

/* A network that was asked for must be the recipe's; otherwise the recipe brings its own. */
static int check_network(struct reader *r, const struct assay_env *env)
{
	const struct assay_recipe *recipe = r->recipe;
	if (env && env->network &&
		(env->network_size_bytes != recipe->network_size_bytes ||
		 memcmp(env->network, recipe->network, recipe->network_size_bytes) != 0))
		return assay__fail(r->error, ASSAY_E_MISMATCH, -1,
						   "%s: taught with another network (%s) than the one given; leave that out, the recipe has "
						   "its own",
						   r->path, recipe->net_info.name);
	return 0;
}

/* From what was read to a recipe that can be used. */
static int bring_up(struct reader *r, const struct assay_env *env)
{
	struct assay_recipe *recipe = r->recipe;
	int dim = recipe->dim;
	assay__recipe_content_hash(recipe, recipe->content_hash);
	if (memcmp(recipe->content_hash, r->content_hash, ASSAY_HASH_BYTES) != 0)
		return assay__fail(r->error, ASSAY_E_FORMAT, -1,
						   "%s: content hash does not match: the file was damaged or edited", r->path);
	if (recipe->keep && !assay__keep_check(recipe->keep, recipe->content_hash))
		return damaged(r, "its lineage does not hold: a step was changed, or does not lead to this recipe");
	int rc = assay__recipe_open_net(recipe, r->error);
	if (rc == 0 && (recipe->dim != dim || memcmp(recipe->net_info.hash, r->network_hash, ASSAY_HASH_BYTES) != 0))
		rc = assay__fail(r->error, ASSAY_E_FORMAT, -1, "its network is not the one it says");
	if (rc == 0)
		rc = assay__recipe_open_labels(recipe, r->error);
	if (rc == 0)
		rc = assay__recipe_ready(recipe, r->error);
	if (rc == 0)
		rc = assay__recipe_check_golden(recipe, r->error);
	if (rc == 0)
		return check_network(r, env);
	assay__fail_prefix(r->error, "%s", r->path);
	if (rc != ASSAY_E_NOMEM && rc != ASSAY_E_UNSUPPORTED)
		rc = ASSAY_E_FORMAT; /* whatever does not fit together here, it is the file that is wrong */
	if (r->error)
		r->error->code = rc;
	return rc;
}

static int open_recipe(const struct assay_env *env, const char *path, bool whole, const uint8_t *bytes, size_t size,
					   struct assay_recipe **out, struct assay_error *error)
{
	struct reader r = {.path = path, .whole = whole, .error = error};
	char *file = assay__recipe_sqlite_path(path, "");
	r.recipe = assay__recipe_new(env);
	int rc = file && r.recipe ? 0 : assay__fail(error, ASSAY_E_NOMEM, -1, "%s: no memory to open it", path);
	if (rc == 0)
		rc = bytes ? check_head(&r, bytes, size) : check_file(&r, file);
	if (rc == 0)
		rc = read_database(&r, file, bytes, size);
	if (rc == 0)
		rc = bring_up(&r, env);
	free(file);
	if (rc) {
		assay_recipe_close(r.recipe);
		return rc;
	}
	*out = r.recipe;
	return 0;
}

int assay_recipe_open(const struct assay_env *env, const char *path, struct assay_recipe **out,
					  struct assay_error *error)
{
	return open_recipe(env, path, false, NULL, 0, out, error);
}

int assay__recipe_open_whole(const struct assay_env *env, const char *path, struct assay_recipe **out,
							 struct assay_error *error)
{
	return open_recipe(env, path, true, NULL, 0, out, error);
}

int assay__recipe_from_bytes(const struct assay_env *env, const char *name, const uint8_t *bytes, size_t size,
							 struct assay_recipe **out, struct assay_error *error)
{
	return open_recipe(env, name, false, bytes, size, out, error);
}
