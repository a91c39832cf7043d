/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the pipeline, shared by its rooms: gate.c, workers.c, door.c, shelf.c, and pipeline.c, which joins them. */
#ifndef ASSAY_SRC_STATION_ROOMS_H
#define ASSAY_SRC_STATION_ROOMS_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/pool.h"
#include "base/queue.h"
#include "station/challenge.h"
#include "station/identity/identity.h"
#include "station/pipeline.h"
#include "station/recipes.h"
#include "station/vitals.h"

#define ASSAY__WORKER_RECIPES 8 /**< recipes a worker keeps warm */
#define ASSAY__LOST_KEPT 256

struct assay__frame;

/** One view of a part, waiting in the hall. */
struct assay__view_job {
	struct assay__frame *frame;
	int view;
	bool code; /**< look for a code in it, in place of inspecting it */
};

/**
 * A part in the house. Until it is claimed, nobody but the cameras and workers writes to `part`; whoever claims it (the last worker,
 * the camera whose picture did not come, the deadline) answers it, once. A slip is a frame without pixels.
 */
struct assay__frame {
	struct assay__part part;
	struct assay__part late; /**< the answer if the deadline claimed it; `part` may still be written to then */
	struct assay__recipe_set *set;
	const struct assay__product *product;
	/* of the pipeline's lock: */
	bool slip, claimed, posted, is_late;
	bool unread;						/**< is_late, but only its code was: `late` has the verdict of its views */
	bool has_picture[ASSAY__MAX_VIEWS]; /**< its camera is done with it, well or not */
	int views_left; /**< pieces of work: pictures to be taken and inspected, codes to be looked for */
	int codes_left; /**< of these, the codes */
	int users;
	bool code_came_along; /**< the part's code is a file's name: one that is read goes before it */
	/* */
	uint8_t *pixels[ASSAY__MAX_VIEWS];
	uint32_t *maps[ASSAY__MAX_VIEWS];
	struct assay__view_job jobs[ASSAY__MAX_VIEWS], code_jobs[ASSAY__MAX_VIEWS];
	struct assay__code_found codes[ASSAY__MAX_VIEWS]; /**< NONE: nobody looked */
};

struct assay__camera {
	struct assay__pipeline *pipeline;
	const struct assay__config_item *item;
	struct assay__source *source;
	int index;
	bool leads; /**< its pictures are triggers */
	size_t picture_bytes, map_cells;
	const struct assay__code_settings *code; /**< NULL: none is looked for */
	pthread_t thread;
	bool running;
	pthread_cond_t asked_cond;
	struct assay__frame *asked;		/**< of the lock */
	enum assay__source_state state; /**< of the lock */
	int64_t start_us;
	atomic_int_fast64_t beat_us;
};

struct assay__timer {
	struct assay__pipeline *pipeline;
	const struct assay__trigger_settings *settings;
	pthread_t thread;
	bool running;
};

struct assay__inspector {
	struct assay__pipeline *pipeline;
	struct assay__recipe_set *set; /**< of what is open below */
	struct {
		int file; /**< in the set; -1: none */
		uint64_t used;
		struct assay_worker *worker;
	} warm[ASSAY__WORKER_RECIPES];
	uint64_t clock;
	struct assay__code_reader *codes; /**< NULL: no camera's pictures have any */
	pthread_t thread;
	bool running;
	atomic_bool busy;
	atomic_int_fast64_t beat_us;
};

struct assay__doorway {
	const struct assay__config_item *item;
	struct assay__output *output; /**< of the door's lock; NULL: closed */
};

struct assay__pipeline {
	const struct assay__config *config;
	const struct assay__archive_ops *archive_ops;
	struct assay__archive *archive;
	struct assay__events *events;
	int64_t deadline_us, start_us;
	int limit; /**< parts between trigger and the end of their inspection */
	bool free_run;
	struct assay__pool *frames, *slips;
	struct assay__queue *hall;

	pthread_mutex_t lock;
	pthread_cond_t deadline_cond, shelf_cond, slip_cond, idle_cond, timer_cond, recorded_cond;
	bool started, stopping, cameras_end, deadline_end, shelf_end;
	struct assay__recipe_set *set;
	int product;
	char operator_name[ASSAY__NAME_CHARS];
	bool dated; /**< names have {date} or {count} */
	struct assay__identity_day day;
	struct assay__challenge *challenge; /**< NULL: none is configured; its state is of the lock */
	struct {
		uint64_t count;	  /**< codes not read since the last event about it */
		int64_t event_us; /**< when that was, 0: never */
		char text[ASSAY__EVENT_TEXT_MAX];
	} unread;
	int in_flight;
	/* parts from the trigger to the shelf, in order of sequence; part n at n % capacity, head <= open <= tail */
	struct assay__frame **ledger;
	uint64_t ledger_capacity, ledger_head, ledger_open, ledger_tail;
	uint64_t sequence, recorded_sequence, put_count;
	uint64_t lost[ASSAY__LOST_KEPT], lost_count; /**< the last sequences that were answered but could not be recorded */
	struct assay__counters counts;				 /**< since start */
	struct assay__counters before;				 /**< from the record, at start */
	struct assay__station_stats stats;			 /**< the fields that are counted up */

