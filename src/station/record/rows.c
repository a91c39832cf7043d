/* SPDX-License-Identifier: Apache-2.0 */
/* The statements of the writer's transactions. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "station/record/room.h"

struct assay__stored_event assay__event_now(const char *kind)
{
	struct assay__stored_event event = {.wall_us = assay__clock_wall_us(), .clock_us = assay__clock_us()};
	snprintf(event.kind, sizeof(event.kind), "%s", kind);
	return event;
}

/* "INSERT INTO table(before, columns, after) VALUES(?, ...)" */
static int prepare_insert(sqlite3 *db, const struct assay__table *table, const char *before, int before_count,
						  const char *after, int after_count, sqlite3_stmt **out, struct assay_error *error)
{
	char columns[ASSAY__SQL_CHARS], sql[2 * ASSAY__SQL_CHARS];
	assay__columns_list(table, "", ASSAY__STORED_FORM, columns);
	int used = snprintf(sql, sizeof(sql), "INSERT INTO %s(%s%s%s) VALUES(?", table->name, before, columns, after);
	for (int i = 1; i < before_count + table->count + after_count; i++)
		used += snprintf(sql + used, sizeof(sql) - (size_t)used, ", ?");
	snprintf(sql + used, sizeof(sql) - (size_t)used, ")");
	return assay__database_prepare(db, sql, out, error);
}

int assay__rows_open(struct assay__record *record, struct assay_error *error)
{
	struct assay__statements *sql = &record->sql;
	sqlite3 *db = record->db;
	const struct {
		const char *text;
		sqlite3_stmt **to;
	} plain[] = {
		{"BEGIN IMMEDIATE", &sql->begin},
		{"COMMIT", &sql->commit},
		{"ROLLBACK", &sql->rollback},
		{"INSERT INTO images VALUES(?, ?, ?, ?, 0, 1)", &sql->image},
		{"INSERT INTO signatures VALUES(?, ?, ?, ?, ?)", &sql->signature},
		{"INSERT INTO counters VALUES(?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", &sql->counter},
		{"UPDATE images SET state = ?, bytes = ? WHERE sequence = ? AND view = ?", &sql->image_state},
		{"SELECT sequence, view, path, bytes FROM images WHERE state = 2 ORDER BY sequence LIMIT ?", &sql->oldest},
		{"SELECT sequence, view, path FROM images WHERE state = 1 ORDER BY sequence", &sql->pending},
		{"SELECT first, last FROM events WHERE kind = 'images_pruned' ORDER BY link DESC LIMIT 1", &sql->last_pruned},
		{"SELECT path FROM images WHERE sequence BETWEEN ? AND ? AND state = 3", &sql->pruned_paths},
	};
	int rc = 0;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]) && rc == 0; i++)
		rc = assay__database_prepare(db, plain[i].text, plain[i].to, error);
	if (rc == 0)
		rc = prepare_insert(db, &assay__table_parts, "", 0, ", prev_hash, hash", 2, &sql->part, error);
	if (rc == 0)
		rc = prepare_insert(db, &assay__table_views, "sequence, view, ", 2, "", 0, &sql->view, error);
	if (rc == 0)
		rc = prepare_insert(db, &assay__table_regions, "sequence, view, rank, ", 3, "", 0, &sql->region, error);
	if (rc == 0)
		rc = prepare_insert(db, &assay__table_events, "", 0, ", prev_hash, hash", 2, &sql->event, error);
	return rc;
}

void assay__rows_close(struct assay__record *record)
{
	for (sqlite3_stmt *statement; (statement = sqlite3_next_stmt(record->db, NULL));)
		sqlite3_finalize(statement);
	memset(&record->sql, 0, sizeof(record->sql));
}

int assay__rows_step(sqlite3_stmt *statement)
{
	int rc = sqlite3_step(statement), reset = sqlite3_reset(statement);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? reset : rc;
}

/* The hashes at the end of a link's row. */
static int bind_hashes(sqlite3_stmt *statement, int first, const struct assay__chain *chain, const uint8_t *hash)
{
	int rc = chain->link ? sqlite3_bind_blob(statement, first, chain->hash, ASSAY_HASH_BYTES, SQLITE_TRANSIENT)
						 : sqlite3_bind_null(statement, first);
	return rc ? rc : sqlite3_bind_blob(statement, first + 1, hash, ASSAY_HASH_BYTES, SQLITE_STATIC);
}

static int insert_regions(struct assay__record *record, uint64_t sequence, int index,
						  const struct assay__stored_view *view)
{
	sqlite3_stmt *statement = record->sql.region;
	int rc = SQLITE_OK;
	for (int i = 0; i < view->region_count && rc == SQLITE_OK; i++) {
		sqlite3_bind_int64(statement, 1, (int64_t)sequence);
		sqlite3_bind_int(statement, 2, index);
		sqlite3_bind_int(statement, 3, i);
		rc = assay__columns_bind(&assay__table_regions, statement, 4, &view->regions[i]);
		if (rc == SQLITE_OK)
			rc = assay__rows_step(statement);
	}
	return rc;
}

static int insert_views(struct assay__record *record, const struct assay__entry *entry)
{
	sqlite3_stmt *statement = record->sql.view;
	int rc = SQLITE_OK;
	for (int i = 0; i < entry->part.view_count && rc == SQLITE_OK; i++) {
		const struct assay__stored_view *view = &entry->part.views[i];
		sqlite3_bind_int64(statement, 1, (int64_t)entry->part.sequence);
		sqlite3_bind_int(statement, 2, i);
		rc = assay__columns_bind(&assay__table_views, statement, 3, view);
		if (rc == SQLITE_OK)
			rc = assay__rows_step(statement);
		if (rc == SQLITE_OK)
			rc = insert_regions(record, entry->part.sequence, i, view);
		if (rc == SQLITE_OK && view->keep == ASSAY__KEEP_YES)
			rc = assay__rows_image(record, entry->slots[i]);
	}
	return rc;
}

