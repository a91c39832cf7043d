/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the record: for pages, export and replay. Connections of their own; they block no writer and change nothing. */
#ifndef ASSAY_SRC_STATION_RECORD_QUERY_H
#define ASSAY_SRC_STATION_RECORD_QUERY_H

#include "station/record/stored.h"

/** One thread at a time. */
struct assay__reader;

/** Errors: IO, FORMAT, UNSUPPORTED, NOMEM. *out is the caller's. */
int assay__reader_open(const char *state_dir, struct assay__reader **out, struct assay_error *error);
void assay__reader_close(struct assay__reader *reader);

/** Which parts; zero fields do not restrict. Texts are borrowed during a call. */
struct assay__part_filter {
	uint64_t first, last;	/**< sequences, inclusive */
	int64_t from_us, to_us; /**< wall time, to_us exclusive */
	unsigned verdicts;		/**< bit 1 << ASSAY_PASS, ... */
	const char *code;		/**< exactly */
	const char *code_begin; /**< what the code begins with */
	const char *recipe;		/**< by name, exactly */
	uint32_t score_least_q8, score_most_q8;
	bool challenge; /**< only challenge parts */
	bool newest_first;
};

/** A row of a page. */
struct assay__part_line {
	uint64_t sequence;
	int64_t wall_us, latency_us;
	enum assay_verdict verdict;
	enum assay__fault fault;
	uint32_t score_q8, threshold_q8;
	double p_value;
	int view_count;
	bool challenge;
	char code[ASSAY__PART_CODE_CHARS], recipe_name[ASSAY__NAME_CHARS], reason[ASSAY__REASON_CHARS];
};

/**
 * Up to `most` rows by number from *cursor (0: the start) on. Sets *count, and *cursor to what gets the next page, 0 at
 * the end. Errors: IO, FORMAT, NOMEM.
 */
int assay__query_page(struct assay__reader *reader, const struct assay__part_filter *filter, uint64_t *cursor,
					  struct assay__part_line *lines, int most, int *count, struct assay_error *error);

/** Everything about one part. Errors: ARGUMENT if there is none, FORMAT, IO. */
int assay__query_part(struct assay__reader *reader, uint64_t sequence, struct assay__stored_part *part,
					  struct assay_error *error);

/** How a part is held in the chain. */
struct assay__part_seal {
	uint64_t link;
	uint8_t before[ASSAY_HASH_BYTES], hash[ASSAY_HASH_BYTES]; /**< of the link before and of this one */
	uint64_t signed_link;									  /**< first signed link from this one on, 0: none yet */
	int64_t signed_us;
	uint8_t public_key[32], signature[64];
};

/** Errors: ARGUMENT if there is none, FORMAT, IO, NOMEM. */
int assay__query_seal(struct assay__reader *reader, uint64_t sequence, struct assay__part_seal *seal,
					  struct assay_error *error);

/** Calls `each` with every part of the filter, by number, until it returns non-zero, which is then returned. */
int assay__query_each(struct assay__reader *reader, const struct assay__part_filter *filter,
					  int (*each)(void *ctx, const struct assay__stored_part *part, struct assay_error *error),
					  void *ctx, struct assay_error *error);

struct assay__part_counts {
	uint64_t pass, fail, fault;
	int64_t latency_most_us;
};

/** Counts in `count` intervals of step_us from from_us on, by wall time. Errors: ARGUMENT, IO. */
int assay__query_counts(struct assay__reader *reader, int64_t from_us, int64_t step_us,
						struct assay__part_counts *counts, int count, struct assay_error *error);

/** Up to `most` events, newest first, with links below *cursor (0: all), of one kind (nullable: all). As assay__query_page. */
int assay__query_events(struct assay__reader *reader, const char *kind, uint64_t *cursor,
						struct assay__stored_event *events, int most, int *count, struct assay_error *error);

/** "17", "10-20", "10-", "-20" or "all" into first and last. Errors: ARGUMENT; anything else is taken as a part code by the verbs. */
int assay__query_range(const char *text, struct assay__part_filter *filter, struct assay_error *error);

/** "2026-11-24", "2026-11-24T10:30" or "2026-11-24T10:30:05", UTC, perhaps with Z, to microseconds. Errors: ARGUMENT. */
int assay__query_time(const char *text, int64_t *wall_us, struct assay_error *error);

/** The same back: "2026-11-24T10:30:05.123456Z". */
#define ASSAY__TIME_CHARS 40
void assay__query_time_text(int64_t wall_us, char out[ASSAY__TIME_CHARS]);

#endif
