/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any GStreamer pipeline as a camera. Three threads meet here, all under pacer.mutex: the pipeline's, which brings pictures into the
 * ring; the station's, which takes them; and the keeper, which builds the pipeline, hears of its end or error, and builds it again.
 */
#include <gst/app/gstappsink.h>
#include <gst/video/video.h>
#include <signal.h>
#include <stdio.h>

#include "station/source/gstreamer_parse.h"
#include "station/source/pacer.h"

#define QUEUE_MOST 64
#define RING (QUEUE_MOST + 1) /* one more, for the moment before the oldest is dropped */
#define BUS_MS 100
#define BACK_OFF_FIRST_MS 250
#define MISSING_MOST 1000

#if G_BYTE_ORDER == G_LITTLE_ENDIAN
#define GRAY16 "GRAY16_LE"
#define GRAY16_FORMAT GST_VIDEO_FORMAT_GRAY16_LE
#else
#define GRAY16 "GRAY16_BE"
#define GRAY16_FORMAT GST_VIDEO_FORMAT_GRAY16_BE
#endif

enum format { FORMAT_AUTO, FORMAT_GRAY8, FORMAT_GRAY16, FORMAT_RGB };
enum eos { EOS_END, EOS_AGAIN };
enum full { FULL_AUTO, FULL_DROP, FULL_WAIT };
static const char *const format_words[] = {"auto", "gray8", "gray16", "rgb", NULL};
static const char *const full_words[] = {"auto", "drop", "wait", NULL};
static const char *const eos_words[] = {"end", "again", NULL};

struct settings {
	const char *pipeline;
	int format, full, eos, queue, retry_ms, stale_ms, frame_kib;
};

static const struct assay__option options[] = {
	{.name = "pipeline",
	 .required = true,
	 .type = ASSAY__OPTION_TEXT,
	 .help = "as for gst-launch-1.0, ending in raw video or in an appsink: `v4l2src device=/dev/video0`, `rtspsrc "
			 "location=rtsp://... ! decodebin`, `filesrc location=a.mkv ! decodebin`",
	 .offset = offsetof(struct settings, pipeline)},
	{.name = "format",
	 .type = ASSAY__OPTION_WORD,
	 .fallback = "auto",
	 .words = format_words,
	 .help = "of the pictures; auto: gray8 or rgb, as the recipe was taught",
	 .offset = offsetof(struct settings, format)},
	{.name = "full",
	 .type = ASSAY__OPTION_WORD,
	 .fallback = "auto",
	 .words = full_words,
	 .help =
		 "when `queue` pictures wait and one more comes: drop the oldest, which is counted as missed and, of a camera "
		 "that leads, answered FAULT broken; or let the pipeline wait; auto: drop if it is live",
	 .offset = offsetof(struct settings, full)},
	{.name = "queue",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "4",
	 .min = 1,
	 .max = QUEUE_MOST,
	 .help = "pictures that may wait",
	 .offset = offsetof(struct settings, queue)},
	{.name = "eos",
	 .type = ASSAY__OPTION_WORD,
	 .fallback = "end",
	 .words = eos_words,
	 .help = "at the end of the stream: the camera has ended, or the pipeline is started again from its beginning",
	 .offset = offsetof(struct settings, eos)},
	{.name = "stale_ms",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "5000",
	 .min = 0,
	 .max = 86400000,
	 .unit = "ms",
	 .help =
		 "a live pipeline that gives no picture for so long is stale and started anew; 0: never, as for a camera that "
		 "waits for a trigger of its own",
	 .offset = offsetof(struct settings, stale_ms)},
	{.name = "retry_ms",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "2000",
	 .min = 250,
	 .max = 600000,
	 .unit = "ms",
	 .help = "longest pause before a pipeline that failed is started again; the first is 250 ms, each twice the last",
	 .offset = offsetof(struct settings, retry_ms)},
	{.name = "frame_kib",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "0",
	 .min = 0,
	 .max = 1048576,
	 .unit = "KiB",
	 .help = "memory for one picture; 0: as the largest that a recipe was taught from",
	 .offset = offsetof(struct settings, frame_kib)},
};

struct arrived {
	GstSample *sample;
	int64_t taken_us;
	uint64_t missing; /* dropped right before it and not yet answered */
};

