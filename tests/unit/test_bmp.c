/* SPDX-License-Identifier: Apache-2.0 */
#include "image_util.h"

enum { OS2 = 12, INFO = 40, V2 = 52, V4 = 108, V5 = 124 };

/* File and info header; palette, masks and pixels follow. palette_bytes: between header and pixels, masks included. */
static struct buffer begin(uint32_t header, int width, int height, uint32_t bits, uint32_t compression,
						   uint32_t colours, uint32_t palette_bytes)
{
	struct buffer b = {0};

	put_text(&b, "BM");
	put_le(&b, 0, 8);
	put_le(&b, 14 + header + palette_bytes, 4);
	put_le(&b, header, 4);
	put_le(&b, (uint32_t)width, header == OS2 ? 2 : 4);
	put_le(&b, (uint32_t)height, header == OS2 ? 2 : 4);
	put_le(&b, 1, 2);
	put_le(&b, bits, 2);
	if (header == OS2)
		return b;
	put_le(&b, compression, 4);
	put_le(&b, 0, 8);
	put_le(&b, 0, 4);
	put_le(&b, colours, 4);
	put_le(&b, colours, 4);
	while (b.size < 14 + (size_t)header)
		put_le(&b, 0, 1);
	return b;
}

static void put_palette(struct buffer *b, uint32_t count, bool grey, int entry)
{
	uint32_t i;

	for (i = 0; i < count; i++) {
		put_le(b, grey ? 255 - i : i * 3, 1);	  /* blue */
		put_le(b, grey ? 255 - i : i * 5 + 1, 1); /* green */
		put_le(b, grey ? 255 - i : i * 7 + 2, 1); /* red */
		if (entry == 4)
			put_le(b, 0, 1);
	}
}

/* Rows of indices pattern(x, y) in file order, padded to four bytes. */
static void put_indices(struct buffer *b, int width, int height, int bits)
{
	int line, x, at;

	for (line = 0; line < height; line++) {
		uint8_t row[256] = {0};

		for (x = 0; x < width; x++) {
			at = x * bits;
			row[at / 8] |= (uint8_t)(pattern(x, height - 1 - line, 0, (1u << bits) - 1) << (8 - bits - at % 8));
		}
		put(b, row, (size_t)((width * bits + 31) / 32 * 4));
	}
}

static void check_indices(const struct buffer *b, int width, int height, int bits, bool grey)
{
	struct assay_image image = must_decode(b->data, b->size);
	int x, y;

	assert_kind(&image, width, height, grey ? 1 : 3, 8);
	for (y = 0; y < height; y++)
		for (x = 0; x < width; x++) {
			uint32_t i = pattern(x, y, 0, (1u << bits) - 1);

			assert_int_equal(sample_at(&image, x, y, 0), grey ? 255 - i : (i * 7 + 2) & 255);
			if (!grey) {
				assert_int_equal(sample_at(&image, x, y, 1), (i * 5 + 1) & 255);
				assert_int_equal(sample_at(&image, x, y, 2), i * 3 & 255);
			}
		}
	assay_image_free(&image, NULL);
}

static void palettes(void **state)
{
	static const int depths[] = {1, 4, 8};
	static const uint32_t headers[] = {OS2, INFO, V4, V5};
	size_t d, h;
	int grey;

	(void)state;
	for (d = 0; d < 3; d++)
		for (h = 0; h < 4; h++)
			for (grey = 0; grey < 2; grey++) {
				uint32_t count = 1u << depths[d];
				int entry = headers[h] == OS2 ? 3 : 4;
				struct buffer b = begin(headers[h], 13, 5, (uint32_t)depths[d], 0, 0, count * (uint32_t)entry);

				put_palette(&b, count, grey, entry);
				put_indices(&b, 13, 5, depths[d]);
				check_indices(&b, 13, 5, depths[d], grey);
				drop(&b);
			}
}

static void short_palette(void **state)
{
	struct buffer b = begin(INFO, 2, 1, 8, 0, 3, 12);

	(void)state;
	put_palette(&b, 3, false, 4);
	put_le(&b, 0x0201, 4);
	sweep_cuts(b.data, b.size, 2); /* two bytes of padding */
	b.data[b.size - 3] = 3;
	must_fail(b.data, b.size, ASSAY_E_FORMAT, "pixel (1, 0) has colour 3, the palette has 3");
	drop(&b);
}

static void true_colour(void **state)
{
	int bits, top_down, x, line, c;

	(void)state;
	for (bits = 24; bits <= 32; bits += 8)
		for (top_down = 0; top_down < 2; top_down++) {
			struct buffer b = begin(INFO, 5, top_down ? -3 : 3, (uint32_t)bits, 0, 0, 0);
			struct assay_image image;

			for (line = 0; line < 3; line++) {
				for (x = 0; x < 5; x++) {
					for (c = 2; c >= 0; c--)
						put_le(&b, pattern(x, top_down ? line : 2 - line, c, 255), 1);
					if (bits == 32)
						put_le(&b, 0x77, 1);
				}
				if (bits == 24)
					put_le(&b, 0, 1);
			}
			image = must_decode(b.data, b.size);
			assert_kind(&image, 5, 3, 3, 8);
			for (line = 0; line < 3; line++)
				for (x = 0; x < 5; x++)
					for (c = 0; c < 3; c++)
						assert_int_equal(sample_at(&image, x, line, c), pattern(x, line, c, 255));
			assay_image_free(&image, NULL);
			drop(&b);
		}
}

