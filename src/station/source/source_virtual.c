/* SPDX-License-Identifier: Apache-2.0 */
/* The virtual line as a camera: for trials, demonstrations and load tests. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "station/identity/print.h"
#include "station/source/pacer.h"
#include "station/source/virtual_line.h"

struct settings {
	int seed, first, width_px, height_px, channels, prerender, delay_ms, silent_after;
	double rate_hz, defects;
	bool print_code;
	int upset_from, upset_over;
	double dim, blur_px, shift_x_px, shift_y_px, rough, lean;
	bool tell;
};

static const struct assay__option options[] = {
	{.name = "seed",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "1",
	 .min = 0,
	 .max = INT_MAX,
	 .help = "another number, another line",
	 .offset = offsetof(struct settings, seed)},
	{.name = "first",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "0",
	 .min = 0,
	 .max = INT_MAX,
	 .help = "number of the line's part to begin with",
	 .offset = offsetof(struct settings, first)},
	{.name = "defects",
	 .type = ASSAY__OPTION_PERCENT,
	 .fallback = "10%",
	 .min = 0,
	 .max = 1,
	 .help = "share of defective parts",
	 .offset = offsetof(struct settings, defects)},
	{.name = "tell",
	 .type = ASSAY__OPTION_FLAG,
	 .fallback = "no",
	 .help = "name every part by what it really is, as in crack-000226: for rehearsals and tests",
	 .offset = offsetof(struct settings, tell)},
	{.name = "rate_hz",
	 .type = ASSAY__OPTION_DOUBLE,
	 .fallback = "2",
	 .min = 0,
	 .max = 1000000,
	 .unit = "Hz",
	 .help = "pictures a second where the trigger is `free`; 0: as fast as they can be made",
	 .offset = offsetof(struct settings, rate_hz)},
	{.name = "width",
	 .type = ASSAY__OPTION_PIXELS,
	 .fallback = "0",
	 .min = 0,
	 .max = ASSAY__VIRTUAL_MAX_SIDE_PX,
	 .unit = "px",
	 .help = "of the pictures, at least 128; 0: as the first recipe wants them",
	 .offset = offsetof(struct settings, width_px)},
	{.name = "height",
	 .type = ASSAY__OPTION_PIXELS,
	 .fallback = "0",
	 .min = 0,
	 .max = ASSAY__VIRTUAL_MAX_SIDE_PX,
	 .unit = "px",
	 .help = "as width",
	 .offset = offsetof(struct settings, height_px)},
	{.name = "channels",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "0",
	 .min = 0,
	 .max = 3,
	 .help = "1 grey, 3 colour; 0: as the first recipe wants them",
	 .offset = offsetof(struct settings, channels)},
	{.name = "prerender",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "0",
	 .min = 0,
	 .max = 10000,
	 .help = "make so many pictures at start and show them again and again, for rates beyond what can be rendered; 0: "
			 "every picture is new",
	 .offset = offsetof(struct settings, prerender)},
	{.name = "print_code",
	 .type = ASSAY__OPTION_FLAG,
	 .fallback = "no",
	 .help =
		 "print a DataMatrix VL<seed>-<number of the part> into the lower left corner; teach from such pictures then",
	 .offset = offsetof(struct settings, print_code)},
	{.name = "delay_ms",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "0",
	 .min = 0,
	 .max = 60000,
	 .unit = "ms",
	 .help = "from being asked to the picture",
	 .offset = offsetof(struct settings, delay_ms)},
	{.name = "silent_after",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "0",
	 .min = 0,
	 .max = INT_MAX,
	 .help = "give no more pictures after so many, as a camera whose cable was pulled; 0: never",
	 .offset = offsetof(struct settings, silent_after)},
	{.name = "upset_from",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "0",
	 .min = 0,
	 .max = INT_MAX,
	 .help = "what goes wrong below goes wrong from this part of the line on",
	 .offset = offsetof(struct settings, upset_from)},
	{.name = "upset_over",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "0",
	 .min = 0,
	 .max = INT_MAX,
	 .help = "and grows evenly over so many parts; 0: at once",
	 .offset = offsetof(struct settings, upset_over)},
	{.name = "dim",
	 .type = ASSAY__OPTION_PERCENT,
	 .fallback = "0%",
	 .min = -1,
	 .max = 0.99,
	 .help = "light lost: a lamp that ages",
	 .offset = offsetof(struct settings, dim)},
	{.name = "lean",
	 .type = ASSAY__OPTION_DOUBLE,
	 .fallback = "0",
	 .min = -1,
	 .max = 1,
	 .help = "light from one side: 0.1 takes a tenth from the left border and gives it to the right",
	 .offset = offsetof(struct settings, lean)},
	{.name = "blur",
	 .type = ASSAY__OPTION_DOUBLE,
	 .fallback = "0",
	 .min = 0,
	 .max = 16,
	 .unit = "px",
	 .help = "focus lost: surplus blur, standard deviation",
	 .offset = offsetof(struct settings, blur_px)},
	{.name = "shift_x",
	 .type = ASSAY__OPTION_DOUBLE,
	 .fallback = "0",
	 .min = -1000,
	 .max = 1000,
	 .unit = "px",
	 .help = "parts lie further right: a camera that moved",
	 .offset = offsetof(struct settings, shift_x_px)},
	{.name = "shift_y",
	 .type = ASSAY__OPTION_DOUBLE,
	 .fallback = "0",
	 .min = -1000,
	 .max = 1000,
	 .unit = "px",
	 .help = "parts lie lower",
	 .offset = offsetof(struct settings, shift_y_px)},
	{.name = "rough",
	 .type = ASSAY__OPTION_DOUBLE,
	 .fallback = "0",
	 .min = 0,
	 .max = 4,
	 .help = "roughness added to the cast skin, 1: twice as rough: a process that changed",
	 .offset = offsetof(struct settings, rough)},
};

struct assay__source {
	struct assay__pacer pacer;
	const struct settings *settings;
	struct assay__virtual_line *line;
	bool free_run;
	int width_px, height_px, channels;
	size_t picture_bytes;
	uint64_t next;	/* part of the line */
	uint8_t *shelf; /* `prerender` pictures */
};

