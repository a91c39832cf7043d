/* SPDX-License-Identifier: Apache-2.0 */
/* What the pages stand on: their files and nothing else, sums, log, table and seal of parts, text that would be a script. */
#include "http_util.h"

#include "station/http/room.h"

#define EVIL "\\\"><script>alert(1)</script>=1+1"

static const char *trigger_evil(int port)
{
	assert_int_equal(http_status(port, "POST", "/api/v1/trigger", NULL, "{\"code\":\"" EVIL "\"}"), 200);
	return EVIL;
}

static void test_gzip_is_understood(void **state)
{
	static const struct {
		const char *header;
		bool accepts;
	} rows[] = {
		{NULL, false},
		{"", false},
		{"gzip", true},
		{"GZIP", true},
		{"deflate, gzip;q=1.0, *;q=0.5", true},
		{"br ,gzip", true},
		{"gzip;q=0", false},
		{"gzip; q=0.000", false},
		{"gzip;q=0.5", true},
		{"gzipped", false},
		{"x-gzip", false},
		{"identity", false},
		{",,,", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (assay__accepts_gzip(rows[i].header) != rows[i].accepts)
			fail_msg("%s", rows[i].header ? rows[i].header : "none");
}

static void test_files(void **state)
{
	struct site site = site_open("", "");
	struct answer plain = http_ask(site.port, "GET", "/", NULL, NULL), packed, again;
	char tag[64] = "", header[128];
	const char *at;

	(void)state;
	assert_int_equal(plain.status, 200);
	assert_non_null(strstr(plain.head, "Content-Type: text/html; charset=utf-8"));
	assert_non_null(strstr(plain.head, "Content-Security-Policy: default-src 'self'"));
	assert_null(strstr(plain.head, "unsafe-inline"));
	assert_null(strstr(plain.head, "unsafe-eval"));
	assert_non_null(strstr(plain.head, "Cache-Control: no-cache"));
	assert_null(strstr(plain.head, "no-store"));
	assert_null(strstr(plain.head, "Content-Encoding"));
	/* the policy forbids what is written into the page itself */
	assert_null(strstr(plain.body, "<style"));
	assert_null(strstr(plain.body, " style="));
	assert_null(strstr(plain.body, "onclick"));
	assert_null(strstr(plain.body, "http:"));
	assert_null(strstr(plain.body, "https:"));
	at = strstr(plain.head, "ETag: ");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "ETag: %60[^\r]", tag), 1);
	packed = http_ask(site.port, "GET", "/", "Accept-Encoding: gzip\r\n", NULL);
	assert_int_equal(packed.status, 200);
	assert_non_null(strstr(packed.head, "Content-Encoding: gzip"));
	assert_non_null(strstr(packed.head, "Vary: Accept-Encoding"));
	assert_true(packed.size < plain.size && packed.size > 2);
	assert_int_equal((uint8_t)packed.body[0], 0x1f);
	assert_int_equal((uint8_t)packed.body[1], 0x8b);
	snprintf(header, sizeof(header), "If-None-Match: %s\r\n", tag);
	again = http_ask(site.port, "GET", "/", header, NULL);
	assert_int_equal(again.status, 304);
	assert_int_equal(again.size, 0);
	answer_free(&again);
	assert_int_equal(http_status(site.port, "GET", "/", "If-None-Match: \"0\"\r\n", NULL), 200);
	assert_int_equal(http_status(site.port, "GET", "/icon.svg", NULL, NULL), 200);
	assert_int_equal(http_status(site.port, "POST", "/icon.svg", NULL, "{}"), 405);
	answer_free(&packed);
	answer_free(&plain);
	site_close(&site);
}

static void test_no_way_out(void **state)
{
	static const char *const paths[] = {
		"/app.js/../../etc/passwd",
		"/..%2fapp.js",
		"/%2e%2e/app.js",
		"/./app.js",
		"/app.js/",
		"/app.js%00.html",
		"/app.css.gz",
		"/index.html",
		"/web/app.js",
		"/state/record.key",
		"/record.db",
		"/src/main.tsx",
		"/app.js\\..",
		"/api/v1/export/..",
		"/api/v1/export/parts.csv/x",
	};
	struct site site = site_open("", "");

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int status = http_status(site.port, "GET", paths[i], NULL, NULL);

		if (status != 400 && status != 404)
			fail_msg("%s: %d", paths[i], status);
	}
	site_close(&site);
}

static const struct assay__json_value *path_of(const struct assay__json_value *value, const char *a, const char *b)
{
	value = assay__json_member(value, a);
	return b ? assay__json_member(value, b) : value;
}

