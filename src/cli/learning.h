/* SPDX-License-Identifier: Apache-2.0 */
/* What `assay learn` tells about what it did. */
#ifndef ASSAY_SRC_CLI_LEARNING_H
#define ASSAY_SRC_CLI_LEARNING_H

#include "assay/learn.h"

/** One step of learning, for the report. */
struct assay__learning {
	const char *path;
	bool dry_run;
	const struct assay_learn_report *report;
	struct assay_recipe_info before, after; /**< the same if nothing is new */
	double seconds;
};

/** Prints it for people. */
void assay__learning_print(const struct assay__learning *learning);
/** Prints one JSON object. Returns the exit status. */
int assay__learning_print_json(const struct assay__learning *learning);

/** The lineage of a recipe, for people; nothing if it is as taught. */
void assay__lineage_print(const struct assay_recipe_info *info);
/** The members "lineage", "kept_goods", "kept_defects" and "kept_bytes". */
struct assay__json;
void assay__lineage_json(struct assay__json *json, const struct assay_recipe_info *info);

#endif
