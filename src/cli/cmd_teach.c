/* SPDX-License-Identifier: Apache-2.0 */
/* assay teach: pictures of good parts in, a recipe out. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/check.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/fields.h"
#include "cli/files.h"
#include "cli/labelled.h"
#include "cli/learning.h"
#include "cli/paths.h"
#include "cli/teaching.h"

struct settings {
	const char *output;
	struct assay__teaching_settings teaching;
	bool json;
	const char *check, *ng;
	int threads;
};

static const struct assay__option options[] = {
	{.name = "output",
	 .letter = 'o',
	 .required = true,
	 .type = ASSAY__OPTION_PATH,
	 .value = "PART.assay",
	 .help = "the recipe to write; a recipe of that name is replaced, any other file is not",
	 .offset = offsetof(struct settings, output)},
	ASSAY__TEACHING_OPTIONS(struct settings, teaching, "no"),
	{.name = "keep-parts",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "0",
	 .min = 0,
	 .max = 16384,
	 .unit = "MB",
	 .help =
		 "room in the recipe for pictures of the good parts, MB of 1048576 bytes, so that assay learn can tell what "
		 "changes for them; verdicts do not depend on it",
	 .offset = offsetof(struct settings, teaching.keep_mb)},
	{.name = "check",
	 .type = ASSAY__OPTION_PATH,
	 .value = "DIR",
	 .help = "pictures of parts with a defect: told is how many would escape, and what overkill it takes to catch all; "
			 "the recipe is the same with and without",
	 .offset = offsetof(struct settings, check)},
	{.name = "ng",
	 .type = ASSAY__OPTION_PATH,
	 .value = "DIR",
	 .help =
		 "pictures of parts with a defect, to learn from; the folders in it name the kinds. NAME_mask.png (white on "
		 "the defect) or NAME.boxes (lines \"x y width height\") beside a picture says where it is",
	 .offset = offsetof(struct settings, ng)},
	ASSAY__OPTION_JSON(struct settings, json, "print the report as one JSON object"),
	ASSAY__OPTION_THREADS(struct settings, threads),
};

static const struct assay__command command = {
	.name = "teach",
	.usage = "-o PART.assay [OPTION...] GOOD...",
	.description = "Learns from pictures of good parts what good looks like, and writes a recipe.\n"
				   "GOOD is a picture or a folder of pictures (jpg, jpeg, png, bmp, tif, tiff, pgm,\n"
				   "ppm, pnm; folders inside it too). 20 to 50 good parts are a fair start, 200 set a\n"
				   "fine threshold. Show the variation the line really has: light, pose, oil, tooling.\n"
				   "\n"
				   "  assay teach -o housing.assay good/\n"
				   "  assay teach -o housing.assay --overkill 2% --roi 80,60,1200,900 good/ more/*.png\n"
				   "  assay inspect housing.assay new/\n"
				   "  assay teach -o housing.assay --check rejected/ good/\n"
				   "  assay teach -o housing.assay --ng defects/ good/\n"
				   "\n"
				   "The same pictures give the same recipe, in whatever order and with any number of\n"
				   "threads; the content hash in the report tells. Pixel-identical pictures count once.\n"
				   "\n"
				   "Exit status: 0 taught; 2 taught, but some pictures could not be read (each is named),\n"
				   "or refused: no picture left, one picture repeated, sizes or channels that differ\n"
				   "without --scale, a region or mask that does not fit; 64 usage; 70 out of memory;\n"
				   "74 the recipe could not be written.",
	.options = options,
	.option_count = (int)(sizeof(options) / sizeof(options[0])),
	.args_min = 1,
	.args_max = -1,
};

/* Teaching takes a while; what will not be writable, or should not be, is told before it. */
static int check_output(const char *path)
{
	static const char sqlite[16] = "SQLite format 3";
	char head[16], *folder;
	struct stat st;
	size_t got = 0;
	FILE *file;
	int rc = -1;

	if (stat(path, &st)) {
		const char *slash = strrchr(path, '/');

		folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
		if (!folder)
			return ASSAY__EXIT_INTERNAL;
		if (access(folder, W_OK)) {
			assay__say("%s: cannot write a recipe there: %s", path, strerror(errno));
			rc = ASSAY__EXIT_IO;
		}
		free(folder);
		return rc;
	}
	if (S_ISDIR(st.st_mode))
		return assay__command_misuse(&command, "-o %s is a folder; give the name of the recipe to write", path);
	file = fopen(path, "rb");
	if (file) {
		got = fread(head, 1, sizeof(head), file);
		fclose(file);
	}
	if (!S_ISREG(st.st_mode) || (got && (got < sizeof(head) || memcmp(head, sqlite, sizeof(head)))))
		return assay__command_misuse(&command, "-o %s exists and is not a recipe; it is left as it is", path);
	return -1;
}

