/* SPDX-License-Identifier: Apache-2.0 */
/* What prep.c plans and prep_run.c carries out. */
#ifndef ASSAY_SRC_VISION_PREP_PLAN_H
#define ASSAY_SRC_VISION_PREP_PLAN_H

#include "vision/prep.h"

#define ASSAY__PREP_WEIGHT_BITS 14
#define ASSAY__PREP_WEIGHT_ONE (1 << ASSAY__PREP_WEIGHT_BITS)
#define ASSAY__PREP_MID_SHIFT 6 /* 8 + 14 bits down to 16 between the two passes */
#define ASSAY__PREP_MID_HALF (1 << (ASSAY__PREP_MID_SHIFT - 1))
/* Outputs of the pass across at a time: 32 rows of grey, or eight of R G B and one unused. */
#define ASSAY__PREP_LANES 32

/* Output o is the weighted sum of inputs first .. first + taps - 1; its weights start at o * pitch. */
struct assay__span {
	int first, taps;
};

struct assay__axis {
	int out, pitch;
	struct assay__span *spans;
	int16_t *weights;
};

struct assay__prep {
	const struct assay_allocator *allocator;
	struct assay__shape shape;
	struct assay__geometry geometry;
	bool to_grey;
	bool same_size; /* nothing to weigh: every output is the input of its place */
	int channels;	/* after conversion */
	struct assay__axis across, down;
	uint8_t *narrow;  /* 16-bit sample to 8 bit; NULL for 8-bit pictures */
	uint8_t *colours; /* a row between narrowing and grey; NULL unless both happen */
	uint8_t *rows;	  /* the last `kept` converted rows, row y at y % kept; NULL if rows are read in place */
	int kept;
	int32_t *sums;	 /* of a row with many taps */
	uint16_t *lines; /* rows weighed down, 8.8 */
	uint16_t *mid;	 /* the same, ASSAY__PREP_LANES beside each other for every input column */
	size_t line_pitch;
	size_t bytes;
};

#endif
