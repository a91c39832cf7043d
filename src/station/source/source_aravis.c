/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GenICam cameras, GigE Vision and USB3 Vision, through Aravis. Four threads meet here, all under pacer.mutex: the library's, which hands
 * over pictures; the pipeline's, which takes them; the keeper, which connects, asks whether the camera is there, and connects again; and
 * the asker, which gives software triggers, because with a dead camera that blocks for seconds. The link may be closed once `users` is 0.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "station/source/aravis_link.h"
#include "station/source/pacer.h"

#define BUFFERS_MOST ASSAY__ARAVIS_BUFFERS_MOST
#define ASK_EVERY_MS 200
#define ASK_TIMEOUT_MS 200
#define BACK_OFF_FIRST_MS 250
#define DRAIN_US 2000000
#define MISSING_MOST 1000 /* pictures lost in one gap that are answered one by one */

struct arrived {
	ArvBuffer *buffer;
	int64_t begin_us; /* of its exposure, as far as it is known */
	uint64_t missing; /* pictures lost right before it and not yet answered */
};

struct assay__source {
	struct assay__pacer pacer;
	const char *name;
	const struct assay__aravis_settings *settings;
	bool free_run;
	enum assay__aravis_how how;
	pthread_t keeper, asker;
	bool keeper_runs, asker_runs;
	/* under pacer.mutex: */
	struct assay__aravis_link *link;
	bool closing, end; /* the link is being closed; so is the source */
	int users;
	struct arrived ring[BUFFERS_MOST];
	int first, count;
	bool asked;			/* and not yet given */
	bool flush;			/* a picture asked for earlier may still come */
	uint64_t ask, sent; /* askings, and the latest that the camera got */
	int64_t ask_us;
	uint64_t vain; /* askings in a row without a picture */
	bool quiet;	   /* runs free, answers, sends nothing */
	int64_t arrived_us;
	uint64_t last_id, number, missing_packets;
	struct assay__aravis_counts counts;
	char trouble[160];
};

/* With the lock, all down to take(). */

static void give_back(struct assay__source *source, ArvBuffer *buffer)
{
	arv_stream_push_buffer(source->link->stream, buffer);
}

static void drop_first(struct assay__source *source)
{
	give_back(source, source->ring[source->first].buffer);
	source->first = (source->first + 1) % BUFFERS_MOST;
	source->count--;
}

/* How many pictures came between the last one and this, and did not arrive. Ids of 16 bits go on with 1 after 65535. */
static uint64_t count_missing(struct assay__source *source, uint64_t id)
{
	uint64_t last = source->last_id;

	/* Without its first packet a picture has no number; it was the next. */
	source->last_id = id ? id : last ? last + 1 : 0;
	if (!last || !id || id == last)
		return 0;
	if (id > last)
		return id - last - 1;
	return last > 65000 && last <= 65535 && id < 500 ? 65535 - last + id - 1 : 0;
}

/* A buffer that the stream is done with: waits for the pipeline, or goes back at once. */
static void keep(struct assay__source *source, ArvBuffer *buffer)
{
	ArvBufferStatus status = arv_buffer_get_status(buffer);
	int64_t now_us = assay__clock_us();
	int64_t age_us = g_get_real_time() - (int64_t)(arv_buffer_get_system_timestamp(buffer) / 1000);
	bool waits_for_ask = !source->free_run && source->how != ASSAY__ARAVIS_LINE;
	struct arrived *place;
	uint64_t missing;

	if (status == ARV_BUFFER_STATUS_ABORTED || status == ARV_BUFFER_STATUS_CLEARED) {
		give_back(source, buffer);
		return;
	}
	source->arrived_us = now_us;
	source->quiet = false;
	/* The clock of the day may have been set between the two looks at it. */
	if (age_us < 0 || age_us > 1000000)
		age_us = 0;
	missing = count_missing(source, arv_buffer_get_frame_id(buffer));
	if (waits_for_ask) {
		bool ours = source->asked && (source->how == ASSAY__ARAVIS_SOFTWARE
										  ? source->sent == source->ask
										  : now_us - age_us - (int64_t)source->link->exposure_us >= source->ask_us);

		missing = 0;
		if (!ours || source->count) {
			give_back(source, buffer);
			return;
		}
	}
	source->pacer.health.missed += missing;
	if (!source->free_run) {
		missing = 0;
		if (source->count && source->count >= source->settings->buffers / 2) {
			drop_first(source);
			source->pacer.health.missed++;
		}
	}
	place = &source->ring[(source->first + source->count++) % BUFFERS_MOST];
	*place = (struct arrived){.buffer = buffer,
							  .begin_us = now_us - age_us - (int64_t)source->link->exposure_us,
							  .missing = missing < MISSING_MOST ? missing : MISSING_MOST};
	pthread_cond_broadcast(&source->pacer.changed);
}

