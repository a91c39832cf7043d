/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/check.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/text.h"
#include "cli/fields.h"
#include "vision/metrics.h"

struct job {
	const struct assay__files *files;
	const struct assay_recipe *recipe;
	const int *pick;
	uint32_t *scores;
	enum assay_verdict *verdicts;
	struct assay_worker **workers;
	struct assay_error *faults; /* one for each picture */
	pthread_mutex_t lock;
	struct assay_error error;
};

static void judge(void *arg, int index, int worker)
{
	struct job *job = arg;
	struct assay_image image = {0};
	struct assay_result result = {.verdict = ASSAY_FAULT};
	struct assay_error error = {0};
	int rc = job->workers[worker] ? 0 : assay_worker_open(job->recipe, &job->workers[worker], &error);

	if (!rc && assay__files_load(job->files, job->pick ? job->pick[index] : index, NULL, &image, &result.fault)) {
		result.verdict = ASSAY_FAULT;
	} else if (!rc) {
		rc = assay_inspect(job->workers[worker], &image, &result, &error);
	}
	assay_image_free(&image, NULL);
	job->scores[index] = result.score_q8;
	job->verdicts[index] = result.verdict;
	job->faults[index] = result.fault;
	if (rc) {
		pthread_mutex_lock(&job->lock);
		job->error = error;
		pthread_mutex_unlock(&job->lock);
	}
}

int assay__judge_files(const struct assay__setup *setup, const struct assay_recipe *recipe,
					   const struct assay__files *files, const int *pick, int count, uint32_t *scores,
					   enum assay_verdict *verdicts, struct assay_error *error)
{
	const struct assay_runner *runner = setup->runner;
	struct job job = {.files = files, .recipe = recipe, .pick = pick, .scores = scores, .verdicts = verdicts};

	job.workers = calloc((size_t)runner->workers, sizeof(*job.workers));
	job.faults = calloc((size_t)count + 1, sizeof(*job.faults));
	if (!job.workers || !job.faults) {
		free(job.workers);
		free(job.faults);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory while judging pictures");
	}
	pthread_mutex_init(&job.lock, NULL);
	runner->run(runner->ctx, count, judge, &job);
	pthread_mutex_destroy(&job.lock);
	for (int i = 0; i < runner->workers; i++)
		assay_worker_close(job.workers[i]);
	for (int i = 0; !job.error.code && i < count; i++)
		if (verdicts[i] == ASSAY_FAULT)
			assay__say("%s: %s", files->list[pick ? pick[i] : i].path, job.faults[i].message);
	free(job.workers);
	free(job.faults);
	if (job.error.code)
		*error = job.error;
	return job.error.code;
}

static void count_up(const struct assay_recipe *recipe, const uint32_t *scores, const enum assay_verdict *verdicts,
					 int count, struct assay__check *check)
{
	struct assay_recipe_info info;
	uint32_t lowest = UINT32_MAX;

	assay_recipe_get_info(recipe, &info);
	for (int i = 0; i < count; i++) {
		check->faults += verdicts[i] == ASSAY_FAULT;
		check->escaped += verdicts[i] == ASSAY_PASS;
		if (verdicts[i] != ASSAY_FAULT && scores[i] < lowest)
			lowest = scores[i];
	}
	check->judged = count - check->faults;
	check->good_count = info.report.parts_used;
	for (int i = 0; i < check->good_count; i++)
		check->overkill_count += info.calibration_q8[i] >= lowest;
	if (!check->judged)
		return;
	assay__clopper_pearson(check->escaped, check->judged, 0.05, &check->escape_low, &check->escape_high);
	check->overkill_at_zero_escape = (double)check->overkill_count / check->good_count;
	assay__clopper_pearson(check->overkill_count, check->good_count, 0.05, &check->overkill_low, &check->overkill_high);
}

int assay__check_run(const struct assay__setup *setup, const struct assay_recipe *recipe, const char *folder,
					 struct assay__check *check)
{
	struct assay__files files = {0};
	struct assay_error error;
	char *input = (char *)folder;
	enum assay_verdict *verdicts = NULL;
	uint32_t *scores = NULL;
	int status = 0, rc = assay__files_collect(&files, &input, 1, &error);

	if (!rc) {
		scores = calloc((size_t)files.count + 1, sizeof(*scores));
		verdicts = calloc((size_t)files.count + 1, sizeof(*verdicts));
		rc = scores && verdicts ? 0 : assay__fail(&error, ASSAY_E_NOMEM, -1, "out of memory while checking");
	}
	if (!rc)
		rc = assay__judge_files(setup, recipe, &files, NULL, files.count, scores, verdicts, &error);
	if (rc) {
		status = assay__say_error(&error);
	} else {
		*check = (struct assay__check){0};
		count_up(recipe, scores, verdicts, files.count, check);
		if (!check->judged) {
			assay__say("%s: no picture to check with; the recipe has been written", folder);
			status = ASSAY__EXIT_FAULT;
		}
	}
	free(scores);
	free(verdicts);
	assay__files_free(&files);
	return status;
}

static const char *percent(double share, char text[ASSAY__NUMBER_CHARS])
{
	assay__text_from_double(share * 100, 2, text);
	return text;
}

void assay__check_print(const struct assay__check *check)
{
	char a[ASSAY__NUMBER_CHARS], b[ASSAY__NUMBER_CHARS], c[ASSAY__NUMBER_CHARS];

	printf("check         %d of %d defects would escape, %s %% (95 %% confidence %s to %s %%)\n", check->escaped,
		   check->judged, percent((double)check->escaped / check->judged, a), percent(check->escape_low, b),
		   percent(check->escape_high, c));
	printf("              to catch them all would reject %d of %d good parts, %s %% (%s to %s %%)\n",
		   check->overkill_count, check->good_count, percent(check->overkill_at_zero_escape, a),
		   percent(check->overkill_low, b), percent(check->overkill_high, c));
}

void assay__check_json(struct assay__json *json, const struct assay__check *check)
{
	assay__json_key(json, "check");
	assay__json_object(json);
	assay__field_int(json, "judged", check->judged);
	assay__field_int(json, "faults", check->faults);
	assay__field_int(json, "escaped", check->escaped);
	assay__field_double(json, "escape", (double)check->escaped / check->judged);
	assay__field_double(json, "escape_low", check->escape_low);
	assay__field_double(json, "escape_high", check->escape_high);
	assay__field_double(json, "overkill_at_zero_escape", check->overkill_at_zero_escape);
	assay__field_double(json, "overkill_at_zero_escape_low", check->overkill_low);
	assay__field_double(json, "overkill_at_zero_escape_high", check->overkill_high);
	assay__json_object_end(json);
}
