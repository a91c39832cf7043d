/* SPDX-License-Identifier: Apache-2.0 */
/* Windows and OS/2 bitmaps (BITMAPCOREHEADER up to BITMAPV5HEADER). Own reader. */
#include <string.h>

#include "base/err.h"
#include "vision/image/codec.h"

#define FILE_HEADER_BYTES 14
#define OS2_V1_BYTES 12
#define OS2_V2_BYTES 64

enum { RAW = 0, RLE8 = 1, RLE4 = 2, BITFIELDS = 3, JPEG = 4, PNG = 5, ALPHA_BITFIELDS = 6, CMYK = 11, CMYK_RLE4 = 13 };

struct reader {
	const uint8_t *bytes;
	size_t size;
	uint32_t pixels_at, header_bytes, bits, compression, colours;
	int64_t width, height;
	bool top_down;
	uint32_t masks[3];
	int shifts[3];
	uint32_t full[3]; /* largest value of a channel in its mask */
	uint8_t palette[256][3];
	uint32_t palette_size; /* 0: none */
	struct assay_image image;
};

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static uint32_t get32(const uint8_t *at)
{
	return get16(at) | get16(at + 2) << 16;
}

static int ended(const struct reader *r, struct assay_error *error)
{
	return assay__fail(error, ASSAY_E_FORMAT, (int64_t)r->size, "the file ends early, at byte %zu", r->size);
}

static int check_compression(const struct reader *r, struct assay_error *error)
{
	bool fits, os2 = r->header_bytes == OS2_V2_BYTES;

	switch (r->compression) {
	case RAW:
		fits = r->bits == 1 || r->bits == 4 || r->bits == 8 || r->bits == 16 || r->bits == 24 || r->bits == 32;
		break;
	case RLE8:
		fits = r->bits == 8;
		break;
	case RLE4:
		fits = r->bits == 4;
		break;
	case BITFIELDS:
	case ALPHA_BITFIELDS:
		if (os2)
			return assay__fail(error, ASSAY_E_UNSUPPORTED, 30, "it is compressed with Huffman coding (OS/2)");
		fits = r->bits == 16 || r->bits == 32;
		break;
	case JPEG:
		return assay__fail(error, ASSAY_E_UNSUPPORTED, 30, "it holds a %s",
						   os2 ? "24-bit run-length picture (OS/2)" : "JPEG picture");
	case PNG:
		return assay__fail(error, ASSAY_E_UNSUPPORTED, 30, "it holds a PNG picture");
	default:
		if (r->compression >= CMYK && r->compression <= CMYK_RLE4)
			return assay__fail(error, ASSAY_E_UNSUPPORTED, 30,
							   "the colours are CMYK, for printing; save the picture as grey or RGB");
		return assay__fail(error, ASSAY_E_FORMAT, 30, "found compression %u at byte 30, expected 0..6", r->compression);
	}
	if (!fits)
		return assay__fail(error, ASSAY_E_FORMAT, 28,
						   "found %u bits a pixel at byte 28, which compression %u does not allow", r->bits,
						   r->compression);
	if (r->top_down && (r->compression == RLE8 || r->compression == RLE4))
		return assay__fail(error, ASSAY_E_FORMAT, 22, "a run-length picture cannot be stored top row first");
	return ASSAY_OK;
}

static int read_header(struct reader *r, struct assay_error *error)
{
	const uint8_t *b = r->bytes;
	uint32_t planes;

	if (r->size < FILE_HEADER_BYTES + OS2_V1_BYTES)
		return ended(r, error);
	r->pixels_at = get32(b + 10);
	r->header_bytes = get32(b + 14);
	if (r->header_bytes == OS2_V1_BYTES) {
		r->width = get16(b + 18);
		r->height = get16(b + 20);
		planes = get16(b + 22);
		r->bits = get16(b + 24);
	} else {
		if (r->size < FILE_HEADER_BYTES + (size_t)r->header_bytes)
			return ended(r, error);
		r->width = (int32_t)get32(b + 18);
		r->height = (int32_t)get32(b + 22);
		r->top_down = r->height < 0;
		if (r->top_down)
			r->height = -r->height;
		planes = get16(b + 26);
		r->bits = get16(b + 28);
		r->compression = get32(b + 30);
		r->colours = get32(b + 46);
	}
	if (planes != 1)
		return assay__fail(error, ASSAY_E_FORMAT, r->header_bytes == OS2_V1_BYTES ? 22 : 26,
						   "found %u planes, expected 1", planes);
	return check_compression(r, error);
}

static int set_masks(struct reader *r, struct assay_error *error)
{
	int c;

	for (c = 0; c < 3; c++) {
		uint32_t mask = r->masks[c], low = mask & (~mask + 1), rest = low ? mask / low : 0;

		/* one run of bits, inside the pixel, apart from the others */
		if (!mask || (rest & (rest + 1)) || (r->bits == 16 && mask > 0xffff) || rest > 0xffff ||
			(mask & r->masks[(c + 1) % 3]))
			return assay__fail(error, ASSAY_E_FORMAT, -1, "damaged: colour masks 0x%x, 0x%x, 0x%x", r->masks[0],
							   r->masks[1], r->masks[2]);
		r->full[c] = rest;
		for (r->shifts[c] = 0; low > 1; low >>= 1)
			r->shifts[c]++;
	}
	return ASSAY_OK;
}

