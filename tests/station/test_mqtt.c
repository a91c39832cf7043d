/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker.h"
#include "station/output/flat_json.h"
#include "station/output/output_common.h"
#include "unit/failing.h"

static struct broker broker;

static int open_mqtt(struct fake *fake, const char *state_dir, const char *wait_ms)
{
	const char *settings[] = {"host",	 "127.0.0.1", "port", broker.port_text, "record_wait_ms", wait_ms,
							  "trigger", "yes",		  NULL};
	return fake_open(fake, &assay__output_mqtt, settings, state_dir, NULL);
}

/* Sequences received: all of 1..last are there, and the first of each comes in order. Sequences below `from` are passed over. */
static void expect_all(int from, int last)
{
	char *text = read_text(broker.received), wanted[40];
	const char *before = text;
	for (int i = from; i <= last; i++) {
		snprintf(wanted, sizeof(wanted), "\"sequence\":%d,", i);
		const char *found = strstr(text, wanted);
		if (!found)
			fail_msg("message %d is missing", i);
		if (found < before)
			fail_msg("message %d is out of order", i);
		before = found;
	}
	free(text);
}

static bool received(int sequence)
{
	char wanted[40];
	snprintf(wanted, sizeof(wanted), "\"sequence\":%d,", sequence);
	return broker_count(&broker, wanted) > 0;
}

static void post_range(struct fake *fake, int from, int last)
{
	for (int i = from; i <= last; i++) {
		struct assay__part part = fake_part((uint64_t)i, i % 3 ? ASSAY_PASS : ASSAY_FAIL);
		fake_post(fake, &part);
		usleep(2000);
	}
}

static void outage_and_restart_lose_nothing(void **state)
{
	(void)state;
	char folder[64];
	struct fake fake = {0};
	make_folder(folder);
	assert_int_equal(open_mqtt(&fake, folder, "0"), 0);
	post_range(&fake, 1, 100);
	assert_true(WAIT_FOR(received(100)));
	broker_stop(&broker);
	post_range(&fake, 101, 400);
	assert_false(fake_health(&fake).up);
	broker_start(&broker);
	post_range(&fake, 401, 450);
	assert_true(WAIT_FOR(received(450)));
	expect_all(1, 450);
	/* Stopped under load. */
	for (int i = 451; i <= 700; i++) {
		struct assay__part part = fake_part((uint64_t)i, ASSAY_PASS);
		fake_post(&fake, &part);
		if (i == 550)
			broker_stop(&broker);
	}
	/* The station ends while the broker is away; the next run delivers. */
	fake_close(&fake, 200);
	struct fake again = {0};
	assert_int_equal(open_mqtt(&again, folder, "0"), 0);
	post_range(&again, 701, 720);
	broker_start(&broker);
	assert_true(WAIT_FOR(received(720)));
	expect_all(1, 720);
	assert_int_equal(fake_health(&again).lost, 0);
	fake_close(&again, 1000);
	remove_folder(folder);
}

static void record_comes_first(void **state)
{
	(void)state;
	struct fake fake = {0};
	assert_int_equal(open_mqtt(&fake, NULL, "1500"), 0);
	struct assay__part part = fake_part(2001, ASSAY_PASS);
	assert_true(WAIT_FOR(fake_health(&fake).up));
	fake_post(&fake, &part);
	usleep(300000);
	assert_false(received(2001));
	fake_record(&fake, 2001);
	assert_true(WAIT_FOR(received(2001)));
	part = fake_part(2002, ASSAY_PASS);
	fake_post(&fake, &part);
	assert_true(WAIT_FOR(received(2002)));
	assert_true(broker_count(&broker, "\"recorded\":true,\"record_hash\":\"a5a5a5") == 1);
	assert_true(broker_count(&broker, "\"recorded\":false,\"record_hash\":null") >= 1);
	fake_close(&fake, 1000);
}

static void publish(const char *topic, const char *payload)
{
	char command[400], out[100];
	snprintf(command, sizeof(command), "mosquitto_pub -p %d -q 1 -t '%s' -m '%s'", broker.port, topic, payload);
	assert_int_equal(run_command(command, out, sizeof(out)), 0);
}

static void triggers_and_recipes(void **state)
{
	(void)state;
	struct fake fake = {0};
	int before = broker_count(&broker, "{\"state\":\"offline\"}");
	assert_int_equal(open_mqtt(&fake, NULL, "0"), 0);
	assert_true(WAIT_FOR(fake_health(&fake).up));
	publish("assay/line1/trigger", "{\"trigger_id\": 12, \"code\": \"X-9\"}");
	assert_true(WAIT_FOR(atomic_load(&fake.triggers) == 1));
	assert_int_equal(atomic_load(&fake.trigger_id), 12);
	assert_string_equal(fake.code, "X-9");
	publish("assay/line1/trigger", "rubbish");
	assert_true(WAIT_FOR(strstr(fake.last_event, "a trigger over MQTT cannot be read") != NULL));
	publish("assay/line1/recipe", "2");
	assert_true(WAIT_FOR(atomic_load(&fake.recipe) == 2));
	publish("assay/line1/recipe", "housing left");
	assert_true(WAIT_FOR(strcmp(fake.recipe_name, "housing left") == 0));
	assert_int_equal(atomic_load(&fake.triggers), 1);
	atomic_store(&fake.challenge_due, true);
	publish("assay/line1/challenge", "begin");
	assert_true(WAIT_FOR(atomic_load(&fake.challenges) == 1));
	publish("assay/line1/challenge", "cancel");
	assert_true(WAIT_FOR(atomic_load(&fake.cancels) == 1));
	publish("assay/line1/challenge", "begin now");
	assert_true(WAIT_FOR(strstr(fake.last_event, "challenge_refused") != NULL));
	assert_int_equal(atomic_load(&fake.challenges), 1);
	fake_close(&fake, 500);
	assert_true(WAIT_FOR(broker_count(&broker, "{\"state\":\"offline\"}") > before));
}

