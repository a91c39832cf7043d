/* SPDX-License-Identifier: Apache-2.0 */
/* The operators that the engine has, or that fold into one it has. Adding one is a function and a row at the end. */
#include <math.h>
#include <string.h>

#include "base/err.h"
#include "vision/import/lower.h"

#define NO_MEMORY(l) assay__fail((l)->error, ASSAY_E_NOMEM, -1, "no memory for the ONNX file")

static const struct assay__layer *layer_of(const struct assay__lower *l, const struct assay__value *v)
{
	return &l->drafts[v->draft].layer;
}

/* The first input, which must be a map. */
static int map_input(struct assay__lower *l, const struct assay__onnx_node *node, int index,
					 const struct assay__value **out)
{
	const struct assay__value *v = assay__input(l, node, index);
	if (!v || v->kind != ASSAY__MAP)
		return assay__refuse(l, "its input %d must come from the picture", index);
	*out = v;
	return 0;
}

static int constant_input(struct assay__lower *l, const struct assay__onnx_node *node, int index,
						  const struct assay__constant **constant, const float **values)
{
	const struct assay__value *v = assay__input(l, node, index);
	if (!v || v->kind != ASSAY__CONSTANT)
		return assay__refuse(l, "its input %d must be a constant", index);
	*constant = v->constant;
	return assay__constant_floats(v->constant, l->arena, values, l->error);
}

static int64_t integer(const struct assay__onnx_node *node, const char *name, int64_t fallback)
{
	const struct assay__attribute *attribute = assay__onnx_attribute(node, name);
	return attribute ? attribute->i : fallback;
}

/* A list of whole numbers, each from 0 to 64; out keeps its defaults if the node has none. */
static int integers(struct assay__lower *l, const struct assay__onnx_node *node, const char *name, int count, int *out)
{
	const struct assay__attribute *attribute = assay__onnx_attribute(node, name);
	const float *values = NULL;
	int err;

	if (!attribute || !attribute->tensor)
		return 0;
	if (attribute->tensor->elements != count)
		return assay__refuse(l, "%s has %lld numbers, expected %d", name, (long long)attribute->tensor->elements,
							 count);
	if ((err = assay__constant_floats(attribute->tensor, l->arena, &values, l->error)))
		return err;
	for (int i = 0; i < count; i++) {
		if (!(values[i] >= 0 && values[i] <= 64))
			return assay__refuse(l, "%s has %g, expected 0 to 64", name, (double)values[i]);
		out[i] = (int)values[i];
	}
	return 0;
}

/* A new layer that reads v, of its channels and stride, with nothing else set. */
static int add_draft(struct assay__lower *l, const struct assay__value *v, enum assay__op op,
					 struct assay__draft **draft, struct assay__value *out)
{
	if (l->draft_count == ASSAY__MAX_DRAFTS)
		return assay__fail(l->error, ASSAY_E_LIMIT, -1, "ONNX file: more than %d layers", ASSAY__MAX_DRAFTS);
	const int channels = layer_of(l, v)->cout;
	*draft = &l->drafts[l->draft_count];
	**draft = (struct assay__draft){
		.layer = {.op = op,
				  .src = v->draft,
				  .other = -1,
				  .kernel = 1,
				  .stride = 1,
				  .cin = channels,
				  .cout = channels,
				  .at_stride = layer_of(l, v)->at_stride,
				  .lo = -INFINITY,
				  .hi = INFINITY,
				  .same_scale = -1},
		.image_scale = v->image_scale,
		.image_offset = v->image_offset,
	};
	assay__name_text(out->name, (*draft)->layer.name);
	out->kind = ASSAY__MAP;
	out->draft = l->draft_count++;
	return 0;
}

static int add_factors(struct assay__lower *l, struct assay__draft *draft)
{
	const int channels = draft->layer.cout;

	draft->scale = assay__arena_calloc(l->arena, (size_t)channels, sizeof(float));
	draft->bias = assay__arena_calloc(l->arena, (size_t)channels, sizeof(float));
	if (!draft->scale || !draft->bias)
		return NO_MEMORY(l);
	for (int c = 0; c < channels; c++)
		draft->scale[c] = 1;
	return 0;
}

