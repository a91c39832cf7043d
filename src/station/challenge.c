/* SPDX-License-Identifier: Apache-2.0 */
#include "station/challenge.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "station/challenge_show.h"
#include "station/log.h"
#include "station/rooms.h"

#define CHECK_US 10000
#define IDLE_MS 100
#define RECORD_MS 20000

static const char *state_dir(const struct assay__pipeline *pipeline)
{
	return pipeline->config->station.keep_record ? pipeline->config->station.state_dir : NULL;
}

static void tell(struct assay__pipeline *pipeline, const char *text)
{
	pipeline->archive_ops->event(pipeline->archive, "challenge", text);
	assay__pipeline_event(pipeline, "challenge", "%s", text);
}

/* What the recipe in use is, over all its files. With the lock. */
static void recipe_key(const struct assay__pipeline *pipeline, uint8_t key[ASSAY_HASH_BYTES])
{
	crypto_generichash_state state;

	memset(key, 0, ASSAY_HASH_BYTES);
	if (pipeline->product < 0)
		return;
	crypto_generichash_init(&state, NULL, 0, ASSAY_HASH_BYTES);
	for (int i = 0; i < pipeline->camera_count; i++)
		crypto_generichash_update(
			&state, pipeline->set->files[pipeline->set->products[pipeline->product].files[i]].info.content_hash,
			ASSAY_HASH_BYTES);
	crypto_generichash_final(&state, key, ASSAY_HASH_BYTES);
}

static bool needs_pictures(const struct assay__challenge *challenge)
{
	return challenge->settings->mode != ASSAY__CHALLENGE_PARTS;
}

static bool needs_parts(const struct assay__challenge *challenge)
{
	return challenge->settings->mode != ASSAY__CHALLENGE_PICTURES;
}

static void demand(struct assay__challenge *challenge, const char *why)
{
	struct assay__challenge_status *status = &challenge->status;

	status->due = true;
	status->pictures_caught = status->parts_caught = false;
	snprintf(status->why, sizeof(status->why), "%s", why);
	challenge->generation++;
	challenge->told = false;
	challenge->wanted = needs_pictures(challenge);
	pthread_cond_broadcast(&challenge->changed);
}

static void check(struct assay__pipeline *pipeline)
{
	struct assay__challenge *challenge = pipeline->challenge;
	int64_t now_us = assay__clock_us();
	char text[96];
	const char *why;

	if (challenge->status.due || now_us - challenge->checked_us < CHECK_US)
		return;
	challenge->checked_us = now_us;
	why = assay__challenge_demand(challenge->settings, &challenge->shifts, &challenge->pass, assay__clock_wall_us(),
								  now_us, text);
	if (why)
		demand(challenge, why);
}

bool assay__challenge_blocks(struct assay__pipeline *pipeline, char why[160])
{
	struct assay__challenge *challenge = pipeline->challenge;
	const struct assay__challenge_status *status;

	if (!challenge)
		return false;
	check(pipeline);
	status = &challenge->status;
	if (status->running && challenge->physical) {
		snprintf(why, 160, "%d challenge parts are shown; wait for the last verdict", status->shown);
		return status->shown >= status->demanded;
	}
	snprintf(why, 160, "challenge parts are due: %.120s", status->why);
	return status->due;
}

bool assay__challenge_takes(struct assay__pipeline *pipeline)
{
	struct assay__challenge *challenge = pipeline->challenge;

	if (!challenge || !challenge->status.running || !challenge->physical)
		return false;
	challenge->status.shown++;
	return true;
}

void assay__challenge_judge(struct assay__part *part)
{
	if (!part->challenge || part->verdict != ASSAY_PASS)
		return;
	part->verdict = ASSAY_FAULT;
	part->fault = ASSAY__FAULT_CHALLENGE;
	snprintf(part->reason, sizeof(part->reason), "a known-bad part was judged PASS");
}

void assay__challenge_note(struct assay__pipeline *pipeline, const struct assay__part *part)
{
	struct assay__challenge *challenge = pipeline->challenge;
	struct assay__challenge_status *status;
	struct assay__challenge_result *result;
	bool caught = part->verdict == ASSAY_FAIL;

	if (!challenge)
		return;
	status = &challenge->status;
	status->parts++;
	status->missed += !caught;
	/* One of a run that was cancelled or is over: counted, and no more. */
	if (!status->running)
		return;
	status->answered++;
	status->caught += caught;
	challenge->failed |= !caught;
	challenge->last_sequence = part->sequence > challenge->last_sequence ? part->sequence : challenge->last_sequence;
	if (status->result_count < ASSAY__CHALLENGE_RESULTS) {
		result = &status->results[status->result_count++];
		result->sequence = part->sequence;
		result->caught = caught;
		result->verdict = part->verdict;
		memcpy(result->code, part->code, sizeof(result->code));
	}
	pthread_cond_broadcast(&challenge->changed);
}

