/* SPDX-License-Identifier: Apache-2.0 */
/* Options of teach, checked and completed. */
#ifndef ASSAY_SRC_VISION_TEACH_H
#define ASSAY_SRC_VISION_TEACH_H

#include "vision/recipe.h"

/** Fills defaults in (options nullable). Errors: ARGUMENT, naming the option, its value and its range. */
int assay__settings_from(const struct assay_teach_options *options, struct assay__settings *out,
						 struct assay_error *error);

#endif
