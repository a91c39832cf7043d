/* SPDX-License-Identifier: Apache-2.0 */
#include "image_util.h"

#include <stdio.h>

#include <tiffio.h>

/* A TIFF file in memory. */
struct memory {
	struct buffer buffer;
	uint64_t at;
};

static tmsize_t on_read(thandle_t handle, void *to, tmsize_t size)
{
	struct memory *m = handle;
	size_t left = m->at < m->buffer.size ? m->buffer.size - m->at : 0;

	if ((size_t)size > left)
		size = (tmsize_t)left;
	memcpy(to, m->buffer.data + m->at, (size_t)size);
	m->at += (uint64_t)size;
	return size;
}

static tmsize_t on_write(thandle_t handle, void *from, tmsize_t size)
{
	struct memory *m = handle;

	while (m->buffer.size < m->at + (uint64_t)size)
		put(&m->buffer, "", 1);
	memcpy(m->buffer.data + m->at, from, (size_t)size);
	m->at += (uint64_t)size;
	return size;
}

static toff_t on_seek(thandle_t handle, toff_t offset, int whence)
{
	struct memory *m = handle;

	m->at = whence == SEEK_SET ? offset : whence == SEEK_CUR ? m->at + offset : m->buffer.size + offset;
	return m->at;
}

static int on_close(thandle_t handle)
{
	(void)handle;
	return 0;
}

static toff_t on_size(thandle_t handle)
{
	return ((struct memory *)handle)->buffer.size;
}

struct making {
	int width, height, bits, samples, photometric;
	int compression; /* 0: none */
	bool separate, big_endian, big_tiff;
	int tile, rows_per_strip, orientation, format, pages;
	bool narrow_palette;
};

static uint32_t stored(const struct making *m, int x, int y, int c)
{
	return pattern(x, y, c, m->bits >= 16 ? 65535 : (1u << m->bits) - 1);
}

static void pack(const struct making *m, uint8_t *row, size_t index, uint32_t value)
{
	if (m->bits == 32)
		((uint32_t *)(void *)row)[index] = value;
	else if (m->bits == 16)
		((uint16_t *)(void *)row)[index] = (uint16_t)value;
	else
		row[index * (size_t)m->bits / 8] |= (uint8_t)(value << (8 - m->bits - (int)(index * (size_t)m->bits % 8)));
}

static void write_page(TIFF *tiff, const struct making *m)
{
	int planes = m->separate ? m->samples : 1, in = m->separate ? 1 : m->samples, p, x, y, c, tx, ty;
	static uint16_t map[3][65536];
	uint8_t *block;

	TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, m->width);
	TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, m->height);
	TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, m->bits);
	TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, m->samples);
	TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, m->photometric);
	TIFFSetField(tiff, TIFFTAG_COMPRESSION, m->compression ? m->compression : COMPRESSION_NONE);
	TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, m->separate ? PLANARCONFIG_SEPARATE : PLANARCONFIG_CONTIG);
	if (m->orientation)
		TIFFSetField(tiff, TIFFTAG_ORIENTATION, m->orientation);
	if (m->format)
		TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, m->format);
	if (m->samples == 4 || m->samples == 2)
		TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, 1, (uint16_t[]){EXTRASAMPLE_UNASSALPHA});
	if (m->photometric == PHOTOMETRIC_PALETTE) {
		for (x = 0; x < 1 << m->bits; x++)
			for (c = 0; c < 3; c++)
				map[c][x] = (uint16_t)(((x * (7 - 2 * c) + c) & 255) * (m->narrow_palette ? 1 : 257));
		TIFFSetField(tiff, TIFFTAG_COLORMAP, map[0], map[1], map[2]);
	}
	if (m->tile) {
		TIFFSetField(tiff, TIFFTAG_TILEWIDTH, m->tile);
		TIFFSetField(tiff, TIFFTAG_TILELENGTH, m->tile);
		block = malloc((size_t)TIFFTileSize(tiff));
		assert_non_null(block);
		for (p = 0; p < planes; p++)
			for (ty = 0; ty < m->height; ty += m->tile)
				for (tx = 0; tx < m->width; tx += m->tile) {
					memset(block, 0, (size_t)TIFFTileSize(tiff));
					for (y = 0; y < m->tile; y++)
						for (x = 0; x < m->tile; x++)
							for (c = 0; c < in; c++)
								pack(m, block + y * TIFFTileRowSize(tiff), (size_t)(x * in + c),
									 stored(m, tx + x, ty + y, c + p));
					assert_true(TIFFWriteTile(tiff, block, (uint32_t)tx, (uint32_t)ty, 0, (uint16_t)p) > 0);
				}
	} else {
		TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, m->rows_per_strip ? m->rows_per_strip : 4);
		block = malloc((size_t)TIFFScanlineSize(tiff));
		assert_non_null(block);
		for (p = 0; p < planes; p++)
			for (y = 0; y < m->height; y++) {
				memset(block, 0, (size_t)TIFFScanlineSize(tiff));
				for (x = 0; x < m->width; x++)
					for (c = 0; c < in; c++)
						pack(m, block, (size_t)(x * in + c), stored(m, x, y, c + p));
				assert_int_equal(TIFFWriteScanline(tiff, block, (uint32_t)y, (uint16_t)p), 1);
			}
	}
	free(block);
}

