/* SPDX-License-Identifier: Apache-2.0 */
#include "vision/import/onnx.h"

#include <string.h>

#include "base/err.h"

#define BAD(at, ...) assay__fail(error, ASSAY_E_FORMAT, (int64_t)(at), "ONNX file: " __VA_ARGS__)
#define NO_MEMORY() assay__fail(error, ASSAY_E_NOMEM, -1, "no memory for the ONNX file")

struct reader {
	struct assay__arena *arena;
	struct assay_error *error;
};

bool assay__name_equal(struct assay__name a, struct assay__name b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.text, b.text, a.length) == 0);
}

bool assay__name_is(struct assay__name name, const char *text)
{
	return assay__name_equal(name, (struct assay__name){text, strlen(text)});
}

const char *assay__name_text(struct assay__name name, char out[ASSAY__ONNX_NAME_CHARS])
{
	const size_t most = ASSAY__ONNX_NAME_CHARS - 1, n = name.length < most ? name.length : most;

	for (size_t i = 0; i < n; i++)
		out[i] = name.text[i] >= 0x20 && name.text[i] < 0x7f ? name.text[i] : '?';
	out[n] = '\0';
	if (name.length > most)
		memcpy(out + most - 3, "...", 3);
	return out;
}

const struct assay__attribute *assay__onnx_attribute(const struct assay__onnx_node *node, const char *name)
{
	for (int i = 0; i < node->attribute_count; i++)
		if (assay__name_is(node->attributes[i].name, name))
			return &node->attributes[i];
	return NULL;
}

static struct assay__name name_of(const struct assay__wire *body)
{
	return (struct assay__name){(const char *)body->bytes + body->at, body->end - body->at};
}

static int read_name(const struct assay__field *field, const char *what, struct assay__name *out,
					 struct assay_error *error)
{
	int err = assay__wire_expect(field, ASSAY__WIRE_BYTES, what, error);
	if (!err)
		*out = name_of(&field->body);
	return err;
}

/* How many fields of a message have each of these numbers. */
static int count_fields(struct assay__wire wire, const uint32_t *numbers, int *counts, int n, struct assay_error *error)
{
	struct assay__field field;
	bool more;
	int err;

	for (int i = 0; i < n; i++)
		counts[i] = 0;
	while (!(err = assay__wire_next(&wire, &field, &more, error)) && more)
		for (int i = 0; i < n; i++)
			if (field.number == numbers[i] && counts[i] < INT32_MAX)
				counts[i]++;
	return err;
}

static int read_dims(const struct assay__field *field, struct assay__constant *out, struct assay_error *error)
{
	struct assay__wire wire = field->body;
	bool packed = field->type == ASSAY__WIRE_BYTES;
	int err;

	if (!packed && (err = assay__wire_expect(field, ASSAY__WIRE_VARINT, "the dimension", error)))
		return err;
	do {
		uint64_t value = field->value;
		if (packed && wire.at == wire.end)
			return 0;
		if (packed && (err = assay__wire_varint(&wire, &value, error)))
			return err;
		if (out->dim_count == ASSAY__ONNX_MAX_DIMS)
			return BAD(field->at, "the constant at byte %zu has more than %d dimensions", field->at,
					   ASSAY__ONNX_MAX_DIMS);
		if (value > (uint64_t)ASSAY__ONNX_MAX_ELEMENTS)
			return BAD(field->at, "a dimension at byte %zu is %llu", field->at, (unsigned long long)value);
		out->dims[out->dim_count++] = (int64_t)value;
	} while (packed);
	return 0;
}

static int read_data(const struct assay__field *field, int kind, struct assay__constant *out, struct assay_error *error)
{
	int err = assay__wire_expect(field, ASSAY__WIRE_BYTES, "the data of a constant", error);
	if (err)
		return err;
	if (out->kind != ASSAY__DATA_NONE)
		return BAD(field->at, "the constant has a second set of data at byte %zu", field->at);
	out->kind = kind;
	out->data = field->body;
	return 0;
}

