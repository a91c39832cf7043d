/* SPDX-License-Identifier: Apache-2.0 */
#include "station/part.h"

#include <assert.h>
#include <stdio.h>

static const char *const faults[ASSAY__FAULT_COUNT] = {
	[ASSAY__FAULT_NONE] = "none",	  [ASSAY__FAULT_NOT_READY] = "not_ready", [ASSAY__FAULT_OVERRUN] = "overrun",
	[ASSAY__FAULT_LATE] = "late",	  [ASSAY__FAULT_NO_IMAGE] = "no_image",	  [ASSAY__FAULT_BROKEN] = "broken",
	[ASSAY__FAULT_CAMERA] = "camera", [ASSAY__FAULT_NO_RECIPE] = "no_recipe", [ASSAY__FAULT_CHALLENGE] = "challenge",
	[ASSAY__FAULT_RECORD] = "record", [ASSAY__FAULT_STOPPING] = "stopping",	  [ASSAY__FAULT_INTERNAL] = "internal",
};

static const char *const triggers[ASSAY__TRIGGER_COUNT] = {
	[ASSAY__TRIGGER_FREE] = "free",			[ASSAY__TRIGGER_TIMER] = "timer",
	[ASSAY__TRIGGER_SOFTWARE] = "software", [ASSAY__TRIGGER_MODBUS] = "modbus",
	[ASSAY__TRIGGER_MQTT] = "mqtt",			[ASSAY__TRIGGER_HTTP] = "http",
	[ASSAY__TRIGGER_LINE] = "line",			[ASSAY__TRIGGER_CHALLENGE] = "challenge",
};

static const char *const code_states[ASSAY__CODE_STATES] = {"none", "read", "unreadable", "unexpected", "differs"};
static const char *const symbologies[ASSAY__SYMBOLOGIES] = {"none", "datamatrix", "qr", "code128"};

const char *assay__code_state_name(enum assay__code_state state)
{
	assert(state >= 0 && state < ASSAY__CODE_STATES);
	return code_states[state];
}

const char *assay__symbology_name(enum assay__symbology symbology)
{
	assert(symbology >= 0 && symbology < ASSAY__SYMBOLOGIES);
	return symbologies[symbology];
}

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

static enum assay_verdict view_verdict(const struct assay__part_view *view)
{
	return view->fault ? ASSAY_FAULT : view->result.verdict;
}

/* Whether a is worse than b: by verdict, then by score / threshold. */
static bool is_worse(const struct assay__part_view *a, const struct assay__part_view *b)
{
	enum assay_verdict va = view_verdict(a), vb = view_verdict(b);

	if (va != vb)
		return va > vb;
	return va != ASSAY_FAULT && (uint64_t)a->result.score_q8 * b->result.threshold_q8 >
									(uint64_t)b->result.score_q8 * a->result.threshold_q8;
}

int assay__part_worst(const struct assay__part *part)
{
	int worst = 0;

	for (int i = 1; i < part->view_count; i++)
		if (is_worse(&part->views[i], &part->views[worst]))
			worst = i;
	return worst;
}

void assay__part_judge(struct assay__part *part)
{
	const struct assay__part_view *view = &part->views[assay__part_worst(part)];
	const struct assay_result *result = &view->result;

	part->verdict = view_verdict(view);
	part->fault = part->verdict != ASSAY_FAULT ? ASSAY__FAULT_NONE : view->fault ? view->fault : ASSAY__FAULT_INTERNAL;
	part->reason[0] = '\0';
	if (part->verdict == ASSAY_FAULT)
		snprintf(part->reason, sizeof(part->reason), "%s: %.120s", view->camera,
				 result->fault.message[0] ? result->fault.message : assay__fault_name(part->fault));
	else if (part->verdict == ASSAY_FAIL && result->region_count)
		snprintf(part->reason, sizeof(part->reason), "%s: score %.2f above %.2f, worst at %d,%d px", view->camera,
				 result->score_q8 / 256.0, result->threshold_q8 / 256.0, result->regions[0].peak_x_px,
				 result->regions[0].peak_y_px);
	else if (part->verdict == ASSAY_FAIL)
		snprintf(part->reason, sizeof(part->reason), "%s: score %.2f above %.2f", view->camera,
				 result->score_q8 / 256.0, result->threshold_q8 / 256.0);
}
