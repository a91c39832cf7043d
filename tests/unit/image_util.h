/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the picture codecs share: a counting allocator, test pictures, and the sweeps every format must
 * pass. */
#ifndef ASSAY_TESTS_IMAGE_UTIL_H
#define ASSAY_TESTS_IMAGE_UTIL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "assay/image.h"

struct count {
	long live, calls, fail_at; /* fail_at: the call that fails, counted from 1; 0 for none */
	int fill;				   /* what fresh memory holds */
};

static inline void *count_alloc(void *ctx, size_t size)
{
	struct count *count = ctx;
	void *block;

	if (++count->calls == count->fail_at)
		return NULL;
	block = malloc(size ? size : 1);
	if (block)
		memset(block, count->fill, size);
	count->live += block != NULL;
	return block;
}

static inline void count_free(void *ctx, void *block)
{
	struct count *count = ctx;

	count->live -= block != NULL;
	free(block);
}

#define COUNTING(name, at)                                                                                             \
	struct count name##_count = {.fail_at = (at)};                                                                     \
	const struct assay_allocator name = {.alloc = count_alloc, .free = count_free, .ctx = &name##_count}

/* Bytes under construction. */
struct buffer {
	uint8_t *data;
	size_t size;
};

static inline void put(struct buffer *buffer, const void *data, size_t size)
{
	buffer->data = realloc(buffer->data, buffer->size + size + 1);
	assert_non_null(buffer->data);
	if (size)
		memcpy(buffer->data + buffer->size, data, size);
	buffer->size += size;
}

static inline void put_text(struct buffer *buffer, const char *text)
{
	put(buffer, text, strlen(text));
}

static inline void put_le(struct buffer *buffer, uint64_t value, int bytes)
{
	for (; bytes > 0; bytes--, value >>= 8)
		put(buffer, &(uint8_t){(uint8_t)value}, 1);
}

static inline void put_be(struct buffer *buffer, uint64_t value, int bytes)
{
	while (bytes-- > 0)
		put(buffer, &(uint8_t){(uint8_t)(value >> 8 * bytes)}, 1);
}

static inline void drop(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){0};
}

static inline uint32_t sample_at(const struct assay_image *image, int x, int y, int c)
{
	const uint8_t *row = image->pixels + (size_t)y * image->stride_bytes;
	size_t i = (size_t)x * (size_t)image->channels + (size_t)c;
	uint16_t wide;

	if (image->depth_bits == 8)
		return row[i];
	memcpy(&wide, row + i * 2, 2);
	return wide;
}

static inline void set_sample(struct assay_image *image, int x, int y, int c, uint32_t value)
{
	uint8_t *row = image->pixels + (size_t)y * image->stride_bytes;
	size_t i = (size_t)x * (size_t)image->channels + (size_t)c;
	uint16_t wide = (uint16_t)value;

	if (image->depth_bits == 8)
		row[i] = (uint8_t)value;
	else
		memcpy(row + i * 2, &wide, 2);
}

/* Every sample differs from its neighbours in a way that shows swapped axes, channels and bytes. */
static inline uint32_t pattern(int x, int y, int c, uint32_t max)
{
	return ((uint32_t)x * 7919u + (uint32_t)y * 104729u + (uint32_t)c * 1299709u + (uint32_t)(x * y) * 31u) % (max + 1);
}

static inline struct assay_image make_image(int width, int height, int channels, int depth)
{
	struct assay_image image;
	int x, y, c;

	assert_int_equal(assay_image_create(width, height, channels, depth, NULL, &image, NULL), ASSAY_OK);
	for (y = 0; y < height; y++)
		for (x = 0; x < width; x++)
			for (c = 0; c < channels; c++)
				set_sample(&image, x, y, c, pattern(x, y, c, depth == 8 ? 255 : 65535));
	return image;
}

static inline void assert_kind(const struct assay_image *image, int width, int height, int channels, int depth)
{
	assert_int_equal(image->width_px, width);
	assert_int_equal(image->height_px, height);
	assert_int_equal(image->channels, channels);
	assert_int_equal(image->depth_bits, depth);
	assert_true(image->stride_bytes >= (size_t)width * (size_t)(channels * depth / 8));
}

static inline void assert_same(const struct assay_image *a, const struct assay_image *b)
{
	int y;

	assert_kind(a, b->width_px, b->height_px, b->channels, b->depth_bits);
	for (y = 0; y < a->height_px; y++)
		assert_memory_equal(a->pixels + (size_t)y * a->stride_bytes, b->pixels + (size_t)y * b->stride_bytes,
							(size_t)a->width_px * (size_t)(a->channels * a->depth_bits / 8));
}

