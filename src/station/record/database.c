/* SPDX-License-Identifier: Apache-2.0 */
#include "station/record/database.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "vision/recipe_file.h"

#define BUSY_MS 5000
#define WAL_PAGES 1000
#define WAL_BYTES (32 << 20)

const char *const assay__record_migrations[ASSAY__RECORD_VERSION] = {
	/* 0 -> 1: the chain, pictures, signatures, counters */
	"CREATE TABLE parts(sequence INTEGER PRIMARY KEY, link INTEGER NOT NULL UNIQUE, trigger_id INTEGER NOT NULL,"
	" trigger_kind INTEGER NOT NULL, station TEXT NOT NULL, code TEXT NOT NULL, code_generated INTEGER NOT NULL,"
	" operator TEXT NOT NULL, recipe TEXT NOT NULL, trigger_us INTEGER NOT NULL, picture_us INTEGER NOT NULL,"
	" verdict_us INTEGER NOT NULL, wall_us INTEGER NOT NULL, deadline_us INTEGER NOT NULL, verdict INTEGER NOT NULL,"
	" fault INTEGER NOT NULL, reason TEXT NOT NULL, challenge INTEGER NOT NULL, score_q8 INTEGER NOT NULL,"
	" threshold_q8 INTEGER NOT NULL, p_value REAL NOT NULL, view_count INTEGER NOT NULL, prev_hash BLOB,"
	" hash BLOB NOT NULL, latency_us INTEGER AS (verdict_us - trigger_us)) STRICT;"
	"CREATE TABLE views(sequence INTEGER NOT NULL, view INTEGER NOT NULL, camera TEXT NOT NULL,"
	" camera_frame_id INTEGER NOT NULL, width_px INTEGER NOT NULL, height_px INTEGER NOT NULL,"
	" channels INTEGER NOT NULL, depth_bits INTEGER NOT NULL, image_hash BLOB, keep INTEGER NOT NULL,"
	" fault INTEGER NOT NULL, judged INTEGER NOT NULL, verdict INTEGER NOT NULL, score_q8 INTEGER NOT NULL,"
	" threshold_q8 INTEGER NOT NULL, p_value REAL NOT NULL, region_count INTEGER NOT NULL,"
	" regions_total INTEGER NOT NULL, grid_width INTEGER NOT NULL, grid_height INTEGER NOT NULL, map_hash BLOB,"
	" recipe_hash BLOB, network_hash BLOB, reason TEXT NOT NULL, PRIMARY KEY(sequence, view)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE regions(sequence INTEGER NOT NULL, view INTEGER NOT NULL, rank INTEGER NOT NULL,"
	" x_px INTEGER NOT NULL, y_px INTEGER NOT NULL, width_px INTEGER NOT NULL, height_px INTEGER NOT NULL,"
	" area_px INTEGER NOT NULL, peak_x_px INTEGER NOT NULL, peak_y_px INTEGER NOT NULL, peak_q8 INTEGER NOT NULL,"
	" mean_q8 INTEGER NOT NULL, PRIMARY KEY(sequence, view, rank)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE images(sequence INTEGER NOT NULL, view INTEGER NOT NULL, hash BLOB NOT NULL, path TEXT NOT NULL,"
	" bytes INTEGER NOT NULL, state INTEGER NOT NULL, PRIMARY KEY(sequence, view)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX images_pending ON images(sequence) WHERE state = 1;"
	"CREATE INDEX images_kept ON images(sequence) WHERE state = 2;"
	"CREATE TABLE events(link INTEGER PRIMARY KEY, kind TEXT NOT NULL, text TEXT NOT NULL, wall_us INTEGER NOT NULL,"
	" clock_us INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL,"
	" prev_hash BLOB, hash BLOB NOT NULL) STRICT;"
	"CREATE TABLE signatures(link INTEGER PRIMARY KEY, hash BLOB NOT NULL, wall_us INTEGER NOT NULL,"
	" public_key BLOB NOT NULL, signature BLOB NOT NULL) STRICT;"
	"CREATE TABLE counters(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
	/* 1 -> 2: what people look for */
	"CREATE INDEX parts_wall ON parts(wall_us);"
	"CREATE INDEX parts_code ON parts(code);"
	"CREATE INDEX parts_bad ON parts(verdict, sequence) WHERE verdict <> 0;"
	"CREATE INDEX events_kind ON events(kind, link);",
	/* 2 -> 3: zones, lengths and kinds of regions; how codes were read; parts of before keep form 1 */
	"ALTER TABLE parts ADD COLUMN form INTEGER NOT NULL DEFAULT 1;"
	"ALTER TABLE parts ADD COLUMN code_state INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE parts ADD COLUMN code_symbology INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE views ADD COLUMN regions_counted INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE views ADD COLUMN mm_per_px REAL NOT NULL DEFAULT 0;"
	"ALTER TABLE regions ADD COLUMN length_px INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE regions ADD COLUMN zone TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE regions ADD COLUMN kind TEXT NOT NULL DEFAULT '';"
	"ALTER TABLE regions ADD COLUMN counts INTEGER NOT NULL DEFAULT 0;",
	/* 3 -> 4: sums over time without reading the parts themselves */
	("DROP INDEX parts_wall;"
	 "CREATE INDEX parts_quality ON parts(wall_us, verdict, fault, challenge, score_q8, threshold_q8, recipe);"),
};

