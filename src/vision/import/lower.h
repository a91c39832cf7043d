/* SPDX-License-Identifier: Apache-2.0 */
/* Between lower.c, which walks the graph, and operators.c, which knows the operators. */
#ifndef ASSAY_SRC_VISION_IMPORT_LOWER_H
#define ASSAY_SRC_VISION_IMPORT_LOWER_H

#include "vision/import/model.h"

#define ASSAY__MAX_DRAFTS 8192
#define ASSAY__REFUSED 1 /* beside 0 and the errors: the engine lacks this, lower->why says what */

/** A layer before weights are read. Drafts are numbered as tensors: draft 0 is the picture. */
struct assay__draft {
	struct assay__layer layer;
	const struct assay__constant *weights; /* NULL with an operation that has weights: the middle of the window is 1 */
	float *scale, *bias; /* for each output channel, what weights are multiplied by and what is added */
	const float *image_scale, *image_offset; /* of one that reads the picture */
	int order;								 /* its tensor in the model, 0: not needed */
};

enum assay__value_kind { ASSAY__UNSEEN, ASSAY__CONSTANT, ASSAY__MAP, ASSAY__UNKNOWN };

/** What a name stands for. */
struct assay__value {
	struct assay__name name;
	enum assay__value_kind kind;
	const struct assay__constant *constant;
	int draft;								 /* of a map */
	const float *image_scale, *image_offset; /* of the picture and what is made of it by scaling alone */
	int pads[4];							 /* top, left, bottom, right: laid around it, for the next window to see */
	bool padded, edge;
	int uses;
	bool shared;						  /* others read the same draft by another name */
	const struct assay__onnx_node *blame; /* of something unknown: whose fault, and why */
	const char *why;
};

struct assay__lower {
	const struct assay__onnx *onnx;
	struct assay__arena *arena;
	struct assay_error *error;
	struct assay__value *values; /* an open hash table */
	size_t value_room;
	struct assay__draft *drafts;
	int draft_count;
	const char *why;
};

/** One operator: fills *out from the node's inputs. Returns 0, ASSAY__REFUSED or an error. */
struct assay__operator {
	const char *name;
	int (*lower)(struct assay__lower *l, const struct assay__onnx_node *node, struct assay__value *out);
};

extern const struct assay__operator assay__operators[]; /* ended by a NULL name */
extern const char assay__operator_names[];				/* for messages */

/** Why the engine cannot do it. Returns ASSAY__REFUSED, or NOMEM. */
int assay__refuse(struct assay__lower *l, const char *format, ...) ASSAY_PRINTF(2, 3);

/** The node's input, or NULL if it is left out. */
const struct assay__value *assay__input(struct assay__lower *l, const struct assay__onnx_node *node, int index);

#endif
