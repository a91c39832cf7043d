/* SPDX-License-Identifier: Apache-2.0 */
/* What every verb needs: exit statuses, messages, its command line, and the environment in which libassay works. */
#ifndef ASSAY_SRC_CLI_COMMON_H
#define ASSAY_SRC_CLI_COMMON_H

#include <stddef.h>

#include "assay/recipe.h"
#include "base/option.h"
#include "base/parallel.h"

enum assay__exit {
	ASSAY__EXIT_PASS = 0,  /**< all PASS, or done */
	ASSAY__EXIT_FAIL = 1,  /**< at least one FAIL, no FAULT */
	ASSAY__EXIT_FAULT = 2, /**< at least one FAULT or unreadable input */
	ASSAY__EXIT_USAGE = 64,
	ASSAY__EXIT_INTERNAL = 70, /**< out of memory, or a bug */
	ASSAY__EXIT_IO = 74,
};

/** The exit status for an error that ends a verb. */
int assay__exit_of(int err);

/** "assay: ..." and a newline on standard error; takes the progress line away first. From the main thread only. */
void assay__say(const char *format, ...) ASSAY_PRINTF(1, 2);

/** Says error's message and returns assay__exit_of(error->code). */
int assay__say_error(const struct assay_error *error);

/** Flushes standard output. Says so and returns ASSAY__EXIT_IO if anything could not be written; else `status`. */
int assay__finish_output(int status);

/** One verb: its --help, its part of the docs and its parser are made from this. */
struct assay__command {
	const char *name;
	const char *usage;		 /**< what follows "assay NAME": "-o PART.assay [OPTION...] GOOD..." */
	const char *description; /**< about two lines, broken by hand at 80 columns, without a newline at the end */
	const struct assay__option *options;
	int option_count;
	int args_min, args_max; /**< positional arguments; args_max < 0: any number */
};

/**
 * Sets defaults and parses the verb's command line, argv[0] being the verb. Returns -1 to go on, with the positional
 * arguments in argv[1..*positional_count]; otherwise the exit status to return at once, because help was printed or
 * a usage error said.
 */
int assay__command_parse(const struct assay__command *command, int argc, char **argv, void *settings,
						 int *positional_count);

/** Says a usage error found after parsing, with a pointer to the verb's --help. Returns ASSAY__EXIT_USAGE. */
int assay__command_misuse(const struct assay__command *command, const char *format, ...) ASSAY_PRINTF(2, 3);

/** A row for the number of threads, an int field; give the field to assay__setup_open. */
#define ASSAY__OPTION_THREADS(owner, member)                                                                           \
	{                                                                                                                  \
		.name = "threads", .letter = 'j', .type = ASSAY__OPTION_INT, .min = 1, .max = ASSAY__PARALLEL_MAX_WORKERS,     \
		.help = "threads to use; without it ASSAY_THREADS, else one per processor. Results do not depend on it",       \
		.offset = offsetof(owner, member),                                                                             \
	}

/** A row for --json, a bool field; `text` says what is printed. */
#define ASSAY__OPTION_JSON(owner, member, text)                                                                        \
	{                                                                                                                  \
		.name = "json", .type = ASSAY__OPTION_FLAG, .help = text, .offset = offsetof(owner, member),                   \
	}

/**
 * Reads a whole regular file; *bytes is the caller's, to be given to assay__free(NULL, ...). Returns 0, or the exit
 * status after saying what is wrong; `what` asked for it ("--network"), `kind` says what is expected ("a .net file").
 */
int assay__file_read(const char *what, const char *path, const char *kind, void **bytes, size_t *size_bytes);

/** The environment of one verb: variables read, network loaded, threads started. */
struct assay__setup {
	struct assay_env env;			   /**< for libassay; valid until close */
	const struct assay_runner *runner; /**< for assay_teach, or to call runner->run yourself */
	int threads;
	struct assay__parallel *parallel;
	void *network; /**< bytes of $ASSAY_NET, or NULL */
};

/**
 * Reads ASSAY_ISA (kernels), ASSAY_NET (a .net file instead of the one built in) and, if threads is 0, ASSAY_THREADS.
 * Returns 0, or the exit status after saying what is wrong; *setup is then empty and needs no closing.
 */
int assay__setup_open(struct assay__setup *setup, int threads);
void assay__setup_close(struct assay__setup *setup);

#endif
