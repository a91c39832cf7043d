/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/recipe_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "vision/recipe_position.h"

const char *const assay__recipe_tables[ASSAY__RECIPE_TABLES] = {
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID",
	"CREATE TABLE network(id INTEGER PRIMARY KEY, name TEXT, hash BLOB, bytes BLOB)",
	"CREATE TABLE scale(id INTEGER PRIMARY KEY, working_px INTEGER, light_q8 INTEGER, mean_q8 INTEGER, sd_q8 INTEGER)",
	"CREATE TABLE bank(id INTEGER PRIMARY KEY, count INTEGER, dim INTEGER, vectors BLOB)",
	"CREATE TABLE calibration(rank INTEGER PRIMARY KEY, part_hash BLOB, score_q8 INTEGER)",
	"CREATE TABLE parts(hash BLOB PRIMARY KEY, name TEXT) WITHOUT ROWID",
	"CREATE TABLE golden(id INTEGER PRIMARY KEY, hash BLOB, score_q8 INTEGER, map_hash BLOB, png BLOB)",
	"CREATE TABLE mask(id INTEGER PRIMARY KEY, png BLOB)",
	/* in recipes that need them */
	("CREATE TABLE zones(number INTEGER PRIMARY KEY, name TEXT, weight_q8 INTEGER, least_area_px INTEGER, "
	 "least_length_px INTEGER)"),
	"CREATE TABLE painted(id INTEGER PRIMARY KEY, png BLOB)",
	"CREATE TABLE pixel(id INTEGER PRIMARY KEY, mm REAL)",
	("CREATE TABLE labels(id INTEGER PRIMARY KEY, offered INTEGER, unreadable INTEGER, repeated INTEGER, folds "
	 "INTEGER, "
	 "bank_escapes INTEGER, joined_escapes INTEGER, bank_q8 INTEGER, heads BLOB, kinds BLOB)"),
	"CREATE TABLE defects(hash BLOB PRIMARY KEY, kind TEXT, name TEXT) WITHOUT ROWID",
	"CREATE TABLE suspects(rank INTEGER PRIMARY KEY, part_hash BLOB, name TEXT, score_q8 INTEGER, learnt INTEGER)",
	("CREATE TABLE lineage(number INTEGER PRIMARY KEY, kind TEXT, parent BLOB, content BLOB, time_s INTEGER, "
	 "author TEXT, goods INTEGER, defects INTEGER, vectors INTEGER, hash BLOB)"),
	"CREATE TABLE kept(number INTEGER PRIMARY KEY, hash BLOB, defect INTEGER, name TEXT, png BLOB)",
	"CREATE TABLE states(number INTEGER PRIMARY KEY, content BLOB, file BLOB)",
	("CREATE TABLE position(id INTEGER PRIMARY KEY, wanted INTEGER, chosen INTEGER, why INTEGER, fit REAL, "
	 "spread REAL, reference BLOB)"),
	"CREATE TABLE place(id INTEGER PRIMARY KEY, mean_q8 INTEGER, sd_q8 INTEGER, counts BLOB, vectors BLOB)",
};

