/* SPDX-License-Identifier: Apache-2.0 */
/* The last part of the demo: a station of its own, with the recipe just taught. */
#ifndef ASSAY_SRC_CLI_DEMO_LIVE_H
#define ASSAY_SRC_CLI_DEMO_LIVE_H

#include "cli/common.h"

struct assay__demo_live {
	int seed, first; /**< of the line, and the part to go on with */
	int parts;		 /**< stop after so many; 0: on Ctrl-C */
	bool run;		 /**< false: only write station.yaml */
};

/** Writes FOLDER/station.yaml and runs it. Says what is wrong. Returns the exit status. */
int assay__demo_live(const char *folder, const struct assay__setup *setup, const struct assay__demo_live *live);

#endif
