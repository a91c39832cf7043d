/* SPDX-License-Identifier: Apache-2.0 */
/* assay learn: more good parts and labelled defects into a recipe, or back to what it was. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/fields.h"
#include "cli/files.h"
#include "cli/learning.h"
#include "cli/progress.h"
#include "cli/teaching.h"

#define LAST "last"

struct settings {
	const char *good, *bad; /* never set: taken from the command line before it is parsed */
	const char *revert;
	bool dry_run, json;
	const char *author;
	double overkill, catch_overkill;
	int keep_mb, threads;
};

static const struct assay__option options[] = {
	{.name = "good",
	 .type = ASSAY__OPTION_PATH,
	 .value = "FILE|DIR...",
	 .help = "pictures of good parts, up to the next option; those taught before are stored, not learnt again",
	 .offset = offsetof(struct settings, good)},
	{.name = "ng",
	 .type = ASSAY__OPTION_PATH,
	 .value = "FILE|DIR...",
	 .help = "pictures of parts with a defect, up to the next option; stored with the recipe and judged at every step",
	 .offset = offsetof(struct settings, bad)},
	{.name = "dry-run",
	 .type = ASSAY__OPTION_FLAG,
	 .help = "tell what would change and leave the recipe as it is",
	 .offset = offsetof(struct settings, dry_run)},
	{.name = "revert",
	 .type = ASSAY__OPTION_TEXT,
	 .value = "[N|HASH]",
	 .help = "make the recipe again that it was after step N of its lineage (0: as taught), or with this content hash "
			 "(its first digits do); without a value, the one before the last step",
	 .offset = offsetof(struct settings, revert)},
	{.name = "overkill",
	 .type = ASSAY__OPTION_PERCENT,
	 .min = 0.00001,
	 .max = 0.2,
	 .help = "share of good parts you accept to see rejected, from now on; without it, as before",
	 .offset = offsetof(struct settings, overkill)},
	{.name = "catch",
	 .type = ASSAY__OPTION_PERCENT,
	 .min = 0.00001,
	 .max = 0.2,
	 .help =
		 "lower the threshold to catch as many labelled defects as this share of good parts rejected allows; without "
		 "it the threshold comes from good parts alone",
	 .offset = offsetof(struct settings, catch_overkill)},
	{.name = "keep-parts",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "256",
	 .min = 1,
	 .max = 16384,
	 .unit = "MB",
	 .help = "room in the recipe for pictures of parts, MB of 1048576 bytes; defects first, what is stored stays",
	 .offset = offsetof(struct settings, keep_mb)},
	{.name = "author",
	 .type = ASSAY__OPTION_TEXT,
	 .value = "NAME",
	 .help = "who decides this, for the lineage; without it the name of the user",
	 .offset = offsetof(struct settings, author)},
	ASSAY__OPTION_JSON(struct settings, json, "print what changed as one JSON object"),
	ASSAY__OPTION_THREADS(struct settings, threads),
};

static const struct assay__command command = {
	.name = "learn",
	.usage = "PART.assay [--good FILE|DIR...] [--ng FILE|DIR...] [OPTION...]",
	.description = "Teaches a recipe more: what is new in good parts goes into its bank, their scores\n"
				   "into its calibration, and defects are stored to be judged at every step. Then tells\n"
				   "which verdicts change, on all parts whose picture is stored with the recipe or given\n"
				   "now. The recipe keeps its lineage and what it was before; --revert goes back, bit for\n"
				   "bit. The file is replaced whole: stopped at any moment, it is the old or the new one.\n"
				   "\n"
				   "  assay learn housing.assay --good reviewed/ok/ --ng reviewed/bad/ --dry-run\n"
				   "  assay learn housing.assay --good reviewed/ok/ --author \"M. Chen\"\n"
				   "  assay learn housing.assay --ng reviewed/bad/ --catch 3%\n"
				   "  assay learn housing.assay --revert\n"
				   "\n"
				   "Exit status: 0 learnt, or nothing new; 2 learnt, but some pictures could not be read\n"
				   "(each is named), or refused: pictures of another size or kind, a part both good and\n"
				   "bad, a step that is not kept; 64 usage; 70 out of memory; 74 the recipe could not be\n"
				   "written.",
	.options = options,
	.option_count = (int)(sizeof(options) / sizeof(options[0])),
	.args_min = 1,
	.args_max = 1,
};

