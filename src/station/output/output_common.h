/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every output is made of: a copied verdict, a bounded queue of them in front of an own thread, health, and waiting longer after
 * every failure. The queue is the only thing the pipeline touches.
 */
#ifndef ASSAY_SRC_STATION_OUTPUT_COMMON_H
#define ASSAY_SRC_STATION_OUTPUT_COMMON_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/json.h"
#include "station/output/output.h"

#define ASSAY__VERDICT_REGIONS 8

/** What an output keeps of a part: everything but pictures and score maps. Same meanings as in struct assay__part. */
struct assay__verdict {
	uint64_t sequence, trigger_id;
	enum assay__trigger_kind trigger;
	enum assay_verdict verdict;
	enum assay__fault fault;
	bool code_generated, challenge;
	enum assay__code_state code_state;
	enum assay__symbology code_symbology;
	bool recorded; /**< the record is on disk, record_hash is set */
	uint8_t record_hash[ASSAY_HASH_BYTES];
	char code[ASSAY__PART_CODE_CHARS];
	char operator_name[ASSAY__NAME_CHARS];
	char recipe_name[ASSAY__NAME_CHARS];
	char reason[192];
	int64_t trigger_us, verdict_us, wall_us, latency_us;
	int64_t posted_us;				 /**< when the output got it, monotonic */
	uint32_t score_q8, threshold_q8; /**< of the view whose score is largest against its threshold */
	int regions_total;				 /**< over all views */
	int view_count;
	struct {
		char camera[ASSAY__NAME_CHARS];
		enum assay_verdict verdict;
		enum assay__fault fault;
		uint32_t score_q8, threshold_q8;
		int regions_total;
	} views[ASSAY__MAX_VIEWS];
	int region_count; /**< the first ones of each view in turn, at most ASSAY__VERDICT_REGIONS */
	struct {
		int view;
		struct assay_region region; /**< its zone is NULL: the recipe may be gone by then */
		char zone[ASSAY__NAME_CHARS];
		double mm_per_px;
	} regions[ASSAY__VERDICT_REGIONS];
};

/** Copies what an output keeps; texts are cut at their arrays' ends. */
void assay__verdict_from_part(const struct assay__part *part, struct assay__verdict *out);

/**
 * Appends the verdict as one JSON object, schema in docs/mqtt.md. Memory trouble is remembered by the writer.
 * `station` is the station's name.
 */
void assay__verdict_json(const struct assay__verdict *verdict, const char *station, struct assay__json *json);

/** Waits that double from first_ms to last_ms, with a spread of a quarter so that forty stations do not come back as one. */
struct assay__backoff {
	int first_ms, last_ms, next_ms;
	uint32_t spread;
};
void assay__backoff_reset(struct assay__backoff *backoff);
/** How long to wait now. */
int assay__backoff_next_ms(struct assay__backoff *backoff);

/** Base of every output. Set up by assay__door_open, then private. */
struct assay__door {
	const char *name;
	const struct assay__station_port *port;
	const struct assay_allocator *allocator;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	int wake_fd; /**< an eventfd for threads that wait in poll */
	struct assay__verdict *ring;
	int capacity, head, count;
	bool wait_for_record;
	int64_t record_wait_us;
	bool stopping;
	int64_t drain_until_us;
	bool up;
	uint64_t posted, sent, lost;
	int64_t lost_event_us;
	char state[96];
	pthread_t thread;
	bool running;
};

/**
 * Queue of `capacity` verdicts. With record_wait_ms > 0 a verdict is handed on only once it is recorded, or after that time.
 * Nothing is kept on failure. Errors: NOMEM, IO.
 */
int assay__door_open(struct assay__door *door, const char *name, const struct assay__station_port *port, int capacity,
					 int record_wait_ms, struct assay_error *error);
/** Starts run(arg) with all signals blocked. Errors: IO. */
int assay__door_start(struct assay__door *door, void *(*run)(void *arg), void *arg, struct assay_error *error);
/** Tells the thread to end within drain_ms and waits for it. */
void assay__door_stop(struct assay__door *door, int drain_ms);
/** Frees the queue; the thread must have ended. */
void assay__door_close(struct assay__door *door);

/** Copies the part into the queue and wakes the thread. A full queue counts the part as lost and raises an event. */
void assay__door_post(struct assay__door *door, const struct assay__part *part);
void assay__door_recorded(struct assay__door *door, uint64_t sequence, const uint8_t record_hash[ASSAY_HASH_BYTES]);
void assay__door_health(struct assay__door *door, struct assay__output_health *out);

/**
 * Copies the oldest verdict that may be handed on, without taking it. Waits until deadline_us (0: not at all, -1: for ever).
 * False: none came in time, or the door is stopping and none is left.
 */
bool assay__door_peek(struct assay__door *door, int64_t deadline_us, struct assay__verdict *out);
/** Takes what assay__door_peek showed. */
void assay__door_take(struct assay__door *door);
/** How long until the oldest verdict may be handed on: 0 now, -1 nothing is waiting. */
int assay__door_wait_ms(struct assay__door *door);
/** Empties wake_fd. */
void assay__door_woken(struct assay__door *door);

bool assay__door_stopping(struct assay__door *door);
/** The moment (monotonic) when a stopping door must be done; -1 while it is not stopping. */
int64_t assay__door_drain_until_us(struct assay__door *door);
/** Sleeps, but not past a stop. */
void assay__door_sleep(struct assay__door *door, int sleep_ms);

/** State for people; an event is raised when `up` changes. */
void assay__door_state(struct assay__door *door, bool up, const char *format, ...) ASSAY_PRINTF(3, 4);
void assay__door_count_sent(struct assay__door *door, uint64_t count);
/** Counts and raises an event, at most one every ten seconds. */
void assay__door_count_lost(struct assay__door *door, uint64_t count, const char *why);
void assay__door_event(struct assay__door *door, const char *kind, const char *format, ...) ASSAY_PRINTF(3, 4);

/** Reads the first line of a file with a secret. Errors: IO, LIMIT, FORMAT (empty). */
int assay__door_secret(const char *path, char *out, size_t size, struct assay_error *error);

#endif
