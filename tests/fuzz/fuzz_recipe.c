/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a recipe file; one that opens must judge a part. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "assay/recipe.h"
#include "tiny_net.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct assay_env env;
static char path[64];

static void drop_file(void)
{
	unlink(path);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	/* memory where there is some: the file is written anew for every input */
	snprintf(path, sizeof(path), "%s/assay-fuzz-%ld.assay", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm",
			 (long)getpid());
	atexit(drop_file);
	env.network = tiny_net(&env.network_size_bytes);
	(void)argc;
	(void)argv;
	return 0;
}

static void inspect(const struct assay_recipe *recipe)
{
	struct assay_recipe_info info;
	struct assay_worker *worker;
	struct assay_result result;
	struct assay_image image;

	assay_recipe_get_info(recipe, &info);
	if ((int64_t)info.image_width_px * info.image_height_px > 1 << 20 || info.workspace_bytes > (size_t)256 << 20)
		return;
	if (assay_image_create(info.image_width_px, info.image_height_px, info.image_channels, info.image_depth_bits, NULL,
						   &image, NULL))
		return;
	if (assay_worker_open(recipe, &worker, NULL) == ASSAY_OK) {
		assay_inspect(worker, &image, &result, NULL);
		assay_worker_close(worker);
	}
	assay_image_free(&image, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct assay_error error = {0};
	struct assay_recipe *recipe;
	FILE *file = fopen(path, "wb");
	int rc;

	if (!file || fwrite(data, 1, size, file) != size || fclose(file))
		abort();
	rc = assay_recipe_open(&env, path, &recipe, &error);
	if (rc) {
		if (rc != (int)error.code || !error.message[0])
			abort();
		return 0;
	}
	inspect(recipe);
	assay_recipe_close(recipe);
	return 0;
}
