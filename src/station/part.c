/* SPDX-License-Identifier: Apache-2.0 */
#include "station/part.h"

#include <assert.h>

static const char *const faults[ASSAY__FAULT_COUNT] = {
	[ASSAY__FAULT_NONE] = "none",	  [ASSAY__FAULT_NOT_READY] = "not_ready", [ASSAY__FAULT_OVERRUN] = "overrun",
	[ASSAY__FAULT_LATE] = "late",	  [ASSAY__FAULT_NO_IMAGE] = "no_image",	  [ASSAY__FAULT_BROKEN] = "broken",
	[ASSAY__FAULT_CAMERA] = "camera", [ASSAY__FAULT_NO_RECIPE] = "no_recipe", [ASSAY__FAULT_CHALLENGE] = "challenge",
	[ASSAY__FAULT_RECORD] = "record", [ASSAY__FAULT_STOPPING] = "stopping",	  [ASSAY__FAULT_INTERNAL] = "internal",
};

static const char *const triggers[ASSAY__TRIGGER_COUNT] = {
	[ASSAY__TRIGGER_FREE] = "free",		[ASSAY__TRIGGER_TIMER] = "timer", [ASSAY__TRIGGER_SOFTWARE] = "software",
	[ASSAY__TRIGGER_MODBUS] = "modbus", [ASSAY__TRIGGER_MQTT] = "mqtt",	  [ASSAY__TRIGGER_HTTP] = "http",
	[ASSAY__TRIGGER_LINE] = "line",
};

const char *assay__fault_name(enum assay__fault fault)
{
	assert(fault >= 0 && fault < ASSAY__FAULT_COUNT);
	return faults[fault];
}

const char *assay__trigger_name(enum assay__trigger_kind kind)
{
	assert(kind >= 0 && kind < ASSAY__TRIGGER_COUNT);
	return triggers[kind];
}
