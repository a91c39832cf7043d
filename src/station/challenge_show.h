/* SPDX-License-Identifier: Apache-2.0 */
/* Stored pictures of known-bad parts, put through the whole station. */
#ifndef ASSAY_SRC_STATION_CHALLENGE_SHOW_H
#define ASSAY_SRC_STATION_CHALLENGE_SHOW_H

#include "station/challenge.h"

#define ASSAY__CHALLENGE_PICTURES_MOST 500

/** Names, ascending; of pictures, or with several cameras of folders. */
struct assay__challenge_pictures {
	char folder[4096];
	char (*names)[256];
	int count;
};

/** Errors: IO, FORMAT (there are none), LIMIT, NOMEM. *out is fine to free also after a failure. */
int assay__challenge_pictures_list(const char *folder, const char *recipe, int cameras,
								   struct assay__challenge_pictures *out, struct assay_error *error);
void assay__challenge_pictures_free(struct assay__challenge_pictures *pictures);

/**
 * Puts one part in; its verdict comes to assay__challenge_note. Waits while the house is full, until until_us. Errors: of reading
 * the pictures, LIMIT (they do not fit), and FULL: the station takes none now.
 */
int assay__challenge_show(struct assay__pipeline *pipeline, const struct assay__challenge_pictures *pictures, int index,
						  int64_t until_us, struct assay_error *error);

#endif
