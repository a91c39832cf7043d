/* SPDX-License-Identifier: Apache-2.0 */
/* From a model in float and the grids of its tensors to the bytes of a .net file, as net.h lays them out. */
#include <assert.h>
#include <math.h>
#include <sodium.h>
#include <string.h>

#include "base/err.h"
#include "vision/import/model.h"

#define HEADER_BYTES 64
#define TENSOR_BYTES 16
#define NODE_BYTES 64
#define TAP_BYTES 8
#define HASH_BYTES 32
#define MAX_NET_BYTES ((size_t)256 << 20)
/* Of the 2^31 that a sum and the 2^30 that a value may reach, what a bias may take. */
#define MAX_BIAS 0x1p28

struct writer {
	const struct assay__model *model;
	const struct assay__grid *grids;
	uint8_t *bytes; /* NULL: only measure */
	size_t at;		/* where the next array goes */
};

static void put_u32(const struct writer *w, size_t at, uint32_t value)
{
	for (size_t i = 0; w->bytes && i < 4; i++)
		w->bytes[at + i] = (uint8_t)(value >> 8 * i);
}

static void put_f32(const struct writer *w, size_t at, float value)
{
	uint32_t bits;
	memcpy(&bits, &value, sizeof(bits));
	put_u32(w, at, bits);
}

/* Room for an array; its offset goes to field. Returns the offset. */
static size_t take(struct writer *w, size_t field, size_t size_bytes)
{
	const size_t at = w->at;
	put_u32(w, field, (uint32_t)at);
	w->at += (size_bytes + 3) & ~(size_t)3;
	return at;
}

static bool has_weights(const struct assay__layer *layer)
{
	return layer->op == ASSAY__CONV || layer->op == ASSAY__DEPTHWISE;
}

/* A clamp in steps of dst, within what u8 holds. */
static int on_grid(const struct assay__grid *grid, float limit, int lowest)
{
	if (limit == -INFINITY)
		return lowest;
	if (limit == INFINITY)
		return 255;
	const double q = rint((double)limit / (double)grid->step) + grid->zero_point;
	return q < lowest ? lowest : q > 255 ? 255 : (int)q;
}

/* One output channel: weights on the grid of their largest, the bias in units of the sum. */
static void write_channel(const struct writer *w, const struct assay__layer *layer, int c, size_t weights, size_t bias,
						  size_t mult)
{
	const size_t cin = layer->op == ASSAY__CONV ? (size_t)layer->cin : 1;
	const size_t window = (size_t)(layer->kernel * layer->kernel) * cin;
	const float *from = layer->weights + (size_t)c * window;
	const struct assay__grid *src = &w->grids[layer->src];
	const bool image = layer->src == 0;
	double most = 0, shift = (double)layer->bias[c];
	int64_t sum = 0;

	/* Of the picture: one step is one grey level, and what the network sees at the zero point goes into the bias. */
	for (size_t i = 0; i < window; i++) {
		const size_t input = layer->op == ASSAY__CONV ? i % cin : (size_t)c;
		const double factor = image ? (double)w->model->image_scale[input] : (double)src->step;
		const double value = fabs((double)from[i] * factor);
		most = value > most ? value : most;
		if (image)
			shift += (double)from[i] *
					 ((double)w->model->image_scale[input] * src->zero_point + (double)w->model->image_offset[input]);
	}
	double unit = most / 127;
	if (unit < fabs(shift) / MAX_BIAS)
		unit = fabs(shift) / MAX_BIAS;
	if (unit < 1e-30)
		unit = 1e-30;
	for (size_t i = 0; i < window; i++) {
		const size_t input = layer->op == ASSAY__CONV ? i % cin : (size_t)c;
		const double factor = image ? (double)w->model->image_scale[input] : (double)src->step;
		const int q = (int)rint((double)from[i] * factor / unit);
		w->bytes[weights + (size_t)c * window + i] = (uint8_t)(int8_t)q;
		sum += q;
	}
	put_u32(w, bias + 4 * (size_t)c, (uint32_t)((int64_t)rint(shift / unit) - src->zero_point * sum));
	put_f32(w, mult + 4 * (size_t)c, (float)(unit / (double)w->grids[layer - w->model->layers + 1].step));
}