#define AT(field) offsetof(struct assay_recipe, field)
#define SIDE ASSAY_IMAGE_MAX_SIDE_PX
const struct assay__recipe_field assay__recipe_fields[ASSAY__RECIPE_FIELDS] = {
	{"bank_wanted", ASSAY__FIELD_INT, AT(settings.bank_size), ASSAY__BANK_LEAST, ASSAY__BANK_MOST},
	{"depth_bits", ASSAY__FIELD_INT, AT(shape.depth_bits), 8, 16},
	{"exposure", ASSAY__FIELD_BOOL, AT(settings.exposure), 0, 1},
	{"folds", ASSAY__FIELD_INT, AT(settings.folds), ASSAY__FOLDS_LEAST, ASSAY__FOLDS_MOST},
	{"grey", ASSAY__FIELD_BOOL, AT(settings.view.grey), 0, 1},
	{"image_channels", ASSAY__FIELD_INT, AT(shape.channels), 1, 3},
	{"image_height_px", ASSAY__FIELD_INT, AT(shape.height_px), 1, SIDE},
	{"image_width_px", ASSAY__FIELD_INT, AT(shape.width_px), 1, SIDE},
	{"light_tolerance", ASSAY__FIELD_DOUBLE, AT(settings.light_tolerance), 0, 0},
	{"odd_part", ASSAY__FIELD_INT, AT(report.odd_part), 0, INT32_MAX},
	{"overkill_wanted", ASSAY__FIELD_DOUBLE, AT(settings.overkill), 0, 0},
	{"parts_brightened", ASSAY__FIELD_INT, AT(report.parts_brightened), 0, INT32_MAX},
	{"parts_offered", ASSAY__FIELD_INT, AT(report.parts_offered), 2, INT32_MAX},
	{"parts_repeated", ASSAY__FIELD_INT, AT(report.parts_repeated), 0, INT32_MAX},
	{"parts_unreadable", ASSAY__FIELD_INT, AT(report.parts_unreadable), 0, INT32_MAX},
	{"patches", ASSAY__FIELD_INT, AT(report.patches), 1, INT32_MAX},
	{"roi_height_px", ASSAY__FIELD_INT, AT(settings.view.roi.height), 0, SIDE},
	{"roi_width_px", ASSAY__FIELD_INT, AT(settings.view.roi.width), 0, SIDE},
	{"roi_x_px", ASSAY__FIELD_INT, AT(settings.view.roi.x), 0, SIDE},
	{"roi_y_px", ASSAY__FIELD_INT, AT(settings.view.roi.y), 0, SIDE},
	{"scale", ASSAY__FIELD_BOOL, AT(settings.scale), 0, 1},
	{"smallest_defect_px", ASSAY__FIELD_INT, AT(settings.smallest_defect_px), 0, ASSAY__DEFECT_MOST_PX},
	{"threshold_q8", ASSAY__FIELD_UINT32, AT(threshold_q8), 0, UINT32_MAX},
	{"white_level", ASSAY__FIELD_INT, AT(settings.view.white_level), ASSAY__WHITE_LEAST, ASSAY__WHITE_MOST},
	{"working_px", ASSAY__FIELD_INT, AT(settings.working_px), 0, ASSAY__WORKING_MOST_PX},
};

char *assay__recipe_sqlite_path(const char *path, const char *suffix)
{
	size_t size = strlen(path) + strlen(suffix) + 3;
	char *to = malloc(size);
	if (to)
		snprintf(to, size, "%s%s%s", path[0] == '/' ? "" : "./", path, suffix);
	return to;
}

int assay__recipe_harden(sqlite3 *db)
{
	static const int off[] = {SQLITE_DBCONFIG_ENABLE_TRIGGER, SQLITE_DBCONFIG_ENABLE_VIEW,
							  SQLITE_DBCONFIG_TRUSTED_SCHEMA, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION};
	int rc = sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	for (size_t i = 0; rc == SQLITE_OK && i < sizeof(off) / sizeof(off[0]); i++)
		rc = sqlite3_db_config(db, off[i], 0, NULL);
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, ASSAY__RECIPE_MOST_BLOB_BYTES);
	sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, 0);
	return rc;
}

/* As PNG; NULL: none. */
struct pictures {
	uint8_t *mask, *painted;
	size_t mask_size, painted_size;
};

/* A file being written: errors stick, so that a row is a few lines without a check on each. */
struct writer {
	sqlite3 *db;
	sqlite3_stmt *row;
	int rc, column;
	struct pictures pictures;
	bool bare; /* without what it keeps beside */
};

static void run_sql(struct writer *w, const char *sql)
{
	if (w->rc == SQLITE_OK)
		w->rc = sqlite3_exec(w->db, sql, NULL, NULL, NULL);
}

static void begin_row(struct writer *w, const char *sql)
{
	w->column = 0;
	if (w->rc == SQLITE_OK)
		w->rc = sqlite3_prepare_v2(w->db, sql, -1, &w->row, NULL);
}

static void put_int(struct writer *w, int64_t value)
{
	w->column++;
	if (w->rc == SQLITE_OK)
		w->rc = sqlite3_bind_int64(w->row, w->column, value);
}

static void put_double(struct writer *w, double value)
{
	w->column++;
	if (w->rc == SQLITE_OK)
		w->rc = sqlite3_bind_double(w->row, w->column, value);
}

static void put_text(struct writer *w, const char *value)
{
	w->column++;
	if (w->rc == SQLITE_OK)
		w->rc = sqlite3_bind_text(w->row, w->column, value, -1, SQLITE_STATIC);
}

static void put_blob(struct writer *w, const void *value, size_t size)
{
	w->column++;
	if (w->rc == SQLITE_OK)
		w->rc = sqlite3_bind_blob64(w->row, w->column, value, size, SQLITE_STATIC);
}

static void end_row(struct writer *w)
{
	if (w->rc == SQLITE_OK) {
		int rc = sqlite3_step(w->row);
		w->rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
	}
	sqlite3_finalize(w->row);
	w->row = NULL;
}

