/* SPDX-License-Identifier: Apache-2.0 */
/* For the test of output_gpio.c. */
#ifndef ASSAY_SRC_STATION_OUTPUT_GPIO_H
#define ASSAY_SRC_STATION_OUTPUT_GPIO_H

#include "station/output/gpio_lines.h"
#include "station/output/output.h"

/** As the output's open, with other lines. */
int assay__output_gpio_open(const struct assay__gpio_ops *lines, const char *name, const void *settings,
							const struct assay__station_port *port, struct assay__output **out,
							struct assay_error *error);

#endif