/* The command line taken apart: lists of pictures, and the rest for the parser. */
struct line {
	char **goods, **bads, **rest;
	int good_count, bad_count, rest_count;
};

static bool names_state(const char *text)
{
	size_t length = text ? strlen(text) : 0;
	if (length == 0)
		return false;
	if (strcmp(text, LAST) == 0 || strspn(text, "0123456789") == length)
		return true;
	return length >= 6 && length <= 2 * ASSAY_HASH_BYTES && strspn(text, "0123456789abcdef") == length;
}

static int take_apart(int argc, char **argv, struct line *line)
{
	char ***list = NULL;
	int *count = NULL;
	*line = (struct line){0};
	line->goods = calloc((size_t)argc + 2, sizeof(char *));
	line->bads = calloc((size_t)argc + 2, sizeof(char *));
	line->rest = calloc((size_t)argc + 2, sizeof(char *));
	if (!line->goods || !line->bads || !line->rest) {
		assay__say("out of memory");
		return ASSAY__EXIT_INTERNAL;
	}
	for (int i = 0; i < argc; i++) {
		bool good = strcmp(argv[i], "--good") == 0, bad = strcmp(argv[i], "--ng") == 0;
		if (good || bad) {
			list = good ? &line->goods : &line->bads;
			count = good ? &line->good_count : &line->bad_count;
			if (i + 1 == argc || argv[i + 1][0] == '-')
				return assay__command_misuse(&command, "%s needs pictures or folders after it", argv[i]);
			continue;
		}
		if (list && argv[i][0] != '-') {
			(*list)[(*count)++] = argv[i];
			continue;
		}
		list = NULL;
		line->rest[line->rest_count++] = argv[i];
		if (strcmp(argv[i], "--revert") == 0 && !names_state(i + 1 < argc ? argv[i + 1] : NULL))
			line->rest[line->rest_count++] = (char *)LAST;
	}
	return 0;
}

/* Pictures given, as libassay takes them. */
struct given {
	struct assay__files files;
	struct assay_parts parts;
};

static int load_part(void *ctx, int index, const struct assay_allocator *allocator, struct assay_image *image,
					 struct assay_error *error)
{
	return assay__files_load(ctx, index, allocator, image, error);
}

static const char *name_part(void *ctx, int index)
{
	const struct assay__files *files = ctx;
	return files->list[index].path;
}

static int collect(struct given *given, char **inputs, int count, struct assay_error *error)
{
	int rc = count ? assay__files_collect(&given->files, inputs, count, error) : 0;
	given->parts = (struct assay_parts){given->files.count, load_part, name_part, &given->files};
	return rc;
}

struct hearing {
	const struct given *goods, *bads;
};

static void say_unreadable(void *ctx, int index, const struct assay_error *error)
{
	const struct hearing *h = ctx;
	const char *path = index < h->goods->files.count ? h->goods->files.list[index].path
													 : h->bads->files.list[index - h->goods->files.count].path;
	assay__say("%s: %s", path, assay__reason(error, path));
}

/* One learner at a time for each recipe; the lock goes with the process. */
static int lock(const char *path, int *fd)
{
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*fd >= 0 && flock(*fd, LOCK_EX | LOCK_NB)) {
		assay__say("%s: another assay learn is at work on it", path);
		close(*fd);
		return ASSAY__EXIT_IO;
	}
	return 0;
}

