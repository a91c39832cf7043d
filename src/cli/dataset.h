/* SPDX-License-Identifier: Apache-2.0 */
/* A data set on disk in the usual layout: train/good, test/good, test/<defect>, ground_truth/<defect>/<name>_mask.png.
 */
#ifndef ASSAY_SRC_CLI_DATASET_H
#define ASSAY_SRC_CLI_DATASET_H

#include <stdbool.h>

#include "assay/base.h"
#include "cli/files.h"

/** "good", or a kind of defect, and which of the test pictures are of it. */
struct assay__kind {
	char *name;
	int first, count;
};

struct assay__dataset {
	char *name;				   /**< the folder's own name */
	struct assay__files train; /**< of train/good */
	struct assay__files test;  /**< kind by kind */
	struct assay__kind *kinds; /**< kinds[0] is good (perhaps without pictures), then the defects in byte order */
	int kind_count;
	char **masks; /**< path of the mask of each test picture, or NULL */
	int mask_count;
	int train_defect_folders; /**< train/<defect>: labelled defects */
};

/**
 * Lists a data set; reads no picture. `need_train` false: train/good may be missing. *out is the caller's.
 * Errors: IO (a folder is missing, unreadable or without pictures; the message says which), NOMEM.
 */
int assay__dataset_open(const char *path, bool need_train, struct assay__dataset *out, struct assay_error *error);

/** Frees everything and zeroes *dataset. */
void assay__dataset_close(struct assay__dataset *dataset);

/**
 * Loads a mask of width x height pixels: out[i] = 1 where it is above half its largest value, else 0; `count` is the
 * number of ones. *out is malloc'ed, the caller's. Errors: as assay_image_load; MISMATCH if it is of another size.
 */
int assay__mask_load(const char *path, int width_px, int height_px, uint8_t **out, int64_t *count,
					 struct assay_error *error);

#endif
