/* SPDX-License-Identifier: Apache-2.0 */
/* A running station is taught, learns from reviews, and goes back, over HTTP. */
#include "http_util.h"

#define WAIT_S 120

static double number_of(const char *body, const char *key)
{
	char quoted[64];
	const char *at;

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	at = strstr(body, quoted);
	if (!at)
		fail_msg("%s is not in %s", key, body);
	return strtod(at + strlen(quoted), NULL);
}

static void text_of(const char *body, const char *key, char *out, size_t size)
{
	char quoted[64];
	const char *at;

	snprintf(quoted, sizeof(quoted), "\"%s\":\"", key);
	at = strstr(body, quoted);
	if (!at)
		fail_msg("%s is not in %s", key, body);
	at += strlen(quoted);
	snprintf(out, size, "%.*s", (int)strcspn(at, "\""), at);
}

static struct answer ask(const struct site *site, const char *method, const char *path, const char *body, int status)
{
	struct answer answer = http_ask(site->port, method, path, NULL, body);

	if (answer.status != status)
		fail_msg("%s %s: %d, expected %d: %s", method, path, answer.status, status, answer.body);
	return answer;
}

/* Until the workshop rests; the answer is the caller's. */
static struct answer wait_phase(const struct site *site, const char *phase)
{
	char found[32];

	for (int i = 0; i < WAIT_S * 20; i++) {
		struct answer answer = ask(site, "GET", "/api/v1/workshop", NULL, 200);

		text_of(answer.body, "phase", found, sizeof(found));
		if (!strcmp(found, phase))
			return answer;
		if (strcmp(found, "running"))
			fail_msg("expected %s: %s", phase, answer.body);
		answer_free(&answer);
		usleep(50000);
	}
	fail_msg("the workshop was at work for %d s", WAIT_S);
	return (struct answer){0};
}

static void content_of(const struct site *site, char out[128])
{
	struct answer answer = ask(site, "GET", "/api/v1/recipes/quick/lineage", NULL, 200);

	text_of(answer.body, "content", out, 128);
	answer_free(&answer);
}

static void fill_tray(const struct site *site, int count)
{
	for (int i = 0; i < count; i++) {
		struct assay_image image = line_picture((uint64_t)(500 + i), ASSAY__VIRTUAL_GOOD);
		struct answer answer;
		uint8_t *png;
		size_t size;

		assert_int_equal(assay_image_encode_png(&image, NULL, &png, &size, NULL), 0);
		assay_image_free(&image, NULL);
		answer = http_ask_n(site->port, "POST", "/api/v1/tray", "Content-Type: image/png\r\n", png, size);
		if (answer.status != 200)
			fail_msg("%d %s", answer.status, answer.body);
		answer_free(&answer);
		/* the same one again is told apart from a new one */
		answer = http_ask_n(site->port, "POST", "/api/v1/tray", "Content-Type: image/png\r\n", png, size);
		assert_true(answer.status >= 400 && strstr(answer.body, "already"));
		answer_free(&answer);
		free(png);
	}
}

