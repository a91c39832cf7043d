/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/demo.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/evaluate.h"
#include "cli/paths.h"
#include "vision/metrics.h"

/* One pass over some parts by all threads. */
struct pass {
	struct assay__demo *demo;
	const struct assay_recipe *recipe;
	struct assay__report *report;
	const struct assay__report *drawn;
	const char *stage;
	int total;
	struct assay_worker **workers;
	atomic_int done;
	atomic_bool stop;
	pthread_mutex_t lock; /* of all below */
	struct assay_error error;
	struct assay__pixel_metrics *pixels;
};

int assay__demo_open(struct assay__demo *demo, const struct assay__virtual_options *options, struct assay_error *error)
{
	int rc = assay__virtual_open(options, demo->setup->env.allocator, &demo->line, error);

	if (rc)
		return rc;
	demo->width_px = options->width_px ? options->width_px : 640;
	demo->height_px = options->height_px ? options->height_px : 480;
	demo->names = calloc((size_t)demo->good + 1, sizeof(*demo->names));
	if (!demo->names) {
		assay__virtual_close(demo->line);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for %d good parts", demo->good);
	}
	for (int i = 0; i < demo->good; i++)
		snprintf(demo->names[i], sizeof(demo->names[i]), "good part %d", i);
	return 0;
}

void assay__demo_close(struct assay__demo *demo)
{
	free(demo->names);
	assay__virtual_close(demo->line);
}

const char *assay__demo_name(void *ctx, int index)
{
	const struct assay__demo *demo = ctx;

	return demo->names[index];
}

int assay__demo_load(void *ctx, int index, const struct assay_allocator *allocator, struct assay_image *image,
					 struct assay_error *error)
{
	static const struct assay__virtual_wish good = {ASSAY__VIRTUAL_GOOD, -1};
	const struct assay__demo *demo = ctx;
	struct assay_image picture;
	int rc = assay_image_create(demo->width_px, demo->height_px, 1, 8, allocator, &picture, error);

	if (rc)
		return rc;
	rc = assay__virtual_render(demo->line, (uint64_t)index, &good, &picture, NULL, NULL, error);
	if (rc)
		assay_image_free(&picture, allocator);
	else
		*image = picture;
	return rc;
}

/* "0012.png", "0012_mask.png", "good-0012.jpg", "crack-0012_map.jpg": what a demo writes, and nothing else */
static bool is_ours(const char *name)
{
	static const char *const ends[] = {".png", "_mask.png", ".jpg", "_map.jpg", "_close.jpg"};
	const char *digits = name;

	for (int kind = 0; kind < ASSAY__VIRTUAL_KINDS; kind++) {
		const char *word = assay__virtual_kind_name((enum assay__virtual_kind)kind);
		size_t length = strlen(word);

		if (!strncmp(name, word, length) && name[length] == '-')
			digits = name + length + 1;
	}
	if (strspn(digits, "0123456789") < 4)
		return false;
	digits += strspn(digits, "0123456789");
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (!strcmp(digits, ends[i]))
			return true;
	return false;
}

static int empty_folder(const char *path, struct assay_error *error)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	int rc = 0;

	if (!folder && errno == ENOENT)
		return 0;
	if (!folder)
		return assay__fail(error, ASSAY_E_IO, -1, "%s: cannot read this folder: %s", path, strerror(errno));
	while (!rc && (entry = readdir(folder)))
		if (is_ours(entry->d_name) && unlinkat(dirfd(folder), entry->d_name, 0))
			rc = assay__fail(error, ASSAY_E_IO, -1, "%s/%s: cannot remove what an earlier demo left: %s", path,
							 entry->d_name, strerror(errno));
	closedir(folder);
	if (!rc)
		rmdir(path); /* stays if it holds something else */
	return rc;
}

static int no_memory(struct assay_error *error)
{
	return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory in the demo");
}

static int clear_folder(const struct assay__demo *demo, const char *name, struct assay_error *error)
{
	char *path = assay__path_join(demo->folder, name);
	int rc = path ? empty_folder(path, error) : no_memory(error);

	free(path);
	return rc;
}

