/* SPDX-License-Identifier: Apache-2.0 */
/* The API: each route by role, the description against the answers, writes from foreign pages, odd addresses and bodies. */
#include "http_util.h"

#include "station/http/handlers.h"

static char headers_of[ASSAY__ROLE_COUNT][256]; /* what each role sends */

static void users_path(char out[128])
{
	snprintf(out, 128, "%s/state/users", room);
}

/* Users of each role, with tokens. */
static void make_users(void)
{
	char path[128], token[ASSAY__TOKEN_CHARS];
	struct assay_error error;

	snprintf(path, sizeof(path), "%s/state", room);
	mkdir(path, 0700);
	users_path(path);
	for (int role = ASSAY__ROLE_VIEWER; role < ASSAY__ROLE_COUNT; role++) {
		if (assay__users_put(path, assay__role_name((enum assay__role)role), (enum assay__role)role, NULL, token,
							 &error))
			fail_msg("%s", error.message);
		snprintf(headers_of[role], sizeof(headers_of[role]), "Authorization: Bearer %s\r\n", token);
	}
	assert_int_equal(assay__users_put(path, "anna", ASSAY__ROLE_ADMIN, "correct horse", NULL, NULL), 0);
	assert_int_equal(assay__users_put(path, "otto", ASSAY__ROLE_OPERATOR, "battery staple", NULL, NULL), 0);
}

static void drop_users(void)
{
	char path[128];

	users_path(path);
	unlink(path);
}

/* A template with something in the place of its arguments. */
static const char *fill_path(const struct assay__route *route, char out[256])
{
	char *at = out;

	for (const char *from = route->path; *from; from++) {
		if (*from != '{') {
			*at++ = *from;
			continue;
		}
		at += sprintf(at, "%s",
					  !strncmp(from, "{camera}", 8)	  ? "top"
					  : !strncmp(from, "{recipe}", 8) ? "quick"
					  : !strncmp(from, "{user}", 6)	  ? "nobody"
					  : !strncmp(from, "{view}", 6)	  ? "0"
													  : "1");
		from = strchr(from, '}');
	}
	*at = '\0';
	return out;
}

static void test_roles(void **state)
{
	struct site site;
	char path[256];

	(void)state;
	make_users();
	site = site_open("", "");
	for (int i = 0; i < assay__route_count; i++) {
		const struct assay__route *route = &assay__routes[i];
		const char *body = route->body == ASSAY__BODY_JSON ? "{}" : NULL;

		fill_path(route, path);
		if (!strcmp(route->id, "events"))
			continue; /* never ends when let in; below */
		for (int role = ASSAY__ROLE_ANYONE; role < ASSAY__ROLE_COUNT; role++) {
			int status = http_status(site.port, route->method, path, headers_of[role], body);
			int refused = role == ASSAY__ROLE_ANYONE ? 401 : 403;

			if ((enum assay__role)role < route->least && status != refused)
				fail_msg("%s %s as %s: %d, expected %d", route->method, path, assay__role_name((enum assay__role)role),
						 status, refused);
			if ((enum assay__role)role >= route->least && (status == 401 || status == 403 || !status))
				fail_msg("%s %s as %s: refused with %d", route->method, path, assay__role_name((enum assay__role)role),
						 status);
		}
	}
	assert_int_equal(http_status(site.port, "GET", "/api/v1/events", NULL, NULL), 401);
	assert_int_equal(http_status(site.port, "GET", "/api/v1/status", "Authorization: Bearer 00\r\n", NULL), 401);
	assert_int_equal(http_status(site.port, "GET", "/api/v1/status", "Authorization: Basic YTpi\r\n", NULL), 401);
	site_close(&site);
	drop_users();
}