void assay__challenge_recipe(struct assay__pipeline *pipeline)
{
	struct assay__challenge *challenge = pipeline->challenge;
	uint8_t key[ASSAY_HASH_BYTES];

	if (!challenge || !challenge->settings->on_recipe)
		return;
	recipe_key(pipeline, key);
	if (challenge->status.due || memcmp(key, challenge->pass.recipe, sizeof(key)))
		demand(challenge, "another recipe is in use");
}

/* Runs */

static void begin(struct assay__challenge *challenge, bool physical, int demanded)
{
	struct assay__challenge_status *status = &challenge->status;

	status->running = true;
	status->demanded = demanded;
	status->shown = status->answered = status->caught = status->result_count = 0;
	status->runs++;
	challenge->physical = physical;
	challenge->failed = false;
	challenge->run_generation = challenge->generation;
	challenge->last_sequence = 0;
	challenge->until_us = assay__clock_us() + (int64_t)challenge->settings->within_s * 1000000;
}

/* A run is over; true if it was good. With the lock. */
static bool finish(struct assay__challenge *challenge, const char *trouble, char text[ASSAY__EVENT_TEXT_MAX])
{
	struct assay__challenge_status *status = &challenge->status;
	bool stale = challenge->run_generation != challenge->generation;
	bool good = !trouble && !challenge->failed && status->caught == status->demanded && !stale;
	const char *what = challenge->physical ? "parts" : "pictures";

	status->running = false;
	if (good) {
		status->pictures_caught |= !challenge->physical;
		status->parts_caught |= challenge->physical;
		snprintf(text, ASSAY__EVENT_TEXT_MAX, "all %d challenge %s were caught", status->demanded, what);
		return true;
	}
	status->failed_runs++;
	snprintf(text, ASSAY__EVENT_TEXT_MAX, "%d of %d challenge %s were caught%s%.140s", status->caught, status->demanded,
			 what, trouble || stale ? ": " : "",
			 trouble ? trouble
			 : stale ? "meanwhile they became due anew"
					 : "");
	if (!stale) {
		status->due = true;
		*(challenge->physical ? &status->parts_caught : &status->pictures_caught) = false;
		challenge->told = true;
		snprintf(status->why, sizeof(status->why), "%.150s", text);
	}
	return false;
}

static bool is_stopping(struct assay__pipeline *pipeline)
{
	bool stopping;

	pthread_mutex_lock(&pipeline->lock);
	stopping = pipeline->stopping;
	pthread_mutex_unlock(&pipeline->lock);
	return stopping;
}

/* Every part of the run is on disk before the station is released. */
static bool wait_recorded(struct assay__pipeline *pipeline, uint64_t sequence)
{
	int64_t until_us = assay__clock_us() + (int64_t)RECORD_MS * 1000;
	bool recorded = false;

	pthread_mutex_lock(&pipeline->lock);
	while (!(recorded = pipeline->recorded_sequence >= sequence) && assay__clock_us() < until_us)
		assay__cond_wait(&pipeline->recorded_cond, &pipeline->lock, assay__clock_deadline_us(IDLE_MS));
	for (uint64_t i = 0; recorded && i < pipeline->lost_count && i < ASSAY__LOST_KEPT; i++)
		recorded = pipeline->lost[i] != sequence;
	pthread_mutex_unlock(&pipeline->lock);
	return recorded;
}

/* All that is demanded is caught: kept on disk, then the station is free. */
static void release(struct assay__pipeline *pipeline)
{
	struct assay__challenge *challenge = pipeline->challenge;
	struct assay__challenge_status *status = &challenge->status;
	struct assay__challenge_pass pass = {.wall_us = assay__clock_wall_us(), .clock_us = assay__clock_us()};
	struct assay_error error;
	uint64_t generation;
	bool done;

	pthread_mutex_lock(&pipeline->lock);
	done = (!needs_pictures(challenge) || status->pictures_caught) && (!needs_parts(challenge) || status->parts_caught);
	generation = challenge->generation;
	recipe_key(pipeline, pass.recipe);
	pthread_mutex_unlock(&pipeline->lock);
	if (!done)
		return;
	if (assay__challenge_keep(state_dir(pipeline), &pass, &error))
		assay__log(ASSAY__LOG_WARNING, "challenge", "text=\"after a restart they are due again: %.160s\"",
				   error.message);
	pthread_mutex_lock(&pipeline->lock);
	done = generation == challenge->generation;
	if (done) {
		challenge->pass = pass;
		status->due = false;
		status->why[0] = '\0';
		status->passed_wall_us = pass.wall_us;
		status->next_wall_us = assay__challenge_shifts_next(&challenge->shifts, pass.wall_us);
		challenge->wanted = false;
	}
	pthread_mutex_unlock(&pipeline->lock);
	if (done)
		tell(pipeline, "the station is released");
}

