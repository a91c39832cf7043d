/* SPDX-License-Identifier: Apache-2.0 */
/* What bodies and answers look like (JSON Schema, as OpenAPI 3.1 uses it). A test holds the answers against it. */
#include <string.h>

#include "station/http/room.h"

#define STRING "{\"type\":\"string\"}"
#define STRING_OR_NULL "{\"type\":[\"string\",\"null\"]}"
#define INTEGER "{\"type\":\"integer\"}"
#define NUMBER "{\"type\":\"number\"}"
#define BOOLEAN "{\"type\":\"boolean\"}"
#define HEX "{\"type\":\"string\",\"pattern\":\"^[0-9a-f]*$\"}"
#define LIST(of) "{\"type\":\"array\",\"items\":" of "}"
#define REF(name) "{\"$ref\":\"#/components/schemas/" name "\"}"
#define P(name, of) "\"" name "\":" of
#define VERDICT "{\"type\":\"string\",\"enum\":[\"PASS\",\"FAIL\",\"FAULT\"]}"
#define JUDGEMENT "{\"type\":\"string\",\"enum\":[\"good\",\"bad\",\"unsure\"]}"
#define OBJECT(required, properties)                                                                                   \
	"{\"type\":\"object\",\"additionalProperties\":false,\"required\":[" required "],\"properties\":{" properties "}}"
#define COUNTS "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}}"

/* What an event tells, and with a verdict more. */
#define EVENT                                                                                                                                                    \
	P("number", INTEGER)                                                                                                                                         \
	"," P("challenge", BOOLEAN) "," P("kind", STRING) "," P("time", STRING) "," P("text", STRING) "," P("sequence", INTEGER) "," P("trigger_id", INTEGER) "," P( \
		"trigger",                                                                                                                                               \
		STRING) "," P("verdict",                                                                                                                                 \
					  VERDICT) "," P("fault",                                                                                                                    \
									 STRING_OR_NULL) "," P("score",                                                                                              \
														   NUMBER) "," P("threshold",                                                                            \
																		 NUMBER) "," P("regions",                                                                \
																					   INTEGER) "," P("worst_view",                                              \
																									  INTEGER) "," P("latency_us",                               \
																													 INTEGER) "," P("code",                      \
																																	STRING) "," P("recipe",      \
																																				  STRING)

#define PART_LINE                                                                                                      \
	P("sequence", INTEGER)                                                                                             \
	"," P("time", STRING) "," P("latency_us", INTEGER) "," P("verdict", VERDICT) "," P("fault", STRING_OR_NULL) "," P( \
		"score",                                                                                                       \
		NUMBER) "," P("threshold",                                                                                     \
					  NUMBER) "," P("p_value",                                                                         \
									NUMBER) "," P("views",                                                             \
												  INTEGER) "," P("challenge",                                          \
																 BOOLEAN) "," P("code",                                \
																				STRING) "," P("recipe",                \
																							  STRING) "," P("reason",  \
																											STRING)

#define READING                                                                                                        \
	OBJECT("\"name\",\"now\"", P("name", STRING) "," P("now", NUMBER) "," P("reference", NUMBER) "," P(                \
								   "limit", NUMBER) "," P("out", BOOLEAN))
#define CAUSE "{\"type\":\"string\",\"enum\":[\"fine\",\"camera\",\"focus\",\"lamp\",\"process\"]}"
#define VITAL                                                                                                          \
	OBJECT("\"camera\",\"learned\",\"cause\",\"text\",\"measures\"",                                                   \
		   P("camera", STRING) "," P("learned", BOOLEAN) "," P("cause", CAUSE) "," P("text", STRING) "," P(            \
			   "reference_parts",                                                                                      \
			   INTEGER) "," P("reference_wanted",                                                                      \
							  INTEGER) "," P("parts",                                                                  \
											 INTEGER) "," P("rank",                                                    \
															NUMBER) "," P("evidence",                                  \
																		  NUMBER) "," P("evidence_limit",              \
																						NUMBER) "," P("measures",      \
																									  LIST(READING)))

