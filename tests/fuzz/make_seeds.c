/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the files the fuzzers start from: make_seeds FOLDER, which has the folders image, net, onnx, recipe and http. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <spng.h>
#include <tiffio.h>

#include "assay/recipe.h"
#include "../unit/onnx_builder.h"
#include "tiny_net.h"

static const char *folder;

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "make_seeds: %s failed\n", what);
	exit(1);
}

static char *path_of(const char *name)
{
	static char path[1000];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const void *bytes, size_t size)
{
	FILE *file = fopen(path_of(name), "wb");

	check(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0, name);
}

static struct assay_image picture(int width, int height, int channels, int depth, int seed)
{
	struct assay_image image;
	size_t i, size;

	check(assay_image_create(width, height, channels, depth, NULL, &image, NULL) == ASSAY_OK, "picture");
	size = image.stride_bytes * (size_t)height;
	for (i = 0; i < size; i++)
		image.pixels[i] = (uint8_t)(i * 5 + i / image.stride_bytes * (unsigned)(seed * 11 + 3) + (unsigned)seed);
	return image;
}

static void our_encoders(void)
{
	char name[64];
	uint8_t *bytes;
	size_t size;
	int channels, depth;

	for (channels = 1; channels <= 3; channels += 2)
		for (depth = 8; depth <= 16; depth += 8) {
			struct assay_image image = picture(13, 9, channels, depth, 1);

			check(assay_image_encode_png(&image, NULL, &bytes, &size, NULL) == ASSAY_OK, "PNG");
			snprintf(name, sizeof(name), "image/%d-%d.png", channels, depth);
			write_file(name, bytes, size);
			free(bytes);
			if (depth == 8) {
				check(assay_image_encode_jpeg(&image, 80, NULL, &bytes, &size, NULL) == ASSAY_OK, "JPEG");
				snprintf(name, sizeof(name), "image/%d.jpg", channels);
				write_file(name, bytes, size);
				free(bytes);
			}
			assay_image_free(&image, NULL);
		}
}

/* Progressive, turned by EXIF, or CMYK. */
static void jpeg(const char *name, int components, bool progressive)
{
	static const uint8_t exif[] = "Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0";
	struct jpeg_compress_struct jpeg;
	struct jpeg_error_mgr manager;
	JSAMPLE row[64 * 4];
	JSAMPROW rows[] = {row};
	FILE *file = fopen(path_of(name), "wb");
	unsigned i;

	check(file, name);
	jpeg.err = jpeg_std_error(&manager);
	jpeg_create_compress(&jpeg);
	jpeg_stdio_dest(&jpeg, file);
	jpeg.image_width = 33;
	jpeg.image_height = 17;
	jpeg.input_components = components;
	jpeg.in_color_space = components == 4 ? JCS_CMYK : JCS_RGB;
	jpeg_set_defaults(&jpeg);
	jpeg.restart_interval = 2;
	if (progressive)
		jpeg_simple_progression(&jpeg);
	jpeg_start_compress(&jpeg, TRUE);
	jpeg_write_marker(&jpeg, JPEG_APP0 + 1, exif, sizeof(exif) - 1);
	while (jpeg.next_scanline < jpeg.image_height) {
		for (i = 0; i < sizeof(row); i++)
			row[i] = (JSAMPLE)(i * 3 + jpeg.next_scanline * 9);
		jpeg_write_scanlines(&jpeg, rows, 1);
	}
	jpeg_finish_compress(&jpeg);
	jpeg_destroy_compress(&jpeg);
	check(fclose(file) == 0, name);
}

static void png(const char *name, int bits, int colour, bool interlaced)
{
	struct spng_ihdr header = {16, 9, (uint8_t)bits, (uint8_t)colour, 0, 0, interlaced};
	struct spng_plte palette = {.n_entries = 1u << (bits & 7), .entries = {{1, 2, 3, 0}, {4, 5, 6, 0}}};
	size_t row_bytes = (size_t)(16 * bits * (colour == 6 ? 4 : colour == 4 ? 2 : 1) / 8), size;
	uint8_t rows[16 * 8 * 9];
	spng_ctx *spng = spng_ctx_new(SPNG_CTX_ENCODER);
	uint8_t *bytes;
	int error;
	size_t i;

	for (i = 0; i < sizeof(rows); i++)
		rows[i] = (uint8_t)(i * 37);
	spng_set_option(spng, SPNG_ENCODE_TO_BUFFER, 1);
	check(spng_set_ihdr(spng, &header) == 0, name);
	if (colour == SPNG_COLOR_TYPE_INDEXED)
		check(spng_set_plte(spng, &palette) == 0, name);
	check(spng_encode_image(spng, rows, row_bytes * 9, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE) == 0, name);
	bytes = spng_get_png_buffer(spng, &size, &error);
	check(bytes != NULL, name);
	write_file(name, bytes, size);
	free(bytes);
	spng_ctx_free(spng);
}

