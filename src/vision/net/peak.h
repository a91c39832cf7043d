/* SPDX-License-Identifier: Apache-2.0 */
/* What a core could do at most: the arithmetic of the kernels without their memory. Whoever calls reads the clock. */
#ifndef ASSAY_SRC_VISION_NET_PEAK_H
#define ASSAY_SRC_VISION_NET_PEAK_H

#include <stdint.h>

#include "assay/recipe.h"

/**
 * Runs the widest exact multiply-accumulate that the kernels of an instruction set use, in registers alone, `rounds`
 * times (at least 1) on each of a dozen or so independent sums. `isa` is one that this CPU has. Returns how many
 * multiply-accumulates that were; 0, at once, where there is no such instruction.
 */
int64_t assay__peak_run(enum assay_isa isa, int64_t rounds);

#endif
