/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /events. Each stream reads the station's ring at its own pace with its own cursor: who falls behind by more than the ring
 * holds is told how many events are gone, and nobody waits for him.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/text.h"
#include "station/http/handlers.h"

#define BATCH 8
#define SLICE_MS 250	  /* how soon a stream hears that the server stops */
#define BEAT_US 5000000LL /* shows the browser, and us, that the other side is there */
#define BLOCK_BYTES 16384
#define SEND_BUFFER_BYTES 65536

struct stream {
	struct assay__http *http;
	struct assay__who who;
	uint64_t cursor;
	int64_t last_us, checked_us; /* something was sent; the asker was looked at */
	struct assay__json json;
	char text[BLOCK_BYTES];
	size_t length, sent;
	struct assay__event events[BATCH];
};

void assay__write_event(struct assay__json *json, const struct assay__event *event)
{
	char time[40];

	assay__json_key(json, "number");
	assay__json_uint(json, event->number);
	assay__json_key(json, "kind");
	assay__json_string(json, event->kind);
	assay__json_key(json, "time");
	assay__json_string(json, assay__time_text(event->wall_us, time));
	assay__json_key(json, "text");
	assay__json_string(json, event->text);
	if (strcmp(event->kind, "verdict")) {
		assay__json_key(json, "sequence");
		assay__json_uint(json, event->sequence);
		return;
	}
	assay__json_key(json, "sequence");
	assay__json_uint(json, event->sequence);
	assay__json_key(json, "trigger_id");
	assay__json_uint(json, event->trigger_id);
	assay__json_key(json, "trigger");
	assay__json_string(json, assay__trigger_name(event->trigger));
	assay__json_key(json, "verdict");
	assay__json_string(json, assay_verdict_name(event->verdict));
	assay__json_key(json, "fault");
	assay__json_string(json, event->fault ? assay__fault_name(event->fault) : NULL);
	assay__json_key(json, "challenge");
	assay__json_bool(json, event->challenge);
	assay__json_key(json, "score");
	assay__json_double(json, event->score_q8 / 256.0);
	assay__json_key(json, "threshold");
	assay__json_double(json, event->threshold_q8 / 256.0);
	assay__json_key(json, "regions");
	assay__json_int(json, event->region_count);
	assay__json_key(json, "worst_view");
	assay__json_int(json, event->worst_view);
	assay__json_key(json, "latency_us");
	assay__json_int(json, event->latency_us);
	assay__json_key(json, "code");
	assay__json_string(json, event->code);
	assay__json_key(json, "recipe");
	assay__json_string(json, event->recipe);
}

/* The kind becomes the event's name: letters, digits, _ - . only, whatever was put in. */
static const char *safe_kind(const char *kind, char out[ASSAY__EVENT_KIND_MAX])
{
	size_t i;

	for (i = 0; kind[i] && i < ASSAY__EVENT_KIND_MAX - 1; i++) {
		char c = kind[i];
		bool fine = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || strchr("_-.", c);

		out[i] = fine ? c : '_';
	}
	out[i] = '\0';
	return out;
}

static void append(struct stream *stream, const char *text)
{
	size_t length = strlen(text), room = sizeof(stream->text) - stream->length;

	if (length > room)
		length = room;
	memcpy(stream->text + stream->length, text, length);
	stream->length += length;
}

static bool append_event(struct stream *stream, const struct assay__event *event)
{
	char head[96], kind[ASSAY__EVENT_KIND_MAX];
	const char *text;

	assay__json_clear(&stream->json);
	assay__json_object(&stream->json);
	assay__write_event(&stream->json, event);
	assay__json_object_end(&stream->json);
	if (assay__json_text(&stream->json, &text, NULL, NULL))
		return false;
	snprintf(head, sizeof(head), "id: %llu\nevent: %s\ndata: ", (unsigned long long)event->number,
			 safe_kind(event->kind, kind));
	append(stream, head);
	append(stream, text);
	append(stream, "\n");
	return true;
}

/* Text of JSON escapes each byte six-fold at worst, and still a batch fits a block. */
_Static_assert(BLOCK_BYTES > 4096, "a block holds the largest event");