int assay__record_path(const char *dir, const char *name, char out[ASSAY__RECORD_PATH_CHARS], struct assay_error *error)
{
	/* with a slash in front SQLite takes nothing for a URI */
	int length = snprintf(out, ASSAY__RECORD_PATH_CHARS, "%s%s/%s", dir[0] == '/' ? "" : "./", dir, name);
	if (length < 0 || length >= ASSAY__RECORD_PATH_CHARS - 256)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "the path of the station's folder is too long");
	return 0;
}

int assay__database_fail(sqlite3 *db, int code, const char *what, struct assay_error *error)
{
	int number = db ? sqlite3_system_errno(db) : 0;
	const char *why = db ? sqlite3_errmsg(db) : sqlite3_errstr(code);
	enum assay_err err = (code & 0xff) == SQLITE_NOMEM										 ? ASSAY_E_NOMEM
						 : (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB ? ASSAY_E_FORMAT
																							 : ASSAY_E_IO;
	if ((code & 0xff) == SQLITE_IOERR && number)
		return assay__fail(error, err, -1, "%s: %s: %s", what, why, strerror(number));
	return assay__fail(error, err, -1, "%s: %s", what, why);
}

int assay__database_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out, struct assay_error *error)
{
	int rc = sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
	return rc ? assay__database_fail(db, rc, "record.db", error) : 0;
}

int assay__database_number(sqlite3 *db, const char *sql, int *out)
{
	sqlite3_stmt *statement = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
	if (rc == SQLITE_OK) {
		rc = sqlite3_step(statement);
		if (rc == SQLITE_ROW) {
			*out = sqlite3_column_int(statement, 0);
			rc = SQLITE_OK;
		}
	}
	sqlite3_finalize(statement);
	return rc;
}

/* Refuses what is not a record or is too new; *version 0: an empty file. */
static int identify(sqlite3 *db, const char *path, int *version, struct assay_error *error)
{
	int application = 0, schema = 0, rc = assay__database_number(db, "PRAGMA application_id", &application);
	*version = 0;
	if (rc == SQLITE_OK)
		rc = assay__database_number(db, "PRAGMA user_version", version);
	if (rc == SQLITE_OK)
		rc = assay__database_number(db, "SELECT count(*) FROM sqlite_schema", &schema);
	if (rc != SQLITE_OK)
		return assay__database_fail(db, rc, path, error);
	if (application == 0 && *version == 0 && schema == 0)
		return 0;
	if (application != ASSAY__RECORD_APPLICATION_ID)
		return assay__fail(error, ASSAY_E_FORMAT, -1, "%s is not the record of a station", path);
	if (*version < 1 || *version > ASSAY__RECORD_VERSION)
		return assay__fail(error, ASSAY_E_UNSUPPORTED, -1,
						   "%s is of version %d, this assay reads versions 1 to %d; use a newer assay", path, *version,
						   ASSAY__RECORD_VERSION);
	return 0;
}