static int render(const struct assay__source *source, uint64_t index, uint8_t *pixels,
				  struct assay__virtual_truth *truth, struct assay_error *error)
{
	struct assay_image image = {.width_px = source->width_px,
								.height_px = source->height_px,
								.channels = source->channels,
								.depth_bits = 8,
								.stride_bytes = (size_t)source->width_px * (size_t)source->channels,
								.pixels = pixels};

	char code[48];
	int rc = assay__virtual_render(source->line, index, NULL, &image, NULL, truth, error);

	if (rc || !source->settings->print_code)
		return rc;
	snprintf(code, sizeof(code), "VL%d-%llu", source->settings->seed, (unsigned long long)index);
	return assay__code_print(&image, code, error);
}

static void virtual_close(struct assay__source *source)
{
	assay__virtual_close(source->line);
	assay__free(NULL, source->shelf);
	assay__pacer_close(&source->pacer);
	assay__free(NULL, source);
}

static int fill_shelf(struct assay__source *source, struct assay_error *error)
{
	int count = source->settings->prerender, rc = 0;

	if (!count)
		return 0;
	source->shelf = assay__calloc(NULL, (size_t)count, source->picture_bytes);
	if (!source->shelf)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for %d pictures", count);
	for (int i = 0; i < count && !rc; i++)
		rc = render(source, source->next + (uint64_t)i, source->shelf + (size_t)i * source->picture_bytes, NULL, error);
	return rc;
}

static int virtual_open(const char *name, const void *settings, const struct assay__source_need *need,
						struct assay__source **out, size_t *picture_bytes, struct assay_error *error)
{
	const struct settings *set = settings;
	struct assay__source *source = assay__calloc(NULL, 1, sizeof(*source));
	int rc = source ? assay__pacer_open(&source->pacer, set->rate_hz, error)
					: assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for camera %s", name);

	if (rc) {
		assay__free(NULL, source);
		return rc;
	}
	source->settings = set;
	source->free_run = need->free_run;
	source->width_px = set->width_px ? set->width_px : need->width_px ? need->width_px : 640;
	source->height_px = set->height_px ? set->height_px : need->height_px ? need->height_px : 480;
	source->channels = set->channels ? set->channels : need->channels ? need->channels : 1;
	source->picture_bytes = (size_t)source->width_px * (size_t)source->height_px * (size_t)source->channels;
	source->next = (uint64_t)set->first;
	struct assay__virtual_options line = {.seed = (uint64_t)set->seed,
										  .width_px = source->width_px,
										  .height_px = source->height_px,
										  .channels = source->channels,
										  .defect_rate = set->defects,
										  .upset = {.from = (uint64_t)set->upset_from,
													.over = (uint64_t)set->upset_over,
													.dim = set->dim,
													.lean = set->lean,
													.blur_px = set->blur_px,
													.shift_x_px = set->shift_x_px,
													.shift_y_px = set->shift_y_px,
													.rough = set->rough}};
	rc = assay__virtual_open(&line, NULL, &source->line, error);
	if (!rc)
		rc = fill_shelf(source, error);
	if (rc) {
		virtual_close(source);
		return rc;
	}
	snprintf(source->pacer.health.text, sizeof(source->pacer.health.text), "virtual line, seed %d", set->seed);
	*picture_bytes = source->picture_bytes;
	*out = source;
	return 0;
}

