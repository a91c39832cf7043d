/* SPDX-License-Identifier: Apache-2.0 */
/* One line on standard error that says how far long work is and how long it will take; only on a terminal. */
#ifndef ASSAY_SRC_CLI_PROGRESS_H
#define ASSAY_SRC_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "assay/base.h"

struct assay__progress {
	struct assay_progress progress; /**< hand this to libassay, or call progress.report(progress.ctx, ...) yourself */
	bool shown;						/**< is standard error a terminal */
	bool drawn;						/**< is the line on the screen now */
	int64_t stage_start_us, last_draw_us;
	int stage_start_done, last_done;
	char stage[64];
};

/** Starts; draws nothing yet. One at a time, main thread only; *progress must stay where it is until close. */
void assay__progress_open(struct assay__progress *progress);
/** Takes the line away. */
void assay__progress_close(struct assay__progress *progress);
/** Takes the line of the progress under way, if any, off the screen before something else is written there. */
void assay__progress_hide(void);

#endif
