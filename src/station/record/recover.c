/* SPDX-License-Identifier: Apache-2.0 */
/* Opening: where the chain stands, and what an end without close left to be put in order. Reads a bounded number of rows. */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "station/record/room.h"

/* Parts finish out of order by as many as the station has under way; older holes were settled before. */
#define LOOK_BACK 65536

struct stored_counters {
	uint64_t next;
	bool clean;
};

static int read_counters(struct assay__record *record, struct stored_counters *stored, struct assay_error *error)
{
	struct assay__chain *chain = &record->chain;
	const struct {
		const char *name;
		uint64_t *to;
	} rows[] = {
		{"triggers", &chain->totals.triggers},	 {"pass", &chain->totals.pass},
		{"fail", &chain->totals.fail},			 {"fault", &chain->totals.fault},
		{"missed", &chain->totals.missed},		 {"lost", &chain->totals.lost},
		{"challenge", &chain->totals.challenge}, {"image_bytes", &chain->image_bytes},
		{"accounted", &chain->accounted},		 {"next", &stored->next},
	};
	sqlite3_stmt *statement = NULL;
	int rc = assay__database_prepare(record->db, "SELECT name, value FROM counters", &statement, error);
	if (rc)
		return rc;
	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *name = (const char *)sqlite3_column_text(statement, 0);
		int64_t value = sqlite3_column_int64(statement, 1);
		for (size_t i = 0; name && i < sizeof(rows) / sizeof(rows[0]); i++)
			if (strcmp(name, rows[i].name) == 0 && value >= 0)
				*rows[i].to = (uint64_t)value;
		if (name && strcmp(name, "clean") == 0)
			stored->clean = value == 1;
	}
	if (rc != SQLITE_DONE)
		rc = assay__database_fail(record->db, rc, "record.db: counters", error);
	else
		rc = 0;
	sqlite3_finalize(statement);
	return rc;
}

/* The last link, of parts or events, and the last number recorded. */
static int read_end(struct assay__record *record, uint64_t *sequence, struct assay_error *error)
{
	static const char *const ends[] = {
		"SELECT link, hash, wall_us FROM parts ORDER BY link DESC LIMIT 1",
		"SELECT link, hash, wall_us FROM events ORDER BY link DESC LIMIT 1",
		"SELECT max(sequence), NULL, 0 FROM parts",
		"SELECT link, NULL, 0 FROM signatures ORDER BY link DESC LIMIT 1",
	};
	struct assay__chain *chain = &record->chain;
	for (int i = 0; i < 4; i++) {
		sqlite3_stmt *statement = NULL;
		int rc = assay__database_prepare(record->db, ends[i], &statement, error);
		if (rc)
			return rc;
		int code = sqlite3_step(statement);
		uint64_t number = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
		if (code != SQLITE_ROW && code != SQLITE_DONE) {
			rc = assay__database_fail(record->db, code, "record.db", error);
		} else if (i == 2) {
			*sequence = number;
		} else if (i == 3) {
			chain->signed_link = number;
		} else if (number > chain->link) {
			chain->link = number;
			if (sqlite3_column_bytes(statement, 1) == ASSAY_HASH_BYTES)
				memcpy(chain->hash, sqlite3_column_blob(statement, 1), ASSAY_HASH_BYTES);
			else
				rc = assay__fail(error, ASSAY_E_FORMAT, -1, "record.db: link %" PRIu64 " has no hash", number);
		}
		if (code == SQLITE_ROW && i == 0)
			chain->wall_us = sqlite3_column_int64(statement, 2);
		sqlite3_finalize(statement);
		if (rc)
			return rc;
	}
	return 0;
}

static int note_gap(struct assay__record *record, struct assay__chain *chain, uint64_t first, uint64_t last,
					const char *why)
{
	struct assay__stored_event event = assay__event_now(ASSAY__EVENT_GAP);
	event.first = first;
	event.last = last;
	event.count = last - first + 1;
	snprintf(event.text, sizeof(event.text), "%s", why);
	chain->totals.lost += event.count;
	chain->totals.triggers += event.count;
	return assay__rows_event(record, chain, &event);
}

int assay__recover_gaps(struct assay__record *record, struct assay__chain *chain, uint64_t next, const char *why)
{
	uint64_t expect = chain->accounted + 1;
	sqlite3_stmt *statement = NULL;
	if (chain->totals.triggers + chain->totals.challenge + 1 == next)
		return SQLITE_OK;
	if (next > LOOK_BACK && expect < next - LOOK_BACK)
		expect = next - LOOK_BACK;
	/* gaps already noted are no holes, but they are rare and few: they are taken out one by one */
	int rc = sqlite3_prepare_v2(record->db,
								"SELECT sequence, sequence FROM parts WHERE sequence >= ?1 UNION ALL"
								" SELECT first, last FROM events WHERE kind = 'gap' AND last >= ?1 ORDER BY 1",
								-1, &statement, NULL);
	if (rc)
		return rc;
	sqlite3_bind_int64(statement, 1, (int64_t)expect);
	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		uint64_t first = (uint64_t)sqlite3_column_int64(statement, 0);
		uint64_t last = (uint64_t)sqlite3_column_int64(statement, 1);
		if (first > expect && (rc = note_gap(record, chain, expect, first - 1, why)) != SQLITE_OK)
			break;
		if (last >= expect)
			expect = last + 1;
	}
	sqlite3_finalize(statement);
	if (rc != SQLITE_DONE)
		return rc;
	return next > expect ? note_gap(record, chain, expect, next - 1, why) : SQLITE_OK;
}

