/* SPDX-License-Identifier: Apache-2.0 */
#include "station/vitals.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "station/log.h"
#include "station/rooms.h"

#define RECIPES 4 /* each camera's latest recipes keep their averages */
#define IDLE_MS 500
#define NICENESS 10
#define PATH_CHARS 4400

static const struct assay__option options[] = {
	{.name = "watch",
	 .type = ASSAY__OPTION_FLAG,
	 .fallback = "yes",
	 .help = "measure good parts, and tell when camera, light or process are not what they were",
	 .offset = offsetof(struct assay__vitals_settings, watch)},
	{.name = "parts",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "100",
	 .min = 20,
	 .max = ASSAY__VITAL_PARTS_MOST,
	 .help = "good parts that the reference is made from, the first ones of a camera with a recipe",
	 .offset = offsetof(struct assay__vitals_settings, parts)},
	{.name = "light",
	 .type = ASSAY__OPTION_PERCENT,
	 .fallback = "5%",
	 .min = 0.001,
	 .max = 1,
	 .help = "tolerated change of the mean brightness",
	 .offset = offsetof(struct assay__vitals_settings, light)},
	{.name = "clipped",
	 .type = ASSAY__OPTION_PERCENT,
	 .fallback = "0.5%",
	 .min = 0.0001,
	 .max = 1,
	 .help = "tolerated change of the share of pixels at white",
	 .offset = offsetof(struct assay__vitals_settings, clipped)},
	{.name = "tilt",
	 .type = ASSAY__OPTION_PERCENT,
	 .fallback = "2%",
	 .min = 0.001,
	 .max = 1,
	 .help = "tolerated change of the light between opposite halves, against their sum, and of the centre against all",
	 .offset = offsetof(struct assay__vitals_settings, tilt)},
	{.name = "focus",
	 .type = ASSAY__OPTION_PERCENT,
	 .fallback = "5%",
	 .min = 0.001,
	 .max = 1,
	 .help = "tolerated change of the sharpness",
	 .offset = offsetof(struct assay__vitals_settings, focus)},
	{.name = "shift",
	 .type = ASSAY__OPTION_DOUBLE,
	 .fallback = "2",
	 .min = 0.1,
	 .max = 1000,
	 .unit = "px",
	 .help = "tolerated change of where parts lie on average",
	 .offset = offsetof(struct assay__vitals_settings, shift_px)},
	{.name = "run_length",
	 .type = ASSAY__OPTION_DOUBLE,
	 .fallback = "1000000",
	 .min = 1000,
	 .max = 1e12,
	 .help = "good parts between two false alarms about the process, on average at least",
	 .offset = offsetof(struct assay__vitals_settings, run_length)},
	{.name = "cpu",
	 .type = ASSAY__OPTION_PERCENT,
	 .fallback = "2%",
	 .min = 0.001,
	 .max = 1,
	 .help = "of one processor at most; at higher rates not every part is measured",
	 .offset = offsetof(struct assay__vitals_settings, cpu)},
};

const struct assay__option_table assay__vitals_table = {options, (int)(sizeof(options) / sizeof(options[0])),
														sizeof(struct assay__vitals_settings)};

struct patient {
	bool used;
	uint8_t recipe[ASSAY_HASH_BYTES];
	uint64_t seen;
	struct assay__vital_watch watch;
};

struct assay__vitals {
	struct assay__pipeline *pipeline;
	const struct assay__vitals_settings *settings;
	struct assay__vital_limits limits;
	void *scratch;
	size_t scratch_bytes;
	pthread_t thread;
	bool running;

	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool end, hungry;
	struct assay__frame *frame;
	struct assay__vital_reference kept; /* a copy to write, of the thread alone */
	struct patient patients[ASSAY__MAX_VIEWS][RECIPES];
	int current[ASSAY__MAX_VIEWS]; /* -1: none yet */
	uint64_t clock;
};

