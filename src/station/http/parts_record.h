/* SPDX-License-Identifier: Apache-2.0 */
/* The record room as a parts port: reads beside the writer, changes nothing. */
#ifndef ASSAY_SRC_STATION_HTTP_PARTS_RECORD_H
#define ASSAY_SRC_STATION_HTTP_PARTS_RECORD_H

#include "station/http/parts_port.h"

struct assay__parts_record;

/** The record itself is opened when first asked. `state_dir` is borrowed. *out is the caller's. Errors: NOMEM. */
int assay__parts_record_open(const char *state_dir, struct assay__parts_record **out, struct assay_error *error);
/** NULL gives NULL. */
const struct assay__parts_port *assay__parts_record_port(const struct assay__parts_record *record);
void assay__parts_record_close(struct assay__parts_record *record);

/** Members of a part's line (schema PartLine) into the object that is open. */
struct assay__part_line;
void assay__parts_line_write(struct assay__json *json, const struct assay__part_line *line);

#endif
