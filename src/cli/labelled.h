/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of labelled defects: pictures, their kinds by folder, and where the defect is if a file beside says so. */
#ifndef ASSAY_SRC_CLI_LABELLED_H
#define ASSAY_SRC_CLI_LABELLED_H

#include "assay/recipe.h"
#include "base/json.h"
#include "cli/files.h"

/** Zero it before first use. */
struct assay__labelled {
	struct assay__files files;
	char **kinds;				  /**< of each file: the folder in the folder given, or NULL if it lies in none */
	struct assay_defects defects; /**< as teaching wants them; ctx is this struct */
};

/**
 * Lists the pictures in a folder and its folders, without what lies in folder `skip` of it (nullable). NAME_mask.png
 * beside NAME.* is no picture but its mask; NAME.boxes, lines "x y width height", says it in boxes. Names every
 * unreadable picture on standard error when teaching meets it. Errors: as assay__files_collect, IO (no picture).
 */
int assay__labelled_open(const char *folder, const char *skip, struct assay__labelled *out, struct assay_error *error);

/** Keeps `count` of them, chosen by a fixed seed; all if there are no more. */
void assay__labelled_sample(struct assay__labelled *labelled, int count);

/** Frees everything and zeroes *labelled. */
void assay__labelled_close(struct assay__labelled *labelled);

/** What came of labels, as a sentence without a full stop. `out` gets at most 200 bytes. */
void assay__labels_text(const struct assay_label_report *report, char out[200]);
/** The member "labels" of a JSON object; null without any. */
void assay__labels_json(struct assay__json *json, const struct assay_label_report *report);

#endif
