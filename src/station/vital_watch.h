/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vitals of one camera with one recipe: what its good parts measured at first, how far the latest are from it, and the cause in words.
 * Pure: no clock, no thread. docs/vitals.md tells the rules for people.
 *
 * Camera and light: exponentially weighted moving averages with the share 1/20 (Roberts, Control chart tests based on geometric moving
 * averages, Technometrics 1, 1959). A measure is out if its average is further from the mean of the `parts` reference parts than
 * the tolerated change, and further than 6 standard deviations of that difference, sd sqrt(1/39 + 1/parts).
 *
 * Process: each score's rank among all scores before it, ties split evenly at random, is a p-value; if good parts are exchangeable,
 * those are independent and uniform whatever the scores' distribution (Vovk, Gammerman, Shafer, Algorithmic Learning in a Random
 * World, 2005). Eight bets 1 + e (p - 1/2) on them, each as the conformal Shiryaev-Roberts statistic S <- (S + 1) bet (Vovk,
 * Petej, Nouretdinov, Ahlberg, Carlsson, Gammerman, Retrain or not retrain, COPA 2021); their mean grows by 1 a part without a
 * change, so that at least `run_length` good parts pass between two false alarms on average.
 */
#ifndef ASSAY_SRC_STATION_VITAL_WATCH_H
#define ASSAY_SRC_STATION_VITAL_WATCH_H

#include <stdio.h>

#include "vision/vital.h"

#define ASSAY__VITAL_PARTS_MOST 1000
#define ASSAY__VITAL_SCORES 4096 /**< classes of scores, 1/16 wide */
#define ASSAY__VITAL_BETS 8
#define ASSAY__VITAL_CONFIRM 20 /**< good parts in a row before a cause is told, or taken back */
#define ASSAY__VITAL_FAILS 20	/**< that many FAILs in a row are a changed scene, and measured as well */

enum assay__vital_measure {
	ASSAY__VITAL_LIGHT,
	ASSAY__VITAL_CLIPPED,
	ASSAY__VITAL_TILT_X,
	ASSAY__VITAL_TILT_Y,
	ASSAY__VITAL_FALLOFF,
	ASSAY__VITAL_FOCUS,
	ASSAY__VITAL_SHIFT_X,
	ASSAY__VITAL_SHIFT_Y,
	ASSAY__VITAL_MEASURES
};

/** In order of precedence: what comes first explains what comes after. */
enum assay__vital_cause {
	ASSAY__VITAL_FINE,
	ASSAY__VITAL_MOVED,	  /**< "the camera moved" */
	ASSAY__VITAL_BLURRED, /**< "focus is going" */
	ASSAY__VITAL_LAMP,	  /**< "the lamp ages" */
	ASSAY__VITAL_PROCESS, /**< "the process changed" */
	ASSAY__VITAL_CAUSES
};

/** Short stable names: "light", …; "fine", "camera", "focus", "lamp", "process". */
const char *assay__vital_measure_name(enum assay__vital_measure measure);
const char *assay__vital_cause_name(enum assay__vital_cause cause);

struct assay__vital_limits {
	int parts;		/**< of the reference, 20..1000 */
	double light;	/**< tolerated change of the mean brightness, as a share of it */
	double clipped; /**< of the share of clipped pixels */
	double tilt;	/**< of the light between opposite halves, as a share of their sum; and of centre over borders */
	double focus;	/**< of the sharpness, as a share of it */
	double shift_px;
	double run_length; /**< good parts between false alarms of the process, on average */
};

/** What was measured when all was well. */
struct assay__vital_reference {
	int parts;
	double mean[ASSAY__VITAL_MEASURES], sd[ASSAY__VITAL_MEASURES];
	double bin_x_px, bin_y_px;
	int columns, rows;
	uint16_t column_q8[ASSAY__VITAL_BINS], row_q8[ASSAY__VITAL_BINS]; /**< of its first part: where shifts count from */
	uint16_t scores[ASSAY__VITAL_PARTS_MOST];						  /**< classes */
};

struct assay__vital_watch {
	struct assay__vital_limits limits;
	struct assay__vital_reference reference; /**< complete once `learned` */
	bool learned;
	double average[ASSAY__VITAL_MEASURES]; /**< moving; while learning the sums of value and square */
	double square[ASSAY__VITAL_MEASURES];
	uint64_t parts; /**< measured since the reference */
	uint32_t pool[ASSAY__VITAL_SCORES];
	uint64_t pool_count;
	double bets[ASSAY__VITAL_BETS], rank; /**< moving average of p, 1/2 without a change */
	uint64_t random;
	int fails; /**< in a row */
	enum assay__vital_cause told, candidate;
	int held; /**< parts in a row that `candidate` has been found */
};

/** Starts to learn. */
void assay__vital_watch_start(struct assay__vital_watch *watch, const struct assay__vital_limits *limits);

/** Goes on from a reference that was kept; false if it cannot be one. */
bool assay__vital_watch_resume(struct assay__vital_watch *watch, const struct assay__vital_limits *limits,
							   const struct assay__vital_reference *reference);

/** Whether this part is to be measured: PASS, and FAIL once there are many in a row. Called for every part judged. */
bool assay__vital_watch_wants(struct assay__vital_watch *watch, enum assay_verdict verdict);

/** One measured part. Returns whether the cause told has changed. */
bool assay__vital_watch_add(struct assay__vital_watch *watch, const struct assay__vital *vital,
							const struct assay_rect_px *area, uint32_t score_q8);

/** One measure as it stands. All in the measure's unit; `limit` is of the difference. */
struct assay__vital_reading {
	double now, reference, limit;
	bool out;
};
void assay__vital_watch_read(const struct assay__vital_watch *watch, enum assay__vital_measure measure,
							 struct assay__vital_reading *out);
/** The mean of the bets, whose limit is run_length. */
double assay__vital_watch_evidence(const struct assay__vital_watch *watch);

/** One line for people: cause, numbers, limit. */
void assay__vital_watch_text(const struct assay__vital_watch *watch, char *text, size_t size);

/** A reference as lines of text, and back; false if it is damaged or not one. */
bool assay__vital_reference_write(const struct assay__vital_reference *reference, FILE *out);
bool assay__vital_reference_read(struct assay__vital_reference *reference, FILE *in);

#endif
