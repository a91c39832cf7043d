/* SPDX-License-Identifier: Apache-2.0 */
/* What the demo found out, as a table, as JSON and as a page to open. */
#ifndef ASSAY_SRC_CLI_REPORT_H
#define ASSAY_SRC_CLI_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "assay/recipe.h"
#include "station/source/virtual_line.h"

/** One inspected part. */
struct assay__report_part {
	uint64_t index; /**< on the line */
	char name[32];	/**< "crack/0073": below images/test, without ".png" */
	struct assay__virtual_truth truth;
	enum assay_verdict verdict;
	uint32_t score_q8;
	double inspect_ms;
	bool located;  /**< a marked place overlaps the defect */
	bool pictured; /**< report/<file>.jpg and report/<file>_map.jpg are to exist, file being assay__report_file */
};

/** One kind of defect; index 0 is the good parts, for which `caught` counts false alarms. */
struct assay__report_kind {
	int parts, caught, located;
	double weakest_caught;	 /**< contrast, grey levels; NaN if none */
	double strongest_missed; /**< as above */
};

struct assay__report {
	const char *folder; /**< as the user named it */
	uint64_t seed;
	int width_px, height_px, threads, working_px;
	const char *isa;
	const struct assay_recipe_info *info;
	double teach_s;
	struct assay__report_part *parts;
	int part_count;
	double pixel_auroc;
	/* filled by assay__report_count */
	struct assay__report_kind kinds[ASSAY__VIRTUAL_KINDS];
	int defects, escapes;
	double auroc, inspect_ms_p50, inspect_ms_p99;
	struct {
		int parts, caught;
	} by_severity[5]; /**< of fifths of the severity */
	struct {
		double contrast, size_px;
	} median[2];						/**< of defects missed (0) and caught (1); NaN if none */
	double overkill_low, overkill_high; /**< Clopper-Pearson 95 % of the false alarms; NaN without good parts */
};

/** Counts; then chooses the parts worth a picture. Errors: NOMEM. */
int assay__report_count(struct assay__report *report, struct assay_error *error);

/** The table on standard output. */
void assay__report_print(const struct assay__report *report);

/** One JSON object on standard output. Returns 0, or the exit status after saying why not. */
int assay__report_print_json(const struct assay__report *report);

/** "crack-0073" for a part "crack/0073". Returns out. */
const char *assay__report_file(const struct assay__report_part *part, char out[32]);

/** Writes the page beside `path` and renames it there. Errors: NOMEM, IO. */
int assay__report_write(const struct assay__report *report, const char *path, struct assay_error *error);

/* Between the files of the report. */

/** The same in English and in Chinese; the page shows one of them. No markup is escaped. */
void assay__report_both(FILE *out, const char *english, const char *chinese);
extern const char assay__report_style[];
/** Scores of good and defective parts against the threshold, and what was caught by severity, as inline SVG. */
void assay__report_histogram(FILE *out, const struct assay__report *report);
void assay__report_severities(FILE *out, const struct assay__report *report);
/** Plain names of a kind. */
const char *assay__report_kind_english(enum assay__virtual_kind kind);
const char *assay__report_kind_chinese(enum assay__virtual_kind kind);

#endif
