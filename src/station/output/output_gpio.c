/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digital lines: a reject pulse for every part that is not PASS, counted from its trigger so that the gate meets the part wherever the
 * verdict fell in between; a pass pulse; levels for ready, busy and fault. A pulse whose time is past when the verdict comes starts at
 * once, and says so: late rejection is better than none.
 */
#include "station/output/output_gpio.h"

#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "station/output/output_common.h"

#define NEVER_US INT64_MAX

enum line { REJECT, PASS, READY, BUSY, FAULT, LINE_COUNT };

struct settings {
	const char *chip;
	int lines[LINE_COUNT];
	int pulse_ms, delay_ms, refresh_ms;
	bool active_low;
};

struct assay__output {
	struct assay__door door;
	struct settings settings;
	const struct assay__gpio_ops *ops;
	struct assay__gpio *gpio;
	int index[LINE_COUNT]; /* among the lines taken, -1: not wanted */
	bool level[LINE_COUNT];
	struct assay__pulses reject, pass;
	bool last_fault;
};

static void set(struct assay__output *output, enum line line, bool active)
{
	if (output->index[line] < 0 || output->level[line] == active)
		return;
	if (output->ops->set(output->gpio, output->index[line], active)) {
		assay__door_state(&output->door, false, "%.60s: a line cannot be set", output->settings.chip);
		return;
	}
	output->level[line] = active;
}

static void take_verdict(struct assay__output *output, const struct assay__verdict *verdict)
{
	const struct settings *s = &output->settings;
	int64_t now_us = assay__clock_us(), from_us = verdict->trigger_us + (int64_t)s->delay_ms * 1000;
	bool good = verdict->verdict == ASSAY_PASS;
	bool wanted = output->index[good ? PASS : REJECT] >= 0;
	output->last_fault = verdict->verdict == ASSAY_FAULT;
	if (wanted && s->delay_ms > 0 && from_us < now_us)
		assay__door_event(&output->door, "gate_late", "the verdict of part %llu came %lld ms after its pulse was due",
						  (unsigned long long)verdict->sequence, (long long)((now_us - from_us) / 1000));
	if (from_us < now_us)
		from_us = now_us;
	if (wanted && !assay__pulses_add(good ? &output->pass : &output->reject, from_us, (int64_t)s->pulse_ms * 1000)) {
		assay__door_count_lost(&output->door, 1, "too many pulses are waiting");
		return;
	}
	assay__door_count_sent(&output->door, 1);
}

static void *run(void *arg)
{
	struct assay__output *output = arg;
	const struct assay__station_port *port = output->door.port;
	bool refresh = output->index[READY] >= 0 || output->index[BUSY] >= 0;
	struct assay__verdict verdict;
	for (;;) {
		int64_t next_us = NEVER_US, change_us;
		while (assay__door_peek(&output->door, 0, &verdict)) {
			assay__door_take(&output->door);
			take_verdict(output, &verdict);
		}
		int64_t now_us = assay__clock_us(), until_us = assay__door_drain_until_us(&output->door);
		set(output, REJECT, assay__pulses_level(&output->reject, now_us, &change_us));
		if (change_us >= 0 && change_us < next_us)
			next_us = change_us;
		set(output, PASS, assay__pulses_level(&output->pass, now_us, &change_us));
		if (change_us >= 0 && change_us < next_us)
			next_us = change_us;
		if (until_us >= 0 && (now_us >= until_us || next_us == NEVER_US))
			break;
		set(output, FAULT, output->last_fault);
		if (refresh) {
			set(output, READY, port->ready && port->ready(port->ctx));
			set(output, BUSY, port->busy && port->busy(port->ctx));
			int64_t refresh_us = now_us + (int64_t)output->settings.refresh_ms * 1000;
			next_us = refresh_us < next_us ? refresh_us : next_us;
		}
		if (until_us >= 0)
			assay__door_sleep(&output->door, 1);
		if (until_us >= 0 && until_us < next_us)
			next_us = until_us;
		assay__door_peek(&output->door, next_us == NEVER_US ? -1 : next_us, &verdict);
	}
	return NULL;
}

