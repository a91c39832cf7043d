/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A part on its way through the station: one trigger, its views, its verdict. The pipeline owns it from the trigger until the archive has
 * it; doors (outputs) and windows see it read-only and copy what they keep.
 */
#ifndef ASSAY_SRC_STATION_PART_H
#define ASSAY_SRC_STATION_PART_H

#include "assay/image.h"
#include "assay/recipe.h"

#define ASSAY__MAX_VIEWS 8
#define ASSAY__PART_CODE_CHARS 128
#define ASSAY__NAME_CHARS 64

/** Why a part is FAULT. The names are stable: records, register map and messages use them. */
enum assay__fault {
	ASSAY__FAULT_NONE,
	ASSAY__FAULT_NOT_READY, /**< a trigger while busy or not ready: counted, answered, recorded as missed */
	ASSAY__FAULT_OVERRUN,	/**< the hall was full */
	ASSAY__FAULT_LATE,		/**< no verdict within deadline_ms */
	ASSAY__FAULT_NO_IMAGE,	/**< the trigger came, no picture did */
	ASSAY__FAULT_BROKEN,	/**< picture damaged, or of another size or kind than taught */
	ASSAY__FAULT_CAMERA,	/**< camera gone or stale */
	ASSAY__FAULT_NO_RECIPE,
	ASSAY__FAULT_CHALLENGE, /**< challenge parts are due and not yet caught */
	ASSAY__FAULT_RECORD,	/**< the record cannot be kept: database full or failing */
	ASSAY__FAULT_STOPPING,	/**< the station is draining */
	ASSAY__FAULT_INTERNAL,
	ASSAY__FAULT_COUNT
};

/** "none", "not_ready", "overrun", … */
const char *assay__fault_name(enum assay__fault fault);

/** Who asked for this part. */
enum assay__trigger_kind {
	ASSAY__TRIGGER_FREE,
	ASSAY__TRIGGER_TIMER,
	ASSAY__TRIGGER_SOFTWARE,
	ASSAY__TRIGGER_MODBUS,
	ASSAY__TRIGGER_MQTT,
	ASSAY__TRIGGER_HTTP,
	ASSAY__TRIGGER_LINE,
	ASSAY__TRIGGER_CHALLENGE, /**< a stored picture of a known-bad part: nothing moves on the line */
	ASSAY__TRIGGER_COUNT
};
const char *assay__trigger_name(enum assay__trigger_kind kind);

/** What became of looking for a code in the part's pictures. The numbers are stable: records have them. */
enum assay__code_state {
	ASSAY__CODE_NONE,		/**< nobody was asked to look */
	ASSAY__CODE_READ,		/**< read; it is the part's code unless the asker gave the same one */
	ASSAY__CODE_UNREADABLE, /**< none found, or not in time */
	ASSAY__CODE_UNEXPECTED, /**< found, but not of the pattern, too long, or two that differ */
	ASSAY__CODE_DIFFERS,	/**< read, but the asker gave another one, which stays the part's code */
	ASSAY__CODE_STATES
};
/** "none", "read", "unreadable", "unexpected", "differs". */
const char *assay__code_state_name(enum assay__code_state state);

enum assay__symbology {
	ASSAY__SYMBOLOGY_NONE,
	ASSAY__SYMBOLOGY_DATAMATRIX,
	ASSAY__SYMBOLOGY_QR,
	ASSAY__SYMBOLOGY_CODE128,
	ASSAY__SYMBOLOGIES
};
/** "none", "datamatrix", "qr", "code128". */
const char *assay__symbology_name(enum assay__symbology symbology);

/** One camera's picture of the part and what was found. */
struct assay__part_view {
	char camera[ASSAY__NAME_CHARS];
	struct assay_image image; /**< pixels belong to the part's frame; no pixels: none came */
	uint64_t camera_frame_id;
	struct assay_result result; /**< map_q8 points into the part's frame, or NULL */
	enum assay__fault fault;
	uint8_t recipe_hash[ASSAY_HASH_BYTES]; /**< content hash; zero without recipe */
	uint8_t network_hash[ASSAY_HASH_BYTES];
};

/** Times are microseconds: *_us of the monotonic clock (assay__clock_us), wall_us since 1970 UTC. */
struct assay__part {
	uint64_t sequence;	 /**< the station's own count of triggers, from 1, never reused, also across restarts */
	uint64_t trigger_id; /**< the asker's number for it, 0 if it gave none */
	enum assay__trigger_kind trigger;
	char code[ASSAY__PART_CODE_CHARS]; /**< part identity, UTF-8, never empty: read, given or generated */
	bool code_generated;
	enum assay__code_state code_state;
	enum assay__symbology code_symbology; /**< of what was read */
	char operator_name[ASSAY__NAME_CHARS];
	char recipe_name[ASSAY__NAME_CHARS];
	int64_t trigger_us, picture_us, verdict_us, wall_us;
	int64_t deadline_us;		/**< monotonic */
	enum assay_verdict verdict; /**< worst of the views; FAULT if `fault` is set */
	enum assay__fault fault;
	char reason[192]; /**< one line for people, empty for PASS */
	bool challenge;	  /**< a known-bad part shown to prove the station; no production, counted by itself */
	int view_count;
	struct assay__part_view views[ASSAY__MAX_VIEWS];
};

/** Verdict, fault and reason of a part from its views: the worst counts, FAULT over FAIL over PASS. Pure. */
void assay__part_judge(struct assay__part *part);

/** Index of the view that decides: the first of the worst verdict, the highest score against its threshold among FAIL and PASS. */
int assay__part_worst(const struct assay__part *part);

#endif