	pthread_mutex_t door_lock;
	struct assay__doorway doors[ASSAY__MAX_OUTPUTS];
	int door_count;

	pthread_mutex_t window_lock;
	struct assay__frame *latest[ASSAY__MAX_VIEWS];
	uint64_t generation[ASSAY__MAX_VIEWS];

	struct assay__camera cameras[ASSAY__MAX_VIEWS];
	int camera_count;
	struct assay__timer timers[ASSAY__MAX_TRIGGERS];
	int timer_count;
	struct assay__inspector *inspectors;
	int inspector_count;
	struct assay__vitals *vitals; /**< NULL: nobody watches */
	pthread_t deadline_thread, shelf_thread;
	bool deadline_running, shelf_running;
	atomic_int_fast64_t deadline_beat_us, shelf_beat_us;
};

/* gate.c */
int assay__gate_open(struct assay__pipeline *pipeline, struct assay_error *error);
int assay__gate_start(struct assay__pipeline *pipeline, struct assay_error *error);
/** Ends timers and, if `all`, the cameras too. */
void assay__gate_stop(struct assay__pipeline *pipeline, bool all);
void assay__gate_close(struct assay__pipeline *pipeline);

/* workers.c */
int assay__workers_start(struct assay__pipeline *pipeline, struct assay_error *error);
void assay__workers_stop(struct assay__pipeline *pipeline);

/* door.c */
/** The last view of a part is done: answers it unless the deadline has; gives up the inspection's hold on the frame. */
void assay__answer_conclude(struct assay__pipeline *pipeline, struct assay__frame *frame);
/** Counts an answer; with the lock. */
void assay__answer_count(struct assay__pipeline *pipeline, struct assay__part *part);
/** Posts an answer to all outputs and watchers. */
void assay__answer_post(struct assay__pipeline *pipeline, const struct assay__part *part);
/** Posts, then lets the shelf have the frame. */
void assay__answer_give(struct assay__pipeline *pipeline, struct assay__frame *frame, const struct assay__part *part);
void *assay__deadline_main(void *pipeline);

/* naming.c */
/** The part's code at its trigger; with the lock. */
void assay__naming_begin(struct assay__pipeline *pipeline, struct assay__part *part, const char *code);
/** A code that came with a picture; `named`: it is only a file's name. */
void assay__naming_came(struct assay__pipeline *pipeline, struct assay__frame *frame, const char *code, bool named);
/** What was read becomes the part's, and is counted; with the lock. */
void assay__naming_settle(struct assay__pipeline *pipeline, struct assay__frame *frame, struct assay__part *part);
/** Notes in `part` that reading was not over in time; with the lock. */
void assay__naming_late(struct assay__pipeline *pipeline, struct assay__part *part);
/** Opens what names need. */
void assay__naming_open(struct assay__pipeline *pipeline);
/** The watcher's: turns the day, tells of codes not read. */
void assay__naming_watch(struct assay__pipeline *pipeline);

/* shelf.c */
void *assay__shelf_main(void *pipeline);
void assay__shelf_recorded(void *pipeline, uint64_t sequence, const uint8_t hash[ASSAY_HASH_BYTES]);

/* pipeline.c */
/**
 * A trigger. `brought`: NULL, or a frame whose first view already has its picture, which is taken if the part is accepted and
 * replaced by an empty one. Returns the accepted frame, or NULL when it was answered FAULT.
 */
struct assay__frame *assay__pipeline_enter(struct assay__pipeline *pipeline, enum assay__trigger_kind kind,
										   uint64_t trigger_id, const char *code, int64_t trigger_us,
										   struct assay__frame **brought, uint64_t *sequence);
/**
 * A stored challenge part: a frame with all its pictures. NONE: it is on its way and the pipeline's; else why not, and nothing has
 * happened.
 */
enum assay__fault assay__pipeline_inject(struct assay__pipeline *pipeline, struct assay__frame *frame, const char *code,
										 char why[160]);
/** The camera is done with a view: to the hall, or concluded if it is a fault already. */
void assay__pipeline_view_taken(struct assay__pipeline *pipeline, struct assay__frame *frame, int view);
/** One user less; the last one gives the frame back. */
void assay__frame_drop(struct assay__pipeline *pipeline, struct assay__frame *frame);
/** An empty frame of the pool, or NULL. */
struct assay__frame *assay__frame_take(struct assay__pipeline *pipeline);
void assay__pipeline_event(struct assay__pipeline *pipeline, const char *kind, const char *format, ...)
	ASSAY_PRINTF(3, 4);
/** A thread that blocks all signals. Errors: IO. */
int assay__thread_start(pthread_t *thread, void *(*run)(void *), void *arg, const char *name,
						struct assay_error *error);

#endif
