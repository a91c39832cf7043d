/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <modbus/modbus.h>

#include "fake_station.h"

/* A PLC by libmodbus: one connection at a time, 300 holding registers. */
struct plc {
	int port, listen_fd;
	modbus_t *modbus;
	modbus_mapping_t *map;
	pthread_t thread;
	atomic_bool stop;
	pthread_mutex_t lock;
};

static void *serve(void *arg)
{
	struct plc *plc = arg;
	while (!atomic_load(&plc->stop)) {
		uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
		if (modbus_tcp_accept(plc->modbus, &plc->listen_fd) < 0)
			break;
		int length;
		while (!atomic_load(&plc->stop) && (length = modbus_receive(plc->modbus, request)) >= 0) {
			pthread_mutex_lock(&plc->lock);
			if (length > 0)
				modbus_reply(plc->modbus, request, length, plc->map);
			pthread_mutex_unlock(&plc->lock);
		}
		modbus_close(plc->modbus);
	}
	return NULL;
}

static void plc_start(struct plc *plc)
{
	atomic_store(&plc->stop, false);
	plc->modbus = modbus_new_tcp("127.0.0.1", plc->port);
	plc->map = modbus_mapping_new(0, 0, 300, 0);
	modbus_set_indication_timeout(plc->modbus, 0, 200000);
	plc->listen_fd = modbus_tcp_listen(plc->modbus, 1);
	assert_true(plc->listen_fd >= 0);
	assert_int_equal(pthread_create(&plc->thread, NULL, serve, plc), 0);
}

static void plc_stop(struct plc *plc)
{
	atomic_store(&plc->stop, true);
	shutdown(plc->listen_fd, SHUT_RDWR);
	pthread_join(plc->thread, NULL);
	close(plc->listen_fd);
	modbus_mapping_free(plc->map);
	modbus_free(plc->modbus);
}

static struct plc plc = {.lock = PTHREAD_MUTEX_INITIALIZER};

static unsigned word(int address)
{
	pthread_mutex_lock(&plc.lock);
	unsigned value = plc.map->tab_registers[address];
	pthread_mutex_unlock(&plc.lock);
	return value;
}

static void set_word(int address, unsigned value)
{
	pthread_mutex_lock(&plc.lock);
	plc.map->tab_registers[address] = (uint16_t)value;
	pthread_mutex_unlock(&plc.lock);
}

static void writes_and_polls(void **state)
{
	(void)state;
	char port[16];
	plc.port = free_port();
	snprintf(port, sizeof(port), "%d", plc.port);
	const char *settings[] = {"port",
							  port,
							  "address",
							  "100",
							  "trigger_register",
							  "10",
							  "trigger_id_register",
							  "12",
							  "heartbeat_register",
							  "20",
							  "heartbeat_ms",
							  "20",
							  "max_age_ms",
							  "500",
							  NULL};
	struct fake fake = {0};
	assert_int_equal(fake_open(&fake, &assay__output_modbus_client, settings, NULL, NULL), 0);
	/* No PLC yet: what grows old is lost, and told. */
	struct assay__part part = fake_part(1, ASSAY_PASS);
	fake_post(&fake, &part);
	assert_true(WAIT_FOR(fake_health(&fake).lost == 1));
	assert_false(fake_health(&fake).up);
	plc_start(&plc);
	assert_true(WAIT_FOR(fake_health(&fake).up));
	part = fake_part(2, ASSAY_FAIL);
	fake_post(&fake, &part);
	assert_true(WAIT_FOR(word(100 + 71) == 1));
	assert_int_equal(word(100), 2);
	assert_int_equal(word(100 + 7), 2);
	assert_int_equal(word(100 + 17), 'P' << 8 | '-');
	assert_true(WAIT_FOR(word(20) >= 2));
	set_word(13, 4242);
	set_word(10, 1);
	assert_true(WAIT_FOR(atomic_load(&fake.triggers) == 1));
	assert_int_equal(atomic_load(&fake.trigger_id), 4242);
	set_word(10, 0);
	usleep(100000);
	set_word(10, 1);
	assert_true(WAIT_FOR(atomic_load(&fake.triggers) == 2));
	plc_stop(&plc);
	assert_true(WAIT_FOR(!fake_health(&fake).up));
	plc_start(&plc);
	assert_true(WAIT_FOR(fake_health(&fake).up));
	part = fake_part(3, ASSAY_PASS);
	fake_post(&fake, &part);
	assert_true(WAIT_FOR(word(100 + 71) == 2));
	assert_int_equal(fake_health(&fake).sent, 2);
	fake_close(&fake, 500);
	plc_stop(&plc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(writes_and_polls)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
