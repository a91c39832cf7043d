/* SPDX-License-Identifier: Apache-2.0 */
#include "station/review/reviews.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "station/record/database.h"
#include "station/review/room.h"
#include "vision/recipe_file.h"

#define APPLICATION_ID 0x41535256 /* "ASRV" */
#define BUSY_MS 5000
#define POINT_CHARS 24

static const char *const migrations[] = {
	"CREATE TABLE reviews(id INTEGER PRIMARY KEY AUTOINCREMENT, sequence INTEGER NOT NULL, wall_us INTEGER NOT NULL,"
	" reviewer TEXT NOT NULL, judgement INTEGER NOT NULL, kind TEXT NOT NULL, note TEXT NOT NULL) STRICT;"
	"CREATE INDEX reviews_part ON reviews(sequence, reviewer, id);"
	"CREATE TABLE withdrawals(review INTEGER PRIMARY KEY, wall_us INTEGER NOT NULL) STRICT;"
	"CREATE TABLE marks(review INTEGER NOT NULL, rank INTEGER NOT NULL, view INTEGER NOT NULL, radius_px INTEGER NOT "
	"NULL,"
	" points TEXT NOT NULL, PRIMARY KEY(review, rank)) STRICT, WITHOUT ROWID;",
};
#define VERSION ((int)(sizeof(migrations) / sizeof(migrations[0])))

const char *assay__judgement_name(enum assay__judgement judgement)
{
	static const char *const names[ASSAY__JUDGEMENTS] = {"good", "bad", "unsure"};
	return (unsigned)judgement < ASSAY__JUDGEMENTS ? names[judgement] : "unsure";
}

bool assay__judgement_from_name(const char *name, enum assay__judgement *out)
{
	for (int i = 0; i < ASSAY__JUDGEMENTS; i++)
		if (strcmp(name, assay__judgement_name((enum assay__judgement)i)) == 0) {
			*out = (enum assay__judgement)i;
			return true;
		}
	return false;
}

int assay__reviews_fail(struct assay__reviews *reviews, int code, struct assay_error *error)
{
	return assay__database_fail(reviews->db, code, "reviews.db", error);
}

static int migrate(sqlite3 *db, const char *path, struct assay_error *error)
{
	int application = 0, version = 0, tables = 0;
	char sql[128];
	int code = assay__database_number(db, "PRAGMA main.application_id", &application);
	if (code == SQLITE_OK)
		code = assay__database_number(db, "PRAGMA main.user_version", &version);
	if (code == SQLITE_OK)
		code = assay__database_number(db, "SELECT count(*) FROM main.sqlite_schema", &tables);
	if (code != SQLITE_OK)
		return assay__database_fail(db, code, path, error);
	if (application != APPLICATION_ID && (application || version || tables))
		return assay__fail(error, ASSAY_E_FORMAT, -1, "%s does not hold reviews", path);
	if (version < 0 || version > VERSION)
		return assay__fail(error, ASSAY_E_UNSUPPORTED, -1,
						   "%s is of version %d, this assay reads versions 1 to %d; use a newer assay", path, version,
						   VERSION);
	for (int i = version; i < VERSION && code == SQLITE_OK; i++) {
		code = sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL);
		if (code == SQLITE_OK)
			code = sqlite3_exec(db, migrations[i], NULL, NULL, NULL);
		snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", APPLICATION_ID,
				 i + 1);
		if (code == SQLITE_OK)
			code = sqlite3_exec(db, sql, NULL, NULL, NULL);
	}
	if (code == SQLITE_OK)
		return 0;
	assay__database_fail(db, code, path, error);
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return error ? error->code : ASSAY_E_IO;
}

static int attach_record(sqlite3 *db, const char *path, struct assay_error *error)
{
	sqlite3_stmt *statement = NULL;
	sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 1);
	int code = sqlite3_prepare_v2(db, "ATTACH ? AS record", -1, &statement, NULL);
	if (code == SQLITE_OK) {
		sqlite3_bind_text(statement, 1, path, -1, SQLITE_STATIC);
		code = sqlite3_step(statement);
	}
	sqlite3_finalize(statement);
	return code == SQLITE_DONE ? 0 : assay__database_fail(db, code, path, error);
}

