/* SPDX-License-Identifier: Apache-2.0 */
/* Answers and their headers, and what handlers ask of a request. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "station/http/room.h"

static const char *const common_headers[][2] = {
	{"Content-Security-Policy",
	 "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
	 "frame-ancestors 'none'"},
	{"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "DENY"},
	{"Referrer-Policy", "no-referrer"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Cache-Control", "no-store"},
};

/* What the answer says itself goes before what all answers say. */
static bool has_own(const struct assay__request *request, const char *name)
{
	for (int i = 0; i < request->header_count; i++)
		if (!strcmp(request->headers[i].name, name))
			return true;
	return false;
}

enum MHD_Result assay__answer(struct assay__request *request, unsigned status, const char *type,
							  struct MHD_Response *response)
{
	enum MHD_Result result;
	bool good = true;

	if (!response)
		return MHD_NO;
	for (size_t i = 0; i < sizeof(common_headers) / sizeof(common_headers[0]); i++)
		good &= has_own(request, common_headers[i][0]) ||
				MHD_add_response_header(response, common_headers[i][0], common_headers[i][1]) == MHD_YES;
	if (request->http->tls)
		good &= MHD_add_response_header(response, "Strict-Transport-Security", "max-age=31536000") == MHD_YES;
	if (type)
		good &= MHD_add_response_header(response, "Content-Type", type) == MHD_YES;
	for (int i = 0; i < request->header_count; i++)
		good &= MHD_add_response_header(response, request->headers[i].name, request->headers[i].value) == MHD_YES;
	result = good ? MHD_queue_response(request->connection, status, response) : MHD_NO;
	MHD_destroy_response(response);
	atomic_fetch_add(&request->http->requests[status / 100 < 6 ? status / 100 : 0], 1);
	return result;
}

enum MHD_Result assay__answer_bytes(struct assay__request *request, unsigned status, const char *type, void *bytes,
									size_t size)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(size, bytes, MHD_RESPMEM_MUST_FREE);

	if (!response)
		free(bytes);
	return assay__answer(request, status, type, response);
}

enum MHD_Result assay__answer_static(struct assay__request *request, const char *type, const void *bytes, size_t size)
{
	return assay__answer(request, 200, type,
						 MHD_create_response_from_buffer(size, (void *)(uintptr_t)bytes, MHD_RESPMEM_PERSISTENT));
}

enum MHD_Result assay__answer_empty(struct assay__request *request, unsigned status)
{
	return assay__answer(request, status, NULL, MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT));
}

enum MHD_Result assay__answer_json(struct assay__request *request, unsigned status)
{
	static char short_of_memory[] = "{\"error\":{\"code\":\"no_memory\",\"message\":\"out of memory\"}}\n";
	const char *text;
	size_t length;

	if (assay__json_text(&request->json, &text, &length, NULL))
		return assay__answer(
			request, 500, "application/json",
			MHD_create_response_from_buffer(sizeof(short_of_memory) - 1, short_of_memory, MHD_RESPMEM_PERSISTENT));
	return assay__answer(request, status, "application/json",
						 MHD_create_response_from_buffer(length, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY));
}

enum MHD_Result assay__answer_error(struct assay__request *request, unsigned status, const char *code,
									const char *format, ...)
{
	char message[480];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	assay__json_clear(&request->json);
	assay__json_object(&request->json);
	assay__json_key(&request->json, "error");
	assay__json_object(&request->json);
	assay__json_key(&request->json, "code");
	assay__json_string(&request->json, code);
	assay__json_key(&request->json, "message");
	assay__json_string(&request->json, message);
	assay__json_object_end(&request->json);
	assay__json_object_end(&request->json);
	return assay__answer_json(request, status);
}

