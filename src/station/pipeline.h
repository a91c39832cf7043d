/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk of a frame: gate -> hall -> workers -> door -> shelf (record) -> window. Every trigger gets one sequence number, one
 * verdict and one record, in order of sequence; whoever is slow costs FAULTs, never silence.
 */
#ifndef ASSAY_SRC_STATION_PIPELINE_H
#define ASSAY_SRC_STATION_PIPELINE_H

#include "station/station.h"

struct assay__pipeline;

/**
 * Opens recipes, cameras and record; nothing moves yet: a trigger is answered FAULT not_ready. *out is the caller's; close with
 * assay__pipeline_close. Errors: of what it opens.
 */
int assay__pipeline_open(const struct assay__config *config, const struct assay_env *env,
						 const struct assay__archive_ops *archive, struct assay__pipeline **out,
						 struct assay_error *error);

/** One more output, opened by the caller; before start. */
void assay__pipeline_add_output(struct assay__pipeline *pipeline, const struct assay__config_item *item,
								struct assay__output *output);

int assay__pipeline_start(struct assay__pipeline *pipeline, struct assay_error *error);

/** Accepts no more, waits until all that was accepted is answered and durable (the latter up to drain_ms). */
void assay__pipeline_drain(struct assay__pipeline *pipeline);

/** Closes outputs, then all else. NULL is fine. Returns 0, or IO if a part could not be recorded. */
int assay__pipeline_close(struct assay__pipeline *pipeline);

/* For station.c: as the functions of station.h of the same name. */
int assay__pipeline_trigger(struct assay__pipeline *pipeline, enum assay__trigger_kind kind, uint64_t trigger_id,
							const char *code, uint64_t *sequence);
enum assay__fault assay__pipeline_ready(struct assay__pipeline *pipeline, char why[160]);
bool assay__pipeline_busy(struct assay__pipeline *pipeline);
void assay__pipeline_stats(struct assay__pipeline *pipeline, struct assay__station_stats *out);
bool assay__pipeline_alive(struct assay__pipeline *pipeline, char why[96]);
int assay__pipeline_select(struct assay__pipeline *pipeline, const char *name, int number, struct assay_error *error);
int assay__pipeline_reload(struct assay__pipeline *pipeline, const struct assay_env *env, struct assay_error *error);

#endif
