/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STATION.yaml, checked against the option tables of everything it names. Relative paths are relative to the folder of the file.
 */
#ifndef ASSAY_SRC_STATION_CONFIG_H
#define ASSAY_SRC_STATION_CONFIG_H

#include <stdio.h>

#include "base/option.h"
#include "station/challenge.h"
#include "station/identity/identity.h"
#include "station/output/output.h"
#include "station/source/source.h"

#define ASSAY__CONFIG_MAX_BYTES (1 << 20)
#define ASSAY__MAX_RECIPES 256
#define ASSAY__MAX_OUTPUTS 32
#define ASSAY__MAX_TRIGGERS 16
#define ASSAY__MAX_CODES ASSAY__MAX_VIEWS

/** The section `station:`. */
struct assay__station_settings {
	const char *name, *state_dir, *recipe;
	int deadline_ms, workers, hall, frames, slips, drain_ms, stale_ms, events;
	bool keep_record;
};

/** One of `recipes:`. */
struct assay__recipe_settings {
	const char *file, *camera;
};

/** One of `triggers:`. */
struct assay__trigger_settings {
	double rate_hz;
	int delay_ms;
};

/** The settings of a section that is one table: `record:`, `http:`. */
struct assay__option_table {
	const struct assay__option *rows;
	int count;
	size_t settings_size;
};

/** One entry of a list. */
struct assay__config_item {
	const char *name; /**< unique in its list, except in recipes; generated from the type if not given */
	int line;
	const struct assay__source_ops *source; /**< of cameras */
	const struct assay__output_ops *output; /**< of outputs */
	enum assay__trigger_kind trigger;		/**< of triggers: FREE, TIMER or SOFTWARE */
	void *settings;							/**< of its table */
};

struct assay__config_list {
	struct assay__config_item *items;
	int count;
};

struct assay__config {
	const char *path, *folder;
	struct assay__station_settings station;
	struct assay__identity_settings identity;
	const struct assay__challenge_settings *challenge; /**< NULL: the section is not there */
	struct assay__config_list recipes, cameras, triggers, outputs;
	struct assay__config_list codes; /**< of struct assay__code_settings */
	bool has_http;					 /**< the section is there */
	void *record;					 /**< of assay__record_table, defaults where the section says nothing */
	void *http;						 /**< of assay__http_table */
	void *vitals;					 /**< of assay__vitals_table */
	struct assay__arena *arena;
};

/** Called for every error found, in the order of the file. */
struct assay__config_complaints {
	void (*say)(void *ctx, const char *message);
	void *ctx;
};

/**
 * Reads and checks a configuration; goes on after an error, so that `complaints` (nullable) hears all of them. Files named in it
 * are not opened. *out is the caller's. Errors: IO, NOMEM, FORMAT (not YAML), ARGUMENT (settings; *error holds the first).
 */
int assay__config_load(const char *path, const struct assay__config_complaints *complaints, struct assay__config **out,
					   struct assay_error *error);

/** As above from text; `path` is for messages and for relative paths. */
int assay__config_parse(const char *path, const char *text, size_t size,
						const struct assay__config_complaints *complaints, struct assay__config **out,
						struct assay_error *error);

/** NULL is fine. */
void assay__config_close(struct assay__config *config);

/** docs/station.md: all tables. */
void assay__config_print_markdown(FILE *stream);

/* Tables of the sections, each beside what it sets. */
extern const struct assay__option_table assay__station_table, assay__recipe_table, assay__trigger_table;
struct assay__option_table assay__record_table(void); /**< record/ owns the rows */
extern const struct assay__option_table assay__http_table, assay__vitals_table;
extern const struct assay__option_table assay__identity_table, assay__code_table, assay__challenge_table;

#endif
