/* SPDX-License-Identifier: Apache-2.0 */
/* A request's way: address, route, who asks, body, handler. Nothing of the body is taken before the asker is known. */
#include "station/http/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"

#define ALL_BODIES_PIECES 4 /* together they may hold so many of the largest */
#define SLOWEST_BYTES_PER_S 100000

static struct assay__link *link_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void clock_link(struct assay__request *request, int64_t since_us, int64_t grace_us)
{
	pthread_mutex_lock(&request->http->links_mutex);
	request->link->since_us = since_us;
	request->link->grace_us = grace_us;
	pthread_mutex_unlock(&request->http->links_mutex);
}

void *assay__request_open(void *cls, const char *uri, struct MHD_Connection *connection)
{
	struct assay__request *request;
	struct assay__link *link = link_of(connection);

	request = link ? calloc(1, sizeof(*request)) : NULL;
	if (!request)
		return NULL;
	request->http = cls;
	request->connection = connection;
	request->link = link;
	assay__json_open(&request->json, NULL);
	request->target_err = assay__target_parse(uri, &request->target, &request->error);
	return request;
}

void assay__request_close(void *cls, struct MHD_Connection *connection, void **context,
						  enum MHD_RequestTerminationCode code)
{
	struct assay__request *request = *context;

	(void)cls;
	(void)connection;
	(void)code;
	if (!request)
		return;
	clock_link(request, assay__clock_us(), 0);
	atomic_fetch_sub(&request->http->body_bytes, request->body_capacity);
	free(request->body);
	assay__json_free(request->tree);
	assay__json_close(&request->json);
	free(request);
	*context = NULL;
}

/* Finds the route; false after answering. */
static bool find_route(struct assay__request *request, const char *method, enum MHD_Result *answer)
{
	char allowed[64] = "";

	if (!strcmp(method, "HEAD"))
		method = "GET";
	for (int i = 0; i < assay__route_count; i++) {
		const struct assay__route *route = &assay__routes[i];

		if (!assay__target_fits(&request->target, route->path, request->arguments, ASSAY__REQUEST_MAX_ARGUMENTS))
			continue;
		if (!strcmp(route->method, method)) {
			request->route = route;
			return true;
		}
		if (strlen(allowed) + strlen(route->method) + 3 < sizeof(allowed)) {
			strcat(allowed, *allowed ? ", " : "");
			strcat(allowed, route->method);
		}
	}
	if (*allowed) {
		assay__answer_header(request, "Allow", "%s", allowed);
		*answer = assay__answer_error(request, 405, "method", "this address takes %s", allowed);
	} else {
		*answer = assay__answer_error(request, 404, "not_found", "there is nothing at this address");
	}
	return false;
}

static size_t body_most(const struct assay__request *request)
{
	switch (request->route->body) {
	case ASSAY__BODY_JSON:
		return ASSAY__BODY_MAX_BYTES;
	case ASSAY__BODY_PICTURE:
		return (size_t)request->http->settings->picture_kib << 10;
	case ASSAY__BODY_RECIPE:
		return (size_t)request->http->settings->recipe_mib << 20;
	default:
		return 0;
	}
}

static bool is_type(const char *given, const char *wanted)
{
	size_t length = strlen(wanted);

	return given && !strncasecmp(given, wanted, length) && (!given[length] || strchr("; \t", given[length]));
}

/* The headers are there. False after answering. */
static bool begin(struct assay__request *request, const char *method, enum MHD_Result *answer)
{
	const char *length_text, *type;
	int64_t length = 0;

	if (request->target_err) {
		*answer = assay__answer_error(request, request->target_err == ASSAY_E_LIMIT ? 414 : 400, "address", "%s",
									  request->error.message);
		return false;
	}
	request->page = assay__page_find(&request->target);
	if (request->page && (!strcmp(method, "GET") || !strcmp(method, "HEAD")))
		return true;
	if (request->page) {
		assay__answer_header(request, "Allow", "GET");
		*answer = assay__answer_error(request, 405, "method", "this address takes GET");
		return false;
	}
	if (!find_route(request, method, answer) || !assay__auth(request, answer))
		return false;
	request->body_most = body_most(request);
	length_text = assay__request_header(request, "Content-Length");
	if (length_text &&
		(!assay__text_to_int64(length_text, &length) || length < 0 || (uint64_t)length > request->body_most)) {
		*answer = assay__answer_error(request, 413, "too_large", "a body here may have %zu bytes", request->body_most);
		return false;
	}
	/* A form of a foreign page cannot send this type without asking first. */
	type = assay__request_header(request, "Content-Type");
	if (request->route->body == ASSAY__BODY_JSON && length > 0 && !is_type(type, "application/json")) {
		*answer = assay__answer_error(request, 415, "media_type", "the body must be of type application/json");
		return false;
	}
	clock_link(request, assay__clock_us(), length / SLOWEST_BYTES_PER_S * 1000000);
	return true;
}

