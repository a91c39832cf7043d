/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/teaching.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "cli/fields.h"
#include "cli/progress.h"
#include "vision/net/net.h"

struct job {
	const struct assay__files *files;
	struct assay__left_out *left_out;
	int left_out_count, left_out_capacity;
	bool no_memory;
};

static int load_part(void *ctx, int index, const struct assay_allocator *allocator, struct assay_image *image,
					 struct assay_error *error)
{
	const struct job *job = ctx;

	return assay__files_load(job->files, index, allocator, image, error);
}

static const char *name_part(void *ctx, int index)
{
	const struct job *job = ctx;

	return job->files->list[index].path;
}

const char *assay__reason(const struct assay_error *error, const char *path)
{
	size_t length = strlen(path);

	if (!strncmp(error->message, path, length) && !strncmp(error->message + length, ": ", 2))
		return error->message + length + 2;
	return error->message;
}

static void note_unreadable(void *ctx, int index, const struct assay_error *error)
{
	struct job *job = ctx;
	char *reason = strdup(assay__reason(error, job->files->list[index].path));

	if (reason && job->left_out_count == job->left_out_capacity) {
		int wanted = job->left_out_capacity ? job->left_out_capacity * 2 : 16;
		struct assay__left_out *bigger = reallocarray(job->left_out, (size_t)wanted, sizeof(*bigger));

		if (bigger) {
			job->left_out = bigger;
			job->left_out_capacity = wanted;
		}
	}
	if (!reason || job->left_out_count == job->left_out_capacity) {
		free(reason);
		job->no_memory = true;
		return;
	}
	job->left_out[job->left_out_count++] = (struct assay__left_out){index, reason};
}

static int compare_index(const void *a, const void *b)
{
	int x = ((const struct assay__left_out *)a)->index, y = ((const struct assay__left_out *)b)->index;

	return x < y ? -1 : x > y;
}

static void free_left_out(struct assay__left_out *left_out, int count)
{
	for (int i = 0; i < count; i++)
		free(left_out[i].reason);
	free(left_out);
}

int assay__network_use(const char *network, struct assay_env *env, void **bytes)
{
	struct assay__nearest nearest = {.given = network};
	const void *builtin = assay__net_builtin_find(network, &env->network_size_bytes);
	int status;

	*bytes = NULL;
	if (builtin) {
		env->network = builtin;
		return 0;
	}
	if (!strchr(network, '/') && access(network, F_OK)) {
		for (int i = 0; assay__net_builtin_name(i); i++)
			assay__nearest_try(&nearest, assay__net_builtin_name(i));
		if (nearest.best) {
			assay__say("--network: there is no file %s; did you mean the network built in as %s?", network,
					   nearest.best);
			return ASSAY__EXIT_IO;
		}
	}
	status = assay__file_read("--network", network, "a .net file", bytes, &env->network_size_bytes);
	if (!status)
		env->network = *bytes;
	return status;
}

static int teach(const struct assay__setup *setup, const struct assay_env *env,
				 const struct assay_teach_options *options, struct job *job, struct assay__teaching *teaching,
				 struct assay_error *error)
{
	struct assay_parts parts = {job->files->count, load_part, name_part, job};
	struct assay_teach_hooks hooks = {.unreadable = note_unreadable, .ctx = job};
	struct assay__progress progress;
	int64_t start_us = assay__clock_us();
	int rc;

	assay__progress_open(&progress);
	hooks.progress = progress.progress;
	rc = assay_teach(env, options, &parts, setup->runner, &hooks, &teaching->recipe, &teaching->report, error);
	assay__progress_close(&progress);
	teaching->seconds = (double)(assay__clock_us() - start_us) / 1e6;
	if (job->left_out_count)
		qsort(job->left_out, (size_t)job->left_out_count, sizeof(*job->left_out), compare_index);
	for (int i = 0; i < job->left_out_count; i++)
		assay__say("%s: %s", job->files->list[job->left_out[i].index].path, job->left_out[i].reason);
	if (!rc && job->no_memory) {
		assay_recipe_close(teaching->recipe);
		rc = assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory while noting unreadable parts");
	}
	return rc;
}

