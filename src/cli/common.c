/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/common.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/text.h"
#include "cli/progress.h"

#define MAX_NETWORK_BYTES (256 * 1024 * 1024)

int assay__exit_of(int err)
{
	switch (err) {
	case ASSAY_OK:
		return ASSAY__EXIT_PASS;
	case ASSAY_E_IO:
		return ASSAY__EXIT_IO;
	case ASSAY_E_ARGUMENT:
		return ASSAY__EXIT_USAGE;
	case ASSAY_E_FORMAT:
	case ASSAY_E_UNSUPPORTED:
	case ASSAY_E_LIMIT:
	case ASSAY_E_MISMATCH:
		return ASSAY__EXIT_FAULT;
	default:
		return ASSAY__EXIT_INTERNAL;
	}
}

static void say_list(const char *format, va_list args)
{
	assay__progress_hide();
	/* What was printed before comes first also where both streams are one. */
	fflush(stdout);
	fputs("assay: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

void assay__say(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say_list(format, args);
	va_end(args);
}

int assay__say_error(const struct assay_error *error)
{
	assay__say("%s", error->message);
	return assay__exit_of(error->code);
}

int assay__finish_output(int status)
{
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (errno)
		assay__say("cannot write to standard output: %s", strerror(errno));
	else
		assay__say("cannot write to standard output");
	return ASSAY__EXIT_IO;
}

static void print_help(const struct assay__command *command)
{
	/* Parsed by hand, but listed with the rest. */
	struct assay__option rows[ASSAY__OPTION_MAX_ROWS + 1];
	assert(command->option_count <= ASSAY__OPTION_MAX_ROWS);
	for (int i = 0; i < command->option_count; i++)
		rows[i] = command->options[i];
	rows[command->option_count] = (struct assay__option){.name = "help", .letter = 'h', .help = "print this help"};
	printf("usage: assay %s %s\n\n%s\n\noptions:\n", command->name, command->usage, command->description);
	assay__option_print_help(rows, command->option_count + 1, stdout);
}

static void print_markdown(const struct assay__command *command)
{
	printf("## assay %s\n\n```text\nassay %s %s\n\n%s\n```\n\n", command->name, command->name, command->usage,
		   command->description);
	if (command->option_count > 0)
		assay__option_print_markdown(command->options, command->option_count, stdout);
}

static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

int assay__command_misuse(const struct assay__command *command, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	say_list(format, args);
	va_end(args);
	fprintf(stderr, "usage: assay %s %s\nassay %s --help tells more\n", command->name, command->usage, command->name);
	return ASSAY__EXIT_USAGE;
}

int assay__command_parse(const struct assay__command *command, int argc, char **argv, void *settings,
						 int *positional_count)
{
	if (wants_help(argc, argv)) {
		print_help(command);
		return assay__finish_output(ASSAY__EXIT_PASS);
	}
	if (argc == 2 && strcmp(argv[1], "--help-markdown") == 0) {
		print_markdown(command);
		return assay__finish_output(ASSAY__EXIT_PASS);
	}
	struct assay_error error;
	int count;
	assay__option_defaults(command->options, command->option_count, settings);
	if (assay__option_parse(command->options, command->option_count, argc, argv, settings, &count, &error))
		return assay__command_misuse(command, "%s: %s", command->name, error.message);
	if (count < command->args_min)
		return assay__command_misuse(command, "%s: %d argument%s given, at least %d needed", command->name, count,
									 count == 1 ? "" : "s", command->args_min);
	if (command->args_max >= 0 && count > command->args_max) {
		char quoted[ASSAY__QUOTE_CHARS];
		return assay__command_misuse(command, "%s: one argument too many: %s", command->name,
									 assay__text_quote(argv[command->args_max + 1], quoted));
	}
	*positional_count = count;
	return -1;
}

/* The value of an environment variable; one that is set but empty counts as not set. */
static const char *variable(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

int assay__file_read(const char *what, const char *path, const char *kind, void **bytes, size_t *size_bytes)
{
	struct stat info;
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file < 0 || fstat(file, &info) < 0) {
		assay__say("%s: cannot open %s: %s", what, path, strerror(errno));
		if (file >= 0)
			close(file);
		return ASSAY__EXIT_IO;
	}
	if (!S_ISREG(info.st_mode) || info.st_size < 1 || info.st_size > MAX_NETWORK_BYTES) {
		assay__say("%s: %s is not %s: a regular file of 1 to %d bytes is expected", what, path, kind,
				   MAX_NETWORK_BYTES);
		close(file);
		return ASSAY__EXIT_FAULT;
	}
	size_t size = (size_t)info.st_size, done = 0;
	char *memory = assay__alloc(NULL, size);
	int status = ASSAY__EXIT_PASS;
	if (!memory) {
		assay__say("%s: out of memory for the %zu bytes of %s", what, size, path);
		status = ASSAY__EXIT_INTERNAL;
	}
	while (status == ASSAY__EXIT_PASS && done < size) {
		ssize_t got = read(file, memory + done, size - done);
		if (got > 0) {
			done += (size_t)got;
		} else if (got == 0 || errno != EINTR) {
			assay__say("%s: cannot read %s: %s", what, path, got == 0 ? "it became shorter" : strerror(errno));
			status = ASSAY__EXIT_IO;
		}
	}
	close(file);
	if (status != ASSAY__EXIT_PASS) {
		assay__free(NULL, memory);
		return status;
	}
	*bytes = memory;
	*size_bytes = size;
	return ASSAY__EXIT_PASS;
}

/* Threads by ASSAY_THREADS, or one per processor. Returns 0 or the exit status after saying what is wrong. */
static int default_threads(int *threads)
{
	const char *text = variable("ASSAY_THREADS");
	int64_t value = assay__parallel_cpus();
	if (text && (!assay__text_to_int64(text, &value) || value < 1 || value > ASSAY__PARALLEL_MAX_WORKERS)) {
		char quoted[ASSAY__QUOTE_CHARS];
		assay__say("ASSAY_THREADS: found %s, expected a whole number from 1 to %d", assay__text_quote(text, quoted),
				   ASSAY__PARALLEL_MAX_WORKERS);
		return ASSAY__EXIT_USAGE;
	}
	*threads = (int)value;
	return ASSAY__EXIT_PASS;
}

int assay__setup_open(struct assay__setup *setup, int threads)
{
	struct assay_error error;
	const char *isa = variable("ASSAY_ISA"), *network = variable("ASSAY_NET");
	int status = ASSAY__EXIT_PASS;
	*setup = (struct assay__setup){.threads = threads};
	if (isa && assay_isa_from_name(isa, &setup->env.isa, &error)) {
		assay__say("ASSAY_ISA: %s", error.message);
		status = ASSAY__EXIT_USAGE;
	}
	if (status == ASSAY__EXIT_PASS && threads == 0)
		status = default_threads(&setup->threads);
	if (status == ASSAY__EXIT_PASS && network) {
		status = assay__file_read("ASSAY_NET", network, "a .net file", &setup->network, &setup->env.network_size_bytes);
		setup->env.network = setup->network;
	}
	if (status == ASSAY__EXIT_PASS && assay__parallel_open(setup->threads, NULL, &setup->parallel, &error))
		status = assay__say_error(&error);
	if (status != ASSAY__EXIT_PASS) {
		assay__setup_close(setup);
		return status;
	}
	setup->runner = assay__parallel_runner(setup->parallel);
	return ASSAY__EXIT_PASS;
}

void assay__setup_close(struct assay__setup *setup)
{
	assay__parallel_close(setup->parallel);
	assay__free(NULL, setup->network);
	*setup = (struct assay__setup){0};
}
