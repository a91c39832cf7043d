/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of the record, and which pictures are kept. */
#include "station/record/room.h"

static const char *const image_words[] = {"policy", "all", "none", NULL};

#define AT(member) offsetof(struct assay__record_settings, member)
const struct assay__option assay__record_options[] = {
	{.name = "images",
	 .type = ASSAY__OPTION_WORD,
	 .fallback = "policy",
	 .words = image_words,
	 .help = "which pictures are kept, losslessly: by the keep-settings below, all or none",
	 .offset = AT(images)},
	{.name = "keep-fail",
	 .type = ASSAY__OPTION_FLAG,
	 .fallback = "true",
	 .help = "keep the pictures of every FAIL, and of every FAULT that has one",
	 .offset = AT(keep_fail)},
	{.name = "keep-every",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "100",
	 .min = 0,
	 .max = 1000000,
	 .help = "keep the pictures of every n-th PASS; 0: of none",
	 .offset = AT(keep_every)},
	{.name = "keep-near",
	 .type = ASSAY__OPTION_PERCENT,
	 .fallback = "5%",
	 .min = 0,
	 .max = 1,
	 .help = "keep a PASS whose score is less than this below its threshold",
	 .offset = AT(keep_near)},
	{.name = "keep-p",
	 .type = ASSAY__OPTION_DOUBLE,
	 .fallback = "0",
	 .min = 0,
	 .max = 1,
	 .help = "keep a PASS whose p-value is at most this",
	 .offset = AT(keep_p)},
	{.name = "keep-stop",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "30",
	 .min = 0,
	 .max = 600,
	 .unit = "s",
	 .help = "keep everything this long before and after a stop (a FAULT of camera, picture, deadline or program)",
	 .offset = AT(keep_stop_s)},
	{.name = "stop-memory",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "64",
	 .min = 0,
	 .max = 65536,
	 .unit = "MiB",
	 .help = "memory for the pictures before a stop; it may hold less than keep-stop seconds",
	 .offset = AT(stop_memory_mb)},
	{.name = "image-memory",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "128",
	 .min = 1,
	 .max = 65536,
	 .unit = "MiB",
	 .help = "memory for pictures on their way to a slow disk; beyond it they are not kept",
	 .offset = AT(image_memory_mb)},
	{.name = "image-quota",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "20480",
	 .min = 0,
	 .max = 1 << 30,
	 .unit = "MiB",
	 .help = "disk space for pictures; the oldest are removed, their records stay; 0: no limit",
	 .offset = AT(image_quota_mb)},
	{.name = "disk-reserve",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "512",
	 .min = 0,
	 .max = 1 << 30,
	 .unit = "MiB",
	 .help = "no picture is kept when less than this is free: what is left belongs to the records",
	 .offset = AT(disk_reserve_mb)},
	{.name = "queue",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "256",
	 .min = 1,
	 .max = 65536,
	 .help = "parts that may wait to be written (18 KiB each)",
	 .offset = AT(queue)},
	{.name = "batch",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "256",
	 .min = 1,
	 .max = 65536,
	 .help = "most parts in one transaction",
	 .offset = AT(batch)},
	{.name = "batch-wait",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "0",
	 .min = 0,
	 .max = 1000,
	 .unit = "ms",
	 .help =
		 "wait this long for more parts before a transaction, which spares the disk and delays what is acknowledged",
	 .offset = AT(batch_wait_ms)},
	{.name = "sign-every",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "1000",
	 .min = 1,
	 .max = 1000000,
	 .help = "sign the chain after this many parts",
	 .offset = AT(sign_every)},
	{.name = "sign-seconds",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "60",
	 .min = 1,
	 .max = 86400,
	 .unit = "s",
	 .help = "sign the chain at least this often while there is anything new",
	 .offset = AT(sign_seconds)},
};
const int assay__record_option_count = (int)(sizeof(assay__record_options) / sizeof(assay__record_options[0]));
#undef AT

bool assay__policy_stop(const struct assay__part *part)
{
	switch (part->fault) {
	case ASSAY__FAULT_LATE:
	case ASSAY__FAULT_NO_IMAGE:
	case ASSAY__FAULT_BROKEN:
	case ASSAY__FAULT_CAMERA:
	case ASSAY__FAULT_INTERNAL:
		return true;
	default: /* overload, draining and the like do not stop a line, and would fill the disk */
		return false;
	}
}

/* A score or p-value near the threshold. */
static bool is_near(const struct assay__record_settings *settings, const struct assay_result *result)
{
	double least = (1 - settings->keep_near) * (double)result->threshold_q8;
	if (result->threshold_q8 == 0)
		return false;
	return (settings->keep_near > 0 && (double)result->score_q8 >= least) ||
		   (settings->keep_p > 0 && result->p_value > 0 && result->p_value <= settings->keep_p);
}

enum assay__keep assay__policy(const struct assay__record_settings *settings, const struct assay__part *part,
							   uint64_t pass_number, bool after_stop)
{
	if (settings->images == ASSAY__IMAGES_NONE)
		return ASSAY__KEEP_NO;
	if (settings->images == ASSAY__IMAGES_ALL || after_stop)
		return ASSAY__KEEP_YES;
	if (part->verdict != ASSAY_PASS)
		return settings->keep_fail ? ASSAY__KEEP_YES : ASSAY__KEEP_HELD;
	if (settings->keep_every && pass_number % (uint64_t)settings->keep_every == 0)
		return ASSAY__KEEP_YES;
	for (int i = 0; i < part->view_count; i++)
		if (is_near(settings, &part->views[i].result))
			return ASSAY__KEEP_YES;
	return settings->keep_stop_s > 0 ? ASSAY__KEEP_HELD : ASSAY__KEEP_NO;
}