/* Where a reference is kept between runs: a lamp that aged overnight has aged. False: nowhere. */
static bool path_of(const struct assay__vitals *vitals, int camera, const struct patient *patient,
					char path[PATH_CHARS])
{
	const struct assay__config *config = vitals->pipeline->config;
	char name[ASSAY__NAME_CHARS];

	if (!config->station.keep_record)
		return false;
	snprintf(name, sizeof(name), "%s", vitals->pipeline->cameras[camera].item->name);
	for (char *c = name; *c; c++)
		if (*c == '/' || *c == '.')
			*c = '_';
	return snprintf(path, PATH_CHARS, "%s/vitals/%s-%02x%02x%02x%02x%02x%02x%02x%02x.txt", config->station.state_dir,
					name, patient->recipe[0], patient->recipe[1], patient->recipe[2], patient->recipe[3],
					patient->recipe[4], patient->recipe[5], patient->recipe[6], patient->recipe[7]) < PATH_CHARS;
}

static void save(struct assay__vitals *vitals, int camera, const struct patient *patient)
{
	char path[PATH_CHARS], beside[PATH_CHARS + 8], *slash;
	bool good = false;
	FILE *out;

	if (!path_of(vitals, camera, patient, path))
		return;
	snprintf(beside, sizeof(beside), "%s", path);
	slash = strrchr(beside, '/');
	*slash = '\0';
	if (mkdir(beside, 0750) && errno != EEXIST)
		assay__log(ASSAY__LOG_WARNING, "vitals", "text=\"cannot make the folder of references\"");
	snprintf(beside, sizeof(beside), "%s.new", path);
	out = fopen(beside, "we");
	if (out) {
		good = assay__vital_reference_write(&vitals->kept, out) && !fflush(out) && !fsync(fileno(out));
		good = !fclose(out) && good && !rename(beside, path);
	}
	if (!good) {
		unlink(beside);
		assay__pipeline_event(
			vitals->pipeline, "vitals",
			"camera %s: the reference could not be kept and will be measured again after a restart: %s",
			vitals->pipeline->cameras[camera].item->name, strerror(errno));
	}
}

static void load(struct assay__vitals *vitals, int camera, struct patient *patient)
{
	struct assay__vital_reference reference;
	char path[PATH_CHARS];
	FILE *in = path_of(vitals, camera, patient, path) ? fopen(path, "re") : NULL;

	if (!in)
		return;
	if (!assay__vital_reference_read(&reference, in))
		assay__pipeline_event(vitals->pipeline, "vitals",
							  "camera %s: the reference kept is damaged and is measured anew",
							  vitals->pipeline->cameras[camera].item->name);
	else
		assay__vital_watch_resume(&patient->watch, &vitals->limits, &reference);
	fclose(in);
}

/* The patient of a view; the one not seen for longest makes room. With the mutex. */
static struct patient *patient_of(struct assay__vitals *vitals, int camera, const uint8_t recipe[ASSAY_HASH_BYTES])
{
	struct patient *all = vitals->patients[camera], *patient = &all[0];

	for (int i = 0; i < RECIPES; i++) {
		if (all[i].used && !memcmp(all[i].recipe, recipe, ASSAY_HASH_BYTES)) {
			vitals->current[camera] = i;
			all[i].seen = ++vitals->clock;
			return &all[i];
		}
		if (patient->used && (!all[i].used || all[i].seen < patient->seen))
			patient = &all[i];
	}
	patient->used = true;
	patient->seen = ++vitals->clock;
	memcpy(patient->recipe, recipe, ASSAY_HASH_BYTES);
	assay__vital_watch_start(&patient->watch, &vitals->limits);
	load(vitals, camera, patient);
	vitals->current[camera] = (int)(patient - all);
	return patient;
}

static bool fit_scratch(struct assay__vitals *vitals, const struct assay_rect_px *area)
{
	size_t bytes = assay__vital_scratch_bytes(area);

	if (bytes <= vitals->scratch_bytes)
		return true;
	assay__free(NULL, vitals->scratch);
	vitals->scratch = assay__alloc(NULL, bytes);
	vitals->scratch_bytes = vitals->scratch ? bytes : 0;
	return vitals->scratch != NULL;
}

