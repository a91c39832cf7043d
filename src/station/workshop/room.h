/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the workshop: workshop.c (its door and thread), jobs.c (what it does), trial.c, tray.c and install.c. */
#ifndef ASSAY_SRC_STATION_WORKSHOP_ROOM_H
#define ASSAY_SRC_STATION_WORKSHOP_ROOM_H

#include <pthread.h>
#include <stdatomic.h>

#include "station/workshop/install.h"
#include "station/workshop/workshop.h"

#define ASSAY__WORKSHOP_PATH_CHARS 4096

struct assay__workshop {
	struct assay__station *station;
	const char *state_dir;
	char candidate[ASSAY__WORKSHOP_PATH_CHARS], tray_dir[ASSAY__WORKSHOP_PATH_CHARS];
	pthread_t thread;
	bool thread_runs;
	atomic_bool cancel;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t wake;
	bool closing, asked;
	struct assay__workshop_state state;
	char file[256]; /**< that the candidate may take the place of */
	struct assay__flip flips[ASSAY__FLIPS_MOST];
	int flip_count;
	struct assay__tray_item tray[ASSAY__TRAY_MOST];
	uint8_t tray_hashes[ASSAY__TRAY_MOST][ASSAY_HASH_BYTES];
	int tray_count, tray_last;
};

/** Tells how far the job is; returns non-zero once it is to end. */
int assay__workshop_tell(struct assay__workshop *workshop, const char *stage, int done, int total);

/* jobs.c: each fills *state and, but for COLLECT, writes the candidate. Errors: of what they call, CANCELLED. */
int assay__job_run(struct assay__workshop *workshop, struct assay__workshop_state *state, struct assay_error *error);

/** trial.c: judges the newest stored parts with the candidate and compares. Fills state and workshop->flips. */
int assay__trial_run(struct assay__workshop *workshop, struct assay__workshop_state *state, struct assay_error *error);
/** Last words on all parts, by sequence; from malloc, the caller's. */
int assay__trial_words(struct assay__workshop *workshop, struct assay__word **out, int *count,
					   struct assay_error *error);

/* tray.c */
int assay__tray_open(struct assay__workshop *workshop, struct assay_error *error);
void assay__tray_path(const struct assay__workshop *workshop, int number, char out[ASSAY__WORKSHOP_PATH_CHARS]);
/** Adds without asking whether a job runs; under no lock. Errors: as assay__tray_add, less FULL. */
int assay__tray_put(struct assay__workshop *workshop, const struct assay_image *image, int *number,
					struct assay_error *error);
/** Measures what is new in the tray, in idle time; returns when done or cancelled. */
void assay__tray_measure(struct assay__workshop *workshop);
bool assay__tray_unmeasured(const struct assay__workshop *workshop);

#endif