static bool fill(struct stream *stream)
{
	uint64_t lost = 0, before = stream->cursor;
	int count = assay__station_events(stream->http->station, &stream->cursor, stream->events, BATCH, &lost, SLICE_MS);
	char text[96];

	stream->length = stream->sent = 0;
	if (lost) {
		atomic_fetch_add(&stream->http->events_lost, lost);
		snprintf(text, sizeof(text), "event: lost\ndata: {\"lost\":%llu,\"from\":%llu}\n\n", (unsigned long long)lost,
				 (unsigned long long)before);
		append(stream, text);
	}
	for (int i = 0; i < count; i++) {
		if (sizeof(stream->text) - stream->length < 4096) {
			stream->cursor = stream->events[i].number;
			break;
		}
		if (!append_event(stream, &stream->events[i]))
			return false;
	}
	return true;
}

/* A session that has ended ends its streams. */
static bool still_allowed(struct stream *stream)
{
	struct assay__who now;

	switch (stream->who.kind) {
	case ASSAY__WHO_SESSION:
		return assay__porter_session(stream->http->porter, stream->who.session, &now);
	case ASSAY__WHO_LOCAL:
		return assay__porter_user_count(stream->http->porter) == 0;
	default:
		return true;
	}
}

static ssize_t read_stream(void *cls, uint64_t position, char *out, size_t most)
{
	struct stream *stream = cls;
	size_t piece;

	(void)position;
	while (stream->sent == stream->length) {
		int64_t now_us = assay__clock_us();

		if (atomic_load(&stream->http->stopping) || !fill(stream))
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (stream->length == 0 && now_us - stream->last_us > BEAT_US)
			append(stream, ": beat\n\n");
	}
	/* on its own clock: a stream that is never silent must end with its session too */
	if (assay__clock_us() - stream->checked_us > BEAT_US) {
		if (!still_allowed(stream))
			return MHD_CONTENT_READER_END_OF_STREAM;
		stream->checked_us = assay__clock_us();
	}
	stream->last_us = assay__clock_us();
	piece = stream->length - stream->sent < most ? stream->length - stream->sent : most;
	memcpy(out, stream->text + stream->sent, piece);
	stream->sent += piece;
	return (ssize_t)piece;
}

static void free_stream(void *cls)
{
	struct stream *stream = cls;

	atomic_fetch_sub(&stream->http->streams, 1);
	assay__json_close(&stream->json);
	free(stream);
}

enum MHD_Result assay__http_events(struct assay__request *request)
{
	const char *last = assay__request_header(request, "Last-Event-ID");
	int most = request->http->settings->max_connections * 3 / 4;
	struct MHD_Response *response;
	struct stream *stream;
	enum MHD_Result answer = MHD_NO;
	uint64_t next = assay__station_event_next(request->http->station);
	int64_t from;

	if (!assay__request_number(request, "from", 1, INT64_MAX, (int64_t)next, &from, &answer))
		return answer;
	if (last && assay__text_to_int64(last, &from))
		from = from < 0 || from == INT64_MAX ? (int64_t)next : from + 1;
	if (atomic_fetch_add(&request->http->streams, 1) >= most) {
		atomic_fetch_sub(&request->http->streams, 1);
		assay__answer_header(request, "Retry-After", "10");
		return assay__answer_error(request, 503, "full", "%d streams of events are open, and no more are allowed",
								   most);
	}
	stream = calloc(1, sizeof(*stream));
	if (!stream) {
		atomic_fetch_sub(&request->http->streams, 1);
		return assay__answer_error(request, 500, "no_memory", "out of memory");
	}
	stream->http = request->http;
	stream->who = request->who;
	/* A number from before a restart lies ahead of the ring. */
	stream->cursor = (uint64_t)from > next ? next : (uint64_t)from;
	stream->last_us = stream->checked_us = assay__clock_us();
	assay__json_open(&stream->json, NULL);
	append(stream, "retry: 2000\n\n");
	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_stream, stream, free_stream);
	if (!response)
		free_stream(stream);
	/* What a reader that has stopped may hold of the system's memory. */
	setsockopt(request->link->fd, SOL_SOCKET, SO_SNDBUF, &(int){SEND_BUFFER_BYTES}, sizeof(int));
	assay__answer_header(request, "X-Accel-Buffering", "no");
	return assay__answer(request, 200, "text/event-stream", response);
}
