/* SPDX-License-Identifier: Apache-2.0 */
/* Teach a recipe more, see what that changes, and go back. */
#ifndef ASSAY_LEARN_H
#define ASSAY_LEARN_H

#include "recipe.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ASSAY_LEARN_KEEP_BYTES ((int64_t)256 << 20)
#define ASSAY_LEARN_AUTHOR_BYTES 255

/** How to learn. Zero fields take the defaults stated. */
struct assay_learn_options {
	const char *author;	   /**< who decides this, UTF-8, at most ASSAY_LEARN_AUTHOR_BYTES; NULL: nobody named */
	int64_t time_s;		   /**< when, in seconds since 1970-01-01 UTC: told by the caller */
	double overkill;	   /**< wanted share of good parts rejected, as in assay_teach_options; default: the recipe's */
	double catch_overkill; /**< 0 < x <= 0.2: lower the threshold to catch labelled defects, as many as this share of
							  good parts rejected allows; default: the threshold comes from good parts alone */
	int64_t keep_bytes;	   /**< room for pictures stored with the recipe; default ASSAY_LEARN_KEEP_BYTES */
};

/** A part whose verdict before and after is known. */
struct assay_learn_part {
	char *name; /**< without folders */
	uint8_t hash[ASSAY_HASH_BYTES];
	bool defect; /**< labelled so; else good */
	bool fresh;	 /**< given now, not known to the recipe before */
	enum assay_verdict before, after;
	uint32_t before_q8, after_q8; /**< scores */
};

/** What learning did. Strings and arrays are its own: assay_learn_report_free. */
struct assay_learn_report {
	int offered, unreadable;
	int known;		/**< given, but learnt or stored before; twice given counts too */
	int goods;		/**< learnt from now */
	int defects;	/**< labelled parts stored now */
	int relabelled; /**< stored before under the other label; the last word counts */
	int scale_count;
	int vectors[ASSAY_MAX_SCALES]; /**< added to the bank of each scale */
	uint32_t threshold_before_q8, threshold_after_q8;
	int not_kept;	  /**< parts given now for whose picture there was no room */
	int not_compared; /**< good parts learnt from whose picture is not stored with the recipe */
	int part_count;
	struct assay_learn_part *parts; /**< all stored with the recipe or given now, by hash */
};
/** Frees what it holds and zeroes it. */
void assay_learn_report_free(struct assay_learn_report *report, const struct assay_allocator *allocator);

/**
 * Learns from more good parts and from labelled defects (each nullable), all of the recipe's kind. The bank keeps its
 * vectors and gets those of the new good parts that are farther from it than its own are from each other; scores of
 * the new parts join the calibration, each taken by a bank that has not seen the part; their pictures join those stored
 * with the recipe. Same recipe and same set of pictures, same content hash: order, threads and kernels do not matter.
 * `path` is read and not changed: assay_recipe_save writes *out, which is the caller's (NULL, with 0 returned, if
 * nothing given is new and no option changes anything). *report (not NULL) is the caller's after success.
 * hooks->unreadable gets an index into goods, then defects. `runner`, `hooks`, `error` are nullable.
 * Errors: as assay_recipe_open; ARGUMENT (options, a part given as both, a defect that was taught as good); MISMATCH (pictures of
 * another size or kind); LIMIT, CANCELLED, NOMEM.
 */
int assay_learn(const struct assay_env *env, const char *path, const struct assay_parts *goods,
				const struct assay_parts *defects, const struct assay_learn_options *options,
				const struct assay_runner *runner, const struct assay_teach_hooks *hooks, struct assay_recipe **out,
				struct assay_learn_report *report, struct assay_error *error);

/**
 * Makes the recipe again that a file was after step `number` of its lineage (0: as taught), bit for bit, with the
 * lineage one step longer and all stored pictures kept. options: author and time_s. assay_recipe_save writes *out.
 * Errors: as assay_recipe_open; ARGUMENT (no such step, the present one, or one whose recipe is no longer kept).
 */
int assay_revert(const struct assay_env *env, const char *path, int number, const struct assay_learn_options *options,
				 struct assay_recipe **out, struct assay_error *error);

#ifdef __cplusplus
}
#endif
#endif