static struct buffer make_tiff(const struct making *m)
{
	struct memory memory = {0};
	TIFF *tiff = TIFFClientOpen("test",
								m->big_tiff		? (m->big_endian ? "wb8" : "wl8")
								: m->big_endian ? "wb"
												: "wl",
								&memory, on_read, on_write, on_seek, on_close, on_size, NULL, NULL);
	struct making page = *m;
	int i;

	assert_non_null(tiff);
	for (i = 0; i < (m->pages ? m->pages : 1); i++) {
		write_page(tiff, &page);
		assert_int_equal(TIFFWriteDirectory(tiff), 1);
		page.width++;
	}
	TIFFClose(tiff);
	return memory.buffer;
}

static void check_tiff(const struct making *m)
{
	int channels = m->photometric == PHOTOMETRIC_RGB || m->photometric == PHOTOMETRIC_PALETTE ? 3 : 1, x, y, c;
	uint32_t max = (1u << m->bits) - 1, full = m->bits == 16 ? 65535 : 255;
	struct buffer b = make_tiff(m);
	struct assay_image image = must_decode(b.data, b.size);

	assert_kind(&image, m->width, m->height, channels, m->bits == 16 ? 16 : 8);
	for (y = 0; y < m->height; y++)
		for (x = 0; x < m->width; x++)
			for (c = 0; c < channels; c++) {
				uint32_t v = stored(m, x, y, c) * (full / max);

				if (m->photometric == PHOTOMETRIC_MINISWHITE)
					v = full - v;
				if (m->photometric == PHOTOMETRIC_PALETTE)
					v = (stored(m, x, y, 0) * (uint32_t)(7 - 2 * c) + (uint32_t)c) & 255;
				if (sample_at(&image, x, y, c) != v)
					fail_msg("(%d, %d, %d) is %u, expected %u: %d bits, %d samples, photometric %d, compression %d", x,
							 y, c, sample_at(&image, x, y, c), v, m->bits, m->samples, m->photometric, m->compression);
			}
	assay_image_free(&image, NULL);
	drop(&b);
}

static void kinds(void **state)
{
	static const struct {
		int bits, samples, photometric;
	} kinds[] = {
		{1, 1, PHOTOMETRIC_MINISBLACK}, {2, 1, PHOTOMETRIC_MINISBLACK},	 {4, 1, PHOTOMETRIC_MINISBLACK},
		{8, 1, PHOTOMETRIC_MINISBLACK}, {16, 1, PHOTOMETRIC_MINISBLACK}, {1, 1, PHOTOMETRIC_MINISWHITE},
		{4, 1, PHOTOMETRIC_MINISWHITE}, {8, 1, PHOTOMETRIC_MINISWHITE},	 {16, 1, PHOTOMETRIC_MINISWHITE},
		{8, 3, PHOTOMETRIC_RGB},		{16, 3, PHOTOMETRIC_RGB},		 {8, 4, PHOTOMETRIC_RGB},
		{16, 4, PHOTOMETRIC_RGB},		{8, 2, PHOTOMETRIC_MINISBLACK},	 {16, 2, PHOTOMETRIC_MINISBLACK},
		{1, 1, PHOTOMETRIC_PALETTE},	{4, 1, PHOTOMETRIC_PALETTE},	 {8, 1, PHOTOMETRIC_PALETTE},
	};
	static const int compressions[] = {0, COMPRESSION_LZW, COMPRESSION_PACKBITS, COMPRESSION_ADOBE_DEFLATE};
	size_t k, c;
	int separate, tile;

	(void)state;
	for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		for (c = 0; c < sizeof(compressions) / sizeof(compressions[0]); c++)
			for (separate = 0; separate < 2; separate++)
				for (tile = 0; tile < 2; tile++)
					check_tiff(&(struct making){.width = 35,
												.height = 19,
												.bits = kinds[k].bits,
												.samples = kinds[k].samples,
												.photometric = kinds[k].photometric,
												.compression = compressions[c],
												.separate = separate,
												.tile = tile * 16,
												.big_endian = k % 2,
												.big_tiff = (k + c) % 3 == 0});
}

