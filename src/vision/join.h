/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Head and bank in one score. The head's logits are brought to the bank's unit by a straight line through two points
 * that mean the same in both: the median of good parts, and the threshold that each would have with half the wanted
 * overkill. The joined score is the larger of the two, so that what the bank finds is never lost.
 */
#ifndef ASSAY_SRC_VISION_JOIN_H
#define ASSAY_SRC_VISION_JOIN_H

#include <stdbool.h>

#include "assay/base.h"

struct assay__join {
	int32_t head_low_q12, head_high_q12; /**< low < high */
	uint32_t bank_low_q8, bank_high_q8;	 /**< low < high */
};

/** What cross-validation saw, of pictures judged by a bank and a head that had not seen their part. */
struct assay__join_report {
	double bank_auroc, joined_auroc;
	int bank_escapes, joined_escapes; /**< at the threshold that each has for the wanted overkill */
	uint32_t bank_q8, joined_q8;	  /**< those thresholds */
	bool better;					  /**< joined: fewer escapes, or as many and a larger area */
};

/** A logit in the bank's unit, never below 0. */
uint32_t assay__join_logit(const struct assay__join *join, int32_t logit_q12);
uint32_t assay__join_score(const struct assay__join *join, uint32_t bank_q8, int32_t logit_q12);

/** Whether assay__join_fit could have made it. */
bool assay__join_sane(const struct assay__join *join);

/**
 * Fits the line to good parts (logit and bank score of each, at least 2) and defects (at least 1). Where defects leave
 * a gap above the head's threshold, it moves to the middle of it. Nothing is decided by a single outlier beyond
 * what the wanted overkill allows. False if good parts do not spread in one of the two: there is nothing to join.
 * Errors: NOMEM; then and if *fits is false, *join and *report are untouched.
 */
int assay__join_fit(const uint32_t *bank_q8, const int32_t *logit_q12, const uint8_t *defect, int count,
					double overkill, const struct assay_allocator *allocator, struct assay__join *join,
					struct assay__join_report *report, bool *fits, struct assay_error *error);

#endif