static void write_meta(struct writer *w, const struct assay_recipe *recipe)
{
	static const char sql[] = "INSERT INTO meta VALUES(?, ?)";
	begin_row(w, sql);
	put_text(w, ASSAY__RECIPE_HASH_KEY);
	put_blob(w, recipe->content_hash, ASSAY_HASH_BYTES);
	end_row(w);
	for (int i = 0; i < ASSAY__RECIPE_FIELDS; i++) {
		const struct assay__recipe_field *field = &assay__recipe_fields[i];
		const char *at = (const char *)recipe + field->offset;
		begin_row(w, sql);
		put_text(w, field->key);
		switch (field->kind) {
		case ASSAY__FIELD_INT:
			put_int(w, *(const int *)at);
			break;
		case ASSAY__FIELD_BOOL:
			put_int(w, *(const bool *)at);
			break;
		case ASSAY__FIELD_UINT32:
			put_int(w, *(const uint32_t *)at);
			break;
		case ASSAY__FIELD_DOUBLE:
			put_double(w, *(const double *)at);
			break;
		}
		end_row(w);
	}
}

static void write_parts(struct writer *w, const struct assay_recipe *recipe)
{
	for (int i = 0; i < recipe->part_count; i++) {
		const struct assay__taught *part = &recipe->parts[i];
		begin_row(w, "INSERT INTO calibration VALUES(?, ?, ?)");
		put_int(w, i + 1);
		put_blob(w, part->hash, ASSAY_HASH_BYTES);
		put_int(w, part->score_q8);
		end_row(w);
		begin_row(w, "INSERT INTO parts VALUES(?, ?)");
		put_blob(w, part->hash, ASSAY_HASH_BYTES);
		put_text(w, part->name);
		end_row(w);
	}
}

static void write_network(struct writer *w, const struct assay_recipe *recipe)
{
	begin_row(w, "INSERT INTO network VALUES(1, ?, ?, ?)");
	put_text(w, recipe->net_info.name);
	put_blob(w, recipe->net_info.hash, ASSAY_HASH_BYTES);
	put_blob(w, recipe->network, recipe->network_size_bytes);
	end_row(w);
}

static void write_scales(struct writer *w, const struct assay_recipe *recipe)
{
	for (int i = 0; i < recipe->scales.count; i++) {
		const struct assay__scale *scale = &recipe->scales.at[i];
		begin_row(w, "INSERT INTO scale VALUES(?, ?, ?, ?, ?)");
		put_int(w, i + 1);
		put_int(w, scale->working_px);
		put_int(w, scale->light_q8);
		put_int(w, scale->unit.mean_q8);
		put_int(w, scale->unit.sd_q8);
		end_row(w);
		begin_row(w, "INSERT INTO bank VALUES(?, ?, ?, ?)");
		put_int(w, i + 1);
		put_int(w, scale->bank_count);
		put_int(w, recipe->dim);
		put_blob(w, scale->vectors, (size_t)scale->bank_count * (size_t)recipe->dim);
		end_row(w);
	}
}

static void write_golden(struct writer *w, const struct assay_recipe *recipe)
{
	for (int i = 0; i < ASSAY__GOLDEN_COUNT; i++) {
		begin_row(w, "INSERT INTO golden VALUES(?, ?, ?, ?, ?)");
		put_int(w, i + 1);
		put_blob(w, recipe->golden[i].hash, ASSAY_HASH_BYTES);
		put_int(w, recipe->golden[i].score_q8);
		put_blob(w, recipe->golden[i].map_hash, ASSAY_HASH_BYTES);
		put_blob(w, recipe->golden[i].png, recipe->golden[i].png_size);
		end_row(w);
	}
}

static void write_mask(struct writer *w, const struct assay_recipe *recipe)
{
	(void)recipe;
	if (!w->pictures.mask)
		return;
	begin_row(w, "INSERT INTO mask VALUES(1, ?)");
	put_blob(w, w->pictures.mask, w->pictures.mask_size);
	end_row(w);
}

static void write_zones(struct writer *w, const struct assay_recipe *recipe)
{
	if (!recipe->zones)
		return;
	run_sql(w, assay__recipe_tables[ASSAY__TABLE_ZONES]);
	run_sql(w, assay__recipe_tables[ASSAY__TABLE_PAINTED]);
	for (int i = 0; i < recipe->zones->count; i++) {
		const struct assay__zone *zone = &recipe->zones->list[i];
		begin_row(w, "INSERT INTO zones VALUES(?, ?, ?, ?, ?)");
		put_int(w, zone->number);
		put_text(w, zone->name);
		put_int(w, zone->weight_q8);
		put_int(w, zone->least_area_px);
		put_int(w, zone->least_length_px);
		end_row(w);
	}
	begin_row(w, "INSERT INTO painted VALUES(1, ?)");
	put_blob(w, w->pictures.painted, w->pictures.painted_size);
	end_row(w);
}

