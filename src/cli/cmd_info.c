/* SPDX-License-Identifier: Apache-2.0 */
/* assay info: what is in a recipe, and how fast it is here. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/cmd.h"
#include "cli/common.h"
#include "cli/fields.h"
#include "cli/labelled.h"
#include "cli/learning.h"
#include "cli/teaching.h"

#define BINS 12
#define BAR_CHARS 40
#define RUNS 9

struct settings {
	bool json;
};

static const struct assay__option options[] = {
	ASSAY__OPTION_JSON(struct settings, json, "print one JSON object"),
};

static const struct assay__command command = {
	.name = "info",
	.usage = "PART.assay [--json]",
	.description = "Tells what is in a recipe: what it was taught from, the risk it supports, how the\n"
				   "good parts scored, its content hash, and how long one picture takes here (median of\n"
				   "a few runs on a blank picture, one thread, reading the file left out).\n"
				   "\n"
				   "The recipe is checked on the way: its content hash, and that this machine computes\n"
				   "the same bits as the one that taught it. It is an SQLite file; sqlite3 opens it too.\n"
				   "\n"
				   "Exit status: 0; 2 the recipe cannot be used; 64 usage; 70 out of memory; 74 input or\n"
				   "output.",
	.options = options,
	.option_count = (int)(sizeof(options) / sizeof(options[0])),
	.args_min = 1,
	.args_max = 1,
};

struct facts {
	const char *path;
	struct assay_recipe_info recipe;
	const char *kernels;
	double inspect_ms;
};

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static int time_runs(struct assay_worker *worker, const struct assay_image *image, double *median_ms,
					 struct assay_error *error)
{
	struct assay_result result;
	double ms[RUNS];

	/* the first run meets cold caches and, with differing sizes, makes room for this one */
	if (assay_inspect(worker, image, &result, error))
		return error->code;
	for (int i = 0; i < RUNS; i++) {
		int64_t start_us = assay__clock_us();

		if (assay_inspect(worker, image, &result, error))
			return error->code;
		ms[i] = (double)(assay__clock_us() - start_us) / 1e3;
	}
	qsort(ms, RUNS, sizeof(ms[0]), compare_doubles);
	*median_ms = ms[RUNS / 2];
	return 0;
}

static int measure(const struct assay_recipe *recipe, struct facts *facts, struct assay_error *error)
{
	const struct assay_recipe_info *info = &facts->recipe;
	struct assay_worker *worker = NULL;
	struct assay_image image = {0};
	int rc = assay_image_create(info->image_width_px, info->image_height_px, info->image_channels,
								info->image_depth_bits, NULL, &image, error);

	if (!rc)
		rc = assay_worker_open(recipe, &worker, error);
	if (!rc)
		rc = time_runs(worker, &image, &facts->inspect_ms, error);
	assay_worker_close(worker);
	assay_image_free(&image, NULL);
	return rc;
}

static void print_hash(const uint8_t hash[ASSAY_HASH_BYTES])
{
	for (int i = 0; i < ASSAY_HASH_BYTES; i++)
		printf("%02x", hash[i]);
	putchar('\n');
}

static void print_histogram(const struct assay_recipe_info *info)
{
	int n = info->report.parts_used, bins[BINS] = {0}, most = 0;
	uint32_t low = n ? info->calibration_q8[0] : 0, high = n ? info->calibration_q8[n - 1] : 0;
	uint32_t width = (high - low) / BINS + 1;

	for (int i = 0; i < n; i++) {
		int *bin = &bins[(info->calibration_q8[i] - low) / width];

		++*bin;
		most = *bin > most ? *bin : most;
	}
	for (int i = 0; i < BINS && low + (uint32_t)i * width <= high; i++) {
		double from = (low + (double)width * i) / 256, to = (low + (double)width * (i + 1)) / 256;
		int bar = bins[i] ? 1 + (int)((int64_t)(BAR_CHARS - 1) * bins[i] / most) : 0;

		printf("              %8.2f to %-8.2f %5d %.*s\n", from, to, bins[i], bar,
			   "########################################");
	}
}

