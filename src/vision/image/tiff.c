/* SPDX-License-Identifier: Apache-2.0 */
/* TIFF through libtiff, from memory: the first picture of a file, losslessly stored grey, RGB or palette. */
#include <stdio.h>
#include <string.h>

#include <tiffio.h>

#include "base/err.h"
#include "vision/image/codec.h"

#define LIBRARY_MAX_BYTES ((tmsize_t)1 << 30)
#define TILE_MAX_BYTES ((tmsize_t)256 << 20)
#define TILE_MAX_PX 65536
#define SAMPLES_MAX 8

struct reader {
	const uint8_t *bytes;
	size_t size;
	uint64_t at;
	char said[200]; /* libtiff's first complaint */
	TIFF *tiff;
	uint32_t width, height, tile_width, tile_height;
	uint16_t bits, samples, photometric, planar;
	uint16_t *palette[3];
	bool wide_palette;
	uint8_t *block; /* a row or a tile as stored */
	struct assay_image image;
};

static tmsize_t on_read(thandle_t handle, void *to, tmsize_t size)
{
	struct reader *r = handle;
	size_t n = size < 0 ? 0 : (size_t)size, left = r->at < r->size ? r->size - (size_t)r->at : 0;

	if (n > left)
		n = left;
	if (n)
		memcpy(to, r->bytes + r->at, n);
	r->at += n;
	return (tmsize_t)n;
}

static tmsize_t on_write(thandle_t handle, void *from, tmsize_t size)
{
	(void)handle;
	(void)from;
	(void)size;
	return -1;
}

static toff_t on_seek(thandle_t handle, toff_t offset, int whence)
{
	struct reader *r = handle;

	/* offsets are unsigned; a wrap shows as a place behind the end, from where nothing is read */
	r->at = whence == SEEK_SET ? offset : whence == SEEK_CUR ? r->at + offset : r->size + offset;
	return r->at;
}

static int on_close(thandle_t handle)
{
	(void)handle;
	return 0;
}

static toff_t on_size(thandle_t handle)
{
	return ((struct reader *)handle)->size;
}

static int on_error(TIFF *tiff, void *user, const char *module, const char *format, va_list list)
{
	struct reader *r = user;

	(void)tiff;
	(void)module;
	if (!r->said[0])
		vsnprintf(r->said, sizeof(r->said), format, list);
	return 1;
}

static int on_warning(TIFF *tiff, void *user, const char *module, const char *format, va_list list)
{
	(void)tiff;
	(void)user;
	(void)module;
	(void)format;
	(void)list;
	return 1;
}

static int damaged(const struct reader *r, const char *what, struct assay_error *error)
{
	size_t length = strlen(r->said);

	/* libtiff ends some sentences with a full stop */
	if (length && r->said[length - 1] == '.')
		length--;
	return assay__fail(error, ASSAY_E_FORMAT, -1, "damaged or cut: %s%s%.*s", what, length ? ": " : "", (int)length,
					   r->said);
}

static int refuse(struct assay_error *error, const char *what)
{
	return assay__fail(error, ASSAY_E_UNSUPPORTED, -1, "%s", what);
}

static int check_compression(const struct reader *r, struct assay_error *error)
{
	uint16_t compression = COMPRESSION_NONE;

	TIFFGetFieldDefaulted(r->tiff, TIFFTAG_COMPRESSION, &compression);
	switch (compression) {
	case COMPRESSION_NONE:
	case COMPRESSION_CCITTRLE:
	case COMPRESSION_CCITTRLEW:
	case COMPRESSION_CCITTFAX3:
	case COMPRESSION_CCITTFAX4:
	case COMPRESSION_LZW:
	case COMPRESSION_PACKBITS:
	case COMPRESSION_DEFLATE:
	case COMPRESSION_ADOBE_DEFLATE:
	case COMPRESSION_ZSTD:
		break;
	case COMPRESSION_JPEG:
	case COMPRESSION_OJPEG:
		return refuse(error, "JPEG compression inside TIFF is not read; save it as LZW, Deflate or uncompressed");
	default:
		return assay__fail(error, ASSAY_E_UNSUPPORTED, -1,
						   "compression %u is not read; save it as LZW, Deflate or uncompressed", compression);
	}
	if (!TIFFIsCODECConfigured(compression))
		return assay__fail(error, ASSAY_E_UNSUPPORTED, -1, "compression %u is missing in this system's libtiff",
						   compression);
	return ASSAY_OK;
}

