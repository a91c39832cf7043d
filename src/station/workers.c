/* SPDX-License-Identifier: Apache-2.0 */
/* The workers: one picture each at a time, from the hall through prep, features, score and judge. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "station/log.h"
#include "station/rooms.h"

#define IDLE_MS 250

static void cool(struct assay__inspector *inspector)
{
	for (int i = 0; i < ASSAY__WORKER_RECIPES; i++) {
		assay_worker_close(inspector->warm[i].worker);
		inspector->warm[i].worker = NULL;
		inspector->warm[i].file = -1;
	}
	assay__recipe_set_drop(inspector->set);
	inspector->set = NULL;
}

/* The worker for one file of a set, opened if it is not warm. NULL without memory. */
static struct assay_worker *warm(struct assay__inspector *inspector, struct assay__recipe_set *set, int file)
{
	int oldest = 0;

	if (inspector->set != set) {
		cool(inspector);
		inspector->set = assay__recipe_set_use(set);
	}
	inspector->clock++;
	for (int i = 0; i < ASSAY__WORKER_RECIPES; i++) {
		if (inspector->warm[i].worker && inspector->warm[i].file == file) {
			inspector->warm[i].used = inspector->clock;
			return inspector->warm[i].worker;
		}
		if (!inspector->warm[i].worker ||
			(inspector->warm[oldest].worker && inspector->warm[i].used < inspector->warm[oldest].used))
			oldest = i;
	}
	assay_worker_close(inspector->warm[oldest].worker);
	inspector->warm[oldest].worker = NULL;
	if (assay_worker_open(set->files[file].recipe, &inspector->warm[oldest].worker, NULL))
		return NULL;
	inspector->warm[oldest].file = file;
	inspector->warm[oldest].used = inspector->clock;
	return inspector->warm[oldest].worker;
}

/* What is selected is opened before its first part comes. */
static void warm_selected(struct assay__inspector *inspector)
{
	struct assay__pipeline *pipeline = inspector->pipeline;
	struct assay__recipe_set *set;
	int product;

	pthread_mutex_lock(&pipeline->lock);
	set = assay__recipe_set_use(pipeline->set);
	product = pipeline->product;
	pthread_mutex_unlock(&pipeline->lock);
	for (int i = 0; product >= 0 && i < pipeline->camera_count; i++)
		if (set->files[set->products[product].files[i]].recipe)
			warm(inspector, set, set->products[product].files[i]);
	assay__recipe_set_drop(set);
}

static void keep_map(struct assay__pipeline *pipeline, struct assay__frame *frame, int view)
{
	struct assay_result *result = &frame->part.views[view].result;
	size_t cells = (size_t)result->grid_width * (size_t)result->grid_height;

	if (!result->map_q8)
		return;
	if (cells > pipeline->cameras[view].map_cells) {
		result->map_q8 = NULL;
		return;
	}
	memcpy(frame->maps[view], result->map_q8, cells * sizeof(uint32_t));
	result->map_q8 = frame->maps[view];
}

/* A picture for the tray, and no verdict. */
static void tell_untaught(struct assay__part_view *view, const char *recipe)
{
	view->fault = ASSAY__FAULT_NO_RECIPE;
	view->result = (struct assay_result){.verdict = ASSAY_FAULT};
	assay__fail(&view->result.fault, ASSAY_E_ARGUMENT, -1, "%s is not taught yet", recipe);
}

static void inspect(struct assay__inspector *inspector, struct assay__frame *frame, int index)
{
	struct assay__part_view *view = &frame->part.views[index];
	int file = frame->product->files[index];
	struct assay_worker *worker;
	struct assay_error error;

	if (!frame->set->files[file].recipe) {
		tell_untaught(view, frame->product->name);
		return;
	}
	worker = warm(inspector, frame->set, file);
	if (!worker || assay_inspect(worker, &view->image, &view->result, &error)) {
		view->fault = ASSAY__FAULT_INTERNAL;
		view->result.verdict = ASSAY_FAULT;
		view->result.map_q8 = NULL;
		assay__fail(&view->result.fault, ASSAY_E_NOMEM, -1, "out of memory");
		return;
	}
	keep_map(inspector->pipeline, frame, index);
	if (view->result.verdict == ASSAY_FAULT)
		view->fault = view->result.fault.code == ASSAY_E_NOMEM ? ASSAY__FAULT_INTERNAL : ASSAY__FAULT_BROKEN;
}

static void look_for_code(struct assay__inspector *inspector, struct assay__frame *frame, int index)
{
	const struct assay__code_settings *settings = inspector->pipeline->cameras[index].code;

	if (inspector->codes)
		assay__code_read(inspector->codes, settings, &frame->part.views[index].image, frame->part.deadline_us,
						 &frame->codes[index]);
}

static void serve(struct assay__inspector *inspector, const struct assay__view_job *job)
{
	struct assay__pipeline *pipeline = inspector->pipeline;
	struct assay__frame *frame = job->frame;
	bool late, last;

	pthread_mutex_lock(&pipeline->lock);
	late = frame->claimed;
	pthread_mutex_unlock(&pipeline->lock);
	/* Whoever is answered already is not worth the time of those who wait. */
	if (job->code) {
		if (!late)
			look_for_code(inspector, frame, job->view);
	} else if (late)
		frame->part.views[job->view].fault = ASSAY__FAULT_LATE;
	else
		inspect(inspector, frame, job->view);
	pthread_mutex_lock(&pipeline->lock);
	last = --frame->views_left == 0;
	frame->codes_left -= job->code;
	pthread_mutex_unlock(&pipeline->lock);
	if (last)
		assay__answer_conclude(pipeline, frame);
}

static void *worker_main(void *arg)
{
	struct assay__inspector *inspector = arg;
	void *job;

	while (assay__queue_pop(inspector->pipeline->hall, IDLE_MS, &job) != ASSAY_E_CLOSED) {
		atomic_store(&inspector->beat_us, assay__clock_us());
		if (!job) {
			warm_selected(inspector);
			continue;
		}
		atomic_store(&inspector->busy, true);
		serve(inspector, job);
		atomic_store(&inspector->busy, false);
	}
	cool(inspector);
	return NULL;
}

int assay__workers_start(struct assay__pipeline *pipeline, struct assay_error *error)
{
	int rc = 0;

	for (int i = 0; i < pipeline->inspector_count && !rc; i++) {
		struct assay__inspector *inspector = &pipeline->inspectors[i];

		inspector->pipeline = pipeline;
		rc = pipeline->config->codes.count ? assay__code_reader_open(&inspector->codes, error) : 0;
		if (rc)
			break;
		atomic_init(&inspector->beat_us, assay__clock_us());
		atomic_init(&inspector->busy, false);
		for (int k = 0; k < ASSAY__WORKER_RECIPES; k++)
			inspector->warm[k].file = -1;
		warm_selected(inspector);
		rc = assay__thread_start(&inspector->thread, worker_main, inspector, "worker", error);
		inspector->running = !rc;
		if (rc)
			cool(inspector);
	}
	return rc;
}

void assay__workers_stop(struct assay__pipeline *pipeline)
{
	for (int i = 0; pipeline->inspectors && i < pipeline->inspector_count; i++)
		if (pipeline->inspectors[i].running)
			pthread_join(pipeline->inspectors[i].thread, NULL);
	for (int i = 0; pipeline->inspectors && i < pipeline->inspector_count; i++)
		assay__code_reader_close(pipeline->inspectors[i].codes);
}