static void test_session(void **state)
{
	char cookie[256], csrf[80], write[512], *at;
	struct site site;
	struct answer answer;

	(void)state;
	make_users();
	site = site_open("", "");
	answer = http_ask(site.port, "POST", "/api/v1/session", NULL, "{\"user\":\"otto\",\"password\":\"wrong\"}");
	assert_int_equal(answer.status, 401);
	assert_null(strstr(answer.head, "Set-Cookie"));
	answer_free(&answer);
	answer =
		http_ask(site.port, "POST", "/api/v1/session", NULL, "{\"user\":\"otto\",\"password\":\"battery staple\"}");
	assert_int_equal(answer.status, 200);
	at = strstr(answer.head, "Set-Cookie: ");
	assert_non_null(at);
	assert_non_null(strstr(at, "HttpOnly; SameSite=Strict"));
	answer_text(&answer, "csrf", csrf, sizeof(csrf));
	assert_int_equal(strlen(csrf), 64);
	snprintf(cookie, sizeof(cookie), "Cookie: x=1; %.*s\r\n", (int)strcspn(at + 12, ";"), at + 12);
	answer_free(&answer);

	assert_int_equal(http_status(site.port, "GET", "/api/v1/status", cookie, NULL), 200);
	/* Writes want the token, and no foreign page. */
	assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", cookie, "{}"), 403);
	snprintf(write, sizeof(write), "%sX-CSRF-Token: %064d\r\n", cookie, 0);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", write, "{}"), 403);
	snprintf(write, sizeof(write), "%sX-CSRF-Token: %s\r\nOrigin: http://evil.example\r\n", cookie, csrf);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", write, "{}"), 403);
	snprintf(write, sizeof(write), "%sX-CSRF-Token: %s\r\nOrigin: http://127.0.0.1:%d\r\n", cookie, csrf, site.port);
	answer = http_ask(site.port, "POST", "/api/v1/trigger", write, "{\"code\":\"<script>alert(1)</script>\"}");
	assert_int_equal(answer.status, 200);
	at = strstr(answer.body, "\"sequence\":");
	snprintf(write, sizeof(write), "/api/v1/parts/%d", atoi(at + 11));
	answer_free(&answer);
	/* The operator at the line is in the record. */
	answer = http_ask(site.port, "GET", write, cookie, NULL);
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.body, "\"operator\":\"otto\""));
	answer_free(&answer);
	/* A user who is removed is out at once. */
	users_path(write);
	assert_int_equal(assay__users_remove(write, "otto", NULL), 0);
	assert_int_equal(http_status(site.port, "GET", "/api/v1/status", cookie, NULL), 401);
	site_close(&site);
	drop_users();
}

static void test_login_is_slowed(void **state)
{
	struct site site;
	struct answer answer;
	int refused = 0;

	(void)state;
	make_users();
	site = site_open("", "");
	for (int i = 0; i < 7; i++)
		refused += http_status(site.port, "POST", "/api/v1/session", NULL,
							   "{\"user\":\"anna\",\"password\":\"guess\"}") == 429;
	assert_true(refused >= 1);
	answer = http_ask(site.port, "POST", "/api/v1/session", NULL, "{\"user\":\"anna\",\"password\":\"correct horse\"}");
	assert_int_equal(answer.status, 429);
	assert_non_null(strstr(answer.head, "Retry-After: "));
	answer_free(&answer);
	site_close(&site);
	drop_users();
}

/* Without users the person at the machine may do all, a page in his browser nothing. */
static void test_local(void **state)
{
	char request[512];
	struct site site = site_open("", "");
	struct answer answer;
	int fd;

	(void)state;
	assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", NULL, "{}"), 200);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", "Origin: http://evil.example\r\n", "{}"), 403);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", "Origin: null\r\n", NULL), 403);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", "Content-Type: text/plain\r\n", "{}"), 415);
	fd = http_connect(site.port);
	snprintf(request, sizeof(request),
			 "GET /api/v1/status HTTP/1.1\r\nHost: evil.example:%d\r\nConnection: close\r\n\r\n", site.port);
	http_send(fd, request, strlen(request));
	answer = http_read(fd);
	assert_int_equal(answer.status, 403);
	answer_free(&answer);
	/* The first user ends it. */
	assert_int_equal(http_status(site.port, "POST", "/api/v1/users", NULL, "{\"name\":\"eve\",\"role\":\"viewer\"}"),
					 409);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/users", NULL,
								 "{\"name\":\"anna\",\"role\":\"admin\",\"password\":\"correct horse\"}"),
					 200);
	assert_int_equal(http_status(site.port, "GET", "/api/v1/status", NULL, NULL), 401);
	site_close(&site);
	drop_users();
}

