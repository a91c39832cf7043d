/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes small ONNX models in memory, for tests and fuzz seeds.
 *
 *	struct onnx_builder b = {0};
 *	onnx_tensor(&b, "w", (int[]){4, 3, 3, 3, 0}, values);       float, dimensions end with 0; NULL: seeded random
 *	onnx_node(&b, "Conv", "c1", "input w", "x", "strides=2,2 pads=1,1,1,1");
 *	uint8_t *bytes = onnx_end(&b, "input", "x", &size);         free() it
 *
 * Attributes: name=1 an integer, name=1,2 a list of them, name~0.5 a float, name:text.
 */
#ifndef ASSAY_TESTS_ONNX_BUILDER_H
#define ASSAY_TESTS_ONNX_BUILDER_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct onnx_bytes {
	uint8_t *data;
	size_t size, room;
};

struct onnx_builder {
	struct onnx_bytes graph;
	uint64_t seed;
};

static inline void onnx_put(struct onnx_bytes *b, const void *data, size_t size)
{
	if (b->size + size > b->room) {
		b->room = 2 * (b->size + size) + 256;
		b->data = realloc(b->data, b->room);
		assert(b->data);
	}
	if (size)
		memcpy(b->data + b->size, data, size);
	b->size += size;
}

static inline void onnx_varint(struct onnx_bytes *b, uint64_t value)
{
	do {
		uint8_t byte = (uint8_t)(value & 0x7f) | (value > 0x7f ? 0x80 : 0);
		onnx_put(b, &byte, 1);
		value >>= 7;
	} while (value);
}

static inline void onnx_number(struct onnx_bytes *b, int field, int64_t value)
{
	onnx_varint(b, (uint64_t)field << 3);
	onnx_varint(b, (uint64_t)value);
}

static inline void onnx_float(struct onnx_bytes *b, int field, float value)
{
	onnx_varint(b, (uint64_t)field << 3 | 5);
	onnx_put(b, &value, 4); /* tests run on little endian machines */
}

static inline void onnx_field(struct onnx_bytes *b, int field, const void *data, size_t size)
{
	onnx_varint(b, (uint64_t)field << 3 | 2);
	onnx_varint(b, size);
	onnx_put(b, data, size);
}

static inline void onnx_text(struct onnx_bytes *b, int field, const char *text)
{
	onnx_field(b, field, text, strlen(text));
}

/* Takes the part's bytes as a field of the whole. */
static inline void onnx_part(struct onnx_bytes *whole, int field, struct onnx_bytes *part)
{
	onnx_field(whole, field, part->data, part->size);
	free(part->data);
	*part = (struct onnx_bytes){0};
}

/* From -1 to 1. */
static inline float onnx_random(struct onnx_builder *b)
{
	b->seed = b->seed * 6364136223846793005u + 1442695040888963407u;
	return (float)(int32_t)(b->seed >> 32) / 2147483648.0f;
}

static inline int onnx_elements(const int *dims)
{
	int n = 1;
	for (; *dims; dims++)
		n *= *dims;
	return n;
}

static inline void onnx_tensor(struct onnx_builder *b, const char *name, const int *dims, const float *values)
{
	struct onnx_bytes tensor = {0}, data = {0};
	const int n = onnx_elements(dims);

	for (; *dims; dims++)
		onnx_number(&tensor, 1, *dims);
	onnx_number(&tensor, 2, 1);
	onnx_text(&tensor, 8, name);
	for (int i = 0; i < n; i++) {
		const float value = values ? values[i] : onnx_random(b);
		onnx_put(&data, &value, 4);
	}
	onnx_part(&tensor, 9, &data);
	onnx_part(&b->graph, 5, &tensor);
}

static inline void onnx_attribute(struct onnx_bytes *node, const char *text)
{
	struct onnx_bytes attribute = {0};
	const size_t length = strcspn(text, "=~:");
	const bool list = strchr(text, ',') != NULL;
	const char *at = text + length + 1;
	char *end;

	onnx_field(&attribute, 1, text, length);
	if (text[length] == '~')
		onnx_float(&attribute, 2, strtof(at, NULL));
	else if (text[length] == ':')
		onnx_text(&attribute, 4, at);
	else
		for (; *at; at = *end ? end + 1 : end)
			onnx_number(&attribute, list ? 8 : 3, strtol(at, &end, 10));
	onnx_part(node, 5, &attribute);
}

/* For each word of the text. */
static inline void onnx_words(struct onnx_bytes *node, int field, const char *text)
{
	char word[200];

	while (*text) {
		const size_t length = strcspn(text, " ");
		assert(length < sizeof(word));
		memcpy(word, text, length);
		word[length] = '\0';
		if (field == 5)
			onnx_attribute(node, word);
		else
			onnx_text(node, field, strcmp(word, "-") ? word : "");
		text += length + (text[length] == ' ');
	}
}