static void more_kinds(void **state)
{
	static const int fax[] = {COMPRESSION_CCITTRLE, COMPRESSION_CCITTFAX3, COMPRESSION_CCITTFAX4};
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++)
		check_tiff(&(struct making){.width = 40,
									.height = 9,
									.bits = 1,
									.samples = 1,
									.photometric = PHOTOMETRIC_MINISWHITE,
									.compression = fax[i]});
	check_tiff(&(struct making){
		.width = 9, .height = 5, .bits = 8, .samples = 1, .photometric = PHOTOMETRIC_PALETTE, .narrow_palette = true});
	/* of several pages, the first */
	check_tiff(
		&(struct making){.width = 9, .height = 5, .bits = 8, .samples = 3, .photometric = PHOTOMETRIC_RGB, .pages = 3});
	check_tiff(
		&(struct making){.width = 1, .height = 1, .bits = 16, .samples = 1, .photometric = PHOTOMETRIC_MINISBLACK});
	check_tiff(&(struct making){.width = 20000, .height = 1, .bits = 8, .samples = 3, .photometric = PHOTOMETRIC_RGB});
	check_tiff(&(struct making){.width = 1,
								.height = 20000,
								.bits = 8,
								.samples = 1,
								.photometric = PHOTOMETRIC_MINISBLACK,
								.rows_per_strip = 20000});
}

/* All eight orientations, every pixel, against the words of TIFF 6.0: where the stored first row and column are. */
static void orientation(void **state)
{
	int o, x, y;

	(void)state;
	for (o = 1; o <= 8; o++) {
		struct making m = {
			.width = 7, .height = 4, .bits = 16, .samples = 1, .photometric = PHOTOMETRIC_MINISBLACK, .orientation = o};
		struct buffer b = make_tiff(&m);
		struct assay_image image = must_decode(b.data, b.size);

		assert_kind(&image, o < 5 ? 7 : 4, o < 5 ? 4 : 7, 1, 16);
		for (y = 0; y < 4; y++)
			for (x = 0; x < 7; x++) {
				int to_x = 0, to_y = 0;

				switch (o) {
				case 1: /* row 0 top, column 0 left */
					to_x = x, to_y = y;
					break;
				case 2: /* top, right */
					to_x = 6 - x, to_y = y;
					break;
				case 3: /* bottom, right */
					to_x = 6 - x, to_y = 3 - y;
					break;
				case 4: /* bottom, left */
					to_x = x, to_y = 3 - y;
					break;
				case 5: /* row 0 left, column 0 top */
					to_x = y, to_y = x;
					break;
				case 6: /* right, top */
					to_x = 3 - y, to_y = x;
					break;
				case 7: /* right, bottom */
					to_x = 3 - y, to_y = 6 - x;
					break;
				case 8: /* left, bottom */
					to_x = y, to_y = 6 - x;
					break;
				}
				assert_int_equal(sample_at(&image, to_x, to_y, 0), pattern(x, y, 0, 65535));
			}
		assay_image_free(&image, NULL);
		if (o == 6)
			sweep_allocations(b.data, b.size);
		drop(&b);
	}
}

static void refuse(const struct making *making, enum assay_err code, const char *words)
{
	struct making m = *making;
	struct buffer b;

	m.width = m.height = 16;
	b = make_tiff(&m);
	must_fail(b.data, b.size, code, words);
	drop(&b);
}

