/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sparkplug B payloads (Sparkplug 3.0.0, section 6.4; field numbers of its sparkplug_b.proto). Written by hand and not through protobuf-c:
 * fourteen fields out of some sixty are needed, the encoder cannot fail half way, and no generator joins the build.
 */
#ifndef ASSAY_SRC_STATION_OUTPUT_SPARKPLUG_H
#define ASSAY_SRC_STATION_OUTPUT_SPARKPLUG_H

#include "station/output/output_common.h"

enum assay__spb_type {
	ASSAY__SPB_INT64 = 4,
	ASSAY__SPB_UINT32 = 7,
	ASSAY__SPB_UINT64 = 8,
	ASSAY__SPB_DOUBLE = 10,
	ASSAY__SPB_BOOLEAN = 11,
	ASSAY__SPB_STRING = 12,
};

/** A metric; name NULL: alias only; alias 0: none. */
struct assay__spb_metric {
	const char *name;
	uint64_t alias, timestamp_ms;
	enum assay__spb_type type;
	bool is_historical, is_null;
	union {
		uint64_t integer; /**< also INT64, as two's complement, and BOOLEAN */
		double real;
		const char *text;
	};
};

/** Bytes being written; once they do not fit, `full` stays set. */
struct assay__spb_writer {
	uint8_t *out;
	size_t size_bytes, used_bytes;
	bool full;
};

void assay__spb_put_timestamp(struct assay__spb_writer *writer, uint64_t timestamp_ms);
void assay__spb_put_seq(struct assay__spb_writer *writer, uint64_t seq);
void assay__spb_put_metric(struct assay__spb_writer *writer, const struct assay__spb_metric *metric);
void assay__spb_put_raw(struct assay__spb_writer *writer, const uint8_t *bytes, size_t size_bytes);

/**
 * True if the payload holds a metric `name` of value true: a rebirth command. Anything malformed is false; reads nothing beyond size_bytes.
 */
bool assay__spb_has_true(const uint8_t *bytes, size_t size_bytes, const char *name);

/** The device's metrics, one for each column of the verdict, aliases from 1. verdict NULL: all null. `with_names`: for a birth. */
void assay__spb_put_verdict(struct assay__spb_writer *writer, const struct assay__verdict *verdict, bool with_names,
							bool historical, uint64_t timestamp_ms);

#endif
