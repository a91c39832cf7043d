/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/files.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/err.h"
#include "cli/paths.h"

const char assay__files_kinds[] = "jpg, jpeg, png, bmp, tif, tiff, pgm, ppm, pnm";

struct folder_id {
	dev_t device;
	ino_t inode;
};

/* One walk: folders still to read, relative to the root, and those already read. */
struct walk {
	struct assay__files *files;
	const char *root, *prefix;
	char **pending;
	int pending_count, pending_capacity;
	struct folder_id *seen;
	int seen_count, seen_capacity;
};

static int no_memory(struct assay_error *error)
{
	return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory while listing files");
}

/* Makes room for one more element; false if there is no memory. */
static bool grow(void **array, int count, int *capacity, size_t element_bytes)
{
	int wanted;
	void *bigger;

	if (count < *capacity)
		return true;
	if (*capacity > INT_MAX / 2)
		return false;
	wanted = *capacity ? *capacity * 2 : 64;
	bigger = reallocarray(*array, (size_t)wanted, element_bytes);
	if (!bigger)
		return false;
	*array = bigger;
	*capacity = wanted;
	return true;
}

static void entry_free(struct assay__file *entry)
{
	free(entry->path);
	free(entry->name);
	free(entry->reason);
}

static void shorten(struct assay__files *files, int count)
{
	while (files->count > count)
		entry_free(&files->list[--files->count]);
}

void assay__files_free(struct assay__files *files)
{
	shorten(files, 0);
	free(files->list);
	*files = (struct assay__files){0};
}

/* Takes path and name over, also on failure; either may be NULL for want of memory. */
static int append(struct assay__files *files, char *path, char *name, const char *reason, struct assay_error *error)
{
	struct assay__file entry = {path, name, reason ? strdup(reason) : NULL};

	if (!path || !name || (reason && !entry.reason) ||
		!grow((void **)&files->list, files->count, &files->capacity, sizeof(*files->list))) {
		entry_free(&entry);
		return no_memory(error);
	}
	files->list[files->count++] = entry;
	return 0;
}

static bool is_picture_name(const char *name)
{
	static const char *const kinds[] = {"jpg", "jpeg", "png", "bmp", "tif", "tiff", "pgm", "ppm", "pnm"};
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcasecmp(dot + 1, kinds[i]))
			return true;
	return false;
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct assay__file *)a)->path, ((const struct assay__file *)b)->path);
}

static int push_folder(struct walk *walk, char *relative, struct assay_error *error)
{
	if (!relative ||
		!grow((void **)&walk->pending, walk->pending_count, &walk->pending_capacity, sizeof(*walk->pending))) {
		free(relative);
		return no_memory(error);
	}
	walk->pending[walk->pending_count++] = relative;
	return 0;
}

/* Remembers a folder; *first says whether it is new. */
static int mark_seen(struct walk *walk, const struct stat *st, bool *first, struct assay_error *error)
{
	*first = false;
	for (int i = 0; i < walk->seen_count; i++)
		if (walk->seen[i].device == st->st_dev && walk->seen[i].inode == st->st_ino)
			return 0;
	if (!grow((void **)&walk->seen, walk->seen_count, &walk->seen_capacity, sizeof(*walk->seen)))
		return no_memory(error);
	walk->seen[walk->seen_count++] = (struct folder_id){st->st_dev, st->st_ino};
	*first = true;
	return 0;
}

static int append_found(struct walk *walk, const char *relative, const char *reason, struct assay_error *error)
{
	char *path = *relative ? assay__path_join(walk->root, relative) : strdup(walk->root);

	return append(walk->files, path, assay__path_join(walk->prefix, *relative ? relative : "."), reason, error);
}

