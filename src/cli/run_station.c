/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/run_station.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/common.h"
#include "cli/fields.h"
#include "station/http/http.h"
#include "station/http/parts_record.h"
#include "station/log.h"
#include "station/notify.h"

#define TICK_MS 50

static void fill_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
}

/* The latency that `share` of PASS and FAIL did not exceed, as the bound of its bucket; 0 without any. */
static double latency_ms(const struct assay__station_stats *stats, double share)
{
	uint64_t all = 0, sum = 0;

	for (int i = 0; i < ASSAY__LATENCY_BUCKETS; i++)
		all += stats->latency_count[i];
	for (int i = 0; all && i < ASSAY__LATENCY_BUCKETS - 1; i++) {
		sum += stats->latency_count[i];
		if ((double)sum >= share * (double)all)
			return (double)assay__latency_bounds_us[i] / 1e3;
	}
	return (double)stats->since_start.latency_max_us / 1e3;
}

static int print_summary(const struct assay__station_stats *stats, double seconds)
{
	const struct assay__counters *counts = &stats->since_start;
	struct assay__json json;
	int status;

	assay__json_open(&json, NULL);
	assay__json_object(&json);
	assay__field_int(&json, "triggers", (int64_t)counts->triggers);
	assay__field_int(&json, "pass", (int64_t)counts->pass);
	assay__field_int(&json, "fail", (int64_t)counts->fail);
	assay__field_int(&json, "fault", (int64_t)counts->fault);
	assay__field_int(&json, "missed", (int64_t)counts->missed);
	assay__field_int(&json, "recorded", (int64_t)counts->recorded);
	assay__field_int(&json, "unrecorded", (int64_t)stats->unrecorded);
	assay__field_int(&json, "late_dropped", (int64_t)stats->late_dropped);
	assay__field_int(&json, "sequence", (int64_t)stats->sequence);
	assay__json_key(&json, "faults");
	assay__json_object(&json);
	for (int i = 1; i < ASSAY__FAULT_COUNT; i++)
		if (stats->by_fault[i])
			assay__field_int(&json, assay__fault_name((enum assay__fault)i), (int64_t)stats->by_fault[i]);
	assay__json_object_end(&json);
	assay__field_double(&json, "seconds", seconds);
	assay__field_double(&json, "rate_hz", seconds > 0 ? (double)counts->triggers / seconds : 0);
	assay__field_double(&json, "latency_ms_min", (double)counts->latency_min_us / 1e3);
	assay__field_double(&json, "latency_ms_mean", counts->latency_mean_us / 1e3);
	assay__field_double(&json, "latency_ms_p50", latency_ms(stats, 0.5));
	assay__field_double(&json, "latency_ms_p99", latency_ms(stats, 0.99));
	assay__field_double(&json, "latency_ms_max", (double)counts->latency_max_us / 1e3);
	assay__field_int(&json, "frames_peak", stats->frames_peak);
	assay__json_object_end(&json);
	status = assay__fields_print(&json);
	assay__json_close(&json);
	return status;
}

static bool is_enough(struct assay__station *station, const struct assay__run_wishes *wishes, int64_t start_us)
{
	struct assay__station_stats stats;

	if (wishes->seconds && assay__clock_us() - start_us >= (int64_t)wishes->seconds * 1000000)
		return true;
	if (!wishes->parts)
		return false;
	assay__station_stats(station, &stats);
	return stats.since_start.triggers >= (uint64_t)wishes->parts;
}

/* Until told to stop, or a wish is fulfilled. */
static void attend(struct assay__station *station, const struct assay__run_wishes *wishes, const sigset_t *signals)
{
	const struct timespec tick = {.tv_nsec = TICK_MS * 1000000};
	int64_t start_us = assay__clock_us(), fed_us = 0, watchdog_us = assay__notify_watchdog_us();

	while (!is_enough(station, wishes, start_us)) {
		int number = sigtimedwait(signals, NULL, &tick);
		char why[96];

		if (number == SIGHUP) {
			assay__notify("STATUS=reading the recipes again");
			assay__station_reload(station, NULL);
			assay__notify("STATUS=running");
		} else if (number > 0) {
			assay__log(ASSAY__LOG_NOTICE, "signal", "number=%d text=\"draining\"", number);
			return;
		}
		if (!watchdog_us || assay__clock_us() - fed_us < watchdog_us)
			continue;
		fed_us = assay__clock_us();
		if (assay__station_alive(station, why))
			assay__notify("WATCHDOG=1");
		else
			assay__log(ASSAY__LOG_ERROR, "stuck", "text=\"%s\"", why);
	}
}

/* After the station, so that a page never meets one that is not there, and closed before it. */
static int open_http(const struct assay__config *config, struct assay__station *station,
					 struct assay__parts_record **parts, struct assay__http **http, struct assay_error *error)
{
	struct assay__http_need need = {.settings = config->http,
									.station_name = config->station.name,
									.state_dir = config->station.state_dir,
									.station = station};
	int rc = config->station.keep_record ? assay__parts_record_open(need.state_dir, parts, error) : 0;

	need.parts = assay__parts_record_port(*parts);
	return rc ? rc : assay__http_open(&need, http, error);
}

int assay__run_station(const struct assay__config *config, const struct assay_env *env,
					   const struct assay__run_wishes *wishes)
{
	struct assay__station *station;
	struct assay__parts_record *parts = NULL;
	struct assay__http *http = NULL;
	struct assay__station_stats stats;
	struct assay_error error;
	sigset_t signals, before;
	int64_t start_us;
	double seconds;
	int rc, status = ASSAY__EXIT_PASS;

	signal(SIGPIPE, SIG_IGN);
	assay__log_open(wishes->quiet ? ASSAY__LOG_ERROR : ASSAY__LOG_INFO);
	/* Before any thread: all inherit that these are waited for here. */
	fill_signals(&signals);
	sigprocmask(SIG_BLOCK, &signals, &before);
	rc = assay__station_open(config, env, NULL, &station, &error);
	if (rc) {
		sigprocmask(SIG_SETMASK, &before, NULL);
		assay__say_error(&error);
		return rc == ASSAY_E_ARGUMENT ? ASSAY__EXIT_USAGE : assay__exit_of(rc);
	}
	if (config->has_http && open_http(config, station, &parts, &http, &error)) {
		assay__say_error(&error);
		assay__station_close(station);
		assay__parts_record_close(parts);
		sigprocmask(SIG_SETMASK, &before, NULL);
		return error.code == ASSAY_E_ARGUMENT ? ASSAY__EXIT_USAGE : assay__exit_of(error.code);
	}
	assay__notify("READY=1\nSTATUS=running");
	start_us = assay__clock_us();
	attend(station, wishes, &signals);
	seconds = (double)(assay__clock_us() - start_us) / 1e6;
	assay__notify("STOPPING=1\nSTATUS=draining");
	assay__station_drain(station);
	assay__http_close(http);
	assay__parts_record_close(parts);
	assay__station_stats(station, &stats);
	if (assay__station_close(station) || stats.unrecorded)
		status = ASSAY__EXIT_IO;
	if (wishes->summary) {
		int printed = print_summary(&stats, seconds);

		status = status ? status : printed;
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return status;
}