int assay__teaching_run(const struct assay__setup *setup, const struct assay__teaching_settings *settings,
						const struct assay__files *files, struct assay__teaching *teaching)
{
	struct assay__teaching result = {0};
	struct job job = {.files = files};
	struct assay_image mask = {0};
	struct assay_error error;
	struct assay_teach_options options = {
		.working_px = settings->working_px,
		.smallest_defect_px = settings->smallest_defect_px,
		.no_exposure = !settings->exposure,
		.light_tolerance = settings->light_tolerance > 0 ? settings->light_tolerance : -1,
		.bank_size = settings->bank_size,
		.folds = settings->folds,
		.overkill = settings->overkill,
		.roi = settings->roi,
		.grey = settings->grey,
		.scale = settings->scale,
		.white_level = settings->white_level,
		.mm_per_px = settings->mm_per_px,
		.defects = settings->defects,
		.position = settings->position,
		.keep_suspects = settings->keep_suspects,
		.keep_bytes = (int64_t)settings->keep_mb << 20,
	};
	struct assay_zones *zones = NULL;
	struct assay_env env = setup->env;
	int rc = settings->network ? assay__network_use(settings->network, &env, &result.network) : 0;

	if (rc)
		return rc;
	if (settings->mask) {
		rc = assay_image_load(settings->mask, setup->env.allocator, &mask, &error);
		options.mask = &mask;
	}
	if (!rc && settings->zones) {
		rc = assay_zones_load(settings->zones, settings->mm_per_px, setup->env.allocator, &zones, &error);
		options.zones = zones;
	}
	if (!rc)
		rc = teach(setup, &env, &options, &job, &result, &error);
	assay_image_free(&mask, setup->env.allocator);
	assay_zones_free(zones);
	if (rc) {
		free_left_out(job.left_out, job.left_out_count);
		assay__free(NULL, result.network);
		assay__say_error(&error);
		return rc == ASSAY_E_NOMEM ? ASSAY__EXIT_INTERNAL : ASSAY__EXIT_FAULT;
	}
	result.left_out = job.left_out;
	result.left_out_count = job.left_out_count;
	*teaching = result;
	return 0;
}

void assay__teaching_close(struct assay__teaching *teaching)
{
	assay_recipe_close(teaching->recipe);
	free_left_out(teaching->left_out, teaching->left_out_count);
	assay__free(NULL, teaching->network);
	*teaching = (struct assay__teaching){0};
}

int assay__recipe_use(const struct assay__setup *setup, const char *path, struct assay_recipe **out)
{
	struct assay_error error;
	int rc = assay_recipe_open(&setup->env, path, out, &error);

	if (!rc)
		return 0;
	assay__say_error(&error);
	return rc == ASSAY_E_NOMEM ? ASSAY__EXIT_INTERNAL : ASSAY__EXIT_FAULT;
}

void assay__teaching_risk(const struct assay_teach_report *report, char out[200])
{
	char stated[ASSAY__NUMBER_CHARS], wanted[ASSAY__NUMBER_CHARS];

	assay__text_from_double(report->overkill_stated * 100, 2, stated);
	assay__text_from_double(report->overkill_wanted * 100, 2, wanted);
	if (report->overkill_stated > report->overkill_wanted)
		snprintf(out, 200, "%d good parts support an overkill of %s %%; for %s %% show about %d", report->parts_used,
				 stated, wanted, report->parts_for_wanted);
	else
		snprintf(out, 200, "%d good parts support the wanted overkill of %s %%", report->parts_used, wanted);
}