enum MHD_Result assay__answer_failure(struct assay__request *request, const struct assay_error *error)
{
	switch (error->code) {
	case ASSAY_E_ARGUMENT:
	case ASSAY_E_FORMAT:
	case ASSAY_E_UNSUPPORTED:
	case ASSAY_E_MISMATCH:
		return assay__answer_error(request, 422, assay_err_name(error->code), "%s", error->message);
	case ASSAY_E_LIMIT:
		return assay__answer_error(request, 413, "limit", "%s", error->message);
	case ASSAY_E_FULL:
	case ASSAY_E_CLOSED:
	case ASSAY_E_CANCELLED:
		return assay__answer_error(request, 503, assay_err_name(error->code), "%s", error->message);
	default:
		return assay__answer_error(request, 500, assay_err_name(error->code), "%s", error->message);
	}
}

enum MHD_Result assay__answer_missing(struct assay__request *request, const struct assay_error *error)
{
	if (error->code == ASSAY_E_ARGUMENT)
		return assay__answer_error(request, 404, "not_found", "%s", error->message);
	return assay__answer_failure(request, error);
}

void assay__answer_header(struct assay__request *request, const char *name, const char *format, ...)
{
	va_list args;

	if (request->header_count == ASSAY__REQUEST_MAX_HEADERS)
		return;
	va_start(args, format);
	vsnprintf(request->headers[request->header_count].value, sizeof(request->headers[0].value), format, args);
	va_end(args);
	request->headers[request->header_count++].name = name;
}

const char *assay__request_header(struct assay__request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *assay__request_query(struct assay__request *request, const char *name)
{
	return assay__target_query(&request->target, name);
}

bool assay__request_number(struct assay__request *request, const char *name, int64_t low, int64_t high,
						   int64_t fallback, int64_t *out, enum MHD_Result *answer)
{
	const char *text = assay__request_query(request, name);
	char quoted[ASSAY__QUOTE_CHARS];
	int64_t value;

	if (!text || !*text) {
		*out = fallback;
		return true;
	}
	if (assay__text_to_int64(text, &value) && value >= low && value <= high) {
		*out = value;
		return true;
	}
	*answer = assay__answer_error(request, 400, "argument", "%s: found %s, expected a whole number from %lld to %lld",
								  name, assay__text_quote(text, quoted), (long long)low, (long long)high);
	return false;
}

int assay__request_camera(struct assay__request *request, enum MHD_Result *answer)
{
	int count = assay__station_camera_count(request->http->station);

	for (int i = 0; i < count; i++) {
		struct assay__station_camera camera;

		assay__station_camera(request->http->station, i, &camera);
		if (!strcmp(camera.name, request->arguments[0]))
			return i;
	}
	*answer = assay__answer_error(request, 404, "not_found", "there is no camera of that name");
	return -1;
}

bool assay__body_text(struct assay__request *request, const char *name, size_t most_bytes, const char **out,
					  enum MHD_Result *answer)
{
	const struct assay__json_value *value = assay__json_member(request->json_body, name);

	if (!value || value->type == ASSAY__JSON_NULL) {
		*out = NULL;
		return true;
	}
	if (value->type != ASSAY__JSON_STRING || value->length > most_bytes) {
		*answer =
			assay__answer_error(request, 400, "argument", "%s: expected text of at most %zu bytes", name, most_bytes);
		return false;
	}
	*out = value->string;
	return true;
}

bool assay__body_number(struct assay__request *request, const char *name, int64_t low, int64_t high, int64_t fallback,
						int64_t *out, enum MHD_Result *answer)
{
	const struct assay__json_value *value = assay__json_member(request->json_body, name);

	if (!value || value->type == ASSAY__JSON_NULL) {
		*out = fallback;
		return true;
	}
	if (value->type != ASSAY__JSON_NUMBER || !value->is_integer || value->integer < low || value->integer > high) {
		*answer = assay__answer_error(request, 400, "argument", "%s: expected a whole number from %lld to %lld", name,
									  (long long)low, (long long)high);
		return false;
	}
	*out = value->integer;
	return true;
}

const char *assay__time_text(int64_t wall_us, char out[40])
{
	time_t seconds = (time_t)(wall_us / 1000000);
	struct tm tm;
	size_t length;

	if (wall_us < 0 || !gmtime_r(&seconds, &tm))
		return strcpy(out, "");
	length = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + length, 40 - length, ".%06dZ", (int)(wall_us % 1000000));
	return out;
}