static void assert_refused(const char *http, const char *word)
{
	char yaml[2048];
	struct assay_error error;
	struct assay__http *opened;
	struct bench bench;
	struct assay__http_need need;

	snprintf(yaml, sizeof(yaml), "%shttp:\n  port: 0\n%s", SITE, http);
	bench = bench_open(yaml, NULL);
	need = (struct assay__http_need){.settings = bench.config->http,
									 .station_name = "cell",
									 .state_dir = bench.config->station.state_dir,
									 .station = bench.station};
	assert_int_not_equal(assay__http_open(&need, &opened, &error), 0);
	if (!strstr(error.message, word))
		fail_msg("%s, expected %s", error.message, word);
	bench_close(&bench);
}

static void test_door_off_loopback(void **state)
{
	struct site site;

	(void)state;
	drop_users();
	assert_refused("  address: 0.0.0.0\n", "assay user add");
	assert_refused("  address: 0.0.0.0\n  insecure_http: yes\n", "assay user add");
	assert_refused("  address: cell-4\n", "IPv4");
	assert_refused("  tls_cert: cert.pem\n", "tls_key is missing");
	make_users();
	assert_refused("  address: 0.0.0.0\n", "without TLS");
	site = site_open("", "  address: 0.0.0.0\n  insecure_http: yes\n");
	assert_int_equal(http_status(site.port, "GET", "/api/v1/status", NULL, NULL), 401);
	assert_int_equal(http_status(site.port, "GET", "/api/v1/status", headers_of[ASSAY__ROLE_VIEWER], NULL), 200);
	site_close(&site);
	drop_users();
}

static const struct assay__json_value *resolve(const struct assay__json_value *api,
											   const struct assay__json_value *schema)
{
	const struct assay__json_value *ref = assay__json_member(schema, "$ref");

	if (!ref)
		return schema;
	schema = assay__json_member(assay__json_member(assay__json_member(api, "components"), "schemas"),
								strrchr(ref->string, '/') + 1);
	assert_non_null(schema);
	return schema;
}

static bool type_fits(const struct assay__json_value *type, const struct assay__json_value *value)
{
	if (type->type == ASSAY__JSON_ARRAY) {
		for (const struct assay__json_value *item = type->first; item; item = item->next)
			if (type_fits(item, value))
				return true;
		return false;
	}
	switch (value->type) {
	case ASSAY__JSON_NULL:
		return !strcmp(type->string, "null");
	case ASSAY__JSON_BOOL:
		return !strcmp(type->string, "boolean");
	case ASSAY__JSON_NUMBER:
		return !strcmp(type->string, "number") || (!strcmp(type->string, "integer") && value->is_integer);
	case ASSAY__JSON_STRING:
		return !strcmp(type->string, "string");
	case ASSAY__JSON_ARRAY:
		return !strcmp(type->string, "array");
	default:
		return !strcmp(type->string, "object");
	}
}

/* JSON Schema as far as schema.c uses it. */
static void assert_fits(const struct assay__json_value *api, const struct assay__json_value *schema,
						const struct assay__json_value *value, const char *where)
{
	const struct assay__json_value *type, *properties, *required;
	bool closed;

	schema = resolve(api, schema);
	type = assay__json_member(schema, "type");
	properties = assay__json_member(schema, "properties");
	required = assay__json_member(schema, "required");
	if (type && !type_fits(type, value))
		fail_msg("%s: not of its type", where);
	for (const struct assay__json_value *key = required ? required->first : NULL; key; key = key->next)
		if (!assay__json_member(value, key->string))
			fail_msg("%s: %s is missing", where, key->string);
	if (value->type == ASSAY__JSON_ARRAY)
		for (const struct assay__json_value *item = value->first; item; item = item->next)
			assert_fits(api, assay__json_member(schema, "items"), item, where);
	if (value->type != ASSAY__JSON_OBJECT)
		return;
	closed = assay__json_member(schema, "additionalProperties") &&
			 assay__json_member(schema, "additionalProperties")->type == ASSAY__JSON_BOOL;
	for (const struct assay__json_value *item = value->first; item; item = item->next) {
		const struct assay__json_value *property = assay__json_member(properties, item->key);

		if (property)
			assert_fits(api, property, item, item->key);
		else if (closed)
			fail_msg("%s: %s is not in the schema", where, item->key);
	}
}

