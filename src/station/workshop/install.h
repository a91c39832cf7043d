/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSAY_SRC_STATION_WORKSHOP_INSTALL_H
#define ASSAY_SRC_STATION_WORKSHOP_INSTALL_H

#include "station/station.h"

/**
 * Puts the file `fresh`, which must be on the same file system, in the place of a recipe's `file` between frames. It is opened
 * before, which checks its hash and golden pictures; the old one stays as FILE.before, and comes back if the station cannot take the
 * new one (frames too small). One at a time. `fresh` is gone after success. Errors: of opening, IO, of assay__station_reload.
 */
int assay__recipe_install(struct assay__station *station, const char *file, const char *fresh,
						  struct assay_error *error);

#endif
