/* SPDX-License-Identifier: Apache-2.0 */
#include "image_util.h"

#include <stdio.h>

#include <jpeglib.h>

#include "vision/image/codec.h"

struct making {
	J_COLOR_SPACE from, to;
	int components, quality;
	bool progressive, subsampled;
	int scans; /* that many of one coefficient each, after one for the mean; grey only */
	const void *exif;
	size_t exif_size;
};

/* Smooth enough for JPEG, and different in every channel. */
static uint8_t smooth(int x, int y, int c)
{
	return (uint8_t)(c == 0 ? 20 + x * 3 + y : c == 1 ? 200 - x * 2 : 60 + y * 4);
}

static struct buffer make_jpeg(int width, int height, const struct making *m)
{
	struct jpeg_compress_struct jpeg;
	struct jpeg_error_mgr manager;
	unsigned char *bytes = NULL;
	unsigned long size = 0;
	jpeg_scan_info scans[127];
	uint8_t row[4 * 512];
	JSAMPROW rows[] = {row};
	struct buffer b = {0};
	int x, c;

	jpeg.err = jpeg_std_error(&manager);
	jpeg_create_compress(&jpeg);
	jpeg_mem_dest(&jpeg, &bytes, &size);
	jpeg.image_width = (JDIMENSION)width;
	jpeg.image_height = (JDIMENSION)height;
	jpeg.input_components = m->components;
	jpeg.in_color_space = m->from;
	jpeg_set_defaults(&jpeg);
	jpeg_set_colorspace(&jpeg, m->to);
	jpeg_set_quality(&jpeg, m->quality ? m->quality : 95, TRUE);
	jpeg.dct_method = JDCT_ISLOW;
	if (!m->subsampled)
		jpeg.comp_info[0].h_samp_factor = jpeg.comp_info[0].v_samp_factor = 1;
	if (m->progressive)
		jpeg_simple_progression(&jpeg);
	if (m->scans) {
		for (x = 0; x <= m->scans; x++)
			scans[x] = (jpeg_scan_info){1, {0}, (x + 62) % 63 + 1, (x + 62) % 63 + 1, x > 63, x <= 63};
		scans[0] = (jpeg_scan_info){1, {0}, 0, 0, 0, 0};
		jpeg.scan_info = scans;
		jpeg.num_scans = m->scans + 1;
	}
	jpeg_start_compress(&jpeg, TRUE);
	if (m->exif)
		jpeg_write_marker(&jpeg, JPEG_APP0 + 1, m->exif, (unsigned)m->exif_size);
	while (jpeg.next_scanline < jpeg.image_height) {
		for (x = 0; x < width; x++)
			for (c = 0; c < m->components; c++)
				row[x * m->components + c] = smooth(x, (int)jpeg.next_scanline, c);
		jpeg_write_scanlines(&jpeg, rows, 1);
	}
	jpeg_finish_compress(&jpeg);
	jpeg_destroy_compress(&jpeg);
	put(&b, bytes, size);
	free(bytes);
	return b;
}

#define GREY_HASH "cb40fa1a38009a1c73d1ba0c3780cbf52ae9a94aadf403dd6d99155847c9cd0b"
#define COLOUR_HASH "f0eaa389bb0876f9833bed0bbbad204ce9378361bd383dedd071c98e55962700"

static const struct making grey = {JCS_GRAYSCALE, JCS_GRAYSCALE, 1, 0, false, false, 0, NULL, 0};
static const struct making colour = {JCS_RGB, JCS_YCbCr, 3, 0, false, true, 0, NULL, 0};
static const struct making full = {JCS_RGB, JCS_YCbCr, 3, 0, false, false, 0, NULL, 0};
static const struct making rgb = {JCS_RGB, JCS_RGB, 3, 0, false, false, 0, NULL, 0};
static const struct making progressive = {JCS_RGB, JCS_YCbCr, 3, 0, true, true, 0, NULL, 0};
static const struct making cmyk = {JCS_CMYK, JCS_CMYK, 4, 0, false, false, 0, NULL, 0};
static const struct making ycck = {JCS_CMYK, JCS_YCCK, 4, 0, false, false, 0, NULL, 0};

