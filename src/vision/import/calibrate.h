/* SPDX-License-Identifier: Apache-2.0 */
/* What the model in float says of pictures, and what follows from it: grids, gains, and how far the integers are off. */
#ifndef ASSAY_SRC_VISION_IMPORT_CALIBRATE_H
#define ASSAY_SRC_VISION_IMPORT_CALIBRATE_H

#include "vision/import/model.h"

struct assay__calibration;

/**
 * Runs the model on the pictures. Borrows everything until close; *out is the caller's. Errors: ARGUMENT (no picture
 * could be read), LIMIT (memory), CANCELLED, NOMEM.
 */
int assay__calibration_open(const struct assay__model *model, const struct assay__import_options *options,
							const struct assay_parts *pictures, const struct assay__labour *labour,
							const struct assay_allocator *allocator, struct assay__calibration **out,
							struct assay__import_report *report, struct assay_error *error);
void assay__calibration_close(struct assay__calibration *calibration);

/** The step of least squared error of every tensor. Errors: CANCELLED. */
int assay__calibration_grids(struct assay__calibration *calibration, struct assay__grid *grids,
							 struct assay_error *error);

/** Gains that bring each channel of the taps to units of 1/24 of its deviation. */
void assay__calibration_gains(const struct assay__calibration *calibration, const struct assay__grid *grids,
							  uint16_t gains[ASSAY__MAX_TAPS][ASSAY__MAX_CHANNELS]);

/** Runs the integer network on the same pictures and fills report's errors and signals. Errors: of load, NOMEM. */
int assay__calibration_compare(struct assay__calibration *calibration, const struct assay__net *net,
							   const struct assay__grid *grids, struct assay__import_report *report,
							   struct assay_error *error);

#endif
