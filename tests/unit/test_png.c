/* SPDX-License-Identifier: Apache-2.0 */
#include "image_util.h"

#include <spng.h>

static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

static uint32_t crc_of(const uint8_t *bytes, size_t size)
{
	uint32_t crc = ~0u;
	int bit;

	for (; size > 0; size--) {
		crc ^= *bytes++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static void put_chunk(struct buffer *b, const char *type, const void *data, size_t size)
{
	size_t from;

	put_be(b, size, 4);
	from = b->size;
	put_text(b, type);
	put(b, data, size);
	put_be(b, crc_of(b->data + from, b->size - from), 4);
}

static void put_header(struct buffer *b, uint32_t width, uint32_t height, int bits, int colour)
{
	struct buffer h = {0};

	put(b, signature, 8);
	put_be(&h, width, 4);
	put_be(&h, height, 4);
	put_le(&h, (uint64_t)(bits | colour << 8), 5);
	put_chunk(b, "IHDR", h.data, h.size);
	drop(&h);
}

/* A PNG of any kind from packed rows: samples pattern(x, y, c), host order; written by libspng. */
static struct buffer make_png(int width, int height, int bits, int colour, int interlaced, uint32_t colours,
							  struct spng_exif *exif)
{
	int samples = colour == 2 ? 3 : colour == 4 ? 2 : colour == 6 ? 4 : 1, x, y, c, error = 0;
	struct spng_ihdr header = {(uint32_t)width,	   (uint32_t)height, (uint8_t)bits, (uint8_t)colour, 0, 0,
							   (uint8_t)interlaced};
	size_t row_bytes = (size_t)(width * samples * bits + 7) / 8, size;
	uint8_t *rows = calloc(row_bytes, (size_t)height), *bytes;
	spng_ctx *spng = spng_ctx_new(SPNG_CTX_ENCODER);
	struct buffer b = {0};

	assert_non_null(rows);
	for (y = 0; y < height; y++)
		for (x = 0; x < width; x++)
			for (c = 0; c < samples; c++) {
				uint32_t v = pattern(x, y, c, colour == 3 ? colours - 1 : (1u << bits) - 1);
				size_t i = (size_t)(x * samples + c);

				if (bits == 16)
					((uint16_t *)(void *)(rows + (size_t)y * row_bytes))[i] = (uint16_t)v;
				else
					rows[(size_t)y * row_bytes + i * (size_t)bits / 8] |=
						(uint8_t)(v << (8 - bits - (int)(i * (size_t)bits % 8)));
			}
	spng_set_option(spng, SPNG_ENCODE_TO_BUFFER, 1);
	assert_int_equal(spng_set_ihdr(spng, &header), 0);
	if (colour == 3) {
		struct spng_plte palette = {.n_entries = colours};
		struct spng_trns alpha = {.n_type3_entries = 1};
		uint32_t i;

		for (i = 0; i < colours; i++)
			palette.entries[i] =
				(struct spng_plte_entry){(uint8_t)(i * 7 + 2), (uint8_t)(i * 5 + 1), (uint8_t)(i * 3), 255};
		assert_int_equal(spng_set_plte(spng, &palette), 0);
		assert_int_equal(spng_set_trns(spng, &alpha), 0);
	}
	if (exif)
		assert_int_equal(spng_set_exif(spng, exif), 0);
	assert_int_equal(spng_encode_image(spng, rows, row_bytes * (size_t)height, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE), 0);
	bytes = spng_get_png_buffer(spng, &size, &error);
	assert_int_equal(error, 0);
	put(&b, bytes, size);
	free(bytes);
	free(rows);
	spng_ctx_free(spng);
	return b;
}

static void check_png(int width, int height, int bits, int colour, int interlaced)
{
	uint32_t colours = colour == 3 ? (bits == 8 ? 200 : 1u << bits) : 0;
	struct buffer b = make_png(width, height, bits, colour, interlaced, colours, NULL);
	struct assay_image image = must_decode(b.data, b.size);
	int channels = colour == 0 || colour == 4 ? 1 : 3, x, y, c;

	assert_kind(&image, width, height, channels, bits == 16 ? 16 : 8);
	for (y = 0; y < height; y++)
		for (x = 0; x < width; x++)
			for (c = 0; c < channels; c++) {
				static const uint32_t steps[3] = {7, 5, 3}, starts[3] = {2, 1, 0};
				uint32_t v = pattern(x, y, colour == 3 ? 0 : c, colour == 3 ? colours - 1 : (1u << bits) - 1);

				if (colour == 3)
					v = (v * steps[c] + starts[c]) & 255;
				else if (bits < 8)
					v = v * 255 / ((1u << bits) - 1);
				assert_int_equal(sample_at(&image, x, y, c), v);
			}
	assay_image_free(&image, NULL);
	drop(&b);
}

static void kinds(void **state)
{
	static const struct {
		int bits, colour;
	} kinds[] = {{1, 0}, {2, 0}, {4, 0}, {8, 0}, {16, 0}, {8, 2}, {16, 2}, {1, 3},
				 {2, 3}, {4, 3}, {8, 3}, {8, 4}, {16, 4}, {8, 6}, {16, 6}};
	size_t k;
	int interlaced, size;

	(void)state;
	for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
		for (interlaced = 0; interlaced < 2; interlaced++) {
			check_png(37, 21, kinds[k].bits, kinds[k].colour, interlaced);
			for (size = 1; size <= 9; size++)
				check_png(size, 10 - size, kinds[k].bits, kinds[k].colour, interlaced);
		}
}

static void round_trip(void **state)
{
	int channels, depth;

	(void)state;
	for (channels = 1; channels <= 3; channels += 2)
		for (depth = 8; depth <= 16; depth += 8) {
			struct assay_image image = make_image(61, 33, channels, depth), wide, read;
			uint8_t *bytes, *again;
			size_t size, again_size;

			assert_int_equal(assay_image_encode_png(&image, NULL, &bytes, &size, NULL), ASSAY_OK);
			read = must_decode(bytes, size);
			assert_same(&read, &image);
			/* the same bytes from a picture with room behind its rows */
			wide = image;
			wide.stride_bytes = image.stride_bytes + 24;
			wide.pixels = malloc(wide.stride_bytes * 33);
			assert_non_null(wide.pixels);
			memset(wide.pixels, 0xee, wide.stride_bytes * 33);
			for (int y = 0; y < 33; y++)
				memcpy(wide.pixels + (size_t)y * wide.stride_bytes, image.pixels + (size_t)y * image.stride_bytes,
					   image.stride_bytes);
			assert_int_equal(assay_image_encode_png(&wide, NULL, &again, &again_size, NULL), ASSAY_OK);
			assert_int_equal(again_size, size);
			assert_memory_equal(again, bytes, size);
			free(again);
			free(bytes);
			free(wide.pixels);
			assay_image_free(&read, NULL);
			assay_image_free(&image, NULL);
		}
}

static void encode_failures(void **state)
{
	struct assay_image image = make_image(40, 40, 3, 16), bad = image;
	struct assay_error error;
	uint8_t *bytes = NULL;
	size_t size = 7;
	long k;
	int rc;

	(void)state;
	for (k = 1;; k++) {
		COUNTING(counting, k);
		rc = assay_image_encode_png(&image, &counting, &bytes, &size, &error);
		if (!rc) {
			count_free(&counting_count, bytes);
			assert_int_equal(counting_count.live, 0);
			break;
		}
		assert_int_equal(rc, ASSAY_E_NOMEM);
		assert_null(bytes);
		assert_int_equal(size, 7);
		assert_int_equal(counting_count.live, 0);
	}
	assert_true(k > 3);
	bad.channels = 2;
	assert_int_equal(assay_image_encode_png(&bad, NULL, &bytes, &size, &error), ASSAY_E_ARGUMENT);
	bad = image;
	bad.stride_bytes = 239;
	assert_int_equal(assay_image_encode_png(&bad, NULL, &bytes, &size, &error), ASSAY_E_ARGUMENT);
	assay_image_free(&image, NULL);
}

static void orientation(void **state)
{
	/* where (0, 0) of a 5 x 3 picture goes */
	static const int to_x[9] = {0, 0, 4, 4, 0, 0, 2, 2, 0}, to_y[9] = {0, 0, 0, 2, 2, 0, 0, 4, 4};
	char exif[] = "MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x01\0\0\0\0\0\0";
	struct spng_exif chunk = {26, exif};
	int o;

	(void)state;
	for (o = 1; o <= 8; o++) {
		struct buffer b;
		struct assay_image image;

		exif[19] = (char)o;
		b = make_png(5, 3, 8, 2, 0, 0, &chunk);
		image = must_decode(b.data, b.size);
		assert_kind(&image, o < 5 ? 5 : 3, o < 5 ? 3 : 5, 3, 8);
		assert_int_equal(sample_at(&image, to_x[o], to_y[o], 1), pattern(0, 0, 1, 255));
		assay_image_free(&image, NULL);
		drop(&b);
	}
}

static void refusals(void **state)
{
	static const uint8_t index_row[] = {0x78, 0x01, 0x01, 0x02, 0x00, 0xfd, 0xff, 0x00, 0x05, 0x00, 0x07, 0x00, 0x06};
	struct buffer b = {0};

	(void)state;
	put_header(&b, 65501, 1, 8, 0);
	must_fail(b.data, b.size, ASSAY_E_LIMIT, "PNG: the size is 65501 x 1");
	drop(&b);
	put_header(&b, 60000, 60000, 16, 6);
	must_fail(b.data, b.size, ASSAY_E_LIMIT, "million");
	drop(&b);
	put_header(&b, 10000, 10000, 8, 2);
	put_chunk(&b, "IDAT", "xyz", 3);
	must_fail(b.data, b.size, ASSAY_E_FORMAT, "claims 10000 x 10000 pixels, which 48 bytes cannot hold");
	drop(&b);
	put_header(&b, 1, 1, 3, 0);
	must_fail(b.data, b.size, ASSAY_E_FORMAT, "damaged");
	drop(&b);
	put_header(&b, 1, 1, 8, 3);
	put_chunk(&b, "IDAT", index_row, sizeof(index_row));
	put_chunk(&b, "IEND", "", 0);
	must_fail(b.data, b.size, ASSAY_E_FORMAT, "missing PLTE");
	drop(&b);
	put_header(&b, 1, 1, 8, 3);
	put_chunk(&b, "PLTE", "abcdef", 6);
	put_chunk(&b, "IDAT", index_row, sizeof(index_row));
	put_chunk(&b, "IEND", "", 0);
	must_fail(b.data, b.size, ASSAY_E_FORMAT, "pixel (0, 0) has colour 5, the palette has 2");
	drop(&b);
	must_fail(signature, 8, ASSAY_E_FORMAT, "the file ends early, at byte 8");
	must_fail(signature, 7, ASSAY_E_FORMAT, "not a picture");
}

static void sweep_png(int width, int height, int bits, int colour, int interlaced)
{
	struct buffer b = make_png(width, height, bits, colour, interlaced, colour == 3 ? 2 : 0, NULL);

	sweep_cuts(b.data, b.size, 0);
	/* every byte is under a checksum or part of the frame */
	assert_int_equal(sweep_changes(b.data, b.size), 0);
	sweep_allocations(b.data, b.size);
	drop(&b);
}

static void sweeps(void **state)
{
	(void)state;
	sweep_png(9, 7, 8, 2, 0);
	sweep_png(9, 7, 16, 6, 1);
	sweep_png(5, 3, 1, 0, 0);
	sweep_png(5, 3, 4, 3, 1);
	sweep_png(1, 1, 8, 0, 0);
}

/* The checksum says which block is bad. */
static void checksum(void **state)
{
	struct buffer b = make_png(20, 20, 8, 0, 0, 0, NULL);

	(void)state;
	b.data[b.size - 14] ^= 4; /* of IDAT */
	must_fail(b.data, b.size, ASSAY_E_FORMAT, "wrong checksum");
	drop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),	   cmocka_unit_test(round_trip), cmocka_unit_test(encode_failures),
		cmocka_unit_test(orientation), cmocka_unit_test(refusals),	 cmocka_unit_test(sweeps),
		cmocka_unit_test(checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
