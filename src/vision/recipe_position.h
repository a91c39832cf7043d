/* SPDX-License-Identifier: Apache-2.0 */
/* The block of a recipe that says whether its parts lie in a fixture, and what good looks like by place if they do. */
#ifndef ASSAY_SRC_VISION_RECIPE_POSITION_H
#define ASSAY_SRC_VISION_RECIPE_POSITION_H

#include <sqlite3.h>

#include "vision/recipe.h"

/** The registration and the banks by place, if the recipe has them and they are not open. Errors: NOMEM, MISMATCH. */
int assay__position_ready(struct assay_recipe *recipe, struct assay_error *error);

/** use[width * height of the registered size] = 1 in the inspected cells of the coarsest scale (1 of cells), else 0. */
void assay__position_use(const uint8_t *cells, const struct assay__geometry *geometry, int width, int height,
						 uint8_t *use);

/** Makes and fills the tables that this recipe needs: none, or the reasons, or all. Returns an SQLite code. */
int assay__position_write(sqlite3 *db, const struct assay_recipe *recipe);

/** Reads the table of the reasons, and if `placed` that of the banks. Errors: FORMAT (the message starts with path), NOMEM, IO. */
int assay__position_read(sqlite3 *db, bool placed, const char *path, struct assay_recipe *recipe,
						 struct assay_error *error);

#endif