static void test_description(void **state)
{
	struct site site = site_open("record: {images: all}\n", "");
	struct answer answer = http_ask(site.port, "GET", "/api/v1/openapi.json", NULL, NULL);
	struct assay__json_tree *tree = answer_json(&answer), *body;
	const struct assay__json_value *api = assay__json_root(tree), *paths = assay__json_member(api, "paths");
	int described = 0;
	char path[256];

	(void)state;
	answer_free(&answer);
	for (const struct assay__json_value *at = paths->first; at; at = at->next)
		described += (int)at->length;
	assert_int_equal(described, assay__route_count);
	/* Something to tell of, with its picture. */
	assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", NULL, "{}"), 200);
	for (int i = 0; i < assay__route_count; i++) {
		const struct assay__route *route = &assay__routes[i];
		const struct assay__json_value *operation, *content;
		char method[8];

		for (size_t k = 0; k <= strlen(route->method); k++)
			method[k] = (char)(route->method[k] ? route->method[k] | 32 : 0);
		operation = assay__json_member(assay__json_member(paths, route->path), method);
		assert_non_null(operation);
		assert_string_equal(assay__json_member(operation, "operationId")->string, route->id);
		assert_string_equal(assay__json_member(operation, "x-role")->string, assay__role_name(route->least));
		if (!strcmp(route->id, "events") || !strcmp(route->id, "login") || !strcmp(route->id, "push") ||
			!strcmp(route->method, "DELETE") || !strncmp(route->id, "recipe_", 7) || !strcmp(route->id, "user_put") ||
			!strcmp(route->id, "challenge_ask") || !strncmp(route->id, "tray_", 5) ||
			(!strncmp(route->id, "workshop_", 9) && !strcmp(route->method, "POST")))
			continue; /* tests of their own */
		answer = http_ask(site.port, route->method, fill_path(route, path), NULL,
						  route->body != ASSAY__BODY_JSON ? NULL
						  : !strcmp(route->id, "part_review")
							  ? "{\"judgement\":\"bad\",\"marks\":[{\"view\":0,\"box\":[1,2,3,4]}]}"
							  : "{}");
		for (int wait = 0; answer.status == 404 && wait < 100; wait++) { /* pictures are written a moment later */
			answer_free(&answer);
			usleep(50000);
			answer = http_ask(site.port, route->method, path, NULL, NULL);
		}
		if (answer.status != 200)
			fail_msg("%s %s: %d %s", route->method, path, answer.status, answer.body);
		content = assay__json_member(
			assay__json_member(assay__json_member(assay__json_member(operation, "responses"), "200"), "content"),
			strchr(route->gives, '/') ? route->gives : "application/json");
		assert_non_null(content);
		if (!strchr(route->gives, '/')) {
			body = answer_json(&answer);
			assert_fits(api, assay__json_member(content, "schema"), assay__json_root(body), route->id);
			assay__json_free(body);
		} else if (!strstr(answer.head, route->gives)) {
			fail_msg("%s: expected %s in %s", path, route->gives, answer.head);
		}
		assert_non_null(strstr(answer.head, "Content-Security-Policy: default-src 'self'"));
		assert_non_null(strstr(answer.head, "frame-ancestors 'none'"));
		assert_non_null(strstr(answer.head, "X-Content-Type-Options: nosniff"));
		answer_free(&answer);
	}
	assay__json_free(tree);
	site_close(&site);
}

