/* SPDX-License-Identifier: Apache-2.0 */
/* The good parts offered to teach: read, checked against each other, told apart, put in an order of their own. */
#ifndef ASSAY_SRC_VISION_PARTS_H
#define ASSAY_SRC_VISION_PARTS_H

#include "vision/keep.h"
#include "vision/prep.h"
#include "vision/scale.h"

struct assay__part {
	int index; /**< as offered */
	struct assay__shape shape;
	uint8_t hash[ASSAY_HASH_BYTES];
	struct assay_image image;			   /**< kept while there is room, else no pixels */
	uint32_t light_q8[ASSAY__SCALES_MOST]; /**< mean luma */
	bool brightened;					   /**< taught in brighter light too */
	int64_t first_patch;				   /**< of its vectors among all of a scale */
	int patches, candidates;			   /**< its own vectors; with those in brighter light, which follow */
	uint32_t raw_q8[ASSAY__SCALES_MOST];   /**< cross-conformal scores, in feature units */
	uint32_t score_q8;					   /**< joined */
	int64_t kept_at[ASSAY__SCALES_MOST];   /**< of its vectors among those kept for labels */
	int kept_cells[ASSAY__SCALES_MOST];	   /**< how many they are */
	struct assay__pose pose;			   /**< how it lies, of parts in a fixture */
	int fit_q10;						   /**< how well it then fits the reference */
	uint32_t place_q8[ASSAY__SCALES_MOST]; /**< as raw_q8, by place */
	bool suspect;						   /**< looks bad among the others */
	uint32_t suspicion_q8;				   /**< its score in that search, in the common unit */
	struct assay_error error;			   /**< of the last piece of work on it */
};

/** Lent work with progress; every field nullable. */
struct assay__labour {
	const struct assay_runner *runner;
	const struct assay_teach_hooks *hooks;
};

int assay__labour_workers(const struct assay__labour *labour);

/** Says where work stands. Errors: CANCELLED. */
int assay__labour_report(const struct assay__labour *labour, const char *stage, int done, int total,
						 struct assay_error *error);

/** task(arg, index, worker) for index in [0, count) on the runner, in bites so that progress moves. Errors: CANCELLED.
 */
int assay__labour_run(const struct assay__labour *labour, const char *stage, int count,
					  void (*task)(void *arg, int index, int worker), void *arg, struct assay_error *error);

/**
 * Reads every part. *out gets the different pictures, in ascending order of their hash, report the counts; free with
 * assay__parts_free. Errors: ARGUMENT (fewer than two different pictures), MISMATCH (shapes differ and scale is off),
 * CANCELLED, NOMEM.
 */
int assay__parts_read(const struct assay_parts *offered, bool scale, const struct assay__labour *labour,
					  const struct assay_allocator *allocator, struct assay__part **out,
					  struct assay_teach_report *report, struct assay_error *error);
/**
 * As assay__parts_read, for any number of parts, none too, which must have this shape (nullable: any). *count gets how
 * many different ones there are; *out is NULL if none. Errors: MISMATCH, CANCELLED, NOMEM.
 */
int assay__parts_read_more(const struct assay_parts *offered, const struct assay__shape *shape,
						   const struct assay__labour *labour, const struct assay_allocator *allocator,
						   struct assay__part **out, int *count, struct assay_teach_report *report,
						   struct assay_error *error);
void assay__parts_free(struct assay__part *parts, int count, const struct assay_allocator *allocator);

/** The picture of a part: the one kept (*owned false) or read again. Errors: of load, FORMAT if it has changed since.
 */
int assay__part_picture(const struct assay_parts *offered, const struct assay__part *part,
						const struct assay_allocator *allocator, struct assay_image *image, bool *owned,
						struct assay_error *error);

/** Without folders and not too long, from `allocator`; NULL without memory. */
char *assay__part_name(const char *path, const struct assay_allocator *allocator);

/**
 * Stores the picture of a part, unless it is stored or is larger than the room left; then *left_out grows. Call
 * assay__keep_sort after the last. Errors: as assay__part_picture, NOMEM.
 */
int assay__part_keep(struct assay__recipe_keep *keep, const struct assay_parts *offered, const struct assay__part *part,
					 bool defect, int64_t *room_bytes, int *left_out, const struct assay_allocator *allocator,
					 struct assay_error *error);

#endif
