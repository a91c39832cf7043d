/* SPDX-License-Identifier: Apache-2.0 */
/* Learning in the making. */
#ifndef ASSAY_SRC_VISION_LEARN_H
#define ASSAY_SRC_VISION_LEARN_H

#include "assay/learn.h"
#include "vision/recipe_file.h"
#include "vision/teach.h"

/** Everything in the making. */
struct assay__learn {
	const struct assay_learn_options *options;
	const struct assay_allocator *allocator;
	struct assay_recipe *old, *next;
	uint8_t *file; /**< the old one, without what it keeps */
	size_t file_size;
	const struct assay_parts *goods, *defects; /**< as given; NULL: none */
	struct assay__teach t; /**< of next; its parts are the new good ones, by hash, then those known already */
	int known;			   /**< good parts behind those of t, learnt from before */
	struct assay__part *bad;
	int bad_count; /**< labelled defects given, by hash */
	struct assay_learn_report report;
};

/** Picture `index` of all that are stored with the next recipe or given now, by hash. Thread safe. */
struct assay__shown {
	const char *name;
	const uint8_t *hash;
	bool defect, fresh;
	const struct assay__kept *kept;		/**< where the picture is: here, ... */
	const struct assay__golden *golden; /**< ... here, ... */
	const struct assay__part *part;		/**< ... or there, */
	const struct assay_parts *offered;	/**< among these */
};

/** Whether a recipe was taught this part as good. */
bool assay__learn_taught(const struct assay_recipe *recipe, const uint8_t hash[ASSAY_HASH_BYTES]);

/** The banks of the new recipe and raw_q8 of the new good parts. Errors: as assay__teach_scale. */
int assay__learn_banks(struct assay__learn *l, struct assay_error *error);

/** What new good parts in a fixture show joins the banks by place. Errors: those of loading a part, NOMEM, CANCELLED. */
int assay__learn_places(struct assay__learn *l, struct assay_error *error);

/** Calibration, threshold and all that follows from them. Errors: as assay_learn. */
int assay__learn_calibrate(struct assay__learn *l, struct assay_error *error);

/** Fills parts of the report: verdicts before and after. Errors: those of loading a part, NOMEM, CANCELLED. */
int assay__learn_compare(struct assay__learn *l, struct assay_error *error);

/** Scores by the next recipe of all labelled defects, stored or given, count of them, the caller's. Errors: as above. */
int assay__learn_defect_scores(struct assay__learn *l, uint32_t **scores, int *count, struct assay_error *error);

/** Puts pictures of what was given into next->keep, as far as there is room. Errors: as above. */
int assay__learn_keep(struct assay__learn *l, struct assay_error *error);

#endif
