/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The register map: one table from which the image, the checks and docs/modbus.md are made. Adding a value is a row in modbus_map.c and
 * its case in fill_value.
 */
#ifndef ASSAY_SRC_STATION_OUTPUT_MODBUS_MAP_H
#define ASSAY_SRC_STATION_OUTPUT_MODBUS_MAP_H

#include <stdio.h>

#include "station/output/output_common.h"

#define ASSAY__MODBUS_VERSION 1
#define ASSAY__MODBUS_CODE_WORDS 32
/** Words of the status block: input registers 0.., and holding registers from ASSAY__MODBUS_MIRROR on. */
#define ASSAY__MODBUS_STATUS_WORDS 112
/** Status words from here on are the result block, which the Modbus client writes. */
#define ASSAY__MODBUS_RESULT_WORD 40
#define ASSAY__MODBUS_RESULT_WORDS (ASSAY__MODBUS_STATUS_WORDS - ASSAY__MODBUS_RESULT_WORD)
#define ASSAY__MODBUS_MIRROR 100
/** Command words: holding registers 0... */
#define ASSAY__MODBUS_COMMAND_WORDS 40

/** Bits of the status word, the same as the discrete inputs of that number. */
enum assay__modbus_status_bit {
	ASSAY__MODBUS_READY,
	ASSAY__MODBUS_BUSY,
	ASSAY__MODBUS_RESULT_VALID,
	ASSAY__MODBUS_PASS,
	ASSAY__MODBUS_FAIL,
	ASSAY__MODBUS_FAULT,
	ASSAY__MODBUS_HEARTBEAT,
	ASSAY__MODBUS_MISSED,
	ASSAY__MODBUS_CHALLENGE_DUE,
	ASSAY__MODBUS_STATUS_BITS
};

/** Bits of the control word, the same as the coils of that number. */
enum assay__modbus_control_bit {
	ASSAY__MODBUS_TRIGGER,
	ASSAY__MODBUS_ACKNOWLEDGE,
	ASSAY__MODBUS_CHALLENGE,
	ASSAY__MODBUS_CONTROL_BITS
};

/** Command words. */
enum assay__modbus_command {
	ASSAY__MODBUS_CONTROL = 0,
	ASSAY__MODBUS_RECIPE = 1,
	ASSAY__MODBUS_TRIGGER_ID = 2, /**< two words */
	ASSAY__MODBUS_CODE = 8,		  /**< ASSAY__MODBUS_CODE_WORDS words */
};

/** What a status block tells. */
struct assay__modbus_status {
	bool ready, busy, valid, missed, challenge_due;
	uint16_t heartbeat;
	int recipe_number;
	uint32_t results, unacknowledged;
	struct assay__counters counters;
	const struct assay__verdict *verdict; /**< the last one, NULL before the first */
	bool low_word_first;
};

/** The status word. */
uint16_t assay__modbus_status_bits(const struct assay__modbus_status *status);
/** The whole status block. */
void assay__modbus_fill(const struct assay__modbus_status *status, uint16_t words[ASSAY__MODBUS_STATUS_WORDS]);
/** Text as two bytes a word, the first in the upper half, zero filled. */
void assay__modbus_put_text(const char *text, uint16_t *words, int count);
/** The way back; false if it is not UTF-8. Ends at the first zero byte. */
bool assay__modbus_get_text(const uint16_t *words, int count, char *out);
uint32_t assay__modbus_get_u32(const uint16_t words[2], bool low_word_first);

/** The map as Markdown tables. */
void assay__modbus_print_markdown(FILE *stream);

#endif
