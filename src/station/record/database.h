/* SPDX-License-Identifier: Apache-2.0 */
/* record.db: its tables, and connections to it. */
#ifndef ASSAY_SRC_STATION_RECORD_DATABASE_H
#define ASSAY_SRC_STATION_RECORD_DATABASE_H

#include <sqlite3.h>

#include "station/record/fields.h"
#include "station/record/query.h"

#define ASSAY__RECORD_APPLICATION_ID 0x41535244 /* "ASRD" */
#define ASSAY__RECORD_VERSION 4
#define ASSAY__RECORD_PATH_CHARS 4096

/** Migration i brings a database of version i to i + 1. Never changed once released; new ones are added. */
extern const char *const assay__record_migrations[ASSAY__RECORD_VERSION];

/** "dir/name". Errors: ARGUMENT if too long. */
int assay__record_path(const char *dir, const char *name, char out[ASSAY__RECORD_PATH_CHARS],
					   struct assay_error *error);

/** Fills *error from the connection: IO (or NOMEM, FORMAT by SQLite's code), "what: why". Returns its code. */
int assay__database_fail(sqlite3 *db, int sqlite_code, const char *what, struct assay_error *error);

/** A statement's one number, such as a pragma's. Returns an SQLite code. */
int assay__database_number(sqlite3 *db, const char *sql, int *out);

/** Opens for writing, creating it and migrating up to `version` (ASSAY__RECORD_VERSION but in tests). */
int assay__database_open_write(const char *dir, int version, sqlite3 **out, struct assay_error *error);

/** Opens for reading beside a writer, or alone; changes no row and folds no journal in. Errors: IO, FORMAT, UNSUPPORTED. */
int assay__database_open_read(const char *dir, sqlite3 **out, struct assay_error *error);

/** Prepares a statement that is used many times. */
int assay__database_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out, struct assay_error *error);

/** A result column as a hash: zero for NULL; false if it is anything else. */
bool assay__column_hash(sqlite3_stmt *statement, int column, uint8_t hash[ASSAY_HASH_BYTES]);

/** Columns of a part's line, of the table `parts p`, and a row of them read back. */
#define ASSAY__PART_LINE_COLUMNS                                                                                       \
	"p.sequence, p.wall_us, p.latency_us, p.verdict, p.fault, p.score_q8, p.threshold_q8, p.p_value, p.view_count,"    \
	" p.challenge, p.code, p.recipe, p.reason"
void assay__part_line_read(sqlite3_stmt *statement, struct assay__part_line *line);

/** Reads parts with all that belongs to them, by one prepared set of statements. */
struct assay__part_reader {
	sqlite3 *db;
	sqlite3_stmt *by_sequence, *by_link, *views, *regions;
};
int assay__part_reader_open(sqlite3 *db, struct assay__part_reader *reader, struct assay_error *error);
void assay__part_reader_close(struct assay__part_reader *reader);

/** What a link says of itself, beside what it is. */
struct assay__link_hashes {
	uint8_t before[ASSAY_HASH_BYTES], hash[ASSAY_HASH_BYTES];
};

/**
 * Fills *part from the row the statement (columns of parts, then prev_hash, hash) stands on, and its views and regions.
 * Errors: FORMAT, the message names part, table and column.
 */
int assay__part_reader_fill(struct assay__part_reader *reader, sqlite3_stmt *statement, struct assay__stored_part *part,
							struct assay__link_hashes *hashes, struct assay_error *error);

/** One part. Errors: ARGUMENT if there is none, FORMAT, IO. `hashes` nullable. */
int assay__part_reader_get(struct assay__part_reader *reader, uint64_t sequence, struct assay__stored_part *part,
						   struct assay__link_hashes *hashes, struct assay_error *error);

#endif