static void kinds(void **state)
{
	static const struct {
		const struct making *making;
		int off; /* largest error expected of this kind of coding */
	} kinds[] = {{&grey, 4}, {&full, 6}, {&rgb, 4}, {&colour, 14}, {&progressive, 14}};
	size_t k;
	int x, y, c;

	(void)state;
	for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		struct buffer b = make_jpeg(33, 21, kinds[k].making);
		struct assay_image image = must_decode(b.data, b.size);

		assert_kind(&image, 33, 21, kinds[k].making->components, 8);
		for (y = 0; y < 21; y++)
			for (x = 0; x < 33; x++)
				for (c = 0; c < image.channels; c++)
					if (abs((int)sample_at(&image, x, y, c) - smooth(x, y, c)) > kinds[k].off)
						fail_msg("kind %zu: (%d, %d, %d) is %u, expected about %u", k, x, y, c,
								 sample_at(&image, x, y, c), smooth(x, y, c));
		assay_image_free(&image, NULL);
		drop(&b);
	}
}

/* The same bits from every build: the integer transforms leave no freedom. Baseline and progressive agree too. */
static void same_bits(void **state)
{
	static const char *const want[] = {GREY_HASH, COLOUR_HASH, COLOUR_HASH};
	static const struct making *const makings[] = {&grey, &colour, &progressive};
	size_t k, i;

	(void)state;
	for (k = 0; k < 3; k++) {
		struct buffer b = make_jpeg(101, 67, makings[k]);
		struct assay_image image = must_decode(b.data, b.size);
		uint8_t hash[ASSAY_HASH_BYTES];
		char text[2 * ASSAY_HASH_BYTES + 1];

		assay_image_hash(&image, hash);
		for (i = 0; i < sizeof(hash); i++)
			snprintf(text + 2 * i, 3, "%02x", hash[i]);
		assert_string_equal(text, want[k]);
		assay_image_free(&image, NULL);
		drop(&b);
	}
}

static void refusals(void **state)
{
	struct buffer b = make_jpeg(16, 16, &cmyk);
	uint8_t *frame;
	size_t i;

	(void)state;
	must_fail(b.data, b.size, ASSAY_E_UNSUPPORTED, "JPEG: the colours are CMYK");
	drop(&b);
	b = make_jpeg(16, 16, &ycck);
	must_fail(b.data, b.size, ASSAY_E_UNSUPPORTED, "CMYK");
	drop(&b);

	b = make_jpeg(16, 16, &grey);
	for (i = 0; b.data[i] != 0xff || b.data[i + 1] != 0xc0;)
		i++;
	frame = b.data + i;
	frame[5] = frame[7] = 0x20; /* 8192 or so squared */
	must_fail(b.data, b.size, ASSAY_E_FORMAT, "it claims 8208 x 8208 pixels, which");
	frame[5] = frame[7] = 0xff;
	must_fail(b.data, b.size, ASSAY_E_LIMIT, "JPEG");
	frame[5] = frame[7] = 0;
	frame[4] = 12;
	must_fail(b.data, b.size, ASSAY_E_UNSUPPORTED, "precision 12");
	frame[4] = 8;
	frame[1] = 0xc3;
	must_fail(b.data, b.size, ASSAY_E_UNSUPPORTED, "SOF");
	drop(&b);
	must_fail((const uint8_t *)"\xff\xd8\xff", 3, ASSAY_E_FORMAT, "the file ends early, at byte 3");
	must_fail((const uint8_t *)"\xff\xd8\xff\xd9", 4, ASSAY_E_FORMAT, "JPEG");
}

/* A picture that ends in the middle is an error that says where, and so is one with a hole. */
static void half_a_picture(void **state)
{
	struct buffer b = make_jpeg(200, 200, &colour);
	struct assay_error error;
	struct assay_image image;

	(void)state;
	assert_int_equal(assay_image_decode(b.data, b.size / 2, NULL, &image, &error), ASSAY_E_FORMAT);
	assert_int_equal(error.position, (int64_t)b.size / 2);
	assert_non_null(strstr(error.message, "ends early"));
	b.data[b.size / 2] = 0xff;
	b.data[b.size / 2 + 1] = 0xd9;
	must_fail(b.data, b.size, ASSAY_E_FORMAT, "Corrupt JPEG data: premature end of data segment (near byte");
	drop(&b);
}

