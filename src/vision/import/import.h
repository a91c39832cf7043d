/* SPDX-License-Identifier: Apache-2.0 */
/* A network of the user's own: from an ONNX model and some pictures to a .net file. */
#ifndef ASSAY_SRC_VISION_IMPORT_H
#define ASSAY_SRC_VISION_IMPORT_H

#include "vision/net/net.h"
#include "vision/parts.h"

#define ASSAY__IMPORT_NAME_CHARS 64

/** What the file cannot say. */
struct assay__import_options {
	const char *name; /**< of the network, printable ASCII, at most 32 characters */
	const char *const *taps;
	int tap_count;			/**< 0: the last tensors at strides 4, 8 and 16 */
	double white;			/**< the network's input where a pixel is 255, before mean and std: 1 or 255 */
	double mean[3], std[3]; /**< input = (white * pixel / 255 - mean) / std, R G B */
	int working_px;			/**< short side of the calibration pictures */
	int pictures;			/**< at most so many are taken, evenly over those offered */
};

/** What came of it. */
struct assay__import_report {
	int pictures_used, pictures_unreadable;
	int nodes; /**< of the .net file */
	int64_t macs;
	int width_px, height_px; /**< of the last picture used, for which macs is */
	int tap_count;
	struct {
		char name[ASSAY__IMPORT_NAME_CHARS]; /**< of the tensor in the model */
		int stride, channels;
		double error, signal; /**< sums over the samples compared: (integer - float)^2, float^2 */
	} taps[ASSAY__MAX_TAPS];
};

/** Reads the model as far as the taps; fills the taps' names, strides and channels, and nodes. Errors as import. */
int assay__import_check(const void *onnx, size_t size_bytes, const struct assay__import_options *options,
						const struct assay_allocator *allocator, struct assay__import_report *report,
						struct assay_error *error);

/**
 * Quantises the model: weights by output channel, activations by the step of least squared error on the pictures, and
 * compares the result with the model in float on them. Same model and pictures, same bytes, whatever the runner.
 * Pictures that cannot be read are left out (hook `unreadable`). On success *bytes is the caller's, from allocator.
 * Errors: FORMAT with the byte, UNSUPPORTED naming operator and node, ARGUMENT, LIMIT, CANCELLED, NOMEM.
 */
int assay__import(const void *onnx, size_t size_bytes, const struct assay__import_options *options,
				  const struct assay_parts *pictures, const struct assay__labour *labour,
				  const struct assay_allocator *allocator, uint8_t **bytes, size_t *net_bytes,
				  struct assay__import_report *report, struct assay_error *error);

#endif