static int check_colours(struct reader *r, struct assay_error *error)
{
	int need = 1;

	switch (r->photometric) {
	case PHOTOMETRIC_MINISWHITE:
	case PHOTOMETRIC_MINISBLACK:
		break;
	case PHOTOMETRIC_RGB:
		need = 3;
		break;
	case PHOTOMETRIC_PALETTE:
		if (r->bits > 8)
			return refuse(error, "a palette of more than 256 colours is not read");
		if (!TIFFGetField(r->tiff, TIFFTAG_COLORMAP, &r->palette[0], &r->palette[1], &r->palette[2]))
			return damaged(r, "the palette is missing", error);
		break;
	case PHOTOMETRIC_SEPARATED:
		return refuse(error, "the colours are CMYK, for printing; save the picture as grey or RGB");
	case PHOTOMETRIC_YCBCR:
		return refuse(error, "YCbCr colours are not read; save the picture as grey or RGB");
	case PHOTOMETRIC_CIELAB:
	case PHOTOMETRIC_ICCLAB:
	case PHOTOMETRIC_ITULAB:
		return refuse(error, "L*a*b* colours are not read; save the picture as grey or RGB");
	case PHOTOMETRIC_CFA:
		return refuse(error, "a raw mosaic (CFA) is not read; save the picture as grey or RGB");
	default:
		return assay__fail(error, ASSAY_E_UNSUPPORTED, -1,
						   "colour kind %u (PhotometricInterpretation) is not read; save the picture as grey or RGB",
						   r->photometric);
	}
	if (r->samples < need)
		return assay__fail(error, ASSAY_E_FORMAT, -1, "damaged: %u samples a pixel, expected at least %d", r->samples,
						   need);
	if (r->samples > SAMPLES_MAX)
		return assay__fail(error, ASSAY_E_UNSUPPORTED, -1, "it has %u samples a pixel, at most %d are read", r->samples,
						   SAMPLES_MAX);
	return ASSAY_OK;
}

static int check_samples(const struct reader *r, struct assay_error *error)
{
	uint16_t format = SAMPLEFORMAT_UINT;

	TIFFGetFieldDefaulted(r->tiff, TIFFTAG_SAMPLEFORMAT, &format);
	switch (format) {
	case SAMPLEFORMAT_UINT:
	case SAMPLEFORMAT_VOID:
		break;
	case SAMPLEFORMAT_INT:
		return refuse(error, "signed samples are not read; save the picture with 8 or 16 bits unsigned");
	case SAMPLEFORMAT_IEEEFP:
		return refuse(error, "floating-point samples are not read; save the picture with 8 or 16 bits unsigned");
	default:
		return refuse(error, "complex samples are not read; save the picture with 8 or 16 bits unsigned");
	}
	switch (r->bits) {
	case 1:
	case 2:
	case 4:
	case 8:
	case 16:
		return ASSAY_OK;
	default:
		return assay__fail(error, ASSAY_E_UNSUPPORTED, -1,
						   "%u-bit samples are not read; save the picture with 8 or 16 bits", r->bits);
	}
}

/* TIFF 6.0, section 15; also keeps the number of tiles in bounds. */
static int check_tiles(struct reader *r, struct assay_error *error)
{
	if (!TIFFIsTiled(r->tiff))
		return ASSAY_OK;
	TIFFGetField(r->tiff, TIFFTAG_TILEWIDTH, &r->tile_width);
	TIFFGetField(r->tiff, TIFFTAG_TILELENGTH, &r->tile_height);
	if (!r->tile_width || r->tile_width % 16 || r->tile_width > TILE_MAX_PX || !r->tile_height || r->tile_height % 16 ||
		r->tile_height > TILE_MAX_PX)
		return assay__fail(error, ASSAY_E_FORMAT, -1, "damaged: tiles of %u x %u, expected multiples of 16 up to %d",
						   r->tile_width, r->tile_height, TILE_MAX_PX);
	return ASSAY_OK;
}

/* What is stored must fit in the file: pieces that lie over one another could unpack without end. */
static int check_pieces(const struct reader *r, struct assay_error *error)
{
	uint32_t n = TIFFIsTiled(r->tiff) ? TIFFNumberOfTiles(r->tiff) : TIFFNumberOfStrips(r->tiff), i;
	uint64_t sum = 0, bytes;

	for (i = 0; i < n; i++) {
		bytes = TIFFGetStrileByteCount(r->tiff, i);
		if (bytes > r->size || sum + bytes > r->size)
			return assay__fail(error, ASSAY_E_FORMAT, (int64_t)r->size,
							   "damaged or cut: its %u pieces take more than the %zu bytes of the file", n, r->size);
		sum += bytes;
	}
	return ASSAY_OK;
}

