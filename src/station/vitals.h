/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vitals of a running station: a thread of its own, behind the record, measures one part at a time of those that come by, and rests
 * fifty times as long (`cpu`); nobody ever waits for it. What it finds is told, never judged by.
 */
#ifndef ASSAY_SRC_STATION_VITALS_H
#define ASSAY_SRC_STATION_VITALS_H

#include "station/vital_watch.h"

struct assay__frame;
struct assay__pipeline;
struct assay__vitals;

/** The section `vitals:`. */
struct assay__vitals_settings {
	bool watch;
	int parts;
	double light, clipped, tilt, focus, shift_px, run_length, cpu;
};

/** One camera with the recipe it showed last. */
struct assay__vitals_state {
	bool watching; /**< false: told not to, or no part measured yet; then all else is empty */
	bool learned;
	enum assay__vital_cause cause;
	int reference_parts, reference_wanted;
	uint64_t parts; /**< measured since the reference */
	double rank, evidence, evidence_limit;
	struct assay__vital_reading readings[ASSAY__VITAL_MEASURES];
	char text[200]; /**< one line for people */
};

/** *out stays NULL if the configuration says so. Errors: NOMEM. */
int assay__vitals_open(struct assay__pipeline *pipeline, struct assay__vitals **out, struct assay_error *error);

/* NULL is fine for all of the following. */
int assay__vitals_start(struct assay__vitals *vitals, struct assay_error *error);
/** From the shelf: takes a hold of the frame if a part is wanted now. */
void assay__vitals_offer(struct assay__vitals *vitals, struct assay__frame *frame);
void assay__vitals_read(struct assay__vitals *vitals, int camera, struct assay__vitals_state *out);
void assay__vitals_renew(struct assay__vitals *vitals, int camera);
/** Ends the thread; frames are still there. */
void assay__vitals_close(struct assay__vitals *vitals);

#endif
