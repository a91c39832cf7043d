/* SPDX-License-Identifier: Apache-2.0 */
#include "station/identity/codes.h"

#include <stdio.h>
#include <string.h>
#ifdef ASSAY_HAVE_DMTX
#include <dmtx.h>
#endif
#ifdef ASSAY_HAVE_ZBAR
#include <zbar.h>
#endif

#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"

#define GREY_BYTES_MOST (256u << 20)
/* First look at a picture no longer than this, then at all of it: a large code is found sooner so. */
#define COARSE_PX 800
#define ZBAR_FIRST_NS_PER_PX 100

#define AT(member) offsetof(struct assay__code_settings, member)
const struct assay__option assay__code_options[] = {
	{.name = "camera",
	 .type = ASSAY__OPTION_TEXT,
	 .help = "name of the camera in whose picture to look; without it the first one",
	 .offset = AT(camera)},
	{.name = "datamatrix",
	 .type = ASSAY__OPTION_FLAG,
	 .fallback = "no",
	 .help = "look for DataMatrix (ECC 200)",
	 .offset = AT(datamatrix)},
	{.name = "qr", .type = ASSAY__OPTION_FLAG, .fallback = "no", .help = "look for QR", .offset = AT(qr)},
	{.name = "code128",
	 .type = ASSAY__OPTION_FLAG,
	 .fallback = "no",
	 .help = "look for Code-128, upright or lying",
	 .offset = AT(code128)},
	{.name = "area",
	 .type = ASSAY__OPTION_RECT,
	 .help = "where in the picture the code is; without it everywhere, which takes longer",
	 .offset = AT(area)},
	{.name = "timeout_ms",
	 .type = ASSAY__OPTION_INT,
	 .fallback = "30",
	 .min = 1,
	 .max = 10000,
	 .unit = "ms",
	 .help = "most that is spent on looking; the verdict waits for it, but never beyond deadline_ms",
	 .offset = AT(timeout_ms)},
	{.name = "pattern",
	 .type = ASSAY__OPTION_TEXT,
	 .fallback = "",
	 .help = "what the code must look like: * any characters, ? any one, # a digit, all else itself; another code is "
			 "`unexpected`",
	 .offset = AT(pattern)},
};
const int assay__code_option_count = (int)(sizeof(assay__code_options) / sizeof(assay__code_options[0]));
#undef AT

struct assay__code_reader {
	uint8_t *grey;
	size_t grey_bytes;
#ifdef ASSAY_HAVE_ZBAR
	zbar_image_scanner_t *scanner;
	double zbar_ns_per_px;
#endif
};

int assay__code_check(const struct assay__code_settings *settings, struct assay_error *error)
{
	if (!settings->datamatrix && !settings->qr && !settings->code128)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "nothing to look for; set datamatrix, qr or code128 to yes");
#ifndef ASSAY_HAVE_DMTX
	if (settings->datamatrix)
		return assay__fail(error, ASSAY_E_UNSUPPORTED, -1, "datamatrix: this build has no libdmtx");
#endif
#ifndef ASSAY_HAVE_ZBAR
	if (settings->qr || settings->code128)
		return assay__fail(error, ASSAY_E_UNSUPPORTED, -1, "qr, code128: this build has no zbar");
#endif
	return 0;
}

bool assay__code_text(const void *bytes, size_t size, char out[ASSAY__PART_CODE_CHARS])
{
	const char *from = bytes;
	size_t at = 0, used = 0;

	while (at < size) {
		unsigned char byte = (unsigned char)from[at];
		size_t length = assay__text_utf8(from + at, size - at);
		bool plain = length > 0 && byte >= 0x20 && byte != 0x7f && byte != '\\';
		/* C1 controls are two bytes of UTF-8 */
		if (length == 2 && byte == 0xc2 && (unsigned char)from[at + 1] < 0xa0)
			plain = false;
		if (used + (plain ? length : 4) >= ASSAY__PART_CODE_CHARS)
			return false;
		if (plain) {
			memcpy(out + used, from + at, length);
			used += length;
			at += length;
		} else {
			snprintf(out + used, 5, "\\x%02x", byte);
			used += 4;
			at++;
		}
	}
	out[used] = '\0';
	return used > 0;
}