static int read_masks(struct reader *r, size_t *at, struct assay_error *error)
{
	int c;

	if (r->compression == RAW) {
		for (c = 0; c < 3; c++)
			r->masks[c] = r->bits == 16 ? 0x7c00u >> 5 * c : 0xff0000u >> 8 * c;
		return set_masks(r, error);
	}
	/* inside the larger headers, behind the smallest one */
	if (r->size < FILE_HEADER_BYTES + 40 + 12)
		return ended(r, error);
	for (c = 0; c < 3; c++)
		r->masks[c] = get32(r->bytes + FILE_HEADER_BYTES + 40 + 4 * c);
	if (r->header_bytes < 52)
		*at += r->compression == ALPHA_BITFIELDS ? 16 : 12;
	return set_masks(r, error);
}

static int read_palette(struct reader *r, size_t at, struct assay_error *error)
{
	size_t entry = r->header_bytes == OS2_V1_BYTES ? 3 : 4;
	uint32_t most = 1u << r->bits, i;

	r->palette_size = r->colours && r->colours < most ? r->colours : most;
	/* old OS/2 writers leave the palette short and say so only by where the pixels begin */
	if (r->header_bytes == OS2_V1_BYTES && r->pixels_at > at && r->pixels_at - at < r->palette_size * entry)
		r->palette_size = (uint32_t)((r->pixels_at - at) / entry);
	if (at > r->size || r->palette_size * entry > r->size - at)
		return ended(r, error);
	for (i = 0; i < r->palette_size; i++) {
		const uint8_t *from = r->bytes + at + i * entry;

		r->palette[i][0] = from[2];
		r->palette[i][1] = from[1];
		r->palette[i][2] = from[0];
	}
	return ASSAY_OK;
}

static bool palette_is_grey(const struct reader *r)
{
	uint32_t i;

	for (i = 0; i < r->palette_size; i++)
		if (r->palette[i][0] != r->palette[i][1] || r->palette[i][0] != r->palette[i][2])
			return false;
	return true;
}

static int put_index(struct reader *r, int64_t x, int64_t line, uint32_t index, size_t at, struct assay_error *error)
{
	int64_t y = r->top_down ? line : r->height - 1 - line;
	uint8_t *to = r->image.pixels + (size_t)y * r->image.stride_bytes + (size_t)x * (size_t)r->image.channels;

	if (index >= r->palette_size)
		return assay__fail(error, ASSAY_E_FORMAT, (int64_t)at,
						   "damaged: pixel (%lld, %lld) has colour %u, the palette has %u (near byte %zu)",
						   (long long)x, (long long)y, index, r->palette_size, at);
	memcpy(to, r->palette[index], (size_t)r->image.channels);
	return ASSAY_OK;
}

static void put_colours(struct reader *r, int64_t line, const uint8_t *from)
{
	int64_t y = r->top_down ? line : r->height - 1 - line, x;
	uint8_t *row = r->image.pixels + (size_t)y * r->image.stride_bytes;
	int c;

	for (x = 0; x < r->width; x++) {
		uint32_t v = r->bits == 32 ? get32(from + x * 4) : r->bits == 16 ? get16(from + x * 2) : 0;

		for (c = 0; c < 3; c++) {
			size_t to = (size_t)x * 3 + (size_t)c;
			uint32_t sample = (v & r->masks[c]) >> r->shifts[c];

			if (r->bits == 24)
				row[to] = from[x * 3 + 2 - c];
			else if (r->image.depth_bits == 16)
				((uint16_t *)(void *)row)[to] = (uint16_t)assay__rescale(sample, r->full[c], 65535);
			else
				row[to] = (uint8_t)assay__rescale(sample, r->full[c], 255);
		}
	}
}

static int read_raw(struct reader *r, struct assay_error *error)
{
	uint64_t row_bytes = ((uint64_t)r->width * r->bits + 7) / 8, stride = (row_bytes + 3) / 4 * 4;
	int64_t line, x;
	int rc;

	for (line = 0; line < r->height; line++) {
		size_t at = r->pixels_at + (size_t)(stride * (uint64_t)line);

		if (r->bits > 8) {
			put_colours(r, line, r->bytes + at);
			continue;
		}
		for (x = 0; x < r->width; x++) {
			rc = put_index(r, x, line, assay__unpack(r->bytes + at, (size_t)x, (int)r->bits), at, error);
			if (rc)
				return rc;
		}
	}
	return ASSAY_OK;
}

/* Every pixel must be stored: a part is not judged on pixels that a jump or an early end left open. */
static int left_open(const struct reader *r, int64_t x, int64_t line, size_t at, struct assay_error *error)
{
	return assay__fail(error, ASSAY_E_FORMAT, (int64_t)at,
					   "row %lld is left after %lld of %lld pixels, the rest is undefined (at byte %zu)",
					   (long long)(r->height - 1 - line), (long long)x, (long long)r->width, at);
}

