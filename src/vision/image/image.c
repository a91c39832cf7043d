/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures in memory: making, turning, identity; files into memory; which decoder reads them. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "base/err.h"
#include "vision/image/codec.h"

#define FILE_MAX_BYTES ((int64_t)1 << 30)
#define PATH_SHOWN 160

static const struct assay__decoder *const decoders[] = {
	&assay__decoder_jpeg, &assay__decoder_png, &assay__decoder_bmp, &assay__decoder_tiff, &assay__decoder_pnm,
};

int assay__image_check_size(int64_t width_px, int64_t height_px, struct assay_error *error)
{
	if (width_px < 1 || height_px < 1)
		return assay__fail(error, ASSAY_E_FORMAT, -1, "the size is %lld x %lld pixels, it must be at least 1 x 1",
						   (long long)width_px, (long long)height_px);
	if (width_px > ASSAY_IMAGE_MAX_SIDE_PX || height_px > ASSAY_IMAGE_MAX_SIDE_PX)
		return assay__fail(error, ASSAY_E_LIMIT, -1, "the size is %lld x %lld pixels, a side may have at most %d",
						   (long long)width_px, (long long)height_px, ASSAY_IMAGE_MAX_SIDE_PX);
	if (width_px * height_px > ASSAY_IMAGE_MAX_PIXELS)
		return assay__fail(error, ASSAY_E_LIMIT, -1, "the size is %lld x %lld pixels, at most %d million are read",
						   (long long)width_px, (long long)height_px, ASSAY_IMAGE_MAX_PIXELS / 1000000);
	return ASSAY_OK;
}

static int new_image(int64_t width_px, int64_t height_px, int channels, int depth_bits, bool zeroed,
					 const struct assay_allocator *allocator, struct assay_image *out, struct assay_error *error)
{
	size_t stride, bytes;
	uint8_t *pixels;
	int rc = assay__image_check_size(width_px, height_px, error);

	if (rc)
		return rc;
	/* 65500 * 3 * 2 * 65500 fits in 64 bits but not in 32 */
	stride = (size_t)width_px * (size_t)(channels * depth_bits / 8);
	if (stride > SIZE_MAX / (size_t)height_px)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for %lld x %lld pixels", (long long)width_px,
						   (long long)height_px);
	bytes = stride * (size_t)height_px;
	pixels = zeroed ? assay__calloc(allocator, bytes, 1) : assay__alloc(allocator, bytes);
	if (!pixels)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for %lld x %lld pixels", (long long)width_px,
						   (long long)height_px);
	*out = (struct assay_image){.width_px = (int)width_px,
								.height_px = (int)height_px,
								.channels = channels,
								.depth_bits = depth_bits,
								.stride_bytes = stride,
								.pixels = pixels};
	return ASSAY_OK;
}

int assay__image_new(int64_t width_px, int64_t height_px, int channels, int depth_bits,
					 const struct assay_allocator *allocator, struct assay_image *out, struct assay_error *error)
{
	return new_image(width_px, height_px, channels, depth_bits, false, allocator, out, error);
}

static int check_kind(int channels, int depth_bits, struct assay_error *error)
{
	if (channels != 1 && channels != 3)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "a picture has 1 or 3 channels, not %d", channels);
	if (depth_bits != 8 && depth_bits != 16)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "a picture has 8 or 16 bits a sample, not %d", depth_bits);
	return ASSAY_OK;
}

int assay_image_create(int width_px, int height_px, int channels, int depth_bits,
					   const struct assay_allocator *allocator, struct assay_image *out, struct assay_error *error)
{
	int rc = check_kind(channels, depth_bits, error);

	if (rc)
		return rc;
	if (width_px < 1 || height_px < 1)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "a picture has at least 1 x 1 pixels, not %d x %d", width_px,
						   height_px);
	return new_image(width_px, height_px, channels, depth_bits, true, allocator, out, error);
}

