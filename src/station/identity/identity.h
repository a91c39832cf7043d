/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which part is which. The asker's code (PLC, HTTP, MQTT) comes first, then what was read from a picture, then what came with a
 * picture (a file's name), then one made from the template. A code that cannot be read costs nothing but an event.
 */
#ifndef ASSAY_SRC_STATION_IDENTITY_IDENTITY_H
#define ASSAY_SRC_STATION_IDENTITY_IDENTITY_H

#include "base/option.h"
#include "station/identity/codes.h"

/** The section `identity:`. */
struct assay__identity_settings {
	const char *template;
};
extern const struct assay__option assay__identity_options[];
extern const int assay__identity_option_count;

/**
 * Where {date} and {count} stand. The day only ever goes forward: a clock set back repeats no code. Survives in state_dir/identity,
 * which is on disk before the first code of a day is made.
 */
struct assay__identity_day {
	int date;		/**< as 20261124, local time; 0: none yet */
	uint64_t first; /**< {count} is sequence - first */
};

/** Errors: ARGUMENT: the template is wrong, or codes of it may be longer than fit. */
int assay__identity_check(const char *template, const char *station, size_t recipe_chars, struct assay_error *error);

/** Fills in a checked template. */
void assay__identity_make(const char *template, const char *station, const char *recipe, uint64_t sequence,
						  const struct assay__identity_day *day, char out[ASSAY__PART_CODE_CHARS]);

/** What is in state_dir (nullable); a file that is not as it was written counts as none. */
void assay__identity_load(const char *state_dir, struct assay__identity_day *day);

/** If the wall clock has reached a later day: writes it and returns true with *day changed; `sequence` is the last one given. */
bool assay__identity_turn(const char *state_dir, int64_t wall_us, uint64_t sequence, struct assay__identity_day *day);

#endif