static void test_odd_requests(void **state)
{
	static const struct {
		const char *path;
		int status;
	} odd[] = {
		{"/../../etc/passwd", 400},
		{"/api/v1/../../../etc/passwd", 400},
		{"/%2e%2e/%2e%2e/etc/passwd", 400},
		{"/api/v1/cameras/..%2f..%2fstate/frame", 400},
		{"/api/v1/cameras/%00/frame", 400},
		{"/api/v1/cameras/%ff/frame", 400},
		{"/api/v1/cameras/a%5cb/frame", 400},
		{"/api/v1/cameras/%/frame", 400},
		{"//api/v1/status", 400},
		{"/api/v1/status/", 400},
		{"/api/v1/statu", 404},
		{"/api/v1/cameras/none/frame", 404},
		{"/api/v1/cameras/top/frame?format=gif", 400},
		{"/api/v1/parts/0", 404},
		{"/api/v1/parts/99999", 404},
		{"/api/v1/parts/1%20", 404},
		{"/api/v1/parts/99999999999999999999", 404},
		{"/api/v1/parts?limit=0", 400},
		{"/api/v1/parts?limit=501", 400},
		{"/api/v1/parts?verdict=MAYBE", 400},
		{"/api/v1/parts?verdict=FAIL,FAULT&code=%27%20or%201=1--", 200},
		{"/state/users", 404},
	};
	struct site site = site_open("", "  picture_kib: 64\n");
	char *large = calloc(1, 70001);
	struct answer answer;

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		int status = http_status(site.port, "GET", odd[i].path, NULL, NULL);

		if (status != odd[i].status)
			fail_msg("%s: %d, expected %d", odd[i].path, status, odd[i].status);
	}
	assert_int_equal(http_status(site.port, "PUT", "/api/v1/trigger", NULL, "{}"), 405);
	assert_int_equal(http_status(site.port, "POST", "/", NULL, NULL), 405);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", NULL, "{\"code\":1}"), 400);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", NULL, "{\"code\":\"a\",\"code\":\"b\"}"), 400);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", NULL, "[]"), 400);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", NULL, "{"), 400);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", NULL, "{\"trigger_id\":-1}"), 400);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/recipes/select", NULL, "{\"name\":\"none\"}"), 422);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/recipes/select", NULL, "{}"), 400);
	memset(large, ' ', 70000);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", NULL, large), 413);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/cameras/top/frame", "Content-Type: image/png\r\n", large),
					 413);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/cameras/top/frame", "Content-Type: image/png\r\n", "x"),
					 409);
	/* Headers and addresses have an end too. */
	memset(large, 'a', 60000);
	large[60000] = '\0';
	answer = http_ask_n(site.port, "GET", "/api/v1/health", NULL, NULL, 0);
	assert_int_equal(answer.status, 200);
	answer_free(&answer);
	{
		int fd = http_connect(site.port), status;

		http_send(fd, "GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ", 50);
		http_send(fd, large, 60000);
		http_send(fd, "\r\n\r\n", 4);
		answer = http_read(fd);
		status = answer.status;
		assert_true(status == 0 || status == 431 || status == 413);
		answer_free(&answer);
	}
	large[0] = '/';
	large[4000] = '\0';
	assert_int_equal(http_status(site.port, "GET", large, NULL, NULL), 414);
	free(large);
	site_close(&site);
}

static void test_recipes(void **state)
{
	struct site site = site_open("", "");
	struct answer answer;
	char path[128], *bytes = malloc(4 << 20);
	size_t size;
	FILE *file;

	(void)state;
	assert_int_equal(http_status(site.port, "POST", "/api/v1/recipes/select", NULL, "{\"name\":\"other\"}"), 200);
	answer = http_ask(site.port, "POST", "/api/v1/trigger", NULL, "{\"trigger_id\":7}");
	assert_non_null(strstr(answer.body, "\"recipe\":\"other\""));
	assert_non_null(strstr(answer.body, "\"trigger_id\":7"));
	answer_free(&answer);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/reload", NULL, NULL), 200);
	/* The bytes of another recipe in the place of one, then half of one, which changes nothing. */
	snprintf(path, sizeof(path), "%s/other.assay", room);
	file = fopen(path, "rb");
	size = fread(bytes, 1, 4 << 20, file);
	fclose(file);
	answer = http_ask_n(site.port, "POST", "/api/v1/recipes?name=quick", "Content-Type: application/octet-stream\r\n",
						bytes, size);
	if (answer.status != 200)
		fail_msg("%d %s", answer.status, answer.body);
	answer_free(&answer);

	answer = http_ask_n(site.port, "POST", "/api/v1/recipes?name=quick", "Content-Type: application/octet-stream\r\n",
						bytes, size / 2);
	assert_int_equal(answer.status, 422);
	answer_free(&answer);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", NULL, "{}"), 200);
	snprintf(path, sizeof(path), "%s/quick.assay.before", room);
	assert_int_equal(access(path, F_OK), 0);
	free(bytes);
	site_close(&site);
	save_recipe("quick", 64, 0.1);
}

