/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a network on raw pictures: RGB frames in, each tap's map out, for train/same_bits.py to compare. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vision/net/net.h"

static void *slurp(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes = NULL;
	*size = 0;
	for (size_t got = 1, room = 0; file && got;) {
		if (*size == room) {
			uint8_t *more = realloc(bytes, room = room ? 2 * room : 1 << 20);
			if (!more)
				break;
			bytes = more;
		}
		*size += got = fread(bytes + *size, 1, room - *size, file);
	}
	if (!file || ferror(file) || fclose(file) != 0) {
		free(bytes);
		bytes = NULL;
	}
	return bytes;
}

static int put_map(const struct assay__map *map)
{
	size_t channels = (size_t)map->channels;
	for (int y = 0; y < map->height; y++)
		for (int x = 0; x < map->width; x++)
			if (fwrite(map->data + (size_t)y * map->row_bytes + (size_t)x * map->pixel_bytes, 1, channels, stdout) !=
				channels)
				return -1;
	return 0;
}

int main(int argc, char **argv)
{
	char *end = NULL;
	long width = argc == 4 ? strtol(argv[2], &end, 10) : 0, height = argc == 4 && !*end ? strtol(argv[3], &end, 10) : 0;
	if (argc != 4 || *end || width < 1 || height < 1 || width > 8192 || height > 8192) {
		fprintf(stderr, "usage: taps FILE.net WIDTH HEIGHT < RGB > MAPS\nASSAY_ISA names the kernels, as for assay\n");
		return 64;
	}
	size_t size;
	void *bytes = slurp(argv[1], &size);
	if (!bytes) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
		return 66;
	}
	enum assay_isa isa = ASSAY_ISA_BEST;
	const char *wanted = getenv("ASSAY_ISA");
	struct assay_error error = {0};
	struct assay__net *net = NULL;
	struct assay__plan *plan = NULL;
	if ((wanted && assay_isa_from_name(wanted, &isa, &error)) ||
		assay__net_open(bytes, size, isa, NULL, &net, &error) ||
		assay__plan_open(net, (int)width, (int)height, NULL, &plan, &error)) {
		fprintf(stderr, "%s: %s\n", argv[1], error.message);
		return 65;
	}
	struct assay__net_info info;
	assay__net_get_info(net, &info);
	fprintf(stderr, "%s\n", assay_isa_name(info.isa));
	size_t row_bytes;
	uint8_t *row = malloc(3 * (size_t)width);
	struct assay__map maps[ASSAY__MAX_TAPS];
	for (int status = 0; row && !status;) {
		uint8_t *to = assay__plan_input(plan, &row_bytes);
		for (long y = 0; y < height; y++, to += row_bytes) {
			if (fread(row, 3, (size_t)width, stdin) != (size_t)width) {
				status = 1;
				break;
			}
			for (long x = 0; x < width; x++)
				memcpy(to + 4 * x, row + 3 * x, 3);
		}
		if (!status)
			assay__plan_run(plan, maps);
		for (int i = 0; i < info.tap_count && !status; i++)
			status = put_map(&maps[i]);
	}
	free(row);
	assay__plan_close(plan);
	assay__net_close(net);
	free(bytes);
	return fflush(stdout) ? 74 : 0;
}