/* A depthwise layer whose window is 1 in the middle: to clamp, scale or shift what cannot be changed where it is made. */
static int add_pointwise(struct assay__lower *l, const struct assay__value *v, struct assay__draft **draft,
						 struct assay__value *out)
{
	int err = add_draft(l, v, ASSAY__DEPTHWISE, draft, out);
	if (err)
		return err;
	(*draft)->layer.kernel = 3;
	(*draft)->layer.pad = 1;
	(*draft)->layer.border = 1;
	return add_factors(l, *draft);
}

static int refuse_padded(struct assay__lower *l, const struct assay__value *v)
{
	return v->padded ? assay__refuse(l, "it follows a Pad, which only Conv and pools may") : 0;
}

/* Does nobody but the node at hand see what this layer makes? */
static bool is_private(const struct assay__value *v)
{
	return v->draft > 0 && v->uses == 1 && !v->shared;
}

static bool has_weights(const struct assay__layer *layer)
{
	return layer->op == ASSAY__CONV || layer->op == ASSAY__DEPTHWISE;
}

/* A convolution whose sum is still to be had: nothing was added, nothing clamped. */
static bool is_open(const struct assay__lower *l, const struct assay__value *v)
{
	const struct assay__layer *layer = layer_of(l, v);
	return is_private(v) && has_weights(layer) && layer->other < 0 && layer->lo == -INFINITY && layer->hi == INFINITY;
}

/* out = v, another name for it. */
static void alias(const struct assay__value *v, struct assay__value *out)
{
	const struct assay__name name = out->name;
	const int uses = out->uses;

	*out = *v;
	out->name = name;
	out->uses = uses;
	out->shared = v->shared || v->uses > 1;
}

/* out = v * scale[c] + offset[c]. */
static int apply_affine(struct assay__lower *l, const struct assay__value *v, const float *scale, const float *offset,
						struct assay__value *out)
{
	const int channels = layer_of(l, v)->cout;
	struct assay__draft *draft = NULL;
	int err = refuse_padded(l, v);

	if (err)
		return err;
	for (int c = 0; c < channels; c++)
		if (!isfinite(scale[c]) || !isfinite(offset[c]))
			return assay__refuse(l, "channel %d is scaled by %g and shifted by %g", c, (double)scale[c],
								 (double)offset[c]);
	if (v->draft == 0) {
		float *both = assay__arena_calloc(l->arena, 6, sizeof(float));
		if (!both)
			return NO_MEMORY(l);
		for (int c = 0; c < 3; c++) {
			both[c] = v->image_scale[c] * scale[c];
			both[3 + c] = v->image_offset[c] * scale[c] + offset[c];
		}
		alias(v, out);
		out->image_scale = both;
		out->image_offset = both + 3;
		return 0;
	}
	if (is_open(l, v)) {
		draft = &l->drafts[v->draft];
		alias(v, out);
		assay__name_text(out->name, draft->layer.name);
	} else if ((err = add_pointwise(l, v, &draft, out))) {
		return err;
	}
	for (int c = 0; c < channels; c++) {
		draft->scale[c] *= scale[c];
		draft->bias[c] = draft->bias[c] * scale[c] + offset[c];
	}
	return 0;
}

static int apply_clamp(struct assay__lower *l, const struct assay__value *v, float lo, float hi,
					   struct assay__value *out)
{
	struct assay__draft *draft = NULL;
	int err = refuse_padded(l, v);

	if (err)
		return err;
	if (!(lo <= hi))
		return assay__refuse(l, "it clamps from %g to %g", (double)lo, (double)hi);
	const enum assay__op op = layer_of(l, v)->op;
	if (is_private(v) && op != ASSAY__MAX_POOL && op != ASSAY__AVERAGE_POOL) {
		draft = &l->drafts[v->draft];
		alias(v, out);
		assay__name_text(out->name, draft->layer.name);
	} else if ((err = add_pointwise(l, v, &draft, out))) {
		return err;
	}
	struct assay__layer *layer = &draft->layer;
	layer->lo = fminf(fmaxf(layer->lo, lo), hi);
	layer->hi = fminf(fmaxf(layer->hi, lo), hi);
	layer->nonneg = layer->lo >= 0;
	return 0;
}