static void conclude(struct assay__pipeline *pipeline, const char *trouble)
{
	struct assay__challenge *challenge = pipeline->challenge;
	char text[ASSAY__EVENT_TEXT_MAX];
	uint64_t sequence, run;
	bool good, mine;

	pthread_mutex_lock(&pipeline->lock);
	sequence = challenge->last_sequence;
	run = challenge->status.runs;
	pthread_mutex_unlock(&pipeline->lock);
	if (!trouble && sequence && !wait_recorded(pipeline, sequence))
		trouble = "they could not be recorded";
	pthread_mutex_lock(&pipeline->lock);
	/* It may have been cancelled meanwhile. */
	mine = challenge->status.running && challenge->status.runs == run;
	good = mine && finish(challenge, trouble, text);
	pthread_mutex_unlock(&pipeline->lock);
	if (mine)
		tell(pipeline, text);
	if (good)
		release(pipeline);
}

/* Shows the stored pictures of the recipe in use, one after the other. */
static void show_pictures(struct assay__pipeline *pipeline)
{
	struct assay__challenge *challenge = pipeline->challenge;
	struct assay__challenge_pictures pictures;
	char recipe[ASSAY__NAME_CHARS] = "";
	struct assay_error error = {.message = ""};
	int rc;

	pthread_mutex_lock(&pipeline->lock);
	challenge->wanted = false;
	if (pipeline->product >= 0)
		snprintf(recipe, sizeof(recipe), "%s", pipeline->set->products[pipeline->product].name);
	begin(challenge, false, 0);
	pthread_mutex_unlock(&pipeline->lock);
	rc = assay__challenge_pictures_list(challenge->settings->folder, recipe, pipeline->camera_count, &pictures, &error);
	if (!rc) {
		pthread_mutex_lock(&pipeline->lock);
		challenge->status.demanded = pictures.count;
		pthread_mutex_unlock(&pipeline->lock);
	}
	for (int i = 0; !rc && i < pictures.count; i++) {
		rc = assay__challenge_show(pipeline, &pictures, i, challenge->until_us, &error);
		pthread_mutex_lock(&pipeline->lock);
		challenge->status.shown += !rc;
		while (!rc && challenge->status.answered <= i && challenge->status.running)
			assay__cond_wait(&challenge->changed, &pipeline->lock, assay__clock_deadline_us(IDLE_MS));
		if (!rc && !challenge->status.running)
			rc = assay__fail(&error, ASSAY_E_CANCELLED, -1, "the run was ended");
		/* One that was missed decides; the others are shown too, so that one knows. */
		pthread_mutex_unlock(&pipeline->lock);
	}
	assay__challenge_pictures_free(&pictures);
	conclude(pipeline, rc ? error.message : NULL);
}

static void *challenge_main(void *arg)
{
	struct assay__pipeline *pipeline = arg;
	struct assay__challenge *challenge = pipeline->challenge;
	struct assay__challenge_status *status = &challenge->status;

	while (!is_stopping(pipeline)) {
		char due[200] = "";
		const char *trouble = NULL;
		bool pictures, over = false;

		pthread_mutex_lock(&pipeline->lock);
		check(pipeline);
		if (status->due && !challenge->told) {
			challenge->told = true;
			snprintf(due, sizeof(due), "challenge parts are due: %.150s", status->why);
		}
		if (status->running && challenge->physical) {
			over = status->answered >= status->demanded;
			if (!over && assay__clock_us() >= challenge->until_us) {
				over = true;
				trouble = "the others did not come in time";
			} else if (!over && challenge->run_generation != challenge->generation) {
				over = true;
			}
		}
		pictures = challenge->wanted && !status->running;
		if (!over && !pictures && !due[0])
			assay__cond_wait(&challenge->changed, &pipeline->lock, assay__clock_deadline_us(IDLE_MS));
		pthread_mutex_unlock(&pipeline->lock);
		if (due[0])
			tell(pipeline, due);
		if (over)
			conclude(pipeline, trouble);
		else if (pictures)
			show_pictures(pipeline);
	}
	return NULL;
}

/* Doors */