struct assay__source {
	struct assay__pacer pacer;
	const char *name;
	const struct settings *settings;
	bool free_run;
	GstCaps *caps;
	pthread_t keeper;
	bool keeper_runs;
	/* under pacer.mutex: */
	bool running, live, flushing, ended, end;
	bool quiet; /* it was started anew because it gave nothing, and has not given since */
	struct arrived ring[RING];
	int first, count;
	bool asked;
	int64_t ask_us, arrived_us;
	uint64_t number, arrived, vain, dropped;
	char trouble[160];
};

static void tell_state(struct assay__source *source)
{
	struct assay__source_health *health = &source->pacer.health;

	if (source->ended && !source->count)
		health->state = ASSAY__SOURCE_ENDED;
	else if (!source->running && !source->ended)
		health->state = source->quiet ? ASSAY__SOURCE_STALE : ASSAY__SOURCE_GONE;
	else
		health->state = source->vain ? ASSAY__SOURCE_STALE : ASSAY__SOURCE_UP;
	if (!source->running && !source->ended)
		assay__source_say(health->text, sizeof(health->text), "%s", source->trouble);
	else if (health->state == ASSAY__SOURCE_STALE)
		assay__source_say(health->text, sizeof(health->text), "runs, but %llu triggers in a row got no picture",
						  (unsigned long long)source->vain);
	else
		assay__source_say(health->text, sizeof(health->text), "%s, %llu pictures, %llu dropped",
						  source->ended	 ? "at its end"
						  : source->live ? "live"
										 : "not live",
						  (unsigned long long)health->pictures, (unsigned long long)source->dropped);
}

/* Pictures come in */

/* When the picture was taken: by its time stamp, where the pipeline is live and the stamp is plausible. */
static int64_t taken_at(GstElement *sink, GstSample *sample, int64_t now_us)
{
	GstBuffer *buffer = gst_sample_get_buffer(sample);
	GstSegment *segment = gst_sample_get_segment(sample);
	GstClock *clock = gst_element_get_clock(sink);
	guint64 running;
	int64_t age_us = 0;

	if (clock && buffer && segment && GST_BUFFER_PTS_IS_VALID(buffer)) {
		running = gst_segment_to_running_time(segment, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer));
		if (GST_CLOCK_TIME_IS_VALID(running))
			age_us =
				((int64_t)gst_clock_get_time(clock) - (int64_t)gst_element_get_base_time(sink) - (int64_t)running) /
				1000;
	}
	if (clock)
		gst_object_unref(clock);
	return age_us > 0 && age_us < 10000000 ? now_us - age_us : now_us;
}

/* Takes the oldest out; one that leads owes an answer for it, given before the next. With the lock. */
static void drop_first(struct assay__source *source)
{
	struct arrived *first = &source->ring[source->first];
	uint64_t missing = first->missing + 1;

	gst_sample_unref(first->sample);
	source->first = (source->first + 1) % RING;
	source->count--;
	source->dropped++;
	if (!source->free_run)
		return;
	source->pacer.health.missed++;
	/* The queue holds one or more, and the caller puts one in: there is a next. */
	source->ring[source->first].missing += missing;
	if (source->ring[source->first].missing > MISSING_MOST)
		source->ring[source->first].missing = MISSING_MOST;
}

static void put(struct assay__source *source, GstSample *sample, int64_t taken_us)
{
	struct arrived *place = &source->ring[(source->first + source->count) % RING];

	*place = (struct arrived){.sample = sample, .taken_us = taken_us};
	source->count++;
	if (source->count > source->settings->queue)
		drop_first(source);
	pthread_cond_broadcast(&source->pacer.changed);
}

/* The pipeline's thread: a picture is there. */
static GstFlowReturn new_sample(GstAppSink *sink, gpointer ctx)
{
	struct assay__source *source = ctx;
	GstSample *sample = gst_app_sink_pull_sample(sink);
	int64_t now_us = assay__clock_us(), taken_us;
	bool live_asked, wait;

	if (!sample)
		return GST_FLOW_FLUSHING;
	pthread_mutex_lock(&source->pacer.mutex);
	source->arrived_us = now_us;
	source->arrived++;
	source->quiet = false;
	taken_us = source->live ? taken_at(GST_ELEMENT(sink), sample, now_us) : now_us;
	live_asked = source->live && !source->free_run;
	wait =
		!live_asked && (source->settings->full == FULL_WAIT || (source->settings->full == FULL_AUTO && !source->live));
	while (wait && source->count >= source->settings->queue && !source->flushing)
		assay__cond_wait(&source->pacer.changed, &source->pacer.mutex, -1);
	/* A live picture that nobody asked for, or that was taken before, is none. */
	if (source->flushing || (live_asked && (!source->asked || source->count || taken_us < source->ask_us)))
		gst_sample_unref(sample);
	else
		put(source, sample, taken_us);
	pthread_mutex_unlock(&source->pacer.mutex);
	return GST_FLOW_OK;
}