int assay__output_gpio_open(const struct assay__gpio_ops *lines, const char *name, const void *settings,
							const struct assay__station_port *port, struct assay__output **out,
							struct assay_error *error)
{
	const struct settings *s = settings;
	unsigned offsets[LINE_COUNT];
	int count = 0;
	struct assay__output *output = assay__calloc(port->allocator, 1, sizeof(*output));
	if (!output)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "output %s: out of memory", name);
	output->settings = *s;
	output->ops = lines;
	for (int i = 0; i < LINE_COUNT; i++) {
		output->index[i] = s->lines[i] < 0 ? -1 : count;
		if (s->lines[i] >= 0)
			offsets[count++] = (unsigned)s->lines[i];
	}
	int err = count > 0 ? 0
						: assay__fail(error, ASSAY_E_ARGUMENT, -1,
									  "output %s: no line is given; set reject_line at least", name);
	if (!err)
		err = assay__door_open(&output->door, name, port, 256, 0, error);
	if (err) {
		assay__free(port->allocator, output);
		return err;
	}
	err = lines->open(s->chip, offsets, count, s->active_low, &output->gpio, error);
	if (err) {
		assay__fail_prefix(error, "output %s", name);
	} else {
		assay__door_state(&output->door, true, "%d lines of %.60s", count, s->chip);
		err = assay__door_start(&output->door, run, output, error);
		if (err)
			lines->close(output->gpio);
	}
	if (err) {
		assay__door_close(&output->door);
		assay__free(port->allocator, output);
		return err;
	}
	*out = output;
	return ASSAY_OK;
}

static int open_gpio(const char *name, const void *settings, const struct assay__station_port *port,
					 struct assay__output **out, struct assay_error *error)
{
	return assay__output_gpio_open(&assay__gpio_real, name, settings, port, out, error);
}

static void post(struct assay__output *output, const struct assay__part *part)
{
	assay__door_post(&output->door, part);
}

static void health(struct assay__output *output, struct assay__output_health *out)
{
	assay__door_health(&output->door, out);
}

static void close_gpio(struct assay__output *output, int drain_ms)
{
	const struct assay_allocator *allocator = output->door.allocator;
	assay__door_stop(&output->door, drain_ms);
	output->ops->close(output->gpio);
	assay__door_close(&output->door);
	assay__free(allocator, output);
}

#define ROW(option, kind, field, ...)                                                                                  \
	{                                                                                                                  \
		.name = option, .type = ASSAY__OPTION_##kind, .offset = offsetof(struct settings, field), __VA_ARGS__          \
	}
#define LINE(option, line, text)                                                                                       \
	ROW(option, INT, lines[line], .fallback = "-1", .min = -1, .max = 1023, .help = text "; -1: none")

static const struct assay__option rows[] = {
	ROW("chip", PATH, chip, .fallback = "/dev/gpiochip0", .value = "DEVICE", .help = "the chip's device"),
	LINE("reject_line", REJECT, "line that pulses for every part that is FAIL or FAULT"),
	LINE("pass_line", PASS, "line that pulses for every part that is PASS"),
	LINE("ready_line", READY, "line that is active while the station takes triggers"),
	LINE("busy_line", BUSY, "line that is active while a part is being judged"),
	LINE("fault_line", FAULT, "line that is active after a FAULT, until the next verdict that is none"),
	ROW("pulse_ms", INT, pulse_ms, .fallback = "50", .min = 1, .max = 10000, .unit = "ms",
		.help = "length of a pulse; overlapping ones run together"),
	ROW("delay_ms", INT, delay_ms, .fallback = "0", .min = 0, .max = 600000, .unit = "ms",
		.help = "from the trigger to the pulse, the part's way to the gate; 0: as soon as the verdict is known"),
	ROW("refresh_ms", INT, refresh_ms, .fallback = "2", .min = 1, .max = 1000, .unit = "ms",
		.help = "how often ready and busy are looked at"),
	ROW("active_low", FLAG, active_low, .help = "a line is active when its voltage is low"),
};

const struct assay__output_ops assay__output_gpio = {
	.type = "gpio",
	.help = "digital lines for a reject gate and lamps, through libgpiod",
	.options = rows,
	.option_count = sizeof(rows) / sizeof(rows[0]),
	.settings_size = sizeof(struct settings),
	.drives = true,
	.open = open_gpio,
	.post = post,
	.health = health,
	.close = close_gpio,
};
