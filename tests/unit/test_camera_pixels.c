/* SPDX-License-Identifier: Apache-2.0 */
#include "image_util.h"

#include "station/source/camera_pixels.h"
#include "vision/bayer.h"

#define WIDTH 16
#define HEIGHT 6
#define COUNT (WIDTH * HEIGHT)

/* What the camera's samples are, of so many bits. */
static unsigned value_at(int i, int bits)
{
	return (unsigned)(i * 2654435761u >> 7) & ((1u << bits) - 1);
}

/* Packs as the standards say, bit by bit, so that no arithmetic is shared with what is tested. */
static size_t pack(enum assay__camera_packing packing, int bits, uint8_t *out)
{
	size_t at = 0;

	memset(out, 0, COUNT * 2);
	switch (packing) {
	case ASSAY__CAMERA_8:
		for (int i = 0; i < COUNT; i++)
			out[at++] = (uint8_t)value_at(i, 8);
		return at;
	case ASSAY__CAMERA_16:
		for (int i = 0; i < COUNT; i++) {
			out[at++] = value_at(i, bits) & 0xff;
			out[at++] = (uint8_t)(value_at(i, bits) >> 8);
		}
		return at;
	case ASSAY__CAMERA_LSB:
		for (int i = 0; i < COUNT; i++)
			for (int k = 0; k < bits; k++, at++)
				if (value_at(i, bits) >> k & 1)
					out[at / 8] |= (uint8_t)(1 << at % 8);
		return at / 8;
	case ASSAY__CAMERA_PACKED:
		for (int i = 0; i < COUNT; i += 2, at += 3) {
			unsigned a = value_at(i, bits), b = value_at(i + 1, bits);

			out[at] = (uint8_t)(a >> (bits - 8));
			out[at + 2] = (uint8_t)(b >> (bits - 8));
			out[at + 1] = (uint8_t)((a & ((1u << (bits - 8)) - 1)) | (b & ((1u << (bits - 8)) - 1)) << 4);
		}
		return at;
	}
	return 0;
}

static const struct assay__camera_layout *find(uint32_t code)
{
	const struct assay__camera_layout *layout = assay__camera_layout_find(code);

	assert_non_null(layout);
	return layout;
}

/* All grey formats: samples come out in the high bits, none lost. */
static void test_grey(void **state)
{
	static const uint32_t codes[] = {0x01080001, 0x01100003, 0x010a0046, 0x010c0004, 0x01100005,
									 0x010c0047, 0x010c0006, 0x01100025, 0x01100007};
	uint8_t sent[COUNT * 2], pixels[COUNT * 2];

	(void)state;
	for (size_t n = 0; n < sizeof(codes) / sizeof(codes[0]); n++) {
		const struct assay__camera_layout *layout = find(codes[n]);
		size_t size = pack(layout->packing, layout->bits, sent);
		struct assay_image image;

		assert_int_equal(size, assay__camera_sent_bytes(layout, WIDTH, HEIGHT));
		assert_int_equal(size * 8, (size_t)COUNT * (layout->code >> 16 & 0xff));
		assert_int_equal(assay__camera_picture(layout, sent, size, WIDTH, HEIGHT, NULL, pixels, &image, NULL), 0);
		assert_kind(&image, WIDTH, HEIGHT, 1, layout->bits > 8 ? 16 : 8);
		for (int i = 0; i < COUNT; i++)
			assert_int_equal(sample_at(&image, i % WIDTH, i / WIDTH, 0), value_at(i, layout->bits)
																			 << (image.depth_bits - layout->bits));
	}
}

static void test_colour(void **state)
{
	uint8_t sent[COUNT * 3], pixels[COUNT * 3];
	struct assay_image image;

	(void)state;
	for (int i = 0; i < COUNT * 3; i++)
		sent[i] = (uint8_t)value_at(i, 8);
	assert_int_equal(
		assay__camera_picture(find(0x02180014), sent, sizeof(sent), WIDTH, HEIGHT, NULL, pixels, &image, NULL), 0);
	assert_kind(&image, WIDTH, HEIGHT, 3, 8);
	assert_memory_equal(pixels, sent, sizeof(sent));
	assert_int_equal(
		assay__camera_picture(find(0x02180015), sent, sizeof(sent), WIDTH, HEIGHT, NULL, pixels, &image, NULL), 0);
	for (int i = 0; i < COUNT; i++)
		for (int c = 0; c < 3; c++)
			assert_int_equal(pixels[3 * i + c], sent[3 * i + 2 - c]);
}

