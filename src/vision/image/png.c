/* SPDX-License-Identifier: Apache-2.0 */
/* PNG through libspng, all chunks checked (CRC), all samples taken as they are stored. */
#include <string.h>

#include <spng.h>

#include "base/err.h"
#include "vision/image/codec.h"

/* Text and colour profiles are read over; this bounds what one that unpacks without end may take. */
#define CHUNK_MAX_BYTES ((size_t)16 << 20)
#define CHUNKS_MAX_BYTES ((size_t)64 << 20)
/* deflate codes at most 258 bytes with 2 bits (RFC 1951, 3.2.5) */
#define DEFLATE_MAX_RATIO 1032
#define HEADER_BYTES 16

/* libspng's memory functions get no context, so the one of the call under way is kept here. */
static _Thread_local struct memory {
	const struct assay_allocator *allocator;
	bool refused;
} * memory;

static void *on_malloc(size_t size)
{
	uint8_t *block = size <= SIZE_MAX - HEADER_BYTES ? assay__alloc(memory->allocator, size + HEADER_BYTES) : NULL;

	if (!block) {
		memory->refused = true;
		return NULL;
	}
	memcpy(block, &size, sizeof(size));
	return block + HEADER_BYTES;
}

static void on_free(void *block)
{
	if (block)
		assay__free(memory->allocator, (uint8_t *)block - HEADER_BYTES);
}

static void *on_calloc(size_t count, size_t size)
{
	void *block;

	if (size && count > SIZE_MAX / size)
		return NULL;
	block = on_malloc(count * size);
	if (block)
		memset(block, 0, count * size);
	return block;
}

static void *on_realloc(void *block, size_t size)
{
	size_t had = 0;
	void *grown;

	if (block)
		memcpy(&had, (uint8_t *)block - HEADER_BYTES, sizeof(had));
	grown = on_malloc(size);
	if (grown && block) {
		memcpy(grown, block, had < size ? had : size);
		on_free(block);
	}
	return grown;
}

static struct spng_alloc functions = {
	.malloc_fn = on_malloc,
	.realloc_fn = on_realloc,
	.calloc_fn = on_calloc,
	.free_fn = on_free,
};

struct reader {
	const uint8_t *bytes;
	size_t size, at;
	struct spng_ihdr header;
	struct spng_plte palette;
	struct assay_image image;
	uint8_t *scanline;
	size_t scanline_bytes;
};

static int on_read(spng_ctx *spng, void *user, void *dest, size_t length)
{
	struct reader *r = user;

	(void)spng;
	if (length > r->size - r->at)
		return SPNG_IO_EOF;
	memcpy(dest, r->bytes + r->at, length);
	r->at += length;
	return 0;
}

static int failed(const struct reader *r, int code, struct assay_error *error)
{
	if (memory->refused)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");
	switch (code) {
	case SPNG_IO_EOF:
	case SPNG_EOF:
		return assay__fail(error, ASSAY_E_FORMAT, (int64_t)r->size, "the file ends early, at byte %zu", r->size);
	case SPNG_EMEM:
	case SPNG_ECHUNK_LIMITS:
		return assay__fail(error, ASSAY_E_LIMIT, (int64_t)r->at,
						   "its text or colour profile is too large (near byte %zu)", r->at);
	case SPNG_ECHUNK_CRC:
		return assay__fail(error, ASSAY_E_FORMAT, (int64_t)r->at,
						   "damaged: wrong checksum in the block before byte %zu", r->at);
	default:
		return assay__fail(error, ASSAY_E_FORMAT, (int64_t)r->at, "damaged: %s (near byte %zu)", spng_strerror(code),
						   r->at);
	}
}

static int samples_of(const struct spng_ihdr *header)
{
	switch (header->color_type) {
	case SPNG_COLOR_TYPE_TRUECOLOR:
		return 3;
	case SPNG_COLOR_TYPE_GRAYSCALE_ALPHA:
		return 2;
	case SPNG_COLOR_TYPE_TRUECOLOR_ALPHA:
		return 4;
	default:
		return 1;
	}
}

static int read_header(struct reader *r, spng_ctx *spng, struct assay_error *error)
{
	struct spng_ihdr *header = &r->header;
	uint64_t row_bits;
	int rc = spng_get_ihdr(spng, header);

	if (rc)
		return failed(r, rc, error);
	rc = assay__image_check_size(header->width, header->height, error);
	if (rc)
		return rc;
	row_bits = (uint64_t)header->width * (uint64_t)(samples_of(header) * header->bit_depth);
	if (header->height * ((row_bits + 7) / 8 + 1) / DEFLATE_MAX_RATIO > r->size)
		return assay__fail(error, ASSAY_E_FORMAT, -1, "it claims %u x %u pixels, which %zu bytes cannot hold",
						   header->width, header->height, r->size);
	if (header->color_type == SPNG_COLOR_TYPE_INDEXED) {
		rc = spng_get_plte(spng, &r->palette);
		if (rc)
			return rc == SPNG_ECHUNKAVAIL ? assay__fail(error, ASSAY_E_FORMAT, -1, "damaged: the palette is missing")
										  : failed(r, rc, error);
	}
	/* an interlaced pass is never wider than the picture */
	r->scanline_bytes = (size_t)((row_bits + 7) / 8);
	return ASSAY_OK;
}