/* The keeper */

static void set_trouble(struct assay__source *source, GstMessage *message)
{
	GError *failed = NULL;
	char *debug = NULL;
	const char *detail;

	gst_message_parse_error(message, &failed, &debug);
	/* Such as the name of the file: in the last line of what is meant for debugging. */
	detail = debug ? strrchr(debug, '\n') : NULL;
	pthread_mutex_lock(&source->pacer.mutex);
	assay__source_say(source->trouble, sizeof(source->trouble), "%s: %s%s%s", GST_OBJECT_NAME(message->src),
					  failed->message, detail ? " " : "", detail ? detail + 1 : "");
	pthread_mutex_unlock(&source->pacer.mutex);
	g_clear_error(&failed);
	g_free(debug);
}

static bool is_end(struct assay__source *source)
{
	bool end;

	pthread_mutex_lock(&source->pacer.mutex);
	end = source->end;
	pthread_mutex_unlock(&source->pacer.mutex);
	return end;
}

/* An error or the end of the stream, if there is one within BUS_MS; the caller's. */
static GstMessage *hear(GstElement *pipeline)
{
	GstBus *bus = gst_element_get_bus(pipeline);
	GstMessage *message =
		gst_bus_timed_pop_filtered(bus, BUS_MS * GST_MSECOND, (GstMessageType)(GST_MESSAGE_ERROR | GST_MESSAGE_EOS));

	gst_object_unref(bus);
	return message;
}

/* From NULL to PLAYING. False: it failed, or the source is being closed. */
static bool play(struct assay__source *source, GstElement *pipeline, GstElement *sink)
{
	GstStateChangeReturn change = gst_element_set_state(pipeline, GST_STATE_PAUSED);
	bool playing = false;

	/* Whether it is live is known once it is paused, which a remote camera may take its time for. */
	while (change == GST_STATE_CHANGE_ASYNC && !is_end(source)) {
		GstMessage *message = hear(pipeline);

		if (message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR) {
			set_trouble(source, message);
			gst_message_unref(message);
			return false;
		}
		if (message)
			gst_message_unref(message);
		change = gst_element_get_state(pipeline, NULL, NULL, 0);
	}
	if (change != GST_STATE_CHANGE_FAILURE && change != GST_STATE_CHANGE_ASYNC) {
		pthread_mutex_lock(&source->pacer.mutex);
		source->live = change == GST_STATE_CHANGE_NO_PREROLL;
		source->running = true;
		source->arrived_us = assay__clock_us();
		tell_state(source);
		pthread_cond_broadcast(&source->pacer.changed);
		pthread_mutex_unlock(&source->pacer.mutex);
		/* Asked, a file goes at the pace of the asking; a live picture that waits for its moment only grows old. */
		if (!source->free_run || change == GST_STATE_CHANGE_NO_PREROLL)
			g_object_set(sink, "sync", FALSE, NULL);
		playing = gst_element_set_state(pipeline, GST_STATE_PLAYING) != GST_STATE_CHANGE_FAILURE;
	}
	if (!playing && !is_end(source)) {
		GstMessage *message = hear(pipeline);

		if (message && GST_MESSAGE_TYPE(message) == GST_MESSAGE_ERROR)
			set_trouble(source, message);
		if (message)
			gst_message_unref(message);
	}
	return playing;
}

/* Runs it until it ends, fails or is to be started anew. True: that was the end of its stream. */
static bool run(struct assay__source *source, GstElement *pipeline)
{
	const struct settings *set = source->settings;

	while (!is_end(source)) {
		GstMessage *message = hear(pipeline);
		bool eos, quiet;

		if (message) {
			eos = GST_MESSAGE_TYPE(message) == GST_MESSAGE_EOS;
			if (!eos)
				set_trouble(source, message);
			gst_message_unref(message);
			return eos;
		}
		pthread_mutex_lock(&source->pacer.mutex);
		tell_state(source);
		quiet = source->live && set->stale_ms && assay__clock_us() - source->arrived_us > (int64_t)set->stale_ms * 1000;
		if (quiet) {
			source->quiet = true;
			assay__source_say(source->trouble, sizeof(source->trouble), "no picture for %d ms; starting anew",
							  set->stale_ms);
		}
		pthread_mutex_unlock(&source->pacer.mutex);
		if (quiet)
			return false;
	}
	return false;
}