/* Room for the body: what it announces, but never more than twice what has come of it. */
static bool grow(struct assay__request *request, size_t needed)
{
	struct assay__http *http = request->http;
	size_t capacity = request->body_capacity ? request->body_capacity * 2 : 4096;
	size_t all_most =
		ALL_BODIES_PIECES * ((size_t)http->settings->picture_kib << 10) + ((size_t)http->settings->recipe_mib << 20);
	uint8_t *bytes;

	while (capacity < needed)
		capacity *= 2;
	if (capacity > request->body_most)
		capacity = request->body_most;
	if (atomic_fetch_add(&http->body_bytes, capacity - request->body_capacity) > all_most ||
		!(bytes = realloc(request->body, capacity))) {
		atomic_fetch_sub(&http->body_bytes, capacity - request->body_capacity);
		return false;
	}
	request->body = bytes;
	request->body_capacity = capacity;
	return true;
}

static bool parse_body(struct assay__request *request, enum MHD_Result *answer)
{
	const char *text = request->body_size ? (const char *)request->body : "{}";
	const char *type = assay__request_header(request, "Content-Type");
	struct assay_error error;

	if (request->body_size && !is_type(type, "application/json")) {
		*answer = assay__answer_error(request, 415, "media_type", "the body must be of type application/json");
		return false;
	}
	if (assay__json_parse(text, request->body_size ? request->body_size : 2, NULL, &request->tree, &error)) {
		*answer = assay__answer_error(request, error.code == ASSAY_E_NOMEM ? 500 : 400, "json", "%s", error.message);
		return false;
	}
	request->json_body = assay__json_root(request->tree);
	if (request->json_body->type != ASSAY__JSON_OBJECT) {
		*answer = assay__answer_error(request, 400, "json", "the body must be a JSON object");
		return false;
	}
	return true;
}

static enum MHD_Result finish(struct assay__request *request)
{
	const struct assay__route *route = request->route;
	char text[ASSAY__EVENT_TEXT_MAX];
	enum MHD_Result answer = MHD_NO;

	/* What was not read up to its end closes the connection by itself. */
	if (request->page)
		return assay__answer_page(request);
	if (request->too_large)
		return assay__answer_error(request, 413, "too_large",
								   "a body here may have %zu bytes, and all together no more", request->body_most);
	if (route->body == ASSAY__BODY_JSON && !parse_body(request, &answer))
		return answer;
	if (strcmp(route->method, "GET") && !route->quiet) {
		snprintf(text, sizeof(text), "%s: %s %s%s%s", request->who.name, route->id, route->summary,
				 request->arguments[0] ? ": " : "", request->arguments[0] ? request->arguments[0] : "");
		assay__station_event(request->http->station, "http", text);
	}
	return route->handle(request);
}

enum MHD_Result assay__request_handle(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
									  const char *version, const char *data, size_t *size, void **context)
{
	struct assay__request *request = *context;
	enum MHD_Result answer = MHD_NO;

	(void)cls;
	(void)connection;
	(void)url;
	(void)version;
	if (!request)
		return MHD_NO;
	if (!request->begun) {
		request->begun = true;
		return begin(request, method, &answer) ? MHD_YES : answer;
	}
	if (*size) {
		if (!request->too_large) {
			size_t needed = request->body_size + *size;

			if (needed > request->body_most || (needed > request->body_capacity && !grow(request, needed))) {
				request->too_large = true;
			} else {
				memcpy(request->body + request->body_size, data, *size);
				request->body_size = needed;
			}
		}
		*size = 0;
		return MHD_YES;
	}
	/* The whole request is there: from here on slowness is the answer's, which libmicrohttpd watches. */
	clock_link(request, 0, 0);
	return finish(request);
}