static int take_item(struct walk *walk, DIR *dir, const char *relative, const char *item, struct assay_error *error)
{
	struct stat st;
	bool known = !fstatat(dirfd(dir), item, &st, 0);
	char *inner;
	int rc = 0;

	/* a link to nowhere that is named like a picture is kept, so that its loss is told */
	if (known ? !S_ISDIR(st.st_mode) && !(S_ISREG(st.st_mode) && is_picture_name(item)) : !is_picture_name(item))
		return 0;
	inner = assay__path_join(relative, item);
	if (!inner)
		return no_memory(error);
	if (known && S_ISDIR(st.st_mode))
		return push_folder(walk, inner, error);
	rc = append_found(walk, inner, NULL, error);
	free(inner);
	return rc;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int read_folder(struct walk *walk, const char *relative, struct assay_error *error)
{
	char *path = *relative ? assay__path_join(walk->root, relative) : strdup(walk->root);
	char **items = NULL, reason[200];
	int count = 0, capacity = 0, rc = 0, failed;
	bool first = true;
	struct dirent *item;
	struct stat st;
	DIR *dir;

	if (!path)
		return no_memory(error);
	dir = opendir(path);
	free(path);
	if (!dir || fstat(dirfd(dir), &st)) {
		failed = errno;
		if (dir)
			closedir(dir);
		snprintf(reason, sizeof(reason), "cannot read this folder: %s", strerror(failed));
		return append_found(walk, relative, reason, error);
	}
	rc = mark_seen(walk, &st, &first, error);
	while (!rc && first && (item = readdir(dir))) {
		if (item->d_name[0] == '.')
			continue;
		if (!grow((void **)&items, count, &capacity, sizeof(*items)) || !(items[count] = strdup(item->d_name))) {
			rc = no_memory(error);
			break;
		}
		count++;
	}
	/* sorted before use, so that which of two links to one folder is followed does not depend on the file system */
	if (count)
		qsort(items, (size_t)count, sizeof(*items), compare_names);
	for (int i = 0; i < count; i++) {
		if (!rc)
			rc = take_item(walk, dir, relative, items[i], error);
		free(items[i]);
	}
	free(items);
	closedir(dir);
	return rc;
}

static int walk_folder(struct assay__files *files, const char *root, const char *prefix, struct assay_error *error)
{
	struct walk walk = {.files = files, .root = root, .prefix = prefix};
	int before = files->count, rc = push_folder(&walk, strdup(""), error);
	char reason[200];

	for (int next = 0; !rc && next < walk.pending_count; next++)
		rc = read_folder(&walk, walk.pending[next], error);
	if (!rc && files->count == before) {
		snprintf(reason, sizeof(reason), "no picture in this folder (looked for %s)", assay__files_kinds);
		rc = append_found(&walk, "", reason, error);
	}
	if (!rc)
		qsort(files->list + before, (size_t)(files->count - before), sizeof(*files->list), compare_paths);
	for (int i = 0; i < walk.pending_count; i++)
		free(walk.pending[i]);
	free(walk.pending);
	free(walk.seen);
	return rc;
}

int assay__files_collect(struct assay__files *files, char *const *inputs, int input_count, struct assay_error *error)
{
	int before = files->count, rc = 0;

	for (int i = 0; !rc && i < input_count; i++) {
		char *last = assay__path_last(inputs[i]);
		struct stat st;

		if (!last)
			rc = no_memory(error);
		else if (!stat(inputs[i], &st) && S_ISDIR(st.st_mode))
			rc = walk_folder(files, inputs[i], input_count > 1 ? last : "", error);
		else
			rc = append(files, strdup(inputs[i]), strdup(last), NULL, error);
		free(last);
	}
	if (rc)
		shorten(files, before);
	return rc;
}

int assay__files_load(const struct assay__files *files, int index, const struct assay_allocator *allocator,
					  struct assay_image *image, struct assay_error *error)
{
	const struct assay__file *file = &files->list[index];

	if (file->reason)
		return assay__fail(error, ASSAY_E_IO, -1, "%s: %s", file->path, file->reason);
	return assay_image_load(file->path, allocator, image, error);
}