static void tiff(const char *name, int bits, int samples, int photometric, int compression, bool tiled, bool separate,
				 const char *mode)
{
	TIFF *tiff = TIFFOpen(path_of(name), mode);
	uint16_t map[3][256];
	uint8_t block[32 * 32 * 8];
	int plane, planes = separate ? samples : 1, y;
	size_t i;

	check(tiff, name);
	for (i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)(i * 29);
	for (i = 0; i < 256; i++)
		map[0][i] = map[1][i] = map[2][i] = (uint16_t)(i * 257);
	TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, 24);
	TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, 10);
	TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, bits);
	TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, samples);
	TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, photometric);
	TIFFSetField(tiff, TIFFTAG_COMPRESSION, compression);
	TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, separate ? PLANARCONFIG_SEPARATE : PLANARCONFIG_CONTIG);
	TIFFSetField(tiff, TIFFTAG_ORIENTATION, ORIENTATION_LEFTBOT);
	if (photometric == PHOTOMETRIC_PALETTE)
		TIFFSetField(tiff, TIFFTAG_COLORMAP, map[0], map[1], map[2]);
	if (tiled) {
		TIFFSetField(tiff, TIFFTAG_TILEWIDTH, 16);
		TIFFSetField(tiff, TIFFTAG_TILELENGTH, 16);
	} else {
		TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, 4);
	}
	for (plane = 0; plane < planes; plane++)
		if (tiled)
			check(TIFFWriteTile(tiff, block, 0, 0, 0, (uint16_t)plane) > 0 &&
					  TIFFWriteTile(tiff, block, 16, 0, 0, (uint16_t)plane) > 0,
				  name);
		else
			for (y = 0; y < 10; y++)
				check(TIFFWriteScanline(tiff, block, (uint32_t)y, (uint16_t)plane) == 1, name);
	TIFFClose(tiff);
}

static void by_hand(void)
{
	static const char rle[] =
		"BM\0\0\0\0\0\0\0\0\x3e\0\0\0\x28\0\0\0\x06\0\0\0\x02\0\0\0\x01\0\x08\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0"
		"\0\0\x02\0\0\0\0\0\0\0\0\0\0\0\xff\x10\x20\0\0\x06\0\x01\0\x01\0\x01\0\0\x05\x01\x01\0\0\x01";
	static const char rgb[] =
		"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x03\0\0\0\xfe\xff\xff\xff\x01\0\x18\0\0\0\0\0\0\0\0\0\0\0\0\0"
		"\0\0\0\0\0\0\0\0\0\0abcdefghi\0\0\0jklmnopqr\0\0";
	static const char fields[] =
		"BM\0\0\0\0\0\0\0\0\x42\0\0\0\x28\0\0\0\x02\0\0\0\x01\0\0\0\x01\0\x10\0\x03\0\0\0\0\0\0\0\0\0\0\0"
		"\0\0\0\0\0\0\0\0\0\0\0\0\0\xf8\0\0\xe0\x07\0\0\x1f\0\0\0abc";
	static const char os2[] = "BM\0\0\0\0\0\0\0\0\x20\0\0\0\x0c\0\0\0\x09\0\x02\0\x01\0\x01\0\0\0\0\xff\xff\xfe"
							  "ab\0\0cd\0";

	write_file("image/rle8.bmp", rle, sizeof(rle) - 1);
	write_file("image/24.bmp", rgb, sizeof(rgb));
	write_file("image/fields.bmp", fields, sizeof(fields));
	write_file("image/os2.bmp", os2, sizeof(os2));
	write_file("image/1.pbm", "P1\n# c\n3 2\n0 1 0\n1 1 0\n", 23);
	write_file("image/2.pgm", "P2 3 2 15\n0 1 2\n3 14 15\n", 24);
	write_file("image/3.ppm", "P3 1 2 65535\n0 1 2\n3 14 65535\n", 31);
	write_file("image/4.pbm", "P4\n9 2\nabcd", 11);
	write_file("image/5.pgm", "P5\n3 2\n1000\n\0\1\0\2\0\3\1\0\2\0\3\0", 24);
	write_file("image/6.ppm", "P6\n2 1\n255\nabcdef", 17);
}

static int load_part(void *ctx, int index, const struct assay_allocator *allocator, struct assay_image *image,
					 struct assay_error *error)
{
	(void)ctx;
	(void)allocator;
	(void)error;
	*image = picture(64, 64, 1, 8, index);
	return ASSAY_OK;
}

static const char *part_name(void *ctx, int index)
{
	(void)ctx;
	return index % 2 ? "odd" : "even";
}

