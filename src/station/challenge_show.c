/* SPDX-License-Identifier: Apache-2.0 */
#include "station/challenge_show.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "station/rooms.h"

#define WAIT_US 5000
#define PATH_CHARS 8192

static const char *const endings[] = {"png", "jpg", "jpeg", "bmp", "tif", "tiff", "pgm", "ppm", "pnm"};
#define ENDINGS (int)(sizeof(endings) / sizeof(endings[0]))

static bool is_picture(const char *name)
{
	const char *dot = strrchr(name, '.');

	for (int i = 0; dot && i < ENDINGS; i++)
		if (!strcasecmp(dot + 1, endings[i]))
			return true;
	return false;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

int assay__challenge_pictures_list(const char *folder, const char *recipe, int cameras,
								   struct assay__challenge_pictures *out, struct assay_error *error)
{
	const struct dirent *entry;
	struct stat st;
	char path[PATH_CHARS];
	int rc = 0;
	DIR *dir;

	*out = (struct assay__challenge_pictures){0};
	/* A recipe's name is a folder's only if it is one name. */
	if (!*recipe || strchr(recipe, '/') || recipe[0] == '.' ||
		snprintf(out->folder, sizeof(out->folder), "%s/%s", folder, recipe) >= (int)sizeof(out->folder))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "recipe %.60s cannot have a folder of challenge pictures",
						   recipe);
	dir = opendir(out->folder);
	if (!dir)
		return assay__fail(error, ASSAY_E_IO, -1, "%.150s: %s", out->folder, strerror(errno));
	out->names = calloc(ASSAY__CHALLENGE_PICTURES_MOST, sizeof(*out->names));
	if (!out->names)
		rc = assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for challenge pictures");
	while (!rc && (entry = readdir(dir))) {
		bool fits;

		if (entry->d_name[0] == '.' || strlen(entry->d_name) >= sizeof(out->names[0]))
			continue;
		snprintf(path, sizeof(path), "%s/%s", out->folder, entry->d_name);
		fits = cameras == 1 ? is_picture(entry->d_name) : stat(path, &st) == 0 && S_ISDIR(st.st_mode);
		if (fits && out->count == ASSAY__CHALLENGE_PICTURES_MOST)
			rc = assay__fail(error, ASSAY_E_LIMIT, -1, "%.150s: more than %d challenge parts", out->folder,
							 ASSAY__CHALLENGE_PICTURES_MOST);
		else if (fits)
			snprintf(out->names[out->count++], sizeof(out->names[0]), "%s", entry->d_name);
	}
	closedir(dir);
	if (!rc && !out->count)
		rc = assay__fail(error, ASSAY_E_FORMAT, -1, "%.150s: no %s in it", out->folder,
						 cameras == 1 ? "pictures" : "folders of pictures");
	if (!rc)
		qsort(out->names, (size_t)out->count, sizeof(out->names[0]), by_name);
	return rc;
}

void assay__challenge_pictures_free(struct assay__challenge_pictures *pictures)
{
	free(pictures->names);
	pictures->names = NULL;
}

/* The file of one view: the part's own, or in its folder the one called by the camera. */
static int find_file(const struct assay__challenge_pictures *pictures, int index, int cameras, const char *camera,
					 char path[PATH_CHARS], struct assay_error *error)
{
	snprintf(path, PATH_CHARS, "%s/%s", pictures->folder, pictures->names[index]);
	if (cameras == 1)
		return 0;
	for (int i = 0; i < ENDINGS; i++) {
		snprintf(path, PATH_CHARS, "%s/%s/%s.%s", pictures->folder, pictures->names[index], camera, endings[i]);
		if (access(path, F_OK) == 0)
			return 0;
	}
	return assay__fail(error, ASSAY_E_IO, -1, "%.120s has no picture of camera %.60s", pictures->names[index], camera);
}

static int load_view(struct assay__pipeline *pipeline, struct assay__frame *frame, int view, const char *path,
					 struct assay_error *error)
{
	struct assay_image image, *to = &frame->part.views[view].image;
	size_t row;
	int rc = assay_image_load(path, NULL, &image, error);

	if (rc)
		return rc;
	row = (size_t)image.width_px * (size_t)image.channels * (size_t)(image.depth_bits / 8);
	if (row * (size_t)image.height_px > pipeline->cameras[view].picture_bytes) {
		rc = assay__fail(error, ASSAY_E_LIMIT, -1, "%.150s is larger than the pictures of its camera", path);
	} else {
		for (int y = 0; y < image.height_px; y++)
			memcpy(frame->pixels[view] + (size_t)y * row, image.pixels + (size_t)y * image.stride_bytes, row);
		*to = image;
		to->pixels = frame->pixels[view];
		to->stride_bytes = row;
	}
	assay_image_free(&image, NULL);
	return rc;
}

int assay__challenge_show(struct assay__pipeline *pipeline, const struct assay__challenge_pictures *pictures, int index,
						  int64_t until_us, struct assay_error *error)
{
	char path[PATH_CHARS], code[ASSAY__PART_CODE_CHARS], why[160] = "all frames are in use";
	struct assay__frame *frame;
	enum assay__fault fault = ASSAY__FAULT_OVERRUN;
	int rc = 0;

	while (!(frame = assay__frame_take(pipeline)) && assay__clock_us() < until_us)
		usleep(WAIT_US);
	if (!frame)
		return assay__fail(error, ASSAY_E_FULL, -1, "%s", why);
	for (int i = 0; i < pipeline->camera_count && !rc; i++) {
		rc = find_file(pictures, index, pipeline->camera_count, pipeline->cameras[i].item->name, path, error);
		if (!rc)
			rc = load_view(pipeline, frame, i, path, error);
	}
	/* Not to be taken for the code of a part that was made. */
	snprintf(code, sizeof(code), "challenge:%.100s", pictures->names[index]);
	while (!rc && (fault = assay__pipeline_inject(pipeline, frame, code, why)) == ASSAY__FAULT_OVERRUN &&
		   assay__clock_us() < until_us)
		usleep(WAIT_US);
	if (rc || fault) {
		frame->users = 1;
		assay__frame_drop(pipeline, frame);
	}
	return rc ? rc : fault ? assay__fail(error, ASSAY_E_FULL, -1, "%s", why) : 0;
}
