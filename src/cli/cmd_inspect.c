/* SPDX-License-Identifier: Apache-2.0 */
/* assay inspect: judges pictures by all threads and prints the verdicts in the order asked for. */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/fields.h"
#include "cli/files.h"
#include "cli/paths.h"
#include "cli/progress.h"
#include "cli/teaching.h"

struct settings {
	bool json;
	const char *heatmap;
	int threads;
};

static const struct assay__option options[] = {
	ASSAY__OPTION_JSON(struct settings, json, "print one JSON object per picture"),
	{.name = "heatmap",
	 .type = ASSAY__OPTION_PATH,
	 .value = "DIR",
	 .help = "for every picture judged write a PNG here: the picture, the scores over it, the places found outlined",
	 .offset = offsetof(struct settings, heatmap)},
	ASSAY__OPTION_THREADS(struct settings, threads),
};

static const struct assay__command command = {
	.name = "inspect",
	.usage = "PART.assay [OPTION...] PICTURE...",
	.description = "Judges pictures by a recipe made with assay teach. PICTURE is a picture or a folder\n"
				   "of pictures (folders inside it too). One line for each, in the order given:\n"
				   "\n"
				   "  FAIL     23.10 / 15.20    p 0.0164  parts/7.png  1 place: 24x16 at 120,88 scores 23.10\n"
				   "\n"
				   "is the verdict, the score, the threshold, the share of the good parts taught that\n"
				   "scored as high, the file, and the places above the threshold, worst first, in\n"
				   "pixels from the top left. FAULT means: not judged, and why; it is never a PASS.\n"
				   "\n"
				   "  assay inspect housing.assay new/\n"
				   "  assay inspect housing.assay --json --heatmap seen/ new/ | tee verdicts.jsonl\n"
				   "\n"
				   "JSON keys: file, verdict, score, threshold, bank_score, head_score, p_value, regions\n"
				   "[x, y, width, height, area_px, peak, mean, peak_x, peak_y, length_px, length_mm,\n"
				   "area_mm2, zone, counts, kind], regions_total, width, height, reason. The score is the\n"
				   "larger of the bank's, of what good parts taught, and the head's, of what labels taught\n"
				   "(assay teach --ng), null without any. A kind is that of the labelled defect a place\n"
				   "resembles. Nothing in them depends on the machine. What is not known is null. With\n"
				   "zones (assay teach --zones) a picture fails if a place counts, that is, exceeds what\n"
				   "its zone tolerates, whatever the score.\n"
				   "\n"
				   "Exit status: 0 all PASS; 1 at least one FAIL; 2 at least one FAULT, or the recipe\n"
				   "cannot be used; 64 usage; 70 out of memory; 74 a heat map or the output could not be\n"
				   "written (all pictures have been judged all the same).",
	.options = options,
	.option_count = (int)(sizeof(options) / sizeof(options[0])),
	.args_min = 2,
	.args_max = -1,
};

/* The picture's line until its turn has come. */
struct line {
	char *text;
	enum assay_verdict verdict;
	bool ready;
};

struct job {
	const struct settings *settings;
	const struct assay__files *files;
	const struct assay__setup *setup;
	const struct assay_recipe *recipe;
	uint32_t threshold_q8;
	struct assay_worker **workers;
	struct assay__progress *progress; /**< of the calling thread, which is worker 0 */
	char **heatmaps;				  /**< NULL: none wanted */
	atomic_bool stop;				  /**< nobody reads the output any more, or memory is short */
	atomic_bool heatmap_failed;
	atomic_int judged;

	pthread_mutex_t lock; /* of all below */
	struct line *lines;
	int printed;
	int counts[3]; /* by verdict */
	int output_errno;
	struct assay_error heatmap_error, internal_error;
};

static void print_place(FILE *out, const struct assay_region *region, double mm_per_px)
{
	fprintf(out, "%dx%d at %d,%d scores %.2f", region->box.width, region->box.height, region->box.x, region->box.y,
			region->peak_q8 / 256.0);
	if (mm_per_px > 0)
		fprintf(out, ", %.2f mm long", region->length_px * mm_per_px);
	if (region->kind)
		fprintf(out, ", %s", region->kind);
	if (region->zone)
		fprintf(out, " (%s%s)", region->zone, region->counts ? "" : ", tolerated");
}

/* One line without its end, the caller's to free; NULL without memory. */
static char *text_line(const char *path, const struct assay_result *result)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	bool failed;

	if (!out)
		return NULL;
	if (result->verdict == ASSAY_FAULT) {
		fprintf(out, "FAULT %8s / %-8s p %-6s  %s  %s", "-", "-", "-", path, assay__reason(&result->fault, path));
	} else {
		fprintf(out, "%-5s %8.2f / %-8.2f p %.4f  %s", assay_verdict_name(result->verdict), result->score_q8 / 256.0,
				result->threshold_q8 / 256.0, result->p_value, path);
		for (int i = 0; i < result->region_count; i++) {
			if (i)
				fprintf(out, "; ");
			else
				fprintf(out, "  %d place%s: ", result->regions_total, result->regions_total > 1 ? "s" : "");
			print_place(out, &result->regions[i], result->mm_per_px);
		}
		if (result->regions_total > result->region_count)
			fprintf(out, "; ...");
	}
	failed = ferror(out);
	if (fclose(out) || failed) {
		free(text);
		return NULL;
	}
	return assay__printable(text);
}

