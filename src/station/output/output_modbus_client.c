/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes verdicts into a PLC that is the Modbus server: the result block of docs/modbus.md from `address` on, by one or two writes whose
 * last words are the result number. A PLC acts on what it finds, so a verdict older than max_age_ms is counted as lost and not written.
 */
#include <errno.h>
#include <modbus/modbus.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "station/output/modbus_map.h"

struct settings {
	const char *host;
	int port, unit, address, trigger_register, trigger_id_register, poll_ms, timeout_ms, max_age_ms, record_wait_ms;
	int heartbeat_register, heartbeat_ms, word_order;
};

struct assay__output {
	struct assay__door door;
	struct settings settings;
	modbus_t *modbus;
	bool connected;
	struct assay__backoff backoff;
	uint32_t results;
	uint16_t heartbeat;
	bool trigger_known, trigger_on;
	int64_t poll_us, heartbeat_us, attempt_us;
};

static void lose(struct assay__output *output)
{
	int err = errno;
	modbus_close(output->modbus);
	output->connected = false;
	output->trigger_known = false;
	output->attempt_us = assay__clock_us() + (int64_t)assay__backoff_next_ms(&output->backoff) * 1000;
	assay__door_state(&output->door, false, "no PLC at %.30s port %d: %.30s", output->settings.host,
					  output->settings.port, modbus_strerror(err));
}

static void connect_when_due(struct assay__output *output)
{
	int64_t now_us = assay__clock_us();
	if (output->connected || now_us < output->attempt_us)
		return;
	if (modbus_connect(output->modbus)) {
		lose(output);
		return;
	}
	output->connected = true;
	assay__backoff_reset(&output->backoff);
	output->poll_us = output->heartbeat_us = now_us;
	assay__door_state(&output->door, true, "connected to %.50s port %d", output->settings.host, output->settings.port);
}

/* An exception is the PLC's answer, the connection is good; anything else ends it. */
static bool is_answer(void)
{
	return errno > MODBUS_ENOBASE && errno < EMBBADCRC;
}

static bool write_block(struct assay__output *output, const struct assay__verdict *verdict)
{
	uint16_t words[ASSAY__MODBUS_STATUS_WORDS];
	struct assay__modbus_status status = {.results = output->results + 1,
										  .verdict = verdict,
										  .valid = true,
										  .low_word_first = output->settings.word_order == 1};
	assay__modbus_fill(&status, words);
	if (modbus_write_registers(output->modbus, output->settings.address, ASSAY__MODBUS_RESULT_WORDS,
							   words + ASSAY__MODBUS_RESULT_WORD) == ASSAY__MODBUS_RESULT_WORDS) {
		output->results++;
		return true;
	}
	return false;
}

static void send_verdicts(struct assay__output *output)
{
	struct assay__verdict verdict;
	while (assay__door_peek(&output->door, 0, &verdict)) {
		bool old = assay__clock_us() - verdict.verdict_us > (int64_t)output->settings.max_age_ms * 1000;
		if (old) {
			assay__door_count_lost(&output->door, 1, "the verdict is too old to be written to a PLC");
		} else {
			if (!output->connected)
				return;
			if (write_block(output, &verdict)) {
				assay__door_count_sent(&output->door, 1);
			} else if (is_answer()) {
				assay__door_count_lost(&output->door, 1, modbus_strerror(errno));
			} else {
				lose(output);
				return;
			}
		}
		assay__door_take(&output->door);
	}
}

static void poll_trigger(struct assay__output *output)
{
	const struct assay__station_port *port = output->door.port;
	uint16_t control, id[2] = {0};
	bool low_first = output->settings.word_order == 1;
	if (modbus_read_registers(output->modbus, output->settings.trigger_register, 1, &control) != 1) {
		if (!is_answer())
			lose(output);
		return;
	}
	bool on = control & 1, rising = on && output->trigger_known && !output->trigger_on;
	if (rising && output->settings.trigger_id_register >= 0 &&
		modbus_read_registers(output->modbus, output->settings.trigger_id_register, 2, id) != 2 && !is_answer()) {
		/* The edge is not forgotten: it is found again after the reconnect only if the PLC lowers the bit, so ask now without id. */
		lose(output);
	}
	/* What stands after a reconnect is no edge. */
	output->trigger_known = output->connected;
	output->trigger_on = on;
	if (rising)
		port->trigger(port->ctx, ASSAY__TRIGGER_MODBUS, assay__modbus_get_u32(id, low_first), NULL);
}

static void *run(void *arg)
{
	struct assay__output *output = arg;
	const struct settings *s = &output->settings;
	for (;;) {
		struct assay__verdict unused;
		connect_when_due(output);
		send_verdicts(output);
		int64_t now_us = assay__clock_us(), until_us = assay__door_drain_until_us(&output->door);
		if (until_us >= 0 && (now_us >= until_us || assay__door_wait_ms(&output->door) < 0))
			break;
		if (output->connected && s->trigger_register >= 0 && now_us >= output->poll_us) {
			output->poll_us = now_us + (int64_t)s->poll_ms * 1000;
			poll_trigger(output);
		}
		if (output->connected && s->heartbeat_register >= 0 && now_us >= output->heartbeat_us) {
			output->heartbeat_us = now_us + (int64_t)s->heartbeat_ms * 1000;
			if (modbus_write_register(output->modbus, s->heartbeat_register, ++output->heartbeat) != 1 && !is_answer())
				lose(output);
		}
		/* Wakes at the latest for the next attempt, poll or heartbeat. */
		int64_t next_us = output->connected ? now_us + 1000000 : output->attempt_us;
		if (output->connected && s->trigger_register >= 0 && output->poll_us < next_us)
			next_us = output->poll_us;
		if (output->connected && s->heartbeat_register >= 0 && output->heartbeat_us < next_us)
			next_us = output->heartbeat_us;
		if (!output->connected && assay__door_wait_ms(&output->door) == 0)
			assay__door_sleep(&output->door, 10);
		else
			assay__door_peek(&output->door, next_us, &unused);
	}
	modbus_close(output->modbus);
	return NULL;
}