static void write_pixel(struct writer *w, const struct assay_recipe *recipe)
{
	if (!(recipe->mm_per_px > 0))
		return;
	run_sql(w, assay__recipe_tables[ASSAY__TABLE_PIXEL]);
	begin_row(w, "INSERT INTO pixel VALUES(1, ?)");
	put_double(w, recipe->mm_per_px);
	end_row(w);
}

static void write_labels(struct writer *w, const struct assay_recipe *recipe)
{
	const struct assay__label_block *labels = &recipe->labels;
	const struct assay_label_report *report = &recipe->report.labels;
	if (!labels->count)
		return;
	run_sql(w, assay__recipe_tables[ASSAY__TABLE_LABELS]);
	run_sql(w, assay__recipe_tables[ASSAY__TABLE_DEFECTS]);
	begin_row(w, "INSERT INTO labels VALUES(1, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
	put_int(w, report->offered);
	put_int(w, report->unreadable);
	put_int(w, report->repeated);
	put_int(w, report->folds);
	put_int(w, report->bank_escapes);
	put_int(w, report->joined_escapes);
	put_int(w, report->bank_threshold_q8);
	put_blob(w, labels->heads, labels->heads_size);
	put_blob(w, labels->kinds, labels->kinds_size);
	end_row(w);
	for (int i = 0; i < labels->count; i++) {
		begin_row(w, "INSERT INTO defects VALUES(?, ?, ?)");
		put_blob(w, labels->defects[i].hash, ASSAY_HASH_BYTES);
		put_text(w, labels->defects[i].kind);
		put_text(w, labels->defects[i].name);
		end_row(w);
	}
}

static void write_position(struct writer *w, const struct assay_recipe *recipe)
{
	if (w->rc == SQLITE_OK)
		w->rc = assay__position_write(w->db, recipe);
}

static void write_suspects(struct writer *w, const struct assay_recipe *recipe)
{
	if (recipe->report.suspect_count)
		run_sql(w, assay__recipe_tables[ASSAY__TABLE_SUSPECTS]);
	for (int i = 0; i < recipe->report.suspect_count; i++) {
		const struct assay_suspect *suspect = &recipe->suspects[i];
		begin_row(w, "INSERT INTO suspects VALUES(?, ?, ?, ?, ?)");
		put_int(w, i + 1);
		put_blob(w, suspect->hash, ASSAY_HASH_BYTES);
		put_text(w, suspect->name);
		put_int(w, suspect->score_q8);
		put_int(w, suspect->learnt);
		end_row(w);
	}
}

static void write_keep(struct writer *w, const struct assay_recipe *recipe)
{
	if (recipe->keep && !w->bare && w->rc == SQLITE_OK)
		w->rc = assay__keep_write(w->db, recipe->keep);
}

static void write_all(struct writer *w, const struct assay_recipe *recipe)
{
	static void (*const blocks[])(struct writer *, const struct assay_recipe *) = {
		write_meta,	 write_network, write_scales,	write_golden, write_mask,	  write_zones,
		write_pixel, write_parts,	write_suspects, write_keep,	  write_position, write_labels,
	};
	char sql[128];
	/* the file is new and renamed when whole: no journal on disk, and it is synced once, at the end */
	run_sql(w, "PRAGMA journal_mode = MEMORY");
	run_sql(w, "PRAGMA synchronous = OFF");
	snprintf(sql, sizeof(sql), "PRAGMA application_id = %d", ASSAY__RECIPE_APPLICATION_ID);
	run_sql(w, sql);
	snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", ASSAY__RECIPE_VERSION);
	run_sql(w, sql);
	run_sql(w, "BEGIN EXCLUSIVE");
	for (int i = 0; i < ASSAY__RECIPE_TABLES_ALWAYS; i++)
		run_sql(w, assay__recipe_tables[i]);
	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
		blocks[i](w, recipe);
	run_sql(w, "COMMIT");
}

/* Into a file, or into memory as *bytes if that is not NULL. */
static int write_database(const struct assay_recipe *recipe, const char *path, const struct pictures *pictures,
						  uint8_t **bytes, size_t *size, struct assay_error *error)
{
	struct writer w = {.pictures = *pictures, .bare = bytes != NULL};
	char why[200] = "";
	w.rc = sqlite3_open_v2(path, &w.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
	if (w.rc == SQLITE_OK)
		w.rc = assay__recipe_harden(w.db);
	write_all(&w, recipe);
	if (w.rc != SQLITE_OK) {
		int system = w.db ? sqlite3_system_errno(w.db) : 0;
		snprintf(why, sizeof(why), "%s%s%s", w.db ? sqlite3_errmsg(w.db) : sqlite3_errstr(w.rc), system ? ": " : "",
				 system ? strerror(system) : "");
	} else if (bytes) {
		sqlite3_int64 n = 0;
		unsigned char *image = sqlite3_serialize(w.db, "main", &n, 0);
		*bytes = image ? assay__alloc(recipe->allocator, (size_t)n) : NULL;
		if (*bytes)
			memcpy(*bytes, image, (size_t)n);
		else
			w.rc = SQLITE_NOMEM;
		*size = (size_t)n;
		sqlite3_free(image);
	}
	int closed = sqlite3_close(w.db);
	if (w.rc == SQLITE_OK)
		w.rc = closed;
	if (w.rc == SQLITE_NOMEM)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "%s: no memory to write the recipe", path);
	if (w.rc != SQLITE_OK)
		return assay__fail(error, ASSAY_E_IO, -1, "cannot write %s: %s", path, why);
	return 0;
}

/* Makes the content of a file, or the entry of a folder, last through a power cut. */
static int sync_path(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);
	if (fd < 0)
		return -1;
	int rc = fsync(fd), saved = errno;
	close(fd);
	errno = saved;
	return rc;
}