static void measure(struct assay__vitals *vitals, const struct assay__part *part, int camera, int white)
{
	const struct assay__part_view *view = &part->views[camera];
	const struct assay_rect_px *area = &view->result.map_area;
	const char *name = vitals->pipeline->cameras[camera].item->name;
	struct assay__vital vital;
	struct patient *patient;
	enum assay__vital_cause told;
	bool wanted, before, changed, learned;
	char text[200];

	if (!view->image.pixels || view->fault)
		return;
	pthread_mutex_lock(&vitals->mutex);
	patient = patient_of(vitals, camera, view->recipe_hash);
	wanted = assay__vital_watch_wants(&patient->watch, view->result.verdict);
	pthread_mutex_unlock(&vitals->mutex);
	if (!wanted || !fit_scratch(vitals, area) ||
		!assay__vital_measure(&view->image, area, white, vitals->scratch, &vital))
		return;
	pthread_mutex_lock(&vitals->mutex);
	before = patient->watch.learned;
	changed = assay__vital_watch_add(&patient->watch, &vital, area, view->result.score_q8);
	learned = patient->watch.learned && !before;
	assay__vital_watch_text(&patient->watch, text, sizeof(text));
	told = patient->watch.told;
	if (learned)
		vitals->kept = patient->watch.reference;
	pthread_mutex_unlock(&vitals->mutex);
	if (learned) {
		save(vitals, camera, patient);
		assay__pipeline_event(vitals->pipeline, "vitals", "camera %s: reference measured from %d good parts", name,
							  vitals->limits.parts);
	}
	if (changed)
		assay__pipeline_event(vitals->pipeline, told ? "vitals_warning" : "vitals_clear", "camera %s: %s", name, text);
}

static void *vitals_main(void *arg)
{
	struct assay__vitals *vitals = arg;
	int64_t rest_us = 0;

	/* Of this thread alone, as Linux has it; if refused, no harm. */
	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICENESS);
	pthread_mutex_lock(&vitals->mutex);
	while (!vitals->end) {
		struct assay__frame *frame;
		int64_t start_us = assay__clock_us();

		if (rest_us > start_us) {
			assay__cond_wait(&vitals->cond, &vitals->mutex, rest_us);
			continue;
		}
		vitals->hungry = !vitals->frame;
		if (!vitals->frame)
			assay__cond_wait(&vitals->cond, &vitals->mutex, assay__clock_deadline_us(IDLE_MS));
		frame = vitals->frame;
		vitals->frame = NULL;
		if (!frame)
			continue;
		pthread_mutex_unlock(&vitals->mutex);
		start_us = assay__clock_us();
		for (int i = 0; i < frame->part.view_count; i++)
			measure(vitals, &frame->part, i, frame->set->files[frame->product->files[i]].info.white_level);
		assay__frame_drop(vitals->pipeline, frame);
		rest_us = assay__clock_us();
		rest_us += (int64_t)((double)(rest_us - start_us) * (1 / vitals->settings->cpu - 1));
		pthread_mutex_lock(&vitals->mutex);
	}
	if (vitals->frame)
		assay__frame_drop(vitals->pipeline, vitals->frame);
	vitals->frame = NULL;
	pthread_mutex_unlock(&vitals->mutex);
	return NULL;
}

int assay__vitals_open(struct assay__pipeline *pipeline, struct assay__vitals **out, struct assay_error *error)
{
	const struct assay__vitals_settings *settings = pipeline->config->vitals;
	struct assay__vitals *vitals;

	if (!settings->watch)
		return 0;
	vitals = assay__calloc(NULL, 1, sizeof(*vitals));
	if (!vitals)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for vitals");
	vitals->pipeline = pipeline;
	vitals->settings = settings;
	vitals->limits = (struct assay__vital_limits){.parts = settings->parts,
												  .light = settings->light,
												  .clipped = settings->clipped,
												  .tilt = settings->tilt,
												  .focus = settings->focus,
												  .shift_px = settings->shift_px,
												  .run_length = settings->run_length};
	pthread_mutex_init(&vitals->mutex, NULL);
	assay__cond_init(&vitals->cond);
	for (int i = 0; i < ASSAY__MAX_VIEWS; i++)
		vitals->current[i] = -1;
	*out = vitals;
	return 0;
}

