/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/evaluate.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/progress.h"
#include "cli/teaching.h"
#include "vision/metrics.h"

#define TIMED_MAX 200
#define AUPRO_MAX_FPR 0.3

struct job {
	const struct assay__dataset *set;
	const struct assay_recipe *recipe;
	struct assay_worker **workers;
	struct assay__scored *scored;
	struct assay__progress progress;
	atomic_int done;
	atomic_bool stop;

	pthread_mutex_t lock; /* of all below */
	struct assay__pixel_metrics *pixels;
	struct assay_error error; /* the first that ends the work */
};

static int no_memory(struct assay_error *error)
{
	return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory while evaluating");
}

/* Where pixel `at` lies between the cells of a grid over [start, start + size): the lower cell and 1/65536ths. */
static void place(int at, int start, int size, int cells, int *cell, uint32_t *fraction)
{
	int64_t span = 2 * (int64_t)size, along = (2 * (int64_t)(at - start) + 1) * cells - size;

	if (along < 0)
		along = 0;
	if (along > (int64_t)(cells - 1) * span)
		along = (int64_t)(cells - 1) * span;
	*cell = (int)(along / span);
	*fraction = (uint32_t)((along % span << 16) / span);
	if (*cell == cells - 1 && cells > 1) {
		*cell -= 1;
		*fraction = 65536;
	}
}

static uint32_t blend(uint32_t a, uint32_t b, uint32_t fraction)
{
	return (uint32_t)(((uint64_t)a * (65536 - fraction) + (uint64_t)b * fraction) >> 16);
}

uint32_t *assay__spread_map(const struct assay_result *result, int width, int height)
{
	const struct assay_rect_px *area = &result->map_area;
	int grid_width = result->grid_width, right = grid_width > 1, down = result->grid_height > 1 ? grid_width : 0;
	uint32_t *pixels = calloc((size_t)width * (size_t)height, sizeof(*pixels)), *fractions;
	int *cells;

	fractions = calloc((size_t)width, sizeof(*fractions));
	cells = calloc((size_t)width, sizeof(*cells));
	if (!pixels || !fractions || !cells) {
		free(pixels);
		pixels = NULL;
	}
	for (int x = area->x; pixels && x < area->x + area->width && x < width; x++)
		place(x, area->x, area->width, grid_width, &cells[x], &fractions[x]);
	for (int y = area->y; pixels && y < area->y + area->height && y < height; y++) {
		uint32_t fraction, *row = pixels + (size_t)y * (size_t)width;
		const uint32_t *map;
		int cell;

		place(y, area->y, area->height, result->grid_height, &cell, &fraction);
		map = result->map_q8 + (size_t)cell * (size_t)grid_width;
		for (int x = area->x; x < area->x + area->width && x < width; x++) {
			const uint32_t *at = map + cells[x];

			row[x] =
				blend(blend(at[0], at[right], fractions[x]), blend(at[down], at[down + right], fractions[x]), fraction);
		}
	}
	free(fractions);
	free(cells);
	return pixels;
}

static void stop(struct job *job, const struct assay_error *error)
{
	pthread_mutex_lock(&job->lock);
	if (!atomic_exchange(&job->stop, true))
		job->error = *error;
	pthread_mutex_unlock(&job->lock);
}

/* Adds one judged picture to the pixel figures. A mask that does not fit is noted in *scored; other errors are
 * returned. */
static int add_pixels(struct job *job, int index, const struct assay_image *image, const struct assay_result *result,
					  struct assay__scored *scored, struct assay_error *error)
{
	const char *path = job->set->masks[index];
	bool good = index < job->set->kinds[0].count;
	uint32_t *pixels;
	uint8_t *mask = NULL;
	int64_t ones;
	int rc;

	if (!good && !path)
		return 0;
	if (!good) {
		rc = assay__mask_load(path, image->width_px, image->height_px, &mask, &ones, error);
		if (rc == ASSAY_E_NOMEM)
			return rc;
		if (rc) {
			scored->trouble = strdup(error->message);
			scored->mask_trouble = true;
			return scored->trouble ? 0 : no_memory(error);
		}
	}
	pixels = assay__spread_map(result, image->width_px, image->height_px);
	if (!pixels) {
		rc = no_memory(error);
	} else {
		pthread_mutex_lock(&job->lock);
		rc = assay__pixel_metrics_add(job->pixels, pixels, mask, image->width_px, image->height_px, error);
		pthread_mutex_unlock(&job->lock);
	}
	free(pixels);
	free(mask);
	return rc;
}

