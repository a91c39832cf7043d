/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "broker.h"
#include "station/output/sparkplug.h"

static struct broker broker;

static void metric_bytes(void **state)
{
	(void)state;
	uint8_t out[64];
	struct assay__spb_writer writer = {.out = out, .size_bytes = sizeof(out)};
	assay__spb_put_timestamp(&writer, 300);
	assay__spb_put_metric(&writer, &(struct assay__spb_metric){.name = "ab",
															   .alias = 3,
															   .timestamp_ms = 150,
															   .type = ASSAY__SPB_DOUBLE,
															   .is_historical = true,
															   .real = 1.0});
	assay__spb_put_metric(&writer, &(struct assay__spb_metric){.alias = 4, .type = ASSAY__SPB_STRING, .is_null = true});
	assay__spb_put_seq(&writer, 255);
	static const uint8_t wanted[] = {0x08, 0xAC, 0x02, 0x12, 0x16, 0x0A, 2,	 'a',  'b', 0x10, 3,	0x18, 0x96, 0x01,
									 0x20, 10,	 0x28, 1,	 0x69, 0,	 0,	 0,	   0,	0,	  0,	0xF0, 0x3F, 0x12,
									 8,	   0x10, 4,	   0x18, 0,	   0x20, 12, 0x38, 1,	0x18, 0xFF, 0x01};
	assert_false(writer.full);
	assert_int_equal(writer.used_bytes, sizeof(wanted));
	assert_memory_equal(out, wanted, sizeof(wanted));
	/* Whatever room there is, nothing is written beyond it. */
	for (size_t room = 0; room < sizeof(wanted); room++) {
		uint8_t *exact = malloc(room + 1);
		assert_non_null(exact);
		writer = (struct assay__spb_writer){.out = exact, .size_bytes = room};
		assay__spb_put_metric(&writer,
							  &(struct assay__spb_metric){.name = "ab", .type = ASSAY__SPB_UINT32, .integer = 70000});
		assay__spb_put_metric(
			&writer, &(struct assay__spb_metric){.name = "0123456789", .type = ASSAY__SPB_STRING, .text = "xyz"});
		assert_true(writer.full || room > 33);
		free(exact);
	}
}

static void rebirth_is_read(void **state)
{
	(void)state;
	const char *name = "Node Control/Rebirth";
	uint8_t out[128];
	struct assay__spb_writer writer = {.out = out, .size_bytes = sizeof(out)};
	assay__spb_put_timestamp(&writer, 1764000000000);
	assay__spb_put_metric(&writer,
						  &(struct assay__spb_metric){.name = "other", .type = ASSAY__SPB_BOOLEAN, .integer = 1});
	assay__spb_put_metric(&writer, &(struct assay__spb_metric){.name = name, .type = ASSAY__SPB_BOOLEAN, .integer = 1});
	assert_true(assay__spb_has_true(out, writer.used_bytes, name));
	assert_false(assay__spb_has_true(out, writer.used_bytes, "Node Control/Reboot"));
	/* Cut anywhere and with any byte changed: read to its end and not beyond. */
	for (size_t cut = 0; cut < writer.used_bytes; cut++) {
		uint8_t *exact = malloc(cut + 1);
		assert_non_null(exact);
		memcpy(exact, out, cut);
		exact = realloc(exact, cut ? cut : 1);
		assert_false(assay__spb_has_true(exact, cut, name));
		for (size_t at = 0; at < cut; at++)
			for (int value = 0; value < 256; value += 5) {
				uint8_t kept = exact[at];
				exact[at] = (uint8_t)value;
				assay__spb_has_true(exact, cut, name);
				exact[at] = kept;
			}
		free(exact);
	}
}

static int open_sparkplug(struct fake *fake, const char *state_dir)
{
	const char *settings[] = {"host",  "127.0.0.1", "port", broker.port_text, "record_wait_ms", "0",
							  "group", "plant",		NULL};
	return fake_open(fake, &assay__output_sparkplug, settings, state_dir, NULL);
}

static void post_range(struct fake *fake, int from, int last)
{
	for (int i = from; i <= last; i++) {
		struct assay__part part = fake_part((uint64_t)i, ASSAY_PASS);
		fake_post(fake, &part);
		usleep(2000);
	}
}

static bool received(int sequence)
{
	/* The code P-000123 in hexadecimal. */
	char code[16], hex[40] = "";
	snprintf(code, sizeof(code), "P-%06d", sequence);
	for (char *at = code; *at; at++)
		snprintf(hex + strlen(hex), sizeof(hex) - strlen(hex), "%02x", *at);
	return broker_count(&broker, hex) > 0;
}