static void test_teach(void **state)
{
	struct site site = site_open("record: {images: all}\n", "");
	char before[128], after[128];
	struct answer answer;

	(void)state;
	for (int i = 0; i < 12; i++)
		assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", NULL, "{}"), 200);
	content_of(&site, before);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/workshop/teach", NULL, "{}"), 422);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/workshop/activate", NULL, "{}"), 422);
	fill_tray(&site, 14);
	for (int i = 0; i < WAIT_S * 20; i++) {
		answer = ask(&site, "GET", "/api/v1/tray", NULL, 200);
		bool measured = !strstr(answer.body, "\"measured\":false");
		answer_free(&answer);
		if (measured)
			break;
		usleep(50000);
	}
	answer = ask(&site, "GET", "/api/v1/tray", NULL, 200);
	assert_int_equal((int)number_of(answer.body, "count"), 14);
	/* the first ten have nothing to be compared with; the others are more of the same */
	assert_true(number_of(answer.body, "novel_in_last_ten") < 10);
	answer_free(&answer);
	assert_int_equal(http_status(site.port, "GET", "/api/v1/tray/14/picture", NULL, NULL), 200);
	assert_int_equal(http_status(site.port, "DELETE", "/api/v1/tray/14", NULL, NULL), 200);
	assert_int_equal(http_status(site.port, "GET", "/api/v1/tray/14/picture", NULL, NULL), 404);

	assert_int_equal(http_status(site.port, "POST", "/api/v1/workshop/teach", NULL, "{\"overkill\":0.9}"), 400);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/workshop/teach", NULL, "{\"recipe\":\"none\"}"), 422);
	assert_int_equal(
		http_status(site.port, "POST", "/api/v1/workshop/teach", NULL, "{\"recipe\":\"quick\",\"overkill\":0.05}"),
		200);
	answer = wait_phase(&site, "ready");
	assert_int_equal((int)number_of(answer.body, "goods"), 13);
	assert_int_equal((int)number_of(answer.body, "tried"), 12);
	answer_free(&answer);
	/* nothing changed yet, and nothing else begins meanwhile */
	content_of(&site, after);
	assert_string_equal(before, after);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/workshop/teach", NULL, "{}"), 409);
	assert_int_equal(http_status(site.port, "GET", "/api/v1/workshop/flips", NULL, NULL), 200);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/workshop/activate", NULL, "{}"), 200);
	content_of(&site, after);
	assert_string_not_equal(before, after);
	answer = ask(&site, "POST", "/api/v1/trigger", "{}", 200);
	answer_free(&answer);
	assert_int_equal(http_status(site.port, "DELETE", "/api/v1/tray", NULL, NULL), 200);
	site_close(&site);
	save_recipe("quick", 64, 0.1);
}

static void test_collect(void **state)
{
	struct site site = site_open("record: {images: all}\ntriggers:\n  - {type: timer, rate_hz: 20}\n", "");
	struct answer answer;

	(void)state;
	assert_int_equal(http_status(site.port, "POST", "/api/v1/tray/collect", NULL, "{\"camera\":\"side\",\"count\":5}"),
					 422);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/tray/collect", NULL, "{\"camera\":\"top\",\"count\":5}"),
					 200);
	answer = wait_phase(&site, "idle");
	answer_free(&answer);
	answer = ask(&site, "GET", "/api/v1/tray", NULL, 200);
	assert_int_equal((int)number_of(answer.body, "count"), 5);
	answer_free(&answer);
	/* more than the line can show, cancelled */
	assert_int_equal(http_status(site.port, "POST", "/api/v1/tray/collect", NULL, "{\"count\":400}"), 200);
	assert_int_equal(http_status(site.port, "DELETE", "/api/v1/tray", NULL, NULL), 409);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/workshop/cancel", NULL, "{}"), 200);
	answer = wait_phase(&site, "idle");
	answer_free(&answer);
	assert_int_equal(http_status(site.port, "DELETE", "/api/v1/tray", NULL, NULL), 200);
	site_close(&site);
}

