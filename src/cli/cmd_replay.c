/* SPDX-License-Identifier: Apache-2.0 */
/* assay replay: judges stored parts again and compares bit for bit. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/fields.h"
#include "cli/progress.h"
#include "station/record/replay.h"

struct settings {
	bool json, verbose;
};

static const struct assay__option options[] = {
	ASSAY__OPTION_JSON(struct settings, json, "print one JSON object per part, and one for the whole"),
	{.name = "verbose",
	 .letter = 'v',
	 .type = ASSAY__OPTION_FLAG,
	 .help = "print a line for every part, not only for those that differ",
	 .offset = offsetof(struct settings, verbose)},
};

static const struct assay__command command = {
	.name = "replay",
	.usage = "STATION_DIR ID|RANGE [OPTION...]",
	.description = "Judges stored parts again, with the recipes they were judged with and the pictures\n"
				   "that were kept, and compares verdict, score, threshold, p-value, regions and the\n"
				   "score map bit for bit. ID is a number or a part code; RANGE is 10-20, 10-, -20 or all.\n"
				   "\n"
				   "  assay replay /var/lib/assay/press4 all\n"
				   "\n"
				   "JSON keys: part, code, outcome (identical, different, skipped), views, text; of the\n"
				   "whole: replayed, identical, different, skipped.\n"
				   "\n"
				   "Exit status: 0 all replayed parts are identical; 1 at least one is different; 2 the\n"
				   "record cannot be read, or nothing could be replayed; 64 usage; 70 out of memory.",
	.options = options,
	.option_count = (int)(sizeof(options) / sizeof(options[0])),
	.args_min = 2,
	.args_max = 2,
};

struct job {
	const struct settings *settings;
	struct assay__replay *replay;
	uint64_t counts[3];
	int status;
	struct assay__progress progress;
};

static const char *const outcomes[] = {"identical", "different", "skipped"};

static void print_part(struct job *job, const struct assay__stored_part *part, struct assay__replayed *replayed)
{
	if (!job->settings->json) {
		if (replayed->outcome == ASSAY__REPLAY_DIFFERENT || job->settings->verbose) {
			char code[ASSAY__PART_CODE_CHARS];
			snprintf(code, sizeof(code), "%s", part->code);
			assay__progress_hide();
			printf("%10" PRIu64 "  %-9s  %s  %s\n", part->sequence, outcomes[replayed->outcome], assay__printable(code),
				   assay__printable(replayed->text));
		}
		return;
	}
	struct assay__json json;
	assay__json_open(&json, NULL);
	assay__json_object(&json);
	assay__json_key(&json, "part");
	assay__json_uint(&json, part->sequence);
	assay__field_text(&json, "code", part->code);
	assay__field_text(&json, "outcome", outcomes[replayed->outcome]);
	assay__field_int(&json, "views", replayed->views);
	assay__field_text(&json, "text", replayed->text[0] ? replayed->text : NULL);
	assay__json_object_end(&json);
	int status = assay__fields_print(&json);
	job->status = job->status ? job->status : status;
	assay__json_close(&json);
}

static int replay_part(void *ctx, const struct assay__stored_part *part, struct assay_error *error)
{
	struct job *job = ctx;
	struct assay__replayed replayed;
	int rc = assay__replay_part(job->replay, part, &replayed, error);
	if (rc)
		return rc;
	job->counts[replayed.outcome]++;
	print_part(job, part, &replayed);
	job->progress.progress.report(job->progress.progress.ctx, "replaying",
								  (int)(job->counts[0] + job->counts[1] + job->counts[2]), 0);
	return 0;
}

static int conclude(struct job *job)
{
	uint64_t replayed = job->counts[ASSAY__REPLAY_IDENTICAL] + job->counts[ASSAY__REPLAY_DIFFERENT];
	if (job->settings->json) {
		struct assay__json json;
		assay__json_open(&json, NULL);
		assay__json_object(&json);
		assay__field_int(&json, "replayed", (int64_t)replayed);
		for (int i = 0; i < 3; i++)
			assay__field_int(&json, outcomes[i], (int64_t)job->counts[i]);
		assay__json_object_end(&json);
		int status = assay__fields_print(&json);
		job->status = job->status ? job->status : status;
		assay__json_close(&json);
	} else {
		printf("%" PRIu64 " replayed part%s: %" PRIu64 " identical", replayed, replayed == 1 ? "" : "s",
			   job->counts[ASSAY__REPLAY_IDENTICAL]);
		if (job->counts[ASSAY__REPLAY_DIFFERENT])
			printf(", %" PRIu64 " different", job->counts[ASSAY__REPLAY_DIFFERENT]);
		if (job->counts[ASSAY__REPLAY_SKIPPED])
			printf("; %" PRIu64 " skipped, no picture kept or not judged", job->counts[ASSAY__REPLAY_SKIPPED]);
		putchar('\n');
	}
	if (job->status)
		return job->status;
	return job->counts[ASSAY__REPLAY_DIFFERENT] ? ASSAY__EXIT_FAIL : replayed ? ASSAY__EXIT_PASS : ASSAY__EXIT_FAULT;
}

int assay__cmd_replay(int argc, char **argv)
{
	struct settings settings = {0};
	struct assay__setup setup;
	struct assay__reader *reader = NULL;
	struct assay__part_filter filter = {0};
	struct assay_error error;
	int count, status = assay__command_parse(&command, argc, argv, &settings, &count);

	if (status >= 0)
		return status;
	struct job job = {.settings = &settings};
	/* what is no range is a code */
	if (assay__query_range(argv[2], &filter, &error))
		filter.code = argv[2];
	status = assay__setup_open(&setup, 1);
	if (status)
		return status;
	int rc = assay__reader_open(argv[1], &reader, &error);
	if (rc == 0)
		rc = assay__replay_open(argv[1], &setup.env, &job.replay, &error);
	assay__progress_open(&job.progress);
	if (rc == 0)
		rc = assay__query_each(reader, &filter, replay_part, &job, &error);
	assay__progress_close(&job.progress);
	if (rc == 0) {
		status = conclude(&job);
	} else {
		status = assay__say_error(&error);
		status = status == ASSAY__EXIT_INTERNAL ? status : ASSAY__EXIT_FAULT;
	}
	assay__replay_close(job.replay);
	assay__reader_close(reader);
	assay__setup_close(&setup);
	return assay__finish_output(status);
}
