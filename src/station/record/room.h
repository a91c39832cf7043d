/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the room, between room.c (its doors), writer.c (its thread) and rows.c (its statements). */
#ifndef ASSAY_SRC_STATION_RECORD_ROOM_H
#define ASSAY_SRC_STATION_RECORD_ROOM_H

#include <pthread.h>
#include <stdatomic.h>

#include "station/record/database.h"
#include "station/record/images.h"
#include "station/record/key.h"
#include "station/record/place.h"
#include "station/record/record.h"

#define ASSAY__EVENTS_WAITING 64
#define ASSAY__GAPS_WAITING 256
#define ASSAY__PRUNE_AT_ONCE 64

/** A part on its way to the database. */
struct assay__entry {
	struct assay__entry *next;
	struct assay__stored_part part;
	struct assay__image_slot *slots[ASSAY__MAX_VIEWS];
	bool stop;	  /**< pictures around it are to be kept */
	bool refused; /**< the number is in the record already */
	uint8_t hash[ASSAY_HASH_BYTES];
};

struct assay__gap {
	uint64_t first, last;
};

/** Where the chain stands and what is counted; copied into a transaction, and back once that is durable. */
struct assay__chain {
	uint64_t link, signed_link;
	uint8_t hash[ASSAY_HASH_BYTES];
	struct assay__record_totals totals;
	uint64_t image_bytes, reserved, accounted;
	uint64_t unsigned_parts;
	int64_t signed_us; /**< monotonic, of the last signature */
	int64_t wall_us;   /**< of the last part */
	int64_t wall_offset_us;
	bool wall_known;
	bool refusing;
	uint64_t refused_before; /**< refusals before this spell */
	uint64_t refused_seen;
	uint64_t images_lost;
};

struct assay__statements {
	sqlite3_stmt *begin, *commit, *rollback;
	sqlite3_stmt *part, *view, *region, *image, *event, *signature, *counter;
	sqlite3_stmt *image_state, *oldest, *pending, *last_pruned, *pruned_paths;
};

/** What one transaction holds; survives a failed attempt. */
struct assay__batch {
	struct assay__entry *parts;
	int part_count;
	struct assay__stored_event events[ASSAY__EVENTS_WAITING];
	int event_count;
	struct assay__gap gaps[ASSAY__GAPS_WAITING];
	int gap_count;
	struct assay__image_slot *done;	  /**< written or lost: their states change */
	struct assay__image_slot *unheld; /**< out of the ring: their rows are made, then they are written */
	char pruned[ASSAY__PRUNE_AT_ONCE][ASSAY__PLACE_PATH_CHARS];
	int pruned_count;
	struct assay__stored_event noted[8]; /**< the room's own, for the hook */
	int noted_count;
	bool sign, closing;
};

struct assay__record {
	const struct assay_allocator *allocator;
	struct assay__record_settings settings;
	struct assay__record_hooks hooks;
	char station[ASSAY__NAME_CHARS];
	char dir[ASSAY__RECORD_PATH_CHARS];
	int lock_fd;
	struct assay__sequence sequence;
	sqlite3 *db;
	struct assay__statements sql;
	struct assay__key key;
	struct assay__images *images;
	atomic_uint_fast64_t passes;
	atomic_bool ok;
	_Atomic int64_t keep_until_us; /**< monotonic: after a stop everything is kept */

	pthread_t writer;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t wake, durable;
	struct assay__entry *entries, *unused, *first, *last;
	int length;
	struct assay__stored_event events[ASSAY__EVENTS_WAITING];
	int event_count;
	struct assay__gap gaps[ASSAY__GAPS_WAITING];
	int gap_count;
	bool images_ready, closing;
	int64_t close_deadline_us;
	uint64_t put_count, durable_count;
	struct assay__chain chain; /**< written by the writer only */
	uint64_t commits, recorded, events_dropped;
	char trouble[160]; /**< of the last failed transaction; the chain gets it with the next good one */

	struct assay__batch *batch; /**< the writer's */
};

/* policy.c */
enum assay__keep assay__policy(const struct assay__record_settings *settings, const struct assay__part *part,
							   uint64_t pass_number, bool after_stop);
bool assay__policy_stop(const struct assay__part *part);

/* rows.c: one step of a transaction each; they return an SQLite code. */
int assay__rows_open(struct assay__record *record, struct assay_error *error);
void assay__rows_close(struct assay__record *record);
int assay__rows_step(sqlite3_stmt *statement);
int assay__rows_part(struct assay__record *record, struct assay__chain *chain, struct assay__entry *entry);
int assay__rows_event(struct assay__record *record, struct assay__chain *chain,
					  const struct assay__stored_event *event);
int assay__rows_image(struct assay__record *record, const struct assay__image_slot *slot);
int assay__rows_image_state(struct assay__record *record, uint64_t sequence, int view, enum assay__image_state state,
							int64_t bytes);
int assay__rows_sign(struct assay__record *record, struct assay__chain *chain);
int assay__rows_counters(struct assay__record *record, const struct assay__chain *chain, uint64_t next, bool clean);
/** The room's own event of this moment. */
struct assay__stored_event assay__event_now(const char *kind);

/* recover.c: what is in the database, put in order. */
int assay__recover(struct assay__record *record, struct assay_error *error);
/** Writes a gap for every number below `next` that is neither recorded nor in a gap. Returns an SQLite code. */
int assay__recover_gaps(struct assay__record *record, struct assay__chain *chain, uint64_t next, const char *why);

/* writer.c */
void *assay__writer_run(void *record);

#endif
