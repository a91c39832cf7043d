/* SPDX-License-Identifier: Apache-2.0 */
/* The door: one verdict for each part, posted the moment it stands, at the latest at the deadline. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "station/log.h"
#include "station/rooms.h"

#define IDLE_MS 500

const int64_t assay__latency_bounds_us[ASSAY__LATENCY_BUCKETS - 1] = {
	500,   1000,  2000,	 3000,	 4000,	 5000,	 7000,	  10000,   15000,  20000,
	30000, 50000, 70000, 100000, 200000, 500000, 1000000, 2000000, 5000000};

void assay__answer_count(struct assay__pipeline *pipeline, struct assay__part *part)
{
	struct assay__counters *counts = &pipeline->counts;
	int64_t latency_us;
	uint64_t judged;

	part->verdict_us = assay__clock_us();
	latency_us = part->verdict_us - part->trigger_us;
	if (part->challenge) {
		assay__challenge_note(pipeline, part);
		return;
	}
	counts->pass += part->verdict == ASSAY_PASS;
	counts->fail += part->verdict == ASSAY_FAIL;
	counts->fault += part->verdict == ASSAY_FAULT;
	counts->missed += part->fault == ASSAY__FAULT_NOT_READY;
	pipeline->stats.by_fault[part->fault]++;
	if (part->verdict == ASSAY_FAULT)
		return;
	int bucket = 0;
	while (bucket < ASSAY__LATENCY_BUCKETS - 1 && latency_us > assay__latency_bounds_us[bucket])
		bucket++;
	pipeline->stats.latency_count[bucket]++;
	pipeline->stats.latency_sum_us += (double)latency_us;
	judged = counts->pass + counts->fail;
	counts->latency_last_us = latency_us;
	if (judged == 1 || latency_us < counts->latency_min_us)
		counts->latency_min_us = latency_us;
	if (latency_us > counts->latency_max_us)
		counts->latency_max_us = latency_us;
	counts->latency_mean_us = pipeline->stats.latency_sum_us / (double)judged;
}

void assay__answer_post(struct assay__pipeline *pipeline, const struct assay__part *part)
{
	struct assay__event event = {.wall_us = assay__clock_wall_us(),
								 .kind = "verdict",
								 .sequence = part->sequence,
								 .trigger_id = part->trigger_id,
								 .trigger = part->trigger,
								 .verdict = part->verdict,
								 .challenge = part->challenge,
								 .fault = part->fault,
								 .latency_us = part->verdict_us - part->trigger_us};
	const struct assay_result *result;

	pthread_mutex_lock(&pipeline->door_lock);
	for (int i = 0; i < pipeline->door_count; i++)
		if (pipeline->doors[i].output &&
			!(part->trigger == ASSAY__TRIGGER_CHALLENGE && pipeline->doors[i].item->output->drives))
			pipeline->doors[i].item->output->post(pipeline->doors[i].output, part);
	pthread_mutex_unlock(&pipeline->door_lock);
	event.worst_view = assay__part_worst(part);
	result = &part->views[event.worst_view].result;
	event.score_q8 = result->score_q8;
	event.threshold_q8 = result->threshold_q8;
	event.region_count = result->region_count;
	snprintf(event.text, sizeof(event.text), "%s", part->reason);
	memcpy(event.code, part->code, sizeof(event.code));
	memcpy(event.recipe, part->recipe_name, sizeof(event.recipe));
	assay__events_add(pipeline->events, &event);
	if (part->verdict == ASSAY_FAULT) {
		char quoted[256];

		assay__log(ASSAY__LOG_WARNING, "fault", "sequence=%llu reason=%s text=%s", (unsigned long long)part->sequence,
				   assay__fault_name(part->fault), assay__log_quote(part->reason, quoted, sizeof(quoted)));
	}
}

void assay__answer_give(struct assay__pipeline *pipeline, struct assay__frame *frame, const struct assay__part *part)
{
	assay__answer_post(pipeline, part);
	pthread_mutex_lock(&pipeline->lock);
	frame->posted = true;
	pthread_cond_signal(&pipeline->shelf_cond);
	pthread_mutex_unlock(&pipeline->lock);
}

void assay__answer_conclude(struct assay__pipeline *pipeline, struct assay__frame *frame)
{
	struct assay__part *part = &frame->part;
	bool mine, judged_in_time;

	assay__part_judge(part);
	assay__challenge_judge(part);
	pthread_mutex_lock(&pipeline->lock);
	mine = !frame->claimed;
	judged_in_time = frame->unread;
	frame->claimed = true;
	pipeline->in_flight--;
	if (mine) {
		assay__naming_settle(pipeline, frame, part);
		assay__answer_count(pipeline, part);
	} else if (!judged_in_time) {
		pipeline->stats.late_dropped++;
	}
	pthread_cond_broadcast(&pipeline->idle_cond);
	pthread_mutex_unlock(&pipeline->lock);
	if (mine)
		assay__answer_give(pipeline, frame, part);
	else if (!judged_in_time)
		assay__log(ASSAY__LOG_WARNING, "late", "sequence=%llu would_be=%s after_ms=%lld",
				   (unsigned long long)part->sequence, assay_verdict_name(part->verdict),
				   (long long)(assay__clock_us() - part->trigger_us) / 1000);
	assay__frame_drop(pipeline, frame);
}

/* The answer of a part whose deadline has come, from what does not change after its trigger. With the lock. */
static void fill_late(struct assay__pipeline *pipeline, struct assay__frame *frame)
{
	const struct assay__part *part = &frame->part;
	struct assay__part *late = &frame->late;
	int missing = -1;

	memset(late, 0, sizeof(*late));
	late->sequence = part->sequence;
	late->trigger_id = part->trigger_id;
	late->trigger = part->trigger;
	late->challenge = part->challenge;
	memcpy(late->code, part->code, sizeof(late->code));
	late->code_generated = part->code_generated;
	memcpy(late->operator_name, part->operator_name, sizeof(late->operator_name));
	memcpy(late->recipe_name, part->recipe_name, sizeof(late->recipe_name));
	late->trigger_us = part->trigger_us;
	late->picture_us = part->picture_us;
	late->wall_us = part->wall_us;
	late->deadline_us = part->deadline_us;
	late->view_count = part->view_count;
	late->verdict = ASSAY_FAULT;
	for (int i = 0; i < part->view_count; i++) {
		memcpy(late->views[i].camera, part->views[i].camera, sizeof(late->views[i].camera));
		if (!frame->has_picture[i] && missing < 0)
			missing = i;
		late->views[i].fault = frame->has_picture[i] ? ASSAY__FAULT_LATE : ASSAY__FAULT_NO_IMAGE;
	}
	late->fault = missing < 0 ? ASSAY__FAULT_LATE : ASSAY__FAULT_NO_IMAGE;
	if (missing < 0)
		snprintf(late->reason, sizeof(late->reason), "no verdict within %d ms", pipeline->config->station.deadline_ms);
	else
		snprintf(late->reason, sizeof(late->reason), "%s: no picture within %d ms", part->views[missing].camera,
				 pipeline->config->station.deadline_ms);
}

