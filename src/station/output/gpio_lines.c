/* SPDX-License-Identifier: Apache-2.0 */
/* libgpiod 1 (Debian 12) and 2 (Debian 13); ASSAY_GPIOD is its major version. */
#include "station/output/gpio_lines.h"

#include <errno.h>
#include <gpiod.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

struct assay__gpio {
	struct gpiod_chip *chip;
	int count;
#if ASSAY_GPIOD >= 2
	struct gpiod_line_request *request;
	unsigned lines[ASSAY__GPIO_LINES];
#else
	struct gpiod_line *lines[ASSAY__GPIO_LINES];
#endif
};

#if ASSAY_GPIOD >= 2

static int request_lines(struct assay__gpio *gpio, const unsigned *lines, bool active_low)
{
	int err = -1;
	struct gpiod_line_settings *settings = gpiod_line_settings_new();
	struct gpiod_line_config *lines_config = gpiod_line_config_new();
	struct gpiod_request_config *request = gpiod_request_config_new();
	if (settings && lines_config && request) {
		gpiod_line_settings_set_direction(settings, GPIOD_LINE_DIRECTION_OUTPUT);
		gpiod_line_settings_set_output_value(settings, GPIOD_LINE_VALUE_INACTIVE);
		gpiod_line_settings_set_active_low(settings, active_low);
		gpiod_request_config_set_consumer(request, "assay");
		memcpy(gpio->lines, lines, (size_t)gpio->count * sizeof(*lines));
		if (gpiod_line_config_add_line_settings(lines_config, lines, (size_t)gpio->count, settings) == 0) {
			gpio->request = gpiod_chip_request_lines(gpio->chip, request, lines_config);
			err = gpio->request ? 0 : -1;
		}
	}
	int kept = errno;
	gpiod_request_config_free(request);
	gpiod_line_config_free(lines_config);
	gpiod_line_settings_free(settings);
	errno = kept;
	return err;
}

static int set_line(struct assay__gpio *gpio, int index, bool active)
{
	return gpiod_line_request_set_value(gpio->request, gpio->lines[index],
										active ? GPIOD_LINE_VALUE_ACTIVE : GPIOD_LINE_VALUE_INACTIVE);
}

static void release_lines(struct assay__gpio *gpio)
{
	if (gpio->request)
		gpiod_line_request_release(gpio->request);
}

#else

static int request_lines(struct assay__gpio *gpio, const unsigned *lines, bool active_low)
{
	for (int i = 0; i < gpio->count; i++) {
		gpio->lines[i] = gpiod_chip_get_line(gpio->chip, lines[i]);
		if (!gpio->lines[i] || gpiod_line_request_output_flags(
								   gpio->lines[i], "assay", active_low ? GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW : 0, 0)) {
			gpio->lines[i] = NULL;
			return -1;
		}
	}
	return 0;
}

static int set_line(struct assay__gpio *gpio, int index, bool active)
{
	return gpiod_line_set_value(gpio->lines[index], active);
}

static void release_lines(struct assay__gpio *gpio)
{
	for (int i = 0; i < gpio->count && gpio->lines[i]; i++)
		gpiod_line_release(gpio->lines[i]);
}

#endif

static void free_gpio(struct assay__gpio *gpio)
{
	release_lines(gpio);
	if (gpio->chip)
		gpiod_chip_close(gpio->chip);
	free(gpio);
}

static int open_lines(const char *chip, const unsigned *lines, int count, bool active_low, struct assay__gpio **out,
					  struct assay_error *error)
{
	struct assay__gpio *gpio = calloc(1, sizeof(*gpio));
	if (!gpio)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "%s: out of memory", chip);
	gpio->count = count;
	gpio->chip = gpiod_chip_open(chip);
	if (!gpio->chip || request_lines(gpio, lines, active_low)) {
		int err =
			assay__fail(error, ASSAY_E_IO, -1, "%s: %s: %s", chip,
						gpio->chip ? "the lines cannot be taken as outputs" : "cannot be opened", strerror(errno));
		free_gpio(gpio);
		return err;
	}
	*out = gpio;
	return ASSAY_OK;
}

static int set_real(struct assay__gpio *gpio, int index, bool active)
{
	return set_line(gpio, index, active) ? ASSAY_E_IO : ASSAY_OK;
}

static void close_lines(struct assay__gpio *gpio)
{
	for (int i = 0; i < gpio->count; i++)
		set_line(gpio, i, false);
	free_gpio(gpio);
}

const struct assay__gpio_ops assay__gpio_real = {.open = open_lines, .set = set_real, .close = close_lines};