/* Decodes what must decode; free with assay_image_free(.., NULL). */
static inline struct assay_image must_decode(const uint8_t *bytes, size_t size)
{
	struct assay_error error = {0};
	struct assay_image image;
	int rc = assay_image_decode(bytes, size, NULL, &image, &error);

	if (rc)
		fail_msg("%s", error.message);
	return image;
}

/* Decodes what must fail, with these words in the message; the output must stay as it was. */
static inline void must_fail(const uint8_t *bytes, size_t size, enum assay_err code, const char *words)
{
	struct assay_image image, before;
	struct assay_error error = {0};
	int rc;

	memset(&image, 0x5a, sizeof(image));
	before = image;
	COUNTING(counting, 0);
	rc = assay_image_decode(bytes, size, &counting, &image, &error);
	if (rc != (int)code || error.code != code || !strstr(error.message, words))
		fail_msg("code %d, message \"%s\", expected code %d and \"%s\"", rc, error.message, (int)code, words);
	assert_memory_equal(&image, &before, sizeof(image));
	assert_int_equal(counting_count.live, 0);
	assert_int_equal(assay_image_decode(bytes, size, NULL, &image, NULL), code);
}

/*
 * Cuts the file at every length, each in memory of just that size. A cut file is an error or, at `whole` lengths at
 * most, the right picture.
 */
static inline void sweep_cuts(const uint8_t *bytes, size_t size, int whole)
{
	struct assay_image right = must_decode(bytes, size);
	size_t n;

	for (n = 0; n < size; n++) {
		uint8_t *cut = malloc(n ? n : 1);
		struct assay_error error = {0};
		struct assay_image image;
		int rc;

		assert_non_null(cut);
		memcpy(cut, bytes, n);
		COUNTING(counting, 0);
		rc = assay_image_decode(cut, n, &counting, &image, &error);
		if (rc) {
			if ((rc != ASSAY_E_FORMAT && rc != ASSAY_E_UNSUPPORTED) || !error.message[0])
				fail_msg("cut at %zu: code %d, message \"%s\"", n, rc, error.message);
		} else {
			assert_true(whole-- > 0);
			assert_same(&image, &right);
			assay_image_free(&image, &counting);
		}
		assert_int_equal(counting_count.live, 0);
		free(cut);
	}
	assay_image_free(&right, NULL);
}

/* Decodes bytes that are already known to decode, in memory that holds other rubbish: not one pixel may differ. */
static inline void must_decode_same(const uint8_t *bytes, size_t size, const struct assay_image *want)
{
	struct assay_image image;

	COUNTING(counting, 0);
	counting_count.fill = 0xa7;
	assert_int_equal(assay_image_decode(bytes, size, &counting, &image, NULL), ASSAY_OK);
	assert_same(&image, want);
	assay_image_free(&image, &counting);
}

/* Changes each byte in several ways. Returns how many of the changed files were still taken. */
static inline int sweep_changes(const uint8_t *bytes, size_t size)
{
	static const uint8_t masks[] = {0x01, 0x10, 0x80, 0xff};
	uint8_t *copy = malloc(size);
	int taken = 0;
	size_t i, m;

	assert_non_null(copy);
	memcpy(copy, bytes, size);
	for (i = 0; i < size; i++)
		for (m = 0; m < sizeof(masks); m++) {
			struct assay_error error = {0};
			struct assay_image image;
			int rc;

			copy[i] ^= masks[m];
			COUNTING(counting, 0);
			rc = assay_image_decode(copy, size, &counting, &image, &error);
			if (rc) {
				assert_int_equal(rc, error.code);
				assert_true(error.message[0] != '\0');
			} else {
				taken++;
				must_decode_same(copy, size, &image);
				assay_image_free(&image, &counting);
			}
			assert_int_equal(counting_count.live, 0);
			copy[i] ^= masks[m];
		}
	free(copy);
	return taken;
}

/* Lets the k-th allocation fail for k = 1, 2, ... until none is left to fail. */
static inline void sweep_allocations(const uint8_t *bytes, size_t size)
{
	long k;

	for (k = 1;; k++) {
		struct assay_error error = {0};
		struct assay_image image;
		int rc;

		COUNTING(counting, k);
		rc = assay_image_decode(bytes, size, &counting, &image, &error);
		if (rc == ASSAY_OK) {
			assert_true(counting_count.calls < k);
			assay_image_free(&image, &counting);
			assert_int_equal(counting_count.live, 0);
			break;
		}
		if (rc != ASSAY_E_NOMEM)
			fail_msg("allocation %ld: code %d, message \"%s\"", k, rc, error.message);
		assert_int_equal(counting_count.live, 0);
	}
	assert_true(k > 1);
}

#endif