int assay__demo_folders(const struct assay__demo *demo, struct assay_error *error)
{
	int rc = assay__folder_make(demo->folder, error);

	if (!rc)
		rc = clear_folder(demo, "report", error);
	if (!rc)
		rc = clear_folder(demo, "images/train/good", error);
	for (int kind = 0; !rc && kind < ASSAY__VIRTUAL_KINDS; kind++) {
		const char *word = assay__virtual_kind_name((enum assay__virtual_kind)kind);
		char name[64];

		snprintf(name, sizeof(name), "images/test/%s", word);
		rc = clear_folder(demo, name, error);
		snprintf(name, sizeof(name), "images/ground_truth/%s", word);
		if (!rc && kind)
			rc = clear_folder(demo, name, error);
	}
	return rc;
}

static int save_png(const struct assay__demo *demo, const char *format, const char *name,
					const struct assay_image *image, struct assay_error *error)
{
	char relative[96], *path;
	int rc;

	snprintf(relative, sizeof(relative), "images/%s/%s%s", format, name,
			 !strcmp(format, "ground_truth") ? "_mask.png" : ".png");
	path = assay__path_join(demo->folder, relative);
	rc = path ? assay__folder_make_for(path, error) : no_memory(error);
	if (!rc)
		rc = assay_image_save_png(path, image, error);
	free(path);
	return rc;
}

static int save_jpeg(const struct assay__demo *demo, const char *name, const char *suffix,
					 const struct assay_image *image, struct assay_error *error)
{
	char relative[96], *path;
	uint8_t *bytes = NULL;
	size_t size;
	FILE *out;
	int rc = assay_image_encode_jpeg(image, 88, NULL, &bytes, &size, error);

	if (rc)
		return rc;
	snprintf(relative, sizeof(relative), "report/%s%s.jpg", name, suffix);
	path = assay__path_join(demo->folder, relative);
	if (!path) {
		assay__free(NULL, bytes);
		return no_memory(error);
	}
	rc = assay__folder_make_for(path, error);
	out = rc ? NULL : fopen(path, "we");
	if (!rc) {
		bool bad = !out || fwrite(bytes, 1, size, out) != size;

		bad = (out && fclose(out)) || bad;
		if (bad)
			rc = assay__fail(error, ASSAY_E_IO, -1, "%s: cannot write this picture: %s", path, strerror(errno));
	}
	free(path);
	assay__free(NULL, bytes);
	return rc;
}

static void note_failure(struct pass *pass, const struct assay_error *error)
{
	pthread_mutex_lock(&pass->lock);
	if (!atomic_exchange(&pass->stop, true))
		pass->error = *error;
	pthread_mutex_unlock(&pass->lock);
}

/* Ends one part's task: notes its failure, or tells the progress from the calling thread, which is worker 0. */
static void finish_part(struct pass *pass, int worker, int rc, const struct assay_error *error)
{
	struct assay_progress *progress = &pass->demo->progress->progress;
	int done = atomic_fetch_add(&pass->done, 1) + 1;

	if (rc)
		note_failure(pass, error);
	else if (!worker)
		progress->report(progress->ctx, pass->stage, done, pass->total);
}

static int run_pass(struct pass *pass, void (*task)(void *, int, int), struct assay_error *error)
{
	const struct assay_runner *runner = pass->demo->setup->runner;

	pass->workers = calloc((size_t)runner->workers, sizeof(*pass->workers));
	if (!pass->workers)
		return no_memory(error);
	pthread_mutex_init(&pass->lock, NULL);
	runner->run(runner->ctx, pass->total, task, pass);
	pthread_mutex_destroy(&pass->lock);
	for (int i = 0; i < runner->workers; i++)
		assay_worker_close(pass->workers[i]);
	free(pass->workers);
	if (atomic_load(&pass->stop) && error)
		*error = pass->error;
	return atomic_load(&pass->stop) ? pass->error.code : 0;
}