static void tell_state(struct assay__source *source)
{
	struct assay__source_health *health = &source->pacer.health;
	const struct assay__aravis_link *link = source->link;

	health->state = source->quiet || (link && !source->closing && source->vain) ? ASSAY__SOURCE_STALE
					: link && !source->closing									? ASSAY__SOURCE_UP
																				: ASSAY__SOURCE_GONE;
	if (!link || source->closing || source->quiet)
		assay__source_say(health->text, sizeof(health->text), "%s", source->trouble);
	else if (source->vain)
		assay__source_say(health->text, sizeof(health->text), "%s answers, but %llu triggers in a row gave no picture",
						  link->id, (unsigned long long)source->vain);
	else
		assay__source_say(health->text, sizeof(health->text),
						  "%s %s: %llu whole, %llu failed, %llu underruns, %llu resent", link->id, link->address,
						  (unsigned long long)source->counts.completed, (unsigned long long)source->counts.failed,
						  (unsigned long long)source->counts.underruns, (unsigned long long)source->counts.resent);
}

/* The library's thread: a buffer is done. */
static void buffer_done(void *ctx, ArvStreamCallbackType type, ArvBuffer *done)
{
	struct assay__aravis_link *link = ctx;
	struct assay__source *source = link->owner;
	ArvBuffer *buffer;

	(void)done;
	if (type != ARV_STREAM_CALLBACK_TYPE_BUFFER_DONE)
		return;
	pthread_mutex_lock(&source->pacer.mutex);
	if (source->link == link && !source->closing)
		while ((buffer = arv_stream_try_pop_buffer(link->stream)))
			keep(source, buffer);
	pthread_mutex_unlock(&source->pacer.mutex);
}

/* The keeper */

/* Waits until the clock says until_us, or the end; with the lock. */
static void rest(struct assay__source *source, int64_t until_us)
{
	while (!source->end && assay__clock_us() < until_us)
		assay__cond_wait(&source->pacer.changed, &source->pacer.mutex, until_us);
}

/* Gives up the link, once what has arrived is taken and nobody uses it. With the lock, which it leaves meanwhile. */
static void lose(struct assay__source *source, bool there)
{
	struct assay__aravis_link *link = source->link;
	int64_t until_us = assay__clock_us() + DRAIN_US;

	source->closing = true;
	tell_state(source);
	pthread_cond_broadcast(&source->pacer.changed);
	while (!source->end && source->free_run && source->count && assay__clock_us() < until_us)
		assay__cond_wait(&source->pacer.changed, &source->pacer.mutex, until_us);
	while (source->users)
		assay__cond_wait(&source->pacer.changed, &source->pacer.mutex, -1);
	if (source->free_run)
		source->pacer.health.missed += (uint64_t)source->count;
	while (source->count)
		drop_first(source);
	source->link = NULL;
	source->closing = false;
	tell_state(source);
	pthread_mutex_unlock(&source->pacer.mutex);
	assay__aravis_link_close(link, there);
	pthread_mutex_lock(&source->pacer.mutex);
}

