/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a network; one that opens must run. */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "vision/net/net.h"

#define CHECKSUM_BYTES 32
#define SIDE_PX 32
#define MACS_MAX 50000000 /* what is still quick under the sanitizers */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile unsigned sink; /* so that the reads stay */

static void run(const struct assay__net *net, int side_px)
{
	struct assay__map maps[ASSAY__MAX_TAPS];
	struct assay__net_info info;
	struct assay__plan *plan;
	unsigned sum = 0;
	size_t row_bytes;
	uint8_t *input;
	int i, y;

	if (assay__net_macs(net, side_px, side_px) > MACS_MAX || assay__plan_open(net, side_px, side_px, NULL, &plan, NULL))
		return;
	assay__net_get_info(net, &info);
	input = assay__plan_input(plan, &row_bytes);
	for (y = 0; y < side_px; y++)
		for (i = 0; i < side_px * 4; i++)
			input[(size_t)y * row_bytes + (size_t)i] = (uint8_t)(i * 7 + y * 13);
	assay__plan_run(plan, maps);
	for (i = 0; i < info.tap_count; i++)
		for (y = 0; y < maps[i].height; y++)
			sum += maps[i].data[(size_t)y * maps[i].row_bytes + (size_t)(maps[i].width - 1) * maps[i].pixel_bytes +
								(size_t)maps[i].channels - 1];
	assay__plan_close(plan);
	sink = sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum assay_isa isa = size % 2 ? ASSAY_ISA_SCALAR : ASSAY_ISA_BEST;
	struct assay_error error = {0};
	struct assay__net_info info;
	struct assay__net *net;
	uint8_t *copy = malloc(size + 1);
	int rc;

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	/* a right checksum, or nothing behind it would ever be reached */
	if (size > CHECKSUM_BYTES)
		crypto_generichash(copy + size - CHECKSUM_BYTES, CHECKSUM_BYTES, copy, size - CHECKSUM_BYTES, NULL, 0);
	rc = assay__net_open(copy, size, isa, NULL, &net, &error);
	free(copy);
	if (rc) {
		if (rc != (int)error.code || !error.message[0])
			abort();
		return 0;
	}
	assay__net_get_info(net, &info);
	if (info.align <= SIDE_PX)
		run(net, SIDE_PX / info.align * info.align);
	assay__net_close(net);
	return 0;
}