static int virtual_start(struct assay__source *source, struct assay_error *error)
{
	(void)source;
	(void)error;
	return 0;
}

static int virtual_trigger(struct assay__source *source, struct assay_error *error)
{
	(void)error;
	pthread_mutex_lock(&source->pacer.mutex);
	source->pacer.asked = true;
	pthread_mutex_unlock(&source->pacer.mutex);
	return 0;
}

static bool is_silent(struct assay__source *source)
{
	struct assay__source_health *health = &source->pacer.health;
	bool silent;

	pthread_mutex_lock(&source->pacer.mutex);
	silent = source->settings->silent_after && health->pictures >= (uint64_t)source->settings->silent_after;
	if (silent && health->state == ASSAY__SOURCE_UP) {
		health->state = ASSAY__SOURCE_STALE;
		snprintf(health->text, sizeof(health->text), "silent, as told by silent_after");
	}
	pthread_mutex_unlock(&source->pacer.mutex);
	return silent;
}

static int virtual_wait(struct assay__source *source, int timeout_ms, struct assay__picture *picture,
						struct assay_error *error)
{
	int64_t start_us = assay__clock_us(), end_us = start_us + (int64_t)timeout_ms * 1000;
	int64_t ready_us = start_us + (int64_t)source->settings->delay_ms * 1000;
	const struct settings *set = source->settings;
	uint64_t index = source->next;
	struct assay__virtual_truth truth;
	int rc = 0;

	if (is_silent(source)) {
		assay__pacer_sleep(&source->pacer, end_us);
		return ASSAY_E_CANCELLED;
	}
	if (source->free_run && !assay__pacer_next(&source->pacer, timeout_ms))
		return ASSAY_E_CANCELLED;
	if (!source->free_run && set->delay_ms &&
		(!assay__pacer_sleep(&source->pacer, ready_us < end_us ? ready_us : end_us) || ready_us > end_us))
		return ASSAY_E_CANCELLED;
	if (picture->capacity_bytes < source->picture_bytes)
		return assay__fail(error, ASSAY_E_LIMIT, -1, "the picture does not fit its frame");
	if (set->prerender)
		memcpy(picture->pixels,
			   source->shelf +
				   (size_t)((index - (uint64_t)set->first) % (uint64_t)set->prerender) * source->picture_bytes,
			   source->picture_bytes);
	else
		rc = render(source, index, picture->pixels, &truth, error);
	source->next++;
	picture->image = (struct assay_image){.width_px = source->width_px,
										  .height_px = source->height_px,
										  .channels = source->channels,
										  .depth_bits = 8,
										  .stride_bytes = (size_t)source->width_px * (size_t)source->channels,
										  .pixels = picture->pixels};
	picture->camera_frame_id = index;
	picture->taken_us = assay__clock_us();
	picture->trigger_id = 0;
	picture->code[0] = '\0';
	if (set->tell && !set->prerender && !rc)
		snprintf(picture->code, sizeof(picture->code), "%s-%06llu", assay__virtual_kind_name(truth.kind),
				 (unsigned long long)index);
	assay__pacer_count(&source->pacer, rc != 0);
	return rc;
}

static void virtual_interrupt(struct assay__source *source)
{
	assay__pacer_interrupt(&source->pacer);
}

static void virtual_health(struct assay__source *source, struct assay__source_health *out)
{
	assay__pacer_health(&source->pacer, out);
}

extern const struct assay__source_ops assay__source_virtual;
const struct assay__source_ops assay__source_virtual = {
	.type = "virtual",
	.help = "Renders gearbox housings, some with a defect: no hardware needed.",
	.options = options,
	.option_count = (int)(sizeof(options) / sizeof(options[0])),
	.settings_size = sizeof(struct settings),
	.open = virtual_open,
	.start = virtual_start,
	.trigger = virtual_trigger,
	.wait = virtual_wait,
	.interrupt = virtual_interrupt,
	.health = virtual_health,
	.close = virtual_close,
};
