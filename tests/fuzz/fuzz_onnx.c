/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an ONNX model; one that is understood and small must become a network that opens. */
#include <stdlib.h>
#include <string.h>

#include "vision/import/import.h"

#define SIDE_PX 64
#define NODES_MAX 12
#define BYTES_MAX 16384

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int load(void *ctx, int index, const struct assay_allocator *allocator, struct assay_image *image,
				struct assay_error *error)
{
	int rc = assay_image_create(SIDE_PX, SIDE_PX, 3, 8, allocator, image, error);

	(void)ctx;
	for (size_t i = 0; !rc && i < image->stride_bytes * SIDE_PX; i++)
		image->pixels[i] = (uint8_t)(i * 7 + i / 192 * 13 + (unsigned)index);
	return rc;
}

static const char *name(void *ctx, int index)
{
	(void)ctx;
	(void)index;
	return "made up";
}

static void check(int rc, const struct assay_error *error)
{
	if (rc && (rc != (int)error->code || !error->message[0]))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const taps[] = {"s8"};
	const struct assay_parts pictures = {.count = 1, .load = load, .name = name};
	struct assay__import_options options = {.name = "fuzz",
											.taps = taps,
											.tap_count = (int)(size % 2),
											.white = 1,
											.std = {1, 1, 1},
											.working_px = SIDE_PX,
											.pictures = 1};
	struct assay__import_report report;
	struct assay_error error = {0};
	struct assay__net *net;
	uint8_t *bytes;
	size_t net_bytes;
	int rc = assay__import_check(data, size, &options, NULL, &report, &error);

	check(rc, &error);
	if (rc || report.nodes > NODES_MAX || size > BYTES_MAX)
		return 0;
	rc = assay__import(data, size, &options, &pictures, NULL, NULL, &bytes, &net_bytes, &report, &error);
	check(rc, &error);
	if (rc)
		return 0;
	if (assay__net_open(bytes, net_bytes, ASSAY_ISA_SCALAR, NULL, &net, &error))
		abort();
	assay__net_close(net);
	free(bytes);
	return 0;
}