static int publish(const char *temporary, const char *path, struct assay_error *error)
{
	if (sync_path(temporary, O_RDONLY) || rename(temporary, path))
		return assay__fail(error, ASSAY_E_IO, -1, "cannot write %s: %s", path, strerror(errno));
	char *folder = strdup(path), *slash = folder ? strrchr(folder, '/') : NULL;
	if (slash) {
		slash[slash == folder] = '\0';
		sync_path(folder, O_RDONLY | O_DIRECTORY); /* some file systems refuse this; the recipe itself is safe */
	}
	free(folder);
	return 0;
}

/* On failure too, what there is must be freed. */
static int encode_pictures(const struct assay_recipe *recipe, struct pictures *pictures, struct assay_error *error)
{
	int rc = 0;
	if (recipe->mask.pixels)
		rc = assay_image_encode_png(&recipe->mask, recipe->allocator, &pictures->mask, &pictures->mask_size, error);
	if (rc == 0 && recipe->zones)
		rc = assay_image_encode_png(&recipe->zones->painted, recipe->allocator, &pictures->painted,
									&pictures->painted_size, error);
	return rc;
}

static void free_pictures(const struct assay_recipe *recipe, struct pictures *pictures)
{
	assay__free(recipe->allocator, pictures->mask);
	assay__free(recipe->allocator, pictures->painted);
}

int assay__recipe_to_bytes(const struct assay_recipe *recipe, uint8_t **bytes, size_t *size, struct assay_error *error)
{
	struct pictures pictures = {0};
	uint8_t *out = NULL;
	size_t out_size = 0;
	int rc = encode_pictures(recipe, &pictures, error);
	if (rc == 0)
		rc = write_database(recipe, ":memory:", &pictures, &out, &out_size, error);
	free_pictures(recipe, &pictures);
	if (rc) {
		assay__free(recipe->allocator, out);
		return rc;
	}
	*bytes = out;
	*size = out_size;
	return 0;
}

int assay_recipe_save(const struct assay_recipe *recipe, const char *path, struct assay_error *error)
{
	struct pictures pictures = {0};
	char *target = assay__recipe_sqlite_path(path, ""), *temporary = assay__recipe_sqlite_path(path, ".new");
	int rc = target && temporary ? 0 : assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a path");
	if (rc == 0)
		rc = encode_pictures(recipe, &pictures, error);
	if (rc == 0 && unlink(temporary) && errno != ENOENT)
		rc = assay__fail(error, ASSAY_E_IO, -1, "cannot replace %s: %s", temporary, strerror(errno));
	if (rc == 0) {
		rc = write_database(recipe, temporary, &pictures, NULL, NULL, error);
		if (rc == 0)
			rc = publish(temporary, target, error);
		if (rc)
			unlink(temporary);
	}
	free_pictures(recipe, &pictures);
	free(target);
	free(temporary);
	return rc;
}