/* Kernel, stride and padding, if they keep sizes or halve them. */
static int fit_window(struct assay__lower *l, const struct assay__onnx_node *node, const struct assay__value *v,
					  int kernel, bool ceil_mode, struct assay__layer *layer)
{
	const struct assay__attribute *automatic = assay__onnx_attribute(node, "auto_pad");
	int strides[2] = {1, 1}, dilations[2] = {1, 1}, pads[4] = {0}, err;

	if ((err = integers(l, node, "strides", 2, strides)) || (err = integers(l, node, "dilations", 2, dilations)) ||
		(err = integers(l, node, "pads", 4, pads)))
		return err;
	if (strides[0] != strides[1] || strides[0] < 1 || strides[0] > 2)
		return assay__refuse(l, "its strides are %d and %d; both must be 1 or both 2", strides[0], strides[1]);
	if (dilations[0] != 1 || dilations[1] != 1)
		return assay__refuse(l, "it is dilated by %d and %d; only 1 is supported", dilations[0], dilations[1]);
	const int stride = strides[0];
	const bool upper = automatic && assay__name_is(automatic->s, "SAME_UPPER");
	if (upper || (automatic && assay__name_is(automatic->s, "SAME_LOWER"))) {
		/* sizes are multiples of the stride */
		const int all = kernel > stride ? kernel - stride : 0, less = all / 2, more = all - less;
		pads[0] = pads[1] = upper ? less : more;
		pads[2] = pads[3] = upper ? more : less;
	}
	for (int i = 0; i < 4; i++)
		pads[i] += v->pads[i];
	const int half = (kernel - 1) / 2, sum = pads[0] + pads[2];
	const int most = stride == 1 || !ceil_mode ? kernel - 1 : kernel - 2;
	const int least = stride == 1 ? kernel - 1 : ceil_mode ? kernel - 3 : kernel - 2;
	if (pads[0] != pads[1] || pads[2] != pads[3] || pads[0] > half || (stride == 1 && pads[0] != half) || sum > most ||
		sum < least)
		return assay__refuse(l,
							 "its padding is %d,%d,%d,%d with kernel %d and stride %d; maps must keep their size, or "
							 "halve it, as with padding %d on all sides",
							 pads[0], pads[1], pads[2], pads[3], kernel, stride, half);
	if (layer->at_stride * stride > ASSAY__MAX_ALIGN)
		return assay__refuse(l, "its output is 1/%d of the picture, the limit is 1/%d", layer->at_stride * stride,
							 ASSAY__MAX_ALIGN);
	layer->kernel = kernel;
	layer->stride = stride;
	layer->pad = pads[0];
	layer->border = kernel > 1 && !v->edge;
	layer->at_stride *= stride;
	return 0;
}

static int lower_conv(struct assay__lower *l, const struct assay__onnx_node *node, struct assay__value *out)
{
	const struct assay__value *x = NULL, *w = assay__input(l, node, 1);
	const struct assay__constant *bias_constant = NULL;
	const float *bias = NULL;
	struct assay__draft *draft = NULL;
	int err = map_input(l, node, 0, &x);

	if (err)
		return err;
	if (!w || w->kind != ASSAY__CONSTANT || w->constant->dim_count != 4)
		return assay__refuse(l, "its weights must be a constant of four dimensions");
	const int64_t *dims = w->constant->dims, group = integer(node, "group", 1);
	const int channels = layer_of(l, x)->cout;
	const bool depthwise = group > 1 && group == channels && dims[0] == group && dims[1] == 1;
	if (dims[0] < 1 || (group != 1 && !depthwise) || (!depthwise && dims[1] != channels))
		return assay__refuse(
			l,
			"its weights are %lld x %lld x %lld x %lld in %lld groups for %d channels; one group, or a "
			"3 x 3 window for each channel, is supported",
			(long long)dims[0], (long long)dims[1], (long long)dims[2], (long long)dims[3], (long long)group, channels);
	if (dims[2] != dims[3] || !(dims[2] == 3 || (!depthwise && (dims[2] == 1 || dims[2] == 5 || dims[2] == 7))))
		return assay__refuse(l, "its window is %lld x %lld; %s is supported", (long long)dims[2], (long long)dims[3],
							 depthwise ? "3 x 3, one for each channel," : "1, 3, 5 or 7, square,");
	if (node->input_count > 2 && node->inputs[2].length > 0) {
		if ((err = constant_input(l, node, 2, &bias_constant, &bias)))
			return err;
		if (bias_constant->elements != dims[0])
			return assay__refuse(l, "it has %lld biases for %lld channels", (long long)bias_constant->elements,
								 (long long)dims[0]);
	}
	if ((err = add_draft(l, x, depthwise ? ASSAY__DEPTHWISE : ASSAY__CONV, &draft, out)))
		return err;
	draft->layer.cout = (int)dims[0];
	draft->weights = w->constant;
	if ((err = fit_window(l, node, x, (int)dims[2], false, &draft->layer)) || (err = add_factors(l, draft)))
		return err;
	for (int c = 0; bias && c < draft->layer.cout; c++)
		draft->bias[c] = bias[c];
	return 0;
}