static void write_node(struct writer *w, int index, size_t at)
{
	const struct assay__layer *layer = &w->model->layers[index];
	const struct assay__grid *dst = &w->grids[index + 1], *src = &w->grids[layer->src];
	const size_t cout = (size_t)layer->cout, inputs = layer->op == ASSAY__CONV ? (size_t)layer->cin : 1;
	const bool pool = layer->op == ASSAY__MAX_POOL || layer->op == ASSAY__AVERAGE_POOL;

	put_u32(w, at, (uint32_t)layer->op);
	put_u32(w, at + 4, (uint32_t)layer->src);
	put_u32(w, at + 8, (uint32_t)index + 1);
	put_u32(w, at + 12, (uint32_t)layer->other);
	put_u32(w, at + 16, (uint32_t)layer->kernel);
	put_u32(w, at + 20, (uint32_t)layer->stride);
	/* Around a zero point the lowest is left out, so that both sides are alike. */
	put_u32(w, at + 24, pool ? 0 : (uint32_t)on_grid(dst, layer->lo, dst->zero_point ? 1 : 0));
	put_u32(w, at + 28, pool ? 255 : (uint32_t)on_grid(dst, layer->hi, dst->zero_point ? 1 : 0));
	if (layer->other >= 0)
		put_f32(w, at + 32, w->grids[layer->other].step / dst->step);
	put_u32(w, at + 48, (uint32_t)layer->border);
	put_u32(w, at + 52, layer->stride == 2 ? (uint32_t)layer->pad : 0);
	if (has_weights(layer)) {
		const size_t weights = take(w, at + 36, cout * inputs * (size_t)(layer->kernel * layer->kernel));
		const size_t bias = take(w, at + 40, cout * 4), mult = take(w, at + 44, cout * 4);
		for (int c = 0; w->bytes && c < layer->cout; c++)
			write_channel(w, layer, c, weights, bias, mult);
	} else if (!pool) {
		put_f32(w, take(w, at + 44, 4), src->step / dst->step);
	}
}

static void write_all(struct writer *w, const char *name, uint16_t gains[ASSAY__MAX_TAPS][ASSAY__MAX_CHANNELS])
{
	const struct assay__model *model = w->model;
	const int tensors = model->layer_count + 1;
	const size_t nodes = HEADER_BYTES + (size_t)tensors * TENSOR_BYTES;
	const size_t taps = nodes + (size_t)model->layer_count * NODE_BYTES;

	w->at = taps + (size_t)model->tap_count * TAP_BYTES;
	for (int i = 0; i < model->layer_count; i++)
		write_node(w, i, nodes + (size_t)i * NODE_BYTES);
	for (int t = 0; t < model->tap_count; t++) {
		const size_t channels = (size_t)assay__model_channels(model, model->taps[t]);
		const size_t field = taps + (size_t)t * TAP_BYTES, at = take(w, field + 4, channels * 2);
		put_u32(w, field, (uint32_t)model->taps[t]);
		for (size_t c = 0; w->bytes && c < channels; c++) {
			w->bytes[at + 2 * c] = (uint8_t)gains[t][c];
			w->bytes[at + 2 * c + 1] = (uint8_t)(gains[t][c] >> 8);
		}
	}
	if (!w->bytes)
		return;
	memcpy(w->bytes, "ASSAYNET", 8);
	put_u32(w, 8, 1);
	put_u32(w, 12, (uint32_t)(w->at + HASH_BYTES));
	memcpy(w->bytes + 16, name, strnlen(name, 32));
	const uint32_t counts[] = {(uint32_t)tensors, (uint32_t)model->layer_count, (uint32_t)model->tap_count,
							   (uint32_t)model->align};
	for (size_t i = 0; i < 4; i++)
		put_u32(w, 48 + 4 * i, counts[i]);
	for (int i = 0; i < tensors; i++) {
		const size_t at = HEADER_BYTES + (size_t)i * TENSOR_BYTES;
		put_u32(w, at, (uint32_t)assay__model_channels(model, i));
		put_u32(w, at + 4, (uint32_t)assay__model_stride(model, i));
		put_u32(w, at + 8, (uint32_t)w->grids[i].zero_point);
		put_f32(w, at + 12, w->grids[i].step);
	}
	crypto_generichash(w->bytes + w->at, HASH_BYTES, w->bytes, w->at, NULL, 0);
}

int assay__model_write(const struct assay__model *model, const struct assay__grid *grids, const char *name,
					   uint16_t gains[ASSAY__MAX_TAPS][ASSAY__MAX_CHANNELS], const struct assay_allocator *allocator,
					   uint8_t **bytes, size_t *size_bytes, struct assay_error *error)
{
	struct writer w = {.model = model, .grids = grids};

	write_all(&w, name, gains);
	const size_t size = w.at + HASH_BYTES;
	if (size > MAX_NET_BYTES)
		return assay__fail(error, ASSAY_E_LIMIT, -1, "the network would be %zu bytes long, the limit is %zu", size,
						   MAX_NET_BYTES);
	w.bytes = assay__calloc(allocator, 1, size);
	if (!w.bytes)
		return assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for a network of %zu bytes", size);
	write_all(&w, name, gains);
	*bytes = w.bytes;
	*size_bytes = size;
	return 0;
}