static void print_text(const struct assay__files *files, const struct assay__teaching *teaching,
					   const struct assay_recipe_info *info, const struct assay__check *check, const char *output)
{
	const struct assay_teach_report *report = &teaching->report;
	char risk[200], sizes[100], light[200], position[240], low[ASSAY__NUMBER_CHARS], high[ASSAY__NUMBER_CHARS];

	assay__teaching_risk(report, risk);
	assay__scales_text(info, sizes);
	assay__light_text(info, light);
	assay__position_text(&report->position, position);
	assay__text_from_double(report->overkill_low * 100, 2, low);
	assay__text_from_double(report->overkill_high * 100, 2, high);
	printf("parts         %d offered, %d used, %d repeated, %d unreadable\n", report->parts_offered, report->parts_used,
		   report->parts_repeated, report->parts_unreadable);
	printf("pictures      %d x %d px, %s, judged at %s\n", info->image_width_px, info->image_height_px,
		   info->image_channels == 1 || info->grey ? "grey" : "colour", sizes);
	assay__print_defect(info);
	printf("light         %s\n", light);
	printf("position      %s\n", position);
	printf("bank          %d vectors of %d\n", report->bank_size, report->patches);
	printf("threshold     %.2f; good parts score %.2f to %.2f, median %.2f\n", report->threshold_q8 / 256.0,
		   report->score_min_q8 / 256.0, report->score_max_q8 / 256.0, report->score_median_q8 / 256.0);
	printf("risk          %s\n", risk);
	printf("              (calibration in %d folds; 95 %% confidence %s to %s %%)\n", report->folds, low, high);
	if (report->odd_part >= 0 && report->odd_part < files->count)
		printf("odd part      %s scores highest, %.2f; look at it: if it is not good, leave it out\n",
			   files->list[report->odd_part].path, report->score_max_q8 / 256.0);
	assay__print_suspects(info);
	if (check)
		assay__check_print(check);
	if (report->labels.offered) {
		assay__labels_text(&report->labels, risk);
		printf("labels        %s\n", risk);
	}
	assay__lineage_print(info);
	printf("content hash  ");
	for (int i = 0; i < ASSAY_HASH_BYTES; i++)
		printf("%02x", info->content_hash[i]);
	printf("\ntime          %.1f s\n\nnext: assay inspect %s PICTURE...\n", teaching->seconds, output);
}

