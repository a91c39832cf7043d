/* SPDX-License-Identifier: Apache-2.0 */
/* JPEG through libjpeg-turbo, with everything that could change a bit pinned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "base/err.h"
#include "vision/image/codec.h"

/* An ordinary progressive file has about ten; hostile ones have thousands, each a pass over the whole picture. */
#define SCANS_MAX 100
#define EXIF_SIGN_BYTES 6

struct failure {
	struct jpeg_error_mgr base; /* first: libjpeg hands back a pointer to it */
	jmp_buf jump;
	enum assay_err code;
	char message[sizeof(((struct assay_error *)0)->message)]; /* no shorter than libjpeg's JMSG_LENGTH_MAX */
};

struct reader {
	struct jpeg_decompress_struct jpeg;
	struct failure failure;
	struct jpeg_progress_mgr progress;
	size_t size;
	const struct assay_allocator *allocator;
	struct assay_image image;
	int orientation;
};

static enum assay_err code_of(int message)
{
	switch (message) {
	case JERR_OUT_OF_MEMORY:
		return ASSAY_E_NOMEM;
	case JERR_IMAGE_TOO_BIG:
	case JERR_WIDTH_OVERFLOW:
		return ASSAY_E_LIMIT;
	case JERR_ARITH_NOTIMPL:
	case JERR_BAD_PRECISION:
	case JERR_CCIR601_NOTIMPL:
	case JERR_COMPONENT_COUNT:
	case JERR_CONVERSION_NOTIMPL:
	case JERR_FRACT_SAMPLE_NOTIMPL:
	case JERR_NOTIMPL:
	case JERR_NOT_COMPILED:
	case JERR_SOF_UNSUPPORTED:
		return ASSAY_E_UNSUPPORTED;
	default:
		return ASSAY_E_FORMAT;
	}
}

static _Noreturn void on_error(j_common_ptr jpeg)
{
	struct failure *failure = (struct failure *)jpeg->err;

	failure->code = code_of(jpeg->err->msg_code);
	jpeg->err->format_message(jpeg, failure->message);
	longjmp(failure->jump, 1);
}

/* libjpeg would go on with grey where data is missing; a part must never be judged on that. */
static void on_message(j_common_ptr jpeg, int level)
{
	if (level >= 0)
		return;
	switch (jpeg->err->msg_code) {
	case JWRN_ADOBE_XFORM:
	case JWRN_BOGUS_ICC:
	case JWRN_JFIF_MAJOR:
		return;
	default:
		on_error(jpeg);
	}
}

static void on_output(j_common_ptr jpeg)
{
	(void)jpeg;
}

static void install(struct failure *failure)
{
	jpeg_std_error(&failure->base);
	failure->base.error_exit = on_error;
	failure->base.emit_message = on_message;
	failure->base.output_message = on_output;
}

static _Noreturn void give_up(struct failure *failure, enum assay_err code, const char *format, ...) ASSAY_PRINTF(3, 4);

static _Noreturn void give_up(struct failure *failure, enum assay_err code, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(failure->message, sizeof(failure->message), format, list);
	va_end(list);
	failure->code = code;
	longjmp(failure->jump, 1);
}

static void on_progress(j_common_ptr jpeg)
{
	struct reader *r = (struct reader *)jpeg->client_data;

	if (r->jpeg.input_scan_number > SCANS_MAX) {
		give_up(&r->failure, ASSAY_E_LIMIT, "it has more than %d scans", SCANS_MAX);
	}
}

static int orientation_of(const struct jpeg_decompress_struct *jpeg)
{
	const struct jpeg_marker_struct *marker;

	for (marker = jpeg->marker_list; marker; marker = marker->next)
		if (marker->marker == JPEG_APP0 + 1 && marker->data_length > EXIF_SIGN_BYTES &&
			memcmp(marker->data, "Exif\0", EXIF_SIGN_BYTES) == 0)
			return assay__exif_orientation(marker->data + EXIF_SIGN_BYTES, marker->data_length - EXIF_SIGN_BYTES);
	return 1;
}

