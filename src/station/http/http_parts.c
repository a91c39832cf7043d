/* SPDX-License-Identifier: Apache-2.0 */
/* Parts on record: list, one, its pictures. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "station/http/handlers.h"

#define QUALITY 85

bool assay__request_has_record(struct assay__request *request, enum MHD_Result *answer)
{
	if (request->http->parts)
		return true;
	*answer = assay__answer_error(request, 503, "no_record", "this station keeps no record");
	return false;
}

/* "FAIL,FAULT" as bits. */
static bool read_verdicts(const char *text, unsigned *out)
{
	unsigned bits = 0;

	while (text && *text) {
		size_t length = strcspn(text, ",");
		int found = -1;

		for (int i = ASSAY_PASS; i <= ASSAY_FAULT; i++) {
			const char *name = assay_verdict_name((enum assay_verdict)i);

			if (strlen(name) == length && !strncasecmp(name, text, length))
				found = i;
		}
		if (found < 0)
			return false;
		bits |= 1u << found;
		text += length;
		text += *text == ',';
	}
	*out = bits;
	return true;
}

static bool read_score(struct assay__request *request, const char *name, uint32_t *out, enum MHD_Result *answer)
{
	const char *text = assay__request_query(request, name);
	double score;

	if (!text || !*text) {
		*out = 0;
		return true;
	}
	if (assay__text_to_double(text, &score) && score >= 0 && score <= 16777215.0) {
		*out = (uint32_t)(score * 256.0 + 0.5);
		return true;
	}
	*answer = assay__answer_error(request, 400, "argument", "%s: expected a number from 0 to 16777215", name);
	return false;
}

bool assay__request_parts_filter(struct assay__request *request, struct assay__parts_filter *filter,
								 enum MHD_Result *answer)
{
	int64_t cursor, limit, first, last, challenge;

	if (!assay__request_number(request, "cursor", 0, INT64_MAX, 0, &cursor, answer) ||
		!assay__request_number(request, "limit", 1, ASSAY__PARTS_PAGE, 50, &limit, answer) ||
		!assay__request_number(request, "first", 1, INT64_MAX, 0, &first, answer) ||
		!assay__request_number(request, "last", 1, INT64_MAX, 0, &last, answer) ||
		!assay__request_number(request, "from_us", 0, INT64_MAX, 0, &filter->from_us, answer) ||
		!assay__request_number(request, "to_us", 0, INT64_MAX, 0, &filter->to_us, answer) ||
		!assay__request_number(request, "challenge", 0, 1, 0, &challenge, answer) ||
		!read_score(request, "score_least", &filter->score_least_q8, answer) ||
		!read_score(request, "score_most", &filter->score_most_q8, answer))
		return false;
	if (!read_verdicts(assay__request_query(request, "verdict"), &filter->verdicts)) {
		*answer =
			assay__answer_error(request, 400, "argument", "verdict: expected PASS, FAIL, FAULT or several with commas");
		return false;
	}
	filter->cursor = (uint64_t)cursor;
	filter->limit = (int)limit;
	filter->first = (uint64_t)first;
	filter->last = (uint64_t)last;
	filter->challenge = challenge != 0;
	filter->code = assay__request_query(request, "code");
	filter->code_begin = assay__request_query(request, "code_begin");
	filter->recipe = assay__request_query(request, "recipe");
	if (filter->code && !*filter->code)
		filter->code = NULL;
	if (filter->code_begin && !*filter->code_begin)
		filter->code_begin = NULL;
	if (filter->recipe && !*filter->recipe)
		filter->recipe = NULL;
	return true;
}

enum MHD_Result assay__http_parts(struct assay__request *request)
{
	struct assay__parts_filter filter = {0};
	struct assay__json *json = &request->json;
	enum MHD_Result answer = MHD_NO;
	struct assay_error error;
	uint64_t next = 0;

