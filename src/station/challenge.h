/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Challenge parts: known-bad ones that must all be FAIL before production may begin. The rule is this file's; what it means for a
 * frame is pipeline.c's. docs/challenge.md says it to people.
 */
#ifndef ASSAY_SRC_STATION_CHALLENGE_H
#define ASSAY_SRC_STATION_CHALLENGE_H

#include <pthread.h>

#include "base/option.h"
#include "station/part.h"

#define ASSAY__CHALLENGE_SHIFTS 24
#define ASSAY__CHALLENGE_RESULTS 32

enum assay__challenge_mode { ASSAY__CHALLENGE_PICTURES, ASSAY__CHALLENGE_PARTS, ASSAY__CHALLENGE_BOTH };

/** The section `challenge:`. */
struct assay__challenge_settings {
	int mode; /**< enum assay__challenge_mode */
	const char *folder, *shifts;
	int parts, max_age_min, within_s;
	bool on_start, on_recipe;
};
extern const struct assay__option assay__challenge_options[];
extern const int assay__challenge_option_count;

/** Moments of the day, minutes after local midnight. */
struct assay__challenge_shifts {
	int count, minutes[ASSAY__CHALLENGE_SHIFTS];
};
/** "06:00,14:00"; empty: none. Errors: ARGUMENT. */
int assay__challenge_shifts_read(const char *text, struct assay__challenge_shifts *out, struct assay_error *error);
/** The first such moment after wall_us, or INT64_MAX. */
int64_t assay__challenge_shifts_next(const struct assay__challenge_shifts *shifts, int64_t wall_us);

/** When all were last caught. */
struct assay__challenge_pass {
	int64_t wall_us, clock_us; /**< clock_us 0: never */
	uint8_t recipe[ASSAY_HASH_BYTES];
};

/** Why the parts are due by now, or NULL: shift, age, a clock that went back by two seconds or more since. Pure. */
const char *assay__challenge_demand(const struct assay__challenge_settings *settings,
									const struct assay__challenge_shifts *shifts,
									const struct assay__challenge_pass *pass, int64_t wall_us, int64_t clock_us,
									char text[96]);

/**
 * What a restart finds in state_dir/challenge: a pass of this boot of the machine, or none. A machine that was off has no clock
 * that could be trusted.
 */
void assay__challenge_load(const char *state_dir, struct assay__challenge_pass *pass);
/** On disk on return. Errors: IO. */
int assay__challenge_keep(const char *state_dir, const struct assay__challenge_pass *pass, struct assay_error *error);

struct assay__pipeline;

/** One known-bad part and what became of it. */
struct assay__challenge_result {
	uint64_t sequence;
	bool caught;
	enum assay_verdict verdict;
	char code[ASSAY__PART_CODE_CHARS];
};

/** For windows. */
struct assay__challenge_status {
	bool on;	  /**< the section is there */
	bool due;	  /**< triggers are FAULT challenge */
	bool running; /**< pictures are being shown, or parts are awaited */
	bool pictures_caught, parts_caught;
	enum assay__challenge_mode mode;
	int demanded, shown, answered, caught;	   /**< of the run that runs or ran last */
	uint64_t runs, failed_runs, parts, missed; /**< since start */
	int64_t passed_wall_us, next_wall_us;	   /**< 0: never; INT64_MAX: no shift */
	char why[160];							   /**< why due, one line; else empty */
	int result_count;
	struct assay__challenge_result results[ASSAY__CHALLENGE_RESULTS]; /**< of that run, the first ones */
};

/** The state; all but thread and settings of the pipeline's lock. */
struct assay__challenge {
	const struct assay__challenge_settings *settings;
	struct assay__challenge_shifts shifts;
	struct assay__challenge_pass pass;
	struct assay__challenge_status status;
	bool physical;	  /**< of a run */
	bool wanted;	  /**< a run of pictures is to begin */
	bool failed;	  /**< the run has missed one */
	bool told;		  /**< the event about `due` is out */
	int64_t until_us; /**< of a run of parts, monotonic */
	uint64_t last_sequence;
	uint64_t generation; /**< of demands: a run that began before the newest one does not answer it */
	uint64_t run_generation;
	int64_t checked_us;
	pthread_cond_t changed;
	pthread_t thread;
	bool thread_running;
};

enum assay__challenge_ask { ASSAY__CHALLENGE_BEGIN, ASSAY__CHALLENGE_CANCEL };

/* For pipeline.c; with the lock unless said otherwise. All are fine where there is no such section. */
/** Without the lock; before anything moves. */
int assay__challenge_open(struct assay__pipeline *pipeline, struct assay_error *error);
int assay__challenge_start(struct assay__pipeline *pipeline, struct assay_error *error);
/** Without the lock; no run goes on. */
void assay__challenge_stop(struct assay__pipeline *pipeline);
void assay__challenge_close(struct assay__pipeline *pipeline);
/** True if a trigger now is FAULT challenge; `why` says why. */
bool assay__challenge_blocks(struct assay__pipeline *pipeline, char why[160]);
/** True if an accepted trigger now is a challenge part; counts it as shown. */
bool assay__challenge_takes(struct assay__pipeline *pipeline);
/** The verdict of a challenge part: one that is PASS is turned to FAULT, so that it does not leave as good. */
void assay__challenge_judge(struct assay__part *part);
void assay__challenge_note(struct assay__pipeline *pipeline, const struct assay__part *part);
/** Another recipe is in place. */
void assay__challenge_recipe(struct assay__pipeline *pipeline);

/** Without the lock. Errors: ARGUMENT (no such section, a run is under way, or none is). */
int assay__challenge_ask(struct assay__pipeline *pipeline, enum assay__challenge_ask ask, const char *who,
						 struct assay_error *error);
/** Without the lock. */
bool assay__challenge_is_due(struct assay__pipeline *pipeline);
void assay__challenge_tell(struct assay__pipeline *pipeline, struct assay__challenge_status *out);

#endif