/* clang-format off */
static const char
	*const
		schemas
			[][2] =
				{
					{"Any", "{\"type\":\"object\"}"},
					{"Nothing", OBJECT("", "")},
					{"Error",
					 OBJECT(
						 "\"error\"", P("error", OBJECT("\"code\",\"message\"", P("code", STRING) "," P("message", STRING))))},
					{"Health", OBJECT("\"alive\",\"ready\"", P("alive", BOOLEAN) "," P("ready", BOOLEAN))},
					{"Counters",
					 OBJECT("\"triggers\",\"pass\",\"fail\",\"fault\",\"missed\",\"recorded\"", P("triggers", INTEGER) "," P("pass", INTEGER) "," P("fail", INTEGER) "," P("fault", INTEGER) "," P("missed", INTEGER) "," P("challenge", INTEGER) "," P("recorded", INTEGER))},
					{"Latency",
					 OBJECT(
						 "\"counts\",\"bounds_us\"",
						 P("last_us", INTEGER) "," P("min_us", INTEGER) "," P("max_us", INTEGER) "," P("mean_us", NUMBER) "," P("bounds_us", LIST(INTEGER)) "," P(
							 "counts", LIST(INTEGER)))},
					{"Load", COUNTS},
					{"Output", OBJECT("\"name\",\"type\",\"up\",\"state\"",
									  P("name", STRING) "," P("type", STRING) "," P("up", BOOLEAN) "," P("state", STRING) "," P("posted", INTEGER) "," P("sent", INTEGER) "," P("lost", INTEGER) "," P("queue_length", INTEGER) "," P("queue_capacity", INTEGER))},
					{"Status",
					 OBJECT(
						 "\"station\",\"version\",\"ready\",\"total\",\"since_start\",\"latency\",\"load\",\"outputs\"",
						 P("station", STRING) "," P("version", STRING) "," P("kernels", STRING) "," P("alive", BOOLEAN) "," P("ready", BOOLEAN) "," P("busy", BOOLEAN) "," P("stopping", BOOLEAN) "," P("why", STRING) "," P("record_failing", BOOLEAN) "," P("record", STRING) "," P("recipe", STRING) "," P("recipe_number", INTEGER) "," P("uptime_us", INTEGER) "," P("sequence", INTEGER) "," P("takt_ms", INTEGER) "," P("shifts", STRING_OR_NULL) "," P("event_next", INTEGER) "," P(
							 "total",
							 REF("Counters")) "," P("since_start",
													REF(
														"Counters")) "," P("by_fault", COUNTS) "," P("by_trigger", COUNTS) "," P("latency", REF("Latency")) "," P("load", REF("Load")) "," P("outputs", LIST(REF("Output"))) "," P("vitals", LIST(REF("Vital"))))},
					{"Vital", VITAL},
					{"Vitals", OBJECT("\"vitals\"", P("vitals", LIST(REF("Vital"))))},
					{"Event", OBJECT("\"number\",\"kind\",\"time\",\"text\"", EVENT)},
					{"Camera",
					 OBJECT(
						 "\"name\",\"type\",\"state\",\"text\",\"generation\"",
						 P("name", STRING) "," P("type", STRING) "," P("state", "{\"type\":\"string\",\"enum\":[\"up\","
																				"\"stale\",\"gone\",\"ended\"]}") "," P("text", STRING) "," P("pictures", INTEGER) "," P(
							 "broken", INTEGER) "," P("missed",
													  INTEGER) "," P("generation",
																	 INTEGER))},
					{"Cameras", OBJECT("\"cameras\"", P("cameras", LIST(REF("Camera"))))},
					{"LiveResult", OBJECT("\"generation\",\"verdict\",\"regions\"",
						P("generation", INTEGER) "," P("sequence", INTEGER) "," P("time", STRING) "," P("code", STRING) ","
						P("verdict", VERDICT) "," P("fault", STRING_OR_NULL) "," P("score", NUMBER) ","
						P("threshold", NUMBER) "," P("width_px", INTEGER) "," P("height_px", INTEGER) ","
						P("regions", LIST("{\"type\":\"object\"}")))},
					{"QualityCounts", OBJECT("\"pass\",\"fail\",\"fault\"",
						P("pass", INTEGER) "," P("fail", INTEGER) "," P("fault", INTEGER))},
					{"QualityPlace", OBJECT("\"camera\",\"cells\"",
						P("camera", STRING) "," P("cells", LIST(INTEGER)))},
					{"Quality", OBJECT("\"total\",\"steps\",\"bin\",\"bins_pass\",\"bins_fail\"",
						P("from_us", INTEGER) "," P("to_us", INTEGER) "," P("total", REF("QualityCounts")) ","
						P("challenge", INTEGER) "," P("challenge_caught", INTEGER) "," P("by_fault", COUNTS) ","
						P("steps", LIST(REF("QualityCounts"))) "," P("threshold", NUMBER) ","
						P("threshold_least", NUMBER) "," P("threshold_most", NUMBER) "," P("bin", NUMBER) ","
						P("bins_pass", LIST(INTEGER)) "," P("bins_fail", LIST(INTEGER)) ","
						P("grid_width", INTEGER) "," P("grid_height", INTEGER) "," P("places", LIST(REF("QualityPlace"))))},
					{"LogLine", OBJECT("\"link\",\"time\",\"kind\",\"text\"",
						P("link", INTEGER) "," P("time", STRING) "," P("kind", STRING) "," P("text", STRING))},
					{"Log", OBJECT("\"lines\",\"next\"",
						P("lines", LIST(REF("LogLine"))) "," P("next", "{\"type\":[\"integer\",\"null\"]}"))},
					{"Accepted", OBJECT("\"accepted\"", P("accepted", BOOLEAN))},
					{"Trigger",
					 OBJECT(
						 "",
						 P("trigger_id", INTEGER) "," P("code", STRING) "," P(
							 "wait", "{\"type\":\"string\",\"enum\":[\"none\",\"verdict\",\"recorded\"],\"default\":"
									 "\"recorded\"}") "," P("timeout_ms", INTEGER))},
					{"Answer", OBJECT("\"accepted\",\"recorded\",\"sequence\"",
									  P("accepted", BOOLEAN) "," P("recorded", BOOLEAN) "," EVENT)},
					{"Recipe",
					 OBJECT("\"name\",\"number\",\"selected\",\"content_hash\"",
							P("name", STRING) "," P("number", INTEGER) "," P("selected", BOOLEAN) "," P("taught", BOOLEAN) "," P("file", STRING) "," P("content_hash", HEX) "," P("network_hash", HEX) "," P("width_px", INTEGER) "," P("height_px",
																																																			   INTEGER) "," P("channels",
																																																							  INTEGER) "," P("working_width_px",
																																																											 INTEGER) "," P("working_height_px",
																																																															INTEGER) "," P("grid_width", INTEGER) "," P("grid_height", INTEGER) "," P("threshold", NUMBER) "," P("overkill_stated",
																																																																																								 NUMBER))},
					{"Recipes", OBJECT("\"recipes\"", P("recipes", LIST(REF("Recipe"))))},
					{"RecipeChoice", OBJECT("", P("name", STRING) "," P("number", INTEGER))},
					{"PartLine", OBJECT("\"sequence\",\"time\",\"verdict\"", PART_LINE)},
					{"Parts",
					 OBJECT("\"parts\",\"next\"",
							P("parts", LIST(REF("PartLine"))) "," P("next", "{\"type\":[\"integer\",\"null\"]}"))},
					{"Region",
					 OBJECT("\"x\",\"y\",\"width\",\"height\"",
							P("x", INTEGER) "," P("y", INTEGER) "," P("width", INTEGER) "," P("height", INTEGER) "," P("area_px", INTEGER) "," P("length_px", INTEGER) "," P("length_mm", NUMBER) "," P("zone", STRING_OR_NULL) "," P("kind", STRING_OR_NULL) "," P("counts", BOOLEAN) "," P("peak_x", INTEGER) "," P("peak_y", INTEGER) "," P("peak", NUMBER) "," P(
								"mean", NUMBER))},
					{"View", OBJECT(
								 "\"camera\",\"verdict\"", P("camera", STRING) "," P("camera_frame_id", INTEGER) "," P("width_px", INTEGER) "," P("height_px", INTEGER) "," P("channels", INTEGER) "," P("depth_bits",
																																																		 INTEGER) "," P("image_hash", HEX) "," P("keep", STRING) "," P("image", STRING) "," P("judged", BOOLEAN) "," P("verdict", VERDICT) "," P("fault", STRING_OR_NULL) "," P("score", NUMBER) "," P("threshold", NUMBER) "," P("p_value", NUMBER) "," P("grid_width", INTEGER) "," P("grid_height",
																																																																																																																						INTEGER) "," P("map_hash", HEX) "," P("recipe_hash", HEX) "," P("network_hash", HEX) "," P("reason", STRING) "," P("regions_total", INTEGER) "," P("regions_counted", INTEGER) "," P("mm_per_px", NUMBER) "," P("regions",
																																																																																																																																																										   LIST(REF(
																																																																																																																																																											   "Region"))))},
					{"Part", OBJECT(
								 "\"sequence\",\"time\",\"verdict\",\"views\"", P("link", INTEGER) "," P("sequence",
																										 INTEGER) "," P("time", STRING) "," P("station", STRING) "," P("trigger_id", INTEGER) "," P("trigger", STRING) "," P("code",
																																																							 STRING) "," P("code_generated", BOOLEAN) "," P("code_state", STRING) "," P("code_symbology", STRING_OR_NULL) "," P("operator", STRING_OR_NULL) "," P("recipe",
																																																																											  STRING) "," P("latency_us", INTEGER) "," P("picture_us", INTEGER) "," P("hash", HEX) "," P("hash_before", HEX) "," P("signed", "{\"type\":[\"object\",\"null\"]}") "," P("deadline_us",
																																																																																										INTEGER) "," P("verdict", VERDICT) "," P("fault", STRING_OR_NULL) "," P("reason",
																																																																																																												STRING) "," P("challenge", BOOLEAN) "," P("score", NUMBER) "," P("threshold", NUMBER) "," P("p_value", NUMBER) "," P("views",
																																																																																																																																									 LIST(REF(
																																																																																																																																										 "View"))))},
					{"Replayed", OBJECT("\"sequence\",\"outcome\"",
										P("sequence", INTEGER) "," P(
											"outcome", "{\"type\":\"string\",\"enum\":[\"identical\",\"different\","
													   "\"skipped\"]}") "," P("views", INTEGER) "," P("text", STRING))},
					{"ChallengeAsk",
					 OBJECT("\"action\"", P("action", "{\"type\":\"string\",\"enum\":[\"begin\",\"cancel\"]}"))},
					{"ChallengeResult", OBJECT("\"sequence\",\"caught\"", P("sequence", INTEGER) "," P("code", STRING) "," P("verdict", VERDICT) "," P("caught", BOOLEAN))},
					{"Challenge", OBJECT("\"configured\",\"due\",\"running\"", P("configured", BOOLEAN) "," P("due", BOOLEAN) "," P("why", STRING) "," P("mode", STRING_OR_NULL) "," P("running", BOOLEAN) "," P("pictures_caught", BOOLEAN) "," P("parts_caught", BOOLEAN) "," P("demanded", INTEGER) "," P("shown", INTEGER) "," P("answered", INTEGER) "," P("caught", INTEGER) "," P("passed", STRING_OR_NULL) "," P("next_shift", STRING_OR_NULL) "," P("results", LIST(REF("ChallengeResult"))))},
					{"Mark", OBJECT("\"view\"", P("view", INTEGER) "," P("box", LIST(INTEGER)) "," P("radius", INTEGER) "," P("stroke", LIST(INTEGER)))},
					{"NewReview", OBJECT("\"judgement\"", P("judgement", JUDGEMENT) "," P("kind", STRING) "," P("note", STRING) "," P("marks", LIST(REF("Mark"))))},
					{"Review", OBJECT("\"id\",\"sequence\",\"time\",\"reviewer\",\"judgement\"", P("id", INTEGER) "," P("sequence", INTEGER) "," P("time", STRING) "," P("reviewer", STRING) "," P("judgement", JUDGEMENT) "," P("withdrawn", BOOLEAN) "," P("kind", STRING) "," P("note", STRING) "," P("marks", LIST(REF("Mark"))))},
					{"Reviews", OBJECT("\"reviews\",\"next\"", P("reviews", LIST(REF("Review"))) "," P("next", "{\"type\":[\"integer\",\"null\"]}"))},
					{"Queued", OBJECT("\"sequence\",\"time\",\"verdict\",\"worth\"", PART_LINE "," P("worth", "{\"type\":\"string\",\"enum\":[\"disputed\",\"near\",\"unlike\"]}") "," P("nearness", "{\"type\":[\"number\",\"null\"]}"))},
					{"Queue", OBJECT("\"parts\"", P("parts", LIST(REF("Queued"))))},
					{"Agreement", OBJECT("\"first\",\"second\",\"kappa\"", P("first", STRING) "," P("second", STRING) "," P("both_good", INTEGER) "," P("both_bad", INTEGER) "," P("only_first_bad", INTEGER) "," P("only_second_bad", INTEGER) "," P("kappa", "{\"type\":[\"number\",\"null\"]}"))},
					{"ReviewSummary", OBJECT("\"parts\",\"agreement\"", P("parts", INTEGER) "," P("good", INTEGER) "," P("bad", INTEGER) "," P("unsure", INTEGER) "," P("overkill", INTEGER) "," P("escapes", INTEGER) "," P("disputed", INTEGER) "," P("agreement", LIST(REF("Agreement"))))},
					{"Workshop", OBJECT("\"phase\",\"job\",\"stage\",\"text\"", P("phase", "{\"type\":\"string\",\"enum\":[\"idle\",\"running\",\"ready\",\"failed\"]}") "," P("job", "{\"type\":\"string\",\"enum\":[\"teach\",\"learn\",\"revert\",\"collect\"]}") "," P("recipe", STRING) "," P("author", STRING) "," P("stage", STRING) "," P("done", INTEGER) "," P("total", INTEGER) "," P("text", STRING) "," P("goods", INTEGER) "," P("defects", INTEGER) "," P("vectors", INTEGER) "," P("suspects", INTEGER) "," P("unreadable", INTEGER) "," P("overkill_stated", NUMBER) "," P("parts_for_wanted", INTEGER) "," P("threshold_before", NUMBER) "," P("threshold_after", NUMBER) "," P("content_before", HEX) "," P("content_after", HEX) "," P("tried", INTEGER) "," P("untried", INTEGER) "," P("to_pass", INTEGER) "," P("to_fail", INTEGER) "," P("labelled_good", INTEGER) "," P("overkill_before", INTEGER) "," P("overkill_after", INTEGER) "," P("labelled_bad", INTEGER) "," P("escapes_before", INTEGER) "," P("escapes_after", INTEGER))},
					{"Job", OBJECT("", P("recipe", STRING) "," P("overkill", NUMBER) "," P("smallest_defect_px", INTEGER) "," P("keep_suspects", BOOLEAN) "," P("step", INTEGER))},
					{"Collect", OBJECT("", P("camera", STRING) "," P("count", INTEGER))},
					{"Flip", OBJECT("\"sequence\",\"before\",\"after\"", P("sequence", INTEGER) "," P("before", VERDICT) "," P("after", VERDICT) "," P("score_before", NUMBER) "," P("score_after", NUMBER) "," P("threshold", NUMBER) "," P("judgement", "{\"type\":[\"string\",\"null\"]}"))},
					{"Flips", OBJECT("\"count\",\"flips\"", P("count", INTEGER) "," P("flips", LIST(REF("Flip"))))},
					{"TrayPicture", OBJECT("\"number\"", P("number", INTEGER) "," P("measured", BOOLEAN) "," P("novel", BOOLEAN) "," P("score", NUMBER) "," P("threshold", NUMBER))},
					{"Tray", OBJECT("\"count\",\"pictures\"", P("count", INTEGER) "," P("capacity", INTEGER) "," P("novel_in_last_ten", INTEGER) "," P("pictures", LIST(REF("TrayPicture"))))},
					{"Step", OBJECT("\"number\",\"kind\"", P("number", INTEGER) "," P("kind", STRING) "," P("time", STRING) "," P("author", STRING) "," P("parent", HEX) "," P("content", HEX) "," P("goods", INTEGER) "," P("defects", INTEGER) "," P("vectors", INTEGER) "," P("kept", BOOLEAN))},
					{"Lineage", OBJECT("\"content\",\"steps\"", P("content", HEX) "," P("kept_goods", INTEGER) "," P("kept_defects", INTEGER) "," P("steps", LIST(REF("Step"))))},
					{"Session",
					 OBJECT("\"user\",\"role\",\"users_exist\"",
							P("user", STRING_OR_NULL) "," P("role", STRING) "," P("csrf", STRING_OR_NULL) "," P(
								"users_exist", BOOLEAN) "," P("station", STRING))},
					{"Login", OBJECT("\"user\",\"password\"", P("user", STRING) "," P("password", STRING))},
					{"User",
					 OBJECT("\"name\",\"role\"", P("name", STRING) "," P("role", STRING) "," P("token", BOOLEAN))},
					{"Users", OBJECT("\"users\"", P("users", LIST(REF("User"))))},
					{"NewUser",
					 OBJECT("\"name\",\"role\"", P("name", STRING) "," P("role", STRING) "," P("password", STRING))},
					{"MadeUser", OBJECT("\"name\",\"role\"",
										P("name", STRING) "," P("role", STRING) "," P("token", STRING_OR_NULL))},
};
/* clang-format on */
#define SCHEMA_COUNT (int)(sizeof(schemas) / sizeof(schemas[0]))