static void put_entry(struct buffer *b, bool big, uint32_t tag, uint32_t type, uint32_t count, uint32_t value)
{
	void (*number)(struct buffer *, uint64_t, int) = big ? put_be : put_le;

	number(b, tag, 2);
	number(b, type, 2);
	number(b, count, 4);
	number(b, type == 3 && big ? value << 16 : value, 4);
}

static struct buffer make_exif(bool big, uint32_t directory, uint32_t count, uint32_t orientation)
{
	void (*number)(struct buffer *, uint64_t, int) = big ? put_be : put_le;
	struct buffer b = {0};

	put_text(&b, big ? "MM" : "II");
	number(&b, 42, 2);
	number(&b, directory, 4);
	while (b.size < directory && directory < 100)
		put_le(&b, 0xa5, 1);
	number(&b, count, 2);
	put_entry(&b, big, 0x010f, 2, 4, 0x41424300);
	put_entry(&b, big, 0x0112, 3, 1, orientation);
	number(&b, 0, 4);
	return b;
}

static void exif_block(void **state)
{
	uint32_t o;
	int big;
	size_t n;

	(void)state;
	for (big = 0; big < 2; big++) {
		for (o = 0; o < 12; o++) {
			struct buffer b = make_exif(big, 8 + o, 2, o);

			assert_int_equal(assay__exif_orientation(b.data, b.size), o >= 1 && o <= 8 ? o : 1);
			drop(&b);
		}
		/* hostile: offsets and counts that lead out of the block, every cut */
		for (n = 0; n < 4; n++) {
			struct buffer b =
				make_exif(big, (uint32_t[]){0, 0xffffffff, 0xfffffffe, 8}[n], (uint32_t[]){2, 2, 2, 0xffff}[n], 6);

			assert_int_equal(assay__exif_orientation(b.data, b.size), n == 3 ? 6 : 1);
			drop(&b);
		}
		{
			struct buffer b = make_exif(big, 8, 2, 6);

			for (n = 0; n < b.size; n++) {
				uint8_t *cut = malloc(n ? n : 1);

				assert_non_null(cut);
				memcpy(cut, b.data, n);
				assert_int_equal(assay__exif_orientation(cut, n), n < 34 ? 1 : 6);
				free(cut);
			}
			b.data[22 + (big ? 3 : 2)] = 2; /* a type that holds no number */
			assert_int_equal(assay__exif_orientation(b.data, b.size), 1);
			b.data[2] = b.data[3] = 0;
			assert_int_equal(assay__exif_orientation(b.data, b.size), 1);
			drop(&b);
		}
	}
	assert_int_equal(assay__exif_orientation(NULL, 0), 1);
}

static void orientation(void **state)
{
	/* the corner block that is dark in a 40 x 24 picture, by orientation: from the right?, from the bottom? */
	static const bool right[9] = {0, 0, 1, 1, 0, 0, 1, 1, 0}, bottom[9] = {0, 0, 0, 1, 1, 0, 0, 1, 1};
	struct making making = colour;
	struct assay_image plain;
	struct buffer b = make_jpeg(40, 24, &making), exif, app1;
	uint32_t o;
	int big;

	(void)state;
	plain = must_decode(b.data, b.size);
	drop(&b);
	for (big = 0; big < 2; big++)
		for (o = 1; o <= 8; o++) {
			struct assay_image image;

			app1 = (struct buffer){0};
			put(&app1, "Exif\0", 6);
			exif = make_exif(big, 8, 2, o);
			put(&app1, exif.data, exif.size);
			making.exif = app1.data;
			making.exif_size = app1.size;
			b = make_jpeg(40, 24, &making);
			image = must_decode(b.data, b.size);
			assert_kind(&image, o < 5 ? 40 : 24, o < 5 ? 24 : 40, 3, 8);
			assert_int_equal(
				sample_at(&image, right[o] ? image.width_px - 1 : 0, bottom[o] ? image.height_px - 1 : 0, 0),
				sample_at(&plain, 0, 0, 0));
			drop(&exif);
			drop(&app1);
			drop(&b);
			assay_image_free(&image, NULL);
		}
	assay_image_free(&plain, NULL);
}

