/* SPDX-License-Identifier: Apache-2.0 */
/* Who is asking; logging in and out. */
#include <arpa/inet.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "station/http/handlers.h"

static void put_text(struct assay__json *json, const char *key, const char *value)
{
	assay__json_key(json, key);
	assay__json_string(json, *value ? value : NULL);
}

static enum MHD_Result answer_who(struct assay__request *request)
{
	struct assay__json *json = &request->json;

	assay__json_object(json);
	put_text(json, "user", request->who.name);
	put_text(json, "role", assay__role_name(request->who.role));
	put_text(json, "csrf", request->who.csrf);
	assay__json_key(json, "users_exist");
	assay__json_bool(json, assay__porter_user_count(request->http->porter) > 0);
	put_text(json, "station", request->http->station_name);
	assay__json_object_end(json);
	return assay__answer_json(request, 200);
}

enum MHD_Result assay__http_session(struct assay__request *request)
{
	return answer_who(request);
}

static void client_address(struct assay__request *request, char out[INET6_ADDRSTRLEN])
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	strcpy(out, "?");
	if (!info || !info->client_addr)
		return;
	if (info->client_addr->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)info->client_addr;

		inet_ntop(AF_INET, &v4->sin_addr, out, INET6_ADDRSTRLEN);
	} else if (info->client_addr->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const void *)info->client_addr;
		struct in6_addr net = v6->sin6_addr;

		/* A host may have all addresses of its /64; counting each alone would let it try for ever. */
		if (!IN6_IS_ADDR_V4MAPPED(&net))
			memset(net.s6_addr + 8, 0, 8);
		inet_ntop(AF_INET6, &net, out, INET6_ADDRSTRLEN);
	}
}

static void set_cookie(struct assay__request *request, const char *value, int64_t max_age_s)
{
	assay__answer_header(request, "Set-Cookie", "assay_session=%s; Path=/; Max-Age=%lld; HttpOnly; SameSite=Strict%s",
						 value, (long long)max_age_s, request->http->tls ? "; Secure" : "");
}

enum MHD_Result assay__http_login(struct assay__request *request)
{
	char address[INET6_ADDRSTRLEN], text[ASSAY__EVENT_TEXT_MAX];
	enum MHD_Result answer = MHD_NO;
	const char *user, *password;
	struct assay__who who;
	enum assay__login login;
	int retry_s = 0;

	if (!assay__body_text(request, "user", ASSAY__USER_NAME_CHARS - 1, &user, &answer) ||
		!assay__body_text(request, "password", ASSAY__PASSWORD_MAX_BYTES, &password, &answer))
		return answer;
	if (!user || !password)
		return assay__answer_error(request, 400, "argument", "expected user and password");
	client_address(request, address);
	login = assay__porter_login(request->http->porter, address, user, password, &who, &retry_s);
	if (login == ASSAY__LOGIN_WAIT || login == ASSAY__LOGIN_FULL) {
		assay__answer_header(request, "Retry-After", "%d", retry_s);
		return assay__answer_error(request, 429, "too_many", "too many wrong logins; try again in %d s", retry_s);
	}
	if (login == ASSAY__LOGIN_WRONG) {
		snprintf(text, sizeof(text), "a wrong login as %s from %s", user, address);
		assay__station_event(request->http->station, "login_refused", text);
		return assay__answer_error(request, 401, "wrong_login", "user or password is wrong");
	}
	request->who = who;
	snprintf(text, sizeof(text), "%s (%s) from %s", who.name, assay__role_name(who.role), address);
	assay__station_event(request->http->station, "login", text);
	/* The one at the line is the operator; an engineer looking in from his desk is not. */
	if (who.role == ASSAY__ROLE_OPERATOR)
		assay__station_set_operator(request->http->station, who.name);
	set_cookie(request, who.session, request->http->settings->session_h * 3600LL);
	return answer_who(request);
}

enum MHD_Result assay__http_logout(struct assay__request *request)
{
	if (request->who.kind == ASSAY__WHO_SESSION) {
		assay__porter_logout(request->http->porter, request->who.session);
		if (request->who.role == ASSAY__ROLE_OPERATOR)
			assay__station_set_operator(request->http->station, "");
		request->who = (struct assay__who){0};
	}
	set_cookie(request, "0", 0);
	return answer_who(request);
}
