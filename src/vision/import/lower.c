/* SPDX-License-Identifier: Apache-2.0 */
/* From the nodes of a graph to the layers that the taps need. */
#include "vision/import/lower.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "vision/bank.h"

#define NO_MEMORY(l) assay__fail((l)->error, ASSAY_E_NOMEM, -1, "no memory for the ONNX file")
#define WHY_CHARS 200
#define LAST_STRIDE 16

/* Where a classifier's head begins: what comes after them need not be understood, as long as it stays in the head. */
static const char *const head_operators[] = {"GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "Flatten",
											 "Reshape",			  "Gemm",		   "MatMul",	 "Softmax",
											 "LogSoftmax",		  "Squeeze",	   "Shape"};

int assay__refuse(struct assay__lower *l, const char *format, ...)
{
	char *why = assay__arena_alloc(l->arena, WHY_CHARS, 1);
	va_list args;

	if (!why)
		return NO_MEMORY(l);
	va_start(args, format);
	vsnprintf(why, WHY_CHARS, format, args);
	va_end(args);
	l->why = why;
	return ASSAY__REFUSED;
}

/* The value of that name, made if it is not there; the table has room for every name of the file. */
static struct assay__value *value_of(struct assay__lower *l, struct assay__name name)
{
	uint32_t hash = 2166136261u;

	if (!name.text)
		name.text = "";
	for (size_t i = 0; i < name.length; i++)
		hash = (hash ^ (uint8_t)name.text[i]) * 16777619u;
	for (size_t i = hash & (l->value_room - 1);; i = (i + 1) & (l->value_room - 1)) {
		struct assay__value *value = &l->values[i];
		if (!value->name.text)
			value->name = name;
		if (assay__name_equal(value->name, name))
			return value;
	}
}

const struct assay__value *assay__input(struct assay__lower *l, const struct assay__onnx_node *node, int index)
{
	if (index >= node->input_count || node->inputs[index].length == 0)
		return NULL;
	return value_of(l, node->inputs[index]);
}

static int open_values(struct assay__lower *l)
{
	const struct assay__onnx *onnx = l->onnx;
	size_t names = (size_t)onnx->constant_count + (size_t)onnx->input_count + (size_t)onnx->output_count + 1;

	for (int i = 0; i < onnx->node_count; i++)
		names += (size_t)onnx->nodes[i].input_count + (size_t)onnx->nodes[i].output_count;
	for (l->value_room = 16; l->value_room < 2 * names;)
		l->value_room *= 2;
	l->values = assay__arena_calloc(l->arena, l->value_room, sizeof(*l->values));
	l->drafts = assay__arena_calloc(l->arena, ASSAY__MAX_DRAFTS, sizeof(*l->drafts));
	if (!l->values || !l->drafts)
		return NO_MEMORY(l);
	for (int i = 0; i < onnx->node_count; i++)
		for (int k = 0; k < onnx->nodes[i].input_count; k++)
			value_of(l, onnx->nodes[i].inputs[k])->uses++;
	for (int i = 0; i < onnx->output_count; i++)
		value_of(l, onnx->outputs[i])->uses++;
	for (int i = 0; i < onnx->constant_count; i++) {
		struct assay__value *value = value_of(l, onnx->constants[i].name);
		if (value->kind != ASSAY__UNSEEN)
			return assay__fail(l->error, ASSAY_E_FORMAT, (int64_t)onnx->constants[i].at,
							   "ONNX file: two constants have one name, the second at byte %zu", onnx->constants[i].at);
		value->kind = ASSAY__CONSTANT;
		value->constant = &onnx->constants[i];
	}
	return 0;
}

/* The one input that is no constant is the picture. */
static int open_picture(struct assay__lower *l, const struct assay__import_options *options)
{
	float *factors = assay__arena_calloc(l->arena, 6, sizeof(float));
	char name[ASSAY__ONNX_NAME_CHARS];
	int found = 0;

	if (!factors)
		return NO_MEMORY(l);
	for (int c = 0; c < 3; c++) {
		factors[c] = (float)(options->white / 255 / options->std[c]);
		factors[3 + c] = (float)(-options->mean[c] / options->std[c]);
	}
	l->drafts[0] = (struct assay__draft){.layer = {.cout = 3, .at_stride = 1, .other = -1, .same_scale = -1}};
	l->draft_count = 1;
	for (int i = 0; i < l->onnx->input_count; i++) {
		struct assay__value *value = value_of(l, l->onnx->inputs[i]);
		if (value->kind == ASSAY__CONSTANT)
			continue;
		if (value->kind != ASSAY__UNSEEN || found++)
			return assay__fail(l->error, ASSAY_E_UNSUPPORTED, -1,
							   "ONNX file: it has a second input, \"%s\"; a network of one picture is expected",
							   assay__name_text(value->name, name));
		value->kind = ASSAY__MAP;
		value->draft = 0;
		value->image_scale = factors;
		value->image_offset = factors + 3;
	}
	return found ? 0 : assay__fail(l->error, ASSAY_E_FORMAT, -1, "ONNX file: its graph has no input");
}