static int save(const struct assay_recipe *recipe, const char *path)
{
	struct assay_error error;
	if (assay_recipe_save(recipe, path, &error) == 0)
		return 0;
	int status = assay__say_error(&error);
	return error.code == ASSAY_E_IO ? ASSAY__EXIT_IO : status;
}

static int learn(const struct settings *settings, const struct assay__setup *setup, const char *path,
				 const struct given *goods, const struct given *bads, const struct assay_learn_options *o)
{
	struct hearing hearing = {goods, bads};
	struct assay_teach_hooks hooks = {.unreadable = say_unreadable, .ctx = &hearing};
	struct assay_recipe *before = NULL, *after = NULL;
	struct assay_learn_report report = {0};
	struct assay__progress progress;
	struct assay_error error;
	int64_t start_us = assay__clock_us();
	int status = assay__recipe_use(setup, path, &before);
	if (status)
		return status;
	assay__progress_open(&progress);
	hooks.progress = progress.progress;
	int rc =
		assay_learn(&setup->env, path, &goods->parts, &bads->parts, o, setup->runner, &hooks, &after, &report, &error);
	assay__progress_close(&progress);
	if (rc) {
		assay__say_error(&error);
		assay_recipe_close(before);
		return rc == ASSAY_E_NOMEM ? ASSAY__EXIT_INTERNAL : ASSAY__EXIT_FAULT;
	}
	if (after && !settings->dry_run)
		status = save(after, path);
	if (!status) {
		struct assay__learning learning = {.path = path,
										   .dry_run = settings->dry_run,
										   .report = &report,
										   .seconds = (double)(assay__clock_us() - start_us) / 1e6};
		assay_recipe_get_info(before, &learning.before);
		assay_recipe_get_info(after ? after : before, &learning.after);
		if (settings->json)
			status = assay__learning_print_json(&learning);
		else
			assay__learning_print(&learning);
	}
	if (!status && report.unreadable)
		status = ASSAY__EXIT_FAULT;
	assay_learn_report_free(&report, setup->env.allocator);
	assay_recipe_close(after);
	assay_recipe_close(before);
	return status;
}

