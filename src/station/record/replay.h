/* SPDX-License-Identifier: Apache-2.0 */
/* Re-judging stored parts with the recipes they were judged with, bit for bit. */
#ifndef ASSAY_SRC_STATION_RECORD_REPLAY_H
#define ASSAY_SRC_STATION_RECORD_REPLAY_H

#include "station/record/query.h"

enum assay__replay_outcome {
	ASSAY__REPLAY_IDENTICAL, /**< every kept and judged view gave the same bits */
	ASSAY__REPLAY_DIFFERENT, /**< at least one did not, or its picture or recipe is not the one recorded */
	ASSAY__REPLAY_SKIPPED,	 /**< nothing to replay: not judged, picture not kept, pruned or lost */
};

struct assay__replayed {
	enum assay__replay_outcome outcome;
	int views;		/**< that were judged again */
	char text[400]; /**< what differs, or why it was skipped */
};

struct assay__replay;

/** `env` as for assay_recipe_open, but without a network. *out is the caller's; one thread at a time. Errors: as assay__reader_open. */
int assay__replay_open(const char *state_dir, const struct assay_env *env, struct assay__replay **out,
					   struct assay_error *error);
void assay__replay_close(struct assay__replay *replay);

/**
 * Judges one stored part again and compares verdict, score, threshold, p-value, regions and the hash of the score map.
 * What is damaged or missing makes it DIFFERENT, with the reason in the text. Errors: NOMEM.
 */
int assay__replay_part(struct assay__replay *replay, const struct assay__stored_part *part, struct assay__replayed *out,
					   struct assay_error *error);

#endif
