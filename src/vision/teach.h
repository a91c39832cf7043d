/* SPDX-License-Identifier: Apache-2.0 */
/* Teaching in the making: options, and the work that is done scale by scale. */
#ifndef ASSAY_SRC_VISION_TEACH_H
#define ASSAY_SRC_VISION_TEACH_H

#include "vision/parts.h"
#include "vision/recipe.h"

/** Everything in the making. */
struct assay__teach {
	const struct assay_parts *offered;
	const struct assay_allocator *allocator;
	struct assay__labour labour;
	struct assay_recipe *recipe;
	const struct assay_zones *zones; /**< as given; NULL: none */
	bool keep_suspects;
	int64_t keep_bytes; /**< room for pictures stored with the recipe; 0: none is */
	int count;
	struct assay__part *parts; /**< by hash */
	int suspects;			   /**< found */
	int set_aside;			   /**< of them, behind the other parts and not counted there */
	int workers;
	struct assay__workspace **spaces; /**< one for each worker */
	int brighten_q12;				  /**< of the copies in brighter light; ASSAY__LIGHT_ONE_Q12: none are made */

	const struct assay_defects *defects; /**< labelled; NULL: none */
	int8_t *kept[ASSAY__SCALES_MOST];	 /**< vectors of all parts at the scales done, if there are defects */

	/* of the scale at hand */
	int scale;
	int8_t *vectors; /**< of all parts, in order; of each its own, then those in brighter light */
	int64_t patches;
	uint8_t *skip; /**< patches the bank of this fold must not see */
	int64_t *chosen;
	struct assay__bank *bank; /**< of this fold */
	int fold;
	const char *stage;

	enum assay_position wanted;
	struct assay__positioning *position; /**< of parts in a fixture; NULL: not so, or not yet known */
};

/** Fills defaults in (options nullable). Errors: ARGUMENT, naming the option, its value and its range. */
int assay__settings_from(const struct assay_teach_options *options, struct assay__settings *out,
						 struct assay_error *error);

/** A part's picture, and the workspace planned for it; *owned as assay__part_picture says. Errors: in the part. */
int assay__teach_take_up(struct assay__teach *t, struct assay__part *part, int worker, struct assay_image *image,
						 bool *owned);

/** The first part, in the order of hashes, whose work failed. */
int assay__teach_failure(const struct assay__teach *t, struct assay_error *error);

/**
 * Learns one scale, the spaces being open: vectors of all parts, raw_q8 of every part by folds, the scale's bank and
 * unit. Nothing but these stays. Errors: LIMIT, CANCELLED, NOMEM, those of loading a part.
 */
int assay__teach_scale(struct assay__teach *t, int scale, struct assay_error *error);

/**
 * Learns from the defects, the scales being done and every part's score_q8 being the bank's; parts are by hash. Sets
 * the scales' banks and labels, the recipe's labels, report and threshold, and makes score_q8 that of bank and labels.
 * Errors: as of assay_teach.
 */
int assay__teach_labels(struct assay__teach *t, struct assay_error *error);

/** Measures the light of every part at every scale: the light of the scales, and which parts are brightened. Errors: as above. */
int assay__teach_light(struct assay__teach *t, struct assay_error *error);

/** Measures the light of every part at every scale, and which are brightened, counted in the report. Errors: as above.
 */
int assay__teach_measure(struct assay__teach *t, struct assay_error *error);

/** Vectors of all parts at one scale, and work memory for choosing; counts the patches in the report. Errors: LIMIT,
 * CANCELLED, NOMEM, those of loading a part. */
int assay__teach_extract(struct assay__teach *t, int scale, struct assay_error *error);
/** Gives back what extract made; also after it failed. */
void assay__teach_clear(struct assay__teach *t);
/** The vectors of a part: its own, then those in brighter light. */
int8_t *assay__teach_vectors(const struct assay__teach *t, const struct assay__part *part);
/** The bank over all patches that are not skipped (nullable), in *vectors, which the caller owns; t->stage tells the
 * progress. Errors: CANCELLED, NOMEM. */
int assay__teach_choose(struct assay__teach *t, const uint8_t *skip, int8_t **vectors, int *count,
						struct assay_error *error);

/** One workspace for each worker, for the scales that the recipe has by now. On failure too, close them. Errors: as
 * assay__workspace_open and assay__workspace_shape. */
int assay__teach_open_spaces(struct assay__teach *t, struct assay_error *error);
void assay__teach_close_spaces(struct assay__teach *t);

/**
 * Looks for parts that are bad among the good, before anything else is learnt; leaves the recipe as it was. Marks them,
 * with their scores in this pass's own unit. The spaces are closed before and after. Errors: as assay__teach_scale.
 */
int assay__teach_suspects(struct assay__teach *t, struct assay_error *error);

#endif
