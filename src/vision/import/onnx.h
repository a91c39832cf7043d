/* SPDX-License-Identifier: Apache-2.0 */
/* An ONNX model as a list of nodes and constants; nothing is interpreted. Field numbers are those of onnx.proto. */
#ifndef ASSAY_SRC_VISION_IMPORT_ONNX_H
#define ASSAY_SRC_VISION_IMPORT_ONNX_H

#include "base/arena.h"
#include "vision/import/wire.h"

#define ASSAY__ONNX_MAX_NODES 4096
#define ASSAY__ONNX_MAX_INPUTS 64
#define ASSAY__ONNX_MAX_ATTRIBUTES 32
#define ASSAY__ONNX_MAX_CONSTANTS 16384
#define ASSAY__ONNX_MAX_DIMS 8
#define ASSAY__ONNX_MAX_ELEMENTS ((int64_t)1 << 26)
#define ASSAY__ONNX_NAME_CHARS 64

/** Not NUL terminated, borrowed from the file. */
struct assay__name {
	const char *text;
	size_t length;
};

/** A constant; its data stay in the file. */
struct assay__constant {
	struct assay__name name;
	int dim_count;
	int64_t dims[ASSAY__ONNX_MAX_DIMS];
	int64_t elements; /**< product of dims */
	int type;		  /**< onnx.proto's DataType */
	bool external;
	size_t at; /**< in the file, for messages */
	enum { ASSAY__DATA_NONE, ASSAY__DATA_RAW, ASSAY__DATA_FLOATS, ASSAY__DATA_DOUBLES, ASSAY__DATA_VARINTS } kind;
	struct assay__wire data;
};

struct assay__attribute {
	struct assay__name name;
	int64_t i;
	float f;
	struct assay__name s;
	const struct assay__constant *tensor; /**< NULL: none; ints and floats come as one too */
};

struct assay__onnx_node {
	struct assay__name name, op, domain;
	int input_count, output_count, attribute_count;
	struct assay__name *inputs, *outputs;
	struct assay__attribute *attributes;
	size_t at;
};

struct assay__onnx {
	struct assay__name *inputs, *outputs; /**< of the graph, initializers among the inputs */
	int input_count, output_count;
	struct assay__onnx_node *nodes;
	int node_count;
	struct assay__constant *constants;
	int constant_count;
	int64_t opset; /**< of the standard domain */
};

/**
 * Reads a model; everything is taken from arena and borrows from bytes. Errors: FORMAT with the byte, LIMIT, NOMEM,
 * UNSUPPORTED.
 */
int assay__onnx_read(const void *bytes, size_t size_bytes, struct assay__arena *arena, struct assay__onnx *out,
					 struct assay_error *error);

/** The constant's elements as float, from arena. Errors: UNSUPPORTED (external data, type), FORMAT (length), NOMEM. */
int assay__constant_floats(const struct assay__constant *constant, struct assay__arena *arena, const float **out,
						   struct assay_error *error);

/** The attribute of that name, or NULL. */
const struct assay__attribute *assay__onnx_attribute(const struct assay__onnx_node *node, const char *name);

bool assay__name_is(struct assay__name name, const char *text);
bool assay__name_equal(struct assay__name a, struct assay__name b);
/** The name for a message: unprintable bytes as '?', cut if long. Returns out. */
const char *assay__name_text(struct assay__name name, char out[ASSAY__ONNX_NAME_CHARS]);

#endif
