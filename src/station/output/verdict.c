/* SPDX-License-Identifier: Apache-2.0 */
/* A verdict as outputs keep it and as JSON says it. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json_field.h"
#include "station/output/output_common.h"

static void copy_text(char *out, size_t size, const char *text)
{
	size_t length = strnlen(text, size - 1);
	memcpy(out, text, length);
	out[length] = '\0';
}

/* Larger against its threshold: a/b > c/d without dividing. */
static bool is_worse(uint32_t score, uint32_t threshold, uint32_t than_score, uint32_t than_threshold)
{
	return (uint64_t)score * (than_threshold ? than_threshold : 1) > (uint64_t)than_score * (threshold ? threshold : 1);
}

static void copy_view(const struct assay__part_view *view, int index, struct assay__verdict *out)
{
	const struct assay_result *result = &view->result;
	copy_text(out->views[index].camera, sizeof(out->views[index].camera), view->camera);
	out->views[index].fault = view->fault;
	out->views[index].verdict = view->fault ? ASSAY_FAULT : result->verdict;
	out->views[index].score_q8 = result->score_q8;
	out->views[index].threshold_q8 = result->threshold_q8;
	out->views[index].regions_total = result->regions_total;
	out->regions_total += result->regions_total;
	if (index == 0 || is_worse(result->score_q8, result->threshold_q8, out->score_q8, out->threshold_q8)) {
		out->score_q8 = result->score_q8;
		out->threshold_q8 = result->threshold_q8;
	}
}

static void copy_region(const struct assay_region *from, struct assay_region *to, char zone[ASSAY__NAME_CHARS])
{
	*to = *from;
	to->zone = NULL;
	copy_text(zone, ASSAY__NAME_CHARS, from->zone ? from->zone : "");
}

/* The worst of each view, then the second worst of each, so that no view crowds the others out. */
static void copy_regions(const struct assay__part *part, int views, struct assay__verdict *out)
{
	for (int rank = 0; rank < ASSAY_MAX_REGIONS; rank++) {
		bool any = false;
		for (int v = 0; v < views; v++) {
			if (rank >= part->views[v].result.region_count)
				continue;
			if (out->region_count == ASSAY__VERDICT_REGIONS)
				return;
			any = true;
			out->regions[out->region_count].view = v;
			out->regions[out->region_count].mm_per_px = part->views[v].result.mm_per_px;
			copy_region(&part->views[v].result.regions[rank], &out->regions[out->region_count].region,
						out->regions[out->region_count].zone);
			out->region_count++;
		}
		if (!any)
			return;
	}
}

void assay__verdict_from_part(const struct assay__part *part, struct assay__verdict *out)
{
	int views = part->view_count < ASSAY__MAX_VIEWS ? part->view_count : ASSAY__MAX_VIEWS;
	memset(out, 0, sizeof(*out));
	out->sequence = part->sequence;
	out->trigger_id = part->trigger_id;
	out->trigger = part->trigger;
	out->verdict = part->verdict;
	out->fault = part->fault;
	out->code_generated = part->code_generated;
	out->challenge = part->challenge;
	out->code_state = part->code_state;
	out->code_symbology = part->code_symbology;
	copy_text(out->code, sizeof(out->code), part->code);
	copy_text(out->operator_name, sizeof(out->operator_name), part->operator_name);
	copy_text(out->recipe_name, sizeof(out->recipe_name), part->recipe_name);
	copy_text(out->reason, sizeof(out->reason), part->reason);
	out->trigger_us = part->trigger_us;
	out->verdict_us = part->verdict_us;
	out->wall_us = part->wall_us;
	out->latency_us = part->verdict_us > part->trigger_us ? part->verdict_us - part->trigger_us : 0;
	out->posted_us = assay__clock_us();
	out->view_count = views;
	for (int v = 0; v < views; v++)
		copy_view(&part->views[v], v, out);
	copy_regions(part, views, out);
}