void assay__scales_text(const struct assay_recipe_info *info, char out[100])
{
	size_t at = 0;

	out[0] = '\0';
	for (int i = 0; i < info->scale_count; i++) {
		const struct assay_scale_info *scale = &info->scales[i];
		const char *between = i == 0 ? "" : i == info->scale_count - 1 ? " and " : ", ";

		snprintf(out + at, 100 - at, "%s%d x %d", between, scale->working_width_px, scale->working_height_px);
		at = strlen(out);
	}
	snprintf(out + at, 100 - at, " px");
}

void assay__light_text(const struct assay_recipe_info *info, char out[200])
{
	char percent[ASSAY__NUMBER_CHARS];

	assay__text_from_double(info->light_tolerance * 100, 2, percent);
	if (!info->exposure)
		snprintf(out, 200, "left as it is");
	else if (info->light_tolerance == 0)
		snprintf(out, 200, "brought to the mean of the good parts");
	else
		snprintf(out, 200, "brought to the mean of the good parts; %d of them taught %s %% brighter too",
				 info->report.parts_brightened, percent);
}

/* Shrinks as the finest scale does. */
static double defect_covers_px(const struct assay_recipe_info *info)
{
	return (double)info->smallest_defect_px * info->working_height_px / info->roi.height;
}

void assay__print_defect(const struct assay_recipe_info *info)
{
	if (info->smallest_defect_px)
		printf("defects       from %d px, %.1f px at the finest scale\n", info->smallest_defect_px,
			   defect_covers_px(info));
}

void assay__print_suspects(const struct assay_recipe_info *info)
{
	int count = info->report.suspect_count;

	if (!count)
		return;
	printf(
		"suspects      %d part%s look%s bad among the others and %s; 10 is their mean, 1 more a standard deviation:\n",
		count, count == 1 ? "" : "s", count == 1 ? "s" : "",
		info->suspects[0].learnt ? "were learnt all the same" : "were left out");
	for (int i = 0; i < count; i++)
		printf("                %s %.2f\n", info->suspects[i].name, info->suspects[i].score_q8 / 256.0);
	if (!info->suspects[0].learnt)
		printf("              if they are good, teach with --keep-suspects, or assay learn --good them\n");
}

void assay__write_suspects(struct assay__json *json, const struct assay_recipe_info *info,
						   const struct assay__files *files)
{
	assay__json_key(json, "suspects");
	assay__json_array(json);
	for (int i = 0; i < info->report.suspect_count; i++) {
		const struct assay_suspect *suspect = &info->suspects[i];

		assay__json_object(json);
		assay__field_text(json, "part", suspect->name);
		if (files && suspect->index >= 0 && suspect->index < files->count)
			assay__field_text(json, "file", files->list[suspect->index].path);
		assay__field_q8(json, "score", suspect->score_q8);
		assay__field_bool(json, "learnt", suspect->learnt);
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
}

void assay__write_scales(struct assay__json *json, const struct assay_recipe_info *info)
{
	assay__field_double(json, "smallest_defect", info->smallest_defect_px ? info->smallest_defect_px : NAN);
	assay__field_bool(json, "exposure", info->exposure);
	assay__field_double(json, "light_tolerance", info->light_tolerance);
	assay__field_int(json, "parts_brightened", info->report.parts_brightened);
	assay__json_key(json, "scales");
	assay__json_array(json);
	for (int i = 0; i < info->scale_count; i++) {
		const struct assay_scale_info *scale = &info->scales[i];

		assay__json_object(json);
		assay__field_int(json, "working_width", scale->working_width_px);
		assay__field_int(json, "working_height", scale->working_height_px);
		assay__field_int(json, "grid_width", scale->grid_width);
		assay__field_int(json, "grid_height", scale->grid_height);
		assay__field_int(json, "bank_size", scale->bank_size);
		assay__field_q8(json, "mean", scale->mean_q8);
		assay__field_q8(json, "sd", scale->sd_q8);
		assay__json_object_end(json);
	}
	assay__json_array_end(json);
	assay__write_position(json, &info->report.position);
}
