/* SPDX-License-Identifier: Apache-2.0 */
/* GET /metrics: the text format 0.0.4 of Prometheus (prometheus.io/docs/instrumenting/exposition_formats). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "station/http/handlers.h"

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_label(FILE *out, const char *name, const char *value)
{
	fprintf(out, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", out);
		else if (*value == '"' || *value == '\\')
			fprintf(out, "\\%c", *value);
		else
			fputc(*value, out);
	}
	fputc('"', out);
}

static void put_uint(FILE *out, const char *name, uint64_t value)
{
	fprintf(out, "%s %llu\n", name, (unsigned long long)value);
}

static void put_labelled(FILE *out, const char *name, const char *label, const char *value, uint64_t number)
{
	fprintf(out, "%s{", name);
	put_label(out, label, value);
	fprintf(out, "} %llu\n", (unsigned long long)number);
}

static void put_seconds(FILE *out, double us)
{
	char text[ASSAY__NUMBER_CHARS];

	assay__text_from_double(us / 1e6, 15, text);
	fputs(text, out);
}

static void put_counter(FILE *out, const char *name, const char *help, uint64_t value)
{
	head(out, name, "counter", help);
	put_uint(out, name, value);
}

static void put_gauge(FILE *out, const char *name, const char *help, uint64_t value)
{
	head(out, name, "gauge", help);
	put_uint(out, name, value);
}

static void put_parts(FILE *out, const struct assay__station_stats *stats)
{
	head(out, "assay_parts_total", "counter", "Verdicts since the station's first day.");
	put_labelled(out, "assay_parts_total", "verdict", "PASS", stats->total.pass);
	put_labelled(out, "assay_parts_total", "verdict", "FAIL", stats->total.fail);
	put_labelled(out, "assay_parts_total", "verdict", "FAULT", stats->total.fault);
	head(out, "assay_faults_total", "counter", "FAULT verdicts since start, by reason.");
	for (int i = 1; i < ASSAY__FAULT_COUNT; i++)
		put_labelled(out, "assay_faults_total", "reason", assay__fault_name((enum assay__fault)i), stats->by_fault[i]);
	head(out, "assay_triggers_total", "counter", "Triggers since start, by who asked.");
	for (int i = 0; i < ASSAY__TRIGGER_COUNT; i++)
		put_labelled(out, "assay_triggers_total", "source", assay__trigger_name((enum assay__trigger_kind)i),
					 stats->by_trigger[i]);
	put_counter(out, "assay_missed_total", "Triggers while not ready, since the station's first day.",
				stats->total.missed);
	put_counter(out, "assay_recorded_total",
				"Parts on record since the station's first day, challenge parts among them.", stats->total.recorded);
	put_counter(out, "assay_late_dropped_total", "Inspections that ended after their part was answered FAULT late.",
				stats->late_dropped);
	put_counter(out, "assay_unrecorded_total", "Verdicts given while the record failed, and never recorded.",
				stats->unrecorded);
}

static void put_latency(FILE *out, const struct assay__station_stats *stats)
{
	uint64_t sum = 0;

	head(out, "assay_latency_seconds", "histogram", "Trigger to verdict, PASS and FAIL, since start.");
	for (int i = 0; i < ASSAY__LATENCY_BUCKETS; i++) {
		sum += stats->latency_count[i];
		fputs("assay_latency_seconds_bucket{le=\"", out);
		if (i < ASSAY__LATENCY_BUCKETS - 1)
			put_seconds(out, (double)assay__latency_bounds_us[i]);
		else
			fputs("+Inf", out);
		fprintf(out, "\"} %llu\n", (unsigned long long)sum);
	}
	fputs("assay_latency_seconds_sum ", out);
	put_seconds(out, stats->latency_sum_us);
	fprintf(out, "\nassay_latency_seconds_count %llu\n", (unsigned long long)sum);
}

static void put_codes(FILE *out, const struct assay__station_stats *stats)
{
	head(out, "assay_codes_total", "counter", "Verdicts by what became of looking for a code in the pictures.");
	for (int i = 0; i < ASSAY__CODE_STATES; i++)
		put_labelled(out, "assay_codes_total", "state", assay__code_state_name((enum assay__code_state)i),
					 stats->by_code[i]);
}

static void put_challenge(FILE *out, const struct assay__station_stats *stats, struct assay__station *station)
{
	struct assay__challenge_status status;

	assay__station_challenge(station, &status);
	put_gauge(out, "assay_challenge_due", "1: challenge parts are due, and triggers are answered FAULT.", status.due);
	put_counter(out, "assay_challenge_parts_total",
				"Challenge parts on the station's first day and since; no production.", stats->total.challenge);
	put_counter(out, "assay_challenge_missed_total", "Challenge parts since start that were not FAIL.", status.missed);
	put_counter(out, "assay_challenge_runs_total", "Challenges since start.", status.runs);
	put_counter(out, "assay_challenge_failed_runs_total", "Challenges since start in which not all were caught.",
				status.failed_runs);
}

static void put_load(FILE *out, const struct assay__station_stats *stats)
{
	put_gauge(out, "assay_in_flight", "Parts triggered and not yet judged.", (uint64_t)stats->in_flight);
	put_gauge(out, "assay_in_archive", "Parts answered and not yet on disk.", (uint64_t)stats->in_archive);
	put_gauge(out, "assay_hall_length", "Parts waiting for a worker.", (uint64_t)stats->hall_length);
	put_gauge(out, "assay_hall_capacity", "Parts that may wait for a worker.", (uint64_t)stats->hall_capacity);
	put_gauge(out, "assay_workers", "Threads that inspect.", (uint64_t)stats->workers);
	put_gauge(out, "assay_workers_busy", "Threads that are inspecting now.", (uint64_t)stats->workers_busy);
	put_gauge(out, "assay_frames", "Picture buffers.", (uint64_t)stats->frames);
	put_gauge(out, "assay_frames_in_use", "Picture buffers in use.", (uint64_t)stats->frames_in_use);
	head(out, "assay_uptime_seconds", "gauge", "Since the station started.");
	fputs("assay_uptime_seconds ", out);
	put_seconds(out, (double)stats->uptime_us);
	fputc('\n', out);
}

/* One family over all outputs or cameras; `value` picks the number. */
static void put_outputs(FILE *out, struct assay__station *station, const char *name, const char *type, const char *help,
						uint64_t (*value)(const struct assay__output_health *health))
{
	int count = assay__station_output_count(station);

	head(out, name, type, help);
	for (int i = 0; i < count; i++) {
		struct assay__station_output output;

		assay__station_output(station, i, &output);
		put_labelled(out, name, "output", output.name, value(&output.health));
	}
}

