/* SPDX-License-Identifier: Apache-2.0 */
/* How many records a second one core keeps, how fast a long record opens, and how long its audit takes: record DIR PARTS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "station/record/record.h"
#include "station/record/verify.h"

static double cpu_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int die(const struct assay_error *error)
{
	fprintf(stderr, "record: %s\n", error->message);
	return 1;
}

static int put_parts(struct assay__record *record, long count)
{
	static const uint32_t map[32 * 24];
	for (long i = 0; i < count; i++) {
		struct assay__part part = {.sequence = assay__record_next(record), .verdict = i % 50 ? ASSAY_PASS : ASSAY_FAIL};
		snprintf(part.code, sizeof(part.code), "LOT7-%08ld", i);
		snprintf(part.recipe_name, sizeof(part.recipe_name), "housing");
		part.trigger_us = assay__clock_us();
		part.verdict_us = part.trigger_us + 8000;
		part.wall_us = (int64_t)time(NULL) * 1000000;
		part.view_count = 1;
		snprintf(part.views[0].camera, sizeof(part.views[0].camera), "top");
		part.views[0].result.verdict = part.verdict;
		part.views[0].result.map_q8 = map;
		part.views[0].result.grid_width = 32;
		part.views[0].result.grid_height = 24;
		part.views[0].result.threshold_q8 = 2560;
		part.views[0].result.score_q8 = part.verdict == ASSAY_FAIL ? 3000 : 1000;
		part.views[0].result.region_count = part.verdict == ASSAY_FAIL;
		memset(part.views[0].network_hash, 7, ASSAY_HASH_BYTES);
		while (1) {
			struct assay__record_health health;
			assay__record_get_health(record, &health);
			if (health.queue_length < health.queue_capacity / 2)
				break;
			usleep(100);
		}
		if (assay__record_put(record, &part))
			return -1;
	}
	return assay__record_flush(record, -1) ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct assay__record_settings settings;
	struct assay__record *record;
	struct assay__record_health health;
	struct assay__verify_report report;
	struct assay_error error;
	if (argc != 3) {
		fprintf(stderr, "usage: bench_record DIR PARTS\n");
		return 64;
	}
	long count = atol(argv[2]);
	assay__option_defaults(assay__record_options, assay__record_option_count, &settings);
	settings.queue = 1024;
	if (assay__record_open(argv[1], "bench", &settings, NULL, NULL, &record, &error))
		return die(&error);
	int64_t start_us = assay__clock_us();
	double start_cpu = cpu_seconds();
	if (put_parts(record, count))
		return 1;
	double seconds = (double)(assay__clock_us() - start_us) / 1e6, cpu = cpu_seconds() - start_cpu;
	assay__record_get_health(record, &health);
	printf("%ld parts in %.2f s: %.0f records/s, %.1f us of processor each, %.0f to a transaction\n", count, seconds,
		   (double)count / seconds, cpu * 1e6 / (double)count, (double)count / (double)health.commits);
	if (assay__record_close(record, 60000, &error))
		return die(&error);
	start_us = assay__clock_us();
	if (assay__record_open(argv[1], "bench", &settings, NULL, NULL, &record, &error))
		return die(&error);
	printf("opened again in %.1f ms\n", (double)(assay__clock_us() - start_us) / 1e3);
	if (assay__record_close(record, 60000, &error))
		return die(&error);
	start_us = assay__clock_us();
	struct assay__verify_options verify = {0};
	if (assay__verify(argv[1], &verify, &report, &error))
		return die(&error);
	printf("audited in %.2f s: %llu parts, %llu findings\n", (double)(assay__clock_us() - start_us) / 1e6,
		   (unsigned long long)report.parts, (unsigned long long)report.findings);
	return 0;
}
