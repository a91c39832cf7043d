/* SPDX-License-Identifier: Apache-2.0 */
/* What may be asked of a pipeline from outside: numbers, life, recipes. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "station/rooms.h"

#define STUCK_US 20000000

bool assay__pipeline_busy(struct assay__pipeline *pipeline)
{
	bool busy;

	pthread_mutex_lock(&pipeline->lock);
	busy = pipeline->in_flight > 0;
	pthread_mutex_unlock(&pipeline->lock);
	return busy;
}

void assay__pipeline_stats(struct assay__pipeline *pipeline, struct assay__station_stats *out)
{
	const struct assay__counters *before = &pipeline->before, *now = &pipeline->counts;

	pthread_mutex_lock(&pipeline->lock);
	*out = pipeline->stats;
	out->since_start = *now;
	out->total = *now;
	out->in_flight = pipeline->in_flight;
	out->in_archive = (int)(pipeline->ledger_tail - pipeline->ledger_head + pipeline->put_count - now->recorded);
	out->sequence = pipeline->sequence;
	pthread_mutex_unlock(&pipeline->lock);
	out->total.triggers += before->triggers;
	out->total.pass += before->pass;
	out->total.fail += before->fail;
	out->total.fault += before->fault;
	out->total.missed += before->missed;
	out->total.recorded += before->recorded;
	out->total.challenge += before->challenge;
	out->hall_capacity = pipeline->config->station.hall;
	out->hall_length = assay__queue_length(pipeline->hall);
	out->workers = pipeline->inspector_count;
	for (int i = 0; i < pipeline->inspector_count; i++)
		out->workers_busy += atomic_load(&pipeline->inspectors[i].busy);
	out->frames = assay__pool_count(pipeline->frames);
	out->frames_in_use = assay__pool_in_use(pipeline->frames);
	out->frames_peak = assay__pool_peak(pipeline->frames);
	out->uptime_us = assay__clock_us() - pipeline->start_us;
}

bool assay__pipeline_alive(struct assay__pipeline *pipeline, char why[96])
{
	int64_t since_us = assay__clock_us() - STUCK_US;
	const char *stuck = NULL;

	if (atomic_load(&pipeline->deadline_beat_us) < since_us)
		stuck = "the deadline";
	if (atomic_load(&pipeline->shelf_beat_us) < since_us)
		stuck = "the shelf";
	for (int i = 0; i < pipeline->inspector_count; i++)
		if (atomic_load(&pipeline->inspectors[i].beat_us) < since_us)
			stuck = "a worker";
	for (int i = 0; i < pipeline->camera_count; i++)
		if (atomic_load(&pipeline->cameras[i].beat_us) < since_us)
			stuck = "a camera";
	if (stuck && why)
		snprintf(why, 96, "the thread of %s has not moved for %d s", stuck, STUCK_US / 1000000);
	return !stuck;
}

int assay__pipeline_select(struct assay__pipeline *pipeline, const char *name, int number, struct assay_error *error)
{
	char chosen[ASSAY__NAME_CHARS] = "";
	int product, before;

	pthread_mutex_lock(&pipeline->lock);
	before = pipeline->product;
	product = assay__recipe_set_find(pipeline->set, name, number);
	if (product >= 0) {
		pipeline->product = product;
		snprintf(chosen, sizeof(chosen), "%s", pipeline->set->products[product].name);
		if (product != before)
			assay__challenge_recipe(pipeline);
	}
	pthread_mutex_unlock(&pipeline->lock);
	if (product < 0 && name && *name)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "there is no recipe %.64s", name);
	if (product < 0)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "there is no recipe number %d", number);
	if (product != before) {
		pipeline->archive_ops->event(pipeline->archive, "recipe", chosen);
		assay__pipeline_event(pipeline, "recipe", "%s is selected", chosen);
	}
	return 0;
}

/* Errors: LIMIT if pictures or maps of a new recipe do not fit the frames that were made at start. */
static int check_fits(const struct assay__pipeline *pipeline, const struct assay__recipe_set *set,
					  struct assay_error *error)
{
	for (int i = 0; i < set->product_count; i++)
		for (int k = 0; k < pipeline->camera_count; k++) {
			const struct assay__recipe_file *file = &set->files[set->products[i].files[k]];

			if (file->picture_bytes > pipeline->cameras[k].picture_bytes ||
				file->map_cells > pipeline->cameras[k].map_cells)
				return assay__fail(error, ASSAY_E_LIMIT, -1,
								   "%s: its pictures are larger than those of any recipe at start; "
								   "restart the station for them",
								   file->path);
		}
	return 0;
}

/* What was taught stays taught: a file that has gone is no wish to teach it again. */
static int check_there(struct assay__pipeline *pipeline, const struct assay__recipe_set *set, struct assay_error *error)
{
	int rc = 0;

	pthread_mutex_lock(&pipeline->lock);
	for (int i = 0; !rc && i < set->file_count; i++)
		if (!set->files[i].recipe && pipeline->set->files[i].recipe)
			rc = assay__fail(error, ASSAY_E_IO, -1, "%s: the recipe file is gone", set->files[i].path);
	pthread_mutex_unlock(&pipeline->lock);
	return rc;
}

int assay__pipeline_reload(struct assay__pipeline *pipeline, const struct assay_env *env, struct assay_error *error)
{
	struct assay__recipe_set *set, *old;
	int rc = assay__recipe_set_open(pipeline->config, env, &set, error);

	if (rc)
		return rc;
	rc = check_there(pipeline, set, error);
	if (!rc)
		rc = check_fits(pipeline, set, error);
	for (int i = 0; !rc && i < set->file_count; i++)
		if (set->files[i].recipe)
			rc = pipeline->archive_ops->keep_recipe(pipeline->archive, set->files[i].recipe, error);
	if (rc) {
		assay__recipe_set_drop(set);
		return rc;
	}
	pthread_mutex_lock(&pipeline->lock);
	old = pipeline->set;
	pipeline->set = set; /* products are the configuration's, in the same order: the one selected stays */
	assay__challenge_recipe(pipeline);
	pthread_mutex_unlock(&pipeline->lock);
	assay__recipe_set_drop(old);
	pipeline->archive_ops->event(pipeline->archive, "recipe", "recipes were read again");
	assay__pipeline_event(pipeline, "recipe", "%d recipes were read again", set->product_count);
	return 0;
}