static void asks_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int err;
		uint64_t id;
		const char *code;
	} cases[] = {
		{"", 0, 0, ""},
		{" 17 \n", 0, 17, ""},
		{"{}", 0, 0, ""},
		{"{\"trigger_id\":5}", 0, 5, ""},
		{" { \"code\" : \"a\\\"\\u00e4\\n\" , \"other\":1.5, \"trigger_id\":9223372036854775807 } ", 0, INT64_MAX,
		 "a\"\xC3\xA4\n"},
		{"{\"code\":\"\"}", 0, 0, ""},
		{"-1", ASSAY_E_FORMAT, 0, NULL},
		{"{\"trigger_id\":-1}", ASSAY_E_FORMAT, 0, NULL},
		{"{\"trigger_id\":5", ASSAY_E_FORMAT, 0, NULL},
		{"{\"trigger_id\":5}x", ASSAY_E_FORMAT, 0, NULL},
		{"{\"trigger_id\":{}}", ASSAY_E_FORMAT, 0, NULL},
		{"{\"code\":\"\\ud800\"}", ASSAY_E_FORMAT, 0, NULL},
		{"{\"code\":\"\\u0000\"}", ASSAY_E_FORMAT, 0, NULL},
		{"{\"code\":\"\xFF\"}", ASSAY_E_FORMAT, 0, NULL},
		{"{\"code\":\"a", ASSAY_E_FORMAT, 0, NULL},
		{"{\"code\":\"a\\", ASSAY_E_FORMAT, 0, NULL},
		{"{\"code\"", ASSAY_E_FORMAT, 0, NULL},
		{"{,}", ASSAY_E_FORMAT, 0, NULL},
		{"[1]", ASSAY_E_FORMAT, 0, NULL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t length = strlen(cases[i].text);
		char *exact = malloc(length + 1); /* its end is found by the sanitizer */
		struct assay__ask ask;
		struct assay_error error = {0};
		assert_non_null(exact);
		memcpy(exact, cases[i].text, length);
		assert_int_equal(assay__ask_read(exact, length, &ask, &error), cases[i].err);
		if (cases[i].err)
			assert_true(error.message[0] != '\0');
		if (!cases[i].err) {
			assert_int_equal(ask.trigger_id, cases[i].id);
			assert_string_equal(ask.code, cases[i].code);
		}
		free(exact);
	}
}

static void json_of_a_verdict(void **state)
{
	(void)state;
	struct assay__part part = fake_part(7, ASSAY_FAIL);
	struct assay__verdict verdict;
	struct assay__json json;
	const char *text;
	part.trigger_us = part.verdict_us - 4321;
	assay__verdict_from_part(&part, &verdict);
	assay__json_open(&json, NULL);
	assay__verdict_json(&verdict, "line1", &json);
	assert_int_equal(assay__json_text(&json, &text, NULL, NULL), 0);
	assert_string_equal(
		text, "{\"schema\":1,\"station\":\"line1\",\"sequence\":7,\"trigger_id\":1007,\"trigger\":\"modbus\","
			  "\"time\":\"2025-11-24T16:00:00.130456Z\",\"latency_us\":4321,\"verdict\":\"FAIL\",\"fault\":\"none\","
			  "\"reason\":\"1 place above the "
			  "threshold\",\"code\":\"P-000007\",\"code_generated\":false,\"code_state\":\"none\",\"code_symbology\":"
			  "null,\"recipe\":\"housing\","
			  "\"operator\":\"\",\"challenge\":false,\"score\":11.71875,\"threshold\":3.90625,\"region_count\":1,"
			  "\"regions\":[{\"camera\":\"top\",\"x\":10,\"y\":20,\"width\":30,\"height\":40,\"area_px\":900,\"length_"
			  "px\":0,\"zone\":null,\"counts\":false,\"score\":"
			  "11.71875}],"
			  "\"views\":[{\"camera\":\"top\",\"verdict\":\"FAIL\",\"fault\":\"none\",\"score\":11.71875,\"threshold\":"
			  "3.90625,"
			  "\"region_count\":1}],\"recorded\":false,\"record_hash\":null}\n");
	assay__json_close(&json);
}

static void failing_allocations(void **state)
{
	(void)state;
	char folder[64];
	int opened = 0;
	make_folder(folder);
	for (int k = 1; k < 8; k++) {
		struct failing failing;
		struct fake fake = {0};
		failing_open(&failing, k);
		fake.port.allocator = &failing.allocator;
		int err = open_mqtt(&fake, folder, "0");
		assert_true(err == 0 || err == ASSAY_E_NOMEM);
		if (err == 0) {
			opened++;
			fake_close(&fake, 0);
		}
		assert_int_equal(atomic_load(&failing.alive), 0);
	}
	assert_in_range(opened, 1, 6);
	remove_folder(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_are_read),	   cmocka_unit_test(json_of_a_verdict),
		cmocka_unit_test(failing_allocations), cmocka_unit_test(triggers_and_recipes),
		cmocka_unit_test(record_comes_first),  cmocka_unit_test(outage_and_restart_lose_nothing),
	};
	snprintf(broker.port_text, sizeof(broker.port_text), "%d", free_port());
	if (!broker_open(&broker, "assay/#", false)) {
		struct CMUnitTest few[3] = {tests[0], tests[1], tests[2]};
		int failed = cmocka_run_group_tests(few, NULL, NULL);
		return failed ? failed : 77;
	}
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	broker_close(&broker);
	return failed;
}
