/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures, lineage and earlier states in the recipe file. */
#include <sqlite3.h>
#include <string.h>

#include "base/err.h"
#include "vision/keep.h"
#include "vision/recipe_file.h"

static int run(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* Runs the row once and makes it ready for the next. */
static int put_row(sqlite3_stmt *row)
{
	int rc = sqlite3_step(row), reset = sqlite3_reset(row);
	return rc != SQLITE_DONE ? rc : reset;
}

static int write_steps(sqlite3 *db, const struct assay__recipe_keep *keep)
{
	sqlite3_stmt *row = NULL;
	int rc = keep->step_count ? run(db, assay__recipe_tables[ASSAY__TABLE_LINEAGE]) : SQLITE_OK;
	if (rc == SQLITE_OK && keep->step_count)
		rc = sqlite3_prepare_v2(db, "INSERT INTO lineage VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", -1, &row, NULL);
	for (int i = 0; rc == SQLITE_OK && i < keep->step_count; i++) {
		const struct assay_lineage_step *step = &keep->steps[i];
		if ((rc = sqlite3_bind_int(row, 1, step->number)) == SQLITE_OK &&
			(rc = sqlite3_bind_text(row, 2, step->kind, -1, SQLITE_STATIC)) == SQLITE_OK &&
			(rc = sqlite3_bind_blob(row, 3, step->parent, ASSAY_HASH_BYTES, SQLITE_STATIC)) == SQLITE_OK &&
			(rc = sqlite3_bind_blob(row, 4, step->content, ASSAY_HASH_BYTES, SQLITE_STATIC)) == SQLITE_OK &&
			(rc = sqlite3_bind_int64(row, 5, step->time_s)) == SQLITE_OK &&
			(rc = sqlite3_bind_text(row, 6, step->author, -1, SQLITE_STATIC)) == SQLITE_OK &&
			(rc = sqlite3_bind_int(row, 7, step->goods)) == SQLITE_OK &&
			(rc = sqlite3_bind_int(row, 8, step->defects)) == SQLITE_OK &&
			(rc = sqlite3_bind_int(row, 9, step->vectors)) == SQLITE_OK &&
			(rc = sqlite3_bind_blob(row, 10, step->hash, ASSAY_HASH_BYTES, SQLITE_STATIC)) == SQLITE_OK)
			rc = put_row(row);
	}
	sqlite3_finalize(row);
	return rc;
}

static int write_parts(sqlite3 *db, const struct assay__recipe_keep *keep)
{
	sqlite3_stmt *row = NULL;
	int rc = keep->part_count ? run(db, assay__recipe_tables[ASSAY__TABLE_KEPT]) : SQLITE_OK;
	if (rc == SQLITE_OK && keep->part_count)
		rc = sqlite3_prepare_v2(db, "INSERT INTO kept VALUES(?, ?, ?, ?, ?)", -1, &row, NULL);
	for (int i = 0; rc == SQLITE_OK && i < keep->part_count; i++) {
		const struct assay__kept *part = &keep->parts[i];
		if ((rc = sqlite3_bind_int(row, 1, i + 1)) == SQLITE_OK &&
			(rc = sqlite3_bind_blob(row, 2, part->hash, ASSAY_HASH_BYTES, SQLITE_STATIC)) == SQLITE_OK &&
			(rc = sqlite3_bind_int(row, 3, part->defect)) == SQLITE_OK &&
			(rc = sqlite3_bind_text(row, 4, part->name, -1, SQLITE_STATIC)) == SQLITE_OK &&
			(rc = sqlite3_bind_blob64(row, 5, part->png, part->png_size, SQLITE_STATIC)) == SQLITE_OK)
			rc = put_row(row);
	}
	sqlite3_finalize(row);
	return rc;
}

static int write_states(sqlite3 *db, const struct assay__recipe_keep *keep)
{
	sqlite3_stmt *row = NULL;
	int rc = keep->state_count ? run(db, assay__recipe_tables[ASSAY__TABLE_STATES]) : SQLITE_OK;
	if (rc == SQLITE_OK && keep->state_count)
		rc = sqlite3_prepare_v2(db, "INSERT INTO states VALUES(?, ?, ?)", -1, &row, NULL);
	for (int i = 0; rc == SQLITE_OK && i < keep->state_count; i++) {
		const struct assay__state *state = &keep->states[i];
		if ((rc = sqlite3_bind_int(row, 1, state->number)) == SQLITE_OK &&
			(rc = sqlite3_bind_blob(row, 2, state->content, ASSAY_HASH_BYTES, SQLITE_STATIC)) == SQLITE_OK &&
			(rc = sqlite3_bind_blob64(row, 3, state->file, state->file_size, SQLITE_STATIC)) == SQLITE_OK)
			rc = put_row(row);
	}
	sqlite3_finalize(row);
	return rc;
}

int assay__keep_write(sqlite3 *db, const struct assay__recipe_keep *keep)
{
	int rc = write_steps(db, keep);
	if (rc == SQLITE_OK && keep->whole)
		rc = write_parts(db, keep);
	if (rc == SQLITE_OK && keep->whole)
		rc = write_states(db, keep);
	return rc;
}

struct reader {
	sqlite3 *db;
	const char *path;
	bool whole;
	const struct assay_allocator *allocator;
	struct assay__recipe_keep *keep;
	struct assay_suspect *suspects;
	int *suspect_count;
	struct assay_error *error;
};

static int damaged(const struct reader *r, const char *what)
{
	return assay__fail(r->error, ASSAY_E_FORMAT, -1, "%s: damaged recipe: %s", r->path, what);
}

static int no_memory(const struct reader *r)
{
	return assay__fail(r->error, ASSAY_E_NOMEM, -1, "%s: no memory for what the recipe keeps", r->path);
}

static int database_failed(const struct reader *r)
{
	int rc = sqlite3_errcode(r->db) & 0xff;
	if (rc == SQLITE_NOMEM)
		return no_memory(r);
	return assay__fail(r->error, rc == SQLITE_IOERR ? ASSAY_E_IO : ASSAY_E_FORMAT, -1,
					   "%s: cannot read what the recipe keeps: %s", r->path, sqlite3_errmsg(r->db));
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

/* Copied; "" without memory is told by *rc. */
static char *get_text(const struct reader *r, sqlite3_stmt *row, int column, int *rc)
{
	const char *text =
		sqlite3_column_type(row, column) == SQLITE_TEXT ? (const char *)sqlite3_column_text(row, column) : NULL;
	if (!text || sqlite3_column_bytes(row, column) > ASSAY__RECIPE_MOST_NAME_BYTES) {
		*rc = damaged(r, "a name that it keeps");
		return NULL;
	}
	size_t size = strlen(text) + 1;
	char *copy = assay__alloc(r->allocator, size);
	if (copy)
		memcpy(copy, text, size);
	else
		*rc = no_memory(r);
	return copy;
}

/* The size always, the bytes only if all is wanted. */
static int get_blob(const struct reader *r, sqlite3_stmt *row, int column, uint8_t **out, size_t *size)
{
	int64_t bytes = 0;
	if (!r->whole) {
		if (!get_int(row, column, 1, ASSAY__RECIPE_MOST_BLOB_BYTES, &bytes))
			return damaged(r, "the size of what it keeps");
		*size = (size_t)bytes;
		return 0;
	}
	if (sqlite3_column_type(row, column) != SQLITE_BLOB || sqlite3_column_bytes(row, column) < 1)
		return damaged(r, "a picture or a state that it keeps");
	const void *from = sqlite3_column_blob(row, column);
	*size = (size_t)sqlite3_column_bytes(row, column);
	*out = from ? assay__alloc(r->allocator, *size) : NULL;
	if (!*out)
		return no_memory(r);
	memcpy(*out, from, *size);
	return 0;
}

/* How many rows a table has, and room for them. */
static int make_room(const struct reader *r, const char *sql, int most, size_t size, void **list, int *rows)
{
	sqlite3_stmt *row = NULL;
	int64_t n = 0;
	int rc = sqlite3_prepare_v2(r->db, sql, -1, &row, NULL) == SQLITE_OK && sqlite3_step(row) == SQLITE_ROW
				 ? 0
				 : database_failed(r);
	if (rc == 0 && !get_int(row, 0, 1, most, &n))
		rc = damaged(r, "the number of things that it keeps");
	sqlite3_finalize(row);
	if (rc == 0 && !(*list = assay__calloc(r->allocator, (size_t)n, size)))
		rc = no_memory(r);
	*rows = (int)n;
	return rc;
}

static int read_step(const struct reader *r, sqlite3_stmt *row)
{
	struct assay_lineage_step *step = &r->keep->steps[r->keep->step_count];
	int64_t number = 0, goods = 0, defects = 0, vectors = 0;
	int rc = 0;
	step->author = get_text(r, row, 5, &rc);
	if (rc)
		return rc;
	r->keep->step_count++;
	const char *kind = sqlite3_column_type(row, 1) == SQLITE_TEXT ? (const char *)sqlite3_column_text(row, 1) : "";
	for (int i = 0; kind && i < ASSAY__STEP_KINDS; i++)
		if (strcmp(kind, assay__step_kind_name((enum assay__step_kind)i)) == 0)
			step->kind = assay__step_kind_name((enum assay__step_kind)i);
	if (!step->kind || !get_int(row, 0, r->keep->step_count, r->keep->step_count, &number) ||
		!get_hash(row, 2, step->parent) || !get_hash(row, 3, step->content) ||
		!get_int(row, 4, INT64_MIN, INT64_MAX, &step->time_s) || !get_int(row, 6, INT32_MIN, INT32_MAX, &goods) ||
		!get_int(row, 7, INT32_MIN, INT32_MAX, &defects) || !get_int(row, 8, INT32_MIN, INT32_MAX, &vectors) ||
		!get_hash(row, 9, step->hash))
		return damaged(r, "its lineage");
	step->number = (int)number;
	step->goods = (int)goods;
	step->defects = (int)defects;
	step->vectors = (int)vectors;
	return 0;
}

static int read_part(const struct reader *r, sqlite3_stmt *row)
{
	struct assay__kept *part = &r->keep->parts[r->keep->part_count];
	int64_t number = 0, defect = 0;
	int rc = 0;
	part->name = get_text(r, row, 3, &rc);
	if (rc)
		return rc;
	r->keep->part_count++;
	if (!get_int(row, 0, r->keep->part_count, r->keep->part_count, &number) || !get_hash(row, 1, part->hash) ||
		!get_int(row, 2, 0, 1, &defect) || (number > 1 && memcmp(part[-1].hash, part->hash, ASSAY_HASH_BYTES) >= 0))
		return damaged(r, "a part that it keeps");
	part->defect = defect != 0;
	return get_blob(r, row, 4, &part->png, &part->png_size);
}

static int read_state(const struct reader *r, sqlite3_stmt *row)
{
	struct assay__state *state = &r->keep->states[r->keep->state_count];
	int64_t number = 0, least = r->keep->state_count ? state[-1].number + 1 : 0;
	if (!get_int(row, 0, least, ASSAY__KEEP_STEPS_MOST, &number) || !get_hash(row, 1, state->content))
		return damaged(r, "a state that it keeps");
	r->keep->state_count++;
	state->number = (int)number;
	return get_blob(r, row, 2, &state->file, &state->file_size);
}

static int read_rows(const struct reader *r, const char *sql, int rows,
					 int (*read)(const struct reader *, sqlite3_stmt *))
{
	sqlite3_stmt *row = NULL;
	int rc = sqlite3_prepare_v2(r->db, sql, -1, &row, NULL) == SQLITE_OK ? 0 : database_failed(r);
	int step = SQLITE_DONE, at = 0;
	while (rc == 0 && (step = sqlite3_step(row)) == SQLITE_ROW)
		rc = at++ < rows ? read(r, row) : damaged(r, "what it keeps");
	if (rc == 0 && step != SQLITE_DONE)
		rc = database_failed(r);
	sqlite3_finalize(row);
	return rc;
}

int assay__keep_read(sqlite3 *db, const char *path, unsigned tables, bool whole,
					 const struct assay_allocator *allocator, struct assay__recipe_keep *keep,
					 struct assay_error *error)
{
	struct reader r = {.db = db, .path = path, .whole = whole, .allocator = allocator, .keep = keep, .error = error};
	int rc = 0, rows = 0;
	void *list = NULL;
	keep->whole = whole;
	if (tables >> ASSAY__TABLE_LINEAGE & 1) {
		rc = make_room(&r, "SELECT count(*) FROM lineage", ASSAY__KEEP_STEPS_MOST, sizeof(*keep->steps), &list, &rows);
		keep->steps = list;
		if (rc == 0)
			rc = read_rows(&r,
						   "SELECT number, kind, parent, content, time_s, author, goods, defects, vectors, hash "
						   "FROM lineage ORDER BY number",
						   rows, read_step);
	}
	if (rc == 0 && tables >> ASSAY__TABLE_KEPT & 1) {
		list = NULL;
		rc = make_room(&r, "SELECT count(*) FROM kept", ASSAY__KEEP_PARTS_MOST, sizeof(*keep->parts), &list, &rows);
		keep->parts = list;
		if (rc == 0)
			rc = read_rows(&r,
						   whole ? "SELECT number, hash, defect, name, png FROM kept ORDER BY number"
								 : "SELECT number, hash, defect, name, length(png) FROM kept ORDER BY number",
						   rows, read_part);
	}
	if (rc == 0 && tables >> ASSAY__TABLE_STATES & 1) {
		list = NULL;
		rc = make_room(&r, "SELECT count(*) FROM states", ASSAY__KEEP_STATES + 1, sizeof(*keep->states), &list, &rows);
		keep->states = list;
		if (rc == 0)
			rc = read_rows(&r,
						   whole ? "SELECT number, content, file FROM states ORDER BY number"
								 : "SELECT number, content, length(file) FROM states ORDER BY number",
						   rows, read_state);
	}
	return rc;
}

static int read_suspect(const struct reader *r, sqlite3_stmt *row)
{
	struct assay_suspect *suspect = &r->suspects[*r->suspect_count];
	int64_t rank = 0, score = 0, learnt = 0;
	int rc = 0;
	suspect->name = get_text(r, row, 2, &rc);
	if (rc)
		return rc;
	++*r->suspect_count;
	if (!get_int(row, 0, *r->suspect_count, *r->suspect_count, &rank) || !get_hash(row, 1, suspect->hash) ||
		!get_int(row, 3, 0, UINT32_MAX, &score) || !get_int(row, 4, 0, 1, &learnt))
		return damaged(r, "a suspect");
	suspect->index = -1;
	suspect->score_q8 = (uint32_t)score;
	suspect->learnt = learnt != 0;
	return 0;
}

int assay__suspects_read(sqlite3 *db, const char *path, unsigned tables, const struct assay_allocator *allocator,
						 struct assay_suspect **suspects, int *count, struct assay_error *error)
{
	struct reader r = {.db = db, .path = path, .allocator = allocator, .suspect_count = count, .error = error};
	void *list = NULL;
	int rows = 0;
	*count = 0;
	if (!(tables >> ASSAY__TABLE_SUSPECTS & 1))
		return 0;
	int rc = make_room(&r, "SELECT count(*) FROM suspects", ASSAY__RECIPE_MOST_PARTS, sizeof(**suspects), &list, &rows);
	*suspects = r.suspects = list;
	if (rc == 0)
		rc = read_rows(&r, "SELECT rank, part_hash, name, score_q8, learnt FROM suspects ORDER BY rank", rows,
					   read_suspect);
	return rc;
}
