/* SPDX-License-Identifier: Apache-2.0 */
/* PBM, PGM and PPM, plain and raw (netpbm's pbm(5), pgm(5), ppm(5)). Own reader. */
#include <string.h>

#include "base/err.h"
#include "vision/image/codec.h"

#define NUMBER_MAX 1000000000

struct reader {
	const uint8_t *bytes;
	size_t size, at;
};

static bool is_space(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static int ended(const struct reader *r, struct assay_error *error)
{
	return assay__fail(error, ASSAY_E_FORMAT, (int64_t)r->size, "the file ends early, at byte %zu", r->size);
}

/* White space, and comments from # to the end of the line. */
static void skip_space(struct reader *r)
{
	bool comment = false;

	for (; r->at < r->size; r->at++) {
		uint8_t c = r->bytes[r->at];

		if (c == '#')
			comment = true;
		else if (c == '\n' || c == '\r')
			comment = false;
		else if (!comment && !is_space(c))
			break;
	}
}

/* A decimal number. A white space must follow, for a number that was cut looks whole. */
static int read_number(struct reader *r, const char *what, uint32_t *number, struct assay_error *error)
{
	uint32_t value = 0;
	size_t from;

	skip_space(r);
	from = r->at;
	for (; r->at < r->size && r->bytes[r->at] >= '0' && r->bytes[r->at] <= '9'; r->at++) {
		if (value >= NUMBER_MAX / 10)
			return assay__fail(error, ASSAY_E_FORMAT, (int64_t)from, "the %s at byte %zu is too large", what, from);
		value = value * 10 + (uint32_t)(r->bytes[r->at] - '0');
	}
	if (r->at == r->size)
		return ended(r, error);
	if (r->at == from || (!is_space(r->bytes[r->at]) && r->bytes[r->at] != '#'))
		return assay__fail(error, ASSAY_E_FORMAT, (int64_t)r->at, "found byte 0x%02x at byte %zu, expected the %s",
						   r->bytes[r->at], r->at, what);
	*number = value;
	return ASSAY_OK;
}

struct header {
	char kind; /* '1'..'6' */
	uint32_t width, height, max;
};

static int read_header(struct reader *r, struct header *h, struct assay_error *error)
{
	int rc;

	h->kind = (char)r->bytes[1];
	h->max = 1;
	r->at = 2;
	if ((rc = read_number(r, "width", &h->width, error)) || (rc = read_number(r, "height", &h->height, error)))
		return rc;
	rc = assay__image_check_size(h->width, h->height, error);
	if (rc)
		return rc;
	if (h->kind != '1' && h->kind != '4') {
		rc = read_number(r, "largest value", &h->max, error);
		if (rc)
			return rc;
		if (h->max < 1 || h->max > 65535)
			return assay__fail(error, ASSAY_E_FORMAT, (int64_t)r->at,
							   "the largest value is %u, expected 1..65535 (before byte %zu)", h->max, r->at);
	}
	/* one white space, and the pixels begin */
	if (r->bytes[r->at] == '#')
		return assay__fail(error, ASSAY_E_FORMAT, (int64_t)r->at,
						   "found a comment at byte %zu, expected white space and the pixels", r->at);
	r->at++;
	return ASSAY_OK;
}

/* The fewest bytes the pixels take, so that a size no file can hold costs no memory. */
static uint64_t least_bytes(const struct header *h, uint64_t samples)
{
	switch (h->kind) {
	case '1':
		return samples;
	case '4':
		return ((uint64_t)h->width + 7) / 8 * h->height;
	case '5':
	case '6':
		return samples * (h->max > 255 ? 2 : 1);
	default:
		return samples * 2;
	}
}

static int read_sample(struct reader *r, const struct header *h, uint32_t *v, struct assay_error *error)
{
	if (h->kind == '1') {
		skip_space(r);
		if (r->at == r->size)
			return ended(r, error);
		if (r->bytes[r->at] != '0' && r->bytes[r->at] != '1')
			return assay__fail(error, ASSAY_E_FORMAT, (int64_t)r->at, "found byte 0x%02x at byte %zu, expected 0 or 1",
							   r->bytes[r->at], r->at);
		*v = r->bytes[r->at++] == '0';
		return ASSAY_OK;
	}
	if (h->kind == '2' || h->kind == '3')
		return read_number(r, "next sample", v, error);
	*v = r->bytes[r->at++];
	if (h->max > 255)
		*v = *v << 8 | r->bytes[r->at++];
	return ASSAY_OK;
}

static int read_pixels(struct reader *r, const struct header *h, struct assay_image *image, struct assay_error *error)
{
	size_t per_row = (size_t)image->width_px * (size_t)image->channels, i;
	uint32_t full = image->depth_bits == 16 ? 65535 : 255, v;
	int y, rc;

	for (y = 0; y < image->height_px; y++) {
		uint8_t *row = image->pixels + (size_t)y * image->stride_bytes;

		if (h->kind == '4') {
			for (i = 0; i < per_row; i++)
				row[i] = assay__unpack(r->bytes + r->at, i, 1) ? 0 : 255;
			r->at += (per_row + 7) / 8;
			continue;
		}
		for (i = 0; i < per_row; i++) {
			rc = read_sample(r, h, &v, error);
			if (rc)
				return rc;
			if (v > h->max)
				return assay__fail(error, ASSAY_E_FORMAT, (int64_t)r->at,
								   "a sample is %u, the largest value is %u (before byte %zu)", v, h->max, r->at);
			if (h->max != full)
				v = assay__rescale(v, h->max, full);
			if (image->depth_bits == 16)
				((uint16_t *)(void *)row)[i] = (uint16_t)v;
			else
				row[i] = (uint8_t)v;
		}
	}
	return ASSAY_OK;
}

static int decode(const uint8_t *bytes, size_t size, const struct assay_allocator *allocator, struct assay_image *out,
				  int *orientation, struct assay_error *error)
{
	struct reader r = {.bytes = bytes, .size = size};
	struct assay_image image;
	struct header h;
	int channels, rc = read_header(&r, &h, error);
	uint64_t need;

	(void)orientation;
	if (rc)
		return rc;
	channels = h.kind == '3' || h.kind == '6' ? 3 : 1;
	need = least_bytes(&h, (uint64_t)h.width * h.height * (uint64_t)channels);
	if (need > size - r.at)
		return assay__fail(error, ASSAY_E_FORMAT, (int64_t)size,
						   "the file ends early, at byte %zu: %u x %u pixels take at least %llu", size, h.width,
						   h.height, (unsigned long long)(need + r.at));
	rc = assay__image_new(h.width, h.height, channels, h.max > 255 ? 16 : 8, allocator, &image, error);
	if (rc)
		return rc;
	rc = read_pixels(&r, &h, &image, error);
	if (rc) {
		assay_image_free(&image, allocator);
		return rc;
	}
	*out = image;
	return ASSAY_OK;
}

static bool probe(const uint8_t *bytes, size_t size)
{
	return size >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' &&
		   (is_space(bytes[2]) || bytes[2] == '#');
}

const struct assay__decoder assay__decoder_pnm = {
	.name = "PGM/PPM",
	.probe = probe,
	.decode = decode,
};
