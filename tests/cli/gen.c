/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the pictures of the command line tests: small turned parts, good and with a defect, and files of odd kinds. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "../unit/onnx_builder.h"
#include "assay/assay.h"

#define SIDE_PX 128
#define HOLES 6

static uint32_t state;

static int draw_number(int below)
{
	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return (int)(state % (uint32_t)below);
}

static int square(int value)
{
	return value * value;
}

/* Turned face with a groove and six bolt holes, moved by up to a pixel; brightness and noise differ by part. */
static int face(int x, int y, int dx, int dy, int bright)
{
	static const int hole_x[HOLES] = {36, 18, -18, -36, -18, 18}, hole_y[HOLES] = {0, 31, 31, 0, -31, -31};
	int cx = x - SIDE_PX / 2 - dx, cy = y - SIDE_PX / 2 - dy, r2 = square(cx) + square(cy);

	if (r2 > square(56))
		return 35;
	for (int i = 0; i < HOLES; i++)
		if (square(cx - hole_x[i]) + square(cy - hole_y[i]) < square(5))
			return 20;
	if (r2 > square(22) && r2 < square(25))
		return 80 + bright;
	return 150 + bright + (r2 / 40) % 7 * 3 - cx / 8;
}

static void draw_part(int index, bool defect, struct assay_image *image, struct assay_image *mask)
{
	int dx, dy, bright, at_x, at_y;

	state = 2463534242u + (uint32_t)index * 2654435761u;
	for (int i = 0; i < 8; i++)
		draw_number(2);
	dx = draw_number(3) - 1;
	dy = draw_number(3) - 1;
	bright = draw_number(9) - 4;
	at_x = 48 + draw_number(33);
	at_y = 40 + draw_number(10);
	for (int y = 0; y < SIDE_PX; y++)
		for (int x = 0; x < SIDE_PX; x++) {
			int value = face(x, y, dx, dy, bright) + draw_number(3) - 1;
			bool inside = defect && square(x - at_x) * 2 + square(y - at_y) < 280 + 40 * ((x ^ y) & 1);

			if (inside)
				value = (x / 2 + y / 3) & 1 ? 15 : 245;
			image->pixels[(size_t)y * image->stride_bytes + (size_t)x] = (uint8_t)(value < 0	 ? 0
																				   : value > 255 ? 255
																								 : value);
			mask->pixels[(size_t)y * mask->stride_bytes + (size_t)x] = inside ? 255 : 0;
		}
}

static int die(const struct assay_error *error)
{
	fprintf(stderr, "gen: %s\n", error->message);
	return 1;
}

/* gen good|defect FOLDER FIRST COUNT [MASK_FOLDER] */
static int parts(int argc, char **argv)
{
	bool defect = !strcmp(argv[1], "defect");
	struct assay_image image, mask;
	struct assay_error error;
	char path[4096];

	if (assay_image_create(SIDE_PX, SIDE_PX, 1, 8, NULL, &image, &error) ||
		assay_image_create(SIDE_PX, SIDE_PX, 1, 8, NULL, &mask, &error))
		return die(&error);
	for (int i = atoi(argv[3]); i < atoi(argv[3]) + atoi(argv[4]); i++) {
		draw_part(i, defect, &image, &mask);
		snprintf(path, sizeof(path), "%s/%03d.png", argv[2], i);
		if (assay_image_save_png(path, &image, &error))
			return die(&error);
		snprintf(path, sizeof(path), "%s/%03d_mask.png", argc > 5 ? argv[5] : "", i);
		if (argc > 5 && assay_image_save_png(path, &mask, &error))
			return die(&error);
	}
	assay_image_free(&image, NULL);
	assay_image_free(&mask, NULL);
	return 0;
}

static void fill(struct assay_image *image)
{
	size_t row_bytes = (size_t)image->width_px * (size_t)image->channels * (size_t)(image->depth_bits / 8);

	for (int y = 0; y < image->height_px; y++)
		for (size_t x = 0; x < row_bytes; x++)
			image->pixels[(size_t)y * image->stride_bytes + x] =
				(uint8_t)(x * 3 + (size_t)y * 5 + (x ^ (size_t)y) % 13);
}

/* gen png|jpeg FILE WIDTH HEIGHT CHANNELS DEPTH */
static int picture(int argc, char **argv)
{
	struct assay_image image;
	struct assay_error error;
	uint8_t *bytes = NULL;
	size_t size = 0;
	FILE *file;
	int rc;

	(void)argc;
	if (assay_image_create(atoi(argv[3]), atoi(argv[4]), atoi(argv[5]), atoi(argv[6]), NULL, &image, &error))
		return die(&error);
	fill(&image);
	rc = !strcmp(argv[1], "jpeg") ? assay_image_encode_jpeg(&image, 90, NULL, &bytes, &size, &error)
								  : assay_image_encode_png(&image, NULL, &bytes, &size, &error);
	assay_image_free(&image, NULL);
	if (rc)
		return die(&error);
	file = fopen(argv[2], "wb");
	rc = !file || fwrite(bytes, 1, size, file) != size;
	rc |= file && fclose(file);
	free(bytes);
	return rc;
}

/* gen cmyk FILE WIDTH HEIGHT */
static int cmyk(int argc, char **argv)
{
	struct jpeg_compress_struct jpeg;
	struct jpeg_error_mgr manager;
	FILE *file = fopen(argv[2], "wb");
	int width = atoi(argv[3]);
	uint8_t *row = calloc((size_t)width, 4);

	(void)argc;
	if (!file || !row)
		return 1;
	jpeg.err = jpeg_std_error(&manager);
	jpeg_create_compress(&jpeg);
	jpeg_stdio_dest(&jpeg, file);
	jpeg.image_width = (JDIMENSION)width;
	jpeg.image_height = (JDIMENSION)atoi(argv[4]);
	jpeg.input_components = 4;
	jpeg.in_color_space = JCS_CMYK;
	jpeg_set_defaults(&jpeg);
	jpeg_start_compress(&jpeg, TRUE);
	while (jpeg.next_scanline < jpeg.image_height)
		jpeg_write_scanlines(&jpeg, &row, 1);
	jpeg_finish_compress(&jpeg);
	jpeg_destroy_compress(&jpeg);
	free(row);
	return fclose(file) != 0;
}

/* gen onnx FILE */
static int onnx(char **argv)
{
	size_t size;
	uint8_t *bytes = onnx_backbone(5, &size);
	FILE *file = fopen(argv[2], "wb");
	int rc = !file || fwrite(bytes, 1, size, file) != size;

	rc |= file && fclose(file);
	free(bytes);
	return rc;
}

int main(int argc, char **argv)
{
	if (argc >= 5 && (!strcmp(argv[1], "good") || !strcmp(argv[1], "defect")))
		return parts(argc, argv);
	if (argc == 7 && (!strcmp(argv[1], "png") || !strcmp(argv[1], "jpeg")))
		return picture(argc, argv);
	if (argc == 5 && !strcmp(argv[1], "cmyk"))
		return cmyk(argc, argv);
	if (argc == 3 && !strcmp(argv[1], "onnx"))
		return onnx(argv);
	fprintf(stderr, "usage: gen good|defect FOLDER FIRST COUNT [MASK_FOLDER]\n"
					"       gen png|jpeg FILE WIDTH HEIGHT CHANNELS DEPTH\n"
					"       gen cmyk FILE WIDTH HEIGHT\n"
					"       gen onnx FILE\n");
	return 64;
}