static void check_header(struct reader *r)
{
	struct jpeg_decompress_struct *jpeg = &r->jpeg;
	struct assay_error error;
	int rc = assay__image_check_size(jpeg->image_width, jpeg->image_height, &error);
	uint64_t across, down;

	if (rc) {
		give_up(&r->failure, (enum assay_err)rc, "%s", error.message);
	}
	switch (jpeg->jpeg_color_space) {
	case JCS_GRAYSCALE:
		jpeg->out_color_space = JCS_GRAYSCALE;
		break;
	case JCS_YCbCr:
	case JCS_RGB:
		jpeg->out_color_space = JCS_RGB;
		break;
	case JCS_CMYK:
	case JCS_YCCK:
		give_up(&r->failure, ASSAY_E_UNSUPPORTED,
				"the colours are CMYK, for printing; save the picture as grey or RGB");
	default:
		give_up(&r->failure, ASSAY_E_UNSUPPORTED, "it has %d colour components, expected 1 or 3", jpeg->num_components);
	}
	/* Huffman coding spends at least one bit on the first coefficient of every block (ITU-T T.81, F.1.2.1) */
	across =
		(jpeg->image_width + 8u * (unsigned)jpeg->max_h_samp_factor - 1) / (8u * (unsigned)jpeg->max_h_samp_factor);
	down = (jpeg->image_height + 8u * (unsigned)jpeg->max_v_samp_factor - 1) / (8u * (unsigned)jpeg->max_v_samp_factor);
	if (!jpeg->arith_code && across * down > (uint64_t)r->size * 8) {
		give_up(&r->failure, ASSAY_E_FORMAT, "it claims %u x %u pixels, which %zu bytes cannot hold", jpeg->image_width,
				jpeg->image_height, r->size);
	}
}

/* Leaves by longjmp on every failure; what it took is in *r. */
static void read_jpeg(struct reader *r, const uint8_t *bytes)
{
	struct jpeg_decompress_struct *jpeg = &r->jpeg;
	struct assay_error error;

	jpeg_create_decompress(jpeg);
	jpeg->client_data = r;
	r->progress.progress_monitor = on_progress;
	jpeg->progress = &r->progress;
	jpeg_mem_src(jpeg, bytes, r->size);
	jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xffff);
	jpeg_read_header(jpeg, TRUE);
	check_header(r);
	r->orientation = orientation_of(jpeg);
	jpeg->dct_method = JDCT_ISLOW;
	jpeg->do_fancy_upsampling = TRUE;
	jpeg->do_block_smoothing = FALSE;
	/* a progressive file is read to its end here, so that a cut one costs no pixels */
	jpeg_start_decompress(jpeg);
	if (assay__image_new(jpeg->output_width, jpeg->output_height, jpeg->output_components, 8, r->allocator, &r->image,
						 &error)) {
		give_up(&r->failure, error.code, "%s", error.message);
	}
	while (jpeg->output_scanline < jpeg->output_height) {
		JSAMPROW row = r->image.pixels + (size_t)jpeg->output_scanline * r->image.stride_bytes;

		jpeg_read_scanlines(jpeg, &row, 1);
	}
	jpeg_finish_decompress(jpeg);
}

static void report(const struct reader *r, struct assay_error *error)
{
	const struct failure *failure = &r->failure;

	if (failure->base.msg_code == JWRN_JPEG_EOF) {
		assay__fail(error, ASSAY_E_FORMAT, (int64_t)r->size, "the file ends early, at byte %zu", r->size);
	} else if (failure->code == ASSAY_E_FORMAT && r->jpeg.src) {
		size_t at = r->size - r->jpeg.src->bytes_in_buffer;

		assay__fail(error, failure->code, (int64_t)at, "%s (near byte %zu)", failure->message, at);
	} else {
		assay__fail(error, failure->code, -1, "%s", failure->message);
	}
}

