/* SPDX-License-Identifier: Apache-2.0 */
/* Challenge parts: what is due, and announcing them. */
#include <string.h>

#include "base/json_field.h"
#include "station/http/handlers.h"
#include "station/record/query.h"

static void put_time(struct assay__json *json, const char *key, int64_t wall_us)
{
	char text[ASSAY__TIME_CHARS] = "";

	if (wall_us > 0 && wall_us < INT64_MAX)
		assay__query_time_text(wall_us, text);
	assay__field_text(json, key, text[0] ? text : NULL);
}

static void put_flag(struct assay__json *json, const char *key, bool value)
{
	assay__json_key(json, key);
	assay__json_bool(json, value);
}

enum MHD_Result assay__http_challenge(struct assay__request *request)
{
	static const char *const modes[] = {"pictures", "parts", "both"};
	struct assay__challenge_status status;
	struct assay__json *json = &request->json;

	assay__station_challenge(request->http->station, &status);
	assay__json_object(json);
	put_flag(json, "configured", status.on);
	put_flag(json, "due", status.due);
	assay__field_text(json, "why", status.why);
	assay__field_text(json, "mode", status.on ? modes[status.mode] : NULL);
	put_flag(json, "running", status.running);
	put_flag(json, "pictures_caught", status.pictures_caught);
	put_flag(json, "parts_caught", status.parts_caught);
	assay__field_int(json, "demanded", status.demanded);
	assay__field_int(json, "shown", status.shown);
	assay__field_int(json, "answered", status.answered);
	assay__field_int(json, "caught", status.caught);
	put_time(json, "passed", status.passed_wall_us);
	put_time(json, "next_shift", status.next_wall_us);
	assay__json_key(json, "results");
	assay__json_array(json);
	for (int i = 0; i < status.result_count; i++) {
		assay__json_object(json);
		assay__field_int(json, "sequence", (int64_t)status.results[i].sequence);
		assay__field_text(json, "code", status.results[i].code);
		assay__field_text(json, "verdict", assay_verdict_name(status.results[i].verdict));
		put_flag(json, "caught", status.results[i].caught);
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
	assay__json_object_end(json);
	return assay__answer_json(request, 200);
}

enum MHD_Result assay__http_challenge_ask(struct assay__request *request)
{
	struct assay_error error;
	enum MHD_Result answer = MHD_NO;
	const char *action;
	bool cancel;

	if (!assay__body_text(request, "action", 16, &action, &answer))
		return answer;
	cancel = action && !strcmp(action, "cancel");
	if (!action || (!cancel && strcmp(action, "begin")))
		return assay__answer_error(request, 400, "argument", "action: expected begin or cancel");
	if (assay__station_challenge_ask(request->http->station, cancel ? ASSAY__CHALLENGE_CANCEL : ASSAY__CHALLENGE_BEGIN,
									 request->who.name, &error))
		return assay__answer_error(request, 409, "challenge", "%s", error.message);
	return assay__http_challenge(request);
}
