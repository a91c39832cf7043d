/* SPDX-License-Identifier: Apache-2.0 */
/* Users and their roles, for admins. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "station/http/handlers.h"

enum MHD_Result assay__http_users(struct assay__request *request)
{
	struct assay__user *users = calloc(ASSAY__USERS_MOST, sizeof(*users));
	struct assay__json *json = &request->json;
	int count;

	if (!users)
		return assay__answer_error(request, 500, "no_memory", "out of memory");
	count = assay__porter_users(request->http->porter, users, ASSAY__USERS_MOST);
	assay__json_object(json);
	assay__json_key(json, "users");
	assay__json_array(json);
	for (int i = 0; i < count; i++) {
		assay__json_object(json);
		assay__json_key(json, "name");
		assay__json_string(json, users[i].name);
		assay__json_key(json, "role");
		assay__json_string(json, assay__role_name(users[i].role));
		assay__json_key(json, "token");
		assay__json_bool(json, users[i].token);
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
	assay__json_object_end(json);
	free(users);
	return assay__answer_json(request, 200);
}

/* Nobody may take the last admin away, or he would have to go to the machine itself. */
static bool is_last_admin(struct assay__request *request, const char *name)
{
	struct assay__user *users = calloc(ASSAY__USERS_MOST, sizeof(*users));
	int count = users ? assay__porter_users(request->http->porter, users, ASSAY__USERS_MOST) : 0;
	bool named = false, other = false;

	for (int i = 0; i < count; i++) {
		if (users[i].role != ASSAY__ROLE_ADMIN || users[i].token)
			continue;
		if (!strcmp(users[i].name, name))
			named = true;
		else
			other = true;
	}
	free(users);
	return named && !other;
}

enum MHD_Result assay__http_user_put(struct assay__request *request)
{
	const char *name, *role_text, *password, *path = assay__porter_path(request->http->porter);
	char token[ASSAY__TOKEN_CHARS] = "";
	enum MHD_Result answer = MHD_NO;
	struct assay_error error;
	enum assay__role role;

	if (!assay__body_text(request, "name", ASSAY__USER_NAME_CHARS - 1, &name, &answer) ||
		!assay__body_text(request, "role", 16, &role_text, &answer) ||
		!assay__body_text(request, "password", ASSAY__PASSWORD_MAX_BYTES, &password, &answer))
		return answer;
	if (!name || !role_text || !assay__role_from_name(role_text, &role))
		return assay__answer_error(request, 400, "argument",
								   "expected name, and role viewer, operator, engineer or admin");
	if (request->who.kind == ASSAY__WHO_LOCAL && (role != ASSAY__ROLE_ADMIN || !password))
		return assay__answer_error(request, 409, "no_admin", "the first user must be an admin with a password");
	if ((role != ASSAY__ROLE_ADMIN || !password) && is_last_admin(request, name))
		return assay__answer_error(request, 409, "last_admin", "this is the only admin");
	if (assay__users_put(path, name, role, password, token, &error))
		return assay__answer_failure(request, &error);
	assay__json_object(&request->json);
	assay__json_key(&request->json, "name");
	assay__json_string(&request->json, name);
	assay__json_key(&request->json, "role");
	assay__json_string(&request->json, role_text);
	assay__json_key(&request->json, "token");
	assay__json_string(&request->json, *token ? token : NULL);
	assay__json_object_end(&request->json);
	sodium_memzero(token, sizeof(token));
	return assay__answer_json(request, 200);
}

enum MHD_Result assay__http_user_remove(struct assay__request *request)
{
	struct assay_error error;

	if (is_last_admin(request, request->arguments[0]))
		return assay__answer_error(request, 409, "last_admin", "this is the only admin");
	if (assay__users_remove(assay__porter_path(request->http->porter), request->arguments[0], &error)) {
		if (error.code == ASSAY_E_ARGUMENT)
			return assay__answer_error(request, 404, "not_found", "%s", error.message);
		return assay__answer_failure(request, &error);
	}
	return assay__http_users(request);
}
