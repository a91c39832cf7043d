/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A camera: where pictures come from. The pipeline runs one thread per camera and calls start, trigger and wait from it alone;
 * adding one is source_x.c ending in one `const struct assay__source_ops`, and its row in sources.c.
 *
 * Two ways to run. Asked: a trigger reaches the station, the thread calls trigger, then wait. Free: the camera takes pictures when
 * it will (its own rate, its hardware line, a folder watched); the thread only waits, and each picture is a trigger.
 */
#ifndef ASSAY_SRC_STATION_SOURCE_SOURCE_H
#define ASSAY_SRC_STATION_SOURCE_SOURCE_H

#include "base/option.h"
#include "station/part.h"

enum assay__source_state {
	ASSAY__SOURCE_UP,
	ASSAY__SOURCE_STALE, /**< reachable, but an expected picture did not come */
	ASSAY__SOURCE_GONE,	 /**< not reachable; it is being looked for */
	ASSAY__SOURCE_ENDED, /**< there is no more to come, as after the last picture of a folder */
};

struct assay__source_health {
	enum assay__source_state state;
	uint64_t pictures, broken, missed; /**< given, given as damaged, asked for in vain or lost on the way */
	int64_t last_us;				   /**< monotonic time of the last picture, 0: none yet */
	char text[160];					   /**< one line for people */
};

/** What the station knows when a camera opens. */
struct assay__source_need {
	bool free_run;
	size_t picture_bytes;	 /**< of the largest picture a recipe was taught from; 0 without recipe */
	int width_px, height_px; /**< of the first recipe's pictures, 0 without */
	int channels;
};

/** Where wait writes: room for `capacity_bytes`, rows tight. wait fills all but pixels and capacity. */
struct assay__picture {
	uint8_t *pixels;
	size_t capacity_bytes;
	struct assay_image image; /**< image.pixels = pixels */
	uint64_t camera_frame_id;
	int64_t taken_us;	 /**< monotonic: exposure or arrival, as near to the part's moment as the camera tells */
	uint64_t trigger_id; /**< of a hardware trigger that has one, else 0 */
	char code[ASSAY__PART_CODE_CHARS]; /**< identity that came with the picture, such as a file name; empty: none */
	bool named; /**< the code is but a file's name: one that is read from the picture goes before it */
};

/** A camera that answers, as `assay cameras` shows it; texts live as long as the call, any may be NULL. */
struct assay__source_found {
	const char *id; /**< for the configuration */
	const char *vendor, *model, *serial, *address;
	const char *protocol; /**< "GigEVision", "USB3Vision", "V4L2" */
};

struct assay__source;

struct assay__source_ops {
	const char *type; /**< as in the configuration: "virtual", "folder" */
	const char *help;
	const struct assay__option *options;
	int option_count;
	size_t settings_size;
	/** Opens, without taking pictures yet. `settings` and `name` outlive the source. *picture_bytes: the most that a picture of it takes. */
	int (*open)(const char *name, const void *settings, const struct assay__source_need *need,
				struct assay__source **out, size_t *picture_bytes, struct assay_error *error);
	int (*start)(struct assay__source *source, struct assay_error *error);
	/** Asks for one picture; pictures still under way for an earlier asking are forgotten. Errors: IO, CLOSED (gone). Nullable if free only. */
	int (*trigger)(struct assay__source *source, struct assay_error *error);
	/**
	 * Waits up to timeout_ms for the next picture. Returns 0 with *picture filled; CANCELLED: none in time, or interrupted;
	 * CLOSED: none will come (ended, gone); any other error: a picture came but is damaged, the message names it (and
	 * picture->taken_us is filled). Allocates nothing in steady state, decoding of files apart.
	 */
	int (*wait)(struct assay__source *source, int timeout_ms, struct assay__picture *picture,
				struct assay_error *error);
	/** Ends a wait under way, from another thread. */
	void (*interrupt)(struct assay__source *source);
	/** Thread safe, cheap. */
	void (*health)(struct assay__source *source, struct assay__source_health *out);
	void (*close)(struct assay__source *source);
	/** Looks for cameras, for a second or so, and calls `found` for each. Nullable. Errors: IO. */
	int (*list)(void (*found)(void *ctx, const struct assay__source_found *found), void *ctx,
				struct assay_error *error);
};

/** NULL-ended table of all cameras built in. */
extern const struct assay__source_ops *const assay__sources[];

#endif