static const char *node_name(const struct assay__onnx_node *node, char out[ASSAY__ONNX_NAME_CHARS])
{
	const bool unnamed = node->name.length == 0 && node->output_count > 0;
	return assay__name_text(unnamed ? node->outputs[0] : node->name, out);
}

static int lower_node(struct assay__lower *l, const struct assay__onnx_node *node)
{
	struct assay__value *first = value_of(l, node->outputs[0]), out = {.name = first->name, .uses = first->uses};
	const struct assay__value *unknown = NULL;
	const struct assay__operator *op = assay__operators;
	char name[ASSAY__ONNX_NAME_CHARS], text[ASSAY__ONNX_NAME_CHARS];
	int rc;

	for (int i = 0; i < node->input_count; i++) {
		const struct assay__value *input = assay__input(l, node, i);
		if (input && input->kind == ASSAY__UNSEEN)
			return assay__fail(l->error, ASSAY_E_FORMAT, (int64_t)node->at,
							   "ONNX file: node \"%s\" at byte %zu reads \"%s\", which nothing makes before it",
							   node_name(node, name), node->at, assay__name_text(input->name, text));
		if (input && input->kind == ASSAY__UNKNOWN && !unknown)
			unknown = input;
	}
	const bool standard = node->domain.length == 0 || assay__name_is(node->domain, "ai.onnx");
	while (op->name && !(standard && assay__name_is(node->op, op->name)))
		op++;
	l->why = NULL;
	if (unknown)
		rc = ASSAY__REFUSED;
	else
		rc = op->name ? op->lower(l, node, &out) : assay__refuse(l, "the operator is not supported");
	if (rc < 0)
		return rc;
	if (rc == ASSAY__REFUSED)
		out = (struct assay__value){.name = first->name,
									.uses = first->uses,
									.kind = ASSAY__UNKNOWN,
									.blame = unknown ? unknown->blame : node,
									.why = unknown ? unknown->why : l->why};
	for (int i = 0; i < node->output_count; i++) {
		struct assay__value *value = value_of(l, node->outputs[i]);
		if (node->outputs[i].length == 0)
			continue;
		if (value->kind != ASSAY__UNSEEN)
			return assay__fail(l->error, ASSAY_E_FORMAT, (int64_t)node->at,
							   "ONNX file: node \"%s\" at byte %zu makes \"%s\", which exists already",
							   node_name(node, name), node->at, assay__name_text(value->name, text));
		if (i == 0)
			*value = out;
		else
			*value = (struct assay__value){.name = value->name,
										   .uses = value->uses,
										   .kind = ASSAY__UNKNOWN,
										   .blame = node,
										   .why = "only its first output is supported"};
	}
	return 0;
}

static int fail_blamed(struct assay__lower *l, const struct assay__value *unknown, const char *what)
{
	char name[ASSAY__ONNX_NAME_CHARS], op[ASSAY__ONNX_NAME_CHARS];

	return assay__fail(l->error, ASSAY_E_UNSUPPORTED, (int64_t)unknown->blame->at,
					   "ONNX file: %s: %s, node \"%s\": %s; supported are %s", what,
					   assay__name_text(unknown->blame->op, op), node_name(unknown->blame, name), unknown->why,
					   assay__operator_names);
}

