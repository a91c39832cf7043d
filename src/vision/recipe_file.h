/* SPDX-License-Identifier: Apache-2.0 */
/* The recipe as a SQLite application file: what its tables are and what may stand in them. */
#ifndef ASSAY_SRC_VISION_RECIPE_FILE_H
#define ASSAY_SRC_VISION_RECIPE_FILE_H

#include <sqlite3.h>

#include "vision/recipe.h"

#define ASSAY__RECIPE_APPLICATION_ID 0x41535259 /* "ASRY" */
#define ASSAY__RECIPE_VERSION 2
#define ASSAY__RECIPE_MOST_PARTS 1000000
#define ASSAY__RECIPE_MOST_BLOB_BYTES (512 << 20)
#define ASSAY__RECIPE_MOST_NETWORK_BYTES (64 << 20)
#define ASSAY__RECIPE_MOST_NAME_BYTES 255

/** The tables, in the order they are made; exactly these statements stand in sqlite_schema, optional ones if needed. */
enum {
	ASSAY__RECIPE_TABLES_ALWAYS = 8,
	ASSAY__TABLE_ZONES = ASSAY__RECIPE_TABLES_ALWAYS,
	ASSAY__TABLE_PAINTED,
	ASSAY__TABLE_PIXEL,
	ASSAY__TABLE_LABELS,
	ASSAY__TABLE_DEFECTS,
	ASSAY__TABLE_SUSPECTS,
	ASSAY__TABLE_LINEAGE,
	ASSAY__TABLE_KEPT,
	ASSAY__TABLE_STATES,
	ASSAY__TABLE_POSITION,
	ASSAY__TABLE_PLACE,
	ASSAY__RECIPE_TABLES
};
extern const char *const assay__recipe_tables[ASSAY__RECIPE_TABLES];

/** Numbers kept in the table meta, and where they are in struct assay_recipe. */
enum assay__field_kind { ASSAY__FIELD_INT, ASSAY__FIELD_BOOL, ASSAY__FIELD_UINT32, ASSAY__FIELD_DOUBLE };
struct assay__recipe_field {
	const char *key;
	enum assay__field_kind kind;
	size_t offset;
	int64_t least, most; /* of whole numbers */
};
#define ASSAY__RECIPE_FIELDS 25
extern const struct assay__recipe_field assay__recipe_fields[ASSAY__RECIPE_FIELDS];

/** The key in meta that holds the content hash. */
#define ASSAY__RECIPE_HASH_KEY "content_hash"

/** A path that SQLite reads as a path, whatever its letters ("file:", ":memory:"); from malloc, NULL without memory. */
char *assay__recipe_sqlite_path(const char *path, const char *suffix);

/** Reads the tables labels and defects, which are there, into recipe->labels and report. Errors: IO, FORMAT, NOMEM. */
int assay__recipe_read_labels(struct assay_recipe *recipe, sqlite3 *db, const char *path, struct assay_error *error);
/** Opens heads and kinds from their stored forms; the network is open. Errors: FORMAT, NOMEM. */
int assay__recipe_open_labels(struct assay_recipe *recipe, struct assay_error *error);
/**
 * The recipe as the bytes of a file, without what it keeps beside (vision/keep.h); *bytes is the caller's, from the
 * recipe's allocator. Errors: IO, NOMEM.
 */
int assay__recipe_to_bytes(const struct assay_recipe *recipe, uint8_t **bytes, size_t *size, struct assay_error *error);

/** As assay_recipe_open, from such bytes, which may go away afterwards; `name` for messages. */
int assay__recipe_from_bytes(const struct assay_env *env, const char *name, const uint8_t *bytes, size_t size,
							 struct assay_recipe **out, struct assay_error *error);

/** As assay_recipe_open, with the pictures and earlier states that the file keeps. */
int assay__recipe_open_whole(const struct assay_env *env, const char *path, struct assay_recipe **out,
							 struct assay_error *error);

/** Switches off what a recipe never needs: triggers, views, functions in the schema, extensions, memory maps. */
int assay__recipe_harden(sqlite3 *db);

#endif
