/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Good parts waiting to teach a recipe. In idle time each is measured by a recipe of those before it, so that a person sees when
 * more of the same teaches nothing new.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/text.h"
#include "station/record/place.h"
#include "station/workshop/room.h"

#define FIRST_RECIPE 10 /* parts before a recipe of them says anything */

void assay__tray_path(const struct assay__workshop *workshop, int number, char out[ASSAY__WORKSHOP_PATH_CHARS])
{
	snprintf(out, ASSAY__WORKSHOP_PATH_CHARS, "%.4060s/%06d.png", workshop->tray_dir, number);
}

static int by_number(const void *a, const void *b)
{
	return ((const struct assay__tray_item *)a)->number - ((const struct assay__tray_item *)b)->number;
}

/* What a station before this one collected; files that are no pictures of ours are left alone. */
static void find_items(struct assay__workshop *workshop)
{
	DIR *folder = opendir(workshop->tray_dir);

	for (struct dirent *entry = folder ? readdir(folder) : NULL; entry; entry = readdir(folder)) {
		int64_t number;
		char digits[7] = "";

		if (strlen(entry->d_name) != 10 || strcmp(entry->d_name + 6, ".png") != 0)
			continue;
		memcpy(digits, entry->d_name, 6);
		if (strspn(digits, "0123456789") == 6 && assay__text_to_int64(digits, &number) && number > 0 &&
			workshop->tray_count < ASSAY__TRAY_MOST)
			workshop->tray[workshop->tray_count++].number = (int)number;
	}
	if (folder)
		closedir(folder);
	qsort(workshop->tray, (size_t)workshop->tray_count, sizeof(workshop->tray[0]), by_number);
	if (workshop->tray_count)
		workshop->tray_last = workshop->tray[workshop->tray_count - 1].number;
}

int assay__tray_open(struct assay__workshop *workshop, struct assay_error *error)
{
	char path[ASSAY__WORKSHOP_PATH_CHARS];
	int kept = 0, rc = assay__place_folder(workshop->tray_dir, error);

	if (rc)
		return rc;
	find_items(workshop);
	for (int i = 0; i < workshop->tray_count; i++) {
		struct assay_image image;

		assay__tray_path(workshop, workshop->tray[i].number, path);
		if (assay_image_load(path, NULL, &image, NULL)) {
			unlink(path); /* half written when the power went */
			continue;
		}
		assay_image_hash(&image, workshop->tray_hashes[kept]);
		assay_image_free(&image, NULL);
		workshop->tray[kept++] = workshop->tray[i];
	}
	workshop->tray_count = kept;
	return 0;
}

/* Under the lock. */
static int check_new(struct assay__workshop *workshop, const uint8_t hash[ASSAY_HASH_BYTES], struct assay_error *error)
{
	if (workshop->tray_count == ASSAY__TRAY_MOST)
		return assay__fail(error, ASSAY_E_LIMIT, -1, "the tray holds %d pictures, which is all it can",
						   ASSAY__TRAY_MOST);
	for (int i = 0; i < workshop->tray_count; i++)
		if (memcmp(workshop->tray_hashes[i], hash, ASSAY_HASH_BYTES) == 0)
			return assay__fail(error, ASSAY_E_ARGUMENT, -1, "this very picture is in the tray already, as number %d",
							   workshop->tray[i].number);
	return 0;
}

int assay__tray_put(struct assay__workshop *workshop, const struct assay_image *image, int *number,
					struct assay_error *error)
{
	char path[ASSAY__WORKSHOP_PATH_CHARS];
	uint8_t hash[ASSAY_HASH_BYTES], *bytes;
	size_t size;
	int rc = assay_image_encode_png(image, NULL, &bytes, &size, error);

