/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/dataset.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "cli/paths.h"

static const char layout[] = "train/good, test/good and test/<defect>";

static int no_memory(struct assay_error *error)
{
	return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory while listing a data set");
}

static bool is_folder(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_names(char **names, int count)
{
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

/* The visible folders in `path` but "good", in byte order. *out gets room for one name more than *count. */
static int list_folders(const char *path, char ***out, int *count, struct assay_error *error)
{
	char **names = malloc(sizeof(*names));
	DIR *dir = opendir(path);
	struct dirent *item;
	int found = 0, rc = 0;

	if (!names)
		rc = no_memory(error);
	else if (!dir)
		rc = assay__fail(error, ASSAY_E_IO, -1, "%s: cannot read this folder: %s", path, strerror(errno));
	while (!rc && (item = readdir(dir))) {
		char *full, **bigger;

		if (item->d_name[0] == '.' || !strcmp(item->d_name, "good"))
			continue;
		full = assay__path_join(path, item->d_name);
		if (full && !is_folder(full)) {
			free(full);
			continue;
		}
		bigger = full ? reallocarray(names, (size_t)found + 2, sizeof(*names)) : NULL;
		names = bigger ? bigger : names;
		if (!bigger || !(names[found] = strdup(item->d_name)))
			rc = no_memory(error);
		else
			found++;
		free(full);
	}
	if (dir)
		closedir(dir);
	if (rc) {
		free_names(names, found);
		return rc;
	}
	qsort(names, (size_t)found, sizeof(*names), compare_names);
	*out = names;
	*count = found;
	return 0;
}

/* Collects one folder of a data set, all of whose pictures must be there to be read. */
static int collect(struct assay__files *files, char *folder, struct assay_error *error)
{
	int first = files->count, rc = assay__files_collect(files, &folder, 1, error);

	for (int i = first; !rc && i < files->count; i++)
		if (files->list[i].reason)
			rc = assay__fail(error, ASSAY_E_IO, -1, "%s: %s", files->list[i].path, files->list[i].reason);
	return rc;
}

/* <root>/ground_truth/<kind>/<name without extension>_mask.png, if it exists. */
static int find_mask(const char *root, const char *kind, const char *name, char **mask, struct assay_error *error)
{
	const char *slash = strrchr(name, '/'), *dot = strrchr(name, '.');
	int stem = dot && dot > (slash ? slash + 1 : name) ? (int)(dot - name) : (int)strlen(name);
	char *path;

	if (asprintf(&path, "%s/ground_truth/%s/%.*s_mask.png", root, kind, stem, name) < 0)
		return no_memory(error);
	if (access(path, F_OK)) {
		free(path);
		path = NULL;
	}
	*mask = path;
	return 0;
}

static int add_kind(struct assay__dataset *set, const char *root, int kind, struct assay_error *error)
{
	char *folder;
	int rc = 0;

	if (asprintf(&folder, "%s/test/%s", root, set->kinds[kind].name) < 0)
		return no_memory(error);
	set->kinds[kind].first = set->test.count;
	/* a set without good test pictures still has escapes to count */
	if (kind || is_folder(folder))
		rc = collect(&set->test, folder, error);
	set->kinds[kind].count = set->test.count - set->kinds[kind].first;
	free(folder);
	return rc;
}

static int find_masks(struct assay__dataset *set, const char *root, struct assay_error *error)
{
	set->masks = calloc((size_t)set->test.count + 1, sizeof(*set->masks));
	if (!set->masks)
		return no_memory(error);
	for (int k = 1; k < set->kind_count; k++) {
		const struct assay__kind *kind = &set->kinds[k];

		for (int i = kind->first; i < kind->first + kind->count; i++) {
			int rc = find_mask(root, kind->name, set->test.list[i].name, &set->masks[i], error);

			if (rc)
				return rc;
			set->mask_count += set->masks[i] != NULL;
		}
	}
	return 0;
}

static int list_test(struct assay__dataset *set, const char *root, struct assay_error *error)
{
	char *folder = assay__path_join(root, "test"), **names = NULL;
	int count = 0, rc;

	if (!folder)
		return no_memory(error);
	if (!is_folder(folder))
		rc = assay__fail(error, ASSAY_E_IO, -1, "%s: no such folder; a data set has %s", folder, layout);
	else
		rc = list_folders(folder, &names, &count, error);
	free(folder);
	if (rc)
		return rc;
	set->kinds = calloc((size_t)count + 1, sizeof(*set->kinds));
	if (set->kinds) {
		set->kind_count = count + 1;
		set->kinds[0].name = strdup("good");
		for (int i = 0; i < count; i++)
			set->kinds[i + 1].name = names[i];
	}
	if (!set->kinds || !set->kinds[0].name)
		rc = no_memory(error);
	if (set->kinds)
		free(names);
	else
		free_names(names, count);
	for (int k = 0; !rc && k < set->kind_count; k++)
		rc = add_kind(set, root, k, error);
	if (!rc && !set->test.count)
		rc = assay__fail(error, ASSAY_E_IO, -1, "%s/test: no pictures in it; a data set has %s", root, layout);
	return rc ? rc : find_masks(set, root, error);
}

static int list_train(struct assay__dataset *set, const char *root, bool need_train, struct assay_error *error)
{
	char *train = assay__path_join(root, "train"), *good = assay__path_join(root, "train/good"), **names = NULL;
	int rc = 0;

	if (!train || !good)
		rc = no_memory(error);
	else if (is_folder(good))
		rc = collect(&set->train, good, error);
	else if (need_train)
		rc = assay__fail(error, ASSAY_E_IO, -1, "%s: no such folder; a data set has %s", good, layout);
	if (!rc && is_folder(train)) {
		rc = list_folders(train, &names, &set->train_defect_folders, error);
		if (!rc)
			free_names(names, set->train_defect_folders);
	}
	free(train);
	free(good);
	return rc;
}

/* "castings" for "sets/castings/", also for "." in that folder. */
static char *name_of(const char *path)
{
	char *real = realpath(path, NULL), *name = assay__path_last(real ? real : path);

	free(real);
	return name;
}

int assay__dataset_open(const char *path, bool need_train, struct assay__dataset *out, struct assay_error *error)
{
	struct assay__dataset set = {.name = name_of(path)};
	int rc;

	if (!set.name)
		rc = no_memory(error);
	else if (!is_folder(path))
		rc = assay__fail(error, ASSAY_E_IO, -1, "%s: no such folder; a data set has %s", path, layout);
	else
		rc = list_train(&set, path, need_train, error);
	if (!rc)
		rc = list_test(&set, path, error);
	if (rc)
		assay__dataset_close(&set);
	else
		*out = set;
	return rc;
}

void assay__dataset_close(struct assay__dataset *dataset)
{
	for (int i = 0; dataset->masks && i < dataset->test.count; i++)
		free(dataset->masks[i]);
	for (int i = 0; i < dataset->kind_count; i++)
		free(dataset->kinds[i].name);
	free(dataset->masks);
	free(dataset->kinds);
	free(dataset->name);
	assay__files_free(&dataset->train);
	assay__files_free(&dataset->test);
	*dataset = (struct assay__dataset){0};
}

static unsigned sample_at(const struct assay_image *image, int x, int y)
{
	const uint8_t *row = image->pixels + (size_t)y * image->stride_bytes;
	size_t first = (size_t)x * (size_t)image->channels;
	unsigned most = 0;

	for (size_t c = first; c < first + (size_t)image->channels; c++) {
		unsigned value = image->depth_bits == 16 ? ((const uint16_t *)(const void *)row)[c] : row[c];

		most = value > most ? value : most;
	}
	return most;
}

int assay__mask_load(const char *path, int width_px, int height_px, uint8_t **out, int64_t *count,
					 struct assay_error *error)
{
	struct assay_image image = {0};
	unsigned most = 0;
	int64_t ones = 0;
	uint8_t *mask;
	int rc = assay_image_load(path, NULL, &image, error);

	if (rc)
		return rc;
	if (image.width_px != width_px || image.height_px != height_px) {
		rc = assay__fail(error, ASSAY_E_MISMATCH, -1, "%s: this mask is %d x %d px, its picture %d x %d px", path,
						 image.width_px, image.height_px, width_px, height_px);
		assay_image_free(&image, NULL);
		return rc;
	}
	mask = malloc((size_t)width_px * (size_t)height_px);
	if (!mask) {
		assay_image_free(&image, NULL);
		return no_memory(error);
	}
	for (int y = 0; y < height_px; y++)
		for (int x = 0; x < width_px; x++) {
			unsigned value = sample_at(&image, x, y);

			most = value > most ? value : most;
		}
	for (int y = 0; y < height_px; y++)
		for (int x = 0; x < width_px; x++) {
			bool one = sample_at(&image, x, y) > most / 2;

			mask[(size_t)y * (size_t)width_px + (size_t)x] = one;
			ones += one;
		}
	assay_image_free(&image, NULL);
	*out = mask;
	*count = ones;
	return 0;
}