static int migrate(sqlite3 *db, const char *path, int from, int to, struct assay_error *error)
{
	char sql[128];
	int rc = SQLITE_OK;
	for (int i = from; i < to && rc == SQLITE_OK; i++) {
		rc = sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL);
		if (rc == SQLITE_OK)
			rc = sqlite3_exec(db, assay__record_migrations[i], NULL, NULL, NULL);
		snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
				 ASSAY__RECORD_APPLICATION_ID, i + 1);
		if (rc == SQLITE_OK)
			rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
	}
	if (rc == SQLITE_OK)
		return 0;
	assay__database_fail(db, rc, path, error);
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return assay__fail_prefix(error, "cannot bring the record up to date");
}

static int prepare_connection(sqlite3 *db, bool writer)
{
	char sql[256];
	int rc = assay__recipe_harden(db);
	sqlite3_busy_timeout(db, BUSY_MS);
	if (rc == SQLITE_OK && !writer) {
		rc = sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		return rc == SQLITE_OK ? sqlite3_exec(db, "PRAGMA query_only = 1", NULL, NULL, NULL) : rc;
	}
	snprintf(sql, sizeof(sql),
			 "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = %d;"
			 "PRAGMA journal_size_limit = %d; PRAGMA cache_size = -8192",
			 WAL_PAGES, WAL_BYTES);
	return rc == SQLITE_OK ? sqlite3_exec(db, sql, NULL, NULL, NULL) : rc;
}

int assay__database_open_write(const char *dir, int version, sqlite3 **out, struct assay_error *error)
{
	char path[ASSAY__RECORD_PATH_CHARS];
	sqlite3 *db = NULL;
	int found = 0, rc = assay__record_path(dir, "record.db", path, error);
	if (rc)
		return rc;
	int code = sqlite3_open_v2(
		path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (code == SQLITE_OK)
		code = prepare_connection(db, true);
	rc = code ? assay__database_fail(db, code, path, error) : identify(db, path, &found, error);
	if (rc == 0)
		rc = migrate(db, path, found, version, error);
	if (rc) {
		sqlite3_close(db);
		return rc;
	}
	*out = db;
	return 0;
}

int assay__database_open_read(const char *dir, sqlite3 **out, struct assay_error *error)
{
	char path[ASSAY__RECORD_PATH_CHARS], uri[ASSAY__RECORD_PATH_CHARS + 32];
	struct stat status;
	sqlite3 *db = NULL;
	int version = 0, rc = assay__record_path(dir, "record.db", path, error);
	if (rc)
		return rc;
	const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	/* a journal left by a crash is read through shared memory that must be writable; rows are guarded by query_only */
	int code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | flags, NULL);
	if (code == SQLITE_OK)
		code = prepare_connection(db, false);
	if (code == SQLITE_OK)
		code = assay__database_number(db, "SELECT count(*) FROM sqlite_schema", &version);
	if ((code & 0xff) == SQLITE_CANTOPEN || (code & 0xff) == SQLITE_READONLY) {
		/* from a medium nobody can write to: fine if there is no journal */
		snprintf(uri, sizeof(uri), "%s-wal", path);
		if (stat(path, &status) == 0 && (stat(uri, &status) != 0 || status.st_size == 0) && !strpbrk(path, "?#%")) {
			sqlite3_close(db);
			db = NULL;
			snprintf(uri, sizeof(uri), "file:%s?immutable=1", path);
			code = sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | flags, NULL);
			if (code == SQLITE_OK)
				code = prepare_connection(db, false);
		}
	}
	rc = code ? assay__database_fail(db, code, path, error) : identify(db, path, &version, error);
	if (rc == 0 && version == 0)
		rc = assay__fail(error, ASSAY_E_FORMAT, -1, "%s is empty", path);
	if (rc) {
		sqlite3_close(db);
		return rc;
	}
	*out = db;
	return 0;
}

