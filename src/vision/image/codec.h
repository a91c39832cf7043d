/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the picture codecs share. A new format is one file ending in a struct assay__decoder, declared here, and one row
 * of the table in image.c.
 */
#ifndef ASSAY_SRC_VISION_IMAGE_CODEC_H
#define ASSAY_SRC_VISION_IMAGE_CODEC_H

#include <stdbool.h>

#include "assay/image.h"

/** One picture format. */
struct assay__decoder {
	const char *name;
	/** Whether the bytes begin like this format; cheap, and true for a damaged or cut file of it as far as can be told.
	 */
	bool (*probe)(const uint8_t *bytes, size_t size);
	/**
	 * As assay_image_decode, but leaves the picture as stored and says in *orientation (1..8, EXIF tag 274; preset to
	 * 1) how to turn it. The message does not name the format, the caller does.
	 */
	int (*decode)(const uint8_t *bytes, size_t size, const struct assay_allocator *allocator, struct assay_image *out,
				  int *orientation, struct assay_error *error);
};

extern const struct assay__decoder assay__decoder_jpeg;
extern const struct assay__decoder assay__decoder_png;
extern const struct assay__decoder assay__decoder_bmp;
extern const struct assay__decoder assay__decoder_tiff;
extern const struct assay__decoder assay__decoder_pnm;

/** Whether a picture of this size may be taken in. Errors: FORMAT (a side below 1), LIMIT. */
int assay__image_check_size(int64_t width_px, int64_t height_px, struct assay_error *error);

/** As assay_image_create, but the pixels are not set. */
int assay__image_new(int64_t width_px, int64_t height_px, int channels, int depth_bits,
					 const struct assay_allocator *allocator, struct assay_image *out, struct assay_error *error);

/** Whether every field of a caller's picture makes sense. Errors: ARGUMENT. */
int assay__image_check(const struct assay_image *image, struct assay_error *error);

/** Turns *image so that it is upright; orientation 1..8 as in EXIF tag 274. On failure *image is as before. Errors:
 * NOMEM. */
int assay__image_orient(struct assay_image *image, int orientation, const struct assay_allocator *allocator,
						struct assay_error *error);

/** Orientation 1..8 from an EXIF block (a TIFF header and its first directory); 1 if absent or damaged. Never fails. */
int assay__exif_orientation(const uint8_t *exif, size_t size);

/** Bytes that grow while an encoder writes. Zero all but the allocator to begin. */
struct assay__bytes {
	const struct assay_allocator *allocator;
	uint8_t *data;
	size_t size, capacity;
};

/** Room for `more` bytes after size; false if there is no memory, and then nothing changed. */
bool assay__bytes_reserve(struct assay__bytes *bytes, size_t more);

/** v of [0, from] scaled to [0, to], rounded to nearest with halves up; to at most 65535. */
static inline uint32_t assay__rescale(uint32_t v, uint32_t from, uint32_t to)
{
	return (uint32_t)(((uint64_t)v * to * 2 + from) / ((uint64_t)from * 2));
}

/** Sample `index` of a row packed with 1, 2, 4 or 8 bits a sample, the first in the high bits. */
static inline uint32_t assay__unpack(const uint8_t *row, size_t index, int bits)
{
	size_t at = index * (size_t)bits;

	return (uint32_t)(row[at / 8] >> (8 - bits - (int)(at % 8))) & ((1u << bits) - 1);
}

#endif