static int read_constant(struct assay__wire wire, struct assay__constant *out, struct assay_error *error)
{
	struct assay__field field;
	bool more;
	int err;

	*out = (struct assay__constant){.elements = 1, .at = wire.at};
	while (!(err = assay__wire_next(&wire, &field, &more, error)) && more) {
		switch (field.number) {
		case 1:
			err = read_dims(&field, out, error);
			break;
		case 2:
			if (!(err = assay__wire_expect(&field, ASSAY__WIRE_VARINT, "the type of a constant", error)))
				out->type = field.value < 1000 ? (int)field.value : 1000;
			break;
		case 4:
			err = read_data(&field, ASSAY__DATA_FLOATS, out, error);
			break;
		case 5:
		case 7:
			err = read_data(&field, ASSAY__DATA_VARINTS, out, error);
			break;
		case 8:
			err = read_name(&field, "the name of a constant", &out->name, error);
			break;
		case 9:
			err = read_data(&field, ASSAY__DATA_RAW, out, error);
			break;
		case 10:
			err = read_data(&field, ASSAY__DATA_DOUBLES, out, error);
			break;
		case 13:
			out->external = true;
			break;
		case 14:
			out->external = out->external || (field.type == ASSAY__WIRE_VARINT && field.value == 1);
			break;
		default:
			break;
		}
		if (err)
			return err;
	}
	if (err)
		return err;
	for (int i = 0; i < out->dim_count; i++) {
		if (out->dims[i] && out->elements > ASSAY__ONNX_MAX_ELEMENTS / out->dims[i])
			return assay__fail(error, ASSAY_E_LIMIT, (int64_t)out->at,
							   "ONNX file: the constant at byte %zu has more than %lld elements", out->at,
							   (long long)ASSAY__ONNX_MAX_ELEMENTS);
		out->elements *= out->dims[i];
	}
	return 0;
}

/* ints and floats of an attribute, as a constant of one dimension. */
static int read_list(struct reader *r, struct assay__wire node_attribute, uint32_t number, struct assay__constant *out)
{
	struct assay_error *error = r->error;
	struct assay__field field;
	uint8_t *bytes = NULL;
	int64_t room = 0, count = 0;
	bool more;
	int err;

	/* Packed, one field holds them all; unpacked, there is one field for each. Both become raw 8 or 4 byte numbers. */
	const int width = number == 7 ? 4 : 8;
	for (int pass = 0; pass < 2; pass++) {
		struct assay__wire wire = node_attribute;
		count = 0;
		while (!(err = assay__wire_next(&wire, &field, &more, error)) && more) {
			struct assay__wire body = field.body;
			if (field.number != number)
				continue;
			const bool packed = field.type == ASSAY__WIRE_BYTES;
			if (!packed && (err = assay__wire_expect(&field, width == 4 ? ASSAY__WIRE_32 : ASSAY__WIRE_VARINT,
													 "a number of an attribute", error)))
				return err;
			while (!packed || body.at < body.end) {
				uint64_t value = field.value;
				if (packed && width == 8 && (err = assay__wire_varint(&body, &value, error)))
					return err;
				if (packed && width == 4) {
					if (body.end - body.at < 4)
						return BAD(body.at, "the number at byte %zu is cut off", body.at);
					value = 0;
					for (int i = 0; i < 4; i++)
						value |= (uint64_t)body.bytes[body.at + (size_t)i] << 8 * i;
					body.at += 4;
				}
				for (int i = 0; bytes && i < width; i++)
					bytes[count * width + i] = (uint8_t)(value >> 8 * i);
				count++;
				if (!packed)
					break;
			}
		}
		if (err)
			return err;
		if (pass == 0) {
			room = count;
			bytes = assay__arena_alloc(r->arena, (size_t)(room * width), 8);
			if (!bytes)
				return NO_MEMORY();
		}
	}
	*out = (struct assay__constant){.dim_count = 1,
									.dims = {count},
									.elements = count,
									.type = width == 4 ? 1 : 7,
									.at = node_attribute.at,
									.kind = ASSAY__DATA_RAW,
									.data = {bytes, 0, (size_t)(count * width)}};
	return 0;
}