static int print_json(const struct assay__files *files, const struct assay__teaching *teaching,
					  const struct assay_recipe_info *info, const struct assay__check *check, const char *output)
{
	const struct assay_teach_report *report = &teaching->report;
	char risk[200];
	struct assay__json json;
	int status;

	assay__json_open(&json, NULL);
	assay__json_object(&json);
	assay__field_text(&json, "recipe", output);
	assay__field_int(&json, "parts_offered", report->parts_offered);
	assay__field_int(&json, "parts_used", report->parts_used);
	assay__field_int(&json, "parts_repeated", report->parts_repeated);
	assay__field_int(&json, "parts_unreadable", report->parts_unreadable);
	assay__json_key(&json, "unreadable");
	assay__json_array(&json);
	for (int i = 0; i < teaching->left_out_count; i++) {
		assay__json_object(&json);
		assay__field_text(&json, "file", files->list[teaching->left_out[i].index].path);
		assay__field_text(&json, "reason", teaching->left_out[i].reason);
		assay__json_object_end(&json);
	}
	assay__json_array_end(&json);
	assay__field_int(&json, "width", info->image_width_px);
	assay__field_int(&json, "height", info->image_height_px);
	assay__field_int(&json, "working_width", info->working_width_px);
	assay__field_int(&json, "working_height", info->working_height_px);
	assay__write_scales(&json, info);
	assay__field_int(&json, "patches", report->patches);
	assay__field_int(&json, "bank_size", report->bank_size);
	assay__field_int(&json, "folds", report->folds);
	assay__field_q8(&json, "threshold", report->threshold_q8);
	assay__field_q8(&json, "score_min", report->score_min_q8);
	assay__field_q8(&json, "score_median", report->score_median_q8);
	assay__field_q8(&json, "score_max", report->score_max_q8);
	assay__field_double(&json, "overkill_wanted", report->overkill_wanted);
	assay__field_double(&json, "overkill_stated", report->overkill_stated);
	assay__field_double(&json, "overkill_low", report->overkill_low);
	assay__field_double(&json, "overkill_high", report->overkill_high);
	assay__field_int(&json, "parts_for_wanted", report->parts_for_wanted);
	assay__teaching_risk(report, risk);
	assay__field_text(&json, "risk", risk);
	assay__field_text(&json, "odd_part",
					  report->odd_part >= 0 && report->odd_part < files->count ? files->list[report->odd_part].path
																			   : NULL);
	assay__write_suspects(&json, info, files);
	if (check)
		assay__check_json(&json, check);
	assay__labels_json(&json, &report->labels);
	assay__field_hex(&json, "content_hash", info->content_hash, sizeof(info->content_hash));
	assay__field_double(&json, "seconds", teaching->seconds);
	assay__json_object_end(&json);
	status = assay__fields_print(&json);
	assay__json_close(&json);
	return status;
}

static int teach(const struct settings *settings, const struct assay__setup *setup, const struct assay__files *files)
{
	struct assay__teaching teaching;
	struct assay_recipe_info info;
	struct assay__check check = {0};
	struct assay_error error;
	int status = assay__teaching_run(setup, &settings->teaching, files, &teaching), unreadable;

	if (status)
		return status;
	unreadable = teaching.report.parts_unreadable + teaching.report.labels.unreadable;
	if (assay_recipe_save(teaching.recipe, settings->output, &error)) {
		status = assay__say_error(&error);
		if (error.code == ASSAY_E_IO)
			status = ASSAY__EXIT_IO;
	} else {
		assay_recipe_get_info(teaching.recipe, &info);
		if (settings->check)
			status = assay__check_run(setup, teaching.recipe, settings->check, &check);
		if (!status && settings->json)
			status = print_json(files, &teaching, &info, settings->check ? &check : NULL, settings->output);
		else if (!status)
			print_text(files, &teaching, &info, settings->check ? &check : NULL, settings->output);
		unreadable += check.faults;
	}
	assay__teaching_close(&teaching);
	return status ? status : unreadable ? ASSAY__EXIT_FAULT : ASSAY__EXIT_PASS;
}

int assay__cmd_teach(int argc, char **argv)
{
	struct settings settings = {0};
	struct assay__files files = {0};
	struct assay__labelled labelled = {.kinds = NULL};
	struct assay__setup setup;
	struct assay_error error;
	int input_count, status = assay__command_parse(&command, argc, argv, &settings, &input_count);

	if (status >= 0)
		return status;
	status = check_output(settings.output);
	if (status >= 0)
		return status;
	status = assay__setup_open(&setup, settings.threads);
	if (status)
		return status;
	if (settings.ng && assay__labelled_open(settings.ng, NULL, &labelled, &error)) {
		status = assay__say_error(&error);
		status = error.code == ASSAY_E_NOMEM ? status : ASSAY__EXIT_FAULT;
	} else if (assay__files_collect(&files, argv + 1, input_count, &error)) {
		status = assay__say_error(&error);
	} else {
		settings.teaching.defects = settings.ng ? &labelled.defects : NULL;
		status = teach(&settings, &setup, &files);
	}
	assay__labelled_close(&labelled);
	assay__files_free(&files);
	assay__setup_close(&setup);
	return assay__finish_output(status);
}
