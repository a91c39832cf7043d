/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pictures on their way to disk, by a thread of their own. A slot is taken while the part is put, stays with the part until
 * that is durable, and only then goes to the thread, or, if it is only held for a stop, into a ring in memory.
 */
#ifndef ASSAY_SRC_STATION_RECORD_IMAGES_H
#define ASSAY_SRC_STATION_RECORD_IMAGES_H

#include "station/record/record.h"

/** One picture. Lists of them are chained by `next`. */
struct assay__image_slot {
	struct assay__image_slot *next;
	uint64_t sequence;
	int view;
	uint8_t hash[ASSAY_HASH_BYTES];
	struct assay_image image; /**< pixels of its own */
	size_t capacity_bytes, bytes;
	bool held;
	int64_t clock_us;
	enum assay__image_state state; /**< KEPT or LOST once done */
	int64_t file_bytes;
	int error_number;
};

struct assay__images;

/** `wake` is called by the thread when something is done. Clears images/new. Errors: NOMEM, IO. */
int assay__images_open(const char *dir, const struct assay__record_settings *settings,
					   const struct assay_allocator *allocator, void (*wake)(void *ctx), void *ctx,
					   struct assay__images **out, struct assay_error *error);

/** Waits until the thread has nothing to do, up to timeout_ms; true if so. */
bool assay__images_drain(struct assay__images *images, int timeout_ms);

/** Ends the thread and frees everything; slots outside are freed with it. NULL is fine. */
void assay__images_close(struct assay__images *images);

/** Copies a picture for YES or HELD; what is returned stands in the record, *slot is NULL unless it is YES or HELD. Thread safe. */
enum assay__keep assay__images_take(struct assay__images *images, const struct assay_image *image,
									const uint8_t hash[ASSAY_HASH_BYTES], uint64_t sequence, int view,
									enum assay__keep wanted, int64_t clock_us, struct assay__image_slot **slot);

/** The part is durable: writes a YES slot, puts a HELD one into the ring. */
void assay__images_commit(struct assay__images *images, struct assay__image_slot *slot);
/** Gives a list of slots back. */
void assay__images_drop(struct assay__images *images, struct assay__image_slot *list);
/** Takes out of the ring what was taken at since_us or later, oldest first. */
struct assay__image_slot *assay__images_unhold(struct assay__images *images, int64_t since_us);
/** Everything that is done, oldest first; the caller's. */
struct assay__image_slot *assay__images_done(struct assay__images *images);

/** Slots waiting for the thread, and how many were refused since open. */
void assay__images_count(struct assay__images *images, int *waiting, uint64_t *refused, int64_t *last_refused_us,
						 bool *disk_low);

#endif
