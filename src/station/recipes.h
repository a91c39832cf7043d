/* SPDX-License-Identifier: Apache-2.0 */
/* The recipes of a station, all opened: an immutable set that is shared by count and replaced as a whole. */
#ifndef ASSAY_SRC_STATION_RECIPES_H
#define ASSAY_SRC_STATION_RECIPES_H

#include <stdatomic.h>

#include "station/config.h"

/** One recipe on offer: for each camera what judges its view. */
struct assay__product {
	const char *name; /**< of the configuration */
	int number;		  /**< from 1 */
	int files[ASSAY__MAX_VIEWS];
};

struct assay__recipe_file {
	const char *path;			 /**< of the configuration */
	struct assay_recipe *recipe; /**< NULL: the file is not there, the recipe is still to be taught */
	struct assay_recipe_info info;
	size_t picture_bytes; /**< of the pictures it was taught from */
	size_t map_cells;	  /**< room for the score map of such a picture, more where sizes may differ */
};

struct assay__recipe_set {
	atomic_int users;
	int file_count, product_count;
	struct assay__recipe_file *files;
	struct assay__product *products;
};

/** Opens all. One user: the caller. Errors: of assay_recipe_open, NOMEM, ARGUMENT (a camera without recipe). */
int assay__recipe_set_open(const struct assay__config *config, const struct assay_env *env,
						   struct assay__recipe_set **out, struct assay_error *error);

/** One more, one less; the last one closes it. NULL is fine. Thread safe. */
struct assay__recipe_set *assay__recipe_set_use(struct assay__recipe_set *set);
void assay__recipe_set_drop(struct assay__recipe_set *set);

/** Index of a product by name, or by number if name is NULL or empty; -1: none. */
int assay__recipe_set_find(const struct assay__recipe_set *set, const char *name, int number);

#endif