static void assert_has(int port, const char *method, const char *path, const char *body, const char *expected)
{
	struct answer answer = http_ask(port, method, path, NULL, body);

	if (!strstr(answer.body, expected))
		fail_msg("%s %s: %d %s, expected %s", method, path, answer.status, answer.body, expected);
	answer_free(&answer);
}

static void test_reviews(void **state)
{
	struct site site = site_open("record: {images: all}\n", "");

	(void)state;
	for (int i = 0; i < 6; i++)
		assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", NULL, "{}"), 200);
	assert_has(site.port, "POST", "/api/v1/parts/2/reviews",
			   "{\"judgement\":\"bad\",\"kind\":\"<script>\",\"marks\":[{\"view\":0,\"box\":[3,4,10,20]},"
			   "{\"view\":0,\"radius\":4,\"stroke\":[5,6,7,8,9,10]}]}",
			   "\"marks\":[{\"view\":0,\"box\":[3,4,10,20]},{\"view\":0,\"radius\":4,\"stroke\":[5,6,7,8,9,10]}]");
	assert_has(site.port, "POST", "/api/v1/parts/2/reviews", "{\"judgement\":\"good\"}", "\"judgement\":\"good\"");
	assert_has(site.port, "GET", "/api/v1/reviews", NULL, "\"judgement\":\"good\",\"withdrawn\":false");
	assert_has(site.port, "DELETE", "/api/v1/parts/2/reviews", NULL, "\"withdrawn\":true");
	assert_has(site.port, "GET", "/api/v1/reviews/summary", NULL, "{\"parts\":1,\"good\":0,\"bad\":1,\"unsure\":0");
	assert_has(site.port, "GET", "/api/v1/reviews/queue", NULL, "\"worth\":\"");
	assert_int_equal(http_status(site.port, "DELETE", "/api/v1/parts/3/reviews", NULL, NULL), 404);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/parts/999/reviews", NULL, "{\"judgement\":\"bad\"}"), 404);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/parts/x/reviews", NULL, "{\"judgement\":\"bad\"}"), 404);
	static const char *const refused[] = {
		"{}",
		"{\"judgement\":\"so so\"}",
		"{\"judgement\":\"good\",\"kind\":\"pore\"}",
		"{\"judgement\":\"bad\",\"marks\":[{\"view\":0}]}",
		"{\"judgement\":\"bad\",\"marks\":[{\"view\":0,\"box\":[1,2,3]}]}",
		"{\"judgement\":\"bad\",\"marks\":[{\"view\":0,\"box\":[1,2,0,4]}]}",
		"{\"judgement\":\"bad\",\"marks\":[{\"view\":0,\"box\":[1,2,70000,4]}]}",
		"{\"judgement\":\"bad\",\"marks\":[{\"view\":0,\"stroke\":[1,2]}]}",
		"{\"judgement\":\"bad\",\"marks\":[{\"view\":9,\"box\":[1,2,3,4]}]}",
	};
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (http_status(site.port, "POST", "/api/v1/parts/2/reviews", NULL, refused[i]) != 400)
			fail_msg("%s was not refused", refused[i]);
	site_close(&site);
}

static void test_pushed_pictures(void **state)
{
	struct assay__http_need need;
	struct site site = {0};
	struct assay_image image = line_picture(3, ASSAY__VIRTUAL_GOOD);
	struct assay__event event;
	struct answer answer;
	uint8_t *png;
	size_t size;
	uint64_t cursor;
	bool found = false;

	(void)state;
	site.bench =
		bench_open("station: {name: cell, state_dir: state, deadline_ms: 10000}\n"
				   "recipes:\n  - {name: quick, file: quick.assay}\n"
				   "cameras:\n  - {name: top, type: http_push}\ntriggers:\n  - {type: free}\nhttp: {port: 0}\n",
				   NULL);
	need = (struct assay__http_need){.settings = site.bench.config->http,
									 .station_name = "cell",
									 .state_dir = site.bench.config->station.state_dir,
									 .station = site.bench.station};
	assert_int_equal(assay__http_open(&need, &site.http, NULL), 0);
	site.port = assay__http_port(site.http);
	assert_int_equal(assay_image_encode_png(&image, NULL, &png, &size, NULL), 0);
	assay_image_free(&image, NULL);
	cursor = assay__station_event_next(site.bench.station);
	answer = http_ask_n(site.port, "POST", "/api/v1/cameras/top/frame?trigger_id=77&code=P-9",
						"Content-Type: image/png\r\n", png, size);
	assert_int_equal(answer.status, 202);
	answer_free(&answer);
	for (int i = 0; i < 200 && !found; i++)
		if (assay__station_events(site.bench.station, &cursor, &event, 1, NULL, 100) == 1)
			found = !strcmp(event.kind, "verdict");
	assert_true(found);
	assert_int_equal(event.trigger_id, 77);
	assert_string_equal(event.code, "P-9");
	assert_int_not_equal(event.verdict, ASSAY_FAULT);
	assert_int_equal(
		http_status(site.port, "POST", "/api/v1/cameras/top/frame", "Content-Type: image/png\r\n", "rubbish"), 422);
	assert_int_equal(http_status(site.port, "GET", "/api/v1/parts", NULL, NULL), 503); /* no port was given */
	assay_image_free(&(struct assay_image){.pixels = NULL}, NULL);
	free(png);
	site_close(&site);
}

