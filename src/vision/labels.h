/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What labelled defects taught: at every scale a few heads, one for each fold of the cross-validation that each has not
 * seen, and how their mean is joined with the bank. Learning is in labels_learn.c, judging and storing in labels.c.
 */
#ifndef ASSAY_SRC_VISION_LABELS_H
#define ASSAY_SRC_VISION_LABELS_H

#include "vision/head_train.h"
#include "vision/join.h"
#include "vision/parts.h"

#define ASSAY__LABEL_FOLDS 5

/** Immutable once made; any number of threads may use it. */
struct assay__labels {
	const struct assay_allocator *allocator;
	int dim, scales, folds; /**< folds: heads at each scale, 1 to ASSAY__LABEL_FOLDS */
	struct assay__head *heads[ASSAY__SCALES_MOST][ASSAY__LABEL_FOLDS];
	struct assay__join join;
};

/** What came of learning. */
struct assay__labels_report {
	int good_count, defect_count;
	int good_groups, defect_groups; /**< parts: pictures of one part never straddle a fold */
	int folds;						/**< 0: too few parts of one kind to cross-validate; labels are not used */
	struct assay__join_report join; /**< zero if folds is 0 or the scores do not spread */
	bool used;
};

/** What learning needs beside the examples. */
struct assay__labels_plan {
	int dim, scales;
	double overkill; /**< wanted, of bank and heads together */
	enum assay_isa isa;
	const struct assay__labour *labour; /**< as in parts.h */
	const struct assay_allocator *allocator;
};

/**
 * Cross-validates heads in folds by part and joins them with the bank if that is better (then report->used, and *out
 * is the caller's; else *out is NULL and the bank judges alone). joined_q8[count] gets every example's score in
 * cross-validation, that of the bank if labels are not used: what the calibration is to be made of; the threshold is
 * report->join.joined_q8 if used. Examples carry the vectors of plan->scales scales. Neither threads nor the order of
 * examples change a bit. Errors: NOMEM, CANCELLED, ARGUMENT (no good or no defective example).
 */
int assay__labels_learn(const struct assay__example *examples, int count, const struct assay__labels_plan *plan,
						uint32_t *joined_q8, struct assay__labels **out, struct assay__labels_report *report,
						struct assay_error *error);
/** NULL is fine. */
void assay__labels_close(struct assay__labels *labels);

/**
 * What the heads of one scale say of a picture: logits of its `cells` vectors (mean over the heads), and returned the
 * picture's (mean over the heads of the mean of each one's highest three). Allocates nothing.
 */
int32_t assay__labels_run(const struct assay__labels *labels, int scale, const int8_t *vectors, int cells,
						  int32_t *logits_q12);

/** The mean of the logits of all scales, rounded down; count >= 1. */
int32_t assay__labels_mean(const int32_t *logits_q12, int count);

/** A logit as a number above 0 in the same order, so that 0 can mean none; and back. */
uint32_t assay__logit_rank(int32_t logit_q12);
int32_t assay__logit_unrank(uint32_t rank);

/** Bytes of stored labels, and their form: counts, the join, then the heads scale by scale; little endian. */
size_t assay__labels_bytes(int dim, int scales, int folds);
void assay__labels_encode(const struct assay__labels *labels, uint8_t *bytes);
/** Errors: FORMAT (also if it is not for that dim and number of scales), NOMEM. */
int assay__labels_decode(const uint8_t *bytes, size_t size, int dim, int scales, enum assay_isa isa,
						 const struct assay_allocator *allocator, struct assay__labels **out,
						 struct assay_error *error);

/**
 * Which part a picture shows, if its file name says so: what stands before "__" in it ("housing17__top.png" and
 * "housing17__side.png" are one part). Returns the length, 0 if it does not say; *start is within path.
 */
size_t assay__labels_group(const char *path, const char **start);

#endif