static bool starts(const uint8_t hash[ASSAY_HASH_BYTES], const char *text)
{
	char hex[2 * ASSAY_HASH_BYTES + 1];
	for (int i = 0; i < ASSAY_HASH_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	return strncmp(hex, text, strlen(text)) == 0;
}

/* The step that a person means. A short row of digits is a number. Returns -1 if there is none. */
static int find_step(const struct assay_recipe_info *info, const char *text)
{
	if (strcmp(text, LAST) == 0)
		return info->step_count - 1;
	if (strlen(text) < 6 && strspn(text, "0123456789") == strlen(text))
		return atoi(text);
	for (int i = info->step_count - 1; i >= 0; i--)
		if (starts(info->steps[i].content, text))
			return i + 1;
	return info->step_count && starts(info->steps[0].parent, text) ? 0 : -1;
}

static int print_revert(const struct settings *settings, const char *path, int step,
						const struct assay_recipe_info *before, const struct assay_recipe_info *after)
{
	if (settings->json) {
		struct assay__json json;
		assay__json_open(&json, NULL);
		assay__json_object(&json);
		assay__field_text(&json, "recipe", path);
		assay__field_bool(&json, "written", !settings->dry_run);
		assay__field_int(&json, "reverted_to", step);
		assay__field_q8(&json, "threshold_before", before->report.threshold_q8);
		assay__field_q8(&json, "threshold", after->report.threshold_q8);
		assay__field_int(&json, "parts_used", after->report.parts_used);
		assay__field_int(&json, "bank_size", after->report.bank_size);
		assay__lineage_json(&json, after);
		assay__field_hex(&json, "content_hash_before", before->content_hash, sizeof(before->content_hash));
		assay__field_hex(&json, "content_hash", after->content_hash, sizeof(after->content_hash));
		assay__json_object_end(&json);
		int status = assay__fields_print(&json);
		assay__json_close(&json);
		return status;
	}
	printf("%s %s what it was after step %d\n", path, settings->dry_run ? "would be" : "is", step);
	printf("parts         %d, was %d\nbank          %d vectors, was %d\nthreshold     %.2f, was %.2f\n",
		   after->report.parts_used, before->report.parts_used, after->report.bank_size, before->report.bank_size,
		   after->report.threshold_q8 / 256.0, before->report.threshold_q8 / 256.0);
	assay__lineage_print(after);
	printf("content hash  ");
	for (int i = 0; i < ASSAY_HASH_BYTES; i++)
		printf("%02x", after->content_hash[i]);
	printf("\n");
	return 0;
}

static int revert(const struct settings *settings, const struct assay__setup *setup, const char *path,
				  const struct assay_learn_options *o)
{
	struct assay_recipe *before = NULL, *after = NULL;
	struct assay_recipe_info was, is;
	struct assay_error error;
	int status = assay__recipe_use(setup, path, &before);
	if (status)
		return status;
	assay_recipe_get_info(before, &was);
	int step = find_step(&was, settings->revert);
	if (step < 0 && was.step_count) {
		assay__say("%s: no step of its lineage has the content hash %s; assay info lists them", path, settings->revert);
		status = ASSAY__EXIT_FAULT;
	} else {
		int rc = assay_revert(&setup->env, path, step < 0 ? 0 : step, o, &after, &error);
		if (rc) {
			assay__say_error(&error);
			status = rc == ASSAY_E_NOMEM ? ASSAY__EXIT_INTERNAL : ASSAY__EXIT_FAULT;
		}
	}
	if (!status && !settings->dry_run)
		status = save(after, path);
	if (!status) {
		assay_recipe_get_info(after, &is);
		status = print_revert(settings, path, step, &was, &is);
	}
	assay_recipe_close(after);
	assay_recipe_close(before);
	return status;
}

static int work(const struct settings *settings, const struct line *line, const char *path)
{
	const char *author = settings->author ? settings->author : getenv("USER");
	struct assay_learn_options o = {.author = author,
									.time_s = (int64_t)time(NULL),
									.overkill = settings->overkill,
									.catch_overkill = settings->catch_overkill,
									.keep_bytes = (int64_t)settings->keep_mb << 20};
	struct given goods = {0}, bads = {0};
	struct assay__setup setup;
	struct assay_error error;
	int fd = -1, status = assay__setup_open(&setup, settings->threads);
	if (status)
		return status;
	status = settings->dry_run ? 0 : lock(path, &fd);
	if (!status && settings->revert)
		status = revert(settings, &setup, path, &o);
	else if (!status && (collect(&goods, line->goods, line->good_count, &error) ||
						 collect(&bads, line->bads, line->bad_count, &error)))
		status = assay__say_error(&error);
	else if (!status)
		status = learn(settings, &setup, path, &goods, &bads, &o);
	if (fd >= 0)
		close(fd);
	assay__files_free(&goods.files);
	assay__files_free(&bads.files);
	assay__setup_close(&setup);
	return status;
}

int assay__cmd_learn(int argc, char **argv)
{
	struct settings settings = {0};
	struct line line;
	int count, status = take_apart(argc, argv, &line);
	if (!status) {
		int asked = line.good_count + line.bad_count;
		status = assay__command_parse(&command, line.rest_count, line.rest, &settings, &count);
		if (status < 0 && settings.revert && (asked || settings.overkill > 0 || settings.catch_overkill > 0))
			status = assay__command_misuse(&command, "--revert goes alone: first go back, then learn");
		else if (status < 0 && !settings.revert && !asked && !(settings.overkill > 0) && !(settings.catch_overkill > 0))
			status = assay__command_misuse(&command, "nothing to learn: give --good, --ng, --overkill, --catch or "
													 "--revert");
		if (status < 0)
			status = assay__finish_output(work(&settings, &line, line.rest[1]));
	}
	free(line.goods);
	free(line.bads);
	free(line.rest);
	return status;
}