/* One life of a pipeline. True: its stream came to its end. */
static bool live_once(struct assay__source *source)
{
	GstAppSinkCallbacks callbacks = {.new_sample = new_sample};
	GstElement *pipeline, *sink;
	struct assay_error error;
	bool eos;

	if (assay__gstreamer_parse(source->settings->pipeline, &pipeline, &sink, &error)) {
		pthread_mutex_lock(&source->pacer.mutex);
		assay__source_say(source->trouble, sizeof(source->trouble), "%s", error.message);
		pthread_mutex_unlock(&source->pacer.mutex);
		return false;
	}
	gst_app_sink_set_caps(GST_APP_SINK(sink), source->caps);
	gst_app_sink_set_max_buffers(GST_APP_SINK(sink), 1);
	gst_app_sink_set_callbacks(GST_APP_SINK(sink), &callbacks, source, NULL);
	eos = play(source, pipeline, sink) && run(source, pipeline);
	pthread_mutex_lock(&source->pacer.mutex);
	source->flushing = true;
	/* One that begins again has not gone: who asks meanwhile waits. */
	source->running = eos && source->settings->eos == EOS_AGAIN;
	source->ended = eos && source->settings->eos == EOS_END;
	tell_state(source);
	pthread_cond_broadcast(&source->pacer.changed);
	pthread_mutex_unlock(&source->pacer.mutex);
	gst_element_set_state(pipeline, GST_STATE_NULL);
	gst_object_unref(sink);
	gst_object_unref(pipeline);
	pthread_mutex_lock(&source->pacer.mutex);
	source->flushing = false;
	pthread_mutex_unlock(&source->pacer.mutex);
	return eos;
}

static void *keeper_main(void *arg)
{
	struct assay__source *source = arg;
	int pause_ms = BACK_OFF_FIRST_MS;

	for (;;) {
		bool eos;
		uint64_t before, given;
		int64_t until_us;

		pthread_mutex_lock(&source->pacer.mutex);
		before = source->arrived;
		pthread_mutex_unlock(&source->pacer.mutex);
		eos = live_once(source);
		pthread_mutex_lock(&source->pacer.mutex);
		given = source->arrived - before;
		if (given)
			pause_ms = BACK_OFF_FIRST_MS;
		else
			source->running = false;
		until_us = source->ended ? -1 : eos && given ? 0 : assay__clock_deadline_us(pause_ms);
		while (!source->end && (until_us < 0 || assay__clock_us() < until_us))
			assay__cond_wait(&source->pacer.changed, &source->pacer.mutex, until_us);
		if (source->end) {
			pthread_mutex_unlock(&source->pacer.mutex);
			return NULL;
		}
		pthread_mutex_unlock(&source->pacer.mutex);
		pause_ms = pause_ms * 2 < source->settings->retry_ms ? pause_ms * 2 : source->settings->retry_ms;
	}
}

/* The station's side */

static void gstreamer_close(struct assay__source *source)
{
	pthread_mutex_lock(&source->pacer.mutex);
	source->end = true;
	pthread_cond_broadcast(&source->pacer.changed);
	pthread_mutex_unlock(&source->pacer.mutex);
	if (source->keeper_runs)
		pthread_join(source->keeper, NULL);
	for (; source->count; source->count--, source->first = (source->first + 1) % RING)
		gst_sample_unref(source->ring[source->first].sample);
	if (source->caps)
		gst_caps_unref(source->caps);
	assay__pacer_close(&source->pacer);
	assay__free(NULL, source);
}

static GstCaps *make_caps(enum format format, int channels)
{
	if (format == FORMAT_AUTO && channels)
		format = channels == 1 ? FORMAT_GRAY8 : FORMAT_RGB;
	switch (format) {
	case FORMAT_GRAY8:
		return gst_caps_from_string("video/x-raw,format=GRAY8");
	case FORMAT_GRAY16:
		return gst_caps_from_string("video/x-raw,format=" GRAY16);
	case FORMAT_RGB:
		return gst_caps_from_string("video/x-raw,format=RGB");
	case FORMAT_AUTO:
		break;
	}
	return gst_caps_from_string("video/x-raw,format={GRAY8," GRAY16 ",RGB}");
}