static int judge_picture(struct job *job, int index, int worker, struct assay_error *error)
{
	struct assay__scored *scored = &job->scored[index];
	struct assay_image image = {0};
	struct assay_result result;
	int rc = 0;

	if (!job->workers[worker])
		rc = assay_worker_open(job->recipe, &job->workers[worker], error);
	if (rc)
		return rc;
	if (assay__files_load(&job->set->test, index, NULL, &image, error)) {
		scored->verdict = ASSAY_FAULT;
		scored->trouble = strdup(error->message);
		return scored->trouble ? 0 : no_memory(error);
	}
	rc = assay_inspect(job->workers[worker], &image, &result, error);
	if (!rc) {
		scored->verdict = result.verdict;
		scored->score_q8 = result.score_q8;
		scored->p_value = result.p_value;
		if (result.verdict == ASSAY_FAULT) {
			assay__fail_prefix(&result.fault, "%s", job->set->test.list[index].path);
			scored->trouble = strdup(result.fault.message);
			rc = scored->trouble ? 0 : no_memory(error);
		} else if (job->pixels) {
			rc = add_pixels(job, index, &image, &result, scored, error);
		}
	}
	assay_image_free(&image, NULL);
	return rc;
}

static void judge(void *arg, int index, int worker)
{
	struct job *job = arg;
	struct assay_error error;

	if (atomic_load(&job->stop))
		return;
	if (judge_picture(job, index, worker, &error))
		stop(job, &error);
	atomic_fetch_add(&job->done, 1);
	if (!worker)
		job->progress.progress.report(job->progress.progress.ctx, "judging", atomic_load(&job->done),
									  job->set->test.count);
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Times up to TIMED_MAX pictures, spread evenly over the set, on this thread alone. */
static int time_pictures(struct job *job, struct assay__evaluation *out, struct assay_error *error)
{
	int total = job->set->test.count, wanted = total < TIMED_MAX ? total : TIMED_MAX, timed = 0, rc;
	struct assay_worker *worker;
	struct assay_result result;
	double ms[TIMED_MAX];

	rc = assay_worker_open(job->recipe, &worker, error);
	if (rc)
		return rc;
	for (int i = 0; !rc && i < wanted; i++) {
		struct assay_image image = {0};
		int64_t start_us;

		job->progress.progress.report(job->progress.progress.ctx, "timing", i, wanted);
		/* what cannot be read is told when it is to be judged */
		if (assay__files_load(&job->set->test, (int)((int64_t)i * total / wanted), NULL, &image, error))
			continue;
		if (!timed)
			rc = assay_inspect(worker, &image, &result, error);
		start_us = assay__clock_us();
		if (!rc)
			rc = assay_inspect(worker, &image, &result, error);
		if (!rc && result.verdict != ASSAY_FAULT)
			ms[timed++] = (double)(assay__clock_us() - start_us) / 1e3;
		assay_image_free(&image, NULL);
	}
	assay_worker_close(worker);
	qsort(ms, (size_t)timed, sizeof(ms[0]), compare_doubles);
	out->inspect_ms_p50 = timed ? ms[(timed - 1) / 2] : NAN;
	out->inspect_ms_p99 = timed ? ms[(timed * 99 + 99) / 100 - 1] : NAN;
	return rc;
}

static double peak_mb(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_SELF, &usage) ? NAN : (double)usage.ru_maxrss * 1024 / 1e6;
}

/* Gathers the scores of the judged pictures of one kind at scores[0..]. Returns how many. */
static size_t gather(const struct assay__evaluation *out, const struct assay__kind *kind, uint32_t *scores, int *failed)
{
	size_t count = 0;

	for (int i = kind->first; i < kind->first + kind->count; i++) {
		if (out->scored[i].verdict == ASSAY_FAULT)
			continue;
		*failed += out->scored[i].verdict == ASSAY_FAIL;
		scores[count++] = out->scored[i].score_q8;
	}
	return count;
}

static int make_figures(const struct job *job, double stated_overkill, struct assay__evaluation *out,
						struct assay_error *error)
{
	const struct assay__dataset *set = job->set;
	uint32_t *good = calloc((size_t)set->test.count + 1, sizeof(*good));
	uint32_t *bad = calloc((size_t)set->test.count + 1, sizeof(*bad));
	size_t good_count, bad_count = 0;
	int caught = 0;

