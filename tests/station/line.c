/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of the virtual line for the station's tests: line FOLDER FIRST COUNT WIDTH HEIGHT DEFECTS(percent). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "station/source/virtual_line.h"

int main(int argc, char **argv)
{
	struct assay__virtual_options options = {.seed = 1};
	struct assay__virtual_line *line;
	struct assay_error error = {.message = ""};
	struct assay_image image;
	char path[4096];
	int rc;

	if (argc != 7) {
		fprintf(stderr, "usage: line FOLDER FIRST COUNT WIDTH HEIGHT DEFECTS\n");
		return 64;
	}
	options.width_px = atoi(argv[4]);
	options.height_px = atoi(argv[5]);
	options.defect_rate = atof(argv[6]) / 100;
	rc = assay__virtual_open(&options, NULL, &line, &error);
	if (!rc)
		rc = assay_image_create(options.width_px, options.height_px, 1, 8, NULL, &image, &error);
	for (int i = 0; i < atoi(argv[3]) && !rc; i++) {
		rc = assay__virtual_render(line, (uint64_t)(atoi(argv[2]) + i), NULL, &image, NULL, NULL, &error);
		snprintf(path, sizeof(path), "%s/%04d.png", argv[1], i);
		if (!rc)
			rc = assay_image_save_png(path, &image, &error);
	}
	if (rc) {
		fprintf(stderr, "line: %s\n", error.message);
		return 1;
	}
	assay_image_free(&image, NULL);
	assay__virtual_close(line);
	return 0;
}