int assay__rows_part(struct assay__record *record, struct assay__chain *chain, struct assay__entry *entry)
{
	struct assay__stored_part *part = &entry->part;
	part->link = chain->link + 1;
	assay__chain_part(chain->hash, part, entry->hash);
	int rc = assay__columns_bind(&assay__table_parts, record->sql.part, 1, part);
	if (rc == SQLITE_OK)
		rc = bind_hashes(record->sql.part, assay__table_parts.count + 1, chain, entry->hash);
	if (rc == SQLITE_OK)
		rc = assay__rows_step(record->sql.part);
	if ((rc & 0xff) == SQLITE_CONSTRAINT) {
		entry->refused = true;
		return SQLITE_OK;
	}
	if (rc == SQLITE_OK)
		rc = insert_views(record, entry);
	if (rc)
		return rc;
	chain->link++;
	memcpy(chain->hash, entry->hash, ASSAY_HASH_BYTES);
	chain->unsigned_parts++;
	if (part->challenge) {
		chain->totals.challenge++;
		return SQLITE_OK;
	}
	chain->totals.triggers++;
	chain->totals.pass += part->verdict == ASSAY_PASS;
	chain->totals.fail += part->verdict == ASSAY_FAIL;
	chain->totals.fault += part->verdict == ASSAY_FAULT;
	chain->totals.missed += part->fault == ASSAY__FAULT_NOT_READY;
	return SQLITE_OK;
}

int assay__rows_event(struct assay__record *record, struct assay__chain *chain, const struct assay__stored_event *event)
{
	struct assay__stored_event row = *event;
	uint8_t hash[ASSAY_HASH_BYTES];
	row.link = chain->link + 1;
	assay__chain_event(chain->hash, &row, hash);
	int rc = assay__columns_bind(&assay__table_events, record->sql.event, 1, &row);
	if (rc == SQLITE_OK)
		rc = bind_hashes(record->sql.event, assay__table_events.count + 1, chain, hash);
	if (rc == SQLITE_OK)
		rc = assay__rows_step(record->sql.event);
	if (rc)
		return rc;
	chain->link++;
	memcpy(chain->hash, hash, ASSAY_HASH_BYTES);
	return SQLITE_OK;
}

int assay__rows_image(struct assay__record *record, const struct assay__image_slot *slot)
{
	sqlite3_stmt *statement = record->sql.image;
	char path[ASSAY__PLACE_PATH_CHARS];
	assay__place_image(slot->sequence, slot->view, path);
	sqlite3_bind_int64(statement, 1, (int64_t)slot->sequence);
	sqlite3_bind_int(statement, 2, slot->view);
	int rc = sqlite3_bind_blob(statement, 3, slot->hash, ASSAY_HASH_BYTES, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(statement, 4, path, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = assay__rows_step(statement);
	sqlite3_clear_bindings(statement);
	return rc;
}

int assay__rows_image_state(struct assay__record *record, uint64_t sequence, int view, enum assay__image_state state,
							int64_t bytes)
{
	sqlite3_stmt *statement = record->sql.image_state;
	sqlite3_bind_int(statement, 1, state);
	sqlite3_bind_int64(statement, 2, bytes);
	sqlite3_bind_int64(statement, 3, (int64_t)sequence);
	sqlite3_bind_int(statement, 4, view);
	return assay__rows_step(statement);
}

int assay__rows_sign(struct assay__record *record, struct assay__chain *chain)
{
	sqlite3_stmt *statement = record->sql.signature;
	uint8_t signature[ASSAY__SIGNATURE_BYTES];
	int64_t wall_us = assay__clock_wall_us();
	assay__key_sign(&record->key, chain->link, wall_us, chain->hash, signature);
	sqlite3_bind_int64(statement, 1, (int64_t)chain->link);
	int rc = sqlite3_bind_blob(statement, 2, chain->hash, ASSAY_HASH_BYTES, SQLITE_TRANSIENT);
	sqlite3_bind_int64(statement, 3, wall_us);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_blob(statement, 4, record->key.public_key, ASSAY__PUBLIC_KEY_BYTES, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_bind_blob(statement, 5, signature, sizeof(signature), SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = assay__rows_step(statement);
	sqlite3_clear_bindings(statement);
	chain->signed_link = chain->link;
	chain->unsigned_parts = 0;
	chain->signed_us = assay__clock_us();
	return rc;
}

int assay__rows_counters(struct assay__record *record, const struct assay__chain *chain, uint64_t next, bool clean)
{
	const struct {
		const char *name;
		uint64_t value;
	} rows[] = {
		{"triggers", chain->totals.triggers},
		{"pass", chain->totals.pass},
		{"fail", chain->totals.fail},
		{"fault", chain->totals.fault},
		{"missed", chain->totals.missed},
		{"lost", chain->totals.lost},
		{"challenge", chain->totals.challenge},
		{"image_bytes", chain->image_bytes},
		{"accounted", chain->accounted},
		{"next", next},
		{"clean", clean},
	};
	int rc = SQLITE_OK;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && rc == SQLITE_OK; i++) {
		rc = sqlite3_bind_text(record->sql.counter, 1, rows[i].name, -1, SQLITE_STATIC);
		sqlite3_bind_int64(record->sql.counter, 2, (int64_t)rows[i].value);
		if (rc == SQLITE_OK)
			rc = assay__rows_step(record->sql.counter);
	}
	return rc;
}
