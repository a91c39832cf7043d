/* SPDX-License-Identifier: Apache-2.0 */
/* The API: one row a route. Server, openapi.json and tests are made from it. */
#include "station/http/handlers.h"

#define GET .method = "GET"
#define POST .method = "POST"
#define DELETE .method = "DELETE"

/* clang-format off */
const struct assay__route assay__routes[] = {
	{GET, .path = "/api/v1/health", .least = ASSAY__ROLE_ANYONE, .handle = assay__http_health, .id = "health",
	 .summary = "is it alive and ready", .gives = "Health"},
	{GET, .path = "/api/v1/status", .least = ASSAY__ROLE_VIEWER, .handle = assay__http_status, .id = "status",
	 .summary = "counters, latency, cameras, outputs, recipe, build", .gives = "Status"},
	{GET, .path = "/api/v1/events", .least = ASSAY__ROLE_VIEWER, .handle = assay__http_events, .id = "events",
	 .summary = "what happens, as it happens: server-sent events; a reader that is too slow gets an event `lost`",
	 .query = "from", .gives = "text/event-stream"},
	{GET, .path = "/api/v1/cameras", .least = ASSAY__ROLE_VIEWER, .handle = assay__http_cameras, .id = "cameras",
	 .summary = "cameras and their health", .gives = "Cameras"},
	{GET, .path = "/api/v1/cameras/{camera}/frame", .least = ASSAY__ROLE_VIEWER, .handle = assay__http_frame, .id = "frame",
	 .summary = "the newest picture; 304 if If-None-Match names it", .query = "format", .gives = "image/jpeg"},
	{POST, .path = "/api/v1/cameras/{camera}/frame", .least = ASSAY__ROLE_OPERATOR, .handle = assay__http_push, .id = "push",
	 .summary = "hands a picture file to a camera of type http_push", .query = "trigger_id code", .body = ASSAY__BODY_PICTURE,
	 .gives = "Accepted", .quiet = true},
	{GET, .path = "/api/v1/cameras/{camera}/heatmap", .least = ASSAY__ROLE_VIEWER, .handle = assay__http_heatmap, .id = "heatmap",
	 .summary = "the newest picture with its score map and regions over it", .gives = "image/jpeg"},
	{POST, .path = "/api/v1/trigger", .least = ASSAY__ROLE_OPERATOR, .handle = assay__http_trigger, .id = "trigger",
	 .summary = "asks for a part; answers when its verdict is on record, unless `wait` says otherwise", .body = ASSAY__BODY_JSON,
	 .takes = "Trigger", .gives = "Answer", .quiet = true},
	{GET, .path = "/api/v1/recipes", .least = ASSAY__ROLE_VIEWER, .handle = assay__http_recipes, .id = "recipes",
	 .summary = "the recipes on offer", .gives = "Recipes"},
	{POST, .path = "/api/v1/recipes", .least = ASSAY__ROLE_ENGINEER, .handle = assay__http_recipe_put, .id = "recipe_put",
	 .summary = "puts a recipe file in the place of one on offer; the old one stays beside it as FILE.before", .query = "name",
	 .body = ASSAY__BODY_RECIPE, .gives = "Recipes"},
	{POST, .path = "/api/v1/recipes/select", .least = ASSAY__ROLE_OPERATOR, .handle = assay__http_recipe_select,
	 .id = "recipe_select", .summary = "another recipe for the next trigger on", .body = ASSAY__BODY_JSON,
	 .takes = "RecipeChoice", .gives = "Recipes"},
	{POST, .path = "/api/v1/reload", .least = ASSAY__ROLE_ENGINEER, .handle = assay__http_reload, .id = "reload",
	 .summary = "opens all recipe files again and puts them in place between frames", .body = ASSAY__BODY_JSON,
	 .takes = "Nothing", .gives = "Recipes"},
	{GET, .path = "/api/v1/parts", .least = ASSAY__ROLE_VIEWER, .handle = assay__http_parts, .id = "parts",
	 .summary = "parts on record, newest first, a page at a time",
	 .query = "cursor limit first last from_us to_us verdict code recipe score_least score_most challenge", .gives = "Parts"},
	{GET, .path = "/api/v1/parts/{sequence}", .least = ASSAY__ROLE_VIEWER, .handle = assay__http_part, .id = "part",
	 .summary = "all that is on record of a part", .gives = "Part"},
	{GET, .path = "/api/v1/parts/{sequence}/views/{view}/picture", .least = ASSAY__ROLE_VIEWER,
	 .handle = assay__http_part_picture, .id = "part_picture", .summary = "a stored picture of a part, lossless", .query = "format",
	 .gives = "image/png"},
	{GET, .path = "/api/v1/parts/{sequence}/views/{view}/heatmap", .least = ASSAY__ROLE_VIEWER,
	 .handle = assay__http_part_map, .id = "part_heatmap", .summary = "a stored picture of a part with its score map over it",
	 .gives = "image/jpeg"},
	{GET, .path = "/api/v1/session", .least = ASSAY__ROLE_ANYONE, .handle = assay__http_session, .id = "session",
	 .summary = "who is asking, and the token that writes must carry in X-CSRF-Token", .gives = "Session"},
	{POST, .path = "/api/v1/session", .least = ASSAY__ROLE_ANYONE, .handle = assay__http_login, .id = "login",
	 .summary = "logs in", .body = ASSAY__BODY_JSON, .takes = "Login", .gives = "Session", .quiet = true},
	{DELETE, .path = "/api/v1/session", .least = ASSAY__ROLE_VIEWER, .handle = assay__http_logout, .id = "logout",
	 .summary = "logs out", .gives = "Session"},
	{GET, .path = "/api/v1/users", .least = ASSAY__ROLE_ADMIN, .handle = assay__http_users, .id = "users",
	 .summary = "users and their roles", .gives = "Users"},
	{POST, .path = "/api/v1/users", .least = ASSAY__ROLE_ADMIN, .handle = assay__http_user_put, .id = "user_put",
	 .summary = "adds a user or changes role and password of one; without password makes a token", .body = ASSAY__BODY_JSON,
	 .takes = "NewUser", .gives = "MadeUser"},
	{DELETE, .path = "/api/v1/users/{user}", .least = ASSAY__ROLE_ADMIN, .handle = assay__http_user_remove,
	 .id = "user_remove", .summary = "removes a user and ends his sessions", .gives = "Users"},
	{GET, .path = "/api/v1/openapi.json", .least = ASSAY__ROLE_VIEWER, .handle = assay__http_openapi, .id = "openapi",
	 .summary = "this description", .gives = "Any"},
	{GET, .path = "/metrics", .least = ASSAY__ROLE_VIEWER, .handle = assay__http_metrics, .id = "metrics",
	 .summary = "numbers in the text format of Prometheus", .gives = "text/plain"},
};
/* clang-format on */

const int assay__route_count = (int)(sizeof(assay__routes) / sizeof(assay__routes[0]));
