/* SPDX-License-Identifier: Apache-2.0 */
/* GET /vitals, POST /cameras/{camera}/vitals/renew, and what /status and /metrics tell of them. */
#include <stdio.h>

#include "base/json_field.h"
#include "station/http/handlers.h"

static void put_reading(struct assay__json *json, int measure, const struct assay__vital_reading *reading)
{
	assay__json_object(json);
	assay__field_text(json, "name", assay__vital_measure_name((enum assay__vital_measure)measure));
	assay__field_double(json, "now", reading->now);
	assay__field_double(json, "reference", reading->reference);
	assay__field_double(json, "limit", reading->limit);
	assay__field_bool(json, "out", reading->out);
	assay__json_object_end(json);
}

void assay__http_put_vitals(struct assay__json *json, struct assay__station *station)
{
	int count = assay__station_camera_count(station);

	assay__json_key(json, "vitals");
	assay__json_array(json);
	for (int i = 0; i < count; i++) {
		struct assay__station_camera camera;
		struct assay__vitals_state state;

		assay__station_camera(station, i, &camera);
		assay__station_vitals(station, i, &state);
		if (!state.watching)
			continue;
		assay__json_object(json);
		assay__field_text(json, "camera", camera.name);
		assay__field_bool(json, "learned", state.learned);
		assay__field_text(json, "cause", assay__vital_cause_name(state.cause));
		assay__field_text(json, "text", state.text);
		assay__field_int(json, "reference_parts", state.reference_parts);
		assay__field_int(json, "reference_wanted", state.reference_wanted);
		assay__field_uint(json, "parts", state.parts);
		assay__field_double(json, "rank", state.rank);
		assay__field_double(json, "evidence", state.evidence);
		assay__field_double(json, "evidence_limit", state.evidence_limit);
		assay__json_key(json, "measures");
		assay__json_array(json);
		for (int m = 0; m < ASSAY__VITAL_MEASURES; m++)
			put_reading(json, m, &state.readings[m]);
		assay__json_array_end(json);
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
}

enum MHD_Result assay__http_vitals(struct assay__request *request)
{
	assay__json_object(&request->json);
	assay__http_put_vitals(&request->json, request->http->station);
	assay__json_object_end(&request->json);
	return assay__answer_json(request, 200);
}

enum MHD_Result assay__http_vitals_renew(struct assay__request *request)
{
	enum MHD_Result answer = MHD_NO;
	int camera = assay__request_camera(request, &answer);

	if (camera < 0)
		return answer;
	assay__station_vitals_renew(request->http->station, camera);
	return assay__http_vitals(request);
}