/* With the lock, which it leaves meanwhile. */
static void connect_once(struct assay__source *source, int *pause_ms)
{
	struct assay__aravis_link *link = NULL;
	struct assay_error error;
	int rc;

	pthread_mutex_unlock(&source->pacer.mutex);
	rc = assay__aravis_link_open(source->settings, source->how, source, buffer_done, &link, &error);
	pthread_mutex_lock(&source->pacer.mutex);
	if (rc) {
		assay__source_say(source->trouble, sizeof(source->trouble), "%s", error.message);
		tell_state(source);
		rest(source, assay__clock_deadline_us(*pause_ms));
		*pause_ms = *pause_ms * 2 < source->settings->retry_ms ? *pause_ms * 2 : source->settings->retry_ms;
		return;
	}
	*pause_ms = BACK_OFF_FIRST_MS;
	source->link = link;
	source->last_id = source->vain = source->missing_packets = 0;
	source->flush = false;
	source->arrived_us = assay__clock_us();
	tell_state(source);
	pthread_cond_broadcast(&source->pacer.changed);
}

/* One look at a camera that is connected. With the lock, which it leaves meanwhile. */
static void watch(struct assay__source *source, int64_t *silent_us)
{
	const struct assay__aravis_settings *set = source->settings;
	struct assay__aravis_link *link = source->link;
	int64_t start_us = assay__clock_us(), now_us;
	struct assay__aravis_counts counts;
	enum assay__gvcp_answer answer;

	pthread_mutex_unlock(&source->pacer.mutex);
	answer = assay__aravis_link_ask(link, ASK_TIMEOUT_MS);
	assay__aravis_link_counts(link, &counts);
	pthread_mutex_lock(&source->pacer.mutex);
	source->counts = counts;
	now_us = assay__clock_us();
	if (answer == ASSAY__GVCP_ANSWERS)
		*silent_us = 0;
	else if (!*silent_us)
		*silent_us = start_us;
	if (answer == ASSAY__GVCP_RELEASED) {
		assay__source_say(source->trouble, sizeof(source->trouble), "%s was restarted, or released; connecting again",
						  link->id);
		lose(source, false);
	} else if (*silent_us && now_us - *silent_us >= (int64_t)set->gone_ms * 1000) {
		assay__source_say(source->trouble, sizeof(source->trouble), "%s is gone: no answer for %d ms", link->id,
						  set->gone_ms);
		lose(source, false);
	} else if (source->how == ASSAY__ARAVIS_FREE && set->stale_ms && !*silent_us &&
			   now_us - source->arrived_us > (int64_t)set->stale_ms * 1000) {
		source->quiet = true;
		assay__source_say(source->trouble, sizeof(source->trouble), "%s answers, but sends no pictures; starting anew",
						  link->id);
		lose(source, true);
	} else {
		tell_state(source);
		rest(source, now_us + ASK_EVERY_MS * 1000);
	}
}

static void *keeper_main(void *arg)
{
	struct assay__source *source = arg;
	int pause_ms = BACK_OFF_FIRST_MS;
	int64_t silent_us = 0;

	pthread_mutex_lock(&source->pacer.mutex);
	while (!source->end) {
		if (source->link) {
			watch(source, &silent_us);
		} else {
			silent_us = 0;
			connect_once(source, &pause_ms);
		}
	}
	if (source->link)
		lose(source, !silent_us);
	pthread_mutex_unlock(&source->pacer.mutex);
	return NULL;
}

/* The asker */

/* With the lock, which it leaves meanwhile. */
static void send_trigger(struct assay__source *source)
{
	struct assay__aravis_link *link = source->link;
	struct assay_error error = {.message = ""};
	bool flush = source->flush;
	GError *failed = NULL;
	uint64_t ask;
	int rc = 0;

	source->users++;
	source->flush = false;
	if (flush) {
		pthread_mutex_unlock(&source->pacer.mutex);
		rc = assay__aravis_link_restart(link, &error);
		pthread_mutex_lock(&source->pacer.mutex);
		source->last_id = 0;
	}
	ask = source->sent = source->ask;
	while (source->count)
		drop_first(source);
	pthread_mutex_unlock(&source->pacer.mutex);
	if (!rc)
		arv_camera_software_trigger(link->camera, &failed);
	pthread_mutex_lock(&source->pacer.mutex);
	if ((rc || failed) && source->ask == ask)
		source->flush = true;
	g_clear_error(&failed);
	source->users--;
	pthread_cond_broadcast(&source->pacer.changed);
}

