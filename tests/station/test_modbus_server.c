/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_station.h"
#include "station/output/modbus_map.h"
#include "station/output/modbus_pdu.h"
#include "unit/failing.h"

static int open_server(struct fake *fake, int *port, const char *option, const char *value)
{
	const char *settings[] = {"bind", "127.0.0.1", "port", "0", option, value, NULL};
	struct assay_error error;
	int err = fake_open(fake, &assay__output_modbus_server, settings, NULL, &error);
	if (err)
		print_message("%s\n", error.message);
	else
		sscanf(fake_health(fake).state, "listening on 127.0.0.1 port %d", port);
	return err;
}

/* Sends a request (unit and PDU, without the head before) and returns the length of the PDU that comes back, -1 for none. */
static int ask(int fd, const uint8_t *pdu, size_t size, uint8_t *out)
{
	uint8_t frame[260] = {0x12, 0x34, 0, 0, (uint8_t)((size + 1) >> 8), (uint8_t)(size + 1), 0xFF}, head[7];
	memcpy(frame + 7, pdu, size);
	if (send(fd, frame, size + 7, MSG_NOSIGNAL) != (ssize_t)size + 7 || recv(fd, head, 7, MSG_WAITALL) != 7)
		return -1;
	int length = (head[4] << 8 | head[5]) - 1;
	assert_memory_equal(head, frame, 4);
	return recv(fd, out, (size_t)length, MSG_WAITALL) == length ? length : -1;
}

static unsigned input_bits(int fd)
{
	uint8_t out[256];
	assert_int_equal(ask(fd, (uint8_t[]){2, 0, 0, 0, 16}, 5, out), 4);
	return out[2] | (unsigned)out[3] << 8;
}

static unsigned word(int fd, unsigned address)
{
	uint8_t out[256];
	assert_int_equal(ask(fd, (uint8_t[]){4, 0, (uint8_t)address, 0, 1}, 5, out), 4);
	return (unsigned)out[2] << 8 | out[3];
}

static void set_coil(int fd, int coil, bool on)
{
	uint8_t out[256], pdu[] = {5, 0, (uint8_t)coil, on ? 0xFF : 0, 0};
	assert_int_equal(ask(fd, pdu, 5, out), 5);
	assert_memory_equal(out, pdu, 5);
}

