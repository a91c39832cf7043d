/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The columns of the record, once: binding, reading back and the canonical bytes all walk these tables.
 *
 * Canonical bytes of a link: the byte 'P' or 'E', the byte of the form (1 for events), then every column of that form in the
 * order of its table, columns of a later form left out: numbers
 * and doubles as 8 bytes little endian, texts as 2 bytes of length and the bytes, hashes as 32 bytes. A part is followed
 * by its views, a view by its regions. hash = BLAKE2b-256(hash of the link before, canonical bytes); before the first
 * link stand 32 zero bytes.
 */
#ifndef ASSAY_SRC_STATION_RECORD_FIELDS_H
#define ASSAY_SRC_STATION_RECORD_FIELDS_H

#include <sqlite3.h>

#include "station/record/stored.h"

enum assay__column_kind {
	ASSAY__COLUMN_U64,
	ASSAY__COLUMN_I64,
	ASSAY__COLUMN_U32,
	ASSAY__COLUMN_INT, /**< int or enum, 0 <= value < most */
	ASSAY__COLUMN_BOOL,
	ASSAY__COLUMN_DOUBLE,
	ASSAY__COLUMN_TEXT, /**< char[most] */
	ASSAY__COLUMN_HASH, /**< NULL in the database if zero */
};

struct assay__column {
	const char *name;
	enum assay__column_kind kind;
	size_t offset;
	int most;
	int since; /**< the form that brought it; 0: there from the first. What an older form lacks is zero or empty. */
};

struct assay__table {
	const char *name;
	char letter; /**< of the canonical bytes, 0 for tables inside another */
	const struct assay__column *columns;
	int count;
};

extern const struct assay__table assay__table_parts, assay__table_views, assay__table_regions, assay__table_events;

#define ASSAY__SQL_CHARS 1600

/**
 * "a, b, c" of the table's columns, each after `prefix` (such as "p."). Of a database whose columns end with an older form,
 * the columns it lacks are given as what they mean there.
 */
void assay__columns_list(const struct assay__table *table, const char *prefix, int form, char out[ASSAY__SQL_CHARS]);

/** Binds all columns from `first` on; texts and hashes are borrowed until the next reset. Returns an SQLite code. */
int assay__columns_bind(const struct assay__table *table, sqlite3_stmt *statement, int first, const void *row);

/** Fills *row from result columns starting at `first`. Returns NULL, or the name of the column that cannot be as it is. */
const char *assay__columns_read(const struct assay__table *table, sqlite3_stmt *statement, int first, void *row);

/** NULL, or the name of a column that `form` does not have and that is not empty: nothing would vouch for it. */
const char *assay__columns_beyond(const struct assay__table *table, int form, const void *row);

/** The next hash of the chain. */
void assay__chain_part(const uint8_t before[ASSAY_HASH_BYTES], const struct assay__stored_part *part,
					   uint8_t hash[ASSAY_HASH_BYTES]);
void assay__chain_event(const uint8_t before[ASSAY_HASH_BYTES], const struct assay__stored_event *event,
						uint8_t hash[ASSAY_HASH_BYTES]);

/** BLAKE2b-256 over the score map, u32 little endian. */
void assay__map_hash(const uint32_t *map, size_t count, uint8_t hash[ASSAY_HASH_BYTES]);

bool assay__hash_is_zero(const uint8_t hash[ASSAY_HASH_BYTES]);

#endif