void assay_image_free(struct assay_image *image, const struct assay_allocator *allocator)
{
	assay__free(allocator, image->pixels);
	memset(image, 0, sizeof(*image));
}

int assay__image_check(const struct assay_image *image, struct assay_error *error)
{
	int rc = check_kind(image->channels, image->depth_bits, error);

	if (rc)
		return rc;
	if (!image->pixels || assay__image_check_size(image->width_px, image->height_px, NULL) ||
		image->stride_bytes < (size_t)image->width_px * (size_t)(image->channels * image->depth_bits / 8))
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "this is no picture: %d x %d pixels, %zu bytes a row",
						   image->width_px, image->height_px, image->stride_bytes);
	return ASSAY_OK;
}

int assay__image_orient(struct assay_image *image, int orientation, const struct assay_allocator *allocator,
						struct assay_error *error)
{
	/* bit 0: read from the right, bit 1: read from the bottom, bit 2: rows become columns */
	static const uint8_t turns[9] = {0, 0, 1, 3, 2, 4, 6, 7, 5};
	size_t pixel = (size_t)(image->channels * image->depth_bits / 8);
	struct assay_image upright;
	int turn, x, y, rc;

	if (orientation < 2 || orientation > 8)
		return ASSAY_OK;
	turn = turns[orientation];
	rc = assay__image_new(turn & 4 ? image->height_px : image->width_px, turn & 4 ? image->width_px : image->height_px,
						  image->channels, image->depth_bits, allocator, &upright, error);
	if (rc)
		return rc;
	for (y = 0; y < upright.height_px; y++) {
		uint8_t *to = upright.pixels + (size_t)y * upright.stride_bytes;

		for (x = 0; x < upright.width_px; x++) {
			int from_x = turn & 4 ? y : x, from_y = turn & 4 ? x : y;

			if (turn & 1)
				from_x = image->width_px - 1 - from_x;
			if (turn & 2)
				from_y = image->height_px - 1 - from_y;
			memcpy(to, image->pixels + (size_t)from_y * image->stride_bytes + (size_t)from_x * pixel, pixel);
			to += pixel;
		}
	}
	assay_image_free(image, allocator);
	*image = upright;
	return ASSAY_OK;
}

void assay_image_hash(const struct assay_image *image, uint8_t hash[ASSAY_HASH_BYTES])
{
	uint32_t fields[4] = {(uint32_t)image->width_px, (uint32_t)image->height_px, (uint32_t)image->channels,
						  (uint32_t)image->depth_bits};
	size_t row_bytes = (size_t)image->width_px * (size_t)(image->channels * image->depth_bits / 8);
	crypto_generichash_state state;
	uint8_t header[16];
	int i, y;

	for (i = 0; i < 16; i++)
		header[i] = (uint8_t)(fields[i / 4] >> i % 4 * 8);
	crypto_generichash_init(&state, NULL, 0, ASSAY_HASH_BYTES);
	crypto_generichash_update(&state, header, sizeof(header));
	for (y = 0; y < image->height_px; y++) {
		const uint8_t *row = image->pixels + (size_t)y * image->stride_bytes;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
		crypto_generichash_update(&state, row, row_bytes);
#else
		size_t at, j, n;
		uint8_t swapped[512];

		for (at = 0; at < row_bytes; at += n) {
			n = row_bytes - at < sizeof(swapped) ? row_bytes - at : sizeof(swapped);
			for (j = 0; j < n; j++)
				swapped[j] = row[at + (image->depth_bits == 16 ? j ^ 1 : j)];
			crypto_generichash_update(&state, swapped, n);
		}
#endif
	}
	crypto_generichash_final(&state, hash, ASSAY_HASH_BYTES);
}

int assay_image_decode(const void *bytes, size_t size, const struct assay_allocator *allocator, struct assay_image *out,
					   struct assay_error *error)
{
	const struct assay__decoder *decoder = NULL;
	struct assay_image image;
	int orientation = 1, rc;
	size_t i;

