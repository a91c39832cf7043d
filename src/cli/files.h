/* SPDX-License-Identifier: Apache-2.0 */
/* From the names on a command line to the list of picture files they mean. */
#ifndef ASSAY_SRC_CLI_FILES_H
#define ASSAY_SRC_CLI_FILES_H

#include "assay/base.h"
#include "assay/image.h"

/** One picture to read, or one input that gave none. */
struct assay__file {
	char *path; /**< to open and to name in messages */
	char *name; /**< relative to the folder it was found in, with that folder's own name if there were several inputs */
	char *reason; /**< NULL for a picture; else why this input (a folder) gave no pictures */
};

/** Zero it before first use; the strings are its own. */
struct assay__files {
	struct assay__file *list;
	int count, capacity;
};

/** The file name extensions that make a file in a folder a picture, for messages and help. */
extern const char assay__files_kinds[];

/**
 * Appends the pictures that `inputs` mean, in the order given. A file is taken whatever its name and even if it does
 * not exist (reading it will say so). A folder gives its pictures and those of its folders, by extension, hidden ones
 * left out, in the byte order of their paths; a folder reached twice through links gives its pictures once. A folder
 * that cannot be read, or holds no picture, becomes one entry with a reason.
 * On failure the list is as long as before. Errors: NOMEM, LIMIT. One thread at a time.
 */
int assay__files_collect(struct assay__files *files, char *const *inputs, int input_count, struct assay_error *error);

/** Frees everything and zeroes *files. */
void assay__files_free(struct assay__files *files);

/** Loads list[index] as assay_image_load does, or IO with the entry's reason. Thread safe. */
int assay__files_load(const struct assay__files *files, int index, const struct assay_allocator *allocator,
					  struct assay_image *image, struct assay_error *error);

#endif
