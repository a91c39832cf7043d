/* SPDX-License-Identifier: Apache-2.0 */
/* The model in float, for calibration: maps are rows of pixels of channels. Sums run over ky, kx, channel in that order. */
#include <string.h>

#include "vision/import/model.h"

#define PIXELS 4
#define LANES 4
#define BLOCK 8 /* output channels at once */
#define SLACK (PIXELS * ASSAY__MAX_CHANNELS)

typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

struct size {
	int width, height, channels;
};

static struct size size_of(const struct assay__model *model, int tensor, int width, int height)
{
	const int stride = assay__model_stride(model, tensor);
	return (struct size){width / stride, height / stride, assay__model_channels(model, tensor)};
}

static size_t elements(struct size size)
{
	return (size_t)size.width * (size_t)size.height * (size_t)size.channels;
}

static size_t blocks(int channels)
{
	return ((size_t)channels + BLOCK - 1) / BLOCK * BLOCK;
}

/* The map with its border: kernel pixels more each way. */
static struct size bordered(struct size size, int kernel)
{
	return (struct size){size.width + kernel, size.height + kernel, size.channels};
}

static size_t scratch_floats(const struct assay__model *model, int width, int height)
{
	size_t most = 0;

	for (int i = 0; i < model->layer_count; i++) {
		const struct assay__layer *layer = &model->layers[i];
		size_t floats = elements(bordered(size_of(model, layer->src, width, height), layer->kernel)) + SLACK;
		if (layer->op == ASSAY__CONV)
			floats += (size_t)(layer->kernel * layer->kernel * layer->cin) * blocks(layer->cout);
		most = floats > most ? floats : most;
	}
	return most;
}

size_t assay__model_bytes(const struct assay__model *model, int width, int height)
{
	size_t floats = scratch_floats(model, width, height);

	for (int i = 0; i <= model->layer_count; i++)
		floats += elements(size_of(model, i, width, height));
	return floats * sizeof(float);
}

static int nearest(int at, int count)
{
	return at < 0 ? 0 : at >= count ? count - 1 : at;
}

static void lay_border(const struct assay__layer *layer, const float *src, struct size size, float *out)
{
	const size_t pixel = (size_t)size.channels * sizeof(float);
	const struct size wide = bordered(size, layer->kernel);

	for (int y = 0; y < wide.height; y++)
		for (int x = 0; x < wide.width; x++, out += size.channels) {
			const int sy = y - layer->pad, sx = x - layer->pad;
			const int ny = nearest(sy, size.height), nx = nearest(sx, size.width);
			if (layer->border == 1 && (ny != sy || nx != sx))
				memset(out, 0, pixel);
			else
				memcpy(out, src + ((size_t)ny * (size_t)size.width + (size_t)nx) * (size_t)size.channels, pixel);
		}
	memset(out, 0, SLACK * sizeof(float)); /* read by blocks that reach past the last row */
}

static float finish(const struct assay__layer *layer, float sum, int channel, const float *other)
{
	float t = sum + layer->bias[channel];

	if (other)
		t = t + *other;
	return t < layer->lo ? layer->lo : t > layer->hi ? layer->hi : t;
}

/* From [cout][tap][cin] to [tap][cin][cout in whole blocks]. */
static void turn_weights(const struct assay__layer *layer, float *out)
{
	const size_t wide = blocks(layer->cout), inner = (size_t)(layer->kernel * layer->kernel * layer->cin);

	for (size_t i = 0; i < inner; i++)
		for (size_t o = 0; o < wide; o++)
			out[i * wide + o] = o < (size_t)layer->cout ? layer->weights[o * inner + i] : 0;
}

/* BLOCK channels of PIXELS pixels that lie `step` floats apart. */
static void conv_block(const struct assay__layer *layer, const float *in, size_t row, size_t step, const float *w,
					   size_t wide, float out[PIXELS][BLOCK])
{
	const int run = layer->kernel * layer->cin;
	lanes sum[PIXELS][BLOCK / LANES] = {0};

	for (int ky = 0; ky < layer->kernel; ky++, in += row)
		for (int i = 0; i < run; i++, w += wide) {
			lanes a, b;
			memcpy(&a, w, sizeof(a));
			memcpy(&b, w + LANES, sizeof(b));
			for (size_t p = 0; p < PIXELS; p++) {
				const float x = in[p * step + (size_t)i];
				sum[p][0] += a * x;
				sum[p][1] += b * x;
			}
		}
	memcpy(out, sum, sizeof(sum));
}