static inline void onnx_node(struct onnx_builder *b, const char *op, const char *name, const char *inputs,
							 const char *output, const char *attributes)
{
	struct onnx_bytes node = {0};

	onnx_words(&node, 1, inputs);
	onnx_words(&node, 2, output);
	onnx_text(&node, 3, name);
	onnx_text(&node, 4, op);
	onnx_words(&node, 5, attributes);
	onnx_part(&b->graph, 1, &node);
}

static inline uint8_t *onnx_end(struct onnx_builder *b, const char *input, const char *output, size_t *size)
{
	struct onnx_bytes model = {0}, value = {0}, opset = {0};

	onnx_text(&value, 1, input);
	onnx_part(&b->graph, 11, &value);
	onnx_text(&value, 1, output);
	onnx_part(&b->graph, 12, &value);
	onnx_number(&model, 1, 8);
	onnx_number(&opset, 2, 17);
	onnx_part(&model, 8, &opset);
	onnx_part(&model, 7, &b->graph);
	*size = model.size;
	return model.data;
}

/* A backbone with everything in it, a classifier behind it: maps "s4", "s8", "s16" of 8, 14 and 10 channels. */
static inline uint8_t *onnx_backbone(uint64_t seed, size_t *size)
{
	struct onnx_builder b = {.seed = seed};
	const float zero = 0, six = 3;

	onnx_tensor(&b, "w1", (int[]){8, 3, 7, 7, 0}, NULL);
	onnx_node(&b, "Conv", "stem", "input w1", "x1", "strides=2,2 pads=3,3,3,3 kernel_shape=7,7");
	onnx_tensor(&b, "g1", (int[]){8, 0}, (float[]){.1f, .2f, .1f, .3f, .1f, .1f, .15f, .12f});
	onnx_tensor(&b, "b1", (int[]){8, 0}, NULL);
	onnx_tensor(&b, "m1", (int[]){8, 0}, NULL);
	onnx_tensor(&b, "v1", (int[]){8, 0}, (float[]){1, 2, 1, 3, 1, .5f, .7f, 1.2f});
	onnx_node(&b, "BatchNormalization", "bn", "x1 g1 b1 m1 v1", "x2", "epsilon~0.001");
	onnx_node(&b, "Relu", "relu", "x2", "x3", "");
	onnx_node(&b, "MaxPool", "pool", "x3", "x4", "strides=2,2 pads=1,1,1,1 kernel_shape=3,3");
	onnx_tensor(&b, "w2", (int[]){8, 8, 3, 3, 0}, NULL);
	onnx_tensor(&b, "b2", (int[]){8, 0}, NULL);
	onnx_node(&b, "Conv", "c2", "x4 w2 b2", "x5", "pads=1,1,1,1");
	onnx_tensor(&b, "zero", (int[]){1, 0}, &zero);
	onnx_tensor(&b, "six", (int[]){1, 0}, &six);
	onnx_node(&b, "Clip", "clip", "x5 zero six", "x6", "");
	onnx_tensor(&b, "w3", (int[]){8, 8, 1, 1, 0}, NULL);
	onnx_node(&b, "Conv", "c3", "x6 w3", "x7", "");
	onnx_node(&b, "Add", "add", "x4 x7", "x8", "");
	onnx_node(&b, "Relu", "relu2", "x8", "s4", "");
	onnx_node(&b, "AveragePool", "avg", "s4", "x9", "strides=2,2 kernel_shape=2,2");
	onnx_tensor(&b, "w4", (int[]){6, 8, 3, 3, 0}, NULL);
	onnx_node(&b, "Conv", "c4", "s4 w4", "x10", "strides=2,2 pads=1,1,1,1");
	onnx_node(&b, "Concat", "join", "x9 x10", "s8", "axis=1");
	onnx_tensor(&b, "w5", (int[]){14, 1, 3, 3, 0}, NULL);
	onnx_node(&b, "Conv", "dw", "s8 w5", "x11", "group=14 strides=2,2 pads=1,1,1,1");
	onnx_node(&b, "Relu", "relu3", "x11", "x12", "");
	onnx_tensor(&b, "w6", (int[]){10, 14, 1, 1, 0}, NULL);
	onnx_node(&b, "Conv", "c6", "x12 w6", "s16", "");
	onnx_node(&b, "GlobalAveragePool", "gap", "s16", "x13", "");
	onnx_node(&b, "Flatten", "flat", "x13", "x14", "axis=1");
	onnx_tensor(&b, "w7", (int[]){10, 10, 0}, NULL);
	onnx_node(&b, "Gemm", "head", "x14 w7", "out", "");
	return onnx_end(&b, "input", "out", size);
}

#endif
