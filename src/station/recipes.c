/* SPDX-License-Identifier: Apache-2.0 */
#include "station/recipes.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

static void set_close(struct assay__recipe_set *set)
{
	for (int i = 0; set->files && i < set->file_count; i++)
		assay_recipe_close(set->files[i].recipe);
	assay__free(NULL, set->files);
	assay__free(NULL, set->products);
	assay__free(NULL, set);
}

/* Without HTTP nobody could teach what is not there. */
static int open_file(const struct assay_env *env, const char *path, bool may_wait, struct assay__recipe_file *file,
					 struct assay_error *error)
{
	int rc;

	file->path = path;
	if (may_wait && access(path, F_OK) && errno == ENOENT)
		return 0;
	rc = assay_recipe_open(env, path, &file->recipe, error);
	if (rc)
		return rc;
	assay_recipe_get_info(file->recipe, &file->info);
	file->picture_bytes = (size_t)file->info.image_width_px * (size_t)file->info.image_height_px *
						  (size_t)file->info.image_channels * (size_t)(file->info.image_depth_bits / 8);
	file->map_cells = (size_t)file->info.grid_width * (size_t)file->info.grid_height;
	/* Other shapes make longer maps; one that is longer still is left out of the part, not of the verdict. */
	if (file->info.scale)
		file->map_cells *= 3;
	return 0;
}

/* The entry for a camera: its own, or the one for all. */
static int choose_file(const struct assay__config *config, const char *product, const char *camera)
{
	int found = -1;

	for (int i = 0; i < config->recipes.count; i++) {
		const struct assay__config_item *item = &config->recipes.items[i];
		const struct assay__recipe_settings *recipe = item->settings;
		bool own = recipe->camera && *recipe->camera;

		if (strcmp(item->name, product))
			continue;
		if (own && !strcmp(recipe->camera, camera))
			return i;
		if (!own && found < 0)
			found = i;
	}
	return found;
}

static int add_product(const struct assay__config *config, struct assay__recipe_set *set, const char *name,
					   struct assay_error *error)
{
	struct assay__product *product = &set->products[set->product_count];

	if (assay__recipe_set_find(set, name, 0) >= 0)
		return 0;
	product->name = name;
	product->number = set->product_count + 1;
	for (int i = 0; i < config->cameras.count; i++) {
		product->files[i] = choose_file(config, name, config->cameras.items[i].name);
		if (product->files[i] < 0)
			return assay__fail(error, ASSAY_E_ARGUMENT, -1, "recipe %s has no file for camera %s", name,
							   config->cameras.items[i].name);
	}
	set->product_count++;
	return 0;
}

int assay__recipe_set_open(const struct assay__config *config, const struct assay_env *env,
						   struct assay__recipe_set **out, struct assay_error *error)
{
	struct assay__recipe_set *set = assay__calloc(NULL, 1, sizeof(*set));
	int count = config->recipes.count, rc = 0;

	if (set) {
		set->files = assay__calloc(NULL, (size_t)count, sizeof(*set->files));
		set->products = assay__calloc(NULL, (size_t)count, sizeof(*set->products));
	}
	if (!set || !set->files || !set->products)
		rc = assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for %d recipes", count);
	for (int i = 0; !rc && i < count; i++) {
		const struct assay__recipe_settings *recipe = config->recipes.items[i].settings;

		rc = open_file(env, recipe->file, config->has_http, &set->files[i], error);
		set->file_count += !rc;
	}
	for (int i = 0; !rc && i < count; i++)
		rc = add_product(config, set, config->recipes.items[i].name, error);
	if (rc) {
		if (set)
			set_close(set);
		return rc;
	}
	atomic_init(&set->users, 1);
	*out = set;
	return 0;
}

struct assay__recipe_set *assay__recipe_set_use(struct assay__recipe_set *set)
{
	if (set)
		atomic_fetch_add(&set->users, 1);
	return set;
}

void assay__recipe_set_drop(struct assay__recipe_set *set)
{
	if (set && atomic_fetch_sub(&set->users, 1) == 1)
		set_close(set);
}

int assay__recipe_set_find(const struct assay__recipe_set *set, const char *name, int number)
{
	for (int i = 0; i < set->product_count; i++)
		if (name && *name ? !strcmp(set->products[i].name, name) : set->products[i].number == number)
			return i;
	return -1;
}
