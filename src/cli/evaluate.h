/* SPDX-License-Identifier: Apache-2.0 */
/* How well a recipe judges a data set: every test picture judged, and the figures made from that. */
#ifndef ASSAY_SRC_CLI_EVALUATE_H
#define ASSAY_SRC_CLI_EVALUATE_H

#include <stdbool.h>

#include "assay/recipe.h"
#include "cli/common.h"
#include "cli/dataset.h"

/** One test picture. */
struct assay__scored {
	enum assay_verdict verdict;
	uint32_t score_q8;
	double p_value;
	char *trouble;	   /**< why it is a FAULT, or what is wrong with its mask; NULL: nothing */
	bool mask_trouble; /**< the latter: then there are no figures */
};

/** Figures of one kind of defect. */
struct assay__kind_figures {
	int judged, caught;
	double auroc;
};

/** Shares are 0..1; a figure that cannot be had is NaN. */
struct assay__evaluation {
	struct assay__scored *scored; /**< one for each test picture */
	int good_count, defect_count; /**< judged, that is without FAULT */
	int fault_count;
	int rejected_count, escaped_count; /**< at the taught threshold */
	double auroc, overkill, escape, overkill_at_zero_escape, escape_at_zero_overkill;
	double pixel_auroc, aupro;
	int64_t expected_low_count, expected_high_count; /**< central 95 % of rejects at the overkill stated */
	struct assay__kind_figures *kinds;				 /**< one for each of the data set's kinds */
	double inspect_ms_p50, inspect_ms_p99;			 /**< one thread, decoding left out */
	double rss_mb;									 /**< peak of the process before the pixel figures, 10^6 bytes */
};

/**
 * Judges all of the set's test pictures. Says what is wrong with any of them. Returns 0 and fills *evaluation, the
 * caller's to close; or the exit status after saying why not: FAULT if a mask does not fit, INTERNAL without memory.
 */
int assay__evaluate(const struct assay__setup *setup, const struct assay__dataset *set,
					const struct assay_recipe *recipe, struct assay__evaluation *evaluation);
void assay__evaluation_close(struct assay__evaluation *evaluation, const struct assay__dataset *set);

/**
 * The score map, bilinear between the centres of its cells, at each pixel of a width x height picture; 0 outside its
 * area. The caller's to free(); NULL without memory.
 */
uint32_t *assay__spread_map(const struct assay_result *result, int width, int height);

#endif
