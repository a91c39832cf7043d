/* SPDX-License-Identifier: Apache-2.0 */
/* From an output's queue to its spool. */
#ifndef ASSAY_SRC_STATION_OUTPUT_SPOOL_DOOR_H
#define ASSAY_SRC_STATION_OUTPUT_SPOOL_DOOR_H

#include "station/output/output_common.h"
#include "station/output/spool.h"

/** Words of an option that is an enum assay__spool_sync. */
extern const char *const assay__spool_sync_words[];

/** Opens the spool in state_dir/spool-NAME (odd characters replaced), or in memory if there is no state_dir. Errors as the spool's, LIMIT. */
int assay__spool_door_open(const struct assay__station_port *port, const char *name, int limit_mb, int sync,
						   struct assay__spool **out, struct assay_error *error);

typedef int assay__spool_encode(void *ctx, const struct assay__verdict *verdict, uint8_t *out, size_t size_bytes,
								size_t *used_bytes);

/**
 * Moves every verdict that may be handed on. When the spool takes none they stay in the queue. A verdict that cannot be encoded is
 * counted as lost. `buffer` is scratch.
 */
void assay__spool_door_fill(struct assay__door *door, struct assay__spool *spool, assay__spool_encode *encode,
							void *ctx, uint8_t *buffer, size_t size_bytes);

/** The smaller of two waits in ms, where negative is for ever. */
int assay__wait_min(int a_ms, int b_ms);
/** From now to a moment, in ms, rounded up, 0 if it is past; -1 for -1. */
int assay__wait_until(int64_t moment_us);

#endif