/* The value that --tap means: a tensor's name, or a node's for its first output. */
static int find_tap(struct assay__lower *l, const char *wanted, struct assay__value **out)
{
	struct assay__nearest nearest = {.given = wanted};
	char text[ASSAY__ONNX_NAME_CHARS], best[ASSAY__ONNX_NAME_CHARS] = "", quoted[ASSAY__QUOTE_CHARS];
	const struct assay__onnx *onnx = l->onnx;

	for (int i = 0; i < onnx->node_count; i++) {
		const struct assay__onnx_node *node = &onnx->nodes[i];
		for (int k = -1; k < node->output_count; k++) {
			const struct assay__name name = k < 0 ? node->name : node->outputs[k];
			if (name.length > 0 && node->output_count > 0 && assay__name_is(name, wanted)) {
				*out = value_of(l, node->outputs[k < 0 ? 0 : k]);
				return 0;
			}
			assay__nearest_try(&nearest, assay__name_text(name, text));
			if (nearest.best == text) {
				memcpy(best, text, sizeof(best));
				nearest.best = best;
			}
		}
	}
	assay__text_quote(wanted, quoted);
	if (nearest.best)
		return assay__fail(l->error, ASSAY_E_ARGUMENT, -1, "the model has no tensor or node %s; did you mean \"%s\"?",
						   quoted, best);
	return assay__fail(l->error, ASSAY_E_ARGUMENT, -1, "the model has no tensor or node %s", quoted);
}

static int add_tap(struct assay__lower *l, struct assay__model *model, int *taps, int draft)
{
	const struct assay__layer *layer = &l->drafts[draft].layer;
	int at = model->tap_count;

	if (draft == 0 || (layer->at_stride != 4 && layer->at_stride != 8 && layer->at_stride != 16))
		return assay__fail(l->error, ASSAY_E_UNSUPPORTED, -1,
						   "tap \"%s\" is 1/%d of the picture; taps of 1/4, 1/8 and 1/16 are supported",
						   draft ? layer->name : "the picture", layer->at_stride);
	for (int i = 0; i < model->tap_count; i++)
		if (taps[i] == draft)
			return assay__fail(l->error, ASSAY_E_ARGUMENT, -1, "tap \"%s\" is given twice", layer->name);
	if (model->tap_count == ASSAY__MAX_TAPS)
		return assay__fail(l->error, ASSAY_E_LIMIT, -1, "more than %d taps", ASSAY__MAX_TAPS);
	for (; at > 0 && l->drafts[taps[at - 1]].layer.at_stride > layer->at_stride; at--)
		taps[at] = taps[at - 1];
	taps[at] = draft;
	model->tap_count++;
	return 0;
}

static int take_taps(struct assay__lower *l, const struct assay__import_options *options, struct assay__model *model,
					 int *taps)
{
	char what[WHY_CHARS];

	for (int i = 0; i < options->tap_count; i++) {
		struct assay__value *value;
		int err = find_tap(l, options->taps[i], &value);
		if (err)
			return err;
		snprintf(what, sizeof(what), "tap \"%.60s\" needs what the engine lacks", options->taps[i]);
		if (value->kind == ASSAY__UNKNOWN)
			return fail_blamed(l, value, what);
		if (value->kind != ASSAY__MAP || value->padded)
			return assay__fail(l->error, ASSAY_E_ARGUMENT, -1, "tap \"%.60s\" is not a map of the picture",
							   options->taps[i]);
		if ((err = add_tap(l, model, taps, value->draft)))
			return err;
	}
	return 0;
}

/* An expansion says in more channels what the tensor before it says: a 1 x 1 convolution of its pixel. */
static int before_expansions(const struct assay__lower *l, int draft)
{
	for (;;) {
		const struct assay__layer *layer = &l->drafts[draft].layer;
		if (layer->op != ASSAY__CONV || layer->kernel != 1 || layer->stride != 1 || layer->other >= 0 ||
			layer->src == 0 || layer->cin >= layer->cout)
			return draft;
		draft = layer->src;
	}
}

static bool is_head(const struct assay__onnx_node *node)
{
	for (size_t i = 0; i < sizeof(head_operators) / sizeof(head_operators[0]); i++)
		if (assay__name_is(node->op, head_operators[i]))
			return true;
	return false;
}

/* What could not be lowered must lie behind the last stride, or in the head and stay there. */
static int check_rest(struct assay__lower *l)
{
	for (int i = 0; i < l->onnx->node_count; i++) {
		const struct assay__onnx_node *node = &l->onnx->nodes[i];
		const struct assay__value *out = value_of(l, node->outputs[0]);
		bool near = false;

		if (out->kind != ASSAY__UNKNOWN)
			continue;
		for (int k = 0; k < node->input_count; k++) {
			const struct assay__value *input = assay__input(l, node, k);
			near =
				near || (input && input->kind == ASSAY__MAP && l->drafts[input->draft].layer.at_stride <= LAST_STRIDE);
		}
		if (near && !(out->blame == node && is_head(node)))
			return fail_blamed(l, out, "the engine lacks an operator that the network needs (--tap can cut it off)");
	}
	return 0;
}