static uint64_t output_up(const struct assay__output_health *health)
{
	return health->up;
}
static uint64_t output_posted(const struct assay__output_health *health)
{
	return health->posted;
}
static uint64_t output_sent(const struct assay__output_health *health)
{
	return health->sent;
}
static uint64_t output_lost(const struct assay__output_health *health)
{
	return health->lost;
}
static uint64_t output_queue(const struct assay__output_health *health)
{
	return (uint64_t)health->queue_length;
}

static void put_cameras(FILE *out, struct assay__station *station, const char *name, const char *type, const char *help,
						uint64_t (*value)(const struct assay__source_health *health))
{
	int count = assay__station_camera_count(station);

	head(out, name, type, help);
	for (int i = 0; i < count; i++) {
		struct assay__station_camera camera;

		assay__station_camera(station, i, &camera);
		put_labelled(out, name, "camera", camera.name, value(&camera.health));
	}
}

static uint64_t camera_up(const struct assay__source_health *health)
{
	return health->state == ASSAY__SOURCE_UP;
}
static uint64_t camera_pictures(const struct assay__source_health *health)
{
	return health->pictures;
}
static uint64_t camera_broken(const struct assay__source_health *health)
{
	return health->broken;
}
static uint64_t camera_missed(const struct assay__source_health *health)
{
	return health->missed;
}

static void put_number(FILE *out, double value)
{
	char text[ASSAY__NUMBER_CHARS];

	assay__text_from_double(value, 9, text);
	fprintf(out, "} %s\n", text);
}

