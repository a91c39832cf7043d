/* SPDX-License-Identifier: Apache-2.0 */
/* How parts lie, in words. */
#ifndef ASSAY_SRC_CLI_POSITION_H
#define ASSAY_SRC_CLI_POSITION_H

#include "assay/recipe.h"
#include "base/json.h"

/** "auto", "free", "fixed", in the order of enum assay_position, then NULL. */
extern const char *const assay__position_words[];

/** What was chosen and why, as a sentence without a full stop. `out` gets at most 240 bytes. */
void assay__position_text(const struct assay_position_info *info, char out[240]);

/** The member position: an object of wanted, chosen, why (the sentence), fit and spread (null if not measured). */
void assay__write_position(struct assay__json *json, const struct assay_position_info *info);

#endif
