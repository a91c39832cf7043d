/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happened, for whoever watches: a ring of numbered events. Writers never wait for readers; a reader that is too slow loses the
 * oldest and is told how many.
 */
#ifndef ASSAY_SRC_STATION_EVENTS_H
#define ASSAY_SRC_STATION_EVENTS_H

#include "station/part.h"

#define ASSAY__EVENT_KIND_MAX 32
#define ASSAY__EVENT_TEXT_MAX 256

/** The verdict fields are filled for kind "verdict" only. */
struct assay__event {
	uint64_t number; /**< from 1, without gaps */
	int64_t wall_us;
	char kind[ASSAY__EVENT_KIND_MAX]; /**< "verdict", "recorded", "ready", "recipe", "camera", "record", "output", … */
	char text[ASSAY__EVENT_TEXT_MAX]; /**< one line for people */
	uint64_t sequence, trigger_id;
	enum assay__trigger_kind trigger;
	enum assay_verdict verdict;
	enum assay__fault fault;
	bool challenge;					 /**< a challenge part: no production */
	uint32_t score_q8, threshold_q8; /**< of the worst view */
	int region_count, worst_view;	 /**< index of the worst view */
	int64_t latency_us;				 /**< trigger to verdict */
	char code[ASSAY__PART_CODE_CHARS];
	char recipe[ASSAY__NAME_CHARS];
};

struct assay__events;

/** Keeps the last `capacity` (at least 1) events. *out is the caller's. Errors: ARGUMENT, NOMEM, IO (no lock). */
int assay__events_open(int capacity, const struct assay_allocator *allocator, struct assay__events **out,
					   struct assay_error *error);

/** NULL is fine. Nobody may be reading. */
void assay__events_close(struct assay__events *events);

/** Numbers and keeps a copy of *event, whose number is ignored; wakes readers. Thread safe, allocates nothing. */
void assay__events_add(struct assay__events *events, const struct assay__event *event);

/** The number the next event will get. Thread safe. */
uint64_t assay__events_next(struct assay__events *events);

/**
 * Copies at most `most` events from number *cursor on, which moves behind the last one. If none is there waits up to timeout_ms
 * (0: not at all, negative: until one comes or assay__events_wake). *lost (nullable) becomes the number of events that are gone
 * because the reader was too slow. Returns how many were copied. Thread safe.
 */
int assay__events_read(struct assay__events *events, uint64_t *cursor, struct assay__event *out, int most,
					   uint64_t *lost, int timeout_ms);

/** Lets all waiting readers return, now and later: the station is ending. */
void assay__events_wake(struct assay__events *events);

#endif