static void put_time(struct assay__json *json, int64_t wall_us)
{
	char text[48] = "";
	struct tm parts;
	int64_t seconds = wall_us / 1000000, micros = wall_us % 1000000;
	if (micros < 0) {
		micros += 1000000;
		seconds--;
	}
	time_t when = (time_t)seconds;
	if (gmtime_r(&when, &parts)) {
		size_t used = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
		snprintf(text + used, sizeof(text) - used, ".%06dZ", (int)micros);
	}
	assay__json_string(json, text);
}

static void put_regions(const struct assay__verdict *verdict, struct assay__json *json)
{
	assay__json_key(json, "regions");
	assay__json_array(json);
	for (int i = 0; i < verdict->region_count; i++) {
		const struct assay_region *region = &verdict->regions[i].region;
		assay__json_object(json);
		assay__field_text(json, "camera", verdict->views[verdict->regions[i].view].camera);
		assay__field_int(json, "x", region->box.x);
		assay__field_int(json, "y", region->box.y);
		assay__field_int(json, "width", region->box.width);
		assay__field_int(json, "height", region->box.height);
		assay__field_int(json, "area_px", region->area_px);
		assay__field_int(json, "length_px", region->length_px);
		if (verdict->regions[i].mm_per_px > 0)
			assay__field_double(json, "length_mm", region->length_px * verdict->regions[i].mm_per_px);
		assay__field_text(json, "zone", verdict->regions[i].zone[0] ? verdict->regions[i].zone : NULL);
		assay__json_key(json, "counts");
		assay__json_bool(json, region->counts);
		assay__field_q8(json, "score", region->peak_q8);
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
}

static void put_views(const struct assay__verdict *verdict, struct assay__json *json)
{
	assay__json_key(json, "views");
	assay__json_array(json);
	for (int i = 0; i < verdict->view_count; i++) {
		assay__json_object(json);
		assay__field_text(json, "camera", verdict->views[i].camera);
		assay__field_text(json, "verdict", assay_verdict_name(verdict->views[i].verdict));
		assay__field_text(json, "fault", assay__fault_name(verdict->views[i].fault));
		assay__field_q8(json, "score", verdict->views[i].score_q8);
		assay__field_q8(json, "threshold", verdict->views[i].threshold_q8);
		assay__field_int(json, "region_count", verdict->views[i].regions_total);
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
}

void assay__verdict_json(const struct assay__verdict *verdict, const char *station, struct assay__json *json)
{
	assay__json_object(json);
	assay__field_int(json, "schema", 1);
	assay__field_text(json, "station", station);
	assay__json_key(json, "sequence");
	assay__json_uint(json, verdict->sequence);
	assay__json_key(json, "trigger_id");
	assay__json_uint(json, verdict->trigger_id);
	assay__field_text(json, "trigger", assay__trigger_name(verdict->trigger));
	assay__json_key(json, "time");
	put_time(json, verdict->wall_us);
	assay__field_int(json, "latency_us", verdict->latency_us);
	assay__field_text(json, "verdict", assay_verdict_name(verdict->verdict));
	assay__field_text(json, "fault", assay__fault_name(verdict->fault));
	assay__field_text(json, "reason", verdict->reason);
	assay__field_text(json, "code", verdict->code);
	assay__json_key(json, "code_generated");
	assay__json_bool(json, verdict->code_generated);
	assay__field_text(json, "code_state", assay__code_state_name(verdict->code_state));
	assay__field_text(json, "code_symbology",
					  verdict->code_symbology ? assay__symbology_name(verdict->code_symbology) : NULL);
	assay__field_text(json, "recipe", verdict->recipe_name);
	assay__field_text(json, "operator", verdict->operator_name);
	assay__json_key(json, "challenge");
	assay__json_bool(json, verdict->challenge);
	assay__field_q8(json, "score", verdict->score_q8);
	assay__field_q8(json, "threshold", verdict->threshold_q8);
	assay__field_int(json, "region_count", verdict->regions_total);
	put_regions(verdict, json);
	put_views(verdict, json);
	assay__json_key(json, "recorded");
	assay__json_bool(json, verdict->recorded);
	assay__json_key(json, "record_hash");
	if (verdict->recorded)
		assay__json_hex(json, verdict->record_hash, ASSAY_HASH_BYTES);
	else
		assay__json_null(json);
	assay__json_object_end(json);
}
