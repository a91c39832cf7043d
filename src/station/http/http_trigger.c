/* SPDX-License-Identifier: Apache-2.0 */
/* POST /trigger: one part, and its verdict. POST /cameras/{camera}/frame: a picture for a camera that is fed over HTTP. */
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "station/http/handlers.h"
#include "station/source/source_http.h"

#define BATCH 16
#define WAIT_MOST_MS 60000
#define SLICE_MS 250

enum wait { WAIT_NONE, WAIT_VERDICT, WAIT_RECORDED };

/* Reads on until the part's verdict; false if it did not come in time or was lost. */
static bool await_verdict(struct assay__http *http, uint64_t cursor, uint64_t sequence, int64_t deadline_us,
						  struct assay__event *out)
{
	struct assay__event events[BATCH];

	for (;;) {
		int64_t left_ms = (deadline_us - assay__clock_us()) / 1000;
		int count = assay__station_events(http->station, &cursor, events, BATCH, NULL,
										  left_ms <= 0		   ? 0
										  : left_ms < SLICE_MS ? (int)left_ms
															   : SLICE_MS);

		for (int i = 0; i < count; i++)
			if (events[i].sequence == sequence && !strcmp(events[i].kind, "verdict")) {
				*out = events[i];
				return true;
			}
		if ((!count && left_ms <= 0) || atomic_load(&http->stopping))
			return false;
	}
}

static bool read_wait(struct assay__request *request, enum wait *wait, enum MHD_Result *answer)
{
	const char *text;

	if (!assay__body_text(request, "wait", 16, &text, answer))
		return false;
	if (!text || !strcmp(text, "recorded")) {
		*wait = WAIT_RECORDED;
	} else if (!strcmp(text, "verdict")) {
		*wait = WAIT_VERDICT;
	} else if (!strcmp(text, "none")) {
		*wait = WAIT_NONE;
	} else {
		*answer = assay__answer_error(request, 400, "argument", "wait: expected none, verdict or recorded");
		return false;
	}
	return true;
}

enum MHD_Result assay__http_trigger(struct assay__request *request)
{
	struct assay__station *station = request->http->station;
	struct assay__json *json = &request->json;
	int64_t trigger_id, timeout_ms, deadline_us;
	enum MHD_Result answer = MHD_NO;
	struct assay__event verdict;
	bool judged = false, recorded = false;
	uint64_t sequence = 0, cursor;
	const char *code;
	enum wait wait;
	int rc;

	if (!assay__body_number(request, "trigger_id", 0, INT64_MAX, 0, &trigger_id, &answer) ||
		!assay__body_text(request, "code", ASSAY__PART_CODE_CHARS - 1, &code, &answer) ||
		!assay__body_number(request, "timeout_ms", 1, WAIT_MOST_MS, 10000, &timeout_ms, &answer) ||
		!read_wait(request, &wait, &answer))
		return answer;
	cursor = assay__station_event_next(station);
	deadline_us = assay__clock_us() + timeout_ms * 1000;
	rc = assay__station_trigger(station, ASSAY__TRIGGER_HTTP, (uint64_t)trigger_id, code, &sequence);
	if (rc && rc != ASSAY_E_FULL)
		return assay__answer_error(request, 503, assay_err_name((enum assay_err)rc),
								   "the station takes no triggers now");
	if (wait != WAIT_NONE)
		judged = await_verdict(request->http, cursor, sequence, deadline_us, &verdict);
	if (wait == WAIT_RECORDED && judged) {
		int64_t left_ms = (deadline_us - assay__clock_us()) / 1000;

		recorded = assay__station_wait_recorded(station, sequence, left_ms > 0 ? (int)left_ms : 0);
	}
	assay__json_object(json);
	assay__json_key(json, "accepted");
	assay__json_bool(json, rc == 0);
	assay__json_key(json, "recorded");
	assay__json_bool(json, recorded);
	if (judged) {
		assay__write_event(json, &verdict);
	} else {
		assay__json_key(json, "sequence");
		assay__json_uint(json, sequence);
	}
	assay__json_object_end(json);
	return assay__answer_json(request, judged && (recorded || wait == WAIT_VERDICT) ? 200 : 202);
}

enum MHD_Result assay__http_push(struct assay__request *request)
{
	const char *code = assay__request_query(request, "code");
	struct assay_image image;
	struct assay_error error;
	enum MHD_Result answer = MHD_NO;
	int64_t trigger_id;
	int rc;

	if (!assay__request_number(request, "trigger_id", 0, INT64_MAX, 0, &trigger_id, &answer) ||
		assay__request_camera(request, &answer) < 0)
		return answer;
	if (code && strlen(code) >= ASSAY__PART_CODE_CHARS)
		return assay__answer_error(request, 400, "argument", "code: longer than %d bytes", ASSAY__PART_CODE_CHARS - 1);
	if (!assay__source_http_has(request->arguments[0]))
		return assay__answer_error(request, 409, "not_pushed",
								   "this camera takes its own pictures; only those of type "
								   "http_push can be given one");
	if (!request->body_size)
		return assay__answer_error(request, 400, "argument", "the body must be a picture file");
	rc = assay_image_decode(request->body, request->body_size, NULL, &image, &error);
	if (!rc) {
		rc = assay__source_http_push(request->arguments[0], &image, (uint64_t)trigger_id, code, &error);
		if (rc)
			assay_image_free(&image, NULL);
	}
	if (rc)
		return assay__answer_failure(request, &error);
	assay__json_object(&request->json);
	assay__json_key(&request->json, "accepted");
	assay__json_bool(&request->json, true);
	assay__json_object_end(&request->json);
	return assay__answer_json(request, 202);
}