static void refusals(void **state)
{
	struct buffer b;
	size_t i;

	(void)state;
	refuse(&(struct making){.bits = 8, .samples = 4, .photometric = PHOTOMETRIC_SEPARATED}, ASSAY_E_UNSUPPORTED,
		   "CMYK");
	refuse(&(struct making){.bits = 8, .samples = 3, .photometric = PHOTOMETRIC_CIELAB}, ASSAY_E_UNSUPPORTED, "L*a*b*");
	refuse(
		&(struct making){
			.bits = 32, .samples = 1, .photometric = PHOTOMETRIC_MINISBLACK, .format = SAMPLEFORMAT_IEEEFP},
		ASSAY_E_UNSUPPORTED, "floating-point");
	refuse(
		&(struct making){.bits = 16, .samples = 1, .photometric = PHOTOMETRIC_MINISBLACK, .format = SAMPLEFORMAT_INT},
		ASSAY_E_UNSUPPORTED, "signed");
	refuse(&(struct making){.bits = 32, .samples = 1, .photometric = PHOTOMETRIC_MINISBLACK}, ASSAY_E_UNSUPPORTED,
		   "32-bit");
	refuse(&(struct making){.bits = 16, .samples = 1, .photometric = PHOTOMETRIC_PALETTE, .narrow_palette = true},
		   ASSAY_E_UNSUPPORTED, "palette");
	refuse(&(struct making){.bits = 8, .samples = 9, .photometric = PHOTOMETRIC_MINISBLACK}, ASSAY_E_UNSUPPORTED,
		   "9 samples");
	refuse(&(struct making){.bits = 8, .samples = 1, .photometric = PHOTOMETRIC_RGB}, ASSAY_E_FORMAT,
		   "expected at least 3");
	refuse(&(struct making){.bits = 8,
							.samples = 3,
							.photometric = PHOTOMETRIC_RGB,
							.rows_per_strip = 8,
							.compression = COMPRESSION_JPEG},
		   ASSAY_E_UNSUPPORTED, "JPEG compression inside TIFF");
	must_fail((const uint8_t *)"II*\0", 4, ASSAY_E_FORMAT, "TIFF: damaged or cut");
	must_fail((const uint8_t *)"MM\0*\xff\xff\xff\xff", 8, ASSAY_E_FORMAT, "TIFF: damaged or cut");

	/* 16 x 16 becomes 65296 x 65296 */
	b = make_tiff(&(struct making){.width = 16, .height = 16, .bits = 8, .samples = 1, .photometric = 1});
	for (i = 8; i + 12 < b.size; i++)
		if (b.data[i] < 2 && memcmp(b.data + i + 1, "\x01\x03\0\x01\0\0\0\x10\0", 9) == 0)
			b.data[i + 9] = 0xff;
	must_fail(b.data, b.size, ASSAY_E_LIMIT, "TIFF: the size is 65296 x 65296 pixels");
	drop(&b);
}

/* Pieces that lie over one another are a way to make much of little. */
static void overlap(void **state)
{
	struct buffer b = make_tiff(
		&(struct making){.width = 64, .height = 64, .bits = 8, .samples = 1, .photometric = 1, .rows_per_strip = 1});
	struct assay_image image = must_decode(b.data, b.size);
	uint32_t ifd = b.data[4] | (uint32_t)b.data[5] << 8, i;

	(void)state;
	assay_image_free(&image, NULL);
	for (i = 0; i < 64; i++) {
		const uint8_t *entry = b.data + ifd + 2 + i * 12;

		if (entry[0] == 0x17 && entry[1] == 1) { /* StripByteCounts: one byte becomes 0x1001 of each */
			uint32_t at = entry[8] | (uint32_t)entry[9] << 8, n;

			for (n = 0; n < 64; n++)
				b.data[at + n * (entry[2] == 3 ? 2 : 4) + 1] = 0x10;
			break;
		}
	}
	must_fail(b.data, b.size, ASSAY_E_FORMAT, "its 64 pieces take more than");
	drop(&b);
}

static void sweep_tiff(const struct making *m)
{
	struct buffer b = make_tiff(m);

	sweep_cuts(b.data, b.size, 0);
	sweep_changes(b.data, b.size);
	sweep_allocations(b.data, b.size);
	drop(&b);
}

static void sweeps(void **state)
{
	(void)state;
	sweep_tiff(&(struct making){.width = 9, .height = 7, .bits = 8, .samples = 3, .photometric = PHOTOMETRIC_RGB});
	sweep_tiff(&(struct making){.width = 9,
								.height = 7,
								.bits = 16,
								.samples = 1,
								.photometric = PHOTOMETRIC_MINISWHITE,
								.compression = COMPRESSION_LZW,
								.big_endian = true,
								.orientation = 8});
	sweep_tiff(&(struct making){.width = 17,
								.height = 18,
								.bits = 4,
								.samples = 1,
								.photometric = PHOTOMETRIC_MINISBLACK,
								.compression = COMPRESSION_ADOBE_DEFLATE,
								.tile = 16,
								.big_tiff = true});
	sweep_tiff(&(struct making){.width = 9,
								.height = 5,
								.bits = 8,
								.samples = 4,
								.photometric = PHOTOMETRIC_RGB,
								.compression = COMPRESSION_PACKBITS,
								.separate = true});
	sweep_tiff(&(struct making){.width = 24,
								.height = 6,
								.bits = 1,
								.samples = 1,
								.photometric = PHOTOMETRIC_MINISWHITE,
								.compression = COMPRESSION_CCITTFAX4});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),	cmocka_unit_test(more_kinds), cmocka_unit_test(orientation),
		cmocka_unit_test(refusals), cmocka_unit_test(overlap),	  cmocka_unit_test(sweeps),
	};

	/* the writing side's remarks; the reading side must be silent by itself */
	TIFFSetWarningHandler(NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