static int read_attribute(struct reader *r, struct assay__wire wire, struct assay__attribute *out)
{
	const struct assay__wire whole = wire;
	struct assay__constant *constant = NULL;
	struct assay__field field;
	uint32_t bits;
	bool more;
	int err;

	*out = (struct assay__attribute){0};
	while (!(err = assay__wire_next(&wire, &field, &more, r->error)) && more) {
		switch (field.number) {
		case 1:
			err = read_name(&field, "the name of an attribute", &out->name, r->error);
			break;
		case 2:
			if (!(err = assay__wire_expect(&field, ASSAY__WIRE_32, "the float of an attribute", r->error))) {
				bits = (uint32_t)field.value;
				memcpy(&out->f, &bits, sizeof(bits));
			}
			break;
		case 3:
			if (!(err = assay__wire_expect(&field, ASSAY__WIRE_VARINT, "the integer of an attribute", r->error)))
				out->i = (int64_t)field.value;
			break;
		case 4:
			err = read_name(&field, "the text of an attribute", &out->s, r->error);
			break;
		case 5:
		case 7:
		case 8:
			if (constant)
				break;
			constant = assay__arena_calloc(r->arena, 1, sizeof(*constant));
			if (!constant)
				return assay__fail(r->error, ASSAY_E_NOMEM, -1, "no memory for the ONNX file");
			if (field.number != 5)
				err = read_list(r, whole, field.number, constant);
			else if (!(err = assay__wire_expect(&field, ASSAY__WIRE_BYTES, "the tensor of an attribute", r->error)))
				err = read_constant(field.body, constant, r->error);
			out->tensor = constant;
			break;
		default:
			break;
		}
		if (err)
			return err;
	}
	return err;
}

static int read_node(struct reader *r, struct assay__wire wire, struct assay__onnx_node *out)
{
	static const uint32_t numbers[] = {1, 2, 5};
	struct assay_error *error = r->error;
	struct assay__field field;
	int counts[3], err;
	bool more;

	*out = (struct assay__onnx_node){.at = wire.at};
	if ((err = count_fields(wire, numbers, counts, 3, error)))
		return err;
	if (counts[0] > ASSAY__ONNX_MAX_INPUTS || counts[1] > ASSAY__ONNX_MAX_INPUTS ||
		counts[2] > ASSAY__ONNX_MAX_ATTRIBUTES)
		return assay__fail(
			error, ASSAY_E_LIMIT, (int64_t)wire.at,
			"ONNX file: the node at byte %zu has %d inputs, %d outputs and %d attributes; the limits are "
			"%d, %d and %d",
			wire.at, counts[0], counts[1], counts[2], ASSAY__ONNX_MAX_INPUTS, ASSAY__ONNX_MAX_INPUTS,
			ASSAY__ONNX_MAX_ATTRIBUTES);
	out->inputs = assay__arena_calloc(r->arena, (size_t)counts[0], sizeof(*out->inputs));
	out->outputs = assay__arena_calloc(r->arena, (size_t)counts[1], sizeof(*out->outputs));
	out->attributes = assay__arena_calloc(r->arena, (size_t)counts[2], sizeof(*out->attributes));
	if (!out->inputs || !out->outputs || !out->attributes)
		return NO_MEMORY();
	while (!(err = assay__wire_next(&wire, &field, &more, error)) && more) {
		switch (field.number) {
		case 1:
			err = read_name(&field, "the input of a node", &out->inputs[out->input_count++], error);
			break;
		case 2:
			err = read_name(&field, "the output of a node", &out->outputs[out->output_count++], error);
			break;
		case 3:
			err = read_name(&field, "the name of a node", &out->name, error);
			break;
		case 4:
			err = read_name(&field, "the operator of a node", &out->op, error);
			break;
		case 5:
			if (!(err = assay__wire_expect(&field, ASSAY__WIRE_BYTES, "the attribute of a node", error)))
				err = read_attribute(r, field.body, &out->attributes[out->attribute_count++]);
			break;
		case 7:
			err = read_name(&field, "the domain of a node", &out->domain, error);
			break;
		default:
			break;
		}
		if (err)
			return err;
	}
	return err;
}

/* The name of a ValueInfoProto. */
static int read_value_name(const struct assay__field *value, struct assay__name *out, struct assay_error *error)
{
	struct assay__wire wire = value->body;
	struct assay__field field;
	bool more;
	int err = assay__wire_expect(value, ASSAY__WIRE_BYTES, "the input or output of the graph", error);

	while (!err && !(err = assay__wire_next(&wire, &field, &more, error)) && more)
		if (field.number == 1)
			err = read_name(&field, "the name of a value", out, error);
	return err;
}