static void *asker_main(void *arg)
{
	struct assay__source *source = arg;

	pthread_mutex_lock(&source->pacer.mutex);
	while (!source->end) {
		if (source->sent == source->ask)
			assay__cond_wait(&source->pacer.changed, &source->pacer.mutex, -1);
		else if (source->link && !source->closing)
			send_trigger(source);
		else
			source->sent = source->ask;
	}
	pthread_mutex_unlock(&source->pacer.mutex);
	return NULL;
}

/* The pipeline's side */

static void aravis_close(struct assay__source *source)
{
	pthread_mutex_lock(&source->pacer.mutex);
	source->end = true;
	pthread_cond_broadcast(&source->pacer.changed);
	pthread_mutex_unlock(&source->pacer.mutex);
	if (source->asker_runs)
		pthread_join(source->asker, NULL);
	if (source->keeper_runs)
		pthread_join(source->keeper, NULL);
	assay__pacer_close(&source->pacer);
	assay__free(NULL, source);
}

static int choose_how(struct assay__source *source, struct assay_error *error)
{
	switch (source->settings->trigger) {
	case ASSAY__ARAVIS_TRIGGER_AUTO:
		source->how = source->free_run ? ASSAY__ARAVIS_FREE : ASSAY__ARAVIS_SOFTWARE;
		return 0;
	case ASSAY__ARAVIS_TRIGGER_FREE:
		source->how = ASSAY__ARAVIS_FREE;
		return 0;
	case ASSAY__ARAVIS_TRIGGER_LINE:
		source->how = ASSAY__ARAVIS_LINE;
		return 0;
	case ASSAY__ARAVIS_TRIGGER_SOFTWARE:
		break;
	}
	source->how = ASSAY__ARAVIS_SOFTWARE;
	if (source->free_run)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "trigger: software, but this camera leads (triggers: free) and nobody asks it; expected "
						   "free or line");
	return 0;
}

static int aravis_open(const char *name, const void *settings, const struct assay__source_need *need,
					   struct assay__source **out, size_t *picture_bytes, struct assay_error *error)
{
	const struct assay__aravis_settings *set = settings;
	struct assay__source *source = assay__calloc(NULL, 1, sizeof(*source));
	int rc = source ? assay__pacer_open(&source->pacer, 0, error)
					: assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for camera %s", name);

	if (rc) {
		assay__free(NULL, source);
		return rc;
	}
	source->name = name;
	source->settings = set;
	source->free_run = need->free_run;
	rc = choose_how(source, error);
	if (rc) {
		aravis_close(source);
		return rc;
	}
	assay__source_say(source->trouble, sizeof(source->trouble), "connecting");
	tell_state(source);
	*picture_bytes = set->frame_kib ? (size_t)set->frame_kib * 1024 : need->picture_bytes;
	*out = source;
	return 0;
}

static int start_thread(pthread_t *thread, bool *runs, void *(*run)(void *), struct assay__source *source,
						struct assay_error *error)
{
	sigset_t all, before;
	int err;

