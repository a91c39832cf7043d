/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a recipe keeps beside what decides its verdicts: pictures of parts, its lineage, and what it was before each
 * step. None of it is in the content hash, for none of it changes a verdict. Each step of the lineage has a hash over
 * itself and the hash before it, and the last one must name the content hash of the recipe it stands in.
 */
#ifndef ASSAY_SRC_VISION_KEEP_H
#define ASSAY_SRC_VISION_KEEP_H

#include "assay/learn.h"

struct sqlite3;

#define ASSAY__KEEP_STEPS_MOST 100000
#define ASSAY__KEEP_PARTS_MOST 1000000
#define ASSAY__KEEP_BYTES_MOST ((int64_t)16 << 30)
/** Earlier states kept beside the one as taught; older ones give way. */
#define ASSAY__KEEP_STATES 8

enum assay__step_kind { ASSAY__STEP_LEARN, ASSAY__STEP_REVERT, ASSAY__STEP_KINDS };

/** A part whose picture is stored. */
struct assay__kept {
	uint8_t hash[ASSAY_HASH_BYTES];
	bool defect;
	char *name;
	uint8_t *png; /**< NULL if the recipe was not opened whole */
	size_t png_size;
};

/** A whole recipe file without all this. */
struct assay__state {
	int number; /**< of the step that left it; a state that steps leave again keeps the first number */
	uint8_t content[ASSAY_HASH_BYTES];
	uint8_t *file; /**< NULL if the recipe was not opened whole */
	size_t file_size;
};

struct assay__recipe_keep {
	bool whole; /**< pictures and files are here; else only what is told about them */
	int step_count;
	struct assay_lineage_step *steps; /**< authors are its own */
	int part_count;
	struct assay__kept *parts; /**< by hash */
	int state_count;
	struct assay__state *states; /**< by number */
};

/** An empty one, whole; NULL without memory. */
struct assay__recipe_keep *assay__keep_new(const struct assay_allocator *allocator);
/** NULL is fine. */
void assay__keep_free(struct assay__recipe_keep *keep, const struct assay_allocator *allocator);

const char *assay__step_kind_name(enum assay__step_kind kind);

int64_t assay__keep_bytes(const struct assay__recipe_keep *keep, int *goods, int *defects);

/** NULL if there is none. */
const struct assay__kept *assay__keep_find(const struct assay__recipe_keep *keep, const uint8_t hash[ASSAY_HASH_BYTES]);

/** Adds room for one part and zeroes it; call assay__keep_sort when all are filled. NULL without memory. */
struct assay__kept *assay__keep_add(struct assay__recipe_keep *keep, const struct assay_allocator *allocator);
void assay__keep_sort(struct assay__recipe_keep *keep);

/** The hash of a step, all else of it being filled; `before`: of the step before, NULL: it is the first. */
void assay__step_hash(const struct assay_lineage_step *step, const struct assay_lineage_step *before,
					  uint8_t hash[ASSAY_HASH_BYTES]);

/**
 * Adds a step; number and hash are made here, the author is copied. `file` (from `allocator`) is the recipe as it was
 * before, and becomes the keep's on success. Errors: NOMEM, LIMIT.
 */
int assay__keep_step(struct assay__recipe_keep *keep, const struct assay_lineage_step *step, uint8_t *file,
					 size_t file_size, const struct assay_allocator *allocator, struct assay_error *error);

/** Whether the chain of steps holds and ends at this content hash, and fills which of them can be gone back to. */
bool assay__keep_check(struct assay__recipe_keep *keep, const uint8_t content[ASSAY_HASH_BYTES]);

/** NULL if it is not kept. */
const struct assay__state *assay__keep_state(const struct assay__recipe_keep *keep,
											 const uint8_t content[ASSAY_HASH_BYTES]);

/** Makes the tables that are needed and fills them. Returns a code of SQLite's. */
int assay__keep_write(struct sqlite3 *db, const struct assay__recipe_keep *keep);

/** Reads the tables, with pictures and files if `whole`. Errors: FORMAT, IO, NOMEM; *keep may be half filled then. */
int assay__keep_read(struct sqlite3 *db, const char *path, unsigned tables, bool whole,
					 const struct assay_allocator *allocator, struct assay__recipe_keep *keep,
					 struct assay_error *error);

/** Reads the suspects of a recipe, if it has any; what is filled is the caller's also on failure. Errors: as above. */
int assay__suspects_read(struct sqlite3 *db, const char *path, unsigned tables, const struct assay_allocator *allocator,
						 struct assay_suspect **suspects, int *count, struct assay_error *error);

#endif
