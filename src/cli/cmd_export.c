/* SPDX-License-Identifier: Apache-2.0 */
/* assay export: the record as a table, and its pictures as a data set. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/common.h"
#include "station/record/export.h"

enum which { WHICH_ALL, WHICH_PASS, WHICH_FAIL, WHICH_FAULT };
static const char *const verdict_words[] = {"all", "pass", "fail", "fault", NULL};

struct settings {
	const char *csv, *pictures, *parts, *from, *to, *recipe;
	int verdict;
	double train;
};

#define AT(member) offsetof(struct settings, member)
static const struct assay__option options[] = {
	{.name = "csv",
	 .type = ASSAY__OPTION_PATH,
	 .value = "FILE",
	 .help = "write a table of the parts here; - is standard output, which is also the default without --pictures",
	 .offset = AT(csv)},
	{.name = "pictures",
	 .type = ASSAY__OPTION_PATH,
	 .value = "DIR",
	 .help = "copy the pictures kept into train/good, test/good, test/defect and test/challenge of this folder",
	 .offset = AT(pictures)},
	{.name = "train",
	 .type = ASSAY__OPTION_PERCENT,
	 .fallback = "50%",
	 .min = 0,
	 .max = 1,
	 .help = "share of the good parts that goes to train/good",
	 .offset = AT(train)},
	{.name = "parts",
	 .type = ASSAY__OPTION_TEXT,
	 .value = "RANGE",
	 .help = "only these: 17, 10-20, 10-, -20 or all",
	 .offset = AT(parts)},
	{.name = "from",
	 .type = ASSAY__OPTION_TEXT,
	 .value = "TIME",
	 .help = "only parts from this time on, UTC: 2026-11-24 or 2026-11-24T06:00",
	 .offset = AT(from)},
	{.name = "to",
	 .type = ASSAY__OPTION_TEXT,
	 .value = "TIME",
	 .help = "only parts before this time",
	 .offset = AT(to)},
	{.name = "verdict",
	 .type = ASSAY__OPTION_WORD,
	 .fallback = "all",
	 .words = verdict_words,
	 .help = "only parts with this verdict",
	 .offset = AT(verdict)},
	{.name = "recipe",
	 .type = ASSAY__OPTION_TEXT,
	 .value = "NAME",
	 .help = "only parts judged with the recipe of this name",
	 .offset = AT(recipe)},
};
#undef AT

static const struct assay__command command = {
	.name = "export",
	.usage = "STATION_DIR [OPTION...]",
	.description = "Writes the record of a station as a table (CSV, UTF-8, times in UTC), and copies the\n"
				   "pictures it kept into folders as assay eval and assay teach read them.\n"
				   "\n"
				   "  assay export /var/lib/assay/press4 --from 2026-11-24 > today.csv\n"
				   "  assay export /var/lib/assay/press4 --pictures set/ && assay eval set/\n"
				   "\n"
				   "Exit status: 0; 2 the record cannot be read; 64 usage; 70 out of memory; 74 something\n"
				   "could not be written.",
	.options = options,
	.option_count = (int)(sizeof(options) / sizeof(options[0])),
	.args_min = 1,
	.args_max = 1,
};

static int make_filter(const struct settings *settings, struct assay__part_filter *filter, struct assay_error *error)
{
	int rc = 0;
	if (settings->parts)
		rc = assay__query_range(settings->parts, filter, error);
	if (rc == 0 && settings->from)
		rc = assay__query_time(settings->from, &filter->from_us, error);
	if (rc == 0 && settings->to)
		rc = assay__query_time(settings->to, &filter->to_us, error);
	filter->verdicts = settings->verdict == WHICH_ALL ? 0 : 1u << (settings->verdict - WHICH_PASS);
	filter->recipe = settings->recipe;
	return rc;
}

static int write_table(const char *path, struct assay__reader *reader, const struct assay__part_filter *filter)
{
	struct assay_error error;
	uint64_t count = 0;
	bool is_output = strcmp(path, "-") == 0;
	FILE *stream = is_output ? stdout : fopen(path, "w");
	if (!stream) {
		assay__say("cannot write %s: %s", path, strerror(errno));
		return ASSAY__EXIT_IO;
	}
	int status = assay__export_csv(reader, filter, stream, &count, &error) ? assay__say_error(&error) : 0;
	if (is_output)
		return status;
	if (fclose(stream) && !status) {
		assay__say("cannot write %s: %s", path, strerror(errno));
		return ASSAY__EXIT_IO;
	}
	if (!status)
		printf("%" PRIu64 " parts in %s\n", count, path);
	return status;
}

static int copy_pictures(const struct settings *settings, const char *dir, struct assay__reader *reader,
						 const struct assay__part_filter *filter)
{
	struct assay__export_counts counts;
	struct assay_error error;
	if (assay__export_folders(dir, reader, filter, settings->pictures, settings->train, &counts, &error))
		return assay__say_error(&error);
	FILE *stream = settings->csv && strcmp(settings->csv, "-") == 0 ? stderr : stdout;
	fprintf(stream,
			"%s: train/good %" PRIu64 ", test/good %" PRIu64 ", test/defect %" PRIu64 ", test/challenge %" PRIu64
			" pictures; %" PRIu64 " parts have none\n",
			settings->pictures, counts.train_good, counts.test_good, counts.defect, counts.challenge,
			counts.without_picture);
	return 0;
}

int assay__cmd_export(int argc, char **argv)
{
	struct settings settings = {0};
	struct assay__part_filter filter = {0};
	struct assay__reader *reader;
	struct assay_error error;
	int count, status = assay__command_parse(&command, argc, argv, &settings, &count);

	if (status >= 0)
		return status;
	if (make_filter(&settings, &filter, &error))
		return assay__command_misuse(&command, "export: %s", error.message);
	if (assay__reader_open(argv[1], &reader, &error)) {
		status = assay__say_error(&error);
		return status == ASSAY__EXIT_INTERNAL ? status : ASSAY__EXIT_FAULT;
	}
	if (!settings.csv && !settings.pictures)
		settings.csv = "-";
	status = settings.csv ? write_table(settings.csv, reader, &filter) : 0;
	if (!status && settings.pictures)
		status = copy_pictures(&settings, argv[1], reader, &filter);
	assay__reader_close(reader);
	return assay__finish_output(status);
}