	if (size == 0)
		return assay__fail(error, ASSAY_E_FORMAT, 0, "empty file");
	for (i = 0; i < sizeof(decoders) / sizeof(decoders[0]) && !decoder; i++)
		if (decoders[i]->probe(bytes, size))
			decoder = decoders[i];
	if (!decoder)
		return assay__fail(error, ASSAY_E_FORMAT, 0, "not a picture assay reads (JPEG, PNG, BMP, TIFF, PGM, PPM)");
	rc = decoder->decode(bytes, size, allocator, &image, &orientation, error);
	if (!rc) {
		rc = assay__image_orient(&image, orientation, allocator, error);
		if (rc)
			assay_image_free(&image, allocator);
	}
	if (rc) {
		assay__fail_prefix(error, "%s", decoder->name);
		return rc;
	}
	*out = image;
	return ASSAY_OK;
}

/* What an open descriptor is, if it is not a file to read. */
static int check_file(int fd, int64_t *size, struct assay_error *error)
{
	const char *kind;
	struct stat st;

	if (fstat(fd, &st))
		return assay__fail(error, ASSAY_E_IO, -1, "cannot be examined: %s", strerror(errno));
	if (!S_ISREG(st.st_mode)) {
		kind = S_ISDIR(st.st_mode)	  ? "a folder"
			   : S_ISFIFO(st.st_mode) ? "a pipe"
			   : S_ISSOCK(st.st_mode) ? "a socket"
									  : "a device";
		return assay__fail(error, ASSAY_E_IO, -1, "is %s, expected a picture file", kind);
	}
	if (st.st_size > FILE_MAX_BYTES)
		return assay__fail(error, ASSAY_E_LIMIT, -1, "the file has %lld bytes, at most %lld are read",
						   (long long)st.st_size, (long long)FILE_MAX_BYTES);
	*size = st.st_size;
	return ASSAY_OK;
}

static int read_file(const char *path, const struct assay_allocator *allocator, uint8_t **bytes, size_t *size,
					 struct assay_error *error)
{
	/* without O_NONBLOCK the opening of a pipe would wait for a writer */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK), rc;
	int64_t want = 0;
	size_t have = 0;
	uint8_t *data;

	if (fd < 0)
		return assay__fail(error, ASSAY_E_IO, -1, "cannot be opened: %s", strerror(errno));
	rc = check_file(fd, &want, error);
	if (rc)
		goto close;
	data = assay__alloc(allocator, (size_t)want);
	if (!data) {
		rc = assay__fail(error, ASSAY_E_NOMEM, -1, "out of memory for a file of %lld bytes", (long long)want);
		goto close;
	}
	while (have < (size_t)want) {
		ssize_t n = read(fd, data + have, (size_t)want - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = assay__fail(error, ASSAY_E_IO, (int64_t)have, "cannot be read at byte %zu: %s", have, strerror(errno));
			assay__free(allocator, data);
			goto close;
		}
		if (n == 0)
			break;
		have += (size_t)n;
	}
	*bytes = data;
	*size = have;
close:
	close(fd);
	return rc;
}

int assay_image_load(const char *path, const struct assay_allocator *allocator, struct assay_image *out,
					 struct assay_error *error)
{
	size_t size = 0, length = strlen(path);
	uint8_t *bytes = NULL;
	int rc = read_file(path, allocator, &bytes, &size, error);

	if (!rc) {
		rc = assay_image_decode(bytes, size, allocator, out, error);
		assay__free(allocator, bytes);
	}
	/* of a long path the end tells more, and the reason must still fit behind it */
	if (rc && length > PATH_SHOWN)
		assay__fail_prefix(error, "...%s", path + length - PATH_SHOWN);
	else if (rc)
		assay__fail_prefix(error, "%s", path);
	return rc;
}
