/* SPDX-License-Identifier: Apache-2.0 */
/* GET /health, GET /status */
#include "station/http/handlers.h"

static void put_string(struct assay__json *json, const char *key, const char *value)
{
	assay__json_key(json, key);
	assay__json_string(json, value);
}

static void put_uint(struct assay__json *json, const char *key, uint64_t value)
{
	assay__json_key(json, key);
	assay__json_uint(json, value);
}

static void put_int(struct assay__json *json, const char *key, int64_t value)
{
	assay__json_key(json, key);
	assay__json_int(json, value);
}

static void put_bool(struct assay__json *json, const char *key, bool value)
{
	assay__json_key(json, key);
	assay__json_bool(json, value);
}

enum MHD_Result assay__http_health(struct assay__request *request)
{
	struct assay__json *json = &request->json;
	struct assay__station_health health;
	bool alive = assay__station_alive(request->http->station, NULL);

	assay__station_health(request->http->station, &health);
	assay__json_object(json);
	put_bool(json, "alive", alive);
	put_bool(json, "ready", health.ready);
	assay__json_object_end(json);
	return assay__answer_json(request, alive ? 200 : 503);
}

static void put_counters(struct assay__json *json, const char *key, const struct assay__counters *counters)
{
	assay__json_key(json, key);
	assay__json_object(json);
	put_uint(json, "triggers", counters->triggers);
	put_uint(json, "pass", counters->pass);
	put_uint(json, "fail", counters->fail);
	put_uint(json, "fault", counters->fault);
	put_uint(json, "missed", counters->missed);
	put_uint(json, "recorded", counters->recorded);
	assay__json_object_end(json);
}

static void put_latency(struct assay__json *json, const struct assay__station_stats *stats)
{
	const struct assay__counters *counters = &stats->since_start;

	assay__json_key(json, "latency");
	assay__json_object(json);
	put_int(json, "last_us", counters->latency_last_us);
	put_int(json, "min_us", counters->latency_min_us);
	put_int(json, "max_us", counters->latency_max_us);
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
	put_int(json, "in_flight", stats->in_flight);
	put_int(json, "in_archive", stats->in_archive);
	put_int(json, "hall_length", stats->hall_length);
	put_int(json, "hall_capacity", stats->hall_capacity);
	put_int(json, "workers", stats->workers);
	put_int(json, "workers_busy", stats->workers_busy);
	put_int(json, "frames", stats->frames);
	put_int(json, "frames_in_use", stats->frames_in_use);
	put_int(json, "frames_peak", stats->frames_peak);
	put_uint(json, "late_dropped", stats->late_dropped);
	put_uint(json, "unrecorded", stats->unrecorded);
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
		put_string(json, "name", output.name);
		put_string(json, "type", output.type);
		put_bool(json, "up", output.health.up);
		put_string(json, "state", output.health.state);
		put_uint(json, "posted", output.health.posted);
		put_uint(json, "sent", output.health.sent);
		put_uint(json, "lost", output.health.lost);
		put_int(json, "queue_length", output.health.queue_length);
		put_int(json, "queue_capacity", output.health.queue_capacity);
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
}

static void put_by_name(struct assay__json *json, const struct assay__station_stats *stats)
{
	assay__json_key(json, "by_fault");
	assay__json_object(json);
	for (int i = 1; i < ASSAY__FAULT_COUNT; i++)
		put_uint(json, assay__fault_name((enum assay__fault)i), stats->by_fault[i]);
	assay__json_object_end(json);
	assay__json_key(json, "by_trigger");
	assay__json_object(json);
	for (int i = 0; i < ASSAY__TRIGGER_COUNT; i++)
		put_uint(json, assay__trigger_name((enum assay__trigger_kind)i), stats->by_trigger[i]);
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
	put_string(json, "station", request->http->station_name);
	put_string(json, "version", ASSAY_VERSION);
	put_string(json, "kernels", assay_isa_name(assay_isa_best()));
	put_bool(json, "alive", alive);
	put_bool(json, "ready", health.ready);
	put_bool(json, "busy", health.busy);
	put_bool(json, "stopping", health.stopping);
	put_string(json, "why", alive ? health.why : why);
	put_bool(json, "record_failing", health.record_failing);
	put_string(json, "record", health.record_state);
	put_string(json, "recipe", health.recipe);
	put_int(json, "recipe_number", health.recipe_number);
	put_int(json, "uptime_us", stats.uptime_us);
	put_uint(json, "sequence", stats.sequence);
	put_uint(json, "event_next", assay__station_event_next(station));
	put_counters(json, "total", &stats.total);
	put_counters(json, "since_start", &stats.since_start);
	put_by_name(json, &stats);
	put_latency(json, &stats);
	put_load(json, &stats);
	put_outputs(json, station);
	assay__json_object_end(json);
	return assay__answer_json(request, 200);
}
