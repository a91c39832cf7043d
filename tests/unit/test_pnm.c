/* SPDX-License-Identifier: Apache-2.0 */
#include "image_util.h"

#include <stdio.h>

static struct buffer text(const char *s)
{
	struct buffer b = {0};

	put_text(&b, s);
	return b;
}

static void decode_text(const char *s, int width, int height, int channels, int depth, const uint32_t *want)
{
	struct buffer b = text(s);
	struct assay_image image = must_decode(b.data, b.size);
	int x, y, c;

	assert_kind(&image, width, height, channels, depth);
	for (y = 0; y < height; y++)
		for (x = 0; x < width; x++)
			for (c = 0; c < channels; c++)
				assert_int_equal(sample_at(&image, x, y, c), *want++);
	assay_image_free(&image, NULL);
	drop(&b);
}

static void fail_text(const char *s, enum assay_err code, const char *words)
{
	struct buffer b = text(s);

	must_fail(b.data, b.size, code, words);
	drop(&b);
}

static void plain(void **state)
{
	(void)state;
	decode_text("P1\n3 2\n0 1 0\n1 1 0", 3, 2, 1, 8, (uint32_t[]){255, 0, 255, 0, 0, 255});
	decode_text("P1 3 2 010110", 3, 2, 1, 8, (uint32_t[]){255, 0, 255, 0, 0, 255});
	decode_text("P2\n# made by hand\n2 #width\n2\n255\n0 1\n254 255\n", 2, 2, 1, 8, (uint32_t[]){0, 1, 254, 255});
	decode_text("P2#x\n2 1 15 # last\r7\t15 ", 2, 1, 1, 8, (uint32_t[]){119, 255});
	decode_text("P3 1 2 255 1 2 3 4 5 6\n", 1, 2, 3, 8, (uint32_t[]){1, 2, 3, 4, 5, 6});
	decode_text("P2 3 1 65535 0 258 65535\n", 3, 1, 1, 16, (uint32_t[]){0, 258, 65535});
	decode_text("P2 2 1 1 0 1\n", 2, 1, 1, 8, (uint32_t[]){0, 255});
}

static void raw(void **state)
{
	struct buffer b = text("P4 10 2\n");
	struct assay_image image;
	int x, y, c;

	(void)state;
	put(&b, "\xa0\x40\x01\x80", 4);
	image = must_decode(b.data, b.size);
	assert_kind(&image, 10, 2, 1, 8);
	for (x = 0; x < 10; x++) {
		assert_int_equal(sample_at(&image, x, 0, 0), x == 0 || x == 2 || x == 9 ? 0 : 255);
		assert_int_equal(sample_at(&image, x, 1, 0), x == 7 || x == 8 ? 0 : 255);
	}
	assay_image_free(&image, NULL);
	drop(&b);

	b = text("P6\n5 4\n65535\n");
	for (y = 0; y < 4; y++)
		for (x = 0; x < 5; x++)
			for (c = 0; c < 3; c++)
				put_be(&b, pattern(x, y, c, 65535), 2);
	image = must_decode(b.data, b.size);
	assert_kind(&image, 5, 4, 3, 16);
	for (y = 0; y < 4; y++)
		for (x = 0; x < 5; x++)
			for (c = 0; c < 3; c++)
				assert_int_equal(sample_at(&image, x, y, c), pattern(x, y, c, 65535));
	assay_image_free(&image, NULL);
	drop(&b);
}

