/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/paths.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"

struct file_id {
	dev_t device;
	ino_t inode;
};

/* What must not be written: the pictures themselves (sorted by id), and names already given out (hashed, open
 * addressing). */
struct taken {
	struct file_id *inputs;
	int input_count;
	const char **slots;
	size_t slot_count; /* a power of two, at least twice the number of names */
};

static int no_memory(struct assay_error *error)
{
	return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory while naming files");
}

char *assay__path_join(const char *folder, const char *name)
{
	size_t length = strlen(folder);
	char *path;

	if (!length)
		return strdup(name);
	if (asprintf(&path, "%s%s%s", folder, folder[length - 1] == '/' ? "" : "/", name) < 0)
		return NULL;
	return path;
}

char *assay__path_last(const char *path)
{
	size_t end = strlen(path), start;

	while (end && path[end - 1] == '/')
		end--;
	for (start = end; start && path[start - 1] != '/';)
		start--;
	if ((end - start == 1 && path[start] == '.') || (end - start == 2 && !strncmp(path + start, "..", 2)))
		start = end;
	return strndup(path + start, end - start);
}

static int make_folder(const char *path, struct assay_error *error)
{
	struct stat st;
	int failed;

	if (!mkdir(path, 0777))
		return 0;
	failed = errno;
	if (!stat(path, &st) && S_ISDIR(st.st_mode))
		return 0;
	return assay__fail(error, ASSAY_E_IO, -1, "%s: cannot make this folder: %s", path,
					   failed == EEXIST ? "a file of that name exists" : strerror(failed));
}

/* Makes every folder of path that ends in a slash, and path itself if `all`. */
static int make_folders(const char *path, bool all, struct assay_error *error)
{
	char *copy = strdup(path), *slash;
	int rc = 0;

	if (!copy)
		return no_memory(error);
	for (slash = *copy ? strchr(copy + 1, '/') : NULL; !rc && slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		rc = make_folder(copy, error);
		*slash = '/';
	}
	if (!rc && all)
		rc = make_folder(copy, error);
	free(copy);
	return rc;
}

int assay__folder_make(const char *path, struct assay_error *error)
{
	return make_folders(path, true, error);
}

int assay__folder_make_for(const char *path, struct assay_error *error)
{
	return make_folders(path, false, error);
}

static int compare_ids(const void *a, const void *b)
{
	const struct file_id *x = a, *y = b;

	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static const char **find_slot(const struct taken *taken, const char *name)
{
	size_t hash = 5381;

	for (const char *c = name; *c; c++)
		hash = hash * 33 ^ (unsigned char)*c;
	while (taken->slots[hash & (taken->slot_count - 1)] && strcmp(taken->slots[hash & (taken->slot_count - 1)], name))
		hash++;
	return &taken->slots[hash & (taken->slot_count - 1)];
}

static bool is_input(const struct taken *taken, const char *path)
{
	struct stat st;
	struct file_id id;

	if (stat(path, &st))
		return false;
	id = (struct file_id){st.st_dev, st.st_ino};
	return taken->input_count &&
		   bsearch(&id, taken->inputs, (size_t)taken->input_count, sizeof(id), compare_ids) != NULL;
}

/* A free path for `name`, entered into *taken; NULL without memory. */
static char *name_one(struct taken *taken, const char *folder, const char *name, const char *suffix)
{
	const char *slash = strrchr(name, '/'), *dot = strrchr(name, '.');
	size_t stem = dot && dot > (slash ? slash + 1 : name) ? (size_t)(dot - name) : strlen(name);
	size_t length = strlen(folder);
	char *path, number[16] = "";

	for (int attempt = 2;; attempt++) {
		const char **slot;

		if (asprintf(&path, "%s%s%.*s%s%s", folder, length && folder[length - 1] != '/' ? "/" : "", (int)stem, name,
					 number, suffix) < 0)
			return NULL;
		slot = find_slot(taken, path);
		if (!*slot && !is_input(taken, path)) {
			*slot = path;
			return path;
		}
		free(path);
		snprintf(number, sizeof(number), "-%d", attempt);
	}
}

int assay__paths_mirror(const struct assay__files *files, const char *folder, const char *suffix, char ***out,
						struct assay_error *error)
{
	size_t count = (size_t)files->count;
	struct taken taken = {.slot_count = 16};
	char **paths = calloc(count + 1, sizeof(*paths));
	int rc = 0;

	while (taken.slot_count < 2 * count)
		taken.slot_count *= 2;
	taken.slots = calloc(taken.slot_count, sizeof(*taken.slots));
	taken.inputs = calloc(count + 1, sizeof(*taken.inputs));
	if (!paths || !taken.slots || !taken.inputs)
		rc = no_memory(error);
	for (int i = 0; !rc && i < files->count; i++) {
		struct stat st;

		if (!stat(files->list[i].path, &st))
			taken.inputs[taken.input_count++] = (struct file_id){st.st_dev, st.st_ino};
	}
	if (!rc && taken.input_count)
		qsort(taken.inputs, (size_t)taken.input_count, sizeof(*taken.inputs), compare_ids);
	for (int i = 0; !rc && i < files->count; i++)
		if (!(paths[i] = name_one(&taken, folder, files->list[i].name, suffix)))
			rc = no_memory(error);
	free(taken.slots);
	free(taken.inputs);
	if (rc)
		assay__paths_free(paths, files->count);
	else
		*out = paths;
	return rc;
}

void assay__paths_free(char **paths, int count)
{
	for (int i = 0; paths && i < count; i++)
		free(paths[i]);
	free(paths);
}
