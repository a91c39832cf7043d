/* SPDX-License-Identifier: Apache-2.0 */
/* GET /health, GET /status */
#include "base/json_field.h"
#include "station/http/handlers.h"

enum MHD_Result assay__http_health(struct assay__request *request)
{
	struct assay__json *json = &request->json;
	struct assay__station_health health;
	bool alive = assay__station_alive(request->http->station, NULL);

	assay__station_health(request->http->station, &health);
	assay__json_object(json);
	assay__field_bool(json, "alive", alive);
	assay__field_bool(json, "ready", health.ready);
	assay__json_object_end(json);
	return assay__answer_json(request, alive ? 200 : 503);
}

static void put_counters(struct assay__json *json, const char *key, const struct assay__counters *counters)
{
	assay__json_key(json, key);
	assay__json_object(json);
	assay__field_uint(json, "triggers", counters->triggers);
	assay__field_uint(json, "pass", counters->pass);
	assay__field_uint(json, "fail", counters->fail);
	assay__field_uint(json, "fault", counters->fault);
	assay__field_uint(json, "missed", counters->missed);
	assay__field_uint(json, "challenge", counters->challenge);
	assay__field_uint(json, "recorded", counters->recorded);
	assay__json_object_end(json);
}

static void put_latency(struct assay__json *json, const struct assay__station_stats *stats)
{
	const struct assay__counters *counters = &stats->since_start;

	assay__json_key(json, "latency");
	assay__json_object(json);
	assay__field_int(json, "last_us", counters->latency_last_us);
	assay__field_int(json, "min_us", counters->latency_min_us);
	assay__field_int(json, "max_us", counters->latency_max_us);
	assay__json_key(json, "mean_us");
	assay__json_double(json, counters->latency_mean_us);
	assay__json_key(json, "bounds_us");
	assay__json_array(json);
	for (int i = 0; i < ASSAY__LATENCY_BUCKETS - 1; i++)
		assay__json_int(json, assay__latency_bounds_us[i]);
	assay__json_array_end(json);
	assay__json_key(json, "counts");
	assay__json_array(json);
	for (int i = 0; i < ASSAY__LATENCY_BUCKETS; i++)
		assay__json_uint(json, stats->latency_count[i]);
	assay__json_array_end(json);
	assay__json_object_end(json);
}

static void put_load(struct assay__json *json, const struct assay__station_stats *stats)
{
	assay__json_key(json, "load");
	assay__json_object(json);
	assay__field_int(json, "in_flight", stats->in_flight);
	assay__field_int(json, "in_archive", stats->in_archive);
	assay__field_int(json, "hall_length", stats->hall_length);
	assay__field_int(json, "hall_capacity", stats->hall_capacity);
	assay__field_int(json, "workers", stats->workers);
	assay__field_int(json, "workers_busy", stats->workers_busy);
	assay__field_int(json, "frames", stats->frames);
	assay__field_int(json, "frames_in_use", stats->frames_in_use);
	assay__field_int(json, "frames_peak", stats->frames_peak);
	assay__field_uint(json, "late_dropped", stats->late_dropped);
	assay__field_uint(json, "unrecorded", stats->unrecorded);
	assay__json_object_end(json);
}

static void put_outputs(struct assay__json *json, struct assay__station *station)
{
	int count = assay__station_output_count(station);

	assay__json_key(json, "outputs");
	assay__json_array(json);
	for (int i = 0; i < count; i++) {
		struct assay__station_output output;

		assay__station_output(station, i, &output);
		assay__json_object(json);
		assay__field_text(json, "name", output.name);
		assay__field_text(json, "type", output.type);
		assay__field_bool(json, "up", output.health.up);
		assay__field_text(json, "state", output.health.state);
		assay__field_uint(json, "posted", output.health.posted);
		assay__field_uint(json, "sent", output.health.sent);
		assay__field_uint(json, "lost", output.health.lost);
		assay__field_int(json, "queue_length", output.health.queue_length);
		assay__field_int(json, "queue_capacity", output.health.queue_capacity);
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
}

static void put_by_name(struct assay__json *json, const struct assay__station_stats *stats)
{
	assay__json_key(json, "by_fault");
	assay__json_object(json);
	for (int i = 1; i < ASSAY__FAULT_COUNT; i++)
		assay__field_uint(json, assay__fault_name((enum assay__fault)i), stats->by_fault[i]);
	assay__json_object_end(json);
	assay__json_key(json, "by_trigger");
	assay__json_object(json);
	for (int i = 0; i < ASSAY__TRIGGER_COUNT; i++)
		assay__field_uint(json, assay__trigger_name((enum assay__trigger_kind)i), stats->by_trigger[i]);
	assay__json_object_end(json);
}

enum MHD_Result assay__http_status(struct assay__request *request)
{
	struct assay__station *station = request->http->station;
	struct assay__json *json = &request->json;
	struct assay__station_health health;
	struct assay__station_stats stats;
	char why[96] = "";
	bool alive = assay__station_alive(station, why);

	assay__station_health(station, &health);
	assay__station_stats(station, &stats);
	assay__json_object(json);
	assay__field_text(json, "station", request->http->station_name);
	assay__field_text(json, "version", ASSAY_VERSION);
	assay__field_text(json, "kernels", assay_isa_name(assay_isa_best()));
	assay__field_bool(json, "alive", alive);
	assay__field_bool(json, "ready", health.ready);
	assay__field_bool(json, "busy", health.busy);
	assay__field_bool(json, "stopping", health.stopping);
	assay__field_text(json, "why", alive ? health.why : why);
	assay__field_bool(json, "record_failing", health.record_failing);
	assay__field_text(json, "record", health.record_state);
	assay__field_text(json, "recipe", health.recipe);
	assay__field_int(json, "recipe_number", health.recipe_number);
	assay__field_int(json, "uptime_us", stats.uptime_us);
	assay__field_uint(json, "sequence", stats.sequence);
	assay__field_int(json, "takt_ms", request->http->settings->takt_ms);
	assay__field_text(json, "shifts", request->http->settings->shifts);
	assay__field_uint(json, "event_next", assay__station_event_next(station));
	put_counters(json, "total", &stats.total);
	put_counters(json, "since_start", &stats.since_start);
	put_by_name(json, &stats);
	put_latency(json, &stats);
	put_load(json, &stats);
	put_outputs(json, station);
	assay__http_put_vitals(json, station);
	assay__json_object_end(json);
	return assay__answer_json(request, 200);
}
