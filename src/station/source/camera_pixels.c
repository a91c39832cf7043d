/* SPDX-License-Identifier: Apache-2.0 */
#include "station/source/camera_pixels.h"

#include <string.h>

#include "base/err.h"
#include "vision/bayer.h"

#define BAYER(order, eight, ten, ten_p, ten_packed, twelve, twelve_p, twelve_packed, sixteen)                          \
	{"Bayer" #order "8", eight, ASSAY__CAMERA_8, 8, 3, ASSAY__BAYER_##order, false},                                   \
		{"Bayer" #order "10", ten, ASSAY__CAMERA_16, 10, 3, ASSAY__BAYER_##order, false},                              \
		{"Bayer" #order "10p", ten_p, ASSAY__CAMERA_LSB, 10, 3, ASSAY__BAYER_##order, false},                          \
		{"Bayer" #order "10Packed", ten_packed, ASSAY__CAMERA_PACKED, 10, 3, ASSAY__BAYER_##order, false},             \
		{"Bayer" #order "12", twelve, ASSAY__CAMERA_16, 12, 3, ASSAY__BAYER_##order, false},                           \
		{"Bayer" #order "12p", twelve_p, ASSAY__CAMERA_LSB, 12, 3, ASSAY__BAYER_##order, false},                       \
		{"Bayer" #order "12Packed", twelve_packed, ASSAY__CAMERA_PACKED, 12, 3, ASSAY__BAYER_##order, false},          \
	{                                                                                                                  \
		"Bayer" #order "16", sixteen, ASSAY__CAMERA_16, 16, 3, ASSAY__BAYER_##order, false                             \
	}

/* The names of PFNC say the colours of the first row; enum assay__bayer those of two. */
#define ASSAY__BAYER_RG ASSAY__BAYER_RGGB
#define ASSAY__BAYER_GR ASSAY__BAYER_GRBG
#define ASSAY__BAYER_GB ASSAY__BAYER_GBRG
#define ASSAY__BAYER_BG ASSAY__BAYER_BGGR

/* Codes: EMVA, "PFNC Values", 32 bit; 0x01 is one component, 0x02 several, then bits per pixel, then a number. */
static const struct assay__camera_layout layouts[] = {
	{"Mono8", 0x01080001, ASSAY__CAMERA_8, 8, 1, -1, false},
	{"Mono10", 0x01100003, ASSAY__CAMERA_16, 10, 1, -1, false},
	{"Mono10p", 0x010a0046, ASSAY__CAMERA_LSB, 10, 1, -1, false},
	{"Mono10Packed", 0x010c0004, ASSAY__CAMERA_PACKED, 10, 1, -1, false},
	{"Mono12", 0x01100005, ASSAY__CAMERA_16, 12, 1, -1, false},
	{"Mono12p", 0x010c0047, ASSAY__CAMERA_LSB, 12, 1, -1, false},
	{"Mono12Packed", 0x010c0006, ASSAY__CAMERA_PACKED, 12, 1, -1, false},
	{"Mono14", 0x01100025, ASSAY__CAMERA_16, 14, 1, -1, false},
	{"Mono16", 0x01100007, ASSAY__CAMERA_16, 16, 1, -1, false},
	{"RGB8", 0x02180014, ASSAY__CAMERA_8, 8, 3, -1, false},
	{"BGR8", 0x02180015, ASSAY__CAMERA_8, 8, 3, -1, true},
	BAYER(GR, 0x01080008, 0x0110000c, 0x010a0056, 0x010c0026, 0x01100010, 0x010c0057, 0x010c002a, 0x0110002e),
	BAYER(RG, 0x01080009, 0x0110000d, 0x010a0058, 0x010c0027, 0x01100011, 0x010c0059, 0x010c002b, 0x0110002f),
	BAYER(GB, 0x0108000a, 0x0110000e, 0x010a0054, 0x010c0028, 0x01100012, 0x010c0055, 0x010c002c, 0x01100030),
	BAYER(BG, 0x0108000b, 0x0110000f, 0x010a0052, 0x010c0029, 0x01100013, 0x010c0053, 0x010c002d, 0x01100031),
};
#define COUNT (sizeof(layouts) / sizeof(layouts[0]))

const struct assay__camera_layout *assay__camera_layout_find(uint32_t code)
{
	for (size_t i = 0; i < COUNT; i++)
		if (layouts[i].code == code)
			return &layouts[i];
	return NULL;
}

const char *assay__camera_layout_names(void)
{
	return "Mono8 Mono10 Mono12 Mono14 Mono16 RGB8 BGR8 BayerRG8 BayerRG10 BayerRG12 BayerRG16 (also GR, GB, BG), and "
		   "Mono and Bayer 10p, 12p, 10Packed, 12Packed";
}

static size_t row_bytes(const struct assay__camera_layout *layout, int width_px)
{
	size_t samples = (size_t)width_px * (layout->bayer < 0 ? (size_t)layout->channels : 1);

	switch (layout->packing) {
	case ASSAY__CAMERA_8:
		return samples;
	case ASSAY__CAMERA_16:
		return samples * 2;
	case ASSAY__CAMERA_LSB:
		return samples * (size_t)layout->bits / 8;
	case ASSAY__CAMERA_PACKED:
		return samples / 2 * 3;
	}
	return 0;
}

size_t assay__camera_sent_bytes(const struct assay__camera_layout *layout, int width_px, int height_px)
{
	return row_bytes(layout, width_px) * (size_t)height_px;
}

size_t assay__camera_picture_bytes(const struct assay__camera_layout *layout, int width_px, int height_px)
{
	return (size_t)width_px * (size_t)height_px * (size_t)layout->channels * (layout->bits > 8 ? 2 : 1);
}

static void take_16(const uint8_t *from, uint16_t *to, size_t count, int shift)
{
	for (size_t i = 0; i < count; i++)
		to[i] = (uint16_t)((from[2 * i] | from[2 * i + 1] << 8) << shift);
}

/* The high eight bits of each sample have a byte of their own, the rest of both share the one between. */
static void take_packed(const uint8_t *from, uint16_t *to, size_t count, int bits)
{
	int low = bits - 8, mask = (1 << low) - 1;

	for (size_t i = 0; i + 1 < count; i += 2, from += 3) {
		to[i] = (uint16_t)((from[0] << low | (from[1] & mask)) << (16 - bits));
		to[i + 1] = (uint16_t)((from[2] << low | (from[1] >> 4 & mask)) << (16 - bits));
	}
}

/* One channel of 16 bits, white high. */
static int take_deep(const struct assay__camera_layout *layout, const uint8_t *bytes, size_t size_bytes,
					 struct assay_image *to, struct assay_error *error)
{
	size_t count = (size_t)to->width_px * (size_t)to->height_px;
	uint16_t *samples = (uint16_t *)(void *)to->pixels;
	int rc = 0;

	switch (layout->packing) {
	case ASSAY__CAMERA_8:
		break;
	case ASSAY__CAMERA_16:
		take_16(bytes, samples, count, 16 - layout->bits);
		break;
	case ASSAY__CAMERA_PACKED:
		take_packed(bytes, samples, count, layout->bits);
		break;
	case ASSAY__CAMERA_LSB:
		rc = assay__unpack_samples(bytes, size_bytes, row_bytes(layout, to->width_px), layout->bits, to, error);
		for (size_t i = 0; !rc && i < count; i++)
			samples[i] = (uint16_t)(samples[i] << (16 - layout->bits));
		break;
	}
	return rc;
}

static void swap_red_and_blue(uint8_t *pixels, size_t count)
{
	for (size_t i = 0; i < count; i++, pixels += 3) {
		uint8_t first = pixels[0];

		pixels[0] = pixels[2];
		pixels[2] = first;
	}
}

static int check(const struct assay__camera_layout *layout, size_t size_bytes, int width_px, int height_px,
				 struct assay_error *error)
{
	size_t sent;

	if (width_px < 1 || height_px < 1 || width_px > ASSAY_IMAGE_MAX_SIDE_PX || height_px > ASSAY_IMAGE_MAX_SIDE_PX ||
		(int64_t)width_px * height_px > ASSAY_IMAGE_MAX_PIXELS)
		return assay__fail(error, ASSAY_E_LIMIT, -1, "a picture of %d x %d px, expected 1 x 1 to %d million pixels",
						   width_px, height_px, ASSAY_IMAGE_MAX_PIXELS / 1000000);
	if ((layout->packing == ASSAY__CAMERA_LSB && (int64_t)width_px * layout->bits % 8) ||
		(layout->packing == ASSAY__CAMERA_PACKED && width_px % 2))
		return assay__fail(error, ASSAY_E_UNSUPPORTED, -1,
						   "%s with a width of %d px, whose rows end within a byte; choose a region whose width is a "
						   "multiple of 8",
						   layout->name, width_px);
	sent = assay__camera_sent_bytes(layout, width_px, height_px);
	if (size_bytes < sent)
		return assay__fail(error, ASSAY_E_FORMAT, -1, "%zu bytes came, %d x %d px of %s are %zu", size_bytes, width_px,
						   height_px, layout->name, sent);
	return 0;
}

int assay__camera_picture(const struct assay__camera_layout *layout, const void *bytes, size_t size_bytes, int width_px,
						  int height_px, uint16_t *scratch, uint8_t *pixels, struct assay_image *image,
						  struct assay_error *error)
{
	bool deep = layout->bits > 8, mosaic = layout->bayer >= 0;
	struct assay_image filled = {.width_px = width_px,
								 .height_px = height_px,
								 .channels = layout->channels,
								 .depth_bits = deep ? 16 : 8,
								 .stride_bytes = (size_t)width_px * (size_t)layout->channels * (deep ? 2 : 1),
								 .pixels = pixels};
	struct assay_image raw = filled;
	int rc = check(layout, size_bytes, width_px, height_px, error);

	if (rc)
		return rc;
	if (mosaic) {
		raw.channels = 1;
		raw.stride_bytes = (size_t)width_px * (deep ? 2 : 1);
		/* Only read from: the demosaicing's first picture is never written. */
		raw.pixels = deep ? (uint8_t *)scratch : (uint8_t *)(uintptr_t)bytes;
	}
	if (deep)
		rc = take_deep(layout, bytes, size_bytes, &raw, error);
	else if (!mosaic)
		memcpy(pixels, bytes, filled.stride_bytes * (size_t)height_px);
	if (!rc && mosaic)
		rc = assay__bayer_to_rgb(&raw, (enum assay__bayer)layout->bayer, raw.depth_bits, &filled, error);
	if (rc)
		return rc;
	if (layout->blue_first)
		swap_red_and_blue(pixels, (size_t)width_px * (size_t)height_px);
	*image = filled;
	return 0;
}
