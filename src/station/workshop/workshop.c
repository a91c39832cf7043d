/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "station/record/place.h"
#include "station/workshop/room.h"

#define NICE 15

const char *assay__job_name(enum assay__job_kind kind)
{
	static const char *const names[ASSAY__JOBS] = {"teach", "learn", "revert", "collect"};

	return (unsigned)kind < ASSAY__JOBS ? names[kind] : "teach";
}

const char *assay__workshop_phase_name(enum assay__workshop_phase phase)
{
	static const char *const names[ASSAY__WORKSHOP_PHASES] = {"idle", "running", "ready", "failed"};

	return (unsigned)phase < ASSAY__WORKSHOP_PHASES ? names[phase] : "idle";
}

int assay__workshop_tell(struct assay__workshop *workshop, const char *stage, int done, int total)
{
	pthread_mutex_lock(&workshop->lock);
	snprintf(workshop->state.stage, sizeof(workshop->state.stage), "%s", stage);
	workshop->state.done = done;
	workshop->state.total = total;
	pthread_mutex_unlock(&workshop->lock);
	return atomic_load(&workshop->cancel);
}

bool assay__workshop_recipe(struct assay__workshop *workshop, const char *recipe, char file[256],
							uint8_t content_hash[ASSAY_HASH_BYTES], double *overkill)
{
	struct assay__station_recipe *list = calloc(ASSAY__MAX_RECIPES, sizeof(*list));
	int count = list ? assay__station_recipes(workshop->station, list, ASSAY__MAX_RECIPES) : 0;
	bool found = false;

	for (int i = 0; i < count && i < ASSAY__MAX_RECIPES && !found; i++) {
		found = strcmp(list[i].name, recipe) == 0;
		if (found) {
			snprintf(file, 256, "%s", list[i].file);
			memcpy(content_hash, list[i].content_hash, ASSAY_HASH_BYTES);
			if (overkill)
				*overkill = list[i].overkill_stated;
		}
	}
	free(list);
	return found;
}

static void say_outcome(struct assay__workshop_state *state)
{
	const char *name = assay__job_name(state->job.kind);

	if (state->job.kind == ASSAY__JOB_COLLECT)
		snprintf(state->text, sizeof(state->text), "%d pictures are in the tray", state->goods);
	else
		snprintf(state->text, sizeof(state->text), "%s: tried on %d stored parts, %d would become PASS and %d FAIL",
				 name, state->tried, state->to_pass, state->to_fail);
}

/* Runs the job that was asked for; the lock is held, and given up meanwhile. */
static void run_job(struct assay__workshop *workshop)
{
	struct assay__workshop_state *state = calloc(1, sizeof(*state));
	struct assay_error error = {.code = ASSAY_E_NOMEM, .message = "out of memory"};
	char text[512];
	int rc = ASSAY_E_NOMEM;

	workshop->flip_count = 0;
	if (state) {
		*state = workshop->state;
		pthread_mutex_unlock(&workshop->lock);
		rc = assay__job_run(workshop, state, &error);
		pthread_mutex_lock(&workshop->lock);
		if (!rc) {
			say_outcome(state);
			state->phase = state->job.kind == ASSAY__JOB_COLLECT ? ASSAY__WORKSHOP_IDLE : ASSAY__WORKSHOP_READY;
			workshop->state = *state;
		}
		free(state);
	}
	if (rc) {
		workshop->state.phase = rc == ASSAY_E_CANCELLED ? ASSAY__WORKSHOP_IDLE : ASSAY__WORKSHOP_FAILED;
		snprintf(workshop->state.text, sizeof(workshop->state.text), "%s", error.message);
		workshop->flip_count = 0;
		unlink(workshop->candidate);
	}
	workshop->asked = false;
	snprintf(text, sizeof(text), "%s of %s by %s: %s", assay__job_name(workshop->state.job.kind),
			 workshop->state.job.recipe, workshop->state.job.author, workshop->state.text);
	pthread_mutex_unlock(&workshop->lock);
	assay__station_event(workshop->station, "workshop", text);
	pthread_mutex_lock(&workshop->lock);
}