static int choose_taps(struct assay__lower *l, struct assay__model *model, int *taps)
{
	int err = check_rest(l);

	for (int stride = 4; !err && stride <= LAST_STRIDE; stride *= 2) {
		int last = 0;
		for (int i = 0; i < l->onnx->node_count; i++) {
			const struct assay__value *value = value_of(l, l->onnx->nodes[i].outputs[0]);
			if (value->kind == ASSAY__MAP && !value->padded && value->draft > 0 &&
				l->drafts[value->draft].layer.at_stride == stride)
				last = value->draft;
		}
		if (last)
			err = add_tap(l, model, taps, before_expansions(l, last));
	}
	if (!err && model->tap_count == 0)
		err = assay__fail(l->error, ASSAY_E_UNSUPPORTED, -1, "ONNX file: no tensor is 1/4, 1/8 or 1/16 of the picture");
	return err;
}

/* Weights as the engine lays them, each output channel multiplied by its factor. */
static int lay_weights(struct assay__lower *l, const struct assay__draft *draft, struct assay__layer *layer)
{
	const size_t taps = (size_t)(layer->kernel * layer->kernel), cout = (size_t)layer->cout;
	const size_t cin = layer->op == ASSAY__CONV ? (size_t)layer->cin : 1;
	const float *from = NULL;
	float *to = assay__arena_calloc(l->arena, cout * cin * taps, sizeof(float));

	if (!to)
		return NO_MEMORY(l);
	if (draft->weights) {
		int err = assay__constant_floats(draft->weights, l->arena, &from, l->error);
		if (err)
			return err;
	}
	for (size_t o = 0; o < cout; o++)
		for (size_t i = 0; i < cin; i++)
			for (size_t t = 0; t < taps; t++) {
				const float w = from ? from[(o * cin + i) * taps + t] : t == taps / 2 ? 1.0f : 0.0f;
				const float value = w * draft->scale[o];
				if (!isfinite(value) || !isfinite(draft->bias[o]))
					return assay__fail(l->error, ASSAY_E_FORMAT, -1,
									   "ONNX file: the weights or biases of \"%s\" are not all finite", layer->name);
				to[(o * taps + t) * cin + i] = value;
			}
	layer->weights = to;
	layer->bias = draft->bias;
	return 0;
}

/* Marks what the taps need: order is 1 for needed. Returns how many. */
static int mark(struct assay__lower *l, const int *taps, int tap_count)
{
	int count = 0;
	bool again = true;

	for (int i = 0; i < tap_count; i++)
		l->drafts[taps[i]].order = 1;
	/* Sources mostly have lower numbers; what is added need not. */
	while (again) {
		again = false;
		count = 0;
		for (int i = l->draft_count - 1; i > 0; i--) {
			if (!l->drafts[i].order)
				continue;
			count++;
			const int needs[2] = {l->drafts[i].layer.src, l->drafts[i].layer.other};
			for (int k = 0; k < 2; k++)
				if (needs[k] > 0 && !l->drafts[needs[k]].order) {
					l->drafts[needs[k]].order = 1;
					again = again || needs[k] > i;
				}
		}
	}
	return count;
}

