/* SPDX-License-Identifier: Apache-2.0 */
/* A station in the foreground: from open to drained, with signals and systemd. */
#ifndef ASSAY_SRC_CLI_RUN_STATION_H
#define ASSAY_SRC_CLI_RUN_STATION_H

#include "station/station.h"

struct assay__run_wishes {
	int parts, seconds; /**< stop after so many triggers, so long; 0: when told to */
	bool summary;		/**< counts and latencies as JSON at the end */
	bool quiet;			/**< log only errors */
};

/** Runs until SIGTERM, SIGINT or a wish; SIGHUP reloads. Says what is wrong. Returns the exit status. */
int assay__run_station(const struct assay__config *config, const struct assay_env *env,
					   const struct assay__run_wishes *wishes);

#endif
