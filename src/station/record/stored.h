/* SPDX-License-Identifier: Apache-2.0 */
/* A part as the record keeps it: what is written, hashed, read back, audited and replayed. */
#ifndef ASSAY_SRC_STATION_RECORD_STORED_H
#define ASSAY_SRC_STATION_RECORD_STORED_H

#include "station/part.h"

#define ASSAY__EVENT_KIND_CHARS 32
#define ASSAY__EVENT_TEXT_CHARS 256
#define ASSAY__REASON_CHARS 192
#define ASSAY__REGION_NAME_CHARS 64
/** How canonical bytes are laid out (fields.h): 1 until zones, lengths and codes were recorded, 2 since. */
#define ASSAY__STORED_FORM 2

/** What was decided about a picture when its part was recorded. Part of the chain; the numbers are stable. */
enum assay__keep {
	ASSAY__KEEP_NO,		 /**< the policy did not ask for it, or there is no picture */
	ASSAY__KEEP_YES,	 /**< handed to the image writer */
	ASSAY__KEEP_HELD,	 /**< in memory for a while, kept only if a stop follows */
	ASSAY__KEEP_REFUSED, /**< the policy asked for it, but there was no room */
	ASSAY__KEEP_COUNT
};
/** "no", "yes", "held", "refused". */
const char *assay__keep_name(enum assay__keep keep);

/** Where the file of a picture is now. Not part of the chain; changes to LOST and PRUNED are events in it. */
enum assay__image_state {
	ASSAY__IMAGE_NONE,	  /**< there never was a file */
	ASSAY__IMAGE_PENDING, /**< with the image writer */
	ASSAY__IMAGE_KEPT,
	ASSAY__IMAGE_PRUNED, /**< removed by the quota */
	ASSAY__IMAGE_LOST,	 /**< could not be written */
	ASSAY__IMAGE_STATES
};
const char *assay__image_state_name(enum assay__image_state state);

/** A region as struct assay_region has it; its names are copies. Form 1 has neither length, zone, kind nor `counts`. */
struct assay__stored_region {
	struct assay_rect_px box;
	int area_px, length_px;
	int peak_x_px, peak_y_px;
	uint32_t peak_q8, mean_q8;
	char zone[ASSAY__REGION_NAME_CHARS]; /**< empty: the recipe has none */
	char kind[ASSAY__REGION_NAME_CHARS]; /**< of the defect, as learned from labels; empty: not told */
	bool counts;
};

struct assay__stored_view {
	char camera[ASSAY__NAME_CHARS];
	uint64_t camera_frame_id;
	int width_px, height_px, channels, depth_bits; /**< zero: no picture */
	uint8_t image_hash[ASSAY_HASH_BYTES];		   /**< assay_image_hash; zero: no picture */
	enum assay__keep keep;
	enum assay__image_state image_state; /**< not in the chain */
	enum assay__fault fault;
	bool judged; /**< the recipe was asked: the fields below are its answer and can be replayed */
	enum assay_verdict verdict;
	uint32_t score_q8, threshold_q8;
	double p_value;
	int region_count, regions_total;
	int regions_counted; /**< those that exceed what their zone tolerates */
	double mm_per_px;	 /**< 0: not known */
	struct assay__stored_region regions[ASSAY_MAX_REGIONS];
	int grid_width, grid_height;
	uint8_t map_hash[ASSAY_HASH_BYTES]; /**< BLAKE2b-256 of the score map, u32 little endian; zero: no map */
	uint8_t recipe_hash[ASSAY_HASH_BYTES];
	uint8_t network_hash[ASSAY_HASH_BYTES];
	char reason[ASSAY__REASON_CHARS]; /**< why the recipe's answer is FAULT */
};

struct assay__stored_part {
	uint64_t link; /**< place in the chain, from 1; parts and events share the count */
	uint64_t sequence;
	uint64_t trigger_id;
	enum assay__trigger_kind trigger;
	char station[ASSAY__NAME_CHARS];
	char code[ASSAY__PART_CODE_CHARS];
	bool code_generated;
	int form; /**< 1..ASSAY__STORED_FORM; assay__record_put writes the newest */
	enum assay__code_state code_state;
	enum assay__symbology code_symbology;
	char operator_name[ASSAY__NAME_CHARS];
	char recipe_name[ASSAY__NAME_CHARS];
	int64_t trigger_us, picture_us, verdict_us, wall_us, deadline_us;
	enum assay_verdict verdict;
	enum assay__fault fault;
	char reason[ASSAY__REASON_CHARS];
	bool challenge;
	uint32_t score_q8, threshold_q8; /**< of the judged view that is worst relative to its threshold */
	double p_value;
	int view_count;
	struct assay__stored_view views[ASSAY__MAX_VIEWS];
};

/** Something that happened, in the same chain. `first`..`last` are sequences where the kind has them, else 0. */
struct assay__stored_event {
	uint64_t link;
	char kind[ASSAY__EVENT_KIND_CHARS];
	char text[ASSAY__EVENT_TEXT_CHARS];
	int64_t wall_us, clock_us;
	uint64_t first, last, count;
};

/* Kinds the room itself writes; the auditor reads them. */
#define ASSAY__EVENT_OPENED "opened"			  /**< a station began; text: version, public key */
#define ASSAY__EVENT_CLOSED "closed"			  /**< it ended in order */
#define ASSAY__EVENT_GAP "gap"					  /**< first..last were triggered and not recorded, and why */
#define ASSAY__EVENT_CLOCK "clock_set"			  /**< the wall clock jumped */
#define ASSAY__EVENT_REFUSED "images_not_kept"	  /**< pictures are being refused, and why */
#define ASSAY__EVENT_ACCEPTED "images_kept_again" /**< count: how many were refused */
#define ASSAY__EVENT_PRUNED "images_pruned"		  /**< by the quota: count pictures of parts first..last */
#define ASSAY__EVENT_LOST "images_lost"			  /**< could not be written */
#define ASSAY__EVENT_TROUBLE "record_failing"	  /**< the database could not be written for a while */

#endif