static void handshake(void **state)
{
	(void)state;
	struct fake fake = {0};
	int port = 0;
	assert_int_equal(open_server(&fake, &port, "hold", "next_trigger"), 0);
	int fd = connect_to(port);
	assert_true(fd >= 0);
	assert_int_equal(input_bits(fd) & 0x3F, 1 << ASSAY__MODBUS_READY);
	/* Trigger, id and code in one write: registers 0..39. */
	uint8_t pdu[6 + 80] = {16, 0, 0, 0, 40, 80, 0, 1, 0, 0, 0x00, 0x01, 0x86, 0xA1}, out[256];
	memcpy(pdu + 6 + 16, "AB-\xC3\xA4", 5);
	assert_int_equal(ask(fd, pdu, sizeof(pdu), out), 5);
	assert_int_equal(atomic_load(&fake.triggers), 1);
	assert_int_equal(atomic_load(&fake.trigger_id), 100001);
	assert_string_equal(fake.code, "AB-\xC3\xA4");
	/* The bit stays up: no second edge. */
	assert_int_equal(ask(fd, pdu, sizeof(pdu), out), 5);
	assert_int_equal(atomic_load(&fake.triggers), 1);
	assert_int_equal(input_bits(fd) >> ASSAY__MODBUS_RESULT_VALID & 1, 0);
	struct assay__part part = fake_part(77, ASSAY_FAIL);
	part.trigger_id = 100001;
	fake_post(&fake, &part);
	/* Visible to the very next request. */
	assert_int_equal(input_bits(fd) & 0x3E, 1 << ASSAY__MODBUS_RESULT_VALID | 1 << ASSAY__MODBUS_FAIL);
	assert_int_equal(word(fd, 40), 2);
	assert_int_equal(word(fd, 42) << 16 | word(fd, 43), 100001);
	assert_int_equal(word(fd, 47), 77);
	assert_int_equal(word(fd, 49), 3000);
	assert_int_equal(word(fd, 51), 1000);
	assert_int_equal(word(fd, 52), 300);
	assert_int_equal(word(fd, 53), 1);
	assert_int_equal(word(fd, 55), 7000);
	assert_int_equal(word(fd, 57), 'P' << 8 | '-');
	assert_int_equal(word(fd, 8) << 16 | word(fd, 9), 70000);
	assert_int_equal(word(fd, 111), 1);
	/* The mirror shows the same. */
	assert_int_equal(ask(fd, (uint8_t[]){3, 0, 140, 0, 1}, 5, out), 4);
	assert_int_equal(out[3], 2);
	set_coil(fd, ASSAY__MODBUS_ACKNOWLEDGE, true);
	assert_int_equal(input_bits(fd) & 0x3E, 0);
	assert_int_equal(word(fd, 47), 77);
	/* Not ready: missed, answered by FAULT. */
	atomic_store(&fake.ready, false);
	set_coil(fd, ASSAY__MODBUS_TRIGGER, false);
	set_coil(fd, ASSAY__MODBUS_TRIGGER, true);
	assert_int_equal(input_bits(fd) & 0x3F, 1 << ASSAY__MODBUS_RESULT_VALID | 1 << ASSAY__MODBUS_FAULT);
	assert_int_equal(input_bits(fd) >> ASSAY__MODBUS_MISSED & 1, 1);
	assert_int_equal(word(fd, 41), ASSAY__FAULT_NOT_READY);
	/* Challenge parts: due, announced once for each edge, refused when none can begin. */
	assert_int_equal(input_bits(fd) >> ASSAY__MODBUS_CHALLENGE_DUE & 1, 0);
	atomic_store(&fake.challenge_due, true);
	assert_int_equal(input_bits(fd) >> ASSAY__MODBUS_CHALLENGE_DUE & 1, 1);
	assert_int_equal(word(fd, 0) >> ASSAY__MODBUS_CHALLENGE_DUE & 1, 1);
	set_coil(fd, ASSAY__MODBUS_CHALLENGE, true);
	set_coil(fd, ASSAY__MODBUS_CHALLENGE, true);
	assert_int_equal(atomic_load(&fake.challenges), 1);
	set_coil(fd, ASSAY__MODBUS_CHALLENGE, false);
	atomic_store(&fake.challenge_due, false);
	set_coil(fd, ASSAY__MODBUS_CHALLENGE, true);
	assert_int_equal(atomic_load(&fake.challenges), 1);
	assert_non_null(strstr(fake.last_event, "challenge_refused"));
	/* Recipes: one there is, one there is not. */
	assert_int_equal(ask(fd, (uint8_t[]){6, 0, 1, 0, 3}, 5, out), 5);
	assert_int_equal(word(fd, 3), 3);
	int events = atomic_load(&fake.events);
	assert_int_equal(ask(fd, (uint8_t[]){6, 0, 1, 0, 9}, 5, out), 5);
	assert_true(atomic_load(&fake.events) > events);
	assert_int_equal(word(fd, 3), 3);
	close(fd);
	fake_close(&fake, 0);
}

/* A PLC that never acknowledges, and one that never reads. */
static void nobody_acknowledges(void **state)
{
	(void)state;
	struct fake fake = {0};
	int port = 0;
	assert_int_equal(open_server(&fake, &port, "hold", "acknowledge"), 0);
	int64_t longest_us = 0;
	for (uint64_t i = 1; i <= 20000; i++) {
		struct assay__part part = fake_part(i, ASSAY_PASS);
		int64_t before_us = assay__clock_us();
		fake_post(&fake, &part);
		int64_t took_us = assay__clock_us() - before_us;
		longest_us = took_us > longest_us ? took_us : longest_us;
	}
	print_message("20000 posts, longest %lld us\n", (long long)longest_us);
	int fd = connect_to(port);
	assert_int_equal(word(fd, 5), 20000);
	assert_int_equal(word(fd, 7), 19999);
	assert_int_equal(word(fd, 47), 20000);
	/* A trigger does not clear what waits for its acknowledgement. */
	set_coil(fd, ASSAY__MODBUS_TRIGGER, true);
	assert_int_equal(input_bits(fd) >> ASSAY__MODBUS_RESULT_VALID & 1, 1);
	set_coil(fd, ASSAY__MODBUS_ACKNOWLEDGE, true);
	assert_int_equal(input_bits(fd) >> ASSAY__MODBUS_RESULT_VALID & 1, 0);
	struct assay__output_health health = fake_health(&fake);
	assert_int_equal(health.posted, 20000);
	assert_int_equal(health.lost, 19999);
	close(fd);
	fake_close(&fake, 0);
}