static int lower_pool(struct assay__lower *l, const struct assay__onnx_node *node, bool average,
					  struct assay__value *out)
{
	const struct assay__value *x = NULL;
	int kernel[2] = {0, 0}, err = map_input(l, node, 0, &x);
	struct assay__draft *draft = NULL;

	if (err || (err = integers(l, node, "kernel_shape", 2, kernel)))
		return err;
	if (x->draft == 0)
		return assay__refuse(l, "it reads the picture, which only Conv may");
	if (kernel[0] != kernel[1] || kernel[0] < 2 || kernel[0] > 3)
		return assay__refuse(l, "its window is %d x %d; 2 x 2 and 3 x 3 are supported", kernel[0], kernel[1]);
	if ((err = add_draft(l, x, average ? ASSAY__AVERAGE_POOL : ASSAY__MAX_POOL, &draft, out)))
		return err;
	struct assay__layer *layer = &draft->layer;
	const bool ceil_mode = integer(node, "ceil_mode", 0) != 0;
	layer->nonneg = layer_of(l, x)->nonneg;
	if ((err = fit_window(l, node, x, kernel[0], ceil_mode, layer)))
		return err;
	const bool sees_border = layer->kernel > 2 || layer->stride == 1;
	if (average && sees_border && !x->padded && integer(node, "count_include_pad", 0) == 0)
		return assay__refuse(l, "it leaves the padding out of the average; only count_include_pad = 1 is supported");
	if (average && ceil_mode && layer->stride == 2 && kernel[0] != 2)
		return assay__refuse(l, "ceil_mode is supported with a window of 2 x 2 only");
	if (!average && x->padded && !x->edge && !layer->nonneg)
		return assay__refuse(l, "zeros are padded before it, and its input has values below zero");
	if (!average)
		layer->border = 0;
	return 0;
}

static int lower_max_pool(struct assay__lower *l, const struct assay__onnx_node *node, struct assay__value *out)
{
	return lower_pool(l, node, false, out);
}

static int lower_average_pool(struct assay__lower *l, const struct assay__onnx_node *node, struct assay__value *out)
{
	return lower_pool(l, node, true, out);
}

static int lower_relu(struct assay__lower *l, const struct assay__onnx_node *node, struct assay__value *out)
{
	const struct assay__value *x = NULL;
	int err = map_input(l, node, 0, &x);
	return err ? err : apply_clamp(l, x, 0, INFINITY, out);
}

static int lower_relu6(struct assay__lower *l, const struct assay__onnx_node *node, struct assay__value *out)
{
	const struct assay__value *x = NULL;
	int err = map_input(l, node, 0, &x);
	return err ? err : apply_clamp(l, x, 0, 6, out);
}

/* A limit of Clip: an input, or in old models an attribute; none leaves *value. */
static int clip_limit(struct assay__lower *l, const struct assay__onnx_node *node, int index, const char *name,
					  float *value)
{
	const struct assay__attribute *attribute = assay__onnx_attribute(node, name);
	const struct assay__constant *constant = NULL;
	const float *values = NULL;
	int err;

	if (attribute)
		*value = attribute->f;
	if (index >= node->input_count || node->inputs[index].length == 0)
		return 0;
	if ((err = constant_input(l, node, index, &constant, &values)))
		return err;
	if (constant->elements != 1)
		return assay__refuse(l, "its limit %s has %lld numbers", name, (long long)constant->elements);
	*value = values[0];
	return 0;
}

