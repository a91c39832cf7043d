/* SPDX-License-Identifier: Apache-2.0 */
/* Wanted overkill against achieved, over random splits of all good parts of a data set. */
#ifndef ASSAY_SRC_CLI_SPLITS_H
#define ASSAY_SRC_CLI_SPLITS_H

#include <stdbool.h>

#include "cli/dataset.h"
#include "cli/teaching.h"

/**
 * Teaches `splits` times from `parts` (0: half) of train/good and test/good together, drawn by a fixed generator, and
 * counts the rejects among the rest at each wanted overkill, by score whatever the zones. Prints a table, or one JSON object. Returns the exit status.
 */
int assay__splits_run(const struct assay__setup *setup, const struct assay__teaching_settings *settings,
					  const struct assay__dataset *set, int splits, int parts, bool json);

#endif
