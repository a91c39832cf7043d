/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_station.h"
#include "station/output/output_gpio.h"

/* Lines that only remember: when each went up and down. */
static struct {
	atomic_int level[ASSAY__GPIO_LINES], rises[ASSAY__GPIO_LINES];
	_Atomic int64_t rose_us, fell_us; /* of line 0 */
	atomic_int open, count;
	bool refuse;
} lines;

static int open_lines(const char *chip, const unsigned *offsets, int count, bool active_low, struct assay__gpio **out,
					  struct assay_error *error)
{
	(void)chip, (void)offsets, (void)active_low, (void)error;
	if (lines.refuse)
		return ASSAY_E_IO;
	memset(&lines, 0, sizeof(lines));
	atomic_store(&lines.count, count);
	atomic_store(&lines.open, 1);
	*out = (struct assay__gpio *)&lines;
	return 0;
}

static int set_line(struct assay__gpio *gpio, int index, bool active)
{
	(void)gpio;
	atomic_store(&lines.level[index], active);
	if (active)
		atomic_fetch_add(&lines.rises[index], 1);
	if (index == 0)
		atomic_store(active ? &lines.rose_us : &lines.fell_us, assay__clock_us());
	return 0;
}

static void close_lines(struct assay__gpio *gpio)
{
	(void)gpio;
	atomic_store(&lines.open, 0);
}

static const struct assay__gpio_ops fake_lines = {.open = open_lines, .set = set_line, .close = close_lines};

static int open_fake(const char *name, const void *settings, const struct assay__station_port *port,
					 struct assay__output **out, struct assay_error *error)
{
	return assay__output_gpio_open(&fake_lines, name, settings, port, out, error);
}

static void pulses_merge(void **state)
{
	(void)state;
	static struct assay__pulses pulses;
	int64_t next;
	assert_false(assay__pulses_level(&pulses, 0, &next));
	assert_int_equal(next, -1);
	assert_true(assay__pulses_add(&pulses, 100, 50));
	assert_true(assay__pulses_add(&pulses, 140, 50));
	assert_true(assay__pulses_add(&pulses, 300, 50));
	/* Out of order: it has its own time. */
	assert_true(assay__pulses_add(&pulses, 200, 60));
	assert_false(assay__pulses_level(&pulses, 99, &next));
	assert_int_equal(next, 100);
	assert_true(assay__pulses_level(&pulses, 100, &next));
	assert_int_equal(next, 190);
	assert_true(assay__pulses_level(&pulses, 189, &next));
	assert_false(assay__pulses_level(&pulses, 190, &next));
	assert_int_equal(next, 200);
	assert_true(assay__pulses_level(&pulses, 259, &next));
	assert_false(assay__pulses_level(&pulses, 260, &next));
	assert_int_equal(next, 300);
	assert_true(assay__pulses_level(&pulses, 349, &next));
	assert_false(assay__pulses_level(&pulses, 350, &next));
	assert_int_equal(next, -1);
	for (int i = 0; i < ASSAY__GPIO_PULSES; i++)
		assert_true(assay__pulses_add(&pulses, 1000 + 100 * i, 50));
	assert_false(assay__pulses_add(&pulses, 1000000, 50));
}