/* The newest form that the columns of a database can hold: one that is only read is not brought up to date. */
static int form_of(sqlite3 *db)
{
	sqlite3_stmt *statement = NULL;
	bool found = sqlite3_prepare_v2(db, "SELECT form FROM parts LIMIT 1", -1, &statement, NULL) == SQLITE_OK;
	sqlite3_finalize(statement);
	return found ? ASSAY__STORED_FORM : 1;
}

int assay__part_reader_open(sqlite3 *db, struct assay__part_reader *reader, struct assay_error *error)
{
	struct assay__part_reader made = {.db = db};
	char columns[ASSAY__SQL_CHARS], sql[ASSAY__SQL_CHARS + 256];
	int form = form_of(db);
	assay__columns_list(&assay__table_parts, "", form, columns);
	snprintf(sql, sizeof(sql), "SELECT %s, prev_hash, hash FROM parts WHERE sequence = ?", columns);
	int rc = assay__database_prepare(db, sql, &made.by_sequence, error);
	snprintf(sql, sizeof(sql), "SELECT %s, prev_hash, hash FROM parts ORDER BY link", columns);
	if (rc == 0)
		rc = assay__database_prepare(db, sql, &made.by_link, error);
	assay__columns_list(&assay__table_views, "v.", form, columns);
	snprintf(sql, sizeof(sql),
			 "SELECT v.view, ifnull(i.state, 0), %s FROM views v LEFT JOIN images i USING(sequence, view)"
			 " WHERE v.sequence = ? ORDER BY v.view",
			 columns);
	if (rc == 0)
		rc = assay__database_prepare(db, sql, &made.views, error);
	assay__columns_list(&assay__table_regions, "", form, columns);
	snprintf(sql, sizeof(sql), "SELECT rank, %s FROM regions WHERE sequence = ? AND view = ? ORDER BY rank", columns);
	if (rc == 0)
		rc = assay__database_prepare(db, sql, &made.regions, error);
	if (rc)
		assay__part_reader_close(&made);
	else
		*reader = made;
	return rc;
}

void assay__part_reader_close(struct assay__part_reader *reader)
{
	sqlite3_finalize(reader->by_sequence);
	sqlite3_finalize(reader->by_link);
	sqlite3_finalize(reader->views);
	sqlite3_finalize(reader->regions);
	*reader = (struct assay__part_reader){0};
}

static int bad_column(uint64_t sequence, const char *table, const char *column, struct assay_error *error)
{
	return assay__fail(error, ASSAY_E_FORMAT, -1, "part %llu: table %s, column %s holds what cannot be there",
					   (unsigned long long)sequence, table, column);
}

static int fill_regions(struct assay__part_reader *reader, uint64_t sequence, int form, int index,
						struct assay__stored_view *view, struct assay_error *error)
{
	int count = 0, code;
	const char *bad = NULL;
	sqlite3_bind_int64(reader->regions, 1, (int64_t)sequence);
	sqlite3_bind_int(reader->regions, 2, index);
	while ((code = sqlite3_step(reader->regions)) == SQLITE_ROW && !bad) {
		if (count >= view->region_count || sqlite3_column_int64(reader->regions, 0) != count)
			bad = "rank";
		else
			bad = assay__columns_read(&assay__table_regions, reader->regions, 1, &view->regions[count++]);
		if (!bad)
			bad = assay__columns_beyond(&assay__table_regions, form, &view->regions[count - 1]);
	}
	sqlite3_reset(reader->regions);
	if (!bad && code != SQLITE_DONE)
		return assay__database_fail(reader->db, code, "record.db: regions", error);
	if (!bad && count != view->region_count)
		bad = "rank";
	return bad ? bad_column(sequence, "regions", bad, error) : 0;
}