/* Of a query parameter: its schema and what it means. */
static const char *const queries[][2] = {
	{"from", "\"schema\":" INTEGER ",\"description\":\"number of the first event; without it, from now on\""},
	{"format", "\"schema\":{\"type\":\"string\",\"enum\":[\"jpeg\",\"png\"]},\"description\":\"of the picture\""},
	{"trigger_id", "\"schema\":" INTEGER ",\"description\":\"the asker's number for the part\""},
	{"code", "\"schema\":" STRING ",\"description\":\"identity of the part, exactly\""},
	{"name", "\"schema\":" STRING ",\"description\":\"of the recipe; without it the selected one\""},
	{"cursor", "\"schema\":" INTEGER ",\"description\":\"`next` of the page before\""},
	{"limit",
	 "\"schema\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":500,\"default\":50},\"description\":\"parts a page\""},
	{"first", "\"schema\":" INTEGER ",\"description\":\"lowest sequence\""},
	{"last", "\"schema\":" INTEGER ",\"description\":\"highest sequence\""},
	{"from_us", "\"schema\":" INTEGER ",\"description\":\"microseconds since 1970 UTC, included\""},
	{"to_us", "\"schema\":" INTEGER ",\"description\":\"microseconds since 1970 UTC, excluded\""},
	{"verdict", "\"schema\":" STRING ",\"description\":\"PASS, FAIL, FAULT, or several with commas\""},
	{"code_begin", "\"schema\":" STRING ",\"description\":\"what the identity begins with\""},
	{"steps", "\"schema\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":400},"
			  "\"description\":\"equal intervals to count in\""},
	{"kind", "\"schema\":" STRING ",\"description\":\"only events of this kind\""},
	{"recipe", "\"schema\":" STRING ",\"description\":\"name of the recipe, exactly\""},
	{"score_least", "\"schema\":" NUMBER ",\"description\":\"lowest score\""},
	{"score_most", "\"schema\":" NUMBER ",\"description\":\"highest score\""},
	{"challenge", "\"schema\":{\"type\":\"integer\",\"enum\":[0,1]},\"description\":\"1: only challenge parts\""},
};

const char *assay__schema(const char *name)
{
	for (int i = 0; i < SCHEMA_COUNT; i++)
		if (!strcmp(schemas[i][0], name))
			return schemas[i][1];
	return NULL;
}

const char *assay__schema_name(int index)
{
	return index < SCHEMA_COUNT ? schemas[index][0] : NULL;
}

const char *assay__schema_query(const char *name)
{
	for (size_t i = 0; i < sizeof(queries) / sizeof(queries[0]); i++)
		if (!strcmp(queries[i][0], name))
			return queries[i][1];
	return NULL;
}