static void save_good_part(void *arg, int index, int worker)
{
	struct pass *pass = arg;
	struct assay_image image;
	struct assay_error error;
	char name[16];
	int rc;

	if (atomic_load(&pass->stop))
		return;
	rc = assay__demo_load(pass->demo, index, NULL, &image, &error);
	if (!rc) {
		snprintf(name, sizeof(name), "%04d", index);
		rc = save_png(pass->demo, "train/good", name, &image, &error);
		assay_image_free(&image, NULL);
	}
	finish_part(pass, worker, rc, &error);
}

int assay__demo_save_good(struct assay__demo *demo, struct assay_error *error)
{
	struct pass pass = {.demo = demo, .stage = "rendering good parts", .total = demo->good};

	return run_pass(&pass, save_good_part, error);
}

/* every other part is defective, the kinds taking turns; how badly is up to the line */
static struct assay__virtual_wish wish_for(int i)
{
	return (struct assay__virtual_wish){
		i % 2 ? (enum assay__virtual_kind)(1 + i / 2 % (ASSAY__VIRTUAL_KINDS - 1)) : ASSAY__VIRTUAL_GOOD, -1};
}

static bool overlaps(const struct assay_rect_px *a, const struct assay_rect_px *b)
{
	return a->x < b->x + b->width && b->x < a->x + a->width && a->y < b->y + b->height && b->y < a->y + a->height;
}

static int add_pixels(struct pass *pass, const struct assay_result *result, const struct assay_image *mask, bool good,
					  struct assay_error *error)
{
	int width = mask->width_px, height = mask->height_px, rc;
	uint32_t *scores = assay__spread_map(result, width, height);

	if (!scores)
		return no_memory(error);
	pthread_mutex_lock(&pass->lock);
	rc = assay__pixel_metrics_add(pass->pixels, scores, good ? NULL : mask->pixels, width, height, error);
	pthread_mutex_unlock(&pass->lock);
	free(scores);
	return rc;
}

static int judge(struct pass *pass, int worker, const struct assay_image *image, struct assay_result *result,
				 struct assay_error *error)
{
	int rc = pass->workers[worker] ? 0 : assay_worker_open(pass->recipe, &pass->workers[worker], error);

	if (!rc)
		rc = assay_inspect(pass->workers[worker], image, result, error);
	if (!rc && result->verdict == ASSAY_FAULT) {
		*error = result->fault;
		rc = error->code;
	}
	return rc;
}

/* Renders part i, saves it, judges it, and notes what came of it. */
static int inspect_part(struct pass *pass, int i, int worker, struct assay_image *image, struct assay_image *mask,
						struct assay_error *error)
{
	struct assay__report_part *part = &pass->report->parts[i];
	struct assay__virtual_wish wish = wish_for(i);
	bool good = wish.kind == ASSAY__VIRTUAL_GOOD;
	struct assay_result result;
	int64_t start_us;
	int rc;

	part->index = (uint64_t)(pass->demo->good + i);
	snprintf(part->name, sizeof(part->name), "%s/%04d", assay__virtual_kind_name(wish.kind), i);
	rc = assay__virtual_render(pass->demo->line, part->index, &wish, image, mask, &part->truth, error);
	if (!rc)
		rc = save_png(pass->demo, "test", part->name, image, error);
	if (!rc && !good)
		rc = save_png(pass->demo, "ground_truth", part->name, mask, error);
	start_us = assay__clock_us();
	if (!rc)
		rc = judge(pass, worker, image, &result, error);
	if (rc)
		return rc;
	part->inspect_ms = (double)(assay__clock_us() - start_us) / 1e3;
	part->verdict = result.verdict;
	part->score_q8 = result.score_q8;
	for (int k = 0; k < result.region_count; k++)
		part->located |= overlaps(&result.regions[k].box, &part->truth.where);
	return add_pixels(pass, &result, mask, good, error);
}

