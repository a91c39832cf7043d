/* SPDX-License-Identifier: Apache-2.0 */
/* assay demo: a virtual line, taught and inspected; leaves a recipe, the pictures and a report. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/demo.h"
#include "cli/demo_live.h"
#include "cli/paths.h"
#include "cli/progress.h"

struct settings {
	const char *folder;
	int seed, good, parts, working_px, threads, live;
	bool json, report;
};

static const struct assay__option options[] = {
	{.name = "out",
	 .letter = 'o',
	 .type = ASSAY__OPTION_PATH,
	 .fallback = "demo",
	 .value = "DIR",
	 .help = "folder to write to; what an earlier demo left there is replaced",
	 .offset = offsetof(struct settings, folder)},
	{.name = "seed",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "1",
	 .max = 2147483647,
	 .help = "another number, another line; the same number, the same pictures on every machine",
	 .offset = offsetof(struct settings, seed)},
	{.name = "good",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "60",
	 .min = 2,
	 .max = 5000,
	 .help = "good parts to teach from",
	 .offset = offsetof(struct settings, good)},
	{.name = "parts",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "140",
	 .min = 2,
	 .max = 5000,
	 .help = "parts to inspect, every other one defective",
	 .offset = offsetof(struct settings, parts)},
	{.name = "working-size",
	 .type = ASSAY__OPTION_PIXELS,
	 .fallback = "384",
	 .min = 64,
	 .max = 2048,
	 .unit = "px",
	 .help =
		 "short side of the picture the network sees, at one scale only; larger finds smaller defects and takes longer",
	 .offset = offsetof(struct settings, working_px)},
	{.name = "report",
	 .type = ASSAY__OPTION_FLAG,
	 .help = "write the report and end; without it, on a terminal, the station runs on until Ctrl-C",
	 .offset = offsetof(struct settings, report)},
	{.name = "live",
	 .type = ASSAY__OPTION_INT,
	 .min = 1,
	 .max = 1000000,
	 .help = "run the station for so many parts after the report, terminal or not",
	 .offset = offsetof(struct settings, live)},
	ASSAY__OPTION_JSON(struct settings, json, "print one JSON object instead of the table"),
	ASSAY__OPTION_THREADS(struct settings, threads),
};

static const struct assay__command command = {
	.name = "demo",
	.usage = "[OPTION...]",
	.description = "Renders a virtual line of die-cast gearbox housings, teaches from good parts, inspects\n"
				   "others, half of them defective, and reports what was caught and what was missed. The\n"
				   "defects range from obvious to hardly visible: some are missed, and the report says so.\n"
				   "Then, on a terminal, a station takes the line over: verdicts stream until Ctrl-C.\n"
				   "\n"
				   "Leaves in DIR: index.html, the report to open; recipe.assay; images, all pictures as a\n"
				   "data set with true masks; station.yaml, the station. Then try\n"
				   "\n"
				   "  assay inspect demo/recipe.assay demo/images/test\n"
				   "  assay eval --working-size 384 demo/images\n"
				   "  assay run demo/station.yaml\n"
				   "\n"
				   "JSON keys: dataset, seed, n_train, n_test_good, n_test_defect, auroc, overkill, escape,\n"
				   "pixel_auroc, overkill_stated, threshold, teach_s, inspect_ms_p50, inspect_ms_p99, kinds\n"
				   "[kind, parts, caught, located, weakest_caught, strongest_missed].\n"
				   "\n"
				   "Exit status: 0 the demo ran, whatever was missed; 2 it could not teach; 64 usage;\n"
				   "70 out of memory; 74 a file could not be written.",
	.options = options,
	.option_count = (int)(sizeof(options) / sizeof(options[0])),
	.args_min = 0,
	.args_max = 0,
};

static int teach(struct assay__demo *demo, struct assay_recipe **recipe, double *seconds, struct assay_error *error)
{
	struct assay_teach_options teach_options = {.working_px = demo->working_px};
	struct assay_parts parts = {demo->good, assay__demo_load, assay__demo_name, demo};
	struct assay_teach_hooks hooks = {.progress = demo->progress->progress};
	int64_t start_us = assay__clock_us();
	int rc = assay_teach(&demo->setup->env, &teach_options, &parts, demo->setup->runner, &hooks, recipe, NULL, error);

	*seconds = (double)(assay__clock_us() - start_us) / 1e6;
	return rc;
}

static int save_recipe(const struct assay_recipe *recipe, const char *folder, struct assay_error *error)
{
	char *path = assay__path_join(folder, "recipe.assay");
	int rc = path ? assay_recipe_save(recipe, path, error) : assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");

	free(path);
	return rc;
}

static int write_report(const struct assay__report *report, struct assay_error *error)
{
	char *path = assay__path_join(report->folder, "index.html");
	int rc = path ? assay__report_write(report, path, error) : assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");

	free(path);
	return rc;
}

/* The walk of the demo; *report is filled, its info belongs to *recipe. */
static int walk(struct assay__demo *demo, struct assay__report *report, struct assay_recipe **recipe,
				struct assay_recipe_info *info, struct assay_error *error)
{
	int rc = assay__demo_folders(demo, error);

