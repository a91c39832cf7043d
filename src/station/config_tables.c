/* SPDX-License-Identifier: Apache-2.0 */
/* The sections of STATION.yaml that the station itself owns, and the page made from all tables. */
#include <string.h>

#include "station/config.h"
#include "station/record/record.h"

static const struct assay__option station_rows[] = {
	{.name = "name",
	 .type = ASSAY__OPTION_TEXT,
	 .fallback = "station",
	 .help = "how records, messages and pages call this station",
	 .offset = offsetof(struct assay__station_settings, name)},
	{.name = "state_dir",
	 .type = ASSAY__OPTION_PATH,
	 .fallback = "state",
	 .help = "folder for the record, its keys and its pictures; made if it is not there",
	 .offset = offsetof(struct assay__station_settings, state_dir)},
	{.name = "keep_record",
	 .type = ASSAY__OPTION_FLAG,
	 .fallback = "yes",
	 .help = "no: nothing is kept, and sequence numbers start at 1 again; for trials only",
	 .offset = offsetof(struct assay__station_settings, keep_record)},
	{.name = "recipe",
	 .type = ASSAY__OPTION_TEXT,
	 .help = "name of the recipe selected at start; without it the first one",
	 .offset = offsetof(struct assay__station_settings, recipe)},
	{.name = "deadline_ms",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "200",
	 .min = 1,
	 .max = 60000,
	 .unit = "ms",
	 .help = "from trigger to verdict; a part without verdict is answered FAULT late (or no_image) at this moment",
	 .offset = offsetof(struct assay__station_settings, deadline_ms)},
	{.name = "workers",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "0",
	 .min = 0,
	 .max = 64,
	 .help = "threads that inspect, one picture each; 0: one per processor",
	 .offset = offsetof(struct assay__station_settings, workers)},
	{.name = "hall",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "8",
	 .min = 1,
	 .max = 4096,
	 .help = "parts that may wait for a worker; one more is FAULT overrun",
	 .offset = offsetof(struct assay__station_settings, hall)},
	{.name = "frames",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "0",
	 .min = 0,
	 .max = 8192,
	 .help =
		 "parts with their pictures in memory at once: hall, workers, and those on the way to the record; 0: as many "
		 "as hall and workers need and 32 for the record",
	 .offset = offsetof(struct assay__station_settings, frames)},
	{.name = "slips",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "256",
	 .min = 8,
	 .max = 65536,
	 .help = "parts without pictures (FAULT at the trigger) on the way to the record; when all are, triggers wait",
	 .offset = offsetof(struct assay__station_settings, slips)},
	{.name = "stale_ms",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "0",
	 .min = 0,
	 .max = 86400000,
	 .unit = "ms",
	 .help = "cameras that run free: after so long without a picture the station is not ready; 0: never",
	 .offset = offsetof(struct assay__station_settings, stale_ms)},
	{.name = "drain_ms",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "5000",
	 .min = 0,
	 .max = 600000,
	 .unit = "ms",
	 .help = "how long outputs and record may take to send what they hold when the station stops",
	 .offset = offsetof(struct assay__station_settings, drain_ms)},
	{.name = "events",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "1024",
	 .min = 16,
	 .max = 65536,
	 .help = "newest events kept in memory for those who watch",
	 .offset = offsetof(struct assay__station_settings, events)},
};

static const struct assay__option recipe_rows[] = {
	{.name = "file",
	 .required = true,
	 .type = ASSAY__OPTION_PATH,
	 .help = "what assay teach wrote",
	 .offset = offsetof(struct assay__recipe_settings, file)},
	{.name = "camera",
	 .type = ASSAY__OPTION_TEXT,
	 .help = "only for this camera; a recipe with a file for each camera is several entries of one name",
	 .offset = offsetof(struct assay__recipe_settings, camera)},
};

static const struct assay__option trigger_rows[] = {
	{.name = "rate_hz",
	 .type = ASSAY__OPTION_DOUBLE,
	 .fallback = "1",
	 .min = 0.001,
	 .max = 100000,
	 .unit = "Hz",
	 .help = "of the timer: triggers a second",
	 .offset = offsetof(struct assay__trigger_settings, rate_hz)},
	{.name = "delay_ms",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "0",
	 .min = 0,
	 .max = 600000,
	 .unit = "ms",
	 .help = "of the timer: from the station's start to the first trigger",
	 .offset = offsetof(struct assay__trigger_settings, delay_ms)},
};

#define COUNT(rows) (int)(sizeof(rows) / sizeof((rows)[0]))

const struct assay__option_table assay__station_table = {station_rows, COUNT(station_rows),
														 sizeof(struct assay__station_settings)};
const struct assay__option_table assay__recipe_table = {recipe_rows, COUNT(recipe_rows),
														sizeof(struct assay__recipe_settings)};