static void test_sums(void **state)
{
	struct site site = site_open("record: {images: all}\n", "");
	struct answer answer;
	struct assay__json_tree *tree;
	const struct assay__json_value *sum;
	int64_t judged = 0, steps = 0, all;
	static const char *const bad[] = {"/api/v1/quality?steps=401",
									  "/api/v1/quality?steps=-1",
									  "/api/v1/quality?from_us=10&to_us=10",
									  "/api/v1/quality?from_us=9&to_us=8",
									  "/api/v1/quality?from_us=x",
									  "/api/v1/log?limit=0",
									  "/api/v1/log?limit=201",
									  "/api/v1/log?cursor=x",
									  "/api/v1/export/parts.csv?verdict=NO"};

	(void)state;
	for (int i = 0; i < 12; i++)
		assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", NULL, "{}"), 200);
	answer = http_ask(site.port, "GET", "/api/v1/quality?steps=7", NULL, NULL);
	assert_int_equal(answer.status, 200);
	tree = answer_json(&answer);
	sum = assay__json_root(tree);
	all = path_of(sum, "total", "pass")->integer + path_of(sum, "total", "fail")->integer;
	assert_int_equal(all, 12);
	for (const struct assay__json_value *at = path_of(sum, "bins_pass", NULL)->first; at; at = at->next)
		judged += at->integer;
	for (const struct assay__json_value *at = path_of(sum, "bins_fail", NULL)->first; at; at = at->next)
		judged += at->integer;
	assert_int_equal(judged, 12);
	for (const struct assay__json_value *at = path_of(sum, "steps", NULL)->first; at; at = at->next)
		steps += assay__json_member(at, "pass")->integer + assay__json_member(at, "fail")->integer;
	assert_int_equal(steps, 12);
	assay__json_free(tree);
	answer_free(&answer);
	answer = http_ask(site.port, "GET", "/api/v1/quality?recipe=other", NULL, NULL);
	assert_non_null(strstr(answer.body, "\"total\":{\"pass\":0,\"fail\":0,\"fault\":0}"));
	answer_free(&answer);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (http_status(site.port, "GET", bad[i], NULL, NULL) != 400)
			fail_msg("%s", bad[i]);
	site_close(&site);
}

/* Each line of a part ends in an operator, here nobody; the body comes in chunks, whose marks do not. */
static int count_lines(const char *text)
{
	int lines = 0;

	for (; (text = strstr(text, ",\r\n")); text++)
		lines++;
	return lines;
}

static void test_table_and_text(void **state)
{
	struct site site = site_open("record: {images: all}\n", "");
	struct answer answer;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", NULL, "{\"code\":\"=cmd()\"}"), 200);
	trigger_evil(site.port);
	answer = http_ask(site.port, "GET", "/api/v1/export/parts.csv", NULL, NULL);
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.head, "Content-Type: text/csv"));
	assert_non_null(strstr(answer.head, "attachment"));
	assert_non_null(strstr(answer.head, "nosniff"));
	assert_non_null(strstr(answer.body, "part,time,station,code,"));
	assert_int_equal(count_lines(answer.body), 4);
	/* no spreadsheet takes a code for a formula, and quotes stay inside */
	assert_non_null(strstr(answer.body, ",\"'=cmd()\","));
	assert_non_null(strstr(answer.body, "\"\"><script>"));
	answer_free(&answer);
	answer = http_ask(site.port, "GET", "/api/v1/export/parts.csv?code=%3Dcmd()&first=2", NULL, NULL);
	assert_int_equal(count_lines(answer.body), 2);
	answer_free(&answer);
	answer = http_ask(site.port, "GET", "/api/v1/parts?code_begin=%22%3E%3Cscr", NULL, NULL);
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.head, "Content-Type: application/json"));
	assert_non_null(strstr(answer.body, "\"sequence\":4,"));
	assert_null(strstr(answer.body, "\"sequence\":3,"));
	answer_free(&answer);
	/* a mark that LIKE or GLOB would read is a letter like others */
	answer = http_ask(site.port, "GET", "/api/v1/parts?code_begin=%25", NULL, NULL);
	assert_non_null(strstr(answer.body, "\"parts\":[]"));
	answer_free(&answer);
	site_close(&site);
}

static void test_seal_and_log(void **state)
{
	struct site site = site_open("", "");
	char hash[80], before[80];
	struct answer answer;

	(void)state;
	assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", NULL, "{}"), 200);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", NULL, "{}"), 200);
	answer = http_ask(site.port, "GET", "/api/v1/parts/1", NULL, NULL);
	assert_int_equal(strlen(answer_text(&answer, "hash", hash, sizeof(hash))), 64);
	assert_int_equal(strlen(answer_text(&answer, "hash_before", before, sizeof(before))), 64);
	assert_non_null(strstr(answer.body, "\"signed\":"));
	assert_string_not_equal(hash, before);
	answer_free(&answer);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/recipes/select", NULL, "{\"name\":\"other\"}"), 200);
	for (int i = 0; i < 100; i++) {
		answer = http_ask(site.port, "GET", "/api/v1/log?kind=http&limit=5", NULL, NULL);
		assert_int_equal(answer.status, 200);
		if (strstr(answer.body, "recipe_select"))
			break;
		answer_free(&answer);
		usleep(50000);
	}
	assert_non_null(answer.body);
	assert_non_null(strstr(answer.body, "local: recipe_select"));
	assert_null(strstr(answer.body, "\"kind\":\"opened\""));
	answer_free(&answer);
	answer = http_ask(site.port, "GET", "/api/v1/log?limit=1", NULL, NULL);
	assert_null(strstr(answer.body, "\"next\":null"));
	answer_free(&answer);
	answer = http_ask(site.port, "GET", "/api/v1/cameras/top/result", NULL, NULL);
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.body, "\"sequence\":2,"));
	answer_free(&answer);
	assert_int_equal(http_status(site.port, "GET", "/api/v1/cameras/none/result", NULL, NULL), 404);
	site_close(&site);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gzip_is_understood), cmocka_unit_test(test_files),
		cmocka_unit_test(test_no_way_out),		   cmocka_unit_test(test_sums),
		cmocka_unit_test(test_table_and_text),	   cmocka_unit_test(test_seal_and_log),
	};

	return cmocka_run_group_tests(tests, open_room, close_room);
}
