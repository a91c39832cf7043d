/* SPDX-License-Identifier: Apache-2.0 */
/* The record in forms others read: CSV, and folders of pictures in the layout of the MVTec data sets. */
#ifndef ASSAY_SRC_STATION_RECORD_EXPORT_H
#define ASSAY_SRC_STATION_RECORD_EXPORT_H

#include <stdio.h>

#include "station/record/query.h"

/**
 * Writes one line a part (RFC 4180, a heading line first, UTF-8, times in UTC) to `stream`. *count: parts.
 * A text that a spreadsheet would take for a formula gets an apostrophe in front. Errors: IO, FORMAT, NOMEM.
 */
int assay__export_csv(struct assay__reader *reader, const struct assay__part_filter *filter, FILE *stream,
					  uint64_t *count, struct assay_error *error);

struct assay__export_counts {
	uint64_t train_good, test_good, defect, challenge;
	uint64_t without_picture; /**< parts or views left out: no file */
};

/**
 * Copies kept pictures to folder/train/good and folder/test/good (PASS; train_share of them, 0..1, evenly spread, to
 * train), test/defect (FAIL) and test/challenge (known-bad parts, whatever the verdict), as NUMBER-VIEW.png.
 * Never overwrites. Errors: IO, FORMAT, NOMEM.
 */
int assay__export_folders(const char *state_dir, struct assay__reader *reader, const struct assay__part_filter *filter,
						  const char *folder, double train_share, struct assay__export_counts *counts,
						  struct assay_error *error);

#endif
