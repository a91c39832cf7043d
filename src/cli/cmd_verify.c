/* SPDX-License-Identifier: Apache-2.0 */
/* assay verify: audits the record of a station. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/fields.h"
#include "cli/progress.h"
#include "station/record/verify.h"

struct settings {
	bool json, skip_pictures, skip_database;
	const char *key;
};

static const struct assay__option options[] = {
	ASSAY__OPTION_JSON(struct settings, json, "print one JSON object per finding, and one for the whole"),
	{.name = "key",
	 .type = ASSAY__OPTION_PATH,
	 .value = "FILE",
	 .help = "public key to trust instead of STATION_DIR/record.pub: a copy the auditor kept",
	 .offset = offsetof(struct settings, key)},
	{.name = "skip-pictures",
	 .type = ASSAY__OPTION_FLAG,
	 .help = "do not read the pictures, only see that they are there",
	 .offset = offsetof(struct settings, skip_pictures)},
	{.name = "skip-pages",
	 .type = ASSAY__OPTION_FLAG,
	 .help = "do not check the pages of the database file first",
	 .offset = offsetof(struct settings, skip_database)},
};

static const struct assay__command command = {
	.name = "verify",
	.usage = "STATION_DIR [OPTION...]",
	.description = "Audits the record of a station, which may be running: every part and event against\n"
				   "its hash and the one before, the signatures, that every trigger has a record or\n"
				   "stands in a stated gap, the pictures kept against their hashes, the recipes. Prints\n"
				   "one line per finding, with its place, and a summary. Changes nothing.\n"
				   "\n"
				   "JSON keys of a finding: kind, link, part, view, text; of the whole: station_dir, ok,\n"
				   "findings, links, parts, events, triggers, pass, fail, fault, lost, signatures,\n"
				   "signed_link, images_kept, images_read, images_pruned, images_lost, images_pending,\n"
				   "recipes, last_hash.\n"
				   "\n"
				   "Exit status: 0 all as it was recorded; 1 something found; 2 the record cannot be\n"
				   "read; 64 usage; 70 out of memory; 74 the output could not be written.",
	.options = options,
	.option_count = (int)(sizeof(options) / sizeof(options[0])),
	.args_min = 1,
	.args_max = 1,
};

struct listener {
	bool json;
	int status;
};

static void print_finding(void *ctx, const struct assay__finding *finding)
{
	struct listener *listener = ctx;
	assay__progress_hide();
	if (!listener->json) {
		char text[sizeof(finding->text)];
		snprintf(text, sizeof(text), "%s", finding->text);
		printf("%-9s %s\n", finding->kind, assay__printable(text));
		return;
	}
	struct assay__json json;
	assay__json_open(&json, NULL);
	assay__json_object(&json);
	assay__field_text(&json, "kind", finding->kind);
	assay__json_key(&json, "link");
	finding->link ? assay__json_uint(&json, finding->link) : assay__json_null(&json);
	assay__json_key(&json, "part");
	finding->sequence ? assay__json_uint(&json, finding->sequence) : assay__json_null(&json);
	assay__json_key(&json, "view");
	finding->view >= 0 ? assay__json_int(&json, finding->view) : assay__json_null(&json);
	assay__field_text(&json, "text", finding->text);
	assay__json_object_end(&json);
	int status = assay__fields_print(&json);
	listener->status = listener->status ? listener->status : status;
	assay__json_close(&json);
}

static int print_json(const char *dir, const struct assay__verify_report *report)
{
	const struct {
		const char *key;
		uint64_t value;
	} rows[] = {
		{"findings", report->findings},
		{"links", report->links},
		{"parts", report->parts},
		{"events", report->events},
		{"triggers", report->triggers},
		{"pass", report->pass},
		{"fail", report->fail},
		{"fault", report->fault},
		{"lost", report->lost},
		{"challenge", report->challenge},
		{"signatures", report->signatures},
		{"signed_link", report->signed_link},
		{"images_kept", report->images_kept},
		{"images_read", report->images_read},
		{"images_pruned", report->images_pruned},
		{"images_lost", report->images_lost},
		{"images_pending", report->images_pending},
		{"recipes", report->recipes},
	};
	struct assay__json json;
	assay__json_open(&json, NULL);
	assay__json_object(&json);
	assay__field_text(&json, "station_dir", dir);
	assay__field_bool(&json, "ok", report->findings == 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assay__field_int(&json, rows[i].key, (int64_t)rows[i].value);
	assay__field_hex(&json, "last_hash", report->last_hash, sizeof(report->last_hash));
	assay__json_object_end(&json);
	int status = assay__fields_print(&json);
	assay__json_close(&json);
	return status;
}

static void print_text(const struct assay__verify_report *report)
{
	printf("triggers   %" PRIu64 " = %" PRIu64 " records + %" PRIu64 " in stated gaps\n", report->triggers,
		   report->parts, report->lost);
	printf("verdicts   %" PRIu64 " PASS, %" PRIu64 " FAIL, %" PRIu64 " FAULT\n", report->pass, report->fail,
		   report->fault);
	if (report->challenge)
		printf("challenge  %" PRIu64 " known-bad parts, in none of these\n", report->challenge);
	printf("chain      %" PRIu64 " links, %" PRIu64 " of them events; signed %" PRIu64 " times, last at link %" PRIu64
		   "\n",
		   report->links, report->events, report->signatures, report->signed_link);
	printf("pictures   %" PRIu64 " kept (%" PRIu64 " read), %" PRIu64 " pruned, %" PRIu64 " lost, %" PRIu64
		   " on their way\n",
		   report->images_kept, report->images_read, report->images_pruned, report->images_lost,
		   report->images_pending);
	printf("recipes    %" PRIu64 "\nlast hash  ", report->recipes);
	for (int i = 0; i < ASSAY_HASH_BYTES; i++)
		printf("%02x", report->last_hash[i]);
	if (report->findings)
		printf("\n%" PRIu64 " finding%s\n", report->findings, report->findings == 1 ? "" : "s");
	else
		printf("\nall as it was recorded\n");
}

int assay__cmd_verify(int argc, char **argv)
{
	struct settings settings = {0};
	struct assay__progress progress;
	struct assay__verify_report report;
	struct assay_error error;
	uint8_t key[ASSAY__PUBLIC_KEY_BYTES];
	int count, status = assay__command_parse(&command, argc, argv, &settings, &count);

	if (status >= 0)
		return status;
	struct listener listener = {.json = settings.json};
	struct assay__verify_options verify = {.skip_images = settings.skip_pictures,
										   .skip_database = settings.skip_database,
										   .finding = print_finding,
										   .ctx = &listener};
	if (settings.key && assay__key_read_public(settings.key, key, &error)) {
		assay__say_error(&error);
		return ASSAY__EXIT_FAULT;
	}
	verify.public_key = settings.key ? key : NULL;
	assay__progress_open(&progress);
	verify.progress = progress.progress;
	int rc = assay__verify(argv[1], &verify, &report, &error);
	assay__progress_close(&progress);
	if (rc) {
		status = assay__say_error(&error);
		return assay__finish_output(status == ASSAY__EXIT_INTERNAL ? status : ASSAY__EXIT_FAULT);
	}
	status = listener.status;
	if (settings.json)
		status = status ? status : print_json(argv[1], &report);
	else
		print_text(&report);
	if (status)
		return status;
	return assay__finish_output(report.findings ? ASSAY__EXIT_FAIL : ASSAY__EXIT_PASS);
}
