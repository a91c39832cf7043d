/* SPDX-License-Identifier: Apache-2.0 */
/* libassay inside somebody else's program: teach from pictures in memory, judge two more. */
#include <assay/assay.h>

#include <stdio.h>
#include <stdlib.h>

enum { SIDE = 128, GOODS = 24 };

/* A brushed plate with a hole; `part` moves it a little. Filled from the camera in a real program. */
static int plate(int part, int scratched, struct assay_image *image, struct assay_error *error)
{
	int failed = assay_image_create(SIDE, SIDE, 1, 8, NULL, image, error);
	if (failed)
		return failed;
	unsigned noise = 12345u + 77u * (unsigned)part;
	for (int y = 0; y < SIDE; y++)
		for (int x = 0; x < SIDE; x++) {
			int dx = x - 64 - part % 3, dy = y - 64 - part % 2;
			noise = noise * 1664525u + 1013904223u;
			int grey = dx * dx + dy * dy < 400 ? 40 : 150 + (y * 7 % 11) + (int)(noise >> 29);
			if (scratched && abs(x - y - 30) < 3)
				grey = 240;
			image->pixels[(size_t)y * image->stride_bytes + (size_t)x] = (uint8_t)grey;
		}
	return 0;
}

static int load(void *ctx, int index, const struct assay_allocator *allocator, struct assay_image *image,
				struct assay_error *error)
{
	(void)ctx;
	(void)allocator;
	return plate(index, 0, image, error);
}

static const char *name(void *ctx, int index)
{
	static char text[16];
	(void)ctx;
	snprintf(text, sizeof(text), "plate %d", index);
	return text;
}

static enum assay_verdict judge(struct assay_worker *worker, int part, int scratched)
{
	struct assay_image image;
	struct assay_result result;
	if (plate(part, scratched, &image, NULL))
		return ASSAY_FAULT;
	assay_inspect(worker, &image, &result, NULL);
	assay_image_free(&image, NULL);
	printf("%s: score %.2f, threshold %.2f, %d places\n", assay_verdict_name(result.verdict), result.score_q8 / 256.0,
		   result.threshold_q8 / 256.0, result.region_count);
	return result.verdict;
}

int main(void)
{
	struct assay_teach_options options = {0};
	struct assay_parts parts = {GOODS, load, name, NULL};
	struct assay_recipe *recipe;
	struct assay_worker *worker;
	struct assay_error error;
	options.working_px = SIDE;
	options.bank_size = 200;
	options.overkill = 0.05;
	if (assay_teach(NULL, &options, &parts, NULL, NULL, &recipe, NULL, &error) ||
		assay_worker_open(recipe, &worker, &error)) {
		fprintf(stderr, "%s\n", error.message);
		return 1;
	}
	int wrong = judge(worker, 100, 0) != ASSAY_PASS || judge(worker, 101, 1) != ASSAY_FAIL;
	assay_worker_close(worker);
	assay_recipe_close(recipe);
	return wrong;
}