static void valid_waits_for_the_record(void **state)
{
	(void)state;
	struct fake fake = {0};
	int port = 0;
	const char *settings[] = {"bind", "127.0.0.1", "port", "0", "durable_ack", "yes", "record_wait_ms", "300", NULL};
	assert_int_equal(fake_open(&fake, &assay__output_modbus_server, settings, NULL, NULL), 0);
	sscanf(fake_health(&fake).state, "listening on 127.0.0.1 port %d", &port);
	int fd = connect_to(port);
	struct assay__part part = fake_part(5, ASSAY_PASS);
	fake_post(&fake, &part);
	assert_int_equal(input_bits(fd) & 0x3E, 0);
	fake_record(&fake, 5);
	assert_true(WAIT_FOR((input_bits(fd) & 0x3E) == (1 << ASSAY__MODBUS_RESULT_VALID | 1 << ASSAY__MODBUS_PASS)));
	/* A record that never comes makes it FAULT. */
	part = fake_part(6, ASSAY_PASS);
	fake_post(&fake, &part);
	assert_true(WAIT_FOR(word(fd, 41) == ASSAY__FAULT_RECORD));
	assert_int_equal(word(fd, 40), 3);
	close(fd);
	fake_close(&fake, 0);
}

/* Half a request, a flood without reading, rubbish, and many idle ones: the good client is served all the while. */
static void odd_clients_hurt_nobody(void **state)
{
	(void)state;
	struct fake fake = {0};
	int port = 0, idle[40], half, flood;
	assert_int_equal(open_server(&fake, &port, "max_clients", "48"), 0);
	int fd = connect_to(port);
	half = connect_to(port);
	assert_int_equal(send(half, "\0\1\0\0\0", 5, MSG_NOSIGNAL), 5);
	flood = connect_to(port);
	fcntl(flood, F_SETFL, O_NONBLOCK);
	const uint8_t big[] = {0, 1, 0, 0, 0, 6, 1, 4, 0, 0, 0, 112};
	int sent = 0;
	for (int i = 0; i < 200000 && send(flood, big, sizeof(big), MSG_NOSIGNAL) == sizeof(big); i++)
		sent++;
	assert_true(sent > 100);
	for (int i = 0; i < 40; i++)
		idle[i] = connect_to(port);
	for (int i = 0; i < 50; i++)
		assert_int_equal(word(fd, 2), ASSAY__MODBUS_VERSION);
	int rubbish = connect_to(port);
	char byte;
	assert_int_equal(send(rubbish, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL), 18);
	assert_true(recv(rubbish, &byte, 1, 0) <= 0);
	close(rubbish);
	assert_int_equal(word(fd, 2), ASSAY__MODBUS_VERSION);
	/* More than there is room for: the longest silent one goes, not the one that works. */
	int more[20];
	for (int i = 0; i < 20; i++) {
		more[i] = connect_to(port);
		assert_int_equal(word(more[i], 2), ASSAY__MODBUS_VERSION);
		assert_int_equal(word(fd, 2), ASSAY__MODBUS_VERSION);
	}
	for (int i = 0; i < 20; i++)
		close(more[i]);
	for (int i = 0; i < 40; i++)
		close(idle[i]);
	close(half);
	close(flood);
	close(fd);
	fake_close(&fake, 0);
}

