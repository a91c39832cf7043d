/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a running station's recipes are made and changed: one job at a time on a thread of low priority. What it makes is a candidate,
 * tried on stored parts, that judges nothing until somebody activates it. Thread safe but for open and close.
 */
#ifndef ASSAY_SRC_STATION_WORKSHOP_WORKSHOP_H
#define ASSAY_SRC_STATION_WORKSHOP_WORKSHOP_H

#include "assay/learn.h"
#include "station/review/reviews.h"
#include "station/station.h"

#define ASSAY__TRAY_MOST 500
#define ASSAY__FLIPS_MOST 1000
#define ASSAY__TRIED_MOST 2000 /**< stored parts, the newest, that a candidate is tried on */

enum assay__job_kind { ASSAY__JOB_TEACH, ASSAY__JOB_LEARN, ASSAY__JOB_REVERT, ASSAY__JOB_COLLECT, ASSAY__JOBS };
/** "teach", "learn", "revert", "collect". */
const char *assay__job_name(enum assay__job_kind kind);

struct assay__job {
	enum assay__job_kind kind;
	char recipe[ASSAY__NAME_CHARS]; /**< of the station, whose file a candidate may take the place of */
	char author[ASSAY__REVIEWER_CHARS];
	double overkill_now;	/**< that the recipe states, filled by assay__workshop_begin */
	double overkill;		/**< wanted; 0: the default, or the recipe's */
	int smallest_defect_px; /**< TEACH; 0: none given */
	bool keep_suspects;		/**< TEACH */
	int step;				/**< REVERT: of the lineage, 0: as taught */
	int camera, count;		/**< COLLECT: so many pictures of this camera into the tray */
};

enum assay__workshop_phase {
	ASSAY__WORKSHOP_IDLE,
	ASSAY__WORKSHOP_RUNNING,
	ASSAY__WORKSHOP_READY,	/**< a candidate waits to be activated or discarded */
	ASSAY__WORKSHOP_FAILED, /**< text says why; nothing changed */
	ASSAY__WORKSHOP_PHASES
};
/** "idle", "running", "ready", "failed". */
const char *assay__workshop_phase_name(enum assay__workshop_phase phase);

/** A stored part that the candidate judges otherwise than the recipe in its place. */
struct assay__flip {
	uint64_t sequence;
	enum assay_verdict before, after;
	uint32_t before_q8, after_q8, threshold_q8; /**< the candidate's threshold */
	int label;									/**< enum assay__judgement, -1: nobody said */
};

/** What there is to tell of the job. */
struct assay__workshop_state {
	enum assay__workshop_phase phase;
	struct assay__job job; /**< running, or the last one */
	char stage[48];
	int done, total;
	char text[256]; /**< the outcome in a sentence, or why it failed */
	/* of a candidate */
	int goods, defects, vectors, suspects, unreadable;
	double overkill_stated;
	int parts_for_wanted;
	uint32_t threshold_before_q8, threshold_after_q8;
	uint8_t content_before[ASSAY_HASH_BYTES], content_after[ASSAY_HASH_BYTES];
	int tried, untried;					 /**< stored parts that it judged, and that could not be judged */
	int to_pass, to_fail;				 /**< verdicts flipped */
	int overkill_before, overkill_after; /**< of those that people called good, FAIL */
	int escapes_before, escapes_after;	 /**< of those that people called bad, PASS */
	int labelled_good, labelled_bad;
};

/** A good part offered for teaching. */
struct assay__tray_item {
	int number;						 /**< rises; names the picture */
	bool measured, novel;			 /**< novel: it shows what those before it did not */
	uint32_t score_q8, threshold_q8; /**< by a recipe of the parts before it */
};

struct assay__workshop;

/** `station` must outlive it. Makes state_dir/workshop. *out is the caller's. Errors: IO, NOMEM. */
int assay__workshop_open(struct assay__station *station, const char *state_dir, struct assay__workshop **out,
						 struct assay_error *error);
/** Cancels what runs, and waits for it. NULL is fine. */
void assay__workshop_close(struct assay__workshop *workshop);

/** File of a recipe on offer, and its present content hash; false if there is none of that name. */
bool assay__workshop_recipe(struct assay__workshop *workshop, const char *recipe, char file[256],
							uint8_t content_hash[ASSAY_HASH_BYTES], double *overkill);

/** Begins. Errors: ARGUMENT (no such recipe, camera or tray to teach from), FULL (a job runs, or a candidate waits). */
int assay__workshop_begin(struct assay__workshop *workshop, const struct assay__job *job, struct assay_error *error);
void assay__workshop_cancel(struct assay__workshop *workshop);
void assay__workshop_state(struct assay__workshop *workshop, struct assay__workshop_state *out);

/** Copies up to `most` flips from `from` on, those that contradict people first; returns how many there are. */
int assay__workshop_flips(struct assay__workshop *workshop, int from, struct assay__flip *out, int most);

/** Puts the candidate in its recipe's place between frames; the old file stays as FILE.before. Errors: ARGUMENT (none waits), IO, of reload. */
int assay__workshop_activate(struct assay__workshop *workshop, const char *who, struct assay_error *error);
/** Errors: ARGUMENT if none waits. */
int assay__workshop_discard(struct assay__workshop *workshop, struct assay_error *error);

/** Adds a picture to the tray. Errors: LIMIT (full), ARGUMENT (already there, pixel by pixel), FULL (a job runs), IO, NOMEM. */
int assay__tray_add(struct assay__workshop *workshop, const struct assay_image *image, int *number,
					struct assay_error *error);
/** Errors: ARGUMENT (no such picture; 0 removes all), FULL. */
int assay__tray_remove(struct assay__workshop *workshop, int number, struct assay_error *error);
/** Fills at most `most`, oldest first; returns how many there are. */
int assay__tray_list(struct assay__workshop *workshop, struct assay__tray_item *out, int most);
/** *image is the caller's, for assay_image_free with NULL. Errors: ARGUMENT, IO, FORMAT, NOMEM. */
int assay__tray_picture(struct assay__workshop *workshop, int number, struct assay_image *image,
						struct assay_error *error);

#endif
