/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures: decoding, encoding, identity. */
#ifndef ASSAY_IMAGE_H
#define ASSAY_IMAGE_H

#include "base.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ASSAY_IMAGE_MAX_SIDE_PX 65500
#define ASSAY_IMAGE_MAX_PIXELS (120 * 1000 * 1000)
#define ASSAY_HASH_BYTES 32

/** A picture in memory, top row first, RGB interleaved. 16-bit samples are uint16_t in machine order. */
struct assay_image {
	int width_px, height_px;
	int channels;		 /**< 1 grey, 3 RGB */
	int depth_bits;		 /**< 8 or 16 */
	size_t stride_bytes; /**< from one row to the next, at least width * channels * depth / 8 */
	uint8_t *pixels;
};

/**
 * Reads a picture file: JPEG, PNG, BMP, TIFF, PGM or PPM, told apart by content and never by name.
 * Grey stays grey, palettes become RGB, alpha is dropped, EXIF orientation is applied, CMYK is refused.
 * 16-bit samples are kept. On success *out owns pixels from `allocator`; free with assay_image_free.
 * On failure *out is untouched and `error` (nullable) names the file, what was found and the byte offset where known.
 * Errors: IO, NOMEM, FORMAT (damaged, truncated, empty, not a picture), UNSUPPORTED, LIMIT. Thread safe.
 */
int assay_image_load(const char *path, const struct assay_allocator *allocator, struct assay_image *out,
					 struct assay_error *error);

/** As assay_image_load from `size` bytes in memory, which stay the caller's. Errors as there, less IO. */
int assay_image_decode(const void *bytes, size_t size, const struct assay_allocator *allocator, struct assay_image *out,
					   struct assay_error *error);

/** A blank (zeroed) picture; stride is tight. channels 1 or 3, depth 8 or 16. Errors: ARGUMENT, LIMIT, NOMEM. */
int assay_image_create(int width_px, int height_px, int channels, int depth_bits,
					   const struct assay_allocator *allocator, struct assay_image *out, struct assay_error *error);

/** Gives the pixels back to the allocator they came from and zeroes *image. NULL pixels are fine. */
void assay_image_free(struct assay_image *image, const struct assay_allocator *allocator);

/** PNG bytes of a picture, lossless, 8 or 16 bit. *bytes is the caller's, from `allocator`. Deterministic. Errors: NOMEM. */
int assay_image_encode_png(const struct assay_image *image, const struct assay_allocator *allocator, uint8_t **bytes,
						   size_t *size, struct assay_error *error);

/** Writes a PNG beside the target and renames it there, so that no half file is left. Errors: NOMEM, IO. */
int assay_image_save_png(const char *path, const struct assay_image *image, struct assay_error *error);

/** JPEG bytes (quality 1..100) of an 8-bit picture, for reports. *bytes is the caller's, from `allocator`. Errors: NOMEM, ARGUMENT. */
int assay_image_encode_jpeg(const struct assay_image *image, int quality, const struct assay_allocator *allocator,
							uint8_t **bytes, size_t *size, struct assay_error *error);

/** BLAKE2b-256 over width, height, channels, depth (u32 little endian) and the rows without padding (16-bit little endian). */
void assay_image_hash(const struct assay_image *image, uint8_t hash[ASSAY_HASH_BYTES]);

#ifdef __cplusplus
}
#endif
#endif
