/* SPDX-License-Identifier: Apache-2.0 */
#include "station/archive.h"

#include <stdatomic.h>
#include <stdio.h>

#include "base/err.h"

struct assay__archive {
	struct assay__archive_need need;
	atomic_uint_fast64_t next;
};

static int null_open(const struct assay__archive_need *need, struct assay__archive **out, struct assay_error *error)
{
	struct assay__archive *archive = assay__calloc(NULL, 1, sizeof(*archive));

	if (!archive)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for the record");
	archive->need = *need;
	atomic_init(&archive->next, 0);
	*out = archive;
	return 0;
}

static uint64_t null_next(struct assay__archive *archive)
{
	return atomic_fetch_add(&archive->next, 1) + 1;
}

static int null_put(struct assay__archive *archive, const struct assay__part *part, bool final)
{
	static const uint8_t none[ASSAY_HASH_BYTES];

	(void) final;
	if (archive->need.recorded)
		archive->need.recorded(archive->need.ctx, part->sequence, none);
	return 0;
}

static bool null_ok(struct assay__archive *archive)
{
	(void)archive;
	return true;
}

static void null_event(struct assay__archive *archive, const char *kind, const char *text)
{
	(void)archive;
	(void)kind;
	(void)text;
}

static bool null_flush(struct assay__archive *archive, int timeout_ms)
{
	(void)archive;
	(void)timeout_ms;
	return true;
}

static int null_keep_recipe(struct assay__archive *archive, const struct assay_recipe *recipe,
							struct assay_error *error)
{
	(void)archive;
	(void)recipe;
	(void)error;
	return 0;
}

static void null_totals(struct assay__archive *archive, struct assay__counters *out)
{
	(void)archive;
	out->triggers = out->pass = out->fail = out->fault = out->missed = out->recorded = 0;
}

static void null_state(struct assay__archive *archive, char out[160])
{
	(void)archive;
	snprintf(out, 160, "nothing is recorded");
}

static int null_close(struct assay__archive *archive, int drain_ms, struct assay_error *error)
{
	(void)drain_ms;
	(void)error;
	assay__free(NULL, archive);
	return 0;
}

const struct assay__archive_ops assay__archive_null = {
	.open = null_open,
	.next = null_next,
	.put = null_put,
	.ok = null_ok,
	.event = null_event,
	.flush = null_flush,
	.keep_recipe = null_keep_recipe,
	.totals = null_totals,
	.state = null_state,
	.close = null_close,
};
