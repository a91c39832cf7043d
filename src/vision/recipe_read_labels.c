/* SPDX-License-Identifier: Apache-2.0 */
/* The blocks of a recipe file that hold what labels taught. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "vision/labels.h"
#include "vision/recipe_file.h"

struct reader {
	const char *path;
	sqlite3 *db;
	struct assay_recipe *recipe;
	struct assay_error *error;
};

static int damaged(const struct reader *r, const char *what)
{
	return assay__fail(r->error, ASSAY_E_FORMAT, -1, "%s: damaged recipe: %s", r->path, what);
}

static int no_memory(const struct reader *r)
{
	return assay__fail(r->error, ASSAY_E_NOMEM, -1, "%s: no memory for the labels", r->path);
}

/* What SQLite says when there is no row, or no statement. */
static int failed(const struct reader *r, const char *what)
{
	int rc = sqlite3_errcode(r->db) & 0xff;
	if (rc == SQLITE_NOMEM)
		return no_memory(r);
	if (rc == SQLITE_IOERR || rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
		return assay__fail(r->error, ASSAY_E_IO, -1, "%s: cannot read %s: %s", r->path, what, sqlite3_errmsg(r->db));
	return damaged(r, what);
}

static int prepare(const struct reader *r, const char *sql, sqlite3_stmt **row)
{
	return sqlite3_prepare_v2(r->db, sql, -1, row, NULL) == SQLITE_OK ? 0 : failed(r, "the labels");
}

static bool get_count(sqlite3_stmt *row, int column, int64_t most, int64_t *out)
{
	if (sqlite3_column_type(row, column) != SQLITE_INTEGER)
		return false;
	*out = sqlite3_column_int64(row, column);
	return *out >= 0 && *out <= most;
}

static int read_defect(const struct reader *r, sqlite3_stmt *row, struct assay__defect *defect)
{
	if (sqlite3_column_type(row, 0) != SQLITE_BLOB || sqlite3_column_bytes(row, 0) != ASSAY_HASH_BYTES ||
		sqlite3_column_type(row, 1) != SQLITE_TEXT || sqlite3_column_type(row, 2) != SQLITE_TEXT ||
		sqlite3_column_bytes(row, 1) >= ASSAY__KIND_NAME_BYTES ||
		sqlite3_column_bytes(row, 2) > ASSAY__RECIPE_MOST_NAME_BYTES)
		return damaged(r, "a labelled defect");
	const void *hash = sqlite3_column_blob(row, 0);
	const char *kind = (const char *)sqlite3_column_text(row, 1), *name = (const char *)sqlite3_column_text(row, 2);
	size_t size = name ? strlen(name) + 1 : 0;
	defect->name = size ? assay__alloc(r->recipe->allocator, size) : NULL;
	if (!defect->name || !kind || !hash)
		return no_memory(r);
	memcpy(defect->hash, hash, ASSAY_HASH_BYTES);
	memcpy(defect->name, name, size);
	memcpy(defect->kind, kind, strlen(kind) + 1);
	return 0;
}

static int count_defects(const struct reader *r, int *count)
{
	sqlite3_stmt *row = NULL;
	int64_t n = 0;
	int rc = prepare(r, "SELECT count(*) FROM defects", &row);
	if (rc == 0 && sqlite3_step(row) != SQLITE_ROW)
		rc = failed(r, "the labelled defects");
	if (rc == 0 && (!get_count(row, 0, ASSAY__RECIPE_MOST_PARTS, &n) || n < 1))
		rc = damaged(r, "the number of labelled defects");
	sqlite3_finalize(row);
	*count = (int)n;
	return rc;
}

static int read_defects(const struct reader *r)
{
	struct assay__label_block *labels = &r->recipe->labels;
	sqlite3_stmt *row = NULL;
	int at = 0, count = 0, step = SQLITE_DONE, rc = count_defects(r, &count);
	if (rc)
		return rc;
	labels->defects = assay__calloc(r->recipe->allocator, (size_t)count, sizeof(*labels->defects));
	if (!labels->defects)
		return no_memory(r);
	labels->count = count;
	rc = prepare(r, "SELECT hash, kind, name FROM defects ORDER BY hash", &row);
	while (rc == 0 && (step = sqlite3_step(row)) == SQLITE_ROW)
		rc = at < count ? read_defect(r, row, &labels->defects[at++]) : damaged(r, "the labelled defects");
	if (rc == 0 && step != SQLITE_DONE)
		rc = failed(r, "the labelled defects");
	sqlite3_finalize(row);
	return rc == 0 && at != count ? damaged(r, "the labelled defects") : rc;
}

/* A blob that may be missing, copied into memory of the recipe's. */
static int get_blob(const struct reader *r, sqlite3_stmt *row, int column, uint8_t **out, size_t *size)
{
	if (sqlite3_column_type(row, column) == SQLITE_NULL)
		return 0;
	int bytes = sqlite3_column_bytes(row, column);
	if (sqlite3_column_type(row, column) != SQLITE_BLOB || bytes < 1)
		return damaged(r, "what the labels taught");
	const void *from = sqlite3_column_blob(row, column);
	uint8_t *to = from ? assay__alloc(r->recipe->allocator, (size_t)bytes) : NULL;
	if (!to)
		return no_memory(r);
	memcpy(to, from, (size_t)bytes);
	*out = to;
	*size = (size_t)bytes;
	return 0;
}

static int read_row(const struct reader *r, sqlite3_stmt *row)
{
	static const int64_t most[] = {INT32_MAX, INT32_MAX, INT32_MAX, ASSAY__LABEL_FOLDS,
								   INT32_MAX, INT32_MAX, UINT32_MAX};
	struct assay__label_block *labels = &r->recipe->labels;
	int64_t counts[7];
	for (int i = 0; i < 7; i++)
		if (!get_count(row, i, most[i], &counts[i]))
			return damaged(r, "what came of the labels");
	if (counts[0] < 1)
		return damaged(r, "what came of the labels");
	int rc = get_blob(r, row, 7, &labels->heads, &labels->heads_size);
	if (rc == 0)
		rc = get_blob(r, row, 8, &labels->kinds, &labels->kinds_size);
	r->recipe->report.labels = (struct assay_label_report){.offered = (int)counts[0],
														   .unreadable = (int)counts[1],
														   .repeated = (int)counts[2],
														   .taught = labels->count,
														   .folds = (int)counts[3],
														   .used = labels->heads != NULL,
														   .bank_escapes = (int)counts[4],
														   .joined_escapes = (int)counts[5],
														   .bank_threshold_q8 = (uint32_t)counts[6]};
	return rc;
}

int assay__recipe_read_labels(struct assay_recipe *recipe, sqlite3 *db, const char *path, struct assay_error *error)
{
	const struct reader r = {path, db, recipe, error};
	sqlite3_stmt *row = NULL;
	int rc = read_defects(&r);
	if (rc == 0)
		rc = prepare(&r,
					 "SELECT offered, unreadable, repeated, folds, bank_escapes, joined_escapes, bank_q8, heads, kinds "
					 "FROM labels WHERE id = 1",
					 &row);
	if (rc == 0)
		rc = sqlite3_step(row) == SQLITE_ROW ? read_row(&r, row) : failed(&r, "what came of the labels");
	sqlite3_finalize(row);
	return rc;
}

int assay__recipe_open_labels(struct assay_recipe *recipe, struct assay_error *error)
{
	struct assay__label_block *labels = &recipe->labels;
	int rc = 0;
	if (labels->heads)
		rc = assay__labels_decode(labels->heads, labels->heads_size, recipe->dim, recipe->scales.count, recipe->isa,
								  recipe->allocator, &recipe->scales.labels, error);
	if (rc == 0 && labels->kinds)
		rc = assay__kinds_decode(labels->kinds, labels->kinds_size, recipe->dim, recipe->allocator, &labels->named,
								 error);
	if (rc == 0 && labels->named)
		recipe->report.labels.kinds = assay__kinds_count(labels->named);
	return rc;
}