static bool answer_flag(const struct answer *answer, const char *key)
{
	struct assay__json_tree *tree = answer_json(answer);
	const struct assay__json_value *value = assay__json_member(assay__json_root(tree), key);
	bool flag = value && value->type == ASSAY__JSON_BOOL && value->boolean;

	assay__json_free(tree);
	return flag;
}

/* Announced, refused, cancelled; a part meanwhile is FAULT challenge, and a stranger's code stays text. */
static void test_challenge(void **state)
{
	struct site site = site_open("challenge: {mode: parts, parts: 2}\n", "");
	struct answer answer;
	char text[200];

	(void)state;
	answer = http_ask(site.port, "GET", "/api/v1/challenge", NULL, NULL);
	assert_true(answer_flag(&answer, "configured") && answer_flag(&answer, "due"));
	answer_free(&answer);
	answer = http_ask(site.port, "POST", "/api/v1/trigger", NULL, "{\"code\": \"<script>alert(1)</script>\"}");
	assert_string_equal(answer_text(&answer, "fault", text, sizeof(text)), "challenge");
	assert_string_equal(answer_text(&answer, "code", text, sizeof(text)), "<script>alert(1)</script>");
	assert_non_null(strstr(answer.head, "application/json"));
	answer_free(&answer);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/challenge", NULL, "{}"), 400);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/challenge", NULL, "{\"action\": \"pass\"}"), 400);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/challenge", NULL, "{\"action\": \"cancel\"}"), 409);
	answer = http_ask(site.port, "POST", "/api/v1/challenge", NULL, "{\"action\": \"begin\"}");
	assert_int_equal(answer.status, 200);
	assert_true(answer_flag(&answer, "running") && answer_flag(&answer, "due"));
	answer_free(&answer);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/challenge", NULL, "{\"action\": \"begin\"}"), 409);
	answer = http_ask(site.port, "POST", "/api/v1/trigger", NULL, "{}");
	assert_true(answer_flag(&answer, "challenge"));
	answer_free(&answer);
	answer = http_ask(site.port, "GET", "/metrics", NULL, NULL);
	assert_non_null(strstr(answer.body, "assay_challenge_due 1\n"));
	assert_non_null(strstr(answer.body, "assay_challenge_parts_total 1\n"));
	assert_non_null(strstr(answer.body, "assay_codes_total{state=\"unreadable\"} 0\n"));
	answer_free(&answer);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/challenge", NULL, "{\"action\": \"cancel\"}"), 200);
	site_close(&site);
	site = site_open("", "");
	answer = http_ask(site.port, "GET", "/api/v1/challenge", NULL, NULL);
	assert_false(answer_flag(&answer, "configured") || answer_flag(&answer, "due"));
	answer_free(&answer);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/challenge", NULL, "{\"action\": \"begin\"}"), 409);
	site_close(&site);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_login_is_slowed),
		cmocka_unit_test(test_local),
		cmocka_unit_test(test_door_off_loopback),
		cmocka_unit_test(test_description),
		cmocka_unit_test(test_odd_requests),
		cmocka_unit_test(test_recipes),
		cmocka_unit_test(test_reviews),
		cmocka_unit_test(test_pushed_pictures),
		cmocka_unit_test(test_challenge),
	};

	return cmocka_run_group_tests(tests, open_room, close_room);
}