/* Takes one scanline into row y: its i-th pixel is pixel x0 + i * step. */
static int put_scanline(struct reader *r, uint32_t y, uint32_t x0, uint32_t step, struct assay_error *error)
{
	uint8_t *row = r->image.pixels + (size_t)y * r->image.stride_bytes;
	const uint16_t *wide = (const uint16_t *)(const void *)r->scanline;
	int bits = r->header.bit_depth, samples = samples_of(&r->header), channels = r->image.channels, c;
	uint32_t max = (1u << (bits < 8 ? bits : 8)) - 1, x;
	size_t i = 0;

	if (step == 1 && bits >= 8 && samples == channels && r->header.color_type != SPNG_COLOR_TYPE_INDEXED) {
		memcpy(row, r->scanline, r->scanline_bytes);
		return ASSAY_OK;
	}
	for (x = x0; x < r->header.width; x += step, i++) {
		if (r->header.color_type == SPNG_COLOR_TYPE_INDEXED) {
			uint32_t index = assay__unpack(r->scanline, i, bits);
			const struct spng_plte_entry *entry = &r->palette.entries[index];

			if (index >= r->palette.n_entries)
				return assay__fail(error, ASSAY_E_FORMAT, -1,
								   "damaged: pixel (%u, %u) has colour %u, the palette has %u", x, y, index,
								   r->palette.n_entries);
			row[x * 3] = entry->red;
			row[x * 3 + 1] = entry->green;
			row[x * 3 + 2] = entry->blue;
		} else if (bits == 16) {
			for (c = 0; c < channels; c++)
				((uint16_t *)(void *)row)[x * (uint32_t)channels + (uint32_t)c] = wide[i * (size_t)samples + (size_t)c];
		} else {
			/* 1, 2 and 4 bit grey: 255 is a multiple of the largest sample, so this is exact */
			for (c = 0; c < channels; c++)
				row[x * (uint32_t)channels + (uint32_t)c] =
					(uint8_t)(assay__unpack(r->scanline, i * (size_t)samples + (size_t)c, bits) * (255 / max));
		}
	}
	return ASSAY_OK;
}

static int read_rows(struct reader *r, spng_ctx *spng, struct assay_error *error)
{
	/* Adam7 (PNG 8.2): where a pass begins in a row, and how far its pixels are apart */
	static const uint8_t first[7] = {0, 4, 0, 2, 0, 1, 0}, steps[7] = {8, 8, 4, 4, 2, 2, 1};
	struct spng_row_info info;
	int rc, end;

	do {
		rc = spng_get_row_info(spng, &info);
		if (rc)
			return failed(r, rc, error);
		end = spng_decode_scanline(spng, r->scanline, r->scanline_bytes);
		if (end && end != SPNG_EOI)
			return failed(r, end, error);
		if (info.row_num >= r->header.height || info.pass < 0 || info.pass > 6)
			return failed(r, SPNG_EINTERNAL, error);
		if (r->header.interlace_method)
			rc = put_scanline(r, info.row_num, first[info.pass], steps[info.pass], error);
		else
			rc = put_scanline(r, info.row_num, 0, 1, error);
		if (rc)
			return rc;
	} while (!end);
	return ASSAY_OK;
}

static int read_png(struct reader *r, spng_ctx *spng, const struct assay_allocator *allocator, int *orientation,
					struct assay_error *error)
{
	static const uint8_t last_chunk[12] = {0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82};
	struct spng_exif exif;
	int rc;