/* Every mosaic of one colour gives that colour: the order of the name is the order of the code. */
static void test_mosaic(void **state)
{
	static const struct {
		uint32_t code;
		int red_x, red_y;
	} all[] = {{0x01080009, 0, 0}, {0x01080008, 1, 0}, {0x0108000a, 0, 1}, {0x0108000b, 1, 1},
			   {0x01100011, 0, 0}, {0x01100010, 1, 0}, {0x01100012, 0, 1}, {0x01100013, 1, 1},
			   {0x010c0059, 0, 0}, {0x010c0057, 1, 0}, {0x010c0055, 0, 1}, {0x010c0053, 1, 1},
			   {0x010c002b, 0, 0}, {0x010c002a, 1, 0}, {0x010c002c, 0, 1}, {0x010c002d, 1, 1}};
	static uint8_t sent[COUNT * 2], pixels[COUNT * 6];
	uint16_t scratch[COUNT];

	(void)state;
	for (size_t n = 0; n < sizeof(all) / sizeof(all[0]); n++) {
		const struct assay__camera_layout *layout = find(all[n].code);
		size_t size = assay__camera_sent_bytes(layout, WIDTH, HEIGHT);
		struct assay_image image;

		memset(sent, 0, sizeof(sent));
		for (int i = 0; i < COUNT; i++) {
			unsigned v = i % WIDTH % 2 == all[n].red_x && i / WIDTH % 2 == all[n].red_y ? (1u << layout->bits) - 1 : 0;

			switch (layout->packing) {
			case ASSAY__CAMERA_8:
				sent[i] = (uint8_t)v;
				break;
			case ASSAY__CAMERA_16:
				sent[2 * i] = v & 0xff;
				sent[2 * i + 1] = (uint8_t)(v >> 8);
				break;
			case ASSAY__CAMERA_LSB:
				for (int k = 0; k < layout->bits; k++)
					if (v >> k & 1)
						sent[(i * layout->bits + k) / 8] |= (uint8_t)(1 << (i * layout->bits + k) % 8);
				break;
			case ASSAY__CAMERA_PACKED:
				if (v) {
					sent[i / 2 * 3 + i % 2 * 2] = 0xff;
					sent[i / 2 * 3 + 1] |= i % 2 ? 0xf0 : 0x0f;
				}
				break;
			}
		}
		assert_int_equal(assay__camera_picture(layout, sent, size, WIDTH, HEIGHT, scratch, pixels, &image, NULL), 0);
		assert_kind(&image, WIDTH, HEIGHT, 3, layout->bits > 8 ? 16 : 8);
		assert_int_equal(sample_at(&image, 4 + all[n].red_x, 2 + all[n].red_y, 0), layout->bits > 8 ? 0xfff0 : 0xff);
		assert_int_equal(sample_at(&image, 5 + all[n].red_x, 3 + all[n].red_y, 2), 0);
	}
}

/* What a camera may send and must not be believed. */
static void test_refused(void **state)
{
	static uint8_t sent[COUNT * 2], pixels[COUNT * 2];
	struct assay_image image = {.width_px = 7};
	struct assay_error error;

	(void)state;
	assert_null(assay__camera_layout_find(0x0208001d));
	assert_int_equal(
		assay__camera_picture(find(0x01080001), sent, COUNT - 1, WIDTH, HEIGHT, NULL, pixels, &image, &error),
		ASSAY_E_FORMAT);
	assert_non_null(strstr(error.message, "95 bytes came"));
	assert_int_equal(assay__camera_picture(find(0x010c0006), sent, sizeof(sent), 7, 2, NULL, pixels, &image, &error),
					 ASSAY_E_UNSUPPORTED);
	assert_int_equal(assay__camera_picture(find(0x010a0046), sent, sizeof(sent), 6, 2, NULL, pixels, &image, &error),
					 ASSAY_E_UNSUPPORTED);
	assert_non_null(strstr(error.message, "multiple of 8"));
	assert_int_equal(assay__camera_picture(find(0x01080001), sent, sizeof(sent), 0, 2, NULL, pixels, &image, &error),
					 ASSAY_E_LIMIT);
	assert_int_equal(
		assay__camera_picture(find(0x01080001), sent, sizeof(sent), 65000, 65000, NULL, pixels, &image, &error),
		ASSAY_E_LIMIT);
	assert_int_equal(image.width_px, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grey),
		cmocka_unit_test(test_colour),
		cmocka_unit_test(test_mosaic),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
