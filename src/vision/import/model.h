/* SPDX-License-Identifier: Apache-2.0 */
/* A network in real numbers, cut down to what the engine knows: one layer is one node of a .net file. */
#ifndef ASSAY_SRC_VISION_IMPORT_MODEL_H
#define ASSAY_SRC_VISION_IMPORT_MODEL_H

#include "vision/import/import.h"
#include "vision/import/onnx.h"
#include "vision/net/network.h"

#define ASSAY__MAX_LAYERS (ASSAY__MAX_TENSORS - 1)

/** Layer i makes tensor i + 1; tensor 0 is the picture, 3 channels. Fields as in net.h. */
struct assay__layer {
	enum assay__op op;
	int src, other; /**< tensors; other -1: none, else added (of a convolution too) or concatenated */
	int kernel, stride, pad, border;
	int cin, cout;
	int at_stride;		  /**< of the output, of the picture */
	const float *weights; /**< convolution [cout][ky][kx][cin], depthwise [c][ky][kx]; NULL for others */
	const float *bias;
	float lo, hi;	/**< clamp of the output; infinite: none */
	bool nonneg;	/**< no output is below zero */
	int same_scale; /**< tensor whose scale this one takes, -1: its own */
	char name[ASSAY__ONNX_NAME_CHARS];
};

struct assay__model {
	int layer_count, tap_count, align;
	struct assay__layer layers[ASSAY__MAX_LAYERS];
	int taps[ASSAY__MAX_TAPS];			   /**< tensors, ascending stride */
	float image_scale[3], image_offset[3]; /**< the network's input is pixel * scale + offset */
};

/**
 * What lies between the input and the taps, with constants folded in. Everything is from arena. Errors: UNSUPPORTED
 * with operator and node, ARGUMENT (a tap that is none), FORMAT, LIMIT, NOMEM.
 */
int assay__model_lower(const struct assay__onnx *onnx, const struct assay__import_options *options,
					   struct assay__arena *arena, struct assay__model *out, struct assay_error *error);

/** Bytes of memory that assay__model_run needs for one size. */
size_t assay__model_bytes(const struct assay__model *model, int width, int height);

/**
 * Runs the model in float, single operations in a stated order: the same bits on every machine. pixels: rows of 4 bytes
 * R G B and one ignored. memory has assay__model_bytes; maps[t] of every tensor t points into it, rows of pixels of
 * channels, without gaps.
 */
void assay__model_run(const struct assay__model *model, const uint8_t *pixels, size_t row_bytes, int width, int height,
					  float *memory, const float *maps[ASSAY__MAX_TENSORS]);

static inline int assay__model_channels(const struct assay__model *model, int tensor)
{
	return tensor ? model->layers[tensor - 1].cout : 3;
}

static inline int assay__model_stride(const struct assay__model *model, int tensor)
{
	return tensor ? model->layers[tensor - 1].at_stride : 1;
}

/** How a tensor is written in u8. */
struct assay__grid {
	float step;
	int zero_point;
};

/** The .net file, from allocator, the caller's. gains[tap][channel] as in net.h. Errors: NOMEM, LIMIT. */
int assay__model_write(const struct assay__model *model, const struct assay__grid *grids, const char *name,
					   uint16_t gains[ASSAY__MAX_TAPS][ASSAY__MAX_CHANNELS], const struct assay_allocator *allocator,
					   uint8_t **bytes, size_t *size_bytes, struct assay_error *error);

#endif