/* The answer of a part that is judged and whose code is still being looked for. With the lock. */
static void fill_unread(struct assay__pipeline *pipeline, struct assay__frame *frame)
{
	frame->unread = true;
	frame->late = frame->part;
	assay__part_judge(&frame->late);
	assay__challenge_judge(&frame->late);
	assay__naming_late(pipeline, &frame->late);
}

/* The oldest part without an answer; NULL: none. With the lock. */
static struct assay__frame *oldest_open(struct assay__pipeline *pipeline)
{
	if (pipeline->ledger_open < pipeline->ledger_head)
		pipeline->ledger_open = pipeline->ledger_head;
	for (; pipeline->ledger_open < pipeline->ledger_tail; pipeline->ledger_open++) {
		struct assay__frame *frame = pipeline->ledger[pipeline->ledger_open % pipeline->ledger_capacity];

		if (!frame->claimed)
			return frame;
	}
	return NULL;
}

void *assay__deadline_main(void *arg)
{
	struct assay__pipeline *pipeline = arg;

	pthread_mutex_lock(&pipeline->lock);
	for (;;) {
		struct assay__frame *frame = oldest_open(pipeline);
		int64_t now_us = assay__clock_us(), idle_us = now_us + IDLE_MS * 1000;

		atomic_store(&pipeline->deadline_beat_us, now_us);
		if (!frame && pipeline->deadline_end)
			break;
		if (!frame || frame->part.deadline_us > now_us) {
			int64_t until_us = frame && frame->part.deadline_us < idle_us ? frame->part.deadline_us : idle_us;

			assay__cond_wait(&pipeline->deadline_cond, &pipeline->lock, until_us);
			continue;
		}
		frame->claimed = frame->is_late = true;
		if (frame->codes_left && frame->codes_left == frame->views_left)
			fill_unread(pipeline, frame);
		else
			fill_late(pipeline, frame);
		assay__answer_count(pipeline, &frame->late);
		pthread_mutex_unlock(&pipeline->lock);
		assay__answer_give(pipeline, frame, &frame->late);
		pthread_mutex_lock(&pipeline->lock);
	}
	pthread_mutex_unlock(&pipeline->lock);
	return NULL;
}
