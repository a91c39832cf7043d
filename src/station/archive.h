/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the pipeline asks of a record: the record room itself (record/), or the one that keeps nothing. Adding one is a file that ends
 * in a `const struct assay__archive_ops`.
 */
#ifndef ASSAY_SRC_STATION_ARCHIVE_H
#define ASSAY_SRC_STATION_ARCHIVE_H

#include "station/output/output.h"

struct assay__archive;

struct assay__archive_need {
	const char *state_dir; /**< exists */
	const char *station;
	const void *settings; /**< of assay__record_table */
	void *ctx;			  /**< for the hooks, which any thread may call, never from within close */
	void (*recorded)(void *ctx, uint64_t sequence, const uint8_t hash[ASSAY_HASH_BYTES]);
	void (*event)(void *ctx, const char *kind, const char *text);
};

struct assay__archive_ops {
	/** *need is copied. Errors: any; the message says what is wrong. */
	int (*open)(const struct assay__archive_need *need, struct assay__archive **out, struct assay_error *error);
	/** The number of the next trigger, from 1, never given twice. Quick: called under the pipeline's lock. */
	uint64_t (*next)(struct assay__archive *archive);
	/**
	 * Takes a copy of a part, in order of sequence, from one thread. Errors: FULL: without `final` it is offered again a little
	 * later; with it, or CLOSED, the record notes a gap in its place.
	 */
	int (*put)(struct assay__archive *archive, const struct assay__part *part, bool final);
	/** False while nothing can be kept: triggers are then answered FAULT record. Cheap. */
	bool (*ok)(struct assay__archive *archive);
	void (*event)(struct assay__archive *archive, const char *kind, const char *text);
	/** Waits until all that was put is durable: true; or until timeout_ms has passed. */
	bool (*flush)(struct assay__archive *archive, int timeout_ms);
	/** Called for every recipe before it judges. */
	int (*keep_recipe)(struct assay__archive *archive, const struct assay_recipe *recipe, struct assay_error *error);
	/** Counts since the first day; latencies are left alone. */
	void (*totals)(struct assay__archive *archive, struct assay__counters *out);
	/** One line for people. */
	void (*state)(struct assay__archive *archive, char out[160]);
	/** Errors: IO if a part could not be kept. */
	int (*close)(struct assay__archive *archive, int drain_ms, struct assay_error *error);
};

/** Keeps nothing and has always just done so: for tests, trials and `keep_record: no`. */
extern const struct assay__archive_ops assay__archive_null;

/** The record room. */
extern const struct assay__archive_ops assay__archive_record;

#endif
