/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Option tables. One table of rows feeds the command line, configuration files, error messages, --help and the
 * Markdown docs. Values go into the caller's struct, at each row's offset.
 */
#ifndef ASSAY_SRC_BASE_OPTION_H
#define ASSAY_SRC_BASE_OPTION_H

#include <stdbool.h>
#include <stdio.h>

#include "assay/base.h"

#define ASSAY__OPTION_MAX_ROWS 64

/** What a row's text means, and the type of its field. */
enum assay__option_type {
	ASSAY__OPTION_FLAG,	   /**< bool: --name, --no-name; in files true, false, yes, no, on, off */
	ASSAY__OPTION_INT,	   /**< int */
	ASSAY__OPTION_DOUBLE,  /**< double */
	ASSAY__OPTION_PERCENT, /**< double, a share: "0.5%" and "0.005" both give 0.005; min and max are shares too */
	ASSAY__OPTION_PIXELS,  /**< int: "256" or "256px" */
	ASSAY__OPTION_TEXT,	   /**< const char *, borrowed */
	ASSAY__OPTION_PATH,	   /**< const char *, borrowed, never empty */
	ASSAY__OPTION_WORD,	   /**< int (or an enum of that size): the index in `words` */
	ASSAY__OPTION_RECT,	   /**< four int: "x,y,width,height", x and y >= 0, width and height >= 1 */
};

/** One option. */
struct assay__option {
	const char *name; /**< long name without dashes */
	char letter;	  /**< short name, 0 for none */
	bool required;	  /**< must be on the command line */
	enum assay__option_type type;
	const char *fallback;	  /**< the default as text; NULL: zero, which the help does not show */
	double min, max;		  /**< inclusive, HUGE_VAL for none; both zero: no limits */
	const char *unit;		  /**< shown with the range: "px", "ms"; NULL: none */
	const char *value;		  /**< what the help calls the value: "FILE"; NULL: by type */
	const char *const *words; /**< of a WORD, ended by NULL */
	const char *help;
	size_t offset;
};

/** Sets every field of the table in *settings to its default. A default that does not parse is a bug: assert. */
void assay__option_defaults(const struct assay__option *rows, int count, void *settings);

/**
 * Parses argv[1..argc): --name VALUE, --name=VALUE, -o VALUE, -oVALUE, --flag, --no-flag; "--" ends the options; the
 * last of a repeated option counts. Fields of options not given are left as they are (set defaults first). On success
 * the positional arguments are moved, in order, to argv[1..*positional_count]; values in *settings borrow from argv.
 * On failure nothing is changed. Errors: ARGUMENT; the message names the option, what was found and what is allowed.
 */
int assay__option_parse(const struct assay__option *rows, int count, int argc, char **argv, void *settings,
						int *positional_count, struct assay_error *error);

/**
 * Sets one option from text, which must outlive *settings. `prefix` (nullable), such as "line.yaml:12", starts the
 * message. Errors: ARGUMENT (unknown name, bad value).
 */
int assay__option_set(const struct assay__option *rows, int count, const char *prefix, const char *name,
					  const char *text, void *settings, struct assay_error *error);

/** Two columns, wrapped at 80: names, then help with default and range. */
void assay__option_print_help(const struct assay__option *rows, int count, FILE *stream);

/** A Markdown table with a heading row. */
void assay__option_print_markdown(const struct assay__option *rows, int count, FILE *stream);

/* Between option.c and option_help.c. */
#define ASSAY__OPTION_TEXT_CHARS 300

/** What a value may be, for a message: "a whole number from 64 to 1024 px". */
void assay__option_expected(const struct assay__option *row, char out[ASSAY__OPTION_TEXT_CHARS]);
/** The range alone, "64 to 1024 px", empty if there is none. */
void assay__option_range(const struct assay__option *row, char out[ASSAY__OPTION_TEXT_CHARS]);

#endif
