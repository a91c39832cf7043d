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
	int count;
	struct assay__part *parts; /**< by hash */
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
};

/** Fills defaults in (options nullable). Errors: ARGUMENT, naming the option, its value and its range. */
int assay__settings_from(const struct assay_teach_options *options, struct assay__settings *out,
						 struct assay_error *error);

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

/** A copy of the file's own name, at most 255 bytes, or NULL without memory. */
char *assay__teach_name(const char *path, const struct assay_allocator *allocator);

/** Measures the light of every part at every scale: the light of the scales, and which parts are brightened. Errors: as above. */
int assay__teach_light(struct assay__teach *t, struct assay_error *error);

#endif