	/* The library's threads are children of these and must not take the program's signals either. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(thread, NULL, run, source);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		return assay__fail(error, ASSAY_E_IO, -1, "camera %s: cannot start a thread: %s", source->name, strerror(err));
	*runs = true;
	return 0;
}

static int aravis_start(struct assay__source *source, struct assay_error *error)
{
	int rc = start_thread(&source->keeper, &source->keeper_runs, keeper_main, source, error);

	if (!rc && source->how == ASSAY__ARAVIS_SOFTWARE)
		rc = start_thread(&source->asker, &source->asker_runs, asker_main, source, error);
	return rc;
}

/* What waits from before this asking is not its picture; of a line, what came shortly before is. With the lock. */
static void drop_earlier(struct assay__source *source, int64_t now_us)
{
	int64_t from_us = now_us - (int64_t)source->settings->early_ms * 1000;

	while (source->count && (source->how != ASSAY__ARAVIS_LINE || source->ring[source->first].begin_us < from_us)) {
		source->pacer.health.missed += source->how == ASSAY__ARAVIS_LINE;
		drop_first(source);
	}
}

static int aravis_trigger(struct assay__source *source, struct assay_error *error)
{
	int64_t now_us = assay__clock_us();
	int rc = 0;

	pthread_mutex_lock(&source->pacer.mutex);
	if (source->asked) {
		source->vain++;
		source->pacer.health.missed++;
		source->flush = true;
		tell_state(source);
	}
	source->asked = source->link && !source->closing;
	if (source->asked) {
		drop_earlier(source, now_us);
		source->ask_us = now_us;
		source->ask++;
		pthread_cond_broadcast(&source->pacer.changed);
	} else {
		rc = assay__fail(error, ASSAY_E_CLOSED, -1, "%s", source->trouble);
	}
	pthread_mutex_unlock(&source->pacer.mutex);
	return rc;
}

/* Why a buffer is no picture. */
static const char *status_text(ArvBufferStatus status)
{
	switch (status) {
	case ARV_BUFFER_STATUS_MISSING_PACKETS:
		return "packets are missing";
	case ARV_BUFFER_STATUS_TIMEOUT:
		return "the rest did not come in time";
	case ARV_BUFFER_STATUS_SIZE_MISMATCH:
		return "its size is not the one agreed";
	case ARV_BUFFER_STATUS_WRONG_PACKET_ID:
		return "its packets are numbered wrong";
	default:
		return "it was given up";
	}
}

static int convert(struct assay__source *source, struct assay__aravis_link *link, ArvBuffer *buffer,
				   struct assay__picture *picture, struct assay_error *error)
{
	const struct assay__camera_layout *layout = link->layout;
	ArvBufferStatus status = arv_buffer_get_status(buffer);
	struct assay__aravis_counts counts;
	int width, height;
	size_t size = 0, need;
	const void *data;

