/* SPDX-License-Identifier: Apache-2.0 */
/* assay: the command line. One row a verb; adding one is cmd_NAME.c, a line in cmd.h and a row here. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "station/config.h"
#include "vision/net/net.h"

struct verb {
	const char *name;
	const char *help;
	int (*run)(int argc, char **argv);
};

static const struct verb verbs[] = {
	{"teach", "learn from pictures of good parts, write a recipe", assay__cmd_teach},
	{"learn", "teach a recipe more, tell what that changes, go back", assay__cmd_learn},
	{"inspect", "judge pictures with a recipe", assay__cmd_inspect},
	{"eval", "measure how well a data set is judged", assay__cmd_eval},
	{"info", "tell what is in a recipe", assay__cmd_info},
	{"import", "make a network of an ONNX model and pictures", assay__cmd_import},
	{"run", "the station at the line: cameras in, verdicts out, nothing lost", assay__cmd_run},
	{"cameras", "which cameras answer, and how STATION.yaml calls them", assay__cmd_cameras},
	{"user", "who may use a station's pages and API", assay__cmd_user},
	{"verify", "audit the record of a station: chain, signatures, counts, pictures", assay__cmd_verify},
	{"replay", "judge stored parts again and compare bit for bit", assay__cmd_replay},
	{"export", "write a station's record as CSV, its pictures as a data set", assay__cmd_export},
	{"bench", "measure how fast this machine is", assay__cmd_bench},
	{"demo", "render a virtual line, teach, inspect and report; needs no hardware", assay__cmd_demo},
};
#define VERB_COUNT ((int)(sizeof(verbs) / sizeof(verbs[0])))

static void print_help(FILE *stream)
{
	fputs("usage: assay VERB [OPTION...] [ARGUMENT...]\n\n"
		  "Visual inspection from good parts alone: teach a recipe, then judge parts with it.\n\n"
		  "verbs:\n",
		  stream);
	for (int i = 0; i < VERB_COUNT; i++)
		fprintf(stream, "  %-9s %s\n", verbs[i].name, verbs[i].help);
	fputs("\nassay help VERB    tells about one of them\n"
		  "assay --version    prints version, kernels and network\n\n"
		  "environment:\n"
		  "  ASSAY_ISA       kernels: best, scalar, avx2, avxvnni, avx512vnni, neon, neondot;\n"
		  "                  those this CPU has, all with the same results\n"
		  "  ASSAY_NET       a .net file to use instead of the network built in\n"
		  "  ASSAY_THREADS   threads, where --threads does not say; default one per processor\n\n"
		  "exit status: 0 all PASS, or done; 1 at least one FAIL; 2 at least one FAULT or\n"
		  "unreadable input; 64 usage; 70 internal error or out of memory; 74 input or output\n",
		  stream);
}

static int print_version(void)
{
	struct assay_error error;
	struct assay__net *net;
	size_t size_bytes = 0;
	const void *bytes = assay__net_builtin(&size_bytes);
	printf("assay %s\nkernels %s\n", ASSAY_VERSION, assay_isa_name(assay_isa_best()));
	if (!bytes || size_bytes == 0) {
		puts("network none built in");
	} else if (assay__net_open(bytes, size_bytes, ASSAY_ISA_BEST, NULL, &net, &error)) {
		printf("network built in cannot be used: %s\n", error.message);
	} else {
		struct assay__net_info info;
		assay__net_get_info(net, &info);
		printf("network %s ", info.name);
		for (int i = 0; i < 6; i++)
			printf("%02x", info.hash[i]);
		putchar('\n');
		assay__net_close(net);
	}
	return assay__finish_output(ASSAY__EXIT_PASS);
}

static const struct verb *find_verb(const char *name)
{
	for (int i = 0; i < VERB_COUNT; i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static int fail_unknown(const char *name)
{
	char quoted[ASSAY__QUOTE_CHARS];
	const char *kind = name[0] == '-' ? "option" : "verb";
	struct assay__nearest nearest = {.given = name};
	for (int i = 0; i < VERB_COUNT; i++)
		assay__nearest_try(&nearest, verbs[i].name);
	assay__nearest_try(&nearest, "--help");
	assay__nearest_try(&nearest, "--version");
	assay__text_quote(name, quoted);
	if (nearest.best)
		assay__say("unknown %s %s; did you mean %s?", kind, quoted, nearest.best);
	else
		assay__say("unknown %s %s; assay --help lists them", kind, quoted);
	return ASSAY__EXIT_USAGE;
}

static int help(int argc, char **argv)
{
	if (argc < 3) {
		print_help(stdout);
		return assay__finish_output(ASSAY__EXIT_PASS);
	}
	const struct verb *verb = find_verb(argv[2]);
	if (!verb)
		return fail_unknown(argv[2]);
	char *args[] = {argv[2], (char[]){"--help"}, NULL};
	return verb->run(2, args);
}

/* All the verbs' option tables, as docs/options.md wants them. */
static int print_options_markdown(void)
{
	puts("# Options\n\nMade from the option tables by `assay options-markdown`; change the tables, not this page.");
	for (int i = 0; i < VERB_COUNT; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%s", verbs[i].name);
		char *args[] = {name, (char[]){"--help-markdown"}, NULL};
		putchar('\n');
		int status = verbs[i].run(2, args);
		if (status != ASSAY__EXIT_PASS)
			return status;
	}
	return assay__finish_output(ASSAY__EXIT_PASS);
}

/* A closed standard stream would be the next file opened, and messages would land in it. Writing to it still fails. */
static void fill_standard_streams(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			if (open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
				return;
}

int main(int argc, char **argv)
{
	fill_standard_streams();
	if (argc < 2) {
		print_help(stderr);
		return ASSAY__EXIT_USAGE;
	}
	const char *name = argv[1];
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
		return help(strcmp(name, "help") == 0 ? argc : 2, argv);
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0 || strcmp(name, "version") == 0)
		return print_version();
	if (strcmp(name, "options-markdown") == 0)
		return print_options_markdown();
	if (strcmp(name, "station-markdown") == 0) {
		assay__config_print_markdown(stdout);
		return assay__finish_output(ASSAY__EXIT_PASS);
	}
	const struct verb *verb = find_verb(name);
	if (!verb)
		return fail_unknown(name);
	return verb->run(argc - 1, argv + 1);
}