static int lower_clip(struct assay__lower *l, const struct assay__onnx_node *node, struct assay__value *out)
{
	const struct assay__value *x = NULL;
	float lo = -INFINITY, hi = INFINITY;
	int err = map_input(l, node, 0, &x);

	if (err || (err = clip_limit(l, node, 1, "min", &lo)) || (err = clip_limit(l, node, 2, "max", &hi)))
		return err;
	return apply_clamp(l, x, lo, hi, out);
}

static int lower_batch_norm(struct assay__lower *l, const struct assay__onnx_node *node, struct assay__value *out)
{
	const struct assay__attribute *attribute = assay__onnx_attribute(node, "epsilon");
	const double epsilon = attribute ? (double)attribute->f : 1e-5;
	const struct assay__value *x = NULL;
	const float *parts[4];
	int err = map_input(l, node, 0, &x);

	if (err)
		return err;
	const int channels = layer_of(l, x)->cout;
	for (int i = 0; i < 4; i++) {
		const struct assay__constant *constant = NULL;
		if ((err = constant_input(l, node, i + 1, &constant, &parts[i])))
			return err;
		if (constant->elements != channels)
			return assay__refuse(l, "its input %d has %lld numbers for %d channels", i + 1,
								 (long long)constant->elements, channels);
	}
	float *scale = assay__arena_calloc(l->arena, (size_t)channels, sizeof(float));
	float *offset = assay__arena_calloc(l->arena, (size_t)channels, sizeof(float));
	if (!scale || !offset)
		return NO_MEMORY(l);
	for (int c = 0; c < channels; c++) {
		const double s = (double)parts[0][c] / sqrt((double)parts[3][c] + epsilon);
		scale[c] = (float)s;
		offset[c] = (float)((double)parts[1][c] - (double)parts[2][c] * s);
	}
	return apply_affine(l, x, scale, offset, out);
}

/* A constant as one number for each channel. */
static int by_channel(struct assay__lower *l, const struct assay__value *v, int channels, float *out)
{
	const struct assay__constant *constant = v->constant;
	const float *values = NULL;
	int err = assay__constant_floats(constant, l->arena, &values, l->error);

	if (err)
		return err;
	const int axis = constant->dim_count - 3;
	const bool one = constant->elements == 1;
	if (!one && (constant->elements != channels || axis < 0 || constant->dims[axis] != channels))
		return assay__refuse(l, "its constant of %lld numbers is neither one number nor one for each of %d channels",
							 (long long)constant->elements, channels);
	for (int c = 0; c < channels; c++)
		out[c] = values[one ? 0 : c];
	return 0;
}

/* Add, Sub, Mul and Div of a map and a constant. */
static int by_constant(struct assay__lower *l, const struct assay__onnx_node *node, char sign, struct assay__value *out)
{
	const struct assay__value *a = assay__input(l, node, 0), *b = assay__input(l, node, 1);
	const bool turned = a && a->kind == ASSAY__CONSTANT;
	const struct assay__value *map = turned ? b : a, *constant = turned ? a : b;

	if (!map || !constant || map->kind != ASSAY__MAP || constant->kind != ASSAY__CONSTANT || (turned && sign == '/'))
		return assay__refuse(l, "it is supported with one input from the picture and one constant%s",
							 sign == '/' ? " to divide by" : "");
	const int channels = layer_of(l, map)->cout;
	float *scale = assay__arena_calloc(l->arena, (size_t)channels, sizeof(float));
	float *offset = assay__arena_calloc(l->arena, (size_t)channels, sizeof(float));
	if (!scale || !offset)
		return NO_MEMORY(l);
	int err = by_channel(l, constant, channels, offset);
	if (err)
		return err;
	for (int c = 0; c < channels; c++) {
		const float value = offset[c];
		scale[c] = sign == '*' ? value : sign == '/' ? 1.0f / value : sign == '-' && turned ? -1.0f : 1.0f;
		offset[c] = sign == '+' || (sign == '-' && turned) ? value : sign == '-' ? -value : 0.0f;
	}
	return apply_affine(l, map, scale, offset, out);
}

static int lower_sub(struct assay__lower *l, const struct assay__onnx_node *node, struct assay__value *out)
{
	return by_constant(l, node, '-', out);
}