static void *work(void *ctx)
{
	struct assay__workshop *workshop = ctx;

	/* the line comes first */
	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
	pthread_mutex_lock(&workshop->lock);
	while (!workshop->closing) {
		if (workshop->asked) {
			run_job(workshop);
		} else if (assay__tray_unmeasured(workshop)) {
			pthread_mutex_unlock(&workshop->lock);
			assay__tray_measure(workshop);
			pthread_mutex_lock(&workshop->lock);
		} else {
			pthread_cond_wait(&workshop->wake, &workshop->lock);
		}
	}
	pthread_mutex_unlock(&workshop->lock);
	return NULL;
}

int assay__workshop_open(struct assay__station *station, const char *state_dir, struct assay__workshop **out,
						 struct assay_error *error)
{
	struct assay__workshop *workshop = calloc(1, sizeof(*workshop));
	char folder[ASSAY__WORKSHOP_PATH_CHARS];
	int rc;

	if (!workshop)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the workshop");
	workshop->station = station;
	workshop->state_dir = state_dir;
	pthread_mutex_init(&workshop->lock, NULL);
	pthread_cond_init(&workshop->wake, NULL);
	snprintf(folder, sizeof(folder), "%.4000s/workshop", state_dir);
	snprintf(workshop->candidate, sizeof(workshop->candidate), "%.4000s/workshop/candidate.assay", state_dir);
	snprintf(workshop->tray_dir, sizeof(workshop->tray_dir), "%.4000s/workshop/tray", state_dir);
	rc = assay__place_folder(folder, error);
	if (!rc)
		rc = assay__tray_open(workshop, error);
	if (!rc) {
		unlink(workshop->candidate); /* of a station that ended: nobody remembers what it was tried on */
		if (pthread_create(&workshop->thread, NULL, work, workshop))
			rc = assay__fail(error, ASSAY_E_IO, -1, "cannot start the workshop's thread");
	}
	if (rc) {
		assay__workshop_close(workshop);
		return rc;
	}
	workshop->thread_runs = true;
	*out = workshop;
	return 0;
}

void assay__workshop_close(struct assay__workshop *workshop)
{
	if (!workshop)
		return;
	atomic_store(&workshop->cancel, true);
	pthread_mutex_lock(&workshop->lock);
	workshop->closing = true;
	pthread_cond_signal(&workshop->wake);
	pthread_mutex_unlock(&workshop->lock);
	if (workshop->thread_runs)
		pthread_join(workshop->thread, NULL);
	pthread_cond_destroy(&workshop->wake);
	pthread_mutex_destroy(&workshop->lock);
	free(workshop);
}

/* Under the lock. */
static int check_job(struct assay__workshop *workshop, const struct assay__job *job, struct assay_error *error)
{
	if (workshop->asked || workshop->state.phase == ASSAY__WORKSHOP_RUNNING)
		return assay__fail(error, ASSAY_E_FULL, -1, "the workshop is at work: %s", workshop->state.stage);
	if (workshop->state.phase == ASSAY__WORKSHOP_READY)
		return assay__fail(error, ASSAY_E_FULL, -1, "a candidate waits; activate or discard it first");
	if (job->kind == ASSAY__JOB_TEACH && workshop->tray_count < 2)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "the tray holds %d pictures; collect some good parts first, 20 or more",
						   workshop->tray_count);
	if (job->kind == ASSAY__JOB_COLLECT &&
		(job->camera < 0 || job->camera >= assay__station_camera_count(workshop->station)))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "there is no such camera");
	return 0;
}

int assay__workshop_begin(struct assay__workshop *workshop, const struct assay__job *job, struct assay_error *error)
{
	uint8_t content[ASSAY_HASH_BYTES] = {0};
	char file[256] = "";
	double overkill = 0;

	if (job->kind != ASSAY__JOB_COLLECT && !assay__workshop_recipe(workshop, job->recipe, file, content, &overkill))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "there is no recipe of that name; STATION.yaml says which are");
	pthread_mutex_lock(&workshop->lock);
	int rc = check_job(workshop, job, error);
	if (!rc) {
		workshop->state =
			(struct assay__workshop_state){.phase = ASSAY__WORKSHOP_RUNNING, .job = *job, .stage = "beginning"};
		workshop->state.job.overkill_now = overkill;
		snprintf(workshop->file, sizeof(workshop->file), "%s", file);
		workshop->asked = true;
		atomic_store(&workshop->cancel, false);
		pthread_cond_signal(&workshop->wake);
	}
	pthread_mutex_unlock(&workshop->lock);
	return rc;
}

