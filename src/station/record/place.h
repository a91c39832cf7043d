/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the state folder besides the database: whole or not there, locked, and the number handed out last. */
#ifndef ASSAY_SRC_STATION_RECORD_PLACE_H
#define ASSAY_SRC_STATION_RECORD_PLACE_H

#include <pthread.h>
#include <stdbool.h>

#include "assay/base.h"

#define ASSAY__PLACE_PATH_CHARS 64

/** Writes path by way of path.new: synced, renamed, its folder synced. Errors: IO. */
int assay__place_write(const char *path, const void *bytes, size_t size, int mode, struct assay_error *error);

/** Writes and syncs a new file under a name that is not yet the one it shall have. Errors: IO, errno says why; no file is left. */
int assay__place_fresh(const char *path, const void *bytes, size_t size, int mode, struct assay_error *error);

/** Syncs the folder a path is in; what some file systems refuse is no error. */
void assay__place_sync_folder(const char *path);

/** Makes a folder unless it is there. Errors: IO. */
int assay__place_folder(const char *path, struct assay_error *error);

/** Holds dir/lock until the descriptor is closed. Errors: IO; the message names the process that has it. */
int assay__place_lock(const char *dir, int *fd, struct assay_error *error);

/** Where the file of a picture is, relative to the state folder: images/0000012/0000012345-0.png */
void assay__place_image(uint64_t sequence, int view, char out[ASSAY__PLACE_PATH_CHARS]);

/**
 * The sequence file: the next number, written in place for every trigger, so that it survives kill -9 exactly and needs no
 * disk space. After a power cut it may be old; the database's reserve covers that.
 */
struct assay__sequence {
	int fd;
	pthread_mutex_t lock; /* the file never goes back */
	uint64_t next;
	bool failed; /**< writing it failed: after kill -9 the numbers jump */
};

/** *known: the file was written since this machine started, so that *next is exact; else *next is the least it can be. */
int assay__sequence_open(const char *dir, struct assay__sequence *sequence, uint64_t *next, bool *known,
						 struct assay_error *error);
/** Sets the next number and marks the file as of this boot. Errors: IO. */
int assay__sequence_set(struct assay__sequence *sequence, uint64_t next, struct assay_error *error);
/** Thread safe. */
uint64_t assay__sequence_take(struct assay__sequence *sequence);
/** The next number, not taken. Thread safe. */
uint64_t assay__sequence_peek(struct assay__sequence *sequence);
void assay__sequence_close(struct assay__sequence *sequence);

#endif
