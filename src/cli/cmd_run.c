/* SPDX-License-Identifier: Apache-2.0 */
/* assay run: the station, from a configuration until it is told to stop. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/run_station.h"
#include "station/config.h"

struct settings {
	bool check, summary;
	int parts, seconds;
};

static const struct assay__option options[] = {
	{.name = "check",
	 .type = ASSAY__OPTION_FLAG,
	 .help = "check the configuration, name every error in it, and start nothing",
	 .offset = offsetof(struct settings, check)},
	{.name = "parts",
	 .type = ASSAY__OPTION_INT,
	 .min = 1,
	 .max = 2147483647,
	 .help = "stop after so many triggers; without it, when told to",
	 .offset = offsetof(struct settings, parts)},
	{.name = "seconds",
	 .type = ASSAY__OPTION_INT,
	 .min = 1,
	 .max = 2147483647,
	 .unit = "s",
	 .help = "stop after so long",
	 .offset = offsetof(struct settings, seconds)},
	{.name = "summary",
	 .type = ASSAY__OPTION_FLAG,
	 .help = "print the counts and latencies as one JSON object at the end",
	 .offset = offsetof(struct settings, summary)},
};

static const struct assay__command command = {
	.name = "run",
	.usage = "[OPTION...] STATION.yaml",
	.description = "Runs a station: cameras, triggers, recipes, record and outputs as STATION.yaml says, see\n"
				   "docs/station.md. Every trigger gets one verdict, PASS, FAIL or FAULT, and one record.\n"
				   "\n"
				   "  assay run --check station.yaml\n"
				   "  assay run station.yaml\n"
				   "\n"
				   "SIGTERM and SIGINT drain: no more parts, all answered and recorded, then the end. SIGHUP\n"
				   "reads the recipes again without losing a part. Log lines go to standard error. Under\n"
				   "systemd it tells when it is ready, and feeds the watchdog.\n"
				   "\n"
				   "Exit status: 0 stopped as told, or the configuration is fine; 2 a recipe is damaged or\n"
				   "does not fit; 64 an error in the configuration; 70 out of memory; 74 a file, camera or\n"
				   "output could not be opened, or a part not be recorded.",
	.options = options,
	.option_count = (int)(sizeof(options) / sizeof(options[0])),
	.args_min = 1,
	.args_max = 1,
};

static void complain(void *ctx, const char *message)
{
	(void)ctx;
	assay__say("%s", message);
}

int assay__cmd_run(int argc, char **argv)
{
	const struct assay__config_complaints complaints = {complain, NULL};
	struct assay__config *config;
	struct assay__setup setup;
	struct settings settings = {0};
	struct assay_error error;
	int count, status = assay__command_parse(&command, argc, argv, &settings, &count);

	if (status >= 0)
		return status;
	if (assay__config_load(argv[1], &complaints, &config, &error))
		return error.code == ASSAY_E_FORMAT ? ASSAY__EXIT_USAGE : assay__exit_of(error.code);
	if (settings.check) {
		printf("%s: fine: %d recipe entries, %d cameras, %d outputs\n", argv[1], config->recipes.count,
			   config->cameras.count, config->outputs.count);
		assay__config_close(config);
		return assay__finish_output(ASSAY__EXIT_PASS);
	}
	status = assay__setup_open(&setup, 1);
	if (!status) {
		struct assay__run_wishes wishes = {
			.parts = settings.parts, .seconds = settings.seconds, .summary = settings.summary};

		status = assay__run_station(config, &setup.env, &wishes);
		assay__setup_close(&setup);
	}
	assay__config_close(config);
	return assay__finish_output(status);
}
