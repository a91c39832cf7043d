/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/labelled.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "cli/common.h"
#include "cli/dataset.h"
#include "cli/fields.h"
#include "cli/teaching.h"

#define SEED 0x6c6162656c73ull
#define BOXES_MOST 1000

static int no_memory(struct assay_error *error)
{
	return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory while listing labelled defects");
}

/* The length of a path without its ending. */
static size_t stem_of(const char *path)
{
	const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');

	return dot && dot > (slash ? slash + 1 : path) ? (size_t)(dot - path) : strlen(path);
}

/* The path of a picture with another ending, the caller's; NULL without memory. */
static char *beside(const char *path, const char *ending)
{
	size_t stem = stem_of(path), size = stem + strlen(ending) + 1;
	char *other = malloc(size);

	if (other)
		snprintf(other, size, "%.*s%s", (int)stem, path, ending);
	return other;
}

static int read_boxes(const char *path, FILE *file, int width, int height, uint8_t *mask, struct assay_error *error)
{
	char line[200];

	for (int number = 1; fgets(line, sizeof(line), file); number++) {
		int x, y, w, h;
		char rest;

		if (line[strspn(line, " \t\r\n")] == '\0')
			continue;
		if (number > BOXES_MOST || sscanf(line, "%d %d %d %d %c", &x, &y, &w, &h, &rest) != 4 || x < 0 || y < 0 ||
			w < 1 || h < 1 || x > width - w || y > height - h)
			return assay__fail(error, ASSAY_E_FORMAT, number,
							   "%s:%d: expected \"x y width height\" of a box within the picture of %d x %d px", path,
							   number, width, height);
		for (int row = y; row < y + h; row++)
			memset(mask + (size_t)row * (size_t)width + x, 1, (size_t)w);
	}
	return ferror(file) ? assay__fail(error, ASSAY_E_IO, -1, "%s: cannot be read", path) : 0;
}

static int load_boxes(const char *path, int width, int height, uint8_t **mask, struct assay_error *error)
{
	FILE *file = fopen(path, "r");
	uint8_t *made;
	int rc;

	if (!file)
		return assay__fail(error, ASSAY_E_IO, -1, "%s: cannot be read", path);
	made = calloc((size_t)width, (size_t)height);
	rc = made ? read_boxes(path, file, width, height, made, error) : no_memory(error);
	fclose(file);
	if (rc)
		free(made);
	else
		*mask = made;
	return rc;
}

static int mark(void *ctx, int index, int width, int height, const struct assay_allocator *allocator, uint8_t **out,
				struct assay_error *error)
{
	const struct assay__labelled *labelled = ctx;
	char *mask = beside(labelled->files.list[index].path, "_mask.png"),
		 *boxes = beside(labelled->files.list[index].path, ".boxes");
	uint8_t *found = NULL;
	int64_t ones;
	int rc = 0;

	if (!mask || !boxes)
		rc = no_memory(error);
	else if (!access(mask, F_OK))
		rc = assay__mask_load(mask, width, height, &found, &ones, error);
	else if (!access(boxes, F_OK))
		rc = load_boxes(boxes, width, height, &found, error);
	if (!rc && found) {
		*out = assay__alloc(allocator, (size_t)width * (size_t)height);
		if (*out)
			memcpy(*out, found, (size_t)width * (size_t)height);
		else
			rc = no_memory(error);
	}
	free(found);
	free(mask);
	free(boxes);
	return rc;
}

static int load(void *ctx, int index, const struct assay_allocator *allocator, struct assay_image *image,
				struct assay_error *error)
{
	const struct assay__labelled *labelled = ctx;

	return assay__files_load(&labelled->files, index, allocator, image, error);
}

static const char *name(void *ctx, int index)
{
	const struct assay__labelled *labelled = ctx;

	return labelled->files.list[index].path;
}

static const char *kind(void *ctx, int index)
{
	const struct assay__labelled *labelled = ctx;

	return labelled->kinds[index];
}

static void unreadable(void *ctx, int index, const struct assay_error *error)
{
	const char *path = name(ctx, index);

	assay__say("%s: %s", path, assay__reason(error, path));
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct assay__file *)a)->path, ((const struct assay__file *)b)->path);
}

/* Whether this is NAME_mask.png of a picture that is there too. */
static bool is_mask(const char *path)
{
	size_t stem = stem_of(path), mask = strlen("_mask");
	static const char *const endings[] = {"jpg", "jpeg", "png", "bmp", "tif", "tiff", "pgm", "ppm", "pnm"};
	char *other;
	bool found = false;

	if (stem <= mask || strcmp(path + stem, ".png") || strncmp(path + stem - mask, "_mask", mask))
		return false;
	other = malloc(stem + 8);
	for (size_t i = 0; other && !found && i < sizeof(endings) / sizeof(endings[0]); i++) {
		snprintf(other, stem + 8, "%.*s.%s", (int)(stem - mask), path, endings[i]);
		found = !access(other, F_OK);
	}
	free(other);
	return found;
}