static int lower_mul(struct assay__lower *l, const struct assay__onnx_node *node, struct assay__value *out)
{
	return by_constant(l, node, '*', out);
}

static int lower_div(struct assay__lower *l, const struct assay__onnx_node *node, struct assay__value *out)
{
	return by_constant(l, node, '/', out);
}

/* Two maps on one grid, neither of them the picture. */
static int check_pair(struct assay__lower *l, const struct assay__value *a, const struct assay__value *b)
{
	int err = refuse_padded(l, a);

	if (err || (err = refuse_padded(l, b)))
		return err;
	if (a->draft == 0 || b->draft == 0)
		return assay__refuse(l, "it reads the picture, which only Conv may");
	if (layer_of(l, a)->at_stride != layer_of(l, b)->at_stride)
		return assay__refuse(l, "its inputs are 1/%d and 1/%d of the picture", layer_of(l, a)->at_stride,
							 layer_of(l, b)->at_stride);
	return 0;
}

static int lower_add(struct assay__lower *l, const struct assay__onnx_node *node, struct assay__value *out)
{
	const struct assay__value *a = assay__input(l, node, 0), *b = assay__input(l, node, 1);
	struct assay__draft *draft = NULL;
	int err;

	if (!a || !b || a->kind != ASSAY__MAP || b->kind != ASSAY__MAP)
		return by_constant(l, node, '+', out);
	if ((err = check_pair(l, a, b)))
		return err;
	if (layer_of(l, a)->cout != layer_of(l, b)->cout)
		return assay__refuse(l, "its inputs have %d and %d channels", layer_of(l, a)->cout, layer_of(l, b)->cout);
	const struct assay__value *into = is_open(l, a) ? a : is_open(l, b) ? b : NULL;
	if (into) {
		draft = &l->drafts[into->draft];
		draft->layer.other = into == a ? b->draft : a->draft;
		alias(into, out);
		assay__name_text(out->name, draft->layer.name);
		return 0;
	}
	if ((err = add_draft(l, a, ASSAY__ADD, &draft, out)))
		return err;
	draft->layer.other = b->draft;
	draft->layer.nonneg = layer_of(l, a)->nonneg && layer_of(l, b)->nonneg;
	return 0;
}

static int lower_concat(struct assay__lower *l, const struct assay__onnx_node *node, struct assay__value *out)
{
	const int64_t axis = integer(node, "axis", 1);
	const int first = l->draft_count;
	const struct assay__value *x = NULL, *part = NULL;
	struct assay__value sum;
	int err = map_input(l, node, 0, &x);

	if (err)
		return err;
	if (axis != 1 && axis != -3)
		return assay__refuse(l, "it joins along axis %lld; only channels (1) are supported", (long long)axis);
	alias(x, out);
	sum = *x;
	for (int i = 1; i < node->input_count; i++) {
		struct assay__draft *draft = NULL;
		if ((err = map_input(l, node, i, &part)) || (err = check_pair(l, &sum, part)) ||
			(err = add_draft(l, &sum, ASSAY__CONCAT, &draft, out)))
			return err;
		draft->layer.cout += layer_of(l, part)->cout;
		draft->layer.other = part->draft;
		draft->layer.nonneg = layer_of(l, &sum)->nonneg && layer_of(l, part)->nonneg;
		out->shared = false;
		sum = *out;
	}
	/* Steps on the way have the last one's scale, so that nothing is rounded twice. */
	for (int i = first; i + 1 < l->draft_count; i++)
		l->drafts[i].layer.same_scale = l->draft_count - 1;
	return 0;
}

static int lower_identity(struct assay__lower *l, const struct assay__onnx_node *node, struct assay__value *out)
{
	const struct assay__value *x = assay__input(l, node, 0);
	if (!x)
		return assay__refuse(l, "it has no input");
	alias(x, out);
	return 0;
}

