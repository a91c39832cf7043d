/* SPDX-License-Identifier: Apache-2.0 */
/* Teaching as the verbs do it: one set of options, files in, recipe out, every loss named. */
#ifndef ASSAY_SRC_CLI_TEACHING_H
#define ASSAY_SRC_CLI_TEACHING_H

#include <stdbool.h>
#include <stddef.h>

#include "assay/recipe.h"
#include "base/json.h"
#include "cli/common.h"
#include "cli/files.h"
#include "cli/position.h"

struct assay__teaching_settings {
	int working_px, smallest_defect_px, bank_size, folds, white_level;
	double overkill, light_tolerance;
	struct assay_rect_px roi;
	const char *mask, *zones;
	double mm_per_px;	 /**< 0: not known */
	const char *network; /**< a name built in, or a file; NULL: ASSAY_NET, else the default */
	bool grey, scale, exposure, keep_suspects;
	int keep_mb; /**< room for pictures stored with the recipe; 0: none */
	enum assay_position position;
	const struct assay_defects *defects; /**< labelled; NULL: none. Not an option: the verb lists them */
};

/** The rows of an option table for a field `member` of `owner` that is a struct assay__teaching_settings. */
#define ASSAY__TEACHING_OPTIONS(owner, member, scale_fallback)                                                         \
	{.name = "overkill",                                                                                               \
	 .type = ASSAY__OPTION_PERCENT,                                                                                    \
	 .fallback = "0.5%",                                                                                               \
	 .min = 0.00001,                                                                                                   \
	 .max = 0.2,                                                                                                       \
	 .help = "share of good parts you accept to see rejected; few parts support no small one, the report says what "   \
			 "they do support",                                                                                        \
	 .offset = offsetof(owner, member.overkill)},                                                                      \
		{.name = "scale",                                                                                              \
		 .type = ASSAY__OPTION_FLAG,                                                                                   \
		 .fallback = scale_fallback,                                                                                   \
		 .help = "accept pictures of differing sizes, each scaled by its own short side",                              \
		 .offset = offsetof(owner, member.scale)},                                                                     \
		{.name = "smallest-defect",                                                                                    \
		 .type = ASSAY__OPTION_PIXELS,                                                                                 \
		 .min = 1,                                                                                                     \
		 .max = 4096,                                                                                                  \
		 .unit = "px",                                                                                                 \
		 .help = "length of the smallest defect to find, in pixels of the picture; parts are then also judged at a "   \
				 "scale where it covers 8 px, as far as the picture has them. Without it at two scales, short sides "  \
				 "of 160 and 320 px",                                                                                  \
		 .offset = offsetof(owner, member.smallest_defect_px)},                                                        \
		{.name = "working-size",                                                                                       \
		 .type = ASSAY__OPTION_PIXELS,                                                                                 \
		 .min = 64,                                                                                                    \
		 .max = 2048,                                                                                                  \
		 .unit = "px",                                                                                                 \
		 .help = "judge at one scale only, with this short side of the picture that the network sees",                 \
		 .offset = offsetof(owner, member.working_px)},                                                                \
		{.name = "exposure",                                                                                           \
		 .type = ASSAY__OPTION_FLAG,                                                                                   \
		 .fallback = "yes",                                                                                            \
		 .help =                                                                                                       \
			 "bring every picture to the mean brightness of the good parts, so that drifting light does not count",    \
		 .offset = offsetof(owner, member.exposure)},                                                                  \
		{.name = "light-tolerance",                                                                                    \
		 .type = ASSAY__OPTION_PERCENT,                                                                                \
		 .fallback = "20%",                                                                                            \
		 .min = 0,                                                                                                     \
		 .max = 1,                                                                                                     \
		 .help = "how much brighter the light may become: parts with places that so much light would make plain "      \
				 "white are taught in that light too; 0 for none, and none with --no-exposure",                        \
		 .offset = offsetof(owner, member.light_tolerance)},                                                           \
		{.name = "bank",                                                                                               \
		 .type = ASSAY__OPTION_INT,                                                                                    \
		 .fallback = "2000",                                                                                           \
		 .min = 16,                                                                                                    \
		 .max = 16384,                                                                                                 \
		 .help = "feature vectors kept as the memory of what good looks like",                                         \
		 .offset = offsetof(owner, member.bank_size)},                                                                 \
		{.name = "folds",                                                                                              \
		 .type = ASSAY__OPTION_INT,                                                                                    \
		 .fallback = "10",                                                                                             \
		 .min = 2,                                                                                                     \
		 .max = 20,                                                                                                    \
		 .help = "groups of parts in the calibration, each judged by what the others taught",                          \
		 .offset = offsetof(owner, member.folds)},                                                                     \
		{.name = "roi",                                                                                                \
		 .type = ASSAY__OPTION_RECT,                                                                                   \
		 .help = "look only at this rectangle of the picture, in pixels from the top left; without it, at all of it",  \
		 .offset = offsetof(owner, member.roi)},                                                                       \
		{.name = "mask",                                                                                               \
		 .type = ASSAY__OPTION_PATH,                                                                                   \
		 .value = "FILE",                                                                                              \
		 .help = "a picture of the same size as the parts; where it is black, nothing is judged",                      \
		 .offset = offsetof(owner, member.mask)},                                                                      \
		{.name = "network",                                                                                            \
		 .type = ASSAY__OPTION_PATH,                                                                                   \
		 .value = "base|tiny|FILE",                                                                                    \
		 .help = "what looks at the pictures: a network built in, by name, or a .net file (assay import makes one); "  \
				 "without it ASSAY_NET, else base. The recipe carries it",                                             \
		 .offset = offsetof(owner, member.network)},                                                                   \
		{.name = "grey",                                                                                               \
		 .type = ASSAY__OPTION_FLAG,                                                                                   \
		 .help = "judge colour pictures as grey",                                                                      \
		 .offset = offsetof(owner, member.grey)},                                                                      \
		{.name = "keep-suspects",                                                                                      \
		 .type = ASSAY__OPTION_FLAG,                                                                                   \
		 .help = "learn also from parts that look bad among the others; without it they are named and left out",       \
		 .offset = offsetof(owner, member.keep_suspects)},                                                             \
		{.name = "zones",                                                                                              \
		 .type = ASSAY__OPTION_PATH,                                                                                   \
		 .value = "FILE",                                                                                              \
		 .help = "tolerances by place, see docs/zones.md; not together with --scale",                                  \
		 .offset = offsetof(owner, member.zones)},                                                                     \
		{.name = "mm-per-px",                                                                                          \
		 .type = ASSAY__OPTION_DOUBLE,                                                                                 \
		 .min = 0.000001,                                                                                              \
		 .max = 1000,                                                                                                  \
		 .unit = "mm",                                                                                                 \
		 .help = "width of a pixel of the picture on the part; lengths and areas are then told in millimetres too",    \
		 .offset = offsetof(owner, member.mm_per_px)},                                                                 \
		{.name = "position",                                                                                           \
		 .type = ASSAY__OPTION_WORD,                                                                                   \
		 .words = assay__position_words,                                                                               \
		 .fallback = "auto",                                                                                           \
		 .help = "how parts lie: fixed, always the same within a fixture, each place is then also compared with the "  \
				 "same place of the good parts; free, anyhow; auto, whichever the good parts show",                    \
		 .offset = offsetof(owner, member.position)},                                                                  \
	{                                                                                                                  \
		.name = "white-level", .type = ASSAY__OPTION_INT, .fallback = "65535", .min = 255, .max = 65535,               \
		.help = "for 16-bit pictures: the sample that means white, such as 4095 from a 12-bit camera",                 \
		.offset = offsetof(owner, member.white_level)                                                                  \
	}