	if (!assay__request_has_record(request, &answer) || !assay__request_parts_filter(request, &filter, &answer))
		return answer;
	assay__json_object(json);
	assay__json_key(json, "parts");
	assay__json_array(json);
	if (request->http->parts->list(request->http->parts->ctx, &filter, json, &next, &error))
		return assay__answer_failure(request, &error);
	assay__json_array_end(json);
	assay__json_key(json, "next");
	if (next)
		assay__json_uint(json, next);
	else
		assay__json_null(json);
	assay__json_object_end(json);
	return assay__answer_json(request, 200);
}

/* An argument of the path as a number; those that are none name nothing. */
static bool path_number(struct assay__request *request, int argument, int64_t low, int64_t high, int64_t *out,
						enum MHD_Result *answer)
{
	if (assay__text_to_int64(request->arguments[argument], out) && *out >= low && *out <= high)
		return true;
	*answer = assay__answer_error(request, 404, "not_found", "there is no such part or view");
	return false;
}

typedef int (*write_part)(void *ctx, uint64_t sequence, struct assay__json *json, struct assay_error *error);

static enum MHD_Result answer_part(struct assay__request *request, bool again)
{
	enum MHD_Result answer = MHD_NO;
	struct assay_error error;
	int64_t sequence;
	write_part put;

	if (!assay__request_has_record(request, &answer) || !path_number(request, 0, 1, INT64_MAX, &sequence, &answer))
		return answer;
	put = again ? request->http->parts->replay : request->http->parts->get;
	if (put(request->http->parts->ctx, (uint64_t)sequence, &request->json, &error))
		return assay__answer_missing(request, &error);
	return assay__answer_json(request, 200);
}

enum MHD_Result assay__http_part(struct assay__request *request)
{
	return answer_part(request, false);
}

enum MHD_Result assay__http_part_replay(struct assay__request *request)
{
	return answer_part(request, true);
}

static enum MHD_Result answer_picture(struct assay__request *request, bool heatmap, bool png)
{
	struct assay_result *result = NULL;
	enum MHD_Result answer = MHD_NO;
	struct assay_image image, tinted;
	struct assay_error error;
	int64_t sequence, view;
	uint8_t *bytes = NULL;
	size_t size = 0;
	int rc;

	if (!assay__request_has_record(request, &answer) || !path_number(request, 0, 1, INT64_MAX, &sequence, &answer) ||
		!path_number(request, 1, 0, ASSAY__MAX_VIEWS - 1, &view, &answer))
		return answer;
	if (heatmap && !(result = calloc(1, sizeof(*result))))
		return assay__answer_error(request, 500, "no_memory", "out of memory");
	rc =
		request->http->parts->picture(request->http->parts->ctx, (uint64_t)sequence, (int)view, &image, result, &error);
	if (rc) {
		free(result);
		return assay__answer_missing(request, &error);
	}
	/* One at a time, as with live pictures: people may wait, the line may not. */
	pthread_mutex_lock(&request->http->picture_mutex);
	if (heatmap) {
		rc = assay_heatmap(&image, result, NULL, &tinted, &error);
		if (!rc) {
			assay_image_free(&image, NULL);
			image = tinted;
		}
	}
	if (!rc && !png && image.depth_bits == 8)
		rc = assay_image_encode_jpeg(&image, QUALITY, NULL, &bytes, &size, &error);
	else if (!rc)
		rc = assay_image_encode_png(&image, NULL, &bytes, &size, &error);
	pthread_mutex_unlock(&request->http->picture_mutex);
	png = png || image.depth_bits != 8;
	assay_image_free(&image, NULL);
	if (result)
		free((void *)(uintptr_t)result->map_q8);
	free(result);
	if (rc)
		return assay__answer_failure(request, &error);
	return assay__answer_bytes(request, 200, png ? "image/png" : "image/jpeg", bytes, size);
}

enum MHD_Result assay__http_part_picture(struct assay__request *request)
{
	const char *format = assay__request_query(request, "format");

	if (format && strcmp(format, "jpeg") && strcmp(format, "png"))
		return assay__answer_error(request, 400, "argument", "format: expected jpeg or png");
	return answer_picture(request, false, !format || !strcmp(format, "png"));
}

enum MHD_Result assay__http_part_map(struct assay__request *request)
{
	return answer_picture(request, true, false);
}
