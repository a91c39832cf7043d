/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a picture: an error with words, or a picture that keeps its promises. */
#include <stdlib.h>

#include "assay/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(int holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t hash[ASSAY_HASH_BYTES];
	struct assay_error error = {0};
	struct assay_image image;
	int rc = assay_image_decode(data, size, NULL, &image, &error);

	if (rc) {
		expect(rc == (int)error.code && error.message[0] != '\0' && rc != ASSAY_E_ARGUMENT && rc != ASSAY_E_IO);
		return 0;
	}
	expect(image.width_px >= 1 && image.width_px <= ASSAY_IMAGE_MAX_SIDE_PX);
	expect(image.height_px >= 1 && image.height_px <= ASSAY_IMAGE_MAX_SIDE_PX);
	expect((int64_t)image.width_px * image.height_px <= ASSAY_IMAGE_MAX_PIXELS);
	expect(image.channels == 1 || image.channels == 3);
	expect(image.depth_bits == 8 || image.depth_bits == 16);
	/* reads every pixel, if that is quick */
	if ((int64_t)image.width_px * image.height_px < 1 << 20)
		assay_image_hash(&image, hash);
	assay_image_free(&image, NULL);
	return 0;
}
