/* SPDX-License-Identifier: Apache-2.0 */
/* Names of files to be written. */
#ifndef ASSAY_SRC_CLI_PATHS_H
#define ASSAY_SRC_CLI_PATHS_H

#include "assay/base.h"
#include "cli/files.h"

/** "a/b" from "a" or "a/" and "b"; "b" if folder is "". NULL if there is no memory. The caller's to free. */
char *assay__path_join(const char *folder, const char *name);

/** The last part of a path, without slashes at its end; "" for ".", ".." and "/". NULL without memory. The caller's. */
char *assay__path_last(const char *path);

/** Creates a folder and those above it; fine if it exists. Errors: IO, NOMEM. */
int assay__folder_make(const char *path, struct assay_error *error);

/** Creates the folders above a file to be written. Errors: IO, NOMEM. */
int assay__folder_make_for(const char *path, struct assay_error *error);

/**
 * Output paths for every entry of the list under `folder`: its name with `suffix` in place of its extension, and -2,
 * -3 ... before the suffix where two would be the same or where one would overwrite a picture of the list.
 * *out: files->count strings, freed by assay__paths_free. Errors: NOMEM.
 */
int assay__paths_mirror(const struct assay__files *files, const char *folder, const char *suffix, char ***out,
						struct assay_error *error);
void assay__paths_free(char **paths, int count);

#endif