/* Every sample of every kind of largest value, against the rule computed another way. */
static void scaling(void **state)
{
	static const uint32_t maxima[] = {1, 2, 3, 15, 100, 127, 254, 255, 256, 1023, 4095, 16383, 65534, 65535};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(maxima) / sizeof(maxima[0]); i++) {
		uint32_t max = maxima[i], full = max > 255 ? 65535 : 255, v, n = max < 60000 ? max + 1 : 60000, low;
		struct buffer b = {0};
		struct assay_image image;
		char head[64];

		low = max + 1 - n;
		snprintf(head, sizeof(head), "P5 %u 1 %u\n", n, max);
		put_text(&b, head);
		for (v = low; v <= max; v++)
			put_be(&b, v, max > 255 ? 2 : 1);
		image = must_decode(b.data, b.size);
		assert_kind(&image, (int)n, 1, 1, max > 255 ? 16 : 8);
		for (v = low; v <= max; v++) {
			uint32_t got = sample_at(&image, (int)(v - low), 0, 0);
			int64_t off = (int64_t)got * max - (int64_t)v * full; /* the error times max: at most half a step */

			assert_true(2 * (off < 0 ? -off : off) <= (int64_t)max);
		}
		assert_int_equal(sample_at(&image, (int)n - 1, 0, 0), full);
		assay_image_free(&image, NULL);
		drop(&b);
	}
}

static void refusals(void **state)
{
	(void)state;
	fail_text("P5\n", ASSAY_E_FORMAT, "ends early");
	fail_text("P5\n0 5\n255\nxxxxx", ASSAY_E_FORMAT, "0 x 5");
	fail_text("P5\n-3 5\n255\n", ASSAY_E_FORMAT, "found byte 0x2d at byte 3, expected the width");
	fail_text("P5\n3x5\n255\n", ASSAY_E_FORMAT, "found byte 0x78 at byte 4");
	fail_text("P5\n3 5\n0\n...............", ASSAY_E_FORMAT, "largest value is 0");
	fail_text("P5\n3 5\n65536\n..............................", ASSAY_E_FORMAT, "largest value is 65536");
	fail_text("P5\n99999999999999999999 5\n255\n", ASSAY_E_FORMAT, "width at byte 3 is too large");
	fail_text("P5\n65501 1\n255\n", ASSAY_E_LIMIT, "65501 x 1");
	fail_text("P5\n65500 65500\n255\n", ASSAY_E_LIMIT, "million");
	fail_text("P5\n10000 10000\n255\nabc", ASSAY_E_FORMAT, "take at least 100000019");
	fail_text("P2\n2 2\n255\n1 2 3 4", ASSAY_E_FORMAT, "ends early, at byte 18");
	fail_text("P2\n2 2\n255\n1 2 3 256\n", ASSAY_E_FORMAT, "a sample is 256, the largest value is 255");
	fail_text("P5\n1 1\n9\nz", ASSAY_E_FORMAT, "a sample is 122, the largest value is 9");
	fail_text("P1\n2 1\n0 2", ASSAY_E_FORMAT, "expected 0 or 1");
	fail_text("P5\n1 1\n255#c\nz", ASSAY_E_FORMAT, "found a comment");
	fail_text("P7\nWIDTH 1\n", ASSAY_E_FORMAT, "not a picture assay reads");
}

static void sweeps(void **state)
{
	static const char *const files[] = {
		"P1\n# c\n4 2\n0 1 1 0\n1 0 0 1\n",		  "P2\n3 2\n255\n0 10 200\n30 40 255\n",
		"P3\n2 1\n1000\n0 1000 3\n4 5 999\n",	  "P4\n9 2\nabcd",
		"P5\n3 2\n200\n\x01\x02\x03\x04\x05\xc8", "P6\n# two\n1 2\n255\nabcdef",
	};
	/* only after the last pixel may bytes be missing: white space after P1's last digit */
	static const int whole[] = {1, 0, 0, 0, 0, 0};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		sweep_cuts((const uint8_t *)files[i], strlen(files[i]), whole[i]);
		sweep_changes((const uint8_t *)files[i], strlen(files[i]));
		sweep_allocations((const uint8_t *)files[i], strlen(files[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),	cmocka_unit_test(raw),	  cmocka_unit_test(scaling),
		cmocka_unit_test(refusals), cmocka_unit_test(sweeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
