/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record room of a station: every part, in order, in one chain of hashes, on disk before it is acknowledged.
 *
 * In state_dir it keeps record.db (SQLite, WAL, synchronous=FULL), record.key and record.pub (Ed25519), sequence (the
 * number handed out last), lock, images/ and recipes/HASH.assay. One process holds a state_dir at a time; readers
 * (query.h, verify.h) come and go beside it.
 *
 * How a pipeline uses it: assay__record_next for every trigger; assay__record_put with every finished part, from any
 * thread; `recorded` is called by the room's writer thread once the part's transaction is durable, never before. Parts
 * are committed in the order of put, several to a transaction when they come faster than the disk.
 *
 * Trouble: while the database cannot be written, assay__record_ok is false and the pipeline should turn verdicts to
 * ASSAY__FAULT_RECORD; parts already put stay queued and are written when space is back. A put into a full queue fails with
 * FULL; the room remembers the number and writes a gap into the chain later, so that nothing is missing silently.
 * Pictures never delay any of this: when there is no room for one, the record says "refused" and goes on.
 */
#ifndef ASSAY_SRC_STATION_RECORD_RECORD_H
#define ASSAY_SRC_STATION_RECORD_RECORD_H

#include "base/option.h"
#include "station/record/stored.h"

enum assay__record_images { ASSAY__IMAGES_POLICY, ASSAY__IMAGES_ALL, ASSAY__IMAGES_NONE };

/** From the option table; assay__option_defaults fills it. */
struct assay__record_settings {
	int images;			 /**< enum assay__record_images */
	bool keep_fail;		 /**< FAIL, and FAULT as far as there is a picture */
	int keep_every;		 /**< every n-th PASS; 0: none */
	double keep_near;	 /**< PASS with score >= (1 - keep_near) * threshold */
	double keep_p;		 /**< PASS with p-value <= keep_p */
	int keep_stop_s;	 /**< seconds before and after a stop of which all pictures are kept; 0: none */
	int stop_memory_mb;	 /**< memory for pictures before a stop */
	int image_memory_mb; /**< memory for pictures on their way to disk */
	int image_quota_mb;	 /**< on disk; the oldest go first; 0: no limit */
	int disk_reserve_mb; /**< no picture is written when less than this is free: the rest belongs to the record */
	int queue;			 /**< parts waiting to be written */
	int batch;			 /**< most parts in one transaction */
	int batch_wait_ms;	 /**< waits this long for more parts before a transaction; 0: none */
	int sign_every;		 /**< signs the chain after this many parts */
	int sign_seconds;	 /**< and at least this often, if there is anything new */
};
extern const struct assay__option assay__record_options[];
extern const int assay__record_option_count;

/** All nullable; called from the writer thread without any lock held; must not block, and must not call close. */
struct assay__record_hooks {
	void *ctx;
	/** The part is durable. `hash` is its place in the chain. */
	void (*recorded)(void *ctx, uint64_t sequence, const uint8_t hash[ASSAY_HASH_BYTES]);
	/** Something the room noticed itself (kinds of stored.h); events given to assay__record_event do not come back. */
	void (*event)(void *ctx, const char *kind, const char *text);
};

/** Since the station's first day: as durably recorded. triggers = pass + fail + fault + lost. */
struct assay__record_totals {
	uint64_t triggers, pass, fail, fault;
	uint64_t missed;	/**< of fault: not_ready */
	uint64_t lost;		/**< in gaps: triggered, not recorded */
	uint64_t challenge; /**< recorded challenge parts: in none of the above */
};

struct assay__record_health {
	bool ok;		/**< the database takes records */
	bool images_ok; /**< no picture is being refused */
	int queue_length, queue_capacity;
	int images_waiting;
	uint64_t image_bytes;						/**< on disk */
	uint64_t images_refused, images_lost;		/**< since open */
	uint64_t commits, recorded, events_dropped; /**< since open */
	char state[160];							/**< one line for people: what is wrong, or empty */
};

struct assay__record;

/**
 * Opens (and at first creates) the room in state_dir, which must exist, and starts its two threads. `station` names the
 * station in every record. settings, hooks and station are copied. allocator (nullable, thread safe) must outlive the
 * room. What an unclean end left behind is put in order first; nothing is scanned whole. *out is the caller's.
 * Errors: IO (disk, permissions, another process has it: the message says which), FORMAT (not a record, damaged),
 * UNSUPPORTED (made by a newer version), ARGUMENT, NOMEM.
 */
int assay__record_open(const char *state_dir, const char *station, const struct assay__record_settings *settings,
					   const struct assay__record_hooks *hooks, const struct assay_allocator *allocator,
					   struct assay__record **out, struct assay_error *error);

/**
 * Writes what is queued, signs, and frees the room, whatever happens; waits up to drain_ms for a failing disk, and for
 * pictures under way. NULL is fine. Errors: IO if parts or pictures could not be written (the record says so at the next open).
 */
int assay__record_close(struct assay__record *record, int drain_ms, struct assay_error *error);

/** The number of the next trigger, from 1, never handed out twice, also across kill -9. Thread safe, a few microseconds. */
uint64_t assay__record_next(struct assay__record *record);

/**
 * Queues a finished part. Hashes its pictures and score maps on the calling thread (about 1 ms a megapixel) and copies
 * all it needs: the part is the caller's again on return. Parts of one batch may be put by several threads at once.
 * A view counts as judged, and can be replayed, if its result has a map_q8 or is FAULT with a fault.code.
 * The first pictures of a size take memory, later ones none. Errors: FULL (never waits; the number stands in a gap then: do
 * not put it again), CLOSED while closing.
 */
int assay__record_put(struct assay__record *record, const struct assay__part *part);

/** Whether a put now finds a place; where one thread alone puts, this stays so until it does. Thread safe, cheap. */
bool assay__record_has_room(struct assay__record *record);

/** Notes an event in the chain: "recipe", "login", "challenge" ... Thread safe; when too many wait it is dropped and counted. */
void assay__record_event(struct assay__record *record, const char *kind, const char *text);

/** True if the record can be kept now. Thread safe, cheap: for every trigger. */
bool assay__record_ok(struct assay__record *record);
void assay__record_get_health(struct assay__record *record, struct assay__record_health *out);
void assay__record_get_totals(struct assay__record *record, struct assay__record_totals *out);

/** Waits until all that was put before is durable or timeout_ms has passed (negative: for ever); true if it is. */
bool assay__record_flush(struct assay__record *record, int timeout_ms);

/**
 * Keeps a copy of a recipe as recipes/HASH.assay, so that its verdicts can be replayed. Call it before the recipe
 * judges. Does nothing if it is there. Errors: IO, NOMEM.
 */
int assay__record_keep_recipe(struct assay__record *record, const struct assay_recipe *recipe,
							  struct assay_error *error);

#endif