	if ((rc = spng_set_png_stream(spng, on_read, r)) ||
		(rc = spng_set_chunk_limits(spng, CHUNK_MAX_BYTES, CHUNKS_MAX_BYTES)) ||
		(rc = spng_set_crc_action(spng, SPNG_CRC_ERROR, SPNG_CRC_ERROR)))
		return failed(r, rc, error);
	rc = read_header(r, spng, error);
	if (rc)
		return rc;
	rc = spng_decode_image(spng, NULL, 0, SPNG_FMT_PNG, SPNG_DECODE_PROGRESSIVE);
	if (rc)
		return failed(r, rc, error);
	r->scanline = assay__alloc(allocator, r->scanline_bytes);
	if (!r->scanline)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");
	rc = assay__image_new(r->header.width, r->header.height, r->header.color_type & SPNG_COLOR_TYPE_TRUECOLOR ? 3 : 1,
						  r->header.bit_depth == 16 ? 16 : 8, allocator, &r->image, error);
	if (!rc)
		rc = read_rows(r, spng, error);
	if (rc)
		return rc;
	/* the rest of the file is read too: a cut or damaged end is an error even if all pixels are there */
	rc = spng_decode_chunks(spng);
	if (rc)
		return failed(r, rc, error);
	/* libspng lets a file end within its last checksum */
	if (r->at < sizeof(last_chunk) ||
		memcmp(r->bytes + r->at - sizeof(last_chunk), last_chunk, sizeof(last_chunk)) != 0)
		return failed(r, SPNG_IO_EOF, error);
	if (spng_get_exif(spng, &exif) == 0)
		*orientation = assay__exif_orientation((const uint8_t *)exif.data, exif.length);
	return ASSAY_OK;
}

static int decode(const uint8_t *bytes, size_t size, const struct assay_allocator *allocator, struct assay_image *out,
				  int *orientation, struct assay_error *error)
{
	struct reader r = {.bytes = bytes, .size = size};
	struct memory mine = {.allocator = allocator}, *outer = memory;
	spng_ctx *spng;
	int rc;

	memory = &mine;
	spng = spng_ctx_new2(&functions, 0);
	if (spng)
		rc = read_png(&r, spng, allocator, orientation, error);
	else
		rc = assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory");
	spng_ctx_free(spng);
	memory = outer;
	assay__free(allocator, r.scanline);
	if (rc)
		assay__free(allocator, r.image.pixels);
	else
		*out = r.image;
	return rc;
}

static bool probe(const uint8_t *bytes, size_t size)
{
	static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

	return size >= sizeof(signature) && memcmp(bytes, signature, sizeof(signature)) == 0;
}

static int on_write(spng_ctx *spng, void *user, void *source, size_t length)
{
	struct assay__bytes *bytes = user;

	(void)spng;
	if (!assay__bytes_reserve(bytes, length)) {
		memory->refused = true;
		return SPNG_IO_ERROR;
	}
	memcpy(bytes->data + bytes->size, source, length);
	bytes->size += length;
	return 0;
}

static int write_png(const struct assay_image *image, spng_ctx *spng, struct assay__bytes *bytes)
{
	struct spng_ihdr header = {
		.width = (uint32_t)image->width_px,
		.height = (uint32_t)image->height_px,
		.bit_depth = (uint8_t)image->depth_bits,
		.color_type = image->channels == 1 ? SPNG_COLOR_TYPE_GRAYSCALE : SPNG_COLOR_TYPE_TRUECOLOR,
	};
	size_t row_bytes = (size_t)image->width_px * (size_t)(image->channels * image->depth_bits / 8);
	int rc, y;

	if ((rc = spng_set_png_stream(spng, on_write, bytes)) || (rc = spng_set_ihdr(spng, &header)) ||
		/* all that decides the bytes is set here; libspng's own choices could change with its version */
		(rc = spng_set_option(spng, SPNG_IMG_COMPRESSION_LEVEL, 5)) ||
		(rc = spng_set_option(spng, SPNG_FILTER_CHOICE, SPNG_FILTER_CHOICE_SUB | SPNG_FILTER_CHOICE_UP)) ||
		(rc = spng_encode_image(spng, NULL, 0, SPNG_FMT_PNG, SPNG_ENCODE_PROGRESSIVE | SPNG_ENCODE_FINALIZE)))
		return rc;
	for (y = 0; y < image->height_px && !rc; y++)
		rc = spng_encode_row(spng, image->pixels + (size_t)y * image->stride_bytes, row_bytes);
	return rc == SPNG_EOI ? 0 : rc;
}

int assay_image_encode_png(const struct assay_image *image, const struct assay_allocator *allocator, uint8_t **bytes,
						   size_t *size, struct assay_error *error)
{
	struct assay__bytes written = {.allocator = allocator};
	struct memory mine = {.allocator = allocator}, *outer = memory;
	spng_ctx *spng;
	int rc = assay__image_check(image, error);

	if (rc)
		return rc;
	memory = &mine;
	spng = spng_ctx_new2(&functions, SPNG_CTX_ENCODER);
	rc = spng ? write_png(image, spng, &written) : SPNG_EMEM;
	spng_ctx_free(spng);
	memory = outer;
	if (rc) {
		assay__free(allocator, written.data);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "PNG: %s", mine.refused ? "out of memory" : spng_strerror(rc));
	}
	*bytes = written.data;
	*size = written.size;
	return ASSAY_OK;
}

const struct assay__decoder assay__decoder_png = {
	.name = "PNG",
	.probe = probe,
	.decode = decode,
};