/* Pictures that were on their way: there and whole, or lost. */
static int settle_pending(struct assay__record *record)
{
	sqlite3_stmt *statement = record->sql.pending;
	struct assay__stored_event lost = assay__event_now(ASSAY__EVENT_LOST);
	int rc;
	while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
		uint64_t sequence = (uint64_t)sqlite3_column_int64(statement, 0);
		int view = sqlite3_column_int(statement, 1);
		char name[ASSAY__PLACE_PATH_CHARS], path[ASSAY__RECORD_PATH_CHARS];
		struct stat status;
		assay__place_image(sequence, view, name);
		bool kept = assay__record_path(record->dir, name, path, NULL) == 0 && stat(path, &status) == 0 &&
					S_ISREG(status.st_mode);
		if (!kept) {
			lost.first = lost.count ? lost.first : sequence;
			lost.last = sequence;
			lost.count++;
		}
		rc = assay__rows_image_state(record, sequence, view, kept ? ASSAY__IMAGE_KEPT : ASSAY__IMAGE_LOST,
									 kept ? status.st_size : 0);
		if (rc)
			break;
		record->chain.image_bytes += kept ? (uint64_t)status.st_size : 0;
	}
	sqlite3_reset(statement);
	if (rc != SQLITE_DONE)
		return rc;
	snprintf(lost.text, sizeof(lost.text), "the station ended before these pictures were on disk");
	return lost.count ? assay__rows_event(record, &record->chain, &lost) : SQLITE_OK;
}

/* The files of the last pruning may have outlived a crash between its commit and their removal. */
static void finish_pruning(struct assay__record *record)
{
	struct assay__statements *sql = &record->sql;
	if (sqlite3_step(sql->last_pruned) == SQLITE_ROW) {
		sqlite3_bind_int64(sql->pruned_paths, 1, sqlite3_column_int64(sql->last_pruned, 0));
		sqlite3_bind_int64(sql->pruned_paths, 2, sqlite3_column_int64(sql->last_pruned, 1));
		while (sqlite3_step(sql->pruned_paths) == SQLITE_ROW) {
			const char *name = (const char *)sqlite3_column_text(sql->pruned_paths, 0);
			char path[ASSAY__RECORD_PATH_CHARS];
			if (name && strncmp(name, "images/", 7) == 0 && !strstr(name, "..") &&
				assay__record_path(record->dir, name, path, NULL) == 0)
				unlink(path);
		}
		sqlite3_reset(sql->pruned_paths);
	}
	sqlite3_reset(sql->last_pruned);
}

static int note_opened(struct assay__record *record)
{
	struct assay__stored_event event = assay__event_now(ASSAY__EVENT_OPENED);
	char key[2 * ASSAY__PUBLIC_KEY_BYTES + 1];
	sodium_bin2hex(key, sizeof(key), record->key.public_key, ASSAY__PUBLIC_KEY_BYTES);
	snprintf(event.text, sizeof(event.text), "assay %s, station %s, key %s", ASSAY_VERSION, record->station, key);
	event.first = assay__sequence_peek(&record->sequence);
	return assay__rows_event(record, &record->chain, &event);
}

int assay__recover(struct assay__record *record, struct assay_error *error)
{
	struct stored_counters stored = {.next = 1};
	uint64_t last = 0, in_file;
	bool known;
	int rc = read_counters(record, &stored, error);
	if (rc == 0)
		rc = read_end(record, &last, error);
	if (rc == 0)
		rc = assay__sequence_open(record->dir, &record->sequence, &in_file, &known, error);
	if (rc)
		return rc;
	uint64_t next = in_file > last + 1 ? in_file : last + 1;
	if ((stored.clean || !known) && stored.next > next)
		next = stored.next;
	rc = assay__sequence_set(&record->sequence, next, error);
	if (rc)
		return rc;
	record->chain.reserved = stored.next;
	int code = assay__rows_step(record->sql.begin);
	if (code == SQLITE_OK)
		code = assay__recover_gaps(
			record, &record->chain, next,
			known ? "the station ended without closing; triggered, not acknowledged"
				  : "the machine ended without closing; numbers set aside, some perhaps triggered, none acknowledged");
	if (code == SQLITE_OK)
		code = settle_pending(record);
	if (code == SQLITE_OK)
		code = note_opened(record);
	record->chain.accounted = next - 1;
	if (code == SQLITE_OK)
		code = assay__rows_counters(record, &record->chain, next + 1024, false);
	record->chain.reserved = next + 1024;
	if (code == SQLITE_OK)
		code = assay__rows_step(record->sql.commit);
	if (code) {
		rc = assay__database_fail(record->db, code, "record.db", error);
		assay__rows_step(record->sql.rollback);
		return rc;
	}
	finish_pruning(record);
	return 0;
}