int assay__reviews_open(const char *state_dir, struct assay__reviews **out, struct assay_error *error)
{
	char path[ASSAY__RECORD_PATH_CHARS], record[ASSAY__RECORD_PATH_CHARS];
	struct assay__reviews *reviews;
	sqlite3 *probe = NULL;
	int rc = assay__record_path(state_dir, "reviews.db", path, error);
	if (rc == 0)
		rc = assay__record_path(state_dir, "record.db", record, error);
	/* the record must be one this assay reads; attaching would otherwise make an empty one */
	if (rc == 0)
		rc = assay__database_open_read(state_dir, &probe, error);
	sqlite3_close(probe);
	if (rc)
		return rc;
	reviews = calloc(1, sizeof(*reviews));
	if (!reviews)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the reviews");
	int code =
		sqlite3_open_v2(path, &reviews->db,
						SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	if (code == SQLITE_OK)
		code = assay__recipe_harden(reviews->db);
	if (code == SQLITE_OK) {
		sqlite3_busy_timeout(reviews->db, BUSY_MS);
		code = sqlite3_exec(reviews->db, "PRAGMA main.journal_mode = WAL; PRAGMA main.synchronous = FULL", NULL, NULL,
							NULL);
	}
	rc = code ? assay__database_fail(reviews->db, code, path, error) : migrate(reviews->db, path, error);
	if (rc == 0)
		rc = attach_record(reviews->db, record, error);
	if (rc) {
		assay__reviews_close(reviews);
		return rc;
	}
	*out = reviews;
	return 0;
}

void assay__reviews_close(struct assay__reviews *reviews)
{
	if (!reviews)
		return;
	sqlite3_close(reviews->db);
	free(reviews);
}

/* Whether the record has the part, and the views its marks are on. */
static int check_part(struct assay__reviews *reviews, const struct assay__review *review, struct assay_error *error)
{
	sqlite3_stmt *statement = NULL;
	int views = -1;
	int rc = assay__database_prepare(reviews->db, "SELECT view_count FROM record.parts WHERE sequence = ?", &statement,
									 error);
	if (rc)
		return rc;
	sqlite3_bind_int64(statement, 1, (int64_t)review->sequence);
	int code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		views = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	if (code != SQLITE_ROW && code != SQLITE_DONE)
		return assay__reviews_fail(reviews, code, error);
	if (views < 0)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "there is no part %llu in the record",
						   (unsigned long long)review->sequence);
	for (int i = 0; i < review->marks.count; i++)
		if (review->marks.marks[i].view >= views)
			return assay__fail(error, ASSAY_E_ARGUMENT, i, "mark %d is on view %d, but the part has %d", i + 1,
							   review->marks.marks[i].view, views);
	return 0;
}

static int insert_review(struct assay__reviews *reviews, struct assay__review *review, struct assay_error *error)
{
	sqlite3_stmt *statement = NULL;
	int rc = assay__database_prepare(reviews->db,
									 "INSERT INTO reviews(sequence, wall_us, reviewer, judgement, kind, note)"
									 " VALUES(?, ?, ?, ?, ?, ?)",
									 &statement, error);
	if (rc)
		return rc;
	sqlite3_bind_int64(statement, 1, (int64_t)review->sequence);
	sqlite3_bind_int64(statement, 2, review->wall_us);
	sqlite3_bind_text(statement, 3, review->reviewer, -1, SQLITE_STATIC);
	sqlite3_bind_int(statement, 4, review->judgement);
	sqlite3_bind_text(statement, 5, review->kind, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 6, review->note, -1, SQLITE_STATIC);
	int code = sqlite3_step(statement);
	sqlite3_finalize(statement);
	if (code != SQLITE_DONE)
		return assay__reviews_fail(reviews, code, error);
	review->id = (uint64_t)sqlite3_last_insert_rowid(reviews->db);
	return 0;
}