/* One family over cameras and measures: how far a measure is out, as a share of its limit; another over causes. */
static void put_vitals(FILE *out, struct assay__station *station)
{
	int count = assay__station_camera_count(station);
	struct assay__station_camera camera;
	struct assay__vitals_state state;

	head(out, "assay_vital_change", "gauge", "Change against the first good parts, in limits: beyond 1 it is out.");
	for (int i = 0; i < count; i++) {
		assay__station_camera(station, i, &camera);
		assay__station_vitals(station, i, &state);
		for (int m = 0; m < ASSAY__VITAL_MEASURES && state.learned; m++) {
			const struct assay__vital_reading *r = &state.readings[m];

			fputs("assay_vital_change{", out);
			put_label(out, "camera", camera.name);
			fputc(',', out);
			put_label(out, "measure", assay__vital_measure_name((enum assay__vital_measure)m));
			put_number(out, r->limit > 0 ? (r->now - r->reference) / r->limit : 0);
		}
	}
	head(out, "assay_vital_warning", "gauge", "1: this is told of the camera now.");
	for (int i = 0; i < count; i++) {
		assay__station_camera(station, i, &camera);
		assay__station_vitals(station, i, &state);
		for (int cause = 1; cause < ASSAY__VITAL_CAUSES; cause++) {
			fputs("assay_vital_warning{", out);
			put_label(out, "camera", camera.name);
			fputc(',', out);
			put_label(out, "cause", assay__vital_cause_name((enum assay__vital_cause)cause));
			put_number(out, state.cause == (enum assay__vital_cause)cause);
		}
	}
}

static void put_http(FILE *out, struct assay__http *http)
{
	static const char *const codes[] = {"", "1xx", "2xx", "3xx", "4xx", "5xx"};
	int links;

	pthread_mutex_lock(&http->links_mutex);
	links = http->link_count;
	pthread_mutex_unlock(&http->links_mutex);
	head(out, "assay_http_answers_total", "counter", "Answers over HTTP, by class of status.");
	for (int i = 1; i < 6; i++)
		put_labelled(out, "assay_http_answers_total", "code", codes[i], atomic_load(&http->requests[i]));
	put_gauge(out, "assay_http_connections", "Connections open.", (uint64_t)links);
	put_gauge(out, "assay_http_event_streams", "Streams of events open.", (uint64_t)atomic_load(&http->streams));
	put_counter(out, "assay_http_events_lost_total", "Events that streams were too slow for, and were told so.",
				atomic_load(&http->events_lost));
	put_counter(out, "assay_http_timeouts_total", "Connections closed because a request took too long to arrive.",
				atomic_load(&http->timed_out));
}

static void put_all(FILE *out, struct assay__http *http)
{
	struct assay__station *station = http->station;
	struct assay__station_health health;
	struct assay__station_stats stats;

	assay__station_stats(station, &stats);
	assay__station_health(station, &health);
	head(out, "assay_build_info", "gauge", "Always 1; version and kernels.");
	fputs("assay_build_info{", out);
	put_label(out, "version", ASSAY_VERSION);
	fputc(',', out);
	put_label(out, "kernels", assay_isa_name(assay_isa_best()));
	fputs("} 1\n", out);
	head(out, "assay_recipe_info", "gauge", "Always 1; the recipe selected.");
	put_labelled(out, "assay_recipe_info", "recipe", health.recipe, 1);
	put_gauge(out, "assay_ready", "1: takes triggers.", health.ready);
	put_gauge(out, "assay_record_failing", "1: nothing can be kept, and triggers are answered FAULT.",
			  health.record_failing);
	put_parts(out, &stats);
	put_latency(out, &stats);
	put_codes(out, &stats);
	put_challenge(out, &stats, station);
	put_load(out, &stats);
	put_outputs(out, station, "assay_output_up", "gauge", "1: connected or listening.", output_up);
	put_outputs(out, station, "assay_output_posted_total", "counter", "Verdicts handed to the output.", output_posted);
	put_outputs(out, station, "assay_output_sent_total", "counter", "Verdicts the output has sent.", output_sent);
	put_outputs(out, station, "assay_output_lost_total", "counter", "Verdicts the output could not keep.", output_lost);
	put_outputs(out, station, "assay_output_queue_length", "gauge", "Verdicts waiting in the output.", output_queue);
	put_cameras(out, station, "assay_camera_up", "gauge", "1: gives pictures.", camera_up);
	put_cameras(out, station, "assay_camera_pictures_total", "counter", "Pictures given.", camera_pictures);
	put_cameras(out, station, "assay_camera_broken_total", "counter", "Pictures given as damaged.", camera_broken);
	put_cameras(out, station, "assay_camera_missed_total", "counter", "Pictures asked for in vain.", camera_missed);
	put_vitals(out, station);
	put_http(out, http);
}

enum MHD_Result assay__http_metrics(struct assay__request *request)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return assay__answer_error(request, 500, "no_memory", "out of memory");
	put_all(out, request->http);
	if (ferror(out) | fclose(out)) {
		free(text);
		return assay__answer_error(request, 500, "no_memory", "out of memory");
	}
	return assay__answer_bytes(request, 200, "text/plain; version=0.0.4; charset=utf-8", text, size);
}