static void run_conv(const struct assay__layer *layer, const float *src, struct size in, struct size out,
					 const float *other, float *dst, float *scratch)
{
	const struct size wide = bordered(in, layer->kernel);
	const size_t row = (size_t)wide.width * (size_t)in.channels, step = (size_t)(layer->stride * in.channels);
	const size_t channels = blocks(layer->cout);
	float *weights = scratch + elements(wide) + SLACK, block[PIXELS][BLOCK];

	lay_border(layer, src, in, scratch);
	turn_weights(layer, weights);
	for (int y = 0; y < out.height; y++)
		for (int x = 0; x < out.width; x += PIXELS)
			for (int o = 0; o < layer->cout; o += BLOCK) {
				conv_block(layer, scratch + (size_t)(y * layer->stride) * row + (size_t)x * step, row, step,
						   weights + o, channels, block);
				for (int p = 0; p < PIXELS && x + p < out.width; p++)
					for (int c = o; c < o + BLOCK && c < layer->cout; c++) {
						const size_t at =
							((size_t)y * (size_t)out.width + (size_t)(x + p)) * (size_t)layer->cout + (size_t)c;
						dst[at] = finish(layer, block[p][c - o], c, other ? other + at : NULL);
					}
			}
}

/* Depthwise convolutions and pools: a window of each channel. */
static void run_window(const struct assay__layer *layer, const float *src, struct size in, struct size out,
					   const float *other, float *dst, float *scratch)
{
	const struct size wide = bordered(in, layer->kernel);
	const size_t row = (size_t)wide.width * (size_t)in.channels, n = (size_t)in.channels;
	const int taps = layer->kernel * layer->kernel;

	lay_border(layer, src, in, scratch);
	for (int y = 0; y < out.height; y++)
		for (int x = 0; x < out.width; x++) {
			const float *from = scratch + (size_t)(y * layer->stride) * row + (size_t)(x * layer->stride) * n;
			for (size_t c = 0; c < n; c++, dst++) {
				float sum = layer->op == ASSAY__MAX_POOL ? from[c] : 0;
				for (int t = 0; t < taps; t++) {
					const float v = from[(size_t)(t / layer->kernel) * row + (size_t)(t % layer->kernel) * n + c];
					if (layer->op == ASSAY__MAX_POOL)
						sum = v > sum ? v : sum;
					else
						sum += layer->op == ASSAY__DEPTHWISE ? v * layer->weights[c * (size_t)taps + (size_t)t] : v;
				}
				if (layer->op == ASSAY__DEPTHWISE) {
					sum = finish(layer, sum, (int)c, other);
					other = other ? other + 1 : NULL;
				}
				*dst = layer->op == ASSAY__AVERAGE_POOL ? sum / (float)taps : sum;
			}
		}
}

static void run_pair(const struct assay__layer *layer, const float *a, const float *b, struct size out, float *dst)
{
	const size_t pixels = (size_t)out.width * (size_t)out.height;
	const size_t n = (size_t)layer->cin, m = (size_t)layer->cout - n;

	for (size_t i = 0; i < pixels; i++, dst += layer->cout)
		for (size_t c = 0; c < (size_t)layer->cout; c++) {
			float t = layer->op == ASSAY__ADD ? a[i * n + c] + b[i * n + c] : c < n ? a[i * n + c] : b[i * m + c - n];
			dst[c] = t < layer->lo ? layer->lo : t > layer->hi ? layer->hi : t;
		}
}

void assay__model_run(const struct assay__model *model, const uint8_t *pixels, size_t row_bytes, int width, int height,
					  float *memory, const float *maps[ASSAY__MAX_TENSORS])
{
	float *scratch = memory;

	memory += scratch_floats(model, width, height);
	maps[0] = memory;
	for (int y = 0; y < height; y++)
		for (int x = 0; x < width; x++)
			for (int c = 0; c < 3; c++)
				*memory++ = (float)pixels[(size_t)y * row_bytes + (size_t)x * 4 + (size_t)c] * model->image_scale[c] +
							model->image_offset[c];
	for (int i = 0; i < model->layer_count; i++) {
		const struct assay__layer *layer = &model->layers[i];
		const struct size in = size_of(model, layer->src, width, height);
		const struct size out = size_of(model, i + 1, width, height);
		const float *src = maps[layer->src], *other = layer->other >= 0 ? maps[layer->other] : NULL;

		if (layer->op == ASSAY__CONV)
			run_conv(layer, src, in, out, other, memory, scratch);
		else if (layer->op == ASSAY__ADD || layer->op == ASSAY__CONCAT)
			run_pair(layer, src, other, out, memory);
		else
			run_window(layer, src, in, out, other, memory, scratch);
		maps[i + 1] = memory;
		memory += elements(out);
	}
}