/* Runs the decoder over all that came; NULL, with a message, if it is not to be had. The text is from malloc. */
static char *decode(void)
{
	char command[700], out[1000];
	if (!have_program("node") || !have_program("npm")) {
		print_message("node and npm are not installed: not decoded independently\n");
		return NULL;
	}
	snprintf(command, sizeof(command),
			 "[ -d sparkplug-decoder/node_modules/sparkplug-payload ] || npm install --no-audit --no-fund --prefix "
			 "sparkplug-decoder sparkplug-payload >/dev/null 2>&1");
	if (run_command(command, out, sizeof(out))) {
		print_message("npm cannot install sparkplug-payload: not decoded independently\n");
		return NULL;
	}
	snprintf(command, sizeof(command),
			 "grep -v STATE %s | node %s/sparkplug_decode.js \"$PWD/sparkplug-decoder/node_modules\" > %s/decoded 2>&1",
			 broker.received, TEST_SOURCE_DIR, broker.folder);
	int status = run_command(command, out, sizeof(out));
	snprintf(command, sizeof(command), "%s/decoded", broker.folder);
	char *text = read_text(command);
	if (status)
		fail_msg("the decoder refuses: %s", text);
	return text;
}

/* seq runs 0..255 from every NBIRTH on, without a gap, over NBIRTH, DBIRTH, DDATA and DDEATH. Returns how many NBIRTHs there were. */
static int check_seq(const char *text)
{
	int next = -1, births = 0;
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		const char *end = strchr(line, '\n'), *seq = strstr(line, "\"seq\":");
		if (strncmp(line, "spBv1.0/plant/NBIRTH/", 21) == 0) {
			next = 0;
			births++;
		}
		if (!seq || seq > end)
			continue;
		int found = atoi(seq + 6);
		if (next >= 0 && found != next)
			fail_msg("seq %d where %d was due: %.100s", found, next, line);
		next = (found + 1) % 256;
	}
	return births;
}

static void births_data_outage_rebirth(void **state)
{
	(void)state;
	char folder[64], command[400], out[100];
	struct fake fake = {0};
	make_folder(folder);
	assert_int_equal(open_sparkplug(&fake, folder), 0);
	assert_true(WAIT_FOR(fake_health(&fake).up));
	post_range(&fake, 1, 300);
	assert_true(WAIT_FOR(received(300)));
	/* An NCMD by hand: timestamp, one metric. */
	snprintf(
		command, sizeof(command),
		"printf '\\010\\001\\022\\032\\012\\024Node Control/Rebirth\\040\\013\\160\\001' | mosquitto_pub -p %d -q 1 -t "
		"spBv1.0/plant/NCMD/line1 -s",
		broker.port);
	assert_int_equal(run_command(command, out, sizeof(out)), 0);
	assert_true(WAIT_FOR(broker_count(&broker, "NBIRTH") == 2));
	broker_stop(&broker);
	post_range(&fake, 301, 400);
	broker_start(&broker);
	post_range(&fake, 401, 420);
	assert_true(WAIT_FOR(received(420)));
	for (int i = 1; i <= 420; i++)
		if (!received(i))
			fail_msg("part %d is missing", i);
	assert_int_equal(fake_health(&fake).lost, 0);
	assert_true(WAIT_FOR(fake_health(&fake).sent >= 420));
	fake_close(&fake, 1000);
	assert_true(WAIT_FOR(broker_count(&broker, "NDEATH") >= 1 && broker_count(&broker, "DDEATH") == 1));
	remove_folder(folder);
	char *text = decode();
	if (!text)
		skip();
	assert_int_equal(check_seq(text), 3);
	/* Nothing is sent twice as news, and what waited for the broker is history. */
	assert_true(count_text(text, "\"isHistorical\":true") >= 13 * 100);
	assert_true(count_text(text, "DBIRTH") == 3);
	assert_non_null(strstr(text, "\"name\":\"bdSeq\""));
	assert_non_null(strstr(text, "\"name\":\"Verdict/Result\""));
	assert_non_null(strstr(text, "\"value\":\"P-000420\""));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metric_bytes),
		cmocka_unit_test(rebirth_is_read),
		cmocka_unit_test(births_data_outage_rebirth),
	};
	if (!broker_open(&broker, "spBv1.0/#", true)) {
		struct CMUnitTest few[2] = {tests[0], tests[1]};
		int failed = cmocka_run_group_tests(few, NULL, NULL);
		return failed ? failed : 77;
	}
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	broker_close(&broker);
	return failed;
}