	if (!rc)
		rc = assay__demo_save_good(demo, error);
	if (!rc)
		rc = teach(demo, recipe, &report->teach_s, error);
	if (rc)
		return rc;
	assay_recipe_get_info(*recipe, info);
	report->info = info;
	rc = save_recipe(*recipe, report->folder, error);
	if (!rc)
		rc = assay__demo_inspect(demo, *recipe, report, error);
	if (!rc)
		rc = assay__report_count(report, error);
	if (!rc)
		rc = assay__demo_draw(demo, *recipe, report, error);
	if (!rc)
		rc = write_report(report, error);
	return rc;
}

static int conclude(const struct settings *settings, const struct assay__report *report)
{
	if (settings->json)
		return assay__report_print_json(report);
	assay__report_print(report);
	printf("\nreport: %s/index.html\n\ntry next:\n  assay inspect %s/recipe.assay %s/images/test\n"
		   "  assay eval --working-size %d %s/images\n",
		   settings->folder, settings->folder, settings->folder, settings->working_px, settings->folder);
	return 0;
}

static int run(const struct settings *settings, const struct assay__setup *setup)
{
	struct assay__virtual_options line_options = {.seed = (uint64_t)settings->seed};
	struct assay__progress progress;
	struct assay__demo demo = {.setup = setup,
							   .folder = settings->folder,
							   .good = settings->good,
							   .working_px = settings->working_px,
							   .progress = &progress};
	struct assay__report report = {.folder = settings->folder,
								   .seed = (uint64_t)settings->seed,
								   .threads = setup->threads,
								   .working_px = settings->working_px,
								   .part_count = settings->parts,
								   .pixel_auroc = NAN};
	struct assay_recipe_info info;
	struct assay_recipe *recipe = NULL;
	struct assay_error error;
	int rc, status;

	report.isa = assay_isa_name(setup->env.isa == ASSAY_ISA_BEST ? assay_isa_best() : setup->env.isa);
	report.parts = calloc((size_t)settings->parts, sizeof(*report.parts));
	assay__progress_open(&progress);
	rc = report.parts ? assay__demo_open(&demo, &line_options, &error)
					  : assay__fail(&error, ASSAY_E_NOMEM, -1, "out of memory for %d parts", settings->parts);
	if (!rc) {
		report.width_px = demo.width_px;
		report.height_px = demo.height_px;
		if (!settings->json)
			printf("a virtual line of gearbox housings, seed %d: %d good parts to teach from, %d to inspect\n",
				   settings->seed, settings->good, settings->parts);
		rc = walk(&demo, &report, &recipe, &info, &error);
		assay__demo_close(&demo);
	}
	assay__progress_close(&progress);
	status = rc ? assay__say_error(&error) : conclude(settings, &report);
	if (rc == ASSAY_E_ARGUMENT)
		status = ASSAY__EXIT_FAULT; /* of teaching; the options were checked */
	assay_recipe_close(recipe);
	free(report.parts);
	return status;
}

int assay__cmd_demo(int argc, char **argv)
{
	struct settings settings = {0};
	struct assay__setup setup;
	int count, status = assay__command_parse(&command, argc, argv, &settings, &count);

	if (status >= 0)
		return status;
	status = assay__setup_open(&setup, settings.threads);
	if (status)
		return status;
	status = run(&settings, &setup);
	if (!status)
		status =
			assay__demo_live(settings.folder, &setup,
							 &(struct assay__demo_live){.seed = settings.seed,
														.first = settings.good + settings.parts,
														.parts = settings.live,
														.run = settings.live || (!settings.report && !settings.json &&
																				 isatty(STDOUT_FILENO))});
	assay__setup_close(&setup);
	return assay__finish_output(status);
}
