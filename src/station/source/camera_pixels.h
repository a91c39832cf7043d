/* SPDX-License-Identifier: Apache-2.0 */
/* From the bytes a GenICam camera sends to a picture. Pure; the same bits on every CPU. */
#ifndef ASSAY_SRC_STATION_CAMERA_PIXELS_H
#define ASSAY_SRC_STATION_CAMERA_PIXELS_H

#include <stdbool.h>

#include "assay/image.h"

enum assay__camera_packing {
	ASSAY__CAMERA_8,	  /**< a byte a sample */
	ASSAY__CAMERA_16,	  /**< two bytes a sample, little endian */
	ASSAY__CAMERA_LSB,	  /**< samples one after the other, least significant bit first: PFNC Mono10p, Mono12p */
	ASSAY__CAMERA_PACKED, /**< two samples in three bytes: GigE Vision Mono10Packed, Mono12Packed */
};

/** How pixels of one PFNC pixel format lie in memory. */
struct assay__camera_layout {
	const char *name; /**< as GenICam calls it */
	uint32_t code;	  /**< of the Pixel Format Naming Convention (EMVA), 32 bit values */
	enum assay__camera_packing packing;
	int bits;		 /**< that count in every sample */
	int channels;	 /**< of the picture it becomes: 1 or 3 */
	int bayer;		 /**< enum assay__bayer, or -1 */
	bool blue_first; /**< of three channels */
};

/** NULL: a format that is not understood. */
const struct assay__camera_layout *assay__camera_layout_find(uint32_t code);

/** All names, separated by blanks, for messages and help. */
const char *assay__camera_layout_names(void);

/** Bytes that the camera sends for a picture, and that the picture takes. No overflow up to ASSAY_IMAGE_MAX_PIXELS. */
size_t assay__camera_sent_bytes(const struct assay__camera_layout *layout, int width_px, int height_px);
size_t assay__camera_picture_bytes(const struct assay__camera_layout *layout, int width_px, int height_px);

/**
 * Fills *image, its pixels being `pixels` (assay__camera_picture_bytes, the caller's), rows tight. Samples of 10 to 14 bits are
 * shifted up so that white is 65535 less what the shift leaves free. `scratch`: width * height samples, for mosaics of more than 8 bits;
 * else nullable. Allocates nothing; thread safe. Errors: FORMAT (too few bytes), LIMIT (size), UNSUPPORTED (packed rows that do not
 * end at a byte).
 */
int assay__camera_picture(const struct assay__camera_layout *layout, const void *bytes, size_t size_bytes, int width_px,
						  int height_px, uint16_t *scratch, uint8_t *pixels, struct assay_image *image,
						  struct assay_error *error);

#endif