static int gstreamer_open(const char *name, const void *settings, const struct assay__source_need *need,
						  struct assay__source **out, size_t *picture_bytes, struct assay_error *error)
{
	const struct settings *set = settings;
	struct assay__source *source = assay__calloc(NULL, 1, sizeof(*source));
	GstElement *pipeline, *sink;
	int rc = source ? assay__pacer_open(&source->pacer, 0, error)
					: assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for camera %s", name);

	if (rc) {
		assay__free(NULL, source);
		return rc;
	}
	source->name = name;
	source->settings = set;
	source->free_run = need->free_run;
	rc = assay__gstreamer_init(error);
	/* What is wrong with the text is told at once, and not again and again while the station runs. */
	if (!rc)
		rc = assay__gstreamer_parse(set->pipeline, &pipeline, &sink, error);
	if (rc) {
		gstreamer_close(source);
		return rc;
	}
	gst_object_unref(sink);
	gst_object_unref(pipeline);
	source->caps = make_caps((enum format)set->format, need->channels);
	assay__source_say(source->trouble, sizeof(source->trouble), "starting");
	tell_state(source);
	*picture_bytes = set->frame_kib ? (size_t)set->frame_kib * 1024 : need->picture_bytes;
	*out = source;
	return 0;
}

static int gstreamer_start(struct assay__source *source, struct assay_error *error)
{
	sigset_t all, before;
	int err;

	/* The library's threads are children of this one and must not take the program's signals either. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&source->keeper, NULL, keeper_main, source);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	source->keeper_runs = !err;
	return err ? assay__fail(error, ASSAY_E_IO, -1, "camera %s: cannot start a thread: %s", source->name, strerror(err))
			   : 0;
}

static int gstreamer_trigger(struct assay__source *source, struct assay_error *error)
{
	int rc = 0;

	pthread_mutex_lock(&source->pacer.mutex);
	if (source->asked) {
		source->vain++;
		source->pacer.health.missed++;
	}
	/* A live picture that waits was taken for an earlier asking. */
	while (source->live && source->count)
		drop_first(source);
	source->asked = source->running || source->count;
	source->ask_us = assay__clock_us();
	if (!source->asked)
		rc = assay__fail(error, ASSAY_E_CLOSED, -1, "%s",
						 source->ended ? "its stream has come to its end" : source->trouble);
	tell_state(source);
	pthread_mutex_unlock(&source->pacer.mutex);
	return rc;
}

static int copy(GstSample *sample, struct assay__picture *picture, struct assay_error *error)
{
	GstCaps *caps = gst_sample_get_caps(sample);
	GstVideoFrame frame;
	GstVideoInfo info;
	GstVideoFormat format;
	size_t row, bytes;

	if (!caps || !gst_video_info_from_caps(&info, caps) ||
		!gst_video_frame_map(&frame, &info, gst_sample_get_buffer(sample), GST_MAP_READ))
		return assay__fail(error, ASSAY_E_FORMAT, -1, "what the pipeline gave is no picture");
	format = GST_VIDEO_INFO_FORMAT(&info);
	picture->image.width_px = GST_VIDEO_INFO_WIDTH(&info);
	picture->image.height_px = GST_VIDEO_INFO_HEIGHT(&info);
	picture->image.channels = format == GST_VIDEO_FORMAT_RGB ? 3 : 1;
	picture->image.depth_bits = format == GRAY16_FORMAT ? 16 : 8;
	row = (size_t)picture->image.width_px * (size_t)picture->image.channels * (size_t)(picture->image.depth_bits / 8);
	bytes = row * (size_t)picture->image.height_px;
	if (bytes > picture->capacity_bytes) {
		int width = picture->image.width_px, height = picture->image.height_px;

		gst_video_frame_unmap(&frame);
		picture->image = (struct assay_image){0};
		return assay__fail(error, ASSAY_E_LIMIT, -1, "%d x %d px take %zu bytes, a frame has %zu; see frame_kib", width,
						   height, bytes, picture->capacity_bytes);
	}
	for (int y = 0; y < picture->image.height_px; y++)
		memcpy(picture->pixels + (size_t)y * row,
			   (const uint8_t *)GST_VIDEO_FRAME_PLANE_DATA(&frame, 0) +
				   (size_t)y * (size_t)GST_VIDEO_FRAME_PLANE_STRIDE(&frame, 0),
			   row);
	gst_video_frame_unmap(&frame);
	picture->image.stride_bytes = row;
	picture->image.pixels = picture->pixels;
	return 0;
}