static void recipe(void)
{
	struct assay_env env = {0};
	struct assay_teach_options options = {.working_px = 64, .bank_size = 16, .folds = 2};
	struct assay_parts parts = {.count = 4, .load = load_part, .name = part_name};
	uint8_t *net = tiny_net(&env.network_size_bytes);
	struct assay_recipe *made = NULL;
	struct assay_error error = {0};

	env.network = net;
	write_file("net/tiny.net", net, env.network_size_bytes);
	if (assay_teach(&env, &options, &parts, NULL, NULL, &made, NULL, &error) ||
		assay_recipe_save(made, path_of("recipe/tiny.assay"), &error)) {
		fprintf(stderr, "make_seeds: %s\n", error.message);
		exit(1);
	}
	assay_recipe_close(made);
	free(net);
}

/* All operators, and one with what else can be written. */
static void onnx(void)
{
	struct onnx_builder b = {.seed = 3};
	size_t size;
	uint8_t *bytes = onnx_backbone(5, &size);

	write_file("onnx/backbone.onnx", bytes, size);
	free(bytes);
	onnx_tensor(&b, "w", (int[]){4, 3, 3, 3, 0}, NULL);
	onnx_tensor(&b, "c", (int[]){1, 3, 1, 1, 0}, NULL);
	onnx_tensor(&b, "p", (int[]){8, 0}, (float[]){0, 0, 1, 1, 0, 0, 1, 1});
	onnx_node(&b, "Sub", "n1", "input c", "a", "");
	onnx_node(&b, "Pad", "n2", "a p", "b", "mode:edge");
	onnx_node(&b, "Conv", "n3", "b w", "c1", "strides=2,2");
	onnx_node(&b, "AveragePool", "n4", "c1", "d", "kernel_shape=3,3 strides=2,2 pads=1,1,1,1 count_include_pad=1");
	onnx_node(&b, "Clip", "n5", "d", "e", "min~-1 max~1");
	onnx_node(&b, "Constant", "n6", "", "k", "value_float~0.5");
	onnx_node(&b, "Div", "n7", "e k", "f", "");
	onnx_node(&b, "Add", "n8", "f f", "g", "");
	onnx_node(&b, "Identity", "n9", "g", "out", "");
	bytes = onnx_end(&b, "input", "out", &size);
	write_file("onnx/odd.onnx", bytes, size);
	free(bytes);
}

/* The first byte chooses the reader, as fuzz_http.c says. */
static void requests(void)
{
	static const char *const seeds[] = {
		"0{\"wait\":\"verdict\",\"code\":\"\\u00e4\\ud83d\\ude00\",\"n\":[-1,2.5e-3,true,false,null,{}]}",
		"1/api/v1/parts/17/views/top/picture?limit=20&from=%31+2",
		"2theme=dark; assay_session=0123456789abcdef; other=\"x\"",
		"2Bearer assay_0123456789abcdefghijklmnopqrstuvwxyz",
		"3127.0.0.1:8080http://127.0.0.1:8080",
		"3[::1]:8080https://[::1]:8080",
	};

	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		char name[32];

		snprintf(name, sizeof(name), "http/%zu", i);
		write_file(name, seeds[i], strlen(seeds[i]));
	}
}

int main(int argc, char **argv)
{
	check(argc == 2, "call: make_seeds FOLDER");
	folder = argv[1];
	our_encoders();
	jpeg("image/progressive.jpg", 3, true);
	jpeg("image/turned.jpg", 3, false);
	jpeg("image/cmyk.jpg", 4, false);
	png("image/palette.png", 1, SPNG_COLOR_TYPE_INDEXED, false);
	png("image/interlaced.png", 16, SPNG_COLOR_TYPE_TRUECOLOR_ALPHA, true);
	png("image/alpha.png", 8, SPNG_COLOR_TYPE_GRAYSCALE_ALPHA, true);
	tiff("image/strips.tif", 8, 3, PHOTOMETRIC_RGB, COMPRESSION_NONE, false, false, "wl");
	tiff("image/big.tif", 16, 1, PHOTOMETRIC_MINISWHITE, COMPRESSION_LZW, false, false, "wb8");
	tiff("image/tiles.tif", 8, 3, PHOTOMETRIC_RGB, COMPRESSION_PACKBITS, true, true, "wb");
	tiff("image/palette.tif", 4, 1, PHOTOMETRIC_PALETTE, COMPRESSION_ADOBE_DEFLATE, true, false, "wl");
	tiff("image/fax.tif", 1, 1, PHOTOMETRIC_MINISWHITE, COMPRESSION_CCITTFAX4, false, false, "wl");
	by_hand();
	onnx();
	recipe();
	requests();
	return 0;
}