static int open_client(const char *name, const void *settings, const struct assay__station_port *port,
					   struct assay__output **out, struct assay_error *error)
{
	const struct settings *s = settings;
	char service[16];
	if (s->address + ASSAY__MODBUS_RESULT_WORDS > 65536)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1,
						   "output %s: address: found %d, expected at most %d: the block has %d registers", name,
						   s->address, 65536 - ASSAY__MODBUS_RESULT_WORDS, ASSAY__MODBUS_RESULT_WORDS);
	struct assay__output *output = assay__calloc(port->allocator, 1, sizeof(*output));
	if (!output)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "output %s: out of memory", name);
	output->settings = *s;
	output->backoff = (struct assay__backoff){.first_ms = 200, .last_ms = 5000};
	int err = assay__door_open(&output->door, name, port, 256, s->record_wait_ms, error);
	if (err) {
		assay__free(port->allocator, output);
		return err;
	}
	snprintf(service, sizeof(service), "%d", s->port);
	output->modbus = modbus_new_tcp_pi(s->host, service);
	uint32_t seconds = (uint32_t)s->timeout_ms / 1000, micros = (uint32_t)s->timeout_ms % 1000 * 1000;
	if (!output->modbus || modbus_set_slave(output->modbus, s->unit) ||
		modbus_set_response_timeout(output->modbus, seconds, micros))
		err =
			assay__fail(error, ASSAY_E_ARGUMENT, -1, "output %s: libmodbus refuses: %s", name, modbus_strerror(errno));
	if (!err)
		err = assay__door_start(&output->door, run, output, error);
	if (err) {
		modbus_free(output->modbus);
		assay__door_close(&output->door);
		assay__free(port->allocator, output);
		return err;
	}
	*out = output;
	return ASSAY_OK;
}

static void post(struct assay__output *output, const struct assay__part *part)
{
	assay__door_post(&output->door, part);
}

static void recorded(struct assay__output *output, uint64_t sequence, const uint8_t record_hash[ASSAY_HASH_BYTES])
{
	assay__door_recorded(&output->door, sequence, record_hash);
}

static void health(struct assay__output *output, struct assay__output_health *out)
{
	assay__door_health(&output->door, out);
}

static void close_client(struct assay__output *output, int drain_ms)
{
	const struct assay_allocator *allocator = output->door.allocator;
	assay__door_stop(&output->door, drain_ms);
	modbus_free(output->modbus);
	assay__door_close(&output->door);
	assay__free(allocator, output);
}

static const char *const word_orders[] = {"high_first", "low_first", NULL};

#define ROW(option, kind, field, ...)                                                                                  \
	{                                                                                                                  \
		.name = option, .type = ASSAY__OPTION_##kind, .offset = offsetof(struct settings, field), __VA_ARGS__          \
	}

static const struct assay__option rows[] = {
	ROW("host", TEXT, host, .required = true, .fallback = "127.0.0.1", .help = "name or address of the PLC"),
	ROW("port", INT, port, .fallback = "502", .min = 1, .max = 65535, .help = "its TCP port"),
	ROW("unit", INT, unit, .fallback = "1", .min = 1, .max = 247, .help = "unit id"),
	ROW("address", INT, address, .fallback = "0", .min = 0, .max = 65535,
		.help = "holding register where the result block begins"),
	ROW("word_order", WORD, word_order, .fallback = "high_first", .words = word_orders,
		.help = "order of the registers of 32 and 64-bit numbers"),
	ROW("trigger_register", INT, trigger_register, .fallback = "-1", .min = -1, .max = 65535,
		.help = "holding register whose bit 0, going from 0 to 1, asks for a part; -1: none"),
	ROW("trigger_id_register", INT, trigger_id_register, .fallback = "-1", .min = -1, .max = 65534,
		.help = "first of two holding registers with the trigger's number; -1: none"),
	ROW("poll_ms", INT, poll_ms, .fallback = "10", .min = 1, .max = 10000, .unit = "ms",
		.help = "how often the trigger register is read"),
	ROW("heartbeat_register", INT, heartbeat_register, .fallback = "-1", .min = -1, .max = 65535,
		.help = "holding register that is counted up while the station lives; -1: none"),
	ROW("heartbeat_ms", INT, heartbeat_ms, .fallback = "500", .min = 10, .max = 60000, .unit = "ms",
		.help = "how often it is"),
	ROW("timeout_ms", INT, timeout_ms, .fallback = "500", .min = 10, .max = 60000, .unit = "ms",
		.help = "how long to wait for the PLC's answer"),
	ROW("max_age_ms", INT, max_age_ms, .fallback = "1000", .min = 10, .max = 600000, .unit = "ms",
		.help = "a verdict older than this is not written but counted as lost: the part is past the gate"),
	ROW("record_wait_ms", INT, record_wait_ms, .fallback = "0", .min = 0, .max = 60000, .unit = "ms",
		.help = "wait so long for the record before a verdict is written; 0 does not wait"),
};

const struct assay__output_ops assay__output_modbus_client = {
	.type = "modbus_client",
	.help = "writes verdicts into the registers of a PLC, takes triggers from there",
	.options = rows,
	.option_count = sizeof(rows) / sizeof(rows[0]),
	.settings_size = sizeof(struct settings),
	.drives = true,
	.open = open_client,
	.post = post,
	.recorded = recorded,
	.health = health,
	.close = close_client,
};