const struct assay__option_table assay__trigger_table = {trigger_rows, COUNT(trigger_rows),
														 sizeof(struct assay__trigger_settings)};

const struct assay__option_table assay__identity_table = {assay__identity_options, 1,
														  sizeof(struct assay__identity_settings)};
const struct assay__option_table assay__code_table = {assay__code_options, 7, sizeof(struct assay__code_settings)};

const struct assay__option_table assay__challenge_table = {assay__challenge_options, 8,
														   sizeof(struct assay__challenge_settings)};

struct assay__option_table assay__record_table(void)
{
	return (struct assay__option_table){assay__record_options, assay__record_option_count,
										sizeof(struct assay__record_settings)};
}

static void print_text(const char *text, FILE *stream)
{
	for (; *text; text++) {
		if (*text == '|')
			fputc('\\', stream);
		fputc(*text, stream);
	}
}

static void print_table(const struct assay__option *rows, int count, FILE *stream)
{
	if (!count) {
		fputs("No settings of its own.\n", stream);
		return;
	}
	fputs("| key | default | expects | meaning |\n|---|---|---|---|\n", stream);
	for (int i = 0; i < count; i++) {
		char expected[ASSAY__OPTION_TEXT_CHARS];

		assay__option_expected(&rows[i], expected);
		fprintf(stream, "| `%s` | ", rows[i].name);
		print_text(rows[i].required ? "required" : rows[i].fallback ? rows[i].fallback : "", stream);
		fputs(" | ", stream);
		print_text(expected, stream);
		fputs(" | ", stream);
		print_text(rows[i].help, stream);
		fputs(" |\n", stream);
	}
}

static void print_section(const char *heading, const char *text, const struct assay__option_table *table, FILE *stream)
{
	fprintf(stream, "\n## %s\n\n%s\n\n", heading, text);
	print_table(table->rows, table->count, stream);
}

void assay__config_print_markdown(FILE *stream)
{
	fputs(
		"# STATION.yaml\n\nMade from the option tables by `assay station-markdown`; change the tables, not this page.\n"
		"`assay run --check STATION.yaml` checks a file and starts nothing. Relative paths are relative to the folder "
		"of "
		"the file.\n\n"
		"```yaml\n"
		"station:\n  name: cell-4\n  state_dir: /var/lib/assay\n  deadline_ms: 100\n"
		"recipes:\n  - name: housing\n    file: housing.assay\n"
		"cameras:\n  - name: top\n    type: folder\n    path: pictures\n    loop: yes\n"
		"triggers:\n  - type: timer\n    rate_hz: 2\n"
		"outputs:\n  - type: stdout\n"
		"```\n",
		stream);
	print_section("station", "The station as a whole.", &assay__station_table, stream);
	print_section("recipes", "A list. `name` is required; the first name is number 1, the next other one number 2.",
				  &assay__recipe_table, stream);
	fputs("\n## cameras\n\nA list; every part has one view of each. `type` is one of the headings below, `name` is how "
		  "records call the view (without it the type).\n",
		  stream);
	for (int i = 0; assay__sources[i]; i++) {
		fprintf(stream, "\n### camera: %s\n\n%s\n\n", assay__sources[i]->type, assay__sources[i]->help);
		print_table(assay__sources[i]->options, assay__sources[i]->option_count, stream);
	}
	print_section(
		"triggers",
		"A list. `type: free`: every picture of the first camera, which runs at its own pace, is a trigger, and any "
		"other trigger is FAULT not_ready. `type: "
		"timer`: at a rate. `type: software`: outputs and HTTP ask, as they always may. Without this section: "
		"software.",
		&assay__trigger_table, stream);
	fputs("\n## outputs\n\nA list; `type` is one of the headings below, `name` is how health and events call it "
		  "(without it "
		  "the type).\n",
		  stream);
	for (int i = 0; assay__outputs[i]; i++) {
		fprintf(stream, "\n### output: %s\n\n%s\n\n", assay__outputs[i]->type, assay__outputs[i]->help);
		print_table(assay__outputs[i]->options, assay__outputs[i]->option_count, stream);
	}
	print_section("identity", "How parts are called; docs/identity.md.", &assay__identity_table, stream);
	print_section("codes", "A list: codes to read from pictures, at most one entry for each camera; docs/identity.md.",
				  &assay__code_table, stream);
	print_section(
		"challenge",
		"Known-bad parts that must be caught before production; docs/challenge.md. Without this section none are "
		"demanded.",
		&assay__challenge_table, stream);
	struct assay__option_table record = assay__record_table();
	print_section("record", "What is kept of every part.", &record, stream);
	print_section("http", "Pages, API and metrics. Without this section there is no HTTP.", &assay__http_table, stream);
	print_section("vitals", "What the good parts tell about camera, light and process; docs/vitals.md.",
				  &assay__vitals_table, stream);
}