static void print_text(const struct facts *facts)
{
	const struct assay_recipe_info *info = &facts->recipe;
	const struct assay_teach_report *report = &info->report;
	char risk[200], sizes[100], light[200], position[240];

	assay__teaching_risk(report, risk);
	assay__scales_text(info, sizes);
	assay__light_text(info, light);
	assay__position_text(&report->position, position);
	printf("recipe        %s\n", facts->path);
	printf("taught from   %d good parts (%d offered, %d repeated, %d unreadable)\n", report->parts_used,
		   report->parts_offered, report->parts_repeated, report->parts_unreadable);
	printf("pictures      %d x %d px, %s, %d bit%s%s\n", info->image_width_px, info->image_height_px,
		   info->image_channels == 1 ? "grey" : "colour", info->image_depth_bits,
		   info->image_channels == 3 && info->grey ? ", judged as grey" : "",
		   info->scale ? ", other sizes are scaled" : "");
	if (info->image_depth_bits == 16)
		printf("white level   %d\n", info->white_level);
	if (info->roi.width != info->image_width_px || info->roi.height != info->image_height_px)
		printf("region        %d x %d px at %d,%d\n", info->roi.width, info->roi.height, info->roi.x, info->roi.y);
	if (info->masked)
		printf("mask          yes\n");
	if (info->zone_count)
		printf("zones         %d\n", info->zone_count);
	if (info->mm_per_px > 0)
		printf("pixel         %g mm\n", info->mm_per_px);
	printf("judged at     %s\n", sizes);
	for (int i = 0; i < info->scale_count; i++) {
		const struct assay_scale_info *scale = &info->scales[i];

		printf("              %d x %d places, bank of %d; good parts are %.1f from it, standard deviation %.1f\n",
			   scale->grid_width, scale->grid_height, scale->bank_size, scale->mean_q8 / 256.0, scale->sd_q8 / 256.0);
	}
	assay__print_defect(info);
	printf("light         %s\n", light);
	printf("position      %s\n", position);
	printf("network       %s, %.2f GMAC a picture\n", info->network_name, (double)info->macs / 1e9);
	printf("network hash  ");
	print_hash(info->network_hash);
	printf("bank          %d vectors of %d features, of %d\n", report->bank_size, info->feature_dim, report->patches);
	printf("threshold     %.2f; 10 is the mean of the good parts, 1 more a standard deviation\n",
		   report->threshold_q8 / 256.0);
	printf("risk          %s\n", risk);
	printf("calibration   in %d folds; good parts scored %.2f to %.2f, median %.2f\n", report->folds,
		   report->score_min_q8 / 256.0, report->score_max_q8 / 256.0, report->score_median_q8 / 256.0);
	print_histogram(info);
	if (report->labels.offered) {
		assay__labels_text(&report->labels, risk);
		printf("labels        %s\n", risk);
	}
	assay__print_suspects(info);
	assay__lineage_print(info);
	printf("content hash  ");
	print_hash(info->content_hash);
	printf("memory        %.1f MB for each thread\n", (double)info->workspace_bytes / 1e6);
	printf("kernels       %s\n", facts->kernels);
	printf("time          %.2f ms a picture on one thread of this machine\n", facts->inspect_ms);
}

static void write_roi(struct assay__json *json, const struct assay_rect_px *roi)
{
	assay__json_key(json, "roi");
	assay__json_object(json);
	assay__field_int(json, "x", roi->x);
	assay__field_int(json, "y", roi->y);
	assay__field_int(json, "width", roi->width);
	assay__field_int(json, "height", roi->height);
	assay__json_object_end(json);
}