/**
 * Puts the network that a name or a file means into *env; *bytes, if not NULL, must be given to assay__free(NULL, ...)
 * after everything opened with env. Returns 0, or the exit status after saying what is wrong.
 */
int assay__network_use(const char *network, struct assay_env *env, void **bytes);

/** A part that was left out, and why. */
struct assay__left_out {
	int index; /**< in the list of files */
	char *reason;
};

/** What came of it. */
struct assay__teaching {
	struct assay_recipe *recipe;
	struct assay_teach_report report;
	double seconds;
	struct assay__left_out *left_out; /**< ascending by index */
	int left_out_count;
	void *network; /**< bytes that the recipe borrows, or NULL */
};

/**
 * Teaches from the files, with progress; says every unreadable part on standard error. Returns 0 and fills *teaching,
 * to be closed by the caller; or, after saying why not, the exit status, *teaching untouched: FAULT if the pictures or
 * the mask cannot be taught from, INTERNAL without memory.
 */
int assay__teaching_run(const struct assay__setup *setup, const struct assay__teaching_settings *settings,
						const struct assay__files *files, struct assay__teaching *teaching);
void assay__teaching_close(struct assay__teaching *teaching);

/**
 * Opens a recipe for a verb. Returns 0, or the exit status after saying why not: FAULT, also for one that is missing,
 * or INTERNAL without memory.
 */
int assay__recipe_use(const struct assay__setup *setup, const char *path, struct assay_recipe **out);

/** The risk that a sample of this size supports, as a sentence without a full stop. `out` gets at most 200 bytes. */
void assay__teaching_risk(const struct assay_teach_report *report, char out[200]);

/** The sizes at which a recipe judges: "160 x 160 and 320 x 320 px". `out` gets at most 100 bytes. */
void assay__scales_text(const struct assay_recipe_info *info, char out[100]);

/** What light does to a verdict, as a sentence without a full stop. `out` gets at most 200 bytes. */
void assay__light_text(const struct assay_recipe_info *info, char out[200]);

/** What the smallest defect is worth at the finest scale; prints nothing without one. */
void assay__print_defect(const struct assay_recipe_info *info);

/** Lines that name the parts that look bad among the others; prints nothing without any. */
void assay__print_suspects(const struct assay_recipe_info *info);

/** The member "suspects", an array; `files` (nullable) tells their paths. */
void assay__write_suspects(struct assay__json *json, const struct assay_recipe_info *info,
						   const struct assay__files *files);

/** The members smallest_defect (null without one), exposure, light_tolerance, parts_brightened and scales. */
void assay__write_scales(struct assay__json *json, const struct assay_recipe_info *info);

/** The message of `error` without the "path: " it may start with. */
const char *assay__reason(const struct assay_error *error, const char *path);

#endif
