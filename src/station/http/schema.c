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
#define OBJECT(required, properties)                                                                                   \
	"{\"type\":\"object\",\"additionalProperties\":false,\"required\":[" required "],\"properties\":{" properties "}}"
#define COUNTS "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}}"

/* What an event tells, and with a verdict more. */
#define EVENT                                                                                                                                                 \
	P("number", INTEGER)                                                                                                                                      \
	"," P("kind", STRING) "," P("time", STRING) "," P("text", STRING) "," P("sequence", INTEGER) "," P("trigger_id", INTEGER) "," P("trigger", STRING) "," P( \
		"verdict",                                                                                                                                            \
		VERDICT) "," P("fault",                                                                                                                               \
					   STRING_OR_NULL) "," P("score",                                                                                                         \
											 NUMBER) "," P("threshold",                                                                                       \
														   NUMBER) "," P("regions",                                                                           \
																		 INTEGER) "," P("worst_view",                                                         \
																						INTEGER) "," P("latency_us",                                          \
																									   INTEGER) "," P("code",                                 \
																													  STRING) "," P("recipe",                 \
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
					 OBJECT("\"triggers\",\"pass\",\"fail\",\"fault\",\"missed\",\"recorded\"", P("triggers", INTEGER) "," P("pass", INTEGER) "," P("fail", INTEGER) "," P("fault", INTEGER) "," P("missed", INTEGER) "," P("recorded", INTEGER))},
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
						 P("station", STRING) "," P("version", STRING) "," P("kernels", STRING) "," P("alive", BOOLEAN) "," P("ready", BOOLEAN) "," P("busy", BOOLEAN) "," P("stopping", BOOLEAN) "," P("why", STRING) "," P("record_failing", BOOLEAN) "," P("record", STRING) "," P("recipe", STRING) "," P("recipe_number", INTEGER) "," P("uptime_us", INTEGER) "," P("sequence", INTEGER) "," P("event_next", INTEGER) "," P(
							 "total",
							 REF("Counters")) "," P("since_start",
													REF(
														"Counters")) "," P("by_fault", COUNTS) "," P("by_trigger", COUNTS) "," P("latency", REF("Latency")) "," P("load", REF("Load")) "," P("outputs", LIST(REF("Output"))))},
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
							P("name", STRING) "," P("number", INTEGER) "," P("selected", BOOLEAN) "," P("file", STRING) "," P("content_hash", HEX) "," P("network_hash", HEX) "," P("width_px", INTEGER) "," P("height_px",
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
							P("x", INTEGER) "," P("y", INTEGER) "," P("width", INTEGER) "," P("height", INTEGER) "," P("area_px", INTEGER) "," P("peak_x", INTEGER) "," P("peak_y", INTEGER) "," P("peak", NUMBER) "," P(
								"mean", NUMBER))},
					{"View", OBJECT(
								 "\"camera\",\"verdict\"", P("camera", STRING) "," P("camera_frame_id", INTEGER) "," P("width_px", INTEGER) "," P("height_px", INTEGER) "," P("channels", INTEGER) "," P("depth_bits",
																																																		 INTEGER) "," P("image_hash", HEX) "," P("keep", STRING) "," P("image", STRING) "," P("judged", BOOLEAN) "," P("verdict", VERDICT) "," P("fault", STRING_OR_NULL) "," P("score", NUMBER) "," P("threshold", NUMBER) "," P("p_value", NUMBER) "," P("grid_width", INTEGER) "," P("grid_height",
																																																																																																																						INTEGER) "," P("map_hash", HEX) "," P("recipe_hash", HEX) "," P("network_hash", HEX) "," P("reason", STRING) "," P("regions_total", INTEGER) "," P("regions",
																																																																																																																																																										   LIST(REF(
																																																																																																																																																											   "Region"))))},
					{"Part", OBJECT(
								 "\"sequence\",\"time\",\"verdict\",\"views\"", P("link", INTEGER) "," P("sequence",
																										 INTEGER) "," P("time", STRING) "," P("station", STRING) "," P("trigger_id", INTEGER) "," P("trigger", STRING) "," P("code",
																																																							 STRING) "," P("code_generated", BOOLEAN) "," P("operator", STRING_OR_NULL) "," P("recipe",
																																																																											  STRING) "," P("latency_us", INTEGER) "," P("picture_us",
																																																																																						 INTEGER) "," P("deadline_us",
																																																																																										INTEGER) "," P("verdict", VERDICT) "," P("fault", STRING_OR_NULL) "," P("reason",
																																																																																																												STRING) "," P("challenge", BOOLEAN) "," P("score", NUMBER) "," P("threshold", NUMBER) "," P("p_value", NUMBER) "," P("views",
																																																																																																																																									 LIST(REF(
																																																																																																																																										 "View"))))},
					{"Replayed", OBJECT("\"sequence\",\"outcome\"",
										P("sequence", INTEGER) "," P(
											"outcome", "{\"type\":\"string\",\"enum\":[\"identical\",\"different\","
													   "\"skipped\"]}") "," P("views", INTEGER) "," P("text", STRING))},
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
