/* SPDX-License-Identifier: Apache-2.0 */
#include "station/output/gpio_lines.h"

#include <string.h>

static void remove_at(struct assay__pulses *pulses, int index)
{
	pulses->count--;
	memmove(&pulses->at[index], &pulses->at[index + 1], (size_t)(pulses->count - index) * sizeof(pulses->at[0]));
}

bool assay__pulses_add(struct assay__pulses *pulses, int64_t from_us, int64_t length_us)
{
	int64_t until_us = from_us + length_us;
	int at = 0;
	while (at < pulses->count && pulses->at[at].until_us < from_us)
		at++;
	/* All that touch it become one. */
	bool touches = at < pulses->count && pulses->at[at].from_us <= until_us;
	if (!touches && pulses->count == ASSAY__GPIO_PULSES)
		return false;
	while (at < pulses->count && pulses->at[at].from_us <= until_us) {
		from_us = pulses->at[at].from_us < from_us ? pulses->at[at].from_us : from_us;
		until_us = pulses->at[at].until_us > until_us ? pulses->at[at].until_us : until_us;
		remove_at(pulses, at);
	}
	memmove(&pulses->at[at + 1], &pulses->at[at], (size_t)(pulses->count - at) * sizeof(pulses->at[0]));
	pulses->at[at].from_us = from_us;
	pulses->at[at].until_us = until_us;
	pulses->count++;
	return true;
}

bool assay__pulses_level(struct assay__pulses *pulses, int64_t now_us, int64_t *next_us)
{
	while (pulses->count > 0 && pulses->at[0].until_us <= now_us)
		remove_at(pulses, 0);
	if (pulses->count == 0) {
		*next_us = -1;
		return false;
	}
	bool active = pulses->at[0].from_us <= now_us;
	*next_us = active ? pulses->at[0].until_us : pulses->at[0].from_us;
	return active;
}