/* One star at a time: the last one takes one character more whenever what follows does not fit. */
bool assay__code_matches(const char *pattern, const char *text)
{
	const char *star = NULL, *from = NULL;

	if (!pattern || !*pattern)
		return true;
	while (*text) {
		size_t length = assay__text_utf8(text, strlen(text));

		if (*pattern == '*') {
			star = ++pattern;
			from = text;
		} else if (*pattern && (*pattern == '?' || (*pattern == '#' && *text >= '0' && *text <= '9'))) {
			pattern++;
			text += length ? length : 1;
		} else if (*pattern && *pattern != '#' && *pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star;
			text = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

#if defined(ASSAY_HAVE_DMTX) || defined(ASSAY_HAVE_ZBAR)
/* Takes what a library read; true once nothing more is needed. */
static bool take(const struct assay__code_settings *settings, enum assay__symbology symbology, const void *bytes,
				 size_t size, struct assay__code_found *found)
{
	char text[ASSAY__PART_CODE_CHARS];

	/* Two that differed stay so. */
	if (found->state == ASSAY__CODE_UNEXPECTED && found->symbology != ASSAY__SYMBOLOGY_NONE)
		return false;
	if (!assay__code_text(bytes, size, text)) {
		if (found->state != ASSAY__CODE_READ) {
			found->state = ASSAY__CODE_UNEXPECTED;
			snprintf(found->why, sizeof(found->why), "a code of %zu bytes is %s", size,
					 size ? "longer than a part's can be" : "empty");
		}
		return false;
	}
	if (!assay__code_matches(settings->pattern, text)) {
		if (found->state != ASSAY__CODE_READ) {
			found->state = ASSAY__CODE_UNEXPECTED;
			snprintf(found->why, sizeof(found->why), "%s is not of the pattern", text);
		}
		return false;
	}
	if (found->state == ASSAY__CODE_READ) {
		if (strcmp(found->text, text) == 0)
			return true;
		/* two parts in one picture, or a label beside another: nobody can tell which is meant */
		found->state = ASSAY__CODE_UNEXPECTED;
		snprintf(found->why, sizeof(found->why), "two that differ: %.70s, %.70s", found->text, text);
		found->text[0] = '\0';
		return false;
	}
	found->state = ASSAY__CODE_READ;
	found->symbology = symbology;
	memcpy(found->text, text, sizeof(text));
	return true;
}

#endif

/* The area of a picture as tight grey rows of 8 bits. */
static bool make_grey(struct assay__code_reader *reader, const struct assay_image *image,
					  const struct assay_rect_px *area, int *width, int *height)
{
	int x0 = area->width > 0 ? area->x : 0, y0 = area->width > 0 ? area->y : 0;
	int w = area->width > 0 ? area->width : image->width_px, h = area->width > 0 ? area->height : image->height_px;
	int channels = image->channels, shift = image->depth_bits == 16 ? 8 : 0;
	size_t bytes;

	if (x0 >= image->width_px || y0 >= image->height_px)
		return false;
	w = w > image->width_px - x0 ? image->width_px - x0 : w;
	h = h > image->height_px - y0 ? image->height_px - y0 : h;
	bytes = (size_t)w * (size_t)h;
	if (bytes == 0 || bytes > GREY_BYTES_MOST)
		return false;
	if (bytes > reader->grey_bytes) {
		assay__free(NULL, reader->grey);
		reader->grey_bytes = 0;
		reader->grey = assay__alloc(NULL, bytes);
		if (!reader->grey)
			return false;
		reader->grey_bytes = bytes;
	}
	for (int y = 0; y < h; y++) {
		const uint8_t *row = image->pixels + (size_t)(y0 + y) * image->stride_bytes;
		uint8_t *to = reader->grey + (size_t)y * (size_t)w;

		for (int x = 0; x < w; x++) {
			size_t first = (size_t)(x0 + x) * (size_t)channels;
			unsigned sum = 0;

			for (int c = 0; c < channels; c++)
				sum +=
					shift ? ((const uint16_t *)(const void *)row)[first + (size_t)c] >> shift : row[first + (size_t)c];
			to[x] = (uint8_t)(sum / (unsigned)channels);
		}
	}
	*width = w;
	*height = h;
	return true;
}

#ifdef ASSAY_HAVE_DMTX
/* The library's own walk looks at the wall clock, which can be set back: places are chosen here, coarse ones first. */
static bool dmtx_pass(DmtxDecode *decode, int width, int height, const struct assay__code_settings *settings,
					  int64_t until_us, struct assay__code_found *found)
{
	int step = 1;

	while (step < width / 4 || step < height / 4)
		step *= 2;
	for (; step >= 2; step /= 2)
		for (int y = step / 2; y < height; y += step)
			for (int x = step / 2; x < width; x += step) {
				DmtxRegion *region;
				DmtxMessage *message;
				bool done = false;

				if (assay__clock_us() >= until_us)
					return true;
				region = dmtxRegionScanPixel(decode, x, y);
				if (!region)
					continue;
				message = dmtxDecodeMatrixRegion(decode, region, DmtxUndefined);
				if (message)
					done =
						take(settings, ASSAY__SYMBOLOGY_DATAMATRIX, message->output, (size_t)message->outputIdx, found);
				dmtxMessageDestroy(&message);
				dmtxRegionDestroy(&region);
				if (done)
					return true;
			}
	return false;
}

static void read_dmtx(struct assay__code_reader *reader, int width, int height,
					  const struct assay__code_settings *settings, int64_t until_us, struct assay__code_found *found)
{
	int longer = width > height ? width : height, scale = (longer + COARSE_PX - 1) / COARSE_PX;
	DmtxImage *image = dmtxImageCreate(reader->grey, width, height, DmtxPack8bppK);

	for (; image && scale >= 1; scale = scale > 1 ? 1 : 0) {
		DmtxDecode *decode = dmtxDecodeCreate(image, scale);
		bool done = !decode || dmtx_pass(decode, width / scale, height / scale, settings, until_us, found);

		dmtxDecodeDestroy(&decode);
		if (done)
			break;
	}
	dmtxImageDestroy(&image);
}
#endif

#ifdef ASSAY_HAVE_ZBAR
static void read_zbar(struct assay__code_reader *reader, int width, int height,
					  const struct assay__code_settings *settings, int64_t until_us, struct assay__code_found *found)
{
	double pixels = (double)width * height, ns;
	int64_t start_us = assay__clock_us();
	zbar_image_t *image;

	if (pixels * reader->zbar_ns_per_px > (double)(until_us - start_us) * 1000) {
		snprintf(found->why, sizeof(found->why), "a pass over %d x %d pixels takes longer than there is time", width,
				 height);
		/* Else one slow pass would end reading for good. */
		reader->zbar_ns_per_px *= 0.9;
		return;
	}
	image = zbar_image_create();
	if (!image)
		return;
	zbar_image_scanner_set_config(reader->scanner, 0, ZBAR_CFG_ENABLE, 0);
	zbar_image_scanner_set_config(reader->scanner, ZBAR_QRCODE, ZBAR_CFG_ENABLE, settings->qr);
	zbar_image_scanner_set_config(reader->scanner, ZBAR_CODE128, ZBAR_CFG_ENABLE, settings->code128);
	zbar_image_set_format(image, 'Y' | '8' << 8 | '0' << 16 | '0' << 24);
	zbar_image_set_size(image, (unsigned)width, (unsigned)height);
	zbar_image_set_data(image, reader->grey, (unsigned long)width * (unsigned long)height, NULL);
	if (zbar_scan_image(reader->scanner, image) > 0)
		for (const zbar_symbol_t *symbol = zbar_image_first_symbol(image); symbol; symbol = zbar_symbol_next(symbol))
			take(settings, zbar_symbol_get_type(symbol) == ZBAR_QRCODE ? ASSAY__SYMBOLOGY_QR : ASSAY__SYMBOLOGY_CODE128,
				 zbar_symbol_get_data(symbol), zbar_symbol_get_data_length(symbol), found);
	zbar_image_destroy(image);
	ns = (double)(assay__clock_us() - start_us) * 1000 / pixels;
	reader->zbar_ns_per_px += (ns - reader->zbar_ns_per_px) / 4;
}
#endif

int assay__code_reader_open(struct assay__code_reader **out, struct assay_error *error)
{
	struct assay__code_reader *reader = assay__calloc(NULL, 1, sizeof(*reader));

	if (!reader)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for reading codes");
#ifdef ASSAY_HAVE_ZBAR
	reader->zbar_ns_per_px = ZBAR_FIRST_NS_PER_PX;
	reader->scanner = zbar_image_scanner_create();
	if (!reader->scanner) {
		assay__free(NULL, reader);
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for reading codes");
	}
#endif
	*out = reader;
	return 0;
}

void assay__code_reader_close(struct assay__code_reader *reader)
{
	if (!reader)
		return;
#ifdef ASSAY_HAVE_ZBAR
	zbar_image_scanner_destroy(reader->scanner);
#endif
	assay__free(NULL, reader->grey);
	assay__free(NULL, reader);
}

void assay__code_read(struct assay__code_reader *reader, const struct assay__code_settings *settings,
					  const struct assay_image *image, int64_t until_us, struct assay__code_found *found)
{
	int64_t own_us = assay__clock_us() + (int64_t)settings->timeout_ms * 1000;
	int width, height;

	*found = (struct assay__code_found){.state = ASSAY__CODE_UNREADABLE};
	until_us = own_us < until_us ? own_us : until_us;
	if (!make_grey(reader, image, &settings->area, &width, &height)) {
		snprintf(found->why, sizeof(found->why), "the area lies outside of the picture");
		return;
	}
#ifdef ASSAY_HAVE_ZBAR
	if (settings->qr || settings->code128)
		read_zbar(reader, width, height, settings, until_us, found);
#endif
#ifdef ASSAY_HAVE_DMTX
	if (settings->datamatrix && found->state != ASSAY__CODE_READ)
		read_dmtx(reader, width, height, settings, until_us, found);
#endif
	if (found->state == ASSAY__CODE_UNREADABLE && !found->why[0])
		snprintf(found->why, sizeof(found->why), "%s",
				 assay__clock_us() >= until_us ? "none was found in time" : "none was found");
}