/* MODBUS Application Protocol 1.1b3, section 7: exceptions; every function with bad lengths, counts and addresses. */
static void exceptions(void **state)
{
	(void)state;
	static const struct {
		uint8_t pdu[12];
		int size, exception;
	} cases[] = {
		{{7}, 1, 1},
		{{43, 14, 1, 0}, 4, 1},
		{{1, 0, 0, 0, 0}, 5, 3},
		{{1, 0, 0, 7, 0xD1}, 5, 3},
		{{1, 0, 10, 0, 7}, 5, 2},
		{{1, 0, 0}, 3, 3},
		{{2, 0xFF, 0xFF, 0, 1}, 5, 2},
		{{3, 0, 0, 0, 126}, 5, 3},
		{{3, 0, 0xD4, 0, 1}, 5, 2},
		{{4, 0, 112, 0, 1}, 5, 2},
		{{4, 0, 0, 0, 113}, 5, 2},
		{{5, 0, 0, 1, 0}, 5, 3},
		{{5, 0, 16, 0xFF, 0}, 5, 2},
		{{6, 0, 40, 0, 0}, 5, 2},
		{{6, 0, 100, 0, 0}, 5, 2},
		{{15, 0, 0, 0, 9, 1, 0}, 7, 3},
		{{15, 0, 15, 0, 2, 1, 0}, 7, 2},
		{{16, 0, 0, 0, 1, 2, 0}, 7, 3},
		{{16, 0, 0, 0, 2, 2, 0, 0}, 8, 3},
		{{16, 0, 40, 0, 1, 2, 0, 0}, 8, 2},
		{{22, 0, 100, 0, 0, 0, 0}, 7, 2},
		{{23, 0, 0, 0, 1, 0, 100, 0, 1, 2, 0, 0}, 12, 2},
		{{23, 0, 0, 0, 1, 0, 0, 0, 1, 2, 0}, 11, 3},
	};
	struct fake fake = {0};
	int port = 0;
	assert_int_equal(open_server(&fake, &port, "max_clients", "2"), 0);
	int fd = connect_to(port);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t out[256];
		assert_int_equal(ask(fd, cases[i].pdu, (size_t)cases[i].size, out), 2);
		assert_int_equal(out[0], cases[i].pdu[0] | 0x80);
		assert_int_equal(out[1], cases[i].exception);
	}
	/* Mask write: keep 0x00F2, set 0x0025 on 0x0012 gives 0x0017 (the standard's example), on a register without meaning. */
	uint8_t out[256];
	assert_int_equal(ask(fd, (uint8_t[]){6, 0, 5, 0, 0x12}, 5, out), 5);
	assert_int_equal(ask(fd, (uint8_t[]){22, 0, 5, 0, 0xF2, 0, 0x25}, 7, out), 7);
	assert_int_equal(ask(fd, (uint8_t[]){23, 0, 5, 0, 1, 0, 6, 0, 1, 2, 0, 0}, 12, out), 4);
	assert_int_equal(out[3], 0x17);
	assert_int_equal(assay__modbus_frame_bytes((uint8_t[]){0, 1, 0, 1}, 4), -1);
	assert_int_equal(assay__modbus_frame_bytes((uint8_t[]){0, 1, 0, 0, 0}, 5), 0);
	assert_int_equal(assay__modbus_frame_bytes((uint8_t[]){0, 1, 0, 0, 0, 1}, 6), -1);
	assert_int_equal(assay__modbus_frame_bytes((uint8_t[]){0, 1, 0, 0, 0, 255}, 6), -1);
	assert_int_equal(assay__modbus_frame_bytes((uint8_t[]){0, 1, 0, 0, 0, 254}, 6), 260);
	close(fd);
	fake_close(&fake, 0);
}

/* A client nobody here wrote: reads, triggers, acknowledges. */
static void mbpoll_reads_and_triggers(void **state)
{
	(void)state;
	if (!have_program("mbpoll")) {
		print_message("mbpoll is not installed\n");
		skip();
	}
	struct fake fake = {.answer = true};
	char command[300], out[4000];
	int port = 0;
	assert_int_equal(open_server(&fake, &port, "hold", "next_trigger"), 0);
	/* Trigger id 4711 into holding registers 2 and 3, then the control word. */
	snprintf(command, sizeof(command), "mbpoll -m tcp -p %d -0 -1 -t 4 -r 2 127.0.0.1 0 4711 2>&1", port);
	assert_int_equal(run_command(command, out, sizeof(out)), 0);
	snprintf(command, sizeof(command), "mbpoll -m tcp -p %d -0 -1 -t 0 -r 0 127.0.0.1 1 2>&1", port);
	assert_int_equal(run_command(command, out, sizeof(out)), 0);
	assert_int_equal(atomic_load(&fake.triggers), 1);
	assert_int_equal(atomic_load(&fake.trigger_id), 4711);
	snprintf(command, sizeof(command), "mbpoll -m tcp -p %d -0 -1 -t 1 -r 0 -c 6 127.0.0.1 2>&1", port);
	assert_int_equal(run_command(command, out, sizeof(out)), 0);
	assert_non_null(strstr(out, "[2]: \t1"));
	assert_non_null(strstr(out, "[3]: \t1"));
	assert_non_null(strstr(out, "[4]: \t0"));
	/* 32 bits, high word first. */
	snprintf(command, sizeof(command), "mbpoll -m tcp -p %d -0 -1 -B -t 3:int -r 42 -c 1 127.0.0.1 2>&1", port);
	assert_int_equal(run_command(command, out, sizeof(out)), 0);
	assert_non_null(strstr(out, "4711"));
	snprintf(command, sizeof(command), "mbpoll -m tcp -p %d -0 -1 -t 0 -r 1 127.0.0.1 1 2>&1", port);
	assert_int_equal(run_command(command, out, sizeof(out)), 0);
	snprintf(command, sizeof(command), "mbpoll -m tcp -p %d -0 -1 -t 1 -r 2 -c 1 127.0.0.1 2>&1", port);
	assert_int_equal(run_command(command, out, sizeof(out)), 0);
	assert_non_null(strstr(out, "[2]: \t0"));
	fake_close(&fake, 0);
}