	if (rc)
		return rc;
	assay_image_hash(image, hash);
	pthread_mutex_lock(&workshop->lock);
	rc = check_new(workshop, hash, error);
	if (!rc) {
		assay__tray_path(workshop, workshop->tray_last + 1, path);
		rc = assay__place_write(path, bytes, size, 0644, error);
	}
	if (!rc) {
		*number = ++workshop->tray_last;
		memcpy(workshop->tray_hashes[workshop->tray_count], hash, ASSAY_HASH_BYTES);
		workshop->tray[workshop->tray_count++] = (struct assay__tray_item){.number = *number};
		pthread_cond_signal(&workshop->wake);
	}
	pthread_mutex_unlock(&workshop->lock);
	free(bytes);
	return rc;
}

static int refuse_running(struct assay__workshop *workshop, struct assay_error *error)
{
	if (workshop->state.phase != ASSAY__WORKSHOP_RUNNING)
		return 0;
	return assay__fail(error, ASSAY_E_FULL, -1, "the workshop is at work: %s", workshop->state.stage);
}

int assay__tray_add(struct assay__workshop *workshop, const struct assay_image *image, int *number,
					struct assay_error *error)
{
	pthread_mutex_lock(&workshop->lock);
	int rc = refuse_running(workshop, error);
	pthread_mutex_unlock(&workshop->lock);
	return rc ? rc : assay__tray_put(workshop, image, number, error);
}

int assay__tray_remove(struct assay__workshop *workshop, int number, struct assay_error *error)
{
	char path[ASSAY__WORKSHOP_PATH_CHARS];
	int kept = 0, gone;

	pthread_mutex_lock(&workshop->lock);
	int rc = refuse_running(workshop, error);
	for (int i = 0; !rc && i < workshop->tray_count; i++) {
		if (number == 0 || workshop->tray[i].number == number) {
			assay__tray_path(workshop, workshop->tray[i].number, path);
			unlink(path);
			continue;
		}
		if (kept < i)
			memcpy(workshop->tray_hashes[kept], workshop->tray_hashes[i], ASSAY_HASH_BYTES);
		workshop->tray[kept++] = workshop->tray[i];
	}
	gone = workshop->tray_count - kept;
	if (!rc) {
		workshop->tray_count = kept;
		/* those behind it were measured by what is gone */
		for (int i = 0; i < kept && gone; i++)
			if (workshop->tray[i].number > number)
				workshop->tray[i].measured = false;
		pthread_cond_signal(&workshop->wake);
	}
	pthread_mutex_unlock(&workshop->lock);
	if (!rc && number && !gone)
		rc = assay__fail(error, ASSAY_E_ARGUMENT, -1, "there is no picture %d in the tray", number);
	return rc;
}

int assay__tray_list(struct assay__workshop *workshop, struct assay__tray_item *out, int most)
{
	pthread_mutex_lock(&workshop->lock);
	int count = workshop->tray_count;
	memcpy(out, workshop->tray, (size_t)(count < most ? count : most) * sizeof(*out));
	pthread_mutex_unlock(&workshop->lock);
	return count;
}

int assay__tray_picture(struct assay__workshop *workshop, int number, struct assay_image *image,
						struct assay_error *error)
{
	char path[ASSAY__WORKSHOP_PATH_CHARS];
	bool there = false;

	pthread_mutex_lock(&workshop->lock);
	for (int i = 0; i < workshop->tray_count; i++)
		there |= workshop->tray[i].number == number;
	pthread_mutex_unlock(&workshop->lock);
	if (!there)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "there is no picture %d in the tray", number);
	assay__tray_path(workshop, number, path);
	return assay_image_load(path, NULL, image, error);
}

/* The first pictures of the tray, as parts. */
struct first_parts {
	const struct assay__workshop *workshop;
	int numbers[ASSAY__TRAY_MOST];
	char name[16];
};

static int load_first(void *ctx, int index, const struct assay_allocator *allocator, struct assay_image *image,
					  struct assay_error *error)
{
	const struct first_parts *first = ctx;
	char path[ASSAY__WORKSHOP_PATH_CHARS];

	assay__tray_path(first->workshop, first->numbers[index], path);
	return assay_image_load(path, allocator, image, error);
}

static const char *name_first(void *ctx, int index)
{
	struct first_parts *first = ctx;

	snprintf(first->name, sizeof(first->name), "picture %d", first->numbers[index]);
	return first->name;
}

