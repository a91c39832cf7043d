/* SPDX-License-Identifier: Apache-2.0 */
#include "station/output/gpio_lines.h"

bool assay__pulses_add(struct assay__pulses *pulses, int64_t from_us, int64_t length_us)
{
	int64_t until_us = from_us + length_us;
	if (pulses->count > 0) {
		int last = (pulses->head + pulses->count - 1) % ASSAY__GPIO_PULSES;
		if (from_us < pulses->at[last].from_us)
			from_us = pulses->at[last].from_us;
		if (from_us <= pulses->at[last].until_us) {
			if (until_us > pulses->at[last].until_us)
				pulses->at[last].until_us = until_us;
			return true;
		}
	}
	if (pulses->count == ASSAY__GPIO_PULSES)
		return false;
	int slot = (pulses->head + pulses->count++) % ASSAY__GPIO_PULSES;
	pulses->at[slot].from_us = from_us;
	pulses->at[slot].until_us = until_us;
	return true;
}

bool assay__pulses_level(struct assay__pulses *pulses, int64_t now_us, int64_t *next_us)
{
	while (pulses->count > 0 && pulses->at[pulses->head].until_us <= now_us) {
		pulses->head = (pulses->head + 1) % ASSAY__GPIO_PULSES;
		pulses->count--;
	}
	if (pulses->count == 0) {
		*next_us = -1;
		return false;
	}
	bool active = pulses->at[pulses->head].from_us <= now_us;
	*next_us = active ? pulses->at[pulses->head].until_us : pulses->at[pulses->head].from_us;
	return active;
}
