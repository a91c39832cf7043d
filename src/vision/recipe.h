/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a recipe, for those who make, store and use one. */
#ifndef ASSAY_SRC_VISION_RECIPE_H
#define ASSAY_SRC_VISION_RECIPE_H

#include "vision/kinds.h"
#include "vision/keep.h"
#include "vision/workspace.h"
#include "vision/zones.h"

#define ASSAY__GOLDEN_COUNT 2

#define ASSAY__BANK_DEFAULT 2000
#define ASSAY__BANK_LEAST 16
#define ASSAY__BANK_MOST 16384
#define ASSAY__FOLDS_DEFAULT 10
#define ASSAY__FOLDS_LEAST 2
#define ASSAY__FOLDS_MOST 20
#define ASSAY__OVERKILL_DEFAULT 0.005
#define ASSAY__OVERKILL_MOST 0.2
#define ASSAY__LIGHT_TOLERANCE_DEFAULT 0.2
#define ASSAY__WHITE_LEAST 255
#define ASSAY__WHITE_MOST 65535
#define ASSAY__SPREAD_MOST 1000

/** What the person chose, defaults filled in. */
struct assay__settings {
	struct assay__view view;
	int working_px;			/**< of the only scale; 0: several */
	int smallest_defect_px; /**< 0: none given */
	int bank_size;			/**< wanted at each scale */
	int folds;
	double overkill;
	double light_tolerance; /**< 0: no part is taught in brighter light */
	bool exposure;			/**< pictures are brought to the light of the good parts */
	bool scale;
};

/** One part it was taught from. */
struct assay__taught {
	uint8_t hash[ASSAY_HASH_BYTES];
	uint32_t score_q8; /**< cross-conformal */
	char *name;		   /**< without folders, for people; not part of the content hash */
};

/** One labelled defect it was taught from. */
struct assay__defect {
	uint8_t hash[ASSAY_HASH_BYTES];
	char kind[ASSAY__KIND_NAME_BYTES]; /**< "": not told */
	char *name;						   /**< as of a part */
};

/** What labels taught, as it is stored; the heads themselves are in the scales. */
struct assay__label_block {
	int count;					   /**< of defects; 0: the recipe was taught without labels, and all below is zero */
	struct assay__defect *defects; /**< by hash */
	uint8_t *heads, *kinds;		   /**< their stored forms; NULL: none */
	size_t heads_size, kinds_size;
	struct assay__kinds *named; /**< what `kinds` holds, opened */
};

/** A picture and the score it must get: proof that this machine computes what the recipe was taught with. */
struct assay__golden {
	uint8_t hash[ASSAY_HASH_BYTES];		/**< of the picture */
	uint8_t map_hash[ASSAY_HASH_BYTES]; /**< BLAKE2b-256 of the score map, u32 little endian */
	uint32_t score_q8;
	uint8_t *png;
	size_t png_size;
};

struct assay_recipe {
	const struct assay_allocator *allocator;
	enum assay_isa isa;
	struct assay__settings settings;
	struct assay__shape shape; /**< of the pictures; of the one with the smallest hash if they differ */
	const void *network;
	size_t network_size_bytes;
	void *network_owned;	 /**< NULL if borrowed or built in */
	struct assay_image mask; /**< 8-bit grey, 0 or 255; no pixels: none */
	int dim;
	struct assay__scales scales;
	int part_count;
	struct assay__taught *parts; /**< by score, equal scores by hash */
	uint32_t threshold_q8;
	struct assay_zones *zones; /**< painted; NULL: none */
	double mm_per_px;		   /**< 0: not known */
	struct assay__label_block labels;
	struct assay__golden golden[ASSAY__GOLDEN_COUNT];
	struct assay_suspect *suspects;	 /**< report.suspect_count, largest score first */
	struct assay__recipe_keep *keep; /**< beside what decides verdicts; NULL: nothing */

	/* made by assay__recipe_ready from the above, and the report completed */
	struct assay_teach_report report;
	uint8_t content_hash[ASSAY_HASH_BYTES];
	struct assay__net *net;
	struct assay__net_info net_info;
	uint32_t *calibration_q8;
	struct assay__geometry geometries[ASSAY__SCALES_MOST];
	size_t workspace_bytes;
};

/** An empty recipe of this environment (nullable), or NULL without memory. Close with assay_recipe_close. */
struct assay_recipe *assay__recipe_new(const struct assay_env *env);

/** Opens recipe->net from recipe->network and fills dim. Errors: as assay__net_open. */
int assay__recipe_open_net(struct assay_recipe *recipe, struct assay_error *error);

/** Opens the banks and fills everything else that follows from what was taught; the net is open. Errors: NOMEM,
 * MISMATCH. */
int assay__recipe_ready(struct assay_recipe *recipe, struct assay_error *error);

/**
 * BLAKE2b-256 over everything that decides a verdict and what it was taught from, block by block in one fixed order,
 * little endian, every array with its length before it. Times, names of files and counts of what was left out are not in it.
 */
void assay__recipe_content_hash(const struct assay_recipe *recipe, uint8_t hash[ASSAY_HASH_BYTES]);

/** Score and map hash of a picture; the workspace is of a recipe that is ready. Errors: MISMATCH, NOMEM. */
int assay__recipe_measure(struct assay__workspace *space, const struct assay_image *image, uint32_t *score_q8,
						  uint8_t map_hash[ASSAY_HASH_BYTES], struct assay_error *error);

/**
 * Judges the golden pictures again, and learns workspace_bytes on the way.
 * Errors: FORMAT if a picture is damaged or a result differs, NOMEM.
 */
int assay__recipe_check_golden(struct assay_recipe *recipe, struct assay_error *error);

/** The mask of a recipe, NULL if none. */
const struct assay_image *assay__recipe_mask(const struct assay_recipe *recipe);

#endif