static int insert_marks(struct assay__reviews *reviews, const struct assay__review *review, struct assay_error *error)
{
	const struct assay__marks *marks = &review->marks;
	char *text = malloc(ASSAY__MARK_POINTS_MOST * POINT_CHARS + 1);
	sqlite3_stmt *statement = NULL;
	int rc = text ? assay__database_prepare(reviews->db, "INSERT INTO marks VALUES(?, ?, ?, ?, ?)", &statement, error)
				  : assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for marks");
	for (int i = 0; rc == 0 && i < marks->count; i++) {
		const struct assay__mark *mark = &marks->marks[i];
		int length = 0;
		for (int p = mark->first_point; p < mark->first_point + mark->points; p++)
			length += snprintf(text + length, POINT_CHARS + 1, "%d %d ", (int)marks->x[p], (int)marks->y[p]);
		sqlite3_bind_int64(statement, 1, (int64_t)review->id);
		sqlite3_bind_int(statement, 2, i);
		sqlite3_bind_int(statement, 3, mark->view);
		sqlite3_bind_int(statement, 4, mark->radius_px);
		sqlite3_bind_text(statement, 5, text, length ? length - 1 : 0, SQLITE_STATIC);
		int code = sqlite3_step(statement);
		sqlite3_reset(statement);
		if (code != SQLITE_DONE)
			rc = assay__reviews_fail(reviews, code, error);
	}
	sqlite3_finalize(statement);
	free(text);
	return rc;
}

static int in_transaction(struct assay__reviews *reviews, const char *sql, struct assay_error *error)
{
	int code = sqlite3_exec(reviews->db, sql, NULL, NULL, NULL);
	return code ? assay__reviews_fail(reviews, code, error) : 0;
}