static int read_graph(struct reader *r, struct assay__wire wire, struct assay__onnx *out)
{
	static const uint32_t numbers[] = {1, 5, 11, 12};
	struct assay_error *error = r->error;
	struct assay__field field;
	int counts[4], err;
	bool more;

	if ((err = count_fields(wire, numbers, counts, 4, error)))
		return err;
	if (counts[0] > ASSAY__ONNX_MAX_NODES || counts[1] > ASSAY__ONNX_MAX_CONSTANTS ||
		counts[2] > ASSAY__ONNX_MAX_CONSTANTS || counts[3] > ASSAY__ONNX_MAX_CONSTANTS)
		return assay__fail(error, ASSAY_E_LIMIT, (int64_t)wire.at,
						   "ONNX file: its graph has %d nodes and %d constants, the limits are %d and %d", counts[0],
						   counts[1], ASSAY__ONNX_MAX_NODES, ASSAY__ONNX_MAX_CONSTANTS);
	out->nodes = assay__arena_calloc(r->arena, (size_t)counts[0], sizeof(*out->nodes));
	out->constants = assay__arena_calloc(r->arena, (size_t)counts[1], sizeof(*out->constants));
	out->inputs = assay__arena_calloc(r->arena, (size_t)counts[2], sizeof(*out->inputs));
	out->outputs = assay__arena_calloc(r->arena, (size_t)counts[3], sizeof(*out->outputs));
	if (!out->nodes || !out->constants || !out->inputs || !out->outputs)
		return NO_MEMORY();
	while (!(err = assay__wire_next(&wire, &field, &more, error)) && more) {
		switch (field.number) {
		case 1:
			if (!(err = assay__wire_expect(&field, ASSAY__WIRE_BYTES, "the node", error)))
				err = read_node(r, field.body, &out->nodes[out->node_count++]);
			break;
		case 5:
			if (!(err = assay__wire_expect(&field, ASSAY__WIRE_BYTES, "the constant", error)))
				err = read_constant(field.body, &out->constants[out->constant_count++], error);
			break;
		case 11:
			err = read_value_name(&field, &out->inputs[out->input_count++], error);
			break;
		case 12:
			err = read_value_name(&field, &out->outputs[out->output_count++], error);
			break;
		default:
			break;
		}
		if (err)
			return err;
	}
	return err;
}

static int read_opset(struct assay__wire wire, struct assay__onnx *out, struct assay_error *error)
{
	struct assay__name domain = {0};
	struct assay__field field;
	int64_t version = 0;
	bool more;
	int err;

	while (!(err = assay__wire_next(&wire, &field, &more, error)) && more) {
		if (field.number == 1 && (err = read_name(&field, "the domain of an operator set", &domain, error)))
			return err;
		if (field.number == 2 && field.type == ASSAY__WIRE_VARINT)
			version = (int64_t)field.value;
	}
	if (!err && (domain.length == 0 || assay__name_is(domain, "ai.onnx")))
		out->opset = version;
	return err;
}

int assay__onnx_read(const void *bytes, size_t size_bytes, struct assay__arena *arena, struct assay__onnx *out,
					 struct assay_error *error)
{
	struct assay__wire wire = {bytes, 0, size_bytes};
	struct reader r = {arena, error};
	struct assay__onnx onnx = {0};
	struct assay__field field;
	bool more, graph = false;
	int err;

	while (!(err = assay__wire_next(&wire, &field, &more, error)) && more) {
		if (field.number != 7 && field.number != 8)
			continue;
		if ((err = assay__wire_expect(&field, ASSAY__WIRE_BYTES, "the graph", error)))
			return err;
		if (field.number == 8)
			err = read_opset(field.body, &onnx, error);
		else if (graph)
			err = BAD(field.at, "it has a second graph at byte %zu", field.at);
		else
			err = read_graph(&r, field.body, &onnx);
		if (err)
			return err;
		graph = graph || field.number == 7;
	}
	if (err)
		return err;
	if (!graph || onnx.node_count == 0)
		return BAD(0, "%zu bytes without a graph of nodes; is this an ONNX file?", size_bytes);
	*out = onnx;
	return 0;
}

