/* SPDX-License-Identifier: Apache-2.0 */
/* Which code a part goes by: the asker's, else one read from its pictures, else one that came along, else one made. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "station/log.h"
#include "station/rooms.h"

#define TELL_US 10000000

static const char *state_dir(const struct assay__pipeline *pipeline)
{
	return pipeline->config->station.keep_record ? pipeline->config->station.state_dir : NULL;
}

void assay__naming_open(struct assay__pipeline *pipeline)
{
	const struct assay__config *config = pipeline->config;

	for (int i = 0; i < config->codes.count; i++) {
		const struct assay__code_settings *code = config->codes.items[i].settings;

		for (int k = 0; k < pipeline->camera_count; k++)
			if (code->camera && *code->camera ? !strcmp(code->camera, pipeline->cameras[k].item->name) : k == 0)
				pipeline->cameras[k].code = code;
	}
	pipeline->dated = strstr(config->identity.template, "{date}") || strstr(config->identity.template, "{count");
	assay__identity_load(state_dir(pipeline), &pipeline->day);
}

void assay__naming_begin(struct assay__pipeline *pipeline, struct assay__part *part, const char *code)
{
	const struct assay__config *config = pipeline->config;

	part->code_state = ASSAY__CODE_NONE;
	part->code_symbology = ASSAY__SYMBOLOGY_NONE;
	part->code_generated = !code || !*code;
	if (!part->code_generated) {
		snprintf(part->code, sizeof(part->code), "%s", code);
		return;
	}
	/* Before the first code of a station's life its day begins; later days are the watcher's. */
	if (pipeline->dated && !pipeline->day.date)
		assay__identity_turn(state_dir(pipeline), part->wall_us, part->sequence - 1, &pipeline->day);
	assay__identity_make(config->identity.template, config->station.name, part->recipe_name, part->sequence,
						 &pipeline->day, part->code);
}

void assay__naming_came(struct assay__pipeline *pipeline, struct assay__frame *frame, const char *code, bool named)
{
	char clean[ASSAY__PART_CODE_CHARS];
	size_t at = 0, used = 0, size = strlen(code);

	if (!*code)
		return;
	/* Bytes that are not text become '?'. */
	while (at < size && used + 4 < sizeof(clean)) {
		size_t length = assay__text_utf8(code + at, size - at);

		if (length == 0 || (unsigned char)code[at] < 0x20) {
			clean[used++] = '?';
			at++;
		} else {
			memcpy(clean + used, code + at, length);
			used += length;
			at += length;
		}
	}
	clean[used] = '\0';
	pthread_mutex_lock(&pipeline->lock);
	if (frame->part.code_generated) {
		memcpy(frame->part.code, clean, used + 1);
		frame->part.code_generated = false;
		frame->code_came_along = named;
	}
	pthread_mutex_unlock(&pipeline->lock);
}

static void note_unread(struct assay__pipeline *pipeline, const struct assay__part *part, const char *camera,
						const char *why)
{
	pipeline->unread.count++;
	snprintf(pipeline->unread.text, sizeof(pipeline->unread.text), "part %llu, camera %s: %.170s",
			 (unsigned long long)part->sequence, camera, why);
}

void assay__naming_settle(struct assay__pipeline *pipeline, struct assay__frame *frame, struct assay__part *part)
{
	int best = -1;
	char why[192];

	/* The first camera that read one; failing that, the first that saw something. */
	for (int i = 0; i < part->view_count; i++) {
		enum assay__code_state state = frame->codes[i].state;

		if (state != ASSAY__CODE_NONE &&
			(best < 0 || (state == ASSAY__CODE_READ && frame->codes[best].state != ASSAY__CODE_READ) ||
			 (state == ASSAY__CODE_UNEXPECTED && frame->codes[best].state == ASSAY__CODE_UNREADABLE)))
			best = i;
	}
	if (best >= 0) {
		const struct assay__code_found *found = &frame->codes[best];

		part->code_state = found->state;
		if (found->state != ASSAY__CODE_READ) {
			note_unread(pipeline, part, part->views[best].camera, found->why);
		} else {
			part->code_symbology = found->symbology;
			if (part->code_generated || frame->code_came_along) {
				memcpy(part->code, found->text, sizeof(part->code));
				part->code_generated = false;
			} else if (strcmp(part->code, found->text)) {
				part->code_state = ASSAY__CODE_DIFFERS;
				snprintf(why, sizeof(why), "it says %.80s, the asker said %.80s", found->text, part->code);
				note_unread(pipeline, part, part->views[best].camera, why);
			}
		}
	}
	pipeline->stats.by_code[part->code_state]++;
}

void assay__naming_late(struct assay__pipeline *pipeline, struct assay__part *part)
{
	part->code_state = ASSAY__CODE_UNREADABLE;
	note_unread(pipeline, part, part->views[0].camera, "none was found before the deadline");
	pipeline->stats.by_code[part->code_state]++;
}

static void turn_day(struct assay__pipeline *pipeline)
{
	struct assay__identity_day day;
	uint64_t sequence;

	pthread_mutex_lock(&pipeline->lock);
	day = pipeline->day;
	sequence = pipeline->sequence;
	pthread_mutex_unlock(&pipeline->lock);
	/* On disk first: whatever number the day begins after, it is the same after a restart. */
	if (!day.date || !assay__identity_turn(state_dir(pipeline), assay__clock_wall_us(), sequence, &day))
		return;
	pthread_mutex_lock(&pipeline->lock);
	pipeline->day = day;
	pthread_mutex_unlock(&pipeline->lock);
}

void assay__naming_watch(struct assay__pipeline *pipeline)
{
	int64_t now_us = assay__clock_us();
	char text[ASSAY__EVENT_TEXT_MAX];
	uint64_t count;

	if (pipeline->dated)
		turn_day(pipeline);
	pthread_mutex_lock(&pipeline->lock);
	count = pipeline->unread.count;
	if (pipeline->unread.event_us && now_us - pipeline->unread.event_us < TELL_US && !pipeline->stopping)
		count = 0;
	if (count) {
		pipeline->unread.count = 0;
		pipeline->unread.event_us = now_us;
		snprintf(text, sizeof(text), "%llu codes were not read or are not the expected ones, the last of %.160s",
				 (unsigned long long)count, pipeline->unread.text);
	}
	pthread_mutex_unlock(&pipeline->lock);
	if (!count)
		return;
	pipeline->archive_ops->event(pipeline->archive, "code", text);
	assay__pipeline_event(pipeline, "code", "%s", text);
}
