/* SPDX-License-Identifier: Apache-2.0 */
#include "station/output/spool_door.h"

#include <ctype.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"

const char *const assay__spool_sync_words[] = {"never", "second", "always", NULL};

int assay__spool_door_open(const struct assay__station_port *port, const char *name, int limit_mb, int sync,
						   struct assay__spool **out, struct assay_error *error)
{
	char folder[1024];
	struct assay__spool_options options = {.limit_bytes = (int64_t)limit_mb * 1000000,
										   .sync = (enum assay__spool_sync)sync};
	if (port->state_dir) {
		int used = snprintf(folder, sizeof(folder), "%s/spool-", port->state_dir);
		int length = snprintf(folder, sizeof(folder), "%s/spool-%s", port->state_dir, name);
		if (length < 0 || (size_t)length >= sizeof(folder))
			return assay__fail(error, ASSAY_E_LIMIT, -1, "output %s: the path of its spool is too long", name);
		for (char *at = folder + used; *at; at++)
			if (!isalnum((unsigned char)*at) && *at != '-' && *at != '_')
				*at = '_';
		options.folder = folder;
	}
	int err = assay__spool_open(&options, port->allocator, out, error);
	if (err)
		assay__fail_prefix(error, "output %s", name);
	return err;
}

void assay__spool_door_fill(struct assay__door *door, struct assay__spool *spool, assay__spool_encode *encode,
							void *ctx, uint8_t *buffer, size_t size_bytes)
{
	struct assay__verdict verdict;
	while (assay__door_peek(door, 0, &verdict)) {
		size_t used = 0;
		int err = encode(ctx, &verdict, buffer, size_bytes, &used);
		if (!err)
			err = assay__spool_append(spool, buffer, used);
		if (err == ASSAY_E_FULL || err == ASSAY_E_NOMEM)
			return;
		if (err)
			assay__door_count_lost(door, 1, "a verdict is too long for a message");
		assay__door_take(door);
	}
}

int assay__wait_min(int a_ms, int b_ms)
{
	if (a_ms < 0)
		return b_ms;
	return b_ms >= 0 && b_ms < a_ms ? b_ms : a_ms;
}

int assay__wait_until(int64_t moment_us)
{
	if (moment_us < 0)
		return -1;
	int64_t left_us = moment_us - assay__clock_us();
	if (left_us <= 0)
		return 0;
	return left_us > 3600000000LL ? 3600000 : (int)((left_us + 999) / 1000);
}
