/* SPDX-License-Identifier: Apache-2.0 */
/* Sums over stored parts for the quality page: one pass over an index, in constant memory, whatever the length of the record. */
#ifndef ASSAY_SRC_STATION_RECORD_QUALITY_H
#define ASSAY_SRC_STATION_RECORD_QUALITY_H

#include "station/record/stored.h"

#define ASSAY__QUALITY_STEPS_MOST 400
#define ASSAY__QUALITY_BINS 160
#define ASSAY__QUALITY_GRID_WIDTH 24
#define ASSAY__QUALITY_GRID_HEIGHT 18

/** A connection of its own; one thread at a time. */
struct assay__quality_reader;

struct assay__quality_ask {
	int64_t from_us, to_us; /**< wall time, to_us excluded; from_us < to_us */
	int steps;				/**< equal intervals to count in, 0..ASSAY__QUALITY_STEPS_MOST */
	const char *recipe;		/**< by name, exactly; NULL: all */
};

struct assay__quality_counts {
	uint64_t pass, fail, fault;
};

/** Where the worst regions of rejected parts lie, one picture kind a camera. */
struct assay__quality_place {
	char camera[ASSAY__NAME_CHARS];
	uint32_t cells[ASSAY__QUALITY_GRID_HEIGHT][ASSAY__QUALITY_GRID_WIDTH];
};

/** Challenge parts are counted apart: they say how the station is, not how the parts are. */
struct assay__quality {
	struct assay__quality_counts total;
	uint64_t challenge, challenge_caught;
	uint64_t by_fault[ASSAY__FAULT_COUNT];
	struct assay__quality_counts steps[ASSAY__QUALITY_STEPS_MOST];
	uint32_t threshold_q8; /**< of the newest judged part, 0: none */
	uint32_t threshold_least_q8, threshold_most_q8;
	/** Scores of PASS and FAIL; bin i holds [i, i + 1) * bin_q8, the last one all above too. */
	uint32_t bin_q8;
	uint64_t bins_pass[ASSAY__QUALITY_BINS], bins_fail[ASSAY__QUALITY_BINS];
	int place_count;
	struct assay__quality_place places[ASSAY__MAX_VIEWS];
};

/** Errors: IO, FORMAT, UNSUPPORTED, NOMEM. *out is the caller's. */
int assay__quality_open(const char *state_dir, struct assay__quality_reader **out, struct assay_error *error);
void assay__quality_close(struct assay__quality_reader *reader);

/** Fills *out. Errors: ARGUMENT (an interval that is none), IO. */
int assay__quality_sum(struct assay__quality_reader *reader, const struct assay__quality_ask *ask,
					   struct assay__quality *out, struct assay_error *error);

#endif
