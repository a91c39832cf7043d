/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people said of recorded parts: reviews.db in state_dir, beside the record it speaks of. Reviews are only ever added; a
 * later one of the same person takes the place of his earlier one, and one that is withdrawn stays on file as such.
 */
#ifndef ASSAY_SRC_STATION_REVIEW_REVIEWS_H
#define ASSAY_SRC_STATION_REVIEW_REVIEWS_H

#include "station/record/query.h"

#define ASSAY__REVIEWER_CHARS 49
#define ASSAY__KIND_CHARS 49
#define ASSAY__NOTE_CHARS 257
#define ASSAY__MARKS_MOST 32
#define ASSAY__MARK_POINTS_MOST 512
#define ASSAY__REVIEWERS_MOST 16 /**< whose agreement is told */

enum assay__judgement { ASSAY__JUDGED_GOOD, ASSAY__JUDGED_BAD, ASSAY__JUDGED_UNSURE, ASSAY__JUDGEMENTS };
/** "good", "bad", "unsure". */
const char *assay__judgement_name(enum assay__judgement judgement);
bool assay__judgement_from_name(const char *name, enum assay__judgement *out);

/** A mark on a view's picture, in its pixels: a box, or a brush's stroke. */
struct assay__mark {
	int view;
	int radius_px;			 /**< of the brush; 0: a box from points[0] to points[1], the latter excluded */
	int first_point, points; /**< of the list of points */
};

struct assay__marks {
	int count, points;
	struct assay__mark marks[ASSAY__MARKS_MOST];
	int32_t x[ASSAY__MARK_POINTS_MOST], y[ASSAY__MARK_POINTS_MOST];
};

struct assay__review {
	uint64_t id; /**< rises; given by the store */
	uint64_t sequence;
	int64_t wall_us;
	enum assay__judgement judgement;
	bool withdrawn;
	char reviewer[ASSAY__REVIEWER_CHARS];
	char kind[ASSAY__KIND_CHARS]; /**< of the defect; empty: not named */
	char note[ASSAY__NOTE_CHARS];
	struct assay__marks marks;
};

/** Two people and the parts both judged good or bad. */
struct assay__agreement {
	char first[ASSAY__REVIEWER_CHARS], second[ASSAY__REVIEWER_CHARS];
	uint64_t both_good, both_bad, only_first_bad, only_second_bad;
	double kappa; /**< Cohen 1960; NaN if chance alone would agree always, or there are no parts */
};

struct assay__review_counts {
	uint64_t parts, good, bad, unsure; /**< by the latest word of all */
	uint64_t overkill;				   /**< FAIL, and said to be good */
	uint64_t escapes;				   /**< PASS, and said to be bad */
	uint64_t disputed;				   /**< people differ */
};

/** One thread at a time. */
struct assay__reviews;

/** Creates the file where there is none. *out is the caller's. Errors: IO, FORMAT, UNSUPPORTED, NOMEM, ARGUMENT. */
int assay__reviews_open(const char *state_dir, struct assay__reviews **out, struct assay_error *error);
void assay__reviews_close(struct assay__reviews *reviews);

/** Adds one; durable on return. Fills id. Errors: ARGUMENT (the record has no such part, or no view of a mark), IO, NOMEM. */
int assay__reviews_add(struct assay__reviews *reviews, struct assay__review *review, struct assay_error *error);

/** Withdraws the newest of this person about this part. Errors: ARGUMENT if there is none, IO. */
int assay__reviews_withdraw(struct assay__reviews *reviews, uint64_t sequence, const char *reviewer, int64_t wall_us,
							struct assay_error *error);

/**
 * Newest first, of one part or (sequence 0) of all; with `latest` only those that stand. Up to `most` from below *cursor (0: all);
 * sets *cursor to what gets the next page, 0 at the end. Errors: IO, FORMAT.
 */
int assay__reviews_page(struct assay__reviews *reviews, uint64_t sequence, bool latest, uint64_t *cursor,
						struct assay__review *list, int most, int *count, struct assay_error *error);

/** Why a part is worth a look. */
enum assay__worth {
	ASSAY__WORTH_DISPUTED, /**< people differ about it */
	ASSAY__WORTH_NEAR,	   /**< its score is near its threshold */
	ASSAY__WORTH_UNLIKE,   /**< its score is far above everything judged so far */
	ASSAY__WORTHS
};
const char *assay__worth_name(enum assay__worth worth);

struct assay__queued {
	struct assay__part_line part;
	enum assay__worth worth;
	double nearness; /**< |score - threshold| / threshold */
};

/**
 * Parts that this person has not judged, with pictures still kept, of the last ASSAY__QUEUE_WINDOW: first the disputed, then two
 * near the threshold for each that stands out. Up to `most`. Errors: IO.
 */
#define ASSAY__QUEUE_WINDOW 20000
int assay__reviews_queue(struct assay__reviews *reviews, const char *reviewer, struct assay__queued *list, int most,
						 int *count, struct assay_error *error);

int assay__reviews_counts(struct assay__reviews *reviews, struct assay__review_counts *counts,
						  struct assay_error *error);

/** The last word on a part, of all people. */
struct assay__word {
	uint64_t sequence;
	enum assay__judgement judgement;
};
/** All last words by sequence; *out (NULL if there are none) is from malloc and the caller's. Errors: IO, NOMEM. */
int assay__reviews_words(struct assay__reviews *reviews, struct assay__word **out, int *count,
						 struct assay_error *error);

/** Pairs of people with at least one part in common, most parts first. Errors: IO. */
int assay__reviews_agreement(struct assay__reviews *reviews, struct assay__agreement *list, int most, int *count,
							 struct assay_error *error);

/** Cohen's kappa of a 2x2 table: (p_o - p_e) / (1 - p_e). */
double assay__kappa(const struct assay__agreement *table);

#endif