/* People call some rejected parts good: the recipe learns them, and its revert gives the old bits. */
static void test_learn_and_revert(void **state)
{
	struct site site = site_open("record: {images: all}\n", "");
	char before[128], learnt[128], reverted[128], path[96];
	struct answer answer;
	int rejected = 0;

	(void)state;
	/* with the network of the product, which sees the defects of the line */
	fill_tray(&site, 12);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/workshop/teach", NULL, "{\"recipe\":\"quick\"}"), 200);
	answer = wait_phase(&site, "ready");
	answer_free(&answer);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/workshop/activate", NULL, "{}"), 200);
	for (int i = 0; i < 30; i++)
		assert_int_equal(http_status(site.port, "POST", "/api/v1/trigger", NULL, "{}"), 200);
	content_of(&site, before);
	answer = ask(&site, "POST", "/api/v1/workshop/learn", "{\"recipe\":\"quick\"}", 200);
	answer_free(&answer);
	answer = wait_phase(&site, "failed");
	assert_non_null(strstr(answer.body, "review some parts first"));
	answer_free(&answer);
	for (int sequence = 1; sequence <= 30; sequence++) {
		char verdict[16];

		snprintf(path, sizeof(path), "/api/v1/parts/%d", sequence);
		answer = ask(&site, "GET", path, NULL, 200);
		text_of(answer.body, "verdict", verdict, sizeof(verdict));
		answer_free(&answer);
		snprintf(path, sizeof(path), "/api/v1/parts/%d/reviews", sequence);
		if (!strcmp(verdict, "FAIL") && rejected < 4) {
			assert_int_equal(http_status(site.port, "POST", path, NULL, "{\"judgement\":\"good\"}"), 200);
			rejected++;
		}
	}
	assert_true(rejected > 0);
	answer = ask(&site, "POST", "/api/v1/workshop/learn", "{\"recipe\":\"quick\"}", 200);
	answer_free(&answer);
	answer = wait_phase(&site, "ready");
	assert_int_equal((int)number_of(answer.body, "goods"), rejected);
	assert_int_equal((int)number_of(answer.body, "overkill_before"), rejected);
	assert_true(number_of(answer.body, "overkill_after") < rejected);
	assert_true(number_of(answer.body, "to_pass") > 0);
	answer_free(&answer);
	answer = ask(&site, "GET", "/api/v1/workshop/flips", NULL, 200);
	assert_non_null(strstr(answer.body, "\"before\":\"FAIL\",\"after\":\"PASS\""));
	assert_non_null(strstr(answer.body, "\"judgement\":\"good\""));
	answer_free(&answer);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/workshop/activate", NULL, "{}"), 200);
	content_of(&site, learnt);
	assert_string_not_equal(before, learnt);

	/* discarding changes nothing; the way back ends at the very bits */
	assert_int_equal(http_status(site.port, "POST", "/api/v1/workshop/revert", NULL, "{\"recipe\":\"quick\"}"), 200);
	answer = wait_phase(&site, "ready");
	answer_free(&answer);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/workshop/discard", NULL, "{}"), 200);
	content_of(&site, reverted);
	assert_string_equal(reverted, learnt);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/workshop/revert", NULL, "{\"recipe\":\"quick\"}"), 200);
	answer = wait_phase(&site, "ready");
	answer_free(&answer);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/workshop/activate", NULL, "{}"), 200);
	content_of(&site, reverted);
	assert_string_equal(reverted, before);
	site_close(&site);
	save_recipe("quick", 64, 0.1);
}

/* From no recipe to verdicts without a restart. */
static void test_first_start(void **state)
{
	struct site site;
	struct answer answer;
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/quick.assay", room);
	assert_int_equal(unlink(path), 0);
	site = site_open("record: {images: all}\n", "");
	answer = ask(&site, "POST", "/api/v1/trigger", "{}", 200);
	assert_non_null(strstr(answer.body, "\"verdict\":\"FAULT\",\"fault\":\"no_recipe\""));
	answer_free(&answer);
	answer = ask(&site, "GET", "/api/v1/recipes", NULL, 200);
	assert_non_null(strstr(answer.body, "\"taught\":false"));
	answer_free(&answer);
	answer = ask(&site, "GET", "/api/v1/recipes/quick/lineage", NULL, 422);
	answer_free(&answer);
	fill_tray(&site, 12);
	answer = ask(&site, "POST", "/api/v1/workshop/teach", "{\"recipe\":\"quick\"}", 200);
	answer_free(&answer);
	answer = wait_phase(&site, "ready");
	answer_free(&answer);
	assert_int_equal(http_status(site.port, "POST", "/api/v1/workshop/activate", NULL, "{}"), 200);
	answer = ask(&site, "POST", "/api/v1/trigger", "{}", 200);
	assert_null(strstr(answer.body, "\"verdict\":\"FAULT\""));
	answer_free(&answer);
	site_close(&site);
	save_recipe("quick", 64, 0.1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_teach),
		cmocka_unit_test(test_collect),
		cmocka_unit_test(test_learn_and_revert),
		cmocka_unit_test(test_first_start),
	};
	return cmocka_run_group_tests(tests, open_room, close_room);
}
