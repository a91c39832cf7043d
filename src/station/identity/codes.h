/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Codes on parts: DataMatrix through libdmtx, QR and Code-128 through zbar, each where the library was there at build time. What a
 * code says is a stranger's: it is made text here, escaped and capped, before anybody else sees it.
 */
#ifndef ASSAY_SRC_STATION_IDENTITY_CODES_H
#define ASSAY_SRC_STATION_IDENTITY_CODES_H

#include "base/option.h"
#include "station/part.h"

/** One of `codes:`. */
struct assay__code_settings {
	const char *camera;
	bool datamatrix, qr, code128;
	struct assay_rect_px area; /**< zero width: the whole picture */
	int timeout_ms;
	const char *pattern;
};
extern const struct assay__option assay__code_options[];
extern const int assay__code_option_count;

/** What was found in one picture. */
struct assay__code_found {
	enum assay__code_state state; /**< READ, UNREADABLE or UNEXPECTED */
	enum assay__symbology symbology;
	char text[ASSAY__PART_CODE_CHARS]; /**< if READ */
	char why[192];					   /**< one line, if not */
};

/** False with a message if this build cannot read what is asked for, or nothing is asked for. Errors: ARGUMENT, UNSUPPORTED. */
int assay__code_check(const struct assay__code_settings *settings, struct assay_error *error);

/** One thread's tools. */
struct assay__code_reader;
int assay__code_reader_open(struct assay__code_reader **out, struct assay_error *error);
void assay__code_reader_close(struct assay__code_reader *reader);

/**
 * Looks for codes until one of the pattern is found, settings->timeout_ms have passed, or the monotonic until_us. Between two looks
 * at the clock lie one place of a DataMatrix or one pass of zbar, which is not begun if such a pass would last too long. Always
 * fills *found. The libraries take memory of their own for every picture.
 */
void assay__code_read(struct assay__code_reader *reader, const struct assay__code_settings *settings,
					  const struct assay_image *image, int64_t until_us, struct assay__code_found *found);

/**
 * Bytes as text: UTF-8 stays; control characters, backslashes and bytes that are no UTF-8 become \xNN, so that the way back is
 * known. False if it is empty or longer than fits.
 */
bool assay__code_text(const void *bytes, size_t size, char out[ASSAY__PART_CODE_CHARS]);

/** Whether text is of a pattern: * any run of characters, ? any one, # a digit, else itself. Empty pattern: everything is. */
bool assay__code_matches(const char *pattern, const char *text);

#endif