static int read_tags(struct reader *r, struct assay_error *error)
{
	int rc, i, c;

	if (!TIFFGetField(r->tiff, TIFFTAG_IMAGEWIDTH, &r->width) ||
		!TIFFGetField(r->tiff, TIFFTAG_IMAGELENGTH, &r->height))
		return damaged(r, "the size is missing", error);
	rc = assay__image_check_size(r->width, r->height, error);
	if (rc)
		return rc;
	if (!TIFFGetField(r->tiff, TIFFTAG_PHOTOMETRIC, &r->photometric))
		return damaged(r, "the colour kind (PhotometricInterpretation) is missing", error);
	TIFFGetFieldDefaulted(r->tiff, TIFFTAG_BITSPERSAMPLE, &r->bits);
	TIFFGetFieldDefaulted(r->tiff, TIFFTAG_SAMPLESPERPIXEL, &r->samples);
	TIFFGetFieldDefaulted(r->tiff, TIFFTAG_PLANARCONFIG, &r->planar);
	if ((rc = check_compression(r, error)) || (rc = check_colours(r, error)) || (rc = check_samples(r, error)) ||
		(rc = check_tiles(r, error)) || (rc = check_pieces(r, error)))
		return rc;
	/* some writers put 8-bit colours into the 16-bit palette */
	for (i = 0; r->palette[0] && i < 1 << r->bits; i++)
		for (c = 0; c < 3; c++)
			r->wide_palette |= r->palette[c][i] > 255;
	return ASSAY_OK;
}

/*
 * Takes n pixels that lie in `from` with `step` samples each into row y from column x on. With step 1 and RGB, `from`
 * holds the samples of channel `plane` alone.
 */
static void put_pixels(struct reader *r, uint32_t x, uint32_t y, uint32_t n, const uint8_t *from, uint32_t step,
					   int plane)
{
	uint8_t *row = r->image.pixels + (size_t)y * r->image.stride_bytes;
	bool separate = r->planar == PLANARCONFIG_SEPARATE, invert = r->photometric == PHOTOMETRIC_MINISWHITE;
	int channels = r->image.channels, c;
	uint32_t max = r->bits < 8 ? (1u << r->bits) - 1 : 255, i, v;

	if (r->bits >= 8 && step == (uint32_t)channels && !invert && !r->palette[0]) {
		memcpy(row + (size_t)x * step * (r->bits / 8u), from, (size_t)n * step * (r->bits / 8u));
		return;
	}
	for (i = 0; i < n; i++) {
		size_t to = ((size_t)x + i) * (size_t)channels, in = (size_t)i * step;

		if (r->palette[0]) {
			v = assay__unpack(from, in, r->bits);
			for (c = 0; c < 3; c++)
				row[to + (size_t)c] = (uint8_t)(r->wide_palette ? r->palette[c][v] >> 8 : r->palette[c][v]);
			continue;
		}
		for (c = separate ? plane : 0; c < (separate ? plane + 1 : channels); c++) {
			size_t sample = in + (separate ? 0 : (size_t)c);

			if (r->bits == 16) {
				uint16_t wide;

				memcpy(&wide, from + sample * 2, 2);
				((uint16_t *)(void *)row)[to + (size_t)c] = invert ? (uint16_t)~wide : wide;
				continue;
			}
			/* 255 is a multiple of the largest sample, so this is exact */
			v = assay__unpack(from, sample, r->bits) * (255 / max);
			row[to + (size_t)c] = (uint8_t)(invert ? 255 - v : v);
		}
	}
}

static int read_strips(struct reader *r, int planes, uint32_t step, struct assay_error *error)
{
	char what[40];
	uint32_t y;
	int plane;

	for (plane = 0; plane < planes; plane++)
		for (y = 0; y < r->height; y++) {
			if (TIFFReadScanline(r->tiff, r->block, y, (uint16_t)plane) != 1 || r->said[0]) {
				snprintf(what, sizeof(what), "row %u", y);
				return damaged(r, what, error);
			}
			put_pixels(r, 0, y, r->width, r->block, step, plane);
		}
	return ASSAY_OK;
}

