/* SPDX-License-Identifier: Apache-2.0 */
/*
 * May this request go on? A token or a session says who asks. Without any user, on loopback, whoever can reach the port sits at the
 * machine and owns its files, so a password would protect nothing: he may do everything. What must still be kept out then is a
 * foreign page in his browser: the Host must name loopback (against rebinding of names) and a write's Origin must be ours.
 */
#include <sodium.h>
#include <string.h>

#include "station/http/room.h"

static bool is_write(const struct assay__request *request)
{
	return strcmp(request->route->method, "GET") != 0;
}

static bool csrf_right(struct assay__request *request)
{
	const char *given = assay__request_header(request, "X-CSRF-Token");

	return given && strlen(given) == ASSAY__SESSION_CHARS - 1 &&
		   !sodium_memcmp(given, request->who.csrf, ASSAY__SESSION_CHARS - 1);
}

/* Who it is; false after refusing. */
static bool identify(struct assay__request *request, enum MHD_Result *answer)
{
	const char *authorization = assay__request_header(request, "Authorization");
	const char *cookies = assay__request_header(request, "Cookie");
	char secret[ASSAY__SESSION_CHARS + 1];

	if (authorization) {
		if (assay__bearer_find(authorization, secret, sizeof(secret)) &&
			assay__porter_token(request->http->porter, secret, &request->who))
			return true;
		assay__answer_header(request, "WWW-Authenticate", "Bearer");
		*answer = assay__answer_error(request, 401, "unauthorized", "this token is not known");
		return false;
	}
	if (assay__cookie_find(cookies, "assay_session", secret, sizeof(secret)) &&
		assay__porter_session(request->http->porter, secret, &request->who))
		return true;
	if (!request->http->loopback || assay__porter_user_count(request->http->porter))
		return true;
	if (!assay__host_is_loopback(assay__request_header(request, "Host"))) {
		*answer =
			assay__answer_error(request, 403, "forbidden",
								"without users this station answers to localhost only; `assay user add` makes one");
		return false;
	}
	request->who.kind = ASSAY__WHO_LOCAL;
	request->who.role = ASSAY__ROLE_ADMIN;
	strcpy(request->who.name, "local");
	return true;
}

bool assay__auth(struct assay__request *request, enum MHD_Result *answer)
{
	const char *origin = assay__request_header(request, "Origin");

	if (!identify(request, answer))
		return false;
	if (is_write(request) && request->who.kind != ASSAY__WHO_TOKEN && origin &&
		!assay__origin_is(origin, assay__request_header(request, "Host"))) {
		*answer = assay__answer_error(request, 403, "foreign_origin", "this request comes from a page of another host");
		return false;
	}
	if (request->route->least > request->who.role) {
		if (request->who.role == ASSAY__ROLE_ANYONE) {
			assay__answer_header(request, "WWW-Authenticate", "Bearer");
			*answer = assay__answer_error(request, 401, "unauthorized", "log in, or send a token; needs role %s",
										  assay__role_name(request->route->least));
		} else {
			*answer = assay__answer_error(request, 403, "forbidden", "%s has role %s, this needs %s", request->who.name,
										  assay__role_name(request->who.role), assay__role_name(request->route->least));
		}
		return false;
	}
	if (is_write(request) && request->route->least > ASSAY__ROLE_ANYONE && request->who.kind == ASSAY__WHO_SESSION &&
		!csrf_right(request)) {
		*answer =
			assay__answer_error(request, 403, "csrf",
								"the header X-CSRF-Token must hold what the login gave, or GET /api/v1/session gives");
		return false;
	}
	return true;
}
