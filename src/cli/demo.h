/* SPDX-License-Identifier: Apache-2.0 */
/* The work of the demo that is shared out among threads: rendering, saving, judging, drawing. */
#ifndef ASSAY_SRC_CLI_DEMO_H
#define ASSAY_SRC_CLI_DEMO_H

#include "cli/common.h"
#include "cli/progress.h"
#include "cli/report.h"

struct assay__demo {
	const struct assay__setup *setup;
	const char *folder;
	int good;		/**< parts 0..good-1 of the line are taught */
	int working_px; /**< for teaching */
	struct assay__progress *progress;
	/* filled by open */
	int width_px, height_px;
	struct assay__virtual_line *line;
	char (*names)[24]; /**< of the good parts, for messages */
};

/** Opens the line. Errors: ARGUMENT, NOMEM. */
int assay__demo_open(struct assay__demo *demo, const struct assay__virtual_options *options, struct assay_error *error);
void assay__demo_close(struct assay__demo *demo);

/** Makes the folder; takes away the pictures, and only those, that an earlier demo left there. Errors: IO, NOMEM. */
int assay__demo_folders(const struct assay__demo *demo, struct assay_error *error);

/** images/train/good. Errors: IO, NOMEM, CANCELLED. */
int assay__demo_save_good(struct assay__demo *demo, struct assay_error *error);

/** For struct assay_parts, ctx being the demo: good part `index`, rendered. Thread safe. */
int assay__demo_load(void *ctx, int index, const struct assay_allocator *allocator, struct assay_image *image,
					 struct assay_error *error);
const char *assay__demo_name(void *ctx, int index);

/** Renders, saves and judges report->parts, the parts good.. of the line; fills them and pixel_auroc. Errors: as above.
 */
int assay__demo_inspect(struct assay__demo *demo, const struct assay_recipe *recipe, struct assay__report *report,
						struct assay_error *error);

/** The pictures of the report for the parts chosen. Errors: as above. */
int assay__demo_draw(struct assay__demo *demo, const struct assay_recipe *recipe, const struct assay__report *report,
					 struct assay_error *error);

#endif
