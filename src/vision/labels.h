/* SPDX-License-Identifier: Apache-2.0 */
/* Learning from labels as a whole: cross-validation by part, the head, and how it is joined with the bank. */
#ifndef ASSAY_SRC_VISION_LABELS_H
#define ASSAY_SRC_VISION_LABELS_H

#include "vision/head_train.h"
#include "vision/join.h"
#include "vision/parts.h"

#define ASSAY__LABEL_FOLDS 5

/** What labels taught; immutable, any number of threads may use it. */
struct assay__labels {
	const struct assay_allocator *allocator;
	struct assay__head *head;
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

/**
 * Cross-validates the head in folds by part, and joins it with the bank if that is better (then report->used, and *out
 * is the caller's; else *out is NULL and the bank judges alone). joined_q8[count] gets every example's score in
 * cross-validation, that of the bank if labels are not used: what the threshold is to be calibrated with.
 * Neither threads nor the order of examples change a bit. `labour` as in parts.h. Errors: NOMEM, CANCELLED, ARGUMENT
 * (no good or no defective example).
 */
int assay__labels_learn(const struct assay__example *examples, int count, int dim, double overkill, enum assay_isa isa,
						const struct assay__labour *labour, const struct assay_allocator *allocator,
						uint32_t *joined_q8, struct assay__labels **out, struct assay__labels_report *report,
						struct assay_error *error);
/** NULL is fine. */
void assay__labels_close(struct assay__labels *labels);

/**
 * Judges one picture: vectors of its `cells` inspected cells, their places in the map (`where`, NULL: in order), and
 * what the bank made of it. Raises map where the head sees more; returns the joined score. `logits` is work memory
 * for `cells`. Labels NULL: nothing changes. Allocates nothing.
 */
uint32_t assay__labels_judge(const struct assay__labels *labels, const int8_t *vectors, int cells, const int32_t *where,
							 uint32_t bank_q8, int32_t *logits_q12, uint32_t *map_q8);

/** Bytes of stored labels, and their form: the join, then the head; little endian. */
size_t assay__labels_bytes(int dim);
void assay__labels_encode(const struct assay__labels *labels, uint8_t *bytes);
/** Errors: FORMAT, NOMEM. */
int assay__labels_decode(const uint8_t *bytes, size_t size, int dim, enum assay_isa isa,
						 const struct assay_allocator *allocator, struct assay__labels **out,
						 struct assay_error *error);

/**
 * Which part a picture shows, by its file name: what stands before "__" in it ("housing17__top.png" and
 * "housing17__side.png" are one part), else the name without its ending. Returns the length; *start is within path.
 */
size_t assay__labels_group(const char *path, const char **start);

#endif