static void check_masks(uint32_t header, uint32_t bits, uint32_t compression, const uint32_t masks[3], uint32_t pixel,
						int depth, uint32_t red, uint32_t green, uint32_t blue)
{
	struct buffer b = begin(header, 1, 1, bits, compression, 0, compression && header == INFO ? 12 : 0);
	struct assay_image image;
	int c;

	if (compression && header == INFO)
		for (c = 0; c < 3; c++)
			put_le(&b, masks[c], 4);
	for (c = 0; compression && header != INFO && c < 3; c++)
		memcpy(b.data + 54 + c * 4,
			   (uint8_t[4]){(uint8_t)masks[c], (uint8_t)(masks[c] >> 8), (uint8_t)(masks[c] >> 16),
							(uint8_t)(masks[c] >> 24)},
			   4);
	put_le(&b, pixel, 4);
	image = must_decode(b.data, b.size);
	assert_kind(&image, 1, 1, 3, depth);
	assert_int_equal(sample_at(&image, 0, 0, 0), red);
	assert_int_equal(sample_at(&image, 0, 0, 1), green);
	assert_int_equal(sample_at(&image, 0, 0, 2), blue);
	assay_image_free(&image, NULL);
	drop(&b);
}

static void masks(void **state)
{
	struct buffer b;

	(void)state;
	check_masks(INFO, 16, 0, NULL, 31u << 10 | 16u << 5 | 1, 8, 255, 132, 8);
	check_masks(INFO, 16, 3, (uint32_t[]){0xf800, 0x07e0, 0x001f}, 16u << 11 | 63u << 5 | 3, 8, 132, 255, 25);
	check_masks(V2, 16, 3, (uint32_t[]){0x0f00, 0x00f0, 0x000f}, 0xf3a5, 8, 51, 170, 85);
	check_masks(V4, 32, 3, (uint32_t[]){0xff, 0xff00, 0xff0000}, 0x99030201, 8, 1, 2, 3);
	check_masks(V5, 32, 3, (uint32_t[]){0xff000000, 0xff0000, 0xff00}, 0x01020399, 8, 1, 2, 3);
	check_masks(INFO, 32, 3, (uint32_t[]){0x3ff00000, 0x000ffc00, 0x3ff}, 1023u << 20 | 512u << 10 | 1, 16, 65535,
				32800, 64);
	b = begin(INFO, 1, 1, 16, 3, 0, 12);
	put_le(&b, 0xf800, 4);
	put_le(&b, 0x0f00, 4);
	put_le(&b, 0x001f, 4);
	put_le(&b, 0, 4);
	must_fail(b.data, b.size, ASSAY_E_FORMAT, "colour masks 0xf800, 0xf00, 0x1f");
	b.data[14 + INFO + 5] = 0x05;
	must_fail(b.data, b.size, ASSAY_E_FORMAT, "colour masks");
	b.data[14 + INFO + 5] = 0;
	must_fail(b.data, b.size, ASSAY_E_FORMAT, "colour masks");
	drop(&b);
}

static struct buffer rle(uint32_t bits, int width, int height, const char *runs, size_t size)
{
	struct buffer b = begin(INFO, width, height, bits, bits == 8 ? 1 : 2, 16, 64);

	put_palette(&b, 16, true, 4);
	put(&b, runs, size);
	return b;
}

static void check_rle(uint32_t bits, const char *runs, size_t size)
{
	/* indices, top row first */
	static const uint8_t want[2][6] = {{3, 3, 3, 3, 3, 9}, {1, 2, 1, 2, 5, 6}};
	struct buffer b = rle(bits, 6, 2, runs, size);
	struct assay_image image = must_decode(b.data, b.size);
	int x, y;

	assert_kind(&image, 6, 2, 1, 8);
	for (y = 0; y < 2; y++)
		for (x = 0; x < 6; x++)
			assert_int_equal(sample_at(&image, x, y, 0), 255 - want[y][x]);
	assay_image_free(&image, NULL);
	sweep_cuts(b.data, b.size, 0);
	sweep_changes(b.data, b.size);
	sweep_allocations(b.data, b.size);
	drop(&b);
}

static void fail_rle(const char *runs, size_t size, const char *words)
{
	struct buffer b = rle(8, 6, 2, runs, size);

	must_fail(b.data, b.size, ASSAY_E_FORMAT, words);
	drop(&b);
}

