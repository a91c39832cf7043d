/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a worker. */
#ifndef ASSAY_SRC_VISION_INSPECT_H
#define ASSAY_SRC_VISION_INSPECT_H

#include "vision/recipe.h"

struct assay_worker {
	const struct assay_recipe *recipe;
	struct assay__workspace *space;
	uint8_t *zone_cells; /**< of the recipe's zones; NULL: none */
};

#endif
