/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Store and forward: messages in order, numbered from 1 without gaps, kept until acknowledged, on disk where a folder is given, so that a
 * restart keeps them. One thread at a time.
 *
 * On disk: segments NNNNNNNNNNNNNNNNNNNN.seg (number of their first message), each a row of frames, little endian:
 * "ASP1" | u32 payload bytes | u64 number | u32 CRC-32 of number and payload | payload. `done` holds the last number acknowledged with its
 * CRC. A torn frame at the end (power loss, full disk) is cut off at the next start; a damaged one in the middle ends its segment.
 *
 * Every append reaches the kernel before it returns: killing the process loses nothing. Power loss loses at most what was appended since
 * the last fdatasync, which `sync` decides. What is acknowledged is noted without a sync: after power loss some messages go out again.
 * While the disk refuses, messages wait in memory, in order, up to memory_bytes.
 */
#ifndef ASSAY_SRC_STATION_OUTPUT_SPOOL_H
#define ASSAY_SRC_STATION_OUTPUT_SPOOL_H

#include <stdbool.h>

#include "assay/base.h"

#define ASSAY__SPOOL_MESSAGE_BYTES 65536

enum assay__spool_sync {
	ASSAY__SPOOL_SYNC_NEVER,
	ASSAY__SPOOL_SYNC_SECOND, /**< at most once a second */
	ASSAY__SPOOL_SYNC_ALWAYS,
};

struct assay__spool_options {
	const char *folder;	   /**< made if absent, its parent must exist; NULL: memory only */
	int64_t limit_bytes;   /**< on disk; beyond it the oldest segment is given up */
	int64_t segment_bytes; /**< a new segment once this is passed; 0: 1 MiB */
	int64_t memory_bytes;  /**< without a folder, or while the disk refuses; 0: 8 MiB */
	enum assay__spool_sync sync;
};

struct assay__spool;

/** Opens and takes up what an earlier run left. *out is the caller's. Errors: NOMEM, IO (the folder cannot be used), ARGUMENT. */
int assay__spool_open(const struct assay__spool_options *options, const struct assay_allocator *allocator,
					  struct assay__spool **out, struct assay_error *error);
/** Syncs and frees; what is on disk stays. NULL is fine. */
void assay__spool_close(struct assay__spool *spool);

/** Appends 1..ASSAY__SPOOL_MESSAGE_BYTES bytes. Errors: FULL (memory is used up), NOMEM, LIMIT; nothing is kept then. */
int assay__spool_append(struct assay__spool *spool, const void *bytes, size_t size_bytes);

/** Number of the oldest message not acknowledged, and of the next to be appended; equal if empty. */
uint64_t assay__spool_first(const struct assay__spool *spool);
uint64_t assay__spool_next(const struct assay__spool *spool);

/**
 * Message `number` (first <= number < next) into out[size_bytes]. Reading upwards is cheap. Errors: FORMAT (damaged or gone from
 * the disk; skip it), LIMIT (does not fit).
 */
int assay__spool_read(struct assay__spool *spool, uint64_t number, void *out, size_t size_bytes, size_t *used_bytes);

/** Everything up to and including `number` is done with. */
void assay__spool_done(struct assay__spool *spool, uint64_t number);

/** Syncs if it is time to; returns ms until it will be, -1 if nothing is unsynced. */
int assay__spool_sync(struct assay__spool *spool);

/** Messages given up since open: limit passed, or damaged on disk. */
uint64_t assay__spool_lost(const struct assay__spool *spool);
int64_t assay__spool_disk_bytes(const struct assay__spool *spool);
/** Messages that wait in memory only. */
int assay__spool_in_memory(const struct assay__spool *spool);

#endif