	if (!good || !bad) {
		free(good);
		free(bad);
		return no_memory(error);
	}
	good_count = gather(out, &set->kinds[0], good, &out->rejected_count);
	for (int k = 1; k < set->kind_count; k++) {
		struct assay__kind_figures *figures = &out->kinds[k];
		size_t count = gather(out, &set->kinds[k], bad + bad_count, &figures->caught);

		figures->judged = (int)count;
		figures->auroc = assay__auroc(good, good_count, bad + bad_count, count);
		caught += figures->caught;
		bad_count += count;
	}
	out->good_count = (int)good_count;
	out->defect_count = (int)bad_count;
	out->fault_count = set->test.count - out->good_count - out->defect_count;
	out->escaped_count = out->defect_count - caught;
	out->overkill = good_count ? (double)out->rejected_count / (double)good_count : NAN;
	out->escape = bad_count ? (double)out->escaped_count / (double)bad_count : NAN;
	out->auroc = assay__auroc(good, good_count, bad, bad_count);
	out->overkill_at_zero_escape = assay__overkill_at_zero_escape(good, good_count, bad, bad_count);
	out->escape_at_zero_overkill = assay__escape_at_zero_overkill(good, good_count, bad, bad_count);
	out->pixel_auroc = job->pixels ? assay__pixel_auroc(job->pixels) : NAN;
	out->aupro = job->pixels ? assay__aupro(job->pixels, AUPRO_MAX_FPR) : NAN;
	assay__binomial_range(out->good_count, stated_overkill, 0.05, &out->expected_low_count, &out->expected_high_count);
	free(good);
	free(bad);
	return 0;
}

/* Says what is wrong with pictures and masks. Returns whether a mask does not fit. */
static bool say_troubles(const struct job *job)
{
	bool mask = false;

	for (int i = 0; i < job->set->test.count; i++) {
		if (job->scored[i].trouble)
			assay__say("%s", job->scored[i].trouble);
		mask |= job->scored[i].mask_trouble;
	}
	return mask;
}

static int judge_all(const struct assay__setup *setup, struct job *job, struct assay_error *error)
{
	const struct assay_runner *runner = setup->runner;

	job->workers = calloc((size_t)runner->workers, sizeof(*job->workers));
	if (!job->workers)
		return no_memory(error);
	if (job->set->mask_count && assay__pixel_metrics_open(NULL, &job->pixels, error))
		return error->code;
	runner->run(runner->ctx, job->set->test.count, judge, job);
	for (int i = 0; i < runner->workers; i++)
		assay_worker_close(job->workers[i]);
	if (job->error.code)
		*error = job->error;
	return job->error.code;
}

int assay__evaluate(const struct assay__setup *setup, const struct assay__dataset *set,
					const struct assay_recipe *recipe, struct assay__evaluation *evaluation)
{
	struct assay__evaluation out = {
		.scored = calloc((size_t)set->test.count + 1, sizeof(*out.scored)),
		.kinds = calloc((size_t)set->kind_count + 1, sizeof(*out.kinds)),
	};
	struct job job = {.set = set, .recipe = recipe, .scored = out.scored};
	struct assay_recipe_info info;
	struct assay_error error;
	int rc = out.scored && out.kinds ? 0 : no_memory(&error), status = 0;

	assay_recipe_get_info(recipe, &info);
	pthread_mutex_init(&job.lock, NULL);
	assay__progress_open(&job.progress);
	if (!rc)
		rc = time_pictures(&job, &out, &error);
	out.rss_mb = peak_mb();
	if (!rc)
		rc = judge_all(setup, &job, &error);
	assay__progress_close(&job.progress);
	if (!rc && say_troubles(&job))
		status = ASSAY__EXIT_FAULT;
	if (!rc && !status)
		rc = make_figures(&job, info.report.overkill_stated, &out, &error);
	if (rc)
		status = assay__say_error(&error);
	assay__pixel_metrics_close(job.pixels);
	free(job.workers);
	pthread_mutex_destroy(&job.lock);
	if (status)
		assay__evaluation_close(&out, set);
	else
		*evaluation = out;
	return status;
}

void assay__evaluation_close(struct assay__evaluation *evaluation, const struct assay__dataset *set)
{
	for (int i = 0; evaluation->scored && i < set->test.count; i++)
		free(evaluation->scored[i].trouble);
	free(evaluation->scored);
	free(evaluation->kinds);
	*evaluation = (struct assay__evaluation){0};
}