static void write_json(struct assay__json *json, const char *path, const struct assay_image *image,
					   const struct assay_result *result)
{
	bool judged = result->verdict != ASSAY_FAULT, read = image->pixels != NULL;
	double mm = result->mm_per_px;

	assay__json_object(json);
	assay__field_text(json, "file", path);
	assay__field_text(json, "verdict", assay_verdict_name(result->verdict));
	assay__field_double(json, "score", judged ? result->score_q8 / 256.0 : NAN);
	assay__field_q8(json, "threshold", result->threshold_q8);
	assay__field_double(json, "bank_score", judged ? result->bank_q8 / 256.0 : NAN);
	assay__field_double(json, "head_score", judged && result->labelled ? result->head_q8 / 256.0 : NAN);
	assay__field_double(json, "p_value", judged ? result->p_value : NAN);
	assay__json_key(json, "regions");
	assay__json_array(json);
	for (int i = 0; judged && i < result->region_count; i++) {
		const struct assay_region *region = &result->regions[i];

		assay__json_object(json);
		assay__field_int(json, "x", region->box.x);
		assay__field_int(json, "y", region->box.y);
		assay__field_int(json, "width", region->box.width);
		assay__field_int(json, "height", region->box.height);
		assay__field_int(json, "area_px", region->area_px);
		assay__field_q8(json, "peak", region->peak_q8);
		assay__field_q8(json, "mean", region->mean_q8);
		assay__field_int(json, "peak_x", region->peak_x_px);
		assay__field_int(json, "peak_y", region->peak_y_px);
		assay__field_int(json, "length_px", region->length_px);
		assay__field_double(json, "length_mm", mm > 0 ? region->length_px * mm : NAN);
		assay__field_double(json, "area_mm2", mm > 0 ? region->area_px * mm * mm : NAN);
		assay__field_text(json, "zone", region->zone);
		assay__field_bool(json, "counts", region->counts);
		assay__field_text(json, "kind", region->kind);
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
	assay__field_int(json, "regions_total", judged ? result->regions_total : 0);
	assay__field_double(json, "width", read ? image->width_px : NAN);
	assay__field_double(json, "height", read ? image->height_px : NAN);
	assay__field_text(json, "reason", judged ? NULL : assay__reason(&result->fault, path));
	assay__json_object_end(json);
}

static char *json_line(const char *path, const struct assay_image *image, const struct assay_result *result)
{
	struct assay__json json;
	const char *text;
	size_t length;
	char *line = NULL;

	assay__json_open(&json, NULL);
	write_json(&json, path, image, result);
	if (!assay__json_text(&json, &text, &length, NULL))
		line = strndup(text, length - 1);
	assay__json_close(&json);
	return line;
}

/* Prints what is ready, in order. The lock is held. */
static void print_ready(struct job *job)
{
	for (; job->printed < job->files->count && job->lines[job->printed].ready; job->printed++) {
		struct line *line = &job->lines[job->printed];

		job->counts[line->verdict]++;
		if (!job->output_errno && (puts(line->text) < 0 || fflush(stdout)))
			job->output_errno = errno ? errno : EIO;
		free(line->text);
		line->text = NULL;
	}
	if (job->output_errno)
		atomic_store(&job->stop, true);
}

/* Remembers the first failure that ends the work. */
static void fail(struct job *job, const struct assay_error *error)
{
	pthread_mutex_lock(&job->lock);
	if (!atomic_exchange(&job->stop, true))
		job->internal_error = *error;
	pthread_mutex_unlock(&job->lock);
}

static void write_heatmap(struct job *job, int index, const struct assay_image *image,
						  const struct assay_result *result)
{
	struct assay_image picture = {0};
	struct assay_error error;
	int rc = assay_heatmap(image, result, NULL, &picture, &error);

	if (!rc)
		rc = assay__folder_make_for(job->heatmaps[index], &error);
	if (!rc)
		rc = assay_image_save_png(job->heatmaps[index], &picture, &error);
	assay_image_free(&picture, NULL);
	if (!rc)
		return;
	pthread_mutex_lock(&job->lock);
	if (!atomic_exchange(&job->heatmap_failed, true))
		job->heatmap_error = error;
	pthread_mutex_unlock(&job->lock);
}

static void judge(void *arg, int index, int worker)
{
	struct job *job = arg;
	const char *path = job->files->list[index].path;
	struct assay_image image = {0};
	struct assay_result result;
	struct assay_error error = {0};
	char *text = NULL;
	int done;

	if (atomic_load(&job->stop))
		return;
	if (!job->workers[worker] && assay_worker_open(job->recipe, &job->workers[worker], &error)) {
		fail(job, &error);
		return;
	}
	if (assay__files_load(job->files, index, NULL, &image, &error) ||
		assay_inspect(job->workers[worker], &image, &result, &error))
		result = (struct assay_result){.verdict = ASSAY_FAULT, .fault = error};
	result.threshold_q8 = job->threshold_q8;
	if (job->heatmaps && result.verdict != ASSAY_FAULT && !atomic_load(&job->heatmap_failed))
		write_heatmap(job, index, &image, &result);
	text = job->settings->json ? json_line(path, &image, &result) : text_line(path, &result);
	assay_image_free(&image, NULL);
	if (!text) {
		assay__fail(&error, ASSAY_E_NOMEM, -1, "out of memory while printing verdicts");
		fail(job, &error);
		return;
	}
	pthread_mutex_lock(&job->lock);
	job->lines[index] = (struct line){text, result.verdict, true};
	print_ready(job);
	pthread_mutex_unlock(&job->lock);
	done = atomic_fetch_add(&job->judged, 1) + 1;
	if (!worker && job->progress)
		job->progress->progress.report(job->progress->progress.ctx, "judging", done, job->files->count);
}

static void print_summary(const struct job *job)
{
	int total = job->counts[ASSAY_PASS] + job->counts[ASSAY_FAIL] + job->counts[ASSAY_FAULT];

	printf("%d picture%s: %d PASS, %d FAIL, %d FAULT\n", total, total == 1 ? "" : "s", job->counts[ASSAY_PASS],
		   job->counts[ASSAY_FAIL], job->counts[ASSAY_FAULT]);
}

static int conclude(const struct job *job)
{
	int status = job->counts[ASSAY_FAULT]  ? ASSAY__EXIT_FAULT
				 : job->counts[ASSAY_FAIL] ? ASSAY__EXIT_FAIL
										   : ASSAY__EXIT_PASS;

	if (job->internal_error.code)
		return assay__say_error(&job->internal_error);
	if (job->output_errno) {
		/* a reader that has seen enough, as head has, is no event */
		if (job->output_errno != EPIPE)
			assay__say("cannot write to standard output: %s", strerror(job->output_errno));
		return ASSAY__EXIT_IO;
	}
	if (!job->settings->json)
		print_summary(job);
	if (job->heatmap_error.code) {
		assay__say("%s; no further heat maps were written", job->heatmap_error.message);
		status = ASSAY__EXIT_IO;
	}
	return status;
}

static int run(struct job *job)
{
	const struct assay_runner *runner = job->setup->runner;
	struct assay__progress progress;
	int status;

	job->workers = calloc((size_t)runner->workers, sizeof(*job->workers));
	job->lines = calloc((size_t)job->files->count + 1, sizeof(*job->lines));
	if (!job->workers || !job->lines) {
		assay__say("out of memory");
		status = ASSAY__EXIT_INTERNAL;
	} else {
		/* the verdicts themselves are progress enough on a terminal */
		job->progress = isatty(STDOUT_FILENO) ? NULL : &progress;
		assay__progress_open(&progress);
		runner->run(runner->ctx, job->files->count, judge, job);
		assay__progress_close(&progress);
		status = conclude(job);
	}
	for (int i = 0; job->workers && i < runner->workers; i++)
		assay_worker_close(job->workers[i]);
	for (int i = 0; job->lines && i < job->files->count; i++)
		free(job->lines[i].text);
	free(job->workers);
	free(job->lines);
	return status;
}

static int inspect(const struct settings *settings, const struct assay__setup *setup, const struct assay__files *files,
				   const char *recipe_path)
{
	struct job job = {.settings = settings, .files = files, .setup = setup};
	struct assay_recipe_info info;
	struct assay_error error;
	struct assay_recipe *recipe;
	int status;

	status = assay__recipe_use(setup, recipe_path, &recipe);
	if (status)
		return status;
	assay_recipe_get_info(recipe, &info);
	job.recipe = recipe;
	job.threshold_q8 = info.report.threshold_q8;
	if (settings->heatmap && (assay__folder_make(settings->heatmap, &error) ||
							  assay__paths_mirror(files, settings->heatmap, ".png", &job.heatmaps, &error))) {
		status = assay__say_error(&error);
		status = error.code == ASSAY_E_NOMEM ? status : ASSAY__EXIT_IO;
	} else {
		pthread_mutex_init(&job.lock, NULL);
		status = run(&job);
		pthread_mutex_destroy(&job.lock);
	}
	assay__paths_free(job.heatmaps, files->count);
	assay_recipe_close(recipe);
	return status;
}

int assay__cmd_inspect(int argc, char **argv)
{
	struct settings settings = {0};
	struct assay__files files = {0};
	struct assay__setup setup;
	struct assay_error error;
	int count, status = assay__command_parse(&command, argc, argv, &settings, &count);

	if (status >= 0)
		return status;
	status = assay__setup_open(&setup, settings.threads);
	if (status)
		return status;
	if (assay__files_collect(&files, argv + 2, count - 1, &error))
		status = assay__say_error(&error);
	else
		status = inspect(&settings, &setup, &files, argv[1]);
	assay__files_free(&files);
	assay__setup_close(&setup);
	return status == ASSAY__EXIT_IO ? status : assay__finish_output(status);
}