	if (status != ARV_BUFFER_STATUS_SUCCESS) {
		uint64_t missing;

		assay__aravis_link_counts(link, &counts);
		missing = counts.missing_packets - source->missing_packets;
		source->missing_packets = counts.missing_packets;
		return assay__fail(error, ASSAY_E_FORMAT, -1, "picture %llu is incomplete: %s (%llu packets missing)",
						   (unsigned long long)picture->camera_frame_id, status_text(status),
						   (unsigned long long)missing);
	}
	if (arv_buffer_get_payload_type(buffer) != ARV_BUFFER_PAYLOAD_TYPE_IMAGE &&
		arv_buffer_get_payload_type(buffer) != ARV_BUFFER_PAYLOAD_TYPE_EXTENDED_CHUNK_DATA)
		return assay__fail(error, ASSAY_E_UNSUPPORTED, -1, "its payload is of type 0x%x, expected an image",
						   (unsigned)arv_buffer_get_payload_type(buffer));
	width = arv_buffer_get_image_width(buffer);
	height = arv_buffer_get_image_height(buffer);
	if (width != link->width_px || height != link->height_px ||
		(uint32_t)arv_buffer_get_image_pixel_format(buffer) != layout->code)
		return assay__fail(error, ASSAY_E_FORMAT, -1, "%d x %d px of format 0x%08x came, %d x %d px of %s were agreed",
						   width, height, (unsigned)arv_buffer_get_image_pixel_format(buffer), link->width_px,
						   link->height_px, layout->name);
	need = assay__camera_picture_bytes(layout, width, height);
	if (need > picture->capacity_bytes)
		return assay__fail(error, ASSAY_E_LIMIT, -1, "%d x %d px of %s take %zu bytes, a frame has %zu; see frame_kib",
						   width, height, layout->name, need, picture->capacity_bytes);
	data = arv_buffer_get_data(buffer, &size);
	return assay__camera_picture(layout, data, size, width, height, link->scratch, picture->pixels, &picture->image,
								 error);
}

/* The first of those that wait becomes *picture. With the lock, which it leaves meanwhile. */
static int take(struct assay__source *source, struct assay__picture *picture, struct assay_error *error)
{
	struct assay__aravis_link *link = source->link;
	struct arrived *first = &source->ring[source->first];
	ArvBuffer *buffer = first->buffer;
	int rc;

	picture->image = (struct assay_image){0};
	picture->code[0] = '\0';
	picture->taken_us = first->begin_us;
	picture->trigger_id = source->free_run && source->how == ASSAY__ARAVIS_LINE ? ++source->number : 0;
	picture->camera_frame_id = arv_buffer_get_frame_id(buffer);
	if (first->missing) {
		picture->camera_frame_id -= first->missing--;
		source->pacer.health.broken++;
		return assay__fail(error, ASSAY_E_FORMAT, -1, "picture %llu of the camera was lost on the way",
						   (unsigned long long)picture->camera_frame_id);
	}
	source->first = (source->first + 1) % BUFFERS_MOST;
	source->count--;
	source->users++;
	source->asked = false;
	source->vain = 0;
	pthread_mutex_unlock(&source->pacer.mutex);
	rc = convert(source, link, buffer, picture, error);
	pthread_mutex_lock(&source->pacer.mutex);
	give_back(source, buffer);
	source->users--;
	source->pacer.health.pictures++;
	source->pacer.health.broken += rc != 0;
	source->pacer.health.last_us = assay__clock_us();
	tell_state(source);
	/* lose() may wait for it. */
	pthread_cond_broadcast(&source->pacer.changed);
	return rc;
}

static int aravis_wait(struct assay__source *source, int timeout_ms, struct assay__picture *picture,
					   struct assay_error *error)
{
	int64_t end_us = assay__clock_us() + (int64_t)timeout_ms * 1000;
	int rc = ASSAY_E_CANCELLED;

	pthread_mutex_lock(&source->pacer.mutex);
	while (!source->count && source->link && !source->closing && !source->pacer.interrupted &&
		   assay__clock_us() < end_us)
		assay__cond_wait(&source->pacer.changed, &source->pacer.mutex, end_us);
	if (source->count) {
		rc = take(source, picture, error);
	} else if (!source->link || source->closing) {
		source->asked = false;
		rc = assay__fail(error, ASSAY_E_CLOSED, -1, "%s", source->trouble);
	}
	source->pacer.interrupted = false;
	pthread_mutex_unlock(&source->pacer.mutex);
	return rc;
}

static void aravis_interrupt(struct assay__source *source)
{
	assay__pacer_interrupt(&source->pacer);
}

static void aravis_health(struct assay__source *source, struct assay__source_health *out)
{
	assay__pacer_health(&source->pacer, out);
}

extern const struct assay__source_ops assay__source_aravis;
const struct assay__source_ops assay__source_aravis = {
	.type = "aravis",
	.help =
		"GenICam cameras: GigE Vision and USB3 Vision. An incomplete picture is FAULT broken; a camera that leads and "
		"whose numbering shows that a picture was lost gives one FAULT broken for each. One that is gone is looked for "
		"until it is back; see docs/cameras.md.",
	.options = assay__aravis_options,
	.option_count = ASSAY__ARAVIS_OPTIONS,
	.settings_size = sizeof(struct assay__aravis_settings),
	.open = aravis_open,
	.start = aravis_start,
	.trigger = aravis_trigger,
	.wait = aravis_wait,
	.interrupt = aravis_interrupt,
	.health = aravis_health,
	.close = aravis_close,
	.list = assay__aravis_list,
};