int assay__vitals_start(struct assay__vitals *vitals, struct assay_error *error)
{
	int rc = vitals ? assay__thread_start(&vitals->thread, vitals_main, vitals, "vitals", error) : 0;

	if (vitals)
		vitals->running = !rc;
	return rc;
}

void assay__vitals_offer(struct assay__vitals *vitals, struct assay__frame *frame)
{
	bool take;

	if (!vitals || frame->part.verdict == ASSAY_FAULT)
		return;
	pthread_mutex_lock(&vitals->mutex);
	take = vitals->hungry && !vitals->end;
	if (take) {
		/* Its own hold, before this thread gives up that of the shelf. */
		pthread_mutex_lock(&vitals->pipeline->lock);
		frame->users++;
		pthread_mutex_unlock(&vitals->pipeline->lock);
		vitals->frame = frame;
		vitals->hungry = false;
		pthread_cond_signal(&vitals->cond);
	}
	pthread_mutex_unlock(&vitals->mutex);
}

void assay__vitals_read(struct assay__vitals *vitals, int camera, struct assay__vitals_state *out)
{
	memset(out, 0, sizeof(*out));
	if (!vitals || camera < 0 || camera >= ASSAY__MAX_VIEWS)
		return;
	pthread_mutex_lock(&vitals->mutex);
	if (vitals->current[camera] >= 0) {
		const struct assay__vital_watch *watch = &vitals->patients[camera][vitals->current[camera]].watch;

		out->watching = true;
		out->learned = watch->learned;
		out->cause = watch->told;
		out->reference_parts = watch->reference.parts;
		out->reference_wanted = watch->limits.parts;
		out->parts = watch->parts;
		out->rank = watch->rank;
		out->evidence = assay__vital_watch_evidence(watch);
		out->evidence_limit = watch->limits.run_length;
		for (int i = 0; i < ASSAY__VITAL_MEASURES; i++)
			assay__vital_watch_read(watch, (enum assay__vital_measure)i, &out->readings[i]);
		assay__vital_watch_text(watch, out->text, sizeof(out->text));
	}
	pthread_mutex_unlock(&vitals->mutex);
}

void assay__vitals_renew(struct assay__vitals *vitals, int camera)
{
	char path[PATH_CHARS];

	if (!vitals || camera < 0 || camera >= ASSAY__MAX_VIEWS)
		return;
	pthread_mutex_lock(&vitals->mutex);
	if (vitals->current[camera] >= 0) {
		struct patient *patient = &vitals->patients[camera][vitals->current[camera]];

		assay__vital_watch_start(&patient->watch, &vitals->limits);
		if (path_of(vitals, camera, patient, path))
			unlink(path);
	}
	pthread_mutex_unlock(&vitals->mutex);
	assay__pipeline_event(vitals->pipeline, "vitals", "camera %s: the reference is measured anew",
						  vitals->pipeline->cameras[camera].item->name);
}

void assay__vitals_close(struct assay__vitals *vitals)
{
	if (!vitals)
		return;
	pthread_mutex_lock(&vitals->mutex);
	vitals->end = true;
	pthread_cond_broadcast(&vitals->cond);
	pthread_mutex_unlock(&vitals->mutex);
	if (vitals->running)
		pthread_join(vitals->thread, NULL);
	pthread_mutex_destroy(&vitals->mutex);
	pthread_cond_destroy(&vitals->cond);
	assay__free(NULL, vitals->scratch);
	assay__free(NULL, vitals);
}
