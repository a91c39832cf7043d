/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads and bank in one score. Each keeps a threshold of its own; a straight line brings the heads' logits to the
 * bank's unit so that the two thresholds meet, and the joined score is the larger of the two. So a part fails if
 * either says so, and what the bank finds is never lost.
 */
#ifndef ASSAY_SRC_VISION_JOIN_H
#define ASSAY_SRC_VISION_JOIN_H

#include <stdbool.h>

#include "assay/base.h"

struct assay__join {
	int32_t head_low_q12, head_high_q12; /**< low < high */
	uint32_t bank_low_q8, bank_high_q8;	 /**< low < high */
};

/** What cross-validation saw, of pictures judged by a bank and heads that had not seen their part. */
struct assay__join_report {
	double bank_auroc, joined_auroc;
	int bank_escapes, joined_escapes; /**< at bank_q8 and joined_q8 */
	uint32_t bank_q8;				  /**< the bank's threshold for the wanted overkill if it judges alone */
	uint32_t joined_q8; /**< the bank's threshold beside the heads, and that of the joined score; never below bank_q8 */
	bool better;		/**< joined: fewer escapes, or as many and a larger area */
};

/** A logit in the bank's unit, never below 0. */
uint32_t assay__join_logit(const struct assay__join *join, int32_t logit_q12);
uint32_t assay__join_score(const struct assay__join *join, uint32_t bank_q8, int32_t logit_q12);

/** Whether assay__join_fit could have made it. */
bool assay__join_sane(const struct assay__join *join);

/**
 * Chooses both thresholds from good parts (logit and bank score of each, at least 2) and defects (at least 1): together
 * they reject no more of the good parts than the bank alone would, and let as few defects escape as they can. The
 * bank's threshold rises only where that lets fewer escape, and at most to what it would be for half the overkill:
 * kinds of defects that nobody has shown yet are its work. The heads' lies in the gap below the defects that only they
 * find, nearer the good parts. Below the thresholds the line makes the logit that nine in ten good parts stay under the
 * bank's median, so that the heads' opinion of ordinary parts does not hide what the bank sees.
 * False if good parts do not spread in one of the two: there is nothing to join.
 * Errors: NOMEM; then and if *fits is false, *join and *report are untouched.
 */
int assay__join_fit(const uint32_t *bank_q8, const int32_t *logit_q12, const uint8_t *defect, int count,
					double overkill, const struct assay_allocator *allocator, struct assay__join *join,
					struct assay__join_report *report, bool *fits, struct assay_error *error);

#endif