static int lower_constant(struct assay__lower *l, const struct assay__onnx_node *node, struct assay__value *out)
{
	for (int i = 0; i < node->attribute_count; i++) {
		const struct assay__attribute *attribute = &node->attributes[i];
		if (attribute->tensor) {
			out->constant = attribute->tensor;
		} else if (assay__name_is(attribute->name, "value_float") || assay__name_is(attribute->name, "value_int")) {
			const bool whole = assay__name_is(attribute->name, "value_int");
			const size_t size = whole ? sizeof(attribute->i) : sizeof(attribute->f);
			struct assay__constant *constant = assay__arena_calloc(l->arena, 1, sizeof(*constant));
			uint8_t *bytes = assay__arena_alloc(l->arena, size, size);
			if (!constant || !bytes)
				return NO_MEMORY(l);
			uint64_t bits = (uint64_t)attribute->i;
			if (!whole)
				memcpy(&bits, &attribute->f, size);
			for (size_t b = 0; b < size; b++)
				bytes[b] = (uint8_t)(bits >> 8 * b);
			*constant = (struct assay__constant){.elements = 1,
												 .type = whole ? 7 : 1,
												 .at = node->at,
												 .kind = ASSAY__DATA_RAW,
												 .data = {bytes, 0, size}};
			out->constant = constant;
		}
	}
	if (!out->constant)
		return assay__refuse(l, "it holds neither numbers nor a tensor");
	out->kind = ASSAY__CONSTANT;
	return 0;
}

static int lower_pad(struct assay__lower *l, const struct assay__onnx_node *node, struct assay__value *out)
{
	const struct assay__attribute *mode = assay__onnx_attribute(node, "mode"),
								  *old = assay__onnx_attribute(node, "pads");
	const struct assay__constant *pads_constant = old ? old->tensor : NULL, *value_constant = NULL;
	const float *pads = NULL, *fill = NULL;
	const struct assay__value *x = NULL;
	int err = map_input(l, node, 0, &x);

	if (err)
		return err;
	const bool edge = mode && assay__name_is(mode->s, "edge");
	if (mode && mode->s.length > 0 && !edge && !assay__name_is(mode->s, "constant"))
		return assay__refuse(l, "only its modes constant (zero) and edge are supported");
	if (pads_constant)
		err = assay__constant_floats(pads_constant, l->arena, &pads, l->error);
	else
		err = constant_input(l, node, 1, &pads_constant, &pads);
	if (err)
		return err;
	if (!edge && node->input_count > 2 && node->inputs[2].length > 0) {
		if ((err = constant_input(l, node, 2, &value_constant, &fill)))
			return err;
		if (value_constant->elements != 1 || fill[0] != 0)
			return assay__refuse(l, "it pads with something else than zero");
	}
	if (node->input_count > 3 && node->inputs[3].length > 0)
		return assay__refuse(l, "its input axes is not supported");
	if (pads_constant->elements != 8 || pads[0] != 0 || pads[1] != 0 || pads[4] != 0 || pads[5] != 0)
		return assay__refuse(l, "it must pad rows and columns, and nothing else");
	const float around[4] = {pads[2], pads[3], pads[6], pads[7]};
	alias(x, out);
	for (int i = 0; i < 4; i++) {
		if (!(around[i] >= 0 && around[i] <= 8))
			return assay__refuse(l, "it pads by %g; 0 to 8 is supported", (double)around[i]);
		out->pads[i] += (int)around[i];
	}
	const bool any = around[0] + around[1] + around[2] + around[3] > 0;
	if (any && x->padded && x->edge != edge)
		return assay__refuse(l, "it pads in another way than the Pad before");
	out->padded = x->padded || any;
	out->edge = any ? edge : x->edge;
	return 0;
}

const struct assay__operator assay__operators[] = {
	{"Conv", lower_conv},
	{"BatchNormalization", lower_batch_norm},
	{"Relu", lower_relu},
	{"Relu6", lower_relu6},
	{"Clip", lower_clip},
	{"MaxPool", lower_max_pool},
	{"AveragePool", lower_average_pool},
	{"Add", lower_add},
	{"Sub", lower_sub},
	{"Mul", lower_mul},
	{"Div", lower_div},
	{"Concat", lower_concat},
	{"Pad", lower_pad},
	{"Identity", lower_identity},
	{"Dropout", lower_identity},
	{"Constant", lower_constant},
	{NULL, NULL},
};

const char assay__operator_names[] = "Conv, BatchNormalization, Relu, Clip, MaxPool, AveragePool, Add, Concat, Pad, "
									 "Identity, Dropout and Sub, Mul, Div by constants";