/* The first of those that wait becomes *picture. With the lock, which it leaves meanwhile. */
static int take(struct assay__source *source, struct assay__picture *picture, struct assay_error *error)
{
	struct arrived *first = &source->ring[source->first];
	GstSample *sample = first->sample;
	int rc;

	picture->image = (struct assay_image){0};
	picture->code[0] = '\0';
	picture->trigger_id = 0;
	picture->taken_us = first->taken_us;
	picture->camera_frame_id = ++source->number;
	if (first->missing) {
		first->missing--;
		source->pacer.health.broken++;
		return assay__fail(error, ASSAY_E_FORMAT, -1,
						   "picture %llu was dropped: the station is slower than the pipeline",
						   (unsigned long long)source->number);
	}
	source->first = (source->first + 1) % RING;
	source->count--;
	source->asked = false;
	source->vain = 0;
	pthread_cond_broadcast(&source->pacer.changed);
	pthread_mutex_unlock(&source->pacer.mutex);
	rc = copy(sample, picture, error);
	gst_sample_unref(sample);
	pthread_mutex_lock(&source->pacer.mutex);
	source->pacer.health.pictures++;
	source->pacer.health.broken += rc != 0;
	source->pacer.health.last_us = assay__clock_us();
	tell_state(source);
	return rc;
}

static int gstreamer_wait(struct assay__source *source, int timeout_ms, struct assay__picture *picture,
						  struct assay_error *error)
{
	int64_t end_us = assay__clock_us() + (int64_t)timeout_ms * 1000;
	int rc = ASSAY_E_CANCELLED;

	pthread_mutex_lock(&source->pacer.mutex);
	while (!source->count && source->running && !source->pacer.interrupted && assay__clock_us() < end_us)
		assay__cond_wait(&source->pacer.changed, &source->pacer.mutex, end_us);
	if (source->count) {
		rc = take(source, picture, error);
	} else if (!source->running) {
		source->asked = false;
		rc = assay__fail(error, ASSAY_E_CLOSED, -1, "%s",
						 source->ended ? "its stream has come to its end" : source->trouble);
		tell_state(source);
	}
	source->pacer.interrupted = false;
	pthread_mutex_unlock(&source->pacer.mutex);
	return rc;
}

static void gstreamer_interrupt(struct assay__source *source)
{
	assay__pacer_interrupt(&source->pacer);
}

static void gstreamer_health(struct assay__source *source, struct assay__source_health *out)
{
	assay__pacer_health(&source->pacer, out);
}

/* Cameras of the kernel; what comes over a network has an address that only its owner knows. */
static int gstreamer_list(void (*found)(void *ctx, const struct assay__source_found *found), void *ctx,
						  struct assay_error *error)
{
	int rc = assay__gstreamer_init(error);
	GstDeviceMonitor *monitor;
	GList *devices;

	if (rc)
		return rc;
	monitor = gst_device_monitor_new();
	gst_device_monitor_add_filter(monitor, "Video/Source", NULL);
	devices = gst_device_monitor_get_devices(monitor);
	for (GList *at = devices; at; at = at->next) {
		GstStructure *properties = gst_device_get_properties(at->data);
		const char *path = properties ? gst_structure_get_string(properties, "device.path") : NULL;
		char *model = gst_device_get_display_name(at->data), id[128];

		if (!path && properties)
			path = gst_structure_get_string(properties, "api.v4l2.path");
		if (path) {
			struct assay__source_found one = {.id = id, .model = model, .address = path, .protocol = "V4L2"};

			assay__source_say(id, sizeof(id), "v4l2src device=%s", path);
			found(ctx, &one);
		}
		g_free(model);
		if (properties)
			gst_structure_free(properties);
		gst_object_unref(at->data);
	}
	g_list_free(devices);
	gst_object_unref(monitor);
	return 0;
}

extern const struct assay__source_ops assay__source_gstreamer;
const struct assay__source_ops assay__source_gstreamer = {
	.type = "gstreamer",
	.help =
		"Any GStreamer pipeline: V4L2, RTSP, files. Asked, a live one gives the first picture taken after the trigger, "
		"a file its next. One that fails is started again until it runs; see docs/cameras.md.",
	.options = options,
	.option_count = (int)(sizeof(options) / sizeof(options[0])),
	.settings_size = sizeof(struct settings),
	.open = gstreamer_open,
	.start = gstreamer_start,
	.trigger = gstreamer_trigger,
	.wait = gstreamer_wait,
	.interrupt = gstreamer_interrupt,
	.health = gstreamer_health,
	.close = gstreamer_close,
	.list = gstreamer_list,
};