static int print_json(const struct facts *facts)
{
	const struct assay_recipe_info *info = &facts->recipe;
	const struct assay_teach_report *report = &info->report;
	char risk[200];
	struct assay__json json;
	int status;

	assay__json_open(&json, NULL);
	assay__json_object(&json);
	assay__field_text(&json, "recipe", facts->path);
	assay__field_int(&json, "parts_offered", report->parts_offered);
	assay__field_int(&json, "parts_used", report->parts_used);
	assay__field_int(&json, "parts_repeated", report->parts_repeated);
	assay__field_int(&json, "parts_unreadable", report->parts_unreadable);
	assay__field_int(&json, "width", info->image_width_px);
	assay__field_int(&json, "height", info->image_height_px);
	assay__field_int(&json, "channels", info->image_channels);
	assay__field_int(&json, "depth_bits", info->image_depth_bits);
	assay__field_bool(&json, "grey", info->grey);
	assay__field_bool(&json, "scale", info->scale);
	assay__field_int(&json, "white_level", info->white_level);
	write_roi(&json, &info->roi);
	assay__field_bool(&json, "masked", info->masked);
	assay__field_int(&json, "zones", info->zone_count);
	assay__field_double(&json, "mm_per_px", info->mm_per_px > 0 ? info->mm_per_px : NAN);
	assay__field_int(&json, "working_width", info->working_width_px);
	assay__field_int(&json, "working_height", info->working_height_px);
	assay__field_int(&json, "grid_width", info->grid_width);
	assay__field_int(&json, "grid_height", info->grid_height);
	assay__field_int(&json, "feature_dim", info->feature_dim);
	assay__write_scales(&json, info);
	assay__field_text(&json, "network", info->network_name);
	assay__field_hex(&json, "network_hash", info->network_hash, sizeof(info->network_hash));
	assay__field_int(&json, "macs", info->macs);
	assay__field_int(&json, "patches", report->patches);
	assay__field_int(&json, "bank_size", report->bank_size);
	assay__field_int(&json, "folds", report->folds);
	assay__field_q8(&json, "threshold", report->threshold_q8);
	assay__field_double(&json, "overkill_wanted", report->overkill_wanted);
	assay__field_double(&json, "overkill_stated", report->overkill_stated);
	assay__field_double(&json, "overkill_low", report->overkill_low);
	assay__field_double(&json, "overkill_high", report->overkill_high);
	assay__field_int(&json, "parts_for_wanted", report->parts_for_wanted);
	assay__teaching_risk(report, risk);
	assay__field_text(&json, "risk", risk);
	assay__json_key(&json, "calibration");
	assay__json_array(&json);
	for (int i = 0; i < report->parts_used; i++)
		assay__json_double(&json, info->calibration_q8[i] / 256.0);
	assay__json_array_end(&json);
	assay__labels_json(&json, &report->labels);
	assay__write_suspects(&json, info, NULL);
	assay__lineage_json(&json, info);
	assay__field_hex(&json, "content_hash", info->content_hash, sizeof(info->content_hash));
	assay__field_int(&json, "workspace_bytes", (int64_t)info->workspace_bytes);
	assay__field_text(&json, "kernels", facts->kernels);
	assay__field_double(&json, "inspect_ms_p50", facts->inspect_ms);
	assay__json_object_end(&json);
	status = assay__fields_print(&json);
	assay__json_close(&json);
	return status;
}

static int tell(const struct settings *settings, const struct assay__setup *setup, const char *path)
{
	enum assay_isa isa = setup->env.isa == ASSAY_ISA_BEST ? assay_isa_best() : setup->env.isa;
	struct facts facts = {.path = path, .kernels = assay_isa_name(isa)};
	struct assay_recipe *recipe;
	struct assay_error error;
	int status = assay__recipe_use(setup, path, &recipe);

	if (status)
		return status;
	assay_recipe_get_info(recipe, &facts.recipe);
	if (measure(recipe, &facts, &error)) {
		status = assay__say_error(&error);
	} else if (settings->json) {
		status = print_json(&facts);
	} else {
		print_text(&facts);
	}
	assay_recipe_close(recipe);
	return status;
}

int assay__cmd_info(int argc, char **argv)
{
	struct settings settings = {0};
	struct assay__setup setup;
	int count, status = assay__command_parse(&command, argc, argv, &settings, &count);

	if (status >= 0)
		return status;
	/* one thread: the time told is that of one */
	status = assay__setup_open(&setup, 1);
	if (status)
		return status;
	status = tell(&settings, &setup, argv[1]);
	assay__setup_close(&setup);
	return assay__finish_output(status);
}