static void rejects_what_is_not_pass(void **state)
{
	(void)state;
	struct assay__output_ops ops = assay__output_gpio;
	struct fake fake = {0};
	ops.open = open_fake;
	const char *settings[] = {"reject_line", "5",  "ready_line", "6",  "fault_line", "7",
							  "delay_ms",	 "80", "pulse_ms",	 "30", NULL};
	assert_int_equal(fake_open(&fake, &ops, settings, NULL, NULL), 0);
	assert_int_equal(atomic_load(&lines.count), 3);
	assert_true(WAIT_FOR(atomic_load(&lines.level[1]) == 1));
	atomic_store(&fake.ready, false);
	assert_true(WAIT_FOR(atomic_load(&lines.level[1]) == 0));
	struct assay__part part = fake_part(1, ASSAY_PASS);
	fake_post(&fake, &part);
	part = fake_part(2, ASSAY_FAIL);
	fake_post(&fake, &part);
	assert_true(WAIT_FOR(atomic_load(&lines.rises[0]) == 1 && atomic_load(&lines.level[0]) == 0));
	/* Never before its time; how much later is the machine's affair. */
	assert_true(lines.rose_us - part.trigger_us >= 80000);
	assert_true(lines.fell_us - part.trigger_us >= 110000);
	assert_int_equal(atomic_load(&lines.level[2]), 0);
	part = fake_part(3, ASSAY_FAULT);
	part.trigger_us -= 1000000;
	fake_post(&fake, &part);
	assert_true(WAIT_FOR(atomic_load(&lines.rises[0]) == 2 && atomic_load(&lines.level[2]) == 1));
	assert_non_null(strstr(fake.last_event, "gate_late"));
	part = fake_part(4, ASSAY_FAIL);
	fake_post(&fake, &part);
	/* Closing lets the pulse that is due still happen. */
	fake_close(&fake, 1000);
	assert_int_equal(atomic_load(&lines.open), 0);
	assert_int_equal(atomic_load(&lines.rises[0]), 3);
	assert_int_equal(atomic_load(&lines.level[0]), 0);
}

static void without_lines_or_chip(void **state)
{
	(void)state;
	struct fake fake = {0};
	struct assay_error error;
	const char *none[] = {NULL}, *absent[] = {"chip", "/nonexistent/gpiochip", "reject_line", "1", NULL};
	assert_int_equal(fake_open(&fake, &assay__output_gpio, none, NULL, &error), ASSAY_E_ARGUMENT);
	assert_string_equal(error.message, "output door: no line is given; set reject_line at least");
	assert_int_equal(fake_open(&fake, &assay__output_gpio, absent, NULL, &error), ASSAY_E_IO);
	assert_non_null(strstr(error.message, "output door: /nonexistent/gpiochip: cannot be opened"));
}

/* The kernel's simulator, where the machine has it and this is root. */
static void real_lines(void **state)
{
	(void)state;
	char out[200], value[200];
	static const char make[] =
		"d=/sys/kernel/config/gpio-sim/assay; mkdir -p $d/bank0 2>/dev/null && echo 8 > $d/bank0/num_lines && "
		"echo 1 > $d/live && printf '/dev/%s' $(cat $d/bank0/chip_name)";
	static const char read[] = "d=/sys/kernel/config/gpio-sim/assay; cat "
							   "/sys/devices/platform/$(cat $d/dev_name)/$(cat $d/bank0/chip_name)/sim_gpio1/value";
	if (access("/sys/kernel/config/gpio-sim", W_OK) || run_command(make, out, sizeof(out))) {
		print_message("no gpio-sim on this machine: real lines are not tried\n");
		skip();
	}
	struct fake fake = {0};
	const char *settings[] = {"chip", out, "reject_line", "1", "pulse_ms", "300", NULL};
	assert_int_equal(fake_open(&fake, &assay__output_gpio, settings, NULL, NULL), 0);
	struct assay__part part = fake_part(1, ASSAY_FAIL);
	fake_post(&fake, &part);
	assert_true(WAIT_FOR(run_command(read, value, sizeof(value)) == 0 && value[0] == '1'));
	assert_true(WAIT_FOR(run_command(read, value, sizeof(value)) == 0 && value[0] == '0'));
	fake_close(&fake, 100);
	run_command("d=/sys/kernel/config/gpio-sim/assay; echo 0 > $d/live; rmdir $d/bank0 $d", out, sizeof(out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pulses_merge),
		cmocka_unit_test(rejects_what_is_not_pass),
		cmocka_unit_test(without_lines_or_chip),
		cmocka_unit_test(real_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