static void run_lengths(void **state)
{
	struct buffer b;

	(void)state;
	check_rle(8, "\0\x06\x01\x02\x01\x02\x05\x06\0\0\x05\x03\x01\x09\0\x01", 16);
	check_rle(8, "\0\x03\x01\x02\x01\0\x01\x02\x01\x05\x01\x06\0\0\x05\x03\x01\x09\0\0\0\x01", 22);
	check_rle(4, "\x04\x12\x02\x56\0\0\x05\x33\x01\x90\0\x01", 12);
	check_rle(4, "\0\x05\x12\x12\x50\0\x01\x60\0\0\0\x06\x33\x33\x39\0\0\x01", 18);
	fail_rle("\x06\x01\0\0\x06\x01\0\0\x06\x01\0\x01", 12, "a run at byte 126 leaves its row");
	fail_rle("\x07\x01\0\0\x06\x01\0\x01", 8, "leaves its row");
	fail_rle("\x06\x01\0\0\x05\x01\0\x01", 8, "row 0 is left after 5 of 6 pixels");
	fail_rle("\x05\x01\0\0\x06\x01\0\x01", 8, "row 1 is left after 5 of 6 pixels");
	fail_rle("\x06\x01\0\x01", 4, "row 0 is left after 0 of 6 pixels");
	fail_rle("\x01\x01\0\x02\x01\0\0\x01", 8, "row 1 is left after 1 of 6 pixels");
	fail_rle("\x06\x01\0\0\x06\x01", 6, "ends early");
	fail_rle("\x06\x20\0\0\x06\x01\0\x01", 8, "has colour 32");
	b = rle(8, 6, -2, "\x06\x01\0\0\x06\x01\0\x01", 8);
	must_fail(b.data, b.size, ASSAY_E_FORMAT, "top row first");
	drop(&b);
}

static void fail_header(uint32_t header, int width, int height, uint32_t bits, uint32_t compression,
						enum assay_err code, const char *words)
{
	struct buffer b = begin(header, width, height, bits, compression, 0, 0);

	put_le(&b, 0, 8);
	must_fail(b.data, b.size, code, words);
	drop(&b);
}

static void refusals(void **state)
{
	(void)state;
	fail_header(INFO, 0, 1, 24, 0, ASSAY_E_FORMAT, "0 x 1");
	fail_header(INFO, -5, 1, 24, 0, ASSAY_E_FORMAT, "-5 x 1");
	fail_header(INFO, 1, INT32_MIN, 24, 0, ASSAY_E_LIMIT, "2147483648");
	fail_header(INFO, 65500, 65500, 1, 0, ASSAY_E_LIMIT, "million");
	fail_header(INFO, 10000, 10000, 24, 0, ASSAY_E_FORMAT, "the file ends early, at byte 62: 10000 x 10000 pixels");
	fail_header(INFO, 1, 1, 2, 0, ASSAY_E_FORMAT, "found 2 bits a pixel");
	fail_header(INFO, 1, 1, 24, 1, ASSAY_E_FORMAT,
				"found 24 bits a pixel at byte 28, which compression 1 does not allow");
	fail_header(INFO, 1, 1, 0, 4, ASSAY_E_UNSUPPORTED, "JPEG");
	fail_header(INFO, 1, 1, 0, 5, ASSAY_E_UNSUPPORTED, "PNG");
	fail_header(INFO, 1, 1, 32, 11, ASSAY_E_UNSUPPORTED, "CMYK");
	fail_header(64, 1, 1, 1, 3, ASSAY_E_UNSUPPORTED, "Huffman");
	fail_header(INFO, 1, 1, 24, 77, ASSAY_E_FORMAT, "found compression 77");
	fail_header(41, 1, 1, 24, 0, ASSAY_E_FORMAT, "not a picture assay reads");
}

static void sweeps(void **state)
{
	struct buffer b = begin(INFO, 5, 3, 24, 0, 0, 0);
	int i;

	(void)state;
	for (i = 0; i < 48; i++)
		put_le(&b, (uint32_t)i * 5, 1);
	sweep_cuts(b.data, b.size, 1); /* the last byte is padding */
	sweep_changes(b.data, b.size);
	sweep_allocations(b.data, b.size);
	drop(&b);
	b = begin(OS2, 9, 2, 1, 0, 0, 6);
	put_palette(&b, 2, false, 3);
	put_indices(&b, 9, 2, 1);
	sweep_cuts(b.data, b.size, 2);
	sweep_changes(b.data, b.size);
	drop(&b);
	b = begin(INFO, 2, 2, 16, 3, 0, 12);
	put_le(&b, 0xf800, 4);
	put_le(&b, 0x07e0, 4);
	put_le(&b, 0x001f, 4);
	put_le(&b, 0x1234567, 8);
	sweep_cuts(b.data, b.size, 0);
	sweep_changes(b.data, b.size);
	drop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(palettes), cmocka_unit_test(short_palette), cmocka_unit_test(true_colour),
		cmocka_unit_test(masks),	cmocka_unit_test(run_lengths),	 cmocka_unit_test(refusals),
		cmocka_unit_test(sweeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