int assay__reviews_add(struct assay__reviews *reviews, struct assay__review *review, struct assay_error *error)
{
	int rc = check_part(reviews, review, error);
	if (rc == 0)
		rc = in_transaction(reviews, "BEGIN IMMEDIATE", error);
	if (rc)
		return rc;
	rc = insert_review(reviews, review, error);
	if (rc == 0)
		rc = insert_marks(reviews, review, error);
	if (rc == 0)
		rc = in_transaction(reviews, "COMMIT", error);
	if (rc)
		sqlite3_exec(reviews->db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

int assay__reviews_withdraw(struct assay__reviews *reviews, uint64_t sequence, const char *reviewer, int64_t wall_us,
							struct assay_error *error)
{
	sqlite3_stmt *statement = NULL;
	int rc =
		assay__database_prepare(reviews->db,
								"INSERT INTO withdrawals SELECT id, ? FROM reviews WHERE sequence = ? AND reviewer = ?"
								" AND id NOT IN (SELECT review FROM withdrawals) ORDER BY id DESC LIMIT 1",
								&statement, error);
	if (rc)
		return rc;
	sqlite3_bind_int64(statement, 1, wall_us);
	sqlite3_bind_int64(statement, 2, (int64_t)sequence);
	sqlite3_bind_text(statement, 3, reviewer, -1, SQLITE_STATIC);
	int code = sqlite3_step(statement);
	sqlite3_finalize(statement);
	if (code != SQLITE_DONE)
		return assay__reviews_fail(reviews, code, error);
	if (sqlite3_changes(reviews->db) == 0)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "%s has no review of part %llu to withdraw", reviewer,
						   (unsigned long long)sequence);
	return 0;
}

static bool read_points(const char *text, struct assay__mark *mark, struct assay__marks *marks)
{
	mark->first_point = marks->points;
	while (text && *text) {
		char *end;
		if (marks->points == ASSAY__MARK_POINTS_MOST)
			return false;
		marks->x[marks->points] = (int32_t)strtol(text, &end, 10);
		if (end == text || *end != ' ')
			return false;
		text = end + 1;
		marks->y[marks->points++] = (int32_t)strtol(text, &end, 10);
		if (end == text || (*end && *end != ' '))
			return false;
		text = *end ? end + 1 : end;
	}
	mark->points = marks->points - mark->first_point;
	return true;
}

static int fill_marks(struct assay__reviews *reviews, sqlite3_stmt *statement, struct assay__review *review,
					  struct assay_error *error)
{
	struct assay__marks *marks = &review->marks;
	int code;
	bool good = true;
	marks->count = marks->points = 0;
	sqlite3_bind_int64(statement, 1, (int64_t)review->id);
	while (good && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		struct assay__mark *mark = &marks->marks[marks->count];
		good = marks->count < ASSAY__MARKS_MOST;
		if (!good)
			break;
		mark->view = sqlite3_column_int(statement, 0);
		mark->radius_px = sqlite3_column_int(statement, 1);
		good = read_points((const char *)sqlite3_column_text(statement, 2), mark, marks);
		marks->count++;
	}
	sqlite3_reset(statement);
	if (!good)
		return assay__fail(error, ASSAY_E_FORMAT, -1, "reviews.db: the marks of review %llu hold what cannot be there",
						   (unsigned long long)review->id);
	return code == SQLITE_DONE ? 0 : assay__reviews_fail(reviews, code, error);
}

static bool read_review(sqlite3_stmt *statement, struct assay__review *review)
{
	static const struct {
		size_t offset, size;
	} texts[] = {{offsetof(struct assay__review, reviewer), ASSAY__REVIEWER_CHARS},
				 {offsetof(struct assay__review, kind), ASSAY__KIND_CHARS},
				 {offsetof(struct assay__review, note), ASSAY__NOTE_CHARS}};
	int judgement = sqlite3_column_int(statement, 3);
	review->id = (uint64_t)sqlite3_column_int64(statement, 0);
	review->sequence = (uint64_t)sqlite3_column_int64(statement, 1);
	review->wall_us = sqlite3_column_int64(statement, 2);
	review->judgement = (enum assay__judgement)judgement;
	for (int i = 0; i < 3; i++) {
		const char *text = (const char *)sqlite3_column_text(statement, 4 + i);
		snprintf((char *)review + texts[i].offset, texts[i].size, "%s", text ? text : "");
	}
	review->withdrawn = sqlite3_column_type(statement, 7) != SQLITE_NULL;
	return judgement >= 0 && judgement < ASSAY__JUDGEMENTS;
}

int assay__reviews_page(struct assay__reviews *reviews, uint64_t sequence, bool latest, uint64_t *cursor,
						struct assay__review *list, int most, int *count, struct assay_error *error)
{
	char sql[640];
	sqlite3_stmt *rows = NULL, *marks = NULL;
	int found = 0, code = SQLITE_DONE;
	snprintf(sql, sizeof(sql),
			 "SELECT id, sequence, r.wall_us, judgement, reviewer, kind, note, w.review FROM reviews r"
			 " LEFT JOIN withdrawals w ON w.review = r.id WHERE id < ?1%s%s ORDER BY id DESC LIMIT ?3",
			 sequence ? " AND sequence = ?2" : "", latest ? " AND id IN (" ASSAY__STANDING ")" : "");
	int rc = assay__database_prepare(reviews->db, sql, &rows, error);
	if (rc == 0)
		rc = assay__database_prepare(
			reviews->db, "SELECT view, radius_px, points FROM marks WHERE review = ? ORDER BY rank", &marks, error);
	if (rc == 0) {
		sqlite3_bind_int64(rows, 1, *cursor ? (int64_t)*cursor : INT64_MAX);
		sqlite3_bind_int64(rows, 2, (int64_t)sequence);
		sqlite3_bind_int(rows, 3, most);
	}
	while (rc == 0 && (code = sqlite3_step(rows)) == SQLITE_ROW && found < most) {
		if (!read_review(rows, &list[found]))
			rc = assay__fail(error, ASSAY_E_FORMAT, -1, "reviews.db: review %llu holds what cannot be there",
							 (unsigned long long)list[found].id);
		else
			rc = fill_marks(reviews, marks, &list[found++], error);
	}
	if (rc == 0 && code != SQLITE_DONE && code != SQLITE_ROW)
		rc = assay__reviews_fail(reviews, code, error);
	sqlite3_finalize(rows);
	sqlite3_finalize(marks);
	if (rc)
		return rc;
	*count = found;
	*cursor = found < most || found == 0 ? 0 : list[found - 1].id;
	return 0;
}
