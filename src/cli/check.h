/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of known defects held against a recipe just taught, without changing it. */
#ifndef ASSAY_SRC_CLI_CHECK_H
#define ASSAY_SRC_CLI_CHECK_H

#include "base/json.h"
#include "cli/common.h"
#include "cli/files.h"

/** Shares are 0..1. */
struct assay__check {
	int judged, escaped, faults;
	double escape_low, escape_high; /**< Clopper-Pearson 95 % */
	/** Share of the calibration's scores at or above the lowest defect's: measured on good parts, each judged by what
	 * the others taught. With zones too it is the scores that are compared. */
	int overkill_count, good_count;
	double overkill_at_zero_escape, overkill_low, overkill_high;
};

/**
 * Judges the pictures in a folder; says every one that cannot be judged. Returns 0, or the exit status after saying
 * why not: FAULT if none could be judged, INTERNAL without memory.
 */
int assay__check_run(const struct assay__setup *setup, const struct assay_recipe *recipe, const char *folder,
					 struct assay__check *check);
/** Lines of teach's report. */
void assay__check_print(const struct assay__check *check);
/** The member "check" of a JSON object. */
void assay__check_json(struct assay__json *json, const struct assay__check *check);

/**
 * Judges count pictures files->list[pick[i]] (pick NULL: i) with all threads; scores[i] and verdicts[i] (nullable) get
 * what came of it. Says what is wrong with a picture. Returns 0 or a negative assay_err with *error filled.
 */
int assay__judge_files(const struct assay__setup *setup, const struct assay_recipe *recipe,
					   const struct assay__files *files, const int *pick, int count, uint32_t *scores,
					   enum assay_verdict *verdicts, struct assay_error *error);

#endif
