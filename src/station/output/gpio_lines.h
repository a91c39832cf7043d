/* SPDX-License-Identifier: Apache-2.0 */
/* Digital output lines: libgpiod 1 or 2 behind one face, and the plan of pulses, which needs neither. */
#ifndef ASSAY_SRC_STATION_OUTPUT_GPIO_LINES_H
#define ASSAY_SRC_STATION_OUTPUT_GPIO_LINES_H

#include <stdbool.h>

#include "assay/base.h"

#define ASSAY__GPIO_LINES 8
#define ASSAY__GPIO_PULSES 256

struct assay__gpio;

/** How lines are reached; tests bring their own. */
struct assay__gpio_ops {
	/** Takes `count` lines as outputs, all inactive at first. Errors: IO, NOMEM; the message names chip and line. */
	int (*open)(const char *chip, const unsigned *lines, int count, bool active_low, struct assay__gpio **out,
				struct assay_error *error);
	/** Errors: IO. */
	int (*set)(struct assay__gpio *gpio, int index, bool active);
	/** Sets all lines inactive and gives them back. */
	void (*close)(struct assay__gpio *gpio);
};

extern const struct assay__gpio_ops assay__gpio_real;

/** When a line is to be active: ordered stretches of time, overlapping ones merged. Zeroed: none. */
struct assay__pulses {
	struct {
		int64_t from_us, until_us;
	} at[ASSAY__GPIO_PULSES];
	int count;
};

/** Adds a pulse, in any order: verdicts need not come in the order of their triggers. False: no room. */
bool assay__pulses_add(struct assay__pulses *pulses, int64_t from_us, int64_t length_us);
/** Whether the line is active at now_us; *next_us becomes the moment of the next change, -1 for none. Forgets what is past. */
bool assay__pulses_level(struct assay__pulses *pulses, int64_t now_us, int64_t *next_us);

#endif