int assay__challenge_open(struct assay__pipeline *pipeline, struct assay_error *error)
{
	const struct assay__challenge_settings *settings = pipeline->config->challenge;
	struct assay__challenge *challenge;
	uint8_t key[ASSAY_HASH_BYTES];
	int rc;

	if (!settings)
		return 0;
	challenge = assay__calloc(NULL, 1, sizeof(*challenge));
	if (!challenge)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for the challenge");
	rc = assay__challenge_shifts_read(settings->shifts, &challenge->shifts, error);
	if (rc) {
		assay__free(NULL, challenge);
		return rc;
	}
	assay__cond_init(&challenge->changed);
	challenge->settings = settings;
	challenge->status.on = true;
	challenge->status.mode = (enum assay__challenge_mode)settings->mode;
	pipeline->challenge = challenge;
	recipe_key(pipeline, key);
	if (!settings->on_start)
		assay__challenge_load(state_dir(pipeline), &challenge->pass);
	if (challenge->pass.clock_us && settings->on_recipe && memcmp(key, challenge->pass.recipe, sizeof(key)))
		challenge->pass = (struct assay__challenge_pass){0};
	challenge->status.passed_wall_us = challenge->pass.wall_us;
	challenge->status.next_wall_us = assay__challenge_shifts_next(
		&challenge->shifts, challenge->pass.wall_us ? challenge->pass.wall_us : assay__clock_wall_us());
	challenge->checked_us = assay__clock_us() - CHECK_US;
	check(pipeline);
	return 0;
}

int assay__challenge_start(struct assay__pipeline *pipeline, struct assay_error *error)
{
	int rc = 0;

	if (!pipeline->challenge)
		return 0;
	rc = assay__thread_start(&pipeline->challenge->thread, challenge_main, pipeline, "challenge", error);
	pipeline->challenge->thread_running = !rc;
	return rc;
}

void assay__challenge_stop(struct assay__pipeline *pipeline)
{
	struct assay__challenge *challenge = pipeline->challenge;

	if (!challenge || !challenge->thread_running)
		return;
	pthread_mutex_lock(&pipeline->lock);
	pthread_cond_broadcast(&challenge->changed);
	pthread_mutex_unlock(&pipeline->lock);
	pthread_join(challenge->thread, NULL);
	challenge->thread_running = false;
}

void assay__challenge_close(struct assay__pipeline *pipeline)
{
	if (!pipeline->challenge)
		return;
	pthread_cond_destroy(&pipeline->challenge->changed);
	assay__free(NULL, pipeline->challenge);
	pipeline->challenge = NULL;
}

int assay__challenge_ask(struct assay__pipeline *pipeline, enum assay__challenge_ask ask, const char *who,
						 struct assay_error *error)
{
	struct assay__challenge *challenge = pipeline->challenge;
	struct assay__challenge_status *status;
	char text[ASSAY__EVENT_TEXT_MAX] = "";
	int rc = 0;

	if (!challenge)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "this station has no section challenge in its configuration");
	status = &challenge->status;
	pthread_mutex_lock(&pipeline->lock);
	if (ask == ASSAY__CHALLENGE_CANCEL && !(status->running && challenge->physical)) {
		rc = assay__fail(error, ASSAY_E_ARGUMENT, -1, "no challenge parts are awaited");
	} else if (ask == ASSAY__CHALLENGE_CANCEL) {
		finish(challenge, "cancelled", text);
	} else if (status->running || challenge->wanted) {
		rc = assay__fail(error, ASSAY_E_ARGUMENT, -1, "a challenge is under way already");
	} else {
		bool all = (!needs_pictures(challenge) || status->pictures_caught) &&
				   (!needs_parts(challenge) || status->parts_caught);

		/* Whoever asks without need begins from the start. */
		if (all)
			status->pictures_caught = status->parts_caught = false;
		if (needs_pictures(challenge) && !status->pictures_caught) {
			challenge->wanted = true;
			snprintf(text, sizeof(text), "%.60s asks for the challenge pictures to be shown", who);
		} else {
			begin(challenge, true, challenge->settings->parts);
			snprintf(text, sizeof(text), "%.60s announces %d challenge parts", who, challenge->settings->parts);
		}
		pthread_cond_broadcast(&challenge->changed);
	}
	pthread_mutex_unlock(&pipeline->lock);
	if (text[0])
		tell(pipeline, text);
	return rc;
}

bool assay__challenge_is_due(struct assay__pipeline *pipeline)
{
	bool due = false;

	if (!pipeline->challenge)
		return false;
	pthread_mutex_lock(&pipeline->lock);
	check(pipeline);
	due = pipeline->challenge->status.due;
	pthread_mutex_unlock(&pipeline->lock);
	return due;
}

void assay__challenge_tell(struct assay__pipeline *pipeline, struct assay__challenge_status *out)
{
	*out = (struct assay__challenge_status){0};
	if (!pipeline->challenge)
		return;
	pthread_mutex_lock(&pipeline->lock);
	check(pipeline);
	*out = pipeline->challenge->status;
	pthread_mutex_unlock(&pipeline->lock);
}