static int read_rle(struct reader *r, struct assay_error *error)
{
	const uint8_t *b = r->bytes;
	size_t at = r->pixels_at;
	int64_t x = 0, line = 0;
	uint32_t per_byte = r->bits == 4 ? 2 : 1, i, n, padded;
	bool literal;
	int rc;

	for (;;) {
		if (at > r->size || r->size - at < 2)
			return ended(r, error);
		n = b[at];
		literal = n == 0;
		if (literal) {
			n = b[at + 1];
			if (n == 2)
				return left_open(r, x, line, at, error);
			if (n < 2) {
				/* the end of a row or of the picture; writers may leave out the former before the latter */
				if (x != r->width && line < r->height)
					return left_open(r, x, line, at, error);
				line += line < r->height;
				x = 0;
				if (n == 0) {
					at += 2;
					continue;
				}
				return line == r->height ? ASSAY_OK : left_open(r, 0, line, at, error);
			}
		}
		padded = literal ? ((n + per_byte - 1) / per_byte + 1) / 2 * 2 : 0;
		if (r->size - at - 2 < padded)
			return ended(r, error);
		if (line >= r->height || n > r->width - x)
			return assay__fail(error, ASSAY_E_FORMAT, (int64_t)at, "damaged: a run at byte %zu leaves its row", at);
		for (i = 0; i < n; i++) {
			const uint8_t *from = literal ? b + at + 2 + i / per_byte : b + at + 1;

			rc = put_index(r, x++, line, per_byte == 1 ? *from : i % 2 ? *from & 15u : *from >> 4u, at, error);
			if (rc)
				return rc;
		}
		at += 2 + padded;
	}
}

/* The fewest bytes the pixels take: the last row's padding may be missing, and a run of two bytes gives 255 pixels. */
static uint64_t least_bytes(const struct reader *r)
{
	uint64_t row_bytes = ((uint64_t)r->width * r->bits + 7) / 8;

	if (r->compression == RLE8 || r->compression == RLE4)
		return (uint64_t)r->width * (uint64_t)r->height / 255 * 2;
	return (row_bytes + 3) / 4 * 4 * (uint64_t)(r->height - 1) + row_bytes;
}

static int read_bmp(struct reader *r, const struct assay_allocator *allocator, struct assay_error *error)
{
	size_t at;
	int channels = 3, depth = 8, rc = read_header(r, error);

	if (rc)
		return rc;
	rc = assay__image_check_size(r->width, r->height, error);
	if (rc)
		return rc;
	at = FILE_HEADER_BYTES + (size_t)r->header_bytes;
	if (r->bits <= 8) {
		rc = read_palette(r, at, error);
		channels = palette_is_grey(r) ? 1 : 3;
	} else if (r->bits != 24) {
		rc = read_masks(r, &at, error);
		depth = r->full[0] > 255 || r->full[1] > 255 || r->full[2] > 255 ? 16 : 8;
	}
	if (rc)
		return rc;
	if (r->pixels_at < at)
		return assay__fail(error, ASSAY_E_FORMAT, 10,
						   "the pixels begin at byte %u, inside the header (said at byte 10)", r->pixels_at);
	if (r->pixels_at > r->size || least_bytes(r) > r->size - r->pixels_at)
		return assay__fail(error, ASSAY_E_FORMAT, (int64_t)r->size,
						   "the file ends early, at byte %zu: %lld x %lld pixels take at least %llu", r->size,
						   (long long)r->width, (long long)r->height,
						   (unsigned long long)(r->pixels_at + least_bytes(r)));
	rc = assay__image_new(r->width, r->height, channels, depth, allocator, &r->image, error);
	if (rc)
		return rc;
	return r->compression == RLE8 || r->compression == RLE4 ? read_rle(r, error) : read_raw(r, error);
}

static int decode(const uint8_t *bytes, size_t size, const struct assay_allocator *allocator, struct assay_image *out,
				  int *orientation, struct assay_error *error)
{
	struct reader r = {.bytes = bytes, .size = size};
	int rc = read_bmp(&r, allocator, error);

	(void)orientation;
	if (rc)
		assay__free(allocator, r.image.pixels);
	else
		*out = r.image;
	return rc;
}

static bool probe(const uint8_t *bytes, size_t size)
{
	static const uint8_t headers[] = {OS2_V1_BYTES, 40, 52, 56, OS2_V2_BYTES, 108, 124};
	size_t i;

	if (size < 2 || bytes[0] != 'B' || bytes[1] != 'M')
		return false;
	if (size < FILE_HEADER_BYTES + 4)
		return true;
	for (i = 0; i < sizeof(headers); i++)
		if (get32(bytes + FILE_HEADER_BYTES) == headers[i])
			return true;
	return false;
}

const struct assay__decoder assay__decoder_bmp = {
	.name = "BMP",
	.probe = probe,
	.decode = decode,
};