/* Puts what is needed in an order in which every layer finds its inputs made. order becomes the tensor's number. */
static int emit(struct assay__lower *l, struct assay__model *model)
{
	const float *scale = NULL, *offset = NULL;
	bool again = true;

	for (int i = 1; i < l->draft_count; i++)
		l->drafts[i].order = l->drafts[i].order ? -1 : 0;
	while (again) {
		again = false;
		for (int i = 1; i < l->draft_count; i++) {
			struct assay__draft *draft = &l->drafts[i];
			struct assay__layer *layer = &model->layers[model->layer_count];
			if (draft->order != -1 || l->drafts[draft->layer.src].order < 0 ||
				(draft->layer.other > 0 && l->drafts[draft->layer.other].order < 0))
				continue;
			*layer = draft->layer;
			layer->src = l->drafts[layer->src].order;
			layer->other = layer->other > 0 ? l->drafts[layer->other].order : -1;
			if (layer->src == 0 && scale &&
				(memcmp(scale, draft->image_scale, 3 * sizeof(float)) != 0 ||
				 memcmp(offset, draft->image_offset, 3 * sizeof(float)) != 0))
				return assay__fail(l->error, ASSAY_E_UNSUPPORTED, -1,
								   "ONNX file: the picture is normalised in two ways; \"%s\" reads the second",
								   layer->name);
			if (layer->src == 0) {
				scale = draft->image_scale;
				offset = draft->image_offset;
			}
			if (layer->cout > ASSAY__MAX_CHANNELS)
				return assay__fail(l->error, ASSAY_E_LIMIT, -1,
								   "ONNX file: \"%s\" has %d channels, the limit is %d; take taps before it with --tap",
								   layer->name, layer->cout, ASSAY__MAX_CHANNELS);
			if (layer->op == ASSAY__CONV || layer->op == ASSAY__DEPTHWISE) {
				int err = lay_weights(l, draft, layer);
				if (err)
					return err;
			}
			if (layer->at_stride > model->align)
				model->align = layer->at_stride;
			draft->order = ++model->layer_count;
			again = true;
		}
	}
	for (int c = 0; c < 3; c++) {
		if (!scale || !isfinite(scale[c]) || !isfinite(offset[c]) || scale[c] == 0)
			return assay__fail(l->error, ASSAY_E_ARGUMENT, -1, "the network's input is not normalised to numbers");
		model->image_scale[c] = scale[c];
		model->image_offset[c] = offset[c];
	}
	return 0;
}

static int finish(struct assay__lower *l, struct assay__model *model, const int *taps)
{
	int dim = 0, count = mark(l, taps, model->tap_count), err;

	if (count > ASSAY__MAX_LAYERS)
		return assay__fail(l->error, ASSAY_E_LIMIT, -1,
						   "ONNX file: the taps need %d layers, the limit is %d; take earlier taps with --tap", count,
						   ASSAY__MAX_LAYERS);
	for (int i = 0; i < model->tap_count; i++)
		dim += l->drafts[taps[i]].layer.cout;
	if (dim > ASSAY__BANK_MAX_DIM)
		return assay__fail(
			l->error, ASSAY_E_LIMIT, -1,
			"ONNX file: the taps have %d channels together, the limit is %d; take narrower ones, or fewer, "
			"with --tap",
			dim, ASSAY__BANK_MAX_DIM);
	model->align = 1;
	if ((err = emit(l, model)))
		return err;
	/* A map joined on the way may be needed without the last one: then it has a scale of its own. */
	for (int i = 0; i < model->layer_count; i++) {
		struct assay__layer *layer = &model->layers[i];
		layer->same_scale = layer->same_scale > 0 ? l->drafts[layer->same_scale].order : -1;
		layer->same_scale = layer->same_scale > 0 ? layer->same_scale : -1;
	}
	for (int i = 0; i < model->tap_count; i++)
		model->taps[i] = l->drafts[taps[i]].order;
	return 0;
}

int assay__model_lower(const struct assay__onnx *onnx, const struct assay__import_options *options,
					   struct assay__arena *arena, struct assay__model *out, struct assay_error *error)
{
	struct assay__lower l = {.onnx = onnx, .arena = arena, .error = error};
	int taps[ASSAY__MAX_TAPS], err;
	struct assay__value *value;
	char name[ASSAY__ONNX_NAME_CHARS];

	out->layer_count = out->tap_count = 0;
	if ((err = open_values(&l)) || (err = open_picture(&l, options)))
		return err;
	/* A tap counts as a reader, so that what follows is not folded into it. */
	for (int i = 0; i < options->tap_count; i++) {
		if ((err = find_tap(&l, options->taps[i], &value)))
			return err;
		value->uses++;
	}
	for (int i = 0; i < onnx->node_count; i++) {
		const struct assay__onnx_node *node = &onnx->nodes[i];
		if (node->output_count < 1 || node->outputs[0].length == 0)
			return assay__fail(error, ASSAY_E_FORMAT, (int64_t)node->at,
							   "ONNX file: node \"%s\" at byte %zu has no output", assay__name_text(node->name, name),
							   node->at);
		if ((err = lower_node(&l, node)))
			return err;
	}
	err = options->tap_count ? take_taps(&l, options, out, taps) : choose_taps(&l, out, taps);
	return err ? err : finish(&l, out, taps);
}
