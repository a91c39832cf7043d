/* SPDX-License-Identifier: Apache-2.0 */
/* The record room as the pipeline sees it. */
#include <stdio.h>

#include "base/err.h"
#include "station/archive.h"
#include "station/record/record.h"

struct assay__archive {
	struct assay__record *record;
};

static int room_open(const struct assay__archive_need *need, struct assay__archive **out, struct assay_error *error)
{
	struct assay__record_hooks hooks = {.ctx = need->ctx, .recorded = need->recorded, .event = need->event};
	struct assay__archive *archive = assay__calloc(NULL, 1, sizeof(*archive));
	int rc;

	if (!archive)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for the record");
	rc = assay__record_open(need->state_dir, need->station, need->settings, &hooks, NULL, &archive->record, error);
	if (rc)
		assay__free(NULL, archive);
	else
		*out = archive;
	return rc;
}

static uint64_t room_next(struct assay__archive *archive)
{
	return assay__record_next(archive->record);
}

static int room_put(struct assay__archive *archive, const struct assay__part *part, bool final)
{
	/* A part the room refuses is a gap at once, so it is not asked while it has no place. */
	if (!final && !assay__record_has_room(archive->record))
		return ASSAY_E_FULL;
	return assay__record_put(archive->record, part);
}

static bool room_ok(struct assay__archive *archive)
{
	return assay__record_ok(archive->record);
}

static void room_event(struct assay__archive *archive, const char *kind, const char *text)
{
	assay__record_event(archive->record, kind, text);
}

static bool room_flush(struct assay__archive *archive, int timeout_ms)
{
	return assay__record_flush(archive->record, timeout_ms);
}

static int room_keep_recipe(struct assay__archive *archive, const struct assay_recipe *recipe,
							struct assay_error *error)
{
	return assay__record_keep_recipe(archive->record, recipe, error);
}

static void room_totals(struct assay__archive *archive, struct assay__counters *out)
{
	struct assay__record_totals totals;

	assay__record_get_totals(archive->record, &totals);
	out->triggers = totals.triggers;
	out->pass = totals.pass;
	out->fail = totals.fail;
	/* What was triggered and never recorded had, as far as anybody can tell, no other verdict. */
	out->fault = totals.fault + totals.lost;
	out->missed = totals.missed;
	out->challenge = totals.challenge;
	out->recorded = totals.triggers - totals.lost + totals.challenge;
}

static void room_state(struct assay__archive *archive, char out[160])
{
	struct assay__record_health health;

	assay__record_get_health(archive->record, &health);
	snprintf(out, 160, "%.150s", health.state[0] ? health.state : "kept");
}

static int room_close(struct assay__archive *archive, int drain_ms, struct assay_error *error)
{
	int rc = assay__record_close(archive->record, drain_ms, error);

	assay__free(NULL, archive);
	return rc;
}

const struct assay__archive_ops assay__archive_record = {
	.open = room_open,
	.next = room_next,
	.put = room_put,
	.ok = room_ok,
	.event = room_event,
	.flush = room_flush,
	.keep_recipe = room_keep_recipe,
	.totals = room_totals,
	.state = room_state,
	.close = room_close,
};
