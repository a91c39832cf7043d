/* SPDX-License-Identifier: Apache-2.0 */
/* The station's log: one line per event on standard error, key=value, each event logged once, where it is decided. */
#ifndef ASSAY_SRC_STATION_LOG_H
#define ASSAY_SRC_STATION_LOG_H

#include "assay/base.h"

enum assay__log_level {
	ASSAY__LOG_ERROR = 3, /**< numbers are those of syslog and the journal */
	ASSAY__LOG_WARNING = 4,
	ASSAY__LOG_NOTICE = 5,
	ASSAY__LOG_INFO = 6,
};

/** Drops what is less important than `most`. Under systemd ($JOURNAL_STREAM) lines start with their priority "<N>". Once, at start. */
void assay__log_open(enum assay__log_level most);

/**
 * "event=NAME " and the rest. At most 20 lines a second of one event; what was left out is counted in the next line
 * of it. Thread safe, allocates nothing.
 */
void assay__log(enum assay__log_level level, const char *event, const char *format, ...) ASSAY_PRINTF(3, 4);

/** A value in quotes, with quotes, backslashes and control characters made harmless. Returns out. */
const char *assay__log_quote(const char *value, char *out, size_t size);

#endif