void assay__workshop_cancel(struct assay__workshop *workshop)
{
	atomic_store(&workshop->cancel, true);
}

void assay__workshop_state(struct assay__workshop *workshop, struct assay__workshop_state *out)
{
	pthread_mutex_lock(&workshop->lock);
	*out = workshop->state;
	pthread_mutex_unlock(&workshop->lock);
}

int assay__workshop_flips(struct assay__workshop *workshop, int from, struct assay__flip *out, int most)
{
	pthread_mutex_lock(&workshop->lock);
	int count = workshop->flip_count;
	for (int i = from; i < count && i - from < most; i++)
		out[i - from] = workshop->flips[i];
	pthread_mutex_unlock(&workshop->lock);
	return count;
}

/* Under the lock: the candidate's end, either way. */
static void end_candidate(struct assay__workshop *workshop, const char *text)
{
	unlink(workshop->candidate);
	workshop->state.phase = ASSAY__WORKSHOP_IDLE;
	workshop->flip_count = 0;
	snprintf(workshop->state.text, sizeof(workshop->state.text), "%s", text);
}

static int check_waiting(const struct assay__workshop *workshop, struct assay_error *error)
{
	if (workshop->state.phase == ASSAY__WORKSHOP_READY)
		return 0;
	return assay__fail(error, ASSAY_E_ARGUMENT, -1, "no candidate waits");
}

static int copy_file(const char *from, const char *to, struct assay_error *error)
{
	FILE *file = fopen(from, "rb");
	uint8_t *bytes = NULL;
	long size = -1;
	int rc = ASSAY_E_IO;

	if (file && fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0) {
		rewind(file);
		bytes = malloc((size_t)size + 1);
		if (bytes && fread(bytes, 1, (size_t)size, file) == (size_t)size)
			rc = assay__place_write(to, bytes, (size_t)size, 0644, error);
		else
			assay__fail(error, ASSAY_E_IO, -1, "%s: cannot read it", from);
	} else {
		assay__fail(error, ASSAY_E_IO, -1, "%s: cannot read it", from);
	}
	if (file)
		fclose(file);
	free(bytes);
	return rc;
}

int assay__workshop_activate(struct assay__workshop *workshop, const char *who, struct assay_error *error)
{
	char fresh[300], text[ASSAY__EVENT_TEXT_MAX];
	uint8_t content[ASSAY_HASH_BYTES];
	char file[256];

	pthread_mutex_lock(&workshop->lock);
	int rc = check_waiting(workshop, error);
	/* tried against what is no longer there, it has not been tried */
	if (!rc && (!assay__workshop_recipe(workshop, workshop->state.job.recipe, file, content, NULL) ||
				memcmp(content, workshop->state.content_before, ASSAY_HASH_BYTES) != 0))
		rc = assay__fail(error, ASSAY_E_MISMATCH, -1,
						 "the recipe has changed since the candidate was tried; discard it and begin again");
	if (!rc) {
		snprintf(fresh, sizeof(fresh), "%s.new", workshop->file);
		rc = copy_file(workshop->candidate, fresh, error);
	}
	if (!rc) {
		rc = assay__recipe_install(workshop->station, workshop->file, fresh, error);
		if (rc)
			unlink(fresh);
	}
	snprintf(text, sizeof(text), "%s: %s of %s is active", who, assay__job_name(workshop->state.job.kind),
			 workshop->state.job.recipe);
	if (!rc)
		end_candidate(workshop, text);
	pthread_mutex_unlock(&workshop->lock);
	if (!rc)
		assay__station_event(workshop->station, "workshop", text);
	return rc;
}

int assay__workshop_discard(struct assay__workshop *workshop, struct assay_error *error)
{
	pthread_mutex_lock(&workshop->lock);
	int rc = check_waiting(workshop, error);
	if (!rc)
		end_candidate(workshop, "the candidate was discarded; nothing changed");
	pthread_mutex_unlock(&workshop->lock);
	return rc;
}