static int read_tiles(struct reader *r, int planes, uint32_t step, struct assay_error *error)
{
	size_t row_bytes = (size_t)TIFFTileRowSize(r->tiff);
	uint32_t x, y, i, n;
	char what[60];
	int plane;

	for (plane = 0; plane < planes; plane++)
		for (y = 0; y < r->height; y += r->tile_height)
			for (x = 0; x < r->width; x += r->tile_width) {
				if (TIFFReadTile(r->tiff, r->block, x, y, 0, (uint16_t)plane) < 0 || r->said[0]) {
					snprintf(what, sizeof(what), "the tile at (%u, %u)", x, y);
					return damaged(r, what, error);
				}
				n = r->tile_width < r->width - x ? r->tile_width : r->width - x;
				for (i = 0; i < r->tile_height && y + i < r->height; i++)
					put_pixels(r, x, y + i, n, r->block + i * row_bytes, step, plane);
			}
	return ASSAY_OK;
}

static int read_pixels(struct reader *r, const struct assay_allocator *allocator, struct assay_error *error)
{
	int channels = r->photometric == PHOTOMETRIC_RGB || r->photometric == PHOTOMETRIC_PALETTE ? 3 : 1;
	bool separate = r->planar == PLANARCONFIG_SEPARATE, tiled = TIFFIsTiled(r->tiff);
	/* extra samples (alpha) are read over */
	int planes = separate && r->photometric == PHOTOMETRIC_RGB ? 3 : 1, rc;
	uint32_t step = separate ? 1 : r->samples;
	uint64_t need = ((uint64_t)r->width * step * r->bits + 7) / 8;
	tmsize_t block_bytes;

	if (tiled) {
		need = ((uint64_t)r->tile_width * step * r->bits + 7) / 8 * r->tile_height;
		block_bytes = TIFFTileSize(r->tiff);
	} else {
		block_bytes = TIFFScanlineSize(r->tiff);
	}
	if (need > (uint64_t)TILE_MAX_BYTES || block_bytes > TILE_MAX_BYTES)
		return assay__fail(error, ASSAY_E_LIMIT, -1, "a tile takes %llu bytes, at most %lld are read",
						   (unsigned long long)need, (long long)TILE_MAX_BYTES);
	if (block_bytes <= 0 || (uint64_t)block_bytes < need)
		return damaged(r, "the size of a row or tile", error);
	r->block = assay__calloc(allocator, (size_t)block_bytes, 1);
	if (!r->block)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");
	rc = assay__image_new(r->width, r->height, channels, r->bits == 16 ? 16 : 8, allocator, &r->image, error);
	if (rc)
		return rc;
	return tiled ? read_tiles(r, planes, step, error) : read_strips(r, planes, step, error);
}

static int read_tiff(struct reader *r, const struct assay_allocator *allocator, int *orientation,
					 struct assay_error *error)
{
	TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
	uint16_t tag = 1;
	int rc;

	if (!options)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");
	TIFFOpenOptionsSetMaxSingleMemAlloc(options, LIBRARY_MAX_BYTES);
	TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, r);
	TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, r);
	r->tiff = TIFFClientOpenExt("", "rm", r, on_read, on_write, on_seek, on_close, on_size, NULL, NULL, options);
	TIFFOpenOptionsFree(options);
	if (!r->tiff)
		return damaged(r, "the directory", error);
	/* a complaint about a tag that is not used does not hurt */
	r->said[0] = '\0';
	rc = read_tags(r, error);
	if (!rc)
		rc = read_pixels(r, allocator, error);
	TIFFGetFieldDefaulted(r->tiff, TIFFTAG_ORIENTATION, &tag);
	TIFFClose(r->tiff);
	if (!rc)
		*orientation = tag >= 1 && tag <= 8 ? tag : 1;
	return rc;
}

static int decode(const uint8_t *bytes, size_t size, const struct assay_allocator *allocator, struct assay_image *out,
				  int *orientation, struct assay_error *error)
{
	struct reader r = {.bytes = bytes, .size = size, .bits = 1, .samples = 1, .planar = PLANARCONFIG_CONTIG};
	int rc = read_tiff(&r, allocator, orientation, error);

	assay__free(allocator, r.block);
	if (rc)
		assay__free(allocator, r.image.pixels);
	else
		*out = r.image;
	return rc;
}

static bool probe(const uint8_t *bytes, size_t size)
{
	/* 42 for TIFF, 43 for BigTIFF */
	return size >= 4 && ((bytes[0] == 'I' && bytes[1] == 'I' && (bytes[2] == 42 || bytes[2] == 43) && bytes[3] == 0) ||
						 (bytes[0] == 'M' && bytes[1] == 'M' && bytes[2] == 0 && (bytes[3] == 42 || bytes[3] == 43)));
}

const struct assay__decoder assay__decoder_tiff = {
	.name = "TIFF",
	.probe = probe,
	.decode = decode,
};