static void failing_allocations(void **state)
{
	(void)state;
	int opened = 0;
	for (int k = 1; k < 8; k++) {
		struct failing failing;
		struct fake fake = {0};
		int port;
		failing_open(&failing, k);
		fake.port.allocator = &failing.allocator;
		int err = open_server(&fake, &port, "max_clients", "4");
		assert_true(err == 0 || err == ASSAY_E_NOMEM);
		if (err == 0) {
			opened++;
			fake_close(&fake, 0);
		}
		assert_int_equal(atomic_load(&failing.alive), 0);
	}
	assert_in_range(opened, 1, 6);
}

static void bad_settings_are_named(void **state)
{
	(void)state;
	struct fake fake = {0};
	struct assay_error error;
	const char *name[] = {"bind", "plc.local", NULL}, *range[] = {"port", "70000", NULL};
	assert_int_equal(fake_open(&fake, &assay__output_modbus_server, name, NULL, &error), ASSAY_E_ARGUMENT);
	assert_string_equal(error.message,
						"output door: bind: found 'plc.local', expected a numeric address such as 0.0.0.0");
	assert_int_equal(fake_open(&fake, &assay__output_modbus_server, range, NULL, &error), ASSAY_E_ARGUMENT);
	assert_string_equal(error.message, "port: found '70000', expected a whole number from 0 to 65535");
}

/* Told, not judged: from the write of the trigger coil to result valid, as a polling PLC sees it. */
static void latency_over_loopback(void **state)
{
	(void)state;
	struct fake fake = {.answer = true};
	int port = 0;
	enum { ROUNDS = 2000 };
	static int64_t took[ROUNDS];
	assert_int_equal(open_server(&fake, &port, "hold", "next_trigger"), 0);
	int fd = connect_to(port);
	for (int i = 0; i < ROUNDS; i++) {
		set_coil(fd, ASSAY__MODBUS_TRIGGER, false);
		int64_t before_us = assay__clock_us();
		set_coil(fd, ASSAY__MODBUS_TRIGGER, true);
		while (!(input_bits(fd) >> ASSAY__MODBUS_RESULT_VALID & 1))
			;
		int64_t us = assay__clock_us() - before_us;
		int at = i;
		for (; at > 0 && took[at - 1] > us; at--)
			took[at] = took[at - 1];
		took[at] = us;
	}
	assert_int_equal(atomic_load(&fake.triggers), ROUNDS);
	print_message("trigger to result valid over loopback, an instant station: p50 %lld us, p99 %lld us, max %lld us\n",
				  (long long)took[ROUNDS / 2], (long long)took[ROUNDS * 99 / 100], (long long)took[ROUNDS - 1]);
	close(fd);
	fake_close(&fake, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshake),
		cmocka_unit_test(nobody_acknowledges),
		cmocka_unit_test(valid_waits_for_the_record),
		cmocka_unit_test(odd_clients_hurt_nobody),
		cmocka_unit_test(exceptions),
		cmocka_unit_test(mbpoll_reads_and_triggers),
		cmocka_unit_test(failing_allocations),
		cmocka_unit_test(bad_settings_are_named),
		cmocka_unit_test(latency_over_loopback),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