static int is_interrupted(void *ctx, const char *stage, int done, int total)
{
	struct assay__workshop *workshop = ctx;

	(void)stage, (void)done, (void)total;
	pthread_mutex_lock(&workshop->lock);
	int stop = workshop->closing || workshop->asked;
	pthread_mutex_unlock(&workshop->lock);
	return stop;
}

/* How many parts the recipe that measures part `index` is made of: the largest of 10, 20, 40, ... that came before it. */
static int base_of(int index)
{
	int base = FIRST_RECIPE;

	while (2 * base <= index)
		base *= 2;
	return index < FIRST_RECIPE ? 0 : base;
}

static struct assay_recipe *teach_first(struct first_parts *first, int count)
{
	struct assay_parts parts = {.count = count, .load = load_first, .name = name_first, .ctx = first};
	const struct assay_teach_options options = {.keep_suspects = true};
	const struct assay_teach_hooks hooks = {
		.progress = {.report = is_interrupted, .ctx = (void *)(uintptr_t)first->workshop}};
	struct assay_recipe *recipe = NULL;

	return assay_teach(&(struct assay_env){0}, &options, &parts, NULL, &hooks, &recipe, NULL, NULL) ? NULL : recipe;
}

static void measure_item(struct assay__workshop *workshop, struct assay_worker *worker, int number)
{
	struct assay_result *result = malloc(sizeof(*result));
	char path[ASSAY__WORKSHOP_PATH_CHARS];
	struct assay_image image;
	bool judged = false;

	assay__tray_path(workshop, number, path);
	if (result && worker && assay_image_load(path, NULL, &image, NULL) == 0) {
		judged = assay_inspect(worker, &image, result, NULL) == 0 && result->verdict != ASSAY_FAULT;
		assay_image_free(&image, NULL);
	}
	pthread_mutex_lock(&workshop->lock);
	for (int i = 0; i < workshop->tray_count; i++) {
		struct assay__tray_item *item = &workshop->tray[i];

		if (item->number != number)
			continue;
		item->measured = true;
		item->novel = !judged || result->score_q8 > result->threshold_q8;
		item->score_q8 = judged ? result->score_q8 : 0;
		item->threshold_q8 = judged ? result->threshold_q8 : 0;
	}
	pthread_mutex_unlock(&workshop->lock);
	free(result);
}

/* The first that is not measured, and the parts before it; -1: none. */
static int next_item(struct assay__workshop *workshop, struct first_parts *first)
{
	int at = -1;

	pthread_mutex_lock(&workshop->lock);
	for (int i = 0; i < workshop->tray_count; i++) {
		first->numbers[i] = workshop->tray[i].number;
		if (at < 0 && !workshop->tray[i].measured)
			at = i;
	}
	pthread_mutex_unlock(&workshop->lock);
	return at;
}

bool assay__tray_unmeasured(const struct assay__workshop *workshop)
{
	for (int i = 0; i < workshop->tray_count; i++)
		if (!workshop->tray[i].measured)
			return true;
	return false;
}

void assay__tray_measure(struct assay__workshop *workshop)
{
	struct first_parts *first = calloc(1, sizeof(*first));
	struct assay_recipe *recipe = NULL;
	struct assay_worker *worker = NULL;
	int base = -1, at;

	if (!first)
		return;
	first->workshop = workshop;
	while ((at = next_item(workshop, first)) >= 0 && !is_interrupted(workshop, "", 0, 0)) {
		int wanted = base_of(at);

		if (wanted != base) {
			assay_worker_close(worker);
			assay_recipe_close(recipe);
			worker = NULL;
			recipe = wanted ? teach_first(first, wanted) : NULL;
			if (recipe && assay_worker_open(recipe, &worker, NULL))
				worker = NULL;
			base = wanted;
			if (is_interrupted(workshop, "", 0, 0))
				break;
		}
		measure_item(workshop, worker, first->numbers[at]);
	}
	assay_worker_close(worker);
	assay_recipe_close(recipe);
	free(first);
}
