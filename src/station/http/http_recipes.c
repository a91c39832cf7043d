/* SPDX-License-Identifier: Apache-2.0 */
/* The recipes on offer: list, choose, replace, read again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "station/config.h"
#include "station/http/handlers.h"
#include "station/workshop/install.h"

static void put_recipe(struct assay__json *json, const struct assay__station_recipe *recipe)
{
	assay__json_object(json);
	assay__json_key(json, "name");
	assay__json_string(json, recipe->name);
	assay__json_key(json, "number");
	assay__json_int(json, recipe->number);
	assay__json_key(json, "selected");
	assay__json_bool(json, recipe->selected);
	assay__json_key(json, "taught");
	assay__json_bool(json, recipe->taught);
	assay__json_key(json, "file");
	assay__json_string(json, recipe->file);
	assay__json_key(json, "content_hash");
	assay__json_hex(json, recipe->content_hash, sizeof(recipe->content_hash));
	assay__json_key(json, "network_hash");
	assay__json_hex(json, recipe->network_hash, sizeof(recipe->network_hash));
	assay__json_key(json, "width_px");
	assay__json_int(json, recipe->width_px);
	assay__json_key(json, "height_px");
	assay__json_int(json, recipe->height_px);
	assay__json_key(json, "channels");
	assay__json_int(json, recipe->channels);
	assay__json_key(json, "working_width_px");
	assay__json_int(json, recipe->working_width_px);
	assay__json_key(json, "working_height_px");
	assay__json_int(json, recipe->working_height_px);
	assay__json_key(json, "grid_width");
	assay__json_int(json, recipe->grid_width);
	assay__json_key(json, "grid_height");
	assay__json_int(json, recipe->grid_height);
	assay__json_key(json, "threshold");
	assay__json_double(json, recipe->threshold_q8 / 256.0);
	assay__json_key(json, "overkill_stated");
	assay__json_double(json, recipe->overkill_stated);
	assay__json_object_end(json);
}

/* All recipes, from malloc; NULL if memory is short. */
static struct assay__station_recipe *list(struct assay__station *station, int *count)
{
	struct assay__station_recipe *recipes = calloc(ASSAY__MAX_RECIPES, sizeof(*recipes));

	*count = recipes ? assay__station_recipes(station, recipes, ASSAY__MAX_RECIPES) : 0;
	if (*count > ASSAY__MAX_RECIPES)
		*count = ASSAY__MAX_RECIPES;
	return recipes;
}

enum MHD_Result assay__http_recipes(struct assay__request *request)
{
	int count;
	struct assay__station_recipe *recipes = list(request->http->station, &count);

	if (!recipes)
		return assay__answer_error(request, 500, "no_memory", "out of memory");
	assay__json_object(&request->json);
	assay__json_key(&request->json, "recipes");
	assay__json_array(&request->json);
	for (int i = 0; i < count; i++)
		put_recipe(&request->json, &recipes[i]);
	assay__json_array_end(&request->json);
	assay__json_object_end(&request->json);
	free(recipes);
	return assay__answer_json(request, 200);
}

enum MHD_Result assay__http_recipe_select(struct assay__request *request)
{
	struct assay_error error;
	enum MHD_Result answer = MHD_NO;
	const char *name;
	int64_t number;

	if (!assay__body_text(request, "name", ASSAY__NAME_CHARS - 1, &name, &answer) ||
		!assay__body_number(request, "number", 1, ASSAY__MAX_RECIPES, 0, &number, &answer))
		return answer;
	if ((!name || !*name) == !number)
		return assay__answer_error(request, 400, "argument", "expected one of name and number");
	if (assay__station_select(request->http->station, name, (int)number, &error))
		return assay__answer_failure(request, &error);
	return assay__http_recipes(request);
}

enum MHD_Result assay__http_reload(struct assay__request *request)
{
	struct assay_error error;

	if (assay__station_reload(request->http->station, &error))
		return assay__answer_failure(request, &error);
	return assay__http_recipes(request);
}

static int write_file(const char *path, const uint8_t *bytes, size_t size, struct assay_error *error)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	bool bad = fd < 0;

	while (!bad && size) {
		ssize_t put = write(fd, bytes, size);

		if (put < 0 && errno == EINTR)
			continue;
		bad = put <= 0;
		if (!bad) {
			bytes += put;
			size -= (size_t)put;
		}
	}
	bad = bad || fsync(fd);
	if (bad)
		assay__fail(error, ASSAY_E_IO, -1, "%s: cannot write it: %s", path, strerror(errno));
	if (fd >= 0)
		bad = close(fd) || bad;
	return bad ? ASSAY_E_IO : 0;
}

static int put_in_place(struct assay__station *station, const char *file, const uint8_t *bytes, size_t size,
						struct assay_error *error)
{
	static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
	char fresh[300];
	int rc;

	snprintf(fresh, sizeof(fresh), "%s.new", file);
	pthread_mutex_lock(&one);
	rc = write_file(fresh, bytes, size, error);
	if (!rc)
		rc = assay__recipe_install(station, file, fresh, error);
	if (rc)
		unlink(fresh);
	pthread_mutex_unlock(&one);
	return rc;
}

enum MHD_Result assay__http_recipe_put(struct assay__request *request)
{
	const char *name = assay__request_query(request, "name");
	struct assay_error error;
	char file[256] = "";
	int count, rc;
	struct assay__station_recipe *recipes = list(request->http->station, &count);

	if (!recipes)
		return assay__answer_error(request, 500, "no_memory", "out of memory");
	for (int i = 0; i < count; i++)
		if (name ? !strcmp(recipes[i].name, name) : recipes[i].selected)
			memcpy(file, recipes[i].file, sizeof(file));
	free(recipes);
	if (!*file)
		return assay__answer_error(request, 404, "not_found",
								   "there is no recipe of that name; STATION.yaml says which are");
	if (!request->body_size)
		return assay__answer_error(request, 400, "argument", "the body must be a recipe file");
	rc = put_in_place(request->http->station, file, request->body, request->body_size, &error);
	if (rc)
		return assay__answer_failure(request, &error);
	return assay__http_recipes(request);
}