static void drop(struct assay__file *file)
{
	free(file->path);
	free(file->name);
	free(file->reason);
}

/* Leaves only what is to be learnt from. */
static void sift(struct assay__files *files, const char *skip)
{
	size_t length = skip ? strlen(skip) : 0;
	int kept = 0;

	for (int i = 0; i < files->count; i++) {
		struct assay__file *file = &files->list[i];
		bool skipped = skip && !strncmp(file->name, skip, length) && file->name[length] == '/';

		if (skipped || is_mask(file->path))
			drop(file);
		else
			files->list[kept++] = *file;
	}
	files->count = kept;
}

static int name_kinds(struct assay__labelled *labelled, struct assay_error *error)
{
	const struct assay__files *files = &labelled->files;

	labelled->kinds = calloc((size_t)files->count + 1, sizeof(*labelled->kinds));
	if (!labelled->kinds)
		return no_memory(error);
	for (int i = 0; i < files->count; i++) {
		const char *slash = strchr(files->list[i].name, '/');

		if (!slash)
			continue;
		labelled->kinds[i] = strndup(files->list[i].name, (size_t)(slash - files->list[i].name));
		if (!labelled->kinds[i])
			return no_memory(error);
	}
	return 0;
}

int assay__labelled_open(const char *folder, const char *skip, struct assay__labelled *out, struct assay_error *error)
{
	char *inputs[1] = {(char *)folder};
	int rc = assay__files_collect(&out->files, inputs, 1, error);

	if (!rc) {
		sift(&out->files, skip);
		if (out->files.count == 1 && out->files.list[0].reason)
			rc = assay__fail(error, ASSAY_E_IO, -1, "%s", out->files.list[0].reason);
		else if (out->files.count == 0)
			rc = assay__fail(error, ASSAY_E_IO, -1, "%s: there are no pictures of labelled defects in it", folder);
	}
	if (!rc) {
		qsort(out->files.list, (size_t)out->files.count, sizeof(*out->files.list), by_path);
		rc = name_kinds(out, error);
	}
	if (rc) {
		assay__labelled_close(out);
		return rc;
	}
	out->defects = (struct assay_defects){{out->files.count, load, name, out}, kind, mark, unreadable};
	return 0;
}

/* splitmix64 */
static uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

void assay__labelled_sample(struct assay__labelled *labelled, int count)
{
	struct assay__files *files = &labelled->files;
	uint64_t state = SEED;

	for (int i = 0; i < count && i < files->count; i++) {
		int at = i + (int)(draw(&state) % (uint64_t)(files->count - i));
		struct assay__file file = files->list[i];
		char *of = labelled->kinds[i];

		files->list[i] = files->list[at];
		files->list[at] = file;
		labelled->kinds[i] = labelled->kinds[at];
		labelled->kinds[at] = of;
	}
	for (int i = count; i < files->count; i++) {
		drop(&files->list[i]);
		free(labelled->kinds[i]);
	}
	if (files->count > count)
		files->count = count;
	labelled->defects.parts.count = files->count;
}

void assay__labelled_close(struct assay__labelled *labelled)
{
	for (int i = 0; labelled->kinds && i < labelled->files.count; i++)
		free(labelled->kinds[i]);
	free(labelled->kinds);
	assay__files_free(&labelled->files);
	*labelled = (struct assay__labelled){.kinds = NULL};
}

void assay__labels_text(const struct assay_label_report *report, char out[200])
{
	size_t at;

	snprintf(out, 200, "%d defects", report->taught);
	at = strlen(out);
	if (report->kinds)
		snprintf(out + at, 200 - at, " of %d kind%s", report->kinds, report->kinds > 1 ? "s" : "");
	at = strlen(out);
	if (!report->folds)
		snprintf(out + at, 200 - at, ", of too few parts to be sure of: show at least two good and two bad ones");
	else if (report->used)
		snprintf(out + at, 200 - at, ", %d escape in cross-validation, %d without labels", report->joined_escapes,
				 report->bank_escapes);
	else
		snprintf(out + at, 200 - at, ", not used: the good parts alone let no more escape in cross-validation (%d)",
				 report->bank_escapes);
}

void assay__labels_json(struct assay__json *json, const struct assay_label_report *report)
{
	assay__json_key(json, "labels");
	if (!report->offered) {
		assay__json_null(json);
		return;
	}
	assay__json_object(json);
	assay__field_int(json, "offered", report->offered);
	assay__field_int(json, "unreadable", report->unreadable);
	assay__field_int(json, "repeated", report->repeated);
	assay__field_int(json, "taught", report->taught);
	assay__field_int(json, "kinds", report->kinds);
	assay__field_int(json, "folds", report->folds);
	assay__field_bool(json, "used", report->used);
	assay__field_int(json, "bank_escapes", report->bank_escapes);
	assay__field_int(json, "joined_escapes", report->joined_escapes);
	assay__field_q8(json, "bank_threshold", report->bank_threshold_q8);
	assay__json_object_end(json);
}