static float half_to_float(uint16_t h)
{
	const uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
	uint32_t bits = sign | (exponent + 112) << 23 | fraction << 13;
	float f;

	if (exponent == 31)
		bits = sign | 0x7f800000 | fraction << 13;
	memcpy(&f, &bits, sizeof(f));
	if (exponent == 0) {
		f = (float)fraction * 0x1p-24f;
		return sign ? -f : f;
	}
	return f;
}

/* Element i of raw little endian data. */
static float raw_value(const uint8_t *b, int type)
{
	uint64_t bits = 0;
	double d;
	float f;

	for (int i = 0; i < (type == 10 ? 2 : type == 7 || type == 11 ? 8 : 4); i++)
		bits |= (uint64_t)b[i] << 8 * i;
	const uint32_t low = (uint32_t)bits;
	switch (type) {
	case 1:
		memcpy(&f, &low, sizeof(f));
		return f;
	case 6:
		return (float)(int32_t)low;
	case 7:
		return (float)(int64_t)bits;
	case 10:
		return half_to_float((uint16_t)bits);
	default:
		memcpy(&d, &bits, sizeof(d));
		return (float)d;
	}
}

static int varint_values(const struct assay__constant *c, float *out, struct assay_error *error)
{
	struct assay__wire wire = c->data;
	uint64_t value;
	int err;

	for (int64_t i = 0; i < c->elements; i++) {
		if ((err = assay__wire_varint(&wire, &value, error)))
			return err;
		out[i] = c->type == 10 ? half_to_float((uint16_t)value) : (float)(int64_t)value;
	}
	return wire.at == wire.end ? 0 : BAD(wire.at, "the constant at byte %zu has numbers too many", c->at);
}

int assay__constant_floats(const struct assay__constant *c, struct assay__arena *arena, const float **out,
						   struct assay_error *error)
{
	char name[ASSAY__ONNX_NAME_CHARS];
	int width;

	assay__name_text(c->name, name);
	if (c->external)
		return assay__fail(error, ASSAY_E_UNSUPPORTED, (int64_t)c->at,
						   "ONNX file: the data of \"%s\" (byte %zu) lie in another file; save the model as one file "
						   "(torch.onnx.export(..., external_data=False))",
						   name, c->at);
	if (c->type != 1 && c->type != 6 && c->type != 7 && c->type != 10 && c->type != 11)
		return assay__fail(error, ASSAY_E_UNSUPPORTED, (int64_t)c->at,
						   "ONNX file: \"%s\" (byte %zu) has data type %d; float, float16, double, int32 and int64 are "
						   "read",
						   name, c->at, c->type);
	switch (c->kind) {
	case ASSAY__DATA_FLOATS:
		width = c->type == 1 ? 4 : 0;
		break;
	case ASSAY__DATA_DOUBLES:
		width = c->type == 11 ? 8 : 0;
		break;
	case ASSAY__DATA_VARINTS:
		width = c->type == 6 || c->type == 7 || c->type == 10 ? 1 : 0;
		break;
	default:
		width = c->type == 10 ? 2 : c->type == 7 || c->type == 11 ? 8 : 4;
	}
	/* Of varints this is only the least there can be: no memory is taken for elements that the file cannot hold. */
	const uint64_t bytes = c->data.end - c->data.at, wanted = (uint64_t)c->elements * (unsigned)width;
	if (width == 0 || (width == 1 ? bytes < wanted : bytes != wanted))
		return BAD(c->at, "\"%s\" at byte %zu has %llu bytes of data for %lld elements of type %d", name, c->at,
				   (unsigned long long)bytes, (long long)c->elements, c->type);
	float *values = assay__arena_alloc(arena, (size_t)c->elements * sizeof(float), sizeof(float));
	if (!values)
		return NO_MEMORY();
	if (width == 1) {
		int err = varint_values(c, values, error);
		if (err)
			return err;
	}
	for (int64_t i = 0; width > 1 && i < c->elements; i++)
		values[i] = raw_value(c->data.bytes + c->data.at + i * width, c->type);
	*out = values;
	return 0;
}