static int decode(const uint8_t *bytes, size_t size, const struct assay_allocator *allocator, struct assay_image *out,
				  int *orientation, struct assay_error *error)
{
	struct reader r = {.size = size, .allocator = allocator};

	r.jpeg.err = &r.failure.base;
	install(&r.failure);
	if (setjmp(r.failure.jump)) {
		report(&r, error);
		assay__free(allocator, r.image.pixels);
		jpeg_destroy_decompress(&r.jpeg);
		return r.failure.code;
	}
	read_jpeg(&r, bytes);
	jpeg_destroy_decompress(&r.jpeg);
	*out = r.image;
	*orientation = r.orientation;
	return ASSAY_OK;
}

static bool probe(const uint8_t *bytes, size_t size)
{
	return size >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff;
}

struct writer {
	struct jpeg_compress_struct jpeg;
	struct failure failure;
	struct jpeg_destination_mgr target;
	struct assay__bytes bytes;
};

static void grow(struct writer *w)
{
	if (!assay__bytes_reserve(&w->bytes, w->bytes.size ? w->bytes.size : 1))
		give_up(&w->failure, ASSAY_E_NOMEM, "out of memory");
	w->target.next_output_byte = w->bytes.data + w->bytes.size;
	w->target.free_in_buffer = w->bytes.capacity - w->bytes.size;
}

static void on_start(j_compress_ptr jpeg)
{
	grow((struct writer *)jpeg->client_data);
}

static boolean on_full(j_compress_ptr jpeg)
{
	struct writer *w = (struct writer *)jpeg->client_data;

	/* libjpeg says that the whole buffer is full, whatever free_in_buffer says */
	w->bytes.size = w->bytes.capacity;
	grow(w);
	return TRUE;
}

static void on_end(j_compress_ptr jpeg)
{
	struct writer *w = (struct writer *)jpeg->client_data;

	w->bytes.size = w->bytes.capacity - w->target.free_in_buffer;
}

static void write_jpeg(struct writer *w, const struct assay_image *image, int quality)
{
	struct jpeg_compress_struct *jpeg = &w->jpeg;

	jpeg_create_compress(jpeg);
	jpeg->client_data = w;
	w->target.init_destination = on_start;
	w->target.empty_output_buffer = on_full;
	w->target.term_destination = on_end;
	jpeg->dest = &w->target;
	jpeg->image_width = (JDIMENSION)image->width_px;
	jpeg->image_height = (JDIMENSION)image->height_px;
	jpeg->input_components = image->channels;
	jpeg->in_color_space = image->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
	jpeg_set_defaults(jpeg);
	jpeg_set_quality(jpeg, quality, TRUE);
	jpeg->dct_method = JDCT_ISLOW;
	jpeg_start_compress(jpeg, TRUE);
	while (jpeg->next_scanline < jpeg->image_height) {
		JSAMPROW row = image->pixels + (size_t)jpeg->next_scanline * image->stride_bytes;

		jpeg_write_scanlines(jpeg, &row, 1);
	}
	jpeg_finish_compress(jpeg);
}

int assay_image_encode_jpeg(const struct assay_image *image, int quality, const struct assay_allocator *allocator,
							uint8_t **bytes, size_t *size, struct assay_error *error)
{
	struct writer w = {.bytes = {.allocator = allocator}};
	int rc = assay__image_check(image, error);

	if (rc)
		return rc;
	if (image->depth_bits != 8)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "JPEG holds 8 bits a sample, the picture has %d",
						   image->depth_bits);
	if (quality < 1 || quality > 100)
		return assay__fail(error, ASSAY_E_ARGUMENT, -1, "JPEG quality %d is outside 1..100", quality);
	w.jpeg.err = &w.failure.base;
	install(&w.failure);
	if (setjmp(w.failure.jump)) {
		assay__free(allocator, w.bytes.data);
		jpeg_destroy_compress(&w.jpeg);
		return assay__fail(error, w.failure.code, -1, "JPEG: %s", w.failure.message);
	}
	write_jpeg(&w, image, quality);
	jpeg_destroy_compress(&w.jpeg);
	*bytes = w.bytes.data;
	*size = w.bytes.size;
	return ASSAY_OK;
}

const struct assay__decoder assay__decoder_jpeg = {
	.name = "JPEG",
	.probe = probe,
	.decode = decode,
};