static void inspect_task(void *arg, int index, int worker)
{
	struct pass *pass = arg;
	const struct assay__demo *demo = pass->demo;
	struct assay_image image = {0}, mask = {0};
	struct assay_error error;
	int rc;

	if (atomic_load(&pass->stop))
		return;
	rc = assay_image_create(demo->width_px, demo->height_px, 1, 8, NULL, &image, &error);
	if (!rc)
		rc = assay_image_create(demo->width_px, demo->height_px, 1, 8, NULL, &mask, &error);
	if (!rc)
		rc = inspect_part(pass, index, worker, &image, &mask, &error);
	assay_image_free(&image, NULL);
	assay_image_free(&mask, NULL);
	finish_part(pass, worker, rc, &error);
}

int assay__demo_inspect(struct assay__demo *demo, const struct assay_recipe *recipe, struct assay__report *report,
						struct assay_error *error)
{
	struct pass pass = {
		.demo = demo, .recipe = recipe, .report = report, .stage = "inspecting", .total = report->part_count};
	int rc = assay__pixel_metrics_open(NULL, &pass.pixels, error);

	if (rc)
		return rc;
	rc = run_pass(&pass, inspect_task, error);
	if (!rc)
		report->pixel_auroc = assay__pixel_auroc(pass.pixels);
	assay__pixel_metrics_close(pass.pixels);
	return rc;
}

static int at_least(int value, int least)
{
	return value < least ? least : value;
}

/* a view of the surroundings of a defect, in the picture's own shape */
static struct assay_image close_up(const struct assay_image *image, const struct assay_rect_px *where)
{
	int wide = at_least(at_least(where->width * 3 / 2, image->width_px / 4),
						where->height * 3 / 2 * image->width_px / image->height_px);
	struct assay_image view = *image;
	int x, y;

	view.width_px = wide > image->width_px ? image->width_px : wide;
	view.height_px = at_least((int)((int64_t)view.width_px * image->height_px / image->width_px), 1);
	x = at_least(where->x + (where->width - view.width_px) / 2, 0);
	y = at_least(where->y + (where->height - view.height_px) / 2, 0);
	x = x > image->width_px - view.width_px ? image->width_px - view.width_px : x;
	y = y > image->height_px - view.height_px ? image->height_px - view.height_px : y;
	view.pixels += (size_t)y * image->stride_bytes + (size_t)(x * image->channels);
	return view;
}

/* Renders and judges again, which gives the same bits, so that no picture had to be kept. */
static int draw_part(struct pass *pass, int i, int worker, struct assay_image *image, struct assay_error *error)
{
	const struct assay__report_part *part = &pass->drawn->parts[i];
	struct assay__virtual_wish wish = wish_for(i);
	struct assay_image map = {0};
	struct assay_result result;
	char file[32];
	int rc = assay__virtual_render(pass->demo->line, part->index, &wish, image, NULL, NULL, error);

	if (!rc)
		rc = judge(pass, worker, image, &result, error);
	if (!rc)
		rc = assay_heatmap(image, &result, NULL, &map, error);
	assay__report_file(part, file);
	if (!rc)
		rc = save_jpeg(pass->demo, file, "", image, error);
	if (!rc)
		rc = save_jpeg(pass->demo, file, "_map", &map, error);
	if (!rc && part->truth.area_px) {
		struct assay_image view = close_up(image, &part->truth.where);

		rc = save_jpeg(pass->demo, file, "_close", &view, error);
	}
	assay_image_free(&map, NULL);
	return rc;
}

static void draw_task(void *arg, int index, int worker)
{
	struct pass *pass = arg;
	struct assay_image image;
	struct assay_error error;
	int rc;

	if (atomic_load(&pass->stop) || !pass->drawn->parts[index].pictured)
		return;
	rc = assay_image_create(pass->demo->width_px, pass->demo->height_px, 1, 8, NULL, &image, &error);
	if (!rc) {
		rc = draw_part(pass, index, worker, &image, &error);
		assay_image_free(&image, NULL);
	}
	finish_part(pass, worker, rc, &error);
}

int assay__demo_draw(struct assay__demo *demo, const struct assay_recipe *recipe, const struct assay__report *report,
					 struct assay_error *error)
{
	struct pass pass = {
		.demo = demo, .recipe = recipe, .drawn = report, .stage = "drawing the report", .total = report->part_count};

	return run_pass(&pass, draw_task, error);
}