static int fill_views(struct assay__part_reader *reader, struct assay__stored_part *part, struct assay_error *error)
{
	int count = 0, code, rc = 0;
	const char *bad = NULL;
	sqlite3_bind_int64(reader->views, 1, (int64_t)part->sequence);
	while (rc == 0 && !bad && (code = sqlite3_step(reader->views)) == SQLITE_ROW) {
		struct assay__stored_view *view = &part->views[count];
		int64_t state = sqlite3_column_int64(reader->views, 1);
		if (count >= part->view_count || sqlite3_column_int64(reader->views, 0) != count)
			bad = "view";
		else
			bad = assay__columns_read(&assay__table_views, reader->views, 2, view);
		if (!bad)
			bad = assay__columns_beyond(&assay__table_views, part->form, view);
		if (!bad && (state < 0 || state >= ASSAY__IMAGE_STATES))
			bad = "state";
		if (bad)
			break;
		view->image_state = (enum assay__image_state)state;
		rc = fill_regions(reader, part->sequence, part->form, count++, view, error);
	}
	sqlite3_reset(reader->views);
	if (rc)
		return rc;
	if (!bad && code != SQLITE_DONE)
		return assay__database_fail(reader->db, code, "record.db: views", error);
	if (!bad && count != part->view_count)
		bad = "view";
	return bad ? bad_column(part->sequence, "views", bad, error) : 0;
}

bool assay__column_hash(sqlite3_stmt *statement, int column, uint8_t hash[ASSAY_HASH_BYTES])
{
	memset(hash, 0, ASSAY_HASH_BYTES);
	if (sqlite3_column_type(statement, column) == SQLITE_NULL)
		return true;
	if (sqlite3_column_type(statement, column) != SQLITE_BLOB ||
		sqlite3_column_bytes(statement, column) != ASSAY_HASH_BYTES)
		return false;
	memcpy(hash, sqlite3_column_blob(statement, column), ASSAY_HASH_BYTES);
	return true;
}

int assay__part_reader_fill(struct assay__part_reader *reader, sqlite3_stmt *statement, struct assay__stored_part *part,
							struct assay__link_hashes *hashes, struct assay_error *error)
{
	uint64_t sequence = (uint64_t)sqlite3_column_int64(statement, 0);
	const char *bad = assay__columns_read(&assay__table_parts, statement, 0, part);
	struct assay__link_hashes found;
	if (!bad && part->form < 1)
		bad = "form";
	if (!bad)
		bad = assay__columns_beyond(&assay__table_parts, part->form, part);
	if (!bad && !assay__column_hash(statement, assay__table_parts.count, found.before))
		bad = "prev_hash";
	if (!bad && !assay__column_hash(statement, assay__table_parts.count + 1, found.hash))
		bad = "hash";
	if (bad)
		return bad_column(sequence, "parts", bad, error);
	if (hashes)
		*hashes = found;
	return fill_views(reader, part, error);
}

int assay__part_reader_get(struct assay__part_reader *reader, uint64_t sequence, struct assay__stored_part *part,
						   struct assay__link_hashes *hashes, struct assay_error *error)
{
	int rc;
	sqlite3_bind_int64(reader->by_sequence, 1, (int64_t)sequence);
	int code = sqlite3_step(reader->by_sequence);
	if (code == SQLITE_ROW)
		rc = assay__part_reader_fill(reader, reader->by_sequence, part, hashes, error);
	else if (code == SQLITE_DONE)
		rc = assay__fail(error, ASSAY_E_ARGUMENT, -1, "there is no part %llu in the record",
						 (unsigned long long)sequence);
	else
		rc = assay__database_fail(reader->db, code, "record.db: parts", error);
	sqlite3_reset(reader->by_sequence);
	return rc;
}