static void encode(void **state)
{
	int channels, x, y, c;
	long k;

	(void)state;
	for (channels = 1; channels <= 3; channels += 2) {
		struct assay_image image = make_image(120, 90, channels, 8), read, deep;
		uint8_t *bytes = NULL, *again;
		size_t size = 3, again_size;
		struct assay_error error;

		for (y = 0; y < 90; y++)
			for (x = 0; x < 120; x++)
				for (c = 0; c < channels; c++)
					set_sample(&image, x, y, c, (uint32_t)(x + y));
		for (k = 1;; k++) {
			COUNTING(counting, k);
			if (assay_image_encode_jpeg(&image, 90, &counting, &bytes, &size, &error) == ASSAY_OK)
				break;
			assert_int_equal(error.code, ASSAY_E_NOMEM);
			assert_int_equal(counting_count.live, 0);
			assert_null(bytes);
		}
		assert_true(k > 1);
		assert_int_equal(assay_image_encode_jpeg(&image, 90, NULL, &again, &again_size, NULL), ASSAY_OK);
		assert_int_equal(size, again_size);
		assert_memory_equal(bytes, again, size);
		read = must_decode(bytes, size);
		assert_kind(&read, 120, 90, channels, 8);
		for (y = 0; y < 90; y++)
			for (x = 0; x < 120; x++)
				assert_true(abs((int)sample_at(&read, x, y, 0) - (x + y)) <= 6);
		assert_int_equal(assay_image_encode_jpeg(&image, 0, NULL, &again, &size, &error), ASSAY_E_ARGUMENT);
		assert_int_equal(assay_image_encode_jpeg(&image, 101, NULL, &again, &size, &error), ASSAY_E_ARGUMENT);
		deep = make_image(2, 2, 1, 16);
		assert_int_equal(assay_image_encode_jpeg(&deep, 90, NULL, &again, &size, &error), ASSAY_E_ARGUMENT);
		assay_image_free(&deep, NULL);
		assay_image_free(&read, NULL);
		assay_image_free(&image, NULL);
		free(bytes);
		free(again);
	}
}

static void sweep_jpeg(int width, int height, const struct making *making)
{
	struct buffer b = make_jpeg(width, height, making);

	sweep_cuts(b.data, b.size, 0);
	sweep_changes(b.data, b.size);
	sweep_allocations(b.data, b.size);
	drop(&b);
}

static void sweeps(void **state)
{
	(void)state;
	sweep_jpeg(9, 9, &grey);
	sweep_jpeg(20, 17, &colour);
	sweep_jpeg(20, 17, &progressive);
	sweep_jpeg(1, 1, &rgb);
}

/* Hundreds of passes over the picture cost time out of all proportion to the file. */
static void many_scans(void **state)
{
	struct making making = grey;
	struct assay_image image;
	struct buffer b;

	(void)state;
	making.scans = 126;
	b = make_jpeg(16, 16, &making);
	must_fail(b.data, b.size, ASSAY_E_LIMIT, "more than 100 scans");
	drop(&b);
	making.scans = 63;
	b = make_jpeg(16, 16, &making);
	image = must_decode(b.data, b.size);
	assert_kind(&image, 16, 16, 1, 8);
	assay_image_free(&image, NULL);
	drop(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),		  cmocka_unit_test(same_bits),	cmocka_unit_test(refusals),
		cmocka_unit_test(half_a_picture), cmocka_unit_test(exif_block), cmocka_unit_test(orientation),
		cmocka_unit_test(encode),		  cmocka_unit_test(sweeps),		cmocka_unit_test(many_scans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
